"""Answers that may be kept: conditional requests, and a bounded cache of rendered bytes in each process.

Only answers to requests without any credentials are kept. The key holds everything an answer depends
on (design 5b), so nothing has to be thrown away when a record changes: the new answer has a new key.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from starlette.requests import Request

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
            body = self._kept.get(key)
            if body is not None:
                self._kept.move_to_end(key)
            return body

    def put(self, key: Hashable, body: bytes) -> None:
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
