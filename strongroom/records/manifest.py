"""Manifests: plain JSON beside the bytes, enough to make the database again.

One file a published version, `manifests/<concept>/<record>-<stamp>.json`. The stamp is the concept's
revision when it was written: a newer manifest has a larger one and a reader takes the largest, so an
older manifest, written late, can never replace a newer. The list of files of a version never
changes; above `INLINE` files it lies apart in `<record>-files.json`, written once: whole, or as the
differences to the version before (whole at least every `FULL_EVERY` versions), so that publishing
costs what changed.

Manifests hold what nobody but the operator may read (restricted metadata, owners' addresses). They
are named by no location in the database, so no door can serve them; store buckets are private.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Integer, bindparam, cast, or_, select

from strongroom import pids
from strongroom.accounts.models import identities, users
from strongroom.db import AnyRow, Prepared, Session
from strongroom.errors import NotFound
from strongroom.files import quotas
from strongroom.files import service as files
from strongroom.files.models import instances, objects
from strongroom.ids import iso
from strongroom.records.models import concepts, records, revisions
from strongroom.sharing.models import grants
from strongroom.sharing.models import settings as access_settings
from strongroom.storage.base import PART, ObjectStore

FORMAT = 1
ROOT = "manifests/"
INLINE = 200
FULL_EVERY = 20


@dataclass(frozen=True)
class Manifest:
    """What is to be written for one version. `files` is None when the list is written already."""

    location: str
    body: dict[str, Any]
    stamp: int
    folder: str
    record_id: int
    first: bool  # nothing can have been written for this version before


# Made once: a manifest is written for every publish (decision 0007).
_RECORD = Prepared(select(records).where(records.c.id == bindparam("record_id")))
_CONCEPT = Prepared(select(concepts).where(concepts.c.id == bindparam("concept_id")))
_OWNER = Prepared(select(users).where(users.c.id == bindparam("user_id")))
_GRANTS = Prepared(
    select(
        *users.c, grants.c.permission, grants.c.origin, grants.c.expires, grants.c.created.label("given"),
    )
    .join(users, users.c.id == cast(grants.c.subject_id, Integer))
    .where(grants.c.concept_id == bindparam("concept_id"), grants.c.subject_type == "user")
    .order_by(grants.c.id)
)  # fmt: skip
# Of the owner and of those who were given something, in one statement.
_IDENTITIES = Prepared(
    select(identities)
    .where(
        or_(
            identities.c.user_id == bindparam("user_id"),
            identities.c.user_id.in_(
                select(users.c.id)
                .join(grants, users.c.id == cast(grants.c.subject_id, Integer))
                .where(grants.c.concept_id == bindparam("concept_id"), grants.c.subject_type == "user")
            ),
        )
    )
    .order_by(identities.c.id)
)
_SETTINGS = Prepared(select(access_settings).where(access_settings.c.concept_id == bindparam("concept_id")))
_REVISIONS = Prepared(
    select(revisions).where(revisions.c.record_id == bindparam("record_id")).order_by(revisions.c.revision)
)
_FILES = (
    select(
        objects.c.id, objects.c.version_id, objects.c.key, objects.c.mimetype, objects.c.created,
        objects.c.updated, instances.c.id.label("instance_id"), instances.c.size, instances.c.md5,
        instances.c.sha256, instances.c.crc32, instances.c.store, instances.c.location,
        instances.c.created.label("stored"), objects.c.metadata, objects.c.hidden,
    )
    .join(instances, instances.c.id == objects.c.instance_id)
    .where(files.in_version(bindparam("concept_id"), bindparam("version")))
    .order_by(objects.c.key)
)  # fmt: skip


def read(session: Session, record_id: int, *, first: bool = False) -> Manifest | None:
    """The state of now of one version as a manifest; None when there is no such record (any more).

    `first` says that none was asked for before: then there is no older one to remove.
    """
    row = _RECORD.on(session, {"record_id": record_id}).first()
    if row is None:
        return None
    concept = _CONCEPT.on(session, {"concept_id": row.concept_id}).one()
    owner = _OWNER.on(session, {"user_id": concept.owner_id}).one()
    linked = _identities(session, concept)
    body: dict[str, Any] = {
        "format": FORMAT,
        "stamp": concept.revision,
        "concept": {
            "id": concept.id,
            "doi": concept.doi,
            "doi_state": _doi_state(session, "concept", concept.id),
            "latest_id": concept.latest_id,
            "latest_version": concept.latest_version,
            "revision": concept.revision,
            "created": iso(concept.created),
            "updated": iso(concept.updated),
            "owner": _user(owner, linked),
            "contact_email": concept.contact_email,
            "grants": _grants(session, concept.id, linked),
            "access_settings": _settings(session, concept.id),
            "quotas": _quotas(session, concept),
        },
        "record": {
            "id": row.id,
            "version": row.version,
            "doi": row.doi,
            "doi_state": row.doi_state,
            "pid_state": _doi_state(session, "record", row.id),
            "access": {
                "record": row.record_access,
                "files": row.files_access,
                "embargo_until": row.embargo_until,
            },
            "file_order": orjson.loads(row.file_order) if row.file_order else None,
            "file_count": row.file_count,
            "total_bytes": row.total_bytes,
            "revision": row.revision,
            "created": iso(row.created),
            "updated": iso(row.updated),
            "withdrawn": iso(row.withdrawn) if row.withdrawn else None,
            "tombstone": orjson.loads(row.tombstone) if row.tombstone else None,
        },
        "revisions": [
            {"revision": r.revision, "at": iso(r.at), "actor": r.actor, "data": orjson.loads(r.data)}
            for r in _REVISIONS.on(session, {"record_id": record_id})
        ],
    }
    folder = f"{ROOT}{concept.id}/"
    if row.file_count <= INLINE:
        body["files"] = [_file(f) for f in _rows(session, row)]
    return Manifest(
        f"{folder}{record_id}-{concept.revision:010d}.json",
        body,
        concept.revision,
        folder,
        record_id,
        first,
    )


def _identities(session: Session, concept: AnyRow) -> Mapping[int, list[dict[str, Any]]]:
    """By whom those who are named can log in, by their numbers: whoever comes back finds his account."""
    found: dict[int, list[dict[str, Any]]] = {}
    for row in _IDENTITIES.on(session, {"user_id": concept.owner_id, "concept_id": concept.id}):
        found.setdefault(row.user_id, []).append(
            {
                "provider": row.provider,
                "issuer": row.issuer,
                "subject": row.subject,
                "label": row.label,
                "created": iso(row.created),
            }
        )
    return found


def _user(row: AnyRow, linked: Mapping[int, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "id": row.id,
        "email": row.email,
        "name": row.name,
        "orcid": row.orcid,
        "is_admin": row.is_admin,
        "created": iso(row.created),
        "profile": {
            "affiliations": row.affiliations,
            "visibility": row.visibility,
            "email_visibility": row.email_visibility,
            "revision": row.revision,
        },
        "is_active": row.is_active,
        "verified": row.verified,
        "blocked": iso(row.blocked) if row.blocked else None,
        "identities": linked.get(row.id, []),
    }


def _grants(
    session: Session, concept_id: int, linked: Mapping[int, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Who was given what, co-owners too. Share links are not kept: a manifest opens nothing."""
    return [
        {
            "user": _user(row, linked),
            "permission": row.permission,
            "origin": row.origin,
            "expires": iso(row.expires) if row.expires else None,
            "given": iso(row.given),
        }
        for row in _GRANTS.on(session, {"concept_id": concept_id})
    ]


