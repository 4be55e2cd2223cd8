from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from strongroom.errors import Invalid
from strongroom.metadata import rdm, rocrate

TODAY = date(2026, 11, 22)


def crate(*entities: dict[str, Any], **root: Any) -> dict[str, Any]:
    """A crate whose root says `root`, with these other entities."""
    return {
        "@context": "https://w3id.org/ro/crate/1.1/context",
        "@graph": [
            {
                "@id": "ro-crate-metadata.json",
                "@type": "CreativeWork",
                "about": {"@id": "./"},
                "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            },
            {"@id": "./", "@type": "Dataset", **root},
            *entities,
        ],
    }


def read(crate: object) -> Any:
    body, _ = rocrate.read(crate)
    return rdm.load(body, today=TODAY).data.metadata


def test_a_whole_description() -> None:
    m = read(
        crate(
            {
                "@id": "https://orcid.org/0000-0001-9853-5668",
                "@type": "Person",
                "name": "Philippe Rocca-Serra",
                "affiliation": {"@id": "https://ror.org/052gg0110"},
            },
            {"@id": "https://ror.org/052gg0110", "@type": "Organization", "name": "University of Oxford"},
            {
                "@id": "https://creativecommons.org/licenses/by/4.0/",
                "@type": "CreativeWork",
                "name": "CC BY 4.0",
            },
            {"@id": "#eng", "@type": "Language", "name": "English"},
            name="Rose scent",
            description="61 metabolites in 6 cultivars",
            datePublished="2019-03-13T10:00:00Z",
            author=[{"@id": "https://orcid.org/0000-0001-9853-5668"}, {"@id": "https://ror.org/052gg0110"}],
            license={"@id": "https://creativecommons.org/licenses/by/4.0/"},
            keywords="rose, scent , volatiles",
            publisher={"@id": "https://ror.org/052gg0110"},
            version=2,
            identifier="https://doi.org/10.1234/rose",
            inLanguage={"@id": "#eng"},
            funder={"@id": "https://ror.org/052gg0110"},
            citation={"@id": "https://doi.org/10.1126/science.aab0696"},
        )
    )
    assert m.title == "Rose scent"
    assert m.description == "61 metabolites in 6 cultivars"
    assert m.publication_date == "2019-03-13"
    first, second = m.creators
    assert (first.family_name, first.given_name, first.identifier("orcid")) == (
        "Rocca-Serra", "Philippe", "0000-0001-9853-5668",
    )  # fmt: skip
    assert [a.name for a in first.affiliations] == ["University of Oxford"]
    assert (second.type, second.name, second.identifier("ror")) == (
        "organizational", "University of Oxford", "052gg0110",
    )  # fmt: skip
    assert [r.id for r in m.rights] == ["cc-by-4.0"]
    assert m.keywords() == ["rose", "scent", "volatiles"]
    assert m.publisher == "University of Oxford"
    assert m.version == "2"
    assert [(i.scheme, i.identifier) for i in m.identifiers] == [("doi", "10.1234/rose")]
    assert m.languages == ["eng"]
    assert [f.funder.id for f in m.funding] == ["052gg0110"]
    assert [(r.relation, r.identifier) for r in m.related_identifiers] == [
        ("cites", "10.1126/science.aab0696")
    ]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"name": "Curie, Marie"}, ("Curie", "Marie")),
        ({"name": "Marie Skłodowska Curie"}, ("Curie", "Marie Skłodowska")),
        ({"familyName": "Curie", "givenName": "Marie", "name": "M. Curie"}, ("Curie", "Marie")),
        ({"name": "Plato"}, ("Plato", None)),
    ],
)
def test_names(given: dict[str, str], wanted: tuple[str, str | None]) -> None:
    (person,) = read(crate({"@id": "#p", "@type": "Person", **given}, author={"@id": "#p"})).creators
    assert (person.family_name, person.given_name) == wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("https://spdx.org/licenses/MIT.html", ["mit"]),
        ("https://spdx.org/licenses/CC0-1.0", ["cc0-1.0"]),
        ("http://creativecommons.org/licenses/by-sa/4.0", ["cc-by-sa-4.0"]),
        ("Apache-2.0", ["apache-2.0"]),
    ],
)
def test_licences_by_address_or_name(given: str, wanted: list[str]) -> None:
    assert [r.id for r in read(crate(license=given)).rights] == wanted


def test_a_licence_of_its_own_keeps_title_and_address() -> None:
    own = {"@id": "https://example.org/terms", "@type": "CreativeWork", "name": "House terms"}
    (right,) = read(crate(own, license={"@id": "https://example.org/terms"})).rights
    assert (right.id, right.title, right.link) == (None, "House terms", "https://example.org/terms")


def test_what_is_not_taken_is_told() -> None:
    _, left = rocrate.read(crate(name="Rose", spatialCoverage={"@id": "#x"}, hasPart=[]))
    assert [f.field for f in left] == ["@graph../.spatialCoverage"]


def test_strange_values_are_passed_over() -> None:
    m = read(
        crate(
            name=["", "Rose"],
            author=[5, None, {"@id": "#nobody"}],
            keywords=[1, "a"],
            license=[{}],
            version=True,
        )
    )
    assert m.creators == []
    assert m.keywords() == ["a"]
    assert m.version is None


@pytest.mark.parametrize(
    "given", [None, [], {}, {"@graph": {}}, {"@graph": []}, {"@graph": [{"@id": "./other"}]}]
)
def test_what_is_no_crate(given: object) -> None:
    with pytest.raises(Invalid):
        rocrate.read(given)
