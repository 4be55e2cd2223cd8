"""Administration, and one's own uploads, in a browser's session."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from sqlalchemy import select, update

from strongroom.accounts.identities import STAND_IN
from strongroom.accounts.models import users
from strongroom.jobs import queue
from strongroom.jobs.models import jobs
from strongroom.sharing import service as sharing
from tests.app import Answer, Reader, Site, running
from tests.desk import data
from tests.web.test_landing import Page
from tests.web.test_search import caught_up


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("admin") / "data", job_threads=0) as site:
        yield site


@pytest.fixture(scope="module")
def boss(site: Site) -> Reader:
    return site.session("boss", site.reader("boss", admin=True))


@pytest.fixture(scope="module")
def jane(site: Site) -> Reader:
    return site.reader("jane")


def look(site: Site, path: str, reader: Reader) -> Page:
    answer = site.ask("GET", path, reader)
    assert answer.status == 200, answer
    return Page(answer.body)


def send(site: Site, path: str, reader: Reader, /, **fields: str) -> Answer:
    """A form as a browser sends it: the mark is a field."""
    headers = {k: v for k, v in reader.headers.items() if k != "x-csrf-token"}
    body = urlencode({"csrf": reader.headers["x-csrf-token"], **fields}).encode()
    headers["content-type"] = "application/x-www-form-urlencoded"
    return site.ask("POST", path, Reader("form", headers=headers), body)


def text(page: Page) -> str:
    return " ".join(page.text.split())


def published(site: Site, owner: Reader, title: str) -> int:
    some_id = site.desk.create(owner.actor, data(title, version="1.0-beta"))
    site.desk.put(owner.actor, some_id, "a.csv", b"a,b")
    site.desk.publish(owner.actor, some_id)
    return some_id


def test_a_record_is_withdrawn_with_a_reason_and_brought_back(site: Site, boss: Reader, jane: Reader) -> None:
    some_id = published(site, jane, "Wrong 100% of the time_")
    for words in (
        str(some_id),
        f"https://doi.org/10.5072/strongroom.{some_id}",
        "100% time_",
        "WRONG",
        "jane@example.org",
    ):
        page = look(site, f"/admin/records?{urlencode({'q': words})}", boss)
        assert f"/records/{some_id}" in page.links, words
    assert "Version 1.0-beta" in page.text, "as its own page calls it"
    assert "No record fits." in look(site, "/admin/records?q=100%25x", boss).text
    assert send(site, f"/admin/records/{some_id}/withdraw", boss, reason="", note="x").status == 400
    done = send(
        site, f"/admin/records/{some_id}/withdraw", boss, reason="retracted", note="A table was <wrong>."
    )
    assert done.status == 303
    stone = site.ask(
        "GET", f"/records/{some_id}", None, None, {"accept": "text/html", "accept-language": "de"}
    )
    assert stone.status == 410
    assert "Widerruf oder Rücknahme" in stone.text
    assert "durch den Betrieb dieses Servers" in stone.text
    after = look(site, done.headers["location"].removeprefix("http://testserver"), boss)
    assert "The record was withdrawn." in after.text
    assert "A table was <wrong>." in after.text
    assert f"/records/{some_id}" not in look(site, "/admin/records", boss).links
    back = send(site, f"/admin/records/{some_id}/restore", boss)
    assert (
        "The record is back"
        in look(site, back.headers["location"].removeprefix("http://testserver"), boss).text
    )
    assert site.ask("GET", f"/records/{some_id}").status == 200


def test_an_account_is_blocked_and_opened_again(site: Site, boss: Reader) -> None:
    some = site.reader("spammer")
    someone = f"/admin/users/{some.actor.user_id}"
    assert "spammer@example.org" in look(site, "/admin/users?q=SPAMMER", boss).text
    assert (
        send(site, f"{someone}/block", boss, q="spammer")
        .headers["location"]
        .endswith("/admin/users?q=spammer&done=block")
    )
    assert site.ask("GET", "/me/uploads", some).status == 401
    page = look(site, "/admin/users?q=spammer&done=block", boss)
    assert "Blocked" in page.text
    assert f'action="{someone}/restore"' in page.body
    assert f'action="{someone}/block"' not in page.body
    assert send(site, f"{someone}/restore", boss).status == 303
    assert "Blocked" not in look(site, "/admin/users?q=spammer", boss).text
    assert send(site, f"/admin/users/{boss.actor.user_id}/block", boss).status == 409
    assert send(site, f"{someone}/promote", boss).status == 404


def test_where_mails_are_only_kept_the_overview_says_so(
    site: Site, boss: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No mail is sent." in look(site, "/admin", boss).text
    monkeypatch.setitem(site.ctx.settings.__dict__, "smtp_host", "mail.example.org")
    assert "No mail is sent." not in look(site, "/admin", boss).text


def test_a_job_that_gave_up_is_tried_again(site: Site, boss: Reader) -> None:
    with site.ctx.db.begin() as session:
        queue.enqueue(session, "doi.register", "77")
        gave_up = {"state": "dead", "attempts": 12, "last_error": "503 <Service> Unavailable"}
        session.execute(update(jobs).where(jobs.c.key == "77").values(gave_up))
        job_id = session.execute(select(jobs.c.id).where(jobs.c.key == "77")).scalar_one()
    page = look(site, "/admin/jobs", boss)
    assert "doi.register" in page.text
    assert "503 <Service> Unavailable" in page.text
    assert "12 failed attempts" in page.text
    assert "Jobs that gave up 1" in text(look(site, "/admin", boss))
    assert send(site, f"/admin/jobs/{job_id}/retry", boss).status == 303
    assert "No job has given up." in look(site, "/admin/jobs", boss).text
    assert "doi.register" in look(site, "/admin/jobs?state=waiting", boss).text
    assert send(site, f"/admin/jobs/{job_id}/retry", boss).status == 404


def test_others_and_forms_without_the_mark_change_nothing(site: Site, boss: Reader, jane: Reader) -> None:
    some_id = published(site, jane, "Stays")
    hers = site.session("jane", jane)
    path = f"/admin/records/{some_id}/withdraw"
    assert send(site, path, hers, reason="spam").status == 403
    assert send(site, path, boss, reason="spam", csrf="x" * 32).status == 403
    assert site.ask("POST", path, site.reader("boss2", admin=True), b"reason=spam").status == 401
    assert site.ask("GET", f"/records/{some_id}").status == 200
    assert "/admin" not in look(site, "/me/uploads", hers).links
    assert "/admin" in look(site, "/me/uploads", boss).links


# one's own uploads


def test_uploads_are_listed_by_kind_searched_and_sorted(site: Site) -> None:
    author = site.reader("author")
    mine, desk = site.session("author", author), site.desk
    done = published(site, author, "Bats at dusk")
    in_edit = published(site, author, "Ants at dawn")
    desk.edit(author.actor, in_edit)
    draft = desk.create(author.actor, data("Cats at noon"))
    lent = published(site, site.reader("lender"), "Dogs of others")
    with site.ctx.db.begin() as session:
        assert author.actor.user_id
        sharing.give(session, lent - 1, author.actor.user_id, "view", "test")

    caught_up(site)

    def shown(query: str) -> list[str]:
        page = look(site, f"/me/uploads?{query}", mine)
        names = {"bats": f"/records/{done}", "ants": f"/records/{in_edit}", "ants (edit)": f"/uploads/{in_edit}",
                 "cats": f"/uploads/{draft}", "dogs": f"/records/{lent}"}  # fmt: skip
        order = [link for link in dict.fromkeys(page.links) if link in names.values()]
        return [next(name for name, link in names.items() if link == at) for at in order]

    assert shown("sort=newest") == ["cats", "ants (edit)", "bats"]
    assert shown("sort=title") == ["ants (edit)", "bats", "cats"]
    assert shown("")[:1] == ["cats"]
    assert shown("show=drafts&sort=title") == ["ants (edit)", "cats"]
    assert shown("show=published&sort=title") == ["ants", "bats"]
    assert shown("show=shared") == ["dogs"]
    assert shown("q=dusk") == ["bats"]
    assert shown("q=dogs") == []
    assert shown("q=dogs&show=shared") == ["dogs"]
    assert shown("show=drafts&q=cats") == ["cats"]
    counted = text(look(site, "/me/uploads?page=999", mine))
    for tab in ("All 3", "Drafts 2", "Published 2", "Shared with me 1"):
        assert tab in counted
    assert "can't be read" in look(site, "/me/uploads?q=%28", mine).text
    assert "missing" in look(site, "/me/uploads?show=drafts", mine).text  # a dataset without a file


def test_uploads_say_which_drafts_wait_for_the_rest_of_their_files(site: Site) -> None:
    author = site.reader("slow")
    mine = site.session("slow", author)
    draft = site.desk.create(author.actor, data("Halves of owls"))
    announced = [{"key": "owl.csv", "size": 5}, {"key": "wing.csv", "size": 7}]
    answer = site.ask("POST", f"/api/records/{draft}/draft/files", author, announced)
    assert answer.status == 201, answer

    def said() -> str:
        words = text(look(site, "/me/uploads?show=drafts&sort=title", mine))
        return words.partition("Halves of owls")[2].partition("Continue")[0]

    assert "2 files have not arrived whole" in said()
    assert "No files" not in said()
    assert "1 thing is missing" in said()
    site.desk.put(author.actor, draft, "tail.csv", b"a,b")
    assert "1 file, 3 bytes. 2 files have not arrived whole" in said()
    for key in ("owl.csv", "wing.csv"):
        site.ask("DELETE", f"/api/records/{draft}/draft/files/{key}", author)
    assert "arrived" not in said()
    assert "Ready to publish" in said()


def test_an_account_that_went_into_another_says_so_and_offers_nothing(
    site: Site, boss: Reader, jane: Reader
) -> None:
    old = site.reader("former")
    closed = {"email": f"c0ffee{STAND_IN}", "name": "Jane the former", "is_active": False}
    with site.desk.db.begin() as session:
        session.execute(
            update(users)
            .where(users.c.id == old.actor.user_id)
            .values(merged_into=jane.actor.user_id, **closed)
        )
    page = look(site, "/admin/users?q=former", boss)
    assert f"Merged into number {jane.actor.user_id}" in text(page)
    assert "No address of its own" in text(page)
    assert STAND_IN not in page.body
    assert f"/admin/users/{old.actor.user_id}/" not in page.body
    assert send(site, f"/admin/users/{old.actor.user_id}/activate", boss).status == 409
