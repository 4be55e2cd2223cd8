"""A whole version wished for in one request that may be repeated (docs/depositors/README.md).

A script says what the version should be in the end: its description, and its files by path, size and sha256. It learns
which bytes are still missing, sends those, and says the same again, until the answer is that the version is published.
Whatever happens between (a lost answer, a crash of either side), repeating the request with the same key goes on from
where things are; there is no state in which a script has to find out what it did.

Bytes count as there only where the actor may read them anyway: a sha256 is neither a key to content nor a way to learn
whether it exists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import or_, select, update

from strongroom.access import Actor, files_visible, require_user, workable
from strongroom.db import AnyRow, Database, Session, insert_row
from strongroom.errors import Conflict, Finding, Invalid, NotFound
from strongroom.files import service as files
from strongroom.files.models import instances, objects
from strongroom.files.service import Bucket
from strongroom.ids import now, today
from strongroom.metadata import rdm
from strongroom.metadata.model import RecordData
from strongroom.records import drafts
from strongroom.records.models import concepts, deposit_keys, records
from strongroom.records.models import drafts as draft_rows
from strongroom.records.publish import publish
from strongroom.settings import Settings
from strongroom.vocabularies import service as vocabularies

MOST_FILES = 100_000
_AT_ONCE = 500  # values in one statement


@dataclass(frozen=True, slots=True)
class WishedFile:
    """One file of the version: path, bytes, digest in hexadecimal."""

    key: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for. `of` is any id of a concept whose next version this is; None begins a new one."""

    of: int | None
    record: dict[str, Any]
    files: Sequence[WishedFile]
    publish: bool
    digest: str  # sha256 of the request, so that a repeated one is known


@dataclass(frozen=True, slots=True)
class State:
    """How far it is: `waiting` for bytes, `incomplete` (see `errors`), `ready`, or `published`."""

    status: str
    record_id: int
    missing: Sequence[WishedFile] = ()
    present: int = 0
    errors: Sequence[Finding] = field(default_factory=list)
    created: bool = False


def read(body: object) -> Wish:
    """The wish that a request's body says. Raises Invalid with all that is wrong."""
    if not isinstance(body, dict):
        raise Invalid.at("_schema", "Invalid input type.")
    found: list[Finding] = [
        Finding.of(str(k), "Unknown field.") for k in body if k not in ("of", "record", "files", "publish")
    ]
    record = body.get("record", {})
    if not isinstance(record, dict):
        found.append(Finding.of("record", "Invalid input type.", "Expected the body of POST /api/records."))
    of = body.get("of")
    if isinstance(of, str) and of.isascii() and of.isdigit() and len(of) < 19:
        of = int(of)
    if of is not None and (not isinstance(of, int) or isinstance(of, bool)):
        found.append(Finding.of("of", "Not a valid record id."))
    wanted = body.get("publish", True)
    if not isinstance(wanted, bool):
        found.append(Finding.of("publish", "Not a valid boolean."))
    listed = body.get("files", [])
    if not isinstance(listed, list) or len(listed) > MOST_FILES:
        found.append(Finding.of("files", f"Not a valid list of at most {MOST_FILES:,} files."))
        listed = []
    wished: list[WishedFile] = []
    seen: set[str] = set()
    for i, item in enumerate(listed):
        at = f"files.{i}"
        if not isinstance(item, dict):
            found.append(Finding.of(at, "Invalid input type."))
            continue
        key, size, digest = item.get("key"), item.get("size"), item.get("sha256")
        if not isinstance(key, str) or not key:
            found.append(Finding.of(f"{at}.key", "Missing data for required field."))
        elif key in seen:
            found.append(Finding.of(f"{at}.key", f"'{key}' is there twice."))
        elif not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**63:
            found.append(Finding.of(f"{at}.size", "Not a valid number of bytes."))
        elif not isinstance(digest, str) or not _is_sha256(digest.lower()):
            found.append(Finding.of(f"{at}.sha256", "Not a valid SHA-256: 64 hexadecimal digits."))
        else:
            seen.add(key)
            wished.append(WishedFile(key, size, digest.lower()))
    if found:
        raise Invalid(found)
    said = {
        "of": of,
        "record": record,
        "files": [[f.key, f.size, f.sha256] for f in wished],
        "publish": wanted,
    }
    return Wish(
        of, record, wished, wanted, sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
    )


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)


def check_key(key: str) -> str:
    """The script's key. Raises Invalid."""
    if not 1 <= len(key) <= 100 or not all(c.isascii() and (c.isalnum() or c in "-_.:") for c in key):
        raise Invalid.at("key", "1 to 100 letters, digits, '-', '_', '.' or ':': a UUID is best.")
    return key


