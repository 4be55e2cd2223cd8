"""Verbs of those who look after a repository: withdraw a record, hand a concept to another owner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import orjson
from sqlalchemy import delete, func, or_, select, update

from strongroom import changes, pids
from strongroom.access import Actor
from strongroom.accounts.models import users
from strongroom.db import AnyRow, Session
from strongroom.errors import Conflict, Forbidden, Gone, Invalid, NotFound
from strongroom.ids import iso, now
from strongroom.jobs import queue
from strongroom.metadata.exports import ExportRecord
from strongroom.metadata.exports.citation import apa
from strongroom.metadata.vocabularies import removal_reasons
from strongroom.records import queries
from strongroom.records.models import concepts, drafts, records
from strongroom.settings import Settings


def withdraw(
    session: Session,
    settings: Settings,
    actor: Actor,
    record_id: int,
    reason: str,
    note: str = "",
    *,
    citation: str | None = None,
    is_visible: bool = True,
    by: Literal["operator", "owner"] = "operator",
) -> None:
    """Take one version away and leave a tombstone: page and DOI stay, files and metadata are not shown.

    The bytes are kept. A tombstone that is not visible (spam) answers as if there had been nothing. `by` is who
    wished it: the owner, where a request of his was granted. Raises Forbidden
    unless an administrator asks, Invalid for a reason that the vocabulary has not, NotFound, Gone.
    """
    if not actor.is_admin:
        raise Forbidden("Only an administrator can withdraw a record.")
    if reason not in removal_reasons():
        raise Invalid.at(
            "removal_reason.id", "Invalid removal reason", f"Choose one of: {', '.join(removal_reasons())}."
        )
    row = _locked(session, record_id)
    if row.withdrawn is not None:
        raise Gone()
    moment = now()
    view = queries.by_id(session, actor, record_id, with_files=False)
    said = view.data.metadata
    # What a citation says anyway stays; everything else is no longer shown.
    tombstone: dict[str, Any] = {
        "removed_by": {"user": str(actor.user_id) if actor.user_id else "system"},
        "by": by,
        "removal_date": iso(moment),
        "removal_reason": {"id": reason},
        "note": note,
        "citation_text": citation or apa(ExportRecord.of(view, settings), withdrawn=True).text,
        "is_visible": is_visible,
        "title": said.title,
        "resource_type": said.resource_type,
        "version": said.version,
        "published": said.publication_date,
        "file_count": row.file_count,
        "total_bytes": row.total_bytes,
    }
    session.execute(
        update(records)
        .where(records.c.id == record_id)
        .values(withdrawn=moment, tombstone=orjson.dumps(tombstone).decode(), updated=moment)
    )
    session.execute(delete(drafts).where(drafts.c.id == record_id))
    latest = session.execute(
        select(func.max(records.c.version)).where(
            records.c.concept_id == row.concept_id, records.c.withdrawn.is_(None)
        )
    ).scalar()
    latest_id = session.execute(
        select(records.c.id).where(records.c.concept_id == row.concept_id, records.c.version == latest)
    ).scalar()
    session.execute(
        update(concepts)
        .where(concepts.c.id == row.concept_id)
        .values(latest_id=latest_id, revision=concepts.c.revision + 1, updated=moment)
    )
    if row.doi and row.doi_state != "external":
        pids.set_state(session, row.doi, "tombstone")
        if settings.registrar != "local":
            queue.enqueue(session, "doi.register", str(record_id), {"record_id": record_id})
    queue.enqueue(session, "manifest.write", str(record_id), {"record_id": record_id})
    followed = view.is_latest and latest_id is not None
    if followed:
        # Another version became the latest: its index document and manifest say so.
        queue.enqueue(session, "manifest.write", str(latest_id), {"record_id": latest_id})
    changes.append(session, actor.label, "withdrawn", "record", record_id, {"reason": reason})
    if followed and latest_id is not None:
        changes.append(session, actor.label, "became-latest", "record", int(latest_id))


def _locked(session: Session, record_id: int) -> AnyRow:
    """The record's row, locked after its concept, as publishing does: which version is the latest is decided once."""
    session.execute(
        select(concepts.c.id)
        .where(
            concepts.c.id == select(records.c.concept_id).where(records.c.id == record_id).scalar_subquery()
        )
        .with_for_update()
    )
    row = session.execute(select(records).where(records.c.id == record_id).with_for_update()).first()
    if row is None:
        raise NotFound(f"There is no published record {record_id}.")
    return row


