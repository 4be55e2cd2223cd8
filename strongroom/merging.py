"""Two accounts become one: everything that one has moves to the other in one transaction, then it is closed.

What proves that both are one person's, and what becomes of log-ins, is in accounts/merging; each noun hands over its
own (records, sharing, requests). The log keeps who did what under which number (decision 0014).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import select

from strongroom import changes, mail
from strongroom.access import SYSTEM, Actor
from strongroom.accounts import identities
from strongroom.accounts import merging as accounts
from strongroom.accounts.merging import Proof
from strongroom.accounts.models import users
from strongroom.context import Context
from strongroom.db import AnyRow, Session
from strongroom.jobs import queue, task
from strongroom.mail import N_
from strongroom.records import handover as records
from strongroom.requests import handover as requests
from strongroom.settings import Settings
from strongroom.sharing import handover as sharing

# Requests that the closed account had begun are over by then; what they made moves too.
SETTLED: Final = (60, 3600)  # seconds


mail.define(
    "accounts-merged",
    N_("Your two accounts at %(site)s are one"),
    N_(
        "All that belonged to the account %(other)s at %(site)s now belongs to the account %(keeper)s.\n"
        "The first one is closed; its password and tokens open nothing any more.\n\n"
        "If it was not you, write to %(contact)s at once.\n"
    ),
)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two accounts, as the last look shows it."""

    row: AnyRow
    email: str | None
    password: bool
    identities: tuple[AnyRow, ...]
    records: int
    drafts: int
    requests: int


def look(session: Session, settings: Settings, actor: Actor, cookie: str, proof: Proof | None) -> tuple[Side, Side]:  # fmt: skip
    """The account that stays and the one to be closed. Raises Unproven, TwoPeople."""
    keeper, other = accounts.check(session, actor, cookie, proof)
    return _side(session, settings, keeper), _side(session, settings, other)


def _side(session: Session, settings: Settings, row: AnyRow) -> Side:
    password, linked = accounts.ways(session, settings, row.id)
    published, drafts = records.counts(session, row.id)
    asked = requests.count(session, row.id)
    return Side(row, identities.shown(row.email), password, tuple(linked), published, drafts, asked)


def merge(
    session: Session,
    settings: Settings,
    actor: Actor,
    cookie: str,
    proof: Proof | None,
    language: str = "en",
) -> None:
    """Give the actor's account all that the proven one has, and close that one; both addresses are told.

    Raises Unproven (also where somebody was faster), TwoPeople.
    """
    if proof is not None:
        records.lock(session, proof.other)
    keeper, other = accounts.check(session, actor, cookie, proof, lock=True)
    values: dict[str, str | int] = {
        "keeper": identities.shown(keeper.email) or keeper.name,
        "other": identities.shown(other.email) or other.name,
        "contact": settings.contact_email,
    }
    for address in (keeper.email, other.email):
        mail.send(session, address, "accounts-merged", values, language=language)
    _move(session, settings, actor, int(keeper.id), int(other.id), (keeper, other))
    for delay in SETTLED:
        queue.enqueue(session, "accounts.settle", f"{other.id}-{delay}", {"user_id": other.id}, delay=delay)


def _move(
    session: Session,
    settings: Settings,
    actor: Actor,
    keeper: int,
    giver: int,
    closing: tuple[AnyRow, AnyRow] | None,
) -> None:
    moved, drafts = records.hand_over(session, settings, giver, keeper)
    given = sharing.hand_over(session, giver, keeper)
    idle = requests.hand_over(session, giver, keeper)
    linked = accounts.take_over(session, keeper, giver)
    if closing is not None:
        accounts.close(session, *closing)
    elif given or linked:  # a rebuild goes by the newest profile
        identities.note_change(session, keeper)
    elif moved or drafts:
        queue.enqueue(session, "manifest.user", str(keeper), {"user_id": keeper})
    # Last, under the log's lock.
    requests.cancel(session, settings, replace(actor, user_id=keeper), idle)
    told = {"to": keeper}
    for record_id in moved:
        changes.append(session, actor.label, "transferred", "record", record_id, told)
    for draft_id in drafts:
        changes.append(session, actor.label, "transferred", "draft", draft_id, told)
    if closing is not None:
        changes.append(session, actor.label, "merged", "user", keeper, {"from": giver})
        changes.append(session, actor.label, "closed", "user", giver, {"into": keeper})


@task("accounts.settle")
def settle(ctx: Context, args: dict[str, int]) -> None:
    """Move what requests of a closed account made that were under way while it was closed."""
    giver = args["user_id"]
    with ctx.db.begin() as session:
        row = session.execute(select(users).where(users.c.id == giver)).first()
        if row is None or row.merged_into is None:
            return
        _move(session, ctx.settings, SYSTEM, int(row.merged_into), giver, None)
