"""What a handler needs from a request: the context, the actor, the body, a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import ANONYMOUS, Actor
from strongroom.accounts import service as accounts
from strongroom.context import Context
from strongroom.db import Session
from strongroom.errors import Forbidden, Invalid, Malformed, TooLarge
from strongroom.http.transfer import body_of

T = TypeVar("T")

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def context(request: Request) -> Context:
    return request.app.state.ctx  # type: ignore[no-any-return]


async def in_thread(request: Request, fn: Callable[..., T], *args: Any) -> T:
    """Run something that touches the database in the pool of requests."""
    pool: ThreadPoolExecutor = request.app.state.requests
    return await asyncio.get_running_loop().run_in_executor(pool, fn, *args)


async def in_loop_or_thread(request: Request, fn: Callable[[], T]) -> T:
    """For short reads by primary key: in the loop on SQLite, where a thread would cost more than the
    reading; in the pool on PostgreSQL, where the network may make one wait (design section 4)."""
    if context(request).db.is_sqlite:
        return fn()
    return await in_thread(request, fn)


def bearer(request: Request) -> str | None:
    """The token of a request: `Authorization: Bearer x`, `Bearer:x` (old clients), `?access_token=x`."""
    header = request.headers.get("authorization")
    if header:
        scheme, _, rest = header.replace(":", " ", 1).partition(" ")
        if scheme.lower() == "bearer" and rest.strip():
            return rest.strip()
    return request.query_params.get("access_token") or None


def cookie_name(request: Request) -> str:
    return "__Host-strongroom" if context(request).settings.is_https else "strongroom"


def has_credentials(request: Request) -> bool:
    """Whether anything in the request may make its answer private."""
    headers = request.headers
    query: bytes = request.scope["query_string"]
    # Most requests have none of them: then nothing is parsed. (`%` may spell the name otherwise.)
    if (
        "authorization" not in headers
        and "cookie" not in headers
        and b"access_token" not in query
        and b"%" not in query
    ):
        return False
    return bearer(request) is not None or cookie_name(request) in request.cookies


def actor_of(session: Session, request: Request) -> Actor:
    """Who asks. A token never makes a session and ignores cookies; a wrong one is anonymous."""
    token = bearer(request)
    if token is not None:
        actor = accounts.by_token(session, token)
        if actor.is_user and request.app.limits.enabled:
            request.app.limits.learn(request)
        return actor
    cookie = request.cookies.get(cookie_name(request))
    if not cookie:
        return ANONYMOUS
    actor = accounts.by_session(session, cookie)
    if actor.is_user and request.method not in SAFE:
        _check_origin(request)
        sent = request.headers.get("x-csrf-token") or getattr(request.state, "csrf", "") or ""
        if not accounts.csrf_matches(actor, sent):
            raise Forbidden("The form is out of date: load the page again, then repeat.")
    return actor


def who(request: Request) -> Actor:
    """Who asks, for doors that need no other session; costs nothing without credentials."""
    if not has_credentials(request):
        return ANONYMOUS
    with context(request).db.read() as session:
        return actor_of(session, request)


def _check_origin(request: Request) -> None:
    """A cookie alone never writes: the browser must say that our own page sent it (design 5b)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site != "same-origin":
            raise Forbidden("This request came from another site.")
        return
    origin = request.headers.get("origin")
    if origin != context(request).settings.origin:
        raise Forbidden("This request came from another site.")


def same_origin(request: Request) -> None:
    """For forms without a session yet (log in). Raises Forbidden."""
    _check_origin(request)


def body_stream(request: Request) -> AsyncIterator[bytes]:
    """The request's body as it comes; raises Incomplete where it ends too soon or stalls."""
    return body_of(request, context(request).settings.body_idle_timeout)


async def json_body(request: Request) -> Any:
    """The body as JSON, whatever its Content-Type says; nothing is `{}` (quirks 3). Raises Malformed, TooLarge."""
    limit = context(request).settings.request_body_max
    parts, size = [], 0
    async for chunk in body_stream(request):
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"The body is larger than {limit:,} bytes.")
        parts.append(chunk)
    text = b"".join(parts)
    if not text.strip():
        return {}
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Malformed(
            f"Unable to decode JSON data in request body. Line {error.lineno}, column {error.colno}: {error.msg}."
        ) from None


def json_answer(
    request: Request, body: Any, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A JSON answer; `?prettyprint=1` indents and sorts it."""
    option = 0
    if request.query_params.get("prettyprint"):
        option = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    return Response(orjson.dumps(body, option=option), status, headers, media_type="application/json")


def number(text: str) -> int:
    """A record id from a path; anything else is an id that nobody has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


def if_match(request: Request) -> int | None:
    """The revision in If-Match, quoted or not; None when absent or `*`. Raises Invalid."""
    header = request.headers.get("if-match")
    if header is None or header.strip() == "*":
        return None
    text = header.strip().removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdigit():
        raise Invalid.at(
            "if_match",
            "Not a valid integer.",
            'If-Match takes the revision number of the ETag, for instance "3".',
        )
    return int(text)


def flag(value: str | None) -> bool:
    """A boolean parameter: present and empty counts as true."""
    return value is not None and value.strip().lower() not in ("0", "false", "no", "off")
