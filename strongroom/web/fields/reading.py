"""The text of each field → what a draft says."""

from __future__ import annotations

import html as htmllib
import re
from collections import Counter
from copy import deepcopy
from datetime import date
from typing import Final

from strongroom.errors import Finding
from strongroom.metadata import html, rdm, vocabularies
from strongroom.metadata.model import Access, RecordData
from strongroom.web.fields.filling import show_access
from strongroom.web.fields.findings import NO_DAY, NO_DOI, NO_EMBARGO, no_email
from strongroom.web.fields.names import (
    CONTACT,
    CUSTOM,
    JSON,
    LISTS,
    SCALARS,
    Form,
    Said,
    contact_at,
    key_of,
    lines_of,
    one_line,
    set_or_drop,
)
from strongroom.web.fields.rows import rows_of


def read(form: Form, before: RecordData, *, own_doi: str = "") -> Said:
    """What this form says of a draft that said `before`. Fields that the form does not have stay."""
    shown = rdm.dump_metadata(before.metadata)
    m = deepcopy(shown)
    said = Said({"metadata": m, "custom_fields": deepcopy(before.metadata.custom)}, before.access)
    for name in SCALARS:
        text = form.get(f"metadata.{name}")
        if text is not None:
            set_or_drop(m, name, _html(text, m.get(name)) if name == "description" else text.strip())
    if "type" in form:
        group = form["type"]
        inner = form.get(f"type.{group}") or group
        kind = vocabularies.resource_type(inner if inner.partition("-")[0] == group else group)
        set_or_drop(m, "resource_type", {"id": kind.id} if kind else None)
    for path in LISTS:
        if f"{path}.@rows" not in form:
            continue
        items = rows_of(form, path, said)
        head = path.split(".")[1]
        if path == "metadata.subjects":
            continue  # with the keywords, below
        if path == "metadata.locations.features":
            set_or_drop(m, head, {"features": items} if items else None)
        elif path == "metadata.additional_descriptions":
            known = {lines_of(d.description): d.description for d in before.metadata.additional_descriptions}
            for item in items:
                if text := item.get("description"):
                    item["description"] = known.get(lines_of(text)) or _html(text)
            set_or_drop(m, head, items)
        elif path == "metadata.contributors":
            was_at = contact_at(before.metadata.contributors)
            if was_at is not None:
                items.insert(min(was_at, len(items)), shown["contributors"][was_at])
            set_or_drop(m, head, items)
        else:
            set_or_drop(m, head, items)
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
                set_or_drop(changed, name, text.strip())
                set_or_drop(said.body["custom_fields"], group_name, changed)
    _access(form, said, before.access)
    _doi(form, said, before, own_doi)
    _files(form, said, before)
    return said


def finish(said: Said, loaded: RecordData) -> RecordData:
    """What `rdm.load` read, with what no body of the records API has a place for."""
    loaded.access = said.access
    return loaded


_TAG: Final = re.compile(r"</?[a-zA-Z]")


def _html(text: str, before: str | None = None) -> str:
    """HTML as it is; what was typed as plain text becomes paragraphs and lines. What was not changed stays."""
    text = lines_of(text)
    if before and text == lines_of(before):
        return before
    if not text or _TAG.search(text):
        return text
    paragraphs = [p.strip() for p in re.split(r"\n\s*\n", htmllib.escape(text, quote=False)) if p.strip()]
    return "".join(f"<p>{p.replace(chr(10), '<br>')}</p>" for p in paragraphs)


def _contact(form: Form, said: Said, before: RecordData) -> None:
    if "contact.name" in form:
        people: list[JSON] = said.body["metadata"].get("contributors", [])
        at = next((i for i, p in enumerate(people) if p.get("role", {}).get("id") == CONTACT), None)
        name, orcid = form["contact.name"].strip(), form.get("contact.orcid", "").strip()
        old = contact_at(before.metadata.contributors)
        known = before.metadata.contributors[old] if old is not None else None
        unchanged = known is not None and (name, orcid) == (known.name, known.identifier("orcid") or "")
        if not unchanged and name:
            family, comma, given = name.partition(",")
            who: JSON = {"type": "organizational", "name": name}
            if comma or orcid or (known is not None and known.type == "personal"):
                who = {"type": "personal", "family_name": family.strip()}
                set_or_drop(who, "given_name", given.strip())
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
        set_or_drop(said.body["metadata"], "contributors", people)
    if "contact.email" in form:
        said.contact_email = email = form["contact.email"].strip()
        formed = re.fullmatch(r"[^@\s,;<>\"\x00-\x1f]{1,64}@[^@\s,;<>\"\x00-\x1f]{1,255}", email)
        if email and not (formed and email.isascii()):
            said.contact_email = None
            said.typed["contact.email"] = email
            said.findings.append(Finding.of("contact.email", no_email(email)))


def _subjects(form: Form, said: Said, shown: list[JSON]) -> None:
    """Keywords and terms in the order in which they were; new ones come last."""
    terms = [s for s in shown if "id" in s]
    words = [s for s in shown if "id" not in s]
    if "metadata.subjects.@rows" in form:
        terms = rows_of(form, "metadata.subjects", said)
    if "keywords" in form:
        known = Counter(one_line(s["subject"]) for s in words if s.get("subject"))
        words = []
        for line in form["keywords"].splitlines():
            line = one_line(line)
            if line and known[line]:
                known[line] -= 1
                words.append({"subject": line})
            else:
                words += [{"subject": w} for part in re.split(r"[,;]", line) if (w := part.strip())]
    new = [*terms, *words]
    left = Counter(map(key_of, new))
    taken: Counter[str] = Counter()
    kept = []
    for item in shown:
        key = key_of(item if "id" in item else {"subject": one_line(item.get("subject", ""))})
        if left[key]:
            left[key] -= 1
            taken[key] += 1
            kept.append(item)
    for item in new:
        key = key_of(item)
        if taken[key]:
            taken[key] -= 1
        else:
            kept.append(item)
    set_or_drop(said.body["metadata"], "subjects", kept)


def _references(form: Form, said: Said, before: RecordData, shown: list[JSON]) -> None:
    if "references.text" not in form:
        return
    known: dict[str, list[JSON]] = {}
    for item in shown:
        known.setdefault(one_line(item.get("reference", "")), []).append(item)
    lines = [line for text in form["references.text"].splitlines() if (line := one_line(text))]
    set_or_drop(
        said.body["metadata"],
        "references",
        [known[line].pop(0) if known.get(line) else {"reference": line} for line in lines],
    )


def _access(form: Form, said: Said, before: Access) -> None:
    choice = form.get("access.choice")
    if choice not in ("open", "embargoed", "restricted", "closed"):
        choice = None
    old = show_access(before)
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
