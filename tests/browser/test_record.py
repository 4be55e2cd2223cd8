"""The record's page with its citations and previews in a real browser, and every kind of preview alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from strongroom.files.service import bucket_id
from strongroom.metadata.model import Metadata, RecordData
from strongroom.settings import Settings
from tests.app import Site
from tests.browser.application import serve
from tests.browser.chromium import ONE_WIDTH, complaints, flaws, needs_browser, plain_view
from tests.browser.documents import FILM, RYUMIN, SYMBOLS, pdf, sound
from tests.web.samples import ROSE

pytestmark = needs_browser

TABLE = b"name,value\n" + b"rose,1.5\nlily,2\n" * 60
README = b"# Read me\n\nSee [the paper](https://example.org).\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<script>document.title = 'run'</script>\n"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><script>top.document.title = 'run'</script><rect width='9' height='9'/></svg>"


FILES = {
    "README.md": README,
    "code/run.py": b"def f():\n    # why\n    return 'x'\n",
    "code/deep/more.json": b'{"a": [1, {"b": null}]}',
    "data.bin": b"\0\1\2",
    "drawing.svg": SVG,
    "film.webm": FILM,
    "japan.pdf": pdf("日本の薔薇".encode("cp932"), RYUMIN),
    "report.pdf": pdf(b"Rose scent"),
    "sound.wav": sound(1200),
    "symbols.pdf": pdf(b"4", SYMBOLS),
    "table.csv": TABLE,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("record")
    with serve(Settings(data_dir=folder, database_url="", rate_limits="off", disk_reserve_bytes=0)) as site:
        yield site


@pytest.fixture(scope="module")
def address(site: Site) -> str:
    owner = site.reader("owner")
    made = site.desk.create(owner.actor, RecordData(metadata=Metadata.model_validate(ROSE)))
    for key, content in FILES.items():  # by the door: it gives them their types
        assert site.ask("PUT", f"/api/files/{bucket_id(made)}/{key}", owner, content).status == 201
    site.desk.publish(owner.actor, made)
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
    expect(page.locator("#preview .box-head use")).to_have_attribute("href", re.compile("#table$"))
    expect(page.locator(".rec-tabs [aria-current]")).to_have_text("Preview")
    page.locator(".rec-tabs").get_by_role("link", name="Details").click()
    expect(page.locator(".rec-tabs [aria-current]")).to_have_text("Details")
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


def _played(page: Page, element: str, start: float) -> None:
    """Go to this second once it can be played, and play on. Asked from here: no clock runs in a page without scripts."""
    it = page.locator(element)
    expect(it).not_to_have_js_property("readyState", 0)
    it.evaluate("(it, start) => { it.muted = true; it.currentTime = start; }", start)
    expect(it).to_have_js_property("seeking", False)
    assert it.evaluate("it => it.currentTime") == start
    it.evaluate("it => { it.play(); }")
    expect(it).not_to_have_js_property("currentTime", start)
    assert it.evaluate("it => it.currentTime") > start
    it.evaluate("it => it.pause()")


def test_sound_and_film_play_from_where_one_goes(browser: Browser, address: str) -> None:
    page = browser.new_page()
    said = complaints(page)
    starts: list[int] = []  # first bytes asked for

    def note(request: Request) -> None:
        if "/files/" in request.url:
            starts.append(int(request.headers["range"].removeprefix("bytes=").partition("-")[0]))

    page.on("request", note)
    page.goto(f"{address}/preview/sound.wav")
    _played(page, "audio", 1000)
    assert page.locator("audio").evaluate("it => it.duration") == 1200
    # What lies before was not waited for: the bytes of about that second were asked for.
    assert [start for start in starts if 7_900_000 < start <= 8_000_044]
    page.goto(f"{address}/preview/film.webm")
    _played(page, "video", 15)
    assert page.locator("video").evaluate("it => it.videoWidth") == 96
    page.close()
    assert [line for line in said if "ERR_ABORTED" not in line] == []


def test_a_pdf_finds_the_codes_and_fonts_it_did_not_bring(browser: Browser, address: str) -> None:
    page = browser.new_page()
    said, fetched = complaints(page), []
    page.on("requestfinished", lambda request: fetched.append(request.url.partition("/pdfjs/")[2]))
    for name, text in (("japan", "日本の薔薇"), ("symbols", "4")):
        page.goto(f"{address}/preview/{name}.pdf")
        expect(page.locator(".leaf[data-drawn]").first).to_be_visible()
        expect(page.locator(".textLayer").first).to_have_text(text)
    page.close()
    assert {"cmaps/90ms-RKSJ-H.bcmap", "fonts/FoxitDingbats.pfb"} <= set(fetched)
    # That a machine has no Japanese font is no fault of ours.
    assert [line for line in said if "Cannot load system font" not in line] == []


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
    nested = page.get_by_role("link", name="more.json", exact=True)
    expect(nested).to_be_visible()
    page.locator("summary", has_text="code/").press("Enter")
    expect(nested).to_be_hidden()
    expect(page.get_by_role("link", name="Download code/")).to_be_visible()
    page.get_by_role("link", name="Preview table.csv").click()
    expect(page.get_by_role("cell", name="1.5").first).to_be_visible()
    page.get_by_role("link", name="Back to the record").click()
    page.select_option("#cite-style", "vancouver")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#cite-text")).to_contain_text("1. Rocca-Serra P, Sansone SA.")
    context.close()
