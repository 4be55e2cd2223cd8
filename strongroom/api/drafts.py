"""`/api/records/{id}/draft` and what leads to it: the records API's way of writing (api-rdm.md sections 1 and 8).

One record, two doors: these handlers call the same verbs as `api.depositions` and only speak another JSON. Bodies are
InvenioRDM's whatever `Accept` says; answers are Zenodo's shape unless the vendor type is asked for (section 0.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import ACTIONS, WRITE, Actor, require_user
from strongroom.api.records import (
    expansion,
    hits_answer,
    hits_envelope,
    in_shape,
    rdm_answer,
    wants_rdm,
    with_sharing,
)
from strongroom.context import Context
from strongroom.db import Session
from strongroom.errors import Finding, Invalid, NotFound, Unsupported
from strongroom.http import rdm as shapes_rdm
from strongroom.http import shapes
from strongroom.http.deps import (
    actor_of,
    context,
    flag,
    if_match,
    in_thread,
    json_body,
    number,
    writer,
)
from strongroom.http.listing import Paging, search_request
from strongroom.ids import today
from strongroom.metadata import rdm, rocrate
from strongroom.metadata.model import RecordData
from strongroom.records import curation, drafts, queries
from strongroom.records.publish import publish as publish_draft
from strongroom.records.views import FILES_IN_AN_ANSWER, DraftView, RecordView
from strongroom.vocabularies import service as vocabularies

View = DraftView | RecordView
JSON_TYPES = ("application/json", rocrate.MEDIA_TYPE)
_NO_FILES = "Upload at least one file, or say that there are none: files.enabled false."


def _id(request: Request) -> int:
    return number(request.path_params["id"])


async def _body(request: Request) -> Any:
    """The body as JSON. Raises Unsupported for another type, Malformed."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media and media not in ("application/json", "application/ld+json"):
        raise Unsupported(f"Invalid 'Content-Type' header. Expected one of: {', '.join(JSON_TYPES)}")
    return await json_body(request)


def _is_crate(request: Request) -> bool:
    return "ro/crate" in request.headers.get("content-type", "")


def _seen(session: Session, actor: Actor, draft_id: int, most: int | None = None) -> DraftView:
    """The open draft of this id. Raises NotFound, Forbidden."""
    view = drafts.view(session, actor, draft_id, most=most)
    if view is None:
        raise NotFound("The persistent identifier does not exist.")
    return with_sharing(session, actor, view)


def _look(ctx: Context, actor: Actor, draft_id: int) -> DraftView:
    """The draft after a verb, with the first of its files."""
    with ctx.db.read() as session:
        return _seen(session, actor, draft_id, FILES_IN_AN_ANSWER)


def _with_rules(ctx: Context, view: DraftView, errors: list[Finding]) -> list[Finding]:
    """The errors of a saved draft, with that of a DOI under our own prefix that is not its own."""
    settings = ctx.settings
    doi = (view.data.doi or "").lower()
    if doi.startswith(settings.doi_prefix.lower() + "/") and doi != settings.doi(view.id).lower():
        text = rdm.DOI_TAKEN.format(prefix=settings.doi_prefix, site=settings.site_name)
        return [*errors, Finding.of("pids.doi", text)]
    return errors


async def create(request: Request) -> Response:
    """POST /api/records: a new draft, from InvenioRDM's JSON or from an RO-Crate's metadata. 201, with `errors` for what is not publishable yet."""
    ctx = context(request)
    wants_rdm(request)
    body = await _body(request)
    crate = _is_crate(request)

    def work() -> tuple[DraftView, list[Finding]]:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            said, left_out = rocrate.read(body) if crate else (body, [])
            loaded = rdm.load(said, today=today())
            data = vocabularies.resolve(session, loaded.data)
            unknown = vocabularies.missing(session, data)
            made = drafts.create(session, ctx.db, actor, data)
            _order(session, actor, made, body)
        view = _look(ctx, actor, made)
        return view, _with_rules(ctx, view, [*left_out, *loaded.warnings, *unknown])

    view, errors = await in_thread(request, work)
    return rdm_answer(request, view, 201, errors)


