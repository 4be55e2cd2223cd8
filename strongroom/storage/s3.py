"""Files in an S3 bucket, by obstore (pre-1.0: pinned in pyproject.toml).

Large files go up in parts while they arrive, in a thread that obstore's `put` keeps: that is the one of its
ways in that calls the upload off when the source fails (`open_writer` leaves the parts behind, invisible and
paid for). What is small goes up in one request. A process that is killed leaves the parts of its running
uploads: give the bucket a lifecycle rule that aborts incomplete multipart uploads after a day.
"""

from __future__ import annotations

import contextlib
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape

import httpx2
import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store as Bucket

from strongroom.errors import NotFound, StorageFull, StrongroomError, Unavailable
from strongroom.settings import Settings
from strongroom.storage.base import BLOCK, Block, Entry, check_location
from strongroom.storage.sigv4 import presigned

PART = 8 << 20
"""Bytes of a part, and of the largest file sent whole."""
PART_UNKNOWN = 16 << 20  # of a file of unannounced size: S3 takes 10,000 parts, so 156 GiB
MAX_PARTS = 9_000
PARTS_AT_ONCE = 2

# Words in which services say that no room is left: AWS has none, others answer 507 or their own codes.
_FULL = ("507 Insufficient", "XMinioStorageFull", "QuotaExceeded", "EntityTooLarge", "NoSpaceLeft")


def translated(error: Exception, doing: str) -> StrongroomError:
    """The house's error for one of obstore's; `doing` says what was tried."""
    if isinstance(error, FileNotFoundError):
        return NotFound("The stored bytes are missing.")
    text = str(error)
    if any(word in text for word in _FULL):
        return StorageFull()
    return Unavailable(f"The server's S3 storage failed {doing}.")


# obstore raises its own errors, and Python's FileNotFoundError, PermissionError and so on where they fit.
_TROUBLE = (BaseError, OSError)


