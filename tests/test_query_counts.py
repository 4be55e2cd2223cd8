"""What a request costs the database: bounds on statements, the same however much there is to show.

The bounds are what it takes today and a little air for what is to come; who needs more raises them here, and
says why. (What the statements cost in time is measured by `make bench`.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert, update

from strongroom.accounts import applications, identities
from strongroom.accounts import service as accounts
from strongroom.accounts.federation import Claimed
from strongroom.accounts.models import grants
from strongroom.ids import now
from strongroom.jobs import queue
from strongroom.jobs.models import jobs
from strongroom.metadata.model import Access
from strongroom.requests import service as requests
from strongroom.requests.curation import DECIDED
from strongroom.settings import Settings
from tests.app import Answer, Reader, Site
from tests.conftest import count
from tests.desk import data
from tests.statements import overheard

DEPOSIT = "/api/deposit/depositions"
METADATA = {
    "title": "Changed",
    "upload_type": "dataset",
    "publication_date": "2024-05-01",
    "creators": [{"name": "Doe, Jane"}],
}


class Counted:
    """An application with no jobs and no indexer beside it, and the statements of each request."""

    def __init__(self, site: Site, sent: list[str]) -> None:
        self.site = site
        self.sent = sent
        self.owner = site.reader("owner")
        with site.ctx.db.begin() as session:
            accounts.note_use(session, 1)  # else its first request would be followed by this
        self.guest = Reader("guest")

    def ask(self, reader: Reader, verb: str, path: str, body: Any = None) -> int:
        """How many statements this request takes, when the process is warm."""
        self.sent.clear()
        answer: Answer = self.site.ask(verb, path, reader, body)
        assert answer.status < 400, answer
        self.answer = answer
        return len(self.sent)

    def deposits(self, number: int, files: int = 1) -> list[int]:
        """So many records, and half as many versions, edits and drafts more."""
        desk, owner = self.site.desk, self.owner.actor
        made = []
        for n in range(number):
            access = Access(files="restricted") if n % 3 == 0 else Access()
            made.append(
                desk.deposit(
                    owner, *(f"{k}.txt" for k in range(files)), described=data(f"Rose {n}", access=access)
                )
            )
            if n % 4 == 0:
                made.append(desk.publish(owner, desk.new_version(owner, made[-1])))
            if n % 4 == 1:
                desk.edit(owner, made[-1])
            if n % 4 == 2:
                desk.put(owner, desk.create(owner, data(f"Draft {n}")), "a.txt")
        return made


@pytest.fixture
def counted(database_settings: Settings) -> Iterator[Counted]:
    with overheard() as sent:
        site = Site(database_settings.model_copy(update={"job_threads": 0})).start()
        # It reads the log by itself, at any moment; what is to be found is searched for elsewhere.
        site.ctx.search.stop()
        yield Counted(site, sent)
        site.stop()


def test_a_record(counted: Counted) -> None:
    """Record and files; a concept with many versions costs the same."""
    record_id = counted.deposits(1, files=5)[-1]
    path = f"/api/records/{record_id}"
    counted.ask(counted.guest, "GET", "/api/records/2")
    assert counted.ask(counted.guest, "GET", path + "?fresh") <= 2
    assert counted.ask(counted.owner, "GET", path) <= 4  # who asks, and what is shared with him
    for _ in range(5):
        record_id = counted.site.desk.publish(
            counted.owner.actor, counted.site.desk.new_version(counted.owner.actor, record_id)
        )
    assert counted.ask(counted.guest, "GET", f"/api/records/{record_id}") <= 2


def test_a_record_that_was_asked_for_before(counted: Counted) -> None:
    """The answer is kept; one look says that it is still right."""
    record_id = counted.deposits(1)[-1]
    for path in (f"/api/records/{record_id}", f"/records/{record_id}"):
        counted.ask(counted.guest, "GET", path)
        assert counted.ask(counted.guest, "GET", path) == 1


def test_a_landing_page(counted: Counted) -> None:
    """Record, files and versions, however many."""
    desk, owner = counted.site.desk, counted.owner.actor
    record_id = counted.deposits(1, files=30)[-1]
    assert counted.ask(counted.guest, "GET", f"/records/{record_id}") <= 3
    for _ in range(6):
        record_id = desk.publish(owner, desk.new_version(owner, record_id))
    assert counted.ask(counted.guest, "GET", f"/records/{record_id}") <= 3
    assert counted.ask(counted.owner, "GET", f"/records/{record_id}") <= 6


def test_bytes_of_a_file(counted: Counted) -> None:
    record_id = counted.deposits(2, files=5)[-1]
    assert counted.ask(counted.guest, "GET", f"/api/records/{record_id}/files/1.txt/content") <= 3


# Lists, and the most statements they take.
LISTS = {
    DEPOSIT: 7,
    f"{DEPOSIT}?all_versions=1": 7,
    f"{DEPOSIT}?status=draft": 6,
    f"{DEPOSIT}?status=published": 7,
    "/me/uploads": 11,  # the tabs' counts, three kinds of rows, requests that wait, unfinished uploads
}
FRONT = 7  # how many records there are is counted now and then only; the shelves by month are one more


def test_lists_cost_the_same_however_much_they_show(counted: Counted) -> None:
    def taken() -> dict[str, int]:
        for path in LISTS:
            counted.ask(counted.owner, "GET", path)
        return {path: counted.ask(counted.owner, "GET", path) for path in LISTS}

    counted.deposits(4)
    few = taken()
    assert counted.ask(counted.owner, "GET", "/") <= FRONT
    counted.deposits(18, files=2)
    many = taken()
    assert few == many
    assert counted.ask(counted.owner, "GET", "/") <= FRONT
    assert {path: n for path, n in many.items() if n > LISTS[path]} == {}
    counted.ask(counted.owner, "GET", DEPOSIT)
    assert len(counted.answer.json()) == 25


def test_versions(counted: Counted) -> None:
    desk, owner = counted.site.desk, counted.owner.actor
    record_id = desk.deposit(owner, "a", "b")
    few = counted.ask(counted.owner, "GET", f"/api/records/{record_id}/versions")
    for _ in range(12):
        record_id = desk.publish(owner, desk.new_version(owner, record_id))
    many = counted.ask(counted.owner, "GET", f"/api/records/{record_id}/versions")
    assert counted.answer.json()["hits"]["total"] == 13
    assert many == few <= 9


def test_a_search_of_25_hits(database_settings: Settings) -> None:
    """Who asks, how new the index must be, and the hits with their files; the index itself asks nothing."""
    with overheard() as sent:
        site = Site(database_settings.model_copy(update={"job_threads": 0})).start()
        counted = Counted(site, sent)
        counts = []
        for number in (2, 25):
            counted.deposits(number, files=4)
            for path in ("/api/records", "/search"):
                counted.ask(counted.guest, "GET", path + "?q=rose&size=25")
                # The indexer has caught up: it asks nothing while nothing happens.
                counts.append(
                    min(counted.ask(counted.guest, "GET", path + "?q=rose&size=25") for _ in range(4))
                )
        assert len(site.ask("GET", "/api/records?q=rose&size=25").json()["hits"]["hits"]) == 25
        site.stop()
    assert counts[:2] == counts[2:]
    assert max(counts) <= 4


def test_a_deposit_step_by_step(counted: Counted) -> None:
    """Create, file, description, publish, edit, next version: each a few statements, with any number of files."""
    owner = counted.owner
    bounds = {
        "create": 10,
        "file": 19,
        "describe": 10,
        "publish": 22,
        "edit": 10,
        "again": 18,
        "newversion": 14,
    }
    for files in (1, 30):
        taken: dict[str, int] = {}
        for _ in range(2):  # the second time the process is warm
            taken["create"] = counted.ask(owner, "POST", DEPOSIT, {})
            made = counted.answer.json()
            own = f"{DEPOSIT}/{made['id']}"
            for n in range(files):
                taken["file"] = counted.ask(
                    owner,
                    "PUT",
                    f"{made['links']['bucket'].removeprefix('http://testserver')}/{n}.txt",
                    b"x%d" % n,
                )
            taken["describe"] = counted.ask(owner, "PUT", own, {"metadata": METADATA})
            taken["publish"] = counted.ask(owner, "POST", f"{own}/actions/publish")
            taken["edit"] = counted.ask(owner, "POST", f"{own}/actions/edit")
            taken["again"] = counted.ask(owner, "POST", f"{own}/actions/publish")
            taken["newversion"] = counted.ask(owner, "POST", f"{own}/actions/newversion")
        assert {what: number for what, number in taken.items() if number > bounds[what]} == {}


def test_the_hundredth_version_costs_what_the_tenth_cost(counted: Counted) -> None:
    """Beginning and publishing a version asks as much of the database however many there are before it."""
    owner = counted.owner
    record_id = counted.site.desk.deposit(owner.actor, "a", "b")

    def next_version() -> tuple[int, int]:
        nonlocal record_id
        begun = counted.ask(owner, "POST", f"/api/records/{record_id}/versions")
        record_id = int(counted.answer.json()["id"])
        counted.site.desk.put(owner.actor, record_id, f"new {record_id}")
        return begun, counted.ask(owner, "POST", f"/api/records/{record_id}/draft/actions/publish")

    taken = [next_version() for _ in range(count(40, 500))]
    assert taken[-1] == taken[9]
    assert max(taken[9]) <= 40


# Pages that list what one has, or what there is to look after.
HOUSEKEEPING = (
    "/admin",
    "/admin/users",
    "/admin/records",
    "/admin/records?show=withdrawn",
    "/admin/jobs",
    "/me/requests",
    "/me/uploads",
    "/account/settings/profile",
    "/account/settings/identities",
    "/account/settings/security",
    "/account/settings/applications",
)


def test_pages_of_settings_requests_and_administration_cost_the_same_however_much_they_show(
    counted: Counted,
) -> None:
    site = counted.site
    boss = site.reader("boss", admin=True)
    window = site.session("boss", boss)
    seen: dict[str, list[str]] = {}
    talked_about: list[str] = []

    def filled(numbers: range) -> dict[str, int]:
        """So many more of all that these pages list, then what each of them takes."""
        desk, me = site.desk, boss.actor
        for n in numbers:
            desk.withdraw(desk.deposit(me, "a"))
            draft = desk.create(me, data(f"Draft {n}"))
            record_id = desk.deposit(counted.owner.actor, "a")
            site.ask("POST", f"/api/records/{draft}/draft/files", boss, [{"key": "late.csv"}])
            with site.ctx.db.begin() as session:
                someone = accounts.add_user(session, f"someone{n}@example.org", name=f"Someone {n}")
                queue.enqueue(session, "doi.register", f"lost {n}")
                session.execute(update(jobs).where(jobs.c.key == f"lost {n}").values(state="dead"))
                asked_for = requests.create(
                    session, site.settings, me, "record-deletion", title=f"Request {n}", topic=("record", str(record_id)),
                    creator=("user", str(someone)), receiver=None, payload={"reason": "spam", "comment": "", "policy_id": DECIDED},
                )  # fmt: skip
                talked_about.append(asked_for)
                requests.comment(session, site.settings, me, talked_about[0], "Why?")
                accounts.create_token(session, me.user_id or 0, ("deposit:write",), f"token {n}")
                accounts.begin_session(session, me.user_id or 0)
                claimed = Claimed("oidc", "https://login.example.org", f"s{n}", f"Someone {n}")
                identities.link(session, site.settings, window.actor, claimed)
                client_id, _ = applications.register(session, me, f"App {n}", ["https://example.org/back"])
                app = applications.read(session, me, client_id)
                allowed = {"user_id": me.user_id, "application_id": app.id, "scopes": ""}
                session.execute(insert(grants).values(allowed | {"created": now(), "updated": now()}))
        taken = {}
        for path in (*HOUSEKEEPING, f"/me/requests/{talked_about[0]}"):
            counted.ask(window, "GET", path)
            taken[path] = counted.ask(window, "GET", path)
            seen.setdefault(path, []).append(counted.answer.body.decode())
        return taken

    few = filled(range(2))
    many = filled(range(2, 8))
    assert few == many
    assert max(many.values()) <= 12
    # They did show more.
    assert [path for path, (first, last) in seen.items() if len(last) < len(first) + 1000] == [
        "/admin",
        "/account/settings/profile",
    ]
