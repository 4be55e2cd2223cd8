"""What programs ask of the OAuth 2 provider: tokens, revocation, metadata. The page for people is in web/account.py.

Answers are OAuth's own (RFC 6749 5), not the API's error shape. Cookies are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from strongroom.errors import TooLarge
from strongroom.http.deps import body_stream, context, in_thread, json_answer

FORM_MAX = 20_000
_OPEN = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}


async def token(request: Request) -> Response:
    """POST /oauth/token: a code or refresh token for tokens (RFC 6749 4.1.3 and 6; PKCE, RFC 7636)."""
    return await _ask(request, "token")


async def revoke(request: Request) -> Response:
    """POST /oauth/revoke: end an access or refresh token and all that came with it (RFC 7009)."""
    return await _ask(request, "revoke")


async def _ask(request: Request, name: str) -> Response:
    ctx = context(request)
    parts, size = [], 0
    async for chunk in body_stream(request):
        size += len(chunk)
        if size > FORM_MAX:
            raise TooLarge("The form is too large.")
        parts.append(chunk)
    body, headers = b"".join(parts), {"authorization": request.headers.get("authorization", "")}

    def work() -> Response:
        from strongroom.accounts.provider import Provider  # Authlib: imported when first used

        with ctx.db.begin() as session:
            reply = getattr(Provider(session, ctx.settings), name)(body, headers)
        kept = {k: v for k, v in reply.headers.items() if k.lower() != "content-type"}
        return Response(
            orjson.dumps(reply.body),
            reply.status,
            {**kept, **_OPEN, "Cache-Control": "no-store", "Pragma": "no-cache"},
            media_type="application/json",
        )

    return await in_thread(request, work)


async def metadata(request: Request) -> Response:
    """GET /.well-known/oauth-authorization-server: where everything is, for clients (RFC 8414)."""
    ctx = context(request)

    def work() -> dict[str, Any]:
        from strongroom.accounts.provider import metadata

        return metadata(ctx.settings)

    headers = {**_OPEN, "Cache-Control": "public, max-age=3600"}
    return json_answer(request, await in_thread(request, work), headers=headers)


# verb, path, handler: app.py adds them to its map.
ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("POST", "/oauth/token", token),
    ("POST", "/oauth/revoke", revoke),
    ("GET", "/.well-known/oauth-authorization-server", metadata),
]
