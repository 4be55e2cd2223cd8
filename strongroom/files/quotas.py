"""Quotas that a moderator set for one record (all its versions) or one user, in the place of the settings' own.

Rows and reading of them; `requests.quota` writes them, `files.service` enforces.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, bindparam, insert, or_, select, update

from strongroom.db import AnyRow, Prepared, Session
from strongroom.ids import now
from strongroom.settings import Settings
from strongroom.sharing.models import quotas

CONCEPT, USER = "concept", "user"

_SET = Prepared(
    select(quotas).where(
        or_(
            and_(quotas.c.subject_type == CONCEPT, quotas.c.subject_id == bindparam("concept_id")),
            and_(quotas.c.subject_type == USER, quotas.c.subject_id == bindparam("user_id")),
        )
    )
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes that a version of a record, one file, and all that a user owns may have. None: as many as fit."""

    record: int | None
    file: int | None
    user: int | None


def rows_of(session: Session, concept_id: int, user_id: int) -> dict[str, AnyRow]:
    """What was set for a concept and for a user, by subject type. One statement."""
    found = _SET.on(session, {"concept_id": concept_id, "user_id": user_id})
    return {row.subject_type: row for row in found}


def limits_of(session: Session, concept_id: int, owner_id: int, settings: Settings) -> Limits:
    """What holds for a concept of this owner: what was set, else the settings. One statement."""
    found = rows_of(session, concept_id, owner_id)
    own, whole = found.get(CONCEPT), found.get(USER)
    files = [row.max_file_bytes for row in (own, whole) if row is not None and row.max_file_bytes is not None]
    return Limits(
        own.bytes if own is not None else settings.quota_record_bytes or None,
        # What was set for the record counts before what was set for its owner.
        files[0] if files else None,
        whole.bytes if whole is not None else settings.quota_user_bytes or None,
    )


def put(
    session: Session,
    subject_type: str,
    subject_id: int,
    *,
    size: int,
    max_file: int | None,
    notes: str,
    actor: str,
    changed: datetime | None = None,
) -> None:
    """Write the row of a subject, changed now unless said otherwise; for verbs that have checked who may."""
    values = {
        "bytes": size,
        "max_file_bytes": max_file,
        "notes": notes,
        "actor": actor,
        "changed": changed or now(),
    }
    there = and_(quotas.c.subject_type == subject_type, quotas.c.subject_id == subject_id)
    if not session.execute(update(quotas).where(there).values(values)).rowcount:
        session.execute(insert(quotas).values(subject_type=subject_type, subject_id=subject_id, **values))
