"""InvenioRDM's record JSON ⇄ the model (api-rdm.md section 8, golden/live/rdm 1 to 37).

`load` reads the body of `POST /api/records` or `PUT …/draft`: `metadata`, `custom_fields`, `access`, `pids` and `files`. What
only answers have (titles of vocabulary terms, `links`, `parent`, …) is passed over, so that an answer can be sent back.
`dump_metadata`, `dump_custom`, `dump_access` and `dump_ui` write the same parts; `http.rdm` puts the whole together.

A draft is saved with what can be kept of it, even if it is wrong or incomplete: a date without its type, an identifier of
no scheme (Zenodo drops most of these). What cannot be kept (a value of the wrong JSON type, an unknown field) is left out.
Both are named in `Loaded.warnings`, which answers carry as `errors`. Only an id outside its vocabulary is refused at once
(`errors.Invalid`, `Invalid value x.`), as Zenodo does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

import orjson
from babel.dates import format_date

from strongroom.errors import Finding, Invalid
from strongroom.metadata import checks, html, identifiers, vocabularies
from strongroom.metadata.model import (
    Access,
    Affiliation,
    AlternateIdentifier,
    Award,
    Date,
    Funder,
    Funding,
    Identifier,
    Location,
    Metadata,
    Person,
    RecordData,
    Reference,
    Related,
    Right,
    Subject,
    Title,
    TypedText,
)
from strongroom.metadata.reading import Loaded, Reader

DOI_TAKEN = "The prefix '{prefix}' is managed by {site}. Please supply an external DOI or select 'No' to have a DOI generated for you."
_CUSTOM = frozenset(
    {
        "journal:journal", "imprint:imprint", "thesis:thesis", "meeting:meeting", "code:codeRepository",
        "code:programmingLanguage", "code:developmentStatus", "legacy:subjects", "legacy:communities",
    }
)  # fmt: skip
# Biodiversity and audiovisual terms (api-legacy.md 4.5): lists of texts.
_PREFIXES = frozenset({"dwc", "gbif-dwc", "ac", "dc", "dcterms", "openbiodiv", "obo"})
_OBJECTS = frozenset({"journal:journal", "imprint:imprint", "thesis:thesis", "meeting:meeting"})
_GEOMETRIES = frozenset(
    {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"}
)
_NOT_VALID = "Not a valid string."


def load(body: object, *, today: date, before: RecordData | None = None) -> Loaded:
    """The data that this body says; `warnings` is all that keeps it from being published or was left out.

    What a body may leave out without meaning "none": `access`, `pids` and `files` stay as they are in `before`, so that
    nothing opens because a client did not mention it. Raises `errors.Invalid` for ids outside their vocabularies, and
    for a body that is no object.
    """
    if not isinstance(body, Mapping):
        raise Invalid.at("_schema", "Invalid input type.")
    reader = _Reader()
    data = reader.read(body, before or RecordData())
    if reader.outside:
        raise Invalid(message=f"Invalid value {reader.outside[0]}.")
    places = {f.field for f in reader.errors}
    wrong = [f for f in problems(data, today=today) if f.field not in places]
    return Loaded(data, [*reader.errors, *wrong])


def problems(data: RecordData, *, today: date, published: RecordData | None = None) -> list[Finding]:
    """What keeps `data` from being published, with InvenioRDM's places and words."""
    return [in_rdm_words(f) for f in checks.for_publication(data, today=today, published=published)]


def in_rdm_words(finding: Finding) -> Finding:
    """A finding of `checks` with InvenioRDM's place."""
    place = finding.also if finding.also and finding.also != "_schema" else finding.field
    messages = finding.messages
    if place.endswith("person_or_org.family_name"):
        messages = ("Family name cannot be blank.", *messages[1:])
    elif place == "metadata.publication_date" and messages[0] != checks.MISSING:
        messages = ("Please provide a valid date or interval.", *messages)
    return Finding(place, messages)


