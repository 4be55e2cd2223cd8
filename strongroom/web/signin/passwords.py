"""Log in with a password, register, ask for a new one, log out."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from strongroom.accounts import registration
from strongroom.accounts import service as accounts
from strongroom.errors import (
    Invalid,
    NotFound,
)
from strongroom.http.deps import actor_of, context, cookie_name, in_thread, links_mark, same_origin
from strongroom.web import pages
from strongroom.web.answers import form_of, go, lang_of, page
from strongroom.web.render import texts
from strongroom.web.signin.steps import (
    Field,
    check_mark,
    form_cookie,
    new_session,
    safe_next,
    signed_in,
    step_page,
    wrong_of,
)
from strongroom.web.signin.ways import ways


async def login_form(request: Request) -> Response:
    """GET /login: the ways to log in."""
    return login_page(request, next_url=safe_next(request.query_params.get("next")))


def login_page(
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
        return login_page(request, next_url=next_url, email=form.get("email", ""), status=403)
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
        return login_page(
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
    await form_of(request)
    cookie = request.cookies.get(cookie_name(request), "")

    def work() -> None:
        with ctx.db.begin() as session:
            actor_of(session, request)
            accounts.log_out(session, cookie)

    await in_thread(request, work)
    answer = go(request, "/", 303)
    for name in (
        cookie_name(request),
        links_mark(request),
    ):  # who comes next has followed none of these links
        answer.delete_cookie(name, path="/", secure=ctx.settings.is_https)
    return answer


def need_passwords(request: Request, least: str = "closed") -> None:
    """Raises NotFound where there are no such accounts."""
    if context(request).settings.accounts in ("off", least):
        raise NotFound("There is no such page here.")


def _register_page(
    request: Request, sent: Mapping[str, str], wrong: Mapping[str, str], status: int = 200
) -> Response:
    _ = texts(lang_of(request)).gettext
    return step_page(
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
    return step_page(
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
    need_passwords(request)
    return _register_page(request, {}, {})


async def register(request: Request) -> Response:
    """POST /register: send a link that makes an account; the answer never says whether there is one."""
    need_passwords(request)
    ctx, form, lang = context(request), await form_of(request), lang_of(request)
    check_mark(request, form)
    request.app.limits.check_login(request)

    def work() -> None:
        with ctx.db.begin() as session:
            registration.ask_to_register(
                session, ctx.settings, form.get("name", ""), form.get("email", ""), lang
            )

    try:
        await in_thread(request, work)
    except Invalid as error:
        return _register_page(request, form, wrong_of(request, error), 400)
    request.app.state.wake()
    return _mailed(request)


def _forgotten_page(request: Request, email: str = "", wrong: str = "", status: int = 200) -> Response:
    _ = texts(lang_of(request)).gettext
    return step_page(
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
    need_passwords(request, "off")
    return _forgotten_page(request)


async def forgotten(request: Request) -> Response:
    """POST /forgotten: send a link for a new password; the answer never says whether there is an account."""
    need_passwords(request, "off")
    ctx, form, lang = context(request), await form_of(request), lang_of(request)
    check_mark(request, form)
    request.app.limits.check_login(request)

    def work() -> None:
        with ctx.db.begin() as session:
            registration.ask_for_password(session, ctx.settings, form.get("email", ""), lang)

    try:
        await in_thread(request, work)
    except Invalid as error:
        return _forgotten_page(request, form.get("email", ""), wrong_of(request, error).get("email", ""), 400)
    request.app.state.wake()
    return _mailed(request)
