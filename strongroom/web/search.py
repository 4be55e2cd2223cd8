"""Search for readers: the page of results, suggestions while typing, the Atom feed of any search, help with the syntax."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import ANONYMOUS, Actor
from strongroom.context import Context
from strongroom.errors import Invalid, Malformed, StrongroomError
from strongroom.http import listing
from strongroom.http.caching import VARY, conditional
from strongroom.http.deps import actor_of, context, flag, has_credentials, in_thread, who
from strongroom.ids import iso, now
from strongroom.metadata.exports.names import natural
from strongroom.metadata.exports.text import shorten
from strongroom.metadata.html import plain
from strongroom.records import queries
from strongroom.records.views import RecordView
from strongroom.search.index import SearchRequest, sort_names
from strongroom.search.index import words as folded
from strongroom.search.query import unknown_fields
from strongroom.web import pages
from strongroom.web.answers import go, lang_of, page, viewer_of
from strongroom.web.render import Texts, render, texts
from strongroom.web.words import N_, STATUSES, resource_type

# The page ---------------------------------------------------------------------------------------------------


def state_of(params: QueryParams) -> pages.SearchState:
    """What an address asks for. Numbers and orders that make no sense count as not given."""
    filters = {
        name: [v.replace("\0", "") for v in params.getlist(name) if v]
        for name in listing.FILTERS
        if any(params.getlist(name))
    }
    if "resource_type" in filters:
        filters["resource_type"] = [v.rpartition("::")[2] for v in filters["resource_type"]]
    first, last = (_year(params.get(name)) for name in ("year_from", "year_to"))
    if "year_from" in params or "year_to" in params:
        filters.pop("publication_date", None)
        if first and last and int(first) > int(last):
            first, last = last, first
        if first or last:
            filters["publication_date"] = [f"{first}..{last}"]
    size = _between(params.get("size"), 20, 1, 100)
    sort = params.get("sort", "")
    return pages.SearchState(
        query=params.get("q", "").replace("\0", "").strip(),
        filters=filters,
        sort=sort if sort in sort_names else "",
        size=size,
        page=_between(params.get("page"), 1, 1, pages.MAX_RESULTS // size),
        all_versions=flag(params.get("all_versions")),
    )


def _year(text: str | None) -> str:
    text = (text or "").strip()
    return text if re.fullmatch(r"[0-9]{4}", text) else ""


def _between(text: str | None, default: int, low: int, high: int) -> int:
    try:
        return max(low, min(high, int(text or default)))
    except ValueError:
        return default


def asked_of(state: pages.SearchState, params: QueryParams, actor: Actor) -> SearchRequest:
    """The search that a state means for this reader. Raises Malformed (bounds, custom)."""
    asked = listing.search_request(params, state.page, state.size, state.sort, state.all_versions, actor)
    return replace(
        asked,
        q=state.query,
        resource_type=tuple(state.filters.get("resource_type", ())),
        publication_date=tuple(state.filters.get("publication_date", ())),
    )


async def search(request: Request) -> Response:
    """GET /search: results as a page; a query with a mistake is shown with the spot."""
    ctx, lang = context(request), lang_of(request)
    params = request.query_params
    state = state_of(params)

    def work() -> tuple[bytes | str, int]:
        actor = who(request)
        shown: dict[str, Any] = {"settings": ctx.settings, "lang": lang, "viewer": viewer_of(actor)}
        try:
            asked = asked_of(state, params, actor)
            hits = ctx.search.search("records", asked)
        except (Malformed, Invalid) as error:
            return pages.search_page(state, [], 0, error=_mistake(error, texts(lang)), **shown), 400
        last = pages.last_page(hits.total, state.size)
        if state.page > last:
            # Behind the end, perhaps since it is nearer now: on to the last page there is.
            kept = [(name, value) for name, value in params.multi_items() if name != "page"]
            return f"/search?{urlencode([*kept, ('page', str(last))])}", 302
        with ctx.db.read() as session:
            found = queries.listed(session, actor, hits.ids)
        facets = [
            pages.Facet(name, name, _buckets(name, buckets, state.filters.get(name, ())))
            for name, buckets in hits.facets.items()
        ]
        similar = None if hits.total else _similar(ctx, asked)
        unknown = unknown_fields(state.query)
        body = pages.search_page(
            state, found, hits.total, facets=facets, similar=similar, unknown=unknown, **shown
        )
        return body, 200

    body, status = await in_thread(request, work)
    return go(request, body, status) if isinstance(body, str) else page(body, status)


def _mistake(error: StrongroomError, t: Texts) -> pages.QueryError:
    """What is wrong with a query, without the frame that the API puts around it."""
    said = error.message
    if isinstance(error, Invalid) and error.findings:
        said = " ".join(error.findings[0].messages)
    said = said.removeprefix("Invalid query string syntax. ")
    said = re.sub(r" at character \d+: .*", "", said, flags=re.DOTALL)
    if said in pages.REASONS:
        said = t.gettext(said)
    return pages.QueryError(said if said.endswith(".") else f"{said}.", getattr(error, "position", None))


def _buckets(name: str, buckets: Sequence[Any], chosen: Iterable[str]) -> list[pages.Bucket]:
    """A facet's values with those chosen marked; of the access statuses those with none as well."""
    chosen = set(chosen)
    shown = [_bucket(bucket, chosen) for bucket in buckets]
    if name == "access_status" and shown:
        there = {b.key for b in shown}
        shown += [pages.Bucket(key, key, 0, key in chosen) for key in STATUSES if key not in there]
    return shown


