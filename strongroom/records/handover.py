"""All that an account has given to another one, when two accounts become one (strongroom/merging)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select, update

from strongroom.db import Session
from strongroom.files import quotas
from strongroom.files.models import transfers, uploads
from strongroom.ids import now
from strongroom.records.models import concepts, deposit_keys, drafts, records
from strongroom.settings import Settings
from strongroom.sharing.models import quotas as quota_rows


def lock(session: Session, giver: int) -> None:
    """Wait for who works on the giver's records: drafts, concepts, then (the caller) his account, as all other verbs do it.

    Numbers do not change, so that what only refers to a row need not wait for it.
    """
    for table in (drafts, concepts):
        session.execute(
            select(table.c.id)
            .where(table.c.owner_id == giver)
            .order_by(table.c.id)
            .with_for_update(key_share=True)
        ).all()


def counts(session: Session, owner_id: int) -> tuple[int, int]:
    """How many records (all versions) and drafts an account has."""
    found = [
        session.execute(select(func.count()).select_from(t).where(t.c.owner_id == owner_id)).scalar_one()
        for t in (records, drafts)
    ]
    return int(found[0]), int(found[1])


def hand_over(
    session: Session, settings: Settings, giver: int, taker: int
) -> tuple[Sequence[int], Sequence[int]]:
    """Records, drafts, uploads on their way, keys of deposits and quota of one account become another's.

    Returns the numbers of records and drafts, for the log. Manifests are the caller's (`manifest.user` of the taker).
    """
    found = []
    session.execute(
        update(concepts)
        .where(concepts.c.owner_id == giver)
        .values(owner_id=taker, revision=concepts.c.revision + 1, updated=now())
    )
    for table in (records, drafts):
        moved = session.execute(
            update(table).where(table.c.owner_id == giver).values(owner_id=taker).returning(table.c.id)
        ).scalars()
        found.append(sorted(int(i) for i in moved))
    for running in (uploads, transfers):
        session.execute(update(running).where(running.c.user_id == giver).values(user_id=taker))
    # One key names one deposit of an account: the taker's stays.
    mine = select(deposit_keys.c.key).where(deposit_keys.c.user_id == taker)
    session.execute(delete(deposit_keys).where(deposit_keys.c.user_id == giver, deposit_keys.c.key.in_(mine)))
    session.execute(update(deposit_keys).where(deposit_keys.c.user_id == giver).values(user_id=taker))
    _quota(session, settings, giver, taker)
    return found[0], found[1]


def _quota(session: Session, settings: Settings, giver: int, taker: int) -> None:
    """What moderators let the giver have holds for the taker where it is more than he may have."""
    rows = quota_rows
    given = {
        row.subject_id: row
        for row in session.execute(
            select(rows).where(rows.c.subject_type == quotas.USER, rows.c.subject_id.in_((giver, taker)))
        )
    }
    theirs, own = given.get(giver), given.get(taker)
    if theirs is None:
        return
    session.execute(delete(rows).where(rows.c.subject_type == quotas.USER, rows.c.subject_id == giver))
    limit = own.bytes if own is not None else settings.quota_user_bytes or None
    if limit is not None and theirs.bytes > limit:
        quotas.put(
            session,
            quotas.USER,
            taker,
            size=theirs.bytes,
            max_file=theirs.max_file_bytes,
            notes=theirs.notes,
            actor=theirs.actor,
        )
