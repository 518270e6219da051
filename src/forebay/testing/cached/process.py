"""A process of its own that uses a world's cache: started, paused, killed and read by tests. Speaks JSON lines.

`python -m forebay.testing.cached.process ROOT TASK` where TASK is JSON: what to `do` with which `ref`, and how.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from sqlalchemy import event

from forebay.cache.engine import Cache
from forebay.cache.machine import Terms
from forebay.errors import ForebayError
from forebay.testing.cached.disks import FailingDisk, KillingDisk
from forebay.testing.cached.world import LIMIT_BYTES, Node, World, holder
from forebay.wire.cache import Progress

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """`kill_at` and `stop_at` are numbers of disk effects: there the process kills or stops itself.

    With a `host` it runs as that node of several; a `far` one can't be seen by the processes of others. A `crowd` is so
    many processes more, forked off before they touch anything: each speaks for itself.
    """

    do: str
    ref: str
    kill_at: int = 0
    kill_after: bool = False
    stop_at: int = 0
    stop_effect: str = ""
    hold_seconds: float = 10.0
    lease_seconds: float = 120.0
    limit_bytes: int = LIMIT_BYTES
    streams: int = 4
    purpose: str = "test"
    host: str = ""
    database_url: str = ""
    crowd: int = 0
    far: bool = False


@dataclass(slots=True)
class CacheProcess:
    """A running one. `lines` are what it said."""

    popen: subprocess.Popen[str]
    lines: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def start(cls, root: Path, task: Task, user: str | None = None) -> Self:
        command = [sys.executable, "-m", "forebay.testing.cached.process", str(root), json.dumps(asdict(task))]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stdin": subprocess.PIPE, "text": True}
        return cls(subprocess.Popen(command, **pipes, user=user, start_new_session=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.popen.poll() is None:
            # With its crowd, which has no other master.
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            assert pipe is not None
            pipe.close()

    def say(self, word: str) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(word + "\n")
        self.popen.stdin.flush()

    def until(self, word: str) -> dict[str, Any]:
        """Read on until it says this; what it said with it."""
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.lines.append(json.loads(line))
            if self.lines[-1]["said"] == word:
                return self.lines[-1]
        raise AssertionError(f"the process ended ({self.popen.wait()}) without {word!r}: {self.lines}")

    def result(self) -> dict[str, Any]:
        """What came of the task."""
        return self.until("result")

    def wait_killed(self) -> bool:
        """Wait for its end; whether it was killed (or came to its end before the effect with that number)."""
        return self.popen.wait() == -signal.SIGKILL

    def wait_stopped(self) -> None:
        """Wait until it has stopped itself."""
        os.waitid(os.P_PID, self.popen.pid, os.WSTOPPED | os.WNOWAIT)

    def stop(self) -> None:
        """Stop it, and wait until it has stopped."""
        self.popen.send_signal(signal.SIGSTOP)
        self.wait_stopped()

    def go_on(self) -> None:
        self.popen.send_signal(signal.SIGCONT)


def main() -> None:
    """Do the task and say what came of it."""
    task = Task(**json.loads(sys.argv[2]))
    if task.crowd:
        _fork(task.crowd)
    run(Path(sys.argv[1]), task)


def run(root: Path, task: Task) -> None:
    """Do one task in this process, and say what came of it."""
    terms = Terms(hold_seconds=task.hold_seconds, lease_seconds=task.lease_seconds)
    node = Node(host=task.host, database_url=task.database_url) if task.host else None
    world = World(root, terms=terms, node=node)
    cache = world.cache(disk=_disk(task, _outside_database(world)), limit_bytes=task.limit_bytes, streams=task.streams)
    try:
        result = _do(task, world, cache)
    except ForebayError as error:
        result = {"error": error.kind, "message": str(error)}
    _say("result", **result)


def _fork(count: int) -> None:
    """Come back in children only; the parent waits for them and ends, and dies with none of them left."""
    # What each of them would import for itself: a second of work, times the crowd.
    for module in ("psycopg", "sqlalchemy.dialects.postgresql", "obstore.store"):
        importlib.import_module(module)
    _say("begin")
    sys.stdin.readline()
    children: list[int] = []
    for _ in range(count):
        child = os.fork()
        if not child:
            return
        children.append(child)
    codes = [os.waitpid(child, 0)[1] for child in children]
    _say("ended", codes=codes)
    sys.exit(any(codes))


def _do(task: Task, world: World, cache: Cache) -> dict[str, Any]:
    version = world.hub.catalog.resolve(task.ref)
    match task.do:
        case "warm":
            if not task.crowd:
                _say("begin")
                sys.stdin.readline()
            seen: list[int] = []
            holders: set[str] = set()

            def look(progress: Progress, who: str) -> None:
                seen.append(progress.done_bytes)
                if who and who not in holders:
                    holders.add(who)
                    _say("waits", who=who)

            warmed = cache.warm(version, holder(task.purpose, far=task.far), look)
            return {
                "moved": warmed.moved_bytes,
                "present": warmed.present_bytes,
                "waited": warmed.waited,
                "seen": seen,
                "path": str(warmed.path),
            }
        case "lease":
            leased = cache.lease(version, holder(), on_lost=lambda error: _say("lost", kind=error.kind))
            _say("leased")
            sys.stdin.readline()
            leased.close()
            return {"lost": leased.lost is not None}
        case "evict":
            replica = next(item for item in cache.replicas() if item.ref == task.ref)
            evicted = cache.evictor.evict(replica, "asked")
            return {"freed": evicted.freed_bytes, "error": evicted.error.kind if evicted.error else ""}
        case "recover":
            return {"failed": len(cache.recover(force=True).failed)}
    raise ValueError(task.do)


def _outside_database(world: World) -> threading.RLock:
    """Held by each thread that talks to the database: stopped there, a process would lock all others out of SQLite."""
    talking = threading.RLock()
    event.listen(world.hub.engine, "checkout", lambda *_: talking.acquire())
    event.listen(world.hub.engine, "checkin", lambda *_: talking.release())
    return talking


def _disk(task: Task, outside_database: threading.RLock) -> FailingDisk | KillingDisk:
    if task.kill_at:
        return KillingDisk(task.kill_at, after=task.kill_after)
    count = 0
    lock = threading.Lock()

    def stop(name: str, number: int) -> int:
        nonlocal count
        with lock:
            count += not task.stop_effect or name == task.stop_effect
            here = count == task.stop_at and (not task.stop_effect or name == task.stop_effect)
        if task.stop_at and here:
            with outside_database:
                os.kill(os.getpid(), signal.SIGSTOP)
        return 0

    return FailingDisk(stop)


def _say(said: str, **facts: Any) -> None:
    # One write: a crowd shares one pipe, and what is written at once stays in one piece.
    os.write(sys.stdout.fileno(), json.dumps({"said": said, **facts}).encode() + b"\n")


if __name__ == "__main__":
    main()
