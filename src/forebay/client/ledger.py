"""`forebay.savings`: what the cache on this volume saved, added up as it is asked for. Changes nothing."""

from __future__ import annotations

from typing import Literal

from forebay.client.session import Session, shared_session
from forebay.errors import InputError
from forebay.wire.cache import LedgerKey, Savings


def savings(by: Literal["dataset", "team", "month", "version"] = "dataset") -> list[Savings]:
    """What the cache saved against a download for every use, by dataset, team, month (of UTC) or version.

    One item for each, sorted by its `key` (`criteo`; `ads`, "" for datasets of no team; `2026-12`; `criteo@v1`):
    `uses`; `conventional_bytes`, which a download for each use would have moved; `moved_bytes`, which really came from
    the lake for their files; `saved_bytes`, the difference; `seconds_saved` at the measured bandwidth. Bytes and
    seconds are totals over all uses of this volume. Raises a `forebay.ForebayError`, of the kind `bad-ledger-key` for
    any other `by`.
    """
    return savings_in(shared_session(), by)


def savings_in(session: Session, by: str) -> list[Savings]:
    """`savings` in a session of the caller's; InputError `bad-ledger-key`."""
    keys = [key.value for key in LedgerKey]
    if by not in keys:
        raise InputError(
            "bad-ledger-key", f"the ledger is not kept by {by!r}", todo=f"Choose one of {', '.join(keys)}."
        )
    return session.hub.volumes.savings(session.cache.volume_id, LedgerKey(by))
