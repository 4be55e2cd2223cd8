"""The files of a draft through the records API: three steps, parts, imports, lists."""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import func, select

from strongroom.access import SYSTEM
from strongroom.files import service as files
from strongroom.files import transfers as transfer_verbs
from strongroom.files.models import instances, objects, transfers
from strongroom.jobs.worker import run_pending
from strongroom.records import drafts
from strongroom.settings import Settings
from tests import servers
from tests.app import Answer, Reader, Site

OCTETS = {"content-type": "application/octet-stream"}
VENDOR = {"accept": "application/vnd.inveniordm.v1+json"}
MIB = 1 << 20


@pytest.fixture
def site(database_settings: Settings) -> Iterator[Site]:
    """An application whose jobs run when a test says so."""
    running = Site(database_settings.model_copy(update={"job_threads": 0})).start()
    yield running
    running.stop()


class Draft:
    """One open draft and its owner."""

    def __init__(
        self, site: Site, name: str = "owner", id: int | None = None, of: Reader | None = None
    ) -> None:
        self.site = site
        self.owner = of or site.reader(name)
        self.id = id or site.desk.create(self.owner.actor)
        self.path = f"/api/records/{self.id}/draft/files"

    def ask(self, verb: str, tail: str = "", body: Any = None, **headers: str) -> Answer:
        sent = {k.replace("_", "-"): v for k, v in headers.items()}
        return self.site.ask(verb, self.path + tail, self.owner, body, sent)

    def announce(self, *items: dict[str, Any], status: int = 201) -> Any:
        answer = self.ask("POST", "", list(items))
        assert answer.status == status, answer
        return answer.json()

    def send(self, key: str, content: bytes, status: int = 200) -> Answer:
        answer = self.site.ask("PUT", f"{self.path}/{key}/content", self.owner, content, OCTETS)
        assert answer.status == status, answer
        return answer

    def part(self, key: str, n: int, content: bytes, status: int = 200) -> Answer:
        answer = self.site.ask("PUT", f"{self.path}/{key}/content/{n}", self.owner, content, OCTETS)
        assert answer.status == status, answer
        return answer

    def commit(self, key: str, status: int = 200) -> Any:
        answer = self.ask("POST", f"/{key}/commit")
        assert answer.status == status, answer
        return answer.json()

    def add(self, key: str, content: bytes) -> Any:
        self.announce({"key": key})
        self.send(key, content)
        return self.commit(key)

    def entries(self, query: str = "") -> list[Any]:
        answer = self.site.ask("GET", self.path + query, self.owner)
        assert answer.status == 200, answer
        return list(answer.json()["entries"])

    def publish(self) -> int:
        return self.site.desk.publish(self.owner.actor, self.id)

    def next_version(self, *, empty: bool = True) -> Draft:
        """The next version as the records API begins it: with no files."""
        new = self.site.desk.new_version(self.owner.actor, self.id)
        if empty:
            with self.site.ctx.db.begin() as session:
                bucket = drafts.open_bucket(session, self.owner.actor, new)
                files.begin_empty(session, bucket.concept_id, bucket.version)
        return Draft(self.site, id=new, of=self.owner)


def work(site: Site, until: datetime | None = None) -> int:
    """Do all jobs that are due, as a worker of this application would."""
    return run_pending(site.ctx.db, site.ctx, until)


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


def number_of(site: Site, table: Any) -> int:
    with site.ctx.db.read() as session:
        return int(session.execute(select(func.count()).select_from(table)).scalar_one())


def stored(site: Site) -> set[str]:
    return {e.location for e in site.ctx.store.list() if not e.location.startswith("manifests/")}


# The three steps -------------------------------------------------------------------------------------------


