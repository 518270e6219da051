"""Reads and writes the rows of rules, of what they hold and how they stand. Works inside the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.records import storable
from forebay.catalog.versions import insert_if_absent
from forebay.errors import NotFoundError
from forebay.hub.task_rows import TEXT_LENGTH
from forebay.sites.rules import Hold, Key
from forebay.wire.catalog import ref_of
from forebay.wire.rules import NewRule, PlaceState, Rule, RulePlace

_ALL = sa.select(t.rule).order_by(t.rule.c.made_at, t.rule.c.rule_id)
_PLACES = sa.select(t.rule_place).order_by(t.rule_place.c.site, t.rule_place.c.dataset)


def is_in_force(now: sa.ColumnElement[float] | float) -> sa.ColumnElement[bool]:
    """Of a row of `rule`: its time is not over."""
    return sa.or_(t.rule.c.until == 0, t.rule.c.until > now)


def is_hold_in_force(now: sa.ColumnElement[float] | float) -> sa.ColumnElement[bool]:
    """Of a row of `rule_hold`: its rule is in force."""
    return t.rule_hold.c.rule_id.in_(sa.select(t.rule.c.rule_id).where(is_in_force(now)))


def is_held(volume_id: Any, version_id: Any, now: sa.ColumnElement[float] | float) -> sa.Exists:
    """Whether a rule keeps that version on that volume."""
    held = sa.select(t.rule_hold.c.rule_id).join(t.rule, t.rule.c.rule_id == t.rule_hold.c.rule_id)
    return held.where(
        t.rule_hold.c.volume_id == volume_id, t.rule_hold.c.version_id == version_id, is_in_force(now)
    ).exists()


def rows(connection: Connection) -> list[Any]:
    """All rules, the oldest first."""
    return list(connection.execute(_ALL))


def every(connection: Connection, now: float) -> list[Rule]:
    """All rules with how they stand, the oldest first."""
    places = defaultdict(list)
    for row in connection.execute(_PLACES):
        places[row.rule_id].append(_place(row))
    return [_rule(row, places[row.rule_id], now) for row in connection.execute(_ALL)]


def find(connection: Connection, rule_id: str, now: float) -> Rule:
    """One rule; NotFoundError `rule-not-found`."""
    row = connection.execute(sa.select(t.rule).where(t.rule.c.rule_id == rule_id)).first()
    places = connection.execute(_PLACES.where(t.rule_place.c.rule_id == rule_id)).all()
    if row is None:
        raise no_rule(rule_id)
    return _rule(row, map(_place, places), now)


def no_rule(rule_id: str) -> NotFoundError:
    """The error of a rule that is not there, or that the asker may not see."""
    return NotFoundError("rule-not-found", f"There is no rule {rule_id!r}.", todo="See: forebay rule ls")


def insert(connection: Connection, rule_id: str, new: NewRule, now: float) -> None:
    """A rule whose `ref` and `at` have been checked."""
    values = {
        "rule_id": rule_id,
        "ref": new.ref,
        "newest": new.newest,
        "expression": new.at,
        "until": new.until,
        "message": storable(new.message, TEXT_LENGTH),
        "owner": storable(new.owner, t.NAME_LENGTH),
        "role": new.role,
        "made_at": now,
    }
    connection.execute(sa.insert(t.rule).values(values))


def remove(connection: Connection, rule_id: str) -> None:
    """With what it holds, and how it stood."""
    connection.execute(sa.delete(t.rule).where(t.rule.c.rule_id == rule_id))


def purge(connection: Connection, before: float) -> None:
    """Forget those whose time was over before a moment."""
    connection.execute(sa.delete(t.rule).where(t.rule.c.until > 0, t.rule.c.until < before))


def holds(connection: Connection) -> dict[Hold, int]:
    """All that is held, with the keys of the versions."""
    query = (
        sa.select(t.rule_hold, t.dataset.c.name, t.version.c.number, t.version.c.subset)
        .join(t.version, t.version.c.version_id == t.rule_hold.c.version_id)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
    )
    return {
        Hold(
            rule_id=row.rule_id,
            volume_id=row.volume_id,
            dataset=row.name,
            ref=ref_of(row.name, row.number, row.subset),
        ): row.version_id
        for row in connection.execute(query)
    }


def change_holds(
    connection: Connection, held: Iterable[Hold], released: Iterable[Hold], keys: Mapping[str, int]
) -> None:
    """Hold, and let go; `keys` has the version of each ref."""
    for hold in released:
        here = (t.rule_hold.c.rule_id == hold.rule_id, t.rule_hold.c.volume_id == hold.volume_id)
        connection.execute(sa.delete(t.rule_hold).where(*here, t.rule_hold.c.version_id == keys[hold.ref]))
    for hold in held:
        values = {"rule_id": hold.rule_id, "volume_id": hold.volume_id, "version_id": keys[hold.ref]}
        insert_if_absent(connection, t.rule_hold, values)


def places(connection: Connection) -> dict[Key, RulePlace]:
    """How all rules stand."""
    return {(row.rule_id, row.site, row.dataset): _place(row) for row in connection.execute(_PLACES)}


def change_places(connection: Connection, before: Mapping[Key, RulePlace], after: Mapping[Key, RulePlace]) -> None:
    """Write what has changed."""
    changed = [key for key, place in after.items() if before.get(key) != place]
    _delete_places(connection, [key for key in before if after.get(key) != before[key]])
    if changed:
        connection.execute(sa.insert(t.rule_place), [_values(key, after[key]) for key in changed])


def _delete_places(connection: Connection, keys: Collection[Key]) -> None:
    for rule_id, site, dataset in keys:
        here = (t.rule_place.c.rule_id == rule_id, t.rule_place.c.site == site, t.rule_place.c.dataset == dataset)
        connection.execute(sa.delete(t.rule_place).where(*here))


def _values(key: Key, place: RulePlace) -> dict[str, Any]:
    return {
        "rule_id": key[0],
        "site": place.site,
        "dataset": place.dataset,
        "ref": place.ref,
        "state": place.state.value,
        "reason": place.reason,
        "since": place.since,
        "attempts": place.attempts,
        "next_try_at": place.next_try_at,
        "last_error": place.last_error,
        "unblock": place.unblock,
        "keeps": "\n".join(place.keeps),
    }


def _place(row: Any) -> RulePlace:
    return RulePlace(
        site=row.site,
        dataset=row.dataset,
        ref=row.ref,
        state=PlaceState(row.state),
        reason=row.reason,
        since=row.since,
        attempts=row.attempts,
        next_try_at=row.next_try_at,
        last_error=row.last_error,
        unblock=row.unblock,
        keeps=tuple(row.keeps.split("\n")) if row.keeps else (),
    )


def _rule(row: Any, found: Iterable[RulePlace], now: float) -> Rule:
    return Rule(
        rule_id=row.rule_id,
        ref=row.ref,
        newest=row.newest,
        at=row.expression,
        until=row.until,
        message=row.message,
        owner=row.owner,
        made_at=row.made_at,
        ended=0 < row.until <= now,
        places=tuple(found),
    )
