"""The pages' doors: the URL map, what each reads, and how errors look to a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor, Level, level
from strongroom.db import Session
from strongroom.errors import (
    Forbidden,
    Gone,
    NotFound,
    StrongroomError,
    Unauthenticated,
)
from strongroom.http import citations, representations
from strongroom.http.caching import VARY, Ready, conditional, encoded, headers_for
from strongroom.http.deprecation import LINK as OLD_LINK
from strongroom.http.deprecation import deprecated
from strongroom.http.deps import (
    actor_of,
    context,
    flag,
    has_credentials,
    in_loop_or_thread,
    in_thread,
    link_tokens,
    number,
    who,
)
from strongroom.http.downloads import archive_of, content_of
from strongroom.ids import today
from strongroom.metadata.exports import signposting
from strongroom.records import drafts, queries
from strongroom.records.views import RecordView
from strongroom.search.index import words as words_of
from strongroom.settings import Settings
from strongroom.sharing import service as sharing
from strongroom.web import (
    account,
    admin,
    apidocs,
    branding,
    front,
    landing,
    links,
    pages,
    requests,
    search,
    settings_pages,
    share,
    texts,
    uploads,
)
from strongroom.web import citations as cite_pages
from strongroom.web import previews as preview_pages
from strongroom.web.answers import go as _go
from strongroom.web.answers import lang_of as _lang
from strongroom.web.answers import page as _page
from strongroom.web.answers import record_for
from strongroom.web.answers import viewer_of as _viewer
from strongroom.web.deposit import doors as deposit_form
from strongroom.web.findings import told
from strongroom.web.render import (
    PAGE_HEADERS,
    STATIC_HEADERS,
    static_file,
)
from strongroom.web.render import texts as _texts
from strongroom.web.signin import doors as signin_doors
from strongroom.web.words import removal_reason

T = TypeVar("T")

# `headers_for` says Vary.
_PAGE_HEADERS = encoded({k: v for k, v in PAGE_HEADERS.items() if k != "Vary"})


def _settings(request: Request) -> Settings:
    return context(request).settings


def error_response(request: Request, error: StrongroomError, status: int) -> Response:
    """Any error as a page in the reader's language; a withdrawn record as its tombstone."""
    settings, lang = _settings(request), _lang(request)
    if isinstance(error, Gone) and error.tombstone:
        return _tombstone(request, error)
    message = None
    if isinstance(error, Unauthenticated):
        status = 401
    elif type(error) not in (Forbidden, NotFound, StrongroomError):
        message = told(error.message, _texts(lang))
    return _page(
        pages.error_page(status, settings=settings, lang=lang, message=message, next_url=request.url.path),
        status,
    )


def _tombstone(request: Request, error: Gone) -> Response:
    said = error.tombstone
    record_id = int(said.get("record_id") or 0)
    by = said.get("removed_by", {}).get("user")
    reason = said.get("removal_reason", {}).get("id")
    shown = {
        "reason": removal_reason(reason, _texts(_lang(request)).gettext),
        "note": said.get("note"),
        "date": (said.get("removal_date") or "")[:10],
        "citation": said.get("citation_text"),
        "by": said.get("by") or ("operator" if by == "system" else None),
        **{
            k: said.get(k)
            for k in ("doi", "title", "resource_type", "version", "published", "file_count", "total_bytes")
        },
    }
    body = pages.tombstone_page(
        record_id,
        shown,
        settings=_settings(request),
        lang=_lang(request),
        newer_id=said.get("latest_id"),
    )
    return _page(body, 410)


# Records ---------------------------------------------------------------------------------------------------


