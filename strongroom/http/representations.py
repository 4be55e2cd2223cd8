"""The representations of a published record, and which of them a client accepts (api-legacy.md 8.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import orjson

from strongroom.http import rdm, shapes
from strongroom.http.rdm import MEDIA_TYPE
from strongroom.metadata.exports import FORMATS, ExportRecord
from strongroom.records.views import RecordView
from strongroom.settings import Settings


@dataclass(frozen=True, slots=True)
class Representation:
    """One way to show a record. `name` is that of the export format."""

    name: str
    media_type: str
    extension: str
    accepts: tuple[str, ...]

    @property
    def content_type(self) -> bytes:
        charset = "; charset=utf-8" if self.media_type.startswith("text/") else ""
        return f"{self.media_type}{charset}".encode()

    @property
    def needs_versions(self) -> bool:
        return self.name in ("json-ld", "datacite-json", "linkset")


_EXTRA = {"json": ("application/vnd.zenodo.v1+json",)}

REPRESENTATIONS = {
    f.name: Representation(f.name, f.media_type, f.extension, (f.media_type, *_EXTRA.get(f.name, ())))
    for f in FORMATS.values()
}
# InvenioRDM's JSON with the block for pages (api-rdm.md 0.1), and without it as the export `json`.
RDM = Representation("rdm", MEDIA_TYPE, "json", (MEDIA_TYPE,))
REPRESENTATIONS[RDM.name] = RDM
# A formatted citation is no export: it has a style and a language (http/citations).
CITATION = Representation("citation", "text/x-bibliography", "txt", ("text/x-bibliography",))
MEDIA_TYPES = [t for r in (*REPRESENTATIONS.values(), CITATION) for t in r.accepts]
_BY_TYPE = {t: r for r in (*REPRESENTATIONS.values(), CITATION) for t in r.accepts}
_DEFAULT = REPRESENTATIONS["json"]


def negotiate(accept: str | None) -> Representation | None:
    """The best representation for an Accept header, JSON for none; None when none is accepted (406)."""
    if not accept or accept == "*/*" or accept == "application/json":
        return _DEFAULT
    best: tuple[float, int, Representation] | None = None
    for position, part in enumerate(accept.split(",")):
        media, *params = (p.strip() for p in part.split(";"))
        quality = 1.0
        for p in params:
            if p.startswith("q="):
                try:
                    quality = float(p[2:])
                except ValueError:
                    quality = 0.0
        found = _BY_TYPE.get(media.lower())
        if found is not None and found.media_type != media.lower():
            found = replace(found, media_type=media.lower())  # answered under the name it was asked by
        if found is None and media in ("*/*", "application/*"):
            # A type that is named wins over a wildcard, whatever its q.
            found, quality = _DEFAULT, quality * 0.001
        if found is None or quality <= 0:
            continue
        candidate = (quality, -position, found)
        if best is None or candidate[:2] > best[:2]:
            best = candidate
    return best[2] if best else None


def plain(view: RecordView, settings: Settings, today: date) -> bytes:
    """The export `json`: InvenioRDM's JSON without the block for pages, indented by 2, keys sorted (section 9)."""
    body = rdm.record(view, settings, today, ui=False)
    return orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def render(representation: Representation, view: RecordView, settings: Settings, today: date) -> bytes:
    """The bytes of one record in one representation."""
    if representation.name == "json":
        return orjson.dumps(shapes.record(view, settings, today))
    if representation.name == "rdm":
        return orjson.dumps(rdm.record(view, settings, today))
    function = FORMATS[representation.name].function
    assert function is not None
    return function(ExportRecord.of(view, settings))
