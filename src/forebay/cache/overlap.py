"""What the fills of one access group share, pure: who brings an object that several versions list (ONE-FILL).

An object that live fills want belongs to the one with the smallest token. All others leave it out of their plans, move
the rest, and wait for that fill's end. Waits lead from greater tokens to smaller ones only, so no two fills can wait
for each other; a fill that was taken over has a new token, and takes its place behind those that are under way.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from forebay.cache.plan import FillPlan
from forebay.catalog.identity import same_objects
from forebay.catalog.manifest import Manifest
from forebay.wire.cache import OpenFill


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """One holder of one fill."""

    token: int
    fill_id: str


def turns_before(own: Turn, fills: Iterable[OpenFill], dead: Set[str] = frozenset()) -> dict[Turn, OpenFill]:
    """The live fills whose objects are theirs to bring. `dead` are processes that were seen dead."""
    live = (fill for fill in fills if fill.live and fill.process not in dead)
    turns = {Turn(fill.token, fill.fill_id): fill for fill in live}
    return {turn: fill for turn, fill in turns.items() if turn < own and turn.fill_id != own.fill_id}


def shared_rows(ours: Manifest, theirs: Manifest, *, same_lake: bool) -> pa.ChunkedArray:
    """A mask over our rows: files whose contents (by digest) or whose very object the other version lists too."""
    by_digest = pc.is_in(ours.table["digest"], value_set=theirs.table["digest"], skip_nulls=True)
    if not same_lake:
        return by_digest
    _, certain = same_objects(theirs.table.column, ours.table.column)
    return pc.or_(by_digest, certain)


def learned(ours: Manifest, theirs: Manifest) -> Manifest:
    """Ours with every digest that `theirs`, of the same lake, knows of the same object and ours does not."""
    at, certain = same_objects(theirs.table.column, ours.table.column)
    digest = ours.table["digest"]
    known = pc.if_else(certain, pc.take(theirs.table["digest"], at), pa.scalar(None, digest.type))
    table = ours.table.set_column(2, ours.table.schema.field("digest"), pc.coalesce(digest, known))
    return replace(ours, table=table)


def mask_bytes(rows: pa.ChunkedArray) -> bytes:
    """A mask as one byte a row: 1 where it is true. A set of a million rows would take sixty times as much."""
    return bytes(memoryview(pc.cast(rows, pa.uint8()).combine_chunks().buffers()[1])[: len(rows)])


def awaited(masks: Iterable[bytes]) -> bytes:
    """The rows that any of these masks has; b"" when there is no mask."""
    # As numbers, whose bits are put together at the speed of memory.
    total = length = 0
    for mask in masks:
        total, length = total | int.from_bytes(mask, "little"), len(mask)
    return total.to_bytes(length, "little")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A plan in two: what to move now, and the missing entries that other fills bring."""

    now: FillPlan
    held_back: Sequence[int]


def hold_back(plan: FillPlan, rows: bytes, sizes: Sequence[int]) -> Split:
    """Take the missing entries of a mask out of a plan; what an earlier try finished needs nobody."""
    held = array("q", (index for index in plan.missing if rows and rows[index]))
    if not held:
        return Split(now=plan, held_back=held)
    now = replace(
        plan,
        missing=array("q", (index for index in plan.missing if not rows[index])),
        need_bytes=plan.need_bytes - sum(sizes[index] for index in held),
        move_bytes=plan.move_bytes - sum(gap_bytes(plan, index, sizes[index]) for index in held),
    )
    return Split(now=now, held_back=held)


def take_up(plan: FillPlan, entries: Sequence[int], sizes: Sequence[int]) -> FillPlan:
    """Put held-back entries that nobody brought into a plan again."""
    return replace(
        plan,
        missing=array("q", chain(plan.missing, entries)),
        need_bytes=plan.need_bytes + sum(sizes[index] for index in entries),
        move_bytes=plan.move_bytes + sum(gap_bytes(plan, index, sizes[index]) for index in entries),
    )


def gap_bytes(plan: FillPlan, index: int, size: int) -> int:
    """What an entry lacks."""
    return size - sum(item.end - item.start for item in plan.kept.get(index, ()))
