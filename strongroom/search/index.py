"""The index: one tantivy directory of documents, and what a search request becomes in it.

tantivy pays a third of a millisecond for the dictionary of every field at every commit, so the seventy
fields that queries name live in three of its own:

    text     all there is to read of a document, without field names: the title three times, names and
             keywords twice, so that they weigh more
    fields   the same words, each with its field in front: `title=river`
    keys     whole values with their field: `doi=10.5281/zenodo.1`, `has=doi`, `hidden=private`

Beside them stand five facets and columns of numbers for sorting and ranges. Why nothing is stemmed, what
facets cost and what was measured stands in docs/decisions/0004-search.md.
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import tantivy
from tantivy import FieldType, Filter, Occur, Order, Query, TextAnalyzerBuilder, Tokenizer

from strongroom.errors import Invalid, Malformed, StrongroomError
from strongroom.metadata.vocabularies import licence_id
from strongroom.search import query as q
from strongroom.search.documents import Agent, Document
from strongroom.search.fields import FIELDS

# Raise with every change of the schema, the tokenizer or what a document's fields hold: an index of
# another format is built anew.
FORMAT = 2

WINDOW = 10_000  # hits that paging reaches (api-legacy.md 3.1)
HEAP = 15_000_000  # bytes a writer may use before it flushes; tantivy's least for one thread
FACET_SIZE = 10
COUNTED = 128  # counts of facets that are remembered
PHRASE = 100  # words that are looked up one behind the other
POINTS = 4  # locations of a document that `bounds` tells apart

_ANALYZER = (
    TextAnalyzerBuilder(Tokenizer.simple())
    .filter(Filter.remove_long(100))
    .filter(Filter.lowercase())
    .filter(Filter.ascii_fold())
    .build()
)

_BLANKS = TextAnalyzerBuilder(Tokenizer.whitespace()).build()
_NUMBERS = [name for name, kind in FIELDS.items() if kind not in ("text", "key")]
_EXACT = ("id", "concept", "version_index")  # numbers that are looked up, not only compared
_FACET_FIELDS = ("resource", "status", "subject", "filetype", "licence")
_SORT_FIELDS = ("publication_sort", "title_sort", "journal_sort", "meeting_sort", "session_sort")


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    # Words come in folded, from `words`: what is searched for and what is found pass the same analyzer.
    builder.add_text_field("text", tokenizer_name="whitespace_only")
    builder.add_text_field("fields", tokenizer_name="whitespace_only")
    # Holds the id as well. Deleting by a number field would delete nothing, silently.
    builder.add_text_field("keys", tokenizer_name="raw", index_option="basic")
    for name in _FACET_FIELDS:
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic", fast=True)
    for name in (*_NUMBERS, *_SORT_FIELDS, "year"):
        builder.add_integer_field(name, fast=True)
    for number in range(POINTS):
        builder.add_float_field(f"lon{number}", fast=True)
        builder.add_float_field(f"lat{number}", fast=True)
    return builder.build()


SCHEMA = _schema()

# name → (fast field, descending); `mostrecent` is newest first, against its looks (api-legacy.md 10.2).
# Views and downloads are not in the index yet: those sorts are by age until they are.
_SORTS: dict[str, tuple[str, bool] | None] = {
    "bestmatch": None,
    "-bestmatch": None,
    "newest": ("created", True),
    "oldest": ("created", False),
    "mostrecent": ("created", True),
    "-mostrecent": ("created", False),
    "updated-desc": ("updated", True),
    "updated-asc": ("updated", False),
    "newestactivity": ("updated", True),
    "oldestactivity": ("updated", False),
    "version": ("version_index", True),
    "-version": ("version_index", False),
    "mostviewed": ("created", True),
    "-mostviewed": ("created", False),
    "mostdownloaded": ("created", True),
    "-mostdownloaded": ("created", False),
    "publication-desc": ("publication_sort", True),
    "publication-asc": ("publication_sort", False),
    "publication_date": ("publication_sort", True),
    "-publication_date": ("publication_sort", False),
    "conference-desc": ("meeting_sort", True),
    "conference-asc": ("meeting_sort", False),
    "conference_session": ("session_sort", False),
    "-conference_session": ("session_sort", True),
    "journal-desc": ("journal_sort", True),
    "journal-asc": ("journal_sort", False),
    "journal": ("journal_sort", False),
    "-journal": ("journal_sort", True),
    "title": ("title_sort", False),
    "-title": ("title_sort", True),
}
sort_names: frozenset[str] = frozenset(_SORTS)


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One search. Values within a filter mean "any of", filters together "all of".

    `viewer` is the user who asks: he also finds what is not public but shown to him, and that of the
    concepts in `shared`. With `mine` he finds only what is his, with `of_others` too only what is others'
    and shared with him; drafts are always searched so, and their concepts are `previewed`. `status` (of depositions)
    is `draft` or `published`. `sort` empty: bestmatch with a query, newest without. `facets` False
    saves their cost.
    """

    q: str = ""
    page: int = 1
    size: int = 25
    sort: str = ""
    all_versions: bool = False
    viewer: int | None = None
    shared: tuple[int, ...] = ()
    previewed: tuple[int, ...] = ()
    mine: bool = False
    of_others: bool = False
    status: str = ""
    type: str = ""
    subtype: str = ""
    communities: tuple[str, ...] = ()
    bounds: tuple[float, float, float, float] | None = None  # west, south, east, north
    custom: tuple[tuple[str, str], ...] = ()  # term, value
    # facets: the counts of one do not shrink by its own choice
    access_status: tuple[str, ...] = ()
    access_right: tuple[str, ...] = ()
    resource_type: tuple[str, ...] = ()  # publication, publication::publication-article
    subject: tuple[str, ...] = ()  # also the old `keywords`
    file_type: tuple[str, ...] = ()
    license: tuple[str, ...] = ()
    publication_date: tuple[str, ...] = ()  # 2019..2021, 2019, 2019-05-01..
    facets: bool = True


