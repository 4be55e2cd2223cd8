"""What previews make of files: of ordinary ones, of broken ones, and of those made to do harm."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import threading
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from strongroom.previews import (
    Listing,
    Media,
    Result,
    Rich,
    Source,
    Table,
    Text,
    Unreadable,
    child,
    kind_of,
    preview,
    sandbox,
    tables,
)


class Reads:
    """A file that notes how much of it was read."""

    def __init__(self, data: bytes) -> None:
        self.data, self.bytes = data, 0

    def __call__(self, start: int, stop: int) -> bytes:
        self.bytes += stop - start
        return self.data[start:stop]


def shown(key: str, data: bytes, mimetype: str = "application/octet-stream") -> Result:
    return preview(Source(key, mimetype, len(data), Reads(data)))[1]


def refused(key: str, data: bytes) -> str:
    with pytest.raises(Unreadable) as error:
        shown(key, data)
    return error.value.reason


def table(key: str, data: bytes) -> Table:
    made = shown(key, data)
    assert isinstance(made, Table)
    return made


def zipped(**members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return file.getvalue()


def elements(html: str) -> set[str]:
    """Every element of some HTML with its attributes' names, as `a[href]`."""
    found: set[str] = set()

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.add(tag)
            found.update(f"{tag}[{name}]" for name, _ in attrs)

    Parser().feed(html)
    return found


# -- which


@pytest.mark.parametrize(
    ("key", "mimetype", "kind"),
    [
        ("a/b.CSV", "", "table"),
        ("x.tsv", "", "table"),
        ("x", "text/csv", "table"),
        ("x.geojson", "", "json"),
        ("README", "application/octet-stream", "text"),
        ("x.md", "text/plain", "markdown"),
        ("x.py", "", "code"),
        ("x.svg", "", "svg"),
        ("x.jpeg", "", "image"),
        ("x.flac", "", "audio"),
        ("x.webm", "", "video"),
        ("x.pdf", "", "pdf"),
        ("x.zip", "", "zip"),
    ],
)
def test_a_file_is_known_by_its_name_or_type(key: str, mimetype: str, kind: str) -> None:
    found = kind_of(key, mimetype, 10)
    assert found is not None
    assert found.name == kind


def test_files_without_preview_have_none() -> None:
    assert kind_of("x.bin", "application/octet-stream", 10) is None
    assert kind_of("x.csv", "text/csv", 0) is None
    assert kind_of("x.png", "image/png", 10**9) is None
    assert refused("x.bin", b"\0\1\2\3" * 9) == "unknown"
    assert refused("x.png", b"\x89PNG\r\n\x1a\n" + bytes(30_000_000)) == "large"
    assert refused("x.txt", b"") == "empty"


def test_text_of_no_known_kind_is_found_by_looking() -> None:
    assert isinstance(shown("log.2019-03-13", b"one\ntwo\n"), Text)


# -- tables


def test_a_table_is_parted_at_what_parts_most_rows_alike() -> None:
    made = table("a.csv", b"name;value\nrose;1,5\nlily;2,5\n")
    assert (made.delimiter, made.header, made.rows) == (
        ";",
        ["name", "value"],
        [["rose", "1,5"], ["lily", "2,5"]],
    )
    assert table("a.csv", b"a\tb\n1\t2\n").delimiter == "\t"
    assert table("a.csv", b"a,b|c\n1,2|3\n").delimiter == ","


def test_a_number_is_told_from_what_only_begins_as_one() -> None:
    """In steps that grow with the cell: 100,000 digits and a letter took the square of that, which is minutes."""
    digits = b"1" * 100_000
    made = table("a.csv", digits + b"x,b\n" + digits + b"x,2\n")
    assert (made.header, list(made.numeric)) == (["1" * 300 + "…", "b"], [False, True])
    assert tables._NUMBER("1" * 50_000 + "x") is None
    for number in ("1", "1.5", "-2,000.5", "1 000", ".5", "1e5", "5%", "1.", "NA"):
        assert tables._NUMBER(number)
    for other in ("", "a", "1.2.3", ".", "1 e"):
        assert not tables._NUMBER(other)


def test_columns_of_numbers_are_known_and_a_head_of_numbers_is_none() -> None:
    made = table("a.csv", b"id,n,when\na,1.5e3,2019\nb,,2020\n")
    assert list(made.numeric) == [False, True, True]
    bare = table("a.csv", b"1,2\n3,4\n")
    assert (bare.header, len(bare.rows)) == ([], 2)


