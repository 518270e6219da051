"""Pages into HTML. Templates are autoescaped, and undefined names are errors; they see values, no request and no hub.

Functions of templates are globals, so that macros have them as well; what differs from page to page (the moment, the
tables) they find in `_Now`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import jinja2
from markupsafe import Markup

from forebay.hub.board.counts import Counts
from forebay.hub.web import show
from forebay.hub.web.assets import Assets
from forebay.hub.web.charted import Chart, drawn_chart
from forebay.hub.web.forms import Form
from forebay.hub.web.page import Page
from forebay.hub.web.table import Table
from forebay.hub.web.table_drawn import drawn
from forebay.hub.web.visit import CURSORS, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a page is dressed with: `theme` is "light", "dark" or "" for the system's; `signed_in` is a session's."""

    theme: str = ""
    notice: str = ""
    counts: Counts | None = None
    signed_in: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NavEntry:
    """One line of the navigation."""

    key: str
    title: str
    href: str
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Now:
    now: float
    address: str
    tables: dict[str, Table]
    forms: Iterator[int] = field(default_factory=itertools.count)


_NOT_EXPORTED = ("table", "as", *CURSORS)

Result = TypeVar("Result")
_rendering: ContextVar[_Now] = ContextVar("forebay.hub.web.rendering")


class Renderer:
    """One for all pages of a process."""

    def __init__(self, assets: Assets) -> None:
        self.assets = assets
        self._env = jinja2.Environment(
            loader=jinja2.PackageLoader("forebay.hub.web"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._env.globals.update(self._functions())

    def page(self, page: Page, visit: Visit, look: Look) -> str:
        """The whole page."""
        entries = _navigation(look.counts)
        given = {"page": page, "c": page.context, "look": look, "user": visit.sight.user, "entries": entries}
        return self._render(page, visit, lambda template: template.render(**given, role=visit.sight.role.value))

    def parts(self, page: Page, visit: Visit, live: tuple[str, ...]) -> dict[str, str]:
        """The live parts alone, by their ids."""

        def parts_of(template: jinja2.Template) -> dict[str, str]:
            context = template.new_context({"page": page, "c": page.context})
            return {name: "".join(template.blocks[f"live_{name}"](context)).strip() for name in live}

        return self._render(page, visit, parts_of)

    def bare(self, template: str, now: float, **given: Any) -> str:
        """A template that nobody need be signed in for, or a fragment."""
        before = _rendering.set(_Now(now=now, address="/", tables={}))
        try:
            return self._env.get_template(template).render(**given)
        finally:
            _rendering.reset(before)

    def _render(self, page: Page, visit: Visit, render: Callable[[jinja2.Template], Result]) -> Result:
        tables = {table.name: table for table in page.tables}
        is_here = not page.at or visit.address.partition("?")[0] == page.at
        address = visit.address if is_here else page.at
        before = _rendering.set(_Now(now=visit.now, address=address, tables=tables))
        try:
            return render(self._env.get_template(page.template))
        finally:
            _rendering.reset(before)

    def _functions(self) -> dict[str, Any]:
        names = [
            "state",
            "size",
            "rate",
            "duration",
            "count",
            "whole",
            "percent",
            "moment",
            "bar",
            "copy",
            "command",
            "mono",
            "tag",
            "link",
            "safe",
        ]
        return {
            **{name: getattr(show, name) for name in names},
            "when": lambda at: show.when(at, _rendering.get().now),
            "table": self._table,
            "chart": self._chart,
            "drawn": drawn,
            "form": self._form,
            "filters": self._filters,
            "button": self._button,
            "asset": self.assets.address,
        }

    def _table(self, name: str) -> Markup:
        """One of the page's own, so that each is given as CSV and JSON, too."""
        here = _rendering.get()
        found = here.tables[name]
        return self._macro("parts/table.html", "table", found, _exports(here, found))

    def _chart(self, chart: Chart) -> Markup:
        return drawn_chart(chart, self._table(chart.numbers.name))

    def _form(self, form: Form) -> Markup:
        """Its fields' ids are its own, whatever other forms a page has."""
        return self._macro("parts/form.html", "form", form, _key())

    def _filters(self, form: Form) -> Markup:
        """A form that a narrow screen folds away where nothing of it is set."""
        return self._macro("parts/form.html", "filters", form, _key())

    def _button(self, action: str, label: str, *, kind: str = "", **fields: str) -> Markup:
        """A form of one button, with hidden fields."""
        return self._macro("parts/form.html", "button", action, label, kind, fields)

    def _macro(self, template: str, name: str, *given: Any) -> Markup:
        macro = getattr(self._env.get_template(template).module, name)
        return Markup(macro(*given))  # noqa: S704


def _key() -> str:
    return f"f{next(_rendering.get().forms) or ''}"


def _exports(here: _Now, table: Table) -> list[tuple[str, str]]:
    """Without the place that the page begins at: an export is of the whole."""
    if not table.rows:
        return []
    path, _, query = here.address.partition("?")
    kept = "&".join(part for part in query.split("&") if part and part.partition("=")[0] not in _NOT_EXPORTED)
    start = f"{path}?{kept}&" if kept else f"{path}?"
    return [(kind.upper(), f"{start}table={table.name}&as={kind}") for kind in ("csv", "json")]


def _navigation(counts: Counts | None) -> list[NavEntry]:
    """For everybody: the page of what is governed lists what one may read of that."""
    found = counts or Counts()
    return [
        NavEntry(key="overview", title="Overview", href="/"),
        NavEntry(key="datasets", title="Datasets", href="/datasets", count=found.datasets),
        NavEntry(key="cache", title="Cache", href="/cache"),
        NavEntry(key="sites", title="Sites", href="/sites", count=found.sites),
        NavEntry(key="runs", title="Runs", href="/runs", count=found.runs),
        NavEntry(key="admin", title="Admin", href="/admin"),
    ]
