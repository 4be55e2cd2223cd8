"""Verbs of sharing: grants to users, share links, who may ask for access.

What is given holds for a concept: all its versions, published and open. `shares_of` and `share_of_link`
turn rows into levels (`access.Level`) once a request; everything else decides by those. Listing and
changing who may do what needs `Level.MANAGE`. Source: api-rdm.md section 3; docs/decisions/0010.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, insert, or_, select, update

from strongroom import changes, mail
from strongroom.access import SYSTEM, Actor, Level, Owned, level, require_manage
from strongroom.accounts.models import users
from strongroom.db import AnyRow, Moment, Prepared, Session
from strongroom.errors import Finding, Forbidden, Invalid, NotFound
from strongroom.ids import new_token, new_uuid, now, today
from strongroom.jobs import queue
from strongroom.metadata import html
from strongroom.metadata.model import Access, RecordData
from strongroom.records import queries
from strongroom.records.models import concepts, drafts, records, revisions
from strongroom.records.views import DraftView, RecordView, Sharing
from strongroom.sharing.models import grants, links
from strongroom.sharing.models import settings as settings_table

LEVELS: dict[str, Level] = {
    "view": Level.VIEW,
    "preview": Level.PREVIEW,
    "edit": Level.EDIT,
    "manage": Level.MANAGE,
    "owner": Level.MANAGE,  # as the first owner: stands beside him, and may make others owners
}
LINK_PERMISSIONS = ("view", "preview", "edit")
GRANTS_AT_ONCE = 100
EXPIRATION_MAX = 365  # days
CONDITIONS_MAX = 20_000  # characters

# For the two questions of every request made statements of once (decision 0007).
_SHARES = Prepared(
    select(grants.c.concept_id, grants.c.permission).where(
        grants.c.subject_type == "user",
        grants.c.subject_id == bindparam("subject"),
        or_(grants.c.expires.is_(None), grants.c.expires > bindparam("moment", type_=Moment())),
    )
)
_LINK = Prepared(
    select(links.c.concept_id, links.c.permission).where(
        links.c.token == bindparam("token"),
        or_(links.c.expires_at.is_(None), links.c.expires_at > bindparam("day")),
    )
)


_GRANTS = Prepared(
    select(grants)
    .where(
        grants.c.concept_id == bindparam("concept_id"),
        or_(grants.c.expires.is_(None), grants.c.expires > bindparam("moment", type_=Moment())),
    )
    .order_by(grants.c.id)
)
_SETTINGS = Prepared(select(settings_table).where(settings_table.c.concept_id == bindparam("concept_id")))
_NEWEST = Prepared(
    select(records.c.data)
    .join(concepts, concepts.c.latest_id == records.c.id)
    .where(concepts.c.id == bindparam("concept_id"))
)


def shares_of(session: Session, user_id: int) -> dict[int, Level]:
    """How far grants let a user go: concept id → level. One statement."""
    found = _SHARES.on(session, {"subject": str(user_id), "moment": now()})
    return {row.concept_id: LEVELS[row.permission] for row in found}


def share_of_link(session: Session, token: str) -> tuple[int, Level] | None:
    """The concept that a share link opens and how far; None for an unknown or expired one. One statement."""
    if not token or len(token) > 80 or "\0" in token:
        return None
    row = _LINK.on(session, {"token": token, "day": today().isoformat()}).first()
    return (int(row.concept_id), LEVELS[row.permission]) if row is not None else None


def who_sees(session: Session, owned: Owned) -> tuple[set[int], bool]:
    """Who may see the drafts of a concept: the numbers of users, and whether a share link opens them. Two statements."""
    drafts_too = [name for name, given in LEVELS.items() if given >= Level.PREVIEW]
    given = session.execute(
        select(grants.c.subject_id).where(
            grants.c.concept_id == owned.concept_id,
            grants.c.subject_type == "user",
            grants.c.permission.in_(drafts_too),
            or_(grants.c.expires.is_(None), grants.c.expires > now()),
        )
    ).scalars()
    link = session.execute(
        select(links.c.id)
        .where(
            links.c.concept_id == owned.concept_id,
            links.c.permission.in_(drafts_too),
            or_(links.c.expires_at.is_(None), links.c.expires_at > today().isoformat()),
        )
        .limit(1)
    ).first()
    return {owned.owner_id, *map(int, given)}, link is not None


# Which concept --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """The concept that a record's or draft's id belongs to; `record_id` is that id."""

    record_id: int
    concept_id: int
    owner_id: int
    title: str
    data: RecordData
    published: bool
    created: datetime


def place(session: Session, some_id: int) -> Place:
    """Where a record or draft belongs. Raises NotFound, Gone."""
    for table in (records, drafts):
        row = session.execute(select(table).where(table.c.id == some_id)).first()
        if row is None:
            continue
        if table is records and row.withdrawn is not None:
            queries.by_id(session, SYSTEM, some_id, with_files=False)  # raises Gone with its tombstone
        return Place(
            int(row.id),
            int(row.concept_id),
            int(row.owner_id),
            row.title,
            RecordData.from_json(row.data),
            table is records,
            row.created,
        )
    queries.by_id(session, SYSTEM, some_id, with_files=False)  # raises what a record's address says, or
    raise NotFound()


def managed(session: Session, actor: Actor, some_id: int) -> Place:
    """The same for somebody who may say who does what. Raises NotFound, Gone, Forbidden."""
    found = place(session, some_id)
    require_manage(actor, found)
    return found


def note(session: Session, actor: Actor, concept_id: int, verb: str, detail: Mapping[str, Any]) -> None:
    """A concept's sharing changed: in the log, and in a new manifest where it has one."""
    session.execute(
        update(concepts).where(concepts.c.id == concept_id).values(revision=concepts.c.revision + 1)
    )
    latest = session.execute(select(concepts.c.latest_id).where(concepts.c.id == concept_id)).scalar()
    if latest is not None:
        queue.enqueue(session, "manifest.write", str(latest), {"record_id": latest})
    changes.append(session, actor.label, verb, "concept", concept_id, detail)


