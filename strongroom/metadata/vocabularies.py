"""The closed vocabularies of metadata: ids, titles, and the words other schemas have for them.

Read from the small JSON files in `data/` (made by `scripts/make_vocabularies.py`, sources named there),
each when first needed. Ids are InvenioRDM's. What the registries publish (funders, awards, subjects,
affiliations, names) lives in the database (`strongroom.vocabularies`); the funders here are only those whose
grants Zenodo's clients name by a Crossref funder id (api-legacy.md section 4.4).

`entries` gives a vocabulary whole, as the records API shows it; the other functions are what the rest of the
program asks of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from babel import Locale

# api-legacy.md 4.2: what clients write for relations of other spelling.
_RELATION_ALIASES = {"isorignialformof": "isoriginalformof"}
ALTERNATE = "isAlternateIdentifier"
_ALTERNATES = frozenset({"isalternateidentifier", "isalternativeidentifier"})

# The type of a thesis has been called dissertation since 2023, and is shown so (api-legacy.md section 4, L275).
_RESOURCE_TYPE_ALIASES = {"publication-thesis": "publication-dissertation"}


@dataclass(frozen=True, slots=True)
class Term:
    """A term of a vocabulary: `datacite` and `marc` are that schema's word for it."""

    id: str
    title: str
    datacite: str | None = None
    marc: str | None = None


@dataclass(frozen=True, slots=True)
class ResourceType:
    """What kind of thing is deposited. `type` and `subtype` are Zenodo's (`publication`, `article`)."""

    id: str
    title: str
    type: str
    subtype: str | None
    datacite: str  # resourceTypeGeneral
    datacite_type: str | None = None  # resourceType, where the general one does not say it all
    schema_org: str = "https://schema.org/CreativeWork"
    coar: str | None = None  # URI of the COAR resource type
    csl: str = "document"
    eurepo: str | None = None
    depositable: bool = True  # False: only to say what a related work is


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence: SPDX's in lower case, or one of Zenodo's older ids (`spdx` False)."""

    id: str
    title: str
    url: str | None
    osi_approved: bool
    spdx: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A term as the records API shows it (api-rdm.md section 6): texts by language, and words of other schemas."""

    id: str
    title: Mapping[str, str]
    description: Mapping[str, str] | None = None
    icon: str | None = None
    tags: tuple[str, ...] = ()
    props: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class OpenDefinition:
    """What the Open Definition says of a licence (opendefinition.org), in the words of Zenodo's older API."""

    domain_content: bool = False
    domain_data: bool = False
    domain_software: bool = False
    family: str = ""
    maintainer: str = ""
    od_conformance: str = "not reviewed"
    osd_conformance: str = "not reviewed"
    status: str = "active"


@dataclass(frozen=True, slots=True)
class KnownFunder:
    name: str
    doi: str
    id: str | None  # ROR
    acronym: str | None
    country: str | None


def _read(name: str) -> dict[str, Any]:
    text = (files(__package__) / "data" / f"{name}.json").read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(text)
    return value


@cache
def _terms() -> dict[str, Any]:
    return _read("terms")


def _vocabulary(name: str) -> Mapping[str, Term]:
    return {key: Term(key, **row) for key, row in _terms()[name].items()}


# -- resource types


@cache
def resource_types() -> Mapping[str, ResourceType]:
    """All resource types by id, in the order they should be offered."""
    found = {}
    for key, row in _terms()["resource_types"].items():
        row = dict(row)
        if coar := row.pop("coar", None):
            row["coar"] = f"http://purl.org/coar/resource_type/{coar}"
        kind, _, sub = key.partition("-")
        found[key] = ResourceType(id=key, type=kind, subtype=sub or None, **row)
    return found


def resource_type(key: str) -> ResourceType | None:
    return resource_types().get(key)


def resource_type_id(given: str) -> str | None:
    """The id that a client's spelling means (`publication-thesis` is `publication-dissertation`), or None."""
    key = given.strip().lower()
    key = _RESOURCE_TYPE_ALIASES.get(key, key)
    return key if key in resource_types() else None


# -- roles, dates, relations


@cache
def roles() -> Mapping[str, Term]:
    """What contributors did; `datacite` is also Zenodo's spelling (`DataCollector`)."""
    return _vocabulary("roles")