@dataclass(frozen=True, slots=True)
class Bucket:
    key: str
    count: int
    inner: tuple[Bucket, ...] = ()


@dataclass(frozen=True, slots=True)
class Hits:
    """What was found: ids in order, how many in all, counts by facet; `behind`: a newer change is not in yet."""

    ids: list[int] = field(default_factory=list)
    total: int = 0
    facets: dict[str, list[Bucket]] = field(default_factory=dict)
    behind: bool = False


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hit with what it is sorted by, for merging two indexes."""

    id: int
    concept: int
    value: Any


FACETS: dict[str, dict[str, Any]] = {
    "publication_date": {"terms": {"field": "year", "size": 100, "order": {"_key": "desc"}}},
    "access_status": {"terms": {"field": "status", "size": FACET_SIZE}},
    "resource_type": {"terms": {"field": "resource", "size": 100}},
    "subject": {"terms": {"field": "subject", "size": FACET_SIZE}},
    "file_type": {"terms": {"field": "filetype", "size": FACET_SIZE}},
    "license": {"terms": {"field": "licence", "size": FACET_SIZE}},
}


def check(request: SearchRequest) -> None:
    """Raises what is wrong with a request before anything waits for the index (api-legacy.md 3.1).

    Invalid on an unknown sort, Malformed on a page beyond the window, QuerySyntaxError.
    """
    if request.sort and request.sort not in _SORTS:
        raise Invalid.at("_schema", f"Invalid sort option '{request.sort}'.")
    if request.page < 1 or request.size < 0 or request.page * request.size > WINDOW:
        raise Malformed("Invalid querystring parameters.")
    q.parse(request.q)


def descending(request: SearchRequest) -> bool:
    """Whether greater sort values come first."""
    by = _SORTS[request.sort or "bestmatch"]
    return by[1] if by else request.sort != "-bestmatch"


class Index:
    """One directory. Safe for several threads that search; one writer at a time, in one process."""

    def __init__(self, path: Path) -> None:
        """Opens what is there. Raises ValueError or OSError where there is no sound index."""
        self.path = path
        if not tantivy.Index.exists(str(path)):
            raise ValueError(f"There is no index in {path}.")
        self._index = tantivy.Index(SCHEMA, path=str(path), reuse=True)
        self._index.register_tokenizer("whitespace_only", _BLANKS)
        # Reloaded when the state file says so: tantivy's own watcher would be a thread that polls.
        self._index.config_reader("manual")
        self._index.reload()
        self._counted: dict[SearchRequest, dict[str, list[Bucket]]] = {}

    @classmethod
    def create(cls, path: Path) -> Index:
        path.mkdir(parents=True)
        tantivy.Index(SCHEMA, path=str(path), reuse=False)
        return cls(path)

    def reload(self) -> None:
        """Shows what was committed since."""
        self._index.reload()
        self._counted = {}

    @property
    def count(self) -> int:
        return int(self._index.searcher().num_docs)

    @property
    def segments(self) -> int:
        return int(self._index.searcher().num_segments)

    def writer(self, heap: int = HEAP) -> Writer:
        return Writer(self._index.writer(heap, 1))

    def search(self, request: SearchRequest) -> Hits:
        """One page of hits, with facets. Raises QuerySyntaxError, Invalid; OSError when the index is damaged."""
        with self._told_apart():
            return self._search(request)

    @contextlib.contextmanager
    def _told_apart(self) -> Iterator[None]:
        """tantivy says ValueError for a query that costs too much, and for a damaged file, and panics too."""
        try:
            yield
        except StrongroomError:
            raise
        except BaseException as error:
            if not isinstance(error, ValueError) and type(error).__name__ != "PanicException":
                raise
            try:
                self._index.searcher().search(Query.all_query(), 1)
            except BaseException as broken:
                raise OSError(f"The index in {self.path} is damaged: {broken}") from error
            if isinstance(error, ValueError):
                raise q.QuerySyntaxError(f"The query can't be run ({str(error)[:200]})") from None
            raise OSError(f"The index in {self.path} is damaged: {error}") from error

    def _search(self, request: SearchRequest) -> Hits:
        node = q.parse(request.q)
        counted = self._counted  # before the searcher: what it counts is never older than its place here
        searcher = self._index.searcher()
        base, chosen = _Compiler(searcher).request(request, node)
        whole = _both(base, *chosen.values())
        total, ranked = _top(searcher, whole, request, isinstance(node, q.All))
        facets: dict[str, list[Bucket]] = {}
        if request.facets:
            # Counting is most of the cost of a search that finds much, and the same for all its pages
            # until the next commit.
            alike = replace(request, page=1, size=0, sort="")
            if (known := counted.get(alike)) is not None:
                facets = known
            else:
                facets = _facets(searcher, base, chosen)
                if len(counted) >= COUNTED:
                    counted.clear()
                counted[alike] = facets
        return Hits([hit for hit, _ in ranked], total, dict(facets))

    def ranked(self, request: SearchRequest, limit: int = WINDOW) -> list[Ranked]:
        """The best `limit` hits with what they are sorted by; page and size count for nothing."""
        with self._told_apart():
            return self._ranked(request, limit)

    def _ranked(self, request: SearchRequest, limit: int) -> list[Ranked]:
        node = q.parse(request.q)
        searcher = self._index.searcher()
        base, chosen = _Compiler(searcher).request(request, node)
        whole = _both(base, *chosen.values())
        _, found = _top(
            searcher, whole, replace(request, page=1, size=limit), isinstance(node, q.All), addresses=True
        )
        addresses = [address for address, _ in found]
        ids = searcher.fast_field_values("id", addresses)
        concepts = searcher.fast_field_values("concept", addresses)
        return [
            Ranked(int(id or 0), int(concept or 0), value)
            for id, concept, (_, value) in zip(ids, concepts, found, strict=True)
        ]

    def siblings(self, concepts: Iterable[int]) -> set[int]:
        """Ids of the documents of these concepts that count as latest."""
        return self._ids(
            Query.boolean_query(
                [
                    (Occur.Must, _keyed("concept", concepts)),
                    (Occur.MustNot, _term("hidden", "old")),
                ]
            )
        )

    def family(self, ids: Iterable[int]) -> set[int]:
        """Ids of all documents that share a concept with one of these."""
        searcher = self._index.searcher()
        mine = _keyed("id", ids)
        found = [address for _, address in searcher.search(mine, WINDOW, count=False).hits]
        concepts = {int(value or 0) for value in searcher.fast_field_values("concept", found)}
        return self._ids(_keyed("concept", concepts)) if concepts else set()

    def _ids(self, query: Query) -> set[int]:
        searcher = self._index.searcher()
        found = searcher.search(query, WINDOW, count=False, order_by_field="id").hits
        return {int(value or 0) for value, _ in found}


class Writer:
    """Collects changes until `commit`. Dropping it without a commit loses them, nothing more."""

    def __init__(self, writer: tantivy.IndexWriter) -> None:
        self._writer = writer

    def put(self, document: Document) -> None:
        """Adds it, or puts it in the place of the document with its id."""
        self.delete(document.id)
        self._writer.add_document(_tantivy(document))

    def add(self, document: Document) -> None:
        """Adds it where nothing with its id can be (a rebuild)."""
        self._writer.add_document(_tantivy(document))

    def delete(self, id: int) -> None:
        self._writer.delete_documents_by_term("keys", f"id={id}")

    def commit(self) -> None:
        """All changes since the last commit are on disk, or none."""
        self._writer.commit()

    def finish(self) -> None:
        """Waits for merges; the writer can't be used after that."""
        self._writer.wait_merging_threads()


