"""Names of files: which are refused and why, and which can't stand beside each other.

A key is a path in UTF-8, `/` parting folders; it is kept as sent and compared by its bytes. The rules
keep a record's files such that every system can unpack them: issue 2 ("Bytes"), api-legacy.md section 6.
All functions are pure; `files.service` asks the database the questions that `conflicts` asks a list.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from strongroom.errors import Invalid

MAX_BYTES = 1000

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def check_key(key: str) -> str:
    """The key itself, or raise Invalid with the reason at `key`."""
    if reason := _wrong(key):
        # A name that can't be shown (or sent) as it is, is shown escaped.
        raise Invalid.at("key", f"{ascii(key[:100]) if reason.escaped else repr(key[:100])}: {reason.text}")
    return key


@dataclass(frozen=True, slots=True)
class _Reason:
    text: str
    escaped: bool = False


def _wrong(key: str) -> _Reason | None:
    if not key:
        return _Reason("A file needs a name.")
    if _SURROGATE.search(key):
        return _Reason("A file name must be valid UTF-8.", escaped=True)
    if len(key) > MAX_BYTES or len(key.encode()) > MAX_BYTES:
        return _Reason(f"A file name, folders included, may have {MAX_BYTES} bytes at most.")
    if found := _CONTROL.search(key):
        return _Reason(f"A file name can't hold the control character U+{ord(found[0]):04X}.", escaped=True)
    if key.startswith("/"):
        return _Reason("A file name can't be an absolute path: leave out the first '/'.")
    for segment in key.split("/"):
        if not segment:
            return _Reason("A path can't have an empty part: remove the doubled or last '/'.")
        if segment in (".", ".."):
            return _Reason(f"A path can't have the part {segment!r}.")
    return None


def parents(key: str) -> list[str]:
    """The folders a key lies in, outermost first: `a/b/c` is in `a` and `a/b`."""
    parts = key.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def fold_normal(key: str) -> str:
    """Equal for names that differ only in Unicode normal form (macOS sends NFD, others NFC)."""
    return unicodedata.normalize("NFC", key)


def fold_case(key: str) -> str:
    """Equal for names that differ only in case: Windows and macOS can't unpack both."""
    # Folded in NFD, because that is where case folding and normal forms agree (Unicode section 3.13, D145).
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", key).casefold())


class Clash(Enum):
    """What is wrong between two names; all but CASE are refused."""

    FOLDER = "one is a file and the other needs a folder of the same name"
    TWIN = "they differ only in Unicode normal form"
    CASE = "they differ only in case: Windows and macOS can't keep both"

    @property
    def refused(self) -> bool:
        return self is not Clash.CASE


@dataclass(frozen=True, slots=True)
class Conflict:
    """`key` can't (or, for CASE, had better not) stand beside `other`."""

    key: str
    other: str
    clash: Clash

    @property
    def message(self) -> str:
        verb = "can't be" if self.clash.refused else "is"
        return f"{self.key!r} {verb} stored beside {self.other!r}: {self.clash.value}."


def conflicts(key: str, others: Iterable[str]) -> list[Conflict]:
    """All conflicts of a new key with others, refusals first. The key itself among them is none: it is replaced."""
    above = set(parents(key))
    inside = key + "/"
    normal, case = fold_normal(key), fold_case(key)
    found = []
    for other in others:
        if other == key:
            continue
        if other in above or other.startswith(inside):
            found.append(Conflict(key, other, Clash.FOLDER))
        elif fold_normal(other) == normal:
            found.append(Conflict(key, other, Clash.TWIN))
        elif fold_case(other) == case:
            found.append(Conflict(key, other, Clash.CASE))
    return sorted(found, key=lambda conflict: not conflict.clash.refused)


def safe_form_name(name: str) -> str:
    """The name of a file from a form, without its folders (api-legacy.md section 5), Unicode kept.

    Browsers and old clients send `C:\\data\\x.csv`, `../x.csv` or `a/x.csv`: all are `x.csv`. What is left may
    still be refused by `check_key` (`..`, an empty name).
    """
    return re.split(r"[/\\]", name)[-1].strip()
