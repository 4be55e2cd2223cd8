"""Manifests, and the database made again from the store alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Table, select

from strongroom import migrations, pids
from strongroom.access import ANONYMOUS, Actor, Level
from strongroom.accounts import identities, profiles
from strongroom.accounts import registration as registration  # defines mails
from strongroom.accounts import service as accounts
from strongroom.accounts.federation import Claimed
from strongroom.accounts.models import identities as linked
from strongroom.accounts.models import sessions, tokens, users
from strongroom.cli.doctor import examine
from strongroom.db import Database
from strongroom.errors import Conflict, Forbidden, Gone
from strongroom.files import service as files
from strongroom.files.models import instances, objects
from strongroom.http import rdm, representations, shapes
from strongroom.ids import today
from strongroom.jobs.models import jobs
from strongroom.metadata.model import Access, Identifier, Person
from strongroom.records import drafts as draft_verbs
from strongroom.records import manifest, queries, tasks
from strongroom.records.models import concepts, drafts, records, revisions
from strongroom.records.rebuild import rebuild
from strongroom.requests import quota
from strongroom.settings import Settings
from strongroom.sharing import models as sharing_models
from strongroom.sharing import service as sharing
from strongroom.storage import ObjectStore
from tests import postgres, servers
from tests.conftest import PROVE, count
from tests.desk import Desk, data, restricted

PLACES = ["sqlite-local", "postgresql-local", "sqlite-s3"] + (["postgresql-s3"] if PROVE else [])


@dataclass
class Place:
    """Where one repository is, and fresh databases beside the same store."""

    settings: Settings
    server: postgres.Server | None
    template: Path | str
    opened: list[Database] = field(default_factory=list)

    def desk(self, name: str = "data") -> Desk:
        """A desk over an empty database and the store."""
        files = self.settings.files_dir
        settings = self.settings.model_copy(update={"data_dir": self.settings.data_dir.parent / name})
        settings.make_data_dir()
        if not self.settings.storage_url and name != "data":
            (settings.data_dir / "files").symlink_to(files)
        if self.server is not None:
            url = postgres.fresh_database(self.server.url, str(self.template))
            settings = settings.model_copy(update={"database_url": url})
        db = Database(settings)
        migrations.upgrade(db)
        self.opened.append(db)
        return Desk.of(settings, db)


# What does not depend on where things are is proven in one place.
anywhere = pytest.mark.parametrize("place", ["sqlite-local"], indirect=True)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Place]:
    engine, _, store = request.param.partition("-")
    if store == "s3":
        s3: servers.S3Server = request.getfixturevalue("s3_server")
        settings = settings.model_copy(
            update={
                "storage_url": f"s3://{s3.fresh_bucket()}/files",
                "storage_endpoint": s3.url,
                "storage_access_key": servers.ACCESS_KEY,
                "storage_secret_key": servers.SECRET_KEY,
            }
        )
    if engine == "sqlite":
        made = Place(settings, None, "")
    else:
        made = Place(
            settings, request.getfixturevalue("postgres_server"), request.getfixturevalue("postgres_template")
        )
    yield made
    for db in made.opened:
        url = db.url.replace("postgresql+psycopg://", "postgresql://")
        db.close()
        if made.server is not None:
            postgres.drop_database(url)


@pytest.fixture
def desk(place: Place) -> Desk:
    return place.desk()


def shown(desk: Desk) -> dict[str, Any]:
    """All that the API says about every record, concept and DOI, to anybody and to the owner."""
    found: dict[str, Any] = {}
    with desk.db.read() as session:
        owners = {r.id: r.owner_id for r in session.execute(select(records.c.id, records.c.owner_id))}
        for record_id, owner_id in owners.items():
            for name, actor in (("anonymous", ANONYMOUS), ("owner", Actor(user_id=owner_id, via="session"))):
                said: Any
                try:
                    view = queries.by_id(session, actor, record_id, with_versions=True)
                    view = replace(view, sharing=sharing.described(session, actor, view))
                    said = {
                        "vendor": rdm.record(view, desk.settings, today()),
                        "record": shapes.record(view, desk.settings, today()),
                        "deposition": shapes.deposition(view, desk.settings, today()),
                        **{
                            r.name: representations.render(r, view, desk.settings, today()).decode()
                            for r in representations.REPRESENTATIONS.values()
                        },
                    }
                except Gone as gone:
                    said = gone.tombstone
                except Forbidden as error:
                    said = error.code
                found[f"{record_id} {name}"] = said
        for concept_id in session.execute(select(concepts.c.id)).scalars():
            found[f"concept {concept_id}"] = queries.latest_of(session, concept_id)
        for doi in session.execute(select(pids.pids.c.shown)).scalars():
            found[doi] = queries.target_of_doi(session, doi)
    return found


# What a rebuild can't know: secrets, and what the row was last touched by.
FORGOTTEN: dict[str, set[str]] = {
    "users": {"password", "updated", "last_login"},
    "pids": {"updated"},
    "concepts": {"next_draft_id"},
    "grants": {"id"},
    "identities": {"id", "last_used"},
}


ORDER = {
    "grants": (sharing_models.grants.c.concept_id, sharing_models.grants.c.subject_id),
    "identities": (linked.c.user_id, linked.c.subject),
}


def rows(desk: Desk, table: Table) -> list[dict[str, Any]]:
    columns = [c for c in table.c if c.name not in FORGOTTEN.get(table.name, ())]
    found = [
        dict(r._mapping)
        for r in desk.rows(select(*columns).order_by(*(ORDER.get(table.name) or table.primary_key.columns)))
    ]
    for row in found:
        for name in ("data", "tombstone", "file_order"):
            if row.get(name):
                row[name] = json.loads(row[name])
    return found


TRUTH = (
    users,
    linked,
    concepts,
    records,
    revisions,
    objects,
    instances,
    pids.pids,
    sharing_models.grants,
    sharing_models.settings,
    sharing_models.quotas,
)


def same_again(place: Place, desk: Desk) -> Desk:
    """Write what is waiting, rebuild into a fresh database, compare all rows; the new desk."""
    desk.work()
    assert desk.rows(jobs.select().where(jobs.c.task == "manifest.write")) == []
    again = place.desk(f"again{len(place.opened)}")
    rebuild(again.db, again.store)
    for table in TRUTH:
        assert rows(again, table) == rows(desk, table), table.name
    assert shown(again) == shown(desk)
    return again


CREATORS = [
    Person(
        name="Doe, Jané",
        identifiers=[Identifier(identifier="0000-0002-1825-0097", scheme="orcid")],
    )
]


def deposit_all_kinds(desk: Desk, jane: Actor, john: Actor) -> list[int]:
    """One of each kind of record."""
    embargo = Access(files="restricted", embargo_until=date(2999, 1, 1), embargo_reason="Paper")
    kinds = {
        "open": data("Open \0 µ 𝔸", creators=CREATORS, description="<p>Rose</p>"),
        "embargoed": data("Embargoed", access=embargo),
        "restricted": data("Restricted", access=restricted(conditions="<p>Ask.</p>")),
        "closed": data("Closed", access=restricted(requests=False)),
        "secret": data("Secret", access=Access(record="restricted", files="restricted")),
        "external": data("External", doi="10.1234/Else.Where"),
        "withdrawn": data("Withdrawn"),
        "edited": data("Edited"),
        "given": data("Given"),
    }
    ids = {
        name: desk.deposit(jane, "b/ü.txt", "a.txt", f"{name}.txt", described=described)
        for name, described in kinds.items()
    }
    desk.withdraw(ids["withdrawn"], "retracted", "It was wrong.")
    for title in ("Edited twice", "Edited thrice"):
        desk.corrected(jane, ids["edited"], data(title, version="1.1"))
    desk.transfer(ids["given"], john)
    return list(ids.values())


def test_everything_that_was_published_comes_back(place: Place, desk: Desk) -> None:
    jane = desk.user("jane@example.org", name="Jane Doe", orcid="0000-0002-1825-0097")
    john = desk.user("john@example.org", name="John Roe")
    with desk.db.begin() as session:
        accounts.set_password(session, jane.user_id or 0, "correct horse")
        token = accounts.create_token(session, jane.user_id or 0)
        cookie = accounts.log_in(session, "jane@example.org", "correct horse")
        assert cookie
    ids = deposit_all_kinds(desk, jane, john)
    again = same_again(place, desk)

    # Owners are accounts to be claimed: no password, no token, no session.
    assert {r.email: r.password for r in again.rows(users.select())} == {
        "jane@example.org": None,
        "john@example.org": None,
    }
    assert [again.rows(t.select()) for t in (tokens, sessions, drafts)] == [[], [], []]
    with again.db.begin() as session:
        assert accounts.by_token(session, token) == ANONYMOUS
        assert accounts.by_session(session, cookie) == ANONYMOUS
        assert accounts.log_in(session, "jane@example.org", "correct horse") is None
        accounts.set_password(session, jane.user_id or 0, "battery staple")
        assert accounts.log_in(session, "jane@example.org", "battery staple")
    # The bytes are where they were.
    for view in (again.record(jane, ids[0]), again.record(jane, ids[2])):
        assert view.files
        for file in view.files:
            assert again.store.get(file.location) == file.key.encode()
    # Everything is in the log, so that the index finds it; ids and accounts go on behind the old ones.
    assert {s for v, k, s in again.log()} == set(ids)
    assert again.create(jane) > max(ids)
    stranger = again.user("new@example.org")
    assert (stranger.user_id or 0) > (john.user_id or 0)


def test_who_may_do_what_and_what_files_say_comes_back(place: Place, desk: Desk) -> None:
    """Grants, co-owners, access settings, profiles; metadata, hiding and order of files; records without any."""
    jane, john = desk.user("jane@example.org", name="Jane Doe"), desk.user("john@example.org")
    ann, boss = desk.user("ann@example.org"), desk.user("boss@example.org", admin=True)
    with desk.db.begin() as session:
        said = {"affiliations": "Uni", "visibility": "restricted", "email_visibility": "public"}
        profiles.change(session, ann, said)
        profiles.moderate(session, boss, ann.user_id or 0, "approve")
    desk.deposit(boss)  # whom no manifest names is lost
    draft_id = desk.create(jane, data("Shared", access=restricted(), default_preview="b.txt"))
    for key in ("a.txt", "b.txt", "c.txt"):
        desk.put(jane, draft_id, key)
    with desk.db.begin() as session:
        bucket = draft_verbs.open_bucket(session, jane, draft_id)
        files.describe(session, bucket, "b.txt", about='{"description":"ü"}', hidden=False)
        files.describe(session, bucket, "c.txt", about=None, hidden=True)
    desk.sort(jane, draft_id, "c.txt", "a.txt", "b.txt")
    shared = desk.publish(jane, draft_id)
    bare = desk.publish(jane, desk.create(jane, data("No files", metadata_only=True)))
    with desk.db.begin() as session:
        sharing.add_grants(
            session,
            jane,
            shared,
            [sharing.NewGrant("owner", "john@example.org"), sharing.NewGrant("preview", "ann@example.org")],
        )
        sharing.change_settings(
            session,
            jane,
            shared,
            {
                "allow_user_requests": True,
                "allow_guest_requests": False,
                "accept_conditions_text": "<p>Ask.</p>",
                "secret_link_expiration": 30,
            },
        )
        quota.set_record(session, boss, shared, 1000, 500, "Asked for it")
        quota.set_user(session, boss, jane.user_id or 0, 10_000)
    again = same_again(place, desk)
    with again.db.read() as session:
        assert sharing.owners(session, shared - 1) == [jane.user_id, john.user_id]
        assert ann.user_id
        assert sharing.shares_of(session, ann.user_id) == {shared - 1: Level.PREVIEW}
        assert sharing.described(session, jane, again.record(jane, shared)).settings == {
            "allow_user_requests": True,
            "allow_guest_requests": False,
            "accept_conditions_text": "<p>Ask.</p>",
            "secret_link_expiration": 30,
        }
    assert [(f.key, f.metadata, f.hidden) for f in again.record(jane, shared).files or []] == [
        ("c.txt", None, True),
        ("a.txt", None, False),
        ("b.txt", '{"description":"ü"}', False),
    ]
    assert again.record(jane, shared).data.default_preview == "b.txt"
    assert again.record(ANONYMOUS, bare).data.metadata_only
    row = again.user_named("ann@example.org")
    assert (row.affiliations, row.visibility, row.email_visibility) == ("Uni", "restricted", "public")
    assert row.verified


@anywhere
def test_who_logs_in_by_others_finds_his_account(desk: Desk, place: Place) -> None:
    """An account that nothing but an ORCID iD opens, whose address nobody has confirmed; one that was linked later."""
    at_orcid = Claimed("orcid", "https://orcid.org", "0000-0002-1825-0097", "0000-0002-1825-0097", orcid="0000-0002-1825-0097")  # fmt: skip
    at_github = Claimed("github", "https://github.com", "583231", "octocat")
    elsewhere = Claimed("oidc", "https://uni.example", "ann", "ann@uni.example")
    with desk.db.begin() as session:
        user_id, _ = identities.add_account(session, at_orcid, "Josiah Carberry", "josiah@example.org")
    josiah = Actor(user_id=user_id, via="session")
    ann = desk.user("ann@example.org", password="correct horse")
    ids = [desk.deposit(josiah) for _ in range(3)]
    desk.withdraw(ids[2])
    with desk.db.begin() as session:
        sharing.add_grants(session, josiah, ids[0], [sharing.NewGrant("edit", "ann@example.org")])
    desk.work()
    with desk.db.begin() as session:
        for claimed in (at_github, elsewhere):
            identities.link(session, desk.settings, ann, claimed)
        number = session.execute(select(linked.c.id).where(linked.c.subject == "583231")).scalar_one()
        # As if it had moved from one account to the other: told of both for a while.
        identities.unlink(session, desk.settings, ann, number, "")
        identities.link(session, desk.settings, josiah, at_github)
    again = same_again(place, desk)
    with again.db.begin() as session:
        for claimed, who in ((at_orcid, josiah), (at_github, josiah), (elsewhere, ann)):
            found = identities.find(session, claimed)
            assert found is not None
            assert (found.id, found.is_active) == (who.user_id, True)
            assert identities.note_use(session, claimed, who.user_id or 0)
    assert again.record(josiah, ids[0]).owner_id == josiah.user_id
    # No secret came along, and what was written of accounts is no answer's.
    told = b"".join(desk.store.get(e.location) for e in desk.store.list("manifests/"))
    assert b"583231" in told
    assert b"argon2" not in told
    assert "583231" not in str(shown(again))


@anywhere
def test_an_identity_that_two_manifests_claim_is_the_later_links(desk: Desk, place: Place) -> None:
    at_github = Claimed("github", "https://github.com", "583231", "octocat")
    for order in ((0, 1), (1, 0)):
        people = [desk.user(f"{name}{order[0]}@example.org") for name in "ab"]
        claimed = replace(at_github, subject=str(order[0]))
        for number in order:
            desk.deposit(people[number])
        with desk.db.begin() as session:
            identities.link(session, desk.settings, people[0], claimed)
        desk.work()
        with desk.db.begin() as session:
            number = session.execute(
                select(linked.c.id).where(linked.c.subject == claimed.subject)
            ).scalar_one()
            session.execute(linked.delete().where(linked.c.id == number))
            identities.link(session, desk.settings, people[1], claimed)
        desk.work()  # the first one's manifest still says what it said
    again = place.desk("claimed")
    rebuild(again.db, again.store)
    with again.db.read() as session:
        for first in (0, 1):
            found = identities.find(session, replace(at_github, subject=str(first)))
            owner = accounts.find_user(session, f"b{first}@example.org")
            assert found is not None
            assert found.id == owner.id


def test_accounts_come_back_as_they_are_named_last(
    place: Place, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile that changed or an account that was blocked after publishing: of owners and of those who were given something."""
    monkeypatch.setattr(tasks, "CONCEPTS_AT_ONCE", 2)  # so that there are more than one goes through
    jane, ann = desk.user("jane@example.org", name="Jane Doe"), desk.user("ann@example.org")
    boss = desk.user("boss@example.org", admin=True)
    desk.deposit(boss)  # whom no manifest names is lost
    ids = [desk.deposit(jane, "a") for _ in range(5)]
    draft_id = desk.new_version(jane, ids[0])
    ids.append(desk.publish(jane, draft_id))
    with desk.db.begin() as session:
        sharing.add_grants(session, jane, ids[1], [sharing.NewGrant("view", "ann@example.org")])
    desk.work()
    with desk.db.begin() as session:
        profiles.change(session, jane, {"full_name": "Jane Doe-Roe"})
        profiles.moderate(session, boss, ann.user_id or 0, "block")
    desk.work()
    for record_id in ids[1:]:  # the latest version of each
        (location,) = (e.location for e in desk.store.list("manifests/") if f"/{record_id}-" in e.location)
        concept = orjson.loads(desk.store.get(location))["concept"]
        assert concept["owner"]["name"] == "Jane Doe-Roe"
        assert [g["user"]["is_active"] for g in concept["grants"]] == [False] * (record_id == ids[1])
    again = same_again(place, desk)
    assert again.user_named("jane@example.org").name == "Jane Doe-Roe"
    row = again.user_named("ann@example.org")
    assert not row.is_active
    assert row.blocked


