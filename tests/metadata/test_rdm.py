"""InvenioRDM's JSON: whatever we accept and answer, sent back, is the same data; what is wrong is kept and named."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from strongroom.errors import Finding, Invalid
from strongroom.metadata import checks, legacy, rdm
from strongroom.metadata.model import Access, RecordData
from tests.conformance.goldens import compare
from tests.conftest import count
from tests.metadata.test_keep import FULL
from tests.metadata.test_legacy_roundtrip import json_value, metadata, name, several, some, text

TODAY = date(2026, 11, 22)


def answer(data: RecordData) -> dict[str, Any]:
    """What an answer says of a draft, and a client sends back."""
    body: dict[str, Any] = {
        "metadata": rdm.dump_metadata(data.metadata),
        "custom_fields": data.metadata.custom,
        "access": rdm.dump_access(data, today=TODAY, has_files=True, published=False),
        "pids": {"doi": {"identifier": data.doi, "provider": "external"}} if data.doi else {},
        "files": {"enabled": not data.metadata_only},
    }
    if data.default_preview:
        body["files"]["default_preview"] = data.default_preview
    found: dict[str, Any] = json.loads(json.dumps(body, allow_nan=False))
    return found


def load(body: Any, before: RecordData | None = None) -> RecordData:
    return rdm.load(body, today=TODAY, before=before).data


# -- any data

identifier = some(identifier=name, scheme=st.sampled_from(["doi", "URL", "orcid", "isni", "uuid", ""]))
lang = st.sampled_from([{"id": "eng"}, {"id": "deu"}])
person = some(
    person_or_org=some(
        type=st.sampled_from(["personal", "organizational", "robot"]),
        name=name,
        family_name=name,
        given_name=name,
        identifiers=several(identifier),
    ),
    role=st.sampled_from([{"id": "editor"}, {}, {"id": ""}]),
    affiliations=several(some(id=st.sampled_from(["05dxps055"]), name=name)),
)


def typed(key: str, *kinds: str) -> st.SearchStrategy[dict[str, Any]]:
    return some(**{key: name}, type=st.sampled_from([{"id": kind} for kind in kinds]), lang=lang)


place = some(
    place=name,
    description=text,
    geometry=some(
        type=st.sampled_from(["Point", "MultiPoint", "Polygon"]),
        coordinates=st.sampled_from([[1, 2.5], [1], [[1, 2], [3, 4]], "x", [8.9, 46.0, 300]]),
    ),
    identifiers=several(identifier),
)
body = some(
    metadata=some(
        title=name,
        resource_type=st.sampled_from([{"id": "dataset"}, {"id": "image-figure"}, {}]),
        publication_date=name,
        publisher=name,
        version=name,
        description=name,
        copyright=name,
        sizes=several(name),
        formats=several(name),
        creators=several(person),
        contributors=several(person),
        additional_titles=several(typed("title", "subtitle", "other")),
        additional_descriptions=several(typed("description", "notes", "abstract", "methods")),
        rights=several(
            st.one_of(
                st.just({"id": "mit"}),
                some(title=some(en=name, fr=name), description=some(en=name), link=name),
            )
        ),
        languages=several(lang),
        subjects=several(some(id=text, subject=name, scheme=text)),
        dates=several(some(date=name, type=st.sampled_from([{"id": "collected"}]), description=text)),
        identifiers=several(identifier),
        related_identifiers=several(
            some(
                identifier=name,
                scheme=st.sampled_from(["doi", "url", "nonsense"]),
                relation_type=st.sampled_from([{"id": "cites"}]),
                resource_type=st.sampled_from([{"id": "dataset"}]),
            )
        ),
        references=several(some(reference=name, identifier=name, scheme=text)),
        funding=several(
            some(
                funder=some(id=st.sampled_from(["00k4n6c32", "05dxps055"]), name=name),
                award=some(
                    id=st.sampled_from(["00k4n6c32::283595"]),
                    number=name,
                    title=some(en=name, de=name),
                    identifiers=several(identifier),
                ),
            )
        ),
        locations=some(features=several(place)),
        made_up=json_value,
    ),
    custom_fields=st.dictionaries(
        st.sampled_from(["journal:journal", "dwc:family", "code:codeRepository", "x:y"]), json_value
    ),
    access=some(
        record=st.sampled_from(["public", "restricted", "secret"]),
        files=st.sampled_from(["public", "restricted"]),
        embargo=some(
            active=st.booleans(), until=st.sampled_from(["2020-01-01", "2030-01-01", "soon"]), reason=text
        ),
    ),
    pids=some(doi=some(identifier=name, provider=st.sampled_from(["external", "datacite"]))),
    files=some(enabled=st.booleans(), default_preview=name),
)


@settings(max_examples=count(100, 3_000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body)
def test_answers_read_back_as_the_same_data(said: dict[str, Any]) -> None:
    data = load(said)
    assert RecordData.from_json(data.to_json()) == data
    again = load(answer(data), before=data)
    assert list(compare(data.model_dump(mode="json"), again.model_dump(mode="json"))) == []
    assert answer(load(answer(data), before=data)) == answer(data)
    checks.for_publication(data, today=TODAY)


@settings(max_examples=count(100, 2_000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body)
def test_what_only_this_door_says_survives_the_other(said: dict[str, Any]) -> None:
    data = load(said)
    seen = legacy.dump_deposition(data, today=TODAY, doi=None, prereserve=("10.5072/x.1", 1))
    try:
        back = legacy.load(seen, today=TODAY, site="Strongroom", before=data).data
    except Invalid:  # an incomplete draft, whose other door names what is missing
        assert checks.for_publication(data, today=TODAY)
        return
    kept = legacy.keep(data, back, seen)
    if data.metadata.rights:  # else a deposit that is begun gets its default
        assert kept.metadata.rights == data.metadata.rights
    for part in ("additional_titles", "copyright", "sizes", "formats", "languages", "subjects"):
        assert getattr(kept.metadata, part) == getattr(data.metadata, part)
    assert (kept.metadata_only, kept.default_preview) == (data.metadata_only, data.default_preview)
    assert kept.access.record == data.access.record


@settings(max_examples=count(100, 2_000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(metadata)
@example({"grants": [{"doi": "DOI:10.0/0"}]})
def test_what_the_deposit_api_says_survives_this_one(said: dict[str, Any]) -> None:
    try:
        data = legacy.load(said, today=TODAY, site="Strongroom").data
    except Invalid:
        return
    back = load(answer(data), before=data)

    def seen(data: RecordData) -> dict[str, Any]:
        shown = legacy.dump_deposition(data, today=TODAY, doi=None, prereserve=("10.5072/x.1", 1))
        for key in ("locations", "grants"):  # what the other answer can't show stands behind the others
            shown[key] = sorted(shown.get(key, []), key=repr)
        return shown

    assert seen(back) == seen(data)


@settings(max_examples=count(100, 2_000), deadline=None)
@given(st.dictionaries(st.sampled_from(["metadata", "access", "pids", "files", "custom_fields"]), json_value))
def test_any_json_is_read_or_refused(said: dict[str, Any]) -> None:
    try:
        data = load(said)
    except Invalid:
        return
    assert load(answer(data), before=data) == data


# -- single cases


def errors(**said: Any) -> set[tuple[str, str]]:
    found: list[Finding] = rdm.load({"metadata": said}, today=TODAY).warnings
    return {(f.field, f.messages[0]) for f in found}


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"dates": [{"date": "2024"}]}, "metadata.dates.0.type"),
        ({"additional_descriptions": [{"description": "x"}]}, "metadata.additional_descriptions.0.type"),
        (
            {"related_identifiers": [{"identifier": "10.1234/x"}]},
            "metadata.related_identifiers.0.relation_type",
        ),
        ({"references": [{"identifier": "10.1234/x"}]}, "metadata.references.0.reference"),
        ({"additional_titles": [{"type": {"id": "subtitle"}}]}, "metadata.additional_titles.0.title"),
    ],
)
def test_incomplete_values_are_kept_and_named(said: dict[str, Any], place: str) -> None:
    assert (place, checks.MISSING) in errors(**said)
    ((key, value),) = said.items()
    data = load({"metadata": said})
    assert list(rdm.dump_metadata(data.metadata)[key][0]) == [
        {"date": "date", "description": "description"}.get(k, k)
        for k in rdm.dump_metadata(data.metadata)[key][0]
    ]
    shown = rdm.dump_metadata(data.metadata)[key][0]
    for k, v in value[0].items():
        assert shown[k] == v or shown[k]["id"] == v["id"]
    # and it can't be published so
    assert place in {f.field for f in rdm.problems(data, today=TODAY)}


def test_words_of_invenio_rdm() -> None:
    found = errors(
        title="x", publication_date="nope", foo=1, creators=[{"person_or_org": {"given_name": "A"}}]
    )
    assert {
        ("metadata.title", "Shorter than minimum length 3."),
        ("metadata.publication_date", "Please provide a valid date or interval."),
        ("metadata.foo", "Unknown field."),
        ("metadata.creators.0.person_or_org.family_name", "Family name cannot be blank."),
        ("metadata.resource_type", checks.MISSING),
    } <= found


def test_two_identifiers_of_a_scheme_are_one_too_many() -> None:
    ids = [{"scheme": "orcid", "identifier": i} for i in ("0000-0002-1825-0097", "0000-0001-5109-3700")]
    people = [{"person_or_org": {"family_name": "Doe", "identifiers": ids}}]
    assert "metadata.creators.0.person_or_org.identifiers.1" in {
        place for place, _ in errors(creators=people)
    }
    assert len(load({"metadata": {"creators": people}}).metadata.creators[0].identifiers) == 2


def test_ids_outside_their_vocabulary_are_refused_at_once() -> None:
    with pytest.raises(Invalid, match=r"^Invalid value nonsense\.$"):
        load({"metadata": {"resource_type": {"id": "nonsense"}}})


def test_what_is_not_mentioned_stays() -> None:
    before = load(FULL)
    after = load({"metadata": {"title": "New"}}, before=before)
    assert (after.access, after.default_preview) == (before.access, before.default_preview)
    assert after.metadata.sizes == []


def test_the_day_of_an_embargo_that_is_over_opens_nothing_that_is_restricted_now() -> None:
    """As history it stays only where everything is public: access is decided by the date alone."""
    before = RecordData(
        access=Access(record="restricted", files="restricted", embargo_until=date(2020, 1, 1))
    )
    shown = rdm.dump_access(before, today=TODAY, has_files=True, published=True)
    assert (shown["record"], shown["files"], shown["embargo"]["active"]) == ("public", "public", False)
    shown.pop("status")

    def sent(**more: str) -> Access:
        return load({"access": {**shown, **more}}, before).access

    assert sent() == Access(embargo_until=date(2020, 1, 1))
    for more in ({"record": "restricted"}, {"files": "restricted"}):
        access = sent(**more)
        assert access.embargo_until is None
        assert access.files_public(TODAY) is False
        assert access.record_public(TODAY) is ("record" not in more)
