"""CPU of single requests against a real server: record JSON, landing page (first, again, 304), deposit cycle.

    python -m bench.requests [RECORDS]        prints JSON

Reads come over 8 connections at once, as bots do; deposits over one. CPU is that of all the server's processes, background work included, read from /proc; so the client's own
work does not count, and other load on the machine disturbs little.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.measure import cpu_seconds, memory_mib, report, timed
from tests.live import Server

CONNECTIONS = 8
ROSE = Path(__file__).parents[2] / "shared/data/rose/recipe-metadata.json"


class Client:
    """One kept connection."""

    def __init__(self, port: int, token: str | None = None) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.token = token
        self.used = time.monotonic()

    def call(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        sent = dict(headers)
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        if time.monotonic() - self.used > 5:
            self.connection.close()  # the server may have: it keeps idle connections for a while only
        self.connection.request(method, path, body, sent)
        answer = self.connection.getresponse()
        self.used = time.monotonic()
        return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}


def publish(client: Client, metadata: bytes, content: bytes) -> int:
    """One deposit cycle: create, 1 file, metadata, publish."""
    status, body, _ = client.call("POST", "/api/deposit/depositions", b"{}")
    assert status == 201, body
    made = json.loads(body)
    bucket = made["links"]["bucket"].partition("/api/")[2]
    status, body, _ = client.call("PUT", f"/api/{bucket}/data.bin", content)
    assert status == 201, body
    status, body, _ = client.call("PUT", f"/api/deposit/depositions/{made['id']}", metadata)
    assert status == 200, body
    status, body, _ = client.call("POST", f"/api/deposit/depositions/{made['id']}/actions/publish")
    assert status == 202, body
    return int(made["id"])


def settle(group: int) -> None:
    """Wait until the background work is done: no CPU for a second."""
    before = cpu_seconds(group)
    while True:
        time.sleep(1.5)
        now = cpu_seconds(group)
        if now - before < 0.02:
            return
        before = now


def main(count: int) -> None:
    metadata = json.loads(ROSE.read_text())
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        server = Server(Path(folder) / "data")
        server.data_dir.mkdir()
        token = server.add_user("bench@example.org")
        server.start().stop()
        starts = []
        for _ in range(5):
            starts.append(timed(server.start))
            server.stop()
        server.start()
        assert server.process is not None
        group = os.getpgid(server.process.pid)
        for path in ("/", "/search?q=x", "/api/records"):
            Client(server.port).call("GET", path)
        time.sleep(3)
        idle = memory_mib(group)
        writer = Client(server.port, token)
        reader = Client(server.port)
        ids = []
        for _n in range(20):
            ids.append(publish(writer, json.dumps(metadata).encode(), os.urandom(1000)))
        settle(group)
        cycles = []
        done = 0
        for _ in range(5):
            part = max(1, count // 5)
            before = cpu_seconds(group)
            for _ in range(part):
                metadata["metadata"]["title"] = f"Rose scent {done} {random.getrandbits(40):x}"
                ids.append(publish(writer, json.dumps(metadata).encode(), os.urandom(100_000)))
                done += 1
            settle(group)
            cycles.append((cpu_seconds(group) - before) / part * 1000)
        server.stop()
        server.start()  # empty caches
        assert server.process is not None
        group = os.getpgid(server.process.pid)
        figures: dict[str, float] = {}
        etags: dict[int, str] = {}
        for name, path, send in (
            ("record_json_first_ms", "/api/records/{}", False),
            ("record_json_again_ms", "/api/records/{}", False),
            ("page_first_ms", "/records/{}", False),
            ("page_again_ms", "/records/{}", False),
            ("page_304_ms", "/records/{}", True),
        ):
            random.shuffle(ids)
            readers = [Client(server.port) for _ in range(CONNECTIONS)]
            for reader in readers:
                reader.call("GET", "/robots.txt")
            reader.call("GET", path.format(ids[0]))
            settle(group)
            before = cpu_seconds(group)

            def read(n: int, path: str = path, send: bool = send, readers: list[Client] = readers) -> None:
                for record_id in ids[n::CONNECTIONS]:
                    headers = {"If-None-Match": etags[record_id]} if send else {}
                    status, _, got = readers[n].call("GET", path.format(record_id), **headers)
                    assert status == (304 if send else 200), status
                    etags[record_id] = got["etag"]

            with ThreadPoolExecutor(CONNECTIONS) as pool:
                list(pool.map(read, range(CONNECTIONS)))
            figures[name] = round((cpu_seconds(group) - before) / len(ids) * 1000, 4)
        two = Server(Path(folder) / "data", workers=2)
        server.stop()
        two.start()
        assert two.process is not None
        time.sleep(4)
        both = memory_mib(os.getpgid(two.process.pid))
        two.stop()
        report(
            "requests",
            {
                "records": len(ids),
                "cpu": figures,
                "cycle_cpu_ms": sorted(round(c, 2) for c in cycles)[len(cycles) // 2],
                "cycle_cpu_ms_all": [round(c, 2) for c in cycles],
                "start_seconds": sorted(round(s, 3) for s in starts)[2],
                "idle_pss_mib": round(idle, 1),
                "second_worker_pss_mib": round(both - idle, 1),
                "limits": {
                    "record_json_ms": 0.4, "page_first_ms": 2.5, "page_again_ms": 0.4, "page_304_ms": 0.2,
                    "cycle_cpu_ms": 15, "start_seconds": 1.5, "idle_pss_mib": 140, "second_worker_pss_mib": 90,
                },
            },
        )  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
