"""Has rules go on: facts from the database, a pure round over them (`sites.rules`), what comes of it back.

Any number of hubs of one database may do it at once: whoever finds something to change locks the rules, looks again,
and changes what is still to be changed. There is no lock that somebody could die with, and a round is one transaction.

Lock order: rules, sites by name, volumes by id, versions by key, tasks.
"""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.catalog.retired import hold_live
from forebay.clock import Clock
from forebay.errors import ConflictError, NotFoundError
from forebay.hub import agents, rows, rule_facts, rule_rows, site_rows, task_rows
from forebay.hub.changes import Changes, orders_of
from forebay.hub.rule_facts import Loaded
from forebay.hub.sites import want
from forebay.sites import tasks
from forebay.sites.rules import Round, go_round
from forebay.sites.state import SiteTerms
from forebay.sites.tasks import RULES
from forebay.wire.sites import TaskKind

_KEPT_S = 30 * 86400.0
"""So long rules are shown after they have ended."""


class RuleRounds:
    """One of a hub."""

    def __init__(self, engine: Engine, clock: Clock, terms: SiteTerms, changes: Changes) -> None:
        self._engine = engine
        self._clock = clock
        self._terms = terms
        self._changes = changes

    def go(self) -> None:
        """One round, which writes only where something has changed."""
        with reading(self._engine) as connection:
            loaded = rule_facts.load(connection, self._clock.now(), self._terms)
        if loaded is None:
            return
        done = go_round(loaded.facts)
        if done.changes(loaded.facts):
            self._changes.tell(*self._write(done))

    def purge(self) -> None:
        """Forget rules that ended long ago."""
        with writing(self._engine) as connection:
            rule_rows.purge(connection, self._clock.now() - _KEPT_S)

    def _write(self, seen: Round) -> list[str]:
        """What is still to be done, now that nobody else does it; the keys of what changed.

        Volumes from which something is let go are locked first: no eviction begins there meanwhile.
        """
        with writing(self._engine) as connection:
            connection.execute(sa.select(t.rule.c.rule_id).order_by(t.rule.c.rule_id).with_for_update())
            named = {item.site for item in seen.fills} | {item.site for item in seen.unwanted}
            locked = set(_lock_sites(connection, named))
            for volume_id in rule_facts.volumes_of(seen.released):
                rows.lock_if_there(connection, volume_id)
            now = self._clock.now()
            loaded = rule_facts.load(connection, now, self._terms)
            if loaded is None:
                return []
            loaded, done = _of_live(connection, loaded, now, self._terms)
            rule_rows.change_holds(connection, done.held, done.released & seen.released, loaded.versions)
            changed = self._order(connection, done, locked, now)
            # How things stand with what has just been asked for: no later round is needed to tell it.
            after = rule_facts.load(connection, now, self._terms)
            if after is not None:
                rule_rows.change_places(connection, after.facts.places, go_round(after.facts).places)
        return [orders_of(site) for site in sorted(changed)]

    def _order(self, connection: Connection, done: Round, locked: set[str], now: float) -> set[str]:
        """At the sites that are locked; at others the next round does it."""
        changed = set()
        for item in done.fills:
            if item.site in locked:
                by = f"{RULES}{item.rule_id}"
                want(connection, item.site, TaskKind.FILL, item.ref, by=by, reason=f"{by} keeps it here", now=now)
                changed.add(item.site)
        for task in done.unwanted:
            errand = task_rows.find(connection, task.task_id)
            if errand is not None and task.site in locked and errand.task.asked_by == task.asked_by:
                withdrawn = tasks.Withdrawn(reason="no rule wants it any more")
                task_rows.save(connection, errand, tasks.step(errand, withdrawn, now))
                changed.add(task.site)
        for site in sorted(changed):
            agents.order_due(connection, site, now, self._terms)
            site_rows.change_orders(connection, site)
        return changed


def _of_live(connection: Connection, loaded: Loaded, now: float, terms: SiteTerms) -> tuple[Loaded, Round]:
    """A round that holds and asks for nothing that was retired since it was loaded, or can be before it is written."""
    done = go_round(loaded.facts)
    refs = {hold.ref for hold in done.held} | {item.ref for item in done.fills}
    named = {loaded.versions[ref] for ref in refs}
    live = {key for key in sorted(named) if _is_live(connection, key)}
    if live != named:
        loaded = rule_facts.load(connection, now, terms) or loaded
        done = go_round(loaded.facts)
    return loaded, replace(
        done,
        held=frozenset(hold for hold in done.held if loaded.versions[hold.ref] in live),
        fills=tuple(item for item in done.fills if loaded.versions[item.ref] in live),
    )


def _is_live(connection: Connection, version_id: int) -> bool:
    try:
        hold_live(connection, version_id)
    except (ConflictError, NotFoundError):
        return False
    return True


def _lock_sites(connection: Connection, names: set[str]) -> list[str]:
    """Those of the sites that are there, locked by name."""
    here = t.site.c.name.in_(sorted(names))
    query = sa.select(t.site.c.name).where(here, t.site.c.removed_at == 0).order_by(t.site.c.name)
    return list(connection.execute(query.with_for_update()).scalars())
