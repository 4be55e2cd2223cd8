"""Tables in text: CSV, TSV and their kin, whatever parts their columns."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter

from strongroom.previews.documents import beginning
from strongroom.previews.results import Result, Source, Table, Unreadable

ROWS = 100
COLUMNS = 50
CELL = 300  # characters
_MOST = 262_144  # bytes that are read
_SAMPLE = 30  # rows
_CANDIDATES = (",", "\t", ";", "|")
_NUMBER = re.compile(
    # Each character has one way to be read: a long cell that is no number is given up in one pass.
    r"[+-]?(\d[\d ,]*(\.\d*)?|\.\d+)([eE][+-]?\d+)?%?|NA|NaN|nan|null|-?inf",
    re.ASCII,
).fullmatch


def table(source: Source) -> Result:
    """The first rows. The delimiter is the one that parts most of them into equally many cells.

    Raises Unreadable.
    """
    text, encoding, whole = beginning(source, _MOST)
    if not whole:  # the last line was cut
        head, _, _ = text.rpartition("\n")
        text = head or text
    delimiter = _delimiter(text, "\t" if source.key.lower().endswith((".tsv", ".tab")) else ",")
    rows, more = _rows(text, delimiter, ROWS + 1)
    if not rows:
        raise Unreadable("broken")
    columns = max(len(row) for row in rows)
    cut = [[_cell(value) for value in row[:COLUMNS]] for row in rows]
    width = min(columns, COLUMNS)
    cut = [row + [""] * (width - len(row)) for row in cut]
    header = cut.pop(0) if len(cut) > 1 and _is_header(rows) else []
    cut = cut[:ROWS]
    numeric = [_numeric([row[n] for row in cut]) for n in range(width)]
    finished = whole and not more and len(rows) <= (ROWS + 1 if header else ROWS)
    return Table(header, cut, numeric, columns, finished, delimiter, encoding)


def _rows(text: str, delimiter: str, most: int) -> tuple[list[list[str]], bool]:
    """(the first rows that are not empty, whether there are more)."""
    found: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if not row:
                continue
            if len(found) == most:
                return found, True
            found.append(row)
    except csv.Error:  # a cell of more than 131,072 characters: what came before it is shown
        if not found:
            raise Unreadable("cell") from None
        return found, True
    return found, False


def _delimiter(text: str, usual: str) -> str:
    best = (0, 0, usual)
    for candidate in sorted(_CANDIDATES, key=lambda c: c != usual):
        try:
            rows, _ = _rows(text[:65_536], candidate, _SAMPLE)
        except Unreadable:
            continue
        widths = Counter(len(row) for row in rows if len(row) > 1)
        if widths:
            width, agree = widths.most_common(1)[0]
            if (agree, width) > best[:2]:
                best = (agree, width, candidate)
    return best[2]


def _cell(value: str) -> str:
    value = " ".join(value.split())
    return value if len(value) <= CELL else f"{value[:CELL]}…"


def _is_header(rows: list[list[str]]) -> bool:
    first = rows[0][:COLUMNS]
    return any(first) and not any(0 < len(value) <= CELL and _NUMBER(value.strip()) for value in first)


def _numeric(values: list[str]) -> bool:
    filled = [value for value in values if value]
    return bool(filled) and all(_NUMBER(value) for value in filled)
