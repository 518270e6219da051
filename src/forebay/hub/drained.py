"""What a site that drains, or is down since somebody wants that, still grants: what its runs under way need to end.

Works inside the caller's transaction.
"""

from __future__ import annotations

from sqlalchemy import Connection

from forebay.errors import UnavailableError
from forebay.hub import run_rows, site_rows
from forebay.sites import downtime
from forebay.wire.catalog import Version
from forebay.wire.sites import SiteState


def require_undrained(connection: Connection, volume_id: str, version: Version, what: str, now: float) -> None:
    """UnavailableError `site-draining` for something new on a site's volume (`what`: "lease", "fill")."""
    row = site_rows.of_volume(connection, volume_id)
    if row is None:
        return
    window = downtime.under_way(row["windows"], now)
    wanted = SiteState(row["wanted"])
    if (window is None and wanted is SiteState.UP) or _is_needed(connection, row["name"], version):
        return
    # Without the reason that somebody gave: it may name what is hidden from whoever asks.
    told = f"down until {downtime.moment(window.ends_at)}" if window is not None else wanted.value
    raise UnavailableError(
        "site-draining",
        f"The site {row['name']} is {told}; it grants no new {what}.",
        todo=f"Use another site, or wait until it is up again. Why: forebay sites show {row['name']}",
    )


def _is_needed(connection: Connection, site: str, version: Version) -> bool:
    """Whether a run that is under way there reads it, or makes it."""
    for kept in run_rows.load(connection, run_rows.active(), run_rows.under_way_at(site)):
        new = kept.course.run.new
        if version.ref in {use.ref for use in new.data} or version.dataset in {item.dataset for item in new.outputs}:
            return True
    return False
