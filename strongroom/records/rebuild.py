"""Make the database again from the store alone.

Reads the newest manifest of every version and writes users, concepts, records, revisions, files and
DOI states as they were, ids and times included. Owners become accounts to be claimed: no password,
no token. Drafts are not in manifests; what was never published is lost with the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import orjson
from sqlalchemy import func, insert, select

from strongroom import changes
from strongroom.accounts.models import users
from strongroom.db import Database, Session
from strongroom.errors import Conflict
from strongroom.files.models import instances, objects
from strongroom.files.service import fold_key
from strongroom.ids import now
from strongroom.pids import pids
from strongroom.records import manifest
from strongroom.records.manifest import moment
from strongroom.records.models import concepts, records, revisions
from strongroom.storage.base import ObjectStore


def rebuild(db: Database, store: ObjectStore, say: Callable[[str], None] = lambda _: None) -> dict[str, int]:
    """Fill an empty database from the store's manifests. Raises Conflict when it is not empty.

    Returns how many users, concepts and records there are now. One transaction a concept; run on a
    database without records only, so a run that was broken off starts again on a fresh one.
    """
    with db.read() as session:
        if session.execute(select(func.count()).select_from(concepts)).scalar_one():
            raise Conflict(
                "The database holds records already: rebuild fills an empty one. Move the old database away first."
            )
    newest = manifest.newest_of_each(e.location for e in store.list(manifest.ROOT))
    by_concept: dict[int, list[str]] = defaultdict(list)
    highest = 0
    for (concept_id, record_id), location in newest.items():
        by_concept[concept_id].append(location)
        highest = max(highest, concept_id, record_id)
    done = 0
    for concept_id in sorted(by_concept):
        bodies = [orjson.loads(store.get(location)) for location in by_concept[concept_id]]
        listed = {b["record"]["id"]: manifest.files_of(store, b) for b in bodies}
        with db.begin() as session:
            _concept(session, bodies, listed)
            done += len(bodies)
        say(f"{done} records")
    with db.begin() as session:
        db.raise_ids_past(session, highest)
        if not db.is_sqlite:
            session.exec_driver_sql(
                "SELECT setval(pg_get_serial_sequence('users', 'id'), greatest(1, (SELECT max(id) FROM users)))"
            )
        return {
            "users": session.execute(select(func.count()).select_from(users)).scalar_one(),
            "concepts": len(by_concept),
            "records": done,
        }


def _concept(session: Session, bodies: list[dict[str, Any]], listed: dict[int, list[dict[str, Any]]]) -> None:
    newest = max(bodies, key=lambda b: b["stamp"])["concept"]
    _owner(session, newest["owner"])
    session.execute(
        insert(concepts).values(
            id=newest["id"],
            owner_id=newest["owner"]["id"],
            latest_id=newest["latest_id"],
            latest_version=newest["latest_version"],
            next_draft_id=None,
            doi=newest["doi"],
            revision=newest["revision"],
            created=moment(newest["created"]),
            updated=moment(newest["updated"]),
        )
    )
    if newest["doi"]:
        _pid(session, newest["doi"], "concept", newest["id"], newest["doi_state"])
    for body in sorted(bodies, key=lambda b: b["record"]["version"]):
        _record(session, body, newest)
    _files(session, newest, bodies, listed)
    for body in sorted(bodies, key=lambda b: b["record"]["version"]):
        changes.append(session, "operator", "rebuilt", "record", body["record"]["id"])


def _owner(session: Session, owner: dict[str, Any]) -> None:
    if session.execute(select(users.c.id).where(users.c.id == owner["id"])).first() is not None:
        return
    session.execute(
        insert(users).values(
            id=owner["id"],
            email=owner["email"],
            name=owner["name"],
            orcid=owner["orcid"],
            password=None,
            is_admin=owner["is_admin"],
            is_active=True,
            created=moment(owner["created"]),
            updated=now(),
        )
    )


def _record(session: Session, body: dict[str, Any], concept: dict[str, Any]) -> None:
    said = body["record"]
    data = body["revisions"][-1]["data"]
    session.execute(
        insert(records).values(
            id=said["id"],
            concept_id=concept["id"],
            owner_id=concept["owner"]["id"],
            version=said["version"],
            data=orjson.dumps(data).decode(),
            title=data.get("metadata", {}).get("title", ""),
            doi=said["doi"],
            doi_state=said["doi_state"],
            record_access=said["access"]["record"],
            files_access=said["access"]["files"],
            embargo_until=said["access"]["embargo_until"],
            file_order=orjson.dumps(said["file_order"]).decode() if said["file_order"] else None,
            file_count=said["file_count"],
            total_bytes=said["total_bytes"],
            revision=said["revision"],
            created=moment(said["created"]),
            updated=moment(said["updated"]),
            withdrawn=moment(said["withdrawn"]),
            tombstone=orjson.dumps(said["tombstone"]).decode() if said["tombstone"] else None,
        )
    )
    if said["doi"]:
        _pid(session, said["doi"], "record", said["id"], said["pid_state"])
    session.execute(
        insert(revisions),
        [
            {
                "record_id": said["id"],
                "revision": r["revision"],
                "data": orjson.dumps(r["data"]).decode(),
                "actor": r["actor"],
                "at": moment(r["at"]),
            }
            for r in body["revisions"]
        ],
    )


def _pid(session: Session, doi: str, kind: str, subject_id: int, state: str | None) -> None:
    session.execute(
        insert(pids).values(
            value=doi.lower(),
            shown=doi,
            kind=kind,
            subject_id=subject_id,
            state=state or "reserved",
            updated=now(),
        )
    )


def _files(
    session: Session,
    concept: dict[str, Any],
    bodies: list[dict[str, Any]],
    listed: dict[int, list[dict[str, Any]]],
) -> None:
    """Fold the lists of all versions into spans: an object lives from its first to its last version."""
    spans: dict[str, tuple[dict[str, Any], int, int]] = {}
    newest_version = max(b["record"]["version"] for b in bodies)
    for body in bodies:
        version = body["record"]["version"]
        for f in listed[body["record"]["id"]]:
            if f["id"] in spans:
                said, first, last = spans[f["id"]]
                newer = f if version > last else said
                spans[f["id"]] = (newer, min(first, version), max(last, version))
            else:
                spans[f["id"]] = (f, version, version)
    if not spans:
        return
    stored = {f["instance"]: f for f, _, _ in spans.values()}
    known = set()
    ids = list(stored)
    for start in range(0, len(ids), 500):
        known |= set(
            session.execute(
                select(instances.c.id).where(instances.c.id.in_(ids[start : start + 500]))
            ).scalars()
        )
    fresh = [f for i, f in stored.items() if i not in known]
    if fresh:
        session.execute(
            insert(instances),
            [
                {
                    "id": f["instance"],
                    "size": f["size"],
                    "md5": f["md5"],
                    "sha256": f["sha256"],
                    "crc32": f["crc32"],
                    "store": f["store"],
                    "location": f["location"],
                    "created": moment(f["stored"]),
                }
                for f in fresh
            ],
        )
    session.execute(
        insert(objects),
        [
            {
                "id": f["id"],
                "concept_id": concept["id"],
                "key": f["key"],
                "key_fold": fold_key(f["key"]),
                "instance_id": f["instance"],
                "first_version": first,
                "last_version": None if last == newest_version else last,
                "version_id": f["version_id"],
                "mimetype": f["mimetype"],
                "created": moment(f["created"]),
                "updated": moment(f["updated"]),
            }
            for f, first, last in spans.values()
        ],
    )
