"""A log's text with the colours that its program gave it, as markup with classes; all else of terminals goes. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Final

from markupsafe import Markup, escape

_COLOUR: Final = re.compile(r"\x1b\[([0-9;:]*)m")
_OTHER: Final = re.compile(
    r"\x1b(?!\[[0-9;:]*m)(?:"
    r"\[[0-?]*[ -/]*[@-~]"  # control sequences
    r"|[PX^_\]][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # titles, links and the like, to their end or the line's
    r"|[ -/]*[0-~]"
    r"|)"
)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]")

_NAMES: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_ORDER: Final = ("bold", "dim", "italic", "underline")
_SIXTEEN: Final = 16


@dataclass(frozen=True)
class _Pen:
    colour: str = ""
    ground: str = ""
    marks: frozenset[str] = frozenset()

    @cached_property
    def classes(self) -> str:
        parts = [f"a-{mark}" for mark in _ORDER if mark in self.marks]
        parts += [f"a-{self.colour}"] if self.colour else []
        parts += [f"a-on-{self.ground}"] if self.ground else []
        return " ".join(parts)


_PLAIN: Final = _Pen()


def plain(text: str) -> str:
    """Without any of it, for search: what is shown, as text, of as many lines. A line that was written over shows what
    came last.
    """
    if "\x1b" in text:
        text = _COLOUR.sub("", _OTHER.sub("", text))
    return "\n".join(map(_last, text.split("\n"))) if "\r" in text else text


def coloured(text: str) -> Markup:
    """The text, escaped, with spans of classes `a-red`, `a-on-blue`, `a-bold`; a span ends with its line."""
    if "\x1b" in text:
        text = _OTHER.sub("", text)
    # Colours are the same escaped, and hold nothing unprintable but how they begin.
    text = str(escape(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)))
    pen = _PLAIN
    lines = []
    for line in text.split("\n"):
        told, pen = _line(line, pen)
        lines.append(told)
    return Markup("\n".join(lines))  # noqa: S704 escaped above


def _line(line: str, pen: _Pen) -> tuple[str, _Pen]:
    """As markup, and the pen after it."""
    texts = _COLOUR.split(line)
    parts = [(pen, texts[0])]
    for codes, text in zip(texts[1::2], texts[2::2], strict=True):
        pen = _drawn(pen, codes)
        parts.append((pen, text))
    if "\r" in line:
        parts = _kept(parts)
    return "".join([_span(each, text) for each, text in parts if text]), pen


def _kept(parts: list[tuple[_Pen, str]]) -> list[tuple[_Pen, str]]:
    """Of a line that a progress bar wrote over and over, what stands there at last."""
    shown = _last("".join(text for _, text in parts))
    left = len(shown)
    kept: list[tuple[_Pen, str]] = []
    for pen, text in reversed(parts):
        bare = text.rstrip("\r") if not kept else text
        taken = bare[max(0, len(bare) - left) :]
        left -= len(taken)
        kept.append((pen, taken))
    return kept[::-1]


def _last(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]


def _span(pen: _Pen, text: str) -> str:
    return text if pen is _PLAIN else f'<span class="{pen.classes}">{text}</span>'


@lru_cache(maxsize=256)
def _drawn(pen: _Pen, codes: str) -> _Pen:
    """The pen after a sequence of colours: `_PLAIN` itself where nothing is on."""
    numbers = [int(code) if code and len(code) < 4 else 0 for code in codes.replace(":", ";").split(";")]
    while numbers:
        code = numbers.pop(0)
        if code == 0:
            pen = _PLAIN
        elif code in (38, 48):
            colour, numbers = _extended(numbers)
            pen = replace(pen, colour=colour) if code == 38 else replace(pen, ground=colour)
        elif code in _MARKS:
            pen = replace(pen, marks=pen.marks | {_MARKS[code]})
        elif code in _ENDS:
            pen = replace(pen, marks=pen.marks - _ENDS[code])
        elif 30 <= code <= 37 or 90 <= code <= 97:
            pen = replace(pen, colour=_NAMES[code % 10])
        elif 40 <= code <= 47 or 100 <= code <= 107:
            pen = replace(pen, ground=_NAMES[code % 10])
        elif code == 39:
            pen = replace(pen, colour="")
        elif code == 49:
            pen = replace(pen, ground="")
    return _PLAIN if pen == _PLAIN else pen


_MARKS: Final = {1: "bold", 2: "dim", 3: "italic", 4: "underline"}
_ENDS: Final = {22: frozenset({"bold", "dim"}), 23: frozenset({"italic"}), 24: frozenset({"underline"})}


def _extended(numbers: list[int]) -> tuple[str, list[int]]:
    """`5;N` of 256 colours, of which the first 16 have names; `2;R;G;B` by what it is nearest to."""
    if numbers[:1] == [5]:
        number = numbers[1] if len(numbers) > 1 else 0
        return (_NAMES[number % 8] if number < _SIXTEEN else _of_cube(number)), numbers[2:]
    if numbers[:1] == [2]:
        return _nearest(*([*numbers[1:4], 0, 0, 0][:3])), numbers[4:]
    return "", []


def _of_cube(number: int) -> str:
    if number >= 232:
        return ""
    red, rest = divmod(number - 16, 36)
    return _nearest(red * 51, rest // 6 * 51, rest % 6 * 51)


def _nearest(red: int, green: int, blue: int) -> str:
    bright = max(red, green, blue) / 2 + 1
    return _NAMES[(red > bright) + 2 * (green > bright) + 4 * (blue > bright)]
