from __future__ import annotations

import datetime

import pytest

from forebay.cli.ctr import _TIME_LIMIT
from forebay.cli.words import ago, clean, count, duration, parse_moment, parse_since, parse_until, seconds_of, size
from forebay.ctr.models.protocol import TIME_LIMIT_S
from forebay.errors import InputError


def test_sizes_are_binary_as_in_the_settings() -> None:
    assert [size(value) for value in (0, 1023, 1024, 3 << 19, 5 << 40, 1 << 60)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 MiB",
        "5.0 TiB",
        "1024.0 PiB",
    ]


def test_counts() -> None:
    told = [count(number, noun) for number, noun in ((1, "file"), (2, "file"), (1200, "entry"), (2, "day"))]
    assert told == ["1 file", "2 files", "1,200 entries", "2 days"]


def test_durations() -> None:
    told = [duration(value) for value in (0.003, 0.3, 9.949, 9.96, 59.9, 60, 200, 3600, 7500, 200_000, 500_000)]
    assert told == [
        "3 ms", "0.3 s", "9.9 s", "10 s", "1 min", "1 min", "3 min 20 s", "1 h", "2 h 5 min", "2 days", "5 days",
    ]  # fmt: skip


def test_ago() -> None:
    assert [ago(1000 - back, 1000) for back in (-5, 3, 40, 300, 7200)] == [
        "just now",
        "just now",
        "40 s ago",
        "5 min ago",
        "2 h ago",
    ]
    assert ago(0, 12 * 86400) == "12 days ago"


def test_a_date_means_its_end_and_a_duration_counts_from_now() -> None:
    now = datetime.datetime(2026, 11, 22, 12).timestamp()
    assert parse_until("30d", now) == now + 30 * 86400
    assert datetime.datetime.fromtimestamp(parse_until("2026-11-22", now)).hour == 23


@pytest.mark.parametrize("text", ["yesterday", "2001-01-01", "never", "", "0s"])
def test_what_is_no_moment_to_come_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_until(text, 1.8e9)
    assert refused.value.kind == "bad-until"


def test_a_moment_is_local_unless_it_says_otherwise_or_counts_from_now() -> None:
    local = datetime.datetime(2026, 12, 1, 22).timestamp()
    assert parse_moment("2026-12-01T22:00", 0.0, option="--from") == local
    assert parse_moment("2026-12-01 22:00", 0.0, option="--from") == local
    assert parse_moment("1970-01-01T02:00+01:00", 0.0, option="--from") == 3600.0
    assert parse_moment("8h", 100.0, option="--until") == 100.0 + 8 * 3600
    for text in ("soon", "never", "0s", "", "9999-99-99"):
        with pytest.raises(InputError) as refused:
            parse_moment(text, 0.0, option="--until")
        assert (refused.value.kind, "--until" in refused.value.message) == ("bad-moment", True)


def test_an_age_is_counted_back_from_now() -> None:
    assert parse_since("30d", 1.8e9) == 1.8e9 - 30 * 86400


@pytest.mark.parametrize("text", ["default", "never", "yesterday", "", "0s"])
def test_what_is_no_age_is_not_taken_for_all(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_since(text, 1.8e9)
    assert refused.value.kind == "bad-age"
    assert "leave it out" in refused.value.todo


def test_a_limit_of_time_has_an_end() -> None:
    assert seconds_of("90min") == 5400.0
    assert seconds_of(_TIME_LIMIT) == TIME_LIMIT_S
    for text in ("never", "0s", "soon"):
        with pytest.raises(ValueError, match=r"write (30min|90s)"):
            seconds_of(text)


def test_clean_text_cannot_steer_a_terminal() -> None:
    assert clean("a\x1b[31mb\u202ec\r\n") == "a\ufffd[31mb\ufffdc\ufffd\n"