def restore(session: Session, settings: Settings, actor: Actor, record_id: int) -> None:
    """Bring a withdrawn version back as it was. Raises Forbidden unless an administrator asks, NotFound, Conflict."""
    if not actor.is_admin:
        raise Forbidden("Only an administrator can restore a record.")
    row = _locked(session, record_id)
    if row.withdrawn is None:
        raise Conflict(f"Record {record_id} is not withdrawn.")
    moment = now()
    session.execute(
        update(records)
        .where(records.c.id == record_id)
        .values(withdrawn=None, tombstone=None, updated=moment, revision=records.c.revision + 1)
    )
    before = session.execute(select(concepts).where(concepts.c.id == row.concept_id)).one()
    newest = session.execute(
        select(records.c.id)
        .where(records.c.concept_id == row.concept_id, records.c.withdrawn.is_(None))
        .order_by(records.c.version.desc())
        .limit(1)
    ).scalar_one()
    session.execute(
        update(concepts)
        .where(concepts.c.id == row.concept_id)
        .values(latest_id=newest, revision=concepts.c.revision + 1, updated=moment)
    )
    if row.doi and row.doi_state != "external":
        pids.set_state(session, row.doi, "local" if settings.registrar == "local" else "reserved")
        if settings.registrar != "local":
            queue.enqueue(session, "doi.register", str(record_id), {"record_id": record_id})
    followed = before.latest_id if newest == record_id else None
    for changed in (record_id, followed):
        if changed is not None:
            queue.enqueue(session, "manifest.write", str(changed), {"record_id": int(changed)})
    changes.append(session, actor.label, "restored", "record", record_id)
    if followed is not None:
        changes.append(session, actor.label, "superseded", "record", int(followed))


def search(
    session: Session, actor: Actor, words: str, *, withdrawn: bool = False, offset: int = 0, limit: int = 25
) -> tuple[int, Sequence[AnyRow]]:
    """Number and one page of all records there are, newest first, whoever may see them; withdrawn ones apart.

    `words` are an id, a DOI, an owner's address, or words that all are in the title. Rows have id, concept_id, title,
    doi, version, data (JSON), created, withdrawn, tombstone (JSON), record_access, file_count, total_bytes, owner_id, owner and
    email. Raises Forbidden unless an administrator asks.
    """
    if not actor.is_admin:
        raise Forbidden("Only an administrator can list all records.")
    where: list[Any] = [records.c.withdrawn.is_not(None) if withdrawn else records.c.withdrawn.is_(None)]
    words = words.replace("\0", "").strip()
    if words.isascii() and words.isdigit() and len(words) < 19:
        where.append(or_(records.c.id == int(words), records.c.concept_id == int(words)))
    elif words.lower().partition("doi.org/")[2].startswith("10.") or words.startswith("10."):
        doi = words.lower().partition("doi.org/")[2] or words
        where.append(func.lower(records.c.doi) == doi.lower())
    elif "@" in words:
        where.append(users.c.email == words.lower())
    else:
        for word in words.split()[:10]:
            word = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            # SQLite lowers ASCII alone: the word as it was typed finds the rest.
            where.append(
                or_(
                    func.lower(records.c.title).like(f"%{word.lower()}%", escape="\\"),
                    records.c.title.like(f"%{word}%", escape="\\"),
                )
            )
    joined = records.join(users, users.c.id == records.c.owner_id)
    total = session.execute(select(func.count()).select_from(joined).where(*where)).scalar_one()
    rows = session.execute(
        select(
            *(
                records.c[name]
                for name in ("id", "concept_id", "title", "doi", "version", "data", "created", "withdrawn")
            ),
            *(
                records.c[name]
                for name in ("tombstone", "record_access", "file_count", "total_bytes", "owner_id")
            ),
            users.c.name.label("owner"),
            users.c.email,
        )
        .select_from(joined)
        .where(*where)
        .order_by(records.c.created.desc(), records.c.id.desc())
        .offset(offset)
        .limit(limit)
    ).all()
    return int(total), rows


def transfer(session: Session, actor: Actor, concept_or_record_id: int, user_id: int) -> None:
    """Hand all versions of a concept to another owner. Raises Forbidden, NotFound."""
    if not actor.is_admin:
        raise Forbidden("Only an administrator can hand a record to another owner.")
    concept_id = session.execute(
        select(concepts.c.id).where(
            (concepts.c.id == concept_or_record_id)
            | concepts.c.id.in_(select(records.c.concept_id).where(records.c.id == concept_or_record_id))
        )
    ).scalar()
    if concept_id is None or session.execute(select(users.c.id).where(users.c.id == user_id)).first() is None:
        raise NotFound()
    session.execute(
        update(concepts)
        .where(concepts.c.id == concept_id)
        .values(owner_id=user_id, revision=concepts.c.revision + 1, updated=now())
    )
    for table in (records, drafts):
        session.execute(update(table).where(table.c.concept_id == concept_id).values(owner_id=user_id))
    ids = session.execute(select(records.c.id).where(records.c.concept_id == concept_id)).scalars().all()
    for record_id in ids:
        queue.enqueue(session, "manifest.write", str(record_id), {"record_id": record_id})
    for record_id in ids:  # last, under the log's lock
        changes.append(session, actor.label, "transferred", "record", int(record_id), {"to": user_id})
    for draft_id in session.execute(select(drafts.c.id).where(drafts.c.concept_id == concept_id)).scalars():
        changes.append(session, actor.label, "transferred", "draft", int(draft_id), {"to": user_id})
