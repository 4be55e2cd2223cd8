"""Publishing: all findings at once, one transaction, DOIs."""

from __future__ import annotations

from datetime import date

import pytest

from strongroom import pids
from strongroom.access import ANONYMOUS, Actor
from strongroom.errors import Forbidden, Invalid
from strongroom.jobs.models import jobs
from strongroom.metadata.model import Access, Identifier, Metadata, Person, RecordData
from strongroom.records.models import concepts, drafts, records, revisions
from tests.desk import Desk, data


def test_everything_that_is_wrong_is_said_at_once_with_its_place(desk: Desk, jane: Actor) -> None:
    wrong = RecordData(
        metadata=Metadata(
            title="A",
            creators=[
                Person(
                    name="Doe, Jane",
                    identifiers=[Identifier(identifier="0000-0002-1825-0098", scheme="orcid")],
                ),
                Person(),
            ],
            publication_date="2024-02-30",
        ),
        access=Access(files="restricted", embargo_until=date(2001, 1, 1)),
        doi="10.5072/strongroom.999999",
    )
    draft_id = desk.create(jane, wrong)
    with pytest.raises(Invalid) as refused:
        desk.publish(jane, draft_id)
    assert {f.field for f in refused.value.findings} == {
        "metadata.upload_type",
        "metadata.title",
        "metadata.creators.0.orcid",
        "metadata.creators.1.name",
        "metadata.publication_date",
        "metadata.embargo_date",
        "metadata.doi",
        "files.enabled",
    }
    assert all(f.messages and all(f.messages) for f in refused.value.findings)
    # Nothing happened.
    view = desk.draft(jane, draft_id)
    assert view is not None
    assert view.data == wrong
    assert [desk.rows(t.select()) for t in (records, revisions, pids.pids, jobs)] == [[], [], [], []]
    assert desk.log() == [("created", "draft", draft_id)]


def test_one_transaction(desk: Desk, jane: Actor) -> None:
    """What publishing did and asked for stands in one commit: record, revision, DOIs, jobs, log."""
    draft_id = desk.create(jane, data("Rose"))
    desk.put(jane, draft_id, "a.txt", b"12345")
    desk.put(jane, draft_id, "b.txt", b"678")
    before = len(desk.log())
    assert desk.publish(jane, draft_id) == draft_id
    (row,) = desk.rows(records.select())
    assert (row.id, row.version, row.revision, row.file_count, row.total_bytes) == (draft_id, 1, 1, 2, 8)
    assert (row.doi, row.doi_state) == (f"10.5072/strongroom.{draft_id}", "local")
    (concept,) = desk.rows(concepts.select())
    assert (concept.latest_id, concept.latest_version, concept.next_draft_id) == (draft_id, 1, None)
    assert concept.doi == f"10.5072/strongroom.{draft_id - 1}"
    assert desk.rows(drafts.select()) == []
    assert {(p.value, p.kind, p.subject_id, p.state) for p in desk.rows(pids.pids.select())} == {
        (row.doi, "record", draft_id, "local"),
        (concept.doi, "concept", draft_id - 1, "local"),
    }
    assert [(j.task, j.key) for j in desk.rows(jobs.select())] == [("manifest.write", str(draft_id))]
    assert desk.log()[before:] == [("published", "record", draft_id)]


