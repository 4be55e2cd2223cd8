"""A record whose every field and file name is hostile is harmless wherever it is shown.

The strings are the Big List of Naughty Strings (tests/data/hostile, MIT licence, see NOTICE there). Each page made of them is
parsed as a browser would, and compared with the same page of a harmless record: it must have no other elements, no
other attributes, and no address of another kind.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from strongroom.http import citations
from strongroom.metadata.exports import FORMATS, ExportRecord
from strongroom.metadata.html import clean
from strongroom.previews import Source, preview
from strongroom.records.views import RecordView
from strongroom.web.landing import record_page
from tests.web.samples import SETTINGS, file, record

STRINGS: list[str] = [
    text.replace("\0", "") or "-"
    for text in json.loads((Path(__file__).parents[1] / "data" / "hostile" / "blns.json").read_text("utf-8"))
] + ["</script><script>alert(1)</script>", "]]>", "{{ 7 * 7 }}", "${7*7}", "%(num)s", "\u202egnp.exe", "\ue000script\ue001"]  # fmt: skip
PAGE = 60  # strings a record
SCHEMES = {"http", "https", "ftp", "mailto", None}


def scheme(address: str) -> str | None:
    """The scheme that a browser reads (URL Standard 4.4: blanks and controls before it, tabs and line ends in it go)."""
    found = re.match(r"[\x00-\x20]*([a-z][a-z0-9+.-]*):", re.sub(r"[\t\r\n]", "", address.lower()))
    return found.group(1) if found else None


def filled(strings: Iterator[str]) -> RecordView:
    """A record with a string of its own in each field."""
    n = lambda: next(strings)  # noqa: E731
    metadata: dict[str, Any] = {
        "title": n(),
        "additional_titles": [{"title": n(), "type": n()}],
        "creators": [
            {
                "name": n(),
                "affiliations": [{"name": n(), "id": n()}, {"name": n()}],
                "identifiers": [{"scheme": s, "identifier": n()} for s in ("orcid", "gnd", "url")],
            },
            {"name": n(), "family_name": n(), "given_name": n()},
        ],
        "contributors": [{"name": n(), "role": n(), "affiliations": [{"name": n()}]}, {"name": n(), "role": "editor"}],
        "publisher": n(),
        "publication_date": n(),
        "description": clean(n()),
        "additional_descriptions": [{"type": n(), "description": clean(n())}, {"type": "notes", "description": clean(n())}],
        "version": n(),
        "languages": [n()],
        "subjects": [{"subject": n()}, {"subject": n(), "id": n(), "scheme": n()}],
        "dates": [{"date": n(), "type": n(), "description": n()}],
        "identifiers": [{"identifier": n(), "scheme": "url"}],
        "related_identifiers": [
            {"identifier": n(), "relation": n(), "scheme": s, "resource_type": n()} for s in ("doi", "url")
        ],
        "references": [{"reference": n(), "identifier": n(), "scheme": "doi"}],
        "funding": [{"funder": {"name": n()}, "award": {"title": n(), "number": n(), "url": n()}}],
        "locations": [{"place": n(), "description": n()}],
        "rights": [{"title": n(), "link": n(), "description": n()}],
        "custom": {
            "journal:journal": {"title": n(), "volume": n(), "issue": n(), "pages": n()},
            "imprint:imprint": {"title": n(), "isbn": n(), "place": n()},
            "meeting:meeting": {"title": n(), "url": n()},
            "thesis:thesis": {"university": n()},
            "dwc:x": [n()],
            n() or "x:y": n(),
        },
    }  # fmt: skip
    keys = {part for part in (n(), f"{n()}/{n()}.csv", f"a/{n()}.pdf") if part.strip("/")}
    return record(
        metadata=metadata,
        communities=[n()],
        doi=f"10.5072/{n()}",
        files=[file(key) for key in sorted(keys)],
        access={"files": "restricted", "conditions": clean(n()), "embargo_reason": n()},
    )


class Parts(HTMLParser):
    """The elements of a page with their attributes' names, the addresses in it, and its JSON-LD."""

    def __init__(self, html: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.found: set[str] = set()
        self.addresses: list[str] = []
        self.scripts: list[str] = []
        self.inside = False
        self.feed(html.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.update({tag, *(f"{tag}[{name}]" for name, _ in attrs)})
        self.addresses += [
            value or "" for name, value in attrs if name in ("href", "src", "action", "poster")
        ]
        self.inside = tag == "script" and ("type", "application/ld+json") in attrs

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.scripts.append(data)


def batches() -> list[int]:
    return list(range(0, len(STRINGS), PAGE))


def hostile(start: int) -> RecordView:
    return filled(itertools.islice(itertools.cycle(STRINGS), start, None))


HARMLESS = Parts(record_page(filled(f"<p>word{n}</p>" if n % 3 else f"word{n}" for n in itertools.count()), settings=SETTINGS)).found  # fmt: skip
# What a description may hold (metadata.html), and parts of the page that come and go with what there is.
ALLOWED = HARMLESS | {
    "a[title]", "a[rel]", "a[name]", "b", "br", "em", "h1", "h2", "h3", "i", "p", "span", "strong", "u", "sub", "sup", "div", "table", "tr", "td",
    "th", "thead", "tbody", "ul", "ol", "li", "pre", "code", "blockquote", "caption", "abbr", "iframe", "iframe[src]", "iframe[class]", "iframe[id]",
    "iframe[title]", "iframe[loading]", "time", "time[datetime]", "p[class]", "span[class]", "a[class]", "td[class]", "tr[class]", "h1[class]", "li[class]", "br[class]", "div[class]",
}  # fmt: skip


@pytest.mark.parametrize("start", batches())
def test_its_page_has_nothing_that_it_should_not(start: int) -> None:
    parts = Parts(record_page(hostile(start), settings=SETTINGS))
    assert parts.found <= ALLOWED, parts.found - ALLOWED
    for address in parts.addresses:
        assert scheme(address) in SCHEMES, address
    (linked,) = parts.scripts
    assert json.loads(linked)["@context"]


@pytest.mark.parametrize("start", batches())
def test_its_exports_can_be_read(start: int) -> None:
    made = ExportRecord.of(hostile(start), SETTINGS)
    for chosen in FORMATS.values():
        if chosen.function is None:
            continue
        text = chosen.function(made).decode()
        if chosen.media_type.endswith("json"):
            assert json.loads(text)
        elif chosen.name == "ris":
            assert all(line[2:6] == "  - " for line in text.split("\r\n")[:-1])
            assert text.count("TY  - ") == 1
        else:
            assert text.startswith("@")
            assert text.count("{") - text.count("\\{") == text.count("}") - text.count("\\}")


@pytest.mark.parametrize("style", ["apa", "ieee", "vancouver"])
def test_its_citations_are_text(style: str) -> None:
    for start in batches():
        made = ExportRecord.of(hostile(start), SETTINGS)
        found = citations.citation(made, citations.style_of(style), "en-US")
        assert Parts(found.html.encode()).found <= {"i", "b", "em", "strong", "sup", "sub"}
        assert "\ue000" not in found.text


@pytest.mark.parametrize("key", ["a.csv", "a.json", "a.txt", "a.svg"])
def test_files_of_them_are_shown_inert(key: str) -> None:
    data = "\n".join(STRINGS).encode("utf-8", "replace")
    _, made = preview(Source(key, "", len(data), lambda start, stop: data[start:stop]))
    assert Parts(getattr(made, "html", "").encode()).found <= {"span", "span[class]"}


def test_markdown_and_programs_of_them_are_clean() -> None:
    data = "\n\n".join(STRINGS).encode("utf-8", "replace")
    for key in ("a.md", "a.html", "a.py"):
        _, made = preview(Source(key, "", len(data), lambda start, stop: data[start:stop]))
        parts = Parts(getattr(made, "html", "").encode())
        assert not {
            f for f in parts.found if f.startswith(("script", "iframe", "img", "svg", "style")) or "[on" in f
        }
        for address in parts.addresses:
            assert address.lower().startswith(("http:", "https:", "mailto:")), address
