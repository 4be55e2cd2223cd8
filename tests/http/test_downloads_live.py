"""Bytes on their way out of the whole repository, through granian (`strongroom serve`) and through uvicorn."""

from __future__ import annotations

import base64
import email.parser
import hashlib
import io
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
import requests

from tests import audit
from tests.conftest import count
from tests.crash.depositor import metadata
from tests.http.wire import Wire
from tests.live import Server

MIB = 1 << 20
LARGE = random.Random(7).randbytes(3 * MIB + 12_345)
NAMES = [
    "plain.txt",
    "with space; and, comma.csv",
    "quote\"and'back\\slash.txt",
    "Übersicht – 日本語 😀.pdf",
    "folder/sub/deep.txt",
    "100%.txt",
    ".hidden",
    "-rf",
    "no-extension",
]
HOSTILE = {
    "evil.html": b"<script>alert(document.cookie)</script>",
    "evil.htm": b"<script>alert(1)</script>",
    "evil.xhtml": b"<html xmlns='http://www.w3.org/1999/xhtml'><script>alert(1)</script></html>",
    "evil.svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "evil.xml": b"<?xml-stylesheet href='evil.xsl' type='text/xsl'?><a/>",
    "evil.js": b"alert(1)",
    "evil.css": b"body { background: url(//evil) }",
    "evil.swf": b"FWS",
    "evil.mht": b"MIME-Version: 1.0",
    "evil": b"<html><script>alert(1)</script>",
    "evil.png": b"<html><script>alert(1)</script>",
    "evil.txt": b"<html><script>alert(1)</script>",
    "evil.pdf.html": b"%PDF-1.4 <script>alert(1)</script>",
}


class UvicornServer(Server):
    """The same application behind another ASGI server."""

    def command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "uvicorn", "strongroom.app:create", "--factory"),
            *("--port", str(self.port), "--log-level", "warning"),
        ]