# --- hits and facets


def _top(
    searcher: tantivy.Searcher,
    query: Query,
    request: SearchRequest,
    everything: bool,
    addresses: bool = False,
) -> tuple[int, list[tuple[Any, Any]]]:
    """How many match, and of the page: (id or address, sort value)."""
    sort = request.sort or "bestmatch"
    by = _SORTS[sort] or (("created", sort == "bestmatch") if everything else None)
    offset, limit = (request.page - 1) * request.size, request.size
    if by:
        order = Order.Desc if by[1] else Order.Asc
        result = searcher.search(query, max(limit, 1), True, by[0], offset, order)
        hits = result.hits
    elif sort == "-bestmatch":
        # Worst first: the window's hits, turned round.
        hits = searcher.search(query, WINDOW, False).hits[::-1][offset : offset + max(limit, 1)]
        result = searcher.search(query, 1, True)
    else:
        result = searcher.search(query, max(limit, 1), True, None, offset)
        hits = result.hits
    hits = hits[:limit]
    found = [address for _, address in hits]
    keys = found if addresses else [int(i or 0) for i in searcher.fast_field_values("id", found)]
    return int(getattr(result, "count", 0) or 0), list(zip(keys, (value for value, _ in hits), strict=True))


def _facets(searcher: tantivy.Searcher, base: Query, chosen: dict[str, Query]) -> dict[str, list[Bucket]]:
    """Counts by facet. Where values of a facet are chosen its own counts ignore that choice."""
    aggregated: dict[str, Any] = {}
    free = {name: spec for name, spec in FACETS.items() if name not in chosen}
    if free:
        aggregated = searcher.aggregate(_both(base, *chosen.values()), free)
    for name in chosen:
        if name in FACETS:
            others = [query for other, query in chosen.items() if other != name]
            aggregated |= searcher.aggregate(_both(base, *others), {name: FACETS[name]})
    return {name: _buckets(name, aggregated[name]["buckets"]) for name in FACETS}


