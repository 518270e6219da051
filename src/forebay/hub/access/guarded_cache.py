"""Fills, leases and replicas for one principal. What somebody holds, only they go on with: ids and tokens are no keys.

A version that is hidden is answered like one that is not there; so are its fills and leases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from forebay.errors import ConflictError, NotFoundError
from forebay.hub.access.gate import Gate
from forebay.hub.access.rules import UNKNOWN, Action, Verdict
from forebay.hub.access.subjects import Held
from forebay.hub.access.trail import Deed
from forebay.hub.fills import fenced
from forebay.hub.leases import lost
from forebay.wire.cache import (
    Claim,
    EvictGrant,
    FillDone,
    Holder,
    Lease,
    NoRoom,
    OpenFill,
    Progress,
    Replica,
    Reserved,
    Wish,
)
from forebay.wire.catalog import Version
from forebay.wire.hub import Fills, Leases, Replicas

_NOT_THE_HOLDER = Verdict(allowed=False, reason="somebody else holds it")


def on_version(
    gate: Gate, call: str, action: Action, volume_id: str, version: Version, *, detail: str = "", quiet: bool = False
) -> None:
    """Let an action on a version at a volume through; ConflictError `group-moved` for one that was read too early."""
    found = gate.on_dataset(
        call,
        action,
        version.dataset,
        ref=version.ref,
        detail=detail,
        volume_id=volume_id,
        missing=lambda: NotFoundError("version-not-found", f"no version {version.ref}"),
        quiet=quiet,
    )
    if found.group != version.group:
        raise ConflictError(
            "group-moved", f"who may read {version.dataset} was changed meanwhile", todo="Ask for the version again."
        )


def require_holder(gate: Gate, call: str, fill_id: str, *, or_tend: bool = False, quiet: bool = True) -> None:
    """Let the fill's holder through; ConflictError `fenced` where there is no such fill."""
    held = gate.access.subjects.fill(fill_id)
    if held is None:
        gate.refuse(
            Deed(action=Action.WARM.value, call=call, detail=f"fill {fill_id}"), UNKNOWN, lambda: fenced(fill_id)
        )
    own = _is_own(gate, held)
    gate.on_dataset(
        call,
        Action.WARM if own or not or_tend else Action.TEND,
        held.dataset,
        ref=held.ref,
        volume_id=held.volume_id,
        missing=lambda: fenced(fill_id),
        quiet=quiet or not (own or or_tend),
    )
    if not (own or or_tend):
        deed = Deed(action=Action.WARM.value, call=call, dataset=held.dataset, ref=held.ref)
        gate.refuse(deed, _NOT_THE_HOLDER)


