"""Views as Zenodo's legacy JSON: depositions, their files, bucket objects, records (api-legacy.md 3 to 8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from urllib.parse import quote

from strongroom.files import quotas
from strongroom.files.service import bucket_id
from strongroom.ids import iso
from strongroom.metadata import legacy
from strongroom.records.views import FILES_IN_AN_ANSWER, DraftView, FileView, RecordView
from strongroom.settings import Settings

JSON = dict[str, Any]

# Percent-encoding of keys in links keeps these (api-legacy.md section 5).
_KEY_SAFE = "/!$&'()*+,;=:@"


def key_path(key: str) -> str:
    return quote(key, safe=_KEY_SAFE)


def content_base(settings: Settings) -> str:
    """Where bytes are served from; every link to bytes begins here (design 5b)."""
    return settings.content_url or settings.base_url


def deposition(view: DraftView | RecordView, settings: Settings, today: date) -> JSON:
    """A deposition: the open draft of an id, or its published record (api-legacy.md 3.2)."""
    base = settings.base_url
    submitted = isinstance(view, RecordView) or view.published
    state = "done" if isinstance(view, RecordView) else "inprogress" if view.published else "unsubmitted"
    concept_doi = view.concept_doi
    doi = view.doi
    body: JSON = {
        "created": iso(view.created),
        "modified": iso(view.updated),
        "id": view.id,
        "conceptrecid": str(view.concept_id),
    }
    if doi:
        body["doi"] = doi
    if concept_doi:
        body["conceptdoi"] = concept_doi
    if doi:
        body["doi_url"] = f"{settings.doi_resolver}/{doi}"
    body["metadata"] = legacy.dump_deposition(
        view.data, today=today, doi=doi, prereserve=(settings.doi(view.id), view.id), published=submitted
    )
    body["title"] = view.data.metadata.title
    body["links"] = _deposition_links(view, settings, submitted)
    body["record_id"] = view.id
    if submitted:
        body["record_url"] = f"{base}/records/{view.id}"
    body["owner"] = view.owner_id
    body["files"] = deposition_files(view, settings)
    body |= truncation(view, settings)
    body["state"] = state
    body["submitted"] = submitted
    if isinstance(view, DraftView) and view.warnings:
        body["warnings"] = [w.as_json() for w in view.warnings]
    return body


def truncation(view: DraftView | RecordView, settings: Settings) -> JSON:
    """What stands beside a list of files that is not whole; nothing beside others.

    Only lists of hits and the answers of verbs cut it (decision 0013): who reads the thing itself gets all.
    """
    if view.files is None or len(view.files) >= view.file_count:
        return {}
    own = f"{settings.base_url}/api/records/{view.id}{'/draft' if isinstance(view, DraftView) else ''}"
    pages = f"{own}/files?page=1&size={FILES_IN_AN_ANSWER}"
    return {"files_truncated": True, "files_count": view.file_count, "files_pages": pages}


def _deposition_links(view: DraftView | RecordView, settings: Settings, submitted: bool) -> JSON:
    base, resolver = settings.base_url, settings.doi_resolver
    done = isinstance(view, RecordView)
    self_url = f"{base}/api/deposit/depositions/{view.id}"
    links: JSON = {
        "self": f"{base}/api/records/{view.id}" if done else self_url,
        "html": f"{base}/records/{view.id}" if done else f"{base}/deposit/{view.id}",
    }
    if view.doi:
        links["doi"] = f"{resolver}/{view.doi}"
    if view.concept_doi and submitted:
        links["parent_doi"] = links["conceptdoi"] = f"{resolver}/{view.concept_doi}"
    links["badge"] = f"{base}/badge/doi/{quote(view.doi or '', safe='')}.svg"
    if view.concept_doi and submitted:
        links["conceptbadge"] = f"{base}/badge/doi/{quote(view.concept_doi, safe='')}.svg"
    links["files"] = f"{base}/api/records/{view.id}/files" if done else f"{self_url}/files"
    links["bucket"] = f"{base}/api/files/{view.bucket}"
    # On a record whose next version is open this leads to that draft, for clients of the old flow.
    next_draft = view.next_draft_id if submitted and view.next_draft_id else view.id
    links["latest_draft"] = f"{base}/api/deposit/depositions/{next_draft}"
    links["latest_draft_html"] = f"{base}/deposit/{next_draft}"
    for action in ("publish", "edit", "discard", "newversion"):
        links[action] = f"{self_url}/actions/{action}"
    if submitted:
        links["record"] = f"{base}/api/records/{view.id}"
        links["record_html"] = f"{base}/record/{view.id}"
        links["latest"] = f"{base}/api/records/{view.id}/versions/latest"
        links["latest_html"] = f"{base}/records/{view.id}/latest"
    return links


def deposition_files(view: DraftView | RecordView, settings: Settings) -> list[JSON]:
    published = isinstance(view, RecordView) or view.published
    return [deposition_file(f, view.id, view.bucket, published, settings) for f in view.files or []]


def deposition_file(f: FileView, record_id: int, bucket: str, published: bool, settings: Settings) -> JSON:
    """A file as the old file API shows it: bare MD5, links that work in the state of now (section 5)."""
    base = content_base(settings)
    if published:
        download = f"{base}/api/records/{record_id}/files/{key_path(f.key)}/content"
    else:
        download = f"{base}/api/files/{bucket}/{key_path(f.key)}"
    return {
        "id": f.id,
        "filename": f.key,
        "filesize": f.size,
        "checksum": f.md5,
        "links": {
            "self": f"{settings.base_url}/api/deposit/depositions/{record_id}/files/{f.id}",
            "download": download,
        },
    }


def bucket_object(f: FileView, bucket: str, settings: Settings) -> JSON:
    """A file as the bucket API shows it: prefixed MD5 (section 6)."""
    url = f"{content_base(settings)}/api/files/{bucket}/{key_path(f.key)}"
    return {
        "created": iso(f.created),
        "updated": iso(f.updated),
        "version_id": f.version_id,
        "key": f.key,
        "size": f.size,
        "mimetype": f.mimetype,
        "checksum": f"md5:{f.md5}",
        "is_head": True,
        "delete_marker": False,
        "links": {"self": url, "version": f"{url}?versionId={f.version_id}", "uploads": f"{url}?uploads"},
        "tags": {},
    }


def bucket(
    record_id: int,
    created: str,
    updated: str,
    locked: bool,
    found: Sequence[FileView],
    limits: quotas.Limits,
    settings: Settings,
) -> JSON:
    """A bucket with its contents (section 6, OLD); `limits` are those that hold for it, granted ones included."""
    own = bucket_id(record_id)
    url = f"{settings.base_url}/api/files/{own}"
    return {
        "id": own,
        "size": sum(f.size for f in found),
        "quota_size": limits.record,
        "max_file_size": limits.file or limits.record,
        "locked": locked,
        "created": created,
        "updated": updated,
        "links": {"self": url, "versions": f"{url}?versions", "uploads": f"{url}?uploads"},
        "contents": [bucket_object(f, own, settings) for f in found],
    }


def described(
    view: DraftView | RecordView,
    settings: Settings,
    today: date,
    links: JSON,
    *,
    published: bool,
    is_last: bool,
) -> JSON:
    """What a record and a draft in Zenodo's shape begin with: ids, DOIs, metadata, links."""
    body: JSON = {
        "created": iso(view.created),
        "modified": iso(view.updated),
        "id": view.id,
        "conceptrecid": str(view.concept_id),
    }
    if view.doi:
        body["doi"] = view.doi
    if view.concept_doi:
        body["conceptdoi"] = view.concept_doi
    if view.doi:
        body["doi_url"] = f"{settings.doi_resolver}/{view.doi}"
    relations = {
        "version": [
            {
                "index": view.index - 1,
                "is_last": is_last,
                "parent": {"pid_type": "recid", "pid_value": str(view.concept_id)},
            }
        ]
    }
    body["metadata"] = legacy.dump_record(
        view.data,
        today=today,
        doi=view.doi,
        relations=relations,
        site=settings.site_name,
        published=published,
    )
    body["title"] = view.data.metadata.title
    body["links"] = links
    body["updated"] = body["modified"]
    body["recid"] = str(view.id)
    body["revision"] = view.revision
    return body


def record(view: RecordView, settings: Settings, today: date) -> JSON:
    """A published record, Zenodo's default shape (section 8.2)."""
    body = described(
        view, settings, today, record_links(view, settings), published=True, is_last=view.is_latest
    )
    body["files"] = [record_file(f, view, settings) for f in view.files or []]
    body |= truncation(view, settings)
    body["swh"] = {}
    body["owners"] = [{"id": str(view.owner_id)}]
    body["status"] = "published"
    body["stats"] = {name: view.stats.get(name, 0) for name in STATS}
    body["state"] = "done"
    body["submitted"] = True
    return body


STATS = (
    "downloads",
    "unique_downloads",
    "views",
    "unique_views",
    "version_downloads",
    "version_unique_downloads",
    "version_unique_views",
    "version_views",
    "volume",
    "version_volume",
)


def record_file(f: FileView, view: RecordView, settings: Settings) -> JSON:
    """A file in a record. `bucket` and `type` beside Zenodo's keys serve older clients (quirks)."""
    return {
        "id": f.id,
        "key": f.key,
        "size": f.size,
        "checksum": f"md5:{f.md5}",
        "bucket": view.bucket,
        "type": f.key.rpartition(".")[2].lower() if "." in f.key else "",
        "links": {"self": f"{content_base(settings)}/api/records/{view.id}/files/{key_path(f.key)}/content"},
    }


def record_links(view: RecordView, settings: Settings) -> JSON:
    """The union of today's and the older link set (section 8.2)."""
    base, resolver = settings.base_url, settings.doi_resolver
    api, html = f"{base}/api/records/{view.id}", f"{base}/records/{view.id}"
    parent_api, parent_html = f"{base}/api/records/{view.concept_id}", f"{base}/records/{view.concept_id}"
    links: JSON = {"self": api, "self_html": html, "html": html, "preview_html": f"{html}?preview=1"}
    if view.doi:
        links["doi"] = links["self_doi"] = f"{resolver}/{view.doi}"
        links["self_doi_html"] = f"{base}/doi/{view.doi}"
        links["badge"] = f"{base}/badge/doi/{quote(view.doi, safe='')}.svg"
    links["reserve_doi"] = f"{api}/draft/pids/doi"
    links["parent"] = parent_api
    links["parent_html"] = parent_html
    if view.concept_doi:
        links["parent_doi"] = links["conceptdoi"] = f"{resolver}/{view.concept_doi}"
        links["parent_doi_html"] = f"{base}/doi/{view.concept_doi}"
        links["conceptbadge"] = f"{base}/badge/doi/{quote(view.concept_doi, safe='')}.svg"
    links["self_iiif_manifest"] = f"{base}/api/iiif/record:{view.id}/manifest"
    links["self_iiif_sequence"] = f"{base}/api/iiif/record:{view.id}/sequence/default"
    links["files"] = f"{api}/files"
    links["media_files"] = f"{api}/media-files"
    links["bucket"] = f"{base}/api/files/{view.bucket}"
    links["archive"] = f"{content_base(settings)}/api/records/{view.id}/files-archive"
    links["archive_media"] = f"{api}/media-files-archive"
    links["latest"] = f"{api}/versions/latest"
    links["latest_html"] = f"{html}/latest"
    links["versions"] = f"{api}/versions"
    links["draft"] = f"{api}/draft"
    for name, path in (*ACCESS_LINKS, *PUBLISHED_LINKS, *REQUEST_LINKS):
        links[name] = f"{api}/{path}"
    return links


# Links into the records API, below a record: of drafts and records, of published ones, and of both again.
ACCESS_LINKS = (
    ("access_links", "access/links"),
    ("access_grants", "access/grants"),
    ("access_users", "access/users"),
    ("access_request", "access/request"),
    ("access", "access"),
    ("communities", "communities"),
    ("communities-suggestions", "communities-suggestions"),
)
PUBLISHED_LINKS = (("request_deletion", "request-deletion"), ("file_modification", "file-modification"))
REQUEST_LINKS = (("quota_increase", "quota-increase"), ("requests", "requests"))
