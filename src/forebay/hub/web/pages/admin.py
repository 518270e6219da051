"""The way into what is governed, and the agents' releases. Whoever may see something of it finds it here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from forebay import words
from forebay.hub.access.rules import Action
from forebay.hub.api.info import VERSION
from forebay.hub.board.findings import Severity, findings
from forebay.hub.board.governed import open_datasets, policy_count, quota_count, retention_count
from forebay.hub.board.keep import nearly
from forebay.hub.board.site_map import links
from forebay.hub.web import show, site_words
from forebay.hub.web.page import Page
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.sites import SiteRecord

pages = Pages()

ADMIN = ("Admin", "/admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminPage:
    """Only a sentence: the table is the page."""

    says: str


@pages.get("/admin")
def admin(visit: Visit) -> Page:
    """What there is to govern, each with the number that matters."""
    rows = [*(_managed(visit) if visit.may(Action.MANAGE) else ()), *_seen_by_all(visit)]
    columns = (
        Column(key="what", title="What"),
        Column(key="state", title="Now"),
        Column(key="about", title="What it is"),
    )
    table = Table(
        name="admin",
        caption="What is governed here",
        columns=columns,
        rows=tuple(
            Row(
                key=href.rpartition("/")[2],
                cells=(Cell(value=what, href=href), Cell(value=escape(now).striptags(), shown=now), Cell(value=about)),
            )
            for what, href, now, about in rows
        ),
    )
    says = f"Forebay {VERSION} · {visit.sight.user} is {_article(visit.sight.role.value)}"
    return Page(template="admin/plain.html", title="Admin", nav="admin", context=AdminPage(says=says), tables=(table,))


@pages.get("/admin/agents")
def agents(visit: Visit) -> Page:
    """The releases of all agents beside the hub's."""
    records = visit.hub.sites.all()
    releases = Counter(site.release or "unknown" for site in records)
    told = ", ".join(f"{number} of {release}" for release, number in sorted(releases.items()))
    says = f"This hub is of release {VERSION} · {words.count(len(records), 'agent')}{f': {told}' if told else ''}"
    table = Table(
        name="agents",
        caption="Which release runs where",
        columns=(
            Column(key="site", title="Site"),
            Column(key="release", title="Release"),
            Column(key="state", title="Site's state"),
            Column(key="engine", title="Engine"),
            Column(key="labels", title="Labels"),
            Column(key="seen_at", title="Heard of", number=True),
            Column(key="reason", title="Why", given=True),
        ),
        rows=tuple(_agent(visit, site) for site in records),
        empty=Markup("<p>No agent has attached yet. Make it a token, then start it on the site.</p>{}").format(
            show.command("forebay token make --site NAME\nforebay agent --site NAME")
        ),
    )
    return Page(
        template="admin/plain.html",
        title="Agents",
        nav="admin",
        context=AdminPage(says=says),
        tables=(table,),
        parent=ADMIN,
    )


def release_state(release: str) -> Markup:
    """Whether an agent's release is this hub's."""
    if not release:
        return show.state("absent", "unknown")
    if release == VERSION:
        return show.state("ok", release, "as the hub")
    same = release.split(".")[:2] == VERSION.split(".")[:2]
    return show.state("ok" if same else "warning", release, f"the hub is {VERSION}")


def _agent(visit: Visit, site: SiteRecord) -> Row:
    return Row(
        key=site.name,
        cells=(
            Cell(value=site.name, href=f"/sites/{site.name}"),
            Cell(value=site.release, shown=release_state(site.release)),
            Cell(value=site.state.value, shown=site_words.site_state(site)),
            Cell(value=site.engine),
            Cell(value=site.labels),
            site_words.seen(site, visit.now),
            Cell(value=site.reason),
        ),
    )


def _managed(visit: Visit) -> Sequence[tuple[str, str, str | Markup, str]]:
    users, teams, tokens = visit.hub.access.users(), visit.hub.access.teams(), visit.hub.access.tokens()
    admins = sum(user.role.value == "admin" for user in users)
    live = sum(not item.revoked_at and not 0 < item.expires_at <= visit.now for item in tokens)
    with visit.read() as connection:
        found = findings(connection, visit.sight, visit.hub.sites.all(), VERSION, visit.now)
    faults = sum(item.severity is Severity.FAULT for item in found)
    kind = "failed" if faults else "warning" if found else "ok"
    health = show.state(kind, words.count(len(found), "finding") if found else "all is well")
    rows: list[tuple[str, str, str | Markup, str]] = [
        ("Health", "/admin/doctor", health, "What the records and the doctor found, and how to mend it"),
        (
            "Users",
            "/admin/users",
            f"{words.count(len(users), 'user')}, {words.count(admins, 'admin')}",
            "Who is on this hub, with which role",
        ),
        ("Teams", "/admin/teams", words.count(len(teams), "team"), "Whom policies and quotas name"),
        (
            "Tokens",
            "/admin/tokens",
            f"{live} hold, {len(tokens) - live} ended",
            "What programs and agents sign in with",
        ),
    ]
    if visit.may(Action.AUDIT):
        rows.append(
            ("Audit", "/admin/audit", "who did what, and who was refused", "Every act and every refusal; it only grows")
        )
    return rows


def _seen_by_all(visit: Visit) -> Sequence[tuple[str, str, str | Markup, str]]:
    with visit.read() as connection:
        governed = policy_count(connection, visit.sight)
        free = open_datasets(connection, visit.sight)
        kept = retention_count(connection, visit.sight)
        quotas = quota_count(connection, visit.sight)
        ways = visit.keep("links", nearly(visit.now), lambda sight: links(connection, sight, visit.now))
    own = (
        ()
        if visit.may(Action.MANAGE)
        else (("Tokens", "/admin/tokens", "your own", "What your programs sign in with"),)
    )
    return (
        *own,
        (
            "Policies",
            "/admin/policies",
            f"{governed} set, {words.count(free, 'dataset')} open to all",
            "Who reads, writes and runs a dataset, and where it may be",
        ),
        ("Quotas", "/admin/quotas", words.count(quotas, "quota"), "How much of a site's volume a team may hold"),
        (
            "Retention",
            "/admin/retention",
            f"{words.count(kept, 'dataset')} with a rule",
            "Which old versions go by themselves",
        ),
        (
            "Links and prices",
            "/admin/links",
            words.count(len(ways), "link"),
            "How fast, how far and how dear lakes and sites are",
        ),
        ("Agents", "/admin/agents", words.count(len(visit.hub.sites.all()), "agent"), "Which release runs where"),
    )


def _article(role: str) -> str:
    return f"{'an' if role[0] in 'aeiou' else 'a'} {role}"
