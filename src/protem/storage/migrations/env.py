"""Alembic's entry: it runs on the connection that ``protem.storage.migrate`` hands over."""

from __future__ import annotations

from alembic import context

from protem.storage import (
    answer_link_tables,  # noqa: F401  # its tables join the metadata
    approver_key_tables,  # noqa: F401  # its tables join the metadata
    directory_tables,  # noqa: F401  # its tables join the metadata
    message_tables,  # noqa: F401  # as below
    notice_tables,  # noqa: F401  # its tables join the metadata
    review_tables,  # noqa: F401  # its tables join the metadata
    session_tables,  # noqa: F401  # its tables join the metadata
)
from protem.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=False,  # the caller's transaction holds all of it, and is the lock
)
context.run_migrations()
