"""The rows of the queue: put in by whoever changes something, taken out by workers."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import orjson
from sqlalchemy import CursorResult, bindparam, delete, exists, func, select, text, update

from strongroom.db import AnyRow, Moment, Session
from strongroom.errors import NotFound
from strongroom.ids import now
from strongroom.jobs.models import TASKS, jobs

LEASE = 60.0
STATES = ("waiting", "running", "dead")


@dataclass(frozen=True)
class Claim:
    """A job that this worker holds until its lease ends; (id, fence) proves it."""

    id: int
    task: str
    key: str
    args: dict[str, Any] = field(hash=False)
    attempts: int
    fence: int

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=TASKS[self.task].lease_seconds)


@cache
def _sql(dialect: str, statement: str) -> str:
    return statement if dialect == "sqlite" else re.sub(r":(\w+)", r"%(\1)s", statement)


def _hot(session: Session, statement: str, values: Any) -> CursorResult[Any]:
    # The statements of every job are text for the driver: compiled ones cost four times the CPU.
    return session.exec_driver_sql(_sql(session.dialect.name, statement), values)


def _moment(session: Session, moment: datetime) -> str | datetime:
    return moment.isoformat(timespec="microseconds") if session.dialect.name == "sqlite" else moment


_ENQUEUE = """
    INSERT INTO jobs (task, key, args, state, attempts, run_at, fence, created, updated)
    VALUES (:task, :key, :args, 'waiting', 0, :run_at, 0, :at, :at)
    ON CONFLICT (task, key) WHERE state <> 'running' DO UPDATE SET
        state = 'waiting', attempts = 0, args = excluded.args, updated = excluded.updated,
        run_at = CASE WHEN jobs.state = 'dead' OR excluded.run_at < jobs.run_at
                 THEN excluded.run_at ELSE jobs.run_at END
