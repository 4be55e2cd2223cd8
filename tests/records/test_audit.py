"""The change log: each verb says once what it did, in its own transaction, in commit order."""

from __future__ import annotations

import threading
from datetime import timedelta

import orjson
import pytest
from sqlalchemy import select

from strongroom import changes
from strongroom.access import Actor
from strongroom.accounts import service as accounts
from strongroom.db import Database
from strongroom.errors import StrongroomError
from strongroom.ids import now
from strongroom.metadata.model import Access
from strongroom.records import publish
from tests.conftest import count
from tests.desk import Desk, data
from tests.records.test_drafts import each_verb


def test_each_verb_writes_exactly_one_line(desk: Desk, jane: Actor, john: Actor) -> None:
    """Publishing a new version writes a second, about the version that is no longer the latest."""
    seen = len(desk.log())

    def said(*lines: tuple[str, str, int]) -> None:
        nonlocal seen
        log = desk.log()
        assert log[seen:] == list(lines)
        seen = len(log)

    first = desk.create(jane)
    said(("created", "draft", first))
    desk.update(jane, first, data("Rose"))
    said(("updated", "draft", first))
    desk.put(jane, first, "a")
    said(("file-added", "draft", first))
    desk.put(jane, first, "b")
    said(("file-added", "draft", first))
    desk.rename(jane, first, "b", "c")
    said(("file-renamed", "draft", first))
    desk.sort(jane, first, "c", "a")
    said(("files-sorted", "draft", first))
    desk.remove(jane, first, "c")
    said(("file-deleted", "draft", first))
    desk.publish(jane, first)
    said(("published", "record", first))
    desk.edit(jane, first)
    said(("edit-opened", "draft", first))
    desk.edit(jane, first)
    said()  # it was open already
    desk.publish(jane, first)
    said(("edited", "record", first))
    desk.edit(jane, first)
    desk.discard(jane, first)
    said(("edit-opened", "draft", first), ("discarded", "draft", first))
    second = desk.new_version(jane, first)
    said(("created", "draft", second))
    desk.new_version(jane, first)
    said()
    desk.publish(jane, second)
    said(("superseded", "record", first), ("published", "record", second))
    third = desk.new_version(jane, first)
    desk.discard(jane, third)
    said(("created", "draft", third), ("discarded", "draft", third))
    desk.transfer(first, john)
    said(("transferred", "record", first), ("transferred", "record", second))
    desk.withdraw(second)
    said(("withdrawn", "record", second), ("became-latest", "record", first))
    desk.withdraw(first)
    said(("withdrawn", "record", first))
    soon = now().date() + timedelta(days=1)
    embargoed = desk.deposit(jane, described=data(access=Access(files="restricted", embargo_until=soon)))
    said(
        ("created", "draft", embargoed),
        ("file-added", "draft", embargoed),
        ("published", "record", embargoed),
    )
    with desk.db.begin() as session:
        publish.lift_embargoes(session, soon)
    said(("embargo-ended", "record", embargoed))


def test_withdrawing_an_older_version_makes_nothing_the_latest(desk: Desk, jane: Actor) -> None:
    first = desk.deposit(jane)
    desk.publish(jane, desk.new_version(jane, first))
    before = len(desk.log())
    desk.withdraw(first)
    assert desk.log()[before:] == [("withdrawn", "record", first)]


def test_it_says_who_and_what(desk: Desk, jane: Actor, admin: Actor) -> None:
    record_id = desk.deposit(jane)
    desk.corrected(admin, record_id, data("Better"))
    desk.withdraw(record_id, "personal-data", by=admin)
    with desk.db.read() as session:
        trail = changes.of(session, "record", record_id)
    assert [(r.verb, r.actor) for r in trail] == [
        ("published", jane.label),
        ("edited", admin.label),
        ("withdrawn", admin.label),
    ]
    assert [orjson.loads(r.detail) for r in trail] == [
        {"revision": 1},
        {"revision": 2},
        {"reason": "personal-data"},
    ]


def test_what_accounts_do_is_in_it_and_no_secret(desk: Desk) -> None:
    with desk.db.begin() as session:
        user_id = accounts.add_user(session, "jane@example.org", "correct horse")
        token = accounts.create_token(session, user_id)
        accounts.set_password(session, user_id, "battery staple")
    lines = desk.rows(select(changes.changes).order_by(changes.changes.c.seq))
    assert [(r.verb, r.kind, r.actor) for r in lines] == [
        ("created", "user", "operator"),
        ("created", "token", "operator"),
        ("password-set", "user", "operator"),
    ]
    for secret in (token, "correct horse", "battery staple"):
        assert secret not in str(lines)


def test_what_is_refused_is_not_in_it(desk: Desk, jane: Actor, john: Actor) -> None:
    draft_id = desk.create(jane)
    desk.put(jane, draft_id, "a.txt")
    record_id = desk.deposit(jane)
    before = desk.log()
    for verb, more in each_verb():
        for some_id in (draft_id, record_id):
            with pytest.raises(StrongroomError):
                getattr(desk, verb)(john, some_id, *more)
    assert desk.log() == before


def test_the_order_is_that_of_the_commits(desk: Desk, jane: Actor) -> None:
    """Several processes publish at once; whoever follows the log sees every record it tells of, and misses none."""
    rounds = count(6, 100)
    ids: list[int] = []
    lock = threading.Lock()

    def deposit(db: Database) -> None:
        own = Desk.of(desk.settings, db)
        for _ in range(rounds):
            record_id = own.deposit(jane)
            with lock:
                ids.append(record_id)

    databases = [Database(desk.settings) for _ in range(3)]
    threads = [threading.Thread(target=deposit, args=(db,)) for db in databases]
    for thread in threads:
        thread.start()
    seen: list[int] = []
    at = 0

    def follow() -> int:
        with desk.db.read() as session:
            rows = changes.after(session, at, 1000)
        for row in rows:
            if row.verb == "published":
                assert desk.record(jane, row.subject_id).revision == 1
                seen.append(row.subject_id)
        return rows[-1].seq if rows else at

    while any(thread.is_alive() for thread in threads):
        at = follow()
    at = follow()
    for db in databases:
        db.close()
    assert sorted(seen) == sorted(ids)
    assert len(ids) == 3 * rounds
