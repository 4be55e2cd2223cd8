"""The schema and its history: equal, upgraded once, copied before, refused when newer, cheap when nothing is to do."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom import migrations
from strongroom.db import Database
from strongroom.errors import Conflict, StrongroomError
from strongroom.settings import Settings
from tests import postgres
from tests.conftest import count
from tests.live import COMMAND
from tests.statements import overheard


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Settings]:
    """Settings whose database has no table yet."""
    if request.param == "sqlite":
        yield settings
        return
    url = postgres.fresh_database(request.getfixturevalue("postgres_server").url)
    yield settings.model_copy(update={"database_url": url})
    postgres.drop_database(url)


def environment(settings: Settings) -> dict[str, str]:
    named = {"STRONGROOM_DATA_DIR": str(settings.data_dir), "STRONGROOM_DATABASE_URL": settings.database_url}
    return {"PATH": "/usr/bin:/bin", **named}


def differences(database: Database) -> list[object]:
    """What Alembic would change to make the database what the code's tables say."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, migrations.all_tables()))


def test_the_history_ends_where_the_code_says() -> None:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(migrations._config())
    assert script.get_heads() == [migrations.HEAD]


def test_the_history_makes_what_the_models_say(database: Database) -> None:
    assert differences(database) == []


def test_indexes_are_the_same_too(database: Database) -> None:
    """Alembic does not compare the conditions of partial indexes: the definitions as the database prints them."""
    from sqlalchemy.schema import CreateIndex

    tables = migrations.all_tables()

    def plain(text: str) -> str:
        text = re.sub(
            r"\bpublic\.|USING btree |::(text|character varying)|COLLATE \"\w+\"|[\"()\s]", "", text
        )
        return text.lower().replace("<>", "!=")

    expected = {
        index.name: plain(str(CreateIndex(index).compile(dialect=database.engine.dialect)))
        for table in tables.tables.values()
        for index in table.indexes
    }
    with database.read() as session:
        if database.is_sqlite:
            found = session.exec_driver_sql(
                "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql > ''"
            )
        else:
            found = session.exec_driver_sql(
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
            )
        there = {name: plain(sql) for name, sql in found}
    assert {name: there.get(name) for name in expected} == expected


def test_an_empty_database_is_set_up_once(empty: Settings) -> None:
    database = Database(empty)
    assert migrations.current(database) is None
    assert migrations.upgrade(database) is True
    assert migrations.current(database) == migrations.HEAD
    assert migrations.upgrade(database) is False
    database.close()
    assert list(empty.data_dir.glob("*before*")) == [], "there was nothing to keep"


def test_when_nothing_is_to_do_it_costs_one_select(database_settings: Settings) -> None:
    with overheard() as sent:
        database = Database(database_settings)
        migrations.upgrade(database)
        sent.clear()  # what the driver asks on a new connection
        assert migrations.upgrade(database) is False
        assert sent == ["SELECT version_num FROM alembic_version"]
        database.close()


