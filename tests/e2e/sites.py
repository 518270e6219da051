"""Agents as processes of their own, a hub whose holds are as long as a test wants, and a run that keeps a diary."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from forebay.clock import SystemClock
from forebay.hub.local import LocalHub
from forebay.sites.state import SiteTerms
from forebay.testing.served import ServedHubs
from forebay.wire.runs import NewRun, Run, RunState
from forebay.wire.sites import SiteState
from tests.e2e.program import Program
from tests.e2e.serving import told

PATIENCE_S = 120.0
Found = TypeVar("Found")


@dataclass(kw_only=True)
class Team:
    """A hub served by this process, and what reaches it."""

    folder: Path
    hub: LocalHub
    url: str
    token: str
    agents: list[subprocess.Popen[str]] = field(default_factory=list)

    def program(self, name: str, **env: str) -> Program:
        """forebay with a home of its own, which asks this hub."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return Program(folder, FOREBAY_HUB=self.url, FOREBAY_TOKEN=self.token, **env)

    def agent(self, program: Program, site: str, *arguments: str | Path) -> subprocess.Popen[str]:
        """Started, and heard of by the hub."""
        before = self.agent_token(site)
        process = start_agent(program, site, *arguments)
        self.agents.append(process)
        told(process)
        wait_for(lambda: self.agent_token(site) > before and self.hub.sites.get(site).state is SiteState.UP)
        return process

    def agent_token(self, site: str) -> int:
        return next((item.agent_token for item in self.hub.sites.all() if item.name == site), 0)

    def wait_run(self, run_id: str, *states: RunState) -> Run:
        return wait_for(lambda: run if (run := self.hub.runs.get(run_id)).state in states else None)


def start_agent(program: Program, site: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """What it logs is beside its home."""
    with (program.folder / f"{site}.log").open("ab") as log:
        return program.start("agent", "--site", site, "--json", *arguments, stderr=log)


@contextmanager
def team_with(served: ServedHubs, folder: Path, terms: SiteTerms) -> Iterator[Team]:
    """With its scheduler at work; agents are made to end whatever happens."""
    clock = SystemClock()
    home = folder / "hub"
    hub = LocalHub.open(home, f"sqlite:///{home / 'hub.db'}", clock, site_terms=terms)
    scheduler = threading.Thread(target=hub.scheduler.run_forever, daemon=True)
    scheduler.start()
    token = served.lend(hub, clock)
    team = Team(folder=folder, hub=hub, url=served.url, token=token)
    try:
        yield team
    finally:
        for process in team.agents:
            process.kill()
            process.communicate()
        served.take_back(token)
        hub.scheduler.close()
        scheduler.join()
        hub.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diary:
    """A command that writes what it does, each line with its attempt, until it is told that it may end."""

    path: Path

    @property
    def go(self) -> Path:
        return self.path.with_suffix(".go")

    def new_run(self, last: str = "true") -> NewRun:
        """`last` is what it does in the end."""
        script = (
            f'say() {{ echo "$1 $FOREBAY_RUN_ATTEMPT" >> {self.path}; }}; say start; echo begun; '
            f"while [ ! -e {self.go} ]; do say beat; sleep 0.05; done; {last}; say end; echo over"
        )
        return NewRun(command=("sh", "-c", script), submitted_by="ada")

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def let_end(self) -> None:
        self.go.touch()

    def wait_for_attempt(self, number: int) -> None:
        """Or for one after it: an agent that a busy machine holds up for longer than its hold loses one unbegun."""
        wait_for(lambda: any(int(line.split()[1]) >= number for line in self.lines() if line.startswith("beat ")))

    def check_one_at_a_time(self) -> None:
        """Once an attempt has begun, nothing of an earlier one goes on (ONCE, HELD)."""
        numbers = [int(line.split()[1]) for line in self.lines()]
        assert numbers == sorted(numbers), "two attempts at once"
        starts = [line for line in self.lines() if line.startswith("start")]
        assert len(starts) == len(set(starts)), "an attempt was begun twice"


def wait_for(look: Callable[[], Found | None]) -> Found:
    """What it finds at last. No test rests on how long that takes."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found
