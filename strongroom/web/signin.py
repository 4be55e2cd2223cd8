"""Doors of logging in and out: by password, by ORCID, an institution or GitHub, and the links by mail.

Between two steps a browser keeps a signed cookie for `/login` alone: what must come back from a provider unchanged
(state, nonce, PKCE), then, at a first log-in, who came back. While a provider is asked no transaction is open, and the
threads of requests stay free; ten seconds at most, then a page says who did not answer (decision 0012).
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor
from strongroom.accounts import federation, identities, registration
from strongroom.accounts import service as accounts
from strongroom.accounts.federation import Claimed, Dance, Provider
from strongroom.db import Session
from strongroom.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    StrongroomError,
    Unauthenticated,
)
from strongroom.http.deps import actor_of, context, cookie_name, in_thread, same_origin
from strongroom.http.problems import status_of
from strongroom.settings import Settings
from strongroom.web import findings, pages
from strongroom.web.answers import form_of, go, lang_of, page, viewer_of
from strongroom.web.render import Viewer, render, texts

T = TypeVar("T")
IDENTITIES: Final = "/account/settings/identities"
PATIENCE: Final = 10.0  # seconds for one step at a provider
STEPS: Final = 8  # at one provider at the same time; and as many wait
_DANCE: Final = 15 * 60.0  # seconds between two steps
_FIRST: Final = 60 * 60.0
_PICTURES: Final = {".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp"}
_NEXT_MAX: Final = 1500
_COOKIE_MAX: Final = 3900  # browsers forget one that has more than 4,096 bytes, with its name
# No address of these pages goes anywhere: some are secrets.
_PRIVATE: Final = {"Referrer-Policy": "no-referrer"}


# What all steps share ------------------------------------------------------------------------------------------


def safe_next(url: str | None) -> str:
    """A path of ours to go on to; anything that could lead elsewhere becomes the front page."""
    if not url or not url.startswith("/") or len(url) > _NEXT_MAX:
        return "/"
    # A browser takes a backslash for a slash, and forgets tabs and line ends: `/\\t/evil` is `//evil`.
    if url.startswith(("//", "/\\")) or any(c <= " " or c == "\x7f" for c in url):
        return "/"
    return url


def way_cookie(request: Request) -> str:
    """The cookie of a log-in on its way."""
    return "__Secure-strongroom-way" if context(request).settings.is_https else "strongroom-way"


def form_cookie(request: Request) -> str:
    return "strongroom-form"


def _key(request: Request) -> bytes:
    with context(request).db.read() as session:
        return identities.signing_key(session)


def _sealed(key: bytes, purpose: str, content: Mapping[str, Any], seconds: float) -> str:
    """`content` sealed for a cookie. What is too long for one loses first what only saves the user a click or a word."""
    text = ""
    for without in ({}, {"next": "/"}, {"next": "/", "name": "", "email": ""}):
        known = {name: value for name, value in without.items() if name in content}
        text = identities.sealed(key, purpose, {**content, **known}, seconds)
        if len(text) <= _COOKIE_MAX:
            break
    return text


def _keep(answer: Response, request: Request, value: str, seconds: float) -> None:
    answer.set_cookie(
        way_cookie(request),
        value,
        max_age=int(seconds),
        path="/login",
        httponly=True,
        # The way back from a provider comes from another site, as a plain link: Lax lets that through.
        samesite="lax",
        secure=context(request).settings.is_https,
    )


def _forget(answer: Response, request: Request) -> None:
    if way_cookie(request) in request.cookies:
        answer.delete_cookie(way_cookie(request), path="/login", secure=context(request).settings.is_https)


def signed_in(request: Request, cookie: str, next_url: str) -> Response:
    """On to `next_url` with a new session; nothing of before it stays in the browser."""
    ctx = context(request)
    answer = go(request, next_url, 303)
    answer.set_cookie(
        cookie_name(request),
        cookie,
        max_age=int(accounts.SESSION_LIFE.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=ctx.settings.is_https,
    )
    if form_cookie(request) in request.cookies:
        place = "/" + request.url.path.split("/")[1]  # where the form stood
        answer.delete_cookie(form_cookie(request), path=place, secure=ctx.settings.is_https)
    _forget(answer, request)
    return answer


def new_session(session: Session, request: Request, user_id: int) -> str:
    """Begin a session; the one the browser had until now ends, so that nobody's id outlives a log-in."""
    return accounts.begin_session(
        session,
        user_id,
        request.headers.get("user-agent", ""),
        instead_of=request.cookies.get(cookie_name(request), ""),
    )


