"""Work of records and files that is done after the answer: DOIs, manifests, sweeps.

A task gets ids and reads the state of now, so that it may come late, twice or out of order.
"""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import func, or_, select, update

from strongroom import changes, pids
from strongroom.access import SYSTEM, Actor
from strongroom.context import Context
from strongroom.db import Session
from strongroom.files import fetch, transfers
from strongroom.files import service as files
from strongroom.ids import today
from strongroom.jobs import Failed, every, queue, task
from strongroom.metadata.exports import ExportRecord, datacite
from strongroom.records import drafts, manifest, publish, queries
from strongroom.records.models import concepts, records
from strongroom.registrars import Rejected
from strongroom.sharing.models import grants

log = logging.getLogger(__name__)


@task("manifest.write", max_attempts=1000)
def write_manifest(ctx: Context, args: dict[str, Any]) -> None:
    """Write the manifest of one version as it is now. Tried until the store takes it."""
    with ctx.db.read() as session:
        found = manifest.read(session, args["record_id"], first=args.get("first", False))
        if found is None:
            return
        if "files" not in found.body:
            manifest.write_files(session, ctx.store, found)
    manifest.write(ctx.store, found, again="attempt" in args)


CONCEPTS_AT_ONCE = 500


@task("manifest.user", max_attempts=1000)
def write_manifests_of_user(ctx: Context, args: dict[str, Any]) -> None:
    """Ask for the manifests that name an account which changed: of each concept that of its latest version.

    Which is enough: a rebuild believes the newest manifest of a concept."""
    user_id, after = args["user_id"], args.get("after", 0)
    given = select(grants.c.concept_id).where(
        grants.c.subject_type == "user", grants.c.subject_id == str(user_id)
    )
    # Withdrawn ones have manifests too, and none that is the latest.
    newest = select(func.max(records.c.id)).where(records.c.concept_id == concepts.c.id).scalar_subquery()
    with ctx.db.begin() as session:
        found = session.execute(
            select(concepts.c.id, func.coalesce(concepts.c.latest_id, newest).label("latest_id"))
            .where(or_(concepts.c.owner_id == user_id, concepts.c.id.in_(given)))
            .where(concepts.c.id > after, concepts.c.latest_version > 0)
            .order_by(concepts.c.id)
            .limit(CONCEPTS_AT_ONCE)
        ).all()
        # The stamp of a manifest grows with what it says.
        session.execute(
            update(concepts)
            .where(concepts.c.id.in_([row.id for row in found]))
            .values(revision=concepts.c.revision + 1)
        )
        for row in found:
            queue.enqueue(session, "manifest.write", str(row.latest_id), {"record_id": row.latest_id})
        if len(found) == CONCEPTS_AT_ONCE:
            queue.enqueue(session, "manifest.user", str(user_id), {"user_id": user_id, "after": found[-1].id})


@task("doi.register", max_attempts=50, remote=True)
def register_doi(ctx: Context, args: dict[str, Any]) -> None:
    """Tell the registrar what a version's DOI, and its concept's, name now. Idempotent PUTs."""
    record_id = args["record_id"]
    with ctx.db.read() as session:
        row = session.execute(select(records).where(records.c.id == record_id)).first()
        if row is None or row.doi is None or row.doi_state == "external":
            return
        concept = session.execute(select(concepts).where(concepts.c.id == row.concept_id)).one()
    states: dict[str, tuple[str, str | None]] = {}
    try:
        if row.withdrawn is not None:
            ctx.registrar.hide(row.doi)
            states[row.doi] = ("tombstone", None)
        else:
            url = _url(ctx, row.id)
            ctx.registrar.register(row.doi, url, _payload(ctx, row.id))
            states[row.doi] = ("registered" if ctx.registrar.registers else "local", None)
        if concept.doi and concept.latest_id is not None:
            url = _url(ctx, concept.id)
            ctx.registrar.register(concept.doi, url, _payload(ctx, concept.latest_id, True))
            states[concept.doi] = ("registered" if ctx.registrar.registers else "local", None)
        elif concept.doi:
            ctx.registrar.hide(concept.doi)
            states[concept.doi] = ("tombstone", None)
    except Rejected as refusal:
        failed = row.doi if row.doi not in states else concept.doi
        states[failed] = ("failed", str(refusal))
        _note(ctx, row, states)
        raise Failed(str(refusal)) from refusal
    _note(ctx, row, states)


