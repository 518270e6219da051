"""What a served hub tells. Scope says which of the numbers of several hubs are to be added up."""

from __future__ import annotations

from forebay.metrics.family import Family, Kind, Scope

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_WAIT_SECONDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 12 * 3600.0, 86400.0, 3 * 86400.0)
_STATEMENT_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)


def _process(name: str, kind: Kind, meaning: str, *labels: str, buckets: tuple[float, ...] = ()) -> Family:
    return Family(name=name, kind=kind, scope=Scope.PROCESS, meaning=meaning, labels=labels, buckets=buckets)


def _database(name: str, kind: Kind, meaning: str, *labels: str) -> Family:
    return Family(name=name, kind=kind, scope=Scope.DATABASE, meaning=meaning, labels=labels)


BUILD = _process("forebay_hub_build_info", Kind.GAUGE, "1; the label has the hub's release", "version")
REQUESTS = _process(
    "forebay_hub_requests_total",
    Kind.COUNTER,
    "Requests that were answered; `route` is the template, `none` where nothing is",
    *("route", "method", "status"),
)
REQUEST_SECONDS = _process(
    "forebay_hub_request_seconds",
    Kind.HISTOGRAM,
    "From a request to the beginning of its answer; a stream's or a download's rest does not count",
    *("route", "method"),
    buckets=_SECONDS,
)
IN_FLIGHT = _process("forebay_hub_requests_in_flight", Kind.GAUGE, "Requests under way, streams among them")
STATEMENT_SECONDS = _process(
    "forebay_hub_statement_seconds",
    Kind.HISTOGRAM,
    "What a statement took at the database, without the wait for a connection",
    buckets=_STATEMENT_SECONDS,
)
STATEMENTS_FAILED = _process(
    "forebay_hub_statements_failed_total", Kind.COUNTER, "Statements that the database refused or did not answer"
)
CONNECTIONS = _process("forebay_hub_connections_in_use", Kind.GAUGE, "Connections to the database in use now")
OPENED = _process(
    "forebay_hub_leases_granted_total",
    Kind.COUNTER,
    "Leases by what they found: `ready` (a hit) or `filled` (the first use since its fill, a miss)",
    *("volume", "found"),
)
RUN_WAIT_SECONDS = _process(
    "forebay_hub_run_wait_seconds",
    Kind.HISTOGRAM,
    "From a run's submission to the start of its command; further attempts do not count",
    buckets=_WAIT_SECONDS,
)
DATABASE_UP = _process(
    "forebay_hub_database_up", Kind.GAUGE, "1 while the database answers; its own numbers are away with it"
)

VOLUME_INFO = _database(
    "forebay_hub_volume_info", Kind.GAUGE, "1; where a volume was seen first, and its site", *("volume", "path", "site")
)
VOLUME_LIMIT = _database("forebay_hub_volume_limit_bytes", Kind.GAUGE, "The most that a volume may hold", "volume")
VOLUME_USED = _database(
    "forebay_hub_volume_used_bytes", Kind.GAUGE, "A volume's account: files, trash and leftovers", "volume"
)
VOLUME_RESERVED = _database(
    "forebay_hub_volume_reserved_bytes", Kind.GAUGE, "What its fills have set aside on top", "volume"
)
VOLUME_STATE = _database(
    "forebay_hub_volume_state", Kind.GAUGE, "1 for the state that holds: normal, unstable or down", *("volume", "state")
)
VOLUME_BANDWIDTH = _database(
    "forebay_hub_volume_fill_bytes_per_second",
    Kind.GAUGE,
    "What fills lately brought from the lakes in a second; 0: none did",
    "volume",
)
REPLICAS = _database("forebay_hub_replicas", Kind.GAUGE, "Replicas by state", *("volume", "state"))
PINNED = _database(
    "forebay_hub_replicas_pinned", Kind.GAUGE, "Replicas that somebody pinned, or that a rule keeps", "volume"
)
STRUGGLING = _database(
    "forebay_hub_replicas_struggling", Kind.GAUGE, "Replicas that are not ready after three tries or more", "volume"
)
OLDEST_CHECK = _database(
    "forebay_hub_oldest_check_timestamp_seconds",
    Kind.GAUGE,
    "When the longest unverified ready replica was verified",
    "volume",
)
LEASES = _database("forebay_hub_leases", Kind.GAUGE, "Leases that are live", "volume")
OPEN_FILLS = _database(
    "forebay_hub_open_fills",
    Kind.GAUGE,
    "Fills under way (`held`), and those that broke off and wait for the next try (`left`)",
    *("volume", "held"),
)

