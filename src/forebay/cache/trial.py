"""What comes free as holders go one after another, tried on a copy of the counts: pure.

Contents and holders are numbered. One's going costs its own contents, and nothing where nobody shares any of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

NOWHERE = -1


@dataclass(slots=True, kw_only=True)
class Counts:
    """Who holds how much alone, by holder, and how many hold each content.

    The contents of holder `n` are `numbers[start[n]:start[n + 1]]`. `sums` adds up the numbers of a content's holders:
    when one is left, the sum is that one's number. `mixed` says of each holder whether it shared something in the
    beginning. That and `alone_bytes` have one more at the end: nobody, who holds nothing.
    """

    start: array[int]
    numbers: array[int]
    sizes: array[int]
    mixed: bytes
    holders: array[int]
    sums: array[int]
    alone_bytes: array[int]

    @property
    def nobody(self) -> int:
        return len(self.mixed) - 1

    def copy(self) -> Self:
        """Whoever goes from it stays in this one."""
        return replace(self, holders=self.holders[:], sums=self.sums[:], alone_bytes=self.alone_bytes[:])

    def of(self, holder: int) -> array[int]:
        """The contents of one."""
        return self.numbers[self.start[holder] : self.start[holder + 1]]

    def release(self, holder: int) -> list[tuple[int, int]]:
        """One goes; who holds how many more bytes alone from now on, a line for each content."""
        gained: list[tuple[int, int]] = []
        holders, sums = self.holders, self.sums
        for number in self.numbers[self.start[holder] : self.start[holder + 1]]:
            left = holders[number] - 1
            holders[number] = left
            sums[number] -= holder
            if left == 1:
                gained.append((sums[number], self.sizes[number]))
        return gained


class Trial:
    """Places in a row, each a holder's or nobody's, with what it holds alone. For one use: who went is gone.

    `places` has every holder's place or NOWHERE; empty where nobody shares anything.
    """

    def __init__(self, counts: Counts, holders: array[int], alone_bytes: array[int], places: array[int]) -> None:
        self.alone_bytes = alone_bytes
        self.freed_bytes = 0
        self.woken: list[int] = []
        """Those that held nothing alone until another one went, since somebody last cleared this."""
        self._counts = counts
        self._holders = holders
        self._places = places

    @classmethod
    def apart(cls, alone_bytes: Sequence[int]) -> Self:
        """Of holders that share nothing."""
        count, none = len(alone_bytes), array("q")
        counts = Counts(
            start=array("q", bytes(8 * (count + 1))),
            numbers=none,
            sizes=none,
            mixed=bytes(count + 1),
            holders=none,
            sums=none,
            alone_bytes=array("q", [*alone_bytes, 0]),
        )
        return cls(counts, array("i", range(count)), array("q", alone_bytes), array("i"))

    def release(self, places: Sequence[int], until_bytes: int | None = None) -> int:
        """They go one after another; how many of them went.

        What one holds alone then comes free, and nothing changes that number any more. Given `until_bytes`, the rest
        stays once so much has come free, or once one has woken that might go before them.
        """
        counts, of, alone_bytes, woken = self._counts, self._holders, self.alone_bytes, self.woken
        start, numbers, mixed, holders, sums = counts.start, counts.numbers, counts.mixed, counts.holders, counts.sums
        sizes, whereabouts = counts.sizes, self._places
        freed_bytes, went = self.freed_bytes, len(places)
        for count, at in enumerate(places, 1):
            freed_bytes += alone_bytes[at]
            holder = of[at]
            # Who shares nothing changes nothing for anybody, nor does what only one holds.
            if mixed[holder]:
                for number in numbers[start[holder] : start[holder + 1]]:
                    left = holders[number]
                    if left == 1:
                        continue
                    holders[number] = left - 1
                    sums[number] -= holder
                    if left == 2 and (other := whereabouts[sums[number]]) != NOWHERE:
                        if not alone_bytes[other]:
                            woken.append(other)
                        alone_bytes[other] += sizes[number]
            if until_bytes is not None and (freed_bytes >= until_bytes or woken):
                went = count
                break
        self.freed_bytes = freed_bytes
        return went

    def reclaimable(self, places: Sequence[int]) -> list[int]:
        """Those of them whose going, all together, brings something free: the others share all with one who stays."""
        counts = self._counts
        inside = array("q", bytes(8 * len(counts.holders)))
        known = [at for at in places if self._holders[at] != counts.nobody]
        for at in known:
            for number in counts.of(self._holders[at]):
                inside[number] += 1
        holders = counts.holders
        return [at for at in known if any(inside[to] == holders[to] for to in counts.of(self._holders[at]))]
