"""schema.org as JSON-LD: what search engines (Google Dataset Search) and Bioschemas read.

The keys are those of Zenodo's own export (golden/live/legacy/236), except where it invents properties
(`container_title`, `page`) or says what is not so (every contributor an `editor`).
"""

from __future__ import annotations

from typing import Any

import orjson

from strongroom.ids import iso
from strongroom.metadata.exports.links import identifier_url, licence, safe_url
from strongroom.metadata.exports.names import parts
from strongroom.metadata.exports.record import ExportRecord
from strongroom.metadata.exports.terms import SCHEMA_RELATIONS, schema_type
from strongroom.metadata.exports.text import shorten
from strongroom.metadata.html import plain
from strongroom.metadata.model import Funding, Person
from strongroom.metadata.vocabularies import language_title

MAX_FILES = 1_000  # of a record with 50,000; the rest is found through the API
_ABSTRACT = 5_000  # characters that Google reads of a description


def _size(size: int) -> str:
    """As Zenodo writes it: "453.12 MB", "15.0 B"."""
    amount, units = float(size), iter(("B", "KB", "MB", "GB", "TB", "PB"))
    unit = next(units)
    while amount >= 1000 and (larger := next(units, None)):
        amount, unit = amount / 1000, larger
    return f"{round(amount, 2)} {unit}"


def _person(person: Person) -> dict[str, Any]:
    node: dict[str, Any] = {"name": person.name}
    if person.type == "organizational":
        node["@type"] = "Organization"
    else:
        node["@type"] = "Person"
        family, given = parts(person)
        if given:
            node["givenName"], node["familyName"] = given, family
    for identifier in person.identifiers:
        url = identifier_url(identifier.scheme, identifier.identifier)
        if url and ("@id" not in node or identifier.scheme in ("orcid", "ror")):
            node["@id"] = url
    if person.affiliations:
        node["affiliation"] = [
            {"@type": "Organization", "name": a.name, **({"@id": f"https://ror.org/{a.id}"} if a.id else {})}
            for a in person.affiliations
        ]
    return node


def _funding(funding: Funding) -> dict[str, Any]:
    funder, award = funding.funder, funding.award
    node: dict[str, Any] = {"@type": "Grant"}
    if award is not None:
        if award.title or award.acronym or award.number:
            title = award.title or award.acronym or ""
            node["name"] = f"{title} ({award.number})" if title and award.number else title or award.number
        if award.number:
            node["identifier"] = award.number
        if url := safe_url(award.url):
            node["url"] = url
    if funder.name or funder.id or funder.doi:
        organisation: dict[str, Any] = {"@type": "Organization"}
        if funder.id:
            organisation["@id"] = f"https://ror.org/{funder.id}"
        elif funder.doi:
            organisation["@id"] = f"https://doi.org/{funder.doi}"
        if funder.name:
            organisation["name"] = funder.name
        node["funder"] = organisation
    return node


