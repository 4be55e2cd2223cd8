"""The query language: what is read how, and that nothing else than a tree or a QuerySyntaxError comes out."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.errors import Invalid, Malformed
from strongroom.search.query import (
    ANY,
    MAX_CLAUSES,
    ONE,
    All,
    Bool,
    Exists,
    Fuzzy,
    Match,
    Nothing,
    Pattern,
    QuerySyntaxError,
    Range,
    Regex,
    Term,
    first_day,
    parse,
    parse_bounds,
    parse_custom,
    span,
)

A, B, C = Match("text", "a"), Match("text", "b"), Match("text", "c")


def day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def micro(text: str) -> int:
    return int(datetime.fromisoformat(text + "+00:00").timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", All()),
        ("  ", All()),
        ("*", All()),
        ("*:*", All()),
        ("a", A),
        ("a b", Bool(should=(A, B))),
        ("a AND b", Bool(must=(A, B))),
        ("a && b", Bool(must=(A, B))),
        ("a OR b", Bool(should=(A, B))),
        ("a || b", Bool(should=(A, B))),
        ("a AND NOT b", Bool(must=(A,), must_not=(B,))),
        ("a NOT b", Bool(should=(A,), must_not=(B,))),
        ("a !b", Bool(should=(A,), must_not=(B,))),
        ("NOT a", Bool(must_not=(A,))),
        ("+a -b c", Bool(must=(A,), should=(C,), must_not=(B,))),
        ("a AND b OR c", Bool(should=(Bool(must=(A, B)), C))),
        ("a AND (b OR c)", Bool(must=(A, Bool(should=(B, C))))),
        ("a OR NOT b", Bool(should=(A, Bool(must_not=(B,))))),
        ("a - b", Bool(should=(A, B))),
        ("a^3", A),
        ("(a b)^2", Bool(should=(A, B))),
        ("TO", Match("text", "TO")),
        ("'a'", Match("text", "a'")),
        ('"a b"', Match("text", "a b", exact=True)),
        ("“a b”", Match("text", "a b", exact=True)),
        ('"a b"~3', Match("text", "a b", exact=True, slop=3)),
        (r'"a \"b\""', Match("text", 'a "b"', exact=True)),
        ("title:a", Match("title", "a")),
        ("title: a", Match("title", "a")),
        ("title:(a AND b)", Bool(must=(Match("title", "a"), Match("title", "b")))),
        ("title:(a b)", Bool(should=(Match("title", "a"), Match("title", "b")))),
        ("metadata.title:a", Match("title", "a")),
        (
            "creators:(name:a AND orcid:b)",
            Bool(must=(Match("creators_name", "a"), Term("creators_orcid", "b"))),
        ),
        ("creators.name:a", Match("creators_name", "a")),
        ("nofield:1", Nothing()),
        ("doi:10.5281/zenodo.1", Term("doi", "10.5281/zenodo.1")),
        ('doi:"10.5281/ZENODO.1"', Term("doi", "10.5281/zenodo.1")),
        ("doi:https://doi.org/10.5281/zenodo.1", Term("doi", "10.5281/zenodo.1")),
        ("(doi:10.5281/zenodo.1)", Term("doi", "10.5281/zenodo.1")),
        ("doi:10.1002/(SICI)10:1<1::AID>3.0.CO;2-1", Term("doi", "10.1002/(sici)10:1<1::aid>3.0.co;2-1")),
        ("doi:10.5281/zen*", Pattern("doi", f"10.5281/zen{ANY}")),
        ("keywords:a/b", Match("keywords", "a/b")),
        ("license.id:(cc/by OR mit)", Bool(should=(Term("license", "cc/by"), Term("license", "mit")))),
        (
            "10.5281/zenodo.1",
            Bool(
                should=(
                    Match("text", "10.5281/zenodo.1"),
                    Term("doi", "10.5281/zenodo.1"),
                    Term("conceptdoi", "10.5281/zenodo.1"),
                )
            ),
        ),
        ("recid:12", Range("id", 12, 12)),
        ("conceptrecid:12", Range("concept", 12, 12)),
        ("version:2", Bool(should=(Range("version_index", 2, 2), Term("version_label", "2")))),
        ("version:1.0.2", Term("version_label", "1.0.2")),
        ("type:thesis", Term("type", "dissertation")),
        ("subtype:thesis", Term("subtype", "dissertation")),
        ("related.relation:isSupplementTo", Term("related_relation", "issupplementto")),
        ('_files.checksum:"md5:ABC"', Term("checksum", "abc")),
        ("creators.orcid:https://orcid.org/0000-0002", Term("creators_orcid", "0000-0002")),
        ("wat*", Pattern("text", f"wat{ANY}")),
        ("w?ter", Pattern("text", f"w{ONE}ter")),
        (r"wat\*", Match("text", "wat*")),
        ("doi:*", Exists("doi")),
        ("_exists_:doi", Exists("doi")),
        ("_exists_:nofield", Nothing()),
        ("water~", Fuzzy("text", "water", None)),
        ("water~0.8", Fuzzy("text", "water", None)),
        ("water~1", Fuzzy("text", "water", 1)),
        ("water~9", Fuzzy("text", "water", 2)),
        ("title:/Wat(er)?/", Regex("title", "wat(er)?")),
        ("/.*ater/", Regex("text", ".*ater")),
        ("10.5281/zen*", Bool(should=tuple(Pattern(f, f"10.5281/zen{ANY}") for f in ("doi", "conceptdoi")))),
        ("*ater", Pattern("text", f"{ANY}ater")),
        (r"title:/abc\/\W/", Regex("title", r"abc/\W")),
        ("size:>5", Range("size", 6, None)),
        ("size:>=5", Range("size", 5, None)),
        ("size:<5", Range("size", None, 4)),
        ("size:[1 TO 5}", Range("size", 1, 4)),
        ("size:{1 TO *]", Range("size", 2, None)),
        ("publication_date:[2017 TO 2018}", Range("publication_date", day("2017-01-01"), day("2017-12-31"))),
        ("publication_date:[2017 TO 2018]", Range("publication_date", day("2017-01-01"), day("2018-12-31"))),
        ("publication_date:{2017-02 TO *}", Range("publication_date", day("2017-03-01"), None)),
        ("publicationdate:2020-02", Range("publication_date", day("2020-02-01"), day("2020-02-29"))),
        ('publication_date:["2020-01-01" TO *]', Range("publication_date", day("2020-01-01"), None)),
        (
            "created:[2020-01-01T10:00:00 TO 2020-01-01T10:00:00Z]",
            Range("created", micro("2020-01-01T10:00:00"), micro("2020-01-01T10:00:00") + 999_999),
        ),
        (
            "created:2020-01-01",
            Range("created", micro("2020-01-01T00:00:00"), micro("2020-01-02T00:00:00") - 1),
        ),
        ("dwc:family:Felidae", Term("custom:dwc:family", "dwc:family=felidae")),
        (r"dwc\:family:Felidae", Term("custom:dwc:family", "dwc:family=felidae")),
        ('custom_fields.dwc\\:family:"Felis catus"', Term("custom:dwc:family", "dwc:family=felis catus")),
    ],
)
def test_reads(text: str, tree: object) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("title:(", 7),
        ("a) b", 1),
        ("a/b", 1),
        ("open /b", 5),
        ('say "abc', 4),
        ("a AND", 5),
        ("AND a", 0),
        ("a && OR b", 5),
        ("size:[1 TO", 5),
        ("size:[1]", 5),
        ("size:[a TO 5]", 5),
        ("publication_date:foo", 17),
        ("[1 TO 5]", 0),
        ("title:[a TO b]", 6),
        ("a*", 0),
        ("?!", 0),
        ("title:a*", 6),
        ("b *ab", 2),
        ("*abc *def", 5),
        ("title:/.*/", 6),
        ("/[abc]+|d/", 0),
        ("GC-M*", 0),
        ("a~1.2.3", 0),
        ("title:", 6),
        ('a"b"', 1),
    ],
)
def test_bad_syntax_shows_where(text: str, position: int) -> None:
    with pytest.raises(Malformed) as caught:
        parse(text)
    assert caught.value.message.startswith("Invalid query string syntax. ")
    assert isinstance(caught.value, QuerySyntaxError)
    assert caught.value.position == position
    assert "⟪here⟫" in caught.value.message


def test_now_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    first = parse("created:[now-7d TO now]")
    time.sleep(0.002)
    second = parse("created:[now-7d TO now]")
    assert isinstance(first, Range)
    assert isinstance(second, Range)
    assert first.high != second.high
    assert first.high is not None
    assert first.low is not None
    assert 6.9 * 86_400e6 < first.high - first.low < 7.1 * 86_400e6


@pytest.mark.parametrize("text", ["(" * 60 + "a" + ")" * 60, "a " * (MAX_CLAUSES + 1), "x" * 20_001])
def test_limits(text: str) -> None:
    with pytest.raises(QuerySyntaxError):
        parse(text)


def test_many_words_and_expansions() -> None:
    assert parse(" OR ".join(f"recid:{n}" for n in range(800)))
    with pytest.raises(QuerySyntaxError):
        parse("abc* " * 20)


def test_threads_share_the_parser() -> None:
    texts = [f"title:(a{n} AND b{n}) OR c{n}" for n in range(200)]
    with ThreadPoolExecutor(8) as pool:
        trees = list(pool.map(parse, texts))
    for n, tree in enumerate(trees):
        both = Bool(must=(Match("title", f"a{n}"), Match("title", f"b{n}")))
        assert tree == Bool(should=(both, Match("text", f"c{n}")))


HOSTILE = Path(__file__).parents[2].parent / "shared" / "data" / "hostile" / "blns.json"
_PIECES = st.sampled_from(
    [
        *"()[]{}\"/\\:^~+-!&|*?<>=' ",
        "AND",
        "OR",
        "NOT",
        "TO",
        "title",
        "doi",
        "size",
        "10.5281/x",
        "a",
        "é",
        "\0",
        "水",
    ]
)


@given(st.lists(_PIECES, max_size=30).map("".join) | st.text(max_size=60))
@settings(max_examples=400, deadline=None)
def test_anything_is_a_tree_or_an_error(text: str) -> None:
    try:
        parse(text)
    except QuerySyntaxError as error:
        assert 0 <= error.position <= len(text)  # noqa: PT017 (most texts raise nothing)


@pytest.mark.skipif(not HOSTILE.exists(), reason="the shared test data is not beside the repository")
def test_naughty_strings() -> None:
    for text in json.loads(HOSTILE.read_text()):
        for query in (text, f"title:{text}", f'"{text}"', f"title:({text})"):
            try:
                parse(query)
            except QuerySyntaxError:
                continue


def test_spans() -> None:
    assert span("day", "2024-02") == (day("2024-02-01"), day("2024-02-29"))
    assert span("day", "9999") == (day("9999-01-01"), day("9999-12-31"))
    assert span("moment", "2024-01-01T10:00") == (
        micro("2024-01-01T10:00:00"),
        micro("2024-01-01T10:01:00") - 1,
    )
    assert span("int", "1e3") == (1000, 1000)
    for kind, text in (
        ("int", "1.5"),
        ("int", "x"),
        ("day", "2024-13"),
        ("day", "0000"),
        ("moment", "yesterday"),
    ):
        with pytest.raises((ValueError, OverflowError)):
            span(kind, text)


def test_first_day() -> None:
    assert first_day("2019/2020") == day("2019-01-01")
    assert first_day("/2020-05") == day("2020-05-01")
    assert first_day("soon") is None
    assert first_day(None) is None


def test_parameters() -> None:
    assert parse_bounds("143.37,-38.99,146.90,-37.35") == (143.37, -38.99, 146.90, -37.35)
    assert parse_custom("[dwc:family]:[Felidae]") == ("dwc:family", "Felidae")
    for bad in ("1,2,3", "a,b,c,d", "0,50,10,40", "0,0,0,nan", "500,0,0,0"):
        with pytest.raises(Invalid):
            parse_bounds(bad)
    for bad in ("", "dwc:family:Felidae", "[family]:[x]", "[dwc:family]:[]"):
        with pytest.raises(Invalid):
            parse_custom(bad)
