"""Mail: rows of an outbox written in the caller's transaction, sent by a job.

`send` never speaks to anybody: it adds a row, and the mail exists only if the transaction does. The
job `mail.send` renders the text, hands it to the `Mailer` of the settings and blanks what the row
said, since it may hold a link that opens something. A server that does not answer is asked again for
a day, one that refuses the address once.

Without an SMTP server (`smtp_host` empty) mails are kept as files that only the operator can read.
"""

from __future__ import annotations

import gettext as gettexts
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)

from strongroom.db import AnyRow, Moment, Session, metadata
from strongroom.errors import Unavailable
from strongroom.ids import now
from strongroom.jobs.models import Failed, task
from strongroom.jobs.queue import enqueue
from strongroom.settings import Settings

if TYPE_CHECKING:  # imported when the first mail is sent: start-up budget
    import smtplib
    from email.message import EmailMessage

log = logging.getLogger(__name__)

LOCALE = Path(__file__).parent / "web" / "locale"

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("recipient", String(320), nullable=False),
    Column("kind", String(60), nullable=False),
    Column("language", String(10), nullable=False),
    Column("content", Text),  # JSON: the values in the text; none once sent
    Column("state", String(10), nullable=False),  # waiting, sent, kept (in a file), failed
    Column("error", Text),
    Column("created", Moment, nullable=False),
    Column("sent", Moment),
    Index("ix_outbox_state", "state", "id"),
    sqlite_autoincrement=True,
)

notification_settings = Table(
    "notification_settings",
    metadata,
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("updated", Moment, nullable=False),
)


@dataclass(frozen=True)
class MailText:
    """A mail's subject and body in English, with `%(name)s` where values go; both are in the catalogues."""

    subject: str
    body: str


TEXTS: dict[str, MailText] = {}


def N_(text: str) -> str:
    """Marks a text for the catalogue; the job that sends a mail translates it."""
    return text


def define(kind: str, subject: str, body: str) -> None:
    """Register the text of a kind of mail. Raises ValueError for one that is there already."""
    if kind in TEXTS:
        raise ValueError(f"There is a mail {kind!r} already")
    TEXTS[kind] = MailText(subject, body)


# Wishes ----------------------------------------------------------------------------------------------------


def wants(session: Session, user_id: int) -> bool:
    """Whether a user wants to be told of what happens by mail; everybody does who did not say no."""
    found = session.execute(
        select(notification_settings.c.enabled).where(notification_settings.c.user_id == user_id)
    ).scalar()
    return found is None or bool(found)


def unwilling(session: Session, user_ids: list[int]) -> set[int]:
    """Those of these users who want no mail."""
    rows = session.execute(
        select(notification_settings.c.user_id).where(
            notification_settings.c.user_id.in_(user_ids), notification_settings.c.enabled.is_(False)
        )
    ).scalars()
    return {int(i) for i in rows}


def set_wish(session: Session, user_id: int, enabled: bool) -> None:
    """Say whether a user wants mail."""
    values = {"enabled": enabled, "updated": now()}
    if not session.execute(
        update(notification_settings).where(notification_settings.c.user_id == user_id).values(values)
    ).rowcount:
        session.execute(insert(notification_settings).values(user_id=user_id, **values))


# The outbox ------------------------------------------------------------------------------------------------


def send(
    session: Session, to: str, kind: str, values: Mapping[str, str | int], *, language: str = "en"
) -> int:
    """Put a mail into the outbox of the caller's transaction; returns its number. Raises KeyError for no such kind.

    Whether the recipient wants it, the caller has asked (`wants`): some mails are answers, not news.
    """
    TEXTS[kind]
    if to.endswith(".invalid"):
        return 0  # a stand-in: nobody has confirmed an address (accounts/identities), and none of these exists (RFC 2606)
    mail_id = session.execute(
        insert(outbox)
        .values(
            recipient=to,
            kind=kind,
            language=language,
            content=orjson.dumps(dict(values)).decode(),
            state="waiting",
            created=now(),
        )
        .returning(outbox.c.id)
    ).scalar_one()
    enqueue(session, "mail.send", str(mail_id), {"mail_id": mail_id})
    return int(mail_id)


