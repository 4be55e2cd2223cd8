"""`/api/vocabularies` and its sisters for funders, awards, affiliations, subjects, names (api-rdm.md section 6).

`application/json` has texts by language; the vendor type of InvenioRDM has them in the reader's (`?ln=`, else
Accept-Language). `/api/licenses` answers in the words of Zenodo's older API too (api-legacy.md section 9).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from strongroom.errors import Forbidden, Malformed, NotAcceptable, NotFound
from strongroom.http.caching import conditional, headers_for
from strongroom.http.deps import context, has_credentials, in_thread, json_answer, wants_vendor, who
from strongroom.http.rdm import MEDIA_TYPE
from strongroom.metadata import vocabularies as shipped
from strongroom.vocabularies import service
from strongroom.vocabularies.service import JSON, Asked, Found, Shown

_SIZE = 25


def _localised(request: Request) -> bool:
    """Whether the client wants InvenioRDM's form for pages. Raises NotAcceptable."""
    if wants_vendor(request):
        return True
    accept = request.headers.get("accept", "*/*").lower()
    if not any(known in accept for known in ("application/json", "*/*", "application/*")):
        raise NotAcceptable(f"Invalid 'Accept' header. Expected one of: application/json, {MEDIA_TYPE}")
    return False


def _languages(request: Request) -> list[str]:
    """What the reader wants, most wanted first."""
    asked = request.query_params.get("ln")
    given = (
        [asked]
        if asked
        else [part.partition(";")[0] for part in request.headers.get("accept-language", "").split(",")]
    )
    found = [tag.strip().lower() for tag in given if tag.strip()]
    return [*(name for tag in found for name in (tag, tag.partition("-")[0])), "en"]


def _in_language(texts: Mapping[str, str], languages: list[str]) -> str:
    for language in languages:
        if language in texts:
            return texts[language]
    return next(iter(texts.values()), "")


def _path(kind: str) -> str:
    return f"/api/vocabularies/{kind}" if kind in shipped.TYPES else f"/api/{kind}"


def _item(shown: Shown, base: str, languages: list[str] | None) -> JSON:
    data = dict(shown.data)
    item: JSON = {
        "id": data.pop("id"),
        "created": shown.created.isoformat(timespec="microseconds"),
        "updated": shown.updated.isoformat(timespec="microseconds"),
        "links": {"self": f"{base}{_path(shown.kind)}/{quote(shown.data['id'], safe=':')}"},
        "revision_id": shown.revision,
        **data,
    }
    if languages is not None:
        for name in ("title", "description"):
            if isinstance(texts := item.get(name), dict):
                text = _in_language(texts, languages)
                if shown.kind in shipped.TYPES:
                    item[name] = text
                else:
                    item[f"{name}_l10n"] = text
    return item


def _licence(shown: Shown, base: str, languages: list[str] | None) -> JSON:
    """A licence with the older API's `metadata` beside (api-legacy.md section 9.1)."""
    item = _item(shown, base, languages)
    id = shown.data["id"]
    item["links"] = {"self": f"{base}/api/licenses/{quote(id, safe=':')}"}
    item["metadata"] = {
        "id": shipped.legacy_licences().get(id, id),
        "title": shown.data["title"]["en"],
        "url": shown.data["props"]["url"],
        **asdict(shipped.open_definition(id)),
    }
    return item


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 10_000 or len(text) > 9:
        raise Malformed("Invalid querystring parameters.")
    return int(text)


_Render = Callable[[Shown, str, list[str] | None], JSON]


async def _list(
    request: Request, kind: str, path: str, render: _Render = _item, members: bool = False
) -> Response:
    ctx = context(request)
    languages = _languages(request) if _localised(request) else None
    params = request.query_params
    asked = Asked(
        kind,
        params.get("q", ""),
        params.get("suggest", ""),
        tuple(params.getlist("tags")),
        tuple(params.getlist("funders")) if kind == "awards" else (),
        params.get("sort", "").strip(),
        _number(request, "page", 1),
        _number(request, "size", _SIZE),
    )

    def work() -> JSON:
        if members and not who(request).is_user:
            raise Forbidden("Permission denied.")
        found = service.search(ctx.db, ctx.vocabularies, asked)
        request.state.behind = found.behind
        base = ctx.settings.base_url
        body: JSON = {
            "hits": {"hits": [render(t, base, languages) for t in found.terms], "total": found.total}
        }
        if kind == "awards":
            body["aggregations"] = {"funders": _facet(found, asked)}
        body |= {
            "sortBy": found.sort,
            "page": asked.page,
            "links": _links(request, base + path, asked, found),
        }
        return body

    answer = json_answer(request, await in_thread(request, work))
    if request.state.behind:
        answer.headers["X-Search-Behind"] = "true"
    return answer


