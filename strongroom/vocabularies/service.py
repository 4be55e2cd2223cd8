"""Read, search and suggest terms of any vocabulary; check ids; fill in what depositors left out.

The small vocabularies come from `metadata.vocabularies` (an index in memory, made when first asked), the big ones
from the table and the index of this machine. Both look alike from here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import orjson
from sqlalchemy import func, select

from strongroom.db import AnyRow, Database, Session
from strongroom.errors import Finding, Invalid, Malformed, NotFound
from strongroom.metadata import vocabularies as shipped
from strongroom.metadata.model import (
    Affiliation,
    Award,
    Funder,
    Funding,
    Metadata,
    Person,
    RecordData,
    Subject,
)
from strongroom.search.terms import Term, TermIndex, TermRequest, TermService
from strongroom.vocabularies.models import aliases, loads, terms
from strongroom.vocabularies.statements import Listed

JSON = dict[str, Any]
_Part = TypeVar("_Part", Funder, Award)

# The vocabularies of the table, by InvenioRDM's names for them and for the kind of their ids.
LOADED: Mapping[str, str] = {
    "affiliations": "aff",
    "awards": "awa",
    "funders": "fun",
    "names": "names",
    "subjects": "sub",
}

NO_TERM = "The persistent identifier does not exist."

# What a list without q or suggest is sorted by, and what that is called.
_BROWSED = {
    "awards": "newest",
    "subjects": "subject",
    "names": "name",
    "affiliations": "name",
    "funders": "name",
}
_SORTS = {
    "bestmatch": "bestmatch", "title": "title", "name": "title", "subject": "title", "newest": "newest",
    "oldest": "oldest",
}  # fmt: skip

# The shipped ones are as old as the release that brought them.
SHIPPED_SINCE = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Shown:
    """A term as doors render it; `data` has its id and all the API shows but links and times."""

    kind: str
    data: JSON
    created: datetime
    updated: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list is asked for. Empty `sort`: by relevance with `q` or `suggest`, else as the vocabulary is read."""

    kind: str
    q: str = ""
    suggest: str = ""
    tags: tuple[str, ...] = ()
    facet: tuple[str, ...] = ()
    sort: str = ""
    page: int = 1
    size: int = 25


@dataclass(frozen=True, slots=True)
class Found:
    """A page of terms. `facets` are counts by funder (awards alone); `behind`: newer changes are not in yet."""

    terms: list[Shown]
    total: int
    sort: str
    facets: dict[str, int] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)  # of what the facets count
    behind: bool = False


def counts(session: Session) -> dict[str, int]:
    """How many terms each vocabulary has, by type."""
    query = select(terms.c.kind, func.count()).where(~terms.c.retired).group_by(terms.c.kind)
    found = dict.fromkeys(LOADED, 0) | {kind: int(count) for kind, count in session.execute(query)}
    return found | {kind: len(shipped.entries(kind)) for kind in shipped.TYPES}


def unfinished(session: Session) -> list[tuple[str, str]]:
    """Source and file of the newest load of each source that has not come to its end: it runs, or was killed."""
    newest = select(func.max(loads.c.id)).group_by(loads.c.source)
    query = select(loads.c.source, loads.c.file).where(loads.c.finished.is_(None), loads.c.id.in_(newest))
    return [(row.source, row.file) for row in session.execute(query.order_by(loads.c.source))]


# --- reading


def read(session: Session, kind: str, id: str) -> Shown:
    """One term; retired ones too, since records may name them. Raises NotFound."""
    if kind in shipped.TYPES:
        entry = shipped.entries(kind).get(id)
        if entry is None:
            raise NotFound(NO_TERM)
        return _shipped(kind, entry)
    row = _row(session, kind, id)
    if row is None:
        raise NotFound(NO_TERM)
    return _complete(session, kind, [row])[0]


def _row(session: Session, kind: str, id: str) -> AnyRow | None:
    which: Any = (terms.c.kind == kind) & (terms.c.id == id)
    if kind == "funders" and id.startswith("10."):
        # A DOI leads to the funder's ROR id where it has one.
        named = select(aliases.c.number).where(aliases.c.kind == kind, aliases.c.alias == id.lower())
        which = terms.c.number == named.scalar_subquery()
    return session.execute(select(terms).where(which)).first()


