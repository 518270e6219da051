"""Who is dead for certain: a killed process, a used number; never one that lives, or that ran elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from forebay.vouch import seen_alive, seen_dead, this_process

TELL = "import sys; from forebay.vouch import this_process; print(this_process(), flush=True); sys.stdin.read()"


@pytest.fixture
def other() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", TELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_process_is_dead_once_it_was_killed_and_not_while_it_is_stopped(other: subprocess.Popen[str]) -> None:
    with other:
        assert other.stdout is not None
        process = other.stdout.readline().strip()
        assert not seen_dead(process)
        assert seen_alive(process)
        other.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, other.pid, os.WSTOPPED | os.WNOWAIT)
        assert not seen_dead(process), "it may wake"
        assert seen_alive(process)
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert seen_dead(process), "a zombie does nothing any more"
        assert not seen_alive(process)
        other.wait()
        assert seen_dead(process)
        assert not seen_alive(process)


def test_the_same_number_started_at_another_time_is_another_process() -> None:
    here, _, started = this_process().rpartition("-")
    assert not seen_dead(this_process())
    assert seen_dead(f"{here}-{int(started) - 1}")
    assert not seen_alive(f"{here}-{int(started) - 1}")


@pytest.mark.parametrize("process", ["", "nonsense", "/", f"elsewhere/1/2/{2**22}-5", f"/{2**22}-5"])
def test_nothing_is_known_of_a_process_elsewhere(process: str) -> None:
    assert not seen_dead(process)
    assert not seen_alive(process)


def test_a_kernel_without_time_namespaces_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """As before Linux 5.6: there the name is missing in /proc."""

    def read(name: str) -> str:
        if name.endswith("/time"):
            raise FileNotFoundError(name)
        return readlink(name)

    readlink = os.readlink
    monkeypatch.setattr(os, "readlink", read)
    here, _, started = this_process().rpartition("-")
    assert seen_alive(this_process())
    assert seen_dead(f"{here}-{int(started) - 1}")


def test_the_identity_fits_its_column() -> None:
    assert 0 < len(this_process()) <= 128