def test_work_goes_on_where_it_was(place: Place, desk: Desk) -> None:
    """Editing, new versions and withdrawal of what was rebuilt; and what that leaves can be rebuilt again."""
    jane = desk.user("jane@example.org")
    first = desk.deposit(jane, "a", "b", "c")
    again = same_again(place, desk)
    again.corrected(jane, first, data("Corrected after the fire"))
    draft_id = again.new_version(jane, first)
    again.remove(jane, draft_id, "a")
    again.rename(jane, draft_id, "b", "b2")
    again.put(jane, draft_id, "new")
    second = again.publish(jane, draft_id)
    third = again.publish(jane, again.new_version(jane, first))
    again.withdraw(third)
    last = same_again(place, again)
    assert [f.key for f in last.record(ANONYMOUS, second).files or []] == ["b2", "c", "new"]
    assert last.record(ANONYMOUS, first).data.metadata.title == "Corrected after the fire"


@anywhere
def test_what_was_never_published_is_lost_and_nothing_else(place: Place, desk: Desk) -> None:
    jane = desk.user("jane@example.org")
    first = desk.deposit(jane, "a", "b")
    desk.create(jane, data("Only a draft"))
    desk.edit(jane, first)
    desk.update(jane, first, data("In edit"))
    following = desk.new_version(jane, first)
    desk.remove(jane, following, "a")
    desk.put(jane, following, "c")
    before = desk.record(ANONYMOUS, first)
    desk.work()
    again = place.desk("again")
    assert rebuild(again.db, again.store) == {"users": 1, "concepts": 1, "records": 1, "broken": 0}
    assert again.record(ANONYMOUS, first) == before
    assert rows(again, drafts) == []
    assert again.new_version(jane, first) > first


