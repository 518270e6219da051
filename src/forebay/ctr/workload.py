"""The whole reference workload as a few calls on plain paths; the CLI and `quickstart` sit on these."""

from forebay.ctr.baseline import BaselineReport, baseline
from forebay.ctr.evaluate import EvaluationReport, evaluate
from forebay.ctr.generate import GenerateReport, find_generated, generate
from forebay.ctr.prepare import PrepareReport, prepare
from forebay.ctr.train import TrainReport, train

__all__ = [
    "BaselineReport",
    "EvaluationReport",
    "GenerateReport",
    "PrepareReport",
    "TrainReport",
    "baseline",
    "evaluate",
    "find_generated",
    "generate",
    "prepare",
    "train",
]
