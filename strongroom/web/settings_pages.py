"""Doors of one's own account: profile and mail, linked identities, password, address and sessions.

All need a session, and every form carries its mark (CSRF). Tokens and applications are in `web/account`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from strongroom import mail
from strongroom.access import Actor
from strongroom.accounts import federation, identities, profiles, registration
from strongroom.accounts import service as accounts
from strongroom.db import Session
from strongroom.errors import Conflict, Invalid
from strongroom.http.deps import context, cookie_name, in_thread, number, reading, writing
from strongroom.ids import now
from strongroom.web.answers import form_of, go, lang_of, page, signed_in, viewer_of
from strongroom.web.findings import told
from strongroom.web.render import Texts, render, texts
from strongroom.web.signin import providers, steps
from strongroom.web.signin.ways import IDENTITIES, ways

T = TypeVar("T")
HOME: Final = "/account/settings"
PROFILE: Final = f"{HOME}/profile"
SECURITY: Final = f"{HOME}/security"


async def _look(request: Request, work: Callable[[Session, Actor], T]) -> T:
    return await reading(request, work, signed_in)


async def _do(request: Request, work: Callable[[Session, Actor], T]) -> T:
    return await writing(request, work, signed_in)


def _shown(request: Request, template: str, actor: Actor, /, **more: Any) -> bytes:
    return render(
        template,
        lang=lang_of(request),
        settings=context(request).settings,
        viewer=viewer_of(actor),
        next_url=request.url.path,
        **more,
    )


async def home(request: Request) -> Response:
    """GET /account/settings: the first of the settings."""
    return go(request, PROFILE)


# Profile -------------------------------------------------------------------------------------------------------


def _profile_page(
    request: Request,
    session: Session,
    actor: Actor,
    sent: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
) -> bytes:
    row = profiles.own(session, actor)
    values = sent or {
        "full_name": row.name,
        "affiliations": row.affiliations,
        "visibility": row.visibility,
        "email_visibility": row.email_visibility,
        "notifications": "1" if mail.wants(session, row.id) else "",
    }
    return _shown(
        request,
        "profile",
        actor,
        row=row,
        values=values,
        wrong=defaultdict(str, wrong or {}),
        awaited=registration.awaited(session, row.id),
        orcid_url=context(request).settings.orcid_url,
        saved="saved" in request.query_params,
        confirmed="confirmed" in request.query_params,
    )


async def profile(request: Request) -> Response:
    """GET /account/settings/profile: one's name, affiliation, who may see them, and mail."""
    return page(await _look(request, lambda s, actor: _profile_page(request, s, actor)))


async def change_profile(request: Request) -> Response:
    """POST /account/settings/profile: change them."""
    form = await form_of(request)
    wanted: dict[str, Any] = {
        "full_name": form.get("full_name", ""),
        "affiliations": form.get("affiliations", ""),
        "visibility": "public" if form.get("visibility") else "restricted",
        "email_visibility": "public" if form.get("email_visibility") else "restricted",
        "notifications": bool(form.get("notifications")),
    }

    def work(session: Session, actor: Actor) -> bytes | None:
        try:
            profiles.change(session, actor, wanted)
        except Invalid as error:  # nothing was written
            t = texts(lang_of(request))
            wrong = {
                f.field.partition(".")[2]: " ".join(told(m, t) for m in f.messages) for f in error.findings
            }
            kept = {k: form.get(k, "") for k in ("full_name", "affiliations", "notifications")}
            kept |= {k: wanted[k] for k in ("visibility", "email_visibility")}
            return _profile_page(request, session, actor, kept, wrong)
        return None

    again = await _do(request, work)
    if again is not None:
        return page(again, 400)
    request.app.state.wake()
    return go(request, f"{PROFILE}?saved=1", 303)


# Identities ----------------------------------------------------------------------------------------------------


