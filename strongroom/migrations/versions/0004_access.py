"""Records API: grants, share links, access settings, requests, outbox"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import strongroom.db

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _moment(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, strongroom.db.Moment(length=32), nullable=nullable)


def _concept(name: str, table: str, *, primary: bool = False) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column(name, sa.BigInteger(), nullable=False, autoincrement=False if primary else "auto"),
        sa.ForeignKeyConstraint([name], ["concepts.id"], name=op.f(f"fk_{table}_{name}"), ondelete="CASCADE"),
    ]


def upgrade() -> None:
    op.create_table(
        "grants",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        *_concept("concept_id", "grants"),
        sa.Column("subject_type", sa.String(20), nullable=False),
        sa.Column("subject_id", sa.String(80), nullable=False),
        sa.Column("permission", sa.String(10), nullable=False),
        sa.Column("origin", sa.String(80), nullable=False),
        _moment("expires", True),
        _moment("created"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_grants_subject", "grants", ["concept_id", "subject_type", "subject_id"], unique=True)
    op.create_index("ix_grants_of", "grants", ["subject_type", "subject_id"])

    op.create_table(
        "share_links",
        sa.Column("id", sa.String(36), nullable=False),
        *_concept("concept_id", "share_links"),
        sa.Column("token", sa.String(80), nullable=False),
        sa.Column("permission", sa.String(10), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(80), nullable=True),
        sa.Column("expires_at", sa.String(10), nullable=True),
        _moment("created"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_links")),
        sa.UniqueConstraint("token", name=op.f("uq_share_links_token")),
    )
    op.create_index("ix_share_links_concept_id", "share_links", ["concept_id"])

    op.create_table(
        "access_settings",
        *_concept("concept_id", "access_settings", primary=True),
        sa.Column("askers", sa.String(10), nullable=False),
        sa.Column("expiration_days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("concept_id", name=op.f("pk_access_settings")),
    )

    op.create_table(
        "quotas",
        sa.Column("subject_type", sa.String(10), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("max_file_bytes", sa.BigInteger(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        _moment("changed"),
        sa.PrimaryKeyConstraint("subject_type", "subject_id", name=op.f("pk_quotas")),
    )

    op.create_table(
        "requests",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("creator_type", sa.String(20), nullable=False),
        sa.Column("creator_id", sa.String(320), nullable=False),
        sa.Column("receiver_type", sa.String(20), nullable=True),
        sa.Column("receiver_id", sa.String(80), nullable=True),
        sa.Column("topic_type", sa.String(20), nullable=False),
        sa.Column("topic_id", sa.String(80), nullable=False),
        sa.Column("concept_id", sa.BigInteger(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("open_key", sa.String(400), nullable=True),
        sa.Column("locked", sa.Boolean(), nullable=False),
        _moment("expires", True),
        sa.Column("revision", sa.Integer(), nullable=False),
        _moment("created"),
        _moment("updated"),
        _moment("activity"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_requests")),
        sa.UniqueConstraint("id", name=op.f("uq_requests_id")),
        sa.UniqueConstraint("open_key", name=op.f("uq_requests_open_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_requests_concept_id", "requests", ["concept_id"])
    op.create_index("ix_requests_creator", "requests", ["creator_type", "creator_id"])
    op.create_index("ix_requests_receiver", "requests", ["receiver_type", "receiver_id"])
    op.create_index("ix_requests_topic", "requests", ["topic_type", "topic_id"])

    op.create_table(
        "request_events",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("request_id", sa.String(36), nullable=False),
        sa.Column("parent_id", sa.String(36), nullable=True),
        sa.Column("type", sa.String(1), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("creator_type", sa.String(20), nullable=False),
        sa.Column("creator_id", sa.String(320), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        _moment("created"),
        _moment("updated"),
        sa.ForeignKeyConstraint(
            ["request_id"], ["requests.id"], name=op.f("fk_request_events_request_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_request_events")),
        sa.UniqueConstraint("id", name=op.f("uq_request_events_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_request_events_timeline", "request_events", ["request_id", "seq"])
    op.create_index("ix_request_events_parent", "request_events", ["parent_id"])

    op.create_table(
        "access_confirmations",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        _moment("created"),
        _moment("expires"),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_access_confirmations")),
    )
    op.create_index("ix_access_confirmations_of", "access_confirmations", ["record_id", "email"])

    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("recipient", sa.String(320), nullable=False),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("language", sa.String(10), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        _moment("created"),
        _moment("sent", True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_state", "outbox", ["state", "id"])

    op.create_table(
        "notification_settings",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        _moment("updated"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_notification_settings_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_notification_settings")),
    )
