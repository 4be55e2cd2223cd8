"""Withdrawal, change of owner, and access that changes by the date alone."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from strongroom import access, pids
from strongroom.access import ANONYMOUS, SYSTEM, Actor
from strongroom.errors import Forbidden, Gone, NotFound
from strongroom.ids import now
from strongroom.jobs.models import jobs
from strongroom.metadata.model import Access
from strongroom.records import drafts, publish, queries
from strongroom.records import search as record_search
from strongroom.records.models import concepts, records
from strongroom.records.search import DatabaseSource
from tests.desk import Desk, data


def test_only_an_administrator_withdraws_or_transfers(desk: Desk, jane: Actor, john: Actor) -> None:
    record_id = desk.deposit(jane)
    for actor in (jane, john, ANONYMOUS):
        with pytest.raises(Forbidden):
            desk.withdraw(record_id, by=actor)
        with pytest.raises(Forbidden):
            desk.transfer(record_id, john, by=actor)
    assert desk.record(ANONYMOUS, record_id).owner_id == jane.user_id


def test_a_withdrawn_record_leaves_a_tombstone(desk: Desk, jane: Actor, admin: Actor) -> None:
    record_id = desk.deposit(jane, described=data("Rose", description="Secret of the rose", version="1.2"))
    desk.edit(jane, record_id)
    desk.withdraw(record_id, "retracted", "It was wrong.", by=admin)
    for actor in (ANONYMOUS, jane, admin):
        with pytest.raises(Gone) as gone:
            desk.record(actor, record_id)
        with pytest.raises(Gone), desk.db.read() as session:
            queries.bucket(session, actor, record_id)
    said = gone.value.tombstone
    assert said["removal_reason"] == {"id": "retracted"}
    assert (said["note"], said["title"], said["version"]) == ("It was wrong.", "Rose", "1.2")
    assert said["removed_by"] == {"user": str(admin.user_id)}
    assert said["record_id"] == record_id
    assert said["doi"] == f"10.5072/strongroom.{record_id}"
    assert said["doi"] in said["citation_text"]
    assert "Secret of the rose" not in str(said)
    assert desk.rows(pids.pids.select().where(pids.pids.c.subject_id == record_id))[0].state == "tombstone"
    with pytest.raises(Gone):
        desk.withdraw(record_id)
    # An open edit went with it, and no verb wakes the record up.
    assert desk.draft(jane, record_id) is None
    with pytest.raises(Forbidden):
        desk.edit(jane, record_id)
    with pytest.raises(NotFound):
        desk.publish(jane, record_id)


def test_the_bytes_are_kept(desk: Desk, jane: Actor) -> None:
    record_id = desk.deposit(jane, "a.txt")
    (file,) = desk.record(jane, record_id).files or []
    desk.withdraw(record_id)
    desk.work(until=now() + timedelta(days=100))
    assert desk.store.get(file.location) == b"a.txt"


def test_the_latest_pointer_moves_back(desk: Desk, jane: Actor) -> None:
    first = desk.deposit(jane)
    second = desk.publish(jane, desk.new_version(jane, first))
    third = desk.publish(jane, desk.new_version(jane, first))
    desk.withdraw(second)
    assert desk.record(ANONYMOUS, first).latest_id == third
    desk.withdraw(third)
    assert desk.record(ANONYMOUS, first).is_latest
    assert [v.id for v in desk.record(jane, first, with_versions=True).versions] == [first]
    with desk.db.read() as session:
        assert queries.latest_of(session, first - 1) == first
        assert queries.latest_version(session, ANONYMOUS, third) == first
    with pytest.raises(Gone) as gone:
        desk.record(ANONYMOUS, third)
    assert gone.value.tombstone["latest_id"] == first, "the tombstone leads on"
    (concept,) = desk.rows(concepts.select())
    assert (concept.latest_id, concept.latest_version) == (first, 3)
    # The next one is the fourth: the number of a withdrawn version is not given again.
    fourth = desk.publish(jane, desk.new_version(jane, first))
    assert desk.record(ANONYMOUS, fourth).index == 4


def test_a_concept_with_no_version_left_is_gone_too(desk: Desk, jane: Actor) -> None:
    first = desk.deposit(jane, described=data("One"))
    second = desk.publish(jane, desk.new_version(jane, first))
    desk.withdraw(first)
    desk.withdraw(second, note="All of it")
    for some_id in (first - 1, first, second):
        with pytest.raises(Gone) as gone, desk.db.read() as session:
            queries.latest_version(session, ANONYMOUS, some_id)
        with pytest.raises(Gone):
            desk.record(ANONYMOUS, some_id)
    assert "latest_id" not in gone.value.tombstone
    with pytest.raises(Gone) as gone:
        desk.record(ANONYMOUS, first - 1)
    assert gone.value.tombstone["record_id"] == second
    # Its DOI still leads somewhere: to the address that says so.
    with desk.db.read() as session:
        assert queries.target_of_doi(session, f"10.5072/strongroom.{first - 1}") == first - 1
        assert queries.newest(session, ANONYMOUS, 10) == []
        assert queries.count_public(session) == 0


def test_a_withdrawn_record_is_in_no_list(desk: Desk, jane: Actor) -> None:
    first = desk.deposit(jane)
    second = desk.deposit(jane)
    desk.withdraw(second)
    with desk.db.read() as session:
        assert [v.id for v in queries.by_ids(session, SYSTEM, [first, second])] == [first]
        assert [v.id for v in queries.newest(session, SYSTEM, 10)] == [first]
        assert queries.owned(session, jane, 0, 10) == (1, [first])
        mine = drafts.list_ids(
            session,
            jane,
            status=None,
            all_versions=True,
            oldest_first=False,
            by_updated=False,
            offset=0,
            limit=10,
        )
    assert mine == [(first, False)]
    source = DatabaseSource(desk.db, desk.settings)
    assert set(source.documents("record", [first, second])) == {first}
    assert [d.id for d in source.everything("record", 0, 10)] == [first]


def test_with_a_registrar_the_doi_is_told(desk: Desk, jane: Actor) -> None:
    record_id = desk.deposit(jane)
    desk.settings = desk.settings.model_copy(update={"registrar": "datacite"})
    desk.withdraw(record_id)
    assert "doi.register" in {j.task for j in desk.rows(jobs.select())}


def test_transfer_hands_over_all_versions_and_drafts(desk: Desk, jane: Actor, john: Actor) -> None:
    first = desk.deposit(jane, described=data(access=Access(files="restricted")))
    second = desk.publish(jane, desk.new_version(jane, first))
    next_draft = desk.new_version(jane, first)
    other = desk.deposit(jane)
    before = len(desk.log())
    desk.transfer(first, john)
    assert {r.owner_id for r in desk.rows(records.select().where(records.c.id != other))} == {john.user_id}
    assert desk.record(john, first).files
    assert desk.record(jane, first).files is None
    with pytest.raises(Forbidden):
        desk.draft(jane, next_draft)
    with pytest.raises(Forbidden):
        desk.put(jane, next_draft, "x")
    desk.put(john, next_draft, "x")
    assert desk.publish(john, next_draft) == next_draft
    assert desk.record(ANONYMOUS, next_draft).owner_id == john.user_id
    assert desk.record(ANONYMOUS, other).owner_id == jane.user_id
    assert desk.log()[before : before + 3] == [
        ("transferred", "record", first),
        ("transferred", "record", second),
        ("transferred", "draft", next_draft),
    ]
    with pytest.raises(NotFound):
        desk.transfer(4711, john)
    with pytest.raises(NotFound):
        desk.transfer(first, Actor(user_id=4711))


def test_an_embargo_ends_by_the_date_alone(
    desk: Desk, jane: Actor, john: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No job has to run: a late one can neither leak nor lock."""
    embargo = Access(files="restricted", embargo_until=date(2035, 3, 1))
    record_id = desk.deposit(jane, described=data(access=embargo))

    def on(day: date) -> None:
        for module in (queries, publish, record_search):
            monkeypatch.setattr(module, "today", lambda: day)

    def readable() -> bool:
        with desk.db.read() as session:
            try:
                queries.bucket(session, john, record_id)
            except Forbidden:
                assert not queries.files_open_to_all(session, record_id)
                return False
            assert queries.files_open_to_all(session, record_id)
            return True

    source = DatabaseSource(desk.db, desk.settings)
    on(date(2035, 2, 28))
    assert not readable()
    assert desk.record(john, record_id).status == "embargoed"
    assert not source.documents("record", [record_id])[record_id].files
    on(date(2035, 3, 1))
    assert readable()
    assert desk.record(john, record_id).status == "open"
    assert source.documents("record", [record_id])[record_id].files

    # The job only spreads the news, once.
    before, stamp = len(desk.log()), desk.rows(concepts.select())[0].revision
    desk.work()
    assert desk.log()[before:] == []
    with desk.db.begin() as session:
        assert publish.lift_embargoes(session, date(2035, 2, 28)) == []
        assert publish.lift_embargoes(session, date(2035, 3, 1)) == [record_id]
        assert publish.lift_embargoes(session, date(2035, 3, 2)) == []
    assert desk.log()[before:] == [("embargo-ended", "record", record_id)]
    assert desk.rows(concepts.select())[0].revision == stamp + 1
    assert ("manifest.write", str(record_id)) in {(j.task, j.key) for j in desk.rows(jobs.select())}


