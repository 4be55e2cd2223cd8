"""Access requests: somebody asks for restricted files, an owner decides.

A user's request is there at once; accepted, it becomes a grant. A guest's is first confirmed from the
mail that it causes (the link lives six hours and works once); accepted, it becomes a share link mailed to
the guest. Both last as long as the record's settings say. Source: api-rdm.md section 3.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import delete, insert, select

from strongroom import mail
from strongroom.access import Actor, may_read_files, may_read_record, record_is_public
from strongroom.accounts import registration
from strongroom.accounts.models import users
from strongroom.accounts.service import NOT_ASCII
from strongroom.db import AnyRow, Session
from strongroom.errors import Finding, Forbidden, Invalid, NotFound
from strongroom.ids import new_token, now, today
from strongroom.metadata import html
from strongroom.metadata.model import RecordData
from strongroom.records import typed
from strongroom.records.models import records
from strongroom.requests import service
from strongroom.requests.models import confirmations
from strongroom.requests.service import RequestType
from strongroom.settings import Settings
from strongroom.sharing import service as sharing

CONFIRM_HOURS = 6
# So long no second mail goes to an address about one record: nobody's mailbox is filled from here.
CONFIRM_PAUSE = timedelta(minutes=10)
# And so many about all records: guests an hour, contact persons a day.
GUEST_MAILS = 5
CONTACT_MAILS = 3
MESSAGE_MAX = 10_000
_EMAIL = re.compile(r"[^@\s,;<>\"\x00-\x1f]{1,64}@[^@\s,;<>\"\x00-\x1f]{1,255}")


def ask(
    session: Session,
    settings: Settings,
    actor: Actor,
    record_id: int,
    said: Mapping[str, Any],
    *,
    language: str = "en",
) -> str | None:
    """Ask for access to a record's files: a request's id, or None when a guest must confirm by mail first.

    `said`: message, email, full_name, consent_to_share_personal_data. Raises NotFound, Gone, Forbidden (has
    access, or nobody may ask), Invalid.
    """
    found = sharing.place(session, record_id)
    if not found.published:
        raise NotFound("The persistent identifier is not registered.")
    row = session.execute(select(records).where(records.c.id == record_id)).one()
    terms = _terms(session, row)
    email, message, name, findings = _checked(said)
    own = actor.is_user and email == actor.email.strip().lower()
    if not own and not email.isascii():
        findings.append(Finding.of("email", NOT_ASCII))
    allowed = terms.allow_user_requests if own else terms.allow_guest_requests
    readable = may_read_record(actor, row)
    if may_read_files(actor, row, today()) and readable:
        raise Forbidden("You already have access to this record.")
    if not allowed:
        raise Forbidden("Nobody can ask for access to this record." if readable else None)
    title = row.title if readable else f"Record {record_id}"
    if not own and not (actor.is_user and any(finding.field == "email" for finding in findings)):
        # All that is wrong is told at once, with what only guests must say (and who asks for another address).
        if said.get("consent_to_share_personal_data") not in (True, "true", "True"):
            findings.append(
                Finding.of(
                    "consent_to_share_personal_data", "Say true: who decides sees your name and address."
                )
            )
        if not name and not any(finding.field == "full_name" for finding in findings):
            findings.append(Finding.of("full_name", "Missing data for required field."))
    if findings:
        raise Invalid(findings)
    if own:
        return _submit(
            session,
            settings,
            actor,
            row,
            "user-access-request",
            ("user", str(actor.user_id)),
            {"permission": "view", "message": message},
            title,
        )
    _mail_link(session, settings, row, title, email, {"message": message, "full_name": name}, language)
    return None


def _terms(session: Session, row: AnyRow) -> sharing.AccessSettings:
    """The concept's settings, as its newest version says them."""
    newest = session.execute(
        select(records.c.data)
        .where(records.c.concept_id == row.concept_id, records.c.withdrawn.is_(None))
        .order_by(records.c.version.desc())
        .limit(1)
    ).scalar_one()
    return sharing.settings_of(session, row.concept_id, RecordData.from_json(newest).access)


