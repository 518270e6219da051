"""What a call is about, looked up for the guard: the datasets behind names, manifests, fills and leases; sites.

Reads only. A look-up of something that is hidden asks the same questions as one of something that is not there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import once, reading, writing
from forebay.catalog.versions import insert_if_absent
from forebay.hub import ledger, link_rows, run_rows
from forebay.hub.access.policies import WITH_POLICY, policy_of
from forebay.hub.access.rules import Agent, Data, Place, Principal
from forebay.wire.cache import LedgerKey, Savings
from forebay.wire.catalog import ref_of
from forebay.wire.links import LinkRecord


def _is_here() -> sa.Label[bool]:
    """Whether a volume of `site` has a replica of the dataset, or a fill."""

    def on(table: sa.Table) -> sa.Exists:
        return (
            sa.select(table.c.version_id)
            .join(t.version, t.version.c.version_id == table.c.version_id)
            .join(t.volume_site, t.volume_site.c.volume_id == table.c.volume_id)
            .where(t.version.c.dataset_id == t.dataset.c.dataset_id)
            .where(t.volume_site.c.site == sa.bindparam("site"))
            .correlate(t.dataset)
            .exists()
        )

    return sa.or_(on(t.replica), on(t.fill)).label("here")


def _held(table: sa.Table, here: sa.Column[str]) -> sa.Select[Any]:
    return (
        sa.select(table.c.volume_id, table.c.holder_user, t.dataset.c.name, t.version.c.number, t.version.c.subset)
        .join(t.version, t.version.c.version_id == table.c.version_id)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .where(here == sa.bindparam("held_id"))
    )


# Every request asks some of these: they are made once, which takes longer than running them.
_AT = (
    sa.select(t.volume_site.c.site)
    .where(t.volume_site.c.volume_id == sa.bindparam("volume_id"))
    .scalar_subquery()
    .label("at_site")
)
_ONE = WITH_POLICY.where(t.dataset.c.name == sa.bindparam("name")).add_columns(_AT)
_DATA_OF_AGENT, _ONE_OF_AGENT = (query.add_columns(_is_here()) for query in (WITH_POLICY, _ONE))
_FILL, _LEASE = _held(t.fill, t.fill.c.fill_id), _held(t.lease, t.lease.c.lease_id)
_SITE = sa.select(t.volume_site.c.site).where(t.volume_site.c.volume_id == sa.bindparam("volume_id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A fill or a lease: of what, where, and who claimed it."""

    volume_id: str
    dataset: str
    ref: str
    holder: str


