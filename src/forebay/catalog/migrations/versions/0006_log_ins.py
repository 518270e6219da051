"""Who a user is to an identity provider, and log-ins that are under way."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity",
        sa.Column("identity_sha256", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["hub_user.user_id"], name=op.f("fk_identity_user_id")),
        sa.PrimaryKeyConstraint("identity_sha256", name=op.f("pk_identity")),
        sa.UniqueConstraint("user_id", name=op.f("uq_identity_user_id")),
    )
    op.create_table(
        "log_in",
        sa.Column("state_sha256", sa.String(length=64), nullable=False),
        sa.Column("browser_sha256", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.String(length=64), nullable=False),
        sa.Column("next", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("state_sha256", name=op.f("pk_log_in")),
    )
    op.create_index(op.f("ix_log_in_expires_at"), "log_in", ["expires_at"], unique=False)
