"""What one process works with: settings, database, store, index, registrar, jobs. Built once, frozen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from strongroom.db import Database
from strongroom.mail import Mailer, open_mailer
from strongroom.registrars import Registrar
from strongroom.search.indexer import SearchService
from strongroom.search.terms import TermService
from strongroom.settings import Settings
from strongroom.storage.base import ObjectStore


@dataclass(frozen=True)
class Context:
    """Handed to doors, tasks and commands; nothing else is global."""

    settings: Settings
    db: Database
    store: ObjectStore
    registrar: Registrar
    search: SearchService
    vocabularies: TermService
    blocks: ThreadPoolExecutor  # hashing and file blocks, apart from the threads of requests

    @property
    def mailer(self) -> Mailer:
        """Who carries mail; connects when there is some."""
        return open_mailer(self.settings)
