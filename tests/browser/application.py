"""The whole application behind a small local server, for a real browser: what it asks is answered in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from strongroom.settings import Settings
from tests.app import Site


@contextmanager
def serve(settings: Settings) -> Iterator[Site]:
    """A started site whose `settings.base_url` is the address of the server."""
    found: list[Site] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(size) if size else None
            asked = {name.lower(): value for name, value in self.headers.items()}
            said = found[0].ask(self.command, self.path, None, body, asked)
            self.send_response(said.status)
            for name, value in said.headers.items():
                if name != "content-length":
                    self.send_header(name, value)
            for cookie in said.cookies:
                self.send_header("Set-Cookie", cookie)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            try:
                self.wfile.write(said.body)
            except ConnectionError:  # a player goes on elsewhere in the file
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    address = f"http://127.0.0.1:{server.server_port}"
    found.append(Site(settings.model_copy(update={"base_url": address})).start())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        found[0].stop()
