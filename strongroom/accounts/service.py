"""Verbs of accounts: add and find users, make and check tokens, log in and out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, delete, insert, or_, select, update

from strongroom import changes
from strongroom.access import ANONYMOUS, SCOPES, Actor, require_user
from strongroom.accounts.models import sessions, tokens, users
from strongroom.db import AnyRow, Prepared, Session
from strongroom.errors import Conflict, Finding, Forbidden, Invalid, NotFound
from strongroom.ids import new_token, now

SESSION_LIFE = timedelta(days=14)
MAX_TOKENS = 200  # a user; more are a program that forgot to take its own back


def digest(secret: str) -> str:
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
    confirmed: bool = True,
    actor: str = "operator",
) -> int:
    """Add an account and return its number. Raises Invalid (address), Conflict (taken).

    `confirmed` says that mail to the address is known to arrive: the operator's word, or a link that was opened.
    """
    email = address(email)
    if password is not None and not isinstance(password, Hashed):
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
            password=_stored(password) if password is not None else None,
            is_admin=is_admin,
            is_active=True,
            created=moment,
            updated=moment,
            confirmed=moment if confirmed else None,
        )
        .returning(users.c.id)
    ).scalar_one()
    changes.append(session, actor, "created", "user", user_id)
    return int(user_id)


# One address and no list of them: it stands in the head of a mail.
_ADDRESS = re.compile(r"""[^\s@,;:<>()\[\]\\"\x00-\x1f\x7f]+@[^\s@,;:<>()\[\]\\"\x00-\x1f\x7f]+""")


# Few servers take others (SMTPUTF8, RFC 6531): a mail would wait for a day, and its owner for ever.
NOT_ASCII: Final = (
    "Mail from here reaches only addresses of the letters a to z, digits and signs: use another one."
)


def address(text: str) -> str:
    """An e-mail address as it is stored. Raises Invalid for what is none, or one beyond ASCII (`NOT_ASCII`)."""
    email = text.strip().lower()
    if not email.isascii():
        raise Invalid([Finding.of("email", NOT_ASCII)])
    if not 3 <= len(email) <= 320 or not _ADDRESS.fullmatch(email):
        raise Invalid([Finding.of("email", f"{email[:320]!r} is no e-mail address.")])
    return email


def name_and_address(name: str, email: str) -> tuple[str, str]:
    """What somebody typed for a new account, as it is stored. Raises Invalid, with all that is wrong."""
    findings: list[Finding] = []
    name = " ".join(name.split())
    if not 1 <= len(name) <= 200 or "\0" in name:
        findings.append(Finding.of("name", "Your name is missing: it has 1 to 200 characters."))
    try:
        email = address(email)
    except Invalid as error:
        findings += error.findings
    if findings:
        raise Invalid(findings)
    return name, email


def set_password(session: Session, user_id: int, password: str, *, actor: str = "operator") -> None:
    """Give an account a password; also claims one that `rebuild` made. Ends its sessions. Raises Invalid."""
    if not isinstance(password, Hashed):
        _check_length(password)
    session.execute(
        update(users).where(users.c.id == user_id).values(password=_stored(password), updated=now())
    )
    session.execute(delete(sessions).where(sessions.c.user_id == user_id))
    changes.append(session, actor, "password-set", "user", user_id)


class Hashed(str):
    """A password as it is stored."""

    __slots__ = ()


def hashed(password: str) -> Hashed:
    """A new password, ready for `add_user` and `set_password`: made before a writing transaction, so that nobody waits.

    Raises Invalid.
    """
    _check_length(password)
    return Hashed(_hash_password(password))


def _stored(password: str) -> str:
    return str(password) if isinstance(password, Hashed) else _hash_password(password)


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
    moment = now()
    wanted = known_scopes(scopes)
    token, token_id = _insert_token(session, user_id, wanted, name, moment + lifetime if lifetime else None)
    changes.append(session, actor, "created", "token", token_id)
    return token


def known_scopes(scopes: Iterable[str], known: Sequence[str] = SCOPES) -> list[str]:
    """The scopes, each once. Raises Invalid for one that is not among `known`."""
    wanted = list(dict.fromkeys(scopes))
    unknown = [s for s in wanted if s not in known]
    if unknown:
        raise Invalid([Finding.of("scope", f"Unknown scope {unknown[0]}: known are {', '.join(known)}.")])
    return wanted


def _insert_token(
    session: Session, user_id: int, scopes: Sequence[str], name: str, expires: datetime | None
) -> tuple[str, int]:
    token = new_token()
    token_id = session.execute(
        insert(tokens)
        .values(
            user_id=user_id,
            name=name,
            hash=digest(token),
            scopes=" ".join(scopes),
            created=now(),
            expires=expires,
        )
        .returning(tokens.c.id)
    ).scalar_one()
    return token, int(token_id)


def own_tokens(session: Session, actor: Actor) -> Sequence[AnyRow]:
    """One's personal tokens, newest first: rows of (id, name, scopes, created, expires, last_used). No secrets.

    Raises Unauthenticated.
    """
    return session.execute(
        select(
            tokens.c.id,
            tokens.c.name,
            tokens.c.scopes,
            tokens.c.created,
            tokens.c.expires,
            tokens.c.last_used,
        )
        .where(tokens.c.user_id == require_user(actor), tokens.c.grant_id.is_(None))
        .order_by(tokens.c.id.desc())
    ).all()


def make_token(
    session: Session,
    actor: Actor,
    name: str,
    scopes: Iterable[str],
    expires: datetime | None = None,
    *,
    by: str | None = None,
) -> tuple[str, int]:
    """Make oneself a personal token; returns it (the only time it is seen) and its number.

    `by` is the token that asks for it, where one does: what it makes is never stronger than itself,
    neither in scopes nor in time. Raises Invalid, Forbidden, Unauthenticated.
    """
    user_id = require_user(actor)
    name = " ".join(name.split())
    if not 1 <= len(name) <= 200:
        raise Invalid.at("name", "A token needs a name of 1 to 200 characters: say what it is for.")
    if "\0" in name:
        raise Invalid.at("name", "A name has no null characters.")
    wanted = known_scopes(scopes)
    if expires is not None and expires <= now():
        raise Invalid.at("expires", "The time lies in the past.")
    if actor.scopes is not None:
        stronger = [s for s in wanted if s not in actor.scopes]
        if stronger:
            raise Forbidden(f"A token can't make one with the scope {stronger[0]}, which it lacks itself.")
        made_by = session.execute(select(tokens).where(tokens.c.hash == digest(by or ""))).first()
        if made_by is None or made_by.user_id != user_id or made_by.grant_id is not None:
            raise Forbidden("Only a personal token, or you yourself in a browser, can make tokens.")
        if made_by.expires is not None and (expires is None or expires > made_by.expires):
            expires = made_by.expires
    there = session.execute(
        select(tokens.c.id)
        .where(tokens.c.user_id == user_id, tokens.c.grant_id.is_(None))
        .where(or_(tokens.c.expires.is_(None), tokens.c.expires > now()))
        .limit(MAX_TOKENS)
    ).all()
    if len(there) >= MAX_TOKENS:
        raise Conflict(f"You have {MAX_TOKENS} tokens already: revoke some that you no longer use.")
    token, token_id = _insert_token(session, user_id, wanted, name, expires)
    changes.append(session, actor.label, "created", "token", token_id)
    return token, token_id


def revoke_token(session: Session, actor: Actor, token_id: int) -> None:
    """End one of one's own personal tokens. Raises NotFound, Unauthenticated."""
    gone = session.execute(
        delete(tokens)
        .where(tokens.c.id == token_id, tokens.c.user_id == require_user(actor))
        .where(tokens.c.grant_id.is_(None))
        .returning(tokens.c.id)
    ).first()
    if gone is None:
        raise NotFound("You have no token with this number.")
    changes.append(session, actor.label, "revoked", "token", token_id)


