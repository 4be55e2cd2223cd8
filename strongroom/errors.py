"""The errors of the whole house, one tree.

    StrongroomError
    ├── Invalid               what was sent breaks rules; carries findings, one a field
    ├── Malformed             what was sent can't be read (JSON, query string, header)
    ├── Unauthenticated       no credentials, or wrong ones, where some are needed
    ├── Forbidden             this actor may not do that
    │   └── Locked            nobody may: files of a published version, a bucket in edit
    ├── NotFound              there is no such thing, or none that this actor may know of
    ├── Gone                  it was here; carries the tombstone
    ├── Conflict              the state does not allow it now
    │   └── Stale             If-Match names an older revision
    ├── TooLarge              a quota or a limit is exceeded
    │   └── StorageFull       the disk (or store) has no room
    ├── Incomplete            fewer or more bytes came than were announced, or a digest differs
    ├── WrongVerb             this address does not take that HTTP method
    ├── Unsupported           media type not understood
    ├── NotAcceptable         no representation that the client accepts
    ├── BadRange              a range outside the file
    ├── RateLimited           too many requests; carries when to come back
    ├── Busy                  the database is locked for too long; come back
    └── Unavailable           something remote (registrar, store) does not answer; retried by jobs

Nouns raise these; only `strongroom.http.problems` knows which HTTP status each becomes.
Every message says what was wrong, where, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing wrong (or dropped) at one place of what was sent.

    `field` is a dotted path with list indexes (`metadata.creators.0.name`), `also` the same place
    in the other API's words where they differ (api-legacy.md section 2).
    """

    field: str
    messages: tuple[str, ...]
    also: str | None = None

    @classmethod
    def of(cls, field: str, *messages: str, also: str | None = None) -> Finding:
        return cls(field, messages, also)

    def as_json(self) -> dict[str, Any]:
        """Both spellings that clients read: `message` (old) and `messages` (now)."""
        item: dict[str, Any] = {
            "field": self.field,
            "message": " ".join(self.messages),
            "messages": list(self.messages),
        }
        if self.also and self.also != self.field:
            item["also"] = self.also
        return item


class StrongroomError(Exception):
    """Base of all errors that a user may see. `message` is for the user; `code` for programs."""

    code = "error"
    default = "Something went wrong."

    def __init__(self, message: str | None = None) -> None:
        self.message = message or self.default
        super().__init__(self.message)


class Invalid(StrongroomError):
    """What was sent breaks rules; `findings` says each, with its place."""

    code = "invalid"
    default = "A validation error occurred."

    def __init__(self, findings: Iterable[Finding] = (), message: str | None = None) -> None:
        self.findings = tuple(findings)
        super().__init__(message)

    @classmethod
    def at(cls, field: str, *messages: str) -> Invalid:
        return cls([Finding.of(field, *messages)])


class Malformed(StrongroomError):
    """What was sent can't be read at all (JSON, query string, form, header)."""

    code = "malformed"
    default = "The request could not be read."


class Unauthenticated(StrongroomError):
    """No credentials, or wrong ones, where some are needed."""

    code = "unauthenticated"
    default = (
        "The server could not verify that you are authorized to access the URL requested. "
        "Send a valid token as 'Authorization: Bearer <token>' or '?access_token=<token>'."
    )


class Forbidden(StrongroomError):
    """This actor may not do that."""

    code = "forbidden"
    default = "Permission denied."


class Locked(Forbidden):
    """Nobody may change this now: published files, or the bucket of a record in edit."""

    code = "locked"
    default = "Bucket is locked for modifications."


class NotFound(StrongroomError):
    """There is no such thing, or none that this actor may know of."""

    code = "not-found"
    default = "Not found."


class Gone(StrongroomError):
    """It was here and was withdrawn; `tombstone` says when and why."""

    code = "gone"
    default = "Record deleted"

    def __init__(self, message: str | None = None, tombstone: Mapping[str, Any] | None = None) -> None:
        self.tombstone = dict(tombstone or {})
        super().__init__(message)


class Conflict(StrongroomError):
    """The state does not allow it now, or somebody else was faster."""

    code = "conflict"
    default = "The resource was changed by somebody else meanwhile: read it again, then repeat."


class Stale(Conflict):
    """`If-Match` names an older revision than the current one."""

    code = "stale"
    default = "If-Match names an older revision: read the resource again, then repeat."


class TooLarge(StrongroomError):
    """A quota or limit would be exceeded."""

    code = "too-large"
    default = "The limit is exceeded."


class StorageFull(TooLarge):
    """The store has no room left (less its reserve)."""

    code = "storage-full"
    default = "The server's storage is full. Nothing was stored. Try again later or tell its operator."


class Incomplete(StrongroomError):
    """Fewer or more bytes came than were announced, or they have another digest."""

    code = "incomplete"
    default = "The upload did not arrive whole. Nothing was stored: send it again."


class WrongVerb(StrongroomError):
    """The address exists, but does not take this HTTP method."""

    code = "method-not-allowed"
    default = "The method is not allowed for the requested URL."

    def __init__(self, message: str | None = None, allowed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.allowed = allowed


class Unsupported(StrongroomError):
    """The media type of the body is not understood here."""

    code = "unsupported"
    default = "Invalid 'Content-Type' header. Expected one of: application/json"


class NotAcceptable(StrongroomError):
    """None of the accepted media types is served here."""

    code = "not-acceptable"
    default = "Invalid 'Accept' header."


class BadRange(StrongroomError):
    """The range asked for lies outside the file of `size` bytes."""

    code = "bad-range"
    default = "The server cannot provide the requested range. It lies outside the file."

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__()


class RateLimited(StrongroomError):
    """Too many requests; `retry_after` seconds until the next is answered."""

    code = "rate-limited"
    default = "Too many requests."

    def __init__(self, message: str, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class Busy(StrongroomError):
    """The database could not be written in time."""

    code = "busy"
    default = "The server is busy. Nothing was changed: try again in a few seconds."
    retry_after = 2


class Unavailable(StrongroomError):
    """Something remote (registrar, store, mail) does not answer now; jobs retry on this one."""

    code = "unavailable"
    default = "A service this server depends on does not answer."
