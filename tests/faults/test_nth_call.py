"""The Nth call fails, for every N of a small fill, a repair and an eviction: refused, full, short; the disk or the hub.

Never a wrong `ready`; afterwards every invariant holds by name, and the next fill succeeds.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from forebay.errors import CapacityError, UnavailableError
from forebay.testing.cached import FakeClock
from tests.faults.stage import ACTIONS, Scene, Snapshot, judge


def once(number: int, code: int) -> Callable[[str, int], int]:
    return lambda _name, count: code if count == number else 0


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
@pytest.mark.parametrize("name", ["fill", "repair", "evict"])
def test_VERIFIED_one_refused_effect(root: Path, name: str, code: int) -> None:
    before, action = ACTIONS[name]
    scene = Scene(root, before)
    snapshot = Snapshot(scene.world, scene.clock)
    number = 0
    while True:
        number += 1
        snapshot.restore()
        error, effects = scene.refuse(action, once(number, code))
        if effects < number:
            break
        if error is not None:
            assert error.kind == ("disk-full" if code == errno.ENOSPC else "disk-failing")
            assert isinstance(error, CapacityError) == (code == errno.ENOSPC)
        _judge(scene, f"{name}: effect {number} refused", recover=number % 2 == 0)
    assert number > 20


@pytest.mark.parametrize("name", ["fill", "repair"])
def test_VERIFIED_a_short_write_goes_on_or_fails(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system writes half of what it was asked for: the rest follows, or the disk is full by then."""
    before, action = ACTIONS[name]
    scene = Scene(root, before)
    snapshot = Snapshot(scene.world, scene.clock)
    writes = 1
    for full in (False, True):
        number = 1
        while number <= writes:
            snapshot.restore()
            short = ShortWrites(number, full=full)
            with monkeypatch.context() as patched:
                patched.setattr(os, "write", short.write)
                patched.setattr(os, "pwrite", short.pwrite)
                error, _ = scene.refuse(action, lambda _name, _count: 0)
            assert (error is not None) == (full and short.cut)
            assert error is None or error.kind in ("disk-full", "catalog-full")
            writes = max(writes, short.count)
            _judge(scene, f"{name}: write {number} of {writes} short, full {full}", recover=number % 2 == 0)
            number += 1
    assert writes >= 5


class ShortWrites:
    """Cuts the Nth write in half; `full`: and refuses all that follow it."""

    def __init__(self, number: int, *, full: bool) -> None:
        self.number, self.full, self.count, self.cut = number, full, 0, False
        self._write, self._pwrite = os.write, os.pwrite

    def write(self, descriptor: int, data: Any) -> int:
        return self._write(descriptor, self._some(data))

    def pwrite(self, descriptor: int, data: Any, offset: int) -> int:
        return self._pwrite(descriptor, self._some(data), offset)

    def _some(self, data: Any) -> Any:
        view = memoryview(data)
        if self.cut and self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.count += 1
        if self.count == self.number and len(view) > 1:
            self.cut = True
            return view[: len(view) // 2]
        return view


class FaultyHub:
    """A hub whose Nth call fails: it was never heard, or (`answer_lost`) it was done and nobody learnt of it.

    `calls` is how many calls fail from there on: a database that is gone for a while.
    """

    def __init__(
        self, part: Any, number: int, *, answer_lost: bool, calls: int, counter: list[int] | None = None
    ) -> None:
        self._part = part
        self._given: dict[str, Any] = {"number": number, "answer_lost": answer_lost, "calls": calls}
        self.counter = [0] if counter is None else counter

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if isinstance(found, str):
            return found
        if not callable(found):
            return FaultyHub(found, counter=self.counter, **self._given)
        return lambda *given, **named: self._ask(found, *given, **named)

    def _ask(self, found: Callable[..., Any], *given: Any, **named: Any) -> Any:
        self.counter[0] += 1
        first, calls = self._given["number"], self._given["calls"]
        if not first <= self.counter[0] < first + calls:
            return found(*given, **named)
        if self._given["answer_lost"]:
            found(*given, **named)
        raise UnavailableError("database-away", "the database is gone")


@pytest.mark.parametrize("answer_lost", [False, True], ids=["unheard", "answer lost"])
@pytest.mark.parametrize("calls", [1, 1000], ids=["once", "from then on"])
@pytest.mark.parametrize("name", ["fill", "repair", "evict"])
def test_CRASH_a_database_that_is_gone_at_every_call(root: Path, name: str, calls: int, answer_lost: bool) -> None:
    before, action = ACTIONS[name]
    scene = Scene(root, before, FakeClock())
    snapshot = Snapshot(scene.world, scene.clock)
    number = 0
    while True:
        number += 1
        snapshot.restore()
        hub: Any = FaultyHub(scene.world.hub, number, answer_lost=answer_lost, calls=calls)
        with suppress(UnavailableError):
            action(scene.world.cache(hub=hub), scene.version)
        if hub.counter[0] < number:
            break
        scene.clock.pass_by(3600.0)
        _judge(scene, f"{name}: from the hub's call {number} on {calls} failed", recover=number % 2 == 0)
    assert number > 8


def _judge(scene: Scene, what: str, *, recover: bool) -> None:
    try:
        judge(scene.world, [scene.version, scene.other], recover=recover)
    except BaseException as error:
        error.add_note(what)
        raise