"""


def enqueue(
    session: Session, task: str, key: str, args: Mapping[str, Any] | None = None, *, delay: float = 0
) -> None:
    """Ask for `task` on `key` (250 characters at most) in the caller's transaction, in `delay` seconds.

    While one of the same task and key waits, or has given up, the request joins it: the earlier time
    counts, the newer `args` (ids only: the task reads the state of now), and attempts start anew.
    One that runs already is never joined, since it may have read the state before this change; the
    new one starts when it has ended. Call `wake()` after the commit; else a worker looks in a second.
    """
    at = now()
    values = {
        "task": task,
        "key": key,
        "args": orjson.dumps(args or {}).decode(),
        "run_at": _moment(session, at + timedelta(seconds=delay)),
        "at": _moment(session, at),
    }
    _hot(session, _ENQUEUE, values)


_sleepers: set[threading.Event] = set()


def wake() -> None:
    """Tell the workers of this process to look now. Cheap; call it after a commit that enqueued."""
    for event in tuple(_sleepers):
        event.set()


def counts(session: Session, task: str | None = None) -> dict[str, int]:
    """How many jobs are waiting, running and dead, of one task or of all."""
    query = select(jobs.c.state, func.count().label("number")).group_by(jobs.c.state)
    if task:
        query = query.where(jobs.c.task == task)
    return dict.fromkeys(STATES, 0) | {row.state: row.number for row in session.execute(query)}


def dead(session: Session, limit: int = 100) -> Sequence[AnyRow]:
    """The jobs that gave up, latest first: rows of the table `jobs`, `last_error` says why."""
    query = select(jobs).where(jobs.c.state == "dead").order_by(jobs.c.updated.desc(), jobs.c.id.desc())
    return session.execute(query.limit(limit)).all()


def listed(session: Session, state: str, *, offset: int = 0, limit: int = 50) -> Sequence[AnyRow]:
    """One page of the jobs of one state, as rows of the table `jobs`: those that are due first, of dead ones the latest."""
    query = select(jobs).where(jobs.c.state == state)
    order = jobs.c.updated.desc() if state == "dead" else jobs.c.run_at.asc()
    return session.execute(query.order_by(order, jobs.c.id.desc()).offset(offset).limit(limit)).all()


def retry(session: Session, id: int) -> None:
    """Let a dead job start anew, now. Raises NotFound."""
    values = {"state": "waiting", "attempts": 0, "run_at": now(), "updated": now()}
    found = session.execute(update(jobs).where(jobs.c.id == id, jobs.c.state == "dead").values(values))
    if not found.rowcount:
        raise NotFound(f"There is no dead job {id}.")


# What workers do. Statements name the tasks they take: a job whose task this process does not know
# (of a newer version, beside us during an upgrade) waits for one that does.


@cache
def _claiming(names: tuple[str, ...], dialect: str, expired: bool) -> str:
    known = ", ".join(f"'{name}'" for name in names)
    if expired:
        pick = f"state = 'running' AND lease_until < :due AND task IN ({known}) ORDER BY lease_until"
    else:
        pick = (
            f"state = 'waiting' AND run_at <= :due AND task IN ({known}) AND NOT EXISTS (SELECT 1 FROM jobs r"
            " WHERE r.state = 'running' AND r.task = j.task AND r.key = j.key) ORDER BY run_at, id"
        )
    pick = f"SELECT id FROM jobs j WHERE {pick} LIMIT :number"
    # ARRAY() is computed once; PostgreSQL may run an IN (SELECT … LIMIT) several times and take too many.
    chosen = f"IN ({pick})" if dialect == "sqlite" else f"= ANY(ARRAY({pick} FOR UPDATE SKIP LOCKED))"
    return (
        f"UPDATE jobs SET state = 'running', fence = fence + 1, attempts = attempts + {int(expired)},"
        f" lease_until = :lease, updated = :at WHERE id {chosen}"
        " RETURNING id, task, key, args, attempts, fence"
    )


def claim(
    session: Session, names: tuple[str, ...], due: datetime, number: int, *, expired: bool = False
) -> list[Claim]:
    """Take up to `number` jobs of these tasks that are due, or (`expired`) whose worker died.

    Those of dead workers should be taken one by one: the one that kills its worker then spoils only
    its own attempts. `attempts` of a claim counts the failures so far.
    """
    if not names:
        return []
    at = now()
    values = {
        "due": _moment(session, due),
        "at": _moment(session, at),
        "lease": _moment(session, at + timedelta(seconds=LEASE)),
        "number": number,
    }
    rows: Any = _hot(session, _claiming(names, session.dialect.name, expired), values).all()
    claims = [Claim(r[0], r[1], r[2], orjson.loads(r[3]), r[4], r[5]) for r in sorted(rows)]
    renew(session, [claim for claim in claims if TASKS[claim.task].lease_seconds != LEASE])
    return claims


_OURS = (jobs.c.id == bindparam("job"), jobs.c.fence == bindparam("held"), jobs.c.state == text("'running'"))
_RENEW = update(jobs).where(*_OURS).values(lease_until=bindparam("until", type_=Moment))


def renew(session: Session, claims: Sequence[Claim]) -> int:
    """Make the leases start again from now; how many were still ours."""
    values = [{"job": claim.id, "held": claim.fence, "until": now() + claim.lease} for claim in claims]
    return session.execute(_RENEW, values).rowcount if values else 0


def complete(session: Session, claims: Sequence[Claim]) -> int:
    """Remove what is done; how many were still ours. One whose lease was taken over stays."""
    values = [{"id": claim.id, "fence": claim.fence} for claim in claims]
    done = "DELETE FROM jobs WHERE id = :id AND fence = :fence AND state = 'running'"
    return _hot(session, done, values).rowcount if values else 0


def put_back(
    session: Session, claim: Claim, *, state: str = "waiting", delay: float = 0, error: str | None = None
) -> None:
    """End a claim without its work being done: to try again in `delay` seconds, or dead.

    With `error` it counts as one more attempt. When the same was asked for meanwhile, that request
    takes the place of this one.
    """
    held = {"job": claim.id, "held": claim.fence}
    other = jobs.alias()
    joined = exists().where(
        other.c.task == claim.task, other.c.key == claim.key, other.c.state != text("'running'")
    )
    if session.execute(delete(jobs).where(*_OURS, joined), held).rowcount:
        return
    moment = now()
    values: dict[str, Any] = {
        "state": state,
        "run_at": moment + timedelta(seconds=delay),
        "lease_until": None,
        "updated": moment,
    }
    if error is not None:
        values |= {"last_error": error[:4000], "attempts": claim.attempts + 1}
    session.execute(update(jobs).where(*_OURS).values(values), held)


def backoff(attempts: int) -> float:
    """Seconds until the next try after so many failures: 4, 8, 16 … 3,600, a quarter more or less."""
    return min(3600.0, 4.0 * 2.0 ** min(attempts - 1, 20)) * random.uniform(0.75, 1.25)


@cache
def _looking(names: tuple[str, ...]) -> str:
    known = ", ".join(f"'{name}'" for name in names)
    return (
        f"SELECT (SELECT run_at FROM jobs WHERE state = 'waiting' AND task IN ({known})"
        " ORDER BY run_at LIMIT 1), (SELECT min(lease_until) FROM jobs"
        f" WHERE state = 'running' AND task IN ({known}))"
    )


def next_times(session: Session, names: tuple[str, ...]) -> tuple[datetime | None, datetime | None]:
    """When the next job of these tasks is due, and when the next lease ends: two looks at indexes."""
    due, lease = (
        datetime.fromisoformat(at) if isinstance(at, str) else at
        for at in _hot(session, _looking(names), {}).one()
    )
    return due, lease
