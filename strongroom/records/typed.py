"""What the deposit form knows of a draft beyond what it says: words that can't be read yet, and who is to be mailed.

A word that the model has no place for (half a date, a licence nobody knows) is kept beside the draft as it was typed, by the
name of its field, until the field is right (decision 0012). The address of the contact person belongs to all versions
and stays on the server: it is mailed when somebody asks for access, and shown to nobody but those who may edit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from sqlalchemy import select, update

from strongroom.db import Session
from strongroom.records.models import concepts, drafts


@dataclass(frozen=True, slots=True)
class Beside:
    """`typed` by names of fields; `contact_email` of the concept."""

    typed: dict[str, str]
    contact_email: str | None


def read(session: Session, draft_id: int) -> Beside:
    """What stands beside a draft that the caller may edit; nothing where there is no such draft."""
    row = session.execute(
        select(drafts.c.typed, concepts.c.contact_email)
        .join(concepts, concepts.c.id == drafts.c.concept_id)
        .where(drafts.c.id == draft_id)
    ).first()
    if row is None:
        return Beside({}, None)
    return Beside(orjson.loads(row.typed) if row.typed else {}, row.contact_email)


def keep(session: Session, draft_id: int, typed: Mapping[str, str]) -> None:
    """Keep these words beside a draft that the caller has locked (`drafts.lock`), instead of those kept before.

    The caller has given the draft its new revision: forms of an earlier one do not know these words.
    """
    text = orjson.dumps(dict(typed)).decode() if typed else None
    session.execute(
        update(drafts).where(drafts.c.id == draft_id).values(typed=text, described=drafts.c.revision)
    )


def set_contact(session: Session, draft_id: int, email: str | None) -> None:
    """Say to whom access requests about all versions are mailed, besides the owner. The caller has locked the draft, and
    given it its new revision."""
    concept_id = select(drafts.c.concept_id).where(drafts.c.id == draft_id).scalar_subquery()
    session.execute(update(concepts).where(concepts.c.id == concept_id).values(contact_email=email or None))
    session.execute(update(drafts).where(drafts.c.id == draft_id).values(described=drafts.c.revision))


def contact_of(session: Session, concept_id: int) -> str | None:
    """The address to mail, if one was given."""
    found: str | None = session.execute(
        select(concepts.c.contact_email).where(concepts.c.id == concept_id)
    ).scalar()
    return found
