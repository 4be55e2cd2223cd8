"""The roof: settings become a context, the context an ASGI application; the whole URL map, door by door."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Any

from sqlalchemy.exc import IntegrityError
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.datastructures import State
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strongroom import __version__, migrations
from strongroom.api import (
    access,
    buckets,
    depositions,
    deposits,
    draft_files,
    drafts,
    oauth,
    openapi,
    requests,
    users,
)
from strongroom.api import records as api_records
from strongroom.api import vocabularies as api_vocabularies
from strongroom.context import Context
from strongroom.db import Database, wait_for
from strongroom.errors import Conflict, Incomplete, NotFound, RateLimited, StrongroomError, WrongVerb
from strongroom.http import deprecation, problems
from strongroom.http.caching import Cache
from strongroom.http.compression import packed
from strongroom.http.limits import Limits
from strongroom.http.routing import Routes
from strongroom.jobs import Worker, wake
from strongroom.records import tasks as tasks  # defines the tasks that the worker runs
from strongroom.records.search import DatabaseSource
from strongroom.registrars import open_registrar
from strongroom.requests import tasks as request_tasks  # noqa: F401 — the same
from strongroom.search.indexer import SearchService
from strongroom.search.terms import TermService
from strongroom.settings import Settings
from strongroom.storage import open_store
from strongroom.vocabularies import tasks as vocabulary_tasks  # noqa: F401 — the same
from strongroom.vocabularies.sources import DatabaseTerms
from strongroom.web import links
from strongroom.web import routes as web
from strongroom.web.answers import error_json
from strongroom.web.render import appearance

log = logging.getLogger(__name__)

DEPOSIT = "/api/deposit/depositions"


class _Key(PathConvertor):
    """A file's key in a bucket: as `path`, and line ends too, so that they are refused with their reason."""

    regex = "(?s:.*)"


register_url_convertor("key", _Key())

# verb, path, handler: every address of the API on one screen. Pages are in web/routes.py.
API: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/api/records", api_records.search),
    ("GET", "/api/records/{id}", api_records.read),
    ("POST", "/api/records", drafts.create),
    ("GET", "/api/records/{id}/draft", drafts.read),
    ("PUT", "/api/records/{id}/draft", drafts.update),
    ("POST", "/api/records/{id}/draft", drafts.edit),
    ("DELETE", "/api/records/{id}/draft", drafts.delete),
    ("POST", "/api/records/{id}/draft/actions/publish", drafts.publish),
    ("POST", "/api/records/{id}/draft/pids/{scheme}", drafts.reserve),
    ("DELETE", "/api/records/{id}/draft/pids/{scheme}", drafts.unreserve),
    *draft_files.ROUTES,
    ("GET", "/api/records/{id}/draft/media-files", drafts.draft_media_files),
    ("GET", "/api/records/{id}/media-files", drafts.media_files),
    ("POST", "/api/records/{id}/versions", drafts.new_version),
    ("GET", "/api/records/{id}/revisions", drafts.revisions),
    ("GET", "/api/records/{id}/revisions/{n}", drafts.revision),
    ("DELETE", "/api/records/{id}/delete", drafts.withdraw),
    ("POST", "/api/records/{id}/restore", drafts.restore),
    ("GET", "/api/user/records", drafts.mine),
    ("PUT", "/api/deposits/{key}", deposits.put),
    ("GET", "/api/records/{id}/versions", api_records.versions),
    ("GET", "/api/records/{id}/versions/latest", api_records.latest),
    ("GET", "/api/records/{id}/files", draft_files.record_listing),
    ("GET", "/api/records/{id}/files-archive", api_records.archive),
    ("GET", "/api/records/{id}/files/{key:path}/content", api_records.file_content),
    ("GET", "/api/records/{id}/files/{key:path}", api_records.read_file),
    ("GET", DEPOSIT, depositions.listing),
    ("POST", DEPOSIT, depositions.create),
    ("GET", DEPOSIT + "/{id}", depositions.read),
    ("PUT", DEPOSIT + "/{id}", depositions.update),
    ("DELETE", DEPOSIT + "/{id}", depositions.delete),
    ("POST", DEPOSIT + "/{id}/actions/publish", depositions.publish),
    ("POST", DEPOSIT + "/{id}/actions/edit", depositions.edit),
    ("POST", DEPOSIT + "/{id}/actions/discard", depositions.discard),
    ("POST", DEPOSIT + "/{id}/actions/newversion", depositions.new_version),
    ("GET", DEPOSIT + "/{id}/files", depositions.list_files),
    ("POST", DEPOSIT + "/{id}/files", depositions.add_file),
    ("PUT", DEPOSIT + "/{id}/files", depositions.sort_files),
    ("GET", DEPOSIT + "/{id}/files/{file_id}", depositions.read_file),
    ("PUT", DEPOSIT + "/{id}/files/{file_id}", depositions.rename_file),
    ("DELETE", DEPOSIT + "/{id}/files/{file_id}", depositions.delete_file),
    ("GET", "/api/files/{bucket}", buckets.listing),
    ("GET", "/api/files/{bucket}/{key:key}", buckets.get),
    ("PUT", "/api/files/{bucket}/{key:key}", buckets.put),
    ("DELETE", "/api/files/{bucket}/{key:key}", buckets.delete),
    # sharing and requests
    *access.ROUTES,
    *requests.ROUTES,
    # users, tokens, OAuth 2
    *users.ROUTES,
    *oauth.ROUTES,
    ("GET", "/api/openapi.json", openapi.openapi),
    # vocabularies
    *api_vocabularies.ROUTES,
]