def _facet(found: Found, asked: Asked) -> JSON:
    return {
        "buckets": [
            {
                "key": key,
                "doc_count": count,
                "label": found.labels.get(key, key),
                "is_selected": key in asked.facet,
            }
            for key, count in found.facets.items()
        ],
        "label": "Funders",
    }


def _links(request: Request, url: str, asked: Asked, found: Found) -> dict[str, str]:
    kept = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name in ("q", "suggest", "tags", "funders", "ln")
    ]

    def to(page: int) -> str:
        every = [*kept, ("page", str(page)), ("size", str(asked.size)), ("sort", found.sort)]
        return f"{url}?{urlencode(sorted(every), safe=':')}"

    links = {"self": to(asked.page)}
    if asked.page > 1:
        links["prev"] = to(asked.page - 1)
    if asked.page * asked.size < min(found.total, 10_000):
        links["next"] = to(asked.page + 1)
    return links


async def _one(
    request: Request, kind: str, id: str, render: _Render = _item, members: bool = False
) -> Response:
    ctx = context(request)
    languages = _languages(request) if _localised(request) else None
    # An address in a path has lost one of its slashes to the tidying of paths.
    id = re.sub(r"^(https?):/(?!/)", r"\1://", id)

    def work() -> Shown:
        if members and not who(request).is_user:
            raise Forbidden("Permission denied.")
        with ctx.db.read() as session:
            return service.read(session, kind, id)

    shown = await in_thread(request, work)
    etag = f'"{shown.revision}"' if languages is None else f'"{shown.revision}-{"-".join(languages[:2])}"'
    headers = headers_for(etag, members or has_credentials(request))
    if conditional(request, etag):
        return Response(status_code=304, headers=headers)
    return json_answer(request, render(shown, ctx.settings.base_url, languages), headers=headers)


async def types(request: Request) -> Response:
    """GET /api/vocabularies: the vocabularies there are, with the number of their terms."""
    ctx = context(request)

    def work() -> JSON:
        with ctx.db.read() as session:
            counts = service.counts(session)
        hits = [
            {
                "id": name,
                "pid_type": pid_type,
                "count": counts[name],
                "is_custom_vocabulary": name in service.LOADED,
                "links": {"self": f"{ctx.settings.base_url}{_path(name)}"},
            }
            for name, pid_type in sorted({**shipped.TYPES, **service.LOADED}.items())
        ]
        links = {"self": f"{ctx.settings.base_url}/api/vocabularies/"}
        return {"hits": {"hits": hits, "total": len(hits)}, "links": links}

    return json_answer(request, await in_thread(request, work))


def _type(request: Request) -> str:
    kind = str(request.path_params["type"])
    if kind not in shipped.TYPES:
        raise NotFound("Not found.")
    return kind


async def listing(request: Request) -> Response:
    """GET /api/vocabularies/{type}: terms of a shipped vocabulary; `q`, `suggest`, `tags`, `sort`, `size`, `page`."""
    kind = _type(request)
    return await _list(request, kind, _path(kind))


async def read(request: Request) -> Response:
    """GET /api/vocabularies/{type}/{term}: one term."""
    return await _one(request, _type(request), request.path_params["term"])


async def languages(request: Request) -> Response:
    """GET /api/languages: the languages of ISO 639-3, found by name and by every code of ISO 639."""
    return await _list(request, "languages", "/api/languages")


async def language(request: Request) -> Response:
    """GET /api/languages/{term}: one language, by any code of ISO 639 or by its English or German name."""
    given = request.path_params["term"]
    return await _one(request, "languages", shipped.find_language(given) or given)


