"""The training of a measurement: polars and LightGBM on click logs, as many rounds as so many seconds allow.

    python peer_lightgbm.py FOLDER SECONDS ANSWER

Writes one JSON object to ANSWER: its own stages in seconds, and its quality on the test day.
"""

import json
import sys
from pathlib import Path

from forebay.ctr.compare.gradient import polars_lightgbm
from forebay.ctr.stages import no_progress

FIGURES = ("auc", "log_loss", "normalised_entropy", "calibration_error")
_ROUNDS = 10_000


def main(folder: str, seconds: str, answer: str) -> None:
    limit_s = float(seconds)
    found = polars_lightgbm(Path(folder), rounds=_ROUNDS, seed=1, time_limit_s=limit_s, progress=no_progress)
    figures = {name: getattr(found.metrics, name) for name in FIGURES}
    Path(answer).write_text(json.dumps({"seconds": dict(found.seconds), "figures": figures}))


if __name__ == "__main__":
    main(*sys.argv[1:])