def _buckets(name: str, raw: list[dict[str, Any]]) -> list[Bucket]:
    if name == "publication_date":
        return [Bucket(str(int(bucket["key"])), int(bucket["doc_count"])) for bucket in raw]
    if name != "resource_type":
        return [Bucket(str(bucket["key"]), int(bucket["doc_count"])) for bucket in raw]
    counts: dict[str, int] = defaultdict(int)
    inner: dict[str, list[Bucket]] = defaultdict(list)
    for bucket in raw:
        key, count = str(bucket["key"]), int(bucket["doc_count"])
        top, dash, _ = key.partition("-")
        counts[top] += count
        if dash:
            inner[top].append(Bucket(key, count))
    ordered = sorted(counts, key=lambda top: (-counts[top], top))
    return [Bucket(top, counts[top], tuple(inner[top])) for top in ordered]


def _both(*queries: Query) -> Query:
    if len(queries) == 1:
        return queries[0]
    return Query.boolean_query([(Occur.Must, query) for query in queries])


# --- our tree into tantivy's queries


def _term(field: str, value: Any) -> Query:
    """Documents that have this whole value in that field."""
    if field.startswith("custom:"):
        field = "custom"
    return Query.term_query(SCHEMA, "keys", f"{field}={value}")


def _keyed(field: str, values: Iterable[int]) -> Query:
    return Query.term_set_query(SCHEMA, "keys", [f"{field}={value}" for value in values])


def _place(field: str) -> tuple[str, str]:
    """tantivy's field of one of ours, and what stands in front of each of its terms."""
    if field == "text":
        return "text", ""
    if q.kind_of(field) == "text":
        return "fields", f"{field}="
    return "keys", "custom=" if field.startswith("custom:") else f"{field}="


def _one_of(queries: Sequence[Query]) -> Query:
    if len(queries) == 1:
        return queries[0]
    return Query.boolean_query([(Occur.Should, query) for query in queries])


