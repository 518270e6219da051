"""Teams: some users under one name, which policies and quotas use."""

from __future__ import annotations

from urllib.parse import quote

from markupsafe import Markup

from forebay import words
from forebay.errors import ForebayError, NotFoundError
from forebay.hub.board.people import TeamUse, team_uses
from forebay.hub.web import buttons, show
from forebay.hub.web.forms import Confirm, Field, Form, failed, filled, required
from forebay.hub.web.given import names
from forebay.hub.web.listing import Listing
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.pages.admin import ADMIN
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.access import Team

pages = Pages()

_TEAMS = ("Teams", "/admin/teams")


@pages.get("/admin/teams")
def teams(visit: Visit) -> Page:
    """All of them."""
    return _page(visit)


def _page(visit: Visit, form: Form | None = None) -> Page:
    found = visit.hub.access.teams()
    with visit.read() as connection:
        uses = team_uses(connection, visit.sight)
    members = {name for team in found for name in team.members}
    says = f"{words.count(len(found), 'team')} with {words.count(len(members), 'member')}"
    columns = (
        Column(key="team", title="Team"),
        Column(key="members", title="Members"),
        Column(key="policies", title="In policies", number=True),
        Column(key="datasets", title="Its datasets", number=True),
        Column(key="quotas", title="Quotas", number=True),
    )
    table = Table(
        name="teams",
        caption="Whom policies and quotas name",
        columns=columns,
        rows=tuple(_row(team, uses.get(team.name, TeamUse())) for team in found),
        empty="No team yet. Policies name teams, never users: add one below.",
    )
    context = Listing(says=says, forms=(("Add a team", form or _add_form()),))
    return Page(
        template="admin/list.html",
        title="Teams",
        nav="admin",
        context=context,
        tables=(table,),
        parent=ADMIN,
        status=400 if form else 200,
    )


@pages.post("/admin/teams")
def add(visit: Visit) -> Page | Redirect:
    """A new one, or more members for one that is there."""
    try:
        made = visit.hub.access.join_team(
            required(visit.form, "team", "The team's name"), names(visit.form.get("members", ""))
        )
    except ForebayError as error:
        field = "members" if error.kind == "user-not-found" else "team"
        return _page(visit, failed(filled(_add_form(), visit.form), error, field))
    return Redirect(
        to=f"/admin/teams/{quote(made.name)}", notice=f"{made.name} has {words.count(len(made.members), 'member')}."
    )


@pages.get("/admin/teams/{name}")
def team(visit: Visit) -> Page:
    """One, with its members and what names it."""
    return _one_page(visit)


def _one_page(visit: Visit, form: Form | None = None) -> Page:
    found = _one(visit)
    with visit.read() as connection:
        use = team_uses(connection, visit.sight).get(found.name, TeamUse())
    here = f"/admin/teams/{quote(found.name)}"
    leaving = [buttons.post(f"{here}/leave", "Take out", {"user": name}, about=name) for name in found.members]
    members = Table(
        name="members",
        caption="Members",
        columns=(Column(key="user", title="User"), Column(key="act", title="")),
        rows=tuple(
            Row(key=name, cells=(Cell(value=name, href=f"/admin/users/{quote(name)}"), Cell(value="", shown=leave)))
            for name, leave in zip(found.members, leaving, strict=True)
        ),
        empty="Nobody is in it yet.",
    )
    policies = Table(
        name="policies",
        caption="Policies that name it",
        columns=(Column(key="dataset", title="Dataset"),),
        rows=tuple(Row(key=name, cells=(Cell(value=name, href=f"/admin/policies/{name}"),)) for name in use.policies),
        empty="No policy names it.",
    )
    context = Listing(
        says=f"{words.count(len(found.members), 'member')} · in {words.count(len(use.policies), 'policy')} · "
        f"{words.count(use.datasets, 'dataset')} of its own · {words.count(use.quotas, 'quota')}",
        forms=(("Add members", form or _join_form(found.name)),),
        danger=buttons.link(f"{here}/remove", "Remove the team…", kind="danger"),
    )
    return Page(
        template="admin/list.html",
        title=found.name,
        nav="admin",
        context=context,
        tables=(members, policies),
        parent=_TEAMS,
        status=400 if form else 200,
        at=here,
    )


