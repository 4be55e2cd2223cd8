"""The pages that are one text: about, help, policies, terms, and any other that the operator writes.

A text is Markdown (CommonMark and tables). Ours lie in `markdown/<language>/`; a file of the same name in the
operator's folder (`pages_dir`), for one language as `about.de.md` or for all as `about.md`, takes its place, and any
other file there has an address of its own, `/pages/<name>`. `{site}`, `{contact}` and `{address}` stand for the site's
name, its contact's address and the base URL.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import nh3
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from strongroom.errors import NotFound
from strongroom.http.deps import context, has_credentials, in_thread, who
from strongroom.settings import Settings
from strongroom.web.answers import lang_of, page, viewer_of
from strongroom.web.render import HERE, LANGUAGES, render
from strongroom.web.words import N_

SHIPPED: Final = HERE / "markdown"
TEXTS: Final = {"about": N_("About"), "help": N_("Help"), "policies": N_("Policies"), "terms": N_("Terms")}
MOST: Final = 500_000  # bytes of a text
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_BLANK: Final = re.compile(r"\{(site|contact|address|days)\}")


@dataclass(frozen=True, slots=True)
class Text:
    """A text as a page shows it: its first heading, and the HTML of the rest. `lang` is the language it is in."""

    title: str
    html: Markup
    lang: str


@lru_cache(maxsize=64)
def to_html(source: str) -> tuple[str, str]:
    """(first heading of the first level, HTML of all else) of Markdown; the HTML is clean, whoever wrote it."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(source)
    title = ""
    for at, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h1":
            title = tokens[at + 1].content
            del tokens[at : at + 3]
            break
    for token in tokens:
        # There is one first heading, and the page shows it.
        if token.type in ("heading_open", "heading_close") and token.tag == "h1":
            token.tag = "h2"
    html = nh3.clean(reader.renderer.render(tokens, reader.options, {}), link_rel=None)
    return title, html


def _files(settings: Settings, name: str, lang: str) -> list[tuple[Path, str]]:
    """Where a text may lie, the best place first, and which language it is then in."""
    own = Path(settings.pages_dir).expanduser() if settings.pages_dir else settings.data_dir / "pages"
    found = [(own / f"{name}.{lang}.md", lang), (own / f"{name}.md", lang)]
    if name in TEXTS:
        found += [
            (SHIPPED / lang / f"{name}.md", lang),
            (SHIPPED / LANGUAGES[0] / f"{name}.md", LANGUAGES[0]),
        ]
    return found


def text_of(settings: Settings, name: str, lang: str) -> Text:
    """The text of this name in the reader's language. Raises NotFound."""
    if not _NAME.fullmatch(name):
        raise NotFound()
    values = {
        "site": settings.site_name,
        "contact": settings.contact_email,
        "address": settings.base_url,
        "days": str(settings.deletion_grace_days),
    }
    for path, language in _files(settings, name, lang):
        try:
            with path.open("rb") as file:
                source = file.read(MOST).decode("utf-8", "replace")
        except OSError:
            continue
        title, html = to_html(_BLANK.sub(lambda found: values[found[1]], source))
        return Text(title or settings.site_name, Markup(html), language)
    raise NotFound()


def _shown(name: str) -> Callable[[Request], Any]:
    async def show(request: Request) -> Response:
        return await _page(request, name)

    show.__doc__ = f"GET /{name}: the text {name}.md, the operator's where there is one."
    return show


async def other(request: Request) -> Response:
    """GET /pages/{name}: another text of the operator's, from his folder of pages."""
    return await _page(request, request.path_params["name"])


async def _page(request: Request, name: str) -> Response:
    ctx, lang = context(request), lang_of(request)

    def work() -> bytes:
        actor = who(request)
        text = text_of(ctx.settings, name, lang)
        return render(
            "text",
            lang=lang,
            settings=ctx.settings,
            viewer=viewer_of(actor),
            next_url=request.url.path,
            name=name,
            text=text,
        )

    body = await in_thread(request, work)
    return page(body, headers=None if has_credentials(request) else {"Cache-Control": "public, no-cache"})


about, help_page, policies, terms = (_shown(name) for name in TEXTS)

PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/about", about),
    ("GET", "/help", help_page),
    ("GET", "/policies", policies),
    ("GET", "/terms", terms),
    ("GET", "/pages/{name}", other),
]
