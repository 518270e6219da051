"""Previews: `wire.previews.Previews` on the database, decided by `sites.previews`.

The hub sees no dataset bytes but these few, which an agent sends, and keeps them for each dataset apart (PRIVATE).
Of a dataset that may be at some sites only it keeps none at all: the hub is not one of them.
"""

from __future__ import annotations

import bisect
import itertools
import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.catalog import schema as t
from forebay.catalog.archive import Archive
from forebay.catalog.engine import once, reading, writing
from forebay.catalog.names import parse_ref
from forebay.catalog.records import dataset_id, find_version
from forebay.catalog.versions import insert_if_absent
from forebay.clock import Clock
from forebay.errors import InputError, NotAllowedError, UnavailableError
from forebay.hub import agents, preview_drift, preview_rows, site_rows
from forebay.hub.changes import Changes, orders_of
from forebay.hub.preview_files import PreviewPaths
from forebay.previews.bounds import Bounds
from forebay.previews.kinds import can_be
from forebay.sites import previews
from forebay.sites.previews import Errand
from forebay.sites.state import SiteTerms
from forebay.wire.catalog import Version
from forebay.wire.previews import Preview, PreviewDone, PreviewFiles, PreviewKind, PreviewState

_MOST_OPEN = 200
_KEPT_BYTES = 128 << 20
_KEPT_ROWS = 10_000
_UNUSED_S = 30 * 86400.0
_DAY_S = 86400.0
_TEND_S = 600.0


class PreviewStore:
    """Implements `wire.previews.Previews`."""

    def __init__(self, engine: Engine, archive: Archive, clock: Clock, terms: SiteTerms, changes: Changes) -> None:
        self._engine = engine
        self._paths = PreviewPaths(archive)
        self._clock = clock
        self._terms = terms
        self._changes = changes
        self._tended_at = clock.monotonic()

    def ask(self, ref: str, kind: PreviewKind, path: str, *, again: bool = False) -> Preview:
        now = self._clock.now()
        with reading(self._engine) as connection:
            version = self._version(connection, ref)
            owner = dataset_id(connection, version.dataset)
            row = preview_rows.find(connection, owner, version.manifest_digest, kind, path)
            errand = Errand(since=now, next_try_at=now) if row is None else preview_rows.errand_of(row)
            sites = [] if errand.state is PreviewState.READY else self._sites(connection, owner, version, now)
        if row is not None and not self._is_news(row, errand, version, sites, now, again=again):
            return preview_rows.preview_of(version, kind, path, errand, row["content"])
        if row is None:
            paths = self._chosen(version, kind, path)
            if not sites:
                return preview_rows.preview_of(version, kind, path, previews.nowhere(errand, version.ref, now), None)
        else:
            paths = tuple(json.loads(row["paths"]))
        return self._put(owner, version, kind, paths, now, again=again)

    def files(self, ref: str) -> PreviewFiles:
        with reading(self._engine) as connection:
            version = self._version(connection, ref)
        return self._paths.of(version.manifest_digest)

    def are_on(self, dataset: str) -> bool:
        with reading(self._engine) as connection:
            return not _is_off(connection, dataset_id(connection, dataset))

    def switch(self, dataset: str, on: bool) -> None:
        with writing(self._engine) as connection:
            owner = dataset_id(connection, dataset, lock=True)
            if on:
                connection.execute(sa.delete(t.preview_off).where(t.preview_off.c.dataset_id == owner))
            else:
                insert_if_absent(connection, t.preview_off, {"dataset_id": owner, "set_at": self._clock.now()})
                connection.execute(sa.delete(t.preview).where(t.preview.c.dataset_id == owner))

    def done(self, site: str, agent_token: int, done: PreviewDone) -> None:
        now = self._clock.now()
        with writing(self._engine) as connection:
            site_rows.held_by(connection, site, agent_token, lock=True)
            here = t.preview.c.preview_id == done.preview_id
            row = connection.execute(sa.select(t.preview).where(here).with_for_update()).mappings().first()
            if row is None or row["site"] != site:
                return
            before = preview_rows.errand_of(row)
            after = previews.done(before, done, now)
            if after is before:
                return
            if preview_rows.bad_histograms(done):
                raise InputError("bad-preview", "A histogram of this preview does not hold together.")
            content = preview_rows.packed(PreviewKind(row["kind"]), json.loads(row["paths"]), done)
            kept = {"content": content, "content_bytes": len(content or b"")}
            connection.execute(sa.update(t.preview).where(here).values(**preview_rows.values_of(after), **kept))
            site_rows.change_orders(connection, site)
        self._changes.tell(orders_of(site))
        if content is not None:
            # Only now: of two that are kept at once, the one that ends last sees both.
            preview_drift.reckon(self._engine, done.preview_id)

    def tend(self) -> None:
        """A chore of the scheduler's: what nobody looks at, what there is too much of, what nothing is behind, goes."""
        if self._clock.monotonic() < self._tended_at + _TEND_S:
            return
        self._tended_at = self._clock.monotonic()
        with writing(self._engine) as connection:
            _forget(connection, self._clock.now())

    def _version(self, connection: Connection, ref: str) -> Version:
        """NotFoundError; NotAllowedError `previews-off`, `residency`; InputError `no-preview` for a subset."""
        version = find_version(connection, parse_ref(ref))
        owner = dataset_id(connection, version.dataset)
        if _is_off(connection, owner):
            raise NotAllowedError(
                "previews-off",
                f"Previews of {version.dataset} are switched off.",
                todo="Its owner can switch them on.",
            )
        policy = sa.select(t.dataset_policy.c.sites).where(t.dataset_policy.c.dataset_id == owner)
        sites = once(connection, ("residency", owner), lambda: connection.execute(policy).scalar()) or ""
        if sites:
            raise NotAllowedError(
                "residency",
                f"The bytes of {version.dataset} may be at {sites.replace(' ', ', ')} alone, "
                "and a preview would be kept by the hub.",
                todo="Look into it on one of these sites.",
            )
        if version.subset:
            raise InputError("no-preview", f"{version.ref} is a subset.", todo="Ask for the whole version.")
        return version

    def _chosen(self, version: Version, kind: PreviewKind, path: str) -> tuple[str, ...]:
        if not can_be(kind, path):
            raise InputError("no-preview", f"{path!r} can't be shown as {kind}.")
        bounds = Bounds()
        most = {PreviewKind.IMAGES: bounds.pictures, PreviewKind.ROWS: bounds.counted_files}.get(kind, 1)
        paths = self._paths.from_path(version.manifest_digest, kind, path, most)
        return _that_fit(paths, bounds.counted_chars) if kind is PreviewKind.ROWS else paths

    def _sites(self, connection: Connection, owner: int, version: Version, now: float) -> list[str]:
        """Those that could make it now."""
        found = []
        for site in preview_rows.ready_at(connection, owner, version):
            row = site_rows.find_if_there(connection, site)
            if row is not None and agents.takes_orders(row, now, self._terms):
                found.append(site)
        return found

    def _is_news(
        self, row: Any, errand: Errand, version: Version, sites: list[str], now: float, *, again: bool
    ) -> bool:
        """Whether there is anything to write when somebody looks."""
        if row["number"] != version.number or row["used_at"] < now - _DAY_S:
            return True
        return _after(errand, version, sites, now, again=again) != errand

    def _put(
        self, owner: int, version: Version, kind: PreviewKind, paths: tuple[str, ...], now: float, *, again: bool
    ) -> Preview:
        """Look once more, in the transaction that writes what follows. Of several that do, one has done it."""
        with writing(self._engine) as connection:
            version = self._version(connection, version.ref)
            sites = self._sites(connection, owner, version, now)
            row = preview_rows.find(connection, owner, version.manifest_digest, kind, paths[0])
            before = Errand(since=now, next_try_at=now) if row is None else preview_rows.errand_of(row)
            after = _after(before, version, sites, now, again=again)
            begins = after.state is PreviewState.ORDERED is not before.state
            if begins and preview_rows.open_ones(connection) >= _MOST_OPEN:
                raise _too_many()
            # Sites before previews: whoever tells what came of an order locks them in this order, too.
            told = sorted({site for site in (before.site, after.site) if site and after != before})
            for site in told:
                site_rows.change_orders(connection, site)
            values = {**preview_rows.values_of(after), "number": version.number, "used_at": now}
            moved = row is not None and row["number"] != version.number
            if row is None:
                preview_rows.insert(connection, owner, version.manifest_digest, kind, paths, values)
            else:
                preview_rows.update(connection, row, values)
            row = preview_rows.find(connection, owner, version.manifest_digest, kind, paths[0])
        self._changes.tell(*(orders_of(site) for site in told))
        if row is not None and moved and row["content"] is not None:
            preview_drift.reckon(self._engine, row["preview_id"])
        if row is None:  # somebody has just switched them off
            return preview_rows.preview_of(version, kind, paths[0], before, None)
        return preview_rows.preview_of(version, kind, paths[0], preview_rows.errand_of(row), row["content"])


