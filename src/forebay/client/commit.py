"""Makes a version from a local directory: what the lake lacks is sent there, then the version is added."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from forebay.cache.leased import Kept
from forebay.catalog.names import check_dataset_name, check_description
from forebay.client.register import parents_of
from forebay.client.session import Session
from forebay.errors import ForebayError
from forebay.lake import publish
from forebay.lake.location import parse_location
from forebay.lake.publish import OnProgress, Publication
from forebay.lake.stores import LakeStore
from forebay.log import get_logger
from forebay.wire.catalog import DEFAULT_GROUP, MadeBy, NewVersion, Version

_log = get_logger("commit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """`created` is False when the latest version already had exactly these files; `present_*` was not sent.

    `kept` is where the version is ready now; None with the reason in `not_kept`.
    """

    version: Version
    created: bool
    sent_files: int
    sent_bytes: int
    present_files: int
    present_bytes: int
    kept: Kept | None
    not_kept: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a commit goes: the access group's own folder in a lake, and the credentials profile.

    Keys are relative to that folder, so that the same content has the same manifest wherever it lies.
    """

    store: LakeStore
    lake_url: str
    profile: str


def destination(session: Session, lake: str | None = None, profile: str | None = None) -> Destination:
    """The lake of the settings, or another one by its URL; InputError for a bad URL or profile."""
    settings = session.settings
    location = parse_location(lake or settings.lake_url)
    profile = settings.profile if profile is None else profile
    lake_url = f"{location.root_url.removesuffix('/')}/{quote(location.base)}forebay/{DEFAULT_GROUP}"
    store = LakeStore.open(lake_url, settings.profile_options(profile), create=location.scheme == "file")
    return Destination(store=store, lake_url=lake_url, profile=profile)


def plan_commit(directory: Path, to: Destination, on_progress: OnProgress = lambda stage, size: None) -> Publication:
    """Hash the directory and compare it with the lake; sends nothing."""
    return publish.prepare(directory, to.store, on_progress=on_progress)


def commit(
    session: Session,
    dataset: str,
    directory: Path,
    *,
    parents: Sequence[str] = (),
    message: str = "",
    description: str = "",
    made_by: MadeBy | None = None,
    lake: str | None = None,
    profile: str | None = None,
    team: str = "",
    created_by: str = "",
    keep: bool = True,
    on_progress: OnProgress = lambda stage, size: None,
) -> Committed:
    """Send what the lake lacks of `directory` and add it as the dataset's next version.

    With `keep` the version is ready on this volume afterwards, filled from the directory itself; where that can't be,
    the commit stands all the same. `description` is of a dataset that this makes. `created_by`: somebody else than
    this session's user.

    A commit that broke off goes on by being repeated. Raises a ForebayError for bad
    names, files and lakes.
    """
    check_dataset_name(dataset)
    check_description(description)
    parent_versions = parents_of(session, parents)
    to = destination(session, lake, profile)
    planned = plan_commit(directory, to, on_progress)
    sent = publish.publish(planned, to.store, dataset=dataset, on_progress=on_progress)
    with tempfile.TemporaryDirectory(prefix="forebay-") as folder:
        path = Path(folder) / sent.manifest.file_name
        sent.manifest.write(path)
        digest = session.hub.catalog.store_manifest(path)
    added = session.hub.catalog.add_version(
        NewVersion(
            dataset=dataset,
            manifest_digest=digest,
            origin="committed",
            lake_url=to.lake_url,
            profile=to.profile,
            created_by=created_by or session.settings.user,
            message=message,
            description=description,
            team=team,
            parents=parent_versions,
            made_by=made_by or MadeBy(command=f"commit {directory.name}"),
        )
    )
    kept, not_kept = _keep(session, added.version, directory) if keep else (None, "not asked for")
    return Committed(
        version=added.version,
        created=added.created,
        sent_files=sent.sent_files,
        sent_bytes=sent.sent_bytes,
        present_files=sent.present_files,
        present_bytes=sent.present_bytes,
        kept=kept,
        not_kept=not_kept,
    )


def _keep(session: Session, version: Version, directory: Path) -> tuple[Kept | None, str]:
    """What came of it, or why nothing did: a commit that is done does not fail for want of a cache."""
    try:
        return session.keep(version, directory), ""
    except ForebayError as error:
        _log.warning("not-kept", ref=version.ref, kind=error.kind)
        return None, error.message
