"""The state machine of api-legacy.md section 7, verb by verb, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from strongroom.access import ANONYMOUS, Actor
from strongroom.db import Database
from strongroom.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Locked,
    NotFound,
    Stale,
    StrongroomError,
    Unauthenticated,
)
from strongroom.records.models import concepts, drafts, records, revisions
from tests.conftest import count
from tests.desk import Desk, data


def test_a_first_draft(desk: Desk, jane: Actor) -> None:
    draft_id = desk.create(jane, data("Rose"))
    view = desk.draft(jane, draft_id)
    assert view is not None
    assert (view.id, view.concept_id, view.index, view.revision) == (draft_id, draft_id - 1, 1, 1)
    assert (view.published, view.doi, view.concept_doi, view.files) == (False, None, None, [])
    assert view.data == data("Rose")
    assert view.created == view.updated


def test_nobody_deposits_anonymously(desk: Desk) -> None:
    with pytest.raises(Unauthenticated):
        desk.create(ANONYMOUS)


def test_each_write_bumps_the_revision_and_if_match_is_checked(desk: Desk, jane: Actor) -> None:
    draft_id = desk.create(jane)
    desk.update(jane, draft_id, data("One"), if_match=1)
    desk.put(jane, draft_id, "a.txt")
    desk.rename(jane, draft_id, "a.txt", "b.txt")
    desk.sort(jane, draft_id, "b.txt")
    desk.remove(jane, draft_id, "b.txt")
    view = desk.draft(jane, draft_id)
    assert view is not None
    assert view.revision == 6
    with pytest.raises(Stale):
        desk.update(jane, draft_id, data("Two"), if_match=5)
    view = desk.draft(jane, draft_id)
    assert view is not None
    assert (view.data.metadata.title, view.revision) == ("One", 6)


def each_verb(*left_out: str) -> list[tuple[str, tuple[object, ...]]]:
    """Every verb of drafts with what it takes beside actor and id."""
    verbs: dict[str, tuple[object, ...]] = {
        "update": (data("Mine"),),
        "discard": (),
        "publish": (),
        "edit": (),
        "new_version": (),
        "put": ("x",),
        "remove": ("a.txt",),
        "sort": ("a.txt",),
    }
    return [(verb, more) for verb, more in verbs.items() if verb not in left_out]


def test_others_may_do_nothing_with_a_draft(desk: Desk, jane: Actor, john: Actor) -> None:
    draft_id = desk.create(jane)
    desk.put(jane, draft_id, "a.txt")
    before = desk.draft(jane, draft_id)
    for verb, more in each_verb():
        with pytest.raises(Forbidden):
            getattr(desk, verb)(john, draft_id, *more)
    with pytest.raises(Forbidden):
        desk.draft(john, draft_id)
    assert desk.draft(jane, draft_id) == before


def test_others_may_do_nothing_with_a_record(desk: Desk, jane: Actor, john: Actor) -> None:
    record_id = desk.deposit(jane)
    before = desk.record(ANONYMOUS, record_id)
    for verb, more in each_verb():
        with pytest.raises(Forbidden) as refused:
            getattr(desk, verb)(john, record_id, *more)
        assert not isinstance(refused.value, Locked), "who may not write learns nothing of the state"
    assert desk.record(ANONYMOUS, record_id) == before


def test_an_administrator_may(desk: Desk, jane: Actor, admin: Actor) -> None:
    draft_id = desk.create(jane)
    desk.put(admin, draft_id, "a.txt")
    desk.update(admin, draft_id, data("Tidied"))
    record_id = desk.publish(admin, draft_id)
    assert desk.record(ANONYMOUS, record_id).owner_id == jane.user_id


def test_what_is_not_there(desk: Desk, jane: Actor) -> None:
    for verb, more in each_verb():
        with pytest.raises(NotFound):
            getattr(desk, verb)(jane, 4711, *more)


def test_a_published_record_takes_no_draft_verbs(desk: Desk, jane: Actor) -> None:
    record_id = desk.deposit(jane)
    for attempt in (
        lambda: desk.update(jane, record_id, data("New")),
        lambda: desk.publish(jane, record_id),
        lambda: desk.discard(jane, record_id),
    ):
        with pytest.raises(NotFound):
            attempt()
    for locked in (
        lambda: desk.put(jane, record_id, "b.txt"),
        lambda: desk.remove(jane, record_id, "a.txt"),
        lambda: desk.rename(jane, record_id, "a.txt", "b.txt"),
        lambda: desk.sort(jane, record_id, "a.txt"),
    ):
        with pytest.raises(Locked):
            locked()


def test_an_edit_leaves_files_alone_and_makes_a_revision(desk: Desk, jane: Actor) -> None:
    record_id = desk.deposit(jane, "b.txt", "a.txt", described=data("First"))
    before = desk.record(ANONYMOUS, record_id)
    assert desk.edit(jane, record_id) == record_id
    assert desk.edit(jane, record_id) == record_id  # opening twice is opening once
    desk.update(jane, record_id, data("Second"))
    for locked in (
        lambda: desk.put(jane, record_id, "c.txt"),
        lambda: desk.remove(jane, record_id, "a.txt"),
        lambda: desk.rename(jane, record_id, "a.txt", "c.txt"),
        lambda: desk.sort(jane, record_id, "b.txt", "a.txt"),
    ):
        with pytest.raises(Locked):
            locked()
    assert desk.record(ANONYMOUS, record_id).data == data("First"), "an open edit shows nowhere"
    view = desk.draft(jane, record_id)
    assert view is not None
    assert (view.published, view.doi, view.data) == (True, before.doi, data("Second"))

    assert desk.publish(jane, record_id) == record_id
    after = desk.record(ANONYMOUS, record_id)
    assert after.data == data("Second")
    assert (after.revision, after.doi, after.created) == (2, before.doi, before.created)
    assert after.updated > before.updated
    assert after.files == before.files
    assert desk.draft(jane, record_id) is None
    kept = desk.rows(revisions.select().order_by(revisions.c.revision))
    assert [(r.record_id, r.revision, r.actor) for r in kept] == [
        (record_id, 1, jane.label),
        (record_id, 2, jane.label),
    ]
    assert ["First" in kept[0].data, "Second" in kept[1].data] == [True, True]


def test_discarding_an_edit_falls_back_to_the_record(desk: Desk, jane: Actor) -> None:
    record_id = desk.deposit(jane, described=data("First"))
    before = desk.record(jane, record_id)
    desk.edit(jane, record_id)
    desk.update(jane, record_id, data("Second"))
    assert desk.discard(jane, record_id) is True
    assert desk.record(jane, record_id) == before
    assert desk.draft(jane, record_id) is None
    assert len(desk.rows(revisions.select())) == 1
    # And a next edit begins with what is published, not with what was given up.
    desk.edit(jane, record_id)
    view = desk.draft(jane, record_id)
    assert view is not None
    assert view.data == data("First")


def test_discarding_a_first_draft_leaves_nothing(desk: Desk, jane: Actor) -> None:
    draft_id = desk.create(jane)
    desk.put(jane, draft_id, "a.txt")
    assert desk.discard(jane, draft_id) is False
    assert [desk.rows(t.select()) for t in (concepts, drafts, records, revisions)] == [[], [], [], []]
    with pytest.raises(NotFound):
        desk.discard(jane, draft_id)


def test_ids_and_dois_are_never_given_twice(desk: Desk, jane: Actor) -> None:
    first = desk.create(jane)
    desk.discard(jane, first)
    second = desk.deposit(jane)
    third = desk.new_version(jane, second)
    desk.discard(jane, third)
    fourth = desk.new_version(jane, second)
    ids = [first, second, third, fourth]
    # The concept's id lies just below that of its first version; a later version leaves its gap unused.
    assert ids == sorted({*ids})
    assert all(b - a == 2 for a, b in pairwise(ids))
    desk.publish(jane, fourth)
    dois = [desk.record(jane, i).doi for i in (second, fourth)]
    assert dois == [f"10.5072/strongroom.{second}", f"10.5072/strongroom.{fourth}"]


def test_what_a_rolled_back_creation_took_is_not_in_the_way(desk: Desk, jane: Actor) -> None:
    def fails() -> None:
        with desk.db.begin() as session:
            desk.db.next_id(session)
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fails()
    assert desk.create(jane) < desk.create(jane)


def at_once(desk: Desk, *calls: tuple[str, Actor, int]) -> list[object]:
    """What came of verbs that are called at the same moment, each from a process's own database."""
    databases = [Database(desk.settings) for _ in calls]
    begin = threading.Barrier(len(calls))

    def run(call: tuple[str, Actor, int], db: Database) -> object:
        verb: Callable[[Actor, int], object] = getattr(Desk.of(desk.settings, db), call[0])
        begin.wait()
        try:
            return verb(*call[1:])
        except StrongroomError as error:
            return type(error)

    with ThreadPoolExecutor(len(calls)) as pool:
        came = list(pool.map(run, calls, databases))
    for db in databases:
        db.close()
    return came


