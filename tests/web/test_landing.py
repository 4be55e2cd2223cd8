"""The landing page: what it says of every kind of record, and to whom."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from strongroom.metadata.html import clean
from strongroom.records.views import VersionView
from strongroom.web.landing import (
    FILES_A_PAGE,
    description_html,
    file_rows,
    file_tree,
    link_header,
    pages,
    phrase_url,
    record_page,
    search_url,
)
from strongroom.web.render import Viewer, texts
from tests.web.samples import CREATED, FILES, FULL, SETTINGS, file, record

VOID = frozenset("meta link input img br hr use path rect circle wbr".split())  # noqa: SIM905

INLINE = frozenset({"wbr", "mark", "b", "i", "a", "code", "q", "sup"})


class Page(HTMLParser):
    """The page taken apart: text, links, meta tags, headings; raises on unbalanced tags and doubled ids."""

    def __init__(self, body: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.body = body.decode()
        self.open: list[str] = []
        self.links: list[str] = []
        self.meta: list[tuple[str, str]] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.json_ld: list[Any] = []
        self.words: list[str] = []
        self.scripted: list[str] = []
        self.actions: set[str] = set()  # of forms that write, but for logging out
        self.frames: list[str] = []
        self.feed(self.body)
        self.close()
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.scripted += [name for name in given if name.startswith("on")]
        if tag not in INLINE:
            self.words.append(" ")
        if tag not in VOID:
            self.open.append(tag)
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if tag == "form" and given.get("method") == "post" and given.get("action") != "/logout":
            self.actions.add(str(given["action"]))
        if tag == "iframe":
            self.frames.append(str(given["src"]))
        if tag == "meta":
            self.meta.append((given.get("name") or given.get("property") or "", given.get("content") or ""))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if given.get("id"):
            self.ids.append(str(given["id"]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag, f"</{tag}>"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            if data.strip():
                self.json_ld.append(json.loads(data))
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def metas(self, name: str) -> list[str]:
        return [content for n, content in self.meta if n == name]


def shown(lang: str = "en", viewer: Viewer | None = None, files_page: int = 1, **changes: Any) -> Page:
    return Page(
        record_page(record(**changes), settings=SETTINGS, lang=lang, viewer=viewer, files_page=files_page)
    )


def test_the_rose_page_has_all_that_the_issue_names() -> None:
    page = shown(stats={"views": 2846, "downloads": 731, "volume": 63_000_000})
    for text in (
        "Open Dataset Version 2 Published 13 March 2019",
        "Philippe Rocca-Serra",
        "University of Oxford",
        "ORCID of Philippe Rocca-Serra: 0000-0001-9853-5668",
        "10 files, 414.6 KB",
        "Download all (414.6 KB)",
        "10.5072/strongroom.1042",
        "Cite all versions with 10.5072/strongroom.1010",
        "Rocca-Serra, P., & Sansone, S. A. (2019).",
        "APA Harvard MLA Vancouver Chicago IEEE",
        "Creative Commons Attribution 4.0 International",
        "Use and share it for any purpose, if you name the creators.",
        "PhenoMeNal",
        "European Commission, H2020, 654241",
        "Is new version of",
        "plant-metabolomics",
        "2,846",
        "63 MB",
        "Language English",
    ):
        assert text in page.text, text
    for link in (
        "/records/1042/files-archive",
        "/records/1042/export/json",
        "/records/1042/export/json-ld",
        "/records/1042/export/datacite-json",
        "https://orcid.org/0000-0001-9853-5668",
        "https://doi.org/10.1038/s41588-018-0110-3",
        "https://creativecommons.org/licenses/by/4.0/",
        "/search?q=keywords%3A%22FAIR+data%22",
        "/records/1011",
        "https://data.example.org/records/1042/files/validated/table%20one%23%2B.csv",
        "https://data.example.org/records/1042/files/validated/table%20one%23%2B.csv?download=1",
    ):
        assert link in page.links, link


def test_headings_never_skip_a_level() -> None:
    for changes in (
        {},
        {"metadata": FULL, "may_edit": True},
        {"access": {"files": "restricted", "conditions": "x"}},
    ):
        levels = shown(**changes).headings
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_scholars_find_their_tags() -> None:
    page = shown(metadata=FULL)
    assert page.metas("citation_title") == [FULL["title"]]
    assert page.metas("citation_author") == ["Curie, Marie", "Doe, Jane", "European Commission"]
    assert page.metas("citation_author_institution") == ["Sorbonne", "ETH", "Sorbonne"]
    assert page.metas("citation_publication_date") == ["2026/11/22"]
    assert page.metas("citation_doi") == ["10.5072/strongroom.1042"]
    assert page.metas("citation_journal_title") == ["J. Water"]
    assert page.metas("citation_firstpage") + page.metas("citation_lastpage") == ["1", "9"]
    assert page.metas("citation_pdf_url") == [
        "https://data.example.org/records/1042/files/validated/article.pdf"
    ]
    assert page.metas("og:title") == [FULL["title"]]
    assert page.metas("description") == ["Hourly levels of the Thur & its brooks. Second paragraph. one"]


def test_the_json_ld_in_the_page_is_the_exports() -> None:
    (doc,) = shown(metadata=FULL).json_ld
    assert doc["name"] == FULL["title"]
    assert doc["@type"] == "ScholarlyArticle"


def test_what_a_depositor_types_can_never_become_markup() -> None:
    evil = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'"
    metadata = {
        "title": evil,
        "creators": [{"name": evil, "affiliations": [{"name": evil}, {"name": evil + "2"}]}],
        "contributors": [{"name": evil, "role": evil}],
        "subjects": [{"subject": evil}, {"subject": evil, "id": "javascript:alert(1)", "scheme": evil}],
        "version": evil,
        "publisher": evil,
        "publication_date": evil,
        "description": clean(evil),
        "rights": [{"title": evil, "link": "javascript:alert(1)", "description": evil}],
        "related_identifiers": [{"identifier": evil, "relation": evil, "scheme": "url"}],
        "references": [{"reference": evil}],
        "dates": [{"date": evil, "type": evil, "description": evil}],
        "identifiers": [{"identifier": "javascript:alert(1)", "scheme": "url"}],
        "funding": [{"funder": {"name": evil}, "award": {"title": evil, "url": "javascript:alert(1)"}}],
        "locations": [{"place": evil, "description": evil}],
        "languages": [evil],
        "custom": {evil: evil, "dwc:x": ["javascript:alert(1)"], "journal:journal": {"title": evil}},
    }
    page = shown(
        metadata=metadata,
        communities=[evil],
        files=[file(f"{evil}/{evil}")],
        doi=f"10.5072/{evil}",
        access={"embargo_until": "2027-01-01", "embargo_reason": evil, "files": "restricted"},
    )
    assert "<script>alert" not in page.body
    assert page.scripted == []
    assert not any(link.lower().startswith("javascript") for link in page.links)
    assert page.body.count("<script") == page.body.count("<script src=") + 1  # JSON-LD


def test_a_cleaned_description_is_shown_as_it_is() -> None:
    assert description_html("<p>a <b>b</b></p>") == "<p>a <b>b</b></p>"
    assert description_html("a <b>b</b>") == "<p>a <b>b</b></p>"
    assert description_html(None) == ""


def test_a_plain_description_gets_paragraphs_and_links() -> None:
    assert description_html("See (https://x.org/a?b=1&amp;c), and\n\nhttps://y.org.") == (
        '<p>See (<a href="https://x.org/a?b=1&amp;c">https://x.org/a?b=1&amp;c</a>), and</p>'
        '<p><a href="https://y.org">https://y.org</a>.</p>'
    )
    assert 'onx="' not in description_html('https://x.org/"onx="1')


@pytest.mark.parametrize(
    ("state", "said", "linked"),
    [
        ("registered", "", True),
        ("external", "Registered elsewhere", True),
        ("reserved", "Its registration is under way", False),
        ("failed", "Its registration failed", False),
        ("local", "Not registered: this server's registrar is local", False),
    ],
)
def test_the_page_says_whether_the_doi_is_registered(state: str, said: str, linked: bool) -> None:
    page = shown(doi_state=state)
    assert said in page.text
    assert ("https://doi.org/10.5072/strongroom.1042" in page.links) is linked


def test_embargoed_files_say_when_they_open() -> None:
    page = shown(
        access={"files": "restricted", "embargo_until": "2027-03-01", "embargo_reason": "A patent."},
        files=None,
        file_count=3,
    )
    assert "The files open on 1 March 2027. A patent." in page.text
    assert "Embargoed" in page.text
    assert not any("/files/" in link or "files-archive" in link for link in page.links)


def test_restricted_files_say_on_which_conditions() -> None:
    page = shown(access={"files": "restricted", "conditions": "<p>Ask <b>us</b>.</p>"}, files=None)
    assert "The files are restricted." in page.text
    assert "<p>Ask <b>us</b>.</p>" in page.body
    assert "Conditions Ask us." in page.text


def test_closed_files_are_called_closed() -> None:
    page = shown(access={"files": "restricted", "requests": False}, files=None)
    assert "The files are closed. They are kept here, and nobody can ask for access." in page.text
    assert "Restricted" not in page.text


def test_who_has_access_sees_the_files_and_why() -> None:
    page = shown(access={"files": "restricted"})
    assert "You see them because you have access." in page.text
    assert "/records/1042/files-archive" in page.links


def test_a_restricted_record_is_hidden_from_search_engines() -> None:
    page = shown(access={"record": "restricted", "files": "restricted"})
    assert page.metas("robots") == ["noindex"]
    assert page.json_ld == []
    assert page.metas("citation_title") == []
    assert shown().metas("robots") == []


def test_a_record_without_files_or_anything_else() -> None:
    page = shown(
        files=[],
        versions=[],
        doi=None,
        concept_doi=None,
        metadata={
            "creators": [],
            "description": None,
            "rights": [],
            "subjects": [],
            "publication_date": None,
            "version": None,
            "resource_type": None,
            "references": [],
            "related_identifiers": [],
            "funding": [],
            "languages": [],
        },
    )
    assert "This record has no files." in page.text
    assert "Metadata only" in page.text
    assert "It has no description." in page.text
    assert "None is given. Without one the law alone" in page.text
    assert "None" not in page.text.replace("None is given", "")


def test_an_older_version_says_so() -> None:
    view = record()
    older = dataclasses.replace(view, id=1011, index=1, versions=view.versions)
    page = Page(record_page(older, settings=SETTINGS))
    assert "There is a newer version of this record. Go to version 2" in page.text
    assert "There is a newer version" not in shown().text


def test_many_versions_are_cut_and_linked() -> None:
    versions = [VersionView(2000 + n, n, None, "2019", None, n == 300, CREATED) for n in range(1, 301)]
    page = shown(id=2001, index=1, latest_id=2300, versions=versions)
    listed = [link for link in page.links if re.fullmatch(r"/records/2\d\d\d", link)]
    assert "/records/2001" in listed
    assert len(listed) < 15
    assert "/search?q=conceptrecid%3A1969&all_versions=1" in page.links
    assert "289 more versions" in page.text


def test_many_creators_are_folded_and_their_affiliations_numbered() -> None:
    creators = [{"name": f"F{n}, G", "affiliations": [{"name": f"U{n % 3}"}]} for n in range(50)]
    page = shown(metadata={"creators": creators})
    assert "30 more creators" in page.text
    assert re.search(r"G F0</a><sup class=\"faint\">1</sup>", page.body)
    assert page.text.count("U2") == 1


def test_one_affiliation_is_given_only_to_those_who_have_it() -> None:
    some: list[dict[str, Any]] = [{"name": "A, A", "affiliations": [{"name": "ETH"}]}, {"name": "B, B"}]
    page = shown(metadata={"creators": some})
    assert re.findall(r"(. .)</a>(?:<sup class=\"faint\">(\d)</sup>)?</li>", page.body) == [
        ("A A", "1"),
        ("B B", ""),
    ]
    assert '<ol class="affs small faint" aria-label="Affiliations"><li>ETH</li></ol>' in page.body
    every = [{**creator, "affiliations": [{"name": "ETH"}]} for creator in some]
    page = shown(metadata={"creators": every})
    assert '<li class="faint small aff">ETH</li>' in page.body
    assert "<sup" not in page.body


@pytest.mark.parametrize(
    ("said", "links"),
    [
        ("Doe, 2020. doi:10.1038/s41588-018-0110-3.", ["https://doi.org/10.1038/s41588-018-0110-3"]),
        ("Doe (DOI: 10.1016/0022-1236(90)90147-D), p. 3", ["https://doi.org/10.1016/0022-1236(90)90147-D"]),
        ("10.5072/a; see https://example.org/x?a=b&c=(d).", ["https://doi.org/10.5072/a", "https://example.org/x?a=b&c=(d)"]),
        ("https://doi.org/10.5072/a", ["https://doi.org/10.5072/a"]),
        ("page 10.1234/x5.10.1234/y, javascript:10.1 and <b>10</b>", ["https://doi.org/10.1234/x5.10.1234/y"]),
        ("see 110.1234/x and http://", []),
        ("https://a.b/" + ")." * 100_000, ["https://a.b/"]),
        ("doi:10.1234/" * 20_000, None),
    ],
)  # fmt: skip
def test_what_references_name_is_linked(said: str, links: list[str] | None) -> None:
    page = shown(metadata={"references": [{"reference": said}]})
    listed = page.body.partition('<ol class="refs small">')[2].partition("</ol>")[0]
    assert Page(listed.encode()).text.strip() == said
    if links is not None:
        assert Page(listed.encode()).links == links


def test_a_reference_with_an_identifier_is_linked_as_a_whole() -> None:
    named = {"reference": "Doe <i>2020</i>", "identifier": "10.5072/a", "scheme": "doi"}
    assert (
        '<a href="https://doi.org/10.5072/a">Doe &lt;i&gt;2020&lt;/i&gt;</a>'
        in shown(metadata={"references": [named]}).body
    )


def test_the_owner_learns_how_to_go_on_and_nobody_else() -> None:
    viewer = Viewer(1, "a@example.org", "secret-csrf")
    page = shown(may_edit=True, viewer=viewer)
    assert page.actions == {"/records/1042/edit", "/records/1042/new-version"}
    assert 'value="secret-csrf"' in page.body
    assert "Log out" in page.text
    assert shown().actions == shown(may_edit=True).actions == set()
    going_on = shown(may_edit=True, viewer=viewer, next_draft_id=1050)
    assert going_on.actions == {"/records/1042/edit"}
    assert "/uploads/1050" in going_on.links
    assert "Log out" not in shown().text


# -- files


def test_files_stand_in_their_folders() -> None:
    rows = file_rows(FILES, SETTINGS, 1042, whole=True)
    assert [(r.name, r.folder, r.count) for r in rows if r.folder] == [
        ("isa-tab/", True, 4),
        ("validated/", True, 4),
    ]
    assert rows[0].inside is False
    assert rows[3].inside is True
    assert rows[2].size == sum(f.size for f in FILES[2:6])
    sounds = file_rows([file("a.wav"), file("b.mp3"), file("c.bin")], SETTINGS, 1042, whole=True)
    assert [r.icon for r in sounds] == ["audio", "audio", "file"]


def test_files_beside_folders_come_first_and_folders_once() -> None:
    keys = ["a/1", "a/b/2", "a/c", "m.txt", "z/9"]
    rows = [r.key for r in file_rows([file(k) for k in keys], SETTINGS, 1, whole=True)]
    assert rows[0] == "m.txt"
    assert set(rows) == {"m.txt", "a/", "a/1", "a/b/", "a/b/2", "a/c", "z/", "z/9"}


class Tree(HTMLParser):
    """The list of files as it is nested: (folder, whether it is open, what is in it) and names of files."""

    def __init__(self, *keys: str) -> None:
        super().__init__()
        self.top: list[Any] = []
        self.within: list[list[Any]] = [self.top]
        self.named = self.folder = False
        self.feed(file_tree(file_rows([file(k) for k in keys], SETTINGS, 1, whole=True), texts("en")))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "details":
            self.within[-1].append(["", "open" in dict(attrs), []])
            self.within.append(self.within[-1][-1][2])
        self.folder = self.folder or tag == "summary"
        self.named = self.named or ("class", "name") in attrs

    def handle_endtag(self, tag: str) -> None:
        if tag == "details":
            self.within.pop()

    def handle_data(self, data: str) -> None:
        if self.named and self.folder:
            self.within[-2][-1][0] = data.strip()
        elif self.named and data.strip():
            self.within[-1].append(data)
        if data.strip():
            self.named = self.folder = False


def test_folders_are_opened_and_closed() -> None:
    assert Tree("b.txt", "a/c/2", "a/1", "d/3", "e").top == [
        "b.txt",
        "e",
        ["a/", True, ["1", ["c/", True, ["2"]]]],
        ["d/", True, ["3"]],
    ]


def test_a_long_list_begins_with_its_outermost_folders_closed() -> None:
    many = [f"{outer}/{inner}/{n}" for outer in "ab" for inner in "xy" for n in range(20)]
    outer = Tree("m", *many).top
    assert [f if isinstance(f, str) else tuple(f[:2]) for f in outer] == ["m", ("a/", False), ("b/", False)]
    assert [f[:2] for f in outer[1][2]] == [["x/", False], ["y/", False]]
    # A folder around them all is not worth a click.
    around = Tree(*(f"all/of/it/{key}" for key in many)).top
    assert around[0][:2] == ["all/", True]
    assert around[0][2][0][2][0][:2] == ["it/", True]
    assert [f[:2] for f in around[0][2][0][2][0][2]] == [["a/", False], ["b/", False]]


def test_fifty_thousand_files_are_shown_a_page_at_a_time() -> None:
    files = [file(f"f{n:05}.csv") for n in range(50_000)]
    body = record_page(record(files=files), settings=SETTINGS, files_page=3)
    page = Page(body)
    listed = [link for link in page.links if link.endswith(".csv") and "/preview/" not in link]
    assert len(listed) == FILES_A_PAGE
    assert listed[0].endswith("/f01000.csv")
    assert "/records/1042?files_page=100#files" in page.links
    assert len(body) < 500_000
    assert len(page.json_ld[0]["distribution"]) == 100


def test_a_slice_of_the_files_is_taken_for_the_page_asked_for() -> None:
    part = [file(f"f{n:05}.csv") for n in range(500, 1000)]
    page = shown(files=part, file_count=1300, files_page=2)
    assert len([link for link in page.links if link.endswith(".csv?download=1")]) == 500
    assert "Page 3" in page.body
    assert shown(files=part, file_count=1300, files_page=99)


def test_the_command_to_fetch_a_file_is_safe_to_paste() -> None:
    page = shown(files=[file("it's $(rm -rf).csv")])
    assert "curl -fL -C - -o 'it'\"'\"'s $(rm -rf).csv' " in page.text


@pytest.mark.parametrize("access", [{"files": "restricted"}, {"record": "restricted"}])
def test_what_fetches_files_that_are_not_public_takes_a_token(access: dict[str, str]) -> None:
    page = shown(access=access)
    for said, times in (
        ('curl -fL -H "Authorization: Bearer $TOKEN" ', 2),
        ('"Bearer " + os.environ["TOKEN"]', 1),
        (", downloader=asked)", 1),
        (", headers = asked)", 2),
        ("Make a token", 1),
    ):
        assert page.text.count(said) == times, said
    assert "/account/settings/applications" in page.links
    assert "TOKEN" not in shown().text
    by_link = Page(record_page(record(access=access), settings=SETTINGS, by_link=True))
    assert "#fetch" not in by_link.links
    assert "curl" not in by_link.text
    assert "#fetch" in Page(record_page(record(), settings=SETTINGS, by_link=True)).links


# -- languages, helpers


def test_the_page_in_german() -> None:
    page = shown(lang="de", stats={"views": 2846, "downloads": 1})
    for text in ("Offen", "Datensatz", "13. März 2019", "414,6 KB", "Zitiervorschlag", "2.846", "Englisch"):
        assert text in page.text, text
    for english in ("Download", "Licence", "Files", "Related"):
        assert english not in re.sub(r"https?://\S+", "", page.text), english


def test_the_header_is_signposting() -> None:
    assert link_header(record(), SETTINGS).startswith("<https://doi.org/10.5072/strongroom.1042>")


@pytest.mark.parametrize(
    ("current", "last", "expected"),
    [
        (1, 1, [1]),
        (1, 3, [1, 2, 3]),
        (5, 5, [1, 2, 3, 4, 5]),
        (1, 16, [1, 2, 3, None, 16]),
        (8, 16, [1, None, 6, 7, 8, 9, 10, None, 16]),
        (16, 16, [1, None, 14, 15, 16]),
    ],
)
def test_page_numbers(current: int, last: int, expected: list[int | None]) -> None:
    assert pages(current, last) == expected


def test_searches_are_quoted() -> None:
    assert phrase_url("keywords", "rose scent") == "/search?q=keywords%3A%22rose+scent%22"
    assert phrase_url("keywords", 'a"b\\é') == search_url('keywords:"a\\"b\\\\é"')