def _bucket(bucket: Any, chosen: set[str]) -> pages.Bucket:
    inner = [_bucket(b, chosen) for b in bucket.inner]
    return pages.Bucket(bucket.key, bucket.key, bucket.count, bucket.key in chosen, inner)


_PLAIN: Final = re.compile(r"[\w\s]+")


def _similar(ctx: Context, asked: SearchRequest) -> tuple[str, int] | None:
    """For plain words that find nothing: a query of words that differ by a letter or two, and how many it finds."""
    words = asked.q.split()
    if not words or len(words) > 5 or not _PLAIN.fullmatch(asked.q) or {"AND", "OR", "NOT"} & set(words):
        return None
    query = " ".join(f"{word}~" for word in words)
    try:
        total = ctx.search.search("records", replace(asked, q=query, page=1, size=1, facets=False)).total
    except Malformed:
        return None
    return (query, total) if total else None


# Suggestions ------------------------------------------------------------------------------------------------

_SUGGESTED: Final = {"record": 5, "person": 3, "subject": 3}
_LOOKED_AT: Final = 10  # records in which people and subjects are looked for
_WORDS: Final = re.compile(r"\w+")


def suggestions(ctx: Context, typed: str, t: Texts) -> list[dict[str, str]]:
    """Titles, people and subjects of public records that have the words typed, the last of them perhaps unfinished.

    Each has `kind` (record, person, subject), `label` (the kind in the reader's language), `text`, `url`. Nothing for
    less than two letters.
    """
    parts = [w.lower() for w in _WORDS.findall(typed[:200])][:8]
    if not parts or len("".join(parts)) < 2:
        return []
    last = f"{parts[-1]}*" if len(parts[-1]) > 1 else parts[-1]
    words = " AND ".join([*parts[:-1], last])
    fields = {"record": "title", "person": "creators.name", "subject": "keywords"}

    def ids(kind: str) -> list[int]:
        size = _SUGGESTED[kind] if kind == "record" else _LOOKED_AT
        # Nobody's in particular: what is shown here anybody may see.
        asked = SearchRequest(q=f"{fields[kind]}:({words})", size=size, facets=False)
        try:
            return ctx.search.search("records", asked).ids
        except (Malformed, Invalid):
            return []

    found = {kind: ids(kind) for kind in fields}
    everything = list(dict.fromkeys(i for some in found.values() for i in some))
    with ctx.db.read() as session:
        views = {v.id: v for v in queries.by_ids(session, ANONYMOUS, everything)}
    there = {kind: [views[i] for i in some if i in views] for kind, some in found.items()}
    typed_words = folded(" ".join(parts))
    return [
        {"kind": kind, "label": label, "text": text, "url": url}
        for kind, label, some in (
            ("record", t.gettext("Record"), _titles(there["record"])),
            ("person", t.gettext("Person"), _people(there["person"], typed_words)),
            ("subject", t.gettext("Subject"), _subjects(there["subject"], typed_words)),
        )
        for text, url in some[: _SUGGESTED[kind]]
    ]


