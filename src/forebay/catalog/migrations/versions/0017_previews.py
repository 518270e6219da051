"""Previews of versions' files, and the datasets that want none."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "preview",
        sa.Column("preview_id", sa.String(length=64), nullable=False),
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("manifest_digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("path_digest", sa.String(length=64), nullable=False),
        sa.Column("paths", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("unblock", sa.Text(), nullable=False),
        sa.Column("site", sa.String(length=128), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.Float(), nullable=False),
        sa.Column("used_at", sa.Float(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("content_bytes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_preview_dataset_id")),
        sa.PrimaryKeyConstraint("preview_id", name=op.f("pk_preview")),
        sa.UniqueConstraint("dataset_id", "manifest_digest", "kind", "path_digest", name="uq_preview_of"),
    )
    op.create_index(op.f("ix_preview_site_state"), "preview", ["site", "state"], unique=False)
    op.create_index(op.f("ix_preview_used_at"), "preview", ["used_at"], unique=False)
    op.create_table(
        "preview_off",
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("set_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_preview_off_dataset_id")),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_preview_off")),
    )
