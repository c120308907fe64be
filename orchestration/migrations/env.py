"""Run by alembic inside ``orchestration.state``: migrates over the connection it is handed."""

from __future__ import annotations

from alembic import context

from orchestration.state import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
