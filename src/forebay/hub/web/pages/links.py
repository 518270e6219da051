"""Links and prices: what was measured and declared of the ways between lakes and sites, and what compute costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from markupsafe import Markup

from forebay import words
from forebay.errors import InputError
from forebay.hub.access.rules import Action, Place
from forebay.hub.board.keep import nearly
from forebay.hub.board.site_map import links
from forebay.hub.web import buttons, given, show, site_words
from forebay.hub.web.forms import Confirm, Field, Form, failed, filled, number, required
from forebay.hub.web.listing import Listing
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.pages.admin import ADMIN
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.links import LinkRecord
from forebay.wire.sites import SiteRecord

pages = Pages()

_LINKS = ("Links and prices", "/admin/links")
_SHOWN = 100


@pages.get("/admin/links")
def all_links(visit: Visit) -> Page:
    """Every link that the visitor may know of, and the sites' prices."""
    return _page(visit)


def _page(visit: Visit, *, declare: Form | None = None, price: Form | None = None) -> Page:
    with visit.read() as connection:
        found = visit.keep("links", nearly(visit.now), lambda sight: links(connection, sight, visit.now))
    sites, may = visit.hub.sites.all(), visit.may(Action.GOVERN)
    measured = sum(bool(item.transfers) for item in found)
    moved = sum(item.moved_bytes for item in found)
    says = f"{words.count(len(found), 'link')}, {measured} of them measured · {words.size(moved)} moved over them"
    forms: list[tuple[str, Form]] = []
    if may:
        forms.append(("Declare a link", declare or _declare_form(visit)))
    tended = [site for site in sites if visit.may(Action.TEND, Place(site=site.name))]
    if tended:
        forms.append(("Say what compute costs", price or _price_form(tended)))
    return Page(
        template="admin/list.html",
        title="Links and prices",
        nav="admin",
        context=Listing(says=says, forms=tuple(forms)),
        tables=(_links_table(visit, found, may=may), _prices_table(sites)),
        parent=ADMIN,
        status=400 if declare or price else 200,
        at="/admin/links",
    )


@pages.post("/admin/links")
def declare(visit: Visit) -> Page | Redirect:
    """Say what is known of a link; what stays empty stays as it was."""
    form = visit.form
    read: dict[str, Callable[[str], float | None]] = {
        "bandwidth": given.bytes_s,
        "latency": given.seconds,
        "price": given.price_byte,
    }
    said: dict[str, float | None] = {}
    for field, parse in read.items():
        try:
            said[field] = parse(form.get(field, ""))
        except InputError as error:
            return _page(visit, declare=failed(filled(_declare_form(visit), form), error, field))
    try:
        source, target = required(form, "source", "Where it comes from"), required(form, "target", "Where it goes")
        if all(value is None for value in said.values()):
            raise InputError("usage", "Nothing was said of the link.", todo="Give a bandwidth, a latency or a price.")
        visit.hub.links.declare(
            source, target, bandwidth_bytes_s=said["bandwidth"], latency_s=said["latency"], price_byte=said["price"]
        )
    except InputError as error:
        return _page(visit, declare=failed(filled(_declare_form(visit), form), error))
    return Redirect(to="/admin/links", notice=f"The link from {source} to {target} is declared.")


@pages.post("/admin/links/prices")
def set_prices(visit: Visit) -> Page | Redirect:
    """What an hour costs at a site; what stays empty stays as it was."""
    form = visit.form
    site = visit.hub.sites.get(required(form, "site", "A site"))
    prices: dict[str, float] = {}
    for field, known in (("gpu", site.gpu_hour_price), ("cpu", site.cpu_hour_price)):
        try:
            price = given.money(form.get(field, ""))
        except InputError as error:
            return _page(visit, price=failed(filled(_price_form(visit.hub.sites.all()), form), error, field))
        prices[field] = known if price is None else price
    visit.hub.sites.set_prices(site.name, prices["gpu"], prices["cpu"])
    return Redirect(
        to="/admin/links", notice=f"An hour at {site.name} costs {prices['gpu']:g} a GPU, {prices['cpu']:g} a CPU."
    )


@pages.get("/admin/links/forget")
def ask_forget(visit: Visit) -> Page:
    """What is forgotten of a link."""
    source, target = visit.query.get("source", ""), visit.query.get("target", "")
    with visit.read() as connection:
        found = [
            item for item in links(connection, visit.sight, visit.now) if (item.source, item.target) == (source, target)
        ]
    fields = {"source": source, "target": target}
    facts = [
        "What was declared of it is forgotten, too. Until a fill tells more, it is believed to be like any other link."
    ]
    if found and found[0].transfers:
        facts.insert(
            0, f"{words.count(found[0].transfers, 'transfer')} of {words.size(found[0].moved_bytes)} measured it."
        )
    context = Confirm(
        heading="Forget this link?",
        says=f"From {source} to {target}.",
        facts=tuple(facts),
        form=Form(
            action="/admin/links/forget",
            button="Forget it",
            danger=True,
            cancel="/admin/links",
            fields=tuple(Field(name=name, label="", kind="hidden", value=value) for name, value in fields.items()),
        ),
    )
    return Page(template="confirm.html", title="Forget a link", nav="admin", context=context, parent=_LINKS)


