"""`/api/deposit/depositions`: Zenodo's deposit API (api-legacy.md sections 3 to 5 and 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import ACTIONS, Actor, require_edit, require_user
from strongroom.context import Context
from strongroom.db import Session
from strongroom.errors import Finding, Invalid, NotFound
from strongroom.files import service as files
from strongroom.files.keys import safe_form_name
from strongroom.http import shapes, upload
from strongroom.http.deprecation import deprecated
from strongroom.http.deps import (
    actor_of,
    body_stream,
    context,
    if_match,
    in_thread,
    json_answer,
    json_body,
    number,
    writer,
)
from strongroom.http.forms import FilePart, parse_form
from strongroom.http.listing import Paging
from strongroom.ids import today
from strongroom.metadata import legacy
from strongroom.metadata.model import RecordData
from strongroom.records import drafts, queries
from strongroom.records.publish import publish as publish_draft
from strongroom.records.views import FILES_IN_AN_ANSWER, DraftView, RecordView
from strongroom.search.index import SearchRequest
from strongroom.vocabularies import service as vocabularies

# What our own answers hold beside `metadata`: sent back to us they say nothing new.
DUMP_ONLY = frozenset(
    [
        "created",
        "modified",
        "updated",
        "id",
        "recid",
        "conceptrecid",
        "doi",
        "conceptdoi",
        "doi_url",
        "title",
        "links",
        "record_id",
        "record_url",
        "owner",
        "owners",
        "files",
        "files_truncated",
        "files_count",
        "files_pages",
        "state",
        "submitted",
        "warnings",
        "revision",
        "stats",
        "status",
        "swh",
    ]
)


def _data(
    body: Any, ctx: Context, before: RecordData | None = None
) -> tuple[RecordData | None, list[Finding]]:
    """The metadata of a request's body; None when it has none. Raises Invalid."""
    if not isinstance(body, dict):
        raise Invalid.at("_schema", 'The body must be a JSON object: {"metadata": {…}}.')
    unknown = [k for k in body if k != "metadata" and k not in DUMP_ONLY]
    if unknown:
        raise Invalid([Finding.of(str(k), "Unknown field.") for k in unknown])
    if "metadata" not in body:
        return None, []
    loaded = legacy.load(body["metadata"], today=today(), site=ctx.settings.site_name, before=before)
    return loaded.data, loaded.warnings


def _see(
    session: Session, actor: Actor, deposition_id: int, most: int | None = None
) -> DraftView | RecordView:
    """The deposition of this id: its open draft, else its published record. Raises NotFound, Forbidden, Gone."""
    require_user(actor)
    draft = drafts.view(session, actor, deposition_id, most=most)
    if draft is not None:
        return draft
    try:
        record = queries.by_id(session, actor, deposition_id, most=most)
    except NotFound:
        raise NotFound("The persistent identifier does not exist.") from None
    require_edit(actor, record)
    return record


def _look(ctx: Context, actor: Actor, deposition_id: int) -> DraftView | RecordView:
    """The deposition after a verb, with the first of its files. Read when the writing is done: it keeps nobody waiting."""
    with ctx.db.read() as session:
        return _see(session, actor, deposition_id, FILES_IN_AN_ANSWER)


def _answer(
    request: Request, view: DraftView | RecordView, status: int, warnings: list[Finding] | None = None
) -> Response:
    if warnings and isinstance(view, DraftView):
        view = replace(view, warnings=warnings)
    body = shapes.deposition(view, context(request).settings, today())
    return json_answer(request, body, status, {"ETag": f'"{view.revision}"', "Cache-Control": "no-store"})


async def _verb(
    request: Request, scope: str, verb: Callable[[Session, Context, Actor], int], status: int
) -> Response:
    """Do one verb that ends with a deposition to show."""
    ctx = context(request)

    def work() -> DraftView | RecordView:
        with ctx.db.begin() as session:
            actor = writer(session, request, scope)
            done = verb(session, ctx, actor)
        return _look(ctx, actor, done)

    return _answer(request, await in_thread(request, work), status)


def _id(request: Request) -> int:
    return number(request.path_params["id"])


async def create(request: Request) -> Response:
    """POST /api/deposit/depositions: a new draft. 201."""
    ctx = context(request)
    body = await json_body(request)

    def work() -> tuple[DraftView | RecordView, list[Finding]]:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            data, warnings = _data(body, ctx)
            data = vocabularies.resolve(session, data or RecordData())
            made = drafts.create(session, ctx.db, actor, data)
        return _look(ctx, actor, made), warnings

    view, warnings = await in_thread(request, work)
    return _answer(request, view, 201, warnings)


async def read(request: Request) -> Response:
    """GET /api/deposit/depositions/{id}: its open draft, else its published record."""
    ctx = context(request)

    def work() -> DraftView | RecordView:
        with ctx.db.read() as session:
            return _see(session, actor_of(session, request), _id(request))

    return _answer(request, await in_thread(request, work), 200)


