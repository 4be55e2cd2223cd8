#!/usr/bin/env python3
"""Makes strongroom/web/static/vendor/: the browser modules of others, each one file, minified, with its licence.

    .venv/bin/python scripts/vendor.py            # fetch the versions below from npm and bundle them again
    .venv/bin/python scripts/vendor.py --check    # only compare the files with VENDOR.json

They are in the repository, so that a checkout needs no build step; this is run when a version changes. Needs npm.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "strongroom" / "web" / "static" / "vendor"
ESBUILD = "0.28.2"

# name of the file → (npm package, version, what is exported)
MODULES = {
    "squire": ("squire-rte", "2.4.8", 'import Squire from "squire-rte"; export { Squire };'),
    "purify": ("dompurify", "3.4.18", 'import DOMPurify from "dompurify"; export { DOMPurify };'),
    "sortable": ("sortablejs", "1.15.7", 'import Sortable from "sortablejs"; export { Sortable };'),
}


def make() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    wanted = [f"{package}@{version}" for package, version, _ in MODULES.values()]
    listed = []
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "package.json").write_text('{"private": true, "type": "module"}')
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--save-exact"]
        subprocess.run([*npm, f"esbuild@{ESBUILD}", *wanted], cwd=here, check=True)
        lock = json.loads((here / "package-lock.json").read_text(encoding="utf-8"))
        for name, (package, version, source) in sorted(MODULES.items()):
            source_file = here / f"{name}.entry.js"
            source_file.write_text(source)
            out = TARGET / f"{name}.js"
            licence = TARGET / f"{name}.licence.txt"
            banner = f"/* {package} {version}, see {licence.name}. Made by scripts/vendor.py. */"
            bundle = [
                str(here / "node_modules" / ".bin" / "esbuild"), source_file.name, "--bundle", "--minify",
                "--format=esm", "--target=es2022", "--legal-comments=none", f"--banner:js={banner}", f"--outfile={out}",
            ]  # fmt: skip
            subprocess.run([*bundle, "--log-level=warning"], cwd=here, check=True)
            folder_of = here / "node_modules" / package
            about = json.loads((folder_of / "package.json").read_text(encoding="utf-8"))
            text = next(p for p in sorted(folder_of.iterdir()) if p.name.upper().startswith("LICENSE"))
            licence.write_text(text.read_text(encoding="utf-8").strip() + "\n", encoding="utf-8")
            listed.append(
                {
                    "file": out.name,
                    "package": package,
                    "version": version,
                    "licence": about["license"],
                    "integrity": lock["packages"][f"node_modules/{package}"]["integrity"],
                    "sha256": sha256(out),
                }
            )
    said = {"bundler": f"esbuild {ESBUILD}", "modules": listed}
    (TARGET / "VENDOR.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wrong() -> list[str]:
    """What differs from VENDOR.json, in words."""
    said: dict[str, Any] = json.loads((TARGET / "VENDOR.json").read_text(encoding="utf-8"))
    found = []
    for module in said["modules"]:
        path = TARGET / module["file"]
        if not path.exists():
            found.append(f"{path.name} is missing")
        elif sha256(path) != module["sha256"]:
            found.append(f"{path.name} was changed by hand")
        if not path.with_suffix(".licence.txt").exists():
            found.append(f"{path.stem}.licence.txt is missing")
    named = {module["file"] for module in said["modules"]}
    found += [f"{p.name} is not in VENDOR.json" for p in TARGET.glob("*.js") if p.name not in named]
    return found


if __name__ == "__main__":
    if "--check" in sys.argv:
        problems = wrong()
        print("\n".join(problems) or "As VENDOR.json says.")
        sys.exit(bool(problems))
    make()
