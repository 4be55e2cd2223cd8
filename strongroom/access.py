"""Who may do what: the one place that decides.

An `Actor` is whoever a request comes from. `require` answers for one draft or record; `visible` is
the same rule as SQL, for lists. Doors ask; they never compare owners themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, Table, and_, or_, true

from strongroom.errors import Forbidden, Unauthenticated

WRITE = "deposit:write"
ACTIONS = "deposit:actions"
EMAIL = "user:email"
SCOPES = (WRITE, ACTIONS, EMAIL)


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever a request comes from. `scopes` is None for a browser session: all of the user's rights."""

    user_id: int | None = None
    is_admin: bool = False
    scopes: frozenset[str] | None = None
    via: str = "anonymous"  # anonymous, token, session, system
    email: str = ""
    name: str = ""
    csrf: str = ""

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


def require_owner(actor: Actor, owner_id: int) -> None:
    """Raises Forbidden unless the actor owns it or is an administrator."""
    if not (actor.owns(owner_id) or actor.is_admin):
        raise Forbidden()


def may_edit(actor: Actor, owner_id: int) -> bool:
    return actor.owns(owner_id) or actor.is_admin


def may_read_record(actor: Actor, owner_id: int, record_access: str) -> bool:
    return record_access == "public" or may_edit(actor, owner_id)


def may_read_files(
    actor: Actor, owner_id: int, record_access: str, files_access: str, embargo_until: str | None, today: date
) -> bool:
    """Whether the files' names and bytes may be read today. An embargo ends by the date alone."""
    if may_edit(actor, owner_id):
        return True
    if record_access != "public":
        return False
    if embargo_until:
        return today.isoformat() >= embargo_until
    return files_access == "public"


def visible(actor: Actor, records: Table) -> ColumnElement[bool]:
    """The rows of `records` that this actor may see, as SQL; withdrawn ones are nobody's."""
    seen: ColumnElement[bool] = records.c.record_access == "public"
    if actor.is_admin:
        seen = true()
    elif actor.user_id is not None:
        seen = or_(seen, records.c.owner_id == actor.user_id)
    return and_(records.c.withdrawn.is_(None), seen)
