"""Front page, search, tombstone, log in, errors, uploads, drafts."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from strongroom.app import API
from strongroom.http.routing import Routes
from strongroom.records.views import ListedRecord
from strongroom.web import pages
from strongroom.web.pages import Bucket, Facet, QueryError, SearchState, UploadsState
from strongroom.web.render import Viewer
from strongroom.web.routes import PAGES
from tests.browser.site import build
from tests.web.samples import SETTINGS, draft, record
from tests.web.test_landing import Page

VIEWER = Viewer(1, "a@example.org", "csrf-token")
# Addresses that are not ours, or not of this host; every other link of every page must be one that is served.
ELSEWHERE = (
    r"https://data\.example\.org/records/\d+/files/[^?]+(\?download=1)?",
    r"mailto:.*",
    r"#[\w-]+",
    r"https://(doi\.org|orcid\.org|d-nb\.info|creativecommons\.org|arxiv\.org|example\.org|cordis\.europa\.eu|id\.loc\.gov|frictionlessdata\.io)/.*",
)


ADDRESSES = Routes([*API, *PAGES])


@pytest.mark.parametrize("path", sorted(build()))
def test_every_page_is_whole_and_has_no_dead_link(path: str) -> None:
    page = Page(build()[path][1])
    assert page.headings[0] == 1
    for link in page.links:
        served = link.startswith("/") and ADDRESSES.find(urlsplit(link).path)
        assert (served and "GET" in served[0]) or any(re.fullmatch(e, link) for e in ELSEWHERE), link
        if link.startswith("#"):
            assert link[1:] in page.ids, link


def test_the_front_page_shows_the_newest_and_how_to_deposit() -> None:
    body = pages.front_page(
        [ListedRecord.of(record())], 48_210, settings=SETTINGS, counts={"files": 5, "bytes": 10**12}
    )
    page = Page(body)
    assert "All 48,210 records" in page.text
    assert "1 record so far" in Page(pages.front_page([ListedRecord.of(record())], 1, settings=SETTINGS)).text
    assert "https://data.example.org/api and your token" in page.text
    assert "/records/1042" in page.links
    assert "1 TB" in page.text
    assert "Deposits by month" not in page.text


def test_an_empty_front_page_says_what_will_be_there() -> None:
    assert "The shelves are empty." in Page(pages.front_page([], 0, settings=SETTINGS)).text


def test_shelves_have_a_box_for_each_month_with_deposits() -> None:
    body = pages.front_page([], 0, settings=SETTINGS, by_month=[0, 3, *[1] * 40]).decode()
    assert len(re.findall(r'<rect class="lab" x="[\d.]+" y="\d+" width="14', body)) == 36
    assert len(re.findall('class="now"', body)) == 1
    assert "<figure" not in pages.front_page([], 0, settings=SETTINGS, by_month=[0, 0]).decode()


# -- search

FACETS = [
    Facet(
        "resource_type",
        "Type",
        [
            Bucket("dataset", "x", 84, True),
            Bucket("publication", "x", 47, inner=[Bucket("publication::publication-article", "x", 31, True)]),
        ],
    ),
    Facet("subject", "Subject", [Bucket("Ecology", "Ecology", 3)]),
]
STATE = SearchState(
    "rose AND plant", {"resource_type": ["dataset", "publication::publication-article"]}, page=2
)


def search(state: SearchState = STATE, total: int = 160, lang: str = "en") -> Page:
    return Page(
        pages.search_page(
            state, [ListedRecord.of(record())], total, settings=SETTINGS, facets=FACETS, lang=lang
        )
    )


def test_hits_are_shown_with_the_words_found() -> None:
    page = search()
    assert "160 records" in page.text
    assert "<mark>Rose</mark> Genome" in page.body
    assert "<mark>AND" not in page.body
    assert "10 files, 414.6 KB" in page.text


def test_facets_are_a_form_that_works_without_script() -> None:
    page = search()
    assert "Journal article" in page.text
    assert re.search(r'name="resource_type" value="dataset" checked', page.body)
    assert re.search(r'name="subject" value="Ecology">', page.body)
    form = page.body[page.body.index('aria-label="Filters"') :].partition("</form>")[0]
    assert '<input type="hidden" name="q" value="rose AND plant">' in form
    assert 'type="submit"' in form
    assert "hidden" not in form.partition("resource_type")[2]


def test_each_filter_can_be_removed_alone() -> None:
    links = [dict(parse_qsl(urlsplit(link).query)) for link in search().links if link.startswith("/search?")]
    assert {"q": "rose AND plant", "resource_type": "dataset"} in links
    assert {"q": "rose AND plant", "resource_type": "publication::publication-article"} in links
    assert {"q": "rose AND plant"} in links


def test_filters_without_a_checkbox_survive_the_form() -> None:
    state = SearchState("x", {"communities": ["rivers"], "resource_type": ["lesson"]})
    form = search(state).body.partition('aria-label="Filters"')[2].partition("</form>")[0]
    assert '<input type="hidden" name="communities" value="rivers">' in form
    assert '<input type="hidden" name="resource_type" value="lesson">' in form


def test_paging_keeps_the_question() -> None:
    page = search()
    url = STATE.url(page=3)
    assert url in page.links
    assert STATE.url(page=1) in page.links
    assert "page=3" in url
    assert "page" not in STATE.url(page=1)
    assert 'rel="next"' in page.body


def test_paging_ends_where_the_search_does() -> None:
    page = search(SearchState("x", page=500), total=2_000_000)
    assert "Page 500" in page.body
    assert "page=501" not in page.body


def test_nothing_found_says_how_to_go_on() -> None:
    def text(state: SearchState) -> str:
        return Page(pages.search_page(state, [], 0, settings=SETTINGS)).text

    assert "Try fewer or more general words" in text(SearchState("nope"))
    assert "Search without filters" in text(SearchState("nope", {"subject": ["x"]}))
    assert "The shelves are empty" in text(SearchState())


@pytest.mark.parametrize(
    ("query", "position", "spot"),
    [
        ('title:("rose', 7, "title:(<mark>&#34;</mark>rose"),
        ("a AND", 5, "a AND<mark>⌶</mark>"),
        ("<b> (", 4, "&lt;b&gt; <mark>(</mark>"),
    ],
)
def test_a_wrong_query_is_shown_with_the_spot(query: str, position: int, spot: str) -> None:
    error = QueryError("Something is <wrong>.", position)
    body = pages.search_page(SearchState(query), [], 0, settings=SETTINGS, error=error).decode()
    assert f"<code>{spot}</code>" in body
    assert "Something is &lt;wrong&gt;." in body
    assert 'role="alert"' in body


def test_words_worth_marking() -> None:
    assert pages.query_terms('title:"rose scent" AND NOT wine OR creators.name:Doe -x') == [
        "rose",
        "scent",
        "Doe",
    ]
    assert pages.query_terms("a AND b") == []


# -- others


def test_a_tombstone_keeps_reason_date_and_citation() -> None:
    page = Page(
        pages.tombstone_page(
            1011,
            {
                "reason": "Wrong <table>",
                "date": "2019-03-13",
                "by": "owner",
                "citation": "Doe (2019)",
                "doi": "10.1/x",
            },
            settings=SETTINGS,
            newer_id=1042,
        )
    )
    assert "leads to this page" not in page.text  # the DOI is of another place
    assert "Wrong <table>" in page.text
    assert "13 March 2019, by its owner" in page.text
    assert "Doe (2019)" in page.text
    assert "/records/1042" in page.links
    assert page.metas("robots") == ["noindex"]
    assert Page(pages.tombstone_page(1, {}, settings=SETTINGS)).text


def test_a_tombstone_cites_as_a_record_does_and_says_where_its_doi_leads() -> None:
    said = {
        "citation": "Doe (2019). Rose & <b>. Here.",
        "title": "Rose & <b>",
        "doi": f"{SETTINGS.doi_prefix}/x.1",
    }
    registered = SETTINGS.model_copy(update={"registrar": "datacite"})
    page = Page(pages.tombstone_page(1, said, settings=registered))
    assert "Doe (2019). <i>Rose &amp; &lt;b&gt;</i>. Here." in page.body
    assert "kept; leads to this page" in page.text
    alone = Page(pages.tombstone_page(1, {**said, "citation": None}, settings=SETTINGS))
    assert '<p id="t-cite">Rose &amp; &lt;b&gt;</p>' in alone.body
    assert "leads to this page" not in alone.text


def test_the_log_in_form_carries_where_to_go() -> None:
    body = pages.login_page(
        settings=SETTINGS, csrf="c&", next_url='/records/1?"', email="<a@b>", error=pages.wrong_password("de")
    ).decode()
    assert 'name="csrf" value="c&amp;"' in body
    assert 'name="next" value="/records/1?&#34;"' in body
    assert 'value="&lt;a@b&gt;"' in body
    assert "passen nicht zusammen" in body
    assert 'action="/login"' in body


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 418, 429, 500, 503, 599]
)
def test_every_error_has_words(status: int) -> None:
    page = Page(pages.error_page(status, settings=SETTINGS, next_url="/uploads/1?a=b&c"))
    assert str(status) in page.text
    assert ("could not be read" in page.text) is (status in (400, 418)), "of 400 only, and what has no words"
    assert ("/login?next=/uploads/1%3Fa%3Db%26c" in page.links) is True
    assert "Own words" in Page(pages.error_page(status, settings=SETTINGS, message="Own words")).text


def test_uploads_list_drafts_and_records() -> None:
    def shown(uploads: list[Any], state: UploadsState, total: int = 3, **more: Any) -> Page:
        return Page(pages.uploads_page(uploads, state, total, settings=SETTINGS, viewer=VIEWER, **more))

    page = shown([draft(), draft(id=1050, published=True), record()], UploadsState(), counts={"drafts": 2})
    assert {"/uploads/1044", "/uploads/1050", "/records/1042"} <= set(page.links)
    assert "Correction" in page.text
    assert "Drafts 2" in page.text
    many = shown([record()], UploadsState("published", "rose", "title", 2), 50)
    assert "/me/uploads?show=published&q=rose&sort=title&page=3" in many.links
    assert "/me/uploads?show=drafts&q=rose&sort=title" in many.links
    assert "You have no drafts." in shown([], UploadsState(), 0).text
    assert "Nobody has shared anything" in shown([], UploadsState("shared"), 0).text
    assert "None of these has such words." in shown([], UploadsState(query="x"), 0).text


def test_the_badge_is_svg_with_the_doi() -> None:
    for path in ("10.5072/a<b.1", "10.5072/a<b.1.svg"):
        root = ET.fromstring(pages.badge(path))
        assert "DOI 10.5072/a<b.1" in "".join(root.itertext())


def test_found_words_are_marked_and_escaped() -> None:
    assert pages.highlight("A <Rose> rose", ["rose"]) == "A &lt;<mark>Rose</mark>&gt; <mark>rose</mark>"
    assert pages.highlight("a.b", ["."]) == "a<mark>.</mark>b"
    assert pages.highlight("a<b", []) == "a&lt;b"
