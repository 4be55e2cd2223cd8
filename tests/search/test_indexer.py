"""The index follows the change log, in one process."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom.errors import Invalid, Malformed
from strongroom.search import Change, Document, SearchRequest, SearchService
from strongroom.search.index import Writer
from tests.search.truth import Truth, document


@pytest.fixture
def truth(tmp_path: Path) -> Truth:
    return Truth(tmp_path / "truth.db")


@pytest.fixture
def service(tmp_path: Path, truth: Truth) -> Iterator[SearchService]:
    """Commits only when asked, so that a test sees what asking does."""
    made = SearchService(
        tmp_path / "index", truth, commit_every={"records": 60.0, "drafts": 60.0}, patience=10.0
    )
    made.start()
    yield made
    made.stop()


def ids(service: SearchService, q: str = "", kind: str = "records", **more: object) -> list[int]:
    hits = service.search(kind, SearchRequest(q, **more))  # type: ignore[arg-type]
    assert not hits.behind
    assert hits.total == len(hits.ids)
    return hits.ids


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_found_at_once_and_gone_at_once(service: SearchService, truth: Truth) -> None:
    assert ids(service) == []
    truth.put(document(2, title="river"))
    assert ids(service, "river") == [2]
    truth.put(document(2, title="lake"))
    assert ids(service, "river") == []
    assert ids(service, "lake") == [2]
    truth.remove(2)
    assert ids(service) == []
    assert service.status()["records"]["documents"] == 0  # type: ignore[index]


def test_drafts_and_records_are_apart(service: SearchService, truth: Truth) -> None:
    truth.put(document(2, title="river", viewers=(7,), owners=(7,)))
    truth.put(document(4, title="river", viewers=(7,), published=False), kind="draft")
    assert ids(service, "river") == [2]
    assert ids(service, "river", viewer=7, mine=True, all_versions=True) == [2]
    assert ids(service, "river", "drafts", viewer=7) == [4]
    assert ids(service, "river", "drafts", viewer=8) == []
    assert ids(service, "river", "drafts") == []
    # Published: the draft becomes a record of the same id.
    truth.remove(4, kind="draft")
    truth.put(document(4, title="river", viewers=(7,)))
    assert ids(service, "river", "drafts", viewer=7) == []
    assert ids(service, "river", sort="oldest") == [2, 4]


def test_depositions_show_each_concept_once(service: SearchService, truth: Truth) -> None:
    mine = {"viewers": (7,), "owners": (7,)}
    truth.put(
        document(2, title="a river", **mine),
        document(4, title="b river", **mine),
        document(6, title="c river", **mine),
        document(8, title="d river", viewers=(8,)),
    )
    truth.put(document(4, title="b lake", **mine), kind="draft")  # an edit
    truth.put(document(10, concept_id=5, title="c river again", published=False, **mine), kind="draft")
    truth.put(document(12, title="e river", published=False, **mine), kind="draft")
    everything = {"viewer": 7, "kind": "depositions"}
    assert ids(service, **everything) == [12, 10, 4, 2]  # type: ignore[arg-type]
    assert ids(service, sort="oldest", **everything) == [2, 4, 10, 12]  # type: ignore[arg-type]
    assert sorted(ids(service, all_versions=True, **everything)) == [2, 4, 6, 10, 12]  # type: ignore[arg-type]
    assert sorted(ids(service, "river", **everything)) == [2, 10, 12]  # type: ignore[arg-type]
    assert ids(service, "lake", **everything) == [4]  # type: ignore[arg-type]
    assert sorted(ids(service, status="draft", **everything)) == [10, 12]  # type: ignore[arg-type]
    assert sorted(ids(service, status="published", **everything)) == [2, 4]  # type: ignore[arg-type]
    page = service.search("depositions", SearchRequest(viewer=7, page=2, size=3))
    assert (page.ids, page.total) == ([2], 4)
    assert service.search("depositions", SearchRequest(viewer=None)).total == 0


def test_a_new_version_takes_the_place_of_the_old(service: SearchService, truth: Truth) -> None:
    first = document(2, title="river")
    truth.put(first)
    assert ids(service, "river") == [2]
    # The log names only what was published, and what was withdrawn.
    truth.put(replace(first, is_latest=False), logged=False)
    truth.put(document(4, concept_id=1, title="river"))
    assert ids(service, "river") == [4]
    assert ids(service, "river", all_versions=True, sort="oldest") == [2, 4]
    truth.put(first, logged=False)
    truth.remove(4)
    assert ids(service, "river") == [2]


def test_waiting_searches_share_commits(
    service: SearchService, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = []
    commit = Writer.commit

    def counted(self: Writer) -> None:
        commits.append(1)
        commit(self)

    monkeypatch.setattr(Writer, "commit", counted)
    ids(service)
    truth.put(*(document(n, title="river") for n in range(2, 42, 2)))
    before = len(commits)
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: service.search("records", SearchRequest("river")), range(48)))
    assert [hits.total for hits in found] == [20] * 48
    assert not any(hits.behind for hits in found)
    assert len(commits) - before <= 2
    before = len(commits)
    for _ in range(20):
        ids(service, "river")
    # Changes of no interest to this index cost no commit either.
    truth.put(document(50, viewers=(7,)), kind="draft")
    ids(service, "river")
    assert len(commits) == before


def test_commits_by_itself(tmp_path: Path, truth: Truth) -> None:
    service = SearchService(tmp_path / "index", truth, commit_every={"records": 0.05, "drafts": 0.05})
    service.start()
    try:
        truth.put(document(2, title="river"))
        truth.put(document(4, title="river"), kind="draft")
        until(lambda: _applied(service, "records") == 2 and _applied(service, "drafts") == 2)
    finally:
        service.stop()


def _applied(service: SearchService, kind: str) -> int:
    return service.status()[kind]["applied"]  # type: ignore[index, no-any-return]


def test_without_an_indexer_it_says_that_it_is_behind(tmp_path: Path, truth: Truth) -> None:
    writing = SearchService(tmp_path / "index", truth)
    truth.put(document(2, title="river"))
    writing.rebuild()
    reading = SearchService(tmp_path / "index", truth, patience=0.05)
    hits = reading.search("records", SearchRequest("river"))
    assert (hits.ids, hits.behind) == ([2], False)
    truth.put(document(4, title="river"))
    for _ in range(3):
        hits = reading.search("records", SearchRequest("river"))
        assert (hits.ids, hits.behind) == ([2], True)
    assert reading.status()["indexer_alive"] is False
    assert reading.status()["records"]["behind"] == 1  # type: ignore[index]
    writing.start()
    try:
        until(lambda: reading.search("records", SearchRequest("river")).total == 2)
        assert reading.status()["indexer_alive"] is True
    finally:
        writing.stop()


def test_wrong_requests_wait_for_nothing(tmp_path: Path, truth: Truth) -> None:
    truth.put(document(2))
    service = SearchService(tmp_path / "index", truth, patience=60)
    for request, error in (
        (SearchRequest("title:("), Malformed),
        (SearchRequest(sort="nope"), Invalid),
        (SearchRequest(page=1_000, size=100), Malformed),
    ):
        with pytest.raises(error):
            service.search("records", request)


def test_one_indexes_and_the_next_takes_over(tmp_path: Path, truth: Truth) -> None:
    services = [SearchService(tmp_path / "index", truth, patience=10) for _ in range(3)]
    for service in services:
        service.start()
    try:
        until(lambda: any(service.status()["indexer_here"] for service in services))
        for number in range(1, 4):
            truth.put(document(number * 2, title="river"))
            for service in services:
                assert len(ids(service, "river")) == number
            here = [service for service in services if service.status()["indexer_here"]]
            assert len(here) == 1
            if len(services) > 1:
                here[0].stop()
                services.remove(here[0])
    finally:
        for service in services:
            service.stop()


def _break_format(root: Path) -> None:
    for path in root.glob("*.json"):
        said = json.loads(path.read_text())
        path.write_text(json.dumps(said | {"format": 0}))


def _break_state(root: Path) -> None:
    for path in root.glob("*.json"):
        path.write_bytes(b"")


def _remove_all(root: Path) -> None:
    root.rename(root.with_name("elsewhere"))  # at once, also under an indexer that writes


def _remove_files(root: Path) -> None:
    for path in root.glob("*-*/"):
        gone = path.rename(root.parent / f"gone-{path.name}")  # at once, also under an indexer that writes
        shutil.rmtree(gone, ignore_errors=True)


def _cut_files(root: Path) -> None:
    for path in root.glob("*-*/*"):
        if path.name != ".tantivy-writer.lock":
            os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("harm", [_break_format, _break_state, _remove_all, _remove_files, _cut_files])
def test_a_harmed_index_is_built_anew(tmp_path: Path, truth: Truth, harm: Callable[[Path], None]) -> None:
    root = tmp_path / "index"
    truth.put(document(2, title="river"))
    SearchService(root, truth).rebuild()
    harm(root)
    truth.put(document(4, title="river"))
    truth.put(document(6, title="river", viewers=(7,)), kind="draft")
    service = SearchService(root, truth, patience=10)
    service.start()
    try:
        until(lambda: not service.search("records", SearchRequest()).behind)
        assert ids(service, "river", sort="oldest") == [2, 4]
        assert ids(service, "river", "drafts", viewer=7) == [6]
        until(lambda: len(list(root.glob("records-*"))) == 1)
    finally:
        service.stop()


@pytest.mark.parametrize("harm", [_break_state, _remove_all, _remove_files])
def test_harm_while_it_runs(
    service: SearchService, truth: Truth, harm: Callable[[Path], None], tmp_path: Path
) -> None:
    truth.put(document(2, title="river"))
    assert ids(service, "river") == [2]
    harm(tmp_path / "index")
    truth.put(document(4, title="river"))

    def healed() -> bool:
        hits = service.search("records", SearchRequest("river", sort="oldest"))
        return not hits.behind and hits.ids == [2, 4]

    until(healed)


def test_a_log_that_begins_anew(service: SearchService, truth: Truth) -> None:
    truth.put(document(2, title="river"), document(4, title="river"))
    assert len(ids(service, "river")) == 2
    with truth.open() as db:  # a restored backup
        db.execute("DELETE FROM changes WHERE seq > 1")
        db.execute("DELETE FROM documents WHERE id = 4")
    service._ask(b"r")
    until(lambda: service.search("records", SearchRequest("river")).total == 1)


def test_searches_answer_while_it_is_rebuilt(tmp_path: Path) -> None:
    gate = threading.Event()

    class Slow(Truth):
        def everything(self, kind: str, after: int, limit: int) -> Sequence[Document]:
            if kind == "record" and slow:
                assert gate.wait(20)
            return super().everything(kind, after, limit)

    slow = False
    truth = Slow(tmp_path / "truth.db")
    truth.put(document(2, title="river"))
    service = SearchService(tmp_path / "index", truth, patience=5)
    service.start()
    try:
        assert ids(service, "river") == [2]
        slow = True
        rebuilding = threading.Thread(target=service.rebuild)
        rebuilding.start()
        truth.put(document(4, title="lake"))
        service.patience = 0.05
        hits = service.search("records", SearchRequest("river"))
        assert (hits.ids, hits.behind) == ([2], True)
        gate.set()
        rebuilding.join(20)
        service.patience = 5
        assert ids(service, sort="oldest") == [2, 4]
    finally:
        gate.set()
        service.stop()


def test_it_recovers_from_errors_of_the_source(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Truth):
        fails = 1

        def changes(self, after: int, limit: int) -> Sequence[Change]:
            if self.fails:
                self.fails -= 1
                raise RuntimeError("database is locked")
            return super().changes(after, limit)

    truth = Failing(tmp_path / "truth.db")
    SearchService(tmp_path / "index", truth).rebuild()
    truth.put(document(2, title="river"))
    service = SearchService(tmp_path / "index", truth, patience=10)
    service.start()
    try:
        assert ids(service, "river") == [2]
    finally:
        service.stop()
    assert "could not be brought up to date" in caplog.text


def test_rebuild_wherever_it_is_indexed(service: SearchService, truth: Truth, tmp_path: Path) -> None:
    truth.put(document(2, title="river"))
    # Just started: its thread may have the lock or not yet, hear or not yet.
    service.rebuild(timeout=20)
    assert ids(service, "river") == [2]
    truth.put(document(2, title="lake"), logged=False)
    assert ids(service, "river") == [2]
    SearchService(tmp_path / "index", truth).rebuild(timeout=20)
    assert ids(service, "lake") == [2]
    until(lambda: len(list((tmp_path / "index").glob("records-*"))) == 1)


def test_rebuild_gives_up_in_time(tmp_path: Path, truth: Truth) -> None:
    holder = SearchService(tmp_path / "index", truth)
    lock = holder._lock()
    assert lock is not None
    try:
        with pytest.raises(TimeoutError):
            SearchService(tmp_path / "index", truth).rebuild(timeout=0.1)
    finally:
        os.close(lock)


def test_an_index_that_refuses_to_be_written_is_built_anew(
    service: SearchService, truth: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill in mid-commit: the name of the next file is taken, and the failed writer keeps its lock."""
    truth.put(document(2, title="river"))
    assert ids(service, "river") == [2]
    [old] = (tmp_path / "index").glob("records-*")
    commit, refusals = Writer.commit, [ValueError("FileAlreadyExists"), ValueError("LockBusy")]

    def refuse(writer: Writer) -> None:
        if refusals:
            raise refusals.pop(0)
        commit(writer)

    monkeypatch.setattr(Writer, "commit", refuse)
    truth.put(document(4, title="river"))
    until(lambda: service.search("records", SearchRequest("river", sort="oldest")).ids == [2, 4])
    until(lambda: not old.exists())
