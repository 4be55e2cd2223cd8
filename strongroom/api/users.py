"""Users as InvenioRDM's API shows them (api-rdm.md section 6), who one is, and one's personal tokens.

Others see public profiles, without the address unless its owner shows it; nobody can tell a hidden
account from none. What is ours: `PUT /api/user` and `/api/user/tokens`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from strongroom import mail
from strongroom.access import EMAIL, PROFILE, TOKENS, Actor, require_scope, require_user
from strongroom.accounts import identities, profiles
from strongroom.accounts import service as accounts
from strongroom.db import AnyRow, Session
from strongroom.errors import Forbidden, Invalid, Malformed
from strongroom.http.deps import (
    bearer,
    context,
    if_match,
    json_answer,
    json_body,
    number,
    reading,
    writing,
)
from strongroom.ids import iso
from strongroom.settings import Settings

T = TypeVar("T")

_COLOURS = ("#e06055", "#f06292", "#ba68c8", "#9575cd", "#7986cb", "#4f8fd0", "#3f9aa8", "#4db6ac", "#57bb8a", "#a1887f")  # fmt: skip


# Shapes ----------------------------------------------------------------------------------------------------


def _item(row: AnyRow, actor: Actor, settings: Settings, unwilling: Set[int]) -> dict[str, Any]:
    """A user: all of it for himself and moderators, else what he shows. `unwilling` are those who want no mail."""
    whole = profiles.sees_all(actor, row)
    base = f"{settings.base_url}/api/users/{row.id}"
    profile = {"full_name": row.name, "affiliations": row.affiliations}
    item: dict[str, Any] = {
        "id": str(row.id),
        "created": iso(row.created),
        "updated": iso(row.updated),
        "links": {
            "self": base,
            "avatar": f"{base}/avatar.svg",
            "records_html": f"{settings.base_url}/search?q=parent.access.owned_by.user:{row.id}",
        },
        "revision_id": row.revision,
    }
    if whole:
        item |= {
            "active": row.is_active,
            "confirmed": row.confirmed is not None,
            "blocked": row.blocked is not None,
            "verified": row.verified,
        }
    item["is_current_user"] = actor.owns(row.id)
    may_email = actor.scopes is None or EMAIL in actor.scopes
    address = identities.shown(row.email)
    if address and ((whole and may_email) or (not whole and row.email_visibility == "public")):
        item |= {"email": address, "domain": address.rpartition("@")[2]}
    item |= {
        "identities": {"orcid": row.orcid} if row.orcid else {},
        "username": None,
        "profile": {k: v for k, v in profile.items() if v},
    }
    if whole:
        item["preferences"] = {
            "visibility": row.visibility,
            "email_visibility": row.email_visibility,
            "locale": "en",
            "timezone": "UTC",
            "notifications": {"enabled": row.id not in unwilling},
        }
    return item


def _token_item(row: AnyRow, settings: Settings) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "name": row.name,
        "scopes": row.scopes.split(),
        "created": iso(row.created),
        "expires": iso(row.expires) if row.expires else None,
        "last_used": iso(row.last_used) if row.last_used else None,
        "links": {"self": f"{settings.base_url}/api/user/tokens/{row.id}"},
    }


def _items(
    session: Session, actor: Actor, rows: Sequence[AnyRow], settings: Settings
) -> list[dict[str, Any]]:
    unwilling = mail.unwilling(session, [row.id for row in rows if profiles.sees_all(actor, row)])
    return [_item(row, actor, settings, unwilling) for row in rows]


def _user_answer(request: Request, item: dict[str, Any]) -> Response:
    return json_answer(request, item, headers={"ETag": f'"{item["revision_id"]}"'})


async def _object(request: Request) -> dict[str, Any]:
    body = await json_body(request)
    if not isinstance(body, dict):
        raise Malformed("The body must be a JSON object.")
    return body


# Users -----------------------------------------------------------------------------------------------------


async def search(request: Request) -> Response:
    """GET /api/users: public profiles by name or affiliation, for who is signed in; `q`, `page`, `size`."""
    return await _search(request, everybody=False)


async def everybody(request: Request) -> Response:
    """GET /api/users/all: all accounts, for moderators; `q`, `page`, `size`."""
    return await _search(request, everybody=True)


async def _search(request: Request, *, everybody: bool) -> Response:
    params, settings = request.query_params, context(request).settings
    page, size = _positive(params.get("page"), 1), _positive(params.get("size"), 10)
    if page is None or size is None or size > 100 or page * size > 10_000:
        raise Malformed("Invalid querystring parameters.")
    words = params.get("q") or params.get("suggest") or ""

    def work(session: Session, actor: Actor) -> tuple[int, list[dict[str, Any]]]:
        total, rows = profiles.search(session, actor, words, page=page, size=size, everybody=everybody)
        return total, _items(session, actor, rows, settings)

    total, found = await reading(request, work)
    path = "/api/users/all" if everybody else "/api/users"

    def link(n: int) -> str:
        query = {"page": n, "q": words, "size": size, "sort": "bestmatch"}
        return f"{settings.base_url}{path}?" + urlencode({k: v for k, v in query.items() if v != ""})

    links = {"self": link(page)}
    if page > 1:
        links["prev"] = link(page - 1)
    if page * size < total:
        links["next"] = link(page + 1)
    hits = {"hits": found, "total": total}
    return json_answer(request, {"hits": hits, "sortBy": "bestmatch", "links": links})


def _positive(text: str | None, default: int) -> int | None:
    """A whole number from 1; None where it is none."""
    if text is None:
        return default
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 6 and int(text) > 0 else None


async def read(request: Request) -> Response:
    """GET /api/users/{user_id}: one profile, if it is public, one's own, or a moderator asks."""
    return _user_answer(request, await reading(request, _of(request, _seen(request))))


