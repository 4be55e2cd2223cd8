"""InvenioRDM's JSON of drafts and records (api-rdm.md sections 1.1 and 8; golden/live/rdm 2, 76, 105, 115, 158)."""

from __future__ import annotations

from datetime import date
from typing import Any

import orjson

from strongroom.errors import Finding
from strongroom.files.views import FileView
from strongroom.http.shapes import (
    ACCESS_LINKS,
    JSON,
    PUBLISHED_LINKS,
    REQUEST_LINKS,
    content_base,
    described,
    key_path,
    truncation,
)
from strongroom.ids import iso
from strongroom.metadata import rdm
from strongroom.records.views import DraftView, RecordView
from strongroom.settings import Settings

MEDIA_TYPE = "application/vnd.inveniordm.v1+json"

_COUNTS = ("views", "unique_views", "downloads", "unique_downloads")


def links(view: DraftView | RecordView, settings: Settings) -> JSON:
    """The links of a draft or record (section 1.1)."""
    base, resolver = settings.base_url, settings.doi_resolver
    is_draft = isinstance(view, DraftView)
    published = not isinstance(view, DraftView) or view.published
    record, html = f"{base}/api/records/{view.id}", f"{base}/records/{view.id}"
    own = f"{record}/draft" if is_draft else record
    out: JSON = {"self": own, "self_html": f"{base}/uploads/{view.id}" if is_draft else html}
    out["preview_html"] = f"{html}?preview=1"
    if view.doi:
        out["doi"] = out["self_doi"] = f"{resolver}/{view.doi}"
        if not is_draft:
            out["self_doi_html"] = f"{base}/doi/{view.doi}"
    out["reserve_doi"] = f"{record}/draft/pids/doi"
    if not is_draft:
        out["parent"] = f"{base}/api/records/{view.concept_id}"
        out["parent_html"] = f"{base}/records/{view.concept_id}"
    if view.concept_doi:
        out["parent_doi"] = f"{resolver}/{view.concept_doi}"
        out["parent_doi_html"] = f"{base}/doi/{view.concept_doi}"
    kind = "draft" if is_draft else "record"
    out["self_iiif_manifest"] = f"{base}/api/iiif/{kind}:{view.id}/manifest"
    out["self_iiif_sequence"] = f"{base}/api/iiif/{kind}:{view.id}/sequence/default"
    out["files"] = f"{own}/files"
    out["media_files"] = f"{own}/media-files"
    out["archive"] = f"{content_base(settings)}{own.removeprefix(base)}/files-archive"
    out["archive_media"] = f"{own}/media-files-archive"
    if not is_draft:
        out["latest"] = f"{record}/versions/latest"
        out["latest_html"] = f"{html}/latest"
    out["versions"] = f"{record}/versions"
    if is_draft:
        out["record"], out["record_html"] = record, html
        out["publish"] = f"{own}/actions/publish"
        out["review"] = f"{own}/review"
    else:
        out["draft"] = f"{record}/draft"
    below = (*ACCESS_LINKS, *(PUBLISHED_LINKS if published else ()), *REQUEST_LINKS)
    return out | {name: f"{record}/{path}" for name, path in below}


def parent(view: DraftView | RecordView, settings: Settings, *, may_manage: bool) -> JSON:
    """The concept: whose it is, who may do what, its DOI. Grants and links are for managers alone."""
    access: JSON = {}
    if may_manage:
        access["grants"] = view.sharing.grants
    access["owned_by"] = {"user": str(view.owner_id)}
    if may_manage:
        access["links"] = view.sharing.links
    access["settings"] = view.sharing.settings
    pids = {}
    if view.concept_doi:
        pids["doi"] = {"identifier": view.concept_doi, "provider": "datacite", "client": "datacite"}
    return {"id": str(view.concept_id), "access": access, "communities": {}, "pids": pids}


def _pids(doi: str | None, own: str, view: DraftView | RecordView, settings: Settings) -> JSON:
    out: JSON = {}
    if doi:
        if doi.lower() == own.lower():
            out["doi"] = {"identifier": doi, "provider": "datacite", "client": "datacite"}
        else:
            out["doi"] = {"identifier": doi, "provider": "external"}
    if not isinstance(view, DraftView) or view.published:
        out["oai"] = {"identifier": f"oai:{settings.host}:{view.id}", "provider": "oai"}
    return out


def file_in_record(f: FileView, view: DraftView | RecordView, settings: Settings) -> JSON:
    """A file in `files.entries` of a record or draft."""
    out: JSON = {
        "id": f.id,
        "checksum": f"md5:{f.md5}",
        "ext": f.key.rpartition(".")[2].lower() if "." in f.key.rpartition("/")[2] else "",
        "size": f.size,
        "mimetype": f.mimetype,
        "storage_class": "L",
        "key": f.key,
        "metadata": orjson.loads(f.metadata) if f.metadata else {},
        "access": {"hidden": f.hidden},
    }
    if isinstance(view, RecordView):
        path = f"/api/records/{view.id}/files/{key_path(f.key)}"
        out["links"] = {
            "self": f"{settings.base_url}{path}",
            "content": f"{content_base(settings)}{path}/content",
        }
    return out


def _files(view: DraftView | RecordView, settings: Settings, *, entries: bool) -> JSON:
    out: JSON = {"enabled": not view.data.metadata_only}
    if isinstance(view, RecordView) and view.files is None:
        return out  # not for this reader
    found = view.files or []
    if view.data.default_preview:
        out["default_preview"] = view.data.default_preview
    out["order"] = [f.key for f in found] if entries and view.sorted_files else []
    out["count"] = view.file_count
    out["total_bytes"] = view.total_bytes
    if entries:
        out["entries"] = {f.key: file_in_record(f, view, settings) for f in found}
    return out


