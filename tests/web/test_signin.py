"""Logging in by ORCID, an institution, GitHub and password; the links by mail; settings of one's account."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from sqlalchemy import select, update

from strongroom.access import Actor
from strongroom.accounts import identities as ides
from strongroom.accounts import merging, profiles, registration
from strongroom.accounts import service as accounts
from strongroom.accounts.federation import Provider, Unanswered
from strongroom.accounts.models import identities, mail_tokens, sessions, users
from strongroom.ids import now
from strongroom.mail import outbox
from strongroom.web.signin import kept as signin_kept
from strongroom.web.signin import providers
from tests import oidc
from tests.app import PASSWORD, Answer, Site, running
from tests.github_server import GitHubServer
from tests.web.browser import Browser

SETTINGS = "/account/settings"
LINKS = f"{SETTINGS}/identities"


@dataclass
class Place:
    site: Site
    provider: oidc.OidcServer
    github: GitHubServer

    def browser(self, agent: str = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0") -> Browser:
        return Browser(self.site, agent)

    def mails(self, to: str) -> list[tuple[str, dict[str, str]]]:
        """(kind, what it says) of the mails to somebody, oldest first. No worker sends them."""
        with self.site.ctx.db.read() as session:
            rows = session.execute(select(outbox).where(outbox.c.recipient == to).order_by(outbox.c.id)).all()
        return [(row.kind, json.loads(row.content)) for row in rows]

    def link(self, to: str) -> str:
        """The path of the newest link sent to somebody."""
        return urlsplit(self.mails(to)[-1][1]["link"]).path

    def count(self) -> int:
        with self.site.ctx.db.read() as session:
            return len(session.execute(select(users.c.id)).all())

    def account(self, name: str) -> Browser:
        """Somebody with an account of our own, logged in."""
        self.site.reader(name)
        return self.log_in(f"{name}@example.org")

    def log_in(self, email: str, password: str = PASSWORD) -> Browser:
        browser = self.browser()
        browser.get("/login")
        browser.send("/login", email=email, password=password)
        browser.follow()
        return browser

    def by(self, browser: Browser, key: str, sub: str, next_url: str = "/") -> Answer:
        """Log in at a provider as `sub`; the last page that is shown then."""
        going = browser.get(f"/login/{key}?next={quote(next_url, safe='')}")
        assert going.status == 302, going
        return self.at(browser, going.headers["location"], sub)

    def at(self, browser: Browser, address: str, sub: str) -> Answer:
        helper = self.github if address.startswith(self.github.url) else self.provider
        browser.get(helper.log_in(address, sub))
        return browser.follow()

    def linking(self, browser: Browser, key: str, sub: str) -> Answer:
        browser.get(LINKS)
        (action, fields) = next(
            (f"{LINKS}/link", {"provider": key, "csrf": c})
            for c in re.findall(r'name="csrf" value="([^"]+)"', browser.shown.body.decode())
        )
        shown = browser.post(action, **fields)
        assert shown.status == 200, shown
        (address,) = re.findall(r'http-equiv="refresh" content="0;url=([^"]+)"', shown.body.decode())
        return self.at(browser, address.replace("&amp;", "&"), sub)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    people = [
        {"sub": "kim", "name": "Kim Lee", "email": "kim@uni.example", "email_verified": True},
        {"sub": "owner", "name": "Not Owner", "email": "taken@example.org", "email_verified": True},
        {"sub": "unsure", "name": "Un Sure", "email": "unsure@uni.example"},
    ]
    with oidc.provider(people) as provider, GitHubServer() as github:
        settings = {
            "job_threads": 0,
            "orcid_client_id": "APP-1",
            "orcid_client_secret": "s1",
            "orcid_url": provider.url,
            "oidc_issuer": provider.other_url,
            "oidc_client_id": "ours",
            "oidc_client_secret": "s2",
            "oidc_name": "Example University",
            "github_client_id": github.client_id,
            "github_client_secret": github.client_secret,
            "github_url": github.url,
            "github_api_url": github.url,
        }
        with running(tmp_path_factory.mktemp("site") / "data", **settings) as site:
            yield Place(site, provider, github)


@pytest.fixture(scope="module")
def carberry(place: Place) -> Browser:
    """Who came first by ORCID."""
    browser = place.browser()
    place.by(browser, "orcid", oidc.CARBERRY, "/me/uploads")
    browser.send("/login/new", name="Josiah Carberry", email="josiah@example.org")
    return browser


# By others -----------------------------------------------------------------------------------------------------


def test_the_page_offers_those_that_are_set(place: Place) -> None:
    text = place.browser().get("/login?next=/me/uploads").body.decode()
    assert re.findall(r'href="(/login/[^"]+)"', text) == [
        f"/login/{key}?next=/me/uploads" for key in ("orcid", "oidc", "github")
    ]
    assert "Continue with Example University" in text


def test_a_first_log_in_by_orcid_makes_an_account(place: Place) -> None:
    sub = "0000-0002-9079-593X"
    browser = place.browser()
    page = place.by(browser, "orcid", sub, "/me/uploads?page=1")
    assert (page.status, browser.path) == (200, "/login/new")
    assert sub in page.text
    assert browser.cookie("strongroom") is None
    done = browser.send("/login/new", name=" Grace  Hopper ", email="Grace@Example.org")
    assert (done.status, done.headers["location"]) == (303, "http://testserver/me/uploads?page=1")
    browser.follow()
    assert browser.who == "Grace Hopper"
    with place.site.ctx.db.read() as session:
        row = session.execute(select(users).where(users.c.orcid == sub)).one()
        identity = session.execute(select(identities).where(identities.c.user_id == row.id)).one()
        actor = accounts.by_session(session, browser.cookie("strongroom") or "")
        person = profiles.as_creator(session, actor)
    assert (identity.provider, identity.issuer, identity.subject) == ("orcid", place.provider.url, sub)
    # Until the link in the mail was opened the address counts for nothing.
    assert row.confirmed is None
    assert row.email.endswith(".invalid")
    assert person is not None
    assert (person.name, person.identifier("orcid")) == ("Hopper, Grace", sub)
    assert "grace@example.org is not confirmed" in browser.get(f"{SETTINGS}/profile").text
    ((kind, said),) = place.mails("grace@example.org")
    assert (kind, said["name"]) == ("address-confirm", "Grace Hopper")
    path = place.link("grace@example.org")
    # Somebody else who opens the link is told whose it is, and can't use it.
    stranger = place.browser()
    assert "Log in to the account" in stranger.get(path).text
    other = place.account("elsewhere")
    assert other.get(path).status == 403
    browser.get(path)
    assert browser.send(path).status == 303
    assert "Your address is confirmed" in browser.follow().text
    with place.site.ctx.db.read() as session:
        row = session.execute(select(users).where(users.c.id == row.id)).one()
    assert row.email == "grace@example.org"
    assert row.confirmed is not None
    assert browser.get(path).status == 404, "a link is good once"


def test_the_same_orcid_opens_the_same_account(place: Place, carberry: Browser) -> None:
    before = place.count()
    again = place.browser()
    page = place.by(again, "orcid", oidc.CARBERRY, "/me/uploads")
    assert (page.status, again.path, again.who) == (200, "/me/uploads", "Josiah Carberry")
    assert place.count() == before
    assert again.cookie("strongroom") != carberry.cookie("strongroom")


def test_an_institution_that_vouches_for_the_address_is_asked_nothing_more(place: Place) -> None:
    browser = place.browser()
    page = place.by(browser, "oidc", "kim", "/me/uploads")
    assert (page.status, browser.path, browser.who) == (200, "/me/uploads", "Kim Lee")
    with place.site.ctx.db.read() as session:
        row = session.execute(select(users).where(users.c.email == "kim@uni.example")).one()
    assert row.confirmed is not None


def test_an_address_nobody_vouches_for_is_asked_and_confirmed(place: Place) -> None:
    browser = place.browser()
    page = place.by(browser, "oidc", "unsure")
    assert browser.path == "/login/new"
    assert 'value="unsure@uni.example"' in page.text
    browser.send("/login/new")
    with place.site.ctx.db.read() as session:
        assert not session.execute(select(users).where(users.c.email == "unsure@uni.example")).first()
    assert [kind for kind, _ in place.mails("unsure@uni.example")] == ["address-confirm"]


def test_github_is_asked_for_nothing_but_who_one_is(place: Place) -> None:
    browser = place.browser()
    page = place.by(browser, "github", "allow", "/me/uploads")
    assert browser.path == "/login/new"
    assert "octocat" in page.text
    asked = place.github.asked[-1]
    assert "scope" not in asked
    assert asked["code_challenge_method"] == "S256"
    browser.send("/login/new", name="Mona", email="mona@example.org")
    place.github.user["login"] = "renamed"
    again = place.browser()
    place.by(again, "github", "allow", "/me/uploads")
    assert again.who == "Mona", "the number counts, not the name"
    assert "renamed" in again.get(LINKS).text


def test_no_address_takes_over_an_account(place: Place) -> None:
    """Not even one that its issuer has verified: whoever has the account logs in there and links."""
    place.site.reader("taken")
    before = place.count()
    browser = place.browser()
    page = place.by(browser, "oidc", "owner")
    assert browser.path == "/login/new"
    assert "There is an account with this address already" in page.text
    again = browser.send("/login/new", email="TAKEN@example.org")
    assert (again.status, browser.cookie("strongroom")) == (409, None)
    assert place.count() == before
    assert place.mails("taken@example.org") == []


def test_a_first_log_in_does_not_tell_who_has_an_account(place: Place) -> None:
    place.site.reader("secretly")
    shown = []
    for who, sub in (("secretly", "0000-0003-4654-1403"), ("publicly", "0000-0001-5000-0007")):
        browser = place.browser()
        place.by(browser, "orcid", sub)
        page = browser.send("/login/new", name="X", email=f"{who}@example.org")
        shown.append((page.status, page.headers["location"], page.headers.keys()))
        place_of = browser.get(f"{SETTINGS}/profile").text
        assert f"{who}@example.org is not confirmed" in place_of
    assert shown[0] == shown[1]
    assert [kind for kind, _ in place.mails("secretly@example.org")] == ["register-known"]


def test_cookies_of_a_log_in_have_room(place: Place) -> None:
    """Browsers forget one of more than 4,096 bytes, and then every log-in from that page fails."""
    browser = place.browser()
    for path in (
        "/me/uploads?q=" + "a" * 1400,
        "/me/uploads?q=" + "漢" * 1400,
        '/me/uploads?q="' + '"' * 1400,
    ):
        going = browser.get(f"/login/orcid?next={quote(path, safe='')}")
        assert going.status == 302
        assert all(len(line) < 4096 for line in going.cookies)
    key, claimed = (
        b"k" * 32,
        {"name": "漢" * 200, "email": "x" * 320, "label": "漢" * 200, "next": "/" + "漢" * 900},
    )
    text = signin_kept.sealed(key, "first", claimed, 60)
    assert len(text) < 4000
    kept = ides.opened(key, "first", text)
    assert kept is not None
    assert (kept["label"], kept["next"]) == ("漢" * 200, "/")
    short = {"name": "N", "next": "/me/uploads"}
    assert ides.opened(key, "first", signin_kept.sealed(key, "first", short, 60)) == short


def test_a_provider_that_hangs_holds_up_nobody_else() -> None:
    hanging, other = (Provider(key, key, "https://x.example", "", "", "") for key in ("hangs", "works"))
    go_on, where = threading.Event(), []

    def hang() -> str:
        where.append(threading.current_thread().name)
        go_on.wait(60)
        return "at last"

    async def many() -> None:
        waiting = [asyncio.create_task(providers.ask(hanging, hang)) for _ in range(2 * providers.STEPS)]
        await asyncio.sleep(0)
        try:
            with pytest.raises(Unanswered):
                await providers.ask(hanging, hang)
            assert await providers.ask(other, lambda: "here") == "here"
            # One that nobody waits for any more makes room once it ends, one that never began at once.
            waiting.pop().cancel()
            await asyncio.sleep(0.01)
            again = asyncio.create_task(providers.ask(hanging, hang))
            await asyncio.sleep(0)
            assert not again.done()
        finally:
            go_on.set()
        assert {*await asyncio.gather(*waiting, again)} == {"at last"}
        assert await providers.ask(hanging, lambda: "again") == "again"

    asyncio.run(many())
    assert all(name.startswith("log-in-hangs") for name in where)


def test_what_is_typed_wrong_is_said_beside_the_field(place: Place) -> None:
    browser = place.browser()
    place.by(browser, "orcid", "0000-0001-5109-3700")
    for email in ("", "nobody", "a@b,c@d", "a b@c"):
        again = browser.send("/login/new", name="", email=email)
        assert again.status == 400
        assert "Your name is missing." in again.text
        assert "This is no e-mail address" in again.text
    assert browser.post("/login/new", name="X", email="x@example.org", mark="guess").status == 403
    assert browser.cookie("strongroom") is None


# Linking -------------------------------------------------------------------------------------------------------


def test_identities_are_linked_and_unlinked(place: Place) -> None:
    browser = place.account("linker")
    sub = "0000-0003-1613-5981"
    page = place.linking(browser, "orcid", sub)
    assert "You can now log in with ORCID" in page.text
    assert [kind for kind, _ in place.mails("linker@example.org")] == ["identity-linked"]
    assert sub in browser.get(f"{SETTINGS}/profile").text
    other = place.browser()
    place.by(other, "orcid", sub, "/me/uploads")
    assert other.who == "linker"
    # Another ORCID on top is refused, by the door too.
    assert (
        "your account has an ORCID iD already" in place.linking(browser, "orcid", "0000-0002-1694-233X").text
    )
    browser.get(LINKS)
    (action,) = re.findall(rf'action="({LINKS}/\d+/unlink)"', browser.shown.body.decode())
    assert other.post(action, csrf="guess").status == 403
    stranger = place.account("stranger2")
    stranger.get(LINKS)
    csrf = re.search(r'name="csrf" value="([^"]+)"', stranger.shown.body.decode())
    assert csrf
    assert stranger.post(action, csrf=csrf[1]).status == 404
    assert browser.send(action).status == 303
    assert sub not in browser.get(f"{SETTINGS}/profile").text
    fresh = place.browser()
    place.by(fresh, "orcid", sub)
    assert fresh.path == "/login/new", "it opens nothing any more"


def test_an_identity_of_another_account_is_not_linked(place: Place, carberry: Browser) -> None:
    browser = place.account("thief")
    place.linking(browser, "orcid", oidc.CARBERRY)
    assert browser.path == f"{SETTINGS}/merge/confirm"
    assert carberry.get("/me/uploads").status == 200
    shown = browser.get(LINKS).body.decode()
    assert oidc.CARBERRY not in shown
    assert "Each of them opens" not in shown, "there is a password alone"


def test_the_last_way_to_log_in_stays(place: Place, carberry: Browser) -> None:
    shown = carberry.get(LINKS).body.decode()
    assert "Your only way to log in" in shown
    assert "Each of them opens" in shown
    with place.site.ctx.db.read() as session:
        (number,) = session.execute(
            select(identities.c.id).where(identities.c.subject == oidc.CARBERRY)
        ).scalars()
    csrf = re.search(r'name="csrf" value="([^"]+)"', shown)
    assert csrf
    refused = carberry.post(f"{LINKS}/{number}/unlink", csrf=csrf[1])
    assert refused.status == 409
    assert "This is your only way to log in" in refused.text


def test_a_link_begun_by_one_is_not_ended_by_another(place: Place) -> None:
    """Whoever logs in between the two steps does not get the identity."""
    browser = place.account("first")
    browser.get(LINKS)
    csrf = re.search(r'name="csrf" value="([^"]+)"', browser.shown.body.decode())
    assert csrf
    shown = browser.post(f"{LINKS}/link", provider="orcid", csrf=csrf[1]).body.decode()
    (address,) = re.findall(r'http-equiv="refresh" content="0;url=([^"]+)"', shown)
    back = place.provider.log_in(address.replace("&amp;", "&"), "0000-0001-8135-3489")
    second = place.account("second")
    for kept in [k for k in browser.kept if k[0] == "strongroom-way"]:
        second.kept[kept] = browser.kept[kept]
    assert second.get(back).status == 403
    assert browser.post(f"{LINKS}/link", provider="orcid").status == 403, "without the mark of the session"


# The dance -----------------------------------------------------------------------------------------------------


def refused(page: Answer, browser: Browser) -> None:
    assert (page.status, browser.cookie("strongroom")) == (403, None), page
    assert "Begin again" in page.text


def test_an_answer_that_was_not_asked_for_is_refused(place: Place) -> None:
    browser = place.browser()
    back = place.provider.log_in(browser.get("/login/orcid").headers["location"], oidc.CARBERRY)
    for other in (
        back.replace("state=", "state=x"),
        re.sub(r"state=[^&]*&?", "", back),
        re.sub(r"code=[^&]*&?", "", back),
        back.replace("/login/orcid/", "/login/oidc/"),
        back + "&iss=https%3A%2F%2Fevil.example",
    ):
        assert other != back
        kept = dict(browser.kept)
        refused(browser.get(other), browser)
        browser.kept = kept
    # In another browser: an attacker's log-in sent to a victim.
    victim = place.browser()
    refused(victim.get(back), victim)
    # And with a cookie that the attacker wrote himself.
    signed = browser.cookie("strongroom-way") or ""
    victim.kept["strongroom-way", "/login"] = ("x" + signed[1:]) if signed[0] != "x" else "y" + signed[1:]
    refused(victim.get(back), victim)
    assert browser.get(back).status == 303, "the right one still counts"
    refused(browser.get(back), place.browser())


def test_who_says_no_comes_back_to_the_page(place: Place) -> None:
    for key in ("orcid", "github"):
        browser = place.browser()
        address = browser.get(f"/login/{key}?next=/me/uploads").headers["location"]
        if key == "orcid":
            # This provider forgets the state when the user says no (RFC 6749 4.1.2.1 wants it).
            back = (
                f"{place.provider.log_in(address, '')}&state={parse_qs(urlsplit(address).query)['state'][0]}"
            )
        else:
            back = place.github.log_in(address, "deny")
        page = browser.get(back)
        assert page.status == 403
        assert "was told not to log you in" in page.text
        assert "/login/orcid?next=/me/uploads" in page.text


def test_a_provider_that_is_away_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    nobody = "http://127.0.0.1:9"
    with running(
        tmp_path_factory.mktemp("away") / "data",
        orcid_client_id="x",
        orcid_url=nobody,
        github_client_id="y",
        github_url=nobody,
        github_api_url=nobody,
        job_threads=0,
    ) as site:
        browser = Browser(site)
        page = browser.get("/login/orcid?next=/me/uploads")
        assert page.status == 503
        assert "ORCID does not answer" in page.text
        assert 'name="next" value="/me/uploads"' in page.text
        going = browser.get("/login/github").headers["location"]
        (state,) = parse_qs(urlsplit(going).query)["state"]
        page = browser.get(f"/login/github/callback?code=x&state={state}")
        assert page.status == 503
        assert "GitHub does not answer" in page.text


def test_nobody_is_sent_elsewhere(place: Place, carberry: Browser) -> None:
    with place.site.ctx.db.read() as session:
        key = ides.signing_key(session)
    for evil in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "https:evil.example",
        "/\t/evil.example",
        "/%09/evil.example\n",
        "javascript:alert(1)",
        "\\\\evil.example",
        "/ /evil.example",
        "x" * 5000,
    ):
        browser = place.browser()
        going = browser.get(f"/login/orcid?next={quote(evil, safe='')}")
        kept = ides.opened(key, "dance", (browser.cookie("strongroom-way") or "").strip('"'))
        assert kept is not None
        assert kept["next"] == "/", evil
        # What is kept is looked at again when somebody comes back with it.
        browser.kept["strongroom-way", "/login"] = ides.sealed(key, "dance", {**kept, "next": evil}, 60)
        if evil in ("//evil.example", "/\t/evil.example", "https://evil.example"):
            came = browser.get(place.provider.log_in(going.headers["location"], oidc.CARBERRY))
            assert (came.status, came.headers["location"]) == (303, "http://testserver/"), evil
        shown = browser.get(f"/login?next={quote(evil, safe='')}").body.decode()
        assert 'name="next" value="/"' in shown
    # What only looks odd is a path of ours.
    browser = place.browser()
    going = browser.get(f"/login/orcid?next={quote('/%2F/evil.example?a=https://b', safe='')}")
    came = browser.get(place.provider.log_in(going.headers["location"], oidc.CARBERRY))
    assert came.headers["location"] == "http://testserver/%2F/evil.example?a=https://b"


def test_cookies_of_the_dance(place: Place, carberry: Browser) -> None:
    browser = place.browser()
    going = browser.get("/login/orcid")
    (kept,) = going.cookies
    attributes = {part.strip().lower() for part in kept.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/login"} <= attributes
    assert going.headers["cache-control"] == "no-store"
    browser.get(place.provider.log_in(going.headers["location"], oidc.CARBERRY))
    session = next(c for c in browser.shown.cookies if c.startswith("strongroom="))
    assert {"httponly", "samesite=lax", "path=/"} <= {p.strip().lower() for p in session.split(";")[1:]}
    assert browser.cookie("strongroom-way") is None


def test_a_log_in_begins_a_session_of_its_own(place: Place, carberry: Browser) -> None:
    """Fixation: a session id known before is worth nothing after, whoever set it."""
    browser = place.account("fixed")
    old = browser.cookie("strongroom") or ""
    place.by(browser, "orcid", oidc.CARBERRY, "/me/uploads")
    assert browser.who == "Josiah Carberry"
    assert browser.cookie("strongroom") != old
    with place.site.ctx.db.read() as session:
        assert not accounts.by_session(session, old).is_user
    browser.kept["strongroom", "/"] = "chosen by somebody"
    browser.get("/login")
    browser.send("/login", email="fixed@example.org", password=PASSWORD)
    assert browser.cookie("strongroom") not in ("chosen by somebody", None)
    assert browser.cookie("strongroom-form") is None


def test_a_blocked_account_opens_by_no_way(place: Place) -> None:
    browser = place.account("blocked")
    place.linking(browser, "oidc", "someone-blocked")
    with place.site.ctx.db.begin() as session:
        session.execute(update(users).where(users.c.name == "blocked").values(is_active=False))
    again = place.browser()
    page = place.by(again, "oidc", "someone-blocked")
    assert page.status == 403
    assert "switched off" in page.text
    assert again.cookie("strongroom") is None


# Accounts with a password --------------------------------------------------------------------------------------


def test_an_account_is_made_by_a_link(place: Place) -> None:
    browser = place.browser()
    browser.get("/register")
    page = browser.send("/register", name="Ada Lovelace", email="Ada@example.org")
    assert page.status == 200
    before = place.count()
    path = place.link("ada@example.org")
    scanner = place.browser()
    for _ in range(2):
        assert scanner.get(path).status == 200
    assert place.count() == before, "opening a link does nothing"
    browser.get(path)
    assert "at least 8" in browser.send(path, password="short").text.lower()
    done = browser.send(path, password="a long engine")
    assert done.status == 303
    assert browser.follow().status == 200
    assert browser.who == "Ada Lovelace"
    for used in (scanner.get(path), browser.get(path)):
        assert used.status == 404
        assert "no longer works" in used.text
    assert place.log_in("ada@example.org", "a long engine").who == "Ada Lovelace"


def test_no_answer_tells_who_has_an_account(place: Place) -> None:
    place.site.reader("known")
    shown = {}
    for path, more in (("/register", {"name": "X"}), ("/forgotten", {})):
        for who in ("known", "unknown"):
            browser = place.browser()
            browser.get(path)
            page = browser.send(path, email=f"{who}@example.org", **more)
            shown[path, who] = (page.status, page.body, page.headers.keys())
        assert shown[path, "known"] == shown[path, "unknown"]
    assert [kind for kind, _ in place.mails("known@example.org")] == ["register-known", "reset"]
    assert [kind for kind, _ in place.mails("unknown@example.org")] == ["register"]
    assert "link" not in {k for k, v in place.mails("known@example.org")[0][1].items() if "/confirm/" in v}


def test_nobody_fills_anothers_mailbox(place: Place) -> None:
    for _ in range(registration.MAILS_AN_HOUR + 2):
        browser = place.browser()
        browser.get("/register")
        assert browser.send("/register", name="X", email="flood@example.org").status == 200
    assert len(place.mails("flood@example.org")) == registration.MAILS_AN_HOUR


def test_a_forgotten_password_is_replaced(place: Place) -> None:
    old = place.account("forgetful")
    browser = place.browser()
    browser.get("/forgotten")
    browser.send("/forgotten", email="forgetful@example.org")
    path = place.link("forgetful@example.org")
    assert path.startswith("/reset/")
    assert browser.get(path).status == 200
    assert old.get("/me/uploads").status == 200, "nothing happened yet"
    browser.get(path)
    assert browser.send(path, password="short").status == 400
    assert browser.send(path, password="remember me").status == 303
    assert old.get("/me/uploads").status == 401, "all sessions end"
    assert browser.get(path).status == 404
    assert place.log_in("forgetful@example.org").cookie("strongroom") is None
    assert place.log_in("forgetful@example.org", "remember me").who == "forgetful"
    assert place.mails("forgetful@example.org")[-1][0] == "password-changed"


def test_links_end(place: Place) -> None:
    place.site.reader("late")
    browser = place.browser()
    browser.get("/forgotten")
    browser.send("/forgotten", email="late@example.org")
    path = place.link("late@example.org")
    browser.get(path)
    with place.site.ctx.db.begin() as session:
        life = session.execute(select(mail_tokens).where(mail_tokens.c.email == "late@example.org")).one()
        assert life.expires - life.created == registration.LIVES["reset"]
        assert path.rpartition("/")[2] not in str(life), "the table keeps no link"
        session.execute(update(mail_tokens).where(mail_tokens.c.hash == life.hash).values(expires=now()))
    assert browser.send(path, password="much too late").status == 404


def test_forms_of_other_sites_are_refused(place: Place) -> None:
    place.site.reader("target")
    browser = place.browser()
    for path in ("/register", "/forgotten"):
        browser.get(path)
        assert browser.post(path, name="X", email="target@example.org", mark="guess").status == 403
    assert place.mails("target@example.org") == []


def test_closed_and_off(tmp_path_factory: pytest.TempPathFactory) -> None:
    for word, expected in (("closed", (404, 200)), ("off", (404, 404))):
        with running(tmp_path_factory.mktemp(word) / "data", accounts=word, job_threads=0) as site:
            browser = Browser(site)
            got = browser.get("/register").status, browser.get("/forgotten").status
            assert got == expected
            site.reader("jane")
            shown = browser.get("/login").body.decode()
            assert ('name="password"' in shown) == (word == "closed")
            assert "/register" not in shown
            csrf = browser.kept["strongroom-form", "/login"]
            done = browser.post("/login", email="jane@example.org", password=PASSWORD, csrf=csrf)
            assert done.status == (303 if word == "closed" else 403)


# Settings ------------------------------------------------------------------------------------------------------


def test_the_profile_is_changed(place: Place) -> None:
    browser = place.account("profiled")
    browser.get(SETTINGS)
    browser.follow()
    assert browser.path == f"{SETTINGS}/profile"
    done = browser.send(
        f"{SETTINGS}/profile", full_name="Pro Filed", affiliations="CERN", email_visibility="public"
    )
    assert done.status == 303
    assert "Saved." in browser.follow().text
    assert browser.who == "Pro Filed"
    with place.site.ctx.db.read() as session:
        row = session.execute(select(users).where(users.c.email == "profiled@example.org")).one()
    assert (row.affiliations, row.visibility, row.email_visibility) == ("CERN", "public", "public")
    assert browser.send(f"{SETTINGS}/profile", full_name="x" * 201).status == 400
    assert 'aria-invalid="true"' in browser.shown.text


def test_password_and_address_ask_for_the_old_password(place: Place) -> None:
    browser = place.account("careful")
    other = place.log_in("careful@example.org")
    browser.get(f"{SETTINGS}/security")
    wrong = browser.send(f"{SETTINGS}/security/password", old="not it", new="new password")
    assert wrong.status == 400
    assert "This is not your password." in wrong.text
    assert browser.send(f"{SETTINGS}/security/address", old="not it", email="new@example.org").status == 400
    assert place.mails("new@example.org") == []
    browser.send(f"{SETTINGS}/security/address", old=PASSWORD, email="New@example.org")
    assert browser.shown.status == 303
    path = place.link("new@example.org")
    assert other.get(f"{SETTINGS}/profile").status == 200
    browser.get(path)
    assert browser.send(path).status == 303
    assert place.mails("careful@example.org")[-1][0] == "address-changed"
    browser.get(f"{SETTINGS}/security")
    assert "new@example.org" in browser.shown.text
    assert browser.send(f"{SETTINGS}/security/password", old=PASSWORD, new="short").status == 400
    assert browser.send(f"{SETTINGS}/security/password", old=PASSWORD, new="new password").status == 303
    assert browser.follow().status == 200
    assert other.get(f"{SETTINGS}/profile").status == 401
    assert place.log_in("new@example.org", "new password").who == "careful"


def without_mark(page: str) -> str:
    """A page without the mark of its forms, which is written anew in each."""
    return re.sub(r'name="csrf" value="[^"]+"', "", page)


def test_an_address_of_another_account_is_not_given(place: Place) -> None:
    place.site.reader("holder")
    browser = place.account("wisher")
    browser.get(f"{SETTINGS}/security")
    page = browser.send(f"{SETTINGS}/security/address", old=PASSWORD, email="holder@example.org")
    assert (page.status, page.headers["location"]) == (303, f"http://testserver{SETTINGS}/security?mailed=1")
    told = without_mark(browser.follow().text.replace("holder@", "nobody@"))
    browser.send(f"{SETTINGS}/security/address", old=PASSWORD, email="nobody@example.org")
    assert told == without_mark(browser.follow().text), "whose it is nobody is told"
    assert [kind for kind, _ in place.mails("holder@example.org")] == ["register-known"]
    page = browser.send(f"{SETTINGS}/security/address", old=PASSWORD, email="jürgen@example.org")
    assert page.status == 400
    assert "Mail from here reaches only addresses of the letters a to z" in page.text
    # Taken between the mail and the click.
    browser.send(f"{SETTINGS}/security/address", old=PASSWORD, email="soon@example.org")
    path = place.link("soon@example.org")
    place.site.reader("soon")
    browser.get(path)
    assert browser.send(path).status == 409
    with place.site.ctx.db.read() as session:
        assert (
            session.execute(select(users.c.email).where(users.c.name == "wisher")).scalar()
            == "wisher@example.org"
        )


def test_sessions_are_listed_and_ended(place: Place) -> None:
    browser = place.account("many")
    phone = place.browser("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1")
    tablet = place.browser("curl/8.5")
    for one in (phone, tablet):
        one.get("/login")
        one.send("/login", email="many@example.org", password=PASSWORD)
    text = browser.get(f"{SETTINGS}/security").body.decode()
    for words in ("Firefox on Linux", "Safari on iPhone", "curl"):
        assert words in text
    key = accounts.digest(phone.cookie("strongroom") or "")
    csrf = re.search(r'name="csrf" value="([^"]+)"', text)
    assert csrf
    assert browser.post(f"{SETTINGS}/security/sessions", csrf=csrf[1], which=key).status == 303
    assert (phone.get("/me/uploads").status, tablet.get("/me/uploads").status) == (401, 200)
    stranger = place.account("stranger3")
    stranger.get(f"{SETTINGS}/security")
    mine = re.search(r'name="csrf" value="([^"]+)"', stranger.shown.body.decode())
    assert mine
    theirs = accounts.digest(tablet.cookie("strongroom") or "")
    assert stranger.post(f"{SETTINGS}/security/sessions", csrf=mine[1], which=theirs).status == 404
    assert browser.post(f"{SETTINGS}/security/sessions", csrf=csrf[1], which="others").status == 303
    assert (tablet.get("/me/uploads").status, browser.get("/me/uploads").status) == (401, 200)


def test_who_has_no_password_is_sent_a_link(place: Place) -> None:
    browser = place.browser()
    place.by(browser, "orcid", "0000-0002-2771-9344")
    browser.send("/login/new", name="No Password", email="nopassword@example.org")
    assert "Confirm your e-mail address first" in browser.get(f"{SETTINGS}/security").text
    path = place.link("nopassword@example.org")
    browser.get(path)
    browser.send(path)
    browser.get(f"{SETTINGS}/security")
    assert browser.send(f"{SETTINGS}/security/password").status == 303
    assert place.mails("nopassword@example.org")[-1][0] == "reset"


# Merging -------------------------------------------------------------------------------------------------------

MERGE = f"{SETTINGS}/merge"
CONFIRM = f"{MERGE}/confirm"


def opened(place: Place, browser: Browser, name: str) -> Answer:
    """Show that another account is one's own, by its password; the last look."""
    browser.get(MERGE)
    browser.send(f"{MERGE}/password", email=f"{name}@example.org", password=PASSWORD)
    return browser.follow()


