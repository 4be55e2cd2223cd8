"""The one append-only log of what happened: (seq, at, actor, verb, kind, id, detail).

Every verb appends in its own transaction, as its last statement. The log feeds the search index,
OAI-PMH, caches and manifests, and is the audit trail. Its order is the commit order: SQLite has
one writer; on PostgreSQL the insert takes a transaction-level advisory lock, so nobody can commit
a smaller number after a larger one was seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    bindparam,
    func,
    insert,
    select,
)

from strongroom.db import AnyRow, Moment, Prepared, Session, metadata
from strongroom.ids import now

changes = Table(
    "changes",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("actor", String(80), nullable=False),  # user:7, system, operator
    Column("verb", String(40), nullable=False),  # published, edited, withdrawn, …
    Column("kind", String(20), nullable=False),  # record, draft, concept, user, token
    Column("subject_id", BigInteger, nullable=False),
    Column("detail", Text),
    Index("ix_changes_subject", "kind", "subject_id"),
    sqlite_autoincrement=True,
)

_LOCK = 0x5374726F6E67  # "Strong": any constant will do


def append(
    session: Session,
    actor: str,
    verb: str,
    kind: str,
    subject_id: int,
    detail: Mapping[str, Any] | None = None,
) -> int:
    """Append one change and return its number. Call it last in the transaction.

    The time is never smaller than the one before, so that a harvest by time misses nothing.
    """
    if session.dialect.name == "postgresql":
        session.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    row = _APPEND[session.dialect.name].on(
        session,
        {
            "at": now(),
            "actor": actor,
            "verb": verb,
            "kind": kind,
            "subject_id": subject_id,
            "detail": orjson.dumps(detail).decode() if detail else None,
        },
    )
    return int(row.scalar())


def _append(later: Any) -> Any:
    """The insert, whose time is that of the newest line where the clock went back."""
    before = select(changes.c.at).order_by(changes.c.seq.desc()).limit(1).scalar_subquery()
    at = bindparam("at", type_=Moment())
    names = ("actor", "verb", "kind", "subject_id", "detail")
    return (
        insert(changes)
        .values(
            at=later(at, func.coalesce(before, at)),
            **{n: bindparam(n, type_=changes.c[n].type) for n in names},
        )
        .returning(changes.c.seq)
    )


_APPEND = {"sqlite": Prepared(_append(func.max)), "postgresql": Prepared(_append(func.greatest))}


_NEWEST = Prepared(select(func.max(changes.c.seq)))


def newest(session: Session) -> int:
    """The newest change number, 0 when nothing ever happened. One look at the primary key."""
    return int(_NEWEST.on(session, {}).scalar() or 0)


def after(session: Session, seq: int, limit: int) -> Sequence[AnyRow]:
    """The changes after `seq` in order: rows of (seq, kind, subject_id, verb)."""
    return session.execute(
        select(changes.c.seq, changes.c.kind, changes.c.subject_id, changes.c.verb)
        .where(changes.c.seq > seq)
        .order_by(changes.c.seq)
        .limit(limit)
    ).all()


def of(session: Session, kind: str, subject_id: int) -> Sequence[AnyRow]:
    """Everything that happened to one thing, oldest first: its audit trail."""
    return session.execute(
        select(changes)
        .where(changes.c.kind == kind, changes.c.subject_id == subject_id)
        .order_by(changes.c.seq)
    ).all()


def latest_time(session: Session) -> datetime | None:
    return session.execute(select(func.max(changes.c.at))).scalar()
