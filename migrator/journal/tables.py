"""The tables of the two kinds of database, as this version reads and writes them.

A new database is made from them at once; the migrations bring one of an earlier version to the same.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    and_,
    event,
    literal_column,
)

from migrator.journal.faults import damaged


class Moment(TypeDecorator[dt.datetime]):
    """A point in time, kept as ISO 8601 text in UTC, so that text order is time order."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: object) -> str | None:  # noqa: ARG002 (signature)
        """The text that is stored."""
        return None if value is None else moment_text(value)

    def process_result_value(self, value: str | None, dialect: object) -> dt.datetime | None:  # noqa: ARG002 (signature)
        """The time in UTC; LocalFault for a text that is none."""
        if value is None:
            return None
        try:
            return dt.datetime.fromisoformat(value)
        except ValueError:
            raise damaged(value, "a time") from None


def now() -> dt.datetime:
    """The time of this machine's clock, in UTC; for people, never for order."""
    return dt.datetime.now(dt.UTC)


def moment_text(moment: dt.datetime) -> str:
    """`moment` (aware) in UTC, always of the same length: `2018-07-28T22:00:00.000000+00:00`."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds")


class Lineage(NamedTuple):
    """One kind of database: how its files are recognised, and the schema this version knows."""

    name: str
    application_id: int  # SQLite's header field of that name
    version: int  # the header's user_version: how many revisions the schema has seen
    tables: MetaData


def _fact(metadata: MetaData) -> Table:
    return Table("fact", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))


def _chain(metadata: MetaData) -> Table:
    return Table(
        "chain",
        metadata,
        Column("number", Integer, primary_key=True),
        Column("at", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("subject_id", Text, nullable=False),
        Column("body", Text, nullable=False),
        Column("digest", Text, nullable=False),
    )


_of_journal = MetaData()
JOURNAL = Lineage("journal", 0x6D67_4A31, 2, _of_journal)  # "mgJ1"

journal_fact = _fact(_of_journal)
journal_chain = _chain(_of_journal)
recorded_plan = Table(
    "recorded_plan",
    _of_journal,
    Column("id", Integer, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("recorded_at", Moment, nullable=False),
    Column("recorded_by", Text, nullable=False),
)
run = Table(
    "run",
    _of_journal,
    Column("id", Text, primary_key=True),
    Column("command", Text, nullable=False),
    Column("plan_digest", Text, nullable=False),
    Column("versions", Text, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("exit_code", Integer),
)
approval = Table(
    "approval",
    _of_journal,
    Column("id", Text, primary_key=True),
    Column("gate", Text, nullable=False),
    Column("application", Text, nullable=False),
    Column("plan_digest", Text, nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("approved_at", Moment, nullable=False),
    Column("not_before", Moment),
    Column("not_after", Moment),
    Column("manifest_root", Text),
    Column("signature", Text),
)
refused_file = Table(
    "refused_file",
    _of_journal,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("refused_at", Moment, nullable=False),
)
rehearsal = Table(
    "rehearsal",
    _of_journal,
    Column("id", Integer, primary_key=True),
    Column("application", Text, nullable=False),
    Column("run_id", Text, ForeignKey("run.id"), nullable=False),
    Column("ended_at", Moment, nullable=False),
    Column("plan_digest", Text, nullable=False),
    Column("versions", Text, nullable=False),
    Column("endpoints", Text, nullable=False),
    Column("error", Text),
)
rehearsed_step = Table(
    "rehearsed_step",
    _of_journal,
    Column("id", Integer, primary_key=True),
    Column("rehearsal", Integer, ForeignKey("rehearsal.id"), nullable=False),
    Column("step", Text, nullable=False),
    Column("milliseconds", Integer, nullable=False),
)
JOURNAL_RECORDS = (recorded_plan, run, approval, refused_file, rehearsal, rehearsed_step)

_of_application = MetaData()
APPLICATION = Lineage("application", 0x6D67_4131, 2, _of_application)  # "mgA1"

application_fact = _fact(_of_application)
application_chain = _chain(_of_application)
counter = Table(
    "counter",
    _of_application,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True),
    Column("seq", Integer, nullable=False),
)
event.listen(
    counter, "after_create", lambda table, connection, **_: connection.execute(table.insert(), {"id": 1, "seq": 0})
)
standing = Table(
    "standing",
    _of_application,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True),
    Column("phase", Text, nullable=False),
    Column("freeze_seq", Integer),
    Column("frozen_at", Moment),
    Column("why", Text, nullable=False),
)
attempt = Table(
    "attempt",
    _of_application,
    Column("id", Integer, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("phase", Text),
    Column("error", Text),
    Column("exit_code", Integer),
)
used_approval = Table(
    "used_approval",
    _of_application,
    Column("id", Text, primary_key=True),
    Column("attempt", Integer, ForeignKey("attempt.id"), nullable=False),
    Column("used_at", Moment, nullable=False),
)
effect = Table(
    "effect",
    _of_application,
    Column("id", Integer, primary_key=True),
    Column("effect", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("intended_at", Moment, nullable=False),
    Column("confirmed_at", Moment),
    Column("answer", Text),
)
mark = Table(
    "mark",
    _of_application,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
dataset = Table(
    "dataset",
    _of_application,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("is_back", Integer, nullable=False, server_default="0"),  # from target to source: not of the application
)
scan = Table(
    "scan",
    _of_application,
    Column("id", Integer, primary_key=True),
    Column("dataset", Integer, ForeignKey("dataset.id"), nullable=False),
    Column("purpose", Text, nullable=False),  # "pass" or "guard"
    Column("begun_at", Moment, nullable=False),
    Column("begun_seq", Integer, nullable=False),
    Column("ended_at", Moment),  # the rest is None until then
    Column("seq", Integer),
    Column("is_complete", Integer),
    Column("items", Integer),
    Column("size_bytes", Integer),
)
item = Table(
    "item",
    _of_application,
    Column("dataset", Integer, ForeignKey("dataset.id"), primary_key=True),
    Column("path", LargeBinary, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("mode", Integer, nullable=False),
    Column("uid", Integer, nullable=False),
    Column("gid", Integer, nullable=False),
    Column("link", LargeBinary),
    Column("ctime_ns", Integer),
    Column("inode", Integer),
    Column("links", Integer),
    Column("device", Integer),
    Column("allocated", Integer),
    Column("xattrs", LargeBinary),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("sha256", LargeBinary),
    Column("trust", Text),  # how strong the check of that digest was
    Column("copied_seq", Integer),
    Column("verified_seq", Integer),
    Column("verified_by", Text),
    Column("target_kind", Text),  # what we put at the target; None: nothing of ours is there
    Column("is_gone", Integer, nullable=False, server_default="0"),  # at the target, and no longer at the source
    Column("tries", Integer, nullable=False, server_default="0"),  # how often it was hot
    Column("fingerprint", LargeBinary),  # of a folder, when all that is in it was last taken in
    Column("copy_seal", LargeBinary),  # of the digest, and of the copy it is of
    Column("seal", LargeBinary),  # of what was verified; None: it never was
    Column("target_ctime_ns", Integer),  # of the file at the target when its bytes were read again, where that is seen
    Column("target_inode", Integer),
    sqlite_with_rowid=False,
)
# Few items are either; the indexes hold only those. Queries must say it in the same words to be answered by them.
IS_GONE = item.c.is_gone == literal_column("1")
IS_REPLACED = item.c.target_kind != item.c.kind
Index("item_gone", item.c.path, sqlite_where=IS_GONE)
Index("item_replaced", item.c.path, sqlite_where=IS_REPLACED)
# Files of which several names are part of the tree, perhaps.
IS_LINKED = and_(item.c.links > literal_column("1"), item.c.kind == literal_column("'file'"))
Index("item_linked", item.c.state, item.c.device, item.c.inode, item.c.path, sqlite_where=IS_LINKED)
# A large file on its way in chunks: the version of the source that is copied, and where it grows at the target.
large_file = Table(
    "large_file",
    _of_application,
    Column("dataset", Integer, ForeignKey("dataset.id"), primary_key=True),
    Column("path", LargeBinary, primary_key=True),
    Column("temp_name", LargeBinary, nullable=False),
    Column("size", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("ctime_ns", Integer),
    Column("inode", Integer),
    sqlite_with_rowid=False,
)
# Chunks of it that are durable in the temp file.
chunk = Table(
    "chunk",
    _of_application,
    Column("dataset", Integer, primary_key=True),
    Column("path", LargeBinary, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    ForeignKeyConstraint(["dataset", "path"], ["large_file.dataset", "large_file.path"], ondelete="CASCADE"),
    sqlite_with_rowid=False,
)
foreign_entry = Table(
    "foreign_entry",
    _of_application,
    Column("dataset", Integer, ForeignKey("dataset.id"), primary_key=True),
    Column("path", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)
# What was given up at the target when falling back, by whose approval the attempt's record says; item by item below.
loss = Table(
    "loss",
    _of_application,
    Column("id", Integer, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("items", Integer, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("given_up_at", Moment, nullable=False),
)
lost_item = Table(
    "lost_item",
    _of_application,
    Column("loss", Integer, ForeignKey("loss.id"), primary_key=True),
    Column("dataset", Text, primary_key=True),
    Column("path", LargeBinary, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("link", LargeBinary),
    sqlite_with_rowid=False,
)
# A verification under freeze, and the scans before and after it.
proof = Table(
    "proof",
    _of_application,
    Column("id", Integer, primary_key=True),
    Column("dataset", Text, nullable=False),
    Column("freeze_seq", Integer, nullable=False),
    Column("moved_as", Text, nullable=False),
    Column("scan_before", Integer, ForeignKey("scan.id"), nullable=False),
    Column("verified_at", Moment, nullable=False),
    Column("source_read", Text, nullable=False),
    Column("scan_after", Integer, ForeignKey("scan.id")),
    Column("proven_at", Moment),
)
# What the provider has attested about the end of the source; the file lies in the state folder.
attestation = Table(
    "attestation",
    _of_application,
    Column("id", Text, primary_key=True),  # its SHA-256
    Column("name", Text, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("recorded_at", Moment, nullable=False),
)
APPLICATION_RECORDS = (standing, attempt, used_approval, effect, scan, loss, proof, attestation)