def _checked(said: Mapping[str, Any]) -> tuple[str, str, str, list[Finding]]:
    """E-mail address, message and name, and what is wrong with them."""
    findings: list[Finding] = []
    texts: dict[str, str] = {}
    for name, longest in (("email", 320), ("message", MESSAGE_MAX), ("full_name", 200)):
        value = said.get(name)
        if value is None:
            value = ""
        if not isinstance(value, str) or "\0" in value:
            findings.append(Finding.of(name, "Not a valid string."))
            value = ""
        elif len(value) > longest:
            findings.append(Finding.of(name, f"Longer than maximum length {longest}."))
        texts[name] = value.strip()
    email = texts["email"].lower()
    if not email and not any(finding.field == "email" for finding in findings):
        findings.append(Finding.of("email", "Missing data for required field."))
    elif email and not _EMAIL.fullmatch(email):
        findings.append(Finding.of("email", "Not a valid email address."))
    name = " ".join(html.plain(texts["full_name"]).split())
    return email, html.clean(texts["message"]), name, findings


def _submit(
    session: Session,
    settings: Settings,
    actor: Actor,
    row: AnyRow,
    kind: str,
    creator: tuple[str, str],
    payload: Mapping[str, Any],
    title: str,
) -> str:
    return service.create(
        session,
        settings,
        actor,
        kind,
        title=title,
        topic=("record", str(row.id)),
        creator=creator,
        receiver=("user", str(row.owner_id)),
        concept_id=row.concept_id,
        payload=payload,
        open_key=f"access:{row.concept_id}:{creator[0]}:{creator[1]}"[:400],
        comment=payload["message"],
    )


# Guests ---------------------------------------------------------------------------------------------------


def _digest(token: str) -> str:
    # 360 random bits: a plain hash is as good as a slow one.
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _mail_link(
    session: Session,
    settings: Settings,
    row: AnyRow,
    title: str,
    email: str,
    payload: Mapping[str, Any],
    language: str,
) -> None:
    """Mail a guest the link that confirms a request; the same answer whether or not one is on its way already."""
    moment = now()
    of_both = (confirmations.c.record_id == row.id, confirmations.c.email == email)
    newest = session.execute(
        select(confirmations.c.created).where(*of_both).order_by(confirmations.c.created.desc())
    ).scalar()
    if newest is not None and newest + CONFIRM_PAUSE > moment:
        return
    if not registration.may_mail(session, "guest", email, GUEST_MAILS, timedelta(hours=1)):
        return
    session.execute(delete(confirmations).where(*of_both))
    token = new_token()
    session.execute(
        insert(confirmations).values(
            hash=_digest(token),
            record_id=row.id,
            email=email,
            payload=orjson.dumps(payload).decode(),
            created=moment,
            expires=moment + timedelta(hours=CONFIRM_HOURS),
        )
    )
    mail.send(
        session,
        email,
        "access-confirm",
        {
            "title": title,
            # Not the message: nobody knows yet that who wrote it reads this.
            "link": f"{settings.base_url}/access/requests/confirm?access_request_token={token}",
            "hours": CONFIRM_HOURS,
        },
        language=language,
    )


def waiting(session: Session, token: str) -> AnyRow:
    """What a confirm link stands for. Raises NotFound for an unknown, used or expired one."""
    found = session.execute(
        select(confirmations).where(confirmations.c.hash == _digest(token), confirmations.c.expires > now())
    ).first()
    if found is None:
        raise NotFound("This link was used already, or is too old: ask again on the record's page.")
    return found


