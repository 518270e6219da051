"""Makes a version from objects that lie in a lake already: zero copy, nothing is read but their listing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebay.catalog.manifest import Manifest
from forebay.catalog.names import check_dataset_name, check_description
from forebay.client.session import Session
from forebay.lake import registration
from forebay.lake.listing import Listed
from forebay.wire.catalog import MadeBy, NewVersion, ParentVersion, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """`created` is False when the latest version already was exactly this; `skipped_markers` are folder objects."""

    version: Version
    created: bool
    skipped_markers: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Registration:
    """What a listing found; nothing was recorded yet."""

    manifest: Manifest
    lake_url: str
    profile: str
    skipped_markers: int


def plan_registration(
    session: Session,
    dataset: str,
    urls: Sequence[str],
    *,
    profile: str | None = None,
    allow_http: bool = False,
    on_listed: Callable[[Listed], object] = bool,
) -> Registration:
    """List what lies at the URLs; records nothing. All URLs must have one root (bucket, container, host).

    InputError for bad names, URLs and keys; the lake's own errors.
    """
    check_dataset_name(dataset)
    profile = session.settings.profile if profile is None else profile
    options = session.settings.profile_options(profile)
    found = registration.plan(urls, options, allow_http=allow_http, on_listed=on_listed)
    return Registration(
        manifest=found.manifest, lake_url=found.lake_url, profile=profile, skipped_markers=found.skipped_markers
    )


def register(
    session: Session,
    dataset: str,
    urls: Sequence[str],
    *,
    message: str = "",
    description: str = "",
    profile: str | None = None,
    team: str = "",
    allow_http: bool = False,
    on_listed: Callable[[Listed], object] = bool,
) -> Registered:
    """Register what lies at the URLs as the dataset's next version. Lists; never reads an object.

    All URLs must have one root (bucket, container, host). `description` is of a dataset that this makes; one that is
    there already keeps its own. InputError for bad names, URLs and keys.
    """
    check_description(description)
    planned = plan_registration(session, dataset, urls, profile=profile, allow_http=allow_http, on_listed=on_listed)
    lake_url, profile, skipped_markers = planned.lake_url, planned.profile, planned.skipped_markers
    with tempfile.TemporaryDirectory(prefix="forebay-") as folder:
        path = Path(folder) / planned.manifest.file_name
        planned.manifest.write(path)
        # The catalog reads the file itself: a million entries need not be held twice.
        del planned
        digest = session.hub.catalog.store_manifest(path)
    new = NewVersion(
        dataset=dataset,
        manifest_digest=digest,
        origin="registered",
        lake_url=lake_url,
        profile=profile,
        created_by=session.settings.user,
        message=message,
        description=description,
        team=team,
        made_by=MadeBy(command=f"register {' '.join(urls)}"),
    )
    added = session.hub.catalog.add_version(new)
    return Registered(version=added.version, created=added.created, skipped_markers=skipped_markers)


def parents_of(session: Session, refs: Sequence[str]) -> tuple[ParentVersion, ...]:
    """The versions that refs name now, as parents."""
    versions = [session.hub.catalog.resolve(ref) for ref in refs]
    return tuple(ParentVersion(dataset=version.dataset, number=version.number) for version in versions)
