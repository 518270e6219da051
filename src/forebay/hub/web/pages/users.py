"""Users: who is on the hub, with which role; added, changed, removed by an admin."""

from __future__ import annotations

from urllib.parse import quote

from markupsafe import Markup

from forebay import words
from forebay.catalog.names import check_team_name
from forebay.errors import ForebayError, InputError, NotFoundError
from forebay.hub.board.people import SignIns, sign_ins
from forebay.hub.web import buttons, show
from forebay.hub.web.forms import Confirm, Field, Form, failed, filled
from forebay.hub.web.given import names
from forebay.hub.web.listing import Listing
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.pages.admin import ADMIN
from forebay.hub.web.pages.tokens import tokens_table
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.access import Role, User

pages = Pages()

_USERS = ("Users", "/admin/users")
ROLES = tuple((role.value, role.value) for role in Role)
_ABOUT = "A viewer looks, a scientist warms and runs, an engineer evicts and tends sites, an admin governs."


@pages.get("/admin/users")
def users(visit: Visit) -> Page:
    """All of them."""
    return _page(visit)


def _page(visit: Visit, form: Form | None = None) -> Page:
    found = visit.hub.access.users()
    with visit.read() as connection:
        known = sign_ins(connection, visit.sight, visit.now)
    roles = [words.count(sum(user.role is role for user in found), role.value) for role in reversed(Role)]
    says = f"{words.count(len(found), 'user')}: {', '.join(item for item in roles if not item.startswith('0 '))}"
    columns = (
        Column(key="user", title="User"),
        Column(key="role", title="Role"),
        Column(key="teams", title="Teams"),
        Column(key="tokens", title="Tokens", number=True),
        Column(key="last_used_at", title="Last seen", number=True),
        Column(key="created_at", title="Since", number=True),
    )
    rows = tuple(_row(user, known.get(user.name, SignIns()), visit.now) for user in found)
    table = Table(name="users", caption="Who is on this hub, and how they sign in", columns=columns, rows=rows)
    context = Listing(says=says, forms=(("Add a user", form or _add_form()),))
    return Page(
        template="admin/list.html",
        title="Users",
        nav="admin",
        context=context,
        tables=(table,),
        parent=ADMIN,
        status=400 if form else 200,
    )


@pages.post("/admin/users")
def add(visit: Visit) -> Page | Redirect:
    """A new one, into teams if some are named."""
    name, role, teams = (
        visit.form.get("name", "").strip(),
        visit.form.get("role", ""),
        names(visit.form.get("teams", "")),
    )
    try:
        for team in teams:
            check_team_name(team)  # before there is a user who is in none of them
        user = visit.hub.access.add_user(name, _role(role))
        for team in teams:
            visit.hub.access.join_team(team, [user.name])
    except ForebayError as error:
        return _page(visit, failed(filled(_add_form(), visit.form), error, _field(error)))
    return Redirect(
        to=f"/admin/users/{quote(user.name)}", notice=f"{user.name} is on the hub. What they sign in with is a token."
    )


@pages.get("/admin/users/{name}")
def user(visit: Visit) -> Page:
    """One, with teams and tokens."""
    found = _one(visit)
    tokens = visit.hub.access.tokens(found.name)
    here = f"/admin/users/{quote(found.name)}"
    role = Form(
        action=f"{here}/role",
        button="Change the role",
        fields=(Field(name="role", label="Role", kind="select", value=found.role.value, options=ROLES, hint=_ABOUT),),
    )
    teams = Form(
        action=f"{here}/teams",
        button="Set the teams",
        fields=(
            Field(
                name="teams",
                label="Teams",
                value=" ".join(found.teams),
                hint="With a blank between; a new name makes a team.",
            ),
        ),
    )
    told = f"in {', '.join(found.teams)}" if found.teams else "in no team"
    context = Listing(
        says=f"{found.role} · {told} · here since {words.ago(found.created_at, visit.now)}",
        forms=(("Role", role), ("Teams", teams)),
        danger=buttons.side_by_side(
            buttons.link(f"/admin/tokens?user={quote(found.name)}#do", "Make a token", kind=""),
            buttons.link(f"/admin/audit?user={quote(found.name)}", "What they did", kind=""),
            buttons.link(f"{here}/remove", "Remove…", about=found.name, kind="danger"),
        ),
    )
    return Page(
        template="admin/list.html",
        title=found.name,
        nav="admin",
        context=context,
        tables=(tokens_table(visit, tokens, whose=False),),
        parent=_USERS,
    )


