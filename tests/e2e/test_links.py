"""`forebay link`, and what `status` says of bytes that came from another site."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from forebay.sites.state import SiteTerms
from forebay.testing.served import ServedHubs
from forebay.wire.runs import DataUse, NewRun, RunState
from tests.e2e.program import Program
from tests.e2e.sites import team_with


def test_declare_list_and_forget(tmp_path: Path) -> None:
    forebay = Program(tmp_path)
    assert forebay("link", "ls", "--json").json == []
    assert "Nothing is known of any link" in forebay("link", "ls").out
    said = forebay("link", "declare", "s3://clicks", "dgx", "--price", "0.09 USD", "--bandwidth", "120MB/s", "--json")
    assert said.json["declared_bandwidth_bytes_s"] == 120 * 2**20
    assert said.json["price_byte"] * 2**30 == 0.09
    assert said.json["declared_latency_s"] is None
    assert forebay("link", "declare", "aks", "dgx", "--latency", "0.03s", "-q").out == "aks dgx\n"
    shown = forebay("link", "ls").out
    assert "120.0 MiB/s" in shown
    assert "only declared" in shown
    assert "30 ms" in shown
    assert [item["source"] for item in forebay("link", "ls", "--json").json] == ["aks", "s3://clicks"]
    forebay("link", "forget", "aks", "dgx")
    assert forebay("link", "ls", "-q").out == "s3://clicks dgx\n"
    assert forebay("link", "forget", "aks", "dgx", "--json", code=3).error["kind"] == "link-not-found"


def test_a_declaration_that_says_nothing_or_nonsense_is_refused(tmp_path: Path) -> None:
    forebay = Program(tmp_path)
    for given in ([], ["--price", "cheap"], ["--bandwidth", "fast"], ["--latency", "soon"]):
        assert forebay("link", "declare", "s3://clicks", "dgx", *given, "--json", code=2).error["kind"]
    assert forebay("link", "declare", "a b", "dgx", "--price", "1 USD", "--json", code=2).error["kind"] == "bad-link"


def test_a_second_volume_is_filled_from_the_first(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    (lake / "day_0").write_bytes(b"click\n" * 100_000)
    near, far = (Program(tmp_path, FOREBAY_VOLUME=str(tmp_path / name)) for name in ("near", "far"))
    near("dataset", "register", "clicks", f"file://{lake}/")
    near("cache", "warm", "clicks@v1")
    with near.start("link", "serve", "-q") as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("http://127.0.0.1:")
            volume = near("status", "--json").json["volume"]["volume_id"]
            target = far("status", "--json").json["volume"]["volume_id"]
            # A lake of files beside it is as near as that: it shall be the farther one here.
            near("link", "declare", "file://", target, "--price", "9 USD")
            far("cache", "warm", "clicks@v1")
            far.process("exec", "clicks@v1", "--", "true")
            assert "0 B came from the lake and 585.9 KiB from other sites" in far("status").out
            assert volume in far("link", "ls").out
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0


def test_others_can_not_be_served_in_the_clear(tmp_path: Path) -> None:
    forebay = Program(tmp_path)
    refused = forebay("link", "serve", "--host", "0.0.0.0", "--json", code=2)
    assert refused.error["kind"] == "insecure-host"
    agent = forebay("agent", "--site", "dgx", "--serve", "0.0.0.0:0", "--json", code=2)
    assert agent.error["kind"] == "insecure-host"
    assert forebay("agent", "--site", "dgx", "--serve", "here", "--json", code=2).error["kind"] == "bad-setting"


@pytest.mark.e2e
def test_a_site_is_filled_from_the_agent_of_another(served_hubs: ServedHubs, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    (lake / "day_0").write_bytes(b"click\n" * 100_000)
    with team_with(served_hubs, tmp_path, SiteTerms(hold_s=120.0, beat_s=1.0)) as team:
        programs = {site: team.program(site) for site in ("near", "far")}
        for site, program in programs.items():
            team.agent(program, site, "--serve", "127.0.0.1:0")
        ref = programs["near"]("dataset", "register", "clicks", f"file://{lake}/", "-q").ids[0]
        # A lake of files beside it is as near as another site: it shall be the farther one here.
        team.hub.links.declare("file://", "far", price_byte=1.0)
        for site in programs:
            new = NewRun(command=("true",), data=(DataUse(name="data", ref=ref),), site=site, submitted_by="ada")
            done = team.wait_run(team.hub.runs.submit(new).run_id, RunState.SUCCEEDED, RunState.FAILED)
            assert done.state is RunState.SUCCEEDED, done
        told = {
            site: next(
                item.reason
                for item in team.hub.volumes.events(team.hub.sites.get(site).volume_id, 10)
                if item.event == "filled"
            )
            for site in programs
        }
        assert told == {"near": "moved 585.9 KiB", "far": "moved 0 Bytes, 585.9 KiB of another site"}
