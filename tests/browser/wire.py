"""The wire between a browser and a server, which a test may make slow, or cut.

Chromium's own emulation slows no uploads down and leaves alone what is on its way.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Wire:
    """Forwards connections to `port` of this machine. `rate`: bytes a second to the server, together; None: all it can."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.rate: float | None = None
        self._open: set[socket.socket] = set()
        self._left: int | None = None
        self._cut = False
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = threading.Thread(target=self._serve, daemon=True)
        self._server.start()

    def cut(self) -> None:
        """Every connection breaks, and new ones are refused."""
        with self._lock:
            self._cut = True
            for one in self._open:
                _end(one)

    def mend(self, rate: float | None = None, cut_after: int | None = None) -> None:
        """Connections work again, at this rate; with `cut_after` until so many bytes went to the server."""
        self.rate, self._left = rate, cut_after
        self._cut = False

    def close(self) -> None:
        self.cut()
        _end(self._listener)
        self._listener.close()
        for thread in (self._server, *self._threads):
            thread.join()

    def _serve(self) -> None:
        while True:
            try:
                browser, _ = self._listener.accept()
            except OSError:
                return
            if self._cut:
                browser.close()
                continue
            thread = threading.Thread(target=self._connect, args=(browser,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _connect(self, browser: socket.socket) -> None:
        with browser:
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            with server:
                with self._lock:
                    self._open |= {browser, server}
                back = threading.Thread(target=self._pump, args=(server, browser, False), daemon=True)
                back.start()
                self._pump(browser, server, True)
                back.join()
                with self._lock:
                    self._open -= {browser, server}

    def _is_over(self, count: int) -> bool:
        """Waits its turn for so many bytes; whether they are more than may still go."""
        with self._turn:
            if self.rate is not None:
                time.sleep(count / self.rate)
            if self._left is None:
                return False
            self._left -= count
            return self._left < 0

    def _pump(self, source: socket.socket, sink: socket.socket, slow: bool) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(1 << 16):
                if slow and self._is_over(len(block)):
                    self.cut()
                    break
                sink.sendall(block)
        # Both directions end together: HTTP here has no half of a connection.
        _end(source)
        _end(sink)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    wire = Wire(port)
    try:
        yield wire
    finally:
        wire.close()
