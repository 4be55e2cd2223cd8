"""Text, JSON and Markdown."""

from __future__ import annotations

import codecs
import html
import re

import nh3

from strongroom.metadata.html import bounded
from strongroom.previews import sandbox
from strongroom.previews.results import Result, Rich, Source, Text, Unreadable

MOST = 262_144  # bytes that are read of a text
_MOST_OUT = 400_000  # characters of pretty JSON
_DEPTH = 40  # levels that are indented
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_CONTROL = {code: "\N{REPLACEMENT CHARACTER}" for code in range(32) if chr(code) not in "\t\n\r\f"}


def beginning(source: Source, most: int = MOST) -> tuple[str, str, bool]:
    """(text, name of its encoding, whether it is the whole file) of the first `most` bytes.

    Raises Unreadable for bytes that are no text. What is neither UTF-8 nor marked as UTF-16 is read as Windows-1252,
    which most older files are and which reads anything.
    """
    data = source.read(0, min(source.size, most))
    whole = source.size <= most
    for mark, codec, name in _BOMS:
        if data.startswith(mark):
            return _tidy(data.decode(codec, "replace")), name, whole
    if b"\0" in data:
        raise Unreadable("binary")
    try:
        # A character that the cut parted is left out; whether bytes are UTF-8 is told by all the others.
        decoder = codecs.getincrementaldecoder("utf-8")()
        return _tidy(decoder.decode(data, final=whole)), "UTF-8", whole
    except UnicodeDecodeError:
        control = sum(byte < 32 and byte not in (9, 10, 12, 13) for byte in data[:4096])
        if control > len(data[:4096]) / 50:
            raise Unreadable("binary") from None
        return _tidy(data.decode("cp1252", "replace")), "Windows-1252", whole


def _tidy(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROL)


def looks_like_text(source: Source) -> bool:
    """Whether a file of no known kind begins as text."""
    try:
        _, encoding, _ = beginning(source, 4096)
    except Unreadable:
        return False
    return encoding != "Windows-1252"


def shown(text: str, source: Source, whole: bool, encoding: str) -> Text:
    return Text(html.escape(text, quote=False), min(source.size, MOST), whole, encoding)


def text(source: Source) -> Result:
    """Text as it stands, up to MOST bytes."""
    read, encoding, whole = beginning(source)
    return shown(read, source, whole, encoding)


# Whatever is none of these is one more character: broken JSON is shown as well as it can be.
_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\\n]|\\.)*"?)|(?P<number>-?\d[\d.eE+-]*)|(?P<word>[A-Za-z]+)|(?P<mark>[{}\[\],:])|(?P<space>\s+)|(?P<other>.)'
)


def json(source: Source) -> Result:
    """JSON with its lines indented and its parts marked, up to MOST bytes of it.

    Not parsed but re-spaced, so that numbers, repeated keys and mistakes stay as they were written, and depth
    costs nothing: beyond 40 levels lines are not indented further.
    """
    read, encoding, whole = beginning(source)
    out: list[str] = []
    length = depth = 0
    tokens = [m for m in _TOKEN.finditer(read) if m.lastgroup != "space"]
    for n, match in enumerate(tokens):
        said = match.group()
        after = tokens[n + 1].group() if n + 1 < len(tokens) else ""
        escaped = html.escape(said, quote=False)
        if match.lastgroup == "string":
            piece = f'<span class="{"na" if after == ":" else "s"}">{escaped}</span>'
        elif match.lastgroup == "number":
            piece = f'<span class="m">{escaped}</span>'
        elif match.lastgroup == "word":
            piece = f'<span class="k">{escaped}</span>'
        elif said in "{[":
            depth += 1
            empty = after in ("}", "]")
            piece = said if empty else said + _line(depth)
        elif said in "}]":
            depth = max(0, depth - 1)
            before = tokens[n - 1].group() if n else ""
            piece = said if before in ("{", "[") else _line(depth) + said
        elif said == ",":
            piece = said + _line(depth)
        elif said == ":":
            piece = ": "
        else:
            piece = escaped
        length += len(piece)
        if length > _MOST_OUT:
            whole = False
            break
        out.append(piece)
    return Text("".join(out), min(source.size, MOST), whole, encoding)


def _line(depth: int) -> str:
    return "\n" + "  " * min(depth, _DEPTH)


def _link(tag: str, attribute: str, value: str) -> str | None:
    # Addresses of the author's own folders lead nowhere from here.
    if attribute == "href" and not value.lower().startswith(("http://", "https://", "mailto:")):
        return None
    return value


_TAGS = """
    a abbr b blockquote br caption code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr i kbd li ol p pre s strong sub sup
    table tbody td th thead tr u ul
"""
_ALLOWED = frozenset(_TAGS.split())
_cleaner = nh3.Cleaner(
    tags=set(_ALLOWED),
    clean_content_tags={"script", "style"},
    attributes={"a": {"href", "title"}, "th": {"scope"}},
    attribute_filter=_link,
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)
# Most Markdown parsers have texts that take them long.
_MOST_MARKDOWN = 200_000


def markdown(source: Source) -> Result:
    """Markdown as clean HTML; text that takes its parser too long is shown as it stands.

    Raises Unreadable: no text, busy.
    """
    read, encoding, whole = beginning(source, _MOST_MARKDOWN)
    try:
        made = sandbox.of_text("markdown", read)
    except Unreadable as error:
        if error.reason == "busy":  # nothing that may be kept
            raise
        return shown(read, source, whole, encoding)
    # The cleaner runs here, without a clock: tags without end or bound must not come to it.
    return Rich(_cleaner.clean(bounded(made, _ALLOWED)), whole)
