"""Requests to those who look after the repository: delete a published record.

Within `deletion_grace_days` of its publication a record's manager is answered at once (Zenodo's policy
`grace-period-v1`); later an administrator decides. Either way it is a withdrawal: tombstone and DOI stay.
Source: api-rdm.md section 1; golden/live R251 to R254.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from strongroom.access import Actor
from strongroom.accounts.models import users
from strongroom.db import AnyRow, Session
from strongroom.errors import Invalid, NotFound
from strongroom.ids import now
from strongroom.metadata import html
from strongroom.metadata.vocabularies import removal_reasons
from strongroom.records import curation
from strongroom.requests import service
from strongroom.requests.service import RequestType
from strongroom.settings import Settings
from strongroom.sharing import service as sharing

AT_ONCE = "grace-period-v1"
DECIDED = "request-deletion-v1"


def ask_deletion(
    session: Session, settings: Settings, actor: Actor, record_id: int, reason: str, comment: str = ""
) -> str:
    """Ask for a record's deletion; granted at once while it is young. Returns the request's id.

    Raises NotFound (also for a draft: that is discarded), Gone, Forbidden, Invalid.
    """
    found = sharing.managed(session, actor, record_id)
    if not found.published:
        raise NotFound("The persistent identifier is not registered. Discard the draft instead.")
    if reason not in removal_reasons():
        raise Invalid.at("_schema", "Invalid removal reason")
    at_once = actor.is_admin or found.created + timedelta(days=settings.deletion_grace_days) > now()
    request_id = service.create(
        session,
        settings,
        actor,
        "record-deletion",
        title=f'Deletion request for "{found.title}"',
        topic=("record", str(record_id)),
        creator=("user", str(actor.user_id)),
        receiver=None,
        concept_id=found.concept_id,
        payload={"reason": reason, "comment": comment, "policy_id": AT_ONCE if at_once else DECIDED},
        open_key=f"record-deletion:{record_id}",
    )
    if at_once:
        # The owner decides, but it is the repository's policy that lets him.
        service.execute(session, settings, replace(actor, is_admin=True), request_id, "accept")
    return request_id


def _submitted(session: Session, settings: Settings, actor: Actor, row: AnyRow, comment: str) -> None:
    if service.payload_of(row)["policy_id"] == AT_ONCE:
        return
    said = html.plain(service.payload_of(row)["comment"])
    admins = session.execute(
        select(users.c.id).where(users.c.is_admin.is_(True), users.c.is_active.is_(True))
    ).scalars()
    service.tell(session, settings, [*admins], row, "request-submitted", said, service.name_of(actor))


def _accepted(session: Session, settings: Settings, actor: Actor, row: AnyRow, comment: str) -> None:
    payload = service.payload_of(row)
    asker = replace(actor, user_id=int(row.creator_id), is_admin=True)
    curation.withdraw(session, settings, asker, int(row.topic_id), payload["reason"], by="owner")
    if payload["policy_id"] != AT_ONCE:
        service.tell_creator(session, settings, actor, row, "request-accepted", comment)


def _declined(session: Session, settings: Settings, actor: Actor, row: AnyRow, comment: str) -> None:
    service.tell_creator(session, settings, actor, row, "request-declined", comment)


service.register(
    RequestType("record-deletion", does={"submit": _submitted, "accept": _accepted, "decline": _declined})
)
