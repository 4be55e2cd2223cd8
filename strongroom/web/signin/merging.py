"""Two accounts of one person become one: show that both are yours, look, confirm.

The account that one is logged in to stays. The other is opened here by its password, or by a provider (whose way back
is `/login/{provider}/callback`, as for linking). What was proven is kept for ten minutes in a signed cookie for these
pages, and is good for the session that it was proven in (decision 0014).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from strongroom import merging
from strongroom.access import Actor
from strongroom.accounts import federation
from strongroom.accounts import merging as accounts
from strongroom.accounts.merging import Proof
from strongroom.db import Session
from strongroom.errors import Conflict, Forbidden
from strongroom.http.deps import context, cookie_name, reading, writing
from strongroom.web import pages
from strongroom.web.answers import form_of, go, lang_of, page, signed_in, viewer_of
from strongroom.web.render import render, texts
from strongroom.web.signin import providers, steps
from strongroom.web.signin.proofs import CONFIRM, MERGE, forget, offer, proof_of, said
from strongroom.web.signin.ways import IDENTITIES, ways

_TITLES: Final = {"orcid": "ORCID", "github": "GitHub"}


def _cookie(request: Request) -> str:
    return request.cookies.get(cookie_name(request), "")


def _shown(request: Request, template: str, actor: Actor, /, **more: Any) -> bytes:
    settings = context(request).settings
    return render(
        template,
        lang=lang_of(request),
        settings=settings,
        viewer=viewer_of(actor),
        next_url=MERGE,
        names=_TITLES | {"oidc": settings.oidc_name},
        orcid_url=settings.orcid_url,
        **more,
    )


def _start_page(
    request: Request, session: Session, actor: Actor, problem: str = "", email: str = ""
) -> bytes:
    settings = context(request).settings
    return _shown(
        request,
        "merge",
        actor,
        recent=accounts.is_recent(session, actor, _cookie(request)),
        again=f"/login?next={quote(MERGE)}",
        ways=ways(settings),
        passwords=settings.accounts != "off",
        problem=problem,
        email=email,
    )


async def _again(request: Request, problem: str, status: int, email: str = "") -> Response:
    body = await reading(request, lambda s, actor: _start_page(request, s, actor, problem, email), signed_in)
    return page(body, status)


async def start(request: Request) -> Response:
    """GET /account/settings/merge: how to show that another account is one's own, too."""
    return page(await reading(request, lambda s, actor: _start_page(request, s, actor), signed_in))


async def by_password(request: Request) -> Response:
    """POST /account/settings/merge/password: open the other account by its password; then the last look."""
    form = await form_of(request)
    email = form.get("email", "")

    def allowed(session: Session, actor: Actor) -> None:
        if context(request).settings.accounts == "off":
            raise Forbidden("There are no passwords here: log in in another way.")
        if not accounts.is_recent(session, actor, _cookie(request)):
            raise accounts.Unproven()

    def work(session: Session, actor: Actor) -> Proof | None:
        return accounts.by_password(session, actor, _cookie(request), email, form.get("password", ""))

    try:
        await reading(request, allowed, signed_in)
        request.app.limits.check_login(request)
        proof = await reading(request, work, signed_in)
    except accounts.Unproven:
        return go(request, MERGE, 303)
    except accounts.Same as error:
        return await _again(request, said(request, error), 409, email)
    if proof is None:
        return await _again(request, pages.wrong_password(lang_of(request)), 401, email)
    return await offer(request, proof)


async def by_provider(request: Request) -> Response:
    """POST /account/settings/merge/provider: on to a provider, to open the other account by it."""
    form = await form_of(request)

    def allowed(session: Session, actor: Actor) -> tuple[Actor, bool]:
        return actor, accounts.is_recent(session, actor, _cookie(request))

    actor, recent = await reading(request, allowed, signed_in)
    provider = providers.provider_of(request, form.get("provider", ""))
    if not recent:
        return go(request, MERGE, 303)
    try:
        url, kept = await providers.dance(request, provider, MERGE, actor.user_id or 0, merging=True)
    except federation.Unanswered as error:
        return await _again(request, providers.told(request, provider, error), 503)
    # A redirect would be one of this form, which the pages' policy keeps on our site.
    answer = page(
        _shown(request, "leaving", actor, url=url, name=provider.name),
        headers={"Referrer-Policy": "no-referrer"},
    )
    providers.keep_dance(answer, request, kept)
    return answer


async def confirm_form(request: Request) -> Response:
    """GET /account/settings/merge/confirm: the last look: which account stays, which is closed, and what that means."""
    return await _last_look(request, await proof_of(request))


async def _last_look(request: Request, proof: Proof | None, status: int = 200) -> Response:
    settings = context(request).settings

    _ = texts(lang_of(request)).gettext

    def work(session: Session, actor: Actor) -> bytes | None:
        if proof is not None and not accounts.is_recent(session, actor, _cookie(request)):
            return None
        keeper, other = merging.look(session, settings, actor, _cookie(request), proof)
        return _shown(request, "merge_confirm", actor, keeper=keeper, other=other)

    try:
        shown = await reading(request, work, signed_in)
        if shown is None:  # as after a wish to link an identity: the page says what to do first
            opened = _(
                "What you logged in with opens another account here, which can be merged with this one."
            )
            return await _again(request, opened, 403)
        return page(shown, status)
    except (accounts.Unproven, accounts.TwoPeople) as error:
        return await _refused(request, error)


async def _refused(request: Request, error: Forbidden | Conflict) -> Response:
    answer = await _again(request, said(request, error), 409 if isinstance(error, Conflict) else 403)
    forget(answer, request)
    return answer


async def confirm(request: Request) -> Response:
    """POST /account/settings/merge/confirm: give this account all that the other has, and close that one."""
    ctx, form, lang = context(request), await form_of(request), lang_of(request)
    proof = await proof_of(request)

    def work(session: Session, actor: Actor) -> str | None:
        if proof is not None and form.get("other") != str(proof.other):
            return None  # two tabs: what is merged is what was looked at
        merging.merge(session, ctx.settings, actor, _cookie(request), proof, lang)
        return steps.new_session(session, request, actor.user_id or 0)

    try:
        cookie = await writing(request, work, signed_in)
    except (accounts.Unproven, accounts.TwoPeople) as error:
        return await _refused(request, error)
    if cookie is None:
        return await _last_look(request, proof, 409)
    request.app.state.wake()
    answer = steps.signed_in(request, cookie, f"{IDENTITIES}?merged=1")
    forget(answer, request)
    return answer


PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", MERGE, start),
    ("POST", f"{MERGE}/password", by_password),
    ("POST", f"{MERGE}/provider", by_provider),
    ("GET", CONFIRM, confirm_form),
    ("POST", CONFIRM, confirm),
]
