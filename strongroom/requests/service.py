"""The engine of requests: types, statuses, who may do what, comments, the timeline, lists.

A request is somebody's question about a topic (a record now, communities later) to a receiver. What an
accepted one does, its type says: `register` adds a type to `TYPES`, and nothing here knows which there
are. Everything is one transaction of the caller, mails are rows of the outbox. Source: api-rdm.md 5.

Statuses: `created` → `submitted` (open) → `accepted`, `declined`, `cancelled`, `expired` (closed).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, and_, delete, func, insert, or_, select, true, update

from strongroom import changes, mail
from strongroom.access import SYSTEM, Actor, Level
from strongroom.accounts.models import users
from strongroom.db import AnyRow, Session
from strongroom.errors import Forbidden, Invalid, NotFound
from strongroom.ids import new_uuid, now
from strongroom.metadata import html
from strongroom.records.models import concepts
from strongroom.requests.models import events, requests
from strongroom.requests.texts import LABELS
from strongroom.settings import Settings

CONTENT_MAX = 65_536  # characters of a comment
OPEN = ("submitted",)
STATUSES = {
    "submit": ("created", "submitted"),
    "accept": ("submitted", "accepted"),
    "decline": ("submitted", "declined"),
    "cancel": ("submitted", "cancelled"),
    "expire": ("submitted", "expired"),
}
BY_CREATOR = ("submit", "cancel")
BY_RECEIVER = ("accept", "decline")
SORTS = {
    "bestmatch": requests.c.number.desc(),
    "newest": requests.c.number.desc(),
    "oldest": requests.c.number.asc(),
    "newestactivity": requests.c.activity.desc(),
    "oldestactivity": requests.c.activity.asc(),
}

Does = Callable[[Session, Settings, Actor, AnyRow, str], None]


def _nothing(session: Session, settings: Settings, actor: Actor, row: AnyRow, comment: str) -> None:
    pass


@dataclass(frozen=True)
class RequestType:
    """One kind of request.

    `managers_decide`: besides the receiver, who manages the topic's record may accept and decline; else the
    receiver alone and, without one, administrators. `does` says what an action brings about, in the same
    transaction: called with (session, settings, actor, row, the comment that came with it).
    """

    id: str
    managers_decide: bool = False
    does: Mapping[str, Does] = field(default_factory=dict)
    noun: str = "requests"

    @property
    def label(self) -> str:
        return LABELS.get(self.id, self.id)


TYPES: dict[str, RequestType] = {}


def register(kind: RequestType) -> None:
    """Add a type. Raises ValueError for a name that is taken."""
    if kind.id in TYPES:
        raise ValueError(f"There is a type of requests {kind.id!r} already")
    TYPES[kind.id] = kind


# Rows -----------------------------------------------------------------------------------------------------

_ROWS: Select[Any] = select(requests, concepts.c.owner_id.label("concept_owner")).outerjoin(
    concepts, concepts.c.id == requests.c.concept_id
)


def payload_of(row: AnyRow) -> dict[str, Any]:
    return orjson.loads(row.payload)  # type: ignore[no-any-return]


def is_open(row: AnyRow) -> bool:
    return row.status in OPEN


def _row(session: Session, request_id: str, lock: bool = False) -> AnyRow:
    query = _ROWS.where(requests.c.id == request_id)
    row = session.execute(query.with_for_update(of=requests) if lock else query).first()
    if row is None:
        raise NotFound()
    return row


def is_creator(actor: Actor, row: AnyRow) -> bool:
    return actor.is_user and row.creator_type == "user" and row.creator_id == str(actor.user_id)


def _manages(actor: Actor, row: AnyRow) -> bool:
    """Whether the actor manages the record a request is about."""
    if row.concept_id is None or not actor.is_user:
        return False
    return row.concept_owner == actor.user_id or actor.shares.get(row.concept_id, 0) >= Level.MANAGE


def is_receiver(actor: Actor, row: AnyRow) -> bool:
    """Whether the actor decides about a request."""
    if actor.is_admin:
        return True
    if not actor.is_user:
        return False
    if row.receiver_type == "user" and row.receiver_id == str(actor.user_id):
        return True
    return TYPES[row.type].managers_decide and _manages(actor, row)


def may_read(actor: Actor, row: AnyRow) -> bool:
    return is_creator(actor, row) or is_receiver(actor, row) or _manages(actor, row)


def allowed_actions(actor: Actor, row: AnyRow) -> list[str]:
    """The actions that this actor may do now, in the order of links."""
    found = []
    for action, (before, _) in STATUSES.items():
        if row.status == before and action != "expire" and _may(actor, row, action):
            found.append(action)
    order = ("submit", "accept", "decline", "cancel")
    return [action for action in order if action in found]


def _may(actor: Actor, row: AnyRow, action: str) -> bool:
    if action in BY_CREATOR:
        return is_creator(actor, row)
    if action in BY_RECEIVER:
        # Who asks does not answer himself, unless he looks after the whole repository.
        return is_receiver(actor, row) and (actor.is_admin or not is_creator(actor, row))
    return actor.is_admin


def read(session: Session, actor: Actor, request_id: str) -> AnyRow:
    """One request. Raises NotFound, Forbidden."""
    if not actor.is_user:
        raise Forbidden()
    row = _row(session, request_id)
    if not may_read(actor, row):
        raise Forbidden()
    return row


# Verbs ----------------------------------------------------------------------------------------------------


def create(
    session: Session,
    settings: Settings,
    actor: Actor,
    kind: str,
    *,
    title: str,
    topic: tuple[str, str],
    creator: tuple[str, str],
    receiver: tuple[str, str] | None,
    concept_id: int | None = None,
    payload: Mapping[str, Any] | None = None,
    open_key: str | None = None,
    comment: str = "",
    expires: datetime | None = None,
) -> str:
    """Make a request and submit it; returns its id.

    `open_key` names what there can be one open of at a time. Raises Invalid when there is.
    """
    if open_key is not None:
        there = session.execute(select(requests.c.id).where(requests.c.open_key == open_key)).scalar()
        if there is not None:
            raise Invalid((), f"Identical {TYPES[kind].noun} already exist: {there}")
    request_id, moment = new_uuid(), now()
    session.execute(
        insert(requests).values(
            id=request_id,
            type=kind,
            title=title,
            status="submitted",
            creator_type=creator[0],
            creator_id=creator[1],
            receiver_type=receiver[0] if receiver else None,
            receiver_id=receiver[1] if receiver else None,
            topic_type=topic[0],
            topic_id=topic[1],
            concept_id=concept_id,
            payload=orjson.dumps(payload or {}).decode(),
            open_key=open_key,
            expires=expires,
            revision=1,
            created=moment,
            updated=moment,
            activity=moment,
        )
    )
    if comment:
        _event(session, request_id, "C", {"content": comment, "format": "html"}, creator)
    row = _row(session, request_id)
    does = TYPES[kind].does.get("submit", _nothing)
    does(session, settings, actor, row, comment)
    changes.append(session, actor.label, "request-submitted", "request", row.number, {"type": kind})
    return request_id


def execute(
    session: Session, settings: Settings, actor: Actor, request_id: str, action: str, comment: str = ""
) -> None:
    """Do an action, with a comment if there is one. Raises NotFound, Forbidden, Invalid (not possible now)."""
    if not actor.is_user and not actor.is_admin:
        raise Forbidden()
    row = _row(session, request_id, lock=True)
    if not actor.is_admin and not may_read(actor, row):
        raise Forbidden()
    impossible = Invalid((), f"Error for action '{action}': Could not execute the action")
    if action not in STATUSES:
        raise impossible
    if not _may(actor, row, action):
        raise Forbidden()
    before, after = STATUSES[action]
    if row.status != before:
        raise impossible
    session.execute(
        update(requests)
        .where(requests.c.id == request_id)
        .values(
            status=after,
            open_key=row.open_key if after in OPEN else None,
            revision=requests.c.revision + 1,
            updated=now(),
        )
    )
    who = ("user", str(actor.user_id)) if actor.is_user else ("user", "system")
    _event(session, request_id, "L", {"event": after, "format": "html"}, who)
    if comment:
        _event(session, request_id, "C", {"content": comment, "format": "html"}, who)
    does = TYPES[row.type].does.get(action, _nothing)
    does(session, settings, actor, row, comment)
    changes.append(session, actor.label, f"request-{after}", "request", row.number, {"type": row.type})


def due(session: Session, limit: int = 1000) -> list[str]:
    """The open requests whose time is over."""
    found = session.execute(
        select(requests.c.id).where(requests.c.status.in_(OPEN), requests.c.expires <= now()).limit(limit)
    ).scalars()
    return [str(i) for i in found]


def expire(session: Session, settings: Settings, request_id: str) -> None:
    """End a request whose time is over, unless somebody was faster."""
    if _row(session, request_id, lock=True).status in OPEN:
        execute(session, settings, SYSTEM, request_id, "expire")


def change(
    session: Session, actor: Actor, request_id: str, title: str | None, description: str | None
) -> None:
    """Change what a request is called and says, while it is open. Raises NotFound, Forbidden."""
    row = read(session, actor, request_id)
    if not (actor.is_admin or (is_creator(actor, row) and row.status in ("created", *OPEN))):
        raise Forbidden()
    values: dict[str, Any] = {}
    if title is not None:
        if not title.strip():
            raise Invalid.at("title", "Shorter than minimum length 1.")
        values["title"] = title.strip()
    if description is not None:
        values["description"] = html.clean(description)
    session.execute(
        update(requests)
        .where(requests.c.id == request_id)
        .values(**values, revision=requests.c.revision + 1, updated=now())
    )
    changes.append(session, actor.label, "request-changed", "request", row.number)


def remove(session: Session, actor: Actor, request_id: str) -> None:
    """Delete a request with its timeline: its creator before it is submitted, administrators any. Raises as `read`."""
    row = read(session, actor, request_id)
    if not (actor.is_admin or (is_creator(actor, row) and row.status == "created")):
        raise Forbidden("A request that was submitted stays: cancel it instead.")
    session.execute(delete(events).where(events.c.request_id == request_id))
    session.execute(delete(requests).where(requests.c.id == request_id))
    changes.append(session, actor.label, "request-deleted", "request", row.number)


def set_locked(session: Session, actor: Actor, request_id: str, locked: bool) -> None:
    """Close the conversation of a request, or open it again: its receiver. Raises NotFound, Forbidden."""
    row = read(session, actor, request_id)
    if not is_receiver(actor, row):
        raise Forbidden()
    if row.locked == locked:
        return
    session.execute(
        update(requests)
        .where(requests.c.id == request_id)
        .values(locked=locked, revision=requests.c.revision + 1, updated=now())
    )
    event = "locked" if locked else "unlocked"
    _event(session, request_id, "L", {"event": event, "format": "html"}, ("user", str(actor.user_id)))
    changes.append(session, actor.label, f"request-{event}", "request", row.number)


# The timeline ---------------------------------------------------------------------------------------------


def _event(
    session: Session,
    request_id: str,
    kind: str,
    payload: Mapping[str, Any],
    creator: tuple[str, str],
    parent_id: str | None = None,
) -> str:
    event_id, moment = new_uuid(), now()
    session.execute(
        insert(events).values(
            id=event_id,
            request_id=request_id,
            parent_id=parent_id,
            type=kind,
            payload=orjson.dumps(payload).decode(),
            creator_type=creator[0],
            creator_id=creator[1],
            revision=1,
            created=moment,
            updated=moment,
        )
    )
    session.execute(update(requests).where(requests.c.id == request_id).values(activity=moment))
    return event_id


def clean_content(content: Any, field_name: str = "payload.content") -> str:
    """What a comment may say, as cleaned HTML. Raises Invalid."""
    if content is None:
        raise Invalid.at(field_name, "Missing data for required field.")
    if not isinstance(content, str):
        raise Invalid.at(field_name, "Not a valid string.")
    if len(content) > CONTENT_MAX:
        raise Invalid.at(field_name, f"Longer than maximum length {CONTENT_MAX}.")
    cleaned = html.clean(content.replace("\0", "")).strip()
    if not cleaned:
        raise Invalid.at(field_name, "Shorter than minimum length 1.")
    return cleaned


def comment(
    session: Session,
    settings: Settings,
    actor: Actor,
    request_id: str,
    content: str,
    parent_id: str | None = None,
) -> str:
    """Say something, or answer a comment; returns the event's id. Raises NotFound, Forbidden."""
    row = read(session, actor, request_id)
    if row.locked and not is_receiver(actor, row):
        raise Forbidden("The conversation was closed.")
    if parent_id is not None:
        parent = _find_event(session, request_id, parent_id)
        parent_id = parent.parent_id or parent.id  # answers to answers stand under the first
    event_id = _event(
        session,
        request_id,
        "C",
        {"content": content, "format": "html"},
        ("user", str(actor.user_id)),
        parent_id,
    )
    tell_parties(session, settings, actor, row, "request-comment", content)
    changes.append(session, actor.label, "request-comment", "request", row.number)
    return event_id


