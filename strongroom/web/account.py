"""The pages about programs that act for a user: tokens, applications, and the consent an application asks for.

Addresses are Zenodo's (api-legacy.md section 1). All but the consent's question need a session: a token can't
open them, and every form carries the session's own mark (CSRF).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import SCOPES, Actor
from strongroom.accounts import applications
from strongroom.accounts import service as accounts
from strongroom.db import Session
from strongroom.errors import Invalid
from strongroom.http.deps import actor_of, context, in_thread, number, reading, writing
from strongroom.ids import now
from strongroom.web.answers import form_lists, go, lang_of, page, signed_in, viewer_of
from strongroom.web.findings import told_all
from strongroom.web.render import CONTENT_SECURITY_POLICY, Texts, Viewer, render, texts

T = TypeVar("T")
HOME: Final = "/account/settings/applications"
_LIVES: Final = {"30": 30, "90": 90, "365": 365, "": None}  # days


def scope_words(t: Texts) -> dict[str, tuple[str, str]]:
    """What each scope lets a program do: (in short, what it leads to)."""
    _ = t.gettext
    return {
        "deposit:write": (
            _("Make and change drafts"),
            _("Create, fill and delete drafts and their files. It can't publish."),
        ),
        "deposit:actions": (
            _("Publish"),
            _("Publish drafts, correct records and begin new versions, in your name."),
        ),
        "user:email": (_("See your e-mail address"), _("Read the address of your account.")),
        "user:profile": (_("Change your profile"), _("Name, affiliation, and who may find you.")),
        "user:tokens": (
            _("Manage tokens"),
            _("List, make and revoke tokens like this one. Only a program that you run yourself needs it."),
        ),
    }


async def _read(request: Request, work: Callable[[Session, Actor], T]) -> T:
    return await reading(request, work, signed_in)


async def _write(request: Request, work: Callable[[Session, Actor], T]) -> T:
    """`work` in a writing transaction; the form was read before, with the session's mark."""
    return await writing(request, work, signed_in)


def _last(fields: dict[str, list[str]], name: str) -> str:
    return fields.get(name, [""])[-1]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _viewer(actor: Actor) -> Viewer:
    viewer = viewer_of(actor)
    assert viewer is not None, "only sessions get here"
    return viewer


def _shown(request: Request, template: str, actor: Actor, /, **more: Any) -> bytes:
    lang = lang_of(request)
    return render(
        template,
        lang=lang,
        settings=context(request).settings,
        viewer=_viewer(actor),
        next_url=HOME,
        scope_words=scope_words(texts(lang)),
        **more,
    )


# Tokens and applications -----------------------------------------------------------------------------------


def _overview(
    request: Request,
    session: Session,
    actor: Actor,
    *,
    opened: str = "",
    problems: list[str] | None = None,
    sent: dict[str, Any] | None = None,
) -> bytes:
    return _shown(
        request,
        "applications",
        actor,
        tokens=accounts.own_tokens(session, actor),
        applications=applications.own(session, actor),
        allowed=applications.allowed(session, actor),
        now=now(),
        known_scopes=SCOPES,
        opened=opened,
        problems=problems or [],
        sent=sent or {},
    )


async def overview(request: Request) -> Response:
    """GET /account/settings/applications: one's tokens, what one allowed applications, and those one registered."""
    return page(await _read(request, lambda s, actor: _overview(request, s, actor)))


async def token_form(request: Request) -> Response:
    """GET /account/settings/applications/tokens/new: the same with the form for a new token open."""
    return page(await _read(request, lambda s, actor: _overview(request, s, actor, opened="token")))


async def client_form(request: Request) -> Response:
    """GET /account/settings/applications/clients/new: the same with the form for a new application open."""
    return page(await _read(request, lambda s, actor: _overview(request, s, actor, opened="client")))


