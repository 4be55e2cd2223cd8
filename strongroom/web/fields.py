"""The deposit form's fields ⇄ what a draft says (decision 0012). Pure: no request, no database.

A field is named by the JSON path of the records API (`metadata.creators.0.person_or_org.family_name`); `read` makes a form
into the body of `PUT /api/records/{id}/draft`, which `metadata.rdm.load` reads as it reads programs', and `fill` is the way
back. Names of their own have only what people write otherwise than programs:

    type, type.<group>           the upload type: its group as a pictured button, its kind within the group
    doi                          `new` (one of ours) or `own` (`pids.doi.identifier` is typed)
    access.choice                `open`, `embargoed`, `restricted`, `closed`; access.conditions
    keywords                     free keywords, one a line (commas and semicolons part them too)
    references.text              one reference a line
    …creators.0.orcid, .ror      the identifier of that scheme
    …languages.0.title           name or code of a language, beside the hidden `id`
    …rights.0.title, .own        name of a licence beside its `id`; with `own`, a licence in own words
    …features.0.lat, .lon        of a point
    contact.name, .email         the first contributor of role contactperson; the address stays on the server
    metadata_only                no files, and none to come

What a row has and the form does not show travels in a hidden field of the row, `@rest` (JSON): rows can be moved, and nothing
is lost. `@was` beside a name that has a hidden id says which id and name the page showed: a changed name drops the id.
`<list>.@rows` says that the form shows this list, so that no rows at all mean an empty list. What the form does not
have stays as it is.
"""

from __future__ import annotations

import html as htmllib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from strongroom.accounts.service import NOT_ASCII
from strongroom.errors import Finding
from strongroom.metadata import html, identifiers, rdm, vocabularies
from strongroom.metadata.model import Access, Person, RecordData

JSON = dict[str, Any]
Form = Mapping[str, str]

PEOPLE: Final = ("metadata.creators", "metadata.contributors")
CONTACT: Final = "contactperson"
HTML_FIELDS: Final = ("metadata.description", "access.conditions")

# Lists whose rows are texts at these paths of an item and no more; `x.id` is a term of a vocabulary.
_PLAIN: Final[Mapping[str, tuple[str, ...]]] = {
    "metadata.additional_titles": ("title", "type.id", "lang.id"),
    "metadata.additional_descriptions": ("description", "type.id", "lang.id"),
    "metadata.dates": ("date", "type.id", "description"),
    "metadata.identifiers": ("identifier", "scheme", "resource_type.id"),
    "metadata.related_identifiers": ("relation_type.id", "identifier", "scheme", "resource_type.id"),
    "metadata.subjects": ("subject", "id", "scheme"),
}
LISTS: Final = (
    *PEOPLE,
    *_PLAIN,
    "metadata.languages",
    "metadata.rights",
    "metadata.funding",
    "metadata.locations.features",
)
CUSTOM: Final[Mapping[str, tuple[str, ...]]] = {
    "journal:journal": ("title", "volume", "issue", "pages", "issn"),
    "imprint:imprint": ("title", "place", "pages", "edition", "isbn"),
    "meeting:meeting": ("title", "acronym", "dates", "place", "session", "session_part", "url"),
    "thesis:thesis": ("university", "department", "type", "date_submitted", "date_defended"),
}
_SCALARS: Final = ("title", "publication_date", "version", "publisher", "description")
# Fields of a row that say nothing by themselves: a row with these alone is empty.
_FORMAL: Final = frozenset(
    {
        "@rest", "@was", "person_or_org.type", "role.id", "type.id", "relation_type.id", "resource_type.id", "scheme",
        "lang.id", "own", "funder.@was", "award.@was",
    }
)  # fmt: skip


@dataclass
class Said:
    """What a form says: `body` for `rdm.load`, and what no body has a place for."""

    body: JSON
    access: Access
    typed: dict[str, str] = field(default_factory=dict)  # what could not be read, by the names of `fill`
    findings: list[Finding] = field(default_factory=list)  # about those, by the same names
    contact_email: str | None = None  # None: the form does not have it
    rows: dict[str, dict[int, int]] = field(
        default_factory=dict
    )  # list → number in `body` → number in the form

    def place(self, name: str) -> str:
        """The field of the form as it was sent that has this name after the save: rows were numbered anew."""
        for path in sorted(self.rows, key=len):
            if name.startswith(path + ".") and (found := re.match(r"(\d+)(.*)", name[len(path) + 1 :], re.S)):
                number = self.rows[path].get(int(found[1]), int(found[1]))
                name = f"{path}.{number}{found[2]}"
        return name


# -- what a draft says → fields


