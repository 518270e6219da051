"""Downtimes of sites, and when each volume was last tried out well."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "downtime",
        sa.Column("downtime_id", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=128), nullable=False),
        sa.Column("begins_at", sa.Float(), nullable=False),
        sa.Column("ends_at", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("planned_by", sa.String(length=128), nullable=False),
        sa.Column("planned_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("downtime_id", name=op.f("pk_downtime")),
    )
    op.create_index(op.f("ix_downtime_site"), "downtime", ["site"], unique=False)
    op.create_index(op.f("ix_site_volume_id"), "site", ["volume_id"], unique=False)
    op.add_column("volume", sa.Column("good_at", sa.Float(), nullable=False, server_default="0"))
