"""Every database that a release left behind becomes one of today, and its records are what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select

from strongroom import changes, migrations
from strongroom.access import ANONYMOUS, Actor
from strongroom.accounts import service as accounts
from strongroom.accounts.models import users
from strongroom.db import Database
from strongroom.ids import now
from strongroom.jobs.models import jobs
from strongroom.records.search import DatabaseSource
from strongroom.settings import Settings
from tests import postgres
from tests.desk import Desk, data
from tests.test_migrations import differences
from tests.upgrades import dumps


@dataclass
class Old:
    revision: str
    desk: Desk


@pytest.fixture(params=[(r, e) for r in dumps.revisions() for e in ("sqlite", "postgresql")], ids="-".join)
def old(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Old]:
    """The dump of one revision from one engine, upgraded."""
    revision, engine = request.param
    url = ""
    if engine == "postgresql":
        url = postgres.fresh_database(request.getfixturevalue("postgres_server").url)
    settings = dumps.settings_for(settings.data_dir, url)
    dumps.load(dumps.kept(revision, engine), settings)
    db = Database(settings)
    assert migrations.current(db) == revision
    migrations.upgrade(db)
    yield Old(revision, Desk.of(settings, db))
    db.close()
    if url:
        postgres.drop_database(url)


def test_there_is_a_dump_of_the_newest_schema() -> None:
    """Made by scripts/make_upgrade_dump.py; without it the next release could not prove that it upgrades."""
    assert migrations.HEAD in dumps.revisions()


def test_the_schema_is_that_of_today(old: Old) -> None:
    assert differences(old.desk.db) == []


def test_records_are_what_they_were(old: Old) -> None:
    assert dumps.shown(old.desk) == dumps.expected(old.revision)


def test_accounts_and_tokens_still_work(old: Old) -> None:
    with old.desk.db.begin() as session:
        jane = accounts.by_token(session, dumps.TOKEN)
        assert (jane.email, jane.name) == ("jane@example.org", "Jane Doe")
        assert accounts.log_in(session, "jane@example.org", "correct horse")
        assert not accounts.log_in(session, "jane@example.org", "wrong horse")


def test_everything_is_found_by_the_index(old: Old) -> None:
    source = DatabaseSource(old.desk.db, old.desk.settings)
    titles = {d.title for d in source.everything("record", 0, 100)}
    assert {"Restricted", "Closed", "Embargoed", "Elsewhere", "Given away"} <= titles
    assert "Gone for good" not in titles
    assert {d.title for d in source.everything("draft", 0, 100)} >= {"A draft", "Scent of roses, in edit"}


def test_work_goes_on(old: Old) -> None:
    """Open drafts are published, ids and the log go on, waiting jobs are done."""
    desk = old.desk
    with desk.db.read() as session:
        jane = accounts.by_token(session, dumps.TOKEN)
        newest = changes.newest(session)
    known = {int(name.split()[1]) for name in dumps.expected(old.revision)}
    in_edit = next(d for d in known if (v := desk.draft(jane, d)) and v.published)
    draft = next(d for d in known if (v := desk.draft(jane, d)) and v.data.metadata.title == "A draft")
    following = next(d for d in known if (v := desk.draft(jane, d)) and v.index == 4)

    revision = desk.record(jane, in_edit).revision
    desk.publish(jane, in_edit)
    assert desk.record(ANONYMOUS, in_edit).revision == revision + 1
    assert desk.record(ANONYMOUS, in_edit).data.metadata.title == "Scent of roses, in edit"
    desk.put(jane, draft, "more.txt")
    desk.publish(jane, draft)
    desk.publish(jane, following)
    shown = desk.record(ANONYMOUS, following).files or []
    assert [f.key for f in shown] == ["data/ü.csv", "README.txt", "data/b.csv", "fourth.txt"]
    assert [f.md5 for f in shown[1:2]] == [hashlib.md5(b"second").hexdigest()]
    assert desk.create(jane, data("New")) > max(known)
    stranger = desk.user("new@example.org")
    assert stranger.user_id == 4
    with desk.db.read() as session:
        assert changes.newest(session) > newest
    desk.work(until=now() + timedelta(days=100))
    assert desk.record(Actor(user_id=jane.user_id), following).files == shown


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_manifests_learn_of_identities(
    engine: str, settings: Settings, request: pytest.FixtureRequest
) -> None:
    """0010: those that name accounts with identities are written anew, so that a rebuild knows them."""
    url = ""
    if engine == "postgresql":
        url = postgres.fresh_database(request.getfixturevalue("postgres_server").url)
    settings = dumps.settings_for(settings.data_dir, url)
    dumps.load(dumps.kept("0009", engine), settings)
    db = Database(settings)
    with db.begin() as session:
        session.exec_driver_sql(
            "INSERT INTO identities (user_id, provider, issuer, subject, label, created)"
            " VALUES (1, 'github', 'https://github.com', '583231', 'octocat', '2026-01-01T00:00:00.000000+00:00')"
        )
    migrations.upgrade(db)
    with db.read() as session:
        rows = session.execute(select(users.c.id, users.c.revision).order_by(users.c.id)).all()
        asked = session.execute(select(jobs.c.key, jobs.c.args).where(jobs.c.task == "manifest.user")).all()
    assert [tuple(row) for row in rows] == [(1, 1), (2, 0), (3, 0)]
    assert [tuple(row) for row in asked] == [("1", '{"user_id": 1}')]
    desk = Desk.of(settings, db)
    desk.work()
    told = [desk.store.get(e.location) for e in desk.store.list("manifests/")]
    assert any(b"583231" in body for body in told)
    db.close()
    if url:
        postgres.drop_database(url)
