"""Databases as releases left them: made once by `scripts/make_upgrade_dump.py`, kept for good, loaded by tests.

    tests/upgrades/<revision>/sqlite.sql.gz        `.dump` of the SQLite file
    tests/upgrades/<revision>/postgresql.sql.gz    `pg_dump --inserts` (no rows of owners or grants)
    tests/upgrades/<revision>/expected.json        what the API shows of it

The content is always the same few things (`fill`), made under a clock and a source of random values
that start anew each time: a dump that is made again differs only where the schema or the code does.
"""

from __future__ import annotations

import gzip
import itertools
import json
import random
import sqlite3
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import psycopg
from sqlalchemy import select, update

from strongroom import ids
from strongroom.access import ANONYMOUS, Actor
from strongroom.accounts import service as accounts
from strongroom.accounts.models import tokens, users
from strongroom.db import Database
from strongroom.errors import Forbidden, Gone, NotFound
from strongroom.http import shapes
from strongroom.metadata.model import Access, Identifier, Person
from strongroom.records import drafts, queries
from strongroom.records.models import drafts as draft_rows
from strongroom.records.models import records
from strongroom.settings import Settings
from tests import postgres
from tests.desk import Desk, data

FOLDER = Path(__file__).parent
TODAY = date(2025, 6, 1)
# Of "correct horse"; argon2 would take another salt each time.
PASSWORD = "$argon2id$v=19$m=65536,t=3,p=4$c3Ryb25ncm9vbXNhbHQhIQ$Q7LsFBZpnzjSrxwapOvuW9cJqtWkVM3Yi20QHAF7rNU"
TOKEN = "a token that was made with the first release and still works"


def revisions() -> list[str]:
    return sorted(p.name for p in FOLDER.iterdir() if (p / "expected.json").exists())


@contextmanager
def still_life() -> Iterator[None]:
    """Time starts on TODAY and goes on a second a look; random values are the same each time."""
    ticks = itertools.count()
    dice = random.Random(1)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC) + timedelta(seconds=next(ticks))

    fixed_uuid = SimpleNamespace(uuid4=lambda: uuid.UUID(int=dice.getrandbits(128), version=4))
    fixed_secrets = SimpleNamespace(
        token_hex=lambda size: f"{dice.getrandbits(size * 8):0{size * 2}x}",
        token_urlsafe=lambda size: f"{dice.getrandbits(300):060x}"[:60],
    )
    with (
        mock.patch.object(ids, "datetime", Clock),
        mock.patch.object(ids, "uuid", fixed_uuid),
        mock.patch.object(ids, "secrets", fixed_secrets),
    ):
        yield


def fill(desk: Desk) -> None:
    """One of everything that a database can hold."""
    jane = desk.user("jane@example.org", name="Jane Doe", orcid="0000-0002-1825-0097")
    john = desk.user("john@example.org", name="John Roe")
    desk.user("root@example.org", admin=True)
    with desk.db.begin() as session:
        accounts.create_token(session, jane.user_id or 0, name="laptop")
        session.execute(update(tokens).values(hash=accounts.digest(TOKEN)))
        session.execute(update(users).where(users.c.id == jane.user_id).values(password=PASSWORD))

    creators = [
        Person(
            name="Doe, Jané",
            family_name="Doe",
            given_name="Jané",
            identifiers=[Identifier(identifier="0000-0002-1825-0097", scheme="orcid")],
        )
    ]
    # Three versions with shared, replaced, renamed, deleted and sorted files; the first is edited.
    first = desk.create(
        jane, data("Scent of roses", creators=creators, description="<p>µ ± 𝔸</p>", version="1.0")
    )
    for key in ("README.txt", "data/a.csv", "data/ü.csv", "old.txt"):
        desk.put(jane, first, key)
    desk.sort(jane, first, "data/ü.csv", "README.txt", "data/a.csv", "old.txt")
    desk.publish(jane, first)
    desk.corrected(jane, first, data("Scent of roses, corrected", creators=creators, version="1.0"))
    second = desk.new_version(jane, first)
    desk.put(jane, second, "README.txt", b"second")
    desk.rename(jane, second, "data/a.csv", "data/b.csv")
    desk.remove(jane, second, "old.txt")
    desk.publish(jane, second)
    third = desk.publish(jane, desk.new_version(jane, first))
    desk.withdraw(third, "retracted", "The third was a mistake.")

    closed = Access(files="restricted", requests=False)
    embargo = Access(files="restricted", embargo_until=date(2999, 1, 1), embargo_reason="Paper under review")
    desk.deposit(
        jane,
        "secret.txt",
        described=data("Restricted", access=Access(files="restricted", conditions="<p>Ask.</p>")),
    )
    desk.deposit(jane, "closed.txt", described=data("Closed", access=closed))
    desk.deposit(jane, "later.txt", described=data("Embargoed", access=embargo))
    desk.deposit(
        john,
        "paper.pdf",
        described=data("Elsewhere", doi="10.1234/Else.Where", resource_type="publication-article"),
    )
    desk.transfer(desk.deposit(jane, "given.txt", described=data("Given away")), john)
    desk.withdraw(desk.deposit(john, "gone.txt", described=data("Gone for good")))

    # On their way: a draft, an edit, a next version, an upload, bytes to be removed.
    draft = desk.create(jane, data("A draft"))
    desk.put(jane, draft, "draft.txt")
    desk.put(jane, draft, "draft.txt", b"replaced")
    desk.edit(jane, first)
    desk.update(jane, first, data("Scent of roses, in edit", creators=creators))
    desk.put(jane, desk.new_version(jane, first), "fourth.txt")
    desk.reserve(jane, draft, "coming.txt", 1000)
    desk.discard(jane, desk.create(jane))
    desk.work(until=ids.now())


