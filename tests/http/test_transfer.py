"""Downloads: conditions, ranges, headers that keep hostile bytes tame; and the same through real servers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import Message
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from strongroom.errors import BadRange, Incomplete, Stale, Unavailable
from strongroom.files.views import FileView
from strongroom.http.transfer import (
    MAX_RANGES,
    body_of,
    content_disposition,
    file_response,
    guess_type,
    parse_ranges,
    served_type,
)
from strongroom.storage.base import BLOCK, Blocks
from strongroom.storage.local import LocalStore
from tests.http.asgi import Answer, ask

CONTENT = os.urandom(3 * BLOCK + 123)
UPDATED = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)


def view(
    content: bytes = CONTENT, key: str = "data/x.bin", mimetype: str = "application/octet-stream"
) -> FileView:
    return FileView(
        id="id",
        version_id="version",
        key=key,
        size=len(content),
        md5=hashlib.md5(content).hexdigest(),
        sha256=hashlib.sha256(content).hexdigest(),
        crc32=zlib.crc32(content),
        mimetype=mimetype,
        created=UPDATED,
        updated=UPDATED,
        store="local",
        location="00/content",
    )


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "files")
    store.put("00/content", CONTENT)
    return store


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def get(
    store: LocalStore,
    pool: ThreadPoolExecutor,
    method: str = "GET",
    *,
    file: FileView | None = None,
    attachment: bool = False,
    public: bool = True,
    accel: str = "",
    query: str = "",
    extensions: dict[str, Any] | None = None,
    **headers: str,
) -> Answer:
    def handler(request: Request) -> Response:
        return file_response(
            request,
            file or view(),
            store,
            attachment=attachment,
            public=public,
            pool=pool,
            accel_prefix=accel,
        )

    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return asyncio.run(ask(handler, method, sent, query=query, extensions=extensions))


def test_a_whole_file(store: LocalStore, pool: ThreadPoolExecutor) -> None:
    got = get(store, pool)
    file = view()
    assert got.status == 200
    assert got.body == CONTENT
    assert got.ended
    assert got.headers == {
        "content-type": "application/octet-stream",
        "content-length": str(len(CONTENT)),
        "content-disposition": 'attachment; filename="x.bin"',
        "content-md5": file.md5,
        "repr-digest": f"sha-256=:{base64.b64encode(bytes.fromhex(file.sha256)).decode()}:",
        "etag": f'"sha256:{file.sha256}"',
        "last-modified": "Mon, 06 May 2024 07:08:09 GMT",
        "accept-ranges": "bytes",
        "cache-control": "public, no-cache",
        "vary": "Cookie, Authorization",
        "content-security-policy": "sandbox; default-src 'none'",
        "x-content-type-options": "nosniff",
        "x-download-options": "noopen",
        "x-permitted-cross-domain-policies": "none",
        "x-frame-options": "deny",
        "x-xss-protection": "1; mode=block",
    }
    head = get(store, pool, "HEAD")
    assert (head.status, head.headers, head.body) == (200, got.headers, b"")
    assert get(store, pool, public=False).headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1])
def test_other_sizes(store: LocalStore, pool: ThreadPoolExecutor, size: int) -> None:
    store.put("00/content", CONTENT[:size])
    got = get(store, pool, file=view(CONTENT[:size]))
    assert (got.status, got.body, got.headers["content-length"]) == (200, CONTENT[:size], str(size))
    if not size:
        assert get(store, pool, file=view(b""), range="bytes=0-").status == 200


def test_one_range(store: LocalStore, pool: ThreadPoolExecutor) -> None:
    size = len(CONTENT)
    for sent, start, stop in [
        ("bytes=0-0", 0, 1),
        ("bytes=5-", 5, size),
        ("bytes=-7", size - 7, size),
        (f"bytes=-{size + 9}", 0, size),
        (f"Bytes = 10-{size + 5}", 10, size),
        ("bytes=0-9,10-19, 15-20", 0, 21),
        ("bytes=0-5,99999999-", 0, 6),
    ]:
        got = get(store, pool, range=sent)
        assert got.status == 206, sent
        assert got.body == CONTENT[start:stop]
        assert got.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        assert got.headers["content-length"] == str(stop - start)
        assert got.headers["etag"] == f'"sha256:{view().sha256}"'


def test_a_range_outside_is_416(store: LocalStore, pool: ThreadPoolExecutor) -> None:
    for sent in (f"bytes={len(CONTENT)}-", "bytes=-0", "bytes=99999999-, 99999999-999999999"):
        with pytest.raises(BadRange) as caught:
            get(store, pool, range=sent)
        assert caught.value.size == len(CONTENT)
    # HEAD knows no ranges (RFC 9110 section 14.2).
    assert get(store, pool, "HEAD", range="bytes=-0").status == 200


@pytest.mark.parametrize(
    "sent",
    [
        "bytes=5-4",
        "bytes=a-b",
        "bytes=-",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=1-2;3-4",
        "lines=1-2",
        "bytes=1-2,x",
        "bytes=٣-٤",
        "bytes=0-,0-",
        "bytes=0-10,-99999999",
        "bytes=" + ",".join(f"{at}-{at}" for at in range(0, 2 * MAX_RANGES + 2, 2)),
        "bytes=" + "0" * 5000 + "-",
    ],
)
def test_a_range_that_makes_no_sense_or_too_much_work_is_ignored(
    store: LocalStore, pool: ThreadPoolExecutor, sent: str
) -> None:
    if sent.isascii():
        got = get(store, pool, range=sent)
        assert (got.status, got.headers["content-length"]) == (200, str(len(CONTENT)))
    assert parse_ranges(sent, len(CONTENT)) is None


def parts_of(answer: Answer) -> list[tuple[str, bytes]]:
    """(Content-Range, bytes) of a multipart/byteranges answer, read by Python's mail parser."""
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    message = message_from_bytes(head + answer.body, policy=policy.HTTP)
    assert message.get_content_type() == "multipart/byteranges"
    found = []
    parts = message.get_payload()
    assert isinstance(parts, list)
    for part in parts:
        assert isinstance(part, Message)
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        found.append((str(part["Content-Range"]), payload))
    return found


