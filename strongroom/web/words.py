"""The words of vocabularies on pages, in the reader's language.

The ids and the English words come from `metadata.vocabularies`; `extract_terms` puts the words into the
catalogue (`make texts`), each with its vocabulary as context: "Other" is one word for a title and another for a role.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import lru_cache
from typing import IO, Any, Final, Protocol

from strongroom.metadata import vocabularies


def N_(text: str) -> str:
    """Marks a text for the catalogue; whoever shows it translates it."""
    return text


_NOTES: Final = N_("Notes")


class _Titled(Protocol):
    @property
    def title(self) -> str: ...


_VOCABULARIES: Final[Mapping[str, Callable[[], Mapping[str, _Titled]]]] = {
    "resource type": vocabularies.resource_types,
    "relation": vocabularies.relations,
    "role": vocabularies.roles,
    "date": vocabularies.date_types,
    "description": vocabularies.description_types,
    "title": vocabularies.title_types,
    "reason for withdrawal": vocabularies.removal_reasons,
}


def _title(context: str, id: str | None, gettext: Callable[[str], str]) -> str:
    """The title of a term of the vocabulary `context`; an id that the vocabulary does not know is shown as it is."""
    if not id:
        return ""
    term = _VOCABULARIES[context]().get(id)
    if term is None:
        return id
    key = f"{context}\x04{term.title}"  # how a catalogue keeps a text with its context, as pgettext reads it
    said = gettext(key)
    return term.title if said == key else said


def resource_type(id: str | None, gettext: Callable[[str], str]) -> str:
    return _title("resource type", id, gettext)


def relation(id: str, gettext: Callable[[str], str]) -> str:
    return _title("relation", id, gettext)


def role(id: str | None, gettext: Callable[[str], str]) -> str:
    return _title("role", id, gettext)


def date_type(id: str, gettext: Callable[[str], str]) -> str:
    return _title("date", id, gettext)


def description_type(id: str, gettext: Callable[[str], str]) -> str:
    if id == "notes":  # in use by Zenodo, and in no vocabulary
        return gettext(_NOTES)
    return _title("description", id, gettext)


def title_type(id: str | None, gettext: Callable[[str], str]) -> str:
    return _title("title", id, gettext)


def removal_reason(id: str | None, gettext: Callable[[str], str]) -> str:
    return _title("reason for withdrawal", id, gettext)


def extract_terms(
    file: IO[bytes], keywords: Any, comment_tags: Any, options: Any
) -> Generator[tuple[int, str, tuple[str, str], list[str]], None, None]:
    """Babel extractor for `metadata/data/terms.json`: the titles that the functions above show."""
    for context, vocabulary in _VOCABULARIES.items():
        for term in vocabulary().values():
            yield 1, "pgettext", (context, term.title), []


# Who may see the files.
STATUSES: Final[dict[str, str]] = {
    "open": N_("Open"),
    "embargoed": N_("Embargoed"),
    "restricted": N_("Restricted"),
    "metadata-only": N_("Metadata only"),
}
STATUS_ICONS: Final[dict[str, str]] = {
    "open": "open",
    "embargoed": "clock",
    "restricted": "lock",
    "metadata-only": "minus",
}

# What a licence permits, by the beginning of its id; the longest that fits counts.
PERMITS: Final[dict[str, str]] = {
    "cc-by-": N_("Use and share it for any purpose, if you name the creators."),
    "cc-by-sa-": N_(
        "Use and share it for any purpose, if you name the creators and give your version the same licence."
    ),
    "cc-by-nd-": N_("Share it unchanged for any purpose, if you name the creators."),
    "cc-by-nc-": N_("Use and share it for purposes that are not commercial, if you name the creators."),
    "cc-by-nc-sa-": N_(
        "Use and share it for purposes that are not commercial, if you name the creators and give your version the same licence."
    ),
    "cc-by-nc-nd-": N_("Share it unchanged for purposes that are not commercial, if you name the creators."),
    "cc0-": N_("Use it for any purpose, without condition. Citing it is good practice."),
    "cc-zero": N_("Use it for any purpose, without condition. Citing it is good practice."),
    "pddl-": N_("Use it for any purpose, without condition. Citing it is good practice."),
    "odc-by-": N_("Use and share it for any purpose, if you name the source."),
    "odbl-": N_("Use and share it for any purpose, if you name the source and share your version likewise."),
    "mit": N_("Use, change and share it for any purpose, if you keep the licence text."),
    "bsd-": N_("Use, change and share it for any purpose, if you keep the licence text."),
    "isc": N_("Use, change and share it for any purpose, if you keep the licence text."),
    "apache-": N_(
        "Use, change and share it for any purpose, if you keep the licence text and say what you changed."
    ),
    "gpl-": N_("Use, change and share it, if your version is under the same licence with its source."),
    "agpl-": N_(
        "Use, change and share it, if your version is under the same licence with its source, also when it only runs on a server."
    ),
    "lgpl-": N_("Use it in any program; changes to it stay under the same licence with their source."),
    "mpl-": N_("Use it in any program; changes to its files stay under the same licence with their source."),
}


@lru_cache(maxsize=512)
def permits(licence: str | None) -> str | None:
    """What a licence permits, in one English sentence to be translated; None for one that is not listed."""
    if not licence:
        return None
    found = max((p for p in PERMITS if licence.startswith(p)), key=len, default=None)
    return PERMITS[found] if found else None
