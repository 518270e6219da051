"""For how long things have stayed as they are."""

from __future__ import annotations

from forebay.sites.silence import Silence


def test_what_stays_as_it_is_has_been_so_since_it_was_first_seen() -> None:
    silence = Silence()
    for monotonic in (10.0, 12.0, 15.0):
        silence.look(monotonic, {"dgx": 1})
    assert silence.seconds("dgx", 15.0) == 5.0


def test_a_change_begins_anew_and_what_is_gone_is_forgotten() -> None:
    silence = Silence()
    silence.look(10.0, {"dgx": 1, "aks": 1})
    silence.look(12.0, {"dgx": 2})
    assert silence.seconds("dgx", 15.0) == 3.0
    silence.look(16.0, {"dgx": 2, "aks": 1})
    assert silence.seconds("aks", 16.0) == 0.0


def test_what_was_never_seen_has_been_silent_for_no_time() -> None:
    assert Silence().seconds("dgx", 99.0) == 0.0
