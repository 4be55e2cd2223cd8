"""Quotas that were set for one record or user, and how files feel them."""

from __future__ import annotations

import pytest

from strongroom.access import ANONYMOUS, Actor
from strongroom.db import Database
from strongroom.errors import Forbidden, Invalid, NotFound, TooLarge
from strongroom.files import quotas
from strongroom.requests import quota
from strongroom.settings import GB, Settings
from tests.desk import Desk


@pytest.fixture
def settings_with_quotas(database_settings: Settings) -> Settings:
    return database_settings.model_copy(
        update={"quota_record_bytes": 10, "quota_user_bytes": 25, "quota_increase_bytes": 3 * GB}
    )


@pytest.fixture
def desk(database: Database, settings_with_quotas: Settings) -> Desk:
    return Desk.of(settings_with_quotas, database)


@pytest.fixture
def jane(desk: Desk) -> Actor:
    return desk.user("jane@example.org", name="Jane Doe")


@pytest.fixture
def admin(desk: Desk) -> Actor:
    return desk.user("root@example.org", admin=True)


def put_record(desk: Desk, by: Actor, some_id: int, size: int, max_file: int | None = None) -> None:
    with desk.db.begin() as session:
        quota.set_record(session, by, some_id, size, max_file)


def ask(desk: Desk, by: Actor, draft_id: int, size: int) -> str:
    with desk.db.begin() as session:
        request_id = quota.ask_increase(session, desk.settings, by, draft_id, size)
        return str(quota.service.read(session, by, request_id).status)


def test_what_was_set_for_a_record_takes_the_place_of_the_settings(
    desk: Desk, jane: Actor, admin: Actor
) -> None:
    first, second = desk.create(jane), desk.create(jane)
    desk.put(jane, first, "a", b"1234567890")
    with pytest.raises(TooLarge):
        desk.put(jane, first, "b", b"1")
    put_record(desk, admin, first, 12)
    desk.put(jane, first, "b", b"12")
    with pytest.raises(TooLarge):
        desk.put(jane, first, "c", b"1")
    # Of another record it says nothing; less than the settings may be set too.
    with pytest.raises(TooLarge):
        desk.put(jane, second, "a", b"12345678901")
    put_record(desk, admin, second, 4)
    with pytest.raises(TooLarge):
        desk.put(jane, second, "a", b"12345")
    # It is the concept's: the next version has it.
    draft_id = desk.new_version(jane, desk.publish(jane, first))
    desk.remove(jane, draft_id, "a")
    desk.put(jane, draft_id, "c", b"1234567890")
    with pytest.raises(TooLarge):
        desk.put(jane, draft_id, "d", b"1")


def test_one_file_may_be_bounded_apart(desk: Desk, jane: Actor, admin: Actor) -> None:
    draft_id = desk.create(jane)
    put_record(desk, admin, draft_id, 100, 5)
    with pytest.raises(TooLarge, match="5 bytes"):
        desk.put(jane, draft_id, "a", b"123456")
    desk.put(jane, draft_id, "a", b"12345")
    # One of unknown size, which turns out larger.
    location = desk.reserve(jane, draft_id, "b", None)
    desk.store.put(location, b"123456")
    with pytest.raises(TooLarge, match="A file may have 5 bytes"):
        desk.attach(jane, draft_id, "b", b"123456", location)


def test_a_bound_on_files_holds_where_there_is_no_other(desk: Desk, jane: Actor, admin: Actor) -> None:
    desk.settings = desk.settings.model_copy(update={"quota_record_bytes": 0, "quota_user_bytes": 0})
    draft_id = desk.create(jane)
    with desk.db.begin() as session:
        quota.set_user(session, admin, jane.user_id or 0, 1000, 5)
    with pytest.raises(TooLarge):
        desk.put(jane, draft_id, "a", b"123456")
    desk.put(jane, draft_id, "a", b"12345")


def test_what_was_set_for_a_user_counts_over_all_records(desk: Desk, jane: Actor, admin: Actor) -> None:
    ids = [desk.create(jane) for _ in range(4)]
    for draft_id in ids[:2]:
        desk.put(jane, draft_id, "a", b"1234567890")
    with pytest.raises(TooLarge):
        desk.put(jane, ids[2], "a", b"123456")
    with desk.db.begin() as session:
        quota.set_user(session, admin, jane.user_id or 0, 26)
    desk.put(jane, ids[2], "a", b"123456")
    with pytest.raises(TooLarge):
        desk.put(jane, ids[3], "a", b"1")


def test_only_moderators_set_quotas(desk: Desk, jane: Actor, admin: Actor) -> None:
    draft_id = desk.create(jane)
    for actor in (jane, ANONYMOUS):
        with pytest.raises(Forbidden):
            put_record(desk, actor, draft_id, 100)
        with pytest.raises(Forbidden), desk.db.begin() as session:
            quota.set_user(session, actor, jane.user_id or 0, 100)
    with pytest.raises(NotFound), desk.db.begin() as session:
        quota.set_user(session, admin, 4711, 100)
    with pytest.raises(NotFound):
        put_record(desk, admin, 4711, 100)
    for size, largest in ((0, None), (quota.MOST_BYTES + 1, None), (10, 11), (10, 0)):
        with pytest.raises(Invalid):
            put_record(desk, admin, draft_id, size, largest)


def test_policy_grants_at_once_up_to_the_setting_over_all_records(
    desk: Desk, jane: Actor, admin: Actor
) -> None:
    first, second, third = (desk.create(jane) for _ in range(3))
    assert ask(desk, jane, first, 2) == "accepted"
    with pytest.raises(Invalid):
        ask(desk, jane, first, 2)  # it has that
    assert ask(desk, jane, first, 3) == "accepted", "the same record's former increase is not counted again"
    assert ask(desk, jane, second, 1) == "submitted", "nothing is left of the three"
    with pytest.raises(Invalid, match="already exist"):
        ask(desk, jane, second, 2)
    john = desk.user("john@example.org")
    with pytest.raises(Forbidden):
        ask(desk, john, third, 1)
    with desk.db.read() as session:
        limits = [
            quotas.limits_of(session, i - 1, jane.user_id or 0, desk.settings).record for i in (first, second)
        ]
    assert limits == [3 * GB, 10]


def test_a_moderator_decides_where_policy_does_not(desk: Desk, jane: Actor, admin: Actor) -> None:
    desk.settings = desk.settings.model_copy(update={"quota_increase_bytes": 0})
    draft_id = desk.create(jane)
    with desk.db.begin() as session:
        request_id = quota.ask_increase(session, desk.settings, jane, draft_id, 2)
    with pytest.raises(TooLarge):
        desk.put(jane, draft_id, "a", b"12345678901")
    with pytest.raises(Forbidden), desk.db.begin() as session:
        quota.service.execute(session, desk.settings, jane, request_id, "accept")
    with desk.db.begin() as session:
        quota.service.execute(session, desk.settings, admin, request_id, "accept")
    desk.put(jane, draft_id, "a", b"12345678901")
    desk.publish(jane, draft_id)
    with pytest.raises(NotFound):
        ask(desk, jane, draft_id, 3)  # no draft is open
