"""The context of a page that is a sentence, perhaps a search, tables and forms: `admin/list.html`."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from forebay.hub.web.forms import Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """`forms` are (title, form) below the tables; `danger` leads to what asks before it destroys."""

    says: str
    search: Form | None = None
    forms: tuple[tuple[str, Form], ...] = ()
    danger: Markup | str = ""
