"""Bytes of published files, for the API's doors and the pages': look up, decide, stream."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from strongroom.errors import Forbidden, NotFound
from strongroom.files import service as files
from strongroom.files.views import FileView
from strongroom.http.archive import Archive, archive_response
from strongroom.http.deps import actor_of, context, has_credentials, in_loop_or_thread, in_thread
from strongroom.http.transfer import file_response
from strongroom.records import queries
from strongroom.records.views import RecordView


async def content_of(request: Request, record_id: int, key: str, *, attachment: bool) -> Response:
    """One file of a published record. Raises NotFound, Gone, Forbidden."""
    ctx = context(request)

    def work() -> tuple[FileView, bool]:
        with ctx.db.read() as session:
            actor = actor_of(session, request)
            bucket = queries.bucket(session, actor, record_id)
            found = files.find(session, bucket, key)
            return found, not has_credentials(request) and queries.files_open_to_all(session, record_id)

    found, public = await in_loop_or_thread(request, work)
    return file_response(
        request,
        found,
        ctx.store,
        attachment=attachment,
        public=public,
        pool=ctx.blocks,
        accel_prefix=ctx.settings.accel_redirect,
    )


async def archive_of(request: Request, record_id: int, prefix: str = "", site: str = "") -> Response:
    """All files of a published record as one zip, or those whose key begins with `prefix`, a folder.

    The zip is called `{id}.zip`, as clients of the API expect, or `{site}-{id}.zip`. Raises NotFound, Gone, Forbidden.
    """
    ctx = context(request)

    def work() -> tuple[RecordView, bool]:
        with ctx.db.read() as session:
            view = queries.by_id(session, actor_of(session, request), record_id)
            return view, not has_credentials(request) and queries.files_open_to_all(session, view.id)

    view, public = await in_thread(request, work)
    if view.files is None:
        raise Forbidden()
    if not view.files:
        raise NotFound("This record has no files.")
    listed = [f for f in view.files if f.key.startswith(prefix)] if prefix else view.files
    if not listed:
        raise NotFound("This record has no folder of this name.")
    archive = await in_thread(request, Archive.plan, lambda: listed, view.created)
    name = f"{site}-{view.id}" if site else str(view.id)
    return archive_response(
        request,
        archive,
        ctx.store,
        filename=f"{name}-{prefix.strip('/').rpartition('/')[2]}.zip" if prefix else f"{name}.zip",
        public=public,
        pool=ctx.blocks,
    )
