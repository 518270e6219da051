"""What goes wrong, how often, and how often it really did."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from forebay.testing.sim.simulator import Simulator


class Fault(StrEnum):
    """Each kind of fault."""

    REQUEST_LOST = "a request is lost"
    ANSWER_LOST = "an answer is lost"
    LATE = "a message is late, so that others overtake it"
    DOUBLED = "a request comes twice"
    PARTITION = "a site can't reach the hub"
    AGENT_KILLED = "an agent is killed"
    AGENT_STOPPED = "an agent is stopped, and goes on later"
    POWER_CUT = "a site's machine loses power, with what was not brought to the disk"
    HUB_KILLED = "the hub is killed"
    CLOCK_FORWARD = "the hub's clock jumps an hour forward"
    CLOCK_BACK = "the hub's clock jumps an hour back"
    LAKE_FAILS = "the lake fails a fetch"
    SITE_CLOCK = "a site's clock is set wrong"
    LAKE_LOST = "the lake loses a version for a while"
    VOLUME_AWAY = "a volume is unmounted, and looks empty"
    HOLDER_PAUSED = "who fills or evicts is stopped for longer than its hold, before what can't be undone"
    SECOND_AGENT = "a second agent takes a site"
    JOB_FAILS = "a run's command fails"


ON_MESSAGES = {Fault.REQUEST_LOST: 0.02, Fault.ANSWER_LOST: 0.02, Fault.LATE: 0.04, Fault.DOUBLED: 0.02}
"""The share of messages."""

ON_WORK = {Fault.LAKE_FAILS: 0.05, Fault.JOB_FAILS: 0.1, Fault.HOLDER_PAUSED: 0.1}
"""The share of fetches, of jobs, and of the steps of fills and evictions that can't be undone."""


class Chaos:
    """Decides by the simulation's chance, until `quiet`."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self.fired: Counter[Fault] = Counter()
        self.quiet = False

    def strikes(self, fault: Fault) -> bool:
        """Whether this message or piece of work meets the fault."""
        share = ON_MESSAGES.get(fault) or ON_WORK[fault]
        if self._sim.chance.random() >= share or self.quiet:
            return False
        self.fire(fault)
        return True

    def fire(self, fault: Fault, on: str = "") -> None:
        self.fired[fault] += 1
        self._sim.note(f"FAULT {fault.name} {on}")