def _quiet(query: Query) -> Query:
    """A filter: it says which documents, not which are better."""
    return Query.const_score_query(query, 0.0)


def words(text: str) -> list[str]:
    """The words of a text, as the index has them."""
    return list(_ANALYZER.analyze(q.plain(text)))


_REGEX_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$#&\-~])")


def _regex(value: str, fold: Callable[[str], str] = str) -> str:
    """The regular expression of a value with wildcards."""
    pieces = re.split(f"([{q.ANY}{q.ONE}])", value)
    marks = {q.ANY: ".*", q.ONE: "."}
    return "".join(marks.get(piece) or _REGEX_SPECIAL.sub(r"\\\1", fold(piece)) for piece in pieces if piece)


def _fold(literal: str) -> str:
    return "".join(_ANALYZER.analyze(literal))


def _plurals(word: str) -> list[str]:
    """The other number of an English (or French, Spanish, Portuguese) word, by its ending alone.

    Zenodo finds `sciences` by `science`. What these rules get wrong is no word and finds nothing.
    """
    if len(word) < 4 or not (word.isascii() and word.isalpha()):
        return []
    if word.endswith("ies"):
        return [word[:-3] + "y", word[:-1]]
    if word.endswith(("ses", "xes", "zes", "ches", "shes")):
        return [word[:-2], word[:-1]]
    if word.endswith("s"):
        return [word + "es"] if word.endswith(("ss", "us", "is")) else [word[:-1]]
    if word.endswith("y") and word[-2] not in "aeiou":
        return [word[:-1] + "ies"]
    if word.endswith(("x", "z", "ch", "sh")):
        return [word + "es"]
    return [word + "s"]


