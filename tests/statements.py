"""The SQL statements that really reach a database, whoever sends them: ORM, Core or the driver itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import psycopg

# What opens, ends or sets up, on a new connection at any moment; and how SQLite tells of a statement's inner parts.
ASIDE = (
    "BEGIN", "COMMIT", "ROLLBACK", "PRAGMA", "SET ", "SHOW ", "-- ", "SELECT PG_CATALOG.", "SELECT CURRENT_SCHEMA",
    "COMPOSED(", "DEALLOCATE",
)  # fmt: skip


@contextmanager
def overheard() -> Iterator[list[str]]:
    """A list that grows with each statement on connections that are opened within; clear it as you like."""
    sent: list[str] = []

    def note(statement: Any) -> None:
        text = statement.decode() if isinstance(statement, bytes) else str(statement)
        if not text.lstrip().upper().startswith(ASIDE):
            sent.append(text)

    connect, execute = sqlite3.connect, psycopg.Cursor.execute

    def connected(*arguments: Any, **more: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **more)
        connection.set_trace_callback(note)
        return connection

    def executed(self: psycopg.Cursor[Any], query: Any, *arguments: Any, **more: Any) -> Any:
        note(query)
        return execute(self, query, *arguments, **more)

    with (
        mock.patch.object(sqlite3, "connect", connected),
        mock.patch.object(sqlite3.dbapi2, "connect", connected),
        mock.patch.object(psycopg.Cursor, "execute", executed),
    ):
        yield sent
