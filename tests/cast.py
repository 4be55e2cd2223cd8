"""One record of each kind, and everybody who may come to see it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import insert, select

from strongroom.access import SYSTEM, Level
from strongroom.files import service as files
from strongroom.ids import now
from strongroom.metadata.model import Access, RecordData
from strongroom.records.models import concepts
from strongroom.sharing import service as sharing
from strongroom.sharing.models import links
from tests.app import Reader, Site
from tests.desk import data

KINDS = ("open", "edit", "embargoed", "restricted", "private", "withdrawn", "draft")
READERS = ("anonymous", "other", "owner", "admin", "no-scope", "write-only", "session")

# To whom something is given: by grants, and by share links (a link of its own for each subject).
GRANTED = ("reader", "previewer", "editor", "manager", "co-owner")
LINKED = ("link-view", "link-preview", "link-edit")
SHARERS = {
    "reader": Level.VIEW,
    "previewer": Level.PREVIEW,
    "editor": Level.EDIT,
    "manager": Level.MANAGE,
    "co-owner": Level.MANAGE,
    "link-view": Level.VIEW,
    "link-preview": Level.PREVIEW,
    "link-edit": Level.EDIT,
}
_PERMISSIONS = dict(zip(GRANTED, ("view", "preview", "edit", "manage", "owner"), strict=True))


@dataclass(frozen=True)
class Subject:
    """A record or draft with one file, and what only some may see of it."""

    kind: str
    id: int
    key: str
    file_id: str
    hidden: dict[str, str] = field(default_factory=dict)  # what it is: the text that gives it away

    @property
    def bucket(self) -> str:
        return files.bucket_id(self.id)

    def given_away_by(self, text: str) -> list[str]:
        """What of it a text tells."""
        # A number only as a whole one: its digits may stand in a time's microseconds.
        return [
            name
            for name, marker in self.hidden.items()
            if (re.search(rf"(?<![\d.]){marker}(?!\d)", text) if marker.isdigit() else marker in text)
        ]


class Cast:
    """Makes subjects on demand, and knows the readers by name."""

    def __init__(self, site: Site) -> None:
        self.site = site
        owner = site.reader("owner")
        self.readers = {
            "anonymous": Reader("anonymous"),
            "other": site.reader("other"),
            "owner": owner,
            "admin": site.reader("admin", admin=True),
            "no-scope": site.reader("no-scope", scopes=(), of=owner),
            "write-only": site.reader("write-only", scopes=("deposit:write",), of=owner),
            "session": site.session("session", owner),
        }
        self.sharers: dict[str, Reader] = {}
        self._made = 0

    def fresh_session(self) -> Reader:
        self.readers["session"] = self.site.session("session", self.readers["owner"])
        return self.readers["session"]

    @property
    def secrets(self) -> set[str]:
        return {s for reader in self.readers.values() for s in reader.secrets}

    def make(self, kind: str) -> Subject:
        """A new subject of this kind, which belongs to the owner."""
        self._made += 1
        desk, owner = self.site.desk, self.readers["owner"].actor
        mark = f"MARK{kind}{self._made}"
        suffix = f"zz{kind}{self._made}"
        key = f"{mark}name.{suffix}"
        # No other subject has as many bytes.
        content = f"{mark}bytes".encode().ljust(402_000 + self._made, b".")
        described = self._described(kind, mark)
        some_id = desk.create(owner, described)
        file_id = desk.put(owner, some_id, key, content).id
        of_files = {
            "name of a file": key,
            "type of a file": suffix,
            "bytes": f"{mark}bytes",
            "md5": hashlib.md5(content).hexdigest(),
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": str(len(content)),
            "id of a file": file_id,
        }
        of_names = {what: marker for what, marker in of_files.items() if what != "size"}
        of_text = {"title": f"{mark}title", "description": f"{mark}description", "keyword": f"{mark}keyword"}
        hidden = {
            "open": {},
            "edit": {"title of the edit": f"{mark}edited"},
            # How many files and bytes a record has, everybody may know: lists show it (shared/ui).
            "embargoed": of_names,
            "restricted": of_names,
            "private": of_files | of_text,
            # The tombstone keeps the title, and how many bytes there were.
            "withdrawn": {k: v for k, v in (of_files | of_text).items() if k not in ("title", "size")},
            "draft": of_files | of_text,
        }[kind]
        if kind != "draft":
            desk.publish(owner, some_id)
        if kind == "edit":
            desk.edit(owner, some_id)
            desk.update(owner, some_id, data(f"{mark}edited"))
        if kind == "withdrawn":
            desk.withdraw(some_id, "retracted", by=SYSTEM)
        return Subject(kind, some_id, key, file_id, hidden)

    def shared(self, subject: Subject) -> dict[str, str]:
        """Give a subject to everybody in SHARERS; the tokens of its share links by their holder's name.

        By rows, not by verbs: a withdrawn record can be given to nobody any more, but may have been before.
        """
        if not self.sharers:
            self.sharers = {name: self.site.reader(name) for name in GRANTED}
            self.sharers |= {name: Reader(name) for name in LINKED}
        tokens = {name: f"LINKTOKEN{name}{subject.id}".replace("-", "") for name in LINKED}
        with self.site.ctx.db.begin() as session:
            concept_id = session.execute(
                select(concepts.c.id).where(concepts.c.id == subject.id - 1)
            ).scalar_one()
            for name in GRANTED:
                user_id = self.sharers[name].actor.user_id
                assert user_id is not None
                sharing.give(session, concept_id, user_id, _PERMISSIONS[name], "test")
            for name, token in tokens.items():
                values = {"permission": name.partition("-")[2], "description": "", "created": now()}
                session.execute(
                    insert(links).values(
                        id=f"{name}{subject.id}", concept_id=concept_id, token=token, **values
                    )
                )
        return tokens

    def _described(self, kind: str, mark: str) -> RecordData:
        from strongroom.metadata.model import Subject as Keyword

        access = {
            "embargoed": Access(files="restricted", embargo_until=date(2999, 1, 1)),
            "restricted": Access(files="restricted"),
            "private": Access(record="restricted", files="restricted"),
        }.get(kind, Access())
        return data(
            f"{mark}title of a rose",
            description=f"<p>{mark}description</p>",
            subjects=[Keyword(subject=f"{mark}keyword")],
            access=access,
        )
