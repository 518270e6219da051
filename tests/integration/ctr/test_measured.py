"""Processes measured from outside: the whole tree's CPU and memory, limits, and that nothing outlives the measuring."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from forebay.ctr.compare.measured import Limits, Measured, measure

ROOMY = Limits(memory_bytes=1 << 33, time_s=120.0)
MIB = 1 << 20
BURN = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass"
HOLD = "import time; held = bytearray(b'x') * ({} << 20); time.sleep({})"


def python(program: str, limits: Limits = ROOMY) -> Measured:
    return measure(lambda answer: [sys.executable, "-I", "-S", "-c", program, str(answer)], limits=limits)


def children(*programs: str) -> str:
    """A program that runs these at the same time and waits for them."""
    return (
        "import subprocess, sys\n"
        f"started = [subprocess.Popen([sys.executable, '-I', '-S', '-c', each]) for each in {list(programs)!r}]\n"
        "for each in started: each.wait()"
    )


def test_the_answer_and_the_progress_come_back() -> None:
    told: list[tuple[str, int, int]] = []
    program = (
        "import sys, tempfile\n"
        "print('chat of a library'); print('progress\\tfit\\t3\\t7'); print('progress\\tfit\\tx\\t7')\n"
        "print('last words', file=sys.stderr)\n"
        "open(sys.argv[1], 'w').write('{\"here\": \"%s\"}' % tempfile.gettempdir())"
    )
    found = measure(
        lambda answer: [sys.executable, "-I", "-S", "-c", program, str(answer)],
        limits=ROOMY,
        progress=lambda *step: told.append(step),
    )
    assert told == [("fit", 3, 7)]
    assert found.answer is not None
    assert "forebay-watch-" in found.answer["here"]
    assert not Path(found.answer["here"]).exists()
    assert (found.exit_code, found.over, found.errors) == (0, "", "last words")


def test_cpu_seconds_are_those_of_the_whole_tree() -> None:
    found = python(children(BURN.format(0.3), children(BURN.format(0.3))))
    assert 0.6 <= found.cost.cpu_s < 3.0


def test_an_orphan_counts_and_does_not_stay() -> None:
    marker = f"orphan-{os.getpid()}"
    orphan = f"import time; {marker!r}; end = time.process_time() + 0.3\nwhile True: pass"
    program = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-I', '-S', '-c', {orphan!r}]); time.sleep(1)"
    )
    found = python(program)
    assert found.cost.cpu_s > 0.05
    assert not _running(marker)


def test_peak_memory_is_the_trees_and_shared_pages_count_once() -> None:
    found = python(children(HOLD.format(60, 3), HOLD.format(60, 3)))
    assert 120 * MIB < found.cost.peak_bytes < 200 * MIB
    shared = (
        "import os, time; held = bytearray(b'x') * (100 << 20)\n"
        "started = [pid for pid in (os.fork(), os.fork()) if pid]\n"
        "time.sleep(1.5)\n"
        "for pid in started: os.waitpid(pid, 0)"
    )
    assert 100 * MIB < python(shared).cost.peak_bytes < 180 * MIB


def test_who_passes_the_memory_limit_is_ended_with_all_it_started() -> None:
    marker = f"greedy-{os.getpid()}"
    greedy = f"{marker!r}; {HOLD.format(60, 100)}"
    found = python(children(greedy, greedy), Limits(memory_bytes=100 * MIB, time_s=120.0))
    assert found.over == "memory"
    assert found.answer is None
    assert found.cost.peak_bytes > 100 * MIB
    assert not _running(marker)


def test_a_peak_between_two_samples_passes_the_limit_that_it_is_above() -> None:
    found = python("bytearray(b'x') * (60 << 20)", Limits(memory_bytes=40 * MIB, time_s=120.0))
    assert found.cost.peak_bytes > 40 * MIB
    assert found.over == "memory"


def test_who_passes_the_time_limit_is_ended() -> None:
    found = python("import time; time.sleep(100)", Limits(memory_bytes=1 << 33, time_s=0.2))
    assert found.over == "time"


def test_a_killed_process_says_so() -> None:
    assert python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)").exit_code == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_whatever_ends_the_measuring_ends_the_measured(number: signal.Signals, tmp_path: Path) -> None:
    marker = f"left-behind-{os.getpid()}-{number}"
    ready = tmp_path / "ready"
    inner = f"{marker!r}; open({str(ready)!r}, 'w'); import time; time.sleep(100)"
    program = (
        "import signal, sys; from forebay.ctr.compare.measured import Limits, measure\n"
        # What is started in a shell's background ignores it, and what that starts.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"measure(lambda answer: [sys.executable, '-I', '-S', '-c', {children(inner)!r}],"
        " limits=Limits(memory_bytes=1 << 33, time_s=100.0))"
    )
    # Who is killed can't remove his scratch.
    own = {**os.environ, "TMPDIR": str(tmp_path)}
    asking = subprocess.Popen(
        [sys.executable, "-c", program], env=own, stderr=subprocess.DEVNULL, start_new_session=True
    )
    with asking:
        _until(ready.exists)
        assert _running(marker)
        asking.send_signal(number)
        asking.wait()
    _until(lambda: not _running(marker))


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _running(marker: str) -> bool:
    """Whether a Python that was given a program with `marker` in it is there (not this test's own)."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if marker.encode() in words and int(folder.name) != os.getpid():
            return True
    return False
