"""Verbs of drafts: create, read, update, discard, edit a published record, begin the next version.

A draft row has the id that its record has or will have. `published` drafts are edits: their files
are locked. All other drafts are versions to come: one open at a time a concept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import orjson
from sqlalchemy import ColumnElement, bindparam, delete, exists, select, true, union_all, update
from sqlalchemy import literal as sql_literal

from strongroom import changes
from strongroom.access import (
    Actor,
    Level,
    level,
    require_edit,
    require_manage,
    require_preview,
    require_user,
    shared_with,
    workable,
)
from strongroom.db import AnyRow, Database, Moment, Prepared, Session, insert_row
from strongroom.errors import Conflict, Forbidden, Invalid, Locked, NotFound, Stale
from strongroom.files import service as files
from strongroom.files.service import Bucket
from strongroom.ids import now, today
from strongroom.metadata import legacy
from strongroom.metadata.model import RecordData
from strongroom.records.models import concepts, drafts, records
from strongroom.records.views import DraftView, FileView
from strongroom.settings import Settings

# Statements of the deposit path are made once: making one costs more than running it (decision 0007).
_THIS = drafts.c.id == bindparam("draft_id")
_WHOSE = select(records.c.owner_id, records.c.concept_id)
_READ = Prepared(select(drafts).where(_THIS))
_LOCK = Prepared(select(drafts).where(_THIS).with_for_update())
_LOCK_OPEN = Prepared(select(drafts).where(_THIS, drafts.c.published.is_(False)).with_for_update())
_SAVE = Prepared(
    update(drafts)
    .where(_THIS)
    .values(
        data=bindparam("said"),
        title=bindparam("called"),
        revision=drafts.c.revision + 1,
        described=drafts.c.revision + 1,
        updated=bindparam("moment", type_=Moment()),
    )
)
_TOUCH = Prepared(
    update(drafts)
    .where(_THIS)
    .values(revision=drafts.c.revision + 1, updated=bindparam("moment", type_=Moment()))
)
_VIEW = Prepared(
    select(drafts, concepts.c.doi.label("concept_doi"), concepts.c.latest_id, concepts.c.next_draft_id)
    .join(concepts, concepts.c.id == drafts.c.concept_id)
    .where(_THIS)
)


def create(session: Session, db: Database, actor: Actor, data: RecordData) -> int:
    """Begin a deposit: a new concept with the draft of its first version. Returns the draft's id."""
    user_id = require_user(actor)
    draft_id = db.next_id(session)
    concept_id = draft_id - 1
    moment = now()
    insert_row(
        session,
        concepts,
        {
            "id": concept_id,
            "owner_id": user_id,
            "latest_version": 0,
            "next_draft_id": draft_id,
            "revision": 0,
            "created": moment,
            "updated": moment,
        },
    )
    _insert(session, draft_id, concept_id, user_id, 1, data, moment)
    files.begin_tally(session, concept_id, 1, 0, 0)
    changes.append(session, actor.label, "created", "draft", draft_id)
    return draft_id


def _insert(
    session: Session,
    draft_id: int,
    concept_id: int,
    owner_id: int,
    version: int,
    data: RecordData,
    moment: datetime,
    *,
    published: bool = False,
    file_order: str | None = None,
) -> None:
    insert_row(
        session,
        drafts,
        {
            "id": draft_id,
            "concept_id": concept_id,
            "owner_id": owner_id,
            "version": version,
            "published": published,
            "data": data.to_json(),
            "title": data.plain_title(),
            "file_order": file_order,
            "revision": 1,
            "created": moment,
            "updated": moment,
        },
    )


def lock(session: Session, actor: Actor, draft_id: int) -> AnyRow:
    """The draft's row, locked until the transaction ends. Raises NotFound, Forbidden."""
    row = _LOCK.on(session, {"draft_id": draft_id}).first()
    if row is None:
        # Others' records are Forbidden, not "not in edit": who may not write learns nothing of the state.
        record = session.execute(_WHOSE.where(records.c.id == draft_id)).first()
        if record is not None:
            require_edit(actor, record)
            raise NotFound()
        raise NotFound("The persistent identifier does not exist.")
    require_edit(actor, row)
    return row


def update_data(
    session: Session,
    actor: Actor,
    draft_id: int,
    data: RecordData,
    *,
    if_match: int | None = None,
    locked: AnyRow | None = None,
) -> None:
    """Replace all that is said about a draft. Raises NotFound, Forbidden, Stale.

    `locked` is the draft's row where the caller called `lock` already.
    """
    row = locked or lock(session, actor, draft_id)
    check_revision(row, if_match)
    _SAVE.on(
        session,
        {"draft_id": draft_id, "said": data.to_json(), "called": data.plain_title(), "moment": now()},
    )
    changes.append(session, actor.label, "updated", "draft", draft_id)