def fill(data: RecordData, contact_email: str | None = None, own_doi: str = "") -> dict[str, str]:
    """The text of each field, by its name. `own_doi` is the DOI under our prefix that the draft has or may reserve."""
    m = data.metadata
    said = rdm.dump_metadata(m)
    out: dict[str, str] = {f"metadata.{name}": said.get(name, "") for name in _SCALARS}
    kind = vocabularies.resource_type(m.resource_type or "")
    if kind is not None:
        out["type"] = kind.type
        out[f"type.{kind.type}"] = kind.id
    contact = _contact_at(m.contributors)
    for path, show in _SHOWN.items():
        group = said.get(path.split(".")[1]) or []
        items = group["features"] if isinstance(group, dict) else group
        if path == "metadata.subjects":
            items = [s for s in items if "id" in s]
        number = 0
        for i, item in enumerate(items):
            if path == "metadata.contributors" and i == contact:
                continue
            for name, text in show(deepcopy(item)).items():
                out[f"{path}.{number}.{name}"] = text
            number += 1
    if contact is not None:
        person = m.contributors[contact]
        out["contact.name"] = person.name
        out["contact.orcid"] = person.identifier("orcid") or ""
    out["contact.email"] = contact_email or ""
    out["keywords"] = "\n".join(_one_line(k) for k in m.keywords())
    out["references.text"] = "\n".join(_one_line(r.reference) for r in m.references)
    for group_name, names in CUSTOM.items():
        group = m.custom.get(group_name)
        if isinstance(group, dict):
            for name in names:
                if isinstance(group.get(name), str | int | float):
                    out[f"custom_fields.{group_name}.{name}"] = str(group[name])
    out |= _show_access(data.access)
    out["doi"] = "own" if data.doi and data.doi.lower() != own_doi.lower() else "new"
    out["pids.doi.identifier"] = data.doi or "" if out["doi"] == "own" else ""
    out["metadata_only"] = "1" if data.metadata_only else ""
    out["files.default_preview"] = data.default_preview or ""
    return out


def counts(values: Mapping[str, str]) -> dict[str, int]:
    """How many rows each list has, by its path: `metadata.creators`, `metadata.creators.0.affiliations`."""
    found: dict[str, int] = {}
    for name in values:
        parts = name.split(".")
        for i, part in enumerate(parts):
            if part.isdigit():
                path = ".".join(parts[:i])
                found[path] = max(found.get(path, 0), int(part) + 1)
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _contact_at(people: list[Person]) -> int | None:
    return next((i for i, p in enumerate(people) if p.role == CONTACT), None)


def _pop(item: JSON, path: str) -> str:
    """The text at a path, taken out of `item` with what becomes empty. Of a term goes the title too."""
    head, dot, tail = path.partition(".")
    if head not in item:
        return ""
    if not dot:
        return str(item.pop(head))
    inner = item[head]
    if not isinstance(inner, dict):
        return ""
    text = _pop(inner, tail)
    if tail == "id" and head in ("type", "lang", "role", "relation_type", "resource_type"):
        inner.clear()
    if not inner:
        del item[head]
    return text


def _put(item: JSON, path: str, text: str) -> None:
    head, dot, tail = path.partition(".")
    if not dot:
        item[head] = text
    else:
        _put(item.setdefault(head, {}), tail, text)


# In `@rest` of a row that says hardly anything, a type without a date, say: it goes when its owner removes it.
_KEPT: Final = "@kept"


def _rest(item: JSON) -> dict[str, str]:
    return {"@rest": json.dumps(item, ensure_ascii=False, sort_keys=True)} if item else {}


def was(key: str, name: str) -> str:
    """What `@was` says of an id and the name shown beside it."""
    return f"{key} {name}" if key else ""


def _show_plain(names: tuple[str, ...]) -> Callable[[JSON], dict[str, str]]:
    def show(item: JSON) -> dict[str, str]:
        out = {name: _pop(item, name) for name in names}
        if (
            out.get("scheme")
            and "identifier" in out
            and identifiers.detect(out["identifier"]) == out["scheme"]
        ):
            out["scheme"] = ""  # it is found again, of another identifier as well
        if _is_empty(out):
            item[_KEPT] = True
        return out | _rest(item)

    return show


def _show_person(item: JSON) -> dict[str, str]:
    who = item["person_or_org"]
    kind, name = who.pop("type"), who.pop("name", "")
    out = {
        "person_or_org.type": kind,
        "person_or_org.family_name": who.pop("family_name", ""),
        "person_or_org.given_name": who.pop("given_name", ""),
        "person_or_org.name": name if kind == "organizational" else "",
        "role.id": _pop(item, "role.id"),
    }
    if kind == "personal":
        made = ", ".join(p for p in (out["person_or_org.family_name"], out["person_or_org.given_name"]) if p)
        if name and name != made:
            who["name"] = name
    known = who.pop("identifiers", [])
    for scheme in ("orcid", "ror"):
        at = next((i for i, x in enumerate(known) if x.get("scheme") == scheme), None)
        out[scheme] = known[at].get("identifier", "") if at is not None else ""
        if at is not None:
            known[at] = {"@": scheme}
    if known and known != [{"@": known[0].get("@")}]:
        who["identifiers"] = known
    for i, affiliation in enumerate(item.pop("affiliations", [])):
        key, called = affiliation.get("id", ""), affiliation.get("name", "")
        out |= {
            f"affiliations.{i}.name": called or key,
            f"affiliations.{i}.id": key,
            f"affiliations.{i}.@was": was(key, called or key),
        }
    if not who:
        del item["person_or_org"]
    return out | _rest(item)