def test_three_steps(site: Site) -> None:
    draft = Draft(site)
    listed = draft.announce({"key": "core.csv", "metadata": {"note": "x"}}, {"key": "dir/with ä.txt"})
    assert [(e["key"], e["status"]) for e in listed["entries"]] == [
        ("core.csv", "pending"),
        ("dir/with ä.txt", "pending"),
    ]
    assert listed["enabled"] is True
    assert "size" not in listed["entries"][0]
    assert "checksum" not in listed["entries"][0]
    link = listed["entries"][1]["links"]["content"]
    assert link == f"http://testserver{draft.path}/dir/with%20%C3%A4.txt/content"
    assert draft.send("core.csv", b"first").json()["status"] == "pending"
    draft.send("core.csv", b"depth,carbon\n")
    assert [e["status"] for e in draft.entries()] == ["pending", "pending"]
    done = draft.commit("core.csv")
    assert (done["status"], done["size"], done["checksum"]) == ("completed", 13, md5(b"depth,carbon\n"))
    assert done["metadata"] == {"note": "x"}
    assert done["mimetype"] == "text/csv"
    assert draft.commit("core.csv") == done, "repeatable"
    assert draft.ask("GET", "/core.csv/content").body == b"depth,carbon\n"
    draft.send("dir/with%20%C3%A4.txt", b"text")
    draft.commit("dir/with%20%C3%A4.txt")
    answer = site.ask("GET", f"/api/records/{draft.id}/draft/files-archive", draft.owner)
    assert zipfile.ZipFile(BytesIO(answer.body)).namelist() == ["core.csv", "dir/with ä.txt"]
    # The other API shows the same files, and the first content is not kept.
    shown = site.ask("GET", f"/api/deposit/depositions/{draft.id}/files", draft.owner).json()
    assert [f["filename"] for f in shown] == ["core.csv", "dir/with ä.txt"]
    work(site)
    assert len(stored(site)) == 2
    draft.publish()
    shown = site.ask("GET", f"/api/records/{draft.id}/files/core.csv/content")
    assert shown.body == b"depth,carbon\n"


def test_what_is_asked_in_the_records_words_is_answered_so(site: Site) -> None:
    draft = Draft(site)
    assert draft.ask("GET", **VENDOR).headers["content-type"] == VENDOR["accept"]
    assert draft.ask("GET").headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("sent", "errors", "message"),
    [
        ({"key": "x"}, [("0._schema", "Invalid input type.")], None),
        ([{}], [("0.key", "Missing data for required field.")], None),
        ([{"key": "a"}, {"key": 1}], [("1.key", "Not a valid string.")], None),
        ([{"key": "a", "size": -1}], [("0.size", "Not a valid integer.")], None),
        ([{"key": "a", "metadata": []}], [("0.metadata", "Not a valid mapping type.")], None),
        ([{"key": "a", "access": {"hidden": 1}}], [("0.access.hidden", "Not a valid boolean.")], None),
        ([{"key": "a", "transfer": {"type": "Z"}}], [("0.transfer.type", "Unsupported value: Z")], None),
        ([{"key": "a", "transfer": {"type": "F", "url": "https://e.org/x"}}],
         [("0.transfer.url", "Domain not allowed")], None),
        ([{"key": "a", "transfer": {"type": "R", "url": "https://e.org/x"}}],
         [("0.transfer.url", "Domain not allowed")], None),
        ([{"key": "a", "transfer": {"type": "M", "parts": 2}}], None, "Multipart file transfer requires file size."),
        ([{"key": "a", "size": 5, "transfer": {"type": "M"}}],
         [("0.transfer.parts", "Missing data for required field.")], None),
        ([{"key": "a"}, {"key": "a"}], None, "File with key a already exists."),
        ([{"key": "there"}], None, "File with key there already exists."),
        ([{"key": "waiting"}], None, "File with key waiting already exists."),
    ],
)  # fmt: skip
def test_what_can_not_be_announced(
    site: Site, sent: Any, errors: list[tuple[str, str]] | None, message: str | None
) -> None:
    draft = Draft(site)
    draft.add("there", b"x")
    draft.announce({"key": "waiting"})
    answer = draft.ask("POST", "", sent)
    assert answer.status == 400
    body = answer.json()
    if errors is None:
        assert (body["message"], "errors" in body) == (message, False)
    else:
        assert [(e["field"], e["messages"][0]) for e in body["errors"]] == errors
    assert len(draft.entries()) == 2, "all or nothing"


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(
    "bad", ["there/x", "waiting/x", "folder", "later", "../x", "/abs", "", "a//b", "cafe\u0301"]
)
def test_names_that_can_not_stand_beside_others(site: Site, bad: str, many: bool) -> None:
    draft = Draft(site)
    draft.add("there", b"x")
    draft.add("folder/x", b"x")
    draft.add("caf\u00e9", b"x")
    draft.announce({"key": "waiting"}, {"key": "later/x"})
    others = [{"key": f"other{n}"} for n in range(30)] if many else []
    answer = draft.ask("POST", "", [*others, {"key": bad}])
    assert answer.status == 400
    assert answer.json()["errors"][0]["field"] == "key"
    assert len(draft.entries()) == 5


