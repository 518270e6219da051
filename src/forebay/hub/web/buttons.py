"""Buttons and links that stand in cells and heads. Values in, markup out; all text is escaped."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from forebay.hub.web.show import html


def post(
    action: str, label: str, fields: Mapping[str, str] | None = None, *, about: str = "", kind: str = "mini"
) -> Markup:
    """A button that posts these fields. `about` says for a screen reader which of several like it this is."""
    hidden = Markup("").join(
        html('<input type="hidden" name="{}" value="{}">', name, value) for name, value in (fields or {}).items()
    )
    return html(
        '<form class="one" method="post" action="{}">{}<button class="{}"{}>{}</button></form>',
        action,
        hidden,
        kind,
        _named(label, about),
        label,
    )


def link(href: str, label: str, *, about: str = "", kind: str = "mini") -> Markup:
    """A link that looks like a button: to a form, or to what asks before it destroys."""
    return html('<a class="btn {}" href="{}"{}>{}</a>', kind, href, _named(label, about), label)


def side_by_side(*parts: Markup) -> Markup:
    """Some of them in one cell."""
    return html('<span class="acts">{}</span>', Markup(" ").join(part for part in parts if part))


def _named(label: str, about: str) -> Markup:
    return html(' aria-label="{} {}"', label, about) if about else Markup("")
