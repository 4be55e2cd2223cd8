"""The web server around the application: granian, one process or several."""

from __future__ import annotations

from strongroom.settings import Settings


def run(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM: running requests get time to finish, then everything is closed."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings

    server = Granian(
        "strongroom.app:create",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
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