def test_many_files_and_many_versions(place: Place, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of files apart, as differences, with a whole one every so many versions; versions withdrawn between."""
    monkeypatch.setattr(manifest, "INLINE", count(6, manifest.INLINE))
    size, versions = manifest.INLINE + 3, manifest.FULL_EVERY + 5
    jane = desk.user("jane@example.org")
    record_id = first = desk.deposit(jane, *(f"{n:03}" for n in range(size - 4)))  # small: its list is inline
    for version in range(2, versions + 1):
        draft_id = desk.new_version(jane, first)
        if version == 2:  # now it is large
            for n in range(size - 4, size):
                desk.put(jane, draft_id, f"{n:03}")
        match version % 5:
            case 0:
                desk.put(jane, draft_id, "000", f"version {version}".encode())
            case 1:
                view = desk.draft(jane, draft_id)
                assert view is not None
                desk.rename(jane, draft_id, view.files[1].key, f"renamed {version}")
            case 2:
                desk.put(jane, draft_id, f"added {version}")
            case 3:
                view = desk.draft(jane, draft_id)
                assert view is not None
                desk.remove(jane, draft_id, view.files[2].key)
            case 4:
                view = desk.draft(jane, draft_id)
                assert view is not None
                desk.sort(jane, draft_id, *reversed([f.key for f in view.files]))
        record_id = desk.publish(jane, draft_id)
        if version in (7, versions - 1):
            desk.withdraw(record_id)
        if version % 3 == 0:
            desk.work()  # others' manifests are written together, later
    again = same_again(place, desk)
    assert len(again.record(ANONYMOUS, record_id).files or []) > manifest.INLINE
    folder = f"{manifest.ROOT}{first - 1}/"
    lists = {
        e.location: orjson.loads(desk.store.get(e.location))
        for e in desk.store.list(folder)
        if e.location.endswith("-files.json")
    }
    whole = [body for body in lists.values() if "files" in body]
    assert (len(lists), len(whole)) == (versions - 1, 1), "a whole list again in version 21"
    assert all(
        len(b["added"]) + len(b["removed"]) <= 3
        for b in lists.values()
        if "added" in b and b["predecessor"] != first
    )


# Manifests -------------------------------------------------------------------------------------------------


def manifests(store: ObjectStore) -> list[str]:
    return sorted(e.location for e in store.list(manifest.ROOT))


def read(desk: Desk, record_id: int) -> manifest.Manifest:
    with desk.db.read() as session:
        found = manifest.read(session, record_id)
    assert found is not None
    return found


def test_one_manifest_a_version_the_newest(desk: Desk) -> None:
    jane, john = desk.user("jane@example.org"), desk.user("john@example.org")
    first = desk.deposit(jane)
    desk.work()
    one = manifests(desk.store)
    assert len(one) == 1
    for change in (
        lambda: desk.corrected(jane, first, data("Better")),
        lambda: desk.transfer(first, john),
        lambda: desk.withdraw(first),
    ):
        before = desk.store.get(manifests(desk.store)[0])
        change()
        waiting = desk.rows(jobs.select())
        assert [(j.task, j.key) for j in waiting] == [("manifest.write", str(first))]
        desk.work()
        (only,) = manifests(desk.store)
        assert desk.store.get(only) != before
    body = orjson.loads(desk.store.get(only))
    assert [r["data"]["metadata"]["title"] for r in body["revisions"]] == ["Rose scent", "Better"]
    assert body["concept"]["owner"]["email"] == "john@example.org"
    assert body["record"]["tombstone"]["removal_reason"] == {"id": "retracted"}


@anywhere
def test_an_older_one_never_replaces_a_newer(place: Place, desk: Desk) -> None:
    """A writer that read before a change and writes after it, as two workers may."""
    jane = desk.user("jane@example.org")
    record_id = desk.deposit(jane, described=data("Old"))
    stale = read(desk, record_id)
    desk.corrected(jane, record_id, data("New"))
    desk.work()
    manifest.write(desk.store, stale)
    again = place.desk("again")
    rebuild(again.db, again.store)
    assert again.record(ANONYMOUS, record_id).data.metadata.title == "New"
    # And the next one sweeps up.
    desk.corrected(jane, record_id, data("Newest"))
    desk.work()
    assert len(manifests(desk.store)) == 1


@anywhere
def test_the_concept_is_what_its_newest_manifest_says(place: Place, desk: Desk) -> None:
    """Each version's manifest knows the concept as it was when it was written; the newest counts."""
    jane = desk.user("jane@example.org")
    first = desk.deposit(jane)
    desk.work()
    second = desk.publish(jane, desk.new_version(jane, first))
    desk.work()
    bodies = [orjson.loads(desk.store.get(m)) for m in manifests(desk.store)]
    assert {b["concept"]["latest_id"] for b in bodies} == {first, second}
    again = same_again(place, desk)
    assert again.record(ANONYMOUS, first).latest_id == second


def test_a_manifest_that_was_never_written_costs_its_version_only(place: Place, desk: Desk) -> None:
    jane = desk.user("jane@example.org")
    first = desk.deposit(jane)
    second = desk.publish(jane, desk.new_version(jane, first))
    other = desk.deposit(jane, described=data("Other"))
    broken = desk.deposit(jane, described=data("Broken"))
    desk.work()
    for location in manifests(desk.store):
        if f"/{second}-" in location:
            desk.store.delete(location)
        if f"/{broken}-" in location:
            desk.store.put(location, b'{"half": ')
    said: list[str] = []
    again = place.desk("again")
    counts = rebuild(again.db, again.store, said.append)
    assert counts == {"users": 1, "concepts": 2, "records": 2, "broken": 1}
    assert [s for s in said if f"concept {broken - 1}" in s]
    assert again.record(ANONYMOUS, first).is_latest
    assert again.record(ANONYMOUS, other).data.metadata.title == "Other"
    with again.db.read() as session:
        assert queries.latest_of(session, first - 1) == first
    assert again.create(jane) > broken, "the ids of what is lost are not given again"


def test_only_an_empty_database_is_filled(place: Place, desk: Desk) -> None:
    desk.deposit(desk.user("jane@example.org"))
    desk.work()
    with pytest.raises(Conflict):
        rebuild(desk.db, desk.store)
    again = place.desk("again")
    again.user("other@example.org")  # whose number is jane's in the manifests
    with pytest.raises(Conflict):
        rebuild(again.db, again.store)
    assert again.rows(records.select()) == []


def test_a_store_without_manifests_gives_an_empty_repository(desk: Desk) -> None:
    desk.store.put("probe/a", b"")  # on S3 this makes the bucket
    assert rebuild(desk.db, desk.store) == {"users": 0, "concepts": 0, "records": 0, "broken": 0}
    assert desk.create(desk.user("jane@example.org")) == 2


@anywhere
def test_doctor_counts_those_that_wait(desk: Desk) -> None:
    jane = desk.user("jane@example.org")
    desk.deposit(jane)
    desk.deposit(jane)

    def manifests_line() -> str:
        said: list[str] = []
        examine(desk.settings, said.append)
        return next(s for s in said if "manifests" in s)

    assert manifests_line() == "note  manifests: 2 still to be written"
    desk.work()
    assert manifests_line() == "ok    manifests: 0 still to be written"


@anywhere
def test_they_are_named_by_no_file_and_nobody_can_choose_such_a_location(desk: Desk) -> None:
    """Doors serve what `file_instances` names, and its locations come from `new_location` alone."""
    jane = desk.user("jane@example.org")
    desk.deposit(jane, "manifests/1/2.json", f"{manifest.ROOT}x")
    desk.work()
    stored = {e.location for e in desk.store.list()}
    named = {r.location for r in desk.rows(select(instances.c.location))}
    assert {s for s in stored if s.startswith(manifest.ROOT)}
    assert stored - named == {s for s in stored if s.startswith(manifest.ROOT)}
    assert not any(n.startswith(manifest.ROOT) for n in named)


@anywhere
def test_on_disk_others_can_not_read_them(desk: Desk) -> None:
    desk.deposit(desk.user("jane@example.org"))
    desk.work()
    for location in manifests(desk.store):
        path = desk.store.path(location)
        assert path is not None
        closed = [
            p
            for p in (path, *path.parents)
            if p.is_relative_to(desk.settings.data_dir) and os.stat(p).st_mode & 0o007 == 0
        ]
        assert closed, f"everybody on this machine can read {path}"
