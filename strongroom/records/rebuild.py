"""Make the database again from the store alone.

Reads the newest manifest of every version and writes users, concepts, records, revisions, files and
DOI states as they were, ids and times included. Owners come back without password and token: they log in
by the identities that were linked, or claim their accounts by a link to their address. Drafts are not in manifests; what was never published is lost with the database.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar

import orjson
from sqlalchemy import delete, func, insert, select, update

from strongroom import changes
from strongroom.accounts.identities import STAND_IN
from strongroom.accounts.models import identities, users
from strongroom.db import Database, Session
from strongroom.errors import Conflict, NotFound
from strongroom.files import quotas
from strongroom.files.models import instances, objects
from strongroom.files.service import fold_key
from strongroom.ids import now
from strongroom.jobs import queue
from strongroom.metadata.model import RecordData
from strongroom.pids import pids
from strongroom.records import manifest
from strongroom.records.manifest import moment
from strongroom.records.models import concepts, records, revisions
from strongroom.sharing.models import grants
from strongroom.sharing.models import settings as access_settings
from strongroom.storage.base import ObjectStore


def rebuild(db: Database, store: ObjectStore, say: Callable[[str], None] = lambda _: None) -> dict[str, int]:
    """Fill an empty database from the store's manifests. Raises Conflict when it is not empty.

    Returns how many users, concepts and records there are now, and how many concepts have manifests that
    can't be read (`broken`; `say` names them): these are left out, all others come back. One transaction
    a concept; run on an empty database only, so a run that was broken off starts again on a fresh one.
    """
    with db.read() as session:
        # Accounts too: an owner's number may be somebody else's in there.
        if any(session.execute(select(func.count()).select_from(t)).scalar_one() for t in (concepts, users)):
            raise Conflict(
                "The database holds records or accounts already: rebuild fills an empty one. "
                "Move the old database away first."
            )
    newest = manifest.newest_of_each(e.location for e in store.list(manifest.ROOT))
    by_concept: dict[int, list[str]] = defaultdict(list)
    highest = 0
    for (concept_id, record_id), location in newest.items():
        by_concept[concept_id].append(location)
        highest = max(highest, concept_id, record_id)
    done = broken = 0
    for number, concept_id in enumerate(sorted(by_concept), 1):
        try:
            bodies = [orjson.loads(store.get(location)) for location in by_concept[concept_id]]
            spans = _spans(store, sorted(bodies, key=lambda b: b["record"]["version"]))
        except (orjson.JSONDecodeError, KeyError, NotFound) as error:
            broken += 1
            say(f"concept {concept_id} is left out, a manifest of it can't be read: {error!r}")
            continue
        highest = max(highest, *(b["concept"]["latest_id"] or 0 for b in bodies))
        with db.begin() as session:
            _concept(session, bodies, spans, say)
        done += len(bodies)
        if number % 1000 == 0:
            say(f"{done} records")
    with db.begin() as session:
        if highest:
            db.raise_ids_past(session, highest)
        if not db.is_sqlite:
            session.exec_driver_sql(
                "SELECT setval(pg_get_serial_sequence('users', 'id'), max(id)) FROM users"
            )
        return {
            "users": session.execute(select(func.count()).select_from(users)).scalar_one(),
            "concepts": len(by_concept) - broken,
            "records": done,
            "broken": broken,
        }


def _concept(
    session: Session, bodies: list[dict[str, Any]], spans: list[Span], say: Callable[[str], None]
) -> None:
    newest = max(bodies, key=lambda b: b["stamp"])["concept"]
    _owner(session, newest["owner"], say)
    session.execute(
        insert(concepts).values(
            id=newest["id"],
            owner_id=newest["owner"]["id"],
            latest_id=_latest(newest, bodies),
            latest_version=newest["latest_version"],
            next_draft_id=None,
            doi=newest["doi"],
            contact_email=newest.get("contact_email"),  # manifests of before the form have none
            revision=newest["revision"],
            created=moment(newest["created"]),
            updated=moment(newest["updated"]),
        )
    )
    if newest["doi"]:
        _pid(session, newest["doi"], "concept", newest["id"], newest["doi_state"])
    _sharing(session, newest, say)
    _quotas(session, newest)
    for body in sorted(bodies, key=lambda b: b["record"]["version"]):
        _record(session, body, newest)
    _files(session, newest["id"], spans)
    for body in bodies:
        # What the registrar had not heard of yet when the database was lost; telling it twice does no harm.
        said = body["record"]
        if said["pid_state"] in ("reserved", "failed") or (
            said["withdrawn"] and said["doi_state"] == "registered"
        ):
            queue.enqueue(session, "doi.register", str(said["id"]), {"record_id": said["id"]})
    for body in sorted(bodies, key=lambda b: b["record"]["version"]):
        changes.append(session, "operator", "rebuilt", "record", body["record"]["id"])


def _latest(concept: dict[str, Any], bodies: list[dict[str, Any]]) -> int | None:
    """The latest version: the one the manifest names, or, if that one's own was never written, the newest there is."""
    there = {b["record"]["id"]: b["record"] for b in bodies}
    if concept["latest_id"] is None or concept["latest_id"] in there:
        return int(concept["latest_id"]) if concept["latest_id"] is not None else None
    shown = [r for r in there.values() if r["withdrawn"] is None]
    return int(max(shown, key=lambda r: r["version"])["id"]) if shown else None


