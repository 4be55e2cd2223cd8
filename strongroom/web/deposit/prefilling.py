"""Filling in from a description that is there already: `.zenodo.json`, `CITATION.cff`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from strongroom.access import Actor
from strongroom.db import Session
from strongroom.errors import (
    Invalid,
    Malformed,
    TooLarge,
)
from strongroom.files import service as files
from strongroom.http.deps import context, in_thread
from strongroom.ids import today
from strongroom.metadata import prefill
from strongroom.metadata.model import RecordData
from strongroom.records import drafts
from strongroom.vocabularies import service as vocabularies
from strongroom.web.answers import lang_of, signed_in
from strongroom.web.deposit.asking import as_json, do, id_of, look, told_as_asked, told_of
from strongroom.web.deposit.page import show_again
from strongroom.web.deposit.sent import Sent, forget, receive
from strongroom.web.findings import told
from strongroom.web.render import texts
from strongroom.web.words import N_

NO_DESCRIPTION: Final = N_("Choose a file named CITATION.cff or .zenodo.json.")
# Where the form shows what `prefill.fill_in` names.
_FILLED: Final[Mapping[str, str]] = {
    "resource_type": "type",
    "subjects": "keywords",
    "references": "references.text",
    "locations": "metadata.locations.features",
    "access": "access.choice",
    "doi": "pids.doi.identifier",
}


def _described(request: Request, key: str) -> tuple[str, bytes]:
    """A file of the draft itself, whole. Raises NotFound, TooLarge, Forbidden."""
    ctx = context(request)
    with ctx.db.read() as session:
        actor = signed_in(session, request)
        found = files.find(session, drafts.readable_bucket(session, actor, id_of(request)), key)
    if found.size > prefill.MAX_BYTES:
        raise TooLarge("A file with a description may have 1 MB at most.")
    return found.key, b"".join(ctx.store.read(found.location, 0, found.size))


async def _prefill(request: Request, filename: str, body: bytes) -> tuple[list[str], list[str]]:
    """Fill what is empty from a description: (names of the form's fields, what was left out). Raises Invalid."""
    draft_id = id_of(request)
    format = prefill.format_of(filename)
    if format is None:
        raise Invalid.at("prefill", NO_DESCRIPTION)
    try:
        found, left_out = await in_thread(request, lambda: format.read(body, today()))
    except Malformed as error:
        raise Invalid.at("prefill", f"{filename}: {error.message}") from None

    def work(session: Session, actor: Actor) -> list[str]:
        row = drafts.lock(session, actor, draft_id)
        before = RecordData.from_json(row.data)
        after, names = prefill.fill_in(before, found)
        if row.published and "doi" in names:
            after.doi = before.doi
        if names:
            drafts.update_data(session, actor, draft_id, vocabularies.resolve(session, after), locked=row)
        return names

    names = await do(request, work)
    return [_FILLED.get(name, f"metadata.{name}") for name in names if name != "custom"] + [
        f"custom_fields.{group}" for group in found.metadata.custom if "custom" in names
    ], left_out


async def prefill_page(request: Request, sent: Sent) -> Response:
    t = texts(lang_of(request))
    if sent.prefill is not None:
        filename, body = sent.prefill
    else:
        key = sent.fields.get("prefill.key", "")
        if not key:
            raise Invalid.at("prefill", NO_DESCRIPTION)
        filename, body = await in_thread(request, _described, request, key)
    names, left_out = await _prefill(request, filename, body)
    base = filename.rpartition("/")[2]
    text = (
        t.gettext("Filled in from %(name)s: look at what is marked.") % {"name": base}
        if names
        else t.gettext("Nothing was filled in from %(name)s: what it says is said already.") % {"name": base}
    )
    note = {
        "kind": "good" if names else "info",
        "icon": "check" if names else "info",
        "text": text,
        "items": [told(line, t) for line in left_out],
    }
    return await show_again(request, 200, [note], origins=dict.fromkeys(names, base))


@told_as_asked
async def prefilled(request: Request) -> Response:
    """POST /uploads/{id}/prefill: fill in from a file of the draft (`key`) or one sent along (`prefill`); as JSON, what was filled."""
    sent = await receive(request)
    await forget(request, sent)  # files of the whole form come along, and are not asked for here
    if sent.prefill is None:
        sent.fields["prefill.key"] = sent.fields.get("key", "")
    await do(request, lambda session, actor: drafts.lock(session, actor, id_of(request)).id)
    if "json" not in request.headers.get("accept", ""):
        try:
            return await prefill_page(request, sent)
        except (Invalid, TooLarge) as error:
            return await show_again(
                request, 400, [{"kind": "bad", "icon": "alert", "text": told_of(error, request), "items": []}]
            )
    try:
        given = sent.prefill
        if given is None:
            given = await in_thread(request, _described, request, sent.fields["prefill.key"])
        filename, body = given
        names, left_out = await _prefill(request, filename, body)
    except (Invalid, TooLarge) as error:
        return as_json(orjson.dumps({"message": told_of(error, request)}), 400)

    def revision(session: Session, actor: Actor) -> int:
        view = drafts.view(session, actor, id_of(request), most=1)
        return view.revision if view is not None else 0

    base = filename.rpartition("/")[2]
    return as_json(
        orjson.dumps(
            {
                "revision": await look(request, revision),
                "source": base,
                "filled": [{"field": name, "source": base} for name in names],
                "left_out": [told(line, texts(lang_of(request))) for line in left_out],
            }
        )
    )
