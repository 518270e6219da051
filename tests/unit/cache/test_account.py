"""The account of a volume: two can never be promised the same bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.account import reserve
from forebay.wire.cache import NoRoom, Reserved

amounts = st.integers(0, 1000)


@given(amounts, amounts, amounts, amounts, amounts, amounts)
def test_FITS_what_is_promised_fits_the_limit_and_the_disk(
    limit: int, used: int, reserved: int, unwritten: int, free: int, need: int
) -> None:
    answer = reserve(
        limit_bytes=limit,
        used_bytes=used,
        reserved_bytes=reserved,
        unwritten_bytes=unwritten,
        free_bytes=free,
        need_bytes=need,
    )
    fits = used + reserved + need <= limit and unwritten + need <= free
    assert isinstance(answer, Reserved) == fits
    if isinstance(answer, NoRoom):
        assert answer.never == (need > limit)
        freed = answer.missing_bytes
        assert used + reserved + need - freed <= limit
        assert unwritten + need <= free + freed
