"""Access to a record: share links, grants, settings, requests for access (api-rdm.md section 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor
from strongroom.api.records import rdm_answer, wants_rdm
from strongroom.context import Context
from strongroom.db import AnyRow, Session
from strongroom.errors import Finding, Forbidden, Invalid, NotFound
from strongroom.http.deps import actor_of, context, in_thread, json_answer, json_body, number, writer
from strongroom.ids import iso
from strongroom.mail import send
from strongroom.metadata import html
from strongroom.records import drafts, queries
from strongroom.records.views import DraftView, RecordView
from strongroom.sharing import service as sharing

T = TypeVar("T")
JSON = dict[str, Any]
PRIVATE = {"Cache-Control": "private, no-store"}


def _id(request: Request) -> int:
    return number(request.path_params["id"])


async def look(request: Request, work: Callable[[Session, Actor], T]) -> T:
    """Ask something in a reading transaction."""
    ctx = context(request)

    def inner() -> T:
        with ctx.db.read() as session:
            return work(session, actor_of(session, request))

    return await in_thread(request, inner)


async def change(request: Request, work: Callable[[Session, Context, Actor], T]) -> T:
    """Do a verb in a writing transaction; jobs start when it is committed."""
    ctx = context(request)

    def inner() -> T:
        with ctx.db.begin() as session:
            return work(session, ctx, writer(session, request))

    done = await in_thread(request, inner)
    request.app.state.wake()
    return done


async def object_body(request: Request) -> JSON:
    """The body, which must be a JSON object. Raises Invalid, Malformed."""
    body = await json_body(request)
    if not isinstance(body, dict):
        raise Invalid.at("_schema", "Invalid input type. The body must be a JSON object.")
    return body


def hits(found: Sequence[JSON]) -> JSON:
    return {"hits": {"hits": list(found), "total": len(found)}}


# Share links ----------------------------------------------------------------------------------------------


def _link(row: AnyRow) -> JSON:
    shown: JSON = {
        "id": row.id,
        "created_at": iso(row.created),
        "expires_at": row.expires_at,
        "permission": row.permission,
        "description": row.description,
        "token": row.token,
    }
    if row.expires_at is None:
        del shown["expires_at"]
    if row.origin:
        shown["origin"] = row.origin
    return shown


def _link_values(body: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    findings = [Finding.of(str(name), "Unknown field.") for name in body if name not in known]
    values: dict[str, Any] = {}
    for name in ("permission", "description"):
        if name in body and name in known:
            text = body[name]
            if name == "description" and text is None:
                text = ""
            if not isinstance(text, str) or "\0" in text:
                findings.append(Finding.of(name, "Not a valid string."))
            elif len(text) > 2000:
                findings.append(Finding.of(name, "Longer than maximum length 2000."))
            else:
                values[name] = text
    if "expires_at" in body:
        said = body["expires_at"]
        try:
            values["expires_at"] = _day(said)
        except ValueError:
            findings.append(Finding.of("expires_at", "Not a valid date. Write it as YYYY-MM-DD."))
    if findings:
        raise Invalid(findings)
    return values


def _day(said: object) -> date | None:
    if said is None or said == "":
        return None
    if not isinstance(said, str) or len(said) < 10 or (len(said) > 10 and said[10] not in "T "):
        raise ValueError(said)
    return date.fromisoformat(said[:10])


# What a client read and sends back whole.
_SHOWN = ("id", "created_at", "token", "origin")


async def list_links(request: Request) -> Response:
    """GET /api/records/{id}/access/links: the record's share links."""
    rows = await look(request, lambda session, actor: sharing.list_links(session, actor, _id(request)))
    return json_answer(request, hits([_link(row) for row in rows]), headers=PRIVATE)


async def create_link(request: Request) -> Response:
    """POST /api/records/{id}/access/links: a new share link. 201."""
    body = await object_body(request)

    def work(session: Session, ctx: Context, actor: Actor) -> AnyRow:
        sharing.managed(session, actor, _id(request))
        values = _link_values(body, ("permission", "description", "expires_at"))
        if "permission" not in values:
            raise Invalid.at("permission", "Missing data for required field.")
        return sharing.create_link(session, actor, _id(request), **values)

    return json_answer(request, _link(await change(request, work)), 201, PRIVATE)


async def read_link(request: Request) -> Response:
    """GET /api/records/{id}/access/links/{link_id}: one share link."""
    row = await look(
        request,
        lambda session, actor: sharing.read_link(
            session, actor, _id(request), request.path_params["link_id"]
        ),
    )
    return json_answer(request, _link(row), headers=PRIVATE)


async def change_link(request: Request) -> Response:
    """PATCH /api/records/{id}/access/links/{link_id}: change permission, description or end of a share link."""
    body = await object_body(request)

    def work(session: Session, ctx: Context, actor: Actor) -> AnyRow:
        link_id = request.path_params["link_id"]
        sharing.read_link(session, actor, _id(request), link_id)
        values = _link_values(
            {k: v for k, v in body.items() if k not in _SHOWN}, ("permission", "description", "expires_at")
        )
        return sharing.change_link(session, actor, _id(request), link_id, values)

    return json_answer(request, _link(await change(request, work)), headers=PRIVATE)


