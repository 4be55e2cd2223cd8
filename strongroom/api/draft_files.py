"""`/api/records/{id}/draft/files`: the files of a draft in the records API (api-rdm.md section 2).

Three steps bring a file in: announce it, send its content (whole, or in parts), commit. Until the commit it is a
transfer; after it, an object in the same bucket that the deposit API shows.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor
from strongroom.api import upload
from strongroom.context import Context
from strongroom.db import AnyRow, Session
from strongroom.errors import (
    Finding,
    Forbidden,
    Incomplete,
    Invalid,
    NotFound,
    StorageFull,
    Unauthenticated,
    Unsupported,
)
from strongroom.files import digests, fetch, transfers
from strongroom.files import service as files
from strongroom.files.service import Bucket
from strongroom.files.transfers import FAILED, FETCH, LOCAL, MULTIPART, PENDING, VERIFYING, Wanted
from strongroom.files.views import FileView
from strongroom.http.archive import Archive, archive_response
from strongroom.http.deps import actor_of, context, flag, in_thread, json_answer, json_body, number, writer
from strongroom.http.rdm import MEDIA_TYPE
from strongroom.http.shapes import content_base, key_path
from strongroom.http.transfer import file_response, guess_type
from strongroom.ids import iso
from strongroom.records import drafts, queries, tasks
from strongroom.settings import Settings
from strongroom.storage.receive import receive

JSON = dict[str, Any]
Handler = Callable[[Request], Awaitable[Response]]

OCTETS = "application/octet-stream"
WHOLE_LIST = 1000
"""Entries up to which announcing answers with the whole list; above, with what was announced just now."""
PAGE_MAX = 1000
LOOK = 32 << 20


def _door(handler: Handler) -> Handler:
    """Who shows no credentials gets 403 here, as everywhere in the records API (api-rdm.md section 0.2)."""

    @functools.wraps(handler)
    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except Unauthenticated:
            raise Forbidden() from None

    return guarded


def _id(request: Request) -> int:
    return number(request.path_params["id"])


def _key(request: Request) -> str:
    return str(request.path_params["key"])


def _answer(request: Request, body: Any, status: int = 200) -> Response:
    answer = json_answer(request, body, status)
    if MEDIA_TYPE in request.headers.get("accept", ""):
        answer.headers["content-type"] = MEDIA_TYPE
    return answer


# Shapes ----------------------------------------------------------------------------------------------------


def _about(text: str | None) -> Any:
    return orjson.loads(text) if text else None


def entry(f: FileView, record_id: int, settings: Settings) -> JSON:
    """A completed file of a draft (golden live/rdm 51)."""
    path = f"{settings.base_url}/api/records/{record_id}/draft/files/{key_path(f.key)}"
    return {
        **_facts(f, record_id),
        "metadata": _about(f.metadata),
        "links": {"self": path, "content": f"{path}/content", "commit": f"{path}/commit"},
    }


def record_entry(f: FileView, record_id: int, settings: Settings) -> JSON:
    """A file of a published record (golden live/rdm 266)."""
    path = f"/api/records/{record_id}/files/{key_path(f.key)}"
    return {
        **_facts(f, record_id),
        "metadata": _about(f.metadata) or {},
        "links": {
            "self": f"{settings.base_url}{path}",
            "content": f"{content_base(settings)}{path}/content",
        },
    }


def _facts(f: FileView, record_id: int) -> JSON:
    return {
        "key": f.key,
        "created": iso(f.created),
        "updated": iso(f.updated),
        "status": "completed",
        "mimetype": f.mimetype,
        "size": f.size,
        "checksum": f"md5:{f.md5}",
        "file_id": f.id,
        "version_id": f.version_id,
        "bucket_id": files.bucket_id(record_id),
        "storage_class": "L",
        "access": {"hidden": f.hidden},
        "transfer": {"type": "L"},
    }


def pending_entry(
    row: AnyRow,
    received: Mapping[int, int],
    settings: Settings,
    url_of: Callable[[AnyRow, int], str | None] = lambda row, part: None,
    only: int | None = None,
) -> JSON:
    """An announced file (golden live/rdm 44 and 59). Its parts say which the server has, so that a client which
    comes back sends none twice; `only` shows one of them."""
    path = f"{settings.base_url}/api/records/{row.draft_id}/draft/files/{key_path(row.key)}"
    links: JSON = {"self": path, "content": f"{path}/content", "commit": f"{path}/commit"}
    transfer: JSON = {"type": row.type}
    body: JSON = {
        "key": row.key,
        "created": iso(row.created),
        "updated": iso(row.updated),
        "status": row.status,
        "metadata": _about(row.metadata),
        "access": {"hidden": bool(row.hidden)},
        "transfer": transfer,
        "links": links,
    }
    if row.size is not None:
        body["size"] = row.size
    if row.checksum is not None or row.type == MULTIPART:
        body["checksum"] = row.checksum
    if row.error is not None:
        transfer["error"] = row.error
    if row.type == MULTIPART:
        del links["content"]
        transfer |= {"parts": row.parts, "part_size": row.part_size}
        body |= {
            "mimetype": row.mimetype,
            "file_id": row.id,
            "version_id": row.id,
            "bucket_id": files.bucket_id(row.draft_id),
            "storage_class": "L",
        }
        links["parts"] = [
            {
                "part": n,
                "url": url_of(row, n) or f"{path}/content/{n}",
                "expiration": iso(row.expires),
                "size": transfers.part_span(row, n)[1],
                "received": n in received,
            }
            for n in (range(1, row.parts + 1) if only is None else (only,))
        ]
    return body


def file_list(
    entries: list[JSON], record_id: int, settings: Settings, count: int, *, draft: bool = True
) -> JSON:
    """A list of entries as both goldens have it; `count` of all files."""
    path = f"/api/records/{record_id}" + ("/draft" if draft else "")
    return {
        "enabled": True,
        "links": {
            "self": f"{settings.base_url}{path}/files",
            "archive": f"{settings.base_url if draft else content_base(settings)}{path}/files-archive",
        },
        "entries": entries,
        "default_preview": None,
        "order": [],
        "count": count,
    }


def _urls(ctx: Context) -> Callable[[AnyRow, int], str | None]:
    """Where parts are sent: to us, or, where that is set, straight to the store. Signing asks nobody."""
    if not ctx.settings.s3_direct_parts:
        return lambda row, part: None
    seconds = int(ctx.settings.transfer_days * 86_400)
    return lambda row, part: (
        ctx.store.part_url(row.location, row.handle, part, seconds) if row.handle else None
    )


def _pending(ctx: Context, session: Session, rows: Sequence[AnyRow]) -> list[JSON]:
    received = transfers.parts_of(session, [r.id for r in rows if r.type == MULTIPART])
    urls = _urls(ctx)
    return [pending_entry(r, received.get(r.id, {}), ctx.settings, urls) for r in rows]


# Lists -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Page:
    number: int
    size: int

    @classmethod
    def of(cls, request: Request) -> _Page | None:
        """The page asked for; None for all. Raises Invalid."""
        params = request.query_params
        if "page" not in params and "size" not in params:
            return None
        values = {}
        for name, default in (("page", 1), ("size", 25)):
            text = params.get(name) or str(default)
            if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 10_000_000:
                raise Invalid.at(name, "Must be a whole number, 1 or more.")
            values[name] = int(text)
        if values["size"] > PAGE_MAX:
            raise Invalid.at("size", f"Page size cannot be greater than {PAGE_MAX}.")
        return cls(values["page"], values["size"])

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size

    def links(self, base: str, count: int) -> JSON:
        def at(n: int) -> str:
            return f"{base}?page={n}&size={self.size}"

        found = {"self": at(self.number)}
        if self.number > 1:
            found["prev"] = at(self.number - 1)
        if self.number * self.size < count:
            found["next"] = at(self.number + 1)
        return found


def _listed(ctx: Context, session: Session, bucket: Bucket, page: _Page | None) -> JSON:
    """The draft's files: the completed ones in the record's order, then those on their way by key."""
    some_id = bucket.record_id
    if page is None:
        done = files.list_files(session, bucket)
        rows = transfers.rows_of(session, bucket)
        count = len(done) + len(rows)
    else:
        stored, _ = files.measure(session, bucket.concept_id, bucket.version)
        count = stored + transfers.count(session, bucket)
        done = files.page_of(session, bucket, page.offset, page.size) if page.offset < stored else []
        rows = []
        if len(done) < page.size:
            rows = transfers.rows_of(
                session, bucket, offset=max(0, page.offset - stored), limit=page.size - len(done)
            )
    entries = [entry(f, some_id, ctx.settings) for f in done] + _pending(ctx, session, rows)
    body = file_list(entries, some_id, ctx.settings, count)
    if page is not None:
        body["page"] = page.number
        body["links"] |= page.links(body["links"]["self"], count)
    if bucket.file_order and page is None:
        body |= {"order": [f.key for f in done], "default_preview": done[0].key if done else None}
    return body


@_door
async def listing(request: Request) -> Response:
    """GET /api/records/{id}/draft/files: all files of the draft, or (with `page` and `size`) one page of them."""
    ctx = context(request)
    page = _Page.of(request)

    def work() -> JSON:
        with ctx.db.read() as session:
            bucket = drafts.readable_bucket(session, actor_of(session, request), _id(request))
            return _listed(ctx, session, bucket, page)

    return _answer(request, await in_thread(request, work))


async def record_listing(request: Request) -> Response:
    """GET /api/records/{id}/files: all files of a record, or (with `page` and `size`) one page of them."""
    ctx = context(request)
    page = _Page.of(request)

    def work() -> JSON:
        with ctx.db.read() as session:
            bucket = queries.bucket(session, actor_of(session, request), _id(request))
            if page is None:
                found = files.list_files(session, bucket)
                count, size = len(found), sum(f.size for f in found)
            else:
                found = files.page_of(session, bucket, page.offset, page.size)
                count, size = drafts.published_totals(session, bucket.record_id)
            entries = [record_entry(f, bucket.record_id, ctx.settings) for f in found]
            body = file_list(entries, bucket.record_id, ctx.settings, count, draft=False)
            body["total_bytes"] = size
            if bucket.file_order:
                first = found[0] if page is None else files.page_of(session, bucket, 0, 1)[0]
                body["default_preview"] = first.key
                if page is None:
                    body["order"] = [f.key for f in found]
            if page is not None:
                body["page"] = page.number
                body["links"] |= page.links(body["links"]["self"], count)
            return body

    return _answer(request, await in_thread(request, work))


# Announcing ------------------------------------------------------------------------------------------------


@_door
async def announce(request: Request) -> Response:
    """POST /api/records/{id}/draft/files: announce files, any number at once; each then gets its content and a commit."""
    ctx = context(request)
    sent = await json_body(request)
    wanted = _wanted(sent, ctx.settings)
    free = await asyncio.to_thread(ctx.store.free) if any(w.type == MULTIPART for w in wanted) else None

    def work() -> Sequence[AnyRow]:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            bucket = drafts.writable_bucket(session, actor, _id(request))
            assert actor.user_id is not None
            transfers.announce(session, bucket, actor.user_id, wanted, ctx.settings, ctx.store, free)
            if wanted:
                drafts.touch(session, actor, bucket.record_id, "files-announced")
            new = [w.key for w in wanted if w.type == MULTIPART]
            return transfers.rows_of(session, bucket, keys=new) if new else []

    for row in await in_thread(request, work):
        await _begin_parts(request, row)
    if any(w.type == FETCH for w in wanted):
        request.app.state.wake()

    def look() -> JSON:
        with ctx.db.read() as session:
            bucket = drafts.readable_bucket(session, actor_of(session, request), _id(request))
            stored, _ = files.measure(session, bucket.concept_id, bucket.version)
            count = stored + transfers.count(session, bucket)
            if count <= WHOLE_LIST:
                return _listed(ctx, session, bucket, None)
            rows = transfers.rows_of(session, bucket, keys=[w.key for w in wanted])
            return file_list(_pending(ctx, session, rows), bucket.record_id, ctx.settings, count)

    return _answer(request, await in_thread(request, look), 201)


_MISSING = "Missing data for required field."
_TYPES = {LOCAL, MULTIPART, FETCH}


def _wanted(sent: Any, settings: Settings) -> list[Wanted]:
    """The announced files. Raises Invalid with everything that is wrong with their form at once."""
    if not isinstance(sent, list):
        raise Invalid.at("0._schema", "Invalid input type.")
    findings: list[Finding] = []
    found: list[Wanted] = []
    for n, item in enumerate(sent):
        one = _one(n, item, settings, findings)
        if one is not None:
            found.append(one)
    if findings:
        raise Invalid(findings)
    return found


def _one(n: int, item: Any, settings: Settings, findings: list[Finding]) -> Wanted | None:
    def wrong(field: str, message: str) -> None:
        findings.append(Finding.of(f"{n}.{field}", message))

    if not isinstance(item, dict):
        wrong("_schema", "Invalid input type.")
        return None
    before = len(findings)
    key = item.get("key")
    if key is None:
        wrong("key", _MISSING)
    elif not isinstance(key, str):
        wrong("key", "Not a valid string.")
    size = item.get("size")
    if size is not None and not _whole(size):
        wrong("size", "Not a valid integer.")
    checksum = item.get("checksum")
    if checksum is not None:
        if not isinstance(checksum, str) or len(checksum) > 150:
            wrong("checksum", "Not a valid string.")
        else:
            try:
                transfers.checksum_of(checksum)
            except ValueError:
                wrong("checksum", "Unknown algorithm: send 'md5:…' or 'sha256:…' in hexadecimal digits.")
    about, hidden = _described(item, wrong)
    transfer = {} if item.get("transfer") is None else item["transfer"]
    if not isinstance(transfer, dict):
        wrong("transfer", "Invalid input type.")
        return None
    kind = transfer.get("type", LOCAL)
    url = parts = part_size = None
    if kind in (FETCH, "R"):
        url = transfer.get("url")
        if not isinstance(url, str):
            wrong("transfer.url", _MISSING)
        elif not fetch.allowed(url, settings):
            wrong("transfer.url", fetch.NOT_ALLOWED)
        elif kind == "R":
            wrong("transfer.type", "Unsupported value: R")
    elif not isinstance(kind, str) or kind not in _TYPES:
        wrong("transfer.type", f"Unsupported value: {str(kind)[:100]}")
    elif kind == MULTIPART:
        if size is None:
            raise Invalid([], "Multipart file transfer requires file size.")
        parts, part_size = transfer.get("parts"), transfer.get("part_size")
        if parts is None:
            wrong("transfer.parts", _MISSING)
        elif not _whole(parts) or not parts:
            wrong("transfer.parts", "Not a valid integer.")
        elif part_size is None and _whole(size):
            part_size = -(-size // parts)
        if part_size is not None and (not _whole(part_size) or not part_size):
            wrong("transfer.part_size", "Not a valid integer.")
        if size == 0:
            wrong("size", "Empty files are not accepted.")
    if len(findings) > before or not isinstance(key, str):
        return None
    return Wanted(key, guess_type(key), kind, size, checksum, about, bool(hidden), parts, part_size, url)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62


def _described(item: JSON, wrong: Callable[[str, str], None]) -> tuple[str | None, bool | None]:
    """A file's own metadata as JSON text, and whether it is hidden (None: nothing said)."""
    about, access = item.get("metadata"), item.get("access")
    if about is not None and not isinstance(about, dict):
        wrong("metadata", "Not a valid mapping type.")
    hidden = None
    if access is not None:
        hidden = access.get("hidden") if isinstance(access, dict) else access
        if hidden is not None and not isinstance(hidden, bool):
            wrong("access.hidden", "Not a valid boolean.")
            hidden = None
    return orjson.dumps(about).decode() if about is not None else None, hidden


