"""The whole story as a user lives it, on a local lake and on a real S3 server."""

from __future__ import annotations

import shutil
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from forebay.testing.servers import SeaweedFS
from tests.e2e.program import Program

pytestmark = pytest.mark.e2e


def test_from_registration_to_removal(forebay: Program, days: Path, tmp_path: Path) -> None:
    assert "forebay dataset register" in forebay("dataset", "ls").out
    assert "forebay cache warm" in forebay("cache", "ls").out

    planned = forebay("dataset", "register", "criteo", f"file://{days}/day_*", "--dry-run", "--json").json
    assert (planned["files"], planned["size_bytes"], planned["unchanged"]) == (3, 6000, False)
    assert forebay("dataset", "ls", "-q").ids == []
    told = ("--description", "clicks of a day")
    assert forebay("dataset", "register", "criteo", f"file://{days}/day_*", "-q", *told).ids == ["criteo@v1"]
    assert forebay("dataset", "show", "criteo", "--json").json["dataset"]["description"] == told[1]
    other = forebay("dataset", "register", "criteo", f"file://{days}/day_*", "--description", "views")
    assert "keeps its description: forebay dataset describe criteo TEXT" in other.err
    again = forebay("dataset", "register", "criteo", f"file://{days}/day_*")
    assert again.out == "nothing changed: already registered as criteo@v1: 3 files, 5.9 KiB\n"

    assert "nobody has asked for it here" in forebay("cache", "why", "criteo").out
    forecast = forebay("cache", "warm", "criteo", "--dry-run", "--json").json[0]
    assert (forecast["move_bytes"], forecast["estimated_seconds"], forecast["evicts"]) == (6000, None, [])
    (warmed,) = forebay("cache", "warm", "criteo", "--json").json
    assert (warmed["moved_bytes"], warmed["present_bytes"]) == (6000, 0)
    assert forebay("cache", "warm", "criteo", "--json").json[0]["moved_bytes"] == 0
    assert forebay("cache", "ls", "-q").ids == ["criteo@v1"]
    tree = Path(forebay("path", "criteo@v1").out.strip())
    assert (tree / "day_2").read_bytes() == (days / "day_2").read_bytes()

    out = tmp_path / "out"
    out.mkdir()
    (out / "features").write_bytes(b"f" * 500)
    (out / "copy").write_bytes(b"f" * 500)
    options = ("--parent", "criteo@v1", "-m", "five", "--description", "made of clicks")
    committed = forebay("dataset", "commit", "features", out, *options, "--json").json
    assert forebay("dataset", "show", "features", "--json").json["dataset"]["description"] == "made of clicks"
    assert (committed["sent_files"], committed["sent_bytes"], committed["present_files"]) == (1, 500, 1)
    assert committed["kept"]["copied_bytes"] == 500, "it is ready here, made of the directory"
    assert committed["version"]["parents"] == [{"dataset": "criteo", "number": 1, "ref": "criteo@v1"}]
    assert committed["version"]["made_by"]["command"]
    dry = forebay("dataset", "commit", "features", out, "--dry-run", "--json").json
    assert (dry["send_files"], dry["present_bytes"]) == (0, 1000)

    (days / "day_3").write_bytes(b"3" * 10)
    (days / "day_0").unlink()
    assert forebay("dataset", "register", "criteo", f"file://{days}/day_*", "-q").ids == ["criteo@v2"]
    diff = forebay("dataset", "diff", "criteo@v1", "criteo@v2", "--files", "--json").json
    assert {kind: tally["files"] for kind, tally in diff["tallies"].items() if tally["files"]} == {
        "unchanged": 2,
        "added": 1,
        "removed": 1,
    }
    assert [(change["kind"], change["path"]) for change in diff["changes"]] == [
        ("removed", "day_0"),
        ("added", "day_3"),
    ]

    forebay("dataset", "tag", "criteo@v1", "prod")
    assert "it was criteo@v1" in forebay("dataset", "tag", "criteo@v2", "prod").out
    assert forebay("dataset", "show", "criteo@prod", "-q").ids == ["criteo@v2"]
    assert [move["number"] for move in forebay("dataset", "tags", "criteo", "--json").json] == [2, 1]
    forebay("dataset", "tag", "criteo", "--remove", "prod")
    assert forebay("dataset", "lineage", "criteo@v1", "-q").ids == ["criteo@v1", "features@v1"]

    (days / "day_0").write_bytes(bytes(1000))
    assert "s ago (grace 10 min)" in forebay("cache", "evict", "--dry-run").out
    assert "free of charge" in forebay("cache", "evict", "criteo@v1", "--dry-run").out
    assert forebay("cache", "evict", "criteo@v1", "--dry-run", "-q").ids == ["criteo@v1"]
    assert forebay("path", "criteo@v1", "-q").ids
    # A file that was put back is another one to the lake (its time is new): the copy here may be the only one.
    assert forebay("cache", "evict", "criteo@v1", "--yes", "--json", code=5).error["kind"] == "not-recoverable"
    forebay("cache", "warm", "criteo@v2")
    evicted = forebay("cache", "evict", "criteo@v2", "--yes", "--json").json
    assert [item["ref"] for item in evicted] == ["criteo@v2"]
    assert "evicted" in forebay("cache", "why", "criteo@v2").out
    events = forebay("cache", "events", "--json").json
    assert [(event["event"], event["ref"]) for event in events] == [
        ("evicted", "criteo@v2"),
        ("filled", "criteo@v2"),
        ("filled", "features@v1"),
        ("filled", "criteo@v1"),
    ]

    held = forebay("dataset", "rm", "criteo@v1", "--dry-run", "--json").json["held_by"]
    assert held == ["features@v1 was made from criteo@v1", "criteo@v1 is on the volume"]
    assert forebay("dataset", "rm", "criteo@v1", "--yes", "--json", code=5).error["kind"] == "has-children"
    assert forebay("dataset", "rm", "features", "--yes", "--json", code=5).error["kind"] == "has-replicas"
    forebay("cache", "evict", "features@v1", "--yes")
    forebay("dataset", "rm", "features", "--yes")
    assert forebay("dataset", "ls", "-q").ids == ["criteo"]


