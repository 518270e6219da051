"""What the overview asks for: which runs ended last, and which versions were retired last."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns = ["is_active", "since", "run_seq"]
    op.create_index(op.f("ix_run_is_active_since_run_seq"), "run", columns, unique=False)
    op.create_index(op.f("ix_version_retired_at"), "version", ["retired_at"], unique=False)
