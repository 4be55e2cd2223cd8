"""Forms as browsers, curl and requests send them, cut anywhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.errors import Incomplete, Malformed, StrongroomError, TooLarge
from strongroom.http.forms import FilePart, Form, parse_form

TYPE = "multipart/form-data; boundary=XbX"


def part(disposition: str | bytes, content: bytes = b"", *more: str) -> bytes:
    if isinstance(disposition, str):
        disposition = disposition.encode()
    lines = [
        b"--XbX",
        b"Content-Disposition: " + disposition,
        *(line.encode() for line in more),
        b"",
        content,
    ]
    return b"\r\n".join(lines) + b"\r\n"


END = b"--XbX--\r\n"


async def in_chunks(body: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


Whole = tuple[str, str, bytes, dict[str, str]]


async def read_whole(file: FilePart) -> Whole:
    content = b"".join([chunk async for chunk in file.chunks])
    return file.name, file.filename, content, file.headers


def parse(body: bytes, content_type: str = TYPE, *, size: int = 1 << 20, max_field: int = 100) -> Form[Whole]:
    return asyncio.run(parse_form(in_chunks(body, size), content_type, read_whole, max_field=max_field))


DATA = os.urandom(300) + b"\r\n--Xb\r\n\r\n--XbY\r\n--" + bytes(50)
EXAMPLE = (
    part('form-data; name="before"', b"1")
    + part('form-data; name="file"; filename="x.csv"', DATA, "Content-Type: text/csv", "X-Other: y")
    + part('form-data; name="name"', "später.csv".encode())
    + END
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_fields_and_files_in_any_order_and_any_chunks(size: int) -> None:
    form = parse(EXAMPLE, size=size)
    assert form.fields == {"before": "1", "name": "später.csv"}
    ((name, filename, content, headers),) = form.files
    assert (name, filename, content) == ("file", "x.csv", DATA)
    assert headers["content-type"] == "text/csv"
    assert headers["x-other"] == "y"


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('form-data; name="file"; filename="a b;c=d.txt"', "a b;c=d.txt"),
        ('form-data; name="file"; filename="näme 數.txt"', "näme 數.txt"),
        ('form-data; name="file"; filename=plain.txt', "plain.txt"),
        (r'form-data; name="file"; filename="a\"b\\c.txt"', 'a"b\\c.txt'),
        (r'form-data; name="file"; filename="C:\data\x.txt"', r"C:\data\x.txt"),
        ("form-data; name=\"file\"; filename*=UTF-8''n%C3%A4me.txt", "näme.txt"),
        ('form-data; name="file"; filename="n_me.txt"; filename*=utf-8\'de\'n%C3%A4me.txt', "näme.txt"),
        ("form-data; filename=\"x\"; filename*=iso-8859-1''n%E4me.txt; name=file", "näme.txt"),
        ('form-data; name="file"; filename="n\xe4me.txt"'.encode("latin-1"), "näme.txt"),
        ('Form-Data; NAME="file"; FileName="x"', "x"),
        ('form-data; name="file"; filename="100%25.txt"', "100%25.txt"),
    ],
)
def test_file_names(disposition: str | bytes, filename: str) -> None:
    form = parse(part(disposition, b"x") + END)
    assert [(file[0], file[1]) for file in form.files] == [("file", filename)]


def test_forms_without_files() -> None:
    assert parse(part('form-data; name="name"', b"x") + END) == Form({"name": "x"}, [])
    assert parse(END) == Form({}, [])
    # A browser's empty file input: no name, no bytes.
    assert parse(part('form-data; name="file"; filename=""') + END).files == []


def test_an_empty_file_is_a_file() -> None:
    form = parse(part('form-data; name="file"; filename="empty.txt"') + END)
    assert form.files[0][:3] == ("file", "empty.txt", b"")
    form = parse(part('form-data; name="file"; filename=""', b"bytes without a name") + END)
    assert form.files[0][:3] == ("file", "", b"bytes without a name")


def test_several_files_and_equal_fields() -> None:
    body = b"".join(
        [
            part('form-data; name="file"; filename="1"', b"one"),
            part('form-data; name="f"', b"first"),
            part('form-data; name="file"; filename="2"', b"two"),
            part('form-data; name="f"', b"last"),
            END,
            b"what stands behind is ignored",
        ]
    )
    form = parse(body, size=5)
    assert form.fields == {"f": "last"}
    assert [file[2] for file in form.files] == [b"one", b"two"]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(EXAMPLE) - 4), st.integers(1, 50))
def test_whatever_breaks_off_is_incomplete(length: int, size: int) -> None:
    with pytest.raises(Incomplete, match="before its last boundary"):
        parse(EXAMPLE[:length], size=size)


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b'{"name": "x"}', "application/json", "must be a form"),
        (EXAMPLE, "", "must be a form"),
        (EXAMPLE, "multipart/form-data", "must be a form"),
        (EXAMPLE, "multipart/mixed; boundary=XbX", "must be a form"),
        (EXAMPLE, f"multipart/form-data; boundary={'x' * 300}", "must be a form"),
        (b"no boundary at all\r\n" + END, TYPE, "can't be read"),
        (part("form-data", b"x") + END, TYPE, "has no name"),
        (part('attachment; name="file"', b"x") + END, TYPE, "has no name"),
        (b"--XbX\r\n\r\nno headers\r\n" + END, TYPE, "has no name"),
        (part('form-data; name="f"', b"\xff") + END, TYPE, "not in UTF-8"),
        (part("form-data; name=f; filename*=nope''x", b"x") + END, TYPE, "can't be read"),
    ],
)
def test_what_can_t_be_read_is_malformed(body: bytes, content_type: str, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        parse(body, content_type)


def test_fields_have_a_limit_and_files_none() -> None:
    with pytest.raises(TooLarge, match="more than 100 bytes"):
        parse(part('form-data; name="f"', bytes(101)) + END, size=10)
    assert len(parse(part('form-data; name="f"; filename="x"', bytes(9999)) + END).files[0][2]) == 9999


def test_too_many_fields() -> None:
    with pytest.raises(TooLarge, match="1000 fields"):
        parse(b"".join(part(f'form-data; name="{number}"', b"x") for number in range(1001)) + END)


@given(st.binary(max_size=300))
def test_any_bytes_end_in_an_error_of_ours(body: bytes) -> None:
    with pytest.raises(StrongroomError):
        parse(b"--XbX" + body)


def test_a_file_is_read_as_it_comes() -> None:
    """What the network has not sent yet is not waited for, and what is not read yet is not fetched."""
    events: list[str] = []

    async def network() -> AsyncIterator[bytes]:
        yield part('form-data; name="file"; filename="x"', b"")[:-2]
        for number in range(3):
            events.append(f"sent {number}")
            yield b"%d" % number
        yield b"\r\n" + END

    async def on_file(file: FilePart) -> str:
        async for chunk in file.chunks:
            events.append(f"got {chunk.decode()}")
        return "done"

    form = asyncio.run(parse_form(network(), TYPE, on_file))
    assert form.files == ["done"]
    assert events == ["sent 0", "got 0", "sent 1", "got 1", "sent 2", "got 2"]


def test_a_file_may_be_left_unread() -> None:
    async def on_file(file: FilePart) -> str:
        async for _ in file.chunks:
            break
        return file.filename

    form = asyncio.run(parse_form(in_chunks(EXAMPLE, 20), TYPE, on_file))
    assert form.files == ["x.csv"]
    assert form.fields == {"before": "1", "name": "später.csv"}


def test_what_the_handler_raises_comes_through() -> None:
    async def on_file(file: FilePart) -> str:
        raise TooLarge("over the quota")

    with pytest.raises(TooLarge, match="over the quota"):
        asyncio.run(parse_form(in_chunks(EXAMPLE, 20), TYPE, on_file))
