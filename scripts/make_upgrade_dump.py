"""Keep a database as this release leaves it, on both engines, for `tests/upgrades`.

    .venv/bin/python scripts/make_upgrade_dump.py            a dump of the newest revision
    .venv/bin/python scripts/make_upgrade_dump.py --expect   what the API shows now of every dump there is

Run the first once for each revision, just before its release; a dump is never changed afterwards, since
real databases look like it. The second is for answers that were changed on purpose: look at the difference.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from strongroom import migrations
from strongroom.db import Database
from tests import postgres
from tests.desk import Desk
from tests.upgrades import dumps


def make() -> None:
    server = postgres.start()
    try:
        for engine in ("sqlite", "postgresql"):
            with tempfile.TemporaryDirectory() as folder, dumps.still_life():
                url = "" if engine == "sqlite" else postgres.fresh_database(server.url)
                settings = dumps.settings_for(Path(folder) / "data", url)
                db = Database(settings)
                migrations.upgrade(db)
                desk = Desk.of(settings, db)
                dumps.fill(desk)
                sql = dumps.dump(db)
                said = dumps.shown(desk)
                db.close()
            dumps.keep(migrations.HEAD, engine, sql)
            print(f"{migrations.HEAD}/{engine}.sql.gz: {len(sql):,} characters, {len(said)} answers")
        dumps.expect(migrations.HEAD, said)
    finally:
        server.stop()


def expect() -> None:
    for revision in dumps.revisions():
        with tempfile.TemporaryDirectory() as folder:
            settings = dumps.settings_for(Path(folder) / "data")
            dumps.load(dumps.kept(revision, "sqlite"), settings)
            db = Database(settings)
            migrations.upgrade(db)
            dumps.expect(revision, dumps.shown(Desk.of(settings, db)))
            db.close()
        print(f"{revision}/expected.json")


if __name__ == "__main__":
    expect() if "--expect" in sys.argv[1:] else make()