@dataclass(frozen=True, slots=True)
class Way:
    """A button of the log-in page. `picture` is a data address, or none for our own."""

    key: str
    name: str
    picture: str = ""


def ways(settings: Settings) -> list[Way]:
    """The providers as buttons."""
    picture = _picture(settings.oidc_icon) if settings.oidc_icon else ""
    return [Way(p.key, p.name, picture if p.key == "oidc" else "") for p in federation.providers(settings)]


@lru_cache(maxsize=4)
def _picture(path: Path) -> str:
    """A small picture as a data address, so that it needs no address of its own; nothing where it can't be read."""
    kind = _PICTURES.get(path.suffix.lower())
    try:
        content = path.read_bytes() if kind else b""
    except OSError:
        return ""
    if not 0 < len(content) <= 50_000:
        return ""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


@dataclass(frozen=True, slots=True)
class Field:
    """An input of a step. `error` says what is wrong with what was typed."""

    name: str
    label: str
    value: str = ""
    type: str = "text"
    autocomplete: str = "off"
    help: str = ""
    error: str = ""
    longest: int = 200


def _step(
    request: Request,
    title: str,
    said: Sequence[str] = (),
    *,
    fields: Sequence[Field] = (),
    hidden: Mapping[str, str] | None = None,
    mark: str = "",
    button: str = "",
    problem: str = "",
    links: Sequence[tuple[str, str]] = (),
    status: int = 200,
    viewer: Viewer | None = None,
    done: bool = False,
) -> Response:
    """A page with a few words and, most often, a form that goes back to its own address.

    The form carries a mark, `mark` or that of a cookie for these addresses alone (`_check_mark`).
    """
    kept = mark or request.cookies.get(form_cookie(request)) or secrets.token_urlsafe(24)
    body = render(
        "step",
        lang=lang_of(request),
        settings=context(request).settings,
        viewer=viewer,
        next_url="/",
        action=request.url.path,
        title=title,
        said=said,
        fields=fields,
        hidden={"mark": kept, **(hidden or {})},
        button=button,
        problem=problem,
        links=links,
        done=done,
    )
    answer = page(body, status, dict(_PRIVATE))
    if button and not mark:
        answer.set_cookie(
            form_cookie(request),
            kept,
            path="/" + request.url.path.split("/")[1],
            httponly=True,
            samesite="lax",
            secure=context(request).settings.is_https,
        )
    return answer


def _check_mark(request: Request, form: Mapping[str, str]) -> None:
    """A form of before there is a session comes from our own page. Raises Forbidden."""
    same_origin(request)
    kept = request.cookies.get(form_cookie(request), "")
    sent = form.get("mark", "")
    if not kept or not secrets.compare_digest(
        kept.encode("utf-8", "replace"), sent.encode("utf-8", "replace")
    ):
        raise Forbidden("The form is out of date: load the page again, then repeat.")


def _wrong(request: Request, error: Invalid) -> dict[str, str]:
    """What is wrong with a form, field by field, in the reader's language."""
    t = texts(lang_of(request))
    _ = t.gettext
    known = {
        "email": _("This is no e-mail address: it reads name@example.org."),
        "name": _("Your name is missing."),
        "password": _("A password needs at least 8 characters."),
    }
    found = {
        f.field: known.get(f.field, " ".join(findings.told(m, t) for m in f.messages)) for f in error.findings
    }
    if any(accounts.NOT_ASCII in f.messages for f in error.findings):
        found["email"] = not_ascii(request)
    return found


def not_ascii(request: Request) -> str:
    """`accounts.NOT_ASCII` in the reader's language."""
    _ = texts(lang_of(request)).gettext
    return _(
        "Mail from here reaches only addresses of the letters a to z, digits and signs: use another one."
    )


