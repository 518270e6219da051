"""A manifest as folders, against a plain model of sets of paths."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.catalog.folders import File, Folder, Folders
from forebay.errors import NotFoundError

names = st.text(st.sampled_from("ab/0.-é"), min_size=1, max_size=7)


def folders_of(*paths: str) -> Folders:
    ordered = sorted(paths, key=str.encode)
    half = len(ordered) // 2
    return Folders(pa.chunked_array([ordered[:half], ordered[half:]], pa.string()))


def shown(folders: Folders, folder: str) -> list[str]:
    return [item.path + ("/" if isinstance(item, Folder) else "") for item in folders.children(folder)]


def test_a_folder_is_listed_without_what_lies_below() -> None:
    folders = folders_of("a", "b/c", "b/d/e", "b/d/f", "b.x", "b0", "é/x")
    assert shown(folders, "") == ["a", "b.x", "b/", "b0", "é/"]
    assert shown(folders, "b") == ["b/c", "b/d/"]
    assert shown(folders, "b/d") == ["b/d/e", "b/d/f"]
    assert shown(folders, "nowhere") == []


def test_a_path_is_a_file_a_folder_or_nothing() -> None:
    folders = folders_of("a", "b/c", "b.x")
    assert folders.find("a") == File(path="a", row=0)
    assert folders.find("b/c") == File(path="b/c", row=2)
    assert folders.find("b") == Folder(path="b")
    assert folders.find("") == Folder(path="")
    for path in ("c", "b/", "b/c/d", "a/b", "b/d"):
        with pytest.raises(NotFoundError, match="no file"):
            folders.find(path)


def test_an_empty_version_is_an_empty_folder() -> None:
    folders = folders_of()
    assert folders.find("") == Folder(path="")
    assert shown(folders, "") == []


@given(st.sets(names))
def test_children_are_what_a_walk_over_all_paths_finds(found: set[str]) -> None:
    clean = {path.strip("/").replace("//", "/") for path in found} - {""}
    paths = {path for path in clean if not any(other.startswith(f"{path}/") for other in clean) and "//" not in path}
    folders = folders_of(*paths)
    parents = {path.rsplit("/", depth)[0] for path in paths for depth in range(path.count("/") + 1)} - paths
    for folder in ("", *parents):
        prefix = f"{folder}/" if folder else ""
        below = [path[len(prefix) :] for path in paths if path.startswith(prefix)]
        expected = {prefix + name.split("/")[0] + ("/" if "/" in name else "") for name in below}
        listed = shown(folders, folder)
        assert len(listed) == len(set(listed))
        assert set(listed) == expected
        assert folders.find(folder) == Folder(path=folder)


@given(st.sets(names), st.integers(1, 3))
def test_pages_are_the_children_one_after_the_other(found: set[str], limit: int) -> None:
    paths = {"/".join(part for part in path.split("/") if part) for path in found} - {""}
    folders = folders_of(*paths)
    ordered = sorted(paths, key=str.encode)
    for folder in {"", *(path.rsplit("/", 1)[0] for path in paths if "/" in path)} - paths:
        pages, start = list[str](), 0
        while True:
            children, start = folders.page(folder, start, limit)
            assert len(children) <= limit
            for child in children:
                below = ordered[child.begin : child.end]
                assert all(path == child.path or path.startswith(f"{child.path}/") for path in below)
                assert len(below) == 1 or child.is_folder
                pages.append(child.path + ("/" if child.is_folder else ""))
            if not start:
                break
        assert pages == shown(folders, folder)
        begin, end = folders.span(folder)
        prefix = f"{folder}/" if folder else ""
        assert ordered[begin:end] == [path for path in ordered if path.startswith(prefix)]
