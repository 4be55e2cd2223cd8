"""Files on a local disk, under `<data_dir>/files/`.

A file is written as `<location>.part`, fsynced, renamed to its location, and the folder fsynced, with the
folder's own parents where they are new: what was acknowledged survives a power cut, and what was not has
a name that nobody reads.

Large files are written in a way that costs little, by calls of Linux that other systems do without:
room is reserved ahead of the data (`fallocate`), every 8 MiB the disk is told to begin (`sync_file_range`),
and what it has written leaves the memory again (`posix_fadvise`), so that the fsync at the end has little
left to do, an upload of any size takes 16 MiB of the page cache, and the cache keeps what people read.
Measured with 1 GiB on ext4 in a virtual machine of 2 cores (median of 3): plain writes with an fsync at
the end 302 MiB/s and 2.9 s of CPU, this 1,548 MiB/s and 0.3 s; without the reserving 1,366 MiB/s and
0.5 s; without the last step 248 MiB/s and 3.9 s, because each new page costs the hypervisor a fault.
O_DIRECT came out equal (1,344 MiB/s, 0.2 s), but needs aligned memory and is refused by some file systems.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from strongroom.errors import Conflict, NotFound, StorageFull, StrongroomError, Unavailable
from strongroom.ids import new_key
from strongroom.storage.base import BLOCK, PART, Block, Entry, check_location

_AHEAD = 64 << 20  # room reserved at a time: no announced length can reserve the whole disk
_STEP = 8 << 20  # bytes after which the disk is told to begin
_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE
_BEGIN = 2  # SYNC_FILE_RANGE_WRITE
_LOCK_SECONDS = 10  # that a part waits for a former request for the same part to end
_END = 7  # SYNC_FILE_RANGE_WAIT_BEFORE | WRITE | WAIT_AFTER

_Call = Callable[[int, int, int, int], int]


def _linux(name: str, *types: type) -> _Call | None:
    """A system call that Python has no name for, or None where there is none.

    Not `os.posix_fallocate`: where the file system can't reserve, glibc imitates it by writing to every
    block, over the network on NFS.
    """
    if sys.platform != "linux":
        return None
    try:
        call: _Call = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (OSError, AttributeError):
        return None
    call.argtypes = types  # type: ignore[attr-defined]
    return call


_fallocate = _linux("fallocate", ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_sync_file_range = _linux("sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def translated(error: OSError, doing: str) -> StrongroomError:
    """The house's error for one of the disk's; `doing` says what was tried, without paths."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull()
    if error.errno == errno.EFBIG:
        return StorageFull("The server's file system takes no file as large as this. Nothing was stored.")
    if error.errno == errno.ENOENT:
        return NotFound("The stored bytes are missing.")
    return Unavailable(f"The server's storage failed {doing} ({errno.errorcode.get(error.errno or 0, '?')}).")