class S3Store:
    """A bucket, or a folder (`prefix`) of one. Keep it private: restricted files and manifests lie in it."""

    name = "s3"
    least_part = 5 << 20

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint: str = "",
        region: str = "us-east-1",
        access_key: str = "",
        secret_key: str = "",
    ) -> None:
        self._region, self._keys = region, (access_key, secret_key)
        host = f"{endpoint}/{bucket}" if endpoint else f"https://{bucket}.s3.{region}.amazonaws.com"
        self._root = f"{host}/{prefix}/" if prefix else f"{host}/"
        self._http: httpx2.Client | None = None
        self._opening = threading.Lock()
        options: dict[str, Any] = {"region": region}
        if endpoint:
            options["endpoint"] = endpoint
        if access_key:
            options["access_key_id"] = access_key
            options["secret_access_key"] = secret_key
        self._bucket = Bucket(
            bucket,
            prefix=prefix or None,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                # The default cuts any transfer after 30 seconds, however well it goes.
                "timeout": timedelta(days=7),
                "read_timeout": timedelta(seconds=60),
                "connect_timeout": timedelta(seconds=5),
            },
            # Shorter than its 3 minutes: somebody waits for the answer, and jobs come back by themselves.
            retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=30)},
            **options,
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> S3Store:
        """The bucket of `storage_url` (`s3://bucket/prefix`); raises ValueError for any other URL."""
        url = urlsplit(settings.storage_url)
        if url.scheme != "s3" or not url.netloc:
            raise ValueError("STRONGROOM_STORAGE_URL must read s3://bucket or s3://bucket/prefix.")
        return cls(
            url.netloc,
            url.path.strip("/"),
            endpoint=settings.storage_endpoint,
            region=settings.storage_region,
            access_key=settings.storage_access_key,
            secret_key=settings.storage_secret_key,
        )

    def path(self, location: str) -> None:
        return None

    def free(self) -> None:
        return None

    def create(self, location: str, size: int | None = None) -> S3Sink:
        return S3Sink(self._bucket, check_location(location), size)

    def read(self, location: str, start: int = 0, stop: int | None = None) -> S3Blocks:
        check_location(location)
        try:
            if stop is not None and start >= stop:
                obstore.head(self._bucket, location)  # S3 has no empty ranges
                return S3Blocks(None)
            if stop is not None:
                result = obstore.get(self._bucket, location, options={"range": (start, stop)})
            elif start:
                result = obstore.get(self._bucket, location, options={"range": {"offset": start}})
            else:
                result = obstore.get(self._bucket, location)
            return S3Blocks(result.stream(min_chunk_size=BLOCK))
        except _TROUBLE as error:
            raise translated(error, "while opening a file") from error

    def delete(self, location: str) -> None:
        try:
            obstore.delete(self._bucket, check_location(location))
        except FileNotFoundError:
            return
        except _TROUBLE as error:
            raise translated(error, "while removing a file") from error

    def put(self, location: str, data: bytes) -> None:
        _put(self._bucket, check_location(location), data)

    def get(self, location: str) -> bytes:
        try:
            return bytes(obstore.get(self._bucket, check_location(location)).bytes())
        except _TROUBLE as error:
            raise translated(error, "while reading a file") from error

    def list(self, prefix: str = "") -> Iterator[Entry]:
        folder = check_location(prefix.rstrip("/")) if prefix else None
        try:
            for page in obstore.list(self._bucket, folder):
                for item in page:
                    yield Entry(item["path"], item["size"], item["last_modified"])
        except _TROUBLE as error:
            raise translated(error, "while listing a folder") from error

    # Parts: obstore has no calls for them, so that these are S3's own, with signed addresses.

    def begin_parts(self, location: str, size: int) -> str:
        found = self._call("POST", location, {"uploads": ""}, "while beginning a file")
        return _text(found, "UploadId")

    def part(self, location: str, handle: str, number: int, offset: int, size: int) -> S3Part:
        url = self._url("PUT", location, {"partNumber": str(number), "uploadId": handle}, 86_400)
        return S3Part(self._client(), url, size)

    def join_parts(self, location: str, handle: str, size: int, parts: Sequence[tuple[int, str]]) -> None:
        listed = "".join(
            f"<Part><PartNumber>{n}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
            for n, etag in sorted(parts)
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        with contextlib.suppress(NotFound):  # joined before, by somebody who died before he could say so
            # S3 begins its answer before it knows: an error may come with status 200.
            found = self._call("POST", location, {"uploadId": handle}, "while finishing a file", body)
            if found.tag.rpartition("}")[2] == "Error":
                raise Unavailable("The server's S3 storage failed while finishing a file.")
        try:
            there = int(obstore.head(self._bucket, check_location(location))["size"])
        except _TROUBLE as error:
            raise translated(error, "while finishing a file") from error
        if there != size:
            raise Unavailable("The server's storage holds another number of bytes than it should.")

    def drop_parts(self, location: str, handle: str) -> None:
        if handle:
            with contextlib.suppress(NotFound):
                self._call("DELETE", location, {"uploadId": handle}, "while removing a file")
        self.delete(location)

    def read_parts(self, location: str, start: int) -> None:
        return None

    def parts_there(self, location: str, handle: str) -> Sequence[tuple[int, str, int]]:
        found: dict[int, tuple[str, str, int]] = {}
        after = "0"
        while True:
            query = {"uploadId": handle, "part-number-marker": after}
            page = self._call("GET", location, query, "while listing parts")
            for part in page.iterfind("{*}Part"):
                # Some services list a part that was sent twice twice: the newest counts.
                n, at = int(_text(part, "PartNumber")), part.findtext("{*}LastModified") or ""
                if n not in found or found[n][0] <= at:
                    found[n] = (at, _text(part, "ETag"), int(_text(part, "Size")))
            if page.findtext("{*}IsTruncated") != "true":
                return [(n, etag, size) for n, (_, etag, size) in sorted(found.items())]
            after = _text(page, "NextPartNumberMarker")

    def part_url(self, location: str, handle: str, number: int, seconds: int) -> str:
        return self._url("PUT", location, {"partNumber": str(number), "uploadId": handle}, seconds)

    def _url(self, method: str, location: str, query: dict[str, str], seconds: int = 900) -> str:
        if not self._keys[0]:
            raise Unavailable(
                "Uploads in parts to S3 need STRONGROOM_STORAGE_ACCESS_KEY: tell the server's operator."
            )
        return presigned(
            method,
            self._root.partition("://")[0]
            + "://"
            + quote(self._root.partition("://")[2], safe="/:")
            + check_location(location),
            query,
            region=self._region,
            access_key=self._keys[0],
            secret_key=self._keys[1],
            seconds=seconds,
        )

    def _client(self) -> httpx2.Client:
        with self._opening:
            if self._http is None:
                self._http = httpx2.Client(
                    timeout=httpx2.Timeout(60, connect=5),
                    limits=httpx2.Limits(max_connections=None),
                    trust_env=False,
                )
            return self._http

    def __del__(self) -> None:
        if getattr(self, "_http", None) is not None:
            self._http.close()  # type: ignore[union-attr]

    def _call(
        self, method: str, location: str, query: dict[str, str], doing: str, body: bytes | None = None
    ) -> ElementTree.Element:
        """One of S3's own calls; its answer. Raises NotFound for an upload that is not there (any more)."""
        last: Exception | None = None
        for _ in range(3):
            try:
                answer = self._client().request(method, self._url(method, location, query), content=body)
            except httpx2.HTTPError as error:
                last = error
                continue
            if answer.status_code == 404:
                raise NotFound("The stored bytes are missing.")
            if answer.status_code < 300:
                return (
                    ElementTree.fromstring(answer.content) if answer.content else ElementTree.Element("None")
                )
            last = OSError(f"{answer.status_code} {answer.text[:500]}")
            if answer.status_code < 500:
                break
        assert last is not None
        raise translated(last, doing) from last


def _text(element: ElementTree.Element, name: str) -> str:
    found = element.findtext(f"{{*}}{name}")
    if found is None:
        raise Unavailable(f"The server's S3 storage gave an answer without {name}.")
    return found


def _put(bucket: Bucket, location: str, data: bytes) -> None:
    try:
        obstore.put(bucket, location, data, use_multipart=False)
    except _TROUBLE as error:
        raise translated(error, "while writing a file") from error


class S3Blocks:
    """A part of an object, as it comes over the network; letting go of the stream closes the connection."""

    def __init__(self, stream: Iterator[Any] | None) -> None:
        self._stream = stream
        self._rest = memoryview(b"")

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        # obstore gives at least a block, often a bit more.
        if not self._rest:
            if self._stream is None:
                raise StopIteration
            try:
                self._rest = memoryview(next(self._stream))
            except StopIteration:
                self.close()
                raise
            except _TROUBLE as error:
                self.close()
                raise translated(error, "while reading a file") from error
        block, self._rest = bytes(self._rest[:BLOCK]), self._rest[BLOCK:]
        return block

    def close(self) -> None:
        self._stream = None
        self._rest = memoryview(b"")


class S3Sink:
    """One object on its way: gathered up to a part, then handed to the thread that sends it."""

    def __init__(self, bucket: Bucket, location: str, size: int | None) -> None:
        self._bucket = bucket
        self._location = location
        self._part = PART_UNKNOWN if size is None else max(PART, -(-size // MAX_PARTS))
        self._head: list[bytes] = []
        self._head_size = 0
        self._sending: _Sending | None = None
        self._there = False

    def write(self, block: Block) -> None:
        copy = bytes(block)  # the caller uses its memory again, and obstore keeps what it is given
        if self._sending is None:
            self._head.append(copy)
            self._head_size += len(copy)
            if self._head_size <= PART:
                return
            head, self._head = self._head, []
            self._sending = _Sending(self._send)
            for block_before in head:
                self._sending.give(block_before)
        else:
            self._sending.give(copy)

    def _send(self, blocks: Iterator[bytes]) -> None:
        obstore.put(
            self._bucket,
            self._location,
            blocks,
            use_multipart=True,
            chunk_size=self._part,
            max_concurrency=PARTS_AT_ONCE,
        )

    def finish(self) -> None:
        self._there = True
        if self._sending is None:
            _put(self._bucket, self._location, b"".join(self._head))
        else:
            self._sending.end()
        self._head = []

    def abort(self) -> None:
        self._head = []
        if self._sending:
            self._sending.break_off()
        if self._there:
            with contextlib.suppress(*_TROUBLE):
                obstore.delete(self._bucket, self._location)


class S3Part:
    """One part of a multipart upload, streamed."""

    def __init__(self, client: httpx2.Client, url: str, size: int) -> None:
        self._client, self._url, self._size = client, url, size
        self._sending: _Sending | None = None
        self.etag = ""

    def write(self, block: Block) -> None:
        if self._sending is None:
            self._sending = _Sending(self._send)
        self._sending.give(bytes(block))

    def _send(self, blocks: Iterator[bytes]) -> None:
        try:
            answer = self._client.put(self._url, content=blocks, headers={"Content-Length": str(self._size)})
        except httpx2.HTTPError as error:
            raise OSError(str(error)) from error
        if answer.status_code != 200:
            raise OSError(f"{answer.status_code} {answer.text[:500]}")
        self.etag = answer.headers["etag"]

    def finish(self) -> None:
        if self._sending is None:
            self._sending = _Sending(self._send)
        self._sending.end()

    def abort(self) -> None:
        if self._sending:
            self._sending.break_off()


class _BrokenOff(OSError):
    """Raised inside obstore's thread, so that it calls the upload off."""


class _Sending:
    """Blocks handed, one at a time, from the threads that write to the one in which obstore reads them."""

    def __init__(self, send: Callable[[Iterator[bytes]], None]) -> None:
        self._changed = threading.Condition()
        self._block: bytes | None = None
        self._ended = False
        self._broken = False
        self._done = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(send,), name="s3-upload", daemon=True)
        self._thread.start()

    def give(self, block: bytes) -> None:
        """Wait until the last block was taken; raise what sending raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._block is None or self._done)
            if not self._done:
                self._block = block
                self._changed.notify_all()
                return
        raise self._failure() from self._error

    def end(self) -> None:
        """Wait until the object is there; raise what sending raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._block is None or self._done)
            self._ended = True
            self._changed.notify_all()
        self._thread.join()
        if self._error:
            raise self._failure() from self._error

    def break_off(self) -> None:
        """Wait until the parts are gone."""
        with self._changed:
            self._broken = True
            self._changed.notify_all()
        self._thread.join()

    def _failure(self) -> StrongroomError:
        if isinstance(self._error, _TROUBLE):
            return translated(self._error, "while writing a file")
        return Unavailable("The server's S3 storage failed while writing a file.")

    def _run(self, send: Callable[[Iterator[bytes]], None]) -> None:
        try:
            send(self._blocks())
        except Exception as error:  # handed to the thread that writes
            self._error = error
        with self._changed:
            self._done = True
            self._changed.notify_all()

    def _blocks(self) -> Iterator[bytes]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._block is not None or self._ended or self._broken)
                if self._broken:
                    raise _BrokenOff("the upload was broken off")
                block, self._block = self._block, None
                self._changed.notify_all()
            if block is None:
                return
            yield block
