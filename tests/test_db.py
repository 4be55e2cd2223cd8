from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, String, Table, exc, func, insert, select

from strongroom.db import Bytewise, Database, Moment, wait_for
from strongroom.errors import Busy
from strongroom.settings import Settings
from tests.conftest import count

own = MetaData()  # not the program's: these tables are for these tests
samples = Table(
    "samples",
    own,
    Column("id", Integer, primary_key=True),
    Column("at", Moment),
    Column("key", Bytewise),
    Column("plain", String(200)),
)
KEYS = [
    "B",
    "a",
    "Z",
    "z",
    "ä",
    "é",
    "e\u0301",
    "a/b",
    "a-b",
    "a.b",
    "日本",
    "😀",
    "\uffee",
    "_",
    "~",
    "A",
    "",
]


@pytest.fixture
def sampled(database: Database) -> Database:
    own.create_all(database.engine)
    return database


def sqlite_only(database: Database) -> None:
    if not database.is_sqlite:
        pytest.skip("a property of SQLite")


def test_a_block_that_raises_leaves_nothing(database: Database) -> None:
    with database.begin() as session:
        first = database.next_id(session)

    def fails() -> None:
        with database.begin() as session:
            session.exec_driver_sql("UPDATE counters SET value = 1000 WHERE name = 'record'")
            session.exec_driver_sql("INSERT INTO counters VALUES ('other', 1)")
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        fails()
    with database.read() as session:
        assert not session.exec_driver_sql("SELECT 1 FROM counters WHERE name = 'other'").all()
    with database.begin() as session:
        assert database.next_id(session) == first + 2


def test_begin_takes_the_writer_lock_before_the_first_statement(
    database: Database, database_settings: Settings
) -> None:
    """BEGIN IMMEDIATE: a second writer waits at the start, not somewhere in the middle."""
    sqlite_only(database)
    hasty = Database(database_settings.model_copy(update={"sqlite_busy_seconds": 0.05}))
    begun = []

    def second() -> None:
        with hasty.begin():
            begun.append(True)

    with database.begin():  # nothing written, nothing read
        with pytest.raises(Busy):
            second()
        with hasty.read() as session:  # readers never wait
            assert session.exec_driver_sql("SELECT count(*) FROM counters").scalar() is not None
    assert begun == []
    second()
    assert begun == [True]
    hasty.close()


def test_threads_of_one_process_wait_for_each_other_or_are_told(database_settings: Settings) -> None:
    """The lock of the process itself: the same Busy as from the file."""
    hasty = Database(database_settings.model_copy(update={"sqlite_busy_seconds": 0.05}))
    sqlite_only(hasty)
    errors: list[type[BaseException]] = []

    def second() -> None:
        try:
            with hasty.begin():
                pass
        except Busy as error:
            errors.append(type(error))

    with hasty.begin():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert errors == [Busy]
    hasty.close()


def test_durability_settings(database: Database) -> None:
    with database.begin() as session:
        if database.is_sqlite:
            pragmas = {
                name: session.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            }
            assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
        else:
            shown = session.exec_driver_sql(
                "SELECT name, setting, source FROM pg_settings WHERE name IN ('synchronous_commit', 'TimeZone')"
            ).all()
            said = {row.name: (row.setting, row.source) for row in shown}
            # What the operator's server does about the disk, our sessions do not weaken.
            assert said["synchronous_commit"][1] in ("default", "configuration file")
            assert said["TimeZone"][0].lower() == "utc"


def test_reading_can_not_write(database: Database) -> None:
    with database.read() as session, pytest.raises(exc.DBAPIError, match=r"(?i)read-?only"):
        session.exec_driver_sql("UPDATE counters SET value = 1")
    with database.begin() as session:  # the connections that wrote before still do
        session.exec_driver_sql("UPDATE counters SET value = value")


