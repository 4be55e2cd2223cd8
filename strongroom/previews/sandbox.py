"""A process of its own for what may hang, swell or crash: it gets bytes on request, and answers with JSON.

The process (`child.py`) limits itself before it looks at the first byte: 5 s of CPU, 512 MiB, no files. It has no
environment, and the pipe to this process is all it can reach; here its wall time, the number of such processes, and how
much of the file it may ask for are bounded.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from struct import Struct
from typing import IO, Any

import orjson

from strongroom.previews.results import Unreadable

SECONDS = 10.0
MOST_READ = 48 << 20  # bytes of the file
MOST_SAID = 16 << 20  # bytes of the answer
AT_ONCE = 2
WAIT = 3.0  # seconds for one of them to end
_CHILD = Path(__file__).with_name("child.py")
_HEAD = Struct("<cQQ")
_room = threading.BoundedSemaphore(AT_ONCE)


def run(task: str, size: int, read: Callable[[int, int], bytes], *arguments: str) -> dict[str, Any]:
    """Do `task` with a file of `size` bytes that `read(start, stop)` reads.

    Raises Unreadable: `broken` (as the task says), `long` (out of time, memory or bounds), `busy`.
    """
    if not _room.acquire(timeout=WAIT):
        raise Unreadable("busy")
    try:
        return _run(task, size, read, arguments)
    finally:
        _room.release()


def _run(
    task: str, size: int, read: Callable[[int, int], bytes], arguments: tuple[str, ...]
) -> dict[str, Any]:
    # -I: neither the environment nor the working folder decide what it imports.
    command = [sys.executable, "-I", str(_CHILD), task, str(size), *arguments]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"LC_ALL": "C.UTF-8"},
        cwd="/",
        bufsize=0,
    )
    clock = threading.Timer(SECONDS, process.kill)
    clock.daemon = True
    clock.start()
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        return _talk(process.stdin, process.stdout, size, read)
    except BrokenPipeError:
        raise Unreadable("long") from None
    finally:
        clock.cancel()
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()


def _talk(to: IO[bytes], of: IO[bytes], size: int, read: Callable[[int, int], bytes]) -> dict[str, Any]:
    left = MOST_READ
    while True:
        kind, first, second = _HEAD.unpack(_exactly(of, _HEAD.size))
        if kind == b"R":
            stop = min(first + second, size)
            left -= max(0, stop - first)
            if left < 0:
                raise Unreadable("long")
            data = read(first, stop) if first < stop else b""
            to.write(len(data).to_bytes(8, "little"))
            view = memoryview(data)
            while view:  # unbuffered pipes take what they have room for
                view = view[to.write(view) :]
            continue
        if kind != b"A" or first > MOST_SAID:
            raise Unreadable("long")
        said: dict[str, Any] = orjson.loads(_exactly(of, first))
        if "error" in said:
            raise Unreadable(str(said["error"]), int(said.get("number", 0)))
        return said


def _exactly(of: IO[bytes], count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = of.read(min(count, 1 << 20))
        if not part:  # it was killed, by its limits or by our clock
            raise Unreadable("long")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def of_text(task: str, text: str, *arguments: str) -> str:
    """HTML that a task makes of a text. Raises Unreadable."""
    data = text.encode("utf-8", "replace")
    return str(run(task, len(data), lambda start, stop: data[start:stop], *arguments)["html"])
