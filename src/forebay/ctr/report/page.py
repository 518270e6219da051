"""A report as one HTML file: no script, no request to anywhere, and a policy in the page that holds it to that."""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
from collections.abc import Sequence
from typing import Any, Final

import jinja2

from forebay.charts.look import CHARTS, TOKENS
from forebay.charts.markup import Markup
from forebay.charts.scale import percents
from forebay.ctr.report import figures
from forebay.ctr.report.training_report import TrainingReport

_MOST_FEATURES: Final = 15
_LAYOUT: Final = """* { box-sizing: border-box }
body { margin: 0; background: var(--bg); color: var(--ink); font: 400 var(--t-m)/1.5 var(--font) }
main { max-width: 64rem; margin: 0 auto; padding: var(--s6) var(--s5) }
h1 { font-size: var(--t-xl); font-weight: 650; letter-spacing: -.015em; line-height: 1.2; margin: 0;
  overflow-wrap: anywhere }
h2 { font-size: var(--t-l); font-weight: 620; letter-spacing: -.01em; margin: 0 0 var(--s4) }
header p { color: var(--soft); margin: var(--s2) 0 0; max-width: 46rem }
section { margin-top: var(--s6) }
.facts { display: grid; grid-template-columns: repeat(4, 1fr); margin: var(--s5) 0 0; background: var(--surface);
  border: 1px solid var(--line); border-radius: var(--radius) }
.facts > div { display: flex; flex-direction: column; padding: var(--s4); border-left: 1px solid var(--line) }
.facts > div:first-child { border-left: 0 }
.facts dt, .facts dd { margin: 0; color: var(--soft); font-size: var(--t-xs) }
.facts .value { color: var(--ink); font-size: var(--t-l); font-weight: 620; font-variant-numeric: tabular-nums;
  letter-spacing: -.01em }
.charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: var(--s4) }
.charts figure { display: grid; grid-row: span 3; grid-template-rows: subgrid; row-gap: 0; padding: var(--s4);
  background: var(--surface); border: 1px solid var(--line); border-radius: var(--radius) }
.charts + .scroll { margin-top: var(--s4) }
.note { color: var(--soft); font-size: var(--t-s); margin: 0 0 var(--s3); max-width: 46rem }
.made { display: grid; grid-template-columns: 9rem 1fr; gap: var(--s2) var(--s4); margin: 0; font-size: var(--t-s) }
.made dt { color: var(--soft) }
.made dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums }
code { font-family: var(--mono); font-size: var(--t-xs) }
footer { color: var(--soft); font-size: var(--t-xs); margin-top: var(--s6) }
@media (max-width: 760px) {
  main { padding: var(--s5) var(--s4) }
  .charts { grid-template-columns: minmax(0, 1fr) }
  .charts figure { display: block }
  .facts { grid-template-columns: 1fr 1fr }
  .facts > div:nth-child(odd) { border-left: 0 }
  .facts > div:nth-child(n + 3) { border-top: 1px solid var(--line) }
  .made { grid-template-columns: 1fr; gap: 0 }
  .made dd { margin-bottom: var(--s3) }
}
@media print { main { max-width: none; padding: 0 } section { break-inside: auto } }
"""


def render(report: TrainingReport) -> str:
    """The whole page."""
    style = TOKENS + CHARTS + _LAYOUT
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    top, rest = figures.importance_table(report, most=_MOST_FEATURES)
    return _template().render(
        report=report,
        metrics=report.metrics,
        provenance=report.provenance,
        made_at=_moment(report.provenance.made_at),
        style=Markup(style),
        policy=f"default-src 'none'; style-src 'sha256-{digest}'",
        ranking=[figures.roc_figure(report), figures.precision_figure(report)],
        trust=[figures.lift_figure(report), figures.calibration_figure(report)],
        drift=[figures.auc_by_day(report), figures.calibration_by_day(report)] if len(report.days) > 1 else [],
        days_table=figures.days_table(report),
        top_features=top if report.importance else None,
        other_features=rest,
        most_features=_MOST_FEATURES,
        stages=figures.stages_table(report),
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("forebay.ctr.report", package_path=""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(pairs=_pairs, days=_days, percents=percents)
    return environment.get_template("report.html.j2")


def _pairs(values: Any) -> str:
    """`seed 1, workers 2`."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _days(numbers: Sequence[int]) -> str:
    """`day 3`, `days 0 to 5`, `days 0, 2, 5`."""
    if len(numbers) == 1:
        return f"day {numbers[0]}"
    if list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"days {numbers[0]} to {numbers[-1]}"
    return f"days {', '.join(map(str, numbers))}"


def _moment(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
