"""All pages but the landing page: front page, search, tombstone, log in, errors, one's own uploads, a draft.

Like `landing`, pure rendering: doors hand in views and plain values and get bytes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlencode

from markupsafe import Markup, escape

from strongroom.ids import today
from strongroom.metadata import checks, vocabularies
from strongroom.metadata.exports.text import shorten
from strongroom.metadata.html import plain
from strongroom.records.views import DraftView, ListedRecord, RecordView
from strongroom.settings import Settings
from strongroom.web import words
from strongroom.web.landing import pages
from strongroom.web.render import Texts, Viewer, icon, machine_time, render, texts

MAX_RESULTS: Final = 10_000  # as deep as the search pages go
_SNIPPET: Final = 260  # characters
_PEOPLE: Final = 3


@dataclass(frozen=True, slots=True)
class Hit:
    """One record in a list, as the templates show it."""

    url: str
    title: Any
    people: str
    kind: str
    status: str
    status_key: str
    status_icon: str
    published: str
    version: str | None
    snippet: Any
    file_count: int
    total_bytes: int
    embargo_until: date | None


def _people(names: Sequence[str], t: Texts) -> str:
    if len(names) <= _PEOPLE + 1:
        return ", ".join(names)
    more = len(names) - _PEOPLE
    ngettext = t.ngettext
    return ngettext("%(names)s and %(num)s other", "%(names)s and %(num)s others", more) % {
        "names": ", ".join(names[:_PEOPLE]),
        "num": t.number(more),
    }


def _hit(listed: ListedRecord, t: Texts, terms: Sequence[str] = ()) -> Hit:
    _ = t.gettext
    return Hit(
        url=f"/records/{listed.id}",
        title=highlight(listed.title, terms),
        people=_people(listed.creators, t),
        kind=words.resource_type(listed.resource_type, _),
        status=_(words.STATUSES[listed.status]),
        status_key=listed.status,
        status_icon=words.STATUS_ICONS[listed.status],
        published=listed.publication_date or listed.created.date().isoformat(),
        version=listed.version,
        snippet=highlight(_snippet(plain(listed.description or ""), terms), terms),
        file_count=listed.file_count,
        total_bytes=listed.total_bytes,
        embargo_until=listed.embargo_until,
    )


def hit_lines(found: Iterable[ListedRecord], t: Texts, terms: Sequence[str]) -> Markup:
    """The list's items. Made here, not in the template, where each costs four times as much."""
    _ = t.gettext
    nameless, no_files = escape(_("Without a title")), escape(_("No files"))
    version = _("Version %(version)s")
    lines = []
    for h in (_hit(one, t, terms) for one in found):
        kind = f'<span class="xs muted">{escape(h.kind)}</span>' if h.kind else ""
        of = f'<span class="xs muted">{escape(version % {"version": h.version})}</span>' if h.version else ""
        people = f'<p class="small who">{escape(h.people)}</p>' if h.people else ""
        snippet = f'<p class="small muted snip">{h.snippet}</p>' if h.snippet else ""
        held = no_files
        if h.file_count:
            count = t.ngettext("%(num)s file", "%(num)s files", h.file_count) % {
                "num": t.number(h.file_count)
            }
            held = escape(f"{count}, {t.size(h.total_bytes)}")
        lines.append(
            f'<li class="hit"><p class="row tight"><span class="badge {h.status_key}">{icon(h.status_icon)}{escape(h.status)}</span>'
            f'{kind}<span class="xs muted"><time{machine_time(h.published)}>{escape(t.edtf(h.published))}</time></span>{of}</p>\n'
            f'<h2><a href="{h.url}">{h.title or nameless}</a></h2>{people}{snippet}<p class="xs faint num">{held}</p></li>'
        )
    return Markup("\n".join(lines))


