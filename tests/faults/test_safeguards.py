"""Removed safeguards: each is switched off in a test build, and the suite's own check finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.errors import ForebayError
from tests.faults.checks import CHECKS
from tests.faults.safeguards import SAFEGUARDS, Safeguard


def test_there_are_at_least_twelve() -> None:
    assert len({safeguard.name for safeguard in SAFEGUARDS}) >= 12
    assert {safeguard.check for safeguard in SAFEGUARDS} == set(CHECKS), "a check that no removed safeguard proves"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_with_all_safeguards_on_the_check_is_content(root: Path, check: object) -> None:
    check(root)  # type: ignore[operator]


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda safeguard: safeguard.name)
def test_a_removed_safeguard_is_found(root: Path, monkeypatch: pytest.MonkeyPatch, safeguard: Safeguard) -> None:
    with monkeypatch.context() as patched:
        safeguard.off(patched)
        with pytest.raises((AssertionError, ForebayError), match=safeguard.says):
            safeguard.check(root)
