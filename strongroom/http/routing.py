"""From a path to its handler.

Starlette's router tries every route in turn and wraps each handler three times; for an answer that takes a tenth of
a millisecond that is a third of the work (docs/decisions/0008). Patterns and their meaning are Starlette's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from starlette.convertors import Convertor
from starlette.routing import compile_path

Handler = Callable[..., Any]


class _Route:
    __slots__ = ("handlers", "pattern", "takes")

    def __init__(self, path: str) -> None:
        self.pattern: re.Pattern[str]
        self.takes: dict[str, Convertor[Any]]
        self.pattern, _, self.takes = compile_path(path)
        self.handlers: dict[str, Handler] = {}

    def match(self, path: str) -> dict[str, Any] | None:
        found = self.pattern.match(path)
        if found is None:
            return None
        return {name: self.takes[name].convert(value) for name, value in found.groupdict().items()}


def _first(path: str) -> str:
    """What a path begins with: `/records`, `/api/records`, `/`."""
    one, two = path.find("/", 1), 0
    if one > 0 and path.startswith("/api/"):
        two = path.find("/", one + 1)
        return path[:two] if two > 0 else path
    return path[:one] if one > 0 else path


class Routes:
    """All addresses: `verb, path, handler` in the order in which they are tried."""

    def __init__(self, table: Iterable[tuple[str, str, Handler]]) -> None:
        by_path: dict[str, _Route] = {}
        self._by_first: dict[str, list[_Route]] = {}
        for verb, path, handler in table:
            route = by_path.get(path)
            if route is None:
                route = by_path[path] = _Route(path)
                self._by_first.setdefault(_first(path), []).append(route)
            route.handlers[verb] = handler
            if verb == "GET":
                route.handlers["HEAD"] = handler

    def find(self, path: str) -> tuple[dict[str, Handler], dict[str, Any]] | None:
        """The handlers of a path by verb and the values in it; None where no route has it."""
        for route in self._by_first.get(_first(path), ()):
            values = route.match(path)
            if values is not None:
                return route.handlers, values
        return None
