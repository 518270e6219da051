"""fsspec's own abstract test-suite, for all that a read-only file system can do.

The suite writes its scenarios through the file system under test; here they are registered as versions instead. What it
tests of copying within a file system, of writing and of empty folders has no meaning for versions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import fsspec
import pytest
from fsspec.tests.abstract import AbstractFixtures
from fsspec.tests.abstract.get import AbstractGetTests

from forebay.client.filesystem import ForebayFileSystem
from tests.integration.cache.stage import Stage

Both = Callable[[Callable[[Any, str], Any]], tuple[Any, Any]]
"""Asks both file systems a question about the scenario's folder."""


class Writer:
    """Takes what the suite's scenarios write, and registers it as a version."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._files: dict[str, bytes] = {}

    def touch(self, path: str) -> None:
        self._files[path] = b""

    def pipe(self, path: str, value: bytes) -> None:
        self._files[path] = value

    def makedirs(self, path: str) -> None:
        """Folders are where files are."""

    def register(self, source: str) -> str:
        ref = source.partition("/")[0]
        inner = {path.removeprefix(f"{ref}/"): data for path, data in self._files.items()}
        self._stage.add(ref, inner)
        return source


class ForebayFixtures(AbstractFixtures):  # type: ignore[misc] # fsspec ships no types
    @pytest.fixture
    def fs(self, stage: Stage) -> Iterator[ForebayFileSystem]:
        found = fsspec.filesystem("forebay", **stage.settings, skip_instance_cache=True)
        assert isinstance(found, ForebayFileSystem)
        with found:
            yield found

    @pytest.fixture
    def fs_path(self) -> str:
        return "scenario"

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False

    @pytest.fixture
    def fs_bulk_operations_scenario_0(self, stage: Stage, fs_join: Callable[..., str], fs_path: str) -> str:
        writer = Writer(stage)
        return writer.register(self._bulk_operations_scenario_0(writer, fs_join, fs_path))

    @pytest.fixture
    def fs_glob_edge_cases_files(self, stage: Stage, fs_join: Callable[..., str], fs_path: str) -> str:
        writer = Writer(stage)
        return writer.register(self._glob_edge_cases_files(writer, fs_join, fs_path))

    @pytest.fixture
    def fs_dir_and_file_with_same_name_prefix(self, stage: Stage, fs_join: Callable[..., str], fs_path: str) -> str:
        writer = Writer(stage)
        return writer.register(self._dir_and_file_with_same_name_prefix(writer, fs_join, fs_path))

    @pytest.fixture
    def fs_10_files_with_hashed_names(self, stage: Stage, fs_join: Callable[..., str], fs_path: str) -> str:
        writer = Writer(stage)
        return writer.register(self._10_files_with_hashed_names(writer, fs_join, fs_path))


class TestGet(ForebayFixtures, AbstractGetTests):  # type: ignore[misc]
    """All of the suite's tests of `get`: they list, walk, glob, expand and read."""

    def test_get_directory_recursive(
        self,
        fs: ForebayFileSystem,
        fs_join: Callable[..., str],
        fs_path: str,
        local_fs: Any,
        local_join: Callable[..., str],
        local_target: str,
        stage: Stage,
    ) -> None:
        """This one writes for itself: what it touches is registered."""

        def touch(path: str) -> None:
            writer = Writer(stage)
            writer.touch(path)
            writer.register(path)

        with mock.patch.object(fs, "mkdir"), mock.patch.object(fs, "touch", touch):
            super().test_get_directory_recursive(fs, fs_join, fs_path, local_fs, local_join, local_target)


