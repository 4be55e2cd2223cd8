"""What Zenodo's own code was sent, sent to ours: the same refusals, and answers of the same shape."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from strongroom.errors import Invalid
from strongroom.metadata import legacy
from tests.metadata.zenodo_documents import SHARED

TODAY = date(2026, 11, 22)
LIVE = SHARED / "golden" / "live" / "legacy"

Json = dict[str, Any]

# Answers of ours that differ from the recorded ones, and why. Key: number of the golden, path in the metadata.
WANTED = {
    (16, "dates.0.type"): "Zenodo answers 'collected'; documented is the capitalisation of 'Collected'",
    (16, "dates.1.type"): "as above",
    (16, "dates.1.start"): "Zenodo loses single days (L25 refuses its own answer)",
    (16, "dates.1.end"): "as above",
    (16, "description"): "Zenodo keeps the text of a script",
    (51, "access_conditions"): "Zenodo drops it",
    (52, "access_right"): "Zenodo forgets 'closed'",
    (44, "creators.0.name"): "Zenodo drops the name beside a wrong ORCID iD",
    (44, "creators.0.orcid"): "kept as typed",
    (31, "title"): "Zenodo drops a short title; ours is kept and named in the warnings",
    (53, "publication_date"): "kept as typed",
    (67, "imprint_isbn"): "kept as typed",
    (70, "keywords.0"): "Zenodo splits a text into letters; ours takes it as one keyword",
    (70, "keywords.1"): "as above",
    (70, "keywords.2"): "as above",
}
# A description under 3 characters ("d", in nearly all of them) is dropped by Zenodo.
SHORT_DESCRIPTION = "description"

# 400 of Zenodo that we accept, and why.
ACCEPTED = {
    25: "its own answer, sent back: the single day that it could not read again",
    63: "a grant that no vocabulary knows is kept as given",
    68: "500: a location without place",
}
# Not about metadata: someone else's deposition, unknown id, If-Match, method.
OTHER_RULES = {24, 26, 27, 28, 29, 30}


def saves() -> list[Any]:
    found = []
    for path in LIVE.glob("*.json"):
        number = int(path.name.partition("_")[0])
        golden = json.loads(path.read_text(encoding="utf-8"))
        body = golden["request"].get("body")
        if (
            not 15 < number <= 72
            or number in OTHER_RULES
            or not isinstance(body, dict)
            or "metadata" not in body
        ):
            continue
        found.append(pytest.param(number, body["metadata"], golden["response"], id=path.stem))
    return sorted(found, key=lambda p: p.values[0])


def save(metadata: object) -> Json:
    loaded = legacy.load(metadata, today=TODAY, site="Zenodo")
    return legacy.dump_deposition(loaded.data, today=TODAY, doi=None, prereserve=("10.5281/zenodo.1", 1))


def differences(wanted: Any, got: Any, path: str = "") -> set[str]:
    """Places where the two differ in any value."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        keys = wanted.keys() | got.keys()
        found = [differences(wanted.get(k), got.get(k), f"{path}.{k}" if path else k) for k in keys]
        return set().union(*found)
    if isinstance(wanted, list) and isinstance(got, list):
        size = max(len(wanted), len(got))
        padded = [(side + [None] * size)[:size] for side in (wanted, got)]
        found = [differences(a, b, f"{path}.{i}") for i, (a, b) in enumerate(zip(*padded, strict=True))]
        return set().union(*found)
    return set() if wanted == got else {path}


def test_there_are_goldens() -> None:
    assert len(saves()) >= 40