def record(
    view: DraftView | RecordView,
    settings: Settings,
    today: date,
    *,
    ui: bool = True,
    entries: bool = True,
    errors: list[Finding] | None = None,
    expanded: JSON | None = None,
) -> JSON:
    """A draft or record in InvenioRDM's JSON; `ui` adds the block for pages, as the vendor type has it."""
    data = view.data
    is_draft = isinstance(view, DraftView)
    published = not isinstance(view, DraftView) or view.published
    # A draft without files is open all the same, unless it is to have none (golden/live/rdm 16).
    status = (
        view.status if isinstance(view, RecordView) else data.access.status(today, not data.metadata_only)
    )
    may_manage = view.sharing.managed
    versions: JSON = {"is_latest": published and view.latest_id == view.id}
    if may_manage:
        versions["is_latest_draft"] = (view.next_draft_id or view.latest_id) == view.id
    versions["index"] = view.index
    body: JSON = {
        "id": str(view.id),
        "created": iso(view.created),
        "updated": iso(view.updated),
        "links": links(view, settings),
        "revision_id": view.revision,
        "parent": parent(view, settings, may_manage=may_manage),
        "versions": versions,
        "is_published": published,
        "is_draft": is_draft,
    }
    if is_draft:
        body["expires_at"] = None
    body["pids"] = _pids(view.doi, settings.doi(view.id), view, settings)
    body["metadata"] = rdm.dump_metadata(data.metadata)
    body["custom_fields"] = data.metadata.custom
    body["access"] = rdm.dump_access(
        data, today=today, has_files=status != "metadata-only", published=not is_draft
    )
    body["access"]["status"] = status
    body["files"] = _files(view, settings, entries=entries)
    if entries:
        body |= truncation(view, settings)
    if isinstance(view, RecordView) and view.files is None:
        body["media_files"] = {"enabled": False}
    else:
        body["media_files"] = {"enabled": False, "order": [], "count": 0, "total_bytes": 0, "entries": {}}
    if not is_draft:
        body["status"] = "published"
        body["deletion_status"] = {"is_deleted": False, "status": "P"}
        body["stats"] = _stats(view)
        body["swh"] = {}
    elif published:
        body["status"] = "published"
    else:
        body["status"] = "draft" if view.index == 1 else "new_version_draft"
    if errors:
        body["errors"] = [{"field": f.field, "messages": list(f.messages)} for f in errors]
    if expanded is not None:
        body["expanded"] = expanded
    if ui:
        body["ui"] = rdm.dump_ui(
            data, body, created=view.created.date(), updated=view.updated.date(), is_draft=is_draft
        )
    return body


def draft_in_legacy_shape(view: DraftView, settings: Settings, today: date) -> JSON:
    """A draft as the records API shows it to clients that do not ask for the vendor type (golden/live/rdm 17)."""
    is_last = view.published and view.latest_id == view.id
    body = described(view, settings, today, links(view, settings), published=view.published, is_last=is_last)
    base = f"{settings.base_url}/api/records/{view.id}/draft/files"
    body["files"] = [
        {
            "id": f.id,
            "key": f.key,
            "size": f.size,
            "checksum": f"md5:{f.md5}",
            "links": {"self": f"{base}/{key_path(f.key)}/content"},
        }
        for f in view.files
    ]
    body |= truncation(view, settings)
    body["owners"] = [{"id": str(view.owner_id)}]
    body["status"] = "published" if view.published else "draft" if view.index == 1 else "new_version_draft"
    body["state"] = "inprogress" if view.published else "unsubmitted"
    body["submitted"] = view.published
    return body


def _stats(view: DraftView | RecordView) -> JSON:
    counted = view.stats if isinstance(view, RecordView) else {}
    this = {name: counted.get(f"version_{name}", 0) for name in _COUNTS}
    every = {name: counted.get(name, 0) for name in _COUNTS}
    return {
        "this_version": {**this, "data_volume": float(counted.get("version_volume", 0))},
        "all_versions": {**every, "data_volume": float(counted.get("volume", 0))},
    }


def media_files(record_id: int, settings: Settings, *, draft: bool) -> JSON:
    """The list of auxiliary files, which are never enabled here (golden/live/rdm 71, 103)."""
    base = f"{settings.base_url}/api/records/{record_id}{'/draft' if draft else ''}"
    return {
        "enabled": False,
        "links": {"self": f"{base}/media-files", "archive": f"{base}/media-files-archive"},
    }


def revision(row: Any, settings: Settings) -> JSON:
    """One entry of `/revisions` (golden/live/rdm 113): when, by whom, and what was said then."""
    data = row.data
    said = rdm.dump_access(data, today=row.at.date(), has_files=True, published=True)
    said.pop("status")
    return {
        "created": iso(row.at),
        "updated": iso(row.at),
        "revision_id": row.revision,
        "actor": row.actor,
        "json": {
            "id": str(row.record_id),
            "metadata": rdm.dump_metadata(data.metadata),
            "custom_fields": data.metadata.custom,
            "access": said,
            "files": {"enabled": not data.metadata_only},
            "media_files": {"enabled": False},
        },
    }


def user(row: Any, settings: Settings) -> JSON:
    """An account as everybody may see it, in the place of its number (`?expand=true`; golden/live/rdm 79)."""
    return {
        "id": str(row.id),
        "username": row.name or f"user-{row.id}",
        "email": "",
        "profile": {"full_name": row.name, "affiliations": ""},
        "links": {"avatar": f"{settings.base_url}/api/users/{row.id}/avatar.svg"},
        "blocked_at": None,
        "verified_at": None,
        "confirmed_at": None,
        "active": None,
        "is_current_user": None,
    }