# Share links ----------------------------------------------------------------------------------------------


def list_links(session: Session, actor: Actor, some_id: int) -> Sequence[AnyRow]:
    """All share links of a concept, oldest first; expired ones too. Raises NotFound, Gone, Forbidden."""
    concept_id = managed(session, actor, some_id).concept_id
    return session.execute(
        select(links).where(links.c.concept_id == concept_id).order_by(links.c.created, links.c.id)
    ).all()


def read_link(session: Session, actor: Actor, some_id: int, link_id: str) -> AnyRow:
    """One share link. Raises NotFound, Gone, Forbidden."""
    concept_id = managed(session, actor, some_id).concept_id
    row = session.execute(
        select(links).where(links.c.id == link_id, links.c.concept_id == concept_id)
    ).first()
    if row is None:
        raise NotFound("No secret link found with the given ID.")
    return row


def create_link(
    session: Session,
    actor: Actor,
    some_id: int,
    *,
    permission: str,
    expires_at: date | None = None,
    description: str = "",
    origin: str | None = None,
) -> AnyRow:
    """A new share link, which opens the concept until `expires_at` (that day excluded; None: for ever).

    Raises NotFound, Gone, Forbidden, Invalid.
    """
    found = managed(session, actor, some_id)
    _check_permission(permission, LINK_PERMISSIONS)
    _check_future(expires_at)
    link_id = new_uuid()
    session.execute(
        insert(links).values(
            id=link_id,
            concept_id=found.concept_id,
            token=new_token(),
            permission=permission,
            description=description,
            origin=origin,
            expires_at=expires_at.isoformat() if expires_at else None,
            created=now(),
        )
    )
    note(session, actor, found.concept_id, "link-created", {"link": link_id, "permission": permission})
    return session.execute(select(links).where(links.c.id == link_id)).one()