def test_a_reader_sees_one_state(database: Database) -> None:
    """On SQLite a read transaction is a snapshot; a page built from several queries is of one moment."""
    sqlite_only(database)
    with database.read() as reader:
        before = reader.exec_driver_sql("SELECT value FROM counters WHERE name = 'record'").scalar()
        with database.begin() as session:
            database.next_id(session)
        again = reader.exec_driver_sql("SELECT value FROM counters WHERE name = 'record'").scalar()
    assert again == before


def test_moments_come_back_in_utc_and_sort_as_time(sampled: Database) -> None:
    base = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    moments = [
        base,
        base + timedelta(microseconds=1),
        base - timedelta(days=20_000),
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 11, 22, 11, 0, tzinfo=timezone(timedelta(hours=2))),
        datetime(2026, 11, 22, 9, 0, 0, 500_000, tzinfo=UTC),
    ]
    with sampled.begin() as session:
        session.execute(insert(samples), [{"at": at, "key": "", "plain": ""} for at in moments])
        session.execute(insert(samples).values(at=None, key="", plain=""))
        found = list(session.execute(select(samples.c.at).order_by(samples.c.id)).scalars())
        ordered = session.execute(
            select(samples.c.at).where(samples.c.at.is_not(None)).order_by(samples.c.at)
        )
        assert list(ordered.scalars()) == sorted(moments)
        later = select(func.count()).select_from(samples).where(samples.c.at > base)
        assert session.execute(later).scalar() == sum(at > base for at in moments)
    assert found == [*moments, None]
    assert all(at.utcoffset() == timedelta(0) for at in found[:-1])


def test_a_moment_without_zone_is_refused_or_kept_exactly(sampled: Database) -> None:
    """Python reads a naive time as local time; it must not change on its way."""
    naive = datetime(2026, 7, 1, 12, 0)
    with sampled.begin() as session:
        session.execute(insert(samples).values(at=naive, key="", plain=""))
        assert session.execute(select(samples.c.at)).scalar() == naive.astimezone(UTC)


def test_bytewise_sorts_and_compares_by_utf8(sampled: Database) -> None:
    expected = sorted(KEYS, key=str.encode)
    with sampled.begin() as session:
        session.execute(insert(samples), [{"key": key, "plain": key} for key in KEYS])
        assert list(session.execute(select(samples.c.key).order_by(samples.c.key)).scalars()) == expected
        above = select(samples.c.key).where(samples.c.key > "a").order_by(samples.c.key.desc())
        assert list(session.execute(above).scalars()) == [k for k in reversed(expected) if k > "a"]
        if not sampled.is_sqlite:  # or this test could not fail
            plain = list(session.execute(select(samples.c.plain).order_by(samples.c.plain)).scalars())
            assert plain != expected


keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@hypothesis_settings(
    max_examples=count(30, 500), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(keys, max_size=20, unique=True), st.lists(st.datetimes(timezones=st.just(UTC)), max_size=20))
def test_any_text_and_any_moment(sampled: Database, texts: list[str], moments: list[datetime]) -> None:
    with sampled.begin() as session:
        session.exec_driver_sql("DELETE FROM samples")
        for text in texts:
            session.execute(insert(samples).values(key=text, plain="text"))
        for at in moments:
            session.execute(insert(samples).values(at=at, plain="moment"))
        by_key = select(samples.c.key).where(samples.c.plain == "text").order_by(samples.c.key)
        by_time = select(samples.c.at).where(samples.c.plain == "moment").order_by(samples.c.at)
        assert list(session.execute(by_key).scalars()) == sorted(texts, key=str.encode)
        assert list(session.execute(by_time).scalars()) == sorted(moments)


def test_ids_leave_room_for_the_concept_and_never_repeat(database: Database) -> None:
    given_out = []
    for _ in range(5):
        with database.begin() as session:
            given_out.append(database.next_id(session))
    assert given_out == sorted(set(given_out))
    assert all(later - earlier >= 2 for earlier, later in pairwise(given_out))
    assert given_out[0] - 1 >= 1


def test_ids_after_a_rebuild_are_past_every_id(database: Database) -> None:
    with database.begin() as session:
        database.raise_ids_past(session, 4711)
    with database.begin() as session:
        following = database.next_id(session)
        assert following - 1 > 4711
        database.raise_ids_past(session, 10)  # never back
        assert database.next_id(session) > following
        database.raise_ids_past(session, 0)
        assert database.next_id(session) > following + 2


