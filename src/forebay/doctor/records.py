"""Checks the records of the hub in the home: the database is there, can be written to, and is of this release.

Makes no database and migrates none.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog.engine import HEAD, migrate, open_engine, reading, revision, writing
from forebay.doctor.clocks import skewed
from forebay.doctor.finding import Finding, note, warning
from forebay.doctor.patient import Patient
from forebay.hub.local import LocalHub

_BUSY_SECONDS = 3.0


def records(patient: Patient) -> Iterator[Finding]:
    """That they can be used; the hub is the patient's from then on."""
    settings = patient.settings
    if not settings.database and not (settings.home / "hub.db").exists():
        yield note(
            "no-records", f"there are no records in {settings.home} yet", "Nothing: the first command makes them."
        )
        return
    engine = open_engine(settings.database_url, busy_seconds=_BUSY_SECONDS)
    try:
        with reading(engine) as connection:
            found = revision(connection)
        if not found:
            yield note("no-tables", "the database is empty", "Nothing: the first command makes its tables.")
            return
        if found > HEAD:
            migrate(engine)  # refuses, and says why
        if found != HEAD:
            message = f"the database is of an older release: its tables are {found}, this release's are {HEAD}"
            yield warning("database-older", message, "The next command brings it up. End older processes before.")
            return
        with writing(engine) as connection:
            yield from _clock(patient, connection)
    finally:
        engine.dispose()
    patient.hub = LocalHub.open(settings.home, settings.database_url, patient.clock)


def _clock(patient: Patient, connection: Connection) -> list[Finding]:
    """Machines that share a database decide by their own clocks who holds what."""
    if connection.dialect.name != "postgresql":
        return []
    asked_at = patient.clock.now()
    theirs = connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
    return skewed("the database server", float(theirs), asked_at, patient.clock.now(), patient.thresholds)
