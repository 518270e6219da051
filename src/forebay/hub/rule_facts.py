"""What rules are decided on, read from the database: what each wants, sites, replicas, fills, and who its owner is now.

Reads only, inside the caller's transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.names import DigestRef, LatestRef, NumberRef, TagRef, check_tag_name, parse_ref
from forebay.catalog.records import LIVE, WHOLE
from forebay.catalog.tags import tag_moves
from forebay.hub import ledger, rule_rows, site_rows, task_rows
from forebay.hub.access import people
from forebay.hub.access.rules import Action, Data, Person, decide
from forebay.hub.access.subjects import data_named
from forebay.runs.request import SITE
from forebay.sites.labels import parse_expression, parse_labels
from forebay.sites.rules import Facts, Found, Hold, Keeping, Spot, Wanted
from forebay.sites.state import SiteTerms
from forebay.sites.tasks import LONGEST_BACKOFF_S, RULES, RUNS
from forebay.wire.access import Role, User
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import ref_of
from forebay.wire.rules import ALL_DATASETS, USED_LAST
from forebay.wire.sites import Task, TaskKind

RuleRef = LatestRef | NumberRef | TagRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """`versions` has the key of each version that is spoken of."""

    facts: Facts
    versions: Mapping[str, int]


@dataclass(slots=True, kw_only=True)
class _Shelf:
    """What the catalog says of the datasets that rules speak of."""

    data: dict[str, Data]
    tags: dict[tuple[str, str], int]
    newest: dict[str, int]
    versions: dict[str, int] = field(default_factory=dict)


def parse_rule_ref(ref: str) -> RuleRef:
    """As it is stored: `criteo@v3`, `criteo@prod`, `criteo` or `*@daily`. InputError `bad-ref`, `bad-name`."""
    dataset, at, tag = ref.partition("@")
    if dataset == ALL_DATASETS and at:
        return TagRef(dataset=ALL_DATASETS, tag=check_tag_name(tag))
    found = parse_ref(ref)
    assert not isinstance(found, DigestRef), "a digest is kept as the version's number"
    return found


def load(connection: Connection, now: float, terms: SiteTerms) -> Loaded | None:
    """All that a round needs; None where there is nothing to do."""
    rows = rule_rows.rows(connection)
    errands = [item for item in task_rows.opened(connection) if item.task.kind is TaskKind.FILL and not item.stopping]
    asked = tuple(item.task for item in errands if item.task.asked_by.startswith(RULES))
    if not rows and not asked:
        return None
    sites = site_rows.every(connection)
    in_force = [row for row in rows if not 0 < row.until <= now]
    held = rule_rows.holds(connection)
    shelf = _shelf(connection, in_force)
    owners = _owners(connection, in_force)
    rules = tuple(_with_users(connection, row, _keeping(row, shelf, owners), sites, held) for row in in_force)
    versions = {**shelf.versions, **{hold.ref: key for hold, key in held.items()}}
    facts = Facts(
        now=now,
        rules=rules,
        spots=tuple(_spot(row, now, terms) for row in sites),
        found=_found(connection, sites, versions, [item.task for item in errands], now),
        holds=frozenset(held),
        places=rule_rows.places(connection),
        tasks=asked,
    )
    return Loaded(facts=facts, versions=versions)


def volumes_of(holds: Iterable[Hold]) -> list[str]:
    """Where they are."""
    return sorted({hold.volume_id for hold in holds})


def _spot(row: site_rows.Row, now: float, terms: SiteTerms) -> Spot:
    stands = site_rows.stands(row, now, terms)
    return Spot(
        site=row["name"],
        volume_id=row["volume_id"],
        labels={**parse_labels(row["labels"]), SITE: row["name"]},
        state=stands.state,
        reason=stands.reason,
    )


def _shelf(connection: Connection, rows: Iterable[Any]) -> _Shelf:
    refs = [parse_rule_ref(row.ref) for row in rows]
    named = {ref.dataset for ref in refs} - {ALL_DATASETS}
    tags = {ref.tag for ref in refs if isinstance(ref, TagRef)}
    query = (
        sa.select(t.dataset.c.name.label("dataset"), t.tag.c.name, t.version.c.number)
        .join(t.tag, t.tag.c.dataset_id == t.dataset.c.dataset_id)
        .join(t.version, t.version.c.version_id == t.tag.c.version_id)
        .where(t.dataset.c.removed_at == 0, t.tag.c.name.in_(sorted(tags)))
    )
    tagged = {(row.dataset, row.name): row.number for row in connection.execute(query)}
    of_all = {ref.tag for ref in refs if isinstance(ref, TagRef) and ref.dataset == ALL_DATASETS}
    names = sorted(named | {dataset for dataset, tag in tagged if tag in of_all})
    shelf = _Shelf(
        data={name: item for name, item in data_named(connection, names).items() if not item.removed},
        tags=tagged,
        newest=_newest(connection, names),
    )
    wanted = {ref for row in rows for ref in _refs_of(row, shelf)}
    shelf.versions.update(_versions(connection, wanted))
    return shelf


def _newest(connection: Connection, names: Collection[str]) -> dict[str, int]:
    query = (
        sa.select(t.dataset.c.name, sa.func.max(t.version.c.number).label("number"))
        .join(t.version, t.version.c.dataset_id == t.dataset.c.dataset_id)
        .where(t.dataset.c.removed_at == 0, t.dataset.c.name.in_(names), WHOLE, LIVE)
        .group_by(t.dataset.c.name)
    )
    return {row.name: row.number for row in connection.execute(query)}


def _versions(connection: Connection, refs: Collection[str]) -> dict[str, int]:
    """The keys of those that are there, and not retired."""
    named = [ref for ref in map(parse_ref, refs) if isinstance(ref, NumberRef)]
    query = (
        sa.select(t.dataset.c.name, t.version.c.number, t.version.c.subset, t.version.c.version_id)
        .join(t.version, t.version.c.dataset_id == t.dataset.c.dataset_id)
        .where(t.dataset.c.removed_at == 0, t.dataset.c.name.in_(sorted({ref.dataset for ref in named})))
        .where(t.version.c.number.in_(sorted({ref.number for ref in named})), LIVE)
    )
    found = {ref_of(row.name, row.number, row.subset): row.version_id for row in connection.execute(query)}
    return {ref: key for ref, key in found.items() if ref in refs}


def _datasets_of(row: Any, shelf: _Shelf) -> list[str]:
    ref = parse_rule_ref(row.ref)
    if ref.dataset != ALL_DATASETS:
        return [ref.dataset]
    assert isinstance(ref, TagRef)
    return sorted(dataset for dataset, tag in shelf.tags if tag == ref.tag)


def _refs_of(row: Any, shelf: _Shelf) -> list[str]:
    """The versions that it names now, of all its datasets, whether or not they are there."""
    found = [_named(row, dataset, shelf) for dataset in _datasets_of(row, shelf)]
    return [ref for ref, _, _ in found if ref]


def _named(row: Any, dataset: str, shelf: _Shelf) -> tuple[str, str, str]:
    """The version that a rule names of a dataset; or "", why there is none, and what would change that."""
    ref = parse_rule_ref(row.ref)
    number: int | None
    if isinstance(ref, TagRef):
        number = shelf.tags.get((dataset, ref.tag))
        if number is None:
            return (
                "",
                f"{dataset} has no tag {ref.tag} any more",
                f"the tag {ref.tag} is set again, or the rule removed",
            )
    if row.newest:
        number = shelf.newest.get(dataset)
    elif isinstance(ref, NumberRef):
        number = ref.number
    if number is None:
        return "", f"{dataset} has no versions", "a version is added"
    return ref_of(dataset, number, ref.subset), "", ""


def _keeping(row: Any, shelf: _Shelf, owners: Mapping[str, User]) -> Keeping:
    owner = _owner(row, owners)
    wanted = [_wanted(row, dataset, shelf, owner) for dataset in _datasets_of(row, shelf)]
    if parse_rule_ref(row.ref).dataset == ALL_DATASETS:
        wanted = [item for item in wanted if not item.barred]
    return Keeping(rule_id=row.rule_id, expression=parse_expression(row.expression), wanted=tuple(wanted))


def _with_users(
    connection: Connection, row: Any, rule: Keeping, sites: Iterable[site_rows.Row], held: Iterable[Hold]
) -> Keeping:
    """The rule with who used what last, where it asks for that. Of what names nothing now, it is who has some still."""
    if all(condition.key != USED_LAST for condition in rule.expression):
        return rule
    by_volume = {site["volume_id"]: site["name"] for site in sites}
    has = defaultdict(set)
    for hold in held:
        if hold.rule_id == rule.rule_id and hold.volume_id in by_volume:
            has[hold.dataset].add(by_volume[hold.volume_id])
    wanted = [
        replace(
            item,
            used_last=_used_last(connection, row, item, by_volume) if item.ref else frozenset(has[item.dataset]),
        )
        for item in rule.wanted
    ]
    return replace(rule, wanted=tuple(wanted))


def _wanted(row: Any, dataset: str, shelf: _Shelf, owner: Person | None) -> Wanted:
    data = shelf.data.get(dataset)
    if data is None:
        return Wanted(dataset=dataset, reason=f"there is no dataset {dataset} any more", unblock="it is made again")
    barred = _barred(row, owner, data)
    if barred:
        return Wanted(dataset=dataset, barred=barred, unblock="its owner may again; or an engineer removes the rule")
    residency = frozenset(data.policy.sites) or None
    ref, reason, unblock = _named(row, dataset, shelf)
    if ref and ref not in shelf.versions:
        ref, reason, unblock = "", f"{ref} is retired, or no more", "it is there again, or the rule is removed"
    return Wanted(dataset=dataset, ref=ref, reason=reason, unblock=unblock, sites=residency)


def _owners(connection: Connection, rows: Iterable[Any]) -> dict[str, User]:
    """Whose the rules are that were made behind a guard."""
    names = sorted({row.owner for row in rows if row.role})
    return {user.name: user for user in people.list_users(connection, t.hub_user.c.name.in_(names))} if names else {}


def _owner(row: Any, owners: Mapping[str, User]) -> Person | None:
    """Whose it is, as that one is now, and no more than it was made with; None for who is no user."""
    user = owners.get(row.owner) if row.role else None
    if user is None:
        return None
    role = user.role if Role(row.role).covers(user.role) else Role(row.role)
    return Person(user=user.name, role=role, teams=frozenset(user.teams))


def _barred(row: Any, owner: Person | None, data: Data) -> str:
    """Why its owner may not keep the dataset; "" where nothing is in the way. What is the hub's own may."""
    if not row.role:
        return ""
    if owner is None:
        return f"its owner {row.owner} is no user any more"
    return (
        "" if decide(owner, Action.KEEP, data).allowed else f"its owner {row.owner} may not keep {data.name} any more"
    )


