"""Depositing without HTTP: each call is one verb in one transaction, as a door makes it."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from strongroom import changes
from strongroom.access import SYSTEM, Actor
from strongroom.accounts import service as accounts
from strongroom.accounts.models import users
from strongroom.context import Context
from strongroom.db import AnyRow, Database
from strongroom.files import service as files
from strongroom.files.service import Stored
from strongroom.files.views import FileView
from strongroom.jobs.worker import run_pending
from strongroom.metadata.model import Access, Metadata, Person, RecordData
from strongroom.records import curation, drafts, queries
from strongroom.records import tasks as tasks
from strongroom.records.publish import publish
from strongroom.records.search import DatabaseSource
from strongroom.records.views import DraftView, RecordView
from strongroom.registrars import open_registrar
from strongroom.search.indexer import SearchService
from strongroom.search.terms import TermService
from strongroom.settings import Settings
from strongroom.storage import ObjectStore, new_location, open_store
from strongroom.vocabularies.sources import DatabaseTerms

OWN = ("access", "doi", "communities", "metadata_only", "default_preview")


def data(title: str = "Rose scent", **more: Any) -> RecordData:
    """A description that can be published; `more` are fields of `RecordData` or, unknown there, of its metadata."""
    own = {name: more.pop(name) for name in OWN if name in more}
    said = {
        "title": title,
        "resource_type": "dataset",
        "creators": [Person(name="Doe, Jane")],
        "publication_date": "2024-05-01",
        **more,
    }
    return RecordData(metadata=Metadata(**said), **own)


def restricted(**more: Any) -> Access:
    return Access(files="restricted", **more)


@dataclass
class Desk:
    """One repository's database and store, and the verbs of its nouns."""

    settings: Settings
    db: Database
    store: ObjectStore

    @classmethod
    def of(cls, settings: Settings, db: Database) -> Desk:
        return cls(settings, db, open_store(settings))

    # accounts

    def user(self, email: str, *, admin: bool = False, **more: Any) -> Actor:
        """A new account as the actor of its requests."""
        with self.db.begin() as session:
            user_id = accounts.add_user(session, email, is_admin=admin, **more)
        return Actor(user_id=user_id, is_admin=admin, via="session", email=email)

    # drafts

    def create(self, actor: Actor, described: RecordData | None = None) -> int:
        with self.db.begin() as session:
            return drafts.create(session, self.db, actor, described or data())

    def update(self, actor: Actor, draft_id: int, described: RecordData, if_match: int | None = None) -> None:
        with self.db.begin() as session:
            drafts.update_data(session, actor, draft_id, described, if_match=if_match)

    def discard(self, actor: Actor, draft_id: int) -> bool:
        with self.db.begin() as session:
            return drafts.discard(session, actor, draft_id)

    def edit(self, actor: Actor, record_id: int) -> int:
        with self.db.begin() as session:
            return drafts.edit(session, actor, record_id)

    def new_version(self, actor: Actor, record_id: int) -> int:
        with self.db.begin() as session:
            return drafts.new_version(session, self.db, actor, record_id)

    def publish(self, actor: Actor, draft_id: int) -> int:
        with self.db.begin() as session:
            return publish(session, self.settings, actor, draft_id)

    def draft(self, actor: Actor, draft_id: int) -> DraftView | None:
        with self.db.read() as session:
            return drafts.view(session, actor, draft_id)

    def record(self, actor: Actor, record_id: int, **how: bool) -> RecordView:
        with self.db.read() as session:
            return queries.by_id(session, actor, record_id, **how)

    def corrected(self, actor: Actor, record_id: int, described: RecordData) -> int:
        """Edit, update and publish: a new revision of a record."""
        self.edit(actor, record_id)
        self.update(actor, record_id, described)
        return self.publish(actor, record_id)

    def deposit(self, actor: Actor, *keys: str, described: RecordData | None = None) -> int:
        """A published record with files of these names, `a.txt` for none."""
        draft_id = self.create(actor, described)
        for key in keys or ("a.txt",):
            self.put(actor, draft_id, key)
        return self.publish(actor, draft_id)

    # files

    def put(self, actor: Actor, draft_id: int, key: str, content: bytes | None = None) -> FileView:
        """Store bytes (those of the key itself, if none are given) and name them."""
        content = key.encode() if content is None else content
        location = self.reserve(actor, draft_id, key, len(content))
        self.store.put(location, content)
        return self.attach(actor, draft_id, key, content, location)

    def reserve(self, actor: Actor, draft_id: int, key: str | None, size: int | None) -> str:
        location = new_location()
        with self.db.begin() as session:
            bucket = drafts.open_bucket(session, actor, draft_id)
            if key is not None:
                files.check_name(session, bucket, key)
            assert actor.user_id is not None
            files.reserve(
                session,
                bucket,
                key,
                actor.user_id,
                size,
                location,
                self.store.name,
                self.settings,
                self.store.free(),
            )
        return location

    def attach(self, actor: Actor, draft_id: int, key: str, content: bytes, location: str) -> FileView:
        stored = Stored(
            self.store.name,
            location,
            len(content),
            hashlib.md5(content).hexdigest(),
            hashlib.sha256(content).hexdigest(),
            zlib.crc32(content),
        )
        with self.db.begin() as session:
            bucket = drafts.open_bucket(session, actor, draft_id)
            found = files.attach(session, bucket, key, stored, "text/plain")
            files.check_quotas(session, bucket, self.settings)
            drafts.touch(session, actor, draft_id, "file-added")
        return found

    def rename(self, actor: Actor, draft_id: int, key: str, new: str) -> FileView:
        with self.db.begin() as session:
            bucket = drafts.open_bucket(session, actor, draft_id)
            found = files.rename(session, bucket, files.find(session, bucket, key).id, new)
            drafts.touch(session, actor, draft_id, "file-renamed")
        return found

    def remove(self, actor: Actor, draft_id: int, key: str) -> None:
        with self.db.begin() as session:
            bucket = drafts.open_bucket(session, actor, draft_id)
            files.delete_file(session, bucket, key)
            drafts.touch(session, actor, draft_id, "file-deleted")

    def sort(self, actor: Actor, draft_id: int, *keys: str) -> None:
        with self.db.begin() as session:
            bucket = drafts.open_bucket(session, actor, draft_id)
            ids = [files.find(session, bucket, key).id for key in keys]
            drafts.sort_files(session, actor, draft_id, ids)

    # looking after

    def withdraw(self, record_id: int, reason: str = "retracted", note: str = "", by: Actor = SYSTEM) -> None:
        with self.db.begin() as session:
            curation.withdraw(session, self.settings, by, record_id, reason, note)

    def transfer(self, record_id: int, to: Actor, by: Actor = SYSTEM) -> None:
        assert to.user_id is not None
        with self.db.begin() as session:
            curation.transfer(session, by, record_id, to.user_id)

    # looking in

    def rows(self, statement: Any) -> list[AnyRow]:
        with self.db.read() as session:
            return list(session.execute(statement).all())

    def log(self, after: int = 0) -> list[tuple[str, str, int]]:
        """The change log as (verb, kind, subject), accounts left out."""
        with self.db.read() as session:
            rows = changes.after(session, after, 100_000)
        return [(r.verb, r.kind, r.subject_id) for r in rows if r.kind not in ("user", "token")]

    @contextmanager
    def context(self) -> Iterator[Context]:
        """What tasks get. Its index is never written."""
        blocks = ThreadPoolExecutor(1)
        yield Context(
            settings=self.settings,
            db=self.db,
            store=self.store,
            registrar=open_registrar(self.settings),
            search=SearchService(self.settings.index_dir, DatabaseSource(self.db, self.settings)),
            vocabularies=TermService(self.settings.index_dir, DatabaseTerms(self.db)),
            blocks=blocks,
        )
        blocks.shutdown()

    def work(self, **how: Any) -> int:
        """Do all jobs that are due (`until` a time); how many."""
        with self.context() as ctx:
            return run_pending(self.db, ctx, **how)

    def user_named(self, email: str) -> AnyRow:
        return self.rows(users.select().where(users.c.email == email))[0]
