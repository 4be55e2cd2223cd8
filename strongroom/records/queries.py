"""Questions about published records, named by what they answer. Visibility is part of each statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Select, and_, bindparam, func, select

from strongroom import pids
from strongroom.access import (
    Actor,
    Level,
    files_are_public,
    level,
    may_edit,
    may_read_files,
    may_read_record,
    require_manage,
    require_user,
    visible,
    workable,
)
from strongroom.db import AnyRow, Database, Prepared, Session, moment
from strongroom.errors import Forbidden, Gone, NotFound
from strongroom.files import service as files
from strongroom.files.service import Bucket
from strongroom.ids import today
from strongroom.metadata.exports.names import spoken
from strongroom.metadata.model import AccessStatus, RecordData
from strongroom.records.models import concepts, drafts, records
from strongroom.records.models import revisions as revision_rows
from strongroom.records.views import FileView, ListedRecord, RecordView, VersionView

# Files that a list of records shows of each; the record itself shows all.
FILES_IN_A_HIT = 500

UNKNOWN = "The persistent identifier does not exist."
UNREGISTERED = "The persistent identifier is not registered."

_RECORD: Select[Any] = select(
    records,
    concepts.c.latest_id,
    concepts.c.doi.label("concept_doi"),
    concepts.c.revision.label("concept_revision"),
    concepts.c.next_draft_id,
).join(concepts, concepts.c.id == records.c.concept_id)
_BY_ID = Prepared(_RECORD.where(records.c.id == bindparam("record_id")))


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an answer about a record depends on besides the reader: the key of caches and ETags."""

    id: int
    revision: int
    concept_revision: int
    status: AccessStatus

    def etag(self, *more: object) -> str:
        return (
            '"'
            + "-".join(str(p) for p in (self.id, self.revision, self.concept_revision, self.status, *more))
            + '"'
        )


def _status(row: AnyRow, day: date) -> AccessStatus:
    if row.embargo_until and day.isoformat() < row.embargo_until:
        return "embargoed"
    if not files_are_public(row, day):
        return "restricted"
    return "open" if row.file_count else "metadata-only"


_NOBODY = Actor()
# By the concept's key first: `latest_id` has no index, and needs none.
_IS_LATEST = and_(concepts.c.id == records.c.concept_id, concepts.c.latest_id == records.c.id)


def _row(session: Session, actor: Actor, record_id: int) -> AnyRow:
    """The record's row. Raises NotFound (unknown, or a draft's id), Gone, Forbidden (restricted record)."""
    row = _BY_ID.on(session, {"record_id": record_id}).first()
    if row is None:
        draft = session.execute(select(drafts.c.id).where(drafts.c.id == record_id)).first()
        concept = session.execute(select(concepts).where(concepts.c.id == record_id)).first()
        if concept is not None and concept.latest_version and concept.latest_id is None:
            # All its versions were withdrawn: the last one's tombstone speaks for it.
            last = (records.c.concept_id == record_id, records.c.version == concept.latest_version)
            raise Gone(tombstone=_tombstone(session.execute(_RECORD.where(*last)).one()))
        raise NotFound(UNKNOWN if draft is None and concept is None else UNREGISTERED)
    if row.withdrawn is not None:
        raise Gone(tombstone=_tombstone(row))
    if not may_read_record(actor, row):
        raise Forbidden()
    return row


def _tombstone(row: AnyRow) -> dict[str, Any]:
    """What stays: the reason, and facts that a citation of the record holds anyway. Raises NotFound for a hidden one."""
    if orjson.loads(row.tombstone).get("is_visible") is False:
        raise NotFound("Record not found")
    latest = {"latest_id": row.latest_id} if row.latest_id is not None else {}
    return {"record_id": row.id, "doi": row.doi, **latest, **orjson.loads(row.tombstone)}


class _Hot(NamedTuple):
    """A row of `_HOT`; the same names as `_RECORD`, times as the database gives them."""

    id: int
    concept_id: int
    owner_id: int
    version: int
    data: str
    doi: str | None
    doi_state: str
    record_access: str
    files_access: str
    embargo_until: str | None
    file_order: str | None
    file_count: int
    total_bytes: int
    revision: int
    created: datetime | str
    updated: datetime | str
    withdrawn: datetime | str | None
    tombstone: str | None
    latest_id: int | None
    concept_doi: str | None
    concept_revision: int
    next_draft_id: int | None


