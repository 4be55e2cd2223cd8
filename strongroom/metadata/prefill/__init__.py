"""Descriptions that others wrote already: a file becomes fields of a draft. One function a format, one registry.

A format is a module with `matches(filename)` and `read(body, today)`; `FORMATS` lists them by name. What can't be understood of
a file is left out and said; a file that can't be read at all raises `errors.Malformed`. `fill_in` takes from a
description what a draft does not say yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from strongroom.metadata.model import Access, Metadata, RecordData
from strongroom.metadata.prefill import cff, zenodo

MAX_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Format:
    """`read` gives what the file says, and what of it was left out, in sentences."""

    name: str
    matches: Callable[[str], bool]
    read: Callable[[bytes, date], tuple[RecordData, list[str]]]


FORMATS: Final[Mapping[str, Format]] = {
    "zenodo": Format(".zenodo.json", zenodo.matches, zenodo.read),
    "cff": Format("CITATION.cff", cff.matches, cff.read),
}


def format_of(filename: str) -> Format | None:
    """The format that a file of this name (folders before it do not count) has; None where it is no description."""
    base = filename.replace("\\", "/").rpartition("/")[2]
    return next((f for f in FORMATS.values() if f.matches(base)), None)


def fill_in(data: RecordData, found: RecordData) -> tuple[RecordData, list[str]]:
    """`data` with what it does not say taken from `found`, and the names of what was taken: those of `Metadata`,
    and `access`, `doi`."""
    changed: dict[str, object] = {}
    custom = dict(data.metadata.custom)
    for name in Metadata.model_fields:
        theirs = getattr(found.metadata, name)
        if name == "custom":
            new = {key: value for key, value in theirs.items() if not custom.get(key)}
            if new:
                changed[name] = custom | new
        elif theirs and not getattr(data.metadata, name):
            changed[name] = theirs
    filled = list(changed)
    after = data.model_copy(update={"metadata": data.metadata.model_copy(update=changed)})
    if found.access != Access() and data.access == Access():
        after.access = found.access
        filled.append("access")
    if found.doi and not data.doi:
        after.doi = found.doi
        filled.append("doi")
    return after, filled
