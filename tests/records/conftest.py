from __future__ import annotations

import pytest

from strongroom.access import Actor
from strongroom.db import Database
from strongroom.settings import Settings
from tests.desk import Desk


@pytest.fixture
def desk(database: Database, database_settings: Settings) -> Desk:
    """An empty repository, once on each database."""
    return Desk.of(database_settings, database)


@pytest.fixture
def jane(desk: Desk) -> Actor:
    return desk.user("jane@example.org", name="Jane Doe")


@pytest.fixture
def john(desk: Desk) -> Actor:
    return desk.user("john@example.org", name="John Roe")


@pytest.fixture
def admin(desk: Desk) -> Actor:
    return desk.user("root@example.org", admin=True)
