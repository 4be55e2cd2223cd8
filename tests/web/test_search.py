"""Search for readers: the page, suggestions, feeds, the help; the front page, and the pages that are one text."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from strongroom.metadata.model import Access, Person, Right, Subject
from strongroom.search import query
from strongroom.search.fields import resolve
from strongroom.search.index import SearchRequest
from strongroom.web import pages, search
from strongroom.web.texts import TEXTS, to_html
from tests.app import Reader, Site, running
from tests.desk import data
from tests.web.test_landing import Page

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("search") / "data", footer_text="Run by <the library>") as site:
        yield site


@pytest.fixture(scope="module")
def ids(site: Site) -> dict[str, int]:
    """Four records: one open, one restricted (its description is public), one that nobody may see, one with hostile words."""
    desk, owner = site.desk, site.reader("owner").actor
    rosy = {
        "creators": [
            Person(name="Rocca-Serra, Philippe", family_name="Rocca-Serra", given_name="Philippe"),
            Person(name="Ünver, Özge"),
        ],
        "subjects": [Subject(subject="Rose breeding"), Subject(subject="Genomics")],
    }
    described: dict[str, Any] = {
        "open": data("Rose scent and colour", rights=[Right(id="cc-by-4.0")], **rosy),
        "restricted": data(
            "Roses of the restricted garden",
            resource_type="publication-article",
            publication_date="2018-03",
            access=Access(files="restricted"),
            rights=[Right(id="mit")],
        ),
        "private": data(
            "Rosewood nobody may read of",
            creators=[Person(name="Rosenqvist, Secret")],
            subjects=[Subject(subject="Rosy secrets")],
            access=Access(record="restricted", files="restricted"),
        ),
        "hostile": data(
            "Tulip </title><script>alert(1)</script> \x0b",
            description="<p>a &lt;b&gt; ]]> \x01</p>",
            creators=[Person(name='O"Hara <img src=x>')],
            publication_date="1998-01-01",
        ),
    }
    made = {}
    for name, about in described.items():
        made[name] = desk.create(owner, about)
        desk.put(owner, made[name], f"{name}.csv", b"a,b")
        desk.publish(owner, made[name])
    caught_up(site)
    return made


def caught_up(site: Site) -> None:
    """Until the index knows all there is: on a busy machine a search gives up waiting for it after a second."""
    while site.ctx.search.search("depositions", SearchRequest(size=1, viewer=0)).behind:
        pass


def look(site: Site, path: str, reader: Reader | None = None, lang: str = "en") -> Page:
    answer = site.ask("GET", path, reader, None, {"accept-language": lang})
    assert answer.status == 200, (path, answer)
    return Page(answer.body)


# the page


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("q=rose", {"open", "restricted"}),
        ("q=rose&license=cc-by-4.0", {"open"}),
        ("license=mit&license=cc-by-4.0", {"open", "restricted"}),
        ("resource_type=publication%3A%3Apublication-article", {"restricted"}),
        ("resource_type=publication", {"restricted"}),
        ("year_from=2018&year_to=2018", {"restricted"}),
        ("year_from=2024&year_to=2017", {"open", "restricted"}),
        ("year_from=&year_to=2000", {"hostile"}),
        ("year_from=x&year_to=20", {"open", "restricted", "hostile"}),
        ("publication_date=2018..2018&sort=nonsense&size=x&page=-4", {"restricted"}),
    ],
)
def test_filters_find(site: Site, ids: dict[str, int], asked: str, found: set[str]) -> None:
    page = look(site, f"/search?{asked}")
    assert {name for name, id in ids.items() if f"/records/{id}" in page.links} == found


def test_a_choice_is_marked_counted_and_can_be_taken_back(site: Site, ids: dict[str, int]) -> None:
    page = look(site, "/search?q=rose&license=cc-by-4.0&resource_type=dataset&year_from=2020")
    assert re.search(r'name="license" value="cc-by-4.0" checked', page.body)
    assert "CC BY 4.0 1" in page.text
    assert "MIT License" not in page.text  # counts of other facets are of what is chosen
    assert 'name="year_from"' in page.body
    assert 'value="2020"' in page.body
    # Chips: each leads to the same question without it; years as well.
    assert "/search?q=rose&resource_type=dataset&publication_date=2020.." in page.links
    assert "/search?q=rose&resource_type=dataset&license=cc-by-4.0" in page.links
    assert "from 2020" in page.text
    # No hidden field would bring the years back that the two fields have.
    filters = page.body.partition('aria-label="Filters"')[2].partition("</form>")[0]
    assert "publication_date" not in filters


def test_a_status_without_records_stays_with_its_zero(site: Site, ids: dict[str, int]) -> None:
    page = look(site, "/search?q=rose")
    assert "Open 1 Restricted 1 Embargoed 0 Metadata only 0" in " ".join(page.text.split())


def test_nothing_found_offers_words_much_like_these(site: Site, ids: dict[str, int]) -> None:
    page = look(site, "/search?q=tulpi")
    assert "1 record has words much like these" in page.text
    assert "/search?q=tulpi~" in [link.replace("%7E", "~") for link in page.links]
    assert "much like these" not in look(site, "/search?q=xyzzy").text


def test_behind_the_last_page_is_the_last_page(site: Site, ids: dict[str, int]) -> None:
    for asked, led in (
        ("q=rose&page=99", "q=rose&page=1"),
        ("q=rose&size=1&page=9&license=mit&license=cc-by-4.0", "q=rose&size=1&license=mit&license=cc-by-4.0&page=2"),
        ("q=xyzzy&page=2", "q=xyzzy&page=1"),
    ):  # fmt: skip
        answer = site.ask("GET", f"/search?{asked}")
        assert (answer.status, answer.headers["location"].partition("/search?")[2]) == (302, led)
        assert site.ask("GET", f"/search?{led}").status == 200


@pytest.mark.parametrize(
    ("asked", "unknown"),
    [
        ("nosuchfield:x", ["nosuchfield"]),
        ("rose OR nosuch:x OR other:[1 TO 2] OR nosuch:/abc/ OR _exists_:more", ["nosuch", "other", "more"]),
        ("creators:(nonsense:x)", ["creators.nonsense"]),
        ("a&b:x", ["a&b"]),
        ("title:rose creators:(name:doe) dwc\\:family:x _exists_:grants", []),
    ],
)
def test_names_that_no_field_has_are_said(
    site: Site, ids: dict[str, int], asked: str, unknown: list[str]
) -> None:
    assert query.unknown_fields(asked) == tuple(unknown)
    page = look(site, f"/search?q={quote(asked)}")
    assert ("no field of" in page.text) == (len(unknown) == 1)
    assert ("no fields of" in page.text) == (len(unknown) > 1)
    for name in unknown:
        assert f"<code>{name.replace('&', '&amp;')}</code>" in page.body
    if asked == "nosuchfield:x":
        assert "/search?q=nosuchfield+x" in page.links
        assert "/help/search" in page.links


def test_a_mistake_is_shown_with_its_spot_and_ways_on(site: Site, ids: dict[str, int]) -> None:
    answer = site.ask("GET", "/search?q=" + quote(' title:(rose AND "garden '), None)
    assert answer.status == 400
    page = Page(answer.body)
    assert "A quotation mark without its end." in page.text
    assert "Invalid query" not in page.text
    assert "<mark>&#34;</mark>garden" in page.body
    assert "/search?q=title+rose+AND+garden" in page.links
    assert "/help/search" in page.links
    for wrong in ("bounds=1", "publication_date=x..y"):
        assert site.ask("GET", f"/search?{wrong}").status == 400


def test_every_reason_that_is_translated_is_one_that_the_parser_gives(site: Site) -> None:
    source = Path(query.__file__).read_text()
    for reason in pages.REASONS:
        assert json.dumps(reason) in source, reason


def test_hostile_words_are_words(site: Site, ids: dict[str, int]) -> None:
    for path in (
        "/search?q=tulip",
        "/",
        "/search?q=%22%3Cscript%3Ex%22",
        "/search?subject=%3Cscript%3E",
    ):
        assert "<script>" not in look(site, path).body.replace("<script src=", "")
    assert "<mark>Tulip</mark> &lt;/title&gt;" in look(site, "/search?q=tulip").body


# suggestions


def suggested(site: Site, typed: str, reader: Reader | None = None) -> list[tuple[str, str]]:
    answer = site.ask("GET", f"/search/suggest?q={quote(typed)}", reader)
    assert answer.status == 200
    return [(s["kind"], s["text"]) for s in answer.json()["suggestions"]]


def test_suggestions_are_titles_people_and_subjects(site: Site, ids: dict[str, int]) -> None:
    assert sorted(suggested(site, "ro")) == [
        ("person", "Philippe Rocca-Serra"),
        ("record", "Rose scent and colour"),
        ("record", "Roses of the restricted garden"),
        ("subject", "Rose breeding"),
    ]
    assert suggested(site, "SCENT ro") == [("record", "Rose scent and colour")]
    assert suggested(site, "ozge un") == [("person", "Özge Ünver")]
    assert suggested(site, "genom") == [("subject", "Genomics")]


@pytest.mark.parametrize(
    "typed", ["", "r", "   ", "***", '"', "((", "a" * 5000, "x y z " * 60, "\0", "AND", "rose NOT", "title:"]
)
def test_whatever_is_typed_is_answered(site: Site, ids: dict[str, int], typed: str) -> None:
    suggested(site, typed)


def test_nobody_is_told_of_what_only_some_may_see(site: Site, ids: dict[str, int]) -> None:
    """Not even its owner: the box is the same for all."""
    for reader in (None, site.reader("someone"), site.reader("boss", admin=True)):
        for typed in ("rosew", "rosenq", "rosy", "secret"):
            assert suggested(site, typed, reader) == []


def test_where_suggestions_lead_something_is_found(site: Site, ids: dict[str, int]) -> None:
    for typed in ("rose", "rocca", "genom", "hara", "unver"):
        found = site.ask("GET", f"/search/suggest?q={typed}").json()["suggestions"]
        assert found
        for one in found:
            page = look(site, one["url"])
            assert "Nothing" not in page.text


# feeds


def test_a_search_is_a_feed(site: Site, ids: dict[str, int]) -> None:
    page = look(site, "/search?q=rose&license=mit")
    assert 'type="application/atom+xml"' in page.body
    assert "/search.atom?q=rose&license=mit" in page.links
    answer = site.ask("GET", "/search.atom?q=rose&license=mit")
    assert answer.headers["content-type"] == "application/atom+xml"
    feed = ET.fromstring(answer.body)
    (entry,) = feed.findall(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}title") == "Roses of the restricted garden"
    assert entry.findtext(f"{ATOM}id") == f"http://testserver/records/{ids['restricted']}"
    assert feed.findtext(f"{ATOM}updated") == entry.findtext(f"{ATOM}updated")
    again = site.ask(
        "GET", "/search.atom?q=rose&license=mit", headers={"if-none-match": answer.headers["etag"]}
    )
    assert (again.status, again.body) == (304, b"")


def test_a_feed_has_what_atom_wants_and_survives_hostile_words(site: Site, ids: dict[str, int]) -> None:
    """RFC 4287 4.1.1 and 4.1.2: one id, title and updated each; an author; links with their relation once."""
    feed = ET.fromstring(site.ask("GET", "/search.atom?size=1&page=2").body)
    for element in (feed, *feed.findall(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            (one,) = element.findall(f"{ATOM}{name}")
            assert one.text
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*(Z|\+00:00)", element.findtext(f"{ATOM}updated") or ""
        )
        assert element.findall(f"{ATOM}author/{ATOM}name")
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")}
    assert set(links) == {"self", "alternate", "first", "previous", "next"}
    assert links["next"] == "http://testserver/search.atom?sort=newest&size=1&page=3"
    whole = site.ask("GET", "/search.atom?q=tulip")
    assert b"<script" not in whole.body
    (entry,) = ET.fromstring(whole.body).findall(f"{ATOM}entry")
    assert "alert(1)" in (entry.findtext(f"{ATOM}title") or "")
    assert ET.fromstring(site.ask("GET", "/search.atom?q=nothing").body).findall(f"{ATOM}entry") == []
    assert site.ask("GET", "/search.atom?q=%28").status == 400


# help


@pytest.mark.parametrize("example", [q for some in search.EXAMPLES.values() for q, _ in some])
def test_each_example_runs(site: Site, ids: dict[str, int], example: str) -> None:
    query.parse(example)
    page = look(site, f"/search?q={quote(example)}")
    assert "can't be read" not in page.text


def test_the_help_shows_examples_and_fields_that_there_are(site: Site) -> None:
    page = look(site, "/help/search")
    assert all(resolve(name) for name, _ in search.FIELDS)
    also = " ".join(said for _, said in search.FIELDS)
    for name in re.findall(
        r"\b(?:creators|contributors|grants|journal|meeting)\.\w+|filetype|filesize|conceptdoi", also
    ):
        assert resolve(name), name
    links = [link for link in page.links if link.startswith("/search?q=")]
    assert len(links) == sum(len(some) for some in search.EXAMPLES.values())


# the front page, and texts


def test_the_front_page_says_what_there_is(site: Site, ids: dict[str, int]) -> None:
    page = look(site, "/")
    text = " ".join(page.text.split())
    assert "All 3 records" in text
    assert "Records 3 Files 3 Held 9 bytes" in text
    assert "Dataset 2" in text
    assert "Deposits by month" in text
    assert "/search?subject=Genomics" in page.links
    assert "Rosewood" not in text


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("lang", ["en", "de"])
def test_each_text_is_there_in_both_languages(site: Site, name: str, lang: str) -> None:
    page = look(site, f"/{name}", lang=lang)
    assert page.headings[0] == 1
    assert "{" not in page.text
    body = page.body.partition('<div class="prose"')[2]
    assert not body.startswith(" lang="), "in the reader's language"
    assert "<h1" not in body


def test_the_operators_text_takes_the_place_of_ours(site: Site) -> None:
    folder = site.settings.data_dir / "pages"
    folder.mkdir(exist_ok=True)
    (folder / "terms.md").write_text(
        "# Rules of {site}\n\n<script>x</script> *Be kind.* [x](javascript:alert(1))\n\n# More\n"
    )
    (folder / "terms.de.md").write_text("# Regeln\n\nSei nett.")
    (folder / "legal.md").write_text("# Legal notice\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    try:
        page = look(site, "/terms")
        assert "Rules of Strongroom" in page.text
        assert "<em>Be kind.</em>" in page.body
        assert "javascript:" not in "".join(page.links)
        assert "<script>x" not in page.body
        assert page.body.count("<h1") == 1
        assert "Sei nett." in look(site, "/terms", lang="de").text
        assert "<table>" in look(site, "/pages/legal", lang="de").body
    finally:
        for path in folder.iterdir():
            path.unlink()
    for name in ("legal", "../strongroom", "..%2Fx", "Terms", "a.de"):
        assert site.ask("GET", f"/pages/{name}").status == 404
    assert "Terms of use" in look(site, "/terms").text


def test_markdown_without_a_heading_has_no_title() -> None:
    assert to_html("Just *words*.") == ("", "<p>Just <em>words</em>.</p>\n")


def test_the_foot_says_what_the_operator_wants(site: Site) -> None:
    page = look(site, "/about")
    assert "Run by <the library>" in page.text
    assert {"/about", "/policies", "/terms", "/help"} <= set(page.links)


def test_searches_and_feeds_are_counted_together_and_typing_apart(tmp_path: Path) -> None:
    with running(tmp_path / "data", rate_limits="on") as site:
        limits = {
            path: site.ask("GET", path).headers["x-ratelimit-remaining"]
            for path in ("/search", "/search.atom", "/search/suggest", "/about")
        }
    assert limits == {"/search": "59", "/search.atom": "58", "/search/suggest": "59", "/about": "599"}


def test_years_of_a_record_are_bars() -> None:
    counts = [pages.Bucket(str(year), "", 3) for year in (2000, 2003)]
    bars = pages._bars(counts, ("2003", ""))
    assert re.findall(r'<rect( class="in")? x="([\d.]+)"', bars["bars"]) == [
        ("", "0.0"),
        (' class="in"', "60.0"),
    ]
    long = pages._bars([pages.Bucket(str(y), "", 1) for y in range(1500, 2001)], None)
    assert long["bars"].count("<rect") <= 40
    assert (long["first"], long["last"]) == (1500, 2000)
    assert pages._bars([], None) == {}
