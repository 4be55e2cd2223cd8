"""CITATION.cff: the Citation File Format 1.2 (doi:10.5281/zenodo.5171937), YAML in a file of a repository."""

from __future__ import annotations

import functools
import re
from datetime import date
from typing import Any

from strongroom.errors import Malformed
from strongroom.metadata import checks, html, identifiers, vocabularies
from strongroom.metadata.model import (
    Affiliation,
    AlternateIdentifier,
    Identifier,
    Person,
    RecordData,
    Reference,
    Related,
    Right,
    Subject,
)
from strongroom.metadata.reading import UNPRINTABLE

_MOST = 5000  # people, keywords, references: more is no citation
_BYTES = 100_000  # the loader takes a second for these
_ALIASES = 20  # as for the authors of `preferred-citation`: each can repeat the whole file once
_CITED = 20  # authors named in a reference


def matches(filename: str) -> bool:
    return filename.lower().endswith(".cff")


def read(body: bytes, today: date) -> tuple[RecordData, list[str]]:
    """Raises Malformed for what is no YAML mapping, and for more than 100 KB."""
    import yaml  # 25 ms, and only who fills in from such a file needs it

    if len(body) > _BYTES:
        raise Malformed("A CITATION.cff may have 100 KB at most.")
    try:
        said: Any = yaml.load(body, _loader())
    # Tags that do not fit their text (`!!int ""`) come out of the loader as errors of all these kinds.
    except (
        yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError, RecursionError,
    ) as error:  # fmt: skip
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise Malformed(f"It can't be read as YAML{where}.") from None
    if not isinstance(said, dict):
        raise Malformed("It is no CITATION.cff: that is a list of fields, each as `name: value`.")
    data, left_out = RecordData(), list[str]()
    m = data.metadata
    m.title = _text(said.get("title"))
    abstract = _text(said.get("abstract"))
    m.description = html.clean(_paragraphs(abstract)) or None if abstract else None
    kind = _text(said.get("type")).lower() or "software"
    m.resource_type = kind if kind in ("software", "dataset") else None
    m.version = _text(said.get("version")) or None
    day = _text(said.get("date-released"))
    if day and checks.date_problem(day):
        left_out.append(f"date-released: {checks.date_problem(day)}")
    else:
        m.publication_date = day or None
    m.creators = _people(said.get("authors"))
    contacts = _people(said.get("contact"))
    for person in contacts:
        person.role = "contactperson"
    m.contributors = contacts
    m.subjects = [Subject(subject=word) for one in _list(said.get("keywords")) if (word := _text(one))]
    for one in _list(said.get("license")):
        key = vocabularies.licence_id(_text(one))
        if key:
            m.rights.append(Right(id=key))
        else:
            left_out.append(f"license: no licence has the id {_text(one)[:100]!r}.")
    known: dict[tuple[str, str], AlternateIdentifier] = {}
    if doi := _text(said.get("doi")):
        _identify(known, doi, "doi", left_out)
    for one in _list(said.get("identifiers")):
        if isinstance(one, dict):
            _identify(known, _text(one.get("value")), _text(one.get("type")).lower(), left_out)
    m.identifiers = list(known.values())
    for name, relation in (
        ("repository-code", "issupplementto"),
        ("repository", "issupplementto"),
        ("url", "isdescribedby"),
    ):
        _relate(data, _text(said.get(name)), relation)
    for one in _list(said.get("references"))[:_MOST]:
        if isinstance(one, dict) and (text := _cited(one)):
            m.references.append(Reference(reference=text))
    return data, left_out


@functools.cache
def _loader() -> Any:
    """YAML's safe loader: dates are read as dates, nothing else is built. What is said once and repeated by aliases is
    one object to it, but not to who reads it: so aliases are few, and no mapping is merged into another (`<<`)."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # it comes without types
        aliases = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                self.aliases += 1
                if self.aliases > _ALIASES:
                    raise yaml.YAMLError("too many aliases")
            return super().compose_node(parent, index)

        def flatten_mapping(self, node: Any) -> None:
            """Leaves `<<` as it is, which the constructor then refuses."""

    return Loader


def _text(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()[:10]
    if isinstance(value, int) and value.bit_length() > 1000:
        return ""  # Python writes no number of so many digits, and none is meant
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return UNPRINTABLE.sub("", str(value)).strip()
    return ""


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value[:_MOST]
    return [] if value is None else [value]


def _paragraphs(text: str) -> str:
    if re.search(r"</?[a-zA-Z]", text):
        return text
    parts = [" ".join(p.split()) for p in re.split(r"\n\s*\n", text)]
    safe = (p.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for p in parts if p)
    return "".join(f"<p>{p}</p>" for p in safe)


def _people(value: Any) -> list[Person]:
    return [person for one in _list(value) if isinstance(one, dict) and (person := _person(one)).name]


def _person(said: dict[Any, Any]) -> Person:
    family = " ".join(x for x in (_text(said.get("name-particle")), _text(said.get("family-names"))) if x)
    given = " ".join(x for x in (_text(said.get("given-names")), _text(said.get("name-suffix"))) if x)
    if family or given:
        if not family:
            family, given = given, ""
        person = Person(
            name=", ".join(x for x in (family, given) if x), family_name=family, given_name=given or None
        )
    else:
        name = _text(said.get("name")) or _text(said.get("alias"))
        person = Person(name=name, type="organizational")
    if orcid := _text(said.get("orcid")):
        person.identifiers = [Identifier(identifier=identifiers.normalise(orcid, "orcid"), scheme="orcid")]
    if place := _text(said.get("affiliation")):
        person.affiliations = [Affiliation(name=place)]
    return person


def _identify(
    known: dict[tuple[str, str], AlternateIdentifier], value: str, kind: str, left_out: list[str]
) -> None:
    scheme = kind if kind in ("doi", "url", "swh") else identifiers.detect(value) if value else None
    if not value:
        return
    if scheme is None or not identifiers.valid(value, scheme):
        left_out.append(f"identifiers: {value[:100]!r} is no {kind or 'known identifier'}.")
        return
    found = AlternateIdentifier(identifier=identifiers.normalise(value, scheme), scheme=scheme)
    known.setdefault((scheme, found.identifier), found)


def _relate(data: RecordData, value: str, relation: str) -> None:
    if value and identifiers.valid(value, "url"):
        work = Related(identifier=value, scheme="url", relation=relation)
        if all(r.identifier != value for r in data.metadata.related_identifiers):
            data.metadata.related_identifiers.append(work)


def _cited(said: dict[Any, Any]) -> str:
    """A reference in one line: people (year). Title. Where. Address."""
    people = ", ".join(p.name for p in _people(_list(said.get("authors"))[:_CITED]))
    year = _text(said.get("year")) or _text(said.get("date-released"))[:4]
    doi = _text(said.get("doi"))
    parts = [
        f"{people} ({year})" if people and year else people or year,
        _text(said.get("title")),
        _text(said.get("journal")),
    ]
    parts.append(f"https://doi.org/{doi}" if doi else _text(said.get("url")))
    return " ".join(f"{p}." if not p.startswith("http") else p for p in parts if p)
