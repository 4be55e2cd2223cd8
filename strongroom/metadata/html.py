"""HTML that depositors write: cleaned on the way in, so that every reader may show it as it is stored."""

from __future__ import annotations

import html
import re

import nh3

# Union of the two lists of api-legacy.md section 4.3.
_TAGS = """
    a abbr acronym b blockquote br code caption div em h1 h2 h3 h4 h5 i li ol p pre span strike strong
    sub sup table tbody thead th td tr u ul
"""
TAGS = frozenset(_TAGS.split())
# `s`, `del` and the like lose the tag and keep the text; of these not even the text is meant to be read.
_CONTENT_DROPPED = frozenset({"script", "style"})

_cleaner = nh3.Cleaner(
    tags=set(TAGS),
    clean_content_tags=set(_CONTENT_DROPPED),
    attributes={
        "*": {"class"},
        "a": {"href", "title", "name", "rel"},
        "abbr": {"title"},
        "acronym": {"title"},
    },
    link_rel=None,  # `rel` is the depositor's; there is no `target`, so no opener to guard
    url_schemes={"http", "https", "ftp", "mailto"},
)
_bare = nh3.Cleaner(tags=set(), clean_content_tags=set(_CONTENT_DROPPED), attributes={}, link_rel=None)

_MARKUP = re.compile(r"[<>&\x00\r]")
_TAG = re.compile(r"<\s*([A-Za-z][A-Za-z0-9-]*)")
_BREAKS = re.compile(
    r"<(?=/?(?:p|br|div|li|ol|ul|tr|td|th|table|thead|tbody|caption|h[1-6]|blockquote|pre)\b)", re.I
)
_BLANKS = re.compile(r"\s+")


def clean(text: str) -> str:
    """The same HTML with the tags and attributes of api-legacy.md 4.3 only; cleaning it again changes nothing.

    Other tags go, their text stays; scripts and styles go whole. Text with a bare `<` or `&` comes back escaped.
    """
    if not _MARKUP.search(text):
        return text
    return _cleaner.clean(text)


def dropped_tags(text: str) -> list[str]:
    """Names of the tags in `text` that `clean` takes away, for a warning."""
    return sorted({name.lower() for name in _TAG.findall(text)} - TAGS)


def plain(text: str) -> str:
    """The text a person reads in this HTML, in one line: for search, citations and meta tags."""
    if _MARKUP.search(text):
        # block elements part words even where no blank stands between them
        text = html.unescape(_bare.clean(_BREAKS.sub(" <", text)))
    return _BLANKS.sub(" ", text).strip()