class GuardedFills:
    """Implements `wire.hub.Fills`."""

    def __init__(self, fills: Fills, gate: Gate) -> None:
        self._fills = fills
        self._gate = gate

    def claim(self, volume_id: str, version: Version, holder: Holder, *, dead_token: int = 0) -> Claim:
        on_version(self._gate, "fills.claim", Action.WARM, volume_id, version)
        return self._fills.claim(volume_id, version, _own(self._gate, holder), dead_token=dead_token)

    def look(self, volume_id: str, version: Version) -> Claim | None:
        on_version(self._gate, "fills.look", Action.READ, volume_id, version)
        return self._fills.look(volume_id, version)

    def reserve(
        self, fill_id: str, token: int, need_bytes: int, free_bytes: int, team_bytes: int = 0
    ) -> Reserved | NoRoom:
        require_holder(self._gate, "fills.reserve", fill_id)
        return self._fills.reserve(fill_id, token, need_bytes, free_bytes, team_bytes)

    def renew(self, fill_id: str, token: int, progress: Progress) -> None:
        require_holder(self._gate, "fills.renew", fill_id)
        self._fills.renew(fill_id, token, progress)

    def finish(self, fill_id: str, token: int, done: FillDone) -> Replica:
        require_holder(self._gate, "fills.finish", fill_id, quiet=False)
        return self._fills.finish(fill_id, token, done)

    def fail(self, fill_id: str, token: int, reason: str, kept_bytes: int, *, damaged: bool = False) -> None:
        """The holder's, or of who tends the volume and recovers what a dead one left."""
        require_holder(self._gate, "fills.fail", fill_id, or_tend=True, quiet=False)
        self._fills.fail(fill_id, token, reason, kept_bytes, damaged=damaged)

    def prefer(self, volume_id: str, version: Version, entries: Sequence[int]) -> None:
        on_version(self._gate, "fills.prefer", Action.OPEN, volume_id, version, quiet=True)
        self._fills.prefer(volume_id, version, entries)

    def wishes(self, fill_id: str, token: int, after: int) -> list[Wish]:
        held = self._visible(fill_id)
        if held is None or not _is_own(self._gate, held):
            return []
        return self._fills.wishes(fill_id, token, after)

    def open_fills(self, volume_id: str) -> list[OpenFill]:
        self._gate.on_volume("fills.open_fills", Action.READ, volume_id)
        found = self._fills.open_fills(volume_id)
        if self._gate.sees_all:
            return found
        visible = self._gate.visible_of(_dataset(item.ref) for item in found)
        return [item for item in found if _dataset(item.ref) in visible]

    def abandon(self, fill_id: str) -> int:
        held = self._visible(fill_id)
        if held is None:
            return 0
        self._gate.on_volume("fills.abandon", Action.TEND, held.volume_id, ref=held.ref)
        return self._fills.abandon(fill_id)

    def _visible(self, fill_id: str) -> Held | None:
        held = self._gate.access.subjects.fill(fill_id)
        return held if held is not None and self._gate.visible_of([held.dataset]) else None


class GuardedLeases:
    """Implements `wire.hub.Leases`."""

    def __init__(self, leases: Leases, gate: Gate) -> None:
        self._leases = leases
        self._gate = gate

    def take(self, volume_id: str, version: Version, holder: Holder) -> Lease:
        on_version(self._gate, "leases.take", Action.OPEN, volume_id, version)
        return self._leases.take(volume_id, version, _own(self._gate, holder))

    def renew(self, lease_id: str) -> Lease:
        """Also after a right was taken away the holder's lease ends here, as one that is lost."""
        held = self._gate.access.subjects.lease(lease_id)
        deed = Deed(action=Action.OPEN.value, call="leases.renew", detail=f"lease {lease_id}")
        if held is None:
            self._gate.refuse(deed, UNKNOWN, lambda: lost(lease_id))
        self._gate.on_dataset(
            "leases.renew",
            Action.OPEN,
            held.dataset,
            ref=held.ref,
            volume_id=held.volume_id,
            missing=lambda: lost(lease_id),
            quiet=True,
        )
        if not _is_own(self._gate, held):
            self._gate.refuse(replace(deed, dataset=held.dataset, ref=held.ref), _NOT_THE_HOLDER)
        return self._leases.renew(lease_id)

    def release(self, lease_id: str) -> None:
        """Its holder's, whatever that one may do by now; of one that is hidden nothing is told and nothing is done."""
        held = self._gate.access.subjects.lease(lease_id)
        if held is not None and _is_own(self._gate, held):
            self._leases.release(lease_id)
        elif held is not None and self._gate.visible_of([held.dataset]):
            deed = Deed(action=Action.OPEN.value, call="leases.release", dataset=held.dataset, ref=held.ref)
            self._gate.refuse(deed, _NOT_THE_HOLDER)

    def live(self, volume_id: str) -> list[Lease]:
        self._gate.on_volume("leases.live", Action.READ, volume_id)
        return self._visible(self._leases.live(volume_id))

    def lapsed(self, volume_id: str) -> list[Lease]:
        self._gate.on_volume("leases.lapsed", Action.READ, volume_id)
        return self._visible(self._leases.lapsed(volume_id))

    def _visible(self, found: list[Lease]) -> list[Lease]:
        if self._gate.sees_all:
            return found
        visible = self._gate.visible_of(item.dataset for item in found)
        return [item for item in found if item.dataset in visible]


