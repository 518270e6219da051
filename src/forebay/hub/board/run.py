"""What the page of one run shows beside the run itself: how its data come, and how long its logs are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.names import NumberRef, parse_ref
from forebay.hub.board.sight import Sight
from forebay.wire.cache import ReplicaState
from forebay.wire.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLine:
    """A version that a run reads: how big it is (None: forgotten since), and how far it is at the run's site.

    `state` is a replica's, "filling", or "" where the run has no site yet. `share` of its bytes are there; `left_s` is
    None while that is not known.
    """

    name: str
    ref: str
    size_bytes: int | None = None
    files: int = 0
    state: str = ""
    share: float = 0.0
    rate_bytes_s: float = 0.0
    left_s: float | None = None


def data_of(connection: Connection, sight: Sight, run: Run, now: float) -> list[DataLine]:
    """What it reads, in its order; of a dataset that is hidden only what the run itself says."""
    volume_id = _volume_of(connection, run.site)
    lines = []
    for use in run.new.data:
        ref = parse_ref(use.ref)
        line = DataLine(name=use.name, ref=use.ref)
        if isinstance(ref, NumberRef) and sight.sees(ref.dataset):
            line = _line(connection, line, ref, volume_id, now)
        lines.append(line)
    return lines


def log_bytes_of(connection: Connection, run_id: str) -> Mapping[int, int]:
    """By attempt, how much it wrote, what was dropped included."""
    a = t.attempt.c
    seq = sa.select(t.run.c.run_seq).where(t.run.c.run_id == run_id).scalar_subquery()
    rows = connection.execute(sa.select(a.number, a.log_bytes).where(a.run_seq == seq))
    return {row.number: row.log_bytes for row in rows}


def _volume_of(connection: Connection, site: str) -> str:
    if not site:
        return ""
    query = sa.select(t.site.c.volume_id).where(t.site.c.name == site, t.site.c.removed_at == 0)
    return connection.execute(query).scalar() or ""


def _line(connection: Connection, line: DataLine, ref: NumberRef, volume_id: str, now: float) -> DataLine:
    v = t.version.c
    query = (
        sa.select(v.version_id, v.size_bytes, v.files)
        .join(t.dataset, t.dataset.c.dataset_id == v.dataset_id)
        .where(t.dataset.c.name == ref.dataset, v.number == ref.number, v.subset == ref.subset)
    )
    version = connection.execute(query).first()
    if version is None:
        return line
    known = DataLine(name=line.name, ref=line.ref, size_bytes=version.size_bytes, files=version.files)
    return _there(connection, known, version.version_id, volume_id, now) if volume_id else known


def _there(connection: Connection, line: DataLine, version_id: int, volume_id: str, now: float) -> DataLine:
    fill = connection.execute(
        sa.select(t.fill.c.present_bytes, t.fill.c.moved_bytes, t.fill.c.started_at).where(
            t.fill.c.volume_id == volume_id, t.fill.c.version_id == version_id
        )
    ).first()
    size_bytes = line.size_bytes or 0
    if fill is not None:
        there = fill.present_bytes + fill.moved_bytes
        rate = fill.moved_bytes / max(1.0, now - fill.started_at)
        left_s = max(0, size_bytes - there) / rate if rate > 0 else None
        share = min(1.0, there / size_bytes) if size_bytes else 0.0
        return _with(line, "filling", share, rate, left_s)
    replica = connection.execute(
        sa.select(t.replica.c.state).where(t.replica.c.volume_id == volume_id, t.replica.c.version_id == version_id)
    ).scalar()
    state = replica or ReplicaState.ABSENT.value
    return _with(line, state, 1.0 if state == ReplicaState.READY.value else 0.0, 0.0, None)


def _with(line: DataLine, state: str, share: float, rate: float, left_s: float | None) -> DataLine:
    return DataLine(
        name=line.name,
        ref=line.ref,
        size_bytes=line.size_bytes,
        files=line.files,
        state=state,
        share=share,
        rate_bytes_s=rate,
        left_s=left_s,
    )
