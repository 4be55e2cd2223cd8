"""Names of files: which are refused, why, and what can't stand beside what."""

from __future__ import annotations

import posixpath
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.errors import Invalid
from strongroom.files.keys import (
    Clash,
    check_key,
    conflicts,
    fold_case,
    fold_normal,
    parents,
    safe_form_name,
)

TEXT = st.text(st.one_of(st.sampled_from("aA/.\\é\u0301e ß"), st.characters()), max_size=30)


@pytest.mark.parametrize(
    "key",
    [
        "a",
        "a/b/c.txt",
        "data v1 (final)/ä ΔΨ 數據.csv",
        "...",
        "..a/b..",
        ".hidden",
        " leading and trailing ",
        "back\\slash",
        "C:",
        "a%2Fb",
        "%2e%2e",
        "x" * 1000,
        "é" * 500,
        "👩‍🔬.png",
    ],
)
def test_names_are_kept_as_sent(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "needs a name"),
        ("/etc/passwd", "absolute path"),
        ("/", "absolute path"),
        ("..", "part '..'"),
        ("a/../b", "part '..'"),
        ("a/..", "part '..'"),
        (".", "part '.'"),
        ("./a", "part '.'"),
        ("a//b", "empty part"),
        ("a/", "empty part"),
        ("a\0b", r"control character U\+0000"),
        ("a\nb", r"control character U\+000A"),
        ("a\x7f", r"control character U\+007F"),
        ("a\x85", r"control character U\+0085"),
        ("a\ud800", "valid UTF-8"),
        ("x" * 1001, "1000 bytes"),
        ("é" * 500 + "x", "1000 bytes"),
        ("a/" * 600 + "a", "1000 bytes"),
    ],
)
def test_names_are_refused_with_the_reason(key: str, reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_key(key)
    (finding,) = caught.value.findings
    assert finding.field == "key"
    (message,) = finding.messages
    assert re.search(reason, message)
    message.encode()  # can be sent, whatever the name held
    assert message.isprintable()


@given(TEXT)
def test_what_is_taken_stays_below_its_folder(key: str) -> None:
    try:
        check_key(key)
    except Invalid:
        return
    assert posixpath.normpath(posixpath.join("/folder", key)) == f"/folder/{key}"
    assert not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in key)
    assert 0 < len(key.encode()) <= 1000


def test_parents() -> None:
    assert parents("a") == []
    assert parents("a/b/c") == ["a", "a/b"]


@given(TEXT)
def test_folding_is_blind_to_normal_forms_and_case(key: str) -> None:
    twin = unicodedata.normalize("NFD", key)
    assert fold_normal(twin) == fold_normal(key)
    assert fold_case(twin) == fold_case(key)
    assert fold_case(fold_case(key)) == fold_case(key)
    assert fold_case(fold_normal(key)) == fold_case(key)


def clashes(key: str, *others: str) -> list[tuple[str, Clash]]:
    return [(found.other, found.clash) for found in conflicts(key, others)]


def test_what_can_not_stand_beside_each_other() -> None:
    composed, decomposed = "caf\u00e9.txt", "cafe\u0301.txt"
    assert clashes("a", "a/b", "ab", "b/a") == [("a/b", Clash.FOLDER)]
    assert clashes("a/b/c", "a", "a/b", "a/c") == [("a", Clash.FOLDER), ("a/b", Clash.FOLDER)]
    assert clashes("a", "a") == []
    assert clashes(composed, decomposed) == [(decomposed, Clash.TWIN)]
    assert clashes("Readme", "README", "readme", "other") == [("README", Clash.CASE), ("readme", Clash.CASE)]
    assert clashes("straße", "STRASSE") == [("STRASSE", Clash.CASE)]
    # Refusals come before warnings.
    assert clashes("a", "A", "a/b") == [("a/b", Clash.FOLDER), ("A", Clash.CASE)]


def test_conflicts_say_what_is_wrong() -> None:
    (case,) = conflicts("a", ["A"])
    assert not case.clash.refused
    assert "differ only in case" in case.message
    (folder,) = conflicts("a", ["a/b"])
    assert folder.clash.refused
    assert folder.message.startswith("'a' can't be stored beside 'a/b'")


@given(TEXT, TEXT)
def test_conflicts_are_mutual(one: str, two: str) -> None:
    assert [found.clash for found in conflicts(one, [two])] == [
        found.clash for found in conflicts(two, [one])
    ]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("x.csv", "x.csv"),
        ("../we ird/näme.txt", "näme.txt"),
        ("C:\\data\\x.csv", "x.csv"),
        ("/etc/passwd", "passwd"),
        (" x ", "x"),
        ("a/", ""),
        ("..", ".."),
    ],
)
def test_names_from_forms_lose_their_folders(sent: str, kept: str) -> None:
    assert safe_form_name(sent) == kept
