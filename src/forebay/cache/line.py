"""Which item of a fill is taken next, pure: what readers wait for goes first, the rest in its own order.

Invariant: every item is taken exactly once, whatever is wished for and when.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Line(Generic[Item]):
    """Items that wait to be taken. Not safe for threads: whoever shares one has the lock.

    `items` come in the usual order and are asked for one at a time. `entry_of` says which entry of `entries` an item
    is; `find` makes the item of an entry, or gives None for an entry that is none of the items.
    """

    def __init__(
        self,
        items: Iterable[Item],
        *,
        entries: int,
        entry_of: Callable[[Item], int],
        find: Callable[[int], Item | None],
    ) -> None:
        self._items = iter(items)
        self._entry_of = entry_of
        self._find = find
        # A byte an entry: a fill may have a million of them.
        self._taken = bytearray(entries)
        self._wished: deque[int] = deque()

    def wish(self, entries: Iterable[int]) -> None:
        """These go next, after earlier wishes; what was taken already or is no entry is passed over."""
        self._wished.extend(entry for entry in entries if 0 <= entry < len(self._taken) and not self._taken[entry])

    def take(self) -> Item | None:
        """The next item; None when there is none left."""
        wished = self.take_wished()
        if wished is not None:
            return wished
        for item in self._items:
            if self._take(self._entry_of(item)):
                return item
        return None

    def take_wished(self) -> Item | None:
        """The next item that somebody waits for; None when nobody waits for anything that is left."""
        while self._wished:
            entry = self._wished.popleft()
            item = None if self._taken[entry] else self._find(entry)
            if item is not None and self._take(entry):
                return item
        return None

    def _take(self, entry: int) -> bool:
        free = not self._taken[entry]
        self._taken[entry] = 1
        return free
