"""What existing clients need (spec/quirks.md), one section a heading there, over the wire."""

from __future__ import annotations

import hashlib
import socket
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from strongroom.access import ACTIONS, WRITE
from tests.conformance.wire import Answer, Json, Wire, small
from tests.live import Server

DEPOSITIONS = "/api/deposit/depositions"
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("quirks") / "data", {"STRONGROOM_RATE_LIMITS": "on"})
    server.start()
    yield server
    assert server.stop() == 0
    assert "unexpected error" not in server.log()


@pytest.fixture(scope="module")
def me(server: Server) -> Wire:
    return Wire(server, server.add_user("me@example.org"))


@pytest.fixture(scope="module")
def other(server: Server) -> Wire:
    return Wire(server, server.add_user("other@example.org"))


@pytest.fixture(scope="module")
def anybody(server: Server) -> Wire:
    return Wire(server)


@pytest.fixture(scope="module")
def published(me: Wire) -> Json:
    """A record that no test changes."""
    return me.publish(files={"a b#+.txt": b"0123456789", "two.bin": b"two"})


@pytest.fixture(scope="module")
def versions(me: Wire) -> tuple[Json, Json]:
    """Two published versions of one deposit."""
    first = me.publish(small(version="1"), files={"kept.txt": b"kept", "old.txt": b"old"})
    draft = me.act(first, "newversion", expect=201).json()
    gone = next(f for f in draft["files"] if f["filename"] == "old.txt")
    me.call("DELETE", f"{DEPOSITIONS}/{draft['id']}/files/{gone['id']}", expect=204)
    return first, me.act(draft, "publish", expect=202).json()


def form(name: str, content: bytes) -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n--x--\r\n"


def refusal(answer: Answer, status: int) -> Json:
    """An error in the one shape."""
    assert answer.status == status, answer.body
    assert answer.media_type == "application/json"
    body: Json = answer.json()
    assert body["status"] == status
    assert isinstance(body["message"], str)
    assert body["message"]
    for item in body.get("errors", ()):
        assert isinstance(item["field"], str)
        assert item["message"] == " ".join(item["messages"])
    return body


# 1. tokens


@pytest.mark.parametrize("scheme", ["Bearer ", "Bearer:", "bearer ", "Bearer: "])
def test_token_in_a_header(me: Wire, scheme: str) -> None:
    me.call("GET", DEPOSITIONS, headers={"Authorization": f"{scheme}{me.token}"}, expect=200)


def test_token_in_the_query(me: Wire, anybody: Wire) -> None:
    query = f"?access_token={me.token}"
    made = anybody.call("POST", DEPOSITIONS + query, {}, expect=201).json()
    bucket = me.local(made["links"]["bucket"])
    anybody.call("PUT", f"{bucket}/a.txt{query}", b"a", expect=201)
    anybody.call("POST", f"{DEPOSITIONS}/{made['id']}/files{query}", form("b.txt", b"b"), FORM, expect=201)
    answer = anybody.call("GET", f"{bucket}/a.txt{query}", expect=200)
    assert answer.body == b"a"
    # it stays out of links that others may see
    listed = anybody.call("GET", f"/api/records{query}&q=nothing", expect=200)
    assert str(me.token) not in listed.body.decode()


@pytest.mark.parametrize("token", ["mine", "wrong"])
def test_any_token_on_public_reads(server: Server, me: Wire, published: Json, token: str) -> None:
    wire = me if token == "mine" else Wire(server, "no-such-token")
    number = published["id"]
    for path in (
        f"/api/records/{number}",
        "/api/records",
        f"/api/records/{number}/files",
        f"/records/{number}",
    ):
        wire.call("GET", path, expect=200)
    wire.call("GET", f"/api/records/{number}/files/two.bin/content", expect=200)


def test_without_a_valid_token(server: Server, anybody: Wire, published: Json) -> None:
    for wire in (anybody, Wire(server, "no-such-token")):
        for method, path in (
            ("GET", DEPOSITIONS),
            ("POST", DEPOSITIONS),
            ("GET", f"{DEPOSITIONS}/{published['id']}"),
            ("POST", f"{DEPOSITIONS}/{published['id']}/actions/edit"),
        ):
            refusal(wire.call(method, path), 401)


def test_what_is_somebody_elses(me: Wire, other: Wire, published: Json) -> None:
    draft = me.create(small())
    for number in (draft["id"], published["id"]):
        for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/actions/newversion")):
            answer = other.call(method, f"{DEPOSITIONS}/{number}{path}", {"metadata": small()})
            assert refusal(answer, 403)["message"] == "Permission denied."


def test_scopes(server: Server, me: Wire) -> None:
    writer = Wire(server, server.token_for("me@example.org", WRITE))
    actor = Wire(server, server.token_for("me@example.org", ACTIONS))
    made = writer.create(small())
    writer.put_file(made, "a.txt", b"a")
    refusal(writer.call("POST", f"{DEPOSITIONS}/{made['id']}/actions/publish"), 403)
    refusal(actor.call("PUT", f"{DEPOSITIONS}/{made['id']}", {"metadata": small()}), 403)
    refusal(actor.call("PUT", actor.local(made["links"]["bucket"]) + "/b.txt", b"b"), 403)
    actor.act(made, "publish", expect=202)


# 2. paths