class _Compiler:
    """A searcher helps: words that no document has are left out."""

    def __init__(self, searcher: tantivy.Searcher) -> None:
        self.searcher = searcher

    def request(self, request: SearchRequest, node: q.Node) -> tuple[Query, dict[str, Query]]:
        """The query with its filters, and apart the choices of facets."""
        must: list[tuple[Occur, Query]] = [(Occur.Must, self.node(node) or Query.empty_query())]
        must += [(Occur.Must, _quiet(query)) for query in self.filters(request)]
        if not request.all_versions:
            must.append((Occur.MustNot, _term("hidden", "old")))
        viewer = None if request.viewer is None else _term("viewers", str(request.viewer))
        shared = _keyed("concept", request.shared) if request.shared else None
        if request.mine and request.of_others:
            must.append((Occur.Must, _quiet(shared or Query.empty_query())))
            if viewer is not None:
                must.append((Occur.MustNot, viewer))
        elif request.mine:
            must.append((Occur.Must, _quiet(viewer or Query.empty_query())))
        else:
            hidden = [(Occur.Must, _term("hidden", "private"))]
            hidden += [(Occur.MustNot, shown) for shown in (viewer, shared) if shown is not None]
            must.append((Occur.MustNot, Query.boolean_query(hidden)))
        base = must[0][1] if len(must) == 1 else Query.boolean_query(must)
        return base, {name: _quiet(query) for name, query in self.choices(request).items()}

    def filters(self, request: SearchRequest) -> list[Query]:
        found: list[Query] = []
        if request.type:
            value = f"{request.type}-{request.subtype}" if request.subtype else request.type
            found.append(_one_of([_term(name, q.key_of("type", value)) for name in ("type", "resource")]))
        if request.communities:
            found.append(self.any_key("communities", request.communities))
        if request.status:
            unpublished = _term("hidden", "unpublished")
            found.append(
                unpublished
                if request.status == "draft"
                else Query.boolean_query([(Occur.Must, Query.all_query()), (Occur.MustNot, unpublished)])
            )
        for term, value in request.custom:
            found.append(_term("custom", q.key_of(f"custom:{term}", value)))
        if request.bounds:
            found.append(_inside(*request.bounds))
        return found

    def choices(self, request: SearchRequest) -> dict[str, Query]:
        found: dict[str, Query] = {}
        if request.access_status:
            found["access_status"] = self.any_key("status", request.access_status)
        if request.access_right:
            found["access_right"] = self.any_key("access_right", request.access_right)
        if request.resource_type:
            found["resource_type"] = _one_of(
                [
                    _term(name, q.key_of("type", value.rpartition("::")[2]))
                    for value in request.resource_type
                    for name in (("resource",) if "::" in value else ("type", "resource"))
                ]
            )
        if request.subject:
            found["subject"] = _one_of(
                [Query.term_query(SCHEMA, "subject", value) for value in request.subject]
            )
        if request.file_type:
            found["file_type"] = self.any_key("filetype", request.file_type)
        if request.license:
            found["license"] = self.any_key("license", request.license)
        if request.publication_date:
            found["publication_date"] = _one_of([_years(value) for value in request.publication_date])
        return found

    def any_key(self, name: str, values: Iterable[str]) -> Query:
        return _one_of([_term(name, q.key_of(name, value)) for value in values])

    def node(self, node: q.Node) -> Query | None:
        """None where a node says nothing: a word of punctuation alone."""
        match node:
            case q.All():
                return Query.all_query()
            case q.Nothing():
                return Query.empty_query()
            case q.Bool():
                return self.bool(node)
            case q.Match():
                return self.match(node)
            case q.Term(field, value):
                return _term(field, value)
            case q.Exists(field):
                return _term("has", field)
            case q.Range(field, None, None):
                return _term("has", field)
            case q.Range(field, low, high):
                limit = q.INT64
                low = None if low is None else max(-limit, min(low, limit))
                high = None if high is None else max(-limit, min(high, limit))
                if low == high and field in _EXACT:
                    return _term(field, low)
                return Query.range_query(SCHEMA, field, FieldType.Integer, low, high)
            case q.Pattern():
                return self.pattern(node)
            case q.Regex(field, pattern):
                name, front = _place(field)
                if field.startswith("custom:"):
                    front += f"{field[7:].lower()}="
                return self.regex(name, f"{_regex(front)}(?:{pattern})" if front else pattern)
            case q.Fuzzy():
                return self.fuzzy(node)

    def bool(self, node: q.Bool) -> Query | None:
        clauses: list[tuple[Occur, Query]] = []
        for occur, nodes in (
            (Occur.Must, node.must),
            (Occur.Should, node.should),
            (Occur.MustNot, node.must_not),
        ):
            clauses += [(occur, query) for child in nodes if (query := self.node(child)) is not None]
        if not clauses:
            return None
        if all(occur == Occur.MustNot for occur, _ in clauses):
            clauses.append((Occur.Must, Query.all_query()))
        if len(clauses) == 1:
            return clauses[0][1]
        return Query.boolean_query(clauses)

    def match(self, node: q.Match) -> Query | None:
        name, front = _place(node.field)
        found = words(node.text)
        if not found:
            return None
        if len(found) > PHRASE:
            raise q.QuerySyntaxError(f"A phrase may have {PHRASE} words.")
        if len(found) > 1:
            return Query.phrase_query(SCHEMA, name, [front + word for word in found], node.slop)
        terms = [front + found[0]]
        if not node.exact:
            others = (front + word for word in _plurals(found[0]))
            terms += [term for term in others if self.searcher.doc_freq(name, term)]
        return _one_of([Query.term_query(SCHEMA, name, term) for term in terms])

    def pattern(self, node: q.Pattern) -> Query | None:
        name, front = _place(node.field)
        if name == "keys":
            return self.regex(name, _regex(front + node.value))
        patterns = [_regex(front) + _regex(part, _fold) for part in q.pattern_parts(node.value)]
        if len(patterns) > 1:
            return Query.regex_phrase_query(SCHEMA, name, list(patterns))
        return self.regex(name, patterns[0]) if patterns else None

    def regex(self, name: str, pattern: str) -> Query:
        try:
            return Query.regex_query(SCHEMA, name, pattern)
        except ValueError as error:
            reason = str(error).strip().splitlines()[-1].removeprefix("error: ")
            raise q.QuerySyntaxError(f"The regular expression can't be used ({reason[:120]})") from None

    def fuzzy(self, node: q.Fuzzy) -> Query | None:
        name, front = _place(node.field)
        found = [q.key_of(node.field, node.value)] if name == "keys" else words(node.value)[:4]
        queries = []
        for word in found:
            distance = node.distance
            if distance is None:
                distance = 0 if len(word) < 3 else 1 if len(word) < 6 else 2
            if distance and len(word) <= 100:
                queries.append(Query.fuzzy_term_query(SCHEMA, name, front + word, distance))
            else:
                queries.append(Query.term_query(SCHEMA, name, front + word))
        return _both(*queries) if queries else None


