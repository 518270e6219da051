"""Which bytes to move in which order: big objects first, small ones in batches.

A big object is split only where streams would stand idle: the file of a split one is read again to be hashed.
Pure. Invariant: the parts of a plan cover what was asked for exactly once, and only an empty object has an empty part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from forebay.lake.part import Part

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`ranges` is off for a lake that ignores Range. A batch ends at `batch_files` or `batch_bytes`."""

    streams: int = 4
    split_above_bytes: int = 256 * MIB
    small_bytes: int = 4 * MIB
    batch_files: int = 512
    batch_bytes: int = 64 * MIB
    ranges: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferPlan:
    """`streamed`: one stream each, in this order. `batches`: small parts that are fetched whole, many at once."""

    streamed: tuple[Part, ...]
    batches: tuple[tuple[Part, ...], ...]

    @property
    def size_bytes(self) -> int:
        return sum(part.size_bytes for part in self.parts())

    def parts(self) -> Iterator[Part]:
        """All parts, streamed ones first."""
        yield from self.streamed
        for batch in self.batches:
            yield from batch

    def split(self, nodes: int) -> tuple[TransferPlan, ...]:
        """One plan for each of `nodes`, about equal in bytes; together they are this plan."""
        streamed = _deal([(part,) for part in self.streamed], nodes)
        batches = _deal(self.batches, nodes)
        return tuple(
            TransferPlan(streamed=tuple(part for (part,) in mine), batches=tuple(small))
            for mine, small in zip(streamed, reversed(batches), strict=True)
        )


def plan_transfer(wanted: Iterable[Part], limits: Limits) -> TransferPlan:
    """Plan the transfer of `wanted`: whole objects, or the parts of them that are missing."""
    small: list[Part] = []
    large: list[Part] = []
    for part in wanted:
        (small if part.size_bytes <= limits.small_bytes else large).append(part)
    share_bytes = sum(part.size_bytes for part in large) // limits.streams
    pieces = [piece for part in large for piece in _pieces(part, share_bytes, limits)]
    pieces.sort(key=lambda piece: (-piece.size_bytes, piece.index, piece.start))
    return TransferPlan(streamed=tuple(pieces), batches=tuple(_batches(small, limits)))


def _pieces(part: Part, share_bytes: int, limits: Limits) -> Iterator[Part]:
    """The part in equal pieces when it is more than one stream's share, cut at whole MiB; else the part itself."""
    if not limits.ranges or part.size_bytes <= max(share_bytes, limits.split_above_bytes):
        yield part
        return
    count = min(limits.streams, -(-part.size_bytes // max(share_bytes, MIB)))
    step = -(-part.size_bytes // count // MIB) * MIB
    for start in range(part.start, part.end, max(step, MIB)):
        yield replace(part, start=start, end=min(part.end, start + max(step, MIB)))


def _batches(small: Sequence[Part], limits: Limits) -> Iterator[tuple[Part, ...]]:
    batch: list[Part] = []
    size_bytes = 0
    for part in small:
        if batch and (len(batch) >= limits.batch_files or size_bytes + part.size_bytes > limits.batch_bytes):
            yield tuple(batch)
            batch, size_bytes = [], 0
        batch.append(part)
        size_bytes += part.size_bytes
    if batch:
        yield tuple(batch)


def _deal(hands: Sequence[tuple[Part, ...]], nodes: int) -> list[list[tuple[Part, ...]]]:
    """Give each hand to the node with the fewest bytes so far, in order."""
    dealt: list[list[tuple[Part, ...]]] = [[] for _ in range(nodes)]
    load = [0] * nodes
    for hand in hands:
        node = min(range(nodes), key=load.__getitem__)
        dealt[node].append(hand)
        load[node] += sum(part.size_bytes for part in hand)
    return dealt
