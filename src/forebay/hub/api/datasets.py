"""Datasets: the lines of versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from forebay.hub.api.acting import Acting, Asking
from forebay.hub.api.paging import Page, Paging, page
from forebay.hub.api.resource import resource
from forebay.wire.catalog import Dataset

router = resource("datasets", "/datasets")


@dataclass(frozen=True, kw_only=True)
class Team:
    """Whose quota the dataset's replicas count against; "" for nobody's."""

    team: str


@dataclass(frozen=True, kw_only=True)
class StaleAfter:
    """How long replicas may be idle: as the site has it (null), or for ever (0)."""

    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None


@dataclass(frozen=True, kw_only=True)
class Description:
    """What the dataset is, in words that the search finds; "" for none."""

    description: str


@router.get("")
async def list_datasets(asker: Asking, paging: Paging) -> Page[Dataset]:
    """All datasets, by name."""
    return await asker.does(lambda hub: page(hub.catalog.datasets(), lambda item: (item.name,), paging))


@router.get("/{name}")
def get_dataset(hub: Acting, name: str) -> Dataset:
    """One dataset."""
    return hub.catalog.dataset(name)


@router.delete("/{name}", status_code=204)
def remove_dataset(hub: Acting, name: str) -> None:
    """Forget a dataset with all its versions."""
    hub.catalog.remove_dataset(name)


@router.put("/{name}/team")
def set_team(hub: Acting, name: str, team: Team) -> Dataset:
    """Give a dataset to a team."""
    return hub.catalog.set_team(name, team.team)


@router.put("/{name}/stale-after")
def set_stale_after(hub: Acting, name: str, stale_after: StaleAfter) -> Dataset:
    """Say how long a dataset's replicas may be idle."""
    return hub.catalog.set_stale_after(name, stale_after.seconds)


@router.put("/{name}/description")
def describe(hub: Acting, name: str, said: Description) -> Dataset:
    """Say what a dataset is."""
    return hub.catalog.describe(name, said.description)