# Password ------------------------------------------------------------------------------------------------------


async def login_form(request: Request) -> Response:
    """GET /login: the ways to log in."""
    return _login(request, next_url=safe_next(request.query_params.get("next")))


def _login(
    request: Request,
    *,
    next_url: str,
    email: str = "",
    error: str | None = None,
    mismatch: bool = False,
    status: int = 200,
) -> Response:
    # Before there is a session, the form's token is matched with a cookie of its own.
    token = request.cookies.get(form_cookie(request)) or secrets.token_urlsafe(24)
    settings = context(request).settings
    answer = page(
        pages.login_page(
            settings=settings,
            lang=lang_of(request),
            csrf=token,
            next_url=next_url,
            email=email,
            error=error,
            mismatch=mismatch,
            ways=ways(settings),
        ),
        status,
    )
    answer.set_cookie(
        form_cookie(request), token, path="/login", httponly=True, samesite="lax", secure=settings.is_https
    )
    return answer


async def login(request: Request) -> Response:
    """POST /login: a new session, then on to where one came from."""
    ctx = context(request)
    form = await form_of(request)
    same_origin(request)
    next_url = safe_next(form.get("next"))
    sent, kept = form.get("csrf", ""), request.cookies.get(form_cookie(request), "-")
    if ctx.settings.accounts == "off" or not secrets.compare_digest(
        sent.encode("utf-8", "replace"), kept.encode("utf-8", "replace")
    ):
        return _login(request, next_url=next_url, email=form.get("email", ""), status=403)
    request.app.limits.check_login(request)

    def work() -> str | None:
        with ctx.db.read() as session:  # half a second of argon2: no writer waits for it
            checked = accounts.check_login(session, form.get("email", ""), form.get("password", ""))
        if checked is None:
            return None
        with ctx.db.begin() as session:
            if not accounts.still_right(session, checked):
                return None
            return new_session(session, request, checked.user_id)

    cookie = await in_thread(request, work)
    if cookie is None:
        return _login(
            request,
            next_url=next_url,
            email=form.get("email", ""),
            error=pages.wrong_password(lang_of(request)),
            mismatch=True,
            status=401,
        )
    return signed_in(request, cookie, next_url)


async def logout(request: Request) -> Response:
    """POST /logout: end the session."""
    ctx = context(request)
    request.state.csrf = (await form_of(request)).get("csrf", "")
    cookie = request.cookies.get(cookie_name(request), "")

    def work() -> None:
        with ctx.db.begin() as session:
            actor_of(session, request)
            accounts.log_out(session, cookie)

    await in_thread(request, work)
    answer = go(request, "/", 303)
    answer.delete_cookie(cookie_name(request), path="/", secure=ctx.settings.is_https)
    return answer


# By others -----------------------------------------------------------------------------------------------------


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


async def dance(request: Request, provider: Provider, next_url: str, linking: int = 0) -> tuple[str, str]:
    """Where the browser goes to log in at a provider, and the cookie that it takes along. Raises Unanswered."""
    url, kept = await ask(provider, federation.begin, provider, _back(request, provider))
    key = await in_thread(request, _key, request)
    content = {**asdict(kept), "next": next_url, "linking": linking}
    return url, _sealed(key, "dance", content, _DANCE)


async def begin(request: Request) -> Response:
    """GET /login/{provider}: on to ORCID, the institution or GitHub, to log in there."""
    provider = provider_of(request, request.path_params["provider"])
    next_url = safe_next(request.query_params.get("next"))
    try:
        url, kept = await dance(request, provider, next_url)
    except StrongroomError as error:
        return _login(request, next_url=next_url, error=told(request, provider, error), status=503)
    answer = Response(status_code=302, headers={"Location": url, "Cache-Control": "no-store", **_PRIVATE})
    _keep(answer, request, kept, _DANCE)
    return answer


