"""Two processes and one index of terms; loads and indexing killed (-9) in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from strongroom.db import Database
from strongroom.errors import Malformed
from strongroom.search.terms import Term, TermRequest, TermService
from strongroom.settings import Settings
from strongroom.vocabularies import loading, reading, service
from strongroom.vocabularies.models import loads, terms
from strongroom.vocabularies.service import Asked
from tests.conftest import PROVE
from tests.vocabularies.conftest import SAMPLES

ROOT = Path(__file__).parents[2]

# Loads a file and indexes it meanwhile, as `strongroom vocabulary load`; or searches, line by line.
PROGRAM = """
import json, sys
from pathlib import Path
from strongroom.db import Database
from strongroom.search import terms
from strongroom.search.terms import TermService
from strongroom.settings import Settings
from strongroom.vocabularies import loading, reading, service
from strongroom.vocabularies.service import Asked
from strongroom.vocabularies.sources import DatabaseTerms

settings = Settings(**json.loads(sys.argv[1]))
db = Database(settings)
index = TermService(settings.index_dir, DatabaseTerms(db), patience=60)
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    what, value = json.loads(line)
    if what == "find":
        found = service.search(db, index, Asked("affiliations", suggest=value))
        said = [shown.data["id"] for shown in found.terms]
    elif what == "load":
        reading.BATCH = 40
        terms.COMMIT_AFTER = 50
        def told(progress):
            follow()
            print(json.dumps(progress.read), flush=True)
            sys.stdin.readline()  # go on
        with index.following() as follow:
            loading.load(db, "ror", Path(value), told)
        said = "loaded"
    print(json.dumps(said), flush=True)
