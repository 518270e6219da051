"""Elements of HTML and SVG, escaped once and in one place."""

from __future__ import annotations

import html
import math
import re
from typing import Final

from forebay.errors import InternalError

_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_VOID: Final = frozenset({"br", "col", "hr", "img", "link", "meta"})


class Markup(str):
    """Text that is markup already. Jinja2 and MarkupSafe take it as such, by `__html__`."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


Child = str | None
Value = str | float | bool | None


def element(tag: str, /, *children: Child, **attributes: Value) -> Markup:
    """`element("text", "a & b", class_="label", x=1.5)`: children that are no Markup are escaped, None is left out.

    A trailing underscore of an attribute's name goes, others become hyphens. InternalError for a name that is none, an
    attribute that styles or runs something, and a number that is not finite.
    """
    if not _NAME.fullmatch(tag) or tag.lower() in {"script", "style"}:
        raise InternalError("bad-markup", f"{tag!r} is no element of a chart")
    told = "".join(_attribute(name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{told}>")
    return Markup(f"<{tag}{told}>{join(*children)}</{tag}>")


def join(*children: Child) -> Markup:
    """Children one after the other."""
    return Markup("".join(escape(child) for child in children if child is not None))


def escape(text: str) -> Markup:
    """Text that is safe inside elements and quoted attributes; Markup stays as it is."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)))


def number(value: float) -> str:
    """A coordinate: at most two decimals, none that say nothing."""
    if not math.isfinite(value):
        raise InternalError("bad-markup", f"{value} is no coordinate")
    told = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if told == "-0" else told


def _attribute(name: str, value: Value) -> str:
    if not _NAME.fullmatch(name) or name.lower() == "style" or name.lower().startswith("on"):
        raise InternalError("bad-markup", f"{name!r} is no attribute of a chart")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    return f' {name}="{escape(value if isinstance(value, str) else number(value))}"'
