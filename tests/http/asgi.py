"""A response, run as a server would run it, without one: for what does not depend on the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message


@dataclass
class Answer:
    """What came: `pieces` are the bodies of the messages, `path` what the server was to send itself."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    path: str | None = None
    ended: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


async def ask(
    handler: Callable[[Request], Response],
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    *,
    query: str = "",
    extensions: Mapping[str, Any] | None = None,
    on_send: Callable[[Message], None] | None = None,
    gone_after: int | None = None,
) -> Answer:
    """Call `handler` and run what it gives. After `gone_after` pieces of the body the client goes away."""
    answer = Answer()
    gone = asyncio.Event()
    requested = False

    async def receive() -> Message:
        nonlocal requested
        if not requested:
            requested = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if on_send:
            on_send(message)
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
            assert len({name for name, _ in pairs}) == len(pairs), "a header twice"
            answer.headers = dict(pairs)
        elif message["type"] == "http.response.pathsend":
            answer.path = message["path"]
            answer.ended = True
        else:
            answer.pieces.append(message.get("body", b""))
            answer.ended = not message.get("more_body", False)
            if gone_after is not None and len(answer.pieces) >= gone_after:
                gone.set()
        await asyncio.sleep(0)

    scope = {
        "type": "http",
        "method": method,
        "path": "/",
        "query_string": query.encode(),
        "headers": [
            (name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()
        ],
        "extensions": dict(extensions or {}),
    }
    request = Request(scope, receive)
    await handler(request)(scope, receive, send)
    return answer
