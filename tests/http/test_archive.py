"""The zip of a record: read by every program that people have, and equal to its own announcements."""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import random
import shutil
import subprocess
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.errors import Unavailable
from strongroom.http.archive import Archive, archive_response
from strongroom.storage.base import BLOCK
from strongroom.storage.local import LocalStore
from tests.http.asgi import Answer, ask

CREATED = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


@dataclass(frozen=True)
class File:
    key: str
    size: int
    crc32: int
    sha256: str
    location: str


def stored(store: LocalStore, content: dict[str, bytes]) -> list[File]:
    files = []
    for number, (key, data) in enumerate(content.items()):
        store.put(f"00/{number}", data)
        files.append(File(key, len(data), zlib.crc32(data), sha256(data).hexdigest(), f"00/{number}"))
    return files


CONTENT = {
    "readme.txt": b"hello",
    "data/ä ö/ΔΨ.csv": b"a,b\n" * 1000,
    "data/empty": b"",
    "data/big.bin": os.urandom(2 * BLOCK + 17),
    "back\\slash": b"x",
    "folder/" * 140 + "long path.txt": b"x",
}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "files")


@pytest.fixture
def archive(store: LocalStore) -> Archive:
    files = stored(store, CONTENT)
    return Archive.plan(lambda: files, CREATED)


def test_python_reads_it(archive: Archive, store: LocalStore) -> None:
    data = b"".join(archive.blocks(store))
    assert len(data) == archive.length
    with zipfile.ZipFile(io.BytesIO(data)) as read:
        assert read.testzip() is None
        names = [key.replace("\\", "%5C") for key in CONTENT]
        assert read.namelist() == names
        assert [read.read(name) for name in names] == list(CONTENT.values())
        for info in read.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (2024, 5, 6, 7, 8, 8)
            assert not info.flag_bits & 8, "sizes and checksum stand before the data"
            assert info.flag_bits & 0x800
            assert info.external_attr >> 16 == 0o100644


def test_bsdtar_reads_it_from_a_pipe(archive: Archive, store: LocalStore, tmp_path: Path) -> None:
    if not shutil.which("bsdtar"):
        pytest.skip("bsdtar is not installed (Debian: libarchive-tools)")
    data = b"".join(archive.blocks(store))
    (tmp_path / "out").mkdir()
    subprocess.run(
        ["bsdtar", "-xf", "-", "-C", tmp_path / "out"],
        input=data,
        check=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    for key, content in CONTENT.items():
        assert (tmp_path / "out" / key.replace("\\", "%5C")).read_bytes() == content


def test_unzip_finds_no_fault(archive: Archive, store: LocalStore, tmp_path: Path) -> None:
    if not shutil.which("unzip"):
        pytest.skip("unzip is not installed")
    (tmp_path / "x.zip").write_bytes(b"".join(archive.blocks(store)))
    done = subprocess.run(["unzip", "-t", tmp_path / "x.zip"], capture_output=True, text=True, check=True)
    assert "No errors detected" in done.stdout


def test_an_empty_record_is_an_empty_zip(store: LocalStore) -> None:
    data = b"".join(Archive.plan(list, CREATED).blocks(store))
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == []


def test_the_same_record_gives_the_same_bytes(archive: Archive, store: LocalStore) -> None:
    files = list(archive.members())
    abroad = CREATED.astimezone(timezone(timedelta(hours=9)))
    again = Archive.plan(lambda: files, abroad)
    assert again.digest == archive.digest
    assert b"".join(again.blocks(store)) == b"".join(archive.blocks(store))
    other = Archive.plan(lambda: files[:-1], CREATED)
    later = Archive.plan(lambda: files, CREATED + timedelta(days=1))
    assert len({archive.digest, other.digest, later.digest}) == 3


@pytest.mark.parametrize("year", [1970, 1980, 2107, 2108])
def test_times_that_the_format_does_not_know(store: LocalStore, year: int) -> None:
    files = stored(store, {"a": b"x"})
    archive = Archive.plan(lambda: files, CREATED.replace(year=year))
    (info,) = zipfile.ZipFile(io.BytesIO(b"".join(archive.blocks(store)))).infolist()
    assert info.date_time[0] == min(max(year, 1980), 2107)


def test_any_part_is_the_same_part(archive: Archive, store: LocalStore) -> None:
    whole = b"".join(archive.blocks(store))
    chance = random.Random(1)
    cuts = [
        (0, 1),
        (0, 0),
        (29, 31),
        (archive.length - 1, archive.length),
        (archive.directory_at, archive.length),
    ]
    cuts += [tuple(sorted(chance.choices(range(archive.length + 1), k=2))) for _ in range(60)]  # type: ignore[misc]
    for start, stop in cuts:
        assert b"".join(archive.blocks(store, start, stop)) == whole[start:stop], (start, stop)


NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=20
)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=200), max_size=20), st.integers(0), st.integers(0))
def test_any_files(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, bytes], one: int, two: int
) -> None:
    store = LocalStore(tmp_path_factory.mktemp("files"))
    files = stored(store, content)
    archive = Archive.plan(lambda: files, CREATED)
    whole = b"".join(archive.blocks(store))
    assert len(whole) == archive.length
    start, stop = sorted((one % (len(whole) + 1), two % (len(whole) + 1)))
    assert b"".join(archive.blocks(store, start, stop)) == whole[start:stop]
    read = zipfile.ZipFile(io.BytesIO(whole))
    assert read.testzip() is None
    assert [info.file_size for info in read.infolist()] == [len(data) for data in content.values()]


