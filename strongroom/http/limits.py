"""How many requests one client may make, counted in memory for each process (library `limits`).

Defaults (design 5b): 600 a minute for a guest's address, 6,000 for a token, 60 searches and
60 citations a minute for a guest.
Bytes and 304 are not counted. The headers are those of api-legacy.md section 1.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.requests import Request

from strongroom.errors import RateLimited
from strongroom.http.deps import bearer
from strongroom.settings import Settings

GUEST = RateLimitItemPerMinute(600, namespace="guest")
TOKEN = RateLimitItemPerMinute(6000, namespace="token")
LOGIN = RateLimitItemPerMinute(10, namespace="login")
SEARCH = RateLimitItemPerMinute(60, namespace="search")
SUGGEST = RateLimitItemPerMinute(60, namespace="suggest")  # apart: typing must not use up what searching may

CITE = RateLimitItemPerMinute(60, namespace="cite")  # a style that nobody asked for yet takes up to 0.2 s

KNOWN_TOKENS = 10_000


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Share:
    """One client's share of one limit."""

    item: RateLimitItemPerMinute
    key: str


class Limits:
    """The limits of one process; `enabled` is False when the operator switched them off."""

    def __init__(self, settings: Settings) -> None:
        self.enabled = settings.rate_limits != "off"
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._known: set[str] = set()
        self._proxies = [
            ipaddress.ip_network(p.strip(), strict=False)
            for p in settings.trusted_proxies.split(",")
            if p.strip()
        ]

    def address(self, request: Request) -> str:
        """The client's address; X-Forwarded-For is believed only from trusted proxies."""
        address = request.client.host if request.client else "unknown"
        if self._proxies:
            # The nearest hop is last: go back until the first that is not a proxy of ours.
            for hop in reversed([*request.headers.get("x-forwarded-for", "").split(",")[-20:], address]):
                hop = hop.strip()
                try:
                    known = ipaddress.ip_address(hop)
                except ValueError:
                    break
                address = hop
                if not any(known in network for network in self._proxies):
                    break
        return address

    def share(self, request: Request, path: str) -> Share:
        token = bearer(request)
        if token is not None:
            key = _digest(token)
            if key in self._known:
                return Share(TOKEN, key)
        # A token nobody has made counts as none: else a made-up one each time would be no limit at all.
        address = self.address(request)
        if path in ("/api/records", "/search", "/search.atom", "/oai2d"):
            return Share(SEARCH, address)
        if path.startswith("/records/") and path.endswith("/citation"):
            return Share(CITE, address)
        if path == "/search/suggest":
            return Share(SUGGEST, address)
        return Share(GUEST, address)

    def learn(self, request: Request) -> None:
        """A request's token proved to be somebody's: from now on it has its own share."""
        token = bearer(request)
        if token is not None:
            if len(self._known) >= KNOWN_TOKENS:
                self._known.clear()
            self._known.add(_digest(token))

    def check(self, share: Share) -> None:
        """Raises RateLimited when the share is used up."""
        if not self._limiter.test(share.item, share.key):
            reset = self._limiter.get_window_stats(share.item, share.key).reset_time
            raise RateLimited(f"{share.item.amount} per 1 minute", max(1, int(reset - time.time()) + 1))

    def check_login(self, request: Request) -> None:
        """Passwords can't be tried by the thousand. Raises RateLimited."""
        if not self.enabled:
            return
        share = Share(LOGIN, self.address(request))
        self.check(share)
        self._limiter.hit(share.item, share.key)

    def count(self, share: Share) -> dict[str, str]:
        """Count one request and return the headers that tell what is left."""
        self._limiter.hit(share.item, share.key)
        return self.headers(share)

    def headers(self, share: Share) -> dict[str, str]:
        stats = self._limiter.get_window_stats(share.item, share.key)
        reset = int(stats.reset_time)
        return {
            "X-RateLimit-Limit": str(share.item.amount),
            "X-RateLimit-Remaining": str(stats.remaining),
            "X-RateLimit-Reset": str(reset),
            "Retry-After": str(max(0, reset - int(time.time()))),
        }
