"""Signposting (signposting.org/FAIR): typed links that lead programs from a page to everything about it.

Level 1 is the `Link` header of the landing page, level 2 the linkset (RFC 9264). The header stays under
`HEADER_BYTES`, because reverse proxies give up on heads over 4 to 8 KB; the linkset holds the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from strongroom.metadata.exports.links import identifier_url, licence
from strongroom.metadata.exports.record import ExportRecord
from strongroom.metadata.exports.terms import schema_type

HEADER_BYTES = 3_000
LINKSET_ITEMS = 10_000
# Names and media types as in FORMATS, which imports this module.
_DESCRIBED_BY = (
    ("json", "application/json", None),
    ("json-ld", "application/ld+json", "https://schema.org/"),
    ("datacite-json", "application/vnd.datacite.datacite+json", None),
)
LINKSET = "application/linkset+json"


@dataclass(frozen=True, slots=True)
class Link:
    rel: str
    href: str
    type: str | None = None
    profile: str | None = None

    def header(self) -> str:
        value = f'<{self.href}> ; rel="{self.rel}"'
        if self.type:
            value += f' ; type="{self.type}"'
        if self.profile:
            value += f' ; profile="{self.profile}"'
        return value


def links(record: ExportRecord) -> list[Link]:
    """All links of the landing page, the most needed first; items last, as they may be many."""
    metadata = record.data.metadata
    found = [Link("cite-as", record.doi_url or record.url)]
    found += [Link("type", f"https://schema.org/{schema_type(metadata.resource_type)}")]
    found += [Link("type", "https://schema.org/AboutPage")]
    found += [Link("linkset", f"{record.url}/export/linkset", LINKSET)]
    found += [
        Link("describedby", f"{record.url}/export/{name}", kind, profile)
        for name, kind, profile in _DESCRIBED_BY
    ]
    found += [Link("license", url) for _, url in map(licence, metadata.rights) if url]
    latest = next((v for v in record.versions if v.is_latest), None)
    if latest is not None and latest.id != record.id:
        found += [Link("latest-version", latest.url, "text/html")]
    by_index = {v.index: v for v in record.versions}
    if before := by_index.get(record.index - 1):
        found += [Link("predecessor-version", before.url, "text/html")]
    if after := by_index.get(record.index + 1):
        found += [Link("successor-version", after.url, "text/html")]
    for person in metadata.creators:
        for identifier in person.identifiers:
            if url := identifier_url(identifier.scheme, identifier.identifier):
                found += [Link("author", url)]
                break
    found += [Link("item", f.url, f.mimetype) for f in (record.files or ())[:LINKSET_ITEMS]]
    return found


def header(record: ExportRecord, limit: int = HEADER_BYTES) -> str:
    """The value of the `Link` header, ASCII, at most `limit` bytes: whole links from the front of the list."""
    kept: list[str] = []
    size = 0
    for link in links(record):
        value = link.header()
        size += len(value) + 3
        if size > limit:
            break
        kept.append(value)
    return " , ".join(v for v in kept if v.isascii())


def linkset(record: ExportRecord) -> dict[str, Any]:
    """The linkset of the landing page, and of each file and description back to it (RFC 9264)."""
    here: dict[str, Any] = {"anchor": record.url}
    back: list[dict[str, Any]] = []
    page = {"href": record.url, "type": "text/html"}
    for link in links(record):
        if link.rel == "linkset":
            continue
        target = {"href": link.href}
        if link.type:
            target["type"] = link.type
        if link.profile:
            target["profile"] = link.profile
        here.setdefault(link.rel, []).append(target)
        if link.rel == "item":
            back.append({"anchor": link.href, "collection": [page]})
        elif link.rel == "describedby":
            back.append({"anchor": link.href, "describes": [page]})
    return {"linkset": [here, *back]}


def render(record: ExportRecord) -> bytes:
    return orjson.dumps(linkset(record), option=orjson.OPT_INDENT_2)


def file_header(record_url: str) -> str:
    """The `Link` header of a file's bytes: back to its page (golden/live/legacy/231)."""
    return f'<{record_url}> ; rel="collection" ; type="text/html" , <{record_url}/export/linkset> ; rel="linkset" ; type="{LINKSET}"'


def export_header(record_url: str) -> str:
    """The `Link` header of an export: what it describes (golden/live/legacy/236)."""
    return f'<{record_url}> ; rel="describes" ; type="text/html" , <{record_url}/export/linkset> ; rel="linkset" ; type="{LINKSET}"'
