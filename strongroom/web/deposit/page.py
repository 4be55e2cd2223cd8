"""The form as a page."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor, Level, level
from strongroom.context import Context
from strongroom.errors import (
    NotFound,
)
from strongroom.http.deps import context, in_thread
from strongroom.metadata import checks, prefill
from strongroom.metadata.vocabularies import language_title
from strongroom.records.views import DraftView
from strongroom.vocabularies import service as vocabularies
from strongroom.web import fields, landing, words
from strongroom.web.answers import lang_of, own_page
from strongroom.web.deposit.access import seen_of, visible_of
from strongroom.web.deposit.asking import as_viewer, id_of, user_of
from strongroom.web.deposit.missing import (
    SECTIONS,
    hint_of,
    missing_of,
    place_of,
    states_of,
    with_field,
)
from strongroom.web.deposit.options import CHOICES, choices_of, options, permits_of, types_of, usual_licences
from strongroom.web.deposit.seen import Seen, see
from strongroom.web.render import render, static_url, texts

_SCRIPTS: Final = ("deposit/form.js",)
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
GUESSES: Final = 6
GUESSED: Final = 20  # names that guesses are looked for: each is a search, on each view


def form_html(
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
    for row in (f"metadata.languages.{i}" for i in range(n.get("metadata.languages", 0))):
        if (key := v.get(f"{row}.id")) and v.get(f"{row}.title") == language_title(key):
            v[f"{row}.title"] = t.language_name(key)
            v[f"{row}.@was"] = fields.was(key, v[f"{row}.title"])
    for path in more_rows:
        if path.endswith("!own"):
            path = path.removesuffix("!own")
            v[f"{path}.{n.get(path, 0)}.own"] = "1"
        n[path] = n.get(path, 0) + 1
    shown_errors: dict[str, list[str]] = {}
    for f in seen.problems:
        if alarm or (checks.MISSING not in f.messages and f.field != "files"):
            shown_errors.setdefault(f.field, []).append(hint_of(f, t))
    for name, said in (errors or {}).items():
        shown_errors.setdefault(name, []).extend(said)
    missing = missing_of(seen, t)
    states = states_of(seen, v, shown_errors)
    data = view.data
    first = data.default_preview
    keys = {f.key for f in view.files}
    return render(
        "deposit/form",
        lang=lang,
        settings=ctx.settings,
        viewer=as_viewer(actor),
        next_url=f"/uploads/{view.id}",
        here="new",
        title=data.metadata.title,
        draft=view,
        v=v,
        n=n,
        errors=shown_errors,
        origins=dict(origins or {}),
        guessed=_guesses(ctx, seen.beside.typed, lang),
        notes=notes,
        summary=[
            {"field": name, "text": with_field(name, text, t)}
            for name, said in sorted(shown_errors.items(), key=lambda one: place_of(one[0]))
            for text in said
        ]
        if alarm or shown_errors
        else [],
        missing=missing,
        sections=[{"id": key, "title": t.gettext(title), "state": states[key]} for key, title in SECTIONS],
        opened=lambda key: states[key] == "bad" or (states[key] and key in _FOLDED),
        bad_row=lambda p: any(name.startswith(p + ".") for name in shown_errors),
        options=options(lang),
        types=types_of(t),
        choices=choices_of(t),
        usual_licences=usual_licences(t),
        permits=permits_of(t),
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
        visible=visible_of(seen, t),
        visible_if={key: seen_of(key, False, data.access.record == "restricted", t) for key in CHOICES},
        dated=seen_of("embargoed", True, data.access.record == "restricted", t),
        scripts=[static_url(s) for s in _SCRIPTS if _there(s)],
        static_url=static_url,
    )


@functools.cache
def _there(script: str) -> bool:
    try:
        static_url(script)
    except KeyError:
        return False
    return True


def _guesses(ctx: Context, kept: Mapping[str, str], lang: str) -> dict[str, list[tuple[str, str]]]:
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
            found[name] = [(x.data["id"], x.data["title"].get(lang) or x.data["title"]["en"]) for x in near]
    return found


def _prefillable(view: DraftView) -> str:
    """The key of a file among the draft's own that a description can be filled in from; empty if there is none."""
    return next((f.key for f in view.files if prefill.format_of(f.key) and f.size <= prefill.MAX_BYTES), "")


async def show_again(
    request: Request,
    status: int = 200,
    notes: Sequence[Mapping[str, Any]] = (),
    *,
    alarm: bool = False,
    origins: Mapping[str, str] | None = None,
) -> Response:
    """The form as it is now, with what there is to say."""
    ctx, draft_id = context(request), id_of(request)

    def whole() -> bytes:
        with ctx.db.read() as session:
            actor = user_of(session, request)
            seen = see(ctx, session, actor, draft_id)
            if seen is None:
                raise NotFound()
        return form_html(request, actor, seen, notes=notes, alarm=alarm, origins=origins)

    return own_page(await in_thread(request, whole), status)
