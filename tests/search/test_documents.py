"""What becomes searchable of a deposit."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from strongroom.metadata.model import RecordData
from strongroom.search import Document, FileEntry, from_record_data
from strongroom.search.documents import FILES_INDEXED, Agent, Grant, Link, plain_text

NOW = datetime(2024, 5, 1, tzinfo=UTC)
FULL: dict[str, Any] = {
    "metadata": {
        "resource_type": "publication-article",
        "title": "River gauges",
        "additional_titles": [{"title": "Pegel", "type": "translatedtitle"}],
        "creators": [
            {
                "name": "Curie, Marie",
                "identifiers": [{"identifier": "0000-0002-1825-0097", "scheme": "orcid"}],
                "affiliations": [{"name": "Sorbonne"}],
            }
        ],
        "contributors": [{"family_name": "Sup", "given_name": "Anna", "role": "supervisor"}],
        "publication_date": "2019-05-06",
        "description": "<p>Hourly&nbsp;<b>levels</b> &amp; more</p>",
        "additional_descriptions": [
            {"description": "<p>Mind the gap</p>", "type": "notes"},
            {"description": "An abstract", "type": "abstract"},
        ],
        "rights": [{"id": "cc0-1.0"}, {"title": "Mine", "link": "https://example.org/licence"}],
        "languages": ["eng"],
        "subjects": [{"subject": "water"}, {"subject": "Hydrology", "id": "mesh:1", "scheme": "mesh"}],
        "version": "1.2",
        "identifiers": [{"identifier": "arXiv:1", "scheme": "arxiv"}],
        "related_identifiers": [{"identifier": "10.1/x", "scheme": "doi", "relation": "cites"}],
        "references": [{"reference": "Doe 2001"}],
        "funding": [
            {
                "funder": {"name": "European Commission", "doi": "10.13039/501100000780", "acronym": "EC"},
                "award": {"number": "283595", "acronym": "OA", "program": "FP7", "title": "Open"},
            },
            {"funder": {"name": "Nobody"}},
        ],
        "locations": [{"place": "Basel", "lat": 0.0, "lon": 7.5}, {"place": "Nowhere"}],
        "custom": {
            "journal:journal": {"title": "Letters", "volume": "7"},
            "imprint:imprint": {"isbn": "978"},
            "meeting:meeting": {"acronym": "WD"},
            "thesis:thesis": {"university": "Basel"},
            "legacy:subjects": [{"term": "Astronomy", "identifier": "http://id.loc.gov/1", "scheme": "url"}],
            "dwc:family": ["Felidae", "Canidae"],
            "obo:RO_0002453": [{"subject": ["a"], "object": ["b"]}],
        },
    },
    "access": {"embargo_until": "2030-01-01", "files": "restricted"},
    "communities": ["asked"],
}


def made(data: dict[str, Any], **more: Any) -> Document:
    scalars: dict[str, Any] = {
        "id": 2,
        "concept_id": 1,
        "created": NOW,
        "updated": NOW,
        "access_status": "open",
    }
    return from_record_data(RecordData.model_validate(data), **(scalars | more))


def test_everything_said_is_there() -> None:
    document = made(
        FULL, access_status="embargoed", owners=[7], doi="10.5/2", licence_aliases={"cc0-1.0": "cc-zero"}
    )
    assert document == Document(
        id=2,
        concept_id=1,
        created=NOW,
        updated=NOW,
        owners=(7,),
        viewers=(7,),
        title="River gauges",
        other_titles=("Pegel",),
        description="Hourly levels & more An abstract",
        notes=("Mind the gap",),
        creators=(Agent("Curie, Marie", ("Sorbonne",), "0000-0002-1825-0097"),),
        contributors=(Agent("Sup Anna", role="supervisor"),),
        keywords=("water", "Hydrology"),
        subject_terms=("Astronomy",),
        subject_ids=("mesh:1", "http://id.loc.gov/1"),
        references=("Doe 2001",),
        resource_type="publication-article",
        access_status="embargoed",
        access_right="embargoed",
        embargo_until=date(2030, 1, 1),
        publication_date="2019-05-06",
        version_label="1.2",
        languages=("eng",),
        licences=("cc0-1.0", "cc-zero"),
        licence_urls=("https://example.org/licence",),
        doi="10.5/2",
        related=(Link("10.1/x", "doi", "cites"),),
        alternates=(Link("arXiv:1", "arxiv"),),
        grants=(
            Grant("283595", "OA", "FP7", "Open", "European Commission", "10.13039/501100000780", "EC"),
            Grant(funder_name="Nobody"),
        ),
        communities=("asked",),
        places=("Basel", "Nowhere"),
        points=((7.5, 0.0),),
        journal={"title": "Letters", "volume": "7"},
        meeting={"acronym": "WD"},
        imprint={"isbn": "978"},
        thesis_university="Basel",
        custom={"dwc:family": ("Felidae", "Canidae"), "obo:RO_0002453": ("a", "b")},
    )


def test_an_empty_draft_has_a_document() -> None:
    document = made({})
    assert (document.title, document.creators, document.files) == ("", (), ())


@pytest.mark.parametrize(
    ("status", "requests", "right"),
    [
        ("open", True, "open"),
        ("metadata-only", True, "open"),
        ("embargoed", False, "embargoed"),
        ("restricted", True, "restricted"),
        ("restricted", False, "closed"),
    ],
)
def test_the_old_access_right(status: str, requests: bool, right: str) -> None:
    assert made({"access": {"requests": requests}}, access_status=status).access_right == right


def test_many_files_are_counted_and_not_all_named() -> None:
    files = [FileEntry(f"{n}.csv", 2) for n in range(FILES_INDEXED + 5)]
    document = made({}, files=files)
    assert (len(document.files), document.file_count) == (FILES_INDEXED, FILES_INDEXED + 5)
    assert document.total_bytes == 2 * (FILES_INDEXED + 5)
    document = made({}, files=files[:3], file_count=50_000, total_bytes=7, communities=["accepted"])
    assert (document.file_count, document.total_bytes, document.communities) == (50_000, 7, ("accepted",))


def test_plain_text() -> None:
    assert plain_text("<p>a</p><p>b &lt; c</p>") == "a b < c"
    assert plain_text("x\n  y") == "x y"
    assert plain_text(None) == ""