def test_two_who_do_the_same_at_once(desk: Desk, jane: Actor) -> None:
    """Each pair ends as if one had come after the other; nothing but our own errors."""
    for number in range(count(4, 100)):
        draft_id = desk.create(jane, data(f"Round {number}"))
        desk.put(jane, draft_id, "a.txt")

        def twice(verb: str, some_id: int = draft_id) -> list[object]:
            return at_once(desk, (verb, jane, some_id), (verb, jane, some_id))

        assert set(twice("publish")) == {draft_id, NotFound}
        assert twice("edit") == [draft_id, draft_id]
        assert set(twice("discard")) == {True, NotFound}
        first, second = twice("new_version")
        assert first == second
        assert isinstance(first, int)
    assert len(desk.rows(drafts.select())) == number + 1


def test_two_records_with_one_external_doi_at_once(desk: Desk, jane: Actor) -> None:
    for number in range(count(4, 100)):
        ids = [desk.create(jane, data(doi=f"10.1234/round.{number}")) for _ in range(2)]
        for draft_id in ids:
            desk.put(jane, draft_id, "a.txt")
        came = at_once(desk, *(("publish", jane, draft_id) for draft_id in ids))
        assert Invalid in came
        assert len([c for c in came if isinstance(c, int)]) == 1


def test_an_upload_that_comes_after_the_draft_closed(desk: Desk, jane: Actor) -> None:
    """Bytes on their way when the draft is published or discarded are not attached."""
    from strongroom.records import drafts as verbs

    for end in (desk.publish, desk.discard):
        draft_id = desk.create(jane)
        desk.put(jane, draft_id, "a.txt")
        with desk.db.begin() as session:
            bucket = verbs.open_bucket(session, jane, draft_id)
        end(jane, draft_id)
        with pytest.raises(Conflict), desk.db.begin() as session:
            verbs.still_open(session, bucket)


def test_sorting_names_every_file_once(desk: Desk, jane: Actor) -> None:
    draft_id = desk.create(jane)
    for key in ("c", "a", "b"):
        desk.put(jane, draft_id, key)
    for wrong in (("a",), ("a", "a", "b"), ("a", "b", "c", "c")):
        with pytest.raises(Invalid):
            desk.sort(jane, draft_id, *wrong)
    view = desk.draft(jane, draft_id)
    assert view is not None
    assert [f.key for f in view.files] == ["a", "b", "c"]
    desk.sort(jane, draft_id, "b", "c", "a")
    desk.put(jane, draft_id, "0")  # a new file goes to the end
    view = desk.draft(jane, draft_id)
    assert view is not None
    assert [f.key for f in view.files] == ["b", "c", "a", "0"]
    desk.publish(jane, draft_id)
    shown = desk.record(ANONYMOUS, draft_id)
    assert shown.files is not None
    assert [f.key for f in shown.files] == ["b", "c", "a", "0"]
    assert shown.sorted_files
