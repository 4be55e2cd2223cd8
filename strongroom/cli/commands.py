"""The operator's commands. Heavy modules are imported by the commands that need them."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import TYPE_CHECKING

import click

import strongroom
from strongroom.cli.vocabulary import vocabulary
from strongroom.settings import Settings

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.db import Database


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(strongroom.__version__, prog_name="strongroom")
def cli() -> None:
    """A repository for research data. Settings come from STRONGROOM_… (docs/operators/settings.md)."""


cli.add_command(vocabulary)


def _log(settings: Settings) -> None:
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("httpx2").setLevel(logging.WARNING)


def _context(settings: Settings) -> Context:
    from strongroom.app import build

    return build(settings)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on.")
@click.option("--workers", type=int, default=None, help="Web processes (default: STRONGROOM_WORKERS, 1).")
def serve(host: str, port: int, workers: int | None) -> None:
    """Start the repository: web, jobs and search index. A fresh data folder is set up first."""
    settings = Settings()
    _log(settings)
    from strongroom.cli.server import run

    run(settings, host, port, workers or settings.workers)


@cli.command()
def worker() -> None:
    """Work on jobs only, apart from the web processes (then set STRONGROOM_JOB_THREADS=0 there)."""
    settings = Settings()
    _log(settings)
    from strongroom.jobs import Worker

    ctx = _context(settings)
    running = Worker(ctx.db, ctx, threads=max(1, settings.job_threads))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    running.start()
    ended.wait()
    running.stop(10)


@cli.group()
def db() -> None:
    """The database."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database's schema up to date (`serve` does it by itself)."""
    from strongroom import migrations
    from strongroom.db import Database, wait_for

    settings = Settings()
    settings.make_data_dir()
    database = Database(settings)
    wait_for(database)
    done = migrations.upgrade(database)
    click.echo(f"The database is at revision {migrations.HEAD}{'.' if done else ' already.'}")


@cli.group()
def index() -> None:
    """The search index of this machine."""


@index.command("rebuild")
def index_rebuild() -> None:
    """Build the search index anew from the database. Works while the server runs."""
    ctx = _context(Settings())
    ctx.search.start()
    try:
        ctx.search.rebuild()
        click.echo(f"The index is built: {ctx.search.status()['records']}.")
    finally:
        ctx.search.stop()


@cli.command()
def rebuild() -> None:
    """Make the database again from the store's manifests (into an empty database)."""
    from strongroom.records.rebuild import rebuild as again

    ctx = _context(Settings())
    counts = again(ctx.db, ctx.store, lambda text: click.echo(text, err=True))
    # An index that is still here knows the log of the lost database.
    ctx.search.start()
    try:
        ctx.search.rebuild()
    finally:
        ctx.search.stop()
    click.echo(
        f"{counts['records']} records of {counts['concepts']} concepts and {counts['users']} owners are back. "
        "Owners have no password: give them one with `strongroom user password EMAIL --password-stdin`."
    )
    if counts["broken"]:
        click.echo(f"{counts['broken']} concepts could not be read: see above.", err=True)
        sys.exit(1)


@cli.group()
def user() -> None:
    """Accounts."""


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


@user.command("add")
@click.argument("email")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)
@click.option("--name", default="", help="Name shown to others.")
@click.option("--orcid", default=None, help="ORCID of the person.")
@click.option("--admin", is_flag=True, help="May look after all records.")
def user_add(email: str, password_stdin: bool, name: str, orcid: str | None, admin: bool) -> None:
    """Add an account."""
    from strongroom.accounts import service

    database = _database()
    password = _password(password_stdin)
    with database.begin() as session:
        number = service.add_user(session, email, password, name=name, orcid=orcid, is_admin=admin)
    click.echo(f"Account {number} is there: {email}")


@user.command("password")
@click.argument("email")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)
def user_password(email: str, password_stdin: bool) -> None:
    """Give an account a new password."""
    from strongroom.accounts import service

    database = _database()
    password = _password(password_stdin)
    with database.begin() as session:
        service.set_password(session, service.find_user(session, email).id, password)
    click.echo(f"{email} has a new password.")


@cli.group()
def token() -> None:
    """Access tokens."""


@token.command("create")
@click.argument("email")
@click.option("--scope", "scopes", multiple=True, help="Scope of the token; repeat it (default: all scopes).")
@click.option("--name", default="", help="What it is for.")
def token_create(email: str, scopes: tuple[str, ...], name: str) -> None:
    """Make an access token and print it: the only time it is shown."""
    from strongroom.access import SCOPES
    from strongroom.accounts import service

    with _database().begin() as session:
        found = service.find_user(session, email)
        made = service.create_token(session, found.id, scopes or SCOPES, name)
    click.echo(made)


def _database() -> Database:
    """The database alone, for commands that need nothing else."""
    from strongroom import migrations
    from strongroom.db import Database, wait_for

    settings = Settings()
    settings.make_data_dir()
    database = Database(settings)
    wait_for(database)
    migrations.upgrade(database)
    return database


@cli.group()
def record() -> None:
    """Looking after published records."""


@record.command("withdraw")
@click.argument("record_id", type=int)
@click.option(
    "--reason", required=True, help="Why, as a short word: retracted, personal-data, copyright, duplicate …"
)
@click.option("--note", default="", help="What readers of the tombstone should know.")
def record_withdraw(record_id: int, reason: str, note: str) -> None:
    """Take a record away and leave a tombstone; its bytes are kept."""
    from strongroom.access import SYSTEM
    from strongroom.records import curation

    settings = Settings()
    with _database().begin() as session:
        curation.withdraw(session, settings, SYSTEM, record_id, reason, note)
    click.echo(f"Record {record_id} is withdrawn: {settings.base_url}/records/{record_id} shows why.")


@record.command("transfer")
@click.argument("record_id", type=int)
@click.argument("email")
def record_transfer(record_id: int, email: str) -> None:
    """Hand all versions of a record to another account."""
    from strongroom.access import SYSTEM
    from strongroom.accounts import service
    from strongroom.records import curation

    with _database().begin() as session:
        curation.transfer(session, SYSTEM, record_id, service.find_user(session, email).id)
    click.echo(f"Record {record_id} and its other versions now belong to {email}.")


@cli.command()
def doctor() -> None:
    """Check settings, database, store, index, disk space and jobs; say what to do."""
    from strongroom.cli.doctor import examine

    sys.exit(0 if examine(Settings(), click.echo) else 1)
