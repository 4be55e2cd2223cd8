"""What is said about a deposit: one definition a field, which all doors convert from and to.

Draft and record hold one `RecordData` each. Drafts may be incomplete or wrong (nothing typed is
lost): `checks` says what keeps one from being published. Names follow InvenioRDM's metadata
(api-rdm.md) where DataCite 4 has no shorter one; ids of vocabularies are InvenioRDM's.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Identifier(Part):
    """An identifier with its scheme in lower case (`doi`, `orcid`, `url`, …), normalised without prefix."""

    identifier: str
    scheme: str | None = None


class Affiliation(Part):
    name: str
    id: str | None = None  # ROR id without prefix


class Person(Part):
    """A creator or contributor: a person, or an organisation. `name` is what was sent ("Family, Given")."""

    name: str = ""
    type: Literal["personal", "organizational"] = "personal"
    family_name: str | None = None
    given_name: str | None = None
    identifiers: list[Identifier] = Field(default_factory=list)  # orcid, gnd, isni, ror
    affiliations: list[Affiliation] = Field(default_factory=list)
    role: str | None = None  # contributor role id in lower case: datacollector, supervisor, …

    def identifier(self, scheme: str) -> str | None:
        return next((i.identifier for i in self.identifiers if i.scheme == scheme), None)


class Title(Part):
    title: str
    type: str | None = None
    lang: str | None = None


class TypedText(Part):
    """An additional description: `type` is notes, methods, abstract, … (empty: not said yet) and `description` cleaned HTML."""

    description: str
    type: str
    lang: str | None = None


class Right(Part):
    """A licence: `id` in the licence vocabulary (InvenioRDM's id, lower case), or a title of its own."""

    id: str | None = None
    title: str | None = None
    description: str | None = None
    link: str | None = None
    lang: str | None = None  # of title and description, where it is not English


class Subject(Part):
    """A keyword (`subject` alone) or a term of a subject vocabulary (`id`, `scheme`)."""

    subject: str
    id: str | None = None
    scheme: str | None = None


class Date(Part):
    """`date` is EDTF level 0: `2024-01-01`, `2024-01`, `2024`, `start/end`, `start/`, `/end`; type id in lower case, empty where
    a draft does not say it yet."""

    date: str
    type: str
    description: str | None = None


class Related(Part):
    """A related work; `relation` in the vocabulary's lower case (`issupplementto`), empty where a draft does not say it yet."""

    identifier: str
    scheme: str | None = None
    relation: str
    resource_type: str | None = None


class AlternateIdentifier(Identifier):
    resource_type: str | None = None


class Reference(Part):
    reference: str
    identifier: str | None = None
    scheme: str | None = None


class Funder(Part):
    id: str | None = None  # ROR id without prefix
    name: str | None = None
    doi: str | None = None  # Crossref Funder id, 10.13039/…
    acronym: str | None = None
    country: str | None = None


class Award(Part):
    number: str | None = None
    title: str | None = None
    acronym: str | None = None
    program: str | None = None
    url: str | None = None
    doi: str | None = None
    id: str | None = None  # in the vocabulary of awards, where the client named it so
    identifiers: list[Identifier] = Field(default_factory=list)  # beyond url and doi
    lang: str | None = None  # of title, where it is not English


class Funding(Part):
    """Who paid. `raw` keeps a grant that no vocabulary knows as it was given."""

    funder: Funder = Field(default_factory=Funder)
    award: Award | None = None
    raw: dict[str, Any] | None = None


class Location(Part):
    """A place, WGS 84 degrees."""

    place: str | None = None
    lat: float | None = None
    lon: float | None = None
    description: str | None = None
    geometry: dict[str, Any] | None = None  # GeoJSON (RFC 7946), where it is more than one point
    identifiers: list[Identifier] = Field(default_factory=list)  # wikidata, geonames


class Metadata(Part):
    """The description of one version."""

    resource_type: str | None = None  # dataset, publication-article, …
    title: str = ""
    additional_titles: list[Title] = Field(default_factory=list)
    creators: list[Person] = Field(default_factory=list)
    contributors: list[Person] = Field(default_factory=list)
    publisher: str | None = None
    publication_date: str | None = None
    description: str | None = None  # cleaned HTML
    additional_descriptions: list[TypedText] = Field(default_factory=list)
    rights: list[Right] = Field(default_factory=list)
    copyright: str | None = None  # cleaned HTML
    sizes: list[str] = Field(default_factory=list)
    formats: list[str] = Field(default_factory=list)
    languages: list[str] = Field(default_factory=list)  # ISO 639-3
    subjects: list[Subject] = Field(default_factory=list)
    dates: list[Date] = Field(default_factory=list)
    version: str | None = None
    identifiers: list[AlternateIdentifier] = Field(default_factory=list)
    related_identifiers: list[Related] = Field(default_factory=list)
    references: list[Reference] = Field(default_factory=list)
    funding: list[Funding] = Field(default_factory=list)
    locations: list[Location] = Field(default_factory=list)
    # journal:journal, meeting:meeting, imprint:imprint, thesis:thesis, legacy:subjects, dwc:… (api-legacy.md 4.5)
    custom: dict[str, Any] = Field(default_factory=dict)

    def keywords(self) -> list[str]:
        return [s.subject for s in self.subjects if s.id is None]


AccessStatus = Literal["open", "embargoed", "restricted", "metadata-only"]


class Access(Part):
    """Who may see what. Whether an embargo still holds is computed from today's UTC date, never stored."""

    record: Literal["public", "restricted"] = "public"
    files: Literal["public", "restricted"] = "public"
    embargo_until: date | None = None  # files (or record) are restricted before this day
    embargo_reason: str | None = None
    requests: bool = True  # False is the legacy `closed`: restricted, and nobody may ask
    conditions: str | None = None  # cleaned HTML

    def embargoed(self, today: date) -> bool:
        return self.embargo_until is not None and today < self.embargo_until

    def record_public(self, today: date) -> bool:
        """True when anybody may see the record today: an embargo that is over opens it with its files."""
        return self.record == "public" or (self.embargo_until is not None and today >= self.embargo_until)

    def files_public(self, today: date) -> bool:
        """True when anybody may read the files today (api-legacy.md 4.1; design 5b)."""
        if self.embargo_until is not None:
            return today >= self.embargo_until
        return self.record == "public" and self.files == "public"

    def status(self, today: date, has_files: bool = True) -> AccessStatus:
        if self.embargoed(today):
            return "embargoed"
        if not self.files_public(today):
            return "restricted"
        return "open" if has_files else "metadata-only"


class RecordData(Part):
    """All that a depositor says, and that one PUT replaces: description, access, DOI wish, communities."""

    metadata: Metadata = Field(default_factory=Metadata)
    access: Access = Field(default_factory=Access)
    doi: str | None = None  # as asked for; None: the one under our own prefix
    communities: list[str] = Field(default_factory=list)  # slugs as given
    metadata_only: bool = False  # no files, and none to come (InvenioRDM: files.enabled false)
    default_preview: str | None = None  # key of the file that the page shows first

    def plain_title(self) -> str:
        """The title for a column: PostgreSQL's text can't hold the character NUL, JSON can."""
        return self.metadata.title.replace("\0", "")

    def to_json(self) -> str:
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def from_json(cls, text: str) -> RecordData:
        return cls.model_validate_json(text)
