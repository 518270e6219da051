"""What a page function gives: a page, or where to go on, or some bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from forebay.hub.web.table import Table

UNTRUSTED = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"
"""The content security policy of HTML that a user's program made: it can draw, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`context` is a frozen dataclass, which the template has as `c`. `nav` is the entry that is marked.

    `parent` is (title, address) of the page above, for the crumb. `at` is the page's own address, where the answer to
    a form that was sent elsewhere may be this page again.
    """

    template: str
    title: str
    nav: str
    context: object
    tables: tuple[Table, ...] = ()
    status: int = 200
    parent: tuple[str, str] | None = None
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """On to an address of this hub; the notice is shown there, once."""

    to: str
    notice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Bytes as they are. With a `filename` the browser keeps them; `policy` is the content security policy, and with
    `framed` pages of the hub may have it in a frame.
    """

    content: bytes
    media_type: str
    filename: str = ""
    policy: str = UNTRUSTED
    framed: bool = False
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Page | Redirect | Raw
