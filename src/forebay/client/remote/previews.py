"""`wire.previews.Previews` of a served hub."""

from __future__ import annotations

from dataclasses import dataclass

from forebay.client.remote.connection import Connection, at, of_dataset
from forebay.wire.codec import to_json
from forebay.wire.previews import Preview, PreviewDone, PreviewFiles, PreviewKind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Switch:
    on: bool


class RemotePreviews:
    """Implements `wire.previews.Previews`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ask(self, ref: str, kind: PreviewKind, path: str, *, again: bool = False) -> Preview:
        body = {"ref": ref, "kind": kind, "path": path, "again": again}
        return self._connection.write(Preview, "POST", at("previews"), body)

    def files(self, ref: str) -> PreviewFiles:
        return self._connection.get(PreviewFiles, at("previews", "files"), {"ref": ref})

    def are_on(self, dataset: str) -> bool:
        return self._connection.get(_Switch, of_dataset(dataset, "previews")).on

    def switch(self, dataset: str, on: bool) -> None:
        self._connection.write(_Switch, "PUT", of_dataset(dataset, "previews"), {"on": on})

    def done(self, site: str, agent_token: int, done: PreviewDone) -> None:
        body = {"agent_token": agent_token, "done": to_json(done)}
        self._connection.do("POST", at("sites", site, "previews"), body)