def shown(desk: Desk) -> dict[str, Any]:
    """What the API shows of every record and draft, to its owner and to others."""
    found: dict[str, Any] = {}
    settings = desk.settings
    with desk.db.read() as session:
        owners = {
            r.id: r.owner_id
            for t in (records, draft_rows)
            for r in session.execute(select(t.c.id, t.c.owner_id))
        }
        for some_id, owner_id in sorted(owners.items()):
            for name, actor in (("anonymous", ANONYMOUS), ("owner", Actor(user_id=owner_id, via="session"))):
                try:
                    view = queries.by_id(session, actor, some_id, with_versions=True)
                    said: Any = shapes.record(view, settings, TODAY)
                except Gone as gone:
                    said = {"tombstone": gone.tombstone}
                except (NotFound, Forbidden) as error:
                    said = {"error": error.code}
                found[f"record {some_id} {name}"] = said
            draft = drafts.view(session, Actor(user_id=owner_id, via="session"), some_id)
            if draft is not None:
                found[f"draft {some_id}"] = shapes.deposition(draft, settings, TODAY)
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def settings_for(folder: Path, database_url: str = "") -> Settings:
    return Settings(
        data_dir=folder,
        database_url=database_url,
        base_url="http://testserver",
        disk_reserve_bytes=0,
        rate_limits="off",
    )


def dump(db: Database) -> str:
    """The whole database as SQL."""
    if db.path is not None:
        connection = sqlite3.connect(db.path)
        text = "\n".join(connection.iterdump()) + "\n"
        connection.close()
        return text
    programs = postgres.binaries()
    assert programs is not None
    url = db.url.replace("postgresql+psycopg://", "postgresql://")
    command = [str(programs / "pg_dump"), "--inserts", "--no-owner", "--no-privileges", "--no-comments", url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # The server's own version, and commands for psql, are of no use to others.
    lines = (line for line in text.splitlines() if line and not line.startswith(("--", "\\")))
    return "\n".join(lines) + "\n"


def load(sql: str, settings: Settings) -> None:
    """Make an empty database what the dump says."""
    if settings.is_sqlite:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(settings.data_dir / "strongroom.db")
        connection.executescript(sql)
        connection.close()
        return
    with psycopg.connect(settings.database_url, autocommit=True) as session:
        session.execute(sql.encode())


def kept(revision: str, engine: str) -> str:
    return gzip.decompress((FOLDER / revision / f"{engine}.sql.gz").read_bytes()).decode()


def keep(revision: str, engine: str, sql: str) -> None:
    folder = FOLDER / revision
    folder.mkdir(exist_ok=True)
    (folder / f"{engine}.sql.gz").write_bytes(gzip.compress(sql.encode(), 9, mtime=0))


def expected(revision: str) -> dict[str, Any]:
    return json.loads((FOLDER / revision / "expected.json").read_text())  # type: ignore[no-any-return]


def expect(revision: str, said: dict[str, Any]) -> None:
    text = json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (FOLDER / revision / "expected.json").write_text(text)
