"""`forebay.savings`, as a program that only imports forebay asks for it."""

from __future__ import annotations

import re
from typing import Any, get_args, get_type_hints

import pytest

import forebay
from forebay.wire.cache import LedgerKey
from tests.integration.cache.stage import Stage


@pytest.fixture
def used(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Two uses of one version, which was moved once; the settings are in the environment, as a user's are."""
    monkeypatch.setenv("FOREBAY_HOME", stage.settings["home"])
    monkeypatch.setenv("FOREBAY_VOLUME", stage.settings["volume"])
    stage.add("clicks", {"day_0": b"0" * 1000, "day_1": b"1" * 500})
    stage.session().hub.catalog.set_team("clicks", "ads")
    for _ in range(2):
        forebay.open("clicks@v1", on_progress=lambda progress, who: None).close()
    return stage


@pytest.mark.parametrize(
    ("by", "key"), [("dataset", "clicks"), ("team", "ads"), ("version", "clicks@v1"), ("month", r"2\d{3}-[01]\d")]
)
def test_it_adds_up_what_was_saved(used: Stage, by: Any, key: str) -> None:
    (found,) = forebay.savings(by)
    assert isinstance(found, forebay.Savings)
    assert re.fullmatch(key, found.key)
    assert (found.by, found.uses, found.conventional_bytes, found.moved_bytes) == (by, 2, 3000, 1500)
    assert found.saved_bytes == 1500
    assert found.seconds_saved > 0


def test_it_is_by_dataset_unless_asked_otherwise(used: Stage) -> None:
    assert forebay.savings() == forebay.savings("dataset")


def test_every_key_of_the_ledger_can_be_asked_for() -> None:
    assert set(get_args(get_type_hints(forebay.savings)["by"])) == set(LedgerKey)


def test_another_key_is_refused(used: Stage) -> None:
    with pytest.raises(forebay.ForebayError, match="Choose one of version, dataset, team, month") as refused:
        forebay.savings("colour")  # type: ignore[arg-type]
    assert refused.value.kind == "bad-ledger-key"
