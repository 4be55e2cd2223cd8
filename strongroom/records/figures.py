"""How much there is: what the front page says of the repository, and what a user's own page says of his."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import and_, func, literal_column, select, union_all

from strongroom.access import ANONYMOUS, Actor, Level, require_user, shared_with, visible, workable
from strongroom.db import Session
from strongroom.ids import now
from strongroom.records.models import concepts, drafts, records

_IS_LATEST = and_(concepts.c.id == records.c.concept_id, concepts.c.latest_id == records.c.id)

Which = Literal["all", "drafts", "published", "shared"]
ORDERS = ("updated", "newest", "title")


class Figures(NamedTuple):
    """Of the newest versions that anybody may see: records, their files and bytes, and how many a month, oldest first."""

    records: int
    files: int
    bytes: int
    by_month: tuple[int, ...]


def of_public(session: Session, months: int = 36) -> Figures:
    """The figures of the whole repository, from one statement that reads every record's row."""
    created: Any = records.c.created
    if session.dialect.name == "sqlite":  # ISO text
        month: Any = func.substr(created, 1, 7)
    else:
        month = func.to_char(func.timezone("UTC", created), "YYYY-MM")
    month = month.label("month")
    found = session.execute(
        select(
            month,
            func.count().label("number"),
            func.sum(records.c.file_count).label("files"),
            func.sum(records.c.total_bytes).label("bytes"),
        )
        .select_from(records)
        .join(concepts, _IS_LATEST)
        .where(visible(ANONYMOUS, records))
        .group_by(month)
    ).all()
    counts = {str(row.month): int(row.number) for row in found}
    return Figures(
        sum(counts.values()),
        sum(int(row.files or 0) for row in found),
        sum(int(row.bytes or 0) for row in found),
        tuple(counts.get(name, 0) for name in _months(now(), months)),
    )


def _months(until: datetime, number: int) -> list[str]:
    """The last so many months, `2026-11`, oldest first."""
    at = until.year * 12 + until.month - 1
    return [f"{m // 12:04}-{m % 12 + 1:02}" for m in range(at - number + 1, at + 1)]


def _draft_rows(where: Any) -> Any:
    return select(
        drafts.c.id, literal_column("1").label("is_draft"), drafts.c.title, drafts.c.created, drafts.c.updated
    ).where(where)


def _record_rows(where: Any, *, in_edit: bool) -> Any:
    """Newest versions; without `in_edit` those whose description is open for a correction stand as their draft."""
    rows = (
        select(
            records.c.id,
            literal_column("0").label("is_draft"),
            records.c.title,
            records.c.created,
            records.c.updated,
        )
        .join(concepts, _IS_LATEST)
        .where(where, records.c.withdrawn.is_(None))
    )
    if not in_edit:
        rows = rows.where(~select(literal_column("1")).where(drafts.c.id == records.c.id).exists())
    return rows


def _of(actor: Actor, which: Which) -> Any:
    if which == "drafts":
        return _draft_rows(workable(actor, drafts)).subquery()
    if which == "published":
        return _record_rows(workable(actor, records), in_edit=True).subquery()
    if which == "shared":
        return union_all(
            _draft_rows(shared_with(actor, drafts, Level.PREVIEW)),
            _record_rows(shared_with(actor, records, Level.VIEW), in_edit=True),
        ).subquery()
    return union_all(
        _draft_rows(workable(actor, drafts)), _record_rows(workable(actor, records), in_edit=False)
    ).subquery()


def own_counts(session: Session, actor: Actor) -> dict[str, int]:
    """How many uploads each list of a user's has, by its name. One statement. Raises Unauthenticated."""
    require_user(actor)
    lists: tuple[Which, ...] = ("all", "drafts", "published", "shared")
    row = session.execute(
        select(*(select(func.count()).select_from(_of(actor, w)).scalar_subquery().label(w) for w in lists))
    ).one()
    return {w: int(getattr(row, w)) for w in lists}


def own_ids(
    session: Session, actor: Actor, which: Which, *, order: str = "updated", offset: int = 0, limit: int = 20
) -> Sequence[tuple[int, bool]]:
    """One page of a user's drafts and newest versions: (id, is a draft). Raises Unauthenticated.

    `all` and `drafts`, `published` are what is his or what he may change; `shared` what others let him see. Under
    `all` a record whose description is open for a correction is there once, as its draft.
    """
    require_user(actor)
    rows = _of(actor, which)
    orders: dict[str, tuple[Any, ...]] = {
        "updated": (rows.c.updated.desc(),),
        "newest": (rows.c.created.desc(),),
        "title": (func.lower(rows.c.title),),
    }
    found = session.execute(
        select(rows.c.id, rows.c.is_draft)
        .order_by(*orders.get(order, orders["updated"]), rows.c.id.desc())
        .offset(offset)
        .limit(limit)
    )
    return [(int(r.id), bool(r.is_draft)) for r in found]
