"""Rules of Zenodo's deposit metadata that neither the goldens nor the real documents show."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from strongroom.errors import Invalid
from strongroom.metadata import legacy
from strongroom.metadata.model import Access, Metadata, RecordData, Right
from tests.metadata.zenodo_documents import SHARED, losses

TODAY = date(2026, 11, 22)
MINIMAL: dict[str, Any] = {
    "title": "River gauges",
    "upload_type": "dataset",
    "creators": [{"name": "Doe, Jane"}],
}


def load(**said: Any) -> legacy.Loaded:
    return legacy.load(MINIMAL | said, today=TODAY, site="Strongroom")


def deposition(data: RecordData, **options: Any) -> dict[str, Any]:
    return legacy.dump_deposition(
        data, today=options.pop("today", TODAY), doi=None, prereserve=("10.5072/x.1", 1), **options
    )


def back(**said: Any) -> dict[str, Any]:
    return deposition(load(**said).data)


def refusal(**said: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        load(**said)
    return [(f.field, f.messages[0]) for f in caught.value.findings]


def warned(**said: Any) -> dict[str, str]:
    return {f.field: " ".join(f.messages) for f in load(license="mit", **said).warnings}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("CC0-1.0", "cc-zero"),
        ("MIT", "mit-license"),
        ("Apache-2.0", "apache2.0"),
        (" CC-BY-4.0 ", "cc-by-4.0"),
        ({"id": "cc-by"}, "cc-by-4.0"),
        ("GPL-3.0+", "gpl-3.0-or-later"),
        ("gpl-3.0-only", "gpl-3.0"),
        ("other-open", "other-open"),
        ("notspecified", "notspecified"),
        # Zenodo answers cc-by, which it reads as 4.0: who sends back what he got changes the licence
        ("cc-by-1.0", "cc-by-1.0"),
        ("Apache-1.0", "apache-1.0"),
    ],
)
def test_licence(value: object, shown: str) -> None:
    assert back(license=value)["license"] == shown
    assert back(license=shown)["license"] == shown


def test_licence_is_chosen_only_where_files_will_be_open() -> None:
    assert back()["license"] == "cc-zero"
    assert back(upload_type="software")["license"] == "cc-by-4.0"
    assert back(access_right="embargoed", embargo_date="2030-01-01")["license"] == "cc-zero"
    assert "license" not in back(access_right="restricted")
    assert back(access_right="restricted", license="mit")["license"] == "mit-license"
    assert "license" not in deposition(legacy.load({}, today=TODAY, site="x").data)


def test_licence_refused_with_a_suggestion() -> None:
    with pytest.raises(Invalid) as caught:
        load(license="The BSD 3-Clause License")
    assert caught.value.findings[0].messages[1] == "Did you mean 'bsd-3-clause'?"


@pytest.mark.parametrize(
    ("code", "shown"), [("en", "eng"), ("ENG", "eng"), ("ger", "deu"), ("deu", "deu"), ("mul", "mul")]
)
def test_language(code: str, shown: str) -> None:
    assert back(language=code)["language"] == shown


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("isSupplementTo", "isSupplementTo"),
        ("ISSUPPLEMENTTO", "isSupplementTo"),
        ("isOriginalFormof", "isOriginalFormOf"),
        ("isOrignialFormOf", "isOriginalFormOf"),
        ("isPublishedIn", "isPublishedIn"),
        ("isAlternateIdentifier", "isAlternateIdentifier"),
        ("isAlternativeIdentifier", "isAlternateIdentifier"),
    ],
)
def test_relation(sent: str, shown: str) -> None:
    item = {"identifier": "10.1234/abc", "relation": sent, "resource_type": "publication-thesis"}
    (answer,) = back(related_identifiers=[item])["related_identifiers"]
    assert answer == {
        "identifier": "10.1234/abc",
        "relation": shown,
        "resource_type": "publication-dissertation",
        "scheme": "doi",
    }


@pytest.mark.parametrize(
    ("identifier", "scheme", "shown"),
    [
        ("https://doi.org/10.1234/abc", None, ("10.1234/abc", "doi")),
        ("https://doi.org/10.1234/abc", "url", ("https://doi.org/10.1234/abc", "url")),
        ("10.1234/abc", "url", ("10.1234/abc", "doi")),
        ("10.1234/abc", "DOI", ("10.1234/abc", "doi")),
        ("whatever", "other", ("whatever", "other")),
        ("arxiv:2001.12345", None, ("arXiv:2001.12345", "arxiv")),
        ("1234-5679", "issn", ("1234-5679", "issn")),
    ],
)
def test_scheme_is_the_one_sent_if_it_fits(
    identifier: str, scheme: str | None, shown: tuple[str, str]
) -> None:
    item = {"identifier": identifier, "relation": "cites", "scheme": scheme}
    (answer,) = back(related_identifiers=[item])["related_identifiers"]
    assert (answer["identifier"], answer["scheme"]) == shown


def test_alternates_come_last_in_a_deposition_and_apart_in_a_record() -> None:
    items = [
        {
            "identifier": "https://example.org/alt",
            "relation": "isAlternateIdentifier",
            "resource_type": "dataset",
        },
        {"identifier": "10.1234/abc", "relation": "cites"},
    ]
    data = load(related_identifiers=items).data
    assert [r["relation"] for r in deposition(data)["related_identifiers"]] == [
        "cites",
        "isAlternateIdentifier",
    ]
    record = legacy.dump_record(data, today=TODAY, doi=None, relations={})
    assert record["alternate_identifiers"] == [
        {"identifier": "https://example.org/alt", "scheme": "url", "resource_type": "dataset"}
    ]


def test_location_at_zero_and_without_place() -> None:
    places = [{"place": "Null Island", "lat": 0, "lon": 0.0}, {"lat": "47.5", "lon": 8}]
    assert back(locations=places)["locations"] == [
        {"place": "Null Island", "lon": 0.0, "lat": 0.0},
        {"lon": 8.0, "lat": 47.5},
    ]


@pytest.mark.parametrize(
    "item",
    [
        {"start": "2024-01-01", "end": "2024-02-01", "type": "Collected", "description": "x"},
        {"start": "2024-03-01", "end": "2024-03-01", "type": "Valid"},
        {"start": "2024", "type": "Withdrawn"},
        {"end": "2024-05", "type": "Available"},
        {"start": "May 2024", "type": "Other"},
        {"type": "Accepted"},
    ],
)
def test_dates_come_back_as_sent(item: dict[str, str]) -> None:
    assert back(dates=[item])["dates"] == [item]


def test_date_of_one_field() -> None:
    assert back(dates=[{"date": "2024-03-01", "type": "created"}])["dates"] == [
        {"type": "Created", "start": "2024-03-01", "end": "2024-03-01"}
    ]


def test_closed_stays_closed() -> None:
    data = load(access_right="closed").data
    assert deposition(data)["access_right"] == "closed"
    assert not data.access.files_public(TODAY)
    assert legacy.dump_record(data, today=TODAY, doi=None, relations={})["access_right"] == "closed"


def test_embargo_ends_for_records_and_stays_as_typed_in_drafts() -> None:
    data = load(access_right="embargoed", embargo_date="2026-11-22").data
    before, on = date(2026, 11, 21), date(2026, 11, 22)
    assert not data.access.files_public(before)
    assert data.access.files_public(on)
    assert deposition(data, today=on)["access_right"] == "embargoed"
    assert deposition(data, today=on, published=True)["access_right"] == "open"
    assert "embargo_date" not in deposition(data, today=on, published=True)
    assert deposition(data, today=before, published=True)["embargo_date"] == "2026-11-22"
    assert legacy.dump_record(data, today=on, doi=None, relations={})["access_right"] == "open"
    assert legacy.new_version(data, today=on).access == Access()
    assert legacy.new_version(data, today=before).access == data.access


def test_supervisors_come_first_and_once() -> None:
    ann = {"name": "Sup, Ann", "affiliation": "ETH"}
    hans = {"name": "Helper, Hans", "affiliation": None, "type": "DataCollector"}
    answer = back(thesis_supervisors=[ann], contributors=[hans])
    assert answer["contributors"] == [{**ann, "type": "Supervisor"}, hans]
    # whoever sends both names him once
    again = back(thesis_supervisors=[ann], contributors=answer["contributors"][::-1])
    assert again["contributors"] == answer["contributors"][::-1]
    # and whoever takes him out has taken him out
    assert back(**{**answer, "contributors": [hans]})["contributors"] == [hans]
    record = {"thesis": {"university": "ETH", "supervisors": [ann]}}
    assert back(**record)["contributors"] == [{**ann, "type": "Supervisor"}]


def test_upload_type_with_types_below() -> None:
    assert back(upload_type="image", image_type="figure")["image_type"] == "figure"
    assert back(upload_type="software", software_type="computationalnotebook")["software_type"]
    assert back(upload_type="publication-article")["publication_type"] == "article"
    assert refusal(upload_type="dataset", dataset_type="big") == [
        ("metadata.dataset_type", "Invalid value dataset-big.")
    ]
    without = {k: v for k, v in MINIMAL.items() if k != "upload_type"} | {"publication_type": "book"}
    loaded = legacy.load(without, today=TODAY, site="x")
    assert loaded.data.metadata.resource_type == "publication-book"
    assert warned(publication_type="book")["metadata.publication_type"] == "Unknown field: ignored."


def test_all_refusals_at_once() -> None:
    assert refusal(
        creators="Doe", keywords={"a": 1}, version=2, title=["x"], grants="EC", locations=[{"lat": "north"}]
    ) == [
        ("metadata.title", "Not a valid string."),
        ("metadata.creators", "Not a valid list."),
        ("metadata.keywords", "Not a valid list."),
        ("metadata.version", "Not a valid string."),
        ("metadata.locations.0.lat", "Not a valid number."),
        ("metadata.grants", "Not a valid list."),
    ]


def test_message_is_zenodos_only_when_all_are_ids() -> None:
    with pytest.raises(Invalid) as caught:
        load(upload_type="nonsense")
    assert caught.value.message == "Invalid value nonsense."
    with pytest.raises(Invalid) as caught:
        load(upload_type="nonsense", version=2)
    assert caught.value.message == "A validation error occurred."


@pytest.mark.parametrize("value", [[], "text", 1, True])
def test_metadata_must_be_an_object(value: object) -> None:
    with pytest.raises(Invalid) as caught:
        legacy.load(value, today=TODAY, site="x")
    assert caught.value.findings[0].field == "metadata"


def test_nothing_is_dropped_without_a_word() -> None:
    assert "keywords.1" in str(warned(keywords=["a", " ", None]))
    assert warned(made_up=1)["metadata.made_up"] == "Unknown field: ignored."
    assert warned(creators=[{"name": "A, B", "note": "x"}])["metadata.creators.0.note"]
    assert "<iframe>" in warned(description="<p>a</p><iframe></iframe>")["metadata.description"]
    assert warned(embargo_date="2030-01-01")["metadata.embargo_date"].startswith("Ignored")
    assert warned(publication_date="06.05.2024")["metadata.publication_date"]
    assert warned(journal_volume=3)["metadata.journal_volume"]
    assert warned(custom={"mine:x": ["1"]})["metadata.custom.mine:x"]
    assert [f.field for f in load().warnings] == ["metadata.license"]


def test_what_was_answered_may_be_sent_back_without_a_word() -> None:
    answer = back(license="mit", prereserve_doi=True)
    assert legacy.load(answer, today=TODAY, site="Strongroom").warnings == []


def test_custom_terms() -> None:
    terms = {
        "dwc:family": ["Felidae"],
        "obo:RO_0002453": [{"subject": ["a"], "object": ["b"]}],
        "x:y": {"z": None},
    }
    assert back(custom=terms)["custom"] == terms
    assert "custom" not in back(custom={"journal:journal": {"title": "x"}})


def test_strings_stay_what_they_are() -> None:
    """Every naughty string that a text may be comes back as it is, in every place for text."""
    strings = json.loads((SHARED / "data" / "hostile" / "blns.json").read_text(encoding="utf-8"))
    kept = 0
    for text in strings:
        if text != text.strip() or not text or any(ord(c) < 32 or "\ufffe" <= c <= "\uffff" for c in text):
            continue
        said = {
            "title": text,
            "creators": [{"name": text, "affiliation": text}],
            "keywords": [text],
            "references": [text],
            "version": text,
            "journal_title": text,
            "conference_place": text,
            "locations": [{"place": text, "description": text}],
            "subjects": [{"term": text}],
            "custom": {"dwc:country": [text]},
            "notes": text,
        }
        data = load(**said).data
        assert losses(said, deposition(data)) == [], text
        assert RecordData.from_json(data.to_json()) == data
        kept += 1
    assert kept > 450


def test_control_characters_go() -> None:
    answer = back(title="a\x00b\ud800c", subjects=[{"term": "x\x0by"}])
    assert answer["title"] == "abc"
    assert answer["subjects"] == [{"term": "xy"}]
    assert "Control characters" in warned(title="a\x00bc")["metadata.title"]


def test_what_json_cannot_carry_is_refused() -> None:
    assert refusal(custom={"dwc:x": [float("nan")]}) == [("metadata.custom", "Not a valid number.")]
    assert refusal(custom={"dwc:x": [2**70]}) == [("metadata.custom", "Not a valid number.")]
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    assert refusal(custom={"dwc:x": deep}) == [("metadata.custom", "Invalid input type.")]


def test_dump_asks_nothing_of_the_data() -> None:
    """Data of another door, which this one would not have made, still shows."""
    data = RecordData(metadata=Metadata(resource_type="hologram", rights=[Right(title="My own licence")]))
    assert deposition(data)["upload_type"] == "hologram"
    assert "license" not in deposition(data)
    assert "resource_type" not in legacy.dump_record(data, today=TODAY, doi=None, relations={})