def keep_dance(answer: Response, request: Request, kept: str) -> None:
    """For the page that links an identity (web/settings_pages)."""
    _keep(answer, request, kept, _DANCE)


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
        await in_thread(request, _key, request), "dance", request.cookies.get(way_cookie(request), "")
    )
    next_url = safe_next(kept["next"]) if kept else "/"
    linking = int(kept["linking"]) if kept else 0
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
            return _step_back(request, said, status)
        answer = _login(request, next_url=next_url, error=said, status=status)
        _forget(answer, request)
        return answer
    if linking:
        return await _link(request, claimed, linking)

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
        answer = _login(request, next_url=next_url, error=said, status=403)
        _forget(answer, request)
        return answer
    if isinstance(cookie, str):
        return signed_in(request, cookie, next_url)
    return await _welcome(request, claimed, next_url)


def _step_back(request: Request, said: str, status: int) -> Response:
    _ = texts(lang_of(request)).gettext
    answer = _step(
        request,
        _("Link a way to log in"),
        problem=said,
        links=[(IDENTITIES, _("Back to your identities"))],
        status=status,
    )
    _forget(answer, request)
    return answer


async def _link(request: Request, claimed: Claimed, linking: int) -> Response:
    ctx = context(request)

    def work() -> None:
        with ctx.db.begin() as session:
            actor = actor_of(session, request)
            # Whoever began is who is logged in now: else another's identity would be put on this account.
            if actor.via != "session" or actor.user_id != linking:
                raise federation.Distrusted()
            identities.link(session, ctx.settings, actor, claimed, lang_of(request))

    try:
        await in_thread(request, work)
    except Conflict:
        _ = texts(lang_of(request)).gettext
        said = _(
            "%(label)s can't be linked: it belongs to another account here, or your account has an ORCID iD "
            "already. Unlink that first."
        )
        return _step_back(request, said % {"label": claimed.label}, 409)
    except federation.Distrusted as error:
        return _step_back(
            request, told(request, provider_of(request, claimed.provider), error), 403
        )  # fmt: skip
    request.app.state.wake()
    answer = go(request, f"{IDENTITIES}?linked={quote(claimed.provider)}", 303)
    _forget(answer, request)
    return answer


# A first log-in ------------------------------------------------------------------------------------------------


async def _welcome(request: Request, claimed: Claimed, next_url: str) -> Response:
    """Make the account where all is known; else ask for what is missing."""
    if claimed.email_verified and claimed.name:
        try:
            return await _make(request, claimed, claimed.name, claimed.email, next_url)
        except (Invalid, identities.Taken):
            pass  # the page says which
    content = {**asdict(claimed), "next": next_url, "mark": secrets.token_urlsafe(16)}
    key = await in_thread(request, _key, request)
    answer = go(request, "/login/new", 303)
    _keep(answer, request, _sealed(key, "first", content, _FIRST), _FIRST)
    return answer


async def _make(request: Request, claimed: Claimed, name: str, email: str, next_url: str) -> Response:
    ctx, lang = context(request), lang_of(request)

    def work() -> str:
        with ctx.db.begin() as session:
            user_id, sure = identities.add_account(session, claimed, name, email)
            if not sure:
                registration.ask_to_confirm(session, ctx.settings, user_id, email, lang)
            return new_session(session, request, user_id)

    cookie = await in_thread(request, work)
    request.app.state.wake()
    return signed_in(request, cookie, next_url)


async def _first(request: Request) -> tuple[Claimed, str, str] | None:
    """Who came back from a provider, where he wants to go, and the mark of his form; None for too long ago."""
    key = await in_thread(request, _key, request)
    kept = identities.opened(key, "first", request.cookies.get(way_cookie(request), ""))
    if kept is None:
        return None
    next_url, mark = safe_next(kept.pop("next")), str(kept.pop("mark"))
    return Claimed(**kept), next_url, mark


