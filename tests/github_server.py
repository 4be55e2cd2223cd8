"""A stand-in for GitHub's log-in on loopback, as its documentation describes it (OAuth apps, web flow).

The authorize page asks (a form with "Authorize" and "Cancel"); codes are good once, for their client, address and PKCE
challenge; mistakes at the token endpoint are answered 200 with `error`; without `Accept: application/json` it answers
in form encoding; the API wants a User-Agent (403) and a known token (401), and tells of the user what anybody may know.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2


class GitHubServer:
    """`with GitHubServer() as github:` then `github.url`; `github.user` is who sits before the browser."""

    client_id = "Iv1.test"
    client_secret = "github secret"

    def __init__(self) -> None:
        self.user: dict[str, Any] = {"id": 583231, "login": "octocat", "name": "The Octocat", "email": None}
        self.asked: list[dict[str, str]] = []  # what came to the authorize page
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> GitHubServer:
        handler = type("Handler", (_Handler,), {"github": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def log_in(self, address: str, answer: str = "allow") -> str:
        """Do at the page what a user does; returns the address that the browser is sent back to."""
        with httpx2.Client(verify=False) as browser:
            assert browser.get(address).status_code == 200
            sent = browser.post(address, data={"answer": answer})
            assert sent.status_code == 302
            return sent.headers["location"]


class _Handler(BaseHTTPRequestHandler):
    github: GitHubServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/login/oauth/authorize":
            asked = dict(parse_qsl(parts.query))
            if asked.get("client_id") != self.github.client_id:
                self._say(404, "text/html", "Not Found")
                return
            self.github.asked.append(asked)
            self._say(
                200, "text/html",
                f"<!doctype html><title>Authorize</title><form method=post action='{html.escape(self.path)}'>"
                "<button name=answer value=allow>Authorize</button><button name=answer value=deny>Cancel</button></form>",
            )  # fmt: skip
        elif parts.path == "/user":
            if "user-agent" not in self.headers:
                self._say(403, "text/plain", "Request forbidden by administrative rules.")
                return
            user = self.github.tokens.get(self.headers.get("authorization", "").removeprefix("Bearer "))
            if user is None:
                self._say(401, "application/json", json.dumps({"message": "Bad credentials"}))
            else:
                self._say(200, "application/json", json.dumps(user))
        else:
            self._say(404, "application/json", json.dumps({"message": "Not Found"}))

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        form = dict(parse_qsl(self.rfile.read(int(self.headers.get("content-length") or 0)).decode()))
        if parts.path == "/login/oauth/authorize":
            asked = dict(parse_qsl(parts.query))
            back = {"state": asked["state"]} if "state" in asked else {}
            if form.get("answer") != "allow":
                back |= {
                    "error": "access_denied",
                    "error_description": "The user has denied your application access.",
                }
            else:
                code = secrets.token_hex(10)
                self.github.codes[code] = asked
                back |= {"code": code}
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?{urlencode(back)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif parts.path == "/login/oauth/access_token":
            answer = self._token(form)
            if "application/json" in self.headers.get("accept", ""):
                self._say(200, "application/json", json.dumps(answer))
            else:
                self._say(200, "application/x-www-form-urlencoded", urlencode(answer))

    def _token(self, form: dict[str, str]) -> dict[str, str]:
        github = self.github
        if (form.get("client_id"), form.get("client_secret")) != (github.client_id, github.client_secret):
            return {
                "error": "incorrect_client_credentials",
                "error_description": "The client_id and/or client_secret passed are incorrect.",
            }
        asked = github.codes.pop(form.get("code", ""), None)
        if asked is None:
            return {
                "error": "bad_verification_code",
                "error_description": "The code passed is incorrect or expired.",
            }
        if form.get("redirect_uri", asked["redirect_uri"]) != asked["redirect_uri"]:
            return {"error": "redirect_uri_mismatch", "error_description": "The redirect_uri MUST match."}
        if "code_challenge" in asked:
            hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            if base64.urlsafe_b64encode(hashed).rstrip(b"=").decode() != asked["code_challenge"]:
                return {"error": "bad_verification_code", "error_description": "The code verifier is wrong."}
        token = f"gho_{secrets.token_hex(18)}"
        github.tokens[token] = dict(github.user)
        return {"access_token": token, "scope": asked.get("scope", ""), "token_type": "bearer"}

    def _say(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass
