"""The names of the form's fields, and rows of its lists as they are sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom.errors import Finding
from strongroom.metadata.model import Access, Person
from strongroom.web.words import N_

JSON = dict[str, Any]
Form = Mapping[str, str]
PEOPLE: Final = ("metadata.creators", "metadata.contributors")
CONTACT: Final = "contactperson"
HTML_FIELDS: Final = ("metadata.description", "access.conditions")
# Lists whose rows are texts at these paths of an item and no more; `x.id` is a term of a vocabulary.
PLAIN: Final[Mapping[str, tuple[str, ...]]] = {
    "metadata.additional_titles": ("title", "type.id", "lang.id"),
    "metadata.additional_descriptions": ("description", "type.id", "lang.id"),
    "metadata.dates": ("date", "type.id", "description"),
    "metadata.identifiers": ("identifier", "scheme", "resource_type.id"),
    "metadata.related_identifiers": ("relation_type.id", "identifier", "scheme", "resource_type.id"),
    "metadata.subjects": ("subject", "id", "scheme"),
}
LISTS: Final = (
    *PEOPLE,
    *PLAIN,
    "metadata.languages",
    "metadata.rights",
    "metadata.funding",
    "metadata.locations.features",
)
CUSTOM: Final[Mapping[str, tuple[str, ...]]] = {
    "journal:journal": ("title", "volume", "issue", "pages", "issn"),
    "imprint:imprint": ("title", "place", "pages", "edition", "isbn"),
    "meeting:meeting": ("title", "acronym", "dates", "place", "session", "session_part", "url"),
    "thesis:thesis": ("university", "department", "type", "date_submitted", "date_defended"),
}
SCALARS: Final = ("title", "publication_date", "version", "publisher", "description")
# Fields of a row that say nothing by themselves: a row with these alone is empty.
FORMAL: Final = frozenset(
    {
        "@rest", "@was", "person_or_org.type", "role.id", "type.id", "relation_type.id", "resource_type.id", "scheme",
        "lang.id", "own", "funder.@was", "award.@was",
    }
)  # fmt: skip
# In `@rest` of a row that says hardly anything, a type without a date, say: it goes when its owner removes it.
KEPT: Final = "@kept"


def counts(values: Mapping[str, str]) -> dict[str, int]:
    """How many rows each list has, by its path: `metadata.creators`, `metadata.creators.0.affiliations`."""
    found: dict[str, int] = {}
    for name in values:
        parts = name.split(".")
        for i, part in enumerate(parts):
            if part.isdigit():
                path = ".".join(parts[:i])
                found[path] = max(found.get(path, 0), int(part) + 1)
    return found


def row_numbers(form: Iterable[str], path: str) -> list[int]:
    """The numbers of the rows that a form has of a list, in their order."""
    numbers = set()
    start = path + "."
    for name in form:
        if name.startswith(start):
            number = name[len(start) :].partition(".")[0]
            if number.isascii() and number.isdigit() and len(number) < 7:
                numbers.add(int(number))
    return sorted(numbers)


def row_of(form: Form, path: str, number: int) -> dict[str, str]:
    start = f"{path}.{number}."
    return {name[len(start) :]: text.strip() for name, text in form.items() if name.startswith(start)}


def split(form: Form, path: str) -> dict[int, dict[str, str]]:
    """All rows of a list in one pass: number → field below it → text."""
    start = path + "."
    found: dict[int, dict[str, str]] = {}
    for name, text in form.items():
        if name.startswith(start):
            number, dot, below = name[len(start) :].partition(".")
            if dot and number.isascii() and number.isdigit() and len(number) < 7:
                found.setdefault(int(number), {})[below] = text.strip()
    return {number: found[number] for number in sorted(found)}


def given_rest(rest: str | None) -> JSON:
    if not rest:
        return {}
    try:
        value = json.loads(rest)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def is_empty(row: Mapping[str, str]) -> bool:
    return not any(
        text and name not in FORMAL and not name.endswith("@was") for name, text in row.items()
    ) and not given_rest(row.get("@rest"))


def has(form: Form, name: str) -> bool:
    """Whether the form has this field, or the list that it stands in."""
    return name in form or any(name.startswith(path + ".") and f"{path}.@rows" in form for path in LISTS)


def was(key: str, name: str) -> str:
    """What `@was` says of an id and the name shown beside it."""
    return f"{key} {name}" if key else ""


def one_line(text: str) -> str:
    return " ".join(text.split())


def lines_of(text: str | None) -> str:
    """A text as a browser sends it back, but for its kind of line ends."""
    return (text or "").strip().replace("\r\n", "\n")


def contact_at(people: list[Person]) -> int | None:
    return next((i for i, p in enumerate(people) if p.role == CONTACT), None)


def set_or_drop(target: JSON, name: str, value: Any) -> None:
    """Nothing, an empty text or list is no key at all."""
    if value in (None, "", [], {}):
        target.pop(name, None)
    else:
        target[name] = value


def key_of(item: JSON) -> str:
    """Equal for equal items: to be counted, not compared each with each."""
    return json.dumps(item, sort_keys=True)


def degrees(text: str) -> float | None:
    try:
        value = float(text.replace(",", ".").replace("−", "-"))
    except ValueError:
        return None
    return value if abs(value) < 1e9 else None


@dataclass
class Said:
    """What a form says: `body` for `rdm.load`, and what no body has a place for."""

    body: JSON
    access: Access
    typed: dict[str, str] = field(default_factory=dict)  # what could not be read, by the names of `fill`
    findings: list[Finding] = field(default_factory=list)  # about those, by the same names
    contact_email: str | None = None  # None: the form does not have it
    rows: dict[str, dict[int, int]] = field(
        default_factory=dict
    )  # list → number in `body` → number in the form

    def place(self, name: str) -> str:
        """The field of the form as it was sent that has this name after the save: rows were numbered anew."""
        for path in sorted(self.rows, key=len):
            if name.startswith(path + ".") and (found := re.match(r"(\d+)(.*)", name[len(path) + 1 :], re.S)):
                number = self.rows[path].get(int(found[1]), int(found[1]))
                name = f"{path}.{number}{found[2]}"
        return name


_LABELS: Final[Mapping[str, str]] = {
    "metadata.title": N_("Title"),
    "metadata.additional_titles": N_("Further titles"),
    "metadata.creators": N_("Creators"),
    "metadata.contributors": N_("Contributors"),
    "metadata.publication_date": N_("Publication date"),
    "metadata.version": N_("Version"),
    "metadata.publisher": N_("Publisher"),
    "metadata.description": N_("Description"),
    "metadata.additional_descriptions": N_("Notes, methods and other texts"),
    "metadata.languages": N_("Languages"),
    "metadata.rights": N_("Licences"),
    "metadata.subjects": N_("Subject terms"),
    "metadata.dates": N_("Dates"),
    "metadata.identifiers": N_("Other identifiers of this upload itself"),
    "metadata.related_identifiers": N_("Related works"),
    "metadata.funding": N_("Funding"),
    "metadata.locations.features": N_("Places"),
    "keywords": N_("Keywords"),
    "references.text": N_("References"),
    "type": N_("Upload type"),
    "doi": N_("Who gives the DOI"),
    "pids.doi.identifier": N_("DOI of this work"),
    "access.choice": N_("Who may open the files?"),
    "access.embargo.until": N_("Open the files on"),
    "access.embargo.reason": N_("Reason"),
    "access.conditions": N_("Conditions for access"),
    "contact.name": N_("Contact"),
    "contact.email": N_("E-mail address"),
    "contact.orcid": N_("ORCID of the contact person"),
    "metadata_only": N_("No files"),
    "files.default_preview": N_("File that is shown first"),
    "custom_fields.journal:journal": N_("Journal"),
    "custom_fields.meeting:meeting": N_("Conference"),
    "custom_fields.imprint:imprint": N_("Book, report or chapter"),
    "custom_fields.thesis:thesis": N_("Thesis"),
}


def label(name: str) -> str:
    """What a field is called, in English; of a field within a group, the group."""
    while name not in _LABELS and "." in name:
        name = name.rpartition(".")[0]
    return _LABELS.get(name, name)
