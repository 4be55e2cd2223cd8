"""The verb that everything else is for."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from strongroom import changes, pids
from strongroom.access import Actor
from strongroom.db import AnyRow, Moment, Prepared, Session, insert_row
from strongroom.errors import Finding, Invalid
from strongroom.files import service as files
from strongroom.files import transfers
from strongroom.ids import now, today
from strongroom.jobs import queue
from strongroom.metadata import checks
from strongroom.metadata.model import RecordData
from strongroom.records import drafts as draft_verbs
from strongroom.records.models import concepts, drafts, records, revisions
from strongroom.settings import Settings

# Statements of the deposit path are made once: making one costs more than running it (decision 0007).
_RECORD = Prepared(select(records).where(records.c.id == bindparam("record_id")))
_CONCEPT = Prepared(select(concepts).where(concepts.c.id == bindparam("concept_id")).with_for_update())
_END_DRAFT = Prepared(delete(drafts).where(drafts.c.id == bindparam("draft_id")))
_MOVE_CONCEPT = Prepared(
    update(concepts)
    .where(concepts.c.id == bindparam("concept_id"))
    .values(
        latest_id=bindparam("record_id"),
        latest_version=bindparam("nth"),
        next_draft_id=None,
        doi=bindparam("concept_doi"),
        revision=concepts.c.revision + 1,
        updated=bindparam("moment", type_=Moment()),
    )
)


def publish(session: Session, settings: Settings, actor: Actor, draft_id: int) -> int:
    """Publish a draft, or the edit of a published record. Returns the record's id.

    One transaction: all of it is true or none. Nothing remote happens; the DOI's registration and the
    manifest are job rows, the index follows the change log. Raises NotFound, Forbidden, Invalid with
    everything that is wrong at once.
    """
    draft = draft_verbs.lock(session, actor, draft_id)
    data = RecordData.from_json(draft.data)
    record = _RECORD.on(session, {"record_id": draft_id}).first()
    bucket = draft_verbs.bucket_of(draft)
    count, size = files.measure(session, bucket.concept_id, bucket.version)

    findings = checks.for_publication(data, today=today())
    if record is not None and RecordData.from_json(record.data).access == data.access:
        # An embargo that ended since is history, not a mistake.
        findings = [f for f in findings if f.field != "metadata.embargo_date"]
    if count == 0 and not data.metadata_only:
        findings.append(
            Finding.of(
                "files.enabled",
                "Missing uploaded files. To disable files for this record please mark it as metadata-only.",
                "Upload at least one file, or say in the records API that there are none: files.enabled false.",
            )
        )
    elif count and data.metadata_only:
        findings.append(
            Finding.of(
                "files.enabled",
                f"Marked as metadata-only, but it has {count} file(s): delete them, or enable files.",
            )
        )
    if record is None:
        findings += transfers.findings(transfers.unfinished(session, draft_id))
    findings += _doi_findings(session, settings, draft_id, data, record)
    if findings:
        raise Invalid(findings)

    moment = now()
    concept = _CONCEPT.on(session, {"concept_id": draft.concept_id}).one()
    _END_DRAFT.on(session, {"draft_id": draft_id})
    if record is not None:
        _publish_edit(session, actor, record, data, moment)
        verb = "edited"
    else:
        _publish_version(session, settings, draft, concept, data, (count, size), moment)
        verb = "published"
    revision = 1 if record is None else record.revision + 1
    insert_row(
        session,
        revisions,
        {
            "record_id": draft_id,
            "revision": revision,
            "data": data.to_json(),
            "actor": actor.label,
            "at": moment,
        },
    )
    if settings.registrar != "local":
        queue.enqueue(session, "doi.register", str(draft_id), {"record_id": draft_id})
    queue.enqueue(session, "manifest.write", str(draft_id), {"record_id": draft_id, "first": record is None})
    if record is None and concept.latest_id is not None:
        # It is no longer the latest version: its document in the index says so.
        changes.append(session, actor.label, "superseded", "record", concept.latest_id)
    changes.append(session, actor.label, verb, "record", draft_id, {"revision": revision})
    return draft_id


def columns_of(data: RecordData) -> dict[str, Any]:
    """The copies that visibility in SQL and lists need."""
    return {
        "data": data.to_json(),
        "title": data.plain_title(),
        "record_access": data.access.record,
        "files_access": data.access.files,
        "embargo_until": data.access.embargo_until.isoformat() if data.access.embargo_until else None,
    }


def _publish_edit(session: Session, actor: Actor, record: AnyRow, data: RecordData, moment: datetime) -> None:
    session.execute(
        update(records)
        .where(records.c.id == record.id)
        .values(**columns_of(data), revision=record.revision + 1, updated=moment)
    )
    session.execute(
        update(concepts)
        .where(concepts.c.id == record.concept_id)
        .values(revision=concepts.c.revision + 1, updated=moment)
    )


def _publish_version(
    session: Session,
    settings: Settings,
    draft: AnyRow,
    concept: AnyRow,
    data: RecordData,
    measured: tuple[int, int],
    moment: datetime,
) -> None:
    own = settings.doi(draft.id)
    if data.doi and data.doi.lower() != own.lower():
        doi, state = data.doi, "external"
    else:
        doi, state = own, "local" if settings.registrar == "local" else "reserved"
    insert_row(
        session,
        records,
        {
            "id": draft.id,
            "concept_id": concept.id,
            "owner_id": concept.owner_id,
            "version": draft.version,
            **columns_of(data),
            "doi": doi,
            "doi_state": state,
            "file_order": draft.file_order,
            "file_count": measured[0],
            "total_bytes": measured[1],
            "revision": 1,
            "created": moment,
            "updated": moment,
        },
    )
    pids.bind(session, doi, "record", draft.id, state)
    concept_doi = concept.doi
    if state != "external" and concept_doi is None:
        concept_doi = settings.doi(concept.id)
        pids.bind(session, concept_doi, "concept", concept.id, state)
    _MOVE_CONCEPT.on(
        session,
        {
            "concept_id": concept.id,
            "record_id": draft.id,
            "nth": draft.version,
            "concept_doi": concept_doi,
            "moment": moment,
        },
    )


def _doi_findings(
    session: Session, settings: Settings, record_id: int, data: RecordData, record: AnyRow | None
) -> list[Finding]:
    """What is wrong with the DOI asked for: fixed once published, our prefix only for its own record."""
    asked = data.doi
    if record is not None:
        if asked and asked.lower() != (record.doi or "").lower():
            return [
                Finding.of(
                    "metadata.doi",
                    f"The DOI can't be changed once published: it is {record.doi}.",
                    also="pids.doi",
                )
            ]
        return []
    if not asked:
        return []
    if asked.lower() == settings.doi(record_id).lower():
        return []
    if asked.lower().startswith(settings.doi_prefix.lower() + "/"):
        return [
            Finding.of(
                "metadata.doi",
                f"{asked} has this repository's own prefix but is not this record's DOI. "
                f"Leave the field out to get {settings.doi(record_id)}.",
                also="pids.doi",
            )
        ]
    other = pids.resolve(session, asked)
    if other is not None:
        return [
            Finding.of("metadata.doi", f"DOI {asked} already names another record here.", also="pids.doi")
        ]
    return []


def lift_embargoes(session: Session, day: date, *, registrar: str = "local") -> list[int]:
    """Spread the news that embargoes ended by `day`: index, manifest, DOI and caches.

    Access itself is computed from the date (access.may_read_files): a late run can't leak or lock.
    """
    ended = session.execute(
        select(records.c.id, records.c.concept_id, records.c.embargo_until, records.c.updated).where(
            records.c.embargo_until.is_not(None),
            records.c.embargo_until <= day.isoformat(),
            records.c.withdrawn.is_(None),
            ~select(changes.changes.c.seq)
            .where(
                changes.changes.c.kind == "record",
                changes.changes.c.subject_id == records.c.id,
                changes.changes.c.verb == "embargo-ended",
                changes.changes.c.at > records.c.updated,  # an edit may have set a new embargo since
            )
            .exists(),
        )
    ).all()
    # What was edited on its last day or later was made anew as open already.
    ended = [row for row in ended if row.updated.date().isoformat() < row.embargo_until]
    for row in ended:
        session.execute(
            update(concepts).where(concepts.c.id == row.concept_id).values(revision=concepts.c.revision + 1)
        )
        queue.enqueue(session, "manifest.write", str(row.id), {"record_id": row.id})
        if registrar != "local":
            queue.enqueue(session, "doi.register", str(row.id), {"record_id": row.id})
    for row in ended:  # last, under the log's lock
        changes.append(session, "system", "embargo-ended", "record", row.id)
    return [int(r.id) for r in ended]
