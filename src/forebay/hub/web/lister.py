"""Lists lakes for who registers at a page, with this machine's own credentials: only where the hub is one's own.

A page waits for it, so it is bounded: of more than that the command line makes a version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from forebay.clock import Clock
from forebay.errors import CapacityError
from forebay.lake.listing import Listed
from forebay.lake.registration import Registration, plan

MOST_OBJECTS = 200_000
MOST_SECONDS = 30.0

OptionsOf = Callable[[str], Mapping[str, str]]


class Lister:
    """`options_of` gives a profile's options by its name; `profile` is the one that counts where none is named."""

    def __init__(self, options_of: OptionsOf, clock: Clock, profile: str = "") -> None:
        self.profile = profile
        self._options_of = options_of
        self._clock = clock

    def __call__(self, urls: Sequence[str], profile: str) -> Registration:
        """What lies there; CapacityError `long-listing`, and errors as from `lake.registration.plan`."""
        until = self._clock.monotonic() + MOST_SECONDS

        def on_listed(listed: Listed) -> None:
            if listed.seen > MOST_OBJECTS or self._clock.monotonic() > until:
                raise CapacityError(
                    "long-listing",
                    f"There are more objects than a page waits for: {listed.seen:,} so far.",
                    todo="Use the command below: it tells how far it is.",
                )

        return plan(urls, self._options_of(profile), on_listed=on_listed)
