"""All pages but the landing page: front page, search, tombstone, log in, errors, one's own uploads, a draft.

Like `landing`, pure rendering: doors hand in views and plain values and get bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

from markupsafe import escape

from strongroom.metadata import vocabularies
from strongroom.metadata.exports.names import natural
from strongroom.metadata.exports.text import shorten
from strongroom.metadata.html import plain
from strongroom.metadata.model import Metadata
from strongroom.records.views import DraftView, RecordView
from strongroom.settings import Settings
from strongroom.web import words
from strongroom.web.landing import file_lines, file_rows, highlight, pages
from strongroom.web.render import Texts, Viewer, render, texts

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
    stats: Mapping[str, int]


def _people(metadata: Metadata, t: Texts) -> str:
    names = [natural(p) for p in metadata.creators]
    if len(names) <= _PEOPLE + 1:
        return ", ".join(names)
    more = len(names) - _PEOPLE
    ngettext = t.ngettext
    return ngettext("%(names)s and %(num)s other", "%(names)s and %(num)s others", more) % {
        "names": ", ".join(names[:_PEOPLE]),
        "num": t.number(more),
    }


def _hit(view: RecordView, t: Texts, terms: Sequence[str] = ()) -> Hit:
    metadata = view.data.metadata
    _ = t.gettext
    return Hit(
        url=f"/records/{view.id}",
        title=highlight(metadata.title, terms),
        people=_people(metadata, t),
        kind=words.resource_type(metadata.resource_type, _),
        status=_(words.STATUSES[view.status]),
        status_key=view.status,
        status_icon=words.STATUS_ICONS[view.status],
        published=metadata.publication_date or view.created.date().isoformat(),
        version=metadata.version,
        snippet=highlight(_snippet(plain(metadata.description or ""), terms), terms),
        file_count=view.file_count,
        total_bytes=view.total_bytes,
        embargo_until=view.data.access.embargo_until if view.status == "embargoed" else None,
        stats=view.stats,
    )


def _snippet(text: str, terms: Sequence[str]) -> str:
    """The beginning of a description, or the part around the first word found."""
    text = " ".join(text.split())
    if (
        terms
        and (found := re.search("|".join(map(re.escape, terms)), text, re.IGNORECASE))
        and found.start() > 200
    ):
        start = text.rfind(" ", 0, found.start() - 80) + 1
        return f"… {shorten(text[start:], _SNIPPET)}"
    return shorten(text, _SNIPPET)


_WORD: Final = re.compile(r"\w{3,}")
_NOT_SHOWN: Final = re.compile(r"\bNOT\s+\S+|(?<!\S)-\S+|\b(?:AND|OR|TO)\b|[\w.]+:")


def query_terms(query: str) -> list[str]:
    """The words of a query that are worth marking in the hits: no field names, no operators."""
    return list(dict.fromkeys(_WORD.findall(_NOT_SHOWN.sub(" ", query))))[:10]


def front_page(
    newest: Sequence[RecordView],
    total: int,
    *,
    settings: Settings,
    lang: str = "en",
    viewer: Viewer | None = None,
    types: Sequence[tuple[str, int]] = (),
    by_month: Sequence[int] = (),
    counts: Mapping[str, int] | None = None,
) -> bytes:
    """The front page: search box, the newest records, how to deposit.

    `types` are (main resource type, number of records), most first; `by_month` the deposits of up to 36 months,
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

    def without(self, name: str, value: str) -> str:
        """The address without one filter, from the first page on."""
        rest = {n: [v for v in values if (n, v) != (name, value)] for n, values in self.filters.items()}
        return self.url(filters=rest, page=1)


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


def _bucket_label(facet: str, bucket: Bucket, t: Texts) -> str:
    # A sub-type's key is `publication::publication-article` (api-legacy.md 10.1).
    key = bucket.key.rpartition("::")[2]
    if facet == "access_status" and key in words.STATUSES:
        return t.gettext(words.STATUSES[key])
    if facet == "resource_type" and vocabularies.resource_type(key):
        return words.resource_type(key, t.gettext)
    return bucket.label or bucket.key


def _facet(facet: Facet, t: Texts) -> dict[str, Any]:
    def line(bucket: Bucket) -> dict[str, Any]:
        return {
            "key": bucket.key,
            "label": _bucket_label(facet.name, bucket, t),
            "count": bucket.count,
            "selected": bucket.selected,
            "inner": [line(b) for b in bucket.inner],
        }

    known = _FACETS.get(facet.name)
    return {
        "name": facet.name,
        "label": t.gettext(known) if known else facet.label,
        "buckets": [line(b) for b in facet.buckets],
    }


