"""Web sessions that began with a token, and end with it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("token", sa.Column("made_with", sa.String(16), nullable=False, server_default=""))
    op.create_index("ix_token_made_with", "token", ["made_with"])
