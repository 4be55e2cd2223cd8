"""Links that open something: a share link's way into a browser, and the page where a guest confirms a request.

`?token=` on a record's page becomes at once a cookie for the pages of records alone, and the address is loaded
again without it (design 5b): so it stands in no history that is shared, in no bookmark and in no Referer. With
`preview` the cookie also reaches the form, pages and files of that one draft. What the cookie opens is looked up at
each request. By itself it only reads; who is logged in may change with it what the link lets him (decision 0010).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from strongroom.access import ANONYMOUS
from strongroom.errors import StrongroomError, TooLarge
from strongroom.files import service as files
from strongroom.http.deps import (
    BETWEEN_LINKS,
    LINKS_KEPT,
    SAFE,
    body_stream,
    context,
    flag,
    in_thread,
    kept_links,
    link_cookie,
    links_mark,
    same_origin,
)
from strongroom.http.problems import status_of
from strongroom.requests import access
from strongroom.web.findings import told
from strongroom.web.render import PAGE_HEADERS, choose_language, render, texts

_RECORD = re.compile(r"/records/(\d{1,18})(/.*)?")
_TOKEN = re.compile(r"[\w.~-]{1,80}", re.ASCII)
_MARK = re.compile(r"[\w-]{16}", re.ASCII)
COOKIE_DAYS = 30
_PRIVATE = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"}


def exchange(request: Request, path: str) -> Response | None:
    """The redirect that turns a share link of a record's page into its cookie; None where there is nothing to do."""
    if b"token=" not in request.scope["query_string"] or request.method not in SAFE:
        return None
    found = _RECORD.fullmatch(path)
    token = request.query_params.get("token")
    if found is None or token is None:
        return None
    query = urlencode([(k, v) for k, v in request.query_params.multi_items() if k != "token"])
    answer = RedirectResponse(request.url.path + (f"?{query}" if query else ""), 302, _PRIVATE)
    if _TOKEN.fullmatch(token):
        # A link opens all versions, and which they are only the database knows: so one cookie for all records. It is
        # read in `deps` alone, where each link opens its own concept.
        tokens = [token, *(t for t in _kept(request) if t != token)]
        places = ["/records"]
        if flag(request.query_params.get("preview")):
            places += _places(int(found[1]))
        _keep(request, answer, tokens, places)
    return answer


def carry(request: Request, answer: Response, draft_id: int) -> None:
    """Let the links that this browser keeps reach a draft that was begun by one of them."""
    if tokens := _kept(request):
        _keep(request, answer, tokens, _places(draft_id))


def _kept(request: Request) -> list[str]:
    return [token for token in kept_links(request) if _TOKEN.fullmatch(token)]


def _places(draft_id: int) -> list[str]:
    """Where a draft is shown and changed: its form and pages, and its files at both addresses that the form sends to."""
    return [
        f"/uploads/{draft_id}",
        f"/api/records/{draft_id}/draft",
        f"/api/files/{files.bucket_id(draft_id)}",
    ]


def _keep(request: Request, answer: Response, tokens: list[str], places: list[str]) -> None:
    # Each place has a cookie of its own, and nobody knows at the log-out which there are: they hold a word that one
    # cookie for the whole site must have too, and that one is ended.
    mark = request.cookies.get(links_mark(request), "")
    if not _MARK.fullmatch(mark):
        mark = secrets.token_urlsafe(12)
    links = BETWEEN_LINKS.join([mark, *tokens[:LINKS_KEPT]])
    for name, value, path in (
        (links_mark(request), mark, "/"),
        *((link_cookie(request), links, p) for p in places),
    ):
        answer.set_cookie(
            name,
            value,
            max_age=COOKIE_DAYS * 86_400,
            path=path,
            httponly=True,
            samesite="lax",
            secure=context(request).settings.is_https,
        )


def _page(request: Request, status: int, **values: Any) -> Response:
    lang = choose_language(request.headers.get("accept-language"))
    body = render(
        "confirm", lang=lang, settings=context(request).settings, viewer=None, next_url="/", **values
    )
    return Response(body, status, {**PAGE_HEADERS, **_PRIVATE})


async def confirm_form(request: Request) -> Response:
    """GET /access/requests/confirm: what a guest is about to ask, with a button: opening a link alone sends nothing."""
    ctx = context(request)
    token = request.query_params.get("access_request_token", "")

    def work() -> None:
        with ctx.db.read() as session:
            access.waiting(session, token)

    return await _told(request, work, lambda: _page(request, 200, token=token, done=False, problem=None))


async def confirm(request: Request) -> Response:
    """POST /access/requests/confirm: send a guest's request to those who decide."""
    ctx = context(request)
    same_origin(request)
    token = await _token(request)

    def work() -> None:
        with ctx.db.begin() as session:
            access.confirm(session, ctx.settings, ANONYMOUS, token)

    answer = await _told(request, work, lambda: _page(request, 200, token="", done=True, problem=None))
    request.app.state.wake()
    return answer


async def _told(request: Request, work: Callable[[], None], done: Callable[[], Response]) -> Response:
    """Do it, or show on the page why not."""
    try:
        await in_thread(request, work)
    except StrongroomError as error:
        t = texts(choose_language(request.headers.get("accept-language")))
        _ = t.gettext
        status = status_of(error, context(request).settings)
        problem = told(error.message, t)
        if status in (403, 404):
            problem = _("This link was used already, or is too old: ask again on the record's page.")
        return _page(request, status, token="", done=False, problem=problem)
    return done()


async def _token(request: Request) -> str:
    sent = b""
    async for chunk in body_stream(request):
        sent += chunk
        if len(sent) > 2000:
            raise TooLarge("The form is too large.")
    fields = parse_qs(sent.decode("ascii", "replace"), max_num_fields=5)
    return fields.get("access_request_token", [""])[-1]


PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/access/requests/confirm", confirm_form),
    ("POST", "/access/requests/confirm", confirm),
]
