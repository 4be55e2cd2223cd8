"""`/api/records/{id}/draft/files`: the files of a draft in the records API (api-rdm.md section 2).

Three steps bring a file in: announce it, send its content (whole, or in parts), commit. Until the commit it is a
transfer; after it, an object in the same bucket that the deposit API shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor
from strongroom.api import parts
from strongroom.api.file_entries import (
    JSON,
    check_octets,
    entry,
    entry_of,
    file_list,
    id_of,
    key_of,
    pending,
    pending_entry,
    record_entry,
    urls,
)
from strongroom.context import Context
from strongroom.db import AnyRow, Session
from strongroom.errors import Finding, Invalid, NotFound
from strongroom.files import digests, fetch, transfers
from strongroom.files import service as files
from strongroom.files.service import Bucket
from strongroom.files.transfers import FETCH, LOCAL, MULTIPART, PENDING, Wanted
from strongroom.files.views import FileView
from strongroom.http import upload
from strongroom.http.archive import Archive, archive_response
from strongroom.http.deps import actor_of, context, flag, in_thread, json_answer, json_body, writer
from strongroom.http.transfer import file_response, guess_type
from strongroom.records import drafts, queries
from strongroom.settings import Settings

Handler = Callable[[Request], Awaitable[Response]]

WHOLE_LIST = 1000
"""Entries up to which announcing answers with the whole list; above, with what was announced just now."""
PAGE_MAX = 1000


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
    entries = [entry(f, some_id, ctx.settings) for f in done] + pending(ctx, session, rows)
    body = file_list(entries, some_id, ctx.settings, count)
    if page is not None:
        body["page"] = page.number
        body["links"] |= page.links(body["links"]["self"], count)
    if bucket.file_order and page is None:
        body |= {"order": [f.key for f in done], "default_preview": done[0].key if done else None}
    return body


async def listing(request: Request) -> Response:
    """GET /api/records/{id}/draft/files: all files of the draft, or (with `page` and `size`) one page of them."""
    ctx = context(request)
    page = _Page.of(request)

    def work() -> JSON:
        with ctx.db.read() as session:
            bucket = drafts.readable_bucket(session, actor_of(session, request), id_of(request))
            return _listed(ctx, session, bucket, page)

    return json_answer(request, await in_thread(request, work))


async def record_listing(request: Request) -> Response:
    """GET /api/records/{id}/files: all files of a record, or (with `page` and `size`) one page of them."""
    ctx = context(request)
    page = _Page.of(request)

    def work() -> JSON:
        with ctx.db.read() as session:
            bucket = queries.bucket(session, actor_of(session, request), id_of(request))
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

    return json_answer(request, await in_thread(request, work))


# Announcing ------------------------------------------------------------------------------------------------


async def announce(request: Request) -> Response:
    """POST /api/records/{id}/draft/files: announce files, any number at once; each then gets its content and a commit."""
    ctx = context(request)
    sent = await json_body(request)
    wanted = _wanted(sent, ctx.settings)
    free = await asyncio.to_thread(ctx.store.free) if any(w.type == MULTIPART for w in wanted) else None

    def work() -> Sequence[AnyRow]:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            bucket = drafts.writable_bucket(session, actor, id_of(request))
            assert actor.user_id is not None
            transfers.announce(session, bucket, actor.user_id, wanted, ctx.settings, ctx.store, free)
            if wanted:
                drafts.touch(session, actor, bucket.record_id, "files-announced")
            new = [w.key for w in wanted if w.type == MULTIPART]
            return transfers.rows_of(session, bucket, keys=new) if new else []

    for row in await in_thread(request, work):
        await parts.begin(request, row)
    if any(w.type == FETCH for w in wanted):
        request.app.state.wake()

    def look() -> JSON:
        with ctx.db.read() as session:
            bucket = drafts.readable_bucket(session, actor_of(session, request), id_of(request))
            stored, _ = files.measure(session, bucket.concept_id, bucket.version)
            count = stored + transfers.count(session, bucket)
            if count <= WHOLE_LIST:
                return _listed(ctx, session, bucket, None)
            rows = transfers.rows_of(session, bucket, keys=[w.key for w in wanted])
            return file_list(pending(ctx, session, rows), bucket.record_id, ctx.settings, count)

    return json_answer(request, await in_thread(request, look), 201)


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


async def read(request: Request) -> Response:
    """GET /api/records/{id}/draft/files/{key}: what is known of one file; of one sent in parts, which are here."""
    ctx = context(request)

    def work() -> JSON | AnyRow:
        with ctx.db.read() as session:
            bucket = drafts.readable_bucket(session, actor_of(session, request), id_of(request))
            row = transfers.find(session, bucket, key_of(request))
            if row is not None and row.handle and row.status == PENDING and ctx.settings.s3_direct_parts:
                return row
            return entry_of(ctx, session, bucket, key_of(request))

    found = await in_thread(request, work)
    if not isinstance(found, dict):
        # Only the store knows which parts came.
        there = await asyncio.to_thread(ctx.store.parts_there, found.location, found.handle)
        found = pending_entry(found, {n: size for n, _, size in there}, ctx.settings, urls(ctx))
    return json_answer(request, found)


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
            bucket = drafts.writable_bucket(session, actor, id_of(request))
            row = transfers.find(session, bucket, key_of(request))
            if row is not None:
                transfers.describe(session, row, about=about, hidden=hidden)
            else:
                files.describe(session, bucket, key_of(request), about=about, hidden=hidden)
            drafts.touch(session, actor, bucket.record_id, "file-described")
            return entry_of(ctx, session, bucket, key_of(request))

    return json_answer(request, await in_thread(request, work))


async def delete(request: Request) -> Response:
    """DELETE /api/records/{id}/draft/files/{key}: take a file out, or call its transfer off. 204."""
    ctx = context(request)

    def work() -> None:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            bucket = drafts.writable_bucket(session, actor, id_of(request))
            row = transfers.find(session, bucket, key_of(request))
            if row is not None:
                transfers.give_up(session, [row])
                digests.forget(row.location or "")
            else:
                files.delete_file(session, bucket, key_of(request))
            drafts.touch(session, actor, bucket.record_id, "file-deleted")

    await in_thread(request, work)
    return Response(status_code=204)


async def delete_all(request: Request) -> Response:
    """DELETE /api/records/{id}/draft/files: take all files out, and call all transfers off. 204."""
    ctx = context(request)

    def work() -> None:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            bucket = drafts.writable_bucket(session, actor, id_of(request))
            transfers.give_up(session, transfers.rows_of(session, bucket))
            files.delete_all(session, bucket)
            drafts.touch(session, actor, bucket.record_id, "files-deleted")

    await in_thread(request, work)
    return Response(status_code=204)


async def import_previous(request: Request) -> Response:
    """POST /api/records/{id}/draft/actions/files-import: the files of the version before, without copying a byte. 201."""
    ctx = context(request)

    def work() -> JSON:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            bucket = drafts.writable_bucket(session, actor, id_of(request))
            files.import_previous(session, bucket, drafts.previous_version(session, bucket))
            drafts.touch(session, actor, bucket.record_id, "files-imported")
            return _listed(ctx, session, bucket, None)

    return json_answer(request, await in_thread(request, work), 201)


# Content ---------------------------------------------------------------------------------------------------


async def put_content(request: Request) -> Response:
    """PUT /api/records/{id}/draft/files/{key}/content: the raw body becomes the file's content, until the commit."""
    ctx = context(request)
    check_octets(request)
    size, wanted = upload.announced(request)
    key = key_of(request)
    rows: list[AnyRow] = []

    def opening(session: Session, actor: Actor) -> tuple[Bucket, int]:
        bucket = drafts.writable_bucket(session, actor, id_of(request))
        row = transfers.require(session, bucket, key)
        if row.type != LOCAL:
            raise Invalid(
                [], f"The file {key} was not announced as a local transfer: its content comes otherwise."
            )
        rows.append(row)
        return bucket, row.held_size or 0

    pending = await upload.accept(
        request, id_of(request), key, request.stream(), size=size, digests=wanted, opening=opening
    )

    def work() -> JSON:
        with ctx.db.begin() as session:
            bucket = drafts.still_open(session, pending.bucket)
            transfers.hold(session, rows[0], pending.stored)
            return entry_of(ctx, session, bucket, key)

    try:
        return json_answer(request, await in_thread(request, work))
    except Exception:
        await upload.forget(request, pending)
        raise


