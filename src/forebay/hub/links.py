"""Links, who serves blobs, and the tickets for that: `wire.hub.Links` on the database.

A ticket is for one version on one volume and for one hold of one fill: it ends with that hold, whatever its time says
(decision 15). Its secret is told once and kept nowhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.cache.health import ALLOWED, Act
from forebay.cache.machine import Terms, is_held
from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.catalog.lake_url import check_lake_url
from forebay.catalog.names import check_dataset_name
from forebay.catalog.records import dataset_id
from forebay.catalog.versions import insert_if_absent
from forebay.clock import Clock
from forebay.errors import ForebayError, InputError, NotAllowedError, NotFoundError
from forebay.hub import link_rows, rows, site_rows
from forebay.hub.access.secret import hash_of, new_secret
from forebay.hub.fills import fenced
from forebay.sites.state import SiteTerms
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import ref_of
from forebay.wire.links import LinkRecord, PeerHolder, Sources, Ticketed, TransferReport
from forebay.wire.sites import SiteState

TICKET_SECONDS = 900.0
SERVED_SECONDS = 90.0
"""So long after an agent said that it serves, it is believed to."""

_READ = [state.value for state, acts in ALLOWED.items() if Act.OPEN in acts]

_PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_URL = re.compile(r"https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?|https?://\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?", re.ASCII)
_MOST_BYTES_S, _MOST_SECONDS, _MOST_PRICE = 1e15, 1e6, 1e6

_REPLICA_STATE = (
    sa.select(t.replica.c.state)
    .where(t.replica.c.volume_id == t.ticket.c.volume_id, t.replica.c.version_id == t.fill.c.version_id)
    .scalar_subquery()
)
_TICKET = (
    sa.select(
        t.ticket.c.token,
        t.ticket.c.expires_at,
        t.fill.c.volume_id.label("for_volume_id"),
        t.fill.c.token.label("held_by"),
        t.fill.c.expires_at.label("held_until"),
        t.version.c.number,
        t.version.c.subset,
        t.version.c.manifest_digest,
        t.dataset.c.name,
        t.dataset.c.access_group,
        _REPLICA_STATE.label("state"),
    )
    .join(t.fill, t.fill.c.fill_id == t.ticket.c.fill_id)
    .join(t.version, t.version.c.version_id == t.fill.c.version_id)
    .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
    .where(t.ticket.c.sha256 == sa.bindparam("sha256"), t.ticket.c.volume_id == sa.bindparam("volume_id"))
)


class LinkStore:
    """Implements `wire.hub.Links`."""

    def __init__(self, engine: Engine, clock: Clock, terms: Terms, of_sites: SiteTerms) -> None:
        self._engine = engine
        self._clock = clock
        self._hold_seconds = terms.hold_seconds
        self._site_terms = of_sites

    def all(self) -> list[LinkRecord]:
        with reading(self._engine) as connection:
            return link_rows.records(connection, self._clock.now())

    def report(self, volume_id: str, report: TransferReport) -> None:
        _check_report(report)
        with writing(self._engine) as connection:
            _require_volume(connection, volume_id)
            key = dataset_id(connection, report.dataset)
            link_rows.add(connection, link_rows.place_of(connection, volume_id), key, report, self._clock.now())

    def declare(
        self,
        source: str,
        target: str,
        *,
        bandwidth_bytes_s: float | None = None,
        latency_s: float | None = None,
        price_byte: float | None = None,
    ) -> LinkRecord:
        _check_places(source, target)
        _check_number("bandwidth", bandwidth_bytes_s, most=_MOST_BYTES_S, positive=True)
        _check_number("latency", latency_s, most=_MOST_SECONDS, positive=True)
        _check_number("price", price_byte, most=_MOST_PRICE)
        said = {"bandwidth_bytes_s": bandwidth_bytes_s, "latency_s": latency_s, "price_byte": price_byte}
        given = {name: value for name, value in said.items() if value is not None}
        with writing(self._engine) as connection:
            insert_if_absent(connection, t.link, {"source": source, "target": target})
            if given:
                connection.execute(sa.update(t.link).where(*_on(t.link, source, target)).values(given))
            return link_rows.record(connection, source, target, self._clock.now())

    def forget(self, source: str, target: str) -> None:
        _check_places(source, target)
        with writing(self._engine) as connection:
            gone = sum(
                connection.execute(sa.delete(table).where(*_on(table, source, target))).rowcount
                for table in (t.link, t.link_measured)
            )
        if not gone:
            raise NotFoundError(
                "link-not-found", f"Nothing is known of a link from {source} to {target}.", todo="See: forebay link ls"
            )

    def serve(self, volume_id: str, url: str) -> None:
        if url and not _URL.fullmatch(url):
            raise InputError("bad-link", f"{url!r} is no address: write https://host:port")
        with writing(self._engine) as connection:
            _require_volume(connection, volume_id)
            here = t.blob_server.c.volume_id == volume_id
            values = {"url": url, "seen_at": self._clock.now()}
            if not url:
                connection.execute(sa.delete(t.blob_server).where(here))
            elif not insert_if_absent(connection, t.blob_server, {"volume_id": volume_id, **values}):
                connection.execute(sa.update(t.blob_server).where(here).values(values))

    def holders(self, fill_id: str, token: int, lake: str) -> Sources:
        check_lake_url(lake)
        now = self._clock.now()
        with reading(self._engine) as connection:
            row = _held(connection, fill_id, token)
            servers = _servers(connection, row["version_id"], row["volume_id"], now, self._site_terms)
            target = link_rows.place_of(connection, row["volume_id"])
            known = _open_to(connection, row["version_id"])
            nearness = {
                place: link_rows.record(connection, place, target, now, known)
                for place in {lake, *(server["site"] for server in servers)}
            }
        until = now + TICKET_SECONDS
        secrets = self._grant(fill_id, token, [server["volume_id"] for server in servers], until) if servers else []
        peers = tuple(
            PeerHolder(
                volume_id=server["volume_id"],
                site=server["site"],
                url=server["url"],
                ticket=secret,
                link=nearness[server["site"]],
            )
            for server, secret in zip(servers, secrets, strict=True)
        )
        return Sources(lake=nearness[lake], peers=peers, tickets_last_s=TICKET_SECONDS)

    def ticketed(self, volume_id: str, ticket: str) -> Ticketed:
        now = self._clock.now()
        with reading(self._engine) as connection:
            given = {"sha256": hash_of(ticket), "volume_id": volume_id}
            row = connection.execute(_TICKET, given).mappings().first()
        if row is None or now >= row["expires_at"] or not self._is_held(row, now):
            raise bad_ticket()
        if row["state"] != ReplicaState.READY:
            raise bad_ticket()
        return Ticketed(
            dataset=row["name"],
            number=row["number"],
            subset=row["subset"],
            group=row["access_group"],
            manifest_digest=row["manifest_digest"],
            for_volume_id=row["for_volume_id"],
            lasts_s=row["expires_at"] - now,
        )

    def suspect(self, fill_id: str, token: int, volume_id: str, digest: str) -> None:
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = _held(connection, fill_id, token)
            asked = sa.select(t.ticket.c.sha256).where(
                t.ticket.c.fill_id == fill_id, t.ticket.c.token == token, t.ticket.c.volume_id == volume_id
            )
            if connection.execute(asked).first() is None:
                raise bad_ticket()
            here = sa.and_(t.replica.c.volume_id == volume_id, t.replica.c.version_id == row["version_id"])
            # The longest unverified is scrubbed first.
            connection.execute(sa.update(t.replica).where(here).values(verified_at=0.0))
            ref = _ref(connection, row["version_id"])
            told = f"a fill elsewhere got other bytes for the blob {digest[:16]}; the next scrub begins here"
            rows.record(connection, volume_id, ref, "blob-suspect", told, 0, now)

    def _grant(self, fill_id: str, token: int, volumes: list[str], until: float) -> list[str]:
        """A ticket for each of these volumes, in their order; those that have run out go."""
        made = [(volume_id, new_secret()) for volume_id in volumes]
        with writing(self._engine) as connection:
            _held(connection, fill_id, token)
            connection.execute(sa.delete(t.ticket).where(t.ticket.c.expires_at < self._clock.now()))
            for volume_id, secret in made:
                values = {"fill_id": fill_id, "token": token, "volume_id": volume_id, "expires_at": until}
                connection.execute(sa.insert(t.ticket).values(sha256=hash_of(secret), **values))
        return [secret for _, secret in made]

    def _is_held(self, row: Any, now: float) -> bool:
        return row["token"] == row["held_by"] and is_held(row["held_until"], now, self._hold_seconds)


def bad_ticket() -> ForebayError:
    """The error of a ticket that is none, or none any more, or for another volume: which of these is not told."""
    return NotAllowedError("bad-ticket", "This ticket is good for nothing here.", todo="Ask the hub for another one.")


def _held(connection: Connection, fill_id: str, token: int) -> Any:
    row = connection.execute(sa.select(t.fill).where(t.fill.c.fill_id == fill_id)).mappings().first()
    if row is None or row["token"] != token:
        raise fenced(fill_id)
    return row


def serve_blobs(now: float) -> sa.ColumnElement[bool]:
    """Those servers whose agents said so lately, of volumes that may be read."""
    read = sa.select(t.volume.c.volume_id).where(t.volume.c.state.in_(_READ))
    return sa.and_(t.blob_server.c.seen_at > now - SERVED_SECONDS, t.blob_server.c.volume_id.in_(read))


def _servers(connection: Connection, version_id: int, asking: str, now: float, terms: SiteTerms) -> list[Any]:
    """Other volumes with the version ready, whose agents said lately that they serve; each with its place.

    Of a site that is down nothing is asked; one that drains serves.
    """
    query = (
        sa.select(
            t.blob_server.c.volume_id,
            t.blob_server.c.url,
            sa.func.coalesce(t.volume_site.c.site, t.blob_server.c.volume_id).label("site"),
        )
        .join(t.replica, t.replica.c.volume_id == t.blob_server.c.volume_id)
        .outerjoin(t.volume_site, t.volume_site.c.volume_id == t.blob_server.c.volume_id)
        .where(t.replica.c.version_id == version_id, t.replica.c.state == ReplicaState.READY.value)
        .where(t.blob_server.c.volume_id != asking, serve_blobs(now))
        .order_by(t.blob_server.c.volume_id)
    )
    found = list(connection.execute(query).mappings())
    sites = site_rows.every(connection) if found else []
    down = {site["volume_id"] for site in sites if site_rows.stands(site, now, terms).state is SiteState.DOWN}
    return [server for server in found if server["volume_id"] not in down]


def _open_to(connection: Connection, version_id: int) -> Collection[str]:
    """The datasets whose transfers a fill may learn from: its own, and those that everybody may read."""
    own = (
        sa.select(t.dataset.c.name)
        .join(t.version, t.version.c.dataset_id == t.dataset.c.dataset_id)
        .where(t.version.c.version_id == version_id)
    )
    return link_rows.open_to_all(connection) | set(connection.execute(own).scalars())


def _ref(connection: Connection, version_id: int) -> str:
    query = (
        sa.select(t.dataset.c.name, t.version.c.number, t.version.c.subset)
        .join(t.version, t.version.c.dataset_id == t.dataset.c.dataset_id)
        .where(t.version.c.version_id == version_id)
    )
    row = connection.execute(query).one()
    return ref_of(row.name, row.number, row.subset)


def _require_volume(connection: Connection, volume_id: str) -> None:
    if connection.execute(sa.select(t.volume.c.volume_id).where(t.volume.c.volume_id == volume_id)).first() is None:
        raise NotFoundError("volume-not-found", f"no volume {volume_id}")


def _on(table: sa.Table, source: str, target: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.source == source, table.c.target == target


def _check_places(source: str, target: str) -> None:
    if "://" in source:
        check_lake_url(source)
    elif not _PLACE.fullmatch(source):
        raise InputError("bad-link", f"{source!r} is neither a lake (s3://bucket) nor a site.")
    if len(source) > t.PLACE_LENGTH or not _PLACE.fullmatch(target):
        raise InputError("bad-link", f"There can be no link from {source!r} to {target!r}: it leads to a site.")


def _check_report(report: TransferReport) -> None:
    _check_places(report.source, "any")
    check_dataset_name(report.dataset)
    _check_number("seconds", report.seconds, most=_MOST_SECONDS)
    _check_number("first byte", report.first_byte_s, most=_MOST_SECONDS)
    _check_number("concurrency", report.concurrency, most=_MOST_SECONDS)
    _check_number("bytes", report.moved_bytes, most=2.0**62)


def _check_number(what: str, value: float | None, *, most: float, positive: bool = False) -> None:
    if value is not None and not (math.isfinite(value) and 0 <= value <= most and (value > 0 or not positive)):
        raise InputError("bad-link", f"{value} can't be a link's {what}.")
