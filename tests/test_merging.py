"""Two accounts made one: what moves, what ends, what is left of the closed one, on both databases."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from sqlalchemy import Table, func, insert, select, text, update

from strongroom import changes, mail, merging, migrations
from strongroom.access import SCOPES, Actor, Level
from strongroom.accounts import applications, identities, profiles, registration
from strongroom.accounts import merging as proving
from strongroom.accounts import service as accounts
from strongroom.accounts.federation import Claimed
from strongroom.accounts.merging import Proof
from strongroom.accounts.models import identities as linked
from strongroom.accounts.models import sessions, users
from strongroom.db import Database
from strongroom.errors import Conflict, StrongroomError
from strongroom.files import quotas
from strongroom.files.models import uploads
from strongroom.ids import now
from strongroom.records import drafts
from strongroom.records.models import concepts, deposit_keys, records
from strongroom.records.rebuild import rebuild
from strongroom.requests import access as access  # defines the types of requests
from strongroom.requests import service
from strongroom.requests.models import requests
from strongroom.settings import Settings
from strongroom.sharing import models as sharing_models
from strongroom.sharing import service as sharing
from tests.desk import Desk, data, restricted

PASSWORD = "correct horse"
GITHUB = Claimed("github", "https://github.com", "583231", "octocat")
ORCID = "0000-0002-1825-0097"


def logged_in(desk: Desk, actor: Actor) -> str:
    with desk.db.begin() as session:
        return accounts.begin_session(session, actor.user_id or 0)


def proven(desk: Desk, keeper: Actor, cookie: str, email: str) -> Proof:
    with desk.db.read() as session:
        proof = proving.by_password(session, keeper, cookie, email, PASSWORD)
    assert proof is not None
    return proof


def merge(desk: Desk, keeper: Actor, cookie: str, proof: Proof | None) -> None:
    with desk.db.begin() as session:
        merging.merge(session, desk.settings, keeper, cookie, proof)


@pytest.fixture
def desk(database: Database, database_settings: Settings) -> Desk:
    return Desk.of(database_settings, database)


@pytest.fixture
def two(desk: Desk) -> tuple[Actor, Actor, str, Proof]:
    """Who stays, who goes, the session of the first, and the proof that both are his."""
    keeper = desk.user("keeper@example.org", name="Jane Doe", password=PASSWORD)
    other = desk.user("other@example.org", name="J. Doe", password=PASSWORD)
    cookie = logged_in(desk, keeper)
    return keeper, other, cookie, proven(desk, keeper, cookie, "other@example.org")


# What does not depend on the database is proven on one.
sqlite = pytest.mark.parametrize("database_settings", ["sqlite"], indirect=True)


def names_of(table: Table, user_id: int) -> list[str]:
    """The columns of a table that name users, as conditions on this one."""
    found = [
        f"{c.name} = {user_id}"
        for c in table.c
        if c.name in ("user_id", "owner_id") or any(k.column.table is users for k in c.foreign_keys)
    ]
    found += [
        f"{c.name.removesuffix('_type')}_type = 'user' AND CAST({c.name.removesuffix('_type')}_id AS VARCHAR) = '{user_id}'"
        for c in table.c
        if c.name.endswith("_type") and f"{c.name.removesuffix('_type')}_id" in table.c
    ]
    if "open_key" in table.c:
        found.append(f"open_key LIKE '%\\:user\\:{user_id}'")
    if "merged_into" in table.c:
        found.append(f"merged_into = {user_id}")
    return found


def left(db: Database, user_id: int) -> list[str]:
    """Where any row still names an account."""
    places = []
    with db.read() as session:
        for table in migrations.all_tables().tables.values():
            for where in names_of(table, user_id):
                count = session.execute(select(func.count()).select_from(table).where(text(where))).scalar()
                places += [f"{table.name}: {where}"] * bool(count)
    return places


def test_all_of_one_becomes_the_others(desk: Desk, two: tuple[Actor, Actor, str, Proof]) -> None:
    keeper, other, cookie, proof = two
    mine, his = keeper.user_id or 0, other.user_id or 0
    third = desk.user("third@example.org", name="Third")
    published = desk.deposit(other, "a.txt", described=data("Published"))
    withdrawn = desk.deposit(other, described=data("Withdrawn"))
    desk.withdraw(withdrawn, "retracted", "It was wrong.")
    draft_id = desk.create(other, data("A draft"))
    desk.reserve(other, draft_id, "big.bin", 10)
    closed = desk.deposit(third, described=data("Closed", access=restricted()))
    shut = desk.deposit(third, described=data("Shut", access=restricted()))
    own = desk.deposit(keeper, described=data("Own", access=restricted()))
    with desk.db.begin() as session:
        # He may more with the first, I with the second; the last is mine.
        for record, who, what in (
            (closed, his, "edit"), (closed, mine, "view"), (shut, his, "view"), (shut, mine, "manage"),
        ):  # fmt: skip
            sharing.add_grants(session, third, record, [sharing.NewGrant(what, str(who))])
        sharing.add_grants(session, keeper, own, [sharing.NewGrant("edit", str(his))])
        sharing.create_link(session, other, published, permission="view")
        asked = {}
        for name, actor, record in (("both", other, shut), ("mine", other, own), ("kept", other, closed)):
            asked[name] = service.create(
                session, desk.settings, actor, "user-access-request", title=name, topic=("record", str(record)),
                creator=("user", str(actor.user_id)), receiver=("user", str(actor.user_id)),
                concept_id=record - 1, payload={}, open_key=f"access:{record - 1}:user:{actor.user_id}", comment="x",
            )  # fmt: skip
        service.create(
            session, desk.settings, keeper, "user-access-request", title="first", topic=("record", str(shut)),
            creator=("user", str(mine)), receiver=("user", str(third.user_id)),
            concept_id=shut - 1, payload={}, open_key=f"access:{shut - 1}:user:{mine}",
        )  # fmt: skip
        identities.link(session, desk.settings, other, GITHUB)
        session.execute(update(users).where(users.c.id == his).values(orcid=ORCID, is_admin=True))
        token = accounts.create_token(session, his)
        kept_token = accounts.create_token(session, mine)
        his_cookie = accounts.begin_session(session, his)
        client_id, _ = applications.register(session, other, "Tool", ["https://tool.example/back"])
        registration.ask_to_confirm(session, desk.settings, his, "new@example.org")
        registration.ask_for_password(session, desk.settings, "other@example.org")
        profiles.change(session, other, {"notifications": False})
        quotas.put(session, "user", his, size=10**15, max_file=None, notes="", actor="operator")
        for who, key in ((his, "same"), (mine, "same"), (his, "alone")):
            values = {"user_id": who, "key": key, "draft_id": draft_id, "digest": "", "created": now(), "updated": now()}  # fmt: skip
            session.execute(insert(deposit_keys).values(values))
        # One that was merged before goes along.
        before = accounts.add_user(session, "before@example.org")
        session.execute(update(users).where(users.c.id == before).values(is_active=False, merged_into=his))

    desk.settings = desk.settings.model_copy(update={"quota_user_bytes": 10**12})
    merge(desk, keeper, cookie, proof)

    assert left(desk.db, his) == []
    with desk.db.read() as session:
        mine_now = select(concepts.c.id).where(concepts.c.owner_id == mine).order_by(concepts.c.id)
        assert set(session.execute(mine_now).scalars()) == {
            i - 1 for i in (published, withdrawn, own, draft_id)
        }
        assert session.execute(select(uploads.c.user_id)).scalars().all() == [mine]
        shares = sharing.shares_of(session, mine)
        assert shares == {closed - 1: Level.EDIT, shut - 1: Level.MANAGE}
        by_id = {r.id: r for r in session.execute(select(requests))}
        assert {name: by_id[i].status for name, i in asked.items()} == {
            "both": "cancelled", "mine": "cancelled", "kept": "submitted",
        }  # fmt: skip
        assert by_id[asked["kept"]].open_key == f"access:{closed - 1}:user:{mine}"
        row, gone = accounts.by_id(session, mine), accounts.by_id(session, his)
        assert row is not None
        assert gone is not None
        assert (row.orcid, row.is_admin, row.email, row.name) == (
            ORCID,
            False,
            "keeper@example.org",
            "Jane Doe",
        )
        assert (gone.is_active, gone.is_admin, gone.password, gone.orcid) == (False, False, None, None)
        assert gone.merged_into == mine
        assert identities.shown(gone.email) is None
        found = identities.find(session, GITHUB)
        assert found is not None
        assert found.id == mine
        assert not accounts.by_token(session, token).is_user
        assert accounts.by_token(session, kept_token).user_id == mine
        assert not accounts.by_session(session, his_cookie).is_user
        assert accounts.by_session(session, cookie).user_id == mine
        assert applications.read(session, keeper, client_id).name == "Tool"
        assert accounts.check_login(session, "other@example.org", PASSWORD) is None
        assert mail.wants(session, mine)
        limit = quotas.rows_of(session, 0, mine)["user"].bytes
        assert limit == 10**15
        keys = select(deposit_keys.c.user_id, deposit_keys.c.key).order_by(deposit_keys.c.key)
        assert [tuple(r) for r in session.execute(keys)] == [(mine, "alone"), (mine, "same")]
        told = select(mail.outbox.c.recipient).where(mail.outbox.c.kind == "accounts-merged")
        assert set(session.execute(told).scalars()) == {"keeper@example.org", "other@example.org"}
    with pytest.raises(Conflict), desk.db.begin() as session:
        profiles.moderate(
            session, Actor(user_id=third.user_id, is_admin=True, via="session"), his, "activate"
        )
    # Everything works as its own, the index heard of it, and no manifest names the closed account.
    assert desk.record(keeper, published).owner_id == mine
    assert desk.publish(keeper, desk.new_version(keeper, published))
    assert {("transferred", "record", published), ("transferred", "draft", draft_id)} <= set(desk.log())
    desk.user("other@example.org", name="The address is free")
    desk.work()
    newest: dict[str, bytes] = {}
    for entry in sorted(desk.store.list("manifests/"), key=lambda e: e.location):
        newest[entry.location.split("/")[1]] = desk.store.get(entry.location)
    for content in newest.values():
        concept = orjson.loads(content)["concept"]
        assert his not in [concept["owner"]["id"], *(g["user"]["id"] for g in concept["grants"])]


@sqlite
def test_a_lower_quota_does_not_come_along(desk: Desk, two: tuple[Actor, Actor, str, Proof]) -> None:
    keeper, other, cookie, proof = two
    with desk.db.begin() as session:
        quotas.put(session, "user", other.user_id or 0, size=1, max_file=None, notes="", actor="operator")
    merge(desk, keeper, cookie, proof)
    with desk.db.read() as session:
        assert session.execute(select(func.count()).select_from(sharing_models.quotas)).scalar() == 0


@sqlite
def test_who_has_no_address_gets_the_others(desk: Desk) -> None:
    with desk.db.begin() as session:
        mine, _ = identities.add_account(session, GITHUB, "Octo", "octo@example.org")
    other = desk.user("other@example.org", password=PASSWORD)
    keeper = Actor(user_id=mine, via="session")
    cookie = logged_in(desk, keeper)
    merge(desk, keeper, cookie, proven(desk, keeper, cookie, "other@example.org"))
    row = desk.user_named("other@example.org")
    assert (row.id, row.confirmed is not None) == (mine, True)
    assert row.id != other.user_id


def refused(desk: Desk, keeper: Actor, cookie: str, proof: Proof | None, why: type[StrongroomError]) -> None:
    with pytest.raises(why):
        merge(desk, keeper, cookie, proof)


def test_what_does_not_prove_enough(desk: Desk, two: tuple[Actor, Actor, str, Proof]) -> None:
    keeper, other, cookie, proof = two
    unproven = proving.Unproven
    refused(desk, keeper, cookie, None, unproven)
    # Of another session of the same account, of another account, by a token.
    refused(desk, keeper, logged_in(desk, keeper), proof, unproven)
    third = desk.user("third@example.org")
    refused(desk, third, logged_in(desk, third), proof, unproven)
    refused(desk, third, cookie, proof, unproven)
    refused(
        desk, Actor(user_id=keeper.user_id, via="token", scopes=frozenset(SCOPES)), cookie, proof, unproven
    )
    # Oneself.
    with desk.db.read() as session, pytest.raises(proving.Same):
        proving.by_password(session, keeper, cookie, "KEEPER@example.org", PASSWORD)
    # The password was changed since, as by a link that went by mail.
    with desk.db.begin() as session:
        accounts.set_password(session, other.user_id or 0, "battery staple")
    refused(desk, keeper, cookie, proof, unproven)
    with desk.db.begin() as session:
        identities.link(session, desk.settings, other, GITHUB)
    with desk.db.read() as session:
        by_github = proving.by_identity(session, keeper, cookie, GITHUB)
        assert (
            proving.by_identity(session, keeper, cookie, Claimed("github", "https://x.example", "583231", ""))
            is None
        )
        with pytest.raises(proving.Same):
            proving.by_identity(session, other, cookie, GITHUB)
    assert by_github is not None

    # Who is logged in for long shows first that it is still he.
    def begun(ago: timedelta) -> None:
        with desk.db.begin() as session:
            session.execute(
                update(sessions).where(sessions.c.hash == accounts.digest(cookie)).values(created=now() - ago)
            )

    begun(proving.RECENT + timedelta(seconds=1))
    refused(desk, keeper, cookie, by_github, unproven)
    begun(timedelta())
    # Switched off, either of them.
    for who in (keeper, other):
        for active in (False, True):
            with desk.db.begin() as session:
                session.execute(update(users).where(users.c.id == who.user_id).values(is_active=active))
            if not active:
                refused(desk, keeper, cookie, by_github, unproven)
                if who is other:
                    with desk.db.read() as session, pytest.raises(proving.Closed):
                        proving.by_identity(session, keeper, cookie, GITHUB)
    # Two people, says ORCID.
    for who, orcid in ((keeper, ORCID), (other, "0000-0001-5109-3700")):
        with desk.db.begin() as session:
            session.execute(update(users).where(users.c.id == who.user_id).values(orcid=orcid))
    refused(desk, keeper, cookie, by_github, proving.TwoPeople)
    with desk.db.begin() as session:
        session.execute(update(users).where(users.c.id == other.user_id).values(orcid=ORCID))
        session.execute(update(linked).values(user_id=third.user_id))
    refused(desk, keeper, cookie, by_github, unproven)
    with desk.db.begin() as session:
        session.execute(update(linked).values(user_id=other.user_id))
    merge(desk, keeper, cookie, by_github)
    refused(desk, keeper, cookie, by_github, unproven)


@sqlite
def test_an_identity_linked_a_short_while_ago_proves_nothing(
    desk: Desk, two: tuple[Actor, Actor, str, Proof]
) -> None:
    """Whoever sits at an open session could link his own, and nobody can take a merge back."""
    keeper, other, cookie, _proof = two
    with desk.db.begin() as session:
        session.execute(
            update(users).where(users.c.id == other.user_id).values(created=now() - timedelta(days=90))
        )
        identities.link(session, desk.settings, other, GITHUB)
    with desk.db.read() as session, pytest.raises(proving.TooFresh):
        proving.by_identity(session, keeper, cookie, GITHUB)
    with desk.db.begin() as session:
        session.execute(update(linked).values(created=now() - proving.SETTLED_IN - timedelta(seconds=1)))
    with desk.db.read() as session:
        assert proving.by_identity(session, keeper, cookie, GITHUB) is not None


def manifests(desk: Desk, record_id: int) -> dict[str, bytes]:
    """Those of a record's concept: place → content."""
    folder = f"manifests/{record_id - 1}/"
    return {entry.location: desk.store.get(entry.location) for entry in desk.store.list(folder)}