def _order(session: Session, actor: Actor, draft_id: int, body: Any) -> None:
    """`files.order`: keys in the order in which the depositor wants them seen."""
    order = (
        body.get("files", {}).get("order")
        if isinstance(body, dict) and isinstance(body.get("files"), dict)
        else None
    )
    if isinstance(order, list) and order:
        drafts.sort_keys(session, actor, draft_id, [str(key) for key in order])


async def read(request: Request) -> Response:
    """GET /api/records/{id}/draft: the open draft. 404 where nothing is open."""
    ctx = context(request)
    wants_rdm(request)

    def work() -> tuple[DraftView, shapes.JSON | None]:
        with ctx.db.read() as session:
            view = _seen(session, actor_of(session, request), _id(request))
            return view, expansion(request, session, view)

    view, expanded = await in_thread(request, work)
    return rdm_answer(request, view, 200, expanded=expanded)


async def update(request: Request) -> Response:
    """PUT /api/records/{id}/draft: replace what the draft says. 200, with `errors`; `If-Match` takes the revision (412)."""
    ctx = context(request)
    wants_rdm(request)
    body = await _body(request)

    def work() -> tuple[DraftView, list[Finding]]:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            row = drafts.lock(session, actor, _id(request))
            drafts.check_revision(row, if_match(request))
            loaded = rdm.load(body, today=today(), before=RecordData.from_json(row.data))
            data = vocabularies.resolve(session, loaded.data)
            unknown = vocabularies.missing(session, data)
            drafts.update_data(session, actor, row.id, data, locked=row)
            if not row.published:
                _order(session, actor, row.id, body)
        view = _look(ctx, actor, _id(request))
        errors = [*loaded.warnings, *unknown]
        if not view.files and not view.data.metadata_only:
            # Not when it is created: nobody can have sent any yet.
            errors = [*errors, Finding.of("files.enabled", "Missing uploaded files.", _NO_FILES)]
        return view, _with_rules(ctx, view, errors)

    view, errors = await in_thread(request, work)
    return rdm_answer(request, view, 200, errors)


async def delete(request: Request) -> Response:
    """DELETE /api/records/{id}/draft: give up an edit, or an unpublished draft with its files. 204."""
    ctx = context(request)

    def work() -> None:
        with ctx.db.begin() as session:
            drafts.discard(session, writer(session, request), _id(request), if_match=if_match(request))

    await in_thread(request, work)
    return Response(status_code=204)


async def _verb(
    request: Request, scope: str, verb: Callable[[Session, Context, Actor], int], status: int
) -> Response:
    """Do a verb that ends with a draft to show."""
    ctx = context(request)
    wants_rdm(request)

    def work() -> DraftView:
        with ctx.db.begin() as session:
            actor = writer(session, request, scope)
            done = verb(session, ctx, actor)
        return _look(ctx, actor, done)

    return rdm_answer(request, await in_thread(request, work), status)


async def edit(request: Request) -> Response:
    """POST /api/records/{id}/draft: open a published record for correction; an open edit is given back. 201."""
    return await _verb(
        request, WRITE, lambda session, ctx, actor: drafts.edit(session, actor, _id(request)), 201
    )


async def new_version(request: Request) -> Response:
    """POST /api/records/{id}/versions: begin the next version, without files until they are imported. 201."""
    return await _verb(
        request,
        WRITE,
        lambda session, ctx, actor: drafts.new_version(
            session, ctx.db, actor, _id(request), with_files=False
        ),
        201,
    )


