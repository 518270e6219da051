"""Runs the checks: side by side, each in a bounded time, none stopped by another one's end.

A check that hangs (a mount whose server is away blocks whoever looks at it) is left behind and told as a finding.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from forebay.doctor.finding import Checked, Examined, Finding, fault, told
from forebay.doctor.patient import Patient
from forebay.errors import ForebayError

LIMIT_SECONDS = 15.0

Look = Callable[[Patient], Iterable[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A name, and what looks; it yields what it finds, and may raise what it met."""

    name: str
    look: Look


def examine(patient: Patient, rounds: Sequence[Sequence[Check]], *, limit_s: float = LIMIT_SECONDS) -> Examined:
    """Every check of a round at once, one round after the other: later ones rest on what earlier ones found."""
    done = [checked for checks in rounds for checked in _round(patient, checks, limit_s)]
    return Examined(checks=tuple(done))


def _round(patient: Patient, checks: Sequence[Check], limit_s: float) -> list[Checked]:
    running = [_Running(check, patient) for check in checks]
    until = time.monotonic() + limit_s
    return [item.end(until) for item in running]


class _Running:
    """One check in a thread that nobody has to wait for."""

    def __init__(self, check: Check, patient: Patient) -> None:
        self._check = check
        self._found: list[Finding] = []
        self._began = time.monotonic()
        self._seconds = 0.0
        self._thread = threading.Thread(target=self._run, args=(patient,), name=f"doctor {check.name}", daemon=True)
        self._thread.start()

    def end(self, until: float) -> Checked:
        self._thread.join(max(0.0, until - time.monotonic()))
        found = list(self._found)
        if self._thread.is_alive():
            self._seconds = time.monotonic() - self._began
            found.append(_hangs(self._check.name, self._seconds))
        return Checked(name=self._check.name, seconds=round(self._seconds, 3), findings=tuple(found))

    def _run(self, patient: Patient) -> None:
        try:
            for finding in self._check.look(patient):
                self._found.append(finding)
        except ForebayError as error:
            self._found.append(told(error))
        except OSError as error:
            self._found.append(_refused(self._check.name, error))
        except Exception as error:  # noqa: BLE001 a bug in one check must not hide what the others find
            self._found.append(_broken(self._check.name, error))
        self._seconds = time.monotonic() - self._began


def _hangs(name: str, seconds: float) -> Finding:
    return fault(
        "check-hangs",
        f"the check {name!r} did not end within {seconds:.0f} s",
        "What it looks at is away or overloaded; a mount whose server is away blocks whoever looks at it.",
    )


def _refused(name: str, error: OSError) -> Finding:
    where = f" at {error.filename}" if error.filename else ""
    return fault(
        "check-refused",
        f"the check {name!r} was refused{where}: {error.strerror or type(error).__name__}",
        "Give this user the permission, or mend the disk or mount that it names.",
    )


def _broken(name: str, error: Exception) -> Finding:
    return fault("check-broken", f"the check {name!r} failed itself: {type(error).__name__}", "Please report it.")