def _show_language(item: JSON) -> dict[str, str]:
    key = item.pop("id")
    title = item.pop("title", {}).get("en") or key
    return {"id": key, "title": title, "@was": was(key, title)}


def _show_right(item: JSON) -> dict[str, str]:
    if "id" in item:
        title = item.get("title", {}).get("en") or item["id"]
        return {"id": item["id"], "title": title, "@was": was(item["id"], title)}
    out = {"own": "1"}
    for name in ("title", "description"):
        texts = item.get(name) or {}
        out[name] = next(iter(texts.values()), "")
        if (lang := next(iter(texts), "")) and lang != "en":
            out["@rest"] = json.dumps({"lang": lang})
    out["link"] = item.get("link", "")
    return out


def _show_funding(item: JSON) -> dict[str, str]:
    out: dict[str, str] = {}
    titles = item.get("award", {}).pop("title", None) or {}
    lang, title = next(iter(titles.items()), ("en", ""))
    for name in ("funder.id", "funder.name", "award.id", "award.number"):
        out[name] = _pop(item, name)
    out["award.title"] = title
    if title and lang != "en":
        item["lang"] = lang
    out["funder.name"] = out["funder.name"] or out["funder.id"]
    shown_award = title or out["award.number"] or out["award.id"]
    out["award.title"] = title or ("" if out["award.number"] else shown_award)
    out["funder.@was"] = was(out["funder.id"], out["funder.name"])
    out["award.@was"] = (
        was(out["award.id"], f"{out['award.title']}\n{out['award.number']}") if out["award.id"] else ""
    )
    return out | _rest(item)


def _show_location(item: JSON) -> dict[str, str]:
    out = {"place": _pop(item, "place"), "description": _pop(item, "description"), "lat": "", "lon": ""}
    geometry = item.get("geometry") or {}
    at = geometry.get("coordinates")
    if geometry.get("type") == "Point" and isinstance(at, list) and len(at) == 2:
        out["lon"], out["lat"] = (_number(x) for x in at)
        del item["geometry"]
    return out | _rest(item)


def _number(value: Any) -> str:
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


_SHOWN: Final[Mapping[str, Callable[[JSON], dict[str, str]]]] = {
    **dict.fromkeys(PEOPLE, _show_person),
    **{path: _show_plain(names) for path, names in _PLAIN.items()},
    "metadata.languages": _show_language,
    "metadata.rights": _show_right,
    "metadata.funding": _show_funding,
    "metadata.locations.features": _show_location,
}


def _show_access(access: Access) -> dict[str, str]:
    choice = "open"
    if access.embargo_until is not None:
        choice = "embargoed"
    elif access.files == "restricted" or access.record == "restricted":
        choice = "restricted" if access.requests else "closed"
    return {
        "access.choice": choice,
        "access.embargo.until": access.embargo_until.isoformat() if access.embargo_until else "",
        "access.embargo.reason": access.embargo_reason or "",
        "access.conditions": access.conditions or "",
        "access.record": "1" if access.record == "restricted" else "",
    }


# -- fields → what a draft says


def read(form: Form, before: RecordData, *, own_doi: str = "") -> Said:
    """What this form says of a draft that said `before`. Fields that the form does not have stay."""
    shown = rdm.dump_metadata(before.metadata)
    m = deepcopy(shown)
    said = Said({"metadata": m, "custom_fields": deepcopy(before.metadata.custom)}, before.access)
    for name in _SCALARS:
        text = form.get(f"metadata.{name}")
        if text is not None:
            _set(m, name, _html(text, m.get(name)) if name == "description" else text.strip())
    if "type" in form:
        group = form["type"]
        inner = form.get(f"type.{group}") or group
        kind = vocabularies.resource_type(inner if inner.partition("-")[0] == group else group)
        _set(m, "resource_type", {"id": kind.id} if kind else None)
    for path in LISTS:
        if f"{path}.@rows" not in form:
            continue
        items = _rows(form, path, said)
        head = path.split(".")[1]
        if path == "metadata.subjects":
            continue  # with the keywords, below
        if path == "metadata.locations.features":
            _set(m, head, {"features": items} if items else None)
        elif path == "metadata.additional_descriptions":
            known = {_lines(d.description): d.description for d in before.metadata.additional_descriptions}
            for item in items:
                if text := item.get("description"):
                    item["description"] = known.get(_lines(text)) or _html(text)
            _set(m, head, items)
        elif path == "metadata.contributors":
            was_at = _contact_at(before.metadata.contributors)
            if was_at is not None:
                items.insert(min(was_at, len(items)), shown["contributors"][was_at])
            _set(m, head, items)
        else:
            _set(m, head, items)
    _contact(form, said, before)
    _subjects(form, said, shown.get("subjects", []))
    _references(form, said, before, shown.get("references", []))
    for group_name, names in CUSTOM.items():
        for name in names:
            text = form.get(f"custom_fields.{group_name}.{name}")
            if text is None:
                continue
            given = said.body["custom_fields"].get(group_name)
            changed: JSON = dict(given) if isinstance(given, dict) else {}
            if str(changed.get(name, "")) != text.strip():
                _set(changed, name, text.strip())
                _set(said.body["custom_fields"], group_name, changed)
    _access(form, said, before.access)
    _doi(form, said, before, own_doi)
    _files(form, said, before)
    return said


