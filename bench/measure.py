"""What benchmarks share: CPU and memory of a server's processes, medians, the machine's reference."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

TICK = os.sysconf("SC_CLK_TCK")


def processes(group: int) -> list[int]:
    """The process ids of a process group."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.getpgid(int(name)) == group:
                    found.append(int(name))
            except ProcessLookupError:
                pass
    return found


def cpu_seconds(group: int) -> float:
    """User and system CPU seconds of all processes of a group so far."""
    total = 0
    for pid in processes(group):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def memory_mib(group: int, field: str = "Pss") -> float:
    """Proportional (or private) memory of all processes of a group, MiB."""
    total = 0
    for pid in processes(group):
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(f"{field}:"):
                    total += int(line.split()[1])
        except OSError:
            continue
    return total / 1024


def peak_rss_mib(group: int) -> float:
    """The largest resident memory any process of the group has had, MiB."""
    peak = 0
    for pid in processes(group):
        try:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak = max(peak, int(line.split()[1]))
        except OSError:
            continue
    return peak / 1024


def median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 4)


def percentile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 4)


def timed(fn: Callable[[], Any]) -> float:
    started = time.perf_counter()
    fn()
    return time.perf_counter() - started


def reference_upload(source: Path, target: Path) -> float:
    """MB/s of this machine doing an upload's work with its own tools: tee into md5, sha256 and a synced file."""
    size = source.stat().st_size
    command = (
        f"cat {source} | tee >(openssl dgst -md5 >/dev/null) >(openssl dgst -sha256 >/dev/null) "
        f"| dd of={target} bs=1M conv=fsync iflag=fullblock 2>/dev/null; wait"
    )
    seconds = timed(lambda: subprocess.run(["bash", "-c", command], check=True))
    target.unlink()
    return size / seconds / 1e6


def machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "load_before": round(os.getloadavg()[0], 2),
    }


def report(name: str, body: dict[str, Any]) -> None:
    """Print the figures as JSON; with PROOF_DIR set also keep them there."""
    text = json.dumps({"benchmark": name, "machine": machine(), **body}, indent=2)
    print(text)
    if folder := os.environ.get("PROOF_DIR"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{name}.json").write_text(text + "\n")
