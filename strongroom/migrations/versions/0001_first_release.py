"""The schema of the first release"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import strongroom.db

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column(
            "seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("at", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("verb", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_changes")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("changes", schema=None) as batch_op:
        batch_op.create_index("ix_changes_subject", ["kind", "subject_id"], unique=False)

    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
    )
    op.create_table(
        "crons",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("next_run", strongroom.db.Moment(length=32), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_crons")),
    )
    op.create_table(
        "file_instances",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("md5", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("crc32", sa.BigInteger(), nullable=False),
        sa.Column("store", sa.String(length=40), nullable=False),
        sa.Column("location", sa.String(length=200), nullable=False),
        sa.Column("created", strongroom.db.Moment(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file_instances")),
        sa.UniqueConstraint("location", name=op.f("uq_file_instances_location")),
    )
    with op.batch_alter_table("file_instances", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_file_instances_sha256"), ["sha256"], unique=False)

    op.create_table(
        "jobs",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("task", sa.String(length=60), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("run_at", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("lease_until", strongroom.db.Moment(length=32), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("updated", strongroom.db.Moment(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index(
            "ix_jobs_due",
            ["run_at"],
            unique=False,
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        )
        batch_op.create_index(
            "uq_jobs_open",
            ["task", "key"],
            unique=True,
            sqlite_where=sa.text("state <> 'running'"),
            postgresql_where=sa.text("state <> 'running'"),
        )
        batch_op.create_index(
            "uq_jobs_running",
            ["task", "key"],
            unique=True,
            sqlite_where=sa.text("state = 'running'"),
            postgresql_where=sa.text("state = 'running'"),
        )

    op.create_table(
        "pids",
        sa.Column("value", sa.String(length=400), nullable=False),
        sa.Column("shown", sa.String(length=400), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("updated", strongroom.db.Moment(length=32), nullable=False),
        sa.PrimaryKeyConstraint("value", name=op.f("pk_pids")),
    )
    with op.batch_alter_table("pids", schema=None) as batch_op:
        batch_op.create_index("ix_pids_subject", ["kind", "subject_id"], unique=False)

    op.create_table(
        "uploads",
        sa.Column("location", sa.String(length=200), nullable=False),
        sa.Column("store", sa.String(length=40), nullable=False),
        sa.Column("concept_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("started", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("heartbeat", strongroom.db.Moment(length=32), nullable=False),
        sa.PrimaryKeyConstraint("location", name=op.f("pk_uploads")),
    )
    with op.batch_alter_table("uploads", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_uploads_concept_id"), ["concept_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_uploads_user_id"), ["user_id"], unique=False)

    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("orcid", sa.String(length=19), nullable=True),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("updated", strongroom.db.Moment(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "concepts",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("latest_id", sa.BigInteger(), nullable=True),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.Column("next_draft_id", sa.BigInteger(), nullable=True),
        sa.Column("doi", sa.String(length=400), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("updated", strongroom.db.Moment(length=32), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_concepts_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_concepts")),
    )
    with op.batch_alter_table("concepts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_concepts_owner_id"), ["owner_id"], unique=False)

    op.create_table(
        "sessions",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("created", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("expires", strongroom.db.Moment(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_sessions_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sessions")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sessions_user_id"), ["user_id"], unique=False)

    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("expires", strongroom.db.Moment(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_tokens_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
    )
    with op.batch_alter_table("tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tokens_user_id"), ["user_id"], unique=False)

    op.create_table(
        "drafts",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("concept_id", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("file_order", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("updated", strongroom.db.Moment(length=32), nullable=False),
        sa.ForeignKeyConstraint(["concept_id"], ["concepts.id"], name=op.f("fk_drafts_concept_id")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_drafts_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drafts")),
    )
    with op.batch_alter_table("drafts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_drafts_concept_id"), ["concept_id"], unique=False)
        batch_op.create_index("ix_drafts_owner", ["owner_id", "id"], unique=False)

    op.create_table(
        "objects",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("concept_id", sa.BigInteger(), nullable=False),
        sa.Column("key", strongroom.db.Bytewise(), nullable=False),
        sa.Column("key_fold", strongroom.db.Bytewise(), nullable=False),
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("first_version", sa.Integer(), nullable=False),
        sa.Column("last_version", sa.Integer(), nullable=True),
        sa.Column("version_id", sa.String(length=36), nullable=False),
        sa.Column("mimetype", sa.String(length=200), nullable=False),
        sa.Column("created", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("updated", strongroom.db.Moment(length=32), nullable=False),
        sa.ForeignKeyConstraint(["concept_id"], ["concepts.id"], name=op.f("fk_objects_concept_id")),
        sa.ForeignKeyConstraint(["instance_id"], ["file_instances.id"], name=op.f("fk_objects_instance_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_objects")),
    )
    with op.batch_alter_table("objects", schema=None) as batch_op:
        batch_op.create_index("ix_objects_fold", ["concept_id", "key_fold"], unique=False)
        batch_op.create_index(batch_op.f("ix_objects_instance_id"), ["instance_id"], unique=False)
        batch_op.create_index("uq_objects_span", ["concept_id", "key", "first_version"], unique=True)

    op.create_table(
        "records",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("concept_id", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("doi", sa.String(length=400), nullable=True),
        sa.Column("doi_state", sa.String(length=20), nullable=False),
        sa.Column("record_access", sa.String(length=10), nullable=False),
        sa.Column("files_access", sa.String(length=10), nullable=False),
        sa.Column("embargo_until", sa.String(length=10), nullable=True),
        sa.Column("file_order", sa.Text(), nullable=True),
        sa.Column("file_count", sa.Integer(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("updated", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("withdrawn", strongroom.db.Moment(length=32), nullable=True),
        sa.Column("tombstone", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["concept_id"], ["concepts.id"], name=op.f("fk_records_concept_id")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_records_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_records")),
    )
    with op.batch_alter_table("records", schema=None) as batch_op:
        batch_op.create_index("ix_records_created", ["created"], unique=False)
        batch_op.create_index(
            "ix_records_embargo",
            ["embargo_until"],
            unique=False,
            sqlite_where=sa.text("embargo_until IS NOT NULL"),
            postgresql_where=sa.text("embargo_until IS NOT NULL"),
        )
        batch_op.create_index("ix_records_owner", ["owner_id", "id"], unique=False)
        batch_op.create_index("uq_records_version", ["concept_id", "version"], unique=True)

    op.create_table(
        "record_revisions",
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("at", strongroom.db.Moment(length=32), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_record_revisions_record_id")),
        sa.PrimaryKeyConstraint("record_id", "revision", name=op.f("pk_record_revisions")),
    )
    # Ids come in pairs, the concept's is the lower (Database.next_id).
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE SEQUENCE record_id START 2 INCREMENT BY 2")
    else:
        op.execute("INSERT INTO counters (name, value) VALUES ('record', 0)")


def downgrade() -> None:
    raise NotImplementedError("restore the copy made before the upgrade")