class _Reader(Reader):
    """One reading of one body."""

    def read(self, body: Mapping[Any, Any], before: RecordData) -> RecordData:
        said = {str(k): self.printable(v, str(k), 0) for k, v in body.items() if v is not None}
        data = RecordData(
            metadata=self.metadata(self.mapping(said.get("metadata"), "metadata")),
            access=self.access(said["access"], before.access) if "access" in said else before.access,
            doi=self.pids(said["pids"]) if "pids" in said else before.doi,
            communities=before.communities,
            metadata_only=before.metadata_only,
            default_preview=before.default_preview,
        )
        custom = self.mapping(said.get("custom_fields"), "custom_fields")
        data.metadata.custom = self.custom(custom, before.metadata.custom)
        _know_again(before.metadata, data.metadata)
        if "files" in said:
            self.files(self.mapping(said["files"], "files"), data)
        return data

    # -- values

    def mapping(self, value: Any, path: str) -> dict[str, Any]:
        if value is None:
            return {}
        if isinstance(value, dict):
            return {k: v for k, v in value.items() if v is not None}
        self.refuse(path, "Invalid input type.")
        return {}

    def objects(self, value: Any, path: str) -> list[tuple[str, dict[str, Any]]]:
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse(path, "Not a valid list.")
            return []
        found = []
        for i, item in enumerate(value):
            if isinstance(item, dict):
                found.append((f"{path}.{i}", {k: v for k, v in item.items() if v is not None}))
            else:
                self.refuse(f"{path}.{i}", "Invalid input type.")
        return found

    def text(self, value: Any, path: str) -> str | None:
        if value is None:
            return None
        if isinstance(value, str):
            return value.strip() or None
        self.refuse(path, _NOT_VALID)
        return None

    def texts(self, value: Any, path: str) -> list[str]:
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse(path, "Not a valid list.")
            return []
        return [text for i, item in enumerate(value) if (text := self.text(item, f"{path}.{i}"))]

    def term(self, value: Any, path: str, find: Callable[[str], str | None]) -> str | None:
        """The id in `{"id": …}`, looked up; noted in `outside` when the vocabulary has it not."""
        item = self.mapping(value, path)
        if not item:
            return None
        if "id" not in item:
            self.refuse(f"{path}.id", checks.MISSING)
            return None
        given = self.text(item["id"], f"{path}.id")
        if given is None:
            return None
        if found := find(given):
            return found
        self.outside.append(given)
        return None

    def localised(self, value: Any, path: str) -> tuple[str | None, str | None]:
        """The text of `{"en": "…"}` and its language, None for English; the first where there are several."""
        if isinstance(value, str):
            return self.text(value, path), None
        item = self.mapping(value, path)
        if len(item) > 1 and "en" in item:
            return self.text(item["en"], f"{path}.en"), None
        for lang, text in item.items():
            return self.text(text, f"{path}.{lang}"), None if lang == "en" else lang
        return None, None

    # -- metadata

    def metadata(self, said: dict[str, Any]) -> Metadata:
        m = Metadata()
        at = "metadata"
        for key in said:
            if key not in Metadata.model_fields or key == "custom":
                self.refuse(f"{at}.{key}", "Unknown field.")
        if "resource_type" in said:
            m.resource_type = self.term(
                said["resource_type"], f"{at}.resource_type", vocabularies.resource_type_id
            )
        m.title = self.text(said.get("title"), f"{at}.title") or ""
        m.publication_date = self.text(said.get("publication_date"), f"{at}.publication_date")
        m.publisher = self.text(said.get("publisher"), f"{at}.publisher")
        m.version = self.text(said.get("version"), f"{at}.version")
        m.description = self.cleaned(said.get("description"), f"{at}.description")
        m.copyright = self.cleaned(said.get("copyright"), f"{at}.copyright")
        m.sizes = self.texts(said.get("sizes"), f"{at}.sizes")
        m.formats = self.texts(said.get("formats"), f"{at}.formats")
        m.creators = self.people(said.get("creators"), f"{at}.creators")
        m.contributors = self.people(said.get("contributors"), f"{at}.contributors")
        m.additional_titles = self.titles(said.get("additional_titles"), f"{at}.additional_titles")
        m.additional_descriptions = self.descriptions(
            said.get("additional_descriptions"), f"{at}.additional_descriptions"
        )
        m.rights = self.rights(said.get("rights"), f"{at}.rights")
        m.languages = [
            code
            for path, item in self.objects(said.get("languages"), f"{at}.languages")
            if (code := self.term(item, path, vocabularies.language_id))
        ]
        m.subjects = self.subjects(said.get("subjects"), f"{at}.subjects")
        m.dates = self.dates(said.get("dates"), f"{at}.dates")
        m.identifiers = self.alternates(said.get("identifiers"), f"{at}.identifiers")
        m.related_identifiers = self.related(said.get("related_identifiers"), f"{at}.related_identifiers")
        m.references = self.references(said.get("references"), f"{at}.references")
        m.funding = self.funding(said.get("funding"), f"{at}.funding")
        m.locations = self.locations(said.get("locations"), f"{at}.locations")
        return m

    def people(self, value: Any, at: str) -> list[Person]:
        return [self.person(path, item) for path, item in self.objects(value, at)]

    def person(self, path: str, item: dict[str, Any]) -> Person:
        place = f"{path}.person_or_org"
        who = self.mapping(item.get("person_or_org"), place)
        person = Person()
        kind = who.get("type", "personal")
        if kind not in ("personal", "organizational"):
            self.refuse(f"{place}.type", "Invalid value. Choose one of ['organizational', 'personal'].")
        elif kind == "organizational":
            person.type = "organizational"
        name = self.text(who.get("name"), f"{place}.name")
        person.family_name = self.text(who.get("family_name"), f"{place}.family_name")
        person.given_name = self.text(who.get("given_name"), f"{place}.given_name")
        if person.type == "organizational":
            person.name, person.family_name, person.given_name = name or "", None, None
        else:
            made = ", ".join(part for part in (person.family_name, person.given_name) if part)
            if not person.family_name and name and not person.given_name:
                # Sent with `name` alone, as the deposit API has it.
                family, comma, given = name.partition(",")
                person.family_name = family.strip() if comma else name
                person.given_name = given.strip() or None if comma else None
                made = name
            same = name is not None and [p.strip() for p in name.split(",", 1)] == [
                p for p in (person.family_name, person.given_name) if p
            ]
            person.name = (name if same and name else made) if person.family_name else ""
        for where, said in self.objects(who.get("identifiers"), f"{place}.identifiers"):
            value = self.text(said.get("identifier"), f"{where}.identifier")
            if value is None:
                continue
            scheme = (self.text(said.get("scheme"), f"{where}.scheme") or "").lower()
            scheme = scheme or identifiers.detect(value) or ""
            kept = identifiers.normalise(value, scheme) if scheme else value
            person.identifiers.append(Identifier(identifier=kept, scheme=scheme or None))
        for where, said in self.objects(item.get("affiliations"), f"{path}.affiliations"):
            key, called = (
                self.text(said.get("id"), f"{where}.id"),
                self.text(said.get("name"), f"{where}.name"),
            )
            affiliation = Affiliation(name=called or "", id=key)
            if not key and not called:
                self.refuse(f"{where}.name", "An existing id or a free text name must be present.")
            elif affiliation in person.affiliations:
                self.refuse(where, "This affiliation is there twice.")
            else:
                person.affiliations.append(affiliation)
        if "role" in item:
            person.role = self.term(item["role"], f"{path}.role", _in(vocabularies.roles))
        return person

    def lang(self, item: dict[str, Any], path: str) -> str | None:
        return self.term(item["lang"], f"{path}.lang", vocabularies.language_id) if "lang" in item else None

    def titles(self, value: Any, at: str) -> list[Title]:
        found = []
        for path, item in self.objects(value, at):
            text = self.text(item.get("title"), f"{path}.title")
            kind = (
                self.term(item["type"], f"{path}.type", _in(vocabularies.title_types))
                if "type" in item
                else None
            )
            found.append(Title(title=text or "", type=kind, lang=self.lang(item, path)))
        return found

    def descriptions(self, value: Any, at: str) -> list[TypedText]:
        found = []
        for path, item in self.objects(value, at):
            text = self.cleaned(item.get("description"), f"{path}.description")
            kind = (
                self.term(item["type"], f"{path}.type", _in(vocabularies.description_types))
                if "type" in item
                else None
            )
            found.append(TypedText(description=text or "", type=kind or "", lang=self.lang(item, path)))
        return found

    def rights(self, value: Any, at: str) -> list[Right]:
        found = []
        for path, item in self.objects(value, at):
            if "id" in item:
                if key := self.term(item, path, vocabularies.licence_id):
                    found.append(Right(id=key))
                continue
            title, lang = self.localised(item.get("title"), f"{path}.title")
            description, other = self.localised(item.get("description"), f"{path}.description")
            link = self.text(item.get("link"), f"{path}.link")
            if title is None and description is None and link is None:
                self.refuse(f"{path}.title", "Name the licence by its id, or give a title.")
                continue
            found.append(Right(title=title, description=description, link=link, lang=lang or other))
        return found

    def subjects(self, value: Any, at: str) -> list[Subject]:
        found = []
        for path, item in self.objects(value, at):
            key, word = (
                self.text(item.get("id"), f"{path}.id"),
                self.text(item.get("subject"), f"{path}.subject"),
            )
            if key is None and word is None:
                self.refuse(path, "An existing id or a free text subject must be present.")
                continue
            scheme = self.text(item.get("scheme"), f"{path}.scheme") if key else None
            found.append(Subject(subject=word or "", id=key, scheme=scheme))
        return found

    def dates(self, value: Any, at: str) -> list[Date]:
        found = []
        for path, item in self.objects(value, at):
            kind = (
                self.term(item["type"], f"{path}.type", _in(vocabularies.date_types))
                if "type" in item
                else None
            )
            day = self.text(item.get("date"), f"{path}.date")
            description = self.text(item.get("description"), f"{path}.description")
            found.append(Date(date=day or "", type=kind or "", description=description))
        return found

    def named(self, path: str, item: dict[str, Any]) -> tuple[str, str | None]:
        """Identifier and scheme, detected where it is missing; as they are where they do not fit."""
        value = self.text(item.get("identifier"), f"{path}.identifier") or ""
        sent = self.text(item.get("scheme"), f"{path}.scheme")
        scheme = sent.lower() if sent else identifiers.detect(value) if value else None
        if scheme and identifiers.valid(value, scheme):
            return identifiers.normalise(value, scheme), scheme
        return value, scheme

    def related_type(self, path: str, item: dict[str, Any]) -> str | None:
        if "resource_type" not in item:
            return None
        return self.term(item["resource_type"], f"{path}.resource_type", vocabularies.resource_type_id)

    def alternates(self, value: Any, at: str) -> list[AlternateIdentifier]:
        found = []
        for path, item in self.objects(value, at):
            value, scheme = self.named(path, item)
            resource_type = self.related_type(path, item)
            found.append(AlternateIdentifier(identifier=value, scheme=scheme, resource_type=resource_type))
        return found

    def related(self, value: Any, at: str) -> list[Related]:
        found = []
        for path, item in self.objects(value, at):
            kind = None
            if "relation_type" in item:
                kind = self.term(item["relation_type"], f"{path}.relation_type", _in(vocabularies.relations))
            value, scheme = self.named(path, item)
            resource_type = self.related_type(path, item)
            found.append(
                Related(identifier=value, scheme=scheme, relation=kind or "", resource_type=resource_type)
            )
        return found

    def references(self, value: Any, at: str) -> list[Reference]:
        found = []
        for path, item in self.objects(value, at):
            found.append(
                Reference(
                    reference=self.text(item.get("reference"), f"{path}.reference") or "",
                    identifier=self.text(item.get("identifier"), f"{path}.identifier"),
                    scheme=self.text(item.get("scheme"), f"{path}.scheme"),
                )
            )
        return found

    def funding(self, value: Any, at: str) -> list[Funding]:
        found = []
        for path, item in self.objects(value, at):
            who = self.mapping(item.get("funder"), f"{path}.funder")
            what = self.mapping(item.get("award"), f"{path}.award")
            key = self.text(who.get("id"), f"{path}.funder.id")
            award_id = self.text(what.get("id"), f"{path}.award.id")
            prefix, colons, number = (award_id or "").partition("::")
            known = vocabularies.funder_by_ror(key or (prefix if colons else ""))
            funder = Funder(
                id=key or (known.id if known else prefix or None if colons else None),
                name=self.text(who.get("name"), f"{path}.funder.name") or (known.name if known else None),
                doi=known.doi if known else None,
                acronym=known.acronym if known else None,
                country=self.text(who.get("country"), f"{path}.funder.country")
                or (known.country if known else None),
            )
            award = self.award(f"{path}.award", what, award_id, number or None) if what else None
            award = None if award == Award() else award
            if funder == Funder() and award is None:
                self.refuse(f"{path}.funder", "Name the funder by its id, or give a name.")
                continue
            found.append(Funding(funder=funder, award=award))
        return found

    def award(self, path: str, what: dict[str, Any], key: str | None, number: str | None) -> Award:
        title, lang = self.localised(what.get("title"), f"{path}.title")
        award = Award(
            id=key,
            number=self.text(what.get("number"), f"{path}.number") or number,
            title=title,
            lang=lang,
            acronym=self.text(what.get("acronym"), f"{path}.acronym"),
            program=self.text(what.get("program"), f"{path}.program"),
        )
        for where, item in self.objects(what.get("identifiers"), f"{path}.identifiers"):
            value = self.text(item.get("identifier"), f"{where}.identifier")
            if value is None:
                continue
            scheme = self.text(item.get("scheme"), f"{where}.scheme") or identifiers.detect(value)
            if scheme == "url" and award.url is None:
                award.url = value
            elif scheme == "doi" and award.doi is None:
                award.doi = identifiers.normalise(value, "doi")
            else:
                award.identifiers.append(Identifier(identifier=value, scheme=scheme))
        return award

    def locations(self, value: Any, at: str) -> list[Location]:
        found = []
        for path, item in self.objects(
            self.mapping(value, at).get("features") if value is not None else None, f"{at}.features"
        ):
            place = Location(
                place=self.text(item.get("place"), f"{path}.place"),
                description=self.text(item.get("description"), f"{path}.description"),
            )
            if "geometry" in item:
                self.geometry(item["geometry"], f"{path}.geometry", place)
            for where, said in self.objects(item.get("identifiers"), f"{path}.identifiers"):
                if key := self.text(said.get("identifier"), f"{where}.identifier"):
                    place.identifiers.append(
                        Identifier(identifier=key, scheme=self.text(said.get("scheme"), f"{where}.scheme"))
                    )
            if place == Location():
                self.refuse(
                    path,
                    "At least one of ['geometry', 'place', 'identifiers', 'description'] should be present.",
                )
            else:
                found.append(place)
        return found

    def geometry(self, value: Any, path: str, place: Location) -> None:
        item = self.mapping(value, path)
        kind, at = item.get("type"), item.get("coordinates")
        if kind not in _GEOMETRIES or not _coordinates(
            item.get("geometries") if kind == "GeometryCollection" else at
        ):
            self.refuse(path, "Not a valid GeoJSON geometry (RFC 7946).")
        elif kind == "Point":
            if not isinstance(at, list) or len(at) < 2 or any(isinstance(x, list) for x in at):
                self.refuse(path, "A Point has two coordinates: longitude, latitude.")
            elif len(at) == 2:
                place.lon, place.lat = float(at[0]), float(at[1])
            else:
                place.geometry = item
        else:
            place.geometry = item

    # -- the rest

    def custom(self, said: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in said.items():
            path = f"custom_fields.{key}"
            if key in before and before[key] == value:
                found[key] = value  # however it came in, it goes back
            elif key in _OBJECTS:
                inner = {k: v for k, v in self.mapping(value, path).items() if v not in ("", [], {})}
                if inner:
                    found[key] = inner
            elif key in _CUSTOM:
                found[key] = value
            elif key.partition(":")[0] in _PREFIXES:
                if isinstance(value, list):
                    found[key] = value
                else:
                    self.refuse(path, "Not a valid list.")
            else:
                self.refuse(path, "Unknown field.")
        return found

    def access(self, value: Any, before: Access) -> Access:
        said = self.mapping(value, "access")
        access = Access(requests=before.requests, conditions=before.conditions)
        for name in ("record", "files"):
            level = said.get(name, "public")
            if level not in ("public", "restricted"):
                self.refuse(f"access.{name}", "'record' and 'files' must be either 'public' or 'restricted'.")
                level = "restricted"  # what can't be understood opens nothing
            setattr(access, name, level)
        embargo = self.mapping(said.get("embargo"), "access.embargo")
        active = embargo.get("active", False)
        if not isinstance(active, bool):
            self.refuse("access.embargo.active", "Not a valid boolean.")
            active = True
        text = self.text(embargo.get("until"), "access.embargo.until")
        until = None
        if text is not None:
            try:
                if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
                    raise ValueError
                until = date.fromisoformat(text)
            except ValueError:
                self.refuse("access.embargo.until", "Not a valid date.")
                access.files = "restricted" if active else access.files
        elif active:
            self.refuse("access.embargo.until", checks.MISSING)
        access.embargo_reason = self.text(embargo.get("reason"), "access.embargo.reason")
        if until is not None and active:
            access.embargo_until = until
            # An embargo is on the files, whatever else was said.
            access.files = "restricted"
        elif until is not None and before.embargo_until == until:
            # Over: it stays as history. Not where something is restricted now, which the day that is past would open.
            if access.record == access.files == "public":
                access.embargo_until = until
        elif until is not None:
            self.refuse("access.embargo.until", "Embargo end date must be unset or in the past.")
        return access

    def pids(self, value: Any) -> str | None:
        doi = self.mapping(self.mapping(value, "pids").get("doi"), "pids.doi")
        if not doi:
            return None
        given = self.text(doi.get("identifier"), "pids.doi")
        provider = doi.get("provider")
        if given is None:
            if provider == "external":
                self.refuse("pids.doi", "Missing DOI for required field.")
            return None
        return identifiers.normalise(given, "doi")

    def files(self, said: dict[str, Any], data: RecordData) -> None:
        enabled = said.get("enabled", True)
        if isinstance(enabled, bool):
            data.metadata_only = not enabled
        else:
            self.refuse("files.enabled", "Not a valid boolean.")
        data.default_preview = self.text(said.get("default_preview"), "files.default_preview")


def _in(vocabulary: Callable[[], Mapping[str, Any]]) -> Callable[[str], str | None]:
    def find(given: str) -> str | None:
        key = given.lower()
        return key if key in vocabulary() else None

    return find


def _coordinates(value: Any, depth: int = 0) -> bool:
    """Whether these are numbers in lists (or geometries in one)."""
    if isinstance(value, dict):
        inner = (
            value.get("geometries") if value.get("type") == "GeometryCollection" else value.get("coordinates")
        )
        return depth < 4 and value.get("type") in _GEOMETRIES and _coordinates(inner, depth + 1)
    if not isinstance(value, list) or not value or depth > 5:
        return False
    return all(
        _coordinates(v, depth + 1)
        if isinstance(v, list | dict)
        else isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
        for v in value
    )


# -- writing: these run for every answer, so they are plain and check nothing


def _titled(key: str, title: str | None) -> dict[str, Any]:
    return {"id": key, "title": {"en": title}} if title else {"id": key}


def _term(vocabulary: Mapping[str, Any], key: str) -> dict[str, Any]:
    term = vocabulary.get(key)
    return _titled(key, term.title if term else None)


def _language(key: str) -> dict[str, Any]:
    return _titled(key, vocabularies.language_title(key))


def _person(p: Person) -> dict[str, Any]:
    who: dict[str, Any] = {"type": p.type}
    if p.name:
        who["name"] = p.name
    if p.type == "personal":
        if p.given_name:
            who["given_name"] = p.given_name
        if p.family_name or p.name:
            who["family_name"] = p.family_name or p.name
    if p.identifiers:
        who["identifiers"] = [_identifier(i) for i in p.identifiers]
    out: dict[str, Any] = {"person_or_org": who}
    if p.role:
        out["role"] = _term(vocabularies.roles(), p.role)
    if p.affiliations:
        out["affiliations"] = [
            {"id": a.id, "name": a.name} if a.id and a.name else {"id": a.id} if a.id else {"name": a.name}
            for a in p.affiliations
        ]
    return out


def _identifier(i: Identifier) -> dict[str, Any]:
    out = {"identifier": i.identifier} if i.identifier else {}
    if i.scheme:
        out["scheme"] = i.scheme
    return out


def _alternate(i: AlternateIdentifier) -> dict[str, Any]:
    out: dict[str, Any] = _identifier(i)
    if i.resource_type:
        out["resource_type"] = _term(vocabularies.resource_types(), i.resource_type)
    return out


def _right(r: Right) -> dict[str, Any]:
    if r.id is None:
        lang = r.lang or "en"
        out: dict[str, Any] = {"title": {lang: r.title}} if r.title else {}
        if r.description:
            out["description"] = {lang: r.description}
        if r.link:
            out["link"] = r.link
        return out
    out = {"id": r.id}
    if licence := vocabularies.licence(r.id):
        out["title"] = {"en": licence.title}
        description = getattr(licence, "description", None)
        out["description"] = {"en": description or ""}
        if r.id.startswith("cc"):
            out["icon"] = f"{'-'.join(r.id.split('-')[:-1]) or r.id}-icon"
        out["props"] = {"url": licence.url or "", "scheme": "spdx" if licence.spdx else ""}
    return out


def _related(r: Related) -> dict[str, Any]:
    out: dict[str, Any] = {"identifier": r.identifier} if r.identifier else {}
    if r.scheme:
        out["scheme"] = r.scheme
    if r.relation:
        out["relation_type"] = _term(vocabularies.relations(), r.relation)
    if r.resource_type:
        out["resource_type"] = _term(vocabularies.resource_types(), r.resource_type)
    return out


def award_id(f: Funding) -> str | None:
    """The award's id in the vocabulary of awards: `<funder's ROR id>::<number>`; None where it can't have one."""
    if f.award is None:
        return None
    if f.award.id:
        return f.award.id
    return f"{f.funder.id}::{f.award.number}" if f.funder.id and f.award.number else None


def _funding(f: Funding) -> dict[str, Any]:
    funder: dict[str, Any] = {}
    if f.funder.id:
        funder["id"] = f.funder.id
    if f.funder.name or f.funder.doi:
        funder["name"] = f.funder.name or f.funder.doi
    out: dict[str, Any] = {}
    if funder:
        out["funder"] = funder
    if f.award is not None:
        award: dict[str, Any] = {}
        if key := award_id(f):
            award["id"] = key
        if f.award.number:
            award["number"] = f.award.number
        if f.award.title:
            award["title"] = {f.award.lang or "en": f.award.title}
        links = [{"identifier": f.award.url, "scheme": "url"}] if f.award.url else []
        links += [{"identifier": f.award.doi, "scheme": "doi"}] if f.award.doi else []
        if links := [*links, *(_identifier(i) for i in f.award.identifiers)]:
            award["identifiers"] = links
        if f.award.acronym:
            award["acronym"] = f.award.acronym
        if f.award.program:
            award["program"] = f.award.program
        out["award"] = award
    return out


def _location(place: Location) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if place.geometry is not None:
        out["geometry"] = place.geometry
    elif place.lat is not None and place.lon is not None:
        out["geometry"] = {"coordinates": [place.lon, place.lat], "type": "Point"}
    if place.place:
        out["place"] = place.place
    if place.identifiers:
        out["identifiers"] = [_identifier(i) for i in place.identifiers]
    if place.description:
        out["description"] = place.description
    return out


def _know_again(before: Metadata, m: Metadata) -> None:
    """What is said of a draft as its answer says it is what it was, with all that this JSON has no place for: the
    words of a grant as the deposit API got them, a funder's DOI."""
    shown: tuple[tuple[str, Callable[[Any], Any]], ...] = (
        ("creators", _person),
        ("contributors", _person),
        ("dates", _date),
        ("identifiers", _alternate),
        ("related_identifiers", _related),
        ("funding", _funding),
        ("locations", _location),
    )
    for name, show in shown:
        old, new = getattr(before, name), getattr(m, name)
        if old and old != new:
            known = {orjson.dumps(show(item), option=orjson.OPT_SORT_KEYS): item for item in reversed(old)}
            setattr(
                m,
                name,
                [known.get(orjson.dumps(show(item), option=orjson.OPT_SORT_KEYS), item) for item in new],
            )
    # Of these an answer may show nothing at all: a place that has a latitude only, a grant in words of its own.
    m.funding += [item for item in before.funding if not _funding(item)]
    m.locations += [item for item in before.locations if not _location(item)]


def dump_metadata(m: Metadata) -> dict[str, Any]:
    """The `metadata` of a record or draft, in the order of keys of golden/live/rdm 76. What is not said is absent."""
    out: dict[str, Any] = {}
    if m.resource_type:
        out["resource_type"] = _term(vocabularies.resource_types(), m.resource_type)
    if m.creators:
        out["creators"] = [_person(p) for p in m.creators]
    if m.title:
        out["title"] = m.title
    if m.additional_titles:
        out["additional_titles"] = [_typed({"title": t.title} if t.title else {}, t.type, vocabularies.title_types(), t.lang) for t in m.additional_titles]  # fmt: skip
    if m.publisher:
        out["publisher"] = m.publisher
    if m.publication_date:
        out["publication_date"] = m.publication_date
    if m.subjects:
        out["subjects"] = [_subject(s) for s in m.subjects]
    if m.contributors:
        out["contributors"] = [_person(p) for p in m.contributors]
    if m.dates:
        out["dates"] = [_date(d) for d in m.dates]
    if m.languages:
        out["languages"] = [_language(code) for code in m.languages]
    if m.identifiers:
        out["identifiers"] = [_alternate(i) for i in m.identifiers]
    if m.related_identifiers:
        out["related_identifiers"] = [_related(r) for r in m.related_identifiers]
    if m.sizes:
        out["sizes"] = m.sizes
    if m.formats:
        out["formats"] = m.formats
    if m.version:
        out["version"] = m.version
    if m.rights:
        out["rights"] = [_right(r) for r in m.rights]
    if m.copyright:
        out["copyright"] = m.copyright
    if m.description:
        out["description"] = m.description
    if m.additional_descriptions:
        out["additional_descriptions"] = [
            _typed(
                {"description": d.description} if d.description else {},
                d.type,
                vocabularies.description_types(),
                d.lang,
            )
            for d in m.additional_descriptions
        ]
    if m.locations:
        out["locations"] = {"features": [_location(place) for place in m.locations]}
    if m.funding:
        out["funding"] = [_funding(f) for f in m.funding]
    if m.references:
        out["references"] = [
            {
                k: v
                for k, v in (("reference", r.reference), ("identifier", r.identifier), ("scheme", r.scheme))
                if v
            }
            for r in m.references
        ]
    return out


def _date(d: Date) -> dict[str, Any]:
    out: dict[str, Any] = {"date": d.date} if d.date else {}
    if d.type:
        out["type"] = _term(vocabularies.date_types(), d.type)
    if d.description:
        out["description"] = d.description
    return out


def _typed(
    out: dict[str, Any], kind: str | None, vocabulary: Mapping[str, Any], lang: str | None
) -> dict[str, Any]:
    if kind:
        out["type"] = _term(vocabulary, kind)
    if lang:
        out["lang"] = _language(lang)
    return out


def _subject(s: Subject) -> dict[str, Any]:
    out = {"id": s.id} if s.id else {}
    if s.subject:
        out["subject"] = s.subject
    if s.scheme:
        out["scheme"] = s.scheme
    return out


def dump_access(data: RecordData, *, today: date, has_files: bool, published: bool) -> dict[str, Any]:
    """The `access` of a record or draft. An embargo that is over shows as inactive, with its day."""
    access = data.access
    active = access.embargo_until is not None and (not published or today < access.embargo_until)
    over = access.embargo_until is not None and not active
    embargo: dict[str, Any] = {"active": active}
    if access.embargo_until is not None:
        embargo["until"] = access.embargo_until.isoformat()
    embargo["reason"] = access.embargo_reason
    return {
        "record": "public" if over else access.record,
        "files": "public" if over else access.files,
        "embargo": embargo,
        "status": access.status(today, has_files),
    }


# -- the block for pages (`ui`), English


def _title_l10n(term: dict[str, Any]) -> dict[str, Any]:
    out = {"id": term["id"]}
    if title := term.get("title"):
        out["title_l10n"] = title.get("en") or next(iter(title.values()))
    return out


_ACCESS = {
    "open": ("Open", "The record and files are publicly accessible.", "unlock"),
    "embargoed": ("Embargoed", "The files will be made publicly available on {until}.", "outline clock"),
    "restricted": ("Restricted", "The record is publicly accessible, but files are restricted to users with access.", "ban"),
    "metadata-only": ("Metadata-only", "No files are available for this record.", "tag"),
}  # fmt: skip


@lru_cache(maxsize=4096)
def _written(day: date, form: str) -> str:
    return format_date(day, form, locale="en")


def _day(value: str, form: str) -> str:
    """A date of EDTF level 0 as English writes it; what is none as it is."""

    def one(text: str) -> str:
        try:
            if len(text) == 10:
                return _written(date.fromisoformat(text), form)
            if len(text) == 7:
                return format_date(
                    date.fromisoformat(f"{text}-01"), "MMMM y" if form == "long" else "MMM y", locale="en"
                )
        except ValueError:
            pass
        return text

    return " – ".join(one(part) for part in value.split("/"))


def dump_ui(
    data: RecordData, shown: dict[str, Any], *, created: date, updated: date, is_draft: bool
) -> dict[str, Any]:
    """The `ui` block of the vendor type: what a page shows, with English words (api-rdm.md section 8).

    `shown` is the rest of the answer: its `metadata`, `access` and `custom_fields` are read, not made again.
    """
    m, said = data.metadata, shown["metadata"]
    ui: dict[str, Any] = {}
    if m.publication_date:
        ui["publication_date_l10n_medium"] = _day(m.publication_date, "medium")
        ui["publication_date_l10n_long"] = _day(m.publication_date, "long")
    ui["created_date_l10n_long"] = _written(created, "long")
    ui["updated_date_l10n_long"] = _written(updated, "long")
    if "resource_type" in said:
        ui["resource_type"] = _title_l10n(said["resource_type"])
    for name in ("additional_titles", "additional_descriptions", "dates"):
        if name in said:
            ui[name] = [_localised(item) for item in said[name]]
    ui["custom_fields"] = shown["custom_fields"]
    if published_in := _published_in(m):
        ui["publishing_information"] = published_in
    status = shown["access"]["status"]
    title, description, icon = _ACCESS[status]
    until = shown["access"]["embargo"].get("until")
    ui["access_status"] = {
        "id": status,
        "title_l10n": title,
        "description_l10n": description.format(until=_day(until, "long") if until else ""),
        "icon": icon,
        "embargo_date_l10n": _day(until, "long") if status == "embargoed" and until else None,
        "message_class": {"embargoed": "warning", "restricted": "negative"}.get(status, ""),
    }
    for name, people in (("creators", m.creators), ("contributors", m.contributors)):
        if people:
            ui[name] = _ui_people(name, people, said[name])
    if "languages" in said:
        ui["languages"] = [_title_l10n(x) for x in said["languages"]]
    if m.description:
        ui["description_stripped"] = html.plain(m.description)
    ui["version"] = m.version or f"v{shown['versions']['index']}"
    if "related_identifiers" in said:
        ui["related_identifiers"] = [_localised(item) for item in said["related_identifiers"]]
    if "rights" in said:
        ui["rights"] = [
            {
                **{k: v for k, v in right.items() if k not in ("title", "description")},
                **{
                    f"{k}_l10n": right[k].get("en") or next(iter(right[k].values()), "")
                    for k in ("title", "description")
                    if right.get(k)
                },
            }
            for right in said["rights"]
        ]
    ui["is_draft"] = is_draft
    if "funding" in said:
        ui["funding"] = [
            {
                name: {("title_l10n" if k == "title" else k): (next(iter(v.values())) if k == "title" else v) for k, v in part.items()}
                for name, part in item.items()
            }
            for item in said["funding"]
        ]  # fmt: skip
    if "locations" in said:
        ui["locations"] = said["locations"]
    return ui


def _localised(item: dict[str, Any]) -> dict[str, Any]:
    return {k: _title_l10n(v) if isinstance(v, dict) and "id" in v else v for k, v in item.items()}


def _ui_people(name: str, people: list[Person], said: list[dict[str, Any]]) -> dict[str, Any]:
    places: dict[tuple[str, str | None], int] = {}
    shown = []
    for person, item in zip(people, said, strict=True):
        one = {k: v for k, v in item.items() if k != "affiliations"}
        if person.role:
            one["role"] = {
                "id": person.role,
                "title": _title_l10n(item["role"]).get("title_l10n", person.role),
            }
        if person.affiliations:
            one["affiliations"] = [
                [places.setdefault((a.name, a.id), len(places) + 1), a.name] for a in person.affiliations
            ]
        shown.append(one)
    return {name: shown, "affiliations": [[n, called, key] for (called, key), n in places.items()]}


def _published_in(m: Metadata) -> dict[str, str]:
    out: dict[str, str] = {}
    journal, imprint, thesis = (
        m.custom.get(k) or {} for k in ("journal:journal", "imprint:imprint", "thesis:thesis")
    )
    year = (m.publication_date or "")[:4]
    if journal.get("title"):
        where = journal["title"] + (f", {journal['volume']}" if journal.get("volume") else "")
        where += f"({journal['issue']})" if journal.get("issue") else ""
        where += f", {journal['pages']}" if journal.get("pages") else ""
        out["journal"] = f"{where}, {year}." if year else f"{where}."
    if imprint.get("title") or imprint.get("isbn"):
        parts = [imprint.get("title"), imprint.get("place"), imprint.get("pages"), f"ISBN: {imprint['isbn']}" if imprint.get("isbn") else None]  # fmt: skip
        out["imprint"] = ", ".join(str(p) for p in parts if p) + "."
    if thesis.get("university"):
        out["thesis"] = str(thesis["university"])
    return out
