"""Writes deploy/grafana/forebay.json: rows for hub, runs, sites, fills, cache and volumes, by the metrics' own names.

A test sees to it that the file is what this script makes: `python scripts/grafana_dashboard.py` brings it up to date.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent.parent / "deploy" / "grafana" / "forebay.json"

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_HEIGHT, _WIDTH = 8, 24


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture. `queries` are (PromQL, legend); `kind` is Grafana's."""

    title: str
    meaning: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    stacked: bool = False
    steps: Sequence[tuple[float | None, str]] = field(default=((None, "green"),))


def _of(name: str, more: str = "") -> str:
    """A metric of the chosen volumes; all hubs of a database say the same of it."""
    return f'max without (instance) ({name}{{volume=~"$volume"{more}}})'


def _quantile(share: float, *by: str) -> str:
    buckets = "rate(forebay_hub_request_seconds_bucket[$__rate_interval])"
    return f"histogram_quantile({share}, sum by ({', '.join(('le', *by))}) ({buckets}))"


def _waited(share: float) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate(forebay_hub_run_wait_seconds_bucket[1h])))"


def _rate(name: str, more: str = "", span: str = "$__rate_interval") -> str:
    return f'max without (instance) (rate({name}{{volume=~"$volume"{more}}}[{span}]))'


_LAKE = ',source="lake"'
_RED_ABOVE_0 = ((None, "green"), (1.0, "red"))
_RED_AT_0 = ((None, "red"), (1.0, "green"))

