"""How far a preview's values are from those of the version before, reckoned once when it is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("preview", sa.Column("drift_psi", sa.Float(), nullable=False, server_default="0"))
    op.add_column("preview", sa.Column("drift_column", sa.Text(), nullable=False, server_default=""))
    op.add_column("preview", sa.Column("drift_columns", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("preview", sa.Column("drift_from", sa.Integer(), nullable=False, server_default="0"))
    op.create_index(op.f("ix_preview_drift_psi"), "preview", ["drift_psi"], unique=False)