def _first_page(
    request: Request,
    claimed: Claimed,
    mark: str,
    sent: Mapping[str, str],
    wrong: Mapping[str, str],
    *,
    taken: bool = False,
    status: int = 200,
) -> Response:
    _ = texts(lang_of(request)).gettext
    site = context(request).settings.site_name
    problem = ""
    links = []
    if taken:
        problem = _(
            "There is an account with this address already. Log in to it, then link %(label)s in its settings."
        ) % {"label": claimed.label}
        links = [(f"/login?next={quote(IDENTITIES)}", _("Log in to that account"))]
    said = [
        _("You come as %(label)s, for the first time. This is still needed for your account at %(site)s.")
        % {"label": claimed.label, "site": site}
    ]  # fmt: skip
    fields = [
        Field("name", _("Your name"), sent.get("name", claimed.name), autocomplete="name", error=wrong.get("name", "")),
        Field(
            "email",
            _("E-mail address"),
            sent.get("email", claimed.email),
            type="email",
            autocomplete="email",
            help=_("For answers and news about your records. A mail with a link confirms it. Others do not see it."),
            error=wrong.get("email", ""),
            longest=320,
        ),
    ]  # fmt: skip
    return _step(
        request,
        _("Welcome"),
        said,
        fields=fields,
        mark=mark,
        button=_("Make my account"),
        problem=problem,
        links=links,
        status=status,
    )


async def first_form(request: Request) -> Response:
    """GET /login/new: after a first log-in by others, what is still missing for an account."""
    first = await _first(request)
    if first is None:
        return go(request, "/login")
    claimed, _next, mark = first

    def work() -> bool:
        with context(request).db.read() as session:
            return bool(claimed.email) and identities.is_taken(session, claimed.email.strip().lower())

    # Only an address that its issuer vouches for is told of: others say nothing about their reader.
    taken = claimed.email_verified and await in_thread(request, work)
    return _first_page(request, claimed, mark, {}, {}, taken=taken)


async def first(request: Request) -> Response:
    """POST /login/new: make the account of a first log-in."""
    form = await form_of(request)
    same_origin(request)
    found = await _first(request)
    if found is None:
        raise Forbidden("This log-in is too old: log in again.")
    claimed, next_url, mark = found
    if not secrets.compare_digest(mark.encode(), form.get("mark", "").encode("utf-8", "replace")):
        return _first_page(request, claimed, mark, form, {}, status=403)
    request.app.limits.check_login(request)
    try:
        return await _make(request, claimed, form.get("name", ""), form.get("email", ""), next_url)
    except Invalid as error:
        return _first_page(request, claimed, mark, form, _wrong(request, error), status=400)
    except identities.Taken:
        return _first_page(request, claimed, mark, form, {}, taken=True, status=409)
    except Conflict:
        return go(request, f"/login/{claimed.provider}", 303)


# Accounts with a password --------------------------------------------------------------------------------------


def _no_passwords(request: Request, least: str = "closed") -> None:
    """Raises NotFound where there are no such accounts."""
    if context(request).settings.accounts in ("off", least):
        raise NotFound("There is no such page here.")


def _register_page(
    request: Request, sent: Mapping[str, str], wrong: Mapping[str, str], status: int = 200
) -> Response:
    _ = texts(lang_of(request)).gettext
    return _step(
        request,
        _("Make an account"),
        [_("We send you a mail with a link; there you choose a password.")],
        fields=[
            Field("name", _("Your name"), sent.get("name", ""), autocomplete="name", error=wrong.get("name", "")),
            Field("email", _("E-mail address"), sent.get("email", ""), "email", "email", error=wrong.get("email", ""), longest=320),
        ],
        button=_("Send me the link"),
        links=[("/login", _("Log in to an account you have"))],
        status=status,
    )  # fmt: skip


def _mailed(request: Request) -> Response:
    """The same whether or not there is an account with this address."""
    _ = texts(lang_of(request)).gettext
    return _step(
        request,
        _("Look into your mailbox"),
        [
            _("A mail with a link is on its way to the address you typed."),
            _("Nothing there after a few minutes? Look into the folder for spam, and check the address."),
        ],
        links=[("/login", _("Log in"))],
        done=True,
    )


async def register_form(request: Request) -> Response:
    """GET /register: the form for a new account."""
    _no_passwords(request)
    return _register_page(request, {}, {})


async def register(request: Request) -> Response:
    """POST /register: send a link that makes an account; the answer never says whether there is one."""
    _no_passwords(request)
    ctx, form, lang = context(request), await form_of(request), lang_of(request)
    _check_mark(request, form)
    request.app.limits.check_login(request)

    def work() -> None:
        with ctx.db.begin() as session:
            registration.ask_to_register(
                session, ctx.settings, form.get("name", ""), form.get("email", ""), lang
            )

    try:
        await in_thread(request, work)
    except Invalid as error:
        return _register_page(request, form, _wrong(request, error), 400)
    request.app.state.wake()
    return _mailed(request)


