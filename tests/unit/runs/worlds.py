"""Small worlds for placement: three sites, a lake, and requests."""

from __future__ import annotations

from dataclasses import replace

from forebay.runs.world import Presence, Request, Wanted, World
from forebay.sites.links import Link, declared
from forebay.sites.site import Resources, Site

NOW = 1_800_000_000.0
HOUR_S = 3600.0
GB = 10**9
DATA = Wanted(ref="clicks@v1", dataset="clicks", size_bytes=100 * GB, lake="lake")
ONE_GPU = Resources(gpus=1)


def site(name: str, *, gpus: int = 4, **facts: object) -> Site:
    return replace(Site(name=name, capacity=Resources(gpus=gpus, cpus=32, memory_bytes=256 * GB)), **facts)  # type: ignore[arg-type]


def request(run_id: str = "run", *, gpus: int = 1, estimate_s: float = HOUR_S, **more: object) -> Request:
    made = Request(
        run_id=run_id,
        team="ads",
        submitted_at=NOW,
        resources=Resources(gpus=gpus),
        estimate_s=estimate_s,
        data=(DATA,),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def link(source: str, target: str, mb_s: float = 100.0, price_gb: float = 0.0) -> Link:
    return declared(source, target, bandwidth_bytes_s=mb_s * 1e6, price_byte=price_gb / GB)


def world(*sites: Site, links: tuple[Link, ...] = (), present: tuple[str, ...] = (), **more: object) -> World:
    """Links from the lake to every site unless others are given; the version is ready at `present`."""
    ways = links or tuple(link("lake", item.name) for item in sites)
    made = World(
        sites=sites,
        links={(way.source, way.target): way for way in ways},
        presence={(name, DATA.ref): Presence(missing_bytes=0) for name in present},
    )
    return replace(made, **more)  # type: ignore[arg-type]