@lru_cache(maxsize=256)
def _pattern(terms: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(f"({'|'.join(map(re.escape, terms))})", re.IGNORECASE)


def highlight(text: str, terms: Sequence[str]) -> Markup:
    """`text` as HTML with the words of a query marked; twenty of these are a third of a page of results."""
    if not terms:
        return Markup(html.escape(text))
    pieces = _pattern(tuple(terms)).split(text)
    return Markup(
        "".join(f"<mark>{html.escape(p)}</mark>" if n % 2 else html.escape(p) for n, p in enumerate(pieces))
    )


def _snippet(text: str, terms: Sequence[str]) -> str:
    """The beginning of a description, or the part around the first word found."""
    if terms and (found := _pattern(tuple(terms)).search(text)) and found.start() > 200:
        start = text.rfind(" ", 0, found.start() - 80) + 1
        return f"… {shorten(text[start:], _SNIPPET)}"
    return shorten(text, _SNIPPET)


_WORD: Final = re.compile(r"\w{3,}")
_ANY_WORD: Final = re.compile(r"\w+")
_NOT_SHOWN: Final = re.compile(r"\bNOT\s+\S+|(?<!\S)-\S+|\b(?:AND|OR|TO)\b|[\w.]+:")


def query_terms(query: str) -> list[str]:
    """The words of a query that are worth marking in the hits: no field names, no operators."""
    return list(dict.fromkeys(_WORD.findall(_NOT_SHOWN.sub(" ", query))))[:10]


def front_page(
    newest: Sequence[ListedRecord],
    total: int,
    *,
    settings: Settings,
    lang: str = "en",
    viewer: Viewer | None = None,
    types: Sequence[tuple[str, int]] = (),
    tries: Sequence[str] = (),
    by_month: Sequence[int] = (),
    counts: Mapping[str, int] | None = None,
) -> bytes:
    """The front page: search box, the newest records, how to deposit.

    `types` are (main resource type, number of records), most first; `tries` subjects to search for; `by_month` the deposits of up to 36 months,
    oldest first, drawn as shelves; `counts` may have `files` and `bytes`. Each part is left out when empty.
    """
    t = texts(lang)
    _ = t.gettext
    return render(
        "front",
        lang=lang,
        settings=settings,
        viewer=viewer,
        next_url="/",
        hits=[_hit(v, t) for v in newest],
        created=[v.created for v in newest],
        total=total,
        types=[(words.resource_type(k, _), _TYPE_ICONS.get(k, "object"), _type_url(k), n) for k, n in types],
        tries=[(text, f"/search?{urlencode({'subject': text})}") for text in tries],
        shelves=_shelves(by_month),
        counts=counts or {},
    )


_TYPE_ICONS: Final = {
    "dataset": "table",
    "publication": "pub",
    "software": "software",
    "presentation": "slides",
    "poster": "poster",
    "image": "image",
    "video": "video",
    "audio": "video",
    "lesson": "lesson",
    "workflow": "flow",
    "other": "other",
}


def _type_url(kind: str) -> str:
    return f"/search?{urlencode({'resource_type': kind})}"


def _shelves(by_month: Sequence[int]) -> list[tuple[float, int, int]]:
    """Boxes on three shelves: (x, y of the top, height), taller where more was deposited; empty months leave a gap."""
    months = list(by_month)[-36:]
    highest = max(months, default=0)
    if highest == 0:
        return []
    months = [0] * (36 - len(months)) + months
    boxes = []
    for n, count in enumerate(months):
        if count:
            height = 24 + round(26 * count / highest)
            boxes.append((0.8 + 29.1 * (n % 12), 80 + 86 * (n // 12) - height, height))
    return boxes


# ── Search ──


@dataclass(frozen=True, slots=True)
class Bucket:
    """One value of a facet. `label` is English; known ids are shown in the reader's language."""

    key: str
    label: str
    count: int
    selected: bool = False
    inner: Sequence[Bucket] = ()


@dataclass(frozen=True, slots=True)
class Facet:
    """A facet: `name` is the query parameter that its values go into."""

    name: str
    label: str
    buckets: Sequence[Bucket]


@dataclass(frozen=True, slots=True)
class QueryError:
    """What is wrong with a query, and where: `position` counts characters from 0, None if nobody knows."""

    message: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class SearchState:
    """What the reader asked for; its `url` leads to the same or a changed question."""

    query: str = ""
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sort: str = ""
    size: int = 20
    page: int = 1
    all_versions: bool = False

    def url(self, **changes: Any) -> str:
        """The address of this search with some of its parts changed; the defaults are left out."""
        state = replace(self, **changes)
        items: list[tuple[str, str]] = [("q", state.query)] if state.query else []
        items += [(name, value) for name, values in state.filters.items() for value in values]
        if state.sort:
            items.append(("sort", state.sort))
        if state.size != SearchState().size:
            items.append(("size", str(state.size)))
        if state.all_versions:
            items.append(("all_versions", "1"))
        if state.page != 1:
            items.append(("page", str(state.page)))
        return f"/search?{urlencode(items)}" if items else "/search"

    @property
    def feed_url(self) -> str:
        """The Atom feed of this search."""
        return "/search.atom" + self.url(page=1, size=SearchState().size).removeprefix("/search")

    @property
    def years(self) -> tuple[str, str] | None:
        """(from, to) where one span of years is chosen, `2016..2024` or `2016`; each may be empty."""
        chosen = self.filters.get("publication_date", ())
        found = _YEARS.fullmatch(chosen[0]) if len(chosen) == 1 else None
        if found is None:
            return None
        first, dots, last = found.groups()
        return first or "", (last or "") if dots else (first or "")

    def without(self, name: str, value: str) -> str:
        """The address without one filter, from the first page on."""
        rest = {n: [v for v in values if (n, v) != (name, value)] for n, values in self.filters.items()}
        return self.url(filters=rest, page=1)


_YEARS: Final = re.compile(r"(\d{1,4})?(\.\.)?(\d{1,4})?")
N_ = words.N_
SORTS: Final = (
    ("bestmatch", N_("Best match")),
    ("newest", N_("Newest")),
    ("oldest", N_("Oldest")),
    ("updated-desc", N_("Updated last")),
    ("publication-desc", N_("Published last")),
    ("mostviewed", N_("Most viewed")),
    ("mostdownloaded", N_("Most downloaded")),
)
_FACETS: Final = {
    "access_status": N_("Access"),
    "resource_type": N_("Type"),
    "file_type": N_("File type"),
    "subject": N_("Subject"),
    "license": N_("Licence"),
    "communities": N_("Community"),
    "publication_date": N_("Year published"),
}
_ORDER: Final = {name: n for n, name in enumerate(_FACETS)}
_SHOWN_FIRST: Final = 6  # values of a facet; more are folded
_BARS: Final = 40  # as many years have a bar of their own; more share them
# What the query language says of a query that it can't read, as far as it is always the same.
REASONS: Final = (
    N_("Unexpected end (a parenthesis or a value is missing)"),
    N_("A number after ~ or ^ can't be read"),
    N_("A ')' without its '('"),
    N_("Unexpected end: a ')' is missing"),
    N_("A quotation mark without its end"),
    N_("A quotation mark within a word"),
    N_("A range without its end"),
    N_("A range reads [from TO to]"),
    N_("A '/' must stand in quotes (or begin and end a regular expression)"),
    N_("A '/' must stand in quotes"),
    N_("The query is nested too deeply"),
    N_("This can't be read"),
    N_("_exists_ needs the name of a field"),
    N_("A wildcard needs at least two letters or digits beside it"),
    N_("More than one word begins with a wildcard"),
    N_("A range needs a field before it, as in publication_date:[2017 TO 2018]"),
)


@lru_cache(maxsize=512)
def licence_label(id: str) -> str:
    """A licence in a word or two: "CC BY 4.0"; its title where it has no such name."""
    if id.startswith("cc-"):
        parts = id[3:].split("-")
        letters = "-".join(p for p in parts if not p[:1].isdigit()).upper()
        return " ".join(["CC", letters, *(p for p in parts if p[:1].isdigit())])
    if id.startswith("cc0-"):
        return f"CC0 {id[4:]}"
    known = vocabularies.licence(id)
    return known.title if known else id


def value_label(name: str, value: str, t: Texts) -> str:
    """A filter's value as a reader knows it."""
    # A sub-type's key is `publication::publication-article` (api-legacy.md 10.1).
    key = value.rpartition("::")[2]
    if name == "access_status" and key in words.STATUSES:
        return t.gettext(words.STATUSES[key])
    if name == "resource_type" and vocabularies.resource_type(key):
        return words.resource_type(key, t.gettext)
    if name == "license":
        return licence_label(value)
    if name == "publication_date":
        first, dots, last = value.partition("..")
        return t.edtf(f"{first}/{last}" if dots else value) or value
    return value


def _facet(facet: Facet, t: Texts) -> dict[str, Any]:
    """What the template needs of a facet; its values as HTML, made here as `hit_lines` are."""
    field = escape(facet.name)

    def line(bucket: Bucket) -> str:
        label = value_label(facet.name, bucket.key, t)
        label = bucket.label or label if label == bucket.key else label
        inner = f'<ul class="plain">{"".join(map(line, bucket.inner))}</ul>' if bucket.inner else ""
        checked = " checked" if bucket.selected else ""
        empty = "" if bucket.count else ' class="none"'
        return (
            f'<li><label><input type="checkbox" name="{field}" value="{escape(bucket.key)}"{checked}>'
            f'<span{empty}>{escape(label)}</span><span class="num">{t.number(bucket.count)}</span></label>{inner}</li>'
        )

    first, rest = facet.buckets[:_SHOWN_FIRST], facet.buckets[_SHOWN_FIRST:]
    body = f'<ul class="plain">{"".join(map(line, first))}</ul>'
    if rest:
        chosen = any(b.selected or any(i.selected for i in b.inner) for b in rest)
        more = t.ngettext("Show %(num)s more", "Show %(num)s more", len(rest)) % {"num": t.number(len(rest))}
        body += (
            f'<details{" open" if chosen else ""}><summary class="xs">{escape(more)}</summary>'
            f'<ul class="plain">{"".join(map(line, rest))}</ul></details>'
        )
    known = _FACETS.get(facet.name)
    return {"name": facet.name, "label": t.gettext(known) if known else facet.label, "body": Markup(body)}


def _bars(buckets: Sequence[Bucket], chosen: tuple[str, str] | None) -> dict[str, Any]:
    """The years of a facet as bars, and the first and last year."""
    counts = {int(b.key): b.count for b in buckets if b.key.isdigit()}
    if not counts:
        return {}
    first, last = min(counts), max(counts)
    years = -(-(last - first + 1) // _BARS)  # of one bar
    number = -(-(last - first + 1) // years)
    sums = [sum(counts.get(first + n * years + i, 0) for i in range(years)) for n in range(number)]
    highest = max(sums)
    step = 240 / max(number, 12)
    low, high = (chosen or ("", ""))[0] or "0", (chosen or ("", ""))[1] or "9999"
    bars = []
    for n, count in enumerate(sums):
        if count:
            height = round(2 + 54 * count / highest, 1)
            begins = first + n * years
            mark = ' class="in"' if begins + years - 1 >= int(low) and begins <= int(high) else ""
            bars.append(
                f'<rect{mark} x="{n * step:.1f}" y="{56 - height:.1f}" width="{step * 0.82:.1f}" height="{height}"/>'
            )
    return {"bars": Markup("".join(bars)), "first": first, "last": last}


def last_page(total: int, size: int) -> int:
    """The number of the last page of so many results, as far as the search pages go."""
    return max(1, min(-(-total // size), MAX_RESULTS // size))


def search_page(
    state: SearchState,
    hits: Sequence[ListedRecord],
    total: int,
    *,
    settings: Settings,
    lang: str = "en",
    viewer: Viewer | None = None,
    facets: Sequence[Facet] = (),
    error: QueryError | None = None,
    sorts: Sequence[str] | None = None,
    similar: tuple[str, int] | None = None,
    unknown: Sequence[str] = (),
) -> bytes:
    """A page of results; with `error` the query and the spot instead. `sorts` are those offered (None: all).

    `similar` is for a search that found nothing: a query of words like its own, and how many records that finds.
    `unknown` are names in the query that no field has.
    """
    t = texts(lang)
    terms = query_terms(state.query) if error is None else []
    last = last_page(total, state.size)
    shown = sorted(
        (_facet(f, t) for f in facets if f.buckets and f.name != "publication_date"),
        key=lambda f: _ORDER.get(f["name"], 99),
    )
    # Years are bars and two fields: these stand for a choice of one span.
    dated = next((f.buckets for f in facets if f.name == "publication_date" and f.buckets), None)
    years = _bars(dated, state.years) if dated else {}
    listed = {
        (f.name, b.key)
        for f in facets
        if f.name != "publication_date"
        for top in f.buckets
        for b in (top, *top.inner)
    }
    if years and state.years:
        listed |= {("publication_date", value) for value in state.filters["publication_date"]}
    chips = [
        (value_label(name, value, t), state.without(name, value))
        for name, values in state.filters.items()
        for value in values
    ]
    position = error.position if error is not None else None
    return render(
        "search",
        lang=lang,
        settings=settings,
        viewer=viewer,
        next_url=state.url(),
        state=state,
        hits=hit_lines(hits, t, terms),
        total=total,
        facets=shown,
        chips=chips,
        clear_url=state.url(filters={}, page=1),
        years=years,
        chosen=state.years or ("", ""),
        # Filters that no field stands for stay in the form as they are.
        kept=[(n, v) for n, vs in state.filters.items() for v in vs if (n, v) not in listed],
        similar=(state.url(query=similar[0], page=1), similar[1]) if similar else None,
        unknown=unknown,
        # A way on from a query that can't be read, or asks for fields that there are not: its words.
        words_url=state.url(query=" ".join(_ANY_WORD.findall(state.query)), page=1)
        if error or unknown
        else "",
        pages=pages(min(state.page, last), last) if total > state.size else [],
        last_page=last,
        sorts=[(name, t.gettext(text)) for name, text in SORTS if sorts is None or name in sorts],
        sort=state.sort or ("bestmatch" if state.query else "newest"),
        error=error,
        # What is right, the wrong character, what follows it.
        spot=None
        if position is None
        else (state.query[:position], state.query[position : position + 1], state.query[position + 1 :]),
        json_url=f"/api/records{state.url(page=state.page).removeprefix('/search')}",
    )


# ── Others ──


_TOMBSTONE: Final = (
    "reason", "note", "date", "published", "citation", "doi", "title", "version", "file_count", "total_bytes",
)  # fmt: skip


def tombstone_page(
    record_id: int,
    tombstone: Mapping[str, Any],
    *,
    settings: Settings,
    lang: str = "en",
    viewer: Viewer | None = None,
    newer_id: int | None = None,
) -> bytes:
    """What stays of a withdrawn record (status 410).

    `tombstone` has, each where known: `reason` (text), `note` (text), `date` and `published` (ISO dates), `by` (`owner`,
    `operator` or a name), `citation` (text), `doi`, `title`, `resource_type`, `version`, `file_count`, `total_bytes`.
    """
    t = texts(lang)
    _ = t.gettext
    kind = str(tombstone.get("resource_type") or "")
    by = {"owner": _("by its owner"), "operator": _("by the operator of this server")}
    return render(
        "tombstone",
        lang=lang,
        settings=settings,
        viewer=viewer,
        next_url=f"/records/{record_id}",
        record_id=record_id,
        tombstone={name: tombstone.get(name) for name in _TOMBSTONE},
        kind=words.resource_type(kind, _),
        by=by.get(str(tombstone.get("by") or ""), tombstone.get("by") or ""),
        newer_id=newer_id,
        citation=_withdrawn_citation(str(tombstone.get("citation") or ""), str(tombstone.get("title") or "")),
        # Where nobody registers it, or somebody else did, nothing leads it here.
        leads_here=settings.registrar != "local"
        and str(tombstone.get("doi") or "").startswith(f"{settings.doi_prefix}/"),
    )


def _withdrawn_citation(citation: str, title: str) -> Markup:
    """The citation that was kept, its title marked as in a citation of what is still here."""
    before, found, after = citation.partition(title) if title else (citation, "", "")
    if not found and not citation:
        return escape(title)
    return escape(before) + (Markup("<i>{}</i>").format(found) if found else "") + escape(after)


def login_page(
    *,
    settings: Settings,
    lang: str = "en",
    csrf: str,
    next_url: str = "/",
    email: str = "",
    error: str | None = None,
    mismatch: bool = False,
    ways: Sequence[Any] = (),
) -> bytes:
    """Log in with a local account: POSTs `email`, `password`, `csrf` and `next` to `/login`. `error` is shown as it is.

    `mismatch` says that it is about what was typed; `ways` are the buttons of others (`signin.Way`).
    """
    return render(
        "login",
        lang=lang,
        settings=settings,
        viewer=None,
        next_url=next_url,
        csrf=csrf,
        email=email,
        error=error,
        mismatch=mismatch,
        ways=ways,
    )


def badge(doi: str) -> bytes:
    """The DOI as an SVG badge; an ending `.svg` or `.png` of the address is not part of it (api-legacy.md 11)."""
    doi = doi.removesuffix(".svg").removesuffix(".png")
    # The width of text nobody has measured: DejaVu Sans at 11 px has 6.9 px a character, and textLength does the rest.
    width = round(6.9 * len(doi)) + 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 35}" height="20" role="img" aria-label="DOI {escape(doi)}">'
        f"<title>DOI {escape(doi)}</title>"
        f'<rect width="{width + 35}" height="20" rx="3" fill="#0d5c51"/><path d="M3 0h32v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="#47504c"/>'
        '<g fill="#fff" font-family="DejaVu Sans,Verdana,Geneva,sans-serif" font-size="11">'
        f'<text x="7" y="14">DOI</text><text x="42" y="14" textLength="{width - 14}">{escape(doi)}</text></g></svg>'
    ).encode()


def wrong_password(lang: str) -> str:
    """The message for an address and a password that do not belong together; it does not say which is wrong."""
    _ = texts(lang).gettext
    return _("That address and password do not match. Try again.")


_TITLES: Final = {
    400: N_("This request could not be read"),
    401: N_("Log in to see this page"),
    403: N_("This page is not for you"),
    404: N_("There is nothing at this address"),
    405: N_("This address does not do that"),
    406: N_("This page has no such format"),
    409: N_("This does not fit what is here now"),
    410: N_("This was withdrawn"),
    412: N_("This was changed meanwhile"),
    413: N_("This is too large"),
    429: N_("Too many requests"),
    500: N_("Something broke on our side"),
    503: N_("The server is busy"),
}
_MESSAGES: Final = {
    401: N_("Your session may have ended. What you came for is behind the log in."),
    403: N_("Your account has no right to it. If that is a mistake, ask its owner."),
    404: N_("It may have been mistyped, never been published, or be open to others only."),
    429: N_("Wait a minute, then try again. Programs use the API with a token."),
    500: N_("It has been logged. Nothing of yours is lost; try again in a while."),
    503: N_("Nothing was changed. Try again in a few seconds."),
}


def error_page(
    status: int,
    *,
    settings: Settings,
    lang: str = "en",
    viewer: Viewer | None = None,
    title: str | None = None,
    message: str | None = None,
    next_url: str = "/",
) -> bytes:
    """Any error as a page; title and message come from the status unless they are given."""
    _ = texts(lang).gettext
    return render(
        "error",
        lang=lang,
        settings=settings,
        viewer=viewer,
        next_url=next_url,
        status=status,
        title=title or _(_TITLES.get(status, _TITLES[500 if status >= 500 else 400])),
        message=message or (_(_MESSAGES[status]) if status in _MESSAGES else ""),
    )


@dataclass(frozen=True, slots=True)
class UploadsState:
    """Which of one's uploads are asked for: `show` is all, drafts, published or shared; `sort` updated, newest or title."""

    show: str = "all"
    query: str = ""
    sort: str = "updated"
    page: int = 1

    def url(self, **changes: Any) -> str:
        """The address of this list with some of its parts changed; the defaults are left out."""
        state, plain_state = replace(self, **changes), UploadsState()
        items = {"show": state.show, "q": state.query, "sort": state.sort, "page": str(state.page)}
        defaults = {"show": plain_state.show, "q": "", "sort": plain_state.sort, "page": "1"}
        given = {name: value for name, value in items.items() if value != defaults[name]}
        return f"/me/uploads?{urlencode(given)}" if given else "/me/uploads"


_UPLOADS_A_PAGE: Final = 20


def uploads_page(
    uploads: Sequence[DraftView | RecordView],
    state: UploadsState,
    total: int,
    *,
    settings: Settings,
    viewer: Viewer,
    lang: str = "en",
    counts: Mapping[str, int] | None = None,
    waiting: Sequence[tuple[str, str]] = (),
    waiting_total: int = 0,
    storage: tuple[int, int] | None = None,
    problem: str | None = None,
    admin: bool = False,
    unfinished: Mapping[int, int] | None = None,
) -> bytes:
    """One page of the reader's uploads.

    `counts` say how many each list has; `unfinished` how many files of a draft (by its id) have not arrived whole;
    `waiting` are (id, title) of requests that are open; `storage` bytes used and allowed, where there is a quota;
    `problem` what is wrong with the words searched for.
    """
    t = texts(lang)
    _ = t.gettext
    last = max(1, -(-total // _UPLOADS_A_PAGE))
    return render(
        "uploads",
        lang=lang,
        settings=settings,
        viewer=viewer,
        next_url=state.url(),
        state=state,
        items=[
            _own_draft(u, t, (unfinished or {}).get(u.id, 0))
            if isinstance(u, DraftView)
            else _own_record(u, t)
            for u in uploads
        ],
        total=total,
        tabs=[
            (name, label, state.url(show=name, page=1), (counts or {}).get(name, 0))
            for name, label in (
                ("all", _("All")),
                ("drafts", _("Drafts")),
                ("published", _("Published")),
                ("shared", _("Shared with me")),
            )
        ],
        sorts=[("updated", _("Last changed")), ("newest", _("Newest")), ("title", _("Title"))],
        waiting=waiting,
        waiting_total=waiting_total,
        storage=storage,
        problem=problem,
        admin=admin,
        last_page=last,
        pages=pages(min(state.page, last), last) if last > 1 else [],
    )


def _own_draft(draft: DraftView, t: Texts, unfinished: int) -> dict[str, Any]:
    count = draft.file_count or len(draft.files)
    said = draft.data
    findings = checks.for_publication(said, today=today(), published=said if draft.published else None)
    # Publishing looks at the files as well: none, some where there should be none, or some that did not arrive whole.
    files_wrong = unfinished > 0 or (count == 0) != said.metadata_only
    missing = len(findings) + (not draft.published and files_wrong)
    return {
        "url": f"/uploads/{draft.id}",
        "title": draft.data.metadata.title,
        "draft": True,
        "edit": draft.published,
        "new_version": not draft.published and draft.index > 1,
        "kind": words.resource_type(draft.data.metadata.resource_type, t.gettext),
        "updated": draft.updated,
        "file_count": count,
        "total_bytes": draft.total_bytes or sum(f.size for f in draft.files),
        "unfinished": unfinished,
        "missing": missing,
    }


def _own_record(view: RecordView, t: Texts) -> dict[str, Any]:
    hit = _hit(ListedRecord.of(view), t)
    return {
        "url": hit.url,
        "title": view.data.metadata.title,
        "draft": False,
        "hit": hit,
        "kind": hit.kind,
        "created": view.created,
        "file_count": view.file_count,
        "total_bytes": view.total_bytes,
        "unfinished": 0,
        "may_edit": view.may_edit,
    }