async def publish(request: Request) -> Response:
    """POST /api/records/{id}/draft/actions/publish: publish the draft, or the edit. 202 with the record; 400 with all that is wrong."""
    ctx = context(request)
    wants_rdm(request)

    def work() -> RecordView:
        with ctx.db.begin() as session:
            actor = writer(session, request, ACTIONS)
            try:
                publish_draft(session, ctx.settings, actor, _id(request))
            except Invalid as error:
                raise Invalid([rdm.in_rdm_words(f) for f in error.findings], error.message) from None
        with ctx.db.read() as session:
            view = queries.by_id(session, actor, _id(request), most=FILES_IN_AN_ANSWER)
            return with_sharing(session, actor, view)

    view = await in_thread(request, work)
    request.app.state.wake()
    return rdm_answer(request, view, 202)


async def reserve(request: Request) -> Response:
    """POST /api/records/{id}/draft/pids/{scheme}: fix the DOI that the draft will have. 201 with the draft."""
    return await _pid(request, drafts.reserve_doi, 201)


async def unreserve(request: Request) -> Response:
    """DELETE /api/records/{id}/draft/pids/{scheme}: give a reserved DOI back. 200 with the draft."""
    return await _pid(request, drafts.drop_doi, 200)


async def _pid(request: Request, verb: Callable[..., None], status: int) -> Response:
    def work(session: Session, ctx: Context, actor: Actor) -> int:
        if request.path_params["scheme"] != "doi":
            raise Invalid.at(
                "pids",
                f"No identifiers of the scheme '{request.path_params['scheme']}' are given here: only doi.",
            )
        verb(session, actor, _id(request), ctx.settings)
        return _id(request)

    return await _verb(request, WRITE, work, status)


async def mine(request: Request) -> Response:
    """GET /api/user/records: one's own drafts and records, and with `shared_with_me=true` those of others; searched as records are."""
    ctx = context(request)
    vendor = wants_rdm(request)

    def work() -> shapes.JSON:
        with ctx.db.read() as session:
            actor = actor_of(session, request)
            require_user(actor)
        paging = Paging.of(request, limit=100)
        asked = search_request(
            request.query_params,
            paging.page,
            paging.size,
            paging.sort or "newest",
            paging.all_versions,
            actor,
        )
        of_others = flag(request.query_params.get("shared_with_me"))
        asked = replace(asked, of_others=of_others)
        published = request.query_params.get("is_published")
        if published is not None:
            asked = replace(asked, status="published" if flag(published) else "draft")
        hits = ctx.search.search("depositions", asked)
        with ctx.db.read() as session:
            # The index may be behind: what is the actor's or shared with him, the database says.
            among = drafts.shared_among if of_others else drafts.owned_among
            owned = among(session, actor, hits.ids)
            opened = drafts.views(session, actor, [i for i in hits.ids if owned.get(i) is True])
            done = {
                v.id: v
                for v in queries.by_ids(
                    session, actor, [i for i in hits.ids if owned.get(i) is False], with_files=True
                )
            }
        views: list[View] = [
            v for i in dict.fromkeys(hits.ids) if (v := opened.get(i) or done.get(i)) is not None
        ]
        shown = [in_shape(v, ctx.settings, vendor) for v in views]
        return hits_envelope(request, "user/records", paging, shown, hits)

    return hits_answer(await in_thread(request, work), vendor)


# revisions, moderation ------------------------------------------------------------------------------------


async def revisions(request: Request) -> Response:
    """GET /api/records/{id}/revisions: all that its metadata ever said, newest first; for its managers."""
    ctx = context(request)

    def work() -> list[shapes.JSON]:
        with ctx.db.read() as session:
            found = queries.revisions(session, actor_of(session, request), _id(request))
            return [shapes_rdm.revision(r, ctx.settings) for r in reversed(found)]

    return _plain(await in_thread(request, work))


