"""What all steps of logging in share: a page with a few words and a form, its mark, and the session at the end."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from strongroom.accounts import service as accounts
from strongroom.db import Session
from strongroom.errors import (
    Forbidden,
    Invalid,
)
from strongroom.http.deps import context, cookie_name, same_origin
from strongroom.web import findings
from strongroom.web.answers import go, lang_of, page
from strongroom.web.render import Viewer, render, texts
from strongroom.web.signin.kept import forget

_NEXT_MAX: Final = 1500
# No address of these pages goes anywhere: some are secrets.
PRIVATE: Final = {"Referrer-Policy": "no-referrer"}


def safe_next(url: str | None) -> str:
    """A path of ours to go on to; anything that could lead elsewhere becomes the front page."""
    if not url or not url.startswith("/") or len(url) > _NEXT_MAX:
        return "/"
    # A browser takes a backslash for a slash, and forgets tabs and line ends: `/\\t/evil` is `//evil`.
    if url.startswith(("//", "/\\")) or any(c <= " " or c == "\x7f" for c in url):
        return "/"
    return url


def form_cookie(request: Request) -> str:
    return "strongroom-form"


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


def step_page(
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
    answer = page(body, status, dict(PRIVATE))
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


def check_mark(request: Request, form: Mapping[str, str]) -> None:
    """A form of before there is a session comes from our own page. Raises Forbidden."""
    same_origin(request)
    kept = request.cookies.get(form_cookie(request), "")
    sent = form.get("mark", "")
    if not kept or not secrets.compare_digest(
        kept.encode("utf-8", "replace"), sent.encode("utf-8", "replace")
    ):
        raise Forbidden("The form is out of date: load the page again, then repeat.")


def wrong_of(request: Request, error: Invalid) -> dict[str, str]:
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


def new_session(session: Session, request: Request, user_id: int) -> str:
    """Begin a session; the one the browser had until now ends, so that nobody's id outlives a log-in."""
    return accounts.begin_session(
        session,
        user_id,
        request.headers.get("user-agent", ""),
        instead_of=request.cookies.get(cookie_name(request), ""),
    )


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
    forget(answer, request)
    return answer
