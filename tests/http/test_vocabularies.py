"""`/api/vocabularies` and its sisters: the shapes of Zenodo's own answers, searches, languages, who may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from strongroom.metadata import vocabularies
from strongroom.settings import Settings
from strongroom.vocabularies import loading
from tests.app import Answer, Reader, Site
from tests.metadata.zenodo_documents import SHARED
from tests.vocabularies.conftest import SAMPLES

LIVE = SHARED / "golden" / "live" / "rdm"
VENDOR = {"accept": "application/vnd.inveniordm.v1+json"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(
        Settings(data_dir=tmp_path_factory.mktemp("data"), base_url="http://testserver", rate_limits="off")
    ).start()
    for source, name in (("ror", "ror.zip"), ("awards", "awards.tar"), ("orcid", "orcid.tar.gz")):
        loading.load(site.ctx.db, source, SAMPLES / name)
    for name in ("subjects-mesh.xml", "subjects-euroscivoc.rdf"):
        loading.load(site.ctx.db, "subjects", SAMPLES / name)
    yield site
    site.stop()


@pytest.fixture(scope="module")
def reader(site: Site) -> Reader:
    return site.reader("reader")


def kind_of(value: Any) -> Any:
    """Names and types of an answer; of a list what its first has."""
    if isinstance(value, dict):
        return {key: kind_of(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [kind_of(value[0])] if value else []
    return type(value).__name__


# What only one of ours has (the site it was recorded from had other entries) or what texts are there.
LOOSE = {
    "title",
    "description",
    "aliases",
    "identifiers",
    "organizations",
    "short_description",
    "domains",
    "props",
    "acronym",
    "program",
}


def has_all(expected: Any, found: Any, path: str = "") -> list[str]:
    if isinstance(expected, dict) and isinstance(found, dict):
        return [
            wrong
            for key, inner in expected.items()
            for wrong in (
                []
                if key in LOOSE and (key not in found or type(found[key]) is type(inner))
                else [f"{path}.{key} is missing"]
                if key not in found
                else has_all(inner, found[key], f"{path}.{key}")
            )
        ]
    if isinstance(expected, list) and isinstance(found, list):
        return has_all(expected[0], found[0], f"{path}[0]") if expected and found else []
    return [] if expected == found else [f"{path}: {expected} is {found}"]


RECORDED = [
    name for number in (*range(225, 241),) for name in sorted(p.name for p in LIVE.glob(f"{number}_*.json"))
]


@pytest.mark.parametrize("name", [name for name in RECORDED if "award_200" not in name])
def test_answers_have_the_names_and_types_of_zenodos(site: Site, reader: Reader, name: str) -> None:
    said = json.loads((LIVE / name).read_text())
    request, response = said["request"], said["response"]
    who = None if request["headers"]["(as)"] == "anonymous" else reader
    answer = site.ask("GET", request["path"], who)
    assert answer.status == response["status"]
    expected = kind_of(response["body"])
    assert has_all(expected, kind_of(answer.json())) == []
    if response["status"] != 200:
        assert answer.json()["message"] == response["body"]["message"]
    elif "sortBy" in response["body"]:
        assert answer.json()["sortBy"] == response["body"]["sortBy"]
        base = "https://repository.example"
        assert answer.json()["links"]["self"] == response["body"]["links"]["self"].replace(
            base, "http://testserver"
        )


@pytest.mark.parametrize("kind", sorted(vocabularies.TYPES))
def test_every_shipped_vocabulary_is_there(site: Site, kind: str) -> None:
    answer = site.ask("GET", f"/api/vocabularies/{kind}?size=3").json()
    assert answer["hits"]["total"] == len(vocabularies.entries(kind))
    for hit in answer["hits"]["hits"]:
        again = site.ask("GET", hit["links"]["self"].removeprefix("http://testserver"))
        assert again.json() == hit
        assert again.headers["etag"] == '"1"'


def hits(answer: Answer) -> list[Any]:
    assert answer.status == 200, answer.body
    found: list[Any] = answer.json()["hits"]["hits"]
    return found


def ids(answer: Answer) -> list[str]:
    return [hit["id"] for hit in hits(answer)]


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("/api/languages?suggest=en", "eng"),
        ("/api/languages?suggest=german", "deu"),
        ("/api/languages?suggest=ger", "deu"),
        ("/api/languages?suggest=deut", "deu"),
        ("/api/vocabularies/languages?q=swiss german", "gsw"),
        ("/api/vocabularies/licenses?suggest=mit", "mit"),
        ("/api/vocabularies/code:programmingLanguages?suggest=pyth", "python"),
        ("/api/vocabularies/code:programmingLanguages?q=Fortran", "fortran"),
        ("/api/vocabularies/code:developmentStatus?suggest=aba", "abandoned"),
        ("/api/vocabularies/licenses?suggest=cc-by-4", "cc-by-4.0"),
        ("/api/vocabularies/licenses?q=id:cc0-1.0", "cc0-1.0"),
        ("/api/vocabularies/resourcetypes?suggest=journal a", "publication-article"),
        ("/api/vocabularies/resourcetypes?suggest=zeitschriftena", "publication-article"),
        ("/api/affiliations?suggest=ce", "01ggx4157"),
        ("/api/affiliations?suggest=kernforschung europ", "01ggx4157"),
        ("/api/affiliations?q=country:CH AND kernforschung", "01ggx4157"),
        ("/api/funders?suggest=10.13039/501100000780", "00k4n6c32"),
        ("/api/funders?suggest=snsf", "00yjd3n13"),
        ("/api/awards?suggest=phenom", "00k4n6c32::654241"),
        ("/api/awards?q=number:654241", "00k4n6c32::654241"),
        ("/api/subjects?suggest=clim", "http://id.nlm.nih.gov/mesh/D900000"),
    ],
)
def test_the_right_one_comes_first(site: Site, path: str, first: str) -> None:
    assert ids(site.ask("GET", quote(path, safe="/?=&:")))[:1] == [first]


def test_licences_of_today_come_before_those_they_replaced(site: Site) -> None:
    found = ids(site.ask("GET", "/api/vocabularies/licenses?suggest=affe&size=8"))
    assert found[:2] == ["agpl-3.0-only", "agpl-3.0-or-later"]
    assert set(found[2:4]) == {"agpl-1.0-only", "agpl-1.0-or-later"}
    assert ids(site.ask("GET", "/api/vocabularies/licenses?suggest=gnu affero"))[0] == "agpl-3.0-only"
    # The older is still found by its own name.
    assert ids(site.ask("GET", "/api/vocabularies/licenses?suggest=agpl-1.0-only")) == ["agpl-1.0-only"]
    zoo = ids(site.ask("GET", "/api/vocabularies/licenses?suggest=GNU General Public License v2&size=20"))
    exceptions = [zoo.index(id) for id in zoo if "-with-" in id]
    assert exceptions
    assert min(exceptions) >= zoo.index("gpl-2.0-only")


def test_licences_are_suggested_as_they_were(site: Site) -> None:
    said = site.ask("GET", "/api/licenses/_suggest?text=Creative%20Commons%20Attribution%204").json()
    (found,) = said["text"]
    assert (found["text"], found["offset"], found["length"]) == ("Creative Commons Attribution 4", 0, 30)
    assert found["options"][0]["_source"]["id"] == "cc-by-4.0"
    assert found["options"][0]["text"] == "Creative Commons Attribution 4.0 International"
    assert len(site.ask("GET", "/api/licenses/_suggest?text=a&size=3").json()["text"][0]["options"]) == 3
    for empty in ("", "?text="):
        assert site.ask("GET", f"/api/licenses/_suggest{empty}").status == 400


def test_tags_narrow_a_list(site: Site) -> None:
    depositable = site.ask("GET", "/api/vocabularies/resourcetypes?tags=depositable&size=100")
    linkable = site.ask("GET", "/api/vocabularies/resourcetypes?tags=linkable&size=100")
    assert set(ids(linkable)) - set(ids(depositable)) == {"project", "instrument"}
    assert all(
        "recommended" in hit["tags"]
        for hit in hits(site.ask("GET", "/api/vocabularies/licenses?tags=recommended"))
    )


def test_pages_follow_each_other(site: Site) -> None:
    for path in (
        "/api/affiliations",
        "/api/awards",
        "/api/affiliations?suggest=un",
        "/api/vocabularies/licenses?q=public",
    ):
        join = "&" if "?" in path else "?"
        whole = ids(site.ask("GET", f"{path}{join}size=60"))
        url, found = f"{path}{join}size=20", []
        for _ in range(3):
            answer = site.ask("GET", url)
            found += ids(answer)
            url = answer.json()["links"].get("next", "").removeprefix("http://testserver")
            if not url:
                break
        assert found == whole
        assert len(set(found)) == len(found) > 20


@pytest.mark.parametrize(
    "query", ["size=0", "page=0", "page=x", "size=-1", "page=200&size=100", "sort=nope", "q=a&suggest=b", "size=99999999999"]
)  # fmt: skip
def test_what_can_not_be_asked_is_400(site: Site, query: str) -> None:
    for path in ("/api/affiliations", "/api/vocabularies/licenses"):
        assert site.ask("GET", f"{path}?{query}").status == 400


@pytest.mark.parametrize(
    "q",
    [
        "(",
        '"',
        "a:",
        "AND",
        "*",
        "[x TO",
        "a\\",
        "title:(x OR",
        "~",
        "^",
        "/x/",
        "😀",
        "\x00",
        "a" * 5000,
        "NOT x",
    ],
)
def test_no_query_is_a_server_error(site: Site, q: str) -> None:
    for path in ("/api/affiliations", "/api/vocabularies/licenses"):
        for name in ("q", "suggest"):
            assert site.ask("GET", f"{path}?{name}={quote(q)}").status == 200


def test_texts_in_the_readers_language(site: Site) -> None:
    path = "/api/vocabularies/resourcetypes/publication-article"
    assert site.ask("GET", f"{path}?ln=de", headers=VENDOR).json()["title"] == "Zeitschriftenartikel"
    assert (
        site.ask("GET", path, headers={**VENDOR, "accept-language": "es-ES,en"}).json()["title"]
        == "Artículo de revista"
    )
    assert site.ask("GET", f"{path}?ln=xx", headers=VENDOR).json()["title"] == "Journal article"
    assert (
        site.ask("GET", "/api/affiliations/01ggx4157?ln=fr", headers=VENDOR)
        .json()["title_l10n"]
        .startswith("Organisation")
    )
    assert site.ask("GET", path, headers={"accept": "text/csv"}).status == 406


def test_licences_in_the_words_of_the_older_api(site: Site) -> None:
    for given in ("cc-by-4.0", "CC-BY-4.0", "cc-by"):
        answer = site.ask("GET", f"/api/licenses/{given}").json()
        assert answer["id"] == "cc-by-4.0"
        assert set(answer["metadata"]) == {
            "id", "title", "url", "domain_content", "domain_data", "domain_software", "family", "maintainer", "status",
            "od_conformance", "osd_conformance",
        }  # fmt: skip
        assert answer["metadata"]["domain_content"] is True
        assert answer["metadata"]["od_conformance"] == "approved"
    assert site.ask("GET", "/api/licenses/cc0-1.0").json()["metadata"]["id"] == "cc-zero"
    assert "metadata" in hits(site.ask("GET", "/api/licenses/?q=mit&size=1"))[0]


def test_subjects_have_addresses_for_ids(site: Site) -> None:
    id = "http://id.nlm.nih.gov/mesh/D900000"
    for path in (f"/api/subjects/{quote(id, safe='')}", f"/api/subjects/{id}", f"/api/subjects/{quote(id)}"):
        assert site.ask("GET", path).json()["id"] == id
    assert site.ask("GET", "/api/subjects/euroscivoc:9").json()["scheme"] == "EuroSciVoc"


def test_people_are_for_those_who_are_signed_in(site: Site, reader: Reader) -> None:
    for path in (
        "/api/names?suggest=carb",
        "/api/names/0000-0002-1825-0097",
        "/api/names/orcid/0000-0002-1825-0097",
    ):
        assert site.ask("GET", path).status == 403
        answer = site.ask("GET", path, reader)
        assert "Carberry, Josiah" in answer.text
        assert "no-store" in answer.headers["cache-control"]


def test_awards_are_counted_by_funder(site: Site) -> None:
    answer = site.ask("GET", "/api/awards?size=1").json()
    counted = {bucket["key"]: bucket["doc_count"] for bucket in answer["aggregations"]["funders"]["buckets"]}
    assert sum(counted.values()) == answer["hits"]["total"] == 303
    one = site.ask("GET", "/api/awards?funders=00yjd3n13&size=1").json()
    assert one["hits"]["total"] == counted["00yjd3n13"]
    (bucket,) = one["aggregations"]["funders"]["buckets"]
    assert bucket["is_selected"] is True
    assert bucket["label"].startswith("Swiss National Science Foundation")


def test_an_unchanged_term_is_304(site: Site) -> None:
    answer = site.ask("GET", "/api/funders/00k4n6c32")
    assert (
        site.ask("GET", "/api/funders/00k4n6c32", headers={"if-none-match": answer.headers["etag"]}).status
        == 304
    )
