"""DataCite's JSON of kernel 4: the export, and the attributes that DOI registration sends.

Shape: DataCite's schema for 4.5 (`datacite-v4.5.json`) and golden/live/legacy/238. What a record says and
DataCite has no word for goes under the nearest one (`Other`), or stays out where there is none.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from strongroom.ids import iso
from strongroom.metadata.exports import terms
from strongroom.metadata.exports.links import licence, safe_url
from strongroom.metadata.exports.names import parts
from strongroom.metadata.exports.record import ExportRecord
from strongroom.metadata.html import plain
from strongroom.metadata.model import Funding, Person

_ACCESS = {
    "open": "info:eu-repo/semantics/openAccess",
    "embargoed": "info:eu-repo/semantics/embargoedAccess",
    "restricted": "info:eu-repo/semantics/restrictedAccess",
    "metadata-only": "info:eu-repo/semantics/closedAccess",
}
_SCHEMES = {
    "orcid": ("ORCID", "https://orcid.org"),
    "isni": ("ISNI", "https://isni.org"),
    "gnd": ("GND", "https://d-nb.info/gnd"),
    "ror": ("ROR", "https://ror.org"),
}
_YEAR = re.compile(r"\d{4}")


def payload(record: ExportRecord) -> dict[str, Any]:
    """The attributes of the version's DOI. The caller adds `event` and `url` where it registers."""
    metadata = record.data.metadata
    general, detail = terms.datacite_type(metadata.resource_type)
    doc: dict[str, Any] = {
        "types": {"resourceType": detail, "resourceTypeGeneral": general},
        "creators": [_person(p) for p in metadata.creators] or [{"name": "(:unkn)"}],  # DataCite appendix 3
        "titles": [
            {"title": metadata.title},
            *(
                {
                    "title": t.title,
                    "titleType": terms.title_type(t.type),
                    **({"lang": t.lang} if t.lang else {}),
                }
                for t in metadata.additional_titles
            ),
        ],
        "publisher": {"name": record.publisher},
        "publicationYear": _year(record),
        "subjects": [
            {"subject": s.subject, **({"subjectScheme": s.scheme} if s.scheme else {})}
            for s in metadata.subjects
        ],
        "contributors": [
            {**_person(p), "contributorType": terms.contributor_type(p.role)} for p in metadata.contributors
        ],
        "dates": _dates(record),
        "alternateIdentifiers": [
            {"alternateIdentifier": record.url, "alternateIdentifierType": "URL"},
            *(
                {"alternateIdentifier": i.identifier, "alternateIdentifierType": _scheme(i.scheme)}
                for i in metadata.identifiers
            ),
        ],
        "relatedIdentifiers": _related(record),
        "rightsList": _rights(record),
        "descriptions": _descriptions(record),
        "fundingReferences": [r for f in metadata.funding if (r := _funding(f))],
        "schemaVersion": "http://datacite.org/schema/kernel-4",
    }
    if record.doi:
        doc["doi"] = record.doi
    if metadata.languages:
        doc["language"] = metadata.languages[0]
    if metadata.version:
        doc["version"] = metadata.version
    if record.file_count:
        files = "1 file" if record.file_count == 1 else f"{record.file_count} files"
        doc["sizes"] = [f"{record.total_bytes} bytes", files]
    if record.files:
        doc["formats"] = sorted({f.mimetype for f in record.files[:1_000]})
    if places := _places(record):
        doc["geoLocations"] = places
    return {
        key: _unique(value) if isinstance(value, list) else value for key, value in doc.items() if value != []
    }


def concept_payload(record: ExportRecord) -> dict[str, Any]:
    """The attributes of the concept DOI: the latest version's description, related to all its versions."""
    doc = payload(record)
    doc.pop("doi", None)
    if record.concept_doi:
        doc["doi"] = record.concept_doi
    doc.pop("version", None)
    doc.pop("sizes", None)
    doc.pop("formats", None)
    doc["alternateIdentifiers"] = [
        {
            "alternateIdentifier": f"{record.base_url}/records/{record.concept_id}",
            "alternateIdentifierType": "URL",
        }
    ]
    own = [r for r in doc.get("relatedIdentifiers", []) if r["relationType"] != "IsVersionOf"]
    dois = [v.doi for v in record.versions if v.doi] or ([record.doi] if record.doi else [])
    doc["relatedIdentifiers"] = own + [
        {"relatedIdentifier": doi, "relatedIdentifierType": "DOI", "relationType": "HasVersion"}
        for doi in dois
    ]
    return doc


def _unique(items: list[Any]) -> list[Any]:
    """DataCite refuses doubles in its lists; the first stays."""
    seen = {orjson.dumps(item, option=orjson.OPT_SORT_KEYS): item for item in reversed(items)}
    return list(reversed(seen.values()))


def _year(record: ExportRecord) -> str:
    found = _YEAR.match(record.data.metadata.publication_date or "")
    return found.group() if found else f"{record.created.year:04d}"


