"""Stored bytes over HTTP: whole files, ranges and conditional requests (RFC 9110), and bodies on their way in.

The one place that answers with deposited bytes. What depositors upload may be hostile, so that the headers
here see to it that it never runs as the site: no HTML, script, style sheet or SVG is served as such, nothing
is sniffed, and a content security policy puts what a browser opens into a sandbox (design section 5b,
headers of api-legacy.md section 6).
"""

from __future__ import annotations

import asyncio
import base64
import mimetypes
import re
import secrets
import unicodedata
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from concurrent.futures import Executor, Future
from contextlib import closing
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from strongroom.errors import BadRange, Incomplete, NotFound, Stale, Unavailable
from strongroom.files.views import FileView
from strongroom.storage.base import Blocks, ObjectStore

MAX_RANGES = 16
"""More than so many separate ranges in one request serve nobody but an attacker: the header is ignored."""

PATHSEND_FROM = 0
"""Files of more bytes are given to the server by path, where it offers that."""

PUBLIC = "public, no-cache"  # kept, but asked for again: an embargo or a withdrawal must show at once
PRIVATE = "private, no-store"

MISSING = "The bytes of this file are missing in the server's storage. Tell its operator."

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Download-Options": "noopen",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-Frame-Options": "deny",
    "X-XSS-Protection": "1; mode=block",
}

# -- types ---------------------------------------------------------------------------------------------------------

OCTETS = "application/octet-stream"
PLAIN = "text/plain; charset=utf-8"

_OWN_TYPES = {
    "bib": "text/x-bibtex",
    "cff": "application/yaml",
    "csv": "text/csv",
    "flac": "audio/flac",
    "geojson": "application/geo+json",
    "h5": "application/x-hdf5",
    "hdf5": "application/x-hdf5",
    "ipynb": "application/x-ipynb+json",
    "json": "application/json",
    "jsonld": "application/ld+json",
    "jsonl": "application/jsonl",
    "m4a": "audio/mp4",
    "m4v": "video/mp4",
    "md": "text/markdown",
    "nc": "application/x-netcdf",
    "ndjson": "application/x-ndjson",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "ogv": "video/ogg",
    "opus": "audio/ogg",  # RFC 7845 9; audio/opus is that of streams
    "parquet": "application/vnd.apache.parquet",
    "r": "text/x-r",
    "rst": "text/x-rst",
    "toml": "application/toml",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "wav": "audio/x-wav",  # newer Pythons say audio/vnd.wave
    "weba": "audio/webm",
    "webp": "image/webp",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "7z": "application/x-7z-compressed",
}
# Only Python's own list: the machine's /etc/mime.types would give other answers on other machines.
_KNOWN = mimetypes.MimeTypes(filenames=())
_COMPRESSED = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "compress": "application/x-compress",
    "br": OCTETS,
}

# Served as what they are, shown in the browser: none of them can run anything.
_SHOWN = {
    "application/json": "application/json",
    "application/pdf": "application/pdf",
    **{
        f"text/{name}": f"text/{name}; charset=utf-8"
        for name in (
            "plain",
            "csv",
            "tab-separated-values",
            "markdown",
            "x-bibtex",
            "x-rst",
            "x-r",
            "x-python",
        )
    },
    **{f"image/{name}": f"image/{name}" for name in ("png", "jpeg", "gif", "webp", "avif", "bmp", "tiff")},
    **{
        f"audio/{name}": f"audio/{name}"
        for name in ("mpeg", "ogg", "wav", "x-wav", "webm", "flac", "mp4", "aac")
    },
    **{f"video/{name}": f"video/{name}" for name in ("mp4", "ogg", "webm")},
}
# Served as text: they could run as the site, or pull in something that does.
_AS_TEXT = {
    "application/ecmascript",
    "application/geo+json",
    "application/javascript",
    "application/jsonl",
    "application/ld+json",
    "application/toml",
    "application/x-ipynb+json",
    "application/x-ndjson",
    "application/x-sh",
    "application/xhtml+xml",
    "application/xml",
    "application/yaml",
    "image/svg+xml",
    "text/css",
    "text/ecmascript",
    "text/html",
    "text/javascript",
    "text/xml",
}


