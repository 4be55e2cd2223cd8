"""What the index knows of a record or draft: plain values, made from its metadata and a few scalars."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from strongroom.metadata.model import Person, RecordData

# A record may have 50,000 files; publishing its next version must not cost more for it.
FILES_INDEXED = 1_000

_TAG = re.compile(r"<[^>]*>")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file: path, bytes, bare hexadecimal digests."""

    key: str
    size: int
    md5: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Agent:
    """A creator or contributor, as far as one can be searched for."""

    name: str
    affiliations: tuple[str, ...] = ()
    orcid: str | None = None
    gnd: str | None = None
    role: str | None = None  # of contributors, lower case: supervisor


@dataclass(frozen=True, slots=True)
class Grant:
    code: str | None = None
    acronym: str | None = None
    program: str | None = None
    title: str | None = None
    funder_name: str | None = None
    funder_doi: str | None = None
    funder_acronym: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A related or alternate identifier; `relation` in lower case, None for alternates."""

    identifier: str
    scheme: str | None = None
    relation: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One record (a published version) or one draft, as it is searched.

    `public` says whether anybody may find it; those in `viewers` (user ids: owners and those it is
    shared with) find it in any case. Times are aware; texts have no markup.
    """

    id: int
    concept_id: int
    created: datetime
    updated: datetime
    is_latest: bool = True
    public: bool = True
    published: bool = True  # of a draft: an edit of something published
    owners: tuple[int, ...] = ()
    viewers: tuple[int, ...] = ()

    title: str = ""
    other_titles: tuple[str, ...] = ()
    description: str = ""
    notes: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    creators: tuple[Agent, ...] = ()
    contributors: tuple[Agent, ...] = ()
    keywords: tuple[str, ...] = ()
    subject_terms: tuple[str, ...] = ()  # of the old `subjects`, which are no keywords
    subject_ids: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    publisher: str | None = None
    resource_type: str | None = None  # dataset, publication-article
    access_status: str = "open"  # open, embargoed, restricted, metadata-only
    access_right: str = "open"  # Zenodo's old word: open, embargoed, restricted, closed
    embargo_until: date | None = None
    publication_date: str | None = None  # EDTF level 0
    version_label: str | None = None
    version_index: int = 1
    languages: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()  # every id that means it, the old one too
    licence_urls: tuple[str, ...] = ()
    doi: str | None = None
    concept_doi: str | None = None
    related: tuple[Link, ...] = ()
    alternates: tuple[Link, ...] = ()
    grants: tuple[Grant, ...] = ()
    communities: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    points: tuple[tuple[float, float], ...] = ()  # (longitude, latitude), WGS 84 degrees
    journal: Mapping[str, str] = field(default_factory=dict)  # title, volume, issue, pages, issn
    meeting: Mapping[str, str] = field(default_factory=dict)  # title, acronym, dates, place, url, session, …
    imprint: Mapping[str, str] = field(default_factory=dict)  # isbn, place; title and pages of the whole
    thesis_university: str | None = None
    custom: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # dwc:family → values
    file_count: int = 0
    total_bytes: int = 0
    files: tuple[FileEntry, ...] = ()  # at most FILES_INDEXED; empty where nobody may list them


def plain_text(markup: str | None) -> str:
    """The words of cleaned HTML."""
    if not markup:
        return ""
    if "<" in markup or "&" in markup:
        markup = html.unescape(_TAG.sub(" ", markup))
    return _BLANKS.sub(" ", markup).strip()


