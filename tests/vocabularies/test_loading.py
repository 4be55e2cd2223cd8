"""Loads: once, again, newer, killed, wrong; on both databases."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select

from strongroom.cli.doctor import examine
from strongroom.db import Database
from strongroom.errors import Conflict, Malformed, NotFound
from strongroom.search.terms import TermService
from strongroom.settings import Settings
from strongroom.vocabularies import loading, reading, service
from strongroom.vocabularies.models import aliases, loads, terms
from strongroom.vocabularies.service import Asked
from tests.vocabularies.conftest import SAMPLES


def organisations() -> list[dict[str, Any]]:
    with zipfile.ZipFile(SAMPLES / "ror.zip") as archive:
        name = next(n for n in archive.namelist() if n.endswith(".json"))
        records: list[dict[str, Any]] = json.loads(archive.read(name))
    return records


def load(database: Database, source: str, records: Any, **options: Any) -> loading.Progress:
    content = records if isinstance(records, bytes) else json.dumps(records).encode()
    return loading.load_stream(database, source, io.BytesIO(content), "file", **options)


def state(database: Database) -> dict[tuple[str, str], tuple[str, bool, int]]:
    with database.read() as session:
        rows = session.execute(select(terms)).all()
    return {(row.kind, row.id): (row.data, row.retired, row.seq) for row in rows}


def counted(progress: loading.Progress) -> tuple[int, int, int, int]:
    return progress.added, progress.changed, progress.unchanged, progress.retired


def test_a_newer_file_writes_what_changed_and_retires_what_left(database: Database) -> None:
    records = organisations()
    assert counted(load(database, "ror", records)) == (363, 0, 0, 0)
    first = state(database)
    assert counted(load(database, "ror", records)) == (0, 0, 363, 0)
    assert state(database) == first
    # The third is a funder too; both of its rows change. The fifth leaves, one comes.
    records[2]["names"][0]["value"] = "Another name"
    left = records.pop(4)["id"].rpartition("/")[2]
    new = dict(records[0], id="https://ror.org/02jx3x895")
    assert counted(load(database, "ror", [*records, new])) == (1, 1, 361, 2)
    second = state(database)
    touched = {key for key in second if second[key] != first.get(key)}
    assert {key[1] for key in touched} == {"02jx3x895", records[2]["id"][-9:], left}
    assert all(second[kind, left][1] for kind in ("affiliations", "funders"))
    # It comes back.
    assert load(database, "ror", organisations()).changed == 2
    assert not state(database)["affiliations", left][1]


def test_a_killed_load_is_begun_anew_without_harm(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", 50)

    class Killed(BaseException):
        pass

    def dies(progress: loading.Progress) -> None:
        if progress.read > 150:
            raise Killed

    records = organisations()
    with pytest.raises(Killed):
        load(database, "ror", records, told=dies)
    half = state(database)
    assert 150 < len(half) < 444
    progress = load(database, "ror", records)
    assert progress.unchanged > 100
    assert progress.added + progress.unchanged == 363
    whole = state(database)
    assert {key: whole[key] for key in half} == half
    assert len(whole) == 444
    with database.read() as session:
        ended = session.execute(select(loads.c.finished).order_by(loads.c.id)).scalars().all()
    assert ended[0] is None
    assert ended[1] is not None


def test_a_file_that_breaks_off_retires_nothing(database: Database) -> None:
    records = organisations()
    load(database, "ror", records)
    before = state(database)
    with pytest.raises(Malformed):
        load(database, "ror", json.dumps(records).encode()[:-3000])
    assert state(database) == before


def test_a_file_that_would_retire_most_is_asked_about(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "MANY", 10)
    records = organisations()
    load(database, "ror", records)
    with pytest.raises(Conflict, match="--retire-many"):
        load(database, "ror", records[:5])
    withdrawn = sum(retired for _, retired, _ in state(database).values())
    assert withdrawn < 50
    gone = load(database, "ror", records[:5], retire_many=True).retired
    assert gone > 300


def test_a_source_retires_its_own_part_only(database: Database) -> None:
    for name in ("subjects-mesh.xml", "subjects-euroscivoc.rdf"):
        load(database, "subjects", (SAMPLES / name).read_bytes())
    for name in ("awards.tar", "awards-cordis.csv"):
        load(database, "awards", (SAMPLES / name).read_bytes())
    assert [key for key, (_, retired, _) in state(database).items() if retired] == []


@pytest.mark.parametrize("order", [("ror", "funders"), ("funders", "ror")])
def test_a_funder_stands_once_under_its_ror_id(database: Database, order: tuple[str, str]) -> None:
    files = {"ror": "ror.zip", "funders": "funders.rdf"}
    for source in order:
        loading.load(database, source, SAMPLES / files[source])
    with database.read() as session:
        shown = service.read(session, "funders", "10.13039/501100000780")
        assert shown.data["id"] == "00k4n6c32"
        live = session.execute(
            select(func.count()).where(
                terms.c.kind == "funders", ~terms.c.retired, terms.c.id == "10.13039/501100000780"
            )
        ).scalar_one()
        assert live == 0
        named = session.execute(select(func.count()).select_from(aliases)).scalar_one()
        assert named > 100
        assert service.known(session, "funders", ["10.13039/501100000780", "00k4n6c32", "nope"]) == {
            "10.13039/501100000780", "00k4n6c32",
        }  # fmt: skip
    # Again in any order changes nothing any more.
    before = state(database)
    for source in reversed(order):
        loading.load(database, source, SAMPLES / files[source])
    assert state(database) == before


def test_a_missing_file_says_so(database: Database) -> None:
    with pytest.raises(NotFound, match="can't be read"):
        loading.load(database, "ror", SAMPLES / "nowhere.zip")


def names(database: Database, index: TermService, **asked: Any) -> Iterator[str]:
    for shown in service.search(database, index, Asked("affiliations", **asked)).terms:
        yield shown.data["name"]


def test_what_a_load_wrote_is_found_by_the_next_search(database: Database, index: TermService) -> None:
    records = organisations()
    load(database, "ror", records)
    assert next(names(database, index, suggest="cern")) == "European Organization for Nuclear Research"
    assert next(names(database, index, suggest="zürich univer")) is not None
    assert next(names(database, index, suggest="eth")) == "ETH Zurich"
    records[0]["names"][0]["value"] = "Quixotic Laboratory"
    records.pop(1)
    load(database, "ror", records)
    other = TermService(index.root, index.source)
    assert list(names(database, other, suggest="qui")) == ["Quixotic Laboratory"]
    assert list(names(database, index, suggest="qu")) == list(names(database, other, suggest="qu"))
    assert "ETH Zurich" not in list(names(database, index, suggest="eth"))


def test_a_lost_or_damaged_index_is_built_anew(database: Database, index: TermService) -> None:
    load(database, "ror", organisations())
    assert list(names(database, index, suggest="cern"))
    (index.root / "terms.json").write_text("{")
    assert list(names(database, TermService(index.root, index.source, patience=30), suggest="cern"))
    for path in index.root.glob("terms-*/*"):
        path.write_bytes(b"broken")
    assert list(names(database, TermService(index.root, index.source, patience=30), suggest="cern"))


def test_doctor_says_what_is_there(
    database: Database, database_settings: Settings, index: TermService
) -> None:
    def said() -> list[str]:
        lines: list[str] = []
        examine(database_settings, lines.append)
        return [line for line in lines if "vocabularies" in line]

    none, index_line = said()
    assert "none loaded" in none
    assert index_line == "ok    index of vocabularies: 0 terms, 0 changes behind"
    load(database, "ror", organisations())
    counts, index_line = said()
    assert re.fullmatch(r"ok    vocabularies: \d+ affiliations, \d+ funders", counts)
    assert index_line.startswith("note  index of vocabularies: 0 terms, 444 changes behind. A running server")
    index.wait()
    live = sum(not retired for _, retired, _ in state(database).values())
    assert said()[1] == f"ok    index of vocabularies: {live} terms, 0 changes behind"
    with pytest.raises(Malformed):
        load(database, "ror", json.dumps(organisations()).encode()[:-3000])
    assert said()[1] == (
        "note  vocabularies: the load of ror from file runs, or was ended: then load it again."
    )


def test_a_large_file_is_read_apart_and_all_the_same(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = counted(loading.load(database, "ror", SAMPLES / "ror.zip"))
    monkeypatch.setattr(loading, "APART", 0)
    before = state(database)
    again = loading.load(database, "ror", SAMPLES / "ror.zip")
    assert again.read == sum(here)
    assert counted(again) == (0, 0, again.read - again.refused, 0)
    assert state(database) == before