def change_link(
    session: Session, actor: Actor, some_id: int, link_id: str, changed: Mapping[str, Any]
) -> AnyRow:
    """Change `permission`, `description` or `expires_at` of a share link; it can end sooner, never later.

    Raises NotFound, Gone, Forbidden, Invalid.
    """
    row = read_link(session, actor, some_id, link_id)
    values = {k: v for k, v in changed.items() if k in ("permission", "description", "expires_at")}
    if "permission" in values:
        _check_permission(values["permission"], LINK_PERMISSIONS)
    if "expires_at" in values:
        until: date | None = values["expires_at"]
        said = until.isoformat() if until else None
        if said != row.expires_at:
            if row.expires_at is not None and (said is None or said > row.expires_at):
                raise Invalid.at("expires_at", "Cannot postpone expiration of links")
            _check_future(until)
        values["expires_at"] = said
    if values:
        session.execute(update(links).where(links.c.id == link_id).values(values))
        note(session, actor, row.concept_id, "link-changed", {"link": link_id, **values})
    return session.execute(select(links).where(links.c.id == link_id)).one()


def remove_link(session: Session, actor: Actor, some_id: int, link_id: str) -> None:
    """End a share link. Raises NotFound, Gone, Forbidden."""
    row = read_link(session, actor, some_id, link_id)
    session.execute(delete(links).where(links.c.id == link_id))
    note(session, actor, row.concept_id, "link-removed", {"link": link_id})


def _check_permission(permission: str, known: Sequence[str], field: str = "permission") -> None:
    if permission not in known:
        raise Invalid.at(field, f"Must be one of: {', '.join(known)}.")


def _check_future(until: date | None) -> None:
    if until is not None and until <= today():
        raise Invalid.at("expires_at", "Expiration date must be set to the future")


# Grants ---------------------------------------------------------------------------------------------------


def list_grants(session: Session, actor: Actor, some_id: int) -> Sequence[AnyRow]:
    """All grants of a concept that hold now, in the order they were given. Raises NotFound, Gone, Forbidden."""
    return _grants(session, managed(session, actor, some_id).concept_id)


def _grants(session: Session, concept_id: int) -> Sequence[AnyRow]:
    return _GRANTS.on(session, {"concept_id": concept_id, "moment": now()}).all()


@dataclass(frozen=True, slots=True)
class NewGrant:
    """Who shall get what. `subject` is a user's number, or his e-mail address."""

    permission: str
    subject: str
    subject_type: str = "user"
    notify: bool = False
    message: str = ""


def add_grants(session: Session, actor: Actor, some_id: int, wanted: Sequence[NewGrant]) -> Sequence[AnyRow]:
    """Give permissions; all of them or, where one can't be, none. Raises NotFound, Gone, Forbidden, Invalid."""
    found = managed(session, actor, some_id)
    if not 1 <= len(wanted) <= GRANTS_AT_ONCE:
        raise Invalid.at("grants", f"Length must be between 1 and {GRANTS_AT_ONCE}.")
    for grant in wanted:
        _check_permission(grant.permission, tuple(LEVELS))
        if grant.subject_type != "user":
            raise Invalid.at("subject.type", "Only users can be given access here: use the type user.")
        if grant.permission == "owner":
            _require_owner(session, actor, found)
    known = _user_ids(session, [grant.subject for grant in wanted])
    there = {row.subject_id for row in _grants(session, found.concept_id)}
    given: list[int] = []
    for grant in wanted:
        user_id = known.get(grant.subject.strip().lower())
        if user_id is None:
            raise Invalid.at("subject.id", "Could not find the specified subject.")
        if str(user_id) in there or user_id == found.owner_id:
            raise Invalid((), "Grant for this user/role already exists within this record.")
        there.add(str(user_id))
        given.append(give(session, found.concept_id, user_id, grant.permission, f"api:{actor.user_id}"))
    note(
        session,
        actor,
        found.concept_id,
        "granted",
        {"to": [known[g.subject.strip().lower()] for g in wanted], "what": [g.permission for g in wanted]},
    )
    return session.execute(select(grants).where(grants.c.id.in_(given)).order_by(grants.c.id)).all()


def give(
    session: Session,
    concept_id: int,
    user_id: int,
    permission: str,
    origin: str,
    expires: datetime | None = None,
) -> int:
    """The row of a grant; one that expired makes room. For verbs that have checked who may."""
    session.execute(
        delete(grants).where(
            grants.c.concept_id == concept_id,
            grants.c.subject_type == "user",
            grants.c.subject_id == str(user_id),
            grants.c.expires <= now(),
        )
    )
    return int(
        session.execute(
            insert(grants)
            .values(
                concept_id=concept_id,
                subject_type="user",
                subject_id=str(user_id),
                permission=permission,
                origin=origin,
                expires=expires,
                created=now(),
            )
            .returning(grants.c.id)
        ).scalar_one()
    )


