"""Checkpoints on disk: whole, of this fit, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.ctr.models.checkpoints import CHECKPOINT_FILE, CheckpointFolder
from forebay.ctr.models.protocol import Checkpoint
from forebay.errors import ConflictError, DamagedError

DONE = Checkpoint(rounds=50, losses=(0.3, 0.25), booster=b"trees\nand more")


def test_the_last_one_is_found_again(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "c", {"seed": 1}, resume=False)
    assert folder.last() is None
    folder.keep(Checkpoint(rounds=25, losses=(0.3,), booster=b"fewer"))
    folder.keep(DONE)
    assert CheckpointFolder(tmp_path / "c", {"seed": 1}, resume=True).last() == DONE
    assert [path.name for path in (tmp_path / "c").iterdir()] == [CHECKPOINT_FILE]


def test_a_new_fit_begins_anew(tmp_path: Path) -> None:
    CheckpointFolder(tmp_path, {"seed": 1}, resume=False).keep(DONE)
    assert CheckpointFolder(tmp_path, {"seed": 1}, resume=False).last() is None


def test_a_checkpoint_of_another_fit_is_refused(tmp_path: Path) -> None:
    CheckpointFolder(tmp_path, {"seed": 1}, resume=False).keep(DONE)
    with pytest.raises(ConflictError) as caught:
        CheckpointFolder(tmp_path, {"seed": 2}, resume=True).last()
    assert caught.value.kind == "other-checkpoint"


@pytest.mark.parametrize("keep", [0, 10, -1])
def test_a_damaged_one_is_refused(tmp_path: Path, keep: int) -> None:
    folder = CheckpointFolder(tmp_path, {"seed": 1}, resume=False)
    folder.keep(DONE)
    path = tmp_path / CHECKPOINT_FILE
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DamagedError):
        folder.last()
