"""What large files have in place, what folders looked like, and what only an agent sees of an entry."""

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
    op.create_table(
        "chunk",
        sa.Column("dataset", sa.Integer, primary_key=True),
        sa.Column("path", sa.LargeBinary, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["dataset", "path"], ["large_file.dataset", "large_file.path"], ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )
