"""The forms of a dataset's settings: what is set stands in their fields. Values in, forms out."""

from __future__ import annotations

from forebay.catalog.names import MOST_TEXT
from forebay.hub.board.dataset import Head
from forebay.hub.web.addresses import of_dataset
from forebay.hub.web.data_shown import teams_known
from forebay.hub.web.forms import Field, Form
from forebay.hub.web.visit import Visit
from forebay.wire.access import DatasetPolicy
from forebay.wire.retention import RetentionPolicy

DAY_S = 86_400.0
_RIGHTS = (
    ("read", "Read"),
    ("write", "Add versions, move tags"),
    ("run", "Run on it"),
)


def policy_form(visit: Visit, policy: DatasetPolicy) -> Form:
    """Who may do what with it, and where its bytes may be."""
    known = " ".join(teams_known(visit))
    sites = sorted({site.name for site in visit.hub.sites.all()} | set(policy.sites))
    fields = [
        Field(
            name=right,
            label=f"{label}: teams",
            value=" ".join(getattr(policy, right)),
            placeholder="everybody",
            hint=f"With a blank between, as {known}." if known else "With a blank between.",
        )
        for right, label in _RIGHTS
    ]
    fields.append(
        Field(
            name="sites",
            label="Its bytes may only ever be at",
            kind="checkboxes",
            value=" ".join(policy.sites),
            options=tuple((site, site) for site in sites),
            hint="None chosen: anywhere. Its owner and the admins always may do all of this.",
        )
    )
    return Form(action=of_dataset(policy.dataset, "settings", "policy"), button="Set it", fields=tuple(fields))


def about_form(head: Head) -> Form:
    """What it is."""
    field = Field(
        name="description",
        label="What it is",
        kind="textarea",
        value=head.dataset.description,
        hint=f"The search finds it by these words; at most {MOST_TEXT:,} letters.",
    )
    return Form(action=of_dataset(head.dataset.name, "settings", "about"), button="Say it", fields=(field,))


def team_form(visit: Visit, head: Head) -> Form:
    """Whose quotas it counts against."""
    known = {*teams_known(visit), head.dataset.team} - {""}
    options = (("", "no team"), *((team, team) for team in sorted(known)))
    field = Field(
        name="team",
        label="Counts against the quotas of",
        kind="select",
        value=head.dataset.team,
        options=options,
    )
    return Form(action=of_dataset(head.dataset.name, "settings", "team"), button="Set it", fields=(field,), quiet=True)


def idle_form(head: Head) -> Form:
    """How long replicas may be idle."""
    idle = head.dataset.stale_after_s
    chosen = "site" if idle is None else "days" if idle else "ever"
    options = (("site", "as each site has it"), ("days", "some days"), ("ever", "for ever"))
    return Form(
        action=of_dataset(head.dataset.name, "settings", "idle"),
        button="Set it",
        fields=(
            Field(name="idle", label="Idle replicas stay", kind="select", value=chosen, options=options),
            Field(
                name="idle_days",
                label="Days",
                kind="number",
                value=f"{idle / DAY_S:g}" if idle else "",
                hint="Only where some days are chosen.",
            ),
        ),
    )


def retention_form(name: str, policy: RetentionPolicy) -> Form:
    """A question first: it shows what would go."""
    return Form(
        action=of_dataset(name, "settings", "retention"),
        method="get",
        button="Show what would go",
        fields=(
            Field(
                name="keep_last",
                label="Keep the newest",
                kind="number",
                value="" if policy.keep_last is None else str(policy.keep_last),
            ),
            Field(
                name="keep_days",
                label="Keep what was made or used in the last days",
                kind="number",
                value="" if policy.keep_days is None else f"{policy.keep_days:g}",
                hint="Both empty: all versions are kept. What is tagged, pinned, in use or behind a tagged version"
                " always stays.",
            ),
        ),
    )


def forget_form(name: str) -> Form:
    """Its name is to be written, so that it is not another one."""
    return Form(
        action=of_dataset(name, "forget"),
        button="Forget it",
        fields=(Field(name="confirm", label=f"Write {name}", required=True),),
        danger=True,
        cancel=of_dataset(name, "settings"),
    )
