"""Exports: their shapes against Zenodo's, their schemas, and what must survive the way there."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

import pytest
from datacite import schema45

from strongroom.metadata import vocabularies
from strongroom.metadata.exports import (
    FORMATS,
    ExportRecord,
    bibtex,
    csl,
    datacite,
    ris,
    schemaorg,
    signposting,
)
from strongroom.metadata.exports.citation import apa, authors
from strongroom.metadata.exports.links import identifier_url, licence, safe_url
from strongroom.metadata.exports.names import initials, natural, parts
from strongroom.metadata.exports.terms import datacite_type, schema_type
from strongroom.metadata.exports.text import shorten
from strongroom.metadata.model import Person, Right
from tests.web.samples import FULL, SETTINGS, file, record


def export(**changes: Any) -> ExportRecord:
    return ExportRecord.of(record(**changes), SETTINGS)


# -- names and citations


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        ({"name": "Curie, Marie"}, ("Curie", "Marie")),
        ({"name": "x", "family_name": "Curie", "given_name": "Marie"}, ("Curie", "Marie")),
        ({"name": "Marie Curie"}, ("Marie Curie", "")),
        ({"name": "European Commission"}, ("European Commission", "")),
        ({"name": "Curie, Inc.", "type": "organizational"}, ("Curie, Inc.", "")),
        (
            {
                "name": "Ludwig van der Rohe",
                "identifiers": [{"scheme": "orcid", "identifier": "0000-0002-1825-0097"}],
            },
            ("van der Rohe", "Ludwig"),
        ),
        (
            {"name": "Voltaire", "identifiers": [{"scheme": "orcid", "identifier": "0000-0002-1825-0097"}]},
            ("Voltaire", ""),
        ),
    ],
)
def test_a_name_is_parted_only_where_that_is_safe(person: dict[str, Any], expected: tuple[str, str]) -> None:
    assert parts(Person.model_validate(person)) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [("Marie", "M."), ("Jean-Luc Marie", "J.-L. M."), ("J. R.R.", "J. R. R."), ("", ""), ("Ümit", "Ü.")],
)
def test_initials(given: str, expected: str) -> None:
    assert initials(given) == expected


def test_natural_order() -> None:
    assert natural(Person(name="Curie, Marie")) == "Marie Curie"
    assert natural(Person(name="Marie Curie")) == "Marie Curie"
    assert natural(Person(name="ETH, Zürich", type="organizational")) == "ETH, Zürich"


def test_the_rose_is_cited_as_the_house_style_shows_it() -> None:
    assert apa(export()).text == (
        "Rocca-Serra, P., & Sansone, S. A. (2019). Frictionless Tabular data package for GC-MS data from Rose Genome "
        "article published in Nature genetics, June, 2018 (Version 2) [Data set]. Strongroom. "
        "https://doi.org/10.5072/strongroom.1042"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"title": "Why?", "version": "v1.2", "resource_type": "software", "publisher": "Press Inc."},
            "Why? (Version 1.2) [Computer software]. Press Inc. ",
        ),
        ({"title": "Why?", "version": None, "resource_type": "publication-report"}, "Why? Strongroom. "),
        ({"title": "T", "version": "Version 3", "resource_type": "other"}, "T (Version 3). Strongroom. "),
        ({"title": "T", "publication_date": None, "version": None}, "(n.d.). T [Data set]. Strongroom. "),
        ({"title": "T", "creators": [], "version": None}, "T [Data set]. (2019). Strongroom. "),
        (
            {
                "title": "On rivers",
                "resource_type": "publication-article",
                "custom": {
                    "journal:journal": {"title": "J. Water", "volume": "3", "issue": "2", "pages": "1-9"}
                },
            },
            "On rivers. J. Water, 3(2), 1-9. ",
        ),
    ],
)
def test_citations(changes: dict[str, Any], expected: str) -> None:
    text = apa(export(metadata=changes)).text
    assert text.endswith(expected + "https://doi.org/10.5072/strongroom.1042")


def test_of_many_authors_the_first_nineteen_and_the_last_are_named() -> None:
    people = [Person(name=f"N{n}, A") for n in range(25)]
    assert authors(people[:20]).endswith("N18, A., & N19, A.")
    assert authors(people).endswith("N18, A., … N24, A.")
    assert authors(people).count("N") == 20
    assert authors([]) == ""


def test_a_withdrawn_record_is_cited_as_such() -> None:
    assert "[Data set, withdrawn]" in apa(export(), withdrawn=True).text


# -- links and terms


@pytest.mark.parametrize(
    "bad", ["javascript:alert(1)", "http://", "https:///x", "ftp://x", 'https://x/"', "https://x y", "", None]
)
def test_only_web_addresses_become_links(bad: str | None) -> None:
    assert safe_url(bad) is None


def test_identifiers_lead_somewhere() -> None:
    assert identifier_url("doi", "10.1/a b") is None
    assert (
        identifier_url("doi", "10.1002/(SICI)1<1::AID>3.0")
        == "https://doi.org/10.1002/(SICI)1%3C1::AID%3E3.0"
    )
    assert identifier_url("orcid", "0000-0002-1825-0097") == "https://orcid.org/0000-0002-1825-0097"
    assert identifier_url(None, "anything") is None


def test_a_licence_is_named_by_the_record_then_by_the_vocabulary() -> None:
    assert licence(Right(id="cc-by-4.0")) == (
        "Creative Commons Attribution 4.0 International",
        "https://creativecommons.org/licenses/by/4.0/",
    )
    assert licence(Right(title="Mine", link="javascript:x")) == ("Mine", None)


def test_every_resource_type_has_a_class_and_a_datacite_type() -> None:
    allowed = set(schema45.validator.schema["definitions"]["resourceTypeGeneral"]["enum"])
    for id in vocabularies.resource_types():
        assert re.fullmatch(r"[A-Z]\w+", schema_type(id)), id
        # Kernel 4.5, the newest with a JSON schema, lacks types of 4.6 and 4.7.
        assert datacite_type(id)[0] in allowed | {"Award", "Project"}, id
    assert schema_type("nobody-knows") == schema_type(None) == "CreativeWork"
    assert datacite_type("poster") == ("Text", "Poster")


def test_shortening_keeps_words_whole() -> None:
    assert shorten("one two three", 13) == "one two three"
    assert shorten("one two three", 12) == "one two…"
    assert shorten("x" * 30, 10) == "x" * 9 + "…"


# -- schema.org


def test_json_ld_has_what_google_dataset_search_asks_for() -> None:
    doc = schemaorg.node(export())
    assert doc["@type"] == "Dataset"
    assert doc["@id"] == doc["identifier"] == "https://doi.org/10.5072/strongroom.1042"
    assert 50 <= len(doc["description"]) <= 5000
    assert doc["creator"][0] == {
        "@id": "https://orcid.org/0000-0001-9853-5668",
        "@type": "Person",
        "name": "Philippe Rocca-Serra",
        "givenName": "Philippe",
        "familyName": "Rocca-Serra",
        "affiliation": [{"@type": "Organization", "name": "University of Oxford"}],
    }
    assert doc["license"] == "https://creativecommons.org/licenses/by/4.0/"
    assert doc["isAccessibleForFree"] is True
    assert doc["distribution"][7] == {
        "@type": "DataDownload",
        "contentUrl": "https://data.example.org/api/records/1042/files/validated/table%20one%23%2B.csv/content",
        "encodingFormat": "text/csv",
        "contentSize": "121.85 KB",
        "name": "validated/table one#+.csv",
        "sha256": file("validated/table one#+.csv").sha256,
    }
    assert doc["citation"][0]["@id"] == "https://doi.org/10.1038/s41588-018-0110-3"


def test_json_ld_keeps_the_keys_and_types_of_zenodos(golden_json_ld: dict[str, Any]) -> None:
    doc = schemaorg.node(export(metadata=FULL))
    # What Zenodo's has and schema.org does not know is said in schema.org's words (`isPartOf`, `pagination`).
    invented = {"container_title", "page", "volume", "issue"}
    missing = {k for k in golden_json_ld if k not in doc} - invented
    assert missing == set()
    several = {"license", "inLanguage"}  # one is an object, more are a list
    wrong = {k for k in golden_json_ld if k in doc and type(doc[k]) is not type(golden_json_ld[k])} - several
    assert wrong == set()
    person = golden_json_ld["creator"][0]
    assert {k: type(v) for k, v in person.items()} == {k: type(doc["creator"][0][k]) for k in person}


@pytest.fixture
def golden_json_ld() -> dict[str, Any]:
    """The body of golden/live/legacy/236 (Zenodo's own code, 22 November 2026), shortened."""
    person = {
        "name": "Curie, Marie",
        "givenName": "Marie",
        "familyName": "Curie",
        "affiliation": [{"@type": "Organization", "name": "Sorbonne"}],
        "@id": "https://orcid.org/0000-0002-1825-0097",
        "@type": "Person",
    }
    return {
        "@context": "http://schema.org",
        "@id": "https://doi.org/10.5281/zenodo.1000753",
        "@type": "https://schema.org/ScholarlyArticle",
        "identifier": "https://doi.org/10.5281/zenodo.1000753",
        "name": "River gauges of the Thur",
        "creator": [person],
        "author": [person],
        "editor": [person],
        "publisher": {"@type": "Organization", "name": "Press"},
        "keywords": "water, level",
        "dateCreated": "2026-11-22T08:37:22.436960+00:00",
        "dateModified": "2026-11-22T08:37:22.538445+00:00",
        "datePublished": "2026-11-22",
        "temporal": ["2024-01-01/2024-02-01", "2024-03-01"],
        "inLanguage": {"alternateName": "eng", "@type": "Language", "name": "English"},
        "contentSize": "15.0 B",
        "size": "15.0 B",
        "license": "https://creativecommons.org/licenses/by/4.0/legalcode",
        "description": "changed",
        "funding": [{"funder": {"@type": "Organization", "name": "European Commission"}, "name": "x"}],
        "url": "https://repository.example/records/1000753",
        "container_title": "J. Water",
        "page": "1-9",
        "volume": "3",
        "issue": "2",
    }


def test_json_ld_says_who_did_what_and_where_it_appeared() -> None:
    doc = schemaorg.node(export(metadata=FULL))
    assert [p["name"] for p in doc["editor"]] == ["Ed, Ida"]
    assert [p["name"] for p in doc["contributor"]] == ["Sup, Anna", "Helper, Hans"]
    assert doc["creator"][2]["@type"] == "Organization"
    assert doc["isPartOf"][1] == {
        "@type": "PublicationIssue",
        "issueNumber": "2",
        "isPartOf": {
            "@type": "PublicationVolume",
            "volumeNumber": "3",
            "isPartOf": {"@type": "Periodical", "name": "J. Water", "issn": "1234-5679"},
        },
    }
    assert doc["description"] == "Hourly levels of the Thur & its brooks. Second paragraph. one"
    assert doc["license"] == [
        "https://creativecommons.org/licenses/by-nc-sa/4.0/",
        "https://example.org/rules",
    ]


def test_json_ld_of_closed_files_names_no_download() -> None:
    doc = schemaorg.node(
        export(files=None, access={"files": "restricted", "conditions": "<p>Ask <b>us</b></p>"}, file_count=3)
    )
    assert "distribution" not in doc
    assert doc["isAccessibleForFree"] is False
    assert doc["conditionsOfAccess"] == "Ask us"
    doc = schemaorg.node(export(access={"files": "restricted", "embargo_until": date(2027, 1, 1)}))
    assert doc["conditionsOfAccess"] == "Embargoed until 2027-01-01"


def test_json_ld_cannot_end_its_script_element() -> None:
    text = schemaorg.script(export(metadata=FULL), 10)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text)["name"] == FULL["title"]