def _set(target: JSON, name: str, value: Any) -> None:
    """Nothing, an empty text or list is no key at all."""
    if value in (None, "", [], {}):
        target.pop(name, None)
    else:
        target[name] = value


_TAG: Final = re.compile(r"</?[a-zA-Z]")


def _lines(text: str | None) -> str:
    """A text as a browser sends it back, but for its kind of line ends."""
    return (text or "").strip().replace("\r\n", "\n")


def _html(text: str, before: str | None = None) -> str:
    """HTML as it is; what was typed as plain text becomes paragraphs and lines. What was not changed stays."""
    text = _lines(text)
    if before and text == _lines(before):
        return before
    if not text or _TAG.search(text):
        return text
    paragraphs = [p.strip() for p in re.split(r"\n\s*\n", htmllib.escape(text, quote=False)) if p.strip()]
    return "".join(f"<p>{p.replace(chr(10), '<br>')}</p>" for p in paragraphs)


def row_numbers(form: Iterable[str], path: str) -> list[int]:
    """The numbers of the rows that a form has of a list, in their order."""
    numbers = set()
    start = path + "."
    for name in form:
        if name.startswith(start):
            number = name[len(start) :].partition(".")[0]
            if number.isascii() and number.isdigit() and len(number) < 7:
                numbers.add(int(number))
    return sorted(numbers)


def _row(form: Form, path: str, number: int) -> dict[str, str]:
    start = f"{path}.{number}."
    return {name[len(start) :]: text.strip() for name, text in form.items() if name.startswith(start)}


def _split(form: Form, path: str) -> dict[int, dict[str, str]]:
    """All rows of a list in one pass: number → field below it → text."""
    start = path + "."
    found: dict[int, dict[str, str]] = {}
    for name, text in form.items():
        if name.startswith(start):
            number, dot, below = name[len(start) :].partition(".")
            if dot and number.isascii() and number.isdigit() and len(number) < 7:
                found.setdefault(int(number), {})[below] = text.strip()
    return {number: found[number] for number in sorted(found)}


def _is_empty(row: Mapping[str, str]) -> bool:
    return not any(
        text and name not in _FORMAL and not name.endswith("@was") for name, text in row.items()
    ) and not _given(row.get("@rest"))


def _given(rest: str | None) -> JSON:
    if not rest:
        return {}
    try:
        value = json.loads(rest)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _rows(form: Form, path: str, said: Said) -> list[JSON]:
    """The items of a list; rows that nothing could be read of stand behind them in `typed`."""
    items: list[JSON] = []
    late: list[tuple[int, dict[str, str], list[tuple[str, str]]]] = []
    numbers: dict[int, int] = {}
    say = _SAID[path]
    for number, row in _split(form, path).items():
        if _is_empty(row):
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


def _say_plain(names: tuple[str, ...]) -> Callable[..., JSON]:
    def say(row: Mapping[str, str], wrong: list[tuple[str, str]]) -> JSON:
        item = _given(row.get("@rest"))
        item.pop(_KEPT, None)
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
    item = _given(row.get("@rest"))
    who = item.setdefault("person_or_org", {})
    kind = "organizational" if row.get("person_or_org.type") == "organizational" else "personal"
    who["type"] = kind
    for name in ("name",) if kind == "organizational" else ("family_name", "given_name"):
        _set(who, name, row.get(f"person_or_org.{name}"))
    if kind == "personal" and not who.get("family_name"):
        # Typed as an organisation's, or the given name alone: kept where it is shown.
        _set(who, "family_name", row.get("person_or_org.name"))
    if kind == "organizational" and not who.get("name"):
        parts = [row.get("person_or_org.given_name"), row.get("person_or_org.family_name")]
        _set(who, "name", " ".join(p for p in parts if p))
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
    _set(who, "identifiers", found)
    if row.get("role.id"):
        item["role"] = {"id": row["role.id"]}
    places = []
    for one in _split(row, "affiliations").values():
        key, name = _same(one, "id", "name", "@was"), one.get("name", "")
        if key and name == key:
            name = ""  # it had no other
        if key or name:
            places.append({k: v for k, v in (("id", key), ("name", name)) if v})
    _set(item, "affiliations", list({_key(place): place for place in places}.values()))
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
        lang = str(_given(row.get("@rest")).get("lang") or "en")
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


def _licence_by_title() -> Mapping[str, str]:
    if not _titles:
        for key, licence in vocabularies.licences().items():
            _titles.setdefault(" ".join(licence.title.split()).casefold(), key)
    return _titles


_titles: dict[str, str] = {}


def _say_funding(row: Mapping[str, str], wrong: list[tuple[str, str]]) -> JSON:
    item = _given(row.get("@rest"))
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
    _set(item, "award", award)
    _set(item, "funder", funder)
    return item