def test_runs_of_slashes_are_one(me: Wire, published: Json) -> None:
    number = published["id"]
    made = me.call("POST", "/api//deposit///depositions", {}, expect=201).json()
    me.call("GET", f"//api//deposit/depositions//{made['id']}", expect=200)
    me.call("GET", f"/api//records//{number}", expect=200)
    me.call("POST", f"{DEPOSITIONS}//{made['id']}//files", form("a.txt", b"a"), FORM, expect=201)
    me.call("GET", f"//records/{number}", expect=200)
    bucket = made["links"]["bucket"].rpartition("/")[2]
    me.call("PUT", f"/api//files//{bucket}/b.txt", b"b", expect=201)
    assert me.get(f"/api/files/{bucket}/b.txt").body == b"b"
    # those of a file's key are the key's: an absolute path is refused (issue 2)
    assert refusal(me.call("PUT", f"/api/files/{bucket}//c.txt", b"c"), 400)["errors"][0]["field"] == "key"


def test_trailing_slashes(me: Wire, published: Json) -> None:
    number = published["id"]
    made = me.call("POST", f"{DEPOSITIONS}/", {}, expect=201).json()
    me.call("GET", f"{DEPOSITIONS}/{made['id']}/", expect=200)
    me.call("PUT", f"{DEPOSITIONS}/{made['id']}/", {"metadata": small()}, expect=200)
    me.call("POST", f"{DEPOSITIONS}/{made['id']}/files/", form("a.txt", b"a"), FORM, expect=201)
    me.call("POST", f"{DEPOSITIONS}/{made['id']}/actions/publish/", expect=202)
    for path in (DEPOSITIONS, f"/api/records/{number}", "/api/records", f"/api/records/{number}/files"):
        me.call("GET", f"{path}/", expect=200)
    assert me.call("GET", "/api/records/?size=1", expect=200).json()["hits"]["hits"]


@pytest.mark.parametrize(
    "key", ["a b.txt", "a#b.txt", "a+b.txt", "100%.txt", "ä/ö?ü.txt", "a&b=c;d.txt", "日本.txt"]
)
def test_keys(me: Wire, anybody: Wire, key: str) -> None:
    made = me.create(small())
    content = key.encode()
    path = f"{me.local(made['links']['bucket'])}/{quote(key)}"
    put = me.call("PUT", path, content, expect=201).json()
    assert put["key"] == key
    assert me.get(put["links"]["self"]).body == content
    (listed,) = me.get(f"{DEPOSITIONS}/{made['id']}/files").json()
    assert listed["filename"] == key
    assert me.get(listed["links"]["download"]).body == content
    done = me.act(made, "publish", expect=202).json()
    (file,) = anybody.get(f"/api/records/{done['id']}").json()["files"]
    assert file["key"] == key
    for url in (
        file["links"]["self"],
        f"/records/{done['id']}/files/{quote(key)}",
        f"/api/files/{done['links']['bucket'].rpartition('/')[2]}/{quote(key)}",
        done["files"][0]["links"]["download"],
    ):
        answer = anybody.get(url)
        assert (answer.status, answer.body) == (200, content), url


def test_a_plus_in_a_path_is_a_plus(me: Wire) -> None:
    made = me.create()
    bucket = me.local(made["links"]["bucket"])
    assert me.call("PUT", f"{bucket}/a+b.txt", b"+", expect=201).json()["key"] == "a+b.txt"
    assert me.call("GET", f"{bucket}/a%2Bb.txt", expect=200).body == b"+"


def test_addresses_of_before_2023(anybody: Wire, me: Wire, published: Json) -> None:
    number, server = published["id"], anybody.server.url
    answer = anybody.call("GET", f"/record/{number}", expect=301)
    assert answer.headers["location"] == f"{server}/records/{number}"
    answer = anybody.call("GET", f"/doi/{published['doi']}", expect=302)
    assert answer.headers["location"] == f"{server}/records/{number}"
    answer = anybody.call("GET", f"/doi/{quote(published['doi'], safe='')}", expect=302)
    assert answer.headers["location"] == f"{server}/records/{number}"
    refusal(anybody.call("GET", f"/api/records/{number + 1_000_000}"), 404)
    assert anybody.call("GET", "/doi/10.5281/zenodo.999999", expect=404).media_type == "text/html"


def test_a_concept_leads_to_its_latest(anybody: Wire, versions: tuple[Json, Json]) -> None:
    first, second = versions
    concept, server = first["conceptrecid"], anybody.server.url
    for path, target in (
        (f"/api/records/{concept}", f"/api/records/{second['id']}"),
        (f"/records/{concept}", f"/records/{second['id']}"),
        (f"/doi/{first['conceptdoi']}", f"/records/{second['id']}"),
        (f"/records/{first['id']}/latest", f"/records/{second['id']}"),
    ):
        answer = anybody.call("GET", path, expect=302)
        assert answer.headers["location"] == server + target
    answer = anybody.call("GET", f"/api/records/{first['id']}/versions/latest", expect=301)
    assert answer.headers["location"] == f"{server}/api/records/{second['id']}"
    assert answer.json() == {
        "status": 301,
        "message": "Redirecting...",
        "location": answer.headers["location"],
    }


# 3. bodies