@pytest.mark.parametrize(("number", "metadata", "response"), saves())
def test_save_answers_as_recorded(number: int, metadata: Json, response: Json) -> None:
    if response["status"] >= 400 and number not in ACCEPTED:
        with pytest.raises(Invalid) as caught:
            save(metadata)
        recorded = response["body"]
        assert caught.value.message == recorded["message"]
        ours = [(f.field, f.also, f.messages[0]) for f in caught.value.findings]
        for item in recorded.get("errors", ()):
            assert any(item["field"] in names[:2] and item["messages"][0] == names[2] for names in ours), ours
        assert ours
        return
    got = save(metadata)
    if response["status"] >= 400:
        return
    recorded = response["body"]["metadata"]
    del recorded["prereserve_doi"], got["prereserve_doi"]
    wanted = {path for n, path in WANTED if n == number}
    if len(metadata.get("description", "")) < 3:
        wanted.add(SHORT_DESCRIPTION)
    assert differences(recorded, got) <= wanted
    common = [key for key in got if key in recorded]
    assert common == [key for key in recorded if key in got], "another order of keys"


def test_every_wanted_difference_still_is_one() -> None:
    """A difference that is none any more must leave the table."""
    by_number = {p.values[0]: p.values for p in saves()}
    for number, path in WANTED:
        _, metadata, response = by_number[number]
        recorded = response["body"]["metadata"]
        assert path in differences(recorded, save(metadata)), (number, path)


def golden(number: int) -> Json:
    path = next(LIVE.glob(f"{number}_*.json"))
    found: Json = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(
    ("sent", "answered", "beyond"),
    [
        # a publication with everything, second version; its grants' titles are from Zenodo's vocabulary
        (16, 178, {"description", "publication_date", "version", "imprint.publisher", "part_of", "dates.0.type",
                   "dates.1.type", "dates.1.start", "dates.1.end", "alternate_identifiers.0.scheme"}
                  | {f"grants.{i}.{k}" for i in (0, 1) for k in ("title", "acronym", "program")} | {"grants.0.url"}),
        (50, 162, {"description"}),
        (51, 165, {"description", "access_conditions"}),
        (52, 168, {"description", "access_right"}),
        (38, 171, {"description"}),
        (58, 174, {"description"}),
    ],
)  # fmt: skip
def test_record_answers_as_recorded(sent: int, answered: int, beyond: set[str]) -> None:
    loaded = legacy.load(golden(sent)["request"]["body"]["metadata"], today=TODAY, site="Zenodo")
    recorded = golden(answered)["response"]["body"]["metadata"]
    got = legacy.dump_record(
        loaded.data, today=TODAY, doi=recorded["doi"], relations=recorded["relations"], site="Zenodo"
    )
    assert differences(recorded, got) == beyond
    common = [key for key in got if key in recorded]
    assert common == [key for key in recorded if key in got]


def test_thesis_is_a_dissertation() -> None:
    said: Json = {"title": "A small deposit", "upload_type": "publication", "publication_type": "thesis"}
    said |= {"description": "ddd", "creators": [{"name": "Doe, Jane"}], "thesis_university": "ETH"}
    loaded = legacy.load(said, today=TODAY, site="Zenodo")
    recorded = golden(276)["response"]["body"]["metadata"]
    got = legacy.dump_record(
        loaded.data, today=TODAY, doi=recorded["doi"], relations=recorded["relations"], site="Zenodo"
    )
    assert got == recorded
    recorded = golden(275)["response"]["body"]["metadata"]
    assert differences(recorded, save(said)) == {"doi", "prereserve_doi.doi", "prereserve_doi.recid"}


def test_empty_deposition() -> None:
    assert save(None) == {
        "access_right": "open",
        "prereserve_doi": {"doi": "10.5281/zenodo.1", "recid": 1},
    }


def test_new_version_as_recorded() -> None:
    said = golden(16)["request"]["body"]["metadata"]
    first = legacy.load(said, today=date(2024, 5, 6), site="Zenodo").data
    second = legacy.new_version(first, today=TODAY)
    before = legacy.dump_deposition(first, today=TODAY, doi="10.1/a", prereserve=("10.1/a", 1))
    after = legacy.dump_deposition(second, today=TODAY, doi=None, prereserve=("10.1/b", 2))
    assert differences(before, after) == {
        "doi", "version", "publication_date", "prereserve_doi.doi", "prereserve_doi.recid",
    }  # fmt: skip
    assert after["publication_date"] == "2026-11-22"
    assert first.metadata.version == "1.0.0"
