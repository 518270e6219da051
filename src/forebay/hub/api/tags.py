"""Tags: names that move from version to version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from forebay.hub.api.acting import Acting
from forebay.hub.api.paging import Page, Paging, page_of_history
from forebay.hub.api.resource import resource
from forebay.hub.api.values import Count
from forebay.wire.catalog import TagMove

router = resource("tags", "/datasets/{name}")


@dataclass(frozen=True, kw_only=True)
class Target:
    """The version that a tag shall name, and who says so."""

    number: Count
    moved_by: str


@router.put("/tags/{tag}")
def move_tag(hub: Acting, name: str, tag: str, target: Target) -> TagMove:
    """Point a tag at a version."""
    return hub.catalog.tag(name, tag, target.number, target.moved_by)


@router.delete("/tags/{tag}")
def remove_tag(hub: Acting, name: str, tag: str, moved_by: Annotated[str, Query(max_length=200)] = "") -> TagMove:
    """Remove a tag; its history stays."""
    return hub.catalog.untag(name, tag, moved_by)


@router.get("/tag-moves")
def list_tag_moves(
    hub: Acting, name: str, paging: Paging, tag: Annotated[str | None, Query(max_length=200)] = None
) -> Page[TagMove]:
    """Every move of a tag (or of all tags), newest first."""
    return page_of_history(hub.catalog.tag_history(name, tag), paging)
