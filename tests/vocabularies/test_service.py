"""Grants resolved, ids checked, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from strongroom.db import Database, Session
from strongroom.metadata import grants
from strongroom.metadata.model import (
    Affiliation,
    Award,
    Funder,
    Funding,
    Metadata,
    Person,
    RecordData,
    Subject,
)
from strongroom.vocabularies import loading, service
from tests.statements import overheard
from tests.vocabularies.conftest import SAMPLES


@pytest.fixture
def loaded(database: Database) -> Database:
    loading.load(database, "ror", SAMPLES / "ror.zip")
    loading.load(database, "awards", SAMPLES / "awards.tar")
    return database


def resolved(database: Database, *funding: Funding) -> list[Funding]:
    data = RecordData(metadata=Metadata(funding=list(funding)))
    with database.read() as session:
        return service.resolve(session, data).metadata.funding


@pytest.mark.parametrize(
    "given",
    [
        {"id": "10.13039/501100000780::654241"},
        {"id": "00k4n6c32::654241"},
        {"id": "654241"},
        {"code": "654241", "funder": {"doi": "10.13039/501100000780", "name": "European Commission"}},
        {"links": {"self": "https://zenodo.org/api/grants/10.13039/501100000780::654241"}},
    ],
)
def test_a_grant_in_any_form_is_the_award(loaded: Database, given: dict[str, object]) -> None:
    (funding,) = resolved(loaded, grants.load(given))
    assert funding.award is not None
    assert funding.award.id == "00k4n6c32::654241"
    assert funding.award.acronym == "PhenoMeNal"
    assert funding.award.program == "H2020"
    assert funding.funder.id == "00k4n6c32"
    assert funding.funder.doi == "10.13039/501100000780"
    if "id" in given:
        assert grants.dump(funding) == {"id": "10.13039/501100000780::654241"}


def test_an_fp7_grant_is_its_number_alone(loaded: Database) -> None:
    (funding,) = resolved(loaded, grants.load({"id": "283595"}))
    assert grants.dump(funding) == {"id": "283595"}
    again = resolved(loaded, grants.load(grants.dump(funding)))
    assert again == [funding]


def test_an_unknown_grant_is_kept_as_given(loaded: Database) -> None:
    for given in (
        {"id": "10.13039/100000001::none"},
        {"id": "strange thing"},
        {"title": "Mine", "code": "1"},
    ):
        funding = grants.load(given)
        (after,) = resolved(loaded, funding)
        assert after.award == funding.award
        assert grants.dump(after) == grants.dump(funding)


def test_what_contradicts_the_vocabulary_is_kept(loaded: Database) -> None:
    given = Funding(funder=Funder(id="00k4n6c32"), award=Award(number="654241", title="Something else"))
    (after,) = resolved(loaded, given)
    assert after.award == given.award


def test_affiliations_and_subjects_named_by_id_get_their_words(loaded: Database) -> None:
    loading.load(loaded, "subjects", SAMPLES / "subjects-mesh.xml")
    mesh = "http://id.nlm.nih.gov/mesh/D900001"
    cern = Affiliation(name="", id="01ggx4157")
    mine, strange = Affiliation(name="Our CERN", id="01ggx4157"), Affiliation(name="", id="0000000x0")
    metadata = Metadata(
        creators=[Person(name="A", affiliations=[cern, mine, strange]), Person(name="B")],
        contributors=[Person(name="C", affiliations=[cern])],
        subjects=[
            Subject(subject="", id=mesh),
            Subject(subject="Own word", id=mesh),
            Subject(subject="keyword"),
            Subject(subject="", id="http://never.example/1"),
        ],
    )
    data = RecordData(metadata=metadata)
    with loaded.read() as session:
        after = service.resolve(session, data).metadata
        word = service.read(session, "subjects", mesh).data["subject"]
    named = Affiliation(name="European Organization for Nuclear Research", id="01ggx4157")
    assert after.creators[0].affiliations == [named, mine, strange]
    assert after.creators[1] == metadata.creators[1]
    assert after.contributors[0].affiliations == [named]
    assert after.subjects == [
        Subject(subject=word, id=mesh, scheme="MeSH"),
        Subject(subject="Own word", id=mesh, scheme="MeSH"),
        *metadata.subjects[2:],
    ]
    assert cern.name == ""  # what was given is not written into


def everything(count: int) -> RecordData:
    return RecordData(
        metadata=Metadata(
            creators=[
                Person(name="A", affiliations=[Affiliation(name="", id=f"0{n}")]) for n in range(count)
            ],
            subjects=[Subject(subject="", id=f"http://never.example/{n}") for n in range(count)],
            funding=[grants.load({"id": f"10.13039/501100000780::{n}"}) for n in range(count)],
        )
    )


@contextmanager
def listening(database: Database) -> Iterator[tuple[Session, list[str]]]:
    """A transaction, and the statements sent in it."""
    with overheard() as sent:
        database.close()  # only what is opened now is heard
        with database.read() as session:
            session.exec_driver_sql("SELECT 1")
            assert sent.pop() == "SELECT 1"
            del sent[:]
            yield session, sent


def test_the_database_is_asked_once_for_each_vocabulary(loaded: Database) -> None:
    for count in (1, 40):
        with listening(loaded) as (session, sent):
            data = service.resolve(session, everything(count))
            # Affiliations, subjects, awards, and funders by their DOIs.
            assert len(sent) == 4
            del sent[:]
            service.missing(session, data)
            # Awards that are not there have no id.
            assert len(sent) == 3


def test_ids_that_are_not_there_are_named_with_their_place(loaded: Database) -> None:
    here, gone = Affiliation(name="", id="01ggx4157"), Affiliation(name="", id="00000000")
    data = RecordData(
        metadata=Metadata(
            creators=[Person(name="A", affiliations=[here, gone])],
            subjects=[Subject(subject="x", id="http://never.example/loaded")],
            funding=[Funding(funder=Funder(id="nope"), award=Award(id="nope::1"))],
        )
    )
    with loaded.read() as session:
        found = service.missing(session, data)
    assert [finding.field for finding in found] == [
        "metadata.creators.0.affiliations.1",
        "metadata.funding.0.award",
        "metadata.funding.0.funder",
    ]
    assert found[0].messages == ("'00000000' is not in the vocabulary loaded here; kept as given.",)


def test_nothing_is_asked_of_a_record_without_ids(database: Database) -> None:
    said = RecordData(
        metadata=Metadata(
            creators=[Person(name="A", affiliations=[Affiliation(name="Here")])],
            subjects=[Subject(subject="keyword")],
        )
    )
    with listening(database) as (session, sent):
        for data in (RecordData(), said):
            assert service.missing(session, data) == []
            assert service.resolve(session, data) is data
        assert sent == []
