"""Sites: how they are, and what their agents say and hear. An agent that waits for orders takes no thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query, Request

from forebay.hub.api.acting import Acting, Asking, TeamHub
from forebay.hub.api.paging import Page, Paging, page
from forebay.hub.api.resource import resource
from forebay.hub.api.values import Count, Finite, Waiting
from forebay.hub.api.versioned import agree
from forebay.hub.api.watching import orders_of, watcher_for
from forebay.hub.watched import Revisions
from forebay.wire.sites import Attached, Beaten, Hello, Orders, Report, SiteRecord, SiteState

router = resource("sites", "/sites")


@dataclass(frozen=True, kw_only=True)
class Beat:
    """An agent's heartbeat: how the tasks of its site are."""

    agent_token: Count
    reports: tuple[Report, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WantedState:
    """What a site shall be, and why."""

    wanted: SiteState
    reason: str


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What an hour of a GPU and of a CPU costs."""

    gpu_hour: Finite
    cpu_hour: Finite


@router.get("")
def list_sites(hub: Acting, paging: Paging) -> Page[SiteRecord]:
    """All sites, by name."""
    return page(hub.sites.all(), lambda item: (item.name,), paging)


@router.get("/{site}")
def get_site(hub: Acting, site: str) -> SiteRecord:
    """One site."""
    return hub.sites.get(site)


@router.delete("/{site}", status_code=204)
def remove_site(hub: Acting, site: str) -> None:
    """Forget a site that has no agent and no runs."""
    hub.sites.remove(site)


@router.put("/{site}/state")
def set_site_state(hub: Acting, site: str, state: WantedState) -> SiteRecord:
    """`draining`, `down`, or `up` again."""
    return hub.sites.set_state(site, state.wanted, state.reason)


@router.put("/{site}/prices")
def set_site_prices(hub: Acting, site: str, prices: Prices) -> SiteRecord:
    """Say what compute costs there."""
    return hub.sites.set_prices(site, prices.gpu_hour, prices.cpu_hour)


@router.put("/{site}/agent")
async def attach_agent(asker: Asking, site: str, hello: Hello) -> Attached:
    """For an agent: take the site over; an earlier one is fenced from now on."""

    def attach(hub: TeamHub) -> Attached:
        agree(site, hello.site)
        return hub.sites.attach(hello)

    return await asker.does(attach, to_write=True)


@router.delete("/{site}/agent", status_code=204)
def detach_agent(hub: Acting, site: str, agent_token: Annotated[Count, Query()]) -> None:
    """For an agent: it ends in good order."""
    hub.sites.leave(site, agent_token)


@router.post("/{site}/beats")
async def beat(asker: Asking, site: str, beat: Beat) -> Beaten:
    """For an agent: heartbeat with how the tasks are."""
    return await asker.does(lambda hub: hub.sites.beat(site, beat.agent_token, beat.reports), to_write=True)


@router.get("/{site}/orders")
async def wait_for_orders(
    asker: Asking,
    site: str,
    request: Request,
    agent_token: Annotated[Count, Query()],
    after: Annotated[Count, Query()] = 0,
    wait_s: Waiting = 0.0,
) -> Orders:
    """For an agent: all that shall be under way, as soon as that is another revision than `after`."""

    def look(hub: TeamHub) -> tuple[Orders, Revisions]:
        return hub.sites.orders(site, agent_token, after, 0.0), hub.revisions

    found, revisions = await asker.does(look)
    if found.revision != after or not wait_s:
        return found
    await watcher_for(request, revisions).news(orders_of(site), after, wait_s)
    return (await asker.does(look))[0]
