"""Which fill brings an object that several versions list: one at a time, no circle of waits, nothing left out."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from forebay.cache.overlap import Turn, awaited, hold_back, learned, mask_bytes, shared_rows, take_up, turns_before
from forebay.cache.plan import Range, plan_fill
from forebay.catalog.manifest import Entry, Manifest
from forebay.catalog.seal import Seal
from forebay.wire.cache import OpenFill, Progress

names = st.sampled_from("abcdef")
etags = st.sampled_from(("", "1", "2"))


def open_fill(token: int, fill_id: str, *, live: bool = True, process: str = "") -> OpenFill:
    return OpenFill(
        fill_id=fill_id,
        ref=f"{fill_id}@v1",
        token=token,
        holder="somebody",
        live=live,
        reserved_bytes=0,
        progress=Progress(),
        process=process,
    )


def digest_of(name: str, etag: str) -> bytes:
    return f"{name}{etag}".encode().ljust(32, b".")


@st.composite
def sealed_manifests(draw: st.DrawFn) -> Manifest:
    """A registered manifest of which some digests are known."""
    keys = draw(st.lists(st.tuples(names, etags), unique_by=lambda key: key[0], max_size=6))
    manifest = Manifest.registered([Entry(path=f"at/{name}", size_bytes=7, key=name, etag=etag) for name, etag in keys])
    known = [path for path in manifest.table["path"].to_pylist() if draw(st.booleans())]
    etag_of = dict(keys)
    digests = [digest_of(path[3:], etag_of[path[3:]]) for path in known]
    return manifest.with_seal(Seal.learned(manifest, known, digests))


@given(sealed_manifests(), sealed_manifests(), st.booleans())
def test_a_row_is_shared_by_its_digest_or_in_the_same_lake_by_its_object(
    ours: Manifest, theirs: Manifest, same_lake: bool
) -> None:
    digests = {entry.digest for entry in theirs.entries() if entry.digest}
    objects = {(entry.key, entry.etag) for entry in theirs.entries() if entry.etag}
    found = mask_bytes(shared_rows(ours, theirs, same_lake=same_lake)) if len(ours) else b""
    expected = [
        entry.digest in digests or (same_lake and (entry.key, entry.etag) in objects) for entry in ours.entries()
    ]
    assert list(found) == [int(each) for each in expected]


@given(sealed_manifests(), sealed_manifests())
def test_a_digest_is_learned_of_the_very_same_object_alone(ours: Manifest, theirs: Manifest) -> None:
    known = {(entry.key, entry.etag): entry.digest for entry in theirs.entries() if entry.etag}
    after = learned(ours, theirs)
    assert after.manifest_digest == ours.manifest_digest
    for before, now in zip(ours.entries(), after.entries(), strict=True):
        assert now.digest == (before.digest or known.get((before.key, before.etag)))


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), max_size=4))
def test_what_is_awaited_is_the_union(masks: list[list[bool]]) -> None:
    union = awaited(bytes(mask) for mask in masks)
    assert list(union) == ([any(column) for column in zip(*masks, strict=True)] if masks else [])


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.data())
def test_FITS_a_plan_in_two_is_the_plan(sizes: list[int], data: st.DataObject) -> None:
    count = len(sizes)
    rows = bytes(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    kept = {index: [Range(0, size // 2)] for index, size in enumerate(sizes) if size > 1 and data.draw(st.booleans())}
    plan = plan_fill(sizes, range(count), bytes(count), bytes(count), kept)
    split = hold_back(plan, rows, sizes)
    assert set(split.held_back) == {index for index, held in enumerate(rows) if held}
    assert not set(split.now.missing) & set(split.held_back)
    assert split.now.need_bytes == sum(size for size, held in zip(sizes, rows, strict=True) if not held)
    lacks = (split.now.missing_entry(index, sizes[index]).gap_bytes for index in split.now.missing)
    assert split.now.move_bytes == sum(lacks)
    whole = take_up(split.now, split.held_back, sizes)
    assert (whole.need_bytes, whole.move_bytes) == (plan.need_bytes, plan.move_bytes)
    assert sorted(whole.missing) == list(plan.missing)


def test_only_live_fills_with_smaller_tokens_go_first() -> None:
    fills = [
        open_fill(1, "dead by the clock", live=False),
        open_fill(2, "seen dead", process="p2"),
        open_fill(3, "earlier", process="p3"),
        open_fill(5, "own"),
        open_fill(6, "later"),
    ]
    assert list(turns_before(Turn(5, "own"), fills, {"p2"})) == [Turn(3, "earlier")]


@dataclass
class Filling:
    """A fill as its holder sees it: what it moves itself, and whose end it waits for."""

    token: int
    wants: frozenset[int]
    mine: set[int] = field(default_factory=set)
    waits: dict[Turn, frozenset[int]] = field(default_factory=dict)
    live: bool = True


class OverlapMachine(RuleBasedStateMachine):
    """Fills of versions that share objects, in any order, with deaths and take-overs at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.fills: dict[str, Filling] = {}
        self.last_token = 0
        self.on_volume: set[int] = set()
        self.moving: dict[int, str] = {}
        self.wasted = 0
        self.fetched: list[int] = []

    def turns(self, name: str) -> dict[Turn, OpenFill]:
        seen = [open_fill(fill.token, other, live=fill.live) for other, fill in self.fills.items()]
        return turns_before(Turn(self.fills[name].token, name), seen)

    def running(self) -> list[str]:
        return sorted(name for name, fill in self.fills.items() if fill.live)

    @rule(name=names, wants=st.frozensets(st.integers(0, 5), min_size=1))
    def begin(self, name: str, wants: frozenset[int]) -> None:
        """Claim, or take over from a dead holder, and plan."""
        old = self.fills.get(name)
        if old is not None and old.live:
            return
        self.last_token += 1
        fill = self.fills[name] = Filling(self.last_token, old.wants if old else wants)
        missing = fill.wants - self.on_volume
        fill.waits = {turn: self.fills[turn.fill_id].wants & missing for turn in self.turns(name)}
        fill.waits = {turn: rows for turn, rows in fill.waits.items() if rows}
        self.fetch(name, set(missing).difference(*fill.waits.values()))

    def fetch(self, name: str, rows: set[int]) -> None:
        for row in rows:
            assert row not in self.moving, f"ONE-FILL: {name} and {self.moving[row]} move the same object"
            self.moving[row] = name
        self.fills[name].mine |= rows

    @precondition(lambda self: self.running())
    @rule(pick=st.integers(0, 5))
    def look_again(self, pick: int) -> None:
        """One tick of a waiting fill: who ended, what came, what nobody brings any more."""
        name = self.running()[pick % len(self.running())]
        fill = self.fills[name]
        going = self.turns(name)
        waited = set().union(*fill.waits.values())
        fill.waits = {turn: rows - self.on_volume for turn, rows in fill.waits.items() if turn in going}
        fill.waits = {turn: rows for turn, rows in fill.waits.items() if rows}
        left = waited - self.on_volume
        self.fetch(name, left.difference(*fill.waits.values()))

    @precondition(lambda self: any(not self.fills[name].waits for name in self.running()))
    @rule(pick=st.integers(0, 5))
    def publish(self, pick: int) -> None:
        ready = [name for name in self.running() if not self.fills[name].waits]
        name = ready[pick % len(ready)]
        fill = self.fills.pop(name)
        self.release(name)
        self.on_volume |= fill.mine
        assert fill.wants <= self.on_volume, "a version was published without one of its objects"

    @precondition(lambda self: self.running())
    @rule(pick=st.integers(0, 5), failed=st.booleans())
    def end(self, pick: int, failed: bool) -> None:
        """Fail and say so, or die and be silent."""
        name = self.running()[pick % len(self.running())]
        self.release(name)
        if failed:
            del self.fills[name]
        else:
            self.fills[name].live = False

    def release(self, name: str) -> None:
        self.moving = {row: by for row, by in self.moving.items() if by != name}

    @invariant()
    def somebody_can_always_go_on(self) -> None:
        """No circle: of the running fills the one with the smallest token waits for nobody that runs."""
        if self.running():
            first = min(self.running(), key=lambda name: self.fills[name].token)
            assert not self.turns(first)

    @invariant()
    def every_object_is_in_hand(self) -> None:
        """What a running fill wants is on the volume, its own to move, or waited for."""
        for name in self.running():
            fill = self.fills[name]
            assert fill.wants <= self.on_volume | fill.mine | set().union(*fill.waits.values())


TestOverlap = OverlapMachine.TestCase
TestOverlap.settings = settings(max_examples=60, stateful_step_count=40)
