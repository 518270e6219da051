"""What runs leave to be looked at, and the numbers that they tell."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "keepsake",
        sa.Column("run_seq", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("kept_at", sa.Float(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_seq", "number"], ["attempt.run_seq", "attempt.number"], name=op.f("fk_keepsake_run_seq")
        ),
        sa.PrimaryKeyConstraint("run_seq", "number", "name", name=op.f("pk_keepsake")),
    )
    op.create_table(
        "run_metric",
        sa.Column("run_seq", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_seq", "number"], ["attempt.run_seq", "attempt.number"], name=op.f("fk_run_metric_run_seq")
        ),
        sa.PrimaryKeyConstraint("run_seq", "number", "name", name=op.f("pk_run_metric")),
    )
