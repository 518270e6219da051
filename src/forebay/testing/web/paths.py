"""An address for every page of the dashboard, on the hub of `Showcase`. A test holds this complete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PREVIEWS: Final[tuple[str, ...]] = (
    "/datasets/ad-clicks/v1/preview",
    "/datasets/ad-clicks/v2/preview?kind=table&path=day_1.csv",
    "/datasets/ad-clicks/v1/preview?kind=images",
    "/datasets/ad-clicks/v1/preview?kind=table&path=torn.parquet",
    "/datasets/ad-clicks/v3/preview",
    "/datasets/ad-clicks/v2/diff/preview?with=1",
    "/datasets/ad-clicks/v3/diff/preview",
    "/datasets/ad-faces/v1/preview",
    "/datasets/ad-places/v1/preview",
    "/datasets/ad-notes/v1/preview",
)
"""Previews in every state that `previews.show_previews` makes."""

PATHS: Final[tuple[str, ...]] = (
    "/",
    "/cache",
    "/cache?only=all",
    "/cache/aks-gpu",
    "/cache/-/history",
    "/cache/aks-gpu/history",
    "/cache/aks-gpu/evict",
    "/cache/aks-gpu/criteo/v7",
    "/cache/gcp-cpu/chest-xray/v3",
    "/cache/dgx-basement/criteo/v6/evict",
    "/cache/dgx-basement/criteo/v6/pin",
    *PREVIEWS,
    "/cache/-/warm?ref=criteo%40prod&site=gcp-cpu",
    "/cache/aks-gpu/chest-xray/v2",
    "/settings",
    "/settings/tokens/{agents}/revoke",
    "/find?q=criteo",
    "/datasets",
    "/datasets?q=nothing-is-called-so",
    "/datasets/-/register",
    "/datasets/-/commit?name=criteo",
    "/datasets/criteo",
    "/datasets/clicks-raw",
    "/datasets/criteo/tags",
    "/datasets/criteo/tags/prod/remove",
    "/datasets/criteo/settings",
    "/datasets/criteo/settings/retention?keep_last=2",
    "/datasets/criteo/forget",
    "/datasets/criteo-features/v2",
    "/datasets/chest-xray/v2",
    "/datasets/old-clicks/v1",
    "/datasets/criteo/v7/retire",
    "/datasets/old-clicks/v1/restore",
    "/datasets/criteo/v1/forget",
    "/datasets/chest-xray/v3/files",
    "/datasets/chest-xray/v3/files?folder=images",
    "/datasets/chest-xray/v3/files?find=labels",
    "/datasets/chest-xray/v3/files?file=labels-3.csv",
    "/datasets/clicks-raw/v1/files?folder=logs",
    "/datasets/criteo/v7/diff",
    "/datasets/chest-xray/v3/diff?with=v1",
    "/datasets/criteo-features/v2/lineage",
    "/datasets/clicks-raw/v1/lineage",
    "/runs",
    "/runs?state=succeeded&user=nobody",
    "/runs/{done0}",
    "/runs/{failed}",
    "/runs/{running}",
    "/runs/{queued}",
    "/runs/{running}/cancel",
    "/runs/{queued}/where",
    "/runs/{running}/log",
    "/runs/{failed}/log",
    "/runs/{running}/log/find?q=loss",
    "/runs/{done0}/report",
    "/runs/{done0}/report?name=task-stream.html",
    "/runs/compare?run={done0}&run={done1}&run={failed}",
    "/sites",
    "/sites/dgx-basement",
    "/sites/edge",
    "/sites/dgx-basement/down",
    "/sites/edge/remove",
    "/sites/where?data=criteo@v7&gpus=2",
    "/admin",
    "/admin/users",
    "/admin/users/ada",
    "/admin/users/ada/remove",
    "/admin/teams",
    "/admin/teams/ads",
    "/admin/teams/ads/remove",
    "/admin/tokens?all=yes",
    "/admin/tokens/{nightly}/revoke",
    "/admin/policies",
    "/admin/policies/criteo",
    "/admin/quotas",
    "/admin/retention",
    "/admin/retention/plan?dataset=criteo&keep_last=2",
    "/admin/links",
    "/admin/links/forget?source=s3://lake&target=dgx-basement",
    "/admin/audit",
    "/admin/agents",
    "/admin/doctor",
)
"""`{done0}`, `{nightly}` and the like are the ids of the showcase's runs and tokens."""

WITHOUT_ONE: Final[frozenset[str]] = frozenset(
    {
        "/runs/{run}/left/{attempt}/{name}",
        "/runs/{run}/log/text",
        "/datasets/{name}/v{number}/preview/picture",
    }
)
"""What is no page but a file: looked at in tests of their own."""


def paths_of(ids: Mapping[str, str]) -> list[str]:
    """All addresses; `ids` are the showcase's."""
    return [path.format(**ids) for path in PATHS]
