"""The tables of previews: what was found in files of versions, in small, and which datasets want none."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from forebay.catalog.schema_base import NAME_LENGTH, metadata

# One of each kind that begins with a file of a manifest, for each dataset apart: that another one has the same files is
# nobody's business. `number` is the version that it was asked for last.
preview = Table(
    "preview",
    metadata,
    Column("preview_id", String(64), primary_key=True),
    Column("dataset_id", ForeignKey("dataset.dataset_id"), nullable=False),
    Column("manifest_digest", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("path_digest", String(64), nullable=False),
    Column("paths", Text, nullable=False),  # a JSON list
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("unblock", Text, nullable=False),
    Column("site", String(NAME_LENGTH), nullable=False),  # where it is made, or was; "" for nowhere
    Column("token", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try_at", Float, nullable=False),
    Column("used_at", Float, nullable=False),  # within a day
    Column("content", LargeBinary, nullable=True),  # JSON, packed by zlib
    Column("content_bytes", Integer, nullable=False),
    # The column that moved farthest since the version `drift_from`, where it is of another population; else 0 and "".
    Column("drift_psi", Float, nullable=False, server_default="0"),
    Column("drift_column", Text, nullable=False, server_default=""),
    Column("drift_columns", Integer, nullable=False, server_default="0"),  # how many are
    Column("drift_from", Integer, nullable=False, server_default="0"),
    UniqueConstraint("dataset_id", "manifest_digest", "kind", "path_digest", name="uq_preview_of"),
    Index(None, "site", "state"),
    Index(None, "used_at"),
    Index(None, "drift_psi"),
)

# A dataset whose owner lets nobody look into its files.
preview_off = Table(
    "preview_off",
    metadata,
    Column("dataset_id", ForeignKey("dataset.dataset_id"), primary_key=True),
    Column("set_at", Float, nullable=False),
)
