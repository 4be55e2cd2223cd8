"""Is everything whole? Questions that tests ask a database and its store from outside, after trouble.

`database` finds what a transaction should have made impossible, `settle` lets time pass (leases end, jobs
and sweeps run), `bytes_left` compares the store with what the database names.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import func, select

from strongroom.app import build
from strongroom.changes import changes
from strongroom.context import Context
from strongroom.db import Session
from strongroom.files import service as files
from strongroom.files.models import instances, objects, tallies, uploads
from strongroom.ids import now
from strongroom.jobs import run_pending
from strongroom.jobs.models import jobs
from strongroom.pids import pids
from strongroom.records import manifest
from strongroom.records.models import concepts, drafts, records, revisions
from strongroom.settings import Settings


@contextmanager
def context(settings: Settings) -> Iterator[Context]:
    """What the server works with, for looking inside while it is down (or beside it), but impatient: uploads are
    given up and the trash is emptied at once."""
    ctx = build(settings.model_copy(update={"upload_idle_hours": 1e-9, "trash_days": 0.0}))
    try:
        yield ctx
    finally:
        ctx.blocks.shutdown()
        ctx.db.close()


def settle(ctx: Context) -> None:
    """Let ten days pass: all jobs, also those of dead workers, the sweep, and what these ask for.

    Works beside a running server too, whose own worker may have taken some of the jobs.
    """
    end = time.monotonic() + 30
    while True:
        run_pending(ctx.db, ctx, until=now() + timedelta(days=10))
        with ctx.db.read() as session:
            left = session.execute(select(jobs.c.task, jobs.c.key, jobs.c.state, jobs.c.last_error)).all()
            open_uploads = session.execute(select(func.count()).select_from(uploads)).scalar()
        if not left and not open_uploads:
            return
        assert time.monotonic() < end, f"jobs that do not end: {left}, uploads: {open_uploads}"
        time.sleep(0.05)


def database(session: Session) -> list[str]:
    """What is half done, or does not fit together; empty when all is well. Also true in the middle of work."""
    wrong: list[str] = []
    found = {r.id: r for r in session.execute(select(records))}
    open_drafts = {d.id: d for d in session.execute(select(drafts))}
    by_concept: dict[int, list[Any]] = {}
    for record in found.values():
        by_concept.setdefault(record.concept_id, []).append(record)
    named = {p.value: (p.kind, p.subject_id) for p in session.execute(select(pids))}
    logged: dict[tuple[str, int], list[str]] = {}
    for change in session.execute(select(changes).order_by(changes.c.seq)):
        logged.setdefault((change.kind, change.subject_id), []).append(change.verb)

    def expect(truth: bool, text: str) -> None:
        if not truth:
            wrong.append(text)

    for concept in session.execute(select(concepts)):
        versions = sorted(by_concept.pop(concept.id, []), key=lambda r: r.version)
        numbers = [r.version for r in versions]
        expect(numbers == list(range(1, len(numbers) + 1)), f"concept {concept.id}: versions {numbers}")
        expect(concept.latest_version == len(numbers), f"concept {concept.id}: latest_version")
        shown = [r.id for r in versions if r.withdrawn is None]
        expect(concept.latest_id == (shown[-1] if shown else None), f"concept {concept.id}: latest_id")
        expect(bool(versions) or concept.next_draft_id is not None, f"concept {concept.id} is empty")
        if versions and any(r.doi_state != "external" for r in versions):
            expect(
                named.get((concept.doi or "").lower()) == ("concept", concept.id),
                f"concept {concept.id}: its DOI names nothing",
            )
        if concept.next_draft_id is not None:
            draft = open_drafts.get(concept.next_draft_id)
            expect(
                draft is not None
                and not draft.published
                and draft.concept_id == concept.id
                and draft.version == len(numbers) + 1,
                f"concept {concept.id}: its next draft {concept.next_draft_id} is not there",
            )
    expect(not by_concept, f"records without a concept: {sorted(by_concept)}")

    for draft in open_drafts.values():
        if draft.published:
            expect(draft.id in found, f"draft {draft.id} edits a record that is not there")
        else:
            expect(draft.id not in found, f"draft {draft.id} is open, and published as well")
            known = session.execute(
                select(concepts.c.next_draft_id).where(concepts.c.id == draft.concept_id)
            ).scalar()
            expect(
                known == draft.id,
                f"draft {draft.id}: its concept does not know it",
            )

    numbers_of: dict[int, list[int]] = {}
    for revision in session.execute(select(revisions).order_by(revisions.c.revision)):
        numbers_of.setdefault(revision.record_id, []).append(revision.revision)
    newest = {
        record.id: session.execute(
            select(revisions.c.data).where(
                revisions.c.record_id == record.id, revisions.c.revision == record.revision
            )
        ).scalar()
        for record in found.values()
    }
    for record in found.values():
        had = numbers_of.pop(record.id, [])
        expect(had == list(range(1, record.revision + 1)), f"record {record.id}: revisions {had}")
        expect(newest[record.id] == record.data, f"record {record.id}: its newest revision says other things")
        expect(
            named.get((record.doi or "").lower()) == ("record", record.id), f"record {record.id}: no DOI row"
        )
        verbs = logged.get(("record", record.id), [])
        expect(verbs.count("published") == 1, f"record {record.id}: the log says {verbs}")
        expect(verbs.count("edited") == record.revision - 1, f"record {record.id}: the log says {verbs}")
        expect(
            files.count_files(session, record.concept_id, record.version)
            == (record.file_count, record.total_bytes),
            f"record {record.id}: its files are not those it was published with",
        )
    expect(not numbers_of, f"revisions without a record: {sorted(numbers_of)}")

    for kept in session.execute(select(tallies).where(tallies.c.version > 0)):
        counted = files.count_files(session, kept.concept_id, kept.version)
        expect(
            (kept.files, kept.bytes) == counted,
            f"version {kept.version} of {kept.concept_id}: {counted[0]} files, the tally says {kept.files}",
        )

    twice = session.execute(
        select(objects.c.concept_id, objects.c.key)
        .where(objects.c.last_version.is_(None))
        .group_by(objects.c.concept_id, objects.c.key)
        .having(func.count() > 1)
    ).all()
    expect(not twice, f"two files of one name: {twice}")
    lost = session.execute(
        select(objects.c.id)
        .outerjoin(instances, instances.c.id == objects.c.instance_id)
        .where(instances.c.id.is_(None))
    ).all()
    expect(not lost, f"files without an instance: {lost}")
    return wrong


def stored_bytes(ctx: Context) -> list[str]:
    """Instances whose stored bytes are missing or have another size or digest: acknowledged, then lost."""
    with ctx.db.read() as session:
        rows = session.execute(select(instances)).all()
    wrong = []
    for row in rows:
        digest, size = hashlib.sha256(), 0
        try:
            for block in ctx.store.read(row.location):
                digest.update(block)
                size += len(block)
        except Exception as error:
            wrong.append(f"instance {row.id} at {row.location}: {error}")
            continue
        if (size, digest.hexdigest()) != (row.size, row.sha256):
            wrong.append(f"instance {row.id} at {row.location}: {size} of {row.size} bytes, or others")
    return wrong


def bytes_left(ctx: Context) -> tuple[set[str], set[str]]:
    """(named but not stored, stored but not named), for a store that was settled: both must be empty."""
    with ctx.db.read() as session:
        wanted = set(session.execute(select(instances.c.location)).scalars())
        for record in session.execute(select(records.c.id)).scalars():
            told = manifest.read(session, record)
            assert told is not None
            wanted.add(_newest_manifest(ctx, told))
            if "files" not in told.body:
                wanted.add(f"{told.folder}{record}-files.json")
    stored = {entry.location for entry in ctx.store.list()}
    return wanted - stored, stored - wanted


def _newest_manifest(ctx: Context, told: manifest.Manifest) -> str:
    """The name under which a version's newest manifest stands; a later version may have moved the stamp on."""
    own = [
        e.location
        for e in ctx.store.list(told.folder)
        if e.location.startswith(f"{told.folder}{told.record_id}-")
        and manifest.stamp_of(e.location) is not None
    ]
    return max(own, default=told.location)


