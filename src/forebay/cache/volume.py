"""The layout of a volume and the marks on it; nothing else may name paths. DESIGN section 4 is the contract.

No SQLite and no lock file is ever put on a volume: shared file systems break both.
"""

from __future__ import annotations

import errno
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from forebay.cache.disk_errors import disk_error
from forebay.digest import digest_bytes
from forebay.errors import ConflictError, DamagedError, InputError, NotAllowedError, UnavailableError
from forebay.fsio import Disk, links_refused
from forebay.wire.catalog import Version, ref_of

LAYOUT = 1
MARK = "forebay-volume.json"
RESERVED = ".forebay"
COMPLETE = "complete.json"
DAMAGED = "damaged.json"
# Parquet files, but not by their names: whoever reads `**/*.parquet` of a tree means the dataset's own files.
MANIFEST = "manifest.forebay"
SEAL = "seal.forebay"
RECIPE = "recipe.forebay"
_REPLACED = "replaced-"
_SUFFIX_BEFORE = ".parquet"
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM}


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What `complete.json` says: enough to rebuild the hub's knowledge of the replica from the volume alone."""

    dataset: str
    number: int
    group: str
    manifest_digest: str
    seal_digest: str
    origin: str
    lake_url: str
    profile: str
    token: int
    files: int
    size_bytes: int
    fill_seconds: float
    completed_at: float
    added_bytes: int = 0
    """What the fill added to the volume's account, these records aside: for a holder killed before its report."""
    learned_files: int = 0
    """Files whose digest the fill learned with nothing to check it against."""
    subset: str = ""
    selection: str = ""

    @property
    def ref(self) -> str:
        return ref_of(self.dataset, self.number, self.subset)


def tree_name(number: int, subset: str = "") -> str:
    """The folder of a version, or of a subset, whose own name may hold what a path should not: `*`, `?`, `/`."""
    return f"v{number}-{digest_bytes(subset.encode()).hex()[:10]}" if subset else f"v{number}"


@dataclass(frozen=True, slots=True)
class VolumeLayout:
    """Where things are on one volume."""

    root: Path

    @property
    def mark(self) -> Path:
        return self.root / MARK

    def require_here(self) -> None:
        """UnavailableError `volume-away`: on an empty mount everything looks deleted or damaged, and nothing is."""
        if not self.mark.exists():
            raise UnavailableError("volume-away", f"the volume {self.root} is away", todo="Is it mounted?")

    @property
    def roots(self) -> Path:
        return self.root / "roots"

    @property
    def incoming(self) -> Path:
        return self.root / "incoming"

    @property
    def trash(self) -> Path:
        return self.root / "trash"

    def blobs(self, group: str) -> Path:
        return self.roots / group / "blobs"

    def blob(self, group: str, digest: str) -> Path:
        # Asked for every file: one path made at once costs a fraction of five joined.
        return Path(f"{self.root}/roots/{group}/blobs/{digest[:2]}/{digest}")

    def trees(self, group: str) -> Path:
        return self.roots / group / "trees"

    def tree(self, group: str, dataset: str, number: int, subset: str = "") -> Path:
        return self.roots / group / "trees" / dataset / tree_name(number, subset)

    def tree_of(self, version: Version) -> Path:
        return self.tree(version.group, version.dataset, version.number, version.subset)

    def fill(self, fill_id: str) -> Path:
        return self.incoming / fill_id

    def replaced_by(self, fill_id: str, token: int) -> str:
        """The name in the trash of the tree that a fill's holder moves away to put its own there."""
        return f"{_REPLACED}{fill_id}-{token}"

    def replaced(self, fill_id: str) -> list[Path]:
        """What of that is in the trash still, of all its holders."""
        return sorted(self.trash.glob(f"{_REPLACED}{fill_id}-*"))

    def fill_of(self, fill_id: str, token: int) -> Path:
        """Each holder of a fill has a folder of its own, so that two never write to one name."""
        return self.incoming / fill_id / str(token)

    def groups(self) -> list[str]:
        return sorted(path.name for path in self.roots.iterdir() if path.is_dir()) if self.roots.is_dir() else []

    def tree_paths(self) -> Iterator[tuple[str, Path]]:
        """(access group, tree folder) of every tree, complete or not."""
        for group in self.groups():
            trees = self.trees(group)
            for dataset in sorted(trees.iterdir()) if trees.is_dir() else ():
                for tree in sorted(dataset.iterdir()) if dataset.is_dir() else ():
                    if tree.is_dir():
                        yield group, tree