def test_what_was_announced_is_what_comes(site: Site) -> None:
    draft = Draft(site)
    draft.announce(
        {"key": "size", "size": 3},
        {"key": "md5", "checksum": md5(b"right")},
        {"key": "sha", "checksum": f"sha256:{hashlib.sha256(b'right').hexdigest()}"},
        {"key": "odd", "checksum": "md5:1"},
    )
    for key, wrong, right in (
        ("size", b"1234", b"123"),
        ("md5", b"wrong", b"right"),
        ("sha", b"wrong", b"right"),
    ):
        draft.send(key, wrong)
        refused = draft.commit(key, 400)
        assert key in refused["message"]
        draft.send(key, right)
        assert draft.commit(key)["status"] == "completed"
    draft.send("odd", b"x")
    draft.commit("odd", 400)
    assert len(draft.entries()) == 4


def test_commits_that_come_too_early_or_of_nothing(site: Site) -> None:
    draft = Draft(site)
    draft.announce({"key": "a"})
    assert "no content yet" in draft.commit("a", 400)["message"]
    draft.send("a", b"")
    assert draft.commit("a", 400)["message"] == "Empty files are not accepted."
    assert draft.commit("none", 404)["message"] == f"Record '{draft.id}' has no file 'none'."
    assert draft.send("none", b"x", 404).json()["message"] == f"Record '{draft.id}' has no file 'none'."
    assert draft.ask("GET", "/a/content").status == 404
    answer = site.ask(
        "PUT", f"{draft.path}/a/content", draft.owner, b"{}", {"content-type": "application/json"}
    )
    assert answer.status == 415
    draft.add("b", b"x")
    assert draft.send("b", b"y", 400).json()["message"].startswith("The file b is completed")


def test_a_broken_put_keeps_what_was_there(site: Site) -> None:
    draft = Draft(site)
    draft.announce({"key": "a"})
    draft.send("a", b"good")
    answer = site.ask(
        "PUT",
        f"{draft.path}/a/content",
        draft.owner,
        b"bad",
        OCTETS | {"content-md5": hashlib.md5(b"x").hexdigest()},
    )
    assert answer.status == 400
    assert draft.commit("a")["checksum"] == md5(b"good")
    work(site)
    assert len(stored(site)) == 1


def test_deleting(site: Site) -> None:
    draft = Draft(site)
    draft.add("done", b"x")
    draft.announce({"key": "waiting"}, {"key": "held"})
    draft.send("held", b"bytes")
    assert draft.ask("DELETE", "/held").status == 204
    assert draft.ask("DELETE", "/held").status == 404
    assert draft.ask("DELETE", "/done").status == 204
    assert [e["key"] for e in draft.entries()] == ["waiting"]
    draft.add("more", b"y")
    assert draft.ask("DELETE").status == 204
    assert draft.entries() == []
    work(site)
    assert number_of(site, transfers) == 0
    assert number_of(site, instances) == 0


def test_a_discarded_draft_takes_its_transfers_along(site: Site) -> None:
    draft = Draft(site)
    draft.announce({"key": "a"}, {"key": "b", "size": 10, "transfer": {"type": "M", "parts": 1}})
    draft.send("a", b"bytes")
    draft.part("b", 1, b"0123456789")
    assert len(stored(site)) == 2
    site.desk.discard(draft.owner.actor, draft.id)
    work(site)
    assert number_of(site, transfers) == 0
    assert stored(site) == set()


def test_what_keeps_a_draft_from_being_published_is_named(site: Site) -> None:
    draft = Draft(site)
    draft.announce({"key": "b"}, {"key": "a"})
    with site.ctx.db.read() as session:
        assert transfer_verbs.unfinished(session, draft.id) == ["a", "b"]
    draft.send("a", b"x")
    draft.commit("a")
    draft.ask("DELETE", "/b")
    with site.ctx.db.read() as session:
        assert transfer_verbs.unfinished(session, draft.id) == []


