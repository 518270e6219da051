"""Keeps what was worked out from things that never change, the lately used of it, within a number of bytes.

Threads may work out the same at once: what comes first stays.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """By key, up to `limit_bytes`; one that is larger by itself is kept until the next one comes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._found: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._held_bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value], weigh: Callable[[Value], int]) -> Value:
        """What is kept under a key, or what `make` makes of it; `weigh` says how many bytes that takes."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key][0]
        made = make()
        with self._lock:
            if key not in self._found:
                self._found[key] = made, weigh(made)
                self._held_bytes += self._found[key][1]
            while self._held_bytes > self._limit_bytes and len(self._found) > 1:
                _, (_, size_bytes) = self._found.popitem(last=False)
                self._held_bytes -= size_bytes
            return self._found[key][0] if key in self._found else made
