"""Bytes on their way in, over the wire, from clients that lie, stall, break off and come at the same time.

Every test ends with the same question: does the store hold what the database names, and nothing else?
"""

from __future__ import annotations

import base64
import hashlib
import os
import random
import subprocess
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from sqlalchemy import select

from strongroom.context import Context
from strongroom.files.models import uploads
from tests import audit
from tests.conftest import PROVE, count
from tests.crash.depositor import metadata
from tests.http.wire import Answer, Wire
from tests.live import Server

MIB = 1 << 20
ENV = {
    "STRONGROOM_DISK_RESERVE_BYTES": "0",
    "STRONGROOM_TRASH_DAYS": "0",
    "STRONGROOM_BODY_IDLE_TIMEOUT": "2",
    "STRONGROOM_HEADER_TIMEOUT": "2",
    "STRONGROOM_STOP_TIMEOUT": "3",
}


class Drafts:
    """Makes drafts on one server and asks what is in them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.token = server.add_user(f"{os.urandom(4).hex()}@example.org")
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    def new(self, title: str = "An upload") -> Draft:
        answer = self.http.post(f"{self.server.url}/api/deposit/depositions", json=metadata(title))
        assert answer.status_code == 201, answer.text
        return Draft(self, answer.json())


class Draft:
    def __init__(self, site: Drafts, body: dict[str, Any]) -> None:
        self.site = site
        self.server, self.http, self.token = site.server, site.http, site.token
        self.id = int(body["id"])
        self.url = f"{self.server.url}/api/deposit/depositions/{self.id}"
        self.bucket = body["links"]["bucket"]
        self.target = self.bucket.removeprefix(self.server.url)

    def put(self, key: str, data: Any, **headers: str) -> requests.Response:
        return self.http.put(f"{self.bucket}/{quote(key)}", data=data, headers=headers)

    def files(self) -> dict[str, bytes]:
        """Key and bytes of all files, as they come back."""
        listed = self.http.get(f"{self.url}/files").json()
        found = {}
        for file in listed:
            got = self.http.get(f"{self.bucket}/{quote(file['filename'])}")
            assert got.status_code == 200
            assert hashlib.md5(got.content).hexdigest() == file["checksum"]
            found[file["filename"]] = got.content
        return found

    def publish(self) -> requests.Response:
        return self.http.post(f"{self.url}/actions/publish")

    def wire(self, key: str, **headers: str | int) -> Wire:
        """A connection on which a PUT of this key has begun."""
        wire = Wire(self.server)
        wire.head("PUT", f"{self.target}/{quote(key)}", self.token, **headers)
        return wire

    def form(self, **headers: str | int) -> Wire:
        wire = Wire(self.server)
        target = self.url.removeprefix(self.server.url) + "/files"
        wire.head("POST", target, self.token, Content_Type="multipart/form-data; boundary=XX", **headers)
        return wire


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("uploads") / "data", ENV)
    server.start()
    yield server
    assert server.stop() == 0
    log = server.log()
    assert "unexpected error" not in log, log[-5000:]
    assert "Traceback" not in log, log[-5000:]
    audit.all_of(server.settings())


@pytest.fixture(scope="module")
def site(server: Server) -> Drafts:
    return Drafts(server)


@pytest.fixture(scope="module")
def inside(server: Server) -> Iterator[Context]:
    with audit.context(server.settings()) as ctx:
        yield ctx


@pytest.fixture
def draft(site: Drafts, inside: Context) -> Iterator[Draft]:
    draft = site.new()
    yield draft
    uploads_end(inside)
    audit.nothing_left(inside)


def uploads_end(ctx: Context) -> None:
    """Wait until the server has noticed by itself that clients went away: no upload is open."""
    wait_for(ctx, lambda number: number == 0)


def upload_begins(ctx: Context) -> None:
    wait_for(ctx, lambda number: number > 0)


def wait_for(ctx: Context, enough: Callable[[int], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while True:
        with ctx.db.read() as session:
            if enough(len(session.execute(select(uploads.c.location)).all())):
                return
        assert time.monotonic() < end, "uploads stay open, or do not begin"
        time.sleep(0.02)


FORMER = b"the former file"
LARGE = random.Random(1).randbytes(3 * MIB)


def content_length(draft: Draft) -> Wire:
    wire = draft.wire("data.bin", Content_Length=4 * MIB)
    wire.send(LARGE)
    return wire


def content_length_small(draft: Draft) -> Wire:
    wire = draft.wire("data.bin", Content_Length=100)
    wire.send(b"x" * 99)
    return wire


def chunk_cut(draft: Draft) -> Wire:
    wire = draft.wire("data.bin", Transfer_Encoding="chunked")
    wire.chunk(LARGE)
    wire.send(b"100\r\nonly this much")
    return wire


def chunks_without_end(draft: Draft) -> Wire:
    wire = draft.wire("data.bin", Transfer_Encoding="chunked")
    wire.chunk(LARGE)
    return wire


def last_chunk_cut(draft: Draft) -> Wire:
    wire = draft.wire("data.bin", Transfer_Encoding="chunked")
    wire.chunk(b"small")
    wire.send(b"0\r\n")
    return wire


def form_cut(draft: Draft) -> Wire:
    wire = draft.form(Transfer_Encoding="chunked")
    wire.chunk(b'--XX\r\nContent-Disposition: form-data; name="name"\r\n\r\ndata.bin\r\n')
    wire.chunk(b'--XX\r\nContent-Disposition: form-data; name="file"; filename="data.bin"\r\n\r\n' + LARGE)
    return wire


def form_with_all_but_its_end(draft: Draft) -> Wire:
    wire = draft.form(Content_Length=1000)
    wire.send(
        b'--XX\r\nContent-Disposition: form-data; name="file"; filename="data.bin"\r\n\r\nall of it\r\n--XX--\r\n'
    )
    return wire


@pytest.mark.parametrize("end", ["close", "half-close", "reset"])
@pytest.mark.parametrize(
    "begin",
    [
        content_length,
        content_length_small,
        chunk_cut,
        chunks_without_end,
        last_chunk_cut,
        form_cut,
        form_with_all_but_its_end,
    ],
)
def test_a_connection_that_breaks(draft: Draft, inside: Context, begin: Any, end: str) -> None:
    assert draft.put("data.bin", FORMER).status_code == 201
    with begin(draft) as wire:
        if end == "half-close":
            wire.stop_sending()
            answer = wire.answer()
            # Whoever still listens is told.
            assert answer.status == 400, answer
            assert "message" in answer.text
        elif end == "reset":
            wire.reset()
    uploads_end(inside)
    assert draft.files() == {"data.bin": FORMER}


def test_chunks_that_are_none(draft: Draft) -> None:
    assert draft.put("data.bin", FORMER).status_code == 201
    for garbage in (
        b"xyz\r\nhello\r\n",
        b"5\r\nhelloXX0\r\n\r\n",
        b"-5\r\nhello\r\n",
        b"ffffffffffffffffff\r\n",
    ):
        with draft.wire("data.bin", Transfer_Encoding="chunked") as wire:
            wire.chunk(b"good")
            wire.send(garbage)
            assert wire.answer().status in (0, 400)
    assert draft.files() == {"data.bin": FORMER}


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Length": "+5"},
        {"Content_Length": "5, 6"},
        {"Content_Length": "-1"},
        {"Content_Length": "5", "content_length": "6"},
        {"Transfer_Encoding": "gzip, identity"},
    ],
)
def test_lengths_that_are_none(draft: Draft, headers: dict[str, str]) -> None:
    with draft.wire("data.bin", **headers) as wire:
        wire.send(b"hello")
        assert wire.answer().status in (0, 400)
    assert draft.files() == {}


def test_a_length_beside_chunks_counts_for_nothing(draft: Draft) -> None:
    """RFC 9112 section 6.3: chunks win, and nothing that follows is taken for another request."""
    with draft.wire("data.bin", Content_Length=3, Transfer_Encoding="chunked") as wire:
        wire.chunk(b"hello")
        wire.send(b"0\r\n\r\n")
        assert wire.answer().status == 201
        assert wire.socket.recv(10) == b""  # closed by the server
    assert draft.files() == {"data.bin": b"hello"}


def test_more_than_announced_is_another_request(draft: Draft) -> None:
    with draft.wire("data.bin", Content_Length=5) as wire:
        wire.send(b"hello, and more")
        assert wire.answer().status == 201
        assert wire.answer().status in (0, 400)
    assert draft.files() == {"data.bin": b"hello"}


def test_a_client_that_falls_silent_is_given_up(draft: Draft) -> None:
    assert draft.put("data.bin", FORMER).status_code == 201
    wires = [
        draft.wire("data.bin", Content_Length=100),
        draft.wire("data.bin", Transfer_Encoding="chunked"),
        draft.form(Content_Length=1000),
    ]
    wires[0].send(b"a little")
    wires[1].chunk(b"a little")
    wires[2].send(b'--XX\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\na little')
    # Meanwhile others are served.
    assert draft.put("other.bin", b"quick").status_code == 201
    for wire in wires:
        with wire:
            answer = wire.answer()
            assert answer.status == 400, answer
            assert "No byte came" in answer.text
    assert draft.files() == {"data.bin": FORMER, "other.bin": b"quick"}


def test_a_form_that_falls_silent_between_parts_is_given_up(draft: Draft) -> None:
    part = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\na little\r\n'
    field = part + b'--XX\r\nContent-Disposition: form-data; name="name"\r\n\r\nda'
    wires = []
    for beginning in (b"", b"--X", part, field):
        wire = draft.form(Content_Length=1000)
        wire.send(beginning)
        wires.append(wire)
    for wire in wires:
        with wire:
            answer = wire.answer()
            assert answer.status == 400, answer
            assert "No byte came" in answer.text
    assert draft.files() == {}


def test_json_that_falls_silent_is_given_up(draft: Draft) -> None:
    with Wire(draft.server) as wire:
        target = draft.url.removeprefix(draft.server.url)
        wire.head("PUT", target, draft.token, Content_Length=100, Content_Type="application/json")
        wire.send(b"{")
        answer = wire.answer()
    assert answer.status == 400, answer
    assert "No byte came" in answer.text


def test_a_slow_client_is_not_a_silent_one(draft: Draft) -> None:
    with draft.wire("data.bin", Content_Length=12) as wire:
        for _ in range(12):
            wire.send(b"x")
            time.sleep(0.3)  # 3.6 s in all, longer than the time without a byte
        assert wire.answer().status == 201
    assert draft.files() == {"data.bin": b"x" * 12}


def test_a_head_that_never_ends_is_given_up(server: Server) -> None:
    with Wire(server) as wire:
        wire.send(b"PUT /api/files/x HTTP/1.1\r\nHost: localhost\r\nX: ")
        assert wire.answer().status in (0, 408)


def test_many_silent_clients_do_not_keep_others_out(draft: Draft) -> None:
    wires = [draft.wire(f"slow {n}.bin", Content_Length=100) for n in range(60)]
    for wire in wires:
        wire.send(b"x")
    assert draft.put("quick.bin", b"quick").status_code == 201
    assert draft.http.get(draft.url).status_code == 200
    for wire in wires:
        wire.socket.close()
    assert draft.files() == {"quick.bin": b"quick"}


# digests


BODY = b"digest me" * 1000
MD5 = hashlib.md5(BODY)
SHA = hashlib.sha256(BODY)


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


@pytest.mark.parametrize(
    ("header", "right", "wrong"),
    [
        ("Content-MD5", b64(MD5.digest()), b64(hashlib.md5(b"").digest())),
        ("Content-MD5", MD5.hexdigest(), hashlib.md5(b"").hexdigest()),
        ("Digest", f"SHA-256={b64(SHA.digest())}", f"SHA-256={b64(hashlib.sha256(b'').digest())}"),
        ("Digest", f"MD5={b64(MD5.digest())}", f"md5={b64(hashlib.md5(b'').digest())}"),
        ("Repr-Digest", f"sha-256=:{b64(SHA.digest())}:", f"sha-256=:{b64(hashlib.sha256(b'').digest())}:"),
        ("Content-Digest", f"sha-256=:{b64(SHA.digest())}:", "sha-256=:bm9uZQ==:"),
    ],
)
def test_digests_are_checked(draft: Draft, header: str, right: str, wrong: str) -> None:
    assert draft.put("data.bin", FORMER).status_code == 201
    refused = draft.put("data.bin", BODY, **{header: wrong})
    assert refused.status_code == 400, refused.text
    assert draft.files() == {"data.bin": FORMER}
    done = draft.put("data.bin", BODY, **{header: right})
    assert done.status_code == 201, done.text
    assert done.json()["checksum"] == f"md5:{MD5.hexdigest()}"
    assert done.headers["etag"] == f'"sha256:{SHA.hexdigest()}"'
    assert draft.files() == {"data.bin": BODY}


# what is there but small


def test_empty_files(draft: Draft) -> None:
    assert draft.put("by length.txt", b"").status_code == 201
    with draft.wire("by chunks.txt", Transfer_Encoding="chunked") as wire:
        wire.send(b"0\r\n\r\n")
        assert wire.answer().status == 201
    form = draft.http.post(f"{draft.url}/files", data={"name": "by form.txt"}, files={"file": ("x.txt", b"")})
    assert form.status_code == 201, form.text
    assert draft.files() == {"by length.txt": b"", "by chunks.txt": b"", "by form.txt": b""}
    assert draft.publish().status_code == 202
    for key in ("by length.txt", "by chunks.txt", "by form.txt"):
        got = requests.get(f"{draft.server.url}/api/records/{draft.id}/files/{key}/content")
        assert (got.status_code, got.content, got.headers["content-length"]) == (200, b"", "0")


def test_trailers_and_chunk_extensions_are_no_content(draft: Draft) -> None:
    with draft.wire("data.bin", Transfer_Encoding="chunked", Trailer="Digest") as wire:
        wire.send(b"5;name=value\r\nhello\r\n0\r\nDigest: md5=none\r\n\r\n")
        assert wire.answer().status == 201
    assert draft.files() == {"data.bin": b"hello"}


def test_expect_continue(draft: Draft) -> None:
    """Who asks first is refused before a byte is sent, and else told to go on."""
    with draft.wire("../x", Content_Length=10**9, Expect="100-continue") as wire:
        assert wire.answer().status == 400
    with draft.wire("x", Content_Length=5, Expect="100-continue") as wire:
        assert wire.socket.recv(100).startswith(b"HTTP/1.1 100 ")
        wire.send(b"hello")
        assert wire.answer().status == 201
    assert draft.files() == {"x": b"hello"}


# names


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("..", "part '..'"),
        ("a/../b", "part '..'"),
        ("%2e%2e/b", "part '..'"),
        ("a/%2e%2e", "part '..'"),
        ("./a", "part '.'"),
        ("a//b", "empty part"),
        ("a/", "empty part"),
        ("/etc/passwd", "absolute"),
        ("%2Fetc/passwd", "absolute"),
        ("%2F%2Fetc/passwd", "absolute"),
        ("a%00b", "U+0000"),
        ("a%0ab", "U+000A"),
        ("a%7fb", "U+007F"),
        ("a%c2%85b", "U+0085"),
        ("x" * 1001, "1000 bytes"),
        ("%c3%a4" * 501, "1000 bytes"),
    ],
)
def test_names_that_are_refused(draft: Draft, target: str, reason: str) -> None:
    with Wire(draft.server) as wire:
        wire.head("PUT", f"{draft.target}/{target}", draft.token, Content_Length=5)
        wire.send(b"hello")
        answer = wire.answer()
    assert answer.status == 400, answer
    assert reason in answer.text
    assert '"field":"key"' in answer.text
    assert draft.files() == {}


def test_a_name_that_is_no_utf8_is_refused(draft: Draft) -> None:
    with Wire(draft.server) as wire:
        wire.head("PUT", f"{draft.target}/a%ffb", draft.token, Content_Length=5)
        wire.send(b"hello")
        assert wire.answer().status == 400
    assert draft.files() == {}


def test_names_that_are_kept_as_sent(draft: Draft) -> None:
    keys = [
        "x" * 1000,
        "ä" * 500,
        "Übersicht/日本語/😀.txt",
        "with space + plus & and %41 = ?#.txt",
        "back\\slash",
        "...",
        "a..b/..c",
        "quote\"s'.txt",
        unicodedata.normalize("NFD", "é.txt"),
        "-rf",
        "CON",
        "data:text,html",
        "files",
        "content",
        "a/content",
    ]
    for key in keys:
        answer = draft.put(key, key.encode())
        assert answer.status_code == 201, (key, answer.text)
        assert answer.json()["key"] == key
    assert list(draft.files()) == sorted(keys, key=str.encode)
    assert draft.publish().status_code == 202
    for key in keys:
        got = requests.get(f"{draft.server.url}/api/records/{draft.id}/files/{quote(key)}/content")
        assert (got.status_code, got.content) == (200, key.encode()), key


def test_names_that_can_not_stand_beside_others(draft: Draft) -> None:
    assert draft.put("a/b", b"1").status_code == 201
    assert draft.put("é.txt", b"1").status_code == 201
    for key, reason in (
        ("a", "it is a folder"),
        ("a/b/c", "'a/b' is a file"),
        (unicodedata.normalize("NFD", "é.txt"), "normal form"),
    ):
        answer = draft.put(key, b"2")
        assert answer.status_code == 400
        assert reason in answer.text
        form = draft.http.post(f"{draft.url}/files", data={"name": key}, files={"file": ("x", b"2")})
        if "/" in key:
            assert form.status_code == 201
        else:
            assert form.status_code == 400
            assert reason in form.text
    warned = draft.put("É.TXT", b"2")
    assert warned.status_code == 201
    assert "differ only in case" in warned.text
    assert "warnings" not in draft.put("f.txt", b"3").json()
    draft.http.delete(f"{draft.bucket}/c")
    assert set(draft.files()) == {"a/b", "é.txt", "É.TXT", "f.txt"} | (
        {"c"} if "c" in draft.files() else set()
    )


# forms


def test_fields_may_come_after_the_file(draft: Draft) -> None:
    body = (
        b'--XX\r\nContent-Disposition: form-data; name="file"; filename="wrong.bin"\r\n\r\n'
        + LARGE
        + b'\r\n--XX\r\nContent-Disposition: form-data; name="name"\r\n\r\nright.bin\r\n--XX--\r\n'
    )
    with draft.form(Content_Length=len(body)) as wire:
        wire.send(body)
        answer = wire.answer()
    assert answer.status == 201, answer
    assert draft.files() == {"right.bin": LARGE}


@pytest.mark.parametrize(
    ("data", "files"),
    [
        ({"name": "x"}, {"other": ("x", LARGE)}),
        ({"name": "x"}, {"file": ("", b"")}),
        ({"name": ".."}, {"file": ("x", LARGE)}),
        ({"name": "x" * 1001}, {"file": ("x", LARGE)}),
        ({}, {"file": ("..", LARGE)}),
        ({"name": "there.bin"}, {"file": ("x", LARGE)}),
    ],
)
def test_forms_that_are_refused(draft: Draft, data: dict[str, str], files: dict[str, Any]) -> None:
    assert draft.put("there.bin", FORMER).status_code == 201
    answer = draft.http.post(f"{draft.url}/files", data=data, files=files)
    assert answer.status_code == 400, answer.text
    assert draft.files() == {"there.bin": FORMER}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        b"--XX--\r\n",
        b'--XX\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n--XX--\r\n',
        b'--XX\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nhello',
        b'--XX\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nhello\r\n--XX\r\n',
        b'--XX\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nhello\r\n--XX\r\nbroken header\r\n\r\n',
        b'--XX\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nhello\r\n--XX\r\n'
        b'Content-Disposition: form-data; name="name"\r\n\r\n' + b"y" * 200_000 + b"\r\n--XX--\r\n",
    ],
)
def test_forms_that_are_none(draft: Draft, body: bytes) -> None:
    with draft.form(Content_Length=len(body)) as wire:
        wire.send(body)
        answer = wire.answer()
    assert answer.status == 400, answer
    assert draft.files() == {}


def test_two_files_in_one_form_are_one(draft: Draft) -> None:
    """Zenodo takes one file a request; the others must leave nothing behind."""
    answer = draft.http.post(
        f"{draft.url}/files", files=[("file", ("a.bin", b"first")), ("file", ("b.bin", LARGE))]
    )
    assert answer.status_code in (201, 400)
    assert draft.files() == ({"a.bin": b"first"} if answer.status_code == 201 else {})


# at the same time


def test_two_uploads_of_one_key(draft: Draft) -> None:
    first, second = random.Random(2).randbytes(2 * MIB), random.Random(3).randbytes(2 * MIB)
    with (
        draft.wire("data.bin", Content_Length=2 * MIB) as one,
        draft.wire("data.bin", Content_Length=2 * MIB) as two,
    ):
        for at in range(0, 2 * MIB, 256 << 10):
            one.send(first[at : at + (256 << 10)])
            two.send(second[at : at + (256 << 10)])
        answers = [one.answer().status, two.answer().status]
    assert answers == [201, 201]
    (kept,) = draft.files().values()
    assert kept in (first, second)


def _half(draft: Draft, form: bool) -> Wire:
    if form:
        wire = draft.form(Transfer_Encoding="chunked")
        wire.chunk(
            b'--XX\r\nContent-Disposition: form-data; name="file"; filename="late.bin"\r\n\r\n' + LARGE
        )
        return wire
    wire = draft.wire("late.bin", Transfer_Encoding="chunked")
    wire.chunk(LARGE)
    return wire


def _rest(wire: Wire, form: bool) -> Answer:
    wire.chunk(b"the end" + (b"\r\n--XX--\r\n" if form else b""))
    wire.send(b"0\r\n\r\n")
    return wire.answer()


@pytest.mark.parametrize("form", [False, True])
def test_publish_during_an_upload(draft: Draft, inside: Context, form: bool) -> None:
    assert draft.put("data.bin", FORMER).status_code == 201
    with _half(draft, form) as wire:
        upload_begins(inside)
        assert draft.publish().status_code == 202
        answer = _rest(wire, form)
    assert answer.status == 409, answer
    assert "published or discarded while the file was on its way" in answer.text
    record = requests.get(f"{draft.server.url}/api/records/{draft.id}").json()
    assert [f["key"] for f in record["files"]] == ["data.bin"]


@pytest.mark.parametrize("form", [False, True])
def test_discard_during_an_upload(draft: Draft, inside: Context, form: bool) -> None:
    with _half(draft, form) as wire:
        upload_begins(inside)
        assert draft.http.delete(draft.url).status_code == 204
        assert _rest(wire, form).status == 409


def test_equal_bytes_are_stored_once(draft: Draft, inside: Context) -> None:
    content = random.Random(4).randbytes(100_000)
    for n in range(5):
        assert draft.put(f"copy {n}", content).status_code == 201
    audit.nothing_left(inside)
    assert draft.files() == {f"copy {n}": content for n in range(5)}
    for n in range(4):
        assert draft.http.delete(f"{draft.bucket}/copy {n}").status_code == 204
    audit.nothing_left(inside)
    assert draft.files() == {"copy 4": content}


# memory


def _rss(server: Server) -> int:
    """Resident bytes of all processes of the server (each shared page counted more than once: no matter here)."""
    assert server.process
    out = subprocess.run(
        ["ps", "-o", "rss=", "-g", str(server.process.pid)], capture_output=True, text=True, check=True
    )
    return sum(int(line) for line in out.stdout.split()) << 10


@pytest.mark.parametrize("how", ["put", "chunks", "form"])
def test_memory_does_not_follow_size(draft: Draft, how: str) -> None:
    size = count(256, 1024) * MIB
    block = random.Random(5).randbytes(MIB)

    def send(total: int, key: str) -> None:
        begin = end = b""
        if how == "form":
            begin = f'--XX\r\nContent-Disposition: form-data; name="file"; filename="{key}"\r\n\r\n'.encode()
            end = b"\r\n--XX--\r\n"
        length = len(begin) + total + len(end)
        lengths: dict[str, str | int] = (
            {"Transfer_Encoding": "chunked"} if how == "chunks" else {"Content_Length": length}
        )
        with draft.form(**lengths) if how == "form" else draft.wire(key, **lengths) as wire:
            put = wire.chunk if how == "chunks" else wire.send
            if begin:
                put(begin)
            for _ in range(total // MIB):
                put(block)
            if end:
                put(end)
            if how == "chunks":
                wire.send(b"0\r\n\r\n")
            answer = wire.answer()
        assert answer.status == 201, answer
        assert f'"{"filesize" if how == "form" else "size"}":{total}' in answer.text

    send(16 * MIB, "warm.bin")
    before = _rss(draft.server)
    highest = [before]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            highest.append(_rss(draft.server))

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.monotonic()
    try:
        send(size, "large.bin")
    finally:
        done.set()
        watching.join()
    took = time.monotonic() - began
    grown = (max(highest) - before) / MIB
    print(f"{how}: {size / MIB / took:.0f} MiB/s, grew by {grown:.1f} MiB at most")
    assert grown < (32 if PROVE else 64)
    for key in ("warm.bin", "large.bin"):
        assert draft.http.delete(f"{draft.bucket}/{key}").status_code == 204


# quotas


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drafts]:
    env = {
        **ENV,
        "STRONGROOM_QUOTA_RECORD_BYTES": "100000",
        "STRONGROOM_QUOTA_RECORD_FILES": "3",
        "STRONGROOM_QUOTA_USER_BYTES": "250000",
    }
    server = Server(tmp_path_factory.mktemp("quotas") / "data", env)
    server.start()
    yield Drafts(server)
    assert server.stop() == 0
    audit.all_of(server.settings())


def noise(size: int) -> bytes:
    return os.urandom(size)


def in_chunks(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 10_000):
        yield data[at : at + 10_000]


def post(draft: Draft, key: str, data: bytes) -> requests.Response:
    return draft.http.post(f"{draft.url}/files", data={"name": key}, files={"file": ("x", data)})


def test_quota_of_bytes(small: Drafts) -> None:
    draft = Drafts(small.server).new()
    kept = noise(60_000)
    assert draft.put("kept.bin", kept).status_code == 201
    for refused in (
        draft.put("large.bin", noise(40_001)),
        draft.put("large.bin", in_chunks(noise(60_000))),
        post(draft, "large.bin", noise(60_000)),
        draft.put("kept.bin", noise(100_001)),
        draft.put("kept.bin", in_chunks(noise(100_001))),
    ):
        assert refused.status_code == 400, refused.text
        assert "File size limit exceeded" in refused.text
    assert draft.files() == {"kept.bin": kept}
    # To the last byte; a replaced file's bytes count no more.
    assert draft.put("rest.bin", in_chunks(noise(40_000))).status_code == 201
    assert draft.put("rest.bin", b"").status_code == 201
    assert draft.put("kept.bin", noise(100_000)).status_code == 201


def test_quota_is_no_race(small: Drafts) -> None:
    """Uploads of unknown size that come together are measured again when they are named."""
    draft = Drafts(small.server).new()
    with _open(draft, "one.bin") as one, _open(draft, "two.bin") as two:
        for wire in (one, two):
            wire.chunk(noise(60_000))
        with audit.context(draft.server.settings()) as ctx:
            wait_for(ctx, lambda number: number == 2)
        for wire in (one, two):
            wire.send(b"0\r\n\r\n")
        answers = sorted([one.answer().status, two.answer().status])
    assert answers == [201, 400]
    assert len(draft.files()) == 1


def _open(draft: Draft, key: str) -> Wire:
    return draft.wire(key, Transfer_Encoding="chunked")


def test_quota_of_files(small: Drafts) -> None:
    draft = Drafts(small.server).new()
    for n in range(3):
        assert draft.put(f"{n}.bin", b"x").status_code == 201
    for refused in (draft.put("3.bin", b"x"), post(draft, "3.bin", b"x")):
        assert refused.status_code == 400, refused.text
        assert "3 files" in refused.text
    assert draft.put("2.bin", b"replaced").status_code == 201
    assert set(draft.files()) == {"0.bin", "1.bin", "2.bin"}


def test_quota_of_a_user(small: Drafts) -> None:
    depositor = Drafts(small.server)
    for n in range(2):
        assert depositor.new().put("data.bin", noise(90_000)).status_code == 201, n
    draft = depositor.new()
    for refused in (
        draft.put("data.bin", noise(90_000)),
        draft.put("data.bin", in_chunks(noise(90_000))),
        post(draft, "data.bin", noise(90_000)),
    ):
        assert refused.status_code == 400, refused.text
    assert draft.files() == {}
    assert draft.put("data.bin", noise(69_000)).status_code == 201
    # Somebody else has his own.
    assert Drafts(small.server).new().put("data.bin", noise(90_000)).status_code == 201


def test_the_profile_of_zenodo(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {**ENV, "STRONGROOM_LIMITS": "zenodo"})
    server.start()
    try:
        draft = Drafts(server).new()
        with draft.wire("large.bin", Content_Length=50_000_000_001) as wire:
            wire.stop_sending()
            answer = wire.answer()
        assert answer.status == 400
        assert "File size limit exceeded" in answer.text
        for n in range(100):
            assert draft.put(f"{n}.txt", str(n).encode()).status_code == 201
        refused = draft.put("100.txt", b"100")
        assert refused.status_code == 400
        assert "100 files" in refused.text
        with audit.context(server.settings()) as ctx:
            audit.nothing_left(ctx)
    finally:
        server.kill()


# a full disk


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Server]:
    """A server whose data folder is a file system of 64 MiB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(mount)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    server = Server(mount / "data", {**ENV, "STRONGROOM_BODY_IDLE_TIMEOUT": "20"})
    try:
        yield server
    finally:
        server.kill()
        for _ in range(50):
            if subprocess.run(["umount", str(mount)], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.1)


