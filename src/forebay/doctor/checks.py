"""All checks, in their order. A new one is a function that yields findings, and a line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forebay.clock import Clock
from forebay.doctor import own
from forebay.doctor.examine import LIMIT_SECONDS, Check, examine
from forebay.doctor.finding import Checked, Examined, told
from forebay.doctor.patient import Patient, Thresholds
from forebay.errors import InputError
from forebay.fsio import Disk
from forebay.settings import load


def rounds(patient: Patient) -> Sequence[Sequence[Check]]:
    """What is own, then the hub, then what it knows of, and at last, alone, what others would slow down."""
    from forebay.doctor import lakes, volume

    first = (
        Check(name="settings", look=own.settings_files),
        Check(name="home", look=own.home),
        Check(name="limits", look=own.limits),
        _hub(patient),
    )
    then = (
        Check(name="volume", look=volume.place),
        Check(name="permissions", look=volume.permissions),
        Check(name="left-overs", look=volume.left_overs),
        Check(name="lakes", look=lakes.lakes),
    )
    return first, then, (Check(name="speed", look=volume.speed),)


def run(
    flags: Mapping[str, Any],
    *,
    folder: Path,
    host: str,
    clock: Clock,
    disk: Disk | None = None,
    thresholds: Thresholds | None = None,
    limit_s: float = LIMIT_SECONDS,
) -> Examined:
    """Examine this machine with the settings of all sources. Settings that can't be read are all that is told then."""
    try:
        settings = load(flags, folder=folder).settings
    except InputError as error:
        return Examined(checks=(Checked(name="settings", seconds=0.0, findings=(told(error),)),))
    patient = Patient(
        settings=settings,
        folder=folder,
        host=host,
        clock=clock,
        disk=disk or Disk(),
        thresholds=thresholds or Thresholds(),
    )
    try:
        return examine(patient, rounds(patient), limit_s=limit_s)
    finally:
        patient.close()


def _hub(patient: Patient) -> Check:
    """Neither imports what the other needs."""
    if patient.settings.hub:
        from forebay.doctor.network import team_hub

        return Check(name="hub", look=team_hub)
    from forebay.doctor.records import records

    return Check(name="hub", look=records)
