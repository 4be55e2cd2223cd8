from __future__ import annotations

from tests.records.conftest import admin, desk, jane, john

__all__ = ["admin", "desk", "jane", "john"]