def _shipped(kind: str, entry: shipped.Entry) -> Shown:
    data: JSON = {"id": entry.id, "title": dict(entry.title)}
    if entry.description is not None:
        data["description"] = dict(entry.description)
    if entry.icon is not None:
        data["icon"] = entry.icon
    if entry.tags:
        data["tags"] = list(entry.tags)
    if entry.props is not None:
        data["props"] = dict(entry.props)
    data["type"] = kind
    return Shown(kind, data, SHIPPED_SINCE, SHIPPED_SINCE, 1)


def _complete(session: Session, kind: str, rows: Iterable[AnyRow]) -> list[Shown]:
    """Rows as they are shown: an award says its funder's name, as it is now."""
    found = [Shown(kind, orjson.loads(row.data), row.created, row.updated, row.revision) for row in rows]
    if kind == "awards":
        names = funder_names(session, {shown.data["funder"]["id"] for shown in found})
        for shown in found:
            funder = shown.data["funder"]
            if name := names.get(funder["id"]):
                shown.data["funder"] = {"id": funder["id"], "name": name}
    return found


def funder_names(session: Session, ids: Iterable[str]) -> dict[str, str]:
    """Names of the funders of these ids, of those that are known."""
    return {id: str(funder.get("name", "")) for id, funder in _data(session, "funders", ids).items()}


_DATA = Listed("SELECT id, data FROM vocabulary_terms WHERE kind = ? AND id IN (??)")


def _data(session: Session, kind: str, ids: Iterable[str]) -> dict[str, JSON]:
    wanted = set(ids)
    return {id: orjson.loads(text) for id, text in _DATA.on(session, kind, wanted)} if wanted else {}


# --- searching


def search(db: Database, index: TermService, asked: Asked) -> Found:
    """One page of a vocabulary. Raises Invalid for an unknown sort, Malformed for a page beyond reach."""
    if asked.sort and asked.sort not in _SORTS:
        raise Invalid.at("_schema", f"Invalid sort option '{asked.sort}'.")
    if asked.page < 1 or asked.size < 1 or asked.page * asked.size > 10_000:
        raise Malformed("Invalid querystring parameters.")
    if asked.q.strip() and asked.suggest.strip():
        raise Malformed("The parameters 'q' and 'suggest' can't be used together: send one of them.")
    looked = bool(asked.q.strip() or asked.suggest.strip())
    browsed = _BROWSED.get(asked.kind, "title")
    named = asked.sort or ("bestmatch" if looked else browsed)
    if named == "bestmatch" and not looked:
        named = browsed
    request = TermRequest(
        asked.kind, asked.q, asked.suggest, asked.tags, asked.facet, _SORTS[named], asked.page, asked.size,
        count_facets=asked.kind == "awards",
    )  # fmt: skip
    if asked.kind in shipped.TYPES:
        return _search_shipped(request, named, curated=not looked and not asked.sort)
    if not looked and not asked.tags and not asked.facet and asked.kind != "awards":
        return _browse(db, request, named)
    hits = index.search(request)
    with db.read() as session:
        rows = (
            session.execute(select(terms).where(terms.c.number.in_(hits.numbers))).all()
            if hits.numbers
            else []
        )
        by_number = {row.number: row for row in rows}
        # The index may be older than the table: what was retired since is left out.
        ordered = [by_number[n] for n in hits.numbers if n in by_number and not by_number[n].retired]
        shown = _complete(session, asked.kind, ordered)
        labels = _labels(session, hits.facets)
        return Found(shown, hits.total, named, hits.facets, labels, hits.behind)


def _labels(session: Session, facets: Iterable[str]) -> dict[str, str]:
    """Funders as lists offer them: `European Commission (BE)`."""
    return {
        id: f"{funder['name']} ({funder['country']})" if funder.get("country") else str(funder["name"])
        for id, funder in _data(session, "funders", facets).items()
    }


