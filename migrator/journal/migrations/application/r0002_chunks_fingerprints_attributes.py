"""What large files have in place, what folders looked like, what only an agent sees of an entry; and the way back."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns, which stay empty for what an earlier version recorded, and two tables."""
    for name, kind in (
        ("device", sa.Integer),
        ("allocated", sa.Integer),
        ("xattrs", sa.LargeBinary),
        ("fingerprint", sa.LargeBinary),
    ):
        op.add_column("item", sa.Column(name, kind))
    # Few files have several names, and those are asked for together.
    op.create_index(
        "item_linked", "item", ["state", "device", "inode", "path"], sqlite_where=sa.text("links > 1 AND kind = 'file'")
    )
    op.create_table(
        "large_file",
        sa.Column("dataset", sa.Integer, sa.ForeignKey("dataset.id"), primary_key=True),
        sa.Column("path", sa.LargeBinary, primary_key=True),
        sa.Column("temp_name", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("mtime_ns", sa.Integer, nullable=False),
        sa.Column("ctime_ns", sa.Integer),
        sa.Column("inode", sa.Integer),
        sqlite_with_rowid=False,
    )
    _make_chunks()
    _make_way_back()


def _make_chunks() -> None:
    op.create_table(
        "chunk",
        sa.Column("dataset", sa.Integer, primary_key=True),
        sa.Column("path", sa.LargeBinary, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["dataset", "path"], ["large_file.dataset", "large_file.path"], ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )


def _make_way_back() -> None:
    op.add_column("dataset", sa.Column("is_back", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "loss",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("items", sa.Integer, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("given_up_at", sa.Text, nullable=False),
    )
    op.create_table(
        "lost_item",
        sa.Column("loss", sa.Integer, sa.ForeignKey("loss.id"), primary_key=True),
        sa.Column("dataset", sa.Text, primary_key=True),
        sa.Column("path", sa.LargeBinary, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("mtime_ns", sa.Integer, nullable=False),
        sa.Column("link", sa.LargeBinary),
        sqlite_with_rowid=False,
    )
