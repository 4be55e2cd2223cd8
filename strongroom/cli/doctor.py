"""`strongroom doctor`: is everything as it must be, and if not, what to do."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from typing import Any

from strongroom import migrations
from strongroom.db import Database
from strongroom.errors import StrongroomError
from strongroom.settings import Settings

NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "fuse.glusterfs"}


RESTORE = "Restore a backup, or move strongroom.db* away and run `strongroom rebuild`."


def filesystem_of(path: str) -> str:
    """The type of the file system that holds a path; empty where the system does not say."""
    try:
        out = subprocess.run(
            ["findmnt", "-n", "-o", "FSTYPE", "--target", path], capture_output=True, text=True, timeout=5
        )
        return out.stdout.strip().splitlines()[-1] if out.returncode == 0 and out.stdout.strip() else ""
    except (OSError, subprocess.TimeoutExpired):
        return ""


def examine(settings: Settings, say: Callable[[str], None]) -> bool:
    """Check settings, database, store, index, disk and jobs; True when all is well.

    Each line begins with `ok`, `note` (works, but should be known) or `BAD` (with what to do).
    """
    well = True

    def ok(text: str) -> None:
        say(f"ok    {text}")

    def note(text: str) -> None:
        say(f"note  {text}")

    def bad(text: str) -> None:
        nonlocal well
        well = False
        say(f"BAD   {text}")

    ok(f"settings: {settings.base_url}, data in {settings.data_dir}")
    if settings.doi_prefix == "10.5072":
        note("DOIs have the test prefix 10.5072: set STRONGROOM_DOI_PREFIX to your own before you go public.")
    if settings.registrar == "local":
        note("DOIs are not registered: set STRONGROOM_REGISTRAR=datacite with your DataCite account.")
    elif not (settings.datacite_username and settings.datacite_password):
        bad("DataCite: set STRONGROOM_DATACITE_USERNAME and STRONGROOM_DATACITE_PASSWORD.")
    if (
        not settings.is_https
        and "127.0.0.1" not in settings.base_url
        and "localhost" not in settings.base_url
    ):
        note("the base URL is not https: put a web server with a certificate in front.")

    for name in settings.unknown_variables():
        note(f"{name} is no setting and has no effect: docs/operators/settings.md lists those there are.")

    settings.make_data_dir()
    if settings.data_dir.stat().st_mode & 0o007:
        note(
            f"data folder: everybody on this machine may look into {settings.data_dir}, restricted files included: "
            "chmod o= it."
        )
    kind = filesystem_of(str(settings.data_dir))
    if settings.is_sqlite and kind in NETWORK:
        bad(
            f"data folder: {kind} is a network file system, on which SQLite loses data. "
            "Move STRONGROOM_DATA_DIR to a local disk, or use PostgreSQL (STRONGROOM_DATABASE_URL)."
        )
    free = shutil.disk_usage(settings.data_dir).free
    if free < settings.disk_reserve_bytes * 2:
        bad(
            f"disk: {free / 1e9:.1f} GB are free, uploads stop at {settings.disk_reserve_bytes / 1e9:.1f} GB: make room."
        )
    else:
        ok(f"disk: {free / 1e9:.1f} GB free")

    db = _database(settings, ok, bad)
    if db is not None:
        _jobs(db, ok, note, bad)
        _index(settings, db, ok, note)
        _vocabularies(settings, db, ok, note)
        db.close()
    _store(settings, ok, bad)
    return well


def _database(settings: Settings, ok: Callable[[str], None], bad: Callable[[str], None]) -> Database | None:
    try:
        db = Database(settings)
        at = migrations.current(db)
        if at is not None:
            with db.read() as session:  # nobody has to wait for it
                found = session.exec_driver_sql("PRAGMA quick_check").scalar() if settings.is_sqlite else "ok"
            if found != "ok":
                bad(f"database: SQLite finds damage ({found}). {RESTORE}")
                return None
    except Exception as error:
        said = str(getattr(error, "orig", error)).strip().splitlines()[0]
        todo = RESTORE if settings.is_sqlite else "Check STRONGROOM_DATABASE_URL and that it runs."
        bad(f"database: {said}. {todo}")
        return None
    if at is None:
        bad("database: empty. Run `strongroom db upgrade` (or `strongroom serve`, which does it).")
        return None
    if at != migrations.HEAD:
        bad(f"database: at revision {at}, the program is at {migrations.HEAD}: run `strongroom db upgrade`.")
        return None
    ok(f"database: {'SQLite' if settings.is_sqlite else 'PostgreSQL'}, revision {at}")
    return db


def _jobs(
    db: Database, ok: Callable[[str], None], note: Callable[[str], None], bad: Callable[[str], None]
) -> None:
    from strongroom import jobs

    with db.read() as session:
        counts = jobs.counts(session)
        gone = jobs.dead(session)
        manifests = jobs.counts(session, "manifest.write")["waiting"]
    if gone:
        first = gone[0]
        bad(f"jobs: {len(gone)} gave up, the first is {first.task} {first.key}: {first.last_error}")
    else:
        ok(f"jobs: {counts.get('waiting', 0)} waiting, {counts.get('running', 0)} running, none gave up")
    (note if manifests else ok)(f"manifests: {manifests} still to be written")


def _store(settings: Settings, ok: Callable[[str], None], bad: Callable[[str], None]) -> None:
    from strongroom.storage import new_location, open_store

    try:
        store = open_store(settings)
        probe = f"probe/{new_location().rpartition('/')[2]}"
        store.put(probe, b"strongroom")
        whole = store.get(probe) == b"strongroom"
        store.delete(probe)
    except StrongroomError as error:
        cause = str(error.__cause__ or "").strip().partition("\n")[0][:500]
        look = (
            "Check STRONGROOM_STORAGE_URL, STRONGROOM_STORAGE_ENDPOINT and the keys."
            if settings.storage_url
            else f"Check that {settings.files_dir} can be written and has room."
        )
        bad(f"store: {' '.join(part for part in (error.message, cause, look) if part)}")
        return
    if whole:
        ok(f"store: {store.name}, written and read")
    else:
        bad("store: what was written is not what was read.")


def _index(settings: Settings, db: Database, ok: Callable[[str], None], note: Callable[[str], None]) -> None:
    from strongroom.records.search import DatabaseSource
    from strongroom.search.indexer import KINDS, SearchService

    said = SearchService(settings.index_dir, DatabaseSource(db, settings)).status()
    for kind in KINDS:
        state: Any = said[kind]
        text = f"index of {kind}: {state['documents']} documents, {state['behind']} changes behind"
        if not state["sound"] or state["behind"] > 1000:
            note(f"{text}. A running server catches up by itself; `strongroom index rebuild` builds it anew.")
        else:
            ok(text)


def _vocabularies(
    settings: Settings, db: Database, ok: Callable[[str], None], note: Callable[[str], None]
) -> None:
    from strongroom.search.terms import TermService
    from strongroom.vocabularies import service
    from strongroom.vocabularies.sources import DatabaseTerms

    with db.read() as session:
        counts = service.counts(session)
        unfinished = service.unfinished(session)
    loaded = [f"{counts[kind]:,} {kind}" for kind in service.LOADED if counts[kind]]
    ok(f"vocabularies: {', '.join(loaded) or 'none loaded (`strongroom vocabulary load` takes them)'}")
    for source, file in unfinished:
        note(f"vocabularies: the load of {source} from {file} runs, or was ended: then load it again.")
    state: Any = TermService(settings.index_dir, DatabaseTerms(db)).status()
    text = f"index of vocabularies: {state['documents']:,} terms, {state['behind']:,} changes behind"
    if not state["sound"] or state["behind"] > 1000:
        note(f"{text}. A running server catches up by itself.")
    else:
        ok(text)