def guess_type(key: str) -> str:
    """The media type that the name tells; application/octet-stream where it tells none."""
    name = key.rpartition("/")[2]
    own = _OWN_TYPES.get(name.rpartition(".")[2].lower()) if "." in name else None
    if own:
        return own
    # The slashes keep `guess_type` from reading `data:` and the like as a URL.
    kind, encoding = _KNOWN.guess_type(f"/{name}")
    if encoding:
        return _COMPRESSED.get(encoding, OCTETS)
    return kind or OCTETS


def served_type(mimetype: str) -> tuple[str, bool]:
    """The Content-Type a deposited file is served with, and whether a browser may show it."""
    kind = mimetype.partition(";")[0].strip().lower()
    if shown := _SHOWN.get(kind):
        return shown, True
    if kind in _AS_TEXT or kind.endswith("+xml"):
        return PLAIN, True
    return OCTETS, False


def content_disposition(name: str, *, attachment: bool) -> str:
    """RFC 6266, with a plain name for old clients and the real one after RFC 8187 where they differ.

    `filename` keeps to letters that no client reads in another way: no quotes, backslashes or percent signs.
    """
    kind = "attachment" if attachment else "inline"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r'[\x00-\x1f\x7f"\\%/]', "_", plain).strip() or "file"
    if plain.startswith("."):
        plain = f"file{plain}"
    text = f'{kind}; filename="{plain}"'
    if plain != name:
        text += f"; filename*=UTF-8''{quote(name, safe='')}"
    return text


# -- conditions ----------------------------------------------------------------------------------------------------

_ETAG = re.compile(r'\s*(W/)?("[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)')
_RANGE = re.compile(r"[ \t]*([0-9]*)[ \t]*-[ \t]*([0-9]*)[ \t]*")


def etags(header: str) -> list[tuple[bool, str]]:
    """(weak, opaque tag with quotes) of each entity tag in a list; what can't be read ends it."""
    found, at = [], 0
    while match := _ETAG.match(header, at):
        found.append((bool(match[1]), match[2]))
        at = match.end()
    return found


def _date(header: str | None) -> datetime | None:
    if not header:
        return None
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Validators:
    """What tells one state of a resource from another: strong entity tags (the first is sent), and a time."""

    __slots__ = ("modified", "tags")

    def __init__(self, tags: Iterable[str], modified: datetime) -> None:
        self.tags = tuple(f'"{tag}"' for tag in tags)
        self.modified = modified.replace(microsecond=0)

    @property
    def headers(self) -> dict[str, str]:
        moment = self.modified.astimezone(UTC)
        return {"ETag": self.tags[0], "Last-Modified": format_datetime(moment, usegmt=True)}

    def not_modified(self, request: Request) -> bool:
        """Whether the answer is 304, in the order of RFC 9110 section 13.2.2.

        Raises Stale (412) where `If-Match` or `If-Unmodified-Since` does not hold.
        """
        headers = request.headers
        if (sent := headers.get("if-match")) is not None:
            if sent.strip() != "*" and not any(not weak and tag in self.tags for weak, tag in etags(sent)):
                raise Stale("If-Match names other bytes than are here now.")
        elif (since := _date(headers.get("if-unmodified-since"))) and self.modified > since:
            raise Stale("This changed after the time that If-Unmodified-Since names.")
        if (sent := headers.get("if-none-match")) is not None:
            return sent.strip() == "*" or any(tag in self.tags for _, tag in etags(sent))
        since = _date(headers.get("if-modified-since"))
        return since is not None and self.modified <= since

    def allows_range(self, request: Request) -> bool:
        """Whether `If-Range` (if any) names these very bytes; weak tags never do (RFC 9110 section 13.1.5)."""
        sent = request.headers.get("if-range")
        if sent is None:
            return True
        sent = sent.strip()
        return sent in self.tags if sent.startswith(('"', "W/")) else _date(sent) == self.modified


