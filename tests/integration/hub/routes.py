"""Every route of the served hub: which call it makes, and a request that fits. The test of the matrix reads it.

A new route belongs in here: `call` is the method of the protocol that decides who may use it, as
tests/contract/hub/test_methods.py knows it; or SIGNED_IN or EVERYBODY.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from forebay.testing.cached.world import holder
from forebay.wire.codec import to_json
from forebay.wire.http import API, BYTES, GZIP, PARQUET

SIGNED_IN = "whoever has a token"
EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a request is about."""

    dataset: str
    digest: str
    fill_id: str
    lease_id: str
    token_id: str
    run_id: str
    task_id: str
    rule_id: str
    bundle: str
    ticket: str
    volume_id: str = "v1"
    site: str = "aks"
    agents_volume: str = "w1"
    number: int = 1
    user: str = "vera"
    team: str = "maps"
    tag: str = "prod"

    @property
    def names(self) -> dict[str, Any]:
        """By the names that routes have for them."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {**fields, "name": self.dataset}

    @property
    def version(self) -> dict[str, Any]:
        return {"dataset": self.dataset, "number": self.number}

    @property
    def ref(self) -> str:
        return f"{self.dataset}@v{self.number}"


Filled = Callable[[Subject], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`query` and `body` are made for a subject, and what of the `path` has a name that means something else elsewhere.

    `content` is a body that is no JSON; what `goes_on` is a stream, which a test leaves as soon as it has begun.
    """

    call: str
    path: Filled = lambda subject: {}
    query: Filled = lambda subject: {}
    body: Filled | None = None
    content: bytes | None = None
    content_type: str = PARQUET
    goes_on: bool = False

    def request(self, template: str, subject: Subject) -> dict[str, Any]:
        """What httpx2 sends."""
        method, _, path = template.partition(" ")
        url = path.format(**{**subject.names, **self.path(subject)})
        asked: dict[str, Any] = {"method": method, "url": url, "params": self.query(subject)}
        if self.body is not None:
            asked["json"] = self.body(subject)
        if self.content is not None:
            asked |= {"content": self.content, "headers": {"Content-Type": self.content_type}}
        return asked


def _new(subject: Subject) -> dict[str, Any]:
    return {
        "dataset": subject.dataset,
        "manifest_digest": subject.digest,
        "origin": "registered",
        "lake_url": "s3://lake/y",
    }


def _subset(subject: Subject) -> dict[str, Any]:
    return {**subject.version, "subset": "part", "selection": "{}", "manifest_digest": subject.digest}


def _held(subject: Subject) -> dict[str, Any]:
    return {"token": 1}


def _claimed(subject: Subject) -> dict[str, Any]:
    return {**subject.version, "holder": to_json(holder())}


def _run(subject: Subject) -> dict[str, Any]:
    return {"command": ["train"], "data": [{"name": "data", "ref": subject.ref}]}


def _moved(subject: Subject) -> dict[str, Any]:
    return {"source": "s3://lake", "dataset": subject.dataset, "moved_bytes": 10**9, "seconds": 20.0}


def _evicted(subject: Subject) -> dict[str, Any]:
    return {"kind": "evict", "ref": subject.ref, "reason": "why"}


def _hello(subject: Subject) -> dict[str, Any]:
    return {"site": subject.site, "volume_id": subject.agents_volume}


def _says(**body: Any) -> Filled:
    return lambda subject: body


_DONE = {"added_bytes": 10, "moved_bytes": 10, "present_bytes": 0, "seconds": 1.0, "seal_digest": ""}
_VOLUME = f"{API}/volumes/{{volume_id}}"
_DATASET = f"{API}/datasets/{{name}}"
_REPLICA = f"{_VOLUME}/replicas/{{dataset}}/{{number}}"
_FILL = f"{API}/fills/{{fill_id}}"
_MANIFEST = f"{API}/manifests/{{digest}}"
_SITE = f"{API}/sites/{{site}}"
_RUN = f"{API}/runs/{{run_id}}"
_LINK = {"source": "s3://other", "target": "aks"}
_SUSPECT = {"token": 1, "volume_id": "w1", "digest": "0" * 64}
_JUNK = b"no parquet"

