"""HTTP as it goes over the wire: paths and headers as given, no client library that tidies them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from tests.live import Server

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What came back. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]


class Wire:
    """One client of one server: `call` sends exactly what it is given."""

    def __init__(self, server: Server, token: str | None = None) -> None:
        self.server = server
        self.token = token

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        expect: int | None = None,
    ) -> Answer:
        """A request; `body` is bytes as they are, or a value sent as JSON with its Content-Type.

        Nothing is added but Host and Content-Length, the token, and Accept where none is given.
        """
        sent = {"Accept": "*/*", **(headers or {})}
        if isinstance(body, str):
            body = body.encode()
        elif body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        if self.token is not None and not any(k.lower() == "authorization" for k in sent):
            sent["Authorization"] = f"Bearer {self.token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            if body is not None or method in ("POST", "PUT", "PATCH"):
                sent.setdefault("Content-Length", str(len(body or b"")))
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            answer = Answer(
                response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
            )
        finally:
            connection.close()
        assert expect in (None, answer.status), f"{method} {path}: {answer.status} {answer.body[:2000]!r}"
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        """GET a path or one of the server's own links; keyword `If_Match` is the header If-Match."""
        return self.call(
            "GET", self.local(path), headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    def local(self, url: str) -> str:
        """The path of one of the server's own links."""
        if not url.startswith("http"):
            return url
        assert url.startswith(self.server.url + "/"), url
        parts = urlsplit(url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    # what nearly every test does

    def create(self, metadata: Json | None = None) -> Json:
        body = {} if metadata is None else {"metadata": metadata}
        made: Json = self.call("POST", "/api/deposit/depositions", body, expect=201).json()
        return made

    def put_file(self, deposition: Json, key: str, content: bytes) -> Json:
        path = f"{self.local(deposition['links']['bucket'])}/{quote(key)}"
        made: Json = self.call("PUT", path, content, expect=201).json()
        return made

    def act(self, deposition: Json | int, action: str, *, expect: int) -> Answer:
        number = deposition if isinstance(deposition, int) else deposition["id"]
        return self.call("POST", f"/api/deposit/depositions/{number}/actions/{action}", expect=expect)

    def publish(self, metadata: Json | None = None, files: Mapping[str, bytes] | None = None) -> Json:
        """A published record; the deposition that publish answered with."""
        made = self.create(metadata or small())
        for key, content in (files or {"a.txt": b"a"}).items():
            self.put_file(made, key, content)
        done: Json = self.act(made, "publish", expect=202).json()
        return done


def small(**more: Any) -> Json:
    """The least that can be published."""
    return {
        "title": "A small deposit",
        "upload_type": "dataset",
        "description": "For a test.",
        "creators": [{"name": "Doe, Jane"}],
        **more,
    }
