"""Whatever a client sends and we accept: what we answer, sent back, is the same data."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from strongroom.errors import Invalid
from strongroom.metadata import checks, html, legacy, vocabularies
from strongroom.metadata.model import RecordData
from tests.conftest import count

TODAY = date(2026, 11, 22)

text = st.text(max_size=20)
# Words that have a meaning in some field, so that not everything is refused.
word = st.sampled_from(
    ["", "a/b", "2024-01-01", "2024", "06.05.2024", "10.1234/abc", "doi:10.1/x", "https://example.org/ä?x=1#y",
     "0000-0002-1825-0097", "118540238", "978-3-16-148410-0", "1234-5679", "<p>a & b</p>", "a < b", "Doe, Jane",
     "A, B, C", "10.13039/501100000780::1", "foo::1", "00k4n6c32::7", "::", "..", "2024/2025", "Other", "3"]
)  # fmt: skip
name = st.one_of(text, word)
number = st.one_of(st.integers(-200, 200), st.floats(-200, 200), st.none())
json_value = st.recursive(st.one_of(text, st.integers(-9, 9), st.booleans(), st.none()), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2), max_leaves=4)  # fmt: skip


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def several(item: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(item, max_size=3)


person = some(name=name, affiliation=name, orcid=name, gnd=name, note=text)
role = st.sampled_from(["Other", "supervisor", "DataCollector"])
contributor = some(name=name, affiliation=name, orcid=name, type=role)
relation = st.sampled_from(["cites", "isAlternateIdentifier", "isOriginalFormof", "ispartof"])
scheme = st.sampled_from(["doi", "url", "isbn", "other", "handle", "urn", "gnd", "nonsense", "ARK"])
kind = st.sampled_from(["dataset", "publication-thesis", "image-figure"])
related = some(identifier=name, relation=relation, scheme=scheme, resource_type=kind)
date_item = some(start=name, end=name, date=name, type=st.sampled_from(["Collected", "valid", "Other"]), description=text)  # fmt: skip
funder = some(
    name=name, doi=name, acronym=name, acronyms=several(text), id=name, country=text, links=some(self=text)
)
grant = some(id=name, code=name, internal_id=name, title=name, acronym=text, program=st.sampled_from(["FP7", "H2020"]), url=name, doi=name, funder=st.one_of(funder, text), links=some(self=st.sampled_from(["https://x.org/api/grants/10.13039/501100000780::654241"])), extra=json_value)  # fmt: skip

metadata = some(
    title=name,
    upload_type=st.sampled_from(["dataset", "publication", "image", "software"]),
    publication_type=st.sampled_from(["article", "thesis", "other"]),
    image_type=st.sampled_from(["figure"]),
    publication_date=name,
    creators=several(person),
    contributors=several(contributor),
    thesis_supervisors=several(person),
    description=name,
    notes=name,
    method=name,
    access_right=st.sampled_from(["open", "embargoed", "restricted", "closed"]),
    embargo_date=st.sampled_from(["2020-01-01", "2030-01-01"]),
    access_conditions=name,
    license=st.sampled_from(["mit", "cc-by", "cc-by-1.0", "other-open", {"id": "GPL-3.0+"}]),
    doi=name,
    keywords=st.one_of(several(name), name),
    references=several(name),
    related_identifiers=several(related),
    alternate_identifiers=several(related),
    communities=several(some(identifier=st.sampled_from(["a", " b "]))),
    grants=several(grant),
    journal_title=name,
    journal_pages=name,
    journal=some(title=name, year=name, issn=text),
    conference_url=name,
    conference_session_part=name,
    meeting=some(acronym=name, dates=name),
    imprint_publisher=name,
    imprint_isbn=name,
    imprint=some(publisher=name, place=name),
    partof_title=name,
    part_of=some(pages=name),
    thesis=some(university=name, supervisors=several(person)),
    subjects=several(some(term=text, identifier=text, scheme=text)),
    version=name,
    language=st.sampled_from(["en", "deu", "fre"]),
    locations=several(some(place=name, lat=number, lon=number, description=text)),
    dates=several(date_item),
    custom=st.dictionaries(st.sampled_from(["dwc:family", "x", "journal:x", "dc:creator"]), json_value),
    prereserve_doi=json_value,
    made_up=json_value,
)


def loaded(said: Any) -> RecordData | None:
    try:
        return legacy.load(said, today=TODAY, site="Strongroom").data
    except Invalid as refused:
        findings = refused.findings
    assert findings
    assert all(f.field.startswith("metadata") and f.messages for f in findings)
    return None


@settings(max_examples=count(150, 3_000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(metadata)
@example({"imprint": {"publisher": "", "place": "0"}})
def test_answers_read_back_as_the_same_data(said: dict[str, Any]) -> None:
    data = loaded(said)
    if data is None:
        return
    assert RecordData.from_json(data.to_json()) == data
    deposition = legacy.dump_deposition(data, today=TODAY, doi=None, prereserve=("10.5072/x.1", 1))
    json.dumps(deposition, allow_nan=False)
    assert loaded(json.loads(json.dumps(deposition))) == data
    again = legacy.dump_deposition(data, today=TODAY, doi=None, prereserve=("10.5072/x.1", 1))
    assert again == deposition  # writing changes nothing
    record = legacy.dump_record(data, today=TODAY, doi=None, relations={"version": []}, site="Strongroom")
    over = data.access.embargo_until is not None and not data.access.embargoed(TODAY)
    contradicted = any("id" in (funding.raw or {}) for funding in data.metadata.funding)
    if not over and not contradicted:
        assert loaded(record) == data
    checks.for_publication(data, today=TODAY)
    legacy.new_version(data, today=TODAY)


@settings(max_examples=count(100, 2_000), deadline=None)
@given(st.dictionaries(st.sampled_from(["title", "creators", "license", "dates", "grants", "custom", "subjects", "doi", "embargo_date", "access_right", "resource_type", "thesis", "journal", "communities", "version", "related_identifiers", "locations", "upload_type", "language", "thesis_supervisors", "alternate_identifiers"]), json_value, max_size=5))  # fmt: skip
def test_any_json_is_read_or_refused(said: dict[str, Any]) -> None:
    data = loaded(said)
    if data is not None:
        deposition = legacy.dump_deposition(data, today=TODAY, doi=None, prereserve=("10.5072/x.1", 1))
        assert loaded(deposition) == data


@settings(max_examples=count(150, 10_000), deadline=None)
@given(st.text(alphabet="<>/&;pabscript =\"'\n\r\x00x3amp!-", max_size=40))
def test_cleaning_twice_is_cleaning_once(markup: str) -> None:
    once = html.clean(markup)
    assert html.clean(once) == once
    assert "<script" not in once


def test_every_licence_reads_back() -> None:
    for key in vocabularies.licences():
        shown = vocabularies.legacy_licences().get(key, key)
        assert vocabularies.licence_id(shown) == key
