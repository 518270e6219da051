"""What a site's agent tells of itself, beside what it tells of its volume (volume_families)."""

from __future__ import annotations

from forebay.metrics.family import Family, Kind, Scope


def _agent(name: str, kind: Kind, meaning: str, *labels: str) -> Family:
    return Family(name=name, kind=kind, scope=Scope.AGENT, meaning=meaning, labels=("site", *labels))


INFO = _agent("forebay_agent_info", Kind.GAUGE, "1; the release of forebay", "version")
READY = _agent(
    "forebay_agent_ready", Kind.GAUGE, "1 while the hub has it for its site's, and took a beat within the hold"
)
TASKS = _agent("forebay_agent_tasks", Kind.GAUGE, "Tasks under way: fill, evict, run or scrub", "kind")
TASKS_ENDED = _agent(
    "forebay_agent_tasks_ended_total",
    Kind.COUNTER,
    "Tasks that ended here: done, failed or cancelled; also those that were refused, or that the hub had given away",
    *("kind", "outcome"),
)
BEAT_AGE = _agent(
    "forebay_agent_beat_age_seconds",
    Kind.GAUGE,
    "Since the last beat was sent that the hub took; attaching is one; absent before",
)
BEATS_FAILED = _agent(
    "forebay_agent_beats_failed_total", Kind.COUNTER, "Beats that the hub did not answer, or would not take for now"
)

AGENT = (INFO, READY, TASKS, TASKS_ENDED, BEAT_AGE, BEATS_FAILED)