def test_json_ld_of_very_many_files_is_bounded() -> None:
    many = export(files=[file(f"f{n}") for n in range(1500)])
    assert len(schemaorg.node(many)["distribution"]) == 1000
    assert len(schemaorg.node(many, 7)["distribution"]) == 7


# -- DataCite


CLOSED = {"files": "restricted"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"metadata": FULL},
        {"metadata": {"creators": [], "publication_date": None, "rights": [], "languages": []}},
        {"metadata": FULL, "access": CLOSED, "files": None},
        {"access": {"files": "restricted", "embargo_until": "2027-03-01"}},
        {"metadata": {"resource_type": "poster", "creators": [{"name": "A"}, {"name": "A"}]}},
    ],
)
def test_datacite_json_fits_datacites_schema(changes: dict[str, Any]) -> None:
    record = export(**changes)
    for payload in (datacite.payload(record), datacite.concept_payload(record)):
        schema45.validator.validate(payload)


def test_datacite_says_what_the_record_says() -> None:
    doc = datacite.payload(export(metadata=FULL))
    assert doc["doi"] == "10.5072/strongroom.1042"
    assert doc["types"] == {"resourceType": "", "resourceTypeGeneral": "JournalArticle"}
    assert doc["publicationYear"] == "2026"
    assert doc["creators"][0]["nameIdentifiers"][0] == {
        "nameIdentifier": "0000-0002-1825-0097",
        "nameIdentifierScheme": "ORCID",
        "schemeUri": "https://orcid.org",
    }
    assert [c["contributorType"] for c in doc["contributors"]] == ["Supervisor", "DataCollector", "Editor"]
    assert {"date": "2024-01-01/2024-02-01", "dateInformation": "period", "dateType": "Collected"} in doc[
        "dates"
    ]
    assert doc["relatedIdentifiers"] == [
        {
            "relatedIdentifier": "10.1234/abc",
            "relatedIdentifierType": "DOI",
            "relationType": "IsSupplementTo",
            "resourceTypeGeneral": "JournalArticle",
        },
        {
            "relatedIdentifier": "arXiv:2101.00001",
            "relatedIdentifierType": "arXiv",
            "relationType": "IsPartOf",
        },
        {
            "relatedIdentifier": "10.5072/strongroom.1010",
            "relatedIdentifierType": "DOI",
            "relationType": "IsVersionOf",
        },
    ]
    assert doc["rightsList"][-1] == {"rightsUri": "info:eu-repo/semantics/openAccess"}
    assert doc["descriptions"][1:] == [
        {"description": "A note", "descriptionType": "Other"},
        {"description": "By eye", "descriptionType": "Methods"},
    ]
    assert doc["fundingReferences"][0] == {
        "funderName": "European Commission",
        "funderIdentifier": "https://ror.org/00k4n6c32",
        "funderIdentifierType": "ROR",
        "awardNumber": "283595",
        "awardTitle": "OpenAIREplus",
        "awardUri": "https://cordis.europa.eu/project/id/283595",
    }


