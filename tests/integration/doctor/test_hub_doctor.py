"""The doctor as a hub's pages ask him: what he finds on the hub's machine, and that he leaves it as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forebay.cli.hub_doctor import doctors_look
from forebay.clock import SystemClock
from forebay.hub.board.findings import Severity
from forebay.settings import Settings, load
from tests.integration.doctor.conftest import Machine

pytestmark = pytest.mark.integration


def settings_of(machine: Machine) -> Settings:
    return replace(load({}).settings, home=machine.world.home, volume=machine.world.volume)


def test_a_healthy_hub(machine: Machine) -> None:
    looked = doctors_look(settings_of(machine), SystemClock(), with_volume=True)()
    assert looked.findings == ()
    assert looked.checks == ("settings", "home", "limits", "records", "volume", "permissions", "left-overs")
    alone = doctors_look(settings_of(machine), SystemClock(), with_volume=False)()
    assert alone.checks == ("settings", "home", "limits", "records")


def test_what_is_wrong_is_told_with_its_mend(machine: Machine) -> None:
    (machine.world.volume / "forebay-volume.json").rename(machine.world.root / "away.json")
    looked = doctors_look(settings_of(machine), SystemClock(), with_volume=True)()
    (found,) = (item for item in looked.findings if item.check == "volume")
    assert found.severity is Severity.FAULT
    assert found.mend


def test_a_setting_of_another_hub_is_not_his_matter(machine: Machine) -> None:
    settings = replace(settings_of(machine), hub="https://elsewhere.example")
    looked = doctors_look(settings, SystemClock(), with_volume=False)()
    assert looked.findings == ()