# One file --------------------------------------------------------------------------------------------------


def _found(ctx: Context, session: Session, bucket: Bucket, key: str) -> JSON:
    row = transfers.find(session, bucket, key)
    if row is not None:
        return _pending(ctx, session, [row])[0]
    return entry(files.find(session, bucket, key), bucket.record_id, ctx.settings)


@_door
async def read(request: Request) -> Response:
    """GET /api/records/{id}/draft/files/{key}: what is known of one file; of one sent in parts, which are here."""
    ctx = context(request)

    def work() -> JSON | AnyRow:
        with ctx.db.read() as session:
            bucket = drafts.readable_bucket(session, actor_of(session, request), _id(request))
            row = transfers.find(session, bucket, _key(request))
            if row is not None and row.handle and row.status == PENDING and ctx.settings.s3_direct_parts:
                return row
            return _found(ctx, session, bucket, _key(request))

    found = await in_thread(request, work)
    if not isinstance(found, dict):
        # Only the store knows which parts came.
        there = await asyncio.to_thread(ctx.store.parts_there, found.location, found.handle)
        found = pending_entry(found, {n: size for n, _, size in there}, ctx.settings, _urls(ctx))
    return _answer(request, found)


@_door
async def describe(request: Request) -> Response:
    """PUT /api/records/{id}/draft/files/{key}: set the file's metadata (description, licence, role …) and access."""
    ctx = context(request)
    sent = await json_body(request)
    findings: list[Finding] = []
    if not isinstance(sent, dict):
        raise Invalid.at("_schema", "Invalid input type.")
    about, hidden = _described(sent, lambda field, message: findings.append(Finding.of(field, message)))
    if findings:
        raise Invalid(findings)

    def work() -> JSON:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            bucket = drafts.writable_bucket(session, actor, _id(request))
            row = transfers.find(session, bucket, _key(request))
            if row is not None:
                transfers.describe(session, row, about=about, hidden=hidden)
            else:
                files.describe(session, bucket, _key(request), about=about, hidden=hidden)
            drafts.touch(session, actor, bucket.record_id, "file-described")
            return _found(ctx, session, bucket, _key(request))

    return _answer(request, await in_thread(request, work))