def search_page(
    state: SearchState,
    hits: Sequence[RecordView],
    total: int,
    *,
    settings: Settings,
    lang: str = "en",
    viewer: Viewer | None = None,
    facets: Sequence[Facet] = (),
    error: QueryError | None = None,
    sorts: Sequence[str] | None = None,
) -> bytes:
    """A page of results; with `error` the query and the spot instead. `sorts` are those offered (None: all)."""
    t = texts(lang)
    terms = query_terms(state.query) if error is None else []
    last = max(1, min(-(-total // state.size), MAX_RESULTS // state.size))
    shown = [_facet(f, t) for f in facets if f.buckets]
    labels = {
        (f["name"], b["key"]): b["label"] for f in shown for top in f["buckets"] for b in (top, *top["inner"])
    }
    offered = {name for f in shown for name in (f["name"],)}
    chips = [
        (labels.get((name, value), value), state.without(name, value))
        for name, values in state.filters.items()
        for value in values
    ]
    listed = {(name, key) for name, key in labels}
    position = error.position if error is not None else None
    return render(
        "search",
        lang=lang,
        settings=settings,
        viewer=viewer,
        next_url=state.url(),
        state=state,
        hits=[_hit(v, t, terms) for v in hits],
        total=total,
        facets=shown,
        chips=chips,
        clear_url=state.url(filters={}, page=1),
        # Filters that no checkbox stands for stay in the form as they are.
        kept=[
            (n, v) for n, vs in state.filters.items() for v in vs if n not in offered or (n, v) not in listed
        ],
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
    )


def login_page(
    *,
    settings: Settings,
    lang: str = "en",
    csrf: str,
    next_url: str = "/",
    email: str = "",
    error: str | None = None,
) -> bytes:
    """Log in with a local account: POSTs `email`, `password`, `csrf` and `next` to `/login`. `error` is shown as it is."""
    return render(
        "login",
        lang=lang,
        settings=settings,
        viewer=None,
        next_url=next_url,
        csrf=csrf,
        email=email,
        error=error,
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
    410: N_("This was withdrawn"),
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


def uploads_page(
    drafts: Sequence[DraftView],
    records: Sequence[RecordView],
    *,
    settings: Settings,
    viewer: Viewer,
    lang: str = "en",
    total_records: int | None = None,
    page: int = 1,
    size: int = 20,
) -> bytes:
    """The reader's own drafts (all that are given) and published records (one page of `total_records`)."""
    t = texts(lang)
    _ = t.gettext
    total = len(records) if total_records is None else total_records
    last = max(1, -(-total // size))
    return render(
        "uploads",
        lang=lang,
        settings=settings,
        viewer=viewer,
        next_url="/me/uploads",
        drafts=[
            {
                "url": f"/uploads/{d.id}",
                "title": d.data.metadata.title,
                "edit": d.published,
                "updated": d.updated,
                "file_count": len(d.files),
                "total_bytes": sum(f.size for f in d.files),
            }
            for d in drafts
        ],
        hits=[_hit(v, t) for v in records],
        total=total,
        page=page,
        last_page=last,
        pages=pages(min(page, last), last) if last > 1 else [],
    )


def draft_page(draft: DraftView, *, settings: Settings, viewer: Viewer, lang: str = "en") -> bytes:
    """An open draft as its owner sees it, and how to go on with it through the API (a form follows later)."""
    t = texts(lang)
    _ = t.gettext
    metadata = draft.data.metadata
    files = draft.files[:500]
    base = f"{settings.base_url}/api"
    return render(
        "draft",
        lang=lang,
        settings=settings,
        viewer=viewer,
        next_url=f"/uploads/{draft.id}",
        draft=draft,
        metadata=metadata,
        kind=words.resource_type(metadata.resource_type, _),
        people=_people(metadata, t),
        rows=file_lines(
            file_rows(files, settings, draft.id, len(files) == len(draft.files)), t, download=False
        ),
        total_bytes=sum(f.size for f in draft.files),
        deposition=f"{base}/deposit/depositions/{draft.id}",
        bucket=f"{base}/files/{draft.bucket}",
        warnings=[str(getattr(w, "messages", [w])[0]) for w in draft.warnings],
    )