def from_record_data(
    data: RecordData,
    *,
    id: int,
    concept_id: int,
    created: datetime,
    updated: datetime,
    access_status: str,
    is_latest: bool = True,
    public: bool = True,
    published: bool = True,
    owners: Iterable[int] = (),
    viewers: Iterable[int] = (),
    version_index: int = 1,
    doi: str | None = None,
    concept_doi: str | None = None,
    communities: Iterable[str] | None = None,
    licence_aliases: Mapping[str, str] | None = None,
    files: Iterable[FileEntry] = (),
    file_count: int | None = None,
    total_bytes: int | None = None,
) -> Document:
    """The document of one draft or record from what its depositor said and a few scalars.

    `access_status` is today's (`Access.status`). `communities` are the slugs that accepted it; without
    them those the depositor asked for. `licence_aliases` maps licence ids to Zenodo's old ones, so that
    both are found. `viewers` defaults to the owners. Only the first `FILES_INDEXED` files are kept by
    name; give `file_count` and `total_bytes` when `files` is not all of them.
    """
    metadata = data.metadata
    owners = tuple(owners)
    files = tuple(files)
    licences = [right.id for right in metadata.rights if right.id]
    if licence_aliases:
        licences += [licence_aliases[name] for name in licences if name in licence_aliases]
    texts: dict[str, list[str]] = {}
    for extra in metadata.additional_descriptions:
        kind = extra.type if extra.type in ("notes", "methods") else "description"
        texts.setdefault(kind, []).append(plain_text(extra.description))
    return Document(
        id=id,
        concept_id=concept_id,
        created=created,
        updated=updated,
        is_latest=is_latest,
        public=public,
        published=published,
        owners=owners,
        viewers=tuple(viewers) or owners,
        title=metadata.title,
        other_titles=tuple(title.title for title in metadata.additional_titles),
        description=" ".join([plain_text(metadata.description), *texts.get("description", ())]).strip(),
        notes=tuple(texts.get("notes", ())),
        methods=tuple(texts.get("methods", ())),
        creators=tuple(map(_agent, metadata.creators)),
        contributors=tuple(map(_agent, metadata.contributors)),
        keywords=tuple(subject.subject for subject in metadata.subjects),
        subject_terms=tuple(_texts(metadata.custom.get("legacy:subjects"), "term")),
        subject_ids=tuple(subject.id for subject in metadata.subjects if subject.id)
        + tuple(_texts(metadata.custom.get("legacy:subjects"), "identifier")),
        references=tuple(reference.reference for reference in metadata.references),
        publisher=metadata.publisher,
        resource_type=metadata.resource_type,
        access_status=access_status,
        access_right=_access_right(access_status, data.access.requests),
        embargo_until=data.access.embargo_until,
        publication_date=metadata.publication_date,
        version_label=metadata.version,
        version_index=version_index,
        languages=tuple(metadata.languages),
        licences=tuple(licences),
        licence_urls=tuple(right.link for right in metadata.rights if right.link),
        doi=doi,
        concept_doi=concept_doi,
        related=tuple(Link(r.identifier, r.scheme, r.relation) for r in metadata.related_identifiers),
        alternates=tuple(Link(i.identifier, i.scheme) for i in metadata.identifiers),
        grants=tuple(
            Grant(
                code=f.award.number if f.award else None,
                acronym=f.award.acronym if f.award else None,
                program=f.award.program if f.award else None,
                title=f.award.title if f.award else None,
                funder_name=f.funder.name,
                funder_doi=f.funder.doi,
                funder_acronym=f.funder.acronym,
            )
            for f in metadata.funding
        ),
        communities=tuple(data.communities if communities is None else communities),
        places=tuple(place.place for place in metadata.locations if place.place),
        points=tuple((p.lon, p.lat) for p in metadata.locations if p.lon is not None and p.lat is not None),
        journal=_strings(metadata.custom.get("journal:journal")),
        meeting=_strings(metadata.custom.get("meeting:meeting")),
        imprint=_strings(metadata.custom.get("imprint:imprint")),
        thesis_university=_thesis(metadata.custom),
        custom={
            term: tuple(_texts(value))
            for term, value in metadata.custom.items()
            if term.partition(":")[0] not in ("journal", "meeting", "imprint", "thesis", "legacy")
        },
        file_count=len(files) if file_count is None else file_count,
        total_bytes=sum(entry.size for entry in files) if total_bytes is None else total_bytes,
        files=files[:FILES_INDEXED],
    )


def _agent(person: Person) -> Agent:
    return Agent(
        name=person.name or " ".join(filter(None, (person.family_name, person.given_name))),
        affiliations=tuple(a.name for a in person.affiliations),
        orcid=person.identifier("orcid"),
        gnd=person.identifier("gnd"),
        role=person.role,
    )


def _access_right(status: str, requests: bool) -> str:
    if status == "restricted":
        return "restricted" if requests else "closed"
    return "open" if status == "metadata-only" else status


def _thesis(custom: Mapping[str, Any]) -> str | None:
    thesis = custom.get("thesis:thesis")
    value = thesis.get("university") if isinstance(thesis, Mapping) else custom.get("thesis:university")
    return str(value) if value else None


def _strings(value: Any) -> dict[str, str]:
    """The scalar entries of a custom object, as text."""
    if not isinstance(value, Mapping):
        return {}
    return {key: str(item) for key, item in value.items() if isinstance(item, str | int | float)}


def _texts(value: Any, key: str | None = None) -> list[str]:
    """All texts in a custom value of any shape; with `key`, only those under that key."""
    if isinstance(value, Mapping):
        return [text for name, item in value.items() if key in (None, name) for text in _texts(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in _texts(item, key)]
    if key is not None or value is None or isinstance(value, bool):
        return []
    return [str(value)]