def test_the_other_api_may_bring_what_was_announced_here(site: Site) -> None:
    draft = Draft(site)
    draft.announce({"key": "a"}, {"key": "big", "size": 10, "transfer": {"type": "M", "parts": 1}})
    draft.send("a", b"never committed")
    for key in ("a", "big"):
        put = site.ask("PUT", f"/api/files/{files.bucket_id(draft.id)}/{key}", draft.owner, b"other")
        assert put.status == 201
    assert [(e["status"], e["checksum"]) for e in draft.entries()] == [("completed", md5(b"other"))] * 2
    work(site)
    assert len(stored(site)) == 1


def test_files_of_a_published_record_are_locked(site: Site) -> None:
    draft = Draft(site)
    draft.add("a", b"x")
    draft.publish()
    assert draft.ask("GET").status == 404
    assert draft.ask("POST", "", [{"key": "b"}]).status == 404
    site.desk.edit(draft.owner.actor, draft.id)
    assert [e["key"] for e in draft.entries()] == ["a"]
    for verb, tail, body in (
        ("POST", "", [{"key": "b"}]),
        ("DELETE", "", None),
        ("DELETE", "/a", None),
        ("PUT", "/a", {"metadata": {}}),
        ("POST", "/a/commit", None),
    ):
        answer = draft.ask(verb, tail, body)
        assert (answer.status, answer.json()["message"]) == (403, "Bucket is locked for modifications.")


# Versions --------------------------------------------------------------------------------------------------


def test_importing_the_files_of_the_version_before(site: Site) -> None:
    first = Draft(site)
    first.add("a", b"a")
    first.add("b", b"b")
    assert site.ask("POST", f"/api/records/{first.id}/draft/actions/files-import", first.owner).status == 400
    first.publish()
    draft = first.next_version()
    assert draft.entries() == []
    rows = number_of(site, objects)
    where = f"/api/records/{draft.id}/draft/actions/files-import"
    answer = site.ask("POST", where, draft.owner)
    assert answer.status == 201
    assert [e["key"] for e in answer.json()["entries"]] == ["a", "b"]
    assert number_of(site, objects) == rows, "nothing is copied"
    again = site.ask("POST", where, draft.owner)
    assert again.status == 400
    assert [(e["field"], e["messages"]) for e in again.json()["errors"]] == [
        ("files.enabled", ["Please remove all files first."])
    ]
    draft.ask("DELETE", "/a")
    draft.add("a", b"changed")
    draft.publish()
    old = site.ask("GET", f"/api/records/{first.id}/files").json()
    new = site.ask("GET", f"/api/records/{draft.id}/files").json()
    assert [e["checksum"] for e in old["entries"]] == [md5(b"a"), md5(b"b")]
    assert [e["checksum"] for e in new["entries"]] == [md5(b"changed"), md5(b"b")]
    assert number_of(site, instances) == 3


def test_a_version_begun_empty_may_stay_so_or_be_given_up(site: Site) -> None:
    first = Draft(site)
    first.add("a", b"a")
    first.publish()
    draft = first.next_version()
    site.desk.discard(draft.owner.actor, draft.id)
    carried = first.next_version(empty=False)
    assert [e["key"] for e in carried.entries()] == ["a"]
    site.desk.discard(draft.owner.actor, carried.id)
    draft = first.next_version()
    draft.announce({"key": "x"})
    assert site.ask("POST", f"/api/records/{draft.id}/draft/actions/files-import", draft.owner).status == 400
    draft.ask("DELETE", "/x")
    draft.add("other", b"o")
    draft.publish()
    assert [e["key"] for e in site.ask("GET", f"/api/records/{first.id}/files").json()["entries"]] == ["a"]
    assert [e["key"] for e in site.ask("GET", f"/api/records/{draft.id}/files").json()["entries"]] == [
        "other"
    ]


def test_importing_past_a_withdrawn_version(site: Site) -> None:
    first = Draft(site)
    first.add("a", b"a")
    first.publish()
    second = first.next_version()
    second.add("bad", b"b")
    second.publish()
    site.desk.withdraw(second.id, by=SYSTEM)
    third = first.next_version()
    assert third.entries() == []
    answer = site.ask("POST", f"/api/records/{third.id}/draft/actions/files-import", third.owner)
    assert [e["key"] for e in answer.json()["entries"]] == ["a"]
    third.publish()
    assert [e["key"] for e in site.ask("GET", f"/api/records/{first.id}/files").json()["entries"]] == ["a"]


