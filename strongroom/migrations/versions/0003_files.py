"""Records API: files"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import strongroom.db

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Plain ADD COLUMN on both: a batch would copy SQLite's table, its largest.
    op.add_column("objects", sa.Column("metadata", sa.Text(), nullable=True))
    op.add_column("objects", sa.Column("hidden", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "file_tallies",
        sa.Column("concept_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("concept_id", "version", name=op.f("pk_file_tallies")),
    )
    op.create_table(
        "transfers",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("draft_id", sa.BigInteger(), nullable=False),
        sa.Column("concept_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("key", strongroom.db.Bytewise(), nullable=False),
        sa.Column("key_fold", strongroom.db.Bytewise(), nullable=False),
        sa.Column("mimetype", sa.String(length=200), nullable=False),
        sa.Column("type", sa.String(length=1), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("checksum", sa.String(length=150), nullable=True),
        sa.Column("part_size", sa.BigInteger(), nullable=True),
        sa.Column("parts", sa.Integer(), nullable=True),
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("handle", sa.Text(), nullable=True),
        sa.Column("hasher", sa.String(length=120), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("store", sa.String(length=40), nullable=True),
        sa.Column("location", sa.String(length=200), nullable=True),
        sa.Column("held_size", sa.BigInteger(), nullable=True),
        sa.Column("md5", sa.String(length=32), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("crc32", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.Column("hidden", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("updated", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("expires", strongroom.db.Moment(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
    )
    op.create_index("uq_transfers_key", "transfers", ["draft_id", "key"], unique=True)
    op.create_index("ix_transfers_fold", "transfers", ["draft_id", "key_fold"], unique=False)
    op.create_index(op.f("ix_transfers_concept_id"), "transfers", ["concept_id"], unique=False)
    op.create_index(op.f("ix_transfers_user_id"), "transfers", ["user_id"], unique=False)
    op.create_index(op.f("ix_transfers_expires"), "transfers", ["expires"], unique=False)
    op.create_table(
        "transfer_parts",
        sa.Column("transfer_id", sa.String(length=36), nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(length=200), nullable=False),
        sa.Column("received", strongroom.db.Moment(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["transfer_id"],
            ["transfers.id"],
            name=op.f("fk_transfer_parts_transfer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("transfer_id", "part", name=op.f("pk_transfer_parts")),
    )
