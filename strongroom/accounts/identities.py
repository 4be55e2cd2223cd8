"""Who somebody is elsewhere: identities linked to accounts, first log-ins by them, and what is signed on the way.

An identity is (issuer, subject) and nothing else. An address, verified or not, never opens an account that has it: its
owner logs in there and links the identity himself (decision 0012).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import delete, insert, select, update

from strongroom import changes, mail
from strongroom.access import Actor, require_user
from strongroom.accounts import federation, service
from strongroom.accounts.federation import Claimed
from strongroom.accounts.models import identities, keys, users
from strongroom.db import AnyRow, Session
from strongroom.errors import Conflict, Forbidden, NotFound
from strongroom.ids import now
from strongroom.jobs import queue
from strongroom.settings import Settings

# What stands in for an address until its owner confirms it: no mail goes there (RFC 2606), nobody is found by it.
STAND_IN = "@unconfirmed.invalid"


def shown(address: str) -> str | None:
    """An account's address as others and itself see it; None while it waits to be confirmed."""
    return None if address.endswith(STAND_IN) else address


class Taken(Conflict):
    """There is an account with this address: its owner logs in there and links the identity."""

    code = "address-taken"


def find(session: Session, claimed: Claimed) -> AnyRow | None:
    """The account that this identity is linked to: (id, is_active), or None."""
    return session.execute(
        select(users.c.id, users.c.is_active)
        .join(identities, identities.c.user_id == users.c.id)
        .where(identities.c.issuer == claimed.issuer, identities.c.subject == claimed.subject)
    ).first()


def note_use(session: Session, claimed: Claimed, user_id: int) -> bool:
    """Write down that somebody logged in by an identity; its label may have changed (an account renamed).

    Says whether it is still this account's: who unlinks it now waits, and ends the session begun in this transaction.
    """
    noted = session.execute(
        update(identities)
        .where(identities.c.issuer == claimed.issuer, identities.c.subject == claimed.subject)
        .where(identities.c.user_id == user_id)
        .values(last_used=now(), label=claimed.label)
    )
    return bool(noted.rowcount)


def add_account(session: Session, claimed: Claimed, name: str, email: str) -> tuple[int, bool]:
    """The account of a first log-in: (its number, whether its address is confirmed).

    The address is confirmed only where the issuer says so of exactly this one; else the account gets a stand-in, and
    `registration.ask_to_confirm` sends a link. Raises Invalid, Conflict (the identity was linked meanwhile), and Taken
    for a confirmed address only: whoever types another's learns nothing of it.
    """
    name, email = service.name_and_address(name, email)
    if find(session, claimed) is not None:
        raise Conflict("This log-in belongs to an account already: log in again.")
    sure = claimed.email_verified and email == claimed.email.strip().lower()
    if sure and is_taken(session, email):
        raise Taken(f"There is an account with the address {email} already.")
    user_id = service.add_user(
        session,
        email if sure else f"{secrets.token_hex(8)}{STAND_IN}",
        name=name,
        orcid=claimed.orcid or None,
        confirmed=sure,
        actor="system",
    )
    _insert(session, user_id, claimed)
    return user_id, sure


def is_taken(session: Session, email: str) -> bool:
    return session.execute(select(users.c.id).where(users.c.email == email)).first() is not None


def own(session: Session, actor: Actor) -> Sequence[AnyRow]:
    """One's identities, oldest first: rows of (id, provider, issuer, subject, label, created, last_used).

    Raises Unauthenticated.
    """
    return session.execute(
        select(identities).where(identities.c.user_id == require_user(actor)).order_by(identities.c.id)
    ).all()


def link(session: Session, settings: Settings, actor: Actor, claimed: Claimed, language: str = "en") -> None:
    """Link an identity to one's account; again is no mistake. The account's address is told.

    Raises Conflict where it is another account's, or an ORCID while there is one; Forbidden for a token.
    """
    user_id = require_user(actor)
    if actor.via != "session":
        raise Forbidden("Only you yourself, in a browser, can link a way to log in.")
    there = find(session, claimed)
    if there is not None:
        if there.id != user_id:
            raise Conflict(
                "This identity is linked to another account here. Log in to that one and unlink it first."
            )
        return
    if claimed.orcid and any(row.provider == "orcid" for row in own(session, actor)):
        raise Conflict("Your account has an ORCID iD already: unlink it first.")
    _insert(session, user_id, claimed)
    note_change(session, user_id, **({"orcid": claimed.orcid} if claimed.orcid else {}))
    row = session.execute(select(users.c.email).where(users.c.id == user_id)).one()
    mail.send(
        session,
        row.email,
        "identity-linked",
        {"identity": claimed.label, "link": f"{settings.base_url}/account/settings/identities"},
        language=language,
    )
    changes.append(session, actor.label, "identity-linked", "user", user_id, {"issuer": claimed.issuer})


