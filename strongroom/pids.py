"""Persistent identifiers: what each DOI names and how far its registration is.

This noun knows values, targets and states only. What is sent to the registrar is built by
`records.tasks`, which reads the record of that moment.

States: reserved (fixed, not registered yet), registered (findable), failed (the agency refused),
local (our registrar registers nothing), external (somebody else's DOI), tombstone (target withdrawn).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, Text, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from strongroom.db import AnyRow, Moment, Prepared, Session, metadata
from strongroom.errors import Finding, Invalid
from strongroom.ids import now

pids = Table(
    "pids",
    metadata,
    Column("value", String(400), primary_key=True),  # lower case: DOIs compare so
    Column("shown", String(400), nullable=False),  # as given
    Column("kind", String(10), nullable=False),  # record, concept
    Column("subject_id", BigInteger, nullable=False),
    Column("state", String(20), nullable=False),
    Column("error", Text),
    Column("updated", Moment, nullable=False),
    Index("ix_pids_subject", "kind", "subject_id"),
)


_SET = ("value", "shown", "kind", "subject_id", "state", "updated")
_BIND = {
    name: Prepared(dialect.insert(pids).on_conflict_do_nothing().returning(pids.c.value), _SET)
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}
_OF = Prepared(
    select(pids).where(pids.c.kind == bindparam("kind"), pids.c.subject_id == bindparam("subject_id"))
)
_BY_VALUE = Prepared(select(pids).where(pids.c.value == bindparam("value")))


def resolve(session: Session, doi: str) -> AnyRow | None:
    """The row (kind, subject_id, state, shown) of a DOI, or None."""
    return _BY_VALUE.on(session, {"value": doi.lower()}).first()


def bind(session: Session, doi: str, kind: str, subject_id: int, state: str) -> None:
    """Fix that this DOI names that record or concept. Raises Invalid when it names another."""
    values = {
        "value": doi.lower(),
        "shown": doi,
        "kind": kind,
        "subject_id": subject_id,
        "state": state,
        "updated": now(),
    }
    # Not look first, insert then: on PostgreSQL two who publish one DOI at once would both see none.
    if _BIND[session.dialect.name].on(session, values).first() is not None:
        return
    row = resolve(session, doi)
    if row is None or (row.kind, row.subject_id) != (kind, subject_id):
        raise Invalid([Finding.of("metadata.doi", f"DOI {doi} already names another record here.")])


def set_state(session: Session, doi: str, state: str, error: str | None = None) -> None:
    session.execute(
        update(pids).where(pids.c.value == doi.lower()).values(state=state, error=error, updated=now())
    )


def of(session: Session, kind: str, subject_id: int) -> AnyRow | None:
    """The PID row of a record or concept."""
    return _OF.on(session, {"kind": kind, "subject_id": subject_id}).first()


def release(session: Session, kind: str, subject_id: int) -> None:
    """Forget a DOI that was never registered."""
    session.execute(delete(pids).where(pids.c.kind == kind, pids.c.subject_id == subject_id))
