"""Where a run's time went: waiting, starting and running, one after the other. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from forebay.wire.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`kind` is "waiting" (for its data or for compute), "starting" or "running". `until` is now while it `goes_on`."""

    kind: str
    attempt: int
    site: str
    began: float
    until: float
    goes_on: bool = False

    @property
    def seconds(self) -> float:
        return max(0.0, self.until - self.began)


def stages_of(run: Run, now: float) -> list[Stage]:
    """In their order; what took no time is left out, unless it goes on."""
    found: list[Stage] = []
    at = run.submitted_at
    for item in run.attempts:
        over = item.ended_at or now
        goes_on = item.ending is None
        begun = item.started_at or over
        found.append(Stage(kind="waiting", attempt=item.number, site=item.site, began=at, until=item.ordered_at))
        found.append(
            Stage(
                kind="starting",
                attempt=item.number,
                site=item.site,
                began=item.ordered_at,
                until=begun,
                goes_on=goes_on and not item.started_at,
            )
        )
        if item.started_at:
            found.append(
                Stage(kind="running", attempt=item.number, site=item.site, began=begun, until=over, goes_on=goes_on)
            )
        at = over
    if not run.attempts or run.attempts[-1].ending is not None:
        waits = not run.state.is_final
        until = now if waits else run.since
        number = run.attempts[-1].number + 1 if run.attempts else 1
        found.append(Stage(kind="waiting", attempt=number, site=run.site, began=at, until=until, goes_on=waits))
    return [stage for stage in found if stage.goes_on or stage.seconds >= 0.05]
