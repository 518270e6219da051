"""A bundle: the files that belong to a folder, the same bytes for the same files, bounds that are said."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from forebay.digest import digest_file
from forebay.errors import InputError
from forebay.runs.executors.bundle import pack
from forebay.runs.executors.unpack import unpack


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    write(folder, train="print(1)\n", lib__a="a", lib__b="b")
    (folder / "train").chmod(0o700)
    (folder / "link").symlink_to("lib/a")
    return folder


def test_what_was_packed_comes_out_again(code: Path, tmp_path: Path) -> None:
    bundle = pack(code, tmp_path / "b.tar.gz")
    assert bundle.digest == digest_file(tmp_path / "b.tar.gz").hex()
    assert (bundle.files, bundle.commit, bundle.is_dirty) == (4, "", False)
    unpack(tmp_path / "b.tar.gz", tmp_path / "out", digest=bundle.digest)
    assert names(tmp_path / "out") == {"train", "lib/a", "lib/b", "link"}
    assert (tmp_path / "out" / "train").read_text() == "print(1)\n"
    assert os.access(tmp_path / "out" / "train", os.X_OK)
    assert (tmp_path / "out" / "lib" / "a").stat().st_mode & 0o777 == 0o644
    assert os.readlink(tmp_path / "out" / "link") == "lib/a"


def test_the_same_files_have_the_same_digest_and_others_another(code: Path, tmp_path: Path) -> None:
    first = pack(code, tmp_path / "1.tar.gz")
    copy = tmp_path / "elsewhere"
    write(copy, lib__b="b", lib__a="a", train="print(1)\n")
    (copy / "link").symlink_to("lib/a")
    (copy / "train").chmod(0o755)
    os.utime(copy / "train", (1, 1))
    assert pack(copy, tmp_path / "2.tar.gz").digest == first.digest
    (copy / "train").chmod(0o644)
    assert pack(copy, tmp_path / "2.tar.gz").digest != first.digest
    (copy / "train").chmod(0o755)
    write(copy, lib__b="B")
    assert pack(copy, tmp_path / "2.tar.gz").digest != first.digest


def test_in_git_what_is_ignored_stays_and_what_is_new_goes(code: Path, tmp_path: Path) -> None:
    write(code, **{".gitignore": "*.log\n/data/\n", "x.log": "x", "data__big": "x", "gone": "x"})
    git(code, "init", "-q")
    git(code, "add", "-A")
    git(code, "commit", "-qm", "one")
    clean = pack(code, tmp_path / "b.tar.gz")
    assert (clean.commit, clean.is_dirty) == (git(code, "rev-parse", "HEAD").strip(), False)
    write(code, **{"new file\n": "n"})
    (code / "gone").unlink()
    dirty = pack(code, tmp_path / "b.tar.gz")
    assert (dirty.commit, dirty.is_dirty) == (clean.commit, True)
    unpack(tmp_path / "b.tar.gz", tmp_path / "out")
    assert names(tmp_path / "out") == {"train", "lib/a", "lib/b", "link", ".gitignore", "new file\n"}


def test_a_folder_below_a_repository_is_packed_alone(code: Path, tmp_path: Path) -> None:
    git(code, "init", "-q")
    bundle = pack(code / "lib", tmp_path / "b.tar.gz")
    assert (bundle.files, bundle.commit, bundle.is_dirty) == (2, "", True)
    unpack(tmp_path / "b.tar.gz", tmp_path / "out")
    assert names(tmp_path / "out") == {"a", "b"}


def test_a_repository_that_git_will_not_read_is_not_packed_whole(code: Path, tmp_path: Path) -> None:
    write(code, **{".git": "gitdir: /nowhere\n"})
    with pytest.raises(InputError) as caught:
        pack(code, tmp_path / "b.tar.gz")
    assert caught.value.kind == "git-failed"


def test_bounds_are_held_and_the_largest_files_named(code: Path, tmp_path: Path) -> None:
    write(code, weights="x" * 5000)
    with pytest.raises(InputError, match=r"weights \(5000\)") as caught:
        pack(code, tmp_path / "b.tar.gz", max_bytes=4000)
    assert caught.value.kind == "bundle-too-large"
    with pytest.raises(InputError, match="5 files"):
        pack(code, tmp_path / "b.tar.gz", max_files=4)


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "lib/../../outside"])
def test_a_link_that_leads_out_is_refused(code: Path, tmp_path: Path, target: str) -> None:
    (code / "bad").symlink_to(target)
    with pytest.raises(InputError, match="bad leads out") as caught:
        pack(code, tmp_path / "b.tar.gz")
    assert caught.value.kind == "bundle-link"


def test_what_is_no_file_is_refused(code: Path, tmp_path: Path) -> None:
    os.mkfifo(code / "pipe")
    with pytest.raises(InputError, match="pipe") as caught:
        pack(code, tmp_path / "b.tar.gz")
    assert caught.value.kind == "bundle-file"
    with pytest.raises(InputError, match="no folder"):
        pack(code / "train", tmp_path / "b.tar.gz")