def _find_event(session: Session, request_id: str, event_id: str) -> AnyRow:
    row = session.execute(
        select(events).where(events.c.id == event_id, events.c.request_id == request_id)
    ).first()
    if row is None:
        raise NotFound("The comment does not exist.")
    return row


def read_event(session: Session, actor: Actor, request_id: str, event_id: str) -> AnyRow:
    """One entry of a timeline. Raises NotFound, Forbidden."""
    read(session, actor, request_id)
    return _find_event(session, request_id, event_id)


def may_change_event(actor: Actor, event: AnyRow) -> bool:
    return bool(event.type == "C" and event.creator_type == "user" and event.creator_id == str(actor.user_id))


def change_comment(session: Session, actor: Actor, request_id: str, event_id: str, content: str) -> None:
    """Say something else in one's own comment. Raises NotFound, Forbidden."""
    row = read(session, actor, request_id)
    event = _find_event(session, request_id, event_id)
    if not may_change_event(actor, event) or (row.locked and not is_receiver(actor, row)):
        raise Forbidden()
    _rewrite(session, event, "C", {"content": content, "format": "html"})
    changes.append(session, actor.label, "comment-changed", "request", row.number)


def remove_comment(session: Session, actor: Actor, request_id: str, event_id: str) -> None:
    """Take one's comment back (administrators: any); that there was one stays told. Raises NotFound, Forbidden."""
    row = read(session, actor, request_id)
    event = _find_event(session, request_id, event_id)
    if event.type != "C" or not (actor.is_admin or may_change_event(actor, event)):
        raise Forbidden()
    said = {"event": "comment_deleted", "content": "comment was deleted", "format": "html"}
    _rewrite(session, event, "L", said)
    changes.append(session, actor.label, "comment-deleted", "request", row.number)


