"""What the catalog says: datasets, versions, tags, lineage.

Values only. A `Version` never changes after it was added, except for what was learned about it (`sealed`) and the
tags that point at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

VersionOrigin = Literal["registered", "committed"]

DEFAULT_GROUP = "default"
"""The access group of datasets for which nobody named another."""


def ref_of(dataset: str, number: int, subset: str = "") -> str:
    """What names a version, `criteo@v3`, or a declared subset of it, `criteo@v3[day_0*]`."""
    return f"{dataset}@v{number}[{subset}]" if subset else f"{dataset}@v{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A named, owned line of versions. `latest` is the highest version number, 0 while there is none.

    Retired versions are not among them.

    `team` is whose quota its replicas count against ("" for nobody's). `stale_after_s` is how long they may be idle: as
    the site has it (None), or for ever (0).
    """

    name: str
    group: str
    owner: str
    team: str
    stale_after_s: float | None
    description: str
    created_at: float
    versions: int
    latest: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentVersion:
    """One parent in a version's lineage."""

    dataset: str
    number: int

    @property
    def ref(self) -> str:
        return f"{self.dataset}@v{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeBy:
    """What made a version: the command line, and the code it ran from where that is known."""

    command: str = ""
    code: str = ""
    parameters: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One immutable version, or a declared subset of one.

    `manifest_digest` identifies the registered content (see catalog.manifest). `lake_url` is the root that the
    manifest's object keys are relative to; `profile` names the credentials, never holds them. `sealed` says that
    the digest of every file is known. `subset` names a subset within its version ("" for the whole) and `selection`
    says what it selects (see cache.selection); its manifest, files and size are those of the subset. One that was
    retired (`retired_at` is not 0) is not used any more; its replicas go from `release_at` on.
    """

    dataset: str
    number: int
    group: str
    manifest_digest: str
    origin: VersionOrigin
    lake_url: str
    profile: str
    files: int
    size_bytes: int
    sealed: bool
    created_at: float
    created_by: str
    message: str
    parents: tuple[ParentVersion, ...]
    made_by: MadeBy
    tags: tuple[str, ...]
    subset: str = ""
    selection: str = ""
    retired_at: float = 0.0
    retired_by: str = ""
    retired_reason: str = ""
    release_at: float = 0.0

    @property
    def ref(self) -> str:
        return ref_of(self.dataset, self.number, self.subset)

    @property
    def is_retired(self) -> bool:
        return self.retired_at > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A request to add a version. The manifest has been stored before, under `manifest_digest`.

    A `team` becomes the dataset's where that has none, a `description` where the version makes the dataset.
    """

    dataset: str
    manifest_digest: str
    origin: VersionOrigin
    lake_url: str
    profile: str = ""
    created_by: str = ""
    message: str = ""
    team: str = ""
    parents: tuple[ParentVersion, ...] = ()
    made_by: MadeBy = MadeBy()
    subset: str = ""
    selection: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubset:
    """A request to declare a subset of a version. Its manifest has been stored before, under `manifest_digest`."""

    dataset: str
    number: int
    subset: str
    selection: str
    manifest_digest: str
    created_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedVersion:
    """`created` is False when the dataset's latest version already had exactly this content."""

    version: Version
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TagMove:
    """One entry of a tag's history; `number` 0 means that the tag was removed."""

    dataset: str
    tag: str
    number: int
    moved_at: float
    moved_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageEdge:
    """`child` was made from `parent`; both are `dataset@vN`."""

    parent: str
    child: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Everything a version was made from (`upstream`) and everything made from it (`downstream`), as edges."""

    of: str
    upstream: tuple[LineageEdge, ...]
    downstream: tuple[LineageEdge, ...]
