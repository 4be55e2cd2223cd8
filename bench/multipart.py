"""One large file in parallel parts against the same file in one stream: JSON on standard output.

    python -m bench.multipart [MIB] [PART_MIB]        (2048 32)

Each round: the file by PUT of its whole content and commit, then as parts over 8 connections and commit, until the
entry is `completed` (md5 and sha256 known). Then 512 MiB over links of 20 MB/s a connection, 1 to 8 of them. All
bytes are sent by curl, which costs less CPU than a Python client. Ratios are taken within a round.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.measure import cpu_seconds, median, memory_mib, peak_rss_mib, reference_upload, report
from bench.requests import Client
from tests.live import Server

CONNECTIONS = 8
SLOW = 20_000_000  # bytes a second of one connection


def curl(server: Server, token: str, path: str, *more: str, **how: Any) -> None:
    done = subprocess.run(
        ["curl", "-sS", "-f", "-o", "/dev/null", "-X", "PUT", "-H", f"Authorization: Bearer {token}", "-H", "Expect:",
         "-H", "Content-Type: application/octet-stream", *more, f"{server.url}{path}"],
        check=False, **how,
    )  # fmt: skip
    assert done.returncode == 0, server.log()[-2000:]


class Upload:
    """Drafts of one server, and the ways to fill them."""

    def __init__(self, server: Server, token: str, part_mib: int) -> None:
        self.server, self.token, self.part = server, token, part_mib << 20
        self.client = Client(server.port, token)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        said = json.dumps(body).encode() if body is not None else b""
        status, told, _ = self.client.call(method, path, said, **{"Content-Type": "application/json"})
        assert status < 300, (status, told[:500])
        return json.loads(told)

    def announce(self, **item: Any) -> str:
        draft = self.call("POST", "/api/deposit/depositions", {})["id"]
        self.call("POST", f"/api/records/{draft}/draft/files", [{"key": "big.bin", **item}])
        return f"/api/records/{draft}/draft/files/big.bin"

    def commit(self, path: str) -> None:
        entry = self.call("POST", f"{path}/commit")
        while entry["status"] == "verifying":
            time.sleep(0.02)
            entry = self.call("GET", path)
        assert entry["status"] == "completed", entry

    def whole(self, source: Path) -> float:
        path = self.announce()
        started = time.perf_counter()
        curl(self.server, self.token, f"{path}/content", "-T", str(source))
        self.commit(path)
        return time.perf_counter() - started

    def parts(self, source: Path, connections: int, rate: int = 0) -> float:
        size = source.stat().st_size
        count = -(-size // self.part)
        path = self.announce(size=size, transfer={"type": "M", "parts": count, "part_size": self.part})
        limit = ("--limit-rate", str(rate)) if rate else ()

        def send(n: int) -> None:
            # curl sends a piece of a file from its standard input only.
            cut = subprocess.Popen(
                ["dd", f"if={source}", "bs=1M", f"skip={(n - 1) * self.part >> 20}", f"count={self.part >> 20}"],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            length = min(self.part, size - (n - 1) * self.part)
            curl(
                self.server, self.token, f"{path}/content/{n}", "-T", "-", "-H", f"Content-Length: {length}",
                "-H", "Transfer-Encoding:", *limit, stdin=cut.stdout,
            )  # fmt: skip
            cut.wait()

        started = time.perf_counter()
        with ThreadPoolExecutor(connections) as pool:
            list(pool.map(send, range(1, count + 1)))
        self.commit(path)
        return time.perf_counter() - started


def main(mib: int, part_mib: int) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        source, small = Path(folder) / "source", Path(folder) / "small"
        with source.open("wb") as file:
            block = os.urandom(64 << 20)
            for n in range(mib // 64):
                file.write(n.to_bytes(8, "big") + block[8:])
        with small.open("wb") as file:
            for n in range(min(8, mib // 64)):
                file.write(n.to_bytes(8, "big") + block[8:])
        server = Server(Path(folder) / "data")
        server.data_dir.mkdir()
        token = server.add_user("bench@example.org")
        server.start()
        assert server.process is not None
        group = os.getpgid(server.process.pid)
        upload = Upload(server, token, part_mib)
        upload.parts(small, CONNECTIONS)
        time.sleep(2)
        rss, idle = peak_rss_mib(group), memory_mib(group)
        rounds = []
        for _ in range(3):
            reference = reference_upload(source, Path(folder) / "reference")
            figures: dict[str, float] = {"reference_mb_s": round(reference, 1)}
            for name in ("whole", "parts"):
                before = cpu_seconds(group)
                seconds = upload.whole(source) if name == "whole" else upload.parts(source, CONNECTIONS)
                figures[f"{name}_mb_s"] = round(mib * (1 << 20) / seconds / 1e6, 1)
                figures[f"{name}_cpu_s_per_gib"] = round((cpu_seconds(group) - before) / (mib / 1024), 2)
                os.sync()
            figures["ratio"] = round(figures["parts_mb_s"] / figures["whole_mb_s"], 3)
            rounds.append(figures)
        growth = peak_rss_mib(group) - rss
        slow = {}
        size = small.stat().st_size
        for connections in (1, 2, 4, 8):
            seconds = upload.parts(small, connections, SLOW)
            slow[str(connections)] = round(size / seconds / 1e6, 1)
        server.stop()
        report(
            "multipart",
            {
                "mib": mib,
                "part_mib": part_mib,
                "rounds": rounds,
                "ratio": median(r["ratio"] for r in rounds),
                "memory_growth_mib": round(growth, 1),
                "idle_pss_mib": round(idle, 1),
                "slow_link_mb_s_by_connections": slow,
                "limits": {"ratio": 0.8, "memory_growth_mib": 32},
            },
        )


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[1:]]
    main(*(numbers + [2048, 32][len(numbers) :]))
