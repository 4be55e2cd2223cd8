"""Rows that move, and two who write at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from strongroom.metadata import html, identifiers
from strongroom.web.fields.names import (
    HTML_FIELDS,
    LISTS,
    SCALARS,
    Form,
    is_empty,
    lines_of,
    one_line,
    row_numbers,
    split,
)


def arrange(form: dict[str, str], path: str, number: int, verb: str) -> None:
    """`remove` a row, or change its place with the one before (`up`) or behind (`down`)."""
    numbers = row_numbers(form, path)
    if number not in numbers:
        return
    if verb == "remove":
        for name in [n for n in form if n.startswith(f"{path}.{number}.")]:
            del form[name]
        return
    at = numbers.index(number) + (1 if verb == "down" else -1)
    if not 0 <= at < len(numbers):
        return
    other = numbers[at]
    one, two = _below(form, path, number), _below(form, path, other)
    for n in (number, other):
        for name in [x for x in form if x.startswith(f"{path}.{n}.")]:
            del form[name]
    form |= {f"{path}.{other}.{name}": text for name, text in one.items()}
    form |= {f"{path}.{number}.{name}": text for name, text in two.items()}


def _below(form: Form, path: str, number: int) -> dict[str, str]:
    start = f"{path}.{number}."
    return {name[len(start) :]: text for name, text in form.items() if name.startswith(start)}


@dataclass(frozen=True)
class Difference:
    """A field, or a list, that two wrote differently; `fields` is theirs, to be taken instead."""

    name: str
    yours: str
    theirs: str
    fields: dict[str, str]


def differences(form: Form, theirs: Form) -> list[Difference]:
    """What the form says otherwise than `theirs` (`fill`): lists as a whole, other fields one by one."""
    found = []
    for path in LISTS:
        if f"{path}.@rows" in form and _meant(form, path) != _meant(theirs, path):
            yours, other = _told(form, path), _told(theirs, path)
            start = path + "."
            mine = {name: text for name, text in theirs.items() if name.startswith(start)}
            found.append(Difference(path, "\n".join(yours), "\n".join(other), mine))
    known = set(theirs) | {n for n in form if n.startswith("custom_fields.") or n in ("type", *_SINGLE)}
    for name in sorted(known):
        if name not in form or any(name.startswith(path + ".") for path in LISTS) or name.endswith("@rows"):
            continue
        if name.startswith("type.") and name != f"type.{form.get('type')}":
            continue
        one, two = lines_of(form[name]), lines_of(theirs.get(name, ""))
        if one != two and not (name in HTML_FIELDS and html.plain(one) == html.plain(two)):
            found.append(Difference(name, one, two, {name: theirs.get(name, "")}))
    return found


_SINGLE: Final = tuple(f"metadata.{n}" for n in SCALARS)


def _as_saved(path: str, row: dict[str, str]) -> dict[str, str]:
    """A row with its identifiers as a save would find and write them: that alone is no difference."""
    schemes = {"identifier": row.get("scheme", ""), "orcid": "orcid", "ror": "ror"}
    if path in ("metadata.identifiers", "metadata.related_identifiers") and not schemes["identifier"]:
        schemes["identifier"] = identifiers.detect(row.get("identifier", "")) or ""
        row = {**row, "scheme": schemes["identifier"]}
    found = {
        name: identifiers.normalise(row[name], scheme)
        for name, scheme in schemes.items()
        if row.get(name) and scheme and identifiers.valid(row[name], scheme)
    }
    return row | found


def _meant(form: Form, path: str) -> list[dict[str, str]]:
    """The rows of a list, to be compared: where an id says what is meant, its words do not count."""
    rows = []
    for row in split(form, path).values():
        if not is_empty(row):
            row = _as_saved(path, row)
            rows.append(
                {
                    name: one_line(text)
                    for name, text in row.items()
                    if text
                    and not name.rpartition(".")[2].startswith("@")
                    and not (row.get("id") and name in ("title", "subject"))
                }
            )
    return rows


def _told(form: Form, path: str) -> list[str]:
    """The rows of a list, each in a line as a person reads it."""
    lines = []
    for row in split(form, path).values():
        if not is_empty(row):
            lines.append(
                ", ".join(
                    one_line(text)
                    for name, text in sorted(row.items())
                    if text and not name.rpartition(".")[2].startswith("@") and name != "person_or_org.type"
                )
            )
    return lines


def choose(form: dict[str, str]) -> None:
    """What was chosen where two wrote at once: `choose.<field>` is `yours` or `theirs`, `theirs.<field>` their text."""
    chosen = {name[7:]: form.pop(name) for name in [n for n in form if n.startswith("choose.")]}
    theirs = {name[7:]: form.pop(name) for name in [n for n in form if n.startswith("theirs.")]}
    wanted = {name for name, whose in chosen.items() if whose == "theirs"}
    # Only lists are chosen with all that is below them: one pass, however much is sent.
    lists = tuple(path + "." for path in LISTS if path in wanted)
    for other in [n for n in form if n.startswith(lists) and not n.endswith(".@rows")]:
        del form[other]
    form |= {n: text for n, text in theirs.items() if n in wanted or n.startswith(lists)}
