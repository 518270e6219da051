"""What fits is what nothing is lacking of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forebay.sites.site import Resources

AMOUNTS = st.builds(Resources, gpus=st.integers(0, 3), cpus=st.integers(0, 3), memory_bytes=st.integers(0, 3))


@given(AMOUNTS, AMOUNTS)
def test_what_fits_lacks_nothing(asked: Resources, had: Resources) -> None:
    lacking = [name for name in ("gpus", "cpus", "memory_bytes") if getattr(asked, name) > getattr(had, name)]
    assert list(asked.lacking(had)) == lacking
    assert asked.fits(had) is (not lacking)
