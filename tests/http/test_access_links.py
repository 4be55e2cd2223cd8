"""Grants, share links and access settings over HTTP: shapes as Zenodo's code answers, and what they open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.ids import today
from tests.app import Answer, Reader, Site, running
from tests.cast import Cast, Subject

GOLDEN = Path(__file__).parent.parent.parent.parent / "shared" / "golden" / "live" / "rdm"
VENDOR = {"accept": "application/vnd.inveniordm.v1+json"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site") / "data") as site:
        yield site


@pytest.fixture(scope="module")
def cast(site: Site) -> Cast:
    return Cast(site)


def shape(value: Any) -> Any:
    """Names and types of a JSON value."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def link(
    site: Site, owner: Reader, subject: Subject, permission: str = "view", **more: Any
) -> dict[str, Any]:
    made = site.ask(
        "POST",
        f"/api/records/{subject.id}/access/links",
        owner,
        {"permission": permission, **more},
    )
    assert made.status == 201, made
    return made.json()  # type: ignore[no-any-return]


def test_links_from_birth_to_death(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("restricted")
    at = f"/api/records/{subject.id}/access/links"
    assert site.ask("GET", at, owner).json() == {"hits": {"hits": [], "total": 0}}
    made = site.ask(
        "POST", at, owner, {"permission": "view", "expires_at": "2099-01-01", "description": "for reviewers"}
    )
    assert made.status == 201
    body = made.json()
    assert set(body) == {"id", "created_at", "expires_at", "permission", "description", "token"}
    assert (body["permission"], body["expires_at"], body["description"]) == (
        "view",
        "2099-01-01",
        "for reviewers",
    )
    one = f"{at}/{body['id']}"
    assert site.ask("GET", one, owner).json() == body
    changed = site.ask("PATCH", one, owner, {"permission": "edit"})
    assert (changed.status, changed.json()) == (200, body | {"permission": "edit"})
    assert site.ask("GET", at, owner).json()["hits"] == {"hits": [changed.json()], "total": 1}
    assert site.ask("PUT", one, owner, {"permission": "edit"}).status == 405
    assert site.ask("DELETE", one, owner).status == 204
    gone = site.ask("DELETE", one, owner)
    assert (gone.status, gone.json()["message"]) == (404, "No secret link found with the given ID.")


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"permission": "own"}, "permission", "Must be one of: view, preview, edit."),
        ({}, "permission", "Missing data for required field."),
        (
            {"permission": "view", "expires_at": "2001-01-01"},
            "expires_at",
            "Expiration date must be set to the future",
        ),
        (
            {"permission": "view", "expires_at": "soon"},
            "expires_at",
            "Not a valid date. Write it as YYYY-MM-DD.",
        ),
        ({"permission": "view", "token": "mine"}, "token", "Unknown field."),
    ],
)
def test_bad_links(site: Site, cast: Cast, body: dict[str, Any], field: str, message: str) -> None:
    subject = cast.make("open")
    answer = site.ask("POST", f"/api/records/{subject.id}/access/links", cast.readers["owner"], body)
    assert answer.status == 400
    (error,) = answer.json()["errors"]
    assert (error["field"], error["messages"]) == (field, [message])


