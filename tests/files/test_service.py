"""Files in the database: names beside each other, reuse and removal of bytes, quotas, the sweep."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from strongroom.access import ANONYMOUS, Actor
from strongroom.errors import Invalid, NotFound, StorageFull, TooLarge
from strongroom.files import service as files
from strongroom.files.keys import Clash, conflicts
from strongroom.files.models import instances, objects, uploads
from strongroom.ids import now
from strongroom.jobs.models import jobs
from strongroom.records import drafts
from tests.conftest import count
from tests.desk import Desk


def stored(desk: Desk) -> set[str]:
    """Everything in the store but manifests."""
    return {e.location for e in desk.store.list() if not e.location.startswith("manifests/")}


def number_of(desk: Desk, table: object) -> int:
    return int(desk.rows(select(func.count()).select_from(table))[0][0])  # type: ignore[arg-type]


# names -----------------------------------------------------------------------------------------------------


def test_keys_are_kept_as_sent_and_sorted_by_bytes(desk: Desk, jane: Actor) -> None:
    keys = ["b", "B", "a/ü.csv", "a/z", "ä", "a b", "Z", "𝔸", "€", "a-b", "a0"]
    draft_id = desk.create(jane)
    for key in keys:
        desk.put(jane, draft_id, key)
    view = desk.draft(jane, draft_id)
    assert view is not None
    assert [f.key for f in view.files] == sorted(keys, key=str.encode)
    with desk.db.read() as session:
        bucket = drafts.view_bucket(session, jane, draft_id)
        assert bucket is not None
        for key in keys:
            assert files.find(session, bucket, key).key == key
        for other in ("A", "a/U.csv", "a b ", "z"):
            with pytest.raises(NotFound):
                files.find(session, bucket, other)


PARTS = st.sampled_from(["a", "A", "b", "é", "e\u0301", "É", "ß", "ss", "a.b"])
KEYS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


@hypothesis_settings(
    max_examples=count(40, 2000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(there=st.lists(KEYS, max_size=4), key=KEYS)
def test_the_database_finds_the_conflicts_that_the_rules_name(
    desk: Desk, jane: Actor, there: list[str], key: str
) -> None:
    """`check_name` asks the database what `keys.conflicts` asks a list: they agree."""
    draft_id = desk.create(jane)
    kept: list[str] = []
    with desk.db.begin() as session:
        bucket = drafts.open_bucket(session, jane, draft_id)
        for other in there:
            if not any(c.clash.refused for c in conflicts(other, kept)) and other not in kept:
                files.check_name(session, bucket, other)
                instance = str(uuid.uuid4())
                session.execute(
                    instances.insert().values(
                        id=instance,
                        size=0,
                        md5="",
                        sha256=instance,
                        crc32=0,
                        store="x",
                        location=instance,
                        created=now(),
                    )
                )
                files._name(session, bucket, other, instance, 0, "text/plain")
                kept.append(other)
        expected = conflicts(key, kept)
        if any(c.clash.refused for c in expected):
            with pytest.raises(Invalid):
                files.check_name(session, bucket, key)
        else:
            warned = files.check_name(session, bucket, key)
            assert len(warned) == len([c for c in expected if c.clash is Clash.CASE])


def test_a_name_taken_by_a_folder_and_the_other_way_round(desk: Desk, jane: Actor) -> None:
    draft_id = desk.create(jane)
    desk.put(jane, draft_id, "data/a.csv")
    for refused in ("data", "data/a.csv/b", "data/a.csv/b/c"):
        with pytest.raises(Invalid):
            desk.put(jane, draft_id, refused)
    desk.put(jane, draft_id, "data.csv")
    desk.put(jane, draft_id, "data/a.csv.bak")
    # Freed by a rename in the same draft, and renaming never stands in its own way.
    desk.rename(jane, draft_id, "data/a.csv", "data/a.csv/b")
    desk.rename(jane, draft_id, "data/a.csv/b", "data/a.csv")
    with pytest.raises(Invalid):
        desk.rename(jane, draft_id, "data.csv", "data/a.csv")


def test_names_of_an_older_version_are_in_nobodys_way(desk: Desk, jane: Actor) -> None:
    first = desk.deposit(jane, "data/a.csv", "x")
    draft_id = desk.new_version(jane, first)
    desk.remove(jane, draft_id, "data/a.csv")
    desk.put(jane, draft_id, "data")
    desk.publish(jane, draft_id)
    assert [f.key for f in desk.record(ANONYMOUS, first).files or []] == ["data/a.csv", "x"]


def test_a_bucket_is_named_by_its_record_and_no_other_uuid_names_one() -> None:
    for record_id in (1, 2, 4711, 2**40, 2**62 - 1):
        named = files.bucket_id(record_id)
        assert files.record_of_bucket(named) == record_id
        assert uuid.UUID(named).version == 8
        wrong = named[:-1] + ("0" if named[-1] != "0" else "1")
        assert files.record_of_bucket(wrong) is None
    assert files.record_of_bucket(str(uuid.uuid4())) is None
    for text in ("", "x", "4711", "../../etc/passwd", "9" * 500):
        assert files.record_of_bucket(text) is None


# bytes -----------------------------------------------------------------------------------------------------


def test_equal_bytes_are_stored_once(desk: Desk, jane: Actor, john: Actor) -> None:
    """Across users and versions; the second copy is removed at once, nobody's answer tells of it."""
    one, two = desk.create(jane), desk.create(john)
    a = desk.put(jane, one, "a", b"same")
    b = desk.put(jane, one, "b", b"same")
    c = desk.put(john, two, "c", b"same")
    assert a.location == b.location == c.location
    assert number_of(desk, instances) == 1
    assert len(stored(desk)) == 3
    desk.work()
    assert stored(desk) == {a.location}
    # Whoever names them keeps them.
    desk.discard(jane, one)
    desk.work(until=now() + timedelta(days=365))
    assert desk.store.get(c.location) == b"same"