async def update(request: Request) -> Response:
    """PUT /api/deposit/depositions/{id}: replace all metadata of the open draft. 200."""
    ctx = context(request)
    body = await json_body(request)
    wanted = if_match(request)

    def work() -> tuple[DraftView | RecordView, list[Finding]]:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            locked = drafts.lock(session, actor, _id(request))
            drafts.check_revision(locked, wanted)  # also where the body says nothing of metadata
            before = RecordData.from_json(locked.data)
            data, warnings = _data(body, ctx, before)
            if data is not None:
                rights = data.metadata.rights
                data = vocabularies.resolve(session, legacy.keep(before, data, body["metadata"]))
                if data.metadata.rights[:1] != rights[:1]:  # the default that it speaks of was not taken
                    warnings = [w for w in warnings if w.field != "metadata.license"]
                drafts.update_data(session, actor, locked.id, data, locked=locked)
        return _look(ctx, actor, _id(request)), warnings

    view, warnings = await in_thread(request, work)
    return _answer(request, view, 200, warnings)


async def delete(request: Request) -> Response:
    """DELETE /api/deposit/depositions/{id}: give the open draft up. 204; 404 for a published record."""
    ctx = context(request)

    def work() -> None:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            drafts.discard(session, actor, _id(request))

    await in_thread(request, work)
    return Response(status_code=204)


async def publish(request: Request) -> Response:
    """POST …/actions/publish: 202 with the published deposition."""

    def verb(session: Session, ctx: Context, actor: Actor) -> int:
        return publish_draft(session, ctx.settings, actor, _id(request))

    answer = await _verb(request, ACTIONS, verb, 202)
    request.app.state.wake()
    return answer


async def edit(request: Request) -> Response:
    """POST …/actions/edit: 201 with the open edit."""
    return await _verb(
        request, ACTIONS, lambda session, ctx, actor: drafts.edit(session, actor, _id(request)), 201
    )


async def new_version(request: Request) -> Response:
    """POST …/actions/newversion: 201 with the draft of the next version."""
    return await _verb(
        request,
        ACTIONS,
        lambda session, ctx, actor: drafts.new_version(session, ctx.db, actor, _id(request)),
        201,
    )


async def discard(request: Request) -> Response:
    """POST …/actions/discard: 201 with the deposition as it is now; 204 when the draft is gone for good."""
    ctx = context(request)

    def work() -> DraftView | RecordView | None:
        with ctx.db.begin() as session:
            actor = writer(session, request, ACTIONS)
            was_edit = drafts.discard(session, actor, _id(request))
        return _look(ctx, actor, _id(request)) if was_edit else None

    view = await in_thread(request, work)
    if view is None or ctx.settings.discard_status == 204:
        return Response(status_code=204)
    return _answer(request, view, 201)


async def listing(request: Request) -> Response:
    """GET /api/deposit/depositions: the actor's own, newest first, as an array (section 3.1)."""
    ctx = context(request)
    query = request.query_params.get("q", "").strip()

    def work() -> list[shapes.JSON]:
        with ctx.db.read() as session:
            actor = actor_of(session, request)
            require_user(actor)
            paging = Paging.of(request, limit=100)
            if query:
                ids = _search(session, ctx, actor, query, paging)
            else:
                ids = drafts.list_ids(
                    session,
                    actor,
                    status=paging.status,
                    all_versions=paging.all_versions,
                    oldest_first=paging.ascending,
                    by_updated=paging.by_updated,
                    offset=paging.offset,
                    limit=paging.size,
                )
            found: dict[int, DraftView | RecordView] = {
                **drafts.views(session, actor, [i for i, is_draft in ids if is_draft])
            }
            done = [i for i, is_draft in ids if not is_draft]
            found |= {v.id: v for v in queries.by_ids(session, actor, done, with_files=True)}
            return [shapes.deposition(found[i], ctx.settings, today()) for i, _ in ids if i in found]

    return json_answer(request, await in_thread(request, work), headers={"Cache-Control": "no-store"})


def _search(
    session: Session, ctx: Context, actor: Actor, query: str, paging: Paging
) -> list[tuple[int, bool]]:
    """Ids of the actor's depositions that match, each with whether it is an open draft."""
    hits = ctx.search.search(
        "depositions",
        SearchRequest(
            q=query,
            page=paging.page,
            size=paging.size,
            sort=paging.sort,
            all_versions=paging.all_versions,
            viewer=actor.user_id,
            mine=True,
            status=paging.status or "",
            facets=False,
        ),
    )
    # The index may be behind: what is the actor's, and in which state, the database says.
    owned = drafts.owned_among(session, actor, hits.ids)
    return [(i, owned[i]) for i in dict.fromkeys(hits.ids) if i in owned]


# files ---------------------------------------------------------------------------------------------------

_old_file_api = deprecated(
    "`/api/deposit/depositions/{id}/files` and `/files/{file_id}`",
    date(2026, 11, 22),
    "Files are sent to the bucket (`links.bucket`, `PUT /api/files/{bucket}/{key}`), which takes them of any size and as "
    "they are; they are described, and sent in parts, at `/api/records/{id}/draft/files`. No end is planned.",
)


@_old_file_api
async def list_files(request: Request) -> Response:
    """GET …/files: all files."""
    ctx = context(request)

    def work() -> list[shapes.JSON]:
        with ctx.db.read() as session:
            view = _see(session, actor_of(session, request), _id(request))
        return shapes.deposition_files(view, ctx.settings)

    return json_answer(request, await in_thread(request, work))


@_old_file_api
async def read_file(request: Request) -> Response:
    """GET …/files/{file_id}: one file."""
    ctx = context(request)

    def work() -> shapes.JSON:
        with ctx.db.read() as session:
            actor = actor_of(session, request)
            require_user(actor)
            # An edit has the bucket of its record.
            draft = drafts.view_bucket(session, actor, _id(request))
            bucket = draft or queries.bucket(session, actor, _id(request))
            require_edit(actor, bucket)
            found = files.find_by_id(session, bucket, request.path_params["file_id"])
        return shapes.deposition_file(found, bucket.record_id, bucket.id, draft is None, ctx.settings)

    return json_answer(request, await in_thread(request, work))


@_old_file_api
async def add_file(request: Request) -> Response:
    """POST …/files: multipart/form-data with the part `file` and the field `name`, in any order. 201."""
    ctx = context(request)
    media = request.headers.get("content-type", "")
    if not media.lower().startswith("multipart/form-data"):
        await upload.drain(request.stream())

        def may() -> None:
            with ctx.db.begin() as session:
                actor = writer(session, request)
                drafts.open_bucket(session, actor, _id(request))

        await in_thread(request, may)
        raise Invalid.at("file", "Send the file as multipart/form-data, in a part named file.")

    # Fields may come after the file, so the bytes get their name when the whole form was read.
    pending: list[tuple[upload.Pending, str]] = []

    async def on_file(part: FilePart) -> None:
        if part.name != "file" or pending:
            await upload.drain(part.chunks, limit=1 << 40)
            return
        came = await upload.accept(request, _id(request), None, part.chunks, size=None, digests={})
        pending.append((came, part.filename or ""))

    try:
        form = await parse_form(body_stream(request), media, on_file)
        if not pending:
            raise Invalid.at("file", "Missing data for required field. Send the file in a part named file.")
        name = safe_form_name(form.fields.get("name") or pending[0][1])
    except BaseException:
        for came, _ in pending:
            await upload.forget(request, came)
        raise
    done = await upload.attach(request, pending[0][0], name, may_replace=False)

    body = shapes.deposition_file(done.file, _id(request), done.bucket.id, False, ctx.settings)
    if done.warnings:
        body["warnings"] = [w.as_json() for w in done.warnings]
    return json_answer(request, body, 201)


@_old_file_api
async def sort_files(request: Request) -> Response:
    """PUT …/files: `[{"id": …}, …]` names every file once, in the new order. 200 with the list."""
    ctx = context(request)
    body = await json_body(request)

    def work() -> list[shapes.JSON]:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            drafts.open_bucket(session, actor, _id(request))
            if not isinstance(body, list) or not all(isinstance(i, dict) and "id" in i for i in body):
                raise Invalid.at("id", 'The body must be a list of objects with an "id" each.')
            drafts.sort_files(session, actor, _id(request), [str(i["id"]) for i in body])
            view = _see(session, actor, _id(request))
            return shapes.deposition_files(view, ctx.settings)

    return json_answer(request, await in_thread(request, work))


@_old_file_api
async def rename_file(request: Request) -> Response:
    """PUT …/files/{file_id}: `{"filename": …}` (or `name`). 200 with the file."""
    ctx = context(request)
    body = await json_body(request)

    def work() -> shapes.JSON:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            bucket = drafts.open_bucket(session, actor, _id(request))
            name = body.get("filename", body.get("name")) if isinstance(body, dict) else None
            if not isinstance(name, str) or not name:
                raise Invalid.at("filename", 'The body must be an object with the new name: {"filename": …}.')
            file = files.rename(session, bucket, request.path_params["file_id"], name)
            drafts.touch(session, actor, _id(request), "file-renamed")
            return shapes.deposition_file(file, bucket.record_id, bucket.id, False, ctx.settings)

    return json_answer(request, await in_thread(request, work))


@_old_file_api
async def delete_file(request: Request) -> Response:
    """DELETE …/files/{file_id}: 204; 403 on a published record."""
    ctx = context(request)

    def work() -> None:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            bucket = drafts.open_bucket(session, actor, _id(request))
            found = files.find_by_id(session, bucket, request.path_params["file_id"])
            files.delete_file(session, bucket, found.key)
            drafts.touch(session, actor, _id(request), "file-deleted")

    await in_thread(request, work)
    return Response(status_code=204)