@sqlite
def test_a_rebuild_amid_a_merge_brings_all_back(desk: Desk, tmp_path: Path) -> None:
    """The address went over, and only some manifests had heard of it when the store was copied."""
    other = desk.user("other@example.org", password=PASSWORD)
    with desk.db.begin() as session:
        mine, _ = identities.add_account(session, GITHUB, "Octo", "octo@example.org")
    keeper = Actor(user_id=mine, via="session")
    cookie = logged_in(desk, keeper)
    late, _early = desk.deposit(other), desk.deposit(other)
    desk.work()
    before = manifests(desk, late)
    merge(desk, keeper, cookie, proven(desk, keeper, cookie, "other@example.org"))
    desk.work()
    for location in manifests(desk, late):
        desk.store.delete(location)
    for location, content in before.items():
        desk.store.put(location, content)
    said: list[str] = []
    fresh = Database(Settings(data_dir=tmp_path / "fresh", database_url=""))
    try:
        migrations.upgrade(fresh)
        done = rebuild(fresh, desk.store, said.append)
        with fresh.read() as session:
            addresses = list(session.execute(select(users.c.email)).scalars())
    finally:
        fresh.close()
    assert (done["records"], done["broken"]) == (2, 0)
    assert addresses.count("other@example.org") == 1
    assert any("other@example.org" in line for line in said)


