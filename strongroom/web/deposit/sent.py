"""A form as it is sent: its fields, and its files, which go to the store while they come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from strongroom.errors import (
    Conflict,
    Invalid,
    Locked,
    StrongroomError,
    TooLarge,
)
from strongroom.files.keys import safe_form_name
from strongroom.http import upload
from strongroom.http.deps import body_stream, in_thread
from strongroom.http.forms import FilePart, parse_form
from strongroom.metadata.reading import UNPRINTABLE
from strongroom.web.deposit.asking import id_of, told_of

FIELDS_MAX: Final = 50_000
FORM_BYTES: Final = 8_000_000  # of a form without files: some thousand creators
PREFILL_MAX: Final = 1_000_000


@dataclass
class Sent:
    """A form as it came: its fields, files in the store that have no name yet, a description to fill in from."""

    fields: dict[str, str] = field(default_factory=dict)
    came: list[tuple[upload.Pending, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    prefill: tuple[str, bytes] | None = None


async def receive(request: Request) -> Sent:
    """The form. Files go to the store while they come. Raises TooLarge, Malformed, and what access and quotas raise.

    Of a form that breaks off or is refused no bytes stay.
    """
    sent = Sent()
    try:
        await _take(request, sent)
    except BaseException:
        await forget(request, sent)
        raise
    return sent


def _plain(text: str) -> str:
    return UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\0", ""))


async def forget(request: Request, sent: Sent) -> None:
    """Give back the bytes that came and get no name."""
    while sent.came:
        came, _name = sent.came.pop()
        await upload.forget(request, came)


async def _take(request: Request, sent: Sent) -> None:
    size = 0
    media = request.headers.get("content-type", "")

    def note(name: str, text: str) -> None:
        nonlocal size
        size += len(name) + len(text)
        if size > FORM_BYTES:
            raise TooLarge("The form is too large.")
        if name == "csrf":
            request.state.csrf = text
        sent.fields[name] = _plain(text)

    if media.lower().startswith("multipart/form-data"):
        await parse_form(
            body_stream(request),
            media,
            lambda part: _file(request, sent, part),
            max_field=1 << 20,
            max_fields=FIELDS_MAX,
            on_field=note,
        )
        return
    body = bytearray()
    async for chunk in body_stream(request):
        body += chunk
        if len(body) > FORM_BYTES:
            raise TooLarge("The form is too large.")

    def parse() -> None:
        text = body.decode("utf-8", "replace")
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
        except ValueError:
            raise TooLarge(f"A form may have {FIELDS_MAX} fields at most.") from None
        for name, text in pairs:
            note(name, text)

    await in_thread(request, parse)


async def _file(request: Request, sent: Sent, part: FilePart) -> None:
    if part.name == "prefill":
        body = bytearray()
        async for chunk in part.chunks:
            body += chunk
            if len(body) > PREFILL_MAX:
                raise TooLarge("A file with a description may have 1 MB at most.")
        sent.prefill = (part.filename, bytes(body))
    elif part.name == "files":
        try:
            came = await upload.accept(request, id_of(request), None, part.chunks, size=None, digests={})
        except (TooLarge, Locked) as error:
            sent.refused.append(f"{part.filename}: {told_of(error, request)}")
        else:
            sent.came.append((came, part.filename))


async def attach(request: Request, sent: Sent) -> None:
    """Give the bytes that came their names; those that can't have theirs are named in `refused`."""
    try:
        while sent.came:
            came, filename = sent.came.pop(0)
            try:
                name = safe_form_name(filename)
            except StrongroomError as error:
                await upload.forget(request, came)
                sent.refused.append(f"{filename}: {told_of(error, request)}")
                continue
            try:
                await upload.attach(request, came, name)
            except (Invalid, TooLarge, Conflict) as error:
                sent.refused.append(f"{name}: {told_of(error, request)}")
    except BaseException:
        await forget(request, sent)
        raise
