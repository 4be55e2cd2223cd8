"""What every store does: the suite that each class of `strongroom.storage` passes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from strongroom.errors import Incomplete, NotFound
from strongroom.storage import BLOCK, ObjectStore, new_location
from strongroom.storage.receive import receive
from tests.contracts.conftest import Place

SIZES = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 21 * BLOCK + 7]  # the last goes to S3 in several parts


def data(size: int) -> bytes:
    return os.urandom(min(size, 1000)) * (size // 1000 + 1) if size > 1000 else os.urandom(size)


def written(store: ObjectStore, content: bytes, *, announced: bool = True) -> str:
    location = new_location()
    sink = store.create(location, len(content) if announced else None)
    for at in range(0, len(content), BLOCK):
        sink.write(content[at : at + BLOCK])
    sink.finish()
    return location


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("announced", [True, False])
def test_what_is_written_is_read_back(store: ObjectStore, size: int, announced: bool) -> None:
    content = data(size)[:size]
    location = written(store, content, announced=announced)
    blocks = list(store.read(location))
    assert b"".join(blocks) == content
    assert all(type(block) is bytes and 0 < len(block) <= BLOCK for block in blocks)
    (entry,) = store.list()
    assert (entry.location, entry.size) == (location, size)
    assert abs(datetime.now(UTC) - entry.modified) < timedelta(minutes=5)
    if path := store.path(location):
        assert path.read_bytes() == content


def test_parts_are_read_by_their_offsets(store: ObjectStore) -> None:
    content = os.urandom(3 * BLOCK + 5)
    location = written(store, content)
    for start, stop in [
        (0, 1),
        (5, BLOCK),
        (BLOCK - 1, BLOCK + 1),
        (7, len(content)),
        (len(content) - 1, len(content)),
    ]:
        assert b"".join(store.read(location, start, stop)) == content[start:stop]
    assert b"".join(store.read(location, 10)) == content[10:]
    assert b"".join(store.read(location, 5, 5)) == b""


def test_a_reader_may_stop_early_and_close_twice(store: ObjectStore) -> None:
    location = written(store, os.urandom(4 * BLOCK))
    before = len(os.listdir("/proc/self/fd"))
    blocks = store.read(location)
    next(blocks)
    blocks.close()
    blocks.close()
    assert next(blocks, None) is None
    store.read(location).close()
    if store.name == "local":
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("size", [0, 10, 3 * BLOCK, 40 * BLOCK])
def test_nothing_is_there_before_the_end_nor_after_giving_up(place: Place, size: int) -> None:
    location = new_location()
    sink = place.store.create(location, None)
    for _ in range(size // BLOCK or 1):
        sink.write(bytes(min(size, BLOCK)))
    with pytest.raises(NotFound):
        place.store.read(location)
    sink.abort()
    assert place.leftovers() == []
    sink.abort()


@pytest.mark.parametrize("size", [10, 20 * BLOCK])
def test_giving_up_after_the_end_leaves_nothing_either(place: Place, size: int) -> None:
    location = new_location()
    sink = place.store.create(location, size)
    for _ in range(size // BLOCK or 1):
        sink.write(bytes(min(size, BLOCK)))
    sink.finish()
    sink.abort()
    assert place.leftovers() == []


def test_a_sink_never_used_leaves_nothing_and_removes_nothing(place: Place) -> None:
    location = written(place.store, b"already here")
    place.store.create(location).abort()
    place.store.create(new_location()).abort()
    assert place.leftovers() == [location]


def test_a_sink_keeps_nothing_of_the_memory_it_is_given(store: ObjectStore) -> None:
    location = new_location()
    sink = store.create(location)
    buffer = bytearray(BLOCK)
    for number in range(20):
        buffer[:] = bytes([number]) * BLOCK
        sink.write(memoryview(buffer))
    sink.finish()
    assert b"".join(store.read(location)) == b"".join(bytes([number]) * BLOCK for number in range(20))


def test_delete(store: ObjectStore) -> None:
    location = written(store, b"x")
    store.delete(location)
    store.delete(location)
    store.delete(new_location())
    with pytest.raises(NotFound):
        store.get(location)
    assert list(store.list()) == []


def test_small_things_are_put_whole_and_replaced(store: ObjectStore) -> None:
    with pytest.raises(NotFound):
        store.get("manifests/1.json")
    store.put("manifests/1.json", b"one")
    store.put("manifests/1.json", b"the second, which is longer")
    assert store.get("manifests/1.json") == b"the second, which is longer"
    store.put("manifests/1.json", b"")
    assert store.get("manifests/1.json") == b""
    assert [entry.location for entry in store.list()] == ["manifests/1.json"]


def test_a_list_is_of_a_folder_and_all_below(store: ObjectStore) -> None:
    for location in ("a/1", "a/b/2", "ab/3", "c"):
        store.put(location, b"x")
    everything = ["a/1", "a/b/2", "ab/3", "c"]
    assert sorted(entry.location for entry in store.list()) == everything
    for prefix in ("a", "a/"):
        assert sorted(entry.location for entry in store.list(prefix)) == ["a/1", "a/b/2"]
    assert list(store.list("nothing/here")) == []


@pytest.mark.parametrize(
    "location", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".hidden", "ä", "a\n"]
)
def test_what_is_no_location_goes_nowhere(store: ObjectStore, location: str) -> None:
    for call in (store.create, store.read, store.get, store.delete):
        with pytest.raises(ValueError, match="not a location"):
            call(location)
    with pytest.raises(ValueError, match="not a location"):
        store.put(location, b"x")


def test_free_space_is_a_number_or_unknown(store: ObjectStore) -> None:
    free = store.free()
    assert free is None or free > 0


def test_locations_are_all_different() -> None:
    assert len({new_location() for _ in range(1000)}) == 1000


async def in_chunks(content: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]
        await asyncio.sleep(0)


@pytest.mark.parametrize("size", SIZES)
def test_receive_stores_and_hashes(store: ObjectStore, size: int) -> None:
    content = data(size)[:size]
    location = new_location()
    with ThreadPoolExecutor(2) as pool:
        received = asyncio.run(
            receive(in_chunks(content, 100_003), store.create(location, size), pool=pool, idle_timeout=10)
        )
    assert received.size == size
    assert received.md5 == hashlib.md5(content).hexdigest()
    assert received.sha256 == hashlib.sha256(content).hexdigest()
    assert received.crc32 == zlib.crc32(content)
    assert b"".join(store.read(location)) == content


@pytest.mark.parametrize("size", [100, 20 * BLOCK])
def test_receive_leaves_nothing_of_what_came_short(place: Place, size: int) -> None:
    sink = place.store.create(new_location(), size + 1)
    with ThreadPoolExecutor(2) as pool, pytest.raises(Incomplete, match="smaller than expected"):
        asyncio.run(
            receive(in_chunks(bytes(size), 300_000), sink, pool=pool, expected_size=size + 1, idle_timeout=10)
        )
    assert place.leftovers() == []