def _used_last(connection: Connection, row: Any, wanted: Wanted, sites: Mapping[str, str]) -> frozenset[str]:
    """The sites that used the version before the wanted one; where nobody used that, the one before it."""
    ref = parse_ref(wanted.ref)
    assert isinstance(ref, NumberRef)
    used = defaultdict(set)
    for volume_id, number in ledger.used_versions(connection, wanted.dataset):
        if volume_id in sites:
            used[number].add(sites[volume_id])
    for number in _before(connection, row, wanted.dataset, ref.number, used):
        if used.get(number):
            return frozenset(used[number])
    return frozenset()


def _before(connection: Connection, row: Any, dataset: str, number: int, used: Collection[int]) -> list[int]:
    """The versions before one, the latest first: those that the tag named, or else those with lower numbers."""
    ref = parse_rule_ref(row.ref)
    if row.newest or not isinstance(ref, TagRef):
        return sorted((item for item in used if item < number), reverse=True)
    moves = tag_moves(connection, dataset, ref.tag)
    return [item for item in dict.fromkeys(move.number for move in moves) if item not in (0, number)]


def _found(
    connection: Connection,
    sites: Iterable[site_rows.Row],
    versions: Mapping[str, int],
    fills: Iterable[Task],
    now: float,
) -> dict[tuple[str, str], Found]:
    """A fill that only a run wants is not counted: a rule wants it longer."""
    by_volume = {row["volume_id"]: row["name"] for row in sites}
    refs = {key: ref for ref, key in versions.items()}
    query = (
        sa.select(t.replica, t.version.c.retired_at)
        .join(t.version, t.version.c.version_id == t.replica.c.version_id)
        .where(t.replica.c.volume_id.in_(sorted(by_volume)), t.replica.c.version_id.in_(sorted(refs)))
    )
    found: dict[tuple[str, str], Found] = {
        (by_volume[row.volume_id], refs[row.version_id]): Found(
            state=ReplicaState(row.state), reason=row.reason, retired=bool(row.retired_at)
        )
        for row in connection.execute(query)
    }
    for task in task_rows.failed_since(connection, TaskKind.FILL, now - LONGEST_BACKOFF_S):
        key = task.site, task.ref
        found[key] = replace(found.get(key, Found()), failed=task)
    for task in fills:
        key = task.site, task.ref
        if not task.asked_by.startswith(RUNS):
            found[key] = replace(found.get(key, Found()), task=task)
    return found
