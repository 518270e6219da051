"""What a process on a volume's own machine tells: `forebay cache metrics`, and an agent."""

from __future__ import annotations

from forebay.metrics.family import Family, Kind, Scope


def _volume(name: str, meaning: str, *labels: str) -> Family:
    return Family(name=name, kind=Kind.GAUGE, scope=Scope.VOLUME, meaning=meaning, labels=("volume", *labels))


INFO = _volume(
    "forebay_volume_info", "1; the path here, the machine and the release of forebay", "path", "host", "version"
)
UP = _volume("forebay_volume_up", "1 while it is mounted here and ours")
HUB_UP = _volume("forebay_volume_hub_up", "1 while its hub answers; what only the hub knows is away with it")
MEASURED = _volume("forebay_volume_measured_timestamp_seconds", "When this was measured")
FREE = _volume("forebay_volume_file_system_free_bytes", "What its file system has left for an ordinary user")
SIZE = _volume("forebay_volume_file_system_bytes", "The size of its file system")
FREE_FILES = _volume(
    "forebay_volume_file_system_free_files",
    "Files that its file system can still take; absent where it has no such bound",
)
LIMIT = _volume("forebay_volume_limit_bytes", "The most that it may hold")
USED = _volume("forebay_volume_used_bytes", "Its account: files, trash and leftovers")
RESERVED = _volume("forebay_volume_reserved_bytes", "What fills have set aside on top")
STATE = _volume("forebay_volume_state", "1 for the state that holds: normal, unstable or down", "state")
CANARY_SECONDS = _volume("forebay_volume_canary_seconds", "To write, sync, read back and delete a small file")
CANARY_OK = _volume("forebay_volume_canary_good", "1 when the last canary came back as it was written")
CANARY_AT = _volume(
    "forebay_volume_canary_timestamp_seconds", "When the last good canary came back; 0: none since the start"
)
REPLICAS = _volume("forebay_volume_replicas", "Replicas by state", "state")
LEASES = _volume("forebay_volume_leases", "Leases that are live")
OPEN_FILLS = _volume("forebay_volume_open_fills", "Fills under way (`held`), and those that broke off (`left`)", "held")
OLDEST_CHECK = _volume(
    "forebay_volume_oldest_check_timestamp_seconds", "When the longest unverified ready replica was verified"
)
QUARANTINED = _volume("forebay_volume_quarantined", "Files and trees in quarantine")
TRASH = _volume("forebay_volume_trash", "Folders and files in the trash, those in quarantine among them")
TRASH_BYTES = _volume(
    "forebay_volume_trash_bytes", "What deleting the trash would free; absent where it is too much to look through"
)

VOLUME = (
    INFO,
    UP,
    HUB_UP,
    MEASURED,
    FREE,
    SIZE,
    FREE_FILES,
    LIMIT,
    USED,
    RESERVED,
    STATE,
    CANARY_SECONDS,
    CANARY_OK,
    CANARY_AT,
    REPLICAS,
    LEASES,
    OPEN_FILLS,
    OLDEST_CHECK,
    QUARANTINED,
    TRASH,
    TRASH_BYTES,
)