async def make_token(request: Request) -> Response:
    """POST /account/settings/applications/tokens: make a personal token and show it, this once."""
    fields = await form_lists(request)
    name, days = _last(fields, "name"), _LIVES.get(_last(fields, "days"), 365)

    def work(session: Session, actor: Actor) -> bytes:
        expires = now() + timedelta(days=days) if days else None
        secret, _ = accounts.make_token(session, actor, name, fields.get("scope", []), expires)
        return _shown(request, "secret", actor, kind="token", name=name, secret=secret, client_id=None)

    return await _made(request, fields, work, "token")


async def register(request: Request) -> Response:
    """POST /account/settings/applications/clients: register an application and show its secret, this once."""
    fields = await form_lists(request)
    name = _last(fields, "name")

    def work(session: Session, actor: Actor) -> bytes:
        client_id, secret = applications.register(
            session,
            actor,
            name,
            _lines(_last(fields, "redirect_uris")),
            description=_last(fields, "description"),
            website=_last(fields, "website"),
            confidential=_last(fields, "kind") != "public",
        )
        return _shown(request, "secret", actor, kind="client", name=name, secret=secret, client_id=client_id)

    return await _made(request, fields, work, "client")


async def _made(
    request: Request, fields: dict[str, list[str]], work: Callable[[Session, Actor], bytes], opened: str
) -> Response:
    """What `work` shows; where the form was wrong, the form again with what was typed."""
    try:
        return page(await _write(request, work))
    except Invalid as error:
        problems = told_all(error, texts(lang_of(request)))
    sent = {name: values if name == "scope" else values[-1] for name, values in fields.items()}

    def again(session: Session, actor: Actor) -> bytes:
        return _overview(request, session, actor, opened=opened, problems=problems, sent=sent)

    return page(await _read(request, again), 400)


async def revoke_token(request: Request) -> Response:
    """POST /account/settings/applications/tokens/{token_id}/revoke: end a personal token."""
    token_id = _number(request, "token_id")
    await form_lists(request)
    await _write(request, lambda session, actor: accounts.revoke_token(session, actor, token_id))
    return go(request, HOME, 303)


async def take_back(request: Request) -> Response:
    """POST /account/settings/applications/grants/{grant_id}/revoke: take back what one allowed an application."""
    grant_id = _number(request, "grant_id")
    await form_lists(request)
    await _write(request, lambda session, actor: applications.take_back(session, actor, grant_id))
    return go(request, HOME, 303)


def _number(request: Request, name: str) -> int:
    given = number(request.path_params[name])
    return given if given < 2**31 else -1


async def client(request: Request) -> Response:
    """GET /account/settings/applications/clients/{client_id}: one of one's applications, to change."""
    client_id = request.path_params["client_id"]

    def work(session: Session, actor: Actor) -> bytes:
        row = applications.read(session, actor, client_id)
        return _shown(request, "application", actor, app=row, sent={}, problems=[])

    return page(await _read(request, work))


async def change_client(request: Request) -> Response:
    """POST /account/settings/applications/clients/{client_id}: change what an application says of itself."""
    client_id, fields = request.path_params["client_id"], await form_lists(request)

    def work(session: Session, actor: Actor) -> bytes | None:
        try:
            applications.change(
                session,
                actor,
                client_id,
                _last(fields, "name"),
                _lines(_last(fields, "redirect_uris")),
                description=_last(fields, "description"),
                website=_last(fields, "website"),
            )
        except Invalid as error:  # nothing was written
            row = applications.read(session, actor, client_id)
            sent = {name: values[-1] for name, values in fields.items()}
            problems = told_all(error, texts(lang_of(request)))
            return _shown(request, "application", actor, app=row, sent=sent, problems=problems)
        return None

    again = await _write(request, work)
    return page(again, 400) if again is not None else go(request, HOME, 303)


async def reset_client(request: Request) -> Response:
    """POST /account/settings/applications/clients/{client_id}/reset: a new secret; the old one ends at once."""
    client_id = request.path_params["client_id"]
    await form_lists(request)

    def work(session: Session, actor: Actor) -> bytes:
        secret = applications.new_secret(session, actor, client_id)
        name = applications.read(session, actor, client_id).name
        return _shown(request, "secret", actor, kind="client", name=name, secret=secret, client_id=client_id)

    return page(await _write(request, work))


