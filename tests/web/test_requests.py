"""The pages of requests in a browser: asking on a record's page, answering, deciding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.app import Answer, Reader, Site, running
from tests.cast import Cast, Subject

SAME = {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}
GUEST = {
    "full_name": "Gérard Guest",
    "email": "guest@example.org",
    "message": "For <my> thesis",
    "consent": "true",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site") / "data", job_threads=0) as site:
        yield site


@pytest.fixture(scope="module")
def cast(site: Site) -> Cast:
    return Cast(site)


@pytest.fixture(scope="module")
def browser(site: Site, cast: Cast) -> Reader:
    """A stranger's browser session."""
    return site.session("other-session", cast.readers["other"])


def send(site: Site, path: str, reader: Reader | None, **fields: str) -> Answer:
    """A form as a browser sends it: the session's mark is in the form, not in a header."""
    headers = dict(SAME)
    if reader is not None:
        fields.setdefault("csrf", reader.headers["x-csrf-token"])
        headers["cookie"] = reader.headers["cookie"]
    return site.ask("POST", path, None, urlencode(fields).encode(), headers)


def asked(site: Site, browser: Reader, subject: Subject, message: str = "For my thesis") -> str:
    made = send(site, f"/records/{subject.id}/request-access", browser, message=message)
    assert made.status == 303, made
    return made.headers["location"].removeprefix("http://testserver")


def test_a_user_asks_and_the_owner_answers(site: Site, cast: Cast, browser: Reader) -> None:
    subject, owner = cast.make("restricted"), cast.readers["session"]
    page = f"/records/{subject.id}"
    form = site.ask("GET", page, browser).text
    assert f'action="{page}/request-access"' in form
    assert 'name="full_name"' not in form, "who is signed in asks as himself"
    at = asked(site, browser, subject, "For <my> thesis\n\nand more")
    mine = site.ask("GET", at, browser).text
    assert "<p>For &lt;my&gt; thesis</p><p>and more</p>" in mine
    assert f"{at}/actions/cancel" in mine
    assert f"{at}/actions/accept" not in mine
    assert "along with your decision" not in mine, "he decides nothing"
    assert re.search(r"\d{4}, \d\d:\d\d UTC</time>", mine)
    assert f'href="{at}"' in site.ask("GET", "/me/requests", owner).text
    hers = site.ask("GET", at, owner).text
    assert f"{at}/actions/accept" in hers
    assert "along with your decision" in hers
    assert f"{at}/actions/cancel" not in hers
    said = send(site, f"{at}/comments", owner, content="Which thesis?")
    assert (said.status, said.headers["location"].partition("#")[0]) == (303, f"http://testserver{at}")
    assert "Which thesis?" in site.ask("GET", at, browser).text
    assert site.ask("GET", f"{page}/files/{subject.key}", browser).status == 403
    done = send(site, f"{at}/actions/accept", owner, content="")
    assert done.status == 303
    assert "accepted the request" in site.ask("GET", at, browser).text
    assert site.ask("GET", f"{page}/files/{subject.key}", browser).status == 200
    assert "request-access" not in site.ask("GET", page, browser).text, "he has it"
    for reader in (owner, browser):
        assert f'href="{at}"' not in site.ask("GET", "/me/requests", reader).text
        assert f'href="{at}"' in site.ask("GET", "/me/requests?status=closed", reader).text


def test_a_user_loses_nothing_that_he_typed(site: Site, cast: Cast, browser: Reader) -> None:
    subject = cast.make("restricted")
    page = f"/records/{subject.id}/request-access"
    said = "<b>bold</b> words. " * 600
    wrong = send(site, page, browser, message=said)
    assert wrong.status == 400
    assert 'aria-describedby="a-m-w"' in wrong.text
    assert said.replace("<", "&lt;").replace(">", "&gt;") in wrong.text
    assert 'name="email"' not in wrong.text
    mark = re.search(r'name="csrf" value="([^"]+)"', wrong.text)
    assert mark, "so that it can be sent again"
    assert send(site, page, browser, message="shorter", csrf=mark[1]).status == 303


def test_a_comment_that_can_not_be_is_said_at_its_field(site: Site, cast: Cast, browser: Reader) -> None:
    at = asked(site, browser, cast.make("restricted"))
    empty = send(site, f"{at}/comments", browser, content=" \n")
    assert empty.status == 400
    assert 'aria-invalid="true" aria-describedby="r-c-w"' in empty.text
    assert "Write your comment here first." in empty.text
    assert f'action="{at}/comments"' in empty.text
    assert "r-c-w" not in site.ask("GET", at, browser).text
    said = "<" * 20_000
    for path in (f"{at}/comments", f"{at}/actions/accept"):
        long = send(site, path, cast.readers["session"], content=said)
        assert long.status == 400
        assert "This is too long" in long.text
        assert said.replace("<", "&lt;").replace(">", "&gt;") in long.text
    buttons = re.findall(r"<button[^>]*>(Accept|Decline|Comment)<", long.text)
    assert buttons == ["Accept", "Decline", "Comment"]
    assert send(site, f"{at}/comments", browser, content="Now").status == 303


