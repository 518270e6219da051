"""The safeguards of the engine, each with how to switch it off in a test build, and the check that must find it.

Nothing here weighs in at run time: a safeguard is switched off by a patch in the test's own process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from forebay.cache import engine, evict, fill, incoming, machine, place, repair, room, transfer
from forebay.catalog import store as catalog_store
from forebay.hub import fills
from forebay.lake import fetch
from tests.faults import checks

Off = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Safeguard:
    """`says` is what the check must complain of: the invariant's name, or the error that comes instead of good."""

    name: str
    off: Off
    check: Callable[..., None]
    says: str


def patch(target: Any, name: str, value: Any) -> Off:
    return lambda monkeypatch: monkeypatch.setattr(target, name, value)


def _nothing(*_given: Any, **_named: Any) -> None:
    """Does nothing."""


def _any_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub believes every holder, whatever its token."""

    def believed(facts: Any, _state: Any, _token: int, then: Any) -> Any:
        return then, machine.Verdict.DONE

    def row(self: Any, connection: Any, fill_id: str, _token: int) -> Any:
        import sqlalchemy as sa

        from forebay.catalog import schema as t

        return connection.execute(sa.select(t.fill).where(t.fill.c.fill_id == fill_id)).mappings().one()

    monkeypatch.setattr(machine, "_if_held", believed)
    monkeypatch.setattr(fills.FillStore, "_locked", row)


def _leases_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    real = machine._request_evict
    monkeypatch.setattr(machine, "_request_evict", lambda facts, event: real(replace(facts, live_leases=0), event))


def _pins_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    real = machine._request_evict
    monkeypatch.setattr(machine, "_request_evict", lambda facts, event: real(replace(facts, pinned=False), event))


class _Without:
    """A disk of which one effect is left out."""

    def __init__(self, disk: Any, effect: str) -> None:
        self._disk = disk
        self._effect = effect

    def __getattr__(self, name: str) -> Any:
        return _nothing if name == self._effect else getattr(self._disk, name)


def _fills_without(effect: str) -> Off:
    """No fill asks the disk for this effect any more."""

    def off(monkeypatch: pytest.MonkeyPatch) -> None:
        real = fill._Fill.__init__

        def made(self: Any, *given: Any, **named: Any) -> None:
            real(self, *given, **named)
            self._disk = _Without(self._disk, effect)

        monkeypatch.setattr(fill._Fill, "__init__", made)

    return off


def _no_etag_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "condition", lambda etag: None)
    monkeypatch.setattr(fetch, "same_etag", lambda one, other: True)


def _journal_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def believed(_path: Any, _start: int, digests: Any) -> int | None:
        return max(digests, default=None)

    monkeypatch.setattr(incoming, "_longest", believed)


def _no_digest_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    def finish(self: Any, file: Any, _last: Any, digest: bytes) -> None:
        wanted = file.wanted
        self._digests[wanted.missing.index] = digest if wanted.digest is None else wanted.digest
        self._meter.moved(0, files=1)

    monkeypatch.setattr(transfer.Transfer, "_finish", finish)


def _no_brake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "_brake", lambda *given: "")


def _no_reservation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.Room, "reserve", _nothing)


def _all_blobs_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """An eviction takes every blob that its own replica lists."""

    def going(self: Any, _version: Any, replica: Any) -> list[str]:
        return [digest.hex() for digest in self._holdings.digests(replica)["digest"].to_pylist()]

    monkeypatch.setattr(evict.Evictor, "_going", going)


SAFEGUARDS = [
    Safeguard("the hub believes a stale token", _any_token, checks.a_stale_token_is_refused, "ONE-FILL"),
    Safeguard("no reservation before the first byte", _no_reservation, checks.bytes_stay_within_the_limit, "FITS"),
    Safeguard(
        "the marker before the data is durable",
        _fills_without("sync_file_system"),
        checks.every_crash_state_of_a_fill,
        "CRASH|VERIFIED|FITS",
    ),
    Safeguard(
        "no sync of the directory with the tree's name",
        _fills_without("sync_directory"),
        checks.every_crash_state_of_a_fill,
        "CRASH|VERIFIED|FITS",
    ),
    Safeguard("no condition on the etag", _no_etag_condition, checks.a_changed_object_is_an_error, "IMMUTABLE"),
    Safeguard("leases are ignored when evicting", _leases_ignored, checks.what_is_leased_stays, "IN-USE"),
    Safeguard("pins are ignored when evicting", _pins_ignored, checks.what_is_pinned_stays, "IN-USE"),
    Safeguard("no digest is compared", _no_digest_comparison, checks.a_flipped_bit_is_found, "VERIFIED"),
    Safeguard("the journal is believed without hashing", _journal_believed, checks.a_journal_may_lie, "VERIFIED"),
    Safeguard("the brake is off", _no_brake, checks.an_empty_volume_is_no_evidence, "BRAKE"),
    Safeguard(
        "the lake is not asked before evicting",
        patch(evict.Evictor, "_confirm", _nothing),
        checks.what_the_lake_lost_stays,
        "RECOVERABLE",
    ),
    Safeguard(
        "blobs are deleted that another replica lists",
        _all_blobs_go,
        checks.shared_blobs_stay,
        "ONE-FILL",
    ),
    Safeguard(
        "the volume's mark is not looked for",
        patch(engine, "_refuse_vanished", _nothing),
        checks.a_volume_that_went_away,
        "BRAKE",
    ),
    Safeguard(
        "a record is believed without its marker",
        patch(engine, "holds", lambda tree, digest: True),
        checks.a_marker_that_went_is_missed,
        "VERIFIED",
    ),
    Safeguard(
        "learned digests are not kept",
        patch(catalog_store.CatalogStore, "seal", _nothing),
        checks.a_flipped_bit_is_found,
        "VERIFIED",
    ),
    Safeguard(
        "a newer tree is taken away by a holder that slept",
        patch(place, "_newer", lambda tree, before: False),
        checks.a_filler_that_slept_publishes_nothing,
        "ONE-FILL",
    ),
]
