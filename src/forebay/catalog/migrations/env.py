"""Alembic's entry: runs inside the connection and the transaction that `upgrade` opened."""

from alembic import context

from forebay.catalog.engine import REVISION_TABLE
from forebay.catalog.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=REVISION_TABLE,
    # SQLite's own answer is no, but with BEGIN IMMEDIATE issued by the engine its DDL does roll back.
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
