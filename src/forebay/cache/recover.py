"""Brings the hub's records and a volume together again: after a kill, a power cut, or the loss of the hub's database.

It looks, plans (`repair`, pure), and only then acts. What it takes out of use rests in the trash as quarantine first.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec

from forebay.cache.canary import LEFT
from forebay.cache.disk_errors import disk_error
from forebay.cache.evict import Evictor
from forebay.cache.incoming import held_bytes, placed_bytes
from forebay.cache.look import Look, account_bytes, listed_digests, names_in
from forebay.cache.machine import Terms
from forebay.cache.place import discard
from forebay.cache.quarantine import quarantine_blob, quarantine_tree, rests, unmark
from forebay.cache.repair import Repairs, TreeFound, plan_repairs
from forebay.cache.volume import MANIFEST, RECIPE, SEAL, Completed, VolumeLayout, record_path, tree_name
from forebay.clock import Clock
from forebay.errors import ConflictError, DamagedError, ForebayError, NotFoundError
from forebay.fsio import Disk, freed_bytes_below
from forebay.log import get_logger
from forebay.wire.cache import OpenFill, Replica, ReplicaState
from forebay.wire.catalog import MadeBy, NewVersion, Version
from forebay.wire.hub import Hub

_log = get_logger("recover")

P = ParamSpec("P")


@dataclass(slots=True, kw_only=True)
class Recovered:
    """What recover found and did (or, dry, would do). `failed` names what could not be mended, and why.

    `lost` was ready on a volume that was given up, and is damaged now.
    """

    repairs: Repairs
    lost: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    failed: list[tuple[str, ForebayError]] = field(default_factory=list)
    emptied_trash: int = 0
    stuck: list[Path] = field(default_factory=list)
    used_bytes: int = 0


def recover(
    hub: Hub,
    layout: VolumeLayout,
    volume_id: str,
    *,
    evictor: Evictor,
    disk: Disk,
    clock: Clock,
    terms: Terms,
    force: bool,
    dry_run: bool,
) -> Recovered:
    """Look at the whole volume and mend the records; DamagedError `brake` when too much would be given up."""
    try:
        repairs = _plan(hub, layout, volume_id, clock.now(), terms)
    except OSError as error:
        raise disk_error(error, layout.root) from error
    if repairs.brake and not force and not dry_run:
        raise DamagedError(
            "brake",
            f"{layout.root}: {repairs.brake}",
            todo="Is the right volume mounted? See the list with --dry-run; if it is true, run again with --force.",
        )
    done = Recovered(repairs=repairs)
    if not dry_run:
        _Repair(hub, layout, volume_id, evictor, disk, clock, terms, done).run()
    return done


def _plan(hub: Hub, layout: VolumeLayout, volume_id: str, now: float, terms: Terms) -> Repairs:
    look = Look(layout, hub.catalog, _recorded(hub, volume_id))
    replicas, fills = hub.replicas.all(volume_id), hub.fills.open_fills(volume_id)
    return plan_repairs(
        replicas=replicas,
        trees=look.trees,
        blobs=look.blobs({replica.ref for replica in replicas} | {fill.ref for fill in fills}),
        fills=fills,
        incoming=names_in(layout.incoming),
        now=now,
        hold_seconds=terms.hold_seconds,
    )


def _recorded(hub: Hub, volume_id: str) -> set[str]:
    """What the records speak of, filled or not."""
    replicas, fills = hub.replicas.all(volume_id), hub.fills.open_fills(volume_id)
    return {replica.ref for replica in replicas} | {fill.ref for fill in fills}


class _Repair:
    """Carries the plan out, one thing after another; what fails is noted and does not stop the rest."""

    def __init__(
        self,
        hub: Hub,
        layout: VolumeLayout,
        volume_id: str,
        evictor: Evictor,
        disk: Disk,
        clock: Clock,
        terms: Terms,
        done: Recovered,
    ) -> None:
        self._hub = hub
        self._layout = layout
        self._volume_id = volume_id
        self._evictor = evictor
        self._disk = disk
        self._terms = terms
        self._done = done
        self._now = clock.now()

    def run(self) -> None:
        repairs = self._done.repairs
        for tree in repairs.adopt:
            self._try(tree.ref, self._adopt, tree)
        for replica in repairs.forget:
            self._try(replica.ref, self._forget, replica)
        for tree in repairs.damaged:
            self._try(tree.ref, self._damage, tree)
        for tree in repairs.unfinished_trees:
            self._try(tree.ref, self._discard_unfinished, tree)
        for tree in repairs.orphan_trees:
            self._try(tree.ref, self._quarantine_tree, tree.path)
        for fill in repairs.end_fills:
            self._try(fill.ref, self._end_fill, fill)
        for replica in repairs.end_evictions:
            self._try(replica.ref, self._end_eviction, replica)
        for group, digests in repairs.orphan_blobs.items():
            for digest in digests:
                self._try(digest, self._quarantine, group, digest)
        self._try("blobs", self._quarantine_unlisted)
        self._try("incoming", self._remove_strays)
        self._try("trash", self._empty_trash)
        self._try("account", self._count)

    def _try(self, what: str, repair: Callable[P, object], *given: P.args, **named: P.kwargs) -> None:
        try:
            repair(*given, **named)
        except ForebayError as error:
            self._note(what, error)
        except OSError as error:
            self._note(what, disk_error(error, self._layout.root))

    def _note(self, what: str, error: ForebayError) -> None:
        _log.warning("repair-failed", what=what, kind=error.kind)
        self._done.failed.append((what, error))

    def _adopt(self, tree: TreeFound) -> None:
        completed = tree.completed
        assert completed is not None, "only complete trees are adopted"
        version = self._version_of(tree, completed)
        if (version.manifest_digest, version.group) != (completed.manifest_digest, tree.group):
            # The hub knows other contents under this name by now, and a version never changes.
            _log.warning("tree-of-another-history", ref=tree.ref, path=str(tree.path))
            self._quarantine_tree(tree.path)
            return
        seal = record_path(tree.path, SEAL)
        if seal.exists():
            self._hub.catalog.seal(completed.manifest_digest, self._hub.catalog.store_seal(seal))
        self._hub.replicas.adopt(self._volume_id, version, completed.token, completed.fill_seconds)

    def _version_of(self, tree: TreeFound, completed: Completed) -> Version:
        """The version in the catalog; put back from the tree when the catalog has lost it."""
        with suppress(NotFoundError):
            return self._hub.catalog.resolve(completed.ref)
        self._hub.catalog.store_manifest(record_path(tree.path, MANIFEST))
        if (recipe := record_path(tree.path, RECIPE)).exists():
            self._hub.catalog.store_recipe(completed.manifest_digest, recipe)
        new = NewVersion(
            dataset=completed.dataset,
            manifest_digest=completed.manifest_digest,
            origin="committed" if completed.origin == "committed" else "registered",
            lake_url=completed.lake_url,
            profile=completed.profile,
            message="restored from the volume by recover",
            made_by=MadeBy(),
            subset=completed.subset,
            selection=completed.selection,
        )
        version = self._hub.catalog.restore_version(new, completed.number)
        self._done.restored.append(version.ref)
        return version

    def _forget(self, replica: Replica) -> None:
        version = self._hub.catalog.resolve(replica.ref)
        self._hub.replicas.forget(self._volume_id, version, "not on the volume (recover)", token=replica.token)

    def _damage(self, tree: TreeFound) -> None:
        unmark(tree.path, self._disk)
        for digest in tree.bad_digests:
            self._quarantine(tree.group, digest)
        version = self._hub.catalog.resolve(tree.ref)
        self._hub.replicas.mark_damaged(self._volume_id, version, tree.fault or "its marker is gone")

    def _quarantine_tree(self, tree: Path) -> None:
        quarantine_tree(self._layout, tree, self._disk, now=self._now)

    def _quarantine(self, group: str, digest: str) -> None:
        quarantine_blob(self._layout, group, digest, self._disk, now=self._now)

    def _discard_unfinished(self, tree: TreeFound) -> None:
        # Its fill's reservation covered it, which ends before the trash is emptied; the last step counts anew.
        self._hub.volumes.free_bytes(self._volume_id, -freed_bytes_below(tree.path))
        discard(self._layout, tree.path, f"unfinished-{tree.dataset}-{tree.path.name}-{self._now:.6f}", self._disk)

    def _end_fill(self, fill: OpenFill) -> None:
        """A holder that is gone: its record says so, and its reservation is what it left behind."""
        folder = self._layout.fill(fill.fill_id)
        kept_bytes = placed_bytes(folder) + held_bytes(folder)
        with suppress(ConflictError):
            self._hub.fills.fail(fill.fill_id, fill.token, "its process is gone", kept_bytes)

    def _quarantine_unlisted(self) -> None:
        """Blobs that only the fills ended just now listed, as evictions had left them there for these: no loss."""
        ended = self._done.repairs.end_fills
        orphans = _plan(self._hub, self._layout, self._volume_id, self._now, self._terms).orphan_blobs if ended else {}
        for fill in ended if orphans else ():
            group, digests = listed_digests(self._layout, self._hub.catalog, fill.ref)
            for digest in sorted(digests.intersection(orphans.get(group, ()))):
                self._try(digest, self._quarantine, group, digest)

    def _remove_strays(self) -> None:
        """Folders that no fill owns, those of fills that were ended just now included; canaries of the dead."""
        names = names_in(self._layout.incoming)
        owned = {fill.fill_id for fill in self._hub.fills.open_fills(self._volume_id)}
        for name in names:
            if name not in owned:
                self._done.stuck += self._disk.remove_tree(self._layout.incoming / name)
        for canary in self._layout.root.glob(f"*{LEFT}*"):
            self._disk.unlink(canary)

    def _end_eviction(self, replica: Replica) -> None:
        error = self._evictor.evict(replica, replica.reason).error
        if error is not None:
            raise error

    def _empty_trash(self) -> None:
        busy = [
            f"evicted-{replica.group}-{replica.dataset}-{tree_name(replica.number, replica.subset)}"
            for replica in self._hub.replicas.all(self._volume_id)
            if replica.state is ReplicaState.EVICTING
        ]
        live = (fill for fill in self._hub.fills.open_fills(self._volume_id) if fill.live)
        busy += [self._layout.replaced_by(fill.fill_id, fill.token) for fill in live]
        for name in names_in(self._layout.trash):
            if rests(name, self._now) or name.startswith(tuple(busy)):
                continue
            stuck = self._disk.remove_tree(self._layout.trash / name)
            self._done.stuck += stuck
            self._done.emptied_trash += not stuck

    def _count(self) -> None:
        """Replace the account by what is there; not while an eviction runs, which reports what it takes itself."""
        # What was deleted must not be back after a power cut, when nobody would answer for it.
        self._disk.sync_file_system(self._layout.root)
        added_bytes = self._hub.volumes.get(self._volume_id).added_bytes
        self._done.used_bytes = account_bytes(self._layout, self._hub.fills.open_fills(self._volume_id))
        if all(item.state is not ReplicaState.EVICTING for item in self._hub.replicas.all(self._volume_id)):
            self._hub.volumes.set_used_bytes(self._volume_id, self._done.used_bytes, added_bytes)
