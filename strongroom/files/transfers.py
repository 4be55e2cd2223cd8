"""Verbs of announced files: the three steps (announce, content, commit), uploads in parts, fetching by the server.

A transfer's row stands for a file of an open draft that has no bytes yet, or bytes nobody has agreed to. When it is
completed the row goes and an object has its name (`files.service.adopt`): both APIs see the same files. Bytes named
by a row are durable (state is written after the fsync, never before), so that a crash at any moment loses nothing
that was acknowledged. Doors and jobs move the bytes; nothing here does but `settle`, outside of transactions.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from strongroom.db import AnyRow, Database, Prepared, Session, insert_row
from strongroom.errors import (
    Conflict,
    Finding,
    Incomplete,
    Invalid,
    NotFound,
    StorageFull,
    StrongroomError,
    TooLarge,
)
from strongroom.files import digests
from strongroom.files import service as files
from strongroom.files.keys import check_key, fold_normal, parents
from strongroom.files.models import objects, transfer_parts, transfers
from strongroom.files.service import Bucket, Stored
from strongroom.files.views import FileView
from strongroom.ids import new_key, new_uuid, now
from strongroom.jobs import queue
from strongroom.settings import Settings
from strongroom.storage.base import Blocks, ObjectStore, new_location
from strongroom.storage.receive import Digests

MAX_PARTS = 10_000
INLINE = 64 << 20
"""Bytes left to hash that `commit` waits for; above, it answers `verifying`."""
VERIFY_AFTER = 60.0
"""Seconds after which a job looks whether the process that hashes has died."""

LOCAL, MULTIPART, FETCH = "L", "M", "F"
PENDING, VERIFYING, FAILED = "pending", "verifying", "failed"

# Which process this is, for `transfers.hasher`.
_ME = f"{socket.gethostname()}:{os.getpid()}:{new_key()}"

_BY_KEY = Prepared(
    select(transfers).where(
        transfers.c.draft_id == bindparam("draft_id"), transfers.c.key == bindparam("key")
    )
)
_BY_ID = Prepared(select(transfers).where(transfers.c.id == bindparam("transfer_id")))
_LOCK = Prepared(select(transfers).where(transfers.c.id == bindparam("transfer_id")).with_for_update())
_DELETE = Prepared(delete(transfers).where(transfers.c.id == bindparam("transfer_id")))
_FROM_PART = Prepared(
    select(transfer_parts.c.part)
    .where(
        transfer_parts.c.transfer_id == bindparam("transfer_id"), transfer_parts.c.part >= bindparam("low")
    )
    .order_by(transfer_parts.c.part)
    .limit(512)
)
_PART = Prepared(
    select(transfer_parts.c.part).where(
        transfer_parts.c.transfer_id == bindparam("transfer_id"), transfer_parts.c.part == bindparam("nth")
    )
)


_OF_DRAFT = transfers.c.draft_id == bindparam("draft_id")
_COUNT = Prepared(select(func.count()).select_from(transfers).where(_OF_DRAFT))
_UNFINISHED = Prepared(
    select(transfers.c.key).where(_OF_DRAFT).order_by(transfers.c.key).limit(bindparam("most"))
)
_NEAR = Prepared(
    select(transfers.c.key).where(
        _OF_DRAFT,
        or_(
            transfers.c.key == bindparam("key"),
            (transfers.c.key > bindparam("low")) & (transfers.c.key < bindparam("high")),
            transfers.c.key_fold == bindparam("fold"),
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to announce, as the client described it (checked by the door for types only)."""

    key: str
    mimetype: str
    type: str = LOCAL
    size: int | None = None
    checksum: str | None = None
    about: str | None = None  # metadata, JSON
    hidden: bool = False
    parts: int | None = None
    part_size: int | None = None
    url: str | None = None


