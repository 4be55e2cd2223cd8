"""What the doors get to show: plain values, already cut to what this reader may see.

`records.queries` and `records.drafts` build them; api/ and web/ render them and decide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from strongroom.files.views import FileView as FileView
from strongroom.metadata.exports.names import natural
from strongroom.metadata.model import AccessStatus, RecordData

FILES_IN_AN_ANSWER = 1000
"""Files that the answer to a verb shows, which clients rarely read: 50,000 of them cost more than the verb itself.
As many as a page of files may have, so that the rest is the second page and those after it."""


@dataclass(frozen=True, slots=True)
class VersionView:
    """One line of the list of versions."""

    id: int
    index: int  # 1 is the first
    label: str | None  # metadata.version
    publication_date: str | None
    doi: str | None
    is_latest: bool
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sharing:
    """Who may do what with a concept, as its managers see it; `settings` is everybody's to see (api-rdm.md section 3)."""

    settings: dict[str, Any] = field(
        default_factory=lambda: {
            "allow_user_requests": False,
            "allow_guest_requests": False,
            "accept_conditions_text": None,
            "secret_link_expiration": 0,
        }
    )
    managed: bool = False  # whether this reader may say who may do what, and so sees the two lists
    grants: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RecordView:
    """One published version as this reader may see it. `files` is None where he may not list them."""

    id: int
    concept_id: int
    index: int
    latest_id: int
    revision: int
    created: datetime
    updated: datetime
    data: RecordData
    doi: str | None
    concept_doi: str | None
    doi_state: str  # reserved (not registered yet), registered, failed, external, local
    owner_id: int
    bucket: str
    status: AccessStatus
    files: list[FileView] | None
    file_count: int
    total_bytes: int
    versions: list[VersionView] = field(default_factory=list)
    may_edit: bool = False
    may_manage: bool = False  # may say who else may see or edit it
    stats: dict[str, int] = field(default_factory=dict)
    today: date | None = None
    next_draft_id: int | None = None  # its concept's open next-version draft, shown to who may edit
    sorted_files: bool = False  # the depositor chose the order; the first is the default preview
    sharing: Sharing = field(default_factory=Sharing)

    @property
    def is_latest(self) -> bool:
        return self.id == self.latest_id


class ListedRecord(NamedTuple):
    """What a list of records shows of one."""

    id: int
    title: str
    creators: list[str]  # as their names are spoken
    resource_type: str | None
    status: AccessStatus
    publication_date: str | None
    created: datetime
    version: str | None
    description: str | None  # cleaned HTML
    file_count: int
    total_bytes: int
    embargo_until: date | None  # of an embargoed record

    @classmethod
    def of(cls, view: RecordView) -> ListedRecord:
        m = view.data.metadata
        return cls(
            view.id,
            m.title,
            [natural(p) for p in m.creators],
            m.resource_type,
            view.status,
            m.publication_date,
            view.created,
            m.version,
            m.description,
            view.file_count,
            view.total_bytes,
            view.data.access.embargo_until if view.status == "embargoed" else None,
        )


@dataclass(frozen=True, slots=True)
class DraftView:
    """An open draft (or edit) as its owner sees it."""

    id: int
    concept_id: int
    index: int
    revision: int
    created: datetime
    updated: datetime
    data: RecordData
    owner_id: int
    bucket: str
    files: list[FileView]  # all, or the first so many of `file_count`
    published: bool  # an edit of a published record, not a new version
    concept_doi: str | None  # set once a first version is published
    doi: str | None  # set when fixed already (external, or the published record's)
    file_count: int = 0
    total_bytes: int = 0
    latest_id: int | None = None
    next_draft_id: int | None = None  # on a published record: its concept's open next-version draft
    warnings: list[Any] = field(default_factory=list)
    sorted_files: bool = False
    sharing: Sharing = field(default_factory=Sharing)
