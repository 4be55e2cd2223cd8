"""`/api/records`: published records and their files in Zenodo's JSON (api-legacy.md section 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor
from strongroom.accounts import service as accounts
from strongroom.api.file_entries import record_entry
from strongroom.db import Session
from strongroom.errors import Finding, Invalid, NotAcceptable
from strongroom.files import service as files
from strongroom.http import citations, rdm, representations, shapes
from strongroom.http.caching import VARY, Ready, conditional, encoded, headers_for
from strongroom.http.deps import (
    actor_of,
    context,
    flag,
    has_credentials,
    in_loop_or_thread,
    in_thread,
    json_answer,
    number,
    who,
)
from strongroom.http.downloads import archive_of, content_of
from strongroom.http.listing import Paging, search_request
from strongroom.ids import today
from strongroom.records import queries
from strongroom.records.views import DraftView, RecordView, Sharing
from strongroom.settings import Settings
from strongroom.sharing import service as sharing

V = TypeVar("V", DraftView, RecordView)


def _id(request: Request) -> int:
    return number(request.path_params["id"])


def _redirect(request: Request, record_id: int, status: int, tail: str = "") -> Response:
    url = f"{context(request).settings.base_url}/api/records/{record_id}{tail}"
    return json_answer(
        request, {"status": status, "message": "Redirecting...", "location": url}, status, {"Location": url}
    )


def wants_rdm(request: Request) -> bool:
    """Whether the vendor type is asked for. Raises NotAcceptable for what drafts have no representation in."""
    chosen = representations.negotiate(request.headers.get("accept"))
    if chosen is None or chosen.name not in ("json", "rdm"):
        raise NotAcceptable(
            f"Invalid 'Accept' header. Expected one of: {', '.join(representations.MEDIA_TYPES)}"
        )
    return chosen.name == "rdm"


def rdm_answer(
    request: Request,
    view: DraftView | RecordView,
    status: int,
    errors: list[Finding] | None = None,
    expanded: shapes.JSON | None = None,
) -> Response:
    """A draft or record in the JSON that the client wants."""
    settings = context(request).settings
    if wants_rdm(request):
        body = rdm.record(
            view, settings, today(), errors=errors, entries=not without_files(request), expanded=expanded
        )
        media = rdm.MEDIA_TYPE
    else:
        body = in_shape(view, settings, vendor=False)
        if errors:
            body["errors"] = [f.as_json() for f in errors]
        media = "application/json"
    headers = {"ETag": f'"{view.revision}"', "Cache-Control": "private, no-store"}
    return Response(orjson.dumps(body), status, headers, media_type=media)


def without_files(request: Request) -> bool:
    """`?files=0`: the answer without the list of files, for records that have very many."""
    return request.query_params.get("files", "").lower() in ("0", "false", "no")


def expansion(request: Request, session: Session, view: DraftView | RecordView) -> shapes.JSON | None:
    """`?expand=true`: the owner in the place of his number."""
    if not flag(request.query_params.get("expand")):
        return None
    owner = accounts.by_id(session, view.owner_id)
    return {"parent": {"access": {"owned_by": rdm.user(owner, context(request).settings)}}}


async def read(request: Request) -> Response | Ready:
    """GET /api/records/{id}: the record in the representation the client accepts; a concept id leads to the latest."""
    ctx = context(request)
    record_id = _id(request)
    representation = representations.negotiate(request.headers.get("accept"))
    if representation is None:
        raise NotAcceptable(
            f"Invalid 'Accept' header. Expected one of: {', '.join(representations.MEDIA_TYPES)}"
        )
    private = has_credentials(request)
    cache = request.app.state.cache
    link = (
        f'<{ctx.settings.base_url}/api/records/{record_id}> ; rel="linkset" ; type="application/linkset+json"'
    )

    def work() -> Response | Ready:
        actor = who(request)
        found = queries.find(ctx.db, actor, record_id)
        if isinstance(found, int):
            return _redirect(request, found, 302)
        # Who shows who he is may get more than others: his ETag is his own.
        whose = [found.reader] if private else []
        etag = found.stamp.etag(request.app.state.edition, representation.name, *whose)
        headers = encoded(headers_for(etag, private))
        headers.append((b"link", link.encode()))
        if conditional(request, etag):
            return Ready(304, headers)
        key = ("record", etag)
        body = None if private else cache.get(key)
        if body is None:
            view = found.view(with_versions=representation.needs_versions)
            if representation.name == "rdm":
                with ctx.db.read() as session:
                    view = with_sharing(session, actor, view)
            body = representations.render(representation, view, ctx.settings, today())
            if not private:
                cache.put(key, body)
        headers.append((b"content-type", representation.content_type))
        return Ready(200, headers, body)

    if representation.name == "rdm" and (flag(request.query_params.get("expand")) or without_files(request)):

        def special() -> Response:
            actor = who(request)
            found = queries.find(ctx.db, actor, record_id)
            if isinstance(found, int):
                return _redirect(request, found, 302)
            view = found.view(with_files=not without_files(request))
            with ctx.db.read() as session:
                expanded = expansion(request, session, view)
                view = with_sharing(session, actor, view)
            answer = rdm_answer(request, view, 200, expanded=expanded)
            answer.headers["Link"] = link
            return answer

        return await in_thread(request, special)
    if representation.name == representations.CITATION.name:

        def cited() -> Response:
            found = queries.find(ctx.db, who(request), record_id)
            if isinstance(found, int):
                query = f"?{request.url.query}" if request.url.query else ""
                return _redirect(request, found, 302, query)
            answer = citations.answer(request, found, ctx.settings, private)
            answer.headers["Link"] = link
            return answer

        return await in_thread(request, cited)
    if request.query_params.get("prettyprint") and representation.name == "json":

        def pretty() -> Response:
            found = queries.find(ctx.db, who(request), record_id)
            if isinstance(found, int):
                return _redirect(request, found, 302)
            body = shapes.record(found.view(), ctx.settings, today())
            return json_answer(request, body, headers={"Cache-Control": "private, no-store", "Vary": VARY})

        return await in_thread(request, pretty)
    return await in_loop_or_thread(request, work)


async def search(request: Request) -> Response:
    """GET /api/records: search; hits are shown as each reader may see them."""
    ctx = context(request)

    vendor = wants_rdm(request)

    def work() -> shapes.JSON:
        with ctx.db.read() as session:
            actor = actor_of(session, request)
        if "q" in request.query_params and "suggest" in request.query_params:
            raise Invalid(message="Invalid querystring parameters.")
        paging = Paging.of(request, limit=100 if actor.is_user else 25, guest=not actor.is_user)
        hits = ctx.search.search(
            "records",
            search_request(
                request.query_params,
                paging.page,
                paging.size,
                paging.sort,
                paging.all_versions,
                actor,
            ),
        )
        request.state.behind = hits.behind
        return hits_envelope(request, "records", paging, shown_hits(request, actor, hits.ids, vendor), hits)

    body = await in_thread(request, work)
    headers = {
        "Cache-Control": "private, no-store" if has_credentials(request) else "public, max-age=0",
        "Vary": VARY,
    }
    if getattr(request.state, "behind", False):
        headers["X-Search-Behind"] = "1"  # the index did not catch up within a second
    return json_answer(request, body, 200, headers)


def with_sharing(session: Session, actor: Actor, view: V) -> V:
    """The view with who may do what with its concept: the settings for all, grants for its managers."""
    return replace(view, sharing=sharing.described(session, actor, view))


def with_settings(session: Session, views: Sequence[RecordView]) -> list[RecordView]:
    """The views of a list with their concepts' settings, in one statement."""
    known = sharing.settings_of_many(session, {v.concept_id: v.data.access for v in views})
    return [replace(v, sharing=Sharing(settings=known[v.concept_id].as_json())) for v in views]