@pages.post("/admin/teams/{name}/join")
def join(visit: Visit) -> Page | Redirect:
    """More members."""
    name = visit.path["name"]
    try:
        found = visit.hub.access.join_team(name, names(required(visit.form, "members", "Somebody to add")))
    except ForebayError as error:
        return _one_page(visit, failed(filled(_join_form(name), visit.form), error, "members"))
    return Redirect(to=f"/admin/teams/{quote(name)}", notice=f"{name} has {words.count(len(found.members), 'member')}.")


@pages.post("/admin/teams/{name}/leave")
def leave(visit: Visit) -> Redirect:
    """One member less."""
    name, user = visit.path["name"], visit.form.get("user", "")
    visit.hub.access.leave_team(name, [user])
    return Redirect(to=f"/admin/teams/{quote(name)}", notice=f"{user} is not in {name} any more.")


@pages.get("/admin/teams/{name}/remove")
def ask_remove(visit: Visit) -> Page:
    """What goes with a team."""
    found = _one(visit)
    here = f"/admin/teams/{quote(found.name)}"
    with visit.read() as connection:
        use = team_uses(connection, visit.sight).get(found.name, TeamUse())
    facts: list[str | Markup] = [f"{words.count(len(found.members), 'member')} would be in it no more."]
    if use.policies:
        facts.append(f"The policies of {', '.join(use.policies)} name it: take it out there first.")
    facts.append(f"{words.count(use.datasets, 'dataset')} and {words.count(use.quotas, 'quota')} go on naming it.")
    context = Confirm(
        heading=f"Remove the team {found.name}?",
        says="Its members stay users; their own datasets stay theirs.",
        facts=tuple(facts),
        form=Form(action=f"{here}/remove", button=f"Remove {found.name}", danger=True, cancel=here),
    )
    return Page(template="confirm.html", title=f"Remove {found.name}", nav="admin", context=context, parent=_TEAMS)


@pages.post("/admin/teams/{name}/remove")
def remove(visit: Visit) -> Redirect:
    """The end of it."""
    visit.hub.access.remove_team(visit.path["name"])
    return Redirect(to="/admin/teams", notice=f"{visit.path['name']} is no team any more.")


def _row(team: Team, use: TeamUse) -> Row:
    return Row(
        key=team.name,
        cells=(
            Cell(value=team.name, href=f"/admin/teams/{quote(team.name)}"),
            Cell(value=" ".join(team.members), shown=Markup(" ").join(show.tag(name) for name in team.members)),
            Cell(value=len(use.policies)),
            Cell(value=use.datasets),
            Cell(value=use.quotas),
        ),
    )


def _one(visit: Visit) -> Team:
    name = visit.path["name"]
    found = next((item for item in visit.hub.access.teams() if item.name == name), None)
    if found is None:
        raise NotFoundError("team-not-found", f"There is no team {name!r}.", todo="The list of teams has all of them.")
    return found


def _add_form() -> Form:
    return Form(
        action="/admin/teams",
        button="Add the team",
        fields=(
            Field(name="team", label="Name", required=True, placeholder="ads"),
            Field(name="members", label="Members", placeholder="ana ben", hint="Users, with a blank between."),
        ),
    )


def _join_form(name: str) -> Form:
    return Form(
        action=f"/admin/teams/{quote(name)}/join",
        button="Add them",
        fields=(
            Field(
                name="members",
                label="Members",
                placeholder="ana ben",
                required=True,
                hint="Users, with a blank between.",
            ),
        ),
    )
