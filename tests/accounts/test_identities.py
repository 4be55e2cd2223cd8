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
        registration.ask_to_confirm(session, settings, user_id, "josiah@example.org")
        assert registration.awaited(session, user_id) == "josiah@example.org", "as if nobody had it"
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
    assert mailed(database, "josiah@example.org") == ["register-known"]


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


def test_an_address_is_told_of_only_to_whom_its_issuer_vouches_for(database: Database) -> None:
    vouched = Claimed(
        "oidc", "https://a.example", "1", "j", "J", email="Taken@example.org", email_verified=True
    )
    with database.begin() as session:
        accounts.add_user(session, "taken@example.org")
        accounts.add_user(session, "other@example.org")
        with pytest.raises(identities.Taken):
            identities.add_account(session, vouched, "J", "taken@example.org")
        user_id, sure = identities.add_account(session, vouched, "J", "other@example.org")
        assert not sure
        row = accounts.by_id(session, user_id)
        assert row is not None
        assert row.email.endswith(".invalid")
        assert identities.add_account(session, AT_GITHUB, "G", "taken@example.org")[1] is False


def test_one_way_in_always_stays(database: Database, settings: Settings) -> None:
    settings = settings.model_copy(
        update={
            "orcid_client_id": "a",
            "github_client_id": "b",
            "oidc_client_id": "c",
            "oidc_issuer": "https://accounts.example.org/",
        }
    )
    with database.begin() as session:
        orcid_only, _ = identities.add_account(session, AT_ORCID, "A", "a@example.org")
        both = accounts.add_user(session, "b@example.org", "battery staple")
        identities.link(session, settings, user(both), AT_GITHUB)
        number = {row.user_id: row.id for row in session.execute(select(rows)).all()}
        with pytest.raises(Conflict):
            identities.unlink(session, settings, user(orcid_only), number[orcid_only], "")
        with pytest.raises(NotFound):
            identities.unlink(session, settings, user(orcid_only), number[both], "")
        without = settings.model_copy(update={"accounts": "off"})
        with pytest.raises(Conflict):
            identities.unlink(session, without, user(both), number[both], "")
        identities.unlink(session, settings, user(both), number[both], "")
        google = Claimed("oidc", "https://accounts.example.org", "1", "a@example.org")
        identities.link(session, settings, user(orcid_only), google)
        # One whose provider is no longer set, or is another one now, is no way in.
        account = accounts.by_id(session, orcid_only)
        assert account is not None
        for gone in ({"oidc_client_id": ""}, {"oidc_issuer": "https://moved.example.org"}):
            changed = settings.model_copy(update=gone)
            with pytest.raises(Conflict):
                identities.unlink(session, changed, user(orcid_only), number[orcid_only], "")
            linked = identities.own(session, user(orcid_only))
            assert identities.needed(changed, account, linked) == {number[orcid_only]}
        assert identities.needed(settings, account, linked) == set()
        identities.unlink(session, settings, user(orcid_only), number[orcid_only], "")
        assert session.execute(select(users.c.orcid).where(users.c.id == orcid_only)).scalar() is None


def test_unlinking_ends_the_sessions_of_who_came_by_it(database: Database, settings: Settings) -> None:
    with database.begin() as session:
        user_id = accounts.add_user(session, "b@example.org", "battery staple")
        identities.link(session, settings, user(user_id), AT_GITHUB)
        here, there = (accounts.begin_session(session, user_id) for _ in range(2))
        assert identities.note_use(session, AT_GITHUB, user_id)
        (row,) = identities.own(session, user(user_id))
        identities.unlink(session, settings, user(user_id), row.id, here)
        assert accounts.by_session(session, here).is_user
        assert not accounts.by_session(session, there).is_user
        # Who was found before it was unlinked is not let in after.
        assert not identities.note_use(session, AT_GITHUB, user_id)


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


@pytest.mark.parametrize("text", ["jürgen@example.org", "j@bücher.example", "用户@example.org"])
def test_an_address_that_few_servers_take_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        accounts.address(text)
    assert refused.value.findings[0].messages == (accounts.NOT_ASCII,)


@pytest.mark.parametrize(
    "text",
    ["", "a", "a@", "@b", "a@b@c", "a b@c", "a@b,c@d", "a@b\nBcc: c@d", "<a@b>", "a@b;c@d", "x" * 320 + "@b"],
)
def test_a_mail_goes_to_one_address_or_none(text: str) -> None:
    with pytest.raises(Invalid):
        accounts.address(text)
