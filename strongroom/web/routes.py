"""The pages' doors: the URL map, what each reads, and how errors look to a person."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar
from urllib.parse import quote

import orjson
from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import ANONYMOUS, Actor
from strongroom.accounts import service as accounts
from strongroom.errors import (
    Forbidden,
    Gone,
    Malformed,
    NotFound,
    StrongroomError,
    Unauthenticated,
)
from strongroom.http import listing, representations
from strongroom.http.caching import VARY, Ready, conditional, encoded, headers_for
from strongroom.http.deprecation import LINK as OLD_LINK
from strongroom.http.deprecation import deprecated
from strongroom.http.deps import (
    actor_of,
    context,
    cookie_name,
    flag,
    has_credentials,
    in_loop_or_thread,
    in_thread,
    number,
    same_origin,
    who,
)
from strongroom.http.downloads import archive_of, content_of
from strongroom.ids import today
from strongroom.metadata.exports import signposting
from strongroom.metadata.vocabularies import removal_reasons
from strongroom.records import drafts, queries
from strongroom.settings import Settings
from strongroom.web import account, apidocs, landing, links, pages, requests
from strongroom.web.answers import form_of as _form
from strongroom.web.answers import go as _go
from strongroom.web.answers import lang_of as _lang
from strongroom.web.answers import page as _page
from strongroom.web.answers import viewer_of as _viewer
from strongroom.web.render import (
    PAGE_HEADERS,
    STATIC_HEADERS,
    Viewer,
    static_file,
)

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
        message = error.message
    return _page(
        pages.error_page(status, settings=settings, lang=lang, message=message, next_url=request.url.path),
        status,
    )


def _tombstone(request: Request, error: Gone) -> Response:
    said = error.tombstone
    record_id = int(said.get("record_id") or 0)
    by = said.get("removed_by", {}).get("user")
    given = said.get("removal_reason", {}).get("id") or ""
    reason = removal_reasons().get(given)
    shown = {
        "reason": reason.title if reason else given,
        "note": said.get("note"),
        "date": (said.get("removal_date") or "")[:10],
        "citation": said.get("citation_text"),
        "by": "operator" if by == "system" else None,
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


async def front(request: Request) -> Response:
    """GET /: search box, the newest records, how to deposit."""
    ctx, lang = context(request), _lang(request)
    private = has_credentials(request)

    def work() -> bytes:
        with ctx.db.read() as session:
            actor = actor_of(session, request) if private else ANONYMOUS
            stamp = queries.newest_stamp(session)
            key = ("front", request.app.state.edition, lang, stamp, today())
            body = None if private else request.app.state.cache.get(key)
            if body is not None:
                return bytes(body)
            newest = queries.newest(session, actor, 6)
            total = _count(request, session)
        body = pages.front_page(newest, total, settings=ctx.settings, lang=lang, viewer=_viewer(actor))
        if not private:
            request.app.state.cache.put(key, body)
        return body

    return _page(
        await in_thread(request, work), headers=None if private else {"Cache-Control": "public, no-cache"}
    )


def _count(request: Request, session: Any) -> int:
    """How many records there are, counted again after a hundred times as long as counting takes."""
    state = request.app.state
    expires, total = getattr(state, "counted", (0.0, 0))
    started = time.monotonic()
    if started >= expires:
        total = queries.count_public(session)
        ended = time.monotonic()
        state.counted = (ended + 100 * (ended - started) if ended - started > 0.01 else 0.0, total)
    return int(total)


async def record(request: Request) -> Response | Ready:
    """GET /records/{id}: the landing page; a concept's id leads to its latest version."""
    ctx, lang = context(request), _lang(request)
    record_id = number(request.path_params["id"])
    private = has_credentials(request)
    cache = request.app.state.cache
    files_page = number(request.query_params.get("files_page", "1"))
    accept = request.headers.get("accept", "")
    if accept and "html" not in accept and "*/*" not in accept:
        wanted = representations.negotiate(accept)
        if wanted is not None:
            return _go(request, f"/records/{record_id}/export/{wanted.name}", 303)

    def work() -> Response | Ready:
        actor = who(request)
        try:
            found = queries.find(ctx.db, actor, record_id)
        except Forbidden:
            if actor.is_user:
                raise
            raise Unauthenticated() from None
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
            ask = ""
            if view.files is None:
                with ctx.db.read() as session:
                    ask = requests.asker(session, actor, view)
            body = landing.record_page(
                view,
                settings=ctx.settings,
                lang=lang,
                viewer=_viewer(actor),
                files_page=files_page,
                next_url=f"/records/{record_id}",
                ask=ask,
            )
            kept = links + b"\n" + body
            if not private:
                cache.put(key, kept)
        links, _, body = kept.partition(b"\n")
        headers.append((b"link", links))
        return Ready(200, headers, body)

    return await in_loop_or_thread(request, work)


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
    """GET /records/{id}/files-archive: all files as one zip."""
    return await archive_of(request, number(request.path_params["id"]))


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


