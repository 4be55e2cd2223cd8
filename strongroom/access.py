"""Who may do what: the one place that decides.

An `Actor` is whoever a request comes from. `require` answers for one draft or record; `visible` is
the same rule as SQL, for lists. Doors ask; they never compare owners themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Table, and_, bindparam, or_, true

from strongroom.errors import Forbidden, Unauthenticated
from strongroom.ids import today as this_day

WRITE = "deposit:write"
ACTIONS = "deposit:actions"
EMAIL = "user:email"
PROFILE = "user:profile"
TOKENS = "user:tokens"
SCOPES = (WRITE, ACTIONS, EMAIL, PROFILE, TOKENS)
# What an application may ask a user for (OAuth 2): never to make tokens that would outlive it.
OFFERED_SCOPES = (WRITE, ACTIONS, EMAIL, PROFILE)


class Level(IntEnum):
    """How far somebody may go with all versions of one concept; each includes those before it."""

    NONE = 0
    VIEW = 1  # published records and their files, restricted ones too
    PREVIEW = 2  # drafts
    EDIT = 3  # change drafts, publish, begin a version
    MANAGE = 4  # who else may: owners, administrators and whom they made managers


class Owned(Protocol):
    """A row or view of a draft, record or bucket: whose it is and which concept it belongs to."""

    @property
    def owner_id(self) -> int: ...
    @property
    def concept_id(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever a request comes from. `scopes` is None for a browser session: all of the user's rights."""

    user_id: int | None = None
    is_admin: bool = False
    scopes: frozenset[str] | None = None
    via: str = "anonymous"  # anonymous, token, session, link, system
    email: str = ""
    name: str = ""
    csrf: str = ""
    # What grants to the user, and the share link of this request, give: concept id → level.
    shares: Mapping[int, Level] = field(default_factory=dict)

    @property
    def is_user(self) -> bool:
        return self.user_id is not None

    @property
    def label(self) -> str:
        """How the audit trail names it."""
        return f"user:{self.user_id}" if self.user_id is not None else self.via

    def owns(self, owner_id: int) -> bool:
        return self.user_id is not None and self.user_id == owner_id


ANONYMOUS = Actor()
SYSTEM = Actor(is_admin=True, via="system")


def require_user(actor: Actor) -> int:
    """The actor's user id. Raises Unauthenticated."""
    if actor.user_id is None:
        raise Unauthenticated()
    return actor.user_id


def require_scope(actor: Actor, scope: str, enforce: bool = True) -> None:
    """Raises Unauthenticated without a user, Forbidden for a token that lacks the scope."""
    require_user(actor)
    if enforce and actor.scopes is not None and scope not in actor.scopes:
        raise Forbidden(f"Permission denied. The token lacks the scope {scope}: make one that has it.")


def level(actor: Actor, owned: Owned) -> Level:
    """How far the actor may go with this draft or record, whatever is public about it."""
    if actor.is_admin or actor.owns(owned.owner_id):
        return Level.MANAGE
    return actor.shares.get(owned.concept_id, Level.NONE) if actor.shares else Level.NONE


def _require(actor: Actor, owned: Owned, least: Level) -> None:
    if level(actor, owned) < least:
        raise Forbidden()


def require_preview(actor: Actor, owned: Owned) -> None:
    """For reading a draft. Raises Forbidden."""
    _require(actor, owned, Level.PREVIEW)


def require_edit(actor: Actor, owned: Owned) -> None:
    """For changing and publishing. Raises Forbidden."""
    _require(actor, owned, Level.EDIT)


def require_manage(actor: Actor, owned: Owned) -> None:
    """For what owners alone decide: who may do what, discarding for good, asking for deletion. Raises Forbidden."""
    _require(actor, owned, Level.MANAGE)


def may_edit(actor: Actor, owned: Owned) -> bool:
    return level(actor, owned) >= Level.EDIT


class Guarded(Owned, Protocol):
    """A row of a published record with the columns that say who may see it."""

    @property
    def record_access(self) -> str: ...
    @property
    def files_access(self) -> str: ...
    @property
    def embargo_until(self) -> str | None: ...


def may_read_record(actor: Actor, row: Guarded) -> bool:
    return record_is_public(row) or level(actor, row) >= Level.VIEW


def record_is_public(row: Guarded) -> bool:
    """Whether anybody may see today that there is this record. An embargo that is over opens all of it, by the date alone."""
    return row.record_access == "public" or _is_over(row.embargo_until, this_day())


def _is_over(embargo_until: str | None, today: date) -> bool:
    return embargo_until is not None and today.isoformat() >= embargo_until


def may_read_files(actor: Actor, row: Guarded, today: date) -> bool:
    """Whether the files' names and bytes may be read today. An embargo ends by the date alone."""
    if files_are_public(row, today):
        return True
    return level(actor, row) >= Level.VIEW


def files_are_public(row: Guarded, today: date) -> bool:
    """Whether anybody may read the files today."""
    if row.embargo_until is not None:
        return _is_over(row.embargo_until, today)
    return row.record_access == "public" and row.files_access == "public"


def visible(actor: Actor, records: Table) -> ColumnElement[bool]:
    """The rows of `records` that this actor may see, as SQL; withdrawn ones are nobody's."""
    seen: ColumnElement[bool] = or_(
        records.c.record_access == "public", records.c.embargo_until <= this_day().isoformat()
    )
    return _or_viewable(actor, records, seen)


def files_visible(actor: Actor, records: Table, today: date) -> ColumnElement[bool]:
    """The rows of `records` whose files this actor may read today, as SQL: `may_read_files` for many at once."""
    seen: ColumnElement[bool] = or_(
        and_(
            records.c.embargo_until.is_(None),
            records.c.record_access == "public",
            records.c.files_access == "public",
        ),
        records.c.embargo_until <= today.isoformat(),
    )
    return _or_viewable(actor, records, seen)


def _or_viewable(actor: Actor, records: Table, seen: ColumnElement[bool]) -> ColumnElement[bool]:
    """What is `seen` by all, and what is the actor's or shared with him; withdrawn rows are nobody's."""
    if actor.is_admin:
        seen = true()
    elif actor.user_id is not None:
        seen = or_(seen, records.c.owner_id == actor.user_id)
    if actor.shares:
        seen = or_(seen, _shared(actor, records, Level.VIEW))
    return and_(records.c.withdrawn.is_(None), seen)


def workable(actor: Actor, table: Table) -> ColumnElement[bool]:
    """The rows of `drafts` or `records` that a user owns or may change, as SQL: what lists of his own show."""
    own: ColumnElement[bool] = table.c.owner_id == actor.user_id
    return or_(own, _shared(actor, table, Level.EDIT)) if actor.shares else own


def shared_with(actor: Actor, table: Table, least: Level) -> ColumnElement[bool]:
    """The rows of `drafts` or `records` that are others' and shared with this user, as SQL."""
    return and_(table.c.owner_id != actor.user_id, _shared(actor, table, least))


def shared_concepts(actor: Actor, least: Level) -> tuple[int, ...]:
    """The concepts that the actor was given at least this much of, for searches."""
    return tuple(sorted(concept_id for concept_id, given in actor.shares.items() if given >= least))


def _shared(actor: Actor, table: Table, least: Level) -> ColumnElement[bool]:
    # Numbers of ours, written into the statement: a database takes only so many values beside it.
    ids = list(shared_concepts(actor, least))
    listed: Any = bindparam(None, ids, unique=True, expanding=True, literal_execute=True)
    return table.c.concept_id.in_(listed)
