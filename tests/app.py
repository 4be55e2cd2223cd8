"""The whole application in this process, asked as a server would ask it: no client library tidies anything."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

from starlette.types import Message

from strongroom.access import SCOPES, Actor
from strongroom.accounts import service as accounts
from strongroom.app import Front, create
from strongroom.context import Context
from strongroom.settings import Settings
from tests.desk import Desk

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Answer:
    """What came back. Header names are in lower case; `cookies` are the values of Set-Cookie."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """Everything a reader sees: body and headers."""
        return (
            self.body.decode("utf-8", "replace")
            + "\n"
            + "\n".join(f"{k}: {v}" for k, v in self.headers.items())
        )


@dataclass(frozen=True)
class Reader:
    """Who asks: an actor, and the headers that make the application know it."""

    name: str
    actor: Actor = field(default_factory=Actor)
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


class Site:
    """One application from start to stop; `ask` it from any thread."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.app: Any = create(settings)
        assert isinstance(self.app, Front)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="site")

    def start(self) -> Site:
        self._thread.start()
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()

        async def begin() -> Message:
            scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
            self._life = asyncio.create_task(self.app(scope, self._to_app.get, self._from_app.put))
            await self._to_app.put({"type": "lifespan.startup"})
            return await self._from_app.get()

        told = self._run(begin())
        assert told["type"] == "lifespan.startup.complete", told
        return self

    def stop(self) -> None:
        async def end() -> None:
            await self._to_app.put({"type": "lifespan.shutdown"})
            await self._from_app.get()
            await self._life

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    @property
    def ctx(self) -> Context:
        return self.app.state.ctx  # type: ignore[no-any-return]

    @property
    def desk(self) -> Desk:
        return Desk(self.settings, self.ctx.db, self.ctx.store)

    def reader(
        self, name: str, *, admin: bool = False, scopes: tuple[str, ...] = SCOPES, of: Reader | None = None
    ) -> Reader:
        """A new account with a token; with `of` another token of the same account."""
        actor = of.actor if of else None
        with self.ctx.db.begin() as session:
            if actor is None:
                user_id = accounts.add_user(
                    session, f"{name}@example.org", PASSWORD, name=name, is_admin=admin
                )
                actor = Actor(user_id=user_id, is_admin=admin, via="token")
            token = accounts.create_token(session, actor.user_id or 0, scopes)
        return Reader(name, actor, {"authorization": f"Bearer {token}"}, (token, PASSWORD))

    def session(self, name: str, of: Reader) -> Reader:
        """The browser session of an account, with what its pages send along."""
        with self.ctx.db.begin() as session:
            user = accounts.by_id(session, of.actor.user_id or 0)
            assert user is not None
            cookie = accounts.log_in(session, user.email, PASSWORD)
            assert cookie
            actor = accounts.by_session(session, cookie)
        headers = {
            "cookie": f"strongroom={cookie}",
            "sec-fetch-site": "same-origin",
            "x-csrf-token": actor.csrf,
        }
        return Reader(name, actor, headers, (cookie, actor.csrf))

    def ask(
        self,
        method: str,
        path: str,
        reader: Reader | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **query: str,
    ) -> Answer:
        """One request; `body` is bytes as they are, or a value sent as JSON."""
        path, _, given = path.partition("?")
        sent = {"host": "testserver", **(reader.headers if reader else {}), **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        if body is not None:
            sent.setdefault("content-length", str(len(body)))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": (given or urlencode(query)).encode(),
            "root_path": "",
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in sent.items()],
            "client": ("127.0.0.1", 1),
            "server": ("testserver", 80),
            "state": {},
        }
        return self._run(self._exchange(scope, body or b""))  # type: ignore[no-any-return]

    async def _exchange(self, scope: dict[str, Any], body: bytes) -> Answer:
        waiting = [{"type": "http.request", "body": body, "more_body": False}]
        status, headers, cookies, came = 0, {}, [], bytearray()

        async def receive() -> Message:
            if waiting:
                return waiting.pop()
            await asyncio.sleep(3600)
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                for raw, value in message["headers"]:
                    name = raw.decode("latin-1").lower()
                    if name == "set-cookie":
                        cookies.append(value.decode("latin-1"))
                    else:
                        assert name not in headers, f"{name} twice"
                        headers[name] = value.decode("latin-1")
            elif message["type"] == "http.response.body":
                came.extend(message.get("body", b""))

        await self.app(scope, receive, send)
        return Answer(status, headers, bytes(came), tuple(cookies))


@contextmanager
def running(data_dir: Path, **more: Any) -> Iterator[Site]:
    """One application over an empty data folder, SQLite and local files, for all tests of a module."""
    site = Site(
        Settings(
            data_dir=data_dir,
            **{
                "database_url": "",
                "base_url": "http://testserver",
                "rate_limits": "off",
                "disk_reserve_bytes": 0,
                "secret_key": "not a secret: only for tests",
                **more,
            },
        )
    ).start()
    try:
        yield site
    finally:
        site.stop()
