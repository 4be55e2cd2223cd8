"""The pages of the sample records behind a small local server, for a real browser."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from strongroom.records.views import ListedRecord
from strongroom.web import landing, pages
from strongroom.web.pages import Bucket, Facet, QueryError, SearchState
from strongroom.web.render import PAGE_HEADERS, STATIC_HEADERS, Viewer, static_file
from tests.web.samples import FULL, SETTINGS, draft, file, record

VIEWER = Viewer(1, "p.rocca-serra@example.org", "token")
TITLES = (
    "CINWA: Database of Cultivated plants and their names in the indigenous languages of South America",
    "Fundamentals of Heterogeneous Parallel Programming with CUDA C/C++",
    "Predicting drought tolerance from slope aspect preference in restored plant communities",
    "Building the AusTraits Plant Dictionary into a formal vocabulary",
)


def _views() -> list[landing.RecordView]:
    others = [
        record(1001, metadata={"title": TITLES[0], "version": "3"}),
        record(1002, metadata={"title": TITLES[1], "resource_type": "lesson"}),
        record(
            1003, metadata={"title": TITLES[2]}, access={"files": "restricted", "embargo_until": "2027-03-01"}
        ),
        record(
            1004,
            metadata={"title": TITLES[3], "resource_type": "presentation"},
            access={"files": "restricted"},
            stats={"views": 1033, "downloads": 271},
        ),
        record(1005, metadata={"title": "No files", "resource_type": "publication-article"}, files=[]),
    ]
    return [record(), *others]


FACETS = [
    Facet("access_status", "Access", [Bucket("open", "Open", 131), Bucket("restricted", "Restricted", 14)]),
    Facet(
        "resource_type",
        "Type",
        [
            Bucket("dataset", "Dataset", 84, True),
            Bucket(
                "publication", "Publication", 47, inner=[Bucket("publication::publication-article", "Article", 31)]
            ),
            Bucket("software", "Software", 0),
        ],
    ),
    Facet("license", "Licence", [Bucket("cc-by-4.0", "cc-by-4.0", 96), Bucket("mit", "mit", 8)]),
    Facet("publication_date", "Year", [Bucket(str(y), str(y), (y - 2000) * 3) for y in range(2026, 2005, -1)]),
    Facet("file_type", "File type", [Bucket(ext, ext, 61 - n) for n, ext in enumerate(["csv", "pdf", "xlsx", "zip", "txt", "md", "json", "xml", "tsv", "png", "gif"])]),
]  # fmt: skip


def build() -> dict[str, tuple[int, bytes]]:
    """Status and body of every sample page by its path."""
    views = _views()
    many = [
        {"name": f"Family{n}, Given", "affiliations": [{"name": f"University {n % 7}"}]} for n in range(60)
    ]
    listed = [ListedRecord.of(v) for v in views]
    state = SearchState("rose plant", {"resource_type": ["dataset"]}, page=2)
    shown = {"settings": SETTINGS}
    return {
        "/": (
            200,
            pages.front_page(
                listed,
                48_210,
                settings=SETTINGS,
                types=[("dataset", 19_406), ("publication", 14_872), ("software", 8115)],
                by_month=[n % 11 + 3 for n in range(35)],
                counts={"files": 1_900_000, "bytes": 64 * 10**12},
            ),
        ),
        "/empty": (200, pages.front_page([], 0, settings=SETTINGS, lang="de")),
        "/records/1042": (200, landing.record_page(views[0], settings=SETTINGS)),
        "/records/1042/de": (200, landing.record_page(views[0], settings=SETTINGS, lang="de")),
        "/records/full": (
            200,
            landing.record_page(
                record(1050, metadata=FULL, may_edit=True, doi_state="local", stats={"views": 2846, "downloads": 731, "volume": 63_000_000}),
                settings=SETTINGS,
                viewer=VIEWER,
            ),
        ),
        "/records/embargoed": (200, landing.record_page(views[3], settings=SETTINGS)),
        "/records/restricted": (
            200,
            landing.record_page(
                dataclasses.replace(
                    record(1060, access={"files": "restricted", "conditions": "<p>Ask <b>why</b>.</p>"}),
                    files=None,
                    doi_state="reserved",
                    latest_id=1061,
                ),
                settings=SETTINGS,
            ),
        ),
        "/records/nothing": (
            200,
            landing.record_page(
                record(1070, files=[], versions=[], metadata={"description": None, "rights": [], "subjects": [], "creators": []}),
                settings=SETTINGS,
            ),
        ),
        "/records/large": (
            200,
            landing.record_page(
                record(
                    1080,
                    files=[file(f"folder_{n // 600}/a_rather_long_file_name_of_measurement_{n:05}.csv", n) for n in range(1300)],
                    metadata={"creators": many},
                ),
                settings=SETTINGS,
                files_page=2,
            ),
        ),
        "/search": (200, pages.search_page(state, listed, 160, facets=FACETS, **shown)),
        "/search/empty": (200, pages.search_page(SearchState("nope"), [], 0, **shown)),
        "/search/error": (
            200,
            pages.search_page(
                SearchState('title:("rose'), [], 0, error=QueryError("A quotation mark is not closed.", 7), **shown
            ),
        ),
        "/login": (200, pages.login_page(settings=SETTINGS, csrf="t", error=pages.wrong_password("en"), email="a@example.org")),
        "/gone": (
            410,
            pages.tombstone_page(
                1011,
                {
                    "reason": "An unfinished table had been uploaded. Version 2 replaces it.",
                    "date": "2019-03-13",
                    "published": "2019-02-05",
                    "by": "owner",
                    "citation": "Rocca-Serra, P. (2019). Frictionless Tabular data package. https://doi.org/10.5072/strongroom.1011",
                    "doi": "10.5072/strongroom.1011",
                    "resource_type": "dataset",
                    "version": "1",
                    "file_count": 2,
                    "total_bytes": 129_000,
                },
                settings=SETTINGS,
                newer_id=1042,
            ),
        ),
        "/missing": (404, pages.error_page(404, settings=SETTINGS)),
        "/me/uploads": (
            200,
            pages.uploads_page(
                [draft(), *views],
                pages.UploadsState(),
                50,
                settings=SETTINGS,
                viewer=VIEWER,
                counts={"all": 50, "drafts": 1, "published": 49},
                waiting=[("00000000-0000-4000-8000-000000000001", "Someone asks to see the files of a record")],
                waiting_total=1,
                storage=(12_400_000_000, 150_000_000_000),
            ),
        ),
    }  # fmt: skip


@contextmanager
def serve() -> Iterator[tuple[str, list[str]]]:
    """(address, paths) of a server of all sample pages, with the headers that the doors send."""
    built = build()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            headers = dict(PAGE_HEADERS)
            if path.startswith("/static/"):
                _, _, version, name = path.split("/", 3)
                found = static_file(version, name)
                status, body = (200, found.body) if found else (404, b"")
                headers = {**STATIC_HEADERS, "Content-Type": found.media_type if found else "text/plain"}
            elif path.startswith("/badge/"):
                status, body = 200, pages.badge(path.removeprefix("/badge/doi/"))
                headers = {"Content-Type": "image/svg+xml"}
            elif (
                "/preview/" in path
            ):  # previews need files, which samples have none of: tests/browser/test_record.py
                status, body = 200, b"<!doctype html><html lang=en><title>Preview</title><h1>Preview</h1>"
                headers = {"Content-Type": "text/html"}
            else:
                status, body = built.get(path, (404, b"<!doctype html><title>x</title>"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", list(built)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