async def remove_link(request: Request) -> Response:
    """DELETE /api/records/{id}/access/links/{link_id}: end a share link. 204."""
    await change(
        request,
        lambda session, ctx, actor: sharing.remove_link(
            session, actor, _id(request), request.path_params["link_id"]
        ),
    )
    return Response(status_code=204)


# Grants ---------------------------------------------------------------------------------------------------


def _grant(row: AnyRow, index: int | None = None) -> JSON:
    shown: JSON = {
        "permission": row.permission,
        "subject": {"id": row.subject_id, "type": row.subject_type},
        "origin": row.origin,
    }
    if row.expires is not None:
        shown["expires_at"] = iso(row.expires)
    if index is not None:
        shown["id"] = index
    return shown


async def list_grants(request: Request) -> Response:
    """GET /api/records/{id}/access/grants: who was given what; `id` is the place in this list."""
    rows = await look(request, lambda session, actor: sharing.list_grants(session, actor, _id(request)))
    return json_answer(request, hits([_grant(r, i) for i, r in enumerate(rows)]), headers=PRIVATE)


async def list_users(request: Request) -> Response:
    """GET /api/records/{id}/access/users: the same, of users."""
    rows = await look(request, lambda session, actor: sharing.list_grants(session, actor, _id(request)))
    shown = [_grant(r, i) for i, r in enumerate(rows) if r.subject_type == "user"]
    return json_answer(request, hits(shown), headers=PRIVATE)


def _new_grant(said: object, i: int) -> sharing.NewGrant:
    at = f"grants.{i}"
    if not isinstance(said, dict):
        raise Invalid.at(at, "Invalid input type.")
    subject = said.get("subject")
    if not isinstance(subject, dict):
        raise Invalid.at("subject", "Missing data for required field.")
    some_id, some_type = subject.get("id"), subject.get("type", "user")
    if isinstance(some_id, int) and not isinstance(some_id, bool):
        some_id = str(some_id)
    permission, message = said.get("permission"), said.get("message") or ""
    for name, value in (
        ("subject.id", some_id),
        ("subject.type", some_type),
        ("permission", permission),
        ("message", message),
    ):
        if value is None:
            raise Invalid.at(name, "Missing data for required field.")
        if not isinstance(value, str) or "\0" in value or len(value) > 10_000:
            raise Invalid.at(name, "Not a valid string.")
    return sharing.NewGrant(
        permission=str(permission),
        subject=str(some_id),
        subject_type=str(some_type),
        notify=bool(said.get("notify")),
        message=html.plain(message),
    )


async def add_grants(request: Request) -> Response:
    """POST /api/records/{id}/access/grants: give permissions to users, by number or e-mail address. 201."""
    body = await object_body(request)

    def work(session: Session, ctx: Context, actor: Actor) -> list[JSON]:
        place = sharing.managed(session, actor, _id(request))
        listed = body.get("grants")
        if not isinstance(listed, list):
            raise Invalid.at("grants", "Missing data for required field.")
        wanted = [_new_grant(said, i) for i, said in enumerate(listed)]
        made = sharing.add_grants(session, actor, _id(request), wanted)
        for row, grant in zip(made, wanted, strict=True):
            if grant.notify:
                _tell(session, ctx, actor, place, row, grant.message)
        indexes = {r.id: i for i, r in enumerate(sharing.list_grants(session, actor, _id(request)))}
        return [_grant(row, indexes[row.id]) for row in made]

    return json_answer(request, hits(await change(request, work)), 201, PRIVATE)


def _tell(
    session: Session, ctx: Context, actor: Actor, place: sharing.Place, row: AnyRow, message: str
) -> None:
    email = sharing.address_of(session, int(row.subject_id))
    if email is None:
        return
    send(
        session,
        email,
        "grant-given",
        {
            "title": place.title,
            "who": actor.name or f"User {actor.user_id}",
            "permission": row.permission,
            "message": message,
            "link": f"{ctx.settings.base_url}/records/{place.record_id}",
        },
    )


Found = Callable[[Session, Actor], AnyRow]


def _by_index(request: Request) -> Found:
    index = number(request.path_params["index"])
    return lambda session, actor: sharing.grant_by_index(session, actor, _id(request), index)


def _by_user(request: Request) -> Found:
    subject = request.path_params["user_id"]
    return lambda session, actor: sharing.grant_of_user(session, actor, _id(request), subject)


async def _read_grant(request: Request, find: Found) -> Response:
    return json_answer(request, _grant(await look(request, find)), headers=PRIVATE)


