"""Writes docs/metrics.md's tables from the metrics themselves, between the page's own words.

A test sees to it that the page is what this script makes: `python scripts/metrics_reference.py` brings it up to date.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from forebay.metrics.agent_families import AGENT
from forebay.metrics.family import Family
from forebay.metrics.hub_families import COUNTERS, GAUGES, PROCESS, STANDARD
from forebay.metrics.volume_families import VOLUME

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"
WORDS = Path(__file__).parent / "metrics_page.md"

_TABLE = "| metric | kind | labels | meaning |\n|---|---|---|---|\n"


def render() -> str:
    """The whole page."""
    page = WORDS.read_text()
    told = {"process": PROCESS, "gauges": GAUGES, "counters": COUNTERS, "volume": VOLUME, "agent": AGENT}
    for name, families in told.items():
        page = page.replace(f"{{{{{name}}}}}\n", _TABLE + "".join(map(_row, families)))
    return page.replace("{{standard}}", ", ".join(f"`{name}`" for name in STANDARD))


def _row(family: Family) -> str:
    return f"| `{family.name}` | {family.kind} | {_labels(family.labels)} | {family.meaning} |\n"


def _labels(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    PAGE.write_text(render())
