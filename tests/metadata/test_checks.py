"""What keeps a description from being published: all at once, with Zenodo's words first and what to do after."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from strongroom.metadata import checks, legacy
from strongroom.metadata.model import RecordData
from tests.metadata.test_legacy import MINIMAL, TODAY, load

Found = list[tuple[str, str | None, str]]


def found(data: RecordData, **options: Any) -> Found:
    return [(f.field, f.also, f.messages[0]) for f in checks.for_publication(data, today=TODAY, **options)]


def said(**fields: Any) -> Found:
    return found(load(**fields).data)


def test_minimal_is_enough() -> None:
    assert said() == []
    assert said(description="d") == []


def test_nothing_filled_in() -> None:
    """Golden 113, with Zenodo's field for the type, and the date that `{}` would have had."""
    missing = "Missing data for required field."
    assert found(RecordData()) == [
        ("metadata.upload_type", "metadata.resource_type", missing),
        ("metadata.creators", None, missing),
        ("metadata.title", None, missing),
        ("metadata.publication_date", None, missing),
    ]
    empty = legacy.load({}, today=TODAY, site="x").data
    assert [field for field, _, _ in found(empty)] == [
        "metadata.upload_type",
        "metadata.creators",
        "metadata.title",
    ]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"title": "ab"}, ("metadata.title", None, "Shorter than minimum length 3.")),
        (
            {"creators": [{"affiliation": "x"}]},
            (
                "metadata.creators.0.name",
                "metadata.creators.0.person_or_org.family_name",
                "Missing data for required field.",
            ),
        ),
        (
            {"creators": [{"name": "A"}, {"name": "B", "gnd": "1", "orcid": "0000-0002-1825-0098"}]},
            (
                "metadata.creators.1.orcid",
                "metadata.creators.1.person_or_org.identifiers.0.identifier",
                "Invalid ORCID identifier.",
            ),
        ),
        (
            {"contributors": [{"name": "A, B"}]},
            (
                "metadata.contributors.0.type",
                "metadata.contributors.0.role",
                "Missing data for required field.",
            ),
        ),
        (
            {"access_right": "embargoed", "embargo_date": "2001-01-01"},
            (
                "metadata.embargo_date",
                "access.embargo.until",
                "Embargo end date must be set to a future date.",
            ),
        ),
        (
            {"access_right": "embargoed", "embargo_date": TODAY.isoformat()},
            (
                "metadata.embargo_date",
                "access.embargo.until",
                "Embargo end date must be set to a future date.",
            ),
        ),
        ({"doi": "nope"}, ("metadata.doi", "pids.doi", "Invalid DOI")),
        (
            {"imprint_isbn": "978-3-16-148410-1"},
            ("metadata.imprint_isbn", "custom_fields.imprint:imprint.isbn", "Not a valid ISBN."),
        ),
        (
            {"conference_url": "javascript://x.org/%0aalert(1)"},
            ("metadata.conference_url", "custom_fields.meeting:meeting.url", "Not a valid URL."),
        ),
        ({"version": "x" * 192}, ("metadata.version", None, "Longer than maximum length 191.")),
        (
            {"dates": [{"start": "2024-02-01", "end": "2024-01", "type": "Valid"}]},
            ("metadata.dates.0.end", "metadata.dates.0.date", "Invalid date provided."),
        ),
        (
            {"dates": [{"end": "2023-02-29", "type": "Valid"}]},
            ("metadata.dates.0.end", "metadata.dates.0.date", "Invalid date provided."),
        ),
        (
            {"locations": [{"place": "x", "lat": 91, "lon": 0}]},
            (
                "metadata.locations.0.lat",
                "metadata.locations.features.0.geometry",
                "Must be between -90 and 90 degrees, not 91.0.",
            ),
        ),
        (
            {"locations": [{"place": "x", "lat": 9}]},
            (
                "metadata.locations.0.lon",
                "metadata.locations.features.0.geometry",
                "Missing data for required field.",
            ),
        ),
        (
            {"locations": [{"description": "x"}]},
            (
                "metadata.locations.0.place",
                "metadata.locations.features.0.place",
                "Missing data for required field.",
            ),
        ),
    ],
)
def test_one_thing_wrong(fields: dict[str, Any], place: tuple[str, str | None, str]) -> None:
    assert place in said(**fields)
    others = [item for item in said(**fields) if item != place]
    assert others in ([], [("metadata.creators.1.gnd", "metadata.creators.1.person_or_org.identifiers.1.identifier", "Invalid GND identifier.")])  # fmt: skip


@pytest.mark.parametrize(
    "value", ["2024-05-06", "2024-05", "2024", "2024-01-01/2024-02-01", "2023/2024", "2024-02-29"]
)
def test_publication_dates(value: str) -> None:
    assert said(publication_date=value) == []


@pytest.mark.parametrize(
    "value",
    ["06.05.2024", "2024-13", "2023-02-29", "2024/", "2024-02-01/2024-01-01", "20240506", "２０２４", "0000"],
)
def test_wrong_publication_dates(value: str) -> None:
    assert [field for field, _, _ in said(publication_date=value)] == ["metadata.publication_date"]


def test_all_at_once_and_each_says_what_to_do() -> None:
    data = load(
        title="x",
        creators=[{"name": "A", "orcid": "1234"}],
        doi="nope",
        version="v" * 200,
        imprint_isbn="123",
    ).data
    findings = checks.for_publication(data, today=TODAY)
    assert [f.field for f in findings] == [
        "metadata.title",
        "metadata.creators.0.orcid",
        "metadata.version",
        "metadata.doi",
        "metadata.imprint_isbn",
    ]
    assert all(len(f.messages) == 2 for f in findings)
    assert "this has 4" in findings[1].messages[1]


def test_an_embargo_that_ran_out_does_not_block_an_edit() -> None:
    data = load(access_right="embargoed", embargo_date="2026-11-01").data
    published = data.model_copy(deep=True)
    assert found(data, published=published) == []
    data.access.embargo_until = date(2026, 11, 2)
    assert [field for field, _, _ in found(data, published=published)] == ["metadata.embargo_date"]


def test_saving_warns_of_what_publishing_would_refuse() -> None:
    loaded = legacy.load(MINIMAL | {"title": "ab", "license": "mit"}, today=TODAY, site="x")
    assert [f.field for f in loaded.warnings] == ["metadata.title"]
