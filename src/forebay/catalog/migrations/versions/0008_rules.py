"""Rules: what is kept at which sites, and until when."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rule",
        sa.Column("rule_id", sa.String(length=16), nullable=False),
        sa.Column("ref", sa.String(length=256), nullable=False),
        sa.Column("newest", sa.Boolean(), nullable=False),
        sa.Column("expression", sa.Text(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("made_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("rule_id", name=op.f("pk_rule")),
    )
    op.create_table(
        "rule_hold",
        sa.Column("rule_id", sa.String(length=16), nullable=False),
        sa.Column("volume_id", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["rule_id"], ["rule.rule_id"], name=op.f("fk_rule_hold_rule_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.version_id"], name=op.f("fk_rule_hold_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("rule_id", "volume_id", "version_id", name=op.f("pk_rule_hold")),
    )
    op.create_index(op.f("ix_rule_hold_version_id"), "rule_hold", ["version_id"], unique=False)
    op.create_index(op.f("ix_rule_hold_volume_id_version_id"), "rule_hold", ["volume_id", "version_id"], unique=False)
    op.create_table(
        "rule_place",
        sa.Column("rule_id", sa.String(length=16), nullable=False),
        sa.Column("site", sa.String(length=128), nullable=False),
        sa.Column("dataset", sa.String(length=128), nullable=False),
        sa.Column("ref", sa.String(length=256), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.Float(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("unblock", sa.Text(), nullable=False),
        sa.Column("keeps", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["rule_id"], ["rule.rule_id"], name=op.f("fk_rule_place_rule_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("rule_id", "site", "dataset", name=op.f("pk_rule_place")),
    )
    op.create_index(op.f("ix_use_dataset_volume_id"), "use", ["dataset", "volume_id"], unique=False)