def confirm(session: Session, settings: Settings, actor: Actor, token: str) -> str:
    """Make a guest's request of a confirmed link, which then is used up; returns its id.

    Raises NotFound, Gone, Forbidden (used, too old, or nobody may ask any more), Invalid (there is an open one).
    """
    try:
        found = waiting(session, token)
    except NotFound as unknown:
        raise Forbidden(unknown.message) from None
    session.execute(delete(confirmations).where(confirmations.c.hash == found.hash))
    sharing.place(session, found.record_id)
    row = session.execute(select(records).where(records.c.id == found.record_id)).one()
    if not _terms(session, row).allow_guest_requests:
        raise Forbidden("Nobody can ask for access to this record any more.")
    readable = record_is_public(row)
    payload = orjson.loads(found.payload)
    return _submit(
        session,
        settings,
        actor,
        row,
        "guest-access-request",
        ("email", found.email),
        {"permission": "view", "email": found.email, **payload},
        row.title if readable else f"Record {row.id}",
    )


def sweep(session: Session) -> int:
    """Remove links that nobody confirmed in time; how many."""
    return session.execute(delete(confirmations).where(confirmations.c.expires <= now())).rowcount


# What decisions bring about ---------------------------------------------------------------------------------


def _submitted(session: Session, settings: Settings, actor: Actor, row: AnyRow, comment: str) -> None:
    name = service.payload_of(row).get("full_name") or service.name_of(actor)
    deciders = set(sharing.owners(session, row.concept_id))
    contact = (typed.contact_of(session, row.concept_id) or "").lower()
    of_contact = select(users.c.id).where(users.c.email == contact, users.c.confirmed.is_not(None))
    known = session.execute(of_contact).scalar() if contact else None
    if known is not None:
        deciders.add(known)
    elif contact and registration.may_mail(session, "contact", contact, CONTACT_MAILS, timedelta(days=1)):
        values: dict[str, str | int] = {
            "number": row.topic_id,
            "link": f"{settings.base_url}/records/{row.topic_id}",
            "contact": settings.contact_email,
        }
        mail.send(session, contact, "request-contact", values)
    service.tell(session, settings, sorted(deciders), row, "request-submitted", comment, name)


def _user_accepted(session: Session, settings: Settings, actor: Actor, row: AnyRow, comment: str) -> None:
    record = _record(session, row)
    days = _terms(session, record).secret_link_expiration
    sharing.give_access(session, actor, record.concept_id, int(row.creator_id), f"request:{row.id}", days)
    service.tell_creator(session, settings, actor, row, "request-accepted", comment)


def _user_declined(session: Session, settings: Settings, actor: Actor, row: AnyRow, comment: str) -> None:
    service.tell_creator(session, settings, actor, row, "request-declined", comment)


def _guest_accepted(session: Session, settings: Settings, actor: Actor, row: AnyRow, comment: str) -> None:
    record = _record(session, row)
    days = _terms(session, record).secret_link_expiration
    until = today() + timedelta(days=days) if days else None
    link = sharing.create_link(
        session,
        actor,
        record.id,
        permission="view",
        expires_at=until,
        description=f"Requested by {service.payload_of(row).get('full_name', '')}".strip(),
        origin=f"request:{row.id}",
    )
    mail.send(
        session,
        row.creator_id,
        "guest-access",
        {
            "title": row.title,
            "message": html.plain(comment),
            "link": f"{settings.base_url}/records/{record.id}?token={link.token}",
            "until": f"It works until {until.isoformat()} (UTC)." if until else "",
        },
    )


def _guest_declined(session: Session, settings: Settings, actor: Actor, row: AnyRow, comment: str) -> None:
    mail.send(session, row.creator_id, "guest-declined", {"title": row.title, "message": html.plain(comment)})


def _record(session: Session, row: AnyRow) -> AnyRow:
    """The record of a request, if it is still there. Raises NotFound, Gone."""
    record_id = int(row.topic_id)
    sharing.place(session, record_id)
    return session.execute(select(records).where(records.c.id == record_id)).one()


service.register(
    RequestType(
        "user-access-request",
        managers_decide=True,
        does={"submit": _submitted, "accept": _user_accepted, "decline": _user_declined},
        noun="access requests",
    )
)
service.register(
    RequestType(
        "guest-access-request",
        managers_decide=True,
        does={"submit": _submitted, "accept": _guest_accepted, "decline": _guest_declined},
        noun="access requests",
    )
)
