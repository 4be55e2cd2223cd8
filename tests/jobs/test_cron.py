from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from strongroom import jobs
from strongroom.db import Database
from strongroom.ids import now
from strongroom.jobs import cron
from strongroom.jobs.models import TASKS
from strongroom.settings import Settings
from tests.jobs.conftest import until


@pytest.fixture
def runs() -> list[Any]:
    found: list[Any] = []
    jobs.every("sweep", 3600)(lambda ctx, args: found.append(ctx))
    return found


def test_it_comes_round_once_a_period(database: Database, runs: list[Any]) -> None:
    assert jobs.run_pending(database, "x") == 0, "the first time after one period"
    for hours in (1, 2, 3):
        later = now() + timedelta(hours=hours, minutes=hours)
        assert jobs.run_pending(database, "x", until=later) == 1
        assert jobs.run_pending(database, "x", until=later) == 0
    assert runs == ["x"] * 3


def test_missed_times_are_not_made_up_for(database: Database, runs: list[Any]) -> None:
    jobs.run_pending(database, None)
    assert jobs.run_pending(database, None, until=now() + timedelta(days=30)) == 1


def test_a_shorter_period_counts_at_once_a_longer_one_from_the_next_run(database: Database) -> None:
    def planned(seconds: float) -> float:
        TASKS.clear()
        jobs.every("sweep", seconds)(lambda ctx, args: None)
        with database.begin() as session:
            cron.plan(session, now())
            next_run = cron.next_run(session)
        assert next_run is not None
        return (next_run - now()).total_seconds()

    assert 3000 < planned(3600) <= 3600
    assert planned(60) <= 60
    assert planned(7200) <= 60


def test_two_workers_run_it_once(database: Database, database_settings: Settings, runs: list[Any]) -> None:
    databases = [Database(database_settings) for _ in range(2)]
    with database.begin() as session:
        cron.plan(session, now())
    # Both saw that it is due; one of them wins.
    due = now() + timedelta(hours=2)
    fired = []
    for one in databases:
        with one.begin() as session:
            fired.append(cron.fire(session, due))
        one.close()
    assert fired == [1, 0]
    with database.read() as session:
        assert jobs.counts(session)["waiting"] == 1


def test_running_workers_fire_crons(database: Database, database_settings: Settings) -> None:
    runs: list[Any] = []
    jobs.every("often", 0.1)(lambda ctx, args: runs.append(ctx))
    databases = [Database(database_settings) for _ in range(2)]
    workers = [jobs.Worker(one, number) for number, one in enumerate(databases)]
    for worker in workers:
        worker.start()
    until(lambda: len(runs) >= 4)
    for worker, one in zip(workers, databases, strict=True):
        assert worker.stop()
        one.close()


def test_rows_of_forgotten_crons_do_no_harm(database: Database, runs: list[Any]) -> None:
    jobs.run_pending(database, None)
    TASKS.clear()
    assert jobs.run_pending(database, None, until=now() + timedelta(days=1)) == 0
    with database.read() as session:
        assert cron.next_run(session) is None
