"""Whether runs that wait may still begin: who submitted them must have now what that needed.

A submitter who never was a user is the owner of a hub without a guard, and may do all. Works inside the caller's
transaction. Residency is placement's: it looks at it in every pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.hub.access.jobs import dataset_of, made_by
from forebay.hub.access.rules import Action, Data, Person, Whole, decide
from forebay.hub.access.subjects import data_named
from forebay.wire.access import Role
from forebay.wire.runs import Run

_USERS = sa.select(t.hub_user.c.user_id, t.hub_user.c.name, t.hub_user.c.role, t.hub_user.c.removed_at)
_TEAMS = sa.select(t.membership.c.user_id, t.membership.c.team)


def refused(connection: Connection, runs: Collection[Run]) -> dict[str, str]:
    """By run, why it may not begin any more."""
    people = _people(connection, {run.submitted_by for run in runs}) if runs else {}
    asked = [run for run in runs if run.submitted_by in people]
    names = {dataset_of(use.ref) for run in asked for use in run.new.data} | {
        name for run in asked for name in made_by(run.new)
    }
    known = data_named(connection, names) if asked else {}
    found = {run.run_id: lost(people[run.submitted_by], run, known) for run in asked}
    return {run_id: reason for run_id, reason in found.items() if reason}


def lost(person: Person | None, run: Run, known: Mapping[str, Data]) -> str:
    """What stands against it, pure; "" for nothing. A hidden dataset is told of like one that is gone."""
    who, team = run.submitted_by, run.new.team
    if person is None:
        return f"{who}, who submitted it, is no user of this hub any more"
    whole = decide(person, Action.RUN, Whole())
    if not whole.allowed:
        return f"{who} may not run anything any more: {whole.reason}"
    if person.role is not Role.ADMIN and team and team not in person.teams:
        return f"{who} is no member of the team {team!r} any more, in whose name it was to run"
    for use in run.new.data:
        data = known.get(dataset_of(use.ref))
        verdict = decide(person, Action.RUN, data) if data is not None else None
        if verdict is None or not verdict.visible:
            return f"what it reads is not there for {who} any more"
        if not verdict.allowed:
            return f"{who} may not run on {use.ref} any more: {verdict.reason}"
    return _lost_output(person, run, known)


def _lost_output(person: Person, run: Run, known: Mapping[str, Data]) -> str:
    """A dataset that nobody has made yet, it may make."""
    for name in made_by(run.new):
        data = known.get(name)
        if data is None or data.removed:
            continue
        verdict = decide(person, Action.WRITE, data)
        if not verdict.visible:
            return "the name of what it makes cannot be used any more"
        if not verdict.allowed:
            return f"{run.submitted_by} may not write what it makes any more: {verdict.reason}"
    return ""


def _people(connection: Connection, names: Iterable[str]) -> dict[str, Person | None]:
    """Those who are users, and those who were (None)."""
    rows = connection.execute(_USERS.where(t.hub_user.c.name.in_(sorted(names)))).all()
    teams = defaultdict(set)
    ids = [row.user_id for row in rows]
    for user_id, team in connection.execute(_TEAMS.where(t.membership.c.user_id.in_(ids))):
        teams[user_id].add(team)
    return {
        row.name: None
        if row.removed_at
        else Person(user=row.name, role=Role(row.role), teams=frozenset(teams[row.user_id]))
        for row in rows
    }
