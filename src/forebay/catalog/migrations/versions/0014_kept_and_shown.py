"""What pages about caches need: how fast each fill is now, how each site keeps, and where to look for both."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fill", sa.Column("rate_bytes_s", sa.Float(), nullable=False, server_default="0"))
    op.add_column("fill", sa.Column("told_at", sa.Float(), nullable=False, server_default="0"))
    op.add_column("site", sa.Column("stale_after_s", sa.Float(), nullable=False, server_default="-1"))
    op.add_column("site", sa.Column("grace_s", sa.Float(), nullable=False, server_default="0"))
    op.add_column("site", sa.Column("high_mark", sa.Float(), nullable=False, server_default="0"))
    op.add_column("site", sa.Column("low_mark", sa.Float(), nullable=False, server_default="0"))
    op.create_index(op.f("ix_replica_version_id"), "replica", ["version_id"], unique=False)
    op.create_index("ix_use_month_sums", "use", ["month", "dataset", "size_bytes", "moved_bytes", "seconds_saved"])
