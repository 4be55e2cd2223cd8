"""The front page: what there is, what is new, how to deposit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import ANONYMOUS
from strongroom.context import Context
from strongroom.db import Session
from strongroom.http.deps import actor_of, context, has_credentials, in_thread
from strongroom.ids import today
from strongroom.records import figures, queries
from strongroom.search.index import Bucket, SearchRequest
from strongroom.web import pages
from strongroom.web.answers import lang_of, page, viewer_of

_TYPES = 7
_TRIED = 2  # subjects that the front page proposes to search for


async def front(request: Request) -> Response:
    """GET /: search box, the newest records, how to deposit."""
    ctx, lang = context(request), lang_of(request)
    private = has_credentials(request)

    def work() -> bytes:
        with ctx.db.read() as session:
            actor = actor_of(session, request) if private else ANONYMOUS
            stamp = queries.newest_stamp(session)
            key = ("front", request.app.state.edition, lang, stamp, today())
            body = None if private else request.app.state.cache.get(key)
            if body is not None:
                return bytes(body)
            newest = queries.newest(session, actor, 6)
            known = _figures(request, session)
        types, subjects = _facets(ctx)
        body = pages.front_page(
            newest,
            known.records,
            settings=ctx.settings,
            lang=lang,
            viewer=viewer_of(actor),
            types=[(b.key, b.count) for b in types],
            tries=[b.key for b in subjects],
            by_month=known.by_month,
            counts={"files": known.files, "bytes": known.bytes} if known.records else None,
        )
        if not private:
            request.app.state.cache.put(key, body)
        return body

    return page(
        await in_thread(request, work), headers=None if private else {"Cache-Control": "public, no-cache"}
    )


def _figures(request: Request, session: Session) -> figures.Figures:
    """How much there is, counted again after a hundred times as long as counting takes."""
    state = request.app.state
    expires, known = getattr(state, "counted", (0.0, None))
    started = time.monotonic()
    if known is None or started >= expires:
        known = figures.of_public(session)
        ended = time.monotonic()
        state.counted = (ended + 100 * (ended - started) if ended - started > 0.01 else 0.0, known)
    found: figures.Figures = known
    return found


def _facets(ctx: Context) -> tuple[list[Bucket], list[Bucket]]:
    """The commonest types and subjects of what anybody may see."""
    facets = ctx.search.search("records", SearchRequest(size=1)).facets
    return facets.get("resource_type", [])[:_TYPES], facets.get("subject", [])[:_TRIED]


PAGES: list[tuple[str, str, Callable[..., Any]]] = [("GET", "/", front)]