def test_the_concept_doi_has_all_versions_and_none_of_its_own() -> None:
    doc = datacite.concept_payload(export())
    assert doc["doi"] == "10.5072/strongroom.1010"
    assert "version" not in doc
    related = [(r["relationType"], r["relatedIdentifier"]) for r in doc["relatedIdentifiers"]]
    assert ("HasVersion", "10.5072/strongroom.1042") in related
    assert ("HasVersion", "10.5072/strongroom.1011") in related
    assert "IsVersionOf" not in dict(related)


# -- signposting


def test_the_link_header_leads_programs_to_everything() -> None:
    value = signposting.header(export())
    assert value.startswith('<https://doi.org/10.5072/strongroom.1042> ; rel="cite-as" , ')
    assert '<https://orcid.org/0000-0001-9853-5668> ; rel="author"' in value
    assert (
        '<https://data.example.org/records/1042/export/json-ld> ; rel="describedby" ; type="application/ld+json"'
        in value
    )
    assert '<https://creativecommons.org/licenses/by/4.0/> ; rel="license"' in value
    assert '<https://schema.org/Dataset> ; rel="type"' in value
    assert '<https://data.example.org/records/1011> ; rel="predecessor-version"' in value
    assert value.count('rel="item"') == 10


def test_the_link_header_is_short_whatever_the_record() -> None:
    value = signposting.header(export(files=[file(f"folder/ü {n}.csv") for n in range(5000)]))
    assert len(value) <= signposting.HEADER_BYTES
    assert value.isascii()
    assert 'rel="linkset"' in value
    assert value.endswith('type="text/plain"')


