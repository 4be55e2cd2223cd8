"""What an export gets: one record as plain values, with every address in it made already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol
from urllib.parse import quote

from strongroom.ids import today as today_utc
from strongroom.metadata.model import AccessStatus, RecordData
from strongroom.settings import Settings


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file: `size` in bytes, digests as bare hexadecimal digits, `url` of its bytes."""

    key: str
    size: int
    md5: str
    sha256: str
    mimetype: str
    url: str


@dataclass(frozen=True, slots=True)
class ExportVersion:
    """Another version of the same concept."""

    id: int
    index: int
    doi: str | None
    url: str
    is_latest: bool


@dataclass(frozen=True, slots=True)
class ExportRecord:
    """One published version with all that any format says about it; no lookups are needed."""

    id: int
    concept_id: int
    index: int
    doi: str | None
    concept_doi: str | None
    data: RecordData
    created: datetime
    updated: datetime
    status: AccessStatus
    files: tuple[ExportFile, ...] | None
    file_count: int
    total_bytes: int
    url: str  # of the landing page
    api_url: str
    base_url: str
    site_name: str
    doi_resolver: str
    today: date
    versions: tuple[ExportVersion, ...] = field(default=())

    @property
    def doi_url(self) -> str | None:
        return f"{self.doi_resolver}/{quoted(self.doi)}" if self.doi else None

    @property
    def concept_doi_url(self) -> str | None:
        return f"{self.doi_resolver}/{quoted(self.concept_doi)}" if self.concept_doi else None

    @property
    def publisher(self) -> str:
        return self.data.metadata.publisher or self.site_name

    @classmethod
    def of(cls, view: RecordLike, settings: Settings, max_files: int | None = None) -> ExportRecord:
        """From a `RecordView`; at most `max_files` files are taken over (None: all)."""
        return cls(
            id=view.id,
            concept_id=view.concept_id,
            index=view.index,
            doi=view.doi,
            concept_doi=view.concept_doi,
            data=view.data,
            created=view.created,
            updated=view.updated,
            status=view.status,
            files=None
            if view.files is None
            else tuple(
                ExportFile(f.key, f.size, f.md5, f.sha256, f.mimetype, content_url(settings, view.id, f.key))
                for f in view.files[:max_files]
            ),
            file_count=view.file_count,
            total_bytes=view.total_bytes,
            url=f"{settings.base_url}/records/{view.id}",
            api_url=f"{settings.base_url}/api/records/{view.id}",
            base_url=settings.base_url,
            site_name=settings.site_name,
            doi_resolver=settings.doi_resolver,
            today=view.today or today_utc(),
            versions=tuple(
                ExportVersion(v.id, v.index, v.doi, f"{settings.base_url}/records/{v.id}", v.is_latest)
                for v in view.versions
            ),
        )


_PLAIN = re.compile(r"[A-Za-z0-9_./~-]*").fullmatch


def quoted(path: str) -> str:
    """A key or DOI for use in a path: `/` and what needs no escape stay. Most need none, and asking is cheap."""
    return path if _PLAIN(path) else quote(path)


def content_url(settings: Settings, record_id: int, key: str) -> str:
    """Where the bytes of a file are (quirks.md 8). Keys keep their `/`; everything else is escaped."""
    return f"{settings.content_url or settings.base_url}/api/records/{record_id}/files/{quoted(key)}/content"


def page_file_url(settings: Settings, record_id: int, key: str) -> str:
    """The same bytes under the page's address, shown in the browser where that is safe (api-legacy.md 11)."""
    return f"{settings.content_url or settings.base_url}/records/{record_id}/files/{quoted(key)}"


class FileLike(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def md5(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def mimetype(self) -> str: ...


class VersionLike(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def index(self) -> int: ...
    @property
    def doi(self) -> str | None: ...
    @property
    def is_latest(self) -> bool: ...


class RecordLike(Protocol):
    """What of `records.views.RecordView` an export needs; that class lives floors above this one."""

    @property
    def id(self) -> int: ...
    @property
    def concept_id(self) -> int: ...
    @property
    def index(self) -> int: ...
    @property
    def doi(self) -> str | None: ...
    @property
    def concept_doi(self) -> str | None: ...
    @property
    def data(self) -> RecordData: ...
    @property
    def created(self) -> datetime: ...
    @property
    def updated(self) -> datetime: ...
    @property
    def status(self) -> AccessStatus: ...
    @property
    def files(self) -> Sequence[FileLike] | None: ...
    @property
    def file_count(self) -> int: ...
    @property
    def total_bytes(self) -> int: ...
    @property
    def versions(self) -> Sequence[VersionLike]: ...
    @property
    def today(self) -> date | None: ...
