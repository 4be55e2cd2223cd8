"""A first log-in by others: what is still missing for an account."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from strongroom.accounts import identities, registration
from strongroom.accounts.federation import Claimed
from strongroom.errors import (
    Conflict,
    Forbidden,
    Invalid,
)
from strongroom.http.deps import context, in_thread, same_origin
from strongroom.web.answers import form_of, go, lang_of
from strongroom.web.render import texts
from strongroom.web.signin.kept import keep, key_of, sealed, way_cookie
from strongroom.web.signin.steps import Field, new_session, safe_next, signed_in, step_page, wrong_of
from strongroom.web.signin.ways import IDENTITIES

FIRST: Final = 60 * 60.0


async def welcome(request: Request, claimed: Claimed, next_url: str) -> Response:
    """Make the account where all is known; else ask for what is missing."""
    if claimed.email_verified and claimed.name:
        try:
            return await _make(request, claimed, claimed.name, claimed.email, next_url)
        except (Invalid, identities.Taken):
            pass  # the page says which
    content = {**asdict(claimed), "next": next_url, "mark": secrets.token_urlsafe(16)}
    key = await in_thread(request, key_of, request)
    answer = go(request, "/login/new", 303)
    keep(answer, request, sealed(key, "first", content, FIRST), FIRST)
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
    key = await in_thread(request, key_of, request)
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
    return step_page(
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
        return _first_page(request, claimed, mark, form, wrong_of(request, error), status=400)
    except identities.Taken:
        return _first_page(request, claimed, mark, form, {}, taken=True, status=409)
    except Conflict:
        return go(request, f"/login/{claimed.provider}", 303)