def sparse(store: LocalStore, location: str, size: int) -> None:
    path = store.path(location)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


def test_files_and_archives_over_4_gib(store: LocalStore, tmp_path: Path) -> None:
    """Sparse files: the heads and the end are checked, the zeros between are not read."""
    large = (4 << 30) + 5
    sparse(store, "00/large", large)
    sparse(store, "00/most", (4 << 30) - 1)
    store.put("00/small", b"hello")
    files = [
        File("small before", 5, zlib.crc32(b"hello"), "s", "00/small"),
        File("large", large, 1, "l", "00/large"),
        File("small after", 5, zlib.crc32(b"hello"), "s", "00/small"),
        # The last: after a file of just this size unzip 6.00 misreads the next one.
        File("just 64 bits", (4 << 30) - 1, 2, "m", "00/most"),
    ]
    archive = Archive.plan(lambda: files, CREATED)
    # A copy with holes in place of the large files, at the offsets that the archive says.
    with (tmp_path / "x.zip").open("wb") as copy:
        at = 0
        for file in files:
            head = 30 + len(file.key) + (20 if file.size >= 0xFFFFFFFF else 0)
            length = head + (file.size if file.size == 5 else 0)
            copy.seek(at)
            copy.write(b"".join(archive.blocks(store, at, at + length)))
            at += head + file.size
        assert at == archive.directory_at
        copy.seek(at)
        copy.write(b"".join(archive.blocks(store, at)))
        assert copy.tell() == archive.length
    with zipfile.ZipFile(tmp_path / "x.zip") as read:
        assert [(info.filename, info.file_size) for info in read.infolist()] == [
            (file.key, file.size) for file in files
        ]
        assert read.read("small before") == read.read("small after") == b"hello"
    # Other readers check more: the extra fields in the heads, and the end in both sizes.
    if shutil.which("unzip"):
        done = subprocess.run(
            ["unzip", "-p", tmp_path / "x.zip", "small after"], capture_output=True, check=True
        )
        assert done.stdout == b"hello"


def test_70_000_files_in_flat_memory(store: LocalStore) -> None:
    store.put("00/one", b"x" * 100)
    file = File("folder/00000.txt", 100, zlib.crc32(b"x" * 100), "s", "00/one")

    def members() -> Iterator[File]:
        return itertools.repeat(file, 70_000)  # one is enough: what the archive keeps of them would add up

    archive = Archive.plan(members, CREATED)
    assert archive.count == 70_000
    tracemalloc.start()
    length = 0
    tail = b""
    # The last 2,000 files, and the directory with its 70,000 entries.
    start = archive.directory_at - 2_000 * (30 + 16 + 100)
    for block in archive.blocks(store, start):
        length += len(block)
        tail = (tail + block)[-(1 << 20) :]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert length == archive.length - start
    assert peak < 16 << 20
    assert b"PK\6\6" in tail[-200:], "more than 65,535 files need the large end"


def test_a_file_that_shrank_is_an_error_and_no_padding(store: LocalStore) -> None:
    files = stored(store, {"a": bytes(1000)})
    archive = Archive.plan(lambda: files, CREATED)
    store.put("00/0", bytes(999))
    with pytest.raises(Unavailable, match="another number of bytes"):
        list(archive.blocks(store))
    store.delete("00/0")
    with pytest.raises(Unavailable, match="missing"):
        list(archive.blocks(store))


def answer(archive: Archive, store: LocalStore, method: str = "GET", **headers: str) -> Answer:
    with ThreadPoolExecutor(2) as pool:
        return asyncio.run(
            ask(
                lambda request: archive_response(
                    request, archive, store, filename="12345.zip", public=True, pool=pool
                ),
                method,
                headers,
            )
        )


def test_the_answer(archive: Archive, store: LocalStore) -> None:
    whole = b"".join(archive.blocks(store))
    got = answer(archive, store)
    assert got.status == 200
    assert got.body == whole
    assert got.headers["content-length"] == str(len(whole))
    assert got.headers["content-type"] == "application/zip"
    assert got.headers["content-disposition"] == 'attachment; filename="12345.zip"'
    assert got.headers["last-modified"] == "Mon, 06 May 2024 07:08:09 GMT"
    etag = got.headers["etag"]
    assert etag == f'"zip:{archive.digest}"'

    head = answer(archive, store, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers == got.headers

    same = answer(archive, store, **{"if-none-match": etag})
    assert (same.status, same.body) == (304, b"")

    rest = answer(archive, store, range="bytes=1000000-", **{"if-range": etag})
    assert rest.status == 206
    assert rest.headers["content-range"] == f"bytes 1000000-{len(whole) - 1}/{len(whole)}"
    assert rest.body == whole[1000000:]
