"""Every backend of every Protocol, ready for its suite."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from strongroom.storage import ObjectStore
from strongroom.storage.local import LocalStore
from strongroom.storage.s3 import S3Store
from tests import servers


@dataclass
class Place:
    """An empty store, and the way to see what it really keeps."""

    store: ObjectStore
    server: servers.S3Server | None = None
    bucket: str = ""

    def leftovers(self) -> list[str]:
        """Everything there, also what the store itself does not show."""
        shown = [entry.location for entry in self.store.list()]
        unfinished = self.server.unfinished_uploads(self.bucket) if self.server else []
        for _ in range(100):  # the server may still be calling off what it was told to
            if not unfinished or self.server is None:
                break
            time.sleep(0.1)
            unfinished = self.server.unfinished_uploads(self.bucket)
        return shown + unfinished


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "local":
        return Place(LocalStore(tmp_path / "data" / "files"))
    server: servers.S3Server = request.getfixturevalue("s3_server")
    bucket = server.fresh_bucket()
    store = S3Store(
        bucket,
        "some/folder",
        endpoint=server.url,
        access_key=servers.ACCESS_KEY,
        secret_key=servers.SECRET_KEY,
    )
    store.put("made/bucket", b"")  # before the first write there is no bucket to look at
    store.delete("made/bucket")
    return Place(store, server, bucket)


@pytest.fixture
def store(place: Place) -> ObjectStore:
    return place.store
