"""Verbs of files: list, reserve room, attach, delete, rename, carry over, sweep.

A `Bucket` names the files of one version. Bytes never pass through here: the door streams them into
the store between `reserve` and `attach`, with no transaction open (design, first journey).
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Any

import orjson
from sqlalchemy import and_, bindparam, case, delete, exists, func, insert, or_, select, union_all, update

from strongroom.db import AnyRow, Database, Prepared, Session, insert_row, metadata, moment
from strongroom.errors import Finding, Invalid, NotFound, StorageFull, TooLarge
from strongroom.files import quotas
from strongroom.files.keys import check_key, fold_case, fold_normal, parents
from strongroom.files.models import instances, objects, tallies, transfers, uploads
from strongroom.files.views import FileView
from strongroom.ids import new_key, new_uuid, now
from strongroom.jobs import queue
from strongroom.settings import Settings

HEARTBEAT_SECONDS = 60
_FEW = 50


@dataclass(frozen=True, slots=True)
class Bucket:
    """The files of one version of one concept; `open` when they may change."""

    record_id: int
    concept_id: int
    version: int
    owner_id: int
    open: bool
    file_order: str | None = None

    @property
    def id(self) -> str:
        return bucket_id(self.record_id)


@lru_cache(4096)
def bucket_id(record_id: int) -> str:
    """The bucket's UUID: a function of the record's id, so that it needs no table and survives a rebuild.

    It is a name, not a secret: whether its files may be read is decided by access. The upper half
    is a checksum of the number, so that a mistyped UUID names nothing.
    """
    low = record_id & ((1 << 62) - 1)
    high = int.from_bytes(blake2b(record_id.to_bytes(8, "big"), digest_size=8, person=b"bucket").digest())
    bits = (high << 64) | low
    return str(uuid.UUID(int=(bits & ~(0xF << 76) & ~(0x3 << 62)) | (8 << 76) | (2 << 62)))


def record_of_bucket(bucket: str) -> int | None:
    """The record id that a bucket's UUID names, or None when it is no bucket of ours."""
    try:
        record_id = uuid.UUID(bucket).int & ((1 << 62) - 1)
        return record_id if bucket_id(record_id) == str(uuid.UUID(bucket)) else None
    except (ValueError, OverflowError):
        return None


_COLUMNS = (
    objects.c.id, objects.c.version_id, objects.c.key, instances.c.size, instances.c.md5,
    instances.c.sha256, instances.c.crc32, objects.c.mimetype, objects.c.created, objects.c.updated,
    instances.c.store, instances.c.location, objects.c.metadata, objects.c.hidden,
)  # fmt: skip


def in_version(concept_id: Any, version: Any) -> Any:
    return and_(
        objects.c.concept_id == concept_id,
        objects.c.first_version <= version,
        or_(objects.c.last_version.is_(None), objects.c.last_version >= version),
    )


# Statements of the deposit path are made once: making one costs more than running it (decision 0007).
_HERE = in_version(bindparam("concept_id"), bindparam("version"))
_FILES = select(*_COLUMNS).join(instances, instances.c.id == objects.c.instance_id).where(_HERE)
_LIST = Prepared(_FILES.order_by(objects.c.key))
_BY_KEY = Prepared(_FILES.where(objects.c.key == bindparam("key")))
_BY_ID = Prepared(_FILES.where(objects.c.id == bindparam("id")))
_CURRENT = Prepared(
    select(objects, instances.c.size)
    .join(instances, instances.c.id == objects.c.instance_id)
    .where(_HERE, objects.c.key == bindparam("key"))
)
_MEASURE = Prepared(
    select(func.count(), func.coalesce(func.sum(instances.c.size), 0))
    .select_from(objects)
    .join(instances, instances.c.id == objects.c.instance_id)
    .where(_HERE)
)
_EQUAL = Prepared(
    select(instances.c.id, instances.c.md5, instances.c.crc32, instances.c.location)
    .where(
        instances.c.sha256 == bindparam("sha256"),
        instances.c.size == bindparam("size"),
        instances.c.store == bindparam("store"),  # bytes of another store may be out of reach
    )
    .limit(1)
    .with_for_update()
)
_TALLY = Prepared(
    select(tallies.c.files, tallies.c.bytes).where(
        tallies.c.concept_id == bindparam("concept_id"), tallies.c.version == bindparam("version")
    )
)
_ALL_VERSIONS = tallies.c.version == 0
_MOVE_TALLIES = Prepared(
    update(tallies)
    .where(
        tallies.c.concept_id == bindparam("concept_id"),
        or_(_ALL_VERSIONS, tallies.c.version == bindparam("nth")),
    )
    .values(
        files=tallies.c.files + case((_ALL_VERSIONS, bindparam("rows")), else_=bindparam("more")),
        bytes=tallies.c.bytes + case((_ALL_VERSIONS, bindparam("row_bytes")), else_=bindparam("more_bytes")),
    )
)
_FORGET_TALLIES = Prepared(
    delete(tallies).where(
        tallies.c.concept_id == bindparam("concept_id"),
        or_(_ALL_VERSIONS, tallies.c.version == bindparam("nth")),
    )
)
_ANNOUNCED = Prepared(
    select(transfers.c.id, transfers.c.store, transfers.c.location, transfers.c.handle).where(
        transfers.c.draft_id == bindparam("draft_id"), transfers.c.key == bindparam("key")
    )
)
_END_UPLOAD = Prepared(delete(uploads).where(uploads.c.location == bindparam("at")))