def announce(
    session: Session,
    bucket: Bucket,
    user_id: int,
    wanted: Sequence[Wanted],
    settings: Settings,
    store: ObjectStore,
    free: int | None,
) -> None:
    """Add these files to an open draft as pending, all or none; few statements however many they are.

    Raises Invalid (names, sizes, parts), TooLarge, StorageFull.
    """
    _check_names(session, bucket, wanted)
    coming = sum(w.size or 0 for w in wanted if w.type == MULTIPART)
    room = files.room_left(session, bucket, None, user_id, settings, new=len(wanted)) if wanted else None
    if room is not None and coming > room:
        raise TooLarge(
            f"File size limit exceeded. {max(room, 0):,} bytes are left here, the files have {coming:,}."
        )
    if coming and free is not None and free - settings.disk_reserve_bytes < coming:
        raise StorageFull()
    moment = now()
    rows = []
    for n, w in enumerate(wanted):
        if w.type == MULTIPART:
            _check_parts(n, w, store)
        rows.append(
            {
                "id": new_uuid(),
                "draft_id": bucket.record_id,
                "concept_id": bucket.concept_id,
                "version": bucket.version,
                "user_id": user_id,
                "key": w.key,
                "key_fold": files.fold_key(w.key),
                "mimetype": w.mimetype,
                "type": w.type,
                "status": PENDING,
                "size": w.size,
                "checksum": w.checksum,
                "part_size": w.part_size,
                "parts": w.parts,
                "epoch": 0,
                "url": w.url,
                "store": store.name if w.type == MULTIPART else None,
                "location": new_location() if w.type == MULTIPART else None,
                "metadata": w.about,
                "hidden": w.hidden,
                "created": moment,
                "updated": moment,
                "expires": moment + timedelta(days=settings.transfer_days),
            }
        )
    if len(rows) == 1:
        insert_row(session, transfers, rows[0])
    elif rows:
        session.execute(insert(transfers), rows)
    for row in rows:
        if row["type"] == FETCH:
            queue.enqueue(session, "transfers.fetch", str(row["id"]), {"transfer": row["id"]})


def _check_parts(n: int, w: Wanted, store: ObjectStore) -> None:
    assert w.size is not None  # the door saw to it
    assert w.parts is not None
    assert w.part_size is not None
    if not 1 <= w.parts <= MAX_PARTS:
        raise Invalid.at(f"{n}.transfer.parts", f"A file can have 1 to {MAX_PARTS:,} parts.")
    if w.parts > 1 and w.part_size < store.least_part:
        raise Invalid.at(
            f"{n}.transfer.part_size", f"Parts need {store.least_part:,} bytes at least here (but the last)."
        )
    if not (w.parts - 1) * w.part_size < w.size <= w.parts * w.part_size:
        raise Invalid.at(
            f"{n}.transfer.parts", f"{w.parts} parts of {w.part_size} bytes do not make {w.size} bytes."
        )


class _Names:
    """Names side by side, for many at once: the rules of `files.keys` in sets."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self.files: set[str] = set()
        self.folders: dict[str, str] = {}  # a folder and a file in it
        self.normal: dict[str, str] = {}
        for key in keys:
            self.take(key)

    def take(self, key: str) -> None:
        self.files.add(key)
        for folder in parents(key):
            self.folders[folder] = key
        self.normal[fold_normal(key)] = key

    def check(self, key: str) -> None:
        """Raise Invalid where the key can't stand beside the others."""
        if key in self.files:
            raise _taken(key)
        for folder in parents(key):
            if folder in self.files:
                raise Invalid.at(
                    "key", f"{key!r} can't be stored: {folder!r} is a file here, so it can't be a folder."
                )
        if (inside := self.folders.get(key)) is not None:
            raise Invalid.at("key", f"{key!r} can't be stored: it is a folder here, holding {inside!r}.")
        if (twin := self.normal.get(fold_normal(key), key)) != key:
            raise Invalid.at(
                "key", f"{key!r} can't be stored: {twin!r} is the same name in another Unicode normal form."
            )


