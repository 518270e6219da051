"""Outputs appear whole or not at all; stages add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.ctr.files import new_directory, new_file
from forebay.ctr.stages import Stages
from forebay.errors import InputError


def _failing() -> bytes:
    raise RuntimeError


def test_a_failed_file_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError), new_file(tmp_path / "a") as file:
        file.write(_failing())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


def test_a_failed_directory_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), new_directory(tmp_path / "a") as building:
        (building / "half").write_bytes(_failing())
    assert list(tmp_path.iterdir()) == []


def test_a_directory_with_content_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with new_directory(tmp_path / "a") as building:
        (building / "whole").touch()
    with pytest.raises(InputError), new_directory(tmp_path / "a"):
        pass
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["whole"]


def test_stages_add_up_in_order_also_when_they_fail() -> None:
    now = iter([0.0, 1.0, 10.0, 12.0, 20.0, 23.0])
    stages = Stages(clock=lambda: next(now))
    for name in ("read", "fit"):
        with stages.stage(name):
            pass
    with pytest.raises(RuntimeError), stages.stage("read"):
        raise RuntimeError
    assert dict(stages.seconds) == {"read": 4.0, "fit": 2.0}
    assert list(stages.seconds) == ["read", "fit"]
