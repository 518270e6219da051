"""Which version, or which subset of it, at which place a page is asked for, and what one may do with it there."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from forebay.errors import NotFoundError
from forebay.hub.access import rules
from forebay.hub.access.rules import Action
from forebay.hub.board import grid
from forebay.hub.board.grid import Line, Spot
from forebay.hub.board.places import Place, place_of, places
from forebay.hub.board.standing import Look
from forebay.hub.web import cache_shown
from forebay.hub.web.addresses import address
from forebay.hub.web.visit import Visit
from forebay.wire.sites import TaskKind


def found(visit: Visit) -> tuple[Place, Line]:
    """The place and the version, alone with it, that the address names; NotFoundError `version-not-found`."""
    with visit.read() as connection:
        return found_in(connection, visit)


def found_in(connection: Connection, visit: Visit) -> tuple[Place, Line]:
    """The same, within a transaction."""
    place = place_of(places(connection, visit.sight, visit.now), visit.path["place"])
    dataset, text = visit.path["dataset"], visit.path["number"]
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else -1
    line = grid.one(connection, visit.sight, (dataset, number), [place], visit.now)
    if line is None:
        raise NotFoundError(
            "version-not-found",
            f"There is no version {dataset}@v{text}.",
            todo="See its dataset's page for all of them.",
        )
    return place, line


def meant(spot: Spot, ref: str, now: float) -> Spot:
    """The version, where `ref` is "" or its own, or that subset of it by itself; NotFoundError `subset-not-found`. A
    subset that has gone is never taken for its version.
    """
    if ref in ("", spot.whole.ref):
        return spot
    part = next((item for item in spot.parts if item.ref == ref), None)
    if part is None:
        raise NotFoundError(
            "subset-not-found",
            f"{ref[:200]} is not at {spot.place.name}.",
            todo=f"See what of {spot.whole.ref} is there.",
        )
    return grid.spot_of(spot.place, part, (), now)


def may(visit: Visit, action: Action, place: Place, dataset: str) -> bool:
    """Whether that is allowed on a dataset at a place."""
    data = visit.data_of(dataset)
    at = rules.Place(site=place.site)
    return data is not None and not data.removed and visit.may(action, replace(data, at=at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What one may have done with a dataset at a place."""

    fill: bool
    evict: bool
    pin: bool


def rights(visit: Visit, place: Place, dataset: str) -> Rights:
    """Of who asks."""
    return Rights(
        fill=place.takes_orders and may(visit, Action.WARM, place, dataset),
        evict=place.takes_orders and may(visit, Action.EVICT, place, dataset),
        pin=may(visit, Action.PIN, place, dataset),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Acts:
    """What can be done now with a version, or with a subset, at a place. Addresses are "" for what can't, or may not;
    `withdraw` are the ids of tasks, and what their buttons are called.
    """

    warm_href: str
    warm_label: str
    evict_href: str
    pin_href: str
    unpin_href: str
    withdraw: tuple[tuple[str, str], ...]


def acts(spot: Spot, here: str, held: Rights, *, retired: bool) -> Acts:
    """Of what `meant` gave, on the page of its version at that place."""
    known = spot.whole
    fills = spot.look in (Look.ABSENT, Look.PARTIAL, Look.DAMAGED) and known.errand(TaskKind.FILL) is None
    goes = known.errand(TaskKind.EVICT) is not None
    is_ready = spot.look in (Look.READY, Look.STALE)
    named = {"ref": known.ref} if known.subset else {}
    return Acts(
        warm_href=cache_shown.warm_href(known.ref, spot.place.key) if held.fill and fills and not retired else "",
        warm_label="Mend it" if spot.look is Look.DAMAGED else "Warm it here",
        evict_href=address(f"{here}/evict", **named) if held.evict and known.is_there and not goes else "",
        pin_href=address(f"{here}/pin", **named) if held.pin and is_ready and not known.pinned_by else "",
        unpin_href=f"{here}/unpin" if held.pin and known.pinned_by and not known.by_rule else "",
        withdraw=tuple((item.task_id, _called(item.kind)) for item in known.errands) if held.fill or held.evict else (),
    )


def _called(kind: TaskKind) -> str:
    return {TaskKind.FILL: "Call the fill off", TaskKind.EVICT: "Keep it after all"}.get(kind, "Call it off")
