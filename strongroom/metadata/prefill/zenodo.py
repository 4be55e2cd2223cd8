""".zenodo.json: the deposit API's metadata in a file of a repository (developers.zenodo.org, "GitHub integration")."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import orjson

from strongroom.errors import Invalid, Malformed
from strongroom.metadata import legacy
from strongroom.metadata.model import RecordData


def matches(filename: str) -> bool:
    return filename.lower() in (".zenodo.json", "zenodo.json") or filename.lower().endswith(".zenodo.json")


def read(body: bytes, today: date) -> tuple[RecordData, list[str]]:
    """Raises Malformed for what is no JSON object."""
    try:
        said: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"It is no JSON: line {error.lineno}, column {error.colno}: {error.msg}.") from None
    if not isinstance(said, dict):
        raise Malformed("It is no description: a .zenodo.json holds one JSON object.")
    if isinstance(said.get("metadata"), dict):
        said = said["metadata"]
    said = dict(said)
    left_out: list[str] = []
    while True:
        try:
            data = legacy.load(said, today=today, site="").data
            break
        except Invalid as error:
            wrong = _keys(error, said)
            if not wrong:
                raise Malformed("It does not describe a deposit.") from None
            for key in wrong:
                del said[key]
            left_out += [
                f"{key}: {' '.join(f.messages)}" for key in wrong for f in error.findings if key in f.field
            ][:20]
    # What the deposit API says where nothing is said.
    m = data.metadata
    m.publisher = m.publisher if "imprint_publisher" in said else None
    if "publication_date" not in said:
        m.publication_date = None
    if "license" not in said:
        m.rights = []
    data.communities, data.metadata_only, data.default_preview = [], False, None
    return data, left_out


def _keys(error: Invalid, said: dict[str, Any]) -> list[str]:
    """The keys of the file that a refusal is about."""
    found = []
    for finding in error.findings:
        key = re.sub(r"^metadata\.", "", finding.field).partition(".")[0]
        for name in (key, *(k for k in said if key.startswith(k))):
            if name in said and name not in found:
                found.append(name)
    return found
