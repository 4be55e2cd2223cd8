"""The signed cookie that says whose other account was opened (accounts/merging): ten minutes, for one session."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from strongroom.accounts import identities
from strongroom.accounts import merging as accounts
from strongroom.accounts.merging import PROOF_SECONDS, Proof
from strongroom.errors import StrongroomError
from strongroom.http.deps import context, in_thread
from strongroom.web.answers import go, lang_of
from strongroom.web.render import texts
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


def said(request: Request, error: StrongroomError) -> str:
    """Why two accounts are not merged, in the reader's language."""
    _ = texts(lang_of(request)).gettext
    match error:
        case accounts.Same():
            return _("This opens the account that you are logged in to: there is nothing to merge.")
        case accounts.Closed():
            return _("This account is switched off. Write to the operator.")
        case accounts.TooFresh():
            return _(
                "This way to log in was linked to the other account less than a day ago. Use its password, or another way "
                "that it has had for longer, or come back tomorrow."
            )
        case accounts.TwoPeople():
            return _(
                "Each of the two accounts has an ORCID iD of its own, and an ORCID iD is one person's. "
                "Unlink the one that is not to stay first."
            )
        case _:
            return _("What you showed is too old by now, or was changed: open the other account once more.")
