"""The tables, as SQLAlchemy Core metadata: the one place where their names and columns stand.

Migrations build the same tables (a test compares them). Times are Unix seconds, digests lower-case hex. No row per
file anywhere: a version's files are in its manifest.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from forebay.catalog.schema_base import NAME_LENGTH as NAME_LENGTH
from forebay.catalog.schema_base import metadata as metadata
from forebay.catalog.schema_previews import preview as preview
from forebay.catalog.schema_previews import preview_off as preview_off
from forebay.catalog.schema_rules import rule as rule
from forebay.catalog.schema_rules import rule_hold as rule_hold
from forebay.catalog.schema_rules import rule_place as rule_place
from forebay.catalog.schema_runs import attempt as attempt
from forebay.catalog.schema_runs import downtime as downtime
from forebay.catalog.schema_runs import keepsake as keepsake
from forebay.catalog.schema_runs import pass_count as pass_count
from forebay.catalog.schema_runs import run as run
from forebay.catalog.schema_runs import run_data as run_data
from forebay.catalog.schema_runs import run_log as run_log
from forebay.catalog.schema_runs import run_metric as run_metric
from forebay.catalog.schema_runs import site as site
from forebay.catalog.schema_runs import task as task

SUBSET_LENGTH = 40

PLACE_LENGTH = 512
"""What columns for a lake's scheme, endpoint and bucket hold."""

dataset = Table(
    "dataset",
    metadata,
    Column("dataset_id", Integer, primary_key=True),
    Column("name", String(NAME_LENGTH), nullable=False, unique=True),
    Column("access_group", String(NAME_LENGTH), nullable=False),
    Column("owner", String(NAME_LENGTH), nullable=False),
    Column("description", Text, nullable=False),
    Column("team", String(NAME_LENGTH), nullable=False),  # "" for none
    Column("stale_after_s", Float, nullable=True),  # NULL: as the site has it; 0: never
    Column("created_at", Float, nullable=False),
    Column("last_number", Integer, nullable=False),  # numbers are never used twice, also after a removal
    # 0 while it exists. The row of a removed dataset stays, so that one made again under its name counts on.
    Column("removed_at", Float, nullable=False),
)