SITE_STATE = _database("forebay_hub_site_state", Kind.GAUGE, "Sites by state: up, draining, degraded or down", "state")
SITE_SILENCE = _database(
    "forebay_hub_site_silent_seconds",
    Kind.GAUGE,
    "Since a site's agent was last heard of; absent before its first word, and while the site shall be down or has a "
    "downtime",
    "site",
)
OPEN_TASKS = _database(
    "forebay_hub_open_tasks",
    Kind.GAUGE,
    "Fills, evictions and scrubs of all sites that have not ended, by state: waiting for a try, ordered or under-way",
    *("kind", "state"),
)
RULE_PLACES = _database(
    "forebay_hub_rule_places",
    Kind.GAUGE,
    "Datasets at sites of which rules speak, by how they stand: satisfied, filling or waiting",
    "state",
)

RUNS = _database(
    "forebay_hub_runs", Kind.GAUGE, "Runs that have not ended: queued, filling, starting or running", "state"
)
LONGEST_WAIT = _database(
    "forebay_hub_run_longest_wait_seconds",
    Kind.GAUGE,
    "How long the longest queued or filling run has waited, since its submission or its last attempt; 0: none waits",
)

FILLS = _database(
    "forebay_hub_fills_total", Kind.COUNTER, "Fills that ended, by outcome: filled or failed", *("volume", "outcome")
)
FILLED_BYTES = _database("forebay_hub_filled_bytes_total", Kind.COUNTER, "What fills added to a volume", "volume")
MOVED_BYTES = _database(
    "forebay_hub_moved_bytes_total",
    Kind.COUNTER,
    "What fills brought, by kind of source: `lake`, or another site (`peer`)",
    *("volume", "source"),
)
USES = _database("forebay_hub_uses_total", Kind.COUNTER, "Uses of versions, as the ledger has them", "volume")
USED_BYTES = _database(
    "forebay_hub_used_bytes_total", Kind.COUNTER, "What those uses would have downloaded, each for itself", "volume"
)
SAVED_SECONDS = _database(
    "forebay_hub_download_seconds_total", Kind.COUNTER, "and the time that would have taken", "volume"
)
EVICTIONS = _database("forebay_hub_evictions_total", Kind.COUNTER, "Evictions by kind of reason", *("volume", "reason"))
EVICTED_BYTES = _database("forebay_hub_evicted_bytes_total", Kind.COUNTER, "What they freed", *("volume", "reason"))
CHANGES = _database(
    "forebay_hub_replica_changes_total",
    Kind.COUNTER,
    "Replicas found damaged, adopted or forgotten by recover, or stuck in eviction",
    *("volume", "change"),
)
ILLNESSES = _database(
    "forebay_hub_volume_changes_total",
    Kind.COUNTER,
    "Changes of a volume's state, by the new one",
    *("volume", "state"),
)
REFUSALS = _database("forebay_hub_refusals_total", Kind.COUNTER, "What the audit has as refused, by action", "action")

PROCESS = (
    BUILD,
    REQUESTS,
    REQUEST_SECONDS,
    IN_FLIGHT,
    STATEMENT_SECONDS,
    STATEMENTS_FAILED,
    CONNECTIONS,
    OPENED,
    RUN_WAIT_SECONDS,
    DATABASE_UP,
)
GAUGES = (
    VOLUME_INFO,
    VOLUME_LIMIT,
    VOLUME_USED,
    VOLUME_RESERVED,
    VOLUME_STATE,
    VOLUME_BANDWIDTH,
    REPLICAS,
    PINNED,
    STRUGGLING,
    OLDEST_CHECK,
    LEASES,
    OPEN_FILLS,
    SITE_STATE,
    SITE_SILENCE,
    OPEN_TASKS,
    RULE_PLACES,
    RUNS,
    LONGEST_WAIT,
)
COUNTERS = (
    FILLS,
    FILLED_BYTES,
    MOVED_BYTES,
    USES,
    USED_BYTES,
    SAVED_SECONDS,
    EVICTIONS,
    EVICTED_BYTES,
    CHANGES,
    ILLNESSES,
    REFUSALS,
)
HUB = (*PROCESS, *GAUGES, *COUNTERS)

STANDARD = (
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_start_time_seconds",
    "process_open_fds",
    "process_max_fds",
)
"""What prometheus-client tells of the process by itself."""
