"""`/api/deposits/{key}`: a whole version in one request that may be repeated. Ours, beyond both of Zenodo's APIs."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import ACTIONS, require_scope
from strongroom.context import Context
from strongroom.files.service import bucket_id
from strongroom.http.deps import context, in_thread, json_answer, json_body, writer
from strongroom.http.shapes import JSON, key_path
from strongroom.http.transfer import guess_type
from strongroom.records import deposits
from strongroom.records.deposits import State


def _answer(ctx: Context, key: str, state: State) -> JSON:
    base, number = ctx.settings.base_url, state.record_id
    bucket = f"{base}/api/files/{bucket_id(number)}"
    body: JSON = {
        "key": key,
        "id": str(number),
        "status": state.status,
        "files": {"present": state.present, "missing": len(state.missing)},
        "missing": [
            {"key": f.key, "size": f.size, "sha256": f.sha256, "upload": f"{bucket}/{key_path(f.key)}"}
            for f in state.missing
        ],
        "links": {"self": f"{base}/api/deposits/{key}"},
    }
    if state.errors:
        body["errors"] = [{"field": f.field, "messages": list(f.messages)} for f in state.errors]
    if state.status == "published":
        body["doi"] = ctx.settings.doi(number)
        body["links"] |= {"record": f"{base}/api/records/{number}", "record_html": f"{base}/records/{number}"}
    else:
        body["links"] |= {"draft": f"{base}/api/records/{number}/draft", "bucket": bucket}
    return body


async def put(request: Request) -> Response:
    """PUT /api/deposits/{key}: what a version should be in the end; answers with what is missing, and publishes once nothing is. May be repeated."""
    ctx = context(request)
    body: Any = await json_body(request)
    key = request.path_params["key"]

    def work() -> State:
        with ctx.db.begin() as session:
            actor = writer(session, request)
            wished = deposits.read(body)
            if wished.publish:
                require_scope(actor, ACTIONS, ctx.settings.enforce_scopes)
            return deposits.wish(session, ctx.db, ctx.settings, actor, key, wished, guess_type)

    state = await in_thread(request, work)
    if state.status == "published":
        request.app.state.wake()
    return json_answer(
        request,
        _answer(ctx, key, state),
        201 if state.created else 200,
        {"Cache-Control": "private, no-store"},
    )
