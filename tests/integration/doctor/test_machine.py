"""Each fault of a machine, its home, its records or its volume, made for real, is found with its mend; else none."""

from __future__ import annotations

import os
import resource
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.cache.quarantine import quarantine_blob
from forebay.catalog.engine import HEAD
from forebay.clock import SystemClock
from forebay.doctor.examine import Check, examine
from forebay.doctor.finding import Finding, Severity, note
from forebay.doctor.patient import Patient, Thresholds
from forebay.fsio import Disk
from forebay.settings import Settings
from forebay.testing.cached import FakeClock, World
from forebay.testing.cached.world import holder
from forebay.testing.servers import Postgres
from forebay.wire.cache import Granted, HealthReport, Sign
from tests.integration.doctor.conftest import HOST, PATIENT, Machine, only

pytestmark = pytest.mark.integration

NOTE, WARNING = Severity.NOTE, Severity.WARNING


def tree_of(root: Path) -> set[tuple[str, int]]:
    """Every name below, and its mode."""
    return {(str(path), path.lstat().st_mode) for path in root.rglob("*") if not path.name.startswith("hub.db-")}


def test_a_healthy_machine_has_nothing_and_is_left_as_it_was(machine: Machine) -> None:
    before = tree_of(machine.world.root)
    examined = machine.examine()
    assert examined.findings == ()
    assert examined.healthy
    assert [check.name for check in examined.checks] == [
        *("settings", "home", "limits", "hub", "volume", "permissions", "left-overs", "lakes", "speed")
    ]
    assert tree_of(machine.world.root) == before


def test_a_new_machine_gets_notes_and_nothing_is_made_there(tmp_path: Path) -> None:
    world = World(tmp_path / "elsewhere")
    machine = Machine(world)
    new = {"FOREBAY_HOME": str(tmp_path / "home"), "FOREBAY_VOLUME": str(tmp_path / "volume")}
    examined = machine.examine(new)
    assert [item.kind for item in examined.findings] == ["no-records", "no-volume"]
    assert {item.severity for item in examined.findings} == {NOTE}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere"]
    world.hub.close()


def test_settings_that_can_not_be_read(machine: Machine) -> None:
    (machine.world.root / "forebay.toml").write_text("streams = 'many'\n")
    assert "streams" in only(machine.examine(), "bad-setting").message
    (machine.world.root / "forebay.toml").write_text("streams = \n")
    only(machine.examine(), "bad-settings-file")


@pytest.mark.parametrize(("mode", "severity"), [(0o644, Severity.FAULT), (0o640, WARNING), (0o600, None)])
def test_secrets_that_others_can_read(machine: Machine, mode: int, severity: Severity | None) -> None:
    file = machine.world.root / "config" / "forebay" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('token = "fbt_secret"\n[profiles.minio]\nsecret_access_key = "hush"\n')
    file.chmod(mode)
    examined = machine.examine()
    if severity is None:
        assert examined.findings == ()
        return
    found = only(examined, "secrets-readable", severity)
    assert found.mend == f"chmod 600 {file}"
    assert "fbt_secret" not in str(examined)
    assert "hush" not in str(examined)


def test_settings_without_secrets_may_be_read_by_all(machine: Machine) -> None:
    (machine.world.root / "forebay.toml").write_text("streams = 8\n")
    (machine.world.root / "forebay.toml").chmod(0o644)
    assert machine.examine().findings == ()


