"""Records API: vocabularies"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import strongroom.db

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "vocabulary_terms",
        sa.Column("number", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("id", strongroom.db.Bytewise(), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("sort_name", strongroom.db.Bytewise(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("created", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("updated", strongroom.db.Moment(length=32), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_vocabulary_terms")),
    )
    op.create_index("uq_vocabulary_terms_id", "vocabulary_terms", ["kind", "id"], unique=True)
    op.create_index("uq_vocabulary_terms_seq", "vocabulary_terms", ["seq"], unique=True)
    op.create_index(
        "ix_vocabulary_terms_sort", "vocabulary_terms", ["kind", "retired", "sort_name", "id"], unique=False
    )
    op.create_table(
        "vocabulary_aliases",
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("alias", strongroom.db.Bytewise(), nullable=False),
        sa.Column("number", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(
            ["number"], ["vocabulary_terms.number"], name=op.f("fk_vocabulary_aliases_number")
        ),
        sa.PrimaryKeyConstraint("kind", "alias", name=op.f("pk_vocabulary_aliases")),
    )
    op.create_index(op.f("ix_vocabulary_aliases_number"), "vocabulary_aliases", ["number"], unique=False)
    op.create_table(
        "vocabulary_loads",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("started", strongroom.db.Moment(length=32), nullable=False),
        sa.Column("finished", strongroom.db.Moment(length=32), nullable=True),
        sa.Column("read", sa.BigInteger(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("retired", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vocabulary_loads")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_vocabulary_loads_source"), "vocabulary_loads", ["source"], unique=False)