def test_other_bytes_of_equal_length_are_not_mixed_up(desk: Desk, jane: Actor) -> None:
    draft_id = desk.create(jane)
    a = desk.put(jane, draft_id, "a", b"1234")
    b = desk.put(jane, draft_id, "b", b"4321")
    assert a.location != b.location
    assert [desk.store.get(f.location) for f in (a, b)] == [b"1234", b"4321"]


@pytest.mark.parametrize("end", ["discard", "remove", "replace"])
def test_bytes_nobody_names_go_when_the_backups_have_seen_it(desk: Desk, jane: Actor, end: str) -> None:
    draft_id = desk.create(jane)
    file = desk.put(jane, draft_id, "a", b"gone soon")
    if end == "discard":
        desk.discard(jane, draft_id)
    elif end == "remove":
        desk.remove(jane, draft_id, "a")
    else:
        desk.put(jane, draft_id, "a", b"other")
    desk.work()
    assert file.location in stored(desk)
    assert number_of(desk, instances) == (end == "replace")
    desk.work(until=now() + timedelta(days=desk.settings.trash_days) - timedelta(minutes=1))
    assert file.location in stored(desk)
    desk.work(until=now() + timedelta(days=desk.settings.trash_days) + timedelta(minutes=1))
    assert file.location not in stored(desk)
    assert number_of(desk, jobs) == 0


def test_bytes_that_come_again_before_they_go(desk: Desk, jane: Actor) -> None:
    """Collected already: the new upload keeps its own bytes. Not yet: it takes the old ones over."""
    draft_id = desk.create(jane)
    old = desk.put(jane, draft_id, "a", b"again")
    desk.remove(jane, draft_id, "a")
    taken_over = desk.put(jane, draft_id, "a", b"again")
    assert taken_over.location == old.location
    desk.remove(jane, draft_id, "a")
    desk.work()
    fresh = desk.put(jane, draft_id, "a", b"again")
    assert fresh.location != old.location
    desk.work(until=now() + timedelta(days=100))
    assert stored(desk) == {fresh.location}
    assert desk.store.get(fresh.location) == b"again"