def test_of_a_large_table_the_beginning_alone_is_read() -> None:
    data = b"a,b\n" + b"1,2\n" * 2_000_000
    reads = Reads(data)
    made = preview(Source("a.csv", "", len(data), reads))[1]
    assert isinstance(made, Table)
    assert reads.bytes <= 262_144
    assert len(made.rows) == 100
    assert not made.whole


def test_quoted_cells_keep_their_line_ends_and_short_rows_are_filled() -> None:
    made = table("a.csv", b'a,b,c\n"x\ny","p ""q""",z\n1\n')
    assert made.rows == [["x y", 'p "q"', "z"], ["1", "", ""]]


def test_a_line_without_end_is_no_table_and_says_so() -> None:
    assert refused("a.csv", b"x" * 10_000_000) == "cell"
    assert refused("a.csv", b'"' + b"x\n" * 200_000) == "cell"


def test_a_thousand_columns_are_cut() -> None:
    made = table("a.csv", b",".join(b"c%d" % n for n in range(1000)) + b"\n" + b"x," * 999 + b"y\n")
    assert made.columns == 1000
    assert len(made.header) == len(made.rows[0]) == 50


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("ä,ö\n1,2\n".encode("utf-8-sig"), "UTF-8"),
        ("ä,ö\n1,2\n".encode("utf-16"), "UTF-16"),
        ("ä,ö\n1,2\n".encode("cp1252"), "Windows-1252"),
    ],
)
def test_a_table_is_read_in_its_encoding(data: bytes, encoding: str) -> None:
    made = table("a.csv", data)
    assert (made.encoding, made.header) == (encoding, ["ä", "ö"])


def test_a_table_of_bytes_is_none() -> None:
    assert refused("a.csv", b"\0\1\2" * 100) == "binary"


# -- text


def test_a_character_that_the_bound_parts_is_left_out() -> None:
    made = shown("a.txt", b"x" * 262_143 + "ä".encode() * 10)
    assert isinstance(made, Text)
    assert (made.encoding, made.whole, made.html[-1]) == ("UTF-8", False, "x")


def test_json_is_indented_and_says_what_was_written() -> None:
    data = b'{"a":[1.50,1e400,{"b":null}],"a":{},"e":[],"s":"</pre><script>"}'
    made = shown("a.json", data)
    assert isinstance(made, Text)
    assert elements(made.html) == {"span", "span[class]"}
    assert "&lt;/pre&gt;&lt;script&gt;" in made.html
    for kept in ("1.50", "1e400", "null"):
        assert f">{kept}</span>" in made.html
    assert made.html.count('<span class="na">"a"</span>') == 2
    assert made.html.count("\n") == 11


@pytest.mark.parametrize(
    "data", [b"[" * 200_000, b'{"a":' * 50_000, b'{"a": tru', b'"' + b"\\" * 100_000, b"]" * 9]
)
def test_json_that_is_deep_or_broken_is_shown_as_far_as_it_goes(data: bytes) -> None:
    made = shown("a.json", data)
    assert isinstance(made, Text)
    assert len(made.html) <= 400_100


