"""A log in pages: every line on one of them, from either side, also where the middle was dropped."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.hub.web import log_pages
from forebay.hub.web.ansi import plain
from forebay.hub.web.log_pages import LogPage, Read, find, page_before, page_from
from forebay.wire.runs import LogPiece

LINES = st.lists(st.text("aé\U0001f30a ", max_size=12), max_size=40)
SMALL = 64


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_pages, "PAGE_BYTES", SMALL)
    monkeypatch.setattr(log_pages, "LOG_PIECE_BYTES", SMALL)


def kept(data: bytes, gap: tuple[int, int] = (0, 0)) -> Read:
    """As `hub.run_logs.piece`: what is between the gap's ends was dropped; characters stay whole."""

    def read(offset: int, limit: int) -> LogPiece:
        begin, end = gap
        parts, at, dropped = b"", offset, 0
        while at < len(data) and len(parts) < limit:
            if begin <= at < end:
                dropped += end - at
                at = end
                continue
            upto = min(at + limit - len(parts), begin if at < begin else len(data))
            parts += data[at:upto]
            at = upto
        whole = parts.decode(errors="ignore").encode() if at < len(data) else parts
        at -= len(parts) - len(whole)
        return LogPiece(
            text=whole.decode(errors="replace"), next_offset=at, is_whole=at >= len(data), dropped_bytes=dropped
        )

    return read


def backwards(read: Read, end: int) -> list[LogPage]:
    pages = [page_before(read, end, end)]
    while pages[-1].begin > 0 and len(pages) < 1000:
        pages.append(page_before(read, pages[-1].begin, end))
    return pages[::-1]


def forwards(read: Read, end: int) -> list[LogPage]:
    pages = [page_from(read, 0, end)]
    while not pages[-1].is_last and len(pages) < 1000:
        pages.append(page_from(read, pages[-1].end, end))
    return pages


@given(LINES)
def test_all_lines_are_there_once_from_either_side(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    data = text.encode()
    for pages in (backwards(kept(data), len(data)), forwards(kept(data), len(data))):
        assert "".join(page.text for page in pages) == text
        assert all(page.text.endswith("\n") for page in pages if page.text)
        assert all(page.begin == before.end for before, page in pairwise(pages))


def test_a_line_that_is_longer_than_a_page_is_cut_and_nothing_is_lost() -> None:
    text = f"short\n{'x' * 500}\nshort\n"
    data = text.encode()
    for pages in (backwards(kept(data), len(data)), forwards(kept(data), len(data))):
        assert "".join(page.text for page in pages) == text


@pytest.mark.parametrize("gap", [(90, 810), (63, 65), (0, 300), (10, 890), (450, 900)])
def test_what_was_dropped_is_told_and_led_over(gap: tuple[int, int]) -> None:
    data = "".join(f"line {number:03d}\n" for number in range(100)).encode()
    left = (data[: gap[0]] + data[gap[1] :]).decode()
    for pages in (backwards(kept(data, gap), len(data)), forwards(kept(data, gap), len(data))):
        assert "".join(page.text for page in pages) == left
        assert sum(page.dropped_bytes for page in pages) == gap[1] - gap[0]


def test_an_empty_log_is_one_empty_page() -> None:
    read = kept(b"")
    assert page_before(read, 0, 0) == page_from(read, 0, 0)
    assert page_from(read, 0, 0).is_last


@given(LINES, st.sampled_from(["a", "é", "A ", "\U0001f30a"]))
def test_a_hit_is_told_by_the_offset_where_its_line_begins(lines: list[str], wanted: str) -> None:
    text = "".join(f"{line}\n" for line in lines)
    data = text.encode()
    hits = find(kept(data), wanted, len(data))
    assert hits.is_all
    expected = []
    at = 0
    for line in lines:
        if wanted.lower() in line.lower():
            expected.append((at, line))
        at += len(line.encode()) + 1
    assert [(hit.offset, hit.before + hit.found + hit.after) for hit in hits.lines] == expected


COLOURED = st.lists(st.text("ab\x1b[32m;\r ", max_size=14), max_size=30)


@given(COLOURED, st.sampled_from(["a", "ab", "2m", "a b"]))
def test_it_is_found_as_it_is_shown(lines: list[str], wanted: str) -> None:
    data = "".join(f"{line}\n" for line in lines).encode()
    offsets = [sum(len(line.encode()) + 1 for line in lines[:number]) for number in range(len(lines))]
    expected = [(at, plain(line)) for at, line in zip(offsets, lines, strict=True) if wanted in plain(line)]
    found = find(kept(data), wanted, len(data)).lines
    assert [(hit.offset, hit.before + hit.found + hit.after) for hit in found] == expected


def test_a_phrase_is_found_through_its_colours() -> None:
    data = b"\x1b[32mround 1\x1b[0m auc\nround 2 auc\n"
    (hit,) = find(kept(data), "round 1 auc", len(data)).lines
    assert (hit.offset, hit.found) == (0, "round 1 auc")
    assert find(kept(data), "32m", len(data)).lines == ()


def test_of_very_many_hits_some_are_told() -> None:
    data = b"again\n" * 1000
    hits = find(kept(data), "AGAIN", len(data))
    assert (len(hits.lines), hits.is_all) == (log_pages.MOST_HITS, False)