def test_only_those_whom_it_concerns(site: Site, cast: Cast, browser: Reader) -> None:
    at = asked(site, browser, cast.make("restricted"))
    stranger = site.session("stranger", site.reader("stranger"))
    assert site.ask("GET", at, stranger).status == 403
    assert at not in site.ask("GET", "/me/requests", stranger).text
    for path in (f"{at}/comments", f"{at}/actions/accept", f"{at}/actions/cancel"):
        assert send(site, path, stranger, content="x").status == 403
        # Without the session's mark, or from another site, nothing is done.
        assert send(site, path, browser, content="x", csrf="wrong").status == 403
    headers = {**SAME, "sec-fetch-site": "cross-site", **browser.headers}
    assert (
        site.ask(
            "POST", f"{at}/actions/cancel", None, b"", {**headers, "sec-fetch-site": "cross-site"}
        ).status
        == 403
    )
    assert send(site, f"{at}/actions/accept", browser).status == 403, "who asks does not decide"
    assert send(site, f"{at}/comments", browser, content=" ").status == 400
    assert send(site, f"{at}/actions/cancel", browser).status == 303
    assert send(site, f"{at}/actions/cancel", browser).status == 400


def test_a_guest_asks_on_the_record_page(site: Site, cast: Cast) -> None:
    subject, owner = cast.make("restricted"), cast.readers["session"]
    page = f"/records/{subject.id}"
    assert 'name="full_name"' in site.ask("GET", page).text
    wrong = send(site, f"{page}/request-access", None, **{**GUEST, "consent": ""})
    assert wrong.status == 400
    assert wrong.text.count('class="error"') == 1
    assert re.search(r'name="consent"[^>]* aria-invalid="true" aria-describedby="a-c-w"', wrong.text)
    assert 'value="Gérard Guest"' in wrong.text
    assert 'value="guest@example.org"' in wrong.text
    assert ">\nFor &lt;my&gt; thesis</textarea>" in wrong.text
    many = send(site, f"{page}/request-access", None, full_name=" ", email="nobody", message="語" * 8_000)
    assert many.status == 400
    assert set(re.findall(r'id="a-(\w)-w"', many.text)) == {"n", "e", "c"}
    assert "語" * 8_000 in many.text
    assert f'action="{page}/request-access"' in many.text
    sent = send(site, f"{page}/request-access", None, **GUEST)
    assert (sent.status, "on its way" in sent.text) == (200, True)
    site.desk.work()
    (mail,) = [
        p.read_text() for p in (site.settings.data_dir / "mail").glob("*.eml") if "guest@" in p.read_text()
    ]
    token = re.search(r"access_request_token=([\w-]+)", mail.replace("=\n", "").replace("=3D", "="))
    assert token
    confirmed = send(site, "/access/requests/confirm", None, access_request_token=token[1])
    assert confirmed.status == 200
    (row,) = [
        r
        for r in site.ask("GET", "/api/requests", cast.readers["owner"]).json()["hits"]["hits"]
        if r["topic"] == {"record": str(subject.id)}
    ]
    shown = site.ask("GET", f"/me/requests/{row['id']}", owner).text
    assert "Gérard Guest, guest@example.org" in shown


@pytest.mark.parametrize(
    ("said", "user", "guest"),
    [
        ({"allow_user_requests": True, "allow_guest_requests": False}, True, False),
        ({"allow_user_requests": False, "allow_guest_requests": True}, False, True),
        ({"allow_user_requests": False, "allow_guest_requests": False}, False, False),
    ],
)
def test_the_form_is_there_where_one_may_ask(
    site: Site, cast: Cast, browser: Reader, said: dict[str, bool], user: bool, guest: bool
) -> None:
    subject = cast.make("restricted")
    site.ask("GET", f"/records/{subject.id}")  # a page that is kept must not outlive the settings
    changed = site.ask("PUT", f"/api/records/{subject.id}/access", cast.readers["owner"], said)
    assert changed.status == 200
    shown = [
        "request-access" in site.ask("GET", f"/records/{subject.id}", reader).text
        for reader in (browser, None)
    ]
    assert shown == [user, guest]
    for kind in ("open", "embargoed"):
        assert "request-access" not in site.ask("GET", f"/records/{cast.make(kind).id}").text


def test_lists_are_paged(site: Site, cast: Cast, browser: Reader) -> None:
    for _ in range(26):
        asked(site, browser, cast.make("restricted"))
    pages = [site.ask("GET", f"/me/requests?page={n}", browser).text for n in (1, 2)]
    found = [set(re.findall(r'<a href="(/me/requests/[0-9a-f-]{36})"', p)) for p in pages]
    assert len(found[0]) == 25
    assert found[1]
    assert not found[0] & found[1]
