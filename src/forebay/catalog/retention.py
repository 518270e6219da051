"""Which versions of a dataset are retired, pure: a policy, what is known of each version, and now.

Nothing that is tagged, in use, pinned, kept by a rule, filled, waited for, or behind a tagged version ever is, whatever
the policy; and of a dataset the newest version stays. A clock that was set back keeps more, never less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from forebay.errors import InputError
from forebay.wire.catalog import ref_of
from forebay.wire.retention import Keep, RetentionPolicy, VersionFate

DAY_S = 86400.0
GRACE_S = 7 * DAY_S
"""How long replicas of a retired version stay, and what was just used or restored is kept."""

MOST_DAYS = 36_500.0
MOST_VERSIONS = 1_000_000

AT_ONCE = 3
AT_ONCE_SHARE = 0.25
"""More of a dataset's versions than both of these never go at once unless somebody asks for it (BRAKE)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of one version that is not retired. `is_behind`: a tagged version was made from it.

    `rule_id` names a rule that keeps it, "" where none does.
    """

    number: int
    size_bytes: int
    created_at: float
    restored_at: float = 0.0
    last_used_at: float = 0.0
    tags: tuple[str, ...] = ()
    is_leased: bool = False
    is_pinned: bool = False
    rule_id: str = ""
    is_filling: bool = False
    has_run: bool = False
    has_task: bool = False
    is_behind: bool = False


def check(policy: RetentionPolicy) -> RetentionPolicy:
    """The policy; InputError `bad-retention` for one that makes no sense."""
    last, days = policy.keep_last, policy.keep_days
    if last is not None and not 1 <= last <= MOST_VERSIONS:
        raise _bad(f"{last} is no number of versions to keep: at least 1")
    if days is not None and not (math.isfinite(days) and 0 < days <= MOST_DAYS):
        raise _bad(f"{days} is no number of days to keep versions: more than 0, at most {MOST_DAYS:.0f}")
    return policy


def decide(
    policy: RetentionPolicy, standings: Sequence[Standing], now: float, grace_s: float = GRACE_S
) -> tuple[VersionFate, ...]:
    """The fate of every version, newest first."""
    newest_first = sorted(standings, key=lambda item: -item.number)
    return tuple(_fate(policy, item, rank, now, grace_s) for rank, item in enumerate(newest_first))


def held(standing: Standing) -> tuple[Keep, str] | None:
    """Why a version can't be retired at all, not even by hand."""
    if standing.tags:
        return Keep.TAGGED, f"it has the tag {standing.tags[0]!r}"
    if standing.is_leased:
        return Keep.IN_USE, "it is in use"
    if standing.is_pinned:
        return Keep.PINNED, "it is pinned"
    if standing.rule_id:
        return Keep.RULE, f"rule {standing.rule_id} keeps it at sites"
    if standing.is_filling:
        return Keep.FILLING, "it is being filled"
    if standing.has_run:
        return Keep.RUN, "a run that has not ended reads it"
    if standing.has_task:
        return Keep.TASK, "a site has been asked to bring it"
    return None


def brake(fates: Sequence[VersionFate]) -> str:
    """Why so many do not go without being asked for; "" when they may."""
    going = sum(fate.retires for fate in fates)
    if going <= max(AT_ONCE, AT_ONCE_SHARE * len(fates)):
        return ""
    return f"{going} of {len(fates)} versions would go at once"


def _fate(policy: RetentionPolicy, item: Standing, rank: int, now: float, grace_s: float) -> VersionFate:
    keep, reason = held(item) or _kept(policy, item, rank, now, grace_s)
    return VersionFate(
        ref=ref_of(policy.dataset, item.number),
        number=item.number,
        keep=keep,
        reason=reason,
        size_bytes=item.size_bytes,
        created_at=item.created_at,
    )


def _kept(policy: RetentionPolicy, item: Standing, rank: int, now: float, grace_s: float) -> tuple[Keep, str]:
    last = max(1, policy.keep_last or 0)
    keep_s = (policy.keep_days or 0.0) * DAY_S
    lately_s = max(keep_s, grace_s)
    if policy.keeps_all:
        return Keep.ALL, "all versions are kept"
    if rank < last:
        return Keep.LAST, "it is the newest" if last == 1 else f"it is among the newest {last}"
    if now - item.created_at < keep_s:
        return Keep.YOUNG, f"it was made {_ago(now - item.created_at)} ago"
    if item.last_used_at and now - item.last_used_at < lately_s:
        return Keep.USED, f"it was used {_ago(now - item.last_used_at)} ago"
    if item.restored_at and now - item.restored_at < lately_s:
        return Keep.RESTORED, f"it was restored {_ago(now - item.restored_at)} ago"
    if item.is_behind:
        return Keep.LINEAGE, "a tagged version was made from it"
    return Keep.NOTHING, f"older than the newest {last}, made {_ago(now - item.created_at)} ago"


def _ago(seconds: float) -> str:
    days = max(0.0, seconds) / DAY_S
    return f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} h"


def _bad(told: str) -> InputError:
    return InputError("bad-retention", f"{told}.", todo="For example: --keep-last 10 --keep-days 90")