class LocalStore:
    """The default store: needs a folder, made when first written to."""

    name = "local"
    least_part = 1

    def __init__(self, root: Path) -> None:
        self.root = root
        self._durable: set[Path] = set()  # folders whose name in their parent is known to be on the disk

    def path(self, location: str) -> Path:
        return self.root / check_location(location)

    def create(self, location: str, size: int | None = None) -> LocalSink:
        return LocalSink(self, self.path(location), size)

    def read(self, location: str, start: int = 0, stop: int | None = None) -> LocalBlocks:
        try:
            return LocalBlocks(os.open(self.path(location), os.O_RDONLY | os.O_CLOEXEC), start, stop)
        except OSError as error:
            raise translated(error, "while opening a file") from error

    def delete(self, location: str) -> None:
        path = self.path(location)
        try:
            path.unlink(missing_ok=True)
            _part(path).unlink(missing_ok=True)
        except OSError as error:
            raise translated(error, "while removing a file") from error

    def put(self, location: str, data: bytes) -> None:
        path = self.path(location)
        # A name of its own for each writer, so that two of them can't mix.
        part = path.with_name(f"{path.name}.{new_key()}{PART}")
        try:
            self.make_folder(path.parent)
            try:
                with part.open("xb", buffering=0) as file:
                    _write_all(file.fileno(), data)
                    os.fsync(file.fileno())
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
            _sync_folder(path.parent)
        except OSError as error:
            raise translated(error, "while writing a file") from error

    def get(self, location: str) -> bytes:
        try:
            return self.path(location).read_bytes()
        except OSError as error:
            raise translated(error, "while reading a file") from error

    def list(self, prefix: str = "") -> Iterator[Entry]:
        folder = self.path(prefix.rstrip("/")) if prefix else self.root
        return self._entries(folder)

    # Parts: one file as large as the whole from the start, with holes; each part is written at its offset.

    def begin_parts(self, location: str, size: int) -> str:
        path = self.path(location)
        try:
            self.make_folder(path.parent)
            fd = os.open(_part(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                os.ftruncate(fd, size)
                os.fsync(fd)
            finally:
                os.close(fd)
            _sync_folder(path.parent)
        except OSError as error:
            raise translated(error, "while beginning a file") from error
        return "local"

    def part(self, location: str, handle: str, number: int, offset: int, size: int) -> LocalPart:
        return LocalPart(_part(self.path(location)), number, offset, size)

    def join_parts(self, location: str, handle: str, size: int, parts: Sequence[tuple[int, str]]) -> None:
        path = self.path(location)
        part = _part(path)
        try:
            if part.exists():
                if part.stat().st_size != size:
                    raise Unavailable("The server's storage holds another number of bytes than it should.")
                part.rename(path)
            elif not path.exists():
                raise NotFound("The stored bytes are missing.")
            _sync_folder(path.parent)
        except OSError as error:
            raise translated(error, "while finishing a file") from error

    def drop_parts(self, location: str, handle: str) -> None:
        self.delete(location)

    def read_parts(self, location: str, start: int) -> LocalBlocks:
        path = self.path(location)
        for candidate in (_part(path), path):  # or joined already
            with contextlib.suppress(FileNotFoundError):
                return LocalBlocks(os.open(candidate, os.O_RDONLY | os.O_CLOEXEC), start, None)
        raise NotFound("The stored bytes are missing.")

    def parts_there(self, location: str, handle: str) -> Sequence[tuple[int, str, int]]:
        return []

    def part_url(self, location: str, handle: str, number: int, seconds: int) -> None:
        return None

    def _entries(self, folder: Path) -> Iterator[Entry]:
        try:
            with os.scandir(folder) as found:
                items = list(found)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise translated(error, "while listing a folder") from error
        for item in items:
            if item.is_dir(follow_symlinks=False):
                yield from self._entries(Path(item.path))
                continue
            try:
                status = item.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed meanwhile
            yield Entry(
                Path(item.path).relative_to(self.root).as_posix(),
                status.st_size,
                datetime.fromtimestamp(status.st_mtime, UTC),
            )

    def free(self) -> int:
        folder = self.root
        while not folder.exists():
            folder = folder.parent
        try:
            status = os.statvfs(folder)
        except OSError as error:
            raise translated(error, "while asking for free space") from error
        return status.f_bavail * status.f_frsize

    def make_folder(self, folder: Path) -> None:
        """Make it and its parents, each durable before anything is put into it.

        A folder that is there may have been made a moment ago by another upload that has not fsynced
        yet, so that what this process has not seen on the disk is fsynced once.
        """
        if folder in self._durable:
            return
        if folder == self.root:
            folder.parent.mkdir(parents=True, exist_ok=True)  # the data folder: made by its owner's `serve`
        else:
            self.make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)
        if len(self._durable) >= 4096:
            self._durable.clear()
        self._durable.add(folder)


class LocalSink:
    """One file on its way to the disk."""

    def __init__(self, store: LocalStore, path: Path, size: int | None) -> None:
        self._store = store
        self._path = path
        self._part = _part(path)
        self._size = size
        self._fd = -1
        self._written = 0
        self._reserved = 0
        self._begun = 0  # bytes that the disk was told to write
        self._done = 0  # bytes that it has written
        self._ahead = _fallocate
        self._touched = False

    def _open(self) -> int:
        if self._fd < 0:
            self._store.make_folder(self._path.parent)
            self._fd = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            self._touched = True
        return self._fd

    def write(self, block: Block) -> None:
        try:
            fd = self._open()
            end = self._written + len(block)
            if end > self._reserved and (self._size or end) > BLOCK:
                self._reserve(fd, end)
            _write_all(fd, block)
            self._written = end
            if end - self._begun >= _STEP:
                self._push_out(fd)
        except OSError as error:
            raise translated(error, "while writing a file") from error

    def _reserve(self, fd: int, end: int) -> None:
        """Ask for room for the bytes to come. A refusal is no error yet: the write itself will say."""
        upto = max(end, self._reserved + _AHEAD)
        if self._size is not None:
            upto = max(end, min(upto, self._size))
        if self._ahead and self._ahead(fd, _KEEP_SIZE, self._reserved, upto - self._reserved):
            self._ahead = None
        self._reserved = upto

    def _push_out(self, fd: int) -> None:
        """Have the disk begin with the newest bytes; wait for those before, and drop them from memory.

        What the disk reports here it does not report again at the fsync, so that it counts.
        """
        if _sync_file_range is None:
            return
        for start, stop, flags in (
            (self._begun, self._written, _BEGIN),
            (self._done, self._begun, _END),
        ):
            if start < stop and _sync_file_range(fd, start, stop - start, flags):
                code = ctypes.get_errno()
                if code in (errno.ENOSYS, errno.EINVAL, errno.ESPIPE, errno.EPERM):
                    return  # not for this file system: the fsync at the end does it all
                raise OSError(code, os.strerror(code))
        if self._done < self._begun:
            os.posix_fadvise(fd, self._done, self._begun - self._done, os.POSIX_FADV_DONTNEED)
        self._done, self._begun = self._begun, self._written

    def finish(self) -> None:
        try:
            fd = self._open()
            if self._reserved > self._written:
                os.ftruncate(fd, self._written)  # gives the unused room back
            os.fsync(fd)
            self._close()
            self._part.rename(self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise translated(error, "while finishing a file") from error

    def abort(self) -> None:
        with contextlib.suppress(OSError):
            self._close()
        for path in (self._part, self._path) if self._touched else ():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class LocalPart:
    """A piece of a file that others write to at the same time.

    The piece is locked as long as it is written (a lock of the open file, between threads and processes alike): a
    request that hangs must not write over what a later one for the same part wrote and acknowledged.
    """

    etag = ""

    def __init__(self, path: Path, number: int, offset: int, size: int) -> None:
        self._at = self._begun = self._done = offset
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise translated(error, "while opening a file") from error
        try:
            if not _lock_range(self._fd, offset, size):
                raise Conflict(f"Another request is sending part {number}: wait until it ends, then repeat.")
        except BaseException:
            self._close()
            raise
        if _fallocate is not None and size > BLOCK:
            _fallocate(self._fd, _KEEP_SIZE, offset, size)  # a refusal is no error yet: the write will say

    def write(self, block: Block) -> None:
        try:
            rest = memoryview(block)
            while rest:
                count = os.pwrite(self._fd, rest, self._at)
                self._at += count
                rest = rest[count:]
            if self._at - self._begun >= _STEP and _sync_file_range is not None:
                # Have the disk begin; the pages stay in memory, where the hashing finds them.
                _sync_file_range(self._fd, self._begun, self._at - self._begun, _BEGIN)
                self._begun = self._at
        except OSError as error:
            raise translated(error, "while writing a file") from error

    def finish(self) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise translated(error, "while finishing a file") from error
        finally:
            self._close()

    def abort(self) -> None:
        self._close()

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)


def _lock_range(fd: int, start: int, size: int) -> bool:
    """Lock these bytes for writing, waiting a little; False where another has them. Where a system has no such
    locks, nothing is locked."""
    command = getattr(fcntl, "F_OFD_SETLK", None)
    if command is None:
        return True
    wanted = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, start, size, 0)
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.fcntl(fd, command, wanted)
            return True
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                return True  # not on this file system
        if time.monotonic() > end:
            return False
        time.sleep(0.05)


class LocalBlocks:
    """A part of a file, block by block. Own class, no generator: one that never began would not close."""

    def __init__(self, fd: int, start: int, stop: int | None) -> None:
        self._fd = fd
        self._at = start
        self._stop = sys.maxsize if stop is None else stop

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        wanted = min(BLOCK, self._stop - self._at)
        if self._fd < 0 or wanted <= 0:
            self.close()
            raise StopIteration
        try:
            block = os.pread(self._fd, wanted, self._at)
        except OSError as error:
            self.close()
            raise translated(error, "while reading a file") from error
        self._at += len(block)
        if not block:
            self.close()
            raise StopIteration
        return block

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


def _part(path: Path) -> Path:
    return path.with_name(path.name + PART)


def _write_all(fd: int, data: Block) -> None:
    written = os.write(fd, data)
    if written < len(data):  # a full disk takes a part first
        rest = memoryview(data)[written:]
        while rest:
            rest = rest[os.write(fd, rest) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