def _browse(db: Database, request: TermRequest, named: str) -> Found:
    t = terms.c
    there = (t.kind == request.kind, ~t.retired)
    order: Sequence[Any] = (t.sort_name, t.id)
    if request.sort in ("newest", "oldest"):
        order = (t.number.desc() if request.sort == "newest" else t.number,)
    with db.read() as session:
        total = int(session.execute(select(func.count()).select_from(terms).where(*there)).scalar_one())
        query = select(terms).where(*there).order_by(*order)
        rows = session.execute(query.limit(request.size).offset((request.page - 1) * request.size)).all()
        return Found(_complete(session, request.kind, rows), total, named)


_making = threading.Lock()


@cache
def _shipped_index(kind: str) -> tuple[TermIndex, list[shipped.Entry]]:
    entries = list(shipped.entries(kind).values())
    return TermIndex.in_memory(_terms(kind, entries)), entries


_VERSIONED = re.compile(r"(.+?)-(\d+(?:\.\d+)+[a-z]?)(?:-.*)?")
# Ids that SPDX keeps for old texts alone (isDeprecatedLicenseId); so are all `-with-`, which became expressions.
_DEPRECATED = frozenset({"bzip2-1.0.5", "ecos-2.0", "net-snmp", "nunit", "wxwindows"})


def _superseded(licences: Iterable[str]) -> set[str]:
    """Those of these ids of licences that a newer version stands for (`agpl-1.0-only`), and deprecated ones."""
    old: set[str] = set()
    newest: dict[str, tuple[list[int], str]] = {}
    versions: dict[str, tuple[str, tuple[list[int], str]]] = {}
    for id in licences:
        if id in _DEPRECATED or "-with-" in id:
            old.add(id)
        elif found := _VERSIONED.fullmatch(id):
            family, version = found[1], ([int(n) for n in re.findall(r"\d+", found[2])], found[2])
            versions[id] = (family, version)
            newest[family] = max(newest.get(family, version), version)
    return old | {id for id, (family, version) in versions.items() if version != newest[family]}


def _terms(kind: str, entries: Sequence[shipped.Entry]) -> Iterable[Term]:
    superseded = _superseded([entry.id for entry in entries]) if kind == "licenses" else set()
    for number, entry in enumerate(entries):
        main, *others = dict.fromkeys([entry.title.get("en", entry.id), *entry.title.values()])
        ids, weight = [entry.id], 0
        props = entry.props or {}
        if kind == "languages":
            ids += shipped.language_codes(entry.id)
            weight = 2 * bool(props.get("alpha_2")) + ("living" in entry.tags)
        elif kind == "licenses":
            others = list((entry.description or {}).values())
            ids += [legacy] if (legacy := shipped.legacy_licences().get(entry.id)) else []
            weight = 16 * ("recommended" in entry.tags) + 8 * (entry.id not in superseded) + len(entry.tags)
        elif kind == "code:programmingLanguages":
            weight = 2 * (props.get("popular") == "True")
        mains = [main]
        if kind == "licenses" and main.startswith("GNU "):
            mains.append(main.removeprefix("GNU "))  # few type it: "affero" begins the name as well
        keys = [f"id={entry.id}", *(f"tags={tag}" for tag in entry.tags)]
        keys += [f"props.{name}={value}" for name, value in props.items() if value]
        yield Term(number, number, kind, tuple(mains), tuple(others), tuple(ids), tuple(keys), "", weight)


def _search_shipped(request: TermRequest, named: str, curated: bool) -> Found:
    if curated and not request.tags:
        every = list(shipped.entries(request.kind).values())
        start = (request.page - 1) * request.size
        page = [_shipped(request.kind, entry) for entry in every[start : start + request.size]]
        return Found(page, len(every), named)
    with _making:
        index, entries = _shipped_index(request.kind)
    if curated:
        request = replace(request, sort="oldest")  # as they are listed
    hits = index.search(request)
    return Found([_shipped(request.kind, entries[n]) for n in hits.numbers], hits.total, named)


# --- ids

_KNOWN = Listed(
    "SELECT id FROM vocabulary_terms WHERE kind = ? AND id IN (??)"
    " UNION ALL SELECT alias FROM vocabulary_aliases WHERE kind = ? AND alias IN (??)"
    # One row without an id says that there is anything of this kind at all.
    " UNION ALL SELECT '' FROM (SELECT 1 FROM vocabulary_terms WHERE kind = ? LIMIT 1) AS loaded"
)


