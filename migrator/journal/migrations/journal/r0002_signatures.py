"""The signature that an approval carries; rehearsals, and how long their steps took."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, which approvals that were recorded before leave empty, and the tables."""
    op.add_column("approval", sa.Column("signature", sa.Text))
    op.create_table(
        "rehearsal",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("application", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, sa.ForeignKey("run.id"), nullable=False),
        sa.Column("ended_at", sa.Text, nullable=False),
        sa.Column("plan_digest", sa.Text, nullable=False),
        sa.Column("versions", sa.Text, nullable=False),
        sa.Column("endpoints", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
    )
    op.create_table(
        "rehearsed_step",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("rehearsal", sa.Integer, sa.ForeignKey("rehearsal.id"), nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("milliseconds", sa.Integer, nullable=False),
    )
