"""The page where one says who else may see or change a draft or record: secret links, people, who may ask.

What is given belongs to the concept, so that a record, its versions and its drafts have one page. What is done is done
by the same verbs as at `/api/records/{id}/access` (api-rdm.md section 3). All of it needs a session; every form carries its mark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final, TypeVar

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from strongroom import mail
from strongroom.access import Actor
from strongroom.accounts import profiles
from strongroom.accounts.models import users
from strongroom.db import AnyRow, Session
from strongroom.errors import Finding, Invalid, NotFound
from strongroom.http.deps import context, number, reading, writing
from strongroom.ids import today
from strongroom.sharing import service as sharing
from strongroom.web.answers import form_of, go, lang_of, page, signed_in, viewer_of
from strongroom.web.findings import told
from strongroom.web.render import Texts, render, texts

T = TypeVar("T")
Work = Callable[[Session, Actor, Mapping[str, str]], T]

DESCRIPTION_MAX: Final = 2000  # characters, as the API says
ROLES: Final = ("view", "preview", "edit", "manage")
NAMESAKES: Final = 50  # accounts that are looked through for an exact name


def _id(request: Request) -> int:
    return number(request.path_params["id"])


def _wrong(field: str, message: str) -> Invalid:
    return Invalid([Finding.of(field, message)])


def link_address(base_url: str, some_id: int, row: AnyRow) -> str:
    """Where a share link leads; with `preview` it shows the draft as long as there is one (as on Zenodo)."""
    preview = "" if row.permission == "view" else "&preview=1"
    return f"{base_url}/records/{some_id}?token={row.token}{preview}"


# The page ------------------------------------------------------------------------------------------------------


def _shown(
    request: Request,
    session: Session,
    actor: Actor,
    *,
    sent: Mapping[str, str] | None = None,
    form: str = "",
    wrong: Mapping[str, str] | None = None,
) -> bytes:
    """The page; after a mistake in `form` (links, people, requests) with what was `sent` and what is `wrong`, by field."""
    some_id, settings = _id(request), context(request).settings
    place = sharing.managed(session, actor, some_id)
    given = sharing.list_grants(session, actor, some_id)
    owners = sharing.owners(session, place.concept_id)
    ids = sorted({place.owner_id, *(int(row.subject_id) for row in given)})
    names = {
        row.id: row.name
        for row in session.execute(select(users.c.id, users.c.name).where(users.c.id.in_(ids)))
    }
    t = texts(lang_of(request))
    _ = t.gettext

    def called(user_id: object) -> str:
        return names.get(int(str(user_id))) or _("User %(id)s") % {"id": user_id}

    return render(
        "share",
        lang=lang_of(request),
        settings=settings,
        viewer=viewer_of(actor),
        next_url=f"/records/{some_id}/share",
        place=place,
        owner=called(place.owner_id),
        links=[
            (row, link_address(settings.base_url, some_id, row), _over(row))
            for row in sharing.list_links(session, actor, some_id)
        ],
        people=[(row, called(row.subject_id)) for row in given],
        may_end_owners=actor.is_admin or actor.user_id in owners,
        asked=sharing.read_settings(session, actor, some_id),
        days_max=sharing.EXPIRATION_MAX,
        roles=_roles(t),
        permissions=sharing.LINK_PERMISSIONS,
        known_roles=ROLES,
        sent=sent or {},
        form=form,
        wrong=wrong or {},
    )


def _over(row: AnyRow) -> bool:
    return row.expires_at is not None and row.expires_at <= today().isoformat()


def _roles(t: Texts) -> dict[str, tuple[str, str]]:
    """What each permission is called, and lets one do."""
    _ = t.gettext
    return {
        "view": (_("View"), _("See what is published, restricted files too.")),
        "preview": (_("Preview"), _("See drafts too, before they are published.")),
        "edit": (_("Edit"), _("Change drafts and publish them.")),
        "manage": (_("Manage"), _("Also say who has access, and delete.")),
        "owner": (_("Owner"), _("As the first owner.")),
    }


async def share(request: Request) -> Response:
    """GET /records/{id}/share: who has access to a record or draft, for those who may say so."""
    return page(await reading(request, lambda session, actor: _shown(request, session, actor), signed_in))


async def share_draft(request: Request) -> Response:
    """GET /uploads/{id}/share: leads to the page of the record that the draft becomes or is."""
    return go(request, f"/records/{_id(request)}/share")


async def _do(request: Request, form: str, work: Work[str]) -> Response:
    """`work` in a writing transaction, then the page again at the part that it names; wrong input keeps what was typed."""
    fields = await form_of(request)
    try:
        part = await writing(request, lambda session, actor: work(session, actor, fields), signed_in)
    except Invalid as error:
        t = texts(lang_of(request))
        wrong = {f.field: " ".join(told(m, t) for m in f.messages) for f in error.findings} or {
            "": told(error.message, t)
        }
    else:
        request.app.state.wake()
        return go(request, f"/records/{_id(request)}/share#{part}", 303)

    def again(session: Session, actor: Actor) -> bytes:
        return _shown(request, session, actor, sent=fields, form=form, wrong=wrong)

    return page(await reading(request, again, signed_in), 400)


# Links ---------------------------------------------------------------------------------------------------------


async def make_link(request: Request) -> Response:
    """POST /records/{id}/share/links: a new secret link."""
    _ = texts(lang_of(request)).gettext

    def work(session: Session, actor: Actor, fields: Mapping[str, str]) -> str:
        sharing.managed(session, actor, _id(request))
        findings = []
        permission, description = fields.get("permission", ""), fields.get("description", "").strip()
        if permission not in sharing.LINK_PERMISSIONS:
            findings.append(Finding.of("permission", _("Choose what the link opens.")))
        if len(description) > DESCRIPTION_MAX:
            findings.append(Finding.of("description", _("This is too long.")))
        until = None
        try:
            until = date.fromisoformat(said) if (said := fields.get("expires_at", "").strip()) else None
        except ValueError:
            findings.append(Finding.of("expires_at", _("Write the date as YYYY-MM-DD.")))
        if until is not None and until <= today():
            findings.append(Finding.of("expires_at", _("Choose a date after today.")))
        if findings:
            raise Invalid(findings)
        row = sharing.create_link(
            session, actor, _id(request), permission=permission, expires_at=until, description=description
        )
        return f"link-{row.id}"

    return await _do(request, "links", work)


async def end_link(request: Request) -> Response:
    """POST /records/{id}/share/links/{link_id}/delete: end a secret link."""

    def work(session: Session, actor: Actor, fields: Mapping[str, str]) -> str:
        sharing.remove_link(session, actor, _id(request), request.path_params["link_id"])
        return "links"

    return await _do(request, "", work)


# People --------------------------------------------------------------------------------------------------------


def _subject(session: Session, actor: Actor, who: str, _: Callable[[str], str]) -> str:
    """The address or number of an account, named by its address or by the whole name that it shows. Raises Invalid."""
    if not who:
        raise _wrong("who", _("Write an e-mail address or a name."))
    if "@" in who:
        return who
    _total, found = profiles.search(session, actor, who, size=NAMESAKES)
    same = [row for row in found if row.name.casefold() == who.casefold()]
    if len(same) > 1:
        raise _wrong("who", _("Several accounts have this name: write the e-mail address."))
    if not same:
        raise _wrong("who", _("No account shows this name: write the e-mail address."))
    return str(same[0].id)


async def give(request: Request) -> Response:
    """POST /records/{id}/share/people: give somebody with an account access."""
    _ = texts(lang_of(request)).gettext
    settings = context(request).settings

    def work(session: Session, actor: Actor, fields: Mapping[str, str]) -> str:
        place = sharing.managed(session, actor, _id(request))
        permission = fields.get("permission", "")
        if permission not in ROLES:
            raise _wrong("role", _("Choose what this person may do."))
        subject = _subject(session, actor, fields.get("who", "").strip(), _)
        try:
            (row,) = sharing.add_grants(
                session, actor, place.record_id, [sharing.NewGrant(permission, subject)]
            )
        except Invalid as error:
            # The two that are left: there is no such account, or it has access already.
            unknown = any(f.field == "subject.id" for f in error.findings)
            raise _wrong(
                "who",
                _("There is no account with this address.")
                if unknown
                else _("This person has access already. Take it back first, to give another."),
            ) from None
        if fields.get("notify"):
            _tell(session, actor, settings.base_url, place, row)
        return "people"

    return await _do(request, "people", work)


def _tell(session: Session, actor: Actor, base_url: str, place: sharing.Place, row: AnyRow) -> None:
    email = sharing.address_of(session, int(row.subject_id))
    if email is None:
        return
    path = f"/records/{place.record_id}" if place.published else f"/uploads/{place.record_id}"
    values: dict[str, Any] = {
        "title": place.title,
        "who": actor.name or f"User {actor.user_id}",
        "permission": row.permission,
        "message": "",
        "link": f"{base_url}{path}",
    }
    mail.send(session, email, "grant-given", values)


async def take_back(request: Request) -> Response:
    """POST /records/{id}/share/people/{grant_id}/delete: take back what somebody was given."""
    grant_id = number(request.path_params["grant_id"])

    def work(session: Session, actor: Actor, fields: Mapping[str, str]) -> str:
        given: Sequence[AnyRow] = sharing.list_grants(session, actor, _id(request))
        row = next((row for row in given if row.id == grant_id), None)
        if row is None:
            raise NotFound()
        sharing.remove_grant(session, actor, _id(request), row)
        return "people"

    return await _do(request, "", work)


# Requests for access -------------------------------------------------------------------------------------------


async def change_requests(request: Request) -> Response:
    """POST /records/{id}/share/requests: say who may ask for access, and for how long it is given."""
    _ = texts(lang_of(request)).gettext

    def work(session: Session, actor: Actor, fields: Mapping[str, str]) -> str:
        sharing.managed(session, actor, _id(request))
        days = fields.get("days", "").strip() or "0"
        if not (days.isascii() and days.isdigit() and len(days) < 6 and int(days) <= sharing.EXPIRATION_MAX):
            raise _wrong("days", _("Write a number of days from 0 to 365."))
        changed = {
            "allow_user_requests": bool(fields.get("users")),
            "allow_guest_requests": bool(fields.get("guests")),
            "secret_link_expiration": int(days),
        }
        sharing.change_settings(session, actor, _id(request), changed)
        return "requests"

    return await _do(request, "requests", work)


PAGES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/uploads/{id}/share", share_draft),
    ("GET", "/records/{id}/share", share),
    ("POST", "/records/{id}/share/links", make_link),
    ("POST", "/records/{id}/share/links/{link_id}/delete", end_link),
    ("POST", "/records/{id}/share/people", give),
    ("POST", "/records/{id}/share/people/{grant_id}/delete", take_back),
    ("POST", "/records/{id}/share/requests", change_requests),
]
