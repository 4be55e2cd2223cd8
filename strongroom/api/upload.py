"""One upload's way through the house (design, first journey): reserve, stream, attach.

No transaction is open while bytes come. A failure anywhere leaves the former file of that key as it
was and no bytes behind; a crash leaves an upload row, which the sweep finds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from strongroom.access import Actor
from strongroom.context import Context
from strongroom.db import Session
from strongroom.errors import Finding, Incomplete, Invalid, Malformed, NotFound, StorageFull, TooLarge
from strongroom.files import service as files
from strongroom.files.service import Bucket, Room, Stored
from strongroom.files.views import FileView
from strongroom.http.deps import context, in_thread, writer
from strongroom.http.transfer import guess_type
from strongroom.records import drafts
from strongroom.storage import new_location
from strongroom.storage.receive import digests_from, receive

DRAIN = 16_000_000
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
    return await attach(
        request, await accept(request, draft_id, key, chunks, size=size, digests=digests), key
    )


async def accept(
    request: Request,
    draft_id: int,
    key: str | None,
    chunks: AsyncIterator[bytes],
    *,
    size: int | None,
    digests: Mapping[str, bytes],
    opening: Callable[[Session, Actor], tuple[Bucket, int]] | None = None,
) -> Pending:
    """Take bytes into the store. `key` is checked before they come, where it is known already.

    `opening` gives the bucket, locked, and the bytes already reserved for this file (`files.reserve`); the default
    is that of the deposit API.
    """
    ctx = context(request)
    location = new_location()
    free = await asyncio.get_running_loop().run_in_executor(ctx.blocks, ctx.store.free)

    def begin() -> tuple[Actor, Bucket, Room]:
        with ctx.db.begin(durable=False) as session:
            actor = writer(session, request)
            announced = 0
            if opening is not None:
                bucket, announced = opening(session, actor)
            else:
                bucket = drafts.open_bucket(session, actor, draft_id)
                if key is not None:
                    files.check_name(session, bucket, key)
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

    try:
        actor, bucket, room = await in_thread(request, begin)
    except Exception:
        # Reading would tell a client that asked first (curl, with large files) to go on.
        if "100-continue" not in request.headers.get("expect", "").lower():
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
    return Pending(
        actor,
        bucket,
        Stored(ctx.store.name, location, received.size, received.md5, received.sha256, received.crc32),
    )


async def attach(request: Request, pending: Pending, key: str, *, may_replace: bool = True) -> Uploaded:
    """Name stored bytes; when that is refused, they are removed."""
    ctx = context(request)

    def work() -> Uploaded:
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

    try:
        return await in_thread(request, work)
    except Exception:
        await forget(request, pending)
        raise


async def forget(request: Request, pending: Pending) -> None:
    """Remove bytes that came but may not be attached, then their row.

    When it was the commit that failed (a lost connection), the bytes may have got their name all the same.
    """
    ctx = context(request)

    def work() -> None:
        with ctx.db.begin() as session:
            if not files.is_pending(session, pending.stored.location):
                return
        ctx.store.delete(pending.stored.location)
        _give_back(ctx, pending.stored.location)

    await asyncio.shield(in_thread(request, work))


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
    with ctx.db.begin() as session:
        files.release(session, location)


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
