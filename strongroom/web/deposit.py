"""The deposit form: begin, describe, bring files, look once more, publish (decision 0012).

One form that works without script; with `Accept: application/json` the same POST is the autosave. What is done is done by
the same verbs as at `/api/records/{id}/draft`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, quote

import orjson
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor, Level, level, may_edit, require_edit, shared_concepts
from strongroom.accounts import profiles
from strongroom.context import Context
from strongroom.db import Session
from strongroom.errors import (
    Conflict,
    Finding,
    Invalid,
    Locked,
    Malformed,
    NotFound,
    StrongroomError,
    TooLarge,
    Unauthenticated,
)
from strongroom.files import service as files
from strongroom.files import transfers
from strongroom.files.keys import safe_form_name
from strongroom.http import problems, upload
from strongroom.http.deps import actor_of, body_stream, context, if_match, in_thread, number
from strongroom.http.forms import FilePart, parse_form
from strongroom.ids import iso, today
from strongroom.metadata import checks, html, prefill, rdm
from strongroom.metadata import vocabularies as shipped
from strongroom.metadata.model import Metadata, RecordData
from strongroom.metadata.reading import UNPRINTABLE
from strongroom.records import drafts, queries, typed
from strongroom.records.publish import publish as publish_draft
from strongroom.records.views import DraftView
from strongroom.settings import Settings
from strongroom.vocabularies import service as vocabularies
from strongroom.web import fields, landing, words
from strongroom.web.answers import form_of, go, lang_of, page, viewer_of
from strongroom.web.findings import told, told_all, told_json
from strongroom.web.render import Texts, Viewer, render, static_url, texts
from strongroom.web.words import N_

T = TypeVar("T")

FILES_SHOWN: Final = 500
FIELDS_MAX: Final = 50_000
FORM_BYTES: Final = 8_000_000  # of a form without files: some thousand creators
GUESSES: Final = 6
GUESSED: Final = 20  # names that guesses are looked for: each is a search, on each view

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
_SCRIPTS: Final = ("deposit/form.js",)


# Who asks ------------------------------------------------------------------------------------------------------


def _user(session: Session, request: Request) -> Actor:
    actor = actor_of(session, request)
    if not actor.is_user:
        raise Unauthenticated()
    return actor


def _signed_in(session: Session, request: Request) -> Actor:
    actor = actor_of(session, request)
    if actor.via != "session":
        raise Unauthenticated()
    return actor


def _id(request: Request) -> int:
    return number(request.path_params["id"])


def _viewer(actor: Actor) -> Viewer:
    return viewer_of(actor) or Viewer(actor.user_id or 0, actor.name or actor.email, "")


async def _look(request: Request, work: Callable[[Session, Actor], T]) -> T:
    ctx = context(request)

    def inner() -> T:
        with ctx.db.read() as session:
            return work(session, _user(session, request))

    return await in_thread(request, inner)


async def _do(request: Request, work: Callable[[Session, Actor], T]) -> T:
    """`work` in a writing transaction; the form's mark (CSRF) lies in `request.state.csrf`."""
    ctx = context(request)

    def inner() -> T:
        with ctx.db.begin() as session:
            return work(session, _signed_in(session, request))

    return await in_thread(request, inner)


# The page ------------------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """A draft with all that its form shows."""

    view: DraftView
    beside: typed.Beside
    problems: list[Finding]  # what keeps it from being published, by names of fields
    unfinished: list[str]
    may_import: bool
    published: RecordData | None = None
    values: dict[str, str] = field(default_factory=dict)

    @property
    def wrong(self) -> dict[str, list[str]]:
        """What is filled in and wrong, by field."""
        found: dict[str, list[str]] = {}
        for f in self.problems:
            if checks.MISSING not in f.messages and f.field != "files":
                found.setdefault(f.field, []).extend(f.messages)
        return found


def _see(ctx: Context, session: Session, actor: Actor, draft_id: int) -> Seen | None:
    """The draft, for whoever may change it; None where nothing is open. Raises Forbidden."""
    view = drafts.view(session, actor, draft_id, most=FILES_SHOWN)
    if view is None:
        return None
    beside = typed.read(session, draft_id)
    published = queries.by_id(session, actor, draft_id, with_files=False).data if view.published else None
    unfinished = [] if view.published else transfers.unfinished(session, draft_id)
    own_doi = ctx.settings.doi(draft_id)
    values = fields.fill(view.data, beside.contact_email, own_doi)
    beside = replace(beside, typed=fields.placed(beside.typed, values))
    problems = [
        Finding.of(fields.field_of(f.field, view.data, values), *f.messages)
        for f in rdm.problems(view.data, today=today(), published=published)
    ]
    if view.file_count == 0 and not view.data.metadata_only:
        problems.insert(0, Finding.of("files", checks.MISSING, NO_FILES))
    elif view.file_count and view.data.metadata_only:
        problems.insert(0, Finding.of("metadata_only", BOTH))
    if unfinished:
        problems.insert(0, Finding.of("files", checks.MISSING, UNFINISHED))
    doi = (view.data.doi or "").lower()
    if (
        doi.startswith(ctx.settings.doi_prefix.lower() + "/")
        and not view.published
        and doi != own_doi.lower()
    ):
        problems.append(Finding.of("pids.doi.identifier", OUR_PREFIX))
    problems += [Finding.of(name, why) for name, why in fields.whys(beside.typed)]
    values |= beside.typed
    may_import = False
    if view.index > 1 and not view.published:
        bucket = drafts.readable_bucket(session, actor, draft_id)
        may_import = files.may_import(session, bucket, drafts.previous_version(session, bucket))
    return Seen(view, beside, problems, unfinished, may_import, published, values)


