"""A whole record as one zip that is never built: sent as it is computed, any size, any part of it.

All bytes follow from names, sizes, checksums and one time, so that length and ETag are known before the first
byte is read, a range starts in the middle without reading what comes before, and the same record gives
the same bytes for ever. Stored, not compressed: most research data is compressed already, and ranges need it.
Format: PKWARE APPNOTE 6.3.10 (sections in the code). Why not a library: docs/decisions/0006-zip.md.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from strongroom.errors import NotFound, Unavailable
from strongroom.http.transfer import (
    MISSING,
    PRIVATE,
    PUBLIC,
    SECURITY,
    Validators,
    content_disposition,
    parse_ranges,
    ranged,
)
from strongroom.storage.base import BLOCK, ObjectStore

_LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7
_CENTRAL = struct.Struct("<4s6H3L5H2L")  # 4.3.12
_END = struct.Struct("<4s4H2LH")  # 4.3.16
_END_64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_LOCATOR_64 = struct.Struct("<4sLQL")  # 4.3.15

_MAX_16 = 0xFFFF
_MAX_32 = 0xFFFFFFFF
_UTF8 = 1 << 11  # 4.4.4: names are in UTF-8
_UNIX = 3 << 8  # 4.4.2: the attributes are Unix's
_MODE = 0o100644 << 16  # an ordinary file that its owner may change


class Member(Protocol):
    """What a zip needs of a file; a `FileView` is one."""

    @property
    def key(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def crc32(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def location(self) -> str: ...


@dataclass(frozen=True)
class Archive:
    """One zip, not yet read. `members` gives the same files in the same order each time it is called: it is called
    for the planning, for each answer, and for the list at the archive's end, so that no list need be kept.
    """

    members: Callable[[], Iterable[Member]]
    created: datetime
    directory_at: int  # where the list of files begins
    count: int
    length: int
    digest: str  # of names and content, for the ETag

    @classmethod
    def plan(cls, members: Callable[[], Iterable[Member]], created: datetime) -> Archive:
        """Go through the members once. `created` dates every file: a fixed time of the record, kept to 2 s, in UTC.

        Blocks as long as `members` does; 50,000 files take 0.2 s.
        """
        when = _dos_time(created)
        offset = directory = count = 0
        digest = hashlib.sha256(struct.pack("<2H", *when))
        for member in members():
            name = _name(member.key)
            directory += _CENTRAL.size + len(name) + len(_central_extra(member.size, offset))
            offset += _LOCAL.size + len(name) + len(_local_extra(member.size)) + member.size
            count += 1
            digest.update(b"%d %s %s\0" % (member.size, member.sha256.encode(), name))
        end = len(_end(count, directory, offset))
        return cls(members, created, offset, count, offset + directory + end, digest.hexdigest())

    def blocks(
        self, store: ObjectStore, start: int = 0, stop: int | None = None
    ) -> Generator[bytes, None, None]:
        """The bytes from `start` up to and without `stop`, in blocks of `BLOCK` to twice that (the last: less).

        Raises Unavailable where a stored file is missing or of another size.
        """
        gathered: list[bytes] = []
        size = 0
        # Small pieces (heads, small files) go out together: each block costs a hop between threads.
        with closing(self._pieces(store, start, self.length if stop is None else stop)) as pieces:
            for piece in pieces:
                gathered.append(piece)
                size += len(piece)
                if size >= BLOCK:
                    yield gathered[0] if len(gathered) == 1 else b"".join(gathered)
                    gathered, size = [], 0
        if gathered:
            yield b"".join(gathered)

    def _pieces(self, store: ObjectStore, start: int, stop: int) -> Generator[bytes, None, None]:
        at = 0
        if start < self.directory_at:
            when = _dos_time(self.created)
            for member in self.members():
                if at >= stop:
                    return
                name = _name(member.key)
                extra = _local_extra(member.size)
                data_at = at + _LOCAL.size + len(name) + len(extra)
                if start < data_at:
                    yield _cut(_local(member, when, name, extra), at, start, stop)
                at = data_at + member.size
                if start < at and data_at < stop and member.size:
                    yield from _data(store, member, max(0, start - data_at), min(member.size, stop - data_at))
        at = self.directory_at
        for head in self._directory():
            if at >= stop:
                return
            if start < at + len(head):
                yield _cut(head, at, start, stop)
            at += len(head)

    def _directory(self) -> Generator[bytes, None, None]:
        when = _dos_time(self.created)
        offset = size = 0
        for member in self.members():
            name = _name(member.key)
            head = _central(member, when, name, offset)
            yield head
            size += len(head)
            offset += _LOCAL.size + len(name) + len(_local_extra(member.size)) + member.size
        yield _end(self.count, size, offset)


def archive_response(
    request: Request,
    archive: Archive,
    store: ObjectStore,
    *,
    filename: str,
    public: bool,
    pool: Executor,
) -> Response:
    """The answer to GET or HEAD of an archive, with ranges and conditions as `file_response`."""
    validators = Validators((f"zip:{archive.digest}",), archive.created)
    headers = {
        **validators.headers,
        **SECURITY,
        "Content-Disposition": content_disposition(filename, attachment=True),
        "Cache-Control": PUBLIC if public else PRIVATE,
        "Vary": "Cookie, Authorization",
        "Accept-Ranges": "bytes",
    }
    if validators.not_modified(request):
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = "application/zip"
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(archive.length)})
    ranges = None
    if (sent := request.headers.get("range")) and validators.allows_range(request):
        ranges = parse_ranges(sent, archive.length)
    return ranged(
        headers,
        ranges,
        archive.length,
        lambda start, stop: archive.blocks(store, start, stop),
        pool=pool,
    )


def _name(key: str) -> bytes:
    """The key, but no backslash: programs on Windows (and unzip) take it for the end of a folder's name."""
    return key.replace("\\", "%5C").encode()


