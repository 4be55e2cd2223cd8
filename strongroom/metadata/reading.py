"""Reading what clients send as metadata: what both APIs' readers have in common."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from strongroom.errors import Finding
from strongroom.metadata import html
from strongroom.metadata.model import RecordData

# What JSON allows and databases or XML do not.
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_MAX_DEPTH = 32
_MAX_INTEGER = 2**63


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a client said, and what of it was changed, ignored or is wrong."""

    data: RecordData
    warnings: list[Finding]


def some_of(vocabulary: Mapping[str, str]) -> str:
    return f"Choose one of: {', '.join(vocabulary.values())}."


class Reader:
    """One reading of one body: notes what is wrong with it, place by place."""

    def __init__(self) -> None:
        self.errors: list[Finding] = []
        self.warnings: list[Finding] = []
        self.outside: list[str] = []  # ids that their vocabularies do not have

    # -- notes

    def refuse(self, path: str, *messages: str, also: str | None = None) -> None:
        self.errors.append(Finding.of(path, *messages, also=also))

    def warn(self, path: str, *messages: str) -> None:
        self.warnings.append(Finding.of(path, *messages))

    def not_in(self, vocabulary: Mapping[str, str], path: str, value: str, also: str | None = None) -> None:
        """Refuses an id; `vocabulary` maps ids to the spelling that clients use."""
        value = value.lower()  # as Zenodo answers it
        self.outside.append(value)
        close = get_close_matches(value, vocabulary, n=1)
        hint = f"Did you mean '{vocabulary[close[0]]}'?" if close else some_of(vocabulary)
        self.refuse(path, f"Invalid value {value}.", hint, also=also)

    # -- plain values

    def printable(self, value: Any, path: str, depth: int) -> Any:
        """The value without what JSON allows and databases or XML do not; noted where it matters."""
        if isinstance(value, str):
            if not UNPRINTABLE.search(value):
                return value
            self.warn(path, "Control characters were removed.")
            return UNPRINTABLE.sub("", value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            if not -_MAX_INTEGER <= value < _MAX_INTEGER:
                self.refuse(path, "Not a valid number.", "It has more than 64 bits: send it as a string.")
                return 0
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                self.refuse(path, "Not a valid number.", "Infinity and NaN are no JSON.")
                return 0.0
            return value
        if depth == _MAX_DEPTH:
            self.refuse(path, "Invalid input type.", f"Nested deeper than {_MAX_DEPTH} levels.")
            return None
        if isinstance(value, Mapping):
            return {
                self.printable(str(k), path, depth): self.printable(v, path, depth + 1)
                for k, v in value.items()
            }
        if isinstance(value, list):
            return [self.printable(item, path, depth + 1) for item in value]
        self.refuse(path, "Invalid input type.")
        return None

    def text(self, value: Any, path: str) -> str | None:
        """A text without outer blanks, None for none. A number is written out, which is said."""
        if value is None:
            return None
        if isinstance(value, str):
            return value.strip() or None
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.warn(path, f"Not a string: the number was read as '{value}'.")
            return str(value)
        self.refuse(path, "Not a valid string.")
        return None

    def ignored(self, item: Mapping[str, Any], known: frozenset[str], path: str) -> None:
        for key in item:
            if key not in known:
                self.warn(f"{path}.{key}", "Unknown field: ignored.")

    def cleaned(self, value: Any, path: str) -> str | None:
        """HTML without what is not allowed, which is said; None for none."""
        text = self.text(value, path)
        if text is None:
            return None
        if dropped := html.dropped_tags(text):
            names = ", ".join(f"<{name}>" for name in dropped)
            self.warn(path, f"HTML that is not allowed was removed: {names}.")
        return html.clean(text).strip() or None
