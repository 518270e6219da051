"""Versions, their subsets and where they come from."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from forebay.hub.api.acting import Acting, Asking
from forebay.hub.api.paging import Page, Paging, page
from forebay.hub.api.resource import resource
from forebay.hub.api.values import Number
from forebay.hub.api.versioned import agree
from forebay.wire.catalog import AddedVersion, Lineage, NewSubset, NewVersion, Version

router = resource("versions")

_OF_DATASET = "/datasets/{name}/versions"


@router.get("/version")
async def resolve(
    asker: Asking, ref: Annotated[str, Query(max_length=1000, description="criteo@v3, criteo@prod, criteo")]
) -> Version:
    """The version that a reference names."""
    return await asker.does(lambda hub: hub.catalog.resolve(ref))


@router.get(_OF_DATASET)
def list_versions(hub: Acting, name: str, paging: Paging, retired: bool = False) -> Page[Version]:
    """The versions of a dataset, newest first; with the retired ones if asked for."""
    return page(hub.catalog.versions(name, retired=retired), lambda item: (-item.number,), paging)


@router.post(_OF_DATASET, status_code=201, responses={200: {"model": AddedVersion, "description": "It was there."}})
def add_version(hub: Acting, name: str, new: NewVersion, request: Request, response: Response) -> AddedVersion:
    """Add a version (and its dataset when new); the same content as the latest version adds nothing."""
    agree(name, new.dataset)
    request.app.state.check_lake(new.lake_url)
    added = hub.catalog.add_version(new)
    response.status_code = 201 if added.created else 200
    return added


@router.put(_OF_DATASET + "/{number}")
def restore_version(hub: Acting, name: str, number: Number, new: NewVersion, request: Request) -> Version:
    """Put back a version (or a subset of it) that was lost, under its old number."""
    agree(name, new.dataset)
    request.app.state.check_lake(new.lake_url)
    return hub.catalog.restore_version(new, number)


@router.delete(_OF_DATASET + "/{number}", status_code=204)
def remove_version(hub: Acting, name: str, number: Number) -> None:
    """Forget a version with its subsets."""
    hub.catalog.remove_version(name, number)


@router.get(_OF_DATASET + "/{number}/lineage")
def lineage(hub: Acting, name: str, number: Number) -> Lineage:
    """All ancestors and descendants."""
    return hub.catalog.lineage(name, number)


@router.post(_OF_DATASET + "/{number}/subsets")
def add_subset(hub: Acting, name: str, number: Number, new: NewSubset) -> Version:
    """Declare a subset, or find the one of that name."""
    agree((name, number), (new.dataset, new.number))
    return hub.catalog.add_subset(new)
