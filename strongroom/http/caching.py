"""Answers that may be kept: conditional requests, and a bounded cache of rendered bytes in each process.

Only answers to requests without any credentials are kept. The key holds everything an answer depends
on (design 5b), so nothing has to be thrown away when a record changes: the new answer has a new key.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

VARY = "Accept, Accept-Language, Cookie, Authorization"


class Cache:
    """The most recently used answers, at most `limit` bytes of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> bytes | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            self._kept.move_to_end(key)
        return kept

    def put(self, key: Hashable, body: bytes) -> None:
        # Not packed: memory for 3,000 pages is cheaper than a tenth of the work at each of them.
        cost = len(body) + 300  # the key and the books
        if cost > self._limit // 8:
            return
        with self._lock:
            old = self._kept.pop(key, None)
            if old is not None:
                self._size -= len(old) + 300
            self._kept[key] = body
            self._size += cost
            while self._size > self._limit:
                _, gone = self._kept.popitem(last=False)
                self._size -= len(gone) + 300


class Ready:
    """An answer whose headers are bytes already: for the few that make up most of the load."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = self.headers
        if self.status != 304:
            headers.append((b"content-length", str(len(self.body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as `Ready` takes them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def conditional(request: Request, etag: str) -> bool:
    """Whether If-None-Match names this ETag (weak comparison): then the answer is 304."""
    header = request.headers.get("if-none-match")
    if header is None:
        return False
    return header.strip() == "*" or any(part.strip().removeprefix("W/") == etag for part in header.split(","))


def headers_for(etag: str, private: bool) -> dict[str, str]:
    """Caching headers: anonymous answers may be kept by anybody who asks again, all others by nobody."""
    return {
        "ETag": etag,
        "Cache-Control": "private, no-store" if private else "public, no-cache",
        "Vary": VARY,
    }