# A page is found in two steps: which key it begins with, from an index alone (`ix_objects_listed`), then its files.
_KEYS = select(objects.c.key).where(_HERE)
_NTH_KEY = Prepared(_KEYS.order_by(objects.c.key).limit(1).offset(bindparam("skip")))
_NTH_KEY_FROM_END = Prepared(_KEYS.order_by(objects.c.key.desc()).limit(1).offset(bindparam("skip")))
_FROM_KEY = Prepared(
    _FILES.where(objects.c.key >= bindparam("key")).order_by(objects.c.key).limit(bindparam("most"))
)


@cache
def _beside(folders: int) -> Prepared:
    """Keys that a new one may clash with: of files named as its folders (so many), of two in it, of its twins."""
    above = [_KEYS.where(objects.c.key == bindparam(f"above_{n}")) for n in range(folders)]
    inside = (
        _KEYS.where(objects.c.key > bindparam("low"), objects.c.key < bindparam("high"))
        .order_by(objects.c.key)
        .limit(2)
        .subquery()
    )
    twins = _KEYS.where(objects.c.key_fold == bindparam("fold"), objects.c.key != bindparam("key"))
    return Prepared(union_all(*above, select(inside.c.key), twins))


def _view(row: Any) -> FileView:
    return FileView(*row)


def _of(bucket: Bucket, **more: object) -> dict[str, object]:
    return {"concept_id": bucket.concept_id, "version": bucket.version, **more}


def list_files(session: Session, bucket: Bucket, limit: int | None = None) -> list[FileView]:
    """All files of the version: in the depositor's order, new ones and all others by key's bytes.

    With `limit` the first so many of this list.
    """
    if limit is not None and not bucket.file_order:
        return [_view(row) for row in _FROM_KEY.on(session, _of(bucket, key="", most=limit))]
    if limit is not None:
        chosen = orjson.loads(bucket.file_order or "[]")[:limit]
        found = [
            _view(row)
            for part in _parts(chosen)
            for row in session.execute(_FILES.where(objects.c.id.in_(part)), _of(bucket))
        ]
        if len(found) == limit:
            return _ordered(bucket, found)
        # Some of those chosen were deleted since, or there are not so many.
    rows = _LIST.on(session, _of(bucket)).all()
    return _ordered(bucket, [_view(row) for row in rows])[:limit]


_SHOWN = """o.id, o.version_id, o.key, i.size, i.md5, i.sha256, i.crc32, o.mimetype, o.created, o.updated,
    i.store, i.location, o.metadata, o.hidden"""
_MANY = f"""SELECT {_SHOWN}, o.concept_id, o.first_version, o.last_version
    FROM objects o JOIN file_instances i ON i.id = o.instance_id"""
_HOT = f"""SELECT {_SHOWN} FROM objects o JOIN file_instances i ON i.id = o.instance_id
    WHERE o.concept_id = ? AND o.first_version <= ? AND (o.last_version IS NULL OR o.last_version >= ?)
    ORDER BY o.key"""


def list_files_hot(db: Database, bucket: Bucket) -> list[FileView]:
    """`list_files` of a published version by one hand-written SELECT; its files never change."""
    return _ordered(
        bucket,
        [_from_hot(row) for row in db.hot(_HOT, bucket.concept_id, bucket.version, bucket.version)],
    )


def _from_hot(row: Any) -> FileView:
    """A file from `_SHOWN`, times as the database gives them."""
    return _view((*row[:8], moment(row[8]), moment(row[9]), row[10], row[11], row[12], bool(row[13])))


def list_files_of(session: Session, buckets: Sequence[Bucket]) -> dict[int, list[FileView]]:
    """The files of several versions by record id, in one statement (a page of search results)."""
    if not buckets:
        return {}
    # Numbers of ours, written into the statement: building ten of these conditions costs ten times their answer.
    wanted = " OR ".join(
        f"(o.concept_id = {b.concept_id:d} AND o.first_version <= {b.version:d} "
        f"AND (o.last_version IS NULL OR o.last_version >= {b.version:d}))"
        for b in buckets
    )
    rows = session.exec_driver_sql(f"{_MANY} WHERE {wanted} ORDER BY o.key").all()
    of_concept: dict[int, list[AnyRow]] = defaultdict(list)
    for row in rows:
        of_concept[row.concept_id].append(row)
    found: dict[int, list[FileView]] = {}
    for b in buckets:
        mine = [
            _from_hot(row)
            for row in of_concept[b.concept_id]
            if row.first_version <= b.version and (row.last_version is None or row.last_version >= b.version)
        ]
        found[b.record_id] = _ordered(b, mine)
    return found


