from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.testing.guest.console import MARK, heard, spoken
from forebay.testing.guest.cuts import EFFECTS, SECONDS, Action, planned
from forebay.testing.guest.images import find_mkfs
from forebay.testing.guest.linux import find_kernel
from forebay.testing.guest.network import Port
from forebay.testing.servers import PartMissingError


@given(st.integers(0, 500), st.integers(0, 200))
def test_a_cut_is_told_by_seed_and_number_alone(seed: int, number: int) -> None:
    cut = planned(str(seed), number)
    assert cut == planned(str(seed), number)
    assert 0 <= cut.at_effect <= EFFECTS[cut.action]
    assert 0 <= cut.after_seconds <= SECONDS
    assert not (cut.at_effect and cut.after_seconds)


def test_every_six_cuts_have_every_action() -> None:
    for first in range(0, 60, len(Action)):
        assert {planned("7", number).action for number in range(first, first + len(Action))} == set(Action)


def test_cuts_differ_in_all_that_a_disk_may_look_like() -> None:
    cuts = [planned("7", number) for number in range(72)]
    for choice in ("restless", "settled", "recover_first"):
        assert {getattr(cut, choice) for cut in cuts} == {True, False}
    assert 20 < sum(bool(cut.at_effect) for cut in cuts) < 52
    assert cuts != [planned("8", number) for number in range(72)]


def test_what_is_said_on_the_console_is_heard_between_the_kernel_s_words() -> None:
    assert heard(spoken("done", effects=3).rstrip("\n")) == {"said": "done", "effects": 3}
    assert heard(f"EXT4-fs: mounted{spoken('begin')}") == {"said": "begin"}


@pytest.mark.parametrize("line", ["", "EXT4-fs: mounted", f'{MARK}{{"said": "do', f"{MARK}[1]", f'{MARK}{{"a": 1}}'])
def test_the_kernel_s_words_and_torn_lines_say_nothing(line: str) -> None:
    assert heard(line) is None


def test_missing_parts_name_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PartMissingError, match="user-mode-linux") as missing:
        find_kernel()
    assert "soak_parts" in missing.value.todo
    monkeypatch.setattr("forebay.testing.guest.images.PROGRAMS", str(tmp_path))
    with pytest.raises(PartMissingError, match="xfsprogs"):
        find_mkfs("xfs")


def test_a_port_is_the_guest_s_network_card() -> None:
    assert Port(tap="tap1", address="10.77.0.2", enter=("ip",)).kernel_word == "eth0=tuntap,tap1"
