"""Real metadata of Zenodo's depositors, sent to us: accepted and given back without loss, or refused with a reason."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from strongroom.errors import Finding, Invalid
from strongroom.metadata import checks, legacy
from tests.metadata.zenodo_documents import SHARED, Json, dot_zenodo, losses, real, recorded

TODAY = date(2026, 11, 22)

# Refused at once. Field and first words of the message.
REFUSED = {
    "line-339": ("metadata.license", "Invalid license value provided"),  # {"license": {}}
    "02-wmhpypes.json": ("metadata.license", "Invalid license provided: BSD 3-Clause License"),
    "14-ultrasonic-consciousness-hypothesis.json": (
        "metadata.related_identifiers.1.resource_type",
        "Invalid value website.",
    ),
    "20-devops.json": ("metadata.description", "Not a valid string."),  # DataCite's form
}


def documents() -> list[Any]:
    found = [pytest.param(name, is_record, said, id=name) for name, is_record, said in (*real(), *recorded())]
    return found + [pytest.param(name, False, said, id=name) for name, said in dot_zenodo()]


def test_all_are_there() -> None:
    assert len(documents()) == 386 + 39 + len(list(recorded()))
    assert len(list(recorded())) > 25


@pytest.mark.parametrize(("name", "is_record", "said"), documents())
def test_comes_back_without_loss(name: str, is_record: bool, said: Json) -> None:
    if name in REFUSED:
        field, message = REFUSED[name]
        with pytest.raises(Invalid) as caught:
            legacy.load(said, today=TODAY, site="Zenodo")
        assert [(f.field, f.messages[0][: len(message)]) for f in caught.value.findings] == [(field, message)]
        return
    data = legacy.load(said, today=TODAY, site="Zenodo").data
    deposition = legacy.dump_deposition(data, today=TODAY, doi=None, prereserve=("10.5072/x.1", 1))
    record = legacy.dump_record(data, today=TODAY, doi=None, relations={}, site="Zenodo")
    assert losses(said, record if is_record else deposition) == []
    # and either answer can be sent back (but as a record it is open when its embargo is over)
    assert legacy.load(deposition, today=TODAY, site="Zenodo").data == data
    if data.access.embargo_until and not data.access.embargoed(TODAY):
        assert record["access_right"] == "open"
        return
    assert legacy.load(record, today=TODAY, site="Zenodo").data == data


def _reasons(findings: list[Finding]) -> set[str]:
    return {finding.field for finding in findings}


def test_records_of_zenodo_can_be_published() -> None:
    """What Zenodo has published can be published here, but for what it could not give back itself."""
    refused = {}
    for name, is_record, said in real():
        if is_record and name not in REFUSED:
            data = legacy.load(said, today=TODAY, site="Zenodo").data
            if findings := checks.for_publication(data, today=TODAY):
                refused[name] = _reasons(findings)
    assert len(refused) == 8
    # dates without a date: L16 shows how Zenodo loses them
    assert set().union(*refused.values()) == {"metadata.dates.0"}


def test_drafts_lack_only_what_they_lack() -> None:
    allowed = {"metadata.upload_type", "metadata.creators", "metadata.title", "metadata.creators.0.name"}
    others = [(name, said) for name, is_record, said in real() if not is_record]
    for name, said in [*others, *dot_zenodo()]:
        if name in REFUSED:
            continue
        data = legacy.load(said, today=TODAY, site="Zenodo").data
        reasons = _reasons(checks.for_publication(data, today=TODAY))
        invented = {"metadata.creators.0.orcid"} if name == "line-372" else set()  # 0000-0001-2345-6789
        assert reasons <= allowed | invented, name


def test_the_recipe_says_what_it_says() -> None:
    said = json.loads((SHARED / "data" / "rose" / "recipe-metadata.json").read_text(encoding="utf-8"))[
        "metadata"
    ]
    loaded = legacy.load(said, today=TODAY, site="Strongroom")
    assert loaded.warnings == []
    assert checks.for_publication(loaded.data, today=TODAY) == []
    deposition = legacy.dump_deposition(loaded.data, today=TODAY, doi=None, prereserve=("10.5072/x.1", 1))
    assert losses(said, deposition) == []
    record = legacy.dump_record(loaded.data, today=TODAY, doi="10.5072/x.1", relations={}, site="Strongroom")
    assert losses({k: v for k, v in said.items() if k != "upload_type"}, record) == []
    assert record["resource_type"] == {"title": "Dataset", "type": "dataset"}
    (grant,) = record["grants"]
    assert grant["internal_id"] == "10.13039/501100000780::654241"
    assert grant["code"] == "654241"
    assert grant["acronym"] == "PhenoMenAl"
    assert grant["program"] == "H2020"
    assert grant["funder"]["name"] == "European Commission"
    assert [r["scheme"] for r in record["related_identifiers"]] == ["doi"] * 3
