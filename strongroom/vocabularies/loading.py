"""A registry's file into the table: checked, compared, written in small transactions.

A load may be repeated with the same file or a newer one: entries whose digest is the same are not touched, changed
ones are written, and those that the file no longer has are retired when it was read to its end. One that is killed
leaves what it wrote; the next starts from the beginning and finds that done. Two at once take turns by the batch.
Memory is one bit an entry that was there before.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from sqlalchemy import func, insert, select, update

from strongroom.db import Database, Session
from strongroom.errors import Conflict, Invalid, NotFound
from strongroom.ids import now
from strongroom.vocabularies import reading
from strongroom.vocabularies.formats import SOURCES, Refused
from strongroom.vocabularies.models import loads, terms
from strongroom.vocabularies.reading import Batch, Row
from strongroom.vocabularies.statements import Listed

log = logging.getLogger(__name__)

_LOCK = 0x766F6361  # "voca": who writes terms on PostgreSQL

# A file that would retire more than half of what is there is more likely the wrong one.
MANY = 1_000

# A smaller file is read before a process of its own would have begun.
APART = 4 << 20


@dataclass
class Progress:
    """What a load has done so far. `known` are funders of Crossref that stand under their ROR id already."""

    read: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    retired: int = 0
    refused: int = 0
    known: int = 0
    reasons: list[Refused] = field(default_factory=list)  # the first of those refused
    seconds: float = 0.0

    def __str__(self) -> str:
        rate = f", {self.read / self.seconds:,.0f} a second" if self.seconds else ""
        return (
            f"{self.read:,} entries read{rate}: {self.added:,} new, {self.changed:,} changed, "
            f"{self.unchanged:,} as they were, {self.retired:,} retired, {self.refused:,} refused"
        )


def load(
    db: Database,
    source: str,
    path: Path,
    told: Callable[[Progress], None] | None = None,
    *,
    retire_many: bool = False,
) -> Progress:
    """Load the file of a registry (`formats.SOURCES`). `told` hears of progress after each batch.

    Raises Invalid for another source, NotFound without the file, Malformed for one that can't be read, and
    Conflict where it would retire more than half of what is there and `retire_many` does not say that this is meant.
    """
    if source not in SOURCES:
        raise Invalid.at(
            "source", f"There is no vocabulary source {source!r}. Use one of: {', '.join(SOURCES)}."
        )
    try:
        file = path.open("rb")
    except OSError as error:
        raise NotFound(f"{path} can't be read: {error.strerror}.") from None
    with file:
        if path.stat().st_size < APART:
            return _load(db, source, reading.batches(source, file), path.name, told, retire_many)
    with closing(reading.batches_apart(source, path)) as batches:
        return _load(db, source, batches, path.name, told, retire_many)


def load_stream(
    db: Database,
    source: str,
    file: IO[bytes],
    name: str,
    told: Callable[[Progress], None] | None = None,
    *,
    retire_many: bool = False,
) -> Progress:
    """`load` from an open file."""
    return _load(db, source, reading.batches(source, file), name, told, retire_many)


def _load(
    db: Database,
    source: str,
    batches: Iterable[Batch],
    name: str,
    told: Callable[[Progress], None] | None,
    retire_many: bool,
) -> Progress:
    begun = time.monotonic()
    progress = Progress()
    with db.begin() as session:
        load_id = _begin(session, source, name)
        before = int(session.execute(select(func.max(terms.c.number))).scalar() or 0)
    seen = bytearray((before >> 3) + 1)
    parts: set[str] = set()
    for batch in batches:
        progress.read += batch.read
        progress.refused += batch.refused
        progress.reasons += batch.reasons[: reading.REASONS - len(progress.reasons)]
        parts.update([row[2] for row in batch.rows])
        with db.begin(durable=False) as session:
            _write(session, source, batch.rows, seen, before, progress)
        progress.seconds = time.monotonic() - begun
        if told:
            told(progress)
    _retire(db, source, sorted(parts), load_id, seen, before, progress, retire_many)
    progress.seconds = time.monotonic() - begun
    with db.begin() as session:
        session.execute(
            update(loads).where(loads.c.id == load_id).values(finished=now(), **_counts(progress))
        )
    log.info("vocabulary %s from %s: %s", source, name, progress)
    return progress


def _counts(progress: Progress) -> dict[str, int]:
    return {name: getattr(progress, name) for name in ("read", "added", "changed", "retired", "refused")}


def _begin(session: Session, source: str, name: str) -> int:
    values = {"source": source, "file": name, "started": now(), **_counts(Progress())}
    return int(session.execute(insert(loads).values(values).returning(loads.c.id)).scalar_one())


def _moment(session: Session, moment: datetime) -> Any:
    return moment.isoformat(timespec="microseconds") if session.dialect.name == "sqlite" else moment


def _turn(session: Session) -> tuple[int, int]:
    """The highest number and seq. Nobody else gives any until this transaction ends."""
    if session.dialect.name == "postgresql":
        session.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    row = session.exec_driver_sql(
        "SELECT (SELECT max(number) FROM vocabulary_terms), (SELECT max(seq) FROM vocabulary_terms)"
    ).one()
    return int(row[0] or 0), int(row[1] or 0)


_INSERT = Listed(
    "INSERT INTO vocabulary_terms (number, kind, id, source, sort_name, data, names, digest, retired, revision, seq,"
    " created, updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)"
)
_UPDATE = Listed(
    "UPDATE vocabulary_terms SET source = ?, sort_name = ?, data = ?, names = ?, digest = ?, retired = ?,"
    " revision = revision + 1, seq = ?, updated = ? WHERE number = ?"
)
_THERE = Listed("SELECT id, number, digest, retired FROM vocabulary_terms WHERE kind = ? AND id IN (??)")


def _write(
    session: Session, source: str, rows: list[Row], seen: bytearray, before: int, progress: Progress
) -> None:
    number, seq = _turn(session)
    by_kind: dict[str, dict[str, Row]] = {}
    for row in rows:
        # Of two with the same id the later counts.
        by_kind.setdefault(row[0], {})[row[1]] = row
    at = _moment(session, now())
    added: list[tuple[Any, ...]] = []
    changed: list[tuple[Any, ...]] = []
    named: list[tuple[int, list[str]]] = []  # whose aliases are written anew
    for kind, wanted in by_kind.items():
        if kind == "funders" and source == "funders":
            progress.known += _leave_out_known(session, wanted)
        there = {
            found_id: (n, digest, bool(retired))
            for found_id, n, digest, retired in _THERE.on(session, kind, wanted.keys())
        }
        counted = kind != "funders" or source == "funders"
        for id, (_, _, part, sort, data, names, digest, retired, aliases) in wanted.items():
            if (old := there.get(id)) is None:
                number += 1
                seq += 1
                added.append((number, kind, id, part, sort, data, names, digest, retired, seq, at, at))
                progress.added += counted
                if aliases:
                    named.append((number, aliases))
                continue
            if old[0] <= before:
                seen[old[0] >> 3] |= 1 << (old[0] & 7)
            if old[1:] == (digest, retired):
                progress.unchanged += counted
                continue
            seq += 1
            changed.append((part, sort, data, names, digest, retired, seq, at, old[0]))
            progress.changed += counted
            named.append((old[0], aliases))
    if added:
        _INSERT.each(session, added)
    if changed:
        _UPDATE.each(session, changed)
    if named:
        _name(session, source, named, seq, at)


_STAND_ELSEWHERE = Listed(
    "SELECT a.alias FROM vocabulary_aliases a JOIN vocabulary_terms t ON t.number = a.number"
    " WHERE a.kind = 'funders' AND t.source = 'ror' AND a.alias IN (??)"
)


def _leave_out_known(session: Session, wanted: dict[str, Row]) -> int:
    """Takes out the funders of Crossref that are there under their ROR id, and says how many."""
    found = _STAND_ELSEWHERE.on(session, wanted.keys())
    for (alias,) in found:
        wanted.pop(alias, None)
    return len(found)


_FORGET = Listed("DELETE FROM vocabulary_aliases WHERE number IN (??)")
_NAME = Listed(
    "INSERT INTO vocabulary_aliases (kind, alias, number) VALUES ('funders', ?, ?)"
    " ON CONFLICT (kind, alias) DO UPDATE SET number = excluded.number"
)
_DOUBLED = Listed(
    "SELECT number FROM vocabulary_terms"
    " WHERE kind = 'funders' AND source = 'funders' AND NOT retired AND id IN (??)"
)


def _name(session: Session, source: str, named: list[tuple[int, list[str]]], seq: int, at: Any) -> None:
    """Writes the aliases of funders; those of Crossref that now stand under their ROR id are retired."""
    _FORGET.on(session, [number for number, _ in named])
    every = {alias: number for number, aliases in named for alias in aliases}
    if not every:
        return
    _NAME.each(session, list(every.items()))
    if source == "ror":
        _set_retired(session, [row[0] for row in _DOUBLED.on(session, every.keys())], seq, at)


_RETIRE = Listed(
    "UPDATE vocabulary_terms SET retired = true, revision = revision + 1, seq = ?, updated = ? WHERE number = ?"
)


def _set_retired(session: Session, numbers: list[int], seq: int, at: Any) -> None:
    if numbers:
        _RETIRE.each(session, [(seq + n, at, number) for n, number in enumerate(numbers, 1)])


_LIVE = Listed(
    "SELECT number FROM vocabulary_terms WHERE number > ? AND number <= ? AND NOT retired AND source IN (??)"
    " ORDER BY number LIMIT 5000"
)


def _missing(db: Database, parts: list[str], seen: bytearray, before: int) -> Iterator[tuple[list[int], int]]:
    """Numbers of entries of these sources that the file did not have, page by page, and how many are there."""
    last = 0
    while True:
        with db.read() as session:
            rows = _LIVE.on(session, last, before, parts)
        if not rows:
            return
        last = rows[-1][0]
        yield [n for (n,) in rows if not seen[n >> 3] & 1 << (n & 7)], len(rows)


def _retire(
    db: Database,
    source: str,
    parts: list[str],
    load_id: int,
    seen: bytearray,
    before: int,
    progress: Progress,
    retire_many: bool,
) -> None:
    """Retires what the file did not have."""
    gone = there = 0
    for numbers, count in _missing(db, parts, seen, before):
        gone += len(numbers)
        there += count
    if gone > MANY and gone * 2 > there and not retire_many:
        raise Conflict(
            f"The file lacks {gone:,} of the {there:,} entries that are there from {source}. Its entries are loaded, "
            "and none was retired. If this file is the whole registry, load it again with --retire-many."
        )
    for numbers, _ in _missing(db, parts, seen, before):
        if not numbers:
            continue
        with db.begin(durable=False) as session:
            _, seq = _turn(session)
            newer = select(loads.c.id).where(loads.c.source == source, loads.c.id > load_id).limit(1)
            if session.execute(newer).first():
                log.warning("vocabulary %s: a newer load began meanwhile; it says what is retired", source)
                return
            _set_retired(session, numbers, seq, _moment(session, now()))
        progress.retired += len(numbers)
