"""Phase, attempts, effects, scans and manifest of one application, and the chain over them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first tables, and the rows that stand once."""
    _make_chain()
    _make_itinerary()
    _make_scans()
    _make_items()


def _make_chain() -> None:
    op.create_table(
        "fact",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "chain",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
    )
    op.create_table(
        "counter",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True),
        sa.Column("seq", sa.Integer, nullable=False),
    )
    op.execute("INSERT INTO counter (id, seq) VALUES (1, 0)")


def _make_itinerary() -> None:
    op.create_table(
        "standing",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("freeze_seq", sa.Integer),
        sa.Column("frozen_at", sa.Text),
        sa.Column("why", sa.Text, nullable=False),
    )
    op.create_table(
        "attempt",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("ended_at", sa.Text),
        sa.Column("phase", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("exit_code", sa.Integer),
    )
    op.create_table(
        "used_approval",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("attempt", sa.Integer, sa.ForeignKey("attempt.id"), nullable=False),
        sa.Column("used_at", sa.Text, nullable=False),
    )
    op.create_table(
        "effect",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("effect", sa.Text, nullable=False),
        sa.Column("verb", sa.Text, nullable=False),
        sa.Column("intended_at", sa.Text, nullable=False),
        sa.Column("confirmed_at", sa.Text),
        sa.Column("answer", sa.Text),
    )
    op.create_table(
        "mark",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )


def _make_scans() -> None:
    op.create_table(
        "dataset",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
    )
    op.create_table(
        "scan",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("dataset", sa.Integer, sa.ForeignKey("dataset.id"), nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("begun_at", sa.Text, nullable=False),
        sa.Column("begun_seq", sa.Integer, nullable=False),
        sa.Column("ended_at", sa.Text),
        sa.Column("seq", sa.Integer),
        sa.Column("is_complete", sa.Integer),
        sa.Column("items", sa.Integer),
        sa.Column("size_bytes", sa.Integer),
    )


def _make_items() -> None:
    op.create_table(
        "item",
        sa.Column("dataset", sa.Integer, sa.ForeignKey("dataset.id"), primary_key=True),
        sa.Column("path", sa.LargeBinary, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("mtime_ns", sa.Integer, nullable=False),
        sa.Column("mode", sa.Integer, nullable=False),
        sa.Column("uid", sa.Integer, nullable=False),
        sa.Column("gid", sa.Integer, nullable=False),
        sa.Column("link", sa.LargeBinary),
        sa.Column("ctime_ns", sa.Integer),
        sa.Column("inode", sa.Integer),
        sa.Column("links", sa.Integer),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("sha256", sa.LargeBinary),
        sa.Column("trust", sa.Text),
        sa.Column("copied_seq", sa.Integer),
        sa.Column("verified_seq", sa.Integer),
        sa.Column("verified_by", sa.Text),
        sa.Column("target_kind", sa.Text),
        sa.Column("is_gone", sa.Integer, nullable=False, server_default="0"),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sqlite_with_rowid=False,
    )
    # Two questions that are asked often, and whose answers are short.
    op.create_index("item_gone", "item", ["path"], sqlite_where=sa.text("is_gone = 1"))
    op.create_index("item_replaced", "item", ["path"], sqlite_where=sa.text("target_kind <> kind"))
    op.create_table(
        "foreign_entry",
        sa.Column("dataset", sa.Integer, sa.ForeignKey("dataset.id"), primary_key=True),
        sa.Column("path", sa.LargeBinary, primary_key=True),
        sqlite_with_rowid=False,
    )
