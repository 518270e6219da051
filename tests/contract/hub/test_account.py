"""A volume's account while recover counts: its steps in every order with those that change the volume (decision 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import pytest

from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder
from forebay.wire.cache import FillDone, Granted
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub
from tests.contract.hub.conftest import VOLUME, new_version

HELD = 100
CHANGED = 30

Step = Callable[[], None]


@dataclass(slots=True)
class Disk:
    """What lies on the volume, and what of it the one fill has placed."""

    there: int = HELD
    placed: int = 0


class Recover:
    """Its count: the hub is asked, the fills are listed, the disk is looked at, the hub is told."""

    def __init__(self, hub: Hub, disk: Disk) -> None:
        self._hub = hub
        self._disk = disk
        self._added_bytes = self._reserved = self._counted = 0

    def steps(self) -> list[Step]:
        return [self._ask, self._list, self._look, self._tell]

    def _ask(self) -> None:
        self._added_bytes = self._hub.volumes.get(VOLUME).added_bytes

    def _list(self) -> None:
        self._reserved = self._disk.placed if self._hub.fills.open_fills(VOLUME) else 0

    def _look(self) -> None:
        self._counted = self._disk.there - self._reserved

    def _tell(self) -> None:
        self._hub.volumes.set_used_bytes(VOLUME, self._counted, self._added_bytes)


class Change:
    """What goes on beside it; `begin` happens before recover does anything."""

    def __init__(self, hub: Hub, disk: Disk, version: Version, clock: FakeClock) -> None:
        self._hub = hub
        self._disk = disk
        self._version = version
        self._clock = clock

    def begin(self) -> None:
        """Nothing was begun."""

    def steps(self) -> list[Step]:
        raise NotImplementedError


class Deletion(Change):
    """Something that the account counts: quarantine, what was stuck, what was replaced."""

    _counts = 0

    def steps(self) -> list[Step]:
        return [self._ask, self._delete, self._tell]

    def _ask(self) -> None:
        self._counts = self._hub.volumes.get(VOLUME).counts

    def _delete(self) -> None:
        self._disk.there -= CHANGED

    def _tell(self) -> None:
        self._hub.volumes.free_bytes(VOLUME, CHANGED, self._counts)


class Fill(Change):
    """It places its bytes under its reservation, and is finished."""

    def begin(self) -> None:
        granted = self._hub.fills.claim(VOLUME, self._version, holder())
        assert isinstance(granted, Granted)
        self._granted = granted
        self._hub.fills.reserve(granted.fill_id, granted.token, CHANGED, 10_000)

    def steps(self) -> list[Step]:
        return [self._place, self._finish]

    def _place(self) -> None:
        self._disk.there += CHANGED
        self._disk.placed = CHANGED

    def _finish(self) -> None:
        done = FillDone(added_bytes=CHANGED, moved_bytes=0, present_bytes=0, seconds=1.0, seal_digest="")
        self._hub.fills.finish(self._granted.fill_id, self._granted.token, done)


class WholeFill(Fill):
    """The same, begun while recover is at work."""

    def begin(self) -> None:
        """Nothing was begun."""

    def steps(self) -> list[Step]:
        return [super().begin, *super().steps()]


class Adoption(Fill):
    """Another recover adopts what a fill had completed and could not report."""

    def begin(self) -> None:
        super().begin()
        self._place()
        self._clock.pass_by(11)

    def steps(self) -> list[Step]:
        return [self._adopt]

    def _adopt(self) -> None:
        self._hub.replicas.adopt(VOLUME, self._version, self._granted.token, 1.0)


class Abandoned(Fill, Deletion):
    """What a dead fill left makes room."""

    def begin(self) -> None:
        super().begin()
        self._place()
        self._clock.pass_by(11)

    def steps(self) -> list[Step]:
        return [self._abandon, *Deletion.steps(self)]

    def _abandon(self) -> None:
        assert self._hub.fills.abandon(self._granted.fill_id) == CHANGED


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", [Deletion, Fill, WholeFill, Adoption, Abandoned])
def test_FITS_the_account_is_never_too_low_whatever_happens_while_recover_counts(
    embedded: LocalHub, clock: FakeClock, kind: type[Change]
) -> None:
    version = new_version(embedded, "clicks")
    for order in _orders(4, len(kind(embedded, Disk(), version, clock).steps())):
        disk = Disk()
        embedded.volumes.set_used_bytes(VOLUME, HELD)
        change, recover = kind(embedded, disk, version, clock), Recover(embedded, disk)
        change.begin()
        changes, counts = iter(change.steps()), iter(recover.steps())
        for at, is_change in enumerate(order):
            next(changes if is_change else counts)()
            volume = embedded.volumes.get(VOLUME)
            assert volume.used_bytes + volume.reserved_bytes >= disk.there, f"FITS: step {at} of {_told(order)}"
        for step in Recover(embedded, disk).steps():
            step()
        assert embedded.volumes.get(VOLUME).used_bytes == disk.there, "the next recover knows it exactly"
        embedded.replicas.forget(VOLUME, version, "the next order")


def test_FITS_a_deletion_with_no_count_beside_it_is_taken_off_exactly(hub: Hub) -> None:
    hub.volumes.set_used_bytes(VOLUME, 400)
    counts = hub.volumes.get(VOLUME).counts
    hub.volumes.free_bytes(VOLUME, 300, counts)
    assert hub.volumes.get(VOLUME).used_bytes == 100
    hub.volumes.set_used_bytes(VOLUME, 400)
    hub.volumes.free_bytes(VOLUME, 300, counts)
    assert hub.volumes.get(VOLUME).used_bytes == 400, "the count may have found them gone"
    hub.volumes.free_bytes(VOLUME, 300)
    assert hub.volumes.get(VOLUME).used_bytes == 100, "who is a release older says no counts"


def test_FITS_what_came_onto_the_account_since_a_count_began_is_added_to_it(hub: Hub) -> None:
    added_bytes = hub.volumes.get(VOLUME).added_bytes
    hub.volumes.free_bytes(VOLUME, -50)
    hub.volumes.free_bytes(VOLUME, 20)
    hub.volumes.set_used_bytes(VOLUME, 400, added_bytes)
    assert hub.volumes.get(VOLUME).used_bytes == 450
    hub.volumes.set_used_bytes(VOLUME, 400, added_bytes + 1000)
    assert hub.volumes.get(VOLUME).used_bytes == 400, "a hub that was put back from a backup knows of less"
    hub.volumes.set_used_bytes(VOLUME, 300)
    assert hub.volumes.get(VOLUME).used_bytes == 300, "who is a release older does not say when it began"


def test_FITS_what_an_adopted_fill_had_reserved_counts_until_recover_counts(
    hub: Hub, version: Version, clock: FakeClock
) -> None:
    granted = hub.fills.claim(VOLUME, version, holder())
    assert isinstance(granted, Granted)
    hub.fills.reserve(granted.fill_id, granted.token, 300, 10_000)
    clock.pass_by(11)
    hub.replicas.adopt(VOLUME, version, granted.token, 1.0)
    volume = hub.volumes.get(VOLUME)
    assert (volume.used_bytes, volume.reserved_bytes) == (300, 0)


def _orders(counts: int, changes: int) -> Iterator[Sequence[bool]]:
    """Every order of so many steps of each; True is a change."""
    total = counts + changes
    for taken in combinations(range(total), changes):
        yield [at in taken for at in range(total)]


def _told(order: Sequence[bool]) -> str:
    return " ".join("change" if is_change else "count" for is_change in order)