def _note(ctx: Context, row: Any, states: dict[str, tuple[str, str | None]]) -> None:
    """Write down how far each DOI is; says so in the manifest when something changed."""
    with ctx.db.begin() as session:
        # The concept is locked before its records, as publishing does: two orders would deadlock.
        session.execute(select(concepts.c.id).where(concepts.c.id == row.concept_id).with_for_update())
        changed = False
        for doi, (state, error) in states.items():
            before = pids.resolve(session, doi)
            if before is not None and (before.state, before.error) != (state, error):
                pids.set_state(session, doi, state, error)
                changed = True
        reached = states.get(row.doi, (None, None))[0]
        if reached in ("registered", "local", "failed") and reached != row.doi_state:
            session.execute(update(records).where(records.c.id == row.id).values(doi_state=reached))
            changed = True
        if changed:
            session.execute(
                update(concepts)
                .where(concepts.c.id == row.concept_id)
                .values(revision=concepts.c.revision + 1)
            )
            queue.enqueue(session, "manifest.write", str(row.id), {"record_id": row.id})
            reported = {doi: state for doi, (state, _) in states.items()}
            changes.append(session, SYSTEM.label, "doi-updated", "record", row.id, reported)


def _url(ctx: Context, some_id: int) -> str:
    return f"{ctx.settings.base_url}/records/{some_id}"


def _payload(ctx: Context, record_id: int, of_concept: bool = False) -> dict[str, Any]:
    with ctx.db.read() as session:
        view = queries.by_id(session, SYSTEM, record_id, with_files=False, with_versions=True)
    record = ExportRecord.of(view, ctx.settings)
    return datacite.concept_payload(record) if of_concept else datacite.payload(record)


@task("files.remove", max_attempts=1000)
def remove_bytes(ctx: Context, args: dict[str, Any]) -> None:
    """Remove bytes that nothing names any more; an instance that names them after all keeps them."""
    from strongroom.files.models import instances

    with ctx.db.read() as session:
        named = session.execute(
            select(instances.c.id).where(instances.c.location == args["location"])
        ).first()
    if named is None:
        ctx.store.delete(args["location"])


@task("files.collect")
def collect(ctx: Context, args: dict[str, Any]) -> None:
    """Part instances that no object names from the database; their bytes go later (trash_days)."""
    with ctx.db.begin() as session:
        files.collect(session, ctx.settings, among=args.get("instances", []))


def settle_transfer(ctx: Context, transfer_id: str, seconds: float | None = None) -> bool:
    """Bring an upload in parts to its end; see `transfers.settle`. Not inside a transaction."""
    return transfers.settle(
        ctx.db, ctx.store, ctx.settings, transfer_id, reopen=drafts.reopen, touch=_touched, seconds=seconds
    )


def _touched(session: Session, row: Any) -> None:
    drafts.touch(session, Actor(user_id=row.user_id, via="token"), row.draft_id, "file-added")


@task("transfers.verify", max_attempts=1000)
def verify_transfer(ctx: Context, args: dict[str, Any]) -> None:
    """Hash what came in parts, when the process that received them does not: in slices, so that others get their turn."""
    if not settle_transfer(ctx, args["transfer"], seconds=5):
        with ctx.db.begin() as session:
            queue.enqueue(session, "transfers.verify", args["transfer"], {"transfer": args["transfer"]})


@task("transfers.fetch", max_attempts=fetch.ATTEMPTS + 1, remote=True)
def fetch_file(ctx: Context, args: dict[str, Any]) -> None:
    """Download a file from where its depositor said it is."""
    fetch.run(
        ctx.db,
        ctx.store,
        ctx.settings,
        args["transfer"],
        last=args.get("attempt", 0) + 1 >= fetch.ATTEMPTS,
        reopen=drafts.reopen,
        touch=_touched,
    )


@task("transfers.drop", max_attempts=1000)
def drop_transfer(ctx: Context, args: dict[str, Any]) -> None:
    """Remove the parts of an upload that was called off."""
    ctx.store.drop_parts(args["location"], args["handle"])


@every("transfers.sweep", 3600)
def sweep_transfers(ctx: Context, args: dict[str, Any]) -> None:
    """Give up uploads in parts that were not finished in time, their bytes with them."""
    with ctx.db.begin() as session:
        transfers.give_up(session, transfers.expired(session))


@every("files.audit", 86_400)
def audit(ctx: Context, args: dict[str, Any]) -> None:
    """Once a day: look through all instances for some that no object names."""
    with ctx.db.read() as session:
        ids = files.nobodys(session, 10_000)
    for start in range(0, len(ids), 500):
        with ctx.db.begin() as session:
            files.collect(session, ctx.settings, among=ids[start : start + 500])


@every("files.sweep", 300)
def sweep(ctx: Context, args: dict[str, Any]) -> None:
    """Remove what broken uploads left: rows without a heartbeat, and the bytes at their locations."""
    with ctx.db.read() as session:
        stale = files.given_up(session, ctx.settings)
    for row in stale:
        with ctx.db.begin() as session:
            files.release(session, row.location)
            files.remove_bytes_later(session, row.store, row.location, 0)


@every("records.embargoes", 600)
def embargoes(ctx: Context, args: dict[str, Any]) -> None:
    """Spread the news of embargoes that ended."""
    with ctx.db.begin() as session:
        ended = publish.lift_embargoes(session, today(), registrar=ctx.settings.registrar)
    if ended:
        log.info("embargo ended for records %s", ended)
