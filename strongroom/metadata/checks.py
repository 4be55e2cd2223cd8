"""What keeps a description from being published: all of it at once, each with its place and what to do.

A draft may be incomplete and may hold wrong values, as typed; `wrong_values` names those (doors send them back
as warnings when a draft is saved), `for_publication` adds what is missing. Fields are Zenodo's, with
InvenioRDM's name for the same place in `also`; the first message of a finding is Zenodo's where it has one
(api-legacy.md section 4, golden/live/legacy 113 to 124).

Not required, as on Zenodo: description, licence, access conditions. Rules about files and about DOIs under our
own prefix are no matter of the description: `records.publish` has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from strongroom.errors import Finding
from strongroom.metadata import identifiers
from strongroom.metadata.model import Access, Date, Identifier, Location, Person, RecordData, Related

TITLE_MIN = 3
VERSION_MAX = 191
MISSING = "Missing data for required field."

_DAY = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")


def for_publication(data: RecordData, *, today: date, published: RecordData | None = None) -> list[Finding]:
    """Everything that must be filled in or put right before `data` can be published; empty if nothing.

    `published` is what the record says now, when this is an edit of one: an embargo that has run out since
    then is no mistake of this edit.
    """
    return [*_missing(data), *wrong_values(data, today=today, published=published)]


def _missing(data: RecordData) -> Iterator[Finding]:
    m = data.metadata
    if not m.resource_type:
        yield Finding.of(
            "metadata.upload_type",
            MISSING,
            "Say what this is: dataset, software, publication, image, …",
            also="metadata.resource_type",
        )
    if not m.creators:
        yield Finding.of("metadata.creators", MISSING, "Name at least one creator.")
    if not m.title:
        yield Finding.of("metadata.title", MISSING, "Give the deposit a title.")
    if not m.publication_date:
        yield Finding.of("metadata.publication_date", MISSING, "Give a date as YYYY-MM-DD.")
    for kind, people in (("creators", m.creators), ("contributors", m.contributors)):
        for i, person in enumerate(people):
            if not person.name:
                yield Finding.of(
                    f"metadata.{kind}.{i}.name",
                    MISSING,
                    "Give the name as 'Family name, Given names', or the organisation's.",
                    also=f"metadata.{kind}.{i}.person_or_org.family_name",
                )
    # What a draft of the records API may lack; the deposit API takes nothing without.
    for i, title in enumerate(m.additional_titles):
        if not title.type:
            yield Finding.of(f"metadata.additional_titles.{i}.type", MISSING)
        if not title.title:
            yield Finding.of(f"metadata.additional_titles.{i}.title", MISSING)
    for i, text in enumerate(m.additional_descriptions):
        if not text.type:
            yield Finding.of(f"metadata.additional_descriptions.{i}.type", MISSING)
        if not text.description:
            yield Finding.of(f"metadata.additional_descriptions.{i}.description", MISSING)
    for i, item in enumerate(m.dates):
        if not item.type:
            yield Finding.of(f"metadata.dates.{i}.type", MISSING)
    for i, related in enumerate(m.related_identifiers):
        place = f"metadata.related_identifiers.{i}"
        if not related.relation:
            yield Finding.of(f"{place}.relation", MISSING, also=f"{place}.relation_type")
        if not related.identifier:
            yield Finding.of(f"{place}.identifier", MISSING)
    for i, alternate in enumerate(m.identifiers):
        if not alternate.identifier:
            yield Finding.of(f"metadata.identifiers.{i}.identifier", MISSING)
    for i, reference in enumerate(m.references):
        if not reference.reference:
            yield Finding.of(f"metadata.references.{i}.reference", MISSING)
    for i, person in enumerate(m.contributors):
        if not person.role:
            yield Finding.of(
                f"metadata.contributors.{i}.type",
                MISSING,
                "Say what this contributor did: DataCollector, Editor, ProjectMember, …, or Other.",
                also=f"metadata.contributors.{i}.role",
            )


def wrong_values(data: RecordData, *, today: date, published: RecordData | None = None) -> list[Finding]:
    """What is filled in, but wrong: form of dates and identifiers, check digits, ranges, lengths."""
    m = data.metadata
    found: list[Finding] = []
    if m.title and len(m.title) < TITLE_MIN:
        found.append(
            Finding.of("metadata.title", f"Shorter than minimum length {TITLE_MIN}.", "Give a longer title.")
        )
    if m.publication_date and (problem := _publication_date_problem(m.publication_date)):
        found.append(Finding.of("metadata.publication_date", problem))
    for i, title in enumerate(m.additional_titles):
        if title.title and len(title.title) < TITLE_MIN:
            place = f"metadata.additional_titles.{i}.title"
            found.append(Finding.of(place, f"Shorter than minimum length {TITLE_MIN}."))
    for i, person in enumerate(m.creators):
        found += _person(f"metadata.creators.{i}", person)
    for i, person in enumerate(m.contributors):
        found += _person(f"metadata.contributors.{i}", person)
    for i, item in enumerate(m.dates):
        found += _date(i, item)
    for i, location in enumerate(m.locations):
        found += _location(i, location)
    for i, related in enumerate(m.related_identifiers):
        found += _identifier(f"metadata.related_identifiers.{i}", related)
    for i, alternate in enumerate(m.identifiers):
        found += _identifier(f"metadata.identifiers.{i}", alternate)
    for i, right in enumerate(m.rights):
        if right.id is None and not right.title:
            found.append(
                Finding.of(f"metadata.rights.{i}.title", "Name the licence by its id, or give a title.")
            )
        if right.link and identifiers.url(right.link, "url") is None:
            found.append(Finding.of(f"metadata.rights.{i}.link", "Not a valid URL."))
    if m.version and len(m.version) > VERSION_MAX:
        found.append(
            Finding.of(
                "metadata.version",
                f"Longer than maximum length {VERSION_MAX}.",
                f"It has {len(m.version)} characters: shorten it.",
            )
        )
    if data.doi and not identifiers.valid(data.doi, "doi"):
        found.append(
            Finding.of(
                "metadata.doi",
                "Invalid DOI",
                f"'{data.doi}' is not a DOI, which looks like 10.1234/abc. Leave it out to get one from here.",
                also="pids.doi",
            )
        )
    found += _custom(data)
    found += _embargo(data.access, today, published.access if published else None)
    return found


def _identifier(path: str, work: Identifier | Related) -> Iterator[Finding]:
    if not work.identifier:
        return
    if not work.scheme:
        yield Finding.of(
            f"{path}.scheme",
            "No valid scheme recognized for identifier.",
            f"'{work.identifier}' is no DOI, URL, ISBN or the like: send a whole one, or its scheme.",
        )
    elif not identifiers.valid(work.identifier, work.scheme):
        yield Finding.of(f"{path}.identifier", f"Invalid {work.scheme.upper()} identifier.")


def _person(path: str, person: Person) -> Iterator[Finding]:
    schemes: set[str | None] = set()
    for i, identifier in enumerate(person.identifiers):
        scheme, value = identifier.scheme, identifier.identifier
        place = f"{path}.person_or_org.identifiers.{i}"
        if scheme is None:
            yield Finding.of(f"{place}.scheme", "No valid scheme recognized for identifier.")
        elif scheme in schemes:
            yield Finding.of(
                place, f"Only one identifier of each scheme is allowed: {scheme} is there already."
            )
        schemes.add(scheme)
        if scheme == "orcid":
            problem = identifiers.orcid_problem(value)
        elif scheme and not identifiers.valid(value, scheme):
            problem = f"'{value}' is not a {scheme.upper()} identifier: correct it or leave it out."
        else:
            problem = None
        if problem and scheme:
            yield Finding.of(
                f"{path}.{scheme}",
                f"Invalid {scheme.upper()} identifier.",
                problem,
                also=f"{path}.person_or_org.identifiers.{i}.identifier",
            )


def _date(i: int, item: Date) -> Iterator[Finding]:
    start, slash, end = item.date.partition("/")
    bounds = {"start": start, "end": end} if slash else {"start": start}
    also = f"metadata.dates.{i}.date"
    wrong = False
    for name, value in bounds.items():
        if value not in ("", "..") and (problem := date_problem(value)):
            wrong = True
            yield Finding.of(f"metadata.dates.{i}.{name}", "Invalid date provided.", problem, also=also)
    if wrong:
        return
    first, last = _first(start), _last(end if slash else start)
    if first is None and last is None:
        yield Finding.of(
            f"metadata.dates.{i}",
            "Invalid date provided.",
            "Give start, end or both (the same day twice for a single day), or remove the item.",
            also=also,
        )
    elif first and last and first > last:
        yield Finding.of(
            f"metadata.dates.{i}.end",
            "Invalid date provided.",
            f"The end ({end}) lies before the start ({start}).",
            also=also,
        )


def _location(i: int, location: Location) -> Iterator[Finding]:
    path = f"metadata.locations.{i}"
    also = f"metadata.locations.features.{i}.geometry"
    for name, value, limit in (("lat", location.lat, 90), ("lon", location.lon, 180)):
        if value is not None and not -limit <= value <= limit:
            yield Finding.of(
                f"{path}.{name}", f"Must be between -{limit} and {limit} degrees, not {value}.", also=also
            )
    if (location.lat is None) != (location.lon is None):
        absent = "lat" if location.lat is None else "lon"
        yield Finding.of(f"{path}.{absent}", MISSING, "Give both lat and lon, or none.", also=also)
    # A form or an identifier is enough in InvenioRDM (api-rdm.md section 8).
    otherwise = location.geometry or location.identifiers
    if not location.place and location.lat is None and location.lon is None and not otherwise:
        yield Finding.of(
            f"{path}.place", MISSING, "Name the place, or give lat and lon.", also=f"{also[:-9]}.place"
        )


def _custom(data: RecordData) -> Iterator[Finding]:
    custom = data.metadata.custom
    imprint, meeting = custom.get("imprint:imprint"), custom.get("meeting:meeting")
    if (
        isinstance(imprint, dict)
        and (isbn := imprint.get("isbn"))
        and not identifiers.valid(str(isbn), "isbn")
    ):
        yield Finding.of(
            "metadata.imprint_isbn",
            "Not a valid ISBN.",
            f"'{isbn}' does not have 10 or 13 digits of which the last fits the others: correct it or leave it out.",
            also="custom_fields.imprint:imprint.isbn",
        )
    if (
        isinstance(meeting, dict)
        and (link := meeting.get("url"))
        and identifiers.url(str(link), "url") is None
    ):
        yield Finding.of(
            "metadata.conference_url",
            "Not a valid URL.",
            f"'{link}' is not a web address: it starts with https:// or http://.",
            also="custom_fields.meeting:meeting.url",
        )


def _embargo(access: Access, today: date, before: Access | None) -> Iterator[Finding]:
    until = access.embargo_until
    if until is None or until > today or (before is not None and before.embargo_until == until):
        return
    yield Finding.of(
        "metadata.embargo_date",
        "Embargo end date must be set to a future date.",
        f"{until.isoformat()} is over: choose a later day, or set access_right to open.",
        also="access.embargo.until",
    )


# -- dates (EDTF level 0: Library of Congress, Extended Date/Time Format specification)


def date_problem(value: str) -> str | None:
    """What is wrong with one date, which may be a year, a month or a day; None if nothing is."""
    match = _DAY.fullmatch(value)
    if not match or not value.isascii():
        return f"'{value}' is not a date: write YYYY-MM-DD, YYYY-MM or YYYY."
    if _first(value) is None:
        return f"'{value}' is not a day of the calendar."
    return None


def _publication_date_problem(value: str) -> str | None:
    start, slash, end = value.partition("/")
    if problem := date_problem(start) or (date_problem(end) if slash else None):
        return problem
    first, last = _first(start), _last(end)
    if slash and first and last and first > last:
        return f"The end ({end}) lies before the start ({start})."
    return None


def _first(value: str) -> date | None:
    """The first day of a year, month or day; None if it is none."""
    if not (match := _DAY.fullmatch(value)):
        return None
    year, month, day = match.groups()
    try:
        return date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None


def _last(value: str) -> date | None:
    first = _first(value)
    if first is None or len(value) == 10:
        return first
    if len(value) == 4 or first.month == 12:
        return date(first.year, 12, 31)
    return date(first.year, first.month + 1, 1) - timedelta(days=1)
