"""A real `strongroom serve` in a process of its own, on loopback, for tests over the wire."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from strongroom import migrations
from strongroom.access import SCOPES
from strongroom.accounts import service as accounts
from strongroom.db import Database
from strongroom.settings import Settings

COMMAND = [sys.executable, "-m", "strongroom"]
PASSWORD = "correct horse"


def free_port() -> int:
    """A port that nobody listens on, not of those that the system gives to clients' connections.

    So a server that is killed finds it free when it starts again, and (each process of pytest-xdist
    has a range of its own) no two tests share one: granian would let them (SO_REUSEPORT).
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = 20_000 + worker % 12 * 1_000 + random.randrange(1_000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@dataclass
class Server:
    """One data folder and the process that serves it; `start`, `kill` and `stop` as often as wanted."""

    data_dir: Path
    env: dict[str, str] = field(default_factory=dict)
    workers: int = 1
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """What the process sees: nothing of ours but what the test gives."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("STRONGROOM_")}
        return {
            **kept,
            "STRONGROOM_DATA_DIR": str(self.data_dir),
            "STRONGROOM_BASE_URL": self.url,
            "STRONGROOM_DOI_PREFIX": "10.5281",
            "STRONGROOM_DOI_NAME": "zenodo",
            "STRONGROOM_RATE_LIMITS": "off",
            **self.env,
        }

    def settings(self) -> Settings:
        """The settings the process has, for looking into its database and store."""
        named = {
            k.removeprefix("STRONGROOM_").lower(): v
            for k, v in self.environment().items()
            if k.startswith("STRONGROOM_")
        }
        return Settings(**named)

    def command(self) -> list[str]:
        return [*COMMAND, "serve", "--port", str(self.port), "--workers", str(self.workers)]

    def start(self, timeout: float = 30) -> Server:
        log = open(self.data_dir.with_suffix(".log"), "ab")  # noqa: SIM115
        self.process = subprocess.Popen(
            self.command(),
            env=self.environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        end = time.monotonic() + timeout
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/robots.txt", timeout=5):
                    return self
            except (OSError, urllib.error.URLError):
                if self.process.poll() is not None or time.monotonic() > end:
                    self.kill()
                    raise RuntimeError(self.log()[-4000:]) from None
                time.sleep(0.02)

    def log(self) -> str:
        return self.data_dir.with_suffix(".log").read_text(errors="replace")

    def kill(self) -> None:
        """`kill -9` of everything the server started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self, timeout: float = 40) -> int:
        """SIGTERM, as an operator would; the exit status."""
        assert self.process is not None
        self.process.terminate()
        try:
            code = self.process.wait(timeout)
        finally:
            self.kill()
        return code

    def database(self) -> Database:
        """The server's database, brought up to date; close it after use."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        db = Database(self.settings())
        migrations.upgrade(db)
        return db

    def add_user(self, email: str, *, admin: bool = False, scopes: tuple[str, ...] = SCOPES) -> str:
        """An account with a token (which is returned); works while the server runs."""
        db = self.database()
        try:
            with db.begin() as session:
                user_id = accounts.add_user(
                    session, email, PASSWORD, name=email.partition("@")[0], is_admin=admin
                )
                return accounts.create_token(session, user_id, scopes)
        finally:
            db.close()

    def token_for(self, email: str, *scopes: str) -> str:
        db = self.database()
        try:
            with db.begin() as session:
                return accounts.create_token(session, accounts.find_user(session, email).id, scopes)
        finally:
            db.close()
