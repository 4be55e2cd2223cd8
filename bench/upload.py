"""Uploads through the real server against the machine's own tools: JSON on standard output.

    python -m bench.upload [MIB]        (2048)

Each round: the reference (`tee` into `openssl dgst -md5`, `openssl dgst -sha256` and a synced file), then the same
file by PUT into a draft's bucket. Then 8 uploads of MIB/8 at once. Ratios are taken within a round.
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

from bench.measure import cpu_seconds, median, memory_mib, peak_rss_mib, reference_upload, report
from bench.requests import Client
from tests.live import Server


def send(server: Server, token: str, bucket: str, key: str, path: Path) -> float:
    """Seconds of one PUT by curl, which sends with less CPU than a Python client."""
    started = time.perf_counter()
    done = subprocess.run(
        ["curl", "-sS", "-f", "-o", "/dev/null", "-T", str(path), "-H", f"Authorization: Bearer {token}", "-H", "Expect:",
         f"{bucket}/{key}"],
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, server.log()[-2000:]
    return time.perf_counter() - started


def main(mib: int) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        source = Path(folder) / "source"
        with source.open("wb") as file:
            block = os.urandom(64 << 20)
            for n in range(mib // 64):
                file.write(n.to_bytes(8, "big") + block[8:])
        small = Path(folder) / "small"
        with small.open("wb") as file, source.open("rb") as whole:
            file.write(whole.read((mib // 8) << 20))
        server = Server(Path(folder) / "data")
        server.data_dir.mkdir()
        token = server.add_user("bench@example.org")
        server.start()
        assert server.process is not None
        group = os.getpgid(server.process.pid)
        client = Client(server.port, token)

        def bucket() -> str:
            _, body, _ = client.call("POST", "/api/deposit/depositions", b"{}")
            return str(json.loads(body)["links"]["bucket"])

        send(server, token, bucket(), "warm", small)
        time.sleep(2)
        rounds = []
        rss = peak_rss_mib(group)
        idle = memory_mib(group)
        for n in range(3):
            reference = reference_upload(source, Path(folder) / "reference")
            where = bucket()
            before = cpu_seconds(group)
            seconds = send(server, token, where, f"big{n}", source)
            ours = mib * (1 << 20) / seconds / 1e6
            rounds.append(
                {
                    "reference_mb_s": round(reference, 1),
                    "upload_mb_s": round(ours, 1),
                    "ratio": round(ours / reference, 3),
                    "cpu_s_per_gib": round((cpu_seconds(group) - before) / (mib / 1024), 2),
                }
            )
            os.sync()
        growth = peak_rss_mib(group) - rss
        where = bucket()
        started = time.perf_counter()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: send(server, token, where, f"part{n}", small), range(8)))
        together = mib * (1 << 20) / (time.perf_counter() - started) / 1e6
        growth_8 = peak_rss_mib(group) - rss
        server.stop()
        report(
            "upload",
            {
                "mib": mib,
                "rounds": rounds,
                "ratio": median(r["ratio"] for r in rounds),
                "memory_growth_mib": round(growth, 1),
                "idle_pss_mib": round(idle, 1),
                "eight_at_once_mb_s": round(together, 1),
                "eight_at_once_ratio": round(together / median(r["reference_mb_s"] for r in rounds), 3),
                "eight_at_once_growth_mib": round(growth_8, 1),
                "limits": {"ratio": 0.9, "memory_growth_mib": 32},
            },
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2048)
