from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom import jobs
from strongroom.db import Database
from strongroom.errors import Unavailable
from strongroom.ids import now
from strongroom.jobs import queue
from strongroom.jobs.worker import Lane
from strongroom.settings import Settings
from tests.conftest import count
from tests.jobs.conftest import until


def enqueue(database: Database, task: str, *keys: str) -> None:
    with database.begin() as session:
        for key in keys:
            jobs.enqueue(session, task, key, {"key": key})


def counts(database: Database) -> tuple[int, int, int]:
    with database.read() as session:
        found = jobs.counts(session)
    return found["waiting"], found["running"], found["dead"]


def tomorrow() -> Any:
    return now() + timedelta(days=1)


@pytest.fixture
def workers(database_settings: Settings) -> Iterator[Any]:
    """Starts workers, each on connections of its own as if it were another process, and stops them."""
    started: list[tuple[jobs.Worker, Database]] = []

    def start(ctx: Any = None, threads: int = 1) -> jobs.Worker:
        own = Database(database_settings)
        worker = jobs.Worker(own, ctx, threads)
        started.append((worker, own))
        worker.start()
        return worker

    yield start
    for worker, own in started:
        assert worker.stop()
        own.close()


def test_run_pending_does_all_that_is_due_and_what_that_asks_for(database: Database) -> None:
    seen: list[Any] = []

    @jobs.task("first")
    def first(ctx: Any, args: dict[str, Any]) -> None:
        seen.append((ctx, args))
        enqueue(database, "second", args["key"])

    @jobs.task("second", remote=True)
    def second(ctx: Any, args: dict[str, Any]) -> None:
        seen.append(args)

    enqueue(database, "first", "a")
    with database.begin() as session:
        jobs.enqueue(session, "second", "later", delay=100)
    assert jobs.run_pending(database, "context") == 2
    assert seen == [("context", {"key": "a"}), {"key": "a"}]
    assert counts(database) == (1, 0, 0)
    assert jobs.run_pending(database, "context", until=tomorrow()) == 1
    assert counts(database) == (0, 0, 0)


def test_unavailable_is_tried_again_until_dead(database: Database) -> None:
    tries = []

    @jobs.task("register", max_attempts=4)
    def register(ctx: Any, args: dict[str, Any]) -> None:
        tries.append(args["key"])
        raise Unavailable("no answer")

    enqueue(database, "register", "a")
    assert jobs.run_pending(database, None) == 1
    assert counts(database) == (1, 0, 0)
    assert jobs.run_pending(database, None) == 0, "not before the delay"
    assert jobs.run_pending(database, None, until=tomorrow()) == 3
    assert counts(database) == (0, 0, 1)
    with database.read() as session:
        (row,) = jobs.dead(session)
    assert (row.attempts, row.last_error) == (4, "Unavailable: no answer")


def test_failed_is_dead_at_once_and_the_others_go_on(database: Database) -> None:
    @jobs.task("register")
    def register(ctx: Any, args: dict[str, Any]) -> None:
        if args["key"] == "b":
            raise jobs.Failed("The agency refused b: creators: missing")

    enqueue(database, "register", "a", "b", "c")
    assert jobs.run_pending(database, None) == 3
    assert counts(database) == (0, 0, 1)
    with database.read() as session:
        assert jobs.dead(session)[0].last_error == "The agency refused b: creators: missing"


def test_who_says_when_to_come_back_is_heard(database: Database) -> None:
    class Later(Unavailable):
        retry_after = 500

    @jobs.task("register")
    def register(ctx: Any, args: dict[str, Any]) -> None:
        raise Later

    enqueue(database, "register", "a")
    jobs.run_pending(database, None)
    with database.read() as session:
        due, _ = queue.next_times(session, ("register",))
    assert due is not None
    assert due - now() > timedelta(seconds=400)


