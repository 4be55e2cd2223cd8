"""Administration: accounts, records, jobs. For administrators in a browser; what is done is done by the verbs of the API.

A token opens none of these pages, whoever's it is; every form carries the session's mark (CSRF).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor
from strongroom.accounts import identities, profiles
from strongroom.db import AnyRow, Session
from strongroom.errors import Forbidden
from strongroom.http.deps import context, number, reading, writing
from strongroom.jobs import queue
from strongroom.metadata.vocabularies import removal_reasons
from strongroom.records import curation, queries
from strongroom.requests import service as requests
from strongroom.web.answers import form_of, go, lang_of, page, signed_in, viewer_of
from strongroom.web.landing import pages
from strongroom.web.render import Texts, render, texts
from strongroom.web.words import N_, removal_reason

T = TypeVar("T")
SIZE: Final = 25
STATES: Final = {"dead": N_("Given up"), "running": N_("Running"), "waiting": N_("Waiting")}
# What was just done, as the page after it says.
DONE: Final = {
    "withdrawn": N_("The record was withdrawn. Its page says so, and why."),
    "restored": N_("The record is back as it was."),
    "block": N_("The account is blocked; its sessions, tokens and applications have ended."),
    "restore": N_("The account is open again."),
    "deactivate": N_("The account is switched off; its sessions have ended."),
    "activate": N_("The account is switched on again."),
    "approve": N_("The account is marked as looked at."),
    "retried": N_("The job starts anew."),
}


def _admin(session: Session, request: Request) -> Actor:
    actor = signed_in(session, request)
    if not actor.is_admin:
        raise Forbidden()
    return actor


async def _look(request: Request, work: Callable[[Session, Actor], T]) -> T:
    return await reading(request, work, _admin)


async def _do(request: Request, work: Callable[[Session, Actor, Mapping[str, str]], T]) -> T:
    """`work` in a writing transaction, with a form that has the session's mark."""
    fields = await form_of(request)
    done = await writing(request, lambda session, actor: work(session, actor, fields), _admin)
    request.app.state.wake()
    return done


def _shown(request: Request, template: str, actor: Actor, /, **more: Any) -> bytes:
    lang = lang_of(request)
    done = DONE.get(request.query_params.get("done", ""))
    return render(
        f"admin/{template}",
        lang=lang,
        settings=context(request).settings,
        viewer=viewer_of(actor),
        next_url=request.url.path,
        tab=template,
        done=texts(lang).gettext(done) if done else "",
        **more,
    )


def _page(request: Request) -> int:
    return max(1, min(number(request.query_params.get("page", "1")), 400))


