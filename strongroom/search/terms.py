"""The index of vocabulary terms: suggestions while somebody types, and searches (api-rdm.md section 6).

Every word is indexed by its beginnings, from two letters on, with a mark of its kind in front: `aw|univ`. A
suggestion is then a look-up of a few terms, whatever the number of entries, and nothing is scored. Hits come in
tiers: what is called exactly so (name, acronym, id); whose name begins so, with whole words, then with part of
one; that has all the words. Within a tier those of more weight come first, then shorter names.

The index of the database's entries lies in a folder of each machine. Whoever finds it behind brings it up to date:
a few changes at once, many in a thread meanwhile. A lock file keeps others out, `terms.json` says which directory
readers open and up to which change it is. What is lost, damaged or of another format is built anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import tantivy
from luqum import tree as luqum
from luqum.thread import parse
from tantivy import Filter, Occur, Order, Query, TextAnalyzerBuilder, Tokenizer

log = logging.getLogger(__name__)

# Raise with every change of the schema or of what a term is found by: an index of another format is built anew.
FORMAT = 2

LONGEST = 16  # letters of a beginning that count
SHORTEST = 2
WINDOW = 10_000  # hits that paging reaches
SUGGESTED = 1_000  # suggestions that paging reaches
AT_ONCE = 5_000  # changes that a search applies before it answers; more are applied meanwhile
BATCH = 2_000
COMMIT_AFTER = 100_000
HEAP = 15_000_000
REBUILD_HEAP = 60_000_000
FACET_SIZE = 20

# One character for each kind, in front of its terms.
CODES: Mapping[str, str] = {
    "affiliations": "a", "awards": "g", "funders": "f", "names": "n", "subjects": "s",
    "communitytypes": "C", "contributorsroles": "O", "creatorsroles": "R", "datetypes": "D",
    "descriptiontypes": "B", "languages": "L", "licenses": "I", "relationtypes": "E", "removalreasons": "V",
    "resourcetypes": "P", "titletypes": "T", "code:developmentStatus": "S", "code:programmingLanguages": "Q",
}  # fmt: skip

_ANALYZER = (
    TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.lowercase()).filter(Filter.ascii_fold()).build()
)
_BLANKS = TextAnalyzerBuilder(Tokenizer.whitespace()).build()
# Two marks (kind, class) before the letters.
_BEGINNINGS = TextAnalyzerBuilder(
    Tokenizer.ngram(min_gram=2 + SHORTEST, max_gram=2 + LONGEST, prefix_only=True)
).build()
_ASCII_WORDS = re.compile(r"[a-z0-9]+")

_LIST, _ITEM = "\x1e", "\x1f"


def words(text: str) -> list[str]:
    """The words of a text as they are looked up: lower case, without diacritics, split at what is no letter or digit."""
    if text.isascii():
        return _ASCII_WORDS.findall(text.lower())
    return [word for token in _ANALYZER.analyze(text) for word in token.split()]


def sort_name(text: str) -> str:
    """What a list is sorted by: the words, at most 100 characters of them."""
    return " ".join(words(text))[:100]


@dataclass(frozen=True, slots=True)
class Term:
    """What an entry is found by.

    `main` are the names it goes by (title, acronym), `others` all else (aliases, translations, description), `ids`
    identifiers and codes. `keys` are `field=value` for searches that name a field, with tags as `tags=…`. `facet`
    is what hits are counted by. `weight` is 0 to 255: of two alike the greater comes first. `fresh`: this is its first
    change, so it can't be in an index that has not come so far.
    """

    number: int
    seq: int
    kind: str
    main: tuple[str, ...]
    others: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    facet: str = ""
    weight: int = 0
    retired: bool = False
    fresh: bool = False

    @staticmethod
    def pack(
        main: Iterable[str],
        others: Iterable[str] = (),
        ids: Iterable[str] = (),
        keys: Iterable[str] = (),
        facet: str = "",
        weight: int = 0,
    ) -> str:
        """All but number, seq, kind and retired, as one text for a column; `unpack` reads it."""
        join = _ITEM.join
        return _LIST.join((join(main), join(others), join(ids), join(keys), facet, str(weight)))

    @classmethod
    def unpack(
        cls, number: int, seq: int, kind: str, packed: str, retired: bool = False, fresh: bool = False
    ) -> Term:
        main, others, ids, keys, facet, weight = (
            part.split(_ITEM) if n < 4 else part for n, part in enumerate(packed.split(_LIST))
        )
        return cls(
            number, seq, kind, tuple(main), tuple(filter(None, others)), tuple(filter(None, ids)),
            tuple(filter(None, keys)), str(facet), int(str(weight)), retired, fresh,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TermRequest:
    """One search among the terms of a kind: by `suggest`, by `q`, or (neither) all of them.

    `sort`: bestmatch, title, newest, oldest; empty is bestmatch. `tags` must all be there, of `facet` any.
    """

    kind: str
    q: str = ""
    suggest: str = ""
    tags: tuple[str, ...] = ()
    facet: tuple[str, ...] = ()
    sort: str = ""
    page: int = 1
    size: int = 25
    count_facets: bool = False


@dataclass(frozen=True, slots=True)
class TermHits:
    """Numbers of the entries in order, how many in all, counts by facet; `behind`: newer changes are not in yet."""

    numbers: list[int] = field(default_factory=list)
    total: int = 0
    facets: dict[str, int] = field(default_factory=dict)
    behind: bool = False


class TermSource(Protocol):
    """The truth. Called from several threads at once; each call sees what is committed then."""

    def newest(self) -> int:
        """Number of the newest committed change; 0 before the first."""
        ...

    def after(self, seq: int, limit: int) -> Sequence[Term]:
        """The next terms changed behind that number, in its order, as they are now."""
        ...


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("begins", tokenizer_name="beginnings", index_option="basic")
    builder.add_text_field("words", tokenizer_name="blanks", index_option="position")
    builder.add_text_field("keys", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("facet", tokenizer_name="raw", index_option="basic", fast=True)
    for name in ("number", "rank", "name_sort"):
        builder.add_integer_field(name, fast=True)
    return builder.build()


SCHEMA = _schema()


def _document(term: Term) -> tantivy.Document:
    code = CODES[term.kind]
    keys = {f"n={term.number}", f"k={code}"}
    begins: set[str] = set()
    everything: list[str] = []
    first = ""
    for n, name in enumerate(term.main):
        found = words(name)
        whole = " ".join(found)
        if n == 0:
            first = whole
        everything += found
        begins.add(f"{code}s{whole[:LONGEST]}")
        keys.add(f"{code}={whole}")
    for name in (*term.others, *term.ids):
        found = words(name)
        everything += found
        keys.add(f"{code}={' '.join(found)}")
    front = f"{code}w"
    for word in set(everything):
        begins.add(front + word[:LONGEST])
        if len(word) < SHORTEST:
            keys.add(f"{front}={word}")
    for key in term.keys:
        keys.add(f"{code}:{key.lower()}")
    if term.facet:
        keys.add(f"{code}:facet={term.facet.lower()}")
    # All at once: a call for each value would cost more than making the values.
    return tantivy.Document(
        begins=list(begins),
        words=[" ".join(everything)],
        keys=list(keys),
        facet=[term.facet] if term.facet else [],
        number=[term.number],
        rank=[(min(term.weight, 255) << 16) + 65_535 - min(len(first), 65_535)],
        name_sort=[int.from_bytes(first.encode()[:7].ljust(7, b"\0"))],
    )


class TermIndex:
    """One directory, or memory. Safe for several threads that search; one writer at a time."""

    def __init__(self, index: tantivy.Index) -> None:
        self._index = index
        for name, analyzer in (("blanks", _BLANKS), ("beginnings", _BEGINNINGS)):
            index.register_tokenizer(name, analyzer)
        index.config_reader("manual")
        index.reload()

    @classmethod
    def open(cls, path: Path) -> TermIndex:
        """Raises ValueError or OSError where there is no sound index."""
        if not tantivy.Index.exists(str(path)):
            raise ValueError(f"There is no index in {path}.")
        return cls(tantivy.Index(SCHEMA, path=str(path), reuse=True))

    @classmethod
    def create(cls, path: Path) -> TermIndex:
        path.mkdir(parents=True)
        return cls(tantivy.Index(SCHEMA, path=str(path), reuse=False))

    @classmethod
    def in_memory(cls, terms: Iterable[Term]) -> TermIndex:
        """An index of these terms alone, for vocabularies that never change."""
        index = cls(tantivy.Index(SCHEMA))
        writer = index.writer(HEAP)
        for term in terms:
            writer.add_document(_document(term))
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        return index

    def writer(self, heap: int = HEAP) -> tantivy.IndexWriter:
        return self._index.writer(heap, 1)

    def reload(self) -> None:
        self._index.reload()

    @property
    def count(self) -> int:
        return int(self._index.searcher().num_docs)

    def search(self, request: TermRequest) -> TermHits:
        """One page. Raises ValueError or OSError when the index is damaged."""
        searcher = self._index.searcher()
        code = CODES[request.kind]
        filters = [_key(f"{code}:tags={tag.lower()}") for tag in request.tags]
        chosen = [_key(f"{code}:facet={value.lower()}") for value in request.facet]
        if request.suggest.strip():
            tiers = _suggestion(code, request.suggest)
        elif request.q.strip():
            tiers = [_both([(Occur.Must, _asked(code, request.q)), (Occur.Must, _filter(_key(f"k={code}")))])]
        else:
            tiers = [_key(f"k={code}")]
        whole = [(Occur.Must, _filter(query)) for query in filters]
        if chosen:
            whole.append((Occur.Must, _filter(_both([(Occur.Should, query) for query in chosen]))))
        tiers = [_both([(Occur.Must, tier), *whole]) if whole else tier for tier in tiers]
        if request.suggest.strip():
            numbers, total = _tiered(searcher, tiers, request)
        else:
            numbers, total = _sorted(searcher, tiers[0], request)
        return TermHits(numbers, total, _counted(searcher, tiers[-1]) if request.count_facets else {})


def _key(value: str) -> Query:
    return Query.term_query(SCHEMA, "keys", value)


def _filter(query: Query) -> Query:
    """It says which entries, not which are better."""
    return Query.const_score_query(query, 0.0)


def _both(clauses: Sequence[tuple[Occur, Query]]) -> Query:
    return clauses[0][1] if len(clauses) == 1 else Query.boolean_query(list(clauses))


def _begins(code: str, word: str) -> Query:
    if len(word) < SHORTEST:
        return _key(f"{code}w={word}")
    return Query.term_query(SCHEMA, "begins", f"{code}w{word[:LONGEST]}")


def _suggestion(code: str, text: str) -> list[Query]:
    """The tiers of what is typed: called so, begins so, has all words. The last has those before in it."""
    found = words(text)
    if not found:
        return [Query.empty_query()]
    whole = " ".join(found)
    every = [(Occur.Must, _begins(code, word)) for word in dict.fromkeys(found)]
    tiers = [_key(f"{code}={whole}")]
    if len(whole) >= SHORTEST:
        if len(whole) < LONGEST:
            # Whole words first: ETH Zurich before Ethiopian Airlines.
            tiers.append(Query.term_query(SCHEMA, "begins", f"{code}s{whole} "))
        begins = Query.term_query(SCHEMA, "begins", f"{code}s{whole[:LONGEST]}")
        # Where the beginning was cut the words say the rest.
        tiers.append(_both([(Occur.Must, begins), *every]) if len(whole) > LONGEST else begins)
    return [*tiers, _both(every)]


def _tiered(
    searcher: tantivy.Searcher, tiers: Sequence[Query], request: TermRequest
) -> tuple[list[int], int]:
    wanted = min(request.page * request.size, SUGGESTED)
    found: dict[int, None] = {}
    total = 0
    for query in tiers:
        last = query is tiers[-1]
        if not last and len(found) >= wanted:
            continue
        # Those of the tiers before are among these too.
        result = searcher.search(
            query, max(min(wanted + len(found), SUGGESTED), 1), last, "rank", 0, Order.Desc
        )
        addresses = [address for _, address in result.hits]
        found |= dict.fromkeys(int(n or 0) for n in searcher.fast_field_values("number", addresses))
        total = int(getattr(result, "count", 0) or 0)
    return list(found)[(request.page - 1) * request.size : request.page * request.size], total


_ORDER = {
    "title": ("name_sort", Order.Asc),
    "newest": ("number", Order.Desc),
    "oldest": ("number", Order.Asc),
}


def _sorted(searcher: tantivy.Searcher, query: Query, request: TermRequest) -> tuple[list[int], int]:
    offset, limit = (request.page - 1) * request.size, max(request.size, 1)
    by = _ORDER.get(request.sort)
    if by:
        result = searcher.search(query, limit, True, by[0], offset, by[1])
    else:
        result = searcher.search(query, limit, True, None, offset)
    addresses = [address for _, address in result.hits]
    numbers = [int(n or 0) for n in searcher.fast_field_values("number", addresses)]
    return numbers[: request.size], int(getattr(result, "count", 0) or 0)


def _counted(searcher: tantivy.Searcher, query: Query) -> dict[str, int]:
    said = searcher.aggregate(query, {"facet": {"terms": {"field": "facet", "size": FACET_SIZE}}})
    return {str(bucket["key"]): int(bucket["doc_count"]) for bucket in said["facet"]["buckets"]}


# --- q: words, phrases, beginnings with *, field:value, AND OR NOT and brackets


def _asked(code: str, q: str) -> Query:
    """The query of a `q`; one that is no good syntax is looked for word by word."""
    try:
        found = _compiled(code, parse(q), "")
    except Exception:  # luqum raises its own errors, but also ValueError, decimal's and RecursionError
        found = _all_words(q)
    return found or Query.empty_query()


def _compiled(code: str, node: Any, where: str) -> Query | None:
    match node:
        case luqum.SearchField():
            return _compiled(code, node.expr, node.name)
        case luqum.Group() | luqum.FieldGroup() | luqum.Plus() | luqum.Boost():
            inner = node.a if isinstance(node, luqum.Plus) else node.expr
            return _compiled(code, inner, where)
        case luqum.Not() | luqum.Prohibit():
            inside = _compiled(code, node.a, where)
            return None if inside is None else Query.boolean_query(
                [(Occur.Must, Query.all_query()), (Occur.MustNot, inside)]
            )  # fmt: skip
        case luqum.OrOperation():
            children = [q for child in node.children if (q := _compiled(code, child, where)) is not None]
            return _both([(Occur.Should, child) for child in children]) if children else None
        case luqum.BaseOperation():
            children = [q for child in node.children if (q := _compiled(code, child, where)) is not None]
            return _both([(Occur.Must, child) for child in children]) if children else None
        case luqum.Phrase():
            return _valued(code, where, str(node.value)[1:-1])
        case luqum.Word():
            return Query.all_query() if node.value == "*" else _valued(code, where, str(node.value))
    return _all_words(str(node))


# Names of fields that hold words; a value in one of the others is looked up whole.
_TEXTS = frozenset({"", "title", "name", "subject", "description", "aliases", "given_name", "family_name"})


def _valued(code: str, where: str, value: str) -> Query | None:
    value = re.sub(r"\\(.)", r"\1", value)
    if where.partition(".")[0] in _TEXTS:
        star = value.endswith("*")
        found = words(value)
        if star and found:
            clauses = [(Occur.Must, Query.term_query(SCHEMA, "words", word)) for word in found[:-1]]
            return _both([*clauses, (Occur.Must, _begins(code, found[-1]))])
        if len(found) > 1:
            return Query.phrase_query(SCHEMA, "words", list(found))
        return Query.term_query(SCHEMA, "words", found[0]) if found else None
    key = f"{code}:{where}={value.lower()}"
    if key.endswith("*"):
        pattern = "".join(".*" if c == "*" else re.escape(c) for c in key)
        return Query.regex_query(SCHEMA, "keys", pattern.replace(r"\-", "-").replace(r"\ ", " "))
    return _key(key)


def _all_words(text: str) -> Query | None:
    found = [(Occur.Must, Query.term_query(SCHEMA, "words", word)) for word in dict.fromkeys(words(text))]
    return _both(found) if found else None


# --- the index of this machine


@dataclass(frozen=True, slots=True)
class _State:
    """`applied` is in for sure; what comes after, up to `begun`, may be (whoever wrote it was killed meanwhile)."""

    directory: str
    applied: int
    begun: int

    @classmethod
    def read(cls, path: Path) -> tuple[bytes, _State | None]:
        try:
            raw = path.read_bytes()
        except OSError:
            return b"", None
        try:
            said = json.loads(raw)
            if said["format"] != FORMAT:
                return raw, None
            return raw, cls(str(said["directory"]), int(said["applied"]), int(said["begun"]))
        except (ValueError, KeyError, TypeError):
            return raw, None

    def write(self, path: Path) -> None:
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        said = {
            "format": FORMAT, "directory": self.directory, "applied": self.applied, "begun": self.begun,
        }  # fmt: skip
        with open(temporary, "w") as file:
            json.dump(said, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


class _Applying:
    """Changes on their way into the index of this machine; only under the lock. Ends with `finish`."""

    def __init__(self, root: Path, path: Path, source: TermSource, stop: threading.Event) -> None:
        self._root, self._path, self._source, self._stop = root, path, source, stop
        _, state = _State.read(path)
        index = None
        if state is not None:
            try:
                index = TermIndex.open(root / state.directory)
            except (ValueError, OSError) as error:
                log.warning("search: the index of terms is damaged (%s); it is built anew", error)
        if index is None or state is None or state.applied > source.newest():
            state = _State(f"terms-{time.time_ns():x}", 0, 0)
            index = TermIndex.create(root / state.directory)
        self._state = state
        self._index = index
        self._writer: tantivy.IndexWriter | None = None
        self._applied = self._touched = state.applied
        self._waiting = 0

    def step(self, told: Any = None) -> None:
        """Applies what is committed in the database by now; much of it is committed in the index on the way."""
        newest = self._source.newest()
        while self._applied < newest and not self._stop.is_set():
            if self._writer is None:
                many = newest - self._applied > AT_ONCE
                self._writer = self._index.writer(REBUILD_HEAP if many else HEAP)
            found = self._source.after(self._applied, BATCH)
            if not found:
                return
            self._touched = found[-1].seq
            for term in found:
                # To look for what is not there costs a tenth of indexing it, and more with every segment.
                if not term.fresh or term.seq <= self._state.begun:
                    self._writer.delete_documents_by_term("keys", f"n={term.number}")
                if not term.retired:
                    self._writer.add_document(_document(term))
            self._waiting += len(found)
            self._applied = found[-1].seq
            if self._waiting >= COMMIT_AFTER:
                self.commit()
            if told:
                told(self._applied, max(newest, self._applied))

    def commit(self) -> None:
        if self._writer is not None and self._waiting:
            begun = max(self._state.begun, self._touched)
            _State(self._state.directory, self._state.applied, begun).write(self._path)
            self._writer.commit()
            self._state = _State(self._state.directory, self._applied, begun)
            self._state.write(self._path)
            self._waiting = 0

    def finish(self) -> None:
        """Commits, and removes what earlier indexes left. Stopped meanwhile, it leaves the rest to the next."""
        if not self._stop.is_set():
            self.commit()
        if self._writer is not None:
            self._writer.wait_merging_threads()
        if self._stop.is_set():
            return
        if not self._state.applied:
            self._state.write(self._path)
        for path in self._root.glob("terms-*"):
            if path.name != self._state.directory:
                shutil.rmtree(path, ignore_errors=True)


class TermService:
    """Searches the terms of the database. `patience` is how long a search waits while others index, in seconds."""

    def __init__(self, index_dir: Path, source: TermSource, *, patience: float = 1.0) -> None:
        self.root = index_dir
        self.source = source
        self.patience = patience
        self._path = index_dir / "terms.json"
        self._opening = threading.Lock()
        self._raw = b""
        self._shown: _State | None = None
        self._index: TermIndex | None = None
        self._stop = threading.Event()
        self._working: threading.Thread | None = None

    def search(self, request: TermRequest) -> TermHits:
        """One page of what is found; changes committed before the call are in, unless the hits say `behind`."""
        for _ in range(2):
            behind = not self._fresh()
            index = self._index
            if index is None:
                return TermHits(behind=behind)
            try:
                hits = index.search(request)
            except (ValueError, OSError):
                log.exception("search: the index of terms is damaged; it is built anew")
                self._discard()
                continue
            return TermHits(hits.numbers, hits.total, hits.facets, behind) if behind else hits
        return TermHits(behind=True)

    def start(self) -> None:
        """Begins to bring the index up to date where it is behind, in a thread."""
        self._stop.clear()
        self._refresh()
        if self._applied < self.source.newest():
            self._meanwhile()

    def stop(self) -> None:
        """Ends that thread; what it has not committed is applied again."""
        self._stop.set()
        if self._working is not None:
            self._working.join()

    def catch_up(self, told: Any = None) -> bool:
        """Applies all changes here and now; False when another does it. `told(done, newest)` hears of progress."""
        with self._lock() as mine:
            if not mine:
                return False
            self._apply(told)
        self._refresh()
        return True

    @contextlib.contextmanager
    def following(self) -> Iterator[Callable[[], None]]:
        """Gives a function that applies what was committed since; to be called again and again while much is loaded.

        All of it can be found at the latest when this ends. Where another process indexes, the function does nothing.
        """
        with self._lock() as mine:
            if not mine:
                yield lambda: None
                return
            applying = _Applying(self.root, self._path, self.source, self._stop)
            try:
                yield applying.step
            finally:
                applying.finish()
        self._refresh()

    def rebuild(self, told: Any = None) -> None:
        """Throws the index away and builds it anew; waits for whoever works on it."""
        while True:
            with self._lock() as mine:
                if mine:
                    self._path.unlink(missing_ok=True)
                    self._apply(told)
                    break
            time.sleep(0.05)
        self._refresh()

    def wait(self, timeout: float = 3600, told: Any = None) -> None:
        """Returns when all that is committed now can be found. Raises TimeoutError."""
        newest, deadline = self.source.newest(), time.monotonic() + timeout
        while self._applied < newest:
            if not self.catch_up(told):
                time.sleep(0.05)
            self._refresh()
            if time.monotonic() > deadline:
                raise TimeoutError("The index of terms is not brought up to date by whoever works on it.")

    def status(self) -> dict[str, object]:
        """For `doctor`: sound, applied, behind, documents."""
        self._refresh()
        newest = self.source.newest()
        return {
            "sound": self._index is not None or not newest,
            "applied": max(self._applied, 0),
            "behind": max(newest - max(self._applied, 0), 0),
            "documents": self._index.count if self._index else 0,
        }

    # freshness

    @property
    def _applied(self) -> int:
        return self._shown.applied if self._shown else 0

    def _fresh(self) -> bool:
        newest = self.source.newest()
        self._refresh()
        if self._applied == newest:
            return True
        if self._applied > newest:
            # The database was restored or made again: the index knows changes that never were.
            self._discard()
        if newest - self._applied > AT_ONCE:
            self._meanwhile()
            return False
        deadline = time.monotonic() + self.patience
        while self._applied < newest:
            if not self.catch_up():
                time.sleep(0.005)
            self._refresh()
            if time.monotonic() > deadline:
                break
        return self._applied >= newest

    def _refresh(self) -> None:
        """Looks at the state file and shows what it says."""
        for _ in range(3):
            raw, state = _State.read(self._path)
            if raw == self._raw and raw:
                return
            with self._opening:
                raw, state = _State.read(self._path)
                if state is None:
                    self._raw, self._shown, self._index = b"", None, None
                    return
                try:
                    if self._index is None or self._shown is None or self._shown.directory != state.directory:
                        self._index = TermIndex.open(self.root / state.directory)
                    else:
                        self._index.reload()
                except (ValueError, OSError):
                    self._raw, self._shown, self._index = b"", None, None
                    continue
                self._raw, self._shown = raw, state
                return

    def _meanwhile(self) -> None:
        with self._opening:
            if self._working is not None and self._working.is_alive():
                return
            self._working = threading.Thread(target=self._work, name="terms", daemon=True)
            self._working.start()

    def _work(self) -> None:
        try:
            self.catch_up()
        except Exception:
            log.exception("search: the index of terms could not be brought up to date")

    def _discard(self) -> None:
        with self._lock() as mine:
            if mine:
                self._path.unlink(missing_ok=True)
        self._refresh()

    @contextlib.contextmanager
    def _lock(self) -> Iterator[bool]:
        self.root.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.root / "terms.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(lock)

    # indexing, under the lock

    def _apply(self, told: Any) -> None:
        applying = _Applying(self.root, self._path, self.source, self._stop)
        applying.step(told)
        applying.finish()