async def search(request: Request) -> Response:
    """GET /search: results as a page; a query with a mistake is shown with the spot."""
    ctx, lang = context(request), _lang(request)
    params = request.query_params
    state = pages.SearchState(
        query=params.get("q", "").strip(),
        filters={
            name: [v for v in params.getlist(name) if v]
            for name in listing.FILTERS
            if any(params.getlist(name))
        },
        sort=params.get("sort", ""),
        size=_between(params.get("size"), 20, 1, 100),
        page=_between(params.get("page"), 1, 1, 10_000),
        all_versions=flag(params.get("all_versions")),
    )

    def work() -> tuple[bytes, int]:
        with ctx.db.read() as session:
            actor = actor_of(session, request)
        shown: dict[str, Any] = {"settings": ctx.settings, "lang": lang, "viewer": _viewer(actor)}
        try:
            hits = ctx.search.search(
                "records",
                listing.search_request(params, state.page, state.size, state.sort, state.all_versions, actor),
            )
        except Malformed as error:
            problem = pages.QueryError(error.message, getattr(error, "position", None))
            return pages.search_page(state, [], 0, error=problem, **shown), 400
        with ctx.db.read() as session:
            found = queries.by_ids(session, actor, hits.ids)
        facets = [
            pages.Facet(name, name, [_bucket(b, state.filters.get(name, ())) for b in buckets])
            for name, buckets in hits.facets.items()
        ]
        return pages.search_page(state, found, hits.total, facets=facets, **shown), 200

    body, status = await in_thread(request, work)
    return _page(body, status)


def _bucket(bucket: Any, chosen: Any) -> pages.Bucket:
    return pages.Bucket(
        bucket.key,
        bucket.key,
        bucket.count,
        bucket.key in chosen,
        [_bucket(b, chosen) for b in bucket.inner],
    )


def _between(text: str | None, default: int, low: int, high: int) -> int:
    try:
        return max(low, min(high, int(text or default)))
    except ValueError:
        return default


# Accounts --------------------------------------------------------------------------------------------------


async def login_form(request: Request) -> Response:
    """GET /login: the form."""
    return _login(request, next_url=_safe_next(request.query_params.get("next")))


def _login(
    request: Request, *, next_url: str, email: str = "", error: str | None = None, status: int = 200
) -> Response:
    # Before there is a session, the form's token is matched with a cookie of its own.
    token = request.cookies.get("strongroom-form") or secrets.token_urlsafe(24)
    answer = _page(
        pages.login_page(
            settings=_settings(request),
            lang=_lang(request),
            csrf=token,
            next_url=next_url,
            email=email,
            error=error,
        ),
        status,
    )
    answer.set_cookie(
        "strongroom-form",
        token,
        path="/login",
        httponly=True,
        samesite="lax",
        secure=_settings(request).is_https,
    )
    return answer


