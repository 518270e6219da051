"""Sites, their tasks, and runs."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pass_count",
        sa.Column("pass_count_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pass_count_id", name=op.f("pk_pass_count")),
    )
    op.create_table(
        "run",
        sa.Column("run_seq", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("new", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("submitted_at", sa.Float(), nullable=False),
        sa.Column("submitted_by", sa.String(length=128), nullable=False),
        sa.Column("team", sa.String(length=128), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("site", sa.String(length=128), nullable=False),
        sa.Column("next_try_at", sa.Float(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("unblock", sa.Text(), nullable=False),
        sa.Column("cancelled_by", sa.String(length=128), nullable=False),
        sa.Column("stopping", sa.Text(), nullable=False),
        sa.Column("made", sa.Text(), nullable=False),
        sa.Column("forgiven", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("run_seq", name=op.f("pk_run")),
        sa.UniqueConstraint("run_id", name=op.f("uq_run_run_id")),
    )
    op.create_index(op.f("ix_run_is_active_run_seq"), "run", ["is_active", "run_seq"], unique=False)
    op.create_index(op.f("ix_run_site_run_seq"), "run", ["site", "run_seq"], unique=False)
    op.create_index(op.f("ix_run_state_run_seq"), "run", ["state", "run_seq"], unique=False)
    op.create_index(op.f("ix_run_submitted_by_run_seq"), "run", ["submitted_by", "run_seq"], unique=False)
    op.create_index(op.f("ix_run_team_run_seq"), "run", ["team", "run_seq"], unique=False)
    op.create_table(
        "site",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("volume_id", sa.String(length=64), nullable=False),
        sa.Column("wanted", sa.String(length=16), nullable=False),
        sa.Column("wanted_reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("trouble_since", sa.Float(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("gpus", sa.Integer(), nullable=False),
        sa.Column("cpus", sa.Integer(), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("engine", sa.String(length=128), nullable=False),
        sa.Column("release", sa.String(length=128), nullable=False),
        sa.Column("protocol", sa.Integer(), nullable=False),
        sa.Column("agent_token", sa.BigInteger(), nullable=False),
        sa.Column("attached", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("gpu_hour_price", sa.Float(), nullable=False),
        sa.Column("cpu_hour_price", sa.Float(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("removed_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_site")),
    )
    op.create_table(
        "task",
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("open_key", sa.String(length=512), nullable=True),
        sa.Column("site", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("ref", sa.String(length=256), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("asked_by", sa.String(length=128), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.Float(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("unblock", sa.Text(), nullable=False),
        sa.Column("done_bytes", sa.BigInteger(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("stopping", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_task")),
        sa.UniqueConstraint("open_key", name=op.f("uq_task_open_key")),
    )
    op.create_index(op.f("ix_task_since"), "task", ["since"], unique=False)
    op.create_index(op.f("ix_task_site"), "task", ["site"], unique=False)
    op.create_table(
        "attempt",
        sa.Column("run_seq", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(length=128), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("ordered_at", sa.Float(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=False),
        sa.Column("ending", sa.String(length=16), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("agent_token", sa.BigInteger(), nullable=False),
        sa.Column("held_until", sa.Float(), nullable=False),
        sa.Column("log_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_seq"], ["run.run_seq"], name=op.f("fk_attempt_run_seq")),
        sa.PrimaryKeyConstraint("run_seq", "number", name=op.f("pk_attempt")),
    )
    op.create_index(op.f("ix_attempt_ending_site"), "attempt", ["ending", "site"], unique=False)
    op.create_table(
        "run_data",
        sa.Column("run_seq", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("dataset", sa.String(length=128), nullable=False),
        sa.Column("ref", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["run_seq"], ["run.run_seq"], name=op.f("fk_run_data_run_seq")),
        sa.PrimaryKeyConstraint("run_seq", "name", name=op.f("pk_run_data")),
    )
    op.create_index(op.f("ix_run_data_dataset_run_seq"), "run_data", ["dataset", "run_seq"], unique=False)
    op.create_table(
        "run_log",
        sa.Column("run_seq", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("begin", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_seq", "number"], ["attempt.run_seq", "attempt.number"], name=op.f("fk_run_log_run_seq")
        ),
        sa.PrimaryKeyConstraint("run_seq", "number", "begin", name=op.f("pk_run_log")),
    )
    op.execute("INSERT INTO pass_count (pass_count_id, number) VALUES (1, 0)")