def test_markdown_comes_as_clean_html() -> None:
    evil = (
        "# Title\n\n<script>alert(1)</script><img src=x onerror=alert(1)>\n\n[a](javascript:alert(1)) <a href='data:x'>b</a> "
        "[c](https://x.org) [d](../other) <p style='x' onclick=x class=y id=z>e</p>\n\n|h|\n|-|\n|i|\n\n<svg/onload=alert(1)>"
    )
    made = shown("README.md", evil.encode())
    assert isinstance(made, Rich)
    assert elements(made.html) <= {
        "h1", "p", "a", "a[href]", "a[rel]", "a[target]", "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip
    assert made.html.count("href=") == 1
    assert "alert(1)</" not in made.html


def test_a_program_is_coloured_and_escaped() -> None:
    made = shown("a.py", b"def f():\n    return '<script>'\n")
    assert isinstance(made, Text)
    assert elements(made.html) == {"span", "span[class]"}
    assert '<span class="k">def</span>' in made.html
    assert "&lt;script&gt;" in made.html


def test_endless_lines_are_shown_without_colours() -> None:
    made = shown("a.py", b"(" * 100_000)
    assert isinstance(made, Text)
    assert made.html == "(" * 100_000


# -- archives, in a process of their own


def test_a_zip_tells_what_is_in_it() -> None:
    made = shown("a.zip", zipped(**{"a/b.txt": "x" * 1000, "c/": "", "ü.csv": "1"}))
    assert made == Listing([("a/b.txt", 1000), ("c/", None), ("ü.csv", 1)], 3, 1001)


def test_of_a_large_zip_its_directory_alone_is_read() -> None:
    data = zipped(big="x" * 5_000_000)
    reads = Reads(data)
    made = preview(Source("a.zip", "", len(data), reads))[1]
    assert isinstance(made, Listing)
    assert reads.bytes < 400_000


def test_broken_zips_say_so() -> None:
    good = zipped(a="1")
    for data in (good[:-5], b"PK" * 50, b"PK\5\6" + b"\xff" * 18, b"PK\3\4"):
        assert refused("a.zip", data) == "broken"


def test_a_zip_that_promises_too_much_is_only_believed_in_numbers() -> None:
    """A bomb: its directory says a petabyte. Nothing is unpacked, so that nothing happens."""
    data = bytearray(zipped(bomb="0" * 100))
    at = data.rindex(b"PK\1\2")
    data[at + 24 : at + 28] = struct.pack("<L", 0xFFFFFFFE)
    made = shown("a.zip", bytes(data))
    assert isinstance(made, Listing)
    assert made.total == 0xFFFFFFFE


def test_a_directory_that_is_too_large_is_not_read() -> None:
    """48 MiB of the file at most come into the process."""
    reads: list[int] = []

    def read(start: int, stop: int) -> bytes:
        reads.append(stop - start)
        if stop == size:  # the end of the archive: a directory of 4 GB, a gigabyte before
            end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFE, 0xFFFE, size - 22, 0, 0)
            return (bytes(stop - start) + end)[-(stop - start) :]
        return b"PK\1\2" + bytes(stop - start - 4)

    size = 1 << 30
    with pytest.raises(Unreadable) as error:
        preview(Source("a.zip", "", size, read))
    assert error.value.reason in ("long", "broken")
    assert sum(reads) <= 49 << 20


def test_what_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "SECONDS", 0.02)
    assert refused("a.zip", zipped(a="1")) == "long"
    made = shown("a.md", b"# x")
    assert isinstance(made, Text)  # as it stands
    assert made.html == "# x"


@pytest.mark.parametrize("key", ["a.md", "a.py", "a.zip"])
def test_when_all_are_busy_it_says_so(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Text without its colours would be kept for the good one."""
    room = threading.BoundedSemaphore(1)
    monkeypatch.setattr(sandbox, "_room", room)
    monkeypatch.setattr(sandbox, "WAIT", 0.01)
    with room:
        assert refused(key, b"import os\n" * 9) == "busy"
    assert isinstance(shown("a.md", b"# x"), Rich)


def test_tags_without_end_make_no_more_of_them() -> None:
    """The HTML in Markdown is cleaned without a clock."""
    tags = "<p>" + "".join(f"<b title=a{n}>" for n in range(600)) + "<p>x" * 600
    for text in (tags, "<i><b><div>" * 5000):
        made = shown("a.md", text.encode())
        assert isinstance(made, Rich)
        assert len(made.html) < 3 * len(text)


def test_memory_is_bounded(tmp_path: Path) -> None:
    """The limits of the process hold for whatever runs in it."""
    script = tmp_path / "hog.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(child.__file__).parent)!r})\nimport child\nchild.limit()\nbytearray(600 << 20)\n"
    )
    done = subprocess.run([sys.executable, "-I", str(script)], capture_output=True, check=False)
    assert b"MemoryError" in done.stderr


# -- what the browser shows


def test_pictures_that_are_none_say_so() -> None:
    for key in ("a.png", "a.jpg", "a.gif", "a.pdf", "a.svg"):
        assert refused(key, b"<html><script>alert(1)</script>") == "broken"


def test_an_svg_is_an_image_and_nothing_else() -> None:
    made = shown("a.svg", b"<svg onload='alert(1)'/>")
    assert isinstance(made, Media)
    assert made.element == "image"
    assert made.data.startswith("data:image/svg+xml;base64,")
    assert "alert" not in made.data


def test_json_of_notebooks_is_code() -> None:
    made = shown("a.ipynb", json.dumps({"cells": []}).encode())
    assert isinstance(made, Text)
