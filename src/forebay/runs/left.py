"""Where a run leaves what is to be looked at, and the names by which its page knows some of it. Pure."""

from __future__ import annotations

from typing import Final

REPORTS: Final = "FOREBAY_REPORTS"
"""The variable that names the folder; its files are kept with the run."""

REPORT_HTML: Final = "report.html"
"""Shown inside the run's page: one file that needs nothing else."""

TASK_STREAM_HTML: Final = "task-stream.html"
"""Dask's own report of the work."""

DASK_JSON: Final = "dask.json"
"""`{"dashboard": URL}`, while there is a Dask cluster."""