def give_access(
    session: Session, actor: Actor, concept_id: int, user_id: int, origin: str, days: int
) -> None:
    """Let a user see restricted files for some days (0: for ever); more than that he keeps if he has it."""
    expires = now() + timedelta(days=days) if days else None
    row = session.execute(
        select(grants).where(
            grants.c.concept_id == concept_id,
            grants.c.subject_type == "user",
            grants.c.subject_id == str(user_id),
            or_(grants.c.expires.is_(None), grants.c.expires > now()),
        )
    ).first()
    if row is None:
        give(session, concept_id, user_id, "view", origin, expires)
    elif row.expires is not None and (expires is None or row.expires < expires):
        session.execute(update(grants).where(grants.c.id == row.id).values(expires=expires))
    note(session, actor, concept_id, "granted", {"to": [user_id], "what": ["view"], "origin": origin})


def grant_by_index(session: Session, actor: Actor, some_id: int, index: int) -> AnyRow:
    """The grant at a place of the list. Raises NotFound, Gone, Forbidden."""
    there = list_grants(session, actor, some_id)
    if not 0 <= index < len(there):
        raise NotFound("No grant found with the given index.")
    return there[index]


def grant_of_user(session: Session, actor: Actor, some_id: int, subject: str) -> AnyRow:
    """The grant of a user, by number or address. Raises NotFound, Gone, Forbidden."""
    there = list_grants(session, actor, some_id)
    user_id = _user_ids(session, [subject]).get(subject.strip().lower())
    for row in there:
        if row.subject_type == "user" and row.subject_id == str(user_id):
            return row
    raise NotFound("No grant found by given user id.")


def change_grant(session: Session, actor: Actor, some_id: int, row: AnyRow, permission: str) -> AnyRow:
    """Give what a grant's row names another permission. Raises NotFound, Gone, Forbidden, Invalid."""
    found = managed(session, actor, some_id)
    _check_permission(permission, tuple(LEVELS))
    if "owner" in (permission, row.permission) and permission != row.permission:
        _require_owner(session, actor, found)
    session.execute(
        update(grants)
        .where(grants.c.id == row.id, grants.c.concept_id == found.concept_id)
        .values(permission=permission)
    )
    note(session, actor, found.concept_id, "grant-changed", {"to": int(row.subject_id), "what": permission})
    return session.execute(select(grants).where(grants.c.id == row.id)).one()


def remove_grant(session: Session, actor: Actor, some_id: int, row: AnyRow) -> None:
    """Take a grant back. Raises NotFound, Gone, Forbidden."""
    found = managed(session, actor, some_id)
    if row.permission == "owner":
        _require_owner(session, actor, found)
    session.execute(delete(grants).where(grants.c.id == row.id, grants.c.concept_id == found.concept_id))
    note(session, actor, found.concept_id, "grant-removed", {"to": int(row.subject_id)})


def owners(session: Session, concept_id: int) -> list[int]:
    """User ids of all owners, the first one (whose name the record shows) first."""
    first = session.execute(select(concepts.c.owner_id).where(concepts.c.id == concept_id)).scalar_one()
    more = [int(r.subject_id) for r in _grants(session, concept_id) if r.permission == "owner"]
    return [int(first), *(i for i in more if i != first)]


def _require_owner(session: Session, actor: Actor, found: Place) -> None:
    """Managers may not make themselves owners. Raises Forbidden."""
    if not actor.is_admin and actor.user_id not in owners(session, found.concept_id):
        raise Forbidden("Only an owner can say who else is one.")


def address_of(session: Session, user_id: int) -> str | None:
    """Where to write to a user who wants to be told; None where he does not."""
    if not mail.wants(session, user_id):
        return None
    return session.execute(select(users.c.email).where(users.c.id == user_id)).scalar()


