"""What comes round by itself: links nobody confirmed and grants that ended are removed."""

from __future__ import annotations

from typing import Any

from strongroom.jobs.cron import every
from strongroom.requests import access, service
from strongroom.sharing import service as sharing


@every("sharing.sweep", 3600)
def sweep(ctx: Any, args: dict[str, Any]) -> None:
    """Once an hour: what has ended opens nothing already, this only removes the rows; requests that are too old expire."""
    with ctx.db.begin() as session:
        access.sweep(session)
        sharing.sweep(session)
    with ctx.db.read() as session:
        due = service.due(session)
    for request_id in due:
        with ctx.db.begin() as session:
            service.expire(session, ctx.settings, request_id)
