"""Previews at their door: who may see them, what may run in them, where they stand in the page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date
from urllib.parse import quote

import pytest

from strongroom import previews
from strongroom.http.transfer import guess_type, served_type
from strongroom.metadata.model import Access, Metadata, RecordData
from strongroom.settings import Settings
from strongroom.web import previews as pages
from strongroom.web.previews import policy
from tests.app import Reader, Site, running
from tests.web.samples import ROSE, record
from tests.web.test_landing import Page, shown

FILES = {
    "a table#1.csv": b"a,b\n1,2\n",
    "README.md": b"# Read me\n<script>alert(1)</script>",
    "folder/deep/x.txt": b"<b>text</b>",
    "folder/y.txt": b"y",
    "report.pdf": b"%PDF-1.4\n",
    "drawing.svg": b"<svg onload='alert(1)'/>",
    "data.bin": b"\0\1",
    "slow.zip": b"PK",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("previews")) as site:
        yield site


@pytest.fixture(scope="module")
def owner(site: Site) -> Reader:
    return site.reader("owner")


def made(site: Site, owner: Reader, publish: bool = True, **access: object) -> int:
    data = RecordData(metadata=Metadata.model_validate(ROSE), access=Access.model_validate(access))
    some_id = site.desk.create(owner.actor, data)
    for key, content in FILES.items():
        site.desk.put(owner.actor, some_id, key, content)
    if publish:
        site.desk.publish(owner.actor, some_id)
    return some_id


@pytest.fixture(scope="module")
def record_id(site: Site, owner: Reader) -> int:
    return made(site, owner)


def test_each_kind_is_shown_with_its_policy(site: Site, record_id: int) -> None:
    for key in FILES:
        answer = site.ask("GET", f"/records/{record_id}/preview/{quote(key)}")
        assert answer.status == 200
        said = answer.headers["content-security-policy"]
        assert "frame-ancestors 'self'" in said
        assert "unsafe" not in said
        if key.endswith(".pdf"):
            assert "script-src 'self'" in said
            assert b"vendor/pdfjs/pdf.js" in answer.body
        else:
            assert "sandbox" in said
            assert "script" not in said
            assert b"<script" not in answer.body
        framed = site.ask("GET", f"/records/{record_id}/preview/{quote(key)}?frame=1")
        assert b"Back to the record" in answer.body
        assert b"Back to the record" not in framed.body
        Page(framed.body)


def test_a_preview_is_kept_by_what_it_is_made_of(site: Site, owner: Reader, record_id: int) -> None:
    address = f"/records/{record_id}/preview/README.md"
    first = site.ask("GET", address)
    assert first.headers["cache-control"] == "public, no-cache"
    again = site.ask("GET", address, headers={"if-none-match": first.headers["etag"]})
    assert (again.status, "content-security-policy" in again.headers) == (304, False)
    assert site.ask("GET", address, owner).headers["cache-control"] == "private, no-store"


def test_slow_previews_keep_nobody_else_waiting(
    site: Site, owner: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All their threads are taken: the page says so, is not kept, and all other pages come."""
    address = f"/records/{made(site, owner)}/preview/README.md"
    going = threading.Event()
    waiting = [site.app.state.previews.submit(going.wait, 30) for _ in range(40)]
    monkeypatch.setattr(pages, "PATIENCE", 0.05)
    try:
        busy = site.ask("GET", address)
        assert site.ask("GET", "/").status == 200
    finally:
        going.set()
    for one in waiting:
        assert one.result(30)
    monkeypatch.undo()
    assert b"Too many previews are being made at this moment." in busy.body
    assert (busy.headers["cache-control"], "etag" in busy.headers) == ("private, no-store", False)
    assert b"Read me</h1>" in site.ask("GET", address).body


