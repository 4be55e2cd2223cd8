"""Begin, look once more, publish, preview, give up."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor, Level, shared_concepts
from strongroom.accounts import profiles
from strongroom.db import Session
from strongroom.errors import (
    Invalid,
    NotFound,
    Unauthenticated,
)
from strongroom.http.deps import actor_of, context, in_thread
from strongroom.ids import today
from strongroom.metadata import html
from strongroom.metadata.model import Metadata, RecordData
from strongroom.records import drafts, typed
from strongroom.records.publish import publish as publish_draft
from strongroom.web import fields, links
from strongroom.web.answers import form_of, go, lang_of, page
from strongroom.web.deposit.access import visible_of
from strongroom.web.deposit.asking import as_viewer, do, id_of, look
from strongroom.web.deposit.looking import preview_html
from strongroom.web.deposit.page import show_again
from strongroom.web.deposit.seen import FILES_SHOWN, Seen, see_to_change
from strongroom.web.findings import told
from strongroom.web.render import Texts, render, texts


async def new(request: Request) -> Response:
    """GET /uploads/new: what a deposit takes, and the button that begins one."""

    def work(session: Session, actor: Actor) -> bytes:
        return render(
            "deposit/new",
            lang=lang_of(request),
            settings=context(request).settings,
            viewer=as_viewer(actor),
            next_url="/uploads/new",
            here="new",
            person=profiles.as_creator(session, actor),
        )

    return page(await look(request, work))


async def begin(request: Request) -> Response:
    """GET /uploads: on to one's own uploads, for who types the address."""
    return go(request, "/me/uploads", 303)


async def create(request: Request) -> Response:
    """POST /uploads: begin a deposit; the account's owner is its first creator unless that is not wished."""
    ctx, sent = context(request), await form_of(request)

    def work(session: Session, actor: Actor) -> int:
        person = profiles.as_creator(session, actor) if sent.get("me") == "1" else None
        metadata = Metadata(publication_date=today().isoformat(), creators=[person] if person else [])
        return drafts.create(session, ctx.db, actor, RecordData(metadata=metadata))

    made = await do(request, work)
    return go(request, f"/uploads/{made}", 303)


async def _begin(request: Request, work: Callable[[Session, Actor], int]) -> Response:
    await form_of(request)
    made = await do(request, work)
    answer = go(request, f"/uploads/{made}", 303)
    links.carry(request, answer, made)
    return answer


async def edit(request: Request) -> Response:
    """POST /records/{id}/edit: open a record's description for correction, and show the form."""
    return await _begin(request, lambda session, actor: drafts.edit(session, actor, id_of(request)))


async def new_version(request: Request) -> Response:
    """POST /records/{id}/new-version: begin the next version, and show the form; its files can be imported."""
    ctx = context(request)
    return await _begin(
        request,
        lambda session, actor: drafts.new_version(session, ctx.db, actor, id_of(request), with_files=False),
    )


def _asked(request: Request, template: str, seen: Seen, actor: Actor) -> bytes:
    t, view = texts(lang_of(request)), seen.view
    settings = context(request).settings
    return render(
        template,
        lang=lang_of(request),
        settings=settings,
        viewer=as_viewer(actor),
        next_url=f"/uploads/{view.id}",
        draft=view,
        metadata=view.data.metadata,
        doi=view.doi or settings.doi(view.id),
        visible=visible_of(seen, t),
        changed=_changed(seen, t) if template == "deposit/publish" else [],
        until=view.data.access.embargo_until,
        status=view.data.access.status(today(), view.file_count > 0),
    )


def _changed(seen: Seen, t: Texts) -> list[tuple[str, str, str]]:
    """What a correction changes: (field, as it was, as it will be), as a person reads them."""
    if seen.published is None:
        return []
    now_ = fields.fill(seen.view.data) | {f"{path}.@rows": "1" for path in fields.LISTS}
    found = fields.differences(now_, fields.fill(seen.published))
    return [(t.gettext(fields.label(d.name)), html.plain(d.theirs), html.plain(d.yours)) for d in found]


async def look_again(request: Request) -> Response:
    """GET /uploads/{id}/publish: a last look at what can't be changed later; where something is missing, the form."""
    ctx = context(request)

    def work(session: Session, actor: Actor) -> tuple[bytes | None, Actor]:
        seen = see_to_change(ctx, session, actor, id_of(request))
        return (None if seen.problems else _asked(request, "deposit/publish", seen, actor)), actor

    body, _actor = await look(request, work)
    return await show_again(request, 400, alarm=True) if body is None else page(body)


async def publish(request: Request) -> Response:
    """POST /uploads/{id}/publish: publish the draft or the edit, then on to the record's page."""
    ctx, draft_id = context(request), id_of(request)
    await form_of(request)

    def work(session: Session, actor: Actor) -> None:
        drafts.lock(session, actor, draft_id)
        if fields.whys(typed.read(session, draft_id).typed):
            raise Invalid()
        publish_draft(session, ctx.settings, actor, draft_id)

    try:
        await do(request, work)
    except Invalid as error:
        t = texts(lang_of(request))
        notes = [
            {"kind": "bad", "icon": "alert", "text": " ".join(told(m, t) for m in f.messages), "items": []}
            for f in error.findings
            if f.field in ("metadata.doi", "files.enabled")
        ]
        return await show_again(request, 400, notes, alarm=True)
    request.app.state.wake()
    return go(request, f"/records/{draft_id}", 303)


async def preview(request: Request) -> Response:
    """GET /uploads/{id}/preview: the record's page as it will be; who came by a share link needs no account."""
    ctx = context(request)

    def work() -> bytes:
        with ctx.db.read() as session:
            actor = actor_of(session, request)
            if not actor.is_user and not shared_concepts(actor, Level.PREVIEW):
                raise Unauthenticated()
            view = drafts.view(session, actor, id_of(request), most=FILES_SHOWN)
            if view is None:
                raise NotFound()
            return preview_html(request, session, actor, view)

    return page(await in_thread(request, work))


async def ask_delete(request: Request) -> Response:
    """GET /uploads/{id}/delete: ask whether a draft is to be deleted, or a correction discarded."""
    ctx = context(request)
    return page(
        await look(
            request,
            lambda session, actor: _asked(
                request, "deposit/delete", see_to_change(ctx, session, actor, id_of(request)), actor
            ),
        )
    )


async def delete(request: Request) -> Response:
    """POST /uploads/{id}/delete: delete a draft with its files, or discard a correction."""
    await form_of(request)
    was_edit = await do(request, lambda session, actor: drafts.discard(session, actor, id_of(request)))
    return go(request, f"/records/{id_of(request)}" if was_edit else "/me/uploads", 303)
