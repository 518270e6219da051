"""What a lost fit advises: never to delete what it has kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.ctr.engines.watch import out_of_memory, scheduler_lost, too_long
from forebay.ctr.models.advice import resumable
from forebay.ctr.models.checkpoints import CHECKPOINT_FILE, CheckpointFolder, InMemory
from forebay.ctr.models.protocol import Checkpoint, Checkpoints
from forebay.errors import ForebayError, InputError, UnavailableError

KEPT = Checkpoint(rounds=50, losses=(), booster=b"trees")
LOST = UnavailableError("worker-lost", "a Dask worker was lost", todo="Try again.")


def advice(error: ForebayError, checkpoints: Checkpoints) -> str:
    with pytest.raises(type(error)) as caught, resumable(checkpoints):
        raise error
    assert (caught.value.kind, caught.value.message) == (error.kind, error.message)
    return caught.value.todo


@pytest.mark.parametrize("error", [scheduler_lost(), too_long(), LOST, out_of_memory("it held too much", 1)])
def test_where_rounds_are_kept_it_is_to_resume(error: ForebayError, tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, {}, resume=False)
    folder.keep(KEPT)
    assert "50 rounds are kept: give the same command with --resume" in advice(error, folder)


def test_what_has_to_change_first_is_still_said(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, {}, resume=False)
    folder.keep(KEPT)
    assert "--memory-per-worker" in advice(out_of_memory("it held too much", 1), folder)
    assert "--time-limit" in advice(too_long(), folder)


def test_where_nothing_is_kept_it_is_as_it_was(tmp_path: Path) -> None:
    in_memory = InMemory()
    in_memory.keep(KEPT)
    for checkpoints in (in_memory, CheckpointFolder(tmp_path, {}, resume=False)):
        assert advice(scheduler_lost(), checkpoints) == scheduler_lost().todo
    CheckpointFolder(tmp_path, {}, resume=False).keep(KEPT)
    assert advice(LOST, CheckpointFolder(tmp_path, {"another": "fit"}, resume=True)) == LOST.todo
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"torn")
    assert advice(LOST, CheckpointFolder(tmp_path, {}, resume=True)) == LOST.todo


def test_what_no_other_try_mends_is_not_touched(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, {}, resume=False)
    folder.keep(KEPT)
    assert advice(InputError("bad-row", "it is no click log", todo="mend it"), folder) == "mend it"