def test_a_full_disk(full_disk: Server) -> None:
    server = full_disk
    draft = Drafts(server.start()).new()
    with audit.context(server.settings()) as ctx:
        _fill(draft, ctx)
    assert server.stop() == 0
    audit.all_of(server.settings())


def _fill(draft: Draft, inside: Context) -> None:
    server = draft.server
    assert draft.put("data.bin", FORMER).status_code == 201
    block = noise(MIB)

    def blocks(number: int) -> Iterator[bytes]:
        for _ in range(number):
            yield block

    for refused in (
        _announce(draft, "data.bin", 80 * MIB),
        draft.put("data.bin", blocks(80)).status_code,
        draft.http.post(f"{draft.url}/files", files={"file": ("form.bin", block * 80)}).status_code,
    ):
        assert refused == 507
    uploads_end(inside)
    assert draft.files() == {"data.bin": FORMER}

    # Two that fit alone but not together: at least one is told, and what is acknowledged is whole.
    answers: dict[str, int] = {}

    def send(key: str) -> None:
        with suppress(requests.ConnectionError):
            answers[key] = draft.http.put(f"{draft.bucket}/{key}", data=blocks(40)).status_code

    threads = [threading.Thread(target=send, args=(f"{n}.bin",)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers.values()) in ([201, 507], [507, 507]), answers
    uploads_end(inside)
    files = draft.files()
    assert files.pop("data.bin") == FORMER
    assert {key: len(content) for key, content in files.items()} == {
        key: 40 * MIB for key, status in answers.items() if status == 201
    }

    # Full to the last byte by somebody else: nothing can be written, but all that is there can be read.
    filler = server.data_dir.parent / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(block[: 64 << 10])
    statuses = {draft.put(f"more {n}.bin", block).status_code for n in range(3)}
    statuses |= {draft.http.put(draft.url, json=metadata("x" * 100_000)).status_code for _ in range(3)}
    assert statuses <= {507, 503, 200}, statuses
    assert 507 in statuses
    assert draft.files()["data.bin"] == FORMER
    filler.unlink()

    # And with room again, all goes on by itself.
    assert draft.put("after.bin", b"room again").status_code == 201
    assert draft.http.put(draft.url, json=metadata("room again")).status_code == 200
    assert draft.publish().status_code == 202
    # The index, too, had no room; it tries again by itself, a little later each time.
    end = time.monotonic() + 60
    while True:
        found = draft.http.get(f"{server.url}/api/records", params={"q": 'title:"room again"'}).json()
        if [hit["id"] for hit in found["hits"]["hits"]] == [draft.id]:
            break
        assert time.monotonic() < end, found
        time.sleep(0.2)
    audit.nothing_left(inside)


def _announce(draft: Draft, key: str, size: int) -> int:
    with draft.wire(key, Content_Length=size) as wire:
        wire.stop_sending()
        return wire.answer().status


# going down


def test_sigterm_lets_a_running_upload_finish(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", ENV)
    draft = Drafts(server.start()).new()
    stopped: list[int] = []
    with draft.wire("data.bin", Content_Length=len(LARGE)) as wire:
        wire.send(LARGE[:MIB])
        with audit.context(server.settings()) as ctx:
            upload_begins(ctx)
        stopping = threading.Thread(target=lambda: stopped.append(server.stop()))
        stopping.start()
        time.sleep(0.5)
        wire.send(LARGE[MIB:])
        answer = wire.answer()
    stopping.join()
    assert stopped == [0]
    assert answer.status in (0, 201)
    server.start()
    files = draft.files()
    assert files == ({"data.bin": LARGE} if answer.status == 201 else {})
    assert server.stop() == 0
    audit.all_of(server.settings())
    # A client that keeps sending within the time it has, is served.
    assert answer.status == 201


def test_sigterm_cuts_clients_that_stall(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {**ENV, "STRONGROOM_BODY_IDLE_TIMEOUT": "600"})
    site = Drafts(server.start())
    draft = site.new()
    assert draft.put("large.bin", LARGE * 20).status_code == 201
    with (
        draft.wire("data.bin", Content_Length=len(LARGE)) as upload,
        Wire(server, receive_buffer=4096) as download,
    ):
        upload.send(LARGE[:MIB])
        with audit.context(server.settings()) as ctx:
            upload_begins(ctx)
        download.head("GET", f"{draft.target}/large.bin", draft.token)
        assert download.socket.recv(12) == b"HTTP/1.1 200"
        began = time.monotonic()
        assert server.stop(60) == 0
        took = time.monotonic() - began
        assert took < 15  # 3 s of grace, and whatever a busy machine adds
        upload.socket.settimeout(5)
        assert upload.answer().status in (0, 400, 503)
    server.start()
    assert draft.files() == {"large.bin": LARGE * 20}
    assert server.stop() == 0
    audit.all_of(server.settings())