def test_two_merges_at_once(desk: Desk, two: tuple[Actor, Actor, str, Proof]) -> None:
    """Each of two accounts would have the other: one of them stays, with all there is."""
    keeper, other, cookie, proof = two
    back = logged_in(desk, other)
    ways = [(keeper, cookie, proof), (other, back, proven(desk, other, back, "keeper@example.org"))]
    for actor in (keeper, other):
        desk.deposit(actor)
    begin = threading.Barrier(2)
    came: list[int | str | None] = []

    def one(actor: Actor, cookie: str, proof: Proof) -> None:
        begin.wait(30)
        try:
            merge(desk, actor, cookie, proof)
            came.append(actor.user_id)
        except StrongroomError as error:
            came.append(error.code)

    threads = [threading.Thread(target=one, args=way) for way in ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(type, came), key=str) == [int, str], came
    (winner,) = [c for c in came if isinstance(c, int)]
    assert "merge-unproven" in came
    (loser,) = {keeper.user_id or 0, other.user_id or 0} - {winner}
    assert left(desk.db, loser) == []
    with desk.db.read() as session:
        assert set(session.execute(select(records.c.owner_id)).scalars()) == {winner}


@pytest.mark.parametrize("database_settings", ["postgresql"], indirect=True)
def test_a_merge_waits_for_who_publishes_and_holds_nothing_meanwhile(
    desk: Desk, two: tuple[Actor, Actor, str, Proof]
) -> None:
    """Drafts, then concepts, as publishing locks them: in another order each would wait for the other."""
    keeper, other, cookie, proof = two
    draft_id = desk.create(other)
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            merge(desk, keeper, cookie, proof)
            ended.append(None)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    with desk.db.begin() as session:
        drafts.lock(session, other, draft_id)
        thread.start()
        until = time.monotonic() + 30
        with desk.db.engine.connect() as looking:
            while not looking.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar():
                assert time.monotonic() < until
                assert not ended, ended
                time.sleep(0.02)
        session.execute(select(concepts).where(concepts.c.owner_id == other.user_id).with_for_update()).all()
    thread.join(60)
    assert ended == [None]
    assert desk.draft(keeper, draft_id) is not None


