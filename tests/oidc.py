"""A real OpenID Connect provider for tests (PyPI `oidc-provider-mock`), and one that lies on demand.

The provider runs in a process of its own, since it warns of things that are errors here. It calls itself by the host
name it is asked by: so `url` and `other_url` are two issuers, for instance ORCID and an institution. Its page asks
for a `sub` (a field and the button "Authorize"), or offers those in `people` as buttons. It knows no PKCE.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2

CARBERRY = "0000-0002-1825-0097"  # ORCID's own example person
JANE = "0000-0001-5109-3700"


@dataclass(frozen=True)
class OidcServer:
    """A running provider."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def other_url(self) -> str:
        return f"http://localhost:{self.port}"

    def log_in(self, address: str, sub: str) -> str:
        """Do at the provider's page what a user does; returns the address that the browser is sent back to."""
        with httpx2.Client(verify=False) as browser:  # reading certificates takes 40 ms
            shown = browser.get(address)
            assert shown.status_code == 200, shown.text
            sent = browser.post(address, data={"sub": sub} if sub else {"action": "deny"})
            assert sent.status_code in (302, 303), sent.text
            return sent.headers["location"]


@contextmanager
def provider(people: Sequence[dict[str, Any]] = ()) -> Iterator[OidcServer]:
    """A provider that knows `people` (claims with `sub`), and takes anybody else at his word."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = [part for claims in people for part in ("--user-claims", json.dumps(claims))]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), *known],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 30
        while True:
            try:
                httpx2.get(f"http://127.0.0.1:{port}/jwks", timeout=5, verify=False)
                break
            except httpx2.HTTPError:
                assert process.poll() is None, "the provider does not start"
                assert time.monotonic() < until, "the provider does not answer"
                time.sleep(0.05)
        yield OidcServer(port)
    finally:
        process.kill()
        process.wait()


class Liar:
    """An issuer whose answers a test chooses: `token` is what its token endpoint says, `about` its discovery adds."""

    def __init__(self) -> None:
        from joserfc.jwk import RSAKey

        self.key = RSAKey.generate_key(2048, {"kid": "a"})
        self.token: dict[str, Any] = {}
        self.about: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, str], str | None]] = []  # path, form, Authorization

    def __enter__(self) -> Liar:
        liar = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                self.say(
                    liar._about()
                    if path.startswith("/.well-known")
                    else {"keys": [liar.key.as_dict(private=False)]}
                )

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                liar.asked.append((self.path, dict(parse_qsl(body)), self.headers.get("authorization")))
                self.say(liar.token)

            def say(self, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(400 if "error" in content else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _about(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            **self.about,
        }