def _sharing(session: Session, concept: dict[str, Any], say: Callable[[str], None]) -> None:
    """Grants and access settings; manifests of before there were any say nothing."""
    for grant in concept.get("grants") or []:
        _owner(session, grant["user"], say)
        session.execute(
            insert(grants).values(
                concept_id=concept["id"],
                subject_type="user",
                subject_id=str(grant["user"]["id"]),
                permission=grant["permission"],
                origin=grant["origin"],
                expires=moment(grant["expires"]),
                created=moment(grant["given"]),
            )
        )
    if concept.get("access_settings"):
        session.execute(
            insert(access_settings).values(concept_id=concept["id"], **concept["access_settings"])
        )


def _quotas(session: Session, concept: dict[str, Any]) -> None:
    """What moderators let the concept and its owner have; of the owner's, the newest that any manifest says."""
    ids = {quotas.CONCEPT: concept["id"], quotas.USER: concept["owner"]["id"]}
    for kind, said in (concept.get("quotas") or {}).items():
        changed = datetime.fromisoformat(said["changed"])
        there = quotas.rows_of(session, ids[quotas.CONCEPT], ids[quotas.USER]).get(kind)
        if there is None or there.changed < changed:
            quotas.put(
                session,
                kind,
                ids[kind],
                size=said["bytes"],
                max_file=said["max_file_bytes"],
                notes=said["notes"],
                actor=said["actor"],
                changed=changed,
            )


def _owner(session: Session, owner: dict[str, Any], say: Callable[[str], None]) -> None:
    """The account of an owner or of somebody who was given something, as the newest profile in any manifest says it."""
    # Manifests of before there were profiles say nothing: then nobody sees one.
    profile = owner.get("profile") or {
        "affiliations": "",
        "visibility": "restricted",
        "email_visibility": "restricted",
        "revision": 0,
    }
    there = session.execute(select(users.c.revision).where(users.c.id == owner["id"])).scalar()
    if there is not None and there >= profile["revision"]:
        return
    values = {
        "email": owner["email"],
        "name": owner["name"],
        "orcid": owner["orcid"],
        "is_admin": owner["is_admin"],
        "is_active": owner.get("is_active", True),
        "verified": owner.get("verified", False),
        "blocked": moment(owner.get("blocked")),
        "created": moment(owner["created"]),
        # A stand-in for an address that nobody confirmed (accounts/identities).
        "confirmed": None if owner["email"].endswith(".invalid") else moment(owner["created"]),
        "updated": now(),
        **profile,
    }
    taken = select(users.c.id).where(users.c.email == owner["email"], users.c.id != owner["id"])
    if session.execute(taken).first() is not None:
        # Two accounts became one, and not all manifests heard of it: who has the address is not told by chance.
        say(
            f"account {owner['id']} has the address {owner['email']} in a manifest, and another one in a newer: set by hand who has it"
        )
        values |= {"email": f"{secrets.token_hex(8)}{STAND_IN}", "confirmed": None}
    if there is not None:
        session.execute(update(users).where(users.c.id == owner["id"]).values(values))
    else:
        session.execute(insert(users).values(id=owner["id"], password=None, **values))
    _identities(session, owner["id"], owner.get("identities") or [])  # older manifests say nothing of them


