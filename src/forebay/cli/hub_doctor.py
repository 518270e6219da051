"""The doctor for a hub's own pages: the checks that make sense in the hub's process, as a function that ends soon.

Lakes and the volume's speed are left to `forebay doctor`: they take long, or load what runs.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forebay.clock import Clock
    from forebay.doctor.examine import Check
    from forebay.doctor.finding import Examined
    from forebay.hub.board.checkup import Looked
    from forebay.settings import Settings

LIMIT_SECONDS = 5.0
"""So long each of the two rounds may take: whoever asked waits."""


def doctors_look(settings: Settings, clock: Clock, *, with_volume: bool) -> Callable[[], Looked]:
    """Looks at settings, home, limits and records; at the volume, too, where a site's agent runs here."""

    def look() -> Looked:
        from forebay.doctor.examine import examine
        from forebay.doctor.patient import Patient

        own = replace(settings, hub="")
        patient = Patient(settings=own, folder=Path.cwd(), host=socket.gethostname(), clock=clock)
        try:
            return _told(examine(patient, _rounds(with_volume=with_volume), limit_s=LIMIT_SECONDS))
        finally:
            patient.close()

    return look


def _rounds(*, with_volume: bool) -> tuple[tuple[Check, ...], ...]:
    from forebay.doctor import own, volume
    from forebay.doctor.examine import Check
    from forebay.doctor.records import records

    first = (
        Check(name="settings", look=own.settings_files),
        Check(name="home", look=own.home),
        Check(name="limits", look=own.limits),
        Check(name="records", look=records),
    )
    if not with_volume:
        return (first,)
    then = (
        Check(name="volume", look=volume.place),
        Check(name="permissions", look=volume.permissions),
        Check(name="left-overs", look=volume.left_overs),
    )
    return first, then


def _told(examined: Examined) -> Looked:
    from forebay.hub.board.checkup import Looked
    from forebay.hub.board.findings import Finding, Severity

    return Looked(
        checks=tuple(checked.name for checked in examined.checks),
        findings=tuple(
            Finding(
                check=checked.name,
                kind=found.kind,
                severity=Severity(found.severity.value),
                message=found.message,
                mend=found.mend,
            )
            for checked in examined.checks
            for found in checked.findings
        ),
    )
