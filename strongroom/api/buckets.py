"""`/api/files/{bucket}`: the files of a draft or record by key (api-legacy.md section 6)."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response

from strongroom.db import Session
from strongroom.errors import Forbidden, Invalid, NotFound, Unauthenticated
from strongroom.files import quotas
from strongroom.files import service as files
from strongroom.files.service import Bucket
from strongroom.files.views import FileView
from strongroom.http import shapes, upload
from strongroom.http.deps import actor_of, context, flag, has_credentials, in_thread, json_answer, writer
from strongroom.http.transfer import file_response
from strongroom.ids import iso
from strongroom.records import drafts, queries


async def put(request: Request) -> Response:
    """PUT /api/files/{bucket}/{key}: the raw body becomes the file; an existing key is replaced. 201."""
    size, digests = upload.announced(request)
    record_id = upload.bucket_record(request.path_params["bucket"])
    _check_utf8(request)
    done = await upload.store(
        request,
        record_id,
        request.path_params["key"],
        request.stream(),
        size=size,
        digests=digests,
    )
    settings = context(request).settings
    body = shapes.bucket_object(done.file, done.bucket.id, settings)
    if done.warnings:
        body["warnings"] = [w.as_json() for w in done.warnings]
    return json_answer(request, body, 201, {"ETag": f'"sha256:{done.file.sha256}"'})


def _check_utf8(request: Request) -> None:
    """Servers decode paths as best they can, so that a name in Latin-1 would be stored with its letters lost."""
    try:
        unquote_to_bytes(request.scope.get("raw_path") or b"").decode()
    except UnicodeDecodeError:
        raise Invalid.at("key", "A file name must be valid UTF-8.") from None


def readable(session: Session, request: Request, record_id: int) -> tuple[Bucket, bool]:
    """The bucket of a draft (for its owner) or record whose files may be read; whether it is open.

    What may not be read does not exist here: Invenio's buckets hide behind 404. Raises NotFound, Gone.
    """
    actor = actor_of(session, request)
    try:
        draft = drafts.view_bucket(session, actor, record_id)
        if draft is not None:
            return draft, draft.open
        return queries.bucket(session, actor, record_id), False
    except (Forbidden, Unauthenticated):
        raise NotFound("Bucket does not exist.") from None


async def get(request: Request) -> Response:
    """GET or HEAD /api/files/{bucket}/{key}: the bytes."""
    ctx = context(request)
    record_id = upload.bucket_record(request.path_params["bucket"])

    def find() -> tuple[FileView, bool]:
        with ctx.db.read() as session:
            bucket, _ = readable(session, request, record_id)
            public = not has_credentials(request) and queries.files_open_to_all(session, record_id)
            return files.find(session, bucket, request.path_params["key"]), public

    found, public = await in_thread(request, find)
    return file_response(
        request,
        found,
        ctx.store,
        attachment=flag(request.query_params.get("download")),
        public=public,
        pool=ctx.blocks,
        accel_prefix=ctx.settings.accel_redirect,
    )


async def delete(request: Request) -> Response:
    """DELETE /api/files/{bucket}/{key}: take the file out of an open draft. 204."""
    ctx = context(request)
    record_id = upload.bucket_record(request.path_params["bucket"])

    def work() -> None:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            bucket = drafts.open_bucket(session, actor, record_id)
            files.delete_file(session, bucket, request.path_params["key"])
            drafts.touch(session, actor, record_id, "file-deleted")

    await in_thread(request, work)
    return Response(status_code=204)


async def listing(request: Request) -> Response:
    """GET or HEAD /api/files/{bucket}: what is in it."""
    ctx = context(request)
    record_id = upload.bucket_record(request.path_params["bucket"])

    def work() -> shapes.JSON:
        with ctx.db.read() as session:
            bucket, is_open = readable(session, request, record_id)
            found = files.list_files(session, bucket)
            created, updated = drafts.times(session, record_id)
            limits = quotas.limits_of(session, bucket.concept_id, bucket.owner_id, ctx.settings)
            times = (iso(created), iso(updated))
            return shapes.bucket(record_id, *times, not is_open, found, limits, ctx.settings)

    return json_answer(request, await in_thread(request, work))
