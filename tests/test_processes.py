"""Several processes on one database: nobody's work is lost, and what one was told the other knows at once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from strongroom.access import Actor
from strongroom.files import service as files
from strongroom.records import drafts
from tests import audit, postgres
from tests.conftest import PROVE, count
from tests.crash.depositor import Depositor, metadata
from tests.live import Server

SECONDS = count(2, 30)  # of writing, for each of four cases
CLIENTS = 4


class Site:
    """One database and store behind one or two addresses; every request is a connection of its own."""

    def __init__(self, servers: list[Server], token: str) -> None:
        self.servers = servers
        self.urls = [server.url for server in servers] * (2 // len(servers))
        self.token = token

    def send(self, door: int, verb: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Connection": "close", **more.pop("headers", {})}
        session = requests.Session()
        session.trust_env = False
        with session:
            return session.request(verb, self.urls[door % 2] + path, headers=headers, timeout=60, **more)

    def deposit(self, door: int, title: str) -> dict[str, Any]:
        answer = self.send(door, "POST", "/api/deposit/depositions", json=metadata(title))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def put(self, door: int, deposition: dict[str, Any], key: str, content: bytes) -> requests.Response:
        bucket = deposition["links"]["bucket"].partition("/api/")[2]
        return self.send(door, "PUT", f"/api/{bucket}/{key}", data=content)

    def act(self, door: int, number: int, action: str) -> requests.Response:
        return self.send(door, "POST", f"/api/deposit/depositions/{number}/actions/{action}")

    def published(self, door: int, title: str) -> int:
        made = self.deposit(door, title)
        assert self.put(door, made, "a.txt", title.encode()).status_code == 201
        answer = self.act(door, made["id"], "publish")
        assert answer.status_code == 202, answer.text
        return int(made["id"])

    def found(self, door: int, title: str) -> list[int]:
        """What the next search finds; one that says it could not wait long enough (a busy machine) is asked again."""
        for _ in range(60):
            query = {"q": f'title:"{title}"', "all_versions": 1}
            answer = self.send(door, "GET", "/api/records", params=query)
            assert answer.status_code == 200, answer.text
            if "x-search-behind" not in answer.headers:
                break
        assert "x-search-behind" not in answer.headers
        return [hit["id"] for hit in answer.json()["hits"]["hits"]]

    def indexer(self) -> int:
        """The process that keeps the index: the kernel knows who holds its lock."""
        inode = os.stat(self.servers[0].data_dir / "index" / "lock").st_ino
        for _ in range(200):
            for line in Path("/proc/locks").read_text().splitlines():
                found = re.search(r"FLOCK +ADVISORY +WRITE +(\d+) \w+:\w+:(\d+) ", line)
                if found and int(found[2]) == inode:
                    return int(found[1])
            time.sleep(0.05)
        raise AssertionError("nobody keeps the index")


@pytest.fixture(
    scope="module",
    params=[("sqlite", "two workers"), ("postgresql", "two servers")]
    + ([("sqlite", "two servers"), ("postgresql", "two workers")] if PROVE else []),
    ids=lambda param: "-".join(param).replace(" ", "-"),
)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`serve --workers 2`, or two `serve` of one data folder; checked for wholeness at the end."""
    engine, kind = request.param
    data = tmp_path_factory.mktemp("processes") / "data"
    env = {"STRONGROOM_DISK_RESERVE_BYTES": "0"}
    if engine == "postgresql":
        running: postgres.Server = request.getfixturevalue("postgres_server")
        env["STRONGROOM_DATABASE_URL"] = postgres.fresh_database(running.url)
    servers = (
        [Server(data, env, workers=2)] if kind == "two workers" else [Server(data, env), Server(data, env)]
    )
    for server in servers:  # one address, as behind a balancer: answers hold it, so that ETags depend on it
        server.env = {**env, "STRONGROOM_BASE_URL": servers[0].url}
    token = servers[0].add_user("all@example.org")
    try:
        for server in servers:
            server.start()
        yield Site(servers, token)
        for server in servers:
            assert server.stop() == 0
        audit.all_of(servers[0].settings())
        log = servers[0].log()
        assert "unexpected error" not in log, log[-5000:]
        assert "Application callable raised" not in log, log[-5000:]
    finally:
        for server in servers:
            server.kill()
        if engine == "postgresql":
            postgres.drop_database(env["STRONGROOM_DATABASE_URL"])


def at_once(work: Callable[[int], Any], number: int = CLIENTS) -> list[Any]:
    """The results of `work(0) … work(n-1)`, begun at the same moment."""
    gate = threading.Barrier(number)

    def run(n: int) -> Any:
        gate.wait(30)
        return work(n)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