def check_revision(row: AnyRow, if_match: int | None) -> None:
    """Raises Stale when somebody changed the draft since the revision in If-Match."""
    if if_match is not None and if_match != row.revision:
        raise Stale(
            f"Revision id provided({if_match}) doesn't match record's one({row.revision}). "
            "Somebody changed it since you read it: read it again, then repeat."
        )


def discard(session: Session, actor: Actor, draft_id: int, *, if_match: int | None = None) -> bool:
    """Give a draft up. An edit falls back to the published record (returns True); any other is gone for good."""
    row = lock(session, actor, draft_id)
    check_revision(row, if_match)
    if not row.published:
        require_manage(actor, row)  # it is gone for good
    session.execute(delete(drafts).where(drafts.c.id == draft_id))
    if not row.published:
        files.undo_version(session, row.concept_id, row.version)
        if row.version == 1:
            session.execute(delete(concepts).where(concepts.c.id == row.concept_id))
        else:
            session.execute(
                update(concepts).where(concepts.c.id == row.concept_id).values(next_draft_id=None)
            )
    changes.append(session, actor.label, "discarded", "draft", draft_id)
    return bool(row.published)


def edit(session: Session, actor: Actor, record_id: int) -> int:
    """Open a published record's metadata for correction; an open edit is simply given back."""
    # The record first: who opens the same edit at once waits here, and then finds it open.
    record = session.execute(select(records).where(records.c.id == record_id).with_for_update()).first()
    open_draft = session.execute(
        select(drafts.c.owner_id, drafts.c.concept_id).where(drafts.c.id == record_id)
    ).first()
    if open_draft is not None:
        require_edit(actor, open_draft)
        return record_id
    if record is None:
        raise NotFound()
    require_edit(actor, record)
    if record.withdrawn is not None:
        raise Forbidden("This record was withdrawn: it can't be edited.")
    _insert(
        session,
        record_id,
        record.concept_id,
        record.owner_id,
        record.version,
        RecordData.from_json(record.data),
        now(),
        published=True,
        file_order=record.file_order,
    )
    changes.append(session, actor.label, "edit-opened", "draft", record_id)
    return record_id


def new_version(
    session: Session, db: Database, actor: Actor, record_id: int, *, with_files: bool = True
) -> int:
    """Begin the next version of a published record; files carry over by their spans, nothing is copied.

    Without `with_files` it begins with none (the records API; `files-import` brings them).
    Any version of the concept may be named; the draft is built from the latest. A draft that is open
    already is given back (api-legacy.md section 7, newversion twice).
    """
    record = session.execute(select(records).where(records.c.id == record_id)).first()
    if record is None:
        draft = session.execute(
            select(drafts.c.owner_id, drafts.c.concept_id).where(drafts.c.id == record_id)
        ).first()
        if draft is not None:
            require_edit(actor, draft)
            raise NotFound("The persistent identifier is not registered. Publish this draft first.")
        raise NotFound("The persistent identifier does not exist.")
    require_edit(actor, record)
    concept = session.execute(
        select(concepts).where(concepts.c.id == record.concept_id).with_for_update()
    ).one()
    if concept.next_draft_id is not None:
        return int(concept.next_draft_id)
    latest = session.execute(select(records).where(records.c.id == concept.latest_id)).first()
    if latest is None:
        raise Forbidden("All versions of this record were withdrawn: start a new deposit.")
    if latest.doi_state == "external":
        raise Forbidden(
            "This record has a DOI of another repository, which names one version only: start a new deposit."
        )
    draft_id = db.next_id(session)
    moment = now()
    version = concept.latest_version + 1
    order = latest.file_order
    if not with_files:
        files.begin_empty(session, concept.id, version)
        order = None
    else:
        if latest.version < concept.latest_version:
            # Newer versions were withdrawn: their files are not what the next one begins with.
            order = files.begin_from(session, concept.id, latest.version, version, order)
        files.begin_tally(session, concept.id, version, latest.file_count, latest.total_bytes)
    _insert(
        session,
        draft_id,
        concept.id,
        latest.owner_id,
        version,
        legacy.new_version(RecordData.from_json(latest.data), today=today()),
        moment,
        file_order=order,
    )
    session.execute(update(concepts).where(concepts.c.id == concept.id).values(next_draft_id=draft_id))
    changes.append(session, actor.label, "created", "draft", draft_id)
    return draft_id