async def login(request: Request) -> Response:
    """POST /login: a new session, then on to where one came from."""
    ctx = context(request)
    form = await _form(request)
    same_origin(request)
    next_url = _safe_next(form.get("next"))
    sent, kept = form.get("csrf", ""), request.cookies.get("strongroom-form", "-")
    if not secrets.compare_digest(sent.encode("utf-8", "replace"), kept.encode("utf-8", "replace")):
        return _login(request, next_url=next_url, email=form.get("email", ""), status=403)
    request.app.limits.check_login(request)

    def work() -> str | None:
        with ctx.db.read() as session:  # half a second of argon2: no writer waits for it
            user_id = accounts.check_login(session, form.get("email", ""), form.get("password", ""))
        if user_id is None:
            return None
        with ctx.db.begin() as session:
            return accounts.begin_session(session, user_id)

    cookie = await in_thread(request, work)
    if cookie is None:
        return _login(
            request,
            next_url=next_url,
            email=form.get("email", ""),
            error=pages.wrong_password(_lang(request)),
            status=401,
        )
    answer = _go(request, next_url, 303)
    answer.set_cookie(
        cookie_name(request),
        cookie,
        max_age=int(accounts.SESSION_LIFE.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=ctx.settings.is_https,
    )
    return answer


async def logout(request: Request) -> Response:
    """POST /logout: end the session."""
    ctx = context(request)
    request.state.csrf = (await _form(request)).get("csrf", "")
    cookie = request.cookies.get(cookie_name(request), "")

    def work() -> None:
        with ctx.db.begin() as session:
            actor_of(session, request)
            accounts.log_out(session, cookie)

    await in_thread(request, work)
    answer = _go(request, "/", 303)
    answer.delete_cookie(cookie_name(request), path="/", secure=ctx.settings.is_https)
    return answer


def _safe_next(url: str | None) -> str:
    """A path of ours to go on to; anything that could lead elsewhere becomes the front page."""
    if not url or not url.startswith("/") or url.startswith(("//", "/\\")) or any(c < " " for c in url):
        return "/"
    return url


def _reader(request: Request, work: Callable[[Any, Actor], T]) -> Callable[[], T]:
    ctx = context(request)

    def inner() -> T:
        with ctx.db.read() as session:
            actor = actor_of(session, request)
            if not actor.is_user:
                raise Unauthenticated()
            return work(session, actor)

    return inner


async def uploads(request: Request) -> Response:
    """GET /me/uploads: one's own drafts and records."""
    ctx, lang = context(request), _lang(request)
    page = _between(request.query_params.get("page"), 1, 1, 10_000)

    def work(session: Any, actor: Actor) -> bytes:
        open_ids = drafts.open_ids(session, actor, 100)
        found = drafts.views(session, actor, open_ids)
        opened = [found[i] for i in open_ids if i in found]
        total, ids = queries.owned(session, actor, (page - 1) * 20, 20)
        return pages.uploads_page(
            opened,
            queries.by_ids(session, actor, ids),
            settings=ctx.settings,
            viewer=_viewer(actor) or Viewer(actor.user_id or 0, actor.name or actor.email, ""),
            lang=lang,
            total_records=total,
            page=page,
        )

    return _page(await in_thread(request, _reader(request, work)))


async def draft(request: Request) -> Response:
    """GET /uploads/{id}: what a draft holds and how to go on; where nothing is open, one's record."""
    ctx, lang = context(request), _lang(request)
    draft_id = number(request.path_params["id"])

    def work(session: Any, actor: Actor) -> bytes | int:
        view = drafts.view(session, actor, draft_id)
        if view is None:
            try:
                mine = queries.by_id(session, actor, draft_id).may_edit
            except StrongroomError:
                mine = False
            if not mine:
                raise NotFound()
            return draft_id
        return pages.draft_page(
            view,
            settings=ctx.settings,
            viewer=_viewer(actor) or Viewer(actor.user_id or 0, actor.name or actor.email, ""),
            lang=lang,
        )

    done = await in_thread(request, _reader(request, work))
    return _go(request, f"/records/{done}") if isinstance(done, int) else _page(done)


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
    """GET /robots.txt: everything may be read; searches need not be crawled."""
    return Response(
        "User-agent: *\nDisallow: /search\nDisallow: /login\nCrawl-delay: 1\n", media_type="text/plain"
    )


PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/", front),
    ("GET", "/search", search),
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
    ("GET", "/login", login_form),
    ("POST", "/login", login),
    ("POST", "/logout", logout),
    ("GET", "/me/uploads", uploads),
    ("GET", "/uploads/{id}", draft),
    ("GET", "/deposit", deposit),
    ("GET", "/deposit/{id}", deposit),
    ("GET", "/static/{version}/{path:path}", static),
    ("GET", "/robots.txt", robots),
    *account.PAGES,
    *apidocs.PAGES,
    *links.PAGES,
    *requests.PAGES,
]