def test_what_is_said_of_a_file(site: Site) -> None:
    first = Draft(site)
    first.add("a", b"a")
    first.add("b", b"b")
    said = first.ask(
        "PUT", "/a", {"metadata": {"description": "d", "role": "data"}, "access": {"hidden": True}}
    )
    assert said.status == 200
    assert (said.json()["metadata"], said.json()["access"]) == (
        {"description": "d", "role": "data"},
        {"hidden": True},
    )
    first.announce({"key": "c"})
    assert first.ask("PUT", "/c", {"metadata": {"x": 1}}).json()["metadata"] == {"x": 1}
    first.ask("DELETE", "/c")
    assert first.ask("PUT", "/c", {"metadata": {}}).status == 404
    assert first.ask("PUT", "/a", {"metadata": 1}).status == 400
    first.publish()
    draft = first.next_version(empty=False)
    changed = draft.ask("PUT", "/a", {"metadata": {"description": "new"}}).json()
    assert changed["access"] == {"hidden": True}
    draft.ask("PUT", "/b", {"metadata": None})
    site.desk.rename(draft.owner.actor, draft.id, "a", "z")
    assert [(e["key"], e["metadata"]) for e in draft.entries()] == [
        ("b", None),
        ("z", {"description": "new"}),
    ]
    site.desk.edit(draft.owner.actor, first.id)
    old = Draft(site, id=first.id, of=first.owner).entries()
    assert [e["metadata"] for e in old] == [{"description": "d", "role": "data"}, None]
    assert number_of(site, instances) == 2


# Many ------------------------------------------------------------------------------------------------------


def test_pages(site: Site) -> None:
    draft = Draft(site)
    keys = [f"{n:03}" for n in range(30)]
    for key in keys[:10]:
        site.desk.put(draft.owner.actor, draft.id, key)
    draft.announce(*({"key": key} for key in keys[10:]))
    assert [e["key"] for e in draft.entries()] == keys
    seen = []
    for page in (1, 2, 3, 4):
        answer = draft.ask("GET", f"?size=8&page={page}").json()
        seen += [e["key"] for e in answer["entries"]]
        assert answer["count"] == 30
        assert ("next" in answer["links"]) == (page < 4)
        assert ("prev" in answer["links"]) == (page > 1)
    assert seen == keys
    assert draft.entries("?page=9") == []
    assert draft.ask("GET", "?size=0").status == 400
    assert draft.ask("GET", "?size=9999").status == 400
    assert draft.ask("GET", "?page=x").status == 400


def test_many_are_announced_in_few_statements(site: Site) -> None:
    from tests.statements import overheard

    draft = Draft(site)
    if not site.ctx.db.is_sqlite:
        pytest.skip("the driver's own batching is counted on SQLite")
    with overheard() as sent:
        counts = []
        for n in (30, 300):
            other = Site(site.settings).start()
            try:
                sent.clear()
                answer = other.ask("POST", draft.path, draft.owner, [{"key": f"{n}/{i}"} for i in range(n)])
                assert answer.status == 201
                counts.append(len([s for s in sent if not s.lstrip().startswith("INSERT INTO transfers")]))
            finally:
                other.stop()
    assert counts[1] < counts[0] + 10, "what the indexer asks beside it comes and goes"


def test_a_long_list_is_answered_with_what_is_new(site: Site) -> None:
    draft = Draft(site)
    draft.announce(*({"key": f"{n}"} for n in range(1001)))
    told = draft.announce({"key": "new"})
    assert ([e["key"] for e in told["entries"]], told["count"]) == (["new"], 1002)


# Parts -----------------------------------------------------------------------------------------------------