def number_of(place: Place, name: str) -> tuple[int, bool]:
    with place.site.ctx.db.read() as session:
        row = session.execute(select(users.c.id, users.c.is_active).where(users.c.name == name)).one()
    return int(row.id), bool(row.is_active)


def test_two_accounts_become_one_by_their_passwords(place: Place) -> None:
    browser, other = place.account("stays"), place.account("goes")
    mine, theirs = number_of(place, "stays")[0], number_of(place, "goes")[0]
    record = place.site.desk.deposit(Actor(user_id=theirs, via="session"))
    assert "I have another account here" in browser.get(LINKS).body.decode()
    browser.get(MERGE)
    wrong = browser.send(f"{MERGE}/password", email="goes@example.org", password="not it")
    assert (wrong.status, 'aria-invalid="true"' in wrong.text) == (401, True)
    assert browser.send(f"{MERGE}/password", email="stays@example.org", password=PASSWORD).status == 409
    assert "the account that you are logged in to" in browser.shown.text
    page = opened(place, browser, "goes")
    assert (page.status, browser.path) == (200, CONFIRM)
    for words in ("stays@example.org", "goes@example.org", "1 record,"):
        assert words in page.text
    (cookie,) = [c for c in browser.kept if c[0] == "strongroom-merge"]
    assert cookie[1] == MERGE
    before = browser.cookie("strongroom")
    done = browser.send(CONFIRM)
    assert (done.status, done.headers["location"]) == (303, f"http://testserver{LINKS}?merged=1")
    assert "Your two accounts are one" in browser.follow().text
    assert browser.who == "stays"
    assert browser.cookie("strongroom") != before
    assert browser.cookie("strongroom-merge") is None
    assert number_of(place, "goes") == (theirs, False)
    assert place.site.desk.record(Actor(user_id=mine, via="session"), record).owner_id == mine
    assert other.get(LINKS).status == 401
    assert place.log_in("goes@example.org").cookie("strongroom") is None
    for name in ("stays", "goes"):
        assert [kind for kind, _ in place.mails(f"{name}@example.org")] == ["accounts-merged"]


