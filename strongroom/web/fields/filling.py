"""What a draft says → the text of each field."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final

from strongroom.metadata import identifiers, rdm, vocabularies
from strongroom.metadata.model import Access, RecordData
from strongroom.web.fields.names import (
    CUSTOM,
    JSON,
    KEPT,
    PEOPLE,
    PLAIN,
    SCALARS,
    contact_at,
    is_empty,
    one_line,
    was,
)


def fill(data: RecordData, contact_email: str | None = None, own_doi: str = "") -> dict[str, str]:
    """The text of each field, by its name. `own_doi` is the DOI under our prefix that the draft has or may reserve."""
    m = data.metadata
    said = rdm.dump_metadata(m)
    out: dict[str, str] = {f"metadata.{name}": said.get(name, "") for name in SCALARS}
    kind = vocabularies.resource_type(m.resource_type or "")
    if kind is not None:
        out["type"] = kind.type
        out[f"type.{kind.type}"] = kind.id
    contact = contact_at(m.contributors)
    for path, show in _SHOWN.items():
        group = said.get(path.split(".")[1]) or []
        items = group["features"] if isinstance(group, dict) else group
        if path == "metadata.subjects":
            items = [s for s in items if "id" in s]
        number = 0
        for i, item in enumerate(items):
            if path == "metadata.contributors" and i == contact:
                continue
            for name, text in show(deepcopy(item)).items():
                out[f"{path}.{number}.{name}"] = text
            number += 1
    if contact is not None:
        person = m.contributors[contact]
        out["contact.name"] = person.name
        out["contact.orcid"] = person.identifier("orcid") or ""
    out["contact.email"] = contact_email or ""
    out["keywords"] = "\n".join(one_line(k) for k in m.keywords())
    out["references.text"] = "\n".join(one_line(r.reference) for r in m.references)
    for group_name, names in CUSTOM.items():
        group = m.custom.get(group_name)
        if isinstance(group, dict):
            for name in names:
                if isinstance(group.get(name), str | int | float):
                    out[f"custom_fields.{group_name}.{name}"] = str(group[name])
    out |= show_access(data.access)
    out["doi"] = "own" if data.doi and data.doi.lower() != own_doi.lower() else "new"
    out["pids.doi.identifier"] = data.doi or "" if out["doi"] == "own" else ""
    out["metadata_only"] = "1" if data.metadata_only else ""
    out["files.default_preview"] = data.default_preview or ""
    return out


def _pop(item: JSON, path: str) -> str:
    """The text at a path, taken out of `item` with what becomes empty. Of a term goes the title too."""
    head, dot, tail = path.partition(".")
    if head not in item:
        return ""
    if not dot:
        return str(item.pop(head))
    inner = item[head]
    if not isinstance(inner, dict):
        return ""
    text = _pop(inner, tail)
    if tail == "id" and head in ("type", "lang", "role", "relation_type", "resource_type"):
        inner.clear()
    if not inner:
        del item[head]
    return text


def _rest(item: JSON) -> dict[str, str]:
    return {"@rest": json.dumps(item, ensure_ascii=False, sort_keys=True)} if item else {}


def _show_plain(names: tuple[str, ...]) -> Callable[[JSON], dict[str, str]]:
    def show(item: JSON) -> dict[str, str]:
        out = {name: _pop(item, name) for name in names}
        if (
            out.get("scheme")
            and "identifier" in out
            and identifiers.detect(out["identifier"]) == out["scheme"]
        ):
            out["scheme"] = ""  # it is found again, of another identifier as well
        if is_empty(out):
            item[KEPT] = True
        return out | _rest(item)

    return show


def _show_person(item: JSON) -> dict[str, str]:
    who = item["person_or_org"]
    kind, name = who.pop("type"), who.pop("name", "")
    out = {
        "person_or_org.type": kind,
        "person_or_org.family_name": who.pop("family_name", ""),
        "person_or_org.given_name": who.pop("given_name", ""),
        "person_or_org.name": name if kind == "organizational" else "",
        "role.id": _pop(item, "role.id"),
    }
    if kind == "personal":
        made = ", ".join(p for p in (out["person_or_org.family_name"], out["person_or_org.given_name"]) if p)
        if name and name != made:
            who["name"] = name
    known = who.pop("identifiers", [])
    for scheme in ("orcid", "ror"):
        at = next((i for i, x in enumerate(known) if x.get("scheme") == scheme), None)
        out[scheme] = known[at].get("identifier", "") if at is not None else ""
        if at is not None:
            known[at] = {"@": scheme}
    if known and known != [{"@": known[0].get("@")}]:
        who["identifiers"] = known
    for i, affiliation in enumerate(item.pop("affiliations", [])):
        key, called = affiliation.get("id", ""), affiliation.get("name", "")
        out |= {
            f"affiliations.{i}.name": called or key,
            f"affiliations.{i}.id": key,
            f"affiliations.{i}.@was": was(key, called or key),
        }
    if not who:
        del item["person_or_org"]
    return out | _rest(item)


def _show_language(item: JSON) -> dict[str, str]:
    key = item.pop("id")
    title = item.pop("title", {}).get("en") or key
    return {"id": key, "title": title, "@was": was(key, title)}


def _show_right(item: JSON) -> dict[str, str]:
    if "id" in item:
        title = item.get("title", {}).get("en") or item["id"]
        return {"id": item["id"], "title": title, "@was": was(item["id"], title)}
    out = {"own": "1"}
    for name in ("title", "description"):
        texts = item.get(name) or {}
        out[name] = next(iter(texts.values()), "")
        if (lang := next(iter(texts), "")) and lang != "en":
            out["@rest"] = json.dumps({"lang": lang})
    out["link"] = item.get("link", "")
    return out


def _show_funding(item: JSON) -> dict[str, str]:
    out: dict[str, str] = {}
    titles = item.get("award", {}).pop("title", None) or {}
    lang, title = next(iter(titles.items()), ("en", ""))
    for name in ("funder.id", "funder.name", "award.id", "award.number"):
        out[name] = _pop(item, name)
    out["award.title"] = title
    if title and lang != "en":
        item["lang"] = lang
    out["funder.name"] = out["funder.name"] or out["funder.id"]
    shown_award = title or out["award.number"] or out["award.id"]
    out["award.title"] = title or ("" if out["award.number"] else shown_award)
    out["funder.@was"] = was(out["funder.id"], out["funder.name"])
    out["award.@was"] = (
        was(out["award.id"], f"{out['award.title']}\n{out['award.number']}") if out["award.id"] else ""
    )
    return out | _rest(item)


def _show_location(item: JSON) -> dict[str, str]:
    out = {"place": _pop(item, "place"), "description": _pop(item, "description"), "lat": "", "lon": ""}
    geometry = item.get("geometry") or {}
    at = geometry.get("coordinates")
    if geometry.get("type") == "Point" and isinstance(at, list) and len(at) == 2:
        out["lon"], out["lat"] = (_number(x) for x in at)
        del item["geometry"]
    return out | _rest(item)


def _number(value: Any) -> str:
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


_SHOWN: Final[Mapping[str, Callable[[JSON], dict[str, str]]]] = {
    **dict.fromkeys(PEOPLE, _show_person),
    **{path: _show_plain(names) for path, names in PLAIN.items()},
    "metadata.languages": _show_language,
    "metadata.rights": _show_right,
    "metadata.funding": _show_funding,
    "metadata.locations.features": _show_location,
}


def show_access(access: Access) -> dict[str, str]:
    choice = "open"
    if access.embargo_until is not None:
        choice = "embargoed"
    elif access.files == "restricted" or access.record == "restricted":
        choice = "restricted" if access.requests else "closed"
    return {
        "access.choice": choice,
        "access.embargo.until": access.embargo_until.isoformat() if access.embargo_until else "",
        "access.embargo.reason": access.embargo_reason or "",
        "access.conditions": access.conditions or "",
        "access.record": "1" if access.record == "restricted" else "",
    }