def _say_location(row: Mapping[str, str], wrong: list[tuple[str, str]]) -> JSON:
    item = _given(row.get("@rest"))
    for name in ("place", "description"):
        if row.get(name):
            item[name] = row[name]
    at: dict[str, float | int] = {}
    for name in ("lat", "lon"):
        text = row.get(name, "")
        if not text:
            continue
        value = _degrees(text)
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
    **{path: _say_plain(names) for path, names in _PLAIN.items()},
    "metadata.languages": _say_language,
    "metadata.rights": _say_right,
    "metadata.funding": _say_funding,
    "metadata.locations.features": _say_location,
}


def N_(text: str) -> str:
    """Marks a text for the catalogue; whoever shows it translates it."""
    return text


UNKNOWN_LANGUAGE: Final = N_(
    "No language has this name or code. Write its English name, or its code as in “deu”."
)
UNKNOWN_LICENCE: Final = N_(
    "No licence has this name or id. Choose one of the list, or write your own licence below."
)
NOT_DEGREES: Final = N_("Write degrees as a number, for instance 51.752 or -1.258.")
HALF_A_POINT: Final = N_("A point needs latitude and longitude.")
NO_DAY: Final = N_("Write the day as YYYY-MM-DD, for instance 2030-03-13.")
NO_EMBARGO: Final = N_("Choose the date on which the embargo ends.")
NO_DOI: Final = N_("Write the DOI that it has, or choose a new one.")
NO_EMAIL: Final = N_("This is not an e-mail address: it looks like name@example.org.")


def _no_email(text: str) -> str:
    return NO_EMAIL if text.isascii() else NOT_ASCII


def _contact(form: Form, said: Said, before: RecordData) -> None:
    if "contact.name" in form:
        people: list[JSON] = said.body["metadata"].get("contributors", [])
        at = next((i for i, p in enumerate(people) if p.get("role", {}).get("id") == CONTACT), None)
        name, orcid = form["contact.name"].strip(), form.get("contact.orcid", "").strip()
        old = _contact_at(before.metadata.contributors)
        known = before.metadata.contributors[old] if old is not None else None
        unchanged = known is not None and (name, orcid) == (known.name, known.identifier("orcid") or "")
        if not unchanged and name:
            family, comma, given = name.partition(",")
            who: JSON = {"type": "organizational", "name": name}
            if comma or orcid or (known is not None and known.type == "personal"):
                who = {"type": "personal", "family_name": family.strip()}
                _set(who, "given_name", given.strip())
            if orcid:
                who["identifiers"] = [{"identifier": orcid, "scheme": "orcid"}]
            item: JSON = {"person_or_org": who, "role": {"id": CONTACT}}
            if at is not None and "affiliations" in people[at]:
                item["affiliations"] = people[at]["affiliations"]
            if at is None:
                people.append(item)
            else:
                people[at] = item
        elif not name and at is not None:
            del people[at]
        _set(said.body["metadata"], "contributors", people)
    if "contact.email" in form:
        said.contact_email = email = form["contact.email"].strip()
        formed = re.fullmatch(r"[^@\s,;<>\"\x00-\x1f]{1,64}@[^@\s,;<>\"\x00-\x1f]{1,255}", email)
        if email and not (formed and email.isascii()):
            said.contact_email = None
            said.typed["contact.email"] = email
            said.findings.append(Finding.of("contact.email", _no_email(email)))


def _subjects(form: Form, said: Said, shown: list[JSON]) -> None:
    """Keywords and terms in the order in which they were; new ones come last."""
    terms = [s for s in shown if "id" in s]
    words = [s for s in shown if "id" not in s]
    if "metadata.subjects.@rows" in form:
        terms = _rows(form, "metadata.subjects", said)
    if "keywords" in form:
        known = Counter(_one_line(s["subject"]) for s in words if s.get("subject"))
        words = []
        for line in form["keywords"].splitlines():
            line = _one_line(line)
            if line and known[line]:
                known[line] -= 1
                words.append({"subject": line})
            else:
                words += [{"subject": w} for part in re.split(r"[,;]", line) if (w := part.strip())]
    new = [*terms, *words]
    left = Counter(map(_key, new))
    taken: Counter[str] = Counter()
    kept = []
    for item in shown:
        key = _key(item if "id" in item else {"subject": _one_line(item.get("subject", ""))})
        if left[key]:
            left[key] -= 1
            taken[key] += 1
            kept.append(item)
    for item in new:
        key = _key(item)
        if taken[key]:
            taken[key] -= 1
        else:
            kept.append(item)
    _set(said.body["metadata"], "subjects", kept)


def _key(item: JSON) -> str:
    """Equal for equal items: to be counted, not compared each with each."""
    return json.dumps(item, sort_keys=True)


def _references(form: Form, said: Said, before: RecordData, shown: list[JSON]) -> None:
    if "references.text" not in form:
        return
    known: dict[str, list[JSON]] = {}
    for item in shown:
        known.setdefault(_one_line(item.get("reference", "")), []).append(item)
    lines = [line for text in form["references.text"].splitlines() if (line := _one_line(text))]
    _set(
        said.body["metadata"],
        "references",
        [known[line].pop(0) if known.get(line) else {"reference": line} for line in lines],
    )


