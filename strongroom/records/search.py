"""What the search index learns from the database: the change log, and documents as they are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from strongroom import changes
from strongroom.access import files_are_public, record_is_public
from strongroom.db import AnyRow, Database, Session
from strongroom.files import service as files
from strongroom.files.service import Bucket
from strongroom.ids import today
from strongroom.metadata.model import RecordData
from strongroom.metadata.vocabularies import legacy_licences
from strongroom.records.models import concepts, drafts, records
from strongroom.search.documents import FILES_INDEXED, Document, FileEntry, from_record_data
from strongroom.search.indexer import Change
from strongroom.settings import Settings

# A verb on a record that also ends its draft: one line of the log stands for both.
_ENDS_DRAFT = frozenset({"published", "edited", "withdrawn"})


class DatabaseSource:
    """`search.Source` over the database. Each call is one short reading transaction."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings

    def newest(self) -> int:
        with self._db.read() as session:
            return changes.newest(session)

    def changes(self, after: int, limit: int) -> Sequence[Change]:
        with self._db.read() as session:
            rows = changes.after(session, after, limit)
        found = []
        for row in rows:
            if row.kind == "record" and row.verb in _ENDS_DRAFT:
                found.append(Change(row.seq, "draft", row.subject_id))
            found.append(Change(row.seq, row.kind, row.subject_id))
        return found

    def documents(self, kind: str, ids: Sequence[int]) -> Mapping[int, Document]:
        with self._db.read() as session:
            read = _records if kind == "record" else _drafts
            table = records if kind == "record" else drafts
            return {d.id: d for d in read(session, table.c.id.in_(ids))}

    def everything(self, kind: str, after: int, limit: int) -> Sequence[Document]:
        with self._db.read() as session:
            read = _records if kind == "record" else _drafts
            table = records if kind == "record" else drafts
            # `limit` rows behind the last id; a withdrawn record is a row, but no document.
            wanted = (
                select(table.c.id).where(table.c.id > after, *_there(kind)).order_by(table.c.id).limit(limit)
            )
            return read(session, table.c.id.in_(wanted))


def _there(kind: str) -> list[Any]:
    return [records.c.withdrawn.is_(None)] if kind == "record" else []


def _records(session: Session, which: Any) -> list[Document]:
    rows = session.execute(
        select(records, concepts.c.latest_id, concepts.c.doi.label("concept_doi"))
        .join(concepts, concepts.c.id == records.c.concept_id)
        .where(which, records.c.withdrawn.is_(None))
        .order_by(records.c.id)
    ).all()
    day = today()
    listed = files.head_of(
        session,
        [
            Bucket(r.id, r.concept_id, r.version, r.owner_id, False)
            for r in rows
            # What nobody may list can't be found by name either.
            if files_are_public(r, day)
        ],
        FILES_INDEXED,
    )
    found = []
    for row in rows:
        data = RecordData.from_json(row.data)
        found.append(
            from_record_data(
                data,
                id=row.id,
                concept_id=row.concept_id,
                created=row.created,
                updated=row.updated,
                access_status=data.access.status(day, row.file_count > 0),
                is_latest=row.latest_id == row.id,
                public=record_is_public(row),
                owners=(row.owner_id,),
                version_index=row.version,
                doi=row.doi,
                concept_doi=row.concept_doi,
                licence_aliases=legacy_licences(),
                files=_entries(listed.get(row.id, ())),
                file_count=row.file_count,
                total_bytes=row.total_bytes,
            )
        )
    return found


def _drafts(session: Session, which: Any) -> list[Document]:
    rows = session.execute(
        select(drafts, concepts.c.doi.label("concept_doi"))
        .join(concepts, concepts.c.id == drafts.c.concept_id)
        .where(which)
        .order_by(drafts.c.id)
    ).all()
    day = today()
    listed = files.head_of(
        session,
        [Bucket(r.id, r.concept_id, r.version, r.owner_id, not r.published) for r in rows],
        FILES_INDEXED,
    )
    found = []
    for row in rows:
        data = RecordData.from_json(row.data)
        found.append(
            from_record_data(
                data,
                id=row.id,
                concept_id=row.concept_id,
                created=row.created,
                updated=row.updated,
                access_status=data.access.status(day),
                public=False,
                published=row.published,
                owners=(row.owner_id,),
                version_index=row.version,
                doi=data.doi,
                concept_doi=row.concept_doi,
                licence_aliases=legacy_licences(),
                files=_entries(listed.get(row.id, ())),
            )
        )
    return found


def _entries(rows: Sequence[AnyRow]) -> list[FileEntry]:
    return [FileEntry(r.key, r.size, r.md5, r.sha256) for r in rows]
