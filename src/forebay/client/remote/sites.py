"""`wire.sites.Sites` of a served hub. A beat does not wait for a hub that is away: the next one comes soon."""

from __future__ import annotations

from forebay.client.remote.connection import BEAT, Connection, at
from forebay.wire.codec import to_json
from forebay.wire.sites import Attached, Beaten, Hello, Orders, Report, SiteRecord, SiteState, Task, TaskKind


class RemoteSites:
    """Implements `wire.sites.Sites`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[SiteRecord]:
        return self._connection.pages(SiteRecord, at("sites"))

    def get(self, site: str) -> SiteRecord:
        return self._connection.get(SiteRecord, at("sites", site))

    def attach(self, hello: Hello) -> Attached:
        return self._connection.write(Attached, "PUT", at("sites", hello.site, "agent"), to_json(hello), once=True)

    def beat(self, site: str, agent_token: int, reports: tuple[Report, ...]) -> Beaten:
        body = {"agent_token": agent_token, "reports": list(reports)}
        return self._connection.write(Beaten, "POST", at("sites", site, "beats"), body, patience=BEAT)

    def orders(self, site: str, agent_token: int, after: int, wait_s: float) -> Orders:
        query = {"agent_token": agent_token, "after": after}
        return self._connection.wait(
            Orders, at("sites", site, "orders"), query, wait_s, lambda found: found.revision != after
        )

    def leave(self, site: str, agent_token: int) -> None:
        self._connection.do("DELETE", at("sites", site, "agent"), query={"agent_token": agent_token}, once=True)

    def set_state(self, site: str, wanted: SiteState, reason: str) -> SiteRecord:
        body = {"wanted": wanted, "reason": reason}
        return self._connection.write(SiteRecord, "PUT", at("sites", site, "state"), body, once=True)

    def set_prices(self, site: str, gpu_hour: float, cpu_hour: float) -> SiteRecord:
        body = {"gpu_hour": gpu_hour, "cpu_hour": cpu_hour}
        return self._connection.write(SiteRecord, "PUT", at("sites", site, "prices"), body)

    def remove(self, site: str) -> None:
        self._connection.do("DELETE", at("sites", site), once=True)

    def tasks(self, site: str = "") -> list[Task]:
        return self._connection.pages(Task, at("tasks"), {"site": site})

    def ask(self, site: str, kind: TaskKind, ref: str, reason: str, by: str = "") -> Task:
        body = {"kind": kind, "ref": ref, "reason": reason, "by": by}
        return self._connection.write(Task, "POST", at("sites", site, "tasks"), body, once=True)

    def withdraw(self, task_id: str, reason: str) -> Task:
        return self._connection.write(Task, "DELETE", at("tasks", task_id), query={"reason": reason}, once=True)
