"""CSL-JSON: a record as citation programs take it (CSL 1.0.2, citeproc-js' input format; api-rdm.md section 9).

Zenodo's own output has `container_title`, `event_place` and `publisher_place`, which no program reads: the names
here are those of the standard.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from strongroom.metadata.exports.names import parts
from strongroom.metadata.exports.record import ExportRecord
from strongroom.metadata.html import plain
from strongroom.metadata.model import Person

# Zenodo's terms for our resource types, as far as CSL 1.0.2 has a word; main types stand for their sub-types.
_TYPES = {
    "dataset": "dataset",
    "software": "software",
    "publication-annotationcollection": "document",
    "publication-article": "article-journal",
    "publication-book": "book",
    "publication-conferencepaper": "paper-conference",
    "publication-conferenceproceeding": "book",
    "publication-datapaper": "article-journal",
    "publication-dissertation": "thesis",
    "publication-journal": "periodical",
    "publication-patent": "patent",
    "publication-peerreview": "review",
    "publication-preprint": "article",
    "publication-report": "report",
    "publication-section": "chapter",
    "publication-standard": "standard",
    "publication-technicalnote": "report",
    "publication-thesis": "thesis",
    "publication-workingpaper": "report",
    "presentation": "speech",
    "poster": "speech",
    "image": "graphic",
    "image-figure": "figure",
    "video": "motion_picture",
    "audio": "song",
}


def csl_type(resource_type: str | None) -> str:
    """The CSL type of a resource type; `document` where it has none."""
    wanted = resource_type or ""
    return _TYPES.get(wanted) or _TYPES.get(wanted.partition("-")[0], "document")


def _name(person: Person) -> dict[str, str]:
    family, given = parts(person)
    if given:
        return {"family": family, "given": given}
    return {"literal": family} if family else {}


def date_parts(date: str | None) -> list[list[int]]:
    """An EDTF date or interval as CSL's `date-parts`; empty where there is none that can be read."""
    found = []
    for one in (date or "").split("/"):
        if match := re.fullmatch(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", one):
            found.append([int(part) for part in match.groups() if part])
    return found


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int | float) else ""


def item(record: ExportRecord) -> dict[str, Any]:
    """One CSL-JSON item."""
    metadata = record.data.metadata

    def custom(name: str) -> dict[str, Any]:
        value = metadata.custom.get(name)
        return value if isinstance(value, dict) else {}

    journal, imprint = custom("journal:journal"), custom("imprint:imprint")
    meeting, thesis = custom("meeting:meeting"), custom("thesis:thesis")
    event = _text(meeting.get("title"))
    if acronym := _text(meeting.get("acronym")):
        event = f"{event} ({acronym})" if event else acronym
    issued = date_parts(metadata.publication_date)
    kind = csl_type(metadata.resource_type)
    found: dict[str, Any] = {
        "id": str(record.id),
        "type": kind,
        "title": metadata.title,
        "abstract": plain(metadata.description or ""),
        "author": [name for p in metadata.creators if (name := _name(p))],
        "editor": [name for p in metadata.contributors if p.role == "editor" and (name := _name(p))],
        "issued": {"date-parts": issued} if issued else None,
        "language": metadata.languages[0] if metadata.languages else "",
        "version": metadata.version,
        "DOI": record.doi,
        "URL": record.doi_url or record.url,
        "publisher": (_text(thesis.get("university")) if kind == "thesis" else "") or record.publisher,
        "publisher-place": _text(imprint.get("place")),
        "container-title": _text(journal.get("title")) or _text(imprint.get("title")),
        "volume": _text(journal.get("volume")),
        "issue": _text(journal.get("issue")),
        "page": _text(journal.get("pages")) or _text(imprint.get("pages")),
        "ISSN": _text(journal.get("issn")),
        "ISBN": _text(imprint.get("isbn")),
        "edition": _text(imprint.get("edition")),
        "event-title": event,
        "event-place": _text(meeting.get("place")),
        "keyword": ", ".join(metadata.keywords()),
    }
    return {name: value for name, value in found.items() if value}


def render(record: ExportRecord) -> bytes:
    """The item as JSON, indented by 2, keys sorted (section 9)."""
    return orjson.dumps(item(record), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
