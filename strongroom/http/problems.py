"""Errors as HTTP: the only place that knows status codes.

The shape is Zenodo's: `{status, message, errors: [{field, message, messages}]}` (api-legacy.md
section 2), with our `code` for programs. Pages get the same error as HTML.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import orjson
from starlette.responses import Response

from strongroom import errors
from strongroom.settings import Settings

log = logging.getLogger(__name__)

STATUS: dict[type[errors.StrongroomError], int] = {
    errors.StrongroomError: 500,
    errors.Invalid: 400,
    errors.Malformed: 400,
    errors.Incomplete: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.WrongVerb: 405,
    errors.NotAcceptable: 406,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.Stale: 412,
    # Zenodo answers quotas with 400 and its clients show the message (api-legacy.md section 6).
    errors.TooLarge: 400,
    errors.Unsupported: 415,
    errors.BadRange: 416,
    errors.RateLimited: 429,
    errors.Busy: 503,
    errors.Unavailable: 503,
    errors.StorageFull: 507,
}


# The deposit API and the addresses about oneself ask guests for credentials, as Zenodo documents it (quirks 1).
_ASKS = re.compile(r"/api/((deposit|files)/.*|me|user|user/tokens(/.*)?)")


def at(error: errors.StrongroomError, path: str) -> errors.StrongroomError:
    """The error as an address of the API tells it: the records API answers guests 403 (api-rdm.md section 0.2)."""
    if isinstance(error, errors.Unauthenticated) and not _ASKS.fullmatch(path):
        return errors.Forbidden()
    return error


def status_of(error: errors.StrongroomError, settings: Settings | None = None) -> int:
    """The status of an error: that of its nearest ancestor in the table."""
    if isinstance(error, errors.Unauthenticated) and settings is not None:
        return settings.anonymous_status
    return next(STATUS[c] for c in type(error).__mro__ if c in STATUS)


def as_json(error: errors.StrongroomError, status: int) -> dict[str, Any]:
    body: dict[str, Any] = {"status": status, "message": error.message}
    if isinstance(error, errors.Invalid) and error.findings:
        body["errors"] = [f.as_json() for f in error.findings]
    if isinstance(error, errors.Gone) and error.tombstone:
        body["tombstone"] = error.tombstone
    if error.code not in ("invalid", "error"):
        body["code"] = error.code
    return body


def headers_of(error: errors.StrongroomError) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, errors.RateLimited | errors.Busy):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.BadRange):
        headers["Content-Range"] = f"bytes */{error.size}"
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="api"'
    return headers


def json_response(error: errors.StrongroomError, settings: Settings | None = None) -> Response:
    """The error as every API answers it."""
    status = status_of(error, settings)
    return Response(
        orjson.dumps(as_json(error, status)), status, headers_of(error), media_type="application/json"
    )


def unexpected(error: BaseException, where: str) -> errors.StrongroomError:
    """An error nobody foresaw: logged whole, told without its inside."""
    log.error("unexpected error at %s", where, exc_info=error)
    return errors.StrongroomError(
        "The server made a mistake and wrote it down. Nothing of what you sent was changed half."
    )
