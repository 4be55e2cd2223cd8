"""Answers of Zenodo's own code (../shared/golden), and what differs between them and ours.

A difference is a short text that names its place, so that a list of wanted ones can be read:
`status 403 → 401`, `- links.thumbs` (not in ours), `+ record_url` (only in ours), `~ filesize: float → int`
(another JSON type), `≠ links.html` (another value), `message 'Not found.' → 'Gone.'`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from tests.metadata.zenodo_documents import SHARED

GOLDEN = SHARED / "golden"
LIVE = GOLDEN / "live" / "legacy"
LIVE_RDM = GOLDEN / "live" / "rdm"
HOST = "https://repository.example"
RECORDED_ON = "2026-11-22"

Json = dict[str, Any]

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_RECORDED_NAME = re.compile(rf"\b(100[01]\d{{3}}|{_UUID})\b")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")


@dataclass(frozen=True)
class Exchange:
    """One recorded request and its answer."""

    number: int
    name: str
    request: Json
    response: Json

    @property
    def who(self) -> str:
        return str(self.request["headers"].get("(as)", "anonymous"))

    @property
    def body(self) -> Any:
        return self.response.get("body")


def exchanges(folder: Path = LIVE) -> list[Exchange]:
    """All of golden/live/legacy or another folder, in the order in which they were recorded."""
    found = []
    for path in folder.glob("*.json"):
        golden = json.loads(path.read_text(encoding="utf-8"))
        number = int(path.name.partition("_")[0])
        found.append(Exchange(number, path.stem, golden["request"], golden["response"]))
    return sorted(found, key=lambda e: e.number)


@dataclass
class Names:
    """Recorded numbers and UUIDs and what they are called here; learnt from answers that give new ones."""

    base: str
    owner: int = 0  # who is user 3 in the recordings
    known: dict[str, str] = field(default_factory=dict)

    # Where answers name things, and in what of them.
    _KEYS = frozenset(
        ["id", "conceptrecid", "record_id", "recid", "version_id", "file_id", "bucket_id", "bucket"]
    )

    def here(self, text: str) -> str:
        """A recorded text with the names it has here. Raises KeyError for one that nothing has named yet."""
        text = _RECORDED_NAME.sub(lambda m: self.known[m[1]], text)
        return text.replace(HOST, self.base)

    def learn(self, recorded: Any, ours: Any) -> None:
        """Names first seen in `recorded` are what stands at the same place of `ours`."""
        if isinstance(recorded, dict) and isinstance(ours, dict):
            for key, value in recorded.items():
                if key in self._KEYS and isinstance(value, str | int):
                    self._name(str(value), str(ours.get(key, "")))
                elif key in ours:
                    self.learn(value, ours[key])
        elif isinstance(recorded, list) and isinstance(ours, list):
            for a, b in zip(recorded, ours, strict=False):
                self.learn(a, b)

    def _name(self, recorded: str, ours: str) -> None:
        if recorded.startswith(HOST):
            recorded, ours = recorded.rpartition("/")[2], ours.rpartition("/")[2]
        if _RECORDED_NAME.fullmatch(recorded) and ours:
            self.known.setdefault(recorded, ours)

    def translate(self, value: Any) -> Any:
        """Recorded JSON with the names of here; what nothing has named stays as it is."""
        if isinstance(value, str):
            value = _RECORDED_NAME.sub(lambda m: self.known.get(m[1], m[1]), value)
            return value.replace(HOST, self.base)
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int):
            return int(self.known.get(str(value), value))
        if isinstance(value, list):
            return [self.translate(v) for v in value]
        if isinstance(value, dict):
            return {k: self._owned(k, v) for k, v in value.items()}
        return value

    def _owned(self, key: str, value: Any) -> Any:
        if key == "owner" and value == 3:
            return self.owner
        if key == "owners" and value == [{"id": "3"}]:
            return [{"id": str(self.owner)}]
        return self.translate(value)


def _written(day: date) -> set[str]:
    """A day as data and pages write it."""
    return {day.isoformat(), f"{day:%B} {day.day}, {day.year}", f"{day:%b} {day.day}, {day.year}"}


_TODAYS = _written(date.fromisoformat(RECORDED_ON)) | _written(date.today())


def levelled(value: Any) -> Any:
    """JSON in which moments and today's date have no value of their own."""
    if isinstance(value, str):
        if _MOMENT.fullmatch(value):
            return "<moment>"
        return "<today>" if value in _TODAYS else value
    if isinstance(value, list):
        return [levelled(v) for v in value]
    if isinstance(value, dict):
        # how often a record was written is counted otherwise here
        counts = ("revision", "revision_id")
        return {k: 0 if k in counts and isinstance(v, int) else levelled(v) for k, v in value.items()}
    return value