@_door
async def delete(request: Request) -> Response:
    """DELETE /api/records/{id}/draft/files/{key}: take a file out, or call its transfer off. 204."""
    ctx = context(request)

    def work() -> None:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            bucket = drafts.writable_bucket(session, actor, _id(request))
            row = transfers.find(session, bucket, _key(request))
            if row is not None:
                transfers.give_up(session, [row])
                digests.forget(row.location or "")
            else:
                files.delete_file(session, bucket, _key(request))
            drafts.touch(session, actor, bucket.record_id, "file-deleted")

    await in_thread(request, work)
    return Response(status_code=204)


@_door
async def delete_all(request: Request) -> Response:
    """DELETE /api/records/{id}/draft/files: take all files out, and call all transfers off. 204."""
    ctx = context(request)

    def work() -> None:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            bucket = drafts.writable_bucket(session, actor, _id(request))
            transfers.give_up(session, transfers.rows_of(session, bucket))
            files.delete_all(session, bucket)
            drafts.touch(session, actor, bucket.record_id, "files-deleted")

    await in_thread(request, work)
    return Response(status_code=204)


@_door
async def import_previous(request: Request) -> Response:
    """POST /api/records/{id}/draft/actions/files-import: the files of the version before, without copying a byte. 201."""
    ctx = context(request)

    def work() -> JSON:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            bucket = drafts.writable_bucket(session, actor, _id(request))
            files.import_previous(session, bucket, drafts.previous_version(session, bucket))
            drafts.touch(session, actor, bucket.record_id, "files-imported")
            return _listed(ctx, session, bucket, None)

    return _answer(request, await in_thread(request, work), 201)