class TestRest(ForebayFixtures):
    """What the suite has no test of: other reading operations, on its scenarios, against the local file system."""

    @pytest.fixture
    def both(
        self, fs: ForebayFileSystem, fs_glob_edge_cases_files: str, local_fs: Any, local_glob_edge_cases_files: str
    ) -> Both:
        def ask(question: Callable[[Any, str], Any]) -> tuple[Any, Any]:
            here, there = str(fs_glob_edge_cases_files), str(local_glob_edge_cases_files)
            return _relative(question(fs, here), here), _relative(question(local_fs, there), there)

        return ask

    def test_glob(self, both: Both) -> None:
        patterns = ("*", "**", "file?", "subdir[01]/*", "*/subfile1", "**/nestedfile", "subdir0/**/nested*", "none*")
        ours, locals_ = both(lambda fs, root: [sorted(fs.glob(f"{root}/{pattern}")) for pattern in patterns])
        assert ours == locals_
        assert [bool(found) for found in ours] == [True] * 7 + [False]

    def test_find_and_walk(self, both: Both) -> None:
        def found(fs: Any, root: str) -> list[list[str]]:
            cases = [(depth, dirs) for depth in (None, 1, 2) for dirs in (False, True)]
            return [sorted(fs.find(root, maxdepth=depth, withdirs=dirs)) for depth, dirs in cases]

        def walked(fs: Any, root: str) -> list[tuple[str, list[str], list[str]]]:
            return sorted((path, sorted(folders), sorted(files)) for path, folders, files in fs.walk(root))

        for ask in (found, walked):
            ours, locals_ = both(ask)
            assert ours == locals_
            assert all(ours)

    def test_ls_info_and_what_a_path_is(self, both: Both) -> None:
        there = ("", "/file1", "/subdir0", "/subdir1/nesteddir/nestedfile")

        def facts(fs: Any, root: str) -> list[Any]:
            return [
                [fs.exists(root + at), fs.isfile(root + at), fs.isdir(root + at)] for at in (*there, "/n", "/file1/n")
            ]

        def listed(fs: Any, root: str) -> list[Any]:
            return [
                sorted(
                    (item["name"], item["type"], item["size"])
                    for item in fs.ls(root + at, detail=True)
                    if item["type"] == "file"
                )
                for at in there
            ] + [sorted(fs.ls(root + at, detail=False)) for at in there]

        def infos(fs: Any, root: str) -> list[Any]:
            return [(fs.info(root + at)["name"], fs.info(root + at)["type"]) for at in there]

        for ask in (facts, listed, infos):
            ours, locals_ = both(ask)
            assert ours == locals_

    def test_what_is_not_there_is_not_found(self, fs: ForebayFileSystem, fs_glob_edge_cases_files: str) -> None:
        for ask in (fs.info, fs.ls, fs.open, fs.cat_file, fs.created, fs.ukey):
            with pytest.raises(FileNotFoundError, match="no file 'source/none'"):
                ask(f"{fs_glob_edge_cases_files}/none")
            with pytest.raises(FileNotFoundError, match=r"(?s)no dataset 'scenari'.*Did you mean scenario\?"):
                ask("scenari@v1/source/file1")
        with pytest.raises(IsADirectoryError):
            fs.open(fs_glob_edge_cases_files)

    def test_cat(self, fs: ForebayFileSystem, fs_10_files_with_hashed_names: str) -> None:
        paths = sorted(fs.ls(fs_10_files_with_hashed_names, detail=False))
        assert sorted(fs.cat(paths).values()) == [b"%d" % number for number in range(10)]
        assert fs.cat_file(paths[0], start=0, end=1) == fs.cat(paths[0]) == fs.head(paths[0]) == fs.tail(paths[0])
        assert fs.cat_ranges([paths[0], paths[1]], [0, 0], [1, 0]) == [fs.cat(paths[0]), b""]
        assert fs.read_text(paths[0]).encode() == fs.cat(paths[0])
        assert fs.read_block(paths[0], 0, 1) == fs.cat(paths[0])
        assert dict(fs.get_mapper(fs_10_files_with_hashed_names)) == {
            path.rpartition("/")[2]: data for path, data in fs.cat(paths).items()
        }

    def test_sizes(self, fs: ForebayFileSystem, fs_10_files_with_hashed_names: str) -> None:
        paths = fs.find(fs_10_files_with_hashed_names)
        assert fs.sizes(paths) == [1] * 10
        assert fs.du(fs_10_files_with_hashed_names) == 10
        assert fs.created(paths[0]) == fs.modified(paths[0])
        assert len({fs.ukey(path) for path in paths}) == len({fs.checksum(path) for path in paths}) == 10


def _relative(found: Any, root: str) -> Any:
    """The answer with every path relative to the scenario's folder."""
    if isinstance(found, str):
        return os.path.relpath(found, root) if found.startswith(root) else found
    if isinstance(found, list | tuple):
        return type(found)(_relative(item, root) for item in found)
    return found
