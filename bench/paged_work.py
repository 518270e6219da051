"""Rows of a large team's hub, for bench.pages: volumes with their replicas, fills and events; runs and what they tell.

Pure: the same size and moment give the same rows. Nothing here makes a hub do anything by itself for the next hours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from bench.paged_catalog import DAY_S, GB, LAKES, Rows, Size, rows_of, site, team, user
from forebay.catalog import schema as t
from forebay.wire.codec import to_json
from forebay.wire.runs import DataUse, NewRun

RUNNING = 150
QUEUED = 50
LOG_BYTES = 16 << 20
"""As much as a hub keeps of a log."""

_PART_BYTES = 64 << 10
_LATER_S = 6 * 3600.0
_TB = 1000 * GB


def volume(number: int) -> str:
    return f"volume-{number:02}"


def run_id(seq: int) -> str:
    return f"{seq:012x}"


def volume_rows(size: Size, now: float) -> Iterator[Rows]:
    """What must be there before an agent attaches."""
    yield rows_of(
        t.volume,
        [
            {
                "volume_id": volume(number),
                "path": "/cache",
                "limit_bytes": 80 * _TB,
                "used_bytes": 50 * _TB,
                "created_at": now - 90 * DAY_S,
                "state": "normal",
                "state_since": now - 90 * DAY_S,
                "good_at": now,
            }
            for number in range(size.sites)
        ],
    )


def work_rows(size: Size, now: float) -> Iterator[Rows]:
    """All else."""
    yield from _caches(size, now)
    yield from _lines(size, now)
    yield from _links(size, now)
    yield from _runs(size, now)
    yield rows_of(t.task, [_task(size, number, now) for number in range(size.runs // 20)])


def held(size: Size) -> Iterator[tuple[int, int]]:
    """The volume and the version of each replica: every volume has a share of those versions whose manifests exist."""
    each = size.replicas // size.sites
    for place in range(size.sites):
        for nth in range(each):
            yield place, 1 + (place * 37 + nth) % size.kept_versions


def _caches(size: Size, now: float) -> Iterator[Rows]:
    places = list(held(size))
    yield rows_of(t.replica, [_replica(number, *place, now) for number, place in enumerate(places)])
    yield rows_of(t.fill, [_fill(number, *place, now) for number, place in enumerate(fills(size))])
    ready = [place for number, place in enumerate(places) if number % 10 == 0 and not _is_filling(number)]
    yield rows_of(
        t.lease,
        [
            {
                "lease_id": f"lease-{number}",
                "volume_id": volume(place),
                "version_id": version,
                "holder_user": user(number),
                "holder_host": "node",
                "holder_purpose": "train",
                "token": 1,
                "granted_at": now - 600,
                "expires_at": now + _LATER_S,
            }
            for number, (place, version) in enumerate(ready)
        ],
    )
    yield rows_of(
        t.quota,
        [
            {"volume_id": volume(place), "team": team(place + nth), "limit_bytes": 20 * _TB}
            for place in range(size.sites)
            for nth in range(3)
        ],
    )


def fills(size: Size) -> list[tuple[int, int]]:
    """The volume and the version of each fill under way, in the order of their ids."""
    return [place for number, place in enumerate(held(size)) if _is_filling(number)]


def fill_id(number: int) -> str:
    return f"fill-{number}"


def total_bytes(version: int) -> int:
    """What a fill of it brings."""
    return (1 + version % 400) * GB


def _is_filling(number: int) -> bool:
    return number % 251 == 7


def _replica(number: int, place: int, version: int, now: float) -> dict[str, Any]:
    state = "filling" if _is_filling(number) else "damaged" if number % 500 == 3 else "ready"
    return {
        "volume_id": volume(place),
        "version_id": version,
        "state": state,
        "reason": "a file does not match" if state == "damaged" else "",
        "since": now - number % 20 * DAY_S,
        "token": 1,
        "fill_seconds": 600.0,
        "fill_bytes": (1 + version % 400) * GB,
        "last_used_at": now - number % 9 * DAY_S,
        "lake_confirmed_at": now - DAY_S,
        "pinned_by": user(number) if number % 12 == 0 else "",
        "pin_reason": "for the demo" if number % 12 == 0 else "",
        "verified_at": now - DAY_S,
    }


def _fill(number: int, place: int, version: int, now: float) -> dict[str, Any]:
    """Held by its site's agent, as long as that is heard of."""
    return {
        "fill_id": fill_id(number),
        "volume_id": volume(place),
        "version_id": version,
        "token": 1,
        "holder_user": f"agent:{site(place)}",
        "holder_host": "node",
        "holder_purpose": "warm",
        "started_at": now - 300,
        "expires_at": now + _LATER_S,
        "reserved_bytes": total_bytes(version),
        "total_files": 20,
        "total_bytes": total_bytes(version),
        "moved_bytes": total_bytes(version) // 3,
        "rate_bytes_s": 2e8,
        "told_at": now,
    }


def _lines(size: Size, now: float) -> Iterator[Rows]:
    month = [datetime.fromtimestamp(now - back * DAY_S, UTC).strftime("%Y-%m") for back in range(61)]
    uses, events = [], []
    for number in range(1, size.lines + 1):
        version = 1 + number * 11 % size.kept_versions
        back = (size.lines - number) * 60 / size.lines
        common = {"at": now - back * DAY_S, "volume_id": volume(number % size.sites), "ref": size.ref(version)}
        size_bytes = (1 + version % 400) * GB
        uses.append(
            {
                **common,
                "use_id": number,
                "month": month[int(back)],
                "dataset": size.dataset_of(version),
                "team": team(number),
                "user_name": user(number),
                "size_bytes": size_bytes,
                "moved_bytes": size_bytes if number % 6 == 0 else 0,
                "seconds_saved": 300.0,
            }
        )
        event = ("filled", "evicted", "fill-began", "verified")[number % 4]
        events.append({**common, "event_id": number, "event": event, "reason": "unused", "size_bytes": size_bytes})
    yield rows_of(t.use, uses)
    yield rows_of(t.event, events)