def _years(text: str) -> Query:
    """`2019..2021`, also with an open end, and with months or days."""
    low, dots, high = text.partition("..")
    try:
        first = q.span("day", low)[0] if low.strip() else None
        last = q.span("day", high)[1] if high.strip() else (q.span("day", low)[1] if not dots else None)
    except (ValueError, OverflowError):
        raise Invalid.at("publication_date", f"Expected 2019..2021, got '{text[:40]}'.") from None
    if first is None and last is None:
        return Query.all_query()
    return Query.range_query(SCHEMA, "publication_date", FieldType.Integer, first, last)


def _inside(west: float, south: float, east: float, north: float) -> Query:
    boxes = []
    for number in range(POINTS):
        lat = Query.range_query(SCHEMA, f"lat{number}", FieldType.Float, south, north)
        if west <= east:
            lon = Query.range_query(SCHEMA, f"lon{number}", FieldType.Float, west, east)
        else:
            lon = _one_of(
                [
                    Query.range_query(SCHEMA, f"lon{number}", FieldType.Float, west, 180.0),
                    Query.range_query(SCHEMA, f"lon{number}", FieldType.Float, -180.0, east),
                ]
            )
        boxes.append(_both(lat, lon))
    return _one_of(boxes)


# --- a document into the index


def _tantivy(document: Document) -> tantivy.Document:
    return tantivy.Document.from_dict(_values(document), SCHEMA)


def _values(d: Document) -> dict[str, Any]:
    """The index's fields of a document."""
    read: list[str] = []  # what is looked up without a field, and has no words of its own
    texts: dict[str, list[str]] = {}  # field → its values, each folded words with blanks between
    keys: dict[str, None] = {}
    numbers: dict[str, list[int]] = {}

    def put(name: str, *items: Any) -> None:
        present = False
        kind = FIELDS[name]
        for item in items:
            if item in (None, ""):
                continue
            present = True
            if kind == "text":
                texts.setdefault(name, []).append(" ".join(words(str(item))))
            elif kind == "key":
                keys[f"{name}={q.key_of(name, str(item))}"] = None
                if name in _WEIGHTS:
                    read.append(" ".join(words(str(item))))
            else:
                numbers.setdefault(name, []).append(item)
                if name in _EXACT:
                    keys[f"{name}={item}"] = None
        if present:
            keys[f"has={name}"] = None

    put("title", d.title, *d.other_titles)
    put("description", d.description)
    put("notes", *d.notes)
    put("methods", *d.methods)
    put("keywords", *d.keywords, *d.subject_terms)
    put("subjects_identifier", *d.subject_ids)
    put("references", *d.references)
    for role, agents in (("creators", d.creators), ("contributors", d.contributors)):
        _agents(put, role, agents)
    put("contributors_type", *(agent.role for agent in d.contributors))
    put("publisher", d.publisher)
    for grant in d.grants:
        put("grants_code", grant.code)
        put("grants_acronym", grant.acronym)
        put("grants_program", grant.program)
        put("grants_title", grant.title)
        put("funder_name", grant.funder_name)
        put("funder_doi", grant.funder_doi)
        put("funder_acronym", grant.funder_acronym)
    for link in d.related:
        put("related_identifier", link.identifier)
        put("related_scheme", link.scheme)
        put("related_relation", link.relation)
    for link in d.alternates:
        put("alternate_identifier", link.identifier)
        put("alternate_scheme", link.scheme)
    for name in ("title", "volume", "issue", "pages", "issn"):
        put(f"journal_{name}", d.journal.get(name))
    for name in ("title", "acronym", "dates", "place", "url", "session"):
        put(f"meeting_{name}", d.meeting.get(name))
    put("meeting_part", d.meeting.get("session_part"))
    put("imprint_isbn", d.imprint.get("isbn"))
    put("imprint_place", d.imprint.get("place"))
    put("partof_title", d.imprint.get("title"))
    put("partof_pages", d.imprint.get("pages"))
    put("thesis_university", d.thesis_university)
    put("places", *d.places)
    put("filename", *(entry.key for entry in d.files))
    put("filetype", *(_extension(entry.key) for entry in d.files))
    put("filesize", *dict.fromkeys(entry.size for entry in d.files))
    put("checksum", *(entry.md5 for entry in d.files), *(entry.sha256 for entry in d.files))
    put("doi", d.doi)
    put("conceptdoi", d.concept_doi)
    resource = d.resource_type or ""
    top, _, sub = resource.partition("-")
    put("resource", resource)
    put("type", top)
    put("subtype", sub, resource if sub else None)
    put("status", d.access_status)
    put("access_right", d.access_right, "restricted" if d.access_right == "closed" else None)
    put("language", *d.languages)
    put("license", *d.licences)
    put("license_url", *d.licence_urls)
    put("communities", *d.communities)
    put("owners", *d.owners)
    put("version_label", d.version_label)
    put("id", d.id)
    put("concept", d.concept_id)
    put("version_index", d.version_index)
    put("filecount", d.file_count)
    put("size", d.total_bytes)
    put("created", q.microseconds(d.created))
    put("updated", q.microseconds(d.updated))
    day = q.first_day(d.publication_date)
    put("publication_date", day)
    put("embargodate", d.embargo_until.toordinal() if d.embargo_until else None)
    for term, items in d.custom.items():
        for item in filter(None, items):
            keys[f"custom={q.key_of(f'custom:{term}', item)}"] = keys[f"has=custom:{term}"] = None
            read.append(" ".join(words(item)))
    hidden = {"old": not d.is_latest, "private": not d.public, "unpublished": not d.published}
    keys |= {f"hidden={name}": None for name, true in hidden.items() if true}
    keys |= {f"viewers={user}": None for user in d.viewers}

    values: dict[str, list[Any]] = dict(numbers)
    values["keys"] = list(keys)
    values["text"] = read + [text for name, found in texts.items() for text in found * _WEIGHTS.get(name, 0)]
    values["fields"] = [
        " ".join([f"{name}={word}" for word in text.split()])
        for name, found in texts.items()
        for text in found
    ]
    values["subject"] = list(dict.fromkeys(keyword for keyword in d.keywords if keyword))
    # Counted once each, though it is found by its older ids as well.
    values["licence"] = list(dict.fromkeys(licence_id(given) or given for given in d.licences))
    for name in ("resource", "status", "filetype"):
        front = f"{name}="
        values[name] = [key.removeprefix(front) for key in keys if key.startswith(front)]
    values["publication_sort"] = [(day or 0) * 10**12 + d.id % 10**12]
    if day:
        values["year"] = [date.fromordinal(day).year]
    for name, title in (
        ("title_sort", d.title),
        ("journal_sort", d.journal.get("title")),
        ("meeting_sort", d.meeting.get("title")),
        ("session_sort", d.meeting.get("session")),
    ):
        values[name] = [_packed(title or "")]
    # Those beyond the last share its place: a box may then find one by another's latitude.
    for number, (lon, lat) in enumerate(d.points):
        number = min(number, POINTS - 1)
        values.setdefault(f"lon{number}", []).append(float(lon))
        values.setdefault(f"lat{number}", []).append(float(lat))
    return {name: items for name, items in values.items() if items}


