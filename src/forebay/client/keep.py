"""Why a version is here or is not, and letting replicas go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

from forebay.cache.evict import Evicted
from forebay.cache.policy import Decision, Rule
from forebay.cache.selection import Selection
from forebay.client.session import Session
from forebay.errors import ConflictError
from forebay.sites.tasks import RULES
from forebay.wire.cache import CacheEvent, Lease, OpenFill, Replica, ReplicaState
from forebay.wire.catalog import Version

_HISTORY = 10_000
_BRING_SUBSET = "bring it here: forebay cache warm, with the same options"
_GOES = "it goes with the next sweep: after any fill here, and every ten minutes where an agent runs"
_NEVER_EVICTED = (Rule.IN_USE, Rule.PINNED, Rule.BUSY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`reason` is why it is as it is, in one line; `todo` what would change that ("" where nothing needs to).

    `selects` is what a subset selects of its version ("" for a whole one).
    """

    ref: str
    selects: str
    state: ReplicaState
    reason: str
    path: Path
    todo: str
    replica: Replica | None
    leases: tuple[Lease, ...]
    fill: OpenFill | None
    last_event: CacheEvent | None


def explain(session: Session, version: Version, *, declared: bool = True) -> Explanation:
    """Everything that is known about one version on the volume, or about a subset that nobody has `declared`."""
    hub, cache = session.hub, session.cache
    replica = hub.replicas.get(cache.volume_id, version) if declared else None
    fill = next((item for item in hub.fills.open_fills(cache.volume_id) if item.ref == version.ref), None)
    leases = tuple(item for item in hub.leases.live(cache.volume_id) if item.ref == version.ref)
    events = hub.volumes.events(cache.volume_id, _HISTORY)
    last = next((item for item in events if item.ref == version.ref), None)
    decision = None if replica is None else cache.decisions().of(version.ref)
    return Explanation(
        ref=version.ref,
        selects=str(Selection.parse(version.selection)),
        state=replica.state if replica is not None else ReplicaState.ABSENT,
        reason=_reason(replica, decision, last),
        path=cache.path(version),
        todo=_todo(version, replica, decision, last) if declared else _BRING_SUBSET,
        replica=replica,
        leases=leases,
        fill=fill,
        last_event=last,
    )


def decide(session: Session, versions: Sequence[Version]) -> list[Decision]:
    """What policy says of every replica; or of these, which somebody wants to go: only use and pins stand against that.

    ConflictError `not-ready` when one of them is not on the volume.
    """
    decisions = list(session.cache.decisions())
    if not versions:
        return decisions
    by_ref = {decision.candidate.replica.ref: decision for decision in decisions}
    for version in versions:
        if version.ref not in by_ref:
            raise ConflictError(
                "not-ready", f"{version.ref} is not on this volume", todo=f"See: forebay cache why {quote(version.ref)}"
            )
    asked = [_asked_for(by_ref[version.ref], session.settings.user) for version in versions]
    freed = iter(session.cache.evictor.frees([item.candidate.replica.ref for item in asked if item.evict]))
    return [replace(item, frees_bytes=next(freed)) if item.evict else item for item in asked]


def evict_decided(session: Session, going: Sequence[Decision]) -> list[Evicted]:
    """Carry out what was decided, one after another; one that will not go delays no other."""
    return [session.cache.evictor.evict(item.candidate.replica, item.reason) for item in going]


def ready_versions(session: Session) -> list[Version]:
    """Every version that is ready on the volume."""
    ready = [item for item in session.cache.replicas() if item.state is ReplicaState.READY]
    return [session.hub.catalog.resolve(item.ref) for item in ready]


def _asked_for(decision: Decision, user: str) -> Decision:
    if decision.evict or decision.rule in _NEVER_EVICTED:
        return decision
    return replace(decision, evict=True, rule=Rule.ASKED, reason=f"{user} asked for it")


def _reason(replica: Replica | None, decision: Decision | None, last: CacheEvent | None) -> str:
    if replica is None:
        return _why_absent(last)
    # Of these two a decision repeats the state, which stands beside the reason.
    if (
        replica.state is ReplicaState.FILLING
        or decision is None
        or decision.rule in (Rule.DAMAGED, Rule.LOST, Rule.BUSY)
    ):
        return replica.reason
    return f"{decision.reason}; {_GOES}" if decision.evict else decision.reason


def _why_absent(last: CacheEvent | None) -> str:
    match last:
        case None:
            return "nobody has asked for it here yet"
        case CacheEvent(event="fill-failed"):
            return f"the last fill failed: {last.reason}"
        case _:
            return f"{last.event}: {last.reason}"


def _todo(version: Version, replica: Replica | None, decision: Decision | None, last: CacheEvent | None) -> str:
    ref = quote(version.ref)
    if version.is_retired:
        return f"bring it back: forebay dataset restore {ref}"
    if replica is None and last is not None and last.event == "fill-failed":
        return f"when that is mended: forebay cache warm {ref}"
    if replica is None:
        return f"bring it here: forebay cache warm {ref}"
    if replica.state is ReplicaState.DAMAGED:
        return f"bring it here anew: forebay cache warm {ref}; or let it go: forebay cache evict {ref}"
    if replica.pinned_by.startswith(RULES):
        return f"see the rule: forebay rule show {replica.pinned_by.removeprefix(RULES)}"
    if replica.pinned_by:
        return f"unpin it: forebay cache unpin {ref}"
    if replica.state is ReplicaState.READY and decision is not None and decision.evict:
        return f"keep it: forebay cache pin {ref}; or free its space now: forebay cache evict {ref}"
    return ""