def _identities_page(request: Request, session: Session, actor: Actor, problem: str = "") -> bytes:
    settings = context(request).settings
    row = profiles.own(session, actor)
    linked = identities.own(session, actor)
    offered = ways(settings)
    there = {i.provider for i in linked}
    _ = texts(lang_of(request)).gettext
    names = {way.key: way.name for way in offered} | {"orcid": "ORCID", "github": "GitHub"}
    return _shown(
        request,
        "identities",
        actor,
        linked=linked,
        names=names | {"oidc": settings.oidc_name},
        ways=[way for way in offered if way.key != "orcid" or "orcid" not in there],
        needed=identities.needed(settings, row, linked),
        orcid_url=settings.orcid_url,
        just=names.get(request.query_params.get("linked", "")),
        merged="merged" in request.query_params,
        problem=problem,
    )


async def own_identities(request: Request) -> Response:
    """GET /account/settings/identities: by whom one can log in."""
    return page(await _look(request, lambda s, actor: _identities_page(request, s, actor)))


async def link(request: Request) -> Response:
    """POST /account/settings/identities/link: on to a provider, to link what one is there."""
    form = await form_of(request)

    def work() -> Actor:
        with context(request).db.read() as session:
            return signed_in(session, request)

    actor = await in_thread(request, work)
    provider = providers.provider_of(request, form.get("provider", ""))
    try:
        url, kept = await providers.dance(request, provider, IDENTITIES, actor.user_id or 0)
    except federation.Unanswered as error:
        said = providers.told(request, provider, error)
        body = await _look(request, lambda s, actor: _identities_page(request, s, actor, said))
        return page(body, 503)
    # A redirect would be one of this form, which the pages' policy keeps on our site.
    answer = page(
        _shown(request, "leaving", actor, url=url, name=provider.name),
        headers={"Referrer-Policy": "no-referrer"},
    )
    providers.keep_dance(answer, request, kept)
    return answer


async def unlink(request: Request) -> Response:
    """POST /account/settings/identities/{linked_id}/unlink: take one away; the last way to log in stays.

    All other sessions end.
    """
    await form_of(request)
    given = number(request.path_params["linked_id"])
    ctx, cookie = context(request), request.cookies.get(cookie_name(request), "")

    def work(session: Session, actor: Actor) -> None:
        identities.unlink(session, ctx.settings, actor, given if given < 2**31 else -1, cookie)

    try:
        await _do(request, work)
    except Conflict:
        _ = texts(lang_of(request)).gettext
        said = _("This is your only way to log in. Set a password, or link another one, first.")
        return page(
            await _look(request, lambda s, actor: _identities_page(request, s, actor, said)), 409
        )  # fmt: skip
    return go(request, IDENTITIES, 303)


# Security ------------------------------------------------------------------------------------------------------

_BROWSERS: Final = (("Firefox", "Firefox/"), ("Edge", "Edg/"), ("Opera", "OPR/"), ("Chrome", "Chrome/"), ("Safari", "Safari/"))  # fmt: skip
_SYSTEMS: Final = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("macOS", "Macintosh"), ("Linux", "Linux"))  # fmt: skip


def device(user_agent: str, t: Texts) -> str:
    """What a browser calls itself, in two words that its owner knows."""
    _ = t.gettext
    browser = next((name for name, sign in _BROWSERS if sign in user_agent), "")
    system = next((name for name, sign in _SYSTEMS if sign in user_agent), "")
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or re.sub(r"[/ ].*", "", user_agent)[:40] or _("Unknown browser")


def _security_page(
    request: Request,
    session: Session,
    actor: Actor,
    *,
    wrong: Mapping[str, str] | None = None,
    sent: Mapping[str, str] | None = None,
) -> bytes:
    row = profiles.own(session, actor)
    here = accounts.digest(request.cookies.get(cookie_name(request), ""))
    t = texts(lang_of(request))
    listed = [
        {
            "hash": s.hash,
            "device": device(s.user_agent, t),
            "created": s.created,
            "last_used": s.last_used or s.created,
            "is_this": s.hash == here,
        }
        for s in accounts.own_sessions(session, actor)
    ]
    done = {key for key in ("password", "mailed", "ended") if key in request.query_params}
    return _shown(
        request,
        "security",
        actor,
        row=row,
        has_password=row.password is not None,
        awaited=registration.awaited(session, row.id),
        sessions=listed,
        wrong=defaultdict(str, wrong or {}),
        sent=defaultdict(str, sent or {}),
        done=done,
        now=now(),
    )