def _taken(key: str) -> Invalid:
    return Invalid([], f"File with key {key} already exists.")


FEW = 20


def _check_names(session: Session, bucket: Bucket, wanted: Sequence[Wanted]) -> None:
    """Each may stand beside the files that are there, beside those announced, and beside the others of the list."""
    few = len(wanted) <= FEW
    if few:
        names = _Names()
    else:
        here = files.in_version(bucket.concept_id, bucket.version)
        names = _Names(session.execute(select(objects.c.key).where(here)).scalars())
        for key in session.execute(
            select(transfers.c.key).where(transfers.c.draft_id == bucket.record_id)
        ).scalars():
            names.take(key)
    for w in wanted:
        check_key(w.key)
        names.check(w.key)
        names.take(w.key)
        if few:
            if files.has(session, bucket, w.key):
                raise _taken(w.key)
            files.check_name(session, bucket, w.key)
            _check_announced(session, bucket, w.key)


def _check_announced(session: Session, bucket: Bucket, key: str) -> None:
    """`files.check_name` against the files that were announced."""
    draft = {"draft_id": bucket.record_id}
    near = _NEAR.on(
        session,
        {**draft, "key": key, "low": key + "/", "high": key + "0", "fold": files.fold_key(key)},
    ).scalars()
    near += [folder for folder in parents(key) if _BY_KEY.on(session, {**draft, "key": folder}).first()]
    _Names(near).check(key)


# Looking ---------------------------------------------------------------------------------------------------


def find(session: Session, bucket: Bucket, key: str) -> AnyRow | None:
    """The row of an announced file; None when there is none (any more)."""
    return _BY_KEY.on(session, {"draft_id": bucket.record_id, "key": key}).first()


def require(session: Session, bucket: Bucket, key: str) -> AnyRow:
    """`find`, or raise NotFound; Invalid where the file is completed already."""
    row = find(session, bucket, key)
    if row is None:
        if files.has(session, bucket, key):
            raise Invalid([], f"The file {key} is completed: delete it first to send another.")
        raise NotFound(f"Record '{bucket.record_id}' has no file '{key}'.")
    return row


def count(session: Session, bucket: Bucket) -> int:
    return int(_COUNT.on(session, {"draft_id": bucket.record_id}).scalar())


def rows_of(
    session: Session,
    bucket: Bucket,
    *,
    offset: int = 0,
    limit: int | None = None,
    keys: Sequence[str] | None = None,
) -> Sequence[AnyRow]:
    """Announced files by key's bytes: all, a page, or these."""
    if keys is not None and len(keys) <= FEW:
        return [
            row for key in sorted(keys, key=str.encode) if (row := find(session, bucket, key)) is not None
        ]
    query = select(transfers).where(transfers.c.draft_id == bucket.record_id).order_by(transfers.c.key)
    if keys is not None:
        found: list[AnyRow] = []
        for start in range(0, len(keys), 500):
            found += session.execute(query.where(transfers.c.key.in_(keys[start : start + 500]))).all()
        return found
    return session.execute(query.offset(offset).limit(limit)).all()


def parts_of(session: Session, ids: Sequence[str]) -> dict[str, dict[int, int]]:
    """The received parts of these transfers: number → size."""
    found: dict[str, dict[int, int]] = {i: {} for i in ids}
    for start in range(0, len(ids), 500):
        for row in session.execute(
            select(transfer_parts.c.transfer_id, transfer_parts.c.part, transfer_parts.c.size).where(
                transfer_parts.c.transfer_id.in_(ids[start : start + 500])
            )
        ):
            found[row.transfer_id][row.part] = row.size
    return found


def unfinished(session: Session, draft_id: int, limit: int = 100) -> list[str]:
    """Keys of files that keep a draft from being published: announced, and not completed. The first `limit` by key."""
    return _UNFINISHED.on(session, {"draft_id": draft_id, "most": limit}).scalars()


