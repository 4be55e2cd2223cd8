"""Lighthouse's scores of front, search, record and form page: JSON on standard output.

    python -m bench.lighthouse

Lighthouse comes from npm into tests/.cache; the browser is Debian's Chromium; the pages are those of the showcase, on a real
server. Mobile, as Lighthouse does by default (a slow telephone on a slow network, simulated).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measure import report
from strongroom.settings import Settings
from tests.browser.application import serve
from tests.browser.chromium import CHROMIUM, FLAGS
from tests.browser.showcase import furnish

CACHE = Path(__file__).parents[1] / "tests/.cache"
PAGES = ("front", "browse", "record", "form")  # a search for words is not to be indexed, and says so
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
LIMITS = {"performance": 95, "accessibility": 100, "best-practices": 100, "seo": 100}


def scores(address: str, cookie: str | None) -> tuple[dict[str, int], list[str]]:
    """Scores of 100 by category, and the audits that lost points."""
    headers = ["--extra-headers", json.dumps({"Cookie": cookie})] if cookie else []
    done = subprocess.run(
        [
            str(CACHE / "node_modules/.bin/lighthouse"), address, "--quiet", "--output=json", "--output-path=stdout",
            f"--chrome-flags=--headless {' '.join(FLAGS)}", *headers,
        ],
        capture_output=True, text=True, check=True, env={**os.environ, "CHROME_PATH": CHROMIUM},
    )  # fmt: skip
    told = json.loads(done.stdout)
    lost = []
    for category in CATEGORIES:
        for ref in told["categories"][category]["auditRefs"]:
            audit = told["audits"][ref["id"]]
            if ref["weight"] and audit["score"] is not None and audit["score"] < 1:
                lost.append(
                    f"{category}: {ref['id']} {audit['score']} {audit.get('displayValue', '')}".strip()
                )
    return {c: round(told["categories"][c]["score"] * 100) for c in CATEGORIES}, lost


def main() -> None:
    if not (CACHE / "node_modules/.bin/lighthouse").exists():
        subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-save", "lighthouse@13", "axe-core@4", "vnu-jar@26"],
            cwd=CACHE, check=True,
        )  # fmt: skip
    figures: dict[str, object] = {"limits": LIMITS}
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        settings = Settings(
            data_dir=Path(folder), rate_limits="off", disk_reserve_bytes=0, secret_key="bench"
        )
        with serve(settings) as site:
            case = furnish(site)
            for name in PAGES:
                path, who = case.pages[name]
                cookie = case.people[who].headers["cookie"] if who != "anonymous" else None
                found, lost = scores(site.settings.base_url + path, cookie)
                figures[name] = {**found, "lost": lost}
                print(name, found, lost, file=sys.stderr, flush=True)
    report("lighthouse", figures)


if __name__ == "__main__":
    main()
