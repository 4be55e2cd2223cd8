"""The deposit form in a real browser, on a real server: files, lost networks, closed browsers, two tabs, the recipe."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from strongroom.vocabularies import formats, loading
from tests import oidc
from tests.browser.chromium import CHROMIUM, FLAGS, complaints, flaws, needs_browser, plain_view
from tests.browser.wire import Wire, wire_to
from tests.live import PASSWORD, Server
from tests.metadata.zenodo_documents import SHARED

pytestmark = needs_browser

SAMPLES = Path(formats.__file__).parent / "samples"
ROSE = SHARED / "data" / "rose"
PART = 8 << 20
PART_SENT = re.compile(r"/draft/files/[^/]+/content/(\d+)$")
SLOW = 20_000_000  # bytes a second
CUT = (
    28 << 20
)  # three parts are on their way at once: so much can not go without one of them being whole, nor are all

WORD = """<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><style>p.MsoNormal{margin:0cm}</style></head>
<body lang=EN-GB><!--StartFragment--><p class=MsoNormal style='margin-bottom:8.0pt'><span lang=EN-US
style='font-size:12.0pt;font-family:"Arial",sans-serif'>Scent of <b style='mso-bidi-font-weight:normal'>roses</b><o:p></o:p></span></p>
<p class=MsoListParagraphCxSpFirst style='text-indent:-18.0pt;mso-list:l0 level1 lfo1'><![if !supportLists]><span
style='font-family:Symbol'>·<span style='font:7.0pt "Times New Roman"'>&nbsp; </span></span><![endif]>First</p>
<p class=MsoListParagraphCxSpLast style='text-indent:-18.0pt;mso-list:l0 level1 lfo1'><![if !supportLists]><span
style='font-family:Symbol'>·<span>&nbsp;</span></span><![endif]>Second <span style='font-weight:700'>heavy</span></p>
<p class=MsoNormal><o:p>&nbsp;</o:p></p><script>alert(1)</script><img src=x onerror=alert(1)>
<p onclick="alert(1)">See <a href="https://example.org/" onclick="alert(1)">there</a>, not <a href="javascript:alert(1)">here</a></p>
<!--EndFragment--></body></html>"""


@dataclass
class Place:
    server: Server
    wire: Wire
    provider: oidc.OidcServer
    token: str

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            self.server.url + path,  # past the wire
            json.dumps(body).encode() if body is not None else None,
            {
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "Accept": "application/vnd.inveniordm.v1+json",
            },
            method=method,
        )
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or b"null")

    def draft(self, **metadata: Any) -> int:
        return int(self.ask("POST", "/api/records", {"metadata": {"title": "Roses", **metadata}})["id"])

    def metadata(self, draft_id: int) -> Any:
        return self.ask("GET", f"/api/records/{draft_id}/draft")["metadata"]

    def form(self, draft_id: int) -> str:
        return f"{self.wire.url}/uploads/{draft_id}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    people = [
        {"sub": oidc.CARBERRY, "name": "Josiah Carberry", "given_name": "Josiah", "family_name": "Carberry"}
    ]
    with oidc.provider(people) as provider:
        server = Server(
            tmp_path_factory.mktemp("server") / "data",
            {
                "STRONGROOM_ORCID_CLIENT_ID": "APP-1",
                "STRONGROOM_ORCID_CLIENT_SECRET": "s",
                "STRONGROOM_ORCID_URL": provider.url,
            },
        )
        with wire_to(server.port) as wire:
            server.env["STRONGROOM_BASE_URL"] = wire.url
            yield from started(server, wire, provider)


def started(server: Server, wire: Wire, provider: oidc.OidcServer) -> Iterator[Place]:
    token = server.add_user("philippe@example.org")
    database = server.database()
    for source, name in (
        ("ror", "ror.zip"),
        ("funders", "funders.rdf"),
        ("awards", "awards-cordis.csv"),
        ("orcid", "orcid.tar.gz"),
    ):
        loading.load(database, source, SAMPLES / name)
    database.close()
    server.start()
    try:
        yield Place(server, wire, provider, token)
    finally:
        server.kill()


def log_in(page: Page, place: Place, email: str = "philippe@example.org") -> None:
    page.goto(f"{place.wire.url}/login")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)


@pytest.fixture(scope="module")
def state(browser: Browser, place: Place) -> Any:
    """The cookies of one log-in."""
    context = browser.new_context()
    log_in(context.new_page(), place)
    kept = context.storage_state()
    context.close()
    return kept


@pytest.fixture
def context(browser: Browser, state: Any) -> Iterator[BrowserContext]:
    context = browser.new_context(storage_state=state, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    yield context
    context.close()


def open_form(page: Page, place: Place, draft_id: int) -> None:
    page.goto(place.form(draft_id))
    page.locator(".editor").first.wait_for()


def saved(page: Page) -> None:
    page.locator("[data-saved][data-state=saved]").wait_for()


def parts_sent(page: Page) -> tuple[list[int], list[int]]:
    """Numbers of the parts that were begun, and that arrived."""
    begun: list[int] = []
    arrived: list[int] = []

    def number(request: Request) -> int | None:
        found = PART_SENT.search(request.url)
        return int(found[1]) if found and request.method == "PUT" else None

    page.on("request", lambda r: begun.append(n) if (n := number(r)) else None)
    page.on("requestfinished", lambda r: arrived.append(n) if (n := number(r)) else None)
    return begun, arrived


def held(place: Place, draft_id: int) -> set[int]:
    """Numbers of the parts that the server has: also those whose answer was lost on the wire."""
    while True:
        [entry] = place.ask("GET", f"/api/records/{draft_id}/draft/files")["entries"]
        if found := {part["part"] for part in entry["links"]["parts"] if part.get("received")}:
            return found
        time.sleep(0.05)  # it may still be writing what came last


def large_file(folder: Path, parts: int) -> Path:
    path = folder / "chromatograms.raw"
    with path.open("wb") as file:
        for n in range(parts):
            file.write(bytes([n]) * PART)
        file.write(b"the end")
    return path


DROP = """async ([names, texts]) => {
  const data = new DataTransfer();
  names.forEach((name, n) => data.items.add(new File([texts[n]], name, {type: "text/plain"})));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.querySelector(".drop").dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
  }
}"""


def test_dropped_files_arrive_and_are_renamed_and_deleted(context: BrowserContext, place: Place) -> None:
    page, draft_id = context.new_page(), place.draft()
    said = complaints(page)
    open_form(page, place, draft_id)
    files = {f"file {n}.txt": f"content {n}" for n in range(6)}
    page.evaluate(DROP, [["x" * 1001], ["x"]])
    refused = page.locator("li.up.fail")
    expect(refused).to_have_count(1)
    page.evaluate(DROP, [[*files, "empty"], [*files.values(), ""]])
    for name, text in files.items():
        row = page.locator(f'li.up[data-key="{name}"]:not([data-live])')
        expect(row.locator(".mono")).to_have_attribute("title", hashlib.md5(text.encode()).hexdigest())
    expect(page.locator("[data-up-head]")).to_contain_text("7 of 8 files")
    refused.get_by_role("button", name="Dismiss").click()
    empty = page.locator('li.up[data-key="empty"]:not([data-live])')
    empty.get_by_role("button", name="Delete empty").click()
    expect(empty).to_have_count(0)
    expect(page.locator("[data-missing]").first).not_to_contain_text("file")
    row = page.locator('li.up[data-key="file 1.txt"]')
    row.locator("summary").click()
    row.locator("input[name^='rename.']").fill("notes/renamed.txt")
    row.get_by_role("button", name="Rename", exact=True).click()
    inside = page.locator('li.up[data-key="notes/renamed.txt"]')
    expect(inside).to_be_visible()
    folder = page.locator(".up-folder button")
    expect(folder).to_have_text(re.compile("notes/.*1 file", re.DOTALL))
    folder.click()
    expect(inside).to_be_hidden()
    folder.click()
    expect(inside).to_be_visible()
    page.get_by_role("button", name="Delete file 2.txt").click()
    page.locator('li.up[data-key="file 2.txt"]').wait_for(state="detached")
    page.locator('li.up[data-key="file 3.txt"] input[type=radio]').check()
    saved(page)
    stored = place.ask("GET", f"/api/records/{draft_id}/draft/files")
    assert {e["key"] for e in stored["entries"]} == {*files, "notes/renamed.txt"} - {
        "file 1.txt",
        "file 2.txt",
    }
    assert place.ask("GET", f"/api/records/{draft_id}/draft")["files"]["default_preview"] == "file 3.txt"
    assert [line for line in said if "400" not in line] == []


def test_an_upload_survives_a_lost_network(context: BrowserContext, place: Place, tmp_path: Path) -> None:
    page, draft_id = context.new_page(), place.draft()
    begun, arrived = parts_sent(page)
    open_form(page, place, draft_id)
    place.wire.mend(SLOW, cut_after=CUT)
    page.set_input_files("#pick", large_file(tmp_path, 5))
    row = page.locator("li.up")
    expect(row.locator("progress")).to_be_visible()
    expect(row).to_have_attribute("data-state", "broken")
    expect(row).to_contain_text("What arrived is kept")
    before, kept = len(begun), held(place, draft_id)
    assert set(arrived) <= kept
    place.wire.mend()
    page.locator("li.up:not([data-live]) .ok").wait_for()
    assert kept
    assert not kept & set(begun[before:])
    [entry] = place.ask("GET", f"/api/records/{draft_id}/draft/files")["entries"]
    assert (
        entry["checksum"] == "md5:" + hashlib.md5((tmp_path / "chromatograms.raw").read_bytes()).hexdigest()
    )


def test_an_upload_goes_on_after_the_browser_was_closed(
    browser: Browser, place: Place, state: Any, tmp_path: Path
) -> None:
    """A new browser on the same profile: what the server has is not sent again, and nobody chooses the file again."""
    draft_id = place.draft()
    profile = tmp_path / "profile"

    def start() -> tuple[BrowserContext, Page]:
        opened = browser.browser_type.launch_persistent_context(profile, executable_path=CHROMIUM, args=FLAGS)
        opened.set_default_timeout(20_000)
        return opened, opened.pages[0]

    first, page = start()
    first.add_cookies(state["cookies"])
    begun, arrived = parts_sent(page)
    open_form(page, place, draft_id)
    place.wire.mend(SLOW, cut_after=CUT)
    page.set_input_files("#pick", large_file(tmp_path, 4))
    page.locator("li.up[data-kept]").wait_for()
    expect(page.locator("li.up")).to_have_attribute("data-state", "broken")
    first.close()
    kept = held(place, draft_id)
    place.wire.mend()
    assert set(arrived) <= kept
    assert kept
    assert len(kept) < 5

    second, page = start()
    second.add_cookies(state["cookies"])
    begun, arrived = parts_sent(page)
    open_form(page, place, draft_id)
    page.locator("li.up:not([data-live]) .ok").wait_for()
    assert not kept & set(begun)  # what it sends again is not what the server has
    assert begun
    second.close()
    [entry] = place.ask("GET", f"/api/records/{draft_id}/draft/files")["entries"]
    assert (
        entry["checksum"] == "md5:" + hashlib.md5((tmp_path / "chromatograms.raw").read_bytes()).hexdigest()
    )


def test_two_tabs_lose_nobodys_words(context: BrowserContext, place: Place) -> None:
    titles = [{"title": f"Title {n}", "type": {"id": "subtitle"}} for n in range(3)]
    draft_id = place.draft(version="1", additional_titles=titles)
    one, two = context.new_page(), context.new_page()
    for page in (one, two):
        open_form(page, place, draft_id)
    one.fill("[id='metadata.title']", "Roses of the first tab")
    one.fill("[id='metadata.version']", "2")
    rows = "[data-rows='metadata.additional_titles'] [data-row]"
    one.locator(f"{rows} [value='remove:metadata.additional_titles.2']").click()
    saved(one)
    two.fill("[id='metadata.title']", "Roses of the second tab")
    two.fill("[id='keywords']", "scent")
    two.press("[id='keywords']", "Enter")
    box = two.locator(".differences")
    expect(box).to_contain_text("Roses of the first tab")
    expect(box).to_contain_text("Roses of the second tab")
    # What only the first changed is taken over; rows that it removes meanwhile are no difference either.
    expect(two.locator("[id='metadata.version']")).to_have_value("2")
    expect(two.locator(rows)).to_have_count(2)
    expect(two.locator(".taken")).to_contain_text("Version")
    expect(two.locator(".taken")).to_be_in_viewport()
    two.get_by_role("button", name="Got it").click()
    one.locator(f"{rows} [value='remove:metadata.additional_titles.0']").click()
    one.get_by_role("button", name="Save", exact=True).click()
    saved(one)
    two.get_by_role("button", name="Keep mine").click()
    saved(two)
    found = place.metadata(draft_id)
    assert (found["title"], found["version"]) == ("Roses of the second tab", "2")
    assert found["subjects"] == [{"subject": "scent"}]
    assert [one["title"] for one in found["additional_titles"]] == ["Title 1"]


def kept_here(page: Page) -> tuple[list[str], int]:
    """What the browser keeps: names of words, number of files."""
    found = page.evaluate(
        """async () => {
          const db = await new Promise((done) => {
            const asked = indexedDB.open("strongroom-uploads", 1);
            asked.onupgradeneeded = () => asked.result.createObjectStore("files");
            asked.onsuccess = () => done(asked.result);
          });
          const files = await new Promise((done) => {
            const asked = db.transaction("files").objectStore("files").count();
            asked.onsuccess = () => done(asked.result);
          });
          db.close();
          return [Object.keys(localStorage).filter((key) => /^deposit-\\d/.test(key)), files];
        }"""
    )
    return found[0], found[1]


def log_out(page: Page, answer: str) -> str:
    """Presses "Log out", answers the question by "accept" or "dismiss", and gives the question."""
    page.once("dialog", lambda dialog: getattr(dialog, answer)())
    button = page.get_by_role("button", name="Log out")
    if not button.is_visible():
        page.locator("[popovertarget=menu]:visible").click()
    with page.expect_event("dialog") as asked:
        button.click()
    return str(asked.value.message)


def test_a_log_out_clears_what_the_browser_kept_and_the_end_of_a_session_does_not(
    browser: Browser, place: Place
) -> None:
    draft_id = place.draft()
    context = browser.new_context()
    context.set_default_timeout(20_000)
    page = context.new_page()
    for path in ("**/uploads/*", "**/draft/files*"):
        context.route(
            path, lambda route: route.abort() if route.request.method == "POST" else route.continue_()
        )
    log_in(page, place)
    open_form(page, place, draft_id)
    page.fill("[id='metadata.title']", "Typed in a tunnel")
    page.set_input_files("#pick", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"a"})
    expect(page.locator("li.up[data-kept]")).to_have_attribute("data-state", "broken")
    expect(page.locator("[data-saved]")).to_contain_text("Trying again")
    kept = ([f"deposit-{draft_id}"], 1)
    assert kept_here(page) == kept
    context.clear_cookies()  # as a session that has expired
    page.goto("about:blank")
    log_in(page, place)
    assert kept_here(page) == kept
    open_form(page, place, draft_id)
    expect(page.get_by_role("button", name="Bring them back")).to_be_visible()
    other = context.new_page()
    open_form(other, place, draft_id)
    assert "have not reached the server" in log_out(page, "dismiss")
    assert kept_here(page) == kept
    log_out(page, "accept")
    page.wait_for_url(f"{place.wire.url}/")
    expect(page.get_by_role("link", name="Log in").first).to_be_visible()
    expect(other.locator("[data-saved]")).to_contain_text("You have logged out")
    other.fill("[id='metadata.title']", "After the end")
    other.close()
    assert kept_here(page) == ([], 0)
    # What another account left goes when this one logs in.
    page.evaluate("localStorage.setItem('deposit-user', '0'); localStorage.setItem('deposit-7', '{}')")
    log_in(page, place)
    page.wait_for_function("localStorage.getItem('deposit-7') === null")
    context.close()


def test_words_that_never_arrived_are_offered_again(context: BrowserContext, place: Place) -> None:
    page, draft_id = context.new_page(), place.draft()
    open_form(page, place, draft_id)
    page.route(
        "**/uploads/*", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )
    page.fill("[id='metadata.title']", "Typed in a tunnel")
    page.get_by_role("button", name="Add a creator").click()
    page.keyboard.type("Second")
    expect(page.locator("[data-saved]")).to_contain_text("Not saved")
    expect(page.locator("[data-saved]")).to_contain_text("Trying again")
    page.reload()
    page.unroute("**/uploads/*")
    expect(page.locator("[id='metadata.title']")).to_have_value("Roses")
    page.get_by_role("button", name="Bring them back").click()
    expect(page.locator("[id='metadata.title']")).to_have_value("Typed in a tunnel")
    saved(page)
    found = place.metadata(draft_id)
    assert found["title"] == "Typed in a tunnel"
    assert found["creators"][-1]["person_or_org"]["family_name"] == "Second"


def test_describing(context: BrowserContext, place: Place) -> None:
    """Word's clipboard, a licence by typing, creators sorted by keyboard, an error while it is one."""
    page, draft_id = context.new_page(), place.draft()
    said = complaints(page)
    open_form(page, place, draft_id)
    page.locator("[id='metadata.description']").click()
    page.evaluate(
        """(html) => {
          const data = new DataTransfer();
          data.setData("text/html", html);
          document.activeElement.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
        }""",
        WORD,
    )
    written = page.locator("textarea[name='metadata.description']")
    expect(written).to_have_value(
        "<p>Scent of <b>roses</b></p><ul><li>First</li><li>Second <b>heavy</b></li></ul>"
        '<p>See <a href="https://example.org/">there</a>, not here</p>'
    )
    licence = page.locator("[id='metadata.rights.0.title']")
    licence.press_sequentially("affe")
    expect(licence).to_have_attribute("aria-expanded", "true")
    page.get_by_role("option", name="GNU Affero General Public License v3.0 or later").wait_for()
    # No verdict on who is typing; on what is missing elsewhere there is.
    saved(page)
    checks = page.locator(".d-side [data-missing]")
    expect(checks).to_contain_text("Choose the upload type")
    expect(checks).not_to_contain_text("Licences")
    expect(page.locator(".d-nav .bad")).to_have_count(0)
    licence.press("ArrowDown")
    while "v3.0 or later" not in page.locator("[role=option][aria-selected=true]").inner_text():
        licence.press("ArrowDown")
    licence.press("Enter")
    expect(page.locator("[data-permits]").first).to_contain_text("only runs on a server")
    page.locator("[id='metadata.creators.0.person_or_org.family_name']").fill("First")
    page.get_by_role("button", name="Add a creator").click()
    page.keyboard.type("Second")
    page.fill("[id='metadata.creators.1.orcid']", "0000-0001-5306-5696")
    page.locator("[id='metadata.title']").focus()
    wrong = page.locator("[id='metadata.creators.1.orcid']")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    wrong.fill("0000-0001-5306-5690")
    page.locator("[id='metadata.title']").focus()
    expect(wrong).not_to_have_attribute("aria-invalid", "true")
    handle = page.locator("[data-rows='metadata.creators'] .grip").nth(1)
    handle.focus()
    handle.press("ArrowUp")
    # A whole ORCID iD typed as a name goes where it belongs; whose it is, is known here.
    page.get_by_role("button", name="Add a creator").click()
    page.keyboard.type("https://orcid.org/0000-0001-9853-5668")
    expect(page.locator("[id='metadata.creators.2.orcid']")).to_have_value("0000-0001-9853-5668")
    expect(page.locator("[id='metadata.creators.2.person_or_org.given_name']")).to_have_value("Philippe")
    saved(page)
    found = place.metadata(draft_id)
    names = [c["person_or_org"]["family_name"] for c in found["creators"]]
    assert names == ["Second", "First", "Rocca-Serra"]
    assert found["creators"][0]["person_or_org"]["identifiers"][0]["identifier"] == "0000-0001-5306-5690"
    assert [r["id"] for r in found["rights"]] == ["agpl-3.0-or-later"]
    assert found["description"].startswith("<p>Scent of <b>roses</b></p>")
    assert said == []