def head_of(session: Session, buckets: Sequence[Bucket], limit: int) -> dict[int, Sequence[AnyRow]]:
    """For the index: (key, size, md5, sha256) of the first `limit` files of each version, by record id."""
    found: dict[int, Sequence[AnyRow]] = {}
    for b in buckets:
        found[b.record_id] = session.execute(
            select(objects.c.key, instances.c.size, instances.c.md5, instances.c.sha256)
            .join(instances, instances.c.id == objects.c.instance_id)
            .where(in_version(b.concept_id, b.version))
            .order_by(objects.c.key)
            .limit(limit)
        ).all()
    return found


def _ordered(bucket: Bucket, found: list[FileView]) -> list[FileView]:
    if bucket.file_order:
        rank = {file_id: n for n, file_id in enumerate(orjson.loads(bucket.file_order))}
        found.sort(key=lambda f: rank.get(f.id, len(rank)))
    return found


def find(session: Session, bucket: Bucket, key: str) -> FileView:
    """The file of this key. Raises NotFound."""
    row = _BY_KEY.on(session, _of(bucket, key=key)).first()
    if row is None:
        raise NotFound(f"Record '{bucket.record_id}' has no file '{key}'.")
    return _view(row)


def has(session: Session, bucket: Bucket, key: str) -> bool:
    return _current(session, bucket, key) is not None


def find_by_id(session: Session, bucket: Bucket, file_id: str) -> FileView:
    """The file of this id. Raises NotFound."""
    row = _BY_ID.on(session, _of(bucket, id=file_id)).first()
    if row is None:
        raise NotFound("File does not exist.")
    return _view(row)


def page_of(session: Session, bucket: Bucket, offset: int, limit: int) -> list[FileView]:
    """One page of a version's files, in the order of `list_files`."""
    if bucket.file_order:
        return list_files(session, bucket)[offset : offset + limit]
    if not offset:
        return list_files(session, bucket, limit)
    of_version = _of(bucket)
    tally = _TALLY.on(session, of_version).first()
    count = int(tally[0]) if tally is not None else None
    if count is not None and offset >= count:
        return []
    # Skipping costs by the entries skipped: from whichever end is nearer.
    if count is not None and offset > count // 2:
        nth = _NTH_KEY_FROM_END.on(session, {**of_version, "skip": count - 1 - offset})
    else:
        nth = _NTH_KEY.on(session, {**of_version, "skip": offset})
    first = nth.scalar()
    if first is None:
        return []
    return [_view(row) for row in _FROM_KEY.on(session, {**of_version, "key": first, "most": limit})]


def measure(session: Session, concept_id: int, version: int) -> tuple[int, int]:
    """(number of files, bytes) of a version."""
    row = _TALLY.on(session, {"concept_id": concept_id, "version": version}).first()
    return (int(row[0]), int(row[1])) if row is not None else count_files(session, concept_id, version)


def count_files(session: Session, concept_id: int, version: int) -> tuple[int, int]:
    """`measure` by counting, whatever is written down: for versions begun before tallies, and for audits."""
    row = _MEASURE.on(session, {"concept_id": concept_id, "version": version}).one()
    return int(row[0]), int(row[1])


def keep_tally(session: Session, concept_id: int, version: int) -> tuple[int, int]:
    """`measure`, written down for the next time: then it costs the same however many files there are."""
    row = _TALLY.on(session, {"concept_id": concept_id, "version": version}).first()
    if row is not None:
        return int(row[0]), int(row[1])
    if version:
        found = count_files(session, concept_id, version)
    else:
        row = session.execute(_rows_of(concept_id)).one()
        found = int(row[0]), int(row[1])
    begin_tally(session, concept_id, version, *found)
    return found


def _rows_of(concept_id: Any) -> Any:
    return (
        select(func.count(), func.coalesce(func.sum(instances.c.size), 0))
        .select_from(objects)
        .join(instances, instances.c.id == objects.c.instance_id)
        .where(objects.c.concept_id == concept_id)
    )


def _tell(
    session: Session, bucket: Bucket, *, more: int = 0, more_bytes: int = 0, rows: int = 0, row_bytes: int = 0
) -> None:
    """Move the tallies that are kept: by files and bytes of this version, by object rows of the concept."""
    _MOVE_TALLIES.on(
        session,
        {
            "concept_id": bucket.concept_id,
            "nth": bucket.version,
            "more": more,
            "more_bytes": more_bytes,
            "rows": rows,
            "row_bytes": row_bytes,
        },
    )


def begin_tally(session: Session, concept_id: int, version: int, count: int, size: int) -> None:
    """Write down what a version begins with (files, bytes): verbs of files keep it right from here on."""
    insert_row(
        session, tallies, {"concept_id": concept_id, "version": version, "files": count, "bytes": size}
    )


def _forget_tallies(session: Session, concept_id: int, version: int) -> None:
    _FORGET_TALLIES.on(session, {"concept_id": concept_id, "nth": version})


def user_bytes(session: Session, user_id: int) -> int:
    """Bytes that count for this user's quota: of all files of his concepts, one that versions share once."""
    concepts = metadata.tables["concepts"]  # only its owner is read; the noun stands above this one
    counted = _rows_of(concepts.c.id).with_only_columns(func.coalesce(func.sum(instances.c.size), 0))
    return int(
        session.execute(
            select(
                func.coalesce(
                    func.sum(func.coalesce(tallies.c.bytes, counted.correlate(concepts).scalar_subquery())), 0
                )
            )
            .select_from(concepts)
            .outerjoin(tallies, and_(tallies.c.concept_id == concepts.c.id, _ALL_VERSIONS))
            .where(concepts.c.owner_id == user_id)
        ).scalar_one()
    )