_BY_TOKEN = Prepared(
    select(
        users.c.id, users.c.email, users.c.name, users.c.is_admin, users.c.is_active,
        tokens.c.id.label("token_id"), tokens.c.scopes, tokens.c.expires, tokens.c.last_used, tokens.c.grant_id,
    )
    .join(users, users.c.id == tokens.c.user_id)
    .where(tokens.c.hash == bindparam("hash"))
)  # fmt: skip
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


def by_token(session: Session, token: str, used: Callable[[int], None] | None = None) -> Actor:
    """Who this token speaks for; ANONYMOUS for an unknown, expired or disabled one.

    `used` is told the number of a token whose last use is not known to the day: pass it on to `note_use`,
    in a transaction of its own. A token of an application never has its user's rights as administrator:
    consent was to its scopes.
    """
    row = _BY_TOKEN.on(session, {"hash": digest(token)}).first()
    if row is None or not row.is_active:
        return ANONYMOUS
    moment = now()
    if row.expires is not None and row.expires <= moment:
        return ANONYMOUS
    if used is not None and (row.last_used is None or row.last_used <= moment - _DAY):
        used(row.token_id)
    return Actor(
        user_id=row.id,
        is_admin=row.is_admin and row.grant_id is None,
        scopes=frozenset(row.scopes.split()),
        via="token",
        email=row.email,
        name=row.name,
    )