def view(session: Session, actor: Actor, draft_id: int, *, most: int | None = None) -> DraftView | None:
    """The open draft of this id as its owner sees it; None when there is none. Raises Forbidden.

    With `most` it has only the first so many files; `file_count` says how many there are.
    """
    row = _VIEW.on(session, {"draft_id": draft_id}).first()
    if row is None:
        return None
    require_preview(actor, row)
    return _view(session, row, most)


def may_preview(session: Session, actor: Actor, draft_id: int) -> bool:
    """Whether there is an open draft of this id that the actor may read."""
    row = _VIEW.on(session, {"draft_id": draft_id}).first()
    return row is not None and level(actor, row) >= Level.PREVIEW


def views(session: Session, actor: Actor, ids: Sequence[int]) -> dict[int, DraftView]:
    """The open drafts among these ids as their owner sees them, in two statements. Raises Forbidden."""
    if not ids:
        return {}
    rows = session.execute(
        select(
            drafts,
            concepts.c.doi.label("concept_doi"),
            concepts.c.latest_id,
            concepts.c.next_draft_id,
            records.c.doi.label("record_doi"),
        )
        .join(concepts, concepts.c.id == drafts.c.concept_id)
        .outerjoin(records, records.c.id == drafts.c.id)
        .where(drafts.c.id.in_(ids))
    ).all()
    for row in rows:
        require_preview(actor, row)
    listed = files.list_files_of(session, [bucket_of(row) for row in rows])
    return {row.id: _build(row, listed[row.id], row.record_doi) for row in rows}


def _view(session: Session, row: AnyRow, most: int | None) -> DraftView:
    doi = None
    if row.published:
        doi = session.execute(select(records.c.doi).where(records.c.id == row.id)).scalar()
    listed = files.list_files(session, bucket_of(row), most)
    totals = None
    if most is not None and len(listed) >= most:
        totals = files.measure(session, row.concept_id, row.version)
    return _build(row, listed, doi, totals)


def _build(
    row: AnyRow, listed: list[FileView], doi: str | None, totals: tuple[int, int] | None = None
) -> DraftView:
    """`totals` are (files, bytes) where not all are listed."""
    count, size = totals or (len(listed), sum(f.size for f in listed))
    data = RecordData.from_json(row.data)
    return DraftView(
        id=row.id,
        concept_id=row.concept_id,
        index=row.version,
        revision=row.revision,
        created=row.created,
        updated=row.updated,
        data=data,
        owner_id=row.owner_id,
        bucket=files.bucket_id(row.id),
        files=listed,
        file_count=count,
        total_bytes=size,
        published=row.published,
        concept_doi=row.concept_doi,
        doi=doi or data.doi,
        latest_id=row.latest_id,
        next_draft_id=row.next_draft_id,
        sorted_files=row.file_order is not None,
    )


def bucket_of(row: AnyRow) -> Bucket:
    return Bucket(row.id, row.concept_id, row.version, row.owner_id, not row.published, row.file_order)


def open_bucket(session: Session, actor: Actor, draft_id: int) -> Bucket:
    """The bucket of a draft whose files this actor may change; locks the draft, so that nobody publishes it
    meanwhile. Raises NotFound, Forbidden, Locked.

    A published record without an open draft is Locked too (DOC: 403; Zenodo's code says 404 for some
    calls): its files never change.
    """
    row = _LOCK.on(session, {"draft_id": draft_id}).first()
    if row is None:
        record = session.execute(_WHOSE.where(records.c.id == draft_id)).first()
        if record is None:
            raise NotFound()
        require_edit(actor, record)
        raise Locked(
            "Bucket is locked for modifications. Files of a published version never change: "
            "make a new version."
        )
    require_edit(actor, row)
    if row.published:
        raise Locked()
    return bucket_of(row)


def still_open(session: Session, bucket: Bucket) -> Bucket:
    """The bucket again, after bytes came, with its draft locked. Raises Conflict when it closed meanwhile."""
    return reopen(session, bucket.record_id)


def reopen(session: Session, draft_id: int) -> Bucket:
    """The bucket of a draft that somebody opened before, locked, for what goes on after his request. Raises Conflict."""
    row = _LOCK_OPEN.on(session, {"draft_id": draft_id}).first()
    if row is None:
        raise Conflict(
            "The draft was published or discarded while the file was on its way. The file was not stored."
        )
    return bucket_of(row)