def _titles(views: Sequence[RecordView]) -> list[tuple[str, str]]:
    return [(v.data.metadata.title or "", f"/records/{v.id}") for v in views]


def _people(views: Sequence[RecordView], typed: Sequence[str]) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for view in views:
        for person in view.data.metadata.creators:
            name = natural(person)
            if _fits(typed, name):
                orcid = person.identifier("orcid")
                query = (
                    f"creators.orcid:{orcid}" if orcid else f"creators.name:{_quoted(person.name or name)}"
                )
                found.setdefault(name, f"/search?{urlencode({'q': query})}")
    return list(found.items())


def _subjects(views: Sequence[RecordView], typed: Sequence[str]) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for view in views:
        for subject in view.data.metadata.subjects:
            if _fits(typed, subject.subject):
                found.setdefault(subject.subject, f"/search?{urlencode({'subject': subject.subject})}")
    return list(found.items())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _fits(typed: Sequence[str], text: str) -> bool:
    """Whether each word typed begins a word of the text."""
    there = folded(text)
    return all(any(word.startswith(begun) for word in there) for begun in typed)


async def suggest(request: Request) -> Response:
    """GET /search/suggest: titles, people and subjects of public records for what is being typed (`q`), as JSON."""
    ctx, t = context(request), texts(lang_of(request))
    typed = request.query_params.get("q", "").replace("\0", "")
    found = await in_thread(request, suggestions, ctx, typed, t)
    keep = "private, no-store" if has_credentials(request) else "public, max-age=60"
    return Response(
        orjson.dumps({"suggestions": found}),
        200,
        {"Cache-Control": keep, "X-Content-Type-Options": "nosniff", "Vary": VARY},
        media_type="application/json",
    )


# Feeds ------------------------------------------------------------------------------------------------------

ATOM: Final = "http://www.w3.org/2005/Atom"
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


