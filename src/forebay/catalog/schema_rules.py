"""The tables of rules; `schema` has them with all others."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, PrimaryKeyConstraint, String, Table, Text

from forebay.catalog.schema_base import NAME_LENGTH, metadata

# What is wanted. `ref` names it as its owner wrote it; `role` "" for one of the hub's own.
rule = Table(
    "rule",
    metadata,
    Column("rule_id", String(16), primary_key=True),
    Column("ref", String(256), nullable=False),
    Column("newest", Boolean, nullable=False),
    Column("expression", Text, nullable=False),
    Column("until", Float, nullable=False),  # 0 for ever
    Column("message", Text, nullable=False),
    Column("owner", String(NAME_LENGTH), nullable=False),
    Column("role", String(16), nullable=False),
    Column("made_at", Float, nullable=False),
)

# What a rule keeps on a volume, also before it is there. Counts as a pin until the rule's time is over.
rule_hold = Table(
    "rule_hold",
    metadata,
    Column("rule_id", ForeignKey("rule.rule_id", ondelete="CASCADE"), nullable=False),
    Column("volume_id", String(64), nullable=False),
    Column("version_id", ForeignKey("version.version_id", ondelete="CASCADE"), nullable=False),
    PrimaryKeyConstraint("rule_id", "volume_id", "version_id"),
    Index(None, "volume_id", "version_id"),
    Index(None, "version_id"),
)

# How a rule stood with a dataset at a site when a hub last looked.
rule_place = Table(
    "rule_place",
    metadata,
    Column("rule_id", ForeignKey("rule.rule_id", ondelete="CASCADE"), nullable=False),
    Column("site", String(NAME_LENGTH), nullable=False),
    Column("dataset", String(NAME_LENGTH), nullable=False),
    Column("ref", String(256), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try_at", Float, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("unblock", Text, nullable=False),
    Column("keeps", Text, nullable=False),  # refs, one a line
    PrimaryKeyConstraint("rule_id", "site", "dataset"),
)
