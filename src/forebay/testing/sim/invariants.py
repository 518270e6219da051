"""What holds after every event, whatever goes wrong. The names are those of the design.

What acts for itself (a job that begins, an eviction, recover) asserts at that moment what only holds there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from forebay.wire.cache import ReplicaState
from forebay.wire.runs import RunState

if TYPE_CHECKING:
    from forebay.runs.machine import Course
    from forebay.testing.sim.world import World


class Watch:
    """Looks at a world; remembers what may only grow, and what is final."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._agent_tokens: dict[str, int] = {}
        self._tokens: dict[tuple[str, str], int] = {}
        self._courses: dict[str, Course] = {}
        self._all_volumes = list(world.volumes.values())
        self._all_sites = list(world.hub.sites.values())
        self._replicas = -1
        self._volumes: list[int] = []
        self._jobs = -1
        self._seen_agents: list[int] = []

    def look(self) -> None:
        """What has not changed since is as it was when it was looked at."""
        world = self._world
        volumes = [volume.changes for volume in self._all_volumes]
        if volumes != self._volumes or world.keeper.changes != self._replicas:
            self._verified()
            self._one_fill()
            self._fits()
            self._tokens_grow()
        if volumes != self._volumes or world.jobs.changes != self._jobs:
            self._in_use()
        self._volumes, self._replicas, self._jobs = volumes, world.keeper.changes, world.jobs.changes
        agents = [row.agent_token for row in self._all_sites]
        if agents != self._seen_agents:
            self._seen_agents = agents
            self._agents()
        if world.hub.changed:
            for course in world.hub.changed:
                self._run(course)
            world.hub.changed.clear()

    def look_at_the_end(self) -> None:
        """All was made good: what people want has come about, or failed for a reason."""
        for kept in self._world.hub.runs.values():
            run = kept.course.run
            assert run.state.is_final, f"PROGRESS: {run.run_id} is {run.state}: {run.reason} ({run.unblock})"

    def _verified(self) -> None:
        for (site, ref), facts in self._world.keeper.facts.items():
            volume = self._world.volumes[site]
            if facts.state is ReplicaState.READY:
                assert ref in volume.trees, f"VERIFIED: {ref} is ready at {site}, and has no tree"
                by = volume.trees[ref]
                assert by == facts.token, f"FENCED: {ref} is ready at {site} by {facts.token}, its tree is {by}'s"
        for site, volume in self._world.volumes.items():
            for ref in volume.trees:
                for name in self._world.datasets[ref].objects:
                    assert name in volume.blobs, f"VERIFIED: {name} of {ref} is not at {site}"

    def _one_fill(self) -> None:
        for site, volume in self._world.volumes.items():
            for name, times in volume.came.items():
                assert times <= 1 + volume.went[name], f"ONE-FILL: {name} came {times} times to {site}"

    def _fits(self) -> None:
        for site, volume in self._world.volumes.items():
            most_bytes = volume.limit_bytes + volume.unknowing_bytes
            assert volume.used_bytes <= most_bytes, f"FITS: {volume.used_bytes} bytes at {site}"

    def _agents(self) -> None:
        for row in self._world.hub.sites.values():
            before = self._agent_tokens.get(row.name, 0)
            assert row.agent_token >= before, f"FENCED: the token of {row.name} went back"
            self._agent_tokens[row.name] = row.agent_token

    def _tokens_grow(self) -> None:
        for place, facts in self._world.keeper.facts.items():
            assert facts.token >= self._tokens.get(place, 0), f"FENCED: the token of {place} went back"
            self._tokens[place] = facts.token

    def _in_use(self) -> None:
        for jobs in self._world.jobs.alive.values():
            assert len(jobs) <= 1, f"ONCE: {jobs[0].run.run_id} goes on twice"
            for job in jobs:
                for ref in job.refs:
                    here = ref in self._world.volumes[job.site].trees
                    assert here, f"IN-USE: {job.run.run_id} reads {ref}, which is gone from {job.site}"

    def _run(self, course: Course) -> None:
        run = course.run
        before = self._courses.get(run.run_id)
        self._courses[run.run_id] = course
        assert (course.hold is None) == (course.under_way is None), f"ONCE: {run.run_id} is held and not under way"
        assert run.state.is_final or (run.reason and run.unblock), f"WHY: {run.run_id} does not say why it waits"
        numbers = [attempt.number for attempt in run.attempts]
        assert numbers == list(range(1, len(numbers) + 1)), f"ONCE: attempts {numbers}"
        known = len(before.run.attempts) if before is not None else 0
        assert len(numbers) >= known, f"ONCE: an attempt of {run.run_id} is forgotten"
        open_before = [attempt for attempt in run.attempts[:-1] if attempt.ending is None]
        assert not open_before, f"ONCE: two attempts at {run.run_id} are under way"
        was_final = before is not None and before.run.state is RunState.SUCCEEDED
        assert not was_final or run.state is RunState.SUCCEEDED, f"FINAL: {run.run_id} had succeeded"