def test_an_identity_of_another_account_of_ones_own_offers_to_merge(place: Place) -> None:
    """ORCID opens the other account: linking it leads to the offer, and nothing has happened yet."""
    sub = "0000-0001-6187-6610"
    came = place.browser()
    place.by(came, "orcid", sub)
    came.send("/login/new", name="By Orcid", email="byorcid@example.org")
    browser = place.account("linking")
    page = place.linking(browser, "orcid", sub)
    assert (page.status, browser.path) == (200, CONFIRM)
    assert sub in page.text
    assert sub not in browser.get(LINKS).body.decode()
    assert came.get("/me/uploads").status == 200
    # The same from the page for it; nobody's identity opens nothing, and is not linked by the way.
    for other, status in (("0000-0002-0862-346X", 404), (sub, 200)):
        browser.get(MERGE)
        csrf = re.search(r'name="csrf" value="([^"]+)"', browser.shown.body.decode())
        assert csrf
        shown = browser.post(f"{MERGE}/provider", provider="orcid", csrf=csrf[1]).body.decode()
        (address,) = re.findall(r'http-equiv="refresh" content="0;url=([^"]+)"', shown)
        assert place.at(browser, address.replace("&amp;", "&"), other).status == status
    assert browser.send(CONFIRM).status == 303
    assert sub in browser.follow().text
    again = place.browser()
    place.by(again, "orcid", sub, "/me/uploads")
    assert again.who == "linking"
    # One's own is no other account.
    browser.get(MERGE)
    csrf = re.search(r'name="csrf" value="([^"]+)"', browser.shown.body.decode())
    assert csrf
    shown = browser.post(f"{MERGE}/provider", provider="orcid", csrf=csrf[1]).body.decode()
    (address,) = re.findall(r'http-equiv="refresh" content="0;url=([^"]+)"', shown)
    assert place.at(browser, address.replace("&amp;", "&"), sub).status == 409