def _packed(text: str) -> int:
    """A number that sorts as the first twelve letters and digits of a text: a column of numbers is cheap."""
    number = 0
    for char in " ".join(words(text[:60]))[:12].ljust(12):
        digit = _ALPHABET.find(char)
        number = number * 37 + (digit if digit >= 0 else 36)
    return number


_ALPHABET = " 0123456789abcdefghijklmnopqrstuvwxyz"

# What words without a field are looked up in, and how often it counts.
_WEIGHTS = dict.fromkeys(
    (  # noqa: SIM905 (one a line would be a page)
        "description notes methods references creators_affiliation creators_orcid contributors_name "
        "contributors_affiliation contributors_orcid publisher doi conceptdoi grants_code grants_acronym "
        "grants_title funder_name funder_acronym related_identifier alternate_identifier journal_title "
        "meeting_title meeting_acronym meeting_place partof_title imprint_isbn thesis_university places "
        "communities filename"
    ).split(),
    1,
) | {"title": 3, "creators_name": 2, "keywords": 2}


def _agents(put: Callable[..., None], role: str, agents: Iterable[Agent]) -> None:
    for agent in agents:
        put(f"{role}_name", agent.name)
        put(f"{role}_affiliation", *agent.affiliations)
        put(f"{role}_orcid", agent.orcid)
        put(f"{role}_gnd", agent.gnd)


def _extension(key: str) -> str | None:
    name = key.rpartition("/")[2]
    stem, dot, extension = name.rpartition(".")
    return extension if dot and stem and 0 < len(extension) <= 16 else None