def clean(answer: requests.Response, *also: int) -> bool:
    """Whether it succeeded; anything but a clean conflict (or what the state machine says) fails the test."""
    if answer.status_code == 503:
        assert "retry-after" in answer.headers
        return False
    if answer.ok:
        return True
    assert answer.status_code in (409, 412, *also), (
        f"{answer.request.url}: {answer.status_code} {answer.text}"
    )
    return False


def test_counters_lose_no_update(site: Site) -> None:
    made = site.deposit(0, "counter 0")
    path = f"/api/deposit/depositions/{made['id']}"
    end = time.monotonic() + SECONDS

    def add(n: int) -> Counter[str]:
        seen: Counter[str] = Counter()
        while time.monotonic() < end:
            now = site.send(n, "GET", path)
            number = int(now.json()["metadata"]["title"].split()[1])
            body = metadata(f"counter {number + 1}")
            answer = site.send(n, "PUT", path, json=body, headers={"If-Match": now.headers["etag"]})
            seen["added" if clean(answer) else "refused"] += 1
        return seen

    seen = sum(at_once(add), Counter[str]())
    now = site.send(1, "GET", path).json()["metadata"]["title"]
    assert now == f"counter {seen['added']}"
    assert seen["added"] > 0
    assert seen["refused"] > 0  # else they never met, and the test says nothing


def test_everybody_writes_at_once(site: Site) -> None:
    """Four depositors, each with deposits of his own, for a while; then all is asked back through both doors."""
    tokens = [site.servers[0].add_user(f"{os.urandom(6).hex()}@example.org") for _ in range(CLIENTS)]
    clients = [
        Depositor(site.urls[n % 2], token, seed=900 + n, largest=300_000) for n, token in enumerate(tokens)
    ]
    stop = threading.Event()
    timer = threading.Timer(SECONDS, stop.set)
    timer.start()
    at_once(lambda n: clients[n].work(stop))
    timer.cancel()
    assert stop.is_set(), "a client gave up: the server did not answer"
    assert [text for client in clients for text in client.refused] == []
    ids = [d.id for client in clients for d in client.deposits]
    assert len(ids) == len(set(ids)) > CLIENTS
    for n, client in enumerate(clients):
        client.url = site.urls[(n + 1) % 2]
        client.verify()


def test_ids_come_once(site: Site) -> None:
    made = at_once(lambda n: [site.deposit(n, f"one of many {n}.{i}") for i in range(10)])
    ids = [int(d["id"]) for some in made for d in some] + [int(d["conceptrecid"]) for s in made for d in s]
    assert len(set(ids)) == 2 * 10 * CLIENTS


def test_one_next_version_for_all(site: Site) -> None:
    def late(round_: int, n: int) -> str:
        return f"late {round_}.{n}.txt"

    def write(draft: dict[str, Any], contents: list[bytes], n: int) -> requests.Response:
        return site.put(n, draft, "a.txt", contents[n])

    def publish(draft: dict[str, Any], round_: int, n: int) -> tuple[bool, bool]:
        """Half of them publish, half upload; whether it was published, whether the file was taken."""
        if n < CLIENTS:
            return clean(site.act(n, draft["id"], "publish"), 404), False
        return False, clean(site.put(n, draft, late(round_, n), b"x" * 100_000), 403)

    first = site.published(0, "version one")
    expected = {"a.txt"}
    for round_ in range(count(3, 20)):
        answers = at_once(lambda n: site.act(n, first, "newversion"))
        drafts = {a.json()["links"]["latest_draft"].rpartition("/")[2] for a in answers if clean(a)}
        assert len(drafts) == 1, [a.text for a in answers]
        number = int(drafts.pop())
        draft = site.send(1, "GET", f"/api/deposit/depositions/{number}").json()

        # All write the same key: one of them is what is published, whole.
        contents = [f"{round_} by {n} ".encode() * 1000 for n in range(CLIENTS)]
        put = at_once(partial(write, draft, contents))
        assert [a.status_code for a in put] == [201] * CLIENTS

        # Then all publish, while all upload something more: 404 says that it is no draft any more, 403 that
        # its files are locked.
        done = at_once(partial(publish, draft, round_), 2 * CLIENTS)
        assert sum(published for published, _ in done) == 1
        shown = site.send(0, "GET", f"/api/records/{number}").json()
        assert shown["metadata"]["relations"]["version"][0]["index"] == round_ + 1
        keys = {f["key"] for f in shown["files"]}
        expected |= {late(round_, n) for n, (_, came) in enumerate(done) if came}
        assert keys == expected
        got = site.send(1, "GET", f"/api/records/{number}/files/a.txt/content").content
        assert got in contents


