"""The page: whole in one file, with nothing that runs or calls, every number beside its chart, and any name escaped."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from forebay.ctr.report.page import render
from tests.unit.ctr.report.samples import sample

REPORT = sample()
PAGE = render(REPORT)
_VOID = {"meta", "br", "link", "hr"}


class Read(HTMLParser):
    """Every element with its attributes; fails where one is not closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def count(self, tag: str) -> int:
        return sum(each == tag for each, _ in self.elements)


READ = Read(PAGE)


def test_nothing_in_it_runs_or_calls() -> None:
    tags = {tag for tag, _ in READ.elements}
    assert tags.isdisjoint({"script", "link", "img", "iframe", "object", "a", "form", "use", "image"})
    for tag, attributes in READ.elements:
        names = set(attributes)
        assert names.isdisjoint({"style", "src", "href", "xlink:href", "srcset", "action"}), tag
        assert not any(name.startswith("on") for name in names), tag
    style = PAGE.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_it_links_dasks_report_where_that_lies_beside_it() -> None:
    made_by = replace(REPORT.provenance, dask_report="dask.html")
    read = Read(render(replace(REPORT, provenance=made_by)))
    assert [each for tag, each in read.elements if tag == "a"] == [{"href": "dask.html"}]


def test_its_policy_allows_its_own_style_alone() -> None:
    style = PAGE.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(each["content"] for tag, each in READ.elements if "http-equiv" in each)
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'"


def test_every_chart_is_named_and_has_its_numbers_in_a_table_with_a_caption() -> None:
    charts = [each for tag, each in READ.elements if tag == "svg" and each.get("role") == "img"]
    assert len(charts) == 6
    ids = [each["id"] for _, each in READ.elements if "id" in each]
    assert len(ids) == len(set(ids))
    for each in charts:
        assert {each["aria-labelledby"], each["aria-describedby"]} <= set(ids)
    # ROC, precision, lift, calibration; days, features and the rest of them, stages.
    assert READ.count("table") == READ.count("caption") == 8
    assert READ.count("details") == 5
    rows = READ.count("tr") - READ.count("thead")
    curves = (REPORT.roc, REPORT.precision_recall, REPORT.lift, REPORT.calibration)
    assert rows == sum(map(len, (*curves, REPORT.days, REPORT.importance, REPORT.stages)))


def test_it_says_the_figures_and_what_made_them() -> None:
    told = " ".join(READ.text)
    for each in (
        f"{REPORT.metrics.auc:.4f}",
        f"{REPORT.metrics.log_loss:.4f}",
        f"{REPORT.average_precision.value:.4f}",
        "80,000 rows of days 0 to 3",
        "criteo@v7",
        "git:2f1d6c0b",
        "seed 1",
        "xgboost 3.2.0",
        "rounds 200",
        "2026-11-30 00:53 UTC",
    ):
        assert each in told


def test_headings_go_down_one_step_at_a_time() -> None:
    levels = [int(tag[1]) for tag, _ in READ.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_a_model_without_gains_has_no_features_and_a_single_day_no_drift() -> None:
    bare = render(sample(later=0, gains={}))
    assert "<h2>Features</h2>" not in bare
    assert "<h2>Features</h2>" in PAGE
    read = Read(bare)
    assert "Features by gain" not in bare
    assert read.count("table") == 6


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "a&b"])
def test_names_are_text_wherever_they_stand(name: str) -> None:
    page = render(sample(later=0, gains={name: 1.0, "I1": 2.0}, features=name))
    read = Read(page)
    assert {tag for tag, _ in read.elements} <= {tag for tag, _ in READ.elements}
    assert not any(name.startswith("on") or name == "src" for _, each in read.elements for name in each)
    assert sum(name in text for text in read.text) >= 4
