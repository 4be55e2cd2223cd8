"""The web server around the application: granian, one process or several."""

from __future__ import annotations

from strongroom.settings import Settings


def run(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM: running requests get time to finish, then everything is closed."""
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
        workers_kill_timeout=30,
        respawn_failed_workers=True,
        log_enabled=True,
        process_name=None,
        websockets=False,
    )
    server.serve()