def test_several_ranges(store: LocalStore, pool: ThreadPoolExecutor) -> None:
    text = b"0123456789" * 1000
    store.put("00/content", text)
    file = view(text, "x.txt", "text/plain")
    got = get(store, pool, file=file, range="bytes=-5, 0-4, 100-109, 3-7")
    assert got.status == 206
    assert got.headers["content-length"] == str(len(got.body))
    assert "content-range" not in got.headers
    assert parts_of(got) == [
        ("bytes 0-7/10000", b"01234567"),
        ("bytes 100-109/10000", b"0123456789"),
        ("bytes 9995-9999/10000", b"56789"),
    ]
    assert b"Content-Type: text/plain; charset=utf-8\r\n" in got.body


def test_several_large_ranges(store: LocalStore, pool: ThreadPoolExecutor) -> None:
    got = get(store, pool, range=f"bytes=1-{BLOCK + 5},{2 * BLOCK}-")
    assert got.headers["content-length"] == str(len(got.body))
    assert CONTENT[1 : BLOCK + 6] in got.body
    assert CONTENT[2 * BLOCK :] in got.body


RANGE = st.one_of(
    st.tuples(st.integers(0, 120), st.integers(0, 120)).map(lambda pair: f"{pair[0]}-{pair[1]}"),
    st.integers(0, 120).map(lambda start: f"{start}-"),
    st.integers(0, 120).map(lambda count: f"-{count}"),
    st.sampled_from(["", "x", " 3-5 ", "-"]),
)


