"""`kill -9` at any moment: what was acknowledged is there, what was not is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from sqlalchemy import func, select, update

from strongroom.ids import now
from strongroom.jobs.models import jobs
from tests import audit, postgres, servers
from tests.conftest import PROVE, count
from tests.crash.depositor import Depositor
from tests.live import COMMAND, Server

KILLS = count(6, 200)  # on each engine
CLIENTS = 4


@pytest.fixture(params=["sqlite", "postgresql", *(["postgresql and s3"] if PROVE else [])])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server that is not started yet, with an empty database of each kind."""
    env = {"STRONGROOM_DISK_RESERVE_BYTES": "0", "STRONGROOM_TRASH_DAYS": "0"}
    if "postgresql" in request.param:
        running: postgres.Server = request.getfixturevalue("postgres_server")
        env["STRONGROOM_DATABASE_URL"] = postgres.fresh_database(running.url)
    if "s3" in request.param:
        store: servers.S3Server = request.getfixturevalue("s3_server")
        env |= {
            "STRONGROOM_STORAGE_URL": f"s3://{store.fresh_bucket()}/some/folder",
            "STRONGROOM_STORAGE_ENDPOINT": store.url,
            "STRONGROOM_STORAGE_ACCESS_KEY": servers.ACCESS_KEY,
            "STRONGROOM_STORAGE_SECRET_KEY": servers.SECRET_KEY,
        }
    server = Server(tmp_path / "data", env)
    yield server
    server.kill()
    if "STRONGROOM_DATABASE_URL" in env:
        postgres.drop_database(env["STRONGROOM_DATABASE_URL"])


def test_what_was_acknowledged_survives_kills(server: Server) -> None:
    seed = int(os.environ.get("STRONGROOM_TEST_SEED") or secrets.randbits(32))
    print(f"STRONGROOM_TEST_SEED={seed}")
    dice = random.Random(seed)
    clients = [
        Depositor(server.url, server.add_user(f"client{n}@example.org"), seed * 10 + n)
        for n in range(CLIENTS)
    ]
    for round_ in range(KILLS):
        if dice.random() < 0.1:
            _killed_while_starting(server, dice.uniform(0, 2))
        _half_done(server)
        server.start()
        for client in clients:
            client.reconcile()
        if round_ % 20 == 19:
            for client in clients:
                client.verify(contents=round_ % 60 == 59)
        _work_until_killed(server, clients, dice.uniform(0.02, 1.2))
        assert [text for client in clients for text in client.refused] == []
    _half_done(server)
    _leases_end(server)
    server.start()
    for client in clients:
        client.reconcile()
    _found_by_search(server, clients)
    _jobs_end(server)
    assert subprocess.run([*COMMAND, "doctor"], env=server.environment(), check=False).returncode == 0
    read = sum(client.verify() for client in clients)
    assert server.stop() == 0
    audit.all_of(server.settings())
    # And the sweep took nothing away that somebody was told is safe.
    server.start()
    for client in clients:
        client.verify()
    done = sum(client.acknowledged for client in clients)
    published = sum(len(client.published) for client in clients)
    print(f"{KILLS} kills, {done} acknowledged requests, {published} records, {read} files read back")
    assert published > 0
    assert read > 0


def _killed_while_starting(server: Server, seconds: float) -> None:
    def strike() -> None:
        if (process := server.process) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(seconds, strike)
    timer.start()
    with contextlib.suppress(RuntimeError):
        server.start()
    timer.join()
    server.kill()


def _work_until_killed(server: Server, clients: list[Depositor], seconds: float) -> None:
    stop = threading.Event()
    lost: list[BaseException] = []

    def work(client: Depositor) -> None:
        try:
            client.work(stop)
        except BaseException as error:
            lost.append(error)

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    server.kill()
    stop.set()
    for thread in threads:
        thread.join()
    if lost:
        raise lost[0]


def _half_done(server: Server) -> None:
    """Look at what the killed process left, before anything repairs it."""
    database = server.database()
    try:
        with database.read() as session:
            assert audit.database(session) == []
    finally:
        database.close()


def _leases_end(server: Server) -> None:
    """As if a minute had passed: jobs that the killed process held may be taken by another."""
    database = server.database()
    with database.begin() as session:
        session.execute(update(jobs).where(jobs.c.state == "running").values(lease_until=now()))
    database.close()


def _jobs_end(server: Server, seconds: float = 60) -> None:
    """The running server takes up what the killed ones left, by itself."""
    database = server.database()
    end = time.monotonic() + seconds
    try:
        while True:
            with database.read() as session:
                due = session.execute(select(func.count()).select_from(jobs).where(jobs.c.run_at <= now()))
                if not due.scalar():
                    return
            assert time.monotonic() < end, "jobs do not resume"
            time.sleep(0.1)
    finally:
        database.close()


def _found_by_search(server: Server, clients: list[Depositor]) -> None:
    """The first search that says it is current finds all records, each by its title of now.

    A search waits a second at most for the index; on a busy machine catching up takes longer, and then it says so.
    """
    wanted = {record: title for client in clients for record, title in client.published.items()}
    found: dict[int, str] = {}
    session = requests.Session()
    session.trust_env = False
    session.headers.update(clients[0].session.headers)
    url = f"{server.url}/api/records?all_versions=1&size=100"
    while url:
        for _ in range(60):
            page = session.get(url, timeout=60)
            assert page.status_code == 200, page.text
            if "x-search-behind" not in page.headers:
                break
        assert "x-search-behind" not in page.headers
        for hit in page.json()["hits"]["hits"]:
            found[hit["id"]] = hit["metadata"]["title"]
        url = page.json()["links"].get("next")
    assert found == wanted
    for record, title in list(wanted.items())[:: 1 if PROVE else 10]:
        page = session.get(
            f"{server.url}/api/records",
            params={"q": f'title:"{title}"', "all_versions": "1", "size": "100"},
            timeout=60,
        )
        # Another version may have kept the title.
        assert record in [hit["id"] for hit in page.json()["hits"]["hits"]]