def test_a_version_keeps_what_a_later_one_lost(desk: Desk, jane: Actor) -> None:
    first = desk.deposit(jane, "a", "b")
    draft_id = desk.new_version(jane, first)
    desk.remove(jane, draft_id, "a")
    desk.put(jane, draft_id, "b", b"new")
    desk.publish(jane, draft_id)
    desk.work(until=now() + timedelta(days=100))
    assert [desk.store.get(f.location) for f in desk.record(jane, first).files or []] == [b"a", b"b"]


def test_replacing_makes_a_new_file_of_the_same_age(desk: Desk, jane: Actor) -> None:
    draft_id = desk.create(jane)
    old = desk.put(jane, draft_id, "a", b"1")
    new = desk.put(jane, draft_id, "a", b"2")
    assert (new.key, new.created) == (old.key, old.created)
    assert new.version_id != old.version_id
    view = desk.draft(jane, draft_id)
    assert view is not None
    assert view.files == [new]


# quotas ----------------------------------------------------------------------------------------------------


def test_bytes_a_record(desk: Desk, jane: Actor) -> None:
    desk.settings = desk.settings.model_copy(update={"quota_record_bytes": 10})
    draft_id = desk.create(jane)
    desk.put(jane, draft_id, "a", b"123456")
    with pytest.raises(TooLarge) as refused:
        desk.put(jane, draft_id, "b", b"12345")
    assert "4 bytes are left" in refused.value.message
    desk.put(jane, draft_id, "b", b"1234")
    desk.put(jane, draft_id, "c", b"")  # nothing fits still
    # A replaced file gives its room.
    desk.put(jane, draft_id, "a", b"654321")
    with pytest.raises(TooLarge):
        desk.put(jane, draft_id, "a", b"7654321")
    view = desk.draft(jane, draft_id)
    assert view is not None
    assert [f.size for f in view.files] == [6, 4, 0]
    # Each version has its own; what is carried over counts.
    second = desk.new_version(jane, desk.publish(jane, draft_id))
    with pytest.raises(TooLarge):
        desk.put(jane, second, "d", b"1")
    desk.remove(jane, second, "a")
    desk.put(jane, second, "d", b"123456")


def test_files_a_record(desk: Desk, jane: Actor) -> None:
    desk.settings = desk.settings.model_copy(update={"quota_record_files": 2})
    draft_id = desk.create(jane)
    desk.put(jane, draft_id, "a")
    desk.put(jane, draft_id, "b")
    with pytest.raises(TooLarge) as refused:
        desk.put(jane, draft_id, "c")
    assert "2 files" in refused.value.message
    desk.put(jane, draft_id, "b", b"replaced")
    desk.remove(jane, draft_id, "a")
    desk.put(jane, draft_id, "c")


def test_bytes_a_user(desk: Desk, jane: Actor, john: Actor) -> None:
    desk.settings = desk.settings.model_copy(update={"quota_user_bytes": 10})
    record_id = desk.deposit(jane, "123456")
    other = desk.create(jane)
    with pytest.raises(TooLarge):
        desk.put(jane, other, "a", b"54321")
    desk.put(jane, other, "a", b"4321")
    desk.new_version(jane, record_id)  # a version costs nothing
    desk.put(john, desk.create(john), "a", b"1234567890")


