"""Very many files of one version: what is written down of them is right, pages are found by an index alone."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select

from strongroom.access import Actor
from strongroom.db import Database
from strongroom.files import service as files
from strongroom.files.models import tallies
from strongroom.files.service import Bucket, Stored
from strongroom.records import drafts
from strongroom.records.models import drafts as draft_rows
from strongroom.records.models import records
from strongroom.settings import Settings
from tests.desk import Desk


def fill(desk: Desk, actor: Actor, draft_id: int, count: int, first: int = 0) -> list[str]:
    """Name so many files in one transaction, without bytes; their keys in order."""
    keys = [f"plate{n // 100:02}/well{n:05}.csv" for n in range(first, first + count)]
    with desk.db.begin() as session:
        bucket = drafts.open_bucket(session, actor, draft_id)
        for n, key in enumerate(keys, first):
            held = Stored("local", f"no/{draft_id}-{n}", n, f"{n:032}", f"{draft_id:032}{n:032}", n)
            files.adopt(session, bucket, key, held, "text/csv")
    return keys


def bucket_of(desk: Desk, draft_id: int) -> Bucket:
    (row,) = desk.rows(select(draft_rows).where(draft_rows.c.id == draft_id))
    return drafts.bucket_of(row)


class Tallied:
    """Says after each step whether the tally that is kept of a draft is what counting finds."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def right(self, draft_id: int, number: int) -> None:
        bucket = bucket_of(self.desk, draft_id)
        of_version = (tallies.c.concept_id == bucket.concept_id, tallies.c.version == bucket.version)
        kept = self.desk.rows(select(tallies.c.files, tallies.c.bytes).where(*of_version))
        with self.desk.db.read() as session:
            counted = files.count_files(session, bucket.concept_id, bucket.version)
            assert [tuple(row) for row in kept] == [counted]
            assert files.measure(session, bucket.concept_id, bucket.version) == counted
        assert counted[0] == number


def test_the_tally_is_right_after_each_verb(desk: Desk, jane: Actor) -> None:
    tally = Tallied(desk)
    first = desk.create(jane)
    tally.right(first, 0)
    for n, key in enumerate(("a.txt", "b.txt", "c.txt", "d/e.txt"), 1):
        desk.put(jane, first, key)
        tally.right(first, n)
    desk.put(jane, first, "a.txt", b"longer than it was")
    tally.right(first, 4)
    desk.put(jane, first, "f.txt", b"longer than it was")  # the same bytes
    tally.right(first, 5)
    desk.rename(jane, first, "b.txt", "g.txt")
    tally.right(first, 5)
    desk.remove(jane, first, "c.txt")
    tally.right(first, 4)
    desk.publish(jane, first)

    second = desk.new_version(jane, first)
    tally.right(second, 4)
    desk.put(jane, second, "a.txt", b"a")
    desk.put(jane, second, "new.txt", b"new")
    tally.right(second, 5)
    desk.rename(jane, second, "g.txt", "h.txt")
    desk.remove(jane, second, "d/e.txt")
    tally.right(second, 4)
    with desk.db.begin() as session:
        bucket = drafts.open_bucket(session, jane, second)
        files.describe(session, bucket, "f.txt", about='{"description": "x"}', hidden=None)
    tally.right(second, 4)
    assert desk.discard(jane, second) is False
    second = desk.new_version(jane, first)
    tally.right(second, 4)
    with desk.db.begin() as session:
        files.delete_all(session, drafts.open_bucket(session, jane, second))
    tally.right(second, 0)
    desk.put(jane, second, "only.txt")
    tally.right(second, 1)
    desk.publish(jane, second)
    (row,) = desk.rows(select(records.c.file_count, records.c.total_bytes).where(records.c.id == second))
    assert tuple(row) == (1, len("only.txt"))


@pytest.mark.parametrize("withdrawn", [False, True])
def test_the_tally_of_a_version_begun_empty_and_filled_by_import(
    desk: Desk, jane: Actor, withdrawn: bool
) -> None:
    tally = Tallied(desk)
    first = desk.deposit(jane, "a.txt", "b.txt", "c.txt")
    if withdrawn:  # then rows are copied
        second = desk.new_version(jane, first)
        desk.remove(jane, second, "b.txt")
        desk.put(jane, second, "x.txt")
        desk.withdraw(desk.publish(jane, second))
        assert desk.new_version(jane, first) != second
        third = desk.draft(jane, desk.new_version(jane, first))
        assert third is not None
        assert [f.key for f in third.files] == ["a.txt", "b.txt", "c.txt"]
        tally.right(third.id, 3)
        desk.discard(jane, third.id)
    with desk.db.begin() as session:
        begun = drafts.new_version(session, desk.db, jane, first, with_files=False)
    tally.right(begun, 0)
    with desk.db.begin() as session:
        bucket = drafts.open_bucket(session, jane, begun)
        files.import_previous(session, bucket, drafts.previous_version(session, bucket))
    tally.right(begun, 3)
    desk.put(jane, begun, "d.txt")
    desk.remove(jane, begun, "a.txt")
    tally.right(begun, 3)
    desk.put(jane, begun, "b.txt", b"another")
    with desk.db.begin() as session:  # as the form does it: beside what is there
        bucket = drafts.open_bucket(session, jane, begun)
        source = drafts.previous_version(session, bucket)
        assert files.may_import(session, bucket, source)
        assert files.import_beside(session, bucket, source, desk.settings) == 1
        assert not files.may_import(session, bucket, source)
        assert files.import_beside(session, bucket, source, desk.settings) == 0
    tally.right(begun, 4)


