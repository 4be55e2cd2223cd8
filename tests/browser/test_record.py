"""The record's page with its citations and previews in a real browser, and every kind of preview alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from strongroom.metadata.model import Metadata, RecordData
from strongroom.settings import Settings
from tests.app import Site
from tests.browser.application import serve
from tests.browser.chromium import ONE_WIDTH, complaints, flaws, needs_browser, plain_view
from tests.web.samples import ROSE

pytestmark = needs_browser

TABLE = b"name,value\n" + b"rose,1.5\nlily,2\n" * 60
README = b"# Read me\n\nSee [the paper](https://example.org).\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<script>document.title = 'run'</script>\n"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><script>top.document.title = 'run'</script><rect width='9' height='9'/></svg>"


def pdf(text: bytes) -> bytes:
    """A PDF of two pages with a line of text each."""
    drawn = b"BT /F1 28 Tf 72 760 Td (%s) Tj ET" % text
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R 6 0 R]/Count 2>>",
        page,
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        page,
    ]
    out, places = b"%PDF-1.4\n", []
    for number, said in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, said)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 7\n0000000000 65535 f \n%strailer<</Size 7/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF"
    return out + end % (table, len(out))


FILES = {
    "README.md": README,
    "code/run.py": b"def f():\n    # why\n    return 'x'\n",
    "code/deep/more.json": b'{"a": [1, {"b": null}]}',
    "data.bin": b"\0\1\2",
    "drawing.svg": SVG,
    "report.pdf": pdf(b"Rose scent"),
    "table.csv": TABLE,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("record")
    with serve(Settings(data_dir=folder, database_url="", rate_limits="off", disk_reserve_bytes=0)) as site:
        yield site


@pytest.fixture(scope="module")
def address(site: Site) -> str:
    owner = site.reader("owner").actor
    made = site.desk.create(owner, RecordData(metadata=Metadata.model_validate(ROSE)))
    for key, content in FILES.items():
        site.desk.put(owner, made, key, content)
    site.desk.publish(owner, made)
    return f"{site.settings.base_url}/records/{made}"


def test_citations_and_previews_change_in_place_and_nothing_is_refused(
    browser: Browser, address: str
) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 1200})
    said = complaints(page)
    page.goto(address)
    own = page.locator("#cite-text").inner_text()
    page.select_option("#cite-style", "ieee")
    expect(page.locator("#cite-text")).to_contain_text("[1] P. Rocca-Serra and S. A. Sansone")
    page.select_option("#cite-style", "apa")
    assert page.locator("#cite-text").inner_text() == own
    page.locator("#preview").scroll_into_view_if_needed()
    inside = page.frame_locator("#preview-frame")
    expect(inside.locator("h1", has_text="Read me").last).to_be_visible()
    page.get_by_role("link", name="Preview table.csv").click()
    expect(inside.get_by_role("cell", name="1.5").first).to_be_visible()
    expect(page.locator("#preview-name")).to_have_text("table.csv")
    page.get_by_role("link", name="Preview drawing.svg").click()
    expect(inside.get_by_role("img")).to_be_visible()
    page.get_by_role("link", name="Preview report.pdf").click()
    # What pdf.js drew, and the text above it.
    expect(inside.locator("#pdf[data-pages='2'] .leaf[data-drawn]").first).to_be_visible()
    expect(inside.locator(".textLayer").first).to_have_text("Rose scent")
    page.get_by_role("button", name="Share").click()
    expect(page.locator("#share")).to_be_visible()
    assert page.title().startswith("Frictionless")  # no script of a file ran
    page.close()
    assert said == []


@pytest.mark.parametrize("width", ONE_WIDTH)
def test_all_of_it_is_accessible_and_fits(browser: Browser, address: str, width: int) -> None:
    context = browser.new_context(**plain_view(width))
    page = context.new_page()
    said = complaints(page)
    problems = []
    paths = [""]
    # A kind each of those that look different: a picture or a bare sentence adds nothing.
    narrow = ["/preview/README.md", "/preview/code/deep/more.json", "/preview/report.pdf"]
    paths += narrow if width == 390 else ["/preview/table.csv", "/citation?style=nope"]
    for path in paths:
        page.goto(address + path)
        if path == "":
            for summary in page.locator("#fetch summary, .snips summary").all():
                summary.click()
        if path.endswith(".pdf"):
            page.wait_for_selector(".leaf[data-drawn]")
        problems += flaws(page, path)
    context.close()
    assert problems == []
    assert [s for s in said if "status of 400" not in s] == []


def test_without_script_the_same_is_there(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(address)
    expect(page.frame_locator("#preview-frame").locator("table")).to_be_visible()
    page.get_by_role("link", name="Preview table.csv").click()
    expect(page.get_by_role("cell", name="1.5").first).to_be_visible()
    page.get_by_role("link", name="Back to the record").click()
    page.select_option("#cite-style", "vancouver")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#cite-text")).to_contain_text("1. Rocca-Serra P, Sansone SA.")
    context.close()
