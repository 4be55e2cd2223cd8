"""The other process of `sandbox`, run as a script: imports nothing of ours, and limits itself first.

Usage: child.py TASK SIZE [ARGUMENT]. It asks its parent for bytes (`R`, start, length) and answers once (`A`, length,
0, JSON).
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
from typing import Any

SECONDS = 5
MEMORY = 512 << 20
_HEAD = struct.Struct("<cQQ")


def limit() -> None:
    """No more memory or time than that, few open files, and none may grow, from here on."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))


class Remote(io.RawIOBase):
    """The file, a piece at a time from the parent."""

    def __init__(self, size: int) -> None:
        self.size, self.at = size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = max(0, offset + (0, self.at, self.size)[whence])
        return self.at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), max(0, self.size - self.at))
        if not wanted:
            return 0
        os.write(1, _HEAD.pack(b"R", self.at, wanted))
        length = int.from_bytes(_exactly(8), "little")
        data = _exactly(length)
        buffer[:length] = data
        self.at += length
        return length


def _exactly(count: int) -> bytes:
    parts = []
    while count:
        part = os.read(0, min(count, 1 << 20))
        if not part:
            raise SystemExit(1)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def zip_listing(file: Remote, most: int) -> dict[str, Any]:
    """Paths and sizes out of the directory, sorted by path."""
    import zipfile

    try:
        with zipfile.ZipFile(io.BufferedReader(file, 1 << 16)) as archive:
            found = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError, EOFError, OSError):
        return {"error": "broken"}
    shown = sorted(found, key=lambda entry: entry.filename)[:most]
    return {
        "entries": [[entry.filename[:1000], None if entry.is_dir() else entry.file_size] for entry in shown],
        "count": len(found),
        "total": sum(entry.file_size for entry in found),
    }


def main() -> None:
    task, size, *more = sys.argv[1:]
    file = Remote(int(size))
    # What a task needs is imported before the limits, which are for the file alone.
    if task == "zip":
        import encodings.cp437  # noqa: F401
        import zipfile  # noqa: F401

        def work() -> dict[str, Any]:
            return zip_listing(file, int(more[0]))

    elif task == "markdown":
        from markdown_it import MarkdownIt

        parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

        def work() -> dict[str, Any]:
            return {"html": parser.render(file.read().decode("utf-8", "replace"))}

    else:
        from pygments import highlight
        from pygments.formatters.html import HtmlFormatter
        from pygments.lexers import get_lexer_by_name

        lexer, formatter = get_lexer_by_name(more[0], stripnl=False), HtmlFormatter(nowrap=True)
        highlight("warm up 1", lexer, formatter)  # languages within languages are imported when first met

        def work() -> dict[str, Any]:
            return {"html": highlight(file.read().decode("utf-8", "replace"), lexer, formatter)}

    limit()
    try:
        said = work()
    except MemoryError:
        said = {"error": "long"}
    except Exception:
        said = {"error": "broken"}
    data = json.dumps(said).encode("utf-8", "replace")
    out = _HEAD.pack(b"A", len(data), 0) + data
    while out:
        out = out[os.write(1, out) :]


if __name__ == "__main__":
    main()
