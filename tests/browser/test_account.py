"""Tokens, applications, consent and the page of the API in a real browser, on the whole application."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from strongroom.accounts import applications
from strongroom.settings import Settings
from tests.app import PASSWORD, Site
from tests.browser.application import serve
from tests.browser.chromium import ONE_WIDTH, complaints, flaws, needs_browser, plain_view

HOME = "/account/settings/applications"
BACK = "http://127.0.0.1:9/back"  # nobody listens there: the browser is stopped on its way

pytestmark = needs_browser


@dataclass
class Place:
    site: Site
    client_id: str

    @property
    def address(self) -> str:
        return self.site.settings.base_url

    @property
    def consent(self) -> str:
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": BACK,
            "scope": "deposit:write deposit:actions",
            "state": "some state",
        }
        return f"{self.address}/oauth/authorize?{urlencode(asked)}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        rate_limits="off",
        disk_reserve_bytes=0,
        secret_key="not a secret: only for tests",
    )
    with serve(settings) as site:
        site.reader("Philippe")
        other = site.reader("Susanna").actor
        with site.ctx.db.begin() as session:
            client_id, _ = applications.register(
                session, other, "Field notebook", [BACK], description="Sends measurements.", website="https://example.org"
            )  # fmt: skip
        yield Place(site, client_id)


def signed_in(browser: Browser, place: Place, **options: Any) -> tuple[BrowserContext, Page]:
    context = browser.new_context(**options)
    page = context.new_page()
    page.goto(f"{place.address}/login")
    page.fill("input[name=email]", "Philippe@example.org")
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{place.address}/")
    return context, page


def make_token(page: Page, place: Place, name: str) -> str:
    page.goto(f"{place.address}{HOME}/tokens/new")
    page.get_by_label("Name").first.fill(name)
    page.locator('input[value="deposit:write"]').check()
    page.get_by_role("button", name="Make the token").click()
    return page.locator("#secret").inner_text()


@pytest.mark.parametrize("width", ONE_WIDTH)
def test_the_pages_are_accessible_and_fit(browser: Browser, place: Place, width: int) -> None:
    context, page = signed_in(browser, place, **plain_view(width))
    said = complaints(page)
    problems: list[Any] = []

    def look(name: str) -> None:
        problems.extend(flaws(page, name))

    make_token(page, place, "Laboratory script")
    look("secret")
    for path in (f"{HOME}/tokens/new", f"{HOME}/clients/new"):
        page.goto(place.address + path)
        look(path)
    page.goto(place.consent)
    look("consent")
    page.goto(f"{place.address}/api/docs")
    page.locator("#post_api_records summary").click()
    page.locator("#post_api_records textarea").wait_for()
    look("docs")
    context.close()
    assert problems == []
    assert said == []


def test_a_token_is_shown_once_works_and_ends(browser: Browser, place: Place) -> None:
    context, page = signed_in(browser, place)
    token = make_token(page, place, "Shown once")
    asked = {"authorization": f"Bearer {token}"}
    assert place.site.ask("GET", "/api/me", headers=asked).status == 200
    page.get_by_role("link", name="Done").click()
    page.get_by_role("heading", name="Shown once").wait_for()
    assert token not in page.content()
    page.get_by_role("button", name="Revoke Shown once").click()
    page.get_by_role("heading", name="Shown once").wait_for(state="detached")
    assert place.site.ask("GET", "/api/me", headers=asked).status in (401, 403)
    context.close()


def test_an_application_is_registered(browser: Browser, place: Place) -> None:
    context, page = signed_in(browser, place)
    page.goto(f"{place.address}{HOME}/clients/new")
    form = page.locator("#new-client")
    form.get_by_label("Name").fill("My uploader")
    form.get_by_label("Addresses that answers may go to").fill("http://127.0.0.1/back")
    form.get_by_label("On a server").check()
    form.get_by_role("button", name="Register it").click()
    secret = page.locator("#secret").inner_text()
    assert len(secret) >= 32
    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="My uploader").click()
    page.get_by_role("heading", name="My uploader").wait_for()
    assert secret not in page.content()
    context.close()


@pytest.mark.parametrize(("answer", "came"), [("Refuse", "error"), ("Allow", "code")])
def test_consent_leads_back_to_the_application(
    browser: Browser, place: Place, answer: str, came: str
) -> None:
    context, page = signed_in(browser, place)
    arrived: list[str] = []
    page.on("request", lambda r: arrived.append(r.url) if r.url.startswith(BACK) else None)
    page.route(f"{BACK}*", lambda route: route.fulfill(status=200, body="back", content_type="text/plain"))
    page.goto(place.consent)
    page.get_by_role("button", name=answer).click()
    page.wait_for_url(re.compile(re.escape(BACK)))
    values = parse_qs(urlsplit(arrived[0]).query)
    assert (values["state"], came in values) == (["some state"], True)
    context.close()


def test_the_page_of_the_api_sends_requests_under_our_policy(browser: Browser, place: Place) -> None:
    """Nothing is bypassed here: the script, and what it asks, must be allowed by the page's own policy."""
    context, page = signed_in(browser, place)
    said = complaints(page)
    page.goto(f"{place.address}/api/docs")
    form = page.locator("#get_api_records")
    form.locator("summary").click()
    form.get_by_label("size").fill("3")
    form.get_by_role("button", name="Send").click()
    form.locator("pre").wait_for()
    assert form.locator("pre").inner_text().startswith("GET /api/records?size=3\n200 application/json")
    # Writing with the session, from the example that the document gives.
    form = page.locator("#post_api_records")
    form.locator("summary").click()
    assert '"metadata"' in form.locator("textarea").input_value()
    form.get_by_role("button", name="Send").click()
    form.locator("pre").wait_for()
    assert form.locator("pre").inner_text().startswith("POST /api/records\n201 application/json")
    # A token takes the session's place.
    page.get_by_label("Your token").fill("wrong")
    form = page.locator("#get_api_me")
    form.locator("summary").click()
    form.get_by_role("button", name="Send").click()
    form.locator("pre").wait_for()
    assert re.match(r"GET /api/me\n40[13] ", form.locator("pre").inner_text())
    assert page.locator("#deprecated").get_by_text("/record/{id}").count() == 1
    context.close()
    assert [s for s in said if "status of 40" not in s] == []