def test_what_was_under_way_moves_later(desk: Desk, two: tuple[Actor, Actor, str, Proof]) -> None:
    keeper, other, cookie, proof = two
    merge(desk, keeper, cookie, proof)
    late = desk.create(other, data("Begun before"))  # by a request that had been let in
    assert left(desk.db, other.user_id or 0) != []
    desk.work(until=now() + timedelta(seconds=merging.SETTLED[0] + 1))
    with desk.db.read() as session:
        assert drafts.view(session, keeper, late) is not None
    assert left(desk.db, other.user_id or 0) == []
    with desk.db.read() as session:
        verbs = [
            [r.verb for r in changes.of(session, "user", who.user_id or 0)][-1] for who in (keeper, other)
        ]
    assert verbs == ["merged", "closed"]
    # What others gave it meanwhile reaches the manifests: a rebuild goes by the newest profile.
    giver = desk.user("giver@example.org")
    shared = desk.deposit(giver)
    with desk.db.begin() as session:
        sharing.add_grants(session, giver, shared, [sharing.NewGrant("edit", str(keeper.user_id))])
        session.execute(update(sharing_models.grants).values(subject_id=str(other.user_id)))
    (row,) = desk.rows(select(users).where(users.c.id == keeper.user_id))
    desk.work(until=now() + timedelta(seconds=merging.SETTLED[1] + 1))
    assert left(desk.db, other.user_id or 0) == []
    assert desk.rows(select(users).where(users.c.id == keeper.user_id))[0].revision == row.revision + 1
    (content,) = manifests(desk, shared).values()
    assert [g["user"]["id"] for g in orjson.loads(content)["concept"]["grants"]] == [keeper.user_id]