def message_of(row: AnyRow, settings: Settings) -> EmailMessage:
    """The mail of a waiting row, in the recipient's language."""
    from email.message import EmailMessage
    from email.policy import SMTP
    from email.utils import formatdate, make_msgid

    text = TEXTS[row.kind]
    translate = _translations(row.language).gettext
    values = {"site": settings.site_name, "site_url": settings.base_url, **orjson.loads(row.content)}
    # In one line: where Python folds a header it loses the blank between two encoded words.
    message = EmailMessage(SMTP.clone(max_line_length=900))
    # A title may hold a line end; a header may not.
    message["Subject"] = " ".join((translate(text.subject) % values).split())[:250]
    message["From"] = settings.mail_from or settings.contact_email
    message["To"] = row.recipient
    message["Date"] = formatdate(row.created.timestamp(), usegmt=True)
    # The same at every try, so that a mail sent twice is seen to be one.
    message["Message-ID"] = make_msgid(f"{row.id}.{int(row.created.timestamp())}", "strongroom.invalid")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(translate(text.body) % values)
    return message


@lru_cache(maxsize=16)
def _translations(language: str) -> gettexts.NullTranslations:
    return gettexts.translation("strongroom", LOCALE, [language], fallback=True)


@task("mail.send", max_attempts=36, remote=True)
def deliver(ctx: Any, args: dict[str, Any]) -> None:
    """Send one mail of the outbox. Twice at worst, where a worker dies between the server's yes and the commit."""
    with ctx.db.read() as session:
        row = session.execute(select(outbox).where(outbox.c.id == args["mail_id"])).first()
    if row is None or row.state != "waiting":
        return
    mailer = ctx.mailer
    try:
        mailer.deliver(row.id, message_of(row, ctx.settings))
    except Refused as refusal:
        with ctx.db.begin() as session:
            _mark(session, row.id, state="failed", error=str(refusal), content=None)
        raise Failed(str(refusal)) from refusal
    with ctx.db.begin() as session:
        _mark(session, row.id, state=mailer.state, content=None, sent=now())


def _mark(session: Session, mail_id: int, **values: str | datetime | None) -> None:
    session.execute(update(outbox).where(outbox.c.id == mail_id).values(values))


# Who carries it --------------------------------------------------------------------------------------------


class Refused(Exception):
    """The server will never take this mail."""


class Mailer(Protocol):
    """Hands a mail on. `state` is what a row becomes then."""

    state: str

    def deliver(self, number: int, message: EmailMessage) -> None:
        """Raises Unavailable when it may go later, Refused when never."""


class Console:
    """Keeps each mail as a file in a folder for the operator alone, and logs that it is there, not what it says."""

    state = "kept"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def deliver(self, number: int, message: EmailMessage) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / f"{number}.eml"
        # Links in it open things: nobody but the operator may read it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(message.as_bytes())
        log.warning("no mail server is set (STRONGROOM_SMTP_HOST): mail %d is kept as %s", number, path)


class Smtp:
    """A mail server by SMTP (RFC 5321), with STARTTLS (RFC 3207) or TLS from the start."""

    state = "sent"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def deliver(self, number: int, message: EmailMessage) -> None:
        import smtplib

        settings = self.settings
        try:
            with self._connection() as server:
                if settings.smtp_username:
                    server.login(settings.smtp_username, settings.smtp_password)
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            told = f"The mail server refused the address: {code} {text.decode('utf-8', 'replace')}"
            raise (Refused(told) if code >= 500 else Unavailable(told)) from error
        except smtplib.SMTPResponseException as error:
            said = error.smtp_error
            told = f"The mail server answered {error.smtp_code} {said.decode('utf-8', 'replace') if isinstance(said, bytes) else said}"
            # A wrong password is the operator's to mend: the mail waits.
            if error.smtp_code >= 500 and not isinstance(error, smtplib.SMTPAuthenticationError):
                raise Refused(told) from error
            raise Unavailable(told) from error
        except smtplib.SMTPNotSupportedError as error:
            told = f"The mail server lacks what is needed: {error}"
            # SMTPUTF8 (RFC 6531): it will not learn it in a day. STARTTLS and logging in are the operator's to mend.
            raise (Unavailable if str(message["To"]).isascii() else Refused)(told) from error
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(f"The mail server does not answer: {error}") from error

    def _connection(self) -> smtplib.SMTP:
        import smtplib
        import ssl

        settings = self.settings
        if settings.smtp_security == "tls":
            return smtplib.SMTP_SSL(
                settings.smtp_host, settings.smtp_port, timeout=30, context=ssl.create_default_context()
            )
        server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=30)
        if settings.smtp_security == "starttls":
            server.starttls(context=ssl.create_default_context())
        return server


def open_mailer(settings: Settings) -> Mailer:
    """The mailer that the settings name."""
    if settings.smtp_host:
        return Smtp(settings)
    return Console(settings.data_dir / "mail")
