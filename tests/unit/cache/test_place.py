"""Putting a version in its place: links, blobs, marker, and who may move what stands there."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from forebay.cache.place import Placer, discard, holds, is_complete
from forebay.cache.quarantine import unmark
from forebay.cache.volume import Completed, VolumeLayout, read_completed
from forebay.digest import digest_bytes
from forebay.errors import ConflictError
from forebay.fsio import Disk, freed_bytes_below, used_bytes_below
from forebay.testing.cached import CopyingDisk

DATA = b"clicks" * 10
DIGEST = digest_bytes(DATA).hex()


def completed(token: int, manifest_digest: str = "m") -> Completed:
    return Completed(
        dataset="clicks",
        number=1,
        group="default",
        manifest_digest=manifest_digest,
        seal_digest="",
        origin="registered",
        lake_url="file:///lake",
        profile="",
        token=token,
        files=1,
        size_bytes=len(DATA),
        fill_seconds=1.0,
        completed_at=1.0,
    )


@pytest.fixture
def layout(tmp_path: Path) -> VolumeLayout:
    return VolumeLayout(tmp_path)


def placer_of(layout: VolumeLayout, token: int, disk: Disk | None = None) -> Placer:
    folder = layout.fill_of("fill", token)
    folder.mkdir(parents=True)
    placer = Placer(layout, "default", layout.tree("default", "clicks", 1), folder, disk or Disk())
    placer.begin()
    return placer


def temp_of(layout: VolumeLayout, data: bytes = DATA) -> Path:
    temp = layout.incoming / "temp"
    temp.write_bytes(data)
    temp.chmod(0o444)
    return temp


def published(layout: VolumeLayout, token: int) -> Path:
    placer = placer_of(layout, token)
    if not placer.link(DIGEST, "day_0/a.tsv", len(DATA)):
        placer.keep(temp_of(layout), DIGEST, "day_0/a.tsv", len(DATA))
    assert placer.make_way(f"replaced-{token}", token) is None or token > 1
    placer.publish(completed(token))
    return layout.tree("default", "clicks", 1)


def test_a_published_tree_is_sealed_and_shares_its_bytes_with_the_blob(layout: VolumeLayout) -> None:
    tree = published(layout, 1)
    file = tree / "day_0/a.tsv"
    assert file.read_bytes() == DATA
    assert file.samefile(layout.blob("default", DIGEST))
    assert stat.S_IMODE(file.stat().st_mode) == 0o444
    for folder in (tree, tree / "day_0", tree / ".forebay"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o555
    assert is_complete(tree)
    assert holds(tree, "m")
    assert not holds(tree, "another manifest")
    assert read_completed(tree) == completed(1)


def test_a_blob_of_another_size_is_not_linked_but_replaced(layout: VolumeLayout) -> None:
    blob = layout.blob("default", DIGEST)
    blob.parent.mkdir(parents=True)
    blob.write_bytes(DATA[:-1])
    placer = placer_of(layout, 1)
    assert not placer.link(DIGEST, "a", len(DATA))
    assert placer.keep(temp_of(layout), DIGEST, "a", len(DATA))
    assert blob.read_bytes() == DATA


def test_a_blob_that_is_there_leaves_the_temp_file(layout: VolumeLayout) -> None:
    published(layout, 1)
    placer = placer_of(layout, 2)
    temp = temp_of(layout)
    assert not placer.keep(temp, DIGEST, "a", len(DATA))
    assert temp.exists()


def test_a_tree_keeps_its_bytes_when_the_blob_is_evicted_and_names_it_again(layout: VolumeLayout) -> None:
    published(layout, 1)
    placer = placer_of(layout, 2)
    assert placer.link(DIGEST, "a", len(DATA))
    layout.blob("default", DIGEST).unlink()
    placer.link_again("a", "b")
    placer.restore_blob(DIGEST, "a")
    assert layout.blob("default", DIGEST).read_bytes() == DATA
    placer.restore_blob(DIGEST, "b")


def test_without_hard_links_every_tree_is_a_copy_and_is_counted(layout: VolumeLayout) -> None:
    assert placer_of(layout, 1).links()
    placer = placer_of(layout, 2, CopyingDisk())
    assert not placer.links()
    assert placer.keep(temp_of(layout), DIGEST, "a", len(DATA))
    placer.link_again("a", "b")
    assert placer.copied_bytes == 2 * len(DATA)
    placer.publish(completed(2))
    tree = layout.tree("default", "clicks", 1)
    assert used_bytes_below(tree, layout.blobs("default")) == 3 * len(DATA) + used_bytes_below(tree / ".forebay")


def test_CRASH_a_stale_holder_moves_nothing_that_came_later(layout: VolumeLayout) -> None:
    tree = published(layout, 5)
    assert discard(layout, tree, "old", Disk(), before=5) is None
    with pytest.raises(ConflictError, match="newer"):
        placer_of(layout, 3).make_way("old", 3)
    assert holds(tree, "m")
    assert discard(layout, tree, "old", Disk(), before=6) == layout.trash / "old"
    assert not tree.exists()


def test_IN_USE_what_came_between_the_look_and_the_move_is_put_back(layout: VolumeLayout) -> None:
    tree = published(layout, 1)

    class Paused(Disk):
        """Sleeps through a whole fill right before its rename."""

        slept = False

        def rename(self, source: Path, target: Path) -> None:
            if source == tree and not self.slept:
                self.slept = True
                discard(layout, tree, "by the other one", Disk())
                published(layout, 7)
            super().rename(source, target)

    assert discard(layout, tree, "old", Paused(), before=5) is None
    assert holds(tree, "m")
    assert read_completed(tree) == completed(7)


def test_an_unmarked_tree_still_says_what_it_was(layout: VolumeLayout) -> None:
    tree = published(layout, 4)
    unmark(tree, Disk())
    assert not is_complete(tree)
    assert discard(layout, tree, "old", Disk(), before=4) is None
    unmark(layout.tree("default", "nothing", 1), Disk())


def test_freed_bytes_are_those_without_a_name_elsewhere(tmp_path: Path) -> None:
    trash = tmp_path / "trash"
    trash.mkdir()
    for name, kept in (("alone", False), ("shared", True)):
        (trash / name).write_bytes(DATA)
        (trash / f"{name} again").hardlink_to(trash / name)
        if kept:
            (tmp_path / name).hardlink_to(trash / name)
    assert freed_bytes_below(trash) == len(DATA)
    assert used_bytes_below(trash) == 2 * len(DATA)
