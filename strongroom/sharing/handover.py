"""What others gave an account becomes another's, when two accounts become one (strongroom/merging)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, or_, select, update

from strongroom.db import AnyRow, Session
from strongroom.ids import now
from strongroom.records.models import concepts
from strongroom.sharing.models import grants
from strongroom.sharing.service import LEVELS


def hand_over(session: Session, giver: int, taker: int) -> int:
    """Where both were given something the higher level stays; where the taker owns the record, neither is needed.

    After the records were handed over. Manifests are the caller's (`manifest.user` of the taker). Returns how many moved.
    """
    both = (str(giver), str(taker))
    of_both = (grants.c.subject_type == "user") & grants.c.subject_id.in_(both)
    owned = select(concepts.c.id).where(concepts.c.owner_id == taker)
    session.execute(
        delete(grants).where(of_both, or_(grants.c.expires <= now(), grants.c.concept_id.in_(owned)))
    )
    there: dict[int, list[AnyRow]] = {}
    for row in session.execute(select(grants).where(of_both)):
        there.setdefault(row.concept_id, []).append(row)
    less = [min(rows, key=_worth).id for rows in there.values() if len(rows) > 1]
    for start in range(0, len(less), 500):
        session.execute(delete(grants).where(grants.c.id.in_(less[start : start + 500])))
    moved = session.execute(
        update(grants)
        .where(grants.c.subject_type == "user", grants.c.subject_id == str(giver))
        .values(subject_id=str(taker))
    ).rowcount
    touched = or_(grants.c.concept_id.in_(owned), grants.c.concept_id.in_(list(there)[:500]))
    session.execute(
        update(grants).where(touched, grants.c.origin == f"api:{giver}").values(origin=f"api:{taker}")
    )
    return int(moved)


def _worth(row: AnyRow) -> tuple[int, bool, bool, datetime]:
    """A higher level, an owner among managers, then what lasts longer."""
    return (int(LEVELS[row.permission]), row.permission == "owner", row.expires is None, row.expires or now())