def test_ids_from_threads_are_all_different(database: Database) -> None:
    lock, given_out = threading.Lock(), []

    def take() -> None:
        for _ in range(count(20, 500)):
            with database.begin() as session:
                id = database.next_id(session)
            with lock:
                given_out.append(id)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given_out)) == len(given_out) == 4 * count(20, 500)
    assert len({id // 2 for id in given_out}) == len(given_out), "a concept's id belongs to one record"


PROGRAM = """
import sys
from strongroom.db import Database
from strongroom.errors import Busy
from strongroom.settings import Settings
data, url, rounds = sys.argv[1:]
db = Database(Settings(data_dir=data, database_url=url))
sys.stdin.readline()
for _ in range(int(rounds)):
    try:
        with db.begin() as session:
            seen = session.exec_driver_sql("SELECT value FROM counters WHERE name = 'shared' FOR UPDATE"
                if url else "SELECT value FROM counters WHERE name = 'shared'").scalar()
            id = db.next_id(session)
            session.exec_driver_sql(f"UPDATE counters SET value = {seen + 1} WHERE name = 'shared'")
        print(id)
    except Busy:
        print("busy")
db.close()
"""


def test_two_processes_write_without_error_or_lost_update(
    database: Database, database_settings: Settings
) -> None:
    """What is read inside the writing transaction is still true when it writes."""
    with database.begin() as session:
        session.exec_driver_sql("INSERT INTO counters VALUES ('shared', 0)")
    rounds = count(50, 2000)
    arguments = [str(database_settings.data_dir), database_settings.database_url, str(rounds)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate() for process in processes]
    assert [error for _, error in said] == ["", ""]
    words = [word for out, _ in said for word in out.split()]
    assert len(words) == 2 * rounds
    ids = [int(word) for word in words if word != "busy"]
    assert len(set(ids)) == len(ids) > 0
    with database.read() as session:
        shared = session.exec_driver_sql("SELECT value FROM counters WHERE name = 'shared'").scalar()
    assert shared == len(ids)


def test_wait_for_a_database_that_answers(database: Database) -> None:
    wait_for(database, 5)


def test_wait_for_one_that_does_not(settings: Settings) -> None:
    nobody = Database(settings.model_copy(update={"database_url": "postgresql://127.0.0.1:1/none"}))
    with pytest.raises(exc.OperationalError):
        wait_for(nobody, 0)
    nobody.close()


def test_more_readers_than_threads(database: Database, database_settings: Settings) -> None:
    """The pool gives way a little: one more than the setting does not hang."""
    held: list[Any] = []
    for _ in range(database_settings.threads + 1):
        context = database.read()
        held.append((context, context.__enter__()))
    assert [session.exec_driver_sql("SELECT 1").scalar() for _, session in held] == [1] * len(held)
    for context, _ in held:
        context.__exit__(None, None, None)


def test_a_killed_writer_leaves_whole_transactions(database: Database, database_settings: Settings) -> None:
    program = PROGRAM.replace("print(id)", "print(id, flush=True)")
    arguments = [str(database_settings.data_dir), database_settings.database_url, "1000000"]
    with database.begin() as session:
        session.exec_driver_sql("INSERT INTO counters VALUES ('shared', 0)")
    for _ in range(count(1, 20)):
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        acknowledged = [process.stdout.readline() for _ in range(10)]
        time.sleep(0.01)
        process.kill()
        acknowledged += process.stdout.readlines()
        process.communicate()
        with database.begin() as session:
            shared = session.exec_driver_sql("SELECT value FROM counters WHERE name = 'shared'").scalar()
            # The last line may be cut; a commit may have come without its line.
            assert shared is not None
            assert shared - 1 <= len([line for line in acknowledged if line.endswith("\n")]) <= shared
            session.exec_driver_sql("UPDATE counters SET value = 0 WHERE name = 'shared'")