def parse_ranges(header: str, size: int) -> list[tuple[int, int]] | None:
    """(start, stop) of each range, sorted, overlapping and touching ones merged; None: send it all.

    None for what is malformed, too much (over 16 ranges, or more bytes than the file has), or about an empty
    file, where clients that send `bytes=0-` with every request would get nothing but errors. Raises
    BadRange (416) when no range lies in the file. RFC 9110 section 14.2.
    """
    unit, equals, text = header.partition("=")
    if unit.strip().lower() != "bytes" or not equals or size == 0 or len(header) > 2000:
        return None
    wanted: list[tuple[int, int]] = []
    readable = False
    for part in text.split(","):
        if not part.strip():
            continue  # empty list elements are allowed, RFC 9110 section 5.6.1
        match = _RANGE.fullmatch(part)
        if not match or not (match[1] or match[2]) or len(part) > 100:
            return None
        readable = True
        if not match[1]:
            start, stop = max(0, size - int(match[2])), size
        else:
            start, stop = int(match[1]), size
            if match[2]:
                if int(match[2]) < start:
                    return None
                stop = min(size, int(match[2]) + 1)
        if start < stop:
            wanted.append((start, stop))
    if not readable:
        return None
    if not wanted:
        raise BadRange(size)
    if sum(stop - start for start, stop in wanted) > size:
        return None
    wanted.sort()
    merged = [wanted[0]]
    for start, stop in wanted[1:]:
        if start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged if len(merged) <= MAX_RANGES else None


# -- answers -------------------------------------------------------------------------------------------------------


