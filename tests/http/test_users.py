"""Users, oneself and personal tokens over HTTP, on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from strongroom.access import SCOPES
from strongroom.accounts import service as accounts
from strongroom.accounts.models import tokens, users
from strongroom.changes import of
from strongroom.ids import now
from strongroom.settings import Settings
from tests.app import Reader, Site

GOLDEN = Path(__file__).parents[3] / "shared/golden/live/rdm"


@pytest.fixture
def site(database_settings: Settings) -> Iterator[Site]:
    running = Site(database_settings).start()
    yield running
    running.stop()


def golden(name: str) -> dict[str, Any]:
    return json.loads((GOLDEN / name).read_text())["response"]  # type: ignore[no-any-return]


def types(value: Any) -> Any:
    """The shape of an answer: names, and types at the ends."""
    if isinstance(value, dict):
        return {k: types(v) for k, v in value.items()}
    return type(value).__name__


def bearer(token: str) -> Reader:
    return Reader("token", headers={"authorization": f"Bearer {token}"})


# Users -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="recorded answers are not here")
def test_the_shapes_are_zenodos(site: Site) -> None:
    owner = site.reader("bench")
    own = site.ask("GET", f"/api/users/{owner.actor.user_id}", owner)
    expected = types(golden("146_get_user_read_200.json")["body"])
    # Ours has a name, theirs has none.
    assert types(own.json()) == expected | {"profile": {"full_name": "str"}}
    found = site.ask("GET", "/api/users?q=nobody&size=2", owner).json()
    wanted = golden("144_get_users_search_200.json")["body"]
    assert (found["hits"], found["sortBy"]) == (wanted["hits"], wanted["sortBy"])
    me = site.ask("GET", "/api/me", owner).json()
    assert types(me) == types(golden("245_get_me_200.json")["body"]) | {"roles": "list"}
    refused = site.ask("GET", "/api/users?q=b")
    said = golden("145_get_users_search_anonymous_403.json")
    assert (refused.status, refused.json()["message"]) == (said["status"], said["body"]["message"])
    vendor = site.ask("GET", "/api/user", owner, headers={"accept": "application/vnd.inveniordm.v1+json"})
    assert vendor.headers["content-type"] == "application/vnd.inveniordm.v1+json"


def test_others_see_what_one_shows(site: Site) -> None:
    jane, john, admin = site.reader("jane"), site.reader("john"), site.reader("admin", admin=True)
    path = f"/api/users/{jane.actor.user_id}"
    seen = site.ask("GET", path, john)
    assert seen.json()["profile"] == {"full_name": "jane"}
    assert not seen.json()["is_current_user"]
    for hidden in ("email", "domain", "preferences", "confirmed", "blocked", "active", "verified"):
        assert hidden not in seen.json()
    assert "jane@example.org" not in seen.text
    assert site.ask("GET", path, admin).json()["email"] == "jane@example.org"
    own = site.session("jane", jane)
    shown = site.ask("PUT", "/api/user", own, {"preferences": {"email_visibility": "public"}})
    assert (shown.status, shown.json()["preferences"]["email_visibility"]) == (200, "public")
    assert site.ask("GET", path, john).json()["email"] == "jane@example.org"
    hide = {"preferences": {"visibility": "restricted"}}
    assert site.ask("PUT", "/api/user", own, hide).status == 200
    unknown = site.ask("GET", "/api/users/999999", john)
    hidden_one = site.ask("GET", path, john)
    assert (hidden_one.status, hidden_one.body) == (unknown.status, unknown.body) == (403, unknown.body)
    assert site.ask("GET", path, own).status == 200
    assert site.ask("GET", f"{path}/avatar.svg", john).status == 403
    assert b"<svg" in site.ask("GET", f"{path}/avatar.svg", own).body


def test_people_are_found_by_their_words(site: Site) -> None:
    asking = site.reader("asking")
    with site.ctx.db.begin() as session:
        for n in range(25):
            number = accounts.add_user(session, f"a{n}@x.org", name=f"Ana Müller {n:02}")
            changed = {"affiliations": "50%_CERN"} if n == 3 else {}
            if n == 4:
                changed = {"visibility": "restricted"}
            if n == 5:
                changed = {"is_active": False}  # type: ignore[dict-item]
            if changed:
                session.execute(update(users).where(users.c.id == number).values(**changed))

    def ask(query: str) -> dict[str, Any]:
        answer = site.ask("GET", f"/api/users?{query}", asking)
        assert answer.status == 200
        return answer.json()  # type: ignore[no-any-return]

    found = ask("q=ana%20m%C3%BCller")
    assert (found["hits"]["total"], len(found["hits"]["hits"])) == (23, 10)
    last = site.ask("GET", ask("q=ana&page=2")["links"]["next"].removeprefix("http://testserver"), asking)
    assert len(last.json()["hits"]["hits"]) == 3
    assert "next" not in last.json()["links"]
    assert ask("q=50%25_cern")["hits"]["total"] == 1
    assert ask("q=%25")["hits"]["total"] == 1, "a sign that SQL would take for anything"
    assert ask("q=a3@x.org")["hits"]["total"] == 0, "addresses are not shown, so not found"
    assert ask("q=Ana%2003")["hits"]["total"] == 1
    for wrong in ("page=0", "size=101", "size=x", "page=9999&size=100"):
        assert site.ask("GET", f"/api/users?{wrong}", asking).status == 400
    admin = site.reader("admin", admin=True)
    assert site.ask("GET", "/api/users/all?q=a3@x.org", admin).json()["hits"]["total"] == 1


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"profile": "x"}, "profile"),
        ({"profile": {"full_name": 3}}, "profile.full_name"),
        ({"profile": {"full_name": "x" * 201}}, "profile.full_name"),
        ({"profile": {"affiliations": "a\0b"}}, "profile.affiliations"),
        ({"preferences": {"visibility": "everybody"}}, "preferences.visibility"),
        ({"preferences": {"visibility": ["public"]}}, "preferences.visibility"),
        ({"preferences": {"notifications": {"enabled": "yes"}}}, "preferences.notifications.enabled"),
        ({"preferences": {"notifications": True}}, "preferences.notifications"),
    ],
)
def test_a_wrong_profile_changes_nothing(site: Site, sent: dict[str, Any], field: str) -> None:
    jane = site.reader("jane")
    before = site.ask("GET", "/api/user", jane).json()
    refused = site.ask("PUT", "/api/user", jane, sent)
    assert refused.status == 400
    assert [e["field"] for e in refused.json()["errors"]] == [field]
    assert site.ask("GET", "/api/user", jane).json() == before


def test_what_was_read_can_be_sent_back_changed(site: Site) -> None:
    jane = site.reader("jane")
    read = site.ask("GET", "/api/user", jane)
    body = read.json()
    body["profile"] |= {"full_name": " Jane  Doe", "affiliations": "CERN"}
    body["preferences"]["notifications"]["enabled"] = False
    body |= {"verified": True, "email": "other@example.org", "id": "1", "active": False}
    changed = site.ask("PUT", "/api/user", jane, body, {"if-match": read.headers["etag"]})
    assert changed.status == 200
    assert changed.json()["profile"] == {"full_name": "Jane Doe", "affiliations": "CERN"}
    assert changed.json()["preferences"]["notifications"] == {"enabled": False}
    assert (changed.json()["email"], changed.json()["verified"]) == ("jane@example.org", False)
    assert changed.json()["revision_id"] == 1
    stale = site.ask("PUT", "/api/user", jane, body, {"if-match": read.headers["etag"]})
    assert stale.status == 412
    assert site.ask("PUT", "/api/user", jane, b"[]").status == 400


def test_a_token_tells_the_address_only_with_its_scope(site: Site) -> None:
    jane = site.reader("jane")
    poor = site.reader("poor", scopes=("deposit:write",), of=jane)
    for path in ("/api/user", "/api/me", f"/api/users/{jane.actor.user_id}"):
        assert "jane@example.org" in site.ask("GET", path, jane).text
        assert "jane@example.org" not in site.ask("GET", path, poor).text


# Moderators ------------------------------------------------------------------------------------------------


def test_blocking_ends_everything_of_the_account(site: Site) -> None:
    jane, admin = site.reader("jane"), site.reader("admin", admin=True)
    session = site.session("jane", jane)
    path = f"/api/users/{jane.actor.user_id}"
    blocked = site.ask("POST", f"{path}/block", admin)
    assert (blocked.status, blocked.json()["blocked"], blocked.json()["active"]) == (200, True, False)
    for reader in (jane, session):
        assert site.ask("GET", "/api/user", reader).status == 401
        assert site.ask("POST", "/api/deposit/depositions", reader, {}).status == 401
    assert site.ask("GET", path, site.reader("john")).status == 403
    assert site.ask("POST", f"{path}/activate", admin).status == 409
    restored = site.ask("POST", f"{path}/restore", admin)
    assert (restored.json()["blocked"], restored.json()["active"]) == (False, True)
    assert site.ask("GET", "/api/user", jane).status == 401, "its tokens ended for good"
    assert site.ask("GET", "/api/user", site.session("jane", jane)).status == 200
    assert site.ask("POST", f"{path}/restore", admin).status == 409
    with site.ctx.db.read() as opened:
        verbs = [row.verb for row in of(opened, "user", jane.actor.user_id or 0)]
    assert verbs == ["created", "moderated-block", "moderated-restore"]


def test_deactivated_tokens_rest(site: Site) -> None:
    jane, admin = site.reader("jane"), site.reader("admin", admin=True)
    path = f"/api/users/{jane.actor.user_id}"
    assert site.ask("POST", f"{path}/deactivate", admin).json()["active"] is False
    assert site.ask("GET", "/api/user", jane).status == 401
    assert site.ask("POST", f"{path}/activate", admin).json()["active"] is True
    assert site.ask("GET", "/api/user", jane).status == 200
    assert site.ask("POST", f"{path}/approve", admin).json()["verified"] is True


def test_moderators_keep_each_other(site: Site) -> None:
    admin, other = site.reader("admin", admin=True), site.reader("other", admin=True)
    for whom in (admin, other):
        assert site.ask("POST", f"/api/users/{whom.actor.user_id}/block", admin).status == 409
    assert site.ask("POST", "/api/users/999999/block", admin).status == 404
    poor = site.reader("poor", scopes=("deposit:write",), of=admin)
    jane = site.reader("jane")
    assert site.ask("POST", f"/api/users/{jane.actor.user_id}/block", poor).status == 403


# Tokens ----------------------------------------------------------------------------------------------------


def test_a_token_is_shown_once_and_kept_as_a_hash(site: Site) -> None:
    jane = site.session("jane", site.reader("jane"))
    made = site.ask(
        "POST",
        "/api/user/tokens",
        jane,
        {"name": "laptop", "scopes": ["deposit:write"], "expires": "2999-01-31"},
    )
    assert made.status == 201
    secret = made.json()["access_token"]
    assert made.json()["expires"] == "2999-02-01T00:00:00.000000+00:00", "the day counts in full"
    assert made.headers["location"].endswith(f"/api/user/tokens/{made.json()['id']}")
    listed = site.ask("GET", "/api/user/tokens", jane)
    assert secret not in listed.text
    item = next(i for i in listed.json()["hits"]["hits"] if i["name"] == "laptop")
    assert (item["scopes"], item["last_used"]) == (["deposit:write"], None)
    with site.ctx.db.read() as session:
        assert secret not in repr(session.execute(select(tokens)).all())
    assert site.ask("POST", "/api/deposit/depositions", bearer(secret), {}).status == 201
    gone = site.ask("DELETE", f"/api/user/tokens/{item['id']}", jane)
    assert (gone.status, gone.body) == (204, b"")
    assert site.ask("POST", "/api/deposit/depositions", bearer(secret), {}).status == 401
    assert site.ask("DELETE", f"/api/user/tokens/{item['id']}", jane).status == 404


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"name": " "},
        {"name": "x" * 201},
        {"name": 3},
        {"name": "x", "scopes": "deposit:write"},
        {"name": "x", "scopes": ["deposit:everything"]},
        {"name": "x", "expires": "2020-01-01"},
        {"name": "x", "expires": "tomorrow"},
        {"name": "x", "expires": 5},
        {"name": "x", "expires": "9999-12-31"},
    ],
)
def test_what_is_no_token(site: Site, sent: dict[str, Any]) -> None:
    jane = site.reader("jane")
    before = site.ask("GET", "/api/user/tokens", jane).json()["hits"]["total"]
    assert site.ask("POST", "/api/user/tokens", jane, sent).status == 400
    assert site.ask("GET", "/api/user/tokens", jane).json()["hits"]["total"] == before


def test_no_token_makes_a_stronger_one(site: Site) -> None:
    jane = site.reader("jane")
    with site.ctx.db.begin() as session:
        number = jane.actor.user_id or 0
        poor = bearer(accounts.create_token(session, number, ["user:tokens", "deposit:write"]))
        short = bearer(accounts.create_token(session, number, SCOPES, lifetime=timedelta(hours=1)))
        without = bearer(accounts.create_token(session, number, ["deposit:write"]))

    def make(reader: Reader, **more: Any) -> Any:
        return site.ask("POST", "/api/user/tokens", reader, {"name": "x", **more})

    assert make(poor, scopes=["deposit:write", "user:tokens"]).status == 201
    assert make(poor, scopes=["deposit:write", "deposit:actions"]).status == 403
    assert make(without, scopes=["deposit:write"]).status == 403
    for wish in (None, "2999-01-01"):
        made = make(short, scopes=[], expires=wish)
        assert made.status == 201
        assert made.json()["expires"] < (now() + timedelta(hours=1, minutes=1)).isoformat()
    assert site.ask("GET", "/api/user/tokens", without).status == 403


def test_only_ones_own_tokens_end(site: Site) -> None:
    jane, john = site.reader("jane"), site.reader("john")
    (his,) = site.ask("GET", "/api/user/tokens", john).json()["hits"]["hits"]
    assert site.ask("DELETE", f"/api/user/tokens/{his['id']}", jane).status == 404
    assert site.ask("GET", "/api/user/tokens", john).status == 200
    assert site.ask("DELETE", f"/api/user/tokens/{his['id']}", john).status == 204, "also itself"
    assert site.ask("GET", "/api/user/tokens", john).status == 401


def test_the_last_use_is_written_once_a_day(database_settings: Settings) -> None:
    site = Site(database_settings).start()
    jane = site.reader("jane")

    def last_used() -> Any:
        with site.ctx.db.begin() as session:
            return session.execute(select(tokens.c.last_used)).scalar_one()

    try:
        begun = now()
        assert last_used() is None
        site.ask("GET", "/api/user", jane)
        # The write waits in the pool: stopping the application waits for it.
    finally:
        site.stop()
    site = Site(database_settings).start()
    try:
        first = last_used()
        assert begun <= first <= now()
        with site.ctx.db.begin() as session:
            accounts.note_use(session, 1)
        assert last_used() == first
        with site.ctx.db.begin() as session:
            session.execute(update(tokens).values(last_used=first - timedelta(days=1, minutes=1)))
            told: list[int] = []
            accounts.by_token(session, jane.secrets[0], told.append)
            assert told == [1]
            accounts.note_use(session, 1)
            accounts.by_token(session, jane.secrets[0], told.append)
            assert told == [1]
        assert last_used() >= first
    finally:
        site.stop()