def _rewrite(session: Session, event: AnyRow, kind: str, payload: Mapping[str, Any]) -> None:
    session.execute(
        update(events)
        .where(events.c.id == event.id)
        .values(
            type=kind,
            payload=orjson.dumps(payload).decode(),
            revision=events.c.revision + 1,
            updated=now(),
        )
    )


@dataclass(frozen=True)
class Timeline:
    """One page of a request's timeline, oldest first; `children` are the answers to each comment."""

    request: AnyRow
    total: int
    page: int
    events: Sequence[AnyRow]
    children: Mapping[str, Sequence[AnyRow]]


def timeline(
    session: Session,
    actor: Actor,
    request_id: str,
    *,
    page: int = 1,
    size: int = 25,
    parent_id: str | None = None,
    focus: str | None = None,
) -> Timeline:
    """One page of the timeline, of one comment's answers (`parent_id`), or the page that `focus` is on.

    Raises NotFound, Forbidden.
    """
    row = read(session, actor, request_id)
    level = and_(
        events.c.request_id == request_id,
        events.c.parent_id == parent_id if parent_id is not None else events.c.parent_id.is_(None),
    )
    if parent_id is not None:
        _find_event(session, request_id, parent_id)
    if focus is not None:
        event = _find_event(session, request_id, focus)
        if event.parent_id is not None and parent_id is None:
            event = _find_event(session, request_id, event.parent_id)
        before = session.execute(
            select(func.count()).select_from(events).where(level, events.c.seq < event.seq)
        ).scalar_one()
        page = int(before) // size + 1
    total = session.execute(select(func.count()).select_from(events).where(level)).scalar_one()
    found = session.execute(
        select(events).where(level).order_by(events.c.seq).offset((page - 1) * size).limit(size)
    ).all()
    children: dict[str, list[AnyRow]] = {}
    if parent_id is None:
        answers = session.execute(
            select(events)
            .where(events.c.request_id == request_id, events.c.parent_id.in_([e.id for e in found]))
            .order_by(events.c.seq)
        ).all()
        for answer in answers:
            children.setdefault(answer.parent_id, []).append(answer)
    return Timeline(row, int(total), page, found, children)