def writable_bucket(session: Session, actor: Actor, draft_id: int, *, locked: bool = True) -> Bucket:
    """`open_bucket` in the records API's words: a published record without an open draft is NotFound, an edit Locked.

    Without `locked` it is for a look before bytes come, in a reading transaction.
    """
    if locked:
        row = lock(session, actor, draft_id)
    else:
        readable_bucket(session, actor, draft_id)
        row = _READ.on(session, {"draft_id": draft_id}).one()
        require_edit(actor, row)
    if row.published:
        raise Locked()
    return bucket_of(row)


def readable_bucket(session: Session, actor: Actor, draft_id: int) -> Bucket:
    """The files of an open draft or edit, for whoever may look at it. Raises NotFound, Forbidden."""
    row = _READ.on(session, {"draft_id": draft_id}).first()
    if row is None:
        record = session.execute(_WHOSE.where(records.c.id == draft_id)).first()
        if record is not None:
            require_preview(actor, record)
            raise NotFound()
        raise NotFound("The persistent identifier does not exist.")
    require_preview(actor, row)
    return bucket_of(row)


def published_totals(session: Session, record_id: int) -> tuple[int, int]:
    """(files, bytes) of a published version."""
    row = session.execute(
        select(records.c.file_count, records.c.total_bytes).where(records.c.id == record_id)
    ).one()
    return int(row.file_count), int(row.total_bytes)


def previous_version(session: Session, bucket: Bucket) -> int | None:
    """The version whose files a draft may import: the newest that is not withdrawn. None where there is none."""
    found: int | None = session.execute(
        select(records.c.version)
        .join(concepts, concepts.c.latest_id == records.c.id)
        .where(concepts.c.id == bucket.concept_id)
    ).scalar()
    return found


def alone(session: Session, actor: Actor, draft_id: int) -> bool:
    """Whether nobody but this actor ever changed the draft, as far as the log says."""
    log = changes.changes
    others = select(log.c.seq).where(
        log.c.kind == "draft", log.c.subject_id == draft_id, log.c.actor != actor.label
    )
    return session.execute(others.limit(1)).first() is None


def touch(session: Session, actor: Actor, draft_id: int, verb: str) -> None:
    """A draft's files changed: bump its revision and say so in the log."""
    _TOUCH.on(session, {"draft_id": draft_id, "moment": now()})
    changes.append(session, actor.label, verb, "draft", draft_id)


def sort_files(session: Session, actor: Actor, draft_id: int, order: Sequence[str]) -> None:
    """Set the order of a draft's files: every id once, the first is the default preview."""
    bucket = open_bucket(session, actor, draft_id)
    here = {f.id for f in files.list_files(session, bucket)}
    if set(order) != here or len(order) != len(here):
        raise Invalid.at("id", "Name each file of the deposition exactly once.")
    session.execute(
        update(drafts).where(drafts.c.id == draft_id).values(file_order=orjson.dumps(list(order)).decode())
    )
    touch(session, actor, draft_id, "files-sorted")


def sort_keys(session: Session, actor: Actor, draft_id: int, order: Sequence[str]) -> None:
    """Set the order of a draft's files by their keys; those that are not named come after, as they were."""
    bucket = open_bucket(session, actor, draft_id)
    listed = files.list_files(session, bucket)
    by_key = {f.key: f.id for f in listed}
    for i, key in enumerate(order):
        if key not in by_key:
            raise Invalid.at(f"files.order.{i}", f"There is no file '{key}' in this draft.")
    first = [by_key[key] for key in dict.fromkeys(order)]
    chosen = set(first)
    whole = [*first, *(f.id for f in listed if f.id not in chosen)]
    session.execute(
        update(drafts).where(drafts.c.id == draft_id).values(file_order=orjson.dumps(whole).decode())
    )
    touch(session, actor, draft_id, "files-sorted")


def reserve_doi(session: Session, actor: Actor, draft_id: int, settings: Settings) -> None:
    """Fix the DOI that this draft will have: the one under our prefix. Raises Invalid where it has one."""
    row = lock(session, actor, draft_id)
    data = RecordData.from_json(row.data)
    if data.doi or row.published:
        raise Invalid.at("pids.doi", "A PID already exists for type doi")
    data.doi = settings.doi(draft_id)
    update_data(session, actor, draft_id, data, locked=row)


def drop_doi(session: Session, actor: Actor, draft_id: int, settings: Settings) -> None:
    """Give a reserved DOI back. Raises NotFound where none is reserved, Invalid for somebody else's DOI."""
    row = lock(session, actor, draft_id)
    data = RecordData.from_json(row.data)
    if row.published or not data.doi:
        raise NotFound("The persistent identifier does not exist.")
    if data.doi.lower() != settings.doi(draft_id).lower():
        raise Invalid.at(
            "pids.doi", f"{data.doi} is not reserved here: take it out of the draft with `pids: {{}}`."
        )
    data.doi = None
    update_data(session, actor, draft_id, data, locked=row)