def known(session: Session, kind: str, ids: Iterable[str]) -> set[str]:
    """Those of these ids that the vocabulary has, retired ones too: records may name them. Funders by DOI as well."""
    wanted = set(ids)
    if kind in shipped.TYPES:
        return {id for id in wanted if shipped.known(kind, id)}
    return _there(session, kind, wanted) - {""} if wanted else set()


def _there(session: Session, kind: str, ids: Collection[str]) -> set[str]:
    """As `known`, of a loaded kind, and an empty id where it has any entries."""
    return {row[0] for row in _KNOWN.on(session, kind, ids, kind, ids, kind)}


NOT_HERE = "'{id}' is not in the vocabulary loaded here; kept as given."


def missing(session: Session, data: RecordData) -> list[Finding]:
    """What names an id that a loaded vocabulary has not: affiliations, funders, awards, subjects. Told, not refused.

    The id may be newer than the file that was loaded, so it is kept; a draft's answer says so in `errors`. A
    vocabulary that was never loaded can't be asked. One statement for each vocabulary that is named, none without.
    """
    asked: dict[str, dict[str, list[str]]] = {}
    m = data.metadata
    for name, people in (("creators", m.creators), ("contributors", m.contributors)):
        for n, person in enumerate(people):
            for k, affiliation in enumerate(person.affiliations):
                _ask(asked, "affiliations", affiliation.id, f"metadata.{name}.{n}.affiliations.{k}")
    for n, subject in enumerate(m.subjects):
        _ask(asked, "subjects", subject.id, f"metadata.subjects.{n}")
    for n, funding in enumerate(m.funding):
        _ask(asked, "funders", funding.funder.id, f"metadata.funding.{n}.funder")
        if funding.award is not None:
            _ask(asked, "awards", funding.award.id, f"metadata.funding.{n}.award")
    found: list[Finding] = []
    for kind, places in asked.items():
        there = _there(session, kind, places)
        if "" in there:
            unknown = [id for id in places if id not in there]
            found += [Finding.of(place, NOT_HERE.format(id=id)) for id in unknown for place in places[id]]
    return sorted(found, key=lambda finding: finding.field)


def _ask(asked: dict[str, dict[str, list[str]]], kind: str, id: str | None, place: str) -> None:
    if id:
        asked.setdefault(kind, {}).setdefault(id, []).append(place)


# --- what the depositor left out


def resolve(session: Session, data: RecordData) -> RecordData:
    """The same data with what the vocabularies know of it, wherever the depositor said nothing.

    Funders get their ROR id, DOI, name, acronym and country, awards their id, title, acronym, program and address
    (api-legacy.md section 4.4), affiliations named by a ROR id their name, subjects named by an id their word and
    scheme. What contradicts the vocabulary, or is not in it, stays as given. One statement for each vocabulary that
    is asked (funders named by DOI one more), none where nothing is left out.
    """
    m = data.metadata
    changed: dict[str, Any] = {}
    if m.funding and (funding := _with_grants(session, m.funding)) is not None:
        changed["funding"] = funding
    changed |= _with_names(session, m)
    if m.subjects and (subjects := _with_words(session, m.subjects)) is not None:
        changed["subjects"] = subjects
    if not changed:
        return data
    return data.model_copy(update={"metadata": m.model_copy(update=changed)})


def _with_names(session: Session, m: Metadata) -> dict[str, list[Person]]:
    nameless = {
        affiliation.id
        for people in (m.creators, m.contributors)
        for person in people
        for affiliation in person.affiliations
        if affiliation.id and not affiliation.name
    }
    found = _data(session, "affiliations", nameless)
    if not found:
        return {}

    def named(affiliation: Affiliation) -> Affiliation:
        entry = None if affiliation.name else found.get(affiliation.id or "")
        return affiliation.model_copy(update={"name": entry["name"]}) if entry else affiliation

    changed = {}
    for field_name, people in (("creators", m.creators), ("contributors", m.contributors)):
        changed[field_name] = [
            person.model_copy(update={"affiliations": [named(one) for one in person.affiliations]})
            if any(not one.name and one.id in found for one in person.affiliations)
            else person
            for person in people
        ]
    return changed