ROUTES: dict[str, Route] = {
    f"GET {API}/openapi.json": Route(call=EVERYBODY),
    "GET /healthz": Route(call=EVERYBODY),
    "GET /readyz": Route(call=EVERYBODY),
    "GET /login/provider": Route(call=EVERYBODY),
    "GET /login/callback": Route(call=EVERYBODY),
    f"GET {API}/hub": Route(call=SIGNED_IN),
    f"GET {API}/me": Route(call="access.me"),
    f"GET {API}/datasets": Route(call="catalog.datasets"),
    f"GET {_DATASET}": Route(call="catalog.dataset"),
    f"DELETE {_DATASET}": Route(call="catalog.remove_dataset"),
    f"PUT {_DATASET}/team": Route(call="catalog.set_team", body=_says(team="")),
    f"PUT {_DATASET}/stale-after": Route(call="catalog.set_stale_after", body=_says(seconds=1.0)),
    f"PUT {_DATASET}/description": Route(call="catalog.describe", body=_says(description="clicks of a day")),
    f"GET {API}/version": Route(call="catalog.resolve", query=lambda of: {"ref": f"{of.dataset}@v1"}),
    f"GET {_DATASET}/versions": Route(call="catalog.versions"),
    f"POST {_DATASET}/versions": Route(call="catalog.add_version", body=_new),
    f"PUT {_DATASET}/versions/{{number}}": Route(call="catalog.restore_version", body=_new),
    f"DELETE {_DATASET}/versions/{{number}}": Route(call="catalog.remove_version"),
    f"GET {_DATASET}/versions/{{number}}/lineage": Route(call="catalog.lineage"),
    f"POST {_DATASET}/versions/{{number}}/subsets": Route(call="catalog.add_subset", body=_subset),
    f"PUT {_DATASET}/tags/{{tag}}": Route(call="catalog.tag", body=_says(number=1, moved_by="me")),
    f"DELETE {_DATASET}/tags/{{tag}}": Route(call="catalog.untag"),
    f"GET {_DATASET}/tag-moves": Route(call="catalog.tag_history"),
    f"GET {_DATASET}/retention": Route(call="retention.policy"),
    f"PUT {_DATASET}/retention": Route(call="retention.set_policy", body=_says(keep_last=5)),
    f"GET {_DATASET}/retention/plan": Route(call="retention.plan"),
    f"POST {_DATASET}/retention/application": Route(call="retention.apply", body=_says()),
    f"PUT {_DATASET}/versions/{{number}}/retirement": Route(call="retention.retire", body=_says(reason="why")),
    f"DELETE {_DATASET}/versions/{{number}}/retirement": Route(call="retention.restore"),
    f"GET {_DATASET}/policy": Route(call="access.policy"),
    f"PUT {_DATASET}/policy": Route(call="access.set_policy", body=lambda of: {"dataset": of.dataset}),
    f"POST {API}/manifests": Route(call="catalog.store_manifest", content=_JUNK),
    f"POST {API}/seals": Route(call="catalog.store_seal", content=_JUNK),
    f"GET {_MANIFEST}": Route(call="catalog.manifest_path"),
    f"GET {_MANIFEST}/seal": Route(call="catalog.seal_path"),
    f"GET {_MANIFEST}/seal/file": Route(call="catalog.seal_path"),
    f"PUT {_MANIFEST}/seal": Route(call="catalog.seal", body=_says(seal_digest="0" * 64)),
    f"PUT {_MANIFEST}/recipe": Route(call="catalog.store_recipe", content=_JUNK),
    f"GET {_MANIFEST}/recipe": Route(call="catalog.recipe_path"),
    f"GET {API}/volumes": Route(call="volumes.at", query=_says(path="/nowhere")),
    f"GET {_VOLUME}": Route(call="volumes.get"),
    f"PUT {_VOLUME}": Route(call="volumes.add", body=_says(path="/somewhere", limit_bytes=10_000)),
    f"PUT {_VOLUME}/used-bytes": Route(call="volumes.set_used_bytes", body=_says(used_bytes=90)),
    f"POST {_VOLUME}/freed": Route(call="volumes.free_bytes", body=_says(freed_bytes=0)),
    f"POST {_VOLUME}/health": Route(call="volumes.report_health", body=_says(sign="good")),
    f"GET {_VOLUME}/quotas": Route(call="volumes.quotas"),
    f"PUT {_VOLUME}/quotas/{{team}}": Route(call="volumes.set_quota", body=_says(limit_bytes=10_000)),
    f"DELETE {_VOLUME}/quotas/{{team}}": Route(call="volumes.remove_quota"),
    f"POST {_VOLUME}/events": Route(call="volumes.record", body=_says(ref="", event="noted", reason="", size_bytes=0)),
    f"GET {_VOLUME}/events": Route(call="volumes.events"),
    f"GET {_VOLUME}/savings": Route(call="volumes.savings"),
    f"GET {_VOLUME}/uses": Route(call="volumes.uses"),
    f"POST {_VOLUME}/claims": Route(call="fills.claim", body=_claimed),
    f"GET {_VOLUME}/claims": Route(call="fills.look", query=lambda of: of.version),
    f"GET {_VOLUME}/fills": Route(call="fills.open_fills"),
    f"GET {_VOLUME}/fills/stream": Route(call="fills.open_fills", goes_on=True),
    f"POST {_VOLUME}/wishes": Route(call="fills.prefer", body=lambda of: {**of.version, "entries": [0]}),
    f"PUT {_FILL}/reservation": Route(call="fills.reserve", body=_says(token=1, need_bytes=1, free_bytes=100)),
    f"PUT {_FILL}/progress": Route(call="fills.renew", body=_says(token=1, progress={})),
    f"POST {_FILL}/done": Route(call="fills.finish", body=_says(token=1, done=_DONE)),
    f"POST {_FILL}/failure": Route(call="fills.fail", body=_says(token=1, reason="why", kept_bytes=0)),
    f"GET {_FILL}/wishes": Route(call="fills.wishes", query=_says(token=1)),
    f"DELETE {_FILL}": Route(call="fills.abandon"),
    f"POST {_VOLUME}/leases": Route(call="leases.take", body=_claimed),
    f"GET {_VOLUME}/leases": Route(call="leases.live"),
    f"GET {_VOLUME}/leases/lapsed": Route(call="leases.lapsed"),
    f"PUT {API}/leases/{{lease_id}}": Route(call="leases.renew"),
    f"DELETE {API}/leases/{{lease_id}}": Route(call="leases.release"),
    f"GET {_VOLUME}/replicas": Route(call="replicas.all"),
    f"GET {_REPLICA}": Route(call="replicas.get"),
    f"PUT {_REPLICA}": Route(call="replicas.adopt", body=_says(token=1, fill_seconds=1.0)),
    f"DELETE {_REPLICA}": Route(call="replicas.forget", query=_says(reason="why", token=77)),
    f"PUT {_REPLICA}/pin": Route(call="replicas.pin", body=_says(by="me", reason="why", until=0.0)),
    f"DELETE {_REPLICA}/pin": Route(call="replicas.unpin"),
    f"PUT {_REPLICA}/lake-confirmation": Route(call="replicas.confirm_lake"),
    f"PUT {_REPLICA}/verification": Route(call="replicas.mark_verified", body=_held),
    f"PUT {_REPLICA}/damage": Route(call="replicas.mark_damaged", body=_says(reason="why", token=77)),
    f"POST {_REPLICA}/eviction": Route(call="replicas.begin_evict", body=_says(reason="why")),
    f"PUT {_REPLICA}/eviction": Route(call="replicas.renew_evict", body=_held),
    f"POST {_REPLICA}/eviction/abandonment": Route(call="replicas.abandon_evict", body=_held),
    f"POST {_REPLICA}/eviction/cancellation": Route(
        call="replicas.cancel_evict", body=_says(token=1, reason="why", damaged=False)
    ),
    f"POST {_REPLICA}/eviction/done": Route(call="replicas.finish_evict", body=_says(token=1, freed_bytes=0)),
    f"GET {API}/links": Route(call="links.all"),
    f"PUT {API}/links": Route(call="links.declare", body=_says(**_LINK, latency_s=1.0)),
    f"DELETE {API}/links": Route(call="links.forget", query=_says(**_LINK)),
    f"POST {_VOLUME}/transfers": Route(call="links.report", body=_moved),
    f"PUT {_VOLUME}/blob-server": Route(call="links.serve", body=_says(url="http://127.0.0.1:1")),
    f"POST {_VOLUME}/tickets": Route(call="links.ticketed", body=lambda of: {"ticket": of.ticket}),
    f"POST {_FILL}/sources": Route(call="links.holders", body=_says(token=1, lake="s3://lake")),
    f"POST {_FILL}/suspects": Route(call="links.suspect", body=_says(**_SUSPECT)),
    f"GET {API}/sites": Route(call="sites.all"),
    f"GET {_SITE}": Route(call="sites.get"),
    f"DELETE {_SITE}": Route(call="sites.remove"),
    f"PUT {_SITE}/state": Route(call="sites.set_state", body=_says(wanted="up", reason="why")),
    f"PUT {_SITE}/prices": Route(call="sites.set_prices", body=_says(gpu_hour=1.0, cpu_hour=1.0)),
    f"PUT {_SITE}/agent": Route(call="sites.attach", body=_hello),
    f"DELETE {_SITE}/agent": Route(call="sites.leave", query=_says(agent_token=1)),
    f"POST {_SITE}/beats": Route(call="sites.beat", body=_says(agent_token=1)),
    f"GET {_SITE}/orders": Route(call="sites.orders", query=_says(agent_token=1)),
    f"POST {_SITE}/previews": Route(
        call="previews.done", body=_says(agent_token=1, done={"preview_id": "none", "token": 1})
    ),
    f"POST {API}/previews": Route(
        call="previews.ask", body=lambda of: {"ref": of.ref, "kind": "table", "path": "part"}
    ),
    f"GET {API}/previews/files": Route(call="previews.files", query=lambda of: {"ref": of.ref}),
    f"GET {_DATASET}/previews": Route(call="previews.are_on"),
    f"PUT {_DATASET}/previews": Route(call="previews.switch", body=_says(on=False)),
    f"GET {API}/downtimes": Route(call="downtimes.all"),
    f"POST {_SITE}/downtimes": Route(call="downtimes.plan", body=_says(begins_at=1.0, ends_at=2.0, reason="why")),
    f"DELETE {_SITE}/downtimes/{{downtime_id}}": Route(call="downtimes.cancel", path=_says(downtime_id="none")),
    f"GET {API}/tasks": Route(call="sites.tasks"),
    f"POST {_SITE}/tasks": Route(call="sites.ask", body=_evicted),
    f"DELETE {API}/tasks/{{task_id}}": Route(call="sites.withdraw", query=_says(reason="why")),
    f"GET {API}/rules": Route(call="rules.all"),
    f"POST {API}/rules": Route(call="rules.add", body=lambda of: {"ref": f"{of.dataset}@{of.tag}"}),
    f"GET {API}/rules/{{rule_id}}": Route(call="rules.get"),
    f"DELETE {API}/rules/{{rule_id}}": Route(call="rules.remove"),
    f"POST {API}/runs": Route(call="runs.submit", body=_run),
    f"POST {API}/runs/explanation": Route(call="runs.explain", body=_run),
    f"GET {API}/runs": Route(call="runs.page"),
    f"GET {_RUN}": Route(call="runs.get"),
    f"GET {_RUN}/stream": Route(call="runs.get", goes_on=True),
    f"GET {_RUN}/log": Route(call="runs.log"),
    f"GET {_RUN}/log/stream": Route(call="runs.log", goes_on=True),
    f"PUT {_RUN}/log": Route(call="runs.add_log", body=_says(attempt=1, token=1, offset=0, text="said")),
    f"GET {_RUN}/keepsakes": Route(call="runs.keepsakes"),
    f"GET {_RUN}/keepsakes/{{attempt}}/{{name}}": Route(call="runs.keepsake", path=_says(attempt=1, name="a.html")),
    f"PUT {_RUN}/keepsakes/{{attempt}}/{{name}}": Route(
        call="runs.keep", path=_says(attempt=1, name="a.html"), query=_says(token=1), content=b"x", content_type=BYTES
    ),
    f"POST {_RUN}/cancellation": Route(call="runs.cancel", body=_says(reason="why")),
    f"POST {_RUN}/retry": Route(call="runs.retry"),
    f"POST {API}/bundles": Route(call="runs.store_code", content=b"code", content_type=GZIP),
    f"GET {API}/bundles/{{digest}}": Route(call="runs.code_path", path=lambda of: {"digest": of.bundle}),
    f"GET {API}/users": Route(call="access.users"),
    f"POST {API}/users": Route(call="access.add_user", body=_says(name="new", role="admin")),
    f"PUT {API}/users/{{user}}/role": Route(call="access.set_role", body=_says(role="admin")),
    f"DELETE {API}/users/{{user}}": Route(call="access.remove_user"),
    f"GET {API}/teams": Route(call="access.teams"),
    f"POST {API}/teams/{{team}}/members": Route(call="access.join_team", body=_says(users=[])),
    f"DELETE {API}/teams/{{team}}/members": Route(call="access.leave_team", query=_says(user="nobody")),
    f"DELETE {API}/teams/{{team}}": Route(call="access.remove_team"),
    f"GET {API}/tokens": Route(call="access.tokens"),
    f"POST {API}/tokens": Route(
        call="access.make_token", body=lambda of: {"user": "root", "role": "viewer", "datasets": [of.dataset]}
    ),
    f"DELETE {API}/tokens/{{token_id}}": Route(call="access.revoke_token"),
    f"GET {API}/audit": Route(call="access.audit"),
    f"GET {API}/audit/export": Route(call="access.audit"),
}