"""


class Other:
    """A second process, told what to do line by line."""

    def __init__(self, settings: Settings) -> None:
        said = {"data_dir": str(settings.data_dir), "database_url": settings.database_url}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(said)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.read() == "ready"

    def read(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def tell(self, what: str, value: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps([what, value]) + "\n")
        self.process.stdin.flush()

    def find(self, text: str) -> list[str]:
        self.tell("find", text)
        return [str(id) for id in self.read()]

    def load(self, path: Path, until: int = 10**9) -> None:
        """Lets it load the file, so many entries of it and perhaps one batch more."""
        self.tell("load", str(path))
        while (said := self.read()) != "loaded":
            self.tell("on", "")
            if said >= until:
                return

    def kill(self) -> None:
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()
        self.process.wait(20)


@pytest.fixture
def others(database: Database) -> Iterator[list[Other]]:
    started: list[Other] = []
    yield started
    for other in started:
        if other.process.returncode is None:
            other.kill()


def organisations(path: Path, count: int, name: str = "") -> Path:
    """A file of ROR with so many organisations, each with a word of its own."""
    sample: dict[str, Any] = {
        "names": [{"value": "", "types": ["ror_display", "label"], "lang": "en"}],
        "status": "active",
        "types": ["education"],
        "locations": [],
    }
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    records = []
    for n in range(count):
        number = 5_000_000 + n
        letters = "".join(digits[number >> 5 * place & 31] for place in range(5, -1, -1))
        id = f"0{letters}{98 - number * 100 % 97:02d}"
        names = [dict(sample["names"][0], value=f"Institute word{n:05d} {name}".strip())]
        records.append(dict(sample, id=f"https://ror.org/{id}", names=names))
    path.write_text(json.dumps(records))
    return path


def find(database: Database, index: TermService, text: str, size: int = 25) -> tuple[int, list[str]]:
    found = service.search(database, index, Asked("affiliations", suggest=text, size=size))
    assert not found.behind
    return found.total, [shown.data["name"] for shown in found.terms]


def test_another_process_finds_what_this_one_loaded_and_the_other_way_round(
    database: Database, database_settings: Settings, index: TermService, others: list[Other], tmp_path: Path
) -> None:
    other = Other(database_settings)
    others.append(other)
    loading.load(database, "ror", organisations(tmp_path / "a.json", 60))
    assert len(other.find("word00017")) == 1
    assert find(database, index, "word00017") == (1, ["Institute word00017"])
    other.load(organisations(tmp_path / "b.json", 80, "renamed"))
    assert find(database, index, "renamed")[0] == 80
    assert find(database, index, "word00017") == (1, ["Institute word00017 renamed"])


@pytest.mark.parametrize("after", [40, 280, 600] if PROVE else [40, 600])
def test_a_load_that_is_killed_while_it_indexes_is_made_good_by_the_next(
    database: Database,
    database_settings: Settings,
    index: TermService,
    others: list[Other],
    tmp_path: Path,
    after: int,
) -> None:
    path = organisations(tmp_path / "a.json", 1_000)
    other = Other(database_settings)
    others.append(other)
    other.load(path, until=after)
    other.kill()  # in the middle of writing or indexing the next batch
    with database.read() as session:
        there = len(session.execute(select(terms.c.number)).all())
        assert after <= there <= after + 40
        assert session.execute(select(loads.c.finished)).scalars().all() == [None]
    # What was committed is found, once each.
    assert find(database, index, "institute")[0] == there
    progress = loading.load(database, "ror", path)
    assert (progress.unchanged, progress.added) == (there, 1_000 - there)
    total, names = find(database, index, "institute", 1_000)
    assert total == 1_000
    assert len(set(names)) == 1_000
    # A newer file, and again another process.
    newer = Other(database_settings)
    others.append(newer)
    newer.load(organisations(tmp_path / "b.json", 990, "renamed"))
    assert find(database, index, "renamed")[0] == 990
    assert find(database, index, "institute")[0] == 990


class Listed:
    """A source of terms that is a list."""

    def __init__(self, count: int) -> None:
        self.terms = [self.term(n, n) for n in range(1, count + 1)]

    @staticmethod
    def term(number: int, seq: int, fresh: bool = True) -> Term:
        return Term(number, seq, "affiliations", (f"Institute {number}",), fresh=fresh)

    def newest(self) -> int:
        return self.terms[-1].seq

    def after(self, seq: int, limit: int) -> list[Term]:
        return [term for term in self.terms if term.seq > seq][:limit]


def test_what_was_committed_but_not_noted_is_not_there_twice(tmp_path: Path) -> None:
    """The process is killed between the commit of the index and the note of it, at the worst of moments."""
    source = Listed(30)
    index = TermService(tmp_path, source)
    index.catch_up()
    source.terms += [source.term(n, n) for n in range(31, 61)]
    pid = os.fork()
    if pid == 0:  # what dies is a real process, without any farewell
        kept = os.replace

        def replaced(old: Any, new: Any) -> None:
            if json.loads(Path(old).read_text())["applied"] == 60:
                os.kill(os.getpid(), signal.SIGKILL)
            kept(old, new)

        os.replace = replaced  # type: ignore[assignment]
        TermService(tmp_path, source).catch_up()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    state = json.loads((tmp_path / "terms.json").read_text())
    assert (state["applied"], state["begun"]) == (30, 60)
    again = TermService(tmp_path, source)
    hits = again.search(TermRequest("affiliations", suggest="institute", size=100))
    assert sorted(hits.numbers) == list(range(1, 61))
    assert hits.total == 60
    # A change of one that is in.
    source.terms = [term for term in source.terms if term.number != 45] + [source.term(45, 61, fresh=False)]
    hits = again.search(TermRequest("affiliations", suggest="institute", size=100))
    assert (hits.total, len(set(hits.numbers))) == (60, 60)


def test_a_file_reads_the_same_in_a_process_of_its_own() -> None:
    path = SAMPLES / "ror.zip"
    with path.open("rb") as file:
        here = list(reading.batches("ror", file))
    assert list(reading.batches_apart("ror", path)) == here
    assert sum(batch.read for batch in here) > 300


def test_a_process_apart_says_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(organisations(path, 3_000).read_text()[:-400])
    found = reading.batches_apart("ror", path)
    assert next(found).read == 1_000
    with pytest.raises(Malformed, match="ends in the middle"):
        list(found)


def test_a_reader_that_is_killed_is_told_from_the_end_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def remembered(*arguments: Any, **more: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments, **more))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", remembered)
    found = reading.batches_apart("ror", organisations(tmp_path / "a.json", 30_000))
    assert next(found).read == 1_000
    started[0].kill()
    with pytest.raises(reading.ReaderDied):
        list(found)


def test_a_reader_ends_with_whoever_reads(tmp_path: Path) -> None:
    before = set(children())
    found = reading.batches_apart("ror", organisations(tmp_path / "a.json", 30_000))
    assert next(found).read == 1_000
    assert set(children()) - before
    found.close()
    assert not set(children()) - before


def children() -> list[str]:
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
