"""Applications that ask users for access (OAuth 2), and what users allowed them.

An application is registered by a user. A confidential one runs on a server and keeps a secret; a public one (a
program on somebody's machine, a page) can't, and proves itself by PKCE (RFC 7636). `accounts.provider` speaks
the protocol over these rows.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import delete, func, insert, select, update

from strongroom import changes
from strongroom.access import Actor, require_user
from strongroom.accounts.models import applications, grants, users
from strongroom.accounts.service import digest
from strongroom.db import AnyRow, Session
from strongroom.errors import Conflict, Finding, Invalid, NotFound
from strongroom.ids import new_token, now

MAX_APPLICATIONS = 50  # a user
LOOPBACK = ("127.0.0.1", "::1")
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")  # a domain turned round, RFC 8252 7.1
_URI = re.compile(r"[\x21\x23-\x5b\x5d\x5f\x61-\x7e]{1,2000}")


def redirect_problem(uri: str, *, public: bool) -> str | None:
    """What is wrong with an address to send codes to, or None. RFC 6749 3.1.2, RFC 8252 7."""
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return f"{uri[:200]} is no address."
    if not _URI.fullmatch(uri):
        return f"{uri[:200]} is no address: write it in ASCII, without blanks, as your program sends it."
    if "#" in uri:
        return f"{uri[:200]} has a fragment (#), which an address for codes must not have."
    if parts.username is not None or parts.password is not None:
        return f"{uri[:200]} has a user name or password in it."
    if parts.scheme == "https" and host:
        return None
    if parts.scheme == "http":
        if host in (*LOOPBACK, "localhost"):
            return None
        return (
            f"{uri[:200]} begins with http:, which is for programs on the user's own machine only: use https."
        )
    if public and _PRIVATE_SCHEME.fullmatch(parts.scheme):
        return None
    return f"{uri[:200]} must begin with https://, with http://127.0.0.1 or, for a public application, with a scheme such as org.example.app:/"


def redirect_matches(registered: Iterable[str], sent: str) -> bool:
    """Whether codes may go there: exactly one of those registered, but any port of a loopback address (RFC 8252 7.3)."""
    known = list(registered)
    if sent in known:
        return True
    bare = _without_port(sent)
    return bare is not None and any(_without_port(k) == bare for k in known)


def _without_port(uri: str) -> tuple[str, str, str, str] | None:
    """A loopback address but for its port; None for any other."""
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if (
        parts.scheme != "http"
        or host not in LOOPBACK
        or "@" in parts.netloc
        or "#" in uri
        or not _URI.fullmatch(uri)
    ):
        return None
    return host, parts.path, parts.query, parts.fragment


def _checked(
    name: str, description: str, website: str, redirect_uris: Sequence[str], *, public: bool
) -> dict[str, Any]:
    findings = []
    name, description, website = (" ".join(t.replace("\0", "").split()) for t in (name, description, website))
    uris = list(dict.fromkeys(u.strip() for u in redirect_uris if u.strip()))
    if not 1 <= len(name) <= 200:
        findings.append(Finding.of("name", "An application needs a name of 1 to 200 characters."))
    if len(description) > 2000:
        findings.append(Finding.of("description", "Longer than 2,000 characters."))
    if website and not re.fullmatch(r"https?://[^\s\"<>]{1,1990}", website):
        findings.append(Finding.of("website", "Must begin with https:// or http://."))
    if not 1 <= len(uris) <= 20:
        findings.append(Finding.of("redirect_uris", "Give 1 to 20 addresses, one a line."))
    problems = [p for p in (redirect_problem(u, public=public) for u in uris[:20]) if p]
    if problems:
        findings.append(Finding.of("redirect_uris", *problems))
    if findings:
        raise Invalid(findings)
    return {"name": name, "description": description, "website": website, "redirect_uris": "\n".join(uris)}


def register(
    session: Session,
    actor: Actor,
    name: str,
    redirect_uris: Sequence[str],
    *,
    description: str = "",
    website: str = "",
    confidential: bool = True,
) -> tuple[str, str | None]:
    """Register an application; returns its client id and, of a confidential one, its secret: the only time it is seen.

    Raises Invalid, Conflict (too many), Unauthenticated.
    """
    owner_id = require_user(actor)
    values = _checked(name, description, website, redirect_uris, public=not confidential)
    count = select(func.count()).select_from(applications).where(applications.c.owner_id == owner_id)
    if session.execute(count).scalar_one() >= MAX_APPLICATIONS:
        raise Conflict(f"You have {MAX_APPLICATIONS} applications already: delete some.")
    client_id, secret = secrets.token_hex(20), new_token() if confidential else None
    moment = now()
    number = session.execute(
        insert(applications)
        .values(
            **values,
            owner_id=owner_id,
            client_id=client_id,
            secret_hash=digest(secret) if secret else None,
            created=moment,
            updated=moment,
        )
        .returning(applications.c.id)
    ).scalar_one()
    changes.append(session, actor.label, "registered", "application", int(number))
    return client_id, secret


def own(session: Session, actor: Actor) -> Sequence[AnyRow]:
    """The applications that the actor registered, by name. Raises Unauthenticated."""
    return session.execute(
        select(applications)
        .where(applications.c.owner_id == require_user(actor))
        .order_by(applications.c.name, applications.c.id)
    ).all()


def read(session: Session, actor: Actor, client_id: str) -> AnyRow:
    """One of the actor's applications. Raises NotFound, Unauthenticated."""
    row = session.execute(
        select(applications).where(
            applications.c.client_id == client_id, applications.c.owner_id == require_user(actor)
        )
    ).first()
    if row is None:
        raise NotFound("You have no application with this client id.")
    return row