@given(st.lists(RANGE, min_size=1, max_size=40), st.integers(0, 100))
@example(["0-0", "1-1"], 2)
def test_ranges_are_sorted_apart_and_exactly_what_was_asked(wanted: list[str], size: int) -> None:
    try:
        found = parse_ranges("bytes=" + ",".join(wanted), size)
    except BadRange:
        found = []
    if found is None:
        return
    assert len(found) <= MAX_RANGES
    for (_, stop), (start, _) in pairwise(found):
        assert stop < start
    asked: set[int] = set()
    for one in (text.strip() for text in wanted if text.strip()):
        first, last = re.fullmatch(r"(\d*)-(\d*)", one).groups()  # type: ignore[union-attr]
        if first:
            asked.update(range(int(first), int(last or size) + 1))
        else:
            asked.update(range(max(0, size - int(last)), size))
    assert {at for start, stop in found for at in range(start, stop)} == {at for at in asked if at < size}


@given(st.text(max_size=60), st.integers(0, 10**12))
def test_any_range_header_is_answered(header: str, size: int) -> None:
    for text in (header, f"bytes={header}"):
        try:
            ranges = parse_ranges(text, size)
        except BadRange:
            continue
        assert ranges is None or all(0 <= start < stop <= size for start, stop in ranges)


ETAG = f'"sha256:{view().sha256}"'
MD5_TAG = f'"md5:{view().md5}"'
EXACT = "Mon, 06 May 2024 07:08:09 GMT"
BEFORE = "Mon, 06 May 2024 07:08:08 GMT"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if_none_match": ETAG}, 304),
        ({"if_none_match": f"W/{ETAG}"}, 304),
        ({"if_none_match": MD5_TAG}, 304),
        ({"if_none_match": f'"other", {ETAG}'}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"other"'}, 200),
        ({"if_none_match": view().sha256}, 200),
        ({"if_none_match": '"other"', "if_modified_since": EXACT}, 200),
        ({"if_modified_since": EXACT}, 304),
        ({"if_modified_since": BEFORE}, 200),
        ({"if_modified_since": "yesterday"}, 200),
        ({"if_match": ETAG}, 200),
        ({"if_match": "*"}, 200),
        ({"if_unmodified_since": EXACT}, 200),
        ({"range": "bytes=0-9", "if_range": ETAG}, 206),
        ({"range": "bytes=0-9", "if_range": MD5_TAG}, 206),
        ({"range": "bytes=0-9", "if_range": EXACT}, 206),
        ({"range": "bytes=0-9", "if_range": f"W/{ETAG}"}, 200),
        ({"range": "bytes=0-9", "if_range": '"other"'}, 200),
        ({"range": "bytes=0-9", "if_range": BEFORE}, 200),
        ({"range": "bytes=0-9", "if_range": "nonsense"}, 200),
        ({"range": "bytes=99999999-", "if_range": '"other"'}, 200),
        ({"range": "bytes=0-9", "if_none_match": ETAG}, 304),
    ],
)
def test_conditions(
    store: LocalStore, pool: ThreadPoolExecutor, headers: dict[str, Any], status: int
) -> None:
    got = get(store, pool, **headers)
    assert got.status == status
    assert got.headers["etag"] == ETAG
    if status == 304:
        assert got.body == b""
        assert "content-length" not in got.headers


@pytest.mark.parametrize(
    "headers", [{"if_match": '"other"'}, {"if_match": f"W/{ETAG}"}, {"if_unmodified_since": BEFORE}]
)
def test_conditions_that_fail_are_412(
    store: LocalStore, pool: ThreadPoolExecutor, headers: dict[str, Any]
) -> None:
    with pytest.raises(Stale):
        get(store, pool, **headers)


