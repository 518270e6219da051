"""When something that failed is tried again, pure: one rule for runs and for the tasks of sites."""

from __future__ import annotations

_SKEW_S = 5.0
"""The clocks of two hubs may differ by so much: that is no clock that was set back."""


def is_due(next_try_at: float, since: float, now: float, longest_s: float) -> bool:
    """Whether the time of its next try has come; when the clock was set back since it began to wait, it has.

    No wait is longer than `longest_s`, so that one which seems to be is from before a clock went back.
    """
    return now >= next_try_at or now < since - _SKEW_S or next_try_at > now + longest_s