_HOT_FROM = f"""SELECT {", ".join(f"r.{name}" for name in _Hot._fields[:18])},
    c.latest_id, c.doi, c.revision, c.next_draft_id
    FROM records r JOIN concepts c ON c.id = r.concept_id"""
_HOT = f"{_HOT_FROM} WHERE r.id = ?"


_VERSIONS = """SELECT id, version, data, doi, created, record_access, embargo_until FROM records
    WHERE concept_id = ? AND withdrawn IS NULL ORDER BY version DESC"""


def _version(row: Any, latest_id: int | None) -> VersionView:
    record_id, version, data, doi, created = row
    # Two facts of each: reading them as JSON costs a fifth of building the model.
    said = orjson.loads(data).get("metadata", {})
    return VersionView(
        record_id,
        version,
        said.get("version"),
        said.get("publication_date"),
        doi,
        record_id == latest_id,
        moment(created),
    )


class Found:
    """A record that a reader may see, found by its id: its stamp at once, its view when wanted.

    For readers without credentials it is one hand-written SELECT (most of the load: bots); for all
    others the same question within their session.
    """

    def __init__(self, db: Database, actor: Actor, row: _Hot | AnyRow) -> None:
        self._db, self._actor, self._row = db, actor, row
        self.stamp = Stamp(row.id, row.revision, row.concept_revision, _status(row, today()))

    @property
    def reader(self) -> str:
        """What an answer depends on besides the stamp: who reads, and how far he may go (a grant or link may have ended)."""
        return f"u{self._actor.user_id}-{int(level(self._actor, self._row))}"

    def view(self, *, with_versions: bool = False, with_files: bool = True) -> RecordView:
        row = self._row
        listed: list[FileView] | None = None
        if not with_files:
            listed = [] if _files_readable(self._actor, row, today()) else None
        elif _files_readable(self._actor, row, today()):
            listed = files.list_files_hot(self._db, _bucket(row))
        known: list[VersionView] = []
        if with_versions:
            may_all = level(self._actor, row) >= Level.VIEW  # grants are to the concept
            day = today().isoformat()
            known = [
                _version(v[:5], row.latest_id)
                for v in self._db.hot(_VERSIONS, row.concept_id)
                if may_all or v[5] == "public" or (v[6] is not None and v[6] <= day)
            ]
        return _build(self._actor, row, listed, known)


def find(db: Database, actor: Actor, record_id: int) -> Found | int:
    """The record of this id, or, for a concept's id, the id of its latest version.

    Raises NotFound, Gone, Forbidden.
    """
    rows = db.hot(_HOT, record_id)
    if rows:
        row = _Hot(*rows[0])
        if row.withdrawn is not None:
            raise Gone(tombstone=_tombstone(row))
        if not may_read_record(actor, row):
            raise Forbidden()
        return Found(db, actor, row)
    with db.read() as session:
        latest = latest_of(session, record_id)
        if latest is None:
            _row(session, actor, record_id)
            raise NotFound(UNKNOWN)
        return latest


def latest_of(session: Session, some_id: int) -> int | None:
    """The latest version's id when `some_id` is a concept with a published version, else None."""
    found = session.execute(select(concepts.c.latest_id).where(concepts.c.id == some_id)).scalar()
    return int(found) if found is not None else None


def latest_version(session: Session, actor: Actor, record_id: int) -> int:
    """The newest version of the concept that this record (or concept) id belongs to. Raises NotFound, Gone."""
    direct = latest_of(session, record_id)
    if direct is not None:
        return direct
    row = session.execute(_RECORD.where(records.c.id == record_id)).first()
    if row is None or (row.latest_id is None and row.withdrawn is None):
        _row(session, actor, record_id)
        raise NotFound(UNKNOWN)
    if row.latest_id is None:
        raise Gone(tombstone=_tombstone(row))
    return int(row.latest_id)


def by_id(
    session: Session,
    actor: Actor,
    record_id: int,
    *,
    with_files: bool = True,
    with_versions: bool = False,
    most: int | None = None,
) -> RecordView:
    """One record as this actor may see it; with `most` only the first so many of its files.

    Raises NotFound, Gone, Forbidden.
    """
    return _view(session, actor, _row(session, actor, record_id), with_files, with_versions, most)