def test_a_restricted_record_opens_with_its_embargo(
    desk: Desk, jane: Actor, john: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Record and files, by the date alone, in every question that is asked about it."""
    until = date(2035, 3, 1)
    closed = Access(record="restricted", files="restricted", embargo_until=until)
    record_id = desk.deposit(jane, described=data(access=closed))
    source = DatabaseSource(desk.db, desk.settings)

    def found(actor: Actor) -> dict[str, object]:
        with desk.db.read() as session:
            listed = [v.id for v in queries.newest(session, actor, 9)]
            hits = [h.row.id for h in queries.rows_of(session, actor, [record_id])]
            versions = [v.id for v in queries.versions(session, actor, record_id - 1, record_id)]
            total, to_all = queries.count_public(session), queries.files_open_to_all(session, record_id)
            where = access.files_visible(actor, records, queries.today())
            files = session.execute(select(records.c.id).where(where)).scalars().all()
        try:
            view = queries.find(desk.db, actor, record_id)
            assert not isinstance(view, int)
            shown = view.view(with_versions=True)
            read = (shown.status, len(shown.files or []), [v.id for v in shown.versions])
        except Forbidden:
            read = None
        return {
            "in lists": {tuple(listed), tuple(hits), tuple(versions)},
            "in all": (total, to_all, list(files)),
            "read": read,
        }

    def on(day: date) -> None:
        for module in (queries, publish, record_search, drafts):
            monkeypatch.setattr(module, "today", lambda: day)
        monkeypatch.setattr(access, "this_day", lambda: day)

    on(date(2035, 2, 28))
    assert found(john) == {"in lists": {()}, "in all": (0, False, []), "read": None}
    assert found(jane)["read"] == ("embargoed", 1, [record_id])
    document = source.documents("record", [record_id])[record_id]
    assert (document.public, list(document.files)) == (False, [])
    on(until)
    opened = {
        "in lists": {(record_id,)},
        "in all": (1, True, [record_id]),
        "read": ("open", 1, [record_id]),
    }
    assert found(john) == found(ANONYMOUS) == opened
    document = source.documents("record", [record_id])[record_id]
    assert (document.public, len(document.files)) == (True, 1)
    # The next version is begun as this one is now, not as it was.
    draft = desk.draft(jane, desk.new_version(jane, record_id))
    assert draft is not None
    assert draft.data.access == Access()


def test_a_correction_after_an_embargo_ended_is_no_second_news(
    desk: Desk, jane: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The edit itself made index, manifest and caches anew."""
    embargo = Access(files="restricted", embargo_until=now().date() + timedelta(days=1))
    record_id = desk.deposit(jane, described=data("Rose", access=embargo))
    tomorrow = now().date() + timedelta(days=1)
    with desk.db.begin() as session:
        assert publish.lift_embargoes(session, tomorrow) == [record_id]
    # Two days later.
    later = now() + timedelta(days=2)
    for module in (publish, queries):
        monkeypatch.setattr(module, "today", lambda: later.date())
    monkeypatch.setattr(publish, "now", lambda: later)
    desk.corrected(jane, record_id, data("Roses", access=embargo))
    with desk.db.begin() as session:
        assert publish.lift_embargoes(session, later.date()) == []


def test_a_second_embargo_has_its_own_end(desk: Desk, jane: Actor) -> None:
    soon, late = (now().date() + timedelta(days=d) for d in (1, 30))
    record_id = desk.deposit(jane, described=data(access=Access(files="restricted", embargo_until=soon)))
    with desk.db.begin() as session:
        assert publish.lift_embargoes(session, soon) == [record_id]
    desk.corrected(jane, record_id, data(access=Access(files="restricted", embargo_until=late)))
    with desk.db.begin() as session:
        assert publish.lift_embargoes(session, soon) == []
        assert publish.lift_embargoes(session, late) == [record_id]
