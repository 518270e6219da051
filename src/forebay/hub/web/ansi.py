"""A log's text with the colours that its program gave it, as markup with classes; all else of terminals goes. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from markupsafe import Markup, escape

_SEQUENCE: Final = re.compile(
    r"\x1b\[([0-9;:]*)m"  # colours
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # other control sequences
    r"|\x1b[PX^_\]][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links and the like, to their end
    r"|\x1b[ -/]*[0-~]"
    r"|\x1b"
)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SPECIAL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What most lines of most logs have none of: those are shown as they are, where no colour is on."""

_NAMES: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_ORDER: Final = ("bold", "dim", "italic", "underline")
_SIXTEEN: Final = 16


@dataclass(frozen=True, slots=True)
class _Pen:
    colour: str = ""
    ground: str = ""
    marks: frozenset[str] = frozenset()

    @property
    def classes(self) -> str:
        parts = [f"a-{mark}" for mark in _ORDER if mark in self.marks]
        parts += [f"a-{self.colour}"] if self.colour else []
        parts += [f"a-on-{self.ground}"] if self.ground else []
        return " ".join(parts)


_PLAIN: Final = _Pen()


def plain(text: str) -> str:
    """Without any of it, for search: what is shown, as text. A line that was written over shows what came last."""
    return "\n".join(_last(_SEQUENCE.sub("", line)) for line in text.split("\n"))


def coloured(text: str) -> Markup:
    """The text, escaped, with spans of classes `a-red`, `a-on-blue`, `a-bold`."""
    if _SPECIAL.search(text) is None:
        return escape(text)
    pen = _Pen()
    lines = []
    for line in text.split("\n"):
        if pen == _PLAIN and _SPECIAL.search(line) is None:
            lines.append(escape(line))
        else:
            told, pen = _line(line, pen)
            lines.append(told)
    return Markup("\n").join(lines)


def _line(line: str, pen: _Pen) -> tuple[Markup, _Pen]:
    parts: list[tuple[_Pen, str]] = []
    at = 0
    for found in _SEQUENCE.finditer(line):
        parts.append((pen, line[at : found.start()]))
        at = found.end()
        if found[1] is not None:
            pen = _drawn(pen, found[1])
    parts.append((pen, line[at:]))
    return Markup("").join(_span(each, text) for each, text in _kept(parts)), pen


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


def _span(pen: _Pen, text: str) -> Markup:
    told = escape(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text))
    return Markup('<span class="%s">%s</span>') % (pen.classes, told) if text and pen.classes else told


def _drawn(pen: _Pen, codes: str) -> _Pen:
    numbers = [int(code) if code and len(code) < 4 else 0 for code in codes.replace(":", ";").split(";")]
    while numbers:
        code = numbers.pop(0)
        if code == 0:
            pen = _Pen()
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
    return pen


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
