"""A stand-in for DataCite's REST API on loopback, as the real one (lupo) behaves towards a repository.

Basic auth (401 'Bad credentials.'); foreign prefixes (403); JSON:API bodies (400 without `data`);
PUT makes or updates (201, 200), merging what is sent; names compare without case and are kept in
lower case; events: `publish` and `register` from draft, `publish` and `show` from registered, `hide`
from findable, all others are ignored without a word; a draft may be incomplete, a registered or findable
DOI must have url, creators, titles, publisher, publicationYear and a type, else 422 with one error a
source; drafts and registered ones are 404 to strangers; only drafts can be deleted (else 405).
Failures on demand: `fail(503, times=2)`, `fail(429, retry_after="7")`, `delay`.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

TRANSITIONS = {
    ("draft", "register"): "registered",
    ("draft", "publish"): "findable",
    ("registered", "publish"): "findable",
    ("registered", "show"): "findable",
    ("findable", "hide"): "registered",
}
LISTS_OF_OBJECTS = {
    "creators": "Creator",
    "titles": "Title",
    "subjects": "Subject",
    "contributors": "Contributor",
    "dates": "Date",
    "relatedIdentifiers": "Related identifier",
    "rightsList": "Rights",
    "descriptions": "Description",
    "fundingReferences": "Funding reference",
}
Answer = tuple[int, dict[str, Any] | None]


class DataCiteServer:
    """`with DataCiteServer() as server:` — then `server.url`, `server.dois`, `server.requests`."""

    def __init__(self, username: str = "TEST.REPO", password: str = "pass", prefix: str = "10.14454") -> None:
        self.username, self.password, self.prefix = username, password, prefix
        self.dois: dict[str, dict[str, Any]] = {}  # by lower-case name: the attributes
        self.requests: list[tuple[str, str]] = []
        self._failures: list[tuple[int, str | None]] = []
        self._gate = threading.Event()
        self._gate.set()
        self._lock = threading.Lock()

    def __enter__(self) -> DataCiteServer:
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fail(self, status: int, times: int = 1, retry_after: str | None = None) -> None:
        """Answer the next `times` requests with `status`."""
        self._failures += [(status, retry_after)] * times

    def hang(self) -> None:
        """Answer nothing until `resume`: the client runs into its timeout."""
        self._gate.clear()

    def resume(self) -> None:
        self._gate.set()

    def failure(self) -> tuple[int, str | None] | None:
        with self._lock:
            return self._failures.pop(0) if self._failures else None

    def authorised(self, header: str | None) -> bool | None:
        """True: our repository; False: wrong credentials; None: nobody in particular."""
        if not header:
            return None
        wanted = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return header == f"Basic {wanted}"

    def get(self, doi: str, known: bool | None) -> Answer:
        if known is False:
            return _error(401, "Bad credentials.")
        found = self.dois.get(doi.lower())
        if found is None or (found["state"] != "findable" and not known):
            return _error(404, "The resource you are looking for doesn't exist.")
        return 200, _document(found)

    def delete(self, doi: str, known: bool | None) -> Answer:
        status, body = self.get(doi, known)
        if status != 200:
            return status, body
        if not known:
            return _error(401, "Bad credentials.")
        if self.dois[doi.lower()]["state"] != "draft":
            return _error(405, "Method not allowed")
        del self.dois[doi.lower()]
        return 204, None

    def put(self, doi: str, body: Any, known: bool | None) -> Answer:
        if not known:
            return _error(401, "Bad credentials.")
        if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
            return _error(400, "You need to provide a payload following the JSONAPI spec")
        name = doi.lower()
        if not re.fullmatch(r"10\.\d{4,5}/[-._;()/:a-z0-9*~$=]+", name):
            return _error(404, "The resource you are looking for doesn't exist.")
        if name.partition("/")[0] != self.prefix:
            return _error(403, "You are not authorized to access this resource.")
        with self._lock:
            old = self.dois.get(name)
            stamp = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            start = old or {"doi": name, "state": "draft", "created": stamp, "registered": None, "url": None}
            sent = dict(body["data"].get("attributes") or {})
            event = sent.pop("event", None)
            new = start | {key: value for key, value in sent.items() if key not in ("doi", "state")}
            new["state"] = TRANSITIONS.get((start["state"], str(event)), start["state"])
            if errors := _findings(name, new):
                return 422, {"errors": errors}
            if new["state"] != "draft" and not new["registered"]:
                new["registered"] = stamp
            self.dois[name] = new | {"updated": stamp, "isActive": new["state"] == "findable"}
            return (200 if old else 201), _document(self.dois[name])


def _findings(name: str, attributes: dict[str, Any]) -> list[dict[str, str]]:
    found: dict[str, str] = {}

    def add(source: str, title: str) -> None:
        found.setdefault(source, title)

    if attributes["url"] and not re.fullmatch(r"(ftp|http|https)://\S+", attributes["url"]):
        add("url", "URL is not valid")
    for field, word in LISTS_OF_OBJECTS.items():
        value = attributes.get(field) or []
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, dict):
                add(field, f"{word} '{item}' should be an object instead of a string.")
    if attributes["state"] != "draft":
        if not attributes["url"]:
            add("url", "Can't be blank")
        kernel = "{http://datacite.org/schema/kernel-4}"
        missing = "Missing child element(s). Expected is ( %s ). at line 4, column 0"
        for field, child in (("creators", "creator"), ("titles", "title")):
            if not attributes.get(field):
                add(field, f"DOI {name}: {missing % (kernel + child)}")
        for field in ("publisher", "publicationYear"):
            if not attributes.get(field):
                add(field, f"DOI {name}: {missing % (kernel + field)}")
        if not (attributes.get("types") or {}).get("resourceTypeGeneral"):
            add("types", f"DOI {name}: {missing % (kernel + 'resourceType')}")
    return [{"source": source, "title": title, "uid": name} for source, title in found.items()]


def _error(status: int, title: str) -> Answer:
    return status, {"errors": [{"status": str(status), "title": title}]}


def _document(attributes: dict[str, Any]) -> dict[str, Any]:
    prefix, _, suffix = attributes["doi"].partition("/")
    return {
        "data": {
            "id": attributes["doi"],
            "type": "dois",
            "attributes": attributes | {"prefix": prefix, "suffix": suffix, "source": "api"},
            "relationships": {
                "client": {"data": {"id": "test.repo", "type": "clients"}},
                "provider": {"data": {"id": "test", "type": "providers"}},
            },
        }
    }


class _Handler(BaseHTTPRequestHandler):
    api: DataCiteServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_GET(self) -> None:
        self._answer(lambda doi, body, known: self.api.get(doi, known))

    def do_PUT(self) -> None:
        self._answer(self.api.put)

    def do_DELETE(self) -> None:
        self._answer(lambda doi, body, known: self.api.delete(doi, known))

    def _answer(self, verb: Any) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(self.path.partition("?")[0])
        self.api.requests.append((self.command, path))
        self.api._gate.wait()
        headers: dict[str, str] = {}
        if failure := self.api.failure():
            status, retry_after = failure
            body = _error(status, "Please try again later.")[1]
            if retry_after:
                headers["Retry-After"] = retry_after
        elif not path.startswith("/dois/"):
            status, body = _error(404, "The resource you are looking for doesn't exist.")
        else:
            try:
                sent = json.loads(raw) if raw else None
                known = self.api.authorised(self.headers.get("Authorization"))
                status, body = verb(path.removeprefix("/dois/"), sent, known)
            except ValueError as error:
                status, body = _error(400, str(error))
        payload = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if body is not None:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="api.datacite.org"')
        if status != 204:
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)
