"""A hub that also tells, cheaply, what has changed: so many can wait. Its HTTP face needs that beyond `wire.Hub`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from forebay.wire.hub import Hub


class Revisions(Protocol):
    """How often things have changed. What is not there is left out."""

    def of_orders(self, sites: Collection[str]) -> Mapping[str, int]:
        """The revisions of the orders of these sites."""

    def of_runs(self, run_ids: Collection[str]) -> Mapping[str, int]:
        """The revisions of these runs."""


class WatchedHub(Hub, Protocol):
    """The hub with its revisions."""

    @property
    def revisions(self) -> Revisions: ...
