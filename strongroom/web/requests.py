"""Pages of requests: one's own and those one decides about, their timelines, and asking for access on a record's page.

All but asking need a session; every form carries its mark (CSRF). What is done is done by the same verbs as at
`/api/requests` (api-rdm.md sections 3 and 5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from markupsafe import Markup
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor
from strongroom.accounts.models import users
from strongroom.db import AnyRow, Session
from strongroom.errors import Finding, Invalid
from strongroom.http.deps import actor_of, context, in_thread, number, reading, same_origin, writing
from strongroom.metadata import html
from strongroom.records.views import RecordView
from strongroom.requests import access, service
from strongroom.sharing import service as sharing
from strongroom.web.answers import form_of, go, lang_of, page, signed_in, viewer_of
from strongroom.web.landing import pages
from strongroom.web.render import Texts, render, texts

T = TypeVar("T")
SIZE = 25
EVENTS = 100
_TOLD = ("full_name", "quota_size", "reason", "comment")  # of a payload; the rest is for programs


async def _look(request: Request, work: Callable[[Session, Actor], T]) -> T:
    return await reading(request, work, signed_in)


async def _do(request: Request, work: Callable[[Session, Actor, Mapping[str, str]], T]) -> T:
    """`work` in a writing transaction, with a form that has the session's mark."""
    fields = await form_of(request)
    request.state.typed = fields.get("content", "")
    done = await writing(request, lambda session, actor: work(session, actor, fields), signed_in)
    request.app.state.wake()
    return done


def _shown(request: Request, template: str, actor: Actor, /, **more: Any) -> bytes:
    t = texts(lang_of(request))
    return render(
        template,
        lang=lang_of(request),
        settings=context(request).settings,
        viewer=viewer_of(actor),
        statuses=_statuses(t),
        **{"next_url": request.url.path, **more},
    )


def _statuses(t: Texts) -> dict[str, str]:
    _ = t.gettext
    return {
        "created": _("Not sent yet"),
        "submitted": _("Open"),
        "accepted": _("Accepted"),
        "declined": _("Declined"),
        "cancelled": _("Cancelled"),
        "expired": _("Expired"),
    }


def _happened(t: Texts) -> dict[str, str]:
    """What log entries of a timeline say."""
    _ = t.gettext
    return {
        "accepted": _("accepted the request"),
        "declined": _("declined the request"),
        "cancelled": _("took the request back"),
        "expired": _("let the request expire"),
        "locked": _("closed the conversation"),
        "unlocked": _("opened the conversation again"),
        "comment_deleted": _("took a comment back"),
    }


def _names(session: Session, rows: Sequence[AnyRow], t: Texts) -> Callable[[AnyRow], str]:
    """How the creators of requests or events are called, from one statement."""
    ids = {int(r.creator_id) for r in rows if r.creator_type == "user" and r.creator_id.isdigit()}
    found = {
        row.id: row.name
        for row in session.execute(select(users.c.id, users.c.name).where(users.c.id.in_(sorted(ids))))
    }
    _ = t.gettext

    def name(row: AnyRow) -> str:
        if row.creator_type != "user":
            return str(row.creator_id)
        if not row.creator_id.isdigit():
            return _("The repository")
        return found.get(int(row.creator_id)) or _("User %(id)s") % {"id": row.creator_id}

    return name


