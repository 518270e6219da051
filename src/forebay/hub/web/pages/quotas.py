"""Quotas: how much of a site's volume the replicas of a team may hold."""

from __future__ import annotations

from urllib.parse import quote

from forebay import words
from forebay.errors import ForebayError, InputError
from forebay.hub.access.rules import Action
from forebay.hub.board.governed import TeamHold, team_holds
from forebay.hub.web import buttons, given, show
from forebay.hub.web.forms import Confirm, Field, Form, failed, filled, required
from forebay.hub.web.listing import Listing
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.pages.admin import ADMIN
from forebay.hub.web.parted import parted
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit

pages = Pages()

_QUOTAS = ("Quotas", "/admin/quotas")


@pages.get("/admin/quotas")
def quotas(visit: Visit) -> Page:
    """What teams hold, and what they may."""
    return _page(visit)


def _page(visit: Visit, form: Form | None = None) -> Page:
    with visit.read() as connection:
        found = visit.keep("team-holds", (), lambda sight: team_holds(connection, sight))
    may = visit.may(Action.GOVERN)
    limited = [item for item in found if item.limit_bytes is not None]
    over = sum(item.held_bytes > (item.limit_bytes or 0) for item in limited)
    says = f"{words.count(len(limited), 'quota')}, {over} exceeded · what versions share counts more than once here"
    columns = (
        Column(key="site", title="Site"),
        Column(key="team", title="Team"),
        Column(key="held_bytes", title="Holds", number=True),
        Column(key="limit_bytes", title="Quota", number=True),
        Column(key="share", title="Of it"),
        Column(key="versions", title="Versions", number=True),
        *((Column(key="act", title=""),) if may else ()),
    )
    shown, more = parted(visit, "quotas", found)
    table = Table(
        name="quotas",
        caption="What teams hold of the sites' volumes",
        columns=columns,
        rows=tuple(_row(item, may=may) for item in shown),
        more=more,
        empty="No team holds anything yet: a dataset counts against a team once one is set for it.",
    )
    forms = (("Set a quota", form or _set_form(visit)),) if may and visit.hub.sites.all() else ()
    return Page(
        template="admin/list.html",
        title="Quotas",
        nav="admin",
        context=Listing(says=says, forms=forms),
        tables=(table,),
        parent=ADMIN,
        status=400 if form else 200,
    )


@pages.post("/admin/quotas")
def set_quota(visit: Visit) -> Page | Redirect:
    """Set one; where a team holds more, ask before."""
    try:
        volume_id = required(visit.form, "volume", "A site")
        team = required(visit.form, "team", "A team")
        limit = given.whole_size(required(visit.form, "limit", "A size"))
        assert limit is not None
    except InputError as error:
        return _page(visit, failed(filled(_set_form(visit), visit.form), error, "limit"))
    with visit.read() as connection:
        here = [
            item for item in team_holds(connection, visit.sight) if (item.volume_id, item.team) == (volume_id, team)
        ]
    held = here[0].held_bytes if here else 0
    if held > limit and not visit.form.get("sure"):
        return _ask(visit, here[0], limit)
    try:
        visit.hub.volumes.set_quota(volume_id, team, limit)
    except ForebayError as error:
        if error.kind == "not-allowed":
            raise
        return _page(visit, failed(filled(_set_form(visit), visit.form), error, "team"))
    return Redirect(to="/admin/quotas", notice=f"{team} may hold {words.size(limit)} there.")


@pages.post("/admin/quotas/remove")
def remove(visit: Visit) -> Redirect:
    """Take one away: the team may hold what the volume holds."""
    team = visit.form.get("team", "")
    visit.hub.volumes.remove_quota(visit.form.get("volume", ""), team)
    return Redirect(to="/admin/quotas", notice=f"{team} has no quota there any more.")


def _ask(visit: Visit, item: TeamHold, limit: int) -> Page:
    place = item.site or item.volume_id
    over = item.held_bytes - limit
    given_fields = {"volume": item.volume_id, "team": item.team, "limit": str(limit), "sure": "yes"}
    context = Confirm(
        heading=f"Let {item.team} hold {words.size(limit)} at {place}?",
        says=f"It holds {words.size(item.held_bytes)} there: up to {words.size(over)} would go.",
        facts=(
            "With the next sweep its own least valuable replicas go, until it holds no more than that.",
            "What is pinned, in use or kept by a rule stays, and nobody else loses anything for it.",
            "They can be brought again from their lake.",
        ),
        form=Form(
            action="/admin/quotas",
            button="Set the quota",
            danger=True,
            cancel="/admin/quotas",
            fields=tuple(
                Field(name=name, label="", kind="hidden", value=value) for name, value in given_fields.items()
            ),
        ),
    )
    return Page(template="confirm.html", title="Set a quota", nav="admin", context=context, parent=_QUOTAS)


def _row(item: TeamHold, *, may: bool) -> Row:
    share = item.held_bytes / item.limit_bytes if item.limit_bytes else None
    bar = show.bar(share, "damaged" if share > 1 else "ready", show.percent(share)) if share is not None else ""
    away = buttons.post(
        "/admin/quotas/remove",
        "Take away",
        {"volume": item.volume_id, "team": item.team},
        about=f"the quota of {item.team}",
    )
    return Row(
        key=f"{item.volume_id}-{item.team}",
        cells=(
            Cell(value=item.site or item.volume_id, href=f"/sites/{quote(item.site)}" if item.site else ""),
            Cell(value=item.team),
            Cell(value=item.held_bytes, shown=show.size(item.held_bytes)),
            Cell(value=item.limit_bytes, shown="none" if item.limit_bytes is None else show.size(item.limit_bytes)),
            Cell(
                value=None if share is None else round(share, 4),
                shown=bar,
                title="" if share is None else show.percent(share),
            ),
            Cell(value=item.versions),
            *((Cell(value="", shown=away if item.limit_bytes is not None else ""),) if may else ()),
        ),
    )


def _set_form(visit: Visit) -> Form:
    volumes = tuple((site.volume_id, site.name) for site in visit.hub.sites.all())
    return Form(
        action="/admin/quotas",
        button="Set the quota",
        fields=(
            Field(name="volume", label="Site", kind="select", options=volumes, value=volumes[0][0] if volumes else ""),
            Field(name="team", label="Team", required=True, placeholder="ads"),
            Field(name="limit", label="At most", required=True, placeholder="500GB"),
        ),
    )
