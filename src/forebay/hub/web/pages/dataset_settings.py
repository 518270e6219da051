"""What is set for a dataset: what it is, who may use it and where, what is kept of it, its team; and forgetting it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from forebay import words
from forebay.errors import ForebayError, InputError
from forebay.hub.access.rules import Action
from forebay.hub.board import dataset as board
from forebay.hub.board.dataset import Head
from forebay.hub.web import dataset_forms, forms, show
from forebay.hub.web.addresses import of_dataset, of_version
from forebay.hub.web.data_shown import Tab, dataset_tabs
from forebay.hub.web.forms import Confirm, Field, Form
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.access import DatasetPolicy
from forebay.wire.retention import RetentionPlan, RetentionPolicy, VersionFate

pages = Pages()

_FATES = 500

Facts = tuple[tuple[str, str | Markup], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsPage:
    """What is set, and forms for who may change it. `opened` is the one that somebody just used."""

    head: Head
    tabs: tuple[Tab, ...]
    policy: Facts
    kept: Facts
    about_form: Form | None
    policy_form: Form | None
    retention_form: Form | None
    idle_form: Form | None
    team_form: Form | None
    forget: str
    opened: str = ""


@pages.get("/datasets/{name}/settings")
def settings(visit: Visit) -> Page:
    """All that is set."""
    return _settings(visit)


@pages.post("/datasets/{name}/settings/policy")
def set_policy(visit: Visit) -> Page | Redirect:
    """Who may read, write and run, and where the bytes may be; what nobody chose is not limited."""
    name = visit.path["name"]
    policy = DatasetPolicy(
        dataset=name,
        read=tuple(visit.form.get("read", "").split()),
        write=tuple(visit.form.get("write", "").split()),
        run=tuple(visit.form.get("run", "").split()),
        sites=visit.fields("sites"),
    )
    try:
        visit.hub.access.set_policy(policy)
    except ForebayError as error:
        return _settings(visit, "policy", error)
    return _done(visit, f"Who may use {name}, and where it may be, is set.")


@pages.post("/datasets/{name}/settings/about")
def describe(visit: Visit) -> Page | Redirect:
    """What it is, in words that the search finds."""
    name = visit.path["name"]
    try:
        visit.hub.catalog.describe(name, visit.form.get("description", ""))
    except InputError as error:
        return _settings(visit, "about", error, "description")
    return _done(visit, f"What {name} is, is said.")


@pages.post("/datasets/{name}/settings/team")
def set_team(visit: Visit) -> Page | Redirect:
    """Whose quota its replicas count against."""
    name, team = visit.path["name"], visit.form.get("team", "").strip()
    try:
        visit.hub.catalog.set_team(name, team)
    except InputError as error:
        return _settings(visit, "team", error, "team")
    return _done(visit, f"{name} counts for {team or 'no team'} now.")


@pages.post("/datasets/{name}/settings/idle")
def set_idle(visit: Visit) -> Page | Redirect:
    """How long replicas may be idle: as the site has it, for ever, or for some days."""
    name = visit.path["name"]
    try:
        visit.hub.catalog.set_stale_after(name, _idle_seconds(visit))
    except InputError as error:
        return _settings(visit, "idle", error, "idle_days")
    return _done(visit, "How long replicas may be idle is set.")


@pages.get("/datasets/{name}/settings/retention")
def plan_retention(visit: Visit) -> Page:
    """What a policy would mean now, before it is set: `?keep_last=&keep_days=`."""
    name = visit.path["name"]
    try:
        wanted = _retention(visit)
        plan = visit.hub.retention.plan(name, wanted)
    except InputError as error:
        return _settings(visit, "retention", error, "keep_days" if "day" in error.message else "keep_last")
    held = {
        "keep_last": visit.query.get("keep_last", "").strip(),
        "keep_days": visit.query.get("keep_days", "").strip(),
    }
    going = plan.retiring
    form = Form(
        action=of_dataset(name, "settings", "retention"),
        button=f"Set it and retire {words.count(len(going), 'version')}" if going else "Set it",
        fields=tuple(Field(name=key, label=key, kind="hidden", value=value) for key, value in held.items()),
        danger=bool(going),
        cancel=of_dataset(name, "settings"),
    )
    confirm = Confirm(
        heading=f"Keep {_kept_told(wanted)} of {name}?",
        says=f"{show.count(len(going), 'version')} would be retired now; the lake keeps their files, and they can be"
        " restored."
        if going
        else "No version would be retired now.",
        form=form,
        facts=(
            Markup("Their replicas hold {} on volumes; what they share stays.").format(show.size(plan.replica_bytes)),
        )
        if plan.replica_bytes
        else (),
    )
    return Page(
        template="confirm.html",
        title=f"What is kept of {name}",
        nav="datasets",
        context=confirm,
        tables=(_fates(name, plan, visit.now, visit.limit(_FATES)),),
        parent=(name, of_dataset(name, "settings")),
    )


@pages.post("/datasets/{name}/settings/retention")
def set_retention(visit: Visit) -> Redirect:
    """Set it, and retire now what it does not keep: that is what was shown and confirmed."""
    name = visit.path["name"]
    visit.hub.retention.set_policy(_retention(visit), visit.sight.user)
    done = visit.hub.retention.apply(name, visit.sight.user)
    told = f"; {words.count(len(done.retiring), 'version')} retired" if done.retiring else ""
    return _done(visit, f"Kept is {_kept_told(done.policy)}{told}.")


@pages.get("/datasets/{name}/forget")
def ask_to_forget(visit: Visit) -> Page:
    """Before a dataset goes."""
    name = visit.path["name"]
    with visit.read() as connection:
        head = board.head(connection, visit.sight, name)
    confirm = Confirm(
        heading=f"Forget {name}?",
        says="All its versions, tags and its lineage are forgotten. This can't be undone.",
        form=dataset_forms.forget_form(name),
        facts=(
            Markup("{} with {} in the lake stay as they are.").format(
                show.count(head.dataset.versions + head.retired, "version"), show.size(head.all_bytes)
            ),
            "It is refused while a replica, or a version that was made from one of its own, holds it.",
        ),
    )
    return _confirm_page(name, confirm)


@pages.post("/datasets/{name}/forget")
def forget(visit: Visit) -> Page | Redirect:
    """Forget it, once its name was written."""
    name = visit.path["name"]
    if visit.form.get("confirm", "").strip() != name:
        error = InputError("not-confirmed", f"Write {name}, so that it is not another one.")
        form = forms.failed(forms.filled(dataset_forms.forget_form(name), visit.form), error, "confirm")
        confirm = Confirm(heading=f"Forget {name}?", says="It was not forgotten.", form=form)
        return replace(_confirm_page(name, confirm), status=422)
    visit.hub.catalog.remove_dataset(name)
    return Redirect(to="/datasets", notice=f"{name} is forgotten.")


def _settings(visit: Visit, opened: str = "", error: ForebayError | None = None, field: str = "") -> Page:
    name = visit.path["name"]
    with visit.read() as connection:
        head = board.head(connection, visit.sight, name)
    policy = visit.hub.access.policy(name)
    retention = visit.hub.retention.policy(name)
    may_govern, may_remove = visit.may_on(Action.GOVERN, name), visit.may_on(Action.REMOVE, name)
    found = {
        "about": dataset_forms.about_form(head) if may_govern else None,
        "policy": dataset_forms.policy_form(visit, policy) if may_govern else None,
        "team": dataset_forms.team_form(visit, head) if may_govern else None,
        "idle": dataset_forms.idle_form(head) if may_govern else None,
        "retention": dataset_forms.retention_form(name, retention) if may_remove else None,
    }
    form = found.get(opened)
    if form is not None and error is not None:
        given = visit.form or visit.query
        found[opened] = forms.failed(forms.filled(form, given), error, field)
    elif error is not None:
        raise error
    context = SettingsPage(
        head=head,
        tabs=dataset_tabs(name, "settings"),
        policy=_policy_facts(policy, visit.now),
        kept=_kept_facts(head, retention, visit.now),
        about_form=found["about"],
        policy_form=found["policy"],
        retention_form=found["retention"],
        idle_form=found["idle"],
        team_form=found["team"],
        forget=of_dataset(name, "forget") if may_remove else "",
        opened=opened,
    )
    return Page(
        template="datasets/settings.html",
        title=f"Settings of {name}",
        nav="datasets",
        context=context,
        parent=("Datasets", "/datasets"),
        status=200 if error is None else 422,
    )


def _done(visit: Visit, notice: str) -> Redirect:
    return Redirect(to=of_dataset(visit.path["name"], "settings"), notice=notice)


def _policy_facts(policy: DatasetPolicy, now: float) -> Facts:
    everybody = "everybody, as their role allows"
    readers = "who may read it" if policy.read else everybody
    facts: list[tuple[str, str | Markup]] = [
        ("Read", ", ".join(policy.read) or everybody),
        ("Write", ", ".join(policy.write) or readers),
        ("Run", ", ".join(policy.run) or readers),
        ("Sites", ", ".join(policy.sites) or "any"),
    ]
    if policy.set_at:
        facts.append(("Set", Markup("{} by {}").format(show.when(policy.set_at, now), policy.set_by)))
    return tuple(facts)


def _kept_facts(head: Head, retention: RetentionPolicy, now: float) -> Facts:
    idle = head.dataset.stale_after_s
    told = "as each site has it" if idle is None else words.duration(idle) if idle else "for ever"
    facts: list[tuple[str, str | Markup]] = [
        ("Versions", _kept_told(retention)),
        ("Idle replicas", f"stay {told}" if idle is not None else told),
    ]
    if retention.set_at:
        facts.append(("Set", Markup("{} by {}").format(show.when(retention.set_at, now), retention.set_by)))
    return tuple(facts)


def _kept_told(policy: RetentionPolicy) -> str:
    if policy.keeps_all:
        return "all versions"
    parts = [f"the newest {policy.keep_last}"] if policy.keep_last is not None else []
    parts += [f"what was made or used in {policy.keep_days:g} days"] if policy.keep_days is not None else []
    return " and ".join(parts)


def _idle_seconds(visit: Visit) -> float | None:
    match visit.form.get("idle"):
        case "site":
            return None
        case "ever":
            return 0.0
    days = forms.number(visit.form, "idle_days", "Days")
    if days < 1:
        raise InputError("bad-number", "Write for how many days, at least 1.")
    return days * dataset_forms.DAY_S


def _retention(visit: Visit) -> RetentionPolicy:
    given = visit.form or visit.query
    last, days = given.get("keep_last", "").strip(), given.get("keep_days", "").strip()
    return RetentionPolicy(
        dataset=visit.path["name"],
        keep_last=forms.number(given, "keep_last", "Keep the newest") if last else None,
        keep_days=float(forms.number(given, "keep_days", "Keep for days")) if days else None,
    )


def _fates(name: str, plan: RetentionPlan, now: float, limit: int) -> Table:
    """Those that go first."""
    fates: Sequence[VersionFate] = sorted(plan.fates, key=lambda fate: (not fate.retires, -fate.number))
    return Table(
        name="fates",
        caption="What becomes of each version",
        columns=(
            Column(key="version", title="Version"),
            Column(key="fate", title="Fate"),
            Column(key="why", title="Why"),
            Column(key="size_bytes", title="Size", number=True),
            Column(key="made", title="Made"),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(value=fate.ref, shown=f"v{fate.number}", href=of_version(name, fate.number)),
                    Cell(
                        value="retired" if fate.retires else "kept",
                        shown=show.state("retired", "retired") if fate.retires else show.state("ready", "kept"),
                    ),
                    Cell(value=fate.reason),
                    Cell(value=fate.size_bytes, shown=show.size(fate.size_bytes)),
                    Cell(value=fate.created_at, shown=show.when(fate.created_at, now)),
                )
            )
            for fate in fates[:limit]
        ),
        empty="It has no version.",
    )


def _confirm_page(name: str, confirm: Confirm) -> Page:
    return Page(
        template="confirm.html",
        title=f"Forget {name}",
        nav="datasets",
        context=confirm,
        parent=(name, of_dataset(name, "settings")),
    )
