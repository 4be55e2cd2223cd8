"""How much there is, and whose: figures of the repository, lists of one's own, everything for administrators."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from strongroom.access import ANONYMOUS, SYSTEM, Actor
from strongroom.errors import Forbidden, Unauthenticated
from strongroom.ids import now
from strongroom.metadata.model import Access
from strongroom.records import curation, figures
from strongroom.records.models import records
from tests.desk import Desk, data


def published(desk: Desk, owner: Actor, title: str, size: int = 3, access: Access | None = None) -> int:
    some_id = desk.create(owner, data(title, access=access or Access()))
    desk.put(owner, some_id, "a.csv", b"x" * size)
    desk.publish(owner, some_id)
    return some_id


def test_figures_count_what_anybody_may_see_once_a_concept(desk: Desk, jane: Actor) -> None:
    first = published(desk, jane, "First", 3)
    second = desk.new_version(jane, first)
    desk.publish(jane, second)
    old = published(desk, jane, "Old", 10)
    published(desk, jane, "Secret", 1000, Access(record="restricted", files="restricted"))
    published(desk, jane, "Closed files", 100, Access(files="restricted"))
    gone = published(desk, jane, "Gone", 5000)
    desk.withdraw(gone, "retracted", by=SYSTEM)
    with desk.db.begin() as session:
        at = datetime(now().year - 1, now().month, 1, 0, 30, tzinfo=UTC)
        session.execute(update(records).where(records.c.id == old).values(created=at))
    with desk.db.read() as session:
        found = figures.of_public(session, months=24)
    assert (found.records, found.files, found.bytes) == (3, 3, 113)
    assert len(found.by_month) == 24
    assert (found.by_month[-1], found.by_month[11], sum(found.by_month)) == (2, 1, 3)


def test_an_empty_repository_has_figures(desk: Desk) -> None:
    with desk.db.read() as session:
        assert figures.of_public(session, 3) == (0, 0, 0, (0, 0, 0))


def test_own_lists_show_an_edit_once_and_nobody_elses(desk: Desk, jane: Actor) -> None:
    john = desk.user("other@example.org")
    done, in_edit = published(desk, jane, "beta"), published(desk, jane, "Alpha")
    desk.edit(jane, in_edit)
    draft = desk.create(jane, data("gamma"))
    published(desk, john, "His")
    with desk.db.read() as session:
        counts = figures.own_counts(session, jane)
        lists = {
            which: figures.own_ids(session, jane, which, order="title")
            for which in ("all", "drafts", "published", "shared")
        }
        paged = figures.own_ids(session, jane, "all", order="title", offset=1, limit=1)
        newest = figures.own_ids(session, jane, "all", order="newest", limit=1)
        with pytest.raises(Unauthenticated):
            figures.own_counts(session, ANONYMOUS)
    assert lists == {
        "all": [(in_edit, True), (done, False), (draft, True)],
        "drafts": [(in_edit, True), (draft, True)],
        "published": [(in_edit, False), (done, False)],
        "shared": [],
    }
    assert counts == {which: len(some) for which, some in lists.items()}
    assert (list(paged), list(newest)) == ([(done, False)], [(draft, True)])


def test_administrators_find_any_record(desk: Desk, jane: Actor) -> None:
    rosy = published(desk, jane, "Rose_scent 100%", access=Access(record="restricted", files="restricted"))
    umlaut = published(desk, jane, "Rose und ÄRGER")
    gone = published(desk, jane, "Rose withdrawn")
    desk.withdraw(gone, "spam", by=SYSTEM)

    def found(words: str, withdrawn: bool = False) -> list[int]:
        with desk.db.read() as session:
            total, rows = curation.search(session, SYSTEM, words, withdrawn=withdrawn)
        assert total == len(rows)
        return [row.id for row in rows]

    assert found("") == [umlaut, rosy]
    assert found("rose") == [umlaut, rosy]
    assert found("e_s 100%") == [rosy]
    assert found("R_se") == found("%x") == []
    assert found("ÄRGER") == [umlaut]
    assert found(str(rosy)) == found(str(rosy - 1)) == [rosy]
    assert found(f"HTTPS://DOI.ORG/10.5072/Strongroom.{rosy}") == [rosy]
    assert found(jane.email.upper()) == [umlaut, rosy]
    assert found("nobody@example.org") == found("9" * 18) == found("\0x\0y") == []
    assert found("rose", withdrawn=True) == [gone]
    with desk.db.read() as session, pytest.raises(Forbidden):
        curation.search(session, jane, "")
