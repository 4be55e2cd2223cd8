"""What every test may use: settings, a database on both engines, counts that `make prove` raises."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import argon2
import hypothesis
import pytest

from strongroom import migrations
from strongroom.db import Database
from strongroom.settings import Settings
from tests import postgres, servers

PROVE = os.environ.get("PROVE") == "1"
SKIP_POSTGRES = os.environ.get("STRONGROOM_TEST_SKIP_POSTGRES") == "1"
SKIP_S3 = os.environ.get("STRONGROOM_TEST_SKIP_S3") == "1"


# A password costs a millisecond and 64 KiB here; in the program what argon2-cffi recommends (tests/cli).
argon2.PasswordHasher.__init__.__defaults__ = (1, 64, 1, *argon2.PasswordHasher.__init__.__defaults__[3:])  # type: ignore[index]


# `make test` asks the same examples each time: what it says is about the change, not about luck. New ones are
# looked for by `make prove`; what it finds becomes an @example.
hypothesis.settings.register_profile("suite", derandomize=not PROVE, database=None)
hypothesis.settings.load_profile("suite")


def count(small: int, full: int) -> int:
    """How often to do something: `small` in `make test`, `full` in `make prove` (PROVE=1)."""
    return full if PROVE else small


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # Before pytest-socket reads its options: tests reach this machine and nothing else.
    if not config.getoption("--allow-hosts", None):
        config.option.allow_hosts = "127.0.0.1,localhost,::1"
        config.option.allow_unix_socket = True


# The longest modules, longest first: begun last, one of them would keep one process busy while the other waits.
LONGEST = (
    "crash/",
    "browser/",
    "vocabularies/test_kills",
    "clients/",
    "metadata/",
    "test_query_counts",
    "search/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((n for n, name in enumerate(LONGEST) if name in item.nodeid), len(LONGEST))

    items.sort(key=place)  # stable: within a module nothing moves


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's STRONGROOM_* variables and proxies never reach a test."""
    for name in list(os.environ):
        outside = name.startswith("STRONGROOM_") and not name.startswith("STRONGROOM_TEST_")
        if outside or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings on an empty data folder, SQLite and local files."""
    return Settings(
        data_dir=tmp_path / "data",
        base_url="http://testserver",
        rate_limits="off",
        disk_reserve_bytes=0,
        secret_key="not a secret: only for tests",
    )


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """The PostgreSQL of this test process."""
    if SKIP_POSTGRES:
        pytest.skip("left out by STRONGROOM_TEST_SKIP_POSTGRES=1")
    server = postgres.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[servers.S3Server]:
    """The S3 server of this test process."""
    if SKIP_S3:
        pytest.skip("left out by STRONGROOM_TEST_SKIP_S3=1")
    server = servers.start_s3()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("template")
    database = Database(Settings(data_dir=folder, database_url=""))
    migrations.upgrade(database)
    with database.engine.connect() as connection:
        connection.commit()
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    database.close()
    return folder / "strongroom.db"


@pytest.fixture(scope="session")
def postgres_template(postgres_server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The url of a PostgreSQL database with the newest schema, made once and copied for each test."""
    url = postgres.fresh_database(postgres_server.url)
    database = Database(Settings(data_dir=tmp_path_factory.mktemp("template"), database_url=url))
    migrations.upgrade(database)
    database.close()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_settings(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Settings]:
    """`settings` with a database of the newest schema and no content, once on each engine."""
    if request.param == "sqlite":
        settings.data_dir.mkdir(parents=True)
        shutil.copy(request.getfixturevalue("sqlite_template"), settings.data_dir / "strongroom.db")
        yield settings
        return
    server: postgres.Server = request.getfixturevalue("postgres_server")
    url = postgres.fresh_database(server.url, request.getfixturevalue("postgres_template"))
    yield settings.model_copy(update={"database_url": url})
    postgres.drop_database(url)


@pytest.fixture
def database(database_settings: Settings) -> Iterator[Database]:
    """A database of the newest schema and no content, once on each engine."""
    database = Database(database_settings)
    yield database
    database.close()
