"""Who takes part, in the order of the tables. What is not built is not listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from forebay.ctr.compare.trial import Contender, Family
from forebay.errors import InputError

PANDAS_FOREST: Final = Contender(
    name="pandas-forest",
    what="as the report: pandas, sklearn's random forest on the 13 integers, one core",
    family=Family.REPORT_FOREST,
)
"""The reference of all verdicts."""

TUNED_FOREST: Final = Contender(
    name="tuned-forest",
    what="the same forest, tuned: pyarrow's reader, float32, all cores",
    family=Family.REPORT_FOREST,
)
SKLEARN_BOOSTING: Final = Contender(
    name="sklearn-boosting",
    what="sklearn's HistGradientBoosting on the integers, target rates (cross-fitted) and counts of the categories",
    rounds=(25, 100),
)
POLARS_LIGHTGBM: Final = Contender(
    name="polars-lightgbm",
    what="polars and LightGBM on the integers, target rates (out of fold) and counts of the categories",
    rounds=(50, 200),
    needs=("lightgbm", "polars"),
)
"""Takes part where the extra `compare` is installed."""
BASELINES: Final = (PANDAS_FOREST, TUNED_FOREST, SKLEARN_BOOSTING, POLARS_LIGHTGBM)

FOREBAY_PREFIX: Final = "forebay-"
FOREBAY_MODELS: Final = (
    Contender(
        name=f"{FOREBAY_PREFIX}forest",
        what="forebay ctr prepare, train --preset tr4904 and evaluate: the report's forest, 16 bins, on Dask",
        family=Family.REPORT_FOREST,
    ),
    Contender(
        name=f"{FOREBAY_PREFIX}logistic",
        what="the same with --model logistic: hashed logistic regression with crosses, one pass",
    ),
    Contender(
        name=f"{FOREBAY_PREFIX}boosting",
        what="the same with --model boosting: XGBoost on Dask",
        rounds=(50, 200),
    ),
    Contender(
        name=f"{FOREBAY_PREFIX}hybrid",
        what="the same with --model hybrid: boosting with the logistic model's log-odds",
        rounds=(50, 200),
    ),
)
"""The models that go through prepare, train and evaluate: a line each, by the name that `train` has for it."""

FOREBAY_DIRECT: Final = Contender(
    name=f"{FOREBAY_PREFIX}direct",
    what="hashed logistic regression, one pass straight from the click log, no Dask",
)

CONTENDERS: Final = (*BASELINES, *FOREBAY_MODELS, FOREBAY_DIRECT)


def chosen(names: Sequence[str], is_installed: Callable[[str], bool]) -> tuple[Contender, ...]:
    """The contenders of these names, in the order of the tables; the reference always. Where none is named, all whose
    packages are installed.

    InputError `no-such-contender`, `missing-extra`.
    """
    known = {contender.name: contender for contender in CONTENDERS}
    for name in names:
        if name not in known:
            raise InputError("no-such-contender", f"{name!r} does not take part", todo=f"there are {', '.join(known)}")
        missing = [package for package in known[name].needs if not is_installed(package)]
        if missing:
            told = f"{name} needs packages that are not installed: {', '.join(missing)}"
            raise InputError("missing-extra", told, todo="pip install 'forebay[train,compare]'")
    named = names or [each.name for each in CONTENDERS if all(map(is_installed, each.needs))]
    return tuple(each for each in CONTENDERS if each.name in named or each is PANDAS_FOREST)
