"""Citations in any style, at the page's door and at the API's."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

import pytest
from starlette.requests import Request

from strongroom.http import citations
from strongroom.http.limits import CITE, Limits
from strongroom.metadata.exports import ExportRecord
from strongroom.metadata.model import Metadata, RecordData
from tests.app import Site, running
from tests.web.samples import FULL, ROSE, SETTINGS, record


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("citations")) as site:
        yield site


@pytest.fixture(scope="module")
def record_id(site: Site) -> int:
    owner = site.reader("owner").actor
    made = site.desk.create(owner, RecordData(metadata=Metadata.model_validate(ROSE)))
    site.desk.put(owner, made, "a.txt", b"a")
    site.desk.publish(owner, made)
    return made


def cited(style: str, locale: str = "en-US", **changes: object) -> citations.Citation:
    made = ExportRecord.of(record(**changes), SETTINGS)
    return citations.citation(made, citations.style_of(style), citations.locale_of(locale))


@pytest.mark.parametrize(
    ("style", "begins"),
    [
        ("apa", "Rocca-Serra, P., & Sansone, S. A. (2019). Frictionless"),
        ("harvard-cite-them-right", "Rocca-Serra, P. and Sansone, S.A. (2019) “Frictionless"),
        ("modern-language-association", "Rocca-Serra, P., and S. A. Sansone. “Frictionless"),
        ("vancouver", "1. Rocca-Serra P, Sansone SA. Frictionless"),
        ("chicago-author-date", "Rocca-Serra, P., and S. A. Sansone. 2019. “Frictionless"),
        ("ieee", "[1] P. Rocca-Serra and S. A. Sansone, “Frictionless"),
        ("plos-one", "1. Rocca-Serra P, Sansone SA."),  # another journal's style by its own name
        (
            "chicago-fullnote-bibliography",
            "Rocca-Serra, P., and S. A. Sansone. “Frictionless",
        ),  # Zenodo's name
    ],
)
def test_the_styles_of_the_page_and_others(style: str, begins: str) -> None:
    found = cited(style)
    assert found.text.startswith(begins)
    assert "10.5072/strongroom.1042" in found.text


@pytest.mark.parametrize(
    ("locale", "title", "quoted"),
    [
        ("en-US", "Rose scent", "“Rose Scent.” "),
        ("en-GB", "Rose scent", "‘Rose Scent’. "),
        ("de-DE", "Rose scent", "„Rose Scent“. "),
        ("en-US", "Why roses?", "“Why Roses?” "),
        # What stands in the title itself stays as it was written.
        ("en-US", "Scent of ”old”, and <new>", "“Scent of ”old”, and <new>.” "),
    ],
)
def test_stops_stand_inside_of_quotes_where_the_language_wants_it(
    locale: str, title: str, quoted: str
) -> None:
    assert quoted in cited("modern-language-association", locale, metadata={"title": title}).text


def test_what_is_offered_exists() -> None:
    assert {style for style, _ in citations.OFFERED} <= citations.names()


def test_a_locale_changes_words() -> None:
    metadata = {"creators": ROSE["creators"] * 4}
    assert "und" in cited("harvard-cite-them-right", "de", metadata={"creators": ROSE["creators"]}).text
    assert cited("apa", "de", metadata=metadata).text != cited("apa", "fr-FR", metadata=metadata).text


def test_titles_are_text_and_never_markup() -> None:
    found = cited("cell", metadata=FULL)
    assert "</script><script>alert('x')</script>" in found.text
    assert "<script" not in found.html
    assert '1 < 2 & "quoted"' in found.text


def test_five_thousand_names_are_shortened_first() -> None:
    many = [{"name": f"Family{n}, Given"} for n in range(5000)]
    assert len(cited("harvard-cite-them-right-no-et-al", metadata={"creators": many}).text) < 4000


def test_at_the_pages_door(site: Site, record_id: int) -> None:
    address = f"/records/{record_id}/citation"
    plain = site.ask("GET", address, style="ieee")
    assert plain.headers["content-type"] == "text/plain; charset=utf-8"
    assert plain.body.decode().startswith("[1] P. Rocca-Serra")
    assert (
        site.ask("GET", address, style="ieee", headers={"if-none-match": plain.headers["etag"]}).status == 304
    )
    line = site.ask("GET", address, format="html")
    assert line.headers["content-type"] == "text/html; charset=utf-8"
    assert b"<i>Frictionless" in line.body
    page = site.ask("GET", address, headers={"accept": "text/html"}, style="nature")
    assert b"1. Rocca-Serra, P. &amp; Sansone" in page.body
    assert "content-security-policy" in page.headers
    assert (
        site.ask("GET", f"/records/{record_id - 1}/citation", style="apa")
        .headers["location"]
        .endswith(f"/records/{record_id}/citation?style=apa")
    )


def test_an_unknown_style_says_which_are_near(site: Site, record_id: int) -> None:
    wrong = site.ask(
        "GET", f"/api/records/{record_id}", headers={"accept": "text/x-bibliography"}, style="natur"
    )
    assert wrong.status == 400
    assert wrong.json()["message"].startswith("Citation string style not found. Near to it: nature")
    page = site.ask(
        "GET", f"/records/{record_id}/citation", headers={"accept": "text/html"}, style="<b>natur"
    )
    assert page.status == 400
    assert b"&lt;b&gt;natur" in page.body
    assert b"style=nature" in page.body
    assert site.ask("GET", f"/records/{record_id}/citation", locale="xx").status == 400
    for path in ("../../../etc/passwd", "dependent/plos-one", "a" * 5000, ""):
        answer = site.ask("GET", f"/records/{record_id}/citation?style={path}")
        assert answer.status == (200 if not path else 400)


def test_an_unknown_style_is_compared_with_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """All 10,000 names took 1.5 s, at a door that asks nobody who he is."""
    compared: list[int] = []
    compare = difflib.get_close_matches

    def counted(word: str, among: list[str], most: int, cutoff: float) -> list[str]:
        compared.append(len(among))
        return compare(word, among, most, cutoff)

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    citations._near.cache_clear()
    long = "journal-of-the-american-medical-society-of-x-and-y-and-zzzz-for-abc-xyz-studies-of-a"
    for style, expected in (
        (long, "journal"),
        ("chcago-author-date", "chicago-author-date"),
        ("Natur ", "nature"),
    ):
        for _ in range(3):  # the page asks twice, and so do others
            assert any(near.startswith(expected) for near in citations.near(style))
    assert len(compared) == 3
    assert max(compared) <= 200


def test_citations_have_a_limit_of_their_own(site: Site) -> None:
    limits = Limits(site.settings)
    request = Request({"type": "http", "headers": [], "query_string": b"", "client": ("192.0.2.1", 1)})
    share = limits.share(request, "/records/12/citation")
    assert (share.item, share.item.amount) == (CITE, 60)
    assert limits.share(request, "/records/12").item is not CITE


@pytest.mark.parametrize(
    ("accept", "query"),
    [
        ("text/x-bibliography", "?style=ieee&locale=en-GB"),
        ("text/x-bibliography; style=ieee; locale=en-GB", ""),
        ("text/x-bibliography;style=ieee", ""),
    ],
)
def test_by_accept_at_both_doors(site: Site, record_id: int, accept: str, query: str) -> None:
    api = site.ask("GET", f"/api/records/{record_id}{query}", headers={"accept": accept})
    assert api.headers["content-type"] == "text/plain; charset=utf-8"
    assert api.body.decode().startswith("[1] P. Rocca-Serra")
    assert 'rel="linkset"' in api.headers["link"]
    page = site.ask("GET", f"/records/{record_id}{query}", headers={"accept": accept})
    assert page.status == 303
    led = site.ask("GET", page.headers["location"].removeprefix("http://testserver"))
    assert led.body.decode().startswith("[1] P. Rocca-Serra")


@pytest.mark.parametrize(
    ("name", "media_type", "ending", "begins"),
    [
        ("bibtex", "application/x-bibtex", "bib", b"@dataset{rocca_serra_2019_"),
        ("ris", "application/x-research-info-systems", "ris", b"TY  - DATA\r\n"),
        ("csl", "application/vnd.citationstyles.csl+json", "json", b"{"),
    ],
)
def test_what_programs_for_references_read(
    site: Site, record_id: int, name: str, media_type: str, ending: str, begins: bytes
) -> None:
    file = site.ask("GET", f"/records/{record_id}/export/{name}")
    assert file.headers["content-disposition"] == f'attachment; filename="{record_id}.{ending}"'
    assert file.headers["content-type"].startswith(media_type)
    assert file.body.startswith(begins)
    assert site.ask("GET", f"/api/records/{record_id}", headers={"accept": media_type}).status == 200