async def _change_grant(request: Request, find: Found) -> Response:
    body = await object_body(request)

    def work(session: Session, ctx: Context, actor: Actor) -> AnyRow:
        row = find(session, actor)
        permission = body.get("permission")
        if not isinstance(permission, str):
            raise Invalid.at("permission", "Missing data for required field.")
        subject = body.get("subject")
        if isinstance(subject, dict) and str(subject.get("id")) != row.subject_id:
            raise Invalid.at("subject.id", "A grant stays its user's: remove this one and make another.")
        return sharing.change_grant(session, actor, _id(request), row, permission)

    return json_answer(request, _grant(await change(request, work)), headers=PRIVATE)


async def _remove_grant(request: Request, find: Found) -> Response:
    def work(session: Session, ctx: Context, actor: Actor) -> None:
        sharing.remove_grant(session, actor, _id(request), find(session, actor))

    await change(request, work)
    return Response(status_code=204)


async def read_grant(request: Request) -> Response:
    """GET /api/records/{id}/access/grants/{index}: one grant, by its place in the list."""
    return await _read_grant(request, _by_index(request))


async def replace_grant(request: Request) -> Response:
    """PUT /api/records/{id}/access/grants/{index}: give another permission."""
    return await _change_grant(request, _by_index(request))


async def change_grant(request: Request) -> Response:
    """PATCH /api/records/{id}/access/grants/{index}: give another permission."""
    return await _change_grant(request, _by_index(request))


async def remove_grant(request: Request) -> Response:
    """DELETE /api/records/{id}/access/grants/{index}: take a grant back. 204."""
    return await _remove_grant(request, _by_index(request))


async def read_user(request: Request) -> Response:
    """GET /api/records/{id}/access/users/{user_id}: what a user was given."""
    return await _read_grant(request, _by_user(request))


async def change_user(request: Request) -> Response:
    """PATCH /api/records/{id}/access/users/{user_id}: give a user another permission."""
    return await _change_grant(request, _by_user(request))


async def remove_user(request: Request) -> Response:
    """DELETE /api/records/{id}/access/users/{user_id}: take back what a user was given. 204."""
    return await _remove_grant(request, _by_user(request))


def _no_groups(session: Session, actor: Actor, some_id: int) -> None:
    """There are no groups here, as on Zenodo. Raises NotFound, Gone, Forbidden."""
    sharing.managed(session, actor, some_id)
    raise Forbidden("Groups are not offered here.")


async def list_groups(request: Request) -> Response:
    """GET /api/records/{id}/access/groups: 403, groups are not offered."""
    await look(request, lambda session, actor: _no_groups(session, actor, _id(request)))
    raise NotFound()


async def no_group(request: Request) -> Response:
    """GET /api/records/{id}/access/groups/{group_id}: 403, groups are not offered."""
    await look(request, lambda session, actor: _no_groups(session, actor, _id(request)))
    raise NotFound()


# Settings -------------------------------------------------------------------------------------------------


async def change_settings(request: Request) -> Response:
    """PUT /api/records/{id}/access: who may ask for access, on which terms. 200 with the record."""
    body = await object_body(request)
    said = body.get("settings") if isinstance(body.get("settings"), dict) else body

    ctx = context(request)
    wants_rdm(request)

    def work(session: Session, ctx: Context, actor: Actor) -> tuple[Actor, bool]:
        published = sharing.managed(session, actor, _id(request)).published
        sharing.change_settings(session, actor, _id(request), said or {})
        return actor, published

    actor, published = await change(request, work)

    def see() -> DraftView | RecordView:
        with ctx.db.read() as session:
            view: DraftView | RecordView | None = None
            if not published:
                view = drafts.view(session, actor, _id(request))
            view = view or queries.by_id(session, actor, _id(request))
            return replace(view, sharing=sharing.described(session, actor, view))

    return rdm_answer(request, await in_thread(request, see), 200)


# verb, path, handler: app.py adds them to its map.
ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("PUT", "/api/records/{id}/access", change_settings),
    ("GET", "/api/records/{id}/access/links", list_links),
    ("POST", "/api/records/{id}/access/links", create_link),
    ("GET", "/api/records/{id}/access/links/{link_id}", read_link),
    ("PATCH", "/api/records/{id}/access/links/{link_id}", change_link),
    ("DELETE", "/api/records/{id}/access/links/{link_id}", remove_link),
    ("GET", "/api/records/{id}/access/grants", list_grants),
    ("POST", "/api/records/{id}/access/grants", add_grants),
    ("GET", "/api/records/{id}/access/grants/{index}", read_grant),
    ("PUT", "/api/records/{id}/access/grants/{index}", replace_grant),
    ("PATCH", "/api/records/{id}/access/grants/{index}", change_grant),
    ("DELETE", "/api/records/{id}/access/grants/{index}", remove_grant),
    ("GET", "/api/records/{id}/access/users", list_users),
    ("GET", "/api/records/{id}/access/users/{user_id}", read_user),
    ("PATCH", "/api/records/{id}/access/users/{user_id}", change_user),
    ("DELETE", "/api/records/{id}/access/users/{user_id}", remove_user),
    ("GET", "/api/records/{id}/access/groups", list_groups),
    ("GET", "/api/records/{id}/access/groups/{group_id}", no_group),
]
