"""One's own uploads: drafts, what is published, what others share; searched and sorted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor, Level, shared_concepts
from strongroom.context import Context
from strongroom.db import Session
from strongroom.errors import Invalid, Malformed, Unauthenticated
from strongroom.files import quotas, transfers
from strongroom.files import service as files
from strongroom.http.deps import actor_of, context, in_thread
from strongroom.records import drafts, figures, queries
from strongroom.records.views import DraftView, RecordView
from strongroom.requests import service as requests
from strongroom.search.index import SearchRequest
from strongroom.web import pages
from strongroom.web.answers import lang_of, page, viewer_of
from strongroom.web.render import Viewer

SIZE: Final = 20
LISTS: Final = ("all", "drafts", "published", "shared")
# An order's name in the index; the first is the one that is not asked for.
_ORDERS: Final = {"updated": "updated-desc", "newest": "newest", "title": "title"}


async def uploads(request: Request) -> Response:
    """GET /me/uploads: one's own drafts and records, or those that others share (`show`), by words (`q`) and `sort`."""
    ctx, lang = context(request), lang_of(request)
    params = request.query_params
    asked = pages.UploadsState(
        show=params.get("show", "") if params.get("show") in LISTS else "all",
        query=params.get("q", "").replace("\0", "").strip(),
        sort=params.get("sort", "") if params.get("sort") in _ORDERS else "updated",
        page=_page(params.get("page")),
    )

    def work() -> bytes:
        with ctx.db.read() as session:
            actor = actor_of(session, request)
            if not actor.is_user:
                raise Unauthenticated()
            counts = figures.own_counts(session, actor)
            waiting = requests.search(
                session, actor, requests.Query(is_open=True, size=3), mine=not actor.is_admin
            )
            user_id = actor.user_id or 0
            # The same statement as for a deposit: no concept has the number 0.
            quota = quotas.limits_of(session, 0, user_id, ctx.settings).user
            used = files.user_bytes(session, user_id) if quota else 0
        problem = None
        total = 0
        ids: list[tuple[int, bool]] = []
        if asked.query:
            try:
                total, ids = _found(ctx, actor, asked)
            except (Malformed, Invalid) as error:
                problem = error.message
        with ctx.db.read() as session:
            if not asked.query:
                total = counts[asked.show]
                which = cast(figures.Which, asked.show)
                at = (asked.page - 1) * SIZE
                ids = [*figures.own_ids(session, actor, which, order=asked.sort, offset=at, limit=SIZE)]
            shown = _views(session, actor, ids)
            # An edit has no files of its own: there none is awaited.
            opened = [v.id for v in shown if isinstance(v, DraftView) and not v.published]
            unfinished = transfers.unfinished_counts(session, opened)
        return pages.uploads_page(
            shown,
            asked,
            total,
            settings=ctx.settings,
            viewer=viewer_of(actor) or Viewer(user_id, actor.name or actor.email, ""),
            lang=lang,
            counts=counts,
            waiting=[(row.id, row.title) for row in waiting.rows],
            waiting_total=waiting.total,
            storage=(used, quota) if quota else None,
            problem=problem,
            admin=actor.is_admin and actor.via == "session",
            unfinished=unfinished,
        )

    return page(await in_thread(request, work))


def _page(text: str | None) -> int:
    return min(int(text), 10_000 // SIZE) if text and text.isascii() and text.isdigit() and int(text) else 1


def _found(ctx: Context, actor: Actor, asked: pages.UploadsState) -> tuple[int, list[tuple[int, bool]]]:
    """How many of the user's uploads have the words, and one page of them. Raises Malformed, Invalid."""
    wanted = SearchRequest(
        q=asked.query,
        page=asked.page,
        size=SIZE,
        sort=_ORDERS[asked.sort],
        viewer=actor.user_id,
        shared=shared_concepts(actor, Level.VIEW),
        previewed=shared_concepts(actor, Level.PREVIEW),
        of_others=asked.show == "shared",
        facets=False,
    )
    if asked.show in ("drafts", "published"):
        wanted = replace(wanted, status="draft" if asked.show == "drafts" else "published")
    hits = ctx.search.search("depositions", wanted)
    with ctx.db.read() as session:
        # The index may be behind: what is the actor's or shared with him, the database says.
        among = drafts.shared_among if asked.show == "shared" else drafts.owned_among
        owned = among(session, actor, hits.ids)
    return hits.total, [(i, owned[i]) for i in dict.fromkeys(hits.ids) if i in owned]


def _views(session: Session, actor: Actor, ids: Sequence[tuple[int, bool]]) -> list[DraftView | RecordView]:
    opened = drafts.views(session, actor, [i for i, is_draft in ids if is_draft])
    done = {v.id: v for v in queries.by_ids(session, actor, [i for i, is_draft in ids if not is_draft])}
    views = [opened.get(i) if is_draft else done.get(i) for i, is_draft in ids]
    return [v for v in views if v is not None]


PAGES: list[tuple[str, str, Callable[..., Any]]] = [("GET", "/me/uploads", uploads)]
