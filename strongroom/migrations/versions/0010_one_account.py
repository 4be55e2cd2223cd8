"""Accounts made one with another; manifests name identities, and those of accounts with some are written anew"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ASK = sa.text(
    "INSERT INTO jobs (task, key, args, state, attempts, run_at, fence, created, updated) "
    "VALUES ('manifest.user', :key, :args, 'waiting', 0, :at, 0, :at, :at) "
    "ON CONFLICT (task, key) WHERE state <> 'running' DO NOTHING"
)


def upgrade() -> None:
    op.add_column("users", sa.Column("merged_into", sa.Integer))
    connection = op.get_bind()
    now = datetime.now(UTC)
    at = now.isoformat(timespec="microseconds") if connection.dialect.name == "sqlite" else now
    for (user_id,) in connection.execute(sa.text("SELECT DISTINCT user_id FROM identities")).all():
        # A rebuild takes of an account what the manifest with its highest revision says.
        connection.execute(
            sa.text("UPDATE users SET revision = revision + 1 WHERE id = :id"), {"id": user_id}
        )
        args = json.dumps({"user_id": user_id})
        connection.execute(_ASK, {"key": str(user_id), "args": args, "at": at})
