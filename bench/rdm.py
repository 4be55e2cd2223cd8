"""CPU of the records API against a real server: record, deposit cycle of five calls, search of 10 hits.

    python -m bench.rdm [RECORDS]        prints JSON

The figures to beat are InvenioRDM 14's on this machine: 31, 286 and 109 ms (issue 3).
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.measure import cpu_seconds, median, report
from bench.requests import CONNECTIONS, Client, settle
from tests.live import Server

VENDOR = {"Accept": "application/vnd.inveniordm.v1+json"}
INVENIO_MS = {"record": 31.0, "cycle": 286.0, "search": 109.0}
WORDS = ("rose", "scent", "cultivar", "metabolite", "petal", "volatile", "terpene", "garden", "leaf", "bloom")


def described(n: int) -> dict[str, Any]:
    """The body of `POST /api/records` number n."""
    return {
        "metadata": {
            "title": f"{random.choice(WORDS)} {random.choice(WORDS)} {n}",
            "resource_type": {"id": "dataset"},
            "publication_date": "2026-11-22",
            "publisher": "Strongroom",
            "description": f"<p>{' '.join(random.choices(WORDS, k=40))}</p>",
            "creators": [
                {
                    "person_or_org": {"type": "personal", "family_name": "Curie", "given_name": "Marie"},
                    "affiliations": [{"name": "Sorbonne"}],
                }
            ],
            "rights": [{"id": "cc-by-4.0"}],
            "subjects": [{"subject": word} for word in random.sample(WORDS, 3)],
        }
    }


def cycle(client: Client, n: int, content: bytes) -> int:
    """Five calls: create, announce a file, its content, commit, publish."""

    def call(status: int, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
        got, answer, _ = client.call(method, path, body, **{**VENDOR, **headers})
        assert got == status, answer
        return json.loads(answer)

    json_type = {"Content-Type": "application/json"}
    made = call(201, "POST", "/api/records", json.dumps(described(n)).encode(), **json_type)
    draft = f"/api/records/{made['id']}/draft"
    call(201, "POST", f"{draft}/files", b'[{"key": "data.bin"}]', **json_type)
    call(
        200, "PUT", f"{draft}/files/data.bin/content", content, **{"Content-Type": "application/octet-stream"}
    )
    call(200, "POST", f"{draft}/files/data.bin/commit")
    call(202, "POST", f"{draft}/actions/publish")
    return int(made["id"])


def main(count: int) -> None:
    random.seed(3)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        server = Server(Path(folder) / "data")
        server.data_dir.mkdir()
        token = server.add_user("bench@example.org")
        server.start()
        assert server.process is not None
        group = os.getpgid(server.process.pid)
        writer = Client(server.port, token)
        ids = [cycle(writer, n, os.urandom(1000)) for n in range(20)]
        settle(group)
        cycles = []
        for part in range(5):
            before = cpu_seconds(group)
            some = max(1, count // 5)
            ids += [cycle(writer, part * some + n, os.urandom(100_000)) for n in range(some)]
            settle(group)
            cycles.append((cpu_seconds(group) - before) / some * 1000)

        def measured(paths: list[str]) -> float:
            readers = [Client(server.port) for _ in range(CONNECTIONS)]
            settle(group)
            before = cpu_seconds(group)

            def read(n: int) -> None:
                for path in paths[n::CONNECTIONS]:
                    status, answer, _ = readers[n].call("GET", path, **VENDOR)
                    assert status == 200, answer

            with ThreadPoolExecutor(CONNECTIONS) as pool:
                list(pool.map(read, range(CONNECTIONS)))
            return (cpu_seconds(group) - before) / len(paths) * 1000

        random.shuffle(ids)
        paths = [f"/api/records/{i}" for i in ids]
        first, again = measured(paths), measured(paths)
        searches = [
            f"/api/records?q={random.choice(WORDS)}+{random.choice(WORDS)}&size=10&page={random.randint(1, 5)}"
            for _ in range(min(count, 1000))
        ]
        searched = measured(searches)
        server.stop()
        done = {"record": again, "cycle": median(cycles), "search": searched}
        report(
            "rdm",
            {
                "records": len(ids),
                "cpu_ms": {"record_first": round(first, 4), **{k: round(v, 4) for k, v in done.items()}},
                "cycles_ms": [round(c, 2) for c in cycles],
                "times_faster_than_inveniordm": {k: round(INVENIO_MS[k] / v, 1) for k, v in done.items()},
                "limits": {"record": 50, "cycle": 15, "search": 40},
            },
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
