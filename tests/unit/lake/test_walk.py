from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from forebay.errors import ConflictError, ForebayError, InputError, NotFoundError
from forebay.lake.walk import digest_of, read_file, walk


def kind_of(directory: Path) -> str:
    with pytest.raises(ForebayError) as caught:
        walk(directory)
    return caught.value.kind


def test_files_come_sorted_by_path(tmp_path: Path) -> None:
    for name in ("b", "a/z", "a.txt", "c/d/e"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)

    assert [file.path for file in walk(tmp_path)] == ["a.txt", "a/z", "b", "c/d/e"]


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "only" / "folders").mkdir(parents=True)

    assert kind_of(tmp_path) == "empty-directory"


def test_a_missing_directory_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        walk(tmp_path / "nowhere")


def test_a_link_inside_is_its_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")

    assert [(file.path, file.size_bytes) for file in walk(tmp_path)] == [("file", 1), ("link", 1)]


def test_a_link_that_escapes_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_text("x")
    (inside / "link").symlink_to("../secret")

    assert kind_of(inside) == "link-escapes"


def test_a_link_to_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("x")
    (tmp_path / "link").symlink_to("folder")

    assert kind_of(tmp_path) == "not-a-file"


@pytest.mark.parametrize("target", ["nowhere", "link"])
def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to(target)

    assert kind_of(tmp_path) == "file-missing"


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert kind_of(tmp_path) == "not-a-file"


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")

        assert kind_of(tmp_path) == "not-a-file"


def test_names_that_no_tree_can_hold_are_refused(tmp_path: Path) -> None:
    (tmp_path / "back\\slash").write_text("x")

    assert kind_of(tmp_path) == "path-backslash"


def test_names_that_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    (tmp_path / "File").write_text("x")
    (tmp_path / "file").write_text("x")

    assert kind_of(tmp_path) == "path-collision"


def test_a_file_that_changes_after_it_was_found_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (found,) = walk(tmp_path)
    (tmp_path / "file").write_text("other")

    with pytest.raises(ConflictError, match="changed while it was read"):
        digest_of(found)


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(3 * 1024 * 1024))
    (found,) = walk(tmp_path)
    reading = read_file(found)
    next(reading)
    with (tmp_path / "file").open("ab") as more:
        more.write(b"x")

    with pytest.raises(ConflictError):
        list(reading)


def test_a_file_that_disappears_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (found,) = walk(tmp_path)
    (tmp_path / "file").unlink()

    with pytest.raises(InputError):
        digest_of(found)
