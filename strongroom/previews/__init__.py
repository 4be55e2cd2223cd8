"""Previews: what a file shows in a page without being downloaded.

One registry (`KINDS`): kind → which files, how much of them is read, what makes it. Nothing here knows of requests or
databases: a `Source` reads bytes, `preview` gives plain values (or HTML that is clean), and the door puts them into
a page. Text is read up to a bound in this process; whatever a parser could stumble over for long or at length
(archives, Markdown, programs to be coloured) is read in one of its own with limits of time and memory (`sandbox`).

Kinds for tables with types, spreadsheets, Parquet and notebooks come later: each is one more line in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from strongroom.previews import archives, code, documents, media, tables
from strongroom.previews.results import Listing, Media, Result, Rich, Source, Table, Text, Unreadable

__all__ = [
    "KINDS",
    "Kind",
    "Listing",
    "Media",
    "Result",
    "Rich",
    "Source",
    "Table",
    "Text",
    "Unreadable",
    "kind_of",
    "preview",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of preview: the files it takes, by the end of their name or their media type.

    `limit` is the largest file in bytes that is shown; None where only a part is read, whatever its size.
    """

    name: str
    endings: frozenset[str]
    types: frozenset[str]
    limit: int | None
    function: Callable[[Source], Result]


def _kind(
    name: str, endings: str, types: str, limit: int | None, function: Callable[[Source], Result]
) -> Kind:
    return Kind(name, frozenset(endings.split()), frozenset(types.split()), limit, function)


MB = 1_000_000
# The first that fits is taken, names before types.
KINDS = (
    _kind("table", "csv tsv tab dsv", "text/csv text/tab-separated-values", None, tables.table),
    _kind("json", "json geojson jsonld topojson webmanifest", "application/json application/geo+json application/ld+json", None, documents.json),
    _kind("markdown", "md markdown mdown mkd", "text/markdown", None, documents.markdown),
    _kind("pdf", "pdf", "application/pdf", 100 * MB, media.of("pdf")),
    _kind("svg", "svg", "image/svg+xml", MB, media.svg),
    _kind("image", "png jpg jpeg gif webp avif bmp", "image/png image/jpeg image/gif image/webp image/avif image/bmp", 30 * MB, media.of("image")),
    _kind("audio", "mp3 wav ogg oga opus aac m4a flac weba", "audio/mpeg audio/wav audio/x-wav audio/ogg audio/aac audio/mp4 audio/flac audio/webm", None, media.of("audio")),
    _kind("video", "mp4 webm m4v ogv", "video/mp4 video/webm video/ogg", None, media.of("video")),
    _kind("zip", "zip jar whl", "application/zip", None, archives.zip_listing),
    _kind("code", " ".join(code.LEXERS), "application/xml text/xml text/html application/javascript text/javascript text/css application/yaml application/toml", None, code.code),
    _kind("text", "txt text log dat asc", "text/plain", None, documents.text),
)  # fmt: skip
_BY_ENDING = {ending: kind for kind in reversed(KINDS) for ending in kind.endings}
_BY_TYPE = {media_type: kind for kind in reversed(KINDS) for media_type in kind.types}
_SNIFFED = next(kind for kind in KINDS if kind.name == "text")
_NAMES = frozenset({"readme", "license", "licence", "copying", "makefile", "dockerfile", "changelog"})


def kind_of(key: str, mimetype: str, size: int) -> Kind | None:
    """The kind that shows a file of this name, type and size (bytes); None if none does. Costs a microsecond."""
    name = key.rpartition("/")[2].lower()
    _, dot, ending = name.rpartition(".")
    kind = _BY_ENDING.get(ending) if dot else None
    if kind is None:
        kind = _SNIFFED if name in _NAMES else _BY_TYPE.get(mimetype.partition(";")[0])
    if kind is None or size == 0 or (kind.limit is not None and size > kind.limit):
        return None
    return kind


def preview(source: Source) -> tuple[str, Result]:
    """(kind, what it shows). Blocks for up to ten seconds.

    A file of no known kind is shown as text if its beginning is text. Raises Unreadable with why it can't be shown,
    and what reading the store raises.
    """
    if source.size == 0:
        raise Unreadable("empty")
    kind = kind_of(source.key, source.mimetype, source.size)
    if kind is None:
        large = _BY_ENDING.get(source.key.rpartition(".")[2].lower())
        if large is not None and large.limit is not None and source.size > large.limit:
            raise Unreadable("large", large.limit)
        if not documents.looks_like_text(source):
            raise Unreadable("unknown")
        kind = _SNIFFED
    return kind.name, kind.function(source)
