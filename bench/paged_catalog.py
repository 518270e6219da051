"""Rows of a large team's hub, for bench.pages: people, datasets, versions, policies, and what was done and refused.

Pure: the same size and moment give the same rows. `rows_of` makes whole rows out of those columns that matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from forebay.catalog import schema as t
from forebay.hub.access.secret import hash_of

DAY_S = 86400.0
GB = 10**9
USERS = 200
TEAMS = 20
LAKES = 5
HIDDEN_EVERY = 10
"""Of so many datasets one is for one team alone."""

Rows = tuple[sa.Table, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much there is. `lines` is that of each: uses, events and lines of the audit."""

    datasets: int = 2_000
    versions: int = 20_000
    sites: int = 40
    runs: int = 100_000
    files: int = 1_000_000
    lines: int = 100_000
    replicas: int = 10_000
    kept_versions: int = 1_000

    def scaled(self, scale: float) -> Size:
        """A share of all of it, and never so little that a page would be empty."""
        return Size(
            datasets=max(40, int(self.datasets * scale)),
            versions=max(40, int(self.datasets * scale)) * self.each,
            sites=max(4, int(self.sites * scale)),
            runs=max(500, int(self.runs * scale)),
            files=max(1_000, int(self.files * scale)),
            lines=max(500, int(self.lines * scale)),
            replicas=max(100, int(self.replicas * scale)),
            kept_versions=max(50, int(self.kept_versions * scale)),
        )

    @property
    def each(self) -> int:
        """Versions of a dataset."""
        return self.versions // self.datasets

    def ref(self, version_id: int) -> str:
        """What the version with this id is called; ids count from 1 on, through one dataset after another."""
        return f"{self.dataset_of(version_id)}@v{(version_id - 1) % self.each + 1}"

    def dataset_of(self, version_id: int) -> str:
        return dataset(1 + (version_id - 1) // self.each)


def dataset(number: int) -> str:
    return f"clicks-{number:04}"


def team(number: int) -> str:
    return f"team-{number % TEAMS:02}"


def user(number: int) -> str:
    return f"user-{number % USERS:03}"


def site(number: int) -> str:
    return f"site-{number:02}"


def rows_of(table: sa.Table, rows: list[dict[str, Any]]) -> Rows:
    """Whole rows: of columns that are not named, NULL where that may be, else "", 0 or nothing."""
    rest = {column.name: _empty(column) for column in table.columns}
    return table, [{**rest, **row} for row in rows]


def _empty(column: sa.Column[Any]) -> Any:
    if column.nullable:
        return None
    if isinstance(column.type, sa.Boolean):
        return False
    if isinstance(column.type, sa.LargeBinary):
        return b""
    return "" if isinstance(column.type, sa.String) else 0


def catalog_rows(size: Size, now: float, digests: Mapping[int, str], secrets: Mapping[str, str]) -> Iterator[Rows]:
    """`digests` are those manifests that are there, by version; `secrets` the tokens that visitors have, by user."""
    yield from _people(now, secrets)
    yield from _datasets(size, now, digests)
    yield rows_of(t.audit, [_audit(size, number, now) for number in range(1, size.lines + 1)])


def _people(now: float, secrets: Mapping[str, str]) -> Iterator[Rows]:
    roles = ("scientist", "scientist", "engineer", "viewer")
    yield rows_of(
        t.hub_user,
        [
            {"user_id": 10 + number, "name": user(number), "role": roles[number % 4], "created_at": now - 90 * DAY_S}
            for number in range(USERS)
        ],
    )
    yield rows_of(t.team, [{"name": team(number)} for number in range(TEAMS)])
    yield rows_of(t.membership, [{"team": team(number), "user_id": 10 + number} for number in range(USERS)])
    common = {"role": "engineer", "created_at": now - DAY_S, "last_used_at": now}
    yield rows_of(
        t.token,
        [
            {**common, "token_id": f"visit{number}", "sha256": hash_of(secret), "user_id": 10 + int(name[-3:])}
            for number, (name, secret) in enumerate(secrets.items())
        ]
        + [
            {
                **common,
                "token_id": f"t{number}",
                "sha256": f"{number:064x}",
                "user_id": 10 + number % USERS,
                "note": "ci",
            }
            for number in range(2 * USERS)
        ],
    )


def _datasets(size: Size, now: float, digests: Mapping[int, str]) -> Iterator[Rows]:
    numbers = range(1, size.datasets + 1)
    yield rows_of(
        t.dataset,
        [
            {
                "dataset_id": number,
                "name": dataset(number),
                "access_group": "default",
                "owner": user(number),
                "description": "Clicks of one market, a file a day",
                "team": team(number),
                "created_at": now - 90 * DAY_S,
                "last_number": size.each,
            }
            for number in numbers
        ],
    )
    yield rows_of(t.version, [_version(size, number, now, digests) for number in range(1, size.versions + 1)])
    yield rows_of(
        t.parent,
        [
            {"child_id": number, "parent_id": number - size.each}
            for number in range(size.each + 1, size.versions + 1)
            if number % 2
        ],
    )
    newest = [(number, number * size.each) for number in numbers]
    yield rows_of(
        t.tag,
        [
            {"dataset_id": number, "name": name, "version_id": last - back}
            for number, last in newest
            for back, name in enumerate(("candidate", "prod"))
        ],
    )
    yield rows_of(
        t.tag_move,
        [
            {
                "tag_move_id": number * 5 + move,
                "dataset_id": number,
                "name": "prod",
                "number": move + 1,
                "moved_at": now - (5 - move) * DAY_S,
                "moved_by": user(number),
            }
            for number in numbers
            for move in range(5)
        ],
    )
    yield rows_of(
        t.dataset_policy,
        [
            {"dataset_id": number, "read_teams": team(number), "set_by": user(number), "set_at": now - 9 * DAY_S}
            for number in numbers
            if number % HIDDEN_EVERY == 0
        ],
    )
    yield rows_of(
        t.retention,
        [
            {"dataset_id": number, "keep_last": 20, "set_by": user(number), "set_at": now, "checked_at": now}
            for number in numbers
            if number % 4 == 0
        ],
    )


def _version(size: Size, number: int, now: float, digests: Mapping[int, str]) -> dict[str, Any]:
    nth = (number - 1) % size.each
    return {
        "version_id": number,
        "dataset_id": 1 + (number - 1) // size.each,
        "number": nth + 1,
        "manifest_digest": digests.get(number, f"{number:064x}"),
        "origin": "registered",
        "lake_url": f"s3://lake-{number % LAKES}/clicks",
        "files": size.files if number == size.each else 20,
        "size_bytes": (1 + number % 400) * GB,
        "created_at": now - (size.each - nth) * 3 * DAY_S,
        "created_by": user(number),
        "message": "A day more",
        "made_by_command": "python features.py --bits 24",
        "made_by_parameters": f"run {_run_id(number)}; python 3.12" if number % 3 == 0 else "",
    }


def _run_id(number: int) -> str:
    return f"{number:012x}"


def _audit(size: Size, number: int, now: float) -> dict[str, Any]:
    version = 1 + number * 7 % size.versions
    return {
        "audit_id": number,
        "at": now - (size.lines - number) * 30.0,
        "user_name": user(number),
        "token_id": f"t{number % (2 * USERS)}",
        "action": ("read", "warm", "run", "change")[number % 4],
        "call": ("leases.take", "sites.ask", "runs.submit", "catalog.tag")[number % 4],
        "dataset": size.dataset_of(version),
        "ref": size.ref(version),
        "source": f"10.0.{number % 50}.{number % 200}",
        "request_id": f"{number:012x}",
        "outcome": "refused" if number % 50 == 0 else "allowed",
    }