def test_the_page_says_what_a_choice_means_and_what_is_refused(context: BrowserContext, place: Place) -> None:
    texts = [{"description": "<p>a &amp; <i>b</i></p>\n<p>c</p>", "type": {"id": "notes"}}]
    page, draft_id = context.new_page(), place.draft(additional_descriptions=texts)
    open_form(page, place, draft_id)
    # A program made it: it is saved.
    expect(page.locator("[data-saved]")).to_have_text(re.compile(r"Saved \d\d:\d\d"))
    expect(page.locator("#pick-h")).to_contain_text("Uploading starts at once")
    expect(page.locator("#pick-h")).not_to_contain_text("along with them", use_inner_text=True)
    seen = page.locator("[data-visible]")
    for choice, says in (("closed", "Nobody gets"), ("restricted", "You decide"), ("embargoed", "Say when")):
        with page.expect_response(lambda answer: answer.request.method == "POST"):
            page.locator(f"input[name='access.choice'][value={choice}]").check()
            expect(seen).to_contain_text(says, timeout=1000)  # before it is saved
    day = page.locator("[id='access.embargo.until']")
    saved(page)
    expect(day).not_to_have_attribute("aria-invalid", "true")  # it was asked for just now
    page.locator("[id='metadata.title']").focus()
    expect(day).to_have_attribute("aria-invalid", "true")
    page.fill("[id='access.embargo.until']", "2040-03-13")
    expect(seen).to_contain_text("embargo ends")
    saved(page)
    expect(seen).to_contain_text("embargo ends")
    # The keyboard goes as the words are read.
    page.locator("#pick").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "choose a folder"
    page.evaluate(DROP, [["a.txt", "b.txt"], ["one", "two"]])
    row = page.locator('li.up[data-key="a.txt"]:not([data-live])')
    page.locator('li.up[data-key="b.txt"]:not([data-live])').wait_for()
    row.locator("summary").click()
    row.locator("input[name^='rename.']").fill("b.txt")
    row.get_by_role("button", name="Rename", exact=True).click()
    expect(page.locator("#files [data-refusal]")).to_contain_text("already exists")
    # Bold that was switched off stays off in the next paragraph.
    page.locator("[id='metadata.description']").click()
    for keys in ("Control+b", "w", "Control+b", "Enter", "x"):
        page.keyboard.press(keys)
    expect(page.locator("textarea[name='metadata.description']")).to_have_value("<p><b>w</b></p><p>x</p>")
    page.get_by_role("button", name="Formula in TeX").first.click()
    page.keyboard.type("a^2")
    page.keyboard.press("Enter")  # leaves the formula; it is not split
    page.keyboard.type("y")
    expect(page.locator("textarea[name='metadata.description']")).to_have_value(
        r"<p><b>w</b></p><p>x\(a^2\)y</p>"
    )
    expect(page.locator(".ed-tex:visible")).to_contain_text("Formulas stay TeX")


