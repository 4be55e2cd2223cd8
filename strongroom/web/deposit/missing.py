"""What is missing or wrong, in the form's words and order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from strongroom.errors import (
    Finding,
)
from strongroom.metadata import checks
from strongroom.web import fields
from strongroom.web.deposit.seen import Seen
from strongroom.web.findings import told
from strongroom.web.render import Texts
from strongroom.web.words import N_

# What is missing, in the words of the form; the rest says its hint.
_MISSING: Final[Mapping[str, str]] = {
    "type": N_("Choose the upload type"),
    "metadata.title": N_("Give it a title"),
    "metadata.creators.0.person_or_org.family_name": N_("Name at least one creator"),
    "metadata.publication_date": N_("Say when it was published: today, for instance"),
}
_MISSING_END: Final = (
    (".relation_type.id", N_("Say how the related work belongs to this one")),
    (".identifier", N_("Write the identifier of the work")),
    (".role.id", N_("Say what this contributor did")),
    (".type.id", N_("Say what kind it is")),
    (".family_name", N_("Give the family name")),
    (".person_or_org.name", N_("Give the name of the organisation")),
    (".title", N_("Write the title")),
    (".description", N_("Write the text")),
    (".date", N_("Write the date")),
)
_HINTS: Final = (
    N_("Fill this in."),
    N_("Not a valid URL."),
    N_("Give the name as 'Family name, Given names', or the organisation's."),
    N_("Say what this contributor did: DataCollector, Editor, ProjectMember, …, or Other."),
)
_OVER: Final = "Embargo end date must be set to a future date."
LATER: Final = N_("Choose a date after today.")
_NO_SCHEME: Final = "No valid scheme recognized for identifier."
_WHOLE: Final = N_(
    "The identifier is no DOI, web address, ISBN or the like: write the whole of it, or choose its kind."
)


def hint_of(finding: Finding, t: Texts) -> str:
    """What is wrong and what to do, for a person: the API's word for it is left away where a better one follows."""
    if checks.MISSING in finding.messages:
        known = _MISSING.get(finding.field)
        known = known or next((says for end, says in _MISSING_END if finding.field.endswith(end)), None)
        if known:
            return t.gettext(known)
        rest = [m for m in finding.messages if m != checks.MISSING]
        return " ".join(told(m, t) for m in rest) or t.gettext(_HINTS[0])
    if finding.messages[0] == _OVER:
        return t.gettext(LATER)
    if finding.messages[0] == _NO_SCHEME:
        return t.gettext(_WHOLE)
    messages = finding.messages[1:] if len(finding.messages) > 1 else finding.messages
    return " ".join(told(m, t) for m in messages if m)


SECTIONS: Final = (
    ("files", N_("Files")),
    ("type", N_("Upload type")),
    ("basics", N_("Basic information")),
    ("access", N_("Access")),
    ("licence", N_("Licence")),
    ("contact", N_("Contact")),
    ("funding", N_("Funding")),
    ("related", N_("Related works")),
    ("contributors", N_("Contributors")),
    ("references", N_("References")),
    ("journal", N_("Journal")),
    ("conference", N_("Conference")),
    ("book", N_("Book, report or chapter")),
    ("thesis", N_("Thesis")),
    ("subjects", N_("Subjects")),
    ("locations", N_("Places")),
    ("dates", N_("Dates")),
)
# The section of a field, by the beginning of its name; the first that fits counts.
_SECTION_OF: Final = (
    ("files", "files"), ("metadata_only", "files"), ("type", "type"), ("access", "access"),
    ("metadata.rights", "licence"), ("contact", "contact"), ("metadata.funding", "funding"),
    ("metadata.related_identifiers", "related"), ("metadata.identifiers", "related"),
    ("metadata.contributors", "contributors"), ("references", "references"),
    ("custom_fields.journal:journal", "journal"), ("custom_fields.meeting:meeting", "conference"),
    ("custom_fields.imprint:imprint", "book"), ("metadata.publisher", "book"), ("custom_fields.thesis:thesis", "thesis"),
    ("metadata.subjects", "subjects"), ("metadata.locations", "locations"), ("metadata.dates", "dates"),
)  # fmt: skip


def section_of(name: str) -> str:
    """The id of the section that a field stands in."""
    return next((section for start, section in _SECTION_OF if name.startswith(start)), "basics")


def is_formal(name: str) -> bool:
    """Fields that always say something."""
    return name.endswith(
        (".@rest", ".@was", ".@rows", "person_or_org.type", "access.choice", "contact.email")
    ) or name in ("doi", "metadata_only")


# Fields in the order of the form; of a field within a list or group, the list or group.
_ORDER: Final = (
    "files", "metadata_only", "type", "doi", "pids.doi", "metadata.publication_date", "metadata.version",
    "metadata.title", "metadata.additional_titles", "metadata.creators", "metadata.description", "metadata.languages",
    "keywords", "metadata.additional_descriptions", "access.choice", "access.embargo.until", "access.embargo.reason",
    "access.conditions", "metadata.rights", "contact.name", "contact.orcid", "contact.email", "metadata.funding",
    "metadata.related_identifiers", "metadata.identifiers", "metadata.contributors", "references.text",
    "custom_fields.journal:journal", "custom_fields.meeting:meeting", "metadata.publisher",
    "custom_fields.imprint:imprint", "custom_fields.thesis:thesis", "metadata.subjects", "metadata.locations",
    "metadata.dates",
)  # fmt: skip
_PLACES: Final = {name: place for place, name in enumerate(_ORDER)}


def place_of(name: str) -> tuple[int, int]:
    """Where a field stands in the form: (its place, its row). Of two in one row the order is that of the findings."""
    row = next((int(part) for part in name.split(".") if part.isascii() and part.isdigit()), 0)
    while name not in _PLACES and "." in name:
        name = name.rpartition(".")[0]
    return _PLACES.get(name, len(_PLACES)), row


def with_field(name: str, text: str, t: Texts) -> str:
    """A sentence away from its field, with the field's name before it where it does not say it itself."""
    path = next((p for p in fields.LISTS if name.startswith(p + ".")), "")
    if text == t.gettext(_MISSING.get(name, "")) or name in ("files", "metadata_only"):
        return text
    label = fields.label(path or name)
    if label == name:
        return text
    if path:
        _place, row = place_of(name)
        return t.gettext("%(field)s, %(num)s: %(text)s") % {
            "field": t.gettext(label), "num": row + 1, "text": text,
        }  # fmt: skip
    return t.gettext("%(field)s: %(text)s") % {"field": t.gettext(label), "text": text}


def states_of(seen: Seen, values: Mapping[str, str], wrong: Iterable[str]) -> dict[str, str]:
    """How each section stands: `bad`, `ok`, `begun` where something is still missing, empty where nothing is there."""
    bad = {section_of(name) for name in wrong}
    missing = {section_of(f.field) for f in seen.problems}
    filled = {"access"} | {
        section_of(name)
        for name, text in values.items()
        if text and not is_formal(name) and name != "metadata.publisher"
    }
    if seen.view.file_count or seen.view.data.metadata_only:
        filled.add("files")

    def state(key: str) -> str:
        if key in bad:
            return "bad"
        return ("begun" if key in missing else "ok") if key in filled else ""

    return {key: state(key) for key, _title in SECTIONS}


def missing_of(seen: Seen, t: Texts) -> list[dict[str, str]]:
    return [
        {
            "section": section_of(f.field),
            "text": with_field(f.field, hint_of(f, t), t),
            "field": f.field,
        }
        for f in sorted(seen.problems, key=lambda f: place_of(f.field))
    ]
