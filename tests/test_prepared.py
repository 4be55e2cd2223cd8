"""`Prepared` gives what SQLAlchemy gives: rows, types, errors, and its place in the transaction."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, delete, exc, insert, null, select, update

from strongroom.accounts.models import users
from strongroom.db import Database, Prepared, insert_row
from strongroom.ids import now

USER = {"email": "a@example.org", "name": "Ä\0B".replace("\0", ""), "is_admin": True, "is_active": False}


def add(database: Database, **more: object) -> None:
    moment = now()
    with database.begin() as session:
        insert_row(session, users, {**USER, "created": moment, "updated": moment, **more})


def test_rows_are_those_of_sqlalchemy(database: Database) -> None:
    add(database)
    query = select(users).where(users.c.email == bindparam("email"), users.c.password.is_(None))
    prepared = Prepared(query)
    with database.read() as session:
        theirs = session.execute(query, {"email": "a@example.org"}).one()
        ours = prepared.on(session, {"email": "a@example.org"}).one()
        assert dict(theirs._mapping) == ours._asdict()
        assert {n: type(v) for n, v in theirs._mapping.items()} == {
            n: type(v) for n, v in ours._asdict().items()
        }
        assert prepared.on(session, {"email": "nobody"}).first() is None
        assert prepared.on(session, {"email": "nobody"}).scalar() is None


def test_writing_counts_rows_and_rolls_back(database: Database) -> None:
    add(database)
    rename = Prepared(
        update(users)
        .where(users.c.email == bindparam("who"))
        .values(name=bindparam("called"), orcid=null(), updated=bindparam("at", type_=users.c.updated.type))
    )

    def renamed_and_broken_off() -> None:
        with database.begin() as session:
            assert rename.on(session, {"who": "a@example.org", "called": "X", "at": now()}).rowcount == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        renamed_and_broken_off()
    with database.read() as session:
        assert session.execute(select(users.c.name)).scalar() == USER["name"]
    with database.begin() as session:
        assert rename.on(session, {"who": "nobody", "called": "X", "at": now()}).rowcount == 0
        assert Prepared(delete(users)).on(session, {}).rowcount == 1


def test_returning(database: Database) -> None:
    made = Prepared(
        insert(users).values(
            email=bindparam("mail"), name="", is_admin=False, is_active=True,
            created=bindparam("at", type_=users.c.created.type), updated=bindparam("at", type_=users.c.created.type),
        ).returning(users.c.id, users.c.is_active)
    )  # fmt: skip
    with database.begin() as session:
        first = made.on(session, {"mail": "x@example.org", "at": now()}).one()
        second = made.on(session, {"mail": "y@example.org", "at": now()}).one()
        assert second.id > first.id
        assert first.is_active is True


def test_errors_are_sqlalchemys(database: Database) -> None:
    add(database)
    with pytest.raises(exc.IntegrityError):
        add(database)
    with pytest.raises(exc.DBAPIError), database.begin() as session:
        Prepared(select(users).where(users.c.email == bindparam("email"))).on(session, {"nothing": 1})
    with database.begin() as session:
        assert session.execute(select(users.c.email)).scalars().all() == ["a@example.org"]
