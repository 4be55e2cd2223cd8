"""The operator's own look: a logo, and the accent colours with all that follows from them, as a small style sheet.

Whatever colour is set, text in it can be read: it is darkened (on light ground) or lightened (on dark ground) until
the contrasts of the house style hold (WCAG 2.2, 1.4.3 and 1.4.11; shared/ui/README.md, Tokens).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from strongroom.errors import NotFound
from strongroom.http.deps import context, in_thread

RGB = tuple[float, float, float]
WHITE: Final[RGB] = (255.0, 255.0, 255.0)
BLACK: Final[RGB] = (0.0, 0.0, 0.0)
DARK_PAPER: Final[RGB] = (18.0, 22.0, 21.0)  # --paper of the dark scheme
LOGO_MAX: Final = 500_000  # bytes

# Relative luminances between which a colour keeps its contrasts with everything that it may stand on.
_ON_LIGHT: Final = (0.0, 0.135)
_ON_DARK: Final = (0.42, 0.80)
_DARK_FILL: Final = (0.145, 0.18)  # white text on it, and its edge on a dark card


def luminance(colour: RGB) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2, definition)."""
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: RGB, other: RGB) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, definition)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def rgb(text: str) -> RGB:
    """`#rrggbb` as numbers from 0 to 255."""
    return (float(int(text[1:3], 16)), float(int(text[3:5], 16)), float(int(text[5:7], 16)))


def _hex(colour: RGB) -> str:
    return "#" + "".join(f"{round(c):02x}" for c in colour)


def _mix(colour: RGB, other: RGB, part: float) -> RGB:
    """`colour` with so great a part (0 to 1) of `other` in it."""
    a, b, c = (x + (y - x) * part for x, y in zip(colour, other, strict=True))
    return (a, b, c)


def _toned(colour: RGB, low: float, high: float) -> RGB:
    """The colour, lightened or darkened as little as brings its luminance between `low` and `high`."""
    at = luminance(colour)
    if low <= at <= high:
        return colour
    towards, wanted = (WHITE, low + 0.005) if at < low else (BLACK, max(high - 0.005, 0.0))
    near, far = 0.0, 1.0
    for _ in range(20):
        part = (near + far) / 2
        reached = luminance(_mix(colour, towards, part))
        if (reached < wanted) == (towards is WHITE):
            near = part
        else:
            far = part
    return _mix(colour, towards, far)


@lru_cache(maxsize=8)
def colours(light: str, dark: str = "") -> dict[str, tuple[str, str]]:
    """The tokens (name → light, dark) that follow from the accent colours, `#rrggbb`; `dark` may be left out."""
    base = rgb(light or dark)
    on_light = _toned(base, *_ON_LIGHT)
    on_dark = _toned(rgb(dark) if dark else base, *_ON_DARK)
    fill = _toned(base, *_DARK_FILL)
    pairs = {
        "accent": (on_light, on_dark),
        "accent-hover": (_mix(on_light, BLACK, 0.25), _mix(on_dark, WHITE, 0.35)),
        "accent-soft": (_mix(on_light, WHITE, 0.9), _mix(on_dark, DARK_PAPER, 0.86)),
        "accent-line": (_mix(on_light, WHITE, 0.62), _mix(on_dark, DARK_PAPER, 0.62)),
        "fill": (on_light, fill),
        "fill-hover": (_mix(on_light, BLACK, 0.25), _mix(fill, BLACK, 0.12)),
        "on-fill": (WHITE, WHITE),
    }
    return {name: (_hex(one), _hex(other)) for name, (one, other) in pairs.items()}


def style_sheet(light: str, dark: str = "") -> str:
    """The tokens as CSS, to stand after tokens.css; empty where nothing is set."""
    if not light and not dark:
        return ""
    lines = (
        f"  --{name}: light-dark({one}, {other});" for name, (one, other) in colours(light, dark).items()
    )
    return ":root {\n" + "\n".join(lines) + "\n}\n"


async def style(request: Request) -> Response:
    """GET /branding/colours.css: the operator's accent colours; its address changes with them."""
    settings = context(request).settings
    body = style_sheet(settings.accent_colour, settings.accent_colour_dark)
    return Response(body, 200, {"Cache-Control": "public, max-age=86400"}, media_type="text/css")


async def logo(request: Request) -> Response:
    """GET /branding/logo: the operator's logo."""
    path = context(request).settings.site_logo
    if not path:
        raise NotFound("This site has no logo of its own.")

    def read() -> bytes:
        try:
            with Path(path).expanduser().open("rb") as file:
                body = file.read(LOGO_MAX + 1)
        except OSError:
            raise NotFound("The logo's file can't be read: the operator finds it in the settings.") from None
        if len(body) > LOGO_MAX:
            raise NotFound(f"The logo's file is larger than {LOGO_MAX:,} bytes.")
        return body

    return Response(
        await in_thread(request, read),
        200,
        {
            "Cache-Control": "public, max-age=3600",
            # It is only ever an image; should somebody open an SVG by itself, nothing in it runs.
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
            "X-Content-Type-Options": "nosniff",
        },
        media_type="image/svg+xml" if path.lower().endswith(".svg") else "image/png",
    )


PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/branding/colours.css", style),
    ("GET", "/branding/logo", logo),
]
