"""The page that shows the API and lets a reader try it. What it shows is `/api/openapi.json`, read by its script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from strongroom.http.deprecation import deprecations
from strongroom.http.deps import context, has_credentials, in_thread, who
from strongroom.web.answers import lang_of, page, viewer_of
from strongroom.web.render import render


async def show(request: Request) -> Response:
    """GET /api/docs: every address of the API, what it takes and answers, with a form to try it."""
    ctx, lang = context(request), lang_of(request)
    actor = await in_thread(request, who, request)
    # What the document says is English, and so is this: Markdown's `code`, of which texts have nothing else.
    old = [(d.since, d.what.split("`"), d.instead.split("`")) for d in deprecations()]
    body = render(
        "api_docs", lang=lang, settings=ctx.settings, viewer=viewer_of(actor), next_url="/api/docs", old=old
    )
    private = has_credentials(request)
    return page(body, headers=None if private else {"Cache-Control": "public, no-cache"})


PAGES: list[tuple[str, str, Callable[..., Any]]] = [("GET", "/api/docs", show)]
