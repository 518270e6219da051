"""What other versions have brought to a site counts as there when a run is placed: by content, compared once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from forebay.catalog.archive import Archive
from forebay.catalog.manifest import Entry, Manifest
from forebay.catalog.seal import Seal
from forebay.digest import digest_bytes
from forebay.hub.local import LocalHub
from forebay.hub.shared_bytes import Content, SharedBytes
from forebay.testing.cached.world import add_version, store_manifest
from forebay.wire.catalog import Version
from forebay.wire.runs import RunState
from forebay.wire.sites import TaskKind
from tests.contract.hub.sited import GB, Agent, attempts_of, reading, ready

FILES = 20


def _committed(*contents: str) -> Manifest:
    entries = [
        Entry(path=f"part-{at:02}", size_bytes=GB, key=f"key-{text}", digest=digest_bytes(text.encode()).hex())
        for at, text in enumerate(contents)
    ]
    return Manifest.committed(entries)


def _missing(hub: LocalHub, version: Version) -> dict[str, int]:
    return {row.site: row.missing_bytes for row in hub.runs.explain(reading(version.ref)).rows}


@pytest.fixture
def two(embedded: LocalHub) -> tuple[Version, Version]:
    """The second shares all but one file with the first."""
    texts = [f"text {at}" for at in range(FILES)]
    first = add_version(embedded, "clicks", _committed(*texts), "s3://lake/clicks")
    return first, add_version(embedded, "clicks", _committed(*texts[:-1], "new"), "s3://lake/clicks")


def test_a_version_that_shares_most_with_a_cached_one_is_nearly_there(
    embedded: LocalHub, two: tuple[Version, Version]
) -> None:
    first, second = two
    dgx, _ = Agent(hub=embedded, site="dgx").attach(), Agent(hub=embedded, site="aks").attach()
    assert _missing(embedded, second) == {"aks": FILES * GB, "dgx": FILES * GB}
    ready(embedded, dgx.volume_id, first)
    assert _missing(embedded, second) == {"aks": FILES * GB, "dgx": GB}
    run = embedded.runs.submit(reading(second.ref))
    assert (run.site, run.state) == ("dgx", RunState.FILLING), "and where it is nearly there, it goes"
    assert _missing(embedded, second) == {"aks": FILES * GB, "dgx": GB}, "also while its fill has not begun"
    dgx.fill(dgx.order(TaskKind.FILL))
    assert attempts_of(embedded.runs.get(run.run_id)) == [("dgx", "under way")]


def test_what_has_the_same_contents_is_not_there_before_a_fill_has_linked_it(
    embedded: LocalHub, two: tuple[Version, Version]
) -> None:
    first, _ = two
    dgx = Agent(hub=embedded, site="dgx").attach()
    ready(embedded, dgx.volume_id, first)
    moved = add_version(embedded, "clicks", Manifest.committed(_entries(FILES, "moved/")), "s3://lake/clicks")
    assert _missing(embedded, moved) == {"dgx": 1}
    assert embedded.runs.submit(reading(moved.ref)).state is RunState.FILLING


def _entries(count: int, folder: str = "") -> list[Entry]:
    return [
        Entry(
            path=f"{folder}part-{at:02}",
            size_bytes=GB,
            key=f"key-{at}",
            digest=digest_bytes(f"text {at}".encode()).hex(),
        )
        for at in range(count)
    ]


def test_another_datasets_contents_do_not_count(embedded: LocalHub, two: tuple[Version, Version]) -> None:
    """They may be of another access root, and who asks may not know of them."""
    dgx = Agent(hub=embedded, site="dgx").attach()
    other = add_version(embedded, "views", Manifest.committed(_entries(FILES, "moved/")), "s3://lake/views")
    ready(embedded, dgx.volume_id, other)
    assert _missing(embedded, two[0]) == {"dgx": FILES * GB}


def test_digests_that_were_learned_count(embedded: LocalHub, tmp_path: Path) -> None:
    dgx = Agent(hub=embedded, site="dgx").attach()
    files = [Entry(path=f"part-{at}", size_bytes=GB, key=f"k{at}", etag=f"etag-{at}") for at in range(3)]
    manifest = Manifest.registered(files)
    first = add_version(embedded, "clicks", manifest, "s3://lake/clicks")
    ready(embedded, dgx.volume_id, first)
    learned = Seal.learned(
        manifest, [item.path for item in files], [digest_bytes(item.path.encode()) for item in files]
    )
    learned.write(tmp_path / "seal.parquet")
    embedded.catalog.seal(manifest.manifest_digest, embedded.catalog.store_seal(tmp_path / "seal.parquet"))
    newer = Manifest.registered([*files, Entry(path="part-9", size_bytes=2 * GB, key="k9", etag="etag-9")])
    second = add_version(embedded, "clicks", newer, "s3://lake/clicks")
    assert _missing(embedded, second) == {"dgx": 2 * GB}


def test_so_many_files_are_compared_in_one_go_and_each_pair_once(embedded: LocalHub, tmp_path: Path) -> None:
    contents = []
    for count in (4, 3, 2):
        manifest = Manifest.committed(_entries(count))
        digest = store_manifest(embedded, manifest)
        contents.append(Content(manifest_digest=digest, seal_digest="", files=count))
    four, three, two = contents
    archive = Archive(tmp_path / "copy")
    shutil.copytree(tmp_path / "home" / "manifests", tmp_path / "copy" / "manifests")
    shared = SharedBytes(archive, most_files=1)
    asked = [(four, [three]), (three, [two])]
    assert shared.of(asked) == [3 * GB, 0], "one pair, whatever its size"
    assert shared.of(asked) == [3 * GB, 2 * GB]
    shutil.rmtree(tmp_path / "copy")
    assert shared.of(asked) == [3 * GB, 2 * GB], "remembered"
    assert shared.of([(four, [two])]) == [0], "what can't be read shares nothing"
    assert shared.of([(four, [two, three])]) == [3 * GB], "the nearest counts"