def test_lists_are_lists_when_empty(forebay: Program) -> None:
    for command in (("dataset", "ls"), ("cache", "ls"), ("cache", "events")):
        assert forebay(*command, "--json").json == []
        assert forebay(*command, "-q").out == ""
        assert forebay(*command).out.strip()
    assert forebay("cache", "verify").out == "Nothing is cached: nothing to verify.\n"
    assert forebay("cache", "evict").out.startswith("Nothing is due.")
    assert forebay("status", "--json").json["replicas"] == []


def test_pins_hold_and_say_so(forebay: Program, days: Path) -> None:
    forebay("dataset", "register", "criteo", f"file://{days}/")
    assert forebay("cache", "pin", "criteo", "--json", code=3).error["kind"] == "not-cached"
    forebay("cache", "warm", "criteo")
    pinned = forebay("cache", "pin", "criteo@v1", "--reason", "nightly", "--until", "30d", "--json").json
    assert pinned["pin_reason"] == "nightly"
    stays = forebay("cache", "evict", "criteo@v1", "--yes", "--json", code=5).error
    assert stays["kind"] == "pinned"
    assert "nightly" in stays["message"]
    assert "nightly" in forebay("cache", "ls").out
    assert "pinned" in forebay("status").out
    forebay("cache", "unpin", "criteo@v1")
    assert "--yes" in forebay("cache", "evict", "criteo@v1", code=2).err
    forebay("cache", "evict", "criteo@v1", "--yes")


def test_a_damaged_file_is_found_and_fetched_again(forebay: Program, days: Path) -> None:
    forebay("dataset", "register", "criteo", f"file://{days}/")
    tree = Path(forebay("cache", "warm", "criteo", "-q").out.strip())
    assert forebay("cache", "verify", "--json").json["verified"][0]["hashed_files"] == 3
    assert forebay("cache", "verify", "--json").json["verified"][0]["hashed_files"] == 0
    for name, size in (("day_1", 2000), ("day_2", 3000)):
        (tree / name).chmod(0o644)
        (tree / name).write_bytes(b"x" * size)
    braked = forebay("cache", "verify", "--json", code=8).error
    assert braked["kind"] == "brake"
    found = forebay("cache", "verify", "--force", code=8)
    assert "day_1" in found.out
    assert "forebay cache warm criteo@v1" in found.err
    assert forebay("cache", "why", "criteo@v1").out.startswith("criteo@v1 is damaged: day_1")
    assert forebay("path", "criteo@v1", "--json", code=9).error["kind"] == "not-ready"
    (warmed,) = forebay("cache", "warm", "criteo", "--json").json
    assert warmed["moved_bytes"] == 5000
    assert (tree / "day_1").read_bytes() == (days / "day_1").read_bytes()


def test_the_hub_is_rebuilt_from_the_volume(forebay: Program, days: Path, tmp_path: Path) -> None:
    forebay("dataset", "register", "criteo", f"file://{days}/")
    forebay("cache", "warm", "criteo")
    for path in forebay.home.glob("hub.db*"):
        path.unlink()
    assert "criteo@v1" in forebay("cache", "recover", "--dry-run").out
    assert forebay("cache", "recover", "--json").json["restored"] == ["criteo@v1"]
    assert forebay("cache", "warm", "criteo", "--json").json[0]["moved_bytes"] == 0

    other = Program(tmp_path / "other")
    volume = ("--volume", forebay.home / "volume")
    assert "recover --adopt" in other("cache", "ls", *volume, code=5).err
    assert other("cache", "recover", "--adopt", *volume, "--json").json["restored"] == ["criteo@v1"]
    assert other("cache", "ls", "-q", *volume).ids == ["criteo@v1"]