def kind_of(value: Any) -> str:
    """The JSON type, integers and other numbers apart, because clients are typed."""
    return {
        bool: "bool", int: "int", float: "float", str: "string", list: "array", dict: "object",
        type(None): "null",
    }[type(value)]  # fmt: skip


def compare(recorded: Any, ours: Any, path: str = "", *, values: bool = True) -> Iterator[str]:
    """Differences between two JSON values, recursively; list items at the same place are compared."""
    if kind_of(recorded) != kind_of(ours):
        yield f"~ {path}: {kind_of(recorded)} → {kind_of(ours)}"
    elif isinstance(recorded, dict):
        for key in recorded.keys() | ours.keys():
            at = f"{path}.{key}" if path else key
            if key not in ours:
                yield f"- {at}"
            elif key not in recorded:
                yield f"+ {at}"
            else:
                yield from compare(recorded[key], ours[key], at, values=values)
    elif isinstance(recorded, list):
        if values and len(recorded) != len(ours):
            yield f"≠ {path}: {len(recorded)} items → {len(ours)}"
        for a, b in zip(recorded, ours, strict=False):
            yield from compare(a, b, f"{path}[]", values=values)
    elif values and recorded != ours:
        yield f"≠ {path}"


Shape = dict[str, set[str]]


def shape(values: Iterable[Any]) -> Shape:
    """Path → JSON types, over all the values together. `x[]` is any item of the list `x`."""
    found: Shape = {}

    def note(value: Any, path: str) -> None:
        found.setdefault(path, set()).add(kind_of(value))
        if isinstance(value, dict):
            for key, inner in value.items():
                note(inner, f"{path}.{key}" if path else key)
        elif isinstance(value, list):
            for inner in value:
                note(inner, f"{path}[]")

    for value in values:
        note(value, "")
    return found


def missing(recorded: Shape, ours: Shape, skip: Callable[[str], bool] = lambda path: False) -> Iterator[str]:
    """What of the recorded shape is not in ours: absent fields, other types."""
    absent: list[str] = []
    for path, kinds in sorted(recorded.items()):
        if skip(path) or any(path.startswith((f"{a}.", f"{a}[]")) for a in absent):
            continue
        if path not in ours:
            absent.append(path)
            yield f"- {path}"
        elif not kinds <= ours[path] | {"null"}:
            yield f"~ {path}: {'/'.join(sorted(kinds))} → {'/'.join(sorted(ours[path]))}"


@dataclass(frozen=True)
class Static:
    """One of golden/legacy or golden/rdm: recorded or saved by others, from zenodo.org or another InvenioRDM."""

    name: str
    method: str
    url: str | None
    status: int
    era: str
    request_body: Any
    body: Any


def statics(folder: str = "legacy") -> list[Static]:
    found = []
    for entry in json.loads((GOLDEN / "index.json").read_text(encoding="utf-8")):
        if not entry["file"].startswith(f"{folder}/") or not entry["file"].endswith(".json"):
            continue
        path: Path = GOLDEN / entry["file"]
        found.append(
            Static(
                path.stem,
                entry["method"],
                entry.get("url"),
                entry["status"],
                entry["era"],
                entry.get("request_body"),
                json.loads(path.read_text(encoding="utf-8")),
            )
        )
    return sorted(found, key=lambda s: s.name)