def _paging(request: Request, total: int, **kept: str) -> dict[str, Any]:
    """What the links to other pages of a list need; `kept` are its other parameters."""
    at, last = _page(request), max(1, -(-total // SIZE))
    given = {name: value for name, value in kept.items() if value}

    def url(n: int) -> str:
        return f"{request.url.path}?{urlencode({**given, 'page': n})}"

    return {
        "at": at,
        "last_page": last,
        "pages": pages(min(at, last), last) if last > 1 else [],
        "page_url": url,
        "total": total,
    }


async def overview(request: Request) -> Response:
    """GET /admin: how much there is, and what waits for somebody."""

    def work(session: Session, actor: Actor) -> bytes:
        people, _rows = profiles.search(session, actor, "", size=1, everybody=True)
        withdrawn, _rows = curation.search(session, actor, "", withdrawn=True, limit=1)
        return _shown(
            request,
            "overview",
            actor,
            users=people,
            records=queries.count_public(session),
            withdrawn=withdrawn,
            jobs=queue.counts(session),
            open_requests=requests.search(session, actor, requests.Query(is_open=True, size=1)).total,
        )

    return page(await _look(request, work))


async def users(request: Request) -> Response:
    """GET /admin/users: the accounts whose name, affiliation or address has the words `q`."""
    words = request.query_params.get("q", "")

    def work(session: Session, actor: Actor) -> bytes:
        total, rows = profiles.search(session, actor, words, page=_page(request), size=SIZE, everybody=True)
        return _shown(
            request,
            "users",
            actor,
            query=words,
            users=[(row, identities.shown(row.email) or "", _allowed(actor, row)) for row in rows],
            **_paging(request, total, q=words),
        )

    return page(await _look(request, work))


def _allowed(actor: Actor, row: AnyRow) -> list[str]:
    """What can be done about an account as it is (accounts.profiles.moderate)."""
    if row.merged_into is not None:
        return []
    if row.blocked is not None:
        return ["restore"]
    if not row.is_active:
        return ["activate"]
    found = [] if row.verified else ["approve"]
    if not row.is_admin and not actor.owns(row.id):
        found += ["deactivate", "block"]
    return found


async def moderate(request: Request) -> Response:
    """POST /admin/users/{user_id}/{action}: approve, block, restore, activate or deactivate an account."""
    action = request.path_params["action"]

    def work(session: Session, actor: Actor, fields: Mapping[str, str]) -> str:
        profiles.moderate(session, actor, number(request.path_params["user_id"]), action)
        return fields.get("q", "")

    words = await _do(request, work)
    return _back(request, "/admin/users", action, q=words)


def _back(request: Request, path: str, done: str, **kept: str) -> Response:
    given = {name: value for name, value in kept.items() if value}
    return go(request, f"{path}?{urlencode({**given, 'done': done})}", 303)


async def records(request: Request) -> Response:
    """GET /admin/records: all records by id, DOI, owner's address or words of the title (`q`); `show=withdrawn` those."""
    words = request.query_params.get("q", "")
    withdrawn = request.query_params.get("show") == "withdrawn"
    t = texts(lang_of(request))

    def work(session: Session, actor: Actor) -> bytes:
        total, rows = curation.search(
            session, actor, words, withdrawn=withdrawn, offset=(_page(request) - 1) * SIZE, limit=SIZE
        )
        return _shown(
            request,
            "records",
            actor,
            query=words,
            withdrawn=withdrawn,
            records=[(row, _label(row), _tombstone(row, t)) for row in rows],
            reasons=[(id, removal_reason(id, t.gettext)) for id in removal_reasons()],
            **_paging(request, total, q=words, show="withdrawn" if withdrawn else ""),
        )

    return page(await _look(request, work))


def _label(row: AnyRow) -> str:
    """What its page calls the version: the name it was given, else its number."""
    said = orjson.loads(row.data).get("metadata", {})
    return str(said.get("version") or row.version)


def _tombstone(row: AnyRow, t: Texts) -> str:
    """Why a record was withdrawn, in a line."""
    if row.tombstone is None:
        return ""
    said = orjson.loads(row.tombstone)
    reason = removal_reason(said.get("removal_reason", {}).get("id"), t.gettext)
    return ". ".join(part for part in (reason, said.get("note")) if part)


async def withdraw(request: Request) -> Response:
    """POST /admin/records/{id}/withdraw: take a version away and leave a tombstone with `reason` and `note`."""
    ctx = context(request)

    def work(session: Session, actor: Actor, fields: Mapping[str, str]) -> str:
        curation.withdraw(
            session,
            ctx.settings,
            actor,
            number(request.path_params["id"]),
            fields.get("reason", ""),
            fields.get("note", "").strip()[:2000],
            is_visible="hidden" not in fields,
        )
        return fields.get("q", "")

    words = await _do(request, work)
    return _back(request, "/admin/records", "withdrawn", q=words, show="withdrawn")


async def restore(request: Request) -> Response:
    """POST /admin/records/{id}/restore: bring a withdrawn version back as it was."""
    ctx = context(request)

    def work(session: Session, actor: Actor, fields: Mapping[str, str]) -> None:
        curation.restore(session, ctx.settings, actor, number(request.path_params["id"]))

    await _do(request, work)
    return _back(request, "/admin/records", "restored", q=request.path_params["id"])


async def jobs(request: Request) -> Response:
    """GET /admin/jobs: the jobs that gave up, run or wait (`state`), with their last error."""
    wanted = request.query_params.get("state", "")
    state = wanted if wanted in STATES else "dead"
    t = texts(lang_of(request))

    def work(session: Session, actor: Actor) -> bytes:
        counts = queue.counts(session)
        return _shown(
            request,
            "jobs",
            actor,
            state=state,
            states=[(name, t.gettext(label), counts[name]) for name, label in STATES.items()],
            jobs=queue.listed(session, state, offset=(_page(request) - 1) * SIZE, limit=SIZE),
            **_paging(request, counts[state], state=state),
        )

    return page(await _look(request, work))


async def retry(request: Request) -> Response:
    """POST /admin/jobs/{job_id}/retry: let a job that gave up start anew."""

    def work(session: Session, actor: Actor, fields: Mapping[str, str]) -> None:
        queue.retry(session, number(request.path_params["job_id"]))

    await _do(request, work)
    return _back(request, "/admin/jobs", "retried")


PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/admin", overview),
    ("GET", "/admin/users", users),
    ("POST", "/admin/users/{user_id}/{action}", moderate),
    ("GET", "/admin/records", records),
    ("POST", "/admin/records/{id}/withdraw", withdraw),
    ("POST", "/admin/records/{id}/restore", restore),
    ("GET", "/admin/jobs", jobs),
    ("POST", "/admin/jobs/{job_id}/retry", retry),
]