def _forgotten_page(request: Request, email: str = "", wrong: str = "", status: int = 200) -> Response:
    _ = texts(lang_of(request)).gettext
    return _step(
        request,
        _("Forgotten your password?"),
        [_("We send a link to the address of your account; there you choose a new one.")],
        fields=[Field("email", _("E-mail address"), email, "email", "email", error=wrong, longest=320)],
        button=_("Send me the link"),
        links=[("/login", _("Log in"))],
        status=status,
    )


async def forgotten_form(request: Request) -> Response:
    """GET /forgotten: the form for a new password."""
    _no_passwords(request, "off")
    return _forgotten_page(request)


async def forgotten(request: Request) -> Response:
    """POST /forgotten: send a link for a new password; the answer never says whether there is an account."""
    _no_passwords(request, "off")
    ctx, form, lang = context(request), await form_of(request), lang_of(request)
    _check_mark(request, form)
    request.app.limits.check_login(request)

    def work() -> None:
        with ctx.db.begin() as session:
            registration.ask_for_password(session, ctx.settings, form.get("email", ""), lang)

    try:
        await in_thread(request, work)
    except Invalid as error:
        return _forgotten_page(request, form.get("email", ""), _wrong(request, error).get("email", ""), 400)
    request.app.state.wake()
    return _mailed(request)


_TOKEN = re.compile(r"[\w-]{1,100}", re.ASCII)


def _token(request: Request) -> str:
    token: str = request.path_params["token"]
    return token if _TOKEN.fullmatch(token) else ""


def _too_old(request: Request, error: StrongroomError) -> Response:
    _ = texts(lang_of(request)).gettext
    reset = request.url.path.startswith("/reset")
    return _step(
        request,
        _("This link no longer works"),
        [_("It was used already, or is too old. Ask for a new one.")],
        links=[("/forgotten", _("New password")) if reset else ("/login", _("Log in"))],
        status=status_of(error, context(request).settings),
    )


def _password_field(request: Request, wrong: Mapping[str, str]) -> Field:
    _ = texts(lang_of(request)).gettext
    return Field(
        "password",
        _("Password"),
        type="password",
        autocomplete="new-password",
        help=_("At least 8 characters. A few words that only you would put together are best."),
        error=wrong.get("password", ""),
        longest=1000,
    )


def _made_page(request: Request, row: Any, sent: Mapping[str, str], wrong: Mapping[str, str], status: int = 200) -> Response:  # fmt: skip
    _ = texts(lang_of(request)).gettext
    name = Field("name", _("Your name"), sent.get("name", row.name), autocomplete="name", error=wrong.get("name", ""))  # fmt: skip
    return _step(
        request,
        _("Make your account"),
        [_("Your address %(email)s is right. Choose a password for it.") % {"email": row.email}],
        fields=[name, _password_field(request, wrong)],
        # Password managers keep what stands in such a field.
        hidden={"username": row.email},
        button=_("Make my account"),
        status=status,
    )


def _confirm_page(request: Request, row: Any, actor: Actor) -> Response:
    _ = texts(lang_of(request)).gettext
    title = _("Confirm your address")
    if actor.via != "session":
        path = quote(request.url.path)
        return _step(
            request,
            title,
            [_("Log in to the account that is to have the address %(email)s.") % {"email": row.email}],
            links=[(f"/login?next={path}", _("Log in"))],
        )
    if actor.user_id != row.user_id:
        return _step(
            request,
            title,
            problem=_(
                "This link belongs to another account than the one you are logged in to. Log out, and log in to that one."
            ),
            viewer=viewer_of(actor),
            status=403,
        )
    return _step(
        request,
        title,
        [_("Your account will have the address %(email)s.") % {"email": row.email}],
        hidden={"csrf": actor.csrf},
        button=_("Confirm this address"),
        viewer=viewer_of(actor),
    )