def last_comments(session: Session, ids: Sequence[str]) -> dict[str, AnyRow]:
    """The newest comment of each of these requests, in one statement."""
    newest = (
        select(func.max(events.c.seq))
        .where(events.c.request_id.in_(ids), events.c.type == "C")
        .group_by(events.c.request_id)
    )
    rows = session.execute(select(events).where(events.c.seq.in_(newest))).all()
    return {row.request_id: row for row in rows}


# Lists ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Query:
    """What a list of requests is asked for; `topic` (type, id) and `concept_id` narrow it to a record."""

    text: str = ""
    types: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    is_open: bool | None = None
    shared_with_me: bool | None = None
    concept_id: int | None = None
    sort: str = "newest"
    page: int = 1
    size: int = 25


@dataclass(frozen=True)
class Page:
    """Rows of one page, how many there are in all, and how many of each type and status."""

    rows: Sequence[AnyRow]
    total: int
    types: Mapping[str, int]
    statuses: Mapping[str, int]


def search(session: Session, actor: Actor, query: Query, *, mine: bool = False) -> Page:
    """The requests that an actor may see; `mine`: made by or to him, also for administrators. Raises Forbidden."""
    if not actor.is_user:
        raise Forbidden()
    where = and_(_visible(actor, mine), *_filters(actor, query))
    base = select(requests.c.type, requests.c.status, func.count().label("number"))
    counted = session.execute(
        base.select_from(requests.outerjoin(concepts, concepts.c.id == requests.c.concept_id))
        .where(where)
        .group_by(requests.c.type, requests.c.status)
    ).all()
    types: dict[str, int] = {}
    statuses: dict[str, int] = {}
    for row in counted:
        types[row.type] = types.get(row.type, 0) + row.number
        statuses[row.status] = statuses.get(row.status, 0) + row.number
    rows = session.execute(
        _ROWS.where(where)
        .order_by(SORTS[query.sort], requests.c.number.desc())
        .offset((query.page - 1) * query.size)
        .limit(query.size)
    ).all()
    return Page(rows, sum(types.values()), types, statuses)


