"""schemathesis over the whole OpenAPI document: no 5xx, no status, content type or shape that is not in it, and
nothing accepted that by the document is invalid.

Few requests in `make test`, many with PROVE=1.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from strongroom.access import SYSTEM
from strongroom.api.openapi import document
from strongroom.app import API
from strongroom.files.service import bucket_id
from strongroom.settings import Settings
from tests.app import Answer, Reader, Site
from tests.conftest import count
from tests.desk import data, restricted

_SETTINGS = Settings(
    data_dir=Path(tempfile.gettempdir()) / "never used",
    base_url="http://testserver",
    rate_limits="off",
    disk_reserve_bytes=0,
    secret_key="not a secret: only for tests",
)
schema = schemathesis.openapi.from_dict(document(API, _SETTINGS))
schema.config.generation.allow_extra_parameters = False  # unknown ones are ignored, which OpenAPI can't say
# What is not there for who asks was not accepted either.
schema.config.checks.negative_data_rejection.expected_statuses = [
    "400",
    "401",
    "403",
    "404",
    "406",
    "409",
    "410",
    "412",
    "415",
    "416",
]
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
)


class Asked:
    """The application, a depositor and an administrator, and something of each kind to be asked about."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.owner = site.reader("owner")
        self.readers = [self.owner, site.reader("admin", admin=True), Reader("guest"), self.owner]
        self.other = site.reader("other")
        desk, owner = site.desk, self.owner.actor
        self.record = self.closed = self.draft = 0
        desk.withdraw(desk.deposit(owner, "c.txt"), "spam", by=SYSTEM)

    def values(self, path: str, n: int) -> dict[str, str]:
        """Something that is there, for each name in an address."""
        found = {
            "user_id": str(self.owner.actor.user_id),
            "index": "0",
            "part": "1",
            "n": "1",
            "key": "a.txt",
        }
        self._renew()
        some = self._draft() if "/draft" in path or "deposit" in path or n % 2 else self.record
        if "/access" in path:
            some = self.closed if n % 2 else self.record
        found |= {"id": str(some), "bucket": bucket_id(some), "scheme": "doi", "action": "submit"}
        if "{link_id}" in path:
            made = self.ask("POST", f"/api/records/{some}/access/links", {"permission": "view"})
            found["link_id"] = made["id"]
        if "access/grants/" in path or "access/users/" in path:
            subject = {"id": str(self.other.actor.user_id), "type": "user"}
            wish = {"grants": [{"subject": subject, "permission": "view"}]}
            self.site.ask("POST", f"/api/records/{some}/access/grants", self.owner, wish)
            found["user_id"] = subject["id"]
        if "{request_id}" in path:
            found["request_id"], found["comment_id"] = self._request()
            found["action"] = ("decline", "cancel", "accept")[n % 3]
        if "{type}" in path:
            found |= {"type": "licenses"}
        if "{token_id}" in path or "{file_id}" in path:
            del found["key"]
        if "{term}" in path:
            found["term"] = "cc-by-4.0" if "licenses" in path or "{type}" in path else "eng"
        return found

    def ask(self, verb: str, path: str, body: Any, reader: Reader | None = None) -> Any:
        answer = self.site.ask(verb, path, reader or self.owner, body)
        assert answer.status < 300, answer.text
        return answer.json()

    def _renew(self) -> None:
        """The two records again, where an administrator withdrew them."""
        desk, owner = self.site.desk, self.owner.actor
        if self.site.ask("GET", f"/api/records/{self.record}/versions").status != 200:
            self.record = desk.deposit(owner, "a.txt")
        if self.site.ask("GET", f"/api/records/{self.closed}/versions").status != 200:
            described = data("Closed", access=restricted(requests=True))
            self.closed = desk.deposit(owner, "b.txt", described=described)

    def _draft(self) -> int:
        """A draft with an announced and a complete file; a new one where the last was published or deleted."""
        if self.site.ask("GET", f"/api/records/{self.draft}/draft", self.owner).status != 200:
            self.draft = self.site.desk.create(self.owner.actor, data("Draft"))
        files = f"/api/records/{self.draft}/draft/files"
        if self.site.ask("GET", f"{files}/a.txt", self.owner).status != 200:
            self.site.ask("POST", files, self.owner, [{"key": "a.txt"}])
        return self.draft

    def _request(self) -> tuple[str, str]:
        """A request for access that is open, and a comment of the owner in it."""
        address = self.other.actor.email
        path = f"/api/records/{self.closed}/access/request"
        self.site.ask("POST", path, self.other, {"email": address, "message": "Please"})
        found = self.ask("GET", "/api/user/requests", None)["hits"]["hits"]
        at = next((r["id"] for r in found if r["is_open"]), found[0]["id"] if found else "none")
        said = self.site.ask(
            "POST",
            f"/api/requests/{at}/comments",
            self.owner,
            {"payload": {"content": "Why?", "format": "html"}},
        )
        return at, said.json().get("id", "none") if said.status == 201 else "none"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    settings = _SETTINGS.model_copy(update={"data_dir": tmp_path_factory.mktemp("data")})
    site = Site(settings).start()
    yield Asked(site)
    site.stop()


@schema.parametrize()
@hypothesis_settings(
    max_examples=count(4, 100),
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_api_keeps_its_word(case: Case, asked: Asked) -> None:
    n = len(repr(case.path_parameters)) + len(repr(case.body))
    given = case.path_parameters or {}
    if n % 5:  # else an address of nonsense
        known = asked.values(case.path, n)
        for name in given:
            if name in known:
                given[name] = known[name]
    reader = asked.readers[n % 7 % 4]
    request = _request(case)
    answer = asked.site.ask(case.method, request["path"], reader, request["body"], request["headers"])
    checks = [c for c in CHECKS if c is not negative_data_rejection or not _lost_on_the_way(request["path"])]
    case.validate_response(_response(case, answer), checks=checks)


def _lost_on_the_way(path: str) -> bool:
    """Whether what is wrong may not be in the address any more: an object or an empty list is sent as an empty
    value, which counts as absent, and of several values the last one counts."""
    values = parse_qsl(urlsplit(path).query, keep_blank_values=True)
    return any(not value for _, value in values) or len({name for name, _ in values}) < len(values)


def _request(case: Case) -> dict[str, Any]:
    sent = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
    headers = {
        name: value
        for name, value in sent.headers.items()
        if name.lower() not in ("authorization", "cookie", "content-length", "host", "x-csrf-token")
    }
    body = sent.body.encode() if isinstance(sent.body, str) else sent.body
    return {"path": (sent.url or "").removeprefix("http://testserver"), "body": body, "headers": headers}


def _response(case: Case, answer: Answer) -> schemathesis.Response:
    return schemathesis.Response(
        answer.status,
        {name: [value] for name, value in answer.headers.items()},
        answer.body,
        requests.Request(case.method, "http://testserver/").prepare(),
        0.0,
        False,
    )
