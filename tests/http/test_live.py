"""Bytes through real servers, granian and uvicorn: ranges, broken connections, chunked bodies."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from strongroom.storage.base import BLOCK
from tests.servers import free_ports

COMMANDS = {
    "granian": ["granian", "--interface", "asgi", "--host", "127.0.0.1", "--no-log", "--port"],
    "uvicorn": ["uvicorn", "--log-level", "critical", "--host", "127.0.0.1", "--port"],
}


@dataclass
class Live:
    port: int
    folder: Path

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {}, encode_chunked=False)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, names, answer.read()
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def state(self) -> dict[str, list[str]]:
        state: dict[str, list[str]] = json.loads(self.ask("GET", "/state")[2])
        return state


def until(true: Callable[[], bool]) -> None:
    """Wait for something that is to happen soon; half a minute is for slow machines."""
    for _ in range(300):
        if true():
            return
        time.sleep(0.1)
    pytest.fail("it did not happen within 30 seconds")


@pytest.fixture(scope="module", params=list(COMMANDS))
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp(f"live-{request.param}")
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [sys.executable, "-m", *COMMANDS[request.param], str(port), "tests.http.live_app:app"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "STRONGROOM_TEST_LIVE": str(folder)},
    )
    live = Live(port, folder)
    try:

        def up() -> bool:
            try:
                live.state()
            except OSError:
                assert process.poll() is None, "the server did not start"
                return False
            return True

        until(up)
        yield live
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def content(live: Live) -> Iterator[bytes]:
    content = os.urandom(BLOCK) * 40
    (live.folder / "content").write_bytes(content)
    yield content
    (live.folder / "content").unlink()
    assert live.state() == {"stored": [], "open": []}


def test_downloads(live: Live, content: bytes) -> None:
    size = len(content)
    status, headers, body = live.ask("GET", "/file/content")
    assert (status, headers["content-length"], headers["accept-ranges"]) == (200, str(size), "bytes")
    assert hashlib.sha256(body).digest() == hashlib.sha256(content).digest()

    head_status, head, nothing = live.ask("HEAD", "/file/content")
    volatile = {"date", "server"}
    assert (head_status, nothing) == (200, b"")
    assert {name: head[name] for name in head if name not in volatile} == {
        name: headers[name] for name in headers if name not in volatile
    }

    status, headers, body = live.ask("GET", "/file/content", headers={"Range": f"bytes={size - 9}-"})
    assert (status, body) == (206, content[-9:])
    assert headers["content-range"] == f"bytes {size - 9}-{size - 1}/{size}"

    status, headers, body = live.ask("GET", "/file/content", headers={"Range": f"bytes=0-4,{3 * BLOCK}-"})
    assert status == 206
    assert headers["content-length"] == str(len(body))
    assert content[3 * BLOCK :] in body

    status, headers, body = live.ask("GET", "/file/content", headers={"Range": f"bytes={size}-"})
    assert (status, headers["content-range"]) == (416, f"bytes */{size}")

    status, _, body = live.ask("GET", "/file/content", headers={"If-None-Match": '"sha256:' + "0" * 64 + '"'})
    assert (status, body) == (304, b"")


@pytest.mark.parametrize("header", ["", "Range: bytes=1-\r\n"])
def test_who_hangs_up_lets_the_file_be_closed(live: Live, content: bytes, header: str) -> None:
    with live.connect() as connection:
        connection.sendall(f"GET /file/content HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 20")
        until(lambda: live.state()["open"] != [])
    until(lambda: live.state()["open"] == [])


def test_uploads(live: Live) -> None:
    content = os.urandom(3 * BLOCK + 77)
    md5 = hashlib.md5(content).hexdigest()

    def chunked() -> Iterator[bytes]:
        for at in range(0, len(content), 70_001):
            yield content[at : at + 70_001]

    sent: list[tuple[Any, dict[str, str]]] = [
        (content, {"Content-MD5": md5}),
        (
            b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunked()) + b"0\r\n\r\n",
            {"Transfer-Encoding": "chunked"},
        ),
    ]
    for body, headers in sent:
        status, _, answer = live.ask("PUT", "/put", body, headers)
        assert status == 200, answer
        got = json.loads(answer)
        assert (got["size"], got["md5"]) == (len(content), md5)
        stored = live.folder / got["location"]
        assert stored.read_bytes() == content
        stored.unlink()
    status, _, answer = live.ask("PUT", "/put", b"", {"Content-Length": "0"})
    assert (status, json.loads(answer)["size"]) == (200, 0)
    (live.folder / json.loads(answer)["location"]).unlink()


def test_an_upload_that_waits_to_be_asked(live: Live) -> None:
    with live.connect() as connection:
        connection.sendall(
            b"PUT /put HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(b"hello")
        answer = b"".join(iter(lambda: connection.recv(10_000), b""))
    assert b" 200 OK" in answer.partition(b"\r\n")[0]
    (live.folder / json.loads(answer.rpartition(b"\r\n\r\n")[2].partition(b"\n")[0])["location"]).unlink()


def test_a_wrong_digest(live: Live) -> None:
    status, _, answer = live.ask("PUT", "/put", b"hello", {"Content-MD5": "0" * 32})
    assert (status, json.loads(answer)["code"]) == (400, "incomplete")
    assert live.state() == {"stored": [], "open": []}


FORM_HEAD = b'--XbX\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'


@pytest.mark.parametrize(
    "head",
    [
        f"PUT /put HTTP/1.1\r\nHost: x\r\nContent-Length: {50 * BLOCK}\r\n\r\n".encode(),
        b"PUT /put HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (50 * BLOCK),
        b"PUT /put HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % BLOCK,
        f"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: {50 * BLOCK}\r\nContent-Type: "
        "multipart/form-data; boundary=XbX\r\n\r\n".encode()
        + FORM_HEAD,
        b"POST /form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: "
        b"multipart/form-data; boundary=XbX\r\n\r\n%x\r\n%s\r\n%x\r\n" % (len(FORM_HEAD), FORM_HEAD, BLOCK),
    ],
    ids=["length", "in a chunk", "between chunks", "form", "form between chunks"],
)
def test_an_upload_that_breaks_off_leaves_nothing(live: Live, head: bytes) -> None:
    with live.connect() as connection:
        connection.sendall(head + bytes(BLOCK) + b"\r\n")
        until(lambda: live.state()["open"] != [] or live.state()["stored"] != [])
    until(lambda: live.state() == {"stored": [], "open": []})


def test_a_form(live: Live) -> None:
    body = (
        FORM_HEAD
        + bytes(2 * BLOCK)
        + b'\r\n--XbX\r\nContent-Disposition: form-data; name="name"\r\n\r\ny\r\n--XbX--'
    )
    status, _, answer = live.ask("POST", "/form", body, {"Content-Type": "multipart/form-data; boundary=XbX"})
    assert status == 200, answer
    got = json.loads(answer)
    assert got["fields"] == {"name": "y"}
    assert got["files"][0]["size"] == 2 * BLOCK
    (live.folder / got["files"][0]["location"]).unlink()


def test_a_silent_upload_is_given_up(live: Live) -> None:
    with live.connect() as connection:
        connection.sendall(
            b"PUT /put?idle=0.5 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhell"
        )
        answer = b"".join(iter(lambda: connection.recv(10_000), b""))
    assert b"No byte came for 0.5 seconds" in answer
    assert live.state() == {"stored": [], "open": []}