# Content ---------------------------------------------------------------------------------------------------


def _check_octets(request: Request) -> None:
    sent = request.headers.get("content-type", OCTETS).partition(";")[0].strip().lower()
    if sent != OCTETS:
        raise Unsupported(f"Invalid 'Content-Type' header. Expected one of: {OCTETS}")


@_door
async def put_content(request: Request) -> Response:
    """PUT /api/records/{id}/draft/files/{key}/content: the raw body becomes the file's content, until the commit."""
    ctx = context(request)
    _check_octets(request)
    size, wanted = upload.announced(request)
    key = _key(request)
    rows: list[AnyRow] = []

    def opening(session: Session, actor: Actor) -> tuple[Bucket, int]:
        bucket = drafts.writable_bucket(session, actor, _id(request))
        row = transfers.require(session, bucket, key)
        if row.type != LOCAL:
            raise Invalid(
                [], f"The file {key} was not announced as a local transfer: its content comes otherwise."
            )
        rows.append(row)
        return bucket, row.held_size or 0

    pending = await upload.accept(
        request, _id(request), key, request.stream(), size=size, digests=wanted, opening=opening
    )

    def work() -> JSON:
        with ctx.db.begin() as session:
            bucket = drafts.still_open(session, pending.bucket)
            transfers.hold(session, rows[0], pending.stored)
            return _found(ctx, session, bucket, key)

    try:
        return _answer(request, await in_thread(request, work))
    except Exception:
        await upload.forget(request, pending)
        raise


