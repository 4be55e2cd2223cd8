"""Log in by others: on to ORCID, an institution or GitHub, and back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from strongroom.accounts import federation, identities
from strongroom.accounts import merging as proven
from strongroom.accounts.federation import Claimed, Dance, Provider
from strongroom.accounts.merging import Proof
from strongroom.errors import (
    Conflict,
    NotFound,
    StrongroomError,
)
from strongroom.http.deps import actor_of, context, cookie_name, in_thread
from strongroom.web import findings
from strongroom.web.answers import go, lang_of
from strongroom.web.render import texts
from strongroom.web.signin.first import welcome
from strongroom.web.signin.kept import forget, keep, key_of, sealed, way_cookie
from strongroom.web.signin.passwords import login_page
from strongroom.web.signin.proofs import MERGE, offer
from strongroom.web.signin.proofs import said as why_not
from strongroom.web.signin.steps import PRIVATE, new_session, safe_next, signed_in, step_page
from strongroom.web.signin.ways import IDENTITIES

T = TypeVar("T")
PATIENCE: Final = 10.0  # seconds for one step at a provider
STEPS: Final = 8  # at one provider at the same time; and as many wait
DANCE: Final = 15 * 60.0  # seconds between two steps


def provider_of(request: Request, key: str) -> Provider:
    """The provider of an address. Raises NotFound."""
    for provider in federation.providers(context(request).settings):
        if provider.key == key:
            return provider
    raise NotFound("Nobody can log in here by that name.")


def _back(request: Request, provider: Provider) -> str:
    return f"{context(request).settings.base_url}/login/{provider.key}/callback"


@lru_cache(maxsize=8)
def _apart(key: str) -> tuple[ThreadPoolExecutor, threading.BoundedSemaphore]:
    """The threads in which one provider is asked, and the room in and before them.

    One that hangs holds up neither the others nor anything else that runs in threads.
    """
    return ThreadPoolExecutor(STEPS, f"log-in-{key}"), threading.BoundedSemaphore(2 * STEPS)


async def ask(provider: Provider, step: Callable[..., T], *args: Any) -> T:
    """One step at a provider, in threads of its own. Raises what the step raises, Unanswered (too slow, too many)."""
    pool, room = _apart(provider.key)
    if not room.acquire(blocking=False):
        raise federation.Unanswered()
    # The room is free when the step ends, not when nobody waits for it any more.
    running = pool.submit(step, *args)
    running.add_done_callback(lambda _: room.release())
    try:
        return await asyncio.wait_for(asyncio.wrap_future(running), PATIENCE)
    except TimeoutError:
        raise federation.Unanswered() from None


async def dance(
    request: Request, provider: Provider, next_url: str, linking: int = 0, *, merging: bool = False
) -> tuple[str, str]:
    """Where the browser goes to log in at a provider, and the cookie that it takes along. Raises Unanswered.

    `linking` is the account that is to have the identity; `merging` says that it is to open another one instead.
    """
    url, kept = await ask(provider, federation.begin, provider, _back(request, provider))
    key = await in_thread(request, key_of, request)
    content = {**asdict(kept), "next": next_url, "linking": linking, "merging": merging}
    return url, sealed(key, "dance", content, DANCE)


async def begin(request: Request) -> Response:
    """GET /login/{provider}: on to ORCID, the institution or GitHub, to log in there."""
    provider = provider_of(request, request.path_params["provider"])
    next_url = safe_next(request.query_params.get("next"))
    try:
        url, kept = await dance(request, provider, next_url)
    except StrongroomError as error:
        return login_page(request, next_url=next_url, error=told(request, provider, error), status=503)
    answer = Response(status_code=302, headers={"Location": url, "Cache-Control": "no-store", **PRIVATE})
    keep(answer, request, kept, DANCE)
    return answer


def keep_dance(answer: Response, request: Request, kept: str) -> None:
    """For the page that links an identity (web/settings_pages)."""
    keep(answer, request, kept, DANCE)


def told(request: Request, provider: Provider, error: StrongroomError) -> str:
    _ = texts(lang_of(request)).gettext
    match error:
        case federation.Unanswered():
            said = _("%(name)s does not answer. Try again later, or log in another way.")
        case federation.Declined():
            said = _("%(name)s was told not to log you in. Begin again, or log in another way.")
        case federation.Distrusted():
            said = _("This log-in by %(name)s is too old, or was begun elsewhere. Begin again.")
        case _:
            return findings.told(error.message, texts(lang_of(request)))
    return said % {"name": provider.name}


async def callback(request: Request) -> Response:
    """GET /login/{provider}/callback: back from a provider; a session, a linked identity, or a first log-in."""
    ctx = context(request)
    provider = provider_of(request, request.path_params["provider"])
    kept = identities.opened(
        await in_thread(request, key_of, request), "dance", request.cookies.get(way_cookie(request), "")
    )
    next_url = safe_next(kept["next"]) if kept else "/"
    linking = int(kept["linking"]) if kept else 0
    merging = bool(kept.get("merging")) if kept else False
    try:
        if kept is None:
            raise federation.Distrusted()
        begun = Dance(kept["provider"], kept["state"], kept["nonce"], kept["verifier"])
        back, params = _back(request, provider), dict(request.query_params)
        claimed = await ask(provider, federation.finish, provider, ctx.settings, back, begun, params)
    except StrongroomError as error:
        status = 503 if isinstance(error, federation.Unanswered) else 403
        said = told(request, provider, error)
        if linking:
            return _step_back(request, said, status, merging=merging)
        answer = login_page(request, next_url=next_url, error=said, status=status)
        forget(answer, request)
        return answer
    if linking:
        return await _link(request, claimed, linking, merging=merging)

    def work() -> str | bool:
        with ctx.db.begin() as session:
            found = identities.find(session, claimed)
            if found is None:
                return True
            if not found.is_active:
                return False
            if not identities.note_use(session, claimed, found.id):
                return True
            return new_session(session, request, found.id)

    cookie = await in_thread(request, work)
    if cookie is False:
        _ = texts(lang_of(request)).gettext
        said = _("This account is switched off. Write to the operator.")
        answer = login_page(request, next_url=next_url, error=said, status=403)
        forget(answer, request)
        return answer
    if isinstance(cookie, str):
        return signed_in(request, cookie, next_url)
    return await welcome(request, claimed, next_url)


def _step_back(request: Request, said: str, status: int, *, merging: bool = False) -> Response:
    _ = texts(lang_of(request)).gettext
    answer = step_page(
        request,
        _("Merge two accounts") if merging else _("Link a way to log in"),
        problem=said,
        links=[
            (MERGE if merging else IDENTITIES, _("Back") if merging else _("Back to your ways to log in"))
        ],
        status=status,
    )
    forget(answer, request)
    return answer


async def _link(request: Request, claimed: Claimed, linking: int, *, merging: bool) -> Response:
    """Link the identity; where it opens another account, offer to merge that one."""
    ctx, lang = context(request), lang_of(request)
    _ = texts(lang).gettext

    def work() -> Proof | None:
        with ctx.db.begin() as session:
            actor = actor_of(session, request)
            # Whoever began is who is logged in now: else another's identity would be put on this account.
            if actor.via != "session" or actor.user_id != linking:
                raise federation.Distrusted()
            there = identities.find(session, claimed)
            if merging or (there is not None and there.id != linking):
                return proven.by_identity(
                    session, actor, request.cookies.get(cookie_name(request), ""), claimed
                )
            identities.link(session, ctx.settings, actor, claimed, lang)
            return None

    try:
        proof = await in_thread(request, work)
    except (proven.Same, proven.Closed, proven.TooFresh) as error:
        status = 409 if isinstance(error, proven.Same) else 403
        return _step_back(request, why_not(request, error), status, merging=True)
    except Conflict:
        said = _("%(label)s can't be linked: your account has an ORCID iD already. Unlink that first.")
        return _step_back(request, said % {"label": claimed.label}, 409)
    except federation.Distrusted as error:
        return _step_back(
            request, told(request, provider_of(request, claimed.provider), error), 403
        )  # fmt: skip
    if proof is not None:
        answer = await offer(request, proof)
    elif merging:
        said = _("No account here opens with %(label)s: log in as somebody else there, or in another way.")
        return _step_back(request, said % {"label": claimed.label}, 404, merging=True)
    else:
        request.app.state.wake()
        answer = go(request, f"{IDENTITIES}?linked={quote(claimed.provider)}", 303)
    forget(answer, request)
    return answer
