"""Previews for one principal: they show what is in files, so it takes the right to open the dataset.

Who owns it switches them off. What came of an order, the site's agent alone tells.
"""

from __future__ import annotations

from forebay.hub.access.gate import Gate
from forebay.hub.access.jobs import dataset_of
from forebay.hub.access.rules import Action, decide_as_agent
from forebay.hub.access.trail import Deed
from forebay.wire.previews import Preview, PreviewDone, PreviewFiles, PreviewKind, Previews


class GuardedPreviews:
    """Implements `wire.previews.Previews`."""

    def __init__(self, previews: Previews, gate: Gate) -> None:
        self._previews = previews
        self._gate = gate

    def ask(self, ref: str, kind: PreviewKind, path: str, *, again: bool = False) -> Preview:
        self._gate.on_dataset("previews.ask", Action.OPEN, dataset_of(ref), ref=ref, quiet=True)
        return self._previews.ask(ref, kind, path, again=again)

    def files(self, ref: str) -> PreviewFiles:
        self._gate.on_dataset("previews.files", Action.READ, dataset_of(ref), ref=ref)
        return self._previews.files(ref)

    def are_on(self, dataset: str) -> bool:
        self._gate.on_dataset("previews.are_on", Action.READ, dataset)
        return self._previews.are_on(dataset)

    def switch(self, dataset: str, on: bool) -> None:
        told = f"previews {'on' if on else 'off'}"
        self._gate.on_dataset("previews.switch", Action.GOVERN, dataset, detail=told)
        self._previews.switch(dataset, on)

    def done(self, site: str, agent_token: int, done: PreviewDone) -> None:
        verdict = decide_as_agent(self._gate.principal, site)
        if not verdict.allowed:
            self._gate.refuse(Deed(action=Action.TEND.value, call="previews.done", detail=f"site {site}"), verdict)
        self._previews.done(site, agent_token, done)