def node(record: ExportRecord, max_files: int = MAX_FILES, abstract: str | None = None) -> dict[str, Any]:
    """The JSON-LD object of one version; at most `max_files` downloads are listed.

    `abstract` is the description as plain text, from those who have it already.
    """
    metadata = record.data.metadata
    identifier = record.doi_url or record.url
    creators = [_person(p) for p in metadata.creators]
    doc: dict[str, Any] = {
        "@context": "https://schema.org/",
        "@id": identifier,
        "@type": schema_type(metadata.resource_type),
        "identifier": identifier,
        "name": metadata.title,
        "url": record.url,
    }
    if creators:
        doc["creator"] = creators
        doc["author"] = creators
    editors = [_person(p) for p in metadata.contributors if p.role == "editor"]
    others = [_person(p) for p in metadata.contributors if p.role != "editor"]
    if editors:
        doc["editor"] = editors
    if others:
        doc["contributor"] = others
    doc["publisher"] = {"@type": "Organization", "name": record.publisher}
    doc["includedInDataCatalog"] = {"@type": "DataCatalog", "name": record.site_name, "url": record.base_url}
    if metadata.subjects:
        doc["keywords"] = ", ".join(s.subject for s in metadata.subjects)
    doc["dateCreated"] = iso(record.created)
    doc["dateModified"] = iso(record.updated)
    if metadata.publication_date:
        doc["datePublished"] = metadata.publication_date
    if temporal := [d.date for d in metadata.dates if d.type in ("collected", "valid", "coverage")]:
        doc["temporalCoverage"] = temporal
        doc["temporal"] = temporal
    if places := [_place(p.place, p.lat, p.lon, p.description) for p in metadata.locations]:
        doc["spatialCoverage"] = places
    if metadata.languages:
        languages = [
            {"@type": "Language", "alternateName": code, "name": language_title(code) or code}
            for code in metadata.languages
        ]
        doc["inLanguage"] = languages[0] if len(languages) == 1 else languages
    if metadata.version:
        doc["version"] = metadata.version
    if description := plain(metadata.description or "") if abstract is None else abstract:
        doc["description"] = shorten(description, _ABSTRACT)
    if alternate := [t.title for t in metadata.additional_titles]:
        doc["alternateName"] = alternate
    if licences := [url or title for title, url in map(licence, metadata.rights)]:
        doc["license"] = licences[0] if len(licences) == 1 else licences
    doc["isAccessibleForFree"] = record.status == "open"
    if record.status == "embargoed" and record.data.access.embargo_until:
        doc["conditionsOfAccess"] = f"Embargoed until {record.data.access.embargo_until.isoformat()}"
    elif record.status == "restricted":
        doc["conditionsOfAccess"] = plain(record.data.access.conditions or "") or "Restricted"
    if record.file_count:
        doc["contentSize"] = doc["size"] = _size(record.total_bytes)
    if record.files:
        doc["distribution"] = [
            {
                "@type": "DataDownload",
                "contentUrl": f.url,
                "encodingFormat": f.mimetype,
                "contentSize": _size(f.size),
                "name": f.key,
                "sha256": f.sha256,
            }
            for f in record.files[:max_files]
        ]
    if record.concept_doi_url:
        doc["exampleOfWork"] = {"@type": "CreativeWork", "@id": record.concept_doi_url}
    if metadata.funding:
        doc["funding"] = [_funding(f) for f in metadata.funding]
    _relations(record, doc)
    _container(record, doc)
    return doc


def _place(
    place: str | None, lat: float | None, lon: float | None, description: str | None
) -> dict[str, Any]:
    where: dict[str, Any] = {"@type": "Place"}
    if place:
        where["name"] = place
    if description:
        where["description"] = description
    if lat is not None and lon is not None:
        where["geo"] = {"@type": "GeoCoordinates", "latitude": lat, "longitude": lon}
    return where


def _relations(record: ExportRecord, doc: dict[str, Any]) -> None:
    metadata = record.data.metadata
    for related in metadata.related_identifiers:
        prop = SCHEMA_RELATIONS.get(related.relation)
        url = identifier_url(related.scheme, related.identifier)
        if prop == "sameAs" and url:
            doc.setdefault("sameAs", []).append(url)
        elif prop and url:
            kind = schema_type(related.resource_type)
            doc.setdefault(prop, []).append({"@type": kind, "@id": url})
    for reference in metadata.references:
        doc.setdefault("citation", []).append(reference.reference)
    for alternate in metadata.identifiers:
        if url := identifier_url(alternate.scheme, alternate.identifier):
            doc.setdefault("sameAs", []).append(url)


def _container(record: ExportRecord, doc: dict[str, Any]) -> None:
    """The journal or the book that an article or chapter stands in."""
    custom = record.data.metadata.custom
    journal = custom.get("journal:journal") or {}
    if title := journal.get("title"):
        whole: dict[str, Any] = {"@type": "Periodical", "name": title}
        if journal.get("issn"):
            whole["issn"] = journal["issn"]
        if journal.get("volume"):
            whole = {"@type": "PublicationVolume", "volumeNumber": journal["volume"], "isPartOf": whole}
        if journal.get("issue"):
            whole = {"@type": "PublicationIssue", "issueNumber": journal["issue"], "isPartOf": whole}
        doc.setdefault("isPartOf", []).append(whole)
        if journal.get("pages"):
            doc["pagination"] = journal["pages"]
    imprint = custom.get("imprint:imprint") or {}
    if title := imprint.get("title"):
        book: dict[str, Any] = {"@type": "Book", "name": title}
        if imprint.get("isbn"):
            book["isbn"] = imprint["isbn"]
        doc.setdefault("isPartOf", []).append(book)
        if imprint.get("pages"):
            doc.setdefault("pagination", imprint["pages"])


def render(record: ExportRecord) -> bytes:
    """The export as a file: indented JSON in UTF-8."""
    return orjson.dumps(node(record), option=orjson.OPT_INDENT_2)


def script(record: ExportRecord, max_files: int, abstract: str | None = None) -> str:
    """The same on one line, safe inside a `<script>` element: no `<`, `>` or `&` stays as it is."""
    text = orjson.dumps(node(record, max_files, abstract)).decode()
    if "<" in text or ">" in text or "&" in text:
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
