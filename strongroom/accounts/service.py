"""Verbs of accounts: add and find users, make and check tokens, log in and out."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import bindparam, delete, insert, select, update

from strongroom import changes
from strongroom.access import ANONYMOUS, SCOPES, Actor
from strongroom.accounts.models import sessions, tokens, users
from strongroom.db import AnyRow, Prepared, Session
from strongroom.errors import Conflict, Finding, Invalid, NotFound
from strongroom.ids import new_token, now

SESSION_LIFE = timedelta(days=14)


def _digest(secret: str) -> str:
    # Tokens are 360 random bits: a plain hash is as good as a slow one, and costs a request nothing.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def add_user(
    session: Session,
    email: str,
    password: str | None = None,
    *,
    name: str = "",
    orcid: str | None = None,
    is_admin: bool = False,
    actor: str = "operator",
) -> int:
    """Add an account and return its number. Raises Invalid (address), Conflict (taken)."""
    email = email.strip().lower()
    if not 3 <= len(email) <= 320 or "@" not in email or any(c.isspace() for c in email):
        raise Invalid([Finding.of("email", f"{email!r} is no e-mail address.")])
    if password is not None:
        _check_length(password)
    if session.execute(select(users.c.id).where(users.c.email == email)).first():
        raise Conflict(f"There is an account with the address {email} already.")
    moment = now()
    user_id = session.execute(
        insert(users)
        .values(
            email=email,
            name=name,
            orcid=orcid,
            password=_hash_password(password) if password is not None else None,
            is_admin=is_admin,
            is_active=True,
            created=moment,
            updated=moment,
        )
        .returning(users.c.id)
    ).scalar_one()
    changes.append(session, actor, "created", "user", user_id)
    return int(user_id)


def set_password(session: Session, user_id: int, password: str, *, actor: str = "operator") -> None:
    """Give an account a password; also claims one that `rebuild` made. Ends its sessions. Raises Invalid."""
    _check_length(password)
    session.execute(
        update(users).where(users.c.id == user_id).values(password=_hash_password(password), updated=now())
    )
    session.execute(delete(sessions).where(sessions.c.user_id == user_id))
    changes.append(session, actor, "password-set", "user", user_id)


def _check_length(password: str) -> None:
    if len(password) < 8:
        raise Invalid([Finding.of("password", "A password needs at least 8 characters.")])


def find_user(session: Session, email: str) -> AnyRow:
    """The user with this address. Raises NotFound."""
    row = session.execute(select(users).where(users.c.email == email.strip().lower())).first()
    if row is None:
        raise NotFound(f"There is no account with the address {email}: add it with `strongroom user add`.")
    return row


def by_id(session: Session, user_id: int) -> AnyRow | None:
    return session.execute(select(users).where(users.c.id == user_id)).first()


def create_token(
    session: Session,
    user_id: int,
    scopes: Iterable[str] = SCOPES,
    name: str = "",
    *,
    lifetime: timedelta | None = None,
    actor: str = "operator",
) -> str:
    """Make a token and return it: the only time it is seen. Raises Invalid for an unknown scope."""
    wanted = list(dict.fromkeys(scopes))
    unknown = [s for s in wanted if s not in SCOPES]
    if unknown:
        raise Invalid([Finding.of("scope", f"Unknown scope {unknown[0]}: known are {', '.join(SCOPES)}.")])
    token = new_token()
    moment = now()
    token_id = session.execute(
        insert(tokens)
        .values(
            user_id=user_id,
            name=name,
            hash=_digest(token),
            scopes=" ".join(wanted),
            created=moment,
            expires=moment + lifetime if lifetime else None,
        )
        .returning(tokens.c.id)
    ).scalar_one()
    changes.append(session, actor, "created", "token", int(token_id))
    return token


_BY_TOKEN = Prepared(
    select(
        users.c.id, users.c.email, users.c.name, users.c.is_admin, users.c.is_active,
        tokens.c.scopes, tokens.c.expires,
    )
    .join(users, users.c.id == tokens.c.user_id)
    .where(tokens.c.hash == bindparam("hash"))
)  # fmt: skip


def by_token(session: Session, token: str) -> Actor:
    """Who this token speaks for; ANONYMOUS for an unknown, expired or disabled one."""
    row = _BY_TOKEN.on(session, {"hash": _digest(token)}).first()
    if row is None or not row.is_active or (row.expires is not None and row.expires <= now()):
        return ANONYMOUS
    return Actor(
        user_id=row.id,
        is_admin=row.is_admin,
        scopes=frozenset(row.scopes.split()),
        via="token",
        email=row.email,
        name=row.name,
    )


def check_login(session: Session, email: str, password: str) -> int | None:
    """The user whom address and password belong to, or None.

    Takes a good part of a second on purpose (argon2): call it in a reading transaction, never in a writing one.
    """
    row = session.execute(select(users).where(users.c.email == email.strip().lower())).first()
    stored = row.password if row is not None and row.is_active else None
    # An unknown address costs as much time as a wrong password, so that nobody can try addresses.
    if not _check_password(stored or _dummy_hash(), password) or stored is None or row is None:
        return None
    return int(row.id)


def begin_session(session: Session, user_id: int) -> str:
    """A new browser session; returns the value of its cookie."""
    cookie = secrets.token_urlsafe(32)
    moment = now()
    session.execute(delete(sessions).where(sessions.c.expires < moment))
    session.execute(
        insert(sessions).values(
            hash=_digest(cookie),
            user_id=user_id,
            csrf=secrets.token_urlsafe(24),
            created=moment,
            expires=moment + SESSION_LIFE,
        )
    )
    return cookie


def log_in(session: Session, email: str, password: str) -> str | None:
    """Check a password and begin a session; None when it is wrong."""
    user_id = check_login(session, email, password)
    return None if user_id is None else begin_session(session, user_id)


def log_out(session: Session, cookie: str) -> None:
    session.execute(delete(sessions).where(sessions.c.hash == _digest(cookie)))


_BY_SESSION = Prepared(
    select(
        users.c.id, users.c.email, users.c.name, users.c.is_admin, users.c.is_active,
        sessions.c.csrf, sessions.c.expires,
    )
    .join(users, users.c.id == sessions.c.user_id)
    .where(sessions.c.hash == bindparam("hash"))
)  # fmt: skip


def by_session(session: Session, cookie: str) -> Actor:
    """Who this browser session belongs to; ANONYMOUS when ended."""
    row = _BY_SESSION.on(session, {"hash": _digest(cookie)}).first()
    if row is None or not row.is_active or row.expires <= now():
        return ANONYMOUS
    return Actor(
        user_id=row.id, is_admin=row.is_admin, via="session", email=row.email, name=row.name, csrf=row.csrf
    )


def csrf_matches(actor: Actor, sent: str) -> bool:
    return bool(actor.csrf) and hmac.compare_digest(actor.csrf.encode(), sent.encode("utf-8", "replace"))


def _hash_password(password: str) -> str:
    from argon2 import PasswordHasher  # imported when first used: start-up budget

    return PasswordHasher().hash(password)


def _check_password(stored: str, password: str) -> bool:
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return PasswordHasher().verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


_dummy: list[str] = []


def _dummy_hash() -> str:
    if not _dummy:
        _dummy.append(_hash_password(secrets.token_hex(8)))
    return _dummy[0]