NO_FILES: Final = N_("Add at least one file, or say that there are none.")
BOTH: Final = N_("It has files, so it is not without: delete them, or take this mark away.")
UNFINISHED: Final = N_("A file has not arrived whole: choose it again, or delete it.")
OUR_PREFIX: Final = N_(
    "This DOI has this repository's own prefix, and is not this upload's: choose a new one."
)

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


def _words(finding: Finding, t: Texts) -> str:
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
    messages = finding.messages[1:] if len(finding.messages) > 1 else finding.messages
    return " ".join(told(m, t) for m in messages if m)


_SECTIONS: Final = (
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


def _formal(name: str) -> bool:
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


def _with_field(name: str, text: str, t: Texts) -> str:
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


def _missing(seen: Seen, t: Texts) -> list[dict[str, str]]:
    return [
        {
            "section": section_of(f.field),
            "text": _with_field(f.field, _words(f, t), t),
            "field": f.field,
        }
        for f in sorted(seen.problems, key=lambda f: place_of(f.field))
    ]


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


_KINDS: Final = (
    "persons", "roles", "title_types", "description_types", "languages", "relations", "schemes", "resource_types",
    "date_types",
)  # fmt: skip


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


def _types(t: Texts) -> list[dict[str, Any]]:
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


def _permits(t: Texts) -> Callable[[str], str]:
    def says(key: str) -> str:
        known = words.permits(key)
        return t.gettext(known) if known else ""

    return says


def _form_page(
    request: Request,
    actor: Actor,
    seen: Seen,
    *,
    values: Mapping[str, str] | None = None,
    errors: Mapping[str, Sequence[str]] | None = None,
    notes: Sequence[Mapping[str, Any]] = (),
    origins: Mapping[str, str] | None = None,
    more_rows: Sequence[str] = (),
    alarm: bool = False,
) -> bytes:
    """The form. `alarm` also shows beside the fields what is missing, and all of it on top."""
    ctx, lang = context(request), lang_of(request)
    t = texts(lang)
    view = seen.view
    v = dict(values if values is not None else seen.values)
    n = fields.counts(v)
    for path in more_rows:
        if path.endswith("!own"):
            path = path.removesuffix("!own")
            v[f"{path}.{n.get(path, 0)}.own"] = "1"
        n[path] = n.get(path, 0) + 1
    shown_errors: dict[str, list[str]] = {}
    for f in seen.problems:
        if alarm or (checks.MISSING not in f.messages and f.field != "files"):
            shown_errors.setdefault(f.field, []).append(_words(f, t))
    for name, said in (errors or {}).items():
        shown_errors.setdefault(name, []).extend(said)
    missing = _missing(seen, t)
    bad = {section_of(name) for name in shown_errors}
    filled = {
        section_of(name)
        for name, text in v.items()
        if text and not _formal(name) and name != "metadata.publisher"
    }
    if view.file_count:
        filled.add("files")
    filled.add("access")
    data = view.data
    first = data.default_preview
    keys = {f.key for f in view.files}
    return render(
        "deposit/form",
        lang=lang,
        settings=ctx.settings,
        viewer=_viewer(actor),
        next_url=f"/uploads/{view.id}",
        here="new",
        title=data.metadata.title,
        draft=view,
        v=v,
        n=n,
        errors=shown_errors,
        origins=dict(origins or {}),
        guessed=_guesses(ctx, seen.beside.typed),
        notes=notes,
        summary=[
            {"field": name, "text": _with_field(name, text, t)}
            for name, said in sorted(shown_errors.items(), key=lambda one: place_of(one[0]))
            for text in said
        ]
        if alarm or shown_errors
        else [],
        missing=missing,
        sections=[
            {
                "id": key,
                "title": t.gettext(title),
                "state": "bad" if key in bad else "ok" if key in filled else "",
            }
            for key, title in _SECTIONS
        ],
        opened=lambda key: key in bad or (key in filled and key in _FOLDED),
        bad_row=lambda p: any(name.startswith(p + ".") for name in shown_errors),
        options=options(lang),
        types=_types(t),
        choices=_choices(t),
        usual_licences=_usual(t),
        permits=_permits(t),
        permit_lines={start: t.gettext(says) for start, says in words.PERMITS.items()},
        editor=Markup(" data-editor"),
        related=Markup(" data-identifier"),
        files=[
            {
                "id": f.id,
                "key": f.key,
                "size": f.size,
                "md5": f.md5,
                "icon": landing.file_rows([f], ctx.settings, view.id, True)[-1].icon,
            }
            for f in view.files
        ],
        preview_shown=first in keys,
        unfinished=seen.unfinished,
        may_share=level(actor, view) >= Level.MANAGE,
        may_import=seen.may_import,
        prefillable=_prefillable(view),
        max_bytes=ctx.settings.quota_record_bytes,
        own_doi=ctx.settings.doi(view.id),
        reserved=bool(data.doi) and v.get("doi") == "new",
        visible=_visible(seen, t),
        visible_if={key: _seen_of(key, False, data.access.record == "restricted", t) for key in _CHOICES},
        dated=_seen_of("embargoed", True, data.access.record == "restricted", t),
        scripts=[static_url(s) for s in _SCRIPTS if _there(s)],
        static_url=static_url,
    )


_FOLDED: Final = frozenset(
    [
        "contributors",
        "references",
        "journal",
        "conference",
        "book",
        "thesis",
        "subjects",
        "locations",
        "dates",
    ]
)


@functools.cache
def _there(script: str) -> bool:
    try:
        static_url(script)
    except KeyError:
        return False
    return True


_CHOICES: Final = ("open", "embargoed", "restricted", "closed")


def _choices(t: Texts) -> list[tuple[str, str, str]]:
    _ = t.gettext
    return [
        ("open", _("Open"), _("Anyone, at once.")),
        ("embargoed", _("Embargoed"), _("Anyone, from a date you choose.")),
        ("restricted", _("Restricted"), _("People whose request you accept.")),
        ("closed", _("Closed"), _("Nobody. The page stays visible.")),
    ]


def _usual(t: Texts) -> list[tuple[str, str, str]]:
    found = [(key, shipped.licence(key), words.permits(key)) for key in _USUAL_LICENCES]
    return [(key, licence.title, t.gettext(says)) for key, licence, says in found if licence and says]


def _seen_of(choice: str, dated: bool, hidden: bool, t: Texts) -> str:
    """What others see of a record with this access. `dated`: its embargo ends on a day that can be; `hidden`: its page too."""
    _ = t.gettext
    if choice == "open":
        return _("The page, its description and its files are public at once.")
    if choice == "embargoed" and not dated:
        return _("Say when the files open: without a date after today it can't be published.")
    if hidden:
        return _("Nobody but you and those you share it with sees the page.")
    return {
        "embargoed": _(
            "The page and its description are public at once. The files open when the embargo ends."
        ),
        "restricted": _("The page and its description are public at once. You decide who gets the files."),
        "closed": _("The page and its description are public at once. Nobody gets the files."),
    }[choice]


def _sees(seen: Seen, choice: str, t: Texts) -> str:
    """`_seen_of` this draft with another choice, or its own."""
    data = seen.view.data
    if data.metadata_only and choice == "open":
        return t.gettext("The page and its description are public at once.")
    until = data.access.embargo_until
    if choice == "embargoed" and until is not None and until <= today() and seen.view.published:
        choice = "open"  # it has ended
    dated = until is not None and until > today() and "access.embargo.until" not in seen.beside.typed
    return _seen_of(choice, dated, data.access.record == "restricted", t)


def _visible(seen: Seen, t: Texts) -> str:
    """What others see of the draft once it is published."""
    return _sees(seen, seen.values.get("access.choice", "open"), t)


def _changed(seen: Seen, t: Texts) -> list[tuple[str, str, str]]:
    """What a correction changes: (field, as it was, as it will be), as a person reads them."""
    if seen.published is None:
        return []
    now_ = fields.fill(seen.view.data) | {f"{path}.@rows": "1" for path in fields.LISTS}
    found = fields.differences(now_, fields.fill(seen.published))
    return [(t.gettext(fields.label(d.name)), html.plain(d.theirs), html.plain(d.yours)) for d in found]


def _prefillable(view: DraftView) -> str:
    """The key of a file among the draft's own that a description can be filled in from; empty if there is none."""
    return next((f.key for f in view.files if prefill.format_of(f.key) and f.size <= prefill.MAX_BYTES), "")


def _guesses(ctx: Context, kept: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """For names of licences and languages that none has: those that come near, (id, title)."""
    found = {}
    asked_for = 0
    for name, text in kept.items():
        kind = "licenses" if name.startswith("metadata.rights.") else "languages"
        if not name.endswith(".title") or not name.startswith(("metadata.rights.", "metadata.languages.")):
            continue
        asked_for += 1
        if asked_for > GUESSED:
            break
        asked = vocabularies.Asked(kind, suggest=text[:100], size=GUESSES)
        near = vocabularies.search(ctx.db, ctx.vocabularies, asked).terms
        if near:
            found[name] = [(x.data["id"], x.data["title"].get("en", x.data["id"])) for x in near]
    return found


async def form_page(request: Request) -> Response:
    """GET /uploads/{id}: the deposit form of an open draft or edit; where nothing is open, one's record."""
    ctx, draft_id = context(request), _id(request)
    rows = [p for p in request.query_params.getlist("add")[:5] if re.fullmatch(r"[a-z_.0-9]+(!own)?", p)]

    def work(session: Session, actor: Actor) -> tuple[Actor, Seen] | str:
        seen = _see(ctx, session, actor, draft_id)
        if seen is None:
            try:
                mine = queries.by_id(session, actor, draft_id).may_edit
            except StrongroomError:
                mine = False
            if not mine:
                raise NotFound()
            return f"/records/{draft_id}"
        return actor, seen

    def whole() -> bytes | str:
        with ctx.db.read() as session:
            found = work(session, _user(session, request))
        if isinstance(found, str):
            return found
        actor, seen = found
        if not may_edit(actor, seen.view):  # who may only look, looks
            return landing.draft_preview(
                seen.view, settings=ctx.settings, lang=lang_of(request), viewer=_viewer(actor)
            )
        return _form_page(request, actor, seen, more_rows=rows)

    done = await in_thread(request, whole)
    return go(request, done) if isinstance(done, str) else page(done)


# What is sent ----------------------------------------------------------------------------------------------------

PREFILL_MAX: Final = 1_000_000


@dataclass
class Sent:
    """A form as it came: its fields, files in the store that have no name yet, a description to fill in from."""

    fields: dict[str, str] = field(default_factory=dict)
    came: list[tuple[upload.Pending, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    prefill: tuple[str, bytes] | None = None


def _plain(text: str) -> str:
    return UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\0", ""))


async def _sent(request: Request) -> Sent:
    """The form. Files go to the store while they come. Raises TooLarge, Malformed, and what access and quotas raise.

    Of a form that breaks off or is refused no bytes stay.
    """
    sent = Sent()
    try:
        await _receive(request, sent)
    except BaseException:
        await _forget(request, sent)
        raise
    return sent


async def _forget(request: Request, sent: Sent) -> None:
    """Give back the bytes that came and get no name."""
    while sent.came:
        came, _name = sent.came.pop()
        await upload.forget(request, came)


async def _receive(request: Request, sent: Sent) -> None:
    size = 0
    media = request.headers.get("content-type", "")

    def note(name: str, text: str) -> None:
        nonlocal size
        size += len(name) + len(text)
        if size > FORM_BYTES:
            raise TooLarge("The form is too large.")
        if name == "csrf":
            request.state.csrf = text
        sent.fields[name] = _plain(text)

    if media.lower().startswith("multipart/form-data"):
        await parse_form(
            body_stream(request),
            media,
            lambda part: _file(request, sent, part),
            max_field=1 << 20,
            max_fields=FIELDS_MAX,
            on_field=note,
        )
        return
    body = bytearray()
    async for chunk in body_stream(request):
        body += chunk
        if len(body) > FORM_BYTES:
            raise TooLarge("The form is too large.")

    def parse() -> None:
        text = body.decode("utf-8", "replace")
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
        except ValueError:
            raise TooLarge(f"A form may have {FIELDS_MAX} fields at most.") from None
        for name, text in pairs:
            note(name, text)

    await in_thread(request, parse)


async def _file(request: Request, sent: Sent, part: FilePart) -> None:
    if part.name == "prefill":
        body = bytearray()
        async for chunk in part.chunks:
            body += chunk
            if len(body) > PREFILL_MAX:
                raise TooLarge("A file with a description may have 1 MB at most.")
        sent.prefill = (part.filename, bytes(body))
    elif part.name == "files":
        try:
            came = await upload.accept(request, _id(request), None, part.chunks, size=None, digests={})
        except (TooLarge, Locked) as error:
            sent.refused.append(f"{part.filename}: {_told(error, request)}")
        else:
            sent.came.append((came, part.filename))
    # What else has a file is skipped.


async def _attach(request: Request, sent: Sent) -> None:
    """Give the bytes that came their names; those that can't have theirs are named in `refused`."""
    try:
        while sent.came:
            came, filename = sent.came.pop(0)
            try:
                name = safe_form_name(filename)
            except StrongroomError as error:
                await upload.forget(request, came)
                sent.refused.append(f"{filename}: {_told(error, request)}")
                continue
            try:
                await upload.attach(request, came, name)
            except (Invalid, TooLarge, Conflict) as error:
                sent.refused.append(f"{name}: {_told(error, request)}")
    except BaseException:
        await _forget(request, sent)
        raise


def _told(error: StrongroomError, request: Request) -> str:
    return " ".join(told_all(error, texts(lang_of(request))))


# Saving ------------------------------------------------------------------------------------------------------------


class _Conflict(Exception):
    """The draft was changed since the form was made: in another window where only this account (`own`) ever wrote to it."""

    def __init__(
        self, differences: list[fields.Difference], revision: int, theirs: dict[str, str], own: bool
    ) -> None:
        self.own = own
        self.differences = differences
        self.revision = revision
        self.theirs = theirs


def _revision(request: Request, form: Mapping[str, str]) -> int | None:
    given = if_match(request)
    if given is not None:
        return given
    text = form.get("revision", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _save(
    ctx: Context, session: Session, actor: Actor, draft_id: int, form: Mapping[str, str], revision: int | None
) -> fields.Said:
    """Keep what the form says. Raises _Conflict, NotFound, Forbidden, Invalid (an id outside its vocabulary)."""
    row = drafts.lock(session, actor, draft_id)
    before = RecordData.from_json(row.data)
    beside = typed.read(session, draft_id)
    own_doi = ctx.settings.doi(draft_id)
    if revision is not None and revision < (row.described or 0):
        theirs = fields.fill(before, beside.contact_email, own_doi)
        theirs |= fields.placed(beside.typed, theirs)
        differences = fields.differences(form, theirs)
        if differences:
            raise _Conflict(differences, row.revision, theirs, drafts.alone(session, actor, draft_id))
    said = fields.read(form, before, own_doi=own_doi)
    if row.published:
        said.body.pop("pids", None)
        said.body["files"]["enabled"] = not before.metadata_only
    loaded = rdm.load(said.body, today=today(), before=before)
    data = vocabularies.resolve(session, fields.finish(said, loaded.data))
    kept = {name: text for name, text in beside.typed.items() if not fields.has(form, name)} | said.typed
    contact = said.contact_email if said.contact_email != (beside.contact_email or "") else None
    if data != before:
        drafts.update_data(session, actor, draft_id, data, locked=row)
    elif kept != beside.typed or contact is not None:
        drafts.touch(session, actor, draft_id, "updated")
    if kept != beside.typed:
        typed.keep(session, draft_id, kept)
    if contact is not None:
        typed.set_contact(session, draft_id, contact)
    return said


_ROW: Final = re.compile(r"([a-z_.0-9]+)\.(\d{1,6})")


def _arrange(form: dict[str, str], verb: str, what: str) -> None:
    """Move or remove a row of the form before it is read."""
    found = _ROW.fullmatch(what)
    if found and verb in ("remove", "up", "down"):
        fields.arrange(form, found[1], int(found[2]), verb)


Handler = Callable[[Request], Awaitable[Response]]


def _told_as_asked(handler: Handler) -> Handler:
    """Errors as JSON where the script asked for JSON."""

    @functools.wraps(handler)
    async def inner(request: Request) -> Response:
        try:
            return await handler(request)
        except StrongroomError as error:
            if "json" not in request.headers.get("accept", ""):
                raise
            status = problems.status_of(error, context(request).settings)
            body = told_json(problems.as_json(error, status), texts(lang_of(request)))
            return Response(
                orjson.dumps(body), status, problems.headers_of(error), media_type="application/json"
            )

    return inner


@_told_as_asked
async def post(request: Request) -> Response:
    """POST /uploads/{id}: save the form, and do what its button says (`do`); as JSON it is the autosave."""
    ctx, draft_id = context(request), _id(request)
    sent = await _sent(request)
    form = sent.fields
    verb, _, what = form.get("do", "save").partition(":")
    wants_json = "json" in request.headers.get("accept", "")

    def look_up() -> None:
        with ctx.db.read() as session:
            _signed_in(session, request)
        fields.choose(form)
        _arrange(form, verb, what)
        if not wants_json:
            _resolve(ctx, form)

    try:
        revision = _revision(request, form)
        await in_thread(request, look_up)
        said = await _do(request, lambda session, actor: _save(ctx, session, actor, draft_id, form, revision))
    except _Conflict as conflict:
        await _attach(request, sent)
        return await _conflict(request, form, conflict, wants_json)
    except BaseException:
        await _forget(request, sent)
        raise
    await _attach(request, sent)
    if wants_json:
        return await _saved(request, said)
    try:
        return await _after(request, verb, what, form, sent)
    except (Invalid, TooLarge, Conflict, NotFound) as error:
        return await _again(
            request, 400, [{"kind": "bad", "icon": "alert", "text": _told(error, request), "items": []}]
        )


async def _saved(request: Request, said: fields.Said) -> Response:
    ctx, draft_id, t = context(request), _id(request), texts(lang_of(request))

    def work(session: Session, actor: Actor) -> bytes:
        seen = _see(ctx, session, actor, draft_id)
        if seen is None:
            raise NotFound()
        missing = [{**item, "field": said.place(item["field"])} for item in _missing(seen, t)]
        findings = [
            {"field": said.place(f.field), "message": _words(f, t)}
            for f in seen.problems
            if checks.MISSING not in f.messages and f.field != "files"
        ]
        return orjson.dumps(
            {
                "revision": seen.view.revision,
                "saved": iso(seen.view.updated),
                "findings": findings,
                "missing": missing,
                "visible": _visible(seen, t),
            }
        )

    return _json(await _look(request, work))


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, {"Cache-Control": "private, no-store"}, media_type="application/json")


async def _conflict(
    request: Request, form: Mapping[str, str], conflict: _Conflict, wants_json: bool
) -> Response:
    """Both texts of all that differs; nothing of either is lost."""
    t = texts(lang_of(request))
    labels = {d.name: t.gettext(fields.label(d.name)) for d in conflict.differences}
    if wants_json:
        shown = [
            {
                "field": d.name,
                "label": labels[d.name],
                "yours": d.yours,
                "theirs": d.theirs,
                "fields": d.fields,
            }
            for d in conflict.differences
        ]
        return _json(
            orjson.dumps({"differences": shown, "revision": conflict.revision, "yours": conflict.own}), 412
        )

    def work(session: Session, actor: Actor) -> bytes:
        return render(
            "deposit/conflict",
            lang=lang_of(request),
            settings=context(request).settings,
            viewer=_viewer(actor),
            next_url=f"/uploads/{_id(request)}",
            draft_id=_id(request),
            revision=conflict.revision,
            own=conflict.own,
            differences=[(d, labels[d.name]) for d in conflict.differences],
            yours=[(k, v) for k, v in form.items() if k not in ("csrf", "revision", "do")],
            theirs=[(k, v) for d in conflict.differences for k, v in d.fields.items()],
        )

    return page(await _look(request, work), 412)


async def _again(
    request: Request,
    status: int = 200,
    notes: Sequence[Mapping[str, Any]] = (),
    *,
    alarm: bool = False,
    origins: Mapping[str, str] | None = None,
) -> Response:
    """The form as it is now, with what there is to say."""
    ctx, draft_id = context(request), _id(request)

    def whole() -> bytes:
        with ctx.db.read() as session:
            actor = _user(session, request)
            seen = _see(ctx, session, actor, draft_id)
            if seen is None:
                raise NotFound()
        return _form_page(request, actor, seen, notes=notes, alarm=alarm, origins=origins)

    return page(await in_thread(request, whole), status)


async def _after(request: Request, verb: str, what: str, form: Mapping[str, str], sent: Sent) -> Response:
    """What the button says, now that the form is saved."""
    ctx, draft_id, t = context(request), _id(request), texts(lang_of(request))
    here = f"/uploads/{draft_id}"
    if sent.refused:
        text = t.gettext("Some files were not taken; all else is saved.")
        return await _again(
            request, 400, [{"kind": "bad", "icon": "alert", "text": text, "items": sent.refused}]
        )
    match verb:
        case "add" | "add-own":
            path = what if re.fullmatch(r"[a-z_.0-9]{1,100}", what) else ""
            mark = path + ("!own" if verb == "add-own" else "")
            anchor = ".".join(path.split(".")[:2])
            return go(request, f"{here}?add={quote(mark)}#{anchor}", 303)
        case "remove" | "up" | "down":
            return go(request, f"{here}#{what.rpartition('.')[0]}", 303)
        case "publish":
            ready = await _look(request, lambda session, actor: _is_ready(ctx, session, actor, draft_id))
            return go(request, f"{here}/publish", 303) if ready else await _again(request, 400, alarm=True)
        case "delete":
            return go(request, f"{here}/delete", 303)
        case "reserve":
            await _do(request, lambda session, actor: _reserve(ctx, session, actor, draft_id))
            return go(request, f"{here}#basics", 303)
        case "drop":
            await _do(request, lambda session, actor: drafts.drop_doi(session, actor, draft_id, ctx.settings))
            return go(request, f"{here}#basics", 303)
        case "upload":
            return go(request, f"{here}#files", 303)
        case "rename" | "delete-file" | "import-files":
            name = form.get(f"rename.{what}", "").strip()
            await _do(
                request,
                lambda session, actor: _file_verb(session, ctx.settings, actor, draft_id, verb, what, name),
            )
            return go(request, f"{here}#files", 303)
        case "prefill":
            return await _prefill_page(request, sent)
    return go(request, here, 303)


def _is_ready(ctx: Context, session: Session, actor: Actor, draft_id: int) -> bool:
    seen = _see(ctx, session, actor, draft_id)
    if seen is None:
        raise NotFound()
    return not seen.problems


def _reserve(ctx: Context, session: Session, actor: Actor, draft_id: int) -> None:
    row = drafts.lock(session, actor, draft_id)
    if not RecordData.from_json(row.data).doi:  # pressed twice, it is reserved once
        drafts.reserve_doi(session, actor, draft_id, ctx.settings)


def _file_verb(
    session: Session, settings: Settings, actor: Actor, draft_id: int, verb: str, file_id: str, name: str
) -> None:
    bucket = drafts.writable_bucket(session, actor, draft_id)
    if verb == "import-files":
        if files.import_beside(session, bucket, drafts.previous_version(session, bucket), settings):
            drafts.touch(session, actor, draft_id, "files-imported")
    elif verb == "rename":
        if not name:
            raise Invalid.at("files", "Write the new name of the file.")
        files.rename(session, bucket, file_id, name)
        drafts.touch(session, actor, draft_id, "file-renamed")
    else:
        files.delete_file(session, bucket, files.find_by_id(session, bucket, file_id).key)
        drafts.touch(session, actor, draft_id, "file-deleted")


# A description that is there already ----------------------------------------------------------------------------

# Where the form shows what `prefill.fill_in` names.
_FILLED: Final[Mapping[str, str]] = {
    "resource_type": "type",
    "subjects": "keywords",
    "references": "references.text",
    "locations": "metadata.locations.features",
    "access": "access.choice",
    "doi": "pids.doi.identifier",
}


def _described(request: Request, key: str) -> tuple[str, bytes]:
    """A file of the draft itself, whole. Raises NotFound, TooLarge, Forbidden."""
    ctx = context(request)
    with ctx.db.read() as session:
        actor = _signed_in(session, request)
        found = files.find(session, drafts.readable_bucket(session, actor, _id(request)), key)
    if found.size > prefill.MAX_BYTES:
        raise TooLarge("A file with a description may have 1 MB at most.")
    return found.key, b"".join(ctx.store.read(found.location, 0, found.size))


async def _prefill(request: Request, filename: str, body: bytes) -> tuple[list[str], list[str]]:
    """Fill what is empty from a description: (names of the form's fields, what was left out). Raises Invalid."""
    draft_id = _id(request)
    format = prefill.format_of(filename)
    if format is None:
        raise Invalid.at("prefill", NO_DESCRIPTION)
    try:
        found, left_out = await in_thread(request, lambda: format.read(body, today()))
    except Malformed as error:
        raise Invalid.at("prefill", f"{filename}: {error.message}") from None

    def work(session: Session, actor: Actor) -> list[str]:
        row = drafts.lock(session, actor, draft_id)
        before = RecordData.from_json(row.data)
        after, names = prefill.fill_in(before, found)
        if row.published and "doi" in names:
            after.doi = before.doi
        if names:
            drafts.update_data(session, actor, draft_id, vocabularies.resolve(session, after), locked=row)
        return names

    names = await _do(request, work)
    return [_FILLED.get(name, f"metadata.{name}") for name in names if name != "custom"] + [
        f"custom_fields.{group}" for group in found.metadata.custom if "custom" in names
    ], left_out


NO_DESCRIPTION: Final = N_("Choose a file named CITATION.cff or .zenodo.json.")


async def _prefill_page(request: Request, sent: Sent) -> Response:
    t = texts(lang_of(request))
    if sent.prefill is not None:
        filename, body = sent.prefill
    else:
        key = sent.fields.get("prefill.key", "")
        if not key:
            raise Invalid.at("prefill", NO_DESCRIPTION)
        filename, body = await in_thread(request, _described, request, key)
    names, left_out = await _prefill(request, filename, body)
    base = filename.rpartition("/")[2]
    text = (
        t.gettext("Filled in from %(name)s: look at what is marked.") % {"name": base}
        if names
        else t.gettext("Nothing was filled in from %(name)s: what it says is said already.") % {"name": base}
    )
    note = {
        "kind": "good" if names else "info",
        "icon": "check" if names else "info",
        "text": text,
        "items": [told(line, t) for line in left_out],
    }
    return await _again(request, 200, [note], origins=dict.fromkeys(names, base))


@_told_as_asked
async def prefilled(request: Request) -> Response:
    """POST /uploads/{id}/prefill: fill in from a file of the draft (`key`) or one sent along (`prefill`); as JSON, what was filled."""
    sent = await _sent(request)
    await _forget(request, sent)  # files of the whole form come along, and are not asked for here
    if sent.prefill is None:
        sent.fields["prefill.key"] = sent.fields.get("key", "")
    await _do(request, lambda session, actor: drafts.lock(session, actor, _id(request)).id)
    if "json" not in request.headers.get("accept", ""):
        try:
            return await _prefill_page(request, sent)
        except (Invalid, TooLarge) as error:
            return await _again(
                request, 400, [{"kind": "bad", "icon": "alert", "text": _told(error, request), "items": []}]
            )
    try:
        given = sent.prefill
        if given is None:
            given = await in_thread(request, _described, request, sent.fields["prefill.key"])
        filename, body = given
        names, left_out = await _prefill(request, filename, body)
    except (Invalid, TooLarge) as error:
        return _json(orjson.dumps({"message": _told(error, request)}), 400)

    def revision(session: Session, actor: Actor) -> int:
        view = drafts.view(session, actor, _id(request), most=1)
        return view.revision if view is not None else 0

    base = filename.rpartition("/")[2]
    return _json(
        orjson.dumps(
            {
                "revision": await _look(request, revision),
                "source": base,
                "filled": [{"field": name, "source": base} for name in names],
                "left_out": [told(line, texts(lang_of(request))) for line in left_out],
            }
        )
    )


# Names that people type --------------------------------------------------------------------------------------------

LOOKUPS: Final = 30
_ROR: Final = re.compile(r"(?:https?://)?(?:ror\.org/)?(0[a-hj-km-np-tv-z|0-9]{6}[0-9]{2})", re.I)


def _resolve(ctx: Context, form: dict[str, str]) -> None:
    """Without script: give typed names of organisations, funders and awards their ids, where one has exactly this name."""
    asked = 0
    for name in list(form):
        text = form[name].strip()
        if not text:
            continue
        if re.search(r"\.affiliations\.\d+\.name$", name):
            kind, start = "affiliations", name.removesuffix("name")
        elif name.endswith(".funder.name"):
            kind, start = "funders", name.removesuffix("name")
        elif name.endswith(".award.title") and not form.get(name.removesuffix("title") + "number"):
            kind, start = "awards", name.removesuffix("title")
        else:
            continue
        if form.get(f"{start}id") and form.get(f"{start}@was") in (
            "",
            None,
            fields.was(form[f"{start}id"], text),
        ):
            continue
        if kind != "awards" and (ror := _ROR.fullmatch(text)):
            form[f"{start}id"], form[f"{start}@was"] = ror[1].lower(), ""
            form[name] = ror[1].lower()
            continue
        asked += 1
        if asked > LOOKUPS:
            return
        if found := _exactly(ctx, kind, text):
            form[f"{start}id"], form[f"{start}@was"] = found, ""
            if kind == "awards":  # the acronym, say: the vocabulary has the title of this number
                form[name], form[f"{start}number"] = "", found.partition("::")[2]
            else:  # the name is the vocabulary's
                form[name] = found


def _exactly(ctx: Context, kind: str, text: str) -> str | None:
    """The id of the one term with this name or acronym."""
    found = vocabularies.search(
        ctx.db, ctx.vocabularies, vocabularies.Asked(kind, suggest=text[:200], size=5)
    ).terms
    wanted = " ".join(text.split()).casefold()
    same = [
        x.data["id"]
        for x in found
        if wanted
        in {
            str(n).casefold()
            for n in (x.data.get("name"), x.data.get("acronym"), *(x.data.get("title") or {}).values())
            if n
        }
    ]
    return str(same[0]) if len(same) == 1 else None


# Begin, publish, give up -------------------------------------------------------------------------------------------


async def new(request: Request) -> Response:
    """GET /uploads/new: what a deposit takes, and the button that begins one."""

    def work(session: Session, actor: Actor) -> bytes:
        return render(
            "deposit/new",
            lang=lang_of(request),
            settings=context(request).settings,
            viewer=_viewer(actor),
            next_url="/uploads/new",
            here="new",
            person=profiles.as_creator(session, actor),
        )

    return page(await _look(request, work))


async def create(request: Request) -> Response:
    """POST /uploads: begin a deposit; the account's owner is its first creator unless that is not wished."""
    ctx, sent = context(request), await form_of(request)
    request.state.csrf = sent.get("csrf", "")

    def work(session: Session, actor: Actor) -> int:
        person = profiles.as_creator(session, actor) if sent.get("me") == "1" else None
        metadata = Metadata(publication_date=today().isoformat(), creators=[person] if person else [])
        return drafts.create(session, ctx.db, actor, RecordData(metadata=metadata))

    made = await _do(request, work)
    return go(request, f"/uploads/{made}", 303)


async def _begin(request: Request, work: Callable[[Session, Actor], int]) -> Response:
    request.state.csrf = (await form_of(request)).get("csrf", "")
    made = await _do(request, work)
    return go(request, f"/uploads/{made}", 303)


async def edit(request: Request) -> Response:
    """POST /records/{id}/edit: open a record's description for correction, and show the form."""
    return await _begin(request, lambda session, actor: drafts.edit(session, actor, _id(request)))


async def new_version(request: Request) -> Response:
    """POST /records/{id}/new-version: begin the next version, and show the form; its files can be imported."""
    ctx = context(request)
    return await _begin(
        request,
        lambda session, actor: drafts.new_version(session, ctx.db, actor, _id(request), with_files=False),
    )


def _open(ctx: Context, session: Session, actor: Actor, draft_id: int) -> Seen:
    seen = _see(ctx, session, actor, draft_id)
    if seen is None:
        raise NotFound()
    require_edit(actor, seen.view)
    return seen


def _asked(request: Request, template: str, seen: Seen, actor: Actor) -> bytes:
    t, view = texts(lang_of(request)), seen.view
    settings = context(request).settings
    return render(
        template,
        lang=lang_of(request),
        settings=settings,
        viewer=_viewer(actor),
        next_url=f"/uploads/{view.id}",
        draft=view,
        metadata=view.data.metadata,
        doi=view.doi or settings.doi(view.id),
        visible=_visible(seen, t),
        changed=_changed(seen, t) if template == "deposit/publish" else [],
        until=view.data.access.embargo_until,
        status=view.data.access.status(today(), view.file_count > 0),
    )


async def look_again(request: Request) -> Response:
    """GET /uploads/{id}/publish: a last look at what can't be changed later; where something is missing, the form."""
    ctx = context(request)

    def work(session: Session, actor: Actor) -> tuple[bytes | None, Actor]:
        seen = _open(ctx, session, actor, _id(request))
        return (None if seen.problems else _asked(request, "deposit/publish", seen, actor)), actor

    body, _actor = await _look(request, work)
    return await _again(request, 400, alarm=True) if body is None else page(body)


async def publish(request: Request) -> Response:
    """POST /uploads/{id}/publish: publish the draft or the edit, then on to the record's page."""
    ctx, draft_id = context(request), _id(request)
    request.state.csrf = (await form_of(request)).get("csrf", "")

    def work(session: Session, actor: Actor) -> None:
        drafts.lock(session, actor, draft_id)
        if fields.whys(typed.read(session, draft_id).typed):
            raise Invalid()
        publish_draft(session, ctx.settings, actor, draft_id)

    try:
        await _do(request, work)
    except Invalid as error:
        t = texts(lang_of(request))
        notes = [
            {"kind": "bad", "icon": "alert", "text": " ".join(told(m, t) for m in f.messages), "items": []}
            for f in error.findings
            if f.field in ("metadata.doi", "files.enabled")
        ]
        return await _again(request, 400, notes, alarm=True)
    request.app.state.wake()
    return go(request, f"/records/{draft_id}", 303)


async def preview(request: Request) -> Response:
    """GET /uploads/{id}/preview: the record's page as it will be; who came by a share link needs no account."""
    ctx, lang = context(request), lang_of(request)

    def work() -> bytes:
        with ctx.db.read() as session:
            actor = actor_of(session, request)
            if not actor.is_user and not shared_concepts(actor, Level.PREVIEW):
                raise Unauthenticated()
            view = drafts.view(session, actor, _id(request), most=FILES_SHOWN)
            if view is None:
                raise NotFound()
            by_link = not actor.is_user
            viewer = None if by_link else _viewer(actor)
            return landing.draft_preview(
                view, settings=ctx.settings, lang=lang, viewer=viewer, by_link=by_link
            )

    return page(await in_thread(request, work))


async def ask_delete(request: Request) -> Response:
    """GET /uploads/{id}/delete: ask whether a draft is to be deleted, or a correction discarded."""
    ctx = context(request)
    return page(
        await _look(
            request,
            lambda session, actor: _asked(
                request, "deposit/delete", _open(ctx, session, actor, _id(request)), actor
            ),
        )
    )


async def delete(request: Request) -> Response:
    """POST /uploads/{id}/delete: delete a draft with its files, or discard a correction."""
    request.state.csrf = (await form_of(request)).get("csrf", "")
    was_edit = await _do(request, lambda session, actor: drafts.discard(session, actor, _id(request)))
    return go(request, f"/records/{_id(request)}" if was_edit else "/me/uploads", 303)


PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/uploads/new", new),
    ("POST", "/uploads", create),
    ("GET", "/uploads/{id}", form_page),
    ("POST", "/uploads/{id}", post),
    ("GET", "/uploads/{id}/preview", preview),
    ("POST", "/uploads/{id}/prefill", prefilled),
    ("GET", "/uploads/{id}/publish", look_again),
    ("POST", "/uploads/{id}/publish", publish),
    ("GET", "/uploads/{id}/delete", ask_delete),
    ("POST", "/uploads/{id}/delete", delete),
    ("POST", "/records/{id}/edit", edit),
    ("POST", "/records/{id}/new-version", new_version),
]
