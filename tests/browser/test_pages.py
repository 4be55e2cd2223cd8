"""The pages in a real browser: nothing overflows, nothing is out of reach, and everything works without script.

Chromium is Debian's; axe-core comes from npm into `tests/.cache` (`make node`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from tests.browser import site

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
AXE = Path(__file__).parent.parent / ".cache" / "node_modules" / "axe-core" / "axe.min.js"
# Chromium must not call home: the machine's network is closed, and it would try for seconds.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The server answers these on purpose with 404 and 410, which Chromium reports as errors of the console.
EXPECTED = ("status of 404", "status of 410")

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists() or not AXE.exists(), reason="needs Chromium and axe-core (make system node)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, list[str]]]:
    with site.serve() as address_and_paths:
        yield address_and_paths


def complaints(page: Page) -> list[str]:
    """Collects what the console says while `page` is used.

    A request that the next navigation cut short (Chromium fetches the icon late, on its own time) is no complaint.
    """
    said: list[str] = []

    def failed(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":
            said.append(f"{request.url} failed: {request.failure}")

    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: said.append(str(e)))
    page.on("requestfailed", failed)
    return said


AUDIT = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return JSON.stringify(found.violations.map((v) => [v.id, v.nodes.map((n) => n.target.join(" ") + " " + n.failureSummary)]));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_pages_are_accessible_and_fit(
    browser: Browser, served: tuple[str, list[str]], width: int, scheme: Any
) -> None:
    address, paths = served
    # axe is injected by the test, which our policy forbids to pages; the policy has a test of its own below.
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    said = complaints(page)
    problems = []
    for path in paths:
        page.goto(address + path)
        page.evaluate("document.fonts.ready")
        for wide in page.evaluate("""() => {
          const over = document.documentElement.scrollWidth - innerWidth;
          return over > 0 ? [`${over} px too wide`] : [];
        }"""):
            problems.append((path, wide))
        if path == "/records/large" and (width, scheme) != (390, "light"):
            continue  # 500 rows of the same kind take axe ten seconds: once is enough
        page.add_script_tag(path=str(AXE))
        problems += [(path, v) for v in json.loads(page.evaluate(AUDIT))]
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
