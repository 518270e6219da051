"""Many who watch live pages at once, as browsers do, and what that costs the hub; pages as Chromium paints them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass
from statistics import median
from time import monotonic
from urllib.parse import quote

from bench.paged import Serving
from bench.paged_visits import processes_s
from bench.process import cpu_s
from forebay.testing.servers import Chromium
from forebay.testing.web.looking import Eyes

WATCHERS = 200
PAGES = ("/", "/cache")
_SETTLE_S = 12.0
"""Until each has had its first parts, and each was looked at again."""

_OBSERVE = """
window.__shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.__shift += entry.value;
}).observe({type: "layout-shift", buffered: true});
"""
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1"
_LOOKS_MS = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Shares of a core: what the hub took with nobody watching and with all; its database's apart.

    `parts` is how many came meanwhile, `seeing` how many sights there were.
    """

    idle: float
    watched: float
    database_idle: float
    database_watched: float
    parts: int
    seeing: int
    lost: int

    @property
    def cost(self) -> float:
        return self.watched - self.idle


async def watch(served: Serving, seconds: float, watchers: int) -> Watched:
    """Have them watch, half of them each page, each a fifth of them with another sight; measure before and during."""
    secrets = [served.made.admin, *list(served.made.people.values())[10:14]]
    idle, database_idle = await _shares(served, seconds)
    told: Counter[str] = Counter()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_watch(served.port, secrets[number % len(secrets)], PAGES[number // 5 % 2], told))
            for number in range(watchers)
        ]
        await asyncio.sleep(_SETTLE_S)
        before = told["part"]
        watched, database_watched = await _shares(served, seconds)
        parts = told["part"] - before
        lost = sum(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
    return Watched(
        idle=idle,
        watched=watched,
        database_idle=database_idle,
        database_watched=database_watched,
        parts=parts,
        seeing=len(secrets),
        lost=lost,
    )


async def _shares(served: Serving, seconds: float) -> tuple[float, float]:
    """Of a core, in so many seconds: the hub's and its database's."""
    began, hub_s, all_s = monotonic(), cpu_s([served.hub]), processes_s(served)
    await asyncio.sleep(seconds)
    took_s, hub_s = monotonic() - began, cpu_s([served.hub]) - hub_s
    return hub_s / took_s, max(0.0, processes_s(served) - all_s - hub_s) / took_s if served.postgres else 0.0


async def _watch(port: int, secret: str, page: str, told: Counter[str]) -> None:
    """Until the stream ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    head = f"Host: 127.0.0.1:{port}\r\nCookie: forebay_session={secret}\r\nAccept: text/event-stream\r\n"
    writer.write(f"GET /live?page={quote(page, safe='')} HTTP/1.1\r\n{head}\r\n".encode())
    try:
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in answer.split(b"\r\n", 1)[0]:
            raise RuntimeError(f"the hub answered {answer[:200]!r} to a watcher")
        with contextlib.suppress(asyncio.IncompleteReadError):
            while line := await reader.readuntil(b"\n"):
                if line.startswith(b"event: "):
                    told[line[7:].strip().decode()] += 1
    finally:
        writer.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """Milliseconds until the first content was there, medians of some loads each with an empty cache; the sum of
    layout shifts at worst.
    """

    paint_ms: dict[str, float]
    shift: dict[str, float]


def paint(served: Serving, paths: list[str], rounds: int) -> Painted:
    """Open pages in Chromium, each in a profile of its own, and look for a while at what moves."""
    paint_ms: dict[str, list[float]] = {path: [] for path in paths}
    shift: dict[str, float] = dict.fromkeys(paths, 0.0)
    with Chromium.start() as chromium:
        for _ in range(rounds):
            for path in paths:
                with Eyes.of(chromium, served.url, served.made.admin) as eyes:
                    eyes.context.add_init_script(_OBSERVE)
                    if (status := eyes.go(path)) != 200:
                        raise RuntimeError(f"the hub answered {status} at {path}")
                    eyes.page.wait_for_timeout(_LOOKS_MS)
                    paint_ms[path].append(float(eyes.page.evaluate(_PAINT)))
                    shift[path] = max(shift[path], float(eyes.page.evaluate("window.__shift")))
    return Painted(paint_ms={path: median(found) for path, found in paint_ms.items()}, shift=shift)
