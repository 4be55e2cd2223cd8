"""How fast bytes come in: `receive` into local files against `tee` and `openssl` on the same machine.

    python bench/receive.py [--mib 2048] [--rounds 3] [--dir DIR]

Each round runs, one after the other on the same source file: the reference (`tee` into `openssl dgst -md5`,
`openssl dgst -sha256` and a file, then fsync), `receive` fed in this process (chunks of 256 KiB), and `receive`
behind a real server (granian, one worker, fed by curl). Prints JSON: MiB/s (medians), ratios to the
reference, CPU seconds for a GiB (of the server process where there is one), and the growth of the server's memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from strongroom.storage import new_location
from strongroom.storage.local import LocalStore
from strongroom.storage.receive import receive

CHUNK = 256 << 10


def source(folder: Path, mib: int) -> Path:
    """A file of random bytes (repeated every 64 MiB), in the page cache."""
    path = folder / "source"
    block = os.urandom(64 << 20)
    with path.open("wb") as file:
        for _ in range(0, mib, 64):
            file.write(block[: (mib << 20) - file.tell()])
    return path


def reference(path: Path, folder: Path) -> float:
    target = folder / "tee"
    script = 'tee >(openssl dgst -md5 >&2) >(openssl dgst -sha256 >&2) < "$0" > "$1"; sync "$1"; wait'
    begun = time.perf_counter()
    subprocess.run(["bash", "-c", script, path, target], check=True, stderr=subprocess.DEVNULL)
    taken = time.perf_counter() - begun
    target.unlink()
    return taken


def in_process(path: Path, folder: Path) -> tuple[float, float]:
    """Seconds of wall and of CPU."""
    store = LocalStore(folder / "files")

    async def chunks() -> AsyncIterator[bytes]:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                yield chunk
                await asyncio.sleep(0)

    size = path.stat().st_size

    async def run() -> None:
        with ThreadPoolExecutor(4) as pool:
            location = new_location()
            await receive(
                chunks(), store.create(location, size), pool=pool, expected_size=size, idle_timeout=60
            )
            store.delete(location)

    begun, cpu = time.perf_counter(), time.process_time()
    asyncio.run(run())
    return time.perf_counter() - begun, time.process_time() - cpu


APP = """
import os, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from strongroom.http.transfer import body_of
from strongroom.storage import new_location
from strongroom.storage.local import LocalStore
from strongroom.storage.receive import receive

store = LocalStore(Path(os.environ["BENCH_DIR"]) / "files")
pool = ThreadPoolExecutor(4)

async def put(request: Request) -> JSONResponse:
    size = int(request.headers["content-length"])
    location = new_location()
    got = await receive(body_of(request), store.create(location, size), pool=pool, expected_size=size, idle_timeout=60)
    store.delete(location)
    return JSONResponse({"md5": got.md5})

app = Starlette(routes=[Route("/x", put, methods=["PUT"])])
"""


@contextmanager
def server(folder: Path) -> Iterator[tuple[int, int]]:
    """Granian with the little app above; gives port and process id of the worker."""
    (folder / "bench_app.py").write_text(APP)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", "--interface", "asgi"),
            *("--host", "127.0.0.1", "--port", str(port), "--no-log", "bench_app:app"),
        ],
        cwd=folder,
        env={**os.environ, "BENCH_DIR": str(folder), "PYTHONPATH": f"{Path.cwd()}:{folder}"},
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield port, int(children[-1]) if children else process.pid
    finally:
        process.terminate()
        process.wait()


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_of(pid: int) -> int:
    """Largest resident memory so far, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def over_http(path: Path, port: int) -> float:
    begun = time.perf_counter()
    answer = subprocess.run(
        ["curl", "-sf", "-H", "Expect:", "-T", str(path), f"http://127.0.0.1:{port}/x"],
        check=True,
        capture_output=True,
    )
    taken = time.perf_counter() - begun
    assert len(json.loads(answer.stdout)["md5"]) == 32
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=None)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-receive-", dir=options.dir))
    times: dict[str, list[float]] = {"reference": [], "receive": [], "http": []}
    cpu: dict[str, list[float]] = {"receive": [], "http": []}
    gib = options.mib / 1024
    try:
        path = source(folder, options.mib)
        with server(folder) as (port, pid):
            small = folder / "small"
            small.write_bytes(os.urandom(8 << 20))
            over_http(small, port)
            memory = peak_of(pid)
            for _ in range(options.rounds):
                times["reference"].append(reference(path, folder))
                wall, used = in_process(path, folder)
                times["receive"].append(wall)
                cpu["receive"].append(used / gib)
                before = cpu_of(pid)
                times["http"].append(over_http(path, port))
                cpu["http"].append((cpu_of(pid) - before) / gib)
            growth = peak_of(pid) - memory
    finally:
        shutil.rmtree(folder)
    rate = {name: options.mib / statistics.median(values) for name, values in times.items()}
    print(
        json.dumps(
            {
                "bench": "receive",
                "mib": options.mib,
                "rounds": options.rounds,
                "mib_per_s": {name: round(value) for name, value in rate.items()},
                "ratio_to_reference": {
                    name: round(rate[name] / rate["reference"], 2) for name in ("receive", "http")
                },
                "cpu_s_per_gib": {name: round(statistics.median(values), 2) for name, values in cpu.items()},
                "server_memory_growth_mib": round(growth / 1024, 1),
                "all_seconds": {
                    name: [round(value, 2) for value in values] for name, values in times.items()
                },
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
