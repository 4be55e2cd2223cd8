"""The deposit form: what was typed and can't be read yet, and where access requests are mailed"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("drafts", sa.Column("described", sa.Integer))
    op.add_column("drafts", sa.Column("typed", sa.Text))
    op.add_column("concepts", sa.Column("contact_email", sa.String(320)))
