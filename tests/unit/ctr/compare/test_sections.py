"""A comparison on paper: every trial is there, failed ones with their reason, and nothing can break out of a cell."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from forebay.ctr.compare.comparison import ComparisonReport, Machine
from forebay.ctr.compare.page import html, markdown, write_page
from forebay.ctr.compare.sections import sections
from forebay.ctr.compare.trial import Outcome, Reason
from forebay.ctr.compare.verdicts import equal_cpu, same_algorithm, time_to_auc
from forebay.ctr.split import Split
from forebay.errors import InputError
from tests.unit.ctr.compare.made import ALL, OTHER, REFERENCE, TWIN, done, failed

OUTCOMES: tuple[Outcome, ...] = (
    done(OTHER, 100, auc=0.75, wall_s=2.0, rounds=5),
    done(REFERENCE, 100, auc=0.7),
    failed(TWIN, 100, Reason.OUT_OF_MEMORY),
)
REPORT = ComparisonReport(
    source="clicks@v1",
    split=Split(train=(0, 1), validate=2, test=3),
    rows_by_day={0: 60, 1: 40, 2: 50, 3: 70},
    test_rows=50,
    sizes=(100,),
    reference=REFERENCE.name,
    contenders=ALL,
    memory_limit_bytes=1 << 30,
    time_limit_s=60.0,
    seed=1,
    machine=Machine(cores=2, memory_bytes=1 << 34, system="Linux", versions={"numpy": "2"}),
    outcomes=OUTCOMES,
    same_algorithm=same_algorithm(OUTCOMES, ALL, rows=100, reference=REFERENCE),
    time_to_auc=time_to_auc(OUTCOMES, ALL, rows=100, reference=REFERENCE),
    equal_cpu=equal_cpu(OUTCOMES, ALL, rows=100, reference=REFERENCE),
)
TOLD = sections(REPORT)


class _Page(HTMLParser):
    """Its cells, and every address it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.loads: list[str] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [f"{tag} {name}" for name, _ in attrs if name in {"src", "href"}]
        self.loads += [tag] if tag in {"script", "link", "img", "iframe"} else []
        self._in_cell = tag in {"td", "th"}
        if self._in_cell:
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = False


def test_every_row_is_as_wide_as_its_head() -> None:
    for section in TOLD:
        assert {len(row) for row in section.rows} <= {len(section.head)}, section.title


def test_every_trial_is_told_in_the_order_of_the_contenders() -> None:
    trials = next(section for section in TOLD if section.title == "Trials")
    assert [row[0] for row in trials.rows] == ["reference", "twin", "other"]
    assert trials.rows[1][-1] == "out-of-memory: what went | wrong <here>"
    assert "0.7500" in trials.rows[2]
    assert REPORT.failures == 1


def test_the_verdicts_are_told() -> None:
    by_title = {section.title: section.rows for section in TOLD}
    assert by_title["Same algorithm"] == (("twin", "100", "", "", "", "", "", "twin: out-of-memory"),)
    assert by_title["Time to the same AUC"][2] == ("other", "100", "0.7000", "100", "5", "2.0", "4.00x", "2.0", "")
    assert by_title["At equal CPU-seconds"][2] == ("other", "100", "6.0", "100", "5", "6.0", "0.7500", "")


def test_the_html_page_loads_nothing_and_escapes_everything() -> None:
    page = _Page()
    page.feed(html(TOLD))
    assert page.loads == []
    assert "out-of-memory: what went | wrong <here>" in page.cells
    assert {cell for section in TOLD for row in section.rows for cell in row} <= set(page.cells)


def test_the_markdown_tables_hold_together() -> None:
    lines = markdown(TOLD).splitlines()
    widths = [len(re.split(r"(?<!\\)\|", line)) for line in lines if line.startswith("|")]
    expected = [len(section.head) + 2 for section in TOLD for _ in range(len(section.rows) + 2)]
    assert widths == expected


def test_the_files_ending_says_what_it_becomes(tmp_path: Path) -> None:
    for name, start in (("a/c.md", "# "), ("a/c.html", "<!doctype html>")):
        for _ in range(2):
            write_page(TOLD, tmp_path / name)
        assert (tmp_path / name).read_text().startswith(start)
    with pytest.raises(InputError):
        write_page(TOLD, tmp_path / "c.pdf")
    assert not (tmp_path / "c.pdf").exists()