@pytest.mark.parametrize(
    "media",
    [None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8", "nonsense"],
)
def test_json_under_any_type(me: Wire, media: str | None) -> None:
    headers = {} if media is None else {"Content-Type": media}
    body = b'{"metadata": {"title": "Under any type"}}'
    made = me.call("POST", DEPOSITIONS, body, headers, expect=201).json()
    assert made["title"] == "Under any type"
    again = me.call("PUT", f"{DEPOSITIONS}/{made['id']}", body, headers, expect=200).json()
    assert again["title"] == "Under any type"


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/json"}])
@pytest.mark.parametrize("body", [None, b"", b"{}", b"  "])
def test_actions_without_a_body(me: Wire, headers: dict[str, str], body: bytes | None) -> None:
    done = me.publish()
    for action, status in (
        ("edit", 201),
        ("publish", 202),
        ("edit", 201),
        ("discard", 201),
        ("newversion", 201),
    ):
        me.call("POST", f"{DEPOSITIONS}/{done['id']}/actions/{action}", body, headers, expect=status)
    assert me.call("POST", DEPOSITIONS, body, headers, expect=201).json()["title"] == ""


@pytest.mark.parametrize(
    "body", [b"[]", b'"x"', b"3", b'{"metadata": "x"}', b'{"metadata": []}', b'{"foo": 1}']
)
def test_json_of_another_kind(me: Wire, body: bytes) -> None:
    assert refusal(me.call("POST", DEPOSITIONS, body), 400)["errors"]


@pytest.mark.parametrize("body", [b"{nope", b"\xff\xfe", b'{"metadata": {"title": "\xff"}}'])
def test_what_is_no_json(me: Wire, body: bytes) -> None:
    message = refusal(me.call("POST", DEPOSITIONS, body), 400)["message"]
    assert message.startswith("Unable to decode JSON data in request body.")


def raw(server: Server, *parts: bytes, wait_for: bytes = b"") -> bytes:
    """Bytes sent as they are; after the first part the answer so far must be `wait_for`. All that came back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
        s.sendall(parts[0])
        seen = b""
        while wait_for and wait_for not in seen:
            seen += s.recv(65536)
        for part in parts[1:]:
            s.sendall(part)
            time.sleep(0.01)
        seen = b""
        while block := s.recv(65536):
            seen += block
    return seen


def head(me: Wire, method: str, path: str, *more: str) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {me.token}",
        "Connection: close",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_chunked_upload(server: Server, me: Wire) -> None:
    made = me.create()
    path = me.local(made["links"]["bucket"]) + "/chunked.bin"
    request = head(me, "PUT", path, "Transfer-Encoding: chunked")
    answer = raw(server, request, b"5\r\nabcde\r\n", b"3;x=y\r\nfgh\r\n", b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 201")
    assert me.get(path).body == b"abcdefgh"
    # and a form
    whole = form("form.txt", b"in chunks")
    request = head(me, "POST", f"{DEPOSITIONS}/{made['id']}/files", *(f"{k}: {v}" for k, v in FORM.items()), "Transfer-Encoding: chunked")  # fmt: skip
    chunks = [b"%x\r\n%s\r\n" % (len(c), c) for c in (whole[:30], whole[30:])]
    assert raw(server, request, *chunks, b"0\r\n\r\n").startswith(b"HTTP/1.1 201")
    assert me.get(me.local(made["links"]["bucket"]) + "/form.txt").body == b"in chunks"
    # and metadata
    said = b'{"metadata": {"title": "In chunks"}}'
    request = head(me, "PUT", f"{DEPOSITIONS}/{made['id']}", "Transfer-Encoding: chunked")
    assert raw(server, request, b"%x\r\n%s\r\n" % (len(said), said), b"0\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert me.get(f"{DEPOSITIONS}/{made['id']}").json()["title"] == "In chunks"


def test_expect_100_continue(server: Server, me: Wire) -> None:
    path = me.local(me.create()["links"]["bucket"]) + "/curl.bin"
    request = head(me, "PUT", path, "Content-Length: 6", "Expect: 100-continue")
    answer = raw(server, request, b"abcdef", wait_for=b"HTTP/1.1 100")
    assert b"HTTP/1.1 201" in answer
    assert me.get(path).body == b"abcdef"


def test_get_with_a_body(me: Wire, published: Json) -> None:
    body = b'{"size": 1}'
    headers = {"Content-Length": str(len(body)), "Content-Type": "application/json"}
    me.call("GET", DEPOSITIONS, body, headers, expect=200)
    me.call("GET", f"/api/records/{published['id']}", body, headers, expect=200)
    me.call("GET", "/api/records?size=1", body, headers, expect=200)
    assert (
        me.call("GET", f"/api/records/{published['id']}/files/two.bin/content", body, headers).body == b"two"
    )


@pytest.mark.parametrize(
    "media", [None, "application/zip", "text/csv", "multipart/form-data; boundary=x", "no-type"]
)
def test_bytes_of_any_type(me: Wire, media: str | None) -> None:
    path = me.local(me.create()["links"]["bucket"]) + "/data.zip"
    headers = {} if media is None else {"Content-Type": media}
    made = me.call("PUT", path, b"as they are", headers, expect=201).json()
    assert made["mimetype"] == "application/zip"
    assert me.get(path).body == b"as they are"


# 4. statuses


def test_statuses(me: Wire) -> None:
    made = me.create()
    url = f"{DEPOSITIONS}/{made['id']}"
    me.call("PUT", url, {"metadata": small()}, expect=200)
    bucket = me.local(made["links"]["bucket"])
    me.call("PUT", f"{bucket}/a.txt", b"a", expect=201)
    me.call("PUT", f"{bucket}/a.txt", b"again", expect=201)
    file = me.call("POST", f"{url}/files", form("b.txt", b"b"), FORM, expect=201).json()
    assert me.call("DELETE", f"{url}/files/{file['id']}", expect=204).body == b""
    refusal(me.call("DELETE", f"{url}/files/{file['id']}"), 404)
    me.call("PUT", f"{bucket}/c.txt", b"c", expect=201)
    assert me.call("DELETE", f"{bucket}/c.txt", expect=204).body == b""
    refusal(me.call("DELETE", f"{bucket}/c.txt"), 404)
    assert me.act(made, "publish", expect=202).json()["state"] == "done"
    assert me.act(made, "edit", expect=201).json()["state"] == "inprogress"
    assert me.act(made, "edit", expect=201).json()["state"] == "inprogress"
    assert me.act(made, "discard", expect=201).json()["state"] == "done"
    refusal(me.act(made, "discard", expect=404), 404)
    refusal(me.act(made, "publish", expect=404), 404)
    refusal(me.call("PUT", url, {"metadata": small()}), 404)
    refusal(me.call("PUT", f"{bucket}/d.txt", b"d"), 403)
    me.act(made, "newversion", expect=201)
    draft = me.create()
    assert me.call("DELETE", f"{DEPOSITIONS}/{draft['id']}", expect=204).body == b""
    refusal(me.call("DELETE", f"{DEPOSITIONS}/{draft['id']}"), 404)
    refusal(me.call("GET", f"{DEPOSITIONS}/{draft['id']}"), 404)


def test_a_published_record_is_not_deleted(me: Wire, published: Json) -> None:
    assert me.call("DELETE", f"{DEPOSITIONS}/{published['id']}").status in (403, 404)
    refusal(me.call("DELETE", f"/api/records/{published['id']}"), 405)  # api-rdm.md section 1
    me.call("GET", f"/api/records/{published['id']}", expect=200)


def test_errors_carry_both_spellings(me: Wire) -> None:
    made = me.create({"title": "x"})
    body = refusal(me.act(made, "publish", expect=400), 400)
    assert body["message"] == "A validation error occurred."
    fields = {e["field"] for e in body["errors"]}
    assert {"metadata.title", "metadata.creators", "metadata.upload_type", "files.enabled"} <= fields
    assert all(isinstance(e["messages"], list) and isinstance(e["message"], str) for e in body["errors"])


# 5. newversion


def test_newversion_is_the_new_draft(me: Wire) -> None:
    first = me.publish(
        small(version="1.0", publication_date="2020-02-02"), files={"a.txt": b"a", "d/b.txt": b"b"}
    )
    draft = me.act(first, "newversion", expect=201).json()
    assert draft["id"] != first["id"]
    assert (draft["state"], draft["submitted"]) == ("unsubmitted", False)
    assert draft["conceptrecid"] == first["conceptrecid"]
    assert draft["conceptdoi"] == first["conceptdoi"]
    assert draft["links"]["bucket"] != first["links"]["bucket"]
    assert "doi" not in draft
    assert "version" not in draft["metadata"]
    assert draft["metadata"]["publication_date"] == datetime.now(UTC).date().isoformat()
    assert draft["metadata"]["title"] == first["metadata"]["title"]
    # a client that follows latest_draft comes to the same
    for some in (draft, me.get(f"{DEPOSITIONS}/{first['id']}").json()):
        followed = me.get(some["links"]["latest_draft"]).json()
        assert followed["id"] == draft["id"]
    # with its files, whose ids can be deleted and whose bytes are there
    assert sorted(f["filename"] for f in draft["files"]) == ["a.txt", "d/b.txt"]
    for f in draft["files"]:
        assert me.get(f["links"]["download"]).body == f["filename"][-5:-4].encode()
        me.call("DELETE", f"{DEPOSITIONS}/{draft['id']}/files/{f['id']}", expect=204)
    assert me.get(f"{DEPOSITIONS}/{draft['id']}").json()["files"] == []
    # the first one still has them
    assert len(me.get(f"/api/records/{first['id']}").json()["files"]) == 2


def test_newversion_twice_is_the_same_draft(me: Wire) -> None:
    first = me.publish()
    draft = me.act(first, "newversion", expect=201).json()
    me.call("DELETE", f"{DEPOSITIONS}/{draft['id']}/files/{draft['files'][0]['id']}", expect=204)
    me.put_file(draft, "new.txt", b"new")
    again = me.act(first, "newversion", expect=201).json()
    assert again["id"] == draft["id"]
    assert [f["filename"] for f in again["files"]] == ["new.txt"], "what was done in it stays done"
    # of any version, also when there are more
    second = me.act(draft, "publish", expect=202).json()
    third = me.act(first, "newversion", expect=201).json()
    assert third["id"] not in (first["id"], second["id"])
    assert [f["filename"] for f in third["files"]] == ["new.txt"], "it begins with the latest"
    assert me.act(second, "newversion", expect=201).json()["id"] == third["id"]
    # given up, the next one begins anew
    me.call("DELETE", f"{DEPOSITIONS}/{third['id']}", expect=204)
    assert me.act(second, "newversion", expect=201).json()["id"] > third["id"]


def test_newversion_of_what_is_not_published(me: Wire) -> None:
    draft = me.create(small())
    assert "not registered" in refusal(me.act(draft, "newversion", expect=404), 404)["message"]
    refusal(me.act(int(draft["conceptrecid"]), "newversion", expect=404), 404)


def test_versions_say_which_is_last(anybody: Wire, versions: tuple[Json, Json]) -> None:
    shown = [
        anybody.get(f"/api/records/{v['id']}").json()["metadata"]["relations"]["version"] for v in versions
    ]
    parent = {"pid_type": "recid", "pid_value": versions[0]["conceptrecid"]}
    assert shown == [
        [{"index": 0, "is_last": False, "parent": parent}],
        [{"index": 1, "is_last": True, "parent": parent}],
    ]
    listed = anybody.get(f"/api/records/{versions[0]['id']}/versions").json()["hits"]
    assert [hit["id"] for hit in listed["hits"]] == [v["id"] for v in reversed(versions)]
    assert listed["total"] == 2


# 6. links

FRESH = {"self", "html", "files", "bucket", "publish", "edit", "discard", "newversion", "latest_draft", "latest_draft_html"}  # fmt: skip
DONE = FRESH | {"record", "record_html", "latest", "latest_html", "doi", "parent_doi", "badge", "conceptbadge", "conceptdoi"}  # fmt: skip


def test_links(me: Wire, anybody: Wire) -> None:
    made = me.create(small())
    assert made["links"].keys() >= FRESH
    assert made["links"].keys().isdisjoint({"record", "doi", "latest", "conceptdoi"})
    me.put_file(made, "a.txt", b"a")
    done = me.act(made, "publish", expect=202).json()
    assert done["links"].keys() >= DONE
    edited = me.act(done, "edit", expect=201).json()
    assert edited["links"].keys() >= DONE
    me.act(done, "discard", expect=201)
    # those of a record lead somewhere, for anybody
    record = anybody.get(f"/api/records/{made['id']}").json()
    doi = f"{'https://doi.org'}/{done['doi']}"
    assert record["links"]["doi"] == done["links"]["doi"] == done["doi_url"] == doi
    assert (
        record["links"]["parent_doi"]
        == done["links"]["conceptdoi"]
        == f"https://doi.org/{done['conceptdoi']}"
    )
    for links, names in (
        (
            record["links"],
            ("self", "self_html", "html", "files", "bucket", "archive", "versions", "badge", "conceptbadge"),
        ),
        (done["links"], ("self", "html", "record", "bucket", "files", "badge")),
    ):
        for name in names:
            assert anybody.get(links[name]).status == 200, name
    for links, name, status in (
        (record["links"], "parent", 302),
        (record["links"], "parent_html", 302),
        (record["links"], "latest", 301),
        (record["links"], "latest_html", 302),
        (record["links"], "self_doi_html", 302),
        (record["links"], "parent_doi_html", 302),
        (done["links"], "record_html", 301),
        (done["links"], "latest", 301),
        (done["links"], "latest_html", 302),
    ):
        assert anybody.get(links[name]).status == status, name
    assert record["links"]["latest"].endswith(f"/records/{made['id']}/versions/latest")
    for name in ("latest_draft",):
        assert me.get(done["links"][name]).status == 200
    assert me.get(done["links"]["latest_draft_html"]).status == 301


def test_deposit_pages_lead_on(me: Wire) -> None:
    made = me.create()
    answer = me.get(made["links"]["html"])
    assert answer.status == 301
    assert answer.headers["location"].endswith(f"/uploads/{made['id']}")


# 7. checksums


def test_checksums(me: Wire, anybody: Wire, published: Json) -> None:
    digest = hashlib.md5(b"two").hexdigest()
    number = published["id"]
    record = anybody.get(f"/api/records/{number}").json()
    assert {f["checksum"] for f in record["files"] if f["key"] == "two.bin"} == {f"md5:{digest}"}
    entries = anybody.get(f"/api/records/{number}/files").json()["entries"]
    assert {f["checksum"] for f in entries if f["key"] == "two.bin"} == {f"md5:{digest}"}
    contents = me.get(published["links"]["bucket"]).json()["contents"]
    assert {f["checksum"] for f in contents if f["key"] == "two.bin"} == {f"md5:{digest}"}
    assert {f["checksum"] for f in published["files"] if f["filename"] == "two.bin"} == {digest}
    listed = me.get(f"{DEPOSITIONS}/{number}/files").json()
    assert {f["checksum"] for f in listed if f["filename"] == "two.bin"} == {digest}
    assert me.put_file(me.create(), "two.bin", b"two")["checksum"] == f"md5:{digest}"


# 8. bytes of a record

KEY = quote("a b#+.txt")


@pytest.mark.parametrize(
    "path",
    [
        "/api/records/{}/files/{}/content",
        "/records/{}/files/{}",
        "/record/{}/files/{}",
        "/api/files/{bucket}/{}",
    ],
)
def test_bytes(anybody: Wire, published: Json, path: str) -> None:
    bucket = published["links"]["bucket"].rpartition("/")[2]
    url = path.replace("{bucket}", bucket).format(*([published["id"]] if "{bucket}" not in path else []), KEY)
    answer = anybody.get(url)
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert answer.headers["content-length"] == "10"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["accept-ranges"] == "bytes"
    etag = answer.headers["etag"]
    assert not etag.startswith("W/")
    for sent, part in (
        ("bytes=2-4", b"234"),
        ("bytes=7-", b"789"),
        ("bytes=-3", b"789"),
        ("bytes=0-0", b"0"),
    ):
        some = anybody.get(url, Range=sent)
        assert (some.status, some.body) == (206, part)
        assert some.headers["content-range"].endswith("/10")
        assert anybody.get(url, Range=sent, If_Range=etag).status == 206
        assert anybody.get(url, Range=sent, If_Range='"other"').body == b"0123456789"
    assert anybody.get(url, Range="bytes=10-").status == 416
    assert anybody.get(url, If_None_Match=etag).status == 304
    assert anybody.get(url, If_None_Match='"md5:%s"' % hashlib.md5(b"0123456789").hexdigest()).status == 304  # noqa: UP031
    whole = anybody.call("HEAD", url)
    assert (whole.status, whole.body) == (200, b"")
    assert {k: whole.headers[k] for k in ("content-length", "etag")} == {"content-length": "10", "etag": etag}
    assert answer.headers["content-disposition"].startswith("inline")
    saved = anybody.get(f"{url}?download=1").headers["content-disposition"]
    assert saved.startswith("attachment")
    assert 'filename="a b#+.txt"' in saved


def test_links_to_bytes_end_in_content(anybody: Wire, published: Json) -> None:
    for f in anybody.get(f"/api/records/{published['id']}").json()["files"]:
        assert f["links"]["self"].endswith(
            f"/api/records/{published['id']}/files/{quote(f['key'], safe='+')}/content"
        )
        assert f["bucket"] == published["links"]["bucket"].rpartition("/")[2]
        assert f["type"] == f["key"].rpartition(".")[2]


def test_a_draft_and_its_bytes_are_nobodys_business(me: Wire, other: Wire, anybody: Wire) -> None:
    made = me.create(small())
    me.put_file(made, "secret.txt", b"secret")
    bucket = me.local(made["links"]["bucket"])
    for wire in (other, anybody):
        for path in (bucket, f"{bucket}/secret.txt", f"/api/records/{made['id']}", f"/records/{made['id']}"):
            answer = wire.call("GET", path)
            assert answer.status == 404, path
            assert b"secret" not in answer.body.replace(b"no file 'secret.txt'", b"")
        answer = wire.call("PUT", f"{bucket}/other.txt", b"x")
        assert answer.status in (401, 403)
    assert [f["filename"] for f in me.get(f"{DEPOSITIONS}/{made['id']}/files").json()] == ["secret.txt"]


# 9. shapes


def test_default_shape_is_zenodos(anybody: Wire, published: Json) -> None:
    number = published["id"]
    for accept in ("*/*", "application/json", "application/vnd.zenodo.v1+json", "text/html, */*;q=0.1"):
        answer = anybody.get(f"/api/records/{number}", Accept=accept)
        assert answer.status == 200
        body = answer.json()
        assert (body["id"], body["recid"], body["owners"]) == (
            number,
            str(number),
            [{"id": str(published["owner"])}],
        )
        assert body["metadata"]["resource_type"] == {"title": "Dataset", "type": "dataset"}
    refusal(anybody.get(f"/api/records/{number}", Accept="text/nonsense"), 406)


# 10. absent is not empty

MAY_BE_EMPTY = {"files", "swh", "title", "metadata", "tags", "type"}


def empties(value: Any, path: str = "") -> Iterator[str]:
    """Places of nulls and empty values, but for those that Zenodo answers."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if inner is None and key == "affiliation":
                continue
            if inner in (None, "", [], {}) and key not in MAY_BE_EMPTY:
                yield f"{path}.{key}"
            yield from empties(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from empties(inner, path)


def test_absent_is_not_empty(me: Wire, anybody: Wire) -> None:
    nothing: Json = {
        "keywords": [],
        "related_identifiers": [],
        "contributors": [],
        "subjects": [],
        "notes": "",
        "version": None,
        "grants": [],
        "communities": [],
    }
    done = me.publish(small(**nothing))
    record = anybody.get(f"/api/records/{done['id']}").json()
    for shown in (me.create(), done, record):
        assert list(empties(shown)) == []
        assert shown["metadata"].keys().isdisjoint({*nothing, "embargo_date", "access_conditions"})
    for shown in (done, record):
        assert shown["metadata"]["creators"] == [{"name": "Doe, Jane", "affiliation": None}]


# 11. search

NAME = uuid.uuid4().hex[:8]


@pytest.fixture(scope="module")
def found(me: Wire) -> Json:
    """A record to look for."""
    return me.publish(
        small(
            title=f"Gauges of the river {NAME}",
            keywords=["water level", NAME],
            description="Hourly levels",
            creators=[{"name": "Curie, Marie", "orcid": "0000-0002-1825-0097"}],
            publication_date="2001-02-03",
        )
    )


def ids(wire: Wire, **params: Any) -> list[int]:
    answer = wire.call("GET", f"/api/records?{urlencode(params)}", expect=200)
    return [hit["id"] for hit in answer.json()["hits"]["hits"]]


@pytest.mark.parametrize(
    "query",
    [
        'doi:"{doi}"',
        "doi:{doi}",
        "doi:10.5281*zenodo.{id}",
        'conceptdoi:"{conceptdoi}"',
        "conceptdoi:{conceptdoi}",
        "conceptrecid:{conceptrecid}",
        "conceptrecid:{conceptrecid} AND title:gauges",
        "recid:{id}",
        "keywords:{name}",
        'keywords:"water level" AND {name}',
        "title:{name}",
        'title:"gauges of the river {name}"',
        "title: {name}",
        "title:({name} AND river)",
        "title:(nothing OR {name})",
        "{name} NOT sea",
        "{name} AND NOT sea",
        "+{name} -sea",
        "creators.name:Curie AND {name}",
        'creators.orcid:"0000-0002-1825-0097" AND {name}',
        "publication_date:[2001-01-01 TO 2001-12-31] AND {name}",
        "resource_type.type:dataset AND {name}",
        "gaug* {name}",
    ],
)
def test_queries(me: Wire, found: Json, query: str) -> None:
    values = {**{k: found[k] for k in ("doi", "conceptdoi", "conceptrecid", "id")}, "name": NAME}
    assert ids(me, q=query.format(**values)) == [found["id"]]
    # the list of depositions understands the same
    listed = me.call("GET", f"{DEPOSITIONS}?{urlencode({'q': query.format(**values)})}", expect=200).json()
    assert [d["id"] for d in listed] == [found["id"]]


@pytest.mark.parametrize("query", ["{name} AND sea", "title:nothing", "keywords:{name}x", "{name} -river"])
def test_queries_that_find_nothing(me: Wire, found: Json, query: str) -> None:
    assert ids(me, q=query.format(name=NAME)) == []


@pytest.mark.parametrize("query", ["title:(", '"open', "a/b", "title:[1 TO", "AND"])
def test_a_mistake_in_a_query_is_shown(me: Wire, query: str) -> None:
    message = refusal(me.call("GET", f"/api/records?{urlencode({'q': query})}"), 400)["message"]
    assert message.startswith("Invalid query string syntax.")


def test_sizes_pages_sorts(me: Wire, anybody: Wire) -> None:
    name = uuid.uuid4().hex[:8]
    made = [me.publish(small(title=f"{name} {n}"))["id"] for n in range(3)]
    newest = list(reversed(made))
    for sort in ("newest", "-mostrecent", "mostrecent", "bestmatch"):
        found = ids(me, q=name, sort=sort)
        assert sorted(found) == made, sort
    assert ids(me, q=name, sort="newest") == ids(me, q=name, sort="mostrecent") == newest
    assert ids(me, q=name, sort="-mostrecent") == made
    assert ids(me, q=name, sort="newest", size=2) == newest[:2]
    assert ids(me, q=name, sort="newest", size=2, page=2) == newest[2:]
    body = me.call("GET", f"/api/records?q={name}&size=2&sort=newest", expect=200).json()
    assert body["hits"]["total"] == 3
    following = me.get(body["links"]["next"]).json()
    assert [h["id"] for h in following["hits"]["hits"]] == newest[2:]
    assert "next" not in following["links"]
    for path in ("/api/records", DEPOSITIONS):
        assert refusal(me.call("GET", f"{path}?size=101"), 400)["errors"][0]["field"] == "size"
        me.call("GET", f"{path}?size=100", expect=200)
        refusal(me.call("GET", f"{path}?size=0"), 400)
        refusal(me.call("GET", f"{path}?page=0"), 400)
        refusal(me.call("GET", f"{path}?sort=nope"), 400)
        refusal(me.call("GET", f"{path}?page=101&size=100"), 400)
    refusal(anybody.call("GET", "/api/records?size=26"), 400)


@pytest.mark.parametrize(
    "flag", ["all_versions=1", "all_versions=true", "allversions=1", "allversions=true", "all_versions"]
)
def test_all_versions(me: Wire, versions: tuple[Json, Json], flag: str) -> None:
    first, second = (v["id"] for v in versions)
    concept = versions[0]["conceptrecid"]
    for path in ("/api/records", DEPOSITIONS):
        body = me.call("GET", f"{path}?q=conceptrecid:{concept}&{flag}", expect=200).json()
        hits = body["hits"]["hits"] if isinstance(body, dict) else body
        assert sorted(h["id"] for h in hits) == [first, second]
        body = me.call("GET", f"{path}?q=conceptrecid:{concept}", expect=200).json()
        hits = body["hits"]["hits"] if isinstance(body, dict) else body
        assert [h["id"] for h in hits] == [second]


def test_depositions_newest_first_and_at_once(server: Server) -> None:
    wire = Wire(server, server.add_user(f"{uuid.uuid4().hex[:8]}@example.org"))
    made: list[int] = []
    for n in range(4):
        made.insert(0, wire.create(small(title=f"Number {n}"))["id"])
        assert [d["id"] for d in wire.get(DEPOSITIONS).json()] == made
        listed = wire.get(f"{DEPOSITIONS}?q=number").json()
        assert sorted((d["id"] for d in listed), reverse=True) == made
    wire.put_file(wire.get(f"{DEPOSITIONS}/{made[1]}").json(), "a.txt", b"a")
    wire.act(made[1], "publish", expect=202)

    def listed_with(query: str) -> list[int]:
        return [d["id"] for d in wire.call("GET", f"{DEPOSITIONS}?{query}", expect=200).json()]

    assert listed_with("") == made
    assert listed_with("status=published") == [made[1]]
    assert listed_with("status=draft") == [made[0], *made[2:]]
    assert listed_with("status=nonsense") == made
    assert listed_with("size=2") == made[:2]
    assert listed_with("size=2&page=2") == made[2:]
    assert listed_with("size=2&page=3") == []
    assert listed_with("sort=mostrecent") == made
    assert listed_with("sort=-mostrecent") == made[::-1]
    # a record in edit is there once, as its draft
    wire.act(made[1], "edit", expect=201)
    assert listed_with("") == made
    assert wire.get(DEPOSITIONS).json()[1]["state"] == "inprogress"


def test_status_says_nothing_in_the_search(me: Wire, found: Json) -> None:
    for status in ("draft", "published", "nonsense"):
        assert ids(me, q=NAME, status=status) == [found["id"]]


# 12. metadata


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("MIT", "mit-license"),
        ("mit", "mit-license"),
        ("mit-license", "mit-license"),
        ("Apache-2.0", "apache2.0"),
        ("apache-2.0", "apache2.0"),
        ("CC0-1.0", "cc-zero"),
        ("cc-zero", "cc-zero"),
        ("CC-BY-4.0", "cc-by-4.0"),
        ({"id": "CC-BY-4.0"}, "cc-by-4.0"),
        ({"id": "mit"}, "mit-license"),
    ],
)
def test_licences(me: Wire, sent: Any, answered: str) -> None:
    assert me.create(small(license=sent))["metadata"]["license"] == answered