def _settings(session: Session, concept_id: int) -> dict[str, Any] | None:
    row = _SETTINGS.on(session, {"concept_id": concept_id}).first()
    return {"askers": row.askers, "expiration_days": row.expiration_days} if row is not None else None


def _quotas(session: Session, concept: AnyRow) -> dict[str, Any]:
    """What moderators let this concept and its owner have."""
    return {
        kind: {
            "bytes": row.bytes,
            "max_file_bytes": row.max_file_bytes,
            "notes": row.notes,
            "actor": row.actor,
            "changed": iso(row.changed),
        }
        for kind, row in quotas.rows_of(session, concept.id, concept.owner_id).items()
    }


def _doi_state(session: Session, kind: str, subject_id: int) -> str | None:
    row = pids.of(session, kind, subject_id)
    return row.state if row is not None else None


def write(store: ObjectStore, manifest: Manifest, *, again: bool = True) -> None:
    """Write one manifest, then remove the older ones of the same version, and what a killed writer left.

    There is nothing to remove, and so nothing is listed, when it is the first and not tried `again`. Only one job at a time writes for a version. Were there two (a lease ran out), the one whose unfinished
    file is removed here fails and is tried again.
    """
    store.put(manifest.location, _dump(manifest.body))
    if manifest.first and not again:
        return
    own = f"{manifest.folder}{manifest.record_id}-"
    for entry in store.list(manifest.folder):
        if not entry.location.startswith(own):
            continue
        stamp = stamp_of(entry.location)
        if (stamp is not None and stamp < manifest.stamp) or entry.location.endswith(PART):
            store.delete(entry.location)


