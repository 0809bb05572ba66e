"""Runs the migrations on the connection that :mod:`promptdescent.store.database` hands over."""

from alembic import context

# The caller has begun a transaction and commits it, so a migration that is cut short leaves nothing behind.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
