"""Identities, first log-ins and links by mail as verbs, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from strongroom.access import Actor
from strongroom.accounts import identities, profiles, registration
from strongroom.accounts import service as accounts
from strongroom.accounts.federation import Claimed
from strongroom.accounts.models import identities as rows
from strongroom.accounts.models import users
from strongroom.db import Database
from strongroom.errors import Conflict, Forbidden, Invalid, NotFound
from strongroom.mail import outbox
from strongroom.settings import Settings

ORCID = "0000-0002-1825-0097"
AT_ORCID = Claimed("orcid", "https://orcid.org", ORCID, ORCID, "Josiah Carberry", orcid=ORCID)
AT_GITHUB = Claimed("github", "https://github.com", "583231", "octocat")


def user(user_id: int, **more: str) -> Actor:
    return Actor(user_id=user_id, **{"via": "session", **more})


def token_in(link: str) -> str:
    return link.rpartition("/")[2]


def mailed(database: Database, to: str) -> list[str]:
    with database.read() as session:
        return list(
            session.execute(
                select(outbox.c.kind).where(outbox.c.recipient == to).order_by(outbox.c.id)
            ).scalars()
        )


def test_an_account_by_orcid_waits_for_its_address(database: Database, settings: Settings) -> None:
    with database.begin() as session:
        user_id, sure = identities.add_account(session, AT_ORCID, "Josiah Carberry", "josiah@example.org")
        assert not sure
        # Nobody is in the way of the address's owner, and nobody is found by it.
        other = accounts.add_user(session, "josiah@example.org", name="The owner")
        with pytest.raises(identities.Taken):
            registration.ask_to_confirm(session, settings, user_id, "josiah@example.org")
        registration.ask_to_confirm(session, settings, user_id, "carberry@example.org")
    with database.read() as session:
        assert accounts.find_user(session, "josiah@example.org").id == other
        assert registration.awaited(session, user_id) == "carberry@example.org"
        person = profiles.as_creator(session, user(user_id))
    assert person is not None
    assert (person.family_name, person.given_name, person.identifier("orcid")) == (
        "Carberry",
        "Josiah",
        ORCID,
    )
    assert mailed(database, "carberry@example.org") == ["address-confirm"]


def test_one_identity_is_one_account(database: Database, settings: Settings) -> None:
    with database.begin() as session:
        first, _ = identities.add_account(session, AT_ORCID, "A", "a@example.org")
        second = accounts.add_user(session, "b@example.org", "battery staple")
        with pytest.raises(Conflict):
            identities.add_account(session, AT_ORCID, "C", "c@example.org")
        with pytest.raises(Conflict):
            identities.link(session, settings, user(second), AT_ORCID)
        with pytest.raises(Forbidden):
            identities.link(session, settings, user(second, via="token"), AT_GITHUB)
        identities.link(session, settings, user(second), AT_GITHUB)
        identities.link(session, settings, user(second), AT_GITHUB)
        assert [row.subject for row in identities.own(session, user(second))] == ["583231"]
        # The same name at another issuer is somebody else.
        elsewhere = Claimed("github", "https://github.example.org", "583231", "octocat")
        assert identities.find(session, elsewhere) is None
    with pytest.raises(IntegrityError), database.begin() as session:
        identities._insert(session, first, AT_GITHUB)


def test_one_way_in_always_stays(database: Database, settings: Settings) -> None:
    with database.begin() as session:
        orcid_only, _ = identities.add_account(session, AT_ORCID, "A", "a@example.org")
        both = accounts.add_user(session, "b@example.org", "battery staple")
        identities.link(session, settings, user(both), AT_GITHUB)
        number = {row.user_id: row.id for row in session.execute(select(rows)).all()}
        with pytest.raises(Conflict):
            identities.unlink(session, settings, user(orcid_only), number[orcid_only])
        with pytest.raises(NotFound):
            identities.unlink(session, settings, user(orcid_only), number[both])
        without = settings.model_copy(update={"accounts": "off"})
        with pytest.raises(Conflict):
            identities.unlink(session, without, user(both), number[both])
        identities.unlink(session, settings, user(both), number[both])
        google = Claimed("oidc", "https://accounts.example.org", "1", "a@example.org")
        identities.link(session, settings, user(orcid_only), google)
        identities.unlink(session, settings, user(orcid_only), number[orcid_only])
        assert session.execute(select(users.c.orcid).where(users.c.id == orcid_only)).scalar() is None


def test_links_are_good_once_and_for_what_they_are(database: Database, settings: Settings) -> None:
    with database.begin() as session:
        link = registration._link(session, settings, "register", "ada@example.org", name="Ada")
    assert link is not None
    token = token_in(link)
    for kinds in (("reset",), ("address",)):
        with database.read() as session, pytest.raises(NotFound):
            registration.waiting(session, token, *kinds)
    with database.begin() as session:
        user_id = registration.make_account(session, settings, token, "", accounts.hashed("a long engine"))
    with database.begin() as session, pytest.raises((NotFound, Conflict)):
        registration.make_account(session, settings, token, "", accounts.hashed("a long engine"))
    with database.read() as session:
        row = accounts.find_user(session, "ada@example.org")
        assert (row.id, row.name) == (user_id, "Ada")
        assert row.confirmed is not None
        assert accounts.check_password(session, user_id, "a long engine")
        assert not accounts.check_password(session, user_id, "another engine")


def test_a_new_address_ends_the_links_of_the_old_one(database: Database, settings: Settings) -> None:
    with database.begin() as session:
        user_id = accounts.add_user(session, "old@example.org", "battery staple")
        reset = registration._link(session, settings, "reset", "old@example.org")
        first = registration._link(session, settings, "address", "typo@example.org", user_id=user_id)
        registration.ask_to_confirm(session, settings, user_id, "new@example.org")
        with pytest.raises(NotFound):
            registration.confirm_address(session, settings, user(user_id), token_in(first or ""))
        link = registration._link(session, settings, "address", "new@example.org", user_id=user_id)
        with pytest.raises(Forbidden):
            registration.confirm_address(session, settings, user(user_id + 1), token_in(link or ""))
        registration.confirm_address(session, settings, user(user_id), token_in(link or ""))
        with pytest.raises(NotFound):
            registration.reset(session, settings, token_in(reset or ""), accounts.hashed("taken over"))
    assert mailed(database, "old@example.org") == ["address-changed"]


def test_what_is_sealed_is_not_changed_nor_used_for_something_else(database: Database) -> None:
    with database.read() as session:
        key = identities.signing_key(session)
    text = identities.sealed(key, "dance", {"next": "/", "linking": 7}, 60)
    assert identities.opened(key, "dance", text) == {"next": "/", "linking": 7}
    for wrong in (identities.opened(key, "first", text), identities.opened(b"x" * 32, "dance", text)):
        assert wrong is None
    body, _, mac = text.partition(".")
    for forged in ("", ".", f"{body}.", f".{mac}", f"{body}x.{mac}", f"{body}.{mac}x", f"{body}.ü"):
        assert identities.opened(key, "dance", forged) is None
    assert identities.opened(key, "dance", identities.sealed(key, "dance", {}, -1)) is None


@pytest.mark.parametrize(
    "text",
    ["", "a", "a@", "@b", "a@b@c", "a b@c", "a@b,c@d", "a@b\nBcc: c@d", "<a@b>", "a@b;c@d", "x" * 320 + "@b"],
)
def test_a_mail_goes_to_one_address_or_none(text: str) -> None:
    with pytest.raises(Invalid):
        accounts.address(text)