async def feed(request: Request) -> Response:
    """GET /search.atom: any search as an Atom feed (RFC 4287), the newest first unless another order is asked for."""
    ctx, lang = context(request), lang_of(request)
    params = request.query_params
    state = state_of(params)
    if not state.sort:
        state = replace(state, sort="newest")
    private = has_credentials(request)

    def work() -> bytes:
        with ctx.db.read() as session:
            actor = actor_of(session, request) if private else ANONYMOUS
        hits = ctx.search.search("records", replace(asked_of(state, params, actor), facets=False))
        with ctx.db.read() as session:
            found = queries.by_ids(session, actor, hits.ids)
        return atom(
            state, found, hits.total, base_url=ctx.settings.base_url, site=ctx.settings.site_name, lang=lang
        )

    body = await in_thread(request, work)
    etag = f'"{blake2b(body, digest_size=8).hexdigest()}"'
    headers = {
        "Cache-Control": "private, no-store" if private else "public, max-age=300",
        "ETag": etag,
        "Vary": VARY,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if not private and conditional(request, etag):
        return Response(None, 304, headers)
    return Response(body, 200, headers, media_type="application/atom+xml")


def atom(
    state: pages.SearchState, found: Sequence[RecordView], total: int, *, base_url: str, site: str, lang: str
) -> bytes:
    """A page of hits as an Atom feed, with links to the pages beside it (RFC 5005)."""
    t = texts(lang)
    _ = t.gettext

    def at(number: int) -> str:
        page_of = replace(state, page=number)
        return f"{base_url}/search.atom{page_of.url().removeprefix('/search')}"

    root = ET.Element(f"{{{ATOM}}}feed", {"{http://www.w3.org/XML/1998/namespace}lang": lang})

    def put(parent: ET.Element, name: str, text: str = "", /, **attributes: str) -> ET.Element:
        element = ET.SubElement(parent, f"{{{ATOM}}}{name}", {k: _xml(v) for k, v in attributes.items()})
        element.text = _xml(text) or None
        return element

    title = _("Records for %(query)s") % {"query": state.query} if state.query else _("Records")
    put(root, "title", f"{title} | {site}")
    put(root, "id", at(1))
    # Of a feed without entries too: there is none that could have changed.
    put(
        root,
        "updated",
        iso(
            max((v.updated for v in found), default=now().replace(hour=0, minute=0, second=0, microsecond=0))
        ),
    )
    put(put(root, "author"), "name", site)
    put(root, "generator", "Strongroom", uri=base_url)
    last = pages.last_page(total, state.size)
    put(root, "link", rel="self", type="application/atom+xml", href=at(state.page))
    put(root, "link", rel="alternate", type="text/html", href=base_url + state.url())
    put(root, "link", rel="first", type="application/atom+xml", href=at(1))
    if state.page > 1:
        put(root, "link", rel="previous", type="application/atom+xml", href=at(state.page - 1))
    if state.page < last:
        put(root, "link", rel="next", type="application/atom+xml", href=at(state.page + 1))
    for view in found:
        _entry(put, root, view, base_url, t)
    ET.register_namespace("", ATOM)
    ET.indent(root, " ")
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _entry(
    put: Callable[..., ET.Element], root: ET.Element, view: RecordView, base_url: str, t: Texts
) -> None:
    said = view.data.metadata
    entry = put(root, "entry")
    put(entry, "title", said.title or t.gettext("Without a title"))
    put(entry, "id", f"{base_url}/records/{view.id}")
    put(entry, "link", rel="alternate", type="text/html", href=f"{base_url}/records/{view.id}")
    put(entry, "published", iso(view.created))
    put(entry, "updated", iso(view.updated))
    for person in said.creators:
        put(put(entry, "author"), "name", natural(person) or "?")
    kind = said.resource_type
    if kind:
        put(entry, "category", term=kind, label=resource_type(kind, t.gettext))
    for subject in said.subjects:
        if subject.subject:
            put(entry, "category", term=subject.subject)
    if said.description:
        put(entry, "summary", shorten(plain(said.description), 500))


def _xml(text: str) -> str:
    """The text without the characters that XML has no place for."""
    return _NOT_XML.sub("", text)


# Help -------------------------------------------------------------------------------------------------------

# Each is run by a test.
EXAMPLES: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    N_("Words"): (
        (
            "rose garden",
            N_("Records with any of the words, those with both first. Case and accents do not count."),
        ),
        ("rose AND garden", N_("Records with both words. AND, OR and NOT are written in capitals.")),
        ("rose -garden", N_("Records with the first word and without the second.")),
        ("+rose garden", N_("The first word must occur; the second makes a record come first.")),
        ('"rose garden"', N_("The words in this order, next to each other.")),
        ('"rose plants"~3', N_("The same with up to three words between them.")),
        ("(rose OR tulip) AND scent", N_("Parentheses say what belongs together.")),
    ),
    N_("Parts of words"): (
        ("genom*", N_("Words that begin so. ? stands for one letter. Two letters or digits must be there.")),
        ("metabolmoics~", N_("Words that differ by a letter or two: for what may be mistyped.")),
        ("title:/gen(e|ome)s?/", N_("A regular expression over whole words.")),
    ),
    N_("Fields"): (
        ("title:rose", N_("Words of the title only.")),
        ('creators.name:"Rocca-Serra, Philippe"', N_("Works of a person.")),
        ("creators.orcid:0000-0001-9853-5668", N_("Works of the person with this ORCID.")),
        ("title:(rose AND genome)", N_("Several words of one field.")),
        ("type:dataset AND access_status:open", N_("Open datasets.")),
        ("doi:10.5072/strongroom.1042", N_("The record with this DOI.")),
        ('related.identifier:"10.1038/s41588-018-0110-3"', N_("Records that name this work.")),
        ("_exists_:grants", N_("Records that say who paid for them.")),
    ),
    N_("Dates and numbers"): (
        (
            "publication_date:2019",
            N_("Published in this year. Months and days work too: 2019-03, 2019-03-13."),
        ),
        ("publication_date:[2017 TO 2019]", N_("From the first to the last, both included.")),
        ("publication_date:{2017 TO *]", N_("After this year. { and } leave out their end; * is open.")),
        ("size:>1000000000", N_("More than a gigabyte of files.")),
        ("filecount:[10 TO 20]", N_("With so many files.")),
    ),
    N_("Files"): (
        ("filename:readme*", N_("Records with a file of this name.")),
        ("filetype:csv", N_("Records with a file of this type.")),
        (
            "checksum:d41d8cd98f00b204e9800998ecf8427e",
            N_("The record that holds the file with this MD5 or SHA-256."),
        ),
    ),
}
# The fields that readers use; a program may use all names of the API's documents.
FIELDS: Final[Sequence[tuple[str, str]]] = (
    ("title", N_("Title and further titles")),
    ("description", N_("Description")),
    ("creators.name", N_("Names of creators; also creators.affiliation, creators.orcid")),
    ("contributors.name", N_("Names of contributors; also contributors.affiliation, contributors.orcid")),
    ("keywords", N_("Keywords and subjects")),
    ("type", N_("Upload type: dataset, publication, software …")),
    ("subtype", N_("Kind of publication or image: article, preprint, figure …")),
    (
        "access_status",
        N_("open, embargoed, restricted (closed files too) or metadata-only (a record without files)"),
    ),
    ("license", N_("Licence, by its short name: cc-by-4.0, mit …")),
    ("publication_date", N_("Date of publication, as the depositor says")),
    ("created", N_("When it was published here; also updated")),
    ("language", N_("Language, three letters: eng, deu …")),
    ("version", N_("Version, by its number or name")),
    ("doi", N_("DOI of a version; conceptdoi is that of all versions")),
    ("related.identifier", N_("Works that the record is related to")),
    ("grants.code", N_("Number of a grant; also grants.acronym, grants.title, grants.funder")),
    ("journal.title", N_("Journal; also journal.volume, journal.issue, journal.issn")),
    ("meeting.title", N_("Conference; also meeting.acronym, meeting.place")),
    ("filename", N_("Names of files; also filetype, filesize, filecount, checksum")),
    ("size", N_("Bytes of all files together")),
)


async def syntax(request: Request) -> Response:
    """GET /help/search: what a query can say, with examples."""
    ctx, lang = context(request), lang_of(request)
    actor = await in_thread(request, who, request)
    t = texts(lang)
    body = render(
        "search_help",
        lang=lang,
        settings=ctx.settings,
        viewer=viewer_of(actor),
        next_url="/help/search",
        sections=list(_translated(t)),
        fields=[(name, t.gettext(said)) for name, said in FIELDS],
        marks='+ - ! ( ) { } [ ] ^ " ~ * ? : / \\',
    )
    return page(body, headers=None if has_credentials(request) else {"Cache-Control": "public, no-cache"})


def _translated(t: Texts) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    for heading, examples in EXAMPLES.items():
        lines = [(q, f"/search?{urlencode({'q': q})}", t.gettext(said)) for q, said in examples]
        yield t.gettext(heading), lines


PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/search", search),
    ("GET", "/search.atom", feed),
    ("GET", "/search/suggest", suggest),
    ("GET", "/help/search", syntax),
]
