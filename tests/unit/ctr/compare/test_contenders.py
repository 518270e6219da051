"""Who takes part: all models of `forebay ctr train`, the baselines, and peers where they are installed."""

from __future__ import annotations

import pytest

from forebay.ctr.compare.contenders import CONTENDERS, FOREBAY_MODELS, FOREBAY_PREFIX, PANDAS_FOREST, chosen
from forebay.ctr.compare.trial import Family
from forebay.ctr.models.options import OPTIONS
from forebay.errors import InputError


def all_installed(package: str) -> bool:
    return True


def without_peers(package: str) -> bool:
    return package not in {"lightgbm", "polars"}


def test_every_model_takes_part_once() -> None:
    assert {each.name for each in FOREBAY_MODELS} == {f"{FOREBAY_PREFIX}{model}" for model in OPTIONS}
    assert len({each.name for each in CONTENDERS}) == len(CONTENDERS)


def test_the_reports_forest_is_there_three_times() -> None:
    family = [each.name for each in CONTENDERS if each.family is Family.REPORT_FOREST]
    assert family == ["pandas-forest", "tuned-forest", "forebay-forest"]


def test_the_reference_takes_part_whoever_is_named() -> None:
    assert [each.name for each in chosen(["forebay-direct", "tuned-forest"], all_installed)] == [
        "pandas-forest",
        "tuned-forest",
        "forebay-direct",
    ]
    assert chosen([], all_installed) == CONTENDERS


def test_who_is_not_installed_is_left_out_unless_named() -> None:
    left = chosen([], without_peers)
    assert PANDAS_FOREST in left
    assert {each.name for each in CONTENDERS} - {each.name for each in left} == {"polars-lightgbm"}
    with pytest.raises(InputError, match="lightgbm, polars") as caught:
        chosen(["polars-lightgbm"], without_peers)
    assert caught.value.kind == "missing-extra"
    assert "forebay[train,compare]" in caught.value.todo


def test_a_name_that_nobody_has_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        chosen(["spark"], all_installed)
    assert caught.value.kind == "no-such-contender"
