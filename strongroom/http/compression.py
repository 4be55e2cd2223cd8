"""Pages and static files go packed to who takes it (RFC 9110 12.5.3): text shrinks to a quarter.

Answers that anybody may have are packed. What is made for one reader holds what only he may see beside what a link may
have put into the page, and the size of both packed together would tell of it (BREACH): it goes as it is, but for `Own`.
Bytes of deposits are sent as they are: ranges and digests are of the stored ones.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import secrets

from starlette.requests import Request
from starlette.responses import Response

from strongroom.http.caching import Cache, Ready

LEVEL = 4  # a page of 40 KB: 0.4 ms, to 22 %; level 9 takes thrice the time for one more
SMALLEST = 1000  # below, a packet is a packet

_TEXT = re.compile(rb"(?:text/(?:html|css|javascript)|image/svg\+xml|application/(?:atom\+xml|json))\b")
_NO_GZIP = re.compile(r"\bgzip\s*;\s*q=0(?:\.0*)?\s*(?:,|$)")


class Own(Response):
    """A page for one reader that may be packed: nothing of its address is in it, and the mark of its forms is written
    anew in each (`accounts.masked`), so that its size tells of neither. It is padded at random all the same.
    """


def takes_gzip(request: Request) -> bool:
    """Whether the client's Accept-Encoding allows gzip."""
    wanted = request.headers.get("accept-encoding", "")
    return "gzip" in wanted and _NO_GZIP.search(wanted) is None


def packed(request: Request, answer: Response | Ready, cache: Cache) -> Response | Ready:
    """The answer, packed where that may be and pays; each text is packed once, then comes from the cache.

    Its ETag becomes a weak one: the bytes on the wire differ, what they say does not.
    """
    if isinstance(answer, Own):
        return _padded(request, answer)
    if answer.status != 200 if isinstance(answer, Ready) else type(answer) is not Response:
        return answer
    headers = answer.headers if isinstance(answer, Ready) else answer.raw_headers
    if isinstance(answer, Response) and answer.status_code != 200:
        return answer
    body = bytes(answer.body)
    said = dict(headers)
    if (
        len(body) < SMALLEST
        or b"public" not in said.get(b"cache-control", b"")
        or not _TEXT.match(said.get(b"content-type", b""))
    ):
        return answer
    etag = said.get(b"etag")
    changed = {b"vary": _varied(said.get(b"vary", b""))}
    if takes_gzip(request):
        # What has no tag is known by its bytes: their digest takes a tenth of the time that packing takes.
        named = etag or b"immutable" in said[b"cache-control"]
        key = ("gzip", request.scope["path"], etag) if named else ("gzip", hashlib.sha256(body).digest())
        small = cache.get(key)
        if small is None:
            small = gzip.compress(body, LEVEL, mtime=0)
            cache.put(key, small)
        body = small
        changed[b"content-encoding"] = b"gzip"
        if etag and not etag.startswith(b"W/"):
            changed[b"etag"] = b"W/" + etag
    left = [(name, value) for name, value in headers if name not in changed and name != b"content-length"]
    return Ready(200, [*left, *changed.items()], body)


def _varied(vary: bytes) -> bytes:
    return vary + b", Accept-Encoding" if vary else b"Accept-Encoding"


def _padded(request: Request, answer: Own) -> Own:
    answer.headers["Vary"] = _varied(answer.headers.get("Vary", "").encode("latin-1")).decode("latin-1")
    if takes_gzip(request):
        out = io.BytesIO()
        # A name of the file within, of a length that nobody knows (RFC 1952 2.3.1); readers skip it.
        with gzip.GzipFile("x" * (1 + secrets.randbelow(100)), "wb", LEVEL, out, mtime=0) as small:
            small.write(answer.body)
        answer.body = out.getvalue()
        answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Content-Length"] = str(len(answer.body))
    return answer