def _scheme(scheme: str | None) -> str:
    return terms.IDENTIFIER_TYPES.get(scheme or "", scheme or "Other")


def _person(person: Person) -> dict[str, Any]:
    doc: dict[str, Any] = {
        "name": person.name or person.family_name or "",
        "nameType": "Organizational" if person.type == "organizational" else "Personal",
        "nameIdentifiers": [
            {
                "nameIdentifier": i.identifier,
                "nameIdentifierScheme": _SCHEMES[i.scheme][0],
                "schemeUri": _SCHEMES[i.scheme][1],
            }
            if i.scheme in _SCHEMES
            else {"nameIdentifier": i.identifier, "nameIdentifierScheme": i.scheme or "Other"}
            for i in person.identifiers
        ],
    }
    family, given = parts(person)
    if given:
        doc["familyName"], doc["givenName"] = family, given
    if person.affiliations:
        doc["affiliation"] = [
            {
                "name": a.name,
                "affiliationIdentifier": f"https://ror.org/{a.id}",
                "affiliationIdentifierScheme": "ROR",
                "schemeUri": "https://ror.org",
            }
            if a.id
            else {"name": a.name}
            for a in person.affiliations
        ]
    return doc


def _dates(record: ExportRecord) -> list[dict[str, str]]:
    metadata = record.data.metadata
    dates: list[dict[str, str]] = []
    if metadata.publication_date:
        dates.append({"date": metadata.publication_date, "dateType": "Issued"})
    for given in metadata.dates:
        date = {"date": given.date, "dateType": terms.DATE_TYPES.get(given.type, "Other")}
        if given.description:
            date["dateInformation"] = given.description
        dates.append(date)
    if record.data.access.embargo_until:
        dates.append({"date": record.data.access.embargo_until.isoformat(), "dateType": "Available"})
    dates.append({"date": iso(record.updated)[:10], "dateType": "Updated"})
    return dates


def _related(record: ExportRecord) -> list[dict[str, str]]:
    related = []
    for r in record.data.metadata.related_identifiers:
        relation = terms.RELATION_TYPES.get(r.relation)
        kind = terms.IDENTIFIER_TYPES.get((r.scheme or "").lower())
        if kind is None and safe_url(r.identifier):
            kind = "URL"
        if relation is None or kind is None:
            continue
        item = {"relatedIdentifier": r.identifier, "relatedIdentifierType": kind, "relationType": relation}
        if r.resource_type:
            item["resourceTypeGeneral"] = terms.datacite_type(r.resource_type)[0]
        related.append(item)
    if record.concept_doi and record.concept_doi != record.doi:
        related.append(
            {
                "relatedIdentifier": record.concept_doi,
                "relatedIdentifierType": "DOI",
                "relationType": "IsVersionOf",
            }
        )
    return related


def _rights(record: ExportRecord) -> list[dict[str, str]]:
    rights = []
    for right in record.data.metadata.rights:
        title, url = licence(right)
        item = {"rights": title} if title else {}
        if right.id:
            item["rightsIdentifier"] = right.id
            item["rightsIdentifierScheme"] = "spdx"
        if url:
            item["rightsUri"] = url
        rights.append(item)
    rights.append({"rightsUri": _ACCESS[record.status]})
    return rights


def _descriptions(record: ExportRecord) -> list[dict[str, str]]:
    metadata = record.data.metadata
    found = []
    if text := plain(metadata.description or ""):
        found.append({"description": text, "descriptionType": "Abstract"})
    for extra in metadata.additional_descriptions:
        if text := plain(extra.description):
            found.append({"description": text, "descriptionType": terms.description_type(extra.type)})
    return found


def _funding(funding: Funding) -> dict[str, str]:
    funder, award = funding.funder, funding.award
    if not (funder.name or funder.id or funder.doi):
        return {}
    item = {"funderName": funder.name or funder.id or funder.doi or ""}
    if funder.id:
        item["funderIdentifier"], item["funderIdentifierType"] = f"https://ror.org/{funder.id}", "ROR"
    elif funder.doi:
        item["funderIdentifier"] = f"https://doi.org/{funder.doi}"
        item["funderIdentifierType"] = "Crossref Funder ID"
    if award is not None:
        if award.number:
            item["awardNumber"] = award.number
        if award.title or award.acronym:
            item["awardTitle"] = award.title or award.acronym or ""
        if url := safe_url(award.url):
            item["awardUri"] = url
    return item


def _places(record: ExportRecord) -> list[dict[str, Any]]:
    places = []
    for location in record.data.metadata.locations:
        place: dict[str, Any] = {}
        if location.place:
            place["geoLocationPlace"] = location.place
        if location.lat is not None and location.lon is not None:
            place["geoLocationPoint"] = {"pointLatitude": location.lat, "pointLongitude": location.lon}
        if place:
            places.append(place)
    return places


def render(record: ExportRecord) -> bytes:
    """The export as a file: indented JSON in UTF-8."""
    return orjson.dumps(payload(record), option=orjson.OPT_INDENT_2)