def in_shape(view: DraftView | RecordView, settings: Settings, vendor: bool) -> shapes.JSON:
    """One hit in the JSON that the client wants."""
    if vendor:
        return rdm.record(view, settings, today())
    if isinstance(view, DraftView):
        return rdm.draft_in_legacy_shape(view, settings, today())
    return shapes.record(view, settings, today())


def shown_hits(request: Request, actor: Actor, ids: Sequence[int], vendor: bool) -> list[object]:
    """These records in this order, less those the actor may not see.

    For readers without credentials the bytes of each are those of the record itself, kept since it was last asked for.
    """
    ctx, state = context(request), request.app.state
    public = not has_credentials(request) and not request.query_params.get("prettyprint")
    name = "rdm" if vendor else "json"
    kept: dict[int, object] = {}
    keys: dict[int, object] = {}
    with ctx.db.read() as session:
        found = queries.rows_of(session, actor, ids)
        if public:
            for hit in found:
                if hit.whole_in_a_list:
                    keys[hit.stamp.id] = key = ("record", hit.stamp.etag(state.edition, name))
                    if (body := state.cache.get(key)) is not None:
                        kept[hit.stamp.id] = orjson.Fragment(body)
        missing = [hit for hit in found if hit.stamp.id not in kept]
        views = queries.views_of(session, actor, missing)
        for view in with_settings(session, views) if vendor and views else views:
            shown = in_shape(view, ctx.settings, vendor)
            if view.id in keys:
                body = orjson.dumps(shown)
                state.cache.put(keys[view.id], body)
                kept[view.id] = orjson.Fragment(body)
            else:
                kept[view.id] = shown
    return [kept[hit.stamp.id] for hit in found]