def note_use(session: Session, token_id: int) -> None:
    """Write down that a token was used; at most once a day, however many processes ask for it."""
    moment = now()
    session.execute(
        update(tokens)
        .where(tokens.c.id == token_id)
        .where(or_(tokens.c.last_used.is_(None), tokens.c.last_used <= moment - _DAY))
        .values(last_used=moment)
    )


@dataclass(frozen=True, slots=True)
class Checked:
    """Whose password was right, and as what it was stored then."""

    user_id: int
    stored: str


def check_login(session: Session, email: str, password: str) -> Checked | None:
    """The user whom address and password belong to, or None.

    Takes a good part of a second on purpose (argon2): call it in a reading transaction, never in a writing one. In
    that one ask `still_right`.
    """
    row = session.execute(select(users).where(users.c.email == email.strip().lower())).first()
    stored = row.password if row is not None and row.is_active else None
    # An unknown address costs as much time as a wrong password, so that nobody can try addresses.
    if not _check_password(stored or _dummy_hash(), password) or stored is None or row is None:
        return None
    return Checked(int(row.id), stored)


def still_right(session: Session, checked: Checked) -> bool:
    """Whether the password has not been changed, nor the account blocked, since it was checked.

    Locks the account: who changes the password now ends the session that is begun in this transaction, too.
    """
    found = session.execute(
        select(users.c.id)
        .where(users.c.id == checked.user_id, users.c.password == checked.stored, users.c.is_active)
        .with_for_update()
    ).first()
    return found is not None


def check_password(session: Session, user_id: int, password: str) -> bool:
    """Whether this is the account's password. As slow as `check_login`: never in a writing transaction."""
    stored = session.execute(select(users.c.password).where(users.c.id == user_id)).scalar()
    return _check_password(stored or _dummy_hash(), password) and stored is not None


def begin_session(session: Session, user_id: int, user_agent: str = "", *, instead_of: str = "") -> str:
    """A new browser session; returns the value of its cookie. The one of the cookie `instead_of` ends."""
    cookie = secrets.token_urlsafe(32)
    moment = now()
    session.execute(delete(sessions).where(sessions.c.expires < moment))
    session.execute(update(users).where(users.c.id == user_id).values(last_login=moment))
    session.execute(
        insert(sessions).values(
            hash=digest(cookie),
            user_id=user_id,
            csrf=secrets.token_urlsafe(24),
            created=moment,
            expires=moment + SESSION_LIFE,
            user_agent="".join(c for c in user_agent if c.isprintable())[:300],
            last_used=moment,
        )
    )
    if instead_of:
        log_out(session, instead_of)
    return cookie


