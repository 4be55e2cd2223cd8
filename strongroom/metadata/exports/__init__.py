"""Exports: a record in the formats of the world, from plain values.

`FORMATS` is the one registry that every door uses: the page's links, content negotiation,
`/records/{id}/export/{name}` and (later) OAI-PMH. A format is a function from an `ExportRecord`
to bytes; it decides nothing about who may see what, because `files` is already cut (None: this
reader may not list them).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from strongroom.metadata.exports import bibtex, csl, datacite, ris, schemaorg, signposting
from strongroom.metadata.exports.record import (
    ExportFile,
    ExportRecord,
    ExportVersion,
    content_url,
    page_file_url,
    quoted,
)

__all__ = [
    "FORMATS",
    "ExportFile",
    "ExportRecord",
    "ExportVersion",
    "Format",
    "content_url",
    "page_file_url",
    "quoted",
]


@dataclass(frozen=True, slots=True)
class Format:
    """One export format. `function` is None where the door renders it itself from more than the metadata."""

    name: str
    title: str
    media_type: str
    extension: str
    function: Callable[[ExportRecord], bytes] | None


_LISTED = (
    # The record's own JSON has links and counts that only the API door knows.
    Format("json", "JSON", "application/json", "json", None),
    Format("json-ld", "JSON-LD", "application/ld+json", "json", schemaorg.render),
    Format(
        "datacite-json", "DataCite JSON", "application/vnd.datacite.datacite+json", "json", datacite.render
    ),
    Format("bibtex", "BibTeX", "application/x-bibtex", "bib", bibtex.render),
    Format("ris", "RIS", "application/x-research-info-systems", "ris", ris.render),
    Format("csl", "CSL JSON", "application/vnd.citationstyles.csl+json", "json", csl.render),
    Format("linkset", "Linkset", "application/linkset+json", "json", signposting.render),
)
FORMATS: Mapping[str, Format] = {listed.name: listed for listed in _LISTED}
