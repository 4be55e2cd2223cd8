"""Forms as a browser without script fills and sends them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser

from tests.app import Answer, Reader, Site

BOUNDARY = "----form"
File = tuple[str, str, bytes]  # field, file name, content


class Form(HTMLParser):
    """The fields of the form `deposit` (or, with another `name`, of the first form that has this field)."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self._templates = 0
        self._select: str | None = None
        self._area: str | None = None
        self._error: str | None = None
        text = body.decode()
        start = re.search(r'<form class="d-form"', text)
        assert start, text
        self.feed(text[start.start() : text.index("</form>", start.start())])
        # A browser leaves out the line end that begins a textarea.
        self.fields = {name: value.removeprefix("\n") for name, value in self.fields.items()}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {name: value or "" for name, value in attrs}
        name = a.get("name", "")
        if tag == "template":
            self._templates += 1
        if tag == "p" and a.get("class") == "error":
            self._error = a.get("id", "-e").removesuffix("-e")
            self.errors[self._error] = ""
        if self._templates:
            return
        if tag == "input" and name:
            kind = a.get("type", "text")
            if kind in ("radio", "checkbox"):
                if "checked" in a:
                    self.fields[name] = a.get("value", "on")
            elif kind != "file":
                self.fields[name] = a.get("value", "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and (self._select not in self.fields or "selected" in a):
            self.fields[self._select] = a["value"]
        elif tag == "textarea":
            self._area = name
            self.fields[name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "template":
            self._templates -= 1
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._area = None
        elif tag == "p":
            self._error = None

    def handle_data(self, data: str) -> None:
        if self._area and not self._templates:
            self.fields[self._area] += data
        if self._error is not None:
            self.errors[self._error] += data


def multipart(fields: Mapping[str, str], files: Iterable[File] = ()) -> bytes:
    """A form as `multipart/form-data`, with CRLF in texts as browsers write them."""
    parts = []
    for name, text in fields.items():
        text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        parts.append(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        )
    for name, filename, content in files:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        parts.append(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + content + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


class Window:
    """A browser's window on the deposit form of one draft: opens it, types, presses a button."""

    def __init__(self, site: Site, session: Reader) -> None:
        self.site = site
        # Without script there is no header: the session's mark is in the form.
        self.headers = {k: v for k, v in session.headers.items() if k != "x-csrf-token"}
        self.reader = Reader(session.name, session.actor, self.headers)
        self.csrf = session.headers["x-csrf-token"]
        self.path = ""
        self.fields: dict[str, str] = {}
        self.errors: dict[str, str] = {}

    def get(self, path: str) -> Answer:
        path = path.removeprefix("http://testserver").partition("#")[0]
        answer = self.site.ask("GET", path, self.reader)
        self._shown(answer)
        return answer

    def open(self, path: str) -> Answer:
        answer = self.get(path)
        assert answer.status == 200, answer
        self.path = path.partition("?")[0].removeprefix("http://testserver")
        return answer

    def _shown(self, answer: Answer) -> None:
        if b'id="deposit"' in answer.body or b'name="choose.' in answer.body:
            form = Form(answer.body)
            self.fields, self.errors = form.fields, form.errors

    def send(self, do: str, *files: File, headers: Mapping[str, str] | None = None) -> Answer:
        """Press a button, and go where it leads."""
        answer = self.site.ask(
            "POST",
            self.path,
            self.reader,
            multipart({**self.fields, "do": do}, files),
            {"content-type": f"multipart/form-data; boundary={BOUNDARY}", **(headers or {})},
        )
        if answer.status == 303:
            return self.get(answer.headers["location"])
        self._shown(answer)
        return answer

    def post(self, path: str, **fields: str) -> Answer:
        """A small form of another page."""
        body = "&".join(f"{k}={v}" for k, v in {"csrf": self.csrf, **fields}.items()).encode()
        return self.site.ask(
            "POST", path, self.reader, body, {"content-type": "application/x-www-form-urlencoded"}
        )