class Hit:
    """One record of a list that this actor may see: its stamp at once, its view when wanted."""

    __slots__ = ("row", "stamp")

    def __init__(self, row: _Hot, day: date) -> None:
        self.row = row
        self.stamp = Stamp(row.id, row.revision, row.concept_revision, _status(row, day))

    @property
    def whole_in_a_list(self) -> bool:
        """Whether a list shows all its files, as the record itself does."""
        return self.row.file_count <= FILES_IN_A_HIT


def rows_of(session: Session, actor: Actor, ids: Sequence[int]) -> list[Hit]:
    """These records in this order, less those the actor may not see: the index never decides alone."""
    if not ids:
        return []
    # Numbers, written into the statement: building it by parts costs more than its answer.
    listed = ",".join(str(int(i)) for i in ids)
    day = today()
    found = {
        row.id: Hit(row, day)
        for values in session.exec_driver_sql(f"{_HOT_FROM} WHERE r.id IN ({listed})")
        if (row := _Hot(*values)).withdrawn is None and may_read_record(actor, row)
    }
    return [found[i] for i in ids if i in found]


def views_of(
    session: Session, actor: Actor, hits: Sequence[Hit], *, with_files: bool = True
) -> list[RecordView]:
    """What these records say, with their files (the first so many of very long lists) in one statement."""
    listed: dict[int, list[FileView]] = {}
    if with_files:
        day = today()
        readable = [hit for hit in hits if _files_readable(actor, hit.row, day)]
        listed = files.list_files_of(session, [_bucket(hit.row) for hit in readable if hit.whole_in_a_list])
        for hit in readable:
            # 25 hits of 50,000 files each would be a million lines: the first say what it is, the rest is a link.
            if not hit.whole_in_a_list:
                listed[hit.row.id] = files.list_files(session, _bucket(hit.row), limit=FILES_IN_A_HIT)
    return [_build(actor, hit.row, listed.get(hit.row.id), []) for hit in hits]


def by_ids(
    session: Session, actor: Actor, ids: Sequence[int], *, with_files: bool = False
) -> list[RecordView]:
    """The views of `rows_of`."""
    return views_of(session, actor, rows_of(session, actor, ids), with_files=with_files)


def listed(session: Session, actor: Actor, ids: Sequence[int]) -> list[ListedRecord]:
    """What a list shows of the records of `rows_of`, read from their JSON: the whole model of each costs six times as much."""
    return [_listed(hit) for hit in rows_of(session, actor, ids)]


def _listed(hit: Hit) -> ListedRecord:
    row, status = hit.row, hit.stamp.status
    said = orjson.loads(row.data).get("metadata", {})
    return ListedRecord(
        row.id,
        said.get("title", ""),
        [
            spoken(p.get("type", "personal"), p.get("name", ""), p.get("family_name"), p.get("given_name"))
            for p in said.get("creators", ())
        ],
        said.get("resource_type"),
        status,
        said.get("publication_date"),
        moment(row.created),
        said.get("version"),
        said.get("description"),
        row.file_count,
        row.total_bytes,
        date.fromisoformat(row.embargo_until) if status == "embargoed" and row.embargo_until else None,
    )


def newest(session: Session, actor: Actor, limit: int) -> list[ListedRecord]:
    """The newest latest versions, newest first."""
    ids = session.execute(
        select(records.c.id)
        .join(concepts, _IS_LATEST)
        .where(visible(actor, records))
        .order_by(records.c.created.desc(), records.c.id.desc())
        .limit(limit)
    ).scalars()
    return listed(session, actor, [int(i) for i in ids])


def newest_stamp(session: Session) -> tuple[tuple[int, int], ...]:
    """What the front page shows: (id, concept's revision) of the newest latest versions anybody may see."""
    rows = session.execute(
        select(records.c.id, concepts.c.revision)
        .join(concepts, _IS_LATEST)
        .where(visible(_NOBODY, records))
        .order_by(records.c.created.desc(), records.c.id.desc())
        .limit(10)
    ).all()
    return tuple((int(r[0]), int(r[1])) for r in rows)


def owned(session: Session, actor: Actor, offset: int, limit: int) -> tuple[int, list[int]]:
    """(how many, one page of ids) of the latest versions this actor owns or may change, newest first."""
    require_user(actor)
    mine = (
        select(records.c.id)
        .join(concepts, _IS_LATEST)
        .where(workable(actor, records), records.c.withdrawn.is_(None))
    )
    total = session.execute(select(func.count()).select_from(mine.subquery())).scalar_one()
    ids = session.execute(mine.order_by(records.c.id.desc()).offset(offset).limit(limit)).scalars()
    return int(total), [int(i) for i in ids]


def count_public(session: Session) -> int:
    """Number of concepts with a version anybody may see."""
    return int(
        session.execute(
            select(func.count())
            .select_from(concepts)
            .join(records, _IS_LATEST)
            .where(visible(_NOBODY, records))
        ).scalar_one()
    )


def versions(session: Session, actor: Actor, concept_id: int, latest_id: int | None) -> list[VersionView]:
    """The versions of a concept that the actor may see, newest first."""
    rows = session.execute(
        select(records.c.id, records.c.version, records.c.data, records.c.doi, records.c.created)
        .where(records.c.concept_id == concept_id, visible(actor, records))
        .order_by(records.c.version.desc())
    ).all()
    return [_version(row, latest_id) for row in rows]


class Revision(NamedTuple):
    """What a record said from one publishing or edit to the next."""

    record_id: int
    revision: int
    data: RecordData
    actor: str
    at: datetime


def revisions(session: Session, actor: Actor, record_id: int) -> list[Revision]:
    """All that a record's metadata ever said, oldest first; for its managers. Raises NotFound, Gone, Forbidden."""
    require_manage(actor, _row(session, actor, record_id))
    rows = session.execute(
        select(revision_rows).where(revision_rows.c.record_id == record_id).order_by(revision_rows.c.revision)
    )
    return [Revision(r.record_id, r.revision, RecordData.from_json(r.data), r.actor, r.at) for r in rows]


def bucket(session: Session, actor: Actor, record_id: int) -> Bucket:
    """The bucket of a published record whose files the actor may read today. Raises NotFound, Gone, Forbidden."""
    row = _row(session, actor, record_id)
    if not _files_readable(actor, row, today()):
        raise Forbidden()
    return _bucket(row)


def files_open_to_all(session: Session, record_id: int) -> bool:
    """Whether anybody may read the files today: only then may caches on the way keep them."""
    row = session.execute(_RECORD.where(records.c.id == record_id)).first()
    return row is not None and row.withdrawn is None and files_are_public(row, today())


def target_of_doi(session: Session, doi: str) -> int | None:
    """The record id that a DOI leads to; a concept's DOI leads to its latest version.

    Of a concept with no version left the concept's own id, where its tombstone is.
    """
    row = pids.resolve(session, doi)
    if row is None:
        return None
    latest = latest_of(session, row.subject_id) if row.kind == "concept" else None
    return latest or int(row.subject_id)


def _bucket(row: AnyRow) -> Bucket:
    return Bucket(row.id, row.concept_id, row.version, row.owner_id, False, row.file_order)


def _files_readable(actor: Actor, row: AnyRow, day: date) -> bool:
    return may_read_files(actor, row, day)


def _view(
    session: Session, actor: Actor, row: AnyRow, with_files: bool, with_versions: bool, most: int | None
) -> RecordView:
    listed: list[FileView] | None = None
    if with_files and _files_readable(actor, row, today()):
        listed = files.list_files(session, _bucket(row), most)
    known = versions(session, actor, row.concept_id, row.latest_id) if with_versions else []
    return _build(actor, row, listed, known)


def _build(actor: Actor, row: AnyRow, listed: list[FileView] | None, known: list[VersionView]) -> RecordView:
    day = today()
    return RecordView(
        id=row.id,
        concept_id=row.concept_id,
        index=row.version,
        latest_id=row.latest_id or row.id,
        revision=row.revision,
        created=moment(row.created),
        updated=moment(row.updated),
        data=RecordData.from_json(row.data),
        doi=row.doi,
        concept_doi=row.concept_doi,
        doi_state=row.doi_state,
        owner_id=row.owner_id,
        bucket=files.bucket_id(row.id),
        status=_status(row, day),
        files=listed,
        file_count=row.file_count,
        total_bytes=row.total_bytes,
        versions=known,
        may_edit=may_edit(actor, row),
        may_manage=level(actor, row) >= Level.MANAGE,
        today=day,
        next_draft_id=row.next_draft_id if may_edit(actor, row) else None,
        sorted_files=row.file_order is not None,
    )
