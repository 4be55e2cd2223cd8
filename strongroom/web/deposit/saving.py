"""Keeping what a form says; where another wrote meanwhile, both texts are shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor
from strongroom.context import Context
from strongroom.db import Session
from strongroom.errors import (
    NotFound,
)
from strongroom.http.deps import context, if_match
from strongroom.ids import iso, today
from strongroom.metadata import checks, identifiers, rdm
from strongroom.metadata.model import RecordData
from strongroom.records import drafts, typed
from strongroom.vocabularies import service as vocabularies
from strongroom.web import fields
from strongroom.web.answers import lang_of, page
from strongroom.web.deposit.access import visible_of
from strongroom.web.deposit.asking import as_json, as_viewer, id_of, look
from strongroom.web.deposit.missing import hint_of, missing_of, states_of
from strongroom.web.deposit.seen import see
from strongroom.web.render import render, texts


class WrittenMeanwhile(Exception):
    """The draft was changed since the form was made: in another window where only this account (`own`) ever wrote to it."""

    def __init__(
        self, differences: list[fields.Difference], revision: int, theirs: dict[str, str], own: bool
    ) -> None:
        self.own = own
        self.differences = differences
        self.revision = revision
        self.theirs = theirs


def revision_of(request: Request, form: Mapping[str, str]) -> int | None:
    given = if_match(request)
    if given is not None:
        return given
    text = form.get("revision", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def save(
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
            raise WrittenMeanwhile(differences, row.revision, theirs, drafts.alone(session, actor, draft_id))
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


def rearrange(form: dict[str, str], verb: str, what: str) -> None:
    """Move or remove a row of the form before it is read."""
    found = _ROW.fullmatch(what)
    if found and verb in ("remove", "up", "down"):
        fields.arrange(form, found[1], int(found[2]), verb)


async def show_saved(request: Request, said: fields.Said) -> Response:
    ctx, draft_id, t = context(request), id_of(request), texts(lang_of(request))

    def work(session: Session, actor: Actor) -> bytes:
        seen = see(ctx, session, actor, draft_id, importing=False)
        if seen is None:
            raise NotFound()
        missing = [{**item, "field": said.place(item["field"])} for item in missing_of(seen, t)]
        findings = [
            {"field": said.place(f.field), "message": hint_of(f, t)}
            for f in seen.problems
            if checks.MISSING not in f.messages and f.field != "files"
        ]
        return orjson.dumps(
            {
                "revision": seen.view.revision,
                "saved": iso(seen.view.updated),
                "findings": findings,
                "missing": missing,
                "sections": states_of(seen, seen.values, seen.wrong),
                "visible": visible_of(seen, t),
            }
        )

    return as_json(await look(request, work))


async def show_conflict(
    request: Request, form: Mapping[str, str], conflict: WrittenMeanwhile, wants_json: bool
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
        return as_json(
            orjson.dumps({"differences": shown, "revision": conflict.revision, "yours": conflict.own}), 412
        )

    def work(session: Session, actor: Actor) -> bytes:
        return render(
            "deposit/conflict",
            lang=lang_of(request),
            settings=context(request).settings,
            viewer=as_viewer(actor),
            next_url=f"/uploads/{id_of(request)}",
            draft_id=id_of(request),
            revision=conflict.revision,
            own=conflict.own,
            differences=[(d, labels[d.name]) for d in conflict.differences],
            yours=[(k, v) for k, v in form.items() if k not in ("csrf", "revision", "do")],
            theirs=[(k, v) for d in conflict.differences for k, v in d.fields.items()],
        )

    return page(await look(request, work), 412)


LOOKUPS: Final = 30
_ROR: Final = re.compile(r"(?:https?://)?(?:ror\.org/)?(0[a-hj-km-np-tv-z|0-9]{6}[0-9]{2})", re.I)


def give_ids(ctx: Context, form: dict[str, str]) -> None:
    """Without script: give typed names of organisations, funders and awards their ids, where one has exactly this name.

    An ORCID iD that was typed as a family name goes where it belongs.
    """
    asked = 0
    for name in list(form):
        text = form[name].strip()
        if not text:
            continue
        if name.endswith(".family_name"):
            orcid = name.removesuffix("person_or_org.family_name") + "orcid"
            if form.get(orcid) == "" and identifiers.valid(text, "orcid"):
                form[orcid], form[name] = text, ""
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
