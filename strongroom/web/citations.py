"""A record's citation in the style one likes: the page that works without script, and what the record's page loads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from strongroom.errors import Invalid
from strongroom.http import citations
from strongroom.http.caching import VARY
from strongroom.http.deps import context, has_credentials, in_thread, number, who
from strongroom.web.answers import go, lang_of, page, record_for, viewer_of
from strongroom.web.findings import told
from strongroom.web.render import render, texts

_LOCALES = {"en": "en-GB", "de": "de-DE"}  # of our languages


async def citation(request: Request) -> Response:
    """GET /records/{id}/citation: the citation in a CSL style as text, as a page, or (`format=html`) as a line of HTML."""
    ctx = context(request)
    record_id = number(request.path_params["id"])
    private = has_credentials(request)
    fragment = request.query_params.get("format") == "html"
    whole_page = not fragment and "text/html" in request.headers.get("accept", "")

    def work() -> Response:
        actor = who(request)
        found = record_for(ctx.db, actor, record_id)
        if isinstance(found, int):
            query = f"?{request.url.query}" if request.url.query else ""
            return go(request, f"/records/{found}/citation{query}")
        if not fragment and not whole_page:
            return citations.answer(request, found, ctx.settings, private)
        lang = lang_of(request)
        wanted, locale = citations.asked(request)
        problem, style, one = "", wanted or citations.DEFAULT_STYLE, None
        try:
            style = citations.style_of(wanted)
            one = citations.made(
                request, found, ctx.settings, style, citations.locale_of(locale or _LOCALES.get(lang))
            )
        except Invalid as error:
            if fragment:
                raise
            problem = told(error.message, texts(lang))
        if fragment:
            assert one is not None
            kept = {"Cache-Control": "private, no-store" if private else "public, no-cache", "Vary": VARY}
            return Response(one.html, 200, kept, media_type="text/html; charset=utf-8")
        _ = texts(lang).gettext
        body = render(
            "citation",
            lang=lang,
            settings=ctx.settings,
            viewer=viewer_of(actor),
            next_url=f"/records/{record_id}",
            record_id=record_id,
            title=found.view(with_files=False).data.metadata.title,
            style=style,
            locale=locale or "",
            offered=citations.OFFERED,
            near=citations.near(style) if problem else [],
            problem=(_("There is no citation style “%(style)s”.") % {"style": style[:100]})
            if problem
            else "",
            cited=Markup(one.html) if one else "",
        )
        return page(body, 400 if problem else 200)

    return await in_thread(request, work)


PAGES: list[tuple[str, str, Callable[..., Any]]] = [("GET", "/records/{id}/citation", citation)]
