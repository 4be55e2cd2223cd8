"""A whole version in one request that may be repeated (records/deposits.py)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from strongroom.settings import Settings
from tests.app import Answer, Reader, Site

ROSE = b"cultivar,scent\nDamascena,strong\n"
TULIP = b"cultivar,scent\nGavota,none\n"


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    running = Site(settings).start()
    yield running
    running.stop()


@pytest.fixture
def owner(site: Site) -> Reader:
    return site.reader("owner")


def record(title: str = "Rose scent") -> dict[str, Any]:
    return {
        "metadata": {
            "title": title,
            "resource_type": {"id": "dataset"},
            "publication_date": "2026-11-22",
            "creators": [
                {"person_or_org": {"type": "personal", "family_name": "Curie", "given_name": "Marie"}}
            ],
        }
    }


def listed(**files: bytes) -> list[dict[str, Any]]:
    return [
        {"key": key.replace("__", "/"), "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for key, data in files.items()
    ]


def wish(site: Site, who: Reader, key: str, **body: Any) -> Answer:
    return site.ask("PUT", f"/api/deposits/{key}", who, {"record": record(), **body})


def send(site: Site, who: Reader, item: dict[str, Any], data: bytes) -> Answer:
    return site.ask("PUT", item["upload"].removeprefix("http://testserver"), who, data)


def published(site: Site, who: Reader, key: str, **files: bytes) -> dict[str, Any]:
    said = wish(site, who, key, files=listed(**files)).json()
    for item in said["missing"]:
        assert send(site, who, item, files[item["key"].replace("/", "__")]).status == 201
    done = wish(site, who, key, files=listed(**files))
    assert done.json()["status"] == "published", done.body
    return done.json()  # type: ignore[no-any-return]


def test_from_nothing_to_published(site: Site, owner: Reader) -> None:
    files = listed(**{"data__rose.csv": ROSE, "readme.txt": b"hello"})
    first = wish(site, owner, "run-1", files=files)
    assert first.status == 201
    said = first.json()
    assert (said["status"], said["files"]) == ("waiting", {"present": 0, "missing": 2})
    assert [f["key"] for f in said["missing"]] == ["data/rose.csv", "readme.txt"]
    assert send(site, owner, said["missing"][0], ROSE).status == 201
    # A script that died here says the same again, and learns what is left.
    again = wish(site, owner, "run-1", files=files)
    assert (again.status, again.json()["id"]) == (200, said["id"])
    assert [f["key"] for f in again.json()["missing"]] == ["readme.txt"]
    assert send(site, owner, again.json()["missing"][0], b"hello").status == 201
    done = wish(site, owner, "run-1", files=files).json()
    assert (done["status"], done["id"]) == ("published", said["id"])
    shown = site.ask("GET", f"/api/records/{said['id']}").json()
    assert sorted(f["key"] for f in shown["files"]) == ["data/rose.csv", "readme.txt"]
    assert shown["doi"] == done["doi"]
    # The answer may have been lost: the same once more changes nothing.
    assert wish(site, owner, "run-1", files=files).json() == done
    assert site.ask("GET", f"/api/records/{said['id']}").json()["revision"] == shown["revision"]


def test_the_key_of_a_published_version_is_used_up(site: Site, owner: Reader) -> None:
    done = published(site, owner, "run-1", **{"rose.csv": ROSE})
    answer = site.ask(
        "PUT",
        "/api/deposits/run-1",
        owner,
        {"record": record("Another"), "files": listed(**{"rose.csv": ROSE})},
    )
    assert answer.status == 409
    assert done["id"] in answer.json()["message"]


def test_a_next_version_sends_only_what_changed(site: Site, owner: Reader) -> None:
    first = published(site, owner, "v1", **{"rose.csv": ROSE, "tulip.csv": TULIP, "old.txt": b"old"})
    files = listed(**{"renamed.csv": ROSE, "tulip.csv": TULIP, "new.txt": b"new"})
    said = wish(site, owner, "v2", of=first["id"], files=files).json()
    assert [f["key"] for f in said["missing"]] == ["new.txt"]
    send(site, owner, said["missing"][0], b"new")
    done = wish(site, owner, "v2", of=first["id"], files=files).json()
    assert done["status"] == "published"
    shown = site.ask("GET", f"/api/records/{done['id']}").json()
    assert sorted(f["key"] for f in shown["files"]) == ["new.txt", "renamed.csv", "tulip.csv"]
    assert shown["conceptrecid"] == site.ask("GET", f"/api/records/{first['id']}").json()["conceptrecid"]
    old = site.ask("GET", f"/api/records/{first['id']}").json()
    assert sorted(f["key"] for f in old["files"]) == ["old.txt", "rose.csv", "tulip.csv"]


def test_one_open_version_at_a_time(site: Site, owner: Reader) -> None:
    first = published(site, owner, "v1", **{"rose.csv": ROSE})
    waiting = wish(site, owner, "v2", of=first["id"], files=listed(**{"new.txt": b"new"})).json()
    answer = wish(site, owner, "v3", of=first["id"], files=listed(**{"new.txt": b"new"}))
    assert answer.status == 409
    assert waiting["id"] in answer.json()["message"]


def test_wrong_bytes_under_a_wished_name_do_not_count(site: Site, owner: Reader) -> None:
    files = listed(**{"rose.csv": ROSE})
    said = wish(site, owner, "run", files=files).json()
    send(site, owner, said["missing"][0], b"something else")
    again = wish(site, owner, "run", files=files).json()
    assert (again["status"], again["files"]["missing"]) == ("waiting", 1)


def test_what_is_wrong_is_told_and_nothing_is_lost(site: Site, owner: Reader) -> None:
    body = {"record": {"metadata": {"title": "Rose scent"}}, "files": listed(**{"rose.csv": ROSE})}
    said = site.ask("PUT", "/api/deposits/run", owner, body).json()
    send(site, owner, said["missing"][0], ROSE)
    incomplete = site.ask("PUT", "/api/deposits/run", owner, body).json()
    assert incomplete["status"] == "incomplete"
    assert {e["field"] for e in incomplete["errors"]} == {
        "metadata.resource_type", "metadata.creators", "metadata.publication_date",
    }  # fmt: skip
    assert wish(site, owner, "run", files=body["files"]).json()["status"] == "published"


def test_without_publish_it_stays_a_draft(site: Site, owner: Reader) -> None:
    files = listed(**{"rose.csv": ROSE})
    said = wish(site, owner, "run", files=files, publish=False).json()
    send(site, owner, said["missing"][0], ROSE)
    ready = wish(site, owner, "run", files=files, publish=False).json()
    assert ready["status"] == "ready"
    assert site.ask("GET", f"/api/records/{ready['id']}").status == 404


def test_a_discarded_draft_is_begun_anew_under_the_same_key(site: Site, owner: Reader) -> None:
    said = wish(site, owner, "run", files=listed(**{"rose.csv": ROSE})).json()
    assert site.ask("DELETE", f"/api/records/{said['id']}/draft", owner).status == 204
    again = wish(site, owner, "run", files=listed(**{"rose.csv": ROSE}))
    assert again.status == 201
    assert again.json()["id"] != said["id"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "_schema"),
        ({"record": 5}, "record"),
        ({"of": "x"}, "of"),
        ({"files": {}}, "files"),
        ({"files": [{"key": "a", "size": -1, "sha256": "0" * 64}]}, "files.0.size"),
        ({"files": [{"key": "a", "size": 1, "sha256": "0"}]}, "files.0.sha256"),
        ({"files": [{"size": 1, "sha256": "0" * 64}]}, "files.0.key"),
        ({"files": [{"key": "a", "size": 1, "sha256": "0" * 64}] * 2}, "files.1.key"),
        ({"publish": "yes"}, "publish"),
        ({"extra": 1}, "extra"),
    ],
)
def test_what_is_no_wish(site: Site, owner: Reader, body: Any, field: str) -> None:
    answer = site.ask("PUT", "/api/deposits/run", owner, body)
    assert answer.status == 400
    assert field in [e["field"] for e in answer.json()["errors"]]


def test_names_are_checked(site: Site, owner: Reader) -> None:
    published(site, owner, "v1", **{"rose.csv": ROSE})
    answer = wish(site, owner, "v2", files=listed(**{"..__rose.csv": ROSE}))
    assert answer.status == 400, answer.body


# A digest is neither a key to content nor an answer to whether it exists.


def restricted(site: Site, who: Reader, data: bytes) -> str:
    body = {**record(), "access": {"record": "public", "files": "restricted"}}
    said = site.ask(
        "PUT", "/api/deposits/hidden", who, {"record": body, "files": listed(**{"secret.csv": data})}
    ).json()
    send(site, who, said["missing"][0], data)
    done = site.ask(
        "PUT", "/api/deposits/hidden", who, {"record": body, "files": listed(**{"secret.csv": data})}
    ).json()
    assert done["status"] == "published"
    return str(done["id"])


def test_others_restricted_bytes_are_missing(site: Site, owner: Reader) -> None:
    restricted(site, owner, b"nobody else may read this")
    other = site.reader("other")
    files = listed(**{"mine.csv": b"nobody else may read this"})
    known, unknown = (
        wish(site, other, key, files=wanted).json()
        for key, wanted in (("a", files), ("b", listed(**{"mine.csv": b"nobody ever stored this"})))
    )
    # The answers to bytes that the store has and to bytes that it has not differ in nothing but ids.
    for said in (known, unknown):
        assert (said["status"], said["files"]) == ("waiting", {"present": 0, "missing": 1})
    assert json.dumps(known).replace(known["id"], "N").replace("/a", "/K").count("missing") == json.dumps(
        unknown
    ).replace(unknown["id"], "N").replace("/b", "/K").count("missing")
    assert wish(site, owner, "c", files=files).json()["status"] == "published"  # whose they are, may


def test_others_drafts_are_missing(site: Site, owner: Reader) -> None:
    said = wish(site, owner, "run", files=listed(**{"rose.csv": ROSE}), publish=False).json()
    send(site, owner, said["missing"][0], ROSE)
    other = site.reader("other")
    assert wish(site, other, "x", files=listed(**{"rose.csv": ROSE})).json()["status"] == "waiting"


def test_public_bytes_need_not_be_sent(site: Site, owner: Reader) -> None:
    published(site, owner, "run", **{"rose.csv": ROSE})
    other = site.reader("other")
    done = wish(site, other, "x", files=listed(**{"copy.csv": ROSE})).json()
    assert done["status"] == "published"
    got = site.ask("GET", f"/api/records/{done['id']}/files/copy.csv/content")
    assert got.body == ROSE


def test_withdrawn_bytes_are_missing(site: Site, owner: Reader) -> None:
    done = published(site, owner, "run", **{"rose.csv": ROSE})
    admin = site.reader("admin", admin=True)
    body = {"removal_reason": {"id": "test-record"}}
    assert site.ask("DELETE", f"/api/records/{done['id']}/delete", admin, body).status == 204
    other = site.reader("other")
    assert wish(site, other, "x", files=listed(**{"rose.csv": ROSE})).json()["status"] == "waiting"


def test_who_may(site: Site, owner: Reader) -> None:
    files = listed(**{"rose.csv": ROSE})
    assert wish(site, Reader("anonymous"), "x", files=files).status in (401, 403)
    assert wish(site, site.reader("none", scopes=(), of=owner), "x", files=files).status == 403
    writer = site.reader("write", scopes=("deposit:write",), of=owner)
    assert wish(site, writer, "x", files=files).status == 403  # it may not publish
    assert wish(site, writer, "x", files=files, publish=False).status == 201
    done = published(site, owner, "v1", **{"rose.csv": ROSE})
    assert wish(site, site.reader("other"), "y", of=done["id"], files=files).status == 403