def test_the_end_of_a_link_never_moves_away(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("open")
    made = link(site, owner, subject, expires_at="2098-01-01")
    one = f"/api/records/{subject.id}/access/links/{made['id']}"
    for later in ("2099-01-01", None):
        answer = site.ask("PATCH", one, owner, {"expires_at": later})
        assert (answer.status, answer.json()["errors"][0]["messages"]) == (
            400,
            ["Cannot postpone expiration of links"],
        )
    assert site.ask("PATCH", one, owner, {"expires_at": "2097-01-01"}).json()["expires_at"] == "2097-01-01"
    endless = link(site, owner, subject)
    assert "expires_at" not in endless


# What links open -------------------------------------------------------------------------------------------


def test_a_view_link_opens_published_files_and_no_draft(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("private")
    token = link(site, owner, subject)["token"]
    content = f"/api/records/{subject.id}/files/{subject.key}/content"
    for path in (f"/api/records/{subject.id}", f"/api/records/{subject.id}/files", content):
        assert site.ask("GET", path).status == 403
        assert site.ask("GET", f"{path}?token=nope").status == 403
        answer = site.ask("GET", f"{path}?token={token}")
        assert answer.status == 200, path
        assert "no-store" in answer.headers["cache-control"]
    assert subject.hidden["bytes"] in site.ask("GET", f"{content}?token={token}").text
    version = site.desk.new_version(owner.actor, subject.id)
    assert site.ask("GET", f"/api/records/{version}/draft?token={token}").status == 403
    # A signed-in reader has it too, and nobody has it for another record.
    assert site.ask("GET", f"{content}?token={token}", cast.readers["other"]).status == 200
    other = cast.make("private")
    assert site.ask("GET", f"/api/records/{other.id}?token={token}").status == 403


def test_a_preview_link_opens_drafts_to_read(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("draft")
    token = link(site, owner, subject, "preview")["token"]
    at = f"/api/records/{subject.id}/draft?token={token}"
    shown = site.ask("GET", at, headers=VENDOR)
    assert (shown.status, shown.json()["metadata"]["title"][:9]) == (200, "MARKdraft")
    assert site.ask("PUT", at, cast.readers["other"], {"metadata": {}}).status == 403
    assert site.ask("DELETE", at, cast.readers["other"]).status == 403


def test_an_edit_link_changes_drafts_for_who_is_signed_in(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("draft")
    token = link(site, owner, subject, "edit")["token"]
    at = f"/api/records/{subject.id}/draft?token={token}"
    body = {"metadata": {"title": "By a friend"}}
    assert site.ask("PUT", at, None, body).status in (401, 403)
    done = site.ask("PUT", at, cast.readers["other"], body, VENDOR)
    assert (done.status, done.json()["metadata"]["title"]) == (200, "By a friend")
    # Who may do what stays the owner's.
    for path in ("access/links", "access/grants"):
        assert site.ask("GET", f"/api/records/{subject.id}/{path}?token={token}").status == 403
        assert (
            site.ask("GET", f"/api/records/{subject.id}/{path}?token={token}", cast.readers["other"]).status
            == 403
        )


def test_a_link_ends_with_its_day_and_when_it_is_removed(site: Site, cast: Cast) -> None:
    from sqlalchemy import update

    from strongroom.sharing.models import links

    owner, subject = cast.readers["owner"], cast.make("private")
    made = link(site, owner, subject, expires_at=(today() + timedelta(days=1)).isoformat())
    at = f"/api/records/{subject.id}?token={made['token']}"
    assert site.ask("GET", at).status == 200
    with site.ctx.db.begin() as session:
        session.execute(update(links).where(links.c.id == made["id"]).values(expires_at=today().isoformat()))
    assert site.ask("GET", at).status == 403
    endless = link(site, owner, subject)
    at = f"/api/records/{subject.id}?token={endless['token']}"
    assert site.ask("GET", at).status == 200
    site.ask("DELETE", f"/api/records/{subject.id}/access/links/{endless['id']}", owner)
    assert site.ask("GET", at).status == 403


def sent_back(answer: Answer) -> str:
    """The cookies of an answer as a browser sends them."""
    return "; ".join(cookie.partition(";")[0] for cookie in answer.cookies)


def test_in_a_browser_a_link_becomes_a_cookie_that_opens_that_record_alone(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("private")
    token = link(site, owner, subject)["token"]
    page = f"/records/{subject.id}"
    assert site.ask("GET", page).status == 401
    away = site.ask("GET", f"{page}?files_page=2&token={token}")
    assert (away.status, away.headers["location"]) == (302, f"{page}?files_page=2")
    assert (away.headers["referrer-policy"], "no-store" in away.headers["cache-control"]) == (
        "no-referrer",
        True,
    )
    # One for the whole site, which ends with a log-out, and the link's own, which opens nothing without it.
    for cookie, place in zip(away.cookies, ("/", "/records"), strict=True):
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "samesite=lax", f"path={place}"} <= attributes
    assert token not in away.cookies[0]
    sent = {"cookie": sent_back(away)}
    for alone in sent["cookie"].split("; "):
        assert site.ask("GET", page, headers={"cookie": alone}).status == 401
    shown = site.ask("GET", page, headers=sent)
    assert (shown.status, subject.hidden["title"] in shown.text) == (200, True)
    assert "no-store" in shown.headers["cache-control"]
    assert token not in shown.text
    assert subject.hidden["bytes"] in site.ask("GET", f"{page}/files/{subject.key}", headers=sent).text
    other = cast.make("private")
    assert site.ask("GET", f"/records/{other.id}", headers=sent).status == 401
    # The cookie reads; what changes something wants the token itself, or a session.
    edits = link(site, owner, subject, "edit")["token"]
    for verb in ("POST", "DELETE"):
        refused = site.ask(
            verb, f"/api/records/{subject.id}/draft", headers={"cookie": sent["cookie"].replace(token, edits)}
        )
        assert refused.status in (401, 403)


def test_the_cookie_opens_all_versions_and_the_last_five_links(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("private")
    kept = ""
    tokens: dict[int, str] = {}

    def follow(some: Subject) -> None:
        nonlocal kept
        token = tokens.setdefault(some.id, link(site, owner, some)["token"])
        away = site.ask("GET", f"/records/{some.id}?token={token}", headers={"cookie": kept} if kept else {})
        kept = sent_back(away)

    def opens(record_id: int, tail: str = "") -> int:
        return site.ask("GET", f"/records/{record_id}{tail}", headers={"cookie": kept}).status

    follow(subject)
    desk = site.desk
    draft_id = desk.new_version(owner.actor, subject.id)
    desk.put(owner.actor, draft_id, "second.txt")
    second = desk.publish(owner.actor, draft_id)
    assert [opens(i) for i in (subject.id, second)] == [200, 200]
    assert opens(second, "/files/second.txt") == opens(second, "/files-archive") == 200
    others = [cast.make("private") for _ in range(5)]
    for n, other in enumerate(others):
        assert opens(other.id) == 401
        follow(other)
        assert opens(other.id) == 200
        assert opens(second) == (200 if n < 4 else 401), "the oldest of more than five is forgotten"
    follow(others[1])
    assert [opens(other.id) for other in others] == [200] * 5, "followed again it is the newest, once"


def test_an_answer_is_not_the_same_when_a_link_ended(site: Site, cast: Cast) -> None:
    """Nothing of the record changes then: the reader does."""
    from sqlalchemy import update

    from strongroom.sharing.models import links

    owner, subject = cast.readers["owner"], cast.make("restricted")
    path = f"/api/records/{subject.id}?token={link(site, owner, subject)['token']}"
    opened = site.ask("GET", path)
    assert subject.key in opened.text
    same = {"if-none-match": opened.headers["etag"]}
    assert site.ask("GET", path, headers=same).status == 304
    with site.ctx.db.begin() as session:
        session.execute(update(links).values(expires_at="2020-01-01"))
    again = site.ask("GET", path, headers=same)
    assert (again.status, subject.given_away_by(again.text)) == (200, [])


def test_nothing_that_a_link_showed_is_kept_for_guests(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("restricted")
    token = link(site, owner, subject)["token"]
    for path in (f"/records/{subject.id}", f"/api/records/{subject.id}"):
        cookie = {"cookie": f"strongroom-link=m!{token}; strongroom-links=m"}
        assert subject.key in site.ask("GET", path, headers=cookie).text
        assert subject.given_away_by(site.ask("GET", path).text) == []


# Grants ----------------------------------------------------------------------------------------------------


def grant(site: Site, owner: Reader, subject: Subject, to: object, permission: str = "view") -> Any:
    return site.ask(
        "POST",
        f"/api/records/{subject.id}/access/grants",
        owner,
        {"grants": [{"permission": permission, "subject": {"type": "user", "id": to}}]},
    )


def test_grants_from_birth_to_death(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("private")
    reader = site.reader("grantee")
    number = str(reader.actor.user_id)
    at = f"/api/records/{subject.id}/access"
    assert site.ask("GET", f"/api/records/{subject.id}", reader).status == 403
    made = grant(site, owner, subject, number)
    entry = {
        "permission": "view",
        "subject": {"id": number, "type": "user"},
        "origin": f"api:{owner.actor.user_id}",
        "id": 0,
    }
    assert (made.status, made.json()) == (201, {"hits": {"hits": [entry], "total": 1}})
    assert site.ask("GET", f"/api/records/{subject.id}", reader).status == 200
    again = grant(site, owner, subject, "grantee@example.org")
    assert (again.status, again.json()["message"]) == (
        400,
        "Grant for this user/role already exists within this record.",
    )
    for path in (f"{at}/grants", f"{at}/users"):
        assert site.ask("GET", path, owner).json() == made.json()
        assert site.ask("GET", path, reader).status == 403
    bare = {k: v for k, v in entry.items() if k != "id"}
    changed = site.ask("PATCH", f"{at}/users/{number}", owner, {"permission": "manage"})
    assert (changed.status, changed.json()) == (200, bare | {"permission": "manage"})
    assert site.ask("GET", f"{at}/grants", reader).status == 200, "a manager sees who may do what"
    assert site.ask("GET", f"{at}/grants/0", owner).json() == changed.json()
    assert (
        site.ask("PUT", f"{at}/grants/0", owner, {"permission": "preview"}).json()["permission"] == "preview"
    )
    assert site.ask("GET", f"{at}/grants/1", owner).status == 404
    assert site.ask("DELETE", f"{at}/users/{number}", owner).status == 204
    assert site.ask("DELETE", f"{at}/grants/0", owner).status == 404
    assert site.ask("GET", f"/api/records/{subject.id}", reader).status == 403
    assert site.ask("GET", f"{at}/groups", owner).status == 403


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"permission": "view", "subject": {"type": "user", "id": "99999"}}, "subject.id"),
        ({"permission": "rule", "subject": {"type": "user", "id": "1"}}, "permission"),
        ({"permission": "view", "subject": {"type": "role", "id": "curators"}}, "subject.type"),
        ({"permission": "view"}, "subject"),
        ({"subject": {"type": "user", "id": "1"}}, "permission"),
    ],
)
def test_bad_grants(site: Site, cast: Cast, said: dict[str, Any], field: str) -> None:
    owner, subject = cast.readers["owner"], cast.make("open")
    at = f"/api/records/{subject.id}/access/grants"
    answer = site.ask("POST", at, owner, {"grants": [said]})
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field)
    # All or none: a good one beside it is not given either.
    good = {"permission": "view", "subject": {"type": "user", "id": "other@example.org"}}
    assert site.ask("POST", at, owner, {"grants": [good, said]}).status == 400
    assert site.ask("GET", at, owner).json()["hits"]["total"] == 0


def test_owners_beside_the_owner(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("private")
    second, manager = site.reader("second"), site.reader("manager")
    assert grant(site, owner, subject, second.actor.user_id, "owner").status == 201
    assert grant(site, owner, subject, manager.actor.user_id, "manage").status == 201
    at = f"/api/records/{subject.id}/access"
    # A manager says who does what, but makes nobody an owner, nor an owner none.
    assert grant(site, manager, subject, "other@example.org", "owner").status == 403
    assert grant(site, manager, subject, "other@example.org", "view").status == 201
    assert site.ask("DELETE", f"{at}/users/{second.actor.user_id}", manager).status == 403
    assert (
        site.ask("PATCH", f"{at}/users/{manager.actor.user_id}", manager, {"permission": "owner"}).status
        == 403
    )
    assert (
        site.ask("PATCH", f"{at}/users/{manager.actor.user_id}", second, {"permission": "owner"}).status
        == 200
    )
    # It stands among the second owner's own.
    listed = site.ask("GET", "/api/deposit/depositions", second).json()
    assert [d["id"] for d in listed] == [subject.id]
    edited = site.ask("POST", f"/api/deposit/depositions/{subject.id}/actions/edit", second)
    assert edited.status == 201


def test_a_reader_does_not_see_it_among_his_own(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("private")
    viewer = site.reader("viewer")
    grant(site, owner, subject, viewer.actor.user_id, "view")
    assert site.ask("GET", f"/api/records/{subject.id}", viewer).status == 200
    assert site.ask("GET", "/api/deposit/depositions", viewer).json() == []


def test_what_is_shared_stays_shared_in_new_versions(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("private")
    viewer = site.reader("viewer2")
    grant(site, owner, subject, viewer.actor.user_id, "preview")
    version = site.desk.new_version(owner.actor, subject.id)
    assert site.ask("GET", f"/api/records/{version}/draft", viewer).status == 200
    site.desk.update(owner.actor, version, site.desk.draft(owner.actor, version).data)  # type: ignore[union-attr]
    site.desk.put(owner.actor, version, "second.txt")
    site.desk.publish(owner.actor, version)
    assert site.ask("GET", f"/api/records/{version}/files", viewer).status == 200


# Settings --------------------------------------------------------------------------------------------------


def settings_of(answer: Any) -> dict[str, Any]:
    assert answer.status == 200, answer
    return answer.json()["parent"]["access"]["settings"]  # type: ignore[no-any-return]


def test_settings_are_said_once_and_read_by_both_apis(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("restricted")
    at = f"/api/records/{subject.id}/access"
    said = {
        "allow_user_requests": True,
        "allow_guest_requests": False,
        "accept_conditions_text": '<p>Be nice</p><script>alert("x")</script>',
        "secret_link_expiration": 30,
    }
    shown = settings_of(site.ask("PUT", at, owner, said, VENDOR))
    assert shown == said | {"accept_conditions_text": "<p>Be nice</p>"}
    legacy = site.ask("GET", f"/api/deposit/depositions/{subject.id}", owner).json()["metadata"]
    assert (legacy["access_right"], legacy["access_conditions"]) == ("restricted", "<p>Be nice</p>")
    # Nobody may ask any more: what the deposit API calls closed.
    never = {"allow_user_requests": False, "allow_guest_requests": False}
    settings_of(site.ask("PUT", at, owner, never, VENDOR))
    legacy = site.ask("GET", f"/api/deposit/depositions/{subject.id}", owner).json()["metadata"]
    assert legacy["access_right"] == "closed"
    # And said through the deposit API again, one may ask again.
    deposit = f"/api/deposit/depositions/{subject.id}"
    site.ask("POST", f"{deposit}/actions/edit", owner)
    site.ask("PUT", deposit, owner, {"metadata": legacy | {"access_right": "restricted"}})
    assert site.ask("POST", f"{deposit}/actions/publish", owner).status == 202
    shown = settings_of(site.ask("PUT", at, owner, {}, VENDOR))
    assert (shown["allow_user_requests"], shown["allow_guest_requests"]) == (True, True)
    assert shown["secret_link_expiration"] == 30
    assert site.ask("PATCH", at, owner, said).status == 405


@pytest.mark.parametrize(
    "said",
    [
        {"secret_link_expiration": 366},
        {"secret_link_expiration": -1},
        {"secret_link_expiration": "30"},
        {"allow_user_requests": "yes"},
        {"accept_conditions_text": 5},
        {"wishes": True},
    ],
)
def test_bad_settings(site: Site, cast: Cast, said: dict[str, Any]) -> None:
    subject = cast.make("open")
    answer = site.ask("PUT", f"/api/records/{subject.id}/access", cast.readers["owner"], said)
    assert (answer.status, [e["field"] for e in answer.json()["errors"]]) == (400, list(said))


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the recorded answers are not here")
@pytest.mark.parametrize("name", ["135_post_access_link_create_201", "149_post_access_grant_create_201"])
def test_names_and_types_are_zenodos(site: Site, cast: Cast, name: str) -> None:
    recorded = json.loads((GOLDEN / f"{name}.json").read_text())
    subject = cast.make("open")
    body = json.loads(
        json.dumps(recorded["request"]["body"]).replace('"4"', f'"{cast.readers["other"].actor.user_id}"')
    )
    tail = recorded["request"]["path"].partition("/access/")[2]
    answer = site.ask("POST", f"/api/records/{subject.id}/access/{tail}", cast.readers["owner"], body)
    assert answer.status == recorded["response"]["status"]
    assert shape(answer.json()) == shape(recorded["response"]["body"])
