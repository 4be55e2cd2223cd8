"""Digests of large files that come in parts: the contiguous beginning is hashed while later parts arrive.

md5 and sha256 need the bytes in order. What this process hashed so far of a file it keeps in memory, by the file's
location; after a restart (or in another process) it begins anew and reads the bytes again. A state belongs to an
*epoch* of the upload, which grows whenever received bytes are about to be written over: a state of an older epoch
is worth nothing.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from strongroom.storage.base import Blocks
from strongroom.storage.receive import Digests

log = logging.getLogger(__name__)

KEPT = 1000
LOOK_SECONDS = 0.5


class _State:
    __slots__ = ("digests", "epoch", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.epoch = -1
        self.digests = Digests()


_states: OrderedDict[str, _State] = OrderedDict()
_guard = threading.Lock()
# md5 takes longer than the rest together: it runs beside it.
_beside = ThreadPoolExecutor(1, "md5")


def hashed(location: str, epoch: int) -> int:
    """Bytes of the file that this process has hashed."""
    with _guard:
        state = _states.get(location)
    return state.digests.size if state is not None and state.epoch == epoch else 0


def forget(location: str) -> None:
    with _guard:
        _states.pop(location, None)


def advance(
    location: str,
    epoch: int,
    opened: Callable[[int], Blocks],
    stop: int,
    *,
    until: float | None = None,
) -> Digests:
    """Hash on up to byte `stop`, or until `time.monotonic()` passes `until`; how far it got is `size` of the result.

    `opened(start)` gives the bytes from there on. One thread at a time works on a file, others wait.
    """
    with _guard:
        state = _states.setdefault(location, _State())
        _states.move_to_end(location)
        while len(_states) > KEPT:
            _states.popitem(last=False)
    with state.lock:
        if state.epoch != epoch:
            state.epoch, state.digests = epoch, Digests()
        digests = state.digests
        if digests.size >= stop:
            return digests
        with closing(opened(digests.size)) as blocks:
            for block in blocks:
                piece = memoryview(block)[: stop - digests.size]
                beside = _beside.submit(digests.md5.update, piece)
                try:
                    digests.update_rest(piece)
                finally:
                    beside.result()
                if digests.size >= stop or (until is not None and time.monotonic() > until):
                    break
        return digests


class Ahead:
    """A thread that does what is asked of it, each thing once at a time, and looks again after what it watches.

    `step(name)` of a watched thing returns whether to go on watching. The thread starts when first needed.
    """

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[tuple[str, Callable[[], bool]]] = queue.SimpleQueue()
        self._waiting: set[str] = set()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None

    def ask(self, name: str, step: Callable[[], bool]) -> None:
        with self._guard:
            if name in self._waiting:
                return
            self._waiting.add(name)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hash-ahead", daemon=True)
                self._thread.start()
        self._asked.put((name, step))

    def _run(self) -> None:
        watched: dict[str, Callable[[], bool]] = {}
        while True:
            try:
                name, step = self._asked.get(timeout=LOOK_SECONDS if watched else None)
                due = {name: step}
            except queue.Empty:
                due = dict(watched)
            for name, step in due.items():
                with self._guard:
                    self._waiting.discard(name)
                try:
                    again = step()
                except Exception as error:  # a commit, a job or the next part finds out
                    log.info("hashing ahead stopped: %s", error)
                    again = False
                if again:
                    watched[name] = step
                else:
                    watched.pop(name, None)


ahead = Ahead()
