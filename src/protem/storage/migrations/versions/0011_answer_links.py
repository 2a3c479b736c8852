"""Links that answer a request, by the hash of their token.

Frozen, as every step is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and its indexes."""
    op.create_table(
        "answer_links",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("grant_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["grant_id", "revision"],
            ["request_revisions.grant_id", "request_revisions.number"],
            name=op.f("answer_links_grant_id_revision_fk"),
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("answer_links_pk")),
    )
    op.create_index("answer_links_of", "answer_links", ["grant_id", "person"], unique=False)
    op.create_index("answer_links_by_age", "answer_links", ["expires_at"], unique=False)
