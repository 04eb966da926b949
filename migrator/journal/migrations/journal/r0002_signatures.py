"""The signature that an approval carries."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; approvals that were recorded before have none."""
    op.add_column("approval", sa.Column("signature", sa.Text))