def unfinished_counts(session: Session, draft_ids: Sequence[int]) -> dict[int, int]:
    """How many files of each of these drafts are announced and not completed; drafts without any are left out."""
    if not draft_ids:
        return {}
    rows = session.execute(
        select(transfers.c.draft_id, func.count().label("number"))
        .where(transfers.c.draft_id.in_(draft_ids))
        .group_by(transfers.c.draft_id)
    )
    return {row.draft_id: row.number for row in rows}


# Changing --------------------------------------------------------------------------------------------------


def describe(session: Session, row: AnyRow, *, about: str | None, hidden: bool | None) -> None:
    session.execute(
        update(transfers)
        .where(transfers.c.id == row.id)
        .values(metadata=about, hidden=row.hidden if hidden is None else hidden, updated=now())
    )


def give_up(session: Session, rows: Iterable[AnyRow]) -> None:
    """Forget announced files; a job removes their bytes."""
    for row in rows:
        _DELETE.on(session, {"transfer_id": row.id})
        files.drop_later(session, row)


def hold(session: Session, row: AnyRow, stored: Stored) -> None:
    """Keep stored bytes as the content of an announced file, in place of any that came before.

    Ends the upload's row. Raises NotFound, Conflict when the file was deleted or completed meanwhile.
    """
    current = _LOCK.on(session, {"transfer_id": row.id}).first()
    if current is None or current.type != LOCAL:
        raise Conflict(
            "The file was deleted or completed while its content was on its way. Nothing was stored."
        )
    if not files.end_upload(session, stored.location):
        raise Invalid.at("file", "The upload was given up after a long silence: send it again.")
    files.drop_later(session, current)
    _HOLD.on(
        session,
        {
            "transfer_id": row.id,
            "to_store": stored.store,
            "to_location": stored.location,
            "to_size": stored.size,
            "to_md5": stored.md5,
            "to_sha256": stored.sha256,
            "to_crc32": stored.crc32,
            "moment": now(),
        },
    )


_HOLD = Prepared(
    update(transfers)
    .where(transfers.c.id == bindparam("transfer_id"))
    .values(
        store=bindparam("to_store"),
        location=bindparam("to_location"),
        held_size=bindparam("to_size"),
        md5=bindparam("to_md5"),
        sha256=bindparam("to_sha256"),
        crc32=bindparam("to_crc32"),
        updated=bindparam("moment", type_=transfers.c.updated.type),
    )
)


def complete(session: Session, bucket: Bucket, row: AnyRow, settings: Settings) -> FileView:
    """Attach the content of an announced file; the row goes. Raises Invalid, Incomplete: then nothing is attached."""
    if row.location is None or row.held_size is None:
        raise Invalid([], f"The file {row.key} has no content yet: PUT it, then commit.")
    if not row.held_size:
        raise Invalid([], "Empty files are not accepted.")
    check_announced(row, row.held_size, row.md5, row.sha256)
    stored = Stored(row.store, row.location, row.held_size, row.md5, row.sha256, row.crc32)
    return _attach(session, bucket, row, stored, settings)


def complete_fetched(
    session: Session, bucket: Bucket, row: AnyRow, stored: Stored, settings: Settings
) -> FileView:
    """Attach what was fetched; ends the upload's row. Raises Conflict when the file was deleted meanwhile."""
    current = _LOCK.on(session, {"transfer_id": row.id}).first()
    if current is None or not files.end_upload(session, stored.location):
        raise Conflict("The file was deleted while it was fetched.")
    return _attach(session, bucket, current, stored, settings)


def _attach(session: Session, bucket: Bucket, row: AnyRow, stored: Stored, settings: Settings) -> FileView:
    files.check_name(session, bucket, row.key)
    _DELETE.on(session, {"transfer_id": row.id})
    found = files.adopt(
        session, bucket, row.key, stored, row.mimetype, about=row.metadata, hidden=bool(row.hidden)
    )
    files.check_quotas(session, bucket, settings)
    return found


