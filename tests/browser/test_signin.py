"""Logging in by ORCID in a real browser, linking GitHub, and the pages about accounts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from strongroom.settings import Settings
from tests import oidc
from tests.app import PASSWORD, Site
from tests.browser.application import serve
from tests.browser.chromium import ONE_WIDTH, complaints, flaws, needs_browser, plain_view
from tests.github_server import GitHubServer

pytestmark = needs_browser
SETTINGS = "/account/settings"


@dataclass
class Place:
    site: Site
    provider: oidc.OidcServer

    @property
    def address(self) -> str:
        return self.site.settings.base_url


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with oidc.provider() as provider, GitHubServer() as github:
        settings = Settings(
            data_dir=tmp_path_factory.mktemp("data"),
            rate_limits="off",
            disk_reserve_bytes=0,
            job_threads=0,
            orcid_client_id="APP-1",
            orcid_client_secret="s",
            orcid_url=provider.url,
            github_client_id=github.client_id,
            github_client_secret=github.client_secret,
            github_url=github.url,
            github_api_url=github.url,
        )
        with serve(settings) as site:
            site.reader("Susanna")
            yield Place(site, provider)


def local(route: Route) -> None:
    """The provider's page wants a style sheet from afar."""
    if "127.0.0.1" in route.request.url:
        route.continue_()
    else:
        route.fulfill(status=200, content_type="text/css", body="")


def test_a_researcher_comes_by_orcid_and_links_github(place: Place, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        page = context.new_page()
        page.route("**/*", local)
        page.goto(f"{place.address}/login?next=/me/uploads")
        said = complaints(page)
        page.get_by_role("link", name="Continue with ORCID").click()
        page.locator("[name=sub]").fill(oidc.CARBERRY)
        page.keyboard.press("Enter")
        page.get_by_label("Your name").fill("Josiah Carberry")
        page.get_by_label("E-mail address").fill("josiah@example.org")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{place.address}/me/uploads")
        page.goto(f"{place.address}{SETTINGS}/identities")
        assert page.get_by_role("button", name="Unlink").count() == 0, "the only way to log in"
        page.get_by_role("button", name="Link GitHub").click()
        # A page in between: the policy keeps forms, and where their answers lead, on our site.
        page.get_by_role("button", name="Authorize").click()
        page.get_by_text("You can now log in with GitHub.").wait_for()
        assert page.get_by_role("button", name="Unlink").count() == 2
        # Nothing of it is left where scripts could read it.
        assert page.evaluate("document.cookie") == ""
        assert [s for s in said if "favicon" not in s and "404" not in s] == []
    finally:
        context.close()


def _walk(page: Page, address: str, found: list[Any]) -> None:
    page.goto(f"{address}/login?next=/me/uploads")
    page.get_by_label("E-mail address").fill("susanna@example.org")
    page.get_by_label("Password", exact=True).fill("wrong horse")
    page.keyboard.press("Enter")
    page.get_by_text("do not match").wait_for()
    found += flaws(page, "log in, wrong")
    page.goto(f"{address}/register")
    page.locator("form.stack").evaluate("form => { form.noValidate = true }")
    page.get_by_role("button", name="Send me the link").click()
    page.get_by_text("Your name is missing.").wait_for()
    found += flaws(page, "register, wrong")
    page.goto(f"{address}/login?next={SETTINGS}/security")
    page.get_by_label("E-mail address").fill("susanna@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{SETTINGS}/security")
    page.get_by_label("Password you have").fill("wrong horse")
    page.get_by_label("New password").fill("battery staple")
    page.keyboard.press("Enter")
    page.get_by_text("This is not your password.").wait_for()
    found += flaws(page, "security, wrong")
    for name in ("profile", "identities"):
        page.goto(f"{address}{SETTINGS}/{name}")
        found += flaws(page, name)


@pytest.mark.parametrize("width", ONE_WIDTH)
def test_nobody_is_shut_out(place: Place, browser: Browser, width: int) -> None:
    context = browser.new_context(**plain_view(width))
    try:
        found: list[Any] = []
        _walk(context.new_page(), place.address, found)
        assert found == []
    finally:
        context.close()
