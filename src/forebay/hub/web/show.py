"""How values look on a page: states, sizes, times, bars, things to copy. Values in, markup out; all text is escaped."""

from __future__ import annotations

import datetime
from typing import Final

from markupsafe import Markup, escape

from forebay import words

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

_NONE = Markup('<span class="dim">–</span>')


def state(kind: str, word: str = "", fact: object = "") -> Markup:
    """A shape, a word and the one fact that matters next; `kind` is a key of SHAPES."""
    shape = SHAPES.get(kind, "absent")
    told = Markup(" <small>%s</small>") % (fact,) if fact else ""
    return Markup(
        '<span class="state %s"><svg aria-hidden="true"><use href="#s-%s"></use></svg><span>%s%s</span></span>'
    ) % (shape, shape, word or kind, told)


def size(size_bytes: float | None) -> Markup:
    """`1.2 GiB`, exact on hover; None for what is not known."""
    if size_bytes is None:
        return _NONE
    exact = f"{int(size_bytes):,} bytes"
    return Markup('<span class="q" title="%s">%s</span>') % (exact, words.size(size_bytes))


def rate(bytes_s: float | None) -> Markup:
    """`1.1 GiB/s`."""
    return _NONE if bytes_s is None else Markup('<span class="q">%s/s</span>') % (words.size(bytes_s),)


def duration(seconds: float | None) -> Markup:
    """`3 min 20 s`."""
    return _NONE if seconds is None else Markup('<span class="q">%s</span>') % (words.duration(seconds),)


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


def when(at: float | None, now: float) -> Markup:
    """`3 min ago` or `in 2 h`, with the exact moment; the page's script tells that in the reader's zone."""
    if not at:
        return _NONE
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    exact = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    iso = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="%s" title="%s">%s</time>') % (iso, exact, relative(at, now))


def relative(at: float, now: float) -> str:
    """`3 min ago`, `in 2 h`."""
    return words.ago(at, now) if at <= now + 1 else f"in {_rough(at - now)}"


def moment(at: float | None) -> Markup:
    """The exact moment, for lists of events; the page's script tells it in the reader's zone."""
    if not at:
        return _NONE
    told = datetime.datetime.fromtimestamp(at, datetime.UTC)
    iso = told.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="%s" data-exact>%s</time>') % (iso, told.strftime("%Y-%m-%d %H:%M UTC"))


def bar(share: float | None, kind: str = "filling", label: str = "") -> Markup:
    """A share between 0 and 1 as a thin bar of its cell's width; the number stands beside it."""
    width = round(100 * min(1.0, max(0.0, share or 0.0)), 1)
    return Markup(
        '<svg class="meter %s" viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label="%s">'
        '<rect width="%s" height="4" fill="currentColor"></rect></svg>'
    ) % (SHAPES.get(kind, "absent"), label or percent(share or 0.0), width)


def copy(text: str, label: str = "") -> Markup:
    """Text that can be selected, with a button that copies it."""
    return Markup(
        '<span class="copy"><code>%s</code><button type="button" class="mini" data-copy="%s" '
        'aria-label="Copy %s">Copy</button></span>'
    ) % (label or text, text, label or text)


def command(text: str) -> Markup:
    """Commands or code to copy, on lines of their own."""
    return Markup(
        '<div class="command"><pre tabindex="0"><code>%s</code></pre>'
        '<button type="button" class="mini" data-copy="%s" aria-label="Copy the command">Copy</button></div>'
    ) % (text, text)


def tag(text: str) -> Markup:
    """A tag's name."""
    return Markup('<span class="tag">%s</span>') % (text,)


def mono(text: str) -> Markup:
    """An id, a digest, a path."""
    return Markup('<span class="mono">%s</span>') % (text,)


def link(href: str, text: object) -> Markup:
    """A link."""
    return Markup('<a href="%s">%s</a>') % (safe(href), escape(text))


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
