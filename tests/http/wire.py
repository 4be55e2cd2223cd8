"""HTTP as bytes on a socket: requests that no library would send, or not to their end."""

from __future__ import annotations

import contextlib
import socket
import struct
from dataclasses import dataclass, field

from tests.live import Server


@dataclass
class Answer:
    """One answer; `status` is 0 where none came."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class Wire:
    """One connection to a server."""

    def __init__(self, server: Server, *, timeout: float = 30, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", server.port))

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def head(self, verb: str, target: str, token: str = "", **headers: str | int) -> None:
        """Send the head of a request; `_` in a header's name stands for `-`."""
        lines = [f"{verb} {target} HTTP/1.1", "Host: localhost"]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def stop_sending(self) -> None:
        """Half a goodbye: nothing more comes, but the answer can still be read."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """The rudest end: RST, as from a machine that was switched off and on."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def answer(self) -> Answer:
        """Read one answer, its body by Content-Length or to the end."""
        data = b""
        with contextlib.suppress(ConnectionError):
            while b"\r\n\r\n" not in data:
                more = self.socket.recv(65536)
                if not more:
                    break
                data += more
                if data.startswith(b"HTTP/1.1 100"):
                    data = data.partition(b"\r\n\r\n")[2]
        head, end, body = data.partition(b"\r\n\r\n")
        if not end:
            return Answer()
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", -1))
        with contextlib.suppress(ConnectionError):
            while length < 0 or len(body) < length:
                more = self.socket.recv(65536)
                if not more:
                    break
                body += more
        return Answer(int(first.split()[1]), headers, body)
