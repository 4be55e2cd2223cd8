"""Quotas: a depositor asks for more room for a record, a moderator gives it, or sets what a record or user may have.

What was given already beyond the settings' quota, over all records of an owner, is counted: up to
`quota_increase_bytes` of it a request is granted at once. Source: api-rdm.md section 1; golden/live/rdm 250, 288.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import func, select

from strongroom import changes
from strongroom.access import Actor
from strongroom.accounts.models import users
from strongroom.db import AnyRow, Session
from strongroom.errors import Forbidden, Invalid, NotFound
from strongroom.files import quotas
from strongroom.metadata import html
from strongroom.records.models import concepts, drafts
from strongroom.requests import service
from strongroom.requests.service import RequestType
from strongroom.settings import GB, Settings
from strongroom.sharing import service as sharing
from strongroom.sharing.models import quotas as quotas_table

MOST_GB = 1_000_000
MOST_BYTES = MOST_GB * GB


def ask_increase(session: Session, settings: Settings, actor: Actor, draft_id: int, size: int) -> str:
    """Ask for `size` GB (all in all) for an open draft's record; returns the request's id.

    Raises NotFound (also where no draft is open), Gone, Forbidden, Invalid.
    """
    found = sharing.managed(session, actor, draft_id)
    if session.execute(select(drafts.c.id).where(drafts.c.id == draft_id)).first() is None:
        raise NotFound("Not found.")
    if not 1 <= size <= MOST_GB:
        raise Invalid.at("quota_size", f"Must be a number of gigabytes between 1 and {MOST_GB:,}.")
    now = quotas.limits_of(session, found.concept_id, found.owner_id, settings).record
    if now is None:
        raise Invalid.at(
            "quota_size", "There is no limit on the size of this record: nothing is to be raised."
        )
    if size * GB <= now:
        raise Invalid.at("quota_size", f"This record may have {now / GB:g} GB already: ask for more.")
    request_id = service.create(
        session,
        settings,
        actor,
        "quota-increase",
        title=f'Quota increase request for "{found.title}"',
        topic=("record", str(draft_id)),
        creator=("user", str(actor.user_id)),
        receiver=None,
        concept_id=found.concept_id,
        payload={"quota_size": str(size)},
        open_key=f"quota-increase:{found.concept_id}",
    )
    if _at_once(session, settings, actor, found.concept_id, found.owner_id, size * GB):
        # It is the repository's policy that lets him.
        service.execute(session, settings, replace(actor, is_admin=True), request_id, "accept")
    else:
        row = service.read(session, actor, request_id)
        admins = session.execute(
            select(users.c.id).where(users.c.is_admin.is_(True), users.c.is_active.is_(True))
        ).scalars()
        asked = f"{size} GB"
        service.tell(session, settings, [*admins], row, "request-submitted", asked, service.name_of(actor))
    return request_id


def _at_once(
    session: Session, settings: Settings, actor: Actor, concept_id: int, owner_id: int, wanted: int
) -> bool:
    """Whether policy grants it: what all records of the owner have beyond the usual stays within the setting."""
    if actor.is_admin:
        return True
    if not settings.quota_increase_bytes or not settings.quota_record_bytes:
        return False
    # One at a time of one owner: two requests at once may not share what is left.
    session.execute(select(users.c.id).where(users.c.id == owner_id).with_for_update())
    rows = quotas_table
    more = rows.c.bytes - settings.quota_record_bytes
    given = session.execute(
        select(func.coalesce(func.sum(more), 0))
        .select_from(rows)
        .join(concepts, concepts.c.id == rows.c.subject_id)
        .where(
            rows.c.subject_type == quotas.CONCEPT,
            concepts.c.owner_id == owner_id,
            concepts.c.id != concept_id,
            more > 0,
        )
    ).scalar_one()
    return int(given) + wanted - settings.quota_record_bytes <= settings.quota_increase_bytes


def _accepted(session: Session, settings: Settings, actor: Actor, row: AnyRow, comment: str) -> None:
    found = sharing.place(session, int(row.topic_id))
    wanted = int(service.payload_of(row)["quota_size"]) * GB
    there = quotas.rows_of(session, found.concept_id, found.owner_id).get(quotas.CONCEPT)
    if there is None or there.bytes < wanted:  # a moderator may have set more since
        _write_record(
            session,
            actor,
            found.concept_id,
            wanted,
            there.max_file_bytes if there is not None else None,
            f"request {row.id}",
        )
    if not service.is_creator(actor, row):
        service.tell_creator(session, settings, actor, row, "request-accepted", comment)


def _declined(session: Session, settings: Settings, actor: Actor, row: AnyRow, comment: str) -> None:
    service.tell_creator(session, settings, actor, row, "request-declined", comment)


def set_record(
    session: Session, actor: Actor, some_id: int, size: int, max_file: int | None = None, notes: str = ""
) -> None:
    """Say how many bytes a version of a record, and one file of it, may have. For moderators.

    Raises NotFound, Gone, Forbidden, Invalid.
    """
    if not actor.is_admin:
        raise Forbidden()
    found = sharing.place(session, some_id)
    _check(size, max_file)
    _write_record(session, actor, found.concept_id, size, max_file, html.plain(notes))


def _write_record(
    session: Session, actor: Actor, concept_id: int, size: int, max_file: int | None, notes: str
) -> None:
    quotas.put(
        session, quotas.CONCEPT, concept_id, size=size, max_file=max_file, notes=notes, actor=actor.label
    )
    sharing.note(session, actor, concept_id, "quota-set", {"bytes": size, "max_file_bytes": max_file})


def set_user(
    session: Session, actor: Actor, user_id: int, size: int, max_file: int | None = None, notes: str = ""
) -> None:
    """Say how many bytes a user may have over all records, and a file of theirs. For moderators.

    Raises NotFound, Forbidden, Invalid.
    """
    if not actor.is_admin:
        raise Forbidden()
    if session.execute(select(users.c.id).where(users.c.id == user_id)).first() is None:
        raise NotFound()
    _check(size, max_file)
    quotas.put(
        session,
        quotas.USER,
        user_id,
        size=size,
        max_file=max_file,
        notes=html.plain(notes),
        actor=actor.label,
    )
    # Manifests keep it: one, the newest of the user's, is written again.
    newest = session.execute(
        select(concepts.c.id)
        .where(concepts.c.owner_id == user_id, concepts.c.latest_id.is_not(None))
        .order_by(concepts.c.latest_id.desc())
        .limit(1)
    ).scalar()
    detail = {"user": user_id, "bytes": size, "max_file_bytes": max_file}
    if newest is not None:
        sharing.note(session, actor, newest, "owner-quota-set", detail)
    changes.append(session, actor.label, "quota-set", "user", user_id, detail)


def _check(size: int, max_file: int | None) -> None:
    if not 1 <= size <= MOST_BYTES:
        raise Invalid.at("quota_size", f"Must be a number of bytes between 1 and {MOST_BYTES:,}.")
    if max_file is not None and not 1 <= max_file <= size:
        raise Invalid.at("max_file_size", "Must be a number of bytes between 1 and quota_size.")


service.register(RequestType("quota-increase", does={"accept": _accepted, "decline": _declined}))