async def security(request: Request) -> Response:
    """GET /account/settings/security: one's password, address and browser sessions."""
    return page(await _look(request, lambda s, actor: _security_page(request, s, actor)))


async def _again(request: Request, wrong: Mapping[str, str], sent: Mapping[str, str]) -> Response:
    return page(
        await _look(request, lambda s, actor: _security_page(request, s, actor, wrong=wrong, sent=sent)), 400
    )


async def _checked(request: Request, form: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether who asks has a password, and whether the one he typed is it. Argon2 runs in a reading transaction."""

    def work(session: Session, actor: Actor) -> tuple[bool, bool]:
        has = profiles.own(session, actor).password is not None
        if has:
            request.app.limits.check_login(request)
        right = has and accounts.check_password(session, actor.user_id or 0, form.get("old", ""))
        return has, right

    return await _look(request, work)


async def change_password(request: Request) -> Response:
    """POST /account/settings/security/password: a new password; all other sessions end.

    Without one yet, a link to choose it is sent to the account's address.
    """
    ctx, form, lang = context(request), await form_of(request), lang_of(request)
    _ = texts(lang).gettext
    has, right = await _checked(request, form)
    if not has:

        def send(session: Session, actor: Actor) -> None:
            registration.ask_for_password(session, ctx.settings, actor.email, lang)

        await _do(request, send)
        request.app.state.wake()
        return go(request, f"{SECURITY}?mailed=1", 303)
    if not right:
        return await _again(request, {"old": _("This is not your password.")}, {})
    try:
        password = await in_thread(request, accounts.hashed, form.get("new", ""))
    except Invalid:
        return await _again(request, {"new": _("A password needs at least 8 characters.")}, {})

    def work(session: Session, actor: Actor) -> str:
        registration.change_password(session, ctx.settings, actor, password, lang)
        return steps.new_session(session, request, actor.user_id or 0)

    cookie = await _do(request, work)
    request.app.state.wake()
    return steps.signed_in(request, cookie, f"{SECURITY}?password=1")


async def change_address(request: Request) -> Response:
    """POST /account/settings/security/address: send a link to a new address; it counts once that was opened."""
    ctx, form, lang = context(request), await form_of(request), lang_of(request)
    _ = texts(lang).gettext
    has, right = await _checked(request, form)
    sent = {"email": form.get("email", "")}
    if has and not right:
        return await _again(request, {"address_old": _("This is not your password.")}, sent)
    request.app.limits.check_login(request)

    def work(session: Session, actor: Actor) -> None:
        registration.ask_to_confirm(session, ctx.settings, actor.user_id or 0, form.get("email", ""), lang)

    try:
        await _do(request, work)
    except Invalid as error:
        said = _("This is no e-mail address, or yours already: a new one reads name@example.org.")
        if any(accounts.NOT_ASCII in f.messages for f in error.findings):
            said = steps.not_ascii(request)
        return await _again(request, {"email": said}, sent)
    request.app.state.wake()
    return go(request, f"{SECURITY}?mailed=1", 303)


async def end_sessions(request: Request) -> Response:
    """POST /account/settings/security/sessions: end one session, or all but this one."""
    form = await form_of(request)
    cookie = request.cookies.get(cookie_name(request), "")

    def work(session: Session, actor: Actor) -> None:
        if form.get("which") == "others":
            accounts.end_other_sessions(session, actor, cookie)
        else:
            accounts.end_session(session, actor, form.get("which", ""))

    await _do(request, work)
    return go(request, f"{SECURITY}?ended=1", 303)


PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", HOME, home),
    ("GET", PROFILE, profile),
    ("POST", PROFILE, change_profile),
    ("GET", IDENTITIES, own_identities),
    ("POST", f"{IDENTITIES}/link", link),
    ("POST", IDENTITIES + "/{linked_id}/unlink", unlink),
    ("GET", SECURITY, security),
    ("POST", f"{SECURITY}/password", change_password),
    ("POST", f"{SECURITY}/address", change_address),
    ("POST", f"{SECURITY}/sessions", end_sessions),
]
