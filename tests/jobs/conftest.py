"""Tasks of one test only, and waiting for what threads do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from strongroom.jobs.models import TASKS


@pytest.fixture(autouse=True)
def _own_tasks() -> Iterator[None]:
    """Each test starts with no tasks; those of the program come back afterwards."""
    kept = dict(TASKS)
    TASKS.clear()
    yield
    TASKS.clear()
    TASKS.update(kept)


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait until `true()` is; the limit only ends a test that hangs."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