def check_announced(row: AnyRow, size: int, md5: str, sha256: str) -> None:
    """Raise Incomplete where bytes are not those that were announced."""
    if row.size is not None and row.size != size:
        raise Incomplete(
            f"The file {row.key} was announced with {row.size} bytes and has {size}: send it again."
        )
    if row.checksum:
        algorithm, digest = checksum_of(row.checksum)
        found = {"md5": md5, "sha256": sha256}[algorithm]
        if digest != found:
            raise Incomplete(
                f"The file {row.key} was announced with the {algorithm} {digest} and has {found}: send it again."
            )


def checksum_of(text: str) -> tuple[str, str]:
    """(algorithm, hexadecimal digits) of an announced checksum: `md5:…`, `sha256:…`, or bare. Raises ValueError."""
    algorithm, _, digest = text.strip().lower().rpartition(":")
    algorithm = {"": "sha256" if len(digest) == 64 else "md5", "sha-256": "sha256"}.get(algorithm, algorithm)
    if algorithm not in ("md5", "sha256"):
        raise ValueError(text)
    return algorithm, digest


# Parts -----------------------------------------------------------------------------------------------------


def part_span(row: AnyRow, part: int) -> tuple[int, int]:
    """(offset, size) of part `part` (from 1). Raises NotFound."""
    if not 1 <= part <= row.parts:
        raise NotFound(f"The file {row.key} has {row.parts} parts, no part {part}.")
    offset = (part - 1) * row.part_size
    return offset, min(row.part_size, row.size - offset)


def require_multipart(row: AnyRow) -> None:
    """Raises Invalid unless parts of it may be sent now."""
    if row.type != MULTIPART:
        raise Invalid(
            [], f"The file {row.key} was not announced as a multipart transfer: PUT its content whole."
        )
    if row.status == VERIFYING:
        raise Invalid([], f"The file {row.key} is being verified: its parts can't be sent any more.")
    if row.status == FAILED:
        raise Invalid([], f"The transfer of {row.key} failed: delete the file, then announce it again.")


def begun(session: Session, transfer_id: str, handle: str) -> str | None:
    """Note that the store began; the handle that counts (another request may have been faster), None when it's gone."""
    session.execute(
        update(transfers)
        .where(transfers.c.id == transfer_id, transfers.c.handle.is_(None))
        .values(handle=handle)
    )
    found: str | None = session.execute(
        select(transfers.c.handle).where(transfers.c.id == transfer_id)
    ).scalar()
    return found


def has_part(session: Session, transfer_id: str, part: int) -> bool:
    return _PART.on(session, {"transfer_id": transfer_id, "nth": part}).first() is not None


def withdraw_part(session: Session, transfer_id: str, part: int) -> None:
    """Before a received part is written over: it counts as missing, and what was hashed is worth nothing.

    Raises Conflict when the transfer ended meanwhile.
    """
    row = _LOCK.on(session, {"transfer_id": transfer_id}).first()
    if row is None or row.status != PENDING:
        raise Conflict("The transfer was ended meanwhile: its parts can't be sent again.")
    session.execute(
        delete(transfer_parts).where(
            transfer_parts.c.transfer_id == transfer_id, transfer_parts.c.part == part
        )
    )
    session.execute(
        update(transfers).where(transfers.c.id == transfer_id).values(epoch=transfers.c.epoch + 1)
    )


