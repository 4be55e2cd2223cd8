"""What was found wrong → the field that it stands in, and words kept since they could not be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from strongroom.accounts.service import NOT_ASCII
from strongroom.metadata.model import Person, RecordData
from strongroom.web.fields.names import LISTS, contact_at, counts, degrees, split
from strongroom.web.words import N_

UNKNOWN_LANGUAGE: Final = N_("No language has this name or code. Write its name, or its code as in “deu”.")
UNKNOWN_LICENCE: Final = N_(
    "No licence has this name or id. Choose one of the list, or write your own licence below."
)
NOT_DEGREES: Final = N_("Write degrees as a number, for instance 51.752 or -1.258.")
HALF_A_POINT: Final = N_("A point needs latitude and longitude.")
NO_DAY: Final = N_("Write the day as YYYY-MM-DD, for instance 2030-03-13.")
NO_EMBARGO: Final = N_("Choose the date on which the embargo ends.")
NO_DOI: Final = N_("Write the DOI that it has, or choose a new one.")
NO_EMAIL: Final = N_("This is not an e-mail address: it looks like name@example.org.")


def no_email(text: str) -> str:
    return NO_EMAIL if text.isascii() else NOT_ASCII


_PERSON_ID: Final = re.compile(
    r"(metadata\.(?:creators|contributors)\.(\d+))\.person_or_org\.identifiers\.(\d+)"
)


def field_of(path: str, data: RecordData, values: Mapping[str, str]) -> str:
    """The name of the field that a finding at this place of the records API's JSON is about."""
    m = data.metadata
    if path.startswith("metadata.contributors."):
        # The contact person has a section of its own; those behind move up.
        number, _, below = path.removeprefix("metadata.contributors.").partition(".")
        at = contact_at(m.contributors)
        if at is not None and number.isdigit():
            if int(number) == at:
                return "contact.orcid" if "identifiers" in below or "orcid" in below else "contact.name"
            if int(number) > at:
                return _field(f"metadata.contributors.{int(number) - 1}.{below}", m.contributors[int(number)])
        if number.isdigit() and int(number) < len(m.contributors):
            return _field(path, m.contributors[int(number)])
    if (found := re.match(r"metadata\.creators\.(\d+)", path)) and int(found[1]) < len(m.creators):
        return _field(path, m.creators[int(found[1])])
    if path == "metadata.creators":
        return "metadata.creators.0.person_or_org.family_name"
    if path in ("metadata.resource_type", "metadata.upload_type"):
        return "type"
    if path in ("pids.doi", "metadata.doi", "pids"):
        return "pids.doi.identifier"
    if path.startswith("files"):
        return "files"
    if path.startswith("metadata.references"):
        return "references.text"
    if path.startswith("metadata.subjects"):
        return "keywords"
    if path in ("access.embargo.until", "metadata.embargo_date"):
        return "access.embargo.until"
    if path.startswith("access"):
        return "access.choice"
    path = re.sub(r"^(metadata\.locations\.features\.\d+)\.geometry.*", r"\1.lat", path)
    path = re.sub(r"\.(type|relation_type|resource_type|lang)$", r".\1.id", path)
    if path not in values and path.endswith(".scheme"):
        path = path.removesuffix("scheme") + "identifier"
    if found := re.fullmatch(r"(metadata\.funding\.\d+)\.(funder|award)", path):
        return f"{found[1]}.{found[2]}.{'name' if found[2] == 'funder' else 'title'}"
    if found := re.fullmatch(r"(metadata\.dates\.\d+)(\.(start|end))?", path):
        return f"{found[1]}.date"
    return path


def _field(path: str, person: Person) -> str:
    start = ".".join(path.split(".")[:3])
    below = path[len(start) + 1 :]
    if found := re.match(r"person_or_org\.identifiers\.(\d+)", below):
        n = int(found[1])
        scheme = person.identifiers[n].scheme if n < len(person.identifiers) else None
        return f"{start}.{'ror' if scheme == 'ror' else 'orcid'}"
    if below in ("orcid", "ror", "gnd", "isni"):
        return f"{start}.{'ror' if below == 'ror' else 'orcid'}"
    if below in ("role", "type"):
        return f"{start}.role.id"
    if below.startswith("affiliations"):
        return path if path.endswith(".name") else f"{path}.name"
    name = "name" if person.type == "organizational" else "family_name"
    return (
        f"{start}.person_or_org.{name}"
        if below in ("", "name") or below.startswith("person_or_org")
        else path
    )


def whys(typed: Mapping[str, str]) -> list[tuple[str, str]]:
    """(field, what to do) for each word kept beside a draft that asks for something."""
    found: list[tuple[str, str]] = []
    for name, text in typed.items():
        if name.startswith("metadata.languages.") and name.endswith(".title"):
            found.append((name, UNKNOWN_LANGUAGE))
        elif name.startswith("metadata.rights.") and name.endswith(".title"):
            found.append((name, UNKNOWN_LICENCE))
        elif name.endswith((".lat", ".lon")):
            other = name[:-3] + ("lon" if name.endswith("lat") else "lat")
            readable = degrees(text) is not None
            found.append(
                (
                    name,
                    HALF_A_POINT if readable and other not in typed else NOT_DEGREES if not readable else "",
                )
            )
        elif name == "access.embargo.until":
            found.append((name, NO_DAY if text else NO_EMBARGO))
        elif name == "doi":
            found.append(("pids.doi.identifier", NO_DOI))
        elif name == "contact.email":
            found.append((name, no_email(text)))
    return [(name, why) for name, why in found if why]


# Lists whose words can only be kept as a row of their own, never beside an item.
_WHOLE_ROWS: Final = ("metadata.languages", "metadata.rights")


def placed(typed: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Kept words by the names under which they stand beside `values` (`fill`).

    Rows that are no item yet stand behind the items that there are now: a program, or a description filled in, may have
    added some since.
    """
    out = dict(typed)
    have = counts(values)
    for path in LISTS:
        rows = split(typed, path)
        late = [
            number
            for number, row in rows.items()
            if path in _WHOLE_ROWS
            or number >= have.get(path, 0)
            or any(text and values.get(f"{path}.{number}.{name}") for name, text in row.items())
        ]
        for number in late:
            for name in rows[number]:
                del out[f"{path}.{number}.{name}"]
        for to, number in enumerate(late, have.get(path, 0)):
            out |= {f"{path}.{to}.{name}": typed[f"{path}.{number}.{name}"] for name in rows[number]}
    return out
