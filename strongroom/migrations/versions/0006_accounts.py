"""Records API: accounts"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from strongroom.db import Moment

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("affiliations", sa.String(500), nullable=False, server_default=""),
        sa.Column("visibility", sa.String(10), nullable=False, server_default="public"),
        sa.Column("email_visibility", sa.String(10), nullable=False, server_default="restricted"),
        sa.Column("verified", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("blocked", Moment),
        sa.Column("last_login", Moment),
        sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
    ):
        op.add_column("users", column)

    op.create_table(
        "applications",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("owner_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("website", sa.String(2000), nullable=False, server_default=""),
        sa.Column("client_id", sa.String(40), nullable=False),
        sa.Column("secret_hash", sa.String(64)),
        sa.Column("redirect_uris", sa.Text, nullable=False),
        sa.Column("created", Moment, nullable=False),
        sa.Column("updated", Moment, nullable=False),
        sa.UniqueConstraint("client_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_applications_owner_id", "applications", ["owner_id"])

    op.create_table(
        "oauth_grants",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column(
            "application_id", sa.Integer, sa.ForeignKey("applications.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created", Moment, nullable=False),
        sa.Column("updated", Moment, nullable=False),
        sa.UniqueConstraint("user_id", "application_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_oauth_grants_application_id", "oauth_grants", ["application_id"])

    op.create_table(
        "oauth_codes",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column(
            "grant_id", sa.Integer, sa.ForeignKey("oauth_grants.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("family", sa.String(32), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("redirect_uri", sa.Text, nullable=False),
        sa.Column("challenge", sa.String(128)),
        sa.Column("expires", Moment, nullable=False),
        sa.Column("used", Moment),
    )
    op.create_index("ix_oauth_codes_grant_id", "oauth_codes", ["grant_id"])

    op.create_table(
        "oauth_refresh_tokens",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column(
            "grant_id", sa.Integer, sa.ForeignKey("oauth_grants.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("family", sa.String(32), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("expires", Moment, nullable=False),
        sa.Column("used", Moment),
    )
    op.create_index("ix_oauth_refresh_tokens_grant_id", "oauth_refresh_tokens", ["grant_id"])
    op.create_index("ix_oauth_refresh_tokens_family", "oauth_refresh_tokens", ["family"])

    # SQLite can't add a constraint to a table: there the table is made anew.
    with op.batch_alter_table("tokens") as tokens:
        tokens.add_column(sa.Column("last_used", Moment))
        tokens.add_column(sa.Column("grant_id", sa.Integer))
        tokens.add_column(sa.Column("family", sa.String(32)))
        tokens.create_foreign_key(
            "fk_tokens_grant_id", "oauth_grants", ["grant_id"], ["id"], ondelete="CASCADE"
        )
    op.create_index("ix_tokens_grant_id", "tokens", ["grant_id"])
    op.create_index("ix_tokens_family", "tokens", ["family"])
