"""The catalog on a database and a folder of content-addressed files: implements `wire.hub.Catalog`.

Big files are read and written outside of transactions; the database only ever names files that are already durable.
Invariant: IMMUTABLE.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.catalog import lineage, tags, upkeep, versions
from forebay.catalog import schema as t
from forebay.catalog.archive import Archive, KeptManifest
from forebay.catalog.engine import reading, writing
from forebay.catalog.lake_url import check_lake_url
from forebay.catalog.names import check_dataset_name, parse_ref
from forebay.catalog.records import LIVE, WHOLE, dataset_id, find_version, list_datasets, load_versions, version_id
from forebay.catalog.shared_files import SharedFiles
from forebay.clock import Clock
from forebay.errors import DamagedError, InputError, NotFoundError
from forebay.wire.catalog import DEFAULT_GROUP, AddedVersion, Dataset, Lineage, NewSubset, NewVersion, TagMove, Version

if TYPE_CHECKING:
    from forebay.catalog.manifest import ManifestFacts
    from forebay.catalog.seal import Seal

# Like `archive`, this imports what reads Parquet where it is read.


class CatalogStore:
    """A catalog. `engine` has been migrated; `files` is its folder; `group` is the access group of new datasets."""

    on_added: Callable[[str], object] = staticmethod(bool)
    """Called with the dataset of every version that was added, when it is there."""

    def __init__(self, engine: Engine, files: Path, clock: Clock, group: str = DEFAULT_GROUP) -> None:
        self._engine = engine
        self._archive = Archive(files, shared=SharedFiles.of(engine))
        self._clock = clock
        self._group = group

    def datasets(self) -> list[Dataset]:
        with reading(self._engine) as connection:
            return list_datasets(connection)

    def dataset(self, name: str) -> Dataset:
        with reading(self._engine) as connection:
            return list_datasets(connection, t.dataset.c.dataset_id == dataset_id(connection, name))[0]

    def versions(self, name: str, *, retired: bool = False) -> list[Version]:
        with reading(self._engine) as connection:
            here = (t.version.c.dataset_id == dataset_id(connection, name), WHOLE)
            return load_versions(connection, *here) if retired else load_versions(connection, *here, LIVE)

    def resolve(self, ref: str) -> Version:
        parsed = parse_ref(ref)
        with reading(self._engine) as connection:
            return find_version(connection, parsed)

    def store_manifest(self, parquet: Path) -> str:
        return self._archive.add_manifest(parquet).manifest_digest

    def manifest_path(self, manifest_digest: str) -> Path:
        return self._archive.verify_manifest(manifest_digest)

    def store_seal(self, parquet: Path) -> str:
        return self._archive.add_seal(parquet).seal_digest

    def seal_path(self, manifest_digest: str) -> Path | None:
        with reading(self._engine) as connection:
            known = _recorded_seal(connection, manifest_digest)
        if known is None:
            return None
        self._known_seal(known)
        return self._archive.seal_file(known)

    def store_recipe(self, manifest_digest: str, parquet: Path) -> None:
        self._archive.add_recipe(manifest_digest, parquet)

    def recipe_path(self, manifest_digest: str) -> Path:
        return self._archive.verify_recipe(manifest_digest)

    def seal(self, manifest_digest: str, seal_digest: str) -> None:
        self._learn(self._archive.kept(manifest_digest), self._archive.seal(seal_digest))

    def add_version(self, new: NewVersion) -> AddedVersion:
        facts = self._checked(new)
        seal = self._inherited(new)
        with writing(self._engine) as connection:
            added = versions.add(connection, new, facts, group=self._group, now=self._clock.now())
            if seal is not None and added.created and self._record(connection, seal, None):
                added = AddedVersion(version=_again(connection, added.version), created=True)
        if added.created:
            self.on_added(new.dataset)
        return added

    def restore_version(self, new: NewVersion, number: int) -> Version:
        facts = self._checked(new)
        if number < 1:
            raise InputError("bad-ref", f"{new.dataset}@v{number}: versions are counted from v1.")
        with writing(self._engine) as connection:
            return versions.restore(connection, new, facts, number, group=self._group, now=self._clock.now())

    def add_subset(self, new: NewSubset) -> Version:
        from forebay.catalog import subsets

        subsets.check_new(new)
        facts = self._archive.facts(new.manifest_digest)
        with reading(self._engine) as connection:
            whole_digest = subsets.whole_manifest(connection, new.dataset, new.number)
            known = _recorded_seal(connection, whole_digest)
        whole, part = self._archive.manifest(whole_digest), self._archive.manifest(new.manifest_digest)
        subsets.check_part(part.table.column, whole.table.column, f"{new.dataset}@v{new.number}")
        with writing(self._engine) as connection:
            subsets.add(connection, new, facts, now=self._clock.now())
        learned = subsets.known(whole, None if known is None else self._known_seal(known))
        carried = subsets.carried(learned, part.table.column, part.manifest_digest)
        self._learn(self._archive.kept(part.manifest_digest), carried)
        with reading(self._engine) as connection:
            added = version_id(connection, new.dataset, new.number, new.subset)
            return load_versions(connection, t.version.c.version_id == added)[0]

    def set_team(self, dataset: str, team: str) -> Dataset:
        with writing(self._engine) as connection:
            return upkeep.set_team(connection, dataset, team)

    def set_stale_after(self, dataset: str, seconds: float | None) -> Dataset:
        with writing(self._engine) as connection:
            return upkeep.set_stale_after(connection, dataset, seconds)

    def describe(self, dataset: str, description: str) -> Dataset:
        with writing(self._engine) as connection:
            return upkeep.describe(connection, dataset, description)

    def remove_version(self, dataset: str, number: int) -> None:
        with writing(self._engine) as connection:
            versions.remove(connection, dataset, number)

    def remove_dataset(self, name: str) -> None:
        with writing(self._engine) as connection:
            versions.remove_dataset(connection, name, now=self._clock.now())

    def tag(self, dataset: str, tag: str, number: int, moved_by: str) -> TagMove:
        with writing(self._engine) as connection:
            return tags.move_tag(connection, dataset, tag, number, moved_by=moved_by, moved_at=self._clock.now())

    def untag(self, dataset: str, tag: str, moved_by: str) -> TagMove:
        with writing(self._engine) as connection:
            return tags.remove_tag(connection, dataset, tag, moved_by=moved_by, moved_at=self._clock.now())

    def tag_history(self, dataset: str, tag: str | None = None) -> list[TagMove]:
        with reading(self._engine) as connection:
            return tags.tag_moves(connection, dataset, tag)

    def lineage(self, dataset: str, number: int) -> Lineage:
        with reading(self._engine) as connection:
            of = version_id(connection, dataset, number)
            return Lineage(
                of=f"{dataset}@v{number}",
                upstream=lineage.upstream(connection, of),
                downstream=lineage.downstream(connection, of),
            )

    def _checked(self, new: NewVersion) -> ManifestFacts:
        check_dataset_name(new.dataset)
        check_lake_url(new.lake_url)
        if len(new.profile) > t.NAME_LENGTH or not new.profile.isprintable():
            raise InputError("bad-profile", f"{new.profile[: t.NAME_LENGTH]!r} cannot be the name of a profile.")
        facts = self._archive.facts(new.manifest_digest)
        if facts.origin != new.origin:
            raise InputError(
                "bad-origin", f"The manifest {new.manifest_digest} is {facts.origin}, the version says {new.origin}."
            )
        return facts

    def _inherited(self, new: NewVersion) -> Seal | None:
        """What the dataset's latest version tells about the objects of a new one, outside of the write transaction."""
        with reading(self._engine) as connection:
            latest = _latest(connection, new.dataset)
            if latest is None or not _may_inherit(connection, latest, new):
                return None
            known = _recorded_seal(connection, latest.manifest_digest)
        if known is None and latest.origin == "registered":
            return None
        try:
            learned = None if known is None else self._archive.seal(known)
            seal = self._archive.inherited_seal(latest.manifest_digest, learned, new.manifest_digest)
        except (DamagedError, NotFoundError):
            return None  # the older version is broken, which is no reason to refuse the newer one
        if not seal.known:
            return None
        self._archive.keep_seal(seal)
        return seal

    def _learn(self, manifest: KeptManifest, newer: Seal) -> None:
        """Record what was learned about a manifest, and tell those that share files with it."""
        from forebay.catalog import subsets

        while (merged := self._try_seal(manifest, newer)) is None:
            pass  # somebody else recorded one in between: merge with that
        if merged.known == 0:
            return
        with reading(self._engine) as connection:
            relatives = subsets.relatives(connection, manifest.manifest_digest)
        if not relatives:
            return
        learned = subsets.known(self._archive.manifest(manifest.manifest_digest), merged)
        for digest in relatives:
            relative = self._archive.kept(digest)
            carried = subsets.carried(learned, self._archive.manifest(digest).table.column, digest)
            if not self._knows(relative, carried):
                self._learn(relative, carried)

    def _try_seal(self, manifest: KeptManifest, newer: Seal) -> Seal | None:
        """Record all that is known together with `newer`; None when the record changed meanwhile."""
        from forebay.catalog.seal import merge

        with reading(self._engine) as connection:
            known = _recorded_seal(connection, manifest.manifest_digest)
        older = self._unsealed(manifest) if known is None else self._known_seal(known)
        merged = merge(manifest, older, newer)
        if merged.seal_digest == older.seal_digest:
            return merged
        self._archive.keep_seal(merged)
        with writing(self._engine) as connection:
            return merged if self._record(connection, merged, known) else None

    def _knows(self, manifest: KeptManifest, seal: Seal) -> bool:
        """Whether a seal adds nothing; ConflictError `digest-mismatch` when it contradicts what is known."""
        from forebay.catalog.seal import merge

        with reading(self._engine) as connection:
            known = _recorded_seal(connection, manifest.manifest_digest)
        older = self._unsealed(manifest) if known is None else self._known_seal(known)
        return merge(manifest, older, seal).seal_digest == older.seal_digest

    def _unsealed(self, manifest: KeptManifest) -> Seal:
        """What a manifest knows by itself."""
        from forebay.catalog.seal import Seal

        if manifest.facts.origin == "registered":
            return Seal.unknown(manifest)
        return Seal.of(self._archive.manifest(manifest.manifest_digest))

    def _record(self, connection: Connection, seal: Seal, expected: str | None) -> bool:
        """Compare and swap the recorded seal; the caller has merged `seal` with the expected one."""
        values = {"seal_digest": seal.seal_digest, "complete": seal.complete, "sealed_at": self._clock.now()}
        if expected is None:
            return versions.insert_if_absent(connection, t.seal, {"manifest_digest": seal.manifest_digest, **values})
        here = sa.and_(t.seal.c.manifest_digest == seal.manifest_digest, t.seal.c.seal_digest == expected)
        return connection.execute(sa.update(t.seal).where(here).values(**values)).rowcount == 1

    def _known_seal(self, seal_digest: str) -> Seal:
        """A recorded seal; when its file is gone that is damage: what was known may not be forgotten."""
        try:
            return self._archive.seal(seal_digest)
        except NotFoundError as error:
            self._archive.refuse_away()
            raise DamagedError("seal-damaged", error.message, todo="Restore the file from a backup.") from error


def _recorded_seal(connection: Connection, manifest_digest: str) -> str | None:
    return connection.execute(
        sa.select(t.seal.c.seal_digest).where(t.seal.c.manifest_digest == manifest_digest)
    ).scalar()


def _latest(connection: Connection, dataset: str) -> Version | None:
    try:
        return versions.latest_version(connection, dataset_id(connection, dataset))
    except NotFoundError:
        return None


def _may_inherit(connection: Connection, latest: Version, new: NewVersion) -> bool:
    return (
        new.origin == "registered"
        and latest.lake_url == new.lake_url
        and latest.manifest_digest != new.manifest_digest
        and _recorded_seal(connection, new.manifest_digest) is None
    )


def _again(connection: Connection, version: Version) -> Version:
    target = version_id(connection, version.dataset, version.number)
    return load_versions(connection, t.version.c.version_id == target)[0]