async def delete_client(request: Request) -> Response:
    """POST /account/settings/applications/clients/{client_id}/delete: delete an application and all its tokens."""
    client_id = request.path_params["client_id"]
    await form_lists(request)
    await _write(request, lambda session, actor: applications.remove(session, actor, client_id))
    return go(request, HOME, 303)


# Consent ---------------------------------------------------------------------------------------------------


async def authorize_form(request: Request) -> Response:
    """GET /oauth/authorize: an application asks for access; who allowed it before is sent on at once (RFC 6749 4.1.1)."""
    query = request.url.query

    def question(session: Session, actor: Actor) -> bytes | str | None:
        from strongroom.accounts.provider import Provider, Reply

        asked = Provider(session, context(request).settings).ask(actor, query)
        if isinstance(asked, Reply):
            return asked.location or ""
        if asked.consented:
            return None
        request.state.redirect_uri = asked.redirect_uri
        by = accounts.by_id(session, asked.owner_id)
        return _shown(
            request, "consent", actor, asked=asked, by=by.name if by else "", query=query,
            host=_where(asked.redirect_uri),
        )  # fmt: skip

    ctx = context(request)

    def work() -> bytes | str | None:
        with ctx.db.read() as session:
            actor = actor_of(session, request)
            if actor.via != "session":
                return f"/login?next={quote(f'/oauth/authorize?{query}', safe='')}"
            return question(session, actor)

    shown = await in_thread(request, work)
    if shown is None:
        return await in_thread(request, _answer, request, query, True)
    if isinstance(shown, str):
        return go(request, shown) if shown.startswith("/") else _leave(shown)
    return page(shown, headers={"Content-Security-Policy": _policy(request.state.redirect_uri)})


async def authorize(request: Request) -> Response:
    """POST /oauth/authorize: the user's answer, taken back to the application (RFC 6749 4.1.2)."""
    fields = await form_lists(request)
    agreed = _last(fields, "answer") == "allow"
    return await in_thread(request, _answer, request, _last(fields, "query"), agreed)


def _answer(request: Request, query: str, agreed: bool) -> Response:
    from strongroom.accounts.provider import Provider, Reply

    ctx = context(request)
    with ctx.db.begin() as session:
        actor = signed_in(session, request)
        provider = Provider(session, ctx.settings)
        asked = provider.ask(actor, query)
        reply = asked if isinstance(asked, Reply) else provider.answer(actor, asked, agreed)
    return _leave(reply.location or "")


def _leave(location: str) -> Response:
    # Not RedirectResponse: it would quote an address again that is to arrive as it was registered.
    return Response(
        status_code=303,
        headers={"Location": location, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
    )


def _where(redirect_uri: str) -> str:
    """Where an application's answer goes, in a word that a reader can judge."""
    parts = urlsplit(redirect_uri)
    return parts.netloc or f"{parts.scheme}:"


def _policy(redirect_uri: str) -> str:
    """The pages' policy, where the form's answer may lead to the application: browsers check redirects of forms too."""
    parts = urlsplit(redirect_uri)
    source = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
    return CONTENT_SECURITY_POLICY.replace("form-action 'self'", f"form-action 'self' {source}")


PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", HOME, overview),
    ("GET", HOME + "/tokens/new", token_form),
    ("POST", HOME + "/tokens", make_token),
    ("POST", HOME + "/tokens/{token_id}/revoke", revoke_token),
    ("POST", HOME + "/grants/{grant_id}/revoke", take_back),
    ("GET", HOME + "/clients/new", client_form),
    ("POST", HOME + "/clients", register),
    ("GET", HOME + "/clients/{client_id}", client),
    ("POST", HOME + "/clients/{client_id}", change_client),
    ("POST", HOME + "/clients/{client_id}/reset", reset_client),
    ("POST", HOME + "/clients/{client_id}/delete", delete_client),
    ("GET", "/oauth/authorize", authorize_form),
    ("POST", "/oauth/authorize", authorize),
]
