"""What the showcase has for the pages of sites and of administration: links, tokens, rules, refusals, failing work."""

from __future__ import annotations

from typing import Final

from forebay.errors import ForebayError
from forebay.hub.access.guarded import Guarded
from forebay.hub.access.rules import Person
from forebay.hub.access.store import AccessStore
from forebay.hub.access.trail import Request
from forebay.hub.local import LocalHub
from forebay.wire.access import NewToken, Role
from forebay.wire.cache import HealthReport, Sign
from forebay.wire.links import TransferReport
from forebay.wire.retention import RetentionPolicy
from forebay.wire.sites import Hello, Report, SiteState, TaskKind, TaskState

GB: Final = 10**9
DAY: Final = 86400.0


def govern(hub: LocalHub, access: AccessStore, now: float, markup: str) -> dict[str, str]:
    """`markup` stands where people write what they want: a page that shows it as such is wrong. Ids of tokens."""
    _links(hub)
    tokens = _tokens(access, now, markup)
    _failing(hub, markup)
    _refused(hub, access)
    hub.retention.set_policy(RetentionPolicy(dataset="criteo", keep_last=6), "olga")
    hub.sites.set_prices("aks-gpu", 2.5, 0.04)
    return tokens


def _links(hub: LocalHub) -> None:
    for volume_id, source, gb, seconds in (
        ("volume-of-dgx-basement", "s3://lake", 400, 380.0),
        ("volume-of-aks-gpu", "s3://lake", 250, 2100.0),
        ("volume-of-aks-gpu", "dgx-basement", 40, 600.0),
    ):
        moved = TransferReport(
            source=source, dataset="criteo", moved_bytes=gb * GB, seconds=seconds, first_byte_s=0.03, requests=12
        )
        hub.links.report(volume_id, moved)


def _tokens(access: AccessStore, now: float, markup: str) -> dict[str, str]:
    """The ids of ada's for her `nightly` training, and of the admin's for `agents`."""
    expires_at = now + 3 * DAY
    nightly = access.make_token(
        NewToken(user="ada", role=Role.SCIENTIST, note="nightly training", expires_at=expires_at)
    )
    access.make_token(NewToken(user="vera", role=Role.VIEWER, note=markup, datasets=("criteo",)))
    ended = access.make_token(NewToken(user="olga", role=Role.ENGINEER, note="a laptop that was lost"))
    access.revoke_token(ended.token.token_id)
    agents = access.make_token(NewToken(user="admin", role=Role.ENGINEER, site="aks-gpu", expires_at=now + 5 * DAY))
    access.principal_of(agents.secret)
    return {"nightly": nightly.token.token_id, "agents": agents.token.token_id}


def _failing(hub: LocalHub, markup: str) -> None:
    """A site that drains, whose agent is of an older release, and whose disk is full."""
    hub.volumes.add("volume-of-edge", "/srv/edge", 600 * GB)
    hello = Hello(site="edge", volume_id="volume-of-edge", cpus=8, memory_bytes=32 * GB, release="0.0.9")
    token = hub.sites.attach(hello).agent_token
    hub.sites.ask("edge", TaskKind.FILL, "chest-xray@v1", f"for the demo {markup}", by="vera")
    for order in hub.sites.orders("edge", token, 0, 0.0).orders:
        told = f"cannot write scan-3 {markup}: the disk is full"
        report = Report(
            task_id=order.task_id, token=order.token, state=TaskState.FAILED, detail=told, todo="Free some."
        )
        hub.sites.beat("edge", token, (report,))
    hub.volumes.report_health("volume-of-edge", HealthReport(sign=Sign.BAD, reason="a canary could not be written"))
    hub.sites.set_state("edge", SiteState.DRAINING, f"moved to the other room {markup}")


def _refused(hub: LocalHub, access: AccessStore) -> None:
    """Lines of the audit."""
    came = Request(source="10.0.4.17", request_id="5f1c0a9be2d1")
    people = (
        Person(user="ada", role=Role.SCIENTIST, teams=frozenset({"ads"})),
        Person(user="vera", role=Role.VIEWER, teams=frozenset({"radiology"})),
    )
    for person in people:
        seen = Guarded(hub, access, person, came)
        try:
            seen.catalog.tag("criteo", "candidate", 7, person.user)
            seen.catalog.dataset("payroll")
        except ForebayError:
            continue