def unlink(session: Session, settings: Settings, actor: Actor, identity_id: int, cookie: str) -> None:
    """Take one of one's identities away; all sessions but that of this cookie end: who had come by it goes.

    Raises NotFound, Conflict (the last way to log in), Forbidden (a token).
    """
    user_id = require_user(actor)
    if actor.via != "session":
        raise Forbidden("Only you yourself, in a browser, can unlink a way to log in.")
    account = session.execute(select(users).where(users.c.id == user_id).with_for_update()).one()
    row = session.execute(
        select(identities).where(identities.c.id == identity_id, identities.c.user_id == user_id)
    ).first()
    if row is None:
        raise NotFound("You have no linked identity with this number.")
    if not has_password(settings, account) and not _others(settings, own(session, actor), identity_id):
        raise Conflict("This is your only way to log in: set a password or link another one first.")
    session.execute(delete(identities).where(identities.c.id == identity_id))
    note_change(session, user_id, **({"orcid": None} if row.provider == "orcid" else {}))
    changes.append(session, actor.label, "identity-unlinked", "user", user_id, {"issuer": row.issuer})
    # Sessions do not know how they were begun. After the row is gone: a log-in by it was waited for.
    service.end_other_sessions(session, actor, cookie)


def needed(settings: Settings, account: AnyRow, linked: Sequence[AnyRow]) -> set[int]:
    """The numbers of those of an account's identities without which nobody could log in to it."""
    if has_password(settings, account):
        return set()
    return {row.id for row in linked if not _others(settings, linked, row.id)}


def _others(settings: Settings, linked: Sequence[AnyRow], identity_id: int) -> bool:
    """Whether one can log in by another of these identities: by one whose provider is (still) set."""
    usable = {(p.key, p.issuer.rstrip("/")) for p in federation.providers(settings)}
    return any(row.id != identity_id and (row.provider, row.issuer.rstrip("/")) in usable for row in linked)


def has_password(settings: Settings, account: AnyRow) -> bool:
    """Whether the account can be logged in to by a password."""
    return account.password is not None and account.confirmed is not None and settings.accounts != "off"


def _insert(session: Session, user_id: int, claimed: Claimed) -> None:
    moment = now()
    session.execute(
        insert(identities).values(
            user_id=user_id,
            provider=claimed.provider,
            issuer=claimed.issuer,
            subject=claimed.subject,
            label=claimed.label,
            created=moment,
            last_used=moment,
        )
    )


def note_change(session: Session, user_id: int, **values: Any) -> None:
    """What manifests say of the account has changed: its identities, and perhaps its ORCID iD (records/manifest)."""
    session.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(**values, updated=now(), revision=users.c.revision + 1)
    )
    queue.enqueue(session, "manifest.user", str(user_id), {"user_id": user_id})


# Between two steps ----------------------------------------------------------------------------------------------


def signing_key(session: Session) -> bytes:
    """What signs the cookies between two steps; the same in every process (migration 0008 made it)."""
    value: str = session.execute(select(keys.c.value).where(keys.c.name == "login")).scalar_one()
    return bytes.fromhex(value)


def sealed(key: bytes, purpose: str, content: Mapping[str, Any], seconds: float) -> str:
    """`content` as a text that nobody can change, good for so long and for this purpose. It can be read by anybody."""
    body = base64.urlsafe_b64encode(orjson.dumps({**content, "until": time.time() + seconds})).decode()
    return f"{body}.{_mac(key, purpose, body)}"


def opened(key: bytes, purpose: str, text: str) -> dict[str, Any] | None:
    """What `sealed` was given; None for a text that it did not make, or that is too old."""
    body, _, mac = text.partition(".")
    if not hmac.compare_digest(_mac(key, purpose, body).encode(), mac.encode("utf-8", "replace")):
        return None
    content: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(body))
    return content if content.pop("until") > time.time() else None


def _mac(key: bytes, purpose: str, body: str) -> str:
    return hmac.new(key, f"{purpose}:{body}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()
