"""Vocabularies: entries loaded a second (read, checked, written, indexed), memory, and suggestions at full size.

    python -m bench.vocabularies [ENTRIES [ONLY]]    200,000 by default, ORCID a tenth of it; ONLY "ror" or "awards"

Files are made in the registries' forms from the samples, each entry with an id and a name of its own.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import resource
import statistics
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from strongroom import migrations
from strongroom.db import Database
from strongroom.search.terms import TermService
from strongroom.settings import Settings
from strongroom.vocabularies import formats, loading, service
from strongroom.vocabularies.service import Asked
from strongroom.vocabularies.sources import DatabaseTerms

SAMPLES = Path(formats.__file__).parent / "samples"
SYLLABLES = "ba be bi bo ca ce co da de do fa fe ga go ha hi ka ki la le lo ma me mo na ni no pa po ra ri ro sa se so ta ti to un va vi wa za".split()  # noqa: SIM905
CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def place(random_: random.Random) -> str:
    return "".join(random_.choice(SYLLABLES) for _ in range(random_.randint(2, 4))).capitalize()


def ror_id(number: int) -> str:
    digits, left = "", number
    for _ in range(6):
        digits = CROCKFORD[left % 32] + digits
        left //= 32
    return f"0{digits}{98 - (number * 100) % 97:02d}"


def ror_file(path: Path, count: int, indent: int | None, name: str = "") -> None:
    """A data dump of `count` organisations like those of the samples."""
    with zipfile.ZipFile(SAMPLES / "ror.zip") as archive:
        samples = json.loads(archive.read(next(n for n in archive.namelist() if n.endswith(".json"))))
    random_ = random.Random(1)

    def record(n: int) -> dict[str, Any]:
        found = dict(samples[n % len(samples)])
        found["id"] = f"https://ror.org/{ror_id(4_000_000 + n * 7)}"
        found["status"] = "active"
        names = json.loads(json.dumps(found["names"]))
        for one in names:
            if "acronym" not in one["types"]:
                one["value"] = f"{one['value']} {place(random_)}{name}"
        found["names"] = names
        found["external_ids"] = [{"type": "grid", "all": [f"grid.{n}.1"], "preferred": f"grid.{n}.1"}]
        return found

    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for n in range(count):
            text = json.dumps(record(n), indent=indent, ensure_ascii=False)
            if indent:
                text = "\n" + "\n".join(" " * indent + line for line in text.splitlines())
            file.write(("," if n else "") + text)
        file.write("\n]\n")


def awards_file(path: Path, count: int) -> None:
    random_ = random.Random(2)

    def lines() -> Iterator[bytes]:
        for n in range(count):
            yield json.dumps(
                {
                    "id": f"corda__h2020::{n:032x}", "code": str(10_000_000 + n), "startdate": "2019-01-01",
                    "title": f"{place(random_)} and {place(random_)}: a study of {place(random_)}",
                    "acronym": place(random_).upper(), "funding": [{"funding_stream": {"id": "EC::H2020::ERC"}}],
                }
            ).encode()  # fmt: skip

    text = gzip.compress(b"\n".join(lines()), 1)
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("project/part-00000.json.gz")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))


def cordis_file(path: Path, count: int) -> None:
    random_ = random.Random(3)
    with path.open("w", encoding="utf-8") as file:
        file.write('"id";"acronym";"title";"startDate";"endDate";"frameworkProgramme";"grantDoi"\n')
        for n in range(count):
            title = f"{place(random_)} of {place(random_)}"
            file.write(
                f'"{n + 1}";"{place(random_)}";"{title}";"2021-01-01";"2024-01-01";"HORIZON";"10.3030/{n}"\n'
            )


def orcid_file(path: Path, count: int) -> None:
    """People like those of the samples, with works enough to make each some 8 KB of XML."""
    with tarfile.open(SAMPLES / "orcid.tar.gz") as archive:
        member = archive.getmembers()[5]
        opened = archive.extractfile(member)
        assert opened is not None
        model = opened.read().decode()
    old = Path(member.name).stem
    works = "<activities:group><work:work-summary/></activities:group>" * 100
    model = model.replace("</activities:works>", works + "</activities:works>")
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for n in range(count):
            digits = f"{900_000_000_000 + n:015d}"
            total = 0
            for digit in digits:
                total = (total + int(digit)) * 2
            check = (12 - total % 11) % 11
            whole = digits + ("X" if check == 10 else str(check))
            id = "-".join(whole[k : k + 4] for k in range(0, 16, 4))
            text = model.replace(old, id).encode()
            info = tarfile.TarInfo(f"ORCID_summaries/{id[-3:]}/{id}.xml")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))


def memory() -> int:
    """The most that this process, or one of its children, ever held, in MiB."""
    return max(resource.getrusage(who).ru_maxrss for who in _WHO) // 1024


_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def cpu() -> float:
    """Of this process with all its threads, and of those that ended."""
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, _WHO))


SUGGESTED = ("un", "ba", "in", "of", "la", "uni", "lug", "university", "university of t", "national mus")


def percentiles(times: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=20)
    return {"p50": round(cuts[9], 2), "p95": round(cuts[18], 2)}


def suggestions(db: Database, index: TermService, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    everything: dict[str, list[float]] = {"wall": [], "cpu": []}
    for text in SUGGESTED:
        wall, used, total = [], [], 0
        for _ in range(50):
            begun, before = time.perf_counter(), time.thread_time()
            total = service.search(db, index, Asked(kind, suggest=text, size=10)).total
            wall.append((time.perf_counter() - begun) * 1000)
            used.append((time.thread_time() - before) * 1000)
        everything["wall"] += wall
        everything["cpu"] += used
        yield (
            f"suggest {kind} {text!r}",
            {"wall ms": percentiles(wall), "cpu ms": percentiles(used), "of": total},
        )
    yield f"suggest {kind}, all of these", {
        "wall ms": percentiles(everything["wall"]), "cpu ms": percentiles(everything["cpu"]),
    }  # fmt: skip


def _calling(follow: Callable[[], None]) -> Callable[[loading.Progress], None]:
    return lambda _: follow()


def main(count: int, only: str = "") -> dict[str, Any]:
    figures: dict[str, Any] = {
        "entries": count, "cores": os.cpu_count(), "load at the beginning": round(os.getloadavg()[0], 1),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        settings = Settings(data_dir=root / "data")
        db = Database(settings)
        migrations.upgrade(db)
        index = TermService(settings.index_dir, DatabaseTerms(db))
        makers = {
            "ror, pretty-printed": ("ror", lambda p: ror_file(p, count, 4)),
            "ror, the same again": ("ror", None),
            "ror, all changed": ("ror", lambda p: ror_file(p, count, None, " II")),
            "awards, JSON in tar": ("awards", lambda p: awards_file(p, count)),
            "awards, CSV": ("awards", lambda p: cordis_file(p, count)),
            "orcid, XML in tar.gz": ("orcid", lambda p: orcid_file(p, count // 10)),
        }
        path = root / "file"
        for label, (source, make) in makers.items():
            if not label.startswith(only):
                continue
            if make is not None:
                make(path)
            load, before, used, begun = os.getloadavg()[0], memory(), cpu(), time.monotonic()
            with index.following() as follow:
                progress = loading.load(db, source, path, _calling(follow))
            index.wait()
            took = time.monotonic() - begun
            figures[label] = {
                "a second": round(progress.read / took),
                "cpu us each": round((cpu() - used) / progress.read * 1e6),
                "MiB at most before": before, "MiB at most after": memory(), "load": round(load, 1),
                "read": progress.read, "added": progress.added, "changed": progress.changed,
                "refused": progress.refused,
            }  # fmt: skip
            print(label, figures[label], file=sys.stderr)
        with db.read() as session:
            there = service.counts(session)
        for kind in ("affiliations", "awards"):
            if there[kind]:
                figures |= suggestions(db, index, kind)
        db.close()
    return figures


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    print(json.dumps(main(number, *sys.argv[2:3]), indent=1))