def test_publish_waits_for_who_changes_files(site: Site) -> None:
    """A file that is taken out at the moment of publishing is in the record or not: never gone from it later."""
    made = site.deposit(0, "with and without b")
    for key in ("a.txt", "b.txt"):
        assert site.put(0, made, key, key.encode()).status_code == 201
    answers: list[requests.Response] = []
    publishing = threading.Thread(target=lambda: answers.append(site.act(1, made["id"], "publish")))
    database = site.servers[0].database()
    with database.begin() as session:
        bucket = drafts.open_bucket(session, Actor(user_id=made["owner"]), made["id"])
        publishing.start()
        time.sleep(0.5)
        files.delete_file(session, bucket, "b.txt")
    database.close()
    publishing.join()
    assert answers[0].status_code == 202, answers[0].text
    assert [f["filename"] for f in answers[0].json()["files"]] == ["a.txt"]


def test_one_edit_for_all(site: Site) -> None:
    record = site.published(0, "edited by four")
    for round_ in range(count(3, 20)):
        opened = at_once(lambda n: site.act(n, record, "edit"))
        assert all(clean(a) for a in opened), [a.text for a in opened]
        done = at_once(lambda n: clean(site.act(n, record, "publish"), 404))
        assert sum(done) == 1
        assert site.send(1, "GET", f"/api/records/{record}").json()["revision"] == round_ + 2


def test_published_is_found_through_the_other_door(site: Site) -> None:
    for n in range(count(4, 50)):
        title = f"found at once {n} {os.urandom(4).hex()}"
        record = site.published(n, title)
        assert site.found(n + 1, title) == [record]


def test_drafts_are_found_through_the_other_door(site: Site) -> None:
    title = f"draft found {os.urandom(4).hex()}"
    made = site.deposit(0, title)
    answer = site.send(1, "GET", "/api/deposit/depositions", params={"q": f'title:"{title}"'})
    assert [d["id"] for d in answer.json()] == [made["id"]]


def test_an_edit_shows_at_once_through_both_doors(site: Site) -> None:
    record = site.published(0, "before the edit")
    paths = [f"/api/records/{record}", f"/records/{record}", f"/records/{record}/export/json", "/"]

    def read(door: int, path: str, title: str, **headers: str) -> requests.Response:
        """As somebody without a token: such answers are cached."""
        session = requests.Session()
        session.trust_env = False
        with session:
            answer = session.get(
                site.urls[door] + path, headers={"Connection": "close", **headers}, timeout=60
            )
        if answer.status_code == 200:
            assert title in answer.text, f"{path} through door {door}"
        return answer

    # Often enough that both processes have each answer in their cache.
    before = [read(door, path, "before the edit") for path in paths for door in (0, 1) * 4]
    assert {a.status_code for a in before} == {200}
    for round_ in range(count(2, 10)):
        title = f"after the edit {round_}"
        assert site.act(0, record, "edit").status_code == 201
        body = metadata(title)
        assert site.send(1, "PUT", f"/api/deposit/depositions/{record}", json=body).status_code == 200
        assert site.act(round_, record, "publish").status_code == 202
        for path in paths:
            for door in (0, 1) * 4:
                answer = read(door, path, title)
                assert answer.status_code == 200
        stale = before[0].headers["etag"]
        assert read(1, paths[0], title, **{"If-None-Match": stale}).status_code == 200
        fresh = read(0, paths[0], title).headers["etag"]
        assert read(1, paths[0], title, **{"If-None-Match": fresh}).status_code == 304


PART = 6 << 20
PARTS = 12  # more than a commit hashes while its client waits (files.transfers.INLINE)


def test_parts_of_one_file_come_to_any_process(site: Site) -> None:
    """In any order, some twice: one process hashes, whichever is asked to commit; the digests are of the whole."""
    marks = [os.urandom(1000) for _ in range(PARTS)]

    def part(n: int) -> bytes:
        return (marks[n] + bytes(PART - 1000))[: 777 if n == PARTS - 1 else PART]

    size = (PARTS - 1) * PART + 777
    md5, sha256 = hashlib.md5(), hashlib.sha256()
    for n in range(PARTS):
        md5.update(part(n))
        sha256.update(part(n))
    number = site.deposit(0, "in parts")["id"]
    files_at = f"/api/records/{number}/draft/files"
    transfer = {"type": "M", "parts": PARTS, "part_size": PART}
    made = site.send(1, "POST", files_at, json=[{"key": "a/b.bin", "size": size, "transfer": transfer}])
    assert made.status_code == 201, made.text
    path = f"{files_at}/a/b.bin"
    # The first one last: until then nothing can be hashed.
    order = [*random.sample(range(1, PARTS), PARTS - 1), 0]

    def send(n: int) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        for turn, which in enumerate(order[n::CLIENTS]):
            for door in (n + turn, n + turn + 1) if turn == 1 else (n + turn,):
                done = site.send(
                    door, "PUT", f"{path}/content/{which + 1}", data=part(which), headers=headers
                )
                assert done.status_code == 200, done.text

    at_once(send)
    assert all(p["received"] for p in site.send(0, "GET", path).json()["links"]["parts"])
    # Both may be asked at once, as a client does that lost the answer.
    done = at_once(lambda n: site.send(n, "POST", f"{path}/commit"), 2)
    assert [a.status_code for a in done] == [200, 200], [a.text for a in done]
    end = time.monotonic() + 120
    while (entry := site.send(1, "GET", path).json())["status"] == "verifying":
        assert time.monotonic() < end
        time.sleep(0.1)
    assert (entry["status"], entry["size"], entry["checksum"]) == (
        "completed",
        size,
        f"md5:{md5.hexdigest()}",
    )
    for door in (0, 1):
        got = site.send(door, "GET", f"{path}/content")
        assert hashlib.sha256(got.content).hexdigest() == sha256.hexdigest()
        assert sha256.hexdigest() in got.headers["etag"]


