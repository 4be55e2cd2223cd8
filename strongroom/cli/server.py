"""The web server around the application: granian, one process or several."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

from strongroom.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_PDEATHSIG = 1  # PR_SET_PDEATHSIG


def run(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM: running requests get time to finish, then what still runs is cut (it leaves nothing
    half: that is the same as `kill -9`), and everything is closed."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings

    server = Granian(
        "strongroom.app:create",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        # Not HTTP/2 without TLS: a stream that is reset with NO_ERROR in the middle of a body looks complete,
        # and the time limits below know HTTP/1 only. Whoever stands in front may speak it to the world.
        http=HTTPModes.http1,
        workers=workers,
        runtime_threads=1,
        backpressure=1000,
        http1_settings=HTTP1Settings(header_read_timeout=int(settings.header_timeout * 1000)),
        workers_kill_timeout=settings.stop_timeout,
        respawn_failed_workers=True,
        log_enabled=True,
        process_name=None,
        websockets=False,
    )
    # granian's own handlers are inherited by a worker and lose a SIGTERM that comes before it has its own.
    os.register_at_fork(after_in_child=_default_signals)
    server.serve(target_loader=partial(_load, settings, os.getpid()), wrap_loader=False)


def _default_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def _load(settings: Settings, parent: int) -> ASGIApp:
    """Called in each worker before all else."""
    _die_with(parent)
    # What is imported stays: looking through it for garbage is a fifth of the start, and a part of every full search later.
    gc.disable()
    from strongroom.app import create

    app = create(settings)
    gc.freeze()
    gc.enable()
    return app


def _die_with(parent: int) -> None:
    """End when the main process was killed: a worker that lives on would keep port, jobs and index to itself."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            sys.exit(1)