def open_volume(
    root: Path, owner: str, disk: Disk, *, now: float, volume_id: str | None = None
) -> tuple[VolumeLayout, str]:
    """The layout and volume id of `root`; an empty or absent folder becomes a volume owned by `owner`.

    `volume_id` is the id that a new volume gets (one of its own where it is None).
    ConflictError `volume-foreign`, `volume-newer`, `volume-not-empty`; InputError `volume-is-file`; NotAllowedError
    `volume-read-only`; DamagedError `volume-mark`; UnavailableError `volume-away`.
    """
    layout = VolumeLayout(root.absolute())
    if not layout.mark.exists():
        _initialise(layout, disk, {"owner": owner, "volume_id": volume_id or uuid.uuid4().hex, "created_at": now})
    mark = read_mark(layout)
    if mark["layout"] > LAYOUT:
        raise ConflictError(
            "volume-newer",
            f"the volume {layout.root} has layout {mark['layout']}; this forebay knows up to {LAYOUT}",
            todo="Install a newer forebay, or use another volume.",
        )
    if mark["owner"] != owner:
        raise ConflictError(
            "volume-foreign",
            f"the volume {layout.root} is owned by another forebay ({mark['owner']})",
            todo="Choose another folder with --volume, or take it over with: forebay cache recover --adopt",
        )
    return layout, str(mark["volume_id"])


def read_mark(layout: VolumeLayout) -> dict[str, Any]:
    """The volume's own record of itself."""
    try:
        value = json.loads(layout.mark.read_bytes())
        if isinstance(value["layout"], int) and value["volume_id"] and value["owner"]:
            return dict(value)
    except OSError as error:
        raise UnavailableError("volume-away", f"cannot read {layout.mark}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError):
        pass
    raise DamagedError(
        "volume-mark", f"{layout.mark} is not a volume's mark", todo="Restore it from a backup, or use another folder."
    )


def take_over(root: Path, owner: str, disk: Disk) -> None:
    """Make a volume of another forebay ours (recover --adopt)."""
    layout = VolumeLayout(root.absolute())
    disk.write_json(layout.mark, {**read_mark(layout), "owner": owner})


def _initialise(layout: VolumeLayout, disk: Disk, mark: dict[str, Any]) -> None:
    try:
        _refuse_file(layout.root)
        disk.make_directories(layout.root)
        foreign = [name for name in os.listdir(layout.root) if not _ours(name)]
        if foreign:
            raise ConflictError(
                "volume-not-empty",
                f"{layout.root} is not a forebay volume and holds other files ({sorted(foreign)[0]!r}, ...)",
                todo="Name an empty folder with --volume.",
            )
        for folder in (layout.roots, layout.incoming, layout.trash):
            disk.make_directories(folder)
        _write_mark_once(layout, disk, mark)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise disk_error(error, layout.root) from error
        raise NotAllowedError(
            "volume-read-only",
            f"cannot create a volume in {layout.root}: {error.strerror}",
            todo="Give write permission there, or name another folder with --volume.",
        ) from error


def _refuse_file(root: Path) -> None:
    """A file where the volume should be, or a folder above it."""
    file = next((path for path in (root, *root.parents) if path.is_file()), None)
    if file is not None:
        raise InputError(
            "volume-is-file",
            f"{root} cannot be a volume: {'it' if file == root else file} is a file, and a volume is a folder",
            todo="Name an empty folder, or one that does not exist yet, with --volume.",
        )


def _write_mark_once(layout: VolumeLayout, disk: Disk, mark: dict[str, Any]) -> None:
    """Link the mark into place: of two processes that start at once, the first one's mark stays."""
    candidate = layout.root / f".{MARK}.{uuid.uuid4().hex}"
    disk.write_json(candidate, {"layout": LAYOUT, **mark})
    try:
        disk.link(candidate, layout.mark)
    except FileExistsError:
        pass
    except OSError as error:
        if not links_refused(error):
            raise
        # Without hard links only a rename is atomic, and it lets the last one win: the first look narrows the gap.
        if not layout.mark.exists():
            disk.rename(candidate, layout.mark)
    disk.unlink(candidate)
    disk.sync_directory(layout.root)


def _ours(name: str) -> bool:
    # Filers show their snapshots as a folder in every volume's root.
    system = {"lost+found", ".snapshot"}
    # Another process may be writing its candidate for the mark just now, or was killed at it.
    return name in {"roots", "incoming", "trash", MARK} | system or name.lstrip(".").startswith(f"{MARK}.")


def write_completed(tree: Path, completed: Completed, disk: Disk) -> None:
    """Write the marker, last of all: its presence is the replica's readiness."""
    disk.write_json(tree / RESERVED / COMPLETE, {"layout": LAYOUT, **asdict(completed)})


def record_path(tree: Path, name: str) -> Path:
    """Where a tree has its `MANIFEST`, `SEAL` or `RECIPE`, if it has one; older trees have them as `*.parquet`."""
    path = tree / RESERVED / name
    before = path.with_suffix(_SUFFIX_BEFORE)
    return before if not path.exists() and before.exists() else path


def read_completed(tree: Path, name: str = COMPLETE) -> Completed | None:
    """The marker of a tree (or, as `DAMAGED`, what it was); None when there is none or it cannot be read as one."""
    try:
        value = json.loads((tree / RESERVED / name).read_bytes())
        value.pop("layout")
        return Completed(**value)
    except (OSError, ValueError, KeyError, TypeError):
        return None
