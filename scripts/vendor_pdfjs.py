"""Put pdf.js into the static files: `python scripts/vendor_pdfjs.py` (needs npm and its registry; run to update).

The legacy build, because the other needs browsers of the last months. Without its tables for fonts that a CJK PDF does
not embed, and without WebAssembly, which our content security policy does not allow.
"""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from pathlib import Path

VERSION = "5.6.205"
TARGET = Path(__file__).parents[1] / "strongroom" / "web" / "static" / "vendor" / "pdfjs"
FILES = {
    "package/legacy/build/pdf.min.mjs": "pdf.js",
    "package/legacy/build/pdf.worker.min.mjs": "pdf.worker.js",
    "package/LICENSE": "LICENSE.txt",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", f"pdfjs-dist@{VERSION}"], cwd=folder, check=True)
        TARGET.mkdir(parents=True, exist_ok=True)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            for name, target in FILES.items():
                file = archive.extractfile(name)
                assert file is not None
                (TARGET / target).write_bytes(file.read())


if __name__ == "__main__":
    main()