@dataclass
class Site:
    """A server with records on it, and the token of the one who deposited them."""

    server: Server
    token: str
    ids: dict[str, int]

    @property
    def http(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        return session

    @property
    def owner(self) -> requests.Session:
        session = self.http
        session.headers["Authorization"] = f"Bearer {self.token}"
        return session

    def url(self, record: str, key: str) -> str:
        return f"{self.server.url}/api/records/{self.ids[record]}/files/{quote(key)}/content"

    def archive(self, record: str) -> str:
        return f"{self.server.url}/api/records/{self.ids[record]}/files-archive"

    def publish(self, name: str, files: dict[str, bytes], **more: Any) -> None:
        base = f"{self.server.url}/api/deposit/depositions"
        body = metadata(name)
        body["metadata"] |= more
        made = self.owner.post(base, json=body).json()
        for key, content in files.items():
            done = self.owner.put(f"{made['links']['bucket']}/{quote(key)}", data=content)
            assert done.status_code == 201, done.text
        done = self.owner.post(f"{base}/{made['id']}/actions/publish")
        assert done.status_code == 202, done.text
        self.ids[name] = made["id"]


TOMORROW = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()


def fill(server: Server) -> Site:
    site = Site(server, server.add_user("owner@example.org"), {})
    server.start()
    site.publish("large", {"data.bin": LARGE, "empty.txt": b"", "small.txt": b"hello"})
    site.publish("names", {key: key.encode() for key in NAMES})
    site.publish("hostile", HOSTILE)
    site.publish("restricted", {"secret.txt": b"secret"}, access_right="restricted", access_conditions="Ask.")
    site.publish("embargoed", {"later.txt": b"later"}, access_right="embargoed", embargo_date=TOMORROW)
    return site


@pytest.fixture(scope="module", params=["granian", "uvicorn"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    kind = Server if request.param == "granian" else UvicornServer
    server = kind(
        tmp_path_factory.mktemp(request.param) / "data",
        {"STRONGROOM_DISK_RESERVE_BYTES": "0", "STRONGROOM_TRASH_DAYS": "0"},
    )
    yield fill(server)
    code = server.stop()
    assert code == 0 or (kind is UvicornServer and code == -15)  # uvicorn ends by the signal itself
    log = server.log()
    assert "Traceback" not in log, log[-5000:]


def test_a_whole_file(site: Site) -> None:
    url = site.url("large", "data.bin")
    got = site.http.get(url)
    assert (got.status_code, got.content) == (200, LARGE)
    sha256 = hashlib.sha256(LARGE)
    said = got.headers
    assert said["content-length"] == str(len(LARGE))
    assert said["etag"] == f'"sha256:{sha256.hexdigest()}"'
    assert said["accept-ranges"] == "bytes"
    assert said["content-md5"] == hashlib.md5(LARGE).hexdigest()
    assert said["repr-digest"] == f"sha-256=:{base64.b64encode(sha256.digest()).decode()}:"
    assert said["x-content-type-options"] == "nosniff"
    assert said["content-security-policy"] == "sandbox; default-src 'none'"
    assert said["cache-control"] == "public, no-cache"

    head = site.http.head(url)
    assert (head.status_code, head.content) == (200, b"")
    ignored = {"date", "server", "connection", "keep-alive"}
    assert {k: v for k, v in head.headers.items() if k.lower() not in ignored} == {
        k: v for k, v in said.items() if k.lower() not in ignored
    }
    assert site.http.get(site.url("large", "empty.txt")).content == b""
    assert site.http.get(site.url("large", "nowhere.txt")).status_code == 404
    # Kept apart from what an owner gets.
    assert site.owner.get(url).headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-100", -100, None),
        ("bytes=-99999999", 0, None),
        (f"bytes={len(LARGE) - 1}-", -1, None),
        (f"bytes=5-{len(LARGE) * 2}", 5, None),
        (f"bytes={MIB - 1}-{MIB}", MIB - 1, MIB + 1),
        ("bytes=0-10,5-20", 0, 21),
        ("bytes=5-10,11-20", 5, 21),
        ("Bytes = 7-8", 7, 9),
    ],
)
def test_one_range(site: Site, header: str, start: int, stop: int | None) -> None:
    got = site.http.get(site.url("large", "data.bin"), headers={"Range": header})
    wanted = LARGE[start:stop]
    first, last, _ = slice(start, stop).indices(len(LARGE))
    assert (got.status_code, got.content) == (206, wanted)
    assert got.headers["content-range"] == f"bytes {first}-{last - 1}/{len(LARGE)}"
    assert got.headers["content-length"] == str(len(wanted))


@pytest.mark.parametrize(
    "header",
    [
        "bytes=10-5",
        "bytes=a-b",
        "bytes=-",
        "bytes=",
        "bytes",
        "lines=1-2",
        "bytes=1-2,x",
        "bytes=0-,0-",  # more than the file has
        "bytes=" + ",".join(f"{n * 10}-{n * 10}" for n in range(17)),
        "bytes=0-1," * 1000,
    ],
)
def test_ranges_that_are_ignored(site: Site, header: str) -> None:
    got = site.http.get(site.url("large", "data.bin"), headers={"Range": header})
    assert (got.status_code, len(got.content)) == (200, len(LARGE))


@pytest.mark.parametrize("header", [f"bytes={len(LARGE)}-", "bytes=99999999-", "bytes=-0"])
def test_ranges_outside(site: Site, header: str) -> None:
    got = site.http.get(site.url("large", "data.bin"), headers={"Range": header})
    assert got.status_code == 416
    assert got.headers["content-range"] == f"bytes */{len(LARGE)}"


def test_a_range_of_nothing(site: Site) -> None:
    for header in ("bytes=0-", "bytes=-5"):
        got = site.http.get(site.url("large", "empty.txt"), headers={"Range": header})
        assert (got.status_code, got.content) == (200, b"")


def parts_of(answer: requests.Response) -> dict[str, bytes]:
    """The parts of multipart/byteranges: Content-Range → bytes."""
    boundary = answer.headers["content-type"].partition("boundary=")[2].encode()
    found = {}
    pieces = answer.content.split(b"\r\n--" + boundary)
    assert pieces[0] == b""
    assert pieces[-1] == b"--\r\n"
    for piece in pieces[1:-1]:
        head, _, body = piece.partition(b"\r\n\r\n")
        said = email.parser.BytesParser().parsebytes(head.lstrip(b"\r\n"))
        found[str(said["content-range"])] = body
    return found


def test_several_ranges(site: Site) -> None:
    size = len(LARGE)
    got = site.http.get(
        site.url("large", "data.bin"), headers={"Range": f"bytes=10-19, -5, {MIB - 3}-{MIB + 3}"}
    )
    assert got.status_code == 206
    assert got.headers["content-length"] == str(len(got.content))
    assert "content-range" not in got.headers
    assert parts_of(got) == {
        f"bytes 10-19/{size}": LARGE[10:20],
        f"bytes {MIB - 3}-{MIB + 3}/{size}": LARGE[MIB - 3 : MIB + 4],
        f"bytes {size - 5}-{size - 1}/{size}": LARGE[-5:],
    }


def test_any_ranges(site: Site) -> None:
    """All bytes asked for come, and only they, on one connection that stays in step."""
    dice = random.Random(8)
    http = site.http
    size = len(LARGE)
    for _ in range(count(30, 1000)):
        spans = []
        for _ in range(dice.randint(1, 5)):
            start = dice.randrange(size)
            spans.append((start, min(size, start + dice.choice([1, 10, 1000, 300_000])) - 1))
        header = "bytes=" + ",".join(f"{start}-{last}" for start, last in spans)
        got = http.get(site.url("large", "data.bin"), headers={"Range": header})
        assert got.status_code == 206, header
        if "content-range" in got.headers:
            pieces = {got.headers["content-range"]: got.content}
        else:
            pieces = parts_of(got)
        covered: set[tuple[int, int]] = set()
        for said, content in pieces.items():
            begin, _, end = said.removeprefix("bytes ").partition("/")[0].partition("-")
            assert content == LARGE[int(begin) : int(end) + 1], header
            covered.add((int(begin), int(end)))
        for start, last in spans:
            assert any(a <= start and last <= b for a, b in covered), header


def test_if_range(site: Site) -> None:
    url = site.url("large", "data.bin")
    head = site.http.head(url).headers
    later = format_datetime(parsedate_to_datetime(head["last-modified"]) + timedelta(seconds=1), usegmt=True)
    for condition, status in (
        (head["etag"], 206),
        (head["last-modified"], 206),
        ('"another"', 200),
        (f"W/{head['etag']}", 200),
        (later, 200),
        ("no date", 200),
    ):
        got = site.http.get(url, headers={"Range": "bytes=0-4", "If-Range": condition})
        assert got.status_code == status, condition
        assert got.content == (LARGE[:5] if status == 206 else LARGE)


def test_conditions(site: Site) -> None:
    url = site.url("large", "data.bin")
    said = site.http.head(url).headers
    tag, modified = said["etag"], said["last-modified"]
    for headers, status in (
        ({"If-None-Match": tag}, 304),
        ({"If-None-Match": f"W/{tag}"}, 304),
        ({"If-None-Match": f'"a", {tag}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"a"'}, 200),
        ({"If-None-Match": '"a"', "If-Modified-Since": modified}, 200),
        ({"If-Modified-Since": modified}, 304),
        ({"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}, 200),
        ({"If-Match": tag}, 200),
        ({"If-Match": '"a"'}, 412),
        ({"If-Match": f"W/{tag}"}, 412),
        ({"If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}, 412),
        ({"If-None-Match": tag, "Range": "bytes=0-4"}, 304),
    ):
        for verb in ("GET", "HEAD"):
            got = site.http.request(verb, url, headers=headers)
            assert got.status_code == status, (verb, headers)
            if status == 304:
                assert got.content == b""
                assert got.headers["etag"] == tag
                assert "content-length" not in got.headers or got.headers["content-length"] == "0"


@pytest.mark.parametrize("key", NAMES)
def test_names_of_downloads(site: Site, key: str) -> None:
    for got in (
        site.http.get(site.url("names", key), params={"download": "1"}),
        site.http.get(f"{site.server.url}/records/{site.ids['names']}/files/{quote(key)}?download=1"),
    ):
        assert (got.status_code, got.content) == (200, key.encode())
        said = got.headers["content-disposition"]
        plain = re.match(r'attachment; filename="([ !#$&-\[\]-~]+)"', said)
        assert plain, said  # for clients that know no more: no quotes, backslashes, percents
        real = re.search(r"; filename\*=UTF-8''([!-~]+)$", said)
        assert (unquote(real[1]) if real else plain[1]) == key.rpartition("/")[2]


@pytest.mark.parametrize("key", HOSTILE)
def test_hostile_files_never_run_as_the_site(site: Site, key: str) -> None:
    record = site.ids["hostile"]
    for url in (
        site.url("hostile", key),
        f"{site.server.url}/records/{record}/files/{key}",
        f"{site.server.url}/records/{record}/files/{key}?download=1",
        f"{site.server.url}/api/records/{record}/files/{key}/content?download=0",
    ):
        got = site.http.get(url)
        assert (got.status_code, got.content) == (200, HOSTILE[key]), url
        assert "sandbox" in got.headers["content-security-policy"]
        assert "default-src 'none'" in got.headers["content-security-policy"]
        assert got.headers["x-content-type-options"] == "nosniff"
        kind = got.headers["content-type"].partition(";")[0]
        assert kind in ("text/plain", "application/octet-stream", "image/png"), kind
        assert "set-cookie" not in got.headers
        partly = site.http.get(url, headers={"Range": "bytes=0-1"})
        assert partly.status_code == 206
        for name in ("content-security-policy", "x-content-type-options", "content-type"):
            assert partly.headers[name] == got.headers[name]


@pytest.mark.parametrize(("record", "key"), [("restricted", "secret.txt"), ("embargoed", "later.txt")])
def test_closed_files(site: Site, record: str, key: str) -> None:
    number = site.ids[record]
    urls = [
        site.url(record, key),
        site.archive(record),
        f"{site.server.url}/api/records/{number}/files",
        f"{site.server.url}/api/records/{number}/files/{key}",
    ]
    other = site.http
    other.headers["Authorization"] = f"Bearer {_other(site.server)}"
    for url in urls:
        for verb in ("GET", "HEAD"):
            assert site.http.request(verb, url).status_code == 403, url
            assert other.request(verb, url).status_code == 403, url
            mine = site.owner.request(verb, url)
            assert mine.status_code == 200, url
        secret = site.http.get(url, headers={"Range": "bytes=0-1", "If-None-Match": "*"})
        assert secret.status_code == 403
        assert key not in secret.text
    assert site.owner.get(urls[0]).headers["cache-control"] == "private, no-store"
    # The bucket hides what may not be read.
    bucket = (
        site.owner.get(f"{site.server.url}/api/deposit/depositions/{number}").json()["links"].get("bucket")
    )
    if bucket:
        assert site.http.get(f"{bucket}/{key}").status_code == 404
        assert site.owner.get(f"{bucket}/{key}").status_code == 200
    shown = site.http.get(f"{site.server.url}/api/records/{number}").json()
    assert shown["files"] == []
    assert key not in site.http.get(f"{site.server.url}/records/{number}").text


_OTHERS: dict[int, str] = {}


def _other(server: Server) -> str:
    if server.port not in _OTHERS:
        _OTHERS[server.port] = server.add_user("other@example.org")
    return _OTHERS[server.port]


@pytest.mark.parametrize("record", ["large", "names", "hostile"])
def test_the_archive(site: Site, record: str, tmp_path: Path) -> None:
    url = site.archive(record)
    got = site.http.get(url)
    assert got.status_code == 200
    assert got.headers["content-type"] == "application/zip"
    assert got.headers["content-length"] == str(len(got.content))
    assert got.headers["content-disposition"].startswith("attachment")
    head = site.http.head(url)
    for name in ("content-length", "etag", "content-type", "content-disposition", "accept-ranges"):
        assert head.headers[name] == got.headers[name]
    assert head.content == b""
    assert site.http.get(url, headers={"If-None-Match": got.headers["etag"]}).status_code == 304
    assert site.http.get(url).content == got.content  # the same for ever

    wanted = {
        "large": {"data.bin": LARGE, "empty.txt": b"", "small.txt": b"hello"},
        "names": {key: key.encode() for key in NAMES},
        "hostile": HOSTILE,
    }[record]
    with zipfile.ZipFile(io.BytesIO(got.content)) as read:
        assert read.testzip() is None
        assert {i.filename.replace("%5C", "\\"): read.read(i) for i in read.infolist()} == wanted

    # Broken off and gone on with, as wget -c does.
    middle = len(got.content) // 2
    rest = site.http.get(url, headers={"Range": f"bytes={middle}-", "If-Range": got.headers["etag"]})
    assert (rest.status_code, rest.content) == (206, got.content[middle:])

    if shutil.which("unzip"):
        (tmp_path / "x.zip").write_bytes(got.content)
        done = subprocess.run(
            ["unzip", "-t", tmp_path / "x.zip"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "No errors detected" in done.stdout
    if shutil.which("bsdtar"):
        pipe = subprocess.run(
            ["bsdtar", "-tf", "-"],
            input=got.content,
            capture_output=True,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        assert pipe.returncode == 0, pipe.stderr
        assert len(pipe.stdout.splitlines()) == len(wanted)


def test_readers_that_hang_up_keep_nothing_open(site: Site) -> None:
    """Files, threads and room in pools: afterwards as many as before."""
    assert site.server.process
    pids = [int(p) for p in subprocess.run(
        ["pgrep", "-g", str(site.server.process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()]  # fmt: skip

    def open_files() -> int:
        found = 0
        for pid in pids:
            for name in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    found += str(name.readlink()).startswith(str(site.server.data_dir / "files"))
                except OSError:
                    continue
        return found

    target = site.url("large", "data.bin").removeprefix(site.server.url)
    archive = site.archive("large").removeprefix(site.server.url)
    for n in range(count(24, 300)):
        with Wire(site.server, receive_buffer=4096) as wire:
            path, headers = [(target, {}), (target, {"Range": "bytes=1-"}), (archive, {})][n % 3]
            wire.head("GET", path, **headers)
            assert wire.socket.recv(12).startswith(b"HTTP/1.1 20")
            if n % 2:
                wire.reset()
    end = time.monotonic() + 30
    while open_files():
        assert time.monotonic() < end, "files stay open"
        time.sleep(0.05)
    assert site.http.get(site.url("large", "data.bin")).content == LARGE


def test_many_slow_readers_do_not_keep_others_out(site: Site) -> None:
    target = site.url("large", "data.bin").removeprefix(site.server.url)
    wires = [Wire(site.server, receive_buffer=4096) for _ in range(40)]
    for n, wire in enumerate(wires):
        wire.head("GET", target, **({"Range": "bytes=1-"} if n % 2 else {}))
        assert wire.socket.recv(12).startswith(b"HTTP/1.1 20")
    assert site.http.get(site.url("large", "small.txt")).content == b"hello"
    assert site.http.get(site.url("large", "data.bin"), headers={"Range": "bytes=5-9"}).content == LARGE[5:10]
    assert site.http.get(site.archive("names")).status_code == 200
    for wire in wires:
        wire.socket.close()


CLOCK = """
import datetime, sys
import strongroom.ids
strongroom.ids.today = lambda: (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=3)).date()
from strongroom.cli import main
sys.argv[0] = "strongroom"
main()
"""


class LaterServer(Server):
    """Three days later: the same command with another calendar."""

    def command(self) -> list[str]:
        return [sys.executable, "-c", CLOCK, *super().command()[3:]]


def test_an_embargo_ends_by_the_date_alone(tmp_path: Path) -> None:
    """No job lifts it: there is none in the second server."""
    before = Server(tmp_path / "data", {"STRONGROOM_DISK_RESERVE_BYTES": "0"})
    site = Site(before, before.add_user("owner@example.org"), {})
    before.start()
    site.publish("embargoed", {"later.txt": b"later"}, access_right="embargoed", embargo_date=TOMORROW)
    assert site.http.get(site.url("embargoed", "later.txt")).status_code == 403
    assert site.http.get(site.archive("embargoed")).status_code == 403
    shown = site.http.get(f"{before.url}/api/records/{site.ids['embargoed']}")
    assert before.stop() == 0

    site.server = LaterServer(tmp_path / "data", {**before.env, "STRONGROOM_JOB_THREADS": "0"})
    site.server.start()
    try:
        got = site.http.get(site.url("embargoed", "later.txt"))
        assert (got.status_code, got.content) == (200, b"later")
        assert got.headers["cache-control"] == "public, no-cache"
        assert site.http.get(site.archive("embargoed")).status_code == 200
        again = site.http.get(
            f"{site.server.url}/api/records/{site.ids['embargoed']}",
            headers={"If-None-Match": shown.headers["etag"]},
        )
        assert again.status_code == 200
        assert [f["key"] for f in again.json()["files"]] == ["later.txt"]
        page = site.http.get(f"{site.server.url}/records/{site.ids['embargoed']}")
        assert "later.txt" in page.text
        assert site.server.stop() == 0
    finally:
        site.server.kill()
    audit.all_of(before.settings())


def test_sigterm_lets_a_running_download_finish(tmp_path: Path) -> None:
    server = Server(
        tmp_path / "data", {"STRONGROOM_DISK_RESERVE_BYTES": "0", "STRONGROOM_STOP_TIMEOUT": "20"}
    )
    site = Site(server, server.add_user("owner@example.org"), {})
    server.start()
    content = LARGE * 10
    site.publish("large", {"data.bin": content})
    target = site.url("large", "data.bin").removeprefix(server.url)
    stopped: list[int] = []
    with Wire(server, receive_buffer=65536) as whole, Wire(server, receive_buffer=65536) as part:
        whole.head("GET", target)
        part.head("GET", target, Range="bytes=1-")
        assert whole.socket.recv(12) == part.socket.recv(12)[:9] + b"200"
        stopping = threading.Thread(target=lambda: stopped.append(server.stop()))
        stopping.start()
        time.sleep(0.5)
        bodies = []
        for wire in (whole, part):
            data = bytearray()
            while not data.endswith(content[-100:]) and (more := wire.socket.recv(1 << 20)):
                data += more
            bodies.append(bytes(data.partition(b"\r\n\r\n")[2]))
    stopping.join()
    assert stopped == [0]
    assert bodies[0] == content
    assert bodies[1] == content[1:]
