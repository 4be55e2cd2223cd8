"""The description in an RO-Crate (RO-Crate 1.1, `ro-crate-metadata.json`) as the body of the records API.

Only what describes the whole is read: the root data entity and what it refers to. The files that a crate lists are sent
as files. The graph is flattened JSON-LD by definition (section 3 of the specification), so it is read as plain JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from strongroom.errors import Finding, Invalid
from strongroom.metadata import identifiers, vocabularies

MEDIA_TYPE = 'application/ld+json;profile="https://w3id.org/ro/crate/1.1"'
_READ = frozenset(
    {
        "@id", "@type", "name", "description", "datePublished", "author", "creator", "contributor", "license", "keywords",
        "publisher", "version", "identifier", "inLanguage", "funder", "hasPart", "conformsTo", "about", "mentions", "citation",
    }
)  # fmt: skip
_ORCID = re.compile(r"^https?://orcid\.org/(.+)$")
_ROR = re.compile(r"^https?://ror\.org/(\w+)/?$")


def read(crate: object) -> tuple[dict[str, Any], list[Finding]]:
    """(a body as `rdm.load` takes it, what was left out). Raises Invalid for what is no RO-Crate."""
    graph = crate.get("@graph") if isinstance(crate, Mapping) else None
    if not isinstance(graph, list):
        raise Invalid.at("@graph", "Not an RO-Crate: its @graph must be a list of entities.")
    entities = {e["@id"]: e for e in graph if isinstance(e, dict) and isinstance(e.get("@id"), str)}
    about = next(
        (
            e.get("about")
            for e in entities.values()
            if e["@id"].endswith("ro-crate-metadata.json") or e["@id"].endswith("ro-crate-metadata.jsonld")
        ),
        None,
    )
    root_id = about.get("@id") if isinstance(about, dict) else "./"
    root = entities.get(root_id) if isinstance(root_id, str) else None
    if root is None:
        raise Invalid.at(
            "@graph", "Not an RO-Crate: the metadata descriptor must say by `about` which entity is the root."
        )
    return _Crate(entities, root).body()


class _Crate:
    def __init__(self, entities: dict[str, dict[str, Any]], root: dict[str, Any]) -> None:
        self.entities, self.root = entities, root

    def each(self, value: Any) -> Iterator[dict[str, Any]]:
        """The entities that a property refers to; a text or an unknown reference as an entity of its own."""
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict) and isinstance(item.get("@id"), str):
                yield {**item, **self.entities.get(item["@id"], {})}
            elif isinstance(item, dict):
                yield item
            elif isinstance(item, str) and item in self.entities:
                yield self.entities[item]
            elif isinstance(item, str) and item.strip():
                yield {"name": item.strip()}

    def text(self, name: str) -> str | None:
        value = self.root.get(name)
        if isinstance(value, list):
            value = next((v for v in value if isinstance(v, str)), None)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        return value.strip() or None if isinstance(value, str) else None

    def body(self) -> tuple[dict[str, Any], list[Finding]]:
        m: dict[str, Any] = {"resource_type": {"id": "dataset"}}
        for name, key in (("name", "title"), ("description", "description"), ("version", "version")):
            if text := self.text(name):
                m[key] = text
        if day := self.text("datePublished"):
            m["publication_date"] = day.partition("T")[0]
        people = [*self.each(self.root.get("author", [])), *self.each(self.root.get("creator", []))]
        if creators := [c for p in people if (c := self.person(p))]:
            m["creators"] = creators
        if others := [c for p in self.each(self.root.get("contributor", [])) if (c := self.person(p))]:
            m["contributors"] = [{**c, "role": {"id": "other"}} for c in others]
        if rights := [r for e in self.each(self.root.get("license", [])) if (r := _right(e))]:
            m["rights"] = rights
        if words := self.keywords():
            m["subjects"] = [{"subject": w} for w in words]
        for publisher in self.each(self.root.get("publisher", [])):
            if isinstance(publisher.get("name"), str):
                m["publisher"] = publisher["name"]
        if links := self.identifiers():
            m["identifiers"] = links
        if languages := [
            {"id": code}
            for e in self.each(self.root.get("inLanguage", []))
            if (
                code := vocabularies.find_language(
                    str(e.get("alternateName") or e.get("name") or e.get("@id"))
                )
            )
        ]:
            m["languages"] = languages
        if funding := [{"funder": f} for e in self.each(self.root.get("funder", [])) if (f := _funder(e))]:
            m["funding"] = funding
        if cited := self.cited():
            m["related_identifiers"] = cited
        left = [
            Finding.of(
                f"@graph.{self.root['@id']}.{key}", "Not taken from the crate: describe it in the draft."
            )
            for key in self.root
            if key not in _READ
        ]
        return {"metadata": m}, left

    def person(self, entity: dict[str, Any]) -> dict[str, Any] | None:
        kinds = entity.get("@type")
        name = entity.get("name")
        who: dict[str, Any]
        if kinds == "Organization" or (isinstance(kinds, list) and "Organization" in kinds):
            who = {"type": "organizational", "name": name}
        else:
            who = {"type": "personal"}
            family, given = entity.get("familyName"), entity.get("givenName")
            if not family and isinstance(name, str):
                if "," in name:
                    family, _, given = (part.strip() for part in name.partition(","))
                else:
                    given, _, family = name.strip().rpartition(" ")
            who |= {"family_name": family, "given_name": given or None}
        if not (who.get("name") or who.get("family_name")):
            return None
        key = entity.get("@id")
        if isinstance(key, str) and (found := _ORCID.match(key)):
            who["identifiers"] = [{"scheme": "orcid", "identifier": found[1]}]
        elif isinstance(key, str) and (found := _ROR.match(key)) and who["type"] == "organizational":
            who["identifiers"] = [{"scheme": "ror", "identifier": found[1]}]
        out: dict[str, Any] = {"person_or_org": who}
        if places := [
            {"name": e["name"]}
            for e in self.each(entity.get("affiliation", []))
            if isinstance(e.get("name"), str)
        ]:
            out["affiliations"] = places
        return out

    def keywords(self) -> list[str]:
        value = self.root.get("keywords")
        parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
        return [p.strip() for p in parts if isinstance(p, str) and p.strip()]

    def identifiers(self) -> list[dict[str, str]]:
        found = []
        for entity in self.each(self.root.get("identifier", [])):
            value = entity.get("value") or entity.get("@id") or entity.get("name")
            if isinstance(value, str) and (scheme := identifiers.detect(value)):
                found.append({"identifier": value, "scheme": scheme})
        return found

    def cited(self) -> list[dict[str, Any]]:
        found = []
        for entity in self.each(self.root.get("citation", [])):
            value = entity.get("@id") or entity.get("name")
            if isinstance(value, str) and (scheme := identifiers.detect(value)):
                found.append({"identifier": value, "scheme": scheme, "relation_type": {"id": "cites"}})
        return found


def _right(entity: dict[str, Any]) -> dict[str, Any] | None:
    for value in (entity.get("@id"), entity.get("identifier"), entity.get("name")):
        if isinstance(value, str) and (key := vocabularies.licence_id(value) or _by_url(value)):
            return {"id": key}
    name, link = entity.get("name") or entity.get("@id"), entity.get("@id") or entity.get("url")
    if not isinstance(name, str):
        return None
    out: dict[str, Any] = {"title": {"en": name}}
    if isinstance(link, str) and identifiers.url(link, "url"):
        out["link"] = link
    return out


def _by_url(value: str) -> str | None:
    """The licence that an address means: SPDX's page of it, or the licence's own."""
    path = re.sub(r"^https?://(www\.)?", "", value.lower()).rstrip("/")
    if path.startswith("spdx.org/licenses/"):
        return vocabularies.licence_id(path.rpartition("/")[2].removesuffix(".html"))
    for key, licence in vocabularies.licences().items():
        if licence.url and re.sub(r"^https?://(www\.)?", "", licence.url.lower()).rstrip("/").removesuffix(
            "/legalcode"
        ) == path.removesuffix("/legalcode"):
            return key
    return None


def _funder(entity: dict[str, Any]) -> dict[str, str] | None:
    key, name = entity.get("@id"), entity.get("name")
    out = {}
    if isinstance(key, str) and (found := _ROR.match(key)):
        out["id"] = found[1]
    if isinstance(name, str):
        out["name"] = name
    return out or None
