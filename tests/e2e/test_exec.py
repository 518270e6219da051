"""`forebay exec`: real processes, real signals."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

from forebay.cache.journal import RECORD_BYTES
from forebay.client.opened import open_version
from forebay.client.session import Session
from forebay.testing.awkward import AwkwardOrigin
from forebay.testing.awkward.faults import Hold
from forebay.wire.cache import Progress
from tests.e2e.program import Program

pytestmark = pytest.mark.e2e


@pytest.fixture
def criteo(forebay: Program, days: Path) -> Program:
    """`criteo@v1` is registered and warm."""
    forebay("dataset", "register", "criteo", f"file://{days}/")
    forebay("cache", "warm", "criteo")
    return forebay


@pytest.fixture
def slow_lake(awkward_origin: AwkwardOrigin, tmp_path: Path) -> Iterator[tuple[Program, AwkwardOrigin, Hold]]:
    """`slow@v1` is registered; its object c stops after 1,000 bytes until the gate is opened."""
    forebay = Program(
        tmp_path,
        AWS_ENDPOINT_URL=awkward_origin.url,
        AWS_ACCESS_KEY_ID="x",
        AWS_SECRET_ACCESS_KEY="x",
        AWS_ALLOW_HTTP="true",
        AWS_REGION="us-east-1",
    )
    for name, size in (("a", 300_000), ("b", 200_000), ("c", 100_000)):
        awkward_origin.put(f"/slow/{name}", name.encode() * size)
    hold = Hold(after_bytes=1000)
    awkward_origin.misbehave("/slow/c", hold)
    forebay("dataset", "register", "slow", "s3://slow/*")
    yield forebay, awkward_origin, hold
    hold.gate.set()


def test_the_exit_code_is_the_commands(criteo: Program) -> None:
    told = criteo.process(
        "exec", "criteo", "--", "sh", "-c", "cat {criteo}/day_0 | wc -c; echo {other} {}; exit 7", code=7
    )
    assert told.out.splitlines() == ["1000", "{other} {}"]
    assert "no such command" in criteo("exec", "criteo", "--", "no-such-command-here", code=127).err
    assert "cannot be run" in criteo("exec", "criteo", "--", "/etc/passwd", code=126).err
    assert "--" in criteo("exec", "criteo", code=2).err


def test_two_versions_of_one_dataset_are_named_by_their_refs(criteo: Program, days: Path) -> None:
    (days / "day_9").write_bytes(b"9")
    criteo("dataset", "register", "criteo", f"file://{days}/")
    script = "import sys; print(*sys.argv[1:])"
    refs = ("criteo@v1", "criteo@v2")
    told = criteo.process("exec", *refs, "--", sys.executable, "-c", script, "{criteo@v1}", "{criteo@v2}", "{criteo}")
    first, second, third = told.out.split()
    assert (Path(first).name, Path(second).name, third) == ("v1", "v2", "{criteo}")
    assert "criteo@v1" in criteo("cache", "ls").out


def test_signals_reach_the_command_and_the_lease_ends(criteo: Program) -> None:
    script = "import time; print('up', flush=True); time.sleep(60)"
    child = criteo.start("exec", "criteo", "--", sys.executable, "-c", script, start_new_session=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    assert criteo("cache", "evict", "criteo@v1", "--yes", "--json", code=5).error["kind"] == "in-use"
    assert "exec" in criteo("cache", "why", "criteo@v1").out
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=30)
    assert child.returncode == 128 + signal.SIGTERM
    assert criteo("status", "--json").json["leases"] == []


def test_the_home_given_as_a_flag_holds_for_the_command(criteo: Program, tmp_path: Path) -> None:
    other = Program(tmp_path)
    other.env = {name: value for name, value in other.env.items() if name != "FOREBAY_HOME"}
    told = other.process("exec", "criteo", "--home", criteo.home, "--", "sh", "-c", "echo $FOREBAY_HOME")
    assert told.out.strip() == str(criteo.home)


def test_ONE_FILL_two_processes_share_one_fill(slow_lake: tuple[Program, AwkwardOrigin, Hold]) -> None:
    forebay, origin, hold = slow_lake
    child = forebay.start("exec", "slow", "--", "sh", "-c", "wc -c < {slow}/c")
    waited_for = threading.Event()

    def on_progress(progress: Progress, holder: str) -> None:
        if f"pid {child.pid}" in holder:
            waited_for.set()
            hold.gate.set()

    with mock.patch.dict(os.environ, forebay.env, clear=True), Session.start() as session:
        _until(lambda: any(fill.live for fill in session.hub.fills.open_fills(session.cache.volume_id)))
        with open_version(session, "slow", on_progress) as opened:
            assert waited_for.is_set()
            assert opened.moved_bytes == 0
            assert (opened.path / "a").stat().st_size == 300_000
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out.strip()) == (0, "100000"), err
    assert {name: len(origin.seen(f"/slow/{name}", method="GET")) for name in "abc"} == {"a": 1, "b": 1, "c": 1}


def test_ctrl_c_keeps_what_arrived_and_the_next_warm_goes_on(
    slow_lake: tuple[Program, AwkwardOrigin, Hold], tmp_path: Path
) -> None:
    forebay, origin, hold = slow_lake
    child = forebay.start("cache", "warm", "slow")
    assert child.stderr is not None
    _until(lambda: sum(path.stat().st_size for path in tmp_path.rglob("incoming/*/*/journal")) >= 2 * RECORD_BYTES)
    assert hold.reached.wait(30), "it must have something to wait for"
    child.send_signal(signal.SIGINT)
    told = child.stderr.readline()
    assert "once more stops at once" in told, (told, child.poll())
    hold.gate.set()
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (2, "Cancelled.\n")
    assert "left over" in forebay("status").out
    forecast = forebay("cache", "warm", "slow", "--dry-run", "--json").json[0]
    assert forecast["left_bytes"] >= 500_000
    (warmed,) = forebay("cache", "warm", "slow", "--json").json
    # The rest of c may have come before the interrupted fill got round to stopping.
    gets = {name: len(origin.seen(f"/slow/{name}", method="GET")) for name in "abc"}
    assert gets in ({"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 2})
    again = 100_000 if gets["c"] == 2 else 0
    assert (warmed["moved_bytes"], warmed["present_bytes"]) == (again, 600_000 - again)


def _until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)
