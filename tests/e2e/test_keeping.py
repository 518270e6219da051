"""Teams, quotas, stale ages, the ledger and advice as a user meets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.program import Program

pytestmark = pytest.mark.e2e


@pytest.fixture
def ads(forebay: Program, days: Path) -> Program:
    """A forebay with one version of the team ads, on the volume and opened once."""
    forebay("dataset", "register", "criteo", f"file://{days}/", "--team", "ads")
    forebay("cache", "warm", "criteo")
    forebay("exec", "criteo", "--", "true")
    return forebay


def test_a_dataset_is_a_teams_and_says_so(ads: Program, days: Path) -> None:
    assert ads("dataset", "show", "criteo", "--json").json["dataset"]["team"] == "ads"
    assert "of the team ads" in ads("dataset", "show", "criteo").out
    (days / "day_9").write_bytes(b"9")
    refused = ads("dataset", "register", "criteo", f"file://{days}/", "--team", "maps", "--json", code=5).error
    assert refused["kind"] == "other-team"
    assert "forebay dataset team criteo maps" in refused["todo"]
    assert ads("dataset", "team", "criteo", "maps").out == "criteo is the team maps's now\n"
    assert ads("dataset", "team", "criteo", "--none").out == "criteo is nobody's now\n"
    ads("dataset", "team", "criteo", "ads", "--none", code=2)
    ads("dataset", "team", "criteo", code=2)


def test_a_dataset_is_described(ads: Program) -> None:
    assert ads("dataset", "describe", "criteo", "clicks of [b]a day[/b]").out == "criteo is described now\n"
    assert ads("dataset", "show", "criteo").out.splitlines()[1] == "clicks of [b]a day[/b]"
    assert ads("dataset", "show", "criteo", "--json").json["dataset"]["description"] == "clicks of [b]a day[/b]"
    ads("dataset", "describe", "criteo", code=2)
    ads("dataset", "describe", "criteo", "x", "--none", code=2)
    ads("dataset", "describe", "nobody", "x", code=3)
    assert ads("dataset", "describe", "criteo", "--none").out == "nothing is said of criteo any more\n"
    assert ads("dataset", "show", "criteo", "--json").json["dataset"]["description"] == ""


def test_a_quota_is_shown_tried_and_set(ads: Program) -> None:
    assert "forebay cache quota set" in ads("cache", "quota", "ls").out
    assert ads("cache", "quota", "ls", "--json").json == []
    planned = ads("cache", "quota", "set", "ads", "5000", "--dry-run", "--json").json
    assert (planned["limit_bytes"], planned["held_bytes"], planned["going"]) == (5000, 6000, [])
    assert ads("cache", "quota", "ls", "-q").ids == [], "it was only tried"
    (ads.folder / "config" / "forebay").mkdir(parents=True)
    (ads.folder / "config" / "forebay" / "config.toml").write_text('grace = "0s"\n')
    (gone,) = ads("cache", "quota", "set", "ads", "5000", "--dry-run", "--json").json["going"]
    assert gone["rule"] == "quota"
    assert "--yes" in ads("cache", "quota", "set", "ads", "5000", code=2).err
    assert "goes with the next sweep: criteo@v1" in ads("cache", "quota", "set", "ads", "5000", "--yes").out
    assert ads("cache", "quota", "ls", "--json").json[0]["held_bytes"] == 6000
    assert "120%" in ads("cache", "quota", "ls").out
    assert "criteo@v1 is ready: the team ads holds 5.9 KiB of its 4.9 KiB" in ads("cache", "why", "criteo").out
    assert [item["ref"] for item in ads("cache", "evict", "--yes", "--json").json] == ["criteo@v1"]
    assert ads("cache", "warm", "criteo", "--dry-run", "--json").json[0]["over_quota_bytes"] == 1000
    assert "its team's quota has no room: 1000 B are missing" in ads("cache", "warm", "criteo", "--dry-run").out
    refused = ads("cache", "warm", "criteo", "--json", code=7).error
    assert refused["kind"] == "over-quota"
    assert "quota of the team ads" in refused["message"]
    ads("cache", "quota", "rm", "ads")
    assert ads("cache", "quota", "rm", "ads", "--json", code=3).error["kind"] == "quota-not-found"
    ads("cache", "quota", "set", "ads", "50%", code=2)
    ads("cache", "warm", "criteo")


def test_a_dataset_may_stay_longer_than_the_site_says(ads: Program) -> None:
    stale = Program(ads.folder, FOREBAY_STALE_AFTER="0s", FOREBAY_GRACE="0s")
    why = stale("cache", "why", "criteo", "--json").json
    assert "longer than" in why["reason"]
    assert "it goes with the next sweep" in why["reason"]
    assert why["todo"].startswith("keep it: forebay cache pin criteo@v1; or free its space now: forebay cache evict")
    assert stale("cache", "keep", "criteo", "--stale-after", "never", "--json").json["stale_after_s"] == 0
    assert "stale age is off (set for criteo)" in stale("cache", "why", "criteo").out
    assert stale("cache", "evict").out.startswith("Nothing is due.")
    told = stale("cache", "keep", "criteo", "--stale-after", "30d").out
    assert told == "replicas of criteo go after 30 days without use\n"
    assert "its replicas go after 30 days without use" in stale("dataset", "show", "criteo").out
    stale("cache", "keep", "criteo", "--stale-after", "default")
    dry = stale("cache", "evict", "--dry-run").out
    assert "would evict 1 replica and free 5.9 KiB\nto bring that back: about" in dry
    stale("cache", "keep", "criteo", "--stale-after", "0s", code=2)
    stale("cache", "keep", "nobody", "--stale-after", "1d", code=3)


def test_the_ledger_is_shown_by_whatever_is_asked_for(ads: Program) -> None:
    ads("exec", "criteo", "--", "true")
    for by, key in (("dataset", "criteo"), ("team", "ads"), ("version", "criteo@v1")):
        (found,) = ads("status", "--by", by, "--json").json
        assert (found["by"], found["key"], found["uses"]) == (by, key, 2)
        assert (found["conventional_bytes"], found["moved_bytes"], found["saved_bytes"]) == (12000, 6000, 6000)
        assert found["seconds_saved"] > 0
    assert len(ads("status", "--by", "month", "-q").ids) == 1
    assert "TIME SAVED" in ads("status", "--by", "team").out
    assert "2 uses" in ads("status").out
    assert ads("status", "--by", "colour", "--json", code=2).error["kind"] == "bad-ledger-key"


def test_advice_replays_what_was_used(forebay: Program, ads: Program) -> None:
    ads("exec", "criteo", "--", "true")
    small, large = ads("cache", "advise", "--size", "1GB", "--size", "1000", "--json").json
    assert (small["limit_bytes"], small["uses"], small["hits"], small["refill_bytes"]) == (1000, 2, 0, 12000)
    assert (large["hits"], large["hit_rate"], large["refill_bytes"]) == (1, 0.5, 6000)
    assert "as it is" in ads("cache", "advise").out
    assert len(ads("cache", "advise", "--since", "1h", "-q").ids) == 7
    ads("cache", "advise", "--size", "much", code=2)
    assert ads("cache", "advise", "--since", "default", "--json", code=2).error["kind"] == "bad-age"


def test_advice_needs_something_to_go_by(forebay: Program) -> None:
    assert "no use yet" in forebay("cache", "advise").out
    assert "ledger is empty" in forebay("status", "--by", "dataset").out
