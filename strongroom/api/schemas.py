"""Shapes of bodies and answers for the OpenAPI document, and which address has which.

Kept by hand beside the doors; tests/conformance/test_schemathesis.py asks every address and fails where an answer
is not as written here, or where something is accepted that is not. A shape without `additionalProperties: false`
is tolerant: unknown keys of answers are to come, unknown keys of bodies are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from strongroom.access import SCOPES
from strongroom.api.depositions import DUMP_ONLY
from strongroom.http.rdm import MEDIA_TYPE
from strongroom.requests.service import SORTS as REQUEST_SORTS
from strongroom.search.index import sort_names
from strongroom.sharing.service import CONDITIONS_MAX, EXPIRATION_MAX, GRANTS_AT_ONCE, LINK_PERMISSIONS

JSON = dict[str, Any]

RDM: Final = MEDIA_TYPE


def loose(required: str = "", **properties: Any) -> JSON:
    """An object with these properties at least: it may have more."""
    found: JSON = {"type": "object", "properties": properties}
    if required:
        found["required"] = required.split()
    return found


def strict(required: str = "", **properties: Any) -> JSON:
    """An object with these properties and no others: an unknown one is refused."""
    return {**loose(required, **properties), "additionalProperties": False}


def ref(name: str) -> JSON:
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: JSON, **more: Any) -> JSON:
    return {"type": "array", "items": items, **more}


def hits(name: str, **more: Any) -> JSON:
    """A list as InvenioRDM answers it."""
    return loose("hits", hits=loose("hits total", hits=listed(ref(name)), total=WHOLE), **more)


def nullable(kind: JSON) -> JSON:
    return {**kind, "type": [kind["type"], "null"]}


TEXT: Final = {"type": "string"}
WHEN: Final = {"type": "string", "format": "date-time"}
DAY: Final = {"type": "string", "format": "date"}
WHOLE: Final = {"type": "integer"}
COUNT: Final = {"type": "integer", "minimum": 0}
FLAG: Final = {"type": "boolean"}
NUMBER: Final = {"type": ["integer", "string"], "pattern": r"^\s*[0-9]{1,18}\s*$"}
LINKS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
ANY: Final = {"type": "object"}
ANYTHING: Final = {"description": "Anything: it is ignored."}
# Texts of bodies hold no NUL, which a database could not store.
SAID: Final = {"type": "string", "pattern": r"^[^\u0000]*$"}
LANGUAGES: Final = {"type": "object", "additionalProperties": TEXT, "description": "A text by language."}
GRANT_PERMISSIONS: Final = {"type": "string", "description": "`view`, `preview`, `edit`, `manage`, `owner`."}
WISH_PERMISSIONS: Final = {"enum": ["view", "preview", "edit", "manage", "owner"]}
ENTITY: Final = {
    "type": ["object", "null"],
    "additionalProperties": TEXT,
    "description": 'Its kind and id, as `{"user": "7"}`.',
}
# Beside a list of files that is not whole (decision 0013).
_CUT: Final[JSON] = {"files_truncated": {"const": True}, "files_count": COUNT, "files_pages": TEXT}
_LINK: Final[JSON] = {
    "permission": {"enum": list(LINK_PERMISSIONS)},
    "description": nullable({**SAID, "maxLength": 2000}),
    "expires_at": {
        "type": ["string", "null"],
        "pattern": r"^$|^\d{4}-\d\d-\d\d([T ].*)?$",
        "description": "The last day, in the future. Null: it does not end.",
    },
}
_FILE_WISH: Final[JSON] = {
    "key": {**TEXT, "minLength": 1},
    "size": {"type": ["integer", "null"], "minimum": 0},
    "checksum": {
        "type": ["string", "null"],
        "description": "`md5:…` or `sha256:…`; the commit compares it.",
    },
    "metadata": {
        "type": ["object", "null"],
        "description": "What you want to say of the file; kept as it is.",
    },
    "access": {
        "type": ["object", "boolean", "null"],
        "properties": {"hidden": {"type": ["boolean", "null"]}},
    },
}
_TERM: Final[JSON] = {
    "id": TEXT,
    "created": WHEN,
    "updated": WHEN,
    "links": LINKS,
    "revision_id": WHOLE,
}

# Terms of the vocabularies that ship: one text with the vendor type.
_BY_LANGUAGE: Final[JSON] = {**LANGUAGES, "type": ["object", "string"], "description": "A text by language; one text with the vendor type."}  # fmt: skip
_SHIPPED: Final[JSON] = {"title": _BY_LANGUAGE, "description": _BY_LANGUAGE, "type": TEXT}
# Of those that registries publish: both with the vendor type.
_TITLED: Final[JSON] = {"title": LANGUAGES, "title_l10n": {**TEXT, "description": "With the vendor type."}}
_IDENTIFIERS: Final[JSON] = listed(loose("identifier scheme", identifier=TEXT, scheme=TEXT))
_ORGANISATION: Final[JSON] = {
    **_TITLED, "name": TEXT, "acronym": TEXT, "country": TEXT, "country_name": TEXT, "location_name": TEXT, "website": TEXT,
    "identifiers": _IDENTIFIERS, "types": listed(TEXT), "status": TEXT, "aliases": listed(TEXT), "domains": listed(TEXT),
}  # fmt: skip
_FOUND: Final[JSON] = {"aggregations": ANY, "sortBy": TEXT, "page": WHOLE, "links": LINKS}

SCHEMAS: Final[dict[str, JSON]] = {
    "Error": loose(
        "status message",
        status={**WHOLE, "description": "The HTTP status again."},
        message={**TEXT, "description": "What was wrong, where, and what to do."},
        code={**TEXT, "description": "The kind of error, for programs."},
        errors=listed(loose("field messages", field=TEXT, message=TEXT, messages=listed(TEXT))),
        tombstone=ANY,
    ),
    "OAuthError": loose("error", error=TEXT, error_description=TEXT),
    "Object": ANY,
    # the deposit API
    "Deposition": loose(
        "id created modified metadata links state submitted files",
        id=WHOLE, conceptrecid=TEXT, created=WHEN, modified=WHEN, doi=TEXT, metadata=ANY, title={"type": ["string", "null"]},
        links=LINKS, owner=WHOLE, record_id=WHOLE, submitted=FLAG,
        state={"enum": ["unsubmitted", "inprogress", "done"]}, files=listed(ref("DepositionFile")), **_CUT,
    ),
    "DepositionFile": loose(
        "id filename filesize checksum links", id=TEXT, filename=TEXT, filesize=WHOLE, checksum=TEXT, links=LINKS
    ),
    "DepositionWish": {
        **strict(
            "",
            metadata={
                "type": ["object", "null"],
                "description": "Zenodo's deposit metadata; fields that it does not know are refused.",
            },
            **dict.fromkeys(sorted(DUMP_ONLY), ANYTHING),
        ),
        "description": "Fields of an answer may be sent back: they are ignored.",
    },
    "FileOrder": listed(loose("id", id=TEXT)),
    "FileName": loose(
        filename={**TEXT, "description": "The new name."}, name={**TEXT, "description": "The same, as older clients say it."}
    ),
    "Bucket": loose(
        "id size links contents", id=TEXT, size=COUNT, quota_size=nullable(WHOLE), max_file_size=nullable(WHOLE), locked=FLAG,
        created=WHEN, updated=WHEN, links=LINKS, contents=listed(ref("BucketObject")),
    ),
    "BucketObject": loose(
        "key size checksum links", key=TEXT, size=WHOLE, checksum=TEXT, mimetype=TEXT, version_id=TEXT, created=WHEN,
        updated=WHEN, is_head=FLAG, delete_marker=FLAG, links=LINKS, tags=ANY,
    ),
    # records and drafts
    "Record": {
        "description": f"Zenodo's shape, or InvenioRDM's with `Accept: {RDM}`.",
        **loose("id metadata links", id={"type": ["integer", "string"]}, metadata=ANY, links=ANY, files={"type": ["array", "object"]}, **_CUT),
    },
    "Records": hits("Record", links=LINKS, sortBy=TEXT, aggregations=ANY),
    "Revision": loose(
        "created updated revision_id json", created=WHEN, updated=WHEN, revision_id=WHOLE, actor=nullable(TEXT), json=ANY
    ),
    "DraftWish": {
        **loose(
            metadata={"description": "InvenioRDM's metadata."}, access={}, files={}, pids={}, custom_fields={},
        ),
        "description": "Unknown keys are ignored; what is wrong is saved as far as it can be and told in `errors` of the "
        "answer, except where the shape itself is wrong (400).",
    },
    "RemovalWish": loose(
        "removal_reason", removal_reason=loose("id", id={**TEXT, "description": "An id of the vocabulary removalreasons."}), note=nullable(TEXT),
        citation_text=nullable(TEXT), is_visible=FLAG,
    ),
    # files of drafts and records
    "FileEntry": loose(
        "key created updated status access transfer links",
        key=TEXT, created=WHEN, updated=WHEN, status={"enum": ["pending", "verifying", "completed", "failed"]},
        size=COUNT, checksum=nullable(TEXT), mimetype=TEXT, file_id=TEXT, version_id=TEXT, bucket_id=TEXT, storage_class=TEXT,
        metadata={"type": ["object", "null"]}, access=loose("hidden", hidden=FLAG),
        transfer=loose("type", type={"enum": ["L", "M", "F"]}, parts=WHOLE, part_size=WHOLE, error=TEXT),
        links=loose(
            "self", self=TEXT, content=TEXT, commit=TEXT,
            parts=listed(loose("part url size received", part=WHOLE, url=TEXT, expiration=WHEN, size=COUNT, received=FLAG)),
        ),
    ),
    "FileList": loose(
        "enabled links", enabled=FLAG, links=LINKS, entries=listed(ref("FileEntry")), default_preview=nullable(TEXT),
        order=listed(TEXT), count=COUNT, total_bytes=COUNT, page=WHOLE,
    ),
    "FileWish": loose(
        "key", **_FILE_WISH,
        transfer={
            "anyOf": [
                {"type": "null"},
                loose(type={"const": "L", "description": "Sent whole."}),
                loose(
                    "type parts", type={"const": "M", "description": "Sent in parts."},
                    parts={**WHOLE, "minimum": 1}, part_size={"type": ["integer", "null"], "minimum": 1},
                ),
                loose("type url", type={"const": "F", "description": "Fetched by the server."}, url=TEXT),
            ]
        },
    ),
    "FileDescription": loose(metadata=_FILE_WISH["metadata"], access=_FILE_WISH["access"]),
    # deposits that may be repeated
    "DepositWish": strict(
        of={"type": ["integer", "string", "null"], "pattern": r"^[0-9]{1,18}$", "description": "The record whose next version this is."},
        record={**ref("DraftWish"), "description": "The body of POST /api/records."},
        files=listed(
            loose(
                "key size sha256", key={**TEXT, "minLength": 1}, size={**COUNT, "maximum": 2**63 - 1},
                sha256={**TEXT, "pattern": "^[0-9A-Fa-f]{64}$"},
            ),
            maxItems=100_000,
        ),
        publish={**FLAG, "default": True},
    ),
    "Deposit": loose(
        "key id status files missing links", key=TEXT, id=TEXT, status={"enum": ["waiting", "incomplete", "ready", "published"]},
        files=loose("present missing", present=COUNT, missing=COUNT),
        missing=listed(loose("key size sha256 upload", key=TEXT, size=COUNT, sha256=TEXT, upload=TEXT)),
        errors=listed(loose("field messages", field=TEXT, messages=listed(TEXT))), doi=nullable(TEXT), links=LINKS,
    ),
    # sharing
    "ShareLink": loose(
        "id created_at permission token", id=TEXT, created_at=WHEN, expires_at=DAY, permission={"enum": list(LINK_PERMISSIONS)},
        description=TEXT, token=TEXT, origin=TEXT,
    ),
    "ShareLinks": hits("ShareLink"),
    "ShareLinkWish": strict("permission", **_LINK),
    "ShareLinkChange": strict(**_LINK, id=ANYTHING, created_at=ANYTHING, token=ANYTHING, origin=ANYTHING),
    "Grant": loose(
        "permission subject origin", id={**WHOLE, "description": "Its place in the list."}, permission=GRANT_PERMISSIONS,
        subject=loose("id type", id=TEXT, type=TEXT), origin=nullable(TEXT), expires_at=WHEN,
    ),
    "Grants": hits("Grant"),
    "GrantsWish": loose(
        "grants",
        grants=listed(
            loose(
                "subject permission",
                subject=loose(
                    "id", id={"type": ["string", "integer"], "description": "The number or e-mail address of a user."},
                    type={"enum": ["user"]},
                ),
                permission=WISH_PERMISSIONS, notify=nullable(FLAG), message=nullable({**SAID, "maxLength": 10_000}),
            ),
            minItems=1, maxItems=GRANTS_AT_ONCE,
        ),
    ),
    "GrantChange": loose("permission", permission=WISH_PERMISSIONS),
    "AccessSettings": strict(
        allow_user_requests=FLAG, allow_guest_requests=FLAG,
        accept_conditions_text=nullable({**TEXT, "maxLength": CONDITIONS_MAX}),
        secret_link_expiration={**WHOLE, "minimum": 0, "maximum": EXPIRATION_MAX, "description": "Days; 0 is never."},
    ),
    "AccessSettingsWish": {
        "anyOf": [loose("settings", settings=ref("AccessSettings")), ref("AccessSettings")],
        "description": "The settings, or an object that has them as `settings`.",
    },
    # requests
    "Request": loose(
        "id created updated links revision_id type title number status is_closed is_open expires_at is_expired created_by topic",
        id=TEXT, created=WHEN, updated=WHEN,
        links=loose("self actions", self=TEXT, actions=LINKS, comments=TEXT, timeline=TEXT, lock=TEXT, unlock=TEXT),
        revision_id=WHOLE, type=TEXT, title=TEXT, description=TEXT, number=TEXT,
        status={"enum": ["created", "submitted", "accepted", "declined", "cancelled", "expired"]},
        is_closed=FLAG, is_open=FLAG, is_expired=FLAG, is_locked=FLAG, expires_at=nullable(WHEN),
        last_reply={"anyOf": [ref("RequestEvent"), {"type": "null"}]}, last_activity_at=WHEN, created_by=ENTITY, receiver=ENTITY,
        topic=ENTITY, payload=ANY, files=ANY,
    ),
    "Requests": hits("Request", aggregations=ANY, sortBy=TEXT, links=LINKS),
    "RequestChange": loose(
        title=nullable({**SAID, "maxLength": 1000}), description=nullable({**SAID, "maxLength": 20_000})
    ),
    "RequestEvent": loose(
        "id created updated links revision_id type created_by permissions parent_id",
        id=TEXT, created=WHEN, updated=WHEN, links=LINKS, revision_id=WHOLE,
        type={**TEXT, "description": "`C` is a comment, `L` an entry of the log."}, created_by=ENTITY,
        permissions={"type": "object", "additionalProperties": FLAG}, parent_id=nullable(TEXT), payload=ANY,
        children=listed({"$ref": "#/components/schemas/RequestEvent"}), children_count=COUNT,
    ),
    "Timeline": hits("RequestEvent", page=WHOLE, sortBy=TEXT, links=LINKS),
    "Comment": loose(
        "payload", payload=loose("content", content={**TEXT, "minLength": 1, "maxLength": 65_536, "description": "HTML; cleaned."}, format={"enum": ["html"]})
    ),
    "MaybeComment": loose(
        payload=nullable(loose(content={"type": ["string", "null"], "maxLength": 65_536}, format={"enum": ["html"]}))
    ),
    "AccessRequestWish": loose(
        "email", email={**SAID, "maxLength": 320}, message=nullable({**SAID, "maxLength": 20_000}), full_name=nullable({**SAID, "maxLength": 200}),
        consent_to_share_personal_data={"description": "Guests say true."},
    ),
    "AccessRequest": {
        "anyOf": [ref("Request"), loose("message", message=TEXT)],
        "description": "The request; for a guest, that a mail with a link is on its way.",
    },
    "DeletionWish": loose(
        "reason", reason={**SAID, "minLength": 1, "maxLength": 100, "description": "An id of the vocabulary removalreasons."},
        comment=nullable({**SAID, "maxLength": 20_000}),
    ),
    "QuotaIncreaseWish": loose("quota_size", quota_size={**NUMBER, "description": "Gigabytes in all."}),
    "QuotaWish": loose(
        "quota_size",
        quota_size={**NUMBER, "description": "Bytes in all."},
        max_file_size={**NUMBER, "type": ["integer", "string", "null"], "description": "Bytes of one file."},
        notes=nullable({**SAID, "maxLength": 10_000}),
    ),
    "Nothing": {"type": "object", "maxProperties": 0},
    "Notifications": loose("enabled", enabled=FLAG),
    "Communities": loose("hits", hits=loose("hits total", hits=listed(ANY), total=COUNT), aggregations=ANY, links=LINKS, sortBy=TEXT),
    # vocabularies
    "Vocabularies": loose(
        "hits", links=LINKS,
        hits=loose(
            "hits total", total=COUNT,
            hits=listed(loose("id pid_type count is_custom_vocabulary links", id=TEXT, pid_type=TEXT, count=COUNT, is_custom_vocabulary=FLAG, links=LINKS)),
        ),
    ),
    "Term": loose(
        "id links revision_id title type", **_TERM, **_SHIPPED, tags=listed(TEXT), icon=TEXT,
        props={"type": "object", "additionalProperties": TEXT, "description": "Other schemas' words for it."},
    ),
    "Licence": loose(
        "id links revision_id title description icon tags props type metadata", **_TERM, **_SHIPPED, tags=listed(TEXT), icon=TEXT,
        props=loose("url scheme osi_approved", url=TEXT, scheme=TEXT, osi_approved={"enum": ["y", "n", ""]}),
        metadata={
            **loose(
                "id title url", id=TEXT, title=TEXT, url=TEXT, domain_content=FLAG, domain_data=FLAG, domain_software=FLAG,
                family=TEXT, maintainer=TEXT, od_conformance=TEXT, osd_conformance=TEXT, status=TEXT,
            ),
            "description": "The licence in the words of Zenodo's older API.",
        },
    ),
    "LicenceSuggestions": loose(
        "text",
        text=listed(
            loose(
                "text offset length options", text=TEXT, offset=COUNT, length=COUNT,
                options=listed(loose("text score _source", text=TEXT, score={"type": "number"}, _source=loose("id title", id=TEXT, title=TEXT))),
            )
        ),
    ),
    "Language": loose(
        "id links revision_id title tags props type", **_TERM, **_SHIPPED, tags=listed(TEXT),
        props=loose("alpha_2", alpha_2={**TEXT, "description": "ISO 639-1, where it has one."}),
    ),
    "Affiliation": loose("id links revision_id name title status", **_TERM, **_ORGANISATION),
    "Funder": loose("id links revision_id name title status", **_TERM, **_ORGANISATION),
    "Award": loose(
        "id links revision_id title number funder", **_TERM, **_TITLED, number=TEXT, acronym=TEXT, program=TEXT,
        funder=loose("id", id=TEXT, name=TEXT), identifiers=_IDENTIFIERS, start_date=TEXT, end_date=TEXT,
        subjects=listed(loose(id=TEXT)), organizations=listed(loose(id=TEXT)), description=LANGUAGES, description_l10n=TEXT,
    ),
    "Subject": loose(
        "id links revision_id subject scheme", **_TERM, **_TITLED, subject=TEXT, scheme=TEXT, synonyms=listed(TEXT),
        identifiers=_IDENTIFIERS, props={"type": "object", "additionalProperties": TEXT},
    ),
    "Name": loose(
        "id links revision_id name identifiers", **_TERM, name=TEXT, given_name=TEXT, family_name=TEXT, identifiers=_IDENTIFIERS,
        affiliations=listed(loose("name", id=TEXT, name=TEXT)),
    ),
    **{f"{name}s": hits(name, **_FOUND) for name in ("Term", "Licence", "Language", "Affiliation", "Funder", "Award", "Subject", "Name")},
    # accounts
    "User": loose(
        "id links is_current_user profile",
        id=TEXT, links=LINKS, is_current_user=FLAG, email=TEXT, username={"type": ["string", "null"]},
        profile=loose(full_name=TEXT, affiliations=TEXT), identities=ANY, preferences=ANY,
        active=FLAG, confirmed=FLAG, blocked=FLAG, verified=FLAG, revision_id=WHOLE,
    ),
    "Users": hits("User", sortBy=TEXT, links=LINKS),
    "Me": loose("id confirmed_at last_login_at roles", id=WHOLE, email=TEXT, roles=listed(TEXT)),
    "Token": loose(
        "id name scopes created",
        id=TEXT, name=TEXT, scopes=listed({"enum": list(SCOPES)}), created=WHEN,
        expires={"type": ["string", "null"]}, last_used={"type": ["string", "null"]}, access_token=TEXT, links=LINKS,
    ),
    "Tokens": hits("Token"),
    "TokenWish": loose(
        "name",
        name={**TEXT, "minLength": 1, "description": "What it is for, in up to 200 characters."},
        scopes=listed({"enum": list(SCOPES)}),
        expires={
            "type": ["string", "null"],
            "pattern": r"^\d{4}-\d\d-\d\d([T ].*)?$",
            "description": "A day, or a time; null for none.",
        },
    ),
    "Profile": loose(
        profile=loose(full_name={**SAID, "maxLength": 200}, affiliations={**SAID, "maxLength": 500}),
        preferences=loose(
            visibility={"enum": ["public", "restricted"]}, email_visibility={"enum": ["public", "restricted"]},
            notifications=loose(enabled=FLAG),
        ),
    ),
    "OAuthTokens": loose(
        "access_token token_type expires_in", access_token=TEXT, refresh_token=TEXT, token_type=TEXT, expires_in=WHOLE, scope=TEXT, user=ANY
    ),
}  # fmt: skip

_RECORD = r"/api/records/\{id\}"
_TERM_SHAPES = {
    r"vocabularies/\{type\}": "Term", "languages": "Language", "licenses": "Licence", "affiliations": "Affiliation",
    "funders": "Funder", "awards": "Award", "subjects": "Subject", "names": "Name",
}  # fmt: skip
_TERM_LISTS = "|".join(_TERM_SHAPES)

# Answers and bodies: the first pattern (of "VERB /path") that fits. "[]X" is an array of X.
ANSWERS: Final[Sequence[tuple[str, str]]] = [
    (r"GET /api/deposit/depositions$", "[]Deposition"),
    (r"(POST|PUT|GET) /api/deposit/depositions(/\{id\}(/actions/\w+)?)?$", "Deposition"),
    (r"(GET|PUT) /api/deposit/depositions/\{id\}/files$", "[]DepositionFile"),
    (r"(GET|POST|PUT) /api/deposit/depositions/\{id\}/files", "DepositionFile"),
    (r"PUT /api/deposits/", "Deposit"),
    (r"PUT /api/files/", "BucketObject"),
    (r"GET /api/files/\{bucket\}$", "Bucket"),
    (r"GET .*/avatar.svg$", "svg"),
    (rf"(GET|POST) {_RECORD}(/draft)?/files$|POST .*/files-import$", "FileList"),
    (rf"GET {_RECORD}(/draft)?/media-files$", "FileList"),
    (r"GET .*(/content|files-archive)$|GET /api/files/\{bucket\}/", "bytes"),
    (rf"(PUT|POST|GET) {_RECORD}(/draft)?/files/", "FileEntry"),
    (r"GET .*/revisions$", "[]Revision"),
    (r"GET .*/revisions/\{n\}$", "Revision"),
    (rf"GET {_RECORD}/access/links$", "ShareLinks"),
    (rf"\w+ {_RECORD}/access/links", "ShareLink"),
    (rf"(GET|POST) {_RECORD}/access/(grants|users|groups)$", "Grants"),
    (rf"\w+ {_RECORD}/access/(grants|users|groups)/", "Grant"),
    (rf"PUT {_RECORD}/access$", "Record"),
    (rf"POST {_RECORD}/access/request$", "AccessRequest"),
    (rf"POST {_RECORD}/(request-deletion|quota-increase)$", "Request"),
    (r"POST .*/quota$", "Nothing"),
    (rf"GET ({_RECORD}|/api|/api/user)/requests$", "Requests"),
    (r"(GET|PUT|POST) /api/requests/\{request_id\}(/actions/\{action\})?$", "Request"),
    (r"GET /api/requests/.*/(timeline|replies)(_focused)?$", "Timeline"),
    (r"\w+ /api/requests/\{request_id\}/comments", "RequestEvent"),
    (rf"GET ({_RECORD}|/api|/api/user)/communities$", "Communities"),
    (r"(GET|PUT) /api/user/notifications$", "Notifications"),
    (r"GET /api/vocabularies$", "Vocabularies"),
    (r"GET /api/licenses/_suggest$", "LicenceSuggestions"),
    *(
        (rf"GET /api/{path}{end}", f"{name}{plural}")
        for path, name in _TERM_SHAPES.items()
        for end, plural in (("$", "s"), ("/", ""))
    ),
    (r"GET /api/records$|GET /api/user/records|GET .*/versions$", "Records"),
    (r"GET /api/(users|users/all)$", "Users"),
    (r"GET /api/user/tokens$", "Tokens"),
    (rf"GET {_RECORD}$", "record"),
    (rf"(POST|PUT|GET) /api/records(/\{{id\}}(/draft)?)?$|\w+ {_RECORD}/draft/pids/", "Record"),
    (rf"POST {_RECORD}/(draft/actions/publish|versions|restore)$", "Record"),
    (r"GET /api/me$", "Me"),
    (r"POST /api/user/tokens$", "Token"),
    (r"(GET|PUT) /api/user$|(GET|POST) /api/users/\{user_id\}", "User"),
    (r"POST /oauth/token$", "OAuthTokens"),
]
BODIES: Final[Sequence[tuple[str, str]]] = [
    (r"POST /api/deposit/depositions/\{id\}/files$", "multipart"),
    (r"PUT /api/deposit/depositions/\{id\}/files$", "FileOrder"),
    (r"PUT /api/deposit/depositions/\{id\}/files/", "FileName"),
    (r"(POST|PUT) /api/deposit/depositions(/\{id\})?$", "DepositionWish"),
    (r"PUT /api/deposits/", "DepositWish"),
    (r"PUT /api/files/|PUT .*/content(/\{part\})?$", "bytes"),
    (r"POST .*/draft/files$", "[]FileWish"),
    (r"PUT .*/draft/files/", "FileDescription"),
    (rf"POST /api/records$|PUT {_RECORD}/draft$", "DraftWish"),
    (rf"DELETE {_RECORD}/delete$", "RemovalWish"),
    (rf"POST {_RECORD}/access/links$", "ShareLinkWish"),
    (rf"PATCH {_RECORD}/access/links", "ShareLinkChange"),
    (rf"POST {_RECORD}/access/grants$", "GrantsWish"),
    (rf"(PUT|PATCH) {_RECORD}/access/(grants|users)/", "GrantChange"),
    (rf"PUT {_RECORD}/access$", "AccessSettingsWish"),
    (rf"POST {_RECORD}/access/request$", "AccessRequestWish"),
    (rf"POST {_RECORD}/request-deletion$", "DeletionWish"),
    (r"PUT /api/requests/\{request_id\}$", "RequestChange"),
    (r"POST /api/requests/\{request_id\}/actions/", "MaybeComment"),
    (r"(POST|PUT) /api/requests/\{request_id\}/comments", "Comment"),
    (r"PUT /api/user/notifications$", "Notifications"),
    (r"POST /api/user/tokens$", "TokenWish"),
    (r"PUT /api/user$", "Profile"),
    (rf"POST {_RECORD}/quota-increase$", "QuotaIncreaseWish"),
    (r"POST .*/quota$", "QuotaWish"),
    (r"POST /oauth/", "form"),
    (
        r"POST .*/(draft|restore|versions|commit|lock|unlock)$|POST .*/actions/\w|POST .*/pids/|POST /api/users/",
        "",
    ),
    (r"(POST|PUT|PATCH) ", "Object"),
]
# What a docstring does not say: other statuses besides.
MORE: Final[Sequence[tuple[str, str]]] = [
    (rf"GET {_RECORD}$", "200 301 302 304"),
    (rf"GET {_RECORD}/draft/files(-archive)?", "200 206 304 416"),
    (r"GET .*(/content|files-archive)$|GET /api/files/|GET .*/files/\{key\}$", "200 206 304 301 302 416"),
    (r"GET /api/licenses/_suggest$", "200"),
    (rf"GET /api/({_TERM_LISTS})/", "200 304"),
    (r"POST .*/draft/files$", "201"),
    (r"PUT /api/deposits/", "200 201"),
    (r"GET .*/versions/latest$", "301"),
    (rf"POST {_RECORD}/draft$", "201 200"),
    (r"GET .*/access/groups", "200"),
]
QUERY: Final[Sequence[tuple[str, str]]] = [
    (r"GET (/api/records|/api/deposit/depositions|/api/user/records)$", "q page size sort all_versions"),
    (r"GET /api/user/records$", "is_published"),
    (
        rf"GET ({_RECORD}|/api|/api/user)/requests$",
        "q page size request_sort type status is_open shared_with_me",
    ),
    (r"GET /api/requests/.*/(timeline|replies)(_focused)?$", "page size"),
    (r"GET /api/requests/.*_focused$", "focus_event_id"),
    (r"GET /api/(users|users/all)$", "q page size"),
    (rf"GET {_RECORD}/versions$", "page size"),
    (rf"GET {_RECORD}(/draft)?/files$", "page file_size"),
    (rf"GET {_RECORD}$", "expand"),
    (rf"GET /api/({_TERM_LISTS})$", "q suggest tags term_page term_size term_sort ln"),
    (r"GET /api/awards$", "funders"),
    (r"GET /api/licenses/_suggest$", "text term_size"),
]


# Headers that say something here; those that go with a status (304, 206) are added where it is answered. `Accept` is
# not among them: OpenAPI says it by the media types of the answers.
HEADERS: Final[Sequence[tuple[str, str]]] = [
    (rf"(PUT|DELETE) {_RECORD}/draft$|PUT /api/user$", "If-Match"),
    (r"PUT /api/deposit/depositions/\{id\}$", "If-Match-of-metadata"),
    (r"PUT /api/files/|PUT .*/content(/\{part\})?$", "Content-MD5 Digest Repr-Digest Content-Digest"),
]
OF_STATUS: Final = {"304": "If-None-Match", "206": "Range If-Range"}
_DIGEST = "of the body: what comes is compared with it, and refused when it differs."
HEADER: Final[dict[str, JSON]] = {
    "If-Match": {
        "schema": {**TEXT, "pattern": r'^\s*(\*|(W/)?"*[0-9]{1,18}"*)\s*$'},
        "description": "The revision that one has read, as its `ETag` says it; 412 if there is a newer one by now.",
    },
    "If-Match-of-metadata": {
        "name": "If-Match",
        "schema": TEXT,
        "description": "The revision that one has read, where metadata is sent; 412 if there is a newer one by now.",
    },
    "If-None-Match": {"schema": TEXT, "description": "An `ETag` that one has; 304 if it is right still."},
    "Range": {"schema": TEXT, "description": "The bytes wanted, as `bytes=0-1023`; several ranges too."},
    "If-Range": {"schema": TEXT, "description": "An `ETag`: the range counts only if it is right still."},
    "Content-MD5": {"schema": TEXT, "description": f"The md5 (base64, or hexadecimal) {_DIGEST}"},
    "Digest": {"schema": TEXT, "description": f"RFC 3230, `sha-256=…`: digests {_DIGEST}"},
    "Repr-Digest": {"schema": TEXT, "description": f"RFC 9530, `sha-256=:…:`: digests {_DIGEST}"},
    "Content-Digest": {"schema": TEXT, "description": f"RFC 9530, `sha-256=:…:`: digests {_DIGEST}"},
}


def _whole(most: int | None = None) -> JSON:
    """A number from 1; a parameter that is there and empty counts as absent."""
    number: JSON = {"type": "integer", "minimum": 1}
    return {"anyOf": [number | ({"maximum": most} if most else {}), {"const": ""}]}


_YES = {"type": ["boolean", "string"], "description": "`0`, `false`, `no` and `off` mean no."}
# The name that is sent is `name` where it is not the key.
PARAMETERS: Final[dict[str, JSON]] = {
    "q": {"schema": TEXT, "description": "What to look for."},
    "page": {"schema": _whole()},
    "size": {"schema": _whole(100)},
    "file_size": {"name": "size", "schema": _whole(1000)},
    "sort": {"schema": {"enum": ["", *sorted(sort_names)]}},
    "request_sort": {"name": "sort", "schema": {"enum": ["", *REQUEST_SORTS]}},
    "all_versions": {"schema": _YES, "description": "Every version, not only the latest of each."},
    "is_published": {"schema": _YES, "description": "Only what is published, or only drafts."},
    "type": {"schema": TEXT, "description": "Only requests of this type."},
    "status": {"schema": TEXT, "description": "Only requests of this status."},
    "is_open": {"schema": _YES},
    "shared_with_me": {"schema": _YES},
    "expand": {"schema": _YES, "description": "Names of accounts in the place of their numbers."},
    "focus_event_id": {"schema": TEXT, "description": "The entry whose page is wanted."},
    "suggest": {"schema": TEXT, "description": "What somebody began to type."},
    "text": {
        "schema": {**TEXT, "minLength": 1},
        "required": True,
        "description": "What somebody began to type.",
    },
    "tags": {"schema": TEXT},
    "funders": {"schema": TEXT, "description": "Only grants of this funder."},
    "ln": {"schema": TEXT, "description": "The language, where the vendor type asks for one."},
    "term_page": {
        "name": "page",
        "schema": _whole(10_000),
    },
    "term_size": {
        "name": "size",
        "schema": _whole(10_000),
    },
    "term_sort": {"name": "sort", "schema": TEXT},
}
