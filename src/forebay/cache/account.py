"""The account of a volume, pure: who may still write how much (FITS)."""

from __future__ import annotations

from forebay.wire.cache import NoRoom, Quota, Reserved


def within(quota: Quota | None, team_bytes: int) -> NoRoom | None:
    """None when a team that would hold `team_bytes`, its other fills' included, keeps its quota; else what it lacks."""
    if quota is None or team_bytes <= quota.limit_bytes:
        return None
    return NoRoom(missing_bytes=team_bytes - quota.limit_bytes, never=False, quota=quota)


def reserve(
    *, limit_bytes: int, used_bytes: int, reserved_bytes: int, unwritten_bytes: int, free_bytes: int, need_bytes: int
) -> Reserved | NoRoom:
    """Set `need_bytes` aside, or say how many are missing.

    `reserved_bytes` is what all other open fills set aside and `unwritten_bytes` the part of it that is not on the disk
    yet; `free_bytes` is what the file system itself has left.
    """
    missing = max(
        used_bytes + reserved_bytes + need_bytes - limit_bytes,
        unwritten_bytes + need_bytes - free_bytes,
        0,
    )
    if missing == 0:
        return Reserved(reserved_bytes=need_bytes)
    return NoRoom(missing_bytes=missing, never=need_bytes > limit_bytes)
