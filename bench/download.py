"""How fast bytes go out: `file_response` behind granian against nginx with sendfile, same file, same client.

    python bench/download.py [--mib 1024] [--rounds 5] [--dir DIR]

Each round fetches, with curl to /dev/null: the whole file from nginx and from us, all but its first byte as a range
(which the server can't send by path) from both, and the file in ranges of 16 MiB over one connection.
Prints JSON: MiB/s (medians), ratios to nginx, and CPU seconds of the server for a GiB.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

APP = """
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from strongroom.files.views import FileView
from strongroom.http.transfer import file_response
from strongroom.storage.local import LocalStore

store = LocalStore(Path(os.environ["BENCH_DIR"]))
pool = ThreadPoolExecutor(4)
moment = datetime(2024, 1, 1, tzinfo=UTC)
size = Path(os.environ["BENCH_DIR"], "content").stat().st_size
file = FileView("id", "v", "x.bin", size, "0" * 32, "0" * 64, 0, "", moment, moment, "local", "content")

def get(request: Request) -> Response:
    return file_response(request, file, store, attachment=False, public=True, pool=pool)

async def content(request: Request) -> Response:
    return get(request)

app = Starlette(routes=[Route("/content", content)])
"""

NGINX = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[int]:
    """A server; gives the process id of the one that works."""
    environment = {**os.environ, "BENCH_DIR": str(folder), "PYTHONPATH": f"{Path.cwd()}:{folder}"}
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield int(children[-1]) if children else process.pid
    finally:
        process.terminate()
        process.wait()


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fetch(url: str, size: int, how: str) -> float:
    """Seconds to get all of it: `whole`, `range`, or `ranges` of 16 MiB over one connection."""
    command = ["curl", "-sf", "-o", "/dev/null"]
    if how == "range":
        command += ["-r", "1-", url]
    elif how == "ranges":
        step = 16 << 20
        command = ["curl", "-sf"]
        for start in range(0, size, step):
            if start:
                command.append("--next")
            command += ["-sf", "-o", "/dev/null", "-r", f"{start}-{start + step - 1}", url]
    else:
        command.append(url)
    begun = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, default=None)
    options = parser.parse_args()
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    folder = Path(tempfile.mkdtemp(prefix="bench-download-", dir=options.dir))
    size = options.mib << 20
    seconds: dict[tuple[str, str], list[float]] = {}
    cpu: dict[tuple[str, str], list[float]] = {}
    try:
        with (folder / "content").open("wb") as file:
            block = os.urandom(1 << 20)
            for _ in range(options.mib):
                file.write(block)
        ports = {"nginx": free_port(), "strongroom": free_port()}
        (folder / "bench_app.py").write_text(APP)
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=ports["nginx"]))
        granian = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1"]
        with (
            running([nginx, "-c", str(folder / "nginx.conf")], ports["nginx"], folder) as nginx_pid,
            running(
                [*granian, "--port", str(ports["strongroom"]), "--no-log", "bench_app:app"],
                ports["strongroom"],
                folder,
            ) as our_pid,
        ):
            pids = {"nginx": nginx_pid, "strongroom": our_pid}
            for port in ports.values():
                fetch(f"http://127.0.0.1:{port}/content", size, "whole")  # warm
            for _ in range(options.rounds):
                for how in ("whole", "range", "ranges"):
                    for name, port in ports.items():
                        before = cpu_of(pids[name])
                        taken = fetch(f"http://127.0.0.1:{port}/content", size, how)
                        seconds.setdefault((name, how), []).append(taken)
                        cpu.setdefault((name, how), []).append(
                            (cpu_of(pids[name]) - before) / options.mib * 1024
                        )
    finally:
        shutil.rmtree(folder)
    rate = {key: options.mib / statistics.median(values) for key, values in seconds.items()}
    result = {
        how: {
            "nginx_mib_per_s": round(rate["nginx", how]),
            "strongroom_mib_per_s": round(rate["strongroom", how]),
            "ratio": round(rate["strongroom", how] / rate["nginx", how], 2),
            "nginx_cpu_s_per_gib": round(statistics.median(cpu["nginx", how]), 2),
            "strongroom_cpu_s_per_gib": round(statistics.median(cpu["strongroom", how]), 2),
        }
        for how in ("whole", "range", "ranges")
    }
    print(json.dumps({"bench": "download", "mib": options.mib, "rounds": options.rounds, **result}, indent=2))


if __name__ == "__main__":
    main()
