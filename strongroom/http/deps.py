"""What a handler needs from a request: the context, the actor, the body, a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import ANONYMOUS, WRITE, Actor, Level, require_scope
from strongroom.accounts import service as accounts
from strongroom.context import Context
from strongroom.db import Session
from strongroom.errors import Forbidden, Invalid, Malformed, TooLarge
from strongroom.http import representations
from strongroom.http.rdm import MEDIA_TYPE
from strongroom.http.transfer import body_of
from strongroom.sharing import service as sharing

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
        and b"token=" not in query  # access_token too
        and b"%" not in query
    ):
        return False
    if bearer(request) is not None or cookie_name(request) in request.cookies:
        return True
    return bool(link_tokens(request))


def link_cookie(request: Request) -> str:
    """The cookie that share links become in a browser, for pages of records alone (web/links)."""
    return "__Secure-strongroom-link" if context(request).settings.is_https else "strongroom-link"


def links_mark(request: Request) -> str:
    """The cookie for the whole site without which those of links open nothing: logging out ends it, and so all of them."""
    return "__Host-strongroom-links" if context(request).settings.is_https else "strongroom-links"


# Share links that a browser keeps; one more, and the oldest is forgotten.
LINKS_KEPT = 5
BETWEEN_LINKS = "!"


def link_tokens(request: Request, *, by_session: bool = False) -> list[str]:
    """The share link of a request: `?token=x` anywhere, or those that its cookie keeps.

    The cookie alone only reads; it writes `by_session`, whose forms carry its mark.
    """
    token = request.query_params.get("token")
    if token is not None:
        return [token] if token else []
    if request.method not in SAFE and not by_session:
        return []
    return kept_links(request)


def kept_links(request: Request) -> list[str]:
    """The share links that this browser followed since its last log-out."""
    mark, *kept = request.cookies.get(link_cookie(request), "").split(BETWEEN_LINKS)
    if not mark or mark != request.cookies.get(links_mark(request)):
        return []
    return [token for token in kept if token][:LINKS_KEPT]


def actor_of(session: Session, request: Request) -> Actor:
    """Who asks, with what others gave him: grants, and the share link that he came by."""
    actor = _user_of(session, request)
    followed = link_tokens(request, by_session=actor.via == "session")
    if actor.user_id is None and not followed:
        return actor
    shares: dict[int, Level] = {}
    if actor.user_id is not None:
        shares = sharing.shares_of(session, actor.user_id)
    for token in followed:
        opened = sharing.share_of_link(session, token)
        if opened is not None:
            concept_id, level = opened
            shares[concept_id] = max(level, shares.get(concept_id, Level.NONE))
            if actor.user_id is None:
                actor = replace(actor, via="link")
    return replace(actor, shares=shares) if shares else actor


def writer(session: Session, request: Request, scope: str = WRITE) -> Actor:
    """Who asks, for doors that write. Raises Unauthenticated, and Forbidden for a token without the scope."""
    actor = actor_of(session, request)
    require_scope(actor, scope, context(request).settings.enforce_scopes)
    return actor


def _user_of(session: Session, request: Request) -> Actor:
    """The user. A token never makes a session and ignores cookies; a wrong one is anonymous."""
    token = bearer(request)
    if token is not None:
        actor = accounts.by_token(session, token, lambda token_id: _note_use(request, token_id))
        if actor.is_user and request.app.limits.enabled:
            request.app.limits.learn(request)
        return actor
    cookie = request.cookies.get(cookie_name(request))
    if not cookie:
        return ANONYMOUS
    actor = accounts.by_session(session, cookie, lambda key: _note_session(request, key))
    if actor.is_user and request.method not in SAFE:
        _check_origin(request)
        sent = request.headers.get("x-csrf-token") or getattr(request.state, "csrf", "") or ""
        if not accounts.csrf_matches(actor, sent):
            raise Forbidden("The form is out of date: load the page again, then repeat.")
    return actor


def _note_use(request: Request, token_id: int) -> None:
    """Write down, later and apart, that a token was used: whoever reads holds no writing transaction."""
    ctx = context(request)

    def write() -> None:
        with ctx.db.begin(durable=False) as session:
            accounts.note_use(session, token_id)

    request.app.state.requests.submit(write)


def _note_session(request: Request, key: str) -> None:
    """The same for a browser session."""
    ctx = context(request)

    def write() -> None:
        with ctx.db.begin(durable=False) as session:
            accounts.note_session(session, key)

    request.app.state.requests.submit(write)


async def reading(
    request: Request,
    work: Callable[[Session, Actor], T],
    asking: Callable[[Session, Request], Actor] = actor_of,
) -> T:
    """What `work` finds in a reading transaction, in the pool of requests; `asking` says who asks, or raises."""

    def inner() -> T:
        with context(request).db.read() as session:
            return work(session, asking(session, request))

    return await in_thread(request, inner)


async def writing(
    request: Request,
    work: Callable[[Session, Actor], T],
    asking: Callable[[Session, Request], Actor] = actor_of,
) -> T:
    """`work` in a writing transaction, committed when this returns; otherwise as `reading`."""

    def inner() -> T:
        with context(request).db.begin() as session:
            return work(session, asking(session, request))

    return await in_thread(request, inner)


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


def wants_vendor(request: Request) -> bool:
    """Whether the client prefers JSON by InvenioRDM's own name: the one place where that is decided."""
    accept = request.headers.get("accept", "")
    if MEDIA_TYPE not in accept:
        return False
    chosen = representations.negotiate(accept)
    return chosen is not None and chosen.name == representations.RDM.name


def json_answer(
    request: Request, body: Any, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A JSON answer, under the name it was asked by (golden/live/rdm 134); `?prettyprint=1` indents and sorts it."""
    option = 0
    if request.query_params.get("prettyprint"):
        option = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    media = MEDIA_TYPE if status < 300 and wants_vendor(request) else "application/json"
    return Response(orjson.dumps(body, option=option), status, headers, media_type=media)


def number(text: str) -> int:
    """A record id from a path; anything else is an id that nobody has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


def if_match(request: Request) -> int | None:
    """The revision in If-Match, quoted or not; None when absent or `*`. Raises Invalid."""
    header = request.headers.get("if-match")
    if header is None or header.strip() == "*":
        return None
    text = header.strip().removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid.at(
            "if_match",
            "Not a valid integer.",
            'If-Match takes the revision number of the ETag, for instance "3".',
        )
    return int(text)


def flag(value: str | None) -> bool:
    """A boolean parameter: present and empty counts as true."""
    return value is not None and value.strip().lower() not in ("0", "false", "no", "off")