def manifests(ctx: Context) -> list[str]:
    """Records whose manifest is missing or says other things than the database; for a settled server."""
    wrong = []
    with ctx.db.read() as session:
        for record_id, concept_id in session.execute(select(records.c.id, records.c.concept_id)).all():
            told = manifest.read(session, record_id)
            assert told is not None
            names = manifest.newest_of_each(e.location for e in ctx.store.list(told.folder))
            if (concept_id, record_id) not in names:
                wrong.append(f"record {record_id} has no manifest")
                continue
            said = orjson.loads(ctx.store.get(names[concept_id, record_id]))
            now_said = orjson.loads(orjson.dumps(told.body))
            for part in ("record", "revisions"):
                if said[part] != now_said[part]:
                    wrong.append(f"record {record_id}: {part} of its manifest are old")
            kept = [(f["key"], f["sha256"], f["location"]) for f in manifest.files_of(ctx.store, said)]
            listed = [(f.key, f.sha256, f.location) for f in _files(session, record_id)]
            if sorted(kept) != sorted(listed):
                wrong.append(f"record {record_id}: the files of its manifest are others")
            # What the concept says stands in the newest manifest of any of its versions.
            last = max(manifest.stamp_of(name) or 0 for name in names.values())
            if last != told.stamp:
                wrong.append(f"concept {concept_id}: no manifest of its revision {told.stamp}")
    return wrong


def _files(session: Session, record_id: int) -> list[Any]:
    row = session.execute(select(records).where(records.c.id == record_id)).one()
    return files.list_files(session, files.Bucket(row.id, row.concept_id, row.version, row.owner_id, False))


def nothing_left(ctx: Context) -> None:
    """After the sweep the store holds what the database names, and nothing else."""
    settle(ctx)
    missing, left_over = bytes_left(ctx)
    assert not missing, f"named, but not stored: {missing}"
    assert not left_over, f"stored, but named by nobody: {left_over}"


def all_of(settings: Settings) -> None:
    """Everything at once, for a server that is stopped; asserts."""
    with context(settings) as ctx:
        with ctx.db.read() as session:
            assert database(session) == []
        nothing_left(ctx)
        with ctx.db.read() as session:
            assert database(session) == []
        assert stored_bytes(ctx) == []
        assert manifests(ctx) == []
