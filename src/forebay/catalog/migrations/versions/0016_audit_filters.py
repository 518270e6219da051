"""The audit is asked for one user's lines, or for one action's, newest first."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_audit_user_name_audit_id"), "audit", ["user_name", "audit_id"], unique=False)
    op.create_index(op.f("ix_audit_action_audit_id"), "audit", ["action", "audit_id"], unique=False)
