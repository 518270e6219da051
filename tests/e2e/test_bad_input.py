"""Bad input: a message that says what is wrong with what, and what to do; an exit code; and nothing lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forebay.cli.main import main
from forebay.testing.awkward import AwkwardOrigin
from forebay.testing.awkward.faults import Lengthen, Status, Truncate
from tests.e2e.program import Program

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def forebay_with_datasets(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """`criteo@v1` with the tag prod, and `spare@v1`; every command is refused, so all tests share it."""
    folder = tmp_path_factory.mktemp("refused")
    (folder / "raw").mkdir()
    (folder / "raw" / "day_0").write_bytes(b"0")
    forebay = Program(folder)
    for name in ("criteo", "spare"):
        forebay("dataset", "register", name, f"file://{folder}/raw/")
    forebay("dataset", "tag", "criteo@v1", "prod")
    return forebay


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (["dataset", "show", "creteo"], 3, "dataset-not-found"),
        (["dataset", "show", "criteo@v9"], 3, "version-not-found"),
        (["dataset", "show", "criteo@prd"], 3, "tag-not-found"),
        (["dataset", "show", "Criteo"], 2, "bad-name"),
        (["dataset", "files", "criteo@v0"], 2, "bad-ref"),
        (["dataset", "tag", "criteo@v1", "v2"], 2, "bad-name"),
        (["dataset", "tag", "criteo@v1"], 2, "usage"),
        (["dataset", "register", "x", "s3://"], 2, "bad-lake-url"),
        (["dataset", "register", "x", "./raw"], 2, "bad-lake-url"),
        (["dataset", "register", "x", "ftp://host/x"], 2, "unknown-scheme"),
        (["dataset", "register", "x", "s3://key:secret@bucket/x"], 2, "credentials-in-url"),
        (["dataset", "register", "x", "s3://bucket/a/../b"], 2, "bad-lake-url"),
        (["dataset", "register", "x", "http://example.com/x"], 2, "plain-http"),
        (["dataset", "register", "x", "file:///a/", "s3://b/"], 2, "many-roots"),
        (["dataset", "register", "x", "s3://bucket/x", "--profile", "none"], 2, "profile-not-found"),
        (["dataset", "commit", "x", "nowhere"], 3, "directory-not-found"),
        (["dataset", "commit", "x", ".", "--parent", "nothing"], 3, "dataset-not-found"),
        (["cache", "pin", "criteo@v1", "--until", "yesterday"], 2, "bad-until"),
        (["cache", "warm", "criteo@v1", "nothing"], 3, "dataset-not-found"),
        (["cache", "frob"], 2, "usage"),
        (["cache", "warm"], 2, "usage"),
        (["cache", "evict", "criteo@v1"], 9, "not-ready"),
        (["dataset", "rm", "criteo@v1", "--yes"], 5, "tagged"),
        (["dataset", "rm", "spare"], 2, "needs-yes"),
        (["path", "criteo@v1"], 9, "not-ready"),
        (["exec", "criteo@v1"], 2, "usage"),
        (["ctr", "generate"], 2, "usage"),
    ],
)
def test_every_refusal_has_a_kind_a_message_and_a_code(
    forebay_with_datasets: Program, arguments: list[str], code: int, kind: str
) -> None:
    forebay = forebay_with_datasets
    done = forebay(*arguments, "--json", code=code)
    assert done.error["kind"] == kind
    assert done.error["message"]
    assert done.out == ""
    assert "key:secret" not in done.err
    told = forebay(*arguments, code=code)
    assert "Error: " in told.err
    assert "Traceback" not in told.err
    assert forebay("dataset", "ls", "-q").ids == ["criteo", "spare"]


def test_did_you_mean(forebay_with_datasets: Program) -> None:
    forebay = forebay_with_datasets
    assert "Did you mean criteo?" in forebay("dataset", "show", "creteo", code=3).err


def test_a_bad_setting_names_its_source(tmp_path: Path) -> None:
    forebay = Program(tmp_path, FOREBAY_VOLUME_LIMIT="plenty")
    told = forebay("status", code=2).err
    assert "volume_limit (from FOREBAY_VOLUME_LIMIT)" in told
    assert "500GB, 2TB or 80%" in told


def test_a_volume_that_is_no_volume(forebay: Program, days: Path) -> None:
    assert forebay("status", "--volume", days, "--json", code=5).error["kind"] == "volume-not-empty"
    for path in (days / "day_0", days / "day_0" / "below"):
        assert forebay("status", "--volume", path, "--json", code=2).error["kind"] == "volume-is-file"
    told = forebay("status", "--volume", days / "day_0", code=2).err
    assert "it is a file, and a volume is a folder" in " ".join(told.split())


def test_a_version_that_never_fits(tmp_path: Path, days: Path) -> None:
    forebay = Program(tmp_path, FOREBAY_VOLUME_LIMIT="4KB")
    forebay("dataset", "register", "criteo", f"file://{days}/")
    forecast = forebay("cache", "warm", "criteo", "--dry-run", "--json").json[0]
    assert forecast["missing_bytes"] > 0
    assert "there is no room" in forebay("cache", "warm", "criteo", "--dry-run").out
    assert forebay("cache", "warm", "criteo", "--json", code=7).error["kind"] == "never-fits"
    assert "the last fill failed" in forebay("cache", "why", "criteo").out


def test_one_that_fails_delays_no_other(forebay: Program, days: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "x").write_bytes(b"x")
    forebay("dataset", "register", "bad", f"file://{days}/")
    forebay("dataset", "register", "good", f"file://{other}/")
    (days / "day_1").unlink()
    done = forebay("cache", "warm", "bad", "good", code=5)
    assert "day_1" in done.err
    assert "good@v1: 1 B moved" in done.out


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Status(403), 4), (Status(404), 5), (Truncate(after_bytes=10), 6), (Lengthen(extra_bytes=5), 8)],
)
def test_a_lake_that_misbehaves_is_named(
    tmp_path: Path, awkward_origin: AwkwardOrigin, monkeypatch: pytest.MonkeyPatch, fault: Status, code: int
) -> None:
    monkeypatch.setattr("forebay.lake.backoff.Backoff.delay_s", lambda self, *, tries, **_: 0.0 if tries < 3 else None)
    awkward_origin.put("/data/x", b"x" * 1000)
    forebay = Program(tmp_path)
    forebay("dataset", "register", "x", f"{awkward_origin.url}/data/x")
    awkward_origin.misbehave("/data/x", always=fault)
    told = forebay("cache", "warm", "x", "--json", code=code).error
    assert "/data/x" in told["message"]
    awkward_origin.misbehave("/data/x")
    assert forebay("cache", "warm", "x", "--json").json[0]["present_bytes"] >= 0


def test_nothing_unexpected_shows_a_traceback_unasked(forebay: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(flags: object) -> None:
        raise RuntimeError("something odd\nsecond line")

    monkeypatch.setattr("forebay.client.session.Session.start", broken)
    told = forebay("status", code=1).err
    assert told == (
        "Error: RuntimeError: something odd\nSee where it comes from with FOREBAY_DEBUG=1; please report it.\n"
    )
    forebay.env = {**forebay.env, "FOREBAY_DEBUG": "1"}
    assert "Traceback" in forebay("status", code=1).err


def test_a_name_cannot_steer_the_terminal(forebay: Program) -> None:
    assert "\x1b" not in forebay("dataset", "show", "\x1b[31mred", code=2).err


def test_main_gives_an_exit_code() -> None:
    assert main(["--version"]) == 0


def test_a_reader_that_has_gone_ends_the_command_quietly(forebay_with_datasets: Program) -> None:
    read, write = os.pipe()
    os.close(read)
    child = forebay_with_datasets.start("dataset", "files", "criteo@v1", "--json", stdout=write)
    os.close(write)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (141, "")
