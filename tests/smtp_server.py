"""A mail server on this machine that keeps what it is sent, and can be told to refuse."""

from __future__ import annotations

import asyncio
import threading
from email import message_from_bytes
from email.message import Message


class SmtpServer:
    """Speaks enough of RFC 5321 for smtplib. `answers` are replies to RCPT by address, `250 OK` for all others."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.answers: dict[str, str] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smtp")
        self._thread.start()
        started = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(started, self._loop).result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")

        say("220 test")
        while line := (await reader.readline()).decode().strip():
            verb = line.partition(" ")[0].upper()
            if verb == "RCPT":
                address = line.partition("<")[2].partition(">")[0]
                say(self.answers.get(address, "250 OK"))
            elif verb == "DATA":
                say("354 go on")
                body = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append(message_from_bytes(body[:-3].replace(b"\r\n..", b"\r\n.")))
                say("250 OK")
            elif verb == "QUIT":
                say("221 bye")
                break
            else:
                say("250 OK")
        await writer.drain()
        writer.close()

    def stop(self) -> None:
        async def end() -> None:
            self._server.close()
            await asyncio.sleep(0.05)  # connections that were answered end by themselves

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def text_of(mail: Message) -> str:
    """Subject and body as a person reads them."""
    from email.header import decode_header, make_header

    body = mail.get_payload(decode=True)
    assert isinstance(body, bytes)
    return f"{make_header(decode_header(mail['Subject']))}\n\n{body.decode()}"