@pages.post("/admin/links/forget")
def forget(visit: Visit) -> Redirect:
    """The end of it."""
    source, target = visit.form.get("source", ""), visit.form.get("target", "")
    visit.hub.links.forget(source, target)
    return Redirect(to="/admin/links", notice=f"The link from {source} to {target} is forgotten.")


def _links_table(visit: Visit, found: Sequence[LinkRecord], *, may: bool) -> Table:
    columns = (
        Column(key="from", title="From"),
        Column(key="to", title="To"),
        Column(key="bandwidth_bytes_s", title="Bandwidth", number=True),
        Column(key="spread", title="Give or take", number=True),
        Column(key="declared_bandwidth_bytes_s", title="Declared", number=True),
        Column(key="latency_s", title="Latency", number=True),
        Column(key="price_gb", title="A GB costs", number=True),
        Column(key="transfers", title="Transfers", number=True),
        Column(key="moved_bytes", title="Moved", number=True),
        Column(key="measured_at", title="Measured", number=True),
        *((Column(key="act", title=""),) if may else ()),
    )
    try:
        after = number(visit.query, "after", "The page")
    except InputError:
        after = 0
    shown = found[after : after + visit.limit(_SHOWN)]
    return Table(
        name="links",
        caption="The ways between lakes and sites",
        columns=columns,
        rows=tuple(_row(visit, item, may=may) for item in shown),
        more=f"/admin/links?{urlencode({'after': after + len(shown)})}" if after + len(shown) < len(found) else "",
        empty="Nothing is known of any link: fills measure them as they bring data, and prices are declared.",
    )


def _row(visit: Visit, item: LinkRecord, *, may: bool) -> Row:
    ends = urlencode({"source": item.source, "target": item.target})
    acts = buttons.side_by_side(
        buttons.link(f"/admin/links?{ends}#do", "Declare", about=f"from {item.source} to {item.target}"),
        buttons.link(f"/admin/links/forget?{ends}", "Forget…", about=f"the link from {item.source} to {item.target}"),
    )
    said = item.declared_bandwidth_bytes_s
    # The spread is one standard deviation of the logarithm: so many times faster or slower.
    spread = math.exp(item.bandwidth_spread) - 1
    return Row(
        key=f"{item.source}|{item.target}",
        cells=(
            Cell(value=item.source),
            Cell(value=item.target, href=f"/sites/{item.target}"),
            Cell(value=item.bandwidth_bytes_s, shown=show.rate(item.bandwidth_bytes_s)),
            Cell(value=round(spread, 3), shown=show.percent(spread)),
            Cell(value=said, shown=show.rate(said)),
            Cell(value=item.latency_s, shown=site_words.latency(item.latency_s)),
            Cell(value=item.price_byte * given.GB, shown=site_words.price_gb(item.price_byte)),
            Cell(value=item.transfers),
            Cell(value=item.moved_bytes, shown=show.size(item.moved_bytes)),
            site_words.known(item, visit.now),
            *((Cell(value="", shown=acts),) if may else ()),
        ),
    )


def _prices_table(sites: Sequence[SiteRecord]) -> Table:
    return Table(
        name="prices",
        caption="What an hour costs",
        columns=(
            Column(key="site", title="Site"),
            Column(key="gpu_hour", title="A GPU's hour", number=True),
            Column(key="cpu_hour", title="A CPU's hour", number=True),
        ),
        rows=tuple(
            Row(
                key=site.name,
                cells=(
                    Cell(value=site.name, href=f"/sites/{site.name}"),
                    _money(site.gpu_hour_price),
                    _money(site.cpu_hour_price),
                ),
            )
            for site in sites
        ),
        empty="No site yet.",
    )


def _money(amount: float) -> Cell:
    return Cell(value=amount, shown=f"{amount:g}" if amount else Markup('<span class="dim">–</span>'))


def _declare_form(visit: Visit) -> Form:
    return Form(
        action="/admin/links#do",
        button="Declare it",
        fields=(
            Field(
                name="source",
                label="From",
                value=visit.query.get("source", ""),
                required=True,
                placeholder="s3://clicks",
                hint="A lake or a site.",
            ),
            Field(
                name="target",
                label="To",
                value=visit.query.get("target", ""),
                required=True,
                placeholder="dgx",
                hint="A site.",
            ),
            Field(
                name="bandwidth",
                label="Bandwidth",
                placeholder="120MB/s",
                hint="Believed until fills tell more. Empty: as it was.",
            ),
            Field(name="latency", label="Latency", placeholder="30ms", hint="Until a request's first byte."),
            Field(name="price", label="A GB costs", placeholder="0.09", hint="In the team's currency; never learned."),
        ),
    )


def _price_form(sites: Sequence[SiteRecord]) -> Form:
    options = tuple((site.name, site.name) for site in sites)
    return Form(
        action="/admin/links/prices",
        button="Set the prices",
        fields=(
            Field(name="site", label="Site", kind="select", options=options, value=options[0][0] if options else ""),
            Field(name="gpu", label="A GPU's hour", placeholder="2.50", hint="Empty: as it was."),
            Field(name="cpu", label="A CPU's hour", placeholder="0.04"),
        ),
    )