def test_a_lost_volume_is_given_up_only_by_force(forebay: Program, days: Path) -> None:
    forebay("dataset", "register", "criteo", f"file://{days}/")
    forebay("cache", "warm", "criteo")
    volume = forebay.home / "volume"
    for folder in (volume, *volume.rglob("*")):
        if folder.is_dir():
            folder.chmod(0o755)
    shutil.rmtree(volume)
    volume.mkdir()
    away = forebay("cache", "ls", "--json", code=6).error
    assert away["kind"] == "volume-away"
    assert forebay("cache", "recover", "--force", "--json").json["lost"] == ["criteo@v1"]
    assert [item["state"] for item in forebay("cache", "ls", "--json").json] == ["damaged"]
    assert "forebay cache why criteo@v1" in forebay("cache", "ls").out
    assert "criteo@v1 is damaged: its volume was lost" in forebay("cache", "why", "criteo").out
    assert forebay("cache", "warm", "criteo", "--json").json[0]["moved_bytes"] == 6000


@pytest.mark.integration
def test_the_story_on_s3(tmp_path: Path, s3_server: SeaweedFS) -> None:
    s3_server.make_bucket("story")
    store = S3Store(
        "story",
        client_options={"allow_http": True},
        endpoint=s3_server.endpoint,
        region="us-east-1",
        access_key_id=s3_server.access_key_id,
        secret_access_key=s3_server.secret_access_key,
    )
    for number in range(3):
        obstore.put(store, f"criteo/day_{number}", bytes([65 + number]) * 100_000)
    # Credentials from a named profile, not from the environment; they show up nowhere.
    config = tmp_path / "config" / "forebay"
    config.mkdir(parents=True)
    (config / "config.toml").write_text(
        f'profile = "weed"\nlake = "s3://story/ours/"\n[profiles.weed]\nendpoint = "{s3_server.endpoint}"\n'
        f'access_key_id = "{s3_server.access_key_id}"\nsecret_access_key = "{s3_server.secret_access_key}"\n'
        f'region = "us-east-1"\n'
    )
    forebay = Program(tmp_path)
    shown = forebay("config", "show", "--json").out + forebay("config", "show").out
    assert s3_server.secret_access_key not in shown
    assert "config.toml" in forebay("config", "show", "--origin").out

    assert forebay("dataset", "register", "criteo", "s3://story/criteo/day_*", "-q").ids == ["criteo@v1"]
    assert "no price is known" in forebay("cache", "warm", "criteo", "--dry-run").out
    priced = Program(tmp_path, FOREBAY_READ_PRICE="3579.14 EUR")
    planned = priced("cache", "warm", "criteo", "--dry-run", "--json").json[0]
    assert (planned["move_bytes"], planned["cost"], planned["currency"]) == (
        300_000,
        pytest.approx(1.0, abs=1e-4),
        "EUR",
    )
    assert "1.00 EUR" in priced("cache", "warm", "criteo", "--dry-run").out
    told = forebay.process("exec", "criteo@v1", "--", "sh", "-c", "wc -c < {criteo}/day_1; ls $FOREBAY_CRITEO | wc -l")
    assert told.out.split() == ["100000", "3"]
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"m" * 9_000_000)
    committed = forebay("dataset", "commit", "model", folder, "--parent", "criteo@v1", "--no-keep", "--json").json
    assert committed["sent_bytes"] == 9_000_000
    assert forebay("dataset", "commit", "model", folder, "--no-keep", "--json").json["sent_bytes"] == 0
    assert forebay("cache", "warm", "model", "criteo", "--json").json[0]["moved_bytes"] == 9_000_000
    dry = priced("cache", "evict", "criteo", "--dry-run")
    assert "free 293.0 KiB" in dry.out
    assert "by past fills; 1.00 EUR" in dry.out
    assert priced("cache", "evict", "criteo", "--dry-run", "--json").json[0]["refill_cost"] > 0.99
    gone = forebay("cache", "evict", "model", "criteo", "--yes", "-q").ids
    assert gone == ["model@v1", "criteo@v1"]
    obstore.put(store, "criteo/day_1", b"changed")
    changed = forebay("cache", "warm", "criteo", "--json", code=5).error
    assert "s3://story/criteo/day_1" in changed["message"]
    why = forebay("cache", "why", "criteo").out
    assert "the last fill failed: s3://story/criteo/day_1: the object is not the registered one" in why
    assert "Register a new version" in why
    assert "when that is mended: forebay cache warm criteo@v1" in why
    kept = [path.read_bytes() for path in forebay.home.rglob("*") if path.is_file()]
    assert kept
    assert not any(s3_server.secret_access_key.encode() in data for data in kept)