def pieces(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


def multipart(key: str, content: bytes, size: int, **more: Any) -> dict[str, Any]:
    parts = len(pieces(content, size))
    return {
        "key": key,
        "size": len(content),
        "transfer": {"type": "M", "parts": parts, "part_size": size},
        **more,
    }


@pytest.fixture(params=["local", "s3", "direct"])
def store_site(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Site]:
    """An application on a store of each kind; `direct` sends parts past it."""
    more: dict[str, Any] = {"job_threads": 0}
    if request.param != "local":
        server: servers.S3Server = request.getfixturevalue("s3_server")
        more |= {
            "storage_url": f"s3://{server.fresh_bucket()}/some/folder",
            "storage_endpoint": server.url,
            "storage_access_key": servers.ACCESS_KEY,
            "storage_secret_key": servers.SECRET_KEY,
            "s3_direct_parts": request.param == "direct",
        }
    running = Site(settings.model_copy(update=more)).start()
    yield running
    running.stop()


def send_part(draft: Draft, key: str, n: int, content: bytes) -> None:
    """Where the entry says."""
    entry = draft.ask("GET", f"/{key}").json()
    url = entry["links"]["parts"][n - 1]["url"]
    if url.startswith("http://testserver"):
        draft.part(key, n, content)
    else:
        import requests

        answer = requests.put(url, data=content, timeout=30)
        assert answer.status_code == 200, answer.text


def test_parts_in_any_order_with_equal_results(store_site: Site) -> None:
    site = store_site
    draft = Draft(site)
    content = os.urandom(12 * MIB + 7)
    size = 5 * MIB
    told = draft.announce(multipart("dir/big.bin", content, size))["entries"][0]
    assert (told["status"], told["checksum"], told["size"]) == ("pending", None, len(content))
    assert told["transfer"] == {"type": "M", "parts": 3, "part_size": size}
    assert "content" not in told["links"]
    assert [(p["part"], p["size"], p["received"]) for p in told["links"]["parts"]] == [
        (1, size, False), (2, size, False), (3, 2 * MIB + 7, False),
    ]  # fmt: skip
    cut = pieces(content, size)
    send_part(draft, "dir/big.bin", 3, cut[2])
    send_part(draft, "dir/big.bin", 1, cut[1])
    assert "2" in draft.commit("dir/big.bin", 400)["message"]
    received = draft.ask("GET", "/dir/big.bin").json()["links"]["parts"]
    assert [p["received"] for p in received] == [True, False, True]
    if site.settings.s3_direct_parts:
        time.sleep(1.1)  # SeaweedFS lists both parts of one number, and dates them to the second
    send_part(draft, "dir/big.bin", 1, cut[0])  # the first time it was another's
    send_part(draft, "dir/big.bin", 2, cut[1])
    done = draft.commit("dir/big.bin")
    if done["status"] == "verifying":
        with site.ctx.db.read() as session:
            assert transfer_verbs.unfinished(session, draft.id) == ["dir/big.bin"]
        work(site)
        done = draft.ask("GET", "/dir/big.bin").json()
    assert (done["status"], done["size"], done["checksum"]) == ("completed", len(content), md5(content))
    assert done["transfer"] == {"type": "L"}
    with site.ctx.db.read() as session:
        row = session.execute(select(instances)).one()
    assert row.sha256 == hashlib.sha256(content).hexdigest()
    assert draft.ask("GET", "/dir/big.bin/content").body == content
    assert draft.commit("dir/big.bin") == done
    draft.publish()
    assert site.ask("GET", f"/api/records/{draft.id}/files/dir/big.bin/content").body == content


def test_parts_that_do_not_fit(store_site: Site) -> None:
    site = store_site
    draft = Draft(site)
    for wrong in ({"parts": 3, "part_size": 6 * MIB}, {"parts": 1, "part_size": 6 * MIB}, {"parts": 10_001}):
        answer = draft.ask("POST", "", [{"key": "a", "size": 12 * MIB, "transfer": {"type": "M", **wrong}}])
        assert answer.status == 400, wrong
    draft.announce({"key": "a", "size": 12 * MIB, "transfer": {"type": "M", "parts": 2}}, {"key": "l"})
    assert "must have" in draft.part("a", 1, b"short", 400).json()["message"]
    draft.part("a", 3, b"x", 404)
    draft.part("l", 1, b"x", 400)
    draft.send("a", b"whole", 400)
    assert [p["received"] for p in draft.ask("GET", "/a").json()["links"]["parts"]] == [False, False]


def test_a_wrong_digest_of_the_whole_fails(store_site: Site) -> None:
    site = store_site
    draft = Draft(site)
    draft.announce(multipart("a", b"x" * 100, 100, checksum=md5(b"other")))
    send_part(draft, "a", 1, b"x" * 100)
    answer = draft.ask("POST", "/a/commit")
    work(site)
    entry = draft.ask("GET", "/a").json()
    assert entry["status"] == "failed"
    assert "md5" in entry["transfer"]["error"]
    assert (answer.status == 400) == (not site.settings.storage_url)
    draft.commit("a", 400)
    assert draft.ask("DELETE", "/a").status == 204
    work(site)
    assert stored(site) == set()


def test_called_off_and_expired(store_site: Site, request: pytest.FixtureRequest) -> None:
    site = store_site
    draft = Draft(site)
    content = os.urandom(10 * MIB)
    draft.announce(multipart("a", content, 5 * MIB), multipart("b", content, 5 * MIB), {"key": "l"})
    for key in ("a", "b"):
        send_part(draft, key, 2, content[5 * MIB :])
    assert draft.ask("DELETE", "/a").status == 204
    from sqlalchemy import update

    from strongroom.ids import now

    with site.ctx.db.begin() as session:
        session.execute(update(transfers).values(expires=now()))
    work(site)
    with site.ctx.db.begin() as session:
        from strongroom.jobs.models import crons

        session.execute(update(crons).values(next_run=now()))
    work(site)
    assert [e["key"] for e in draft.entries()] == ["l"]
    assert stored(site) == set()
    if site.settings.storage_url:
        server: servers.S3Server = request.getfixturevalue("s3_server")
        bucket = site.settings.storage_url.removeprefix("s3://").partition("/")[0]
        assert server.unfinished_uploads(bucket) == []


def test_hashing_goes_on_after_a_restart(settings: Settings) -> None:
    from strongroom.files import digests

    content = os.urandom(3000)
    site = Site(settings.model_copy(update={"job_threads": 0})).start()
    try:
        draft = Draft(site)
        draft.announce(multipart("a", content, 1000))
        draft.part("a", 1, content[:1000])
        draft.part("a", 3, content[2000:])
    finally:
        site.stop()
    digests._states.clear()  # what a restart loses
    site = Site(settings.model_copy(update={"job_threads": 0})).start()
    try:
        draft = Draft(site, id=draft.id, of=draft.owner)
        received = draft.ask("GET", "/a").json()["links"]["parts"]
        assert [p["received"] for p in received] == [True, False, True]
        draft.part("a", 2, content[1000:2000])
        assert draft.commit("a")["checksum"] == md5(content)
    finally:
        site.stop()


def test_a_job_ends_what_a_dead_process_began(settings: Settings) -> None:
    from datetime import timedelta

    from strongroom.ids import now

    content = os.urandom(3000)
    site = Site(settings.model_copy(update={"job_threads": 0})).start()
    try:
        draft = Draft(site)
        draft.announce(multipart("a", content, 1000))
        for n, part in enumerate(pieces(content, 1000), 1):
            draft.part("a", n, part)
        with site.ctx.db.begin() as session:
            bucket = drafts.open_bucket(session, draft.owner.actor, draft.id)
            row = transfer_verbs.find(session, bucket, "a")
            transfer_verbs.begin_verifying(session, row, delay=60)
        assert draft.ask("GET", "/a").json()["status"] == "verifying"
        draft.part("a", 1, content[:1000], 400)
        work(site, until=now() + timedelta(seconds=61))
        assert draft.ask("GET", "/a").json()["checksum"] == md5(content)
    finally:
        site.stop()


def test_quotas(settings: Settings) -> None:
    limits = {"quota_record_bytes": 10, "quota_record_files": 3, "job_threads": 0}
    site = Site(settings.model_copy(update=limits)).start()
    try:
        draft = Draft(site)
        assert draft.ask("POST", "", [{"key": f"{n}"} for n in range(4)]).status == 400
        draft.announce({"key": "a"}, {"key": "b"})
        draft.announce(multipart("m", b"1" * 6, 6))
        assert draft.ask("POST", "", [{"key": "d"}]).status == 400
        draft.send("a", b"12345", 400)
        draft.send("a", b"1234")
        draft.send("b", b"1", 400)
        draft.send("a", b"4321")  # what it replaces is credited
        draft.commit("a")
        draft.part("m", 1, b"1" * 6)
        draft.commit("m")
        draft.ask("DELETE", "/a")
        draft.send("b", b"1234")
        draft.commit("b")
    finally:
        site.stop()