@cache
def date_types() -> Mapping[str, Term]:
    return _vocabulary("date_types")


@cache
def relations() -> Mapping[str, Term]:
    return _vocabulary("relations")


@cache
def description_types() -> Mapping[str, Term]:
    # Zenodo has one more than InvenioRDM (api-rdm.md 6.2).
    return {**_vocabulary("description_types"), "notes": Term("notes", "Notes", "Other")}


@cache
def title_types() -> Mapping[str, Term]:
    return _vocabulary("title_types")


@cache
def removal_reasons() -> Mapping[str, Term]:
    return _vocabulary("removal_reasons")


@cache
def legacy_roles() -> Mapping[str, str]:
    """Role id -> Zenodo's spelling, `datacollector` -> `DataCollector`."""
    return {key: term.datacite or key for key, term in roles().items()}


@cache
def legacy_date_types() -> Mapping[str, str]:
    """Date type id -> Zenodo's documented spelling, `collected` -> `Collected`."""
    return {key: term.datacite or key for key, term in date_types().items()}


@cache
def legacy_relations() -> Mapping[str, str]:
    """Relation id -> Zenodo's spelling, `issupplementto` -> `isSupplementTo`."""
    return {key: (word := term.datacite or key)[0].lower() + word[1:] for key, term in relations().items()}


def relation_id(given: str) -> str | None:
    """The id of a relation in any spelling that clients use, or None. Alternates are no relation: `is_alternate`."""
    key = given.strip().lower()
    key = _RELATION_ALIASES.get(key, key)
    return key if key in relations() else None


def is_alternate(relation: str) -> bool:
    """Whether Zenodo's relation says that an identifier is another one of the deposit itself."""
    return relation.strip().lower() in _ALTERNATES


# -- licences


@cache
def _licence_data() -> dict[str, Any]:
    return _read("licences")


@cache
def licences() -> Mapping[str, Licence]:
    """All licences by id, sorted by it."""
    return {
        key: Licence(key, row["title"], row.get("url"), bool(row.get("osi")), not row.get("legacy"))
        for key, row in _licence_data()["licences"].items()
    }


def licence(key: str) -> Licence | None:
    return licences().get(key)


def licence_id(given: str) -> str | None:
    """The licence id that a client means: any case, SPDX, Zenodo's older ids (api-legacy.md 9.2); None if none."""
    key = given.strip().lower()
    data = _licence_data()
    key = data["aliases"].get(key, key)
    return key if key in data["licences"] else None


@cache
def legacy_licences() -> Mapping[str, str]:
    """Licence id -> the id that Zenodo's API answers, where it differs.

    Not all of section 9.2: ids whose answer reads back as another licence (`cc-by-1.0` shown as `cc-by`, which
    means 4.0) are shown as they are, so that a client that sends back what it got changes nothing.
    """
    found: dict[str, str] = _licence_data()["legacy"]
    return found


def open_definition(key: str) -> OpenDefinition:
    """What the Open Definition says of the licence of this id; of one it does not list, nothing good or bad."""
    row = _licence_data()["licences"].get(key, {})
    return OpenDefinition(**row.get("od", {}))


# -- languages


@cache
def _languages() -> dict[str, Any]:
    return _read("languages")


def language_id(given: str) -> str | None:
    """ISO 639-3 code for a code of ISO 639-1, 639-2 (both kinds) or 639-3, any case; None if there is none."""
    code = given.strip().lower()
    data = _languages()
    code = data["two"].get(code) or data["bibliographic"].get(code) or code
    return code if code in data["titles"] else None


@cache
def _languages_by_name() -> Mapping[str, str]:
    # The first of a name counts: ids are sorted, and no two living languages share their whole name.
    found: dict[str, str] = {}
    for key, title in _languages()["titles"].items():
        found.setdefault(title.casefold(), key)
    for key in _languages()["titles"]:
        if title := _german().get(language_tag(key)):
            found.setdefault(title.casefold(), key)
    return found


@cache
def _german() -> Mapping[str, str]:
    """German names of the languages that have one, by tag (BCP 47)."""
    found: Mapping[str, str] = Locale.parse("de").languages
    return found