def test_connections_to_the_database_may_break(site: Site) -> None:
    """PostgreSQL restarts, or somebody between it and us hangs up: a clean 503, then all goes on by itself."""
    url = site.servers[0].env.get("STRONGROOM_DATABASE_URL")
    if url is None:
        pytest.skip("SQLite has no connections that break")
    stop = threading.Event()

    def deposit(n: int) -> tuple[list[int], int]:
        made, refused = [], 0
        while not stop.is_set():
            answer = site.send(n, "POST", "/api/deposit/depositions", json=metadata(f"in doubt {n}"))
            if clean(answer):
                made.append(int(answer.json()["id"]))
            else:
                refused += 1
        return made, refused

    def cut(_: int) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            for _ in range(count(5, 50)):
                time.sleep(0.2)
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        stop.set()

    results = at_once(lambda n: deposit(n) if n < CLIENTS else cut(n), CLIENTS + 1)[:CLIENTS]
    made = [number for numbers, _ in results for number in numbers]
    assert len(set(made)) == len(made) > 0
    assert sum(refused for _, refused in results) > 0  # else nothing was cut
    # Each connection that is left broken may cost one more request, no more.
    for n in range(40):
        clean(site.send(n, "GET", "/api/deposit/depositions"))
    for n in range(4):
        site.deposit(n, "after the cut")
    for number in made:
        assert site.send(number // 2, "GET", f"/api/deposit/depositions/{number}").status_code == 200


def test_published_is_found_when_the_indexer_was_killed(site: Site) -> None:
    """The last test of a site: another process takes the index over."""
    before = site.indexer()
    door = 0
    if len(site.servers) == 2:
        # The server whose process this is dies with it; the other one answers.
        group = os.getpgid(before)
        door = next(n for n, s in enumerate(site.servers) if s.process and s.process.pid != group)
        site.servers[1 - door].kill()
    else:
        os.kill(before, signal.SIGKILL)
        # Its threads end one by one; while one is left, connections still reach it.
        while len(_threads(before)) > 1 or _state(before) not in "ZX":
            time.sleep(0.01)
    title = f"after the kill {os.urandom(4).hex()}"
    record = site.published(door, title)
    assert site.found(door, title) == [record]
    assert site.indexer() != before
    if len(site.servers) == 2:
        site.servers[1 - door].start()


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_sigterm_while_it_starts(tmp_path: Path) -> None:
    """At any moment of its start: it ends soon, and nothing lives on."""
    server = Server(tmp_path / "data", {"STRONGROOM_DISK_RESERVE_BYTES": "0"}, workers=2)
    dice = random.Random()
    for _ in range(count(4, 40)):
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(
                server.command(), env=server.environment(), stdout=log, stderr=log, start_new_session=True
            )
        try:
            time.sleep(dice.uniform(0, 3))
            process.terminate()
            # Without our care a worker that is still starting would not hear it, and be killed after 30 s.
            assert process.wait(20) in (0, -signal.SIGTERM)
            assert _alive(process.pid) == []
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    server.start()
    assert server.stop() == 0


def test_workers_end_when_the_main_process_was_killed(tmp_path: Path) -> None:
    """Else they would keep port, jobs and index, and a new server beside them would get half of the requests."""
    server = Server(tmp_path / "data", {"STRONGROOM_DISK_RESERVE_BYTES": "0"}, workers=2)
    server.start()
    assert server.process
    group = server.process.pid
    try:
        assert len(_alive(group)) == 3
        os.kill(group, signal.SIGKILL)
        server.process.wait()
        end = time.monotonic() + 20
        while _alive(group):
            assert time.monotonic() < end, "workers live on"
            time.sleep(0.05)
    finally:
        server.kill()


def _alive(group: int) -> list[int]:
    """The processes of a group that are no zombies."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and _state(int(path.name)) not in "ZX":
            with contextlib.suppress(ProcessLookupError):
                if os.getpgid(int(path.name)) == group:
                    found.append(int(path.name))
    return found
