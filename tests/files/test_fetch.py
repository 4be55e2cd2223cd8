"""Files that the server fetches: from allowed hosts, never from inside the network."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from strongroom.errors import StrongroomError
from strongroom.files import fetch
from strongroom.ids import now
from strongroom.jobs.worker import run_pending
from strongroom.settings import Settings
from tests.app import Reader, Site

CONTENT = b"fetched bytes" * 100_000


class _Host(BaseHTTPRequestHandler):
    seen: ClassVar[list[str]] = []
    failures: ClassVar[dict[str, int]] = {}

    def do_GET(self) -> None:
        type(self).seen.append(self.path)
        port = self.server.server_address[1]
        moved = {
            "/moved": "/data.csv",
            "/away": f"http://localhost:{port}/data.csv",
            "/scheme": "file:///etc/passwd",
            "/round": "/round",
        }.get(self.path)
        if moved:
            self.send_response(302)
            self.send_header("Location", moved)
            self.end_headers()
        elif self.path == "/gone":
            self.send_error(404)
        elif self.failures.get(self.path, 0):
            self.failures[self.path] -= 1
            self.send_error(503)
        else:
            self.send_response(200)
            cut = self.path == "/cut"
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:-10] if cut else CONTENT)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def host() -> Iterator[str]:
    _Host.seen.clear()
    _Host.failures.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Host)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def site(database_settings: Settings) -> Iterator[Site]:
    more = {"job_threads": 0, "fetch_hosts": "127.0.0.1, *.example.org", "fetch_private": True}
    running = Site(database_settings.model_copy(update=more)).start()
    yield running
    running.stop()


def work(site: Site, until: datetime | None = None) -> int:
    """Do all jobs that are due, as a worker of this application would."""
    return run_pending(site.ctx.db, site.ctx, until)


def announced(site: Site, url: str, **more: Any) -> tuple[Reader, str]:
    owner = site.reader("owner")
    path = f"/api/records/{site.desk.create(owner.actor)}/draft/files"
    item = {"key": "a.csv", "transfer": {"type": "F", "url": url}, **more}
    answer = site.ask("POST", path, owner, [item])
    assert answer.status == 201, answer
    assert url not in answer.text
    assert answer.json()["entries"][0]["status"] == "pending"
    return owner, f"{path}/a.csv"


def test_a_file_is_fetched_and_its_address_forgotten(site: Site, host: str) -> None:
    owner, path = announced(site, f"{host}/moved", metadata={"role": "data"})
    assert site.ask("POST", f"{path}/commit", owner).status == 400
    work(site)
    entry = site.ask("GET", path, owner)
    assert host not in entry.text
    assert entry.json()["status"] == "completed"
    assert entry.json()["metadata"] == {"role": "data"}
    assert entry.json()["checksum"] == f"md5:{hashlib.md5(CONTENT).hexdigest()}"
    assert site.ask("GET", f"{path}/content", owner).body == CONTENT


@pytest.mark.parametrize("where", ["/gone", "/away", "/scheme", "/round"])
def test_what_fails_for_good(site: Site, host: str, where: str) -> None:
    owner, path = announced(site, f"{host}{where}")
    work(site)
    entry = site.ask("GET", path, owner).json()
    assert entry["status"] == "failed"
    assert entry["transfer"]["error"]
    assert "/data.csv" not in _Host.seen
    assert list(site.ctx.store.list()) == []


def test_what_may_go_well_the_next_time(site: Site, host: str) -> None:
    _Host.failures["/busy"] = 2
    owner, path = announced(site, f"{host}/busy")
    work(site)
    assert site.ask("GET", path, owner).json()["status"] == "pending"
    work(site, until=now() + timedelta(hours=3))
    assert site.ask("GET", path, owner).json()["status"] == "completed"


def test_trying_ends(site: Site, host: str) -> None:
    owner, path = announced(site, f"{host}/cut")
    work(site, until=now() + timedelta(hours=3))
    entry = site.ask("GET", path, owner).json()
    assert entry["status"] == "failed"
    assert len(_Host.seen) == fetch.ATTEMPTS
    assert list(site.ctx.store.list()) == []
    with site.ctx.db.read() as session:
        from sqlalchemy import select

        from strongroom.jobs.models import jobs

        errors = session.execute(select(jobs.c.last_error)).scalars().all()
    assert not [e for e in errors if e and host in e]


def test_announced_size_and_digest_are_compared(site: Site, host: str) -> None:
    owner, path = announced(site, f"{host}/data.csv", size=3)
    work(site, until=now() + timedelta(hours=3))
    assert site.ask("GET", path, owner).json()["status"] == "failed"


def test_private_addresses_are_refused(settings: Settings, host: str) -> None:
    site = Site(settings.model_copy(update={"job_threads": 0, "fetch_hosts": "127.0.0.1,localhost"})).start()
    try:
        for name, url in (("one", host), ("two", host.replace("127.0.0.1", "localhost"))):
            owner = site.reader(name)
            path = f"/api/records/{site.desk.create(owner.actor)}/draft/files"
            site.ask("POST", path, owner, [{"key": "a", "transfer": {"type": "F", "url": f"{url}/data.csv"}}])
            work(site)
            entry = site.ask("GET", f"{path}/a", owner).json()
            assert (entry["status"], "private" in entry["transfer"]["error"]) == ("failed", True)
        assert _Host.seen == []
    finally:
        site.stop()


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("8.8.8.8", True), ("2001:4860:4860::8888", True), ("127.0.0.1", False), ("10.1.2.3", False),
        ("172.16.0.1", False), ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False),
        ("0.0.0.0", False), ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("::", False),
        ("fe80::1%eth0", False), ("fc00::1", False), ("::ffff:127.0.0.1", False), ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False), ("64:ff9b::a00:1", False), ("2002:7f00:1::", False), ("ff02::1", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, is_public: bool) -> None:
    assert fetch.public(address) is is_public


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://example.org/x", False), ("https://a.example.org/x", True), ("https://a.example.org./x", True),
        ("https://b.a.EXAMPLE.org:8443/x", True), ("http://evilexample.org/", False), ("https://one.org", True),
        ("ftp://one.org/x", False), ("file:///etc/passwd", False), ("https://one.org@evil.org/", False),
        ("https://evil.org@one.org/", False), ("https://one.org:x/", False), ("https:///x", False), ("one.org", False),
        ("https://one.org.evil.org/", False), ("//one.org/x", False),
    ],
)  # fmt: skip
def test_which_urls_are_allowed(url: str, good: bool) -> None:
    settings = Settings(fetch_hosts="one.org, *.example.org")
    assert fetch.allowed(url, settings) is good
    assert not fetch.allowed(url, Settings())


def test_a_host_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(*arguments: Any, **more: Any) -> list[Any]:
        return [(2, 1, 6, "", ("8.8.8.8", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]

    monkeypatch.setattr("socket.getaddrinfo", answers)
    with pytest.raises(StrongroomError):
        fetch.resolve("two-faced.example.org", 80, Settings())
