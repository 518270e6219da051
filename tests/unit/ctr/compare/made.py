"""Outcomes as trials would give them."""

from __future__ import annotations

from forebay.ctr.compare.trial import Contender, Cost, Done, Failed, Family, Quality, Reason, StageSeconds, Trial

REFERENCE = Contender(name="reference", what="the reference", family=Family.REPORT_FOREST)
TWIN = Contender(name="twin", what="the same, made otherwise", family=Family.REPORT_FOREST)
OTHER = Contender(name="other", what="another model", rounds=(5, 20))
ALL = (REFERENCE, TWIN, OTHER)


def done(
    contender: Contender,
    rows: int,
    *,
    auc: float = 0.7,
    wall_s: float = 8.0,
    cpu_s: float = 6.0,
    peak_bytes: int = 1 << 30,
    rounds: int | None = None,
) -> Done:
    """With the contender's usual rounds where none are given."""
    return Done(
        trial=Trial(contender=contender.name, rows=rows, rounds=rounds or contender.usual_rounds),
        cost=Cost(wall_s=wall_s, cpu_s=cpu_s, peak_bytes=peak_bytes),
        seconds=StageSeconds(read=1.0, features=0.0, fit=2.0, predict=0.5, other=max(0.0, wall_s - 3.5)),
        quality=Quality(
            rows=1000,
            clicks=100,
            auc=auc,
            log_loss=0.3,
            normalised_entropy=0.9,
            calibration=1.0,
            calibration_error=0.001,
        ),
    )


def failed(contender: Contender, rows: int, reason: Reason = Reason.FAILED, rounds: int | None = None) -> Failed:
    return Failed(
        trial=Trial(contender=contender.name, rows=rows, rounds=rounds or contender.usual_rounds),
        cost=Cost(wall_s=1.0, cpu_s=1.0, peak_bytes=1 << 20),
        reason=reason,
        error="what went | wrong <here>",
    )
