#!/usr/bin/env python3
"""Search speed of the floor alone, without database and HTTP: JSON on standard output.

    .venv/bin/python bench/search_floor.py --records 100000 --make ../shared/bench/make_records.py

Builds an index from the generator's records, then times its mixed query set: each query gives the top
10, the total and all facets, through `SearchService.search` (parse, read barrier, search). Times in
milliseconds; where others use the machine, `search_cpu_ms` is the figure to compare. `cycle` is the CPU that a change costs when every one is asked for at once.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from strongroom.metadata.model import Affiliation, Identifier, Metadata, Person, RecordData, Right, Subject
from strongroom.search import Change, Document, FileEntry, SearchRequest, SearchService, from_record_data

START = datetime(2016, 1, 1, tzinfo=UTC)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_records", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def document(record: Mapping[str, Any]) -> Document:
    number = record["id"] + 1
    data = RecordData(
        metadata=Metadata(
            resource_type=record["resource_type"],
            title=record["title"],
            description=f"<p>{record['description']}</p>",
            creators=[
                Person(
                    name=creator["name"],
                    affiliations=[Affiliation(name=creator["affiliation"])],
                    identifiers=[Identifier(identifier=creator["orcid"], scheme="orcid")],
                )
                for creator in record["creators"]
            ],
            subjects=[Subject(subject=keyword) for keyword in record["keywords"]],
            publication_date=record["publication_date"],
            rights=[Right(id=record["licence"])],
            languages=[record["language"]],
            version=record["version"],
        )
    )
    created = START + timedelta(minutes=number)
    kinds = ("csv", "zip", "pdf", "tif", "nc", "json", "txt")
    files = [
        FileEntry(
            f"file-{n}.{kinds[(number + n) % 7]}",
            record["bytes"] // record["files"],
            f"{number:016x}{n:016x}",
        )
        for n in range(min(record["files"], 20))
    ]
    return from_record_data(
        data,
        id=number * 2,
        concept_id=number * 2 - 1,
        created=created,
        updated=created,
        access_status=record["access"],
        owners=[number % 50],
        doi=f"10.5072/strongroom.{number * 2}",
        concept_doi=f"10.5072/strongroom.{number * 2 - 1}",
        communities=[record["community"]],
        files=files,
    )


class Generated:
    """A source that makes its documents."""

    def __init__(self, records: Iterator[Document]) -> None:
        self.records = records
        self.log: list[Change] = []
        self.extra: dict[int, Document] = {}

    def newest(self) -> int:
        return len(self.log)

    def changes(self, after: int, limit: int) -> Sequence[Change]:
        return self.log[after : after + limit]

    def documents(self, kind: str, ids: Sequence[int]) -> Mapping[int, Document]:
        return {id: self.extra[id] for id in ids if id in self.extra}

    def everything(self, kind: str, after: int, limit: int) -> Sequence[Document]:
        if kind == "draft":
            return []
        return [record for record, _ in zip(self.records, range(limit), strict=False)]


def translate(q: str) -> str:
    """The generator's field names into ours."""
    q = re.sub(r"\bcommunity:", "communities:", q)
    q = re.sub(r"\baccess:", "access_status:", q)
    return re.sub(r"\byear:\[(\d+) TO (\d+)\]", r"publication_date:[\1-01-01 TO \2-12-31]", q)


def spread(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "p50": round(statistics.median(ordered), 2),
        "p95": round(ordered[int(len(ordered) * 0.95)], 2),
        "max": round(ordered[-1], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=600)
    parser.add_argument("--make", type=Path, default=Path("../shared/bench/make_records.py"))
    parser.add_argument("--index", type=Path, help="keep the index here, or use the one that is")
    options = parser.parse_args()
    maker = load(options.make).Maker(1)
    out: dict[str, Any] = {"records": options.records}
    with tempfile.TemporaryDirectory() as folder:
        root = options.index or Path(folder) / "index"
        fresh = not (root / "records.json").exists()
        source = Generated(document(maker.record(n)) for n in range(options.records))
        service = SearchService(root, source)
        if fresh:
            begun, cpu = time.perf_counter(), time.process_time()
            service.rebuild()
            out["build_seconds"] = round(time.perf_counter() - begun, 1)
            out["build_cpu_ms_a_record"] = round((time.process_time() - cpu) * 1e3 / options.records, 3)
        out["index_mb"] = round(sum(p.stat().st_size for p in root.rglob("*") if p.is_file()) / 1e6, 1)
        queries = [(q["kind"], translate(q["q"])) for q in maker.queries(options.records, options.queries)]
        service.search("records", SearchRequest("first"))
        by_kind: dict[str, list[float]] = {}
        plain: list[float] = []
        cpus: list[float] = []
        empty = 0
        cpu = time.process_time()
        for kind, q in queries:
            begun, thread = time.perf_counter(), time.thread_time()
            hits = service.search("records", SearchRequest(q, size=10))
            cpus.append((time.thread_time() - thread) * 1e3)
            by_kind.setdefault(kind, []).append((time.perf_counter() - begun) * 1e3)
            empty += hits.total == 0
        out["cpu_ms_a_search"] = round((time.process_time() - cpu) * 1e3 / len(queries), 2)
        for _, q in queries:
            begun = time.perf_counter()
            service.search("records", SearchRequest(q, size=10, facets=False))
            plain.append((time.perf_counter() - begun) * 1e3)
        out["search_ms"] = spread([t for times in by_kind.values() for t in times])
        out["search_cpu_ms"] = spread(cpus)
        out["without_facets_ms"] = spread(plain)
        out["by_kind_ms"] = {kind: spread(times) for kind, times in by_kind.items()}
        out["empty"] = empty
        out["segments"] = service.status()["records"]["segments"]  # type: ignore[index]
        if fresh:
            service.start()
            waits: list[float] = []
            cpu = time.process_time()
            for n in range(50):
                new = document(maker.record(options.records + n))
                source.extra[new.id] = new
                source.log.append(Change(n + 1, "record", new.id))
                begun = time.perf_counter()
                hits = service.search("records", SearchRequest(f"recid:{new.id}", facets=False))
                waits.append((time.perf_counter() - begun) * 1e3)
                assert hits.ids == [new.id]
                assert not hits.behind
            out["cycle"] = spread(waits) | {"cpu_ms": round((time.process_time() - cpu) * 1e3 / 50, 1)}
            service.stop()
        out["rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    json.dump(out, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