async def record(request: Request) -> Response | Ready:
    """GET /records/{id}: the landing page; a concept's id leads to its latest version, `preview` to an open draft."""
    ctx, lang = context(request), _lang(request)
    record_id = number(request.path_params["id"])
    private = has_credentials(request)
    cache = request.app.state.cache
    files_page = number(request.query_params.get("files_page", "1"))
    accept = request.headers.get("accept", "")
    if accept and "html" not in accept and "*/*" not in accept:
        wanted = representations.negotiate(accept)
        if wanted is representations.CITATION:
            style, locale = citations.asked(request)
            query = urlencode({k: v for k, v in (("style", style), ("locale", locale)) if v})
            return _go(request, f"/records/{record_id}/citation" + (f"?{query}" if query else ""), 303)
        if wanted is not None:
            return _go(request, f"/records/{record_id}/export/{wanted.name}", 303)

    def work() -> Response | Ready:
        actor = who(request)
        if private and flag(request.query_params.get("preview")):
            with ctx.db.read() as session:
                if drafts.may_preview(session, actor, record_id):
                    return _go(request, f"/uploads/{record_id}/preview")
        found = record_for(ctx.db, actor, record_id)
        if isinstance(found, int):
            return _go(request, f"/records/{found}")
        whose = [found.reader] if private else []
        etag = found.stamp.etag(request.app.state.edition, "page", lang, files_page, *whose)
        headers = [*_PAGE_HEADERS, *encoded(headers_for(etag, private))]
        if not private and conditional(request, etag):
            return Ready(304, headers)
        key = ("page", etag)
        kept = None if private else cache.get(key)
        if kept is None:
            view = found.view(with_versions=True)
            links = landing.link_header(view, ctx.settings).encode()
            ask, by_link = "", False
            if view.files is None:
                with ctx.db.read() as session:
                    ask = requests.asker(session, actor, view)
            elif view.status != "open":
                with ctx.db.read() as session:
                    by_link = _by_link(session, request, actor, view)
            body = landing.record_page(
                view,
                settings=ctx.settings,
                lang=lang,
                viewer=_viewer(actor),
                files_page=files_page,
                next_url=f"/records/{record_id}",
                ask=ask,
                by_link=by_link,
            )
            kept = links + b"\n" + body
            if not private:
                cache.put(key, kept)
        links, _, body = kept.partition(b"\n")
        headers.append((b"link", links))
        return Ready(200, headers, body)

    return await in_loop_or_thread(request, work)


def _by_link(session: Session, request: Request, actor: Actor, view: RecordView) -> bool:
    """Whether a link that was followed shows this record's files, and nothing of the reader's own would."""
    if actor.user_id is None:
        return True
    if not link_tokens(request):
        return False
    return level(replace(actor, shares=sharing.shares_of(session, actor.user_id)), view) < Level.VIEW


async def latest(request: Request) -> Response:
    """GET /records/{id}/latest: the newest version's page."""
    ctx = context(request)

    def work() -> int:
        with ctx.db.read() as session:
            return queries.latest_version(
                session, actor_of(session, request), number(request.path_params["id"])
            )

    return _go(request, f"/records/{await in_thread(request, work)}")


async def export(request: Request) -> Response:
    """GET /records/{id}/export/{format}: the record in one format, as a file."""
    ctx = context(request)
    name = request.path_params["format"]
    found = representations.REPRESENTATIONS.get(_ALIASES.get(name, name))
    if found is None:
        raise NotFound("There is no such export format.")
    record_id = number(request.path_params["id"])

    def work() -> bytes | int:
        there = queries.find(ctx.db, who(request), record_id)
        if isinstance(there, int):
            return there
        view = there.view(with_versions=found.needs_versions)
        if found.name == "json":
            return representations.plain(view, ctx.settings, today())
        body = representations.render(found, view, ctx.settings, today())
        if found.media_type.endswith("json"):
            body = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2)
        return body

    body = await in_thread(request, work)
    if isinstance(body, int):  # a concept's id: its latest version
        return _go(request, f"/records/{body}/export/{found.name}")
    return Response(
        body,
        200,
        {
            "Content-Disposition": f'attachment; filename="{record_id}.{found.extension}"',
            "Cache-Control": "private, no-store" if has_credentials(request) else "public, no-cache",
            "X-Content-Type-Options": "nosniff",
            "Access-Control-Allow-Origin": "*",
            "Link": signposting.export_header(f"{ctx.settings.base_url}/records/{record_id}"),
            "Vary": VARY,
        },
        media_type=found.media_type,
    )


_ALIASES = {"dcite4": "datacite-json"}


async def record_file(request: Request) -> Response:
    """GET /records/{id}/files/{key}: the bytes; `download` forces saving."""
    record_id = number(request.path_params["id"])
    answer = await content_of(
        request,
        record_id,
        request.path_params["key"],
        attachment=flag(request.query_params.get("download")),
    )
    answer.headers["Link"] = signposting.file_header(
        f"{context(request).settings.base_url}/records/{record_id}"
    )
    return answer


