"""One contender in a process of its own: reads its part of the folder, answers in a file, tells progress on stdout.

    python -m forebay.ctr.compare.contender NAME FOLDER ANSWER ROUNDS SEED

Imports only what its contender needs: imports are part of what is measured.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forebay.ctr.compare.contenders import (
    FOREBAY_DIRECT,
    FOREBAY_PREFIX,
    PANDAS_FOREST,
    POLARS_LIGHTGBM,
    SKLEARN_BOOSTING,
    TUNED_FOREST,
)
from forebay.ctr.compare.measured import PROGRESS_WORD
from forebay.errors import ForebayError

if TYPE_CHECKING:
    from forebay.ctr.compare.answer import Answer


def answer(name: str, folder: Path, *, rounds: int | None, seed: int) -> Answer:
    """Train and measure the contender of this name."""
    if name == FOREBAY_DIRECT.name:
        return _direct(folder)
    if name.startswith(FOREBAY_PREFIX):
        from forebay.ctr.compare.own import run_forebay

        with tempfile.TemporaryDirectory(prefix="forebay-compare-") as scratch:
            model = name.removeprefix(FOREBAY_PREFIX)
            return run_forebay(model, folder, Path(scratch), rounds=rounds, seed=seed, progress=tell)
    if name == POLARS_LIGHTGBM.name:
        from forebay.ctr.compare.gradient import polars_lightgbm

        assert rounds is not None
        return polars_lightgbm(folder, rounds=rounds, seed=seed, progress=tell)
    from forebay.ctr.compare import frames

    if name == PANDAS_FOREST.name:
        return frames.pandas_forest(folder, seed=seed, progress=tell)
    if name == TUNED_FOREST.name:
        return frames.tuned_forest(folder, seed=seed, progress=tell)
    assert name == SKLEARN_BOOSTING.name
    assert rounds is not None
    return frames.sklearn_boosting(folder, rounds=rounds, seed=seed, progress=tell)


def _direct(folder: Path) -> Answer:
    from forebay.ctr.compare.answer import Answer
    from forebay.ctr.direct import direct

    report = direct(folder, progress=tell)
    return Answer(train_rows=report.train_rows, seconds=report.seconds, metrics=report.metrics)


def tell(stage: str, done: int, total: int) -> None:
    """A line for who watches."""
    sys.stdout.write(f"{PROGRESS_WORD}\t{stage}\t{done}\t{total}\n")
    sys.stdout.flush()


def said(name: str, folder: Path, *, rounds: int | None, seed: int) -> dict[str, Any]:
    """The answer as JSON, or the error it ended with."""
    try:
        found = answer(name, folder, rounds=rounds, seed=seed)
    except MemoryError as error:
        return {"error": f"MemoryError: {error}", "out_of_memory": True}
    except ForebayError as error:
        return {"error": f"{error.kind}: {error.message}", "out_of_memory": False}
    except Exception as error:  # noqa: BLE001 - whatever a library raises is this contender's result
        return {"error": f"{type(error).__name__}: {error}", "out_of_memory": "std::bad_alloc" in str(error)}
    metrics = found.metrics
    quality = {
        name: getattr(metrics, name)
        for name in ("rows", "clicks", "auc", "log_loss", "normalised_entropy", "calibration", "calibration_error")
    }
    return {"train_rows": found.train_rows, "seconds": dict(found.seconds), "quality": quality}


def main(name: str, folder: str, target: str, rounds: str, seed: str) -> None:
    """All words of the command line."""
    told = said(name, Path(folder), rounds=int(rounds) if rounds != "-" else None, seed=int(seed))
    Path(target).write_text(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
