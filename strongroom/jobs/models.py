"""The two tables, and the tasks by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, text

from strongroom.db import Moment, metadata
from strongroom.errors import StrongroomError

# A row is waiting, running or dead; when the work is done it is gone.
jobs = Table(
    "jobs",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("task", String(60), nullable=False),
    Column("key", String(250), nullable=False),
    Column("args", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),  # failures so far, a dead worker counts as one
    Column("run_at", Moment, nullable=False),
    Column("lease_until", Moment),
    Column("fence", Integer, nullable=False),  # grows with each claim; only the newest claim may finish
    Column("last_error", Text),
    Column("created", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    # A request joins the row that has not begun (or has given up), never the one that runs.
    Index(
        "uq_jobs_open",
        "task",
        "key",
        unique=True,
        sqlite_where=text("state <> 'running'"),
        postgresql_where=text("state <> 'running'"),
    ),
    Index(
        "uq_jobs_running",
        "task",
        "key",
        unique=True,
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
    Index(
        "ix_jobs_due",
        "run_at",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    sqlite_autoincrement=True,  # (id, fence) must never come again
)

crons = Table(
    "crons",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("next_run", Moment, nullable=False),
)

Run = Callable[[Any, dict[str, Any]], None]


class Failed(StrongroomError):
    """A task raises this when trying again is of no use: the job is dead at once, with the message."""

    code = "job-failed"


@dataclass(frozen=True)
class Task:
    """A function by name. `seconds` is the period of one that comes round by itself (else 0)."""

    name: str
    run: Run
    max_attempts: int
    lease_seconds: float
    remote: bool
    seconds: float = 0


TASKS: dict[str, Task] = {}


def register(task: Task) -> None:
    """Raises ValueError for a name that is taken or that can't stand in SQL as it is."""
    if not re.fullmatch(r"[a-z][a-z0-9_.]{0,59}", task.name):
        raise ValueError(f"A task's name has lower-case letters, digits, '_' and '.' only: {task.name!r}")
    if task.name in TASKS:
        raise ValueError(f"There is a task {task.name!r} already")
    TASKS[task.name] = task


def task(
    name: str, *, max_attempts: int = 12, lease_seconds: float = 60, remote: bool = False
) -> Callable[[Run], Run]:
    """Register the function as the task `name`.

    It is tried `max_attempts` times (12 take about two hours, 36 about a day), then the job is dead.
    A worker that dies is noticed after `lease_seconds`; one that lives renews the lease, so a task
    may take as long as it needs. `remote` tasks speak to somebody else's server: they have a thread
    of their own, so that an outage there never delays the others.
    """

    def registered(run: Run) -> Run:
        register(Task(name, run, max_attempts, lease_seconds, remote))
        return run

    return registered