@pytest.mark.parametrize(
    ("mimetype", "sent", "shown"),
    [
        ("text/html", "text/plain; charset=utf-8", True),
        ("text/HTML; charset=latin-1", "text/plain; charset=utf-8", True),
        ("image/svg+xml", "text/plain; charset=utf-8", True),
        ("application/xhtml+xml", "text/plain; charset=utf-8", True),
        ("application/atom+xml", "text/plain; charset=utf-8", True),
        ("text/css", "text/plain; charset=utf-8", True),
        ("text/javascript", "text/plain; charset=utf-8", True),
        ("application/javascript", "text/plain; charset=utf-8", True),
        ("text/csv", "text/csv; charset=utf-8", True),
        ("application/pdf", "application/pdf", True),
        ("image/png", "image/png", True),
        ("application/json", "application/json", True),
        ("application/zip", "application/octet-stream", False),
        ("application/x-shockwave-flash", "application/octet-stream", False),
        ("text/x-unheard-of", "application/octet-stream", False),
        ("", "application/octet-stream", False),
    ],
)
def test_hostile_types_are_tamed(
    store: LocalStore, pool: ThreadPoolExecutor, mimetype: str, sent: str, shown: bool
) -> None:
    assert served_type(mimetype) == (sent, shown)
    got = get(store, pool, file=view(mimetype=mimetype))
    assert got.headers["content-type"] == sent
    assert got.headers["content-disposition"].startswith("inline" if shown else "attachment")


def test_every_guess_is_tamed() -> None:
    """No name leads to a type that a browser runs."""
    for name in (
        "x.html",
        "x.htm",
        "x.xhtml",
        "x.svg",
        "x.svgz",
        "x.js",
        "x.mjs",
        "x.css",
        "x.xml",
        "x.xsl",
        "x.swf",
    ):
        served, _ = served_type(guess_type(name))
        assert served in ("text/plain; charset=utf-8", "application/octet-stream"), name


@pytest.mark.parametrize(
    ("query", "attachment", "kind"),
    [
        ("", False, "inline"),
        ("download=1", False, "attachment"),
        ("download=", False, "inline"),
        ("preview=1&download=true", False, "attachment"),
        ("name=download", False, "inline"),
        ("", True, "attachment"),
    ],
)
def test_download(
    store: LocalStore, pool: ThreadPoolExecutor, query: str, attachment: bool, kind: str
) -> None:
    got = get(store, pool, file=view(mimetype="text/plain"), query=query, attachment=attachment)
    assert got.headers["content-disposition"].startswith(f"{kind};")


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("x.csv", 'attachment; filename="x.csv"'),
        ("a b;c.txt", 'attachment; filename="a b;c.txt"'),
        ("näme.txt", "attachment; filename=\"name.txt\"; filename*=UTF-8''n%C3%A4me.txt"),
        ("數據.csv", "attachment; filename=\"file.csv\"; filename*=UTF-8''%E6%95%B8%E6%93%9A.csv"),
        ('a"b\\c%20.txt', "attachment; filename=\"a_b_c_20.txt\"; filename*=UTF-8''a%22b%5Cc%2520.txt"),
        ("\u202egpj.exe", "attachment; filename=\"gpj.exe\"; filename*=UTF-8''%E2%80%AEgpj.exe"),
    ],
)
def test_file_names_in_headers(name: str, header: str) -> None:
    assert content_disposition(name, attachment=True) == header


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_file_name_makes_one_clean_header(name: str) -> None:
    header = content_disposition(name, attachment=True)
    assert header.isascii()
    assert header.isprintable()
    assert re.fullmatch(r'attachment; filename="[^"\\%]+"(; filename\*=UTF-8\'\'[\w.~%-]+)?', header)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x.csv", "text/csv"),
        ("folder.csv/x", "application/octet-stream"),
        ("X.PNG", "image/png"),
        ("x.json", "application/json"),
        ("x.tar.gz", "application/gzip"),
        ("x.csv.bz2", "application/x-bzip2"),
        ("x.pdf", "application/pdf"),
        ("x.nc", "application/x-netcdf"),
        ("data:text/html,x", "application/octet-stream"),
        ("x", "application/octet-stream"),
        (".csv", "text/csv"),
        ("x.", "application/octet-stream"),
        ("x.unheardof", "application/octet-stream"),
    ],
)
def test_types_are_guessed_from_names(name: str, kind: str) -> None:
    assert guess_type(name) == kind


