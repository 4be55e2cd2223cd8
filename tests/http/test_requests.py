"""Requests over HTTP: asking for access as user and guest, deciding, talking, asking for deletion."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from strongroom.ids import now
from strongroom.records.models import concepts, records
from strongroom.requests import access
from strongroom.requests.models import confirmations
from strongroom.settings import Settings
from tests.app import Answer, Reader, Site, running
from tests.cast import Cast, Subject
from tests.http.test_access_links import GOLDEN, VENDOR, shape
from tests.smtp_server import text_of

AGREED = {"full_name": "G", "consent_to_share_personal_data": "true"}
REFUSED = "Error for action 'accept': Could not execute the action"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site") / "data", job_threads=0) as site:
        yield site


@pytest.fixture(scope="module")
def cast(site: Site) -> Cast:
    return Cast(site)


def asking(site: Site, cast: Cast, subject: Subject, reader: Reader | None = None) -> Answer:
    reader = reader or cast.readers["other"]
    return site.ask(
        "POST",
        f"/api/records/{subject.id}/access/request",
        reader,
        {"message": "please let me", "full_name": "Other", "email": f"{reader.name}@example.org"},
    )


def ask_as_guest(site: Site, subject: Subject, email: str = "guest@example.org", **more: Any) -> Answer:
    body = {
        "message": "please",
        "email": email,
        "full_name": "Guest",
        "consent_to_share_personal_data": "true",
        **more,
    }
    return site.ask("POST", f"/api/records/{subject.id}/access/request", None, body)


def mails(site: Site) -> list[tuple[str, str]]:
    """All that was mailed since the last look: (to, text)."""
    site.desk.work()
    folder: Path = site.settings.data_dir / "mail"
    found = []
    for path in sorted(folder.glob("*.eml"), key=lambda p: int(p.stem)):
        mail = message_from_bytes(path.read_bytes())
        found.append((str(mail["To"]), text_of(mail)))
        path.unlink()
    return found


@pytest.fixture
def letterbox(site: Site) -> None:
    """Empty before the test."""
    mails(site)


# A user's request ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("letterbox")
def test_a_user_asks_and_an_owner_gives(site: Site, cast: Cast) -> None:
    owner, other, subject = cast.readers["owner"], cast.readers["other"], cast.make("restricted")
    content = f"/api/records/{subject.id}/files/{subject.key}/content"
    site.ask("PUT", f"/api/records/{subject.id}/access", owner, {"secret_link_expiration": 10})
    asked = asking(site, cast, subject)
    assert asked.status == 200, asked
    body = asked.json()
    at = f"/api/requests/{body['id']}"
    assert (body["status"], body["is_open"], body["type"]) == ("submitted", True, "user-access-request")
    assert (body["created_by"], body["receiver"]) == (
        {"user": str(other.actor.user_id)},
        {"user": str(owner.actor.user_id)},
    )
    assert list(body["links"]["actions"]) == ["cancel"]
    again = asking(site, cast, subject)
    assert (again.status, again.json()["message"]) == (
        400,
        f"Identical access requests already exist: {body['id']}",
    )
    ((to, text),) = mails(site)
    assert (to, "please let me" in text) == ("owner@example.org", True)
    # Who may look, and what each may do.
    assert list(site.ask("GET", at, owner).json()["links"]["actions"]) == ["accept", "decline"]
    assert site.ask("GET", at).status == 403
    assert site.ask("GET", at, site.reader("bystander")).status == 403
    assert site.ask("POST", f"{at}/actions/accept", other, {}).status == 403
    assert site.ask("GET", content, other).status == 403
    done = site.ask("POST", f"{at}/actions/accept", owner, {"payload": {"content": "Fine", "format": "html"}})
    assert (done.status, done.json()["status"], done.json()["links"]["actions"]) == (200, "accepted", {})
    repeated = site.ask("POST", f"{at}/actions/accept", owner, {})
    assert (repeated.status, repeated.json()["message"]) == (400, REFUSED)
    assert subject.hidden["bytes"] in site.ask("GET", content, other).text
    ((to, text),) = mails(site)
    assert (to, "Fine" in text) == ("other@example.org", True)
    # What was given lasts ten days.
    (given,) = site.ask("GET", f"/api/records/{subject.id}/access/grants", owner).json()["hits"]["hits"]
    assert given["origin"] == f"request:{body['id']}"
    left = (now() + timedelta(days=10)).isoformat()[:10]
    assert given["expires_at"][:10] == left
    events = site.ask("GET", f"{at}/timeline", other).json()["hits"]["hits"]
    assert [(e["type"], e["payload"].get("event") or e["payload"]["content"]) for e in events] == [
        ("C", "please let me"),
        ("L", "accepted"),
        ("C", "Fine"),
    ]
    has = asking(site, cast, subject)
    assert (has.status, has.json()["message"]) == (403, "You already have access to this record.")


def test_a_grant_that_ended_gives_nothing(site: Site, cast: Cast) -> None:
    from strongroom.sharing.models import grants

    owner, subject = cast.readers["owner"], cast.make("restricted")
    reader = site.reader("temporary")
    made = asking(site, cast, subject, reader).json()
    site.ask("POST", f"/api/requests/{made['id']}/actions/accept", owner, {})
    at = f"/api/records/{subject.id}/files"
    assert site.ask("GET", at, reader).status == 200
    with site.ctx.db.begin() as session:
        mine = grants.c.subject_id == str(reader.actor.user_id)
        session.execute(update(grants).where(mine).values(expires=now() - timedelta(seconds=1)))
    assert site.ask("GET", at, reader).status == 403
    # And one may ask, and be given it, anew.
    made = asking(site, cast, subject, reader).json()
    assert site.ask("POST", f"/api/requests/{made['id']}/actions/accept", owner, {}).status == 200
    assert site.ask("GET", at, reader).status == 200


@pytest.mark.usefixtures("letterbox")
def test_no_and_never_mind(site: Site, cast: Cast) -> None:
    owner, other, subject = cast.readers["owner"], cast.readers["other"], cast.make("restricted")
    first = asking(site, cast, subject).json()["id"]
    assert (
        site.ask("POST", f"/api/requests/{first}/actions/cancel", other, {}).json()["status"] == "cancelled"
    )
    second = asking(site, cast, subject).json()["id"]
    assert (
        site.ask("POST", f"/api/requests/{second}/actions/decline", owner, {}).json()["status"] == "declined"
    )
    assert mails(site)[-1][0] == "other@example.org"
    assert site.ask("GET", f"/api/records/{subject.id}/files", other).status == 403
    assert site.ask("POST", f"/api/requests/{second}/actions/expire", owner, {}).status == 403
    assert site.ask("POST", f"/api/requests/{second}/actions/rejoice", owner, {}).status == 400


@pytest.mark.parametrize("kind", ["open", "private", "embargoed", "draft", "withdrawn"])
def test_where_nobody_may_ask(site: Site, cast: Cast, kind: str) -> None:
    subject = cast.make(kind)
    answer = asking(site, cast, subject)
    assert answer.status == {"draft": 404, "withdrawn": 410}.get(kind, 403)
    assert subject.given_away_by(answer.text) == []
    assert ask_as_guest(site, subject).status == answer.status


def test_a_private_record_is_not_named_to_who_asks(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("private")
    site.ask("PUT", f"/api/records/{subject.id}/access", owner, {"allow_user_requests": True})
    asked = asking(site, cast, subject)
    assert (asked.status, asked.json()["title"]) == (200, f"Record {subject.id}")
    assert subject.given_away_by(asked.text) == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"message": "x", **AGREED}, ["email"]),
        ({"message": "x", "email": "nobody", **AGREED}, ["email"]),
        ({"message": 5, "email": "a@example.org", **AGREED}, ["message"]),
        ({"email": "g@example.org", "full_name": "G"}, ["consent_to_share_personal_data"]),
        ({"email": "g@example.org", "consent_to_share_personal_data": "true"}, ["full_name"]),
    ],
)
def test_bad_questions(site: Site, cast: Cast, body: dict[str, Any], fields: list[str]) -> None:
    subject = cast.make("restricted")
    for reader in (None, cast.readers["other"]):
        answer = site.ask("POST", f"/api/records/{subject.id}/access/request", reader, body)
        assert (answer.status, [e["field"] for e in answer.json()["errors"]]) == (400, fields)


def test_all_that_is_wrong_with_a_question_is_told_at_once(site: Site, cast: Cast) -> None:
    at = f"/api/records/{cast.make('restricted').id}/access/request"

    def wrong(reader: Reader | None) -> list[str]:
        return [e["field"] for e in site.ask("POST", at, reader, {"message": 5}).json()["errors"]]

    assert wrong(None) == ["message", "email", "consent_to_share_personal_data", "full_name"]
    # With the right address he asks as himself, and need say nothing of that.
    assert wrong(cast.readers["other"]) == ["message", "email"]


@pytest.mark.usefixtures("letterbox")
def test_a_contact_that_nobody_confirmed_is_sent_nobodys_words(site: Site, cast: Cast) -> None:
    """Else who owns a record could have anything mailed to anyone, by a second account or as a guest."""
    spam = "Buy now at https://evil.example"
    askers = [site.reader(f"asker{i}") for i in range(access.CONTACT_MAILS + 1)]

    def asked_with(contact: str) -> list[tuple[str, str]]:
        subject = cast.make("restricted")
        with site.ctx.db.begin() as session:
            concept_id = session.execute(
                select(records.c.concept_id).where(records.c.id == subject.id)
            ).scalar()
            session.execute(update(concepts).where(concepts.c.id == concept_id).values(contact_email=contact))
        for asker in askers:
            body = {"message": spam, "full_name": spam, "email": f"{asker.name}@example.org"}
            assert site.ask("POST", f"/api/records/{subject.id}/access/request", asker, body).status == 200
        sent = mails(site)
        assert [spam in text for to, text in sent if to == "owner@example.org"] == [True] * len(askers)
        told = [(to, text) for to, text in sent if to != "owner@example.org"]
        title = site.ask("GET", f"/api/records/{subject.id}").json()["metadata"]["title"]
        assert not any(title in text for to, text in told if to.startswith("victim@"))
        return told

    told = asked_with("Victim@elsewhere.example")
    assert len(told) == access.CONTACT_MAILS, "and so many a day at most"
    for to, text in told:
        assert (to, spam in text, "asker" in text) == ("victim@elsewhere.example", False, False)
        assert "asks for access to the restricted files of record" in text
    assert asked_with("victim@elsewhere.example") == [], "about all records"
    # An account here has confirmed its address, and can say that it wants no mail.
    site.reader("office")
    assert [(to, spam in text) for to, text in asked_with("Office@example.org")] == [
        ("office@example.org", True)
    ] * len(askers)


@pytest.mark.usefixtures("letterbox")
def test_a_guests_words_go_to_nobody_before_they_are_confirmed(site: Site, cast: Cast) -> None:
    spam = "Buy now at https://evil.example"
    for _ in range(access.GUEST_MAILS + 1):
        asked = ask_as_guest(site, cast.make("restricted"), "somebody@elsewhere.example", message=spam)
        assert asked.status == 200
    sent = mails(site)
    assert [to for to, _ in sent] == ["somebody@elsewhere.example"] * access.GUEST_MAILS
    assert not any(spam in text for _, text in sent)
    refused = ask_as_guest(site, cast.make("restricted"), "jürgen@example.org")
    assert refused.status == 400
    assert "letters a to z" in refused.text


# A guest's request -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("letterbox")
def test_a_guest_asks_confirms_and_gets_a_link(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("restricted")
    site.ask("PUT", f"/api/records/{subject.id}/access", owner, {"secret_link_expiration": 5})
    for _ in range(2):
        asked = ask_as_guest(site, subject)
        assert (asked.status, asked.json()) == (
            200,
            {"message": "Verification link sent out, please check your e-mail inbox"},
        )
    ((to, text),) = mails(site)  # one mail, however often one asks
    assert to == "guest@example.org"
    (url,) = re.findall(r"http://testserver(/\S+)", text)
    # Looking at the link (as a mail scanner does) sends nothing.
    form = site.ask("GET", url)
    assert (form.status, "no-store" in form.headers["cache-control"]) == (200, True)
    assert mails(site) == []
    token = url.partition("=")[2]
    body = f"access_request_token={token}".encode()
    sent = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
    other_site = site.ask(
        "POST", "/access/requests/confirm", None, body, sent | {"sec-fetch-site": "cross-site"}
    )
    assert other_site.status == 403
    assert site.ask("POST", "/access/requests/confirm", None, body, sent).status == 200
    assert site.ask("POST", "/access/requests/confirm", None, body, sent).status == 403, "it works once"
    ((to, text),) = mails(site)
    assert (to, "Guest" in text) == ("owner@example.org", True)
    (request,) = site.ask("GET", f"/api/records/{subject.id}/requests", owner).json()["hits"]["hits"]
    assert (request["created_by"], request["type"]) == (
        {"email": "guest@example.org"},
        "guest-access-request",
    )
    done = site.ask("POST", f"/api/requests/{request['id']}/actions/accept", owner, {})
    assert done.status == 200
    ((to, text),) = mails(site)
    assert to == "guest@example.org"
    (url,) = re.findall(r"http://testserver(/\S+)", text)
    token = url.partition("token=")[2]
    content = site.ask("GET", f"/api/records/{subject.id}/files/{subject.key}/content?token={token}")
    assert subject.hidden["bytes"] in content.text
    (link,) = site.ask("GET", f"/api/records/{subject.id}/access/links", owner).json()["hits"]["hits"]
    assert (link["token"], link["origin"]) == (token, f"request:{request['id']}")
    assert link["expires_at"] == (now() + timedelta(days=5)).date().isoformat()


@pytest.mark.usefixtures("letterbox")
def test_a_confirm_link_is_too_old_after_its_hours(site: Site, cast: Cast) -> None:
    subject = cast.make("restricted")
    ask_as_guest(site, subject, "late@example.org")
    ((_, text),) = mails(site)
    (url,) = re.findall(r"http://testserver(/\S+)", text)
    with site.ctx.db.begin() as session:
        (lives,) = session.execute(
            select(confirmations.c.expires).where(confirmations.c.email == "late@example.org")
        ).scalars()
        assert timedelta(hours=5, minutes=58) < lives - now() <= timedelta(hours=6)
        session.execute(update(confirmations).values(expires=now() - timedelta(seconds=1)))
    assert site.ask("GET", url).status == 404


def test_the_token_itself_is_not_in_the_database(site: Site, cast: Cast) -> None:
    subject = cast.make("restricted")
    mails(site)
    ask_as_guest(site, subject, "hashed@example.org")
    ((_, text),) = mails(site)
    (token,) = re.findall(r"access_request_token=(\S+)", text)
    with site.ctx.db.read() as session:
        rows = session.execute(select(confirmations)).all()
    assert rows
    assert all(token not in str(row) for row in rows)


# Talking ---------------------------------------------------------------------------------------------------


def test_comments(site: Site, cast: Cast) -> None:
    owner, other, subject = cast.readers["owner"], cast.readers["other"], cast.make("restricted")
    at = f"/api/requests/{asking(site, cast, subject).json()['id']}"

    def said(content: object) -> dict[str, Any]:
        return {"payload": {"content": content, "format": "html"}}

    made = site.ask("POST", f"{at}/comments", owner, said('<p>Why?</p><script>alert("x")</script>'))
    assert (made.status, made.json()["payload"]["content"]) == (201, "<p>Why?</p>")
    assert made.json()["permissions"] == dict.fromkeys(
        ("can_update_comment", "can_delete_comment", "can_reply_comment"), True
    )
    one = f"{at}/comments/{made.json()['id']}"
    for empty in ("", " ", None):
        refused = site.ask("POST", f"{at}/comments", owner, said(empty))
        assert (refused.status, refused.json()["errors"][0]["field"]) == (400, "payload.content")
    assert site.ask("GET", one, other).json()["permissions"]["can_update_comment"] is False
    assert site.ask("PUT", one, other, said("Mine")).status == 403
    assert site.ask("DELETE", one, other).status == 403
    assert site.ask("PUT", one, owner, said("Why so?")).json()["payload"]["content"] == "Why so?"
    answered = site.ask("POST", f"{one}/reply", other, said("Because"))
    assert (answered.status, answered.json()["parent_id"]) == (201, made.json()["id"])
    assert [
        r["payload"]["content"] for r in site.ask("GET", f"{one}/replies", owner).json()["hits"]["hits"]
    ] == ["Because"]
    listed = site.ask("GET", f"{at}/timeline", owner).json()["hits"]
    assert (listed["total"], [h["children_count"] for h in listed["hits"]]) == (2, [0, 1])
    focused = site.ask(
        "GET", f"{at}/timeline_focused?size=1&focus_event_id={answered.json()['id']}", owner
    ).json()
    assert (focused["page"], focused["hits"]["hits"][0]["id"]) == (2, made.json()["id"])
    assert site.ask("DELETE", one, owner).status == 204
    left = site.ask("GET", one, owner).json()
    assert (left["type"], left["payload"]["event"]) == ("L", "comment_deleted")
    assert "Why" not in site.ask("GET", f"{at}/timeline", owner).text
    for path in (at, f"{at}/timeline", one, f"{at}/comments"):
        verb, body = ("POST", said("x")) if path.endswith("comments") else ("GET", None)
        assert site.ask(verb, path, cast.readers["anonymous"], body).status == 403
        assert site.ask(verb, path, stranger(site), body).status == 403


def stranger(site: Site) -> Reader:
    known = site.__dict__.setdefault("stranger", None)
    if known is None:
        known = site.__dict__["stranger"] = site.reader("stranger")
    return known


def test_a_conversation_can_be_closed(site: Site, cast: Cast) -> None:
    owner, other, subject = cast.readers["owner"], cast.readers["other"], cast.make("restricted")
    at = f"/api/requests/{asking(site, cast, subject).json()['id']}"
    said = {"payload": {"content": "x", "format": "html"}}
    assert site.ask("GET", f"{at}/lock", other).status == 403
    assert site.ask("GET", f"{at}/lock", owner).status == 204
    assert site.ask("GET", at, other).json()["is_locked"] is True
    assert site.ask("POST", f"{at}/comments", other, said).status == 403
    # A browser is not made to do it by a link.
    assert site.ask("GET", f"{at}/unlock", cast.readers["session"]).status == 405
    assert site.ask("POST", f"{at}/unlock", cast.readers["session"], {}).status == 204
    assert site.ask("POST", f"{at}/comments", other, said).status == 201


@pytest.mark.usefixtures("letterbox")
def test_who_wants_no_mail_gets_none(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("restricted")
    assert site.ask("PUT", "/api/user/notifications", owner, {"enabled": False}).json() == {"enabled": False}
    assert site.ask("GET", "/api/user/notifications", owner).json() == {"enabled": False}
    asking(site, cast, subject)
    assert mails(site) == []
    site.ask("PUT", "/api/user/notifications", owner, {"enabled": True})
    assert site.ask("PUT", "/api/user/notifications", owner, {"enabled": "no"}).status == 400


# Lists -----------------------------------------------------------------------------------------------------


def test_everybody_sees_his_own_requests(site: Site, cast: Cast) -> None:
    asker = site.reader("asker")
    subjects = [cast.make("restricted") for _ in range(3)]
    ids = [asking(site, cast, s, asker).json()["id"] for s in subjects]
    owner = cast.readers["owner"]
    site.ask("POST", f"/api/requests/{ids[0]}/actions/decline", owner, {})

    def listed(query: str, reader: Reader = asker, path: str = "/api/requests/") -> list[str]:
        answer = site.ask("GET", f"{path}?{query}", reader)
        assert answer.status == 200, answer
        return [h["id"] for h in answer.json()["hits"]["hits"]]

    assert listed("") == listed("", path="/api/user/requests") == ids[::-1]
    assert listed("sort=oldest") == ids
    assert listed("is_open=true") == ids[:0:-1]
    assert listed("is_open=false") == listed("status=declined") == ids[:1]
    assert listed("type=record-deletion") == []
    assert listed("q=markRESTRICTED") == ids[::-1]
    assert listed("q=%25") == []
    assert listed("size=1&page=2") == [ids[1]]
    assert listed("shared_with_me=true") == []
    assert set(ids) <= set(listed("size=100", owner))
    assert set(ids) <= set(listed("shared_with_me=1&size=100", owner))
    assert listed("", stranger(site)) == []
    for path in ("/api/requests/", "/api/user/requests"):
        assert site.ask("GET", path).status == 403
    for bad in ("size=0", "size=101", "page=x", "sort=loudest", "page=9999&size=100"):
        assert site.ask("GET", f"/api/requests?{bad}", asker).status == 400, bad
    of_one = site.ask("GET", f"/api/records/{subjects[0].id}/requests", owner).json()
    assert ([h["id"] for h in of_one["hits"]["hits"]], of_one["hits"]["total"]) == (ids[:1], 1)
    assert site.ask("GET", f"/api/records/{subjects[0].id}/requests", asker).status == 403


# Deletion --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("letterbox")
def test_a_young_record_is_deleted_at_once(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("open")
    at = f"/api/records/{subject.id}/request-deletion"
    refused = site.ask("POST", at, cast.readers["other"], {"reason": "test-record"})
    assert refused.status == 403
    wrong = site.ask("POST", at, owner, {"reason": "nope"})
    assert wrong.json()["errors"][0]["messages"] == ["Invalid removal reason"]
    done = site.ask("POST", at, owner, {"reason": "test-record", "comment": "It was only a test."})
    assert (done.status, done.json()["status"]) == (200, "accepted")
    assert done.json()["payload"]["policy_id"] == "grace-period-v1"
    gone = site.ask("GET", f"/api/records/{subject.id}")
    assert gone.status == 410
    assert gone.json()["tombstone"]["removed_by"] == {"user": str(owner.actor.user_id)}
    assert gone.json()["tombstone"]["removal_reason"] == {"id": "test-record"}
    assert gone.json()["tombstone"]["by"] == "owner"
    assert site.ask("POST", at, owner, {"reason": "test-record"}).status == 410
    assert mails(site) == []


@pytest.mark.usefixtures("letterbox")
def test_an_old_record_waits_for_an_administrator(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("open")
    with site.ctx.db.begin() as session:
        session.execute(
            update(records).where(records.c.id == subject.id).values(created=now() - timedelta(days=31))
        )
    at = f"/api/records/{subject.id}/request-deletion"
    asked = site.ask("POST", at, owner, {"reason": "test-record"})
    assert (asked.status, asked.json()["status"], asked.json()["receiver"]) == (200, "submitted", None)
    assert list(asked.json()["links"]["actions"]) == ["cancel"]
    assert site.ask("GET", f"/api/records/{subject.id}").status == 200
    assert site.ask("POST", at, owner, {"reason": "test-record"}).status == 400, "one is open"
    accept = f"/api/requests/{asked.json()['id']}/actions/accept"
    assert site.ask("POST", accept, owner, {}).status == 403
    assert [to for to, _ in mails(site)] == ["admin@example.org"]
    assert site.ask("POST", accept, cast.readers["admin"], {}).json()["status"] == "accepted"
    assert site.ask("GET", f"/api/records/{subject.id}").status == 410


# Shapes ----------------------------------------------------------------------------------------------------


def recorded(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())["response"]["body"]


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the recorded answers are not here")
def test_names_and_types_are_zenodos(site: Site, cast: Cast) -> None:
    owner, subject = cast.readers["owner"], cast.make("restricted")
    asked = asking(site, cast, subject)
    at = f"/api/requests/{asked.json()['id']}"
    assert shape(asked.json()) == shape(recorded("163_post_access_request_user_200"))
    made = site.ask("POST", f"{at}/comments", owner, {"payload": {"content": "x", "format": "html"}})
    assert shape(made.json()) == shape(recorded("170_post_request_comment_201"))
    listed = site.ask("GET", "/api/user/requests?size=1", owner).json()
    golden = recorded("182_get_user_requests_200")
    assert set(listed) == set(golden)
    assert set(listed["aggregations"]) == set(golden["aggregations"])
    assert shape(listed["aggregations"]["type"]["buckets"][:1]) == shape(
        golden["aggregations"]["type"]["buckets"]
    )
    timeline = site.ask("GET", f"{at}/timeline", owner).json()
    entry = recorded("179_get_request_timeline_200")["hits"]["hits"][0]
    assert shape(timeline["hits"]["hits"][0]) == shape(entry)
    deleted = site.ask(
        "POST",
        f"/api/records/{subject.id}/request-deletion",
        owner,
        {"reason": "test-record", "comment": "c"},
    )
    assert shape(deleted.json()) == shape(recorded("253_post_request_deletion_200"))


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the recorded answers are not here")
def test_communities_have_their_place(site: Site, cast: Cast) -> None:
    golden = recorded("195_get_communities_search_200")
    subject = cast.make("private")
    for path in ("/api/communities", "/api/user/communities", f"/api/records/{subject.id}/communities"):
        body = site.ask("GET", path, cast.readers["owner"]).json()
        assert set(body) == set(golden)
        assert body["hits"] == {"hits": [], "total": 0}
        assert set(body["aggregations"]) == set(golden["aggregations"])
    assert site.ask("GET", "/api/communities").status == 200
    assert site.ask("GET", "/api/user/communities").status == 403
    assert site.ask("GET", f"/api/records/{subject.id}/communities").status == 403


def test_the_record_says_who_may_ask(site: Site, cast: Cast) -> None:
    subject = cast.make("restricted")
    said = site.ask("PUT", f"/api/records/{subject.id}/access", cast.readers["owner"], {}, VENDOR).json()
    assert said["parent"]["access"]["settings"] == {
        "allow_user_requests": True,
        "allow_guest_requests": True,
        "accept_conditions_text": None,
        "secret_link_expiration": 0,
    }


# Quotas ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("letterbox")
def test_more_room_is_asked_for_and_given(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url="",
        base_url="http://testserver",
        rate_limits="off",
        disk_reserve_bytes=0,
        job_threads=0,
        limits="zenodo",
        quota_increase_bytes=20 * 10**9,
    )
    site = Site(settings).start()
    try:
        owner, admin = site.reader("owner"), site.reader("admin", admin=True)
        draft_id = site.desk.create(owner.actor)
        path = f"/api/records/{draft_id}/quota-increase"
        done = site.ask("POST", path, owner, {"quota_size": "60"}, VENDOR)
        assert done.status == 200
        body = done.json()
        golden = json.loads((GOLDEN / "288_post_quota_increase_draft_200.json").read_text())["response"]
        assert (body["type"], body["status"], body["payload"], body["topic"]) == (
            "quota-increase",
            "accepted",
            golden["body"]["payload"],
            {"record": str(draft_id)},
        )
        assert body["title"] == 'Quota increase request for "Rose scent"'
        for wrong in ({}, {"quota_size": "many"}, {"quota_size": "55"}, {"quota_size": True}):
            assert site.ask("POST", path, owner, wrong).status == 400
        more = site.ask("POST", path, owner, {"quota_size": 100}).json()
        assert more["status"] == "submitted"
        assert [to for to, text in mails(site) if "100 GB" in text] == ["admin@example.org"]
        accept = f"/api/requests/{more['id']}/actions/accept"
        assert site.ask("POST", accept, owner, {}).status == 403
        assert site.ask("POST", accept, admin, {}).json()["status"] == "accepted"
        assert [to for to, _ in mails(site)] == ["owner@example.org"]
        # A moderator's own word, and what it does to an upload.
        said = {"quota_size": 10, "max_file_size": 6, "notes": "Enough"}
        told = site.ask("POST", f"/api/records/{draft_id}/quota", admin, said)
        assert (told.status, told.json()) == (200, {})
        bucket = f"/api/files/{site.desk.draft(owner.actor, draft_id).bucket}"  # type: ignore[union-attr]
        shown = site.ask("GET", bucket, owner).json()
        assert (shown["quota_size"], shown["max_file_size"]) == (10, 6)
        assert site.ask("PUT", f"{bucket}/a", owner, b"1234567").status == 400
        assert site.ask("PUT", f"{bucket}/a", owner, b"123456").status == 201
        assert site.ask("PUT", f"{bucket}/b", owner, b"12345").status == 400
        user = f"/api/users/{owner.actor.user_id}/quota"
        assert site.ask("POST", user, admin, {"quota_size": "8"}).json() == {}
        assert site.ask("PUT", f"{bucket}/b", owner, b"123").status == 400
        assert site.ask("PUT", f"{bucket}/b", owner, b"12").status == 201
    finally:
        site.stop()
