"""The database's schema and its history. `upgrade` brings any older database to what the code expects.

`serve` calls it by itself: under a lock, on SQLite after a copy of the file, and refused when the
database is newer than the code. When nothing is to do it costs one SELECT; Alembic is not imported.
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import exc

from strongroom.db import Database
from strongroom.errors import Conflict

log = logging.getLogger(__name__)

HEAD = "0010"
_LOCK = 0x6D696772  # "migr"


def current(db: Database) -> str | None:
    """The revision the database is at; None when it is empty. Raises what a broken or busy one raises."""
    if db.path is not None and not Path(db.path).exists():
        return None
    try:
        with db.read() as session:
            return session.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    except (exc.OperationalError, exc.ProgrammingError) as error:
        # Only this says "empty": a busy database taken for an empty one would be upgraded without its copy.
        if "alembic_version" in str(error.orig):
            return None
        raise


def upgrade(db: Database) -> bool:
    """Bring the database to HEAD; True when something was done. Raises Conflict for a newer one."""
    if current(db) == HEAD:
        return False
    with _lock(db):
        at = current(db)
        if at == HEAD:
            return False
        from alembic import command
        from alembic.script import ScriptDirectory
        from alembic.util import CommandError

        config = _config()
        if at is not None:
            try:
                ScriptDirectory.from_config(config).get_revision(at)
            except CommandError:
                raise Conflict(
                    f"The database is at revision {at}, which this version of Strongroom does not know: "
                    "it was upgraded by a newer one. Install that version, or restore the copy made before."
                ) from None
            _copy(db, at)
        with db.engine.connect() as connection:
            config.attributes["connection"] = connection
            with connection.begin():
                command.upgrade(config, "head")
        log.info("database upgraded from %s to %s", at or "nothing", HEAD)
    return True


def _config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def _copy(db: Database, at: str) -> None:
    """Keep the SQLite file as it was, by the online backup, beside itself."""
    if db.path is None:
        return
    import sqlite3

    target = Path(f"{db.path}.before-{HEAD}")
    source = sqlite3.connect(db.path)
    copy = sqlite3.connect(target)
    with copy:
        source.backup(copy)
    copy.close()
    source.close()
    log.info("kept the database of revision %s as %s", at, target)


@contextmanager
def _lock(db: Database) -> Iterator[None]:
    """One process upgrades, the others wait for it."""
    if db.path is not None:
        with open(f"{db.path}.upgrade-lock", "w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
        return
    with db.engine.connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK})")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_LOCK})")
            connection.rollback()


def all_tables() -> Any:
    """The metadata with the tables of every noun, for Alembic and for tests."""
    import strongroom.accounts.models
    import strongroom.changes
    import strongroom.files.models
    import strongroom.jobs.models
    import strongroom.mail
    import strongroom.pids
    import strongroom.records.models
    import strongroom.requests.models
    import strongroom.sharing.models
    import strongroom.vocabularies.models  # noqa: F401
    from strongroom.db import metadata

    return metadata
