"""How a file of a draft or record is shown in the records API (api-rdm.md section 2), and what names it in an address."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from starlette.requests import Request

from strongroom.context import Context
from strongroom.db import AnyRow, Session
from strongroom.errors import Unsupported
from strongroom.files import service as files
from strongroom.files import transfers
from strongroom.files.service import Bucket
from strongroom.files.transfers import MULTIPART
from strongroom.files.views import FileView
from strongroom.http.deps import number
from strongroom.http.shapes import content_base, key_path
from strongroom.ids import iso
from strongroom.settings import Settings

JSON = dict[str, Any]

OCTETS = "application/octet-stream"


def id_of(request: Request) -> int:
    return number(request.path_params["id"])


def key_of(request: Request) -> str:
    return str(request.path_params["key"])


def check_octets(request: Request) -> None:
    """Raises Unsupported for a body of another type than bytes as they are."""
    sent = request.headers.get("content-type", OCTETS).partition(";")[0].strip().lower()
    if sent != OCTETS:
        raise Unsupported(f"Invalid 'Content-Type' header. Expected one of: {OCTETS}")


def _about(text: str | None) -> Any:
    return orjson.loads(text) if text else None


def entry(f: FileView, record_id: int, settings: Settings) -> JSON:
    """A completed file of a draft (golden live/rdm 51)."""
    path = f"{settings.base_url}/api/records/{record_id}/draft/files/{key_path(f.key)}"
    return {
        **_facts(f, record_id),
        "metadata": _about(f.metadata),
        "links": {"self": path, "content": f"{path}/content", "commit": f"{path}/commit"},
    }


def record_entry(f: FileView, record_id: int, settings: Settings) -> JSON:
    """A file of a published record (golden live/rdm 266)."""
    path = f"/api/records/{record_id}/files/{key_path(f.key)}"
    return {
        **_facts(f, record_id),
        "metadata": _about(f.metadata) or {},
        "links": {
            "self": f"{settings.base_url}{path}",
            "content": f"{content_base(settings)}{path}/content",
        },
    }


def _facts(f: FileView, record_id: int) -> JSON:
    return {
        "key": f.key,
        "created": iso(f.created),
        "updated": iso(f.updated),
        "status": "completed",
        "mimetype": f.mimetype,
        "size": f.size,
        "checksum": f"md5:{f.md5}",
        "file_id": f.id,
        "version_id": f.version_id,
        "bucket_id": files.bucket_id(record_id),
        "storage_class": "L",
        "access": {"hidden": f.hidden},
        "transfer": {"type": "L"},
    }


def pending_entry(
    row: AnyRow,
    received: Mapping[int, int],
    settings: Settings,
    url_of: Callable[[AnyRow, int], str | None] = lambda row, part: None,
    only: int | None = None,
) -> JSON:
    """An announced file (golden live/rdm 44 and 59). Its parts say which the server has, so that a client which
    comes back sends none twice; `only` shows one of them."""
    path = f"{settings.base_url}/api/records/{row.draft_id}/draft/files/{key_path(row.key)}"
    links: JSON = {"self": path, "content": f"{path}/content", "commit": f"{path}/commit"}
    transfer: JSON = {"type": row.type}
    body: JSON = {
        "key": row.key,
        "created": iso(row.created),
        "updated": iso(row.updated),
        "status": row.status,
        "metadata": _about(row.metadata),
        "access": {"hidden": bool(row.hidden)},
        "transfer": transfer,
        "links": links,
    }
    if row.size is not None:
        body["size"] = row.size
    if row.checksum is not None or row.type == MULTIPART:
        body["checksum"] = row.checksum
    if row.error is not None:
        transfer["error"] = row.error
    if row.type == MULTIPART:
        del links["content"]
        transfer |= {"parts": row.parts, "part_size": row.part_size}
        body |= {
            "mimetype": row.mimetype,
            "file_id": row.id,
            "version_id": row.id,
            "bucket_id": files.bucket_id(row.draft_id),
            "storage_class": "L",
        }
        links["parts"] = [
            {
                "part": n,
                "url": url_of(row, n) or f"{path}/content/{n}",
                "expiration": iso(row.expires),
                "size": transfers.part_span(row, n)[1],
                "received": n in received,
            }
            for n in (range(1, row.parts + 1) if only is None else (only,))
        ]
    return body


def file_list(
    entries: list[JSON], record_id: int, settings: Settings, count: int, *, draft: bool = True
) -> JSON:
    """A list of entries as both goldens have it; `count` of all files."""
    path = f"/api/records/{record_id}" + ("/draft" if draft else "")
    return {
        "enabled": True,
        "links": {
            "self": f"{settings.base_url}{path}/files",
            "archive": f"{settings.base_url if draft else content_base(settings)}{path}/files-archive",
        },
        "entries": entries,
        "default_preview": None,
        "order": [],
        "count": count,
    }


def urls(ctx: Context) -> Callable[[AnyRow, int], str | None]:
    """Where parts are sent: to us, or, where that is set, straight to the store. Signing asks nobody."""
    if not ctx.settings.s3_direct_parts:
        return lambda row, part: None
    seconds = int(ctx.settings.transfer_days * 86_400)
    return lambda row, part: (
        ctx.store.part_url(row.location, row.handle, part, seconds) if row.handle else None
    )


def pending(ctx: Context, session: Session, rows: Sequence[AnyRow]) -> list[JSON]:
    """Entries of files on their way, with the parts that are here."""
    received = transfers.parts_of(session, [r.id for r in rows if r.type == MULTIPART])
    where = urls(ctx)
    return [pending_entry(r, received.get(r.id, {}), ctx.settings, where) for r in rows]


def entry_of(ctx: Context, session: Session, bucket: Bucket, key: str) -> JSON:
    """The entry of one file of a draft, on its way or complete. Raises NotFound."""
    row = transfers.find(session, bucket, key)
    if row is not None:
        return pending(ctx, session, [row])[0]
    return entry(files.find(session, bucket, key), bucket.record_id, ctx.settings)
