"""What a volume's account is compared by: all that ever came onto it, and how often it was counted anew."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("volume", sa.Column("added_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("volume", sa.Column("counts", sa.Integer(), nullable=False, server_default="0"))
