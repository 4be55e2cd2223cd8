"""The signed cookie between two steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from strongroom.accounts import identities
from strongroom.http.deps import context

_COOKIE_MAX: Final = 3900  # browsers forget one that has more than 4,096 bytes, with its name


def way_cookie(request: Request) -> str:
    """The cookie of a log-in on its way."""
    return "__Secure-strongroom-way" if context(request).settings.is_https else "strongroom-way"


def key_of(request: Request) -> bytes:
    with context(request).db.read() as session:
        return identities.signing_key(session)


def sealed(key: bytes, purpose: str, content: Mapping[str, Any], seconds: float) -> str:
    """`content` sealed for a cookie. What is too long for one loses first what only saves the user a click or a word."""
    text = ""
    for without in ({}, {"next": "/"}, {"next": "/", "name": "", "email": ""}):
        known = {name: value for name, value in without.items() if name in content}
        text = identities.sealed(key, purpose, {**content, **known}, seconds)
        if len(text) <= _COOKIE_MAX:
            break
    return text


def keep(answer: Response, request: Request, value: str, seconds: float) -> None:
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


def forget(answer: Response, request: Request) -> None:
    if way_cookie(request) in request.cookies:
        answer.delete_cookie(way_cookie(request), path="/login", secure=context(request).settings.is_https)
