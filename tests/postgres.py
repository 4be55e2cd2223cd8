"""One real PostgreSQL for a test process, started when the first test asks for it.

It is a throw-away server: data in a temporary folder, loopback only, a free port, and a default collation that does
not sort by bytes, so that a column which must do so says it itself. Nobody kills it and the machine stays up: so it
need not wait for the disk, but in `make prove`, whose figures are of a server that does. Under pytest-xdist every worker process has its own.

A shell holds the server and reads from a pipe whose other end only this process has. When the
pipe closes, be it by `stop()` or because we were killed, the shell stops the server and removes
the folder: nothing is left behind, whatever happens.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

MISSING = (
    "PostgreSQL's server programs (initdb, postgres) are not installed. Install them with "
    "'apt-get install postgresql' (as root), or leave the PostgreSQL half of the tests out with "
    "STRONGROOM_TEST_SKIP_POSTGRES=1."
)

USER = "strongroom"
LOCALE = ("--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")

_KEEPER = """
"$BIN/postgres" -D "$DATA" >"$LOG" 2>&1 &
server=$!
read -r _
kill -INT $server
wait $server
rm -rf "$FOLDER"
"""

_CONFIG = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 120
shared_buffers = 32MB
fsync = {wait}
synchronous_commit = {wait}
full_page_writes = {wait}
autovacuum = off
log_min_messages = warning
jit = off
"""


@dataclass
class Server:
    """A running server; `url` is the one of its maintenance database."""

    url: str
    keeper: subprocess.Popen[bytes]
    folder: Path

    def stop(self) -> None:
        """Stop the server and remove its data."""
        assert self.keeper.stdin is not None
        self.keeper.stdin.close()
        self.keeper.wait(timeout=60)


def binaries() -> Path | None:
    """The folder with `initdb` and `postgres`, or None: Debian's newest version, else by PATH."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0])
    )
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


def start() -> Server:
    """Start a server of our own. Raises RuntimeError with what to install when there is none."""
    programs = binaries()
    if programs is None:
        raise RuntimeError(MISSING)
    # Not below pytest's own folder: that one is closed to other users, and PostgreSQL refuses root.
    folder = Path(tempfile.mkdtemp(prefix="strongroom-pg-"))
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        account = _unprivileged()
        uid, gid = account.pw_uid, account.pw_gid
        os.chown(folder, uid, gid)
    data = folder / "data"
    as_user = {"user": uid, "group": gid, "extra_groups": []} if os.getuid() == 0 else {}
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LC_ALL": "C",
        "BIN": str(programs),
        "DATA": str(data),
        "LOG": str(folder / "log"),
        "FOLDER": str(folder),
    }
    made = subprocess.run(
        [programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "--no-sync", *LOCALE],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        **as_user,  # type: ignore[call-overload]
    )
    if made.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        raise RuntimeError(f"initdb failed: {made.stderr or made.stdout}")
    port = _free_port()
    with (data / "postgresql.conf").open("a") as config:
        config.write(_CONFIG.format(port=port, wait="on" if os.environ.get("PROVE") == "1" else "off"))
    keeper: subprocess.Popen[bytes] = subprocess.Popen(
        ["/bin/sh", "-c", _KEEPER],
        stdin=subprocess.PIPE,
        cwd=folder,
        env=environment,
        start_new_session=True,  # Ctrl-C is for us; the server is stopped through the pipe
        **as_user,  # type: ignore[call-overload]
    )
    server = Server(f"postgresql://{USER}@127.0.0.1:{port}/postgres", keeper, folder)
    end = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(server.url, connect_timeout=5).close()
            return server
        except psycopg.OperationalError as error:
            if time.monotonic() > end:
                log = (folder / "log").read_text() if (folder / "log").exists() else ""
                server.stop()
                raise RuntimeError(f"PostgreSQL did not start: {error}\n{log}") from error
            time.sleep(0.05)


def fresh_database(url: str, template: str | None = None) -> str:
    """Create an empty database (or a copy of the one at the url `template`) and return its url."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if template:
        statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template.rpartition("/")[2]))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
    return f"{url.rpartition('/')[0]}/{name}"


def drop_database(url: str) -> None:
    """Remove a database made by `fresh_database`, whoever is still connected to it."""
    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL refuses to run as root, and there is no account 'postgres' or 'nobody'.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