def test_licence_of_a_record_is_an_object(me: Wire, anybody: Wire) -> None:
    done = me.publish(small(license="MIT"))
    assert done["metadata"]["license"] == "mit-license"
    assert anybody.get(f"/api/records/{done['id']}").json()["metadata"]["license"] == {"id": "mit-license"}


def test_answers_can_be_sent_back(me: Wire) -> None:
    made = me.create(small(keywords=["a"], version="2"))
    assert made["metadata"]["prereserve_doi"] == {"doi": f"10.5281/zenodo.{made['id']}", "recid": made["id"]}
    url = f"{DEPOSITIONS}/{made['id']}"
    for body in ({"metadata": made["metadata"]}, made):
        again = me.call("PUT", url, body, expect=200).json()
        assert again["metadata"] == made["metadata"]
        assert "warnings" not in again
    said = {**made["metadata"], "prereserve_doi": True, "doi": made["metadata"]["prereserve_doi"]["doi"]}
    kept = me.call("PUT", url, {"metadata": said}, expect=200).json()
    assert kept["doi"] == f"10.5281/zenodo.{made['id']}"
    me.put_file(made, "a.txt", b"a")
    done = me.act(made, "publish", expect=202).json()
    assert done["doi"] == kept["doi"]
    # and what a published one answers, in an edit
    me.act(made, "edit", expect=201)
    edited = me.call("PUT", url, done, expect=200).json()
    assert edited["metadata"] == done["metadata"]
    assert me.act(made, "publish", expect=202).json()["doi"] == done["doi"]


