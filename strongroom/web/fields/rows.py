"""The rows of a list: each kind of row → an item of the records API."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Final

from strongroom.errors import Finding
from strongroom.metadata import vocabularies
from strongroom.web.fields.findings import HALF_A_POINT, NOT_DEGREES, UNKNOWN_LANGUAGE, UNKNOWN_LICENCE
from strongroom.web.fields.names import (
    JSON,
    KEPT,
    PEOPLE,
    PLAIN,
    Form,
    Said,
    degrees,
    given_rest,
    is_empty,
    key_of,
    set_or_drop,
    split,
    was,
)


def rows_of(form: Form, path: str, said: Said) -> list[JSON]:
    """The items of a list; rows that nothing could be read of stand behind them in `typed`."""
    items: list[JSON] = []
    late: list[tuple[int, dict[str, str], list[tuple[str, str]]]] = []
    numbers: dict[int, int] = {}
    say = _SAID[path]
    for number, row in split(form, path).items():
        if is_empty(row):
            continue
        wrong: list[tuple[str, str]] = []  # field of the row, what to do
        item = say(row, wrong)
        kept = {name: row[name] for name, _ in wrong if row.get(name)}
        if not item:
            late.append((number, {**kept, **_kept_beside(path, row)}, wrong))
            continue
        _note(said, path, len(items), kept, wrong)
        numbers[len(items)] = number
        items.append(item)
    for k, (number, kept, wrong) in enumerate(late, len(items)):
        _note(said, path, k, kept, wrong)
        numbers[k] = number
    said.rows[path] = numbers
    return items


def _kept_beside(path: str, row: Mapping[str, str]) -> dict[str, str]:
    """What must be shown of a row that is no item yet, so that it looks as it did."""
    return {
        name: text
        for name, text in row.items()
        if text and name not in ("@rest",) and not name.endswith("@was")
    }


def _note(said: Said, path: str, number: int, kept: Mapping[str, str], wrong: list[tuple[str, str]]) -> None:
    for name, text in kept.items():
        said.typed[f"{path}.{number}.{name}"] = text
    said.findings += [Finding.of(f"{path}.{number}.{name}", message) for name, message in wrong]


def _put(item: JSON, path: str, text: str) -> None:
    head, dot, tail = path.partition(".")
    if not dot:
        item[head] = text
    else:
        _put(item.setdefault(head, {}), tail, text)


def _say_plain(names: tuple[str, ...]) -> Callable[..., JSON]:
    def say(row: Mapping[str, str], wrong: list[tuple[str, str]]) -> JSON:
        item = given_rest(row.get("@rest"))
        item.pop(KEPT, None)
        for name in names:
            if row.get(name):
                _put(item, name, row[name])
        return item

    return say


def _same(row: Mapping[str, str], key: str, name: str, mark: str) -> str:
    """The id of a row, unless its name was changed and the id was not."""
    given = row.get(key, "")
    if (
        given
        and row.get(mark)
        and row[mark].partition(" ")[0] == given
        and row[mark] != was(given, row.get(name, ""))
    ):
        return ""
    return given if row.get(name) else ""


def _say_person(row: Mapping[str, str], wrong: list[tuple[str, str]]) -> JSON:
    item = given_rest(row.get("@rest"))
    who = item.setdefault("person_or_org", {})
    kind = "organizational" if row.get("person_or_org.type") == "organizational" else "personal"
    who["type"] = kind
    for name in ("name",) if kind == "organizational" else ("family_name", "given_name"):
        set_or_drop(who, name, row.get(f"person_or_org.{name}"))
    if kind == "personal" and not who.get("family_name"):
        # Typed as an organisation's, or the given name alone: kept where it is shown.
        set_or_drop(who, "family_name", row.get("person_or_org.name"))
    if kind == "organizational" and not who.get("name"):
        parts = [row.get("person_or_org.given_name"), row.get("person_or_org.family_name")]
        set_or_drop(who, "name", " ".join(p for p in parts if p))
    known = [x for x in who.get("identifiers", []) if isinstance(x, dict)]
    there = {x.get("@") for x in known}
    known = [{"@": s} for s in ("orcid", "ror") if row.get(s) and s not in there] + known
    found = []
    for x in known:
        scheme = x.get("@")
        if scheme is None:
            found.append(x)
        elif text := row.get(scheme):
            found.append({"identifier": text, "scheme": scheme})
    set_or_drop(who, "identifiers", found)
    if row.get("role.id"):
        item["role"] = {"id": row["role.id"]}
    places = []
    for one in split(row, "affiliations").values():
        key, name = _same(one, "id", "name", "@was"), one.get("name", "")
        if key and name == key:
            name = ""  # it had no other
        if key or name:
            places.append({k: v for k, v in (("id", key), ("name", name)) if v})
    set_or_drop(item, "affiliations", list({key_of(place): place for place in places}.values()))
    return item


def _say_language(row: Mapping[str, str], wrong: list[tuple[str, str]]) -> JSON:
    key = _same(row, "id", "title", "@was") or row.get("title", "")
    found = vocabularies.find_language(key)
    if found:
        return {"id": found}
    wrong.append(("title", UNKNOWN_LANGUAGE))
    return {}


def _say_right(row: Mapping[str, str], wrong: list[tuple[str, str]]) -> JSON:
    if row.get("own"):
        lang = str(given_rest(row.get("@rest")).get("lang") or "en")
        item: JSON = {n: {lang: row[n]} for n in ("title", "description") if row.get(n)}
        if row.get("link"):
            item["link"] = row["link"]
        return item
    key = _same(row, "id", "title", "@was") or row.get("title", "")
    found = vocabularies.licence_id(key) or _licence_by_title().get(" ".join(key.split()).casefold())
    if found:
        return {"id": found}
    wrong.append(("title", UNKNOWN_LICENCE))
    return {}


@functools.cache
def _licence_by_title() -> Mapping[str, str]:
    """Licence ids by title, in lower case; of two with one title, the first."""
    found: dict[str, str] = {}
    for key, licence in vocabularies.licences().items():
        found.setdefault(" ".join(licence.title.split()).casefold(), key)
    return found


def _say_funding(row: Mapping[str, str], wrong: list[tuple[str, str]]) -> JSON:
    item = given_rest(row.get("@rest"))
    lang = str(item.pop("lang", "en"))
    key, name = _same(row, "funder.id", "funder.name", "funder.@was"), row.get("funder.name", "")
    funder = {k: v for k, v in (("id", key), ("name", "" if name == key else name)) if v}
    award = item.pop("award", {}) if isinstance(item.get("award"), dict) else {}
    mark, award_id = row.get("award.@was", ""), row.get("award.id", "")
    title, number = row.get("award.title", ""), row.get("award.number", "")
    shown = was(award_id, f"{title}\n{number}").split()
    if award_id and mark.partition(" ")[0] == award_id and mark.split() != shown:
        award_id, award = "", {}
    before = row.get("funder.@was", "").partition(" ")[0]
    if award_id and before and key != before and award_id.startswith(f"{before}::"):
        award_id, award = "", {}  # the award of a funder that is another one now
    if award_id and not title and not number:
        award_id = ""
    if title == award_id:
        title = ""
    if award_id:
        award["id"] = award_id
    if number:
        award["number"] = number
    if title:
        award["title"] = {lang: title}
    if not award_id and not number and not title:
        award = {}
    set_or_drop(item, "award", award)
    set_or_drop(item, "funder", funder)
    return item


def _say_location(row: Mapping[str, str], wrong: list[tuple[str, str]]) -> JSON:
    item = given_rest(row.get("@rest"))
    for name in ("place", "description"):
        if row.get(name):
            item[name] = row[name]
    at: dict[str, float | int] = {}
    for name in ("lat", "lon"):
        text = row.get(name, "")
        if not text:
            continue
        value = degrees(text)
        if value is None:
            wrong.append((name, NOT_DEGREES))
        else:
            at[name] = value
    if len(at) == 2:
        item["geometry"] = {"type": "Point", "coordinates": [at["lon"], at["lat"]]}
    elif at and not wrong:
        # The records API has no place for half a point: it stays as typed.
        there, absent = ("lat", "lon") if "lat" in at else ("lon", "lat")
        wrong += [(absent, HALF_A_POINT), (there, "")]
    else:
        wrong += [(name, "") for name in at]
    return item


_SAID: Final[Mapping[str, Callable[[Mapping[str, str], list[tuple[str, str]]], JSON]]] = {
    **dict.fromkeys(PEOPLE, _say_person),
    **{path: _say_plain(names) for path, names in PLAIN.items()},
    "metadata.languages": _say_language,
    "metadata.rights": _say_right,
    "metadata.funding": _say_funding,
    "metadata.locations.features": _say_location,
}