def _links(size: Size, now: float) -> Iterator[Rows]:
    pairs = [(f"s3://lake-{lake}", site(place)) for lake in range(LAKES) for place in range(size.sites)]
    pairs += [(site(place), site((place + step) % size.sites)) for place in range(size.sites) for step in (1, 2)]
    yield rows_of(
        t.link,
        [{"source": source, "target": target, "price_byte": 0.02 / GB} for source, target in sorted(set(pairs))[::3]],
    )
    yield rows_of(
        t.link_measured,
        [
            {
                "source": source,
                "target": target,
                "dataset_id": 1 + (number + nth * 17) % size.datasets,
                "bandwidth_weight": 3.0,
                "bandwidth_log_sum": 57.0,
                "bandwidth_square_sum": 1083.5,
                "bandwidth_at": now,
                "latency_weight": 3.0,
                "latency_log_sum": -9.0,
                "latency_square_sum": 27.2,
                "latency_at": now,
                "moved_bytes": 40 * GB,
                "transfers": 3,
                "measured_at": now,
            }
            for number, (source, target) in enumerate(sorted(set(pairs)))
            for nth in range(5)
        ],
    )


def _runs(size: Size, now: float) -> Iterator[Rows]:
    runs, reads, attempts, metrics = [], [], [], []
    for seq in range(1, size.runs + 1):
        state = _state(size, seq)
        version = 1 + seq * 13 % size.kept_versions
        at = now - (size.runs - seq) * 50.0 - 60.0
        place = site(seq % size.sites) if state != "queued" else ""
        runs.append(_run(size, seq, state, version, at, place))
        reads.append(
            {"run_seq": seq, "name": "data", "dataset": size.dataset_of(version), "ref": size.ref(version)},
        )
        if state != "queued":
            attempts.append(_attempt(seq, state, at, place, now))
        if state == "succeeded":
            both = {"auc": 0.7 + seq % 97 / 1000, "log_loss": 0.4 + seq % 89 / 1000}
            metrics += [{"run_seq": seq, "number": 1, "name": name, "value": value} for name, value in both.items()]
    yield rows_of(t.run, runs)
    yield rows_of(t.run_data, reads)
    yield rows_of(t.attempt, attempts)
    yield rows_of(t.run_metric, metrics)
    yield rows_of(t.run_log, list(_log(size)))


def _state(size: Size, seq: int) -> str:
    left = size.runs - seq
    if left < QUEUED:
        return "queued"
    if left < QUEUED + RUNNING:
        return "running"
    return "failed" if seq % 20 == 0 else "cancelled" if seq % 33 == 0 else "succeeded"


def _run(size: Size, seq: int, state: str, version: int, at: float, place: str) -> dict[str, Any]:
    new = NewRun(
        command=("python", "train.py", "--rate", f"0.{seq % 97}"),
        data=(DataUse(name="data", ref=size.ref(version)),),
        gpus=512 if state == "queued" else 1,
        estimate_s=900.0,
        team=team(seq),
        title=f"train {seq}",
        submitted_by=user(seq),
    )
    return {
        "run_seq": seq,
        "run_id": run_id(seq),
        "new": json.dumps(to_json(new), separators=(",", ":")),
        "state": state,
        "is_active": state in ("queued", "running"),
        "reason": "it ended with 1" if state == "failed" else "",
        "since": at + 40,
        "submitted_at": at,
        "submitted_by": user(seq),
        "team": team(seq),
        "revision": 3,
        "site": place,
        "last_error": "it ended with 1" if state == "failed" else "",
        "made": size.ref(seq) if seq % 3 == 0 and seq <= size.versions and state == "succeeded" else "",
    }


def _attempt(seq: int, state: str, at: float, place: str, now: float) -> dict[str, Any]:
    is_over = state != "running"
    return {
        "run_seq": seq,
        "number": 1,
        "site": place,
        "token": 1,
        "ordered_at": at + 1,
        "started_at": at + 2,
        "ended_at": at + 40 if is_over else 0.0,
        "ending": state if is_over else "",
        "exit_code": (1 if state == "failed" else 0) if is_over else None,
        "agent_token": 1,
        "held_until": now + _LATER_S,
        "log_bytes": LOG_BYTES if state == "running" else 0,
    }


def logged(size: Size) -> int:
    """The run that has a log, the newest that runs; its number."""
    return size.runs - QUEUED


def _log(size: Size) -> Iterator[dict[str, Any]]:
    line = b"\x1b[32mstep\x1b[0m loss 0.412 of a batch that went as all others did\n"
    data = line * (_PART_BYTES // len(line) + 1)
    for begin in range(0, LOG_BYTES, _PART_BYTES):
        key = {"run_seq": logged(size), "number": 1, "begin": begin, "end": begin + _PART_BYTES}
        yield {**key, "data": data[:_PART_BYTES]}


def _task(size: Size, number: int, now: float) -> dict[str, Any]:
    version = 1 + number * 3 % size.kept_versions
    return {
        "task_id": f"task-{number}",
        "site": site(number % size.sites),
        "kind": "fill",
        "ref": size.ref(version),
        "token": 1,
        "state": "failed" if number % 100 == 0 else "done",
        "reason": "the disk is full" if number % 100 == 0 else "",
        "since": now - number * 40.0,
        "asked_by": user(number),
        "attempts": 1,
        "created_at": now - number * 40.0 - 30,
    }