def log_in(session: Session, email: str, password: str) -> str | None:
    """Check a password and begin a session; None when it is wrong."""
    checked = check_login(session, email, password)
    return None if checked is None else begin_session(session, checked.user_id)


def log_out(session: Session, cookie: str) -> None:
    session.execute(delete(sessions).where(sessions.c.hash == digest(cookie)))


def own_sessions(session: Session, actor: Actor) -> Sequence[AnyRow]:
    """One's browser sessions that have not ended, the last used first: rows of (hash, user_agent, created, last_used).

    Raises Unauthenticated.
    """
    return session.execute(
        select(sessions.c.hash, sessions.c.user_agent, sessions.c.created, sessions.c.last_used)
        .where(sessions.c.user_id == require_user(actor), sessions.c.expires > now())
        .order_by(sessions.c.last_used.desc(), sessions.c.created.desc())
    ).all()


def end_session(session: Session, actor: Actor, hash: str) -> None:
    """End one of one's browser sessions, by its hash. Raises NotFound, Unauthenticated."""
    user_id = require_user(actor)
    if not session.execute(
        delete(sessions).where(sessions.c.hash == hash, sessions.c.user_id == user_id)
    ).rowcount:
        raise NotFound("This session has ended already.")
    changes.append(session, actor.label, "session-ended", "user", user_id)


def end_other_sessions(session: Session, actor: Actor, cookie: str) -> None:
    """End all of one's browser sessions but the one of this cookie. Raises Unauthenticated."""
    user_id = require_user(actor)
    session.execute(delete(sessions).where(sessions.c.user_id == user_id, sessions.c.hash != digest(cookie)))
    changes.append(session, actor.label, "sessions-ended", "user", user_id)


_BY_SESSION = Prepared(
    select(
        users.c.id, users.c.email, users.c.name, users.c.is_admin, users.c.is_active,
        sessions.c.csrf, sessions.c.expires, sessions.c.last_used,
    )
    .join(users, users.c.id == sessions.c.user_id)
    .where(sessions.c.hash == bindparam("hash"))
)  # fmt: skip


def by_session(session: Session, cookie: str, used: Callable[[str], None] | None = None) -> Actor:
    """Who this browser session belongs to; ANONYMOUS when ended.

    `used` is told the hash of a session whose last use is not known to the hour: pass it on to
    `note_session`, in a transaction of its own.
    """
    key, moment = digest(cookie), now()
    row = _BY_SESSION.on(session, {"hash": key}).first()
    if row is None or not row.is_active or row.expires <= moment:
        return ANONYMOUS
    if used is not None and (row.last_used is None or row.last_used <= moment - _HOUR):
        used(key)
    return Actor(
        user_id=row.id, is_admin=row.is_admin, via="session", email=row.email, name=row.name, csrf=row.csrf
    )


def note_session(session: Session, hash: str) -> None:
    """Write down that a browser session was used; at most once an hour, however many processes ask for it."""
    moment = now()
    session.execute(
        update(sessions)
        .where(sessions.c.hash == hash)
        .where(or_(sessions.c.last_used.is_(None), sessions.c.last_used <= moment - _HOUR))
        .values(last_used=moment)
    )


def masked(mark: str) -> str:
    """The mark of a session's forms as a page writes it: another text each time, so that a packed page's size tells nothing."""
    plain = mark.encode()
    mask = secrets.token_bytes(len(plain))
    return base64.urlsafe_b64encode(mask + bytes(a ^ b for a, b in zip(mask, plain, strict=True))).decode()


def csrf_matches(actor: Actor, sent: str) -> bool:
    """Whether a form came with its session's mark, masked or not."""
    if not actor.csrf:
        return False
    given = sent.encode("utf-8", "replace")
    if len(given) > len(actor.csrf):
        try:
            both = base64.b64decode(given, b"-_", validate=True)
        except ValueError:
            return False
        half = len(both) // 2
        given = bytes(a ^ b for a, b in zip(both[:half], both[half:], strict=False))
    return hmac.compare_digest(actor.csrf.encode(), given)


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
