"""Requests: lists, actions, comments, timelines; asking for access and deletion (api-rdm.md sections 3 and 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from strongroom import mail
from strongroom.access import Actor
from strongroom.api.access import PRIVATE, change, look, object_body
from strongroom.context import Context
from strongroom.db import AnyRow, Session
from strongroom.errors import Forbidden, Invalid, WrongVerb
from strongroom.http.deps import actor_of, context, flag, in_thread, json_answer, number
from strongroom.ids import iso, now
from strongroom.metadata import html
from strongroom.records import queries
from strongroom.requests import access, curation, quota, service
from strongroom.requests.texts import LABELS
from strongroom.settings import Settings
from strongroom.sharing import service as sharing

JSON = dict[str, Any]
WINDOW = 10_000
SIZE_MAX = 100
CHILDREN = 5  # answers that a timeline shows of each comment; all are at its `replies`


def _id(request: Request) -> int:
    return number(request.path_params["id"])


def _request_id(request: Request) -> str:
    return str(request.path_params["request_id"])


# Shapes ---------------------------------------------------------------------------------------------------


def _ref(some_type: str | None, some_id: str | None) -> JSON | None:
    return {some_type: some_id} if some_type and some_id is not None else None


def _event(row: AnyRow, actor: Actor, settings: Settings, *, whole: bool = True) -> JSON:
    at = f"{settings.base_url}/api/requests/{row.request_id}/comments/{row.id}"
    shown: JSON = {
        "id": row.id,
        "created": iso(row.created),
        "updated": iso(row.updated),
        "links": {},
        "revision_id": row.revision,
        "type": row.type,
        "created_by": _ref(row.creator_type, row.creator_id),
        "permissions": {},
        "parent_id": row.parent_id,
    }
    if whole:
        shown["links"] = {
            "self": at,
            "self_html": f"{settings.base_url}/me/requests/{row.request_id}#commentevent-{row.id}",
            "reply": f"{at}/reply",
            "replies": f"{at}/replies",
            "replies_focused": f"{at}/replies_focused",
        }
        own = service.may_change_event(actor, row)
        shown["permissions"] = {
            "can_update_comment": own,
            "can_delete_comment": own or (actor.is_admin and row.type == "C"),
            "can_reply_comment": True,
        }
        shown["payload"] = service.payload_of(row)
    return shown


def _request(row: AnyRow, actor: Actor, settings: Settings, last: AnyRow | None) -> JSON:
    at = f"{settings.base_url}/api/requests/{row.id}"
    expired = row.expires is not None and row.expires <= now()
    shown: JSON = {
        "id": row.id,
        "created": iso(row.created),
        "updated": iso(row.updated),
        "links": {
            "self": at,
            "self_html": f"{settings.base_url}/me/requests/{row.id}",
            "comments": f"{at}/comments",
            "timeline": f"{at}/timeline",
            "timeline_focused": f"{at}/timeline_focused",
            "lock": f"{at}/lock",
            "unlock": f"{at}/unlock",
            "actions": {a: f"{at}/actions/{a}" for a in service.allowed_actions(actor, row)},
        },
        "revision_id": row.revision,
        "type": row.type,
        "title": row.title,
        "number": str(row.number),
        "status": row.status,
        "is_closed": not service.is_open(row) and row.status != "created",
        "is_open": service.is_open(row),
        "expires_at": iso(row.expires) if row.expires else None,
        "is_expired": expired,
        "last_reply": _event(last, actor, settings, whole=False) if last is not None else None,
        "last_activity_at": iso(row.activity),
        "created_by": _ref(row.creator_type, row.creator_id),
        "receiver": _ref(row.receiver_type, row.receiver_id),
        "topic": _ref(row.topic_type, row.topic_id),
        "files": {"enabled": False},
        "is_locked": row.locked,
    }
    if row.description:
        shown["description"] = row.description
    payload = service.payload_of(row)
    if payload:
        shown["payload"] = payload
    return shown


def _show(session: Session, actor: Actor, request_id: str, settings: Settings) -> JSON:
    row = service.read(session, actor, request_id)
    last = service.last_comments(session, [request_id]).get(request_id)
    return _request(row, actor, settings, last)


async def _answer(request: Request, request_id: str, actor: Actor | None = None) -> Response:
    """A request as it is now."""
    ctx = context(request)

    def work() -> JSON:
        with ctx.db.read() as session:
            return _show(session, actor or actor_of(session, request), request_id, ctx.settings)

    return json_answer(request, await in_thread(request, work), headers=PRIVATE)


# Lists ----------------------------------------------------------------------------------------------------


def _whole(request: Request, name: str, default: int, most: int | None = None) -> int:
    text = request.query_params.get(name)
    if not text:
        return default
    if not text.lstrip("-").isdigit() or not text.isascii() or len(text) > 9:
        raise Invalid.at(name, "Not a valid integer.")
    if int(text) < 1:
        raise Invalid.at(name, "Must be greater than or equal to 1.")
    if most is not None and int(text) > most:
        raise Invalid.at(name, f"Page size cannot be greater than {most}.")
    return int(text)


def _paging(request: Request) -> tuple[int, int]:
    page, size = _whole(request, "page", 1), _whole(request, "size", 25, SIZE_MAX)
    if page * size > WINDOW:
        raise Invalid((), "Invalid querystring parameters.")
    return page, size


def _flag(request: Request, name: str) -> bool | None:
    value = request.query_params.get(name)
    return None if value is None or value == "" else flag(value)


def _query(request: Request, concept_id: int | None = None) -> service.Query:
    params = request.query_params
    page, size = _paging(request)
    sort = params.get("sort") or "newest"
    if sort not in service.SORTS:
        raise Invalid.at("_schema", f"Invalid sort option '{sort}'.")
    return service.Query(
        text=params.get("q", "").replace("\0", ""),
        types=tuple(t for t in params.getlist("type") if t),
        statuses=tuple(s for s in params.getlist("status") if s),
        is_open=_flag(request, "is_open"),
        shared_with_me=_flag(request, "shared_with_me"),
        concept_id=concept_id,
        sort=sort,
        page=page,
        size=size,
    )


def _buckets(counts: Mapping[str, int], labels: Mapping[str, str], chosen: Sequence[str], label: str) -> JSON:
    return {
        "buckets": [
            {
                "key": key,
                "doc_count": counts[key],
                "label": labels.get(key, key.capitalize()),
                "is_selected": key in chosen,
            }
            for key in sorted(counts, key=lambda k: (-counts[k], k))
        ],
        "label": label,
    }


def _list(request: Request, path: str, query: service.Query, found: service.Page, shown: list[JSON]) -> JSON:
    return {
        "hits": {"hits": shown, "total": found.total},
        "aggregations": {
            "type": _buckets(found.types, LABELS, query.types, "Type"),
            "status": _buckets(found.statuses, {}, query.statuses, "Status"),
        },
        "sortBy": query.sort,
        "links": page_links(request, path, query.page, query.size, query.sort, found.total),
    }


def page_links(request: Request, path: str, page: int, size: int, sort: str | None, total: int) -> JSON:
    """`self`, and `prev` and `next` where there are more."""
    kept = [
        (k, v)
        for k, v in request.query_params.multi_items()
        if k not in ("page", "size", "sort", "token", "access_token")
    ]

    def url(number: int) -> str:
        last = [("page", str(number)), ("size", str(size)), *([("sort", sort)] if sort else [])]
        return f"{context(request).settings.base_url}{path}?{urlencode([*kept, *last])}"

    links = {"self": url(page)}
    if page > 1:
        links["prev"] = url(page - 1)
    if page * size < min(total, WINDOW):
        links["next"] = url(page + 1)
    return links


async def _search(request: Request, path: str, *, mine: bool) -> Response:
    query = _query(request)
    settings = context(request).settings

    def work(session: Session, actor: Actor) -> JSON:
        found = service.search(session, actor, query, mine=mine)
        last = service.last_comments(session, [row.id for row in found.rows])
        shown = [_request(row, actor, settings, last.get(row.id)) for row in found.rows]
        return _list(request, path, query, found, shown)

    return json_answer(request, await look(request, work), headers=PRIVATE)


async def search(request: Request) -> Response:
    """GET /api/requests: the requests that one may see (`q, sort, type, status, is_open, shared_with_me, page, size`)."""
    return await _search(request, "/api/requests/", mine=False)


async def mine(request: Request) -> Response:
    """GET /api/user/requests: the requests that one made or decides about."""
    return await _search(request, "/api/user/requests", mine=True)


async def of_record(request: Request) -> Response:
    """GET /api/records/{id}/requests: the requests about a record, for who manages it."""
    settings = context(request).settings

    def work(session: Session, actor: Actor) -> JSON:
        place = sharing.managed(session, actor, _id(request))
        query = _query(request, place.concept_id)
        found = service.search(session, actor, query)
        last = service.last_comments(session, [row.id for row in found.rows])
        shown = [_request(row, actor, settings, last.get(row.id)) for row in found.rows]
        return _list(request, "/api/requests/", query, found, shown)

    return json_answer(request, await look(request, work), headers=PRIVATE)


# One request ----------------------------------------------------------------------------------------------


async def read(request: Request) -> Response:
    """GET /api/requests/{request_id}: one request, for those whom it concerns."""
    return await _answer(request, _request_id(request))


def _text(body: JSON, name: str, longest: int) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or "\0" in value:
        raise Invalid.at(name, "Not a valid string.")
    if len(value) > longest:
        raise Invalid.at(name, f"Longer than maximum length {longest}.")
    return value


async def update(request: Request) -> Response:
    """PUT /api/requests/{request_id}: change its title or description while it is open. 200."""
    body = await object_body(request)

    def work(session: Session, ctx: Context, actor: Actor) -> Actor:
        service.read(session, actor, _request_id(request))
        title, description = _text(body, "title", 1000), _text(body, "description", 20_000)
        service.change(session, actor, _request_id(request), title, description)
        return actor

    return await _answer(request, _request_id(request), await change(request, work))


async def delete(request: Request) -> Response:
    """DELETE /api/requests/{request_id}: one that was not submitted; administrators any. 204."""
    await change(request, lambda session, ctx, actor: service.remove(session, actor, _request_id(request)))
    return Response(status_code=204)


def _content(body: JSON, *, needed: bool) -> str:
    payload = body.get("payload")
    if payload is None and not needed:
        return ""
    if not isinstance(payload, dict):
        raise Invalid.at("payload", "Missing data for required field.")
    if payload.get("format", "html") != "html":
        raise Invalid.at("payload.format", "Must be one of: html.")
    if not needed and not payload.get("content"):
        return ""
    return service.clean_content(payload.get("content"))


async def act(request: Request) -> Response:
    """POST /api/requests/{request_id}/actions/{action}: submit, accept, decline, cancel or expire; a comment may come along. 200."""
    body = await object_body(request)

    def work(session: Session, ctx: Context, actor: Actor) -> Actor:
        service.read(session, actor, _request_id(request))
        said = _content(body, needed=False)
        action = request.path_params["action"]
        service.execute(session, ctx.settings, actor, _request_id(request), action, said)
        return actor

    return await _answer(request, _request_id(request), await change(request, work))


async def lock(request: Request) -> Response:
    """POST /api/requests/{request_id}/lock: close the conversation. 204."""
    await change(
        request, lambda session, ctx, actor: service.set_locked(session, actor, _request_id(request), True)
    )
    return Response(status_code=204)


async def unlock(request: Request) -> Response:
    """POST /api/requests/{request_id}/unlock: open the conversation again. 204."""
    await change(
        request, lambda session, ctx, actor: service.set_locked(session, actor, _request_id(request), False)
    )
    return Response(status_code=204)


async def lock_by_get(request: Request) -> Response:
    """GET /api/requests/{request_id}/lock: the same, for tokens only (Zenodo's clients ask so). 204."""
    return await _by_get(request, True)


async def unlock_by_get(request: Request) -> Response:
    """GET /api/requests/{request_id}/unlock: the same, for tokens only (Zenodo's clients ask so). 204."""
    return await _by_get(request, False)


async def _by_get(request: Request, locked: bool) -> Response:
    def work(session: Session, ctx: Context, actor: Actor) -> None:
        if request.method != "GET" or actor.via != "token":
            # A link on another site could make a browser do it.
            service.read(session, actor, _request_id(request))
            raise WrongVerb("Send it as POST.", allowed=("POST",))
        service.set_locked(session, actor, _request_id(request), locked)

    await change(request, work)
    return Response(status_code=204)


# The timeline ---------------------------------------------------------------------------------------------


async def _shown_event(request: Request, event_id: str, actor: Actor | None, status: int = 200) -> Response:
    settings = context(request).settings

    def work(session: Session, asking: Actor) -> JSON:
        who = actor or asking
        return _event(service.read_event(session, who, _request_id(request), event_id), who, settings)

    return json_answer(request, await look(request, work), status, PRIVATE)


async def _say(request: Request, parent_id: str | None) -> Response:
    body = await object_body(request)

    def work(session: Session, ctx: Context, actor: Actor) -> tuple[Actor, str]:
        service.read(session, actor, _request_id(request))
        said = _content(body, needed=True)
        made = service.comment(session, ctx.settings, actor, _request_id(request), said, parent_id)
        return actor, made

    actor, made = await change(request, work)
    return await _shown_event(request, made, actor, 201)


async def comment(request: Request) -> Response:
    """POST /api/requests/{request_id}/comments: say something. 201."""
    return await _say(request, None)


async def reply(request: Request) -> Response:
    """POST /api/requests/{request_id}/comments/{comment_id}/reply: answer a comment. 201."""
    return await _say(request, request.path_params["comment_id"])


async def read_comment(request: Request) -> Response:
    """GET /api/requests/{request_id}/comments/{comment_id}: one entry of the timeline."""
    return await _shown_event(request, request.path_params["comment_id"], None)


async def update_comment(request: Request) -> Response:
    """PUT /api/requests/{request_id}/comments/{comment_id}: change one's own comment. 200."""
    body = await object_body(request)
    event_id = request.path_params["comment_id"]

    def work(session: Session, ctx: Context, actor: Actor) -> Actor:
        service.read_event(session, actor, _request_id(request), event_id)
        said = _content(body, needed=True)
        service.change_comment(session, actor, _request_id(request), event_id, said)
        return actor

    return await _shown_event(request, event_id, await change(request, work))


async def delete_comment(request: Request) -> Response:
    """DELETE /api/requests/{request_id}/comments/{comment_id}: take one's comment back. 204."""
    await change(
        request,
        lambda session, ctx, actor: service.remove_comment(
            session, actor, _request_id(request), request.path_params["comment_id"]
        ),
    )
    return Response(status_code=204)


async def _timeline(request: Request, path: str, parent_id: str | None, focused: bool) -> Response:
    settings = context(request).settings

    def work(session: Session, actor: Actor) -> JSON:
        service.read(session, actor, _request_id(request))
        page, size = _paging(request)
        focus = request.query_params.get("focus_event_id") if focused else None
        found = service.timeline(
            session,
            actor,
            _request_id(request),
            page=page,
            size=size,
            parent_id=parent_id,
            focus=focus or None,
        )
        shown = []
        for row in found.events:
            entry = _event(row, actor, settings)
            if parent_id is None:
                answers = found.children.get(row.id, [])
                entry["children"] = [_event(a, actor, settings) for a in answers[-CHILDREN:]]
                entry["children_count"] = len(answers)
            shown.append(entry)
        return {
            "hits": {"hits": shown, "total": found.total},
            "page": found.page,
            "sortBy": "oldest",
            "links": page_links(request, path, found.page, size, None, found.total),
        }

    return json_answer(request, await look(request, work), headers=PRIVATE)


async def timeline(request: Request) -> Response:
    """GET /api/requests/{request_id}/timeline: comments and what happened, oldest first."""
    return await _timeline(request, f"/api/requests/{_request_id(request)}/timeline", None, False)


async def timeline_focused(request: Request) -> Response:
    """GET /api/requests/{request_id}/timeline_focused: the page of the timeline that `focus_event_id` is on."""
    return await _timeline(request, f"/api/requests/{_request_id(request)}/timeline", None, True)


async def replies(request: Request) -> Response:
    """GET /api/requests/{request_id}/comments/{comment_id}/replies: the answers to a comment, oldest first."""
    parent = request.path_params["comment_id"]
    path = f"/api/requests/{_request_id(request)}/comments/{parent}/replies"
    return await _timeline(request, path, parent, False)


async def replies_focused(request: Request) -> Response:
    """GET /api/requests/{request_id}/comments/{comment_id}/replies_focused: the page of answers that `focus_event_id` is on."""
    parent = request.path_params["comment_id"]
    path = f"/api/requests/{_request_id(request)}/comments/{parent}/replies"
    return await _timeline(request, path, parent, True)


# Asking ---------------------------------------------------------------------------------------------------


async def ask_access(request: Request) -> Response:
    """POST /api/records/{id}/access/request: ask for access to restricted files. 200: the request, or, for a guest, that a mail is on its way."""
    ctx = context(request)
    body = await object_body(request)
    language = (
        request.headers.get("accept-language", "en").partition(",")[0].partition("-")[0].strip().lower()
    )

    def work() -> JSON:
        with ctx.db.begin() as session:
            actor = actor_of(session, request)
            made = access.ask(
                session,
                ctx.settings,
                actor,
                _id(request),
                body,
                language=language if language.isalpha() and len(language) < 4 else "en",
            )
        if made is None:
            return {"message": "Verification link sent out, please check your e-mail inbox"}
        with ctx.db.read() as session:
            return _show(session, actor, made, ctx.settings)

    answer = await in_thread(request, work)
    request.app.state.wake()
    return json_answer(request, answer, headers=PRIVATE)


async def ask_deletion(request: Request) -> Response:
    """POST /api/records/{id}/request-deletion: ask for a record's deletion (`reason`, `comment`), granted at once while it is young. 200."""
    body = await object_body(request)

    def work(session: Session, ctx: Context, actor: Actor) -> tuple[Actor, str]:
        sharing.managed(session, actor, _id(request))
        reason, said = _text(body, "reason", 100), _text(body, "comment", 20_000)
        if not reason:
            raise Invalid.at("reason", "Missing data for required field.")
        made = curation.ask_deletion(
            session, ctx.settings, actor, _id(request), reason, html.clean(said or "")
        )
        return actor, made

    actor, made = await change(request, work)
    return await _answer(request, made, actor)


# Quotas ----------------------------------------------------------------------------------------------------


async def ask_quota(request: Request) -> Response:
    """POST /api/records/{id}/quota-increase: ask for more room for an open draft's record (`quota_size`, gigabytes in all as a string). 200 with the request."""
    body = await object_body(request)

    def work(session: Session, ctx: Context, actor: Actor) -> tuple[Actor, str]:
        sharing.managed(session, actor, _id(request))
        size = _digits(body, "quota_size")
        return actor, quota.ask_increase(session, ctx.settings, actor, _id(request), size)

    actor, made = await change(request, work)
    return await _answer(request, made, actor)


def _digits(body: JSON, name: str) -> int:
    """A whole number, or its digits as a string. Raises Invalid."""
    value = body.get(name)
    if value is None:
        raise Invalid.at(name, "Missing data for required field.")
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 19:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Invalid.at(name, "Not a valid whole number.")


def _quota_of(body: JSON) -> tuple[int, int | None, str]:
    size = _digits(body, "quota_size")
    largest = _digits(body, "max_file_size") if body.get("max_file_size") is not None else None
    return size, largest, _text(body, "notes", 10_000) or ""


async def set_record_quota(request: Request) -> Response:
    """POST /api/records/{id}/quota: how many bytes a record may have (`quota_size, max_file_size, notes`), for moderators. 200."""
    body = await object_body(request)

    def work(session: Session, ctx: Context, actor: Actor) -> None:
        if not actor.is_admin:
            raise Forbidden()
        sharing.place(session, _id(request))
        quota.set_record(session, actor, _id(request), *_quota_of(body))

    await change(request, work)
    return json_answer(request, {}, headers=PRIVATE)


async def set_user_quota(request: Request) -> Response:
    """POST /api/users/{user_id}/quota: how many bytes a user may have over all records (`quota_size, max_file_size, notes`), for moderators. 200."""
    body = await object_body(request)
    user_id = number(request.path_params["user_id"])

    def work(session: Session, ctx: Context, actor: Actor) -> None:
        if not actor.is_admin:
            raise Forbidden()
        quota.set_user(session, actor, user_id if user_id < 2**31 else -1, *_quota_of(body))

    await change(request, work)
    return json_answer(request, {}, headers=PRIVATE)


# Notifications --------------------------------------------------------------------------------------------


async def notifications(request: Request) -> Response:
    """GET /api/user/notifications: whether one is told of requests by mail (ours, not Zenodo's)."""

    def work(session: Session, actor: Actor) -> JSON:
        if actor.user_id is None:
            raise Forbidden()
        return {"enabled": mail.wants(session, actor.user_id)}

    return json_answer(request, await look(request, work), headers=PRIVATE)


async def set_notifications(request: Request) -> Response:
    """PUT /api/user/notifications: `{"enabled": …}` says whether one is told of requests by mail."""
    body = await object_body(request)

    def work(session: Session, ctx: Context, actor: Actor) -> JSON:
        enabled = body.get("enabled")
        if not isinstance(enabled, bool):
            raise Invalid.at("enabled", "Not a valid boolean.")
        assert actor.user_id is not None
        mail.set_wish(session, actor.user_id, enabled)
        return {"enabled": enabled}

    return json_answer(request, await change(request, work), headers=PRIVATE)


# Communities: their place, until they come ------------------------------------------------------------------

_NO_COMMUNITIES = {
    "type": {"buckets": [], "label": "Type"},
    "funder": {"buckets": [], "label": "Funders"},
    "organization": {"buckets": [], "label": "Organizations"},
}


def _no_communities(request: Request, path: str) -> JSON:
    page, size = _paging(request)
    sort = request.query_params.get("sort") or "newest"
    return {
        "hits": {"hits": [], "total": 0},
        "aggregations": _NO_COMMUNITIES,
        "links": page_links(request, path, page, size, sort, 0),
        "sortBy": sort,
    }


async def communities(request: Request) -> Response:
    """GET /api/communities: none yet, in the shape that they will have."""
    return json_answer(request, _no_communities(request, "/api/communities"))


async def my_communities(request: Request) -> Response:
    """GET /api/user/communities: none yet, for who is signed in."""

    def work(session: Session, actor: Actor) -> None:
        if not actor.is_user:
            raise Forbidden()

    await look(request, work)
    return json_answer(request, _no_communities(request, "/api/user/communities"), headers=PRIVATE)


async def record_communities(request: Request) -> Response:
    """GET /api/records/{id}/communities: none yet, where one may read the record."""
    await look(request, lambda session, actor: queries.by_id(session, actor, _id(request), with_files=False))
    return json_answer(request, _no_communities(request, "/api/communities"), headers=PRIVATE)


# verb, path, handler: app.py adds them to its map.
ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("POST", "/api/records/{id}/access/request", ask_access),
    ("POST", "/api/records/{id}/request-deletion", ask_deletion),
    ("POST", "/api/records/{id}/quota-increase", ask_quota),
    ("POST", "/api/records/{id}/quota", set_record_quota),
    ("POST", "/api/users/{user_id}/quota", set_user_quota),
    ("GET", "/api/records/{id}/requests", of_record),
    ("GET", "/api/records/{id}/communities", record_communities),
    ("GET", "/api/requests", search),
    ("GET", "/api/user/requests", mine),
    ("GET", "/api/user/communities", my_communities),
    ("GET", "/api/communities", communities),
    ("GET", "/api/user/notifications", notifications),
    ("PUT", "/api/user/notifications", set_notifications),
    ("GET", "/api/requests/{request_id}", read),
    ("PUT", "/api/requests/{request_id}", update),
    ("DELETE", "/api/requests/{request_id}", delete),
    ("POST", "/api/requests/{request_id}/actions/{action}", act),
    ("GET", "/api/requests/{request_id}/lock", lock_by_get),
    ("POST", "/api/requests/{request_id}/lock", lock),
    ("GET", "/api/requests/{request_id}/unlock", unlock_by_get),
    ("POST", "/api/requests/{request_id}/unlock", unlock),
    ("GET", "/api/requests/{request_id}/timeline", timeline),
    ("GET", "/api/requests/{request_id}/timeline_focused", timeline_focused),
    ("POST", "/api/requests/{request_id}/comments", comment),
    ("GET", "/api/requests/{request_id}/comments/{comment_id}", read_comment),
    ("PUT", "/api/requests/{request_id}/comments/{comment_id}", update_comment),
    ("DELETE", "/api/requests/{request_id}/comments/{comment_id}", delete_comment),
    ("POST", "/api/requests/{request_id}/comments/{comment_id}/reply", reply),
    ("GET", "/api/requests/{request_id}/comments/{comment_id}/replies", replies),
    ("GET", "/api/requests/{request_id}/comments/{comment_id}/replies_focused", replies_focused),
]
