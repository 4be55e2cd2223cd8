"""A small application around transfer, forms and receive, for tests that need a real server."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from strongroom.errors import BadRange, StrongroomError
from strongroom.files.views import FileView
from strongroom.http.forms import FilePart, parse_form
from strongroom.http.transfer import body_of, file_response
from strongroom.storage import new_location
from strongroom.storage.local import LocalStore
from strongroom.storage.receive import digests_from, receive

FOLDER = Path(os.environ["STRONGROOM_TEST_LIVE"])
store = LocalStore(FOLDER)
pool = ThreadPoolExecutor(4)


def get_file(request: Request) -> Response:
    location = request.path_params["location"]
    size = FOLDER.joinpath(location).stat().st_size
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    view = FileView("id", "v", "x.bin", size, "0" * 32, "0" * 64, 0, "", moment, moment, "local", location)
    return file_response(request, view, store, attachment=False, public=True, pool=pool)


async def stored(chunks: AsyncIterator[bytes], request: Request, size: int | None) -> dict[str, object]:
    location = new_location()
    received = await receive(
        chunks,
        store.create(location, size),
        pool=pool,
        expected_size=size,
        digests_wanted=digests_from(request.headers),
        idle_timeout=float(request.query_params.get("idle", "20")),
    )
    return {"location": location, "size": received.size, "md5": received.md5}


async def put_file(request: Request) -> Response:
    length = request.headers.get("content-length")
    return JSONResponse(await stored(body_of(request, 30), request, int(length) if length else None))


async def post_form(request: Request) -> Response:
    async def on_file(file: FilePart) -> dict[str, object]:
        return await stored(file.chunks, request, None)

    form = await parse_form(body_of(request, 30), request.headers.get("content-type", ""), on_file)
    return JSONResponse({"fields": form.fields, "files": form.files})


async def state(request: Request) -> Response:
    """What lies in the store, and what of it this process has open."""
    opened = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            opened.append(os.readlink(f"/proc/self/fd/{fd}"))
    return JSONResponse(
        {
            "stored": [entry.location for entry in store.list()],
            "open": [name for name in opened if name.startswith(str(FOLDER))],
        }
    )


async def failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, StrongroomError)
    if isinstance(error, BadRange):
        return Response(status_code=416, headers={"Content-Range": f"bytes */{error.size}"})
    return JSONResponse({"code": error.code, "message": error.message}, status_code=400)


app = Starlette(
    routes=[
        Route("/file/{location:path}", get_file),
        Route("/put", put_file, methods=["PUT"]),
        Route("/form", post_form, methods=["POST"]),
        Route("/state", state),
    ],
    exception_handlers={StrongroomError: failed},
)