def _access(form: Form, said: Said, before: Access) -> None:
    choice = form.get("access.choice")
    if choice not in ("open", "embargoed", "restricted", "closed"):
        choice = None
    old = _show_access(before)
    access = before.model_copy()
    if "access.conditions" in form:
        access.conditions = html.clean(_html(form["access.conditions"], before.conditions)).strip() or None
    if "access.embargo.reason" in form:
        access.embargo_reason = form["access.embargo.reason"].strip() or None
    until = form.get("access.embargo.until", old["access.embargo.until"]).strip()
    if choice is not None and (choice, until if choice == "embargoed" else "") != (
        old["access.choice"],
        old["access.embargo.until"],
    ):
        access.embargo_until = None
        access.requests = choice != "closed"
        access.files = "public" if choice == "open" else "restricted"
        if choice == "open":
            access.record = "public"
        elif choice == "embargoed":
            try:
                if not re.fullmatch(r"\d{4}-\d\d-\d\d", until, re.ASCII):
                    raise ValueError
                access.embargo_until = date.fromisoformat(until)
            except ValueError:
                # Nothing opens because a date could not be read.
                said.typed |= {"access.choice": choice, "access.embargo.until": until}
                said.findings.append(Finding.of("access.embargo.until", NO_DAY if until else NO_EMBARGO))
    said.access = access


def _doi(form: Form, said: Said, before: RecordData, own_doi: str) -> None:
    given = form.get("pids.doi.identifier", "").strip()
    choice = form.get("doi")
    doi = before.doi
    if choice == "own":
        doi = given or None
        if not given:
            said.typed["doi"] = "own"
            said.findings.append(Finding.of("pids.doi.identifier", NO_DOI))
    elif choice == "new":
        doi = before.doi if before.doi and before.doi.lower() == own_doi.lower() else None
    said.body["pids"] = {"doi": {"identifier": doi, "provider": "external"}} if doi else {}


def _files(form: Form, said: Said, before: RecordData) -> None:
    only = form.get("metadata_only") == "1" if "metadata_only.@shown" in form else before.metadata_only
    preview = form.get("files.default_preview", before.default_preview or "")
    said.body["files"] = {"enabled": not only, "default_preview": preview or None}


def finish(said: Said, loaded: RecordData) -> RecordData:
    """What `rdm.load` read, with what no body of the records API has a place for."""
    loaded.access = said.access
    return loaded


# -- findings → fields


_PERSON_ID: Final = re.compile(
    r"(metadata\.(?:creators|contributors)\.(\d+))\.person_or_org\.identifiers\.(\d+)"
)


def field_of(path: str, data: RecordData, values: Mapping[str, str]) -> str:
    """The name of the field that a finding at this place of the records API's JSON is about."""
    m = data.metadata
    if path.startswith("metadata.contributors."):
        # The contact person has a section of its own; those behind move up.
        number, _, below = path.removeprefix("metadata.contributors.").partition(".")
        at = _contact_at(m.contributors)
        if at is not None and number.isdigit():
            if int(number) == at:
                return "contact.orcid" if "identifiers" in below or "orcid" in below else "contact.name"
            if int(number) > at:
                return _field(f"metadata.contributors.{int(number) - 1}.{below}", m.contributors[int(number)])
        if number.isdigit() and int(number) < len(m.contributors):
            return _field(path, m.contributors[int(number)])
    if (found := re.match(r"metadata\.creators\.(\d+)", path)) and int(found[1]) < len(m.creators):
        return _field(path, m.creators[int(found[1])])
    if path == "metadata.creators":
        return "metadata.creators.0.person_or_org.family_name"
    if path in ("metadata.resource_type", "metadata.upload_type"):
        return "type"
    if path in ("pids.doi", "metadata.doi", "pids"):
        return "pids.doi.identifier"
    if path.startswith("files"):
        return "files"
    if path.startswith("metadata.references"):
        return "references.text"
    if path.startswith("metadata.subjects"):
        return "keywords"
    if path in ("access.embargo.until", "metadata.embargo_date"):
        return "access.embargo.until"
    if path.startswith("access"):
        return "access.choice"
    path = re.sub(r"^(metadata\.locations\.features\.\d+)\.geometry.*", r"\1.lat", path)
    path = re.sub(r"\.(type|relation_type|resource_type|lang)$", r".\1.id", path)
    if path not in values and path.endswith(".scheme"):
        path = path.removesuffix("scheme") + "identifier"
    if found := re.fullmatch(r"(metadata\.funding\.\d+)\.(funder|award)", path):
        return f"{found[1]}.{found[2]}.{'name' if found[2] == 'funder' else 'title'}"
    if found := re.fullmatch(r"(metadata\.dates\.\d+)(\.(start|end))?", path):
        return f"{found[1]}.date"
    return path


