"""Previews: what files of a version hold, in small; asked for by people, told by agents."""

from __future__ import annotations

from dataclasses import dataclass

from forebay.hub.api.acting import Acting
from forebay.hub.api.resource import resource
from forebay.hub.api.values import Count
from forebay.wire.previews import Preview, PreviewDone, PreviewFiles, PreviewKind

router = resource("previews")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A preview that begins with a file of a version; `again`: try at once what failed."""

    ref: str
    kind: PreviewKind
    path: str
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class Switch:
    """Whether files of a dataset may be looked into."""

    on: bool


@dataclass(frozen=True, kw_only=True)
class Told:
    """What came of an order, by the agent that has the site."""

    agent_token: Count
    done: PreviewDone


@router.post("/previews")
def ask_for_preview(hub: Acting, wanted: Wanted) -> Preview:
    """The preview as it stands; where it is not there yet, an agent is told to make it."""
    return hub.previews.ask(wanted.ref, wanted.kind, wanted.path, again=wanted.again)


@router.get("/previews/files")
def list_preview_files(hub: Acting, ref: str) -> PreviewFiles:
    """Which files of a version can be looked into."""
    return hub.previews.files(ref)


@router.get("/datasets/{name}/previews")
def get_preview_switch(hub: Acting, name: str) -> Switch:
    """Whether files of a dataset may be looked into."""
    return Switch(on=hub.previews.are_on(name))


@router.put("/datasets/{name}/previews")
def set_preview_switch(hub: Acting, name: str, switch: Switch) -> Switch:
    """Let them be looked into, or not: what is kept of them goes at once."""
    hub.previews.switch(name, switch.on)
    return switch


@router.post("/sites/{site}/previews", status_code=204)
def tell_preview(hub: Acting, site: str, told: Told) -> None:
    """For an agent: what came of an order."""
    hub.previews.done(site, told.agent_token, told.done)
