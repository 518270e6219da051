"""A log in pages of whole lines, found from either side, and searched; however long it is, a page is bounded.

Reads through `read`, which gives a `wire.runs.LogPiece` from an offset on: offsets count the bytes of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from forebay.hub.web.ansi import plain
from forebay.wire.runs import LOG_PIECE_BYTES, LogPiece

Read = Callable[[int, int], LogPiece]
"""(offset, limit) -> piece."""

PAGE_BYTES: Final = 128 << 10
MOST_HITS: Final = 200
_LONGEST_LINE: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """`begin` and `end` are offsets; `dropped_bytes` are missing beside it, on the side that one comes from.

    `is_last`: nothing more is there now.
    """

    text: str
    begin: int
    end: int
    dropped_bytes: int
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A line that has what was looked for, as `before`, `found` and `after`; `offset` is where it begins."""

    offset: int
    before: str
    found: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """`is_all` False: there are more than could be told."""

    lines: tuple[Hit, ...]
    is_all: bool


def page_from(read: Read, offset: int, end: int) -> LogPage:
    """The page that begins at an offset, where a line begins; `end` is the log's."""
    gap = _first_gap(read, offset, PAGE_BYTES)
    if gap is not None and gap.begin <= offset:
        return replace(page_from(read, gap.end, end), dropped_bytes=gap.end - offset)
    piece = read(offset, PAGE_BYTES if gap is None else gap.begin - offset)
    text, after = piece.text, piece.next_offset
    if gap is None and after < end and (cut := text.rfind("\n") + 1):
        after -= len(text[cut:].encode())
        text = text[:cut]
    return LogPage(text=text, begin=offset, end=after, dropped_bytes=0, is_last=after >= end)


def page_before(read: Read, before: int, end: int) -> LogPage:
    """The page whose last line ends at an offset."""
    before = max(0, min(before, end))
    start = max(0, before - PAGE_BYTES)
    is_cut = start > 0
    while before > start and (gap := _first_gap(read, start, before - start)) is not None:
        if gap.end < before:
            start, is_cut = gap.end, False
            continue
        begin = gap.begin if gap.begin > start else _begin_of(read, gap)
        return replace(page_before(read, begin, end), dropped_bytes=before - begin)
    text = read(start, max(4, before - start)).text if before > start else ""
    if is_cut:
        text = _from_a_line(text)
    begin = before - len(text.encode())
    return LogPage(text=text, begin=begin, end=before, dropped_bytes=0, is_last=before >= end)


@dataclass(frozen=True, slots=True)
class _Gap:
    begin: int
    end: int


def _first_gap(read: Read, offset: int, limit: int) -> _Gap | None:
    """What is missing first of the `limit` bytes from an offset on."""
    limit = max(4, limit)
    if not read(offset, limit).dropped_bytes:
        return None
    here = read(offset, 4).dropped_bytes
    if here:
        return _Gap(offset, offset + here)
    low, high = 4, limit
    while high - low > 1:
        middle = (low + high) // 2
        if read(offset, middle).dropped_bytes:
            high = middle
        else:
            low = middle
    return _Gap(offset + low, offset + low + read(offset, high).dropped_bytes)


def _begin_of(read: Read, gap: _Gap) -> int:
    """Where a gap begins, of which only that it reaches back to `gap.begin` is known."""

    def is_inside(offset: int) -> bool:
        return offset + read(offset, 4).dropped_bytes == gap.end

    inside, step = gap.begin, PAGE_BYTES
    while inside > 0 and is_inside(max(0, inside - step)):
        inside, step = max(0, inside - step), step * 2
    outside = max(0, inside - step)
    while inside - outside > 1:
        middle = (inside + outside) // 2
        inside, outside = (middle, outside) if is_inside(middle) else (inside, middle)
    return inside


def _from_a_line(text: str) -> str:
    """Of a text that begins anywhere, from where its first line begins; of a long one its first whole letter."""
    newline = text.find("\n")
    if 0 <= newline < len(text) - 1:
        return text[newline + 1 :]
    letters = 0
    while letters < 3 and text[letters : letters + 1] == "\N{REPLACEMENT CHARACTER}":
        letters += 1
    return text[letters:]


def find(read: Read, wanted: str, end: int) -> Hits:
    """The lines with a text in them as they are shown, in any case, the first `MOST_HITS` of them."""
    pattern = re.compile(re.escape(wanted), re.IGNORECASE)
    hits: list[Hit] = []
    for begin, written in _lines_in_parts(read, end):
        text = plain(written)
        at, told, raw, over = begin, 0, 0, 0
        for match in pattern.finditer(text):
            if match.start() < over:
                continue
            line_begin = text.rfind("\n", 0, match.start()) + 1
            over = line_end if (line_end := text.find("\n", match.end())) >= 0 else len(text)
            # The same line of what was written: what is shown of it may be shorter.
            before, raw = raw, _after_lines(written, raw, text.count("\n", told, line_begin))
            at += len(written[before:raw].encode())
            told = line_begin
            hits.append(_hit(at, text, line_begin, match, over))
            if len(hits) > MOST_HITS:
                return Hits(lines=tuple(hits[:MOST_HITS]), is_all=False)
    return Hits(lines=tuple(hits), is_all=True)


def _after_lines(text: str, start: int, lines: int) -> int:
    for _ in range(lines):
        start = text.index("\n", start) + 1
    return start


def _lines_in_parts(read: Read, end: int) -> Iterator[tuple[int, str]]:
    """Whole lines, about a MiB of them at once, and the offset where they begin."""
    offset, rest = 0, ""
    while offset < end:
        piece = read(offset, LOG_PIECE_BYTES)
        text = rest + piece.text
        if piece.next_offset <= offset or not text:
            return
        begin = piece.next_offset - len(text.encode())
        is_last = piece.next_offset >= end
        cut = len(text) if is_last else text.rfind("\n") + 1 or len(text)
        yield begin, text[:cut]
        rest, offset = text[cut:], piece.next_offset


def _hit(offset: int, text: str, begin: int, match: re.Match[str], end: int) -> Hit:
    before, after = text[begin : match.start()], text[match.end() : end]
    return Hit(
        offset=offset,
        before=before[-_LONGEST_LINE // 2 :],
        found=match.group(),
        after=after[:_LONGEST_LINE],
    )
