"""A draft as its page will look, and who sees it so."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request

from strongroom.access import Actor, Level, level, may_edit
from strongroom.db import Session
from strongroom.http.deps import context, link_tokens
from strongroom.records.views import DraftView
from strongroom.sharing import service as sharing
from strongroom.web import landing
from strongroom.web.answers import lang_of
from strongroom.web.deposit.asking import as_viewer
from strongroom.web.render import Texts, texts


def preview_html(request: Request, session: Session, actor: Actor, view: DraftView) -> bytes:
    """The draft's page for who may see it: its people, and whoever followed a share link."""
    t = texts(lang_of(request))
    _ = t.gettext
    form, way = f"/uploads/{view.id}", None
    by_link = _by_link_alone(request, session, actor, view)
    if may_edit(actor, view):
        way = (form, _("Change it") if by_link else _("Back to the form"))
        if not actor.is_user:
            way = (f"/login?next={form}", _("Log in to change it"))
    if by_link:
        said = _("It is not published, and may change. You see it by a secret link.")
    else:
        once = _("So the page will look once it is published.")
        said = f"{_who_sees(session, actor, view, t)} {once}"
    return landing.draft_preview(
        view,
        settings=context(request).settings,
        lang=lang_of(request),
        viewer=as_viewer(actor) if actor.is_user else None,
        said=said,
        way=way,
    )


def _by_link_alone(request: Request, session: Session, actor: Actor, view: DraftView) -> bool:
    if actor.user_id is None or not link_tokens(request):
        return actor.user_id is None
    own = replace(actor, shares=sharing.shares_of(session, actor.user_id))
    return level(own, view) < Level.PREVIEW


def _who_sees(session: Session, actor: Actor, view: DraftView, t: Texts) -> str:
    """Who sees the draft beside the reader. (Administrators see all there is.)"""
    people, by_link = sharing.who_sees(session, view)
    others = len(people - {actor.user_id})
    if others and by_link:
        return t.ngettext(
            "%(num)s other person sees it too, and so does whoever has its secret link.",
            "%(num)s other people see it too, and so does whoever has its secret link.",
            others,
        ) % {"num": others}
    if others:
        return t.ngettext("%(num)s other person sees it too.", "%(num)s other people see it too.", others) % {
            "num": others
        }
    return (
        t.gettext("Whoever has its secret link sees it too.")
        if by_link
        else t.gettext("Nobody else sees it.")
    )
