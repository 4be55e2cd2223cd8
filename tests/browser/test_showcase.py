"""Every page once: valid HTML, accessible at two widths in light and dark, within its weight, nothing against the policy."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from strongroom.settings import Settings
from tests.app import PASSWORD
from tests.browser.application import serve
from tests.browser.chromium import ONE_WIDTH, WIDTHS, complaints, flaws, needs_browser, plain_view
from tests.browser.showcase import Showcase, Who, furnish
from tests.conftest import PROVE

pytestmark = needs_browser

VNU = Path(__file__).parent.parent / ".cache/node_modules/vnu-jar/build/dist/vnu.jar"
# What Chromium reports of answers that are meant: 400, 404, 410.
EXPECTED = ("status of 400", "status of 404", "status of 410")
# Bytes on the wire of a first load. Pages for one reader are not packed (http/compression) and come a little heavier.
READING, SIGNED_IN, FORM = 150_000, 200_000, 400_000
PDF = 700_000  # with pdf.js and its worker, which such a page alone loads
# Looked at wide in `make test`, the others in `make prove`: narrow and wide differ in layout, which these have in common.
MAIN = ("front", "search", "record", "record-owner", "login", "form", "uploads", "admin-users", "security")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        rate_limits="off",
        disk_reserve_bytes=0,
        secret_key="not a secret: only for tests",
    )
    with serve(settings) as site:
        yield furnish(site)


def context_of(browser: Browser, case: Showcase, who: Who, **options: Any) -> BrowserContext:
    context = browser.new_context(**options)
    if who != "anonymous":
        for pair in case.people[who].headers["cookie"].split("; "):
            name, _, value = pair.partition("=")
            context.add_cookies([{"name": name, "value": value, "url": case.site.settings.base_url}])
    return context


def test_html_is_valid(case: Showcase, tmp_path: Path) -> None:
    names = {}
    for name, (path, who) in case.pages.items():
        answer = case.site.ask("GET", path, headers={**case.headers(who), "accept": "text/html"})
        assert answer.headers["content-type"].startswith("text/html"), (name, answer.status)
        file = tmp_path / f"{name}.html"
        file.write_bytes(answer.body)
        names[file.name] = name
    told = subprocess.run(
        ["java", "-jar", str(VNU), "--errors-only", "--exit-zero-always", "--format", "json", *map(str, tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    found = json.loads(told.stderr or told.stdout)["messages"]
    flaws = [f"{names[m['url'].rpartition('/')[2]]}: {m['message']} {m.get('extract')}" for m in found]
    assert not flaws, "\n".join(flaws)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_accessible_and_fits(browser: Browser, case: Showcase, width: int) -> None:
    problems: list[Any] = []
    said: list[str] = []
    for who in ("anonymous", "owner", "admin"):
        context = context_of(browser, case, who, **plain_view(width))
        page = context.new_page()
        told = complaints(page)
        for name, (path, whose) in case.pages.items():
            if whose == who and (width == WIDTHS[0] or name in MAIN or PROVE):
                page.goto(case.site.settings.base_url + path)
                problems += flaws(page, name)
        said += told
        context.close()
    assert problems == []
    assert [s for s in said if not any(e in s for e in EXPECTED)] == []


def test_pages_weigh_little(browser: Browser, case: Showcase) -> None:
    heavy = {}
    for name, (path, who) in case.pages.items():
        if name not in MAIN and not PROVE:
            continue
        context = context_of(browser, case, who)
        page = context.new_page()
        wire = context.new_cdp_session(page)
        wire.send("Network.enable")
        sizes: list[float] = []
        wire.on("Network.loadingFinished", lambda told, sizes=sizes: sizes.append(told["encodedDataLength"]))
        told = complaints(page)
        page.goto(case.site.settings.base_url + path, wait_until="networkidle")
        limit = FORM if name.startswith("form") else READING if who == "anonymous" else SIGNED_IN
        limit = PDF if name == "preview-pdf" else limit
        if sum(sizes) > limit:
            heavy[name] = sum(sizes)
        assert sizes, name
        assert [s for s in told if not any(e in s for e in EXPECTED)] == [], name  # the policy was in force
        context.close()
    assert heavy == {}


def test_a_deposit_without_script(browser: Browser, case: Showcase, tmp_path: Path) -> None:
    """Logging in, depositing, finding and downloading work with nothing but HTML."""
    table = tmp_path / "petals.csv"
    table.write_text("petal,length\n1,12.5\n")
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{case.site.settings.base_url}/login?next=/me/uploads")
    page.get_by_label("E-mail address").fill("philippe@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.get_by_role("button", name="New upload").first.click()
    page.locator("input[name=files]").set_input_files(table)
    page.get_by_role("button", name="Upload them").click()
    assert page.locator('li.up[data-key="petals.csv"]').get_by_text("Complete").is_visible()
    page.get_by_role("button", name="Publish").first.click()
    # What is missing is said in a summary that leads to the fields.
    assert page.locator("#summary a").count() > 0
    page.get_by_role("radio", name="Dataset").check()
    page.get_by_label("Title", exact=False).first.fill("Lengths of petals, without script")
    if not page.locator('[name="metadata.creators.0.person_or_org.family_name"]').count():
        page.locator('button[name=do][value="add:metadata.creators"]').click()
    family = page.locator('[name="metadata.creators.0.person_or_org.family_name"]')
    if not family.is_visible():
        page.locator('[data-rows="metadata.creators"] summary').first.click()
    family.fill("Doe")
    page.locator('[name="metadata.creators.0.person_or_org.given_name"]').fill("Jane")
    page.get_by_role("button", name="Publish").first.click()
    page.get_by_role("button", name="Publish").first.click()  # after the last look at what can't be changed
    page.wait_for_url("**/records/*")
    assert page.get_by_role("heading", level=1).inner_text() == "Lengths of petals, without script"
    page.goto(f"{case.site.settings.base_url}/search?q=petals")
    page.get_by_role("link", name="Lengths of petals, without script").click()
    with page.expect_download() as arriving:
        page.get_by_role("link", name="Download petals.csv").first.click()
    assert Path(arriving.value.path()).read_text() == table.read_text()
    context.close()


@pytest.mark.parametrize("width", ONE_WIDTH)
def test_a_form_with_errors_is_accessible(browser: Browser, case: Showcase, width: int) -> None:
    context = context_of(browser, case, "owner", **plain_view(width))
    page = context.new_page()
    page.goto(case.site.settings.base_url + case.pages["form-empty"][0])
    page.locator('[name="metadata.publication_date"]').fill("the day before yesterday")
    with page.expect_navigation():
        page.get_by_role("button", name="Publish").first.click()
    page.locator("#summary").wait_for()
    problems = flaws(page, "form with errors")
    context.close()
    assert problems == []