def write_files(session: Session, store: ObjectStore, manifest: Manifest) -> None:
    """Write the list of a large version's files, once. Reads the rows within `session`."""
    location = f"{manifest.folder}{manifest.record_id}-files.json"
    there = {entry.location for entry in store.list(manifest.folder)}
    if location in there:
        return
    row = session.execute(select(records).where(records.c.id == manifest.record_id)).one()
    before = session.execute(
        select(records.c.id).where(
            records.c.concept_id == row.concept_id, records.c.version == row.version - 1
        )
    ).scalar()
    # Differences to a list that is not there (yet) would be of no use after a loss.
    told = before is not None and any(name.startswith(f"{manifest.folder}{before}-") for name in there)
    if not told or row.version % FULL_EVERY == 1:
        body: dict[str, Any] = {"format": FORMAT, "files": [_file(f) for f in _rows(session, row)]}
    else:
        added = _rows(session, row, objects.c.first_version == row.version)
        gone = session.execute(
            select(objects.c.id).where(
                objects.c.concept_id == row.concept_id, objects.c.last_version == row.version - 1
            )
        ).scalars()
        body = {
            "format": FORMAT,
            "predecessor": before,
            "added": [_file(f) for f in added],
            "removed": list(gone),
        }
    store.put(location, _dump(body))


def _rows(session: Session, record: AnyRow, *more: Any) -> Iterator[AnyRow]:
    query = _FILES.where(*more) if more else _FILES
    yield from session.execute(query, {"concept_id": record.concept_id, "version": record.version})


def _file(row: AnyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "version_id": row.version_id,
        "key": row.key,
        "mimetype": row.mimetype,
        "created": iso(row.created),
        "updated": iso(row.updated),
        "instance": row.instance_id,
        "size": row.size,
        "md5": row.md5,
        "sha256": row.sha256,
        "crc32": row.crc32,
        "store": row.store,
        "location": row.location,
        "stored": iso(row.stored),
        "metadata": orjson.loads(row.metadata) if row.metadata else None,
        "hidden": bool(row.hidden),
    }


def _dump(body: dict[str, Any]) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_INDENT_2)


def stamp_of(location: str) -> int | None:
    """The stamp in a manifest's name; None for lists of files and anything else."""
    tail = location.rsplit("/", 1)[-1].removesuffix(".json").partition("-")[2]
    return int(tail) if tail.isdigit() else None


def newest_of_each(locations: Iterable[str]) -> dict[tuple[int, int], str]:
    """Of all manifest locations the newest of each (concept, record)."""
    found: dict[tuple[int, int], tuple[int, str]] = {}
    for location in locations:
        stamp = stamp_of(location)
        if stamp is None:
            continue
        _, concept, name = location.rsplit("/", 2)
        key = (int(concept), int(name.partition("-")[0]))
        if key not in found or found[key][0] < stamp:
            found[key] = (stamp, location)
    return {key: location for key, (_, location) in found.items()}


def list_of(store: ObjectStore, body: dict[str, Any]) -> dict[str, Any]:
    """A version's list as it was written: `files`, or `predecessor`, `added` and `removed`. Raises NotFound."""
    if "files" in body:
        return body
    location = f"{ROOT}{body['concept']['id']}/{body['record']['id']}-files.json"
    return orjson.loads(store.get(location))  # type: ignore[no-any-return]


def files_of(store: ObjectStore, body: dict[str, Any]) -> list[dict[str, Any]]:
    """All files of the version a manifest is about, following predecessors where only differences are kept."""
    if "files" in body:
        return list(body["files"])
    folder = f"{ROOT}{body['concept']['id']}/"
    chain: list[dict[str, Any]] = []
    record_id = body["record"]["id"]
    while True:
        try:
            listed = orjson.loads(store.get(f"{folder}{record_id}-files.json"))
        except NotFound:
            # The predecessor was small: its list stands in its own manifest.
            names = newest_of_each(e.location for e in store.list(folder))
            concept_id = body["concept"]["id"]
            if (concept_id, record_id) not in names:
                raise
            listed = orjson.loads(store.get(names[concept_id, record_id]))
        if "files" in listed:
            found = {f["id"]: f for f in listed["files"]}
            break
        chain.append(listed)
        record_id = listed["predecessor"]
    for step in reversed(chain):
        for gone in step["removed"]:
            found.pop(gone, None)
        for added in step["added"]:
            found[added["id"]] = added
    return sorted(found.values(), key=lambda f: f["key"].encode())


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
