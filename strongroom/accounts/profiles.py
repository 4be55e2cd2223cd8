"""Verbs of profiles: who one is, who others let themselves be seen as, and what moderators decide about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, false, func, or_, select, true, update

from strongroom import changes, mail
from strongroom.access import Actor, require_user
from strongroom.accounts.models import applications, grants, sessions, tokens, users
from strongroom.db import AnyRow, Session
from strongroom.errors import Conflict, Finding, Forbidden, Invalid, NotFound, Stale
from strongroom.ids import now
from strongroom.jobs import queue
from strongroom.metadata.model import Affiliation, Identifier, Person

VISIBILITIES = ("public", "restricted")
MODERATIONS = ("approve", "block", "restore", "activate", "deactivate")


def own(session: Session, actor: Actor) -> AnyRow:
    """The row of who asks. Raises Unauthenticated."""
    return session.execute(select(users).where(users.c.id == require_user(actor))).one()


def sees_all(actor: Actor, row: AnyRow) -> bool:
    """Whether the actor may read the private fields too: those of his own profile, moderators those of all."""
    return actor.is_admin or actor.owns(row.id)


def read(session: Session, actor: Actor, user_id: int) -> AnyRow:
    """A profile that the actor may see. Raises Forbidden, for one that does not exist as well: nobody can count users."""
    row = session.execute(select(users).where(users.c.id == user_id)).first() if actor.is_user else None
    if row is None or not (sees_all(actor, row) or (row.visibility == "public" and row.is_active)):
        raise Forbidden()
    return row


def search(
    session: Session, actor: Actor, words: str, *, page: int = 1, size: int = 10, everybody: bool = False
) -> tuple[int, Sequence[AnyRow]]:
    """Number and one page of the profiles that have every word in name or affiliation (or in an address they show).

    Those are public profiles of active accounts, and one's own; with `everybody`, for moderators, all.
    Raises Forbidden.
    """
    if not actor.is_user or (everybody and not actor.is_admin):
        raise Forbidden()
    seen: ColumnElement[bool] = true()
    if not everybody:
        seen = or_(
            (users.c.visibility == "public") & users.c.is_active,
            users.c.id == actor.user_id,
        )
    shown = users.c.email_visibility == "public"
    for word in words.replace("*", " ").replace('"', " ").replace("\0", " ").split()[:10]:
        searched = [users.c.name, users.c.affiliations]
        like = f"%{_escaped(word.lower())}%"
        # SQLite lowers ASCII alone: the word as it was typed finds the rest.
        hits: list[ColumnElement[bool]] = [
            or_(func.lower(c).like(like, escape="\\"), c.like(f"%{_escaped(word)}%", escape="\\"))
            for c in searched
        ]
        address = users.c.email.like(like, escape="\\")
        seen = seen & or_(false(), *hits, address if everybody else (shown & address))
    total = int(session.execute(select(func.count()).select_from(users).where(seen)).scalar_one())
    rows = session.execute(
        select(users).where(seen).order_by(users.c.name, users.c.id).limit(size).offset((page - 1) * size)
    ).all()
    return total, rows


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def change(
    session: Session, actor: Actor, wanted: Mapping[str, Any], *, revision: int | None = None
) -> AnyRow:
    """Change one's own profile and return its row.

    `wanted` may have `full_name`, `affiliations` (texts), `visibility`, `email_visibility` (of VISIBILITIES) and
    `notifications` (whether mail is wished for); what is absent stays. Raises Invalid, Stale, Unauthenticated.
    """
    before = own(session, actor)
    if revision is not None and revision != before.revision:
        raise Stale(f"Revision id provided({revision}) doesn't match record's one({before.revision})")
    findings: list[Finding] = []
    values: dict[str, Any] = {}
    wish: bool | None = None
    for field, column, longest in (("full_name", "name", 200), ("affiliations", "affiliations", 500)):
        if field in wanted:
            text = wanted[field]
            if not isinstance(text, str) or "\0" in text or not _is_unicode(text):
                findings.append(Finding.of(f"profile.{field}", "Not a valid string."))
            elif len(text) > longest:
                findings.append(Finding.of(f"profile.{field}", f"Longer than maximum length {longest}."))
            else:
                values[column] = " ".join(text.split())
    for field in ("visibility", "email_visibility"):
        if field in wanted:
            if wanted[field] not in VISIBILITIES:
                findings.append(
                    Finding.of(f"preferences.{field}", f"Must be one of: {', '.join(VISIBILITIES)}.")
                )
            else:
                values[field] = wanted[field]
    if "notifications" in wanted:
        if not isinstance(wanted["notifications"], bool):
            findings.append(Finding.of("preferences.notifications.enabled", "Not a valid boolean."))
        else:
            wish = wanted["notifications"]
    if findings:
        raise Invalid(findings)
    changed = sorted(name for name, value in values.items() if getattr(before, name) != value)
    if wish is not None and wish != mail.wants(session, before.id):
        mail.set_wish(session, before.id, wish)
        changed.append("notifications")
    if changed:
        session.execute(
            update(users)
            .where(users.c.id == before.id)
            .values(**values, updated=now(), revision=users.c.revision + 1)
        )
        _keep(session, before.id)
        changes.append(session, actor.label, "profile-changed", "user", before.id, {"fields": changed})
    return own(session, actor)


def as_creator(session: Session, actor: Actor) -> Person | None:
    """Who is logged in, as a creator for a form to offer; None for nobody, or without a name.

    The name is written as citations need it ("Family, Given"): which word is the family's is a guess, to be looked at.
    """
    if not actor.is_user:
        return None
    row = session.execute(
        select(users.c.name, users.c.orcid, users.c.affiliations).where(users.c.id == actor.user_id)
    ).first()
    if row is None or not row.name:
        return None
    family, comma, given = row.name.partition(",")
    if not comma:
        given, _, family = row.name.rpartition(" ")
    family, given = family.strip(), given.strip()
    return Person(
        name=f"{family}, {given}" if given else family,
        family_name=family,
        given_name=given or None,
        identifiers=[Identifier(identifier=row.orcid, scheme="orcid")] if row.orcid else [],
        affiliations=[Affiliation(name=row.affiliations)] if row.affiliations else [],
    )


def _keep(session: Session, user_id: int) -> None:
    """Manifests beside the bytes name accounts: those that name this one are written again (records/tasks)."""
    queue.enqueue(session, "manifest.user", str(user_id), {"user_id": user_id})


def _is_unicode(text: str) -> bool:
    """A lone surrogate is no text that a database could store."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def moderate(session: Session, actor: Actor, user_id: int, action: str) -> AnyRow:
    """What a moderator decides about an account; `action` is one of MODERATIONS. Returns its row.

    approve: looked at and found good. block: ends sessions, tokens and applications for good, and the account
    until `restore`. deactivate: ends sessions; tokens rest until `activate`. Records stay as they are.
    Raises Forbidden, NotFound, Conflict (oneself, another administrator, or a state that does not allow it).
    """
    if not actor.is_admin:
        raise Forbidden()
    row = session.execute(select(users).where(users.c.id == user_id).with_for_update()).first()
    if row is None:
        raise NotFound("There is no account with this number.")
    if row.merged_into is not None:
        raise Conflict("This account was closed: all it had is in another one of the same person.")
    if action in ("block", "deactivate") and (actor.owns(user_id) or row.is_admin):
        raise Conflict(
            "The account of an administrator can't be switched off here: take the role away first."
        )
    values: dict[str, Any]
    blocked: datetime | None = row.blocked
    match action:
        case "approve":
            values = {"verified": True, "blocked": None, "is_active": True}
        case "block":
            values = {"blocked": blocked or now(), "is_active": False, "verified": False}
        case "restore":
            if blocked is None:
                raise Conflict("This account is not blocked.")
            values = {"blocked": None, "is_active": True}
        case "activate":
            if blocked is not None:
                raise Conflict("This account is blocked: restore it.")
            values = {"is_active": True}
        case "deactivate":
            values = {"is_active": False}
        case _:
            raise NotFound("There is no such action.")
    session.execute(
        update(users).where(users.c.id == user_id).values(**values, updated=now(), revision=row.revision + 1)
    )
    if not values["is_active"]:
        session.execute(delete(sessions).where(sessions.c.user_id == user_id))
    if action == "block":
        session.execute(delete(tokens).where(tokens.c.user_id == user_id))
        session.execute(delete(grants).where(grants.c.user_id == user_id))
        # Nor may others go on giving his applications what is theirs. (Their tokens go with the consents.)
        session.execute(delete(applications).where(applications.c.owner_id == user_id))
    _keep(session, user_id)
    changes.append(session, actor.label, f"moderated-{action}", "user", user_id)
    return session.execute(select(users).where(users.c.id == user_id)).one()
