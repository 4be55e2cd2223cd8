"""A draft with all that its form shows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from strongroom.access import Actor, require_edit
from strongroom.context import Context
from strongroom.db import Session
from strongroom.errors import (
    Finding,
    NotFound,
)
from strongroom.files import service as files
from strongroom.files import transfers
from strongroom.ids import today
from strongroom.metadata import checks, rdm
from strongroom.metadata.model import RecordData
from strongroom.records import drafts, queries, typed
from strongroom.records.views import DraftView
from strongroom.web import fields
from strongroom.web.words import N_

FILES_SHOWN: Final = 500
NO_FILES: Final = N_("Add at least one file, or say that there are none.")
BOTH: Final = N_("It has files, so it is not without: delete them, or take this mark away.")
UNFINISHED: Final = N_("A file has not arrived whole: choose it again, or delete it.")
OUR_PREFIX: Final = N_(
    "This DOI has this repository's own prefix, and is not this upload's: choose a new one."
)


@dataclass
class Seen:
    """A draft with all that its form shows."""

    view: DraftView
    beside: typed.Beside
    problems: list[Finding]  # what keeps it from being published, by names of fields
    unfinished: list[str]
    may_import: bool
    published: RecordData | None = None
    values: dict[str, str] = field(default_factory=dict)

    @property
    def wrong(self) -> dict[str, list[str]]:
        """What is filled in and wrong, by field."""
        found: dict[str, list[str]] = {}
        for f in self.problems:
            if checks.MISSING not in f.messages and f.field != "files":
                found.setdefault(f.field, []).extend(f.messages)
        return found


def see(
    ctx: Context, session: Session, actor: Actor, draft_id: int, *, importing: bool = True
) -> Seen | None:
    """The draft, for whoever may change it; None where nothing is open. Raises Forbidden.

    Without `importing` it is not asked whether files of the last version could come: that compares all names.
    """
    view = drafts.view(session, actor, draft_id, most=FILES_SHOWN)
    if view is None:
        return None
    beside = typed.read(session, draft_id)
    published = queries.by_id(session, actor, draft_id, with_files=False).data if view.published else None
    unfinished = [] if view.published else transfers.unfinished(session, draft_id)
    own_doi = ctx.settings.doi(draft_id)
    values = fields.fill(view.data, beside.contact_email, own_doi)
    beside = replace(beside, typed=fields.placed(beside.typed, values))
    problems = [
        Finding.of(fields.field_of(f.field, view.data, values), *f.messages)
        for f in rdm.problems(view.data, today=today(), published=published)
    ]
    if view.file_count == 0 and not view.data.metadata_only:
        problems.insert(0, Finding.of("files", checks.MISSING, NO_FILES))
    elif view.file_count and view.data.metadata_only:
        problems.insert(0, Finding.of("metadata_only", BOTH))
    if unfinished:
        problems.insert(0, Finding.of("files", checks.MISSING, UNFINISHED))
    doi = (view.data.doi or "").lower()
    if (
        doi.startswith(ctx.settings.doi_prefix.lower() + "/")
        and not view.published
        and doi != own_doi.lower()
    ):
        problems.append(Finding.of("pids.doi.identifier", OUR_PREFIX))
    problems += [Finding.of(name, why) for name, why in fields.whys(beside.typed)]
    values |= beside.typed
    may_import = False
    if importing and view.index > 1 and not view.published:
        bucket = drafts.readable_bucket(session, actor, draft_id)
        may_import = files.may_import(session, bucket, drafts.previous_version(session, bucket))
    return Seen(view, beside, problems, unfinished, may_import, published, values)


def see_to_change(ctx: Context, session: Session, actor: Actor, draft_id: int) -> Seen:
    seen = see(ctx, session, actor, draft_id)
    if seen is None:
        raise NotFound()
    require_edit(actor, seen.view)
    return seen
