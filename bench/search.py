"""Search over many records that went through the API's code path: JSON on standard output.

    python -m bench.search [RECORDS]        (100000)

Loads the generator's records (../shared/bench/make_records.py) by the verbs the API calls (metadata read from Zenodo's
JSON, draft, file, publish; several in one transaction), then asks a real server its mixed queries over HTTP:
top 10, total and facets. Times in milliseconds as the client sees them.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.measure import cpu_seconds, percentile, report
from bench.requests import settle
from bench.search_floor import load, translate
from strongroom.access import Actor
from strongroom.app import build
from strongroom.files import service as files
from strongroom.metadata import legacy
from strongroom.records import drafts
from strongroom.records.publish import publish
from strongroom.storage import new_location
from strongroom.storage.receive import Digests
from tests.live import Server

MAKE = Path(__file__).parents[2] / "shared/bench/make_records.py"
BATCH = 50


def metadata(record: dict[str, Any]) -> dict[str, Any]:
    """A generated record as a depositor of Zenodo's API would send it."""
    kind, _, sub = record["resource_type"].partition("-")
    said: dict[str, Any] = {
        "title": record["title"],
        "description": record["description"],
        "upload_type": kind,
        "creators": [{"name": c["name"], "affiliation": c["affiliation"]} for c in record["creators"]],
        "keywords": record["keywords"],
        "publication_date": record["publication_date"],
        "license": record["licence"],
        "language": record["language"],
        "version": record["version"],
        "communities": [{"identifier": record["community"]}],
    }
    if sub:
        said[f"{kind}_type"] = sub
    if record["access"] in ("restricted", "embargoed"):
        said["access_right"] = record["access"]
        if record["access"] == "embargoed":
            said["embargo_date"] = "2099-01-01"
    if record["licence"] == "other-closed":
        said["license"] = "cc-by-4.0"
    return said


def main(count: int) -> None:
    maker = load(MAKE).Maker(1)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        server = Server(Path(folder) / "data")
        server.data_dir.mkdir()
        server.add_user("bench@example.org")
        ctx = build(server.settings())
        actor = Actor(1, False, None, "system")
        started, cpu = time.perf_counter(), time.process_time()
        for first in range(0, count, BATCH):
            with ctx.db.begin() as session:
                for n in range(first, min(first + BATCH, count)):
                    record = maker.record(n)
                    loaded = legacy.load(metadata(record), today=date.today(), site="Strongroom")
                    draft_id = drafts.create(session, ctx.db, actor, loaded.data)
                    bucket = drafts.open_bucket(session, actor, draft_id)
                    content = record["title"].encode()
                    location = new_location()
                    files.reserve(
                        session,
                        bucket,
                        "data.txt",
                        1,
                        len(content),
                        location,
                        ctx.store.name,
                        ctx.settings,
                        None,
                    )
                    sink = ctx.store.create(location, len(content))
                    sink.write(content)
                    sink.finish()
                    digests = Digests()
                    digests.update(content)
                    got = digests.received()
                    stored = files.Stored(ctx.store.name, location, got.size, got.md5, got.sha256, got.crc32)
                    files.attach(session, bucket, "data.txt", stored, "text/plain")
                    publish(session, ctx.settings, actor, draft_id)
            if first % 10_000 == 0:
                print(f"{first} records, {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
        loaded_in = time.perf_counter() - started
        loaded_cpu = time.process_time() - cpu
        ctx.db.close()
        server.start()
        assert server.process is not None
        group = os.getpgid(server.process.pid)
        begun = time.perf_counter()
        client = http.client.HTTPConnection("127.0.0.1", server.port)

        def ask(path: str) -> dict[str, Any]:
            client.request("GET", path)
            answer = client.getresponse()
            body = answer.read()
            assert answer.status == 200, body
            found: dict[str, Any] = json.loads(body)
            return found

        while ask("/api/records?size=1&all_versions=1")["hits"]["total"] < count * 0.9:
            time.sleep(1)
        settle(group)
        client.close()  # the server has closed what was idle for so long; the next request connects anew
        indexed_in = time.perf_counter() - begun
        times: dict[str, list[float]] = {}
        every: list[float] = []
        before = cpu_seconds(group)
        for query in maker.queries(count, 600):
            path = "/api/records?" + urlencode({"q": translate(query["q"]), "size": 10})
            asked = time.perf_counter()
            ask(path)
            took = (time.perf_counter() - asked) * 1000
            every.append(took)
            times.setdefault(query["kind"], []).append(took)
        cpu_ms = (cpu_seconds(group) - before) / len(every) * 1000
        # The page of 20 hits with all facets, as browsers get it.
        asked_for = [translate(q["q"]) for q in maker.queries(count, 300)]
        client.request("GET", "/search?" + urlencode({"q": "warm"}))
        client.getresponse().read()
        before, seen = cpu_seconds(group), 0
        for q in asked_for:
            client.request("GET", "/search?" + urlencode({"q": q}))
            answer = client.getresponse()
            seen += len(answer.read())
            assert answer.status == 200
        page_ms = (cpu_seconds(group) - before) / len(asked_for) * 1000
        server.stop()
        report(
            "search",
            {
                "records": count,
                "load_seconds": round(loaded_in, 1),
                "load_cpu_ms_a_record": round(loaded_cpu / count * 1000, 2),
                "index_and_jobs_seconds": round(indexed_in, 1),
                "p50_ms": percentile(every, 0.5),
                "p95_ms": percentile(every, 0.95),
                "max_ms": round(max(every), 1),
                "cpu_ms": round(cpu_ms, 2),
                "page_cpu_ms": round(page_ms, 2),
                "page_bytes": seen // len(asked_for),
                "p95_by_kind_ms": {k: percentile(v, 0.95) for k, v in times.items()},
                "limits": {"p95_ms": 15, "page_cpu_ms": 8},
            },
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
