"""What the doors of all pages share: the reader's language and name, forms, pages and redirects as answers."""

from __future__ import annotations

from urllib.parse import parse_qs

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from strongroom.access import Actor
from strongroom.accounts import service as accounts
from strongroom.db import Database, Session
from strongroom.errors import Forbidden, StrongroomError, TooLarge, Unauthenticated
from strongroom.http import problems
from strongroom.http.compression import Own
from strongroom.http.deps import actor_of, body_stream, context
from strongroom.records import queries
from strongroom.web.findings import told_json
from strongroom.web.render import PAGE_HEADERS, Viewer, choose_language, texts

# The longest text of a form is 10,000 characters; a browser writes one as nine where the script is not Latin.
FORM_MAX = 120_000


def lang_of(request: Request) -> str:
    return choose_language(request.headers.get("accept-language"))


def viewer_of(actor: Actor) -> Viewer | None:
    """How the header shows who reads; a token shows nobody, since it has no session to end."""
    if actor.user_id is None or actor.via != "session":
        return None
    mark = accounts.masked(actor.csrf) if actor.csrf else ""
    return Viewer(actor.user_id, actor.name or actor.email, mark, actor.is_admin)


def signed_in(session: Session, request: Request) -> Actor:
    """Who asks, for pages that a session alone opens, whoever's a token is. Raises Unauthenticated."""
    actor = actor_of(session, request)
    if actor.via != "session":
        raise Unauthenticated()
    return actor


def record_for(db: Database, actor: Actor, record_id: int) -> queries.Found | int:
    """As `queries.find`, but who is not logged in is asked to: Unauthenticated in place of Forbidden."""
    try:
        return queries.find(db, actor, record_id)
    except Forbidden:
        if actor.is_user:
            raise
        raise Unauthenticated() from None


_PRIVATE = {"Cache-Control": "private, no-store"}


def page(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, {**PAGE_HEADERS, **_PRIVATE, **(headers or {})})


def own_page(body: bytes, status: int = 200) -> Response:
    """A page for one reader that is worth packing: one with nothing in it that came with its address."""
    return Own(body, status, {**PAGE_HEADERS, **_PRIVATE})


def go(request: Request, path: str, status: int = 302) -> Response:
    """On to an address of ours, or a whole one."""
    base_url = context(request).settings.base_url
    return RedirectResponse(path if path.startswith(("http://", "https://")) else base_url + path, status)


def error_json(request: Request, error: StrongroomError) -> Response:
    """An error for the script of a page, which shows it: as every API answers it, in the reader's language."""
    status = problems.status_of(error, context(request).settings)
    body = told_json(problems.as_json(error, status), texts(lang_of(request)))
    return Response(orjson.dumps(body), status, problems.headers_of(error), media_type="application/json")


async def form_lists(request: Request) -> dict[str, list[str]]:
    """The fields of a small url-encoded form, all values of each; its mark (CSRF) is kept for `actor_of`. Raises TooLarge."""
    parts, size = [], 0
    async for chunk in body_stream(request):
        size += len(chunk)
        if size > FORM_MAX:
            raise TooLarge("The form is too large.")
        parts.append(chunk)
    text = b"".join(parts).replace(b"%00", b"").replace(b"\0", b"").decode("utf-8", "replace")
    try:
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise TooLarge("The form has more than 50 fields.") from None
    request.state.csrf = fields.get("csrf", [""])[-1]
    return fields


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a small url-encoded form, the last value of each. Raises TooLarge."""
    return {name: values[-1] for name, values in (await form_lists(request)).items()}