class BlocksResponse(Response):
    """Blocks of bytes, read in threads of `pool` while the one before is sent.

    `opening` runs in the pool and gives blocks of `length` bytes together. What goes wrong before the first block
    is there becomes an ordinary error answer; later the connection is cut, so that no client takes a part
    for the whole. A reader that goes away ends the reading, and the blocks are always closed.
    """

    def __init__(
        self,
        opening: Callable[[], Blocks],
        length: int,
        *,
        pool: Executor,
        status: int,
        headers: Mapping[str, str],
    ) -> None:
        self.status_code = status
        self.background = None
        self.body = b""
        self.length = length
        self._reader = _Reader(opening, pool)
        self.init_headers({**headers, "Content-Length": str(length)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        gone: asyncio.Future[None] | None = None
        left = self.length
        reader = self._reader
        try:
            reader.ahead()
            block = await reader.block()
            left -= len(block)
            if left > 0:
                reader.ahead()
            await send(start)
            while left > 0 and block:
                gone = gone or asyncio.ensure_future(_disconnected(receive))
                await send({"type": "http.response.body", "body": block, "more_body": True})
                if gone.done():
                    return
                block = await reader.block()
                left -= len(block)
                if left > 0:
                    reader.ahead()
            if left:
                raise Unavailable("The server's storage holds another number of bytes than it should.")
            await send({"type": "http.response.body", "body": block, "more_body": False})
        finally:
            if gone:
                gone.cancel()
            reader.close()


class _Reader:
    """Reads one block ahead in a thread, and closes only when no thread reads."""

    def __init__(self, opening: Callable[[], Blocks], pool: Executor) -> None:
        self._opening = opening
        self._pool = pool
        self._blocks: Blocks | None = None
        self._reading: Future[bytes] | None = None

    def ahead(self) -> None:
        self._reading = self._pool.submit(self._next)

    def _next(self) -> bytes:
        if self._blocks is None:
            self._blocks = self._opening()
        return next(self._blocks, b"")

    async def block(self) -> bytes:
        """The next block, b"" at the end."""
        assert self._reading
        return await asyncio.wrap_future(self._reading)

    def close(self) -> None:
        if self._reading:
            self._reading.add_done_callback(self._close)  # at once, if it is done

    def _close(self, _: Future[bytes]) -> None:
        if self._blocks is not None:
            self._blocks.close()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class PathResponse(Response):
    """A whole file that the ASGI server sends by itself (extension `http.response.pathsend`)."""

    def __init__(self, path: Path, *, headers: Mapping[str, str]) -> None:
        super().__init__(headers=headers)
        self.path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.pathsend", "path": str(self.path)})


def file_response(
    request: Request,
    file: FileView,
    store: ObjectStore,
    *,
    attachment: bool,
    public: bool,
    pool: Executor,
    accel_prefix: str = "",
) -> Response:
    """The answer to GET or HEAD of a deposited file: 200, 206, 304, or raise BadRange (416), Stale (412).

    `attachment` (also a `download` in the query that is not empty) makes browsers save it. `public`: whether caches
    may keep it, only for anonymous requests (design section 5b). `pool` reads the blocks. `accel_prefix`: a
    location of nginx (X-Accel-Redirect) that serves the local store's folder; nginx forgets the headers of
    this answer except type, disposition, cache rules and ranges, so its configuration must add them again.
    """
    if file.store != store.name:
        raise Unavailable(
            f"The bytes of this file lie in the store {file.store!r}, this server uses {store.name!r}. Tell its operator."
        )
    mimetype, shown = served_type(file.mimetype)
    if not attachment and b"download" in request.scope.get("query_string", b""):
        attachment = bool(request.query_params.get("download"))
    validators = Validators((f"sha256:{file.sha256}", f"md5:{file.md5}"), file.updated)
    headers = {
        **validators.headers,
        **SECURITY,
        "Content-Disposition": content_disposition(
            file.key.rpartition("/")[2], attachment=attachment or not shown
        ),
        "Cache-Control": PUBLIC if public else PRIVATE,
        "Vary": "Cookie, Authorization",
        "Accept-Ranges": "bytes",
    }
    if validators.not_modified(request):
        return Response(status_code=304, headers=headers)
    # Zenodo sends the hexadecimal digits of the whole file, also with a range.
    headers["Content-MD5"] = file.md5
    headers["Repr-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(file.sha256)).decode()}:"
    headers["Content-Type"] = mimetype
    if request.method == "HEAD":
        return Response(status_code=200, headers={**headers, "Content-Length": str(file.size)})
    path = store.path(file.location)
    if accel_prefix and path:
        return Response(
            headers={**headers, "X-Accel-Redirect": f"{accel_prefix.rstrip('/')}/{file.location}"}
        )
    ranges = None
    if (sent := request.headers.get("range")) and validators.allows_range(request):
        ranges = parse_ranges(sent, file.size)
    if ranges is None and path and file.size > PATHSEND_FROM and _offers_pathsend(request):
        if not path.is_file():
            raise Unavailable(MISSING)
        return PathResponse(path, headers={**headers, "Content-Length": str(file.size)})
    return ranged(headers, ranges, file.size, _opener(store, file), pool=pool)


def ranged(
    headers: Mapping[str, str],
    ranges: list[tuple[int, int]] | None,
    size: int,
    read: Callable[[int, int], Blocks],
    *,
    pool: Executor,
) -> BlocksResponse:
    """All of `size` bytes (200), one range or several (206); `read` opens the bytes from start to stop."""
    if ranges is None:
        return BlocksResponse(lambda: read(0, size), size, pool=pool, status=200, headers=headers)
    if len(ranges) == 1:
        ((start, stop),) = ranges
        only = {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{size}"}
        return BlocksResponse(lambda: read(start, stop), stop - start, pool=pool, status=206, headers=only)
    boundary = secrets.token_hex(16)
    heads = [
        f"\r\n--{boundary}\r\nContent-Type: {headers['Content-Type']}\r\n"
        f"Content-Range: bytes {start}-{stop - 1}/{size}\r\n\r\n".encode()
        for start, stop in ranges
    ]
    tail = f"\r\n--{boundary}--\r\n".encode()

    def parts() -> Generator[bytes, None, None]:
        for head, (start, stop) in zip(heads, ranges, strict=True):
            yield head
            with closing(read(start, stop)) as blocks:
                yield from blocks
        yield tail

    length = sum(len(head) for head in heads) + sum(stop - start for start, stop in ranges) + len(tail)
    several = {**headers, "Content-Type": f"multipart/byteranges; boundary={boundary}"}
    return BlocksResponse(parts, length, pool=pool, status=206, headers=several)


def _opener(store: ObjectStore, file: FileView) -> Callable[[int, int], Blocks]:
    def read(start: int, stop: int) -> Blocks:
        try:
            return store.read(file.location, start, stop)
        except NotFound as error:
            # The database says it is there: that is the server's trouble, not a wrong address.
            raise Unavailable(MISSING) from error

    return read


def _offers_pathsend(request: Request) -> bool:
    return "http.response.pathsend" in (request.scope.get("extensions") or ())


async def body_of(request: Request, idle_timeout: float) -> AsyncIterator[bytes]:
    """The request's body as it comes. Raises Incomplete when the connection breaks before its end, and when no
    byte came for `idle_timeout` seconds. (Uploads by PUT have `storage.receive`, which costs less a chunk.)"""
    receive = request.receive
    more = True
    while more:
        try:
            async with asyncio.timeout(idle_timeout):
                message = await receive()
        except TimeoutError as error:
            raise Incomplete(
                f"No byte came for {idle_timeout:g} seconds. Nothing was stored: send it again."
            ) from error
        if message["type"] == "http.disconnect":
            raise Incomplete("The connection broke before the end. Nothing was stored: send it again.")
        if chunk := message.get("body"):
            yield chunk
        more = message.get("more_body", False)