def _user_ids(session: Session, subjects: Iterable[str]) -> dict[str, int]:
    """Numbers of active users by number or address, as they were named."""
    named = {s.strip().lower() for s in subjects}
    numbers = [int(s) for s in named if s.isascii() and s.isdigit() and len(s) < 10]
    rows = session.execute(
        select(users.c.id, users.c.email).where(
            or_(users.c.id.in_(numbers), users.c.email.in_([s for s in named if "@" in s])),
            users.c.is_active.is_(True),
        )
    ).all()
    found: dict[str, int] = {}
    for row in rows:
        found[str(row.id)] = found[row.email] = row.id
    return found


def sweep(session: Session) -> int:
    """Remove grants that ended; how many."""
    return session.execute(delete(grants).where(grants.c.expires <= now())).rowcount


# Settings -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who may ask for access to a concept, and on which terms (`parent.access.settings`)."""

    allow_user_requests: bool = False
    allow_guest_requests: bool = False
    accept_conditions_text: str | None = None  # cleaned HTML
    secret_link_expiration: int = 0  # days; 0: never

    def as_json(self) -> dict[str, Any]:
        return {
            "allow_user_requests": self.allow_user_requests,
            "allow_guest_requests": self.allow_guest_requests,
            "accept_conditions_text": self.accept_conditions_text,
            "secret_link_expiration": self.secret_link_expiration,
        }


def _settings(access: Access, row: AnyRow | None) -> AccessSettings:
    if row is None:
        # What the deposit API calls `restricted` (one may ask) and `closed` (nobody may).
        asked = access.requests and access.files == "restricted" and access.record == "public"
        asked = asked and access.embargo_until is None
        return AccessSettings(asked, asked, access.conditions, 0)
    return AccessSettings(
        access.requests and row.askers != "guests",
        access.requests and row.askers != "users",
        access.conditions,
        row.expiration_days,
    )


def settings_of(session: Session, concept_id: int, access: Access) -> AccessSettings:
    """The settings of a concept, whose newest version (or first draft) says `access`. One statement."""
    return _settings(access, _SETTINGS.on(session, {"concept_id": concept_id}).first())


def read_settings(session: Session, actor: Actor, some_id: int) -> AccessSettings:
    """The settings that hold for a record or draft, for those who may change them. Raises NotFound, Gone, Forbidden."""
    found = managed(session, actor, some_id)
    newest = _NEWEST.on(session, {"concept_id": found.concept_id}).scalar()
    data = found.data if newest is None else RecordData.from_json(newest)
    return settings_of(session, found.concept_id, data.access)


def settings_of_many(session: Session, asked: Mapping[int, Access]) -> dict[int, AccessSettings]:
    """The same of several concepts, in one statement: for lists."""
    rows = session.execute(select(settings_table).where(settings_table.c.concept_id.in_(list(asked)))).all()
    there = {row.concept_id: row for row in rows}
    return {concept_id: _settings(access, there.get(concept_id)) for concept_id, access in asked.items()}


def change_settings(
    session: Session, actor: Actor, some_id: int, changed: Mapping[str, Any]
) -> AccessSettings:
    """Say who may ask for access, on which conditions and for how long; what is left out stays.

    `requests` and `conditions` are the record's own words (both APIs show them), so they are written into
    its newest version and its open drafts; the rest is a row of the concept (docs/decisions/0010). Raises
    NotFound, Gone, Forbidden, Invalid.
    """
    found = managed(session, actor, some_id)
    concept = session.execute(
        select(concepts).where(concepts.c.id == found.concept_id).with_for_update()
    ).one()
    newest = session.execute(select(records).where(records.c.id == concept.latest_id)).first()
    access = RecordData.from_json(newest.data).access if newest is not None else found.data.access
    new = replace(settings_of(session, concept.id, access), **_checked(changed))
    asked = new.allow_user_requests or new.allow_guest_requests
    askers = "both"
    if new.allow_user_requests != new.allow_guest_requests:
        askers = "users" if new.allow_user_requests else "guests"
    row = {"askers": askers, "expiration_days": new.secret_link_expiration}
    if not session.execute(
        update(settings_table).where(settings_table.c.concept_id == concept.id).values(row)
    ).rowcount:
        session.execute(insert(settings_table).values(concept_id=concept.id, **row))
    own = {"requests": asked, "conditions": new.accept_conditions_text}
    for draft in session.execute(select(drafts).where(drafts.c.concept_id == concept.id)).all():
        data = RecordData.from_json(draft.data)
        better = data.model_copy(update={"access": data.access.model_copy(update=own)})
        if better != data:
            session.execute(
                update(drafts)
                .where(drafts.c.id == draft.id)
                .values(data=better.to_json(), revision=drafts.c.revision + 1, updated=now())
            )
    if newest is not None:
        _rewrite_record(session, actor, newest, own)
    note(session, actor, concept.id, "access-settings", row)
    return new


