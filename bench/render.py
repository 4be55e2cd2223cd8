"""What a landing page costs to render: prints one JSON line with medians in milliseconds of CPU.

    .venv/bin/python bench/render.py [--count N]

Renders N different records (10 files each), each for the first time, and the parts of one alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from strongroom.metadata.exports import ExportRecord, datacite, schemaorg
from strongroom.metadata.exports.citation import apa
from strongroom.records.views import ListedRecord
from strongroom.web.landing import link_header, record_page
from strongroom.web.pages import SearchState, search_page
from tests.web.samples import SETTINGS, file, record


def median(function: Callable[[Any], object], items: list[Any]) -> float:
    """Median milliseconds of CPU of `function` over `items`."""
    times = []
    for item in items:
        start = time.process_time_ns()
        function(item)
        times.append(time.process_time_ns() - start)
    return round(statistics.median(times) / 1e6, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2_000)
    count = parser.parse_args().count
    views = [record(1000 + n, metadata={"title": f"Record {n} of a bench"}) for n in range(count)]
    record_page(views[0], settings=SETTINGS)  # compiles the templates
    listed = [ListedRecord.of(v) for v in views]
    exports = [ExportRecord.of(v, SETTINGS) for v in views]
    large = record(9, files=[file(f"folder-{n % 100:03}/file-{n:05}.csv") for n in range(50_000)])
    print(
        json.dumps(
            {
                "record_page_ms": median(lambda v: record_page(v, settings=SETTINGS), views),
                "record_page_de_ms": median(
                    lambda v: record_page(v, settings=SETTINGS, lang="de"), views[:200]
                ),
                "record_page_50000_files_ms": median(
                    lambda v: record_page(v, settings=SETTINGS), [large] * 5
                ),
                "link_header_ms": median(lambda v: link_header(v, SETTINGS), views[:500]),
                "export_record_ms": median(lambda v: ExportRecord.of(v, SETTINGS), views[:500]),
                "json_ld_ms": median(schemaorg.render, exports[:500]),
                "datacite_ms": median(datacite.payload, exports[:500]),
                "citation_ms": median(apa, exports[:500]),
                "search_page_20_ms": median(
                    lambda n: search_page(SearchState("rose"), listed[n : n + 20], 1000, settings=SETTINGS),
                    list(range(100)),
                ),
                "page_bytes": len(record_page(views[0], settings=SETTINGS)),
            }
        )
    )


if __name__ == "__main__":
    main()