def on_their_way(session: Session, *, concept_id: int | None = None, user_id: int | None = None) -> AnyRow:
    """(files, bytes) that uploads and announced files of a concept or user will need, as far as it is known."""

    def of(table: Any) -> Any:
        return table.c.concept_id == concept_id if concept_id is not None else table.c.user_id == user_id

    held = func.coalesce(transfers.c.held_size, case((transfers.c.type == "M", transfers.c.size), else_=0))
    coming = select(func.count(), func.coalesce(func.sum(uploads.c.reserved), 0)).where(of(uploads))
    named = select(func.count(), func.coalesce(func.sum(held), 0)).where(of(transfers))
    one, two = session.execute(coming).one(), session.execute(named).one()
    return one[0] + two[0], int(one[1]) + int(two[1])


def check_name(session: Session, bucket: Bucket, key: str, *, replacing: str | None = None) -> list[Finding]:
    """Refuse keys that can't stand beside the others (Invalid); return warnings for those that differ in case."""
    check_key(key)
    folders = list(parents(key))
    wanted: dict[str, object] = {f"above_{n}": folder for n, folder in enumerate(folders)}
    wanted |= _of(bucket, key=key, low=key + "/", high=key + "0", fold=fold_key(key))
    found = [k for k in _beside(len(folders)).on(session, wanted).scalars() if k != replacing]
    if not found:
        return []
    above = next((k for k in folders if k in found), None)
    if above is not None:
        raise Invalid.at(
            "key", f"{key!r} can't be stored: {above!r} is a file here, so it can't be a folder."
        )
    inside = next((k for k in found if k.startswith(key + "/")), None)
    if inside is not None:
        raise Invalid.at("key", f"{key!r} can't be stored: it is a folder here, holding {inside!r}.")
    warnings = []
    for twin in found:
        if fold_normal(twin) == fold_normal(key):
            raise Invalid.at(
                "key",
                f"{key!r} can't be stored: {twin!r} is the same name in another Unicode normal form.",
            )
        warnings.append(
            Finding.of("key", f"{key!r} and {twin!r} differ only in case: some systems can't keep both.")
        )
    return warnings


def fold_key(key: str) -> str:
    return fold_case(fold_normal(key))


@dataclass(frozen=True, slots=True)
class Room:
    """Where an upload may go: its location, and the most bytes it may have (None: no bound)."""

    location: str
    max_size: int | None
    by_disk: bool = False  # the bound is the disk's, no quota's


def reserve(
    session: Session,
    bucket: Bucket,
    key: str | None,
    user_id: int,
    size: int | None,
    location: str,
    store: str,
    settings: Settings,
    free: int | None,
    announced: int = 0,
) -> Room:
    """Reserve room for one upload of `size` bytes (None: unknown). Raises TooLarge, StorageFull.

    `announced` is what `on_their_way` counts of this very file already: it has a transfer's row (and these bytes).

    The upload row is what the sweep reads: bytes at `location` belong to nobody until `attach`.
    """
    limits = quotas.limits_of(session, bucket.concept_id, bucket.owner_id, settings)
    # Whether it is counted as announced already matters only where files are counted.
    named = (
        settings.quota_record_files
        and _ANNOUNCED.on(session, {"draft_id": bucket.record_id, "key": key or ""}).first()
    )
    room = room_left(session, bucket, key, user_id, settings, new=0 if named else 1, limits=limits)
    if room is not None:
        room += announced
    largest = limits.file
    if largest is not None:
        room = largest if room is None else min(room, largest)
    if room is not None and (room < 0 or (size or 0) > room):
        raise TooLarge(
            f"File size limit exceeded. {max(room, 0):,} bytes are left here, the file has "
            f"{'more' if size is None else f'{size} bytes'}."
        )
    by_disk = False
    if free is not None:
        left = free - settings.disk_reserve_bytes
        if left < (size or 0):
            raise StorageFull()
        by_disk = room is None or left < room
        room = left if room is None else min(room, left)
    started = now()
    insert_row(
        session,
        uploads,
        {
            "location": location,
            "store": store,
            "concept_id": bucket.concept_id,
            "user_id": user_id,
            "reserved": size or 0,
            "started": started,
            "heartbeat": started,
        },
    )
    return Room(location, room, by_disk)


