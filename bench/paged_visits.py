"""Visits to every page of a large hub, as a browser asks for them over loopback; how long each took the server.

CPU is that of the hub's process and of its database's, and so also of what they do of themselves meanwhile.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from time import monotonic

from bench.paged import Serving, queued, running
from bench.paged_catalog import HIDDEN_EVERY, Size, dataset, site, team, user
from forebay.testing.web.previews import SHOWN

_ASSET = re.compile(rb'(?:href|src)="(/static/[^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Of one visit: seconds until the answer was there, and of CPU; the bytes that came."""

    seconds: float
    cpu_s: float
    size_bytes: int


@dataclass(slots=True, kw_only=True)
class Visits:
    """Those to one page: the first, which may fill what the hub keeps in memory, and all later ones."""

    route: str
    first: Taken | None = None
    later: list[Taken] = field(default_factory=list)

    def p50_s(self) -> float:
        return median(item.seconds for item in self.later)

    def p95_s(self) -> float:
        return p95([item.seconds for item in self.later])

    def cpu_p95_s(self) -> float:
        return p95([item.cpu_s for item in self.later])


def p95(values: Sequence[float]) -> float:
    """The largest of few values."""
    return quantiles(values, n=20, method="inclusive")[18] if len(values) > 1 else values[0]


def addresses(size: Size) -> dict[str, str]:
    """An address on this hub for each route with a page; the files among them are the million's."""
    each = size.each
    name, plain, run, other, third = dataset(1), dataset(3), *running(size, 3)
    place = site(1)
    held = f"/cache/{place}/{dataset(5)}/v2"
    return {
        "/": "/",
        "/cache": "/cache",
        "/cache/-/history": "/cache/-/history",
        "/cache/-/warm": f"/cache/-/warm?dataset={name}&number={each}",
        "/cache/{place}": f"/cache/{place}",
        "/cache/{place}/history": f"/cache/{place}/history",
        "/cache/{place}/evict": f"/cache/{place}/evict",
        "/cache/{place}/{dataset}/v{number}": held,
        "/cache/{place}/{dataset}/v{number}/evict": f"{held}/evict",
        "/cache/{place}/{dataset}/v{number}/pin": f"{held}/pin",
        "/settings": "/settings",
        "/find": "/find?q=clicks-00",
        "/datasets": "/datasets",
        "/datasets?q": "/datasets?q=market",
        "/datasets/-/register": "/datasets/-/register",
        "/datasets/-/commit": f"/datasets/-/commit?name={name}",
        "/datasets/{name}": f"/datasets/{name}",
        "/datasets/{name}/tags": f"/datasets/{name}/tags",
        "/datasets/{name}/tags/{tag}/remove": f"/datasets/{name}/tags/prod/remove",
        "/datasets/{name}/settings": f"/datasets/{name}/settings",
        "/datasets/{name}/settings/retention": f"/datasets/{name}/settings/retention?keep_last=2",
        "/datasets/{name}/forget": f"/datasets/{name}/forget",
        "/datasets/{name}/v{number}": f"/datasets/{name}/v{each}",
        "/datasets/{name}/v{number}/retire": f"/datasets/{name}/v{each}/retire",
        "/datasets/{name}/v{number}/forget": f"/datasets/{plain}/v2/forget",
        "/datasets/{name}/v{number}/files": f"/datasets/{name}/v{each}/files",
        "/datasets/{name}/v{number}/files?folder": f"/datasets/{name}/v{each}/files?folder=images/0007",
        "/datasets/{name}/v{number}/files?find": f"/datasets/{name}/v{each}/files?find=0004",
        "/datasets/{name}/v{number}/diff": f"/datasets/{name}/v{each}/diff?with=v{each - 1}",
        "/datasets/{name}/v{number}/diff/preview": f"/datasets/{SHOWN}/v2/diff/preview?with=1",
        "/datasets/{name}/v{number}/lineage": f"/datasets/{plain}/v3/lineage",
        "/datasets/{name}/v{number}/preview": f"/datasets/{SHOWN}/v2/preview",
        "/runs": "/runs",
        "/runs?dataset": f"/runs?dataset={plain}",
        "/runs?state": f"/runs?state=failed&user={user(7)}",
        "/runs/{run}": f"/runs/{other}",
        "/runs/{run}/cancel": f"/runs/{run}/cancel",
        "/runs/{run}/where": f"/runs/{queued(size)}/where",
        "/runs/{run}/log": f"/runs/{run}/log",
        "/runs/{run}/log/find": f"/runs/{run}/log/find?q=loss",
        "/runs/{run}/report": f"/runs/{other}/report",
        "/runs/compare": f"/runs/compare?run={run}&run={other}&run={third}",
        "/sites": "/sites",
        "/sites/{name}": f"/sites/{place}",
        "/sites/{name}/down": f"/sites/{place}/down",
        "/sites/{name}/remove": f"/sites/{place}/remove",
        "/sites/where": f"/sites/where?data={plain}@v2&gpus=2",
        "/admin": "/admin",
        "/admin/users": "/admin/users",
        "/admin/users/{name}": f"/admin/users/{user(1)}",
        "/admin/users/{name}/remove": f"/admin/users/{user(1)}/remove",
        "/admin/teams": "/admin/teams",
        "/admin/teams/{name}": f"/admin/teams/{team(1)}",
        "/admin/teams/{name}/remove": f"/admin/teams/{team(1)}/remove",
        "/admin/tokens": "/admin/tokens?all=yes",
        "/admin/tokens/{token_id}/revoke": "/admin/tokens/t7/revoke",
        "/admin/policies": "/admin/policies",
        "/admin/policies/{dataset}": f"/admin/policies/{dataset(HIDDEN_EVERY)}",
        "/admin/quotas": "/admin/quotas",
        "/admin/retention": "/admin/retention",
        "/admin/retention/plan": f"/admin/retention/plan?dataset={dataset(4)}&keep_last=2",
        "/admin/links": "/admin/links",
        "/admin/links/forget": f"/admin/links/forget?source=s3://lake-0&target={place}",
        "/admin/audit": "/admin/audit",
        "/admin/audit?user": f"/admin/audit?user={user(7)}",
        "/admin/agents": "/admin/agents",
        "/admin/doctor": "/admin/doctor",
    }


