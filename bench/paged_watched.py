"""Many who watch live pages at once, as browsers do, and what that costs the hub; pages as Chromium paints them."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from statistics import median
from time import monotonic
from urllib.parse import quote, urlencode

from bench.hub import Asker
from bench.paged import Serving, filling
from bench.paged_visits import processes_s
from bench.paged_work import held, volume
from bench.process import cpu_s
from forebay.testing.servers import Chromium
from forebay.testing.web.looking import Eyes

WATCHERS = 200
SIGHTS = 5
PAGES = ("/", "/cache")
_SETTLE_S = 12.0
"""Until each has had its first parts, and each was looked at again."""

_REACHED_S = 30.0
"""So long is waited for what a change brings."""

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

    `parts` is how many came meanwhile, `seeing` how many sights there were. `reached_s` has for each watcher the
    seconds from a change until it got a part; who got none in that time is not in it.
    """

    idle: float
    watched: float
    database_idle: float
    database_watched: float
    parts: int
    seeing: int
    lost: int
    reached_s: tuple[float, ...] = ()

    @property
    def cost(self) -> float:
        return self.watched - self.idle


@dataclass(slots=True, kw_only=True)
class _Told:
    """What came to one watcher: how many parts, and when the last of them."""

    parts: int = 0
    first_since_change: float = 0.0


async def watch(served: Serving, seconds: float, watchers: int, sights: int = SIGHTS) -> Watched:
    """Have them watch, half of them each page, in sessions of their own; measure before, during and after a change.

    Fills go on all the while, so that the difference is what it costs to show them; for the change alone they are
    silent, so that what comes then is of it.
    """
    secrets = [served.made.admin, *list(served.made.people.values())[10 : 9 + sights]]
    told = [_Told() for _ in range(watchers)]
    ended, silent = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(filling(served, ended, silent))
        idle, database_idle = await _shares(served, seconds)
        tasks = [
            group.create_task(_watch(served, secrets[number % len(secrets)], PAGES[number // 5 % 2], one))
            for number, one in enumerate(told)
        ]
        await asyncio.sleep(_SETTLE_S)
        before = sum(one.parts for one in told)
        watched, database_watched = await _shares(served, seconds)
        parts = sum(one.parts for one in told) - before
        silent.set()
        await asyncio.sleep(_SETTLE_S)
        changed = await _change(served)
        for one in told:
            one.first_since_change = 0.0
        await asyncio.sleep(_REACHED_S)
        lost = sum(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        silent.clear()
        await asyncio.sleep(_SETTLE_S)
        idle_after, database_idle_after = await _shares(served, seconds)
        ended.set()
    return Watched(
        # What the machine does for others changes with the minutes: before and after stand for meanwhile.
        idle=(idle + idle_after) / 2,
        watched=watched,
        database_idle=(database_idle + database_idle_after) / 2,
        database_watched=database_watched,
        parts=parts,
        seeing=len(secrets),
        lost=lost,
        reached_s=tuple(sorted(one.first_since_change - changed for one in told if one.first_since_change)),
    )


async def _change(served: Serving) -> float:
    """Something that both pages show: a replica is not pinned any more, and a run is wanted; the moment."""
    asker, size = Asker(served.port, served.made.admin), served.made.size
    pinned = next(version for number, (place, version) in enumerate(held(size)) if place == 0 and number % 12 == 0)
    ref = size.ref(pinned)
    name, _, number = ref.partition("@v")
    new = {"command": ["true"], "gpus": 512}
    for method, path, body in (
        ("DELETE", f"/volumes/{volume(0)}/replicas/{name}/{number}/pin", None),
        ("POST", "/runs", new),
    ):
        status, answer = await asker.ask(method, path, body)
        if status >= 400:
            raise RuntimeError(f"the hub answered {status} to a change: {answer}")
    asker.close()
    return monotonic()


async def _shares(served: Serving, seconds: float) -> tuple[float, float]:
    """Of a core, in so many seconds: the hub's and its database's."""
    began, hub_s, all_s = monotonic(), cpu_s([served.hub]), processes_s(served)
    await asyncio.sleep(seconds)
    took_s, hub_s = monotonic() - began, cpu_s([served.hub]) - hub_s
    return hub_s / took_s, max(0.0, processes_s(served) - all_s - hub_s) / took_s if served.postgres else 0.0


async def _watch(served: Serving, secret: str, page: str, told: _Told) -> None:
    """Until the stream ends."""
    session = await _session(served.port, secret)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1 << 22)
    head = f"Host: 127.0.0.1:{served.port}\r\nCookie: {session}\r\nAccept: text/event-stream\r\n"
    writer.write(f"GET /live?page={quote(page, safe='')} HTTP/1.1\r\n{head}\r\n".encode())
    try:
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in answer.split(b"\r\n", 1)[0]:
            raise RuntimeError(f"the hub answered {answer[:200]!r} to a watcher")
        with contextlib.suppress(asyncio.IncompleteReadError):
            while line := await reader.readuntil(b"\n"):
                if line.startswith(b"event: part"):
                    told.parts += 1
                    told.first_since_change = told.first_since_change or monotonic()
    finally:
        writer.close()


async def _session(port: int, secret: str) -> str:
    """The cookie of a new log-in."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = urlencode({"token": secret})
    head = f"Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nSec-Fetch-Site: same-origin\r\n"
    head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"POST /login HTTP/1.1\r\n{head}\r\n{body}".encode())
    try:
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    finally:
        writer.close()
    cookie = next((line for line in answer.split("\r\n") if line.lower().startswith("set-cookie:")), "")
    if " 303 " not in answer.split("\r\n", 1)[0] or not cookie:
        raise RuntimeError(f"the hub answered {answer[:200]!r} to a log-in")
    return cookie.partition(":")[2].partition(";")[0].strip()


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
