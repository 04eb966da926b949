"""What Alembic runs for either lineage: the revisions, on the connection and in the transaction handed to it."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