async def revision(request: Request) -> Response:
    """GET /api/records/{id}/revisions/{n}: one of them."""
    ctx = context(request)

    def work() -> shapes.JSON:
        with ctx.db.read() as session:
            wanted = number(request.path_params["n"])
            for found in queries.revisions(session, actor_of(session, request), _id(request)):
                if found.revision == wanted:
                    return shapes_rdm.revision(found, ctx.settings)
        raise NotFound(f"There is no revision {request.path_params['n']} of this record.")

    return _plain(await in_thread(request, work))


def _plain(body: Any, status: int = 200) -> Response:
    return Response(
        orjson.dumps(body), status, {"Cache-Control": "private, no-store"}, media_type="application/json"
    )


async def withdraw(request: Request) -> Response:
    """DELETE /api/records/{id}/delete: a moderator takes the record away and leaves a tombstone. 204."""
    ctx = context(request)
    body = await _body(request)

    def work() -> None:
        with ctx.db.begin() as session:
            actor = writer(session, request, ACTIONS)
            said = _removal(body) if actor.is_admin else {}
            curation.withdraw(
                session,
                ctx.settings,
                actor,
                _id(request),
                said.get("removal_reason", {}).get("id", ""),
                said.get("note") or "",
                citation=said.get("citation_text"),
                is_visible=said.get("is_visible", True),
            )

    await in_thread(request, work)
    request.app.state.wake()
    return Response(status_code=204)


def _removal(body: Any) -> dict[str, Any]:
    """The body of a withdrawal. Raises Invalid with all that is wrong."""
    if not isinstance(body, dict):
        raise Invalid.at("_schema", "Invalid input type. The body must be a JSON object.")
    findings = []
    reason = body.get("removal_reason", {})
    if not isinstance(reason, dict) or not isinstance(reason.get("id", ""), str):
        findings.append(
            Finding.of("removal_reason", 'Not a valid reason: send {"id": "spam"}, for instance.')
        )
    for name in ("note", "citation_text"):
        if not isinstance(body.get(name, ""), str | None):
            findings.append(Finding.of(name, "Not a valid string."))
    if not isinstance(body.get("is_visible", True), bool):
        findings.append(Finding.of("is_visible", "Not a valid boolean."))
    if findings:
        raise Invalid(findings)
    return body


async def restore(request: Request) -> Response:
    """POST /api/records/{id}/restore: a moderator brings a withdrawn record back. 200 with the record."""
    ctx = context(request)

    def work() -> RecordView:
        with ctx.db.begin() as session:
            actor = writer(session, request, ACTIONS)
            curation.restore(session, ctx.settings, actor, _id(request))
        with ctx.db.read() as session:
            view = queries.by_id(session, actor, _id(request), most=FILES_IN_AN_ANSWER)
            return with_sharing(session, actor, view)

    view = await in_thread(request, work)
    request.app.state.wake()
    settings = ctx.settings
    return _plain(shapes_rdm.record(view, settings, today(), ui=False))


# auxiliary files: none here ------------------------------------------------------------------------------


async def draft_media_files(request: Request) -> Response:
    """GET /api/records/{id}/draft/media-files: auxiliary files, which are not offered: `enabled` is false."""
    ctx = context(request)

    def work() -> None:
        with ctx.db.read() as session:
            _seen(session, actor_of(session, request), _id(request), most=1)

    await in_thread(request, work)
    return _media_files(request, draft=True)


async def media_files(request: Request) -> Response:
    """GET /api/records/{id}/media-files: auxiliary files, which are not offered: `enabled` is false."""
    ctx = context(request)

    def work() -> None:
        with ctx.db.read() as session:
            queries.by_id(session, actor_of(session, request), _id(request), with_files=False)

    await in_thread(request, work)
    return _media_files(request, draft=False)


def _media_files(request: Request, *, draft: bool) -> Response:
    answer = _plain(shapes_rdm.media_files(_id(request), context(request).settings, draft=draft))
    if wants_rdm(request):
        answer.headers["Content-Type"] = shapes_rdm.MEDIA_TYPE
    return answer