def room_left(
    session: Session,
    bucket: Bucket,
    key: str | None,
    user_id: int,
    settings: Settings,
    *,
    new: int = 1,
    limits: quotas.Limits | None = None,
) -> int | None:
    """Bytes that the quotas still allow for a file of this name (None: no quota), with `new` files more.

    What it would replace is credited. `limits` are the quotas where the caller looked already. Raises TooLarge
    where a record may not have so many files.
    """
    if limits is None:
        limits = quotas.limits_of(session, bucket.concept_id, bucket.owner_id, settings)
    if not (limits.record or settings.quota_record_files or limits.user):
        return None
    bounds: list[int] = []
    former = _CURRENT.on(session, _of(bucket, key=key or "")).first()
    if limits.record or settings.quota_record_files:
        count, used = keep_tally(session, bucket.concept_id, bucket.version)
        pending, coming = on_their_way(session, concept_id=bucket.concept_id)
        if (
            settings.quota_record_files
            and former is None
            and new
            and count + pending + new > settings.quota_record_files
        ):
            raise TooLarge(
                "Uploading selected files will result in exceeding the max amount per record: "
                f"{settings.quota_record_files} files. Pack several files into one archive."
            )
        if limits.record:
            bounds.append(limits.record - used + (former.size if former else 0) - coming)
    if limits.user:
        keep_tally(session, bucket.concept_id, 0)
        _, coming = on_their_way(session, user_id=user_id)
        # What an older version has stays stored.
        freed = former.size if former is not None and former.first_version == bucket.version else 0
        bounds.append(limits.user - user_bytes(session, bucket.owner_id) + freed - coming)
    return min(bounds) if bounds else None


def check_quotas(session: Session, bucket: Bucket, settings: Settings) -> None:
    """Look again when a file was attached: others, of unknown size, may have come meanwhile. Raises TooLarge."""
    limits = quotas.limits_of(session, bucket.concept_id, bucket.owner_id, settings)
    if limits.record or settings.quota_record_files:
        count, used = keep_tally(session, bucket.concept_id, bucket.version)
        if settings.quota_record_files and count > settings.quota_record_files:
            raise TooLarge(f"A record may have {settings.quota_record_files} files here.")
        if limits.record and used > limits.record:
            raise TooLarge(f"File size limit exceeded. A record may have {limits.record:,} bytes.")
    if limits.file:
        largest = _FILES.with_only_columns(func.max(instances.c.size)).where(
            objects.c.first_version == bucket.version
        )
        if (session.execute(largest, _of(bucket)).scalar() or 0) > limits.file:
            raise TooLarge(f"File size limit exceeded. A file may have {limits.file:,} bytes here.")
    if limits.user:
        # One at a time of one user, whichever drafts they are for.
        users = metadata.tables["users"]
        session.execute(select(users.c.id).where(users.c.id == bucket.owner_id).with_for_update())
        if user_bytes(session, bucket.owner_id) > limits.user:
            raise TooLarge(f"File size limit exceeded. A user may have {limits.user:,} bytes.")


def heartbeat(session: Session, location: str) -> None:
    session.execute(update(uploads).where(uploads.c.location == location).values(heartbeat=now()))


def is_pending(session: Session, location: str) -> bool:
    """Whether the upload's bytes still have no name. Waits for a transaction that is just giving them one."""
    wanted = select(uploads.c.location).where(uploads.c.location == location).with_for_update()
    return session.execute(wanted).first() is not None


def release(session: Session, location: str) -> None:
    """Forget an upload whose bytes are gone already."""
    session.execute(delete(uploads).where(uploads.c.location == location))


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes that lie in the store, whole and durable."""

    store: str
    location: str
    size: int
    md5: str
    sha256: str
    crc32: int


def attach(session: Session, bucket: Bucket, key: str, stored: Stored, mimetype: str) -> FileView:
    """Give stored bytes a name in the bucket; replaces a former file of that key. Deletes the upload row.

    Equal bytes that are stored already are reused: ours then belong to nobody and are removed by a job.
    Reuse happens only now, after all bytes came, so timing tells nothing about what the store holds.
    """
    taken = _END_UPLOAD.on(session, {"at": stored.location})
    if taken.rowcount == 0:
        # The sweep gave this upload up (no heartbeat): its bytes may be gone already.
        raise Invalid.at("file", "The upload was given up after a long silence: send it again.")
    for announced in _ANNOUNCED.on(session, {"draft_id": bucket.record_id, "key": key}):
        # The same file was announced through the other API: what came takes its place.
        session.execute(delete(transfers).where(transfers.c.id == announced.id))
        drop_later(session, announced)
    return adopt(session, bucket, key, stored, mimetype)


def adopt(
    session: Session,
    bucket: Bucket,
    key: str,
    stored: Stored,
    mimetype: str,
    *,
    about: str | None = None,
    hidden: bool | None = None,
) -> FileView:
    """`attach`, for bytes that no upload row names. `about` is the file's metadata as JSON.

    Where `about` or `hidden` is None, that of a former file of this key stays.
    """
    equal = _EQUAL.on(session, {"sha256": stored.sha256, "size": stored.size, "store": stored.store}).first()
    if equal is not None:
        instance_id = equal.id
        remove_bytes_later(session, stored.store, stored.location, 0)
        stored = replace(stored, md5=equal.md5, crc32=equal.crc32, location=equal.location)
    else:
        instance_id = new_uuid()
        insert_row(
            session,
            instances,
            {
                "id": instance_id,
                "size": stored.size,
                "md5": stored.md5,
                "sha256": stored.sha256,
                "crc32": stored.crc32,
                "store": stored.store,
                "location": stored.location,
                "created": now(),
            },
        )
    row = _name(session, bucket, key, instance_id, stored.size, mimetype, about, hidden)
    # All of it is known here: reading it again would cost as much as writing it.
    return FileView(
        id=row["id"],
        version_id=row["version_id"],
        key=key,
        size=stored.size,
        md5=stored.md5,
        sha256=stored.sha256,
        crc32=stored.crc32,
        mimetype=mimetype,
        created=row["created"],
        updated=row["updated"],
        store=stored.store,
        location=stored.location,
        metadata=row["metadata"],
        hidden=row["hidden"],
    )


def _name(
    session: Session,
    bucket: Bucket,
    key: str,
    instance_id: str,
    size: int,
    mimetype: str,
    about: str | None = None,
    hidden: bool | None = None,
) -> dict[str, Any]:
    """Put an object row for `key`, closing or removing the one that stood there; the row's values."""
    moment = now()
    created = moment
    former = _current(session, bucket, key)
    if former is not None:
        _close(session, bucket, [former])
        if former.first_version == bucket.version:
            created = former.created
        about = former.metadata if about is None else about
        hidden = former.hidden if hidden is None else hidden
    _tell(session, bucket, more=1, more_bytes=size, rows=1, row_bytes=size)
    row = {
        "id": new_uuid(),
        "concept_id": bucket.concept_id,
        "key": key,
        "key_fold": fold_key(key),
        "instance_id": instance_id,
        "first_version": bucket.version,
        "last_version": None,
        "version_id": new_uuid(),
        "mimetype": mimetype,
        "created": created,
        "updated": moment,
        "metadata": about,
        "hidden": bool(hidden),
    }
    insert_row(session, objects, row)
    return row