def test_room_on_its_way_counts(desk: Desk, jane: Actor) -> None:
    desk.settings = desk.settings.model_copy(update={"quota_record_bytes": 10, "quota_record_files": 2})
    draft_id = desk.create(jane)
    first = desk.reserve(jane, draft_id, "a", 6)
    with pytest.raises(TooLarge):
        desk.reserve(jane, draft_id, "b", 5)
    second = desk.reserve(jane, draft_id, "b", 4)
    with pytest.raises(TooLarge):
        desk.reserve(jane, draft_id, "c", 0)
    desk.attach(jane, draft_id, "a", b"123456", first)
    with desk.db.begin() as session:
        files.release(session, second)
    desk.put(jane, draft_id, "c", b"1234")


def test_uploads_of_unknown_size_can_not_pass_together(desk: Desk, jane: Actor) -> None:
    desk.settings = desk.settings.model_copy(update={"quota_record_bytes": 10})
    draft_id = desk.create(jane)
    first, second = (desk.reserve(jane, draft_id, key, None) for key in "ab")
    desk.attach(jane, draft_id, "a", b"123456", first)
    with pytest.raises(TooLarge):
        desk.attach(jane, draft_id, "b", b"123456", second)
    view = desk.draft(jane, draft_id)
    assert view is not None
    assert [f.key for f in view.files] == ["a"]


def test_the_disks_reserve_is_the_last_bound(desk: Desk, jane: Actor) -> None:
    free = desk.store.free()
    assert free
    draft_id = desk.create(jane)
    desk.settings = desk.settings.model_copy(update={"disk_reserve_bytes": free * 2})
    with pytest.raises(StorageFull):
        desk.put(jane, draft_id, "a", b"1")
    desk.settings = desk.settings.model_copy(update={"disk_reserve_bytes": 0})
    with pytest.raises(StorageFull):
        desk.reserve(jane, draft_id, "a", free * 2)
    assert number_of(desk, uploads) == 0


# the sweep -------------------------------------------------------------------------------------------------


def test_the_sweep_finds_what_broken_uploads_left(desk: Desk, jane: Actor) -> None:
    draft_id = desk.create(jane)
    kept = desk.put(jane, draft_id, "kept")
    silent = desk.reserve(jane, draft_id, "silent", 4)
    alive = desk.reserve(jane, draft_id, "alive", 4)
    for location in (silent, alive):
        desk.store.put(location, b"1234")
    long_ago = now() - timedelta(hours=desk.settings.upload_idle_hours, minutes=1)
    with desk.db.begin() as session:
        session.execute(update(uploads).values(heartbeat=long_ago))
        files.heartbeat(session, alive)
    desk.work(until=now() + timedelta(minutes=10))
    assert stored(desk) == {kept.location, alive}
    assert [r.location for r in desk.rows(select(uploads))] == [alive]
    # What the sweep gave up can't be named afterwards: its bytes are gone.
    with pytest.raises(Invalid):
        desk.attach(jane, draft_id, "silent", b"1234", silent)
    assert desk.attach(jane, draft_id, "alive", b"1234", alive).location == alive


def test_a_task_that_comes_late_removes_nothing_that_is_named(desk: Desk, jane: Actor) -> None:
    draft_id = desk.create(jane)
    file = desk.put(jane, draft_id, "a")
    with desk.db.begin() as session:
        files.remove_bytes_later(session, file.store, file.location, 0)
    desk.work()
    assert file.location in stored(desk)


def test_collecting_leaves_what_is_named_and_takes_any_number(desk: Desk, jane: Actor) -> None:
    draft_id = desk.create(jane)
    kept = desk.put(jane, draft_id, "kept")
    with desk.db.begin() as session:
        rows = [
            {
                "id": str(n),
                "size": 1,
                "md5": "",
                "sha256": str(n),
                "crc32": 0,
                "store": "local",
                "location": f"aa/{n}",
                "created": now(),
            }
            for n in range(1203)
        ]
        session.execute(instances.insert(), rows)
        files.collect_later(session, list(session.execute(select(instances.c.id)).scalars()))
    desk.work()
    assert [r.location for r in desk.rows(select(instances))] == [kept.location]
    assert number_of(desk, objects) == 1