def test_a_failure_at_the_end_undoes_it_all(desk: Desk, jane: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    from strongroom import changes

    draft_id = desk.create(jane)
    desk.put(jane, draft_id, "a.txt")
    before = desk.draft(jane, draft_id)

    def fails(*_: object, **__: object) -> int:
        raise RuntimeError("no")

    with monkeypatch.context() as patched:
        patched.setattr(changes, "append", fails)
        with pytest.raises(RuntimeError, match="no"):
            desk.publish(jane, draft_id)
    assert desk.draft(jane, draft_id) == before
    assert [desk.rows(t.select()) for t in (records, revisions, pids.pids, jobs)] == [[], [], [], []]
    assert desk.publish(jane, draft_id) == draft_id


def test_with_a_registrar_the_doi_is_reserved_and_a_job_registers_it(desk: Desk, jane: Actor) -> None:
    desk.settings = desk.settings.model_copy(update={"registrar": "datacite"})
    record_id = desk.deposit(jane)
    assert desk.record(jane, record_id).doi_state == "reserved"
    assert {j.task for j in desk.rows(jobs.select())} == {"manifest.write", "doi.register"}


def test_an_external_doi(desk: Desk, jane: Actor) -> None:
    record_id = desk.deposit(jane, described=data(doi="10.1234/ABC.def"))
    view = desk.record(jane, record_id)
    assert (view.doi, view.doi_state, view.concept_doi) == ("10.1234/ABC.def", "external", None)
    # It names one version of one record.
    with pytest.raises(Forbidden):
        desk.new_version(jane, record_id)
    second = desk.create(jane, data(doi="10.1234/abc.DEF"))
    desk.put(jane, second, "a.txt")
    with pytest.raises(Invalid) as refused:
        desk.publish(jane, second)
    assert [f.field for f in refused.value.findings] == ["metadata.doi"]
    # Fixed once published, however it is spelled.
    desk.corrected(jane, record_id, data("Better", doi="10.1234/abc.def"))
    assert desk.record(jane, record_id).doi == "10.1234/ABC.def"
    desk.edit(jane, record_id)
    desk.update(jane, record_id, data(doi="10.1234/other"))
    with pytest.raises(Invalid):
        desk.publish(jane, record_id)
    with desk.db.read() as session:
        from strongroom.records import queries

        assert queries.target_of_doi(session, "10.1234/AbC.dEf") == record_id
        assert queries.target_of_doi(session, "10.1234/other") is None


def test_a_doi_under_our_prefix_is_for_its_own_record_only(desk: Desk, jane: Actor) -> None:
    for asked, fine in (
        ("10.5072/strongroom.{}", True),
        ("10.5072/STRONGROOM.{}", True),
        ("10.5072/strongroom.1{}", False),
        ("10.5072/other.{}", False),
        ("10.5072/zenodo.4", False),
    ):
        draft_id = desk.create(jane)
        desk.update(jane, draft_id, data(doi=asked.format(draft_id)))
        desk.put(jane, draft_id, "a.txt")
        if fine:
            desk.publish(jane, draft_id)
            view = desk.record(jane, draft_id)
            assert (view.doi, view.doi_state) == (f"10.5072/strongroom.{draft_id}", "local")
        else:
            with pytest.raises(Invalid):
                desk.publish(jane, draft_id)


def test_an_embargo_that_ended_is_no_mistake_of_a_later_edit(
    desk: Desk, jane: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from strongroom.records import publish, queries

    embargo = Access(files="restricted", embargo_until=date(2030, 1, 1))
    record_id = desk.deposit(jane, described=data("Rose", access=embargo))
    for module in (publish, queries):
        monkeypatch.setattr(module, "today", lambda: date(2030, 6, 1))
    assert desk.record(ANONYMOUS, record_id).status == "open"
    desk.corrected(jane, record_id, data("Roses", access=embargo))
    assert desk.record(ANONYMOUS, record_id).data.metadata.title == "Roses"
    desk.edit(jane, record_id)
    desk.update(jane, record_id, data(access=Access(files="restricted", embargo_until=date(2030, 2, 2))))
    with pytest.raises(Invalid) as refused:
        desk.publish(jane, record_id)
    assert [f.field for f in refused.value.findings] == ["metadata.embargo_date"]


def test_an_edit_that_changes_access_changes_what_the_query_reads(
    desk: Desk, jane: Actor, john: Actor
) -> None:
    record_id = desk.deposit(jane)
    assert desk.record(john, record_id).files is not None
    desk.corrected(jane, record_id, data(access=Access(files="restricted")))
    assert desk.record(john, record_id).files is None
    assert desk.record(jane, record_id).files is not None
    desk.corrected(jane, record_id, data(access=Access(record="restricted", files="restricted")))
    with pytest.raises(Forbidden):
        desk.record(john, record_id)
