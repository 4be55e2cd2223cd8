"""Zenodo's deposit metadata ⇄ the model (api-legacy.md section 4, quirks.md 10 and 12).

`load` reads the `metadata` of a deposition's body, and as well that of a record as the API shows it, so that
either can be sent back. `dump_deposition` and `dump_record` write the two. What `dump_deposition` gave, `load`
reads as the same data; only an empty deposition gains the defaults (date, publisher) by it.

Refused at once (`errors.Invalid`, 400) is what cannot be kept: a value of the wrong JSON type, an id outside its
vocabulary, an identifier of no known scheme, an access right or embargo without meaning. Everything else is kept
as it was typed, even if wrong (Zenodo drops it without a word), and named in `Loaded.warnings`.

What is written otherwise than it was sent, and nothing else:

- HTML is cleaned (`metadata.html`); text loses outer blanks and the control characters that XML and PostgreSQL
  cannot hold; empty texts, lists and objects, and nulls, are absent.
- Licences, languages, relations, resource types, date and contributor types: Zenodo's own spelling.
- Identifiers: without prefix, of the scheme that was detected, or sent if it fits.
- `thesis_supervisors` are contributors of type Supervisor, before the others, and come back as such alone: if
  they also came back under their own name, a client that removes one contributor would bring him back.
- `partof_*` are kept beside `imprint_*`; a grant's id has its funder's DOI.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any

from strongroom.errors import Invalid
from strongroom.metadata import checks, grants, identifiers, vocabularies
from strongroom.metadata.model import (
    Access,
    Affiliation,
    AlternateIdentifier,
    Date,
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
    TypedText,
)
from strongroom.metadata.reading import UNPRINTABLE, Loaded, Reader, some_of

DEFAULT_LICENCE = "cc-by-4.0"
DEFAULT_LICENCE_OF_DATA = "cc0-1.0"

SUBJECTS = "legacy:subjects"
JOURNAL, MEETING, IMPRINT, THESIS = "journal:journal", "meeting:meeting", "imprint:imprint", "thesis:thesis"

# (key in `custom`, key in a record's metadata, ((key in a deposition, key inside), …)), in the order they are answered.
# Year, ISSN and edition are not Zenodo's deposit fields: they come from records and go back into them.
_Fields = tuple[tuple[str, str], ...]
_JOURNAL_FIELDS: _Fields = (
    ("journal_title", "title"),
    ("journal_volume", "volume"),
    ("journal_issue", "issue"),
    ("journal_pages", "pages"),
    ("journal_year", "year"),
    ("journal_issn", "issn"),
)
_MEETING_FIELDS: _Fields = (
    ("conference_title", "title"),
    ("conference_acronym", "acronym"),
    ("conference_dates", "dates"),
    ("conference_place", "place"),
    ("conference_url", "url"),
    ("conference_session", "session"),
    ("conference_session_part", "session_part"),
)
_IMPRINT_FIELDS: _Fields = (
    ("imprint_isbn", "isbn"),
    ("imprint_place", "place"),
    ("imprint_edition", "edition"),
)
_PART_OF_FIELDS: _Fields = (("partof_pages", "pages"), ("partof_title", "title"))
_THESIS_FIELDS: _Fields = (("thesis_university", "university"),)
_GROUPS = (
    (JOURNAL, "journal", _JOURNAL_FIELDS),
    (MEETING, "meeting", _MEETING_FIELDS),
    (IMPRINT, "imprint", _IMPRINT_FIELDS),
    (IMPRINT, "part_of", _PART_OF_FIELDS),
    (THESIS, "thesis", _THESIS_FIELDS),
)

# api-legacy.md 4.5: kept in `custom` for fields of their own, never shown as custom terms.
_RESERVED = ("legacy:", "thesis:", "imprint:", "meeting:", "journal:", "part_of:")
_CUSTOM_PREFIXES = frozenset({"dwc", "gbif-dwc", "gbif", "mixs", "ac", "openbiodiv", "obo", "dc"})

# What answers hold and nobody sets: may be sent back, says nothing.
_READ_ONLY = frozenset({"prereserve_doi", "relations", "access_right_category", "doi_url"})
# With these alone nothing has been said yet, so no licence is chosen for the depositor.
_FILLED_IN = _READ_ONLY | {"access_right", "publication_date", "imprint_publisher", "imprint"}

_PERSON_SCHEMES = ("orcid", "gnd", "isni", "ror")
_UPLOAD_TYPES = "publication, poster, presentation, dataset, image, video, software, lesson, physicalobject, workflow, other"


def load(metadata: object, *, today: date, site: str, before: RecordData | None = None) -> Loaded:
    """The data that this `metadata` says; `site` is the default publisher, `today` the default publication date.

    `before` is what the draft says until now: what would be refused but is there already, since it came through the records
    API (an identifier of no known scheme, a date or work without its type), may be sent back.
    `None` (a body without `metadata`) is an empty deposition. Raises `errors.Invalid` with all findings at once;
    its message is Zenodo's `Invalid value x.` when only ids outside their vocabularies are wrong.
    """
    if metadata is None:
        return Loaded(RecordData(), [])
    if not isinstance(metadata, Mapping):
        raise Invalid.at("metadata", "Invalid input type.", "Send an object: its keys are the fields.")
    reader = _Reader(metadata, before)
    data = reader.read(today, site)
    if reader.errors:
        outside = reader.outside if len(reader.outside) == len(reader.errors) else []
        raise Invalid(reader.errors, f"Invalid value {outside[0]}." if outside else None)
    reader.warnings += checks.wrong_values(data, today=today)
    return Loaded(data, reader.warnings)


class _Reader(Reader):
    """One reading of one `metadata`: takes the fields one by one, notes what is wrong with them."""

    def __init__(self, source: Mapping[Any, Any], before: RecordData | None = None) -> None:
        super().__init__()
        old = before.metadata if before else Metadata()
        works: list[Related | AlternateIdentifier] = [*old.related_identifiers, *old.identifiers]
        self.there = {(w.identifier, w.scheme) for w in works}
        self.untyped = {d.date for d in old.dates if not d.type}
        self.unrelated = {w.identifier for w in old.related_identifiers if not w.relation}
        self.left: dict[str, Any] = {}
        for key, value in source.items():
            name = UNPRINTABLE.sub("", str(key))
            if value is not None:
                self.left[name] = self.printable(value, f"metadata.{name}", 0)

    def take(self, key: str) -> Any:
        return self.left.pop(key, None)

    def field(self, key: str) -> str | None:
        return self.text(self.take(key), f"metadata.{key}")

    def html(self, key: str) -> str | None:
        return self.cleaned(self.take(key), f"metadata.{key}")

    def items(self, key: str, message: str = "Not a valid list.", also: str | None = None) -> list[Any]:
        """The list under `key` with its places; what is no list is refused."""
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse(f"metadata.{key}", message, also=also)
            return []
        return value

    def objects(self, key: str, message: str = "Not a valid list.", inner: str = "Invalid input type.") -> list[tuple[str, dict[str, Any]]]:  # fmt: skip
        found = []
        for i, item in enumerate(self.items(key, message)):
            if isinstance(item, dict):
                found.append((f"metadata.{key}.{i}", {k: v for k, v in item.items() if v is not None}))
            else:
                self.refuse(f"metadata.{key}.{i}", inner, "Expected an object.", also=f"metadata.{key}")
        return found

    def texts(self, key: str) -> list[str]:
        """A list of texts without the blank ones; a single text is a list of one."""
        value = self.take(key)
        path = f"metadata.{key}"
        if value is None:
            return []
        if isinstance(value, str):
            if value.strip():
                self.warn(path, "Expected a list: the text was taken as one item.")
            value = [value]
        if not isinstance(value, list):
            self.refuse(path, "Not a valid list.")
            return []
        found = []
        for i, item in enumerate(value):
            if text := self.text(item, f"{path}.{i}"):
                found.append(text)
            elif item is None or isinstance(item, str):
                self.warn(f"{path}.{i}", "Blank: ignored.")
        return found

    # -- the whole

    def read(self, today: date, site: str) -> RecordData:
        imprint = self.left.get("imprint")
        said = any(key not in _FILLED_IN for key in self.left) or (
            isinstance(imprint, Mapping) and any(key != "publisher" for key in imprint)
        )
        m = Metadata()
        m.resource_type = self.resource_type()
        m.title = self.field("title") or ""
        m.publication_date = self.field("publication_date") or today.isoformat()
        m.description = self.html("description")
        for key, kind in (("notes", "notes"), ("method", "methods")):
            if text := self.html(key):
                m.additional_descriptions.append(TypedText(description=text, type=kind))
        m.creators = [
            person
            for path, item in self.objects("creators")
            if (person := self.person(path, item, contributor=False))
        ]
        m.contributors = self.contributors()
        m.subjects = [Subject(subject=text) for text in self.texts("keywords")]
        m.references = [Reference(reference=text) for text in self.texts("references")]
        m.languages = self.languages()
        m.version = self.version()
        m.dates = self.dates()
        m.locations = self.locations()
        self.related(m)
        said_of = [grants.load(item) for _, item in self.objects("grants")]
        m.funding = [funding for funding in said_of if funding != Funding()]
        m.publisher = self.custom(m) or site
        access = self.access()
        m.rights = self.rights(m.resource_type, access if said else None)
        data = RecordData(metadata=m, access=access)
        if doi := self.field("doi"):
            data.doi = identifiers.normalise(doi, "doi")
        data.communities = self.communities()
        for key in self.left:
            if key not in _READ_ONLY:
                self.warn(f"metadata.{key}", "Unknown field: ignored.")
        return data

    def resource_type(self) -> str | None:
        shown = self.take("resource_type")  # of a record: {title, type, subtype}
        kind = self.field("upload_type")
        path, sub = "metadata.upload_type", None
        if kind is None and isinstance(shown, dict):
            path = "metadata.resource_type"
            kind = self.text(shown.get("type"), f"{path}.type")
            sub = self.text(shown.get("subtype"), f"{path}.subtype")
        elif kind is None and isinstance(shown, str) and vocabularies.resource_type_id(shown):
            kind = shown.strip()
        elif shown is not None and not isinstance(shown, dict):
            self.warn("metadata.resource_type", "Unknown field: ignored. Send upload_type.")
        if kind is None and "publication_type" in self.left:
            self.warn(path, "Missing, taken from publication_type as 'publication'.")
            kind = "publication"
        if kind is None:
            return None
        stem = kind.partition("-")[0].lower()
        if sub is None and "-" not in kind:
            sub = self.field(f"{stem}_type")
            if sub:
                path = f"metadata.{stem}_type"
        elif same := self.field(f"{stem}_type"):
            self.warn(f"metadata.{stem}_type", f"'{same}' was ignored: upload_type says '{kind}'.")
        # InvenioRDM's whole id may stand in either field
        whole = kind if not sub else sub if sub.lower().startswith(f"{stem}-") else f"{stem}-{sub}"
        if found := vocabularies.resource_type_id(whole):
            return found
        self.outside.append(whole if sub else kind)
        hint = f"Choose one of: {_UPLOAD_TYPES}."
        if sub and vocabularies.resource_type_id(stem):
            subs = [t.subtype for t in vocabularies.resource_types().values() if t.type == stem and t.subtype]
            hint = f"Choose one of: {', '.join(subs)}." if subs else f"'{stem}' has no types below it."
        self.refuse(path, f"Invalid value {whole if sub else kind}.", hint, also="metadata.resource_type")
        return None

    # -- people

    def person(self, path: str, item: dict[str, Any], *, contributor: bool) -> Person:
        self.ignored(item, _CONTRIBUTOR_KEYS if contributor else _CREATOR_KEYS, path)
        person = Person(name=self.text(item.get("name"), f"{path}.name") or "")
        if person.name.count(",") == 1:
            family, _, given = person.name.partition(",")
            person.family_name = family.strip() or None
            person.given_name = given.strip() or None
        else:
            person.family_name = person.name or None
        if affiliation := self.text(item.get("affiliation"), f"{path}.affiliation"):
            person.affiliations.append(Affiliation(name=affiliation))
        for scheme in _PERSON_SCHEMES:
            if value := self.text(item.get(scheme), f"{path}.{scheme}"):
                person.identifiers.append(
                    Identifier(identifier=identifiers.normalise(value, scheme), scheme=scheme)
                )
        if contributor and (role := self.text(item.get("type"), f"{path}.type")):
            if role.lower() in vocabularies.roles():
                person.role = role.lower()
            else:
                self.not_in(vocabularies.legacy_roles(), f"{path}.type", role, also=f"{path}.role")
        return person

    def contributors(self) -> list[Person]:
        found = [self.person(path, item, contributor=True) for path, item in self.objects("contributors")]
        thesis = self.left.get("thesis")  # of a record: {university, supervisors}
        if isinstance(thesis, dict) and "supervisors" in thesis:
            self.left["thesis"] = {k: v for k, v in thesis.items() if k != "supervisors"}
            self.left.setdefault("thesis_supervisors", thesis["supervisors"])
        others = list(found)
        first = []
        for path, item in self.objects("thesis_supervisors"):
            item.pop("type", None)
            person = self.person(path, item, contributor=False)
            person.role = "supervisor"
            if person in others:  # already named among the contributors, as answers do
                others.remove(person)
            else:
                first.append(person)
        return first + found

    # -- access and rights

    def access(self) -> Access:
        given = self.field("access_right")
        right = (given or "open").lower()
        conditions = self.html("access_conditions")
        embargo = self.take("embargo_date")
        until = None
        if right == "embargoed":
            until = self.embargo_date(embargo)
        elif embargo is not None and embargo != "":
            self.warn("metadata.embargo_date", f"Ignored: access_right is '{right}', not 'embargoed'.")
        if right not in ("open", "embargoed", "restricted", "closed"):
            self.refuse(
                "metadata.access_right",
                "Unknown access type.",
                f"'{given}' is none of: open, embargoed, restricted, closed.",
                also="_schema",
            )
        return Access(
            files="public" if right == "open" else "restricted",
            embargo_until=until,
            requests=right != "closed",
            conditions=conditions,
        )

    def embargo_date(self, value: Any) -> date | None:
        path = "metadata.embargo_date"
        text = self.text(value, path)
        if text is None:
            self.refuse(
                path, "Unknown access type.", "Embargoed: say until when, as YYYY-MM-DD.", also="_schema"
            )
            return None
        day, time, _ = text.partition("T")
        try:
            if not re.fullmatch(r"\d{4}-\d\d-\d\d", day, re.ASCII):
                raise ValueError
            until = date.fromisoformat(day)
        except ValueError:
            self.refuse(
                path, "Not a valid date.", f"'{text}' is not a day: write YYYY-MM-DD.", also="_schema"
            )
            return None
        if time:
            self.warn(path, f"The time of day was ignored: the embargo ends on {day}.")
        return until

    def rights(self, resource_type: str | None, access: Access | None) -> list[Right]:
        """The licence sent, else the default; `access` None: nothing has been said yet, so no default."""
        value, path = self.take("license"), "metadata.license"
        if isinstance(value, dict) and isinstance(value.get("id"), str):
            value = value["id"]
        if value is not None and not isinstance(value, str):
            message = f"Invalid license value provided (expected string, or object with 'id' key): {value}"
            self.refuse(path, message)
            return []
        if value and value.strip():
            if key := vocabularies.licence_id(value):
                return [Right(id=key)]
            self.refuse(path, f"Invalid license provided: {value}", _licence_hint(value))
            return []
        if access is None or (access.files == "restricted" and access.embargo_until is None):
            return []
        key = DEFAULT_LICENCE_OF_DATA if resource_type == "dataset" else DEFAULT_LICENCE
        self.warn(path, f"No licence was sent: it is {_legacy_licence(key)} unless you choose another.")
        return [Right(id=key)]

    # -- the rest

    def languages(self) -> list[str]:
        code = self.field("language")
        if code is None:
            return []
        if len(code) not in (2, 3):
            self.refuse(
                "metadata.language",
                "Language must be either ISO-639-1 or 639-2 compatible.",
                f"'{code}' does not have two or three letters, as en or eng.",
            )
            return []
        if key := vocabularies.language_id(code):
            return [key]
        self.outside.append(code)
        self.refuse("metadata.language", f"Invalid value {code}.", "It is no language code of ISO 639.")
        return []

    def version(self) -> str | None:
        value = self.take("version")
        if value is not None and not isinstance(value, str):
            self.refuse("metadata.version", "Not a valid string.", f'Send "{value}" in quotes.')
            return None
        return value.strip() or None if value else None

    def dates(self) -> list[Date]:
        found = []
        for path, item in self.objects("dates"):
            self.ignored(item, _DATE_KEYS, path)
            kind = self.text(item.get("type"), f"{path}.type")
            if kind is None and item.get("start", "") in self.untyped:
                said = self.text(item.get("description"), f"{path}.description")
                found.append(Date(date=item.get("start", ""), type="", description=said))
                continue
            if kind is None:
                self.refuse(f"{path}.type", checks.MISSING, some_of(vocabularies.legacy_date_types()))
                continue
            if kind.lower() not in vocabularies.date_types():
                self.not_in(vocabularies.legacy_date_types(), f"{path}.type", kind)
                continue
            bounds = [self.text(item.get(name), f"{path}.{name}") or "" for name in ("start", "end")]
            whole = self.text(item.get("date"), f"{path}.date")  # InvenioRDM's: one date or an interval
            if whole and not any(bounds):
                first, slash, last = whole.partition("/")
                bounds = [first.strip(), last.strip() if slash else first.strip()]
            for name, bound in zip(("start", "end"), bounds, strict=True):
                if "/" in bound:
                    hint = f"'{bound}' is not a date: write YYYY-MM-DD, YYYY-MM or YYYY."
                    self.refuse(f"{path}.{name}", "Invalid date provided.", hint, also="metadata.dates")
            start, end = ("" if bound == ".." else bound for bound in bounds)  # EDTF's word for an open end
            span = start if start == end else f"{start}/{end}"
            description = self.text(item.get("description"), f"{path}.description")
            found.append(Date(date=span, type=kind.lower(), description=description))
        return found

    def locations(self) -> list[Location]:
        found = []
        for path, item in self.objects("locations"):
            self.ignored(item, _LOCATION_KEYS, path)
            location = Location(
                place=self.text(item.get("place"), f"{path}.place"),
                lat=self.degrees(item.get("lat"), f"{path}.lat"),
                lon=self.degrees(item.get("lon"), f"{path}.lon"),
                description=self.text(item.get("description"), f"{path}.description"),
            )
            if location == Location():
                self.warn(path, "Blank: ignored.")
            else:
                found.append(location)
        return found

    def degrees(self, value: Any, path: str) -> float | None:
        if value is None or value == "":
            return None
        try:
            if isinstance(value, bool):
                raise TypeError
            number = float(value)
            if not math.isfinite(number):
                raise ValueError
        except (TypeError, ValueError):
            self.refuse(path, "Not a valid number.", f"'{value}' is not a number of degrees.")
            return None
        return number

    def related(self, m: Metadata) -> None:
        key = "related_identifiers"
        inner = "Each related identifier must be an object"
        for path, item in self.objects(key, "related_identifiers must be a list", inner):
            self.ignored(item, _RELATED_KEYS, path)
            relation = item.get("relation")
            if relation in (None, "") and item.get("identifier", "") in self.unrelated:
                value, scheme = self.identifier(path, item) or ("", None)
                kept = self.related_type(path, item)
                m.related_identifiers.append(
                    Related(identifier=value, scheme=scheme, relation="", resource_type=kept)
                )
                continue
            if not isinstance(relation, str) or not relation.strip():
                message = checks.MISSING if relation in (None, "") else "relation must be a string"
                self.refuse(f"{path}.relation", message, some_of(vocabularies.legacy_relations()), also=f"metadata.{key}")  # fmt: skip
                continue
            if vocabularies.is_alternate(relation):
                self.alternate(m, path, item, tolerant=False)
                continue
            kind = vocabularies.relation_id(relation)
            if kind is None:
                self.not_in(vocabularies.legacy_relations(), f"{path}.relation", relation.strip(), also=f"{path}.relation_type")  # fmt: skip
            named = self.identifier(path, item)
            resource_type = self.related_type(path, item)
            if kind and named:
                m.related_identifiers.append(
                    Related(identifier=named[0], scheme=named[1], relation=kind, resource_type=resource_type)
                )
        for path, item in self.objects("alternate_identifiers"):
            self.ignored(item, _RELATED_KEYS, path)
            self.alternate(m, path, item, tolerant=True)

    def alternate(self, m: Metadata, path: str, item: dict[str, Any], *, tolerant: bool) -> None:
        """An identifier of the deposit itself. `tolerant`: from a record, where any kind may stand without scheme."""
        if tolerant and "scheme" not in item:
            value = self.text(item.get("identifier"), f"{path}.identifier")
            if value and identifiers.detect(value) is None:
                item = {**item, "scheme": "other"}
        named = self.identifier(path, item)
        resource_type = self.related_type(path, item)
        if named:
            m.identifiers.append(
                AlternateIdentifier(identifier=named[0], scheme=named[1], resource_type=resource_type)
            )

    def identifier(self, path: str, item: dict[str, Any]) -> tuple[str, str | None] | None:
        """Identifier and scheme: the one sent if it fits, else the one it looks like."""
        value = self.text(item.get("identifier"), f"{path}.identifier")
        sent = self.text(item.get("scheme"), f"{path}.scheme")
        if (value or "", sent) in self.there:
            return value or "", sent
        if value is None:
            if "identifier" not in item or isinstance(item["identifier"], str):
                self.refuse(f"{path}.identifier", checks.MISSING, also="metadata.related_identifiers.scheme")
            return None
        scheme = sent.lower() if sent else None
        if scheme is None or not identifiers.valid(value, scheme):
            detected = identifiers.detect(value)
            if detected is None:
                self.refuse(
                    f"{path}.identifier",
                    "No valid scheme recognized for identifier.",
                    f"'{value}' is no DOI, URL, ISBN or the like: send a whole one, or its scheme.",
                    also="metadata.related_identifiers.scheme",
                )
                return None
            if sent:
                self.warn(f"{path}.scheme", f"'{value}' is not a valid {sent}: taken as {detected}.")
            scheme = detected
        return identifiers.normalise(value, scheme), scheme

    def related_type(self, path: str, item: dict[str, Any]) -> str | None:
        given = self.text(item.get("resource_type"), f"{path}.resource_type")
        if given is None:
            return None
        if found := vocabularies.resource_type_id(given):
            return found
        self.outside.append(given.lower())
        hint = f"Choose one of: {_UPLOAD_TYPES}; or publication-article and the like; or leave it out."
        self.refuse(f"{path}.resource_type", f"Invalid value {given.lower()}.", hint)
        return None

    def custom(self, m: Metadata) -> str | None:
        """Journal, conference, imprint, thesis, subjects and custom terms into `m.custom`; returns the publisher."""
        publisher = self.field("imprint_publisher")
        for custom_key, record_key, fields in _GROUPS:
            shown = self.left.get(record_key)
            if isinstance(shown, dict):
                del self.left[record_key]
                if record_key == "imprint":
                    publisher = publisher or self.text(
                        shown.pop("publisher", None), "metadata.imprint.publisher"
                    )
                self.ignored(shown, frozenset(inner for _, inner in fields), f"metadata.{record_key}")
            else:
                shown = {}
            for flat, inner in fields:
                text = self.field(flat) or self.text(shown.get(inner), f"metadata.{record_key}.{inner}")
                if text:
                    m.custom.setdefault(custom_key, {})[inner] = text
        if subjects := self.items("subjects"):
            m.custom[SUBJECTS] = subjects
        terms = self.take("custom")
        if terms is None:
            return publisher
        if not isinstance(terms, dict):
            self.refuse(
                "metadata.custom", "Invalid input type.", "Expected an object of terms, each with a list."
            )
            return publisher
        for key, value in terms.items():
            path = f"metadata.custom.{key}"
            if value is None:
                continue  # as everywhere: null is absent
            if key.startswith(_RESERVED):
                self.warn(path, "Not a custom term: ignored. It has fields of its own.")
                continue
            if key.partition(":")[0] not in _CUSTOM_PREFIXES:
                self.warn(path, "Kept, but of no known vocabulary.")
            elif not isinstance(value, list):
                self.warn(path, "Kept, but a term should have a list of values.")
            m.custom[key] = value
        return publisher

    def communities(self) -> list[str]:
        message = "Communities must be an array of objects with an 'identifier' key."
        found = []
        for item in self.items("communities", message, also="communities"):
            slug = (item.get("identifier") or item.get("id")) if isinstance(item, dict) else None
            if not isinstance(slug, str) or not slug.strip():
                self.refuse("metadata.communities", message, also="communities")
                break
            found.append(slug.strip())
        return found


_CREATOR_KEYS = frozenset({"name", "affiliation", *_PERSON_SCHEMES})
_CONTRIBUTOR_KEYS = _CREATOR_KEYS | {"type"}
_DATE_KEYS = frozenset({"start", "end", "type", "description", "date"})
_LOCATION_KEYS = frozenset({"place", "lat", "lon", "description"})
_RELATED_KEYS = frozenset({"identifier", "relation", "scheme", "resource_type"})


def _licence_hint(given: str) -> str:
    """The id that a title or a misspelling may mean."""
    slug = re.sub(r"\W*\b(the|licen[cs]e|version)\b\W*", " ", given.lower()).strip()
    slug = re.sub(r"[\s_]+", "-", slug)
    ids = [key for key, licence in vocabularies.licences().items() if licence.spdx]
    if (
        close := [vocabularies.licence_id(slug)]
        if vocabularies.licence_id(slug)
        else get_close_matches(slug, ids, n=1)
    ):
        return f"Did you mean '{close[0]}'?"
    return "Use an SPDX id, such as CC-BY-4.0 or MIT."


def _legacy_licence(key: str) -> str:
    return vocabularies.legacy_licences().get(key, key)


# -- writing: these run for every answer, so they are plain and check nothing


def dump_deposition(
    data: RecordData, *, today: date, doi: str | None, prereserve: tuple[str, int], published: bool = False
) -> dict[str, Any]:
    """The `metadata` of a deposition, in Zenodo's order of keys.

    `doi` is the one it has (None: show the one asked for, if any); `prereserve` the DOI it would get here and
    its number. A `published` record whose embargo is over is open; a draft shows the embargo as it was typed.
    """
    m = data.metadata
    out = _head(data, today, doi, lapsed=published)
    if m.identifiers:
        related: list[dict[str, Any]] = out.setdefault("related_identifiers", [])
        for alternate in m.identifiers:
            item = {"identifier": alternate.identifier, "relation": vocabularies.ALTERNATE}
            if alternate.resource_type:
                item["resource_type"] = alternate.resource_type
            if alternate.scheme:
                item["scheme"] = alternate.scheme
            related.append(item)
    _middle(m, out)
    if m.funding:
        out["grants"] = [grants.dump(f) for f in m.funding]
    if m.rights and (key := m.rights[0].id):
        out["license"] = _legacy_licence(key)
    custom = m.custom
    if custom:
        _flat(custom.get(JOURNAL), _JOURNAL_FIELDS, out)
        _flat(custom.get(MEETING), _MEETING_FIELDS, out)
    if m.publisher:
        out["imprint_publisher"] = m.publisher
    if custom:
        if imprint := custom.get(IMPRINT):
            _flat(imprint, _IMPRINT_FIELDS, out)
            _flat(imprint, _PART_OF_FIELDS, out)
        _flat(custom.get(THESIS), _THESIS_FIELDS, out)
    if data.communities:
        out["communities"] = [{"identifier": slug} for slug in data.communities]
    _tail(m, out)
    if m.resource_type:
        kind, _, sub = m.resource_type.partition("-")
        out["upload_type"] = kind
        if sub:
            out[f"{kind}_type"] = sub
    out["prereserve_doi"] = {"doi": prereserve[0], "recid": prereserve[1]}
    return out


def dump_record(
    data: RecordData,
    *,
    today: date,
    doi: str | None,
    relations: dict[str, Any],
    site: str = "",
    published: bool = True,
) -> dict[str, Any]:
    """The `metadata` of a record, in the order of keys of api-legacy.md 8.2 (golden/live/legacy 178).

    `relations` is shown as it is. Beyond Zenodo's answer: `part_of`, `imprint.publisher` (unless it is `site`),
    the scheme and type of alternate identifiers, `access_conditions`.
    """
    m = data.metadata
    out = _head(data, today, doi, lapsed=published)
    _middle(m, out)
    if m.resource_type and (kind := vocabularies.resource_types().get(m.resource_type)):
        shown = {"title": kind.title, "type": kind.type}
        if kind.subtype:
            shown["subtype"] = kind.subtype
        out["resource_type"] = shown
    custom = m.custom
    if custom:
        _nested(custom.get(JOURNAL), _JOURNAL_FIELDS, "journal", out)
        _nested(custom.get(MEETING), _MEETING_FIELDS, "meeting", out)
    imprint = custom.get(IMPRINT)
    if imprint:
        _nested(imprint, _IMPRINT_FIELDS, "imprint", out)
    if m.publisher and m.publisher != site:
        out.setdefault("imprint", {})["publisher"] = m.publisher
    if custom:
        _nested(imprint, _PART_OF_FIELDS, "part_of", out)
        _nested(custom.get(THESIS), _THESIS_FIELDS, "thesis", out)
    if m.identifiers:
        out["alternate_identifiers"] = [i.model_dump(exclude_none=True) for i in m.identifiers]
    if m.rights and (key := m.rights[0].id):
        out["license"] = {"id": _legacy_licence(key)}
    if m.funding:
        out["grants"] = [grants.dump_long(f) for f in m.funding]
    if data.communities:
        out["communities"] = [{"id": slug} for slug in data.communities]
    out["relations"] = relations
    _tail(m, out)
    return out


def _head(data: RecordData, today: date, doi: str | None, *, lapsed: bool) -> dict[str, Any]:
    """Title to related identifiers. `lapsed`: an embargo that is over shows as open."""
    m = data.metadata
    out: dict[str, Any] = {}
    if m.title:
        out["title"] = m.title
    if doi := doi or data.doi:
        out["doi"] = doi
    if m.publication_date:
        out["publication_date"] = m.publication_date
    if m.description:
        out["description"] = m.description
    access = data.access
    if access.embargo_until is not None and (not lapsed or today < access.embargo_until):
        out["access_right"] = "embargoed"
        out["embargo_date"] = access.embargo_until.isoformat()
    elif access.files_public(today):
        out["access_right"] = "open"
    else:
        out["access_right"] = "restricted" if access.requests else "closed"
    if access.conditions:
        out["access_conditions"] = access.conditions
    if m.creators:
        out["creators"] = [_person(p) for p in m.creators]
    if m.contributors:
        types = vocabularies.legacy_roles()
        out["contributors"] = [_person(p, types) for p in m.contributors]
    if m.subjects and (keywords := [s.subject for s in m.subjects if s.id is None]):
        out["keywords"] = keywords
    if m.custom and (subjects := m.custom.get(SUBJECTS)):
        out["subjects"] = subjects
    if m.related_identifiers:
        spelling = vocabularies.legacy_relations()
        related = []
        for r in m.related_identifiers:
            item = {"identifier": r.identifier, "relation": spelling.get(r.relation, r.relation)}
            if r.resource_type:
                item["resource_type"] = r.resource_type
            if r.scheme:
                item["scheme"] = r.scheme
            related.append(item)
        out["related_identifiers"] = related
    return out


def _middle(m: Metadata, out: dict[str, Any]) -> None:
    """Locations to custom terms."""
    if m.locations:
        out["locations"] = [_location(place) for place in m.locations]
    if m.dates:
        out["dates"] = [_date(d) for d in m.dates]
    if m.version:
        out["version"] = m.version
    if m.references:
        out["references"] = [r.reference for r in m.references]
    if m.languages:
        out["language"] = m.languages[0]
    if m.custom and (terms := {k: v for k, v in m.custom.items() if not k.startswith(_RESERVED)}):
        out["custom"] = terms


def _tail(m: Metadata, out: dict[str, Any]) -> None:
    """Notes and method."""
    for text in m.additional_descriptions:
        if text.type == "notes":
            out.setdefault("notes", text.description)
        elif text.type == "methods":
            out.setdefault("method", text.description)


def _person(p: Person, types: Mapping[str, str] | None = None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if p.name:
        out["name"] = p.name
    out["affiliation"] = p.affiliations[0].name if p.affiliations else None
    for i in p.identifiers:
        if i.scheme in _PERSON_SCHEMES:
            out.setdefault(i.scheme, i.identifier)
    if types and p.role:
        out["type"] = types.get(p.role, p.role)
    return out


def _location(place: Location) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if place.place:
        out["place"] = place.place
    if place.description:
        out["description"] = place.description
    if place.lon is not None:
        out["lon"] = place.lon
    if place.lat is not None:
        out["lat"] = place.lat
    return out


def _date(d: Date) -> dict[str, Any]:
    out: dict[str, Any] = {"type": vocabularies.legacy_date_types().get(d.type, d.type)}
    if d.description:
        out["description"] = d.description
    start, slash, end = d.date.partition("/")
    if start and start != "..":
        out["start"] = start
    if not slash:
        end = start
    if end and end != "..":
        out["end"] = end
    return out


def _flat(group: Any, fields: _Fields, out: dict[str, Any]) -> None:
    if group:
        for flat, inner in fields:
            if value := group.get(inner):
                out[flat] = value


def _nested(group: Any, fields: _Fields, key: str, out: dict[str, Any]) -> None:
    if group and (shown := {inner: value for _, inner in fields if (value := group.get(inner))}):
        out[key] = shown


# -- what only the records API can say


def keep(before: RecordData, after: RecordData, said: object) -> RecordData:
    """`after`, with what `before` says that a deposition's JSON has no place for: a PUT replaces only what it can say.

    `said` is the `metadata` that `after` was loaded from: what was not sent at all must not replace a licence
    of one's own words or open a restricted record. Kept are: additional titles, copyright, sizes, formats, languages and
    licences after the first, subjects with ids, roles of creators, kinds of names, affiliations after the first and their
    ids, identifiers of other schemes, descriptions of other types, what else is known of awards, places and references,
    a record's own restriction, the reason of an embargo, and that there are no files or which is shown first. A person, grant,
    place or reference is the same one where the deposition shows it the same, else by name, grant id or text.
    """
    kept = after.model_copy(deep=True)
    sent = said if isinstance(said, Mapping) else {}
    old, new = before.metadata, kept.metadata
    kept.metadata_only, kept.default_preview = before.metadata_only, before.default_preview
    _keep_access(before.access, kept, sent)
    new.additional_titles, new.copyright = old.additional_titles, old.copyright
    new.sizes, new.formats = old.sizes, old.formats
    if new.languages == old.languages[:1]:
        new.languages = old.languages
    else:
        new.languages += [code for code in old.languages[1:] if code not in new.languages]
    # No default takes the place of what the records API left out: only deposits begun here have them.
    begun = old != Metadata()
    if begun and not old.publisher and not sent.get("imprint_publisher") and not sent.get("imprint"):
        new.publisher = None
    unnamed = old.rights[0].id is None if old.rights else begun and before.access.files == "public"
    if (unnamed and not sent.get("license")) or (old.rights and new.rights == old.rights[:1]):
        new.rights = old.rights
    else:
        new.rights += [right for right in old.rights[1:] if right not in new.rights]
    if [s for s in old.subjects if s.id is None] == new.subjects:
        new.subjects = old.subjects
    else:
        new.subjects += [s for s in old.subjects if s.id is not None]
    new.creators = _keep_people(old.creators, new.creators)
    new.contributors = _keep_people(old.contributors, new.contributors)
    _keep_descriptions(old, new)
    new.funding = _keep_funding(old.funding, new.funding)
    new.locations = _keep_locations(old.locations, new.locations)
    references = {r.reference: r for r in reversed(old.references)}
    new.references = [references.get(r.reference, r) for r in new.references]
    for key, _, _ in _GROUPS:
        shown = {inner for other, _, fields in _GROUPS if other == key for _, inner in fields}
        group = old.custom.get(key)
        if isinstance(group, dict) and (hidden := {k: v for k, v in group.items() if k not in shown}):
            new.custom[key] = {**new.custom.get(key, {}), **hidden}
    for key, value in old.custom.items():
        if key.startswith(_RESERVED) and key != SUBJECTS and key not in _SHOWN_GROUPS:
            new.custom.setdefault(key, value)
    return kept


_SHOWN_GROUPS = frozenset(key for key, _, _ in _GROUPS)


def _keep_access(before: Access, kept: RecordData, sent: Mapping[Any, Any]) -> None:
    right = sent.get("access_right")
    if before.record == "restricted" and not right:
        kept.access = before.model_copy()
    elif before.record == "restricted" and right != "open":
        kept.access.record = "restricted"
    if kept.access.embargo_until is not None and kept.access.embargo_until == before.embargo_until:
        kept.access.embargo_reason = before.embargo_reason


def _keep_people(old: list[Person], new: list[Person]) -> list[Person]:
    types = vocabularies.legacy_roles()
    left = list(old)
    found: list[Person | None] = [None] * len(new)
    # Who is shown the same is the same; only then may names decide, so that nobody takes another's place.
    for same in (
        lambda a, b: _person(a, types) == _person(b, types),
        lambda a, b: bool(a.name) and a.name == b.name,
        lambda a, b: any(i in b.identifiers for i in a.identifiers),
    ):
        for n, person in enumerate(new):
            if found[n] is None and (match := next((p for p in left if same(p, person)), None)):
                left.remove(match)
                found[n] = match
    return [_keep_person(b, a) if b is not None else a for a, b in zip(new, found, strict=True)]


def _keep_person(old: Person, new: Person) -> Person:
    kept = new.model_copy(deep=True)
    if old.name == new.name:
        kept.type, kept.family_name, kept.given_name = old.type, old.family_name, old.given_name
    kept.role = new.role or old.role
    first = old.affiliations[0] if old.affiliations else None
    if first and new.affiliations and new.affiliations[0].name == first.name:
        kept.affiliations = [first]
    elif first and not first.name and not new.affiliations:
        kept.affiliations = [first]  # an id alone is not shown
    kept.affiliations += [a for a in old.affiliations[1:] if a not in kept.affiliations]
    shown: set[str | None] = set()
    for i in old.identifiers:
        if i.scheme not in _PERSON_SCHEMES or i.scheme in shown:
            kept.identifiers.append(i)
        shown.add(i.scheme)
    if sorted(map(repr, kept.identifiers)) == sorted(map(repr, old.identifiers)):
        kept.identifiers = old.identifiers  # in the order they were given
    return kept


def _keep_descriptions(old: Metadata, new: Metadata) -> None:
    shown: dict[str, TypedText] = {}
    kept: list[TypedText] = []
    for text in old.additional_descriptions:
        if text.type in ("notes", "methods") and text.type not in shown:
            shown[text.type] = text
            # The one that is shown, as it is said now.
            kept += [t for t in new.additional_descriptions if t.type == text.type]
        else:
            kept.append(text)
    kept += [t for t in new.additional_descriptions if t.type not in shown]
    same = {(t.type, t.description): t for t in shown.values()}
    new.additional_descriptions = [same.get((t.type, t.description), t) for t in kept]


def _keep_funding(old: list[Funding], new: list[Funding]) -> list[Funding]:
    kept, left = [], list(old)
    for funding in new:
        shown, key = grants.dump(funding), grants.grant_id(funding)
        match = next((f for f in left if grants.dump(f) == shown), None)
        if match is not None:
            kept.append(match)
        elif key and (match := next((f for f in left if grants.grant_id(f) == key), None)):
            more = funding.model_copy(deep=True)
            if more.award and match.award:
                more.award.id, more.award.identifiers = match.award.id, match.award.identifiers
                if more.award.title == match.award.title:
                    more.award.lang = match.award.lang
            kept.append(more)
        else:
            kept.append(funding)
        if match is not None:
            left.remove(match)
    return kept + [f for f in left if not grants.dump(f)]


def _keep_locations(old: list[Location], new: list[Location]) -> list[Location]:
    kept, left = [], list(old)
    for place in new:
        match = next((p for p in left if _location(p) == _location(place)), None)
        if match is not None:
            left.remove(match)
        kept.append(match or place)
    return kept + [p for p in left if not _location(p)]


# -- versions


def new_version(data: RecordData, *, today: date) -> RecordData:
    """The description a new version's draft begins with: dated today, without version and DOI (quirks.md 5).

    An embargo that is over does not come along.
    """
    fresh = data.model_copy(deep=True)
    fresh.doi = None
    fresh.metadata.version = None
    fresh.metadata.publication_date = today.isoformat()
    if fresh.access.embargo_until is not None and fresh.access.embargo_until <= today:
        fresh.access.embargo_until = None
        fresh.access.embargo_reason = None
        fresh.access.record = fresh.access.files = "public"
    return fresh
