"""A registry's file made into rows of the table, in this process or in one of its own.

Reading and checking an entry costs as much as writing and indexing it: a process apart lets both go on at once.
It ends with the file, or with whoever reads from it.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import queue
import struct
import subprocess
import sys
import threading
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeAlias

import orjson

from strongroom.errors import Malformed
from strongroom.search.terms import sort_name
from strongroom.vocabularies import formats
from strongroom.vocabularies.formats import Entry, Refused

BATCH = 1_000
LONGEST_ID = 500
REASONS = 20
AHEAD = 4  # batches read before they are asked for
_LENGTH = struct.Struct(">I")

# kind, id, source, sort_name, data, names, digest, retired, aliases; a plain tuple, so that it can be sent as it is
Row: TypeAlias = tuple[str, str, str, str, str, str, str, bool, list[str]]


@dataclass
class Batch:
    """Some entries of a file. `read` counts what the registry counts: a ROR record that is a funder too is one."""

    rows: list[Row] = field(default_factory=list)
    read: int = 0
    refused: int = 0
    reasons: list[Refused] = field(default_factory=list)  # the first of those refused


class ReaderDied(RuntimeError):
    """The process that reads the file was killed; begin anew."""


def batches(source: str, file: IO[bytes]) -> Iterator[Batch]:
    """The entries of an open file. Raises as `formats.read`."""
    found = formats.read(source, file)
    while entries := list(islice(found, BATCH)):
        yield _batch(source, entries)


def _batch(source: str, entries: Iterable[Entry | Refused]) -> Batch:
    batch = Batch()
    for entry in entries:
        if isinstance(entry, Entry):
            if len(entry.id) <= LONGEST_ID and entry.id.isprintable():
                batch.read += entry.kind != "funders" or entry.id.startswith(formats.FUNDREF)
                batch.rows.append(_row(source, entry))
                continue
            entry = Refused(
                entry.id[:60], f"has an id of more than {LONGEST_ID} characters, or unprintable ones"
            )
        batch.read += 1
        batch.refused += 1
        if len(batch.reasons) < REASONS:
            batch.reasons.append(entry)
    return batch


def _row(source: str, entry: Entry) -> Row:
    data = orjson.dumps(entry.data)
    names = entry.pack().replace("\0", "")
    digest = blake2b(data, digest_size=16)
    digest.update(names.encode("utf-8", "replace"))
    return (
        entry.kind, entry.id, f"{source}:{entry.part}" if entry.part else source, sort_name(entry.main[0]),
        data.decode(), names, digest.hexdigest(), entry.retired, entry.aliases,
    )  # fmt: skip


def batches_apart(source: str, path: Path) -> Generator[Batch]:
    """As `batches`, read by a process of its own some batches ahead. Raises ReaderDied when that was killed."""
    program = [sys.executable, "-m", "strongroom.vocabularies.reading", source, os.fspath(path)]
    process = subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    frames: queue.Queue[Any] = queue.Queue(AHEAD)
    ended = threading.Event()

    def receive() -> None:
        assert process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while not ended.is_set():
                frame = _receive(process.stdout)
                frames.put(frame)
                if frame is None:
                    return

    thread = threading.Thread(target=receive, name="vocabulary file", daemon=True)
    thread.start()
    try:
        while True:
            frame = frames.get()
            if frame is None:
                raise ReaderDied(
                    f"The process that reads the file ended ({process.wait()}) before the file did."
                )
            if isinstance(frame, str):
                raise Malformed(frame)
            if not frame:
                return
            rows, read, refused, reasons = frame
            yield Batch(rows, read, refused, [Refused(*reason) for reason in reasons])
    finally:
        ended.set()
        process.kill()
        while thread.is_alive():
            with contextlib.suppress(queue.Empty):
                frames.get_nowait()
            thread.join(0.01)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _receive(pipe: IO[bytes]) -> Any:
    """The next frame: a batch as tuple, () at the end, a text for what Malformed says; None where it breaks off."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    said = pipe.read(length)
    # Made by this program's own code, of the same interpreter, on the other end of the pipe.
    return marshal.loads(said) if len(said) == length else None


def _send(pipe: IO[bytes], frame: Any) -> None:
    said = marshal.dumps(frame)
    pipe.write(_LENGTH.pack(len(said)) + said)
    pipe.flush()


def main() -> None:
    source, path = sys.argv[1:]
    pipe = sys.stdout.buffer
    # Whoever reads has gone, or was interrupted with us: nothing to say to anybody.
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        try:
            with open(path, "rb") as file:
                for batch in batches(source, file):
                    reasons = [(one.where, one.why) for one in batch.reasons]
                    _send(pipe, (batch.rows, batch.read, batch.refused, reasons))
            _send(pipe, ())
        except Malformed as error:
            _send(pipe, error.message)


if __name__ == "__main__":
    main()
