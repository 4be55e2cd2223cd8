"""A truth to search in: a change log and documents in one SQLite file, for several processes."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from strongroom.search import Change, Document

START = datetime(2024, 1, 1, tzinfo=UTC)


def document(id: int, **fields: Any) -> Document:
    """A public record; its concept is the number before, later ids are younger."""
    moment = START + timedelta(minutes=id)
    return replace(Document(id=id, concept_id=id - 1, created=moment, updated=moment), **fields)


class Truth:
    """`Source` over a file; `put` and `remove` are what a transaction of the house does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self.open() as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE IF NOT EXISTS changes (seq INTEGER PRIMARY KEY, kind TEXT, id INTEGER)")
            db.execute(
                "CREATE TABLE IF NOT EXISTS documents (kind TEXT, id INTEGER, body BLOB, PRIMARY KEY (kind, id))"
            )

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=10)
        try:
            with db:
                yield db
        finally:
            db.close()

    def put(self, *documents: Document, kind: str = "record", logged: bool = True) -> None:
        with self.open() as db:
            for each in documents:
                db.execute("REPLACE INTO documents VALUES (?, ?, ?)", (kind, each.id, pickle.dumps(each)))
                if logged:
                    db.execute("INSERT INTO changes (kind, id) VALUES (?, ?)", (kind, each.id))

    def remove(self, id: int, kind: str = "record") -> None:
        with self.open() as db:
            db.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, id))
            db.execute("INSERT INTO changes (kind, id) VALUES (?, ?)", (kind, id))

    def newest(self) -> int:
        with self.open() as db:
            return int(db.execute("SELECT coalesce(max(seq), 0) FROM changes").fetchone()[0])

    def changes(self, after: int, limit: int) -> Sequence[Change]:
        with self.open() as db:
            rows = db.execute("SELECT * FROM changes WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))
            return [Change(*row) for row in rows]

    def documents(self, kind: str, ids: Sequence[int]) -> Mapping[int, Document]:
        with self.open() as db:
            rows = db.execute(
                f"SELECT id, body FROM documents WHERE kind = ? AND id IN ({','.join('?' * len(ids))})",
                (kind, *ids),
            )
            return {id: pickle.loads(body) for id, body in rows}

    def everything(self, kind: str, after: int, limit: int) -> Sequence[Document]:
        with self.open() as db:
            rows = db.execute(
                "SELECT body FROM documents WHERE kind = ? AND id > ? ORDER BY id LIMIT ?",
                (kind, after, limit),
            )
            return [pickle.loads(body) for (body,) in rows]
