"""The command `strongroom`, each time as a process of its own, as an operator runs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from strongroom import __version__, migrations
from strongroom.cli.commands import cli
from strongroom.cli.doctor import examine
from strongroom.db import Database
from strongroom.jobs import queue
from strongroom.settings import Settings
from tests import postgres, servers
from tests.conftest import PROVE
from tests.live import COMMAND, PASSWORD, Server, free_port

METADATA = {
    "title": "Scent of roses",
    "upload_type": "dataset",
    "publication_date": "2024-05-01",
    "creators": [{"name": "Doe, Jane"}],
}


def run(
    *command: str, env: dict[str, str] | None = None, data_dir: Path | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; nothing of the environment but PATH and what the test gives."""
    named = {"PATH": "/usr/bin:/bin", **(env or {})}
    if data_dir is not None:
        named["STRONGROOM_DATA_DIR"] = str(data_dir)
    ran = subprocess.run(
        [*COMMAND, *command], env=named, input=stdin, capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran


# With a server that runs -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["sqlite", "postgresql"] if PROVE else ["sqlite"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`strongroom serve` on a folder that was not there and a database without tables."""
    env = {}
    if request.param == "postgresql":
        env["STRONGROOM_DATABASE_URL"] = postgres.fresh_database(
            request.getfixturevalue("postgres_server").url
        )
    server = Server(
        tmp_path_factory.mktemp("cli") / "fresh" / "data", env={**env, "STRONGROOM_LOG_LEVEL": "debug"}
    )
    server.data_dir.parent.mkdir()
    server.start()
    yield server
    server.kill()
    if env:
        postgres.drop_database(env["STRONGROOM_DATABASE_URL"])


def at(server: Server, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    named = {k: v for k, v in server.environment().items() if k.startswith("STRONGROOM_")}
    return run(*command, env=named, stdin=stdin)


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    """Of an account that was added while the server runs."""
    added = at(
        server, "user", "add", "jane@example.org", "--password-stdin", "--name", "Jane", stdin=f"{PASSWORD}\n"
    )
    assert (added.returncode, added.stdout, added.stderr) == (0, "Account 1 is there: jane@example.org\n", "")
    made = at(server, "token", "create", "jane@example.org")
    assert (made.returncode, made.stderr) == (0, "")
    assert re.fullmatch(r"[\w-]{60}\n", made.stdout), "the token alone"
    return made.stdout.strip()


class Client:
    def __init__(self, server: Server, token: str) -> None:
        self.base = f"{server.url}/api/deposit/depositions"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.params = {"access_token": token}

    def call(self, verb: str, path: str = "", **how: Any) -> requests.Response:
        url = path if path.startswith("http") else self.base + path
        return self.session.request(verb, url, timeout=30, **how)

    def publish(self, title: str) -> int:
        made = self.call("POST", json={"metadata": {**METADATA, "title": title}}).json()
        assert self.call("PUT", f"{made['links']['bucket']}/a.txt", data=b"a").status_code == 201
        assert self.call("POST", f"/{made['id']}/actions/publish").status_code == 202
        return int(made["id"])


@pytest.fixture(scope="module")
def client(server: Server, token: str) -> Client:
    return Client(server, token)


def test_serve_sets_up_a_fresh_folder(server: Server) -> None:
    there = {p.name for p in server.data_dir.iterdir()}
    assert "index" in there
    assert ("strongroom.db" in there) == (not server.env.get("STRONGROOM_DATABASE_URL"))
    assert server.data_dir.stat().st_mode & 0o077 == 0
    upgraded = at(server, "db", "upgrade")
    assert upgraded.stdout == f"The database is at revision {migrations.HEAD} already.\n"


def test_accounts_and_tokens_made_while_it_runs_work_at_once(server: Server, client: Client) -> None:
    assert client.call("GET").json() == []
    made = at(server, "token", "create", "jane@example.org", "--scope", "deposit:write", "--name", "limited")
    limited = Client(server, made.stdout.strip())
    draft = limited.call("POST", json={}).json()
    assert limited.call("POST", f"/{draft['id']}/actions/publish").status_code == 403
    assert limited.call("DELETE", f"/{draft['id']}").status_code == 204
    with requests.Session() as browser:
        browser.trust_env = False
        form = browser.get(f"{server.url}/login", timeout=30).text
        csrf = re.search(r'name="csrf" value="([^"]+)"', form)
        assert csrf
        done = browser.post(
            f"{server.url}/login",
            data={"email": "jane@example.org", "password": PASSWORD, "csrf": csrf[1], "next": "/me/uploads"},
            headers={"Sec-Fetch-Site": "same-origin"},
            timeout=30,
        )
        assert (done.status_code, done.url) == (200, f"{server.url}/me/uploads")


def test_accounts_that_can_not_be(server: Server, token: str) -> None:
    for command, stdin, said in (
        (("user", "add", "jane@example.org", "--password-stdin"), "correct horse\n", "already"),
        (("user", "add", "nonsense", "--password-stdin"), "short\n", "no e-mail address"),
        (("token", "create", "nobody@example.org"), "", "strongroom user add"),
        (("token", "create", "jane@example.org", "--scope", "deposit:all"), "", "known are deposit:write"),
    ):
        ran = at(server, *command, stdin=stdin)
        assert (ran.returncode, ran.stdout) == (1, ""), command
        assert ran.stderr.startswith("strongroom: ")
        assert said in ran.stderr


def test_an_administrator(server: Server, client: Client) -> None:
    draft = client.call("POST", json={}).json()
    assert (
        at(
            server, "user", "add", "root@example.org", "--password-stdin", "--admin", stdin=PASSWORD
        ).returncode
        == 0
    )
    admin = Client(server, at(server, "token", "create", "root@example.org").stdout.strip())
    assert admin.call("GET", f"/{draft['id']}").status_code == 200
    assert admin.call("DELETE", f"/{draft['id']}").status_code == 204


def test_index_rebuild_while_it_runs(server: Server, client: Client) -> None:
    record_id = client.publish("Rebuilt rose")

    def found() -> list[int]:
        answer = client.call("GET", f"{server.url}/api/records", params={"q": '"rebuilt rose"'})
        return [hit["id"] for hit in answer.json()["hits"]["hits"]]

    assert found() == [record_id]
    ran = at(server, "index", "rebuild")
    assert ran.returncode == 0, ran.stderr
    assert "built" in ran.stdout
    assert found() == [record_id]
    other = client.publish("Another rebuilt rose")
    assert sorted(found()) == [record_id, other]


def test_withdraw_and_transfer_while_it_runs(server: Server, client: Client) -> None:
    record_id, other = client.publish("Withdrawn"), client.publish("Given away")
    page = f"{server.url}/api/records/{record_id}"
    assert client.call("GET", page).status_code == 200
    ran = at(server, "record", "withdraw", str(record_id), "--reason", "retracted", "--note", "It was wrong.")
    assert (ran.returncode, f"/records/{record_id}" in ran.stdout) == (0, True)
    gone = client.call("GET", page)
    assert (gone.status_code, gone.json()["tombstone"]["note"]) == (410, "It was wrong.")
    found = client.call("GET", f"{server.url}/api/records", params={"q": "title:withdrawn"}).json()
    assert found["hits"]["total"] == 0
    at(server, "user", "add", "john@example.org", "--password-stdin", stdin=PASSWORD)
    assert at(server, "record", "transfer", str(other), "john@example.org").returncode == 0
    assert client.call("GET", f"/{other}").status_code == 403
    for command in (
        ("record", "withdraw", str(record_id), "--reason", "again"),
        ("record", "transfer", "4711", "john@example.org"),
    ):
        refused = at(server, *command)
        assert (refused.returncode, refused.stdout) == (1, ""), command
        assert refused.stderr.startswith("strongroom: ")


def test_rebuild_is_refused_where_something_is(server: Server, client: Client) -> None:
    record_id = client.publish("Still here")
    ran = at(server, "rebuild")
    assert ran.returncode == 1
    assert "rebuild fills an empty one" in ran.stderr
    assert client.call("GET", f"/{record_id}").status_code == 200


def test_doctor_beside_a_server_that_is_well(server: Server, client: Client) -> None:
    ran = at(server, "doctor")
    assert ran.returncode == 0, ran.stdout
    assert "BAD" not in ran.stdout
    for what in (
        "settings:", "disk:", "database:", "store:", "jobs:", "manifests:", "index of records:", "vocabularies:",
        "index of vocabularies:",
    ):  # fmt: skip
        assert re.search(rf"^(ok   |note ) {what}", ran.stdout, re.MULTILINE), what


def test_no_token_and_no_password_is_in_the_log(server: Server, client: Client, token: str) -> None:
    client.call("GET", "?q=(")  # also not where something went wrong
    client.call("GET", f"{server.url}/record/1")
    log = server.log()
    assert "/api/deposit/depositions" in log, "requests are logged at this level"
    for secret in (token, PASSWORD):
        assert secret not in log


def test_rebuild_after_a_fire(
    server: Server, client: Client, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The last of these tests: the server stops cleanly, the database is lost, the store is not."""
    record_id = client.publish("Phoenix")
    answer = requests.Session()
    answer.trust_env = False
    before = answer.get(f"{server.url}/api/records/{record_id}", timeout=30).json()
    db = server.database()
    while True:  # the worker writes them at once
        with db.read() as session:
            left = queue.counts(session, "manifest.write")
        if not left["waiting"] + left["running"]:
            break
        time.sleep(0.05)
    db.close()
    assert server.stop() == 0
    old = server.env.get("STRONGROOM_DATABASE_URL")
    if old:
        server.env["STRONGROOM_DATABASE_URL"] = postgres.fresh_database(
            request.getfixturevalue("postgres_server").url
        )
    else:
        for file in server.data_dir.glob("strongroom.db*"):
            file.unlink()
    ran = at(server, "rebuild")
    assert ran.returncode == 0, ran.stderr
    assert "strongroom user password" in ran.stdout
    assert (
        at(
            server, "user", "password", "jane@example.org", "--password-stdin", stdin="battery staple"
        ).returncode
        == 0
    )
    server.start()
    assert answer.get(f"{server.url}/api/records/{record_id}", timeout=30).json() == before
    again = Client(server, at(server, "token", "create", "jane@example.org").stdout.strip())
    assert again.call("GET", f"/{record_id}").json()["state"] == "done"
    assert again.call("POST", json={}).json()["id"] > record_id
    found = answer.get(f"{server.url}/api/records", params={"q": "phoenix"}, timeout=30).json()
    assert [hit["id"] for hit in found["hits"]["hits"]] == [record_id]
    assert server.stop() == 0
    if old:
        postgres.drop_database(old)


# Without a server ------------------------------------------------------------------------------------------


def test_every_command_says_what_it_does() -> None:
    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        yield words, command
        for name, below in getattr(command, "commands", {}).items():
            yield from walk(below, (*words, name))

    for words, command in walk(cli, ()):
        assert command.help, words
        for option in command.params:
            assert option.param_type_name == "argument" or option.help, (words, option.name)
    assert run("--version").stdout == f"strongroom, version {__version__}\n"
    shown = run("--help").stdout
    for name in ("serve", "worker", "db", "index", "rebuild", "user", "token", "record", "doctor"):
        assert re.search(rf"^  {name} ", shown, re.MULTILINE), name


def test_doctor_on_nothing_says_what_to_do(tmp_path: Path) -> None:
    ran = run("doctor", data_dir=tmp_path / "data")
    assert ran.returncode == 1
    assert re.search(r"^BAD   database: empty\. Run `strongroom db upgrade`", ran.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("REGISTRAR", "doi.org", "STRONGROOM_REGISTRAR: Input should be 'local' or 'datacite'."),
        ("THREADS", "many", "STRONGROOM_THREADS: Input should be a valid integer"),
        ("STORAGE_URL", "ftp://bucket", "STRONGROOM_STORAGE_URL: must read s3://bucket"),
        ("DATABASE_URL", "mysql://host/name", "STRONGROOM_DATABASE_URL: must read postgresql://"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, name: str, value: str, said: str) -> None:
    ran = run("doctor", data_dir=tmp_path / "data", env={f"STRONGROOM_{name}": value})
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"strongroom: {said}")


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = run(
        "user",
        "add",
        "jane@example.org",
        "--password-stdin",
        data_dir=tmp_path / "file" / "data",
        stdin=PASSWORD,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("strongroom: [Errno")


class Sick:
    """A repository that is set up, and `doctor`'s words about it."""

    def __init__(self, data_dir: Path, template: Path) -> None:
        self.data_dir = data_dir
        Settings(data_dir=data_dir).make_data_dir()
        shutil.copy(template, data_dir / "strongroom.db")

    def said(self, **settings: Any) -> tuple[bool, list[str]]:
        """Whether all is well, and every line."""
        lines: list[str] = []
        return examine(Settings(data_dir=self.data_dir, **settings), lines.append), lines

    def bad(self, **settings: Any) -> str:
        """The one line that says what is wrong."""
        well, lines = self.said(**settings)
        (line,) = (line for line in lines if line.startswith("BAD"))
        assert not well
        return line


@pytest.fixture
def sick(tmp_path: Path, sqlite_template: Path) -> Sick:
    return Sick(tmp_path / "data", sqlite_template)


def test_a_healthy_one_is_well(sick: Sick) -> None:
    well, lines = sick.said()
    assert well
    assert not [line for line in lines if line.startswith("BAD")]
    assert run("doctor", data_dir=sick.data_dir).returncode == 0


def test_a_disk_without_reserve(sick: Sick) -> None:
    line = sick.bad(disk_reserve_bytes=10**17)
    assert "uploads stop at" in line
    assert "make room" in line
    ran = run("doctor", data_dir=sick.data_dir, env={"STRONGROOM_DISK_RESERVE_BYTES": str(10**17)})
    # How much is free may have changed since.
    assert (ran.returncode, line.partition("are free")[2] in ran.stdout) == (1, True)


def test_a_database_that_is_no_database(sick: Sick) -> None:
    (sick.data_dir / "strongroom.db").write_bytes(b"\0" * 100_000)
    line = sick.bad()
    for words in ("not a database", "Restore a backup", "strongroom rebuild"):
        assert words in line


def test_a_database_with_damaged_pages(sick: Sick) -> None:
    """Damage that no query of the doors may meet for long."""
    path = sick.data_dir / "strongroom.db"
    whole = bytearray(path.read_bytes())
    for page in range(8, len(whole) // 4096, 7):
        whole[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(whole)
    line = sick.bad()
    assert line.startswith("BAD   database: ")
    assert "Restore a backup" in line


def test_a_database_that_does_not_answer(sick: Sick) -> None:
    line = sick.bad(database_url=f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    assert "refused" in line
    assert "STRONGROOM_DATABASE_URL" in line


def test_an_s3_that_is_wrong(sick: Sick, s3_server: servers.S3Server) -> None:
    """A wrong key is told, and that it is the store; the right one is fine."""
    right = {
        "storage_url": f"s3://{s3_server.fresh_bucket()}/files",
        "storage_endpoint": s3_server.url,
        "storage_access_key": servers.ACCESS_KEY,
        "storage_secret_key": servers.SECRET_KEY,
    }
    assert sick.said(**right)[0]
    for wrong in ({"storage_secret_key": "wrong"}, {"storage_access_key": "nobody"}):
        line = sick.bad(**(right | wrong))
        assert line.startswith("BAD   store: ")
        assert "STRONGROOM_STORAGE_" in line, "what to look at"
        assert servers.SECRET_KEY not in line


def test_registering_without_an_account(sick: Sick) -> None:
    assert "STRONGROOM_DATACITE_USERNAME" in sick.bad(registrar="datacite")


def test_what_should_be_known_is_noted(sick: Sick, monkeypatch: pytest.MonkeyPatch) -> None:
    sick.data_dir.chmod(0o755)
    monkeypatch.setenv("STRONGROOM_DATADIR", "x")
    well, lines = sick.said(base_url="http://repository.example.org")
    assert well
    notes = "\n".join(line for line in lines if line.startswith("note"))
    assert "STRONGROOM_DATADIR is no setting" in notes
    assert "the base URL is not https" in notes
    assert "data folder: everybody on this machine may look" in notes


def test_jobs_that_gave_up_and_manifests_that_wait(sick: Sick) -> None:
    db = Database(Settings(data_dir=sick.data_dir))
    with db.begin() as session:
        queue.enqueue(session, "manifest.write", "2", {"record_id": 2})
        queue.enqueue(session, "doi.register", "2", {"record_id": 2})
        session.exec_driver_sql(
            "UPDATE jobs SET state = 'dead', last_error = 'The agency said no.' WHERE task = 'doi.register'"
        )
    db.close()
    line = sick.bad()
    assert "doi.register 2" in line
    assert "The agency said no." in line
    assert "note  manifests: 1 still to be written" in sick.said()[1]


def test_passwords_are_hashed_as_recommended(sick: Sick) -> None:
    """Tests make them cheap (tests/conftest.py); the program does not."""
    run("user", "add", "jane@example.org", "--password-stdin", data_dir=sick.data_dir, stdin=PASSWORD)
    db = Database(Settings(data_dir=sick.data_dir))
    with db.read() as session:
        stored = session.exec_driver_sql("SELECT password FROM users").scalar()
    db.close()
    cost = re.fullmatch(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+\$.*", stored or "")
    assert cost
    assert int(cost[1]) >= 19 * 1024, "OWASP's least: 19 MiB"
    assert int(cost[2]) >= 2


def test_worker_does_what_waits_and_ends_when_asked(sick: Sick) -> None:
    """Apart from any web process."""
    data_dir = sick.data_dir
    db = Database(Settings(data_dir=data_dir))
    with db.begin() as session:
        queue.enqueue(session, "files.collect", "collect", {})
    worker = subprocess.Popen(
        [*COMMAND, "worker"],
        env={"PATH": "/usr/bin:/bin", "STRONGROOM_DATA_DIR": str(data_dir)},
        stderr=subprocess.PIPE,
    )
    try:
        while True:
            with db.read() as session:
                if not queue.counts(session, "files.collect")["waiting"]:
                    break
            assert worker.poll() is None
        worker.terminate()
        _, said = worker.communicate(timeout=60)
    finally:
        worker.kill()
        db.close()
    assert worker.returncode == 0, said
    assert b"Traceback" not in said
