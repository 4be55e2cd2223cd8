"""A large file in parts, with the server killed and the client too: the digests of the whole are right in the end.

The file is sparse: zeros, with a random block at the beginning of each part, so that parts can't be mistaken for
each other. Its digests are computed beside it, by the blocks it is made of.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from bench.measure import peak_rss_mib
from tests import servers
from tests.conftest import PROVE
from tests.live import Server

MIB = 1 << 20
PART = (64 if PROVE else 5) * MIB
PARTS = 320 if PROVE else 24  # 20 GiB
CONNECTIONS = 8
SERVER_KILLS = 3
CLIENT_KILLS = 2
LAST = 12_345  # the last part is shorter by so much


class Source:
    """A file of zeros with a mark in each part, never stored."""

    def __init__(self) -> None:
        self.marks = [secrets.token_bytes(4096) for _ in range(PARTS)]
        self.size = PARTS * PART - LAST

    def part(self, n: int) -> Iterator[bytes]:
        left = min(PART, self.size - (n - 1) * PART)
        block = self.marks[n - 1] + bytes(MIB - 4096)
        while left:
            piece = block[:left]
            yield piece
            left -= len(piece)
            block = bytes(MIB)

    def part_size(self, n: int) -> int:
        return min(PART, self.size - (n - 1) * PART)

    def digests(self) -> tuple[str, str]:
        md5, sha256 = hashlib.md5(), hashlib.sha256()
        for n in range(1, PARTS + 1):
            for piece in self.part(n):
                md5.update(piece)
                sha256.update(piece)
        return md5.hexdigest(), sha256.hexdigest()


class Client:
    """Sends what the server has not yet, over some connections, until it is told to stop."""

    def __init__(self, server: Server, token: str, path: str, source: Source) -> None:
        self.server, self.token, self.path, self.source = server, token, path, source
        self.acknowledged: Counter[int] = Counter()
        self.sent_again: list[int] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def begin(self) -> None:
        """As after a restart of the client: it knows nothing but the address, and asks."""
        entry = requests.get(
            f"{self.server.url}{self.path}", headers={"Authorization": f"Bearer {self.token}"}, timeout=60
        ).json()
        received = {p["part"] for p in entry["links"]["parts"] if p["received"]}
        # What was acknowledged is there, however the server ended.
        assert set(self.acknowledged) <= received
        waiting = [p["part"] for p in entry["links"]["parts"] if not p["received"]]
        waiting.reverse()  # the last ones first: hashing needs the first
        guard = threading.Lock()
        self._stop.clear()

        def work() -> None:
            while not self._stop.is_set():
                with guard:
                    if not waiting:
                        return
                    n = waiting.pop(0 if len(waiting) % 2 else -1)
                try:
                    self._send(n)
                except (OSError, http.client.HTTPException):
                    return  # the server is gone

        self._threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
        for thread in self._threads:
            thread.start()

    def _send(self, n: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        try:
            connection.putrequest("PUT", f"{self.path}/content/{n}")
            connection.putheader("Authorization", f"Bearer {self.token}")
            connection.putheader("Content-Type", "application/octet-stream")
            connection.putheader("Content-Length", str(self.source.part_size(n)))
            connection.endheaders()
            for piece in self.source.part(n):
                if self._stop.is_set():
                    return  # the client dies in the middle of it
                connection.send(piece)
            answer = connection.getresponse()
            body = answer.read()
            # The request of a client that died may still hold the part for a moment.
            assert answer.status in (200, 409), (answer.status, body)
            if answer.status == 200:
                self.acknowledged[n] += 1
        finally:
            connection.close()

    def end(self, *, at_once: bool) -> None:
        if at_once:
            self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def sending(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)


@pytest.fixture(params=["local", "s3"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    folder = Path(os.environ.get("BENCH_DIR") or tmp_path) / f"multipart-{secrets.token_hex(4)}"
    env = {"STRONGROOM_DISK_RESERVE_BYTES": "0", "STRONGROOM_TRASH_DAYS": "0"}
    if request.param == "s3":
        store: servers.S3Server = request.getfixturevalue("s3_server")
        env |= {
            "STRONGROOM_STORAGE_URL": f"s3://{store.fresh_bucket()}/some/folder",
            "STRONGROOM_STORAGE_ENDPOINT": store.url,
            "STRONGROOM_STORAGE_ACCESS_KEY": servers.ACCESS_KEY,
            "STRONGROOM_STORAGE_SECRET_KEY": servers.SECRET_KEY,
        }
    server = Server(folder, env)
    folder.mkdir(parents=True)
    yield server
    server.kill()


def test_parts_survive_kills_of_both_sides(server: Server) -> None:
    source = Source()
    told: list[tuple[str, str]] = []
    computing = threading.Thread(target=lambda: told.append(source.digests()))
    computing.start()
    token = server.add_user("owner@example.org")
    server.start()
    headers = {"Authorization": f"Bearer {token}"}

    def api(verb: str, path: str, **more: Any) -> Any:
        answer = requests.request(verb, f"{server.url}{path}", headers=headers, timeout=300, **more)
        assert answer.status_code < 300, answer.text[:500]
        return answer.json()

    draft = api("POST", "/api/deposit/depositions", json={})["id"]
    files = f"/api/records/{draft}/draft/files"
    item = {"key": "big/sparse.bin", "size": source.size}
    item["transfer"] = {"type": "M", "parts": PARTS, "part_size": PART}
    api("POST", files, json=[item])
    path = f"{files}/big/sparse.bin"
    client = Client(server, token, path, source)
    for kill in range(SERVER_KILLS + CLIENT_KILLS):
        client.begin()
        goal = PARTS * (kill + 1) // (SERVER_KILLS + CLIENT_KILLS + 1)
        while len(client.acknowledged) < goal and client.sending:
            time.sleep(0.005)
        if kill % 2:
            client.end(at_once=True)
        else:
            server.kill()
            client.end(at_once=False)
            server.start()
    client.begin()
    client.end(at_once=False)
    assert server.process is not None
    while True:
        # Where a dying client's request still held a part, it was not sent: send what is missing.
        missing = [p for p in api("GET", path)["links"]["parts"] if not p["received"]]
        if not missing:
            break
        time.sleep(0.2)
        client.begin()
        client.end(at_once=False)
    peak = peak_rss_mib(os.getpgid(server.process.pid))
    assert set(client.acknowledged.values()) == {1}, "what was received was not sent again"
    entry = api("POST", f"{path}/commit")
    end = time.monotonic() + 3600
    while entry["status"] == "verifying":
        assert time.monotonic() < end
        time.sleep(0.2)
        entry = api("GET", path)
    computing.join()
    md5, sha256 = told[0]
    assert (entry["status"], entry["size"], entry["checksum"]) == ("completed", source.size, f"md5:{md5}")
    head = requests.head(f"{server.url}{path}/content", headers=headers, timeout=60)
    assert sha256 in head.headers["etag"]
    assert int(head.headers["content-length"]) == source.size
    last = requests.get(
        f"{server.url}{path}/content", headers=headers | {"Range": f"bytes={(PARTS - 1) * PART}-{(PARTS - 1) * PART + 4095}"},
        timeout=60,
    )  # fmt: skip
    assert last.content == source.marks[-1]
    after = peak_rss_mib(os.getpgid(server.process.pid))
    print(
        f"FIGURE multipart kills: {source.size} bytes, peak {peak:.0f} MiB receiving, {after:.0f} MiB in all"
    )
    assert after < 400
    with contextlib.suppress(RuntimeError):
        assert server.stop() == 0


@pytest.mark.parametrize("server", ["s3"], indirect=True)
def test_two_workers_take_the_parts(server: Server) -> None:
    """Each part to whichever gets it; test_processes.py does the same on local disk."""
    server.workers = 2
    token = server.add_user("owner@example.org")
    server.start()
    headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
    size, parts = 5 * MIB, [secrets.token_bytes(5 * MIB) for _ in range(3)] + [b"the end"]
    whole = b"".join(parts)

    def api(verb: str, path: str, **more: Any) -> Any:
        more["headers"] = headers | more.get("headers", {})
        answer = requests.request(verb, f"{server.url}{path}", timeout=300, **more)
        assert answer.status_code < 300, answer.text[:500]
        return answer.json()

    draft = api("POST", "/api/deposit/depositions", json={})["id"]
    files = f"/api/records/{draft}/draft/files"
    transfer = {"type": "M", "parts": len(parts), "part_size": size}
    api("POST", files, json=[{"key": "a.bin", "size": len(whole), "transfer": transfer}])

    def send(n: int) -> None:
        octets = {"Content-Type": "application/octet-stream"}
        api("PUT", f"{files}/a.bin/content/{n}", data=parts[n - 1], headers=octets)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, [4, 3, 2, 1, 2]))
    entry = api("POST", f"{files}/a.bin/commit")
    end = time.monotonic() + 120
    while entry["status"] == "verifying":
        assert time.monotonic() < end
        time.sleep(0.1)
        entry = api("GET", f"{files}/a.bin")
    assert (entry["status"], entry["checksum"]) == ("completed", f"md5:{hashlib.md5(whole).hexdigest()}")
    got = requests.get(f"{server.url}{files}/a.bin/content", headers=headers, timeout=60)
    assert got.content == whole
    assert hashlib.sha256(whole).hexdigest() in got.headers["etag"]
    assert server.stop() == 0
