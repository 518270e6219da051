"""Several processes and threads on one catalog."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

from forebay.catalog.manifest import Entry, Manifest
from forebay.errors import ConflictError, NotFoundError
from forebay.wire.hub import Catalog
from tests.contract.catalog.shelf import ONES, ZEROS, Shelf
from tests.contract.catalog.workers import add_versions

PROCESSES, EACH = 3, 6


def test_processes_that_start_and_add_at_once_get_distinct_numbers(database_url: str, tmp_path: Path) -> None:
    start_at = time.time() + 4
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        pending = [
            pool.submit(add_versions, database_url, str(tmp_path), worker, EACH, start_at)
            for worker in range(PROCESSES)
        ]
        numbers = [number for done in pending for number in done.result()]
    assert sorted(numbers) == list(range(1, PROCESSES * EACH + 1))


def test_threads_that_add_the_same_content_add_it_once(catalog: Catalog, shelf: Shelf) -> None:
    manifest = shelf.keep(Manifest.registered([Entry(path="a", size_bytes=1)]))
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda _: catalog.add_version(shelf.new("x", manifest)), range(16)))
    assert sum(one.created for one in added) == 1
    assert {one.version.number for one in added} == {1}


def test_threads_that_keep_the_same_manifest(catalog: Catalog, tmp_path: Path) -> None:
    manifest = Manifest.registered([Entry(path="a", size_bytes=1)])
    manifest.write(tmp_path / "m")
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(catalog.store_manifest, [tmp_path / "m"] * 16)) == {manifest.manifest_digest}
    assert catalog.manifest_path(manifest.manifest_digest).exists()


def test_threads_that_learn_at_once_lose_nothing(catalog: Catalog, shelf: Shelf) -> None:
    names = [f"f{number}" for number in range(12)]
    manifest = shelf.keep(Manifest.registered([Entry(path=name, size_bytes=1) for name in names]))
    shelf.add("x", manifest)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: shelf.learn(manifest, **{name: ZEROS}), names))
    assert shelf.known(manifest) == dict.fromkeys(names, ZEROS)
    assert catalog.resolve("x").sealed


def test_IMMUTABLE_of_two_that_learn_different_bytes_one_is_refused(catalog: Catalog, shelf: Shelf) -> None:
    manifest = shelf.keep(Manifest.registered([Entry(path="a", size_bytes=1)]))

    def learn(digest: bytes) -> bool:
        try:
            shelf.learn(manifest, a=digest)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(learn, [ZEROS, ONES])) == [False, True]


def test_removing_a_parent_while_a_child_is_added(catalog: Catalog, shelf: Shelf) -> None:
    for step in range(10):
        parent = shelf.add(f"p{step}").version
        manifest = shelf.keep(Manifest.registered([Entry(path="a", size_bytes=1, etag=f"child-{step}")]))
        with ThreadPoolExecutor(2) as pool:
            child = pool.submit(catalog.add_version, shelf.new(f"c{step}", manifest, parents=(parent,)))
            removal = pool.submit(catalog.remove_version, parent.dataset, 1)
            errors = [child.exception(), removal.exception()]
        assert sum(error is None for error in errors) == 1, errors
        assert isinstance(next(error for error in errors if error), ConflictError | NotFoundError)
