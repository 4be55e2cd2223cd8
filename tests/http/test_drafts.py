"""The records API's drafts, in one process: both shapes, saved with errors, and what one door keeps for the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from strongroom.settings import Settings
from tests.app import Reader, Site

VENDOR = {"accept": "application/vnd.inveniordm.v1+json"}


@pytest.fixture
def site(database_settings: Settings) -> Iterator[Site]:
    site = Site(database_settings).start()
    yield site
    site.stop()


@pytest.fixture
def owner(site: Site) -> Reader:
    return site.reader("owner")


def test_a_draft_is_saved_with_its_errors(site: Site, owner: Reader) -> None:
    made = site.ask("POST", "/api/records", owner, {"metadata": {"title": "x"}}, VENDOR)
    assert (made.status, made.json()["metadata"]["title"]) == (201, "x")
    assert {
        "field": "metadata.title",
        "messages": ["Shorter than minimum length 3.", "Give a longer title."],
    } in (made.json()["errors"])


def test_two_shapes_of_one_draft(site: Site, owner: Reader) -> None:
    number = site.ask("POST", "/api/records", owner, {"metadata": {"title": "Soil"}}).json()["id"]
    assert isinstance(number, int)
    vendor = site.ask("GET", f"/api/records/{number}/draft", owner, headers=VENDOR)
    assert vendor.json()["id"] == str(number)
    assert vendor.headers["content-type"] == VENDOR["accept"]
    assert (
        site.ask("GET", f"/api/records/{number}/draft", owner, headers={"accept": "text/foo"}).status == 406
    )


def test_a_deposit_put_keeps_what_it_can_not_say(site: Site, owner: Reader) -> None:
    said = {"title": "Soil", "sizes": ["3 boxes"], "languages": [{"id": "eng"}, {"id": "deu"}]}
    number = site.ask("POST", "/api/records", owner, {"metadata": said}).json()["id"]
    path = f"/api/deposit/depositions/{number}"
    shown = site.ask("GET", path, owner).json()["metadata"]
    assert site.ask("PUT", path, owner, {"metadata": {**shown, "title": "Mud"}}).status == 200
    kept = site.ask("GET", f"/api/records/{number}/draft", owner, headers=VENDOR).json()["metadata"]
    assert (kept["title"], kept["sizes"]) == ("Mud", ["3 boxes"])
    assert [term["id"] for term in kept["languages"]] == ["eng", "deu"]


def test_an_older_revision_is_refused(site: Site, owner: Reader) -> None:
    made = site.ask("POST", "/api/records", owner, {"metadata": {"title": "Soil"}}, VENDOR)
    path = f"/api/records/{made.json()['id']}/draft"
    match = {"if-match": made.headers["etag"]}
    assert site.ask("PUT", path, owner, {"metadata": {"title": "Mud"}}, match).status == 200
    assert site.ask("PUT", path, owner, {"metadata": {"title": "Clay"}}, match).status == 412
