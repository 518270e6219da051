"""The world as one pass over the queue sees it change: who is placed first takes compute, links and room from the rest.

Made anew for each pass from the facts; it decides nothing.
"""

from __future__ import annotations

from dataclasses import replace

from forebay.runs.profile import Profile, amounts
from forebay.runs.world import Presence, Request, Wanted, World
from forebay.sites.links import Link
from forebay.sites.site import Site
from forebay.wire.sites import SiteState

DEPTH = 100
"""So many of a site's waiting runs get their own hole; the wait behind them is reckoned as work / capacity."""


class Outlook:
    """`now` is Unix seconds; all other times are seconds from then."""

    def __init__(self, world: World, now: float) -> None:
        self.world = world
        self.now = now
        self._links_to: dict[str, dict[str, Link]] = {site.name: {} for site in world.sites}
        for (source, target), link in world.links.items():
            if target in self._links_to:
                self._links_to[target][source] = link
        self._begun: dict[tuple[str, str], Presence] = {}
        self._down = {site.name for site in world.sites if site.state is SiteState.DOWN}
        self._taken_bytes: dict[str, int] = {}
        self._profiles: dict[str, Profile] = {}
        self._reserved: dict[str, int] = {}
        self._behind_s: dict[str, float] = {}

    def presence_of(self, site: str, wanted: Wanted) -> Presence:
        key = site, wanted.ref
        known = self._begun.get(key) or self.world.presence.get(key)
        return known or Presence(missing_bytes=wanted.size_bytes)

    def links_for(self, site: str, wanted: Wanted) -> list[Link]:
        """From its lake and from every other site that has all of it."""
        links = self._links_to[site].values()
        return [
            self._as_known_to(wanted.dataset, link)
            for link in links
            if link.source == wanted.lake or self._serves(link.source, wanted.ref)
        ]

    def has_link(self, site: str, wanted: Wanted) -> bool:
        """Whether `links_for` has any."""
        sources = self._links_to[site]
        return wanted.lake in sources or any(self._serves(source, wanted.ref) for source in sources)

    def _as_known_to(self, dataset: str, link: Link) -> Link:
        own = self.world.own_links.get((dataset, link.source, link.target))
        return link if own is None else replace(own, under_way_bytes=link.under_way_bytes)

    def _serves(self, site: str, ref: str) -> bool:
        presence = self.world.presence.get((site, ref))
        return presence is not None and not presence.missing_bytes and site not in self._down

    def fill(self, site: str, ref: str, source: str, moving_bytes: int, seconds: float) -> None:
        """A fill has been asked for: others count on it, and share its link."""
        self._begun[site, ref] = Presence(
            missing_bytes=moving_bytes, filling=True, fill_bytes_s=moving_bytes / max(seconds, 1e-9)
        )
        self._taken_bytes[site] = self._taken_bytes.get(site, 0) + moving_bytes
        link = self._links_to[site][source]
        self._links_to[site][source] = link.busy_with(moving_bytes)

    def room_bytes(self, site: Site) -> int | None:
        """What is left of it on the volume; None: not known."""
        return None if site.room_bytes is None else site.room_bytes - self._taken_bytes.get(site.name, 0)

    def displaced_bytes(self, site: Site, new_bytes: int) -> int:
        """What would have to be evicted for so many."""
        if site.free_bytes is None:
            return 0
        return min(new_bytes, max(0, new_bytes + self._taken_bytes.get(site.name, 0) - site.free_bytes))

    def start_s(self, site: Site, request: Request, *, after: float) -> float:
        """When it would have its compute, not before `after`; the request must fit the site."""
        found = self._profile(site).earliest(request.resources, request.estimate_s, after=after)
        if found is None:
            raise ValueError(f"{request.run_id} can never fit {site.name}")
        return found + self._behind_s.get(site.name, 0.0)

    def reserve(self, site: Site, request: Request, begin: float, seconds: float) -> None:
        """Nobody behind it gets this compute in that time."""
        count = self._reserved.get(site.name, 0)
        if count < DEPTH:
            self._profile(site).reserve(request.resources, begin, seconds)
            self._reserved[site.name] = count + 1
        else:
            share = max(
                asked / had
                for asked, had in zip(amounts(request.resources), amounts(site.capacity), strict=True)
                if had
            )
            self._behind_s[site.name] = self._behind_s.get(site.name, 0.0) + share * request.estimate_s

    def _profile(self, site: Site) -> Profile:
        found = self._profiles.get(site.name)
        if found is None:
            found = self._profiles[site.name] = Profile(site.capacity, site.working)
        return found
