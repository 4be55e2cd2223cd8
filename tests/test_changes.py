from __future__ import annotations

import random
import threading
import time
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from strongroom import changes
from strongroom.db import Database
from strongroom.ids import now
from strongroom.settings import Settings
from tests.conftest import count


def append(database: Database, subject: int = 1, verb: str = "published", **detail: Any) -> int:
    with database.begin() as session:
        return changes.append(session, "user:7", verb, "record", subject, detail)


def test_the_log_reads_as_it_was_written(database: Database) -> None:
    assert changes_after(database, 0) == []
    first = append(database, 4, "published", revision=1)
    second = append(database, 4, "edited")
    other = append(database, 6, "published")
    with database.read() as session:
        assert changes.newest(session) == other
        assert [row.seq for row in changes.after(session, 0, 2)] == [first, second]
        assert [tuple(row) for row in changes.after(session, second, 10)] == [
            (other, "record", 6, "published")
        ]
        trail = changes.of(session, "record", 4)
        assert changes.of(session, "draft", 4) == []
    assert [(row.actor, row.verb) for row in trail] == [("user:7", "published"), ("user:7", "edited")]
    assert orjson.loads(trail[0].detail) == {"revision": 1}
    assert trail[1].detail is None


def test_an_empty_log(database: Database) -> None:
    with database.read() as session:
        assert changes.newest(session) == 0
        assert changes.latest_time(session) is None


def test_what_is_rolled_back_never_happened(database: Database) -> None:
    def fails() -> None:
        with database.begin() as session:
            changes.append(session, "system", "published", "record", 1)
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fails()
    assert changes_after(database, 0) == []


def test_times_never_fall_even_when_the_clock_goes_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A harvest by time misses nothing."""
    clock = iter([now(), now() - timedelta(hours=1), now() - timedelta(days=1)])
    monkeypatch.setattr(changes, "now", lambda: next(clock))
    for _ in range(3):
        append(database)
    with database.read() as session:
        times = [row.at for row in changes.of(session, "record", 1)]
        assert changes.latest_time(session) == times[-1]
    assert times[0] <= times[1] <= times[2]
    assert times[2] - times[0] < timedelta(seconds=1)


def test_a_change_waits_for_the_one_that_is_not_committed(
    database: Database, database_settings: Settings
) -> None:
    """Two writers, the first commits late: nobody sees a number before a smaller one."""
    elsewhere = Database(database_settings)
    later: list[int] = []
    second = threading.Thread(target=lambda: later.append(append(elsewhere, 2)))
    with database.begin() as session:
        first = changes.append(session, "user:1", "published", "record", 1)
        second.start()
        if not database.is_sqlite:
            waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            while not session.execute(waiting).scalar_one():
                time.sleep(0.01)
        assert changes_after(elsewhere, 0) == []
    second.join()
    assert changes_after(database, 0) == [first, *later]
    assert first < later[0]
    elsewhere.close()


def test_a_follower_misses_nothing(database: Database, database_settings: Settings) -> None:
    """Order is commit order: who goes on from the newest number seen has seen all before it."""
    writers, rounds = 4, count(15, 300)
    databases = [Database(database_settings) for _ in range(writers)]
    written: list[int] = []
    lock = threading.Lock()

    def write(own: Database) -> None:
        for _ in range(rounds):
            with own.begin() as session:
                seq = changes.append(session, "system", "published", "record", 1)
                time.sleep(random.uniform(0, 0.004))  # a slow commit
            with lock:
                written.append(seq)

    threads = [threading.Thread(target=write, args=(own,)) for own in databases]
    for thread in threads:
        thread.start()
    seen: list[int] = []
    while any(thread.is_alive() for thread in threads):
        seen += changes_after(database, seen[-1] if seen else 0)
    seen += changes_after(database, seen[-1] if seen else 0)
    assert seen == sorted(written)
    assert len(seen) == writers * rounds
    for own in databases:
        own.close()


def changes_after(database: Database, seq: int) -> list[int]:
    with database.read() as session:
        return [row.seq for row in changes.after(session, seq, 100_000)]
