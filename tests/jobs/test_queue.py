from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from strongroom import jobs
from strongroom.db import AnyRow, Database
from strongroom.errors import NotFound
from strongroom.ids import now
from strongroom.jobs import queue
from strongroom.jobs.models import jobs as table
from strongroom.settings import Settings
from tests.jobs.conftest import until

NAMES = ("other", "work")


@pytest.fixture(autouse=True)
def _tasks() -> None:
    for name in NAMES:
        jobs.task(name)(lambda ctx, args: None)


def rows(database: Database) -> list[AnyRow]:
    with database.read() as session:
        return list(session.execute(select(table).order_by(table.c.id)).all())


def enqueue(database: Database, key: str, args: dict[str, Any] | None = None, **more: Any) -> None:
    with database.begin() as session:
        jobs.enqueue(session, "work", key, args, **more)


def claim(database: Database, number: int = 100, ahead: float = 0, **more: Any) -> list[queue.Claim]:
    with database.begin() as session:
        return queue.claim(session, NAMES, now() + timedelta(seconds=ahead), number, **more)


def test_a_job_lives_and_dies_with_its_transaction(database: Database) -> None:
    def change_its_mind() -> None:
        with database.begin() as session:
            jobs.enqueue(session, "work", "1")
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        change_its_mind()
    assert claim(database) == []
    enqueue(database, "1", {"record": 1})
    (taken,) = claim(database)
    assert (taken.task, taken.key, taken.args, taken.attempts, taken.fence) == (
        "work",
        "1",
        {"record": 1},
        0,
        1,
    )


def test_waiting_requests_join_with_the_earlier_time_and_the_newer_ids(database: Database) -> None:
    enqueue(database, "1", {"revision": 1}, delay=60)
    enqueue(database, "1", {"revision": 2}, delay=30)
    enqueue(database, "1", {"revision": 3}, delay=90)
    with database.begin() as session:
        jobs.enqueue(session, "other", "1")
    first, other = rows(database)
    assert (first.args, other.task) == ('{"revision":3}', "other")
    assert first.run_at - first.created < timedelta(seconds=45)
    assert claim(database, ahead=-1) == []
    assert len(claim(database, ahead=45)) == 2


def test_a_running_job_never_swallows_a_request_and_keeps_its_twin_waiting(database: Database) -> None:
    enqueue(database, "1", {"revision": 1})
    (first,) = claim(database)
    enqueue(database, "1", {"revision": 2})
    enqueue(database, "2")
    assert [taken.key for taken in claim(database)] == ["2"]
    with database.begin() as session:
        assert queue.complete(session, [first]) == 1
        (second,) = queue.claim(session, NAMES, now(), 9)
    assert second.args == {"revision": 2}
    assert second.id != first.id


def test_a_batch_is_the_oldest_due_of_the_named_tasks(database: Database) -> None:
    for number in range(10):
        enqueue(database, str(number))
    with database.begin() as session:
        jobs.enqueue(session, "of_a_newer_version", "x")
    assert [taken.key for taken in claim(database, 4)] == ["0", "1", "2", "3"]
    assert [taken.key for taken in claim(database, 40)] == ["4", "5", "6", "7", "8", "9"]
    with database.begin() as session:
        assert queue.claim(session, (), now(), 9) == []


def test_a_lost_lease_can_neither_complete_nor_renew_nor_fail(database: Database) -> None:
    enqueue(database, "1")
    (lost,) = claim(database)
    assert claim(database, 1, expired=True) == []
    (ours,) = claim(database, 1, ahead=queue.LEASE + 1, expired=True)
    assert (ours.id, ours.fence, ours.attempts) == (lost.id, lost.fence + 1, lost.attempts + 1)
    with database.begin() as session:
        assert queue.complete(session, [lost]) == 0
        assert queue.renew(session, [lost]) == 0
        queue.put_back(session, lost, state="dead", error="late")
        assert jobs.counts(session) == {"waiting": 0, "running": 1, "dead": 0}
        assert queue.renew(session, [ours]) == 1
        assert queue.complete(session, [lost, ours]) == 1
        assert jobs.counts(session) == {"waiting": 0, "running": 0, "dead": 0}


def test_a_fence_never_comes_again(database: Database) -> None:
    seen = set()
    for _ in range(3):
        enqueue(database, "1")
        (taken,) = claim(database)
        seen.add((taken.id, taken.fence))
        with database.begin() as session:
            queue.complete(session, [taken])
    assert len(seen) == 3


