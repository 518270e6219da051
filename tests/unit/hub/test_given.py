"""What people write into forms, read; what can't be read is told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from forebay.errors import InputError
from forebay.hub.web import given

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC).timestamp()


def at(year: int, month: int, day: int, hour: int = 0) -> float:
    return datetime(year, month, day, hour, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", None),
        ("now", NOW),
        ("8h", NOW + 8 * 3600),
        ("in 30min", NOW + 1800),
        ("+2d", NOW + 2 * 86400),
        ("2026-12-01 22:00", at(2026, 12, 1, 22)),
        ("2026-12-01T22:00", at(2026, 12, 1, 22)),
        ("2026-12-01 22:00 UTC", at(2026, 12, 1, 22)),
        ("2026-12-01 22:00+02:00", at(2026, 12, 1, 20)),
        ("2026-12-01", at(2026, 12, 1)),
    ],
)
def test_moments(text: str, moment: float | None) -> None:
    assert given.moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["soon", "-2h", "25:00", "9999-99-99", "never", "8"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(InputError, match="is no moment"):
        given.moment(text, NOW)


def test_days_begin_in_utc() -> None:
    assert given.day("2026-12-01") == at(2026, 12, 1)
    assert given.day(" ") == 0
    with pytest.raises(InputError):
        given.day("yesterday")


def test_sizes_rates_times_and_prices() -> None:
    assert given.whole_size("500GB") == 500 * 2**30
    assert given.bytes_s("120MB/s") == 120 * 2**20
    assert given.seconds("30ms") == pytest.approx(0.03)
    assert given.seconds("2h") == 7200
    assert given.price_byte("0.09") == pytest.approx(0.09 / 2**30)
    read = (given.whole_size, given.bytes_s, given.seconds, given.price_byte)
    assert [parse("  ") for parse in read] == [None] * 4
    wrong = ("80%", "max", "much", "-1", "nan", "1e999", "12 ms ms")
    for parse, text in zip(read, ("80%", "max", "never", "nan"), strict=True):
        with pytest.raises(InputError):
            parse(text)
    for text in wrong[2:]:
        for parse in read:
            with pytest.raises(InputError):
                parse(text)


def test_names_are_taken_apart_and_each_once() -> None:
    assert given.names(" ads, maps\nads  ") == ("ads", "maps")
    assert given.names("") == ()