def part_received(session: Session, transfer_id: str, part: int, size: int, etag: str, workers: int) -> bool:
    """Note a part whose bytes are durable; whether this process is the one that hashes the file.

    Raises Conflict when the transfer ended meanwhile.
    """
    row = _LOCK.on(session, {"transfer_id": transfer_id}).first()
    if row is None or row.status != PENDING:
        raise Conflict("The transfer was ended while the part was on its way.")
    session.execute(
        delete(transfer_parts).where(
            transfer_parts.c.transfer_id == transfer_id, transfer_parts.c.part == part
        )
    )
    insert_row(
        session,
        transfer_parts,
        {"transfer_id": transfer_id, "part": part, "size": size, "etag": etag, "received": now()},
    )
    if workers <= 1 or row.hasher == _ME:
        return True
    if row.hasher is not None and _alive(row.hasher):
        return False
    session.execute(update(transfers).where(transfers.c.id == transfer_id).values(hasher=_ME))
    return True


def _alive(process: str) -> bool:
    """Whether a process of `hasher` still runs; of another machine it is believed, and a job looks later."""
    host, pid, _ = process.rsplit(":", 2)
    if host != socket.gethostname():
        return True
    if int(pid) == os.getpid():
        return process == _ME
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def missing_parts(session: Session, row: AnyRow) -> list[int]:
    there = set(
        session.execute(select(transfer_parts.c.part).where(transfer_parts.c.transfer_id == row.id)).scalars()
    )
    return [n for n in range(1, row.parts + 1) if n not in there]


def begin_verifying(session: Session, row: AnyRow, *, delay: float) -> None:
    """All parts are here: nothing changes them any more; a job sees to the end if no process does.

    Raises Invalid naming the parts that are missing.
    """
    missing = missing_parts(session, row)
    if missing:
        shown = ", ".join(map(str, missing[:20])) + (" …" if len(missing) > 20 else "")
        raise Invalid([], f"{len(missing)} of {row.parts} parts of {row.key} are missing: send {shown}.")
    session.execute(update(transfers).where(transfers.c.id == row.id).values(status=VERIFYING, updated=now()))
    queue.enqueue(session, "transfers.verify", row.id, {"transfer": row.id}, delay=delay)


def note_parts(session: Session, row: AnyRow, there: Sequence[tuple[int, str, int]]) -> None:
    """Write down the parts that went straight to the store. Raises Invalid for one of a wrong size."""
    session.execute(delete(transfer_parts).where(transfer_parts.c.transfer_id == row.id))
    moment = now()
    rows = []
    for part, etag, size in there:
        if not 1 <= part <= row.parts or size != part_span(row, part)[1]:
            raise Invalid(
                [], f"Part {part} of {row.key} has {size} bytes, not what was announced: send it again."
            )
        rows.append({"transfer_id": row.id, "part": part, "size": size, "etag": etag, "received": moment})
    if rows:
        session.execute(insert(transfer_parts), rows)


# Hashing and the end ---------------------------------------------------------------------------------------


def contiguous(session: Session, row: AnyRow, hashed: int) -> int:
    """Bytes from the file's beginning that are here, at least `hashed` (so many were here before)."""
    part = hashed // row.part_size + 1
    while True:
        found = _FROM_PART.on(session, {"transfer_id": row.id, "low": part}).scalars()
        for number in found:
            if number != part:
                return int(min((part - 1) * row.part_size, row.size))
            part += 1
        if len(found) < 512:
            return int(min((part - 1) * row.part_size, row.size))


def by_id(session: Session, transfer_id: str) -> AnyRow | None:
    return _BY_ID.on(session, {"transfer_id": transfer_id}).first()


def catch_up(db: Database, store: ObjectStore, transfer_id: str) -> str | None:
    """Hash on over the contiguous parts while later ones arrive; the transfer's status, None when it is gone."""
    with db.read() as session:
        row = by_id(session, transfer_id)
        if row is None:
            return None
        if row.status != PENDING:
            return str(row.status)
        stop = contiguous(session, row, digests.hashed(row.location, row.epoch))
    if stop > digests.hashed(row.location, row.epoch):
        digests.advance(row.location, row.epoch, _opener(store, row), stop)
    return str(row.status)