def test_an_older_version_points_to_the_latest() -> None:
    newest = record()
    older = record(id=1011, index=1, latest_id=1042, versions=newest.versions)
    assert '<https://data.example.org/records/1042> ; rel="latest-version"' in signposting.header(
        ExportRecord.of(older, SETTINGS)
    )


def test_the_linkset_leads_there_and_back() -> None:
    here, *back = json.loads(signposting.render(export()))["linkset"]
    assert here["anchor"] == "https://data.example.org/records/1042"
    assert len(here["item"]) == 10
    assert {"describedby", "cite-as", "author", "license", "type"} <= set(here)
    assert all(b.get("collection") or b.get("describes") for b in back)


# -- for reference managers


def test_bibtex_is_written_as_zenodo_writes_it() -> None:
    made = bibtex.render(export()).decode()
    assert (
        made
        == """@dataset{rocca_serra_2019_1042,
  author       = {Rocca-Serra, Philippe and
                  Sansone, Susanna Assunta},
  title        = {Frictionless Tabular data package for GC-MS data
                  from Rose Genome article published in Nature
                  genetics, June, 2018},
  month        = mar,
  year         = 2019,
  publisher    = {Strongroom},
  version      = 2,
  doi          = {10.5072/strongroom.1042},
  url          = {https://doi.org/10.5072/strongroom.1042},
}"""
    )


