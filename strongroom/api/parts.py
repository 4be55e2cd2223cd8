"""Files that come in parts, in any order and over many connections, and the commit that ends every transfer.

Parts of `/api/records/{id}/draft/files` (api-rdm.md section 2); the other steps are in draft_files.py, and so is the map.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response

from strongroom.api.file_entries import JSON, check_octets, entry_of, id_of, key_of, pending_entry
from strongroom.context import Context
from strongroom.db import AnyRow
from strongroom.errors import Incomplete, Invalid, NotFound, StorageFull
from strongroom.files import digests, transfers
from strongroom.files import service as files
from strongroom.files.transfers import FAILED, FETCH, LOCAL, MULTIPART, PENDING, VERIFYING
from strongroom.http import upload
from strongroom.http.deps import actor_of, context, in_thread, json_answer, writer
from strongroom.records import drafts, tasks
from strongroom.storage.receive import receive

LOOK = 32 << 20


async def begin(request: Request, row: AnyRow) -> str:
    """Have the store begin a file of parts; the handle that counts. Raises NotFound when the file was deleted."""
    ctx = context(request)
    handle = await asyncio.to_thread(ctx.store.begin_parts, row.location, row.size)

    def work() -> str | None:
        with ctx.db.begin() as session:
            return transfers.begun(session, row.id, handle)

    counts = await in_thread(request, work)
    if counts != handle:  # another request was faster, or the file is gone
        if counts is None:
            await asyncio.to_thread(ctx.store.drop_parts, row.location, handle)
            raise NotFound(f"Record '{row.draft_id}' has no file '{row.key}'.")
        await asyncio.to_thread(ctx.store.drop_parts, row.location, handle)
    return counts


async def put_part(request: Request) -> Response:
    """PUT /api/records/{id}/draft/files/{key}/content/{part}: one part (from 1) of a multipart transfer, in any order."""
    ctx = context(request)
    part = int(request.path_params["part"])
    try:
        check_octets(request)
        size, wanted = upload.announced(request)

        def look() -> tuple[AnyRow, int, int]:
            with ctx.db.read() as session:
                actor = writer(session, request)
                bucket = drafts.writable_bucket(session, actor, id_of(request), locked=False)
                row = transfers.require(session, bucket, key_of(request))
                transfers.require_multipart(row)
                offset, expected = transfers.part_span(row, part)
                if size is not None and size != expected:
                    raise Incomplete(
                        f"Part {part} of {row.key} must have {expected} bytes, not {size}: nothing was stored."
                    )
                return row, offset, expected

        row, offset, expected = await in_thread(request, look)
        handle = row.handle or await begin(request, row)
        sink = await asyncio.to_thread(ctx.store.part, row.location, handle, part, offset, expected)
    except Exception:
        if "100-continue" not in request.headers.get("expect", "").lower():
            await upload.drain(request.stream())
        raise

    def clear() -> None:
        with ctx.db.read() as session:
            there = transfers.has_part(session, row.id, part)
        if there:
            with ctx.db.begin() as session:
                transfers.withdraw_part(session, row.id, part)

    try:
        await in_thread(request, clear)
    except BaseException:
        await asyncio.to_thread(sink.abort)
        raise
    await receive(
        request.stream(),
        sink,
        pool=ctx.blocks,
        expected_size=expected,
        digests_wanted=wanted,
        idle_timeout=ctx.settings.body_idle_timeout,
        on_progress=_looking_after_room(ctx),
        hashing=False,
    )

    def note() -> tuple[AnyRow, bool]:
        with ctx.db.begin() as session:
            ours = transfers.part_received(session, row.id, part, expected, sink.etag, ctx.settings.workers)
            return row, ours

    _, ours = await in_thread(request, note)
    if ours and not ctx.settings.storage_url:
        digests.ahead.ask(row.id, lambda: _step(ctx, row.id))
    return json_answer(request, pending_entry(row, {part: expected}, ctx.settings, only=part))


def _looking_after_room(ctx: Context) -> Callable[[int], None]:
    looked = 0

    def beat(size: int) -> None:
        nonlocal looked
        if size - looked >= LOOK:
            looked = size
            free = ctx.store.free()
            if free is not None and free < ctx.settings.disk_reserve_bytes:
                raise StorageFull()

    return beat


def _step(ctx: Context, transfer_id: str) -> bool:
    """What the hashing thread does for a file; whether to look again by itself (other processes get parts too)."""
    status = transfers.catch_up(ctx.db, ctx.store, transfer_id)
    if status == VERIFYING:
        tasks.settle_transfer(ctx, transfer_id)
        return False
    return status == PENDING and ctx.settings.workers > 1


async def commit(request: Request) -> Response:
    """POST /api/records/{id}/draft/files/{key}/commit: complete a file; repeatable. Large ones may answer `verifying`."""
    ctx = context(request)
    key = key_of(request)
    there = await _parts_in_the_store(request) if ctx.settings.s3_direct_parts else None
    remote = bool(ctx.settings.storage_url)

    def work() -> AnyRow | None:
        """The transfer that is to be verified now; None when all is done."""
        with ctx.db.begin() as session:
            actor = writer(session, request)
            bucket = drafts.writable_bucket(session, actor, id_of(request))
            row = transfers.find(session, bucket, key)
            if row is None:
                files.find(session, bucket, key)
                return None
            if row.status == FAILED:
                raise Invalid([], row.error or "The file upload transfer failed, please try again.")
            if row.status == VERIFYING:
                return row
            if row.type == FETCH:
                raise Invalid([], f"The file {key} is still being fetched: it completes by itself.")
            if row.type == LOCAL:
                transfers.complete(session, bucket, row, ctx.settings)
                drafts.touch(session, actor, bucket.record_id, "file-added")
                return None
            if there is not None:
                transfers.note_parts(session, row, there)
            transfers.begin_verifying(session, row, delay=0 if remote else transfers.VERIFY_AFTER)
            return row

    row = await in_thread(request, work)
    if row is not None:
        if remote:
            request.app.state.wake()
        elif transfers.left_to_hash(row) <= transfers.INLINE:
            await asyncio.to_thread(tasks.settle_transfer, ctx, row.id)
        elif ctx.settings.workers <= 1 or digests.hashed(row.location, row.epoch):
            digests.ahead.ask(row.id, lambda: _step(ctx, row.id))

    def look() -> JSON:
        with ctx.db.read() as session:
            bucket = drafts.readable_bucket(session, actor_of(session, request), id_of(request))
            found = transfers.find(session, bucket, key)
            if found is not None and found.status == FAILED:
                raise Incomplete(found.error)
            return entry_of(ctx, session, bucket, key)

    return json_answer(request, await in_thread(request, look))


async def _parts_in_the_store(request: Request) -> Sequence[tuple[int, str, int]] | None:
    """What came straight to the store for the file to be committed; None where nothing comes that way."""
    ctx = context(request)

    def look() -> AnyRow | None:
        with ctx.db.read() as session:
            actor = writer(session, request)
            bucket = drafts.writable_bucket(session, actor, id_of(request), locked=False)
            return transfers.find(session, bucket, key_of(request))

    row = await in_thread(request, look)
    if row is None or row.type != MULTIPART or row.handle is None or row.status != PENDING:
        return None
    return await asyncio.to_thread(ctx.store.parts_there, row.location, row.handle)
