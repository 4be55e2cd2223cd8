"""Two accounts of one person made one: what proves that both are his, and what becomes of the one that is closed.

An account is closed for another only by somebody who, within minutes, logged in to the one that stays and opened the
other as well: by its password, or by an identity that is linked to it. The proof is for one session and these two
accounts; a link by mail never is one (decision 0014).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, or_, select, update

from strongroom import mail
from strongroom.access import Actor, require_user
from strongroom.accounts import identities, service
from strongroom.accounts.federation import Claimed
from strongroom.accounts.identities import STAND_IN
from strongroom.accounts.models import applications, grants, mail_tokens, sessions, tokens, users
from strongroom.accounts.models import identities as linked
from strongroom.db import AnyRow, Session
from strongroom.errors import Conflict, Forbidden
from strongroom.ids import now
from strongroom.settings import Settings

# How long ago who asks may have logged in to the account that stays, and opened the other one.
RECENT: Final = timedelta(minutes=30)
PROOF_SECONDS: Final = 10 * 60.0
# How long an identity must have been linked to an account to prove that it may be closed.
SETTLED_IN: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Proof:
    """That who has this session opened another account too. It ends with what opened it: the password, the identity."""

    keeper: int
    other: int
    session: str  # hash of the session's cookie
    identity: int = 0  # the number of the identity; 0: by password
    password: str = ""  # hash of the password as it was stored


class Unproven(Forbidden):
    """What is to prove that both accounts are one person's is missing, too old, or another's."""

    code = "merge-unproven"
    default = "Show once more that both accounts are yours: log in, then open the other one."


class Same(Conflict):
    """The other account is the one that one is logged in to."""

    code = "merge-same"
    default = "This opens the account that you are logged in to: there is nothing to merge."


class Closed(Forbidden):
    """The other account is switched off."""

    code = "merge-closed"
    default = "This account is switched off. Write to the operator."


class TooFresh(Forbidden):
    """The identity was linked to the other account a short while ago, perhaps by somebody at its open session."""

    code = "merge-too-fresh"
    default = (
        "This way to log in was linked to the other account less than a day ago. Use its password, or another way that it "
        "has had for longer, or come back tomorrow."
    )


class TwoPeople(Conflict):
    """Both accounts have an ORCID iD, and not the same."""

    code = "merge-two-orcids"
    default = (
        "Each of the two accounts has an ORCID iD of its own, and an ORCID iD is one person's. Unlink the one that is "
        "not to stay first."
    )


def is_recent(session: Session, actor: Actor, cookie: str) -> bool:
    """Whether who asks logged in with this session a short while ago."""
    found = session.execute(
        select(sessions.c.hash).where(
            sessions.c.hash == service.digest(cookie),
            sessions.c.user_id == actor.user_id,
            sessions.c.created > now() - RECENT,
        )
    ).first()
    return actor.via == "session" and found is not None


def by_password(session: Session, actor: Actor, cookie: str, email: str, password: str) -> Proof | None:
    """The proof by address and password of the other account; None where they are wrong, or it is switched off.

    As slow as `service.check_login`: in a reading transaction. Raises Same, Unauthenticated.
    """
    keeper = require_user(actor)
    checked = service.check_login(session, email, password)
    if checked is None:
        return None
    if checked.user_id == keeper:
        raise Same()
    opened = service.digest(checked.stored)
    return Proof(keeper, checked.user_id, service.digest(cookie), password=opened)


def by_identity(session: Session, actor: Actor, cookie: str, claimed: Claimed) -> Proof | None:
    """The proof by an identity that is linked to the other account; None where it is nobody's.

    Linking asks for no more than a session, and can be taken back; merging can not. So the identity must be as old as
    the account, or have been linked for a day. Raises Same, Closed, TooFresh, Unauthenticated.
    """
    keeper = require_user(actor)
    found = session.execute(
        select(
            linked.c.id, linked.c.user_id, linked.c.created, users.c.is_active, users.c.created.label("begun")
        )
        .join(users, users.c.id == linked.c.user_id)
        .where(linked.c.issuer == claimed.issuer, linked.c.subject == claimed.subject)
    ).first()
    if found is None:
        return None
    if found.user_id == keeper:
        raise Same()
    if not found.is_active:
        raise Closed()
    if found.created > now() - SETTLED_IN and found.created > found.begun + timedelta(minutes=1):
        raise TooFresh()
    return Proof(keeper, int(found.user_id), service.digest(cookie), identity=int(found.id))


def check(session: Session, actor: Actor, cookie: str, proof: Proof | None, *, lock: bool = False) -> tuple[AnyRow, AnyRow]:  # fmt: skip
    """The rows of the account that stays and of the one to be closed, where all is proven and still as it was then.

    With `lock` nobody else changes either until the transaction ends. Raises Unproven, TwoPeople.
    """
    if proof is None or actor.via != "session" or proof.keeper == proof.other:
        raise Unproven()
    if proof.keeper != actor.user_id or proof.session != service.digest(cookie):
        raise Unproven()
    # Both in one order: two merges at once wait for each other instead of for ever.
    if lock:  # before the accounts, as a log-in does
        of_both = linked.c.user_id.in_((proof.keeper, proof.other))
        session.execute(select(linked.c.id).where(of_both).order_by(linked.c.id).with_for_update()).all()
    wanted = select(users).where(users.c.id.in_((proof.keeper, proof.other))).order_by(users.c.id)
    rows = {
        row.id: row
        for row in session.execute(wanted.with_for_update(key_share=True) if lock else wanted).all()
    }
    keeper, other = rows.get(proof.keeper), rows.get(proof.other)
    if keeper is None or other is None or not (keeper.is_active and other.is_active):
        raise Unproven()
    # After the lock: what ended the session, or the proof, was waited for.
    if not is_recent(session, actor, cookie):
        raise Unproven()
    if proof.identity:
        whose = session.execute(select(linked.c.user_id).where(linked.c.id == proof.identity)).scalar()
        if whose != other.id:
            raise Unproven()
    elif other.password is None or service.digest(other.password) != proof.password:
        raise Unproven()
    if keeper.orcid and other.orcid and keeper.orcid != other.orcid:
        raise TwoPeople()
    return keeper, other


def ways(session: Session, settings: Settings, user_id: int) -> tuple[bool, Sequence[AnyRow]]:
    """How one can log in to an account: whether by a password, and its identities."""
    row = session.execute(select(users).where(users.c.id == user_id)).one()
    rows = session.execute(select(linked).where(linked.c.user_id == user_id).order_by(linked.c.id)).all()
    return identities.has_password(settings, row), rows


def take_over(session: Session, keeper: int, giver: int) -> int:
    """Identities and registered applications of one account become the other's; what opened the first ends.

    Sessions, tokens and consents end: each was given for what the first account had, and would now reach all that
    the other has. The other account's own stay. Returns how many identities moved.
    """
    has_orcid = session.execute(select(users.c.orcid).where(users.c.id == keeper)).scalar()
    if has_orcid:  # only one that came meanwhile is another: `check` has compared them
        session.execute(
            delete(linked).where(
                linked.c.user_id == giver, linked.c.provider == "orcid", linked.c.subject != has_orcid
            )
        )
    # As if linked now: of two manifests that name it, the later says whose it is (records/rebuild).
    moved = session.execute(
        update(linked).where(linked.c.user_id == giver).values(user_id=keeper, created=now())
    ).rowcount
    session.execute(update(applications).where(applications.c.owner_id == giver).values(owner_id=keeper))
    session.execute(delete(sessions).where(sessions.c.user_id == giver))
    session.execute(delete(tokens).where(tokens.c.user_id == giver))
    session.execute(delete(grants).where(grants.c.user_id == giver))
    session.execute(delete(mail.notification_settings).where(mail.notification_settings.c.user_id == giver))
    address = select(users.c.email).where(users.c.id == giver).scalar_subquery()
    session.execute(
        delete(mail_tokens).where(
            or_(
                mail_tokens.c.user_id == giver,
                (mail_tokens.c.email == address) & (mail_tokens.c.kind == "reset"),
            )
        )
    )
    return int(moved)


def close(session: Session, keeper: AnyRow, other: AnyRow) -> None:
    """Close an account for good; its address is free again, or the other's where that has none.

    The row stays, without address, password and rights: the log names it. The other's manifests are asked for.
    """
    moment = now()
    session.execute(
        update(users)
        .where(users.c.id == other.id)
        .values(
            email=f"{secrets.token_hex(8)}{STAND_IN}",
            password=None,
            orcid=None,
            is_admin=False,
            is_active=False,
            verified=False,
            confirmed=None,
            visibility="restricted",
            email_visibility="restricted",
            merged_into=keeper.id,
            updated=moment,
            revision=users.c.revision + 1,
        )
    )
    session.execute(update(users).where(users.c.merged_into == other.id).values(merged_into=keeper.id))
    values = {"orcid": keeper.orcid or other.orcid, "name": keeper.name or other.name}
    if identities.shown(keeper.email) is None and other.confirmed is not None:
        values |= {"email": other.email, "confirmed": other.confirmed}
    identities.note_change(session, keeper.id, **values)
