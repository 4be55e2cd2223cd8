"""Tasks that come round by themselves: a row says when next, whoever moves it on enqueues the job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from strongroom.db import Session
from strongroom.ids import now
from strongroom.jobs.models import TASKS, Run, Task, crons, register
from strongroom.jobs.queue import LEASE, enqueue


def every(
    name: str, seconds: float, *, max_attempts: int = 3, lease_seconds: float = LEASE, remote: bool = False
) -> Callable[[Run], Run]:
    """Register the function as a task that some worker runs every `seconds`, the first time after that.

    Times missed while nobody ran are not made up for: one run follows, then the period starts anew.
    """

    def registered(run: Run) -> Run:
        register(Task(name, run, max_attempts, lease_seconds, remote, seconds))
        return run

    return registered


def plan(session: Session, due: datetime) -> None:
    """Make the rows of new crons; a period that became shorter than what is planned counts at once."""
    insert: Any
    if session.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # 0.1 s that an embedded server saves
    for task in TASKS.values():
        if task.seconds:
            period = timedelta(seconds=task.seconds)
            row = insert(crons).values(name=task.name, next_run=now() + period)
            row = row.on_conflict_do_update(
                index_elements=[crons.c.name],
                set_={"next_run": due + period},
                where=crons.c.next_run > due + period,
            )
            session.execute(row)


def next_run(session: Session) -> datetime | None:
    """When the next of our crons is due."""
    names = [task.name for task in TASKS.values() if task.seconds]
    query = select(crons.c.next_run).where(crons.c.name.in_(names)).order_by(crons.c.next_run).limit(1)
    return session.execute(query).scalar()


def fire(session: Session, due: datetime) -> int:
    """Enqueue the crons that are due; how many. The row's update lets one of all workers win."""
    fired = 0
    for task in TASKS.values():
        if task.seconds:
            mine = update(crons).where(crons.c.name == task.name, crons.c.next_run <= due)
            following = max(due, now()) + timedelta(seconds=task.seconds)
            if session.execute(mine.values(next_run=following)).rowcount:
                enqueue(session, task.name, "")
                fired += 1
    return fired
