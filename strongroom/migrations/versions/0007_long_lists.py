"""Long lists of files: an index that skips to a page"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_objects_listed", "objects", ["concept_id", "key", "first_version", "last_version"], unique=False
    )
