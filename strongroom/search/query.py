"""The query language: a text from a search box or `q=` becomes a small tree of our own.

The syntax is Elasticsearch's query string, as Zenodo documents and clients use it (api-legacy.md
section 10, quirks.md 11). luqum parses; in front of it stands a scanner that knows what luqum does
not: bare DOIs and addresses, `&&`, `||`, `!`, lone dashes, where a `/` may stand, and the limits.

    words               documents with any of them, best first; `+a`, `-b`, `AND`, `OR`, `NOT`, `( )`
    "a phrase"          `"a phrase"~3` with up to three words between
    field:value         `field: value`, `field:(a AND b)`, `creators:(name:doe AND orcid:0000*)`
    wat*  w?ter         at least two other characters beside the wildcards
    watre~  watre~1     words that differ by one or two letters
    field:[a TO b]      also `{ }`, `*`, `>=a`, `<b`; dates may be short: `publication_date:[2017 TO 2018}`
    field:/wat(er)?/    a regular expression over whole words
    _exists_:field      `field:*` too; `*` and `*:*` find everything

Words side by side mean "any of them", as Zenodo's search guide says. Boosts (`a^2`) are read and ignored.

Everything that can't be read is a `QuerySyntaxError`, which says where. Nothing else is ever raised.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from strongroom import ids
from strongroom.errors import Invalid, Malformed
from strongroom.search.fields import DOIS, FAMILIES, FIELDS, resolve

MAX_LENGTH = 20_000  # characters
MAX_CLAUSES = 1_024  # words, phrases, ranges: Lucene's own limit
MAX_DEPTH = 50
MAX_EXPANDING = 16  # wildcards, fuzzy words, regular expressions: each looks through a list of words
# One of them may begin with a wildcard (or is a regular expression that does): it walks through the whole
# dictionary. With three letters together it can't match everything in it.
MAX_SCANS = 1
SCAN_LETTERS = 3
MAX_REGEX = 200
INT64 = 2**63 - 1

# Wildcards in a Pattern, apart from literal `*` and `?` that were escaped.
ANY = "\ue000"
ONE = "\ue001"


class QuerySyntaxError(Malformed):
    """A query that can't be read. `position` is the offset (characters from 0) in the query as sent."""

    def __init__(self, reason: str, query: str = "", position: int = 0) -> None:
        self.position = position = max(0, min(position, len(query)))
        before, after = query[max(0, position - 30) : position], query[position : position + 30]
        before = ("…" if position > 30 else "") + before
        after += "…" if position + 30 < len(query) else ""
        spot = f" at character {position + 1}: {before}⟪here⟫{after}" if query else ""
        super().__init__(f"Invalid query string syntax. {reason}{spot}")


# --- the tree


@dataclass(frozen=True, slots=True)
class All:
    """Everything."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No document: what an unknown field finds."""


@dataclass(frozen=True, slots=True)
class Match:
    """Words of a text field. `exact` was quoted; else the plural may stand for the singular."""

    field: str
    text: str
    exact: bool = False
    slop: int = 0


