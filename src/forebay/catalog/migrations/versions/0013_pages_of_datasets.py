"""What pages of versions ask for: who used one, and which runs read one."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns = ["ref", "at", "moved_bytes", "peer_bytes"]
    op.create_index(op.f("ix_use_ref_at_moved_bytes_peer_bytes"), "use", columns, unique=False)
    op.create_index(op.f("ix_run_data_ref_run_seq"), "run_data", ["ref", "run_seq"], unique=False)