def find_language(given: str) -> str | None:
    """ISO 639-3 code for any code that `language_id` knows, or for the English or German name, any case; None if there is none."""
    return language_id(given) or _languages_by_name().get(" ".join(given.split()).casefold())


def language_codes(key: str) -> tuple[str, ...]:
    """Other codes of an ISO 639-3 language: that of ISO 639-1, and ISO 639-2's bibliographic one."""
    short = _short_codes().get(key)
    older = [code for code, meant in _languages()["bibliographic"].items() if meant == key]
    return (*([short] if short else []), *older)


def language_title(key: str) -> str | None:
    """English name of an ISO 639-3 language."""
    title: str | None = _languages()["titles"].get(key)
    return title


@cache
def _short_codes() -> Mapping[str, str]:
    return {long: short for short, long in _languages()["two"].items()}


def language_tag(key: str) -> str:
    """What belongs into `lang` and `xml:lang` (BCP 47): the two-letter code where there is one."""
    return _short_codes().get(key, key)


# -- funders


@cache
def _funders() -> tuple[Mapping[str, KnownFunder], Mapping[str, KnownFunder]]:
    by_doi: dict[str, KnownFunder] = {}
    by_ror: dict[str, KnownFunder] = {}
    for row in _terms()["funders"]:
        funder = KnownFunder(row["name"], row["doi"], row.get("id"), row.get("acronym"), row.get("country"))
        by_doi[funder.doi] = funder
        if funder.id:
            by_ror.setdefault(funder.id, funder)
    return by_doi, by_ror


def funder_by_doi(doi: str) -> KnownFunder | None:
    """The funder of a Crossref funder id (`10.13039/501100000780`)."""
    return _funders()[0].get(doi.lower())


def funder_by_ror(ror: str) -> KnownFunder | None:
    return _funders()[1].get(ror.lower())


# -- whole vocabularies

# The vocabularies shipped here, by InvenioRDM's names for them and for the kind of their ids.
TYPES: Mapping[str, str] = {
    "code:developmentStatus": "ds",
    "code:programmingLanguages": "pl",
    "communitytypes": "comtyp",
    "contributorsroles": "cor",
    "creatorsroles": "crr",
    "datetypes": "dat",
    "descriptiontypes": "dty",
    "languages": "lng",
    "licenses": "lic",
    "relationtypes": "rlt",
    "removalreasons": "rem",
    "resourcetypes": "rsrct",
    "titletypes": "ttyp",
}


@cache
def entries(type: str) -> Mapping[str, Entry]:
    """All terms of a shipped vocabulary by id, in the order they should be offered. Raises KeyError for other types."""
    if type == "licenses":
        return {key: _licence_entry(key, row) for key, row in _licence_data()["licences"].items()}
    if type == "languages":
        return _language_entries()
    if type not in TYPES:
        raise KeyError(type)
    # One list of roles serves creators and contributors.
    file = "code" if type.startswith("code:") else "entries"
    rows = _read(file)["creatorsroles" if type == "contributorsroles" else type]
    return {row["id"]: Entry(**(row | {"tags": tuple(row.get("tags", ()))})) for row in rows}


def known(type: str, key: str) -> bool:
    """Whether a shipped vocabulary has this id, spelled exactly so. Raises KeyError for other types."""
    return key in entries(type)


def _licence_entry(key: str, row: Mapping[str, Any]) -> Entry:
    return Entry(
        id=key,
        title={"en": row["title"]},
        description={"en": row.get("description", "")},
        icon=row.get("icon", ""),
        tags=tuple(row.get("tags", ("all",))),
        props={
            "url": row.get("url", ""),
            "scheme": "" if row.get("legacy") else "spdx",
            "osi_approved": "y" if row.get("osi") else "",
        },
    )


def _language_entries() -> Mapping[str, Entry]:
    data = _languages()
    tags = data["tags"]
    usual = ("individual", "living")
    return {
        key: Entry(
            id=key,
            title={"en": title} | ({"de": german} if (german := _german().get(language_tag(key))) else {}),
            tags=tuple(tags[key]) if key in tags else usual,
            props={"alpha_2": _short_codes().get(key, "")},
        )
        for key, title in sorted(data["titles"].items(), key=lambda item: item[1].casefold())
    }
