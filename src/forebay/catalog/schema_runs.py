"""The tables of sites, their tasks, and runs; `schema` has them with all others."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from forebay.catalog.schema_base import NAME_LENGTH, metadata

# A site and its agent. The row of a removed one stays, so that its agents' tokens go on growing.
site = Table(
    "site",
    metadata,
    Column("name", String(NAME_LENGTH), primary_key=True),
    Column("volume_id", String(64), nullable=False),
    Column("wanted", String(16), nullable=False),
    Column("wanted_reason", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("trouble_since", Float, nullable=False),
    Column("labels", Text, nullable=False),
    Column("gpus", Integer, nullable=False),
    Column("cpus", Integer, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("engine", String(NAME_LENGTH), nullable=False),
    Column("release", String(NAME_LENGTH), nullable=False),
    Column("protocol", Integer, nullable=False),
    Column("agent_token", BigInteger, nullable=False),
    Column("attached", Boolean, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("gpu_hour_price", Float, nullable=False),
    Column("cpu_hour_price", Float, nullable=False),
    Column("revision", BigInteger, nullable=False),  # grows with every change of the site's orders
    Column("created_at", Float, nullable=False),
    Column("removed_at", Float, nullable=False),  # 0 while it is there
    # How its cache keeps, as its agent said last; `high_mark` 0: none has said.
    Column("stale_after_s", Float, nullable=False, server_default="-1"),  # below 0: never
    Column("grace_s", Float, nullable=False, server_default="0"),
    Column("high_mark", Float, nullable=False, server_default="0"),
    Column("low_mark", Float, nullable=False, server_default="0"),
    Index(None, "volume_id"),
)

# When a site drains. A row goes when the site is back after it, or when somebody cancels it.
downtime = Table(
    "downtime",
    metadata,
    Column("downtime_id", String(64), primary_key=True),
    Column("site", String(NAME_LENGTH), nullable=False),
    Column("begins_at", Float, nullable=False),
    Column("ends_at", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("planned_by", String(NAME_LENGTH), nullable=False),
    Column("planned_at", Float, nullable=False),
    Index(None, "site"),
)

# Fills, evictions and scrubs of sites. `open_key` says what it is about while it is not final, so that it is once.
task = Table(
    "task",
    metadata,
    Column("task_id", String(64), primary_key=True),
    Column("open_key", String(512), nullable=True, unique=True),
    Column("site", String(NAME_LENGTH), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("ref", String(256), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("asked_by", String(NAME_LENGTH), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("next_try_at", Float, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("unblock", Text, nullable=False),
    Column("done_bytes", BigInteger, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("stopping", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Index(None, "site"),
    Index(None, "since"),
)

run = Table(
    "run",
    metadata,
    Column("run_seq", Integer, primary_key=True),
    Column("run_id", String(32), nullable=False, unique=True),
    Column("new", Text, nullable=False),  # NewRun as JSON
    Column("state", String(16), nullable=False),
    Column("is_active", Boolean, nullable=False),  # whether the state is not final
    Column("reason", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("submitted_at", Float, nullable=False),
    Column("submitted_by", String(NAME_LENGTH), nullable=False),
    Column("team", String(NAME_LENGTH), nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("site", String(NAME_LENGTH), nullable=False),
    Column("next_try_at", Float, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("unblock", Text, nullable=False),
    Column("cancelled_by", String(NAME_LENGTH), nullable=False),
    Column("stopping", Text, nullable=False),
    Column("made", Text, nullable=False),  # refs with a blank between
    Column("forgiven", Integer, nullable=False),
    Index(None, "is_active", "run_seq"),
    Index(None, "is_active", "since", "run_seq"),
    Index(None, "state", "run_seq"),
    Index(None, "submitted_by", "run_seq"),
    Index(None, "team", "run_seq"),
    Index(None, "site", "run_seq"),
)

# What a run reads. It names the version instead of pointing at it, so that this can be forgotten.
run_data = Table(
    "run_data",
    metadata,
    Column("run_seq", ForeignKey("run.run_seq"), nullable=False),
    Column("name", String(NAME_LENGTH), nullable=False),
    Column("dataset", String(NAME_LENGTH), nullable=False),
    Column("ref", String(256), nullable=False),
    PrimaryKeyConstraint("run_seq", "name"),
    Index(None, "dataset", "run_seq"),
    Index(None, "ref", "run_seq"),
)

# `ending` "" while it is under way; then `agent_token` has it until `held_until`, or longer if that is heard of.
attempt = Table(
    "attempt",
    metadata,
    Column("run_seq", ForeignKey("run.run_seq"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("site", String(NAME_LENGTH), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("ordered_at", Float, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float, nullable=False),
    Column("ending", String(16), nullable=False),
    Column("exit_code", Integer, nullable=True),
    Column("reason", Text, nullable=False),
    Column("agent_token", BigInteger, nullable=False),
    Column("held_until", Float, nullable=False),
    Column("log_bytes", BigInteger, nullable=False),  # the offset that is wanted next
    PrimaryKeyConstraint("run_seq", "number"),
    Index(None, "ending", "site"),
)

# What an attempt wrote, in parts; gaps between them were dropped.
run_log = Table(
    "run_log",
    metadata,
    Column("run_seq", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("begin", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("run_seq", "number", "begin"),
    ForeignKeyConstraint(["run_seq", "number"], ["attempt.run_seq", "attempt.number"]),
)

# What an attempt left to be looked at; `data` is its bytes, gzipped.
keepsake = Table(
    "keepsake",
    metadata,
    Column("run_seq", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", String(NAME_LENGTH), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("kept_at", Float, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("run_seq", "number", "name"),
    ForeignKeyConstraint(["run_seq", "number"], ["attempt.run_seq", "attempt.number"]),
)

# The numbers that an attempt's metrics.json tells.
run_metric = Table(
    "run_metric",
    metadata,
    Column("run_seq", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", String(NAME_LENGTH), nullable=False),
    Column("value", Float, nullable=False),
    PrimaryKeyConstraint("run_seq", "number", "name"),
    ForeignKeyConstraint(["run_seq", "number"], ["attempt.run_seq", "attempt.number"]),
)

# One row: how often a scheduler has written. One that decided on facts from before another one wrote writes nothing.
pass_count = Table(
    "pass_count",
    metadata,
    Column("pass_count_id", Integer, primary_key=True),
    Column("number", BigInteger, nullable=False),
)
