"""What browsers show themselves: the page gives the element, the bytes come from the file's own address."""

from __future__ import annotations

import base64
from collections.abc import Callable

from strongroom.previews.results import Media, Result, Source, Unreadable

# What a file must begin with to be what its name says, where that is short and certain.
_BEGINS = {
    "pdf": (b"%PDF-",),
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpg": (b"\xff\xd8\xff",),
    "jpeg": (b"\xff\xd8\xff",),
    "gif": (b"GIF87a", b"GIF89a"),
    "webp": (b"RIFF",),
    "bmp": (b"BM",),
}


def of(element: str) -> Callable[[Source], Result]:
    """A renderer for `element`; it says so where a file is not what its name promises."""

    def show(source: Source) -> Result:
        begins = _BEGINS.get(source.key.rpartition(".")[2].lower())
        # PDF may have some bytes before its mark (ISO 32000 annex H).
        head = source.read(0, min(source.size, 1024)) if begins else b""
        if begins and not (begins[0] in head if element == "pdf" else head.startswith(begins)):
            raise Unreadable("broken")
        return Media(element)

    return show


def svg(source: Source) -> Result:
    """An SVG as an image only: in `<img>` no script runs and nothing else is loaded. Its own address serves it as text."""
    data = source.read(0, source.size)
    if b"<svg" not in data[:65_536].lower():
        raise Unreadable("broken")
    return Media("image", f"data:image/svg+xml;base64,{base64.b64encode(data).decode()}")
