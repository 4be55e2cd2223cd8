"""Addresses of licences, identifiers and whatever depositors typed: what may stand in an `href`."""

from __future__ import annotations

import re

from strongroom.metadata import identifiers, vocabularies
from strongroom.metadata.model import Right

_WEB = re.compile(r"https?://[^\s/?#<>\"\x00-\x20]+[^\s<>\"\x00-\x20]*", re.IGNORECASE).fullmatch
_ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]").fullmatch
_DOI = re.compile(r"10\.\d{4,9}/[A-Za-z0-9._/-]+").fullmatch


def safe_url(value: str | None) -> str | None:
    """`value` if it is an absolute http(s) address, else None: nothing else is ever linked to."""
    return value if value and _WEB(value) else None


def identifier_url(scheme: str | None, identifier: str) -> str | None:
    """Where an identifier leads, or None where its scheme has no resolver that we know."""
    # What was checked when it came in, and is most of what there is, needs no second check (a page has dozens).
    if scheme == "orcid" and _ORCID(identifier):
        return f"https://orcid.org/{identifier}"
    if scheme == "doi" and _DOI(identifier):
        return f"https://doi.org/{identifier}"
    url = identifiers.url(identifier, scheme)
    if url and ("<" in url or ">" in url or '"' in url):  # DOIs of the nineties
        url = url.replace("<", "%3C").replace(">", "%3E").replace('"', "%22")
    return safe_url(url)


def licence(right: Right) -> tuple[str, str | None]:
    """(title, address) of a licence: as given, else from the vocabulary."""
    known = vocabularies.licence(right.id) if right.id else None
    title = right.title or (known.title if known else right.id or "")
    return title, safe_url(right.link) or (known.url if known else None)
