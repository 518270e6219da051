"""The catalog for one principal: what is hidden is not in lists, lineage, parents or the text of any error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from forebay.catalog.names import check_dataset_name, parse_ref
from forebay.errors import ConflictError, ForebayError, NotFoundError
from forebay.hub.access.gate import Gate
from forebay.hub.access.outputs import submitter_of
from forebay.hub.access.rules import HIDDEN, UNKNOWN, Action, Agent, Data, Person, Verdict
from forebay.hub.access.trail import Deed
from forebay.wire.access import DatasetPolicy, Role
from forebay.wire.catalog import (
    AddedVersion,
    Dataset,
    Lineage,
    LineageEdge,
    NewSubset,
    NewVersion,
    TagMove,
    Version,
    ref_of,
)
from forebay.wire.hub import Catalog
from forebay.wire.runs import Runs


class GuardedCatalog:
    """Implements `wire.hub.Catalog`."""

    def __init__(self, catalog: Catalog, runs: Runs, gate: Gate) -> None:
        self._catalog = catalog
        self._runs = runs
        self._gate = gate

    def datasets(self) -> list[Dataset]:
        found = self._catalog.datasets()
        if self._gate.sees_all:
            return found
        visible = self._gate.visible()
        return [item for item in found if item.name in visible]

    def dataset(self, name: str) -> Dataset:
        self._gate.on_dataset("catalog.dataset", Action.READ, name)
        return self._catalog.dataset(name)

    def versions(self, name: str, *, retired: bool = False) -> list[Version]:
        self._gate.on_dataset("catalog.versions", Action.READ, name)
        return self.shown(self._catalog.versions(name, retired=retired))

    def resolve(self, ref: str) -> Version:
        self._gate.on_dataset("catalog.resolve", Action.READ, parse_ref(ref).dataset, ref=ref)
        return self.shown([self._catalog.resolve(ref)])[0]

    def store_manifest(self, parquet: Path) -> str:
        self._gate.on_whole("catalog.store_manifest", Action.WARM, quiet=True)
        return self._catalog.store_manifest(parquet)

    def manifest_path(self, manifest_digest: str) -> Path:
        self._require_manifest("catalog.manifest_path", Action.READ, manifest_digest, self._no_manifest)
        return self._catalog.manifest_path(manifest_digest)

    def store_seal(self, parquet: Path) -> str:
        self._gate.on_whole("catalog.store_seal", Action.WARM, quiet=True)
        return self._catalog.store_seal(parquet)

    def seal_path(self, manifest_digest: str) -> Path | None:
        if not self._sees_manifest(manifest_digest):
            return None
        return self._catalog.seal_path(manifest_digest)

    def seal(self, manifest_digest: str, seal_digest: str) -> None:
        self._require_manifest("catalog.seal", Action.WARM, manifest_digest, self._no_manifest)
        self._catalog.seal(manifest_digest, seal_digest)

    def store_recipe(self, manifest_digest: str, parquet: Path) -> None:
        self._gate.on_whole("catalog.store_recipe", Action.WARM, quiet=True)
        self._catalog.store_recipe(manifest_digest, parquet)

    def recipe_path(self, manifest_digest: str) -> Path:
        self._require_manifest("catalog.recipe_path", Action.READ, manifest_digest, self._no_recipe)
        return self._catalog.recipe_path(manifest_digest)

    def add_version(self, new: NewVersion) -> AddedVersion:
        """An agent adds outputs, in the name of who submitted their run."""
        who = self._gate.principal
        if isinstance(who, Agent):
            maker = submitter_of(self._gate, who, self._runs, new)
        else:
            self._may_add("catalog.add_version", Action.WRITE, new)
            maker = who.name
        added = self._catalog.add_version(replace(new, created_by=maker))
        return replace(added, version=self.shown([added.version])[0])

    def set_team(self, dataset: str, team: str) -> Dataset:
        told = f"team {team or 'none'}"
        deed = Deed(action=Action.GOVERN.value, call="catalog.set_team", dataset=dataset, detail=told)
        self._require_member(deed, team)
        self._gate.on_dataset("catalog.set_team", Action.GOVERN, dataset, detail=told)
        return self._catalog.set_team(dataset, team)

    def set_stale_after(self, dataset: str, seconds: float | None) -> Dataset:
        self._gate.on_dataset("catalog.set_stale_after", Action.GOVERN, dataset, detail=f"{seconds} s")
        return self._catalog.set_stale_after(dataset, seconds)

    def describe(self, dataset: str, description: str) -> Dataset:
        told = description.strip().partition("\n")[0][:80]
        self._gate.on_dataset(
            "catalog.describe", Action.GOVERN, dataset, detail=f"is {told!r}" if told else "is nothing"
        )
        return self._catalog.describe(dataset, description)

    def add_subset(self, new: NewSubset) -> Version:
        ref = ref_of(new.dataset, new.number, new.subset)
        self._gate.on_dataset("catalog.add_subset", Action.WARM, new.dataset, ref=ref)
        declared = self._catalog.add_subset(replace(new, created_by=self._gate.principal.name))
        return self.shown([declared])[0]

    def remove_version(self, dataset: str, number: int) -> None:
        ref = ref_of(dataset, number)
        self._gate.on_dataset("catalog.remove_version", Action.REMOVE, dataset, ref=ref)
        self._removing(ref, dataset, [number], lambda: self._catalog.remove_version(dataset, number))

    def remove_dataset(self, name: str) -> None:
        self._gate.on_dataset("catalog.remove_dataset", Action.REMOVE, name)
        numbers = [item.number for item in self._catalog.versions(name, retired=True)]
        self._removing(name, name, numbers, lambda: self._catalog.remove_dataset(name))

    def tag(self, dataset: str, tag: str, number: int, moved_by: str) -> TagMove:
        ref = ref_of(dataset, number)
        self._gate.on_dataset("catalog.tag", Action.TAG, dataset, ref=ref, detail=f"tag {tag}")
        return self._catalog.tag(dataset, tag, number, self._gate.principal.name)

    def untag(self, dataset: str, tag: str, moved_by: str) -> TagMove:
        self._gate.on_dataset("catalog.untag", Action.TAG, dataset, detail=f"tag {tag}")
        return self._catalog.untag(dataset, tag, self._gate.principal.name)

    def tag_history(self, dataset: str, tag: str | None = None) -> list[TagMove]:
        self._gate.on_dataset("catalog.tag_history", Action.READ, dataset)
        return self._catalog.tag_history(dataset, tag)

    def restore_version(self, new: NewVersion, number: int) -> Version:
        """Recover: an agent puts back what it found as it was; what a person puts back has that one's name.

        An agent puts back only what the hub once counted, else its token could make a dataset's latest version.
        """
        if isinstance(self._gate.principal, Agent) and not self._counted(new.dataset, number):
            deed = Deed(action=Action.TEND.value, call="catalog.restore_version", dataset=new.dataset)
            self._gate.refuse(
                deed, Verdict(allowed=False, reason="the hub knows no such version: an engineer recovers")
            )
        self._may_add("catalog.restore_version", Action.TEND, new)
        if isinstance(self._gate.principal, Person):
            new = replace(new, created_by=self._gate.principal.user)
        return self.shown([self._catalog.restore_version(new, number)])[0]

    def lineage(self, dataset: str, number: int) -> Lineage:
        self._gate.on_dataset("catalog.lineage", Action.READ, dataset, ref=ref_of(dataset, number))
        found = self._catalog.lineage(dataset, number)
        if self._gate.sees_all:
            return found
        edges = (*found.upstream, *found.downstream)
        visible = self._gate.visible_of(_dataset(ref) for edge in edges for ref in (edge.parent, edge.child))
        return pruned(found, visible)

    def _counted(self, dataset: str, number: int) -> bool:
        if not self._gate.visible_of([dataset]):
            return False
        return any(number <= item.number for item in self._catalog.versions(dataset, retired=True)[:1])

    def shown(self, versions: list[Version]) -> list[Version]:
        """Versions without the parents that are hidden."""
        if self._gate.sees_all:
            return versions
        visible = self._gate.visible_of(parent.dataset for version in versions for parent in version.parents)
        return [
            replace(version, parents=tuple(parent for parent in version.parents if parent.dataset in visible))
            for version in versions
        ]

    def _may_add(self, call: str, action: Action, new: NewVersion) -> None:
        """To a dataset that is there, was there or is new; from parents that are visible, for a team of one's own."""
        deed = Deed(action=action.value, call=call, dataset=new.dataset)
        self._require_member(deed, new.team)
        for parent in new.parents:
            if parent.dataset != new.dataset:
                self._gate.on_dataset(call, Action.READ, parent.dataset, ref=parent.ref)
        who = self._gate.principal
        if isinstance(who, Person) and who.only and new.dataset not in who.only:
            self._gate.refuse(deed, Verdict(allowed=False, reason="the token is for other datasets"))
        known = self._gate.access.subjects.data(new.dataset, who)
        if known is None:
            name = check_dataset_name(new.dataset)
            known = Data(name=name, owner=who.name, policy=DatasetPolicy(dataset=name))
        elif not self._gate.sees(known):
            # The one answer that tells of a hidden dataset: two can't have one name, whoever asks.
            taken = ConflictError("name-taken", f"The name {new.dataset!r} cannot be used.", todo="Choose another one.")
            self._gate.refuse(deed, HIDDEN, lambda: taken)
        self._gate.on(deed, action, known)

    def _require_member(self, deed: Deed, team: str) -> None:
        """Nobody counts a dataset against the quotas of a team that is not theirs."""
        who = self._gate.principal
        if not team or not isinstance(who, Person) or who.role is Role.ADMIN or team in who.teams:
            return
        self._gate.refuse(deed, Verdict(allowed=False, reason=f"only a member of the team {team!r} may make it theirs"))

    def _sees_manifest(self, manifest_digest: str) -> bool:
        if self._gate.sees_all:
            return True
        found = self._gate.access.subjects.with_manifest(manifest_digest, self._gate.principal)
        return any(self._gate.sees(item) for item in found)

    def _require_manifest(
        self, call: str, action: Action, manifest_digest: str, missing: Callable[[str], ForebayError]
    ) -> None:
        """Through any dataset that has it and allows this; a manifest that no version has yet is nobody's to see."""
        if action is not Action.READ:
            self._gate.on_whole(call, action, quiet=True)
        if not self._sees_manifest(manifest_digest):
            deed = Deed(action=action.value, call=call, detail=f"manifest {manifest_digest}")
            self._gate.refuse(deed, UNKNOWN, lambda: missing(manifest_digest))

    def _no_manifest(self, manifest_digest: str) -> ForebayError:
        return NotFoundError("manifest-not-found", f"The catalog has no manifest {manifest_digest}.")

    def _no_recipe(self, manifest_digest: str) -> ForebayError:
        return NotFoundError("recipe-not-found", f"The catalog has no recipe {manifest_digest}.")

    def _removing(self, what: str, dataset: str, numbers: Sequence[int], remove: Callable[[], None]) -> None:
        """What forbids a removal is told without the names of hidden datasets."""
        try:
            remove()
        except ConflictError as error:
            if error.kind != "has-children" or self._gate.sees_all:
                raise
            edges = [edge for number in numbers for edge in self.lineage(dataset, number).downstream]
            mine = {ref_of(dataset, number) for number in numbers}
            children = sorted({edge.child for edge in edges if edge.parent in mine and edge.child not in mine})
            made = f"what {', '.join(children)} was made from" if children else "what other versions were made from"
            raise ConflictError("has-children", f"{what} is {made}.", todo=error.todo) from None


def pruned(found: Lineage, visible: set[str]) -> Lineage:
    """A lineage with only the edges that visible datasets lead to: one behind a hidden version tells of that."""
    return Lineage(
        of=found.of,
        upstream=_reached(found.of, found.upstream, visible, lambda edge: (edge.child, edge.parent)),
        downstream=_reached(found.of, found.downstream, visible, lambda edge: (edge.parent, edge.child)),
    )


def _reached(
    start: str,
    edges: Sequence[LineageEdge],
    visible: set[str],
    ends: Callable[[LineageEdge], tuple[str, str]],
) -> tuple[LineageEdge, ...]:
    reached, kept = {start}, set[LineageEdge]()
    while True:
        more = {edge for edge in edges if ends(edge)[0] in reached and _dataset(ends(edge)[1]) in visible} - kept
        if not more:
            return tuple(edge for edge in edges if edge in kept)
        kept |= more
        reached |= {ends(edge)[1] for edge in more}


def _dataset(ref: str) -> str:
    return ref.partition("@")[0]
