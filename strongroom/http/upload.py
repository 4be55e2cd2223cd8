"""One upload's way through the house (design, first journey): reserve, stream, attach.

No transaction is open while bytes come. A failure anywhere leaves the former file of that key as it
was and no bytes behind; a crash leaves an upload row, which the sweep finds.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from strongroom.access import Actor
from strongroom.context import Context
from strongroom.db import Session
from strongroom.errors import Busy, Finding, Incomplete, Invalid, Malformed, NotFound, StorageFull, TooLarge
from strongroom.files import service as files
from strongroom.files.service import Bucket, Room, Stored
from strongroom.files.views import FileView
from strongroom.http.deps import context, in_thread, writer
from strongroom.http.transfer import guess_type
from strongroom.records import drafts
from strongroom.storage import new_location
from strongroom.storage.receive import TOO_LONG, TOO_SHORT, Received, digests_from, receive, write_whole

DRAIN = 16_000_000
IN_HAND = 64 << 10  # a body of so many bytes is read before anything is done with it …
PROMPT = 1.0  # … if it is here in so many seconds
LOOK = 32 << 20  # bytes after which the free space is looked at again


@dataclass(frozen=True)
class Uploaded:
    """What came of an upload."""

    file: FileView
    bucket: Bucket
    warnings: list[Finding]


@dataclass(frozen=True)
class Pending:
    """Bytes that lie whole and durable in the store, with no name yet."""

    actor: Actor
    bucket: Bucket
    stored: Stored


async def store(
    request: Request,
    draft_id: int,
    key: str,
    chunks: AsyncIterator[bytes],
    *,
    size: int | None,
    digests: Mapping[str, bytes],
) -> Uploaded:
    """Store one file in a draft's bucket under `key`, replacing a former one.

    Raises what access, keys, quotas and the store raise.
    """
    if _fits_in_hand(request, size):
        body, late = await _in_hand(chunks, size or 0)
        if late is None:
            ctx = context(request)

            def work() -> Uploaded:
                opening = _deposit_opening(draft_id, key)
                return _attach(ctx, _accept_whole(request, ctx, key, body, digests, opening), key)

            return await in_thread(request, work)
        pending = await _accept_stream(
            request, key, late, size=size, digests=digests, opening=_deposit_opening(draft_id, key)
        )
        return await attach(request, pending, key)
    return await attach(
        request, await accept(request, draft_id, key, chunks, size=size, digests=digests), key
    )


Opening = Callable[[Session, Actor], tuple[Bucket, int]]


def _deposit_opening(draft_id: int, key: str | None) -> Opening:
    def opening(session: Session, actor: Actor) -> tuple[Bucket, int]:
        bucket = drafts.open_bucket(session, actor, draft_id)
        if key is not None:
            files.check_name(session, bucket, key)
        return bucket, 0

    return opening


async def accept(
    request: Request,
    draft_id: int,
    key: str | None,
    chunks: AsyncIterator[bytes],
    *,
    size: int | None,
    digests: Mapping[str, bytes],
    opening: Opening | None = None,
) -> Pending:
    """Take bytes into the store. `key` is checked before they are written, where it is known already.

    `opening` gives the bucket, locked, and the bytes already reserved for this file (`files.reserve`); the default
    is that of the deposit API.
    """
    opening = opening or _deposit_opening(draft_id, key)
    if _fits_in_hand(request, size):
        body, late = await _in_hand(chunks, size or 0)
        if late is None:
            ctx = context(request)
            return await in_thread(request, _accept_whole, request, ctx, key, body, digests, opening)
        chunks = late
    return await _accept_stream(request, key, chunks, size=size, digests=digests, opening=opening)


async def _accept_stream(
    request: Request,
    key: str | None,
    chunks: AsyncIterator[bytes],
    *,
    size: int | None,
    digests: Mapping[str, bytes],
    opening: Opening,
) -> Pending:
    """`accept` for bytes that come as they like: reserve, then write them while they come."""
    ctx = context(request)
    location = new_location()
    free = await asyncio.get_running_loop().run_in_executor(ctx.blocks, ctx.store.free)
    try:
        actor, bucket, room = await in_thread(
            request, _reserve, request, ctx, key, size, location, free, opening
        )
    except Exception:
        # Reading would tell a client that asked first (curl, with large files) to go on.
        if not _asked_first(request):
            await drain(chunks)
        raise
    try:
        received = await receive(
            chunks,
            ctx.store.create(location, size),
            pool=ctx.blocks,
            expected_size=size,
            max_size=room.max_size,
            digests_wanted=digests,
            idle_timeout=ctx.settings.body_idle_timeout,
            on_progress=_heart(request, ctx, location),
        )
    except BaseException as error:
        # Shielded: a cancelled request still gives its room back. The bytes are gone already.
        await asyncio.shield(in_thread(request, _give_back, ctx, location))
        if isinstance(error, ClientDisconnect):
            raise Incomplete() from error
        if room.by_disk and isinstance(error, TooLarge):
            raise StorageFull() from error
        raise
    return Pending(actor, bucket, _stored(ctx, location, received))


def _reserve(
    request: Request,
    ctx: Context,
    key: str | None,
    size: int | None,
    location: str,
    free: int | None,
    opening: Opening,
) -> tuple[Actor, Bucket, Room]:
    """Who sends it, whether he may, and the row that the sweep reads: before any byte is written."""
    with ctx.db.begin(durable=False) as session:
        actor = writer(session, request)
        bucket, announced = opening(session, actor)
        assert actor.user_id is not None
        room = files.reserve(
            session,
            bucket,
            key,
            actor.user_id,
            size,
            location,
            ctx.store.name,
            ctx.settings,
            free,
            announced,
        )
        return actor, bucket, room


def _stored(ctx: Context, location: str, received: Received) -> Stored:
    return Stored(ctx.store.name, location, received.size, received.md5, received.sha256, received.crc32)


# Small files -----------------------------------------------------------------------------------------------


def _asked_first(request: Request) -> bool:
    return "100-continue" in request.headers.get("expect", "").lower()


def _fits_in_hand(request: Request, size: int | None) -> bool:
    """Whether a body is so small that it is read first and then brought in by one thread, in the same steps.

    Only into a local store: nothing remote is waited for in a thread of requests.
    """
    return (
        size is not None
        and size <= IN_HAND
        and not _asked_first(request)
        and not context(request).settings.storage_url
    )


async def _in_hand(chunks: AsyncIterator[bytes], size: int) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """The whole body and None; or, of one that does not come at once, what came and an iterator over all of it.

    Nobody keeps a place by sending slowly what would be refused: it then goes the way of large files, where access is
    asked for first. Raises Incomplete where it is not as long as announced.
    """
    body = bytearray()
    coming = aiter(chunks)
    loop = asyncio.get_running_loop()
    until = loop.time() + PROMPT
    while len(body) < size:
        chunk = asyncio.ensure_future(anext(coming, None))
        try:
            await asyncio.wait((chunk,), timeout=max(0.0, until - loop.time()))
        except asyncio.CancelledError:
            chunk.cancel()
            raise
        if not chunk.done():
            return b"", _continued(bytes(body), chunk, coming)
        try:
            came = chunk.result()
        except ClientDisconnect as error:
            raise Incomplete() from error
        if came is None:
            raise Incomplete(TOO_SHORT)
        body += came
    if len(body) > size:
        raise Incomplete(TOO_LONG)
    return bytes(body), None


async def _continued(
    begun: bytes, chunk: asyncio.Future[bytes | None], coming: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    if begun:
        yield begun
    came = await chunk
    while came is not None:
        yield came
        came = await anext(coming, None)


def _accept_whole(
    request: Request,
    ctx: Context,
    key: str | None,
    body: bytes,
    digests: Mapping[str, bytes],
    opening: Opening,
) -> Pending:
    """`accept` for bytes that are here: reserve, write, in this thread."""
    location = new_location()
    actor, bucket, _ = _reserve(request, ctx, key, len(body), location, ctx.store.free(), opening)
    try:
        received = write_whole(body, ctx.store.create(location, len(body)), digests)
    except BaseException:
        _give_back(ctx, location)
        raise
    return Pending(actor, bucket, _stored(ctx, location, received))


# Naming ----------------------------------------------------------------------------------------------------


async def attach(request: Request, pending: Pending, key: str, *, may_replace: bool = True) -> Uploaded:
    """Name stored bytes; when that is refused, they are removed."""
    # A thread that has begun ends, whether or not the client is still there: it cleans up by itself.
    return await in_thread(
        request, functools.partial(_attach, may_replace=may_replace), context(request), pending, key
    )


def _attach(ctx: Context, pending: Pending, key: str, *, may_replace: bool = True) -> Uploaded:
    try:
        with ctx.db.begin() as session:
            bucket = drafts.still_open(session, pending.bucket)
            warnings = files.check_name(session, bucket, key)
            if not may_replace and files.has(session, bucket, key):
                taken = f"File with key {key} already exists."
                raise Invalid(
                    [Finding.of("name", taken, "Delete that file first, or choose another name.")], taken
                )
            found = files.attach(session, bucket, key, pending.stored, guess_type(key))
            files.check_quotas(session, bucket, ctx.settings)
            drafts.touch(session, pending.actor, bucket.record_id, "file-added")
            return Uploaded(found, bucket, warnings)
    except Exception:
        _forget(ctx, pending)
        raise


async def forget(request: Request, pending: Pending) -> None:
    """Remove bytes that came but may not be attached, then their row."""
    await asyncio.shield(in_thread(request, _forget, context(request), pending))


def _forget(ctx: Context, pending: Pending) -> None:
    # When it was the commit that failed (a lost connection), the bytes may have got their name all the same.
    with ctx.db.begin() as session:
        if not files.is_pending(session, pending.stored.location):
            return
    ctx.store.delete(pending.stored.location)
    _give_back(ctx, pending.stored.location)


def _heart(request: Request, ctx: Context, location: str) -> Callable[[int], None]:
    """A callback that renews the upload row once a minute, so that the sweep leaves a slow upload alone, and looks
    after the room that is left: several uploads, or others on this machine, use it up together."""
    last = time.monotonic()
    looked = 0

    def beat(size: int) -> None:
        nonlocal last, looked
        if size - looked >= LOOK:
            looked = size
            free = ctx.store.free()
            if free is not None and free < ctx.settings.disk_reserve_bytes:
                raise StorageFull()
        moment = time.monotonic()
        if moment - last > files.HEARTBEAT_SECONDS:
            last = moment
            request.app.state.requests.submit(renew)

    def renew() -> None:
        with ctx.db.begin() as session:
            files.heartbeat(session, location)

    return beat


def _give_back(ctx: Context, location: str) -> None:
    """Delete the row of bytes that are gone. Another upload may take the room that they left before this needs a page of
    it: tried again for two seconds; what is left after that is the sweep's.
    """
    for attempt in range(10):
        try:
            with ctx.db.begin() as session:
                files.release(session, location)
            return
        except (StorageFull, Busy):
            if attempt == 9:
                raise
            time.sleep(0.2)


async def drain(chunks: AsyncIterator[bytes], limit: int = DRAIN) -> None:
    """Read what a client is still sending, within bounds: else many never see the answer, only a broken pipe."""
    seen = 0
    try:
        async with asyncio.timeout(5):
            async for chunk in chunks:
                seen += len(chunk)
                if seen > limit:
                    return
    except (TimeoutError, ClientDisconnect, Incomplete, Malformed):
        return


def announced(request: Request) -> tuple[int | None, dict[str, bytes]]:
    """The size and digests a request announces for its body. Raises Malformed."""
    size = None
    header = request.headers.get("content-length")
    if header is not None and "transfer-encoding" not in request.headers:
        if not header.isascii() or not header.isdigit():
            raise Malformed("Content-Length is no number.")
        size = int(header)
    return size, digests_from(request.headers)


def bucket_record(bucket: str) -> int:
    """The record id of a bucket's UUID. Raises NotFound."""
    record_id = files.record_of_bucket(bucket)
    if record_id is None:
        raise NotFound("Bucket does not exist.")
    return record_id