def _rewrite_record(session: Session, actor: Actor, record: AnyRow, own: Mapping[str, Any]) -> None:
    data = RecordData.from_json(record.data)
    better = data.model_copy(update={"access": data.access.model_copy(update=dict(own))})
    if better == data:
        return
    moment = now()
    session.execute(
        update(records)
        .where(records.c.id == record.id)
        .values(data=better.to_json(), revision=record.revision + 1, updated=moment)
    )
    session.execute(
        insert(revisions).values(
            record_id=record.id,
            revision=record.revision + 1,
            data=better.to_json(),
            actor=actor.label,
            at=moment,
        )
    )
    queue.enqueue(session, "manifest.write", str(record.id), {"record_id": record.id})
    changes.append(session, actor.label, "edited", "record", record.id, {"revision": record.revision + 1})


def _checked(changed: Mapping[str, Any]) -> dict[str, Any]:
    findings: list[Finding] = []
    values: dict[str, Any] = {}
    for name in ("allow_user_requests", "allow_guest_requests"):
        if name in changed:
            if not isinstance(changed[name], bool):
                findings.append(Finding.of(name, "Not a valid boolean."))
            values[name] = changed[name]
    if "accept_conditions_text" in changed:
        text = changed["accept_conditions_text"]
        if text is not None and not isinstance(text, str):
            findings.append(Finding.of("accept_conditions_text", "Not a valid string."))
        elif text is not None and len(text) > CONDITIONS_MAX:
            findings.append(
                Finding.of("accept_conditions_text", f"Longer than maximum length {CONDITIONS_MAX}.")
            )
        else:
            values["accept_conditions_text"] = html.clean(text).strip() or None if text else None
    if "secret_link_expiration" in changed:
        days = changed["secret_link_expiration"]
        if isinstance(days, bool) or not isinstance(days, int):
            findings.append(Finding.of("secret_link_expiration", "Not a valid integer."))
        elif not 0 <= days <= EXPIRATION_MAX:
            findings.append(
                Finding.of(
                    "secret_link_expiration",
                    f"Must be greater than or equal to 0 and less than or equal to {EXPIRATION_MAX}.",
                )
            )
        values["secret_link_expiration"] = days
    findings += [
        Finding.of(str(name), "Unknown field.")
        for name in changed
        if name
        not in (
            "allow_user_requests",
            "allow_guest_requests",
            "accept_conditions_text",
            "secret_link_expiration",
        )
    ]
    if findings:
        raise Invalid(findings)
    return values


def described(session: Session, actor: Actor, view: DraftView | RecordView) -> Sharing:
    """What an answer about a draft or record says of its sharing; grants for managers only, links never.

    (A link's token opens the record: it is shown at `access/links` alone.)
    """
    concept_id = view.concept_id
    access = view.data.access
    if isinstance(view, DraftView) or not view.is_latest:
        newest = _NEWEST.on(session, {"concept_id": concept_id}).scalar()
        if newest is not None:
            access = RecordData.from_json(newest).access
    shown = settings_of(session, concept_id, access).as_json()
    if level(actor, view) < Level.MANAGE:
        return Sharing(settings=shown)
    given = [
        {
            "permission": row.permission,
            "subject": {"id": row.subject_id, "type": row.subject_type},
            "origin": row.origin,
        }
        for row in _grants(session, concept_id)
    ]
    return Sharing(settings=shown, managed=True, grants=given)