def _dos_time(moment: datetime) -> tuple[int, int]:
    """Time and date, 4.4.6; the format knows no year before 1980 or after 2107."""
    moment = moment.astimezone(UTC)
    if moment.year < 1980:
        return 0, (1 << 5) | 1
    if moment.year > 2107:
        return 0, (127 << 9) | (1 << 5) | 1
    time = (moment.hour << 11) | (moment.minute << 5) | (moment.second // 2)
    return time, ((moment.year - 1980) << 9) | (moment.month << 5) | moment.day


def _zip64(*values: int) -> bytes:
    """The extra field for numbers of 64 bits, 4.5.3; nothing where there are none."""
    return struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values) if values else b""


def _local_extra(size: int) -> bytes:
    return _zip64(size, size) if size >= _MAX_32 else b""


def _central_extra(size: int, offset: int) -> bytes:
    sizes = (size, size) if size >= _MAX_32 else ()
    return _zip64(*sizes, *((offset,) if offset >= _MAX_32 else ()))


def _local(member: Member, when: tuple[int, int], name: bytes, extra: bytes) -> bytes:
    size = min(member.size, _MAX_32)
    needed = 45 if extra else 20
    numbers = (needed, _UTF8, 0, *when, member.crc32, size, size, len(name), len(extra))
    return _LOCAL.pack(b"PK\3\4", *numbers) + name + extra


def _central(member: Member, when: tuple[int, int], name: bytes, offset: int) -> bytes:
    extra = _central_extra(member.size, offset)
    size = min(member.size, _MAX_32)
    needed = 45 if extra else 20
    head = (_UNIX | needed, needed, _UTF8, 0, *when, member.crc32, size, size, len(name), len(extra))
    return _CENTRAL.pack(b"PK\1\2", *head, 0, 0, 0, _MODE, min(offset, _MAX_32)) + name + extra


def _end(count: int, size: int, offset: int) -> bytes:
    """The end of the archive, for a list of `count` files in `size` bytes at `offset`."""
    large = b""
    if count >= _MAX_16 or size >= _MAX_32 or offset >= _MAX_32:
        numbers = (_END_64.size - 12, _UNIX | 45, 45, 0, 0, count, count, size, offset)
        large = _END_64.pack(b"PK\6\6", *numbers) + _LOCATOR_64.pack(b"PK\6\7", 0, offset + size, 1)
    few = min(count, _MAX_16)
    return large + _END.pack(b"PK\5\6", 0, 0, few, few, min(size, _MAX_32), min(offset, _MAX_32), 0)


def _cut(piece: bytes, at: int, start: int, stop: int) -> bytes:
    """The part of a piece, standing at `at`, that lies between start and stop."""
    return piece[max(0, start - at) : max(0, stop - at)]


def _data(store: ObjectStore, member: Member, start: int, stop: int) -> Generator[bytes, None, None]:
    left = stop - start
    try:
        blocks = store.read(member.location, start, stop)
    except NotFound as error:
        raise Unavailable(MISSING) from error
    with closing(blocks):
        for block in blocks:
            left -= len(block)
            yield block
    if left:
        # Never fill up: the checksum in front would not fit what comes behind.
        raise Unavailable("The server's storage holds another number of bytes than it should.")