def test_unknown_keys_are_ignored_and_named(me: Wire) -> None:
    made = me.create(small(made_up="x"))
    assert "made_up" not in made["metadata"]
    assert "metadata.made_up" in [w["field"] for w in made["warnings"]]


def test_put_replaces_everything(me: Wire) -> None:
    made = me.create(small(keywords=["a"], version="2"))
    done = me.call(
        "PUT", f"{DEPOSITIONS}/{made['id']}", {"metadata": {"title": "Only this"}}, expect=200
    ).json()
    assert (
        done["metadata"].keys().isdisjoint({"keywords", "version", "creators", "upload_type", "description"})
    )


def test_if_match(me: Wire) -> None:
    made = me.create()
    url = f"{DEPOSITIONS}/{made['id']}"
    etag = me.get(url).headers["etag"]
    fresh = me.call("PUT", url, {"metadata": small()}, {"If-Match": etag.strip('"')}, expect=200).headers[
        "etag"
    ]
    assert fresh != etag
    refusal(me.call("PUT", url, {"metadata": small()}, {"If-Match": etag.strip('"')}), 412)
    me.call("PUT", url, {"metadata": small()}, {"If-Match": fresh}, expect=200)


# where clients contradict each other, and what was seen


def test_old_formats_cost_nothing(anybody: Wire, published: Json) -> None:
    for path in (f"/badge/doi/{published['doi']}.svg", f"/badge/DOI/{quote(published['doi'], safe='')}.svg"):
        answer = anybody.call("GET", path, expect=200)
        assert answer.media_type == "image/svg+xml"
        assert published["doi"] in answer.body.decode()


