"""The OAuth 2 provider: whole flows as a browser and a program make them, and everything that must be refused."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from sqlalchemy import select, update

from strongroom.accounts import applications
from strongroom.accounts.models import codes, refresh_tokens, tokens
from strongroom.changes import of
from strongroom.ids import now
from strongroom.settings import Settings
from tests.app import Answer, Reader, Site
from tests.live import PASSWORD, Server

CALLBACK = "https://tool.example.org/callback?from=us"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
FORM = {"content-type": "application/x-www-form-urlencoded"}
HOME = "/account/settings/applications"


class Flow:
    """A maker of applications, a user in a browser, and the programs."""

    def __init__(self, site: Site) -> None:
        self.site = site
        maker = site.reader("maker")
        self.user = site.reader("jane")
        self.browser = site.session("browser", self.user)
        self.maker = site.session("maker", maker)
        self.client_id, self.secret = self.register()
        self.public_id, _ = self.register(
            confidential=False, redirect_uris=["http://127.0.0.1:1/cb", "org.example.tool:/cb", CALLBACK]
        )

    def register(
        self, redirect_uris: list[str] | None = None, *, confidential: bool = True
    ) -> tuple[str, str]:
        with self.site.ctx.db.begin() as session:
            client_id, secret = applications.register(
                session, self.maker.actor, "The Tool", redirect_uris or [CALLBACK], confidential=confidential
            )
        return client_id, secret or ""

    def query(self, **changes: str | None) -> str:
        sent = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "scope": "deposit:write user:email",
            "state": "st ate",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return urlencode({k: v for k, v in sent.items() if v is not None})

    def question(self, reader: Reader | None = None, **changes: str | None) -> Answer:
        return self.site.ask("GET", f"/oauth/authorize?{self.query(**changes)}", reader or self.browser)

    def decide(self, answer: str = "allow", reader: Reader | None = None, **changes: str | None) -> Answer:
        body = urlencode({"query": self.query(**changes), "answer": answer}).encode()
        return self.site.ask("POST", "/oauth/authorize", reader or self.browser, body, FORM)

    def told(self, answer: Answer) -> dict[str, str]:
        """What the application is told by the redirect."""
        assert answer.status == 303, answer
        return {k: v for k, (v,) in parse_qs(urlsplit(answer.headers["location"]).query).items()}

    def code(self, **changes: str | None) -> str:
        return self.told(self.decide(**changes))["code"]

    def post(self, path: str, **fields: str | None) -> Answer:
        fields = {"client_id": self.client_id, "client_secret": self.secret, **fields}
        body = urlencode({k: v for k, v in fields.items() if v is not None}).encode()
        return self.site.ask("POST", path, None, body, FORM)

    def exchange(self, code: str, /, **changes: str | None) -> Answer:
        sent: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        return self.post("/oauth/token", **(sent | changes))

    def refresh(self, token: str, **changes: str | None) -> Answer:
        return self.post("/oauth/token", grant_type="refresh_token", refresh_token=token, **changes)

    def works(self, token: str) -> bool:
        headers = {"authorization": f"Bearer {token}"}
        return self.site.ask("GET", "/api/user", Reader("program", headers=headers)).status == 200


@pytest.fixture
def flow(database_settings: Settings) -> Iterator[Flow]:
    site = Site(database_settings).start()
    yield Flow(site)
    site.stop()


# The whole way ---------------------------------------------------------------------------------------------


def test_from_question_to_deposit(flow: Flow) -> None:
    asked = flow.question()
    assert asked.status == 200
    for said in (
        "The Tool",
        "maker",
        "tool.example.org",
        "Make and change drafts",
        "See your e-mail address",
    ):
        assert said in asked.text
    assert "Publish" not in re.findall(r"<ul class=\"plain a-does\">.*?</ul>", asked.text, re.DOTALL)[0]
    assert "form-action 'self' https://tool.example.org;" in asked.headers["content-security-policy"]
    told = flow.told(flow.decide())
    assert (told["state"], told["iss"], told["from"]) == ("st ate", "http://testserver", "us")
    answer = flow.exchange(told["code"])
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    given = answer.json()
    assert {k: given[k] for k in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "deposit:write user:email",
    }
    assert given["user"] == {
        "id": str(flow.user.actor.user_id),
        "email": "jane@example.org",
        "email_verified": True,
    }
    program = Reader("program", headers={"authorization": f"Bearer {given['access_token']}"})
    made = flow.site.ask("POST", "/api/deposit/depositions", program, {})
    assert (made.status, made.json()["owner"]) == (201, flow.user.actor.user_id)
    publish = f"/api/deposit/depositions/{made.json()['id']}/actions/publish"
    assert flow.site.ask("POST", publish, program).status == 403, "the scope was not asked for"
    assert flow.site.ask("GET", "/api/user/tokens", program).status == 403


def test_nothing_is_kept_that_could_be_used(flow: Flow) -> None:
    code = flow.code()
    given = flow.exchange(code).json()
    kept = ""
    with flow.site.ctx.db.read() as session:
        for table in (codes, tokens, refresh_tokens):
            kept += repr(session.execute(select(table)).all())
    for secret in (code, given["access_token"], given["refresh_token"], flow.secret):
        assert secret not in kept


def test_refusing_says_so_and_allows_nothing(flow: Flow) -> None:
    told = flow.told(flow.decide("deny"))
    assert (told["error"], told["state"]) == ("access_denied", "st ate")
    assert "code" not in told
    assert flow.question().status == 200, "asked again"


def test_who_is_not_logged_in_does_so_first_and_comes_back(flow: Flow) -> None:
    sent = flow.site.ask("GET", f"/oauth/authorize?{flow.query()}")
    assert sent.status == 302
    next_url = parse_qs(urlsplit(sent.headers["location"]).query)["next"][0]
    assert next_url == f"/oauth/authorize?{flow.query()}"
    form = flow.site.ask("GET", sent.headers["location"].removeprefix("http://testserver"))
    assert html.escape(next_url) in form.text
    assert flow.site.ask("GET", f"/oauth/authorize?{flow.query()}", flow.user).status == 302, (
        "nor with a token"
    )


def test_consent_is_remembered_for_what_was_allowed(flow: Flow) -> None:
    flow.code()
    assert "code" in flow.told(flow.question())
    assert "code" in flow.told(flow.question(scope="user:email"))
    for again in ({"scope": "deposit:write deposit:actions"}, {"prompt": "consent"}):
        assert flow.question(**again).status == 200
    # A program on the user's machine may be any program.
    local: dict[str, str | None] = {"client_id": flow.public_id, "redirect_uri": "http://127.0.0.1:7/cb"}
    flow.code(**local)
    assert flow.question(**local).status == 200


def test_an_administrators_consent_gives_no_administrators_rights(flow: Flow) -> None:
    admin = flow.site.reader("admin", admin=True)
    code = flow.told(flow.decide(reader=flow.site.session("admin", admin)))["code"]
    token = flow.exchange(code).json()["access_token"]
    program = Reader("program", headers={"authorization": f"Bearer {token}"})
    assert flow.site.ask("GET", "/api/users/all", admin).status == 200
    assert flow.site.ask("GET", "/api/users/all", program).status == 403


# Questions that are wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "unknown"},
        {"client_id": "\u00fcnknown"},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": CALLBACK + "/more"},
        {"redirect_uri": CALLBACK.replace("https", "http")},
        {"redirect_uri": "https://tool.example.org"},
        {"redirect_uri": 'https://tool.example.org/"\u00e9'},
        {"redirect_uri": "http://127.0.0.1:80/cb"},
    ],
)
def test_without_a_safe_way_back_nobody_is_sent_anywhere(flow: Flow, changes: dict[str, str | None]) -> None:
    for answer in (flow.question(**changes), flow.decide(**changes)):
        assert answer.status == 400
        assert "location" not in answer.headers
        assert "text/html" in answer.headers["content-type"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"scope": "deposit:write user:tokens"}, "invalid_scope"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
    ],
)
def test_other_mistakes_go_back_to_the_application(
    flow: Flow, changes: dict[str, str | None], error: str
) -> None:
    for answer in (flow.question(**changes), flow.decide(**changes)):
        told = flow.told(answer)
        assert (told["error"], told["state"]) == (error, "st ate")
        assert answer.headers["location"].startswith("https://tool.example.org/callback?")


def test_a_public_application_needs_pkce(flow: Flow) -> None:
    without: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}
    assert "code" in flow.told(flow.decide(**without)), "a confidential one proves itself by its secret"
    assert flow.told(flow.decide(client_id=flow.public_id, **without))["error"] == "invalid_request"


def test_parameters_come_once(flow: Flow) -> None:
    twice = f"/oauth/authorize?{flow.query()}&scope=deposit:actions"
    assert flow.site.ask("GET", twice, flow.browser).status == 400


def test_consent_needs_the_page(flow: Flow) -> None:
    body = urlencode({"query": flow.query(), "answer": "allow"}).encode()
    own = flow.browser.headers
    for headers in (
        {"cookie": own["cookie"], "sec-fetch-site": "same-origin"},
        {**own, "sec-fetch-site": "cross-site"},
        {**own, "x-csrf-token": "x"},
    ):
        assert (
            flow.site.ask("POST", "/oauth/authorize", Reader("x", headers=headers), body, FORM).status == 403
        )
    assert flow.site.ask("POST", "/oauth/authorize", flow.user, body, FORM).status == 401


# Tokens ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"client_id": "unknown"}, 400, "invalid_client"),
        ({"code": "wrong"}, 400, "invalid_grant"),
        ({"code": None}, 400, "invalid_request"),
        ({"redirect_uri": "https://tool.example.org/other"}, 400, "invalid_grant"),
        ({"redirect_uri": None}, 400, "invalid_grant"),
        ({"code_verifier": "w" * 43}, 400, "invalid_grant"),
        ({"code_verifier": None}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
        ({"grant_type": '"\u00e9'}, 400, "invalid_request"),
        ({"grant_type": None}, 400, "unsupported_grant_type"),
    ],
)
def test_codes_are_for_their_application(
    flow: Flow, changes: dict[str, str | None], status: int, error: str
) -> None:
    code = flow.code()
    refused = flow.exchange(code, **changes)
    assert (refused.status, refused.json()["error"]) == (status, error)
    assert ("www-authenticate" in refused.headers) == (status == 401)
    assert flow.exchange(code).status == 200, "a mistake does not use it up"


def test_another_application_can_do_nothing_with_it(flow: Flow) -> None:
    other_id, other_secret = flow.register()
    code = flow.code()
    stolen = flow.exchange(code, client_id=other_id, client_secret=other_secret)
    assert stolen.json()["error"] == "invalid_grant"
    given = flow.exchange(code).json()
    stolen = flow.refresh(given["refresh_token"], client_id=other_id, client_secret=other_secret)
    assert stolen.json()["error"] == "invalid_grant"
    for token in (given["access_token"], given["refresh_token"]):
        answer = flow.post("/oauth/revoke", token=token, client_id=other_id, client_secret=other_secret)
        assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")
    assert flow.works(given["access_token"])
    assert flow.refresh(given["refresh_token"]).status == 200


def test_a_code_used_twice_ends_what_came_from_it(flow: Flow) -> None:
    code = flow.code()
    given = flow.exchange(code).json()
    other = flow.exchange(flow.code()).json()
    again = flow.exchange(code)
    assert (again.status, again.json()["error"]) == (400, "invalid_grant")
    assert not flow.works(given["access_token"])
    assert flow.refresh(given["refresh_token"]).status == 400
    assert flow.works(other["access_token"]), "of another consent"


def test_a_refresh_token_used_twice_ends_its_family(flow: Flow) -> None:
    first = flow.exchange(flow.code()).json()
    second = flow.refresh(first["refresh_token"]).json()
    third = flow.refresh(second["refresh_token"], scope="user:email").json()
    assert third["scope"] == "user:email"
    assert flow.works(third["access_token"])
    stolen = flow.refresh(first["refresh_token"])
    assert (stolen.status, stolen.json()["error"]) == (400, "invalid_grant")
    for given in (first, second, third):
        assert not flow.works(given["access_token"])
        assert flow.refresh(given["refresh_token"]).status == 400
    with flow.site.ctx.db.read() as session:
        assert "reused" in {row.verb for row in of(session, "application", 1)}


def test_of_many_at_once_one_gets_the_tokens(flow: Flow) -> None:
    code = flow.code()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: flow.exchange(code), range(4)))
    assert sorted(a.status for a in answers) == [200, 400, 400, 400]
    (given,) = (a.json() for a in answers if a.status == 200)
    assert not flow.works(given["access_token"]), "and loses them: somebody else had the code"


def test_scopes_never_grow(flow: Flow) -> None:
    given = flow.exchange(flow.code(scope="user:email")).json()
    wider = flow.refresh(given["refresh_token"], scope="user:email deposit:write")
    assert (wider.status, wider.json()["error"]) == (400, "invalid_scope")
    assert flow.refresh(given["refresh_token"]).json()["scope"] == "user:email"


def test_everything_expires(flow: Flow) -> None:
    code, given = flow.code(), flow.exchange(flow.code()).json()
    with flow.site.ctx.db.begin() as session:
        for table in (codes, refresh_tokens, tokens):
            session.execute(update(table).values(expires=now() - timedelta(seconds=1)))
    assert flow.exchange(code).json()["error"] == "invalid_grant"
    assert not flow.works(given["access_token"])
    assert flow.refresh(given["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_revoking_ends_both(flow: Flow, which: str) -> None:
    given = flow.exchange(flow.code()).json()
    done = flow.post("/oauth/revoke", token=given[which], token_type_hint=which)
    assert (done.status, done.json()) == (200, {})
    assert not flow.works(given["access_token"])
    assert flow.refresh(given["refresh_token"]).status == 400
    assert flow.post("/oauth/revoke", token=given[which]).status == 200, "again is no error (RFC 7009 2.2)"
    assert flow.post("/oauth/revoke", token="x", token_type_hint="\u00e9").status == 400
    assert flow.post("/oauth/revoke").json()["error"] == "invalid_request"


@pytest.mark.parametrize("how", ["take back", "delete", "block", "deactivate"])
def test_users_and_makers_end_it(flow: Flow, how: str) -> None:
    given = flow.exchange(flow.code()).json()
    match how:
        case "take back":
            with flow.site.ctx.db.read() as session:
                (grant,) = applications.allowed(session, flow.browser.actor)
            path, reader = f"{HOME}/grants/{grant.id}/revoke", flow.browser
        case "delete":
            path, reader = f"{HOME}/clients/{flow.client_id}/delete", flow.maker
        case _:
            path = f"/api/users/{flow.user.actor.user_id}/{how}"
            reader = flow.site.reader("admin", admin=True)
    assert flow.site.ask("POST", path, reader).status in (200, 303)
    assert not flow.works(given["access_token"])
    assert flow.refresh(given["refresh_token"]).status in (400, 401)


@pytest.mark.parametrize(
    "body", [b"\xff", b"a=%ff", b"a=b%00", b"&".join([b"a=b"] * 99), b"grant_type=x&grant_type=y"]
)
def test_forms_that_cannot_be_read(flow: Flow, body: bytes) -> None:
    for path in ("/oauth/token", "/oauth/revoke"):
        answer = flow.site.ask("POST", path, None, body, FORM)
        assert (answer.status, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "header", ["Basic x", "Basic /w==", "Basic " + base64.b64encode(b"%ff:%ff").decode(), "Bearer x"]
)
def test_headers_that_cannot_be_read(flow: Flow, header: str) -> None:
    body = b"grant_type=authorization_code&code=x"
    answer = flow.site.ask("POST", "/oauth/token", None, body, FORM | {"authorization": header})
    assert (answer.status, answer.json()["error"]) == (401, "invalid_client")


# Addresses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "public", "good"),
    [
        ("https://tool.example.org/cb", False, True),
        ("http://tool.example.org/cb", False, False),
        ("http://127.0.0.1/cb", False, True),
        ("http://localhost:80/cb", True, True),
        ("org.example.tool:/cb", True, True),
        ("org.example.tool:/cb", False, False),
        ("javascript:alert(1)", True, False),
        ("data:text/html,x", True, False),
        ("https://tool.example.org/#x", False, False),
        ("https://me:pw@tool.example.org/", False, False),
        ("https://tool.example.org\\@evil.example/", False, False),
        ("https://", False, False),
        ("https://[::1", False, False),
        ("//tool.example.org", False, False),
        ("https://tool.example.org/a b", False, False),
    ],
)
def test_addresses_that_may_be_registered(uri: str, public: bool, good: bool) -> None:
    assert (applications.redirect_problem(uri, public=public) is None) == good


@pytest.mark.parametrize(
    ("sent", "good"),
    [
        ("http://127.0.0.1:7/cb", True),
        ("http://127.0.0.1:65000/cb", True),
        ("http://127.0.0.1/cb", True),
        ("http://[::1]:9/six", True),
        ("http://127.0.0.1:7/other", False),
        ("http://127.0.0.1:7/cb?x", False),
        ("http://127.0.0.1:7/cb#", False),
        ("https://127.0.0.1:7/cb", False),
        ("http://localhost:7/cb", False),
        ("http://127.0.0.1:7@evil.example/cb", False),
        ("http://evil@127.0.0.1:7/cb", False),
        ("http://127.0.0.1.evil.example/cb", False),
        ("http://127.0.0.1:x/cb", False),
        ("https://a.example:443/cb", False),
        ("https://A.example/cb", False),
        ("https://a.example/cb", True),
    ],
)
def test_where_codes_may_go(sent: str, good: bool) -> None:
    known = ["http://127.0.0.1/cb", "http://[::1]:1/six", "https://a.example/cb"]
    assert applications.redirect_matches(known, sent) == good


# Pages -----------------------------------------------------------------------------------------------------


def test_the_pages_make_show_once_and_end(flow: Flow) -> None:
    site, browser = flow.site, flow.browser

    def send(path: str, *fields: tuple[str, str]) -> Answer:
        return site.ask("POST", HOME + path, browser, urlencode(fields).encode(), FORM)

    made = send(
        "/tokens",
        ("name", "laptop"),
        ("scope", "deposit:write"),
        ("scope", "deposit:actions"),
        ("days", "30"),
    )
    (secret,) = re.findall(r'<pre id="secret"[^>]*>([^<]+)</pre>', made.text)
    assert (made.status, flow.works(secret)) == (200, True)
    assert "no-store" in made.headers["cache-control"]
    page = site.ask("GET", HOME, browser)
    assert "laptop" in page.text
    assert secret not in page.text
    wrong = send("/tokens", ("name", ""), ("scope", "deposit:write"))
    assert wrong.status == 400
    assert 'value="deposit:write" checked' in wrong.text
    (path,) = re.findall(rf'action="{HOME}(/tokens/\d+/revoke)">.*?laptop', page.text)[:1]
    ids = re.findall(rf"{HOME}(/tokens/\d+/revoke)", page.text)
    assert path in ids
    for number in ids:
        assert send(number).status == 303
    assert not flow.works(secret)

    wrong = send("/clients", ("name", "Mine"), ("redirect_uris", "ftp://x"))
    assert wrong.status == 400
    assert "ftp://x" in wrong.text
    made = send(
        "/clients",
        ("name", "<b>Mine"),
        ("redirect_uris", f"{CALLBACK}\r\nhttps://b.example/"),
        ("kind", "confidential"),
    )
    assert "<b>" not in made.text
    (client_id,) = re.findall(r'<code id="client-id">([^<]+)</code>', made.text)
    (first,) = re.findall(r'<pre id="secret"[^>]*>([^<]+)</pre>', made.text)
    shown = site.ask("GET", f"{HOME}/clients/{client_id}", browser)
    assert CALLBACK.replace("&", "&amp;") in shown.text
    assert site.ask("GET", f"{HOME}/clients/{client_id}", flow.maker).status == 404
    for action in ("", "/reset", "/delete"):
        assert (
            site.ask("POST", f"{HOME}/clients/{client_id}{action}", flow.maker, b"name=x", FORM).status == 404
        )
    second = re.findall(r'<pre id="secret"[^>]*>([^<]+)</pre>', send(f"/clients/{client_id}/reset").text)[0]
    changed = send(f"/clients/{client_id}", ("name", "Ours"), ("redirect_uris", CALLBACK))
    assert changed.status == 303
    assert send(f"/clients/{client_id}", ("name", ""), ("redirect_uris", CALLBACK)).status == 400
    code = flow.code(client_id=client_id)
    assert flow.exchange(code, client_id=client_id, client_secret=first).status == 401
    assert flow.exchange(code, client_id=client_id, client_secret=second).status == 200
    allowed = site.ask("GET", HOME, browser)
    assert "Ours" in allowed.text
    assert send(f"/clients/{client_id}/delete").status == 303
    assert "Ours" not in site.ask("GET", HOME, browser).text
    assert flow.question(client_id=client_id).status == 400


# Over the wire ---------------------------------------------------------------------------------------------


class _Form:
    """What a browser would send for the form of a page."""

    def __init__(self, page: str, action: str) -> None:
        (inside,) = re.findall(rf'<form[^>]*action="{re.escape(action)}"[^>]*>(.*?)</form>', page, re.DOTALL)[
            :1
        ]
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', inside)
        self.fields = {name: html.unescape(value) for name, value in hidden}


@pytest.mark.parametrize("public", [False, True], ids=["confidential", "public"])
def test_a_real_client_and_a_browser(tmp_path: Path, public: bool) -> None:
    """Authlib's client, a browser's forms, two processes that serve."""
    server = Server(tmp_path / "data", workers=2)
    server.add_user("maker@example.org")
    server.add_user("jane@example.org")
    server.start()
    try:
        callback = "http://127.0.0.1:49152/cb"
        browser = requests.Session()
        browser.headers["Sec-Fetch-Site"] = "same-origin"

        def log_in(email: str, next_url: str) -> requests.Response:
            form = _Form(browser.get(server.url + "/login", params={"next": next_url}).text, "/login")
            sent = form.fields | {"email": email, "password": PASSWORD}
            return browser.post(server.url + "/login", data=sent, allow_redirects=False)

        def send(page: str, action: str, **fields: str) -> requests.Response:
            sent = _Form(page, action).fields | fields
            return browser.post(server.url + action, data=sent, allow_redirects=False)

        log_in("maker@example.org", "/")
        page = browser.get(f"{server.url}{HOME}/clients/new").text
        uri = "http://127.0.0.1/cb" if public else callback
        kind = "public" if public else "confidential"
        made = send(page, f"{HOME}/clients", name="Tool", redirect_uris=uri, kind=kind).text
        (client_id,) = re.findall(r'<code id="client-id">([^<]+)</code>', made)
        secrets = re.findall(r'<pre id="secret"[^>]*>([^<]+)</pre>', made)
        assert len(secrets) == (0 if public else 1)
        browser.cookies.clear()

        known = requests.get(f"{server.url}/.well-known/oauth-authorization-server", timeout=10).json()
        assert known["issuer"] == server.url
        client = OAuth2Session(
            client_id,
            secrets[0] if secrets else None,
            scope="deposit:write",
            redirect_uri=callback,
            code_challenge_method="S256",
            token_endpoint_auth_method="none" if public else "client_secret_basic",
            token_endpoint=known["token_endpoint"],
            leeway=0,
        )
        url, state = client.create_authorization_url(known["authorization_endpoint"], code_verifier=VERIFIER)
        first = browser.get(url, allow_redirects=False)
        (next_url,) = parse_qs(urlsplit(first.headers["location"]).query)["next"]
        back = log_in("jane@example.org", next_url)
        consent = browser.get(back.headers["location"], allow_redirects=False)
        assert consent.status_code == 200
        done = send(consent.text, "/oauth/authorize", answer="allow")
        location = done.headers["location"]
        assert location.startswith(callback + "?")
        token = client.fetch_token(
            known["token_endpoint"], authorization_response=location, state=state, code_verifier=VERIFIER
        )
        assert client.post(f"{server.url}/api/deposit/depositions", json={}).status_code == 201
        renewed = client.refresh_token(known["token_endpoint"], token["refresh_token"])
        assert renewed["access_token"] != token["access_token"]
        assert client.get(f"{server.url}/api/me").json()["id"] > 0
        assert client.revoke_token(known["revocation_endpoint"], renewed["refresh_token"]).status_code == 200
        gone: Any = requests.get(
            f"{server.url}/api/me", headers={"Authorization": f"Bearer {renewed['access_token']}"}, timeout=10
        )
        assert gone.status_code == 401
    finally:
        server.stop()