def test_drafts_begun_before_there_were_tallies_are_counted(desk: Desk, jane: Actor) -> None:
    draft = desk.create(jane)
    desk.put(jane, draft, "a.txt")
    with desk.db.begin() as session:
        session.execute(delete(tallies))
    desk.put(jane, draft, "b.txt", b"four")
    desk.put(jane, draft, "a.txt", b"1")
    bucket = bucket_of(desk, draft)
    with desk.db.read() as session:
        assert files.measure(session, bucket.concept_id, bucket.version) == (2, 5)
    following = desk.new_version(jane, desk.publish(jane, draft))
    Tallied(desk).right(following, 2)


# pages -----------------------------------------------------------------------------------------------------

PAGES = [
    (0, 7),
    (3, 7),
    (58, 7),
    (60, 7),
    (62, 7),
    (113, 7),
    (118, 7),
    (119, 1),
    (120, 7),
    (500, 7),
    (0, 200),
]


@pytest.mark.parametrize("tallied", [True, False])
def test_pages_from_either_end_are_the_same_list(desk: Desk, jane: Actor, tallied: bool) -> None:
    """Of a version whose files began in it, before it, and of which some ended before it."""
    first = desk.create(jane)
    fill(desk, jane, first, 100)
    second = desk.new_version(jane, desk.publish(jane, first))
    fill(desk, jane, second, 40, first=90)  # ten of them replaced
    with desk.db.begin() as session:
        bucket = drafts.open_bucket(session, jane, second)
        for n in range(0, 50, 5):
            files.delete_file(session, bucket, f"plate00/well{n:05}.csv")
        if not tallied:
            session.execute(delete(tallies))
    with desk.db.read() as session:
        whole = files.list_files(session, bucket)
        assert len(whole) == 120
        assert [f.key for f in whole] == sorted(f.key for f in whole)
        for offset, size in PAGES:
            assert files.page_of(session, bucket, offset, size) == whole[offset : offset + size]


def test_the_first_files_of_a_sorted_list(desk: Desk, jane: Actor) -> None:
    draft = desk.create(jane)
    keys = fill(desk, jane, draft, 20)
    desk.sort(jane, draft, *reversed(keys))
    bucket = bucket_of(desk, draft)

    def same(*numbers: int) -> None:
        with desk.db.read() as session:
            whole = files.list_files(session, bucket)
            for number in numbers:
                assert files.list_files(session, bucket, limit=number) == whole[:number]

    same(1, 5, 20, 30)
    # Chosen ones that are gone, and one that was never chosen.
    desk.remove(jane, draft, keys[-2])
    desk.put(jane, draft, "added later")
    same(1, 2, 3, 19, 20, 30)


def test_skipping_to_a_page_reads_an_index_and_no_row(
    database: Database, database_settings: Settings
) -> None:
    desk = Desk.of(database_settings, database)
    jane = desk.user("jane@example.org")
    draft = desk.create(jane)
    fill(desk, jane, draft, 50)
    bucket = bucket_of(desk, draft)
    for statement in (files._NTH_KEY, files._NTH_KEY_FROM_END):
        with desk.db.begin() as session:
            values = {"concept_id": bucket.concept_id, "version": bucket.version, "skip": 20}
            assert statement.on(session, values).first() is not None
            sql, constants, *_ = statement._ready[session.dialect.name]
            driver = session.connection.driver_connection
            assert driver is not None
            if database.is_sqlite:
                plan = driver.execute(f"EXPLAIN QUERY PLAN {sql}", {**constants, **values}).fetchall()
                told = "USING COVERING INDEX ix_objects_listed"
            else:
                # Of so few rows it would read them all: what it may use is asked, not what it likes.
                session.exec_driver_sql("SET LOCAL enable_seqscan = off")
                session.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
                session.exec_driver_sql("SET LOCAL enable_sort = off")
                plan = driver.execute(f"EXPLAIN {sql}", {**constants, **values}).fetchall()
                told = "Index Only Scan"
        text = "\n".join(str(line[-1]) for line in plan)
        assert told in text
        assert "ix_objects_listed" in text
        assert "TEMP B-TREE" not in text
        assert "Sort" not in text