def test_a_home_that_can_not_be(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    database = {"FOREBAY_DATABASE": f"sqlite:///{machine.world.home}/hub.db"}
    kinds = [item.kind for item in machine.examine({"FOREBAY_HOME": str(tmp_path / "file")}).findings]
    assert kinds[0] == "home-is-file"
    # Nobody can write there, root neither.
    kinds = [item.kind for item in machine.examine({"FOREBAY_HOME": "/proc/forebay", **database}).findings]
    assert "home-read-only" in kinds


def test_a_home_whose_disk_is_full(machine: Machine) -> None:
    tight = Thresholds(sync_s=30, bad_sync_s=60, write_bytes_s=1.0, home_free_bytes=1 << 60)
    assert "MiB left" in only(machine.examine(thresholds=tight), "home-full", WARNING).message


def test_too_few_open_files(machine: Machine) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        found = only(machine.examine(), "few-open-files", WARNING)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "512" in found.message
    assert "ulimit -n 1024" in found.mend


def test_a_database_of_another_release_is_not_touched(machine: Machine) -> None:
    database = machine.world.home / "hub.db"
    for revision, kind, severity in (("0001", "database-older", WARNING), ("9999", "database-newer", Severity.FAULT)):
        with sqlite3.connect(database) as connection:
            connection.execute("UPDATE forebay_revision SET version_num = ?", (revision,))
        found = only(machine.examine(), kind, severity)
        assert HEAD in found.message
        with sqlite3.connect(database) as connection:
            assert connection.execute("SELECT version_num FROM forebay_revision").fetchone() == (revision,)


def test_a_database_that_somebody_holds(machine: Machine) -> None:
    with sqlite3.connect(machine.world.home / "hub.db", isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        only(machine.examine(), "database-busy")


def test_a_database_that_is_none(machine: Machine) -> None:
    found = only(machine.examine({"FOREBAY_DATABASE": "postgresql://ada:hush@127.0.0.1:9/x"}), "database-away")
    assert "hush" not in str(found)


def test_a_clock_that_is_not_the_database_servers(machine: Machine, postgres_server: Postgres) -> None:
    url = {"FOREBAY_DATABASE": postgres_server.new_database()}
    kinds = [item.kind for item in machine.examine(url).findings]
    assert kinds == ["no-tables"]
    world = World(machine.world.root / "other")
    world.hub.close()
    from forebay.hub.local import LocalHub

    LocalHub.open(machine.world.home, url["FOREBAY_DATABASE"], SystemClock()).close()
    examined = machine.examine(url, clock=Ahead(40.0))
    skew = [item for item in examined.findings if item.kind == "clock-skew" and "database" in item.message]
    assert [(item.severity, "behind" in item.message) for item in skew] == [(WARNING, True)]


class Ahead(SystemClock):
    """A clock that somebody set wrong."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        return super().now() + self._seconds


def test_a_clock_that_is_not_the_volumes_servers(machine: Machine) -> None:
    found = only(machine.examine(clock=Ahead(-300.0)), "clock-skew")
    assert "the volume's server is 300 s ahead" in found.message
    assert "chrony" in found.mend


def test_an_unmounted_volume(machine: Machine) -> None:
    machine.world.volume.rename(machine.world.root / "away")
    machine.world.volume.mkdir()
    assert "Mount it" in only(machine.examine(), "volume-not-mounted").mend
    assert list(machine.world.volume.iterdir()) == []


def test_a_folder_that_is_no_volume(machine: Machine) -> None:
    other = machine.world.root / "photos"
    other.mkdir()
    (other / "cat.jpg").write_text("")
    only(machine.examine({"FOREBAY_VOLUME": str(other)}), "volume-not-empty")


def test_a_volume_of_another_hub(machine: Machine) -> None:
    other = World(machine.world.root / "other")
    other.cache()
    assert "--adopt" in only(machine.examine({"FOREBAY_VOLUME": str(other.volume)}), "volume-foreign").mend
    other.hub.close()


def test_a_volume_whose_mark_is_damaged(machine: Machine) -> None:
    mark = machine.world.volume / "forebay-volume.json"
    mark.chmod(0o644)
    mark.write_text("{")
    kinds = {item.kind for item in machine.examine().findings}
    assert kinds == {"volume-mark"}


class FailingDisk(Disk):
    """Nothing can be synced."""

    def sync(self, descriptor: int) -> None:
        raise OSError(5, os.strerror(5))


def test_a_volume_that_keeps_nothing(machine: Machine) -> None:
    findings = machine.examine(disk=FailingDisk()).findings
    assert {item.kind for item in findings} == {"volume-bad", "check-refused"}
    assert "Input/output error" in findings[0].message


class NoLinks(Disk):
    """As vfat, and many file shares."""

    def link(self, source: Path, target: Path) -> None:
        raise OSError(1, os.strerror(1))


def test_a_file_system_without_hard_links(machine: Machine) -> None:
    only(machine.examine(disk=NoLinks()), "no-hard-links", WARNING)


class SlowDisk(Disk):
    """Takes its time; the clock says so, the test does not wait."""

    def __init__(self, clock: FakeClock, *, sync_s: float = 0.0, write_s: float = 0.0) -> None:
        self._clock = clock
        self._sync_s, self._write_s = sync_s, write_s

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self._clock.pass_by(self._sync_s)

    def write(self, descriptor: int, data: object) -> None:
        super().write(descriptor, data)  # type: ignore[arg-type]
        self._clock.pass_by(self._write_s)


@pytest.mark.parametrize(("sync_s", "severity"), [(0.1, None), (0.4, WARNING), (2.0, Severity.FAULT)])
def test_a_volume_that_is_slow_to_sync(machine: Machine, sync_s: float, severity: Severity | None) -> None:
    clock = FakeClock(time.time())
    slow = Thresholds(write_bytes_s=1.0, skew_s=1e6)
    examined = machine.examine(clock=clock, disk=SlowDisk(clock, sync_s=sync_s), thresholds=slow)
    if severity is None:
        assert examined.findings == ()
    else:
        assert f"{sync_s * 1000:.0f} ms" in only(examined, "slow-sync", severity).message


def test_a_volume_that_is_slow_to_write(machine: Machine) -> None:
    clock = FakeClock(time.time())
    disk = SlowDisk(clock, write_s=1.0)
    found = only(
        machine.examine(clock=clock, disk=disk, thresholds=Thresholds(sync_s=9, bad_sync_s=9, skew_s=1e6)),
        *("slow-writes", WARNING),
    )
    assert "4.2 MB/s" in found.message


def test_files_that_can_be_written_to(machine: Machine) -> None:
    (blob,) = (machine.world.volume / "roots" / "default" / "blobs").glob("*/*")
    blob.chmod(0o644)
    found = only(machine.examine(), "files-writable")
    assert found.message.startswith("2 of the files"), "its name in the tree is the same file"
    assert f"chmod a-w {blob}" in found.mend


def test_a_volume_that_the_hub_holds_for_shaky(machine: Machine) -> None:
    volume = machine.world.hub.volumes.at(str(machine.world.volume), HOST)
    assert volume is not None
    machine.world.hub.volumes.report_health(volume.volume_id, HealthReport(sign=Sign.BAD, reason="it failed"))
    assert "it failed" in only(machine.examine(), "volume-unstable").message


def test_a_limit_beyond_the_disk(machine: Machine) -> None:
    machine.world.hub.volumes.add(machine.world.cache().volume_id, str(machine.world.volume), 1 << 60, HOST)
    found = only(machine.examine({"FOREBAY_VOLUME_LIMIT": "1024PB"}), "limit-too-high", WARNING)
    assert "volume_limit=" in found.mend


def test_a_share_of_the_disk_that_others_use_too_is_no_warning(machine: Machine) -> None:
    machine.world.hub.volumes.add(machine.world.cache().volume_id, str(machine.world.volume), 1 << 60, HOST)
    found = only(machine.examine(), "limit-too-high", Severity.NOTE)
    assert "80% of the whole file system" in found.message
    assert "disk-full" in found.mend
    assert "volume_limit=" in found.mend


def test_what_was_left_over(machine: Machine) -> None:
    world = machine.world
    cache = world.cache(limit_bytes=1 << 20)
    views = world.add("views", {"a": b"a" * 10})
    granted = world.hub.fills.claim(cache.volume_id, views, holder())
    assert isinstance(granted, Granted)
    world.hub.fills.fail(granted.fill_id, granted.token, "it broke", 5 << 20)
    found = only(machine.examine(), "fills-broke-off", WARNING)
    assert "5 MiB" in found.message
    assert "forebay cache warm views@v1" in found.mend
    (blob,) = (world.volume / "roots" / "default" / "blobs").glob("*/*")
    quarantine_blob(cache.layout, "default", blob.name, Disk(), now=time.time())
    assert "quarantine" in {item.kind for item in machine.examine().findings}


def test_a_lake_that_is_gone_and_one_that_lacks_an_object(machine: Machine) -> None:
    world = machine.world
    (world.lake / "clicks" / "day_0").unlink()
    found = only(machine.examine(), "object-gone", WARNING)
    assert "clicks@v1" in found.message
    assert "day_0" in found.message
    world.lake.rename(world.root / "moved")
    only(machine.examine(), "lake-not-found")


def test_a_check_that_fails_hangs_or_breaks_stops_no_other(tmp_path: Path) -> None:
    patient = Patient(settings=Settings(), folder=tmp_path, host=HOST, clock=SystemClock(), thresholds=PATIENT)
    released: list[bool] = []

    def hangs(_: Patient) -> Iterator[Finding]:
        yield note("before", "it found this first", "Nothing.")
        while not released:
            time.sleep(0.01)

    def breaks(_: Patient) -> Iterator[Finding]:
        raise RuntimeError("secret locals")
        yield

    def refused(_: Patient) -> Iterator[Finding]:
        raise PermissionError(13, "Permission denied", "/x")
        yield

    def fine(_: Patient) -> Iterator[Finding]:
        yield note("fine", "it ran", "Nothing.")

    made = [Check(name=look.__name__, look=look) for look in (hangs, breaks, refused, fine)]
    examined = examine(patient, [made, made[3:]], limit_s=2.0)
    released.append(True)
    assert [(check.name, [item.kind for item in check.findings]) for check in examined.checks] == [
        ("hangs", ["before", "check-hangs"]),
        ("breaks", ["check-broken"]),
        ("refused", ["check-refused"]),
        ("fine", ["fine"]),
        ("fine", ["fine"]),
    ]
    assert "secret locals" not in str(examined)