def test_a_task_s_own_lease(database: Database) -> None:
    jobs.task("short", lease_seconds=5)(lambda ctx, args: None)
    with database.begin() as session:
        jobs.enqueue(session, "short", "1")
        jobs.enqueue(session, "work", "1")
        assert len(queue.claim(session, ("short", "work"), now(), 9)) == 2
    leases = {row.task: row.lease_until - row.updated for row in rows(database)}
    assert leases["work"] == timedelta(seconds=queue.LEASE)
    assert timedelta(seconds=5) <= leases["short"] < timedelta(seconds=30)


def test_failing_puts_back_with_the_error_and_the_delay(database: Database) -> None:
    enqueue(database, "1")
    (taken,) = claim(database)
    with database.begin() as session:
        queue.put_back(session, taken, delay=100, error="Unavailable: no answer")
    (row,) = rows(database)
    assert (row.state, row.attempts, row.last_error) == ("waiting", 1, "Unavailable: no answer")
    assert claim(database, ahead=99) == []
    (again,) = claim(database, ahead=101)
    assert (again.attempts, again.fence) == (1, 2)


def test_failing_gives_way_to_a_newer_request(database: Database) -> None:
    enqueue(database, "1", {"revision": 1})
    (taken,) = claim(database)
    enqueue(database, "1", {"revision": 2})
    with database.begin() as session:
        queue.put_back(session, taken, state="dead", error="too late")
    (row,) = rows(database)
    assert (row.state, row.args, row.attempts) == ("waiting", '{"revision":2}', 0)


def test_dead_jobs_are_seen_and_may_be_tried_again(database: Database) -> None:
    for key in "12":
        enqueue(database, key)
    for taken in claim(database):
        with database.begin() as session:
            queue.put_back(session, taken, state="dead", error=f"refused {taken.key}")
    assert claim(database, ahead=10**6) == []
    with database.begin() as session:
        assert jobs.counts(session)["dead"] == jobs.counts(session, "work")["dead"] == 2
        assert jobs.counts(session, "other")["dead"] == 0
        latest, first = jobs.dead(session)
        assert (latest.last_error, first.last_error) == ("refused 2", "refused 1")
        jobs.retry(session, first.id)
        with pytest.raises(NotFound):
            jobs.retry(session, first.id)
    (again,) = claim(database)
    assert (again.key, again.attempts) == ("1", 0)


def test_a_new_request_revives_a_dead_job(database: Database) -> None:
    enqueue(database, "1", {"revision": 1})
    (taken,) = claim(database)
    with database.begin() as session:
        queue.put_back(session, taken, state="dead", error="refused", delay=1000)
    enqueue(database, "1", {"revision": 2})
    (row,) = rows(database)
    assert (row.state, row.attempts, row.args) == ("waiting", 0, '{"revision":2}')
    (again,) = claim(database)
    assert again.fence == 2


def test_backoff_grows_with_jitter_to_an_hour() -> None:
    for attempts in range(1, 200):
        middle = min(3600, 4 * 2 ** (attempts - 1))
        assert middle * 0.75 <= queue.backoff(attempts) <= middle * 1.25
    assert len({queue.backoff(3) for _ in range(20)}) > 1


def test_a_request_while_the_job_is_being_claimed_waits_and_is_kept(
    database: Database, database_settings: Settings
) -> None:
    """The two-connection race: the claim is not committed yet when the same is asked for."""
    enqueue(database, "1", {"revision": 1})
    elsewhere = Database(database_settings)
    asked = threading.Thread(target=enqueue, args=(elsewhere, "1", {"revision": 2}))
    with database.begin() as session:
        (first,) = queue.claim(session, NAMES, now(), 9)
        asked.start()
        if not database.is_sqlite:
            until(lambda: waiting_for_locks(database))
    asked.join()
    assert [(row.state, row.args) for row in rows(database)] == [
        ("running", '{"revision":1}'),
        ("waiting", '{"revision":2}'),
    ]
    assert claim(elsewhere) == []
    elsewhere.close()
    assert first.args == {"revision": 1}


def waiting_for_locks(database: Database) -> int:
    with database.read() as session:
        return int(session.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())


@pytest.mark.parametrize("index", ["ix_jobs_due", "uq_jobs_running"])
def test_looking_costs_two_looks_at_indexes(database: Database, index: str) -> None:
    """Idle polling stays cheap with a long queue: never a scan of the table."""
    if not database.is_sqlite:
        pytest.skip("PostgreSQL plans by statistics; the statement is the same")
    with database.read() as session:
        plan = session.exec_driver_sql("EXPLAIN QUERY PLAN " + queue._looking(NAMES)).all()
    reads = [row.detail for row in plan if "jobs" in row.detail]
    assert len(reads) == 2
    assert any(index in detail for detail in reads)


def test_names_that_do_not_fit_are_refused() -> None:
    for name in ("work", "Work", "x'y", "", "ä"):
        with pytest.raises(ValueError, match=r"task"):
            jobs.task(name)(lambda ctx, args: None)
