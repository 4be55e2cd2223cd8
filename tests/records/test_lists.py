"""What lists of records show is read from their JSON, and is what their views say."""

from __future__ import annotations

from datetime import date

from strongroom.access import ANONYMOUS, SYSTEM, Actor
from strongroom.metadata.model import Access, Person
from strongroom.records import queries
from strongroom.records.views import ListedRecord
from tests.desk import Desk, data, restricted


def test_a_line_of_a_list_says_what_the_view_says(desk: Desk, jane: Actor, john: Actor) -> None:
    people = [
        Person(name="Doe, Jane"),
        Person(name="Rocca-Serra, Philippe", family_name="Rocca-Serra", given_name="Philippe"),
        Person(name="Plato", family_name="Plato"),
        Person(name="University, The", type="organizational"),
    ]
    ids = [
        desk.deposit(
            jane, "a", described=data("Rose", creators=people, version="2", description="<p>Scent</p>")
        ),
        desk.deposit(jane, "a", "b", described=data("Closed", access=restricted())),
        desk.deposit(
            jane, described=data("Later", access=Access(files="restricted", embargo_until=date(2099, 1, 1)))
        ),
        desk.publish(jane, desk.create(jane, data("No files", metadata_only=True))),
        desk.deposit(jane, described=data("Hidden", access=Access(record="restricted", files="restricted"))),
    ]
    with desk.db.read() as session:
        for actor, seen in ((ANONYMOUS, 4), (john, 4), (jane, 5), (SYSTEM, 5)):
            found = queries.listed(session, actor, [*reversed(ids), 99])
            assert found == [ListedRecord.of(v) for v in queries.by_ids(session, actor, [*reversed(ids), 99])]
            assert len(found) == seen
    rose = found[-1]
    assert rose.creators == ["Jane Doe", "Philippe Rocca-Serra", "Plato", "University, The"]
    assert (found[-3].status, found[-3].embargo_until) == ("embargoed", date(2099, 1, 1))
