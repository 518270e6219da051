from __future__ import annotations

import io

from rich.console import Console

from forebay.cli.call import console
from forebay.cli.table import keep, number, print_facts, print_table, text

_COLUMNS = [keep("VERSION"), number("SIZE"), text("MESSAGE")]
_ROWS = [("criteo@v1", "1.0 GiB", "a very long message " * 10), ("a-rather-long-name@v12", "3 B", "[red]x\x1b[0m")]


def test_in_a_terminal_only_text_is_cut() -> None:
    stream = io.StringIO()
    print_table(Console(file=stream, width=60, force_terminal=True, color_system=None), _COLUMNS, _ROWS)
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert len(lines) == 3
    assert all(len(line) <= 60 for line in lines)
    assert "a-rather-long-name@v12      3 B  [red]x" in lines[2]
    assert lines[1].endswith("…")
    assert "\x1b[0m" not in lines[2]


def test_elsewhere_nothing_is_cut_and_no_line_ends_in_blanks() -> None:
    stream = io.StringIO()
    print_table(console(stream), _COLUMNS, _ROWS)
    print_facts(console(stream), [("name", "value " * 50), ("absent", "")])
    lines = stream.getvalue().splitlines()
    assert _ROWS[0][2].strip() in lines[1]
    assert lines == [line.rstrip() for line in lines]
    assert "absent" not in stream.getvalue()