def name_again(
    session: Session, bucket: Bucket, key: str, instance_id: str, size: int, mimetype: str
) -> FileView:
    """Give bytes that are stored already a name in this bucket; who may have them, the caller has asked. Raises Invalid."""
    check_name(session, bucket, key)
    _name(session, bucket, key, instance_id, size, mimetype)
    return find(session, bucket, key)


def describe(
    session: Session, bucket: Bucket, key: str, *, about: str | None, hidden: bool | None
) -> FileView:
    """Set a file's metadata (JSON text; None: none) and, unless None, whether it is hidden.

    What older versions say of it stays as it was: a file carried over gets a row of its own. Raises NotFound.
    """
    row = _current(session, bucket, key)
    if row is None:
        raise NotFound(f"Record '{bucket.record_id}' has no file '{key}'.")
    hidden = row.hidden if hidden is None else hidden
    if (row.metadata, bool(row.hidden)) == (about, hidden):
        return find(session, bucket, key)
    if row.first_version < bucket.version:
        _close(session, bucket, [row])
        # Not counted by `_name` as replaced: the row it closes is gone from this version by now.
        _name(session, bucket, key, row.instance_id, row.size, row.mimetype, about, hidden)
        return find(session, bucket, key)
    session.execute(
        update(objects).where(objects.c.id == row.id).values(metadata=about, hidden=hidden, updated=now())
    )
    return find(session, bucket, key)


def _current(session: Session, bucket: Bucket, key: str) -> AnyRow | None:
    return _CURRENT.on(session, _of(bucket, key=key)).first()


def _close(session: Session, bucket: Bucket, rows: Sequence[AnyRow]) -> None:
    """Take files out of this version: rows that began here go, rows carried over end one version before."""
    born = [r.id for r in rows if r.first_version == bucket.version]
    carried = [r.id for r in rows if r.first_version < bucket.version]
    for part in _parts(born):
        session.execute(delete(objects).where(objects.c.id.in_(part)))
    for part in _parts(carried):
        session.execute(update(objects).where(objects.c.id.in_(part)).values(last_version=bucket.version - 1))
    freed = [r.size for r in rows if r.first_version == bucket.version]
    _tell(
        session,
        bucket,
        more=-len(rows),
        more_bytes=-sum(r.size for r in rows),
        rows=-len(freed),
        row_bytes=-sum(freed),
    )
    collect_later(session, [r.instance_id for r in rows if r.first_version == bucket.version])


