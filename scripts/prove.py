"""`make prove [PART=…]`: the suite's tests with the full counts, and the benchmarks; JSON into docs/proof/.

    python scripts/prove.py              every part that has no proof of today's commit yet (resumable)
    python scripts/prove.py kills        one part, in any case
    python scripts/prove.py bench        all benchmarks
    python scripts/prove.py --list

Each part runs alone, one after the other: benchmarks measure nothing useful beside other work.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROOF = ROOT / "docs/proof"

# part → pytest arguments (full counts by PROVE=1)
TESTS = {
    "recipe": ["tests/clients/test_recipe.py"],
    "clients": ["tests/clients/test_clients.py"],
    "goldens": ["tests/conformance/test_goldens.py"],
    "schemathesis": ["tests/conformance/test_schemathesis.py"],
    "documents": ["tests/conformance/test_real_records.py", "tests/metadata"],
    "kills": ["tests/crash/test_kills.py"],
    "multipart_kills": ["tests/crash/test_multipart.py"],
    "processes": ["tests/test_processes.py"],
    "uploads": ["tests/http"],
    "rebuild": ["tests/test_rebuild.py"],
    "pages": ["tests/browser"],
}
# part → module and arguments
BENCHES = {
    "upload": ["bench.upload"],
    "download": ["bench.download"],
    "requests": ["bench.requests", "2000"],
    "search": ["bench.search", "100000"],
    "vocabularies": ["bench.vocabularies", "200000"],
    "multipart": ["bench.multipart"],
    "many_files": ["bench.many_files"],
    "rdm": ["bench.rdm", "2000"],
    "lighthouse": ["bench.lighthouse"],
}


def commit() -> str:
    return subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def proven(part: str) -> bool:
    """Whether this part has a good proof of the commit we are at."""
    try:
        said = json.loads((PROOF / f"{part}.json").read_text())
    except (OSError, ValueError):
        return False
    return said.get("commit") == commit() and said.get("passed", False)


def run(part: str) -> bool:
    print(f"== {part}", flush=True)
    started = time.time()
    environment = {**os.environ, "PROVE": "1"}
    body: dict[str, object] = {"part": part, "commit": commit()}
    if part in TESTS:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-rs", *TESTS[part]],
            cwd=ROOT, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        print(done.stdout[-3000:], flush=True)
        body["summary"] = done.stdout.strip().splitlines()[-1:] or [done.stderr[-500:]]
        body["figures"] = [line for line in done.stdout.splitlines() if line.startswith("FIGURE ")]
    else:
        done = subprocess.run(
            [sys.executable, "-m", *BENCHES[part]], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        print(done.stdout[-5000:], done.stderr[-2000:], flush=True)
        try:
            body["figures"] = json.loads(done.stdout)
        except ValueError:
            body["figures"] = done.stdout[-2000:]
    body |= {"passed": done.returncode == 0, "seconds": round(time.time() - started, 1)}
    PROOF.mkdir(parents=True, exist_ok=True)
    (PROOF / f"{part}.json").write_text(json.dumps(body, indent=2) + "\n")
    return done.returncode == 0


def main(arguments: list[str]) -> int:
    every = [*TESTS, *BENCHES]
    if arguments == ["--list"]:
        print("\n".join(every))
        return 0
    if arguments == ["bench"]:
        wanted = [*BENCHES]
    elif arguments:
        wanted = arguments
        unknown = [p for p in wanted if p not in every]
        if unknown:
            print(f"There is no part {unknown[0]}: known are {', '.join(every)}.", file=sys.stderr)
            return 2
    else:
        wanted = [p for p in every if not proven(p)]
    failed = [p for p in wanted if not run(p)]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
