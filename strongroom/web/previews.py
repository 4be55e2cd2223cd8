"""Previews of files: a small page of its own, which the record's page shows in a frame and which also stands alone.

Its policy is stricter than the pages': nothing in it runs but, for PDF alone, our pdf.js; all else is in a
sandbox without scripts. Who may see it is decided where the file is looked up, as for its bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from strongroom import previews
from strongroom.access import Actor
from strongroom.db import Session
from strongroom.files import service as files
from strongroom.files.views import FileView
from strongroom.http.caching import VARY, conditional
from strongroom.http.deps import (
    actor_of,
    context,
    flag,
    has_credentials,
    in_loop_or_thread,
    number,
)
from strongroom.metadata.exports import content_url, page_file_url
from strongroom.metadata.exports.record import quoted
from strongroom.records import drafts, queries
from strongroom.settings import Settings
from strongroom.storage.base import ObjectStore
from strongroom.web.answers import lang_of
from strongroom.web.render import PAGE_HEADERS, Texts, render, static_url, texts

_COMMON: Final = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:{place}; media-src 'self'{place}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
# Without `allow-scripts` nothing runs, so that the same origin gives nobody anything; it lets the page around it
# adapt the frame's height and colours.
_SANDBOX: Final = "; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox allow-downloads"
_PDF: Final = "; script-src 'self'; worker-src 'self'; connect-src 'self'{place}"


PATIENCE: Final = 15.0  # seconds that a preview may take with its waiting; one alone takes 13 at most


async def record_preview(request: Request) -> Response:
    """GET /records/{id}/preview/{key}: what a published file holds, as a small page; `frame` leaves its head out."""
    ctx = context(request)
    record_id = number(request.path_params["id"])

    def look(session: Session, actor: Actor) -> tuple[FileView, bool]:
        bucket = queries.bucket(session, actor, record_id)
        found = files.find(session, bucket, request.path_params["key"])
        return found, not has_credentials(request) and queries.files_open_to_all(session, record_id)

    return await _preview(
        request,
        look,
        back=f"/records/{record_id}",
        address=lambda key: _address(ctx.settings, record_id, key),
        download=lambda key: f"{page_file_url(ctx.settings, record_id, key)}?download=1",
    )


async def draft_preview(request: Request) -> Response:
    """GET /uploads/{id}/preview/{key}: what a file of a draft holds, for those who may read the draft."""
    draft_id = number(request.path_params["id"])

    def look(session: Session, actor: Actor) -> tuple[FileView, bool]:
        bucket = drafts.readable_bucket(session, actor, draft_id)
        return files.find(session, bucket, request.path_params["key"]), False

    def address(key: str) -> str:
        return f"/api/records/{draft_id}/draft/files/{quoted(key)}/content"

    return await _preview(request, look, back=f"/uploads/{draft_id}", address=address, download=address)


def _address(settings: Settings, record_id: int, key: str) -> str:
    """Where the bytes are for an element or pdf.js: at a host of its own only the API lets other pages read them."""
    if settings.content_url and settings.content_url != settings.base_url:
        return content_url(settings, record_id, key)
    return page_file_url(settings, record_id, key)


async def _preview(
    request: Request,
    look: Callable[[Session, Actor], tuple[FileView, bool]],
    *,
    back: str,
    address: Callable[[str], str],
    download: Callable[[str], str],
) -> Response:
    ctx, lang = context(request), lang_of(request)
    framed = flag(request.query_params.get("frame"))
    cache = request.app.state.cache

    def find() -> tuple[FileView, bool]:
        with ctx.db.read() as session:
            return look(session, actor_of(session, request))

    found, public = await in_loop_or_thread(request, find)
    # All that the page is made of: the bytes, the name and addresses, the words.
    etag = f'"{found.sha256[:32]}-{request.app.state.edition}-preview-{lang}-{int(framed)}"'
    headers = {
        # Its own policy comes with the page: a 304 leaves that of the page that is kept.
        **{k: v for k, v in PAGE_HEADERS.items() if k != "Content-Security-Policy"},
        "ETag": etag,
        "Cache-Control": "public, no-cache" if public else "private, no-store",
        "Vary": VARY,
    }
    if public and conditional(request, etag):
        return Response(None, 304, headers)
    key = ("preview", back, found.key, etag)

    def work(busy: bool = False) -> tuple[str, bytes, bool]:
        kept = cache.get(key)
        if kept is not None:
            name, _, body = kept.partition(b"\n")
            return name.decode(), body, True
        kind, body, lasting = page_of(
            found, ctx.store, ctx.settings, lang, framed=framed, back=back, address=address(found.key),
            download=download(found.key), busy=busy,
        )  # fmt: skip
        if lasting:
            cache.put(key, kind.encode() + b"\n" + body)
        return kind, body, lasting

    try:
        # Threads of their own: files that are slow to read must not keep all other requests waiting.
        made = asyncio.get_running_loop().run_in_executor(request.app.state.previews, work)
        kind, body, lasting = await asyncio.wait_for(made, PATIENCE)
    except TimeoutError:
        kind, body, lasting = work(busy=True)  # reads no file
    if not lasting:  # whoever asks again gets another answer
        del headers["ETag"]
        headers["Cache-Control"] = "private, no-store"
    headers["Content-Security-Policy"] = policy(kind, ctx.settings)
    return Response(body, 200, headers)


def policy(kind: str, settings: Settings) -> str:
    """The content security policy of a preview of this kind."""
    place = f" {settings.content_url}" if settings.content_url else ""
    return (_COMMON + (_PDF if kind == "pdf" else _SANDBOX)).format(place=place)


def page_of(
    file: FileView,
    store: ObjectStore,
    settings: Settings,
    lang: str,
    *,
    framed: bool,
    back: str,
    address: str,
    download: str,
    busy: bool = False,
) -> tuple[str, bytes, bool]:
    """(kind, page, whether it would be the same again). Blocks while the file is read; not at all if `busy`."""

    def read(start: int, stop: int) -> bytes:
        blocks = store.read(file.location, start, stop)
        try:
            return b"".join(blocks)
        finally:
            blocks.close()

    t = texts(lang)
    result: Any = None
    reason, kind, lasting = "", "none", True
    try:
        if busy:
            raise previews.Unreadable("busy")
        kind, result = previews.preview(previews.Source(file.key, file.mimetype, file.size, read))
    except previews.Unreadable as error:
        # What took too long once is not tried again at each visit.
        reason, lasting = _why(error, t), error.reason != "busy"
    body = render(
        "preview",
        lang=lang,
        settings=settings,
        file=file,
        name=file.key.rpartition("/")[2],
        kind=kind,
        shape=type(result).__name__.lower() if result is not None else "none",
        shown=result,
        html=Markup(getattr(result, "html", "")),
        facts=_facts(result, file, t),
        reason=reason,
        framed=framed,
        back=back,
        address=(getattr(result, "data", "") or address) if result is not None else "",
        download=download,
        pdf=static_url("vendor/pdfjs/pdf.js") if kind == "pdf" else "",
        pdf_worker=static_url("vendor/pdfjs/pdf.worker.js") if kind == "pdf" else "",
    )
    return kind, body, lasting


def _why(error: previews.Unreadable, t: Texts) -> str:
    _ = t.gettext
    return {
        "unknown": _("There is no preview for this kind of file. Download it to open it in a program that reads it."),
        "empty": _("This file is empty: it has 0 bytes."),
        "binary": _("Its name says that this file is text, but it is not. Download it to see what it is."),
        "broken": _("This file can't be read as what its name says. It may be damaged, or of another format."),
        "cell": _("One of its cells is longer than 131,072 characters, so that it can't be shown as a table."),
        "large": _("This file is too large to be shown here: previews end at %(size)s. Download it instead.")
        % {"size": t.size(error.number)},
        "long": _("Reading this file takes too long or too much memory, so that it is not shown here."),
        "busy": _("Too many previews are being made at this moment. Load this page again in a minute."),
    }.get(error.reason, _("This file can't be shown here."))  # fmt: skip


_DELIMITERS: Final = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}


def _facts(result: Any, file: FileView, t: Texts) -> list[str]:
    """What stands below a preview: how much of the file it is, and how it was read."""
    _, ngettext = t.gettext, t.ngettext
    if isinstance(result, previews.Table):
        names = {"comma": _("comma"), "tab": _("tab"), "semicolon": _("semicolon"), "bar": _("vertical bar")}
        count = len(result.rows)
        rows = ngettext("%(num)s row", "%(num)s rows", count) % {"num": t.number(count)}
        if not result.whole:
            rows = _("Rows 1 to %(num)s") % {"num": t.number(count)}
        shown = len(result.rows[0]) if result.rows else len(result.header)
        columns = ngettext("%(num)s column", "%(num)s columns", result.columns) % {
            "num": t.number(result.columns)
        }
        if shown < result.columns:
            columns = _("%(shown)s of %(num)s columns") % {
                "shown": t.number(shown),
                "num": t.number(result.columns),
            }
        return [rows, columns, f"{result.encoding}, {names[_DELIMITERS[result.delimiter]]}"]
    if isinstance(result, previews.Text):
        if result.whole:
            return [result.encoding]
        part = _("The first %(part)s of %(size)s") % {
            "part": t.size(result.shown),
            "size": t.size(file.size),
        }
        return [part, result.encoding]
    if isinstance(result, previews.Rich):
        return [] if result.whole else [_("The beginning of the file")]
    if isinstance(result, previews.Listing):
        entries = ngettext("%(num)s entry", "%(num)s entries", result.count) % {"num": t.number(result.count)}
        size = _("%(size)s unpacked") % {"size": t.size(result.total)}
        cut = len(result.entries) < result.count
        first = [_("The first %(num)s are shown") % {"num": t.number(len(result.entries))}] if cut else []
        return [entries, size, *first]
    return []


PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/records/{id}/preview/{key:path}", record_preview),
    ("GET", "/uploads/{id}/preview/{key:path}", draft_preview),
]
