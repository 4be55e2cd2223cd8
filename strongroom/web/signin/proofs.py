"""The signed cookie that says whose other account was opened (accounts/merging): ten minutes, for one session."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from strongroom.accounts import identities
from strongroom.accounts.merging import PROOF_SECONDS, Proof
from strongroom.http.deps import context, in_thread
from strongroom.web.answers import go
from strongroom.web.signin.kept import key_of, sealed

MERGE: Final = "/account/settings/merge"
CONFIRM: Final = f"{MERGE}/confirm"


def cookie_of(request: Request) -> str:
    return "__Secure-strongroom-merge" if context(request).settings.is_https else "strongroom-merge"


async def offer(request: Request, proof: Proof) -> Response:
    """On to the last look, with what was proven."""
    key = await in_thread(request, key_of, request)
    answer = go(request, CONFIRM, 303)
    answer.set_cookie(
        cookie_of(request),
        sealed(key, "merge", asdict(proof), PROOF_SECONDS),
        max_age=int(PROOF_SECONDS),
        path=MERGE,
        httponly=True,
        # The way back from a provider comes from another site, as a plain link: Lax lets that through.
        samesite="lax",
        secure=context(request).settings.is_https,
    )
    return answer


async def proof_of(request: Request) -> Proof | None:
    """What was proven, and is not too old; whether it is this session's, `accounts.merging.check` says."""
    key = await in_thread(request, key_of, request)
    kept = identities.opened(key, "merge", request.cookies.get(cookie_of(request), ""))
    return Proof(**kept) if kept is not None else None


def forget(answer: Response, request: Request) -> None:
    if cookie_of(request) in request.cookies:
        answer.delete_cookie(cookie_of(request), path=MERGE, secure=context(request).settings.is_https)