def test_merging_needs_both_proofs_in_one_session(place: Place) -> None:
    place.site.reader("victim")
    number = str(number_of(place, "victim")[0])
    browser = place.account("merger")
    assert browser.get(CONFIRM).status == 403, "nothing was shown yet"
    csrf = re.search(r'name="csrf" value="([^"]+)"', browser.shown.body.decode())
    assert csrf
    assert browser.post(CONFIRM, csrf=csrf[1], other=number).status == 403
    opened(place, browser, "victim")
    proof = browser.kept["strongroom-merge", MERGE].strip('"')
    # Without the mark of the session; for another account than the one looked at.
    assert browser.post(CONFIRM, other=number).status == 403
    assert browser.post(CONFIRM, csrf=csrf[1], other="1").status == 409
    # In another session of the same account, in another account's, and written by somebody else.
    for somebody, kept in (
        (place.log_in("merger@example.org"), proof),
        (place.account("merger2"), proof),
        (browser, ("x" if proof[0] != "x" else "y") + proof[1:]),
    ):
        somebody.kept["strongroom-merge", MERGE] = kept
        assert somebody.get(CONFIRM).status == 403
        mark = re.search(r'name="csrf" value="([^"]+)"', somebody.shown.body.decode())
        assert mark
        somebody.kept["strongroom-merge", MERGE] = kept
        assert somebody.post(CONFIRM, csrf=mark[1], other=number).status == 403
    # Too old: the proof, and the log-in.
    with place.site.ctx.db.read() as session:
        key = ides.signing_key(session)
    content = ides.opened(key, "merge", proof)
    assert content is not None
    browser.kept["strongroom-merge", MERGE] = ides.sealed(key, "merge", content, -1)
    assert browser.get(CONFIRM).status == 403
    browser.kept["strongroom-merge", MERGE] = proof
    assert browser.get(CONFIRM).status == 200
    here = accounts.digest(browser.cookie("strongroom") or "")
    long_ago = now() - merging.RECENT
    with place.site.ctx.db.begin() as session:
        session.execute(update(sessions).where(sessions.c.hash == here).values(created=long_ago))
    look = browser.shown
    assert "opens another account here, which can be merged" in browser.get(CONFIRM).text
    browser.shown, browser.kept["strongroom-merge", MERGE] = look, proof
    assert browser.send(CONFIRM).status == 403
    text = browser.get(MERGE).body.decode()
    assert "Log in again" in text
    assert 'name="password"' not in text
    assert (
        browser.post(f"{MERGE}/password", csrf=csrf[1], email="victim@example.org", password=PASSWORD).status
        == 303
    )
    assert browser.post(f"{MERGE}/provider", csrf=csrf[1], provider="orcid").status == 303
    browser.follow()
    assert browser.path == MERGE
    # A link by mail opens an account, but it does not merge one: who chose a password by it starts anew.
    browser = place.log_in("merger@example.org")
    opened(place, browser, "victim")
    reader = place.browser()
    reader.get("/forgotten")
    reader.send("/forgotten", email="victim@example.org")
    path = place.link("victim@example.org")
    reader.get(path)
    assert reader.send(path, password="by the link").status == 303
    assert reader.get(CONFIRM).status == 403
    assert browser.send(CONFIRM).status == 403, "the password that was shown is no more"
    assert number_of(place, "victim")[1]


def test_a_blocked_account_is_not_merged(place: Place) -> None:
    browser, other = place.account("sound"), place.account("disabled")
    place.linking(other, "oidc", "someone-switched-off")
    opened(place, browser, "disabled")
    with place.site.ctx.db.begin() as session:
        session.execute(update(users).where(users.c.name == "disabled").values(is_active=False))
    assert browser.send(CONFIRM).status == 403
    browser.get(MERGE)
    assert browser.send(f"{MERGE}/password", email="disabled@example.org", password=PASSWORD).status == 401
    page = place.linking(browser, "oidc", "someone-switched-off")
    assert page.status == 403
    assert "switched off" in page.text
