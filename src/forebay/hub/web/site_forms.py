"""The forms on a site's page. Pure."""

from __future__ import annotations

from forebay.hub.web.forms import Field, Form
from forebay.wire.sites import SiteState


def drain_form(name: str) -> Form:
    """Nothing new there, and why."""
    return Form(
        action=f"/sites/{name}/state",
        button="Drain it",
        fields=(
            Field(name="state", label="", kind="hidden", value=SiteState.DRAINING.value),
            Field(
                name="reason",
                label="Why",
                placeholder="new disks",
                hint="Nothing new begins there, what runs ends in peace, nothing in use is evicted.",
            ),
        ),
    )


def plan_form(name: str) -> Form:
    """A window in which it drains."""
    return Form(
        action=f"/sites/{name}/downtimes",
        button="Plan the downtime",
        fields=(
            Field(name="begins", label="From", placeholder="now", hint="2026-12-01 22:00 in UTC, or 8h from now."),
            Field(name="ends", label="Until", placeholder="2h", required=True, hint="The same."),
            Field(name="why", label="Why", placeholder="new disks"),
        ),
    )
