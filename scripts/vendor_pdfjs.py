"""Put pdf.js into the static files: `python scripts/vendor_pdfjs.py` (needs npm and its registry; run to update).

The legacy build, because the other needs browsers of the last months. With Adobe's tables for the codes of Asian PDF
(`cmaps`, 1.2 MB) and the fonts that every PDF may use without embedding them (`fonts`, 0.8 MB): pdf.js asks for the
one or two that a file needs. Without WebAssembly, which our content security policy does not allow.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

VERSION = "5.6.205"
TARGET = Path(__file__).parents[1] / "strongroom" / "web" / "static" / "vendor" / "pdfjs"
FILES = {
    "package/legacy/build/pdf.min.mjs": "pdf.js",
    "package/legacy/build/pdf.worker.min.mjs": "pdf.worker.js",
    "package/LICENSE": "LICENSE.txt",
}
FOLDERS = {"package/cmaps": "cmaps", "package/standard_fonts": "fonts"}


def target_of(name: str) -> str | None:
    """Where this member of the package goes, below `TARGET`; None for what is left out."""
    path = PurePosixPath(name)
    folder = FOLDERS.get(str(path.parent))
    if folder is None:
        return FILES.get(name)
    return f"{folder}/{path.name}" if path.suffix else f"{folder}/{path.name}.txt"  # licences


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", f"pdfjs-dist@{VERSION}"], cwd=folder, check=True)
        shutil.rmtree(TARGET, ignore_errors=True)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            for member in archive:
                target, file = target_of(member.name), archive.extractfile(member)
                if target is not None and file is not None:
                    (TARGET / target).parent.mkdir(parents=True, exist_ok=True)
                    (TARGET / target).write_bytes(file.read())


if __name__ == "__main__":
    main()