def hits_envelope(
    request: Request,
    path: str,
    paging: Paging,
    shown: Sequence[object],
    hits: Any,
) -> shapes.JSON:
    """A page of hits in InvenioRDM's envelope (section 0.2)."""
    settings = context(request).settings
    base = f"{settings.base_url}/api/{path}"
    links = {"self": page_url(request, base, paging.page, paging)}
    if paging.page > 1:
        links["prev"] = page_url(request, base, paging.page - 1, paging)
    if paging.page * paging.size < min(hits.total, 10_000):
        links["next"] = page_url(request, base, paging.page + 1, paging)
    body: shapes.JSON = {
        "hits": {"hits": shown, "total": hits.total},
        "aggregations": aggregations(hits.facets),
        "links": links,
    }
    if wants_rdm(request):  # Zenodo's shape has none
        body["sortBy"] = paging.sort or ("bestmatch" if request.query_params.get("q") else "newest")
    return body


def hits_answer(body: shapes.JSON, vendor: bool) -> Response:
    media = rdm.MEDIA_TYPE if vendor else "application/json"
    return Response(orjson.dumps(body), 200, {"Cache-Control": "private, no-store"}, media_type=media)


def aggregations(facets: Mapping[str, Sequence[object]]) -> shapes.JSON:
    """Facets in Zenodo's shape."""
    return {
        name: {
            "buckets": [_bucket(b, nested=name == "resource_type") for b in buckets],
            "label": _LABELS.get(name, name),
        }
        for name, buckets in facets.items()
        if name in _LABELS  # the pages count licences too; Zenodo's answer has none
    }


_LABELS = {
    "access_status": "Access status",
    "resource_type": "Resource types",
    "subject": "Subjects",
    "file_type": "File type",
    "publication_date": "Publication date",
}


def _bucket(b: object, *, nested: bool = False) -> shapes.JSON:
    inner = getattr(b, "inner", None) or []
    body: shapes.JSON = {
        "key": getattr(b, "key", ""),
        "doc_count": getattr(b, "count", 0),
        "label": getattr(b, "label", None) or getattr(b, "key", ""),
        "is_selected": getattr(b, "selected", False),
    }
    if nested:
        body["inner"] = {"buckets": [_bucket(i) for i in inner]}
    return body


def page_url(request: Request, base: str, page: int, paging: Paging) -> str:
    params = [
        (k, v) for k, v in request.query_params.multi_items() if k not in ("page", "size", "access_token")
    ]
    return f"{base}?{urlencode([*params, ('page', page), ('size', paging.size)])}"


async def latest(request: Request) -> Response:
    """GET /api/records/{id}/versions/latest: 301 to the newest version."""
    ctx = context(request)

    def work() -> int:
        with ctx.db.read() as session:
            return queries.latest_version(session, actor_of(session, request), _id(request))

    return _redirect(request, await in_thread(request, work), 301)


async def versions(request: Request) -> Response:
    """GET /api/records/{id}/versions: all versions, newest first, as a page of hits."""
    ctx = context(request)
    vendor = wants_rdm(request)

    def work() -> shapes.JSON:
        with ctx.db.read() as session:
            actor = actor_of(session, request)
            paging = Paging.of(request, limit=100 if actor.is_user else 25, guest=not actor.is_user)
            some = queries.latest_version(session, actor, _id(request))
            view = queries.by_id(session, actor, some, with_files=False, with_versions=True)
            ids = [v.id for v in view.versions]
            found = queries.by_ids(
                session, actor, ids[paging.offset : paging.offset + paging.size], with_files=True
            )
            url = f"{ctx.settings.base_url}/api/records/{_id(request)}/versions"
            return {
                "hits": {
                    "hits": [in_shape(v, ctx.settings, vendor) for v in found],
                    "total": len(ids),
                },
                "links": {"self": page_url(request, url, paging.page, paging)},
                **({"sortBy": "version"} if vendor else {}),
            }

    return hits_answer(await in_thread(request, work), vendor)


async def read_file(request: Request) -> Response:
    """GET /api/records/{id}/files/{key}: what is known of one file; with `download`, its bytes (older clients)."""
    ctx = context(request)
    if "download" in request.query_params:
        return await file_content(request)

    def work() -> shapes.JSON:
        with ctx.db.read() as session:
            actor = actor_of(session, request)
            bucket = queries.bucket(session, actor, _id(request))
            found = files.find(session, bucket, request.path_params["key"])
            return record_entry(found, bucket.record_id, ctx.settings)

    return json_answer(request, await in_thread(request, work))


async def file_content(request: Request) -> Response:
    """GET or HEAD /api/records/{id}/files/{key}/content: the bytes."""
    return await content_of(
        request,
        _id(request),
        request.path_params["key"],
        attachment=flag(request.query_params.get("download")),
    )


async def archive(request: Request) -> Response:
    """GET or HEAD /api/records/{id}/files-archive: all files as one zip."""
    return await archive_of(request, _id(request))
