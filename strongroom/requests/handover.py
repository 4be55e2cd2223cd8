"""The requests of an account become another's, when two accounts become one (strongroom/merging)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, func, select, update

from strongroom.access import Actor
from strongroom.db import Session
from strongroom.records.models import concepts
from strongroom.requests import service
from strongroom.requests.models import events, requests
from strongroom.settings import Settings


def count(session: Session, user_id: int) -> int:
    """How many requests an account made."""
    made = and_(requests.c.creator_type == "user", requests.c.creator_id == str(user_id))
    return int(session.execute(select(func.count()).select_from(requests).where(made)).scalar_one())


def hand_over(session: Session, giver: int, taker: int) -> Sequence[str]:
    """Requests made and received, and what was said in them. Returns those that have no sense any more, to `cancel`.

    These are open questions for access: to a record that is the taker's own now, or that both have asked for.
    After the records were handed over.
    """
    one, other = str(giver), str(taker)
    both = session.execute(
        select(requests.c.id, requests.c.concept_id, requests.c.creator_id, requests.c.open_key, concepts.c.owner_id)
        .join(concepts, concepts.c.id == requests.c.concept_id)
        .where(
            requests.c.creator_type == "user",
            requests.c.creator_id.in_((one, other)),
            requests.c.status.in_(service.OPEN),
            requests.c.open_key.like("access:%"),
        )
    ).all()  # fmt: skip
    asked = {row.concept_id for row in both if row.creator_id == other}
    idle = []
    for row in both:
        if row.owner_id == taker or (row.creator_id == one and row.concept_id in asked):
            idle.append(str(row.id))
            key = None
        else:
            key = f"access:{row.concept_id}:user:{other}"
        if key != row.open_key:
            session.execute(update(requests).where(requests.c.id == row.id).values(open_key=key))
    for table, role in (
        (requests, "creator"),
        (requests, "receiver"),
        (requests, "topic"),
        (events, "creator"),
    ):
        session.execute(
            update(table)
            .where(table.c[f"{role}_type"] == "user", table.c[f"{role}_id"] == one)
            .values({f"{role}_id": other})
        )  # fmt: skip
    return idle


def cancel(session: Session, settings: Settings, actor: Actor, request_ids: Sequence[str]) -> None:
    """Cancel what `hand_over` returned, as their creator."""
    for request_id in request_ids:
        service.execute(session, settings, actor, request_id, "cancel")