def test_and_alembic_is_not_even_imported(database_settings: Settings) -> None:
    code = (
        "import sys\n"
        "from strongroom import migrations\n"
        "from strongroom.app import build\n"
        "from strongroom.settings import Settings\n"
        "build(Settings())\n"
        "print(sorted(m for m in sys.modules if m.startswith(('alembic', 'mako'))))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(database_settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.stdout.strip(), ran.returncode) == ("[]", 0), ran.stderr


def test_several_processes_at_once_set_it_up_once(empty: Settings) -> None:
    """As `serve --workers 3` on a fresh machine does."""
    empty.data_dir.mkdir(parents=True, exist_ok=True)
    number = count(2, 5)
    running = [
        subprocess.Popen(
            [*COMMAND, "db", "upgrade"],
            env=environment(empty),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(number)
    ]
    came = [(*process.communicate(timeout=120), process.returncode) for process in running]
    assert [code for _, _, code in came] == [0] * number, came
    assert sorted(out.strip() for out, _, _ in came) == sorted(
        [
            f"The database is at revision {migrations.HEAD}.",
            *[f"The database is at revision {migrations.HEAD} already."] * (number - 1),
        ]
    )
    database = Database(empty)
    assert differences(database) == []
    database.close()


def stamp(database: Database, revision: str) -> None:
    with database.begin() as session:
        session.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")


def test_a_newer_database_is_refused_and_left_alone(database: Database) -> None:
    stamp(database, "9999")
    with pytest.raises(Conflict) as refused:
        migrations.upgrade(database)
    assert "9999" in refused.value.message
    assert "newer" in refused.value.message
    assert migrations.current(database) == "9999"
    if database.path:
        assert list(Path(database.path).parent.glob("*before*")) == []


def test_a_newer_database_stops_every_command_with_clear_words(
    database: Database, database_settings: Settings
) -> None:
    stamp(database, "9999")
    for command in (["db", "upgrade"], ["token", "create", "jane@example.org"])[: count(1, 2)]:
        ran = subprocess.run(
            [*COMMAND, *command],
            env=environment(database_settings),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 1
        assert ran.stderr.startswith("strongroom: The database is at revision 9999")
        assert "Traceback" not in ran.stderr


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The code of tomorrow: one more revision in the history."""
    folder = tmp_path / "migrations"
    shutil.copytree(Path(migrations.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    script = folder / "versions" / "9998_next.py"
    script.write_text(
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = '9998', '{migrations.HEAD}'\n"
        "branch_labels = depends_on = None\n"
        "def upgrade():\n"
        "    op.add_column('users', sa.Column('nickname', sa.Text))\n"
        "    op.execute(\"UPDATE users SET nickname = 'x'\")\n"
    )
    monkeypatch.setattr(migrations, "HEAD", "9998")
    monkeypatch.setattr(migrations, "__file__", str(folder / "__init__.py"))
    return script


def add_user(database: Database, email: str) -> None:
    with database.begin() as session:
        session.exec_driver_sql(
            "INSERT INTO users (email, name, is_admin, is_active, created, updated) "
            f"VALUES ('{email}', '', false, true, '2024-01-01T00:00:00+00:00', '2024-01-01T00:00:00+00:00')"
        )


def test_before_an_upgrade_the_file_is_kept(database: Database, next_release: Path) -> None:
    add_user(database, "jane@example.org")
    assert migrations.upgrade(database) is True
    assert migrations.current(database) == "9998"
    with database.read() as session:
        assert session.exec_driver_sql("SELECT nickname FROM users").scalars().all() == ["x"]
    if not database.path:
        return
    (kept,) = Path(database.path).parent.glob("*before*")
    copy = sqlite3.connect(kept)
    assert copy.execute("SELECT version_num FROM alembic_version").fetchone() != ("9998",)
    assert copy.execute("SELECT email FROM users").fetchall() == [("jane@example.org",)]
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()
    assert str(kept).endswith(".before-9998")


def test_an_upgrade_that_fails_changes_nothing_and_can_be_repeated(
    database: Database, next_release: Path
) -> None:
    add_user(database, "jane@example.org")
    good = next_release.read_text()
    next_release.write_text(good + "    raise RuntimeError('half way')\n")
    before = migrations.current(database)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="half way"):
            migrations.upgrade(database)
        assert migrations.current(database) == before
        with database.read() as session:
            columns = list(session.exec_driver_sql("SELECT * FROM users").keys())
        assert "nickname" not in columns
    next_release.write_text(good)
    assert migrations.upgrade(database) is True
    assert migrations.current(database) == "9998"


def test_a_database_that_can_not_be_read_is_not_taken_for_an_empty_one(settings: Settings) -> None:
    settings.data_dir.mkdir(parents=True)
    (settings.data_dir / "strongroom.db").write_bytes(b"This is no database at all. " * 100)
    database = Database(settings)
    with pytest.raises(Exception, match="not a database"):
        migrations.current(database)
    database.close()


def test_a_busy_database_is_not_taken_for_an_empty_one(sqlite_template: Path, settings: Settings) -> None:
    settings = settings.model_copy(update={"sqlite_busy_seconds": 0.05})
    settings.data_dir.mkdir(parents=True)
    path = settings.data_dir / "strongroom.db"
    shutil.copy(sqlite_template, path)
    other = sqlite3.connect(path, isolation_level=None)
    # Only this keeps readers away in WAL mode too.
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    other.execute("UPDATE alembic_version SET version_num = version_num")
    database = Database(settings)
    with pytest.raises(StrongroomError):
        migrations.current(database)
    other.close()
    assert migrations.current(database) == migrations.HEAD
    database.close()