@dataclass(frozen=True, slots=True)
class Term:
    """A whole value of a key field."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """A word or value with wildcards, `ANY` and `ONE`."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Regex:
    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Fuzzy:
    """`distance` letters may differ; None: as the length of the word allows."""

    field: str
    value: str
    distance: int | None


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers, days (ordinals) or moments (microseconds since 1970), both ends included; None is open."""

    field: str
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Exists:
    field: str


@dataclass(frozen=True, slots=True)
class Bool:
    must: tuple[Node, ...] = ()
    should: tuple[Node, ...] = ()
    must_not: tuple[Node, ...] = ()


Node = All | Nothing | Match | Term | Pattern | Regex | Fuzzy | Range | Exists | Bool

_luqum_lock = threading.Lock()  # PLY keeps state in its parser and lexer


@lru_cache(maxsize=512)
def _parse_timeless(text: str) -> tuple[Node, tuple[str, ...]]:
    return _parse(text)


def parse(text: str) -> Node:
    """The tree of a query. Raises `QuerySyntaxError`."""
    return _read(text)[0]


def unknown_fields(text: str) -> tuple[str, ...]:
    """Names in a query that no field has: what is asked of them finds nothing. Raises `QuerySyntaxError`."""
    return _read(text)[1]


def _read(text: str) -> tuple[Node, tuple[str, ...]]:
    # `now` must not be remembered as the now of an earlier request.
    return _parse(text) if "now" in text else _parse_timeless(text)


def _parse(text: str) -> tuple[Node, tuple[str, ...]]:
    if len(text) > MAX_LENGTH:
        raise QuerySyntaxError(f"The query is longer than {MAX_LENGTH:,} characters.")
    if text.strip() in ("", "*", "*:*"):
        return All(), ()
    scan = _Scanner(text)
    scan.run()
    source = "".join(scan.out)
    if not source.strip():
        # Nothing but punctuation: there is no word to look for.
        return Nothing(), ()
    # Imported at the first query: PLY takes 50 ms, and a process that never searches needs none of it.
    from luqum.parser import parser

    try:
        with _luqum_lock:
            tree = parser.parse(source)
    except Exception as error:  # luqum raises its own errors, but also ValueError, decimal's, …
        raise _translated(error, text, source, scan.offsets) from None
    builder = _Builder(text, scan.offsets)
    return builder.build(tree, None, 0), tuple(builder.unknown)


def _translated(error: Exception, text: str, source: str, offsets: list[int]) -> QuerySyntaxError:
    message = str(error)
    if found := re.search(r"at position (\d+)", message):
        position = int(found.group(1))
        what = re.match(r"\S{1,20}", source[position:])
        reason = f"Unexpected {what.group()!r}" if what else "Unexpected end"
        return QuerySyntaxError(reason, text, offsets[position] if position < len(offsets) else len(text))
    if "end of expression" in message:
        return QuerySyntaxError("Unexpected end (a parenthesis or a value is missing)", text, len(text))
    return QuerySyntaxError("A number after ~ or ^ can't be read", text, 0)


# --- the scanner

_SPECIAL = frozenset(':^~(){}[]"')
_ESCAPE = re.compile(r"""([\\:^~(){}\[\]"'<>/+\-!])""")
_DOI = re.compile(r"10\.\d{4,9}/\S")
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_CLOCK = re.compile(r"(?<=T\d\d)(:\d\d)+")
_QUOTES = {'"': '"', "“": "”", "„": "“", "”": "”"}


class _Scanner:
    """Turns a query into what luqum reads, keeping for each character where it came from."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.out: list[str] = []
        self.offsets: list[int] = []
        self.at = 0
        self.groups: list[bool] = []  # of each open parenthesis: does it belong to a field?
        self.clauses = 0
        self.after_field = False  # the last thing read was `name:`

    def fail(self, reason: str, position: int) -> QuerySyntaxError:
        return QuerySyntaxError(reason, self.text, position)

    def emit(self, piece: str, source: int) -> None:
        self.out.append(piece)
        self.offsets.extend([source] * len(piece))

    def copy(self, end: int) -> None:
        self.out.append(self.text[self.at : end])
        self.offsets.extend(range(self.at, end))
        self.at = end

    def run(self) -> None:
        text, size = self.text, len(self.text)
        while (at := self.at) < size:
            char = text[at]
            if char.isspace() or not char.isprintable():
                self.emit(" ", at)
                self.at += 1
                continue
            if char == "(":
                self.groups.append(self.after_field or any(self.groups))
                if len(self.groups) > MAX_DEPTH:
                    raise self.fail(f"More than {MAX_DEPTH} parentheses in each other", at)
                self.after_field = False
                self.copy(at + 1)
                continue
            if char == ")":
                if not self.groups:
                    raise self.fail("A ')' without its '('", at)
                self.groups.pop()
                self.copy(at + 1)
                continue
            if char in "+-" and (at + 1 == size or text[at + 1].isspace()):
                # A dash between blanks is punctuation, not "without the next word".
                self.emit(" ", at)
                self.at += 1
                continue
            if char in "+-:^~<>=":
                self.after_field = char == ":" or (self.after_field and char in "+-<>=")
                self.copy(at + 1)
                continue
            fielded = self.after_field or any(self.groups)
            self.after_field = False
            if text.startswith("&&", at):
                self.emit(" AND ", at)
                self.at += 2
            elif text.startswith("||", at):
                self.emit(" OR ", at)
                self.at += 2
            elif char == "!":
                more = at + 1 < size and not text[at + 1].isspace()
                self.emit(" NOT " if more else " ", at)
                self.at += 1
            elif char == "'":
                self.emit(" ", at)  # luqum takes no apostrophe in front of a word
                self.at += 1
                self.after_field = fielded and not any(self.groups)
            elif char in _QUOTES:
                self.phrase()
            elif char in "[{":
                self.range()
            elif char in "]}":
                raise self.fail(f"A {char!r} without its beginning", at)
            elif char == "/":
                self.regex()
            else:
                self.word(fielded)
        if self.groups:
            raise self.fail("Unexpected end: a ')' is missing", size)

    def count(self) -> None:
        self.clauses += 1
        if self.clauses > MAX_CLAUSES:
            raise self.fail(f"More than {MAX_CLAUSES:,} words", self.at)

    def phrase(self) -> None:
        self.count()
        text, start = self.text, self.at
        closing = _QUOTES[text[start]]
        at = start + 1
        while at < len(text) and text[at] != closing and text[at] != '"':
            at += 2 if text[at] == "\\" else 1
        if at >= len(text):
            raise self.fail("A quotation mark without its end", start)
        self.emit('"', start)
        self.at = start + 1
        self.copy(at)
        self.emit('"', at)
        self.at = at + 1

    def range(self) -> None:
        self.count()
        text, start, at = self.text, self.at, self.at + 1
        while at < len(text) and text[at] not in "]}":
            if text[at] == '"':
                closing = text.find('"', at + 1)
                at = len(text) if closing < 0 else closing
            at += 1
        if at >= len(text):
            raise self.fail("A range without its end", start)
        inside = text[start + 1 : at]
        parts = re.fullmatch(r"\s*(\"[^\"]*\"|\S+)\s+TO\s+(\"[^\"]*\"|\S+)\s*", inside)
        if not parts:
            raise self.fail("A range reads [from TO to]", start)
        for number, part in enumerate(parts.groups(), 1):
            source = start + 1 + parts.start(number)
            self.emit(text[start] if number == 1 else " TO ", start if number == 1 else source)
            bare = part[1:-1] if part.startswith('"') else part
            self.emit("*" if part == "*" else '"' + re.sub(r'(["\\])', r"\\\1", bare) + '"', source)
        self.emit(text[at], at)
        self.at = at + 1

    def regex(self) -> None:
        self.count()
        text, start, at = self.text, self.at, self.at + 1
        while at < len(text) and text[at] != "/":
            at += 2 if text[at] == "\\" else 1
        if at >= len(text) or at == start + 1:
            raise self.fail("A '/' must stand in quotes (or begin and end a regular expression)", start)
        if at - start > MAX_REGEX:
            raise self.fail(f"A regular expression may have {MAX_REGEX} characters", start)
        self.copy(at + 1)

    def word(self, fielded: bool) -> None:
        text, start = self.text, self.at
        if _DOI.match(text, start) or _ADDRESS.match(text, start):
            self.whole(start)
            return
        at = start
        while at < len(text) and not text[at].isspace() and text[at] not in _SPECIAL:
            if text[at] == "\\":
                at += 1
            elif text[at] == "/" and not fielded:
                raise self.fail("A '/' must stand in quotes", at)
            at += 1
        at = min(at, len(text))
        if fielded and (clock := _CLOCK.match(text, at)):
            # The colons of a time of day part no field from its value.
            at = clock.end()
            while at < len(text) and not text[at].isspace() and text[at] not in "()":
                at += 1
            self.emit(_ESCAPE.sub(r"\\\1", text[start:at]), start)
            self.at = at
            return
        if text[start:at] not in ("AND", "OR", "NOT", "TO") and not text.startswith(":", at):
            self.count()
        self.copy(at)
        if at < len(text) and text[at] == '"':
            raise self.fail("A quotation mark within a word", at)

    def whole(self, start: int) -> None:
        """A DOI or address, to the next blank; a parenthesis that it did not open is not its own."""
        self.count()
        text, at, depth = self.text, start, 0
        while at < len(text) and not text[at].isspace() and text[at] not in '"“”':
            depth += (text[at] == "(") - (text[at] == ")")
            if depth < 0:
                break
            at += 1
        self.emit(_ESCAPE.sub(r"\\\1", text[start:at]), start)
        self.at = at


# --- luqum's tree into ours


class _Builder:
    def __init__(self, text: str, offsets: list[int]) -> None:
        self.text = text
        self.offsets = offsets
        self.expanding = 0
        self.scans = 0
        self.unknown: dict[str, None] = {}  # names that no field has, in their order

    def fail(self, reason: str, item: Any) -> QuerySyntaxError:
        position = getattr(item, "pos", None) or 0
        return QuerySyntaxError(
            reason, self.text, self.offsets[position] if position < len(self.offsets) else len(self.text)
        )

    def build(self, item: Any, names: tuple[str, ...] | None, depth: int) -> Node:
        """`names` are the ways to spell the field we are in; None outside of any."""
        if depth > MAX_DEPTH * 2:
            raise self.fail("The query is nested too deeply", item)
        depth += 1
        kind = type(item).__name__
        match kind:
            case "Group" | "FieldGroup" | "Plus":
                return self.build(item.children[0], names, depth)
            case "Boost":
                return self.build(item.expr, names, depth)
            case "Not" | "Prohibit":
                return Bool(must_not=(self.build(item.a, names, depth),))
            case "AndOperation":
                return self.clauses(item, names, depth, "must")
            case "OrOperation" | "UnknownOperation":
                return self.clauses(item, names, depth, "should", keep_not=kind == "OrOperation")
            case "SearchField":
                return self.field(item, names, depth)
            case "Word":
                return self.word(item, names)
            case "Phrase":
                return self.phrase(item, item.value, names, 0)
            case "Proximity":
                return self.phrase(item, item.term.value, names, max(0, min(int(item.degree or 0), 100)))
            case "Fuzzy":
                return self.fuzzy(item, names)
            case "Regex":
                return self.regex(item, names)
            case "Range":
                return self.range(item, names, item.low, item.high, item.include_low, item.include_high)
            case "From":
                return self.range(item, names, item.a, None, item.include, True)
            case "To":
                return self.range(item, names, None, item.a, True, item.include)
        raise self.fail("This can't be read", item)

    def clauses(
        self, item: Any, names: tuple[str, ...] | None, depth: int, plain: str, keep_not: bool = False
    ) -> Node:
        parts: dict[str, list[Node]] = {"must": [], "should": [], "must_not": []}
        for child in item.children:
            match type(child).__name__:
                case "Prohibit":
                    parts["must_not"].append(self.build(child.a, names, depth))
                case "Not" if not keep_not:
                    parts["must_not"].append(self.build(child.a, names, depth))
                case "Plus":
                    parts["must"].append(self.build(child.a, names, depth))
                case _:
                    parts[plain].append(self.build(child, names, depth))
        return Bool(tuple(parts["must"]), tuple(parts["should"]), tuple(parts["must_not"]))

    def field(self, item: Any, names: tuple[str, ...] | None, depth: int) -> Node:
        name = _unescape(item.name)
        if name == "_exists_" and names is None:
            if type(item.expr).__name__ not in ("Word", "Phrase"):
                raise self.fail("_exists_ needs the name of a field", item)
            return _any(Exists(field) for field in self.fields((_unescape(item.expr.value.strip('"')),)))
        if name == "*" and names is None:
            return self.build(item.expr, None, depth)
        inner = (name,) if names is None else tuple(n + mark + name for n in names[:2] for mark in ".:")
        return self.build(item.expr, inner, depth)

    def fields(self, names: tuple[str, ...] | None) -> tuple[str, ...]:
        if names is None:
            return ("text",)
        found = next((found for name in names if (found := resolve(name))), ())
        # A colon makes a custom term of anything: `creators:(nonsense:x)` too, though no vocabulary is called creators.
        if not found or (found[0].startswith("custom:") and found[0].split(":")[1] in FAMILIES):
            self.unknown[names[0]] = None
        return found

    def word(self, item: Any, names: tuple[str, ...] | None) -> Node:
        raw = str(item.value)
        value, wild = _wildcards(raw)
        if not wild:
            return self.phrase(item, raw, names, 0, exact=False)
        if not value.strip(ANY):
            return All() if names is None else _any(map(Exists, self.fields(names)))
        if names is None and _DOI.match(value):
            self.pattern(item, value)
            return _any(Pattern(field, key_of(field, value)) for field in ("doi", "conceptdoi"))
        nodes: list[Node] = []
        for field in self.fields(names):
            if kind_of(field) == "text":
                for part in pattern_parts(value):
                    self.pattern(item, part, letters=2)
                nodes.append(Pattern(field, value))
            elif kind_of(field) == "key":
                self.pattern(item, value)
                nodes.append(Pattern(field, key_of(field, value)))
        return _any(nodes)

    def pattern(self, item: Any, value: str, letters: int = 1) -> None:
        """Refuses a pattern that would find half of the dictionary, or walk through it too often."""
        literals = re.split(f"[{ANY}{ONE}]+", value)
        if len(literals) == 1:
            return
        if sum(map(len, literals)) < letters:
            raise self.fail("A wildcard needs at least two letters or digits beside it", item)
        self.expand(item)
        if not literals[0]:
            self.scan(item, max(map(len, literals)), "A wildcard at the beginning")

    def scan(self, item: Any, letters: int, what: str) -> None:
        self.scans += 1
        if letters < SCAN_LETTERS:
            raise self.fail(f"{what} needs at least three letters or digits together", item)
        if self.scans > MAX_SCANS:
            raise self.fail("More than one word begins with a wildcard", item)

    def phrase(
        self, item: Any, raw: str, names: tuple[str, ...] | None, slop: int, exact: bool = True
    ) -> Node:
        if exact and len(raw) >= 2:
            raw = raw[1:-1]
        value = _unescape(raw)
        nodes: list[Node] = []
        fields = self.fields(names)
        for field in fields:
            match kind_of(field):
                case "text":
                    nodes.append(Match(field, value, exact, slop))
                case "key":
                    nodes.append(Term(field, key_of(field, value)))
                case _:
                    if node := self.between(item, field, value, value, True, True, strict=len(fields) == 1):
                        nodes.append(node)
        if names is None and (found := _DOI.search(value)):
            doi = value[found.start() :]
            nodes += [Term(field, key_of(field, doi)) for field in ("doi", "conceptdoi")]
        return _any(nodes)

    def fuzzy(self, item: Any, names: tuple[str, ...] | None) -> Node:
        degree = float(item.degree or 0)
        distance = None if 0 < degree < 1 else min(int(degree), 2)
        value = _unescape(str(item.term.value))
        nodes: list[Node] = []
        for field in self.fields(names):
            self.expand(item)
            if kind_of(field) in ("text", "key"):
                nodes.append(Fuzzy(field, value, distance))
        return _any(nodes)

    def regex(self, item: Any, names: tuple[str, ...] | None) -> Node:
        # Terms have no case; classes such as \W have one.
        pattern = re.sub(r"\\.|[^\\]", lambda m: m[0] if m[0][0] == "\\" else m[0].lower(), item.value[1:-1])
        pattern = pattern.replace("\\/", "/")
        self.expand(item)
        if "|" in pattern or not re.match(r"[^\W_]{2}(?![*?{])", pattern):
            runs = re.findall(r"[^\W_]+", re.sub(r"\[[^\]]*\]|\{[^}]*\}|\\.", " ", pattern))
            self.scan(item, max(map(len, runs), default=0), "A regular expression")
        return _any(
            Regex(field, pattern) for field in self.fields(names) if kind_of(field) in ("text", "key")
        )

    def expand(self, item: Any) -> None:
        self.expanding += 1
        if self.expanding > MAX_EXPANDING:
            raise self.fail(f"More than {MAX_EXPANDING} wildcards, fuzzy words and regular expressions", item)

    def range(
        self, item: Any, names: tuple[str, ...] | None, low: Any, high: Any, with_low: bool, with_high: bool
    ) -> Node:
        if names is None:
            raise self.fail("A range needs a field before it, as in publication_date:[2017 TO 2018]", item)
        fields = self.fields(names)
        ranged = [field for field in fields if kind_of(field) not in ("text", "key")]
        if fields and not ranged:
            raise self.fail(f"{names[0]} has no order: it can't be searched by a range", item)
        ends = [None if end is None else _unescape(_bare(end)) for end in (low, high)]
        return _any(
            node
            for field in ranged
            if (node := self.between(item, field, ends[0], ends[1], with_low, with_high, strict=True))
        )

    def between(
        self,
        item: Any,
        field: str,
        low: str | None,
        high: str | None,
        with_low: bool,
        with_high: bool,
        *,
        strict: bool,
    ) -> Range | None:
        """The range between two values; None where one of them is none of this field's, unless `strict`."""
        ends: list[int | None] = []
        for value, inclusive, upper in ((low, with_low, False), (high, with_high, True)):
            if value in (None, "*", ""):
                ends.append(None)
                continue
            try:
                first, last = span(FIELDS[field], str(value))
            except (ValueError, OverflowError):
                if not strict:
                    return None
                what = "number" if FIELDS[field] == "int" else "date"
                raise self.fail(f"{str(value)[:40]!r} is no {what}", item) from None
            if upper:
                ends.append(last if inclusive else first - 1)
            else:
                ends.append(first if inclusive else last + 1)
        return Range(field, ends[0], ends[1])


def _any(nodes: Any) -> Node:
    found = tuple(nodes)
    if not found:
        return Nothing()
    return found[0] if len(found) == 1 else Bool(should=found)


def _bare(item: Any) -> str:
    if type(item).__name__ == "Prohibit":
        return "-" + _bare(item.a)
    value = str(item.value)
    return value[1:-1] if len(value) > 1 and value.startswith('"') else value


def _unescape(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)


def _wildcards(raw: str) -> tuple[str, bool]:
    """The value with `ANY` and `ONE` for wildcards that were not escaped, and whether there are any."""
    marks = {"*": ANY, "?": ONE}
    value = re.sub(
        r"\\(.)|([*?])",
        lambda m: marks[m[2]] if m[2] else m[1],
        raw.replace(ANY, "").replace(ONE, ""),
        flags=re.S,
    )
    value = re.sub(f"{ANY}+", ANY, value)
    return value, ANY in value or ONE in value


_PARTS = re.compile(rf"(?:[^\W_]|[{ANY}{ONE}])+")


def pattern_parts(value: str) -> list[str]:
    """The words of a text with wildcards; a wildcard alone between others says nothing."""
    return [part for part in _PARTS.findall(plain(value)) if part.strip(ANY)]


# --- values


def kind_of(field: str) -> str:
    return "key" if field.startswith("custom:") else FIELDS[field]


_RESOLVER = re.compile(r"^(?:(?:https?://)?(?:dx\.)?doi\.org/|doi:\s*)", re.IGNORECASE)
_ORCID = re.compile(r"^(?:https?://)?orcid\.org/", re.IGNORECASE)
_RENAMED = {"thesis": "dissertation", "publication-thesis": "publication-dissertation"}
KEY_LENGTH = 400  # characters of a key that count


def plain(text: str) -> str:
    """One form for equal texts: compatible characters composed, Chinese and Japanese cut apart.

    The tokenizer takes a run of letters for a word, which those scripts don't part by blanks.
    """
    if text.isascii():
        return text
    return _CJK.sub(r" \g<0> ", unicodedata.normalize("NFKC", text))


# Hiragana and katakana, Han with its extensions, Thai.
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f]")


