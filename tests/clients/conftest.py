from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("clients") / "data")
    server.start()
    yield server
    assert server.stop() == 0
