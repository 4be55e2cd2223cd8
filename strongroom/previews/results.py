"""What previews take and give: plain values, and HTML only where it says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


class Unreadable(Exception):
    """A file can't be shown. `reason` is a word that the page has a sentence for; `number` belongs to it.

    unknown, empty, binary (not the text its name promises), broken (not what its name says), large (more than
    `number` bytes), cell (a cell of a table is too long), long (it took too long or too much memory), busy.
    """

    def __init__(self, reason: str, number: int = 0) -> None:
        self.reason, self.number = reason, number
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Source:
    """A file to show: its name and type as stored, its size in bytes, and how to read `[start, stop)` of it."""

    key: str
    mimetype: str
    size: int
    read: Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Table:
    """The first rows of a table. `header` may be empty; `numeric` says which columns hold numbers alone."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[bool]
    columns: int  # of the file; fewer may be shown
    whole: bool  # whether these are all its rows
    delimiter: str
    encoding: str


@dataclass(frozen=True, slots=True)
class Text:
    """Text to be shown as it stands; `html` has only span elements with classes in it."""

    html: str
    shown: int  # bytes of the file that were read
    whole: bool
    encoding: str


@dataclass(frozen=True, slots=True)
class Rich:
    """Clean HTML that was Markdown."""

    html: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """What an archive holds: (path, size in bytes; None for a folder) of the first entries."""

    entries: Sequence[tuple[str, int | None]]
    count: int
    total: int  # bytes, unpacked, as the archive says


@dataclass(frozen=True, slots=True)
class Media:
    """What the browser shows itself: pdf, image, audio, video. `data` is a data: address where the bytes' own won't do."""

    element: str
    data: str = ""


Result = Table | Text | Rich | Listing | Media
