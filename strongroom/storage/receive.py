"""Bytes on their way in: received, hashed and written at once, in flat memory.

The hottest path of the product. Network chunks are gathered to blocks; while the loop gathers the next
one, two threads work on the last: one on its md5 (the slowest, 600 MiB/s), one on sha256, crc32 and the
writing (together about as long). One block is in flight for each upload, so that a slow disk slows the
client down and not the memory. `bench/receive.py` measures it against `tee` and `openssl`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import re
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass

from strongroom.errors import Incomplete, Malformed, TooLarge
from strongroom.storage.base import BLOCK, Block, Sink

TOO_SHORT = "File is smaller than expected."  # both as Zenodo says it (api-legacy.md section 6)
TOO_LONG = "File is bigger than expected."
OVER_LIMIT = "File size limit exceeded."


@dataclass(frozen=True, slots=True)
class Received:
    """What arrived and is stored: `size` in bytes, `md5` and `sha256` as hexadecimal digits."""

    size: int
    md5: str
    sha256: str
    crc32: int


class Digests:
    """All digests that a file needs, over blocks in order: md5 for Zenodo's clients, sha256 for ETags
    and fixity, crc32 for zips. None of them is used for secrecy."""

    __slots__ = ("crc32", "md5", "sha256", "size")

    def __init__(self) -> None:
        self.size = 0
        self.crc32 = 0
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.sha256 = hashlib.sha256(usedforsecurity=False)

    def update(self, block: Block) -> None:
        self.md5.update(block)
        self.update_rest(block)

    def update_rest(self, block: Block) -> None:
        """All but md5, which `receive` computes in a thread of its own."""
        self.sha256.update(block)
        self.crc32 = zlib.crc32(block, self.crc32)
        self.size += len(block)

    def check(self, wanted: Mapping[str, bytes]) -> None:
        """Raise Incomplete where a digest (`md5`, `sha256`, as bytes) is another than the client sent."""
        for name, digest in wanted.items():
            found = getattr(self, name).digest()
            if found != digest:
                raise Incomplete(
                    f"The bytes that arrived have the {name} {found.hex()}, not {digest.hex()} as announced. "
                    "Nothing was stored: send the file again."
                )

    def received(self) -> Received:
        return Received(self.size, self.md5.hexdigest(), self.sha256.hexdigest(), self.crc32)


async def receive(
    chunks: AsyncIterator[bytes],
    sink: Sink,
    *,
    pool: Executor,
    expected_size: int | None = None,
    max_size: int | None = None,
    digests_wanted: Mapping[str, bytes] | None = None,
    idle_timeout: float,
    on_progress: Callable[[int], None] | None = None,
    hashing: bool = True,
) -> Received:
    """Stream `chunks` into `sink`; when it returns, the bytes are durable and as announced.

    `pool` needs two threads at least, and is best used for nothing else. `digests_wanted` is what
    `digests_from` found. A client that sends no byte for `idle_timeout` seconds is given up; time spent on hashing and
    on the disk does not count. `on_progress` is called in the loop with the bytes so far, after every block.
    Without `hashing` (parts of a file, which is hashed as a whole) digests are computed only where some are wanted.

    Raises Incomplete (fewer or more bytes than `expected_size`, another digest, silence), TooLarge (more than
    `max_size`) and what the store and `chunks` raise. Then, and when cancelled, the sink is aborted.
    """
    intake = _Intake(sink, pool, hashing or bool(digests_wanted))
    loop = asyncio.get_running_loop()
    bound = min((size for size in (expected_size, max_size) if size is not None), default=None)
    arrived = 0
    filled = 0
    # Two buffers take turns: new ones for every block would cost more in page faults than the copying.
    buffer, other = memoryview(bytearray(BLOCK)), memoryview(b"")
    try:
        if max_size is not None and expected_size is not None and expected_size > max_size:
            raise TooLarge(OVER_LIMIT)
        async with _patience(idle_timeout) as patience:
            moved = loop.time()
            async for chunk in chunks:
                # The timer moves once a second or so: moving it for each chunk would cost more than the chunk.
                if (now := loop.time()) > moved + min(1.0, idle_timeout / 4):
                    patience.reschedule(now + idle_timeout)
                    moved = now
                size = len(chunk)
                arrived += size
                if bound is not None and arrived > bound:
                    raise Incomplete(TOO_LONG) if bound == expected_size else TooLarge(OVER_LIMIT)
                taken = 0
                while filled + size - taken >= BLOCK:
                    upto = taken + BLOCK - filled
                    buffer[filled:] = memoryview(chunk)[taken:upto]
                    taken, filled = upto, 0
                    if not intake.settled():
                        patience.reschedule(None)  # a slow disk is not the client's fault
                        await intake.settle()
                        moved = loop.time()
                        patience.reschedule(moved + idle_timeout)
                    intake.start(buffer)
                    buffer, other = other or memoryview(bytearray(BLOCK)), buffer
                    if on_progress:
                        on_progress(arrived - size + taken)
                if taken < size:
                    upto = filled + size - taken
                    buffer[filled:upto] = memoryview(chunk)[taken:] if taken else chunk
                    filled = upto
        if expected_size is not None and arrived < expected_size:
            raise Incomplete(TOO_SHORT)
        await intake.settle()
        return await intake.finish(buffer[:filled], digests_wanted or {})
    except BaseException:
        await intake.abort()
        raise


def write_whole(body: bytes, sink: Sink, digests_wanted: Mapping[str, bytes]) -> Received:
    """`receive` for a small body that is here already, in the caller's thread."""
    digests = Digests()
    try:
        if body:
            digests.update(body)
        digests.check(digests_wanted)
        if body:
            sink.write(body)
        sink.finish()
    except BaseException:
        sink.abort()
        raise
    return digests.received()


