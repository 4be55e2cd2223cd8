"""Who registers DOIs: DataCite over its REST API, or nobody.

A registrar knows identifiers, target addresses and payloads, and nothing of records. All calls may
be repeated at will; they happen in jobs, never in a request or a transaction.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from strongroom.errors import Invalid, StrongroomError, Unavailable
from strongroom.settings import Settings

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger(__name__)


class Rejected(StrongroomError):
    """The agency says no, and will say so again: `messages` are its words, one a finding."""

    code = "registration-rejected"
    default = "The registration agency refused the DOI."

    def __init__(self, doi: str, messages: tuple[str, ...]) -> None:
        self.doi = doi
        self.messages = messages
        super().__init__(f"The registration agency refused {doi}: {'; '.join(messages)}")


class Unreachable(Unavailable):
    """The agency does not answer, or asks to come back; `retry_after` in seconds when it says when."""

    code = "registration-unavailable"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class Registrar(Protocol):
    """Makes DOIs known to the world. Raises Unavailable (try again later) and Rejected (do not)."""

    name: str
    registers: bool  # False: DOIs are given out but lead nowhere, and pages say so

    def register(self, doi: str, url: str, payload: dict[str, Any]) -> None:
        """Register the DOI, or bring it up to date: it resolves to `url` and can be found.

        `payload` are DataCite's attributes (schema 4 as JSON) without `doi`, `url` and `event`.
        """
        ...

    def hide(self, doi: str) -> None:
        """Take the DOI out of the agency's search; it goes on resolving, to a tombstone.

        One that is not registered stays so.
        """
        ...

    def state(self, doi: str) -> str | None:
        """What the agency holds: 'draft', 'registered' (hidden), 'findable', or None."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


class Local:
    """Registers nothing, and says so once in the log."""

    name = "local"
    registers = False

    def __init__(self) -> None:
        self._warned = False

    def register(self, doi: str, url: str, payload: dict[str, Any]) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                "STRONGROOM_REGISTRAR is 'local': DOIs are not registered, %s and all others lead nowhere. "
                "Set it to 'datacite' (with account and prefix) to register them.",
                doi,
            )

    def hide(self, doi: str) -> None:
        return

    def state(self, doi: str) -> str | None:
        return None

    def close(self) -> None:
        return


class DataCite:
    """DataCite's REST API (support.datacite.org/docs/api): JSON:API, basic auth with a repository account."""

    name = "datacite"
    registers = True

    def __init__(self, url: str, username: str, password: str, timeout: float = 30) -> None:
        self._url, self._auth, self._timeout = url.rstrip("/"), (username, password), timeout
        self._lock = threading.Lock()
        self._client: httpx2.Client | None = None

    def register(self, doi: str, url: str, payload: dict[str, Any]) -> None:
        answer = self._put(doi, {**payload, "url": url, "event": "publish"})
        state = _state(answer)
        if state != "findable":
            # An event that the state machine can't follow is ignored by the API, with status 200.
            raise Rejected(doi, (f"the DOI was to be findable but is {state!r} after 'publish'",))

    def hide(self, doi: str) -> None:
        # A PUT to a DOI that is unknown there would make a draft of it, so look first.
        if self.state(doi) == "findable":
            self._put(doi, {"event": "hide"})

    def state(self, doi: str) -> str | None:
        answer = self._send("GET", doi)
        return None if answer is None else _state(answer)

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _put(self, doi: str, attributes: dict[str, Any]) -> dict[str, Any]:
        body = {"data": {"id": doi, "type": "dois", "attributes": {"doi": doi, **attributes}}}
        answer = self._send("PUT", doi, body)
        if answer is None:
            raise Rejected(doi, ("the agency does not know this DOI's prefix or repository (404)",))
        return answer

    def _send(self, method: str, doi: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """One request; the answer's `data`, None for 404."""
        import httpx2

        try:
            response = self._connected().request(
                method,
                f"{self._url}/dois/{quote(doi, safe='/')}",
                json=body,
                headers={"Content-Type": "application/vnd.api+json"} if body is not None else {},
            )
        except httpx2.TransportError as error:
            # ReadTimeout and its like may have no text of their own.
            raise Unreachable(f"{self._url}: {type(error).__name__} {error}".rstrip()) from error
        status = response.status_code
        if status in (408, 425, 429) or status >= 500:
            raise Unreachable(f"{self._url} answered {status}", _seconds(response.headers.get("Retry-After")))
        if status == 404:
            return None
        if status >= 300:
            raise Rejected(doi, _messages(response))
        try:
            data = response.json()["data"]
            data["attributes"]["state"]
        except (ValueError, KeyError, TypeError) as error:
            # A proxy's page with status 200, or a service that is half up: not the agency's word.
            raise Unreachable(f"{self._url} answered {status} with something unreadable") from error
        return data  # type: ignore[no-any-return]

    def _connected(self) -> httpx2.Client:
        with self._lock:
            if self._client is None:
                import httpx2

                self._client = httpx2.Client(
                    auth=self._auth,
                    timeout=httpx2.Timeout(self._timeout, connect=min(10, self._timeout)),
                    headers={"Accept": "application/vnd.api+json", "User-Agent": "strongroom"},
                )
            return self._client


def _state(data: dict[str, Any]) -> str:
    return str(data["attributes"]["state"])


def _messages(response: httpx2.Response) -> tuple[str, ...]:
    """The agency's findings: `{"errors": [{"source": "creators", "title": "…", "uid": …}]}`."""
    try:
        found = [
            f"{error['source']}: {error['title']}" if error.get("source") else str(error["title"])
            for error in response.json()["errors"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        found = [response.text[:500].strip()]
    if response.status_code in (401, 403):
        found.append("check STRONGROOM_DATACITE_USERNAME, …_PASSWORD and STRONGROOM_DOI_PREFIX")
    return tuple(f"{text} ({response.status_code})" if not n else text for n, text in enumerate(found))


def _seconds(value: str | None) -> float | None:
    """Retry-After as seconds: a number or a date (RFC 9110 section 10.2.3), an hour at most."""
    if not value:
        return None
    if value.isdecimal():
        return min(float(value), 3600.0)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    return min(max((when.astimezone(UTC) - datetime.now(UTC)).total_seconds(), 0.0), 3600.0)


def open_registrar(settings: Settings) -> Registrar:
    """The registrar that the settings name. Raises Invalid when its account is missing."""
    if settings.registrar == "local":
        return Local()
    missing = [name for name in ("datacite_username", "datacite_password") if not getattr(settings, name)]
    if missing:
        names = " and ".join(f"STRONGROOM_{name.upper()}" for name in missing)
        raise Invalid.at(missing[0], f"STRONGROOM_REGISTRAR is 'datacite': set {names} as well.")
    return DataCite(settings.datacite_url, settings.datacite_username, settings.datacite_password)
