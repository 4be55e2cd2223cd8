"""Accounts with a password of our own, and the links by mail that make, confirm and open them.

A link is good once and for a while, and its table keeps only its hash. Opening it changes nothing: scanners open every
link of a mail; the page behind it has a button. What is answered never says whether an address has an account here.

A new account is made when its link was opened, and its password chosen then: so nobody can have one in another's
name, nor a password for what another will believe to be his.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, insert, or_, select, update

from strongroom import changes, mail
from strongroom.access import Actor, require_user
from strongroom.accounts import service
from strongroom.accounts.identities import STAND_IN, Taken, is_taken
from strongroom.accounts.models import mail_tokens, users
from strongroom.db import AnyRow, Session
from strongroom.errors import Finding, Forbidden, Invalid, NotFound
from strongroom.ids import new_token, now
from strongroom.jobs import queue
from strongroom.mail import N_
from strongroom.settings import Settings

LIVES: Final = {
    "register": timedelta(hours=24),
    "address": timedelta(hours=24),
    "reset": timedelta(hours=1),
}
# Of one kind to one address an hour: whoever types another's address can't fill his mailbox.
MAILS_AN_HOUR: Final = 5


mail.define(
    "register",
    N_("Your account at %(site)s"),
    N_(
        "Somebody, probably you, wants an account at %(site)s with this address.\n"
        "To make it, open\n\n%(link)s\n\n"
        "within %(hours)d hours and choose a password. If it was not you, do nothing: there will be no account.\n"
    ),
)
mail.define(
    "register-known",
    N_("Your account at %(site)s"),
    N_(
        "Somebody, probably you, wants an account at %(site)s with this address. There is one already.\n"
        "Log in: %(link)s\n\nIf you do not know the password any more, choose a new one: %(reset)s\n\n"
        "If it was not you, do nothing.\n"
    ),
)
mail.define(
    "reset",
    N_("A new password for %(site)s"),
    N_(
        "Somebody, probably you, asks for a new password for the account of %(name)s at %(site)s.\n"
        "To choose it, open\n\n%(link)s\n\n"
        "within an hour. If it was not you, do nothing: the old password stays.\n"
    ),
)
mail.define(
    "address-confirm",
    N_("Confirm your address for %(site)s"),
    N_(
        "The account of %(name)s at %(site)s is to have this address. To confirm it, open\n\n%(link)s\n\n"
        "within %(hours)d hours. If that is not your account, do nothing.\n"
    ),
)
mail.define(
    "address-changed",
    N_("Your address at %(site)s was changed"),
    N_(
        "The account of %(name)s at %(site)s now has the address %(email)s.\n\n"
        "If it was not you, write to %(contact)s at once.\n"
    ),
)
mail.define(
    "password-changed",
    N_("Your password at %(site)s was changed"),
    N_(
        "The account of %(name)s at %(site)s has a new password, and all its other sessions were ended.\n\n"
        "If it was not you, choose another one at once: %(link)s\n"
    ),
)
mail.define(
    "identity-linked",
    N_("A new way to log in to %(site)s"),
    N_(
        "Your account at %(site)s can now be logged in to as %(identity)s.\n\n"
        "If it was not you, unlink it at once, and change your password: %(link)s\n"
    ),
)


# Asking ---------------------------------------------------------------------------------------------------------


def ask_to_register(
    session: Session, settings: Settings, name: str, email: str, language: str = "en"
) -> None:
    """Send whoever reads this address a link to make an account, or a word that there is one.

    Raises Invalid (no address), Forbidden (accounts are made by the operator alone).
    """
    if settings.accounts != "open":
        raise Forbidden("Nobody can register here: write to the operator.")
    name, email = service.name_and_address(name, email)
    # Both ways write the same rows: neither answer nor time tells which it was.
    link = _link(session, settings, "register", email, name=name)
    if link is None:
        return
    if is_taken(session, email):
        _tell_of_account(session, settings, email, language)
    else:
        mail.send(session, email, "register", {"link": link, "hours": 24}, language=language)


def _tell_of_account(session: Session, settings: Settings, email: str, language: str) -> None:
    values: dict[str, str | int] = {
        "link": f"{settings.base_url}/login",
        "reset": f"{settings.base_url}/forgotten",
    }
    mail.send(session, email, "register-known", values, language=language)


def ask_for_password(session: Session, settings: Settings, email: str, language: str = "en") -> None:
    """Send the owner of this address a link to choose a password, if there is an account. Raises Invalid, Forbidden."""
    if settings.accounts == "off":
        raise Forbidden("There are no passwords here: log in in another way.")
    email = service.address(email)
    link = _link(session, settings, "reset", email)
    row = session.execute(
        select(users).where(users.c.email == email, users.c.is_active, users.c.confirmed.is_not(None))
    ).first()
    if link is not None and row is not None:
        values: dict[str, str | int] = {"link": link, "name": row.name or email}
        mail.send(session, email, "reset", values, language=language)


def ask_to_confirm(
    session: Session, settings: Settings, user_id: int, email: str, language: str = "en"
) -> None:
    """Send a link that gives an account this address once it is opened, or a word that another account has it.

    Raises Invalid.
    """
    email = service.address(email)
    row = session.execute(select(users).where(users.c.id == user_id)).one()
    if row.email == email:
        raise Invalid([Finding.of("email", "This is your address already.")])
    # Only the newest one counts: a typing mistake is no longer open to whoever got it.
    session.execute(
        update(mail_tokens)
        .where(
            mail_tokens.c.kind == "address", mail_tokens.c.user_id == user_id, mail_tokens.c.used.is_(None)
        )
        .values(used=now())
    )
    # As in `ask_to_register`: who types another's address can't see whether there is an account.
    link = _link(session, settings, "address", email, user_id=user_id)
    if link is not None and is_taken(session, email):
        _tell_of_account(session, settings, email, language)
    elif link is not None:
        values: dict[str, str | int] = {"link": link, "name": row.name or email, "hours": 24}
        mail.send(session, email, "address-confirm", values, language=language)


def awaited(session: Session, user_id: int) -> str | None:
    """The address that an account asked for and nobody has confirmed yet."""
    return session.execute(
        select(mail_tokens.c.email)
        .where(
            mail_tokens.c.kind == "address",
            mail_tokens.c.user_id == user_id,
            mail_tokens.c.used.is_(None),
            mail_tokens.c.expires > now(),
        )
        .order_by(mail_tokens.c.created.desc())
        .limit(1)
    ).scalar()


def _link(
    session: Session,
    settings: Settings,
    kind: str,
    email: str,
    *,
    user_id: int | None = None,
    name: str = "",
) -> str | None:
    """A fresh link, or None where this address was sent enough of them."""
    token = _token(session, kind, email, MAILS_AN_HOUR, timedelta(hours=1), user_id=user_id, name=name)
    if token is None:
        return None
    return f"{settings.base_url}/{'reset' if kind == 'reset' else 'confirm'}/{token}"


def may_mail(session: Session, kind: str, email: str, most: int, within: timedelta) -> bool:
    """Whether an address that nobody has confirmed may be sent another mail of this kind; counts it if so.

    `within` is at most a day.
    """
    return _token(session, kind, email, most, within) is not None


def _token(
    session: Session,
    kind: str,
    email: str,
    most: int,
    within: timedelta,
    *,
    user_id: int | None = None,
    name: str = "",
) -> str | None:
    moment = now()
    session.execute(delete(mail_tokens).where(mail_tokens.c.expires < moment - timedelta(days=1)))
    lately = session.execute(
        select(func.count())
        .select_from(mail_tokens)
        .where(
            mail_tokens.c.email == email,
            mail_tokens.c.kind == kind,
            mail_tokens.c.created > moment - within,
        )
    ).scalar_one()
    if lately >= most:
        return None
    token = new_token()
    session.execute(
        insert(mail_tokens).values(
            hash=service.digest(token),
            kind=kind,
            user_id=user_id,
            email=email,
            name=name,
            created=moment,
            expires=moment + LIVES.get(kind, timedelta(0)),
        )
    )
    return token


# Opening --------------------------------------------------------------------------------------------------------


def waiting(session: Session, token: str, *kinds: str) -> AnyRow:
    """What a link is for: a row of `mail_tokens`. Raises NotFound for one that was used, is too old or never was."""
    row = session.execute(select(mail_tokens).where(mail_tokens.c.hash == service.digest(token))).first()
    if row is None or row.kind not in kinds or row.used is not None or row.expires <= now():
        raise NotFound("This link was used already, or is too old.")
    return row


def _spend(session: Session, row: AnyRow) -> None:
    """A link is good once, whoever is faster. Raises NotFound."""
    if not session.execute(
        update(mail_tokens)
        .where(mail_tokens.c.hash == row.hash, mail_tokens.c.used.is_(None))
        .values(used=now())
    ).rowcount:
        raise NotFound("This link was used already, or is too old.")


def make_account(session: Session, settings: Settings, token: str, name: str, password: str) -> int:
    """Make the account of a link; returns its number. Raises NotFound, Invalid, Conflict (made meanwhile)."""
    if settings.accounts != "open":
        raise Forbidden("Nobody can register here: write to the operator.")
    row = waiting(session, token, "register")
    user_id = service.add_user(
        session, row.email, password, name=" ".join(name.split())[:200] or row.name, actor="system"
    )
    _spend(session, row)
    return user_id


def reset(session: Session, settings: Settings, token: str, password: str, language: str = "en") -> int:
    """Give the account of a link a new password and end its sessions; returns its number. Raises NotFound, Invalid."""
    if settings.accounts == "off":
        raise Forbidden("There are no passwords here: log in in another way.")
    row = waiting(session, token, "reset")
    account = session.execute(
        select(users).where(users.c.email == row.email, users.c.is_active, users.c.confirmed.is_not(None))
    ).first()
    if account is None:
        raise NotFound("This link was used already, or is too old.")
    _spend(session, row)
    # All others that were sent meanwhile, too.
    session.execute(
        update(mail_tokens)
        .where(mail_tokens.c.kind == "reset", mail_tokens.c.email == row.email, mail_tokens.c.used.is_(None))
        .values(used=now())
    )
    service.set_password(session, account.id, password, actor=f"user:{account.id}")
    _tell_of_password(session, settings, account, language)
    return int(account.id)


def change_password(
    session: Session, settings: Settings, actor: Actor, password: str, language: str = "en"
) -> None:
    """Give oneself a new password; all sessions end. The door has checked the old one. Raises Invalid, Forbidden."""
    user_id = require_user(actor)
    if actor.via != "session" or settings.accounts == "off":
        raise Forbidden()
    account = session.execute(select(users).where(users.c.id == user_id)).one()
    service.set_password(session, user_id, password, actor=actor.label)
    _tell_of_password(session, settings, account, language)


def _tell_of_password(session: Session, settings: Settings, account: AnyRow, language: str) -> None:
    values: dict[str, str | int] = {
        "name": account.name or account.email,
        "link": f"{settings.base_url}/forgotten",
    }
    mail.send(session, account.email, "password-changed", values, language=language)


def confirm_address(
    session: Session, settings: Settings, actor: Actor, token: str, language: str = "en"
) -> None:
    """Give one's account the address that the link was sent to; the old one is told.

    Only the account's owner, logged in, can: else whoever gets a mail by another's mistake or design would give that
    other an account with his address. Raises NotFound, Forbidden, Taken (meanwhile).
    """
    user_id = require_user(actor)
    row = waiting(session, token, "address")
    if row.user_id != user_id or actor.via != "session":
        raise Forbidden("This link belongs to another account than the one you are logged in to.")
    account = session.execute(select(users).where(users.c.id == user_id)).one()
    if is_taken(session, row.email):
        raise Taken(f"There is an account with the address {row.email} already.")
    _spend(session, row)
    moment: datetime = now()
    session.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(email=row.email, confirmed=moment, updated=moment, revision=users.c.revision + 1)
    )
    # Links to choose a password went to the old one.
    session.execute(
        update(mail_tokens)
        .where(
            or_(mail_tokens.c.email == account.email, mail_tokens.c.user_id == user_id),
            mail_tokens.c.used.is_(None),
        )
        .values(used=moment)
    )
    if not account.email.endswith(STAND_IN):
        values: dict[str, str | int] = {
            "name": account.name or account.email,
            "email": row.email,
            "contact": settings.contact_email,
        }
        mail.send(session, account.email, "address-changed", values, language=language)
    queue.enqueue(session, "manifest.user", str(user_id), {"user_id": user_id})
    changes.append(session, actor.label, "address-changed", "user", user_id)
