"""Whether two clocks agree. Pure."""

from __future__ import annotations

from forebay.doctor.finding import Finding, fault, warning
from forebay.doctor.patient import Thresholds


def skewed(
    whose: str, theirs: float, asked_at: float, answered_at: float, thresholds: Thresholds, *, grain_s: float = 0.0
) -> list[Finding]:
    """A finding where `theirs`, told between two moments of ours, is further off than the wait and its grain allow."""
    early, late = asked_at - grain_s, answered_at + grain_s
    off_s = theirs - late if theirs > late else theirs - early if theirs < early else 0.0
    if abs(off_s) <= thresholds.skew_s:
        return []
    told = fault if abs(off_s) > thresholds.bad_skew_s else warning
    ahead = "ahead of" if off_s > 0 else "behind"
    message = f"the clock of {whose} is {abs(off_s):.0f} s {ahead} this machine's"
    mend = "Let both follow a time server (timedatectl set-ntp true, or chrony): leases, tokens and ages rest on it."
    return [told("clock-skew", message, mend)]