CITATION = """cff-version: 1.2.0
message: Cite it.
title: Rose scents
version: 1.0.3
authors:
  - family-names: Rocca-Serra
    given-names: Philippe
    orcid: https://orcid.org/0000-0001-9853-5668
"""


def test_a_dropped_description_fills_what_is_empty(context: BrowserContext, place: Place) -> None:
    page = context.new_page()
    draft_id = int(place.ask("POST", "/api/records", {"metadata": {"version": "2"}})["id"])
    open_form(page, place, draft_id)
    page.evaluate(DROP, [["CITATION.cff"], [CITATION]])
    title = page.locator("[id='metadata.title']")
    expect(title).to_have_value("Rose scents")
    expect(page.locator("label[for='metadata.title'] .from")).to_contain_text("CITATION.cff")
    expect(page.locator("[id='metadata.creators.0.orcid']")).to_have_value("0000-0001-9853-5668")
    expect(page.locator("[id='metadata.version']")).to_have_value("2")
    title.fill("Rose scents, and more")
    saved(page)
    assert place.metadata(draft_id)["title"] == "Rose scents, and more"


@pytest.mark.parametrize("width", [390])
def test_the_form_is_accessible_and_fits(browser: Browser, place: Place, state: Any, width: int) -> None:
    draft_id = place.draft(description="<p>Some <b>text</b>.</p>", subjects=[{"subject": "scent"}])
    context = browser.new_context(storage_state=state, **plain_view(width))
    page = context.new_page()
    open_form(page, place, draft_id)
    page.set_input_files("#pick", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"a"})
    page.locator("li.up:not([data-live]) .ok").wait_for()
    page.get_by_role("button", name="Add a creator").click()
    page.fill("[id='metadata.creators.1.orcid']", "1")
    licence = page.locator("[id='metadata.rights.0.title']")
    licence.press_sequentially("mit")
    page.locator("[role=option]").first.wait_for()
    assert flaws(page) == []
    context.close()


