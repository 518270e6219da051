"""Who looks, and what is hidden from them: every read model takes a `Sight` and tells nothing beyond it (PRIVATE).

A sight belongs to the transaction in which it was read: whoever keeps one longer shows what may be hidden by now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, RowMapping

from forebay.catalog import schema as t
from forebay.hub.access.policies import WITH_POLICY, policy_of
from forebay.hub.access.rules import Action, Data, Person, decide, sees_all
from forebay.hub.board.among import among
from forebay.wire.access import Role

_SEQ = t.run.c.run_seq


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """`datasets` are those that are there and may be known of, None where nothing is hidden; `hidden` are those that
    are or were there and may not be. `not_for_token` are those of them that the token is not for.
    """

    principal: Person = field(repr=False)
    datasets: frozenset[str] | None = None
    hidden: frozenset[str] = frozenset()
    not_for_token: frozenset[str] = frozenset()

    @property
    def user(self) -> str:
        return self.principal.user

    @property
    def role(self) -> Role:
        return self.principal.role

    @property
    def teams(self) -> frozenset[str]:
        return self.principal.teams

    @property
    def sees_all(self) -> bool:
        return self.datasets is None

    def sees(self, dataset: str) -> bool:
        """Whether this one may know of a dataset; of a name that no dataset ever had, everybody may."""
        return dataset not in self.hidden

    def narrow(self, query: sa.Select[Any], *names: ColumnElement[str]) -> sa.Select[Any]:
        """The query, without rows whose columns name a hidden dataset. Removed datasets are not hidden by this."""
        return query.where(*(~among(column, self.hidden) for column in names)) if self.hidden else query

    def narrow_runs(
        self, connection: Connection, query: sa.Select[Any], most: int | None = None, *, oldest_first: bool = False
    ) -> sa.Select[Any]:
        """The query on `run`, in order and at most so many, without those that read what is hidden from this one.

        What they make, only `sees_run` looks at. Who asks matters only where somebody's own run would be among them.
        """
        order, end = (_SEQ.asc(), _SEQ.__lt__) if oldest_first else (_SEQ.desc(), _SEQ.__gt__)
        if not self.hidden:
            return query.order_by(order).limit(most)
        shown, known = _reads_none_of(self.hidden), _reads_none_of(self.not_for_token)

        def whose() -> Iterable[str]:
            """Who has one that is hidden from others, before the last one that is not."""
            names = query.where(~shown, known).with_only_columns(t.run.c.submitted_by).distinct()
            if most is not None:
                last = query.where(shown).with_only_columns(_SEQ).order_by(order).offset(most - 1).limit(1)
                seq = connection.execute(last).scalar()
                names = names if seq is None else names.where(end(seq))
            return connection.execute(names).scalars()

        if self.principal.may_be_one_of(whose):
            own = sa.and_(t.run.c.submitted_by == self.user, known)
            return query.where(sa.or_(shown, own)).order_by(order).limit(most)
        return query.where(shown).order_by(order).limit(most)

    def sees_run(self, submitted_by: str, datasets: Iterable[str]) -> bool:
        """Whether this one may know of a run that reads and makes those datasets, as `rules.decide_on_run` has it."""
        touched = self.hidden.intersection(datasets)
        return not touched or (self.not_for_token.isdisjoint(touched) and self.principal.is_called(submitted_by))


def sight_of(connection: Connection, principal: Person) -> Sight:
    """What somebody may see by now."""
    if sees_all(principal):
        return Sight(principal=principal)
    there, hidden = [], []
    verdicts: dict[tuple[Any, ...], bool] = {}
    for row in connection.execute(WITH_POLICY).mappings():
        name = row["name"]
        teams = (row["read_teams"], row["write_teams"], row["run_teams"])
        # All that the rules look at for this, but whose it is: that is asked only where it can matter.
        key = (*teams, principal.is_for(name))
        visible = verdicts.get(key)
        if visible is None:
            visible = verdicts[key] = _reads(principal, row, owner="")
        if not visible and not _reads(principal, row, owner=row["owner"]):
            hidden.append(name)
        elif not row["removed_at"]:
            there.append(name)
    elsewhere = frozenset(name for name in hidden if not principal.is_for(name))
    return Sight(principal=principal, datasets=frozenset(there), hidden=frozenset(hidden), not_for_token=elsewhere)


def _reads(principal: Person, row: RowMapping, owner: str) -> bool:
    data = Data(name=row["name"], owner=owner, policy=policy_of(row, row["name"]), group=row["access_group"])
    return decide(principal, Action.READ, data).visible


def _reads_none_of(names: frozenset[str]) -> ColumnElement[bool]:
    if not names:
        return sa.true()
    reads = sa.select(t.run_data.c.run_seq).where(t.run_data.c.run_seq == t.run.c.run_seq)
    return ~reads.where(among(t.run_data.c.dataset, names)).correlate(t.run).exists()
