"""What a place for bytes must do: one small Protocol, two classes (`local`, `s3`), one suite of tests.

Every method blocks and is called in a thread. A *location* is a path of ASCII letters, digits, `.`, `_`
and `-` in segments parted by `/`, never seen by a user; `new_location` makes a fresh one for each upload,
so that nothing is ever written over (design section 5, "PUT").

Trouble comes as `StorageFull` (no room left), `NotFound` (no such location) or `Unavailable` (anything
else that the store's operator must look at), always with the cause attached.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from strongroom.ids import new_key

BLOCK = 1 << 20
"""Bytes that are read, hashed and written at a time. Ranged reads in blocks of 64 KiB cost 2.5 × the CPU."""

PART = ".part"
"""The end of the name of what a local store has not finished; `list` shows it, nothing else does."""

Block = bytes | bytearray | memoryview
"""A piece of a file. A sink is done with it when `write` returns: its memory is then used again."""

_LOCATION = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored thing: `size` in bytes, `modified` in UTC."""

    location: str
    size: int
    modified: datetime


class Sink(Protocol):
    """Bytes on their way into the store. One thread at a time; nothing is visible before `finish`."""

    def write(self, block: Block) -> None:
        """Append a block, best of `BLOCK` bytes. Raises StorageFull, Unavailable."""

    def finish(self) -> None:
        """Make it readable at its location; when this returns, it survives a power cut."""

    def abort(self) -> None:
        """Leave nothing behind, also after `finish`. Never raises; may be called twice."""


class PartSink(Sink, Protocol):
    """One part of a large file on its way; others may be written at the same time, by other processes too."""

    @property
    def etag(self) -> str:
        """After `finish`: what the store wants to hear of this part when it joins them."""


class Blocks(Protocol):
    """Stored bytes on their way out, in blocks of at most `BLOCK`; `close` ends the reading early."""

    def __iter__(self) -> Iterator[bytes]: ...

    def __next__(self) -> bytes: ...

    def close(self) -> None:
        """Free the file or connection. Also done at the end of the last block; may be called twice."""


class ObjectStore(Protocol):
    """Where the bytes are. `name` goes into the database, so that several stores can live side by side."""

    @property
    def name(self) -> str: ...

    def create(self, location: str, size: int | None = None) -> Sink:
        """Begin to write; cheap, touches nothing before the first `write`. `size` in bytes, if announced."""

    def read(self, location: str, start: int = 0, stop: int | None = None) -> Blocks:
        """The bytes from `start` up to and without `stop` (None: to the end). Raises NotFound at once."""

    def delete(self, location: str) -> None:
        """Remove it, and what a broken upload left there. A missing one is fine."""

    def put(self, location: str, data: bytes) -> None:
        """Write something small (a manifest), replacing what is there: readers see the old or the new whole."""

    def get(self, location: str) -> bytes:
        """All bytes of something small. Raises NotFound."""

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Everything in the folder `prefix` and below, in no order, also what broken uploads left."""

    def free(self) -> int | None:
        """Bytes that still fit; None where there is no such bound."""

    least_part: int
    """Bytes that every part but the last must have."""

    def begin_parts(self, location: str, size: int) -> str:
        """Begin a file of `size` bytes that comes in parts, in any order; returns the store's name for it."""

    def part(self, location: str, handle: str, number: int, offset: int, size: int) -> PartSink:
        """Begin to write part `number` (from 1): `size` bytes from `offset`. Raises Conflict while another writes it."""

    def join_parts(self, location: str, handle: str, size: int, parts: Sequence[tuple[int, str]]) -> None:
        """Make the whole readable at its location; durable. `parts` are numbers and etags. May be called twice."""

    def drop_parts(self, location: str, handle: str) -> None:
        """Call it off: nothing is left, joined or not. May be called twice."""

    def read_parts(self, location: str, start: int) -> Blocks | None:
        """The bytes from `start` on before they are joined, received or not; None where a store can't show them."""

    def parts_there(self, location: str, handle: str) -> Sequence[tuple[int, str, int]]:
        """(number, etag, size) of the parts the store has, as far as only the store knows (`part_url`)."""

    def part_url(self, location: str, handle: str, number: int, seconds: int) -> str | None:
        """A signed address to which anybody may PUT that part for so long; None where there is no such thing."""

    def path(self, location: str) -> Path | None:
        """The file that holds the bytes, where there is one: for the web server's own file sending."""


def new_location() -> str:
    """A fresh place for bytes: `ab/abcd…`, 128 random bits under one of 256 folders.

    One level of folders, because each new folder costs another fsync, and 10 million files make only
    40,000 a folder, which ext4 and XFS take without slowing down.
    """
    key = new_key()
    return f"{key[:2]}/{key}"


def check_location(location: str) -> str:
    """Raise ValueError unless it can be no path out of the store: locations are also read from manifests."""
    if not _LOCATION.fullmatch(location):
        raise ValueError(f"not a location in a store: {location!r}")
    return location
