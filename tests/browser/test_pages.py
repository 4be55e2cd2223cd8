"""The pages in a real browser: nothing overflows, nothing is out of reach, and everything works without script."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import site
from tests.browser.chromium import ONE_WIDTH, complaints, flaws, needs_browser, plain_view
from tests.conftest import PROVE

# The server answers these on purpose with 404 and 410, which Chromium reports as errors of the console.
EXPECTED = ("status of 404", "status of 410")

# Looked at by axe in `make test`; the templates of the others are in the showcase as well.
RICHEST = ("/records/full", "/search")

pytestmark = needs_browser


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, list[str]]]:
    with site.serve() as address_and_paths:
        yield address_and_paths


@pytest.mark.parametrize("width", ONE_WIDTH)
def test_pages_are_accessible_and_fit(browser: Browser, served: tuple[str, list[str]], width: int) -> None:
    address, paths = served
    context = browser.new_context(**plain_view(width))
    page = context.new_page()
    said = complaints(page)
    problems = []
    for path in paths if PROVE else RICHEST:
        page.goto(address + path)
        problems += flaws(page, path)
    context.close()
    assert problems == []
    assert [s for s in said if not any(e in s for e in EXPECTED)] == []


def test_the_policy_lets_our_own_files_through_and_nothing_is_refused(
    browser: Browser, served: tuple[str, list[str]]
) -> None:
    address, paths = served
    page = browser.new_page()
    said = complaints(page)
    hosts: set[str] = set()
    page.on("request", lambda r: hosts.add(r.url.split("/")[2]))
    for path in paths:
        page.goto(address + path)
        assert page.evaluate("getComputedStyle(document.body).fontFamily").startswith('"Source Sans 3"')
        assert page.evaluate("document.fonts.check('16px \"Source Sans 3\"')")
    page.close()
    assert hosts == {address.removeprefix("http://")}
    assert [s for s in said if not any(e in s for e in EXPECTED)] == []


def test_the_theme_is_switched_and_remembered(browser: Browser, served: tuple[str, list[str]]) -> None:
    address, _ = served
    context = browser.new_context(color_scheme="light", viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{address}/records/1042")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Switch between light and dark").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.goto(f"{address}/search")
    assert page.evaluate(ground) == dark
    context.close()


def test_the_citation_is_copied_and_said(browser: Browser, served: tuple[str, list[str]]) -> None:
    address, _ = served
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{address}/records/1042")
    page.locator("#cite").get_by_role("button", name="Copy").click()
    page.wait_for_function("document.getElementById('status').textContent === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("Rocca-Serra, P., & Sansone, S. A. (2019).")
    assert copied.endswith("https://doi.org/10.5072/strongroom.1042")
    assert "\n" not in copied
    context.close()


def test_the_keyboard_reaches_content_first_and_every_control(
    browser: Browser, served: tuple[str, list[str]]
) -> None:
    address, _ = served
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"{address}/records/1042")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    controls = page.locator("main a[href]:visible, main button:visible, main summary:visible").count()
    reached: set[str] = set()
    bare = []
    for _ in range(controls + 20):
        page.keyboard.press("Tab")
        at = page.evaluate("""() => {
          const e = document.activeElement, s = getComputedStyle(e);
          if (!e.closest("main")) return null;
          e.dataset.n ??= String(document.querySelectorAll("[data-n]").length);
          return [e.dataset.n, s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0, e.matches("a, button, summary"), e.outerHTML.slice(0, 80)];
        }""")
        if at is None:
            break
        if at[2]:
            reached.add(at[0])
        if not at[1]:
            bare.append(at[3])
    page.close()
    assert len(reached) == controls
    assert bare == []


@pytest.mark.parametrize("width", [390, 1440])
def test_everything_works_without_script(browser: Browser, served: tuple[str, list[str]], width: int) -> None:
    address, _ = served
    context = browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(f"{address}/records/1042")
    assert page.locator("[data-copy]:visible, [data-theme-toggle]:visible").count() == 0
    page.get_by_text("SHA-256 of these files").click()
    assert page.get_by_label("Checksums").is_visible()
    if width < 600:  # the menu and the filters are popovers, which need none either
        page.get_by_role("button", name="Menu").click()
        assert page.get_by_role("navigation", name="Menu").get_by_role("link", name="Browse").is_visible()
    page.goto(f"{address}/search")
    if width < 600:
        page.get_by_role("button", name="Filters 1").click()
    page.get_by_role("checkbox", name="Open").check()
    page.get_by_role("button", name="Apply filters").click()
    assert "access_status=open" in page.url
    assert "resource_type=dataset" in page.url
    assert "q=rose+plant" in page.url
    page.get_by_role("combobox", name="Sort by").select_option("newest")
    page.get_by_role("button", name="Sort").click()
    assert "sort=newest" in page.url
    context.close()


def test_with_script_the_order_applies_at_once(browser: Browser, served: tuple[str, list[str]]) -> None:
    address, _ = served
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"{address}/search")
    page.get_by_role("combobox", name="Sort by").select_option("newest")
    page.wait_for_url("**sort=newest**")
    page.close()
