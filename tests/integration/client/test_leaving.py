"""What an attempt leaves reaches the hub: as it is at the end, and no file of anybody else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest

from forebay.client.agent.leaving import Leaving
from forebay.errors import CapacityError, ConflictError, ForebayError, NotFoundError, UnavailableError
from forebay.runs.executors.protocol import JobKey
from forebay.wire.runs import KEEPSAKE_BYTES

KEY = JobKey(run_id="r", attempt=1, token=3)


class KeptFiles:
    """What a hub keeps of one attempt; `fails` is raised instead, once."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.calls = 0
        self.fails: ForebayError | None = None

    def keep(self, run_id: str, attempt: int, token: int, name: str, data: bytes) -> None:
        assert (run_id, attempt, token) == ("r", 1, 3)
        self.calls += 1
        if self.fails is not None:
            error, self.fails = self.fails, None
            raise error
        self.files[name] = data


@pytest.fixture
def kept() -> KeptFiles:
    return KeptFiles()


def leaving(kept: KeptFiles, folder: Path) -> Leaving:
    return Leaving(cast(Any, kept), KEY, folder)


def test_while_it_runs_goes_what_has_rested_and_at_the_end_all_of_it(kept: KeptFiles, tmp_path: Path) -> None:
    one = leaving(kept, tmp_path)
    (tmp_path / "metrics.json").write_text("half")
    one.try_to_send()
    assert kept.files == {}
    (tmp_path / "metrics.json").write_text("whole now")
    one.try_to_send()
    one.try_to_send()
    assert kept.files == {"metrics.json": b"whole now"}
    (tmp_path / "metrics.json").write_text("and at the end")
    (tmp_path / "report.html").write_text("<p>")
    one.send_all()
    assert kept.files == {"metrics.json": b"and at the end", "report.html": b"<p>"}
    calls = kept.calls
    one.send_all()
    assert kept.calls == calls, "nothing is sent twice"


def test_what_is_no_plain_file_of_its_own_stays(kept: KeptFiles, tmp_path: Path) -> None:
    folder, secret = tmp_path / "left", tmp_path / "secret"
    folder.mkdir()
    secret.write_text("token")
    (folder / "link").symlink_to(secret)
    (folder / "folder").mkdir()
    (folder / ".half-written").write_text("x")
    os.mkfifo(folder / "pipe")
    with (folder / "huge").open("wb") as file:
        file.truncate(KEEPSAKE_BYTES + 1)
    (folder / "own.txt").write_text("own")
    leaving(kept, folder).send_all()
    assert kept.files == {"own.txt": b"own"}
    linked = tmp_path / "linked"
    linked.symlink_to(folder)
    leaving(kept, linked).send_all()
    leaving(kept, tmp_path / "nowhere").send_all()
    assert kept.calls == 1


def test_a_hub_that_is_away_is_asked_again(kept: KeptFiles, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    one = leaving(kept, tmp_path)
    kept.fails = UnavailableError("hub-away", "away")
    with pytest.raises(UnavailableError):
        one.send_all()
    one.try_to_send()
    kept.fails = UnavailableError("hub-away", "away")
    one.try_to_send()
    one.send_all()
    assert kept.files == {"a": b"x"}


def test_one_file_that_is_refused_delays_no_other(kept: KeptFiles, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    kept.fails = CapacityError("too-many-keepsakes", "no more")
    leaving(kept, tmp_path).send_all()
    assert kept.files == {"b": b"b"}


@pytest.mark.parametrize(
    "error", [NotFoundError("route-not-found", "no such address"), ConflictError("fenced", "another agent's")]
)
def test_a_hub_that_knows_of_none_of_it_or_of_another_attempt_is_left_alone(
    kept: KeptFiles, tmp_path: Path, error: ForebayError
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    one = leaving(kept, tmp_path)
    kept.fails = error
    one.send_all()
    one.try_to_send()
    assert (kept.calls, kept.files) == (1, {})
