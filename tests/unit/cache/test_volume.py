"""Opening a volume: what is ours, what is not, and what must not be taken for a new one."""

from __future__ import annotations

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from forebay.cache.volume import LAYOUT, MARK, VolumeLayout, open_volume, take_over
from forebay.errors import ConflictError, DamagedError, ForebayError, InputError, UnavailableError
from forebay.fsio import Disk
from forebay.testing.cached import CopyingDisk, FailingDisk, World

NOW = 1_800_000_000.0


def opened(root: Path, owner: str = "me", disk: Disk | None = None) -> str:
    return open_volume(root, owner, disk or Disk(), now=NOW)[1]


def mark_of(root: Path) -> dict[str, object]:
    return dict(json.loads((root / MARK).read_bytes()))


def test_an_absent_or_empty_folder_becomes_a_volume_and_stays_the_same(tmp_path: Path) -> None:
    volume_id = opened(tmp_path / "a/b")
    assert opened(tmp_path / "a/b") == volume_id
    assert sorted(os.listdir(tmp_path / "a/b")) == sorted([MARK, "incoming", "roots", "trash"])
    assert mark_of(tmp_path / "a/b") == {"layout": LAYOUT, "volume_id": volume_id, "owner": "me", "created_at": NOW}


@pytest.mark.parametrize("name", ["lost+found", ".snapshot", f".{MARK}.left-by-a-kill"])
def test_what_file_systems_and_kills_leave_in_a_root_is_no_content(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert opened(tmp_path)


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ConflictError, match="thesis") as refused:
        opened(tmp_path)
    assert refused.value.kind == "volume-not-empty"
    assert os.listdir(tmp_path) == ["thesis.tex"]


@pytest.mark.parametrize("below", ["", "volume"])
def test_a_file_is_no_volume_and_stays(tmp_path: Path, below: str) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="is a file") as refused:
        opened(tmp_path / "thesis.tex" / below)
    assert refused.value.kind == "volume-is-file"
    assert "--volume" in refused.value.todo
    assert (tmp_path / "thesis.tex").read_text() == "x"


def test_another_forebays_volume_is_refused_until_it_is_taken_over(tmp_path: Path) -> None:
    volume_id = opened(tmp_path, "other")
    with pytest.raises(ConflictError, match="--adopt") as refused:
        opened(tmp_path)
    assert refused.value.kind == "volume-foreign"
    take_over(tmp_path, "me", Disk())
    assert opened(tmp_path) == volume_id


def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    opened(tmp_path)
    (tmp_path / MARK).unlink()
    (tmp_path / MARK).write_text(json.dumps({"layout": LAYOUT + 1, "volume_id": "v", "owner": "me"}))
    with pytest.raises(ConflictError) as refused:
        opened(tmp_path)
    assert refused.value.kind == "volume-newer"


@pytest.mark.parametrize(
    "mark", ["", "{", "[]", "null", '{"layout": 1}', '{"layout": "1", "volume_id": 1, "owner": 2}']
)
def test_a_damaged_mark_is_no_new_volume(tmp_path: Path, mark: str) -> None:
    (tmp_path / MARK).write_text(mark)
    with pytest.raises(DamagedError) as refused:
        opened(tmp_path)
    assert refused.value.kind == "volume-mark"
    assert (tmp_path / MARK).read_text() == mark


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.EROFS, "volume-read-only"),
        (errno.EACCES, "volume-read-only"),
        (errno.ENOSPC, "disk-full"),
        (errno.ESTALE, "volume-away"),
    ],
)
def test_a_disk_that_refuses_is_named(tmp_path: Path, code: int, kind: str) -> None:
    with pytest.raises(ForebayError, match=str(tmp_path)) as refused:
        opened(tmp_path / "v", disk=FailingDisk(lambda name, number: code))
    assert refused.value.kind == kind


def test_a_read_only_volume_can_still_be_opened(tmp_path: Path) -> None:
    volume_id = opened(tmp_path)
    assert opened(tmp_path, disk=FailingDisk(lambda name, number: errno.EROFS)) == volume_id


@pytest.mark.parametrize("disk", [Disk(), CopyingDisk()])
def test_of_many_that_start_at_once_all_see_one_volume(tmp_path: Path, disk: Disk) -> None:
    barrier = Barrier(8)

    def start(_: int) -> str:
        barrier.wait()
        return opened(tmp_path / "v", disk=disk)

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(start, range(8)))
    assert opened(tmp_path / "v") in seen
    if not isinstance(disk, CopyingDisk):
        assert len(set(seen)) == 1
    assert not [name for name in os.listdir(tmp_path / "v") if name.startswith(f".{MARK}")]


def test_BRAKE_an_unmounted_volume_is_not_a_new_one(tmp_path: Path) -> None:
    world = World(tmp_path)
    volume_id = world.cache().volume_id
    away = tmp_path / "mounted elsewhere"
    world.volume.rename(away)
    for made in (False, True):
        if made:
            world.volume.mkdir()
        with pytest.raises(UnavailableError, match="not mounted") as refused:
            world.cache()
        assert refused.value.kind == "volume-away"
    assert os.listdir(world.volume) == []
    assert world.cache(rebuild=True).volume_id == volume_id, "really lost: the records stay those of this volume"


def test_trees_are_found_with_their_group(tmp_path: Path) -> None:
    layout = VolumeLayout(tmp_path)
    assert list(layout.tree_paths()) == []
    tree = layout.tree("default", "clicks", 3)
    tree.mkdir(parents=True)
    (layout.trees("default") / "a file").write_text("")
    assert list(layout.tree_paths()) == [("default", tree)]
