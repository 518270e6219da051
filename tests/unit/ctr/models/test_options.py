"""Options of models: their ranges, and the way through JSON."""

from __future__ import annotations

import dataclasses
import json

import pytest

from forebay.cli.ctr import Learner
from forebay.ctr.models.options import (
    LEARNERS,
    OPTIONS,
    TR4904,
    BoostingOptions,
    ForestOptions,
    HybridOptions,
    LogisticOptions,
    ModelOptions,
    check_resume,
    choose,
    model_name,
    options_of,
)
from forebay.errors import InputError


@pytest.mark.parametrize("options", [*(kind() for kind in OPTIONS.values()), TR4904], ids=repr)
def test_they_survive_json(options: ModelOptions) -> None:
    told = json.loads(json.dumps(dataclasses.asdict(options)))
    assert options_of(model_name(options), told) == options


def test_the_reports_forest() -> None:
    assert (TR4904.trees, TR4904.max_depth, TR4904.max_bin, TR4904.blank) == (10, 10, 16, 0.0)
    assert TR4904.features is not None
    assert len(TR4904.features) == 13


def test_values_out_of_range_are_refused() -> None:
    def refused(make: type[ModelOptions], **wrong: float | str) -> None:
        with pytest.raises(InputError, match=next(iter(wrong))):
            make(**wrong)  # type: ignore[arg-type]

    refused(BoostingOptions, rounds=0)
    refused(BoostingOptions, checkpoint_every=-1)
    refused(ForestOptions, row_share=0.0)
    refused(LogisticOptions, bits=40)
    refused(LogisticOptions, learner="guess")
    assert HybridOptions().boosting == BoostingOptions()


def test_what_is_given_takes_the_place_of_defaults() -> None:
    assert choose(None, None, {"rounds": 7, "trees": None}) == BoostingOptions(rounds=7)
    assert choose("forest", None, {"trees": 7}) == ForestOptions(trees=7)
    assert choose(None, "tr4904", {"seed": 3}) == dataclasses.replace(TR4904, seed=3)
    hybrid = choose("hybrid", None, {"seed": 3, "bits": 12, "rounds": 5})
    assert hybrid == HybridOptions(
        boosting=BoostingOptions(seed=3, rounds=5), logistic=LogisticOptions(learner="gaussian", seed=3, bits=12)
    )


def test_what_means_nothing_for_a_model_is_refused() -> None:
    given = {"rounds": 7, "trees": None, "seed": None}
    with pytest.raises(
        InputError, match=r"--rounds means nothing for --model forest\nit has --trees, --seed"
    ) as caught:
        choose("forest", None, given)
    assert caught.value.kind == "option-of-another-model"
    with pytest.raises(InputError) as caught:
        choose("boosting", "tr4904", {})
    assert caught.value.kind == "other-model"


def test_the_command_line_offers_every_learner() -> None:
    assert tuple(Learner) == LEARNERS


@pytest.mark.parametrize(
    ("model", "may"), [("boosting", True), ("hybrid", True), ("forest", False), ("logistic", False)]
)
def test_only_what_has_checkpoints_can_be_gone_on_with(model: str, may: bool) -> None:
    options = choose(model, None, {})
    if may:
        check_resume(options)
        return
    with pytest.raises(InputError, match=f"--resume means nothing for --model {model}") as caught:
        check_resume(options)
    assert caught.value.kind == "option-of-another-model"
