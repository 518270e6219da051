"""A comparison as a file: Markdown, or one HTML page without script, style sheet or picture from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from forebay.ctr.compare.sections import Section
from forebay.ctr.files import new_file
from forebay.errors import InputError

TITLE: Final = "Click-through-rate training, compared"
_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 90rem; margin: 2rem auto; padding: 0 1rem; }
div { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); }
th, td { text-align: right; white-space: nowrap; }
.words { text-align: left; white-space: normal; }
"""


def check_target(target: Path) -> None:
    """InputError `bad-option` where the name does not say which of the two it should be."""
    if target.suffix not in {".md", ".html"}:
        raise InputError("bad-option", f"{target} is neither .md nor .html", todo="name the file so, to choose one")


def write_page(sections: Sequence[Section], target: Path) -> None:
    """By the name's ending; an older file of that name is replaced."""
    check_target(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    text = markdown(sections) if target.suffix == ".md" else html(sections)
    with new_file(target) as file:
        file.write(text.encode())


def markdown(sections: Sequence[Section]) -> str:
    """GitHub's tables."""
    return "\n".join([f"# {TITLE}\n", *map(_markdown_section, sections)])


def _markdown_section(section: Section) -> str:
    rule = ["---" if _is_words(section, column) else "--:" for column in range(len(section.head))]
    lines = [f"## {section.title}", "", section.told, ""]
    lines += [_line(section.head), f"|{'|'.join(rule)}|", *map(_line, section.rows)]
    return "\n".join([*lines, ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in cells)} |"


def html(sections: Sequence[Section]) -> str:
    """One self-contained page, light and dark."""
    body = "".join(map(_html_section, sections))
    head = f'<meta charset="utf-8"><title>{TITLE}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body><h1>{TITLE}</h1>{body}</body></html>\n'


def _html_section(section: Section) -> str:
    head = _cells(section, section.head, "th")
    rows = "\n".join(f"<tr>{_cells(section, row, 'td')}</tr>" for row in section.rows)
    table = f"<div><table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table></div>"
    return f"\n<h2>{escape(section.title)}</h2>\n<p>{escape(section.told)}</p>\n{table}"


def _cells(section: Section, cells: Sequence[str], tag: str) -> str:
    classes = [' class="words"' if _is_words(section, column) else "" for column in range(len(cells))]
    return "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(classes, cells, strict=True))


def _is_words(section: Section, column: int) -> bool:
    """The first columns, and the last one where it has no title: it holds the reasons."""
    return column < section.words or not section.head[column]