ROWS: Sequence[tuple[str, Sequence[Panel]]] = (
    (
        "Hub",
        (
            Panel(
                title="Hubs that answer",
                meaning="By instance; 0 is a hub that Prometheus can't reach or whose token is wrong.",
                queries=(('up{job="forebay-hub"}', "{{instance}}"),),
                kind="stat",
                width=4,
                steps=_RED_AT_0,
            ),
            Panel(
                title="Database",
                meaning="1 while the hub reads its database.",
                queries=(("forebay_hub_database_up", "{{instance}}"),),
                kind="stat",
                width=4,
                steps=_RED_AT_0,
            ),
            Panel(
                title="Releases",
                meaning="More than one is right only during an update.",
                queries=(("count by (version) (forebay_hub_build_info)", "{{version}}"),),
                kind="stat",
                width=4,
            ),
            Panel(
                title="Errors of the hub's own",
                meaning="The share of answers with a status of 500 and more.",
                queries=(("forebay:request_errors:ratio_rate5m", "{{job}}"),),
                unit="percentunit",
                width=6,
                steps=((None, "green"), (0.01, "orange"), (0.05, "red")),
            ),
            Panel(
                title="Refusals",
                meaning="What the audit has as refused, a second, by action.",
                queries=(
                    ("max without (instance) (rate(forebay_hub_refusals_total[$__rate_interval]))", "{{action}}"),
                ),
                unit="ops",
                width=6,
            ),
            Panel(
                title="Requests by route",
                meaning="A second, of all hubs.",
                queries=(
                    (
                        "topk(10, sum by (route, method) (rate(forebay_hub_requests_total[$__rate_interval])))",
                        "{{method}} {{route}}",
                    ),
                ),
                unit="reqps",
                width=12,
                stacked=True,
            ),
            Panel(
                title="Latency",
                meaning="Until the answer began, and what the database took of it for a statement.",
                queries=(
                    (
                        _quantile(0.5),
                        "half",
                    ),
                    ("forebay:request_seconds:p99_5m", "99 of 100"),
                    ("forebay:statement_seconds:p99_5m", "statements: 99 of 100"),
                ),
                unit="s",
                width=12,
            ),
            Panel(
                title="Slowest routes",
                meaning="99 of 100 answers began in this time.",
                queries=(
                    (
                        f"topk(5, {_quantile(0.99, 'route')})",
                        "{{route}}",
                    ),
                ),
                unit="s",
            ),
            Panel(
                title="Under way",
                meaning="Requests (streams among them) and connections to the database, now.",
                queries=(
                    ("forebay_hub_requests_in_flight", "requests at {{instance}}"),
                    ("forebay_hub_connections_in_use", "connections of {{instance}}"),
                ),
            ),
            Panel(
                title="Process",
                meaning="Memory and CPU of each hub.",
                queries=(('process_resident_memory_bytes{job="forebay-hub"}', "memory of {{instance}}"),),
                unit="bytes",
            ),
        ),
    ),
    (
        "Runs",
        (
            Panel(
                title="Runs",
                meaning="That have not ended, by state.",
                queries=(("max without (instance) (forebay_hub_runs)", "{{state}}"),),
                stacked=True,
            ),
            Panel(
                title="Longest wait",
                meaning="Of the runs that are queued or filling now, since submission or the last attempt.",
                queries=(("max without (instance) (forebay_hub_run_longest_wait_seconds)", "longest"),),
                unit="s",
            ),
            Panel(
                title="From submission to start",
                meaning="Of the runs whose commands started in the last hour.",
                queries=((_waited(0.5), "half"), (_waited(0.9), "9 of 10")),
                unit="s",
            ),
        ),
    ),
    (
        "Sites",
        (
            Panel(
                title="Sites",
                meaning="By state; forebay sites ls says which and why.",
                queries=(("max without (instance) (forebay_hub_site_state)", "{{state}}"),),
                width=6,
                stacked=True,
            ),
            Panel(
                title="Silence of agents",
                meaning="Since each site's agent was last heard of.",
                queries=(("max without (instance) (forebay_hub_site_silent_seconds)", "{{site}}"),),
                unit="s",
                width=6,
            ),
            Panel(
                title="Open tasks",
                meaning="Fills, evictions and scrubs of all sites; forebay sites show says more of each.",
                queries=(("max without (instance) (forebay_hub_open_tasks) > 0", "{{kind}} {{state}}"),),
                width=6,
                stacked=True,
            ),
            Panel(
                title="Rules",
                meaning="Datasets at sites of which rules speak, by how they stand; forebay rule show says why.",
                queries=(("max without (instance) (forebay_hub_rule_places)", "{{state}}"),),
                width=6,
                stacked=True,
            ),
            Panel(
                title="Agents that are ready",
                meaning="Of those that tell metrics: 0 is one that the hub does not hear.",
                queries=(("forebay_agent_ready", "{{site}}"),),
                kind="stat",
                width=6,
                steps=_RED_AT_0,
            ),
            Panel(
                title="Tasks under way at agents",
                meaning="As each agent has them.",
                queries=(("forebay_agent_tasks > 0", "{{site}} {{kind}}"),),
                width=6,
                stacked=True,
            ),
            Panel(
                title="Tasks that ended at agents",
                meaning="An hour, by kind and outcome.",
                queries=(("3600 * rate(forebay_agent_tasks_ended_total[1h]) > 0", "{{site}} {{kind}} {{outcome}}"),),
                width=6,
            ),
            Panel(
                title="Beats",
                meaning="How old the last one is that the hub took, and how many failed, an hour.",
                queries=(
                    ("forebay_agent_beat_age_seconds", "{{site}} age"),
                    ("3600 * rate(forebay_agent_beats_failed_total[1h])", "{{site}} failed"),
                ),
                width=6,
            ),
        ),
    ),
    (
        "Fills",
        (
            Panel(
                title="Fills that ended",
                meaning="An hour, by outcome.",
                queries=((f"3600 * {_rate('forebay_hub_fills_total', span='1h')}", "{{volume}} {{outcome}}"),),
            ),
            Panel(
                title="Moved by fills",
                meaning="From the lakes and from other sites (peer); counted when a fill ends.",
                queries=((_rate("forebay_hub_moved_bytes_total", span="15m"), "{{volume}} {{source}}"),),
                unit="Bps",
            ),
            Panel(
                title="How fast fills lately were",
                meaning="Bytes of a second of a fill; it fades, so that it follows the lake.",
                queries=((_of("forebay_hub_volume_fill_bytes_per_second"), "{{volume}}"),),
                unit="Bps",
            ),
            Panel(
                title="Open fills",
                meaning="Held: under way. Left: broke off, and the next try goes on from there.",
                queries=((_of("forebay_hub_open_fills"), "{{volume}} {{held}}"),),
                width=12,
                stacked=True,
            ),
            Panel(
                title="Tried three times or more",
                meaning="Versions that are not there in spite of it; forebay cache events says why.",
                queries=((_of("forebay_hub_replicas_struggling"), "{{volume}}"),),
                kind="stat",
                width=12,
                steps=_RED_ABOVE_0,
            ),
        ),
    ),
    (
        "Cache",
        (
            Panel(
                title="Hits",
                meaning="The share of leases that found their version there.",
                queries=(('forebay:hits:ratio_rate1h{volume=~"$volume"}', "{{volume}}"),),
                unit="percentunit",
            ),
            Panel(
                title="Uses",
                meaning="An hour, as the ledger has them.",
                queries=((f"3600 * {_rate('forebay_hub_uses_total', span='1h')}", "{{volume}}"),),
            ),
            Panel(
                title="Not downloaded",
                meaning="What the uses would have downloaded each for itself, less what came from the lakes.",
                queries=(
                    (
                        f"{_of('forebay_hub_used_bytes_total')} - on (volume) "
                        f"max by (volume) ({_of('forebay_hub_moved_bytes_total', _LAKE)})",
                        "{{volume}}",
                    ),
                ),
                unit="bytes",
            ),
            Panel(
                title="Evictions",
                meaning="An hour, by kind of reason.",
                queries=((f"3600 * {_rate('forebay_hub_evictions_total', span='1h')} > 0", "{{volume}} {{reason}}"),),
                stacked=True,
            ),
            Panel(
                title="Replicas",
                meaning="By state.",
                queries=((_of("forebay_hub_replicas"), "{{volume}} {{state}}"),),
                stacked=True,
            ),
            Panel(
                title="Leases and pins",
                meaning="What holds replicas here.",
                queries=(
                    (_of("forebay_hub_leases"), "{{volume}} leases"),
                    (_of("forebay_hub_replicas_pinned"), "{{volume}} pinned"),
                ),
            ),
        ),
    ),
    (
        "Volumes",
        (
            Panel(
                title="State",
                meaning="As the hub has it; forebay cache health says why.",
                queries=((f"{_of('forebay_hub_volume_state')} == 1", "{{volume}} {{state}}"),),
                kind="stat",
                width=6,
            ),
            Panel(
                title="Held of what they may",
                meaning="Files, trash and what fills set aside, against the limit. Eviction starts at 0.9.",
                queries=(('forebay:volume_held:ratio{volume=~"$volume"}', "{{volume}}"),),
                unit="percentunit",
                kind="gauge",
                width=6,
                steps=((None, "green"), (0.9, "orange"), (0.95, "red")),
            ),
            Panel(
                title="Room",
                meaning="Used, set aside by fills, and the limit.",
                queries=(
                    (_of("forebay_hub_volume_used_bytes"), "{{volume}} used"),
                    (_of("forebay_hub_volume_reserved_bytes"), "{{volume}} set aside"),
                    (_of("forebay_hub_volume_limit_bytes"), "{{volume}} limit"),
                ),
                unit="bytes",
                width=12,
            ),
            Panel(
                title="A small file, written and synced",
                meaning="On each machine that measures the volume.",
                queries=(('forebay_volume_canary_seconds{volume=~"$volume"}', "{{volume}} at {{instance}}"),),
                unit="s",
            ),
            Panel(
                title="Free on the file system",
                meaning="Whoever else writes there counts, too.",
                queries=(('forebay_volume_file_system_free_bytes{volume=~"$volume"}', "{{volume}} at {{instance}}"),),
                unit="bytes",
            ),
            Panel(
                title="Longest unverified",
                meaning="Since the oldest check of a ready replica; scrub keeps it short.",
                queries=((f"time() - {_of('forebay_hub_oldest_check_timestamp_seconds')}", "{{volume}}"),),
                unit="s",
            ),
            Panel(
                title="Quarantine and trash",
                meaning="Files and folders; quarantine goes by itself after a week.",
                queries=(
                    ('forebay_volume_quarantined{volume=~"$volume"}', "{{volume}} quarantine"),
                    ('forebay_volume_trash{volume=~"$volume"}', "{{volume}} trash"),
                ),
                width=12,
            ),
            Panel(
                title="Damaged, adopted, forgotten, stuck",
                meaning="In a day.",
                queries=(
                    (f"86400 * {_rate('forebay_hub_replica_changes_total', span='1d')}", "{{volume}} {{change}}"),
                ),
                width=12,
            ),
        ),
    ),
)


