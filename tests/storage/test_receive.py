"""Receiving: back-pressure, silence, breaking off, limits, and the digests that clients announce."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.errors import Incomplete, Malformed, TooLarge, Unavailable
from strongroom.storage import BLOCK, new_location
from strongroom.storage.base import Block
from strongroom.storage.local import LocalStore
from strongroom.storage.receive import Digests, digests_from, receive


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "files")


async def chunks_of(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def leftovers(store: LocalStore) -> list[str]:
    return [entry.location for entry in store.list()]


@pytest.mark.parametrize(
    ("sizes", "options", "error", "message"),
    [
        ([10, 10], {"expected_size": 21}, Incomplete, "File is smaller than expected."),
        ([10, 10], {"expected_size": 19}, Incomplete, "File is bigger than expected."),
        ([10, 10], {"max_size": 19}, TooLarge, "File size limit exceeded."),
        ([10, 10], {"max_size": 19, "expected_size": 20}, TooLarge, "File size limit exceeded."),
        ([10, 10], {"max_size": 30, "expected_size": 19}, Incomplete, "File is bigger than expected."),
        ([], {"expected_size": 1}, Incomplete, "File is smaller than expected."),
        ([BLOCK] * 5, {"max_size": 2 * BLOCK}, TooLarge, "File size limit exceeded."),
        ([BLOCK] * 5, {"expected_size": 6 * BLOCK}, Incomplete, "File is smaller than expected."),
    ],
)
def test_other_sizes_than_announced_are_refused(
    store: LocalStore,
    pool: ThreadPoolExecutor,
    sizes: list[int],
    options: dict[str, int],
    error: type[Exception],
    message: str,
) -> None:
    sink = store.create(new_location())
    with pytest.raises(error) as caught:
        asyncio.run(
            receive(
                chunks_of(*(bytes(size) for size in sizes)),
                sink,
                pool=pool,
                idle_timeout=10,
                expected_size=options.get("expected_size"),
                max_size=options.get("max_size"),
            )
        )
    assert str(caught.value) == message
    assert leftovers(store) == []


@pytest.mark.parametrize("size", [10, 3 * BLOCK])
def test_a_digest_that_differs_is_refused(store: LocalStore, pool: ThreadPoolExecutor, size: int) -> None:
    content = os.urandom(size)
    good = {"md5": hashlib.md5(content).digest(), "sha256": hashlib.sha256(content).digest()}
    for name in good:
        bad = {**good, name: bytes(len(good[name]))}
        with pytest.raises(Incomplete, match=f"have the {name} {good[name].hex()}, not 0000"):
            asyncio.run(
                receive(
                    chunks_of(content),
                    store.create(new_location()),
                    pool=pool,
                    idle_timeout=10,
                    digests_wanted=bad,
                )
            )
    assert leftovers(store) == []
    received = asyncio.run(
        receive(
            chunks_of(content),
            store.create(new_location()),
            pool=pool,
            idle_timeout=10,
            digests_wanted=good,
        )
    )
    assert received.size == size


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 3 * BLOCK), max_size=8))
def test_chunks_of_any_size_arrive_in_order(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    store = LocalStore(tmp_path_factory.mktemp("files"))
    noise = os.urandom(3 * BLOCK)
    chunks = [noise[:size] for size in sizes]
    location = new_location()
    progress: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        received = asyncio.run(
            receive(
                chunks_of(*chunks),
                store.create(location),
                pool=pool,
                idle_timeout=10,
                on_progress=progress.append,
            )
        )
    content = b"".join(chunks)
    assert received.md5 == hashlib.md5(content).hexdigest()
    assert store.get(location) == content
    assert progress == [BLOCK * (number + 1) for number in range(len(content) // BLOCK)]


def test_a_silent_client_is_given_up(store: LocalStore, pool: ThreadPoolExecutor) -> None:
    async def silent() -> AsyncIterator[bytes]:
        yield bytes(BLOCK + 1)
        await asyncio.sleep(600)

    with pytest.raises(Incomplete, match=r"No byte came for 0\.1 seconds"):
        asyncio.run(receive(silent(), store.create(new_location()), pool=pool, idle_timeout=0.1))
    assert leftovers(store) == []


class SlowSink:
    """A disk that takes its time, and counts."""

    def __init__(self, seconds: float = 0, fail: Exception | None = None) -> None:
        self.seconds, self.fail = seconds, fail
        self.writing = threading.Event()
        self.active = False
        self.calls: list[str] = []

    def write(self, block: Block) -> None:
        self.active = True
        self.writing.set()
        time.sleep(self.seconds)
        self.active = False
        self.calls.append("write")
        if self.fail:
            raise self.fail

    def finish(self) -> None:
        self.calls.append("finish")

    def abort(self) -> None:
        assert not self.active, "aborted while a thread was writing"
        self.calls.append("abort")


def test_a_slow_disk_is_not_the_client_s_silence(pool: ThreadPoolExecutor) -> None:
    sink = SlowSink(0.5)
    asyncio.run(receive(chunks_of(*[bytes(BLOCK)] * 3), sink, pool=pool, idle_timeout=0.3))
    assert sink.calls == ["write", "write", "write", "finish"]


def test_a_slow_disk_slows_the_client(pool: ThreadPoolExecutor) -> None:
    sink = SlowSink(0.02)
    ahead: list[int] = []

    async def eager() -> AsyncIterator[bytes]:
        for number in range(1, 20):
            yield bytes(BLOCK)
            ahead.append(number - len(sink.calls))

    asyncio.run(receive(eager(), sink, pool=pool, idle_timeout=10))
    assert max(ahead) <= 2  # one with the threads, one gathered


def test_breaking_off_waits_for_the_threads(pool: ThreadPoolExecutor) -> None:
    sink = SlowSink(0.2)

    async def run() -> None:
        async def endless() -> AsyncIterator[bytes]:
            yield bytes(BLOCK)
            await asyncio.sleep(600)

        task = asyncio.ensure_future(receive(endless(), sink, pool=pool, idle_timeout=600))
        await asyncio.to_thread(sink.writing.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert sink.calls == ["write", "abort"]


@pytest.mark.parametrize("size", [10, 3 * BLOCK])
def test_what_the_store_raises_comes_through(pool: ThreadPoolExecutor, size: int) -> None:
    sink = SlowSink(fail=Unavailable("broken"))
    with pytest.raises(Unavailable, match="broken"):
        asyncio.run(receive(chunks_of(bytes(size)), sink, pool=pool, idle_timeout=10))
    assert sink.calls[-1] == "abort"
    assert "finish" not in sink.calls


def test_what_the_source_raises_comes_through(store: LocalStore, pool: ThreadPoolExecutor) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield bytes(2 * BLOCK)
        raise Incomplete("the connection broke")

    with pytest.raises(Incomplete, match="the connection broke"):
        asyncio.run(receive(broken(), store.create(new_location()), pool=pool, idle_timeout=10))
    assert leftovers(store) == []


def test_many_uploads_share_two_threads(store: LocalStore, pool: ThreadPoolExecutor) -> None:
    content = os.urandom(2 * BLOCK + 17)

    async def run() -> None:
        results = await asyncio.gather(
            *(
                receive(chunks_of(content), store.create(new_location()), pool=pool, idle_timeout=10)
                for _ in range(20)
            )
        )
        assert {result.sha256 for result in results} == {hashlib.sha256(content).hexdigest()}

    asyncio.run(run())
    assert len(leftovers(store)) == 20


def test_digests_agree_with_receive() -> None:
    digests = Digests()
    digests.update(b"ab")
    digests.update(b"c")
    received = digests.received()
    assert received.md5 == "900150983cd24fb0d6963f7d28e17f72"
    assert received.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert received.crc32 == 0x352441C2
    assert received.size == 3


MD5 = hashlib.md5(b"x").digest()
SHA = hashlib.sha256(b"x").digest()
MD5_64 = base64.b64encode(MD5).decode()
SHA_64 = base64.b64encode(SHA).decode()


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, {}),
        ({"content-md5": MD5_64}, {"md5": MD5}),
        ({"content-md5": MD5.hex()}, {"md5": MD5}),
        ({"content-md5": MD5.hex().upper()}, {"md5": MD5}),
        ({"digest": f"SHA-256={SHA_64}, md5={MD5_64}"}, {"sha256": SHA, "md5": MD5}),
        ({"digest": f"unixsum=30637,sha-256={SHA.hex()}"}, {"sha256": SHA}),
        ({"repr-digest": f"sha-256=:{SHA_64}:"}, {"sha256": SHA}),
        ({"repr-digest": f'sha-512=:AAAA:, crc=?1, sha-256=:{SHA_64}:;a="b"'}, {"sha256": SHA}),
        ({"content-digest": f"md5=:{MD5_64}:", "digest": f"md5={MD5_64}"}, {"md5": MD5}),
        ({"repr-digest": "", "content-md5": ""}, {}),
    ],
)
def test_announced_digests_are_understood(headers: dict[str, str], found: dict[str, bytes]) -> None:
    assert digests_from(headers) == found


@pytest.mark.parametrize(
    "headers",
    [
        {"content-md5": "nonsense"},
        {"content-md5": SHA_64},
        {"digest": "sha-256=%%%"},
        {"digest": "md5"},
        {"repr-digest": f"sha-256={SHA_64}"},
        {"repr-digest": "sha-256=::"},
        {"content-md5": MD5_64, "digest": f"md5={base64.b64encode(bytes(16)).decode()}"},
    ],
)
def test_announced_digests_that_can_t_be_read_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Malformed, match=r"digest|contradicts"):
        digests_from(headers)
