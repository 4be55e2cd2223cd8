"""multipart/form-data as a stream (RFC 7578): the bytes of a file go straight to where they are kept.

Nothing is spooled: while the body comes in, each file part is handed to the caller as it begins, and what is
read of it is read from the network. Fields may stand before or after the file.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser

from strongroom.errors import Incomplete, Malformed, TooLarge

T = TypeVar("T")

MAX_FIELDS = 1000
NOT_A_FORM = "The request must be a form: send the file as multipart/form-data, in the part 'file'."
BROKEN_OFF = "The form ends before its last boundary. Nothing was stored: send it again."

_PARAMETER = re.compile(r';\s*([^\s=;]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))')


@dataclass
class FilePart:
    """A file on its way: read `chunks` to its end. `headers` have lower-case names."""

    filename: str
    name: str
    headers: dict[str, str]
    chunks: AsyncIterator[bytes]


@dataclass
class Form(Generic[T]):
    """The fields as text (of equal names the last), and what `on_file` gave for each file, in order."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[T] = field(default_factory=list)


async def parse_form(
    stream: AsyncIterator[bytes],
    content_type: str,
    on_file: Callable[[FilePart], Awaitable[T]],
    *,
    max_field: int = 64 << 10,
    max_fields: int = MAX_FIELDS,
    on_field: Callable[[str, str], None] | None = None,
) -> Form[T]:
    """Read a form; `on_file` is awaited for each file part, in the middle of it.

    `on_field` is told each field as it comes, before the files behind it. What `on_file` leaves unread is skipped.
    A file input that the user left empty (no name, no bytes) is no file.
    Raises Malformed (no form, or not one that can be read), Incomplete (it breaks off), TooLarge (a field of more
    than `max_field` bytes) and what `on_file` and `stream` raise.
    """
    events = _Events(stream, _boundary(content_type))
    form: Form[T] = Form()
    async with aclosing(events.parts()) as parts:
        async for headers in parts:
            disposition, parameters = _header(headers.get("content-disposition", ""))
            name = parameters.get("name")
            if disposition != "form-data" or name is None:
                raise Malformed("A part of the form has no name in its Content-Disposition header.")
            filename = parameters.get("filename")
            if filename is None:
                if len(form.fields) >= max_fields:
                    raise TooLarge(f"A form may have {max_fields} fields at most.")
                form.fields[name] = await _text(events.chunks(), name, max_field)
                if on_field is not None:
                    on_field(name, form.fields[name])
                continue
            if not filename and await events.part_is_empty():
                continue
            form.files.append(await on_file(FilePart(filename, name, headers, events.chunks())))
    return form


class _Events:
    """The parser's callbacks, turned around: asked for the next thing, it reads as much as that needs.

    The queue holds what one network chunk gave: the headers of a part (a dict), bytes of it, or its end (None).
    """

    def __init__(self, stream: AsyncIterator[bytes], boundary: bytes) -> None:
        self._stream = stream
        self._queue: deque[dict[str, str] | bytes | None] = deque()
        self._headers: dict[str, str] = {}
        self._name = bytearray()
        self._value = bytearray()
        self._complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._data,
                    "on_part_end": self._part_end,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:  # a boundary of more than 256 bytes
            raise Malformed(NOT_A_FORM) from error

    def _begin(self) -> None:
        self._headers = {}

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        # Browsers and curl send UTF-8 here, unmarked; what is none was sent by something very old.
        try:
            value = self._value.decode()
        except UnicodeDecodeError:
            value = self._value.decode("latin-1")
        self._headers[self._name.decode("latin-1").lower()] = value
        self._name.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        self._queue.append(self._headers)

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._queue.append(data[start:end])

    def _part_end(self) -> None:
        self._queue.append(None)

    def _end(self) -> None:
        self._complete = True

    async def _more(self) -> bool:
        """Read one chunk of the body; False at its end. Raises Malformed, Incomplete."""
        async for chunk in self._stream:
            try:
                # After the last boundary may stand anything: RFC 2046 calls it the epilogue.
                if not self._complete:
                    self._parser.write(chunk)
            except MultipartParseError as error:
                raise Malformed(
                    f"The form can't be read at byte {error.offset} of a chunk: {error}"
                ) from error
            return True
        if not self._complete:
            raise Incomplete(BROKEN_OFF)
        return False

    async def parts(self) -> AsyncGenerator[dict[str, str], None]:
        """The headers of each part; what is unread of the one before is skipped. Ends with the body."""
        while True:
            while self._queue:
                event = self._queue.popleft()
                if isinstance(event, dict):
                    yield event
            if not await self._more():
                return

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the part whose headers were given last."""
        while True:
            while self._queue:
                event = self._queue[0]
                if not isinstance(event, bytes):
                    return  # left there, so that asking again ends again
                self._queue.popleft()
                yield event
            if not await self._more():
                return

    async def part_is_empty(self) -> bool:
        """Whether the part that begins now has no bytes."""
        while not self._queue and await self._more():
            pass
        return not self._queue or self._queue[0] is None


async def _text(chunks: AsyncIterator[bytes], name: str, limit: int) -> str:
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > limit:
            raise TooLarge(f"The form's field {name[:100]!r} has more than {limit} bytes.")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"The form's field {name[:100]!r} is not in UTF-8.") from error


def _boundary(content_type: str) -> bytes:
    kind, parameters = _header(content_type)
    boundary = parameters.get("boundary", "")
    if kind != "multipart/form-data" or not boundary:
        raise Malformed(NOT_A_FORM)
    return boundary.encode("latin-1", "replace")


def _header(text: str) -> tuple[str, dict[str, str]]:
    """The value and the parameters of a header, `filename*` (RFC 8187) before `filename`."""
    kind, semicolon, rest = text.partition(";")
    parameters: dict[str, str] = {}
    extended: dict[str, str] = {}
    for match in _PARAMETER.finditer(semicolon + rest):
        key = match[1].lower()
        # Only a quote or a backslash is escaped by one: old browsers send C:\data\x.csv.
        value = re.sub(r'\\(["\\])', r"\1", match[2]) if match[2] is not None else match[3].strip()
        if key.endswith("*"):
            charset, _, coded = value.partition("'")
            try:
                extended[key[:-1]] = unquote_to_bytes(coded.partition("'")[2]).decode(charset or "utf-8")
            except (LookupError, UnicodeDecodeError) as error:
                raise Malformed(f"The parameter {key} of a header can't be read.") from error
        else:
            parameters.setdefault(key, value)
    return kind.strip().lower(), {**parameters, **extended}
