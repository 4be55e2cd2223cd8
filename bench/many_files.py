"""50,000 files of 1 KB in one record, over the wire, by 8 connections: JSON on standard output.

    python -m bench.many_files [FILES]        (50000)

Two ways in: one PUT a file into the bucket (the deposit API), and the records API's three steps, announced 500 at
a time. Every file is fsynced. Then pages, the record without its list, publishing, the next version with one file
changed, the zip. Times are of whole requests, as the client sees them. `reference` is what this machine does with
the same bytes and no server: as many files written and fsynced by as many threads.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import func, select

from bench.measure import cpu_seconds, median, peak_rss_mib, percentile, report, timed
from bench.requests import ROSE, Client
from strongroom.files.models import instances
from tests.live import Server

CONNECTIONS = 8
BATCH = 500
OCTETS = {"Content-Type": "application/octet-stream"}


def content(n: int) -> bytes:
    return b"%08d" % n + os.urandom(1016)


def key(n: int) -> str:
    return f"plate{n // 1000:03}/well{n:06}.csv"


def good(told: tuple[int, bytes, dict[str, str]]) -> bytes:
    status, body, _ = told
    assert status < 300, (status, body[:500])
    return body


def by_many(port: int, token: str, count: int, work: Callable[[Client, int], None]) -> float:
    """Seconds for `work(client, n)` of all n, dealt out to the connections."""

    def one(first: int) -> None:
        client = Client(port, token)
        for n in range(first, count, CONNECTIONS):
            work(client, n)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return timed(lambda: list(pool.map(one, range(CONNECTIONS))))


def reference(folder: Path, count: int) -> float:
    """Files a second that this machine writes, fsyncs and names."""
    folder.mkdir()

    def one(first: int) -> None:
        for n in range(first, count, CONNECTIONS):
            with (folder / f"{n}.part").open("wb") as file:
                file.write(content(n))
                file.flush()
                os.fsync(file.fileno())
            (folder / f"{n}.part").rename(folder / str(n))

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return count / timed(lambda: list(pool.map(one, range(CONNECTIONS))))


def main(count: int) -> None:
    metadata = ROSE.read_bytes()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        figures: dict[str, object] = {"files": count}
        figures["reference_files_s"] = round(reference(Path(folder) / "reference", min(count, 5000)), 1)
        server = Server(Path(folder) / "data")
        server.data_dir.mkdir()
        token = server.add_user("bench@example.org")
        server.start()
        assert server.process is not None
        group = os.getpgid(server.process.pid)
        client = Client(server.port, token)

        def create() -> tuple[int, str]:
            made = json.loads(good(client.call("POST", "/api/deposit/depositions", b"{}")))
            good(client.call("PUT", f"/api/deposit/depositions/{made['id']}", metadata))
            return int(made["id"]), "/api/" + made["links"]["bucket"].partition("/api/")[2]

        def publish(draft: int) -> float:
            path = f"/api/deposit/depositions/{draft}/actions/publish"
            started = time.perf_counter()
            good(client.call("POST", path))
            return time.perf_counter() - started

        _, bucket = create()
        by_many(
            server.port,
            token,
            50,
            lambda c, n: good(c.call("PUT", f"{bucket}/{key(n)}", content(n))) and None,
        )

        first, bucket = create()
        before = cpu_seconds(group)
        seconds = by_many(
            server.port,
            token,
            count,
            lambda c, n: good(c.call("PUT", f"{bucket}/{key(n)}", content(n))) and None,
        )
        figures["bucket_files_s"] = round(count / seconds, 1)
        figures["bucket_cpu_ms_a_file"] = round((cpu_seconds(group) - before) / count * 1000, 3)

        steps, _ = create()
        path = f"/api/records/{steps}/draft/files"
        half = max(BATCH, count // 5)
        started = time.perf_counter()
        before = cpu_seconds(group)
        for at in range(0, half, BATCH):
            items = [{"key": key(n), "size": 1024} for n in range(at, min(at + BATCH, half))]
            good(
                client.call("POST", path, json.dumps(items).encode(), **{"Content-Type": "application/json"})
            )
        figures["announced_s"] = round(half / (time.perf_counter() - started), 1)

        def send(c: Client, n: int) -> None:
            good(c.call("PUT", f"{path}/{key(n)}/content", content(n), **OCTETS))
            good(c.call("POST", f"{path}/{key(n)}/commit"))

        by_many(server.port, token, half, send)
        figures["three_steps_files_s"] = round(half / (time.perf_counter() - started), 1)
        figures["three_steps_cpu_ms_a_file"] = round((cpu_seconds(group) - before) / half * 1000, 3)

        def pages(where: str, total: int) -> list[float]:
            times = []
            for n in range(25):
                page = 1 + n * (total // 100 - 1) // 24
                times.append(timed(lambda p=page: good(client.call("GET", f"{where}?size=100&page={p}"))))  # type: ignore[misc]
            return [t * 1000 for t in times]

        drafted = pages(f"/api/records/{first}/draft/files", count)
        figures["draft_page_ms"] = {
            "median": median(drafted),
            "p95": percentile(drafted, 0.95),
            "max": max(drafted),
        }
        figures["publish_s"] = round(publish(first), 3)
        shown = pages(f"/api/records/{first}/files", count)
        figures["record_page_ms"] = {
            "median": median(shown),
            "p95": percentile(shown, 0.95),
            "max": max(shown),
        }
        accept = {"Accept": "application/vnd.inveniordm.v1+json"}
        alone = [
            timed(lambda: good(client.call("GET", f"/api/records/{first}?files=0", **accept))) * 1000
            for _ in range(20)
        ]
        figures["record_without_list_ms"] = median(alone)

        db = server.database()

        def stored() -> int:
            with db.read() as session:
                return int(session.execute(select(func.count()).select_from(instances)).scalar_one())

        before_version = stored()
        started = time.perf_counter()
        made = json.loads(good(client.call("POST", f"/api/deposit/depositions/{first}/actions/newversion")))
        figures["new_version_s"] = round(time.perf_counter() - started, 3)
        second = int(made["links"]["latest_draft"].rpartition("/")[2])
        bucket = "/api/" + made["links"]["bucket"].partition("/api/")[2]
        good(client.call("PUT", f"{bucket}/{key(7)}", b"changed"))
        figures["publish_changed_s"] = round(publish(second), 3)
        figures["instances_added"] = stored() - before_version
        db.close()
        started = time.perf_counter()
        archive = good(client.call("GET", f"/api/records/{second}/files-archive"))
        figures["zip_s"] = round(time.perf_counter() - started, 2)
        figures["zip_bytes"] = len(archive)
        figures["peak_rss_mib"] = round(peak_rss_mib(group), 1)
        server.stop()
        figures["limits"] = {
            "bucket_files_s": 250, "publish_s": 1, "publish_changed_s": 0.5, "record_page_ms": 30,
            "record_without_list_ms": 5, "instances_added": 1,
        }  # fmt: skip
        report("many_files", figures)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
