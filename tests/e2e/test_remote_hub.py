"""Every command works the same against a team's hub: served by one home, used from another."""

from __future__ import annotations

import io
import json
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.testing.cached import World
from tests.e2e.program import Program
from tests.e2e.serving import running, told
from tests.e2e.test_startup import _SCRIPT, NEVER

pytestmark = pytest.mark.e2e


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Where the hub is."""
    made = World(tmp_path / "server")
    yield made
    made.hub.close()


@pytest.fixture
def member(world: World, tmp_path: Path) -> Iterator[Program]:
    """Somebody of the team, on another machine than the process that serves the hub."""
    folder = tmp_path / "member"
    folder.mkdir()
    with running(Program(world.root), "--port", "0") as process:
        served = told(process)
        yield Program(folder, FOREBAY_HUB=served["url"], FOREBAY_TOKEN=served["token"])


def test_the_main_job_of_a_member(member: Program, world: World, days: Path, tmp_path: Path) -> None:
    assert member("dataset", "ls", "--json").json == []
    assert member("dataset", "register", "criteo", days.as_uri(), "-q").ids == ["criteo@v1"]
    assert [item.name for item in world.hub.catalog.datasets()] == ["criteo"]
    member("dataset", "tag", "criteo@v1", "prod")
    assert member("dataset", "show", "criteo@prod", "-q").ids == ["criteo@v1"]
    forecast = member("cache", "warm", "criteo", "--dry-run", "--json").json[0]
    assert forecast["move_bytes"] == 6000
    (warmed,) = member("cache", "warm", "criteo@prod", "--json").json
    assert warmed["moved_bytes"] == 6000
    assert member("cache", "warm", "criteo@prod", "--json").json[0]["moved_bytes"] == 0
    assert Path(member("path", "criteo@v1").out.strip(), "day_2").read_bytes() == (days / "day_2").read_bytes()
    assert member("exec", "criteo@v1", "--", "true").code == 0
    assert member("cache", "warm", "criteo@v1", "--include", "day_0", "--json").json[0]["moved_bytes"] == 0
    out = tmp_path / "out"
    out.mkdir()
    (out / "features").write_bytes(b"f" * 500)
    committed = member("dataset", "commit", "features", out, "--parent", "criteo@v1", "--json").json
    assert committed["version"]["ref"] == "features@v1"
    assert member("dataset", "lineage", "criteo@v1", "-q").ids == ["criteo@v1", "features@v1"]
    member("cache", "pin", "criteo@v1", "--reason", "mine")
    assert member("cache", "evict", "criteo@v1", "--yes", "--json", code=5).error["kind"] == "pinned"
    member("cache", "unpin", "criteo@v1")
    assert member("cache", "verify", "--json").json["verified"]
    assert "3 ready" in member("status").out
    assert member("cache", "quota", "ls", "--json").json == []
    member("cache", "evict", "criteo", "--yes")
    assert member("cache", "events", "--json").json[0]["event"] == "evicted"
    assert member("dataset", "show", "nowhere", "--json", code=3).error["kind"] == "dataset-not-found"
    assert not (member.home / "hub.db").exists(), "nothing is kept in a database here"


def test_python_opens_a_version_of_the_team(member: Program, world: World) -> None:
    world.add("clicks", {"day_0": b"0" * 1000})
    script = "import forebay\nwith forebay.open('clicks') as clicks: print((clicks.path / 'day_0').stat().st_size)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=dict(member.env), capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "1000\n"
    volume = world.hub.volumes.at(str(member.home / "volume"), socket.gethostname())
    assert volume is not None
    assert world.hub.volumes.savings(volume.volume_id)[0].uses == 1


def test_a_token_is_shown_nowhere(member: Program) -> None:
    token = member.env["FOREBAY_TOKEN"]
    for arguments in (["config", "show"], ["config", "show", "--json"], ["config", "show", "-q"], ["status"]):
        done = member(*arguments)
        assert token not in done.out + done.err
    assert json.loads(member("config", "show", "--json").out)
    stranger = Program(member.folder, FOREBAY_HUB=member.env["FOREBAY_HUB"], FOREBAY_TOKEN="wrong-token")
    refused = stranger("dataset", "ls", "--json", code=4)
    assert refused.error["kind"] == "not-signed-in"
    assert "wrong-token" not in refused.out + refused.err


def test_a_log_in_is_kept_for_every_command_until_one_logs_out(
    member: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, token = member.env["FOREBAY_HUB"], member.env["FOREBAY_TOKEN"]
    plain = Program(tmp_path / "plain")
    assert plain("login", url, "--json", code=2).error["kind"] == "needs-token"
    monkeypatch.setattr("sys.stdin", io.StringIO("fbt_wrong\n"))
    refused = plain("login", url, "--token-stdin", "--json", code=4)
    assert refused.error["kind"] == "not-signed-in"
    assert "fbt_wrong" not in refused.err
    file = tmp_path / "plain" / "config" / "forebay" / "login.toml"
    assert not file.exists()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{token}\n"))
    done = plain("login", f"{url}/", "--token-stdin")
    assert (done.out, done.err) == (f"You are admin (admin) at {url}\n", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert plain("whoami", "-q").ids == ["admin"]
    shown = plain("config", "show", "--origin").out
    assert token not in shown
    assert "login.toml" in shown
    elsewhere = Program(tmp_path / "plain", FOREBAY_HUB=url.replace("127.0.0.1", "localhost"))
    assert elsewhere("whoami", code=4).out == "", "the token is not sent to another hub"
    assert "FOREBAY_HUB is set" in elsewhere("logout").err
    assert plain("logout", "--json").json["forgotten"] is False
    assert "the one on this machine" in plain("whoami").out


def test_who_may_do_what_is_said_from_anywhere(member: Program, world: World, days: Path, tmp_path: Path) -> None:
    assert "admin" in member("whoami").out
    member("user", "add", "ada", "scientist")
    assert member("user", "role", "ada", "engineer", "--json").json["role"] == "engineer"
    assert member("team", "add", "ads", "ada", "-q").ids == ["ada"]
    member("dataset", "register", "criteo", days.as_uri())
    shown = member("dataset", "policy", "set", "criteo", "--read", "ads", "--json").json
    assert member("dataset", "policy", "show", "criteo", "--json").json == shown
    assert (shown["read"], shown["set_by"]) == (["ads"], "admin")
    secret = member("token", "make", "--user", "ada", "--dataset", "criteo", "-q").out.strip()
    ada = Program(member.folder, FOREBAY_HUB=member.env["FOREBAY_HUB"], FOREBAY_TOKEN=secret)
    me = ada("whoami", "--json").json
    assert (me["user"], me["role"], me["teams"], me["datasets"]) == ("ada", "scientist", ["ads"], ["criteo"])
    assert me["expires_at"] > 0
    assert ada("whoami", "-q").ids == ["ada"]
    assert ada("token", "ls", "-q").ids == [me["token_id"]]
    assert ada("user", "ls", "--json", code=4).error["kind"] == "not-allowed"
    assert ada("dataset", "ls", "-q").ids == ["criteo"]
    (refused,) = member("audit", "ls", "--refused", "--json").json["records"]
    assert (refused["user"], refused["call"]) == ("ada", "access.users")
    lines = member("audit", "export", "--user", "ada").out.splitlines()
    assert json.loads(lines[0])["number"] == refused["number"]
    assert member("token", "revoke", me["token_id"], "--yes", "--json").json[0]["revoked_at"] > 0
    assert ada("whoami", "--json", code=4).error["kind"] == "not-signed-in"
    assert member("team", "rm", "ads", "ada").out == "ads: nobody yet\n"
    assert member("user", "rm", "ada", "--yes", "--json").json == {"user": "ada", "tokens": 0}
    assert not (member.home / "hub.db").exists()


def test_a_hub_that_is_away_is_named(tmp_path: Path) -> None:
    alone = Program(tmp_path, FOREBAY_HUB="http://127.0.0.1:9", FOREBAY_TOKEN="t")
    told = alone("dataset", "ls", "--json", code=6).error
    assert told["kind"] == "hub-away"
    assert "forebay hub serve" in told["todo"]


@pytest.mark.parametrize("arguments", [("cache", "warm", "criteo@v1"), ("runs", "ls")], ids=["warm", "runs"])
def test_a_member_imports_neither_a_database_nor_a_server(
    member: Program, days: Path, arguments: tuple[str, ...]
) -> None:
    member("dataset", "register", "criteo", days.as_uri())
    command = [sys.executable, "-c", _SCRIPT, *arguments, "--quiet"]
    done = subprocess.run(command, env=dict(member.env), capture_output=True, text=True, check=True, timeout=120)
    imported = set(done.stderr.split())
    assert "httpx2" in imported
    # httpx2 has structures of its own for the command line, none of which it needs here.
    assert imported & {*NEVER, "sqlalchemy", "fastapi", "uvicorn", "starlette"} == set()


def test_who_has_no_team_imports_nothing_of_it(tmp_path: Path) -> None:
    alone = Program(tmp_path)
    command = [sys.executable, "-c", _SCRIPT, "dataset", "ls", "--quiet"]
    done = subprocess.run(command, env=dict(alone.env), capture_output=True, text=True, check=True, timeout=120)
    assert set(done.stderr.split()) & {"httpx2", "fastapi", "uvicorn", "starlette"} == set()
