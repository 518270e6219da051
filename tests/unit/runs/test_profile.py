"""The free resources of a site over time, beside the plainest search for a hole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forebay.runs.profile import Profile
from forebay.sites.site import Resources, Working

GPUS = 8
reservations = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 20), st.integers(1, 10)), max_size=8)


def _profile(taken: list[tuple[int, int, int]]) -> Profile:
    profile = Profile(Resources(gpus=GPUS), ())
    for gpus, begin, seconds in taken:
        profile.reserve(Resources(gpus=gpus), float(begin), float(seconds))
    return profile


def _free(taken: list[tuple[int, int, int]], at: int) -> int:
    return GPUS - sum(gpus for gpus, begin, seconds in taken if begin <= at < begin + seconds)


@given(reservations, st.integers(0, GPUS), st.integers(1, 10), st.integers(0, 25))
def test_the_first_hole_is_found(taken: list[tuple[int, int, int]], gpus: int, seconds: int, after: int) -> None:
    expected = next(
        begin for begin in range(after, 60) if all(_free(taken, begin + later) >= gpus for later in range(seconds))
    )
    assert _profile(taken).earliest(Resources(gpus=gpus), float(seconds), after=float(after)) == expected


def test_what_never_fits_has_no_hole() -> None:
    assert _profile([]).earliest(Resources(gpus=GPUS + 1), 1.0) is None


def test_what_runs_holds_its_compute_whatever_its_estimate_said() -> None:
    over = Working(resources=Resources(gpus=GPUS), estimate_s=10.0, elapsed_s=1000.0)
    odd = Working(resources=Resources(gpus=GPUS), estimate_s=0.0)
    for item, until in ((over, 200.0), (odd, 1.0)):
        assert Profile(Resources(gpus=GPUS), (item,)).earliest(Resources(gpus=1), 1.0) == until