def _parts(ids: Sequence[str], size: int = 500) -> Iterable[Sequence[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def delete_file(session: Session, bucket: Bucket, key: str) -> None:
    """Take one file out of an open version. Raises NotFound."""
    row = _current(session, bucket, key)
    if row is None:
        raise NotFound(f"Record '{bucket.record_id}' has no file '{key}'.")
    _close(session, bucket, [row])


def rename(session: Session, bucket: Bucket, file_id: str, key: str) -> FileView:
    """Give a file of an open version another key. Raises NotFound, Invalid (name, or taken)."""
    row = session.execute(
        select(objects, instances.c.size)
        .join(instances, instances.c.id == objects.c.instance_id)
        .where(in_version(bucket.concept_id, bucket.version), objects.c.id == file_id)
    ).first()
    if row is None:
        raise NotFound("File does not exist.")
    if row.key == key:
        return find(session, bucket, key)
    check_name(session, bucket, key, replacing=row.key)
    if _current(session, bucket, key) is not None:
        raise Invalid.at("filename", f"File with key {key} already exists.")
    if row.first_version == bucket.version:
        session.execute(
            update(objects)
            .where(objects.c.id == file_id)
            .values(key=key, key_fold=fold_key(key), updated=now())
        )
        return find(session, bucket, key)
    _close(session, bucket, [row])
    _name(session, bucket, key, row.instance_id, row.size, row.mimetype, row.metadata, bool(row.hidden))
    return find(session, bucket, key)


def delete_all(session: Session, bucket: Bucket) -> None:
    """Take all files out of an open version, in a few statements however many there are."""
    begin_empty(session, bucket.concept_id, bucket.version)


def begin_empty(session: Session, concept_id: int, version: int) -> None:
    """Let an open `version` hold no files: those of the version before end there, in one statement.

    For drafts begun through the records API, which carries nothing over until `import_previous` (quirks 5).
    Discarding the draft opens the files again (`undo_version`).
    """
    _drop_born(session, concept_id, version)  # what `begin_from` copied too
    _end_carried(session, concept_id, version)
    _forget_tallies(session, concept_id, version)
    begin_tally(session, concept_id, version, 0, 0)


def import_previous(session: Session, bucket: Bucket, source: int | None) -> None:
    """Let an open version that holds no files have those of version `source` (None: there is none), without copying a
    byte. Raises Invalid at `files.enabled` (api-rdm.md section 1)."""
    if measure(session, bucket.concept_id, bucket.version)[0] or _any_announced(session, bucket):
        raise Invalid.at("files.enabled", "Please remove all files first.")
    found = measure(session, bucket.concept_id, source) if source is not None else (0, 0)
    if source is None or not found[0]:
        raise Invalid.at("files.enabled", "The record has no files.")
    if source == bucket.version - 1:
        session.execute(
            update(objects)
            .where(objects.c.concept_id == bucket.concept_id, objects.c.last_version == bucket.version - 1)
            .values(last_version=None)
        )
    else:
        begin_from(session, bucket.concept_id, source, bucket.version, None)
    _forget_tallies(session, bucket.concept_id, bucket.version)
    begin_tally(session, bucket.concept_id, bucket.version, *found)


def import_beside(session: Session, bucket: Bucket, source: int | None, settings: Settings) -> int:
    """Take from version `source` what has room beside the files that are here; how many came.

    A name that is here or on its way already, whatever its bytes, stays as it is; so does one that could not stand
    beside it (a folder of the same name, say). The API's `import_previous` wants an empty version. Raises TooLarge.
    """
    wanted = _importable(session, bucket, source)
    if not wanted:
        return 0
    has_room = _room_for_names(session, bucket)
    coming = [row for row in wanted if has_room(row.key)]
    open_again = [row.id for row in coming if row.last_version == bucket.version - 1]
    for part in _parts(open_again):
        session.execute(update(objects).where(objects.c.id.in_(part)).values(last_version=None))
    # Versions between were withdrawn: what ended before them gets rows again, as in `begin_from`.
    again = [row for row in coming if row.last_version != bucket.version - 1]
    fresh = {"first_version": bucket.version, "last_version": None}
    if again:
        session.execute(
            insert(objects),
            [
                {c.name: row._mapping[c.name] for c in objects.c}
                | fresh
                | {"id": new_uuid(), "version_id": new_uuid()}
                for row in again
            ],
        )
    _tell(
        session,
        bucket,
        more=len(coming),
        more_bytes=sum(row.size for row in coming),
        rows=len(again),
        row_bytes=sum(row.size for row in again),
    )
    check_quotas(session, bucket, settings)
    return len(coming)


def _room_for_names(session: Session, bucket: Bucket) -> Callable[[str], bool]:
    """Whether a name could stand beside those that the open version has, or that are on their way."""
    here = set(
        session.execute(select(objects.c.key).where(in_version(bucket.concept_id, bucket.version))).scalars()
    )
    here.update(
        session.execute(select(transfers.c.key).where(transfers.c.draft_id == bucket.record_id)).scalars()
    )
    names = {fold_normal(key) for key in here}
    folders = {folder for key in here for folder in parents(key)}
    return lambda key: fold_normal(key) not in names and key not in folders and here.isdisjoint(parents(key))


def _importable(
    session: Session, bucket: Bucket, source: int | None, most: int | None = None
) -> Sequence[AnyRow]:
    """Rows of version `source` whose names the open version does not have."""
    if source is None:
        return []
    here = objects.alias("here")
    return session.execute(
        select(objects, instances.c.size)
        .join(instances, instances.c.id == objects.c.instance_id)
        .where(
            in_version(bucket.concept_id, source),
            objects.c.last_version < bucket.version,
            ~exists().where(
                here.c.concept_id == bucket.concept_id,
                here.c.key == objects.c.key,
                here.c.first_version <= bucket.version,
                or_(here.c.last_version.is_(None), here.c.last_version >= bucket.version),
            ),
        )
        .limit(most)
    ).all()


def may_import(session: Session, bucket: Bucket, source: int | None) -> bool:
    """Whether `import_beside` would take anything."""
    some = _importable(session, bucket, source, _FEW)
    if not some:
        return False
    has_room = _room_for_names(session, bucket)
    if any(has_room(row.key) for row in some):
        return True
    return len(some) == _FEW and any(has_room(row.key) for row in _importable(session, bucket, source))


def _any_announced(session: Session, bucket: Bucket) -> bool:
    wanted = select(transfers.c.id).where(transfers.c.draft_id == bucket.record_id).limit(1)
    return session.execute(wanted).first() is not None


def _end_carried(session: Session, concept_id: int, version: int) -> None:
    session.execute(
        update(objects)
        .where(
            objects.c.concept_id == concept_id,
            objects.c.first_version < version,
            objects.c.last_version.is_(None),
        )
        .values(last_version=version - 1)
    )


def _drop_born(session: Session, concept_id: int, version: int) -> None:
    """Delete the rows that began in this version, and have their instances looked at."""
    born = (objects.c.concept_id == concept_id, objects.c.first_version == version)
    collect_later(
        session, list(session.execute(select(objects.c.instance_id).where(*born).distinct()).scalars())
    )
    session.execute(delete(objects).where(*born))


def begin_from(
    session: Session, concept_id: int, source: int, version: int, file_order: str | None
) -> str | None:
    """Let `version`, just begun, hold the files of `source` where versions between were withdrawn.

    What came after `source` ends, what ended since gets rows again (the only rows a new version ever
    copies). Returns the order with the new ids in it. `undo_version` undoes it.
    """
    session.execute(
        update(objects)
        .where(
            objects.c.concept_id == concept_id,
            objects.c.first_version > source,
            objects.c.last_version.is_(None),
        )
        .values(last_version=version - 1)
    )
    ended = session.execute(
        select(objects).where(in_version(concept_id, source), objects.c.last_version.is_not(None))
    ).all()
    fresh = {row.id: new_uuid() for row in ended}
    _forget_tallies(session, concept_id, version)
    again = {"first_version": version, "last_version": None}
    if ended:
        session.execute(
            insert(objects),
            [{**row._mapping, **again, "id": fresh[row.id], "version_id": new_uuid()} for row in ended],
        )
    if file_order is None:
        return None
    return orjson.dumps([fresh.get(i, i) for i in orjson.loads(file_order)]).decode()


def undo_version(session: Session, concept_id: int, version: int) -> None:
    """Discard a draft's files: what began in it goes, what it ended lives on."""
    for row in session.execute(
        select(transfers.c.store, transfers.c.location, transfers.c.handle).where(
            transfers.c.concept_id == concept_id
        )
    ):
        drop_later(session, row)
    session.execute(delete(transfers).where(transfers.c.concept_id == concept_id))
    _drop_born(session, concept_id, version)
    _forget_tallies(session, concept_id, version)
    session.execute(
        update(objects)
        .where(objects.c.concept_id == concept_id, objects.c.last_version == version - 1)
        .values(last_version=None)
    )


def collect_later(session: Session, ids: Sequence[str]) -> None:
    """Ask that these instances be looked at: perhaps no object names them any more.

    The job gets their ids, so that it never looks through all that the repository holds.
    """
    for part in _parts(ids):
        queue.enqueue(session, "files.collect", new_key(), {"instances": list(part)})


def remove_bytes_later(session: Session, store: str, location: str, delay: float) -> None:
    queue.enqueue(session, "files.remove", location, {"store": store, "location": location}, delay=delay)


def drop_later(session: Session, row: AnyRow) -> None:
    """Have the bytes of a transfer's row removed, whole or in parts; nothing else names them."""
    if row.location is None:
        return
    if row.handle is None:
        remove_bytes_later(session, row.store, row.location, 0)
    else:
        queue.enqueue(
            session, "transfers.drop", row.location, {"location": row.location, "handle": row.handle}
        )


def end_upload(session: Session, location: str) -> bool:
    """Forget the row of an upload whose bytes have got their name; False when the sweep gave it up before."""
    return _END_UPLOAD.on(session, {"at": location}).rowcount > 0


def collect(
    session: Session, settings: Settings, limit: int = 500, among: Sequence[str] | None = None
) -> int:
    """Delete instances that no object names and enqueue the removal of their bytes. Returns how many.

    `among` are the ids to look at; without, all instances are looked through (the daily audit).
    """
    nobodys = ~select(objects.c.id).where(objects.c.instance_id == instances.c.id).exists()
    if among is not None:
        nobodys = and_(instances.c.id.in_(among), nobodys)
    orphans = session.execute(
        select(instances.c.id, instances.c.store, instances.c.location)
        .where(nobodys)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for row in orphans:
        session.execute(delete(instances).where(instances.c.id == row.id))
        remove_bytes_later(session, row.store, row.location, settings.trash_days * 86400)
    return len(orphans)


def nobodys(session: Session, limit: int) -> list[str]:
    """Ids of instances that no object names, at most `limit`. Looks through all of them."""
    return list(
        session.execute(
            select(instances.c.id)
            .where(~select(objects.c.id).where(objects.c.instance_id == instances.c.id).exists())
            .limit(limit)
        ).scalars()
    )


def given_up(session: Session, settings: Settings) -> Sequence[AnyRow]:
    """Upload rows without a heartbeat for longer than the setting: (store, location)."""
    limit = now() - timedelta(hours=settings.upload_idle_hours)
    return session.execute(
        select(uploads.c.store, uploads.c.location).where(uploads.c.heartbeat < limit)
    ).all()