def _with_words(session: Session, subjects: Sequence[Subject]) -> list[Subject] | None:
    wordless = {one.id for one in subjects if one.id and not (one.subject and one.scheme)}
    found = _data(session, "subjects", wordless)
    if not found:
        return None

    def worded(one: Subject) -> Subject:
        if not one.id or one.id not in found:
            return one
        entry = found[one.id]
        words = {"subject": one.subject or entry["subject"], "scheme": one.scheme or entry["scheme"]}
        return one.model_copy(update=words)

    return [worded(one) for one in subjects]


def _with_grants(session: Session, funding: Sequence[Funding]) -> list[Funding] | None:
    funders = _funders_of(session, funding)
    found_awards = _data(
        session, "awards", [id for item in funding if (id := _award_id(item, _match(item.funder, funders)))]
    )
    resolved = [_resolved(item, _match(item.funder, funders), found_awards) for item in funding]
    return None if all(new is old for new, old in zip(resolved, funding, strict=True)) else resolved


_NAMED_SO = Listed(
    "SELECT a.alias, t.data FROM vocabulary_aliases a JOIN vocabulary_terms t ON t.number = a.number"
    " WHERE a.kind = 'funders' AND a.alias IN (??)"
)


def _funders_of(session: Session, funding: Sequence[Funding]) -> dict[str, JSON]:
    """Funders of the table by ROR id and by DOI."""
    ids = {item.funder.id for item in funding if item.funder.id}
    # An award may name its funder, and nothing else does.
    ids |= {item.award.id.partition("::")[0] for item in funding if item.award and item.award.id}
    found = _data(session, "funders", ids)
    # The ROR id says it all where both are given.
    dois = {item.funder.doi for item in funding if item.funder.doi and item.funder.id not in found}
    if dois:
        found |= {alias: orjson.loads(text) for alias, text in _NAMED_SO.on(session, dois)}
    return found


def _match(funder: Funder, funders: Mapping[str, JSON]) -> JSON | None:
    return funders.get(funder.id or "") or funders.get(funder.doi or "")


def _award_id(item: Funding, funder: JSON | None) -> str | None:
    award = item.award
    if award is None:
        return None
    ror = item.funder.id or (funder["id"] if funder else None)
    return award.id or (f"{ror}::{award.number}" if ror and award.number else None)


def _resolved(item: Funding, funder: JSON | None, found_awards: Mapping[str, JSON]) -> Funding:
    changed: dict[str, Any] = {}
    # What is named and identified is left as it was given.
    if funder is not None and (item.funder.name is None or item.funder.id is None):
        changed["funder"] = _filled(item.funder, _funder_words(funder))
    award = item.award
    known_award = found_awards.get(_award_id(item, funder) or "")
    if award is not None and known_award is not None:
        words = _award_words(known_award)
        # Another title under the same number: the depositor means another award, or knows better.
        if all(getattr(award, key) in (None, value) for key, value in words.items()):
            changed["award"] = _filled(award, words)
    if all(getattr(item, key) == value for key, value in changed.items()):
        return item
    return item.model_copy(update=changed)


def _filled(part: _Part, words: Mapping[str, str]) -> _Part:
    return part.model_copy(update={key: value for key, value in words.items() if getattr(part, key) is None})


def _funder_words(data: JSON) -> dict[str, str]:
    by_scheme = {one["scheme"]: one["identifier"] for one in reversed(data.get("identifiers", []))}
    words = {
        "id": by_scheme.get("ror"),
        "doi": by_scheme.get("doi"),
        "name": data.get("name"),
        "acronym": data.get("acronym"),
        "country": data.get("country"),
    }
    return {key: value for key, value in words.items() if value}


def _award_words(data: JSON) -> dict[str, str]:
    by_scheme = {one["scheme"]: one["identifier"] for one in reversed(data.get("identifiers", []))}
    title = data.get("title") or {}
    words = {
        "id": data["id"],
        "number": data.get("number"),
        "title": title.get("en") or next(iter(title.values()), None),
        "acronym": data.get("acronym"),
        "program": data.get("program"),
        "url": by_scheme.get("url"),
        "doi": by_scheme.get("doi"),
    }
    return {key: value for key, value in words.items() if value}