def _identities(session: Session, user_id: int, said: list[dict[str, Any]]) -> None:
    """By whom an account can be logged in to. One that two accounts claim was moved: the later link counts."""
    session.execute(delete(identities).where(identities.c.user_id == user_id))
    for one in said:
        same = (identities.c.issuer == one["issuer"]) & (identities.c.subject == one["subject"])
        created = datetime.fromisoformat(one["created"])
        there = session.execute(select(identities.c.created).where(same)).scalar()
        if there is not None and there >= created:
            continue
        session.execute(delete(identities).where(same))
        session.execute(insert(identities).values(**{**one, "created": created}, user_id=user_id))


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
            title=RecordData.from_json(orjson.dumps(data).decode()).plain_title(),
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


# A file as its manifest says it, the first version that has it, and the last (None: the newest has it still).
Span = tuple[dict[str, Any], int, int | None]


def _spans(store: ObjectStore, bodies: list[dict[str, Any]]) -> list[Span]:
    """Fold the lists of all versions, oldest first, into spans.

    Where a version's list holds the differences to the one before, only these are read: the cost follows
    what changed, however many versions of however many files there are.
    """
    live: dict[str, tuple[dict[str, Any], int]] = {}
    spans: list[Span] = []
    before: tuple[int, int] | None = None  # (record id, version)
    for body in bodies:
        record_id, version = body["record"]["id"], body["record"]["version"]
        listed = manifest.list_of(store, body)
        if "files" not in listed and before is not None and listed["predecessor"] == before[0]:
            gone, added = listed["removed"], listed["added"]
        else:
            whole = {f["id"]: f for f in manifest.files_of(store, body)}
            gone = [i for i in live if i not in whole]
            added = [f for i, f in whole.items() if i not in live]
        for i in gone:
            file, first = live.pop(i)
            spans.append((file, first, before[1] if before else version - 1))
        live |= {f["id"]: (f, version) for f in added}
        before = record_id, version
    return spans + [(file, first, None) for file, first in live.values()]


def _files(session: Session, concept_id: int, spans: list[Span]) -> None:
    stored = {f["instance"]: f for f, _, _ in spans}
    for ids in _parts(list(stored)):
        for known in session.execute(select(instances.c.id).where(instances.c.id.in_(ids))).scalars():
            del stored[known]
    for files in _parts(list(stored.values())):
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
                for f in files
            ],
        )
    for part in _parts(spans):
        session.execute(
            insert(objects),
            [
                {
                    "id": f["id"],
                    "concept_id": concept_id,
                    "key": f["key"],
                    "key_fold": fold_key(f["key"]),
                    "instance_id": f["instance"],
                    "first_version": first,
                    "last_version": last,
                    "version_id": f["version_id"],
                    "mimetype": f["mimetype"],
                    "created": moment(f["created"]),
                    "updated": moment(f["updated"]),
                    "metadata": orjson.dumps(f["metadata"]).decode() if f.get("metadata") else None,
                    "hidden": f.get("hidden", False),
                }
                for f, first, last in part
            ],
        )


Item = TypeVar("Item")


def _parts(items: list[Item], size: int = 500) -> Iterator[list[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
