"""Versions that are retired, and what decides that for a dataset."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("retired_at", "release_at", "restored_at"):
        op.add_column("version", sa.Column(name, sa.Float(), nullable=False, server_default="0"))
    op.add_column("version", sa.Column("retired_by", sa.String(length=128), nullable=False, server_default=""))
    op.add_column("version", sa.Column("retired_reason", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "retention",
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("keep_last", sa.Integer(), nullable=True),
        sa.Column("keep_days", sa.Float(), nullable=True),
        sa.Column("set_by", sa.String(length=128), nullable=False),
        sa.Column("set_at", sa.Float(), nullable=False),
        sa.Column("checked_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_retention_dataset_id")),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_retention")),
    )
    op.create_index(op.f("ix_use_dataset_at"), "use", ["dataset", "at"], unique=False)
