"""The citation shown on the page, in the style of the APA (7th edition, chapters 9 and 10).

Written by hand because the page needs it within microseconds; other styles come from CSL later.
The style's words ("Data set", "Version") are English, as the style is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strongroom.metadata.exports.names import initials, parts
from strongroom.metadata.exports.record import ExportRecord
from strongroom.metadata.model import Person

STYLE = "APA"

_LABELS = {
    "dataset": "Data set",
    "software": "Computer software",
    "software-computationalnotebook": "Computational notebook",
    "poster": "Poster",
    "presentation": "Presentation",
    "image": "Image",
    "image-figure": "Figure",
    "image-plot": "Plot",
    "image-drawing": "Drawing",
    "image-diagram": "Diagram",
    "image-photo": "Photograph",
    "video": "Video",
    "audio": "Audio",
    "lesson": "Lesson",
    "model": "Model",
    "workflow": "Workflow",
    "physicalobject": "Physical object",
    "publication-dissertation": "Thesis",
    "publication-thesis": "Thesis",
    "publication-preprint": "Preprint",
    "publication-datamanagementplan": "Data management plan",
}


@dataclass(frozen=True, slots=True)
class Citation:
    """A citation in five parts, so that pages can set the title (or the journal) in italics and link the end."""

    before: str
    title: str
    middle: str
    journal: str
    after: str
    link: str

    @property
    def text(self) -> str:
        return f"{self.before}{self.title}{self.middle}{self.journal}{self.after}{self.link}"


def _name(person: Person) -> str:
    family, given = parts(person)
    letters = initials(given)
    return f"{family}, {letters}" if letters else family


def authors(people: list[Person]) -> str:
    """Up to 20 names, the last after an ampersand; of more, the first 19, dots and the last (APA 9.8)."""
    names = [
        name
        for person in (people if len(people) <= 20 else [*people[:19], people[-1]])
        if (name := _name(person))
    ]
    if len(people) > 20:
        return f"{', '.join(names[:-1])}, … {names[-1]}"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])}, & {names[-1]}"


def _sentence(text: str) -> str:
    """`text` with a full stop, unless it ends in a mark of its own."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _version(label: str | None) -> str:
    if not label:
        return ""
    if label[:1] in "vV" and label[1:2].isdigit():
        label = label[1:]
    return f" ({label})" if label.lower().startswith("version") else f" (Version {label})"


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def apa(record: ExportRecord, withdrawn: bool = False) -> Citation:
    """The citation of one version. An article with a journal is cited as the journal's article."""
    metadata = record.data.metadata
    who = authors(metadata.creators)
    year = (metadata.publication_date or "").partition("-")[0].partition("/")[0] or "n.d."
    title = metadata.title.strip()
    # Without creators the title moves to the front (APA 9.12).
    before = f"{_sentence(who)} ({year}). " if who else ""
    link = record.doi_url or record.url
    journal = metadata.custom.get("journal:journal") or {}
    if metadata.resource_type == "publication-article" and _text(journal.get("title")) and not withdrawn:
        numbers = ""
        if volume := _text(journal.get("volume")):
            numbers += f", {volume}"
        if issue := _text(journal.get("issue")):
            numbers += f"({issue})" if volume else f", ({issue})"
        if pages := _text(journal.get("pages")):
            numbers += f", {pages}"
        middle = "" if title.endswith((".", "?", "!")) else "."
        return Citation(
            before,
            title,
            f"{middle} " if who else f"{middle} ({year}). ",
            _text(journal.get("title")),
            f"{numbers}. ",
            link,
        )
    label = _LABELS.get(metadata.resource_type or "", "")
    if withdrawn:
        label = f"{label}, withdrawn" if label else "Withdrawn"
    middle = _version(metadata.version) + (f" [{label}]" if label else "")
    if not middle and title.endswith((".", "?", "!")):
        middle = " "
    else:
        middle += ". "
    if not who:
        middle += f"({year}). "
    return Citation(before, title, middle, "", f"{_sentence(record.publisher)} ", link)
