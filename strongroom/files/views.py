"""A file as doors get to show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class FileView:
    """One file of one version. `checksum`s are bare hexadecimal digits; `size` in bytes."""

    id: str  # of the object row, the same in every version that shares it
    version_id: str
    key: str  # path, `/` parts folders
    size: int
    md5: str
    sha256: str
    crc32: int
    mimetype: str
    created: datetime
    updated: datetime
    store: str
    location: str
    metadata: str | None = None  # a JSON object as text: description, licence, role
    hidden: bool = False  # not to be shown in lists of the record's page