def _field(path: str, person: Person) -> str:
    start = ".".join(path.split(".")[:3])
    below = path[len(start) + 1 :]
    if found := re.match(r"person_or_org\.identifiers\.(\d+)", below):
        n = int(found[1])
        scheme = person.identifiers[n].scheme if n < len(person.identifiers) else None
        return f"{start}.{'ror' if scheme == 'ror' else 'orcid'}"
    if below in ("orcid", "ror", "gnd", "isni"):
        return f"{start}.{'ror' if below == 'ror' else 'orcid'}"
    if below in ("role", "type"):
        return f"{start}.role.id"
    if below.startswith("affiliations"):
        return path if path.endswith(".name") else f"{path}.name"
    name = "name" if person.type == "organizational" else "family_name"
    return (
        f"{start}.person_or_org.{name}"
        if below in ("", "name") or below.startswith("person_or_org")
        else path
    )


# -- words that could not be read


def whys(typed: Mapping[str, str]) -> list[tuple[str, str]]:
    """(field, what to do) for each word kept beside a draft that asks for something."""
    found: list[tuple[str, str]] = []
    for name, text in typed.items():
        if name.startswith("metadata.languages.") and name.endswith(".title"):
            found.append((name, UNKNOWN_LANGUAGE))
        elif name.startswith("metadata.rights.") and name.endswith(".title"):
            found.append((name, UNKNOWN_LICENCE))
        elif name.endswith((".lat", ".lon")):
            other = name[:-3] + ("lon" if name.endswith("lat") else "lat")
            readable = _degrees(text) is not None
            found.append(
                (
                    name,
                    HALF_A_POINT if readable and other not in typed else NOT_DEGREES if not readable else "",
                )
            )
        elif name == "access.embargo.until":
            found.append((name, NO_DAY if text else NO_EMBARGO))
        elif name == "doi":
            found.append(("pids.doi.identifier", NO_DOI))
        elif name == "contact.email":
            found.append((name, _no_email(text)))
    return [(name, why) for name, why in found if why]


# Lists whose words can only be kept as a row of their own, never beside an item.
_WHOLE_ROWS: Final = ("metadata.languages", "metadata.rights")


