"""How values look on a page: states, sizes, times, bars, things to copy. Values in, markup out; all text is escaped."""

from __future__ import annotations

import datetime
from functools import lru_cache
from typing import Final

from markupsafe import Markup, escape

from forebay import words
from forebay.hub.web.table import NOTHING

SHAPES: Final = {
    "ready": "ready",
    "sealed": "ready",
    "done": "ready",
    "succeeded": "ready",
    "ok": "ready",
    "good": "ready",
    "open": "ready",
    "live": "ready",
    "allowed": "ready",
    "filling": "filling",
    "running": "filling",
    "starting": "filling",
    "verifying": "filling",
    "evicting": "filling",
    "stopping": "filling",
    "partial": "partial",
    "waiting": "partial",
    "draining": "partial",
    "ending": "partial",
    "stale": "stale",
    "warning": "stale",
    "retired": "stale",
    "suspect": "stale",
    "paused": "stale",
    "read-only": "stale",
    "damaged": "damaged",
    "failed": "damaged",
    "lost": "damaged",
    "refused": "damaged",
    "silent": "damaged",
    "absent": "absent",
    "queued": "absent",
    "cancelled": "absent",
    "drained": "absent",
    "removed": "absent",
    "pinned": "pinned",
}
"""Every kind of state has one of seven shapes; colour only repeats it. What is not here looks like `absent`."""


@lru_cache(maxsize=4096, typed=True)  # the same ones stand on a page by the hundred; text is no markup that equals it
def state(kind: str, word: str = "", fact: object = "") -> Markup:
    """A shape, which the style sheet draws, a word and the one fact that matters next; `kind` is a key of SHAPES."""
    shape = SHAPES.get(kind, "absent")
    told = f" <small>{escape(fact)}</small>" if fact else ""
    return _made(f'<span class="state {shape}"><span>{escape(word or kind)}{told}</span></span>')


def size(size_bytes: float | None) -> Markup:
    """`1.2 GiB`, exact on hover; None for what is not known."""
    if size_bytes is None:
        return NOTHING
    return _made(f'<span class="q" title="{int(size_bytes):,} bytes">{words.size(size_bytes)}</span>')


def rate(bytes_s: float | None) -> Markup:
    """`1.1 GiB/s`."""
    return NOTHING if bytes_s is None else _made(f'<span class="q">{words.size(bytes_s)}/s</span>')


def duration(seconds: float | None) -> Markup:
    """`3 min 20 s`."""
    return NOTHING if seconds is None else _made(f'<span class="q">{words.duration(seconds)}</span>')


def count(number: int, noun: str) -> str:
    """`1 file`, `1,200 files`."""
    return words.count(number, noun)


def whole(number: int) -> str:
    """`1,200`."""
    return f"{number:,}"


def percent(share: float | None) -> str:
    """`62 %`; what is nearly all is never told as all."""
    if share is None:
        return "–"
    told = round(100 * share)
    if told >= 100 and share < 1:
        told = 99
    return f"{told} %"


def part(share: float) -> str:
    """As `percent`, of which what is little is never told as nothing."""
    return "<1 %" if 0 < share < 0.01 else percent(share)


def when(at: float | None, now: float) -> Markup:
    """`3 min ago` or `in 2 h`, with the exact moment; the page's script tells that in the reader's zone."""
    if not at:
        return NOTHING
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    exact = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    iso = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return _made(f'<time datetime="{iso}" title="{exact}">{relative(at, now)}</time>')


def relative(at: float, now: float) -> str:
    """`3 min ago`, `in 2 h`."""
    return words.ago(at, now) if at <= now + 1 else f"in {_rough(at - now)}"


def moment(at: float | None) -> Markup:
    """The exact moment, for lists of events; the page's script tells it in the reader's zone."""
    if not at:
        return NOTHING
    told = datetime.datetime.fromtimestamp(at, datetime.UTC)
    iso = told.strftime("%Y-%m-%dT%H:%M:%SZ")
    return _made(f'<time datetime="{iso}" data-exact>{told:%Y-%m-%d %H:%M} UTC</time>')


def bar(share: float | None, kind: str = "filling", label: str = "") -> Markup:
    """A share between 0 and 1 as a thin bar of its cell's width; the number stands beside it."""
    width = round(100 * min(1.0, max(0.0, share or 0.0)), 1)
    return _made(
        f'<svg class="meter {SHAPES.get(kind, "absent")}" viewBox="0 0 100 4" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label or percent(share or 0.0))}">'
        f'<rect width="{width}" height="4" fill="currentColor"></rect></svg>'
    )


def copy(text: str, label: str = "") -> Markup:
    """Text that can be selected, with a button that copies it."""
    whole, told = escape(text), escape(label or text)
    return _made(
        f'<span class="copy"><code>{told}</code><button type="button" class="mini" data-copy="{whole}" '
        f'aria-label="Copy {told}">Copy</button></span>'
    )


def command(text: str) -> Markup:
    """Commands or code to copy, on lines of their own."""
    return Markup(
        '<div class="command"><pre tabindex="0"><code>%s</code></pre>'
        '<button type="button" class="mini" data-copy="%s" aria-label="Copy the command">Copy</button></div>'
    ) % (text, text)


def tag(text: str) -> Markup:
    """A tag's name."""
    return _made(f'<span class="tag">{escape(text)}</span>')


def mono(text: str) -> Markup:
    """An id, a digest, a path."""
    return _made(f'<span class="mono">{escape(text)}</span>')


def link(href: str, text: object) -> Markup:
    """A link."""
    return _made(f'<a href="{escape(safe(href))}">{escape(text)}</a>')


def html(written: str, *values: object) -> Markup:
    """HTML that is written out where this is called, with values in its `{}`, which are escaped: as `Markup.format`,
    which is slow for what stands in each row of a table.
    """
    return _made(written.format(*(value if isinstance(value, (int, float)) else escape(value) for value in values)))


def safe(href: str) -> str:
    """The address where a link may lead there: on this hub, or by http; else nowhere."""
    inside = href.startswith(("/", "?", "#")) and not href.startswith(("//", "/\\"))
    return href if inside or href.lower().startswith(("http://", "https://")) else "#"


def _rough(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 2 * 86400 else f"{seconds / 86400:.0f} days"


def _made(html: str) -> Markup:
    """Of text in which all that came from elsewhere is escaped: Markup's own way to put it in is slow for tables."""
    return Markup(html)  # noqa: S704
