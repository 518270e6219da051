"""What a fill had to bring a second time."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fill", sa.Column("again_bytes", sa.BigInteger(), server_default="0", nullable=False))