def _opener(store: ObjectStore, row: AnyRow) -> Callable[[int], Blocks]:
    def opened(start: int) -> Blocks:
        return store.read_parts(row.location, start) or store.read(row.location, start)

    return opened


def left_to_hash(row: AnyRow) -> int:
    return int(row.size - digests.hashed(row.location, row.epoch))


def settle(
    db: Database,
    store: ObjectStore,
    settings: Settings,
    transfer_id: str,
    *,
    reopen: Callable[[Session, int], Bucket],
    touch: Callable[[Session, AnyRow], None],
    seconds: float | None = None,
) -> bool:
    """Bring a transfer that is `verifying` to its end: hash the rest, join the parts, compare, attach.

    Goes on where this process stood. With `seconds` it stops after about so many; False says it is not done.
    Whatever goes wrong for good leaves the row `failed`, with the reason. `reopen` locks the draft and gives its
    bucket, `touch` says that the draft changed: both know drafts, which stand above. Raises Unavailable.
    """
    with db.read() as session:
        row = by_id(session, transfer_id)
    if row is None or row.status != VERIFYING:
        return True
    until = time.monotonic() + seconds if seconds is not None else None
    in_store = store.read_parts(row.location, 0)
    if in_store is None:
        # Readable only once joined; what the store says of its parts is what it wants to hear.
        _join(db, store, row)
    else:
        in_store.close()
    found = digests.advance(row.location, row.epoch, _opener(store, row), row.size, until=until)
    if found.size < row.size:
        if until is not None and time.monotonic() >= until:
            return False
        fail(db, row.id, Incomplete("The stored parts are shorter than announced."))
        return True
    try:
        check_announced(row, found.size, found.md5.hexdigest(), found.sha256.hexdigest())
        if in_store is not None:
            _join(db, store, row)
        with db.begin() as session:
            bucket = reopen(session, row.draft_id)
            current = _LOCK.on(session, {"transfer_id": row.id}).first()
            if current is None or current.status != VERIFYING or current.epoch != row.epoch:
                return True
            _attach(session, bucket, current, _stored(row, found), settings)
            touch(session, current)
    except (Invalid, Incomplete, TooLarge, NotFound, Conflict) as error:
        if isinstance(error, StorageFull):
            raise
        fail(db, row.id, error)
    digests.forget(row.location)
    return True


def _stored(row: AnyRow, found: Digests) -> Stored:
    told = found.received()
    return Stored(row.store, row.location, told.size, told.md5, told.sha256, told.crc32)


def _join(db: Database, store: ObjectStore, row: AnyRow) -> None:
    with db.read() as session:
        parts = session.execute(
            select(transfer_parts.c.part, transfer_parts.c.etag).where(transfer_parts.c.transfer_id == row.id)
        ).all()
    store.join_parts(row.location, row.handle or "", row.size, [(p.part, p.etag) for p in parts])


def fail(db: Database, transfer_id: str, error: StrongroomError) -> None:
    """The transfer can't be completed: say why. Its owner deletes it and begins anew."""
    with db.begin() as session:
        session.execute(
            update(transfers)
            .where(transfers.c.id == transfer_id)
            .values(status=FAILED, error=error.message, updated=now())
        )


# Looking after ---------------------------------------------------------------------------------------------


def expired(session: Session) -> Sequence[AnyRow]:
    """Uploads in parts that nobody finished in time."""
    return session.execute(
        select(transfers)
        .where(transfers.c.expires < now(), transfers.c.type == MULTIPART, transfers.c.status != VERIFYING)
        .limit(1000)
    ).all()


def findings(keys: Sequence[str]) -> list[Finding]:
    """What publishing says of `unfinished` files."""
    if not keys:
        return []
    named = ", ".join(keys[:10]) + (" …" if len(keys) > 10 else "")
    return [
        Finding.of(
            "files",
            "One or more files have not completed their transfer, please wait.",
            f"Not complete: {named}",
        )
    ]
