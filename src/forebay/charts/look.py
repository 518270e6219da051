"""How pages with charts look: one type scale, one scale of spaces, one accent, light and dark. CSS, as text.

`TOKENS` are the only place for sizes and colours. Text stands on `--bg` or `--surface` in `--ink`, `--soft` or
`--accent` only: these pass the AA contrast of 4.5, which `--line` and `--faint` do not need to.
"""

from typing import Final

_LIGHT: Final = """
  --bg: #fbfbfa; --surface: #ffffff; --line: #e4e4e0; --ink: #1d2226; --soft: #5d676e; --faint: #848d94;
  --accent: #0b6e75; --accent-bg: #e2f1f1;"""
_DARK: Final = """
  --bg: #111517; --surface: #171c1f; --line: #2a3237; --ink: #e6eaec; --soft: #a3adb3; --faint: #737e85;
  --accent: #5cc3c8; --accent-bg: #12343a;"""

TOKENS: Final = f""":root {{
  color-scheme: light dark;
  --font: ui-sans-serif, system-ui, -apple-system, "Segoe UI", "Inter", "Noto Sans", sans-serif;
  --mono: ui-monospace, "SF Mono", "JetBrains Mono", "DejaVu Sans Mono", monospace;
  --t-xs: .75rem; --t-s: .8125rem; --t-m: .9375rem; --t-l: 1.25rem; --t-xl: 1.75rem;
  --s1: .25rem; --s2: .5rem; --s3: .75rem; --s4: 1rem; --s5: 1.5rem; --s6: 2.5rem;
  --radius: 6px;{_LIGHT}
}}
@media screen and (prefers-color-scheme: dark) {{ :root {{{_DARK}
}} }}
"""

CHARTS: Final = """figure { margin: 0; min-width: 0 }
figcaption h3 { font-size: var(--t-m); font-weight: 600; margin: 0 }
figcaption p { color: var(--soft); font-size: var(--t-s); margin: var(--s1) 0 var(--s3) }
.chart { display: block; width: 100%; max-width: 30rem; height: auto; font-family: var(--font) }
.chart text { font-size: 11px; fill: var(--soft); font-variant-numeric: tabular-nums }
@media (max-width: 480px) { .chart text { font-size: 13px } }
.chart .grid { stroke: var(--line); fill: none }
.chart .axis { stroke: var(--faint); fill: none }
.chart .line { stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; fill: none }
.chart .line.quiet { stroke: var(--faint); stroke-width: 1; stroke-dasharray: 4 4 }
.chart .interval { stroke: var(--accent); stroke-width: 1.5; fill: none }
.chart .mark, .bar .mark { fill: var(--accent) }
.chart .label { fill: var(--ink); font-weight: 600; paint-order: stroke; stroke: var(--surface); stroke-width: 4px;
  stroke-linejoin: round }
.chart .label.quiet { fill: var(--soft); font-weight: 400 }
.bar { display: block; width: 100%; min-width: 6rem; height: 8px; border-radius: 2px }
details { font-size: var(--t-s); margin-top: var(--s2) }
summary { color: var(--accent); cursor: pointer; width: fit-content; padding: var(--s1) 0 }
details .scroll { max-height: 20rem; margin-top: var(--s2) }
.scroll { overflow: auto; border: 1px solid var(--line); border-radius: var(--radius); background: var(--surface) }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
table { width: 100%; border-collapse: collapse; font-size: var(--t-s); font-variant-numeric: tabular-nums }
caption { text-align: left; color: var(--soft); font-size: var(--t-xs); padding: var(--s2) var(--s3) 0 }
th, td { text-align: left; padding: var(--s2) var(--s3); border-bottom: 1px solid var(--line); white-space: nowrap }
thead th { color: var(--soft); font-size: var(--t-xs); font-weight: 550; vertical-align: bottom }
tbody th { font-weight: 400 }
th:first-child { position: sticky; left: 0; background: var(--surface) }
tbody tr:last-child > * { border-bottom: 0 }
.n { text-align: right }
@media print {
  figure, table { break-inside: avoid }
  summary { display: none }
  details::details-content { content-visibility: visible; block-size: auto }
  .scroll, details .scroll { max-height: none; overflow: visible }
}
"""
