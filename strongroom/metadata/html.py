"""HTML that depositors write: cleaned on the way in, so that every reader may show it as it is stored."""

from __future__ import annotations

import html
import re
from collections import Counter

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

# Up to here the worst there is takes the cleaner some 20 ms.
_FEW = 300
_SHORT = 50_000
_DEEPEST = 50
_NAME = re.compile(r"<(/?)([A-Za-z][^\s/>]*+)")
# To the end of a tag, never back: a quoted value may hold a `>`.
_REST = re.compile(r"""(?:[^>=]++|=\s*+(?:"[^"]*"|'[^']*')?+)*+""")
_ATTRIBUTE = re.compile(
    r"""(?<![a-z])(class|href|title|name|rel|scope)\s*+=\s*+(?:"([^"]*)"|'([^']*)'|([^\s"'>]++))""", re.I
)
_VOID = frozenset({"br", "hr"})
_BLOCKS = "blockquote dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p pre table ul"
_CLOSES_P = frozenset(_BLOCKS.split())
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_ONCE = frozenset({"a", "b", "code", "em", "i", "s", "strike", "strong", "u"})  # parsers open these anew
_CELLS = frozenset({"caption", "td", "th"})
_PARTS = frozenset({"tbody", "thead", "tr"}) | _CELLS
_SCOPE = _CELLS | {"table"}
# What a start tag ends if it is open, and what that search does not look beyond.
_ENDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "li": (frozenset({"li"}), _SCOPE | {"ul", "ol", "blockquote"}),
    "dt": (frozenset({"dt", "dd"}), _SCOPE | {"dl", "blockquote"}),
    "dd": (frozenset({"dt", "dd"}), _SCOPE | {"dl", "blockquote"}),
}
_TABLE = frozenset({"table"})


def clean(text: str) -> str:
    """The same HTML with the tags and attributes of api-legacy.md 4.3 only; cleaning it again changes nothing.

    Other tags go, their text stays; scripts and styles go whole. Text with a bare `<` or `&` comes back escaped.
    """
    if not _MARKUP.search(text):
        return text
    return _cleaner.clean(bounded(text, TAGS))


def bounded(text: str, tags: frozenset[str]) -> str:
    """HTML that means the same and that a parser for HTML reads in time and memory in proportion to its length.

    Such parsers mend what is nested wrongly, and for some texts that takes the square of the length: 18 KB of
    unclosed tags become 20 MB. Text with more than a few tags is therefore written anew here, in one pass: with the
    elements of `tags` alone, each closed where it must be, no deeper than 50. Not clean: values are not looked at.
    """
    if text.count("<") <= _FEW and len(text) <= _SHORT:
        return text
    out: list[str] = []
    stack: list[tuple[str, bool]] = []  # open elements, and whether they are written
    count: Counter[str] = Counter()  # of the same, by name
    at = 0

    def cut(to: int) -> None:
        while len(stack) > to:
            name, written = stack.pop()
            count[name] -= 1
            if written:
                out.append(f"</{name}>")

    def innermost(names: frozenset[str], within: frozenset[str]) -> int | None:
        if not any(count[name] for name in names):
            return None
        for n in range(len(stack) - 1, -1, -1):
            if stack[n][0] in names:
                return n
            if stack[n][0] in within:
                return None
        return None

    while (start := text.find("<", at)) >= 0:
        out.append(text[at:start])
        if text.startswith("<!--", start):
            end = text.find("-->", start + 2)
            if end < 0:
                break
            at = end + 3
            continue
        found = _NAME.match(text, start)
        if found is None:
            at = start + 1
            if text[at : at + 1] not in ("!", "?", "/"):
                out.append("&lt;")
                continue
            end = text.find(">", at)
            if end < 0:
                break
            at = end + 1
            continue
        rest = _REST.match(text, found.end())
        at = rest.end() + 1 if rest else len(text) + 1
        if at > len(text):  # a tag without end: browsers drop it
            break
        closing, name = found[1], found[2].lower()
        if not closing and name in _CONTENT_DROPPED:
            ended = re.compile(rf"</{name}[\s/>]", re.I).search(text, at)
            if ended is None:
                break
            at = ended.start()
            continue
        if name not in tags:
            continue
        if closing:
            barrier = frozenset() if name == "table" else _TABLE if name in _PARTS else _SCOPE
            open_at = innermost(frozenset({name}), barrier)
            if open_at is not None:
                cut(open_at)
            continue
        if name in _PARTS:
            table = innermost(_TABLE, frozenset())
            if table is None:
                continue
            ends = {"tr": {"tr", *_CELLS}, "td": _CELLS, "th": _CELLS}.get(name, _PARTS)
            outer = next((n for n in range(table + 1, len(stack)) if stack[n][0] in ends), None)
            if outer is not None:
                cut(outer)
            # nothing else may stand between a table and its parts
            while stack[-1][0] not in ("table", "tbody", "thead", "tr"):
                cut(len(stack) - 1)
        elif name in _CLOSES_P and (p := innermost(frozenset({"p"}), _SCOPE)) is not None:
            cut(p)
        if name in _HEADINGS and stack and stack[-1][0] in _HEADINGS:
            cut(len(stack) - 1)
        if name in _ENDS and (open_at := innermost(*_ENDS[name])) is not None:
            cut(open_at)
        # A table counts with a part of each kind, whether written or put in by the parser.
        if len(stack) - sum(count[part] for part in _PARTS) + 3 * count["table"] >= _DEEPEST:
            continue
        written = name not in _ONCE or not count[name]
        if written:
            said = {
                a[1].lower(): (a[2] or a[3] or a[4] or "").replace('"', "&quot;")
                for a in _ATTRIBUTE.finditer(text, found.end(), at - 1)
            }
            out.append("".join([f"<{name}", *(f' {key}="{value}"' for key, value in said.items()), ">"]))
        if name not in _VOID:
            stack.append((name, written))
            count[name] += 1
    else:
        out.append(text[at:])
    cut(0)
    return "".join(out)


def dropped_tags(text: str) -> list[str]:
    """Names of the tags in `text` that `clean` takes away, for a warning."""
    return sorted({name.lower() for name in _TAG.findall(text)} - TAGS)


def plain(text: str) -> str:
    """The text a person reads in this HTML, in one line: for search, citations and meta tags."""
    if _MARKUP.search(text):
        # block elements part words even where no blank stands between them
        text = html.unescape(_bare.clean(bounded(_BREAKS.sub(" <", text), frozenset())))
    return _BLANKS.sub(" ", text).strip()
