"""What can be chosen: the options of selects, upload types, licences, kinds of access."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from markupsafe import Markup, escape

from strongroom.metadata import vocabularies as shipped
from strongroom.web import words
from strongroom.web.render import Texts, texts

# Icon of each upload type that has a button, and whether it has kinds.
_TYPE_ICONS: Final = {
    "dataset": "table", "publication": "pub", "software": "software", "poster": "poster", "presentation": "slides",
    "image": "image", "video": "video", "audio": "video", "lesson": "lesson", "physicalobject": "object",
    "workflow": "flow", "model": "braces", "event": "people", "other": "other",
}  # fmt: skip
_USUAL_LICENCES: Final = (
    "cc-by-4.0", "cc-by-sa-4.0", "cc0-1.0", "cc-by-nc-4.0", "odbl-1.0", "mit", "apache-2.0", "bsd-3-clause",
    "gpl-3.0-or-later", "agpl-3.0-or-later", "lgpl-3.0-or-later", "mpl-2.0",
)  # fmt: skip
_SCHEMES: Final = (
    "doi", "url", "arxiv", "isbn", "issn", "pmid", "pmcid", "handle", "ark", "urn", "ean13", "igsn", "lsid", "swh",
    "purl", "ads", "eissn", "istc", "lissn", "upc", "w3id",
)  # fmt: skip
_KINDS: Final = (
    "persons", "roles", "title_types", "description_types", "languages", "relations", "schemes", "resource_types",
    "date_types",
)  # fmt: skip
CHOICES: Final = ("open", "embargoed", "restricted", "closed")


class Options:
    """The options of selects, made once a language and kind."""

    def __init__(self, t: Texts) -> None:
        self._made = {kind: list(_options(kind, t)) for kind in _KINDS}
        self._ids = {kind: {key for key, _ in made} for kind, made in self._made.items()}
        self._html = {kind: "".join(_option(*o) for o in made) for kind, made in self._made.items()}

    def __call__(self, kind: str, chosen: str) -> Markup:
        whole = self._html[kind]
        if not chosen:
            return Markup(whole)
        if chosen not in self._ids[kind]:
            return Markup(whole + _option(chosen, chosen).replace(">", " selected>", 1))
        start = f'<option value="{escape(chosen)}"'
        return Markup(whole.replace(f"{start}>", f"{start} selected>", 1))


def _option(key: str, title: str) -> str:
    return f'<option value="{escape(key)}">{escape(title)}</option>'


def _options(kind: str, t: Texts) -> list[tuple[str, str]]:
    _ = t.gettext
    none = ("", _("Not said"))
    match kind:
        case "persons":
            return [("personal", _("Person")), ("organizational", _("Organisation"))]
        case "roles":
            return [none, *((k, words.role(k, _)) for k in shipped.roles())]
        case "title_types":
            return [none, *((k, words.title_type(k, _)) for k in shipped.title_types())]
        case "description_types":
            return [none, *((k, words.description_type(k, _)) for k in shipped.description_types())]
        case "languages":
            known = [k for k in shipped.entries("languages") if shipped.language_tag(k) != k]
            return [none, *sorted(((k, t.language_name(k)) for k in known), key=lambda o: o[1].casefold())]
        case "relations":
            return [none, *((k, words.relation(k, _)) for k in shipped.relations())]
        case "schemes":
            return [("", _("Found by itself")), *((k, k.upper() if len(k) < 6 else k) for k in _SCHEMES)]
        case "date_types":
            return [none, *((k, words.date_type(k, _)) for k in shipped.date_types())]
        case _:
            return [none, *((k, _type_title(k, t)) for k in shipped.resource_types())]


def _type_title(key: str, t: Texts) -> str:
    kind = shipped.resource_types()[key]
    title = words.resource_type(key, t.gettext)
    return f"{words.resource_type(kind.type, t.gettext)}: {title}" if kind.subtype else title


@functools.lru_cache(maxsize=4)
def options(language: str) -> Options:
    """The options of all selects in a language."""
    return Options(texts(language))


def types_of(t: Texts) -> list[dict[str, Any]]:
    """The upload types that have a button, each with its kinds."""
    kinds = shipped.resource_types()
    shown = []
    for key, icon in _TYPE_ICONS.items():
        below = [
            (k, words.resource_type(k, t.gettext)) for k, v in kinds.items() if v.type == key and v.subtype
        ]
        if below:
            below.insert(0, (key, t.gettext("Not said")))
        shown.append({"id": key, "icon": icon, "title": words.resource_type(key, t.gettext), "kinds": below})
    return shown


def permits_of(t: Texts) -> Callable[[str], str]:
    def says(key: str) -> str:
        known = words.permits(key)
        return t.gettext(known) if known else ""

    return says


def choices_of(t: Texts) -> list[tuple[str, str, str]]:
    _ = t.gettext
    return [
        ("open", _("Open"), _("Anyone, at once.")),
        ("embargoed", _("Embargoed"), _("Anyone, from a date you choose.")),
        ("restricted", _("Restricted"), _("People whose request you accept.")),
        ("closed", _("Closed"), _("Nobody. The page stays visible.")),
    ]


def usual_licences(t: Texts) -> list[tuple[str, str, str]]:
    found = [(key, shipped.licence(key), words.permits(key)) for key in _USUAL_LICENCES]
    return [(key, licence.title, t.gettext(says)) for key, licence, says in found if licence and says]
