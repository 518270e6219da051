"""What a fill costs the volume's account: what it needs at most, and what it leaves behind when it fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from forebay import fsio
from forebay.cache.contents import Contents, tree_manifest
from forebay.cache.incoming import held_bytes, placed_bytes
from forebay.cache.journal import INTENT_BYTES, RECORD_BYTES
from forebay.cache.place import described_bytes, most_described_bytes
from forebay.cache.plan import FillPlan
from forebay.cache.transfer import CHECKPOINT_BYTES
from forebay.cache.volume import DAMAGED, VolumeLayout, read_completed
from forebay.errors import CapacityError, DamagedError
from forebay.fsio import Disk
from forebay.wire.catalog import Version


def most_needed_bytes(
    plan: FillPlan, contents: Contents, sizes: Sequence[int], earlier_bytes: int, *, links: bool
) -> int:
    """All that the volume will hold for a fill on top of what its account counts, at the worst moment."""
    finished_bytes = sum(sizes[index] for index in plan.finished)
    files = len(sizes)
    records = len(plan.missing) + len(plan.finished) + plan.move_bytes // CHECKPOINT_BYTES
    recipe_bytes = contents.recipe.stat().st_size if contents.recipe else 0
    described = most_described_bytes(contents.file.stat().st_size + recipe_bytes, files) + 40 * files
    journals = records * (RECORD_BYTES + INTENT_BYTES)
    copies = 0 if links else sum(sizes)
    return plan.need_bytes + max(0, earlier_bytes - finished_bytes) + described + journals + copies


def left_behind(
    folder: Path, tree: Path, replaced: Sequence[Path], manifest_digest: str, error: BaseException, disk: Disk
) -> int:
    """The bytes that a failed fill's reservation has to go on covering. On a full disk its folder goes.

    `replaced` are trees that its holders moved away and did not delete.
    """
    placed, completed = placed_bytes(folder), read_completed(tree)
    if completed is not None and completed.manifest_digest == manifest_digest:
        # All is in place, whichever holder put it there, but the hub did not hear of it, and what said so in the
        # folder is gone.
        placed = max(placed, completed.added_bytes) + described_bytes(tree)
    elif read_completed(tree, DAMAGED) is None:
        # A tree that was put in its place and not reported: its records, and what could not be linked.
        placed += fsio.freed_bytes_below(tree)
    if isinstance(error, CapacityError) and error.kind == "disk-full" and not placed:
        disk.remove_tree(folder)
    untold = (path for path in replaced if is_untold(path, manifest_digest))
    return placed + held_bytes(folder) + sum(map(fsio.freed_bytes_below, untold))


def is_untold(tree: Path, manifest_digest: str) -> bool:
    """Whether the account knows nothing of a tree: it was never complete, or its fill could not tell the hub."""
    completed = read_completed(tree)
    return read_completed(tree, DAMAGED) is None and (completed is None or completed.manifest_digest == manifest_digest)


def shares_its_blobs(layout: VolumeLayout, version: Version, tree: Path) -> bool:
    """Whether every file of a tree is still the blob of its digest: one that was found bad since is in quarantine."""
    try:
        for entry in tree_manifest(tree, version.manifest_digest).entries():
            blob = layout.blob(version.group, entry.digest or "").stat()
            if (tree / entry.path).stat().st_ino != blob.st_ino and blob.st_nlink > 1:
                return False
    except (FileNotFoundError, DamagedError):
        return False
    return True
