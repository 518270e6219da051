"""What a run left, as its pages need it: found by name in the newest attempt that has it, and never trusted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from forebay.errors import NotFoundError
from forebay.hub.web.page import UNTRUSTED
from forebay.hub.web.visit import Visit
from forebay.runs.figures import METRICS_JSON, NONE, Figures, read_figures
from forebay.runs.left import DASK_JSON, REPORT_HTML, TASK_STREAM_HTML
from forebay.wire.runs import Keepsake, Run

DRAWN_BY_SCRIPTS: Final = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)
"""Of what draws itself by scripts that it has inside: an origin of its own, that reaches nobody."""

_TEXTS: Final = (".json", ".txt", ".csv", ".md", ".log", ".yaml", ".yml", ".tsv")
_IMAGES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """All that a run's attempts left, the newest attempt's first."""

    run_id: str
    files: tuple[Keepsake, ...] = ()

    def named(self, name: str) -> Keepsake | None:
        """The newest attempt's."""
        return next((item for item in self.files if item.name == name), None)

    @property
    def report(self) -> Keepsake | None:
        """What is shown as the report of the run."""
        return self.named(REPORT_HTML) or next((item for item in self.files if is_page(item.name)), None)

    @property
    def task_stream(self) -> Keepsake | None:
        """Dask's."""
        return self.named(TASK_STREAM_HTML)


def left_by(visit: Visit, run: Run) -> Left:
    """Of a run whose log this one may read."""
    return Left(run_id=run.run_id, files=visit.hub.runs.keepsakes(run.run_id))


def figures_of(visit: Visit, left: Left) -> Figures:
    """What its metrics.json tells; nothing where there is none."""
    found = left.named(METRICS_JSON)
    data = None if found is None else _bytes_of(visit, left, found)
    return NONE if data is None else read_figures(data)


def dashboard_of(visit: Visit, left: Left, attempt: int) -> str:
    """Where the Dask cluster of that attempt can be watched; "" where nobody said."""
    found = left.named(DASK_JSON)
    data = None if found is None or found.attempt != attempt else _bytes_of(visit, left, found)
    try:
        told = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return ""
    url = told.get("dashboard", "") if isinstance(told, dict) else ""
    return url if isinstance(url, str) and url.startswith(("http://", "https://")) else ""


def is_page(name: str) -> bool:
    """Whether it can be shown in a frame."""
    return name.lower().endswith((".html", ".htm")) and name != TASK_STREAM_HTML


def href_of(run_id: str, item: Keepsake) -> str:
    """Where its bytes are."""
    return f"/runs/{run_id}/left/{item.attempt}/{quote(item.name)}"


def kind_of(name: str) -> tuple[str, str]:
    """How its bytes are sent: media type and policy; what no browser should show is "application/octet-stream"."""
    lower = name.lower()
    if name == TASK_STREAM_HTML:
        return "text/html; charset=utf-8", DRAWN_BY_SCRIPTS
    if is_page(name):
        return "text/html; charset=utf-8", UNTRUSTED
    if lower.endswith(_TEXTS):
        return "text/plain; charset=utf-8", UNTRUSTED
    image = next((kind for ending, kind in _IMAGES.items() if lower.endswith(ending)), "")
    return image or "application/octet-stream", UNTRUSTED


def _bytes_of(visit: Visit, left: Left, item: Keepsake) -> bytes | None:
    """None where it was replaced or has gone between two looks."""
    try:
        return visit.hub.runs.keepsake(left.run_id, item.attempt, item.name)
    except NotFoundError:
        return None