def _seen(request: Request) -> Callable[[Session, Actor], AnyRow]:
    user_id = _small(number(request.path_params["user_id"]))
    return lambda session, actor: profiles.read(session, actor, user_id)


def _of(
    request: Request, found: Callable[[Session, Actor], AnyRow]
) -> Callable[[Session, Actor], dict[str, Any]]:
    """The user of the row that `found` finds, as JSON."""
    settings = context(request).settings
    return lambda session, actor: _items(session, actor, [found(session, actor)], settings)[0]


def _small(number: int) -> int:
    """PostgreSQL can't be asked for a number that no account could have."""
    return number if number < 2**31 else -1


async def avatar(request: Request) -> Response:
    """GET /api/users/{user_id}/avatar.svg: a disc in the user's colour, with the first letter of the name."""
    row = await reading(request, _seen(request))
    letter = next((c for c in row.name if c.isalnum()), "?").upper()[:1]
    colour = _COLOURS[row.id % len(_COLOURS)]
    svg = (
        '<svg width="256" height="256" viewBox="0 0 256 256" xmlns="http://www.w3.org/2000/svg">'
        f'<circle cx="128" cy="128" r="128" fill="{colour}"/>'
        '<text x="50%" y="53%" dominant-baseline="middle" text-anchor="middle" '
        'font-family="Helvetica, Arial, sans-serif" font-size="125" fill="#ffffff">'
        f"{escape(letter)}</text></svg>"
    )
    headers = {
        "Content-Disposition": "inline; filename=avatar.svg",
        "Content-Security-Policy": "default-src 'none'",
        "Cache-Control": "private, no-store",
    }
    return Response(svg, 200, headers, media_type="image/svg+xml")


def _moderation(action: str, what: str) -> Callable[[Request], Any]:
    async def moderate(request: Request) -> Response:
        user_id = _small(number(request.path_params["user_id"]))

        def work(session: Session, actor: Actor) -> AnyRow:
            if not actor.is_admin:
                raise Forbidden()
            require_scope(actor, PROFILE)
            return profiles.moderate(session, actor, user_id, action)

        return _user_answer(request, await writing(request, _of(request, work)))

    moderate.__doc__ = f"POST /api/users/{{user_id}}/{action}: {what}; for moderators."
    moderate.__name__ = action
    return moderate


approve = _moderation("approve", "the account was looked at and is good")
block = _moderation("block", "end the account's sessions, tokens and applications, and lock it")
restore = _moderation("restore", "unlock a blocked account")
activate = _moderation("activate", "let an account that was deactivated be used again")
deactivate = _moderation("deactivate", "end the account's sessions and let its tokens rest")


# Oneself ---------------------------------------------------------------------------------------------------


async def current(request: Request) -> Response:
    """GET /api/user: who one is, with everything that is kept about the profile."""
    return _user_answer(request, await reading(request, _of(request, profiles.own)))


async def me(request: Request) -> Response:
    """GET /api/me: who one is, in short, as Zenodo answers it."""
    row, actor = await reading(request, lambda session, actor: (profiles.own(session, actor), actor))
    body = {
        "confirmed_at": iso(row.created),
        "email": identities.shown(row.email),
        "id": row.id,
        "last_login_at": iso(row.last_login) if row.last_login else None,
        "roles": ["administration"] if actor.is_admin else [],
    }
    if actor.scopes is not None and EMAIL not in actor.scopes:
        del body["email"]
    return json_answer(request, body)


