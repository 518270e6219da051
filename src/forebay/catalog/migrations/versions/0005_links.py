"""Links as they are declared and measured, who serves blobs, the tickets for that, and what came from other sites."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("fill", "use"):
        op.add_column(table, sa.Column("peer_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "link",
        sa.Column("source", sa.String(length=512), nullable=False),
        sa.Column("target", sa.String(length=128), nullable=False),
        sa.Column("bandwidth_bytes_s", sa.Float(), nullable=True),
        sa.Column("latency_s", sa.Float(), nullable=True),
        sa.Column("price_byte", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("source", "target", name=op.f("pk_link")),
    )
    op.create_table(
        "link_measured",
        sa.Column("source", sa.String(length=512), nullable=False),
        sa.Column("target", sa.String(length=128), nullable=False),
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        *(
            sa.Column(f"{what}_{part}", sa.Float(), nullable=False)
            for what in ("bandwidth", "latency")
            for part in ("weight", "log_sum", "square_sum", "at")
        ),
        sa.Column("moved_bytes", sa.BigInteger(), nullable=False),
        sa.Column("transfers", sa.BigInteger(), nullable=False),
        sa.Column("measured_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_link_measured_dataset_id")),
        sa.PrimaryKeyConstraint("source", "target", "dataset_id", name=op.f("pk_link_measured")),
    )
    op.create_index(op.f("ix_link_measured_target"), "link_measured", ["target"], unique=False)
    op.create_table(
        "blob_server",
        sa.Column("volume_id", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.volume_id"], name=op.f("fk_blob_server_volume_id")),
        sa.PrimaryKeyConstraint("volume_id", name=op.f("pk_blob_server")),
    )
    op.create_table(
        "ticket",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("volume_id", sa.String(length=64), nullable=False),
        sa.Column("fill_id", sa.String(length=64), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.volume_id"], name=op.f("fk_ticket_volume_id")),
        sa.ForeignKeyConstraint(["fill_id"], ["fill.fill_id"], ondelete="CASCADE", name=op.f("fk_ticket_fill_id")),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_ticket")),
    )
    op.create_index(op.f("ix_ticket_fill_id"), "ticket", ["fill_id"], unique=False)
    op.create_index(op.f("ix_ticket_expires_at"), "ticket", ["expires_at"], unique=False)