def wish(
    session: Session,
    db: Database,
    settings: Settings,
    actor: Actor,
    key: str,
    wished: Wish,
    guess: Callable[[str], str],
) -> State:
    """Bring the deposit of this key as near to the wish as the bytes that are here allow, and say what is missing.

    `guess` gives a file's media type by its name.

    Raises Invalid, Forbidden, NotFound, and Conflict where the key stands for another version that is published, or
    the concept has a draft that somebody began in another way.
    """
    user_id = require_user(actor)
    known = session.execute(
        select(deposit_keys)
        .where(deposit_keys.c.user_id == user_id, deposit_keys.c.key == check_key(key))
        .with_for_update()
    ).first()
    if known is not None:
        done = session.execute(select(records.c.id).where(records.c.id == known.draft_id)).first()
        if done is not None:
            if known.digest != wished.digest:
                raise Conflict(
                    f"The version of this key is published as record {known.draft_id}: use a new key for another version."
                )
            return State("published", int(known.draft_id), present=len(wished.files))
    draft, created = _draft(session, db, actor, known, wished)
    loaded = rdm.load(wished.record, today=today(), before=RecordData.from_json(draft.data))
    drafts.update_data(session, actor, draft.id, vocabularies.resolve(session, loaded.data), locked=draft)
    bucket = drafts.bucket_of(draft)
    missing = _match(session, actor, bucket, wished.files, guess)
    _remember(session, user_id, key, draft.id, wished.digest, known)
    present = len(wished.files) - len(missing)
    if missing:
        return State("waiting", draft.id, missing, present, loaded.warnings, created)
    if not wished.publish:
        return State("ready", draft.id, (), present, loaded.warnings, created)
    if loaded.warnings:
        return State("incomplete", draft.id, (), present, loaded.warnings, created)
    try:
        with session.begin_nested():
            publish(session, settings, actor, draft.id)
    except Invalid as error:
        found = [rdm.in_rdm_words(f) for f in error.findings]
        return State("incomplete", draft.id, (), present, found, created)
    return State("published", draft.id, (), present, created=created)


def _draft(
    session: Session, db: Database, actor: Actor, known: AnyRow | None, wished: Wish
) -> tuple[AnyRow, bool]:
    """The locked draft of this wish, and whether it was begun now."""
    if known is not None:
        open_one = session.execute(select(draft_rows.c.id).where(draft_rows.c.id == known.draft_id)).first()
        if open_one is not None:
            return drafts.lock(session, actor, int(known.draft_id)), False
        # It was discarded: the script begins anew under the same key.
    if wished.of is None:
        made = drafts.create(session, db, actor, RecordData())
        return drafts.lock(session, actor, made), True
    latest = session.execute(
        select(concepts.c.latest_id, concepts.c.next_draft_id).where(
            or_(
                concepts.c.id == wished.of,
                concepts.c.id
                == select(records.c.concept_id).where(records.c.id == wished.of).scalar_subquery(),
            )
        )
    ).first()
    if latest is None or latest.latest_id is None:
        raise NotFound(f"There is no published record {wished.of}.")
    if latest.next_draft_id is not None:
        drafts.lock(session, actor, int(latest.next_draft_id))  # who may not see it learns nothing of it
        raise Conflict(
            f"The next version is being made as draft {latest.next_draft_id} already: publish or discard that first."
        )
    # With the files of the version before: those that are wished for need not be looked up.
    made = drafts.new_version(session, db, actor, int(latest.latest_id))
    return drafts.lock(session, actor, made), True


def _remember(
    session: Session, user_id: int, key: str, draft_id: int, digest: str, known: AnyRow | None
) -> None:
    moment = now()
    if known is None:
        insert_row(
            session,
            deposit_keys,
            {
                "user_id": user_id,
                "key": key,
                "draft_id": draft_id,
                "digest": digest,
                "created": moment,
                "updated": moment,
            },
        )
        return
    session.execute(
        update(deposit_keys)
        .where(deposit_keys.c.user_id == user_id, deposit_keys.c.key == key)
        .values(draft_id=draft_id, digest=digest, updated=moment)
    )


def _match(
    session: Session, actor: Actor, bucket: Bucket, wished: Sequence[WishedFile], guess: Callable[[str], str]
) -> list[WishedFile]:
    """Make the draft's files those of the wish, as far as their bytes are here; those that are missing."""
    here = {f.key: f for f in files.list_files(session, bucket)}
    wanted = {f.key: f for f in wished}
    for key in here.keys() - wanted.keys():
        files.delete_file(session, bucket, key)
    open_ones = [
        f for f in wished if f.key not in here or (here[f.key].sha256, here[f.key].size) != (f.sha256, f.size)
    ]
    found = _readable(session, actor, {f.sha256 for f in open_ones})
    missing = []
    for f in open_ones:
        instance = found.get((f.sha256, f.size))
        if instance is None:
            missing.append(f)
            # Bytes under this name that are not those wished for are not part of the version.
            if f.key in here:
                files.delete_file(session, bucket, f.key)
            continue
        files.name_again(session, bucket, f.key, instance, f.size, guess(f.key))
    if len(here.keys() - wanted.keys()) or len(missing) < len(open_ones):
        drafts.touch(session, actor, bucket.record_id, "files-matched")
    return missing


def _readable(session: Session, actor: Actor, digests: set[str]) -> dict[tuple[str, int], str]:
    """Instances by (sha256, size) among these whose bytes the actor may read: his drafts, and records open to him."""
    found: dict[tuple[str, int], str] = {}
    ordered = sorted(digests)
    for start in range(0, len(ordered), _AT_ONCE):
        some = ordered[start : start + _AT_ONCE]
        what = select(instances.c.id, instances.c.sha256, instances.c.size).join(
            objects, objects.c.instance_id == instances.c.id
        )
        published = what.join(records, files.in_version(records.c.concept_id, records.c.version)).where(
            instances.c.sha256.in_(some), files_visible(actor, records, today())
        )
        own = what.join(draft_rows, files.in_version(draft_rows.c.concept_id, draft_rows.c.version)).where(
            instances.c.sha256.in_(some), workable(actor, draft_rows)
        )
        for statement in (published, own):
            for row in session.execute(statement.distinct()):
                found[row.sha256, int(row.size)] = row.id
    return found
