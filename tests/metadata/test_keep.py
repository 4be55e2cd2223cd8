"""A PUT through the deposit API replaces what that API can say, and nothing else."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from strongroom.metadata import legacy, rdm
from strongroom.metadata.model import RecordData

TODAY = date(2026, 11, 22)

FULL: dict[str, Any] = {
    "access": {
        "record": "restricted",
        "files": "restricted",
        "embargo": {"active": True, "until": "2099-01-01", "reason": "A patent"},
    },
    "files": {"enabled": True, "default_preview": "a.pdf"},
    "metadata": {
        "title": "Soil cores",
        "resource_type": {"id": "dataset"},
        "publication_date": "2024",
        "publisher": "Lab",
        "creators": [
            {
                "person_or_org": {
                    "type": "personal",
                    "family_name": "Curie",
                    "given_name": "Marie",
                    "identifiers": [
                        {"scheme": "isni", "identifier": "0000000121032683"},
                        {"scheme": "orcid", "identifier": "0000-0002-1825-0097"},
                    ],
                },
                "role": {"id": "researcher"},
                "affiliations": [{"name": "Sorbonne", "id": "02en5vm52"}, {"name": "Radium Institute"}],
            },
            {"person_or_org": {"type": "organizational", "name": "ETH Zurich"}},
        ],
        "contributors": [
            {
                "person_or_org": {"type": "organizational", "name": "SNSF"},
                "role": {"id": "sponsor"},
                "affiliations": [{"id": "00yjd3n13"}],
            }
        ],
        "rights": [{"id": "cc-by-4.0"}, {"title": {"fr": "La mienne"}, "link": "https://example.org/l"}],
        "copyright": "Lab 2024",
        "sizes": ["3 boxes"],
        "formats": ["text/csv"],
        "languages": [{"id": "eng"}, {"id": "deu"}],
        "subjects": [{"id": "http://id.loc.gov/1", "subject": "Soil", "scheme": "LCSH"}, {"subject": "mud"}],
        "additional_titles": [
            {"title": "Carottes", "type": {"id": "translated-title"}, "lang": {"id": "fra"}}
        ],
        "description": "<p>Twelve cores</p>",
        "additional_descriptions": [
            {"description": "first", "type": {"id": "abstract"}},
            {"description": "how", "type": {"id": "methods"}, "lang": {"id": "eng"}},
            {"description": "how else", "type": {"id": "methods"}},
        ],
        "references": [{"reference": "Smith 2001", "identifier": "10.1234/s", "scheme": "doi"}],
        "funding": [
            {
                "funder": {"id": "00k4n6c32"},
                "award": {
                    "number": "283595",
                    "title": {"de": "Zugang"},
                    "identifiers": [{"identifier": "urn:x:1", "scheme": "urn"}],
                },
            }
        ],
        "locations": {
            "features": [
                {"place": "Lugano", "identifiers": [{"scheme": "geonames", "identifier": "2659836"}]},
                {"geometry": {"type": "MultiPoint", "coordinates": [[8.9, 46.0], [8.8, 46.0]]}},
            ]
        },
    },
    "custom_fields": {
        "thesis:thesis": {"university": "ETH", "department": "Soil"},
        "imprint:imprint": {"isbn": "978-3-16-148410-0"},
    },
}


def full() -> RecordData:
    data = rdm.load(FULL, today=TODAY).data
    assert rdm.load(FULL, today=TODAY).warnings == []
    return data


def shown(data: RecordData) -> dict[str, Any]:
    return legacy.dump_deposition(data, today=TODAY, doi=None, prereserve=("10.5072/x.1", 1))


def put(before: RecordData, said: dict[str, Any]) -> RecordData:
    return legacy.keep(before, legacy.load(said, today=TODAY, site="Lab").data, said)


def test_its_own_answer_put_back_changes_nothing() -> None:
    assert put(full(), shown(full())) == full()


def test_another_title_changes_the_title() -> None:
    expected = full()
    expected.metadata.title = "Soil cores, corrected"
    assert put(full(), {**shown(full()), "title": "Soil cores, corrected"}) == expected


def test_metadata_written_from_scratch_leaves_what_it_can_not_say() -> None:
    before = full()
    after = put(before, {"title": "New", "upload_type": "dataset", "creators": [{"name": "Curie, Marie"}]})
    m = after.metadata
    assert (m.title, m.subjects, m.description, m.funding) == ("New", before.metadata.subjects[:1], None, [])
    assert (m.sizes, m.formats, m.copyright) == (["3 boxes"], ["text/csv"], "Lab 2024")
    assert m.additional_titles == before.metadata.additional_titles
    assert m.languages == ["deu"]
    assert [d.description for d in m.additional_descriptions] == ["first", "how else"]
    assert [r.title or r.id for r in m.rights] == ["cc0-1.0", "La mienne"]
    (marie,) = m.creators
    assert (marie.role, [a.name for a in marie.affiliations]) == ("researcher", ["Radium Institute"])
    assert [p.geometry is not None for p in m.locations] == [True]
    assert m.custom == {"thesis:thesis": {"department": "Soil"}}
    assert after.default_preview == "a.pdf"


def test_a_restricted_record_opens_only_when_that_is_said() -> None:
    before = full()
    assert put(before, {"title": "New"}).access == before.access
    same = put(before, {"title": "New", "access_right": "embargoed", "embargo_date": "2099-01-01"}).access
    assert same == before.access
    other = put(before, {"title": "New", "access_right": "embargoed", "embargo_date": "2098-01-01"}).access
    assert (other.record, other.embargo_reason) == ("restricted", None)
    opened = put(before, {"title": "New", "access_right": "open"}).access
    assert (opened.record, opened.files, opened.embargo_until) == ("public", "public", None)


def test_a_licence_in_own_words_gives_way_to_one_that_is_sent_only() -> None:
    before = full()
    before.metadata.rights = before.metadata.rights[1:]
    assert "license" not in shown(before)
    assert put(before, shown(before)).metadata.rights == before.metadata.rights
    chosen = put(before, {**shown(before), "license": "mit"}).metadata.rights
    assert [r.id for r in chosen] == ["mit"]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ([{"name": "ETH Zurich"}, {"name": "Curie, Marie", "affiliation": "Sorbonne"}], [1, 0]),
        ([{"name": "Curie, M.", "orcid": "0000-0002-1825-0097", "affiliation": "Sorbonne"}], [0]),
        ([{"name": "Doe, Jane", "affiliation": "Sorbonne"}], [None]),
    ],
)
def test_people_are_known_again(said: list[dict[str, Any]], kept: list[int | None]) -> None:
    before = full()
    after = put(before, {**shown(before), "creators": said}).metadata.creators
    for person, place in zip(after, kept, strict=True):
        old = None if place is None else before.metadata.creators[place]
        assert person.role == (old.role if old else None)
        assert person.affiliations == (old.affiliations if old else person.affiliations[:1])
        if old and old.name == person.name:
            assert person.type == old.type
            assert {i.scheme for i in person.identifiers} >= {i.scheme for i in old.identifiers} - {
                "orcid",
                "isni",
            }


def test_another_affiliation_takes_the_place_of_the_one_that_is_shown() -> None:
    before = full()
    creators = shown(before)["creators"]
    creators[0]["affiliation"] = "Collège de France"
    after = put(before, {**shown(before), "creators": creators}).metadata.creators[0]
    assert [(a.name, a.id) for a in after.affiliations] == [
        ("Collège de France", None),
        ("Radium Institute", None),
    ]


def test_a_grant_with_another_title_is_the_same_grant() -> None:
    before = full()
    grants = shown(before)["grants"]
    grants[0]["title"] = "Access"
    (funding,) = put(before, {**shown(before), "grants": grants}).metadata.funding
    assert funding.award is not None
    assert (funding.award.title, funding.award.lang) == ("Access", None)
    assert [i.identifier for i in funding.award.identifiers] == ["urn:x:1"]


def test_no_default_takes_the_place_of_what_was_left_out() -> None:
    before = full()
    before.metadata.rights, before.metadata.publisher = [], None
    before.access.record = before.access.files = "public"
    before.access.embargo_until = before.access.embargo_reason = None
    assert put(before, shown(before)) == before
    begun_here = put(RecordData(), {"title": "New", "upload_type": "dataset"}).metadata
    assert (begun_here.publisher, [r.id for r in begun_here.rights]) == ("Lab", ["cc0-1.0"])
