"""The outbox: mails exist when their transaction does, leave once, and say what they should to whom."""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from strongroom import mail
from strongroom.db import Database
from strongroom.ids import now
from strongroom.jobs import queue
from strongroom.requests import texts as texts  # defines the mails
from strongroom.settings import Settings
from tests.desk import Desk
from tests.smtp_server import SmtpServer, text_of

SAID: dict[str, str | int] = {
    "title": "Rose\r\nscent",
    "message": "Please",
    "link": "https://secret.example/x",
    "hours": 6,
}


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    server = SmtpServer()
    yield server
    server.stop()


def desk_of(database: Database, settings: Settings, server: SmtpServer | None) -> Desk:
    if server is not None:
        settings = settings.model_copy(update={"smtp_host": "127.0.0.1", "smtp_port": server.port})
    return Desk.of(settings, database)


def post(desk: Desk, to: str = "ann@example.org", **more: str) -> int:
    with desk.db.begin() as session:
        return mail.send(session, to, "access-confirm", SAID, **more)


def state(desk: Desk, mail_id: int) -> tuple[str, str | None]:
    (row,) = desk.rows(select(mail.outbox).where(mail.outbox.c.id == mail_id))
    return row.state, row.content


def test_a_mail_arrives_and_its_content_is_forgotten(
    database: Database, database_settings: Settings, server: SmtpServer
) -> None:
    desk = desk_of(database, database_settings, server)
    mail_id = post(desk)
    assert server.mails == []
    desk.work()
    (came,) = server.mails
    assert came["To"] == "ann@example.org"
    said = text_of(came)
    assert "Confirm your request for access to “Rose scent”" in said, "one line, whatever the title has"
    assert "https://secret.example/x" in said
    assert state(desk, mail_id) == ("sent", None)
    desk.work()
    assert len(server.mails) == 1


def test_no_mail_of_what_did_not_happen(
    database: Database, database_settings: Settings, server: SmtpServer
) -> None:
    desk = desk_of(database, database_settings, server)

    def broken_off() -> None:
        with database.begin() as session:
            mail.send(session, "ann@example.org", "access-confirm", SAID)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off()
    desk.work()
    assert server.mails == []


def test_a_server_that_is_busy_is_asked_again(
    database: Database, database_settings: Settings, server: SmtpServer
) -> None:
    desk = desk_of(database, database_settings, server)
    server.answers["ann@example.org"] = "451 come back later"
    mail_id = post(desk)
    desk.work()
    assert (server.mails, state(desk, mail_id)[0]) == ([], "waiting")
    server.answers.clear()
    desk.work(until=now() + timedelta(hours=1))
    assert (len(server.mails), state(desk, mail_id)) == (1, ("sent", None))


def test_a_refused_address_is_not_tried_again(
    database: Database, database_settings: Settings, server: SmtpServer
) -> None:
    desk = desk_of(database, database_settings, server)
    server.answers["ann@example.org"] = "550 no such user"
    mail_id = post(desk)
    desk.work()
    assert state(desk, mail_id) == ("failed", None)
    with database.read() as session:
        (job,) = queue.dead(session)
    assert "550 no such user" in job.last_error


def test_an_address_the_server_can_never_take_is_not_tried_again(
    database: Database, database_settings: Settings, server: SmtpServer
) -> None:
    desk = desk_of(database, database_settings, server)
    mail_id = post(desk, "jürgen@example.org")  # of before such addresses were refused
    desk.work()
    assert (server.mails, state(desk, mail_id)) == ([], ("failed", None))


def test_a_server_that_is_not_there_keeps_it_waiting(
    database: Database, database_settings: Settings, server: SmtpServer
) -> None:
    desk = desk_of(database, database_settings, server)
    server.stop()
    mail_id = post(desk)
    desk.work()
    assert state(desk, mail_id)[0] == "waiting"
    server.__init__()  # type: ignore[misc]  # so that the fixture has one to stop


def test_without_a_server_mails_are_files_of_the_operator(
    database: Database, database_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    desk = desk_of(database, database_settings, None)
    mail_id = post(desk)
    with caplog.at_level(logging.DEBUG):
        desk.work()
    path = database_settings.data_dir / "mail" / f"{mail_id}.eml"
    assert b"https://secret.example/x" in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert str(path) in caplog.text, "the operator is told where it is"
    assert "secret.example" not in caplog.text, "and nobody what it says"
    assert state(desk, mail_id) == ("kept", None)


def test_in_the_language_of_who_reads_it(
    database: Database, database_settings: Settings, server: SmtpServer
) -> None:
    desk = desk_of(database, database_settings, server)
    post(desk, language="de")
    post(desk, language="xx")
    desk.work()
    subjects = {text_of(m).partition("\n")[0] for m in server.mails}
    assert subjects == {
        "Bestätigen Sie Ihre Bitte um Zugang zu „Rose scent“",
        "Confirm your request for access to “Rose scent”",
    }


def test_a_wish_for_no_mail(database: Database, database_settings: Settings) -> None:
    desk = desk_of(database, database_settings, None)
    ann, bob = desk.user("ann@example.org").user_id, desk.user("bob@example.org").user_id
    assert ann is not None
    assert bob is not None
    for wish in (False, True, False):
        with database.begin() as session:
            mail.set_wish(session, ann, wish)
        with database.read() as session:
            assert (mail.wants(session, ann), mail.wants(session, bob)) == (wish, True)
    with database.read() as session:
        assert mail.unwilling(session, [ann, bob]) == {ann}