version = Table(
    "version",
    metadata,
    Column("version_id", Integer, primary_key=True),
    Column("dataset_id", ForeignKey("dataset.dataset_id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("subset", String(SUBSET_LENGTH), nullable=False),  # "" for the whole; its subsets share its number
    Column("selection", Text, nullable=False),
    Column("manifest_digest", String(64), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("lake_url", Text, nullable=False),
    Column("profile", String(NAME_LENGTH), nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("created_by", String(NAME_LENGTH), nullable=False),
    Column("message", Text, nullable=False),
    Column("made_by_command", Text, nullable=False),
    Column("made_by_code", Text, nullable=False),
    Column("made_by_parameters", Text, nullable=False),
    # A retired version and its subsets have the same marks; 0 and "" on all others.
    Column("retired_at", Float, nullable=False, server_default="0"),
    Column("release_at", Float, nullable=False, server_default="0"),  # from then on its replicas go
    Column("restored_at", Float, nullable=False, server_default="0"),  # when it was last brought back
    Column("retired_by", String(NAME_LENGTH), nullable=False, server_default=""),
    Column("retired_reason", Text, nullable=False, server_default=""),
    UniqueConstraint("dataset_id", "number", "subset"),
    Index(None, "manifest_digest"),
    Index(None, "retired_at"),
)

# Which versions of a dataset are kept (NULL: by that rule none is); `checked_at` is when a hub last looked.
retention = Table(
    "retention",
    metadata,
    Column("dataset_id", ForeignKey("dataset.dataset_id"), primary_key=True),
    Column("keep_last", Integer, nullable=True),
    Column("keep_days", Float, nullable=True),
    Column("set_by", String(NAME_LENGTH), nullable=False),
    Column("set_at", Float, nullable=False),
    Column("checked_at", Float, nullable=False),
)

# What was learned about a manifest: at most one seal, replaced only by one that knows more.
seal = Table(
    "seal",
    metadata,
    Column("manifest_digest", String(64), primary_key=True),
    Column("seal_digest", String(64), nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("sealed_at", Float, nullable=False),
)

# Manifests and seals in parts, on a database server only: hosts that share nothing else find them here.
archived = Table(
    "archived",
    metadata,
    Column("name", String(NAME_LENGTH), nullable=False),
    Column("part", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("name", "part"),
)

# Who this hub is, on a database server only (one row); elsewhere the home has it.
hub = Table(
    "hub",
    metadata,
    Column("hub_id", Integer, primary_key=True),
    Column("owner", String(64), nullable=False),
)

parent = Table(
    "parent",
    metadata,
    Column("child_id", ForeignKey("version.version_id"), nullable=False),
    Column("parent_id", ForeignKey("version.version_id"), nullable=False),
    PrimaryKeyConstraint("child_id", "parent_id"),
    Index(None, "parent_id"),
)

tag = Table(
    "tag",
    metadata,
    Column("dataset_id", ForeignKey("dataset.dataset_id"), nullable=False),
    Column("name", String(NAME_LENGTH), nullable=False),
    Column("version_id", ForeignKey("version.version_id"), nullable=False),
    PrimaryKeyConstraint("dataset_id", "name"),
    Index(None, "version_id"),
)

tag_move = Table(
    "tag_move",
    metadata,
    Column("tag_move_id", Integer, primary_key=True),
    Column("dataset_id", ForeignKey("dataset.dataset_id"), nullable=False),
    Column("name", String(NAME_LENGTH), nullable=False),
    Column("number", Integer, nullable=False),
    Column("moved_at", Float, nullable=False),
    Column("moved_by", String(NAME_LENGTH), nullable=False),
    Index(None, "dataset_id", "name"),
)

volume = Table(
    "volume",
    metadata,
    Column("volume_id", String(64), primary_key=True),
    Column("path", Text, nullable=False),
    Column("limit_bytes", BigInteger, nullable=False),
    Column("used_bytes", BigInteger, nullable=False),
    # All that ever came onto the account, and how often a count replaced it (decision 5).
    Column("added_bytes", BigInteger, nullable=False, server_default="0"),
    Column("counts", Integer, nullable=False, server_default="0"),
    Column("last_token", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("state", String(16), nullable=False),
    Column("state_reason", Text, nullable=False),
    Column("state_since", Float, nullable=False),
    Column("signs_in_a_row", Integer, nullable=False),
    Column("good_at", Float, nullable=False, server_default="0"),  # when it was last tried out well; 0: never
    # What lately came from the lake, and how long that took: both fade, so that their ratio follows the lake.
    Column("lately_bytes", Float, nullable=False),
    Column("lately_seconds", Float, nullable=False),
    Column("lately_at", Float, nullable=False),
)

# The most that a team's replicas may hold of a volume; what two of them share counts once.
quota = Table(
    "quota",
    metadata,
    Column("volume_id", ForeignKey("volume.volume_id"), nullable=False),
    Column("team", String(NAME_LENGTH), nullable=False),
    Column("limit_bytes", BigInteger, nullable=False),
    PrimaryKeyConstraint("volume_id", "team"),
)

# Where each host has a volume: several may see one under different paths.
volume_path = Table(
    "volume_path",
    metadata,
    Column("volume_id", ForeignKey("volume.volume_id"), nullable=False),
    Column("host", String(255), nullable=False),
    Column("path", Text, nullable=False),
    PrimaryKeyConstraint("volume_id", "host", "path"),
)

replica = Table(
    "replica",
    metadata,
    Column("volume_id", ForeignKey("volume.volume_id"), nullable=False),
    Column("version_id", ForeignKey("version.version_id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("fill_seconds", Float, nullable=False),
    Column("fill_bytes", BigInteger, nullable=False),  # what that fill moved; 0 where it is not known
    Column("last_used_at", Float, nullable=False),
    Column("lake_confirmed_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("pinned_by", String(NAME_LENGTH), nullable=False),
    Column("pin_reason", Text, nullable=False),
    Column("pin_until", Float, nullable=False),
    Column("verified_at", Float, nullable=False),
    PrimaryKeyConstraint("volume_id", "version_id"),
    Index(None, "version_id"),
)

# Open while somebody fills, and after a failed try that left verified bytes behind; removed when the fill is done.
fill = Table(
    "fill",
    metadata,
    Column("fill_id", String(64), primary_key=True),
    Column("volume_id", ForeignKey("volume.volume_id"), nullable=False),
    Column("version_id", ForeignKey("version.version_id"), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("holder_user", String(NAME_LENGTH), nullable=False),
    Column("holder_host", String(255), nullable=False),
    Column("holder_pid", Integer, nullable=False),
    Column("holder_purpose", String(NAME_LENGTH), nullable=False),
    Column("holder_process", String(NAME_LENGTH), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("reserved_bytes", BigInteger, nullable=False),
    Column("total_files", BigInteger, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("present_files", BigInteger, nullable=False),
    Column("present_bytes", BigInteger, nullable=False),
    Column("moved_files", BigInteger, nullable=False),
    Column("moved_bytes", BigInteger, nullable=False),
    Column("again_bytes", BigInteger, nullable=False, server_default="0"),
    Column("peer_bytes", BigInteger, nullable=False, server_default="0"),  # of those moved, what came from other sites
    # How fast bytes came lately, and when its holder last told of it (0: not yet).
    Column("rate_bytes_s", Float, nullable=False, server_default="0"),
    Column("told_at", Float, nullable=False, server_default="0"),
    UniqueConstraint("volume_id", "version_id"),
)

# Which entries of a version readers wait for while it is being filled; goes with the fill.
wish = Table(
    "wish",
    metadata,
    Column("wish_id", Integer, primary_key=True),
    Column("fill_id", ForeignKey("fill.fill_id", ondelete="CASCADE"), nullable=False),
    Column("entry", BigInteger, nullable=False),
    UniqueConstraint("fill_id", "entry"),
)

lease = Table(
    "lease",
    metadata,
    Column("lease_id", String(64), primary_key=True),
    Column("volume_id", ForeignKey("volume.volume_id"), nullable=False),
    Column("version_id", ForeignKey("version.version_id"), nullable=False),
    Column("holder_user", String(NAME_LENGTH), nullable=False),
    Column("holder_host", String(255), nullable=False),
    Column("holder_pid", Integer, nullable=False),
    Column("holder_purpose", String(NAME_LENGTH), nullable=False),
    Column("holder_process", String(NAME_LENGTH), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("granted_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Index(None, "volume_id", "version_id"),
)

event = Table(
    "event",
    metadata,
    Column("event_id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("volume_id", String(64), nullable=False),
    Column("ref", String(160), nullable=False),
    Column("event", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Index(None, "volume_id", "event_id"),
)

# The ledger: one row a use. Kept when the version is forgotten, so it names the version instead of pointing at it.
use = Table(
    "use",
    metadata,
    Column("use_id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("volume_id", String(64), nullable=False),
    Column("month", String(7), nullable=False),  # of `at`, in UTC: 2026-12
    Column("ref", String(160), nullable=False),
    Column("dataset", String(NAME_LENGTH), nullable=False),
    Column("team", String(NAME_LENGTH), nullable=False),  # as it was then
    Column("user_name", String(NAME_LENGTH), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("moved_bytes", BigInteger, nullable=False),
    Column("peer_bytes", BigInteger, nullable=False, server_default="0"),
    Column("seconds_saved", Float, nullable=False),  # below 0 for what a fill took
    Index(None, "volume_id"),
    Index(None, "dataset", "at"),
    Index(None, "dataset", "volume_id"),
    Index(None, "ref", "at", "moved_bytes", "peer_bytes"),
    # All that a month's sums are of, so that its lines themselves are not read.
    Index("ix_use_month_sums", "month", "dataset", "size_bytes", "moved_bytes", "seconds_saved"),
)

hub_user = Table(
    "hub_user",
    metadata,
    Column("user_id", Integer, primary_key=True),
    Column("name", String(NAME_LENGTH), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("removed_at", Float, nullable=False),  # 0 while there; the row stays, so that the audit's names stay one's
)

team = Table("team", metadata, Column("name", String(NAME_LENGTH), primary_key=True))

membership = Table(
    "membership",
    metadata,
    Column("team", ForeignKey("team.name"), nullable=False),
    Column("user_id", ForeignKey("hub_user.user_id"), nullable=False),
    PrimaryKeyConstraint("team", "user_id"),
    Index(None, "user_id"),
)

# What a program signs in with: never the secret, only its SHA-256.
token = Table(
    "token",
    metadata,
    Column("token_id", String(16), primary_key=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("user_id", ForeignKey("hub_user.user_id"), nullable=False),
    Column("role", String(16), nullable=False),
    Column("datasets", Text, nullable=False),  # names with a blank between; "" for all
    Column("site", String(NAME_LENGTH), nullable=False),  # "" unless it is that site's agent's
    Column("note", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),  # 0 for never
    Column("revoked_at", Float, nullable=False),  # 0 while it holds
    Column("last_used_at", Float, nullable=False),
    Column("made_with", String(16), nullable=False, server_default=""),  # the token with which a web session began
    Index(None, "user_id"),
    Index(None, "made_with"),
)

# Who a user is to an identity provider: its issuer's name for them, for ever.
identity = Table(
    "identity",
    metadata,
    Column("identity_sha256", String(64), primary_key=True),
    Column("user_id", ForeignKey("hub_user.user_id"), nullable=False, unique=True),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
)

# Log-ins under way: each is taken once, by the browser that began it. The secrets of both are kept as SHA-256.
log_in = Table(
    "log_in",
    metadata,
    Column("state_sha256", String(64), primary_key=True),
    Column("browser_sha256", String(64), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(64), nullable=False),
    Column("next", Text, nullable=False),
    Column("expires_at", Float, nullable=False),
    Index(None, "expires_at"),
)

# Only where one was set; names of teams and sites with a blank between, "" limits nothing.
dataset_policy = Table(
    "dataset_policy",
    metadata,
    Column("dataset_id", ForeignKey("dataset.dataset_id"), primary_key=True),
    Column("read_teams", Text, nullable=False),
    Column("write_teams", Text, nullable=False),
    Column("run_teams", Text, nullable=False),
    Column("sites", Text, nullable=False),
    Column("set_by", String(NAME_LENGTH), nullable=False),
    Column("set_at", Float, nullable=False),
)

# Which site's agent keeps a volume: the first one that says so.
volume_site = Table(
    "volume_site",
    metadata,
    Column("volume_id", String(64), primary_key=True),
    Column("site", String(NAME_LENGTH), nullable=False),
)

# One row, once the hub has its first admin.
first_admin = Table(
    "first_admin",
    metadata,
    Column("first_admin_id", Integer, primary_key=True),
    Column("made_at", Float, nullable=False),
)

# Append-only: triggers refuse every change. Names what it is about as that was called then, and points at nothing.
audit = Table(
    "audit",
    metadata,
    Column("audit_id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("user_name", String(NAME_LENGTH), nullable=False),
    Column("token_id", String(16), nullable=False),
    Column("action", String(16), nullable=False),
    Column("call", String(64), nullable=False),
    Column("dataset", String(NAME_LENGTH), nullable=False),
    Column("ref", String(160), nullable=False),
    Column("detail", Text, nullable=False),
    Column("source", String(255), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Index(None, "dataset", "audit_id"),
    Index(None, "user_name", "audit_id"),
    Index(None, "action", "audit_id"),
)

# What a write with an idempotency key was answered; `key` and `asked` are digests. Status 0 while it is under way.
answer = Table(
    "answer",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("asked", String(64), nullable=False),
    Column("begun_at", Float, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index(None, "begun_at"),
)

# What was said of a link; NULL where nothing was.
link = Table(
    "link",
    metadata,
    Column("source", String(PLACE_LENGTH), nullable=False),
    Column("target", String(NAME_LENGTH), nullable=False),
    Column("bandwidth_bytes_s", Float, nullable=True),
    Column("latency_s", Float, nullable=True),
    Column("price_byte", Float, nullable=True),
    PrimaryKeyConstraint("source", "target"),
)

# What transfers told of it, for each dataset apart: who may not see one learns nothing from its transfers. The sums are
# those of sites.estimate, with its assumed values as priors.
link_measured = Table(
    "link_measured",
    metadata,
    Column("source", String(PLACE_LENGTH), nullable=False),
    Column("target", String(NAME_LENGTH), nullable=False),
    Column("dataset_id", ForeignKey("dataset.dataset_id"), nullable=False),
    Column("bandwidth_weight", Float, nullable=False),
    Column("bandwidth_log_sum", Float, nullable=False),
    Column("bandwidth_square_sum", Float, nullable=False),
    Column("bandwidth_at", Float, nullable=False),
    Column("latency_weight", Float, nullable=False),
    Column("latency_log_sum", Float, nullable=False),
    Column("latency_square_sum", Float, nullable=False),
    Column("latency_at", Float, nullable=False),
    Column("moved_bytes", BigInteger, nullable=False),
    Column("transfers", BigInteger, nullable=False),
    Column("measured_at", Float, nullable=False),
    PrimaryKeyConstraint("source", "target", "dataset_id"),
    Index(None, "target"),
)

# Where a volume's blobs are served, as its agent said last.
blob_server = Table(
    "blob_server",
    metadata,
    Column("volume_id", ForeignKey("volume.volume_id"), primary_key=True),
    Column("url", Text, nullable=False),
    Column("seen_at", Float, nullable=False),
)

# What a fill fetches with from another volume: never the secret, only its SHA-256. Goes with the fill.
ticket = Table(
    "ticket",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("volume_id", ForeignKey("volume.volume_id"), nullable=False),
    Column("fill_id", ForeignKey("fill.fill_id", ondelete="CASCADE"), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires_at", Float, nullable=False),
    Index(None, "fill_id"),
    Index(None, "expires_at"),
)