async def overview(request: Request) -> Response:
    """GET /me/requests: the requests that one made or decides about; `status=closed` those that are over."""
    closed = request.query_params.get("status") == "closed"
    at = max(1, min(number(request.query_params.get("page", "1")), 400))
    t = texts(lang_of(request))

    def work(session: Session, actor: Actor) -> bytes:
        # Administrators also see what is asked of the repository.
        found = service.search(session, actor, service.Query(is_open=not closed, page=at, size=SIZE))
        name = _names(session, found.rows, t)
        last = max(1, -(-found.total // SIZE))
        return _shown(
            request,
            "requests",
            actor,
            closed=closed,
            requests=[
                {"row": row, "type": t.gettext(service.TYPES[row.type].label), "by": name(row)}
                for row in found.rows
            ],
            pages=pages(at, last) if last > 1 else [],
            at=at,
            last_page=last,
        )

    return page(await _look(request, work))


def _id(request: Request) -> str:
    return str(request.path_params["request_id"])


async def read(request: Request) -> Response:
    """GET /me/requests/{request_id}: one request with its timeline, and the forms to answer and decide."""
    return await _one(request)


async def _one(request: Request, typed: str = "", wrong: str = "") -> Response:
    """The page of a request; with `wrong` (400) what was typed is in its field, and beside it what is wrong."""
    at = max(1, min(number(request.query_params.get("page", "1")), 100))
    t = texts(lang_of(request))

    def work(session: Session, actor: Actor) -> bytes:
        row = service.read(session, actor, _id(request))
        line = service.timeline(session, actor, row.id, page=at, size=EVENTS)
        told = [*line.events, *(e for some in line.children.values() for e in some)]
        name = _names(session, [row, *told], t)
        happened = _happened(t)

        def entry(event: AnyRow) -> dict[str, Any]:
            said = service.payload_of(event)
            return {
                "id": event.id,
                "by": name(event),
                "at": event.created,
                "happened": happened.get(said["event"], said["event"]) if event.type == "L" else None,
                # Cleaned when it was written (service.clean_content).
                "content": Markup(said["content"]) if event.type == "C" else "",
            }

        payload = service.payload_of(row)
        last = max(1, -(-line.total // EVENTS))
        return _shown(
            request,
            "request",
            actor,
            next_url=f"/me/requests/{row.id}",
            typed=typed,
            wrong=wrong,
            row=row,
            type=t.gettext(service.TYPES[row.type].label),
            by=name(row),
            is_open=service.is_open(row),
            payload={k: html.plain(str(payload.get(k) or "")) for k in _TOLD},
            entries=[
                {**entry(e), "answers": [entry(a) for a in line.children.get(e.id, ())]} for e in line.events
            ],
            actions=[a for a in service.allowed_actions(actor, row) if a != "submit"],
            may_speak=not row.locked or service.is_receiver(actor, row),
            pages=pages(at, last) if last > 1 else [],
            at=at,
            last_page=last,
        )

    return page(await _look(request, work), 400 if wrong else 200)


async def _again(request: Request, error: Invalid) -> Response:
    """The page again where what was typed can't be a comment. Raises `error` where that is not what is wrong."""
    if not any(finding.field == "content" for finding in error.findings):
        raise error
    _, typed = texts(lang_of(request)).gettext, request.state.typed
    long = _("This is too long: say it in fewer words.")
    return await _one(request, typed, long if typed.strip() else _("Write your comment here first."))


async def comment(request: Request) -> Response:
    """POST /me/requests/{request_id}/comments: say something."""
    ctx = context(request)

    def work(session: Session, actor: Actor, fields: Mapping[str, str]) -> str:
        service.read(session, actor, _id(request))
        said = service.clean_content(_paragraphs(fields.get("content", "")), "content")
        return service.comment(session, ctx.settings, actor, _id(request), said)

    try:
        made = await _do(request, work)
    except Invalid as error:
        return await _again(request, error)
    return go(request, f"/me/requests/{_id(request)}#commentevent-{made}", 303)


async def act(request: Request) -> Response:
    """POST /me/requests/{request_id}/actions/{action}: accept, decline or cancel; what was typed goes along as a comment."""
    ctx = context(request)

    def work(session: Session, actor: Actor, fields: Mapping[str, str]) -> None:
        service.read(session, actor, _id(request))
        typed = _paragraphs(fields.get("content", ""))
        said = service.clean_content(typed, "content") if typed else ""
        service.execute(session, ctx.settings, actor, _id(request), request.path_params["action"], said)

    try:
        await _do(request, work)
    except Invalid as error:
        return await _again(request, error)
    return go(request, f"/me/requests/{_id(request)}", 303)


def _paragraphs(typed: str) -> str:
    """What somebody typed, as HTML: an empty line begins a paragraph."""
    parts = [part.strip() for part in typed.replace("\r\n", "\n").split("\n\n")]
    return "".join(
        str(Markup("<p>{}</p>").format(Markup("<br>").join(part.split("\n")))) for part in parts if part
    )


# Asking for access ------------------------------------------------------------------------------------------


def asker(session: Session, actor: Actor, view: RecordView) -> str:
    """Which form a record's page offers to this reader: `user`, `guest`, or none where he has access or may not ask."""
    if view.files is not None or view.status not in ("restricted", "embargoed"):
        return ""
    terms = sharing.described(session, actor, view).settings
    if actor.via == "session":
        return "user" if terms["allow_user_requests"] else ""
    return "guest" if not actor.is_user and terms["allow_guest_requests"] else ""


def _wrong(findings: Sequence[Finding], t: Texts) -> dict[str, str]:
    """What the form says beside its fields, by their names."""
    _ = t.gettext
    said = {
        "full_name": _("Say your name, in up to 200 characters."),
        "email": _("This is no e-mail address that a mail could be sent to."),
        "message": _("This is too long: say it in fewer words."),
        "consent": _(
            "Your request can't be decided by somebody who may not see it: agree, or contact the owner."
        ),
    }
    fields = {finding.field.replace("consent_to_share_personal_data", "consent") for finding in findings}
    return {field: said[field] for field in said if field in fields}


async def ask(request: Request) -> Response:
    """POST /records/{id}/request-access: ask for access to restricted files; a guest gets a mail to confirm it by.

    With wrong input the form comes again (400): what was typed is in it, what is wrong beside each field.
    """
    ctx, fields = context(request), await form_of(request)
    same_origin(request)
    lang = lang_of(request)
    record_id = number(request.path_params["id"])

    def work() -> tuple[Actor, str | None]:
        with ctx.db.begin() as session:
            actor = actor_of(session, request)
            said = {
                "message": _paragraphs(fields.get("message", "")),
                # Who is signed in asks as himself.
                "email": actor.email if actor.is_user else fields.get("email", ""),
                "full_name": fields.get("full_name", ""),
                "consent_to_share_personal_data": fields.get("consent", ""),
            }
            return actor, access.ask(session, ctx.settings, actor, record_id, said, language=lang)

    def who_asks() -> Actor:
        with ctx.db.read() as session:
            return actor_of(session, request)

    try:
        actor, made = await in_thread(request, work)
    except Invalid as error:
        actor = await in_thread(request, who_asks)
        again = render(
            "ask",
            lang=lang,
            settings=ctx.settings,
            viewer=viewer_of(actor),
            next_url=f"/records/{record_id}",
            record_id=record_id,
            ask="user" if actor.is_user else "guest",
            sent=fields,
            wrong=_wrong(error.findings, texts(lang)),
        )
        return page(again, 400)
    request.app.state.wake()
    if made is not None:
        return go(request, f"/me/requests/{made}", 303)
    body = render(
        "confirm",
        lang=lang,
        settings=ctx.settings,
        viewer=viewer_of(actor),
        next_url="/",
        token="",
        done=False,
        problem=None,
        mailed=True,
    )
    return page(body)


PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/me/requests", overview),
    ("GET", "/me/requests/{request_id}", read),
    ("POST", "/me/requests/{request_id}/comments", comment),
    ("POST", "/me/requests/{request_id}/actions/{action}", act),
    ("POST", "/records/{id}/request-access", ask),
]