@contextlib.asynccontextmanager
async def _patience(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """`asyncio.timeout` whose end is the client's fault."""
    try:
        async with asyncio.timeout(seconds) as patience:
            yield patience
    except TimeoutError as error:
        if not patience.expired():
            raise
        raise Incomplete(
            f"No byte came for {seconds:g} seconds. Nothing was stored: send it again."
        ) from error


class _Intake:
    """The two threads' side of one upload: at most one block in flight."""

    def __init__(self, sink: Sink, pool: Executor, hashing: bool) -> None:
        self.digests = Digests()
        self._hashing = hashing
        self._sink = sink
        self._pool = pool
        self._flying: tuple[Future[None], ...] = ()

    def start(self, block: Block) -> None:
        if not self._hashing:
            self.digests.size += len(block)
            self._flying = (self._pool.submit(self._sink.write, block),)
            return
        self._flying = (
            self._pool.submit(self.digests.md5.update, block),
            self._pool.submit(self._rest, block),
        )

    def _rest(self, block: Block) -> None:
        self.digests.update_rest(block)
        self._sink.write(block)

    def settled(self) -> bool:
        """Whether no block is in flight, and what was done went well (else raise it)."""
        if not all(future.done() for future in self._flying):
            return False
        for future in self._flying:
            future.result()
        self._flying = ()
        return True

    async def settle(self) -> None:
        """Wait for the block in flight; raise what its threads raised."""
        for future in self._flying:
            if not future.done():
                await asyncio.wrap_future(future)
        self.settled()

    async def finish(self, last: Block, wanted: Mapping[str, bytes]) -> Received:
        """The last bytes (often the only ones) in one hop to a thread."""

        def work() -> None:
            if last and self._hashing:
                self.digests.update(last)
            elif last:
                self.digests.size += len(last)
            self.digests.check(wanted)
            if last:
                self._sink.write(last)
            self._sink.finish()

        self._flying = (self._pool.submit(work),)
        await self.settle()
        return self.digests.received()

    async def abort(self) -> None:
        """Wait until no thread touches the sink, then abort it, however often this is cancelled.

        Waiting inside the pool can't lock it up: what is waited for was submitted before, so it runs already.
        """
        flying = self._flying

        def work() -> None:
            wait(flying)
            self._sink.abort()

        try:
            aborting = self._pool.submit(work)
        except RuntimeError:  # the pool is shut down, so that its threads have ended
            work()
        else:
            await asyncio.shield(asyncio.wrap_future(aborting))


_SIZES = {"md5": 16, "sha256": 32}
_NAMES = {"md5": "md5", "sha-256": "sha256", "sha256": "sha256"}
_MEMBER = re.compile(r":([^:]*):\s*(?:;.*)?")  # a byte sequence with parameters, RFC 8941 section 3.3.5


def digests_from(headers: Mapping[str, str]) -> dict[str, bytes]:
    """The digests (`md5`, `sha256`) that a request announces for its body; raises Malformed.

    `Content-MD5` (RFC 1864: base64; hexadecimal digits are tolerated, as Zenodo itself sends them), `Digest`
    (RFC 3230), `Repr-Digest` and `Content-Digest` (RFC 9530). Other algorithms are ignored.
    """
    found: dict[str, bytes] = {}

    def add(header: str, name: str, text: str) -> None:
        digest = _digest(text.strip(), _SIZES[name])
        if digest is None:
            raise Malformed(
                f"The header {header} holds no {name} digest that can be read: send it in base64."
            )
        if found.setdefault(name, digest) != digest:
            raise Malformed(f"The header {header} contradicts another one about the {name} of the body.")

    if text := headers.get("content-md5"):
        add("Content-MD5", "md5", text)
    for header in ("Digest", "Repr-Digest", "Content-Digest"):
        for member in (headers.get(header.lower()) or "").split(","):
            algorithm, _, text = member.strip().partition("=")
            if name := _NAMES.get(algorithm.strip().lower()):
                if header != "Digest":
                    match = _MEMBER.fullmatch(text.strip())
                    text = match[1] if match else ""
                add(header, name, text)
    return found


def _digest(text: str, size: int) -> bytes | None:
    """`size` bytes from base64 or from hexadecimal digits (their lengths tell them apart), or None."""
    try:
        digest = bytes.fromhex(text) if len(text) == 2 * size else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return digest if len(digest) == size else None
