"""What placement is told: a request for a run, and the facts of sites, links, replicas and policy. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from forebay.sites.labels import Expression
from forebay.sites.links import Link
from forebay.sites.site import Resources, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A version that a run reads, and the lake it lies in."""

    ref: str
    dataset: str
    size_bytes: int
    lake: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """How much of a version a site still lacks, blobs that other versions have brought counted as there.

    `filling`: a fill is wanted there and brings the rest at `fill_bytes_s` (0: too new to say). `retry_s`: it failed
    more than once, and is tried again in so many seconds (None: it goes on, or is about to begin).
    """

    missing_bytes: int
    filling: bool = False
    fill_bytes_s: float = 0.0
    retry_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A fill of a version that failed at a site, lately at the moment `at`.

    `final`: it is not tried there any more, unless somebody wants it anew.
    """

    reason: str
    unblock: str
    at: float
    final: bool

    def may_pass(self, submitted_at: float) -> bool:
        """Whether a run that was submitted then had better try again there than fail."""
        return not self.final or self.at < submitted_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A run that somebody wants. `estimate_s` is how long it is thought to take once it has started.

    `time_limit_s` ends it (0: nothing does).
    """

    run_id: str
    team: str
    submitted_at: float
    resources: Resources
    estimate_s: float
    data: tuple[Wanted, ...] = ()
    where: Expression = ()
    time_limit_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`links` by (source, target), as everybody may know them; `own_links` by (dataset, source, target), where
    the fills of a dataset that not everybody may read tell more: for its runs alone.

    `presence` by (site, ref), a version with no entry is absent there. A site that only `presence` names takes no run,
    and serves what it has. `failed`, by (site, ref), are the fills that did not work.

    `residency` names the only sites at which a dataset may ever be; one with no entry may be anywhere.
    """

    sites: tuple[Site, ...]
    links: Mapping[tuple[str, str], Link] = field(default_factory=dict)
    own_links: Mapping[tuple[str, str, str], Link] = field(default_factory=dict)
    presence: Mapping[tuple[str, str], Presence] = field(default_factory=dict)
    failed: Mapping[tuple[str, str], Failed] = field(default_factory=dict)
    residency: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What the user would rather have.

    `wait_s_per_money`: so many seconds of waiting are worth one unit of money; 0: only time counts.
    `burden`: a second in which this run's bytes keep a link from others counts so many seconds of waiting. 0 would move
    bytes to wherever a queue hides the wait for them.
    """

    wait_s_per_money: float = 0.0
    burden: float = 1.0
