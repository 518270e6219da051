"""A bundle is not believed: nothing is ever written outside its folder, and what is refused leaves nothing."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from forebay.errors import ConflictError, DamagedError, ForebayError, InputError
from forebay.runs.executors.unpack import unpack

Member = tuple[tarfile.TarInfo, bytes]


def plain(name: str, data: bytes = b"x") -> Member:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    return member, data


def special(name: str, kind: bytes, target: str = "") -> Member:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def link(name: str, target: str) -> Member:
    return special(name, tarfile.SYMTYPE, target)


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., Path]:
    (tmp_path / "in").mkdir()

    def write(*members: Member) -> Path:
        path = tmp_path / "in" / "b.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for member, data in members:
                tar.addfile(member, io.BytesIO(data))
        return path

    return write


def refused(archive: Path, folder: Path, **bounds: int) -> ForebayError:
    """Why it was; nothing is left of it."""
    folder.parent.mkdir()
    with pytest.raises(ForebayError) as caught:
        unpack(archive, folder, **bounds)  # type: ignore[arg-type]
    assert os.listdir(folder.parent) == []
    return caught.value


@pytest.mark.parametrize(
    "members",
    [
        [plain("../evil")],
        [plain("/tmp/evil")],
        [plain("a/../../evil")],
        [plain("")],
        [plain("./")],
        [link("out", "/etc")],
        [link("out", "..")],
        [link("here", "."), link("out", "here/here/..")],
        [link("out", "../x"), plain("out/evil")],
        [link("dir", "real"), plain("dir/file"), plain("real/x")],
        [plain("file"), plain("file/below")],
        [plain("twice"), plain("twice")],
        [plain("twice"), link("twice", "x")],
        [plain("a"), special("hard", tarfile.LNKTYPE, "a")],
        [special("hard", tarfile.LNKTYPE, "/etc/passwd")],
        [special("dev", tarfile.CHRTYPE)],
        [special("dev", tarfile.BLKTYPE)],
        [special("pipe", tarfile.FIFOTYPE)],
    ],
)
def test_what_leads_out_or_is_no_file_is_refused(
    archive: Callable[..., Path], tmp_path: Path, members: list[Member]
) -> None:
    error = refused(archive(*members), tmp_path / "site" / "work")
    assert isinstance(error, InputError)
    assert error.kind == "bundle-refused"


def test_links_that_stay_inside_are_made(archive: Callable[..., Path], tmp_path: Path) -> None:
    path = archive(link("a/up", "../b"), plain("b", b"B"), link("later", "not/yet"))
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out" / "a" / "up").read_bytes() == b"B"
    assert os.readlink(tmp_path / "out" / "later") == "not/yet"


def test_no_right_but_to_execute_is_taken_over(archive: Callable[..., Path], tmp_path: Path) -> None:
    member, data = plain("suid")
    member.mode, member.uid = 0o6777, 12345
    unpack(archive((member, data)), tmp_path / "out")
    facts = (tmp_path / "out" / "suid").stat()
    assert (facts.st_mode & 0o7777, facts.st_uid) == (0o755, os.geteuid())


def test_a_bomb_does_not_go_off(archive: Callable[..., Path], tmp_path: Path) -> None:
    bomb = archive(plain("zeros", bytes(64 << 20)))
    assert bomb.stat().st_size < 1 << 20
    error = refused(bomb, tmp_path / "site" / "work", max_bytes=1 << 20, max_files=10)
    assert error.kind == "bundle-refused"
    many = archive(*(plain(str(number), b"") for number in range(11)))
    assert refused(many, tmp_path / "site2" / "work", max_files=10).kind == "bundle-refused"


def test_zeros_after_the_end_are_a_bomb_too(archive: Callable[..., Path], tmp_path: Path) -> None:
    path = archive(plain("a"))
    path.write_bytes(path.read_bytes() + gzip.compress(bytes(64 << 20)))
    assert refused(path, tmp_path / "site" / "work", max_bytes=1 << 20, max_files=10).kind == "bundle-refused"


def test_a_broken_archive_is_damaged(archive: Callable[..., Path], tmp_path: Path) -> None:
    path = archive(plain("a", os.urandom(5000)))
    whole = path.read_bytes()
    flipped = whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:]
    for number, data in enumerate((b"", b"nonsense", whole[:3000], whole[:-4], flipped)):
        path.write_bytes(data)
        error = refused(path, tmp_path / f"site{number}" / "work")
        assert isinstance(error, DamagedError), (number, error)
    path.write_bytes(whole)
    with pytest.raises(DamagedError):
        unpack(path, tmp_path / "out", digest="00" * 32)


def test_every_attempt_has_a_new_folder(archive: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ConflictError) as caught:
        unpack(archive(plain("a")), tmp_path / "out")
    assert caught.value.kind == "folder-exists"
