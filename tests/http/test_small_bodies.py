"""Small bodies are read before anything is done with them, unless they do not come at once; and are refused as large ones are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import select
from starlette.requests import ClientDisconnect

from strongroom.errors import Incomplete
from strongroom.files.models import uploads
from strongroom.http import upload
from strongroom.settings import Settings
from tests.app import Reader, Site
from tests.test_query_counts import DEPOSIT


async def pieces(*given: bytes | Exception) -> AsyncIterator[bytes]:
    for piece in given:
        if isinstance(piece, Exception):
            raise piece
        yield piece


def in_hand(size: int, *given: bytes | Exception) -> bytes:
    body, late = asyncio.run(upload._in_hand(pieces(*given), size))
    assert late is None
    return body


def test_what_comes_at_once_is_whole() -> None:
    assert in_hand(0) == b""
    assert in_hand(5, b"hello") == b"hello"
    assert in_hand(5, b"he", b"", b"llo", b"") == b"hello"


@pytest.mark.parametrize(
    "given",
    [(), (b"hell",), (b"hello!",), (b"hel", b"lo!"), (b"hell", ClientDisconnect())],
)
def test_another_length_than_announced_is_refused(given: tuple[bytes | Exception, ...]) -> None:
    with pytest.raises(Incomplete):
        in_hand(5, *given)


@pytest.mark.parametrize("begun", [[], [b"he"], [b"he", b"ll"]])
def test_what_comes_late_is_given_as_it_comes(monkeypatch: pytest.MonkeyPatch, begun: list[bytes]) -> None:
    """Nothing that came is lost, and nothing is asked for twice."""
    monkeypatch.setattr(upload, "PROMPT", 0.05)

    async def run() -> bytes:
        more = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            for piece in begun:
                yield piece
            await more.wait()
            yield b"hello"[len(b"".join(begun)) :]
            yield b""

        body, late = await upload._in_hand(slowly(), 5)
        assert body == b""
        assert late is not None
        more.set()
        return b"".join([piece async for piece in late])

    assert asyncio.run(run()) == b"hello"


@pytest.fixture
def site(database_settings: Settings) -> Iterator[Site]:
    site = Site(database_settings.model_copy(update={"job_threads": 0})).start()
    yield site
    site.stop()


@pytest.mark.parametrize("size", [10, upload.IN_HAND, upload.IN_HAND + 1])
def test_what_is_refused_leaves_nothing(site: Site, size: int) -> None:
    """On both sides of the bound: who may not, names that clash, wrong digests."""
    owner, other = site.reader("owner"), site.reader("other")
    made = site.ask("POST", DEPOSIT, owner, {}).json()
    bucket = made["links"]["bucket"].removeprefix("http://testserver")
    body = b"x" * size

    def sent(reader: Reader | None, key: str, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return site.ask("PUT", f"{bucket}/{key}", reader, body, named).status

    assert sent(owner, "a") == 201
    assert sent(None, "b") in (401, 403)
    assert sent(other, "b") == 403
    assert sent(owner, "a/b") == 400
    assert sent(owner, "b", content_md5="0" * 32) == 400
    assert sent(owner, "a", content_md5="0" * 32) == 400
    stored = [e.location for e in site.ctx.store.list() if not e.location.startswith("manifests/")]
    assert len(stored) == 1
    with site.ctx.db.read() as session:
        assert session.execute(select(uploads.c.location)).all() == []
    answer = site.ask("GET", f"{bucket}/a", owner)
    assert (answer.status, answer.body) == (200, body)