@pages.post("/admin/users/{name}/role")
def set_role(visit: Visit) -> Redirect:
    """Another role."""
    changed = visit.hub.access.set_role(visit.path["name"], _role(visit.form.get("role", "")))
    return Redirect(to=f"/admin/users/{quote(changed.name)}", notice=f"{changed.name} is {changed.role} now.")


@pages.post("/admin/users/{name}/teams")
def set_teams(visit: Visit) -> Redirect:
    """Join those that are new, leave those that are not named any more."""
    found, wanted = _one(visit), names(visit.form.get("teams", ""))
    for team in wanted:
        if team not in found.teams:
            visit.hub.access.join_team(team, [found.name])
    for team in found.teams:
        if team not in wanted:
            visit.hub.access.leave_team(team, [found.name])
    told = f"in {', '.join(wanted)}" if wanted else "in no team"
    return Redirect(to=f"/admin/users/{quote(found.name)}", notice=f"{found.name} is {told} now.")


@pages.get("/admin/users/{name}/remove")
def ask_remove(visit: Visit) -> Page:
    """What ends with a user."""
    found = _one(visit)
    here = f"/admin/users/{quote(found.name)}"
    with visit.read() as connection:
        known = sign_ins(connection, visit.sight, visit.now).get(found.name, SignIns())
    context = Confirm(
        heading=f"Remove {found.name}?",
        says=f"{words.count(known.tokens, 'token')} of theirs would end at once.",
        facts=(
            "They leave their teams, and runs of theirs that wait can't begin any more.",
            "What they made stays, and the audit keeps their name, which means nobody else later.",
        ),
        form=Form(action=f"{here}/remove", button=f"Remove {found.name}", danger=True, cancel=here),
    )
    return Page(template="confirm.html", title=f"Remove {found.name}", nav="admin", context=context, parent=_USERS)


@pages.post("/admin/users/{name}/remove")
def remove(visit: Visit) -> Redirect:
    """The end of it."""
    visit.hub.access.remove_user(visit.path["name"])
    return Redirect(to="/admin/users", notice=f"{visit.path['name']} is no user any more.")


def _row(user: User, known: SignIns, now: float) -> Row:
    return Row(
        key=user.name,
        cells=(
            Cell(value=user.name, href=f"/admin/users/{quote(user.name)}"),
            Cell(value=user.role.value),
            Cell(value=" ".join(user.teams), shown=Markup(" ").join(show.tag(team) for team in user.teams)),
            Cell(value=known.tokens),
            Cell(
                value=known.last_used_at or None,
                shown=show.when(known.last_used_at, now) if known.last_used_at else "never",
            ),
            Cell(value=user.created_at, shown=show.when(user.created_at, now)),
        ),
    )


def _one(visit: Visit) -> User:
    """NotFoundError `user-not-found`."""
    name = visit.path["name"]
    found = next((item for item in visit.hub.access.users() if item.name == name), None)
    if found is None:
        raise NotFoundError("user-not-found", f"There is no user {name!r}.", todo="The list of users has all of them.")
    return found


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise InputError("bad-role", f"{text[:40]!r} is no role.", todo=f"Choose {', '.join(Role)}.") from None


def _field(error: ForebayError) -> str:
    return {
        "bad-user": "name",
        "user-exists": "name",
        "bad-role": "role",
        "bad-team": "teams",
        "bad-name": "teams",
    }.get(error.kind, "")


def _add_form() -> Form:
    return Form(
        action="/admin/users",
        button="Add the user",
        fields=(
            Field(name="name", label="Name", required=True, placeholder="ana"),
            Field(name="role", label="Role", kind="select", value=Role.SCIENTIST.value, options=ROLES, hint=_ABOUT),
            Field(name="teams", label="Teams", placeholder="ads", hint="May stay empty; a new name makes a team."),
        ),
    )