def test_a_batch_ends_in_the_transaction_that_takes_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overhead: however many jobs wait, two writing transactions for a batch and none a job."""
    jobs.task("work")(lambda ctx, args: None)
    enqueue(database, "work", *map(str, range(20)))
    begun = []
    begin = database.begin
    monkeypatch.setattr(database, "begin", lambda **how: begun.append(1) or begin(**how))
    assert Lane(database, None, ("work",)).drain() == 20
    assert len(begun) == 2


def test_a_slow_batch_gives_the_rest_to_others(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom.jobs.worker.BATCH_SECONDS", -1)
    free: list[int] = []

    @jobs.task("work")
    def work(ctx: Any, args: dict[str, Any]) -> None:
        free.append(counts(database)[0])

    enqueue(database, "work", "a", "b", "c")
    assert Lane(database, None, ("work",)).drain() == 3 + 2 + 1
    assert free == [0, 0, 0]
    assert counts(database) == (0, 0, 0)


def test_a_running_worker_hears_wake_and_finds_what_others_enqueue(database: Database, workers: Any) -> None:
    done = []
    jobs.task("work")(lambda ctx, args: done.append(args["key"]))
    workers()
    enqueue(database, "work", "a")
    jobs.wake()
    until(lambda: done == ["a"])
    enqueue(database, "work", "b")  # nobody wakes
    until(lambda: done == ["a", "b"])
    until(lambda: counts(database) == (0, 0, 0))


def test_an_outage_delays_no_local_task(database: Database, workers: Any) -> None:
    answered, done = threading.Event(), []

    @jobs.task("register", remote=True)
    def register(ctx: Any, args: dict[str, Any]) -> None:
        assert answered.wait(60)

    @jobs.task("manifest")
    def manifest(ctx: Any, args: dict[str, Any]) -> None:
        done.append(args["key"])

    workers()
    enqueue(database, "register", "a", "b")
    until(lambda: counts(database)[1] == 1)
    enqueue(database, "manifest", "a")
    until(lambda: done == ["a"])
    until(lambda: counts(database) == (1, 1, 0))
    answered.set()
    until(lambda: counts(database) == (0, 0, 0))


def test_four_workers_do_each_job_once(database: Database, workers: Any) -> None:
    lock, done, running, twice = threading.Lock(), [], set(), []
    all_at_work = threading.Barrier(4)
    begun = set()

    @jobs.task("work")
    def work(ctx: Any, args: dict[str, Any]) -> None:
        if ctx not in begun:  # each worker holds a batch before the first goes on
            begun.add(ctx)
            all_at_work.wait(60)
        with lock:
            twice.append(args["key"] in running)
            running.add(args["key"])
        time.sleep(random.uniform(0, 0.002))
        with lock:
            running.discard(args["key"])
            done.append(args["key"])

    total = count(200, 3000)  # more than three batches
    enqueue(database, "work", *map(str, range(total)))
    for number in range(4):
        workers(number)
    until(lambda: counts(database) == (0, 0, 0))
    assert sorted(map(int, done)) == list(range(total))
    assert not any(twice)
    assert begun == {0, 1, 2, 3}


def test_never_two_of_one_key_at_a_time_and_the_last_request_is_served(
    database: Database, workers: Any
) -> None:
    lock, running, twice = threading.Lock(), 0, []
    asked, seen = 0, 0

    @jobs.task("index")
    def index(ctx: Any, args: dict[str, Any]) -> None:
        nonlocal running, seen
        with lock:
            running += 1
            twice.append(running > 1)
            state = asked
        time.sleep(0.005)
        with lock:
            seen = max(seen, state)
            running -= 1

    for _ in range(3):
        workers()
    for _ in range(count(40, 500)):
        with database.begin() as session:
            with lock:
                asked += 1
            jobs.enqueue(session, "index", "7")
        jobs.wake()
        time.sleep(0.003)
    until(lambda: counts(database) == (0, 0, 0))
    assert not any(twice)
    assert seen == asked


def test_a_long_task_keeps_its_lease(database: Database, workers: Any) -> None:
    """A lease of one second, a task of three: renewed, so the second worker never starts it."""
    starts, may_end = [], threading.Event()

    @jobs.task("long", lease_seconds=1)
    def long(ctx: Any, args: dict[str, Any]) -> None:
        starts.append(ctx)
        assert may_end.wait(60)

    workers("a")
    workers("b")
    enqueue(database, "long", "x")
    until(lambda: starts)
    first = lease(database)
    until(lambda: lease(database) > first + timedelta(seconds=2))
    may_end.set()
    until(lambda: counts(database) == (0, 0, 0))
    assert len(starts) == 1


def lease(database: Database) -> Any:
    with database.read() as session:
        return queue.next_times(session, ("long",))[1]


def test_stop_ends_the_running_job_and_gives_back_the_rest(database: Database, workers: Any) -> None:
    started, may_end = threading.Event(), threading.Event()

    @jobs.task("work")
    def work(ctx: Any, args: dict[str, Any]) -> None:
        started.set()
        assert may_end.wait(60)

    enqueue(database, "work", "a", "b", "c")
    worker = workers()
    assert started.wait(60)
    assert not worker.stop(timeout=0.01)
    may_end.set()
    assert worker.stop()
    assert counts(database) == (2, 0, 0)


def test_stopping_is_never_overheard(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the order of waking and stopping falls out between the threads."""
    monkeypatch.setattr("strongroom.jobs.worker.GATHER_SECONDS", 0.0005)
    jobs.task("work")(lambda ctx, args: None)
    for _ in range(count(100, 3000)):
        worker = jobs.Worker(database, None)
        worker.start()
        jobs.wake()
        time.sleep(random.uniform(0, 0.001))
        assert worker.stop(timeout=10)


