"""Who may do what: the one place that decides.

An `Actor` is whoever a request comes from. `require` answers for one draft or record; `visible` is
the same rule as SQL, for lists. Doors ask; they never compare owners themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from typing import Protocol

from sqlalchemy import ColumnElement, Table, and_, or_, true

from strongroom.errors import Forbidden, Unauthenticated

WRITE = "deposit:write"
ACTIONS = "deposit:actions"
EMAIL = "user:email"
SCOPES = (WRITE, ACTIONS, EMAIL)


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
    return row.record_access == "public" or level(actor, row) >= Level.VIEW


def may_read_files(actor: Actor, row: Guarded, today: date) -> bool:
    """Whether the files' names and bytes may be read today. An embargo ends by the date alone."""
    if files_are_public(row, today):
        return True
    return level(actor, row) >= Level.VIEW


def files_are_public(row: Guarded, today: date) -> bool:
    """Whether anybody may read the files today."""
    if row.record_access != "public":
        return False
    if row.embargo_until:
        return today.isoformat() >= row.embargo_until
    return row.files_access == "public"


def visible(actor: Actor, records: Table) -> ColumnElement[bool]:
    """The rows of `records` that this actor may see, as SQL; withdrawn ones are nobody's."""
    seen: ColumnElement[bool] = records.c.record_access == "public"
    if actor.is_admin:
        seen = true()
    elif actor.user_id is not None:
        seen = or_(seen, records.c.owner_id == actor.user_id)
    if actor.shares:
        seen = or_(seen, records.c.concept_id.in_(sorted(actor.shares)))
    return and_(records.c.withdrawn.is_(None), seen)
