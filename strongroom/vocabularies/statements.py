"""SQL of the vocabularies in which one value is a list; its text is made once for each database."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import orjson

from strongroom.db import Session


class Listed:
    """A statement written by hand: `?` is a value, `IN (??)` a list of values, of any length.

    The list is one value to the driver (JSON on SQLite, an array on PostgreSQL), so that the text is always the same.
    """

    def __init__(self, text: str) -> None:
        self._sqlite = text.replace("IN (??)", "IN (SELECT value FROM json_each(?))")
        self._postgresql = text.replace("IN (??)", "= ANY(%s)").replace("?", "%s")

    def on(self, session: Session, *values: Any) -> list[Any]:
        """Run it; lists may be any collection of texts or integers. The rows, of a statement that has any."""
        if session.dialect.name == "sqlite":
            sent = tuple(_json(value) if _is_list(value) else value for value in values)
            found = session.exec_driver_sql(self._sqlite, sent)
        else:
            sent = tuple(list(value) if _is_list(value) else value for value in values)
            found = session.exec_driver_sql(self._postgresql, sent)
        return list(found.all()) if found.returns_rows else []

    def each(self, session: Session, rows: list[tuple[Any, ...]]) -> None:
        """Run it for each of these rows of values; there is no list among them."""
        sqlite = session.dialect.name == "sqlite"
        session.exec_driver_sql(self._sqlite if sqlite else self._postgresql, rows)


def _is_list(value: Any) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str | bytes)


def _json(values: Collection[Any]) -> str:
    return orjson.dumps(list(values)).decode()