def test_servers_that_send_files_themselves(store: LocalStore, pool: ThreadPoolExecutor) -> None:
    offered: dict[str, Any] = {"http.response.pathsend": {}}
    got = get(store, pool, extensions=offered)
    assert got.path == str(store.path("00/content"))
    assert got.headers["content-length"] == str(len(CONTENT))
    assert got.pieces == []
    part = get(store, pool, extensions=offered, range="bytes=5-")
    assert (part.path, part.body) == (None, CONTENT[5:])
    store.delete("00/content")
    with pytest.raises(Unavailable, match="missing"):
        get(store, pool, extensions=offered)


def test_nginx_sends_the_file(store: LocalStore, pool: ThreadPoolExecutor) -> None:
    got = get(store, pool, accel="/internal/", range="bytes=5-")
    assert got.headers["x-accel-redirect"] == "/internal/00/content"
    assert got.body == b""
    assert "x-accel-redirect" not in get(store, pool, "HEAD", accel="/internal").headers


def test_bytes_that_are_missing_are_the_server_s_trouble(store: LocalStore, pool: ThreadPoolExecutor) -> None:
    store.delete("00/content")
    with pytest.raises(Unavailable, match="missing"):
        get(store, pool)


def test_a_file_that_shrank_is_cut_and_not_ended(store: LocalStore, pool: ThreadPoolExecutor) -> None:
    store.put("00/content", CONTENT[:-1])
    sent: list[dict[str, Any]] = []

    def handler(request: Request) -> Response:
        return file_response(request, view(), store, attachment=False, public=True, pool=pool)

    with pytest.raises(Unavailable, match="another number of bytes"):
        asyncio.run(ask(handler, on_send=lambda message: sent.append(dict(message))))
    assert sent[-1]["more_body"]


class Counting(LocalStore):
    """A store that says what is open."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.opened: list[Any] = []

    def read(self, location: str, start: int = 0, stop: int | None = None) -> Any:
        blocks: Blocks = super().read(location, start, stop)
        self.opened.append(blocks)
        return blocks


def test_who_goes_away_ends_the_reading(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    store = Counting(tmp_path / "files")
    store.put("00/content", bytes(50 * BLOCK))

    def handler(request: Request) -> Response:
        file = view(bytes(50 * BLOCK))
        return file_response(request, file, store, attachment=False, public=True, pool=pool)

    got = asyncio.run(ask(handler, gone_after=3))
    assert len(got.pieces) <= 5
    assert not got.ended
    pool.shutdown()  # a read may have been under way
    (blocks,) = store.opened
    assert next(blocks, None) is None, "the file is closed"


def test_a_cancelled_answer_closes_its_file(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    store = Counting(tmp_path / "files")
    store.put("00/content", CONTENT)

    def handler(request: Request) -> Response:
        return file_response(request, view(), store, attachment=False, public=True, pool=pool)

    def cut(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(ask(handler, on_send=cut))
    pool.shutdown()
    (blocks,) = store.opened
    assert next(blocks, None) is None


def test_a_body_that_breaks_off_is_incomplete() -> None:
    messages = [
        {"type": "http.request", "body": b"one", "more_body": True},
        {"type": "http.request", "body": b"", "more_body": True},
        {"type": "http.request", "body": b"two", "more_body": True},
    ]

    async def run(last: dict[str, Any]) -> list[bytes]:
        queue = iter([*messages, last])

        async def receive() -> dict[str, Any]:
            return next(queue)

        request = Request({"type": "http", "method": "PUT", "headers": []}, receive)
        return [chunk async for chunk in body_of(request, 30)]

    assert asyncio.run(run({"type": "http.request", "body": b"", "more_body": False})) == [b"one", b"two"]
    with pytest.raises(Incomplete, match="connection broke"):
        asyncio.run(run({"type": "http.disconnect"}))