@pytest.mark.parametrize(
    ("changes", "entry"),
    [
        ({}, "article"),
        ({"custom": {}}, "misc"),  # an article without its journal
        ({"resource_type": "publication-book"}, "book"),
        ({"resource_type": "publication-dissertation"}, "phdthesis"),
        ({"resource_type": "software"}, "software"),
        ({"resource_type": "software", "creators": []}, "misc"),
        ({"resource_type": None}, "misc"),
    ],
)
def test_a_bibtex_entry_has_all_that_it_requires(changes: dict[str, Any], entry: str) -> None:
    assert bibtex.render(export(metadata=FULL | changes)).decode().startswith(f"@{entry}{{")


def test_nothing_ends_a_bibtex_field_before_its_end() -> None:
    evil = {
        "title": "100% {of_$x & #1}} \\",
        "creators": [{"name": "European {Commission"}],
        "publication_date": None,
    }
    made = bibtex.render(export(metadata=FULL | evil)).decode()
    assert "100\\% (of\\_\\$x \\& \\#1)) \\textbackslash" in made
    assert made.count("{") == made.count("}")
    assert "author       = {{European (Commission}}" in made


def test_ris_has_one_value_a_line() -> None:
    text = ris.render(export(metadata=FULL | {"title": "one\ntwo\r\nER  - "})).decode()
    lines = text.split("\r\n")
    assert lines[0] == "TY  - JOUR"
    assert lines[-2:] == ["ER  - ", ""]
    assert "TI  - one two ER -" in lines
    assert {
        "AU  - Curie, Marie",
        "AU  - European Commission",
        "DA  - 2026/11/22",
        "SP  - 1",
        "EP  - 9",
    } <= set(lines)
    assert all(re.match(r"[A-Z][A-Z0-9]  - ", line) for line in lines[:-1])


def test_csl_json_has_the_names_of_the_standard() -> None:
    item = json.loads(csl.render(export(metadata=FULL)))
    assert (item["type"], item["container-title"], item["issued"]) == (
        "article-journal",
        "J. Water",
        {"date-parts": [[2026, 11, 22]]},
    )
    assert item["author"][2] == {"literal": "European Commission"}
    assert csl.date_parts("2019-03/2020") == [[2019, 3], [2020]]
    assert csl.date_parts("nonsense") == []


# -- the registry


@pytest.mark.parametrize("name", [name for name, f in FORMATS.items() if f.function])
def test_every_format_renders_every_record(name: str) -> None:
    function = FORMATS[name].function
    assert function is not None
    for changes in (
        {},
        {"metadata": FULL},
        {"files": None, "doi": None, "concept_doi": None, "versions": []},
    ):
        made = function(export(**changes))
        assert made
        if FORMATS[name].media_type.endswith("json"):
            assert json.loads(made)


def test_the_formats_that_signposting_names_exist() -> None:
    for link in signposting.links(export()):
        if link.rel in ("describedby", "linkset"):
            assert FORMATS[link.href.rpartition("/")[2]].media_type == link.type