def test_rate_limits_are_told(server: Server, me: Wire, anybody: Wire, published: Json) -> None:
    for wire, path, limit in (
        (me, DEPOSITIONS, 6000),
        (anybody, f"/api/records/{published['id']}", 600),
        (anybody, "/api/records?size=1", 60),
    ):
        before, after = wire.call("GET", path), wire.call("GET", path)
        assert before.headers["x-ratelimit-limit"] == after.headers["x-ratelimit-limit"] == str(limit)
        left = int(before.headers["x-ratelimit-remaining"]), int(after.headers["x-ratelimit-remaining"])
        assert left[1] in (left[0] - 1, limit - 1), "one less, unless a new minute began"
        assert abs(int(after.headers["x-ratelimit-reset"]) - time.time()) < 120
        assert 0 <= int(after.headers["retry-after"]) <= 60
    # errors tell it too
    assert "x-ratelimit-remaining" in anybody.call("GET", "/api/records/999999").headers


def test_too_many(server: Server, published: Json) -> None:
    answers = [Wire(server).call("GET", "/api/records?size=1") for _ in range(130)]
    refused = [a for a in answers if a.status == 429]
    assert refused, "more than 60 searches in a minute of a guest"
    body = refusal(refused[0], 429)
    assert body["message"] == "60 per 1 minute"
    assert 1 <= int(refused[0].headers["retry-after"]) <= 61
    # what is not a search goes on
    Wire(server).call("GET", f"/api/records/{published['id']}", expect=200)


def test_cross_origin(anybody: Wire, published: Json) -> None:
    answer = anybody.get(f"/api/records/{published['id']}", Origin="https://elsewhere.example")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    for name in (
        "ETag",
        "Link",
        "X-RateLimit-Limit",
        "X-RateLimit-Remaining",
        "X-RateLimit-Reset",
        "Content-Type",
    ):
        assert name in answer.headers["access-control-expose-headers"]
    asked = anybody.call(
        "OPTIONS",
        DEPOSITIONS,
        headers={
            "Origin": "https://elsewhere.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        },
        expect=200,
    )
    assert "authorization" in asked.headers["access-control-allow-headers"].lower()


def test_prettyprint(me: Wire, published: Json) -> None:
    for path in (f"{DEPOSITIONS}/{published['id']}", f"/api/records/{published['id']}"):
        plain, pretty = me.get(path), me.get(f"{path}?prettyprint=1")
        assert pretty.json() == plain.json()
        assert pretty.body.startswith(b'{\n  "c')