def _visible(actor: Actor, mine: bool) -> ColumnElement[bool]:
    if actor.is_admin and not mine:
        return true()
    me = str(actor.user_id)
    managed = sorted(c for c, given in actor.shares.items() if given >= Level.MANAGE)
    return or_(
        and_(requests.c.creator_type == "user", requests.c.creator_id == me),
        and_(requests.c.receiver_type == "user", requests.c.receiver_id == me),
        concepts.c.owner_id == actor.user_id,
        requests.c.concept_id.in_(managed[:1000]),
    )


def _filters(actor: Actor, query: Query) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for word in query.text.lower().split()[:10]:
        escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        found.append(func.lower(requests.c.title).like(f"%{escaped}%", escape="\\"))
    if query.types:
        found.append(requests.c.type.in_(query.types))
    if query.statuses:
        found.append(requests.c.status.in_(query.statuses))
    if query.is_open is not None:
        found.append(requests.c.status.in_(OPEN) if query.is_open else requests.c.status.not_in(OPEN))
    if query.shared_with_me:
        own = and_(requests.c.creator_type == "user", requests.c.creator_id == str(actor.user_id))
        found.append(~own)
    if query.concept_id is not None:
        found.append(requests.c.concept_id == query.concept_id)
    return found


# Mail -----------------------------------------------------------------------------------------------------


def tell(
    session: Session,
    settings: Settings,
    user_ids: Sequence[int],
    row: AnyRow,
    kind: str,
    message: str,
    who: str = "",
) -> None:
    """Mail those of these users who want it. Texts are plain; the link is to the request's page."""
    wanted = set(user_ids) - mail.unwilling(session, list(user_ids))
    people = session.execute(
        select(users.c.email).where(users.c.id.in_(sorted(wanted)), users.c.is_active.is_(True))
    ).scalars()
    addresses = [str(email) for email in people]
    values = {
        "title": row.title,
        "kind": TYPES[row.type].label,
        "message": html.plain(message),
        "who": who,
        "link": f"{settings.base_url}/me/requests/{row.id}",
    }
    for email in addresses:
        mail.send(session, email, kind, values)


def tell_parties(
    session: Session, settings: Settings, actor: Actor, row: AnyRow, kind: str, message: str
) -> None:
    """Mail the users on both sides of a request, but not the one who did it."""
    parties = {
        int(some_id)
        for some_type, some_id in (
            (row.creator_type, row.creator_id),
            (row.receiver_type, row.receiver_id),
        )
        if some_type == "user" and some_id and some_id.isdigit()
    }
    tell(session, settings, sorted(parties - {actor.user_id}), row, kind, message, name_of(actor))


def tell_creator(
    session: Session, settings: Settings, actor: Actor, row: AnyRow, kind: str, message: str
) -> None:
    """Mail who asked, where that is a user."""
    if row.creator_type == "user" and row.creator_id.isdigit():
        tell(session, settings, [int(row.creator_id)], row, kind, message, name_of(actor))


def name_of(actor: Actor) -> str:
    """How mails call somebody; addresses are nobody's business."""
    return actor.name or (f"User {actor.user_id}" if actor.user_id else "The repository")
