"""A bound for work that must not grow with the square of what is sent: far above what it takes, far below what it took."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ends(within: float = 20.0) -> Iterator[None]:
    """Fails when the block has not ended after so many seconds. In the main thread only (signal.setitimer)."""

    def late(*_: object) -> None:
        raise AssertionError(f"not done within {within} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, within)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
