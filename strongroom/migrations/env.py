"""Alembic's entry: runs on the connection that `migrations.upgrade` hands over."""

from __future__ import annotations

from alembic import context

from strongroom.migrations import all_tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=all_tables(),
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