def test_a_worker_outlives_trouble_with_the_database(
    database: Database, workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    jobs.task("work")(lambda ctx, args: done.append(args["key"]))
    worker = workers()
    broken = iter(range(3))

    begin = worker.db.begin

    def trouble(**how: Any) -> Any:
        if threading.current_thread() is not threading.main_thread() and next(broken, None) is not None:
            raise OSError("the database is away")
        return begin(**how)

    monkeypatch.setattr(worker.db, "begin", trouble)
    enqueue(database, "work", "a")
    until(lambda: done == ["a"])
    assert next(broken, None) is None


# Death. The program below runs workers of its own until it is killed.

PROGRAM = """
import sys, time
from pathlib import Path
from strongroom import jobs
from strongroom.db import Database
from strongroom.settings import Settings

data, url, log = sys.argv[1:]

def note(text):
    with open(log, "a") as file:
        file.write(text + "\\n")

@jobs.task("work", lease_seconds=1)
def work(ctx, args):
    note(args["key"])

@jobs.task("stuck", lease_seconds=1, max_attempts=3)
def stuck(ctx, args):
    note("stuck")
    time.sleep(600)

jobs.Worker(Database(Settings(data_dir=data, database_url=url)), None).start()
note("ready")
time.sleep(600)
"""


@pytest.fixture
def program(database: Database, database_settings: Settings, tmp_path: Path) -> Iterator[Any]:
    started: list[subprocess.Popen[bytes]] = []

    def start(log: Path) -> subprocess.Popen[bytes]:
        arguments = [str(database_settings.data_dir), database_settings.database_url, str(log)]
        started.append(subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments]))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def lines(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def test_killed_in_the_middle_another_takes_over(
    database: Database, workers: Any, program: Any, tmp_path: Path
) -> None:
    done = []

    @jobs.task("stuck", lease_seconds=1)
    def stuck(ctx: Any, args: dict[str, Any]) -> None:
        done.append(args["key"])

    log = tmp_path / "log"
    enqueue(database, "stuck", "a")
    process = program(log)
    until(lambda: "stuck" in lines(log))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert counts(database) == (0, 1, 0)
    workers()
    until(lambda: counts(database) == (0, 0, 0))
    assert done == ["a"]


def test_the_job_that_kills_its_worker_dies_alone(database: Database) -> None:
    """Its neighbours in the batch were claimed with it and lost a lease each time, but are done."""
    done = []

    class Killed(BaseException):
        pass

    @jobs.task("work", max_attempts=3)
    def work(ctx: Any, args: dict[str, Any]) -> None:
        if args["key"] == "bad":
            raise Killed
        done.append(args["key"])

    enqueue(database, "work", "a", "bad", "b", "c")
    for _ in range(20):
        try:
            jobs.run_pending(database, None, until=tomorrow())
        except Killed:
            continue
        break
    assert counts(database) == (0, 0, 1)
    assert sorted(set(done)) == ["a", "b", "c"]
    with database.read() as session:
        (row,) = jobs.dead(session)
    assert row.key == "bad"
    assert "worker died" in row.last_error


def test_killed_at_random_moments_nothing_is_lost(database: Database, program: Any, tmp_path: Path) -> None:
    @jobs.task("work", lease_seconds=1)
    def work(ctx: Any, args: dict[str, Any]) -> None:
        with log.open("a") as file:
            file.write(args["key"] + "\n")

    log = tmp_path / "log"
    total = count(300, 3000)
    enqueue(database, "work", *map(str, range(total)))
    for _ in range(count(2, 20)):
        before = len(lines(log))
        process = program(log)
        wanted = before + random.randint(1, total // 10)
        until(lambda wanted=wanted: len(lines(log)) >= wanted)  # type: ignore[misc]
        process.kill()
        process.wait()
    jobs.run_pending(database, None, until=tomorrow())
    assert {int(line) for line in lines(log) if line != "ready"} == set(range(total))
    assert counts(database) == (0, 0, 0)


def test_a_request_and_a_failure_at_the_same_moment(database: Database, database_settings: Settings) -> None:
    """PostgreSQL: the other's row is there but not committed when the failed job goes back."""
    jobs.task("work")(lambda ctx, args: None)
    enqueue(database, "work", "a")
    elsewhere = Database(database_settings)
    with elsewhere.begin() as session:
        (taken,) = queue.claim(session, ("work",), now(), 1)
    failing = threading.Thread(target=Lane(elsewhere, None, ("work",))._put_back, args=(taken,))
    with database.begin() as session:
        jobs.enqueue(session, "work", "a", {"revision": 2})
        failing.start()
        if not database.is_sqlite:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            until(lambda: session.exec_driver_sql(waiting).scalar_one())
    failing.join()
    assert counts(database) == (1, 0, 0)
    with database.begin() as session:
        (left,) = queue.claim(session, ("work",), now(), 9)
    assert left.args == {"revision": 2}
    elsewhere.close()
