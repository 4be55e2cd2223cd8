"""Opaque keys and the clock: the two sources of values that nobody chooses."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, date, datetime


def now() -> datetime:
    """The time in UTC, with microseconds."""
    return datetime.now(UTC)


def today() -> date:
    """Today's date in UTC: what embargoes and default publication dates are counted by."""
    return datetime.now(UTC).date()


def iso(moment: datetime) -> str:
    """ISO 8601 with microseconds and offset, as every answer shows times (api-legacy.md section 1)."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def new_uuid() -> str:
    """A random UUID as text, for files and their versions."""
    return str(uuid.uuid4())


def new_key() -> str:
    """128 random bits as 32 hexadecimal digits: names of stored bytes, sessions, leases."""
    return secrets.token_hex(16)


def new_token() -> str:
    """A personal access token: 60 characters, as Zenodo's are (api-legacy.md section 1)."""
    return secrets.token_urlsafe(45)
