"""The log of an attempt: its end, which goes on by itself, or any page of it; searched, and as a file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from forebay.errors import NotFoundError
from forebay.hub.board.run import log_bytes_of
from forebay.hub.board.run_names import title_of
from forebay.hub.web.ansi import coloured
from forebay.hub.web.forms import Field, Form
from forebay.hub.web.log_pages import MOST_HITS, Hits, LogPage, Read, find, page_before, page_from
from forebay.hub.web.page import Page, Raw
from forebay.hub.web.route import Pages
from forebay.hub.web.run_words import run_state, short
from forebay.hub.web.visit import Visit
from forebay.wire.runs import LOG_PIECE_BYTES, Attempt, Run

pages = Pages()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogShown:
    """`older` and `newer` are addresses, "" where there is nothing. `follows`: the end is shown, and goes on."""

    run: Run
    state: Markup
    attempt: int
    attempts: tuple[tuple[str, str, bool], ...]
    size_bytes: int
    shown: LogPage
    text: Markup
    older: str
    newer: str
    first: str
    newest: str
    whole: str
    follows: bool
    search: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundInLog:
    """`lines` have the address of the page that begins with each."""

    run: Run
    attempt: int
    wanted: str
    search: Form
    hits: Hits
    lines: tuple[tuple[str, Markup], ...]
    most: int
    back: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    """One attempt's, as far as it is there now."""

    run: Run
    attempt: Attempt
    size_bytes: int
    read: Read

    @property
    def address(self) -> str:
        return f"/runs/{self.run.run_id}/log"

    def at(self, **where: object) -> str:
        told = "".join(f"&{name}={value}" for name, value in where.items())
        return f"{self.address}?attempt={self.attempt.number}{told}"


@pages.get("/runs/{run}/log", live=("state", "log"))
def log(visit: Visit) -> Page:
    """`offset` is where a page begins, `before` where one ends; without either it is the newest."""
    here = _log_of(visit)
    offset, before = _offset(visit, "offset"), _offset(visit, "before")
    if offset is not None:
        shown = page_from(here.read, min(offset, here.size_bytes), here.size_bytes)
    else:
        shown = page_before(here.read, here.size_bytes if before is None else before, here.size_bytes)
    follows = offset is None and before is None
    context = LogShown(
        run=here.run,
        state=run_state(here.run.state, f"at {here.run.site}" if here.run.site else ""),
        attempt=here.attempt.number,
        attempts=tuple(
            (f"Attempt {item.number}", f"{here.address}?attempt={item.number}", item.number == here.attempt.number)
            for item in here.run.attempts
        ),
        size_bytes=here.size_bytes,
        shown=shown,
        text=coloured(shown.text),
        older=here.at(before=shown.begin) if shown.begin > 0 else "",
        newer="" if follows or shown.is_last else here.at(offset=shown.end),
        first=here.at(offset=0),
        newest=here.at(),
        whole=f"{here.address}/text?attempt={here.attempt.number}",
        follows=follows and here.attempt.ending is None,
        search=_search(here, ""),
    )
    return Page(template="runs/log.html", title="Log", nav="runs", context=context, parent=_parent(here.run))


@pages.get("/runs/{run}/log/find")
def found(visit: Visit) -> Page:
    """Lines with a text in them."""
    here = _log_of(visit)
    wanted = visit.query.get("q", "")[:200]
    hits = find(here.read, wanted, here.size_bytes) if wanted else Hits(lines=(), is_all=True)
    context = FoundInLog(
        run=here.run,
        attempt=here.attempt.number,
        wanted=wanted,
        search=_search(here, wanted),
        hits=hits,
        lines=tuple(
            (
                here.at(offset=hit.offset),
                Markup("{}<mark>{}</mark>{}").format(hit.before, hit.found, hit.after),
            )
            for hit in hits.lines
        ),
        most=MOST_HITS,
        back=here.at(),
    )
    return Page(
        template="runs/found.html", title="Search the log", nav="runs", context=context, parent=_parent(here.run)
    )


@pages.get("/runs/{run}/log/text")
def text(visit: Visit) -> Raw:
    """All of it that is kept, as a file."""
    here = _log_of(visit)
    parts, offset = [], 0
    while offset < here.size_bytes:
        piece = here.read(offset, LOG_PIECE_BYTES)
        if piece.next_offset <= offset:
            break
        if piece.dropped_bytes:
            parts.append(f"[{piece.dropped_bytes} bytes from here on, or within what follows, were not kept]\n")
        parts.append(piece.text)
        offset = piece.next_offset
    return Raw(
        content="".join(parts).encode(),
        media_type="text/plain; charset=utf-8",
        filename=f"{short(here.run.run_id)}-{here.attempt.number}.log",
    )


def _log_of(visit: Visit) -> _Log:
    """NotFoundError `attempt-not-found`."""
    run = visit.hub.runs.get(visit.path["run"])
    wanted = visit.query.get("attempt", "")
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 9 else 0
    attempt = next((item for item in reversed(run.attempts) if number in (0, item.number)), None)
    if attempt is None:
        told = (
            f"There is no attempt {number} at this run." if number else "This run has not begun: there is no log yet."
        )
        raise NotFoundError("attempt-not-found", told, todo="Its page says what it waits for.")
    read: Read = partial(visit.hub.runs.log, run.run_id, attempt.number)
    read(0, 4)  # whoever may not read it is told so before its size
    with visit.read() as connection:
        size_bytes = log_bytes_of(connection, run.run_id).get(attempt.number, 0)
    return _Log(run=run, attempt=attempt, size_bytes=size_bytes, read=read)


def _offset(visit: Visit, name: str) -> int | None:
    text = visit.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None


def _search(here: _Log, wanted: str) -> Form:
    return Form(
        action=f"{here.address}/find",
        button="Search",
        method="get",
        quiet=True,
        fields=(
            Field(name="attempt", label="", kind="hidden", value=str(here.attempt.number)),
            Field(name="q", label="Find in this log", kind="search", value=wanted, placeholder="a text"),
        ),
    )


def _parent(run: Run) -> tuple[str, str]:
    return f"{title_of(run.new)[:60]} · {short(run.run_id)}", f"/runs/{run.run_id}"