async def confirm_form(request: Request) -> Response:
    """GET /confirm/{token}: what a link by mail is for, with a button: opening it alone does nothing."""
    ctx, token = context(request), _token(request)

    def work() -> tuple[Any, Actor]:
        with ctx.db.read() as session:
            return registration.waiting(session, token, "register", "address"), actor_of(session, request)

    try:
        row, actor = await in_thread(request, work)
    except NotFound as error:
        return _too_old(request, error)
    return _made_page(request, row, {}, {}) if row.kind == "register" else _confirm_page(request, row, actor)


async def confirm(request: Request) -> Response:
    """POST /confirm/{token}: make the account, or give one's own the address, that a link by mail is for."""
    ctx, token, lang = context(request), _token(request), lang_of(request)
    form = await form_of(request)
    _check_mark(request, form)
    request.state.csrf = form.get("csrf", "")

    def work() -> Any:
        with ctx.db.read() as session:
            row = registration.waiting(session, token, "register", "address")
        if row.kind == "address":
            with ctx.db.begin() as session:
                actor = actor_of(session, request)
                registration.confirm_address(session, ctx.settings, actor, token, lang)
                return None
        try:
            password = accounts.hashed(form.get("password", ""))
        except Invalid as error:
            return row, _wrong(request, error)
        with ctx.db.begin() as session:
            name = form.get("name", "")
            return new_session(
                session, request, registration.make_account(session, ctx.settings, token, name, password)
            )

    try:
        done = await in_thread(request, work)
    except (NotFound, Conflict) as error:
        return _too_old(request, error)
    except Unauthenticated:
        return go(request, f"/login?next={quote(request.url.path)}", 303)
    if isinstance(done, tuple):
        return _made_page(request, done[0], form, done[1], 400)
    request.app.state.wake()
    if done is None:
        return go(request, "/account/settings/profile?confirmed=1", 303)
    return signed_in(request, done, "/")


def _reset_page(request: Request, row: Any, wrong: Mapping[str, str], status: int = 200) -> Response:
    _ = texts(lang_of(request)).gettext
    return _step(
        request,
        _("Choose a new password"),
        [_("For the account with the address %(email)s. All its sessions will end.") % {"email": row.email}],
        fields=[_password_field(request, wrong)],
        hidden={"username": row.email},
        button=_("Set the password"),
        status=status,
    )


async def reset_form(request: Request) -> Response:
    """GET /reset/{token}: the form for a new password, behind a link by mail."""
    ctx, token = context(request), _token(request)

    def work() -> Any:
        with ctx.db.read() as session:
            return registration.waiting(session, token, "reset")

    try:
        return _reset_page(request, await in_thread(request, work), {})
    except NotFound as error:
        return _too_old(request, error)


async def reset(request: Request) -> Response:
    """POST /reset/{token}: set the new password, end all sessions, and log in."""
    ctx, token, lang = context(request), _token(request), lang_of(request)
    form = await form_of(request)
    _check_mark(request, form)

    def work() -> Any:
        with ctx.db.read() as session:
            row = registration.waiting(session, token, "reset")
        try:
            password = accounts.hashed(form.get("password", ""))
        except Invalid as error:
            return row, _wrong(request, error)
        with ctx.db.begin() as session:
            return new_session(
                session, request, registration.reset(session, ctx.settings, token, password, lang)
            )

    try:
        done = await in_thread(request, work)
    except (NotFound, Forbidden) as error:
        return _too_old(request, error)
    if isinstance(done, tuple):
        return _reset_page(request, done[0], done[1], 400)
    request.app.state.wake()
    return signed_in(request, done, "/")


PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/login", login_form),
    ("POST", "/login", login),
    ("GET", "/login/new", first_form),
    ("POST", "/login/new", first),
    ("GET", "/login/{provider}", begin),
    ("GET", "/login/{provider}/callback", callback),
    ("POST", "/logout", logout),
    ("GET", "/register", register_form),
    ("POST", "/register", register),
    ("GET", "/forgotten", forgotten_form),
    ("POST", "/forgotten", forgotten),
    ("GET", "/confirm/{token}", confirm_form),
    ("POST", "/confirm/{token}", confirm),
    ("GET", "/reset/{token}", reset_form),
    ("POST", "/reset/{token}", reset),
]