async def change(request: Request) -> Response:
    """PUT /api/user: change one's profile and preferences; what is absent stays, what can't be changed is ignored."""
    body, revision = await _object(request), if_match(request)
    wanted: dict[str, Any] = {}
    profile, preferences = _part(body, "profile"), _part(body, "preferences")
    wanted |= {k: profile[k] for k in ("full_name", "affiliations") if k in profile}
    wanted |= {k: preferences[k] for k in ("visibility", "email_visibility") if k in preferences}
    told = _part(preferences, "notifications", "preferences.notifications")
    if "enabled" in told:
        wanted["notifications"] = told["enabled"]

    def work(session: Session, actor: Actor) -> AnyRow:
        require_scope(actor, PROFILE)
        return profiles.change(session, actor, wanted, revision=revision)

    return _user_answer(request, await writing(request, _of(request, work)))


def _part(body: dict[str, Any], name: str, field: str | None = None) -> dict[str, Any]:
    part = body.get(name, {})
    if not isinstance(part, dict):
        raise Invalid.at(field or name, "Invalid input type.")
    return part


# Personal tokens -------------------------------------------------------------------------------------------


async def tokens(request: Request) -> Response:
    """GET /api/user/tokens: one's personal tokens, without their secrets; a token needs the scope user:tokens."""
    settings = context(request).settings

    def work(session: Session, actor: Actor) -> list[dict[str, Any]]:
        require_scope(actor, TOKENS)
        return [_token_item(row, settings) for row in accounts.own_tokens(session, actor)]

    found = await reading(request, work)
    return json_answer(request, {"hits": {"hits": found, "total": len(found)}})


async def make_token(request: Request) -> Response:
    """POST /api/user/tokens: make a personal token: `name`, `scopes`, `expires`; its secret is shown this once. 201."""
    body, settings = await _object(request), context(request).settings
    name, scopes = body.get("name"), body.get("scopes", [])
    if not isinstance(name, str):
        raise Invalid.at("name", "Say what the token is for.")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise Invalid.at("name", "Not a valid string.") from None
    if not isinstance(scopes, list) or not all(isinstance(s, str) for s in scopes):
        raise Invalid.at("scopes", "Must be a list of scopes.")
    expires = _moment(body.get("expires"))

    def work(session: Session, actor: Actor) -> dict[str, Any]:
        require_scope(actor, TOKENS)
        secret, token_id = accounts.make_token(session, actor, name, scopes, expires, by=bearer(request))
        made = next(row for row in accounts.own_tokens(session, actor) if row.id == token_id)
        return {**_token_item(made, settings), "access_token": secret}

    made = await writing(request, work)
    return json_answer(request, made, 201, {"Location": made["links"]["self"]})


async def revoke_token(request: Request) -> Response:
    """DELETE /api/user/tokens/{token_id}: end one of one's personal tokens; it can be the one that asks."""
    token_id = _small(number(request.path_params["token_id"]))

    def work(session: Session, actor: Actor) -> None:
        require_user(actor)
        require_scope(actor, TOKENS)
        accounts.revoke_token(session, actor, token_id)

    await writing(request, work)
    return Response(status_code=204)


def _moment(text: Any) -> datetime | None:
    """A time, or a day (that counts in full); None for a token that does not expire. Raises Invalid."""
    if text is None:
        return None
    try:
        if len(text) == 10:
            return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1)
        given = datetime.fromisoformat(text)
        return given.replace(tzinfo=given.tzinfo or UTC).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise Invalid.at("expires", "Not a date or time: write 2027-01-31 or 2027-01-31T12:00:00Z.") from None


# verb, path, handler: app.py adds them to its map.
ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/api/me", me),
    ("GET", "/api/user", current),
    ("PUT", "/api/user", change),
    ("GET", "/api/user/tokens", tokens),
    ("POST", "/api/user/tokens", make_token),
    ("DELETE", "/api/user/tokens/{token_id}", revoke_token),
    ("GET", "/api/users", search),
    ("GET", "/api/users/all", everybody),
    ("GET", "/api/users/{user_id}", read),
    ("GET", "/api/users/{user_id}/avatar.svg", avatar),
    ("POST", "/api/users/{user_id}/approve", approve),
    ("POST", "/api/users/{user_id}/block", block),
    ("POST", "/api/users/{user_id}/restore", restore),
    ("POST", "/api/users/{user_id}/activate", activate),
    ("POST", "/api/users/{user_id}/deactivate", deactivate),
]
