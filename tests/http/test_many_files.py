"""Long lists of files over HTTP: verbs answer with the first of them, and cost the same however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from strongroom.records import drafts
from strongroom.records.views import FILES_IN_AN_ANSWER
from strongroom.settings import Settings
from tests.app import Reader, Site
from tests.files.test_many import fill
from tests.test_query_counts import DEPOSIT, METADATA, Counted, counted

__all__ = ["counted"]

VENDOR = {"accept": "application/vnd.inveniordm.v1+json"}
MANY = FILES_IN_AN_ANSWER + 3


@pytest.fixture
def site(database_settings: Settings) -> Iterator[Site]:
    site = Site(database_settings.model_copy(update={"job_threads": 0})).start()
    yield site
    site.stop()


@pytest.fixture
def owner(site: Site) -> Reader:
    return site.reader("owner")


def begun(site: Site, owner: Reader, count: int) -> int:
    made = site.ask("POST", DEPOSIT, owner, {"metadata": METADATA}).json()
    fill(site.desk, owner.actor, made["id"], count)
    return int(made["id"])


def path_of(url: str) -> str:
    return url.removeprefix("http://testserver")


def cut(site: Site, owner: Reader, body: Any, files: Any, count: int = MANY) -> None:
    """The answer has the first files, says so, and leads to all of them."""
    assert len(files) == FILES_IN_AN_ANSWER
    assert (body["files_truncated"], body["files_count"]) == (True, count)
    listed: list[str] = []
    url = body["files_pages"]
    while url:
        page = site.ask("GET", path_of(url), owner)
        assert page.status == 200, page
        listed += [entry["key"] for entry in page.json()["entries"]]
        assert page.json()["count"] == count
        url = page.json()["links"].get("next")
    assert listed == [f"plate{n // 100:02}/well{n:05}.csv" for n in range(count)]


def test_the_deposit_api_cuts_the_answers_of_verbs_and_no_other(site: Site, owner: Reader) -> None:
    draft = begun(site, owner, MANY)
    own = f"{DEPOSIT}/{draft}"
    for verb, path, body, status in (
        ("PUT", own, {"metadata": METADATA}, 200),
        ("POST", f"{own}/actions/publish", None, 202),
        ("POST", f"{own}/actions/edit", None, 201),
        ("POST", f"{own}/actions/discard", None, 201),
        ("POST", f"{own}/actions/newversion", None, 201),
    ):
        answer = site.ask(verb, path, owner, body)
        assert answer.status == status, answer
        cut(site, owner, answer.json(), answer.json()["files"])
    # What it says may be sent back, as clients do.
    following = int(answer.json()["id"])
    assert site.ask("PUT", f"{DEPOSIT}/{following}", owner, answer.json()).status == 200
    for path in (own, f"/api/records/{draft}", f"{DEPOSIT}/{following}"):
        whole = site.ask("GET", path, owner).json()
        assert len(whole["files"]) == MANY
        assert not [name for name in whole if name.startswith("files_")]


def test_the_records_api_cuts_the_answers_of_verbs_and_no_other(site: Site, owner: Reader) -> None:
    draft = begun(site, owner, MANY)
    own = f"/api/records/{draft}"
    described = site.ask("GET", f"{own}/draft", owner, None, VENDOR).json()
    assert len(described["files"]["entries"]) == MANY
    assert "files_truncated" not in described
    for headers in (VENDOR, {}):
        for verb, path, body in (
            ("PUT", f"{own}/draft", {"metadata": described["metadata"]}),
            ("POST", f"{own}/draft/actions/publish", None),
            ("POST", f"{own}/draft", None),
        ):
            answer = site.ask(verb, path, owner, body, headers)
            assert answer.status in (200, 201, 202), answer
            told = answer.json()
            if headers:
                assert (told["files"]["count"], told["files"]["total_bytes"]) == (
                    MANY,
                    MANY * (MANY - 1) // 2,
                )
            cut(site, owner, told, told["files"]["entries"] if headers else told["files"])
    assert site.ask("DELETE", f"{own}/draft", owner).status == 204
    # The next version begins with none of them, and says so.
    told = site.ask("POST", f"{own}/versions", owner, None, VENDOR).json()
    assert (told["files"]["count"], told["files"]["entries"]) == (0, {})
    assert "files_truncated" not in told
    without = site.ask("GET", f"{own}?files=0", owner, None, VENDOR).json()
    assert without["files"]["count"] == MANY
    assert "files_truncated" not in without
    whole = site.ask("GET", own, owner, None, VENDOR).json()
    assert len(whole["files"]["entries"]) == MANY


def test_as_many_as_an_answer_shows_are_all(site: Site, owner: Reader) -> None:
    draft = begun(site, owner, FILES_IN_AN_ANSWER)
    for path in (f"{DEPOSIT}/{draft}/actions/publish", f"{DEPOSIT}/{draft}/actions/newversion"):
        told = site.ask("POST", path, owner).json()
        assert len(told["files"]) == FILES_IN_AN_ANSWER
        assert "files_truncated" not in told


def test_verbs_take_the_same_statements_for_few_and_for_many_files(counted: Counted) -> None:
    owner = counted.owner

    def taken(count: int) -> dict[str, int]:
        found: dict[str, int] = {}
        for _ in range(2):  # the second time the process is warm
            draft = counted.site.ask("POST", DEPOSIT, owner, {"metadata": METADATA}).json()["id"]
            fill(counted.site.desk, owner.actor, draft, count)
            own = f"{DEPOSIT}/{draft}"
            found["publish"] = counted.ask(owner, "POST", f"{own}/actions/publish")
            found["newversion"] = counted.ask(owner, "POST", f"{own}/actions/newversion")
            following = counted.answer.json()["id"]
            bucket = path_of(counted.answer.json()["links"]["bucket"])
            found["change"] = counted.ask(
                owner, "PUT", f"{bucket}/plate00/well00003.csv", b"changed %d" % draft
            )
            found["page"] = counted.ask(owner, "GET", f"/api/records/{following}/draft/files?page=2&size=5")
            found["again"] = counted.ask(owner, "POST", f"{DEPOSIT}/{following}/actions/publish")
            found["read page"] = counted.ask(owner, "GET", f"/api/records/{following}/files?page=2&size=5")
            with counted.site.ctx.db.begin() as session:
                begun = drafts.new_version(session, counted.site.ctx.db, owner.actor, following)
            found["discard"] = counted.ask(owner, "POST", f"{DEPOSIT}/{begun}/actions/discard")
        return found

    assert taken(10) == taken(300)