def test_what_takes_too_long_is_tried_once(
    site: Site, owner: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/records/{made(site, owner)}/preview/slow.zip"
    tried: list[str] = []

    def slow(source: previews.Source) -> tuple[str, previews.Result]:
        tried.append(source.key)
        raise previews.Unreadable("long")

    monkeypatch.setattr(previews, "preview", slow)
    for _ in range(3):
        assert b"takes too long" in site.ask("GET", address).body
    assert tried == ["slow.zip"]


def test_names_are_shown_as_their_own(site: Site, record_id: int) -> None:
    """The same bytes under another name are another page."""
    assert b"README.md" in site.ask("GET", f"/records/{record_id}/preview/README.md").body
    assert site.ask("GET", f"/records/{record_id}/preview/nothing.md").status == 404


def test_what_can_not_be_shown_says_why(site: Site, record_id: int) -> None:
    answer = site.ask("GET", f"/records/{record_id}/preview/data.bin")
    assert b"Its name says that this file is text, but it is not." in answer.body


def test_files_that_are_closed_have_no_preview(site: Site, owner: Reader) -> None:
    for access in ({"files": "restricted"}, {"files": "restricted", "embargo_until": date(2999, 1, 1)}):
        closed = made(site, owner, **access)
        address = f"/records/{closed}/preview/README.md"
        assert site.ask("GET", address).status == 403
        assert site.ask("GET", address, owner).status == 200
        assert b"preview/README" not in site.ask("GET", f"/records/{closed}").body


def test_drafts_show_theirs_to_their_owner_alone(site: Site, owner: Reader) -> None:
    draft = made(site, owner, publish=False)
    address = f"/uploads/{draft}/preview/README.md"
    assert b"Read me</h1>" in site.ask("GET", address, owner).body
    assert site.ask("GET", address).status == 403
    assert site.ask("GET", address, site.reader("stranger")).status == 403
    assert b"/api/records/" in site.ask("GET", f"/uploads/{draft}/preview/report.pdf", owner).body


def test_media_may_come_from_the_host_of_the_bytes() -> None:
    settings = Settings(base_url="https://a.org", content_url="https://bytes.org", data_dir="/nonexistent")  # type: ignore[arg-type]
    assert "media-src 'self' https://bytes.org;" in policy("video", settings)
    assert "connect-src 'self' https://bytes.org" in policy("pdf", settings)
    assert "connect-src" not in policy("video", settings)


def test_a_folder_is_downloaded_alone(site: Site, record_id: int) -> None:
    answer = site.ask("GET", f"/records/{record_id}/files-archive?prefix=folder/")
    assert answer.status == 200
    assert f'filename="strongroom-{record_id}-folder.zip"' in answer.headers["content-disposition"]
    assert b"folder/deep/x.txt" in answer.body
    assert b"README.md" not in answer.body
    assert site.ask("GET", f"/records/{record_id}/files-archive?prefix=fold").status == 404
    # In a folder of downloads a bare number says nothing; clients of the API look for it.
    for front, name in (("", f"strongroom-{record_id}.zip"), ("/api", f"{record_id}.zip")):
        archive = site.ask("GET", f"{front}/records/{record_id}/files-archive")
        assert f'filename="{name}"' in archive.headers["content-disposition"]
    page = Page(site.ask("GET", f"/records/{record_id}").body)
    assert f"/records/{record_id}/files-archive?prefix=folder/" in page.links
    assert f"/records/{record_id}/files-archive?prefix=folder/deep/" in page.links


# -- in the page


def test_the_page_shows_what_its_depositor_chose_else_what_says_most() -> None:
    assert shown().frames == [
        "/records/1042/preview/rose-aroma-naturegenetics2018-treatment-group-mean-sem-report-table-example.csv?frame=1"
    ]
    ordered = shown(sorted_files=True)
    assert ordered.frames[0].endswith("datapackage.json?frame=1")
    view = record()
    chosen = view.data.model_copy(update={"default_preview": "validated/article.pdf"})
    assert shown(data=chosen).frames == ["/records/1042/preview/validated/article.pdf?frame=1"]
    assert shown(files=None).frames == []
    assert shown(files_page=2).frames == shown(files_page=1).frames


def test_a_draft_is_shown_as_its_page_will_be(site: Site, owner: Reader) -> None:
    from strongroom.web.landing import draft_preview
    from strongroom.web.render import Viewer
    from tests.web.samples import SETTINGS, draft

    way = ("/uploads/1044", "Back to the form")
    page = Page(draft_preview(draft(), settings=SETTINGS, viewer=Viewer(1, "a@example.org", "csrf"), way=way))
    assert "This is a preview." in page.text
    assert page.metas("robots") == ["noindex"]
    assert page.json_ld == []
    assert not any(link.startswith("/records/") for link in page.links)
    assert "/uploads/1044" in page.links
    assert page.frames[0].startswith("/uploads/1044/preview/")


def test_what_browsers_show_themselves_is_served_as_what_it_is() -> None:
    """Firefox and Safari play nothing that is called application/octet-stream and must not be looked into."""
    for kind in previews.KINDS:
        if kind.name in ("pdf", "image", "audio", "video"):
            for ending in kind.endings:
                sent, shown = served_type(guess_type(f"a.{ending}"))
                assert shown, ending
                assert sent.startswith("application/pdf" if kind.name == "pdf" else f"{kind.name}/"), ending
