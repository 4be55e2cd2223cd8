"""Addresses that go on working but have a better successor: `Deprecation` and `Link` headers (RFC 9745).

A handler is marked, the front (app.py) adds its headers to whatever it answers, and the OpenAPI document and the
page of the API say the same in words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeVar

H = TypeVar("H", bound=Callable[..., Any])

PAGE = "/api/docs#deprecated"
LINK = f'<{PAGE}>; rel="deprecation"; type="text/html"'


@dataclass(frozen=True, slots=True)
class Deprecation:
    """What is deprecated, since when, and what to use in its place. No end is planned: there is no `Sunset`."""

    what: str
    since: date
    instead: str

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        at = int(datetime(self.since.year, self.since.month, self.since.day, tzinfo=UTC).timestamp())
        return [(b"deprecation", f"@{at}".encode()), (b"link", LINK.encode())]


_MARKED: dict[Callable[..., Any], Deprecation] = {}
_HEADERS: dict[Callable[..., Any], list[tuple[bytes, bytes]]] = {}


def deprecated(what: str, since: date, instead: str) -> Callable[[H], H]:
    """Mark handlers; `what` names their addresses, `instead` is a sentence that says what to use in their place."""
    said = Deprecation(what, since, instead)

    def mark(handler: H) -> H:
        _MARKED[handler] = said
        _HEADERS[handler] = said.headers
        return handler

    return mark


def deprecation_of(handler: Callable[..., Any]) -> Deprecation | None:
    """What a handler was marked with."""
    return _MARKED.get(handler)


def deprecations() -> list[Deprecation]:
    """All that is deprecated, the latest first."""
    return sorted(set(_MARKED.values()), key=lambda d: (d.since, d.what), reverse=True)


def headers_of(handler: Callable[..., Any]) -> list[tuple[bytes, bytes]]:
    """What every answer of a handler has besides; nothing for most."""
    return _HEADERS.get(handler, [])
