"""Recover: compares the hub's records with what a volume shows, by the cache's own plan, and forgets what has gone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from forebay.cache.machine import Facts, is_held
from forebay.cache.repair import Repairs, TreeFound, plan_repairs
from forebay.cache.volume import Completed
from forebay.errors import ForebayError
from forebay.testing.sim.agent import SimAgent
from forebay.testing.sim.hub import CACHE_TERMS
from forebay.testing.sim.volume import Dataset, Volume
from forebay.wire.cache import OpenFill, Progress, Replica, ReplicaState


class Recovery:
    """One look at a site's volume, by its agent."""

    def __init__(self, agent: SimAgent, volume: Volume, datasets: Mapping[str, Dataset]) -> None:
        self._agent = agent
        self._volume = volume
        self._datasets = datasets

    def begin(self) -> None:
        if self.has_mark():
            keeper, site = self._agent.hub.keeper, self._agent.site
            self._agent.ask("recover: the records", lambda: keeper.records(site), self._compare)

    def has_mark(self) -> bool:
        """Whether the volume is there: an empty folder is none."""
        return not self._volume.is_away

    def brakes(self, plan: Repairs) -> bool:
        return bool(plan.brake)

    def _compare(self, records: Mapping[str, Facts] | ForebayError) -> None:
        if isinstance(records, ForebayError):
            return
        plan = self._plan(records)
        if self.brakes(plan):
            return
        for replica in plan.forget:
            self._forget(replica.ref, replica.token)

    def _forget(self, ref: str, token: int) -> None:
        keeper, hub, site = self._agent.hub.keeper, self._agent.hub, self._agent.site
        # Whoever forgets a tree that lies there has taken an empty mount for evidence.
        assert ref not in self._volume.trees, f"BRAKE: {ref} is forgotten, and lies at {site}"
        self._agent.ask(f"forget {ref}", lambda: keeper.forget((site, ref), token, hub.now), lambda _found: None)

    def _plan(self, records: Mapping[str, Facts]) -> Repairs:
        now, hold_seconds = self._agent.machine.now, CACHE_TERMS.hold_seconds
        seen = {} if self._volume.is_away else self._volume.trees
        filling = {ref: facts for ref, facts in records.items() if facts.state is ReplicaState.FILLING}
        return plan_repairs(
            replicas=[self._replica(ref, facts) for ref, facts in records.items()],
            trees=[self._tree(ref, token) for ref, token in seen.items()],
            blobs=(),
            fills=[
                OpenFill(
                    fill_id=ref,
                    ref=ref,
                    token=facts.token,
                    holder="",
                    live=is_held(facts.held_until, now, hold_seconds),
                    reserved_bytes=0,
                    progress=Progress(),
                )
                for ref, facts in filling.items()
            ],
            incoming=(),
            now=now,
            hold_seconds=hold_seconds,
        )

    def _replica(self, ref: str, facts: Facts) -> Replica:
        dataset = self._datasets[ref]
        return Replica(
            volume_id=self._agent.site,
            dataset=dataset.name,
            number=1,
            group="",
            manifest_digest=ref,
            state=facts.state,
            reason="",
            since=facts.held_until - CACHE_TERMS.hold_seconds,
            token=facts.token,
            files=len(dataset.objects),
            size_bytes=dataset.size_bytes,
            fill_seconds=0.0,
            last_used_at=0.0,
            lake_confirmed_at=0.0,
            attempts=0,
            leases=facts.live_leases,
            pinned_by="",
            pin_reason="",
            pin_until=0.0,
        )

    def _tree(self, ref: str, token: int) -> TreeFound:
        dataset = self._datasets[ref]
        completed = Completed(
            dataset=dataset.name,
            number=1,
            group="",
            manifest_digest=ref,
            seal_digest="",
            origin="",
            lake_url="",
            profile="",
            token=token,
            files=len(dataset.objects),
            size_bytes=dataset.size_bytes,
            fill_seconds=0.0,
            completed_at=0.0,
        )
        path = Path(dataset.name, "v1")
        return TreeFound(group="", dataset=dataset.name, number=1, path=path, completed=completed, fault="")
