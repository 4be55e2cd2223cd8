"""BibTeX (api-rdm.md section 9): keys, fields, wrapping and escapes as Zenodo writes them, so that files fit together."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from typing import Any

from strongroom.metadata.exports.names import parts
from strongroom.metadata.exports.record import ExportRecord
from strongroom.metadata.model import Person

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PAD = 12
_WIDTH = 50

# By entry: what it requires, and all that it has, in this order (the order of Zenodo's files).
_ENTRIES = {
    "article": ("author title journal year", "author title journal year volume number pages month note"),
    "book": (
        "author title publisher year",
        "author title publisher year volume address edition month note isbn",
    ),
    "booklet": ("title", "title author howpublished address month year note"),
    "inbook": (
        "author title pages publisher year",
        "author title booktitle pages publisher year volume address edition month note",
    ),
    "incollection": (
        "author title booktitle publisher year",
        "author title booktitle publisher year pages address month note",
    ),
    "inproceedings": (
        "author title booktitle year",
        "author title booktitle year pages publisher address month venue note",
    ),
    "proceedings": ("title year", "title year publisher address month note"),
    "unpublished": ("author title note", "author title note month year"),
    "phdthesis": ("author title school year", "author title school year address month note"),
    "manual": ("title", "title author address month year note"),
    "software": ("author title year", "author title month year note publisher version"),
    "dataset": ("author title year", "author title month year note publisher version"),
    "misc": ("", "author title month year note publisher version"),
}
_BY_TYPE = {
    "publication-article": ("article",),
    "publication-book": ("book", "booklet"),
    "publication-section": ("inbook", "incollection"),
    "publication-conferencepaper": ("inproceedings",),
    "publication-conferenceproceeding": ("proceedings",),
    "publication-preprint": ("unpublished",),
    "publication-workingpaper": ("unpublished",),
    "publication-dissertation": ("phdthesis",),
    "publication-thesis": ("phdthesis",),
    "publication-technicalnote": ("manual",),
    "software": ("software",),
    "dataset": ("dataset",),
}


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40]


def key(record: ExportRecord) -> str:
    """The entry's name: family name of the first creator, year, record id."""
    creators = record.data.metadata.creators
    name = _slug(parts(creators[0])[0]) if creators else ""
    year = _year(record)
    return "_".join(part for part in (name, year if name else "", str(record.id)) if part)


def _year(record: ExportRecord) -> str:
    found = re.match(r"\d{4}", record.data.metadata.publication_date or "")
    return found.group() if found else ""


def _person(person: Person) -> str:
    """As BibTeX reads it; one name in braces, else "European Commission" is a Ms Commission."""
    family, given = (_escaped(part) for part in parts(person))
    if given:
        return f"{family}, {given}"
    return f"{{{family}}}" if " " in family or "," in family else family


def _escaped(text: str) -> str:
    """Text for a field in braces: escapes, no line ends, and braces only in pairs (else one ends the field)."""
    text = " ".join(text.split())
    depth = 0
    for letter in text:
        depth += (letter == "{") - (letter == "}")
        if depth < 0:
            break
    if depth:
        text = text.replace("{", "(").replace("}", ")")
    text = re.sub(r"\\$", r"\\textbackslash", text)  # else it takes the closing brace away
    return re.sub(r"(?<!\\)([&%$_#])", r"\\\1", text)


def _lines(name: str, value: str) -> str:
    lead = f"  {name.ljust(_PAD)} = "
    if name == "month" or (value.isascii() and value.isdigit()):
        return f"{lead}{value},"
    inside = " " * (len(lead) + 1)
    if name == "author":
        return f"{lead}{{{value.replace(chr(10), chr(10) + inside)}}},"
    wrapped = textwrap.wrap(value, _WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
    return f"{lead}{{{(chr(10) + inside).join(wrapped)}}},"


def render(record: ExportRecord) -> bytes:
    """One entry. The type's own, if all that it requires is known, else `misc`."""
    metadata = record.data.metadata

    def custom(name: str, field: str) -> str:
        value: Any = metadata.custom.get(name)
        found = value.get(field) if isinstance(value, dict) else None
        return str(found).strip() if isinstance(found, str | int | float) else ""

    month = re.match(r"\d{4}-(0[1-9]|1[0-2])", metadata.publication_date or "")
    notes = [d.description for d in metadata.additional_descriptions if d.type == "notes"]
    raw = {
        "title": metadata.title,
        "booktitle": custom("imprint:imprint", "title") or custom("meeting:meeting", "title"),
        "journal": custom("journal:journal", "title"),
        "year": _year(record),
        "school": custom("thesis:thesis", "university"),
        "edition": custom("imprint:imprint", "edition"),
        "publisher": record.publisher,
        "address": custom("imprint:imprint", "place"),
        "volume": custom("journal:journal", "volume"),
        "number": custom("journal:journal", "issue"),
        "pages": custom("journal:journal", "pages") or custom("imprint:imprint", "pages"),
        "venue": custom("meeting:meeting", "place"),
        "version": metadata.version or "",
        "isbn": custom("imprint:imprint", "isbn"),
        "note": re.sub(r"<[^>]*>", " ", notes[0]) if notes else "",
    }
    fields = {name: _escaped(value) for name, value in raw.items() if value.strip()}
    fields["author"] = " and\n".join(n for p in metadata.creators if (n := _person(p)))
    if month:
        fields["month"] = _MONTHS[int(month.group(1)) - 1]
    fields = {name: value for name, value in fields.items() if value}
    resource_type = metadata.resource_type or ""
    candidates = _BY_TYPE.get(resource_type) or _BY_TYPE.get(resource_type.partition("-")[0], ())
    entry = next((e for e in candidates if all(f in fields for f in _ENTRIES[e][0].split())), "misc")
    lines = [_lines(name, fields[name]) for name in _ENTRIES[entry][1].split() if name in fields]
    if record.doi:
        lines.append(f"  {'doi'.ljust(_PAD)} = {{{_address(record.doi)}}},")
    lines.append(f"  {'url'.ljust(_PAD)} = {{{_address(record.doi_url or record.url)}}},")
    return "\n".join([f"@{entry}{{{key(record)},", *lines, "}"]).encode()


def _address(text: str) -> str:
    """A DOI or URL: as it is (programs take it literally), but for what would end the field."""
    return re.sub(r"[\s{}\\]", lambda m: f"%{ord(m.group()):02X}", text)