@_door
async def content(request: Request) -> Response:
    """GET or HEAD /api/records/{id}/draft/files/{key}/content: the bytes of a completed file."""
    ctx = context(request)

    def work() -> FileView:
        with ctx.db.read() as session:
            bucket = drafts.readable_bucket(session, actor_of(session, request), _id(request))
            if transfers.find(session, bucket, _key(request)) is not None:
                raise NotFound(f"The file {_key(request)} is not complete yet.")
            return files.find(session, bucket, _key(request))

    found = await in_thread(request, work)
    return file_response(
        request,
        found,
        ctx.store,
        attachment=flag(request.query_params.get("download")),
        public=False,
        pool=ctx.blocks,
        accel_prefix=ctx.settings.accel_redirect,
    )


@_door
async def archive(request: Request) -> Response:
    """GET or HEAD /api/records/{id}/draft/files-archive: all completed files of the draft as one zip."""
    ctx = context(request)

    def work() -> tuple[Archive, int]:
        with ctx.db.read() as session:
            bucket = drafts.readable_bucket(session, actor_of(session, request), _id(request))
            listed = files.list_files(session, bucket)
        if not listed:
            raise NotFound("This draft has no files.")
        return Archive.plan(lambda: listed, max(f.updated for f in listed)), bucket.record_id

    planned, some_id = await in_thread(request, work)
    return archive_response(
        request, planned, ctx.store, filename=f"{some_id}.zip", public=False, pool=ctx.blocks
    )