class Subjects:
    """Looks up what rules need to know."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def data(self, name: str, asker: Principal, volume_id: str = "") -> Data | None:
        """A dataset that is there, or was; at a volume where one is named."""
        query, given = (_ONE_OF_AGENT, {"site": asker.site}) if isinstance(asker, Agent) else (_ONE, {})
        given = {"name": name, "volume_id": volume_id, **given}
        with reading(self._engine) as connection:
            key = "dataset", *given.values()
            row = once(connection, key, lambda: connection.execute(query, given).mappings().first())
        if row is None:
            return None
        return _data_of(row, Place(site=row["at_site"] or "") if volume_id else None)

    def named(self, names: Collection[str], asker: Principal) -> list[Data]:
        """Those of some names that are there; asked also for none, else time would tell of hidden ones."""
        site, wanted = asker.site if isinstance(asker, Agent) else "", sorted(names) or [""]
        with reading(self._engine) as connection:
            read = once(
                connection, ("datasets", site, *wanted), lambda: self._data(asker, t.dataset.c.name.in_(wanted))
            )
        return list(read)

    def everything(self, asker: Principal) -> list[Data]:
        """All datasets that are there, and those that were."""
        return self._data(asker)

    def with_manifest(self, manifest_digest: str, asker: Principal) -> list[Data]:
        """The datasets of which some version, or a subset of one, has this manifest."""
        chosen = sa.select(t.version.c.dataset_id).where(t.version.c.manifest_digest == manifest_digest)
        return self._data(asker, t.dataset.c.dataset_id.in_(chosen))

    def fill(self, fill_id: str) -> Held | None:
        """Whose fill that is."""
        return self._held(_FILL, fill_id)

    def lease(self, lease_id: str) -> Held | None:
        """Whose lease that is."""
        return self._held(_LEASE, lease_id)

    def place(self, volume_id: str) -> Place:
        """The site of a volume; of no site where none is known."""
        with reading(self._engine) as connection:
            return Place(site=_site(connection, volume_id))

    def settle(self, volume_id: str, site: str) -> Place:
        """The site whose agent keeps the volume: this one, unless another one does already."""
        with writing(self._engine) as connection:
            insert_if_absent(connection, t.volume_site, {"volume_id": volume_id, "site": site})
        return self.place(volume_id)

    def runs_beginning(self, run_id: str) -> list[str]:
        """The ids that begin so; of very many only some, since then it says nothing."""
        if not run_id.isascii() or not run_id.isalnum():
            return []
        with reading(self._engine) as connection:
            return list(run_rows.ids_beginning(connection, run_id))

    def runs_with_code(self, bundle: str, *, active: bool) -> list[str]:
        """The runs that have this code bundle, newest first: all of them, or those that have not ended."""
        here = t.run.c.new.contains(bundle, autoescape=True)
        if active:
            here = sa.and_(t.run.c.is_active.is_(True), here)
        return self._run_ids(sa.select(t.run.c.run_id).where(here).order_by(t.run.c.run_seq.desc()))

    def savings(self, volume_id: str, by: LedgerKey, datasets: Iterable[str]) -> list[Savings]:
        """What these datasets saved, added up without the others."""
        with reading(self._engine) as connection:
            return ledger.savings(connection, volume_id, by, t.use.c.dataset.in_(sorted(datasets)))

    def links(self, datasets: Collection[str], now: float) -> list[LinkRecord]:
        """The links as these datasets' fills saw them."""
        with reading(self._engine) as connection:
            return link_rows.records(connection, now, datasets=datasets)

    def _run_ids(self, query: sa.Select[Any]) -> list[str]:
        with reading(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def _data(self, asker: Principal, *where: ColumnElement[bool]) -> list[Data]:
        query, given = (_DATA_OF_AGENT, {"site": asker.site}) if isinstance(asker, Agent) else (WITH_POLICY, {})
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(*where).order_by(t.dataset.c.name), given)
            return [_data_of(row) for row in rows.mappings()]

    def _held(self, query: sa.Select[Any], held_id: str) -> Held | None:
        with reading(self._engine) as connection:
            row = connection.execute(query, {"held_id": held_id}).first()
        if row is None:
            return None
        ref = ref_of(row.name, row.number, row.subset)
        return Held(volume_id=row.volume_id, dataset=row.name, ref=ref, holder=row.holder_user)


def data_named(connection: Connection, names: Collection[str]) -> dict[str, Data]:
    """Datasets of some names that are there, or were; inside the caller's transaction."""
    wanted = sorted(names)

    def read() -> list[Data]:
        rows = connection.execute(WITH_POLICY.where(t.dataset.c.name.in_(wanted)).order_by(t.dataset.c.name))
        return [_data_of(row) for row in rows.mappings()]

    return {item.name: item for item in once(connection, ("datasets", "", *wanted), read)}


def _site(connection: Connection, volume_id: str) -> str:
    return connection.execute(_SITE, {"volume_id": volume_id}).scalar() or ""


def _data_of(row: Any, at: Place | None = None) -> Data:
    return Data(
        name=row["name"],
        owner=row["owner"],
        policy=policy_of(row, row["name"]),
        group=row["access_group"],
        removed=bool(row["removed_at"]),
        at=at,
        here=bool(row.get("here", False)),
    )