def build(settings: Settings, *, migrate: bool = True) -> Context:
    """Open everything the settings name. With `migrate` the database is brought up to date first."""
    settings.make_data_dir()
    db = Database(settings)
    wait_for(db)
    if migrate:
        migrations.upgrade(db)
    return Context(
        settings=settings,
        db=db,
        store=open_store(settings),
        registrar=open_registrar(settings),
        search=SearchService(settings.index_dir, DatabaseSource(db, settings)),
        vocabularies=TermService(settings.index_dir, DatabaseTerms(db)),
        blocks=ThreadPoolExecutor(settings.hash_threads, "blocks"),
    )


def create(settings: Settings | None = None) -> ASGIApp:
    """The ASGI application of one web process. Its lifespan opens and closes everything."""
    settings = settings or Settings()
    state = State()
    state.cache = Cache(settings.cache_bytes)
    state.edition = edition(settings)
    state.documented = API

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        ctx = await asyncio.to_thread(build, settings)
        state.ctx = ctx
        state.requests = ThreadPoolExecutor(settings.threads, "request")
        state.previews = ThreadPoolExecutor(3, "preview")  # one more than may run in processes at a time
        worker = None
        if settings.job_threads:
            # A registrar that does not answer must not hold up manifests: its jobs get their own thread.
            apart = settings.registrar != "local" or bool(settings.fetch_hosts)
            worker = Worker(ctx.db, ctx, threads=settings.job_threads, remote_apart=apart)
        state.wake = wake if worker is not None else _sleep_on
        ctx.search.start()
        ctx.vocabularies.start()
        if worker is not None:
            worker.start()
        try:
            yield
        finally:
            if worker is not None:
                await asyncio.to_thread(worker.stop, 10)
            await asyncio.to_thread(ctx.search.stop)
            await asyncio.to_thread(ctx.vocabularies.stop)
            state.requests.shutdown(wait=True)
            state.previews.shutdown(wait=True, cancel_futures=True)
            ctx.blocks.shutdown(wait=True)
            ctx.db.close()

    return Front(Routes([*API, *web.PAGES]), Router(lifespan=lifespan), state, settings)


def edition(settings: Settings) -> str:
    """What every rendered answer depends on besides its record: the program, its templates, what is set.

    Part of each ETag: after an upgrade nobody is told that an old page is still good (design 5b).
    """
    shown = settings.model_dump(
        mode="json",
        include={"base_url", "content_url", "site_name", "contact_email", "site_logo", "accent_colour", "accent_colour_dark", "footer_text", "footer_links", "doi_prefix", "doi_name", "doi_resolver", "registrar"},
    )  # fmt: skip
    return blake2b(repr((__version__, appearance(), shown)).encode(), digest_size=5).hexdigest()


def logged(path: str) -> str:
    """A path as the log may say it: links sent by mail open something (design 5b)."""
    return _SECRET.sub(r"/\1/…", path)


def _sleep_on() -> None:
    """No worker in this process: those of others look by themselves once a second."""


_BYTES = re.compile(r"/api/files/[^/]+/.|/(api/)?records?/[^/]+/(files/.|files-archive)")
_SLASHES = re.compile(r"/{2,}")
_SECRET = re.compile(r"^/(confirm|reset)/.*", re.DOTALL)
_BUCKET = re.compile(r"^/+api/+files/+([^/]+)/(.+)$", re.DOTALL)

# Zenodo's words for an address that is no route.
NO_ROUTE = (
    "The requested URL was not found on the server. If you entered the URL manually please check your spelling "
    "and try again."
)
CORS = [
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"ETag, Link, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, Content-Type, "
        b"Content-Range, Accept-Ranges, Content-Disposition, Repr-Digest, X-Search-Behind, Deprecation",
    ),
]
PREFLIGHT = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "*, Authorization, Content-Type, If-Match, If-None-Match, Range, Content-MD5, Digest",
    "Access-Control-Max-Age": "86400",
    "X-Content-Type-Options": "nosniff",
    "Allow": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
}


