"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archived",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", "part", name=op.f("pk_archived")),
    )
    op.create_table(
        "dataset",
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("access_group", sa.String(length=128), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("team", sa.String(length=128), nullable=False),
        sa.Column("stale_after_s", sa.Float(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("removed_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_dataset")),
        sa.UniqueConstraint("name", name=op.f("uq_dataset_name")),
    )
    op.create_table(
        "event",
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("volume_id", sa.String(length=64), nullable=False),
        sa.Column("ref", sa.String(length=160), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_event")),
    )
    op.create_index(op.f("ix_event_volume_id_event_id"), "event", ["volume_id", "event_id"], unique=False)
    op.create_table(
        "hub",
        sa.Column("hub_id", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("hub_id", name=op.f("pk_hub")),
    )
    op.create_table(
        "seal",
        sa.Column("manifest_digest", sa.String(length=64), nullable=False),
        sa.Column("seal_digest", sa.String(length=64), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("sealed_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("manifest_digest", name=op.f("pk_seal")),
    )
    op.create_table(
        "use",
        sa.Column("use_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("volume_id", sa.String(length=64), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("ref", sa.String(length=160), nullable=False),
        sa.Column("dataset", sa.String(length=128), nullable=False),
        sa.Column("team", sa.String(length=128), nullable=False),
        sa.Column("user_name", sa.String(length=128), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("moved_bytes", sa.BigInteger(), nullable=False),
        sa.Column("seconds_saved", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("use_id", name=op.f("pk_use")),
    )
    op.create_index(op.f("ix_use_volume_id"), "use", ["volume_id"], unique=False)
    op.create_table(
        "volume",
        sa.Column("volume_id", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("limit_bytes", sa.BigInteger(), nullable=False),
        sa.Column("used_bytes", sa.BigInteger(), nullable=False),
        sa.Column("last_token", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=False),
        sa.Column("state_since", sa.Float(), nullable=False),
        sa.Column("signs_in_a_row", sa.Integer(), nullable=False),
        sa.Column("lately_bytes", sa.Float(), nullable=False),
        sa.Column("lately_seconds", sa.Float(), nullable=False),
        sa.Column("lately_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("volume_id", name=op.f("pk_volume")),
    )
    op.create_table(
        "quota",
        sa.Column("volume_id", sa.String(length=64), nullable=False),
        sa.Column("team", sa.String(length=128), nullable=False),
        sa.Column("limit_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.volume_id"], name=op.f("fk_quota_volume_id")),
        sa.PrimaryKeyConstraint("volume_id", "team", name=op.f("pk_quota")),
    )
    op.create_table(
        "volume_path",
        sa.Column("volume_id", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.volume_id"], name=op.f("fk_volume_path_volume_id")),
        sa.PrimaryKeyConstraint("volume_id", "host", "path", name=op.f("pk_volume_path")),
    )
    op.create_table(
        "tag_move",
        sa.Column("tag_move_id", sa.Integer(), nullable=False),
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("moved_at", sa.Float(), nullable=False),
        sa.Column("moved_by", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_tag_move_dataset_id")),
        sa.PrimaryKeyConstraint("tag_move_id", name=op.f("pk_tag_move")),
    )
    op.create_index(op.f("ix_tag_move_dataset_id_name"), "tag_move", ["dataset_id", "name"], unique=False)
    op.create_table(
        "version",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("subset", sa.String(length=40), nullable=False),
        sa.Column("selection", sa.Text(), nullable=False),
        sa.Column("manifest_digest", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("lake_url", sa.Text(), nullable=False),
        sa.Column("profile", sa.String(length=128), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("made_by_command", sa.Text(), nullable=False),
        sa.Column("made_by_code", sa.Text(), nullable=False),
        sa.Column("made_by_parameters", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_version_dataset_id")),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_version")),
        sa.UniqueConstraint("dataset_id", "number", "subset", name=op.f("uq_version_dataset_id_number_subset")),
    )
    op.create_index(op.f("ix_version_manifest_digest"), "version", ["manifest_digest"], unique=False)
    op.create_table(
        "fill",
        sa.Column("fill_id", sa.String(length=64), nullable=False),
        sa.Column("volume_id", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("holder_user", sa.String(length=128), nullable=False),
        sa.Column("holder_host", sa.String(length=255), nullable=False),
        sa.Column("holder_pid", sa.Integer(), nullable=False),
        sa.Column("holder_purpose", sa.String(length=128), nullable=False),
        sa.Column("holder_process", sa.String(length=128), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("reserved_bytes", sa.BigInteger(), nullable=False),
        sa.Column("total_files", sa.BigInteger(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("present_files", sa.BigInteger(), nullable=False),
        sa.Column("present_bytes", sa.BigInteger(), nullable=False),
        sa.Column("moved_files", sa.BigInteger(), nullable=False),
        sa.Column("moved_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.version_id"], name=op.f("fk_fill_version_id")),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.volume_id"], name=op.f("fk_fill_volume_id")),
        sa.PrimaryKeyConstraint("fill_id", name=op.f("pk_fill")),
        sa.UniqueConstraint("volume_id", "version_id", name=op.f("uq_fill_volume_id_version_id")),
    )
    op.create_table(
        "lease",
        sa.Column("lease_id", sa.String(length=64), nullable=False),
        sa.Column("volume_id", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("holder_user", sa.String(length=128), nullable=False),
        sa.Column("holder_host", sa.String(length=255), nullable=False),
        sa.Column("holder_pid", sa.Integer(), nullable=False),
        sa.Column("holder_purpose", sa.String(length=128), nullable=False),
        sa.Column("holder_process", sa.String(length=128), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("granted_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.version_id"], name=op.f("fk_lease_version_id")),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.volume_id"], name=op.f("fk_lease_volume_id")),
        sa.PrimaryKeyConstraint("lease_id", name=op.f("pk_lease")),
    )
    op.create_index(op.f("ix_lease_volume_id_version_id"), "lease", ["volume_id", "version_id"], unique=False)
    op.create_table(
        "parent",
        sa.Column("child_id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["child_id"], ["version.version_id"], name=op.f("fk_parent_child_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["version.version_id"], name=op.f("fk_parent_parent_id")),
        sa.PrimaryKeyConstraint("child_id", "parent_id", name=op.f("pk_parent")),
    )
    op.create_index(op.f("ix_parent_parent_id"), "parent", ["parent_id"], unique=False)
    op.create_table(
        "replica",
        sa.Column("volume_id", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("fill_seconds", sa.Float(), nullable=False),
        sa.Column("fill_bytes", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.Float(), nullable=False),
        sa.Column("lake_confirmed_at", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("pinned_by", sa.String(length=128), nullable=False),
        sa.Column("pin_reason", sa.Text(), nullable=False),
        sa.Column("pin_until", sa.Float(), nullable=False),
        sa.Column("verified_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.version_id"], name=op.f("fk_replica_version_id")),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.volume_id"], name=op.f("fk_replica_volume_id")),
        sa.PrimaryKeyConstraint("volume_id", "version_id", name=op.f("pk_replica")),
    )
    op.create_table(
        "tag",
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_tag_dataset_id")),
        sa.ForeignKeyConstraint(["version_id"], ["version.version_id"], name=op.f("fk_tag_version_id")),
        sa.PrimaryKeyConstraint("dataset_id", "name", name=op.f("pk_tag")),
    )
    op.create_index(op.f("ix_tag_version_id"), "tag", ["version_id"], unique=False)
    op.create_table(
        "wish",
        sa.Column("wish_id", sa.Integer(), nullable=False),
        sa.Column("fill_id", sa.String(length=64), nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["fill_id"], ["fill.fill_id"], name=op.f("fk_wish_fill_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("wish_id", name=op.f("pk_wish")),
        sa.UniqueConstraint("fill_id", "entry", name=op.f("uq_wish_fill_id_entry")),
    )
