"""A browser without script or pictures: keeps cookies by path, follows redirects of ours, fills forms."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

from tests.app import Answer, Site


class _Forms(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((values.get("action", ""), {}))
        elif tag == "input" and self.forms and "name" in values:
            unticked = values.get("type") in ("checkbox", "radio") and "checked" not in values
            if not unticked:
                self.forms[-1][1][values["name"]] = values.get("value", "")


class Browser:
    """One visitor of a site."""

    def __init__(self, site: Site, agent: str = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0") -> None:
        self.site = site
        self.agent = agent
        self.kept: dict[tuple[str, str], str] = {}  # (name, path): value
        self.shown = Answer(0, {}, b"")
        self.path = "/"

    def cookie(self, name: str) -> str | None:
        return next((value for (known, _), value in self.kept.items() if known == name), None)

    def _ask(self, verb: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        bare = path.partition("?")[0]
        cookies = [
            f"{name}={value}"
            for (name, place), value in self.kept.items()
            if place == "/" or bare == place or bare.startswith(f"{place}/")
        ]
        sent = {"user-agent": self.agent, "accept": "text/html", **headers}
        if cookies:
            sent["cookie"] = "; ".join(cookies)
        self.path = path
        self.shown = self.site.ask(verb, path, None, body, sent)
        for line in self.shown.cookies:
            pair, *attributes = (part.strip() for part in line.split(";"))
            name, _, value = pair.partition("=")
            told = dict(a.lower().partition("=")[::2] for a in attributes)
            key = (name, told.get("path", "/"))
            if told.get("max-age") == "0" or value in ("", '""'):
                self.kept.pop(key, None)
            else:
                self.kept[key] = value
        return self.shown

    def get(self, path: str) -> Answer:
        """A page by address or link (ours or of elsewhere, as the way back from a provider is)."""
        return self._ask("GET", path.removeprefix(self.site.settings.base_url), None, {})

    def send(self, action: str, **fields: str) -> Answer:
        """The form of the page that goes to `action`, its fields as they are but for `fields`."""
        forms = _Forms(self.shown.body.decode()).forms
        (found,) = [values for where, values in forms if where == action]
        return self.post(action, **{**found, **fields})

    def post(self, action: str, **fields: str) -> Answer:
        return self._ask(
            "POST",
            action,
            urlencode(fields).encode(),
            {
                "content-type": "application/x-www-form-urlencoded",
                "sec-fetch-site": "same-origin",
                "origin": self.site.settings.base_url,
            },
        )

    def follow(self) -> Answer:
        """Along redirects, as long as they stay with us."""
        base = self.site.settings.base_url
        while self.shown.status in (302, 303) and self.shown.headers["location"].startswith(base):
            self.get(self.shown.headers["location"])
        return self.shown

    @property
    def who(self) -> str | None:
        """The name in the header of the page."""
        found = re.search(r'class="small muted who">([^<]*)<', self.shown.body.decode())
        return found[1] if found else None


def host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
