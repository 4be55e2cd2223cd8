"""The whole API as one OpenAPI 3.1 document, made from the URL map and from what doors say of themselves.

Path, verb and summary come from the map and each handler's docstring (`METHOD /path: what`, with the statuses it
answers where they are not the verb's usual ones); shapes of bodies and answers are in schemas.py, examples in
data/examples.json (scripts/make_examples.py). A route without a docstring fails a test, so does one that answers
what is not written here (tests/conformance).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from strongroom import __version__
from strongroom.access import OFFERED_SCOPES
from strongroom.api.schemas import (
    ANSWERS,
    BODIES,
    HEADER,
    HEADERS,
    JSON,
    MORE,
    OF_STATUS,
    PARAMETERS,
    QUERY,
    RDM,
    SCHEMAS,
    TEXT,
    loose,
    ref,
)
from strongroom.http.deprecation import deprecation_of
from strongroom.http.deps import context, in_thread
from strongroom.http.representations import MEDIA_TYPES
from strongroom.settings import Settings

Table = Sequence[tuple[str, str, Callable[..., Any]]]

_BOTH: Final = ("application/json", RDM)

_CONVERTER: Final = re.compile(r"\{(\w+):\w+\}")
_WORKS: Final = re.compile(r"\b(20[0-9]|30[0-9])\b")
_SAID: Final = {
    "200": "Done.", "201": "Made.", "202": "Accepted.", "204": "Done; nothing to tell.", "206": "Part of the bytes.",
    "301": "It is elsewhere.", "302": "It is elsewhere.", "304": "Nothing changed.", "308": "It is elsewhere.",
    "416": "The range lies outside the file.",
}  # fmt: skip
_ERRORS: Final = {
    "400": "What was sent is wrong; `errors` says where.",
    "401": "No credentials, or wrong ones.",
    "403": "Not with these rights.",
    "404": "There is no such thing, or none that you may know of.",
    "406": "Not in this representation.",
    "409": "The state does not allow it now.",
    "410": "It was withdrawn.",
    "412": "Somebody changed it since it was read.",
    "415": "Not in this media type.",
    "429": "Too many requests; `Retry-After` says when to come back.",
    "503": "Busy, or something remote does not answer: come back.",
    "507": "The storage is full.",
}


_DEPRECATION: Final = {
    "Deprecation": {
        "schema": {"type": "string", "pattern": r"^@\d+$"},
        "description": "RFC 9745: since when.",
    }
}


@cache
def examples() -> dict[str, dict[str, Any]]:
    """Example bodies (`body`) and answers (by status) by "VERB /path"; their addresses begin with `{base}`."""
    text = files("strongroom.api").joinpath("data/examples.json").read_bytes()
    return orjson.loads(text)  # type: ignore[no-any-return]


def _first(table: Sequence[tuple[str, str]], name: str) -> str | None:
    return next((value for pattern, value in table if re.match(pattern, name)), None)


def document(table: Table, settings: Settings) -> JSON:
    """The OpenAPI document of these routes (verb, path, handler)."""
    paths: dict[str, JSON] = {}
    tags: dict[str, None] = {}
    for verb, path, handler in table:
        plain = _CONVERTER.sub(r"{\1}", path)
        operation = _operation(verb, plain, handler)
        tags.setdefault(operation["tags"][0])
        paths.setdefault(plain, {})[verb.lower()] = operation
    base = settings.base_url
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{settings.site_name} API",
            "version": __version__,
            "description": "Zenodo's deposit API and InvenioRDM's records API, over the same records. "
            "Answers may gain fields; none is taken away.",
            "contact": {"email": settings.contact_email},
        },
        "servers": [{"url": base}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "responses": {f"E{status}": _error(text) for status, text in _ERRORS.items()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A personal token, or one of an application."},
                "access_token": {"type": "apiKey", "in": "query", "name": "access_token"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-strongroom" if settings.is_https else "strongroom",
                    "description": "A browser's session; writing needs the header X-CSRF-Token too.",
                },
                "oauth2": {
                    "type": "oauth2",
                    "flows": {
                        "authorizationCode": {
                            "authorizationUrl": f"{base}/oauth/authorize",
                            "tokenUrl": f"{base}/oauth/token",
                            "refreshUrl": f"{base}/oauth/token",
                            "scopes": dict.fromkeys(OFFERED_SCOPES, ""),
                        }
                    },
                },
            },
        },
        "security": [{}, {"bearer": []}, {"access_token": []}, {"session": []}, {"oauth2": []}],
    }  # fmt: skip


def _operation(verb: str, path: str, handler: Callable[..., Any]) -> JSON:
    name = f"{verb} {path}"
    said = " ".join((handler.__doc__ or "").split("\n\n")[0].split())
    summary = said.partition(": ")[2] or said
    if not summary:
        raise ValueError(f"{name} has no docstring: begin it with `{name}: what it does`.")
    shape = _first(ANSWERS, name) or "Object"
    statuses = (
        (_first(MORE, name) or "").split() or _WORKS.findall(said) or ["204" if verb == "DELETE" else "200"]
    )
    names = re.findall(r"\{(\w+)\}", path)
    operation: JSON = {
        "operationId": re.sub(r"\W+", "_", f"{verb.lower()}{path}").strip("_"),
        "summary": summary[:1].upper() + summary[1:],
        "tags": [_tag(path)],
        "responses": {},
    }
    parameters: list[JSON] = [
        {"name": n, "in": "path", "required": True, "schema": {**TEXT, "minLength": 1}} for n in names
    ]
    for pattern, asked in QUERY:
        if re.match(pattern, name):
            parameters += [{"name": n, "in": "query", **PARAMETERS[n]} for n in asked.split()]
    heads = [asked for pattern, asked in HEADERS if re.match(pattern, name)]
    heads += [asked for status, asked in OF_STATUS.items() if status in statuses]
    parameters += [{"name": n, "in": "header", **HEADER[n]} for asked in heads for n in asked.split()]
    if parameters:
        operation["parameters"] = parameters
    for status in statuses:
        answer: JSON = {"description": _SAID[status]}
        if content := _content(shape, status):
            answer["content"] = content
        operation["responses"][status] = answer
    oauth = path.startswith("/oauth/")
    errors = _errors_of(verb, bool(names), oauth)
    if "206" in statuses:
        errors.append("412")  # for If-Match and If-Unmodified-Since of downloads
    for status in errors:
        operation["responses"].setdefault(
            status,
            {"description": _ERRORS[status], "content": {"application/json": {"schema": ref("OAuthError")}}}
            if oauth
            else {"$ref": f"#/components/responses/E{status}"},
        )
    if body := _first(BODIES, name):
        operation["requestBody"] = _body(body)
    if old := deprecation_of(handler):
        operation |= {
            "deprecated": True,
            "description": f"Deprecated since {old.since:%Y-%m-%d}. {old.instead}",
        }
        for answer in operation["responses"].values():
            if "$ref" not in answer:
                answer["headers"] = _DEPRECATION
    for status, example in examples().get(name, {}).items():
        said = operation["requestBody"] if status == "body" else operation["responses"][status]
        said["content"].get("application/json", {})["example"] = example
    return operation


def _errors_of(verb: str, named: bool, oauth: bool) -> list[str]:
    if oauth:
        return ["400", "401", "429", "503"]
    found = ["400", "401", "403", "429", "503"]
    found += ["404", "410"] if named else []
    found += ["406"] if verb == "GET" else ["404", "409", "412", "415", "507"]
    return sorted(set(found))


_TAGS: Final = [
    (r"/api/deposits/", "Deposits in one request"),
    (r"/api/deposit/", "Deposit (Zenodo)"),
    (r"/api/files/", "Buckets (Zenodo)"),
    (r".*/access(/|$)", "Access"),
    (r".*/draft(/|$)", "Drafts"),
    (r".*/(requests|request-deletion|quota-increase)(/|$)", "Requests"),
    (r".*/communities$", "Communities"),
    (r"/api/(user/)?records", "Records"),
    (r"/(oauth|\.well-known)/", "OAuth 2"),
    (r"/api/(me|users?)(/|$)", "Users and tokens"),
    (r"/api/openapi", "This document"),
    (r"", "Vocabularies"),
]


def _tag(path: str) -> str:
    return _first(_TAGS, path) or ""


def _content(shape: str, status: str) -> JSON:
    if status in ("204", "304"):
        return {}
    if shape == "bytes":
        return {"*/*": {}}
    if shape == "svg":
        return {"image/svg+xml": {}}
    if status.startswith("3"):
        return {"application/json": {}, "text/plain": {}}
    if shape == "record":
        others: JSON = {kind: {} for kind in MEDIA_TYPES if kind not in _BOTH}
        return {**{kind: {"schema": ref("Record")} for kind in _BOTH}, **others}
    schema = ref(shape) if not shape.startswith("[]") else {"type": "array", "items": ref(shape[2:])}
    return {kind: {"schema": schema} for kind in _BOTH}


def _body(shape: str) -> JSON:
    match shape:
        case "bytes":
            content: JSON = {"application/octet-stream": {}}
        case "multipart":
            fields = loose(
                "file name",
                file={**TEXT, "format": "binary"},
                name={"description": "The file's name."},
            )
            content = {"multipart/form-data": {"schema": fields}}
        case "form":
            fields = loose(grant_type=TEXT, code=TEXT, redirect_uri=TEXT, code_verifier=TEXT,
                             refresh_token=TEXT, client_id=TEXT, client_secret=TEXT, token=TEXT)  # fmt: skip
            content = {"application/x-www-form-urlencoded": {"schema": fields}}
        case _:
            schema = ref(shape) if not shape.startswith("[]") else {"type": "array", "items": ref(shape[2:])}
            content = {"application/json": {"schema": schema}}
    return {"content": content}


def _error(text: str) -> JSON:
    return {"description": text, "content": {kind: {"schema": ref("Error")} for kind in _BOTH}}


# The door --------------------------------------------------------------------------------------------------


async def openapi(request: Request) -> Response:
    """GET /api/openapi.json: this API as an OpenAPI 3.1 document."""
    state = request.app.state
    if getattr(state, "openapi", None) is None:
        settings = context(request).settings

        def work() -> bytes:
            text = orjson.dumps(document(state.documented, settings))
            return text.replace(b"{base}", settings.base_url.encode())

        state.openapi = await in_thread(request, work)
    headers = {"Cache-Control": "public, no-cache"}
    return Response(state.openapi, 200, headers, media_type="application/json")