async def content(request: Request) -> Response:
    """GET or HEAD /api/records/{id}/draft/files/{key}/content: the bytes of a completed file."""
    ctx = context(request)

    def work() -> FileView:
        with ctx.db.read() as session:
            bucket = drafts.readable_bucket(session, actor_of(session, request), id_of(request))
            if transfers.find(session, bucket, key_of(request)) is not None:
                raise NotFound(f"The file {key_of(request)} is not complete yet.")
            return files.find(session, bucket, key_of(request))

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


async def archive(request: Request) -> Response:
    """GET or HEAD /api/records/{id}/draft/files-archive: all completed files of the draft as one zip."""
    ctx = context(request)

    def work() -> tuple[Archive, int]:
        with ctx.db.read() as session:
            bucket = drafts.readable_bucket(session, actor_of(session, request), id_of(request))
            listed = files.list_files(session, bucket)
        if not listed:
            raise NotFound("This draft has no files.")
        return Archive.plan(lambda: listed, max(f.updated for f in listed)), bucket.record_id

    planned, some_id = await in_thread(request, work)
    return archive_response(
        request, planned, ctx.store, filename=f"{some_id}.zip", public=False, pool=ctx.blocks
    )


_FILES = "/api/records/{id}/draft/files"
# A key may hold `/`: what follows it is tried first.
ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", _FILES, listing),
    ("POST", _FILES, announce),
    ("DELETE", _FILES, delete_all),
    ("PUT", _FILES + "/{key:path}/content/{part:int}", parts.put_part),
    ("GET", _FILES + "/{key:path}/content", content),
    ("PUT", _FILES + "/{key:path}/content", put_content),
    ("POST", _FILES + "/{key:path}/commit", parts.commit),
    ("GET", _FILES + "/{key:path}", read),
    ("PUT", _FILES + "/{key:path}", describe),
    ("DELETE", _FILES + "/{key:path}", delete),
    ("POST", "/api/records/{id}/draft/actions/files-import", import_previous),
    ("GET", "/api/records/{id}/draft/files-archive", archive),
]
