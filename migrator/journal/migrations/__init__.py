"""The schemas of the two kinds of database, as Alembic revisions: one folder a lineage."""
