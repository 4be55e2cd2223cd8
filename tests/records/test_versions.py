"""Versions: files carry over by spans of rows, nothing is copied, and discarding undoes all of it."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import func, select

from strongroom.access import ANONYMOUS, Actor
from strongroom.errors import Forbidden, NotFound
from strongroom.files.models import instances, objects
from strongroom.ids import today
from strongroom.metadata.model import Access
from strongroom.records import queries
from strongroom.records.models import concepts, drafts
from tests.desk import Desk, data


def keys(desk: Desk, actor: Actor, some_id: int) -> list[str]:
    view = desk.draft(actor, some_id) or desk.record(actor, some_id)
    assert view.files is not None
    return [f.key for f in view.files]


def spans(desk: Desk) -> list[tuple[str, int, int | None]]:
    return [
        (r.key, r.first_version, r.last_version)
        for r in desk.rows(select(objects).order_by(objects.c.key, objects.c.first_version))
    ]


def test_a_new_version_begins_as_the_latest_was(desk: Desk, jane: Actor) -> None:
    first = desk.deposit(jane, "a", "b", described=data("Rose", version="1.0"))
    draft_id = desk.new_version(jane, first)
    view = desk.draft(jane, draft_id)
    assert view is not None
    assert (view.index, view.concept_id, view.published, view.doi) == (2, first - 1, False, None)
    assert view.concept_doi == f"10.5072/strongroom.{first - 1}"
    assert view.data.metadata.title == "Rose"
    assert (view.data.metadata.version, view.data.metadata.publication_date) == (None, today().isoformat())
    assert [f.key for f in view.files] == ["a", "b"]
    assert spans(desk) == [("a", 1, None), ("b", 1, None)], "no row was written for the files"
    assert desk.draft(jane, first) is None
    assert desk.record(ANONYMOUS, first).is_latest


def test_one_open_next_draft_a_concept(desk: Desk, jane: Actor, john: Actor) -> None:
    first = desk.deposit(jane)
    draft_id = desk.new_version(jane, first)
    assert desk.new_version(jane, first) == draft_id
    second = desk.publish(jane, draft_id)
    third = desk.new_version(jane, first)  # any version may be named
    assert third != draft_id
    assert desk.new_version(jane, second) == third
    assert [r.id for r in desk.rows(select(drafts.c.id))] == [third]
    assert [desk.record(jane, i).next_draft_id for i in (first, second)] == [third, third]
    assert desk.record(john, first).next_draft_id is None, "others do not learn of it"
    with pytest.raises(NotFound):
        desk.new_version(jane, third)  # a draft has no next version yet
    with pytest.raises(NotFound):
        desk.new_version(jane, first - 1)  # and a concept's id is none of a version


def test_what_changes_is_all_that_is_written(desk: Desk, jane: Actor) -> None:
    first = desk.deposit(jane, "delete", "keep", "rename", "replace")
    old = desk.record(jane, first)
    draft_id = desk.new_version(jane, first)
    desk.remove(jane, draft_id, "delete")
    desk.rename(jane, draft_id, "rename", "renamed")
    desk.put(jane, draft_id, "replace", b"new")
    desk.put(jane, draft_id, "added")
    # What was added in this draft may be changed and taken back without a trace.
    desk.put(jane, draft_id, "short-lived")
    desk.remove(jane, draft_id, "short-lived")
    desk.put(jane, draft_id, "added", b"again")
    desk.rename(jane, draft_id, "added", "added2")
    assert spans(desk) == [
        ("added2", 2, None),
        ("delete", 1, 1),
        ("keep", 1, None),
        ("rename", 1, 1),
        ("renamed", 2, None),
        ("replace", 1, 1),
        ("replace", 2, None),
    ]
    assert desk.record(jane, first) == replace_next(old, draft_id), "the published version saw nothing of it"
    second = desk.publish(jane, draft_id)
    assert keys(desk, ANONYMOUS, first) == ["delete", "keep", "rename", "replace"]
    assert keys(desk, ANONYMOUS, second) == ["added2", "keep", "renamed", "replace"]
    before, after = desk.record(jane, first), desk.record(jane, second)
    assert before.files
    assert after.files
    by_key = {f.key: f for f in before.files}, {f.key: f for f in after.files}
    assert by_key[0]["keep"] == by_key[1]["keep"], "the same row in both"
    assert by_key[0]["rename"].location == by_key[1]["renamed"].location, "renaming moves no byte"
    assert desk.store.get(by_key[0]["replace"].location) == b"replace"
    assert desk.store.get(by_key[1]["replace"].location) == b"new"
    assert (before.file_count, after.file_count) == (4, 4)
    assert after.total_bytes == sum(f.size for f in after.files)


def replace_next(view: object, draft_id: int) -> object:
    from dataclasses import replace

    return replace(view, next_draft_id=draft_id)  # type: ignore[type-var]


def test_discarding_a_next_draft_undoes_all_of_it(desk: Desk, jane: Actor) -> None:
    first = desk.deposit(jane, "delete", "keep", "rename", "replace")
    second = desk.publish(jane, desk.new_version(jane, first))
    before, rows = desk.record(jane, second), spans(desk)
    for _ in range(2):
        draft_id = desk.new_version(jane, second)
        desk.remove(jane, draft_id, "delete")
        desk.rename(jane, draft_id, "rename", "renamed")
        desk.put(jane, draft_id, "replace", b"new")
        desk.put(jane, draft_id, "added")
        assert spans(desk) != rows
        assert desk.discard(jane, draft_id) is False
        assert spans(desk) == rows
        assert desk.record(jane, second) == before
    (concept,) = desk.rows(concepts.select())
    assert (concept.next_draft_id, concept.latest_id, concept.latest_version) == (None, second, 2)


def test_many_versions_cost_what_changed(desk: Desk, jane: Actor) -> None:
    """Ten versions of thirty files, one of them new each time: ten rows more, not three hundred."""
    record_id = desk.deposit(jane, *(f"{n:02}" for n in range(30)))
    for version in range(2, 11):
        draft_id = desk.new_version(jane, record_id)
        desk.put(jane, draft_id, f"new {version:02}")
        record_id = desk.publish(jane, draft_id)
    assert desk.rows(select(func.count()).select_from(objects))[0][0] == 39
    assert len(keys(desk, jane, record_id)) == 39
    shown = desk.record(jane, record_id, with_versions=True).versions
    assert [v.index for v in shown] == list(range(10, 0, -1))
    assert [v.is_latest for v in shown] == [True] + [False] * 9


def test_the_depositors_order_comes_along(desk: Desk, jane: Actor) -> None:
    draft_id = desk.create(jane)
    for key in "abc":
        desk.put(jane, draft_id, key)
    desk.sort(jane, draft_id, "c", "a", "b")
    first = desk.publish(jane, draft_id)
    draft_id = desk.new_version(jane, first)
    assert keys(desk, jane, draft_id) == ["c", "a", "b"]
    desk.sort(jane, draft_id, "b", "c", "a")
    second = desk.publish(jane, draft_id)
    assert keys(desk, ANONYMOUS, first) == ["c", "a", "b"]
    assert keys(desk, ANONYMOUS, second) == ["b", "c", "a"]


def test_an_embargo_that_is_over_does_not_come_along(
    desk: Desk, jane: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from strongroom.records import drafts as verbs

    embargo = Access(files="restricted", embargo_until=date(2040, 1, 1), embargo_reason="Paper")
    first = desk.deposit(jane, described=data(access=embargo))
    draft_id = desk.new_version(jane, first)
    view = desk.draft(jane, draft_id)
    assert view is not None
    assert view.data.access == embargo
    desk.discard(jane, draft_id)
    monkeypatch.setattr(verbs, "today", lambda: date(2040, 1, 1))
    view = desk.draft(jane, desk.new_version(jane, first))
    assert view is not None
    assert view.data.access == Access()


def test_the_next_version_after_a_withdrawal_begins_with_the_latest_that_is_left(
    desk: Desk, jane: Actor
) -> None:
    """Not with the files of the withdrawn one, which may be the reason why it is gone."""
    first = desk.deposit(jane, "a", "b", "c", "keep", described=data("One"))
    draft_id = desk.new_version(jane, first)
    desk.remove(jane, draft_id, "a")
    desk.put(jane, draft_id, "b", b"better")
    desk.rename(jane, draft_id, "c", "d")
    desk.put(jane, draft_id, "personal data")
    desk.update(jane, draft_id, data("Two"))
    second = desk.publish(jane, draft_id)
    desk.withdraw(second)
    rows = spans(desk)

    third = desk.new_version(jane, first)
    view = desk.draft(jane, third)
    assert view is not None
    assert (view.index, view.data.metadata.title) == (3, "One")
    assert [f.key for f in view.files] == ["a", "b", "c", "keep"]
    assert [f.location for f in view.files] == [f.location for f in desk.record(jane, first).files or []]
    assert ("keep", 1, None) in spans(desk), "what never changed is still one row"
    desk.discard(jane, third)
    assert spans(desk) == rows, "and discarding it undoes that too"

    third = desk.new_version(jane, first)
    desk.remove(jane, third, "a")
    desk.publish(jane, third)
    assert keys(desk, ANONYMOUS, first) == ["a", "b", "c", "keep"]
    assert keys(desk, ANONYMOUS, third) == ["b", "c", "keep"]
    fourth = desk.new_version(jane, third)
    assert keys(desk, jane, fourth) == ["b", "c", "keep"]
    assert desk.rows(select(func.count()).select_from(instances))[0][0] == 6


def test_the_order_survives_that_too(desk: Desk, jane: Actor) -> None:
    draft_id = desk.create(jane)
    for key in "abc":
        desk.put(jane, draft_id, key)
    desk.sort(jane, draft_id, "c", "a", "b")
    first = desk.publish(jane, draft_id)
    draft_id = desk.new_version(jane, first)
    desk.remove(jane, draft_id, "a")
    desk.withdraw(desk.publish(jane, draft_id))
    assert keys(desk, jane, desk.new_version(jane, first)) == ["c", "a", "b"]


def test_no_next_version_when_all_are_withdrawn(desk: Desk, jane: Actor) -> None:
    record_id = desk.deposit(jane)
    desk.withdraw(record_id)
    with pytest.raises(Forbidden):
        desk.new_version(jane, record_id)


def test_concept_and_dois_lead_to_the_latest(desk: Desk, jane: Actor) -> None:
    first = desk.deposit(jane)
    second = desk.publish(jane, desk.new_version(jane, first))
    concept_doi = f"10.5072/strongroom.{first - 1}"
    with desk.db.read() as session:
        assert queries.latest_of(session, first - 1) == second
        assert queries.target_of_doi(session, concept_doi) == second
        assert queries.target_of_doi(session, f"10.5072/strongroom.{first}") == first
        assert [queries.latest_version(session, ANONYMOUS, i) for i in (first - 1, first, second)] == [
            second
        ] * 3
    assert {desk.record(jane, i).concept_doi for i in (first, second)} == {concept_doi}
