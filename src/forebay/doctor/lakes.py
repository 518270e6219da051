"""Checks that this machine's credentials read every lake that a visible dataset's newest version lies in."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from forebay.cache.contents import load_objects
from forebay.doctor.finding import Finding, note, told, warning
from forebay.doctor.patient import Patient
from forebay.errors import ForebayError
from forebay.lake.look import look
from forebay.lake.stores import LakeStore, Manners
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub

MOST_DATASETS = 100
MOST_LAKES = 20
_MANNERS = Manners(connect_s=3.0, read_s=5.0, retries=0)
_AT_ONCE = 8


def lakes(patient: Patient) -> Iterator[Finding]:
    """One object of each, looked at and not read."""
    hub = patient.hub
    if hub is None:
        return
    found = _by_lake(hub)
    if len(found) > MOST_LAKES:
        mend = "Run doctor with a token for some datasets to look at others."
        yield note("many-lakes", f"there are more than {MOST_LAKES} lakes; the first were tried", mend)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="doctor-lake") as pool:
        for finding in pool.map(lambda version: _try(patient, hub, version), list(found)[:MOST_LAKES]):
            if finding is not None:
                yield finding


def _by_lake(hub: Hub) -> list[Version]:
    """A version of each lake and profile."""
    seen: dict[tuple[str, str], Version] = {}
    for dataset in hub.catalog.datasets()[:MOST_DATASETS]:
        for version in hub.catalog.versions(dataset.name)[:1]:
            seen.setdefault((version.lake_url, version.profile), version)
    return list(seen.values())


def _try(patient: Patient, hub: Hub, version: Version) -> Finding | None:
    try:
        profile = patient.settings.profile_options(version.profile)
        store = LakeStore.open(version.lake_url, profile, manners=_MANNERS)
        first = next(load_objects(hub.catalog, version).entries(), None)
        if first is None or look(store, first.key, first.version_id) is not None:
            return None
    except ForebayError as error:
        return told(error)
    mend = "Put it back, or register the dataset anew: a fill of this version can't succeed."
    return warning("object-gone", f"{version.ref}: {store.subject(first.key)} is not in its lake any more", mend)
