"""The ways to log in that settings give, as buttons."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from strongroom.accounts import federation
from strongroom.settings import Settings

IDENTITIES: Final = "/account/settings/identities"
_PICTURES: Final = {".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp"}


@dataclass(frozen=True, slots=True)
class Way:
    """A button of the log-in page. `picture` is a data address, or none for our own."""

    key: str
    name: str
    picture: str = ""


def ways(settings: Settings) -> list[Way]:
    """The providers as buttons."""
    picture = _picture(settings.oidc_icon) if settings.oidc_icon else ""
    return [Way(p.key, p.name, picture if p.key == "oidc" else "") for p in federation.providers(settings)]


@lru_cache(maxsize=4)
def _picture(path: Path) -> str:
    """A small picture as a data address, so that it needs no address of its own; nothing where it can't be read."""
    kind = _PICTURES.get(path.suffix.lower())
    try:
        content = path.read_bytes() if kind else b""
    except OSError:
        return ""
    if not 0 < len(content) <= 50_000:
        return ""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
