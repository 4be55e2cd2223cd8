"""What the suggest index learns from the database."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.db import Database
from strongroom.search.terms import Term


class DatabaseTerms:
    """`search.terms.TermSource` over the database. Each call is one short reading transaction."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def newest(self) -> int:
        return int(self._db.hot("SELECT max(seq) FROM vocabulary_terms")[0][0] or 0)

    def after(self, seq: int, limit: int) -> Sequence[Term]:
        rows = self._db.hot(
            "SELECT number, seq, kind, names, retired, revision FROM vocabulary_terms WHERE seq > ? ORDER BY seq LIMIT ?",
            seq,
            limit,
        )
        return [
            Term.unpack(number, at, kind, names, bool(retired), revision == 1)
            for number, at, kind, names, retired, revision in rows
        ]