@pytest.mark.skipif(not ROSE.exists(), reason="needs the recipe's files")
def test_the_recipe_from_log_in_to_the_landing_page(browser: Browser, place: Place) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto(f"{place.wire.url}/login?next=/uploads/new")
    page.get_by_role("link", name=re.compile("ORCID")).click()
    page.locator("input[name=sub]").fill(oidc.CARBERRY)
    page.get_by_role("button", name="Authorize").first.click()
    said = complaints(page)
    page.fill("input[name=name]", "Josiah Carberry")
    page.fill("input[name=email]", "josiah@example.org")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{place.wire.url}/uploads/new")
    page.get_by_role("button", name="Begin an upload").click()
    page.wait_for_url(re.compile(r"/uploads/\d+$"))
    page.locator(".editor").first.wait_for()
    expect(page.locator("[id='metadata.creators.0.orcid']")).to_have_value(oidc.CARBERRY)
    rose = sorted(p for p in ROSE.glob("rose-*") if p.is_file())
    page.set_input_files("#pick", rose)
    page.locator("input[name=type][value=dataset]").check()
    page.get_by_role("button", name="Reserve a DOI now").click()
    reserved = page.locator(".reserved code")
    reserved.wait_for()
    doi = reserved.inner_text()
    title = "Frictionless Tabular data package for GC-MS data from Rose Genome article"
    page.fill("[id='metadata.title']", title)
    page.locator("[id='metadata.description']").click()
    page.keyboard.type("61 known metabolites of ")
    page.keyboard.press("Control+b")
    page.keyboard.type("roses")
    page.fill("[id='keywords']", "Rose scent; FAIR data")
    page.press("[id='keywords']", "Enter")
    page.locator("input[name='access.choice'][value=embargoed]").check()
    page.fill("[id='access.embargo.until']", "2031-03-13")
    page.fill("[id='access.embargo.reason']", "Until the article is out")
    page.locator("[id='metadata.rights.0.title']").press_sequentially("cc-by-4")
    page.get_by_role("option", name=re.compile("cc-by-4.0")).click()
    page.locator("[id='metadata.funding.0.award.number']").press_sequentially("101000131")
    page.get_by_role("option", name=re.compile("101000131")).click()
    expect(page.locator("[id='metadata.funding.0.award.title']")).to_have_value(re.compile("Gene therapy"))
    expect(page.locator("[id='metadata.funding.0.funder.name']")).to_have_value(re.compile("European"))
    for path in rose:
        page.locator(f'li.up[data-key="{path.name}"]:not([data-live]) .ok').wait_for()
    saved(page)
    expect(page.locator("[data-missing]").first).to_contain_text("Nothing is missing")
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_role("button", name="Publish for good").click()
    page.wait_for_url(re.compile(r"/records/\d+"))
    body = page.locator("main")
    for text in (title, "Carberry", doi, "Rose scent", "Embargo", "Gene therapy", rose[0].name):
        expect(body).to_contain_text(text)
    assert said == []
    context.close()


def test_the_vendored_modules_are_as_they_were_made() -> None:
    said = subprocess.run(
        [sys.executable, "scripts/vendor.py", "--check"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stdout
