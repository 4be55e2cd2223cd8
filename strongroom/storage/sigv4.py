"""Signed addresses of S3 requests: AWS Signature Version 4 in the query string.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html. obstore signs no queries, and the
calls of a multipart upload are told apart by theirs.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

MAX_SECONDS = 7 * 86_400


def presigned(
    method: str,
    url: str,
    query: Mapping[str, str],
    *,
    region: str,
    access_key: str,
    secret_key: str,
    seconds: int,
    at: datetime | None = None,
) -> str:
    """`url` (whose path is quoted already) with `query` and a signature that is good for `seconds`, a week at most.

    The body is not signed, so that it can be streamed; the connection protects it.
    """
    moment = (at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    parts = urlsplit(url)
    said = {
        **query,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{access_key}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(min(seconds, MAX_SECONDS)),
        "X-Amz-SignedHeaders": "host",
    }
    canonical = "&".join(f"{quote(k, safe='-_.~')}={quote(said[k], safe='-_.~')}" for k in sorted(said))
    request = "\n".join([method, parts.path, canonical, f"host:{parts.netloc}\n", "host", "UNSIGNED-PAYLOAD"])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{secret_key}".encode()
    for step in (*scope.split("/"), to_sign):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    return f"{url}?{canonical}&X-Amz-Signature={key.hex()}"
