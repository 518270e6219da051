"""Find anything: the palette's answers, and the same as a page for who has no script."""

from __future__ import annotations

from dataclasses import dataclass

from forebay.hub.board.search import Found, search
from forebay.hub.web.forms import Field, Form
from forebay.hub.web.page import Page
from forebay.hub.web.route import Pages
from forebay.hub.web.visit import Visit

pages = Pages()

_ON_PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was asked, and what was found; `bare`: without the page around."""

    text: str
    found: tuple[Found, ...]
    form: Form
    bare: bool


@pages.get("/find")
def find(visit: Visit) -> Page:
    """`?q=`; with `&part=1` only the list."""
    text = visit.query.get("q", "")
    bare = visit.query.get("part") == "1"
    with visit.read() as connection:
        found = search(connection, visit.sight, text) if bare else search(connection, visit.sight, text, each=_ON_PAGE)
    field = Field(name="q", label="Dataset, version, run or site", kind="search", value=text)
    form = Form(action="/find", method="get", button="Find", fields=(field,), quiet=True)
    context = Finding(text=text.strip(), found=tuple(found), form=form, bare=bare)
    return Page(template="find/part.html" if bare else "find/page.html", title="Find", nav="", context=context)
