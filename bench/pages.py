"""A large team's hub as people see it: how long its pages take, what they weigh, when they are painted, who watches.

2,000 datasets with 20,000 versions, one of them of 1,000,000 files, 40 sites whose agents beat, 100,000 runs; served by
`forebay hub serve` on SQLite and on PostgreSQL (fsync off). Every page is visited by an admin and by somebody who may
not see all. Times are a browser's over loopback, CPU the hub's and its database's, both of later visits: the first one
may fill what the hub keeps in memory, and is told apart. Run: python -m bench.pages [--rounds N] [--scale X]
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import forebay
from bench.machine import machine_facts, options_parser
from bench.paged import Serving, beating, beating_beside, make, running, sees_less, serving
from bench.paged_catalog import Size
from bench.paged_visits import Browser, Taken, Visits, addresses, first_load, p95, visit
from bench.paged_watched import SIGHTS, WATCHERS, Painted, Watched, paint, watch
from bench.report import Case, Side, conclude, table
from forebay.testing.servers import Postgres

PAGE_S = 0.1
LOAD_BYTES = 200_000
PAINT_MS = 500.0
WATCHED_SHARE = 0.1
ADMIN, SOME = "admin", "somebody"


@dataclass(slots=True, kw_only=True)
class Seen:
    """What was measured on one database; visits are by who made them and by route."""

    visits: dict[str, dict[str, Visits]] = field(default_factory=dict)
    load_bytes: dict[str, int] = field(default_factory=dict)
    painted: Painted | None = None
    watched: Watched | None = None

    @property
    def slowest(self) -> Visits:
        return max((one for by in self.visits.values() for one in by.values()), key=Visits.p95_s)

    @property
    def costliest(self) -> Visits:
        return max((one for by in self.visits.values() for one in by.values()), key=Visits.cpu_p95_s)

    @property
    def later(self) -> list[Taken]:
        return [taken for by in self.visits.values() for one in by.values() for taken in one.later]


def main() -> None:
    parser = options_parser("bench.pages", __doc__, rounds=20)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long watchers are watched (%(default)s)")
    parser.add_argument("--watchers", type=int, default=WATCHERS, help="how many of them (default: %(default)s)")
    parser.add_argument("--sights", type=int, default=SIGHTS, help="how many different ones (default: %(default)s)")
    options = parser.parse_args()
    facts = machine_facts(Path(tempfile.gettempdir()))
    size = Size().scaled(options.scale)
    seen: dict[str, Seen] = {}
    with tempfile.TemporaryDirectory(prefix="forebay-bench-pages-") as scratch, Postgres.start() as postgres:
        for name in ("SQLite", "PostgreSQL"):
            home = Path(scratch) / name
            on_server = name == "PostgreSQL"
            url = postgres.new_database() if on_server else ""
            _say(f"{name}: filling a hub")
            made = make(home, url, size)
            with serving(home, url, made, postgres.process.popen.pid if on_server else 0) as served:
                seen[name] = asyncio.run(_see(served, options))
                with beating_beside(served):
                    seen[name].painted = paint(served, _painted(size), max(1, options.rounds // 4))
            shutil.rmtree(home)
            print(pages_table(name, seen[name]), flush=True)
            print(watched_line(name, seen[name]), flush=True)
    facts |= {"rounds": options.rounds, "scale": options.scale, "size": asdict(size), "watchers": options.watchers}
    facts |= {"versions": {"forebay": forebay.__version__}, "seconds": options.seconds}
    conclude("pages", [case for name, found in seen.items() for case in cases(name, found)], facts)


def _painted(size: Size) -> list[str]:
    run = running(size, 1)[0]
    return ["/", "/datasets", "/cache", "/sites", "/runs", f"/runs/{run}", "/datasets/clicks-0001"]


async def _see(served: Serving, options: argparse.Namespace) -> Seen:
    found, ended = Seen(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(beating(served, ended))
        people = {ADMIN: served.made.admin, SOME: served.made.people[sees_less()]}
        for who, secret in people.items():
            _say(f"{who} visits every page")
            found.visits[who] = await _visit_all(served, secret, who, options.rounds)
        found.load_bytes = await first_load(served, served.made.admin)
        _say(f"{options.watchers} watch")
        found.watched = await watch(served, options.seconds, options.watchers, options.sights)
        ended.set()
    return found


async def _visit_all(served: Serving, secret: str, who: str, rounds: int) -> dict[str, Visits]:
    """Round after round, so that what is loud on the machine for a while is loud for all."""
    browser = Browser(served.port, secret)
    paths = {route: path for route, path in addresses(served.made.size).items() if who == ADMIN or is_for_all(route)}
    found = {route: Visits(route=route) for route in paths}
    for _ in range(rounds + 1):
        for route, path in paths.items():
            await visit(served, browser, found[route], path)
    browser.close()
    return found


def is_for_all(route: str) -> bool:
    """Whether everybody may open the page, not only who may change what it is about."""
    changes = (
        "/forget",
        "/retire",
        "/remove",
        "/settings",
        "/cancel",
        "/evict",
        "/pin",
        "/down",
        "/warm",
        "/register",
        "}/where",
    )
    return not route.startswith("/admin") and not route.endswith((*changes, "/commit", "/settings/retention"))


def pages_table(name: str, seen: Seen) -> str:
    """Every page, slowest first."""
    rows = []
    for who, by in seen.visits.items():
        for visits in by.values():
            assert visits.first is not None
            ms = [visits.p50_s(), visits.p95_s(), visits.cpu_p95_s(), visits.first.seconds]
            kb = max(item.size_bytes for item in visits.later) / 1000
            rows.append(
                (visits.p95_s(), [f"{visits.route} ({who})", *(f"{item * 1000:.1f}" for item in ms), f"{kb:.1f}"])
            )
    head = ["page", "p50 ms", "p95 ms", "CPU p95 ms", "first ms", "KB"]
    return table(f"{name}: pages", head, [row for _, row in sorted(rows, key=lambda item: -item[0])])


def watched_line(name: str, seen: Seen) -> str:
    watched, painted = seen.watched, seen.painted
    assert watched is not None
    assert painted is not None
    told = f"{name}: watchers of {watched.seeing} sights: hub {watched.idle:.1%} idle, {watched.watched:.1%} watched; "
    told += f"database {watched.database_idle:.1%} idle, {watched.database_watched:.1%} watched; "
    told += f"{watched.parts} parts came, {watched.lost} streams ended; "
    reached = watched.reached_s
    told += f"a change reached {len(reached)}, p95 {p95(reached):.1f} s" if reached else "a change reached nobody"
    paints = ", ".join(f"{path} {ms:.0f} ms, {painted.shift[path]:.4f}" for path, ms in painted.paint_ms.items())
    return f"\n{told}\n{name}: first paint, layout shift: {paints}\n{name}: first load: {seen.load_bytes}"


def cases(name: str, seen: Seen) -> list[Case]:
    """The claims, for one database."""
    slowest, costliest, painted, watched = seen.slowest, seen.costliest, seen.painted, seen.watched
    assert painted is not None
    assert watched is not None
    worst_paint = max(painted.paint_ms.items(), key=lambda item: item[1])
    worst_shift = max(painted.shift.items(), key=lambda item: item[1])
    load = sum(seen.load_bytes.values())
    return [
        _case(f"slowest page, p95 / 100 ms, {name}", slowest.p95_s() / PAGE_S, _ms(slowest.route, slowest.p95_s())),
        Case(
            case=f"costliest page, CPU p95 / 100 ms, {name}",
            measured=_ms(costliest.route, costliest.cpu_p95_s()),
            ratio=costliest.cpu_p95_s() / PAGE_S,
        ),
        Case(
            case=f"all visits, p95 / 100 ms, {name}",
            measured=f"{p95([taken.seconds for taken in seen.later]) * 1000:.1f} ms",
            ratio=p95([taken.seconds for taken in seen.later]) / PAGE_S,
        ),
        _case(f"first load / 200 KB, {name}", load / LOAD_BYTES, f"{load / 1000:.1f} KB"),
        _case(
            f"first contentful paint / 500 ms, {name}",
            worst_paint[1] / PAINT_MS,
            _ms(worst_paint[0], worst_paint[1] / 1000),
        ),
        _case(f"layout shift, {name}", worst_shift[1], f"{worst_shift[0]} {worst_shift[1]:.4f}", bound=0.0),
        _case(f"watchers / 10 % of a core, {name}", watched.cost / WATCHED_SHARE, f"{watched.cost:.1%}"),
    ]


def _case(case: str, ratio: float, measured: str, bound: float = 1.0) -> Case:
    return Case(case=case, measured=measured, ratio=ratio, side=Side.AT_MOST, bound=bound)


def _ms(what: str, seconds: float) -> str:
    return f"{what} {seconds * 1000:.1f} ms"


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
