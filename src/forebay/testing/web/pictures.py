"""The pages in docs/images, by the name of their pictures. A test holds this complete, and the folder as it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from forebay.testing.web.acts import ask_the_palette, fill_in, make_a_token, wrong_at
from forebay.testing.web.looking import Eyes

PAGES: Final[Mapping[str, str]] = {
    "overview": "/",
    "datasets": "/datasets",
    "register": "/datasets/-/register",
    "commit": "/datasets/-/commit?name=criteo",
    "dataset": "/datasets/criteo",
    "dataset-tags": "/datasets/criteo/tags",
    "dataset-untag": "/datasets/criteo/tags/prod/remove",
    "dataset-settings": "/datasets/criteo/settings",
    "dataset-retention": "/datasets/criteo/settings/retention?keep_last=2",
    "dataset-forget": "/datasets/criteo/forget",
    "version": "/datasets/criteo-features/v2",
    "version-retire": "/datasets/criteo/v7/retire",
    "version-restore": "/datasets/old-clicks/v1/restore",
    "version-forget": "/datasets/criteo/v1/forget",
    "files": "/datasets/chest-xray/v3/files?folder=images",
    "preview": "/datasets/ad-clicks/v1/preview",
    "pictures": "/datasets/ad-clicks/v1/preview?kind=images",
    "changes": "/datasets/criteo/v7/diff",
    "drift": "/datasets/ad-clicks/v2/diff/preview?with=1",
    "lineage": "/datasets/criteo-features/v2/lineage",
    "cache": "/cache",
    "cache-at-a-site": "/cache/aks-gpu",
    "cache-history": "/cache/-/history",
    "cache-history-of-a-site": "/cache/aks-gpu/history",
    "cache-of-a-version": "/cache/aks-gpu/criteo/v7",
    "warm": "/cache/-/warm?ref=criteo%40prod&site=gcp-cpu",
    "pin": "/cache/dgx-basement/criteo/v6/pin",
    "evict": "/cache/aks-gpu/evict",
    "evict-a-version": "/cache/dgx-basement/criteo/v6/evict",
    "sites": "/sites",
    "site": "/sites/dgx-basement",
    "site-down": "/sites/dgx-basement/down",
    "site-remove": "/sites/edge/remove",
    "where": "/sites/where?data=criteo@v7&gpus=2",
    "runs": "/runs",
    "run": "/runs/{done0}",
    "cancel": "/runs/{running}/cancel",
    "log": "/runs/{running}/log",
    "log-search": "/runs/{running}/log/find?q=loss",
    "report": "/runs/{done0}/report",
    "compare": "/runs/compare?run={done0}&run={done1}&run={failed}",
    "why-it-waits": "/runs/{queued}/where",
    "admin": "/admin",
    "users": "/admin/users",
    "user": "/admin/users/ada",
    "user-remove": "/admin/users/ada/remove",
    "teams": "/admin/teams",
    "team": "/admin/teams/ads",
    "team-remove": "/admin/teams/ads/remove",
    "tokens": "/admin/tokens?all=yes",
    "token-revoke": "/admin/tokens/{nightly}/revoke",
    "policies": "/admin/policies",
    "policy": "/admin/policies/criteo",
    "quotas": "/admin/quotas",
    "retention": "/admin/retention",
    "retention-plan": "/admin/retention/plan?dataset=criteo&keep_last=2",
    "links": "/admin/links",
    "link-forget": "/admin/links/forget?source=s3://lake&target=dgx-basement",
    "audit": "/admin/audit",
    "agents": "/admin/agents",
    "doctor": "/admin/doctor",
    "settings": "/settings",
    "own-token-revoke": "/settings/tokens/{agents}/revoke",
    "find": "/find?q=criteo",
    "error": "/datasets/nothing-is-called-so",
}
"""What an admin sees there; `{done0}`, `{nightly}` and the like are the showcase's runs and tokens."""

OUTSIDE: Final[Mapping[str, str]] = {"log-in": "/login?next=/datasets"}
"""What a stranger sees there."""


def _palette(eyes: Eyes) -> None:
    eyes.go("/datasets")
    ask_the_palette(eyes, "crit")


def _wrong_form(eyes: Eyes) -> None:
    fill_in(eyes, wrong_at("/datasets/-/register"))


ACTS: Final[Mapping[str, Callable[[Eyes], None]]] = {
    "palette": _palette,
    "token-made": make_a_token,
    "form-with-an-error": _wrong_form,
}
"""What has no address, by what an admin does for it."""