def _that_fit(paths: tuple[str, ...], chars: int) -> tuple[str, ...]:
    """The first of them, at least one, that have so many characters in all."""
    summed = list(itertools.accumulate(map(len, paths)))
    return paths[: max(1, bisect.bisect_right(summed, chars))]


def _after(before: Errand, version: Version, sites: list[str], now: float, *, again: bool) -> Errand:
    """How it goes on when somebody looks at it; the same errand where nothing is to be done."""
    if not previews.wants_a_site(before, sites, now, again=again):
        return before
    return previews.ordered(before, sites, now) if sites else previews.nowhere(before, version.ref, now)


def _is_off(connection: Connection, owner: int) -> bool:
    found = sa.select(t.preview_off.c.dataset_id).where(t.preview_off.c.dataset_id == owner)
    return once(connection, ("preview off", owner), lambda: connection.execute(found).scalar()) is not None


def _too_many() -> UnavailableError:
    return UnavailableError(
        "too-many-previews", "Many previews are being made just now.", todo="Look again in a minute."
    )


def _forget(connection: Connection, now: float) -> None:
    is_behind = sa.exists().where(
        t.version.c.dataset_id == t.preview.c.dataset_id, t.version.c.manifest_digest == t.preview.c.manifest_digest
    )
    resides = sa.exists().where(t.dataset_policy.c.dataset_id == t.preview.c.dataset_id, t.dataset_policy.c.sites != "")
    is_off = sa.exists().where(t.preview_off.c.dataset_id == t.preview.c.dataset_id)
    gone = sa.or_(t.preview.c.used_at < now - _UNUSED_S, ~is_behind, resides, is_off)
    connection.execute(sa.delete(t.preview).where(gone))
    kept_rows, kept_bytes, surplus = 0, 0, []
    query = sa.select(t.preview.c.preview_id, t.preview.c.content_bytes).order_by(t.preview.c.used_at.desc())
    for row in connection.execute(query):
        kept_rows, kept_bytes = kept_rows + 1, kept_bytes + row.content_bytes
        if kept_rows > _KEPT_ROWS or kept_bytes > _KEPT_BYTES:
            surplus.append(row.preview_id)
    for at in range(0, len(surplus), 500):
        connection.execute(sa.delete(t.preview).where(t.preview.c.preview_id.in_(surplus[at : at + 500])))