class GuardedReplicas:
    """Implements `wire.hub.Replicas`."""

    def __init__(self, replicas: Replicas, gate: Gate) -> None:
        self._replicas = replicas
        self._gate = gate

    def all(self, volume_id: str) -> list[Replica]:
        self._gate.on_volume("replicas.all", Action.READ, volume_id)
        found = self._replicas.all(volume_id)
        if self._gate.sees_all:
            return found
        visible = self._gate.visible_of(item.dataset for item in found)
        return [item for item in found if item.dataset in visible]

    def get(self, volume_id: str, version: Version) -> Replica | None:
        on_version(self._gate, "replicas.get", Action.READ, volume_id, version)
        return self._replicas.get(volume_id, version)

    def pin(self, volume_id: str, version: Version, by: str, reason: str, until: float) -> Replica:
        on_version(self._gate, "replicas.pin", Action.PIN, volume_id, version, detail=reason)
        return self._replicas.pin(volume_id, version, self._gate.principal.name, reason, until)

    def unpin(self, volume_id: str, version: Version) -> Replica:
        on_version(self._gate, "replicas.unpin", Action.PIN, volume_id, version)
        return self._replicas.unpin(volume_id, version)

    def confirm_lake(self, volume_id: str, version: Version) -> None:
        on_version(self._gate, "replicas.confirm_lake", Action.EVICT, volume_id, version, quiet=True)
        self._replicas.confirm_lake(volume_id, version)

    def begin_evict(self, volume_id: str, version: Version, reason: str) -> EvictGrant:
        on_version(self._gate, "replicas.begin_evict", Action.EVICT, volume_id, version, detail=reason)
        return self._replicas.begin_evict(volume_id, version, reason)

    def renew_evict(self, volume_id: str, version: Version, token: int) -> None:
        on_version(self._gate, "replicas.renew_evict", Action.EVICT, volume_id, version, quiet=True)
        self._replicas.renew_evict(volume_id, version, token)

    def abandon_evict(self, volume_id: str, version: Version, token: int) -> None:
        on_version(self._gate, "replicas.abandon_evict", Action.EVICT, volume_id, version, quiet=True)
        self._replicas.abandon_evict(volume_id, version, token)

    def cancel_evict(self, volume_id: str, version: Version, token: int, reason: str, *, damaged: bool) -> None:
        on_version(self._gate, "replicas.cancel_evict", Action.EVICT, volume_id, version, detail=reason)
        self._replicas.cancel_evict(volume_id, version, token, reason, damaged=damaged)

    def finish_evict(self, volume_id: str, version: Version, token: int, freed_bytes: int) -> None:
        on_version(self._gate, "replicas.finish_evict", Action.EVICT, volume_id, version)
        self._replicas.finish_evict(volume_id, version, token, freed_bytes)

    def mark_verified(self, volume_id: str, version: Version, token: int) -> None:
        on_version(self._gate, "replicas.mark_verified", Action.TEND, volume_id, version, quiet=True)
        self._replicas.mark_verified(volume_id, version, token)

    def mark_damaged(self, volume_id: str, version: Version, reason: str, *, token: int = 0) -> Replica:
        on_version(self._gate, "replicas.mark_damaged", Action.TEND, volume_id, version, detail=reason)
        return self._replicas.mark_damaged(volume_id, version, reason, token=token)

    def adopt(self, volume_id: str, version: Version, token: int, fill_seconds: float) -> Replica:
        """What is found where its bytes may not be does not become a replica there."""
        on_version(self._gate, "replicas.adopt", Action.WARM, volume_id, version, quiet=True)
        on_version(self._gate, "replicas.adopt", Action.TEND, volume_id, version)
        return self._replicas.adopt(volume_id, version, token, fill_seconds)

    def forget(self, volume_id: str, version: Version, reason: str, *, token: int = 0) -> None:
        on_version(self._gate, "replicas.forget", Action.TEND, volume_id, version, detail=reason)
        self._replicas.forget(volume_id, version, reason, token=token)


def _own(gate: Gate, holder: Holder) -> Holder:
    """The holder under the name of who really asks."""
    return replace(holder, user=gate.principal.name)


def _is_own(gate: Gate, held: Held) -> bool:
    return held.holder == gate.principal.name


def _dataset(ref: str) -> str:
    return ref.partition("@")[0]
