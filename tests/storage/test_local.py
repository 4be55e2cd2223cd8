"""What only local files promise: durability in the right order, no leftovers, a clear word on a full disk."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from strongroom.errors import StorageFull, TooLarge, Unavailable
from strongroom.settings import Settings
from strongroom.storage import BLOCK, new_location, open_store
from strongroom.storage.local import LocalStore
from strongroom.storage.receive import receive
from strongroom.storage.s3 import S3Store


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True)
    if mount.returncode:
        pytest.skip("needs root, to mount a small file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("announced", [True, False])
def test_a_full_disk_is_told_and_left_clean(small_disk: Path, announced: bool) -> None:
    store = LocalStore(small_disk / "files")
    store.put("kept/before", b"x")
    size = 12 * BLOCK

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield os.urandom(BLOCK)

    sink = store.create(new_location(), size if announced else None)
    with ThreadPoolExecutor(2) as pool, pytest.raises(StorageFull, match="storage is full"):
        asyncio.run(receive(chunks(), sink, pool=pool, idle_timeout=10))
    assert files_in(small_disk) == ["before"]
    # The room came back: what fits goes in.
    sink = store.create(new_location(), 5 * BLOCK)
    for _ in range(5):
        sink.write(bytes(BLOCK))
    sink.finish()


def test_a_full_disk_leaves_the_old_manifest(small_disk: Path) -> None:
    store = LocalStore(small_disk)
    store.put("m/1.json", b"old")
    with pytest.raises(StorageFull):
        store.put("m/1.json", bytes(9 * BLOCK))
    assert store.get("m/1.json") == b"old"
    assert files_in(small_disk) == ["1.json"]


def test_room_reserved_for_a_long_upload_is_given_back(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    location = new_location()
    sink = store.create(location, 500 * BLOCK)
    for _ in range(3):
        sink.write(os.urandom(BLOCK))
    sink.finish()
    status = store.path(location).stat()
    assert status.st_size == 3 * BLOCK
    assert status.st_blocks * 512 < 5 * BLOCK


def test_a_file_system_with_a_size_limit(tmp_path: Path) -> None:
    script = f"""
        import resource, sys
        from pathlib import Path
        from strongroom.errors import TooLarge
        from strongroom.storage.local import LocalStore
        resource.setrlimit(resource.RLIMIT_FSIZE, ({BLOCK}, {BLOCK}))
        sink = LocalStore(Path(sys.argv[1])).create("ab/cd", None)
        try:
            for _ in range(3):
                sink.write(bytes({BLOCK}))
        except TooLarge as error:
            sink.abort()
            print(type(error).__name__, error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), tmp_path], capture_output=True, text=True, check=True
    )
    assert "takes no file as large" in done.stdout
    assert files_in(tmp_path) == []


def test_what_is_acknowledged_was_synced_before_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def spy_fsync(fd: int) -> None:
        fsync(fd)
        done.append(f"fsync {os.path.relpath(os.readlink(f'/proc/self/fd/{fd}'), tmp_path)}")

    def spy_rename(self: Path, target: Path) -> Path:
        done.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(Path, "rename", spy_rename)
    store = LocalStore(tmp_path / "files")
    sink = store.create("ab/abc")
    sink.write(b"x")
    sink.finish()
    assert done == ["fsync .", "fsync files", "fsync files/ab/abc.part", "rename", "fsync files/ab"]
    # The second file in the same folder finds the folders durable.
    done.clear()
    sink = store.create("ab/abd")
    sink.write(b"x")
    sink.finish()
    assert done == ["fsync files/ab/abd.part", "rename", "fsync files/ab"]


def test_what_a_killed_upload_left_shows_and_goes(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    location = new_location()
    store.create(location).write(b"x")
    assert [entry.location for entry in store.list()] == [location + ".part"]
    store.delete(location)
    assert files_in(tmp_path) == []


def test_a_broken_disk_is_unavailable_and_keeps_its_cause(tmp_path: Path) -> None:
    (tmp_path / "files").write_bytes(b"a file where the folder should be")
    sink = LocalStore(tmp_path / "files").create(new_location())
    with pytest.raises(Unavailable, match="storage failed") as caught:
        sink.write(b"x")
    assert isinstance(caught.value.__cause__, OSError)
    assert not isinstance(caught.value, TooLarge)
    assert str(tmp_path) not in str(caught.value)


def test_settings_choose_the_store(tmp_path: Path) -> None:
    local = open_store(Settings(data_dir=tmp_path))
    assert isinstance(local, LocalStore)
    assert local.root == tmp_path / "files"
    assert isinstance(open_store(Settings(data_dir=tmp_path, storage_url="s3://bucket/pre/fix")), S3Store)
    with pytest.raises(ValueError, match="s3://bucket"):
        open_store(Settings(data_dir=tmp_path, storage_url="gs://bucket"))


def test_an_s3_server_that_is_away_is_unavailable() -> None:
    store = S3Store("bucket", endpoint="http://127.0.0.1:1", access_key="a", secret_key="b")
    with pytest.raises(Unavailable, match="S3 storage failed"):
        store.get("a/b")