class Front:
    """Around all doors: tidies paths, answers preflights, counts requests, turns errors into answers."""

    def __init__(self, routes: Routes, lifespan: ASGIApp, state: State, settings: Settings) -> None:
        self.routes = routes
        self.lifespan = lifespan
        self.state = state
        self.settings = settings
        self.limits = Limits(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        if scope["type"] != "http":
            await self.lifespan(scope, receive, send)
            return
        path = tidy(scope["path"])
        scope["path"] = path
        request = Request(scope, receive)
        is_api = path == "/api" or path.startswith(("/api/", "/oai2d"))
        if "\0" in path and not path.startswith("/api/files/"):
            # No address of ours holds it, and PostgreSQL can't be asked for it. (A file's key is refused with its reason.)
            await self._answer(request, NotFound(NO_ROUTE), is_api)(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and is_api:
            await Response(status_code=200, headers=PREFLIGHT)(scope, receive, send)
            return
        extra: list[tuple[bytes, bytes]] = list(CORS) if is_api else []
        old: list[tuple[bytes, bytes]] = []
        share = None
        started = False
        begun = time.perf_counter()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal started, status
            if message["type"] == "http.response.start":
                started = True
                status = message["status"]
                headers = message.setdefault("headers", [])
                named = {name.lower() for name, _ in headers}
                if share is not None:
                    # Bytes and 304 cost next to nothing: they are not counted (design 5b).
                    counted = status != 304 and not _BYTES.match(path)
                    told = (
                        self.limits.count(share) if counted and status != 429 else self.limits.headers(share)
                    )
                    told_now = ((k.lower().encode(), v.encode()) for k, v in told.items())
                    extra.extend(pair for pair in told_now if pair[0] not in named)
                if b"x-content-type-options" not in named:
                    extra.append((b"x-content-type-options", b"nosniff"))
                if b"cache-control" not in named:
                    # Who may keep an answer says so itself (http/caching); redirects too change with time.
                    extra.append((b"cache-control", b"private, no-store"))
                if old:
                    extra.extend(pair for pair in old if pair[0] not in named)
                message["headers"] = [*headers, *extra]
            await send(message)

        try:
            if self.limits.enabled and not path.startswith("/static/"):
                share = self.limits.share(request, path)
                self.limits.check(share)
            exchanged = None if is_api else links.exchange(request, path)
            if exchanged is not None:
                await exchanged(scope, receive, sending)
                return
            found = self.routes.find(path)
            if found is None:
                raise NotFound(NO_ROUTE)
            handlers, scope["path_params"] = found
            handler = handlers.get(scope["method"])
            if handler is None:
                raise WrongVerb(allowed=sorted(handlers))
            old = deprecation.headers_of(handler)
            response = await handler(request)
            if not is_api or path == "/api/openapi.json":  # answers of the API are small
                response = packed(request, response, self.state.cache)
            await response(scope, receive, sending)
        except RateLimited as error:
            await self._answer(request, error, is_api)(scope, receive, sending)
        except ClientDisconnect:
            log.info("%s %s: the client went away", scope["method"], logged(path))
            if not started:  # it may have stopped to send only
                await self._answer(request, Incomplete(), is_api)(scope, receive, sending)
        except StrongroomError as error:
            if started:
                raise
            await self._answer(request, error, is_api)(scope, receive, sending)
        except IntegrityError as error:
            # Two at once made what can be there only once (PostgreSQL): the second is told to look again.
            if started:
                raise
            log.warning("%s %s: %s", scope["method"], logged(path), error.orig)
            await self._answer(request, Conflict(), is_api)(scope, receive, sending)
        except Exception as error:
            if started:
                raise
            told = problems.unexpected(error, f"{scope['method']} {logged(path)}")
            await self._answer(request, told, is_api)(scope, receive, sending)
        finally:
            if log.isEnabledFor(logging.DEBUG):
                log.debug(
                    "%s %s %s %.1f ms",
                    scope["method"],
                    logged(path),
                    status,
                    (time.perf_counter() - begun) * 1000,
                )

    def _answer(self, request: Request, error: StrongroomError, is_api: bool) -> Response:
        if is_api:
            error = problems.at(error, request.scope["path"])
            # With the mark of a page its script asks, and shows what it hears to a reader of some language.
            for_reader = "x-csrf-token" in request.headers
            answer = (
                error_json(request, error) if for_reader else problems.json_response(error, self.settings)
            )
        else:
            answer = web.error_response(request, error, problems.status_of(error, self.settings))
        if isinstance(error, WrongVerb):
            answer.headers["Allow"] = ", ".join(error.allowed)
        return answer


def tidy(path: str) -> str:
    """A path as routes know it: runs of `/` merged, no `/` at the end (quirks 2).

    A file's key in a bucket stays as sent, so that one with an empty segment is refused with its reason
    and not stored under another name.
    """
    match = _BUCKET.match(path)
    if match:
        return f"/api/files/{match[1]}/{match[2]}"
    if "//" in path:
        path = _SLASHES.sub("/", path)
    if len(path) > 1 and path.endswith("/"):
        path = path.rstrip("/") or "/"
    return path