def render() -> str:
    """The whole file."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "gridPos": {"h": 1, "w": _WIDTH, "x": 0, "y": y},
                "panels": [],
            }
        )
        x, y = 0, y + 1
        for panel in row:
            if x + panel.width > _WIDTH:
                x, y = 0, y + _HEIGHT
            panels.append(_panel(panel, len(panels) + 1, x, y))
            x += panel.width
        y += _HEIGHT
    return json.dumps({**_FRAME, "panels": panels}, indent=1) + "\n"


def _panel(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    steps = [{"value": value, "color": colour} for value, colour in panel.steps]
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    options: dict[str, Any] = {
        "tooltip": {"mode": "multi", "sort": "desc"},
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
    }
    if panel.kind == "timeseries":
        stacking = {"mode": "normal" if panel.stacked else "none", "group": "A"}
        defaults["custom"] = {
            "drawStyle": "line",
            "fillOpacity": 15 if panel.stacked else 0,
            "stacking": stacking,
            "showPoints": "never",
        }
    else:
        options = {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "value_and_name",
        }
        if panel.kind == "gauge":
            defaults["max"] = 1
            del options["textMode"]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.meaning,
        "datasource": _SOURCE,
        "gridPos": {"h": _HEIGHT, "w": panel.width, "x": x, "y": y},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": _SOURCE, "expr": query, "legendFormat": legend, "range": True}
            for at, (query, legend) in enumerate(panel.queries)
        ],
    }


_FRAME: dict[str, Any] = {
    "uid": "forebay",
    "title": "Forebay",
    "description": "Hub, runs, sites, fills, cache, volumes. Needs the recording rules of deploy/prometheus/rules.yml.",
    "tags": ["forebay"],
    "schemaVersion": 39,
    "version": 1,
    "editable": True,
    "graphTooltip": 1,
    "refresh": "30s",
    "time": {"from": "now-6h", "to": "now"},
    "timezone": "browser",
    "annotations": {"list": []},
    "links": [],
    "templating": {
        "list": [
            {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0},
            {
                "name": "volume",
                "label": "Volume",
                "type": "query",
                "datasource": _SOURCE,
                "query": {"query": "label_values(forebay_hub_volume_info, volume)", "refId": "volume"},
                "includeAll": True,
                "multi": True,
                "allValue": ".*",
                "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
                "refresh": 2,
                "sort": 1,
                "hide": 0,
            },
        ]
    },
}


if __name__ == "__main__":
    FILE.write_text(render())
