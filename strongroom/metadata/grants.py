"""Grants as Zenodo's clients write them ⇄ `Funding` (api-legacy.md section 4.4).

Accepted: `{"id": "283595"}` (the European Commission's), `{"id": "10.13039/501100000780::654241"}` (or with a ROR
id before the colons), the long form of records (`code, internal_id, funder{…}, title, acronym, program, url, doi`)
and the older one with `links.self` and `funder.acronyms`, which the FAIR Cookbook's recipe sends. No award
needs to be known here: what a client says of it is kept, and answered again beside the id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from strongroom.metadata import vocabularies
from strongroom.metadata.identifiers import normalise
from strongroom.metadata.model import Award, Funder, Funding

EC = "10.13039/501100000780"

_FUNDER_DOI = re.compile(r"10\.\d+(?:\.\d+)*/\S+")
_ROR = re.compile(r"0[a-z0-9]{6}\d\d")
_LINK = re.compile(r"/grants/(.+?)/?$")
_AWARD_WORDS = ("title", "acronym", "program", "url", "doi")
_FUNDER_WORDS = ("name", "doi", "acronym", "country")


def load(item: Mapping[str, Any]) -> Funding:
    """The funding that this grant says; what no field of ours holds stays in `raw`, so nothing is lost."""
    said = _filled_in(item)
    funding = _parse(said)
    if any(_parse(answer) != funding for answer in (dump(funding), dump_long(funding))):
        # It says one thing in one place and another elsewhere: kept word for word. `raw` has an `id` only then.
        funding.raw = {"id": None} | said
    return funding


def _parse(said: Mapping[str, Any]) -> Funding:
    given = said.get("funder")
    funder_said: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    doi, ror, number = _split(_grant_id(said))
    funder_doi = _word(funder_said, "doi")
    if number and not doi and not ror and "::" not in number and not funder_said:
        doi = EC  # a bare number is one of the European Commission's
    doi = doi or (funder_doi.lower() if funder_doi else None)
    ror = ror or _word(funder_said, "id")
    known = vocabularies.funder_by_doi(doi) if doi else vocabularies.funder_by_ror(ror) if ror else None
    acronyms = funder_said.get("acronyms")
    acronym = _word(funder_said, "acronym")
    if not acronym and isinstance(acronyms, list) and acronyms and isinstance(acronyms[0], str):
        acronym = acronyms[0]
    funder = Funder(
        id=ror or (known.id if known else None),
        doi=doi or (known.doi if known else None),
        name=_word(funder_said, "name") or (known.name if known else None),
        acronym=acronym or (known.acronym if known else None),
        country=_word(funder_said, "country") or (known.country if known else None),
    )
    words = {key: _word(said, key) for key in _AWARD_WORDS}
    code = _word(said, "code") or number
    award = Award(number=code, **words) if code or any(words.values()) else None
    funding = Funding(funder=funder, award=award)
    funding.raw = _unsaid({key: value for key, value in said.items() if key != "id"}, _long(funding)) or None
    return funding


def dump(funding: Funding) -> dict[str, Any]:
    """The grant in a deposition: its id, and what the client said beside it; `load` of it is the same funding."""
    if funding.raw and "id" in funding.raw:
        return {key: value for key, value in funding.raw.items() if value is not None}
    key = grant_id(funding)
    item: dict[str, Any] = {} if key is None else {"id": key}
    if key is not None and (funding == _from_id(key) or _is_known(funding)):
        return item
    item |= _long(funding)
    item.pop("internal_id", None)
    return _merge(item, funding.raw) if funding.raw else item


def _is_known(funding: Funding) -> bool:
    """Whether its words are those of the vocabulary, which its id leads back to (`vocabularies.service.resolve`)."""
    award = funding.award
    return bool(
        award
        and award.id
        and award.title
        and not funding.raw
        and award.id == f"{funding.funder.id}::{award.number}"
    )


def dump_long(funding: Funding) -> dict[str, Any]:
    """The grant in a record: `{code, internal_id, funder{name, doi, …}, title, acronym, program, url, doi}`, and what
    else the client said of it."""
    item = _long(funding)
    if funding.raw:
        _merge(item, {key: value for key, value in funding.raw.items() if key != "id"})
    return item


def _long(funding: Funding) -> dict[str, Any]:
    item: dict[str, Any] = {}
    award, given = funding.award, funding.funder
    if award and award.number:
        item["code"] = award.number
    if internal := _internal_id(funding):
        item["internal_id"] = internal
    funder = {key: value for key in _FUNDER_WORDS if (value := getattr(given, key))}
    if given.id and not given.doi:
        funder["id"] = given.id
    if funder:
        item["funder"] = funder
    if award:
        for key in _AWARD_WORDS:
            if value := getattr(award, key):
                item[key] = value
    return item


def grant_id(funding: Funding) -> str | None:
    """`<funder DOI>::<number>`, or the bare number for FP7; None when nothing would lead back to this grant."""
    award = funding.award
    if (
        award
        and award.number
        and award.program == "FP7"
        and funding.funder.doi == EC
        and "::" not in award.number
    ):
        return award.number
    return _internal_id(funding)


def _internal_id(funding: Funding) -> str | None:
    award, funder = funding.award, funding.funder
    if not award or not award.number:
        return None
    if key := funder.doi or funder.id:
        return f"{key}::{award.number}"
    return award.number if "::" in award.number else None


@lru_cache(maxsize=4096)
def _from_id(key: str) -> Funding:
    return _parse({"id": key})


def _grant_id(item: Mapping[str, Any]) -> str:
    for key in ("id", "internal_id"):
        if found := _word(item, key):
            return found
    links = item.get("links")
    if (
        isinstance(links, Mapping)
        and isinstance(link := links.get("self"), str)
        and (match := _LINK.search(link))
    ):
        return match[1]
    return ""


def _split(key: str) -> tuple[str | None, str | None, str | None]:
    """Funder DOI, funder ROR id and award number of a grant id; an unknown kind of funder stays in the number."""
    funder, colons, number = key.partition("::")
    if colons and _FUNDER_DOI.fullmatch(funder):
        return funder.lower(), None, number or None
    if colons and _ROR.fullmatch(funder):
        return None, funder, number or None
    return None, None, key or None


def _word(item: Mapping[str, Any], key: str) -> str | None:
    """A text (or whole number, which some clients send for codes) without outer blanks."""
    value = item.get(key)
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def _filled_in(item: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty, inside objects too; DOIs as every identifier is stored, whichever door they come by."""
    found: dict[str, Any] = {}
    for key, value in item.items():
        kept = _filled_in(value) if isinstance(value, Mapping) else value
        if key == "doi" and isinstance(kept, str):
            kept = normalise(kept, "doi")
        if kept not in (None, {}, []) and not (isinstance(kept, str) and not kept.strip()):
            found[key] = kept
    return found


def _unsaid(part: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """What of `part` is not in `whole`, or is otherwise there."""
    rest: dict[str, Any] = {}
    for key, value in part.items():
        inner = whole.get(key)
        if isinstance(value, Mapping) and isinstance(inner, Mapping):
            if left := _unsaid(value, inner):
                rest[key] = left
        elif inner != value:
            rest[key] = value
    return rest


def _merge(item: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`item` with what `more` says, inside objects too."""
    for key, value in more.items():
        inner = item.get(key)
        item[key] = _merge(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return item