NOT_VISITED = frozenset(
    {
        "/settings/tokens/{token}/revoke",
        "/runs/{run}/left/{attempt}/{name}",
        "/runs/{run}/log/text",
        "/datasets/{name}/v{number}/preview/picture",
        "/datasets/{name}/v{number}/restore",
    }
)
"""Files, what has a secret in its address, and what is for a version that was retired, of which here is none."""


class Browser:
    """Somebody who is logged in, with one connection that is kept."""

    def __init__(self, port: int, secret: str) -> None:
        self._port = port
        self._head = (
            f"Host: 127.0.0.1:{port}\r\nCookie: forebay_session={secret}\r\nAccept: text/html\r\n"
            "Accept-Encoding: gzip\r\n"
        )
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> tuple[int, Mapping[str, str], bytes]:
        """The status, the headers and the body as it came."""
        if self._open is None:
            self._open = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._open
        writer.write(f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode())
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self.close()
        return int(head[0].split()[1]), headers, body

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


async def visit(served: Serving, browser: Browser, visits: Visits, path: str) -> None:
    """Once more; RuntimeError where there is no such page."""
    before, began = processes_s(served), monotonic()
    status, _, body = await browser.get(path)
    seconds = monotonic() - began
    if status != 200:
        raise RuntimeError(f"the hub answered {status} at {path}: {body[:500]!r}")
    taken = Taken(seconds=seconds, cpu_s=max(0.0, processes_s(served) - before), size_bytes=len(body))
    if visits.first is None:
        visits.first = taken
    else:
        visits.later.append(taken)


async def first_load(served: Serving, secret: str, path: str = "/") -> dict[str, int]:
    """The bytes of a page and of everything that it loads, as they come, by address."""
    browser = Browser(served.port, secret)
    status, headers, body = await browser.get(path)
    found = {path: len(body)}
    text = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
    for asset in sorted({match.decode() for match in _ASSET.findall(text)}):
        told, _, content = await browser.get(asset)
        if (status, told) != (200, 200):
            raise RuntimeError(f"the hub answered {told} at {asset}")
        found[asset] = len(content)
    browser.close()
    return found


def processes_s(served: Serving) -> float:
    """CPU seconds of the hub and of its database so far, to the nanosecond. Threads that ended are not in it."""
    return sum(threads_s(process) for process in (served.hub, *served.database))


def threads_s(process: int) -> float:
    """CPU seconds of the threads that a process has now."""
    total = 0
    for task in Path(f"/proc/{process}/task").glob("*/schedstat"):
        try:
            total += int(task.read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / 1e9
