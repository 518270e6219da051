"""Why something is as it is: of a run, task, rule, site or version, all that its state has to say for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote

from forebay.catalog.names import did_you_mean
from forebay.errors import InputError, NotFoundError
from forebay.runs.request import SITE
from forebay.sites.downtime import Window, foretold
from forebay.sites.labels import parse_labels
from forebay.sites.rules import begun_by, placeless, told
from forebay.sites.state import unblocks
from forebay.wire.cache import Replica, ReplicaState, VolumeState
from forebay.wire.catalog import Version
from forebay.wire.downtimes import Downtime
from forebay.wire.hub import Hub
from forebay.wire.rules import Rule, RulePlace
from forebay.wire.runs import Run, RunQuery
from forebay.wire.sites import SiteRecord, Task, TaskKind

_NEAR = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """One state with its story. `what` is `run`, `rule`, `site`, `version`, `replica` or a kind of task.

    `site` is "" for none. `last_error` has a line for each object that failed.
    """

    thing: str
    what: str
    site: str
    state: str
    reason: str
    since: float
    attempts: int = 0
    next_try_at: float = 0.0
    last_error: str = ""
    unblock: str = ""


def why(hub: Hub, thing: str, site: str = "", *, now: float = 0.0) -> list[Why]:
    """A run, a rule or a task by (the beginning of) its id, a site by its name, or a version at its sites, or at one.

    Downtimes that begin after `now` are still to come.
    NotFoundError `nothing-found`, `site-not-found`; InputError `bad-ref`, `ambiguous-rule`.
    """
    if "@" in thing:
        return _of_version(hub, hub.catalog.resolve(thing), site)
    found = _run(hub, thing)
    if found is not None:
        return [_of_run(found), *(_of_task(task) for task in hub.sites.tasks() if task.run_id == found.run_id)]
    sites = [record for record in hub.sites.all() if record.name == thing]
    if sites:
        return [_of_site(hub, sites[0], now)]
    # A whole name is meant rather than the beginning of an id.
    if any(dataset.name == thing for dataset in hub.catalog.datasets()):
        return _of_version(hub, hub.catalog.resolve(thing), site)
    rule = begun_by(hub.rules.all(), thing)
    if rule is not None:
        return _of_rule(hub, rule, site)
    tasks = [task for task in hub.sites.tasks() if task.task_id.startswith(thing)]
    if len(tasks) == 1:
        return [_of_task(tasks[0])]
    try:
        return _of_version(hub, hub.catalog.resolve(thing), site)
    except NotFoundError:
        raise _nothing(hub, thing) from None


def _run(hub: Hub, run_id: str) -> Run | None:
    try:
        return hub.runs.get(run_id)
    except NotFoundError:
        return None
    except InputError as error:
        if error.kind == "bad-name":
            return None
        raise


def _of_run(run: Run) -> Why:
    return Why(
        thing=run.run_id,
        what="run",
        site=run.site,
        state=run.state.value,
        reason=run.reason,
        since=run.since,
        attempts=len(run.attempts),
        next_try_at=run.next_try_at,
        last_error=run.last_error,
        unblock=run.unblock,
    )


def _of_task(task: Task) -> Why:
    return Why(
        thing=task.ref or task.run_id or task.task_id,
        what=task.kind.value,
        site=task.site,
        state=task.state.value,
        reason=task.reason,
        since=task.since,
        attempts=task.attempts,
        next_try_at=task.next_try_at,
        last_error=task.last_error,
        unblock=task.unblock,
    )


def _of_site(hub: Hub, record: SiteRecord, now: float) -> Why:
    downtimes = hub.downtimes.all(record.name)
    planned = [foretold(_window(item)) for item in downtimes if item.begins_at > now]
    return Why(
        thing=record.name,
        what="site",
        site="",
        state=record.state.value,
        reason="; ".join(item for item in (record.reason, *planned) if item),
        since=record.since,
        unblock=unblocks(record, _volume_state(hub, record), has_downtime=len(planned) < len(downtimes)),
    )


def _window(item: Downtime) -> Window:
    return Window(begins_at=item.begins_at, ends_at=item.ends_at, reason=item.reason, planned_by=item.planned_by)


def _volume_state(hub: Hub, record: SiteRecord) -> VolumeState | None:
    try:
        return hub.volumes.get(record.volume_id).state
    except NotFoundError:
        return None


def _of_rule(hub: Hub, rule: Rule, site: str) -> list[Why]:
    """How it stands at each site; where it speaks of none, why not."""
    places = [place for place in rule.places if site in ("", place.site)]
    if places:
        return [_of_place(rule, place) for place in places]
    records = [record for record in hub.sites.all() if site in ("", record.name)]
    reason, unblock = placeless(rule, all_labels(records))
    state = "over" if rule.ended else "nowhere"
    return [
        Why(thing=_named(rule), what="rule", site=site, state=state, reason=reason, since=rule.made_at, unblock=unblock)
    ]


def all_labels(records: Sequence[SiteRecord]) -> dict[str, dict[str, str]]:
    """What rules see of sites: their labels and, as one more, their names."""
    return {record.name: {**parse_labels(record.labels), SITE: record.name} for record in records}


def _of_version(hub: Hub, version: Version, site: str) -> list[Why]:
    records = [hub.sites.get(site)] if site else hub.sites.all()
    if not records:
        todo = f"On this machine's volume: forebay cache why {version.ref}"
        raise NotFoundError("no-site", "This hub has no sites.", todo=todo)
    tasks, rules = hub.sites.tasks(site), hub.rules.all()
    found = [item for record in records for item in _at(hub, version, record, tasks, rules)]
    return [_of_retired(version), *found] if version.is_retired else found


def _of_retired(version: Version) -> Why:
    by = f"{version.retired_by}: " if version.retired_by else ""
    return Why(
        thing=version.ref,
        what="version",
        site="",
        state="retired",
        reason=f"{by}{version.retired_reason}; its replicas go from {_day(version.release_at)} on",
        since=version.retired_at,
        unblock=_restored(version.ref),
    )


def _at(hub: Hub, version: Version, record: SiteRecord, tasks: Sequence[Task], rules: Sequence[Rule]) -> list[Why]:
    try:
        replica = hub.replicas.get(record.volume_id, version)
    except NotFoundError:
        replica = None
    own = [task for task in tasks if task.site == record.name and task.ref == version.ref]
    places = [
        _of_place(rule, place)
        for rule in rules
        for place in rule.places
        if place.site == record.name and place.ref == version.ref
    ]
    comes = any(task.kind is TaskKind.FILL for task in own)
    return [_of_replica(version, record, replica, comes=comes), *map(_of_task, own), *places]


def _of_place(rule: Rule, place: RulePlace) -> Why:
    return Why(
        thing=f"{_named(rule)} for {place.ref or place.dataset}",
        what="rule",
        site=place.site,
        state=place.state.value,
        reason=place.reason,
        since=place.since,
        attempts=place.attempts,
        next_try_at=place.next_try_at,
        last_error=place.last_error,
        unblock=place.unblock,
    )


def _named(rule: Rule) -> str:
    return f"{rule.rule_id} ({told(rule.ref, newest=rule.newest, at=rule.at, owner=rule.owner)})"


def _of_replica(version: Version, record: SiteRecord, replica: Replica | None, *, comes: bool) -> Why:
    if replica is None:
        reason = "it is still to be brought there" if comes else "nobody has brought it there, or it was evicted"
        return Why(thing=version.ref, what="replica", site=record.name, state="absent", reason=reason, since=0.0)
    return Why(
        thing=version.ref,
        what="replica",
        site=record.name,
        state=replica.state.value,
        reason=replica.reason,
        since=replica.since,
        attempts=replica.attempts,
        unblock=_mends(version) if replica.state is ReplicaState.DAMAGED else "",
    )


def _restored(ref: str) -> str:
    return f"somebody brings it back: forebay dataset restore {quote(ref)}"


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _mends(version: Version) -> str:
    named = quote(version.ref)
    if version.is_retired:
        return f"{_restored(version.ref)}; or there: forebay cache evict {named}"
    there = f"forebay cache warm {named}, forebay cache evict {named}, or forebay cache recover if its files are back"
    return f"the next run that wants it there; or there: {there}"


def _nothing(hub: Hub, thing: str) -> NotFoundError:
    runs = [run.run_id for run in hub.runs.page(RunQuery(limit=_NEAR)).runs]
    names = [*runs, *(task.task_id for task in hub.sites.tasks()), *(item.name for item in hub.catalog.datasets())]
    names += [*(rule.rule_id for rule in hub.rules.all()), *(record.name for record in hub.sites.all())]
    otherwise = "Name a run (forebay runs ls), task (forebay sites tasks), rule (forebay rule ls), site or REF."
    todo = did_you_mean(thing, names, otherwise=otherwise)
    return NotFoundError("nothing-found", f"There is no run, task, rule, site or version {thing!r}.", todo=todo)
