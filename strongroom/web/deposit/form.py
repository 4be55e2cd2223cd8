"""The form's own two doors: it is shown, and saved with what its button says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor, may_edit
from strongroom.context import Context
from strongroom.db import Session
from strongroom.errors import (
    Conflict,
    Invalid,
    NotFound,
    StrongroomError,
    TooLarge,
)
from strongroom.files import service as files
from strongroom.http.deps import context, in_thread
from strongroom.metadata.model import RecordData
from strongroom.records import drafts, queries
from strongroom.settings import Settings
from strongroom.web import fields
from strongroom.web.answers import go, lang_of, own_page, signed_in
from strongroom.web.deposit.asking import do, id_of, look, told_as_asked, told_of, user_of
from strongroom.web.deposit.looking import preview_html
from strongroom.web.deposit.page import form_html, show_again
from strongroom.web.deposit.prefilling import prefill_page
from strongroom.web.deposit.saving import (
    WrittenMeanwhile,
    give_ids,
    rearrange,
    revision_of,
    save,
    show_conflict,
    show_saved,
)
from strongroom.web.deposit.seen import Seen, see
from strongroom.web.deposit.sent import Sent, attach, forget, receive
from strongroom.web.render import texts


async def form_page(request: Request) -> Response:
    """GET /uploads/{id}: the deposit form of an open draft or edit; where nothing is open, one's record."""
    ctx, draft_id = context(request), id_of(request)
    rows = [p for p in request.query_params.getlist("add")[:5] if re.fullmatch(r"[a-z_.0-9]+(!own)?", p)]

    def work(session: Session, actor: Actor) -> tuple[Actor, Seen] | bytes | str:
        seen = see(ctx, session, actor, draft_id)
        if seen is None:
            try:
                mine = queries.by_id(session, actor, draft_id).may_edit
            except StrongroomError:
                mine = False
            if not mine:
                raise NotFound()
            return f"/records/{draft_id}"
        if not may_edit(actor, seen.view):  # who may only look, looks
            return preview_html(request, session, actor, seen.view)
        return actor, seen

    def whole() -> bytes | str:
        with ctx.db.read() as session:
            found = work(session, user_of(session, request))
        if isinstance(found, bytes | str):
            return found
        actor, seen = found
        return form_html(request, actor, seen, more_rows=rows)

    done = await in_thread(request, whole)
    return go(request, done) if isinstance(done, str) else own_page(done)


@told_as_asked
async def post(request: Request) -> Response:
    """POST /uploads/{id}: save the form, and do what its button says (`do`); as JSON it is the autosave."""
    ctx, draft_id = context(request), id_of(request)
    sent = await receive(request)
    form = sent.fields
    verb, _, what = form.get("do", "save").partition(":")
    wants_json = "json" in request.headers.get("accept", "")

    def look_up() -> None:
        with ctx.db.read() as session:
            signed_in(session, request)
        fields.choose(form)
        rearrange(form, verb, what)
        if not wants_json:
            give_ids(ctx, form)

    try:
        revision = revision_of(request, form)
        await in_thread(request, look_up)
        said = await do(request, lambda session, actor: save(ctx, session, actor, draft_id, form, revision))
    except WrittenMeanwhile as conflict:
        await attach(request, sent)
        return await show_conflict(request, form, conflict, wants_json)
    except BaseException:
        await forget(request, sent)
        raise
    await attach(request, sent)
    if wants_json:
        return await show_saved(request, said)
    try:
        return await _after(request, verb, what, form, sent)
    except (Invalid, TooLarge, Conflict, NotFound) as error:
        return await show_again(
            request, 400, [{"kind": "bad", "icon": "alert", "text": told_of(error, request), "items": []}]
        )


async def _after(request: Request, verb: str, what: str, form: Mapping[str, str], sent: Sent) -> Response:
    """What the button says, now that the form is saved."""
    ctx, draft_id, t = context(request), id_of(request), texts(lang_of(request))
    here = f"/uploads/{draft_id}"
    if sent.refused:
        text = t.gettext("Some files were not taken; all else is saved.")
        return await show_again(
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
            ready = await look(request, lambda session, actor: _is_ready(ctx, session, actor, draft_id))
            return (
                go(request, f"{here}/publish", 303) if ready else await show_again(request, 400, alarm=True)
            )
        case "delete":
            return go(request, f"{here}/delete", 303)
        case "reserve":
            await do(request, lambda session, actor: _reserve(ctx, session, actor, draft_id))
            return go(request, f"{here}#basics", 303)
        case "drop":
            await do(request, lambda session, actor: drafts.drop_doi(session, actor, draft_id, ctx.settings))
            return go(request, f"{here}#basics", 303)
        case "upload":
            return go(request, f"{here}#files", 303)
        case "rename" | "delete-file" | "import-files":
            name = form.get(f"rename.{what}", "").strip()
            await do(
                request,
                lambda session, actor: _file_verb(session, ctx.settings, actor, draft_id, verb, what, name),
            )
            return go(request, f"{here}#files", 303)
        case "prefill":
            return await prefill_page(request, sent)
    return go(request, here, 303)


def _is_ready(ctx: Context, session: Session, actor: Actor, draft_id: int) -> bool:
    seen = see(ctx, session, actor, draft_id, importing=False)
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
