"""Accounts, tokens and sessions, on both databases. The door's side of them is in test_access_matrix."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from strongroom.access import ANONYMOUS, SCOPES, Actor, require_scope
from strongroom.accounts import service
from strongroom.accounts.models import sessions, tokens, users
from strongroom.db import Database, metadata
from strongroom.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from strongroom.ids import now
from strongroom.migrations import all_tables

PASSWORD = "correct horse"


def add(database: Database, email: str = "jane@example.org", **more: object) -> int:
    with database.begin() as session:
        return service.add_user(session, email, PASSWORD, **more)  # type: ignore[arg-type]


def log_in(database: Database, email: str, password: str) -> str | None:
    with database.begin() as session:
        return service.log_in(session, email, password)


def test_an_address_names_one_account_however_it_is_spelled(database: Database) -> None:
    number = add(database, " Jane@Example.ORG ")
    with database.read() as session:
        row = service.find_user(session, "jane@EXAMPLE.org")
    assert (row.id, row.email) == (number, "jane@example.org")
    with pytest.raises(Conflict):
        add(database, "JANE@example.org")
    with pytest.raises(NotFound), database.read() as session:
        service.find_user(session, "john@example.org")


@pytest.mark.parametrize("email", ["", "jane", "a b@example.org", "@" * 400, "j\n@example.org"])
def test_what_is_no_address(database: Database, email: str) -> None:
    with pytest.raises(Invalid):
        add(database, email)


def test_short_passwords_are_refused(database: Database) -> None:
    with pytest.raises(Invalid), database.begin() as session:
        service.add_user(session, "jane@example.org", "seven77")
    number = add(database)
    with pytest.raises(Invalid), database.begin() as session:
        service.set_password(session, number, "seven77")


def test_a_password_changed_while_it_was_checked_opens_nothing(database: Database) -> None:
    number = add(database)
    with database.read() as session:
        checked = service.check_login(session, "jane@example.org", PASSWORD)
    assert checked is not None
    assert checked.user_id == number
    with database.begin() as session:
        assert service.still_right(session, checked)
    with database.begin() as session:
        # The same one again counts as well: its owner wanted all sessions ended.
        service.set_password(session, number, PASSWORD)
    with database.begin() as session:
        assert not service.still_right(session, checked)
        again = service.check_login(session, "jane@example.org", PASSWORD)
        assert again is not None
        session.execute(update(users).where(users.c.id == number).values(is_active=False))
        assert not service.still_right(session, again)


def test_logging_in_and_out(database: Database) -> None:
    number = add(database, name="Jane Doe", is_admin=True)
    for email, password in (("jane@example.org", "wrong horse"), ("john@example.org", PASSWORD), ("", "")):
        assert log_in(database, email, password) is None
    cookie = log_in(database, "Jane@example.org", PASSWORD)
    assert cookie
    with database.read() as session:
        actor = service.by_session(session, cookie)
        assert service.by_session(session, cookie + "x") == ANONYMOUS
    assert (actor.user_id, actor.is_admin, actor.scopes, actor.via) == (number, True, None, "session")
    assert service.csrf_matches(actor, actor.csrf)
    for wrong in ("", "x", actor.csrf[:-1], cookie):
        assert not service.csrf_matches(actor, wrong)
    assert not service.csrf_matches(replace(actor, csrf=""), "")
    assert log_in(database, "jane@example.org", PASSWORD) != cookie, "a fresh one each time"
    with database.begin() as session:
        service.log_out(session, cookie)
    with database.read() as session:
        assert service.by_session(session, cookie) == ANONYMOUS


def test_sessions_and_tokens_end(database: Database) -> None:
    number = add(database)
    cookie = log_in(database, "jane@example.org", PASSWORD)
    assert cookie
    with database.begin() as session:
        short = service.create_token(session, number, lifetime=timedelta(seconds=-1))
        good = service.create_token(session, number, lifetime=timedelta(days=1))
        assert service.by_token(session, short) == ANONYMOUS
        assert service.by_token(session, good).user_id == number
        session.execute(update(sessions).values(expires=now() - timedelta(seconds=1)))
        assert service.by_session(session, cookie) == ANONYMOUS
    log_in(database, "jane@example.org", PASSWORD)
    with database.read() as session:
        assert len(session.execute(select(sessions)).all()) == 1, "ended sessions are swept"


def test_a_new_password_ends_all_sessions(database: Database) -> None:
    number = add(database)
    cookie = log_in(database, "jane@example.org", PASSWORD)
    assert cookie
    with database.begin() as session:
        token = service.create_token(session, number)
        service.set_password(session, number, "battery staple")
        assert service.by_session(session, cookie) == ANONYMOUS
        assert service.by_token(session, token).user_id == number, "tokens have their own lives"
    assert log_in(database, "jane@example.org", PASSWORD) is None
    assert log_in(database, "jane@example.org", "battery staple")


def test_a_disabled_account_is_nobody(database: Database) -> None:
    number = add(database)
    cookie = log_in(database, "jane@example.org", PASSWORD)
    assert cookie
    with database.begin() as session:
        token = service.create_token(session, number)
        session.execute(update(users).values(is_active=False))
    with database.read() as session:
        assert service.by_session(session, cookie) == ANONYMOUS
        assert service.by_token(session, token) == ANONYMOUS
    assert log_in(database, "jane@example.org", PASSWORD) is None


def test_an_account_to_be_claimed_has_no_way_in_until_it_has_a_password(database: Database) -> None:
    with database.begin() as session:
        number = service.add_user(session, "jane@example.org")
    for guess in ("", "None", PASSWORD):
        assert log_in(database, "jane@example.org", guess) is None
    with database.begin() as session:
        service.set_password(session, number, PASSWORD)
    assert log_in(database, "jane@example.org", PASSWORD)


def test_tokens_and_their_scopes(database: Database) -> None:
    number = add(database)
    with database.begin() as session:
        whole = service.create_token(session, number)
        write = service.create_token(session, number, ["deposit:write", "deposit:write"])
        none = service.create_token(session, number, [])
        with pytest.raises(Invalid) as refused:
            service.create_token(session, number, ["deposit:everything"])
        assert "deposit:everything" in refused.value.findings[0].messages[0]
        known = [service.by_token(session, t).scopes for t in (whole, write, none)]
        for wrong in ("", "x", whole[:-1], whole.lower(), "\ud800"):
            assert service.by_token(session, wrong) == ANONYMOUS
    assert known == [frozenset(SCOPES), frozenset(["deposit:write"]), frozenset()]
    assert len({whole, write, none}) == 3
    assert all(len(t) == 60 for t in (whole, write, none))


def test_what_a_scope_is_needed_for() -> None:
    everything = Actor(user_id=1, via="session")
    require_scope(everything, "deposit:write")
    limited = Actor(user_id=1, via="token", scopes=frozenset(["deposit:write"]))
    require_scope(limited, "deposit:write")
    with pytest.raises(Forbidden) as refused:
        require_scope(limited, "deposit:actions")
    assert "deposit:actions" in refused.value.message
    require_scope(limited, "deposit:actions", enforce=False)
    with pytest.raises(Unauthenticated):
        require_scope(ANONYMOUS, "deposit:write", enforce=False)


def test_no_secret_is_stored(database: Database) -> None:
    """Whoever reads the database (or a copy of it) can't log in."""
    number = add(database)
    cookie = log_in(database, "jane@example.org", PASSWORD)
    with database.begin() as session:
        token = service.create_token(session, number)
    all_tables()
    with database.read() as session:
        everything = "".join(str(session.execute(table.select()).all()) for table in metadata.sorted_tables)
        assert session.execute(select(tokens.c.hash)).scalar_one() in everything
    for secret in (PASSWORD, cookie, token):
        assert secret
        assert secret not in everything
