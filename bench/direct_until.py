"""The training of a measurement: forebay's one pass over click logs until an AUC is reached on the test day.

    python direct_until.py FOLDER AUC ANSWER

Writes one JSON object to ANSWER. Imports nothing but what it needs: its start is part of what is measured.
"""

import json
import sys
from pathlib import Path

from forebay.ctr.direct import direct


def main(folder: str, auc: str, answer: str) -> None:
    report = direct(Path(folder), until_auc=float(auc))
    said = {"auc": report.metrics.auc, "train_rows": report.train_rows, "looks": report.looks}
    said["test_rows"] = report.metrics.rows
    Path(answer).write_text(json.dumps(said | {"seconds": dict(report.seconds)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