# Parts -----------------------------------------------------------------------------------------------------


async def _begin_parts(request: Request, row: AnyRow) -> str:
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


@_door
async def put_part(request: Request) -> Response:
    """PUT /api/records/{id}/draft/files/{key}/content/{part}: one part (from 1) of a multipart transfer, in any order."""
    ctx = context(request)
    part = int(request.path_params["part"])
    try:
        _check_octets(request)
        size, wanted = upload.announced(request)

        def look() -> tuple[AnyRow, int, int]:
            with ctx.db.read() as session:
                actor = writer(session, request)
                bucket = drafts.writable_bucket(session, actor, _id(request), locked=False)
                row = transfers.require(session, bucket, _key(request))
                transfers.require_multipart(row)
                offset, expected = transfers.part_span(row, part)
                if size is not None and size != expected:
                    raise Incomplete(
                        f"Part {part} of {row.key} must have {expected} bytes, not {size}: nothing was stored."
                    )
                return row, offset, expected

        row, offset, expected = await in_thread(request, look)
        handle = row.handle or await _begin_parts(request, row)
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
    return _answer(request, pending_entry(row, {part: expected}, ctx.settings, only=part))


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


@_door
async def commit(request: Request) -> Response:
    """POST /api/records/{id}/draft/files/{key}/commit: complete a file; repeatable. Large ones may answer `verifying`."""
    ctx = context(request)
    key = _key(request)
    there = await _parts_in_the_store(request) if ctx.settings.s3_direct_parts else None
    remote = bool(ctx.settings.storage_url)

    def work() -> AnyRow | None:
        """The transfer that is to be verified now; None when all is done."""
        with ctx.db.begin() as session:
            actor = writer(session, request)
            bucket = drafts.writable_bucket(session, actor, _id(request))
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
            bucket = drafts.readable_bucket(session, actor_of(session, request), _id(request))
            found = transfers.find(session, bucket, key)
            if found is not None and found.status == FAILED:
                raise Incomplete(found.error)
            return _found(ctx, session, bucket, key)

    return _answer(request, await in_thread(request, look))


async def _parts_in_the_store(request: Request) -> Sequence[tuple[int, str, int]] | None:
    """What came straight to the store for the file to be committed; None where nothing comes that way."""
    ctx = context(request)

    def look() -> AnyRow | None:
        with ctx.db.read() as session:
            actor = writer(session, request)
            bucket = drafts.writable_bucket(session, actor, _id(request), locked=False)
            return transfers.find(session, bucket, _key(request))

    row = await in_thread(request, look)
    if row is None or row.type != MULTIPART or row.handle is None or row.status != PENDING:
        return None
    return await asyncio.to_thread(ctx.store.parts_there, row.location, row.handle)


_FILES = "/api/records/{id}/draft/files"
# A key may hold `/`: what follows it is tried first.
ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", _FILES, listing),
    ("POST", _FILES, announce),
    ("DELETE", _FILES, delete_all),
    ("PUT", _FILES + "/{key:path}/content/{part:int}", put_part),
    ("GET", _FILES + "/{key:path}/content", content),
    ("PUT", _FILES + "/{key:path}/content", put_content),
    ("POST", _FILES + "/{key:path}/commit", commit),
    ("GET", _FILES + "/{key:path}", read),
    ("PUT", _FILES + "/{key:path}", describe),
    ("DELETE", _FILES + "/{key:path}", delete),
    ("POST", "/api/records/{id}/draft/actions/files-import", import_previous),
    ("GET", "/api/records/{id}/draft/files-archive", archive),
]