def placed(typed: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Kept words by the names under which they stand beside `values` (`fill`).

    Rows that are no item yet stand behind the items that there are now: a program, or a description filled in, may have
    added some since.
    """
    out = dict(typed)
    have = counts(values)
    for path in LISTS:
        rows = _split(typed, path)
        late = [
            number
            for number, row in rows.items()
            if path in _WHOLE_ROWS
            or number >= have.get(path, 0)
            or any(text and values.get(f"{path}.{number}.{name}") for name, text in row.items())
        ]
        for number in late:
            for name in rows[number]:
                del out[f"{path}.{number}.{name}"]
        for to, number in enumerate(late, have.get(path, 0)):
            out |= {f"{path}.{to}.{name}": typed[f"{path}.{number}.{name}"] for name in rows[number]}
    return out


def _degrees(text: str) -> float | None:
    try:
        value = float(text.replace(",", ".").replace("−", "-"))
    except ValueError:
        return None
    return value if abs(value) < 1e9 else None


# -- rows, and two who write at once


def has(form: Form, name: str) -> bool:
    """Whether the form has this field, or the list that it stands in."""
    return name in form or any(name.startswith(path + ".") and f"{path}.@rows" in form for path in LISTS)


def arrange(form: dict[str, str], path: str, number: int, verb: str) -> None:
    """`remove` a row, or change its place with the one before (`up`) or behind (`down`)."""
    numbers = row_numbers(form, path)
    if number not in numbers:
        return
    if verb == "remove":
        for name in [n for n in form if n.startswith(f"{path}.{number}.")]:
            del form[name]
        return
    at = numbers.index(number) + (1 if verb == "down" else -1)
    if not 0 <= at < len(numbers):
        return
    other = numbers[at]
    one, two = _below(form, path, number), _below(form, path, other)
    for n in (number, other):
        for name in [x for x in form if x.startswith(f"{path}.{n}.")]:
            del form[name]
    form |= {f"{path}.{other}.{name}": text for name, text in one.items()}
    form |= {f"{path}.{number}.{name}": text for name, text in two.items()}


def _below(form: Form, path: str, number: int) -> dict[str, str]:
    start = f"{path}.{number}."
    return {name[len(start) :]: text for name, text in form.items() if name.startswith(start)}


@dataclass(frozen=True)
class Difference:
    """A field, or a list, that two wrote differently; `fields` is theirs, to be taken instead."""

    name: str
    yours: str
    theirs: str
    fields: dict[str, str]


def differences(form: Form, theirs: Form) -> list[Difference]:
    """What the form says otherwise than `theirs` (`fill`): lists as a whole, other fields one by one."""
    found = []
    for path in LISTS:
        if f"{path}.@rows" in form and _meant(form, path) != _meant(theirs, path):
            yours, other = _told(form, path), _told(theirs, path)
            start = path + "."
            mine = {name: text for name, text in theirs.items() if name.startswith(start)}
            found.append(Difference(path, "\n".join(yours), "\n".join(other), mine))
    known = set(theirs) | {n for n in form if n.startswith("custom_fields.") or n in ("type", *_SINGLE)}
    for name in sorted(known):
        if name not in form or any(name.startswith(path + ".") for path in LISTS) or name.endswith("@rows"):
            continue
        if name.startswith("type.") and name != f"type.{form.get('type')}":
            continue
        one, two = _lines(form[name]), _lines(theirs.get(name, ""))
        if one != two and not (name in HTML_FIELDS and html.plain(one) == html.plain(two)):
            found.append(Difference(name, one, two, {name: theirs.get(name, "")}))
    return found


_SINGLE: Final = tuple(f"metadata.{n}" for n in _SCALARS)


def _as_saved(path: str, row: dict[str, str]) -> dict[str, str]:
    """A row with its identifiers as a save would find and write them: that alone is no difference."""
    schemes = {"identifier": row.get("scheme", ""), "orcid": "orcid", "ror": "ror"}
    if path in ("metadata.identifiers", "metadata.related_identifiers") and not schemes["identifier"]:
        schemes["identifier"] = identifiers.detect(row.get("identifier", "")) or ""
        row = {**row, "scheme": schemes["identifier"]}
    found = {
        name: identifiers.normalise(row[name], scheme)
        for name, scheme in schemes.items()
        if row.get(name) and scheme and identifiers.valid(row[name], scheme)
    }
    return row | found


def _meant(form: Form, path: str) -> list[dict[str, str]]:
    """The rows of a list, to be compared: where an id says what is meant, its words do not count."""
    rows = []
    for row in _split(form, path).values():
        if not _is_empty(row):
            row = _as_saved(path, row)
            rows.append(
                {
                    name: _one_line(text)
                    for name, text in row.items()
                    if text
                    and not name.rpartition(".")[2].startswith("@")
                    and not (row.get("id") and name in ("title", "subject"))
                }
            )
    return rows


def _told(form: Form, path: str) -> list[str]:
    """The rows of a list, each in a line as a person reads it."""
    lines = []
    for row in _split(form, path).values():
        if not _is_empty(row):
            lines.append(
                ", ".join(
                    _one_line(text)
                    for name, text in sorted(row.items())
                    if text and not name.rpartition(".")[2].startswith("@") and name != "person_or_org.type"
                )
            )
    return lines


def choose(form: dict[str, str]) -> None:
    """What was chosen where two wrote at once: `choose.<field>` is `yours` or `theirs`, `theirs.<field>` their text."""
    chosen = {name[7:]: form.pop(name) for name in [n for n in form if n.startswith("choose.")]}
    theirs = {name[7:]: form.pop(name) for name in [n for n in form if n.startswith("theirs.")]}
    wanted = {name for name, whose in chosen.items() if whose == "theirs"}
    # Only lists are chosen with all that is below them: one pass, however much is sent.
    lists = tuple(path + "." for path in LISTS if path in wanted)
    for other in [n for n in form if n.startswith(lists) and not n.endswith(".@rows")]:
        del form[other]
    form |= {n: text for n, text in theirs.items() if n in wanted or n.startswith(lists)}


_LABELS: Final[Mapping[str, str]] = {
    "metadata.title": N_("Title"),
    "metadata.additional_titles": N_("Further titles"),
    "metadata.creators": N_("Creators"),
    "metadata.contributors": N_("Contributors"),
    "metadata.publication_date": N_("Publication date"),
    "metadata.version": N_("Version"),
    "metadata.publisher": N_("Publisher"),
    "metadata.description": N_("Description"),
    "metadata.additional_descriptions": N_("Notes, methods and other texts"),
    "metadata.languages": N_("Languages"),
    "metadata.rights": N_("Licences"),
    "metadata.subjects": N_("Subject terms"),
    "metadata.dates": N_("Dates"),
    "metadata.identifiers": N_("Other identifiers of this upload itself"),
    "metadata.related_identifiers": N_("Related works"),
    "metadata.funding": N_("Funding"),
    "metadata.locations.features": N_("Places"),
    "keywords": N_("Keywords"),
    "references.text": N_("References"),
    "type": N_("Upload type"),
    "doi": N_("Who gives the DOI"),
    "pids.doi.identifier": N_("DOI of this work"),
    "access.choice": N_("Who may open the files?"),
    "access.embargo.until": N_("Open the files on"),
    "access.embargo.reason": N_("Reason"),
    "access.conditions": N_("Conditions for access"),
    "contact.name": N_("Contact"),
    "contact.email": N_("E-mail address"),
    "contact.orcid": N_("ORCID of the contact person"),
    "metadata_only": N_("No files"),
    "files.default_preview": N_("File that is shown first"),
    "custom_fields.journal:journal": N_("Journal"),
    "custom_fields.meeting:meeting": N_("Conference"),
    "custom_fields.imprint:imprint": N_("Book, report or chapter"),
    "custom_fields.thesis:thesis": N_("Thesis"),
}


def label(name: str) -> str:
    """What a field is called, in English; of a field within a group, the group."""
    while name not in _LABELS and "." in name:
        name = name.rpartition(".")[0]
    return _LABELS.get(name, name)
