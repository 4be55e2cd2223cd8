"""RIS, as EndNote, Zotero, Mendeley and Citavi read it (Research Information Systems' tagged format, 2011 list of tags)."""

from __future__ import annotations

from typing import Any

from strongroom.metadata.exports.csl import item
from strongroom.metadata.exports.record import ExportRecord
from strongroom.metadata.html import plain

_TYPES = {
    "article": "UNPB",
    "article-journal": "JOUR",
    "book": "BOOK",
    "chapter": "CHAP",
    "dataset": "DATA",
    "figure": "FIGURE",
    "graphic": "FIGURE",
    "motion_picture": "VIDEO",
    "paper-conference": "CPAPER",
    "patent": "PAT",
    "report": "RPRT",
    "software": "COMP",
    "song": "SOUND",
    "speech": "SLIDE",
    "standard": "STAND",
    "thesis": "THES",
}


def _person(name: dict[str, str]) -> str:
    return f"{name['family']}, {name['given']}" if "given" in name else name.get("literal", "")


def render(record: ExportRecord) -> bytes:
    """One reference; lines end in CR LF, every value stands in one line."""
    found: dict[str, Any] = item(record)
    issued = (found.get("issued") or {}).get("date-parts") or []
    first, _, last = str(found.get("page") or "").replace("–", "-").partition("-")
    day = "/".join(f"{part:02d}" for part in issued[0]) if issued else ""
    lines: list[tuple[str, str]] = [("TY", _TYPES.get(found["type"], "GEN"))]
    lines += [("AU", _person(name)) for name in found.get("author", ())]
    lines += [("A2", _person(name)) for name in found.get("editor", ())]
    lines += [
        ("TI", found.get("title", "")),
        ("T2", found.get("container-title", "") or found.get("event-title", "")),
        ("PY", f"{issued[0][0]:04d}" if issued else ""),
        ("DA", day.ljust(len(day) + 3 - len(issued[0]), "/") if issued else ""),
        ("VL", found.get("volume", "")),
        ("IS", found.get("issue", "")),
        ("SP", first),
        ("EP", last),
        ("SN", found.get("ISBN", "") or found.get("ISSN", "")),
        ("ET", found.get("version", "") or found.get("edition", "")),
        ("PB", found.get("publisher", "")),
        ("CY", found.get("publisher-place", "")),
        ("LA", found.get("language", "")),
        *(("KW", word) for word in record.data.metadata.keywords()),
        ("AB", plain(record.data.metadata.description or "")),
        ("DO", found.get("DOI", "")),
        ("UR", found.get("URL", "")),
    ]
    text = "".join(
        f"{tag}  - {' '.join(value.split())}\r\n" for tag, value in lines if value and value.split()
    )
    return f"{text}ER  - \r\n".encode()