async def record_archive(request: Request) -> Response:
    """GET /records/{id}/files-archive: all files as one zip; with `prefix=folder/` those of a folder."""
    prefix = request.query_params.get("prefix", "").strip("/")
    site = "-".join(words_of(context(request).settings.site_name))[:40]
    return await archive_of(request, number(request.path_params["id"]), f"{prefix}/" if prefix else "", site)


_old_address = deprecated(
    "`/record/{id}` and below",
    date(2023, 10, 13),
    "A record's address is `/records/{id}`; the old one leads there. No end is planned.",
)


@_old_address
async def old_record_file(request: Request) -> Response:
    """GET /record/{id}/files/{key}: the bytes, at the address of before 2023."""
    answer = await record_file(request)
    answer.headers["Link"] += f", {OLD_LINK}"
    return answer


@_old_address
async def old_record(request: Request) -> Response:
    """GET /record/{id} and below: the addresses of before 2023."""
    rest = request.path_params.get("rest")
    path = f"/records/{quote(request.path_params['id'])}" + (f"/{quote(rest)}" if rest else "")
    query = f"?{request.url.query}" if request.url.query else ""
    return _go(request, path + query, 301)


async def doi(request: Request) -> Response:
    """GET /doi/{doi}: the page that a DOI of ours leads to; a concept's leads to the latest version."""
    ctx = context(request)

    def work() -> int | None:
        with ctx.db.read() as session:
            return queries.target_of_doi(session, request.path_params["doi"])

    target = await in_thread(request, work)
    if target is None:
        raise NotFound("No record here has this DOI.")
    return _go(request, f"/records/{target}")


async def badge(request: Request) -> Response:
    """GET /badge/doi/{doi}.svg: the DOI as a badge."""
    return Response(
        pages.badge(request.path_params["doi"]),
        200,
        {
            "Cache-Control": "public, max-age=3600",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        },
        media_type="image/svg+xml",
    )


# Accounts --------------------------------------------------------------------------------------------------


async def deposit(request: Request) -> Response:
    """GET /deposit and /deposit/{id}: the addresses of before 2023."""
    some_id = request.path_params.get("id")
    return _go(request, f"/uploads/{quote(some_id)}" if some_id else "/me/uploads", 301)


async def static(request: Request) -> Response:
    """GET /static/{version}/{path}: style sheets, scripts, fonts; kept for good under their hash."""
    found = static_file(request.path_params["version"], request.path_params["path"])
    if found is None:
        raise NotFound()
    return Response(found.body, 200, dict(STATIC_HEADERS), media_type=found.media_type)


async def robots(request: Request) -> Response:
    """GET /robots.txt: everything may be read; searches for words, previews and citations need not be crawled."""
    return Response(
        "User-agent: *\nDisallow: /search?\nDisallow: /search.atom\nDisallow: /search/\nDisallow: /login\n"
        "Disallow: /records/*/preview/\nDisallow: /records/*/citation\nCrawl-delay: 1\n",
        media_type="text/plain",
    )


PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    *front.PAGES,
    *search.PAGES,
    ("GET", "/records/{id}", record),
    ("GET", "/records/{id}/latest", latest),
    ("GET", "/records/{id}/export/{format}", export),
    ("GET", "/records/{id}/files-archive", record_archive),
    ("GET", "/records/{id}/files/{key:path}", record_file),
    ("GET", "/record/{id}/files/{key:path}", old_record_file),
    ("GET", "/record/{id}", old_record),
    ("GET", "/record/{id}/{rest:path}", old_record),
    ("GET", "/doi/{doi:path}", doi),
    ("GET", "/badge/doi/{doi:path}", badge),
    ("GET", "/badge/DOI/{doi:path}", badge),
    *cite_pages.PAGES,
    *preview_pages.PAGES,
    *uploads.PAGES,
    *deposit_form.PAGES,
    ("GET", "/deposit", deposit),
    ("GET", "/deposit/{id}", deposit),
    ("GET", "/static/{version}/{path:path}", static),
    ("GET", "/robots.txt", robots),
    *account.PAGES,
    *apidocs.PAGES,
    *links.PAGES,
    *requests.PAGES,
    *settings_pages.PAGES,
    *share.PAGES,
    *signin_doors.PAGES,
    *texts.PAGES,
    *branding.PAGES,
    *admin.PAGES,
]