def change(
    session: Session,
    actor: Actor,
    client_id: str,
    name: str,
    redirect_uris: Sequence[str],
    *,
    description: str = "",
    website: str = "",
) -> None:
    """Change what an application says of itself, and where its codes go. Raises Invalid, NotFound."""
    row = read(session, actor, client_id)
    values = _checked(name, description, website, redirect_uris, public=row.secret_hash is None)
    session.execute(update(applications).where(applications.c.id == row.id).values(**values, updated=now()))
    changes.append(session, actor.label, "changed", "application", row.id)


def new_secret(session: Session, actor: Actor, client_id: str) -> str:
    """A new secret in place of the old, which ends at once. Raises NotFound, Conflict (a public one has none)."""
    row = read(session, actor, client_id)
    if row.secret_hash is None:
        raise Conflict("A public application has no secret.")
    secret = new_token()
    session.execute(
        update(applications)
        .where(applications.c.id == row.id)
        .values(secret_hash=digest(secret), updated=now())
    )
    changes.append(session, actor.label, "secret-changed", "application", row.id)
    return secret


def remove(session: Session, actor: Actor, client_id: str) -> None:
    """Delete an application and every token that any user gave it. Raises NotFound."""
    row = read(session, actor, client_id)
    session.execute(delete(applications).where(applications.c.id == row.id))
    changes.append(session, actor.label, "deleted", "application", row.id)


def allowed(session: Session, actor: Actor) -> Sequence[AnyRow]:
    """What the actor allowed applications: rows of (id, scopes, created, name, website, owner_name), by name."""
    return session.execute(
        select(
            grants.c.id,
            grants.c.scopes,
            grants.c.created,
            applications.c.name,
            applications.c.website,
            users.c.name.label("owner_name"),
        )
        .join(applications, applications.c.id == grants.c.application_id)
        .join(users, users.c.id == applications.c.owner_id)
        .where(grants.c.user_id == require_user(actor))
        .order_by(applications.c.name, grants.c.id)
    ).all()


def take_back(session: Session, actor: Actor, grant_id: int) -> None:
    """Take back what one allowed an application; all its tokens for oneself end. Raises NotFound."""
    gone = session.execute(
        delete(grants)
        .where(grants.c.id == grant_id, grants.c.user_id == require_user(actor))
        .returning(grants.c.application_id)
    ).first()
    if gone is None:
        raise NotFound("You allowed no application with this number anything.")
    changes.append(session, actor.label, "taken-back", "application", gone.application_id)
