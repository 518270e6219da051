"""How near forebay's models come to the best that is possible, which the generator of the click logs knows.

Generates days, prepares them once, trains each model, and measures it on the last day beside the optimum; and beside
polars and LightGBM, which get as many seconds for reading, features and fitting as the best model took for preparation
and training. Run: python -m bench.quality [--rows N] [--days N] [--scale S]. More rows matter: what a category does to
the chance of a click can't be known better than its rows tell, whatever the model.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench import peer_lightgbm
from bench.machine import machine_facts, options_parser
from bench.report import Case, Side, conclude, table
from forebay.ctr.compare.measured import Limits, measure
from forebay.ctr.models.options import TR4904, BoostingOptions, HybridOptions, LogisticOptions, ModelOptions
from forebay.ctr.truth import TruthDay
from forebay.ctr.workload import evaluate, generate, prepare, train

ROWS, DAYS = 3_000_000, 4
AUC_AIM, CALIBRATION_AIM = 0.01, 0.005
PEER = "polars, LightGBM"
_LIMITS = Limits(memory_bytes=1 << 40, time_s=7200.0)
MODELS: dict[str, ModelOptions] = {
    "forest (tr4904)": TR4904,
    "boosting": BoostingOptions(),
    "logistic": LogisticOptions(),
    "logistic (gaussian)": LogisticOptions(learner="gaussian"),
    "hybrid": HybridOptions(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A model on the last day; seconds of its training, of LightGBM with reading and features."""

    train_s: float
    auc: float
    log_loss: float
    normalised_entropy: float
    calibration_error: float


def main() -> None:
    parser = options_parser("bench.quality", __doc__, rounds=1)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows a day (default: %(default)s)")
    parser.add_argument("--days", type=int, default=DAYS, help="days (default: %(default)s)")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS), metavar="MODEL")
    options = parser.parse_args()
    rows = int(options.rows * options.scale)
    with tempfile.TemporaryDirectory(prefix="forebay-bench-") as scratch:
        folder = Path(scratch)
        facts = machine_facts(folder)
        truth = generate(folder / "clicks", days=options.days, rows_per_day=rows).truth.days[-1]
        prepared = prepare(folder / "clicks", folder / "features")
        prepare_s = sum(prepared.seconds.values())
        results = {name: measured(folder, name, model) for name, model in MODELS.items() if name in options.models}
        best = max(results, key=lambda name: results[name].auc)
        peer = lightgbm_within(folder / "clicks", prepare_s + results[best].train_s)
    shown = [
        [
            name,
            f"{each.train_s:.1f}",
            f"{each.auc:.4f}",
            f"{each.log_loss:.4f}",
            f"{each.normalised_entropy:.4f}",
            f"{each.calibration_error:.5f}",
        ]
        for name, each in (results | {PEER: peer}).items()
    ]
    shown.append(["optimum", "", f"{truth.best_auc:.4f}", f"{truth.best_log_loss:.4f}", "", ""])
    head = ["model", "train s", "AUC", "log loss", "NE", "calibration error"]
    print(table(f"{options.days} days of {rows:,} rows, the last one measured", head, shown))
    facts |= {"rows_per_day": rows, "days": options.days, "prepare_s": round(prepare_s, 2)}
    facts["auc"] = {name: round(each.auc, 5) for name, each in results.items()} | {"optimum": truth.best_auc}
    facts["peer"] = {"auc": round(peer.auc, 5), "seconds": round(peer.train_s, 2), "lightgbm": version("lightgbm")}
    conclude("quality", cases(best, results[best], peer, truth), facts)


def measured(folder: Path, name: str, options: ModelOptions) -> Measured:
    model = folder / name.replace(" ", "-")
    report = train(folder / "features", model, options=options)
    metrics = evaluate(folder / "features", model).metrics
    return Measured(
        train_s=sum(report.seconds.values()), **{name: getattr(metrics, name) for name in peer_lightgbm.FIGURES}
    )


def lightgbm_within(clicks: Path, seconds: float) -> Measured:
    """In a process of its own, as whoever uses it would have it; what it needs to start is not in its seconds."""
    program = [sys.executable, "-P", str(Path(peer_lightgbm.__file__)), str(clicks), repr(seconds)]
    found = measure(lambda target: [*program, str(target)], limits=_LIMITS)
    if found.answer is None:
        raise SystemExit(f"LightGBM failed: {found.errors}")
    stages = found.answer["seconds"]
    return Measured(train_s=sum(stages[name] for name in ("read", "features", "fit")), **found.answer["figures"])


def cases(best: str, model: Measured, peer: Measured, truth: TruthDay) -> list[Case]:
    if truth.best_auc is None:
        raise SystemExit("the last day is of one class: take more rows")
    return [
        Case(
            case=f"optimum's AUC - {best}'s",
            measured=f"{truth.best_auc:.4f} - {model.auc:.4f}",
            ratio=truth.best_auc - model.auc,
            side=Side.AT_MOST,
            bound=AUC_AIM,
        ),
        Case(
            case=f"calibration error of {best}",
            measured=f"{model.calibration_error:.5f}",
            ratio=model.calibration_error,
            side=Side.AT_MOST,
            bound=CALIBRATION_AIM,
        ),
        Case(
            case=f"{best}'s AUC - that of {PEER} in the same time",
            measured=f"{model.auc:.4f} - {peer.auc:.4f}",
            ratio=model.auc - peer.auc,
            side=Side.AT_LEAST,
            bound=0.0,
        ),
    ]


if __name__ == "__main__":
    main()