def key_of(field: str, value: str) -> str:
    """The form in which a value of a key field is indexed and looked up."""
    value = " ".join(value.split())
    if not value.isascii():
        value = unicodedata.normalize("NFKC", value)
    if field in DOIS:
        value = _RESOLVER.sub("", value)
    elif field.endswith("_orcid"):
        value = _ORCID.sub("", value)
    value = value.lower()
    if field == "checksum":
        value = value.rpartition(":")[2]
    elif field in ("type", "subtype", "resource"):
        value = _RENAMED.get(value, value)
    elif field.startswith("custom:"):
        value = f"{field[7:].lower()}={value}"
    return value[:KEY_LENGTH]


_DATE = re.compile(r"(-?\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_MATH = re.compile(r"now(?:/[a-z])?(?:([+-])(\d{1,6})([yMwdhHms]))?(?:/[a-z])?")
_UNITS = {"y": 365, "M": 30, "w": 7, "d": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def span(kind: str, value: str) -> tuple[int, int]:
    """First and last number that a value stands for: `2020` as a day is all days of that year.

    Raises ValueError or OverflowError where it is no number, date or time.
    """
    value = value.strip()
    if kind == "int":
        if re.fullmatch(r"[+-]?\d{1,19}", value):
            number = int(value)
        elif (number := int(exact := float(value))) != exact:
            raise ValueError(value)
        number = max(-INT64, min(number, INT64))
        return number, number
    if math := _MATH.fullmatch(value):
        sign, amount, unit = math.groups()
        moment = ids.now()
        if amount:
            count = int(amount) * (-1 if sign == "-" else 1)
            seconds = {"h": 3600, "H": 3600, "m": 60, "s": 1}.get(unit)
            moment += timedelta(seconds=count * seconds) if seconds else timedelta(days=count * _UNITS[unit])
        if kind == "day":
            return moment.toordinal(), moment.toordinal()
        return microseconds(moment), microseconds(moment)
    if parts := _DATE.fullmatch(value):
        year, month, day = (int(part) if part else None for part in parts.groups())
        first = date(year or 0, month or 1, day or 1)
        if day:
            last = first.toordinal()
        elif month:
            last = (
                first.toordinal() + (31 if month == 12 else (date(first.year, month + 1, 1) - first).days) - 1
            )
        else:
            last = date(first.year, 12, 31).toordinal()
        if kind == "day":
            return first.toordinal(), last
        start = (first.toordinal() - _EPOCH.toordinal()) * 86_400_000_000
        return start, (last + 1 - _EPOCH.toordinal()) * 86_400_000_000 - 1
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if kind == "day":
        return moment.astimezone(UTC).toordinal(), moment.astimezone(UTC).toordinal()
    start = microseconds(moment)
    # Without a fraction a time of day stands for its second, without seconds for its minute.
    clock = re.sub(r"(Z|[+-]\d\d:?\d\d)$", "", value.partition("T")[2] or value.partition(" ")[2])
    width = 1 if "." in clock else 1_000_000 if clock.count(":") == 2 else 60_000_000
    return start, start + width - 1


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, without the rounding of floats."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def first_day(edtf: str | None) -> int | None:
    """The first day (ordinal) of an EDTF level 0 date or interval; None where there is none."""
    for part in (edtf or "").split("/"):
        try:
            return span("day", part.strip())[0]
        except (ValueError, OverflowError):
            continue
    return None


# --- parameters beside `q`


def parse_bounds(text: str) -> tuple[float, float, float, float]:
    """`bounds=143.37,-38.99,146.90,-37.35`: west, south, east, north in degrees (api-legacy.md 10.1).

    West may be greater than east: the box then crosses the 180th meridian. Raises Invalid.
    """
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise Invalid.at("bounds", "Expected four numbers: west,south,east,north.") from None
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise Invalid.at(
            "bounds", "Longitudes lie between -180 and 180, latitudes between -90 and 90, south first."
        )
    return west, south, east, north


def parse_custom(text: str) -> tuple[str, str]:
    """`custom=[dwc:family]:[Felidae]`: the term and its value (api-legacy.md 10.1). Raises Invalid."""
    if found := re.fullmatch(r"\s*\[([^\[\]]+:[^\[\]]+)\]\s*:\s*\[(.+)\]\s*", text):
        return found[1].strip(), found[2].strip().strip('"')
    raise Invalid.at("custom", "Expected [prefix:term]:[value].")
