"""Two processes and one index: found by the next request of either, whoever indexes, even if it is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strongroom.search import SearchRequest, SearchService
from tests.conftest import count
from tests.search.truth import Truth, document

ROOT = Path(__file__).parents[2]

PROGRAM = """
import json, sys
from pathlib import Path
from strongroom.search import SearchRequest, SearchService
from tests.search.truth import Truth, document

folder = Path(sys.argv[1])
truth = Truth(folder / "truth.db")
service = SearchService(folder / "index", truth, patience=float(sys.argv[2]))
service.start()
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    what, value = json.loads(line)
    if what == "put":
        truth.put(document(value, title="river"))
        said = value
    elif what == "find":
        hits = service.search("records", SearchRequest(value, size=100))
        said = {"total": hits.total, "behind": hits.behind}
    else:
        said = service.status()
    print(json.dumps(said), flush=True)
service.stop()
"""


class Other:
    """A second process, told what to do line by line."""

    def __init__(self, folder: Path, patience: float = 10) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), str(patience)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.read() == "ready"

    def read(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def tell(self, what: str, value: Any = None) -> Any:
        assert self.process.stdin
        self.process.stdin.write(json.dumps([what, value]) + "\n")
        self.process.stdin.flush()
        return self.read()

    def end(self, *, kill: bool = False) -> None:
        if kill:
            self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()
        self.process.wait(20)


@pytest.fixture
def others(tmp_path: Path) -> Iterator[list[Other]]:
    started: list[Other] = []
    yield started
    for other in started:
        if other.process.returncode is None:
            other.end(kill=True)


def test_found_by_the_next_request_of_the_other_process(tmp_path: Path, others: list[Other]) -> None:
    truth = Truth(tmp_path / "truth.db")
    others += [Other(tmp_path), Other(tmp_path)]
    here = SearchService(tmp_path / "index", truth, patience=10)  # indexes nothing: it only asks
    for number in range(1, 7):
        others[number % 2].tell("put", number * 2)
        found = others[(number + 1) % 2].tell("find", "river")
        assert found == {"total": number, "behind": False}
        hits = here.search("records", SearchRequest("river"))
        assert (hits.total, hits.behind) == (number, False)
    assert sorted(other.tell("status")["indexer_here"] for other in others) == [False, True]
    for other in others:
        other.end()


def test_another_takes_over_from_a_killed_indexer(tmp_path: Path, others: list[Other]) -> None:
    truth = Truth(tmp_path / "truth.db")
    total = 0
    others.append(Other(tmp_path))
    assert others[0].tell("find", "river") == {"total": 0, "behind": False}
    for _ in range(count(3, 20)):
        first = next(other for other in others if other.process.returncode is None)
        second = Other(tmp_path)
        others.append(second)
        assert first.tell("status")["indexer_here"]
        # Some changes it has committed, some are on their way, some nobody has seen.
        truth.put(*(document(total * 2 + 2 * n, title="river") for n in range(1, 6)))
        assert first.tell("find", "river")["total"] == total + 5
        truth.put(*(document(total * 2 + 2 * n, title="river") for n in range(6, 11)))
        first.end(kill=True)
        total += 10
        assert second.tell("find", "river") == {"total": total, "behind": False}
        assert second.tell("status")["indexer_here"]
    for n in range(1, total + 1):
        truth.remove(2 * n)
    assert second.tell("find", "river") == {"total": 0, "behind": False}


def test_killed_at_any_moment_nothing_is_lost(tmp_path: Path, others: list[Other]) -> None:
    truth = Truth(tmp_path / "truth.db")
    for number in range(1, count(5, 60) + 1):
        other = Other(tmp_path)
        others.append(other)
        assert other.process.stdin
        # It is killed while it applies and commits this.
        truth.put(*(document(number * 1000 + 2 * n, title="river") for n in range(20)))
        other.process.stdin.write(json.dumps(["find", "river"]) + "\n")
        other.process.stdin.flush()
        try:
            other.process.wait(0.02 * (number % 6))
        except subprocess.TimeoutExpired:
            other.end(kill=True)
    service = SearchService(tmp_path / "index", truth, patience=20)
    service.start()
    try:
        hits = service.search("records", SearchRequest("river", size=1))
        assert (hits.total, hits.behind) == (truth.newest(), False)
        assert service.status()["records"]["documents"] == truth.newest()  # type: ignore[index]
    finally:
        service.stop()