def list_ids(
    session: Session,
    actor: Actor,
    *,
    status: str | None,
    all_versions: bool,
    oldest_first: bool,
    by_updated: bool,
    offset: int,
    limit: int,
) -> list[tuple[int, bool]]:
    """The actor's depositions: (id, is a draft). A published record in edit shows as its draft.

    Without `all_versions` each concept is there once: its next-version draft if one is open, else its
    latest version. `status` is draft (not yet published) or published.
    """
    require_user(actor)
    edits = exists().where(drafts.c.id == records.c.id)
    open_ones = select(
        drafts.c.id,
        sql_literal(1).label("is_draft"),
        drafts.c.created.label("at"),
        drafts.c.updated.label("changed"),
    ).where(workable(actor, drafts))
    done = select(
        records.c.id,
        sql_literal(0).label("is_draft"),
        records.c.created.label("at"),
        records.c.updated.label("changed"),
    ).where(workable(actor, records), ~edits, records.c.withdrawn.is_(None))
    if status == "draft":
        open_ones = open_ones.where(drafts.c.published.is_(False))
    elif status == "published":
        open_ones = open_ones.where(drafts.c.published.is_(True))
    if not all_versions:
        done = done.join(concepts, concepts.c.id == records.c.concept_id).where(
            concepts.c.latest_id == records.c.id
        )
        if status != "published":
            done = done.where(concepts.c.next_draft_id.is_(None))
    both = (open_ones if status == "draft" else union_all(open_ones, done)).subquery()
    column = both.c.changed if by_updated else both.c.id
    order = (column.asc(), both.c.id.asc()) if oldest_first else (column.desc(), both.c.id.desc())
    rows = session.execute(
        select(both.c.id, both.c.is_draft).order_by(*order).offset(offset).limit(limit)
    ).all()
    return [(int(r.id), bool(r.is_draft)) for r in rows]


def owned_among(session: Session, actor: Actor, ids: Sequence[int]) -> dict[int, bool]:
    """Of these ids those that are depositions of this actor, each with whether it is an open draft."""
    require_user(actor)
    return _among(session, ids, workable(actor, records), workable(actor, drafts))


def shared_among(session: Session, actor: Actor, ids: Sequence[int]) -> dict[int, bool]:
    """Of these ids those that are others' and shared with this actor, each with whether it is an open draft."""
    require_user(actor)
    return _among(
        session,
        ids,
        shared_with(actor, records, Level.VIEW),
        shared_with(actor, drafts, Level.PREVIEW),
    )


def _among(
    session: Session, ids: Sequence[int], of_records: ColumnElement[bool], of_drafts: ColumnElement[bool]
) -> dict[int, bool]:
    found = {
        int(i): False
        for i in session.execute(
            select(records.c.id).where(records.c.id.in_(ids), of_records, records.c.withdrawn.is_(None))
        ).scalars()
    }
    for i in session.execute(select(drafts.c.id).where(drafts.c.id.in_(ids), of_drafts)).scalars():
        found[int(i)] = True
    return found


def view_bucket(session: Session, actor: Actor, draft_id: int) -> Bucket | None:
    """The bucket of an open draft for its owner; None when there is no such draft. Raises Forbidden.

    An edit has no bucket of its own: its record's files stay as readable as they were.
    """
    row = session.execute(select(drafts).where(drafts.c.id == draft_id)).first()
    if row is None or row.published:
        return None
    require_preview(actor, row)
    return bucket_of(row)


def times(session: Session, some_id: int) -> tuple[datetime, datetime]:
    """When a draft or record was made and last changed. Raises NotFound."""
    # An edit is nobody's business but its owner's: its record's times stay as they were.
    for table, which in ((drafts, drafts.c.published.is_(False)), (records, true())):
        row = session.execute(
            select(table.c.created, table.c.updated).where(table.c.id == some_id, which)
        ).first()
        if row is not None:
            return row.created, row.updated
    raise NotFound()


def open_ids(session: Session, actor: Actor, limit: int) -> list[int]:
    """The actor's open drafts, and those he may change, last changed first."""
    require_user(actor)
    rows = session.execute(
        select(drafts.c.id).where(workable(actor, drafts)).order_by(drafts.c.updated.desc()).limit(limit)
    ).scalars()
    return [int(i) for i in rows]
