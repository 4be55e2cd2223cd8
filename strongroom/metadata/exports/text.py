"""Texts cut to a length, for formats and tags that take no more."""

from __future__ import annotations


def shorten(text: str, length: int) -> str:
    """At most `length` characters, cut between words, with an ellipsis where something was cut."""
    if len(text) <= length:
        return text
    cut = text.rfind(" ", 0, length - 1)
    return f"{text[: cut if cut > length // 2 else length - 1].rstrip(' ,;:.')}…"