async def licences(request: Request) -> Response:
    """GET /api/licenses: licences, each in the words of the older API too (`metadata`)."""
    return await _list(request, "licenses", "/api/licenses", _licence)


async def suggest_licences(request: Request) -> Response:
    """GET /api/licenses/_suggest: licences whose name or id begins with `text`, as Zenodo answered before 2023."""
    ctx = context(request)
    text, size = request.query_params.get("text", ""), _number(request, "size", 10)
    if not text:
        raise Malformed("Say what to look for: `text` is empty.")

    def work() -> JSON:
        found = service.search(ctx.db, ctx.vocabularies, Asked("licenses", suggest=text, size=size))
        options = [_licence(t, ctx.settings.base_url, None) for t in found.terms]
        return {
            "text": [
                {
                    "text": text,
                    "offset": 0,
                    "length": len(text),
                    "options": [
                        {"text": o["metadata"]["title"], "score": 1.0, "_source": o["metadata"]}
                        for o in options
                    ],
                }
            ]
        }

    return json_answer(request, await in_thread(request, work))


async def licence(request: Request) -> Response:
    """GET /api/licenses/{term}: one licence, by the id of today or by one of the older API."""
    given = request.path_params["term"]
    return await _one(request, "licenses", shipped.licence_id(given) or given, _licence)


async def affiliations(request: Request) -> Response:
    """GET /api/affiliations: organisations of ROR."""
    return await _list(request, "affiliations", "/api/affiliations")


async def affiliation(request: Request) -> Response:
    """GET /api/affiliations/{term}: one organisation, by its ROR id."""
    return await _one(request, "affiliations", request.path_params["term"])


async def funders(request: Request) -> Response:
    """GET /api/funders: funders of ROR, and of the Crossref registry those that ROR lacks."""
    return await _list(request, "funders", "/api/funders")


async def funder(request: Request) -> Response:
    """GET /api/funders/{term}: one funder, by its ROR id or its Crossref DOI."""
    return await _one(request, "funders", request.path_params["term"])


async def awards(request: Request) -> Response:
    """GET /api/awards: grants, newest first; `funders` narrows them to some."""
    return await _list(request, "awards", "/api/awards")


async def award(request: Request) -> Response:
    """GET /api/awards/{term}: one grant, `<ROR id of the funder>::<number>`."""
    return await _one(request, "awards", request.path_params["term"])


async def subjects(request: Request) -> Response:
    """GET /api/subjects: terms of MeSH, EuroSciVoc and whatever else was loaded."""
    return await _list(request, "subjects", "/api/subjects")


async def subject(request: Request) -> Response:
    """GET /api/subjects/{term}: one subject; its id is often an address, quoted or not."""
    return await _one(request, "subjects", request.path_params["term"])


async def names(request: Request) -> Response:
    """GET /api/names: people of ORCID, for those who are signed in."""
    return await _list(request, "names", "/api/names", members=True)


async def name(request: Request) -> Response:
    """GET /api/names/{term}: one person, by ORCID iD, for those who are signed in."""
    return await _one(request, "names", request.path_params["term"], members=True)


async def name_by_orcid(request: Request) -> Response:
    """GET /api/names/orcid/{orcid}: one person, for those who are signed in."""
    return await _one(request, "names", request.path_params["orcid"], members=True)


ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/api/vocabularies", types),
    ("GET", "/api/vocabularies/{type}", listing),
    ("GET", "/api/vocabularies/{type}/{term}", read),
    ("GET", "/api/languages", languages),
    ("GET", "/api/languages/{term}", language),
    ("GET", "/api/licenses", licences),
    ("GET", "/api/licenses/_suggest", suggest_licences),
    ("GET", "/api/licenses/{term}", licence),
    ("GET", "/api/affiliations", affiliations),
    ("GET", "/api/affiliations/{term}", affiliation),
    ("GET", "/api/funders", funders),
    ("GET", "/api/funders/{term:path}", funder),
    ("GET", "/api/awards", awards),
    ("GET", "/api/awards/{term:path}", award),
    ("GET", "/api/subjects", subjects),
    ("GET", "/api/subjects/{term:path}", subject),
    ("GET", "/api/names", names),
    ("GET", "/api/names/orcid/{orcid}", name_by_orcid),
    ("GET", "/api/names/{term}", name),
]
