"""The samples, and an index of terms over a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom.db import Database
from strongroom.search.terms import TermService
from strongroom.settings import Settings
from strongroom.vocabularies import formats
from strongroom.vocabularies.sources import DatabaseTerms

SAMPLES = Path(formats.__file__).parent / "samples"


@pytest.fixture
def index(database: Database, database_settings: Settings) -> TermService:
    return TermService(database_settings.index_dir, DatabaseTerms(database), patience=30)
