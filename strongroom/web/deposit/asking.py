"""Who asks at the doors of the deposit form, and answers as they were asked for."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor
from strongroom.db import Session
from strongroom.errors import (
    StrongroomError,
    Unauthenticated,
)
from strongroom.http.deps import actor_of, number, reading, writing
from strongroom.web.answers import error_json, lang_of, signed_in, viewer_of
from strongroom.web.findings import told_all
from strongroom.web.render import Viewer, texts

T = TypeVar("T")


def user_of(session: Session, request: Request) -> Actor:
    actor = actor_of(session, request)
    if not actor.is_user:
        raise Unauthenticated()
    return actor


def id_of(request: Request) -> int:
    return number(request.path_params["id"])


def as_viewer(actor: Actor) -> Viewer:
    return viewer_of(actor) or Viewer(actor.user_id or 0, actor.name or actor.email, "")


async def look(request: Request, work: Callable[[Session, Actor], T]) -> T:
    return await reading(request, work, user_of)


async def do(request: Request, work: Callable[[Session, Actor], T]) -> T:
    """`work` in a writing transaction; the form was read before, with the session's mark."""
    return await writing(request, work, signed_in)


def as_json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, {"Cache-Control": "private, no-store"}, media_type="application/json")


def told_of(error: StrongroomError, request: Request) -> str:
    return " ".join(told_all(error, texts(lang_of(request))))


Handler = Callable[[Request], Awaitable[Response]]


def told_as_asked(handler: Handler) -> Handler:
    """Errors as JSON where the script asked for JSON."""

    @functools.wraps(handler)
    async def inner(request: Request) -> Response:
        try:
            return await handler(request)
        except StrongroomError as error:
            if "json" not in request.headers.get("accept", ""):
                raise
            return error_json(request, error)

    return inner
