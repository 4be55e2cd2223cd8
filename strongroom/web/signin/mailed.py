"""Behind the links that went by mail: confirm an address, set a new password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor
from strongroom.accounts import registration
from strongroom.accounts import service as accounts
from strongroom.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    StrongroomError,
    Unauthenticated,
)
from strongroom.http.deps import actor_of, context, in_thread
from strongroom.http.problems import status_of
from strongroom.web.answers import form_of, go, lang_of, viewer_of
from strongroom.web.render import texts
from strongroom.web.signin.steps import Field, check_mark, new_session, signed_in, step_page, wrong_of

_TOKEN = re.compile(r"[\w-]{1,100}", re.ASCII)


def _token(request: Request) -> str:
    token: str = request.path_params["token"]
    return token if _TOKEN.fullmatch(token) else ""


def _too_old(request: Request, error: StrongroomError) -> Response:
    _ = texts(lang_of(request)).gettext
    reset = request.url.path.startswith("/reset")
    return step_page(
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
    return step_page(
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
        return step_page(
            request,
            title,
            [_("Log in to the account that is to have the address %(email)s.") % {"email": row.email}],
            links=[(f"/login?next={path}", _("Log in"))],
        )
    if actor.user_id != row.user_id:
        return step_page(
            request,
            title,
            problem=_(
                "This link belongs to another account than the one you are logged in to. Log out, and log in to that one."
            ),
            viewer=viewer_of(actor),
            status=403,
        )
    return step_page(
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
    check_mark(request, form)

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
            return row, wrong_of(request, error)
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
    return step_page(
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
    check_mark(request, form)

    def work() -> Any:
        with ctx.db.read() as session:
            row = registration.waiting(session, token, "reset")
        try:
            password = accounts.hashed(form.get("password", ""))
        except Invalid as error:
            return row, wrong_of(request, error)
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
