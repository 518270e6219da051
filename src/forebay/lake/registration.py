"""What a listing of objects that lie in a lake already makes a version of: zero copy, nothing else is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from forebay.catalog.builder import ManifestBuilder
from forebay.catalog.manifest import Manifest
from forebay.errors import InputError
from forebay.lake.listing import Listed, list_objects
from forebay.lake.location import Location, parse_location
from forebay.lake.stores import LakeStore


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Registration:
    """What a listing found; nothing was recorded yet. `skipped_markers` are folder objects."""

    manifest: Manifest
    lake_url: str
    skipped_markers: int


def plan(
    urls: Sequence[str],
    options: Mapping[str, str],
    *,
    allow_http: bool = False,
    on_listed: Callable[[Listed], object] = bool,
) -> Registration:
    """List what lies at the URLs, with a profile's options. All URLs must have one root (bucket, container, host).

    `on_listed` is told as the listing goes on, and ends it by raising. InputError for bad URLs and keys; the lake's
    own errors.
    """
    locations = [parse_location(url, allow_http=allow_http) for url in urls]
    root_url = _one_root(locations)
    store = LakeStore.open(root_url, options)
    listed = Listed()
    builder = ManifestBuilder("registered")
    for location in locations:
        for batch in list_objects(location, store, listed=listed):
            builder.add(batch)
            on_listed(listed)
    return Registration(manifest=builder.build(), lake_url=root_url, skipped_markers=listed.markers)


def _one_root(locations: Sequence[Location]) -> str:
    roots = {location.root_url for location in locations}
    if len(roots) != 1:
        raise InputError(
            "many-roots",
            f"one version cannot lie in {len(roots)} places: {', '.join(sorted(roots))}",
            todo="Register each of them as a dataset of its own.",
        )
    return roots.pop()
