"""CITATION.cff from people who mean harm, and from those who repeat themselves."""

from __future__ import annotations

from datetime import date

import pytest

from strongroom.errors import Malformed
from strongroom.metadata.model import AlternateIdentifier
from strongroom.metadata.prefill import cff
from tests.bounded import ends

TODAY = date(2026, 11, 22)


def test_the_authors_can_be_repeated_by_an_alias() -> None:
    body = b"authors: &them\n  - {family-names: Doe}\nreferences:\n  - {title: One, authors: *them}\n"
    data, left_out = cff.read(body, TODAY)
    assert [p.name for p in data.metadata.creators] == ["Doe"]
    assert [r.reference for r in data.metadata.references] == ["Doe. One."]
    assert left_out == []


@pytest.mark.parametrize(
    "body",
    [
        b"x: &a " + b"w" * 20_000 + b"\nkeywords:\n" + b"- *a\n" * 5000,
        b"p: &p {family-names: A}\nau: &au\n" + b"- *p\n" * 1000 + b"references: [{authors: *au}]\n",
        b"a: &a {title: x}\nb:\n  <<: *a\n",
        b"title: x\nkeywords:\n" + b"- word\n" * 20_000,
        b"a: !!int ''",
        b"a: !!timestamp 'x'",
        b"a: !!bool x",
        b"a: 1" + b":00" * 300 + b".0",
    ],
    ids=["words", "people", "merged", "long", "no number", "no time", "no truth", "no angle"],
)
def test_what_is_no_citation_is_refused(body: bytes) -> None:
    with ends(), pytest.raises(Malformed):
        cff.read(body, TODAY)


def test_a_number_that_python_does_not_write_is_left_out() -> None:
    data, _ = cff.read(b"title: x\nversion: 0x" + b"f" * 9000, TODAY)
    assert data.metadata.version is None


def test_a_reference_names_few_of_very_many() -> None:
    people = b"".join(b"      - {family-names: N%d}\n" % n for n in range(2000))
    data, _ = cff.read(b"references:\n  - title: One\n    authors:\n" + people, TODAY)
    assert data.metadata.references[0].reference.count(",") == 19


def test_very_many_identifiers_are_not_compared_each_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    same = AlternateIdentifier.__eq__

    def counted(one: AlternateIdentifier, other: object) -> bool:
        compared.append(one)
        return same(one, other)

    monkeypatch.setattr(AlternateIdentifier, "__eq__", counted)
    one = b"- {type: other, value: http://a.bc/%d}\n"
    data, _ = cff.read(b"identifiers:\n" + b"".join(one % n for n in range(100)) + one % 0, TODAY)
    assert len(data.metadata.identifiers) == 100
    assert len(compared) <= 100
